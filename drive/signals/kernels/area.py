"""Distances to borders of areas and to opposite lanes. Lengths in m, angles in rad, float64."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import point_in_ring
from drive.kernels.ground import Ground, inside
from drive.signals.kernels.road import tangent_at

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

CELL = 4.0  # m


class EdgeGrid(NamedTuple):
    """Edges ``[E, 4]`` (x1, y1, x2, y2 [m]) by the cells they touch: cell ``row * columns + column`` of ``CELL`` m from
    ``low [2]`` on owns ``held[ptr[cell]:ptr[cell + 1]]``."""

    edges: Float
    held: Int
    ptr: Int
    low: Float
    columns: int
    rows: int


def compile_edges(edges: Float) -> EdgeGrid:
    """Sort edges ``[E, 4]``, E >= 1, into cells by their bounding boxes."""
    low = np.minimum(edges[:, :2].min(axis=0), edges[:, 2:].min(axis=0)) - CELL
    high = np.maximum(edges[:, :2].max(axis=0), edges[:, 2:].max(axis=0)) + CELL
    columns, rows = (math.ceil(size / CELL) for size in high - low)
    cells: list[list[int]] = [[] for _ in range(columns * rows)]
    first = ((np.minimum(edges[:, :2], edges[:, 2:]) - low) // CELL).astype(int)
    last = ((np.maximum(edges[:, :2], edges[:, 2:]) - low) // CELL).astype(int)
    for e in range(len(edges)):
        for r in range(first[e, 1], last[e, 1] + 1):
            for c in range(first[e, 0], last[e, 0] + 1):
                cells[r * columns + c].append(e)
    pointer = np.concatenate(((0,), np.cumsum([len(cell) for cell in cells]))).astype(np.int32)
    index = np.array([e for cell in cells for e in cell], np.int32)
    return EdgeGrid(np.ascontiguousarray(edges), index, pointer, np.ascontiguousarray(low), columns, rows)


@kernel
def nearest_edge(grid: EdgeGrid, x: float, y: float, limit: float) -> tuple[float, float, float]:
    """Distance to the nearest edge, at most ``limit`` (then: none is nearer), and the point of it that is nearest."""
    best, bx, by = limit, x, y
    column, row = math.floor((x - grid.low[0]) / CELL), math.floor((y - grid.low[1]) / CELL)
    for ring in range(int(limit / CELL) + 2):
        if (ring - 1) * CELL > best:
            break
        for r in range(max(0, row - ring), min(grid.rows, row + ring + 1)):
            for c in range(max(0, column - ring), min(grid.columns, column + ring + 1)):
                if max(abs(r - row), abs(c - column)) != ring:
                    continue
                cell = r * grid.columns + c
                for k in range(grid.ptr[cell], grid.ptr[cell + 1]):
                    e = grid.held[k]
                    ax, ay = grid.edges[e, 0], grid.edges[e, 1]
                    ux, uy = grid.edges[e, 2] - ax, grid.edges[e, 3] - ay
                    square = ux * ux + uy * uy
                    part = 0.0 if square == 0.0 else min(1.0, max(0.0, ((x - ax) * ux + (y - ay) * uy) / square))
                    px, py = ax + part * ux, ay + part * uy
                    distance = math.hypot(x - px, y - py)
                    if distance < best:
                        best, bx, by = distance, px, py
    return best, bx, by


@kernel
def nearest_edges(grid: EdgeGrid, points: Float, limit: float) -> tuple[Float, Float]:
    """:func:`nearest_edge` for ``points [N, 2]``: distances ``[N]`` and nearest points ``[N, 2]``."""
    distance, found = np.empty(len(points)), np.empty((len(points), 2))
    for n in range(len(points)):
        distance[n], found[n, 0], found[n, 1] = nearest_edge(grid, points[n, 0], points[n, 1], limit)
    return distance, found


@kernel
def _ring_distance(ring: Float, low: int, high: int, x: float, y: float) -> tuple[float, float, float]:
    best, bx, by = np.inf, x, y
    j = high - 1
    for i in range(low, high):
        ax, ay = ring[j, 0], ring[j, 1]
        ux, uy = ring[i, 0] - ax, ring[i, 1] - ay
        j = i
        square = ux * ux + uy * uy
        part = 0.0 if square == 0.0 else min(1.0, max(0.0, ((x - ax) * ux + (y - ay) * uy) / square))
        px, py = ax + part * ux, ay + part * uy
        distance = (x - px) * (x - px) + (y - py) * (y - py)
        if distance < best:
            best, bx, by = distance, px, py
    return math.sqrt(best), bx, by


@kernel
def inside_edges(edges: Float, points: Float) -> Bool:
    """Even-odd test of ``points [N, 2]`` against the rings that edges ``[E, 4]`` form, ``[N]``."""
    found = np.zeros(len(points), np.bool_)
    for n in range(len(points)):
        x, y = points[n, 0], points[n, 1]
        for e in range(len(edges)):
            y1, y2 = edges[e, 1], edges[e, 3]
            if (y1 > y) != (y2 > y) and x < (edges[e, 2] - edges[e, 0]) * (y - y1) / (y2 - y1) + edges[e, 0]:
                found[n] = not found[n]
    return found


@kernel
def inside_ground(ground: Ground, points: Float) -> Bool:
    """Whether ``points [N, 2]`` lie in the areas, ``[N]``."""
    found = np.zeros(len(points), np.bool_)
    for n in range(len(points)):
        found[n] = inside(ground, points[n, 0], points[n, 1])
    return found


@kernel
def lanes_distance(points: Float, candidate: Bool, ring: Float, ring_ptr: Int, ring_box: Float, limit: float) -> Float:
    """Distance ``[N]`` of ``points [N, 2]`` to the polygons of the ``candidate [L]`` lanes, 0 inside, at most
    ``limit``."""
    distance = np.full(len(points), limit)
    for n in range(len(points)):
        x, y = points[n, 0], points[n, 1]
        for lane in range(len(ring_ptr) - 1):
            if not candidate[lane]:
                continue
            dx = max(ring_box[lane, 0] - x, x - ring_box[lane, 2], 0.0)
            dy = max(ring_box[lane, 1] - y, y - ring_box[lane, 3], 0.0)
            if dx * dx + dy * dy >= distance[n] * distance[n]:
                continue
            if point_in_ring(ring, ring_ptr[lane], ring_ptr[lane + 1], x, y):
                distance[n] = 0.0
                break
            distance[n] = min(distance[n], _ring_distance(ring, ring_ptr[lane], ring_ptr[lane + 1], x, y)[0])
    return distance


@kernel
def _box_distance(box: Float, x: float, y: float) -> tuple[float, float, float]:
    """Distance of a point to the box with the given corners (0 inside), and the nearest point of the box."""
    ux, uy = box[0, 0] - box[1, 0], box[0, 1] - box[1, 1]
    vx, vy = box[0, 0] - box[3, 0], box[0, 1] - box[3, 1]
    cx, cy = 0.5 * (box[0, 0] + box[2, 0]), 0.5 * (box[0, 1] + box[2, 1])
    length, width = math.hypot(ux, uy), math.hypot(vx, vy)
    ux, uy, vx, vy = ux / length, uy / length, vx / width, vy / width
    along = min(0.5 * length, max(-0.5 * length, (x - cx) * ux + (y - cy) * uy))
    across = min(0.5 * width, max(-0.5 * width, (x - cx) * vx + (y - cy) * vy))
    px, py = cx + along * ux + across * vx, cy + along * uy + across * vy
    return math.hypot(x - px, y - py), px, py


@kernel
def opposite_lanes(
    corners: Float,
    tangent: Float,
    candidate: Bool,
    ring: Float,
    ring_ptr: Int,
    ring_box: Float,
    centerline: Float,
    ptr: Int,
    limit: float,
    turned: float,
) -> tuple[Float, Int, Float, Float]:
    """Box corners ``[B, T, 4, 2]`` against the lanes that run against ``tangent [B, T]`` (by more than ``turned``).

    Returns the signed distance ``[B, T]`` (``limit``: none is nearer; negative: depth of the deepest corner in such a
    lane), the lane (-1), and the points of the box and of the lane's border that are nearest, ``[B, T, 2]``.
    """
    batch, samples = tangent.shape
    value = np.full((batch, samples), limit)
    found = np.full((batch, samples), -1, np.int32)
    mine, other = np.zeros((batch, samples, 2)), np.zeros((batch, samples, 2))
    for b in range(batch):
        for t in range(samples):
            box = corners[b, t]
            x0, x1 = box[:, 0].min(), box[:, 0].max()
            y0, y1 = box[:, 1].min(), box[:, 1].max()
            x, y = 0.5 * (box[0, 0] + box[2, 0]), 0.5 * (box[0, 1] + box[2, 1])
            half = math.hypot(box[0, 0] - x, box[0, 1] - y)
            for lane in range(len(ring_ptr) - 1):
                reach = value[b, t] if value[b, t] > 0.0 else 0.0
                if (
                    not candidate[lane]
                    or ring_box[lane, 0] > x1 + reach
                    or ring_box[lane, 2] < x0 - reach
                    or ring_box[lane, 1] > y1 + reach
                    or ring_box[lane, 3] < y0 - reach
                ):
                    continue
                way = tangent_at(centerline, ptr[lane], ptr[lane + 1], x, y)
                if math.cos(way - tangent[b, t]) > math.cos(turned):
                    continue
                low, high = ring_ptr[lane], ring_ptr[lane + 1]
                for c in range(4):
                    distance, px, py = _ring_distance(ring, low, high, box[c, 0], box[c, 1])
                    if point_in_ring(ring, low, high, box[c, 0], box[c, 1]):
                        distance = -distance
                    if distance < value[b, t]:
                        value[b, t], found[b, t] = distance, lane
                        mine[b, t], other[b, t] = box[c], (px, py)
                reach = half + max(0.0, value[b, t])
                for i in range(low, high):
                    if abs(ring[i, 0] - x) > reach or abs(ring[i, 1] - y) > reach:
                        continue
                    distance, px, py = _box_distance(box, ring[i, 0], ring[i, 1])
                    if distance < value[b, t]:
                        value[b, t], found[b, t] = distance, lane
                        mine[b, t], other[b, t] = (px, py), ring[i]
    return value, found, mine, other
