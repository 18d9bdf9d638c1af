"""Point and box against polygons with exact decisions: a point on an edge is on it, whatever the rounding."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel

Float = NDArray[np.float64]
Int = NDArray[np.int32]


class Polygons(NamedTuple):
    """P polygons for many point tests: open rings ``ring [M, 2]`` [m] with offsets ``ring_ptr [P+1]`` int32 and
    bounding boxes ``box [P, 4]`` (low x, low y, high x, high y); the rest is :func:`band_edges`."""

    ring: Float
    ring_ptr: Int
    box: Float
    band_ptr: Int
    edge_ptr: Int
    edge: Int


_SPLITTER = 134217729.0  # 2**27 + 1, halves a double for an exact product


@kernel
def _product_tail(a: float, b: float, product: float) -> float:
    """What rounding took from ``product = a * b`` (Dekker 1971)."""
    scaled = _SPLITTER * a
    a_high = scaled - (scaled - a)
    a_low = a - a_high
    scaled = _SPLITTER * b
    b_high = scaled - (scaled - b)
    b_low = b - b_high
    return a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


@kernel
def _difference_tail(a: float, b: float, difference: float) -> float:
    """What rounding took from ``difference = a - b`` (Knuth)."""
    virtual = a - difference
    return (a - (difference + virtual)) + (virtual - b)


@kernel
def side(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> float:
    """Sign of the turn a, b, (x, y): positive to the left of the line, negative to the right, 0 on it.

    Where rounding could decide, the determinant is evaluated with twice the precision, as GEOS does.
    """
    ux, uy, vx, vy = bx - ax, by - ay, x - ax, y - ay
    left, right = ux * vy, uy * vx
    turn = left - right
    if abs(turn) > 1e-15 * (abs(left) + abs(right)):
        return turn
    ux_tail, uy_tail = _difference_tail(bx, ax, ux), _difference_tail(by, ay, uy)
    vx_tail, vy_tail = _difference_tail(x, ax, vx), _difference_tail(y, ay, vy)
    tail = _product_tail(ux, vy, left) - _product_tail(uy, vx, right)
    tail += (ux * vy_tail + ux_tail * vy) - (uy * vx_tail + uy_tail * vx)
    return turn + (tail + _difference_tail(left, right, turn))


@kernel
def _edge_parity(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> int:
    """1 if a ray from a point in the direction of +x crosses the edge a-b, 0 if not, -1 if the point is on the edge."""
    if (ay < y and by < y) or (ay > y and by > y) or (ax < x and bx < x):
        return 0
    if ay == y and by == y:
        return -1 if min(ax, bx) <= x <= max(ax, bx) else 0
    turn = side(ax, ay, bx, by, x, y)
    if turn == 0.0:  # on the line, and between the ends in y
        return -1
    return int((ay > y) != (by > y) and (turn > 0.0) == (by > ay))


@kernel
def ring_parity(ring: Float, low: int, high: int, x: float, y: float) -> int:
    """1 if a point lies inside the open ring ``ring[low:high]`` ([*, 2]), 0 outside, -1 on its boundary."""
    crossings = 0
    j = high - 1
    for i in range(low, high):
        parity = _edge_parity(ring[i, 0], ring[i, 1], ring[j, 0], ring[j, 1], x, y)
        if parity < 0:
            return -1
        crossings ^= parity
        j = i
    return crossings


@kernel
def strictly_inside(ring: Float, low: int, high: int, x: float, y: float) -> bool:
    """True if a point lies inside the open ring ``ring[low:high]`` ([*, 2]); points on its boundary do not."""
    return ring_parity(ring, low, high, x, y) == 1


@kernel
def band_edges(ring: Float, ring_ptr: Int, box: Float) -> tuple[Int, Int, Int]:
    """Sort the edges of P rings into horizontal bands, so that a point is tested against the few edges at its height.

    Returns ``band_ptr [P+1]`` (bands of each ring), ``edge_ptr [bands+1]`` and ``edge`` (row of each edge's end point;
    the edge comes from the row before it in its ring). A ring's bands divide its box ``[P, 4]`` evenly.
    """
    rings = len(ring_ptr) - 1
    band_ptr = np.zeros(rings + 1, np.int32)
    for p in range(rings):
        corners = ring_ptr[p + 1] - ring_ptr[p]
        band_ptr[p + 1] = band_ptr[p] + max(1, min(256, corners))
    counts = np.zeros(band_ptr[rings] + 1, np.int32)
    for fill in range(2):
        if fill:
            for band in range(band_ptr[rings]):
                counts[band + 1] += counts[band]
            edge = np.empty(counts[band_ptr[rings]], np.int32)
            place = counts.copy()
        for p in range(rings):
            bands = band_ptr[p + 1] - band_ptr[p]
            j = ring_ptr[p + 1] - 1
            for i in range(ring_ptr[p], ring_ptr[p + 1]):
                low = _band(min(ring[i, 1], ring[j, 1]), box[p, 1], box[p, 3], bands)
                high = _band(max(ring[i, 1], ring[j, 1]), box[p, 1], box[p, 3], bands)
                for band in range(band_ptr[p] + low, band_ptr[p] + high + 1):
                    if fill:
                        edge[place[band]] = i
                        place[band] += 1
                    else:
                        counts[band + 1] += 1
                j = i
    return band_ptr, counts, edge


@kernel
def _band(y: float, low: float, high: float, bands: int) -> int:
    """Band of a height; never decreasing in y, so an edge is in the bands of all its points."""
    if high <= low:
        return 0
    return min(bands - 1, max(0, int((y - low) / (high - low) * bands)))


@kernel
def inside_polygon(polygons: Polygons, p: int, x: float, y: float) -> bool:
    """:func:`strictly_inside` for polygon ``p``, looking only at the edges at the point's height."""
    box = polygons.box[p]
    if x < box[0] or x > box[2] or y < box[1] or y > box[3]:
        return False
    ring, low, high = polygons.ring, polygons.ring_ptr[p], polygons.ring_ptr[p + 1]
    first = polygons.band_ptr[p]
    band = first + _band(y, box[1], box[3], polygons.band_ptr[p + 1] - first)
    crossings = 0
    for at in range(polygons.edge_ptr[band], polygons.edge_ptr[band + 1]):
        i = polygons.edge[at]
        j = i - 1 if i > low else high - 1
        parity = _edge_parity(ring[i, 0], ring[i, 1], ring[j, 0], ring[j, 1], x, y)
        if parity < 0:
            return False
        crossings ^= parity
    return crossings == 1


@kernel
def ring_meets_box(ring: Float, low: int, high: int, corners: Float) -> bool:
    """True if the polygon ``ring[low:high]`` and the convex box ``corners [>=4, 2]`` share a point.

    Without crossing edges one of them contains the other or they are apart.
    """
    if strictly_inside(ring, low, high, corners[0, 0], corners[0, 1]):
        return True
    if _box_holds(corners, ring[low, 0], ring[low, 1]):
        return True
    j = high - 1
    for i in range(low, high):
        n = 3
        for m in range(4):
            if _segments_meet(
                ring[j, 0],
                ring[j, 1],
                ring[i, 0],
                ring[i, 1],
                corners[n, 0],
                corners[n, 1],
                corners[m, 0],
                corners[m, 1],
            ):
                return True
            n = m
        j = i
    return False


@kernel
def _box_holds(corners: Float, x: float, y: float) -> bool:
    lefts = 0
    n = 3
    for m in range(4):
        if side(corners[n, 0], corners[n, 1], corners[m, 0], corners[m, 1], x, y) > 0.0:
            lefts += 1
        n = m
    return lefts in (0, 4)


@kernel
def _segments_meet(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float) -> bool:
    if max(ax, bx) < min(cx, dx) or max(cx, dx) < min(ax, bx) or max(ay, by) < min(cy, dy) or max(cy, dy) < min(ay, by):
        return False
    c, d = side(ax, ay, bx, by, cx, cy), side(ax, ay, bx, by, dx, dy)
    if (c > 0.0 and d > 0.0) or (c < 0.0 and d < 0.0):
        return False
    a, b = side(cx, cy, dx, dy, ax, ay), side(cx, cy, dx, dy, bx, by)
    return not ((a > 0.0 and b > 0.0) or (a < 0.0 and b < 0.0))
