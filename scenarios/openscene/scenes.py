"""A window of an OpenScene log, from 2 Hz frames to a :class:`drive.scene.Scenario` of 10 Hz steps.

Frames are taken to be 0.5 s apart exactly, five steps, as NAVSIM takes them: every keyframe is a step, to the last bit.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline

from drive.drivers import default_drivers
from drive.geometry import poses_to_frame, rotate, wrap_angle
from drive.map import VectorMap, build_map
from drive.scene import EVENT_COLUMNS, AgentKind, Lights, LightState, Scenario, Tracks
from drive.vehicle import PACIFICA, ZOE, Ego, VehicleParameters
from scenarios.nuscenes.load import LICENCE as NUSCENES_LICENCE
from scenarios.nuscenes.motion import ego_states
from scenarios.nuscenes.tables import LOCATIONS as NUSCENES_LOCATIONS
from scenarios.openscene.logs import Frame, Log
from scenarios.openscene.maps import SourceMap
from scenarios.openscene.route import find_route
from scenarios.openscene.windows import Window, even

Float = NDArray[np.float64]

STEPS_PER_FRAME = 5
FRAME_SECONDS = 0.5
VEHICLES = {vehicle.name: vehicle for vehicle in (PACIFICA, ZOE)}
NUPLAN_LICENCE = (
    "CC BY-NC-SA 4.0 and nuPlan's terms, non-commercial; OpenScene and nuPlan, (c) Motional AD Inc., "
    "https://www.nuplan.org"
)
# The route is read from the drive up to this many frames beyond the window: where it goes next is no secret, logs name
# the route's roadblocks too.
_BEYOND = 40


def load_scene(log: Log, window: Window, source_map: SourceMap, vehicle: VehicleParameters) -> Scenario:
    """The scene of one window.

    The scene frame is the ego's pose at the frame that names the scene, and ``start`` is that frame's step. With
    NAVSIM's four frames of history that leaves 1.5 s before the start; observations repeat the first known ego state
    for what is missing of their 2 s, and have no agents there.

    ``reference`` holds the log's poses, velocities and accelerations at keyframes, exactly. Between them the pose
    follows a cubic through the logged velocities, and velocity and acceleration are linear. Logs have neither steering
    angle nor yaw rate, and NAVSIM scores with both at 0; closed-loop driving cannot begin a bend with straight wheels,
    so here they come from the driven path, and a NAVSIM scorer sets them to 0 itself.

    Raises:
        DataError, MapError, ScenarioError: The map or the window does not make a scene.
    """
    frames = log.frames[window.first : window.stop]
    named = log.frames[window.named]
    origin = named.pose.copy()
    poses = np.array([frame.pose for frame in frames])
    reference = _reference(frames, origin, vehicle)
    crop = source_map.crop(poses[:, :2], origin)
    vector_map = build_map(crop.lanes, crop.areas, crop.stop_lines)
    start = STEPS_PER_FRAME * (window.history - 1)
    route, gaps = find_route(vector_map, _drive(log, window, origin), start, named.roadblocks)
    tracks = _tracks(frames, origin)
    lights, unlit = _lights(frames, vector_map)
    scenario = Scenario(
        id=named.token,
        source="openscene",
        family="openscene",
        group=log.name,
        origin=origin,
        t0_us=named.time_us,
        start=start,
        map=vector_map,
        tracks=tracks,
        lights=lights,
        ego_vehicle=vehicle,
        route=np.array(route, np.int32),
        goal=(vector_map.lane_centerline(route[-1])[-1, :2] if route else reference[-1, :2]).copy(),
        reference=reference,
        drivers=default_drivers(tracks.kind),
        script=np.zeros((0, EVENT_COLUMNS)),
        provenance=_provenance(log, frames, named, tracks, [*crop.notes, *vector_map.dropped, *gaps, *unlit]),
        licence=NUSCENES_LICENCE if log.location in NUSCENES_LOCATIONS else NUPLAN_LICENCE,
    )
    scenario.validate()
    return scenario


def _provenance(log: Log, frames: Sequence[Frame], named: Frame, tracks: Tracks, notes: list[str]) -> dict[str, Any]:
    kinds, counts = np.unique(tracks.kind, return_counts=True)
    return {
        "dataset": "OpenScene",
        "file": log.path.name,
        "location": log.location,
        "vehicle": log.vehicle,
        "driving_command": named.command,
        "driving_commands": [frame.command for frame in frames],
        "frame_tokens": [frame.token for frame in frames],
        "frame_times_us": [frame.time_us for frame in frames],
        "roadblock_ids": list(named.roadblocks),
        "assumed": "frames 0.5 s apart; steering angle and yaw rate from the driven path",
        "bridged": _bridged(frames),
        "dropped": notes,
        "counts": {
            "agents": len(tracks.ids),
            "kinds": {AgentKind(kind).name.lower(): int(count) for kind, count in zip(kinds, counts, strict=True)},
        },
    }


def _bridged(frames: Sequence[Frame]) -> dict[str, list[int]]:
    """Track -> frames of the window between its first and last sight that do not show it; its path there is a guess."""
    seen: dict[str, list[int]] = {}
    for number, frame in enumerate(frames):
        for name in frame.tracks:
            seen.setdefault(name, []).append(number)
    gaps = {name: sorted(set(range(rows[0], rows[-1])) - set(rows)) for name, rows in seen.items()}
    return {name: rows for name, rows in gaps.items() if rows}


def _reference(frames: Sequence[Frame], origin: Float, vehicle: VehicleParameters) -> Float:
    """Ego states ``[5 (n - 1) + 1, 11]`` in the scene frame."""
    poses = poses_to_frame([frame.pose for frame in frames], origin)
    motion = np.array([frame.motion for frame in frames])
    times = FRAME_SECONDS * np.arange(len(frames))
    grid = _grid(0, len(frames) - 1) / STEPS_PER_FRAME * FRAME_SECONDS
    heading = np.unwrap(poses[:, 2])
    cos, sin = np.cos(heading), np.sin(heading)
    velocity = np.stack((cos * motion[:, 0] - sin * motion[:, 1], sin * motion[:, 0] + cos * motion[:, 1]), axis=-1)
    path = np.column_stack(
        (
            CubicHermiteSpline(times, poses[:, :2], velocity)(grid),
            CubicHermiteSpline(times, heading, np.gradient(heading, FRAME_SECONDS))(grid),
        )
    )
    path[::STEPS_PER_FRAME, :2], path[::STEPS_PER_FRAME, 2] = poses[:, :2], heading
    path[:, 2] = wrap_angle(path[:, 2])
    states = ego_states(path, vehicle)
    for column, values in zip((Ego.VX, Ego.VY, Ego.AX, Ego.AY), motion.T, strict=True):
        states[:, column] = np.interp(grid, times, values)
    return np.ascontiguousarray(states)


def _drive(log: Log, window: Window, origin: Float) -> Float:
    """Poses ``[n, 3]`` of the window at 10 Hz and on beyond it, as far as the recording has no hole."""
    stop = window.stop
    while stop < min(len(log.frames), window.stop + _BEYOND) and even(
        log.frames[stop - 1].time_us, log.frames[stop].time_us
    ):
        stop += 1
    poses = poses_to_frame([frame.pose for frame in log.frames[window.first : stop]], origin)
    rows = np.arange(len(poses)) * STEPS_PER_FRAME
    grid = _grid(0, len(poses) - 1)
    columns = (poses[:, 0], poses[:, 1], np.unwrap(poses[:, 2]))
    return np.column_stack([np.interp(grid, rows, column) for column in columns])


def _grid(first: int, last: int) -> NDArray[np.int64]:
    """Steps from frame ``first`` to frame ``last``."""
    return np.arange(STEPS_PER_FRAME * first, STEPS_PER_FRAME * last + 1)


def _tracks(frames: Sequence[Frame], origin: Float) -> Tracks:
    """Objects in order of appearance: linear between frames (gaps too), absent before the first and after the last.

    Size and kind are those of the first sight. An object of one frame is there at that frame's step alone; NAVSIM
    freezes it over the whole future, which is its scorer's affair.
    """
    seen: dict[str, list[tuple[int, int]]] = {}
    for number, frame in enumerate(frames):
        for row, name in enumerate(frame.tracks):
            seen.setdefault(name, []).append((number, row))
    steps = STEPS_PER_FRAME * (len(frames) - 1) + 1
    count = len(seen)
    tracks = Tracks(
        ids=tuple(seen),
        kind=np.zeros(count, np.int8),
        size=np.zeros((count, 2)),
        position=np.zeros((count, steps, 2)),
        heading=np.zeros((count, steps)),
        velocity=np.zeros((count, steps, 2)),
        valid=np.zeros((count, steps), np.bool_),
        cues=np.zeros((count, steps), np.uint8),
    )
    egos = poses_to_frame([frame.pose for frame in frames], origin)
    for agent, sights in enumerate(seen.values()):
        number, row = sights[0]
        tracks.kind[agent] = frames[number].kind[row]
        tracks.size[agent] = frames[number].boxes[row, 3:5]
        values = np.array([_state(frames[number], row, egos[number]) for number, row in sights])
        values[:, 2] = np.unwrap(values[:, 2])
        marks = np.array([number for number, _ in sights])
        grid = _grid(int(marks[0]), int(marks[-1]))
        x, y, heading, vx, vy = (np.interp(grid, STEPS_PER_FRAME * marks, column) for column in values.T)
        tracks.position[agent, grid] = np.stack((x, y), axis=-1)
        tracks.heading[agent, grid] = wrap_angle(heading)
        tracks.velocity[agent, grid] = np.stack((vx, vy), axis=-1)
        tracks.valid[agent, grid] = True
    return tracks


def _state(frame: Frame, row: int, ego: Float) -> Float:
    """x, y, heading, vx, vy ``[5]`` of a box in the scene frame, by the ego's pose there, in the plane."""
    position = ego[:2] + rotate(frame.boxes[row, :2], ego[2])
    return np.array((*position, frame.boxes[row, 6] + ego[2], *rotate(frame.velocity[row], ego[2])))


def _lights(frames: Sequence[Frame], vector_map: VectorMap) -> tuple[Lights, list[str]]:
    """Signals by connector: what a frame says holds until the next frame; a connector it does not name is unknown."""
    index = {name: lane for lane, name in enumerate(vector_map.lane_ids)}
    named = dict.fromkeys(name for frame in frames for name, _ in frame.lights)
    lanes = {name: row for row, name in enumerate(name for name in named if name in index)}
    steps = STEPS_PER_FRAME * (len(frames) - 1) + 1
    state = np.zeros((len(lanes), steps), np.int8)
    for number, frame in enumerate(frames):
        for name, red in sorted(frame.lights, key=lambda light: light[1]):  # red last: it counts if both are named
            if name in lanes:
                held = slice(STEPS_PER_FRAME * number, STEPS_PER_FRAME * (number + 1))
                state[lanes[name], held] = LightState.RED if red else LightState.GREEN
    lane = np.array([index[name] for name in lanes], np.int32)
    stops = np.array([vector_map.lane_centerline(int(row))[0, :2] for row in lane]).reshape(-1, 2)
    away = [name for name in named if name not in index]
    left_out = f"signals of {len(away)} connectors that the map lacks near the drive were left out: {', '.join(away)}"
    return Lights(lane, stops, state), [left_out] if away else []
