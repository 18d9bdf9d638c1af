"""One rule on recorded signals: what its robustness is, whether it was kept, and what decided that."""

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from stl.explanation import Decision, explain
from stl.formula import Formula, Not
from stl.intervals import Verdict, robustness_interval, verdict
from stl.normal import holds, normalised
from stl.robustness import robustness
from stl.rules import Rule, RuleSet
from stl.text import to_text


class RuleResult:
    """A rule at one sample of every trace of a batch; samples before it are history. What costs more is computed when
    it is asked for.

    Attributes:
        id: Of the rule.
        robustness: ``[batch]``: rtamt's offline value; windows are cut at the ends of the recording.
        low: ``[batch]``: least robustness, whatever happened outside of the recording.
        high: ``[batch]``: largest robustness, in the same sense.
        applies: ``[batch]`` in [0, 1]: share of the samples, from that one on, at which the rule applied.
        verdict: One a trace: ``satisfied``, ``violated``, ``undetermined`` or ``not_applicable``.
    """

    def __init__(self, rules: RuleSet, rule: Rule, signals: Mapping[str, Tensor], dt: float, at: int = 0) -> None:
        self.id = rule.id
        self._rules, self._rule, self._signals, self._dt, self._at = rules, rule, signals, dt, at
        self._formula = rules.bound(rule.formula)
        self.low, self.high = robustness_interval(self._formula, signals, dt, at=at)
        self.robustness: Tensor = robustness(self._formula, signals, dt)[:, at]
        self.applies = torch.ones_like(self.low)
        if rule.applies is not None:
            self.applies = holds(rules.bound(rule.applies), signals, dt)[:, at:].to(self.low.dtype).mean(dim=1)
        ends = zip(self.low.tolist(), self.high.tolist(), self.applies.tolist(), strict=True)
        self.verdict: tuple[Verdict, ...] = tuple(verdict(low, high, share > 0.0) for low, high, share in ends)

    @cached_property
    def normalised(self) -> Tensor:
        """``[batch]`` in [-1, 1]: with predicates divided by their scale and clipped, as in :mod:`stl.normal`."""
        specs = self._rules.signals
        units = {name: spec.measure for name, spec in specs.items()}
        scales = {name: spec.normal for name, spec in specs.items()} | dict(self._rule.scale)
        formula: Formula = normalised(self._formula, units, scales)
        return robustness(formula, self._signals, self._dt)[:, self._at].clamp(-1.0, 1.0)

    @property
    def worst_time(self) -> tuple[float, ...]:
        """Seconds from the sample asked about to the one that decided; NaN where that is not in the recording."""
        length = next(iter(self._signals.values())).shape[1]
        return tuple(
            round((found.sample - self._at) * self._dt, 9)
            if found is not None and 0 <= found.sample < length
            else float("nan")
            for found in self._decisions
        )

    @property
    def decided_by(self) -> tuple[str | None, ...]:
        """The predicate that decided, as text; None where the rule did not apply."""
        return tuple(None if found is None else to_text(found.formula) for found in self._decisions)

    @cached_property
    def _decisions(self) -> tuple[Decision | None, ...]:
        return tuple(self._decision(index) for index in range(len(self.verdict)))

    def _decision(self, index: int) -> Decision | None:
        """What set the low end; the high end where a rule is broken, but its low end is set by what is not recorded."""
        if self.verdict[index] == "not_applicable":
            return None
        found = explain(self._formula, self._signals, self._dt, index, at=self._at)
        length = next(iter(self._signals.values())).shape[1]
        if self.verdict[index] == "violated" and not 0 <= found.sample < length:
            return explain(Not(self._formula), self._signals, self._dt, index, at=self._at)
        return found
