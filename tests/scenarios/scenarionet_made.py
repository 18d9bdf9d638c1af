"""ScenarioNet databases made for the tests: a straight road, as converters of nuScenes and of Waymo would write it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.openscene.unpickle import write_pickle

BASE = np.array((1800.0, 2400.0))
TURN = 0.5
FRAMES = 101
SPEED = 8.0


def at(x: Any, y: Any) -> np.ndarray:
    """Global points of the road's frame: x along it, y to its left."""
    x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    cos, sin = np.cos(TURN), np.sin(TURN)
    return np.stack((BASE[0] + cos * x - sin * y, BASE[1] + sin * x + cos * y), axis=-1)


def gone(time: Any, speed: float = SPEED) -> np.ndarray:
    """Way [m] of the ego after so many seconds: it speeds up by 0.2 m/s2."""
    time = np.asarray(time, float)
    return speed * time + 0.1 * time**2


def bus(
    lost: Sequence[int] = (), length: float | None = None, seam: int = FRAMES - 1, speed: float = SPEED
) -> tuple[np.ndarray, np.ndarray]:
    """Ego way [m] in a nuScenes file, ``[FRAMES]``, and on the clock of its frames.

    ``lost``: steps in which one message of the bus is missing. ``length`` [s] of the scene. ``seam``: first frame that
    has its pose from annotations.
    """
    late = np.zeros(FRAMES)
    for step in lost:
        late[step + 1 :] += 0.02
    sent = 0.1 * np.arange(FRAMES) + late
    frames = np.linspace(0.0, sent[-1] if length is None else length, FRAMES)
    return np.where(np.arange(FRAMES) < seam, gone(sent, speed), gone(frames, speed)), gone(frames, speed)


def track(
    kind: str, x: np.ndarray, y: Any, size: tuple[float, float], name: str, source: str, valid: Any = True
) -> dict[str, Any]:
    """A track along the road: velocities are forward differences, 0 at the end; zeros where it is not valid."""
    count = len(x)
    there = np.broadcast_to(np.asarray(valid, bool), (count,)).copy()
    position = np.column_stack((at(x, y), np.full(count, 0.7)))
    velocity = np.zeros((count, 2))
    velocity[:-1] = np.diff(position[:, :2], axis=0) / 0.1
    velocity[:-1][~there[1:]] = 0.0
    mask = there[:, None]
    return {
        "type": kind,
        "state": {
            "position": np.where(mask, position, 0.0),
            "heading": np.where(there, TURN, 0.0),
            "velocity": np.where(mask, velocity, 0.0),
            "valid": there.astype(float),
            "length": np.where(mask, size[0], 0.0),
            "width": np.where(mask, size[1], 0.0),
            "height": np.where(mask, 1.5, 0.0),
        },
        "metadata": {"track_length": count, "type": source, "object_id": name, "original_id": name},
    }


def _content(name: str, dataset: str, tracks: dict[str, Any], features: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "version": "1.0",
        "length": FRAMES,
        "metadata": {
            "id": name,
            "dataset": dataset,
            "metadrive_processed": False,
            "coordinate": "right-handed",
            "ts": 0.1 * np.arange(FRAMES),
            "sdc_id": "ego",
            **more,
        },
        "tracks": tracks,
        "dynamic_map_states": {},
        "map_features": features,
    }


def nuscenes_like(**clock: Any) -> dict[str, Any]:
    """Rear-axle ego with length and width exchanged, from the bus; a car ahead, a walker seen for a while."""
    x, _ = bus(**clock)
    frames = np.arange(FRAMES)
    tracks = {
        "ego": track("VEHICLE", x, 0.0, (1.73, 4.08), "ego", "vehicle.car"),
        "truck": track("VEHICLE", 40.0 + 0.8 * frames, 0.0, (7.0, 2.4), "truck", "vehicle.truck"),
        "walker": track(
            "PEDESTRIAN", 30.0 - 0.1 * frames, 6.0, (0.6, 0.7), "walker", "human.pedestrian.adult", frames < 50
        ),
    }
    features: dict[str, Any] = {}
    for number, (low, high) in enumerate(((-60, 40), (40, 60), (60, 200))):
        along = np.arange(low, high + 1, 2.0)
        line = [(*point, TURN) for point in at(along, 0.0)]
        features[f"lane-{number}"] = {"type": "LANE_SURFACE_STREET", "polyline": line}
        if number == 1:  # a connector: no polygon, and the converter's placeholder of a limit
            features["lane-1"]["speed_limit_kmh"] = 100
        else:
            ring = at(np.array((low, high, high, low)), np.array((-1.75, -1.75, 1.75, 1.75)))
            features[f"lane-{number}"]["polygon"] = [list(point) for point in (*ring, ring[0])]
    features["divider"] = {"type": "ROAD_LINE_SOLID_SINGLE_YELLOW", "polyline": at(np.arange(5.0), 2.0).tolist()}
    for number, (low, high, width) in enumerate(((-80.0, 220.0, 8.0), (90.0, 100.0, 1.0))):  # a road with an island
        shift = 0.0 if number == 0 else 5.0
        corners = np.array(((low, -width), (high, -width), (high, width), (low, width), (low, -width)))
        features[f"boundary_{number}"] = {
            "type": "ROAD_LINE_SOLID_SINGLE_WHITE",
            "polyline": at(corners[:, 0], corners[:, 1] + shift),
        }
    return _content("made", "nuscenes", tracks, features, map="boston-seaport", date="2018-08-28")


def waymo_like() -> dict[str, Any]:
    """Box-centre ego; two lanes each way with links and neighbours, heights in the third column, a light, a sign."""
    x = gone(0.1 * np.arange(FRAMES))
    frames = np.arange(FRAMES)
    tracks = {
        "ego": track("VEHICLE", x, 0.0, (5.0, 2.1), "ego", "VEHICLE"),
        "7": track("VEHICLE", 25.0 + 0.9 * frames, 3.5, (4.6, 1.9), "7", "VEHICLE", (frames < 40) | (frames > 60)),
        "8": track("CYCLIST", 10.0 + 0.4 * frames, -2.0, (1.8, 0.7), "8", "CYCLIST"),
    }
    for item in tracks.values():  # arrays of one axis, booleans, float32, as from Waymo
        state = item["state"]
        state["valid"] = state["valid"].astype(bool)
        for key in ("length", "width", "height"):
            state[key] = state[key][:, 0].astype(np.float32)

    def lane(low: float, high: float, y: float, back: bool = False, **more: Any) -> dict[str, Any]:
        along = np.arange(low, high + 0.1, 0.5)
        points = at(along[::-1] if back else along, y)
        return {
            "type": "LANE_SURFACE_STREET",
            "polyline": np.column_stack((points, np.full(len(along), 12.0))),
            "speed_limit_mph": 30,
            "speed_limit_kmh": 48.28,
            "entry_lanes": [],
            "exit_lanes": [],
            "left_neighbor": [],
            "right_neighbor": [],
            "interpolating": False,
            **more,
        }

    features = {
        "1": lane(-60, 60, 0.0, exit_lanes=[2], left_neighbor=[{"feature_id": "4", "boundaries": []}]),
        "2": lane(60, 80, 0.0, entry_lanes=[1], exit_lanes=[3], interpolating=True),
        "3": lane(80, 200, 0.0, entry_lanes=[2], exit_lanes=["far away"]),
        "4": lane(-60, 200, 3.5, right_neighbor=[{"feature_id": "1", "boundaries": []}]),
        "5": lane(-60, 200, 7.0, back=True),
        "6": lane(-60, 200, -3.0) | {"type": "LANE_BIKE_LANE"},
        "10": {"type": "ROAD_EDGE_BOUNDARY", "polyline": at(np.arange(-70.0, 211.0), -5.0)},
        "11": {"type": "ROAD_EDGE_BOUNDARY", "polyline": at(np.arange(210.0, -71.0, -1.0), 10.0)},
        "12": {"type": "CROSSWALK", "polygon": at(np.array((60.0, 63, 63, 60)), np.array((-5.0, -5, 10, 10)))},
        "13": {"type": "STOP_SIGN", "position": np.array((*at(58.0, -6.0), 12.0)), "lane": [1]},
        "14": {"type": "DRIVEWAY", "polygon": at(np.array((20.0, 26, 26, 20)), np.array((-12.0, -12, -5, -5)))},
        "15": {"type": "SPEED_BUMP", "polygon": at(np.array((0.0, 1, 1, 0)), np.array((-2.0, -2, 2, 2)))},
    }
    content = _content("wod", "waymo", tracks, features, current_time_index=10, source_file="shard-3")
    states = [None] * 5 + ["LANE_STATE_STOP"] * 45 + ["LANE_STATE_ARROW_CAUTION"] * 10 + ["TRAFFIC_LIGHT_GREEN"] * 40
    content["dynamic_map_states"]["2"] = {
        "type": "TRAFFIC_LIGHT",
        "state": {"object_state": [*states, "LANE_STATE_FLASHING_STOP"]},
        "lane": 2,
        "stop_point": np.array((*at(59.0, 0.0), 12.0), np.float32),
        "metadata": {"track_length": FRAMES, "type": "TRAFFIC_LIGHT", "object_id": "2"},
    }
    return content


def write_database(folder: Path, *contents: dict[str, Any]) -> Path:
    """A database as ScenarioNet lays it out: scenarios in a folder of their own, named by the mapping."""
    names = [f"sd_{item['metadata']['dataset']}_v1_{item['id']}.pkl" for item in contents]
    for name, item in zip(names, contents, strict=True):
        write_pickle(folder / "part_0" / name, item)
    write_pickle(
        folder / "dataset_summary.pkl", {name: item["metadata"] for name, item in zip(names, contents, strict=True)}
    )
    write_pickle(folder / "dataset_mapping.pkl", dict.fromkeys(names, "part_0"))
    return folder
