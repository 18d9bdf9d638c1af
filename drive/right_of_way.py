"""Where paths meet lines, lights and one another: what a scene's traffic has to know about right of way, found once."""

import itertools

import numpy as np
from numpy.typing import NDArray

from drive.drivers import Driver
from drive.geometry import arc_length, wrap_angle
from drive.kernels.geometry import point_in_ring
from drive.kernels.traffic_follow import SWEEP
from drive.kernels.traffic_paths import find_conflicts
from drive.kernels.traffic_world import (
    DRIVER,
    PATH_COLUMNS,
    PATH_CURVATURE,
    PATH_HEADING,
    PATH_X,
    PATH_Y,
    SPACING,
    WALKER,
)
from drive.map import Layer, StopCause, VectorMap
from drive.scene import Scenario

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_WALKER_MARGIN, _MARGIN = 0.6, 0.1  # m around bodies when conflicts between paths are found


def stop_places(scenario: Scenario, path: Float) -> Float:
    """Places where the agent may have to stop, in order: ``[*, 2]`` arc length [m], light row or -1 for a sign."""
    rows: list[tuple[float, float]] = []
    if len(path):
        rows += _signals(scenario, path)
        for index in np.flatnonzero(scenario.map.stop_cause == StopCause.STOP_SIGN):
            arc = _crossing(path, scenario.map.stop_segment[index])
            if arc is not None and _leads_to(scenario.map, _lanes_of(scenario.map, int(index)), path, arc):
                rows.append((arc, -1.0))
    return np.array(sorted(rows), np.float64).reshape(-1, 2)


def _signals(scenario: Scenario, path: Float) -> list[tuple[float, float]]:
    """The lights on a path: those whose connector begins on it and is the one that the path then follows."""
    lights, vector_map = scenario.lights, scenario.map
    found: dict[int, tuple[float, float, float]] = {}  # place [1/4 m] -> misfit, arc, light
    for light, lane in enumerate(lights.lane):
        distance = np.hypot(
            path[:, PATH_X] - lights.stop_point[light, 0], path[:, PATH_Y] - lights.stop_point[light, 1]
        )
        row = int(distance.argmin())
        if distance[row] > 2.0:
            continue
        misfit = _misfit(vector_map, int(lane), path, row)
        if misfit > 2.0:
            continue
        arc = row * SPACING
        for index in np.flatnonzero(vector_map.stop_cause == StopCause.SIGNAL):
            if lane in _lanes_of(vector_map, int(index)):
                crossing = _crossing(path, vector_map.stop_segment[index])
                if crossing is not None and abs(crossing - arc) < 12.0:
                    arc = crossing
        place = round(row * SPACING / 4.0)
        if place not in found or misfit < found[place][0]:
            found[place] = (misfit, arc, float(light))
    return [(arc, light) for _, arc, light in found.values()]


def _misfit(vector_map: VectorMap, lane: int, path: Float, row: int) -> float:
    """Mean distance [m] between a lane and the path after ``row``, over the lane's length or up to 25 m."""
    line = vector_map.lane_centerline(lane)
    ahead = path[row : row + int(30.0 / SPACING)]
    points = line[arc_length(line) <= 25.0]
    if len(ahead) < 8:
        return float("inf")
    gaps = np.hypot(points[:, None, 0] - ahead[None, :, 0], points[:, None, 1] - ahead[None, :, 1])
    turned = np.abs(wrap_angle(ahead[0, PATH_HEADING] - line[0, 2]))
    return float(gaps.min(axis=1).mean()) if turned < 1.0 else float("inf")


def _lanes_of(vector_map: VectorMap, line: int) -> NDArray[np.int32]:
    return vector_map.stop_lanes[vector_map.stop_lanes_ptr[line] : vector_map.stop_lanes_ptr[line + 1]]


def _leads_to(vector_map: VectorMap, lanes: NDArray[np.int32], path: Float, arc: float) -> bool:
    """True if the path runs along one of the lanes, in their direction, where it crosses their line."""
    row = min(int(arc / SPACING), len(path) - 1)
    for lane in lanes:
        line = vector_map.lane_centerline(int(lane))
        nearest = int(np.hypot(line[:, 0] - path[row, 0], line[:, 1] - path[row, 1]).argmin())
        if abs(float(wrap_angle(line[nearest, 2] - path[row, PATH_HEADING]))) < 1.0:
            return True
    return False


def _crossing(path: Float, segment: Float) -> float | None:
    """Arc length [m] at which a path crosses a segment ``[2, 2]``, or None."""
    (ax, ay), (bx, by) = segment
    side = (bx - ax) * (path[:, PATH_Y] - ay) - (by - ay) * (path[:, PATH_X] - ax)
    for row in np.flatnonzero(side[:-1] * side[1:] <= 0.0):
        t = side[row] / (side[row] - side[row + 1]) if side[row] != side[row + 1] else 0.0
        x = path[row, PATH_X] + t * (path[row + 1, PATH_X] - path[row, PATH_X])
        y = path[row, PATH_Y] + t * (path[row + 1, PATH_Y] - path[row, PATH_Y])
        along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / max((bx - ax) ** 2 + (by - ay) ** 2, 1e-9)
        if 0.0 <= along <= 1.0:
            return (float(row) + float(t)) * SPACING
    return None


def conflicts(
    scenario: Scenario, path: Float, path_ptr: Int, modes: Int, drivers: Float, room: Float, lines: list[Float]
) -> tuple[Float, Int, Int, Float]:
    """Rows of conflicts per agent, each pair's conflict once from either side (columns in ``traffic_world``), and the
    right of way against the ego's route ``[N]`` at each path point: 1 own, -1 the ego's, 0 open or no conflict.

    ``lines`` are the :func:`stop_places` of each agent: who drives through a signal, drives on green and has the right
    of way against those who come from the side.
    """
    agents = len(modes)
    margin = np.where(modes == WALKER, _WALKER_MARGIN, _MARGIN)
    half_width = 0.5 * scenario.tracks.size[:, 1] + margin
    half_width += np.minimum(np.abs(drivers[:, Driver.LANE_BIAS]) + 0.15 * drivers[:, Driver.NOISE], room)
    begin = np.array([path[row, :2] if row < len(path) else (0.0, 0.0) for row in path_ptr[:-1]]).reshape(-1, 2)
    # the first of a pair is chosen by what does not depend on the agents' numbering
    order = np.lexsort((begin[:, 1], begin[:, 0], drivers[:, Driver.SEED])).astype(np.int64)
    # the ego's route is one more path, the last one
    points, route = len(path), _route_path(scenario)
    path, path_ptr = np.concatenate((path, route)), np.append(path_ptr, len(path) + len(route))
    size = np.concatenate((scenario.tracks.size, ((scenario.ego_vehicle.length, scenario.ego_vehicle.width),)))
    modes, order = np.append(modes, DRIVER), np.append(order, agents)
    half_width = np.append(half_width, 0.5 * scenario.ego_vehicle.width + _MARGIN)
    sweep = np.concatenate([_sweep(path[path_ptr[a] : path_ptr[a + 1]], size[a, 0]) for a in range(agents + 1)])
    capacity = 256
    while True:
        arcs, pairs = np.zeros((capacity, 4)), np.zeros((capacity, 2), np.int64)
        count = find_conflicts(path, path_ptr, modes, half_width, sweep, order, arcs, pairs)
        if count <= capacity:
            break
        capacity = count
    arcs, pairs = arcs[:count], pairs[:count]
    right, marked = _right_of_way(scenario, path, path_ptr, modes, arcs, pairs)
    against_ego = np.zeros(points)
    for row in np.flatnonzero(pairs[:, 1] == agents):
        low = path_ptr[pairs[row, 0]]
        span = slice(low + int(max(arcs[row, 0], 0.0) / SPACING), low + int(arcs[row, 1] / SPACING) + 1)
        signal = lines[pairs[row, 0]]
        signal = signal[(signal[:, 1] >= 0.0) & (signal[:, 0] > arcs[row, 0] - 45.0) & (signal[:, 0] < arcs[row, 0])]
        own, egos = (
            path[path_ptr[a] + max(int((s - 15.0) / SPACING), 0), PATH_HEADING]
            for a, s in zip(pairs[row], arcs[row, [0, 2]], strict=True)
        )
        from_side = abs(np.sin(own - egos)) > 0.5
        against_ego[span] = 1.0 if len(signal) and from_side else right[row]
    others = pairs[:, 1] < agents
    arcs, pairs, right, marked = arcs[others], pairs[others], right[others], marked[others]
    count = len(arcs)
    owner = np.concatenate((pairs[:, 0], pairs[:, 1]))
    zone_arc = np.concatenate((arcs, arcs[:, [2, 3, 0, 1]]))
    number = np.tile(np.arange(count), 2)
    zone = np.column_stack(
        (np.concatenate((pairs[:, 1], pairs[:, 0])), number, np.concatenate((right, -right)), np.tile(marked, 2))
    )
    order = np.lexsort((zone[:, 0], zone_arc[:, 0], owner))
    ptr = np.searchsorted(owner[order], np.arange(agents + 1)).astype(np.int64)
    return np.ascontiguousarray(zone_arc[order]), np.ascontiguousarray(zone[order].astype(np.int64)), ptr, against_ego


def _route_path(scenario: Scenario) -> Float:
    """The ego's route as a compiled path ``[P, 7]``, or none where its lanes do not follow one another."""
    lines = [scenario.map.lane_centerline(int(lane))[:, :2] for lane in scenario.route]
    if not lines or any(np.hypot(*(b[0] - a[-1])) > 1.0 for a, b in itertools.pairwise(lines)):
        return np.zeros((0, PATH_COLUMNS))
    points = np.concatenate(lines)
    arc = arc_length(points)
    kept = np.concatenate(((True,), np.diff(arc) > 1e-6))
    at = SPACING * np.arange(int(arc[-1] / SPACING) + 1)
    if len(at) < 4:
        return np.zeros((0, PATH_COLUMNS))
    x, y = np.interp(at, arc[kept], points[kept, 0]), np.interp(at, arc[kept], points[kept, 1])
    direction = np.unwrap(np.arctan2(np.gradient(y), np.gradient(x)))
    path = np.zeros((len(at), PATH_COLUMNS))
    path[:, PATH_X], path[:, PATH_Y], path[:, PATH_HEADING] = x, y, direction
    path[:, PATH_CURVATURE] = np.gradient(direction, SPACING)
    return path


def _right_of_way(scenario: Scenario, path: Float, ptr: Int, modes: Int, arcs: Float, pairs: Int) -> tuple[Int, Int]:
    """Right of way (1: the first of the pair has it, -1: the second, 0: who comes first) and marked crossings.

    Pedestrians have it on crossings and nowhere else. Drivers: a sign, then straight before turning (across the
    oncoming lane last), then whoever comes from the right; merging equals go by arrival, as do roads that meet at a
    junction with stop signs all round.
    """
    right = np.zeros(len(pairs), np.int64)
    marked = np.zeros(len(pairs), np.int64)
    crossings = scenario.map.areas(Layer.CROSSWALK)
    signs = np.flatnonzero(np.isin(scenario.map.stop_cause, (StopCause.STOP_SIGN, StopCause.YIELD)))
    minor: dict[int, list[float]] = {}
    for agent in np.unique(pairs) if len(signs) else ():
        own = path[ptr[agent] : ptr[agent + 1]]
        minor[int(agent)] = [
            arc
            for sign in signs
            if (arc := _crossing(own, scenario.map.stop_segment[sign])) is not None
            and _leads_to(scenario.map, _lanes_of(scenario.map, int(sign)), own, arc)
        ]
    for row, (a, b) in enumerate(pairs):
        if WALKER in (modes[a], modes[b]):
            x, y = path[ptr[a] + int(arcs[row, :2].mean() / SPACING), :2]
            marked[row] = any(sum(point_in_ring(ring, 0, len(ring), x, y) for ring in rings) % 2 for rings in crossings)
            right[row] = 1 if (modes[a] == WALKER) == bool(marked[row]) else -1
            continue
        rank = [0.0, 0.0]
        headings, approach = [], []
        for side, agent in enumerate((a, b)):
            begin, end = arcs[row, 2 * side], arcs[row, 2 * side + 1]
            own = path[ptr[agent] : ptr[agent + 1]]
            near = own[max(int((begin - 15.0) / SPACING), 0) : int((end + 10.0) / SPACING) + 1]
            turn = abs(near[-1, PATH_HEADING] - near[0, PATH_HEADING]) if len(near) else 0.0
            # the wide turn crosses the oncoming lane, the tight one does not: true on either side of the road
            rank[side] = 0.0 if turn < 0.5 else 2.0 - min(float(np.abs(near[:, PATH_CURVATURE]).max()), 1.0)
            if any(begin - 25.0 < arc <= begin + 1.0 for arc in minor.get(int(agent), ())):
                rank[side] += 10.0
            headings.append(own[min(max(int(begin / SPACING), 0), len(own) - 1), PATH_HEADING])
            approach.append(near[0, PATH_HEADING] if len(near) else 0.0)
        cross = np.sin(headings[1] - headings[0])  # > 0: the second drives towards the first one's left
        if min(rank) >= 10.0 and abs(np.sin(approach[1] - approach[0])) > 0.5:
            continue  # stop signs all round: who comes first
        if rank[0] != rank[1]:
            right[row] = 1 if rank[0] < rank[1] else -1
        elif abs(cross) > 0.5:
            right[row] = -1 if cross > 0.0 else 1
    return right, marked


def _sweep(path: Float, length: float) -> Float:
    """How far a body of this length reaches beyond half its width, beside each point of its path ``[P]`` [m]."""
    x, y, cos, sin = path[:, PATH_X], path[:, PATH_Y], np.cos(path[:, PATH_HEADING]), np.sin(path[:, PATH_HEADING])
    beyond = np.zeros(len(path))
    for shift in range(1, min(round(0.5 * length / SPACING), len(path) - 1) + 1):
        ends = (slice(None, -shift), slice(shift, None), SPACING * shift)  # the front seen from where it is beside
        for here, there, reach in (ends, (ends[1], ends[0], -ends[2])):
            dx, dy = x[here] + reach * cos[here] - x[there], y[here] + reach * sin[here] - y[there]
            beyond[there] = np.maximum(beyond[there], np.abs(dy * cos[there] - dx * sin[there]))
    return np.minimum(beyond, SWEEP)
