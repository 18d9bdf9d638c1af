"""What the search reads and rewrites: the other agents' samples, and the ego's task."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

DT = 0.1
STANDING, BEFORE_SIGN = 0.1, 0.95  # m/s, m: who stands like this
STOPPED = 33  # for so many samples, has stopped at the sign
# columns of a candidate
FACTOR, HEADWAY, STOP, FIRM = range(4)
# columns of the vehicle row
LENGTH, WIDTH, TO_CENTER = range(3)
# columns of the style row
STYLE_HEADWAY, STYLE_GAP, STYLE_ACCELERATION, STYLE_DECELERATION, WEIGHT_PROGRESS, WEIGHT_COMFORT = range(6)
# columns of a stretch beside the way
STRETCH_BEGIN, STRETCH_END, STRETCH_OFFSET, STRETCH_PRICE, STRETCH_CLEAR = range(5)


class Others(NamedTuple):
    """Samples of the other agents, rewritten by every roll-out: ``position [A, K+1, 2]``, ``heading [A, K+1]``,
    ``velocity [A, K+1, 2]``, ``valid [A, K+1]``; ``size [A, 2]``, ``kind [A]``."""

    position: Float
    heading: Float
    velocity: Float
    valid: Bool
    size: Float
    kind: NDArray[np.int8]


class Task(NamedTuple):
    """What the ego has to do.

    ``path [P, 6]`` its rear axle's way, one row every SPACING; ``lines [*, 2]`` arc lengths of signalled stop lines and
    their row in the lights; ``crossings [C, 2]`` begin and end of marked crossings on the way, with ``rings [C, 7]``:
    centre x, y, direction of walking (cosine, sine), half the way from kerb to kerb, right and left border of the ego's
    half of the road (lateral offsets from its way); ``holds [*]`` ascending arc
    lengths where its front may wait; ``signs [*, 2]`` ascending arc lengths of stop signs' lines not yet stopped at,
    and for how many samples one still has to stand there; ``claims [C, 4]`` stretches of the way where others go first
    (columns in ``search/priority.py``), ``claimed [C, *, 3]`` the connectors that those take, ``owed [C, A, 2]`` who
    does so in the traffic at hand, and where on their own paths;
    ``boxes [*, 2]`` stretches of junctions in which nobody may be left standing; ``style [6]``; ``vehicle [3]``;
    ``beside [B, 5]`` stretches on which it may drive beside its way (columns above);
    ``lane_end`` arc length where the way's own lane ends.
    """

    path: Float
    lines: Float
    crossings: Float
    rings: Float
    holds: Float
    signs: Float
    claims: Float
    claimed: Float
    owed: Float
    boxes: Float
    style: Float
    vehicle: Float
    beside: Float
    lane_end: float
