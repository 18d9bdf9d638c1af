"""What a recording says about a formula whose windows leave it: the interval of its robustness, and the verdict.

A predicate at a recorded sample has its value; before the start and after the end it is anything in ``[-bound,
bound]``. Operators act on both ends. Unbounded ones range over the recording alone, or no ``always`` could ever hold.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from torch import Tensor

from stl import kernels as op
from stl.errors import StlError
from stl.formula import Binary, Boolean, Formula, Not, Step, Unary, names, walk
from stl.program import INF, Builder, Program, samples_of
from stl.robustness import DT, check_signals, pack, returned, run

Ends = tuple[int, int]
"""The values of a builder that are the low and the high end."""

LOGIC = (Not, Boolean, Unary, Binary, Step)
Verdict = Literal["satisfied", "violated", "undetermined", "not_applicable"]
BOUND = 1e4
"""Bound of signals where none is given: above the flags' 1000."""


def robustness_interval(
    formula: Formula, signals: Mapping[str, Tensor], dt: float = DT, bound: float = BOUND, at: int = 0
) -> tuple[Tensor, Tensor]:
    """Lowest and highest robustness at one sample, over all ways in which the trace could go on (or have begun).

    Args:
        formula, signals, dt: See :func:`stl.robustness.robustness`.
        bound: Largest absolute value of a predicate outside of the recording.
        at: The sample asked about; samples before it are history, which past operators see.

    Returns:
        ``low [batch]`` and ``high [batch]``, without gradient.

    Raises:
        StlError: As there, or there is no sample ``at``.
    """
    program = compile_interval(formula, float(dt), float(bound), every=False)
    used = check_signals(program.signals, signals)
    some = next(iter(signals.values()))
    if not 0 <= at < some.shape[1]:
        raise StlError(f"sample {at} is outside of the recording of {some.shape[1]} samples")
    low, high = run(program, pack(program, used, some), some)[:, :, at]
    return returned(low, some), returned(high, some)


def verdict(low: float, high: float, applies: bool = True) -> Verdict:
    """What the ends of the interval say; 0 is kept. ``applies``: whether the rule is about this recording at all."""
    if not applies:
        return "not_applicable"
    if low >= 0:
        return "satisfied"
    return "violated" if high < 0 else "undetermined"


@lru_cache(maxsize=1024)
def compile_interval(formula: Formula, dt: float, bound: float, every: bool) -> Program:
    """Program whose outputs are both ends of the formula; with ``every``, of each node of :func:`logic` in turn."""
    if not 0 < bound < INF:
        raise StlError(f"bound {bound!r} of the signals must be positive")
    builder = _IntervalBuilder(dt, bound)
    builder.ends(formula)
    nodes = logic(formula) if every else [formula]
    back, ahead = reach(formula, dt)
    return builder.build([value for node in nodes for value in builder.known[node]], back, ahead)


def logic(formula: Formula) -> list[Formula]:
    """Different sub-formulas down to the predicates, which count as one each; children first."""
    found: dict[Formula, None] = {}

    def visit(node: Formula) -> None:
        if isinstance(node, LOGIC):
            for child in node.children():
                visit(child)
        found[node] = None

    visit(formula)
    return list(found)


def reach(formula: Formula, dt: float) -> tuple[int, int]:
    """Samples before and after the one asked about that bounded operators can look at."""
    below = [reach(child, dt) for child in formula.children()]
    back, ahead = max((b for b, _ in below), default=0), max((a for _, a in below), default=0)
    if isinstance(formula, Unary | Binary) and formula.interval is not None:
        end = samples_of(formula.interval, dt)[1]
        past = formula.op in ("historically", "once", "since")
        return (back + end, ahead) if past else (back, ahead + end)
    if isinstance(formula, Step):
        return (back, ahead + 1) if formula.op == "next" else (back + 1, ahead)
    return back, ahead


class _IntervalBuilder(Builder):
    """Both ends of every node, over a recording lengthened by what the formula can reach."""

    def __init__(self, dt: float, bound: float) -> None:
        super().__init__(dt)
        self.bound = bound
        self.known: dict[Formula, Ends] = {}

    def ends(self, node: Formula) -> Ends:
        if node not in self.known:
            self.known[node] = self._ends(node)
        return self.known[node]

    def _ends(self, node: Formula) -> Ends:
        if not isinstance(node, LOGIC):
            value = self.value(node)
            back, ahead = reach(node, self.dt)
            return self.unknown((value, value), back, ahead) if _reads(node) else (value, value)
        if isinstance(node, Not):
            low, high = self.ends(node.operand)
            return self.add(op.NEGATE, high), self.add(op.NEGATE, low)
        if isinstance(node, Boolean):
            return self.both(node.op, self.ends(node.left), self.ends(node.right))
        if isinstance(node, Step):
            return self.neighbour(node.op, self.ends(node.operand))
        assert isinstance(node, Unary | Binary)
        operands = [self.ends(child) for child in node.children()]
        begin, end = samples_of(node.interval, self.dt)
        if node.interval is not None:
            return self.temporal(node, operands, begin, end)
        empty = {"always": INF, "historically": INF, "eventually": -INF, "once": -INF}
        fills = [empty[node.op]] if isinstance(node, Unary) else [INF, -INF]
        inside = [
            (self.recorded(low, fill), self.recorded(high, fill))
            for (low, high), fill in zip(operands, fills, strict=True)
        ]
        return self.unknown(self.temporal(node, inside, begin, end))

    def temporal(self, node: Unary | Binary, operands: list[Ends], begin: int, end: int) -> Ends:
        low, high = zip(*operands, strict=True)
        if isinstance(node, Unary):
            return self.window(node.op, low[0], begin, end), self.window(node.op, high[0], begin, end)
        return self.binary(node.op, low[0], low[1], begin, end), self.binary(node.op, high[0], high[1], begin, end)

    def both(self, name: str, left: Ends, right: Ends) -> Ends:
        if name in ("and", "or"):
            return self.boolean(name, left[0], right[0]), self.boolean(name, left[1], right[1])
        if name == "implies":
            return self.boolean(name, left[1], right[0]), self.boolean(name, left[0], right[1])
        far = self.add(op.MAXIMUM, self.add(op.DISTANCE, left[1], right[0]), self.add(op.DISTANCE, right[1], left[0]))
        near = self.apart(left, right) if left[0] != left[1] or right[0] != right[1] else far
        if name == "xor":
            return near, far
        return self.add(op.NEGATE, far), self.add(op.NEGATE, near)

    def apart(self, left: Ends, right: Ends) -> int:
        """Smallest distance of two intervals."""
        gaps = [
            self.add(op.DISTANCE, upper, self.add(op.MINIMUM, upper, lower))
            for upper, lower in ((left[0], right[1]), (right[0], left[1]))
        ]
        return self.add(op.MAXIMUM, gaps[0], gaps[1])

    def neighbour(self, name: str, operand: Ends) -> Ends:
        low, high = operand
        if name in ("prev", "next"):
            return self.step(name, low), self.step(name, high)
        by_before = [self.step("prev", end) for end in operand]
        if name == "rise":
            before_low, before_high = self.add(op.NEGATE, by_before[1]), self.add(op.NEGATE, by_before[0])
            return self.add(op.MINIMUM, before_low, low), self.add(op.MINIMUM, before_high, high)
        not_low, not_high = self.add(op.NEGATE, high), self.add(op.NEGATE, low)
        return self.add(op.MINIMUM, by_before[0], not_low), self.add(op.MINIMUM, by_before[1], not_high)

    def recorded(self, value: int, fill: float) -> int:
        return self.add(op.KEEP, value, None, 0, 0, fill)

    def unknown(self, ends: Ends, back: int = 0, ahead: int = 0) -> Ends:
        """Anything where the recording, less ``back`` samples at its start and ``ahead`` at its end, does not say."""
        low, high = ends
        return (
            self.add(op.KEEP, low, None, back, ahead, -self.bound),
            self.add(op.KEEP, high, None, back, ahead, self.bound),
        )


def _reads(node: Formula) -> bool:
    return bool(names(node)) or any(isinstance(part, LOGIC) for part in walk(node))
