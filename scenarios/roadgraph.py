"""What many sources leave out of their lane graph: same-direction neighbours and roadblocks, found from geometry."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from shapely import STRtree
from shapely.geometry.base import BaseGeometry

from drive.geometry import wrap_angle

Float = NDArray[np.float64]

# Two lanes are neighbours if they run side by side (their polygons touch, or nearly) along most of the shorter one.
_TOUCHING = 0.5
_LATERAL = (2.0, 6.0)
_PARALLEL = np.deg2rad(20.0)
_SHARE = 0.6


def nearest_on_line(line: Float, points: Float) -> tuple[Float, Float, NDArray[np.int64]]:
    """Project points ``[n, 2]`` onto a polyline ``[P, >=2]``.

    Returns the signed lateral distance [m] (left positive), the fraction along the nearest segment (below 0 or above 1
    beyond its ends) and the index of that segment, each ``[n]``.
    """
    start, step = line[:-1, :2], np.diff(line[:, :2], axis=0)
    length2 = np.maximum((step**2).sum(axis=1), 1e-12)
    offset = points[:, None] - start
    raw = (offset * step).sum(axis=2) / length2
    along = np.clip(raw, 0.0, 1.0)
    distance2 = ((offset - along[..., None] * step) ** 2).sum(axis=2)
    index = distance2.argmin(axis=1)
    rows = np.arange(len(points))
    chosen = step[index]
    cross = chosen[:, 0] * offset[rows, index, 1] - chosen[:, 1] * offset[rows, index, 0]
    return cross / np.sqrt(length2[index]), raw[rows, index], index


def neighbours(
    centerlines: Sequence[Float], polygons: Sequence[BaseGeometry], connector: Sequence[bool]
) -> tuple[list[int], list[int]]:
    """Left and right same-direction neighbour of each lane (index or -1); symmetric: j left of i means i right of j.

    ``centerlines``: ``[P, 3]`` each (x, y [m], heading [rad]). Lanes pair with lanes and connectors with connectors.
    """
    left, right = [-1] * len(centerlines), [-1] * len(centerlines)
    pairs: list[tuple[float, int, int]] = []
    touching = STRtree(list(polygons)).query(list(polygons), predicate="dwithin", distance=_TOUCHING)
    for one, other in touching.T.tolist():
        if one < other and connector[one] == connector[other]:
            lateral = _side_by_side(centerlines[one], centerlines[other])
            if lateral is not None:
                pairs.append((abs(lateral), one, other) if lateral > 0 else (abs(lateral), other, one))
    for _, of, on_left in sorted(pairs):
        if left[of] < 0 and right[on_left] < 0:
            left[of], right[on_left] = on_left, of
    return left, right


def _side_by_side(one: Float, other: Float) -> float | None:
    """Mean lateral offset [m] of ``other`` seen from ``one`` (left positive) if they are parallel neighbours."""
    swap = len(one) > len(other)
    short, long = (other, one) if swap else (one, other)
    points = short[:: max(1, len(short) // 20)]
    lateral, along, index = nearest_on_line(long, points[:, :2])
    inside = ~((index == 0) & (along < 0) | (index == len(long) - 2) & (along > 1))
    parallel = np.abs(wrap_angle(points[:, 2] - long[index, 2])) < _PARALLEL
    good = inside & parallel & (np.abs(lateral) > _LATERAL[0]) & (np.abs(lateral) < _LATERAL[1])
    if good.mean() < _SHARE or abs(np.sign(lateral[good]).mean()) < 1:
        return None
    offset = float(lateral[good].mean())
    return offset if swap else -offset


def roadblocks(
    ids: Sequence[str], left: Sequence[int], connector: Sequence[bool], successors: Sequence[Sequence[str]]
) -> list[str]:
    """Roadblock name of each lane: lanes joined by neighbourhood share one, as do connectors between the same two."""
    root = list(range(len(ids)))

    def find(lane: int) -> int:
        while root[lane] != lane:
            lane = root[lane]
        return lane

    for lane, other in enumerate(left):
        if other >= 0:
            one, two = sorted((find(lane), find(other)))
            root[two] = one
    index = {name: lane for lane, name in enumerate(ids)}
    before: list[list[int]] = [[] for _ in ids]
    after: list[list[int]] = [[index[name] for name in names if name in index] for names in successors]
    for lane, follow in enumerate(after):
        for target in follow:
            before[target].append(lane)
    names = []
    for lane, name in enumerate(ids):
        entry = {ids[find(other)] for other in before[lane] if not connector[other]}
        leave = {ids[find(other)] for other in after[lane] if not connector[other]}
        if connector[lane] and len(entry) == 1 and len(leave) == 1:
            names.append(f"{entry.pop()}>{leave.pop()}")
        else:
            names.append(ids[find(lane)] if not connector[lane] else name)
    return names
