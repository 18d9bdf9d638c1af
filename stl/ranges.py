"""Bounds of a formula's robustness over all signals within their ranges, and how far a formula looks ahead."""

import math
from collections.abc import Mapping

from stl.formula import Arithmetic, Binary, Boolean, Comparison, Formula, Function, Name, Not, Number, Step, Unary

Range = tuple[float, float]
ALL: Range = (-math.inf, math.inf)


def bounds(formula: Formula, ranges: Mapping[str, Range]) -> Range:
    """Least and largest robustness, by interval arithmetic: never too narrow, perhaps too wide.

    A signal that occurs twice counts as two, and windows count as full.

    Args:
        formula: With all parameters bound.
        ranges: Least and largest value of every signal; infinities where nothing is known.
    """
    match formula:
        case Number(value):
            return value, value
        case Name(name):
            return ranges[name]
        case Not(operand) | Function("-", operand):
            low, high = bounds(operand, ranges)
            return -high, -low
        case Function(name, operand):
            return _function(name, bounds(operand, ranges))
        case Arithmetic(op, left, right):
            return _arithmetic(op, bounds(left, ranges), bounds(right, ranges))
        case Comparison(op, left, right):
            difference = _arithmetic("-", bounds(left, ranges), bounds(right, ranges))
            if op in (">", ">="):
                return difference
            if op in ("<", "<="):
                return -difference[1], -difference[0]
            low, high = _function("abs", difference)
            return (low, high) if op == "!=" else (-high, -low)
        case Boolean(op, left, right):
            one, two = bounds(left, ranges), bounds(right, ranges)
            if op in ("iff", "xor"):
                low, high = _function("abs", _arithmetic("-", one, two))
                return (low, high) if op == "xor" else (-high, -low)
            if op == "and":
                return min(one[0], two[0]), min(one[1], two[1])
            if op == "implies":
                one = -one[1], -one[0]
            return max(one[0], two[0]), max(one[1], two[1])
        case Unary(_, _, operand) | Step("prev" | "next", operand):
            return bounds(operand, ranges)
        case Step(op, operand):  # an edge needs both values
            low, high = bounds(operand, ranges)
            return min(low, -high), min(high, -low)
        case Binary("unless", _, left, right):
            one, two = bounds(left, ranges), bounds(right, ranges)
            return min(one[0], two[0]), max(one[1], two[1])
        case Binary(_, _, left, right):  # the witness may be now, when the left operand does not count
            one, two = bounds(left, ranges), bounds(right, ranges)
            return min(one[0], two[0]), two[1]
    raise TypeError(f"no formula: {formula!r}")


def _function(name: str, operand: Range) -> Range:
    low, high = operand
    if name == "abs":
        return (0.0 if low <= 0.0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))
    if name == "sqrt":
        return math.sqrt(max(low, 0.0)), math.sqrt(max(high, 0.0))
    return _exp(low), _exp(high)


def _exp(value: float) -> float:
    return math.exp(value) if value < 700.0 else math.inf


def _arithmetic(op: str, left: Range, right: Range) -> Range:
    (a, b), (c, d) = left, right
    if op == "+":
        return a + c, b + d
    if op == "-":
        return a - d, b - c
    if op == "/" and c <= 0.0 <= d:
        return ALL
    if op == "pow" and not (a > 0.0 or (c == d and c >= 0.0 and c == int(c))):
        return ALL
    try:
        corners = [_corner(op, x, y) for x in (a, b) for y in (c, d)]
    except OverflowError:
        return ALL
    if op == "pow" and a <= 0.0 <= b:
        corners.append(0.0 if c > 0.0 else 1.0)
    return (min(corners), max(corners)) if not any(map(math.isnan, corners)) else ALL


def _corner(op: str, x: float, y: float) -> float:
    if op == "*":
        return 0.0 if x == 0.0 or y == 0.0 else x * y  # zero times whatever is large is zero
    return x / y if op == "/" else math.pow(x, y)


def look_ahead(formula: Formula) -> float:
    """Seconds after a sample that its value may depend on; unbounded operators count as the recording, with 0 s.

    Args:
        formula: With all parameters bound.
    """
    inner = max((look_ahead(child) for child in formula.children()), default=0.0)
    if not isinstance(formula, Unary | Binary) or formula.op in ("historically", "once", "since"):
        return inner
    return inner if formula.interval is None or isinstance(formula.interval.end, str) else inner + formula.interval.end
