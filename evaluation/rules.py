"""Rule sets in a run: found by name or file, bound to the driving signals, judged on rollouts.

A run keeps its rule sets as files of its own (``RUN/rules``): what was judged can be judged again, whatever becomes of
the file that was named. Rules are columns beside the score, never part of it.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from drive.errors import RunError
from drive.rollout import Rollout
from drive.scene import DT, Scenario
from stl.errors import StlError, closest
from stl.formula import walk
from stl.rules import RuleSet, SignalSpec, load_rules
from stl.text import to_text

if TYPE_CHECKING:
    from drive.signals import Values, World
    from stl.verdicts import RuleResult

SHIPPED = Path(__file__).resolve().parents[1] / "configs" / "rules"
FOLDER = "rules"

PARTS = {
    "satisfied": "DOUBLE",  # 1 kept, 0 broken, null where not applicable or undetermined
    "robustness": "DOUBLE",  # of the formula at the start, in its own units; null where infinite
    "applies": "DOUBLE",  # 1 if the rule applied at some sample
    "verdict": "VARCHAR",
    "step": "BIGINT",
    "agent": "VARCHAR",
    "detail": "VARCHAR",
}
"""Columns of a rule: ``rules.<set>.<rule>.<part>``, and their types."""

OF_THE_MAP = frozenset(
    {
        *("lane_offset", "heading_error", "lane_heading_gap", "lane_margin", "lane_width", "drivable_margin"),
        *("direction_cos", "wrong_way_dist", "speed_limit", "route_offset", "route_progress"),
        *("solid_line_margin", "visible_range"),
    }
)
"""Signals that say nothing where the map has nothing: a rule that reads one which is valid nowhere does not apply."""


class RuleRecord(BaseModel):
    """A rule set as it was judged: ``digest`` is that of its file in the run, ``levels`` its rules and their levels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    digest: str
    levels: Mapping[str, int]


def catalog() -> Mapping[str, SignalSpec]:
    """The driving signals as rule files know them."""
    from drive.signals import CATALOG

    return {
        signal.name: SignalSpec(signal.name, signal.unit, signal.low, signal.high, signal.kind, signal.neutral)
        for signal in CATALOG.values()
    }


def find_rules(name: str) -> RuleSet:
    """The rule set of a shipped name (``urban-de``) or of a file.

    Raises:
        RunError: There is no such set, or it cannot judge drives.
        StlError: The file cannot be used.
    """
    path = locate(Path(name))
    if path.suffix not in (".yaml", ".yml"):
        known = rule_set_names()
        guess = closest(name, known)
        hint = f", did you mean {guess!r}?" if guess else f": there are {', '.join(known)}, or name a .yaml file"
        raise RunError(f"there is no rule set {name!r}{hint}")
    rules = load_rules(path, catalog())
    _check_for_drives(rules, path)
    return rules


def find_rule_sets(names: Iterable[str]) -> list[RuleSet]:
    """The sets of :func:`find_rules`, each once.

    Raises:
        RunError, StlError: As there, or two different sets have one name.
    """
    found: dict[str, RuleSet] = {}
    for rules in map(find_rules, names):
        if record(found.setdefault(rules.name, rules)) != record(rules):
            raise RunError(f"two different rule sets are named {rules.name!r}: give one of them another name")
    return list(found.values())


def _check_for_drives(rules: RuleSet, path: Path) -> None:
    """Refuse what only traces of one's own can answer: signals that drives lack, and other sampling periods."""
    from stl.program import samples_of

    own = sorted(rules.signals.keys() - catalog().keys())
    if own:
        raise RunError(f"{path}: drives have no signal {own[0]!r}; `drive rules signals` lists those they have")
    for rule in rules.rules:
        for formula in filter(None, (rule.formula, rule.applies)):
            for node in walk(rules.bound(formula)):
                try:
                    samples_of(getattr(node, "interval", None), DT)
                except StlError as error:
                    raise RunError(f"{path}: rule {rule.id!r}: {error.reason} of drives") from None


def locate(path: Path) -> Path:
    """The file of a shipped set that is named without more, else ``path`` itself."""
    shipped = SHIPPED / f"{path}.yaml"
    return shipped if len(path.parts) == 1 and not path.exists() and shipped.is_file() else path


def rule_set_names() -> list[str]:
    """Names of the shipped sets."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def as_text(rules: RuleSet) -> str:
    """A rule set as one file, with includes resolved."""
    parameters = {
        item.name: {
            "value": item.value,
            "unit": item.unit,
            **({"range": [item.low, item.high]} if math.isfinite(item.low) and math.isfinite(item.high) else {}),
            **({"loosen": item.loosen} if item.loosen else {}),
            "calibrated": item.calibrated,
            "source": item.source,
        }
        for item in rules.parameters.values()
    }
    content = {
        "schema": "rules/1",
        "name": rules.name,
        "parameters": parameters,
        "rules": [
            {
                "id": rule.id,
                "formula": to_text(rule.formula),
                **({} if rule.applies is None else {"applies": to_text(rule.applies)}),
                "level": rule.level,
                "source": rule.source,
                "description": rule.description,
                **({"scale": dict(rule.scale)} if rule.scale else {}),
            }
            for rule in rules.rules
        ],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def record(rules: RuleSet) -> RuleRecord:
    """What a manifest says of a rule set."""
    digest = hashlib.sha256(as_text(rules).encode()).hexdigest()
    return RuleRecord(name=rules.name, digest=digest, levels={rule.id: rule.level for rule in rules.rules})


def keep_rules(run: Path, sets: Iterable[RuleSet]) -> None:
    """Write rule sets into a run folder."""
    for rules in sets:
        (run / FOLDER).mkdir(exist_ok=True)
        (run / FOLDER / f"{rules.name}.yaml").write_text(as_text(rules), encoding="utf-8")


def changed_rules(run: Path, records: Iterable[RuleRecord]) -> list[str]:
    """Names of rule sets whose file in the run is not the one that was judged."""
    found = []
    for item in records:
        path = run / FOLDER / f"{item.name}.yaml"
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != item.digest:
            found.append(item.name)
    return found


@cache
def rules_of_run(run: Path, name: str) -> RuleSet:
    """A rule set that a run keeps."""
    return load_rules(run / FOLDER / f"{name}.yaml", catalog())


def rule_columns(records: Iterable[RuleRecord]) -> dict[str, str]:
    """Columns of rule sets and their DuckDB types."""
    found: dict[str, str] = {}
    for item in records:
        for rule in item.levels:
            found |= {f"rules.{item.name}.{rule}.{part}": kind for part, kind in PARTS.items()}
        found |= {f"rules.{item.name}.level{level}": "DOUBLE" for level in sorted(set(item.levels.values()))}
    return found


def judge_rollout(sets: Sequence[RuleSet], scenario: Scenario, rollout: Rollout) -> dict[str, Any]:
    """Columns of every rule of every set for one rollout, which goes on from the recorded history of the scene."""
    if not sets:
        return {}
    import torch

    from drive.signals import compute

    torch.set_num_threads(1)
    needed = sorted({name for rules in sets for name in rules.signals})
    world, ego = with_history(scenario, rollout)
    values = compute(needed, world, torch.from_numpy(ego)[None])
    row: dict[str, Any] = {}
    for rules in sets:
        results = rules.evaluate({name: values[name].value for name in rules.signals}, scenario.dt, world.history)
        row |= _set_columns(rules, results, values, scenario)
    return row


def with_history(scenario: Scenario, rollout: Rollout) -> "tuple[World, NDArray[np.float64]]":
    """A rollout behind the recorded steps before its start, for signals and past operators that look back: the world,
    and the ego states ``[H + K + 1, 11]``."""
    from drive.signals import prepare

    tracks, past = scenario.tracks, slice(scenario.start)
    world = prepare(
        scenario,
        np.concatenate((tracks.position[:, past], rollout.position), axis=1),
        np.concatenate((tracks.heading[:, past], rollout.heading), axis=1),
        np.concatenate((tracks.velocity[:, past], rollout.velocity), axis=1),
        np.concatenate((tracks.valid[:, past], rollout.valid), axis=1),
        history=scenario.start,
    )
    return world, np.concatenate((scenario.reference[past], rollout.ego), dtype=np.float64)


def _set_columns(
    rules: RuleSet, results: "Sequence[RuleResult]", values: "Mapping[str, Values]", scenario: Scenario
) -> dict[str, Any]:
    from drive.signals import CATALOG
    from stl.formula import names

    row: dict[str, Any] = {}
    depth = {rule.level: 0.0 for rule in rules.rules}
    for rule, result in zip(rules.rules, results, strict=True):
        read = names(rule.formula) & rules.signals.keys()
        silent = any(
            (CATALOG[name].needs or name in OF_THE_MAP) and not bool(values[name].valid[:, scenario.start :].any())
            for name in read
        )
        verdict = "not_applicable" if silent else str(result.verdict[0])
        robustness = float(result.robustness[0])
        judged = verdict in ("satisfied", "violated")
        cells: dict[str, Any] = {
            "satisfied": float(verdict == "satisfied") if judged else None,
            "robustness": robustness if verdict != "not_applicable" and math.isfinite(robustness) else None,
            "applies": float(verdict != "not_applicable"),
            "verdict": verdict,
            "step": None,
            "agent": None,
            "detail": None,
        }
        if verdict == "violated":
            depth[rule.level] += max(0.0, -float(result.normalised[0]))
            cells |= _cause(rules, result, values, scenario)
        row |= {f"rules.{rules.name}.{rule.id}.{part}": value for part, value in cells.items()}
    return row | {f"rules.{rules.name}.level{level}": value for level, value in depth.items()}


def _cause(rules: RuleSet, result: "RuleResult", values: "Mapping[str, Values]", scenario: Scenario) -> dict[str, Any]:
    """When a rule was broken worst, by which sub-formula, and with whom."""
    from stl.formula import names
    from stl.grammar import parse

    decided = result.decided_by[0] or ""
    worst = float(result.worst_time[0])
    if not math.isfinite(worst):
        return {"detail": decided or None}
    step = round(worst / scenario.dt)  # negative in what was recorded before the start
    agent = None
    for name in sorted(names(parse(decided)) & rules.signals.keys()) if decided else ():
        index = int(values[name].agent[0, scenario.start + step])
        if index >= 0:
            agent = scenario.tracks.ids[index]
            break
    return {"step": max(step, 0), "agent": agent, "detail": f"{decided} at {worst:.1f} s"}
