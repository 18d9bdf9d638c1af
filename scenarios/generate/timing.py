"""Where to begin so that things happen on time."""

import numpy as np

from scenarios.generate.geometry import Float
from scenarios.generate.reference import free_times
from scenarios.generate.search import SPACING

WARM_UP = 3.0
HISTORY = 2.0
RUN_IN = WARM_UP + HISTORY


def run_up(limit: float) -> float:
    """Length [m] of road behind the ego where it begins: for followers, and for oncoming traffic to drive away on."""
    return 60.0 + 9.0 * limit


def reach(limit: float) -> float:
    """Distance [m] from the ego within which traffic begins: those who come the other way meet it in the scene."""
    return 60.0 + 11.0 * limit


def ego_start(path: Float, event: float, arrival: float) -> tuple[float, float] | None:
    """Arc length [m] and speed [m/s] to begin the warm-up with, so that an undisturbed ego's rear axle is at ``event``
    [m] ``arrival`` seconds after the scene's start; None where the road is too short."""
    times = free_times(path)
    stations = SPACING * np.arange(len(path))
    begin = float(np.interp(event, stations, times)) - RUN_IN - arrival
    if begin < 0.0:
        return None
    arc = float(np.interp(begin, times, stations))
    if arc < 25.0:
        return None
    return arc, float(np.interp(arc, stations, path[:, 4]))


def free_arc(path: Float, arc: float, time: float) -> float:
    """Arc length [m] that an undisturbed ego reaches ``time`` seconds after ``arc`` [m]."""
    times = free_times(path)
    stations = SPACING * np.arange(len(path))
    return float(np.interp(np.interp(arc, stations, times) + time, times, stations))


def walk_time(distance: float, speed: float, rate: float) -> float:
    """Time [s] to walk ``distance`` [m] from rest, speeding up at ``rate`` [m/s2] to ``speed`` [m/s]."""
    gathering = speed * speed / (2.0 * rate)
    if distance < gathering:
        return float(np.sqrt(2.0 * distance / rate))
    return speed / rate + (distance - gathering) / speed
