"""Compiled geometry of nuPlan's score: strict containment in many polygons, distances, touching boxes.

The score hangs on predicates that the reference answers exactly for the given float64 coordinates (a point on a border
is in neither polygon, touching boxes overlap): all of them ask :func:`drive.kernels.rings.side`.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import point_segment_distance
from drive.kernels.rings import ring_parity, side

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]


@kernel
def contained(points: Float, ring: Float, ring_ptr: Int, owner: Int, box: Float) -> Bool:
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
            parity = ring_parity(ring, ring_ptr[r], ring_ptr[r + 1], x, y)
            if parity < 0:
                inside[p, k] = False
                border = k  # the rings of one polygon are consecutive
            elif parity == 1:
                inside[p, k] = not inside[p, k]
    return inside


@kernel
def border_distance(x: float, y: float, ring: Float, ring_ptr: Int, owner: Int, polygon: int) -> float:
    """Distance [m] of a point to the border of one polygon (arrays as in :func:`contained`)."""
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
