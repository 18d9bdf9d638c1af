"""Point and box against polygons with exact decisions: a point on an edge is on it, whatever the rounding."""

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel

Float = NDArray[np.float64]

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
def strictly_inside(ring: Float, low: int, high: int, x: float, y: float) -> bool:
    """True if a point lies inside the open ring ``ring[low:high]`` ([*, 2]); points on its boundary do not."""
    inside = False
    j = high - 1
    for i in range(low, high):
        xi, yi, xj, yj = ring[i, 0], ring[i, 1], ring[j, 0], ring[j, 1]
        j = i
        if (yi < y and yj < y) or (yi > y and yj > y) or (xi < x and xj < x):
            continue
        if yi == y and yj == y:
            if min(xi, xj) <= x <= max(xi, xj):
                return False
            continue
        turn = side(xi, yi, xj, yj, x, y)
        if turn == 0.0:  # on the line, and between the ends in y
            return False
        if (yi > y) != (yj > y) and (turn > 0.0) == (yj > yi):
            inside = not inside
    return inside


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
