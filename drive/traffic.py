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
from drive.kernels.traffic import traffic_rollout, traffic_step
from drive.kernels.traffic_follow import place_on_path, random_normal
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
    PATH_COLUMNS,
    PATH_HEADING,
    PATH_HIGH,
    PATH_LOW,
    PATH_RIGHT,
    PATH_X,
    PATH_Y,
    PEDAL,
    PENDING,
    REPLAY,
    SLOPE,
    SPACING,
    WALKER,
    ZONE_LOW,
    TrafficState,
    TrafficWorld,
)
from drive.map import VectorMap
from drive.paths import derive_paths
from drive.right_of_way import conflicts, stop_places
from drive.scene import DRIVER_COLUMNS, Action, AgentKind, Event, Paths, Scenario
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
    entry = tracks.position[
        np.arange(agents), scenario.start + np.minimum(first, tracks.valid.shape[1] - 1 - scenario.start)
    ]
    pieces = [_compile_path(paths, agent, drivers[agent], entry[agent]) for agent in range(agents)]
    modes = np.full(agents, {"log": REPLAY, "constant_velocity": CONSTANT_VELOCITY}.get(mode, REPLAY), np.int64)
    for agent, piece in enumerate(pieces):
        if len(piece):
            modes[agent] = WALKER if tracks.kind[agent] == AgentKind.PEDESTRIAN else DRIVER
    path = np.concatenate([*pieces, np.zeros((0, PATH_COLUMNS))])
    path_ptr = np.concatenate(((0,), np.cumsum([len(piece) for piece in pieces]))).astype(np.int64)
    room = _room(scenario.map, drivers, tracks.size, path, path_ptr, modes)
    lines = [stop_places(scenario, path[path_ptr[a] : path_ptr[a + 1]]) for a in range(agents)]
    zone_arc, zone, zone_ptr, against_ego = conflicts(scenario, path, path_ptr, modes, drivers, room, lines)
    path[:, PATH_RIGHT] = against_ego
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
        script=_script(scenario, path, path_ptr),
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
        fired=np.full(len(world.script), -1, np.int64),
        now=np.zeros((NOW_ROWS, agents + 1)),
        ego_before=np.array([scenario.reference[scenario.start - 1, Ego.VX]]),
    )


def copy_traffic(state: TrafficState) -> TrafficState:
    """An independent copy, to try something out from here."""
    return TrafficState._make(array.copy() for array in state)


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


def _compile_path(paths: Paths, agent: int, driver: Float, entry: Float) -> Float:
    """Points every SPACING ``[P, 7]`` (columns in ``traffic_world``), with the speed that suits the driver, or none."""
    rows = slice(int(paths.ptr[agent]), int(paths.ptr[agent + 1]))
    points = np.asarray(paths.points[rows], np.float64)
    limit = np.asarray(paths.limit[rows], np.float64)
    if len(points) < 2:
        return np.zeros((0, PATH_COLUMNS))
    if (entry - points[0]) @ (points[1] - points[0]) < -0.25 * np.hypot(*(points[1] - points[0])):
        points, limit = np.concatenate((entry[None], points)), np.concatenate((limit[:1], limit))  # it begins ahead
    arc = arc_length(points)
    kept = np.concatenate(((True,), np.diff(arc) > 1e-9))
    arc, points, limit = arc[kept], points[kept], limit[kept]
    count = int(arc[-1] / SPACING) + 1
    if count < 4:
        return np.zeros((0, PATH_COLUMNS))
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
    return np.column_stack((x, y, direction, curvature, np.sqrt(square), turn, np.zeros(count)))


def _room(vector_map: VectorMap, drivers: Float, size: Float, path: Float, path_ptr: Int, modes: Int) -> Float:
    """How far ``[A]`` m drivers may be from their paths: 0.1 m inside the narrowest lane, at most half a metre."""
    room = np.zeros(len(modes))
    width = _lane_widths(vector_map)
    # lanes are wide or narrow over tens of metres: a few points of each will do
    center = vector_map.centerline[::4, :2]
    owner = np.repeat(np.arange(vector_map.lanes), np.diff(vector_map.centerline_ptr))[::4]
    for agent in np.flatnonzero((modes == DRIVER) & (drivers[:, [Driver.LANE_BIAS, Driver.NOISE]] != 0.0).any(axis=1)):
        points = path[path_ptr[agent] : path_ptr[agent + 1] : 40, :2]
        narrowest = _LANE_WIDTH
        if len(center):
            gap = (points[:, :1] - center[None, :, 0]) ** 2 + (points[:, 1:] - center[None, :, 1]) ** 2
            narrowest = float(width[owner[gap.argmin(axis=1)]].min())
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


def _script(scenario: Scenario, path: Float, path_ptr: Int) -> Float:
    """The orders with two more columns: the speed limit [m/s] on the route near the point of conflict, and that
    point's arc length [m] on the agent's path."""
    arc = np.zeros(len(scenario.script))
    for row, event in enumerate(scenario.script):
        agent = int(event[Event.AGENT])
        points = path[path_ptr[agent] : path_ptr[agent + 1]]
        if len(points) and event[Event.ACTION] == Action.MEET:
            away = np.hypot(points[:, PATH_X] - event[Event.X], points[:, PATH_Y] - event[Event.Y])
            arc[row] = SPACING * int(away.argmin())
    orders = scenario.script[:, Event.ACTION] != Action.CUE
    return np.column_stack((np.asarray(scenario.script, np.float64), event_limits(scenario), arc))[orders]


def event_limits(scenario: Scenario) -> Float:
    """Speed limit ``[E]`` [m/s] on the route near the point of conflict of each scripted event."""
    limit = np.full(len(scenario.script), ASSUMED_LIMIT)
    for row, event in enumerate(scenario.script):
        nearest = np.inf
        for lane in scenario.route:
            line = scenario.map.lane_centerline(int(lane))
            distance = float(np.hypot(line[:, 0] - event[Event.X], line[:, 1] - event[Event.Y]).min())
            if distance < nearest and scenario.map.has_speed_limit[lane]:
                nearest, limit[row] = distance, scenario.map.speed_limit[lane]
    return limit


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
