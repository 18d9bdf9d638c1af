"""The route as NAVSIM's planner sees it: roadblocks mended around the ego, a start lane, and the lanes to follow.

Source: NAVSIM v2, PDM-Closed (`route_utils`, `AbstractPDMPlanner`). Roadblocks are the lane groups of a
:class:`drive.map.VectorMap`; where a source names a roadblock's own outline, it is the union of its lanes here.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.errors import MapError
from drive.geometry import arc_length, box_corners, wrap_angle
from drive.kernels.navsim_pdm import common_area, ring_box_distance
from drive.kernels.rings import strictly_inside
from drive.map import VectorMap
from drive.vehicle import PACIFICA, VehicleParameters, center_from_rear_axle

Float = NDArray[np.float64]
Int = NDArray[np.int32]

HERE = 1.0  # m, half the side of the box in which roadblocks are the ego's
HEADING_ERROR, DISPLACEMENT = np.pi / 4, 3.0
BACKWARD_DEPTH, FORWARD_DEPTH = 15, 30
AHEAD = 3  # roadblocks of the route that a search forward may end at
WINDOW = 30  # roadblocks the centreline may go through
LOOP_AREA, CELL = 1.0, 0.2  # m2 that connectors of a loop have in common; m


class NavsimRoute(NamedTuple):
    """``groups [G]`` int32 mended roadblocks (lane groups) in order; ``route_lanes [R]`` int32 all their lanes;
    ``lanes [C]`` int32 the lanes followed, the start lane first; ``centerline [N, 3]`` their joined centrelines (x, y
    [m], heading [rad]; points where two lanes meet may repeat), N >= 2."""

    groups: Int
    route_lanes: Int
    lanes: Int
    centerline: Float

    def speed_limit(self, vector_map: VectorMap) -> float | None:
        """Limit [m/s] of the start lane: it counts for the whole plan. None where the map has none."""
        start = int(self.lanes[0])
        return float(vector_map.speed_limit[start]) if vector_map.has_speed_limit[start] else None


def groups_of_lanes(vector_map: VectorMap, lanes: ArrayLike) -> Int:
    """Lane groups ``[G]`` of lanes ``[R]`` (a ``Scenario.route``) in order, each once."""
    rows = np.asarray(lanes, np.intp)
    return np.array(list(dict.fromkeys(vector_map.group[rows].tolist())), np.int32)


def plan_route(
    vector_map: VectorMap, groups: ArrayLike, ego: ArrayLike, vehicle: VehicleParameters = PACIFICA
) -> NavsimRoute:
    """Mend the route ``groups [G]`` (indices into ``group_ids``) around ``ego [>=3]`` and find its centreline.

    The ego is its rear axle in the frame of the map. An empty route becomes the roadblock the ego is in.

    Raises:
        MapError: The map has no lane, or a group does not exist.
    """
    if not vector_map.lanes:
        raise MapError("map has no lane: no route can be planned on it")
    graph = _Graph(vector_map)
    wanted = list(dict.fromkeys(int(group) for group in np.asarray(groups, np.int64)))
    for group in wanted:
        if not 0 <= group < len(vector_map.group_ids):
            raise MapError(f"route: group {group} does not exist, the map has {len(vector_map.group_ids)}")
    pose = np.asarray(ego, np.float64)[:3]
    route = _mend(graph, wanted, pose)
    route_lanes = [lane for group in route for lane in graph.members[group]]
    start = _start_lane(graph, route_lanes, pose, vehicle)
    begin = route.index(int(vector_map.group[start]))
    goal = route[begin : begin + WINDOW][-1]
    lanes = _shortest(graph, start, set(route_lanes), goal)
    return NavsimRoute(
        np.array(route, np.int32),
        np.array(route_lanes, np.int32),
        np.array(lanes, np.int32),
        np.concatenate([vector_map.lane_centerline(lane) for lane in lanes]),
    )


class _Graph:
    """Lane groups of a map as a graph: two groups are linked where a lane of one follows a lane of the other."""

    def __init__(self, vector_map: VectorMap) -> None:
        self.map = vector_map
        count = len(vector_map.group_ids)
        self.members: list[list[int]] = [[] for _ in range(count)]
        for lane, group in enumerate(vector_map.group.tolist()):
            self.members[group].append(lane)
        self.box = np.hstack(
            [
                function.reduceat(vector_map.polygon, vector_map.polygon_ptr[:-1])
                for function in (np.minimum, np.maximum)
            ]
        )

    def following(self, group: int, forward: bool) -> list[int]:
        """Groups after this one, or before it."""
        step = self.map.lane_successors if forward else self.map.lane_predecessors
        found = (int(self.map.group[lane]) for member in self.members[group] for lane in step(member))
        return list(dict.fromkeys(other for other in found if other != group))

    def is_connector(self, group: int) -> bool:
        return bool(self.map.connector[self.members[group][0]])

    def distances(self, lanes: Iterable[int], corners: Float) -> list[float]:
        """Distance [m] of each lane's polygon to the convex box ``corners [4, 2]``."""
        ring, ptr = self.map.polygon, self.map.polygon_ptr
        return [ring_box_distance(ring, ptr[lane], ptr[lane + 1], corners) for lane in lanes]

    def errors(self, lane: int, pose: Float, with_heading: bool = False) -> tuple[float, float]:
        """Distance [m] of the pose to the lane's nearest centreline point, and heading error [rad] against it.

        ``with_heading`` measures the distance over x, y and heading, as NAVSIM does for the start lane.
        """
        line = self.map.lane_centerline(lane)
        apart = np.linalg.norm(line[:, : 3 if with_heading else 2] - pose[: 3 if with_heading else 2], axis=1)
        nearest = int(np.argmin(apart))
        return float(apart[nearest]), abs(float(wrap_angle(line[nearest, 2] - pose[2])))

    def path(self, start: int, goals: Sequence[int], depth: int, forward: bool) -> list[int]:
        """Groups from ``start`` to the first of ``goals`` met breadth first within ``depth`` groups; [] for none."""
        parent, level = {start: -1}, {start: 1}
        queue = deque([start])
        while queue:
            group = queue.popleft()
            if group in goals:
                return _trace(parent, group)
            if level[group] == depth:
                continue
            for other in self.following(group, forward):
                if other not in level:
                    level[other] = level[group] + 1
                    queue.append(other)
                if level[other] == level[group] + 1:
                    parent[other] = group  # of equally short ways NAVSIM keeps the last
        return []


def _here(graph: _Graph, route: list[int], pose: Float) -> tuple[int, list[int]]:
    """The group the ego is in, and all that it may be in."""
    corners = box_corners(pose[:2], 0.0, (2 * HERE, 2 * HERE))
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero((graph.box[:, :2] <= high).all(axis=1) & (graph.box[:, 2:] >= low).all(axis=1))
    touched = [lane for lane, apart in zip(near, graph.distances(near, corners), strict=True) if apart == 0.0]
    group_of, connector = graph.map.group, graph.map.connector
    candidates = list(dict.fromkeys(int(group_of[lane]) for lane in sorted(touched, key=lambda lane: connector[lane])))
    if not candidates:  # the nearest road and the nearest connector
        apart = np.array(graph.distances(range(graph.map.lanes), _point_box(pose)))
        for kind in (~connector, connector):
            if kind.any():
                candidates.append(int(group_of[np.argmin(np.where(kind, apart, np.inf))]))
    fitting: list[tuple[float, int]] = []
    nearest: list[tuple[float, int]] = []
    for group in candidates:
        errors = [graph.errors(lane, pose) for lane in graph.members[group]]
        fitting += [(apart, group) for apart, turned in errors if turned < HEADING_ERROR and apart < DISPLACEMENT]
        nearest.append((min(apart for apart, _ in errors), group))
    chosen = [item for item in fitting if item[1] in route] or fitting or nearest
    return min(chosen, key=lambda item: item[0])[1], [group for _, group in chosen]


def _mend(graph: _Graph, route: list[int], pose: Float) -> list[int]:
    """The route from the ego on: led to where it is, without gaps and loops."""
    here, candidates = _here(graph, route, pose)
    if not route:
        return [here]
    if here not in route:
        back = graph.path(route[0], candidates, BACKWARD_DEPTH, forward=False)
        if back:
            route = back[:0:-1] + route
        else:
            ahead = graph.path(here, route[:AHEAD], FORWARD_DEPTH, forward=True)
            if ahead:
                route = ahead + route[route.index(ahead[-1]) + 1 :]
    linked = route[:1]
    for group, after in pairwise(route):
        if after not in graph.following(group, forward=True):
            linked += graph.path(group, [after], FORWARD_DEPTH, forward=True)[1:-1]
        linked.append(after)
    return list(dict.fromkeys(_without_loop(graph, linked)))


def _without_loop(graph: _Graph, route: list[int]) -> list[int]:
    """Cut where a connector crosses an earlier connector of the route."""
    ring, ptr = graph.map.polygon, graph.map.polygon_ptr
    before: list[int] = []
    for index, group in enumerate(route):
        if not graph.is_connector(group):
            continue
        for other in before:
            first, second = (np.array(graph.members[number], np.int32) for number in (other, group))
            boxes = [graph.box[rows] for rows in (first, second)]
            low = np.maximum(*(box[:, :2].min(axis=0) for box in boxes))
            high = np.minimum(*(box[:, 2:].max(axis=0) for box in boxes))
            if common_area(ring, ptr, first, second, np.concatenate((low, high)), CELL, LOOP_AREA):
                return route[:index]
        before.append(group)
    return route


def _start_lane(graph: _Graph, route_lanes: list[int], pose: Float, vehicle: VehicleParameters) -> int:
    """The lane under the rear axle that points best with the ego; else the one under its centre or nearest to it."""
    ring, ptr = graph.map.polygon, graph.map.polygon_ptr
    apart = graph.distances(route_lanes, _point_box(pose))
    under = [lane for lane, distance in zip(route_lanes, apart, strict=True) if distance == 0.0]
    if under:
        return min(under, key=lambda lane: graph.errors(lane, pose, with_heading=True)[1])
    x, y, heading = center_from_rear_axle(pose, vehicle)
    for lane in route_lanes:
        if strictly_inside(ring, ptr[lane], ptr[lane + 1], x, y):
            return lane
    corners = box_corners((x, y), heading, (vehicle.length, vehicle.width))
    return route_lanes[int(np.argmin(graph.distances(route_lanes, corners)))]


def _shortest(graph: _Graph, start: int, allowed: set[int], goal: int) -> list[int]:
    """Shortest way over ``allowed`` lanes from ``start`` to the group ``goal``.

    Without one, the way through the most lanes, and of those the shortest.
    """
    parent = {start: -1}
    depth = {start: 1}
    best = {start: 0.0}
    done: list[int] = []
    order = 0
    queue = [(0.0, order, start)]
    end = -1
    while queue:
        cost, _, lane = heapq.heappop(queue)
        if cost > best[lane] or lane in done:
            continue
        if graph.map.group[lane] == goal:
            end = lane
            break
        done.append(lane)
        for other in graph.map.lane_successors(lane).tolist():
            reached = cost + float(arc_length(graph.map.lane_centerline(other))[-1]) if other in allowed else np.inf
            if reached < best.get(other, np.inf):
                parent[other], depth[other], best[other] = lane, depth[lane] + 1, reached
                order += 1
                heapq.heappush(queue, (reached, order, other))
    if end < 0:
        end = min(done, key=lambda lane: (-depth[lane], best[lane]))
    return _trace(parent, end)


def _trace(parent: dict[int, int], end: int) -> list[int]:
    path = [end]
    while parent[path[-1]] >= 0:
        path.append(parent[path[-1]])
    return path[::-1]


def _point_box(pose: Float) -> Float:
    """A point as the smallest box the exact tests take."""
    return box_corners(pose[:2], 0.0, (1e-6, 1e-6))
