"""Where across the road the ego drives: quintic transitions over arc length, and the exact pose on such a line.

A *plan* moves the ego from its offset now to another one, and perhaps to a third one later. Offsets are functions of
the arc length of the base way, not of time: an ego that has to stop half way stands where it is and goes on from there.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel

Float = NDArray[np.float64]

SPACING = 0.5
X, Y, HEADING, CURVATURE, SPEED = range(5)
# columns of a plan: from arc BEGIN on the offset goes within RUN metres from FROM (slope and second derivative given)
# to TO, and from arc BACK on within BACK_RUN to BACK_TO; PRICE is the cost per second and metre of offset, CAP and
# BACK_CAP are the speeds that the two transitions allow
BEGIN, RUN, FROM, FROM_SLOPE, FROM_BEND, TO, BACK, BACK_RUN, BACK_TO, PRICE, CAP, BACK_CAP = range(12)
PLAN_COLUMNS = 12
# columns of a motion row
ARC, MOVING, PEDAL, OFFSET, SLOPE, BEND = range(6)
MOTION_COLUMNS = 6
NEVER = 1e9
CENTER = 0.02  # m: less than this beside the way is on it
LATERAL, TURNING, TWISTING = 2.3, 0.6, 1.15  # m/s2, rad/s, rad/s2: what a transition is driven with


@kernel
def quintic(run: float, start: float, slope: float, bend: float, end: float, u: float) -> tuple[float, float, float]:
    """Offset and two derivatives by arc length, at the share ``u`` of a transition that ends straight at ``end``."""
    one, two = slope * run, 0.5 * bend * run * run
    rest, tilt, bow = end - start - one - two, -(one + 2.0 * two), -2.0 * two
    three = 10.0 * rest - 4.0 * tilt + 0.5 * bow
    four = -15.0 * rest + 7.0 * tilt - bow
    five = 6.0 * rest - 3.0 * tilt + 0.5 * bow
    value = start + u * (one + u * (two + u * (three + u * (four + u * five))))
    first = one + u * (2.0 * two + u * (3.0 * three + u * (4.0 * four + u * 5.0 * five)))
    second = 2.0 * two + u * (6.0 * three + u * (12.0 * four + u * 20.0 * five))
    return value, first / run, second / (run * run)


@kernel
def offset_at(plan: Float, arc: float) -> tuple[float, float, float]:
    """Offset [m], slope and second derivative [1/m] that a plan has at an arc length."""
    if arc < plan[BEGIN]:
        return plan[FROM], 0.0, 0.0
    if arc < plan[BEGIN] + plan[RUN]:
        u = (arc - plan[BEGIN]) / plan[RUN]
        return quintic(plan[RUN], plan[FROM], plan[FROM_SLOPE], plan[FROM_BEND], plan[TO], u)
    if arc < plan[BACK]:
        return plan[TO], 0.0, 0.0
    if arc < plan[BACK] + plan[BACK_RUN]:
        return quintic(plan[BACK_RUN], plan[TO], 0.0, 0.0, plan[BACK_TO], (arc - plan[BACK]) / plan[BACK_RUN])
    return plan[BACK_TO], 0.0, 0.0


@kernel
def offset_range(plan: Float, first: float, last: float) -> tuple[float, float]:
    """Least and greatest offset of a plan between two arc lengths (sampled every metre and a half at most)."""
    value, _, _ = offset_at(plan, first)
    low, high = value, value
    count = min(int((last - first) / 1.5) + 1, 24)
    for n in range(1, count + 1):
        value, _, _ = offset_at(plan, first + (last - first) * n / count)
        low, high = min(low, value), max(high, value)
    return low, high


@kernel
def is_straight(plan: Float, arc: float) -> bool:
    """True if the ego is on its way's own line at ``arc`` and the plan keeps it there."""
    past = arc >= plan[BEGIN] + plan[RUN]
    if past and arc >= plan[BACK] + plan[BACK_RUN]:
        return abs(plan[BACK_TO]) < CENTER
    return past and abs(plan[TO]) < CENTER and plan[BACK] >= NEVER


@kernel
def run_speed(run: float, start: float, slope: float, bend: float, end: float) -> float:
    """Speed [m/s] up to which a transition is comfortable on a straight road."""
    most, twist, before = 1e-6, 1e-6, bend
    for n in range(1, 9):
        _, _, second = quintic(run, start, slope, bend, end, n / 8.0)
        most, twist = max(most, abs(second)), max(twist, abs(second - before) * 8.0 / run)
        before = second
    # the change is fastest between samples, at both ends
    return min(math.sqrt(LATERAL / most), TURNING / most, math.sqrt(TWISTING / (1.35 * twist)))


@kernel
def pose_at(path: Float, arc: float) -> tuple[float, float, float, float]:
    """Rear-axle pose and curvature on the ego path by cubic Hermite: (x, y, heading, curvature)."""
    row = min(max(int(arc / SPACING), 0), len(path) - 2)
    u = arc / SPACING - row
    a, b = path[row], path[row + 1]
    h00, h01 = (1 + 2 * u) * (1 - u) ** 2, u * u * (3 - 2 * u)
    h10, h11 = u * (1 - u) ** 2 * SPACING, u * u * (u - 1) * SPACING
    x = h00 * a[X] + h01 * b[X] + h10 * math.cos(a[HEADING]) + h11 * math.cos(b[HEADING])
    y = h00 * a[Y] + h01 * b[Y] + h10 * math.sin(a[HEADING]) + h11 * math.sin(b[HEADING])
    heading = h00 * a[HEADING] + h01 * b[HEADING] + h10 * a[CURVATURE] + h11 * b[CURVATURE]
    return x, y, heading, a[CURVATURE] + u * (b[CURVATURE] - a[CURVATURE])


@kernel
def pose_beside(path: Float, arc: float, offset: float, slope: float, bend: float) -> tuple[float, float, float, float]:
    """Pose and curvature of the line that is ``offset(arc)`` left of the path; ``slope`` and ``bend`` its
    derivatives."""
    x, y, heading, curvature = pose_at(path, arc)
    if offset == 0.0 and slope == 0.0 and bend == 0.0:
        return x, y, heading, curvature
    row = min(max(int(arc / SPACING), 0), len(path) - 2)
    change = (path[row + 1, CURVATURE] - path[row, CURVATURE]) / SPACING
    along = 1.0 - curvature * offset
    turn = math.atan2(slope, along)
    cos = math.cos(turn)
    twist = bend + (change * offset + curvature * slope) * math.tan(turn)
    own = (twist * cos * cos / along + curvature) * cos / along
    return x - offset * math.sin(heading), y + offset * math.cos(heading), heading + turn, own


@kernel
def stretch_at(path: Float, arc: float, offset: float, slope: float) -> float:
    """Metres of the line beside the path per metre of the path."""
    row = min(max(int(arc / SPACING), 0), len(path) - 1)
    return math.hypot(1.0 - path[row, CURVATURE] * offset, slope)
