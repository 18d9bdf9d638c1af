"""Moving sideways on one's path by order: lane changes, swerves, pulling out and making room.

The offset follows a quintic of the share done (zero curvature at both ends, the present slope at the beginning). The
share grows with time, but no faster than with the way driven, so that a slow vehicle needs its length of road and a
standing one stays where it is. Columns: :mod:`drive.kernels.traffic_world`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.traffic_world import (
    DT,
    MODE,
    MOVING,
    OFFSET,
    SHIFT,
    SHIFT_BEND,
    SHIFT_BY,
    SHIFT_DONE,
    SHIFT_FROM,
    SHIFT_TIME,
    SHIFT_WAY,
    SLOPE,
    WALKER,
)

Float = NDArray[np.float64]
Int = NDArray[np.int64]

STEEPEST = 0.35  # slope of the offset along the path; walkers turn further
WALKER_STEEPEST = 2.0
TIGHTEST = 0.15  # 1/m, curvature that a shift adds to the path's


@kernel
def begin_shift(who: Int, motion: Float, i: int, target: float, duration: float) -> None:
    """Order agent ``i`` to ``target`` [m, left of its path] within ``duration`` [s], its present slope going on.

    It takes at least the way on which slope and curvature stay bearable: the quintic's greatest slope is 1.875 times
    its mean one plus 0.44 of an opposite initial one, its greatest curvature 5.77 times height over length squared or
    6 times the initial slope over length. Who brakes meanwhile takes longer, so that its way shrinks by no more than a
    third. An order without duration says where the agent keeps to from now on: it settles there as in a lane.
    """
    if duration <= 0.0:
        motion[i, SHIFT], motion[i, SHIFT_TIME], motion[i, SHIFT_DONE] = 1.0, 0.0, 1.0
        motion[i, SHIFT_FROM], motion[i, SHIFT_BY], motion[i, SHIFT_WAY], motion[i, SHIFT_BEND] = target, 0.0, 0.5, 0.0
        return
    by, slope = target - motion[i, OFFSET], motion[i, SLOPE]
    steepest = WALKER_STEEPEST if who[i, MODE] == WALKER else STEEPEST
    steepest -= 0.44 * min(abs(slope), steepest) if slope * by < 0.0 else 0.0
    way = max(1.875 * abs(by) / steepest, math.sqrt(5.77 * abs(by) / TIGHTEST), 6.0 * abs(slope) / TIGHTEST, 0.5)
    motion[i, SHIFT], motion[i, SHIFT_TIME], motion[i, SHIFT_DONE] = 1.0, duration, 0.0
    way = max(way, motion[i, MOVING] * duration / 1.5)
    motion[i, SHIFT_FROM], motion[i, SHIFT_BY], motion[i, SHIFT_WAY] = motion[i, OFFSET], by, way
    motion[i, SHIFT_BEND] = slope * max(motion[i, MOVING] * duration, way)  # metres across per whole shift


@kernel
def shift_offset(motion: Float, i: int, done: float) -> float:
    """Offset [m] of agent ``i`` when ``done`` (0 to 1) of its shift is done."""
    by, bend = motion[i, SHIFT_BY], motion[i, SHIFT_BEND]
    cubic, quartic, quintic = 10.0 * by - 6.0 * bend, -15.0 * by + 8.0 * bend, 6.0 * by - 3.0 * bend
    return motion[i, SHIFT_FROM] + done * (bend + done * done * (cubic + done * (quartic + done * quintic)))


@kernel
def shift_ahead(motion: Float, i: int, way: float) -> float:
    """Offset [m] that agent ``i`` will have ``way`` [m] further on."""
    whole = max(motion[i, MOVING] * motion[i, SHIFT_TIME], motion[i, SHIFT_WAY])
    return shift_offset(motion, i, min(motion[i, SHIFT_DONE] + way / whole, 1.0))


@kernel
def shift(who: Int, motion: Float, i: int, travelled: float) -> float:
    """Go on with agent ``i``'s shift over ``travelled`` [m]; returns the way across [m, left positive]."""
    if motion[i, SHIFT_DONE] == 0.0:  # it may have waited: from where it is now
        begin_shift(who, motion, i, motion[i, SHIFT_FROM] + motion[i, SHIFT_BY], motion[i, SHIFT_TIME])
    share = travelled / motion[i, SHIFT_WAY]
    if motion[i, SHIFT_TIME] > DT:
        share = min(share, DT / motion[i, SHIFT_TIME])
    motion[i, SHIFT_DONE] = min(motion[i, SHIFT_DONE] + share, 1.0)
    across = shift_offset(motion, i, motion[i, SHIFT_DONE]) - motion[i, OFFSET]
    return min(max(across, -0.9 * travelled), 0.9 * travelled)
