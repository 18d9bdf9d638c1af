"""Scenarios -> nuScenes v1.0 tables and map expansion 1.3 that the unmodified nuscenes-devkit loads."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.errors import DataError
from drive.scene import HISTORY_STEPS, AgentKind, Scenario
from drive.vehicle import Ego
from scenarios.export_map import CANVASES, MapLayers, bounds

Float = NDArray[np.float64]
Record = dict[str, Any]

VERSION = "v1.0-export"
STEP_US = 100_000
# Scenes on one map keep this distance [m], more than the loader's crop reaches.
GAP = 200.0
_EDGE = 20.0
# Where a scene has no time of its own, its recording begins here.
_EPOCH_US = 1_500_000_000_000_000

# Category, and a height [m] that the scene model does not have.
_CATEGORIES = {
    AgentKind.CAR: ("vehicle.car", 1.6),
    AgentKind.TRUCK: ("vehicle.truck", 3.0),
    AgentKind.BUS: ("vehicle.bus.rigid", 3.3),
    AgentKind.TRAILER: ("vehicle.trailer", 3.5),
    AgentKind.CONSTRUCTION_VEHICLE: ("vehicle.construction", 3.0),
    AgentKind.EMERGENCY: ("vehicle.emergency.police", 1.7),
    AgentKind.MOTORCYCLE: ("vehicle.motorcycle", 1.5),
    AgentKind.BICYCLE: ("vehicle.bicycle", 1.4),
    AgentKind.PEDESTRIAN: ("human.pedestrian.adult", 1.75),
    AgentKind.TRAFFIC_CONE: ("movable_object.trafficcone", 0.9),
    AgentKind.BARRIER: ("movable_object.barrier", 1.0),
    AgentKind.SIGN: ("movable_object.pushable_pullable", 2.0),
    AgentKind.GENERIC_OBJECT: ("movable_object.pushable_pullable", 1.0),
}
_OTHER_CATEGORIES = (
    "animal",
    "human.pedestrian.child",
    "human.pedestrian.construction_worker",
    "human.pedestrian.personal_mobility",
    "human.pedestrian.police_officer",
    "human.pedestrian.stroller",
    "human.pedestrian.wheelchair",
    "movable_object.debris",
    "static_object.bicycle_rack",
    "vehicle.bus.bendy",
    "vehicle.emergency.ambulance",
)
_ATTRIBUTES = (
    "vehicle.moving",
    "vehicle.stopped",
    "vehicle.parked",
    "cycle.with_rider",
    "cycle.without_rider",
    "pedestrian.sitting_lying_down",
    "pedestrian.standing",
    "pedestrian.moving",
)
_MOVING = 0.5


def export(
    scenarios: Sequence[Scenario], out_dir: Path, keyframe_hz: int = 2, version: str = VERSION
) -> dict[str, tuple[str, float, float]]:
    """Write scenarios as one nuScenes data set: ``<out_dir>/<version>/*.json`` and ``<out_dir>/maps``.

    The ego is written at 10 Hz (LIDAR_TOP key frames and sweeps), agents at every keyframe. Each scene lies on a piece
    of one of the four official maps of its own, as it is (not turned), so several maps can be in one data set. With
    ``keyframe_hz=10`` loading gives back every agent at every step; with 2, as nuScenes does, agents between keyframes
    come back on straight lines and one seen between two keyframes only does not come back at all.

    What nuScenes cannot hold is lost: signals, speed limits, ``borrow_allowed``, driver parameters, script, paths,
    cues, hardness, agents' velocities (the loader derives them), signs (they return as generic objects), occluders and
    the occlusion flag, the ego vehicle's dimensions (its name is in ``log.json``; the loader takes nuScenes' own car),
    steps more than 2 s before the start; an agent with a gap in its track comes back as two. Neighbours, roadblocks and
    the route are found anew.

    Returns:
        Per scene id: map name, and x, y [m] of the scene frame's origin on that map.

    Raises:
        DataError: No scenarios, repeating ids, less than 2 s of history, or too large for the maps together.
    """
    if keyframe_hz not in (2, 10):
        raise DataError(f"keyframe_hz is {keyframe_hz}, expected 2 or 10")
    ids = [scenario.id for scenario in scenarios]
    if not ids or len(set(ids)) < len(ids):
        raise DataError(f"scenario ids must be unique and at least one, got {len(ids)} with {len(set(ids))} names")
    for scenario in scenarios:
        if scenario.start < HISTORY_STEPS:
            raise DataError(
                f"scenario {scenario.id!r} starts at step {scenario.start}, needed is {HISTORY_STEPS} (2 s)"
            )
    folder = Path(out_dir)
    places, _ = write_maps(scenarios, folder / "maps")
    tables = _Tables(10 // keyframe_hz)
    shared_tracks = _repeated(name for scenario in scenarios for name in scenario.tracks.ids)
    for scenario in scenarios:
        name, x, y = places[scenario.id]
        tables.add(scenario, name, np.array((x, y)), shared_tracks)
    for table, records in tables.finish(list(dict.fromkeys(place[0] for place in places.values()))).items():
        _write(folder / version / f"{table}.json", records)
    return places


def write_maps(
    scenarios: Sequence[Scenario], folder: Path
) -> tuple[dict[str, tuple[str, float, float]], dict[str, dict[str, str]]]:
    """Lay every scene on a piece of its own of the four official maps and write the map expansions used.

    Returns:
        Per scene id: map name, and x, y [m] of the scene frame's origin there; and per scene id: lane id -> its name in
        the file, which differs where several scenes have a lane of that id.

    Raises:
        DataError: The scenes are too large for the maps together.
    """
    places = _place(scenarios)
    layers = {name: MapLayers(name) for name in dict.fromkeys(place[0] for place in places.values())}
    shared = _repeated(name for scenario in scenarios for name in scenario.map.lane_ids)
    names = {}
    for scenario in scenarios:
        name, x, y = places[scenario.id]
        prefix = f"{scenario.id}:"
        layers[name].add(scenario.map, np.array((x, y)), prefix, shared)
        names[scenario.id] = {lane: prefix + lane if lane in shared else lane for lane in scenario.map.lane_ids}
    for name, map_layers in layers.items():
        _write(folder / "expansion" / f"{name}.json", map_layers.content())
        _blank_image(folder / f"{token('mask', name)}.png")
    return places, names


def token(*parts: object) -> str:
    """A nuScenes-like token: 32 hexadecimal digits that depend on the parts only."""
    return hashlib.md5("\0".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


def _repeated(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def _place(scenarios: Sequence[Scenario]) -> dict[str, tuple[str, float, float]]:
    """Shelf packing, tallest first: rows from south to north, map after map."""
    boxes = {scenario.id: bounds(scenario) for scenario in scenarios}
    places: dict[str, tuple[str, float, float]] = {}
    maps = iter(CANVASES.items())
    name, (width, height) = next(maps)
    x = y = _EDGE
    top = y
    for scene, (low, high) in sorted(boxes.items(), key=lambda item: (item[1][0][1] - item[1][1][1], item[0])):
        size = high - low
        while True:
            if x + size[0] <= width - _EDGE and y + size[1] <= height - _EDGE:
                break
            if x > _EDGE:  # next row
                x, y = _EDGE, top + GAP
                continue
            following = next(maps, None)
            if following is None:
                raise DataError(
                    f"scenario {scene!r} ({size[0]:.0f} x {size[1]:.0f} m) no longer fits on the four maps "
                    "beside the others; export fewer scenarios at a time"
                )
            name, (width, height) = following
            x = y = top = _EDGE
        places[scene] = (name, float(x - low[0]), float(y - low[1]))
        x, top = x + float(size[0]) + GAP, max(top, y + float(size[1]))
    return places


class _Tables:
    """The thirteen tables, filled scene by scene."""

    def __init__(self, keyframe_every: int) -> None:
        self._every = keyframe_every
        self._logs: dict[str, Record] = {}
        self._rows: dict[str, list[Record]] = {
            name: [] for name in ("scene", "sample", "sample_data", "ego_pose", "instance", "sample_annotation")
        }

    def add(self, scenario: Scenario, location: str, offset: Float, shared: set[str]) -> None:
        """Append one scene whose frame lies at ``offset`` [m] on the map."""
        first = scenario.start - HISTORY_STEPS
        steps = list(range(first, scenario.steps))
        keyframes = [step for step in steps if (step - first) % self._every == 0]
        if keyframes[-1] != steps[-1]:
            keyframes.append(steps[-1])  # The recording ends with a keyframe, or its tail would be lost.
        begin = scenario.t0_us - HISTORY_STEPS * STEP_US
        begin = begin if begin > 0 else _EPOCH_US
        times = {step: begin + (step - first) * STEP_US for step in steps}
        samples = {step: token("sample", scenario.id, step) for step in keyframes}
        scene = token("scene", scenario.id)
        log = token("log", scenario.group, location, scenario.ego_vehicle.name)
        self._logs[log] = {
            "token": log,
            "logfile": scenario.group,
            "vehicle": scenario.ego_vehicle.name,
            "date_captured": datetime.fromtimestamp(begin / 1e6, UTC).strftime("%Y-%m-%d"),
            "location": location,
        }
        description = scenario.provenance.get("description") or f"{scenario.source} {scenario.family}"
        self._rows["scene"].append(
            {
                "token": scene,
                "log_token": log,
                "nbr_samples": len(keyframes),
                "first_sample_token": samples[keyframes[0]],
                "last_sample_token": samples[keyframes[-1]],
                "name": scenario.id,
                "description": str(description),
            }
        )
        chain = ["", *samples.values(), ""]
        self._rows["sample"] += [
            {
                "token": samples[step],
                "timestamp": times[step],
                "prev": chain[index],
                "next": chain[index + 2],
                "scene_token": scene,
            }
            for index, step in enumerate(keyframes)
        ]
        self._add_ego(scenario, steps, samples, times, offset)
        for agent in range(len(scenario.tracks.ids)):
            self._add_agent(scenario, agent, keyframes, samples, offset, shared)

    def _add_ego(
        self, scenario: Scenario, steps: list[int], samples: dict[int, str], times: dict[int, int], offset: Float
    ) -> None:
        chain = ["", *(token("sample_data", scenario.id, step) for step in steps), ""]
        upcoming = ""
        owners: dict[int, str] = {}
        for step in reversed(steps):  # A sweep belongs to the next keyframe, as in nuScenes.
            upcoming = samples.get(step, upcoming)
            owners[step] = upcoming
        for index, step in enumerate(steps):
            pose = scenario.reference[step]
            ego_pose = token("ego_pose", scenario.id, step)
            self._rows["ego_pose"].append(
                {
                    "token": ego_pose,
                    "timestamp": times[step],
                    "rotation": _rotation(pose[Ego.HEADING]),
                    "translation": _metres(pose[Ego.X] + offset[0], pose[Ego.Y] + offset[1], 0.0),
                }
            )
            folder = "samples" if step in samples else "sweeps"
            self._rows["sample_data"].append(
                {
                    "token": chain[index + 1],
                    "sample_token": owners[step],
                    "ego_pose_token": ego_pose,
                    "calibrated_sensor_token": token("calibrated_sensor", "LIDAR_TOP"),
                    "timestamp": times[step],
                    "fileformat": "pcd",
                    "is_key_frame": step in samples,
                    "height": 0,
                    "width": 0,
                    "filename": f"{folder}/LIDAR_TOP/{scenario.id}__LIDAR_TOP__{times[step]}.pcd.bin",
                    "prev": chain[index],
                    "next": chain[index + 2],
                }
            )

    def _add_agent(
        self,
        scenario: Scenario,
        agent: int,
        keyframes: list[int],
        samples: dict[int, str],
        offset: Float,
        shared: set[str],
    ) -> None:
        tracks = scenario.tracks
        name = tracks.ids[agent]
        base = f"{scenario.id}:{name}" if name in shared else name
        category, height = _CATEGORIES[AgentKind(int(tracks.kind[agent]))]
        length, width = tracks.size[agent]
        for part, run in enumerate(_runs(tracks.valid[agent], keyframes)):
            instance = base if part == 0 else f"{base}#{part + 1}"
            chain = ["", *(token("annotation", scenario.id, instance, step) for step in run), ""]
            self._rows["instance"].append(
                {
                    "token": instance,
                    "category_token": token("category", category),
                    "nbr_annotations": len(run),
                    "first_annotation_token": chain[1],
                    "last_annotation_token": chain[-2],
                }
            )
            for index, step in enumerate(run):
                x, y = tracks.position[agent, step] + offset
                speed = float(np.hypot(*tracks.velocity[agent, step]))
                self._rows["sample_annotation"].append(
                    {
                        "token": chain[index + 1],
                        "sample_token": samples[step],
                        "instance_token": instance,
                        "visibility_token": "4",
                        "attribute_tokens": _attributes(category, speed),
                        "translation": _metres(x, y, height / 2),
                        "size": _metres(width, length, height),
                        "rotation": _rotation(tracks.heading[agent, step]),
                        "prev": chain[index],
                        "next": chain[index + 2],
                        "num_lidar_pts": 1,
                        "num_radar_pts": 0,
                    }
                )

    def finish(self, locations: list[str]) -> dict[str, list[Record]]:
        """All tables by name."""
        categories = (*dict.fromkeys(name for name, _ in _CATEGORIES.values()), *_OTHER_CATEGORIES)
        levels = ("v0-40", "v40-60", "v60-80", "v80-100")
        sensor = token("sensor", "LIDAR_TOP")
        return {
            **self._rows,
            "category": [{"token": token("category", name), "name": name, "description": ""} for name in categories],
            "attribute": [{"token": token("attribute", name), "name": name, "description": ""} for name in _ATTRIBUTES],
            "visibility": [
                {"token": str(number + 1), "level": level, "description": f"visibility of the whole object, {level}"}
                for number, level in enumerate(levels)
            ],
            "sensor": [{"token": sensor, "channel": "LIDAR_TOP", "modality": "lidar"}],
            "calibrated_sensor": [
                {
                    "token": token("calibrated_sensor", "LIDAR_TOP"),
                    "sensor_token": sensor,
                    "translation": [0.94, 0.0, 1.84],
                    "rotation": _rotation(-np.pi / 2),
                    "camera_intrinsic": [],
                }
            ],
            "log": list(self._logs.values()),
            "map": [
                {
                    "token": token("mask", location),
                    "category": "semantic_prior",
                    "filename": f"maps/{token('mask', location)}.png",
                    "log_tokens": [log["token"] for log in self._logs.values() if log["location"] == location],
                }
                for location in locations
            ],
        }


def _runs(valid: NDArray[np.bool_], keyframes: list[int]) -> list[list[int]]:
    """Keyframes at which an agent is there, split where it is absent at any step in between."""
    runs: list[list[int]] = []
    last = None
    for step in keyframes:
        if not valid[step]:
            continue
        if last is not None and valid[last : step + 1].all():
            runs[-1].append(step)
        else:
            runs.append([step])
        last = step
    return runs


def _attributes(category: str, speed: float) -> list[str]:
    moving = speed > _MOVING
    if category in ("vehicle.motorcycle", "vehicle.bicycle"):
        return [token("attribute", "cycle.with_rider" if moving else "cycle.without_rider")]
    if category.startswith("vehicle."):
        return [token("attribute", "vehicle.moving" if moving else "vehicle.stopped")]
    if category.startswith("human."):
        return [token("attribute", "pedestrian.moving" if moving else "pedestrian.standing")]
    return []


def _metres(*values: float) -> list[float]:
    return [round(float(value), 6) for value in values]


def _rotation(heading: float) -> list[float]:
    return [round(float(np.cos(heading / 2)), 12), 0.0, 0.0, round(float(np.sin(heading / 2)), 12)]


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, allow_nan=False))


def _blank_image(path: Path) -> None:
    """The devkit wants a base map image to exist; nothing here reads it."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 8)).save(path)
