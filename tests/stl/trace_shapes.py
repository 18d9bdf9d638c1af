"""Traces written by hand: 60 samples, 0.1 s apart, put together from holds, slopes and single samples."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

DT = 0.1
CLOCK: Signal = np.round(np.arange(60) * DT, 9)
YES, NO = 1000.0, -1000.0


@dataclass(frozen=True)
class Case:
    """Signals of one trace (arrays [60], units of the catalog) and the robustness of the rule at its start."""

    rho: float
    signals: Mapping[str, Signal]


@dataclass(frozen=True)
class Pair:
    """What a rule must accept and what it must find."""

    keep: Case
    broken: Case


def case(rho: float, **signals: float | Signal) -> Case:
    """Signals by name; a number is held over the whole trace."""
    return Case(rho, {name: np.broadcast_to(np.float64(values), CLOCK.shape) for name, values in signals.items()})


def during(begin: float, end: float, value: float | Signal, otherwise: float | Signal) -> Signal:
    """``value`` from ``begin`` up to, not including, ``end`` (s); else ``otherwise``."""
    clock = CLOCK
    return np.where((clock > begin - DT / 2) & (clock < end - DT / 2), value, otherwise)


def since(begin: float, value: float | Signal, otherwise: float | Signal) -> Signal:
    """``value`` from ``begin`` (s) to the end of the trace; before it ``otherwise``."""
    return during(begin, np.inf, value, otherwise)


def flag(begin: float, end: float = np.inf) -> Signal:
    """True from ``begin`` up to, not including, ``end``."""
    return during(begin, end, YES, NO)


def at(*instants: float) -> Signal:
    """True at single samples."""
    return np.where(np.isclose(CLOCK[:, None], instants).any(axis=1), YES, NO)


def slope(begin: float, end: float, low: float, high: float) -> Signal:
    """``low`` until ``begin``, ``high`` from ``end``, a straight line between."""
    return np.interp(CLOCK, [begin, end], [low, high])


def braking(begin: float, speed: float, deceleration: float) -> Signal:
    """Speed of a car that brakes evenly from ``begin`` until it stands."""
    return np.maximum(0.0, speed - deceleration * np.maximum(0.0, CLOCK - begin))
