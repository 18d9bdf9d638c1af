"""Verbs for rule files: check one, and evaluate one on recorded signals."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from evaluation.commands.common import DONE, say, table

if TYPE_CHECKING:
    from stl.verdicts import RuleResult

RuleFile = Positional[Annotated[Path, arg(help="Rule file, or the name of a shipped set.", metavar="FILE")]]


def check(
    file: RuleFile,
    horizon: Annotated[
        float | None, arg(help="Length of your scenes [s]: rules that look further ahead are named.", metavar="S")
    ] = None,
) -> int:
    """Check a rule file: names, units, ranges, intervals. Warnings do not change the exit code."""
    from evaluation.rules import catalog, locate
    from stl.rules import load_rules
    from stl.text import to_text

    rules = load_rules(locate(file), catalog(), scene=horizon)
    lines = []
    for rule in rules.rules:
        ahead = f"{rules.horizon(rule):g} s"
        applies = "always" if rule.applies is None else to_text(rule.applies)
        lines.append((rule.id, str(rule.level), ahead, applies, to_text(rule.formula)))
    table(("rule", "level", "looks ahead", "applies", "formula"), lines)
    counts = f"{len(rules.rules)} rules, {len(rules.parameters)} parameters, {len(rules.signals)} signals"
    say(f"\n{rules.name}: {counts}, {len(rules.warnings)} warnings")
    for warning in rules.warnings:
        say(f"warning: {warning}")
    return DONE


def evaluate(
    file: RuleFile,
    traces: Annotated[
        Path, arg(help="Table with the columns time [s] and signals; a column trace tells traces apart.", metavar="CSV")
    ],
    format: Annotated[Literal["table", "json"], arg(help="How to print.")] = "table",  # noqa: A002 - the option's name
) -> int:
    """Evaluate a rule file on recorded signals: robustness, interval, verdict, the worst time and what decided."""
    from evaluation.rules import catalog, locate
    from evaluation.traces import read_traces
    from stl.errors import StlError
    from stl.rules import load_rules

    rules = load_rules(locate(file), catalog())
    found = {}
    for trace in read_traces(traces, rules):
        try:
            found[trace.name] = trace.start, rules.evaluate(trace.signals, trace.dt)
        except StlError as error:
            label = str(traces) if trace.name is None else f"{traces}, trace {trace.name!r}"
            raise StlError(f"{label}: {error.reason}", suggestion=error.suggestion) from None
    if format == "json":
        by_trace = [
            {"trace": name, "rules": [_fields(result, start) for result in results]}
            for name, (start, results) in found.items()
        ]
        say(json.dumps({"rules": by_trace[0]["rules"]} if None in found else {"traces": by_trace}, indent=2))
        return DONE
    for name, (start, results) in found.items():
        if name is not None:
            say(f"trace {name}")
        heads = ("rule", "verdict", "robustness", "interval", "normalised", "applies", "worst time", "decided by")
        table(heads, [_line(result, start) for result in results])
    return DONE


def _fields(result: "RuleResult", start: float) -> dict[str, Any]:
    """One rule of one trace, as the JSON contract has it."""
    worst = start + result.worst_time[0]
    return {
        "id": result.id,
        "robustness": _finite(result.robustness[0]),
        "interval": [_finite(result.low[0]), _finite(result.high[0])],
        "verdict": result.verdict[0],
        "worst_time": _finite(worst),
        "decided_by": result.decided_by[0],
    }


def _finite(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _line(result: "RuleResult", start: float) -> tuple[str, ...]:
    worst = start + result.worst_time[0]
    return (
        result.id,
        result.verdict[0].replace("_", " "),
        f"{float(result.robustness[0]):.4g}",
        f"[{float(result.low[0]):.4g}, {float(result.high[0]):.4g}]",
        f"{float(result.normalised[0]):+.3f}",
        f"{float(result.applies[0]):.0%}",
        f"{worst:g} s" if math.isfinite(worst) else "",
        result.decided_by[0] or "",
    )
