"""What the traffic kernels work on: two tuples of a few arrays each, and the meaning of their columns.

Few and wide arrays, because every array handed to a compiled function is nine machine words: with one array per field
compilation took four times as long.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.scene import DRIVER_COLUMNS

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

DT = 0.1
FAR = 1e9  # m: no such thing
SPACING = 0.5  # m between the points of a compiled path: a place on it is found by division, never by search
CHUNK = 32  # path points per bounding box in the search for conflicts
MEMORY = 16  # samples of what was perceived: delays up to 1.5 s

# modes of an agent, and its life
REPLAY, CONSTANT_VELOCITY, DRIVER, WALKER = 0, 1, 2, 3
PENDING, ENTERING, ACTIVE, GONE = 0, 1, 2, 3

# columns of ``who`` [A, 9]: mode; samples of entry and of the last appearance, counted from the start; rows of the
# agent's path, lines and conflicts
MODE, FIRST, LAST, PATH_LOW, PATH_HIGH, LINE_LOW, LINE_HIGH, ZONE_LOW, ZONE_HIGH = range(9)
# columns of ``driver`` [A, 19] after drive.drivers.Driver: size, room on either side of the path inside the lane [m]
LENGTH, WIDTH, ROOM = DRIVER_COLUMNS, DRIVER_COLUMNS + 1, DRIVER_COLUMNS + 2
# columns of ``path``: box centre [m], direction [rad, continuous], curvature [1/m], greatest sensible speed [m/s],
# turning up to here in either direction [rad], right of way where the path meets the ego's route (1 own, -1 ego's)
PATH_X, PATH_Y, PATH_HEADING, PATH_CURVATURE, PATH_SPEED, PATH_TURN, PATH_RIGHT = range(7)
PATH_COLUMNS = 7
# columns of ``line``: arc length of the line on the path [m], row of ``light`` or -1 for a stop sign
LINE_ARC, LINE_LIGHT = range(2)
# columns of ``zone_arc``: where the own box centre's path runs through the conflict, and the other one's path [m]
ZONE_BEGIN, ZONE_END, ZONE_OTHER_BEGIN, ZONE_OTHER_END = range(4)
# columns of ``zone``: the other agent, number of the pair's conflict, right of way (1 own, -1 other's, 0 who comes
# first), marked crossing
ZONE_OTHER, ZONE_ID, ZONE_RIGHT, ZONE_MARKED = range(4)

# columns of ``mind`` [A, 8]: life; nothing perceived yet; first conflict and line not yet left behind; what was decided
# at a line; conflicts asked for (rows from, to) and whether they are asked for now
LIFE, FRESH, NEXT_ZONE, NEXT_LINE, DECIDED, CLAIM_FROM, CLAIM_TO, CLAIM_WANT = range(8)
# columns of ``motion`` [A, 32]: arc length of the box centre on the path, offset to the left and its slope along it,
# speed, acceleration; time until which a standing agent holds, time spent standing at a conflict, begin and end of
# distraction; wanted acceleration; arc lengths of a closed line, of a conflict to stop before, of the lead's rear, and
# the lead's speed; scripted order (0 or 1), target speed, rate; scripted shift sideways (0 or 1), from where [m], how
# far [m, left positive], its first derivative at the beginning [m per whole shift], share done, duration [s], way
# needed at least [m], whether somebody beside keeps it from beginning; event (plus 1) that ties its speed to the ego
# (-1: past turning back) and its speed when that fired; four random processes
ARC, OFFSET, SLOPE, MOVING, PEDAL, HOLD, WAITED, DISTRACTED_SINCE, DISTRACTED, COMMAND = range(10)
LINE_AT, CLOSED_AT, LEAD_AT, LEAD_SPEED, ORDER, ORDER_SPEED, ORDER_RATE = range(10, 17)
SHIFT, SHIFT_FROM, SHIFT_BY, SHIFT_BEND, SHIFT_DONE, SHIFT_TIME, SHIFT_WAY, SHIFT_HELD, MEETING, MEET_SPEED, NOISE = (
    range(17, 28)
)
MOTION_COLUMNS = NOISE + 4
# rows of ``now`` [10, A + 1], the ego last: box centre, cosine and sine of the heading, speed along it, half length,
# half width, radius, acceleration along the heading, way in 3 s of those whose path is not known
X, Y, COS, SIN, SPEED, HALF_LENGTH, HALF_WIDTH, RADIUS, ACCELERATION, AURA = range(10)
NOW_ROWS = 10


class TrafficWorld(NamedTuple):
    """What does not change: A agents, T scene steps, N path points, M conflict rows, L lights, E events.

    ``begin [1]`` is the scene step of sample 0. ``who [A, 9]``, ``driver [A, 19]``, ``path [N, 7]`` (a point every
    SPACING), ``line [*, 2]``, ``zone_arc [M, 4]`` and ``zone [M, 4]`` have the columns above. ``position``,
    ``heading``, ``velocity``, ``valid`` are the tracks, ``light [L, T]`` the states of the signals, ``script [E, 11]``
    the events with two more columns: the speed limit [m/s] at the point of conflict, and that point's arc length [m] on
    the agent's path.
    """

    begin: Int
    who: Int
    driver: Float
    position: Float
    heading: Float
    velocity: Float
    valid: Bool
    path: Float
    line: Float
    zone_arc: Float
    zone: Int
    light: NDArray[np.int8]
    script: Float


class TrafficState(NamedTuple):
    """What changes from sample to sample and is not in the samples themselves; Z conflicts between pairs.

    ``mind [A, 8]`` and ``motion [A, 32]`` have the columns above; ``seen [A, MEMORY, 2]`` is the arc length of the
    lead's rear and its speed; ``owner [Z]`` who may be in a conflict now, or -1; ``fired [E]`` the sample at which an
    event fired, or -1; ``now [10, A+1]`` scratch; ``ego_before [1]`` the ego's speed one sample ago [m/s].
    """

    mind: Int
    motion: Float
    seen: Float
    owner: Int
    fired: Int
    now: Float
    ego_before: Float
