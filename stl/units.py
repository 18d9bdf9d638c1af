"""Units of measure: just enough to find that metres are compared with seconds.

A unit is a product of powers of base units, as ``m/s2`` or ``1`` for none. Radians are ratios, as in SI, so that
``speed * yaw_rate`` is an acceleration; all other names are units of their own (``flag``, ``px``). There are no
multiples: ``km`` and ``m`` are different units.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

from stl.errors import StlError
from stl.formula import Arithmetic, Comparison, Formula, Function, Name, Number
from stl.text import to_text

_FACTOR = re.compile(r"([A-Za-z%]+)(?:\^?(-?[0-9]+))?")


@dataclass(frozen=True)
class Unit:
    """Powers of base units, as ``{"m": 1, "s": -2}``; equal units are equal whatever their spelling."""

    powers: Mapping[str, Fraction]
    text: str = field(compare=False, default="")

    @classmethod
    @cache  # units are few and read over and over
    def parse(cls, text: str) -> "Unit":
        """``m``, ``m/s2``, ``m^2/s^2``, ``1/s``, ``N*m``, ``1``; everything after a ``/`` up to the next is below it.

        Raises:
            StlError: The text is no unit.
        """
        powers: dict[str, Fraction] = {}
        for index, part in enumerate(text.strip().split("/")):
            for factor in part.split("*"):
                match = _FACTOR.fullmatch(factor)
                if match is None and factor != "1":
                    raise StlError(f"the unit {text!r} is not understood; write it like m, m/s2 or 1 for none")
                if match is not None and match[1] != "rad":
                    power = Fraction(match[2] or 1) * (-1 if index else 1)
                    powers[match[1]] = powers.get(match[1], Fraction(0)) + power
        return cls({name: power for name, power in powers.items() if power}, text)

    def times(self, other: "Unit", power: Fraction = Fraction(1)) -> "Unit":
        """The unit of a product with ``other ** power``."""
        powers = dict(self.powers)
        for name, exponent in other.powers.items():
            powers[name] = powers.get(name, Fraction(0)) + exponent * power
        return Unit({name: exponent for name, exponent in powers.items() if exponent})

    def __str__(self) -> str:
        if self.text:
            return self.text
        above = "*".join(_power(name, power) for name, power in sorted(self.powers.items()) if power > 0)
        below = "/".join(_power(name, -power) for name, power in sorted(self.powers.items()) if power < 0)
        return (above or "1") + (f"/{below}" if below else "")


NONE = Unit({})
FLAG = Unit.parse("flag")


def _power(name: str, power: Fraction) -> str:
    return name if power == 1 else f"{name}{power}" if power.denominator == 1 else f"{name}^({power})"


def unit_of(formula: Formula, units: Mapping[str, Unit], strict: bool = True) -> Unit | None:
    """Unit of an arithmetic formula, None where any will do: a number, or a truth value.

    A plain number takes the unit of what it is added to or compared with.

    Args:
        formula: Any formula; all of it is checked.
        units: Of every name.
        strict: Numbers have no unit in products. Otherwise they may have any, as in ``gap >= 1.8 * speed``.

    Raises:
        StlError: The two sides of a sum or comparison have different units, or an exponent is not fit.
    """
    match formula:
        case Number():
            return None
        case Name(name):
            return units[name]
        case Arithmetic("pow", base, exponent):
            return _power_of(formula, unit_of(base, units, strict), exponent, unit_of(exponent, units, strict))
        case Arithmetic("*" | "/" as op, left, right):
            one, two = unit_of(left, units, strict), unit_of(right, units, strict)
            if (one is None and two is None) or (not strict and (one is None or two is None)):
                return None
            return (one or NONE).times(two or NONE, Fraction(1 if op == "*" else -1))
        case Arithmetic(op, left, right) | Comparison(op, left, right):
            one, two = unit_of(left, units, strict), unit_of(right, units, strict)
            if one is not None and two is not None and one != two:
                what = {"+": "added to", "-": "diminished by"}.get(op, "compared with")
                raise StlError(f"{to_text(left)} [{one}] is {what} {to_text(right)} [{two}]")
            return None if isinstance(formula, Comparison) else one if one is not None else two
        case Function("exp", operand):
            inside = unit_of(operand, units, strict)
            if inside is not None and inside != NONE:
                raise StlError(f"exp needs a number without unit, {to_text(operand)} is in {inside}")
            return NONE
        case Function("sqrt", operand):
            inside = unit_of(operand, units, strict)
            return None if inside is None else NONE.times(inside, Fraction(1, 2))
        case Function(_, operand):
            return unit_of(operand, units, strict)
    for child in formula.children():
        unit_of(child, units, strict)
    return None


def _power_of(formula: Formula, base: Unit | None, exponent: Formula, unit: Unit | None) -> Unit | None:
    if unit is not None and unit != NONE:
        raise StlError(f"the exponent {to_text(exponent)} is in {unit}, expected a number without unit")
    if base is None or base == NONE:
        return base
    if not isinstance(exponent, Number):
        raise StlError(f"{to_text(formula)} has no unit of its own: write the exponent as a number")
    return NONE.times(base, Fraction(exponent.value).limit_denominator(1000))
