"""From what NAVSIM gives an agent to our observation: ego history, and with a scene annotations, lights and map.

Objects of NAVSIM and of nuPlan's map are used by their documented attributes only; nothing of either is copied.
"""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from drive.errors import DataError
from drive.geometry import poses_to_frame, rotate, to_frame, wrap_angle
from drive.map import Area, Lane, Layer, VectorMap, build_map
from drive.observation import MAP_RADIUS, Observation
from drive.scene import HISTORY_STEPS, LightState
from drive.vehicle import EGO_COLUMNS, PACIFICA, Ego
from scenarios.nuscenes.motion import ego_states
from scenarios.openscene.logs import KINDS
from scenarios.openscene.route import find_route

Float = NDArray[np.float64]

FRAME = 0.5  # s between NAVSIM's frames
STEPS_PER_FRAME = 5
GOAL_AHEAD = 100.0  # m straight ahead, where there is no route

# nuPlan's layer -> ours; roads, intersections and car parks are what can be driven on
AREAS = {
    "ROADBLOCK": (Layer.ROADBLOCK, Layer.DRIVABLE),
    "ROADBLOCK_CONNECTOR": (Layer.DRIVABLE,),
    "INTERSECTION": (Layer.INTERSECTION, Layer.DRIVABLE),
    "CARPARK_AREA": (Layer.CARPARK, Layer.DRIVABLE),
    "CROSSWALK": (Layer.CROSSWALK,),
    "WALKWAYS": (Layer.WALKWAY,),
}


def observation(agent_input: Any, scene: Any = None) -> Observation:
    """Our observation of a NAVSIM ``AgentInput``, and of the past and present frames of its ``Scene`` if there is one.

    Without a scene there are no agents, lanes or lights, the route is empty and the goal 100 m ahead; the driving
    command has no place in an observation. Samples before NAVSIM's first frame (1.5 s ago) repeat the first known ego
    state and have no agents. Stop lines are left out: red connectors are in ``lane_light``.

    Raises:
        DataError: The history is empty, or annotations name an unknown class.
    """
    statuses = agent_input.ego_statuses
    if not statuses:
        raise DataError("NAVSIM's AgentInput has no ego_statuses, expected the frames up to now")
    poses = np.array([status.ego_pose for status in statuses], np.float64)
    poses = poses_to_frame(poses, poses[-1])
    if scene is None:
        world, route, light = build_map([]), [], np.zeros(0, np.int8)
        frames: Sequence[Any] = []
    else:
        frames = scene.frames[: len(statuses)]
        here = np.asarray(frames[-1].ego_status.ego_pose, np.float64)
        world = vector_map(scene.map_api, here)
        route = find_route(world, poses, len(poses) - 1, list(frames[-1].roadblock_ids))[0]
        light = _lights(world, frames[-1].traffic_lights)
    goal = world.lane_centerline(route[-1])[-1, :2].copy() if route else np.array((GOAL_AHEAD, 0.0))
    return Observation(
        time=0.0,
        ego=_ego_history(statuses, poses),
        **_agents(frames, poses),
        **_map_arrays(world),
        lane_light=light,
        route=np.array(route, np.int32),
        goal=goal,
    )


def _ego_history(statuses: Sequence[Any], poses: Float) -> Float:
    """States ``[H + 1, 11]`` every 0.1 s; steering and yaw rate come from the driven path, as NAVSIM has neither."""
    times = FRAME * np.arange(len(poses))
    fine = np.linspace(0.0, times[-1], STEPS_PER_FRAME * (len(poses) - 1) + 1)
    path = poses.copy()
    path[:, 2] = np.unwrap(path[:, 2])
    if len(poses) > 1:
        path = CubicSpline(times, path)(fine)
        path[:, 2] = wrap_angle(path[:, 2])
        states = ego_states(path, PACIFICA)
    else:
        states = np.zeros((1, EGO_COLUMNS))
    motion = np.array([(*status.ego_velocity, *status.ego_acceleration) for status in statuses], np.float64)
    for column, values in zip((Ego.VX, Ego.VY, Ego.AX, Ego.AY), motion.T, strict=True):
        states[:, column] = np.interp(fine, times, values)
    states[-1, :3] = 0.0
    history = np.repeat(states[:1], HISTORY_STEPS + 1, axis=0)
    known = min(len(states), len(history))
    history[-known:] = states[-known:]
    return history


def _agents(frames: Sequence[Any], poses: Float) -> dict[str, Any]:
    """Agents of the frames, interpolated to 0.1 s between their first and last sight, in the ego frame."""
    seen: dict[str, list[tuple[int, tuple[float, ...]]]] = {}
    kinds, sizes = [], []
    for number, (frame, pose) in enumerate(zip(frames, poses, strict=True) if frames else ()):
        notes = frame.annotations
        for token, name, box, speed in zip(
            notes.track_tokens, notes.names, notes.boxes, notes.velocity_3d, strict=True
        ):
            if name not in KINDS:
                raise DataError(f"annotation {token!r} of frame {frame.token!r} is a {name!r}, expected a NAVSIM class")
            if token not in seen:
                kinds.append(KINDS[name])
                sizes.append((box[3], box[4]))
            x, y = pose[:2] + rotate(np.asarray(box[:2], np.float64), pose[2])
            vx, vy = rotate(np.asarray(speed[:2], np.float64), pose[2])
            step = HISTORY_STEPS - STEPS_PER_FRAME * (len(poses) - 1 - number)
            seen.setdefault(token, []).append((step, (x, y, float(box[6]) + pose[2], vx, vy)))
    states = np.zeros((len(seen), HISTORY_STEPS + 1, 5))
    valid = np.zeros(states.shape[:2], np.bool_)
    for agent, sights in enumerate(seen.values()):
        marks, values = np.array([step for step, _ in sights]), np.array([value for _, value in sights])
        values[:, 2] = np.unwrap(values[:, 2])
        grid = np.arange(max(marks[0], 0), marks[-1] + 1)
        states[agent, grid] = np.stack([np.interp(grid, marks, column) for column in values.T], axis=1)
        valid[agent, grid] = True
    return {
        "agent_kind": np.array(kinds, np.int8),
        "agent_size": np.array(sizes, np.float64).reshape(-1, 2),
        "agent_position": np.ascontiguousarray(states[..., :2]),
        "agent_heading": np.where(valid, wrap_angle(states[..., 2]), 0.0),
        "agent_velocity": np.ascontiguousarray(states[..., 3:]),
        "agent_valid": valid,
        "agent_cues": np.zeros(valid.shape, np.uint8),
    }


def vector_map(map_api: Any, pose: Float, radius: float = MAP_RADIUS) -> VectorMap:
    """What a nuPlan map has within ``radius`` [m] of a global ``pose [3]``, in the frame of that pose.

    ``map_api`` is nuPlan's ``AbstractMap``. Lanes know their neighbours; roadblocks are groups.
    """
    layers = importlib.import_module("nuplan.common.maps.maps_datatypes").SemanticMapLayer
    named = {name: getattr(layers, name) for name in ("LANE", "LANE_CONNECTOR", *AREAS)}
    point = SimpleNamespace(x=float(pose[0]), y=float(pose[1]))
    found = map_api.get_proximal_map_objects(point, radius, list(named.values()))
    lanes = [
        _lane(item, pose, name == "LANE_CONNECTOR")
        for name in ("LANE", "LANE_CONNECTOR")
        for item in found.get(named[name], ())
    ]
    areas = [
        Area(layer, tuple(to_frame(ring, pose) for ring in _rings(item.polygon)))
        for name, ours in AREAS.items()
        for item in found.get(named[name], ())
        for layer in ours
    ]
    return build_map(lanes, areas)


def _lane(item: Any, pose: Float, connector: bool) -> Lane:
    line = np.array([(state.x, state.y, state.heading) for state in item.baseline_path.discrete_path], np.float64)
    left, right = (None, None) if connector else item.adjacent_edges
    limit = item.speed_limit_mps
    return Lane(
        id=str(item.id),
        centerline=poses_to_frame(line, pose),
        polygon=to_frame(next(_rings(item.polygon)), pose),
        successors=tuple(str(edge.id) for edge in item.outgoing_edges),
        left=None if left is None else str(left.id),
        right=None if right is None else str(right.id),
        group=str(item.get_roadblock_id()),
        speed_limit=float(limit) if limit and limit > 0 else None,
        connector=connector,
    )


def _rings(polygon: Any) -> Iterator[Float]:
    """Open rings ``[*, 2]`` of a shapely polygon, the outer one first."""
    for ring in (polygon.exterior, *polygon.interiors):
        yield np.asarray(ring.coords, np.float64)[:-1, :2]


def _lights(world: VectorMap, known: Iterable[tuple[Any, bool]]) -> NDArray[np.int8]:
    index = {name: lane for lane, name in enumerate(world.lane_ids)}
    light = np.full(world.lanes, LightState.UNKNOWN, np.int8)
    for connector, red in known:
        lane = index.get(str(connector))
        if lane is not None and light[lane] != LightState.RED:
            light[lane] = LightState.RED if red else LightState.GREEN
    return light


def _map_arrays(world: VectorMap) -> dict[str, Any]:
    """A map in the ego frame under the names that an observation has for its parts."""
    return {
        "lane_centerline": world.centerline,
        "lane_ptr": world.centerline_ptr,
        "lane_polygon": world.polygon,
        "lane_polygon_ptr": world.polygon_ptr,
        "lane_successors": world.successors,
        "lane_successors_ptr": world.successors_ptr,
        "lane_left": world.left,
        "lane_right": world.right,
        "lane_connector": world.connector,
        "lane_speed_limit": world.speed_limit,
        "lane_has_speed_limit": world.has_speed_limit,
        "area_ring": world.ring,
        "area_ring_ptr": world.ring_ptr,
        "area_of_ring": world.ring_area,
        "area_layer": world.area_layer,
        "stop_segment": world.stop_segment,
        "stop_cause": world.stop_cause,
    }
