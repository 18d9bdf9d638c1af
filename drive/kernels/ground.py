"""Exact point tests against the union of map areas, made fast by a raster that only ever skips work.

Cells that no boundary crosses are wholly inside or outside; points in other cells get the exact even-odd test against
the edges of their horizontal strip. No union of polygons is formed: a point is inside when one area contains it.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import point_segment_distance
from drive.map import Layer, VectorMap

Float = NDArray[np.float64]
Int = NDArray[np.int32]

CELL = 1.0
OUTSIDE, INSIDE, MIXED = 0, 1, 2


class Ground(NamedTuple):
    """Edges ``[E, 4]`` (x1, y1, x2, y2 [m]) with ``edge_area [E]``; per strip of ``CELL`` metres in y the indices of
    the edges that touch it, sorted by area (``strip_edges`` with offsets ``strip_ptr``); ``cells [rows, columns]``
    int8; ``low [2]``: the corner of the raster."""

    edges: Float
    edge_area: Int
    strip_edges: Int
    strip_ptr: Int
    cells: NDArray[np.int8]
    low: Float


def compile_ground(vector_map: VectorMap, layers: tuple[Layer, ...] = (Layer.DRIVABLE, Layer.CARPARK)) -> Ground:
    """Prepare the areas of ``layers`` for :func:`inside` and :func:`outside_distance`."""
    edges, owner = [], []
    for number, rings in enumerate(vector_map.areas(*layers)):
        for ring in rings:
            edges.append(np.concatenate((ring, np.roll(ring, -1, axis=0)), axis=1))
            owner.append(np.full(len(ring), number, np.int32))
    if not edges:
        return Ground(
            np.zeros((0, 4)),
            np.zeros(0, np.int32),
            np.zeros(0, np.int32),
            np.zeros(2, np.int32),
            np.zeros((1, 1), np.int8),
            np.zeros(2),
        )
    flat = np.ascontiguousarray(np.concatenate(edges))
    area = np.concatenate(owner)
    low = np.minimum(flat[:, :2].min(axis=0), flat[:, 2:].min(axis=0)) - CELL
    high = np.maximum(flat[:, :2].max(axis=0), flat[:, 2:].max(axis=0)) + CELL
    columns, rows = (math.ceil(size / CELL) for size in high - low)
    first = np.floor((np.minimum(flat[:, 1], flat[:, 3]) - low[1]) / CELL).astype(np.int64)
    last = np.floor((np.maximum(flat[:, 1], flat[:, 3]) - low[1]) / CELL).astype(np.int64)
    spans = last - first + 1
    edge = np.repeat(np.arange(len(flat)), spans)
    strip = np.repeat(first, spans) + np.arange(spans.sum()) - np.repeat(np.cumsum(spans) - spans, spans)
    order = np.lexsort((area[edge], strip))
    pointer = np.searchsorted(strip[order], np.arange(rows + 1)).astype(np.int32)
    strip_edges = edge[order].astype(np.int32)
    cells = np.zeros((rows, columns), np.int8)
    ground = Ground(flat, area, strip_edges, pointer, cells, np.ascontiguousarray(low))
    _fill_cells(ground)
    return ground


@kernel
def _fill_cells(ground: Ground) -> None:
    edges, cells, low = ground.edges, ground.cells, ground.low
    rows, columns = cells.shape
    slack = 1e-6  # a boundary this close to a cell counts as crossing it: rounding must not skip an exact test
    for e in range(len(edges)):
        x1, y1, x2, y2 = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
        if y1 > y2:
            x1, y1, x2, y2 = x2, y2, x1, y1
        first = max(0, int((y1 - low[1] - slack) / CELL))
        last = min(rows - 1, int((y2 - low[1] + slack) / CELL))
        for r in range(first, last + 1):
            # the part of the edge inside this strip covers the columns between its two ends
            bottom, top = low[1] + r * CELL - slack, low[1] + (r + 1) * CELL + slack
            if y2 == y1:
                xa, xb = x1, x2
            else:
                slope = (x2 - x1) / (y2 - y1)
                xa = x1 + (max(bottom, y1) - y1) * slope
                xb = x1 + (min(top, y2) - y1) * slope
            start = max(0, int((min(xa, xb) - low[0] - slack) / CELL))
            stop = min(columns - 1, int((max(xa, xb) - low[0] + slack) / CELL))
            for c in range(start, stop + 1):
                cells[r, c] = MIXED
    for r in range(rows):
        known = False
        for c in range(columns):
            if cells[r, c] == MIXED:
                known = False
            elif known:
                cells[r, c] = cells[r, c - 1]
            else:
                hit = _exactly_inside(ground, low[0] + (c + 0.5) * CELL, low[1] + (r + 0.5) * CELL)
                cells[r, c] = INSIDE if hit else OUTSIDE
                known = True


@kernel
def _exactly_inside(ground: Ground, x: float, y: float) -> bool:
    edges, area = ground.edges, ground.edge_area
    strip = math.floor((y - ground.low[1]) / CELL)
    odd = False
    current = -1
    for k in range(ground.strip_ptr[strip], ground.strip_ptr[strip + 1]):
        e = ground.strip_edges[k]
        if area[e] != current:
            if odd:
                return True
            current = area[e]
        y1, y2 = edges[e, 1], edges[e, 3]
        if (y1 > y) != (y2 > y) and x < (edges[e, 2] - edges[e, 0]) * (y - y1) / (y2 - y1) + edges[e, 0]:
            odd = not odd
    return odd


@kernel
def inside(ground: Ground, x: float, y: float) -> bool:
    """True if the point lies in one of the areas. Exact but for points on a boundary, which may go either way."""
    column = math.floor((x - ground.low[0]) / CELL)
    row = math.floor((y - ground.low[1]) / CELL)
    if row < 0 or column < 0 or row >= ground.cells.shape[0] or column >= ground.cells.shape[1]:
        return False
    cell = ground.cells[row, column]
    if cell != MIXED:
        return cell == INSIDE
    return _exactly_inside(ground, x, y)


@kernel
def outside_distance(ground: Ground, x: float, y: float) -> float:
    """Exact distance [m] of a point to the areas: 0 inside, infinity where there is no area at all."""
    if inside(ground, x, y):
        return 0.0
    edges = ground.edges
    best = np.inf
    strips = len(ground.strip_ptr) - 1
    home = min(strips - 1, max(0, math.floor((y - ground.low[1]) / CELL)))
    for ring in range(strips):  # strips outwards from the point's own, until they are farther than the best edge
        for side in range(2):
            if ring == 0 and side == 1:
                continue
            strip = home - ring if side == 0 else home + ring
            if strip < 0 or strip >= strips:
                continue
            for k in range(ground.strip_ptr[strip], ground.strip_ptr[strip + 1]):
                e = ground.strip_edges[k]
                x1, x2 = edges[e, 0], edges[e, 2]
                if min(x1, x2) - x > best or x - max(x1, x2) > best:
                    continue
                distance = point_segment_distance(x, y, x1, edges[e, 1], x2, edges[e, 3])
                best = min(best, distance)
        if (ring - 1) * CELL > best:
            break
    return best
