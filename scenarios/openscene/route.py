"""The lanes a log's drive is to follow: along the driven path, then on through the roadblocks that the log names."""

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drive.geometry import arc_length
from drive.map import VectorMap
from scenarios.routes import match_route

# Metres of driving that one lane change is worth.
_LANE_CHANGE = 20.0


def find_route(
    vector_map: VectorMap, poses: NDArray[np.float64], start: int, roadblocks: Sequence[str]
) -> tuple[list[int], list[str]]:
    """Lane indices from row ``start`` of a drive ``poses [n, 3]`` (scene frame), and sentences on what does not fit.

    Where the map has none of the ``roadblocks`` (logs made from nuScenes name groups of their own), the route is that
    of the drive and then straight on.
    """
    order = {name: number for number, name in enumerate(roadblocks)}
    place = np.array([order.get(name, -1) for name in vector_map.group_ids])[vector_map.group]
    if not (place >= 0).any():
        return match_route(vector_map, poses, start)
    route, notes = match_route(vector_map, poses, start, beyond=0.0)
    if route and place[route[-1]] < 0:
        notes.append("the drive leaves the roadblocks of its route, which goes straight on from there")
        return match_route(vector_map, poses, start)[0], notes
    return route + _onward(vector_map, route, place), notes


def _onward(vector_map: VectorMap, route: Sequence[int], place: NDArray[np.int64]) -> list[int]:
    """Lanes after ``route``: the cheapest way, within the roadblocks, to the last of them that can be reached."""
    if not route:
        return []
    first = route[-1]
    best: dict[int, tuple[float, int]] = {first: (0.0, -1)}
    queue = [(0.0, first)]
    while queue:
        cost, lane = heapq.heappop(queue)
        if cost > best[lane][0]:
            continue
        ahead = vector_map.lane_successors(lane).tolist()
        beside = [other for other in (int(vector_map.left[lane]), int(vector_map.right[lane])) if other >= 0]
        prices = [float(arc_length(vector_map.lane_centerline(other))[-1]) for other in ahead]
        prices += [_LANE_CHANGE] * len(beside)
        for other, price in zip([*ahead, *beside], prices, strict=True):
            if place[other] >= place[lane] and (other not in best or cost + price < best[other][0]):
                best[other] = (cost + price, lane)
                heapq.heappush(queue, (cost + price, other))
    goal = min(best, key=lambda lane: (-place[lane], best[lane][0]))
    way = []
    while goal != first:
        way.append(goal)
        goal = best[goal][1]
    return way[::-1]
