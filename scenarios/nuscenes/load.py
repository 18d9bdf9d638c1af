"""One nuScenes scene, from devkit tables and map expansion to a :class:`drive.scene.Scenario`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.drivers import default_drivers
from drive.errors import DataError
from drive.geometry import poses_to_frame, rotate, to_frame, wrap_angle
from drive.map import Layer, build_map
from drive.scene import DT, EVENT_COLUMNS, HISTORY_STEPS, AgentKind, Lights, Scenario, Tracks
from drive.vehicle import ZOE, Ego
from scenarios.nuscenes.maps import MapExpansion
from scenarios.nuscenes.motion import Motion, agents, ego_poses, ego_states, grid, interpolate
from scenarios.nuscenes.tables import Location, Record, open_tables, scene_samples
from scenarios.routes import match_route

LICENCE = "CC BY-NC-SA 4.0, non-commercial; nuScenes, (c) Motional AD Inc., https://www.nuscenes.org"
MAX_DRIVE_STEPS = 150
MIN_DRIVE_STEPS = 10


@dataclass(frozen=True)
class Recording:
    """What moves in one scene, whole length, global frame.

    Grid ``times [n]`` [us], time ``stamps`` [us] of the recorded ego poses, the ego's rear-axle poses ``driven [n, 3]``
    on the grid, and the agents' ``motion``.
    """

    times: NDArray[np.int64]
    stamps: NDArray[np.int64]
    driven: NDArray[np.float64]
    motion: Motion


def catalog(data: Any) -> list[dict[str, str]]:
    """Name, log file and location of every scene, in table order."""
    logs = {record["token"]: record for record in data.log}
    return [
        {"name": scene["name"], "log": log["logfile"], "location": log["location"]}
        for scene in data.scene
        for log in (logs[scene["log_token"]],)
    ]


def load_scenes(location: Location, names: Sequence[str]) -> Iterator[Scenario]:
    """Scenarios by scene name, in the order of ``names``.

    Raises:
        DataError: See :mod:`scenarios.nuscenes.tables`, ``motion`` and ``maps``.
    """
    data = open_tables(location)
    maps: dict[str, MapExpansion] = {}
    scenes = {scene["name"]: scene for scene in data.scene}
    for name in names:
        log = data.get("log", scenes[name]["log_token"])
        where = log["location"]
        if where not in maps:
            maps.clear()  # One at a time: a location's map is large.
            maps[where] = MapExpansion(location.root, where)
        yield _load(data, location, scenes[name], log, maps[where])


def check_scene(data: Any, scene: Record) -> Recording:
    """Read the moving part of one scene, map aside.

    Raises:
        DataError: It is too short, or a record in it is broken.
    """
    name = scene["name"]
    samples = scene_samples(data, scene)
    times = grid(int(samples[0]["timestamp"]), int(samples[-1]["timestamp"]))
    needed = HISTORY_STEPS + MIN_DRIVE_STEPS + 1
    if len(times) < needed:
        raise DataError(
            f"{name} is too short: its samples span {(len(times) - 1) * DT:.1f} s, "
            f"needed are {(needed - 1) * DT:.1f} s ({HISTORY_STEPS * DT:.0f} s of it history)"
        )
    stamps, recorded = ego_poses(data, scene, samples)
    return Recording(times, stamps, interpolate(stamps, recorded, times), agents(data, scene, samples, times))


def _load(data: Any, location: Location, scene: Record, log: Record, expansion: MapExpansion) -> Scenario:
    name = scene["name"]
    recording = check_scene(data, scene)
    times, driven, motion = recording.times, recording.driven, recording.motion
    steps = min(len(times), HISTORY_STEPS + MAX_DRIVE_STEPS + 1)
    origin = driven[HISTORY_STEPS].copy()
    reference = ego_states(poses_to_frame(driven, origin), ZOE)
    crop = expansion.crop(driven[:, :2], origin)
    vector_map = build_map(crop.lanes, crop.areas, crop.stop_lines)
    route, gaps = match_route(vector_map, reference[:, : Ego.VX], HISTORY_STEPS)
    notes = [*crop.notes, *vector_map.dropped, *gaps]
    spacing = float(np.diff(recording.stamps).max()) * 1e-6
    if spacing > 0.25:
        notes.append(f"recorded ego poses are up to {spacing:.2f} s apart")
    seen = motion.valid[:, :steps].any(axis=1)
    tracks = _tracks(motion, seen, steps, origin)
    scenario = Scenario(
        id=name,
        source="nuscenes",
        family="nuscenes",
        group=log["logfile"],
        origin=origin,
        t0_us=int(times[HISTORY_STEPS]),
        start=HISTORY_STEPS,
        map=vector_map,
        tracks=tracks,
        lights=Lights(np.zeros(0, np.int32), np.zeros((0, 2)), np.zeros((0, steps), np.int8)),
        ego_vehicle=ZOE,
        route=np.array(route, np.int32),
        goal=(vector_map.lane_centerline(route[-1])[-1, :2] if route else reference[-1, :2]).copy(),
        reference=np.ascontiguousarray(reference[:steps]),
        drivers=default_drivers(tracks.kind),
        script=np.zeros((0, EVENT_COLUMNS)),
        provenance={
            "dataset": "nuScenes",
            "version": location.version,
            "location": log["location"],
            "scene_token": scene["token"],
            "description": scene.get("description", ""),
            "assumed": "ego vehicle Renault Zoe; no speed limits and no signal states in this source",
            "recorded_s": round((len(times) - 1) * DT, 1),
            "dropped": notes,
            "counts": {
                "agents": len(tracks.ids),
                "agents_after_window": int((~seen).sum()),
                "single_annotation_tracks": motion.single,
                "velocities_recomputed": motion.unmeasured,
                "kinds": {
                    AgentKind(kind).name.lower(): int(count)
                    for kind, count in zip(*np.unique(tracks.kind, return_counts=True), strict=True)
                },
                "lanes": int((~vector_map.connector).sum()),
                "connectors": int(vector_map.connector.sum()),
                "areas": {
                    layer.name.lower(): int((vector_map.area_layer == layer).sum())
                    for layer in Layer
                    if (vector_map.area_layer == layer).any()
                },
                "stop_lines": len(vector_map.stop_cause),
            },
        },
        licence=LICENCE,
    )
    scenario.validate()
    return scenario


def _tracks(motion: Motion, seen: np.ndarray, steps: int, origin: np.ndarray) -> Tracks:
    """The agents seen in the first ``steps`` steps, in the scene frame; zeros where they are not valid."""
    valid = np.ascontiguousarray(motion.valid[seen, :steps])
    mask = valid[..., None]
    return Tracks(
        ids=tuple(token for token, kept in zip(motion.ids, seen, strict=True) if kept),
        kind=motion.kind[seen],
        size=motion.size[seen],
        position=np.where(mask, to_frame(motion.position[seen, :steps], origin), 0.0),
        heading=np.where(valid, wrap_angle(motion.heading[seen, :steps] - origin[2]), 0.0),
        velocity=np.where(mask, rotate(motion.velocity[seen, :steps], -origin[2]), 0.0),
        valid=valid,
        cues=np.zeros(valid.shape, np.uint8),
    )
