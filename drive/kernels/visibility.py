"""Compiled lines of sight in the plane: which boxes can be seen from a point past bodies and walls."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

NEEDED = 2  # of RAYS: the least number that is a share of 20 %
RAYS = 9
# where the rays of a box end, in half lengths and half widths: centre, corners, middles of the sides
_ALONG = np.array((0.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, 0.0, 0.0))
_ACROSS = np.array((0.0, 1.0, -1.0, 1.0, -1.0, 0.0, 0.0, 1.0, -1.0))


@kernel
def line_of_sight(
    eye: Float,
    position: Float,
    heading: Float,
    size: Float,
    valid: Bool,
    blocks: Bool,
    walls: Float,
    visible: Bool,
) -> None:
    """Write ``visible [A, K]``: what an observer at ``eye [K, 2]`` m sees of A boxes at each of K samples.

    ``position [A, K, 2]`` m and ``heading [A, K]`` rad of the box centres, ``size [A, 2]`` m, ``valid [A, K]``;
    ``blocks [A]`` marks bodies that hide what is behind them; ``walls [W, 4]`` m are segments that hide everything
    (x, y of both ends). A box is seen if at least two of nine rays, to its centre, its corners and the middles of its
    sides, pass all walls and all other bodies that block. A body that holds the eye blocks nothing.
    """
    ends, passes = np.empty((RAYS, 2)), np.empty(RAYS, np.bool_)
    for k in range(len(eye)):
        for i in range(len(size)):
            visible[i, k] = valid[i, k] and is_seen(
                eye[k, 0], eye[k, 1], position, heading, size, valid, blocks, walls, ends, passes, i, k
            )


@kernel
def is_seen(
    x: float,
    y: float,
    position: Float,
    heading: Float,
    size: Float,
    valid: Bool,
    blocks: Bool,
    walls: Float,
    ends: Float,
    passes: Bool,
    i: int,
    k: int,
) -> bool:
    """True if enough rays from (x, y) to box ``i`` pass at ``k``; ``ends [9, 2]`` and ``passes [9]`` are scratch."""
    cx, cy = position[i, k, 0] - x, position[i, k, 1] - y
    radius, distance = 0.5 * math.hypot(size[i, 0], size[i, 1]), math.hypot(cx, cy)
    if distance <= radius:
        return True
    cos, sin = math.cos(heading[i, k]), math.sin(heading[i, k])
    for ray in range(RAYS):
        passes[ray] = True
        along, across = 0.5 * size[i, 0] * _ALONG[ray], 0.5 * size[i, 1] * _ACROSS[ray]
        ends[ray, 0], ends[ray, 1] = cx + along * cos - across * sin, cy + along * sin + across * cos
    for j in range(len(size)):
        if j == i or not blocks[j] or not valid[j, k]:
            continue
        bx, by = position[j, k, 0] - x, position[j, k, 1] - y
        reach = 0.5 * math.hypot(size[j, 0], size[j, 1])
        # only what lies between: not behind the eye, not beyond the box, not beside the cone of its rays
        ahead = (bx * cx + by * cy) / distance
        beside = abs(bx * cy - by * cx) / distance
        if ahead < -reach or ahead > distance + radius + reach or beside > radius + reach:
            continue
        cos, sin = math.cos(heading[j, k]), math.sin(heading[j, k])
        ox, oy = -(bx * cos + by * sin), bx * sin - by * cos  # the eye in the body's frame
        half_length, half_width = 0.5 * size[j, 0], 0.5 * size[j, 1]
        if abs(ox) < half_length and abs(oy) < half_width:
            continue
        for ray in range(RAYS):
            if passes[ray]:
                ux, uy = ends[ray, 0] * cos + ends[ray, 1] * sin, ends[ray, 1] * cos - ends[ray, 0] * sin
                passes[ray] = not crosses_box(ox, oy, ux, uy, half_length, half_width)
    for row in range(len(walls)):
        ax, ay, bx, by = walls[row, 0] - x, walls[row, 1] - y, walls[row, 2] - x, walls[row, 3] - y
        first, second = ax * cx + ay * cy, bx * cx + by * cy
        if max(first, second) < 0.0 or min(first, second) > distance * (distance + radius):
            continue
        for ray in range(RAYS):
            if passes[ray]:
                passes[ray] = not crosses_segment(ends[ray, 0], ends[ray, 1], ax, ay, bx, by)
    return int(passes.sum()) >= NEEDED


@kernel
def crosses_box(ox: float, oy: float, ux: float, uy: float, half_length: float, half_width: float) -> bool:
    """True if the segment from (ox, oy) along (ux, uy) runs through the inside of a box around the origin (slabs)."""
    low, high = 0.0, 1.0
    if abs(ux) < 1e-12:
        if abs(ox) >= half_length:
            return False
    else:
        first, second = (-half_length - ox) / ux, (half_length - ox) / ux
        low, high = max(low, min(first, second)), min(high, max(first, second))
    if abs(uy) < 1e-12:
        if abs(oy) >= half_width:
            return False
    else:
        first, second = (-half_width - oy) / uy, (half_width - oy) / uy
        low, high = max(low, min(first, second)), min(high, max(first, second))
    return high - low > 1e-9


@kernel
def crosses_segment(ux: float, uy: float, ax: float, ay: float, bx: float, by: float) -> bool:
    """True if the segment from the origin to (ux, uy) meets the segment a-b."""
    a, b = ux * ay - uy * ax, ux * by - uy * bx
    if a * b > 0.0 or a == b:
        return False
    t = a / (a - b)
    px, py = ax + t * (bx - ax), ay + t * (by - ay)
    along = px * ux + py * uy
    return 0.0 <= along <= ux * ux + uy * uy
