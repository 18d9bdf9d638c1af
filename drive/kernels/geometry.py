"""Compiled planar geometry: boxes, rings, polylines. Lengths in m, angles in rad, float64."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel

Float = NDArray[np.float64]
Int = NDArray[np.int32]


@kernel
def wrap(angle: float) -> float:
    """Wrap one angle to [-pi, pi)."""
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


@kernel
def boxes_overlap(
    x1: float,
    y1: float,
    heading1: float,
    length1: float,
    width1: float,
    x2: float,
    y2: float,
    heading2: float,
    length2: float,
    width2: float,
) -> bool:
    """True if two oriented boxes (centre, heading, size) share a point; touching counts. Separating-axis test."""
    dx, dy = x2 - x1, y2 - y1
    reach = 0.5 * (math.hypot(length1, width1) + math.hypot(length2, width2))
    if dx * dx + dy * dy > reach * reach:
        return False
    cos1, sin1 = math.cos(heading1), math.sin(heading1)
    cos2, sin2 = math.cos(heading2), math.sin(heading2)
    half_l1, half_w1, half_l2, half_w2 = (
        0.5 * length1,
        0.5 * width1,
        0.5 * length2,
        0.5 * width2,
    )
    cos = abs(cos1 * cos2 + sin1 * sin2)
    sin = abs(cos1 * sin2 - sin1 * cos2)
    if abs(dx * cos1 + dy * sin1) > half_l1 + half_l2 * cos + half_w2 * sin:
        return False
    if abs(dy * cos1 - dx * sin1) > half_w1 + half_l2 * sin + half_w2 * cos:
        return False
    if abs(dx * cos2 + dy * sin2) > half_l2 + half_l1 * cos + half_w1 * sin:
        return False
    return abs(dy * cos2 - dx * sin2) <= half_w2 + half_l1 * sin + half_w1 * cos


@kernel
def point_in_ring(points: Float, low: int, high: int, x: float, y: float) -> bool:
    """Even-odd test of a point against the open ring ``points[low:high]`` ([*, 2])."""
    inside = False
    j = high - 1
    for i in range(low, high):
        yi, yj = points[i, 1], points[j, 1]
        if (yi > y) != (yj > y) and x < (points[j, 0] - points[i, 0]) * (y - yi) / (yj - yi) + points[i, 0]:
            inside = not inside
        j = i
    return inside


@kernel
def point_segment_distance(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Distance of a point to the segment a-b."""
    ux, uy = bx - ax, by - ay
    square = ux * ux + uy * uy
    t = 0.0 if square == 0.0 else min(1.0, max(0.0, ((x - ax) * ux + (y - ay) * uy) / square))
    return math.hypot(x - ax - t * ux, y - ay - t * uy)


@kernel
def cumulative(points: Float, ptr: Int) -> Float:
    """Arc length ``[N]`` of every point of flat polylines ``points [N, >=2]`` with offsets ``ptr``; 0 at each start."""
    arc = np.zeros(len(points))
    for line in range(len(ptr) - 1):
        for i in range(ptr[line] + 1, ptr[line + 1]):
            arc[i] = arc[i - 1] + math.hypot(points[i, 0] - points[i - 1, 0], points[i, 1] - points[i - 1, 1])
    return arc


@kernel
def project(points: Float, arc: Float, low: int, high: int, x: float, y: float) -> tuple[float, float, int]:
    """Nearest point of the polyline rows ``low..high-1``: (arc length, signed lateral offset, segment's first row).

    The offset is positive to the left. The polyline is not extended: beyond its ends the offset is the distance to
    the end point, with the sign of the side.
    """
    best = np.inf
    at, side, row = arc[low], 1.0, low
    for i in range(low, high - 1):
        ux, uy = points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1]
        vx, vy = x - points[i, 0], y - points[i, 1]
        square = ux * ux + uy * uy
        t = 0.0 if square == 0.0 else min(1.0, max(0.0, (vx * ux + vy * uy) / square))
        ex, ey = vx - t * ux, vy - t * uy
        distance = ex * ex + ey * ey
        if distance < best:
            best = distance
            at = arc[i] + t * (arc[i + 1] - arc[i])
            side = 1.0 if ux * vy - uy * vx >= 0.0 else -1.0
            row = i
    return at, side * math.sqrt(best), row


@kernel
def point_at(points: Float, arc: Float, low: int, high: int, at: float) -> tuple[float, float, float]:
    """Point and heading (x, y, heading) at arc length ``at``; beyond the ends along the first or last segment."""
    left, right = low, high - 2  # binary search for the segment that holds ``at``
    while left < right:
        middle = (left + right + 1) // 2
        if arc[middle] <= at:
            left = middle
        else:
            right = middle - 1
    i = left
    while i > low and arc[i + 1] == arc[i]:  # a repeated last point has no direction
        i -= 1
    length = arc[i + 1] - arc[i]
    ux, uy = points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1]
    t = 0.0 if length == 0.0 else (at - arc[i]) / length
    return points[i, 0] + t * ux, points[i, 1] + t * uy, math.atan2(uy, ux)
