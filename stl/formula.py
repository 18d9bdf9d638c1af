"""Formulas as immutable trees: hashable, comparable, picklable. Text is :mod:`stl.grammar`'s matter.

Leaves are numbers and names (of signals, or of parameters until :func:`bind` puts numbers in their place). An
arithmetic node is a formula, too: its robustness is its value, as in rtamt. Times are in seconds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Formula:
    """A node of the tree; see the subclasses."""

    def children(self) -> "tuple[Formula, ...]":
        """Operands, left to right."""
        return tuple(value for item in fields(self) if isinstance(value := getattr(self, item.name), Formula))


# --- arithmetic


@dataclass(frozen=True, slots=True)
class Number(Formula):
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Name(Formula):
    """A signal, or a parameter that has no value yet."""

    name: str


@dataclass(frozen=True, slots=True)
class Arithmetic(Formula):
    """``left op right`` with ``op`` one of ``+ - * / pow``."""

    op: str
    left: Formula
    right: Formula


@dataclass(frozen=True, slots=True)
class Function(Formula):
    """``name(operand)`` with ``name`` one of ``abs sqrt exp`` and ``-`` (the negative)."""

    name: str
    operand: Formula


# --- predicates and boolean operators


@dataclass(frozen=True, slots=True)
class Comparison(Formula):
    """``left op right`` with ``op`` one of ``< <= > >= == !=``."""

    op: str
    left: Formula
    right: Formula


@dataclass(frozen=True, slots=True)
class Not(Formula):
    """Negation."""

    operand: Formula


@dataclass(frozen=True, slots=True)
class Boolean(Formula):
    """``left op right`` with ``op`` one of ``and or implies iff xor``."""

    op: str
    left: Formula
    right: Formula


# --- temporal operators


@dataclass(frozen=True, slots=True)
class Interval:
    """``[begin, end]`` in seconds, ends included; an end may be the name of a parameter until it is bound."""

    begin: float | str
    end: float | str


@dataclass(frozen=True, slots=True)
class Unary(Formula):
    """``op operand`` with ``op`` one of ``always eventually historically once``, over an interval or unbounded."""

    op: str
    interval: Interval | None
    operand: Formula


@dataclass(frozen=True, slots=True)
class Binary(Formula):
    """``left op right`` with ``op`` one of ``until since unless``, over an interval or unbounded."""

    op: str
    interval: Interval | None
    left: Formula
    right: Formula


@dataclass(frozen=True, slots=True)
class Step(Formula):
    """``op operand`` about the neighbouring sample, with ``op`` one of ``prev next rise fall``."""

    OPS: ClassVar[tuple[str, ...]] = ("prev", "next", "rise", "fall")

    op: str
    operand: Formula


def walk(formula: Formula) -> Iterator[Formula]:
    """Every node, children before parents."""
    for child in formula.children():
        yield from walk(child)
    yield formula


def names(formula: Formula) -> frozenset[str]:
    """Names in a formula, those in intervals included."""
    found = {node.name for node in walk(formula) if isinstance(node, Name)}
    for node in walk(formula):
        if isinstance(node, Unary | Binary) and node.interval is not None:
            found |= {end for end in (node.interval.begin, node.interval.end) if isinstance(end, str)}
    return frozenset(found)


def bind(formula: Formula, values: Mapping[str, float]) -> Formula:
    """The formula with numbers in the place of the names in ``values``, in intervals as well."""
    if isinstance(formula, Name):
        return Number(float(values[formula.name])) if formula.name in values else formula
    changed: dict[str, object] = {}
    for item in fields(formula):
        value = getattr(formula, item.name)
        if isinstance(value, Formula):
            changed[item.name] = bind(value, values)
        elif isinstance(value, Interval):
            ends = [
                float(values[end]) if isinstance(end, str) and end in values else end
                for end in (value.begin, value.end)
            ]
            changed[item.name] = Interval(ends[0], ends[1])
    return replace(formula, **changed) if changed else formula
