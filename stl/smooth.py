"""Smooth robustness: log-sum-exp in the place of minimum and maximum, so that every sample gets some gradient.

``temperature`` has the unit of the robustness: of ``n`` values the smooth maximum is ``temperature * log(sum(exp(value
/ temperature)))``, which is above the maximum by at most ``temperature * ln(n)``; the smooth minimum is below by as
much. The papers' sharpness tau is ``1 / temperature``. Nested operators add up. As the temperature goes to 0 the value
goes to the exact one.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from stl.errors import StlError
from stl.formula import (
    Arithmetic,
    Binary,
    Boolean,
    Comparison,
    Formula,
    Function,
    Name,
    Not,
    Number,
    Step,
    Unary,
)
from stl.program import compile_formula, samples_of
from stl.robustness import DT, check_signals
from stl.text import to_text

INF = float("inf")


def smooth_robustness(
    formula: Formula, signals: Mapping[str, Tensor], dt: float = DT, temperature: float = 0.1
) -> Tensor:
    """As :func:`stl.robustness.robustness`, with smooth minima and maxima; on the signals' device.

    Windows take a time of ``log(size)`` passes over the trace. ``until`` joins stretches two by two: its error is at
    most ``temperature`` times ``2 ln 2 (2 + log2(size))`` for a window of ``size`` samples.

    Args:
        formula, signals, dt: See there.
        temperature: In the unit of the robustness, positive.

    Raises:
        StlError: As there, or the temperature is not positive.
    """
    if not 0.0 < temperature < INF:
        raise StlError(f"temperature {temperature!r} must be positive")
    names = compile_formula(formula, float(dt)).signals
    for name, signal in zip(names, check_signals(names, signals), strict=True):
        if bad := torch.isnan(signal).nonzero().tolist():
            raise StlError(f"signal '{name}' is NaN in trace {bad[0][0]} of the batch at sample {bad[0][1]}")
    result = _Smooth(signals, float(dt), temperature).value(formula)
    if bad := torch.isnan(result).nonzero().tolist():
        raise StlError(f"{to_text(formula)} has no value in trace {bad[0][0]} of the batch at sample {bad[0][1]}")
    return result


class _Larger(torch.autograd.Function):
    """``log(exp(a) + exp(b))``; two infinities of one sign share the gradient and never make NaN."""

    @staticmethod
    def forward(ctx: FunctionCtx, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return torch.logaddexp(a, b)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, upstream: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors  # type: ignore[attr-defined]
        share = torch.where(a == b, 0.5, torch.sigmoid(a - b))
        return upstream * share, upstream * (1 - share)


class _Smooth:
    """One evaluation; values are ``[batch, time]``, computed once for equal sub-formulas."""

    def __init__(self, signals: Mapping[str, Tensor], dt: float, temperature: float) -> None:
        self.signals, self.dt, self.temperature = signals, dt, temperature
        self.like = next(iter(signals.values()))
        self.known: dict[Formula, Tensor] = {}

    def value(self, node: Formula) -> Tensor:
        if node not in self.known:
            self.known[node] = self.compute(node)
        return self.known[node]

    def compute(self, node: Formula) -> Tensor:
        operands = [self.value(child) for child in node.children()]
        match node:
            case Number(value):
                return torch.full_like(self.like, value)
            case Name(name):
                return self.signals[name]
            case Function(name):
                return _FUNCTIONS[name](*operands)
            case Arithmetic(op):
                return _ARITHMETIC[op](*operands)
            case Comparison(op):
                return _COMPARISONS[op](*operands)
            case Not():
                return -operands[0]
            case Boolean(op):
                return self.boolean(op, *operands)
            case Unary(op, interval):
                begin, end = samples_of(interval, self.dt)
                return self.window(op, operands[0], begin, end)
            case Binary(op, interval):
                begin, end = samples_of(interval, self.dt)
                return self.binary(op, operands[0], operands[1], begin, end)
            case Step(op):
                return self.step(op, operands[0])
        raise StlError(f"{type(node).__name__} is not a formula")

    def larger(self, a: Tensor, b: Tensor) -> Tensor:
        result: Tensor = _Larger.apply(a / self.temperature, b / self.temperature)
        return result * self.temperature

    def smaller(self, a: Tensor, b: Tensor) -> Tensor:
        return -self.larger(-a, -b)

    def boolean(self, op: str, left: Tensor, right: Tensor) -> Tensor:
        if op in ("iff", "xor"):
            return -_distance(left, right) if op == "iff" else _distance(left, right)
        if op == "and":
            return self.smaller(left, right)
        return self.larger(-left if op == "implies" else left, right)

    def window(self, op: str, operand: Tensor, begin: int, end: int) -> Tensor:
        if op in ("historically", "once"):
            return self.window("always" if op == "historically" else "eventually", operand.flip(1), begin, end).flip(1)
        if op == "always":
            return -self.window("eventually", -operand, begin, end)
        moved = _ahead(operand, begin, -INF)
        size = min(end - begin + 1, operand.shape[1])
        # Stretches of 1, 2, 4 .. samples from each sample on; those of the size's binary digits make up the window.
        result, covered, stretch, length = None, 0, moved, 1
        while True:
            if size & length:
                piece = _ahead(stretch, covered, -INF)
                result = piece if result is None else self.larger(result, piece)
                covered += length
            if covered == size:
                assert result is not None
                return result
            stretch = self.larger(stretch, _ahead(stretch, length, -INF))
            length *= 2

    def binary(self, op: str, left: Tensor, right: Tensor, begin: int, end: int) -> Tensor:
        if op == "unless":
            return self.larger(self.window("always", left, 0, end), self.binary("until", left, right, begin, end))
        if op == "since":
            return self.binary("until", left.flip(1), right.flip(1), begin, end).flip(1)
        low, reached = _ahead(left, begin, INF), _ahead(right, begin, -INF)
        size = min(end - begin + 1, left.shape[1])
        result, covered, length = None, 0, 1
        while True:
            if size & length:
                piece = _ahead(low, covered, INF), _ahead(reached, covered, -INF)
                result = piece if result is None else self.join(*result, *piece)
                covered += length
            if covered == size:
                assert result is not None
                break
            low, reached = self.join(low, reached, _ahead(low, length, INF), _ahead(reached, length, -INF))
            length *= 2
        if begin == 0:
            return result[1]
        return self.smaller(self.window("always", left, 0, begin - 1), result[1])

    def join(self, low: Tensor, reached: Tensor, then_low: Tensor, then_reached: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest ``left`` and ``until`` of two stretches, one after the other, taken as one."""
        return self.smaller(low, then_low), self.larger(reached, self.smaller(low, then_reached))

    def step(self, op: str, operand: Tensor) -> Tensor:
        if op == "next":
            return _ahead(operand, 1, INF)
        before = _ahead(operand.flip(1), 1, -INF if op == "rise" else INF).flip(1)
        if op == "prev":
            return before
        return self.smaller(-before, operand) if op == "rise" else self.smaller(before, -operand)


def _ahead(values: Tensor, by: int, fill: float) -> Tensor:
    """The value ``by`` samples later, ``fill`` after the end."""
    by = min(by, values.shape[1])
    if by == 0:
        return values
    return torch.cat((values[:, by:], values.new_full((values.shape[0], by), fill)), 1)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a == b, 0.0, a - b).abs()  # two infinities are not apart


_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "abs": torch.abs,
    "sqrt": torch.sqrt,
    "exp": torch.exp,
    "-": torch.neg,
}
_ARITHMETIC: dict[str, Callable[..., Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "pow": torch.pow,
}
_COMPARISONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "<": lambda a, b: b - a,
    "<=": lambda a, b: b - a,
    ">": lambda a, b: a - b,
    ">=": lambda a, b: a - b,
    "==": lambda a, b: -_distance(a, b),
    "!=": _distance,
}
