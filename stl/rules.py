"""Sets of rules: formulas with parameters, read from a file, checked, and evaluated on traces."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stl.errors import StlError
from stl.formula import Formula, bind
from stl.ranges import look_ahead
from stl.signals import SignalSpec

if TYPE_CHECKING:
    from torch import Tensor

    from stl.verdicts import RuleResult

__all__ = ["Parameter", "Rule", "RuleSet", "SignalSpec", "load_rules"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that formulas name.

    Attributes:
        name: As in formulas.
        value: What it is now.
        unit: As in :meth:`stl.units.Unit.parse`; ``s`` for a bound of an interval.
        low: Least plausible value.
        high: Largest plausible value.
        calibrated: Whether the value was, or is to be, found from recorded drives.
        loosen: In which direction the rules get easier to keep: ``up``, ``down``, ``none`` where it depends; None
            where the file does not say.
        source: Where the value is from.
    """

    name: str
    value: float
    unit: str = "1"
    low: float = -math.inf
    high: float = math.inf
    calibrated: bool = False
    loosen: Literal["up", "down", "none"] | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: Unique in its set.
        formula: With parameters by name.
        applies: Formula over single samples; the rule is kept or broken if it holds at some sample. None: always.
        level: Priority, 0 before 1 before 2.
        source: Law, paper or code.
        description: For people.
        scale: What counts as clearly broken, by signal, where it differs from the signal's own.
        text: The formula as in the file.
    """

    id: str
    formula: Formula
    applies: Formula | None = None
    level: int = 2
    source: str = ""
    description: str = ""
    scale: Mapping[str, float] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True)
class RuleSet:
    """Rules that belong together.

    Attributes:
        name: Of the set.
        rules: In the order of the file, after those of included files.
        parameters: By name.
        signals: That the rules read, by name.
        description: For people.
        warnings: What is probably not meant, one sentence each.
    """

    name: str
    rules: tuple[Rule, ...]
    parameters: Mapping[str, Parameter]
    signals: Mapping[str, SignalSpec]
    description: str = ""
    warnings: tuple[str, ...] = ()

    def with_values(self, values: Mapping[str, float]) -> "RuleSet":
        """The set with other values of parameters.

        Raises:
            StlError: There is no such parameter, or its range does not hold the value.
        """
        from stl.rulechecks import changed

        parameters = dict(self.parameters)
        for name, value in values.items():
            parameters[name] = changed(parameters, name, value)
        return replace(self, parameters=parameters)

    def bound(self, formula: Formula) -> Formula:
        """A formula of the set with the values of its parameters."""
        return bind(formula, {name: parameter.value for name, parameter in self.parameters.items()})

    def horizon(self, rule: Rule) -> float:
        """Seconds a rule looks ahead; operators without interval end with the recording and count 0."""
        return look_ahead(self.bound(rule.formula))

    def evaluate(self, signals: "Mapping[str, Tensor]", dt: float = 0.1, at: int = 0) -> "list[RuleResult]":
        """Robustness, interval and verdict of every rule at one sample of every trace.

        Args:
            signals: By name, ``[batch, time]``, float32 or float64, in their units.
            dt: Sampling period [s].
            at: The sample asked about; those before it are history, which past operators see.

        Returns:
            One result a rule, in their order, each over the batch.

        Raises:
            StlError: A signal is missing or holds NaN, shapes differ, an interval is not a multiple of ``dt``, or
                there is no sample ``at``.
        """
        from stl.verdicts import RuleResult

        results = []
        for rule in self.rules:
            try:
                results.append(RuleResult(self, rule, signals, dt, at))
            except StlError as error:
                raise StlError(f"rule {rule.id!r}: {error.reason}", suggestion=error.suggestion) from None
        return results


def load_rules(
    path: Path | str, catalog: Mapping[str, SignalSpec] | None = None, scene: float | None = None
) -> RuleSet:
    """Read a rule file, with the files it includes, and check all of it.

    Args:
        path: The file.
        catalog: Signals that there are; the file may declare more of its own.
        scene: Length of the scenes that the rules are for [s]; rules that look further ahead give a warning.

    Raises:
        StlError: The file cannot be used; one sentence with the file, the line and what was perhaps meant.
    """
    from stl.rulechecks import load

    return load(Path(path), catalog or {}, scene)
