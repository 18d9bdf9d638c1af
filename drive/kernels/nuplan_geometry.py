"""Compiled geometry of nuPlan's score: exact sidedness, strict containment, distances, touching boxes.

The score hangs on predicates that the reference answers exactly for the given float64 coordinates (a point on a border
is in neither polygon, touching boxes overlap): sidedness falls back to doubled precision where rounding could decide.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import point_segment_distance

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

ERROR_BOUND = 3.3306690738754716e-16  # of a 2x2 determinant of differences (Shewchuk 1997, section 4.3)
SPLIT = 134217729.0  # 2**27 + 1 splits a float64 into two halves of 26 bits


@kernel
def _difference_tail(a: float, b: float, difference: float) -> float:
    """What ``a - b`` lost to rounding (Knuth's two-sum)."""
    back = a - difference
    return (a - (difference + back)) + (back - b)


@kernel
def _product_tail(a: float, b: float, product: float) -> float:
    """What ``a * b`` lost to rounding (Dekker's product)."""
    c = SPLIT * a
    a_high = c - (c - a)
    a_low = a - a_high
    c = SPLIT * b
    b_high = c - (c - b)
    b_low = b - b_high
    return a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


@kernel
def side(ax: float, ay: float, bx: float, by: float, px: float, py: float) -> float:
    """Positive where p lies left of a -> b, negative right of it, 0 exactly on the line."""
    dx1, dy1, dx2, dy2 = ax - px, ay - py, bx - px, by - py
    left, right = dx1 * dy2, dy1 * dx2
    value = left - right
    if abs(value) > ERROR_BOUND * (abs(left) + abs(right)):
        return value
    left_tail = _product_tail(dx1, dy2, left)
    left_tail += dx1 * _difference_tail(by, py, dy2) + dy2 * _difference_tail(ax, px, dx1)
    right_tail = _product_tail(dy1, dx2, right)
    right_tail += dy1 * _difference_tail(bx, px, dx2) + dx2 * _difference_tail(ay, py, dy1)
    return value + (_difference_tail(left, right, value) + (left_tail - right_tail))


@kernel
def _ring_parity(ring: Float, low: int, high: int, x: float, y: float) -> int:
    """1 inside the open ring ``ring[low:high]``, 0 outside, -1 on its border."""
    crossings = 0
    j = high - 1
    for i in range(low, high):
        x1, y1, x2, y2 = ring[j, 0], ring[j, 1], ring[i, 0], ring[i, 1]
        j = i
        if x2 == x and y2 == y:
            return -1
        if y1 == y and y2 == y:
            if min(x1, x2) <= x <= max(x1, x2):
                return -1
        elif (y1 > y) != (y2 > y):
            turn = side(x1, y1, x2, y2, x, y)
            if turn == 0.0:
                return -1
            if (turn > 0.0) == (y2 > y1):
                crossings ^= 1
    return crossings


@kernel
def strictly_inside(points: Float, ring: Float, ring_ptr: Int, owner: Int, box: Float) -> Bool:
    """``[P, K]`` True where point p ``[P, 2]`` lies in polygon k, borders excluded.

    Polygons are rings ``ring [M, 2]`` with offsets ``ring_ptr [R+1]``; ``owner [R]`` names the polygon of a ring (holes
    are further rings of it), ``box [K, 4]`` its bounding box (low x, low y, high x, high y).
    """
    inside = np.zeros((len(points), len(box)), np.bool_)
    for p in range(len(points)):
        x, y = points[p, 0], points[p, 1]
        border = -1
        for r in range(len(owner)):
            k = owner[r]
            if k == border or not (box[k, 0] <= x <= box[k, 2] and box[k, 1] <= y <= box[k, 3]):
                continue
            parity = _ring_parity(ring, ring_ptr[r], ring_ptr[r + 1], x, y)
            if parity < 0:
                inside[p, k] = False
                border = k  # the rings of one polygon are consecutive
            elif parity == 1:
                inside[p, k] = not inside[p, k]
    return inside


@kernel
def border_distance(x: float, y: float, ring: Float, ring_ptr: Int, owner: Int, polygon: int) -> float:
    """Distance [m] of a point to the border of one polygon (arrays as in :func:`strictly_inside`)."""
    best = np.inf
    for r in range(len(owner)):
        if owner[r] != polygon:
            continue
        j = ring_ptr[r + 1] - 1
        for i in range(ring_ptr[r], ring_ptr[r + 1]):
            best = min(best, point_segment_distance(x, y, ring[j, 0], ring[j, 1], ring[i, 0], ring[i, 1]))
            j = i
    return best


@kernel
def place_box(out: Float, x: float, y: float, heading: float, length: float, width: float) -> None:
    """Write the corners (front-left, rear-left, rear-right, front-right) of a box around (x, y) into ``out [4, 2]``.

    The normal is cos and sin of heading + pi/2, as in the reference, so that corners agree to the last bit.
    """
    cos, sin = math.cos(heading), math.sin(heading)
    normal_x, normal_y = math.cos(heading + 0.5 * math.pi), math.sin(heading + 0.5 * math.pi)
    for i in range(4):
        along = 0.5 * length if i == 0 or i == 3 else -0.5 * length
        across = 0.5 * width if i < 2 else -0.5 * width
        out[i, 0] = x + across * normal_x + along * cos
        out[i, 1] = y + across * normal_y + along * sin


@kernel
def _separates(one: Float, other: Float, corners: int) -> bool:
    """True if an edge of the counter-clockwise box ``one [4, 2]`` has the first corners of ``other`` outside."""
    j = 3
    for i in range(4):
        outside = True
        for n in range(corners):
            if side(one[j, 0], one[j, 1], one[i, 0], one[i, 1], other[n, 0], other[n, 1]) >= 0.0:
                outside = False
                break
        if outside:
            return True
        j = i
    return False


@kernel
def corners_touch(one: Float, other: Float) -> bool:
    """True if two boxes given by counter-clockwise corners ``[4, 2]`` share a point; touching counts."""
    return not (_separates(one, other, 4) or _separates(other, one, 4))


@kernel
def bumper_touches(ego: Float, other: Float) -> bool:
    """True if the segment from the front-left to the front-right corner of ``ego [4, 2]`` meets ``other [4, 2]``."""
    bumper = np.empty((2, 2))
    for axis in range(2):
        bumper[0, axis], bumper[1, axis] = ego[0, axis], ego[3, axis]
    if _separates(other, bumper, 2):
        return False
    left, right = False, False
    for n in range(4):
        turn = side(bumper[0, 0], bumper[0, 1], bumper[1, 0], bumper[1, 1], other[n, 0], other[n, 1])
        left |= turn >= 0.0
        right |= turn <= 0.0
    return left and right
