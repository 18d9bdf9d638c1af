"""The other road users: recorded, extrapolated, or driven by the kernels of :mod:`drive.kernels.traffic`.

The same code moves traffic when scenes are generated and when planners are evaluated, so the traffic a planner meets is
the traffic the scene was made with.
"""

import zlib
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drive.drivers import (
    CYCLING_SPEED,
    POPULATIONS,
    WALKING_SPEED,
    Driver,
    default_drivers,
    sample_drivers,
)
from drive.errors import ScenarioError
from drive.geometry import arc_length, wrap_angle
from drive.kernels.geometry import point_in_ring
from drive.kernels.traffic import TrafficState, TrafficWorld, traffic_rollout, traffic_step
from drive.kernels.traffic_follow import SWEEP, place_on_path, random_normal
from drive.kernels.traffic_paths import find_conflicts
from drive.kernels.traffic_world import (
    ACTIVE,
    ARC,
    CONSTANT_VELOCITY,
    DECIDED,
    DRIVER,
    DT,
    FIRST,
    FRESH,
    GONE,
    LAST,
    LIFE,
    LINE_LOW,
    MEMORY,
    MODE,
    MOTION_COLUMNS,
    MOVING,
    NEXT_LINE,
    NEXT_ZONE,
    NOISE,
    NOW_ROWS,
    OFFSET,
    PATH_CURVATURE,
    PATH_HEADING,
    PATH_HIGH,
    PATH_LOW,
    PATH_X,
    PATH_Y,
    PEDAL,
    PENDING,
    REPLAY,
    SLOPE,
    SPACING,
    WALKER,
    ZONE_LOW,
)
from drive.map import Layer, StopCause, VectorMap
from drive.paths import derive_paths
from drive.scene import DRIVER_COLUMNS, AgentKind, Event, Paths, Scenario
from drive.vehicle import Ego

__all__ = [
    "CYCLING_SPEED",
    "POPULATIONS",
    "WALKING_SPEED",
    "Driver",
    "TrafficState",
    "TrafficWorld",
    "compile_traffic",
    "copy_traffic",
    "default_drivers",
    "derive_paths",
    "sample_drivers",
    "start_traffic",
    "traffic_rollout",
    "traffic_step",
]

Float = NDArray[np.float64]
Int = NDArray[np.int64]

ASSUMED_LIMIT = 13.9  # m/s, where the map has none
_LANE_WIDTH = 3.0  # m, where the map does not say
_MOST_ROOM = 0.5  # m
_WALKER_MARGIN, _MARGIN = 0.6, 0.2  # m around bodies when conflicts between paths are found


def compile_traffic(scenario: Scenario, mode: Literal["log", "idm", "constant_velocity"]) -> TrafficWorld:
    """Everything about the other agents that does not change during a rollout.

    ``"log"`` replays all tracks bit by bit. ``"constant_velocity"`` keeps every agent's velocity and heading from the
    start or its recorded entry on. ``"idm"`` lets agents with a path drive or walk: by their rows of
    ``scenario.drivers`` (rows of zeros mean :func:`default_drivers`), along ``scenario.paths`` or, where that is None,
    along :func:`derive_paths`; agents without a path are replayed.

    Raises:
        ScenarioError: The mode has no such name.
    """
    if mode not in ("log", "idm", "constant_velocity"):
        raise ScenarioError(f"traffic is {mode!r}, expected log, idm or constant_velocity")
    tracks, agents = scenario.tracks, len(scenario.tracks.ids)
    drivers = _drivers(scenario)
    first, last = _presence(tracks.valid, scenario.start)
    points = np.zeros((0, 2))
    paths = Paths(points, np.zeros(0), np.zeros(agents + 1, np.int32))
    if mode == "idm":
        paths = scenario.paths if scenario.paths is not None else derive_paths(scenario)
    pieces = [_compile_path(paths, agent, drivers[agent]) for agent in range(agents)]
    modes = np.full(agents, {"log": REPLAY, "constant_velocity": CONSTANT_VELOCITY}.get(mode, REPLAY), np.int64)
    for agent, piece in enumerate(pieces):
        if len(piece):
            modes[agent] = WALKER if tracks.kind[agent] == AgentKind.PEDESTRIAN else DRIVER
    path = np.concatenate([*pieces, np.zeros((0, 6))])
    path_ptr = np.concatenate(((0,), np.cumsum([len(piece) for piece in pieces]))).astype(np.int64)
    room = _room(scenario.map, drivers, tracks.size, path, path_ptr, modes)
    lines = [_lines(scenario, path[path_ptr[a] : path_ptr[a + 1]]) for a in range(agents)]
    zone_arc, zone, zone_ptr = _conflicts(scenario, path, path_ptr, modes, drivers, room)
    line_ptr = np.concatenate(((0,), np.cumsum([len(rows) for rows in lines])))
    rows = (path_ptr, line_ptr, zone_ptr)
    who = np.column_stack((modes, first, last, *(bound for ptr in rows for bound in (ptr[:-1], ptr[1:]))))
    return TrafficWorld(
        begin=np.array([scenario.start], np.int64),
        who=np.ascontiguousarray(who, np.int64),
        driver=np.column_stack((drivers, tracks.size, room)),
        position=np.ascontiguousarray(tracks.position, np.float64),
        heading=np.ascontiguousarray(tracks.heading, np.float64),
        velocity=np.ascontiguousarray(tracks.velocity, np.float64),
        valid=np.ascontiguousarray(tracks.valid, np.bool_),
        path=path,
        line=np.concatenate([*lines, np.zeros((0, 2))]),
        zone_arc=zone_arc,
        zone=zone,
        light=np.ascontiguousarray(scenario.lights.state, np.int8),
        script=_script(scenario),
    )


def start_traffic(world: TrafficWorld, scenario: Scenario) -> TrafficState:
    """The drivers' state of mind at ``scenario.start``; it depends on the samples ``start - 1`` and ``start`` alone."""
    agents = len(world.who)
    mind = np.zeros((agents, 8), np.int64)
    motion = np.zeros((agents, MOTION_COLUMNS))
    mind[:, LIFE] = GONE
    mind[:, FRESH] = 1
    mind[:, NEXT_ZONE], mind[:, NEXT_LINE] = world.who[:, ZONE_LOW], world.who[:, LINE_LOW]
    mind[:, DECIDED] = -1
    for agent in np.flatnonzero(world.who[:, MODE] >= DRIVER):
        first, last = int(world.who[agent, FIRST]), int(world.who[agent, LAST])
        if first > last:
            continue
        mind[agent, LIFE] = ACTIVE if first == 0 else PENDING
        _put_on_path(world, motion, int(agent), scenario.start + first)
        for n in range(4):
            motion[agent, NOISE + n] = random_normal(world.driver[agent, Driver.SEED], -1, n)
    return TrafficState(
        mind=mind,
        motion=motion,
        seen=np.zeros((agents, MEMORY, 2)),
        owner=np.full(len(world.zone) // 2, -1, np.int64),
        fired=np.zeros(len(world.script), np.bool_),
        now=np.zeros((NOW_ROWS, agents + 1)),
        ego_before=np.array([scenario.reference[scenario.start - 1, Ego.VX]]),
    )


def copy_traffic(state: TrafficState) -> TrafficState:
    """An independent copy, to try something out from here."""
    return TrafficState(*(array.copy() for array in state))


def _drivers(scenario: Scenario) -> Float:
    drivers = np.array(scenario.drivers, np.float64).reshape(-1, DRIVER_COLUMNS)
    unknown = drivers[:, Driver.SPEED_FACTOR] <= 0.0
    drivers[unknown] = default_drivers(scenario.tracks.kind)[unknown]
    # ties are decided by who agents are, not by their order
    names = np.array([zlib.crc32(name.encode()) for name in scenario.tracks.ids], np.float64)
    drivers[unknown, Driver.SEED] = names[unknown]
    return drivers


def _presence(valid: NDArray[np.bool_], start: int) -> tuple[Int, Int]:
    """Samples (counted from ``start``) at which agents enter and at which they are last seen; entry > exit: never."""
    later = valid[:, start:]
    present = later.any(axis=1)
    first = np.where(present, later.argmax(axis=1), 1)
    last = np.where(present, later.shape[1] - 1 - later[:, ::-1].argmax(axis=1), 0)
    return first.astype(np.int64), last.astype(np.int64)


def _compile_path(paths: Paths, agent: int, driver: Float) -> Float:
    """Points every SPACING ``[P, 6]`` (columns in ``traffic_world``), with the speed that suits the driver, or none."""
    rows = slice(int(paths.ptr[agent]), int(paths.ptr[agent + 1]))
    points = np.asarray(paths.points[rows], np.float64)
    if len(points) < 2:
        return np.zeros((0, 6))
    arc = arc_length(points)
    kept = np.concatenate(((True,), np.diff(arc) > 1e-9))
    arc, points, limit = arc[kept], points[kept], np.asarray(paths.limit[rows], np.float64)[kept]
    count = int(arc[-1] / SPACING) + 1
    if count < 4:
        return np.zeros((0, 6))
    at = SPACING * np.arange(count)
    x, y = np.interp(at, arc, points[:, 0]), np.interp(at, arc, points[:, 1])
    direction = np.unwrap(np.arctan2(np.gradient(y), np.gradient(x)))
    window = min(5, count - (count + 1) % 2)
    padded = np.pad(np.gradient(direction, SPACING), window // 2, mode="edge")
    curvature = np.convolve(padded, np.full(window, 1.0 / window), mode="valid")
    speed = np.interp(at, arc, limit) * driver[Driver.SPEED_FACTOR]
    speed = np.minimum(speed, np.sqrt(driver[Driver.LATERAL_ACCELERATION] / np.maximum(np.abs(curvature), 1e-6)))
    # brake in time: v(s)^2 <= v(s')^2 + 2 b (s' - s) for every s' ahead
    slope = 2.0 * np.clip(0.75 * driver[Driver.DECELERATION], 1.2, 2.0) * at
    square = np.minimum.accumulate((np.maximum(speed, 0.5) ** 2 + slope)[::-1])[::-1] - slope
    turn = np.concatenate(((0.0,), np.cumsum(np.abs(np.diff(direction)))))
    return np.column_stack((x, y, direction, curvature, np.sqrt(square), turn))


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


def _room(vector_map: VectorMap, drivers: Float, size: Float, path: Float, path_ptr: Int, modes: Int) -> Float:
    """How far ``[A]`` m drivers may be from their paths: 0.1 m inside the narrowest lane, at most half a metre."""
    room = np.zeros(len(modes))
    width = _lane_widths(vector_map)
    center = vector_map.centerline[:, :2]
    owner = np.repeat(np.arange(vector_map.lanes), np.diff(vector_map.centerline_ptr))
    for agent in np.flatnonzero((modes == DRIVER) & (drivers[:, [Driver.LANE_BIAS, Driver.NOISE]] != 0.0).any(axis=1)):
        points = path[path_ptr[agent] : path_ptr[agent + 1] : 20, :2]
        narrowest = _LANE_WIDTH
        if len(center):
            nearest = np.argmin(((points[:, None] - center[None]) ** 2).sum(axis=2), axis=1)
            narrowest = float(width[owner[nearest]].min())
        room[agent] = np.clip(0.5 * (narrowest - size[agent, 1]) - 0.1, 0.0, _MOST_ROOM)
    return room


def _lane_widths(vector_map: VectorMap) -> Float:
    widths = np.empty(vector_map.lanes)
    for lane in range(vector_map.lanes):
        ring, line = vector_map.lane_polygon(lane), vector_map.lane_centerline(lane)
        x, y = ring[:, 0], ring[:, 1]
        area = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
        widths[lane] = area / max(arc_length(line)[-1], 1.0)
    return np.clip(widths, 2.5, 6.0)


def _lines(scenario: Scenario, path: Float) -> Float:
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


def _conflicts(
    scenario: Scenario, path: Float, path_ptr: Int, modes: Int, drivers: Float, room: Float
) -> tuple[Float, Int, Int]:
    """Rows of conflicts per agent, each pair's conflict once from either side (columns in ``traffic_world``)."""
    agents = len(modes)
    margin = np.where(modes == WALKER, _WALKER_MARGIN, 0.5 * _MARGIN)
    half_width = 0.5 * scenario.tracks.size[:, 1] + margin
    half_width += np.minimum(np.abs(drivers[:, Driver.LANE_BIAS]) + 0.15 * drivers[:, Driver.NOISE], room)
    begin = np.array([path[row, :2] if row < len(path) else (0.0, 0.0) for row in path_ptr[:-1]]).reshape(-1, 2)
    sweep = np.concatenate(
        [_sweep(path[path_ptr[a] : path_ptr[a + 1]], scenario.tracks.size[a, 0]) for a in range(agents)] + [np.zeros(0)]
    )
    # the first of a pair is chosen by what does not depend on the agents' numbering
    order = np.lexsort((begin[:, 1], begin[:, 0], drivers[:, Driver.SEED])).astype(np.int64)
    capacity = 256
    while True:
        arcs, pairs = np.zeros((capacity, 4)), np.zeros((capacity, 2), np.int64)
        count = find_conflicts(path, path_ptr, modes, half_width, sweep, order, arcs, pairs)
        if count <= capacity:
            break
        capacity = count
    arcs, pairs = arcs[:count], pairs[:count]
    right, marked = _right_of_way(scenario, path, path_ptr, modes, arcs, pairs)
    owner = np.concatenate((pairs[:, 0], pairs[:, 1]))
    zone_arc = np.concatenate((arcs, arcs[:, [2, 3, 0, 1]]))
    number = np.tile(np.arange(count), 2)
    zone = np.column_stack(
        (np.concatenate((pairs[:, 1], pairs[:, 0])), number, np.concatenate((right, -right)), np.tile(marked, 2))
    )
    order = np.lexsort((zone[:, 0], zone_arc[:, 0], owner))
    ptr = np.searchsorted(owner[order], np.arange(agents + 1)).astype(np.int64)
    return np.ascontiguousarray(zone_arc[order]), np.ascontiguousarray(zone[order].astype(np.int64)), ptr


def _right_of_way(scenario: Scenario, path: Float, ptr: Int, modes: Int, arcs: Float, pairs: Int) -> tuple[Int, Int]:
    """Right of way (1: the first of the pair has it, -1: the second, 0: who comes first) and marked crossings.

    Pedestrians have it on crossings and nowhere else. Drivers: a sign, then straight before turning (across the
    oncoming lane last), then whoever comes from the right; merging equals go by arrival.
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
        headings = []
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
        cross = np.sin(headings[1] - headings[0])  # > 0: the second drives towards the first one's left
        if rank[0] != rank[1]:
            right[row] = 1 if rank[0] < rank[1] else -1
        elif abs(cross) > 0.5:
            right[row] = -1 if cross > 0.0 else 1
    return right, marked


def _script(scenario: Scenario) -> Float:
    """The events with one more column: the speed limit [m/s] on the route near the point of conflict."""
    limit = np.full(len(scenario.script), ASSUMED_LIMIT)
    for row, event in enumerate(scenario.script):
        nearest = np.inf
        for lane in scenario.route:
            line = scenario.map.lane_centerline(int(lane))
            distance = float(np.hypot(line[:, 0] - event[Event.X], line[:, 1] - event[Event.Y]).min())
            if distance < nearest and scenario.map.has_speed_limit[lane]:
                nearest, limit[row] = distance, scenario.map.speed_limit[lane]
    return np.column_stack((np.asarray(scenario.script, np.float64), limit))


def _put_on_path(world: TrafficWorld, motion: Float, agent: int, step: int) -> None:
    """Arc length, offset, direction and speed of an agent at a scene step, from its track."""
    low, high = int(world.who[agent, PATH_LOW]), int(world.who[agent, PATH_HIGH])
    x, y = world.position[agent, step]
    heading = world.heading[agent, step]
    along = np.array((np.cos(heading), np.sin(heading)))
    row = low + int(np.hypot(world.path[low:high, PATH_X] - x, world.path[low:high, PATH_Y] - y).argmin())
    arc, offset, row = place_on_path(world.path, low, high, row, x, y)
    speed = max(float(world.velocity[agent, step] @ along), 0.0)
    angle = float(wrap_angle(heading - world.path[row, PATH_HEADING]))
    motion[agent, ARC], motion[agent, OFFSET] = arc, offset
    motion[agent, SLOPE] = np.tan(np.clip(angle, -1.0, 1.0))
    motion[agent, MOVING] = speed
    if step > 0 and world.valid[agent, step - 1]:
        before = float(world.velocity[agent, step - 1] @ along)
        motion[agent, PEDAL] = np.clip((speed - before) / DT, -world.driver[agent, Driver.MAX_DECELERATION], 3.0)
