"""Formulas in other measures: normalised by what counts as clearly broken, and true or false at single samples."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

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
    walk,
)
from stl.units import Unit, unit_of

if TYPE_CHECKING:
    from torch import Tensor


def normalised(formula: Formula, units: Mapping[str, Unit], scales: Mapping[str, float]) -> Formula:
    """The formula with every predicate divided by its scale and clipped to [-1, 1]; no sign changes.

    The scale of a predicate is that of its first signal with the predicate's unit, else of its first signal, else 1.

    Args:
        formula: With all parameters bound.
        units: Of every signal.
        scales: Of every signal, in its unit.
    """
    match formula:
        case Not(operand):
            return Not(normalised(operand, units, scales))
        case Boolean(op, left, right):
            return Boolean(op, normalised(left, units, scales), normalised(right, units, scales))
        case Unary(op, interval, operand):
            return Unary(op, interval, normalised(operand, units, scales))
        case Binary(op, interval, left, right):
            return Binary(op, interval, normalised(left, units, scales), normalised(right, units, scales))
        case Step(op, operand):
            return Step(op, normalised(operand, units, scales))
    signals = [node.name for node in walk(formula) if isinstance(node, Name)]
    sides = (formula.left, formula.right) if isinstance(formula, Comparison) else (formula,)
    measures = [unit for side in sides if (unit := unit_of(side, units, strict=False)) is not None]
    fitting = [name for name in signals if units[name] in measures] or signals
    divided = Arithmetic("/", formula, Number(scales[fitting[0]] if fitting else 1.0))
    return Boolean("or", Boolean("and", divided, Number(1.0)), Number(-1.0))


def holds(formula: Formula, signals: "Mapping[str, Tensor]", dt: float) -> "Tensor":
    """Where a formula over single samples is true: ``[batch, time]`` bool.

    Strict comparisons are strict, other than in robustness: ``flag > 0`` is false where the flag is 0. What is no
    comparison is true where it is above zero, so that ``flag`` alone does for ``flag > 0``.
    """
    from stl.robustness import robustness

    match formula:
        case Not(operand):
            return ~holds(operand, signals, dt)
        case Boolean(op, left, right):
            one, two = holds(left, signals, dt), holds(right, signals, dt)
            if op in ("and", "or"):
                return one & two if op == "and" else one | two
            return ~one | two if op == "implies" else (one ^ two) ^ (op == "iff")
        case Comparison(op, left, right):
            a, b = robustness(left, signals, dt), robustness(right, signals, dt)
            if op in ("==", "!="):
                return (a == b) ^ (op == "!=")
            if op in ("<", "<="):
                a, b = b, a
            return a > b if op in (">", "<") else a >= b
        case Arithmetic() | Function() | Name() | Number():
            return robustness(formula, signals, dt) > 0.0
    raise TypeError(f"no formula over single samples: {formula!r}")
