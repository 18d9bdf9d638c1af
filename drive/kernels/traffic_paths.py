"""Conflicts between paths, found once when a scene is compiled."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.traffic_world import CHUNK, PATH_HEADING, PATH_X, PATH_Y, SPACING, WALKER

Float = NDArray[np.float64]
Int = NDArray[np.int64]

MERGE_LENGTH = 8.0  # m: two that have merged follow each other from here on
_OPEN = 8  # stretches of one pair that can be open at the same time
_PARALLEL = 0.6  # rad
_STRIDE = 2  # path points per comparison: conflicts are found to within a metre and widened by half of that


@kernel
def chunk_boxes(path: Float, ptr: Int) -> tuple[Float, Int]:
    """Bounding boxes ``[C, 4]`` (least x, y, greatest x, y) of CHUNK points each, with offsets ``[A+1]`` per path."""
    agents = len(ptr) - 1
    chunk_ptr = np.zeros(agents + 1, np.int64)
    for a in range(agents):
        chunk_ptr[a + 1] = chunk_ptr[a] + (ptr[a + 1] - ptr[a] + CHUNK - 1) // CHUNK
    boxes = np.empty((chunk_ptr[agents], 4))
    for a in range(agents):
        for c in range(chunk_ptr[a], chunk_ptr[a + 1]):
            low = ptr[a] + (c - chunk_ptr[a]) * CHUNK
            high = min(low + CHUNK, ptr[a + 1])
            boxes[c, 0] = boxes[c, 2] = path[low, PATH_X]
            boxes[c, 1] = boxes[c, 3] = path[low, PATH_Y]
            for row in range(low + 1, high):
                boxes[c, 0] = min(boxes[c, 0], path[row, PATH_X])
                boxes[c, 1] = min(boxes[c, 1], path[row, PATH_Y])
                boxes[c, 2] = max(boxes[c, 2], path[row, PATH_X])
                boxes[c, 3] = max(boxes[c, 3], path[row, PATH_Y])
    return boxes, chunk_ptr


@kernel
def _keep(path: Float, ptr: Int, a: int, b: int, stretch: Float, n: int, out: Float, pairs: Int, count: int) -> int:
    """Turn a complete stretch into a conflict, or drop it; returns the number of conflicts."""
    begin, end, other_begin, other_end = stretch[n, 0], stretch[n, 1], stretch[n, 2], stretch[n, 3]
    at_begin = path[ptr[b] + int(stretch[n, 4]), PATH_HEADING] - path[ptr[a] + int(begin), PATH_HEADING]
    at_end = path[ptr[b] + int(stretch[n, 5]), PATH_HEADING] - path[ptr[a] + int(end), PATH_HEADING]
    from_inside = begin <= 1.0 or other_begin <= 1.0
    if from_inside and math.cos(at_begin) > math.cos(_PARALLEL):
        return count  # one behind the other from the beginning: car following, not a conflict
    if math.cos(at_end) > math.cos(_PARALLEL):  # merged: from here on they follow each other
        end = min(end, begin + MERGE_LENGTH / SPACING)
        other_end = min(other_end, other_begin + MERGE_LENGTH / SPACING)
    if count < len(out):
        out[count, 0], out[count, 1] = (begin - 1) * SPACING, (end + 1) * SPACING
        out[count, 2], out[count, 3] = (other_begin - 1) * SPACING, (other_end + 1) * SPACING
        pairs[count, 0], pairs[count, 1] = a, b
    return count + 1


@kernel
def find_conflicts(
    path: Float, ptr: Int, mode: Int, half_width: Float, sweep: Float, order: Int, out: Float, pairs: Int
) -> int:
    """Conflicts between all pairs of paths: ``out [capacity, 4]`` begin and end on the first agent's path and on the
    second's [m], ``pairs [capacity, 2]``. Returns how many there are; if that exceeds the capacity, call again.

    A place is in conflict where the two paths come closer than the sum of ``half_width [A]`` (margins included) and of
    ``sweep [N]``, how far beyond it the body reaches at each path point.
    Pedestrians have none among themselves; paths that run together from the beginning of one have none either.
    ``order [A]`` decides who is the first of a pair.
    """
    boxes, chunk_ptr = chunk_boxes(path, ptr)
    agents = len(ptr) - 1
    stretch = np.empty((_OPEN, 8))  # begin, end; the other's; the other's place at begin, at end; last run from, to
    near = np.empty(1024, np.int64)
    widest = np.zeros(agents)
    for a in range(agents):
        for row in range(ptr[a], ptr[a + 1]):
            widest[a] = max(widest[a], sweep[row])
    zero = 0 * ptr[0]  # not a literal: that would have the callees compiled twice
    count = zero
    for n in range(len(order)):
        for m in range(n + 1, len(order)):
            a, b = order[n], order[m]
            if ptr[a + 1] == ptr[a] or ptr[b + 1] == ptr[b] or (mode[a] == WALKER and mode[b] == WALKER):
                continue
            reach = half_width[a] + half_width[b] + widest[a] + widest[b]
            opened = zero
            for ca in range(chunk_ptr[a], chunk_ptr[a + 1]):
                found = 0
                for cb in range(chunk_ptr[b], chunk_ptr[b + 1]):
                    if (
                        boxes[ca, 0] - reach <= boxes[cb, 2]
                        and boxes[cb, 0] - reach <= boxes[ca, 2]
                        and boxes[ca, 1] - reach <= boxes[cb, 3]
                        and boxes[cb, 1] - reach <= boxes[ca, 3]
                        and found < len(near)
                    ):
                        near[found] = cb
                        found += 1
                if found == 0:
                    continue
                begin = ptr[a] + (ca - chunk_ptr[a]) * CHUNK
                for row in range(begin, min(begin + CHUNK, ptr[a + 1]), _STRIDE):
                    x, y = path[row, PATH_X], path[row, PATH_Y]
                    width = half_width[a] + half_width[b] + sweep[row]
                    low = high = zero - 1  # the run of the other path's points that are near this one
                    for c in range(found):
                        cb = near[c]
                        if (
                            x < boxes[cb, 0] - reach
                            or y < boxes[cb, 1] - reach
                            or x > boxes[cb, 2] + reach
                            or y > boxes[cb, 3] + reach
                        ):
                            continue
                        first = ptr[b] + (cb - chunk_ptr[b]) * CHUNK
                        for other in range(first, min(first + CHUNK, ptr[b + 1]), _STRIDE):
                            dx, dy = path[other, PATH_X] - x, path[other, PATH_Y] - y
                            if dx * dx + dy * dy > reach * reach:
                                continue
                            both = width + sweep[other]
                            if dx * dx + dy * dy > both * both:
                                continue
                            place = other - ptr[b]
                            if low >= 0 and place > high + _STRIDE:  # a run has ended
                                opened = _add_run(stretch, opened, row - ptr[a], low, high)
                                low = zero - 1
                            low, high = place if low < 0 else low, place
                    if low >= 0:
                        opened = _add_run(stretch, opened, row - ptr[a], low, high)
                    kept = 0
                    for s in range(opened):  # what this row did not extend is complete
                        if stretch[s, 1] < row - ptr[a]:
                            count = _keep(path, ptr, a, b, stretch, s, out, pairs, count)
                        else:
                            for column in range(8):
                                stretch[kept, column] = stretch[s, column]
                            kept += 1
                    opened = kept
            for s in range(opened):
                count = _keep(path, ptr, a, b, stretch, s, out, pairs, count)
    return count


@kernel
def _add_run(stretch: Float, opened: int, at: int, low: int, high: int) -> int:
    """Join a run of near points to the open stretch it continues, or open a new one; returns the number open."""
    for n in range(opened):
        if low <= stretch[n, 7] + 4 and high >= stretch[n, 6] - 4:
            stretch[n, 1], stretch[n, 5] = at, 0.5 * (low + high)
            stretch[n, 2], stretch[n, 3] = min(stretch[n, 2], low), max(stretch[n, 3], high)
            stretch[n, 6], stretch[n, 7] = low, high
            return opened
    if opened == _OPEN:
        return opened
    middle = 0.5 * (low + high)
    stretch[opened, 0] = stretch[opened, 1] = at
    stretch[opened, 2], stretch[opened, 3] = low, high
    stretch[opened, 4] = stretch[opened, 5] = middle
    stretch[opened, 6], stretch[opened, 7] = low, high
    return opened + 1
