"""What a signal is: a name, a unit and a range. Which signals there are is for others to say."""

import math
from dataclasses import dataclass
from typing import Literal

from stl.units import FLAG, Unit

FLAG_VALUE = 1000.0  # of a true flag; false is the negative

# What counts as clearly broken, by unit; a signal or a rule may say otherwise.
_SCALES = {"m": 2.0, "m/s": 5.0, "m/s2": 2.0, "m/s3": 4.0, "s": 2.0, "rad": 0.3, "rad/s": 0.3, "m2/s2": 50.0, "1": 0.2}


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """A signal that formulas may read.

    Attributes:
        name: As in formulas.
        unit: As in :meth:`stl.units.Unit.parse`; a flag has none of its own.
        low: Least value it can take; -inf where nothing is known.
        high: Largest value it can take.
        kind: ``number``, or ``flag``: +1000 where true, -1000 where false, tested with ``flag > 0``.
        neutral: Value where it is not valid, on the safe side; finite.
        scale: Distance from a threshold that counts as clearly broken, in the unit; by default one for the unit.
    """

    name: str
    unit: str = "1"
    low: float = -math.inf
    high: float = math.inf
    kind: Literal["number", "flag"] = "number"
    neutral: float = 0.0
    scale: float | None = None

    @classmethod
    def flag(cls, name: str, neutral: bool = False) -> "SignalSpec":
        """A flag."""
        return cls(name, "flag", -FLAG_VALUE, FLAG_VALUE, "flag", FLAG_VALUE if neutral else -FLAG_VALUE)

    @property
    def measure(self) -> Unit:
        """The unit, to calculate with."""
        return FLAG if self.kind == "flag" else Unit.parse(self.unit)

    @property
    def normal(self) -> float:
        """The scale that counts."""
        if self.kind == "flag":
            return FLAG_VALUE
        if self.scale is not None:
            return self.scale
        same = (scale for unit, scale in _SCALES.items() if Unit.parse(unit) == self.measure)  # m/s^2 is m/s2
        return _SCALES.get(self.unit) or next(same, 1.0)
