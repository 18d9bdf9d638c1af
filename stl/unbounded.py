"""Formulas that look ahead without bound: the same for a recording of known length, and what is known before that."""

from dataclasses import dataclass, fields, replace
from typing import Any

from stl.formula import Binary, Boolean, Formula, Interval, Step, Unary, walk


@dataclass(frozen=True, slots=True)
class First(Formula):
    """The operand's value about the first sample, held. Only inside monitors."""

    operand: Formula


@dataclass(frozen=True, slots=True)
class UntilSoFar(Formula):
    """``left until right`` about the first sample, over the samples so far. Only inside monitors."""

    left: Formula
    right: Formula


@dataclass(frozen=True, slots=True)
class Unknown(Formula):
    """Nothing, of a formula that is not known before the end; its signals are checked all the same."""

    operand: Formula


def unbounded(node: Formula) -> bool:
    """Whether this very operator looks ahead without bound."""
    return (
        isinstance(node, Unary | Binary)
        and node.interval is None
        and node.op in ("always", "eventually", "until", "unless")
    )


def is_open(formula: Formula) -> bool:
    """Whether a formula looks ahead without bound."""
    return any(unbounded(node) for node in walk(formula))


def closed(formula: Formula, length: float) -> Formula:
    """The same formula for a recording of ``length`` seconds: what has no bound ends with it."""
    parts: dict[str, Any] = {
        item.name: closed(value, length)
        for item in fields(formula)
        if isinstance(value := getattr(formula, item.name), Formula)
    }
    if unbounded(formula):
        parts["interval"] = Interval(0.0, length)
    return replace(formula, **parts) if parts else formula


def so_far(formula: Formula) -> Formula | None:
    """A formula on the past whose value is what is known of ``formula`` at sample 0; None where nothing is."""
    if not is_open(formula):
        return First(formula)
    if isinstance(formula, Unary | Binary | Step):
        if any(is_open(child) for child in formula.children()):
            return None
        match formula:
            case Unary(op, None, operand):
                return Unary("historically" if op == "always" else "once", None, operand)
            case Binary("until", None, left, right):
                return UntilSoFar(left, right)
            case Binary("unless", None, left, right):
                return Boolean("or", Unary("historically", None, left), UntilSoFar(left, right))
    parts: dict[str, Any] = {
        item.name: so_far(value)
        for item in fields(formula)
        if isinstance(value := getattr(formula, item.name), Formula)
    }
    return None if None in parts.values() else replace(formula, **parts)
