"""Where to begin so that things happen on time."""

import numpy as np

from scenarios.generate.geometry import Float
from scenarios.generate.reference import free_times
from scenarios.generate.search import SPACING

WARM_UP = 3.0
HISTORY = 2.0
RUN_IN = WARM_UP + HISTORY
FUTURE = 18.0
GATHERING = 1.2  # m/s2


def run_up(limit: float) -> float:
    """Length [m] of road behind the ego where it begins: for followers, and for oncoming traffic to drive away on."""
    return 60.0 + 9.0 * limit


def reach(limit: float) -> float:
    """Distance [m] from the ego within which traffic begins: those who come the other way meet it in the scene."""
    return 60.0 + 11.0 * limit


def ego_start(
    path: Float, event: float, arrival: float, entry: float = 1.0, rest: float = 0.0
) -> tuple[float, float] | None:
    """Arc length [m] and speed [m/s] to begin the warm-up with, so that an undisturbed ego's rear axle is at ``event``
    [m] ``arrival`` seconds after the scene's start; None where the road is too short.

    ``entry`` is the speed it begins with as a share of the road's: below 1 it is still gathering speed when the scene
    starts. A scene whose ego only starts fast is one in which braking to a standstill gets far. ``rest``
    is how long it stands first [s].
    """
    stations = SPACING * np.arange(len(path))
    wanted = RUN_IN + arrival - rest
    times = free_times(path)
    first = max(float(np.interp(event, stations, times)) - wanted, 0.0)
    low, high = float(np.interp(first, times, stations)), min(event, float(stations[-1]))
    if entry < 1.0:
        for _ in range(24):  # the later it begins the sooner it arrives
            middle = 0.5 * (low + high)
            if _gathering_time(path, middle, event, entry) > wanted:
                low = middle
            else:
                high = middle
    if low < 25.0:
        return None
    return low, entry * float(np.interp(low, stations, path[:, 4]))


def free_drive(path: Float, arc: float, speed: float, duration: float, rest: float = 0.0) -> tuple[float, float]:
    """Distance [m] that an undisturbed ego drives in a scene of ``duration`` [s], and its speed [m/s] at the start.

    ``arc`` [m] and ``speed`` [m/s] are those at the beginning of the warm-up, of which it stands for ``rest`` [s].
    """
    profile, time = gathering(path[int(arc / SPACING) :], speed)
    stations = SPACING * np.arange(len(profile))
    begin, end = np.interp((RUN_IN - rest, RUN_IN - rest + duration), time, stations)
    return float(end - begin), float(np.interp(RUN_IN - rest, time, profile))


def start_arc(path: Float, arc: float, speed: float, rest: float = 0.0) -> float:
    """Arc length [m] of an undisturbed ego at the scene's start; arguments as for :func:`free_drive`."""
    _, time = gathering(path[int(arc / SPACING) :], speed)
    return arc + float(np.interp(RUN_IN - rest, time, SPACING * np.arange(len(time))))


def _gathering_time(path: Float, arc: float, event: float, entry: float) -> float:
    """Time [s] from ``arc`` to ``event`` [m] for an ego that begins with a share ``entry`` of the path's speed."""
    row = int(arc / SPACING)
    _, time = gathering(path[row : max(int(event / SPACING) + 1, row + 2)], entry * float(path[row, 4]))
    return float(time[-1])


def gathering(path: Float, first: float) -> tuple[Float, Float]:
    """Speed [m/s] and time [s] at the rows of a path, for an ego that begins with ``first`` [m/s]."""
    speed = np.minimum(path[:, 4], np.sqrt(first**2 + 2.0 * GATHERING * SPACING * np.arange(len(path))))
    time = np.cumsum(SPACING * 2.0 / np.maximum(speed[1:] + speed[:-1], 0.2))
    return speed, np.concatenate(((0.0,), time))


def free_arc(path: Float, arc: float, time: float) -> float:
    """Arc length [m] that an undisturbed ego reaches ``time`` seconds after ``arc`` [m]."""
    times = free_times(path)
    stations = SPACING * np.arange(len(path))
    return float(np.interp(np.interp(arc, stations, times) + time, times, stations))


def drive_time(path: Float, arc: float, speed: float, place: float) -> float:
    """Time [s] in which an undisturbed ego gets from ``arc`` [m], where it drives ``speed`` [m/s], to ``place`` [m]."""
    row = int(arc / SPACING)
    return float(gathering(path[row : max(int(place / SPACING) + 1, row + 2)], speed)[1][-1])


def walk_time(distance: float, speed: float, rate: float) -> float:
    """Time [s] to walk ``distance`` [m] from rest, speeding up at ``rate`` [m/s2] to ``speed`` [m/s]."""
    gathering = speed * speed / (2.0 * rate)
    if distance < gathering:
        return float(np.sqrt(2.0 * distance / rate))
    return speed / rate + (distance - gathering) / speed
