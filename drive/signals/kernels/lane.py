"""Which lane the ego is in, and where in it. Lengths in m, angles in rad, float64."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import point_in_ring, point_segment_distance, wrap
from drive.signals.kernels.road import project_onto, tangent_at

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]


@kernel
def locate(
    poses: Float,
    on_route: Bool,
    ring: Float,
    ring_ptr: Int,
    ring_box: Float,
    centerline: Float,
    arc: Float,
    ptr: Int,
    successors: Int,
    successors_ptr: Int,
    hold: int,
) -> tuple[Int, Int, Float, Bool]:
    """Lanes of box centres ``poses [B, T, 3]``.

    Returns per sample the ego lane (on-route, with hysteresis: another lane must be better for ``hold`` samples unless
    it continues the present one or that has ended), the lane under the centre (-1 for none; on-route and along the
    heading first), the direction nearest to the heading among all lanes under it, and whether one of them is on-route.
    """
    batch, samples = poses.shape[:2]
    chosen = np.full((batch, samples), -1, np.int32)
    under = np.full((batch, samples), -1, np.int32)
    direction = np.zeros((batch, samples))
    on = np.zeros((batch, samples), np.bool_)
    for b in range(batch):
        x0, x1 = poses[b, :, 0].min(), poses[b, :, 0].max()
        y0, y1 = poses[b, :, 1].min(), poses[b, :, 1].max()
        meets = (ring_box[:, 0] <= x1) & (ring_box[:, 2] >= x0) & (ring_box[:, 1] <= y1) & (ring_box[:, 3] >= y0)
        near = np.flatnonzero(meets)
        current, waited = -1, 0
        for t in range(samples):
            x, y, heading = poses[b, t, 0], poses[b, t, 1], poses[b, t, 2]
            best, least_on, least_rank, least = -1, np.inf, np.inf, np.inf
            for lane in near:
                if x < ring_box[lane, 0] or x > ring_box[lane, 2] or y < ring_box[lane, 1] or y > ring_box[lane, 3]:
                    continue
                if not point_in_ring(ring, ring_ptr[lane], ring_ptr[lane + 1], x, y):
                    continue
                tangent = tangent_at(centerline, ptr[lane], ptr[lane + 1], x, y)
                error = abs(wrap(heading - tangent))
                if on_route[lane]:
                    on[b, t] = True
                    if error < least_on:
                        least_on, best = error, lane
                rank = error + (0.0 if on_route[lane] and error < 0.5 * math.pi else math.pi)
                if rank < least_rank:
                    least_rank = rank
                    under[b, t] = lane
                if error < least:
                    least = error
                    direction[b, t] = tangent
            if best < 0:
                best = _nearest(x, y, heading, on_route, centerline, ptr)
            if best == current:
                waited = 0
            elif best >= 0:
                waited += 1
                if (
                    current < 0
                    or waited >= hold
                    or _linked(current, best, successors, successors_ptr)
                    or _over(centerline, arc, ptr[current], ptr[current + 1], x, y)
                ):
                    current, waited = best, 0
            chosen[b, t] = current
    return chosen, under, direction, on


@kernel
def _nearest(x: float, y: float, heading: float, on_route: Bool, centerline: Float, ptr: Int) -> int:
    best, found = np.inf, -1
    for lane in range(len(ptr) - 1):
        if not on_route[lane]:
            continue
        distance = np.inf
        for i in range(ptr[lane], ptr[lane + 1] - 1):
            distance = min(
                distance,
                point_segment_distance(
                    x, y, centerline[i, 0], centerline[i, 1], centerline[i + 1, 0], centerline[i + 1, 1]
                ),
            )
        if distance < best:
            tangent = tangent_at(centerline, ptr[lane], ptr[lane + 1], x, y)
            if abs(wrap(heading - tangent)) < 0.5 * math.pi:
                best, found = distance, lane
    return found


@kernel
def _linked(one: int, other: int, successors: Int, ptr: Int) -> bool:
    forwards = (successors[ptr[one] : ptr[one + 1]] == other).any()
    return forwards or (successors[ptr[other] : ptr[other + 1]] == one).any()


@kernel
def _over(centerline: Float, arc: Float, low: int, high: int, x: float, y: float) -> bool:
    s, _, _ = project_onto(centerline, arc, low, high, x, y)
    return s < 0.0 or s > arc[high - 1]


@kernel
def place_in(centerline: Float, arc: Float, ptr: Int, lane: Int, xy: Float) -> tuple[Float, Float, Int]:
    """Points ``xy [B, T, 2]`` in the frames of lanes ``[B, T]``: s, d and row ``[B, T]``; 0 where the lane is -1."""
    batch, samples = lane.shape
    s, d = np.zeros((batch, samples)), np.zeros((batch, samples))
    row = np.zeros((batch, samples), np.int32)
    for b in range(batch):
        for t in range(samples):
            if lane[b, t] >= 0:
                low, high = ptr[lane[b, t]], ptr[lane[b, t] + 1]
                s[b, t], d[b, t], row[b, t] = project_onto(centerline, arc, low, high, xy[b, t, 0], xy[b, t, 1])
    return s, d, row


@kernel
def place_corners(
    centerline: Float,
    arc: Float,
    ptr: Int,
    half_left: Float,
    half_right: Float,
    before: Int,
    after: Int,
    lane: Int,
    corners: Float,
) -> tuple[Int, Int, Float, Float]:
    """Corners ``[B, T, 4, 2]`` of a box in a lane ``[B, T]``, each in that lane or, where it reaches over an end, in
    the one ``before`` or ``after`` it (``[L]``, -1 for none).

    Returns the corner's lane and row ``[B, T, 4]``, and how far it is inside of the left and of the right border
    ``[B, T, 4]`` (negative: outside).
    """
    batch, samples = lane.shape
    owner = np.full((batch, samples, 4), -1, np.int32)
    row = np.zeros((batch, samples, 4), np.int32)
    left, right = np.zeros((batch, samples, 4)), np.zeros((batch, samples, 4))
    for b in range(batch):
        for t in range(samples):
            if lane[b, t] < 0:
                continue
            for c in range(4):
                x, y = corners[b, t, c, 0], corners[b, t, c, 1]
                at = lane[b, t]
                s, d, i = project_onto(centerline, arc, ptr[at], ptr[at + 1], x, y)
                for _ in range(3):  # lanes may be shorter than the car
                    if s > arc[ptr[at + 1] - 1] and after[at] >= 0:
                        other = after[at]
                        s, d, i = project_onto(centerline, arc, ptr[other], ptr[other + 1], x, y)
                        at = other
                        if s < 0.0:
                            break
                    elif s < 0.0 and before[at] >= 0:
                        other = before[at]
                        s, d, i = project_onto(centerline, arc, ptr[other], ptr[other + 1], x, y)
                        at = other
                        if s > arc[ptr[at + 1] - 1]:
                            break
                    else:
                        break
                length = arc[i + 1] - arc[i]
                part = 0.0 if length == 0.0 else min(1.0, max(0.0, (s - arc[i]) / length))
                owner[b, t, c], row[b, t, c] = at, i
                left[b, t, c] = half_left[i] + part * (half_left[i + 1] - half_left[i]) - d
                right[b, t, c] = half_right[i] + part * (half_right[i + 1] - half_right[i]) + d
    return owner, row, left, right
