"""Formula to text: for people, with as few parentheses as the grammar needs, and for rtamt, with all of them."""

from stl.errors import StlError
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

# How tightly a shape binds; the grammar's levels.
_IFF, _IMPLIES, _OR, _AND, _UNTIL, _PREFIX, _COMPARISON, _SUM, _PRODUCT, _SIGN, _ATOM = range(11)
_BOOLEAN = {"iff": _IFF, "xor": _IFF, "implies": _IMPLIES, "or": _OR, "and": _AND}
_ARITHMETIC = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT}
_LEFT_TO_RIGHT = (_OR, _AND, _SUM, _PRODUCT)


def to_text(formula: Formula) -> str:
    """Text that :func:`stl.grammar.parse` reads back as an equal formula, without a parenthesis too many."""
    return _write(formula)[0]


def _write(formula: Formula) -> tuple[str, int]:
    """Text of a node and how tightly it binds."""
    match formula:
        case Number(value):
            return _number(value), _SIGN if value < 0 else _ATOM
        case Name(name):
            return name, _ATOM
        case Arithmetic("pow", left, right):
            return f"pow({to_text(left)}, {to_text(right)})", _ATOM
        case Arithmetic(op, left, right):
            return _infix(left, op, right, _ARITHMETIC[op])
        case Function("-", Number(value)) if value >= 0:
            return f"-({_number(value)})", _SIGN  # without parentheses it would be a negative number
        case Function("-", operand):
            return f"-{_within(operand, _SIGN)}", _SIGN
        case Function(name, operand):
            return f"{name}({to_text(operand)})", _ATOM
        case Comparison(op, left, right):
            return _infix(left, op, right, _COMPARISON)
        case Not(operand):
            return f"not {_within(operand, _PREFIX)}", _PREFIX
        case Boolean(op, left, right):
            return _infix(left, op, right, _BOOLEAN[op])
        case Unary(op, interval, operand):
            return f"{op}{_interval(interval)} {_within(operand, _PREFIX)}", _PREFIX
        case Binary(op, interval, left, right):
            return _infix(left, f"{op}{_interval(interval)}", right, _UNTIL)
        case Step(("rise" | "fall") as op, operand):
            return f"{op}({to_text(operand)})", _ATOM
        case Step(op, operand):
            return f"{op} {_within(operand, _PREFIX)}", _PREFIX
    raise StlError(f"{type(formula).__name__} is no part of a formula")


def _within(formula: Formula, least: int) -> str:
    text, level = _write(formula)
    return text if level >= least else f"({text})"


def _infix(left: Formula, op: str, right: Formula, level: int) -> tuple[str, int]:
    first = level if level in _LEFT_TO_RIGHT else level + 1
    return f"{_within(left, first)} {op} {_within(right, level + 1)}", level


def _number(value: float) -> str:
    if not abs(value) < float("inf"):
        raise StlError(f"the number {value} cannot be written in a formula")
    return repr(float(value)).removesuffix(".0")


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return ""
    begin, end = (bound if isinstance(bound, str) else _number(bound) for bound in (interval.begin, interval.end))
    return f"[{begin}:{end}]"


def to_rtamt(formula: Formula) -> str:
    """Text for rtamt 0.4.10 with every node in parentheses, because its parser groups some chains wrongly.

    Written around what it does not read: negative numbers and signs become ``(0 - x)``, ``unless`` without an interval
    its definition, ``!=`` its own ``!==``.

    Raises:
        StlError: An interval still names a parameter: rtamt wants numbers there.
    """
    match formula:
        case Number(value):
            return _number(value) if value >= 0 else f"(0 - {_number(-value)})"
        case Name(name):
            return name
        case Arithmetic("pow", left, right):
            return f"pow({to_rtamt(left)}, {to_rtamt(right)})"
        case Function("-", operand):
            return f"(0 - {to_rtamt(operand)})"
        case Function(name, operand) | Step(("rise" | "fall") as name, operand):
            return f"{name}({to_rtamt(operand)})"
        case Comparison("!=", left, right):
            return f"({to_rtamt(left)} !== {to_rtamt(right)})"
        case Arithmetic(op, left, right) | Comparison(op, left, right) | Boolean(op, left, right):
            return f"({to_rtamt(left)} {op} {to_rtamt(right)})"
        case Not(operand):
            return f"(not {to_rtamt(operand)})"
        case Unary(op, interval, operand):
            return f"({op}{_bound_interval(interval)} {to_rtamt(operand)})"
        case Binary("unless", None, left, right):
            return f"((always {to_rtamt(left)}) or ({to_rtamt(left)} until {to_rtamt(right)}))"
        case Binary(op, interval, left, right):
            return f"({to_rtamt(left)} {op}{_bound_interval(interval)} {to_rtamt(right)})"
        case Step(op, operand):
            return f"({op} {to_rtamt(operand)})"
    raise StlError(f"{type(formula).__name__} is no part of a formula")


def _bound_interval(interval: Interval | None) -> str:
    """Interval in seconds, to the nanosecond: rtamt counts in those and refuses 0.30000000000000004 s at 10 Hz."""
    if interval is None:
        return ""
    ends = []
    for bound in (interval.begin, interval.end):
        if isinstance(bound, str):
            raise StlError(f"the parameter '{bound}' in an interval has no value")
        ends.append(_number(round(bound, 9)))
    return f"[{ends[0]}:{ends[1]}]"
