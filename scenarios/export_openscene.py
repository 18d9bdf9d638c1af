"""Scenarios -> OpenScene / NAVSIM logs (2 Hz frames, plain containers and arrays) and nuScenes map expansions."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.errors import DataError
from drive.geometry import arc_length, poses_to_frame, rotate, wrap_angle
from drive.scene import AgentKind, LightState, Scenario
from drive.vehicle import Ego
from scenarios.export import write_maps
from scenarios.openscene.logs import COMMANDS
from scenarios.openscene.unpickle import write_pickle

Float = NDArray[np.float64]

SPLIT = "export"
_STEP = 5
_FRAME_US = 500_000
# NAVSIM's history: frames before the one that names a scene.
_BEFORE = 3
# Where a scene has no time of its own, its log begins here.
_EPOCH_US = 1_500_000_000_000_000
# NAVSIM takes a token of 17 characters for that of a synthetic scene.
_TOKEN_LENGTH = 16
_FORBIDDEN_LENGTH = 17

# Class, and a height [m] that the scene model does not have.
_CLASSES = {
    AgentKind.CAR: ("vehicle", 1.6),
    AgentKind.TRUCK: ("vehicle", 3.0),
    AgentKind.BUS: ("vehicle", 3.3),
    AgentKind.TRAILER: ("vehicle", 3.5),
    AgentKind.CONSTRUCTION_VEHICLE: ("vehicle", 3.0),
    AgentKind.EMERGENCY: ("vehicle", 1.7),
    AgentKind.MOTORCYCLE: ("bicycle", 1.5),
    AgentKind.BICYCLE: ("bicycle", 1.4),
    AgentKind.PEDESTRIAN: ("pedestrian", 1.75),
    AgentKind.TRAFFIC_CONE: ("traffic_cone", 0.9),
    AgentKind.BARRIER: ("barrier", 1.0),
    AgentKind.SIGN: ("czone_sign", 2.0),
    AgentKind.GENERIC_OBJECT: ("generic_object", 1.0),
}
_CAMERAS = ("CAM_F0", "CAM_L0", "CAM_L1", "CAM_L2", "CAM_R0", "CAM_R1", "CAM_R2", "CAM_B0")
# The command is where the drive leads this far ahead [m]: to a side by more than _ASIDE, unknown if it ends before.
_AHEAD, _LEAST_AHEAD, _ASIDE = 20.0, 5.0, 2.0


def export(scenarios: Sequence[Scenario], out_dir: Path) -> dict[str, Path]:
    """Write each scenario as one log, ``<out_dir>/navsim_logs/export/<id>.pkl``, and its map, ``<out_dir>/maps``.

    Frames are every fifth step, from 1.5 s before the start, so that the first window of NAVSIM's default filter is
    named by the frame at the start. NAVSIM's classes are fewer: all motor vehicles are ``vehicle``, motorcycles are
    ``bicycle``. Lost as well: yellow lights (they are not red), unknown lights, everything between keyframes, steps
    earlier than 1.5 s before the start, the ego vehicle's dimensions, its steering angle and yaw rate, the group (every
    log is one of its own), paths, drivers, script, cues and the occlusion flag, and of the map what nuScenes
    cannot hold (speed limits, occluders).

    Returns:
        Per scene id: the log file.

    Raises:
        DataError: No scenarios, repeating ids, less than 1.5 s of history, or too large for the maps together.
    """
    ids = [scenario.id for scenario in scenarios]
    files = {name: re.sub(r"[^\w.+-]", "_", name) for name in ids}
    if not ids or len(set(files.values())) < len(ids):
        raise DataError(f"scenario ids must be unique and at least one, got {len(ids)} with {len(set(ids))} names")
    for scenario in scenarios:
        if scenario.start < _BEFORE * _STEP:
            raise DataError(
                f"scenario {scenario.id!r} starts at step {scenario.start}, needed is {_BEFORE * _STEP} (1.5 s)"
            )
    folder = Path(out_dir)
    places, lanes = write_maps(scenarios, folder / "maps")
    written = {}
    for scenario in scenarios:
        location, x, y = places[scenario.id]
        stem = files[scenario.id]
        written[scenario.id] = folder / "navsim_logs" / SPLIT / f"{stem}.pkl"
        write_pickle(written[scenario.id], _frames(scenario, stem, location, np.array((x, y)), lanes[scenario.id]))
    return written


def _frames(
    scenario: Scenario, log: str, location: str, offset: Float, lanes: Mapping[str, str]
) -> list[dict[str, Any]]:
    first = scenario.start - _BEFORE * _STEP
    steps = list(range(first, scenario.steps, _STEP))
    tokens = [frame_token(scenario, step) for step in steps]
    begin = scenario.t0_us - _BEFORE * _FRAME_US
    begin = begin if begin > 0 else _EPOCH_US
    groups = dict.fromkeys(scenario.map.group_ids[scenario.map.group[lane]] for lane in scenario.route)
    frames = []
    for number, (step, token) in enumerate(zip(steps, tokens, strict=True)):
        x, y, heading = scenario.reference[step, : Ego.VX] + np.array((*offset, 0.0))
        rotation = np.array((np.cos(heading / 2), 0.0, 0.0, np.sin(heading / 2)))
        pose = _matrix(heading, x, y)
        frames.append(
            {
                "token": token,
                "frame_idx": number,
                "timestamp": begin + number * _FRAME_US,
                "log_name": log,
                "log_token": _token("log", log),
                "scene_name": log,
                "scene_token": _token("scene", log),
                "map_location": location,
                "roadblock_ids": list(groups),
                "vehicle_name": scenario.ego_vehicle.name,
                "can_bus": np.zeros(18),
                "lidar_path": f"{log}/MergedPointCloud/{token}.pcd",
                "lidar2ego_translation": np.zeros(3),
                "lidar2ego_rotation": np.array((1.0, 0.0, 0.0, 0.0)),
                "lidar2ego": np.eye(4),
                "lidar2global": pose,
                "ego2global_translation": np.array((x, y, 0.0)),
                "ego2global_rotation": rotation,
                "ego2global": pose,
                "ego_dynamic_state": scenario.reference[step, Ego.VX : Ego.STEERING].tolist(),
                "traffic_lights": _lights(scenario, step, lanes),
                "driving_command": _command(scenario, step),
                "cams": {name: _camera(f"{log}/{name}/{token}.jpg") for name in _CAMERAS},
                "sample_prev": tokens[number - 1] if number else None,
                "sample_next": tokens[number + 1] if number + 1 < len(tokens) else None,
                "anns": _boxes(scenario, step, token),
            }
        )
    return frames


def frame_token(scenario: Scenario, step: int) -> str:
    """Token of the frame at a scene step: the source's own if it was such a log, else 16 hexadecimal digits."""
    known, at = scenario.provenance.get("frame_tokens", ()), step // _STEP
    kept = scenario.source == "openscene" and step % _STEP == 0 and at < len(known)
    own = str(known[at]) if kept else ""
    return own if own and len(own) != _FORBIDDEN_LENGTH else _token("frame", scenario.id, step)


def _boxes(scenario: Scenario, step: int, token: str) -> dict[str, Any]:
    """The ``anns`` of a frame: boxes in ego axes, velocities over ground turned into them."""
    tracks = scenario.tracks
    there = np.flatnonzero(tracks.valid[:, step])
    ego = scenario.reference[step, : Ego.VX]
    poses = poses_to_frame(
        np.column_stack((tracks.position[there, step], tracks.heading[there, step])).reshape(-1, 3), ego
    )
    classes = [_CLASSES[AgentKind(int(kind))] for kind in tracks.kind[there]]
    height = np.array([height for _, height in classes])
    names = [tracks.ids[agent] for agent in there]
    boxes = np.column_stack((poses[:, :2], height / 2, tracks.size[there], height, wrap_angle(poses[:, 2])))
    velocity = np.column_stack((rotate(tracks.velocity[there, step], -ego[2]), np.zeros(len(there))))
    return {
        "gt_boxes": boxes.astype(np.float32).reshape(-1, 7),
        "gt_names": np.array([name for name, _ in classes], np.str_),
        "gt_velocity_3d": velocity.astype(np.float32).reshape(-1, 3),
        "instance_tokens": [_token("box", token, name) for name in names],
        "track_tokens": names,
    }


def _lights(scenario: Scenario, step: int, lanes: Mapping[str, str]) -> list[tuple[str, bool]]:
    """Known signals; yellow is not red."""
    return [
        (lanes[scenario.map.lane_ids[lane]], bool(state == LightState.RED))
        for lane, state in zip(scenario.lights.lane, scenario.lights.state[:, step], strict=True)
        if state != LightState.UNKNOWN
    ]


def _command(scenario: Scenario, step: int) -> NDArray[np.int64]:
    """One-hot driving command: the log's own, else from where the reference drive leads."""
    known = scenario.provenance.get("driving_commands", ())
    if scenario.source == "openscene" and step % _STEP == 0 and step // _STEP < len(known):
        name = str(known[step // _STEP])
    else:
        ahead = poses_to_frame(scenario.reference[step:, : Ego.VX], scenario.reference[step, : Ego.VX])
        way = arc_length(ahead)
        aside = float(ahead[int(np.searchsorted(way, min(_AHEAD, way[-1]))), 1])
        turned = "left" if aside > _ASIDE else "right" if aside < -_ASIDE else "straight"
        name = "unknown" if way[-1] < _LEAST_AHEAD else turned
    return np.array([name == command for command in COMMANDS], np.int64)


def _camera(path: str) -> dict[str, Any]:
    """A placeholder: there are no images."""
    return {
        "data_path": path,
        "sensor2lidar_rotation": np.eye(3),
        "sensor2lidar_translation": np.zeros(3),
        "cam_intrinsic": np.eye(3),
        "distortion": np.zeros(5),
    }


def _matrix(heading: float, x: float, y: float) -> Float:
    matrix = np.eye(4)
    matrix[:2, :2] = ((np.cos(heading), -np.sin(heading)), (np.sin(heading), np.cos(heading)))
    matrix[:2, 3] = x, y
    return matrix


def _token(*parts: object) -> str:
    text = "\0".join(map(str, parts))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:_TOKEN_LENGTH]
