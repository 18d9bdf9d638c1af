"""Robustness written down as it is defined, sample by sample: slow, and independent of what it tests."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from stl.formula import (
    Arithmetic,
    Binary,
    Boolean,
    Comparison,
    Formula,
    Function,
    Interval,
    Name,
    Not,
    Number,
    Step,
    Unary,
)

INF = math.inf


def robustness(formula: Formula, trace: Mapping[str, Sequence[float]], dt: float) -> list[float]:
    """Offline value at every sample; windows are cut at both ends of the trace."""
    length = len(next(iter(trace.values())))

    def whole(node: Formula) -> list[float]:
        match node:
            case Number(value):
                return [value] * length
            case Name(name):
                return list(trace[name])
            case Unary(op, interval, operand):
                inner = whole(operand)
                pick, empty = (min, INF) if op in ("always", "historically") else (max, -INF)
                return [
                    pick((inner[k] for k in reach(t, interval, op in ("always", "eventually"))), default=empty)
                    for t in range(length)
                ]
            case Binary("unless", interval, left, right):
                held = Unary("always", interval and Interval(0.0, interval.end), left)
                return whole(Boolean("or", held, Binary("until", interval, left, right)))
            case Binary(op, interval, left, right):
                one, two = whole(left), whole(right)
                return [
                    max(
                        (
                            min([two[k], *(one[t:k] if op == "until" else one[k + 1 : t + 1])])
                            for k in reach(t, interval, op == "until")
                        ),
                        default=-INF,
                    )
                    for t in range(length)
                ]
            case Step(op, operand):
                inner = whole(operand)
                if op == "next":
                    return [*inner[1:], INF]
                if op == "prev":
                    return [INF, *inner[:-1]]
                if op == "rise":
                    return [inner[0], *(min(-a, b) for a, b in pairwise(inner))]
                return [-inner[0], *(min(a, -b) for a, b in pairwise(inner))]
        return [pointwise(node, values) for values in zip(*(whole(child) for child in node.children()), strict=True)]

    def reach(t: int, interval: Interval | None, future: bool) -> range:
        low, high = (0, length) if interval is None else (round(interval.begin / dt), round(interval.end / dt))
        if future:
            return range(min(t + low, length), min(t + high, length - 1) + 1)
        return range(max(t - high, 0), t - low + 1)

    return whole(formula)


def pointwise(node: Formula, values: tuple[float, ...]) -> float:
    """Value of an operator that looks at one sample."""
    a, b = values[0], values[-1]
    match node:
        case Not() | Function("-"):
            return -a
        case Function(name):
            return {"abs": abs, "sqrt": math.sqrt, "exp": math.exp}[name](a)
        case Arithmetic(op):
            if op == "/":
                return a / b
            return {"+": a + b, "-": a - b, "*": a * b, "pow": a**b if op == "pow" else 0.0}[op]
        case Comparison(op):
            return {"<": b - a, "<=": b - a, ">": a - b, ">=": a - b, "==": -apart(a, b), "!=": apart(a, b)}[op]
        case Boolean(op):
            return {"and": min(a, b), "or": max(a, b), "implies": max(-a, b)}.get(
                op, apart(a, b) if op == "xor" else -apart(a, b)
            )
    raise TypeError(node)


def apart(a: float, b: float) -> float:
    """Distance; two infinities are not apart."""
    return 0.0 if a == b else abs(a - b)
