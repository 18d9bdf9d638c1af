"""Verbs that bring rules and driving together: the signals there are, and parameters from recorded drives."""

import math
from typing import Annotated

from tyro.conf import Positional, arg

from evaluation.commands.common import DONE, Data, Maps, say, table


def signals(
    name: Positional[Annotated[str, arg(help="One signal, to read all about it.", metavar="NAME")]] = "",
) -> int:
    """List the signals that rules may read: unit, range, the value where there is none, and what each one says."""
    from drive.errors import RunError
    from drive.signals.catalog import CATALOG
    from stl.errors import closest

    if not name:
        lines = [
            (item.name, item.kind if item.kind == "flag" else item.unit, _range(item.low, item.high, item.kind))
            for item in CATALOG.values()
        ]
        table(("signal", "unit", "range"), lines)
        say(f"\n{len(lines)} signals; `drive rules signals NAME` says what one is")
        return DONE
    if name not in CATALOG:
        guess = closest(name, CATALOG)
        raise RunError(f"there is no signal {name!r}" + (f", did you mean {guess!r}?" if guess else ""))
    item = CATALOG[name]
    say(f"{item.name} [{'flag, > 0 where true' if item.kind == 'flag' else item.unit}]: {item.definition}")
    say(f"range {_range(item.low, item.high, item.kind)}; {item.neutral:g} where it has no value")
    say(
        f"gradient: {item.gradient}"
        + (f"; needs {', '.join(item.needs)}, which no source has yet" if item.needs else "")
    )
    return DONE


def calibrate(
    rules: Positional[Annotated[str, arg(help="Rule set: a shipped one by name, or a file.", metavar="RULES")]],
    rule: Annotated[str, arg(help="Rule of the set.", metavar="ID")],
    parameter: Annotated[str, arg(help="Parameter of the rule.", metavar="NAME")],
    suite: Annotated[str, arg(help="Scenes whose recorded drives are looked at.")],
    data: Data = None,
    maps: Maps = None,
    share: Annotated[float, arg(help="Share of the drives that have to keep the rule.", metavar="Q")] = 0.95,
) -> int:
    """Find the tightest value of a parameter that a share of the recorded drives keeps, with its interval."""
    from evaluation.calibration import recorded_drives
    from evaluation.rules import find_rules
    from evaluation.suite import resolve_suite
    from stl.calibrate import calibrate as find

    rule_set = find_rules(rules)
    scenes = resolve_suite(suite, data, maps=maps)
    drives = recorded_drives(scenes, rule_set.signals)
    groups, starts = [drive.group for drive in drives], [drive.start for drive in drives]
    found = find(rule_set, rule, parameter, [drive.signals for drive in drives], share, groups, at=starts)
    item = rule_set.parameters[parameter]
    unit = "" if item.unit == "1" else f" {item.unit}"
    among = f"{100 * found.share:.1f} % of the {found.drives} drives that it applies to ({len(drives)} looked at)"
    if math.isinf(found.value):
        say(
            f"{parameter} of {rule}: no value of its range is kept by {100 * share:g} %; the loosest is kept by {among}"
        )
    else:
        ends = f"95 % interval from {_value(found.tight)} to {_value(found.loose)}"
        say(f"{parameter} of {rule}: {found.value:.4g}{unit}, {ends}")
        say(f"kept by {among}")
    say(f"the file has {item.value:g}{unit}, range {item.low:g} to {item.high:g}")
    say("the interval resamples logs; the value says what these drivers do, not what the law asks for")
    return DONE


def _range(low: float, high: float, kind: str) -> str:
    return "true, false" if kind == "flag" else f"{low:g} .. {high:g}"


def _value(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "none in the range"
