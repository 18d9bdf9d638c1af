"""What the traffic kernels work on: two tuples of arrays, and the layout of their rows."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

DT = 0.1
SPACING = 0.5  # m between the points of a compiled path: a place on it is found by division, never by search
CHUNK = 32  # path points per bounding box in the search for conflicts

# modes of an agent
REPLAY, CONSTANT_VELOCITY, DRIVER, WALKER = 0, 1, 2, 3
# life of an agent
PENDING, ACTIVE, GONE = 0, 1, 2
# columns of ``path``: box centre [m], direction [rad, continuous], curvature [1/m], greatest sensible speed [m/s]
PATH_X, PATH_Y, PATH_HEADING, PATH_CURVATURE, PATH_SPEED = range(5)
# columns of ``line``: arc length of the line on the path [m], row of ``light`` or -1 for a stop sign
LINE_ARC, LINE_LIGHT = range(2)
# columns of ``zone_arc``: where the own box centre's path runs through the conflict, and the other one's path [m]
ZONE_BEGIN, ZONE_END, ZONE_OTHER_BEGIN, ZONE_OTHER_END = range(4)
# columns of ``zone``: the other agent, number of the pair's conflict, right of way, marked crossing
ZONE_OTHER, ZONE_ID, ZONE_RIGHT, ZONE_MARKED = range(4)
# columns of ``now``: box centre, cosine and sine of the heading, speed along it, half length, half width, radius,
# acceleration along the heading
X, Y, COS, SIN, SPEED, HALF_LENGTH, HALF_WIDTH, RADIUS, ACCELERATION = range(9)
# columns of ``motion``: arc length of the box centre on the path, offset to the left and its slope over the arc, speed,
# acceleration, time a standing driver holds until, time spent standing at a conflict, end of distraction, its begin
ARC, OFFSET, SLOPE, MOVING, PEDAL, HOLD, WAITED, DISTRACTED, DISTRACTED_SINCE = range(9)
MEMORY = 16  # samples of what was perceived: delays up to 1.5 s


class TrafficWorld(NamedTuple):
    """What does not change: A agents, T scene steps, N path points, M conflict rows, E events, L lights.

    ``begin`` [1] is the scene step of sample 0. ``first`` and ``last`` [A] are the samples of entry and of the last
    appearance, counted from ``begin``. ``path [N, 5]`` holds points every SPACING along each agent's path, offsets
    ``path_ptr [A+1]``. ``line [*, 2]`` are the places where an agent may have to stop, in order, offsets ``line_ptr``.
    ``zone_arc [M, 4]`` and ``zone [M, 4]`` are the conflicts with other agents' paths by ZONE_BEGIN, offsets
    ``zone_ptr [A+1]``. ``light [L, T]`` are the states of the signals. ``script [E, 10]`` are the events, the last
    column the speed limit at the point of conflict [m/s].
    """

    begin: Int
    mode: Int
    size: Float
    driver: Float
    first: Int
    last: Int
    position: Float
    heading: Float
    velocity: Float
    valid: Bool
    path: Float
    path_ptr: Int
    line: Float
    line_ptr: Int
    zone_arc: Float
    zone: Int
    zone_ptr: Int
    light: NDArray[np.int8]
    script: Float


class TrafficState(NamedTuple):
    """What changes from sample to sample and is not in the samples themselves; Z conflicts between pairs.

    ``life [A]``, ``motion [A, 9]``, ``noise [A, 4]``; ``seen [A, MEMORY, 2]`` (arc length of the lead's rear, its speed)
    and ``fresh [A]`` (nothing seen yet); ``owner [Z]`` who may be in a conflict now, or -1; ``next_zone [A]`` and
    ``next_line [A]`` rows not yet left behind; ``decided [A]`` the line that the driver will run although it is yellow;
    ``order [A, 3]`` scripted action (0 or 1), target speed, rate; ``fired [E]``; scratch: ``now [A+1, 9]`` (the ego
    last), ``plan [A, 4]``, ``claim [A, 3]``; ``ego_before [2]`` (known, speed).
    """

    life: Int
    motion: Float
    noise: Float
    seen: Float
    fresh: Bool
    owner: Int
    next_zone: Int
    next_line: Int
    decided: Int
    order: Float
    fired: Bool
    now: Float
    plan: Float
    claim: Int
    ego_before: Float
