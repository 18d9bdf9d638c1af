"""Where a route meets lines and areas, and which of them is the next one ahead of the ego.

A *zone* is an interval of arc length [m] on the route: from the line a driver must not cross to the end of what that
line protects. All arrays are float64 NumPy arrays; arcs are measured along the route polyline from its first point.
"""

import numpy as np
from numpy.typing import NDArray

from drive.signals.kernels.zones import toggle_inside

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

TOUCHING = 1e-6  # m: intervals nearer than this are one


def crossings(points: Float, arc: Float, segment: Float) -> Float:
    """Arcs ``[K]`` [m], increasing, at which the polyline ``points [P, 2]`` with ``arc [P]`` crosses ``segment [2,
    2]``."""
    return _distinct(np.sort(_cuts(points, arc, segment[None])))


def _cuts(points: Float, arc: Float, segments: Float) -> Float:
    """Arcs at which a polyline crosses any of ``segments [E, 2, 2]``, in no order."""
    low, high = points.min(axis=0), points.max(axis=0)
    near = (segments.max(axis=1) >= low).all(axis=1) & (segments.min(axis=1) <= high).all(axis=1)
    first, across = segments[near, :1], np.diff(segments[near], axis=1)
    step = np.diff(points, axis=0)
    away = first - points[:-1]
    turn = step[:, 0] * across[..., 1] - step[:, 1] * across[..., 0]
    usable = np.abs(turn) > 1e-12
    turn = np.where(usable, turn, 1.0)
    along = (away[..., 0] * across[..., 1] - away[..., 1] * across[..., 0]) / turn
    beside = (away[..., 0] * step[:, 1] - away[..., 1] * step[:, 0]) / turn
    edge, row = np.nonzero(usable & (along >= 0.0) & (along <= 1.0) & (beside >= 0.0) & (beside <= 1.0))
    found: Float = arc[row] + along[edge, row] * np.diff(arc)[row]
    return found


def inside_intervals(points: Float, arc: Float, rings: list[Float]) -> Float:
    """Intervals ``[K, 2]`` [m] of a polyline inside an area (rings as of :meth:`drive.map.VectorMap.areas`)."""
    low, high = points.min(axis=0), points.max(axis=0)
    outer = np.concatenate(rings)
    if (outer.max(axis=0) < low).any() or (outer.min(axis=0) > high).any():
        return np.zeros((0, 2))
    edges = [np.stack((ring, np.roll(ring, -1, axis=0)), axis=1) for ring in rings]
    cuts = _cuts(points, arc, np.concatenate(edges))
    marks = _distinct(np.sort(np.concatenate((arc[:1], cuts, arc[-1:]))))
    middle = (marks[:-1] + marks[1:]) / 2
    x, y = np.interp(middle, arc, points[:, 0]), np.interp(middle, arc, points[:, 1])
    inside = in_area(np.column_stack((x, y)), rings)
    return merge(np.column_stack((marks[:-1], marks[1:]))[inside])


def merge(intervals: Float) -> Float:
    """Union of intervals ``[K, 2]`` as disjoint intervals in order."""
    merged: list[list[float]] = []
    for begin, end in sorted(intervals.tolist()):
        if merged and begin <= merged[-1][1] + TOUCHING:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return np.array(merged, np.float64).reshape(-1, 2)


def in_area(points: Float, rings: list[Float]) -> Bool:
    """Even-odd test ``[...]`` of points ``[..., 2]`` [m] against the rings of one area."""
    flat = np.ascontiguousarray(points.reshape(-1, 2), np.float64)
    inside = np.zeros(len(flat), np.bool_)
    for ring in rings:
        toggle_inside(flat, np.ascontiguousarray(ring, np.float64), inside)
    return inside.reshape(points.shape[:-1])


def nearest_on_ring(points: Float, ring: Float) -> Float:
    """Nearest point ``[..., 2]`` on the border of a ring ``[Q, 2]`` to each of ``points [..., 2]`` [m]."""
    begin, step = ring, np.roll(ring, -1, axis=0) - ring
    square = np.maximum((step**2).sum(axis=1), 1e-18)
    away = points[..., None, :] - begin
    part = np.clip((away * step).sum(axis=-1) / square, 0.0, 1.0)
    candidates = begin + part[..., None] * step
    best = ((points[..., None, :] - candidates) ** 2).sum(axis=-1).argmin(axis=-1)
    nearest: Float = np.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :]
    return nearest


def next_zone(rear: Float, end: Float) -> Int:
    """Index ``[...]`` of the first zone whose ``end [Z]`` [m] the rear bumper at ``rear [...]`` [m] has not passed.

    Zones are in driving order. -1 where all are behind.
    """
    if not len(end):
        return np.full(rear.shape, -1, np.int64)
    open_ = rear[..., None] < end
    return np.where(open_.any(axis=-1), open_.argmax(axis=-1), -1)


def run_start(state: Bool) -> Int:
    """First sample ``[..., T]`` of the unbroken run of True that each sample belongs to; T where the sample is
    False."""
    samples = np.arange(state.shape[-1])
    previous = np.concatenate((np.zeros((*state.shape[:-1], 1), np.bool_), state[..., :-1]), axis=-1)
    begin = np.maximum.accumulate(np.where(state & ~previous, samples, -1), axis=-1)
    return np.where(state, begin, state.shape[-1]).astype(np.int64)


def first_passing(front: Float, line: float) -> Bool:
    """True ``[..., T]`` at the sample at which ``front [..., T]`` [m] is beyond ``line`` for the first time, never at
    the first sample."""
    past = np.maximum.accumulate(front, axis=-1) > line
    passing = np.zeros_like(past)
    passing[..., 1:] = past[..., 1:] & ~past[..., :-1]
    return passing


def _distinct(values: Float) -> Float:
    if not len(values):
        return values
    return values[np.concatenate(((True,), np.diff(values) > TOUCHING))]
