"""Parameters from recorded drives: the tightest value that a chosen share of the drives keeps.

A parameter with a direction (``loosen``) has, for every drive, a critical value: with it the rule is just kept. The
answer is an order statistic of these values. Drives to which the rule does not apply, or that leave it undetermined, do
not count.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stl.errors import StlError
from stl.formula import Binary, Unary, names, walk
from stl.rules import Parameter, Rule, RuleSet

if TYPE_CHECKING:
    from torch import Tensor

HALVINGS = 20  # of the parameter's range: to a millionth of it
RESAMPLES = 1000


@dataclass(frozen=True)
class Calibration:
    """What a calibration found.

    Attributes:
        value: The tightest value that at least the wanted share of the drives keeps; infinite if none is.
        tight, loose: Ends of the value's 95 % interval, resampling groups of drives; infinite for none in the range.
        share: Share of the drives that keep the rule with ``value``; may exceed the wanted one, for drives are few.
            Where ``value`` is infinite, the share that keeps the loosest value.
        drives: Drives to which the rule applies and that decide it.
        critical: Critical value of each of these drives, from the tightest to the loosest; infinite where no value of
            the range is loose enough.
    """

    value: float
    tight: float
    loose: float
    share: float
    drives: int
    critical: tuple[float, ...]


def calibrate(
    rules: RuleSet,
    rule_id: str,
    parameter: str,
    drives: "Sequence[Mapping[str, Tensor]]",
    share: float,
    groups: Sequence[str] | None = None,
    dt: float = 0.1,
    seed: int = 0,
    at: Sequence[int] | None = None,
) -> Calibration:
    """Find the tightest value of a parameter of one rule.

    Args:
        rules, rule_id, parameter: Which parameter of which rule. It needs a finite range and a direction.
        drives: Signals ``[1, time]`` by name, a mapping for every drive.
        share: Of the drives that have to keep the rule, above 0 and at most 1.
        groups: What each drive was recorded in; drives of one log are not independent. Each by itself if None.
        dt: Sampling period [s].
        seed: Of the resampling.
        at: Sample of each drive at which it starts, the ones before being history; 0 if None.

    Raises:
        StlError: There is no such rule or parameter, it cannot be calibrated, or no drive decides the rule.
    """
    rule, item = _found(rules, rule_id, parameter)
    if not 0.0 < share <= 1.0:
        raise StlError(f"the share is {share}, expected a number above 0 and at most 1")
    values = _candidates(rule, item, dt)
    single = RuleSet(rules.name, (rule,), rules.parameters, rules.signals)
    found, origin = [], []
    for number, signals in enumerate(drives):
        critical = _critical(single, item, values, signals, dt, at[number] if at else 0)
        if critical is not None:
            found.append(critical)
            origin.append(str(number) if groups is None else groups[number])
    if not found:
        raise StlError(f"rule {rule_id!r} is decided by none of the {len(drives)} drives")
    places = np.array(found)
    best = _order_statistic(places, share)
    value = math.inf if best == len(values) else float(values[best])
    tight, loose = _interval(places, origin, share, values, seed)
    ordered = tuple(math.inf if place == len(values) else float(values[place]) for place in np.sort(places))
    keeping = places <= min(best, len(values) - 1)
    return Calibration(value, tight, loose, float(keeping.mean()), len(found), ordered)


def _found(rules: RuleSet, rule_id: str, parameter: str) -> tuple[Rule, Parameter]:
    rule = next((item for item in rules.rules if item.id == rule_id), None)
    if rule is None:
        raise StlError(f"rule set {rules.name} has no rule {rule_id!r}; it has {', '.join(r.id for r in rules.rules)}")
    if parameter not in rules.parameters:
        raise StlError(f"rule set {rules.name} has no parameter {parameter!r}; it has {', '.join(rules.parameters)}")
    item = rules.parameters[parameter]
    read = names(rule.formula) | (names(rule.applies) if rule.applies is not None else set())
    if parameter not in read:
        own = ", ".join(name for name in rules.parameters if name in read) or "none"
        raise StlError(f"rule {rule_id!r} does not read parameter {parameter!r}; its own: {own}")
    if item.loosen not in ("up", "down"):
        raise StlError(f"parameter {parameter!r} has no direction: say in the file whether `loosen: up` or `down`")
    if not (math.isfinite(item.low) and math.isfinite(item.high)):
        raise StlError(f"parameter {parameter!r} has no range to search in: give it `range: [low, high]`")
    return rule, item


def _candidates(rule: Rule, item: Parameter, dt: float) -> np.ndarray:
    """Values to choose from, the tightest first: whole steps for bounds of windows, else a fine grid."""
    in_interval = any(
        isinstance(node, Unary | Binary)
        and node.interval is not None
        and item.name in (node.interval.begin, node.interval.end)
        for node in walk(rule.formula)
    )
    if in_interval:
        steps = np.arange(math.ceil(item.low / dt - 1e-9), math.floor(item.high / dt + 1e-9) + 1)
        values = np.round(steps * dt, 9)
    else:
        values = np.linspace(item.low, item.high, 2**HALVINGS + 1)
    return values if item.loosen == "up" else values[::-1]


def _critical(
    rules: RuleSet, item: Parameter, values: np.ndarray, signals: "Mapping[str, Tensor]", dt: float, at: int
) -> int | None:
    """Place of the tightest value that the drive keeps; ``len(values)`` if there is none, None if undecided."""

    def kept(place: int) -> bool | None:
        trial = rules.with_values({item.name: float(values[place])})
        verdict = str(trial.evaluate(signals, dt, at)[0].verdict[0])
        return {"satisfied": True, "violated": False}.get(verdict)

    last = len(values) - 1
    loosest = kept(last)
    if loosest is None:
        return None
    if not loosest:
        return len(values)
    low, high = -1, last  # kept at ``high``, not kept at ``low``
    while high - low > 1:
        middle = (low + high) // 2
        if kept(middle):
            high = middle
        else:
            low = middle
    return high


def _order_statistic(places: np.ndarray, share: float) -> int:
    return int(np.sort(places)[math.ceil(share * len(places) - 1e-9) - 1])


def _interval(
    places: np.ndarray, groups: Sequence[str], share: float, values: np.ndarray, seed: int
) -> tuple[float, float]:
    names = sorted(set(groups))
    members = [places[[group == name for group in groups]] for name in names]
    rng = np.random.default_rng(seed)
    drawn = [
        _order_statistic(np.concatenate([members[number] for number in rng.integers(0, len(names), len(names))]), share)
        for _ in range(RESAMPLES)
    ]
    ends = np.quantile(drawn, (0.025, 0.975), method="nearest").astype(int)
    tight, loose = (math.inf if place >= len(values) else float(values[place]) for place in ends)
    return tight, loose
