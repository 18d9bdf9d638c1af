"""Points in lane and route frames. Lengths in m, angles in rad, float64.

A frame is a polyline: arc length s and signed lateral offset d (left positive) of the nearest point of it. Beyond its
two ends the polyline goes straight on.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import point_in_ring

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

PROBE = 0.1  # m from a lane's end to where its width is measured: at the end itself polygons end
HALF_WIDTH = 1.75  # m, where a polygon does not tell
MAX_HALF_WIDTH = 6.0


@kernel
def project_onto(points: Float, arc: Float, low: int, high: int, x: float, y: float) -> tuple[float, float, int]:
    """Nearest point of the polyline rows ``low..high-1``, straight on beyond its ends: (s, d, first row of the
    segment)."""
    best = np.inf
    at, side, row = 0.0, 1.0, low
    for i in range(low, high - 1):
        ux, uy = points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1]
        square = ux * ux + uy * uy
        if square == 0.0:
            continue
        vx, vy = x - points[i, 0], y - points[i, 1]
        t = (vx * ux + vy * uy) / square
        if i > low:
            t = max(0.0, t)
        if i < high - 2:
            t = min(1.0, t)
        ex, ey = vx - t * ux, vy - t * uy
        distance = ex * ex + ey * ey
        if distance < best:
            best = distance
            at = arc[i] + t * math.sqrt(square)
            side = 1.0 if ux * vy - uy * vx >= 0.0 else -1.0
            row = i
    return at, side * math.sqrt(best), row


@kernel
def project_all(points: Float, arc: Float, coarse: int, xy: Float) -> tuple[Float, Float, Int]:
    """:func:`project_onto` for ``xy [N, 2]`` on an evenly spaced path: the nearest of every ``coarse``-th row, then
    exactly around it."""
    count, rows = len(xy), len(points)
    s, d, row = np.empty(count), np.empty(count), np.empty(count, np.int32)
    for n in range(count):
        x, y = xy[n, 0], xy[n, 1]
        best, near = np.inf, 0
        for i in range(0, rows, coarse):
            dx, dy = x - points[i, 0], y - points[i, 1]
            square = dx * dx + dy * dy
            if square < best:
                best, near = square, i
        s[n], d[n], row[n] = _around(points, arc, near, coarse + 1, x, y)
    return s, d, row


@kernel
def _around(points: Float, arc: Float, near: int, reach: int, x: float, y: float) -> tuple[float, float, int]:
    low, high = max(0, near - reach), min(len(points), near + reach + 1)
    s, d, row = project_onto(points, arc, low, high, x, y)
    # A window that ends within the path must not go straight on there.
    if row == low and low > 0 and s < arc[low]:
        s, d = arc[low], math.copysign(math.hypot(x - points[low, 0], y - points[low, 1]), d)
    if row == high - 2 and high < len(points) and s > arc[high - 1]:
        s, d = arc[high - 1], math.copysign(math.hypot(x - points[high - 1, 0], y - points[high - 1, 1]), d)
    return s, d, row


@kernel
def follow(points: Float, arc: Float, coarse: int, xy: Float) -> tuple[Float, Float, Int]:
    """:func:`project_all` for tracks ``xy [B, T, 2]``, each keeping to the branch it is on where a path crosses itself:
    only the path within reach of the last projection is looked at, unless the track has left it by 20 m."""
    batch, samples = xy.shape[:2]
    s, d = np.empty((batch, samples)), np.empty((batch, samples))
    row = np.empty((batch, samples), np.int32)
    for b in range(batch):
        for t in range(samples):
            x, y = xy[b, t, 0], xy[b, t, 1]
            lost = t == 0
            if not lost:
                moved = math.hypot(x - xy[b, t - 1, 0], y - xy[b, t - 1, 1])
                reach = 8 + int(2.0 * moved / max(arc[1] - arc[0], 1e-3))
                s[b, t], d[b, t], row[b, t] = _around(points, arc, row[b, t - 1], reach, x, y)
                lost = abs(d[b, t]) > 20.0
            if lost:
                one_s, one_d, one_row = project_all(points, arc, coarse, xy[b, t : t + 1])
                s[b, t], d[b, t], row[b, t] = one_s[0], one_d[0], one_row[0]
    return s, d, row


@kernel
def lane_half_widths(centerline: Float, ptr: Int, ring: Float, ring_ptr: Int) -> tuple[Float, Float]:
    """Distance from every centreline point ``[N]`` across the lane to the left and to the right border of its polygon.

    Where a polygon does not tell (the point is outside of it, or the border is too far) the nearest point of the lane
    that has a width lends it.
    """
    count = len(centerline)
    left, right = np.full(count, np.nan), np.full(count, np.nan)
    for lane in range(len(ptr) - 1):
        low, high = ptr[lane], ptr[lane + 1]
        for i in range(low, high):
            a, b = max(low, i - 1), min(high - 1, i + 1)
            ux, uy = centerline[b, 0] - centerline[a, 0], centerline[b, 1] - centerline[a, 1]
            length = math.hypot(ux, uy)
            if length == 0.0:
                continue
            ux, uy = ux / length, uy / length
            shift = PROBE if i == low else (-PROBE if i == high - 1 else 0.0)
            x, y = centerline[i, 0] + shift * ux, centerline[i, 1] + shift * uy
            if not point_in_ring(ring, ring_ptr[lane], ring_ptr[lane + 1], x, y):
                continue
            near_left, near_right = np.inf, np.inf
            j = ring_ptr[lane + 1] - 1
            for k in range(ring_ptr[lane], ring_ptr[lane + 1]):
                along1 = (ring[j, 0] - x) * ux + (ring[j, 1] - y) * uy
                along2 = (ring[k, 0] - x) * ux + (ring[k, 1] - y) * uy
                if (along1 > 0.0) != (along2 > 0.0):
                    across1 = (ring[j, 1] - y) * ux - (ring[j, 0] - x) * uy
                    across2 = (ring[k, 1] - y) * ux - (ring[k, 0] - x) * uy
                    offset = across1 - along1 * (across2 - across1) / (along2 - along1)
                    if offset >= 0.0:
                        near_left = min(near_left, offset)
                    else:
                        near_right = min(near_right, -offset)
                j = k
            if near_left <= MAX_HALF_WIDTH and near_right <= MAX_HALF_WIDTH:
                left[i], right[i] = near_left, near_right
        _lend(left, low, high)
        _lend(right, low, high)
    return left, right


@kernel
def _lend(width: Float, low: int, high: int) -> None:
    known = np.flatnonzero(~np.isnan(width[low:high])) + low
    for i in range(low, high):
        if len(known) == 0:
            width[i] = HALF_WIDTH
        elif np.isnan(width[i]):
            width[i] = width[known[np.argmin(np.abs(known - i))]]


@kernel
def lanes_under(
    xy: Float, valid: Bool, ring: Float, ring_ptr: Int, ring_box: Float, centerline: Float, ptr: Int, heading: Float
) -> Int:
    """Lane that holds each point of tracks ``xy [A, T, 2]`` and points most nearly along ``heading [A, T]`` there:
    ``[A, T]``, -1 for none."""
    agents, samples = valid.shape
    found = np.full((agents, samples), -1, np.int32)
    best = np.full(samples, np.inf)
    stays = np.zeros(samples, np.bool_)  # as one sample before: looked at once
    for a in range(agents):
        x0, y0, x1, y1 = np.inf, np.inf, -np.inf, -np.inf
        for t in range(samples):
            best[t] = np.inf
            stays[t] = (
                t > 0
                and valid[a, t - 1]
                and xy[a, t, 0] == xy[a, t - 1, 0]
                and xy[a, t, 1] == xy[a, t - 1, 1]
                and heading[a, t] == heading[a, t - 1]
            )
            if valid[a, t]:
                x0, x1 = min(x0, xy[a, t, 0]), max(x1, xy[a, t, 0])
                y0, y1 = min(y0, xy[a, t, 1]), max(y1, xy[a, t, 1])
        for lane in range(len(ring_ptr) - 1):
            if ring_box[lane, 0] > x1 or ring_box[lane, 2] < x0 or ring_box[lane, 1] > y1 or ring_box[lane, 3] < y0:
                continue
            for t in range(samples):
                x, y = xy[a, t, 0], xy[a, t, 1]
                if not valid[a, t] or stays[t] or x < ring_box[lane, 0] or x > ring_box[lane, 2]:
                    continue
                if y < ring_box[lane, 1] or y > ring_box[lane, 3]:
                    continue
                if point_in_ring(ring, ring_ptr[lane], ring_ptr[lane + 1], x, y):
                    turned = 1.0 - math.cos(heading[a, t] - tangent_at(centerline, ptr[lane], ptr[lane + 1], x, y))
                    if turned < best[t]:
                        best[t] = turned
                        found[a, t] = lane
        for t in range(1, samples):
            if stays[t] and valid[a, t]:
                found[a, t] = found[a, t - 1]
    return found


@kernel
def tangent_at(centerline: Float, low: int, high: int, x: float, y: float) -> float:
    """Direction of the centreline's segment nearest to a point."""
    best, row = np.inf, low
    for i in range(low, high - 1):
        ux, uy = centerline[i + 1, 0] - centerline[i, 0], centerline[i + 1, 1] - centerline[i, 1]
        square = ux * ux + uy * uy
        vx, vy = x - centerline[i, 0], y - centerline[i, 1]
        t = 0.0 if square == 0.0 else min(1.0, max(0.0, (vx * ux + vy * uy) / square))
        distance = (vx - t * ux) ** 2 + (vy - t * uy) ** 2
        if distance < best and square > 0.0:
            best, row = distance, i
    return math.atan2(centerline[row + 1, 1] - centerline[row, 1], centerline[row + 1, 0] - centerline[row, 0])
