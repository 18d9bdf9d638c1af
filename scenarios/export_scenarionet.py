"""Scenarios -> a ScenarioNet database: one pickle of plain containers and arrays per scene, summary and mapping.

The structure is the documented one (MetaDrive's scenario description). What it has no field for goes into further keys,
which its readers pass over and :mod:`scenarios.scenarionet` reads back.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.errors import DataError
from drive.geometry import arc_length, from_frame, poses_from_frame, rotate
from drive.map import Layer, StopCause, VectorMap
from drive.scene import AgentKind, LightState, Scenario
from drive.vehicle import Ego, center_from_rear_axle
from scenarios.openscene.unpickle import write_pickle
from scenarios.scenarionet import MAPPING, SUMMARY
from scenarios.scenarionet.files import OWN
from scenarios.scenarionet.own import KEY

Float = NDArray[np.float64]

VERSION = "1"
EGO = "ego"
# Type, and a height [m] that the scene model does not have.
_TYPES = {
    AgentKind.CAR: ("VEHICLE", 1.6),
    AgentKind.TRUCK: ("VEHICLE", 3.0),
    AgentKind.BUS: ("VEHICLE", 3.3),
    AgentKind.TRAILER: ("VEHICLE", 3.5),
    AgentKind.CONSTRUCTION_VEHICLE: ("VEHICLE", 3.0),
    AgentKind.EMERGENCY: ("VEHICLE", 1.7),
    AgentKind.MOTORCYCLE: ("CYCLIST", 1.5),
    AgentKind.BICYCLE: ("CYCLIST", 1.4),
    AgentKind.PEDESTRIAN: ("PEDESTRIAN", 1.75),
    AgentKind.TRAFFIC_CONE: ("TRAFFIC_CONE", 0.9),
    AgentKind.BARRIER: ("TRAFFIC_BARRIER", 1.0),
    AgentKind.SIGN: ("TRAFFIC_BARRIER", 2.0),
    AgentKind.GENERIC_OBJECT: ("TRAFFIC_BARRIER", 1.0),
}
_LIGHTS = {
    LightState.UNKNOWN: "TRAFFIC_LIGHT_UNKNOWN",
    LightState.GREEN: "TRAFFIC_LIGHT_GREEN",
    LightState.YELLOW: "TRAFFIC_LIGHT_YELLOW",
    LightState.RED: "TRAFFIC_LIGHT_RED",
}
# Types of areas, and whether they are polygons or lines there. Layers without a type of their own are UNSET.
_AREAS = {
    Layer.DRIVABLE: ("ROAD_EDGE_BOUNDARY", "polyline"),
    Layer.CROSSWALK: ("CROSSWALK", "polygon"),
    Layer.CARPARK: ("DRIVEWAY", "polygon"),
    Layer.WALKWAY: ("ROAD_EDGE_SIDEWALK", "polygon"),
}
_KMH = 3.6


def export(scenarios: Sequence[Scenario], out_dir: Path) -> dict[str, Path]:
    """Write scenarios as one database: ``<out_dir>/sd_drive_1_<id>.pkl``, ``dataset_summary.pkl``,
    ``dataset_mapping.pkl``.

    Everything is in the source's global frame, the ego a track of its own (box centre). Only what moves agents in
    reactive traffic, which no other reader knows, is in the scene's frame. Provenance is lost.

    Returns:
        Per scene id: the file.

    Raises:
        DataError: No scenarios, ids that repeat, or an agent that has the ego's name.
    """
    names = [f"sd_{OWN}_{VERSION}_{re.sub(r'[^A-Za-z0-9_.+-]', '_', scenario.id)}.pkl" for scenario in scenarios]
    if not names or len(set(names)) < len(names):
        raise DataError(f"scenario ids must be unique and at least one, got {len(names)} with {len(set(names))} names")
    folder = Path(out_dir)
    written, summary = {}, {}
    for scenario, name in zip(scenarios, names, strict=True):
        content = description(scenario)
        write_pickle(folder / name, content)
        written[scenario.id] = folder / name
        summary[name] = content["metadata"]
    write_pickle(folder / SUMMARY, summary)
    write_pickle(folder / MAPPING, dict.fromkeys(names, ""))
    return written


def description(scenario: Scenario) -> dict[str, Any]:
    """One scenario as ScenarioNet's dictionary.

    Raises:
        DataError: An agent has the ego's name.
    """
    if EGO in scenario.tracks.ids:
        raise DataError(f"scenario {scenario.id!r} has an agent named {EGO!r}, as ScenarioNet names the ego")
    tracks = {EGO: _ego(scenario)}
    tracks |= {name: _track(scenario, agent, name) for agent, name in enumerate(scenario.tracks.ids)}
    lights = {signal["metadata"]["object_id"]: signal for signal in _lights(scenario)}
    features = _lanes(scenario) | _areas(scenario) | _stops(scenario)
    return {
        "id": scenario.id,
        "version": VERSION,
        "length": scenario.steps,
        "metadata": _metadata(scenario) | _summaries(tracks, lights, features),
        "tracks": tracks,
        "dynamic_map_states": lights,
        "map_features": features,
        KEY: _motives(scenario),
    }


def _motives(scenario: Scenario) -> dict[str, Any]:
    """What moves agents in reactive traffic, and what planners may see."""
    paths = scenario.paths
    return {
        "drivers": scenario.drivers.copy(),
        "script": scenario.script.copy(),
        "paths": None
        if paths is None
        else {"points": paths.points.copy(), "limit": paths.limit.copy(), "ptr": paths.ptr.copy()},
        "hardness": float(scenario.hardness),
        "occlusion": bool(scenario.occlusion),
    }


def _metadata(scenario: Scenario) -> dict[str, Any]:
    vehicle = scenario.ego_vehicle
    return {
        "id": scenario.id,
        "scenario_id": scenario.id,
        "dataset": OWN,
        "exported_from": scenario.source,
        "metadrive_processed": False,
        "coordinate": "right-handed",
        "sample_rate": scenario.dt,
        "ts": scenario.dt * np.arange(scenario.steps),
        "sdc_id": EGO,
        "current_time_index": scenario.start,
        "t0_us": scenario.t0_us,
        "family": scenario.family,
        "group": scenario.group,
        "licence": scenario.licence,
        "origin": scenario.origin.copy(),
        "goal": from_frame(scenario.goal, scenario.origin),
        "route": [scenario.map.lane_ids[lane] for lane in scenario.route],
        "ego_vehicle": {
            "name": vehicle.name,
            "length": vehicle.length,
            "width": vehicle.width,
            "wheelbase": vehicle.wheelbase,
            "rear_axle_to_center": vehicle.rear_axle_to_center,
        },
    }


def _ego(scenario: Scenario) -> dict[str, Any]:
    steps = scenario.steps
    vehicle = scenario.ego_vehicle
    states = scenario.reference.copy()
    states[:, : Ego.VX] = poses_from_frame(scenario.reference[:, : Ego.VX], scenario.origin)
    centre = center_from_rear_axle(states[:, : Ego.VX], vehicle)
    forward = np.stack((np.cos(centre[:, 2]), np.sin(centre[:, 2])), axis=-1)
    left = np.stack((-forward[:, 1], forward[:, 0]), axis=-1)
    # The centre swings out when the car turns.
    across = states[:, Ego.VY] + vehicle.rear_axle_to_center * states[:, Ego.YAW_RATE]
    velocity = states[:, Ego.VX, None] * forward + across[:, None] * left
    track = _state(centre, velocity, np.ones(steps, np.bool_), vehicle.length, vehicle.width, 1.6)
    track["rear_axle_states"] = states
    return {"type": "VEHICLE", "state": track, "metadata": _about(EGO, "VEHICLE", steps)}


def _track(scenario: Scenario, agent: int, name: str) -> dict[str, Any]:
    tracks = scenario.tracks
    kind = AgentKind(int(tracks.kind[agent]))
    type_, height = _TYPES[kind]
    poses = np.column_stack((tracks.position[agent], tracks.heading[agent]))
    length, width = map(float, tracks.size[agent])
    velocity = rotate(tracks.velocity[agent], float(scenario.origin[2]))
    moved = poses_from_frame(poses, scenario.origin)
    state = _state(moved, velocity, tracks.valid[agent], length, width, height)
    state["cues"] = tracks.cues[agent].copy()
    return {
        "type": type_,
        "state": state,
        "metadata": _about(name, type_, scenario.steps) | {"agent_kind": kind.name},
    }


def _state(
    poses: Float, velocity: Float, valid: NDArray[np.bool_], length: float, width: float, height: float
) -> dict[str, NDArray[Any]]:
    """State arrays, zeros where the object is not there, as ScenarioNet has them."""
    there = valid[:, None]
    sized = valid if valid.any() else ~valid  # an agent that is never there has a size all the same
    position = np.column_stack((poses[:, :2], np.full(len(poses), height / 2)))
    return {
        "position": np.where(there, position, 0.0),
        "heading": np.where(valid, poses[:, 2], 0.0),
        "velocity": np.where(there, velocity, 0.0),
        "valid": valid.copy(),
        "length": np.where(sized, length, 0.0),
        "width": np.where(sized, width, 0.0),
        "height": np.where(sized, height, 0.0),
    }


def _about(name: str, type_: str, steps: int) -> dict[str, Any]:
    return {"type": type_, "track_length": steps, "object_id": name, "original_id": name}


def _lights(scenario: Scenario) -> list[dict[str, Any]]:
    found = []
    used: Counter[str] = Counter()
    for row, lane in enumerate(scenario.lights.lane):
        name = scenario.map.lane_ids[lane]
        used[name] += 1
        point = from_frame(scenario.lights.stop_point[row], scenario.origin)
        found.append(
            {
                "type": "TRAFFIC_LIGHT",
                "state": {"object_state": [_LIGHTS[LightState(int(state))] for state in scenario.lights.state[row]]},
                "lane": name,
                "stop_point": np.array((*point, 0.0)),
                "metadata": _about(
                    name if used[name] == 1 else f"{name}#{used[name]}", "TRAFFIC_LIGHT", scenario.steps
                ),
            }
        )
    return found


def _lanes(scenario: Scenario) -> dict[str, dict[str, Any]]:
    world = scenario.map
    features = {}
    for lane, name in enumerate(world.lane_ids):
        feature: dict[str, Any] = {
            "type": "LANE_SURFACE_STREET",
            "polyline": poses_from_frame(world.lane_centerline(lane), scenario.origin),
            "polygon": from_frame(world.lane_polygon(lane), scenario.origin),
            "entry_lanes": [world.lane_ids[other] for other in world.lane_predecessors(lane)],
            "exit_lanes": [world.lane_ids[other] for other in world.lane_successors(lane)],
            "left_neighbor": _neighbour(world, lane, int(world.left[lane])),
            "right_neighbor": _neighbour(world, lane, int(world.right[lane])),
            "left_boundaries": [],
            "right_boundaries": [],
            "interpolating": bool(world.connector[lane]),
            "connector": bool(world.connector[lane]),
            "borrow_allowed": bool(world.borrow_allowed[lane]),
            "group": world.group_ids[world.group[lane]],
        }
        if world.has_speed_limit[lane]:
            limit = float(world.speed_limit[lane])
            feature |= {"speed_limit_mps": limit, "speed_limit_kmh": limit * _KMH}
        features[name] = feature
    return features


def _neighbour(world: VectorMap, lane: int, other: int) -> list[dict[str, Any]]:
    """A neighbour along the whole lane, as files made from Waymo name it."""
    if other < 0:
        return []
    return [
        {
            "feature_id": world.lane_ids[other],
            "self_start_index": 0,
            "self_end_index": len(world.lane_centerline(lane)) - 1,
            "neighbor_start_index": 0,
            "neighbor_end_index": len(world.lane_centerline(other)) - 1,
            "boundaries": [],
        }
    ]


def _areas(scenario: Scenario) -> dict[str, dict[str, Any]]:
    world = scenario.map
    features = {}
    for number, area in enumerate(world.ring_area):
        layer = Layer(int(world.area_layer[area]))
        type_, key = _AREAS.get(layer, ("UNSET", "polygon"))
        ring = from_frame(world.ring[world.ring_ptr[number] : world.ring_ptr[number + 1]], scenario.origin)
        features[f"area_{area}_{number}"] = {
            "type": type_,
            key: ring if key == "polygon" else np.concatenate((ring, ring[:1])),
            "layer": layer.name.lower(),
            "area": int(area),
        }
    return features


def _stops(scenario: Scenario) -> dict[str, dict[str, Any]]:
    world = scenario.map
    features = {}
    for number, segment in enumerate(world.stop_segment):
        closed = world.stop_lanes[world.stop_lanes_ptr[number] : world.stop_lanes_ptr[number + 1]]
        cause = StopCause(int(world.stop_cause[number]))
        moved = from_frame(segment, scenario.origin)
        features[f"stop_{number}"] = {
            "type": "STOP_SIGN" if cause == StopCause.STOP_SIGN else "UNSET",
            "position": np.array((*moved.mean(axis=0), 0.0)),
            "lane": [world.lane_ids[lane] for lane in closed],
            "segment": moved,
            "cause": cause.name,
        }
    return features


def _summaries(tracks: dict[str, Any], lights: dict[str, Any], features: dict[str, Any]) -> dict[str, Any]:
    """What ScenarioNet's filters look at without opening the scenario."""
    objects = {}
    for name, track in tracks.items():
        state = track["state"]
        valid = state["valid"]
        way = state["position"][valid, :2]
        first = int(valid.argmax())
        gone = np.flatnonzero(~valid[first:])
        objects[name] = {
            "type": track["type"],
            "object_id": name,
            "track_length": len(valid),
            "moving_distance": float(arc_length(way)[-1]) if len(way) else 0.0,
            "valid_length": int(valid.sum()),
            "continuous_valid_length": int(gone[0]) if gone.size else len(valid) - first,
        }
    types = Counter(item["type"] for item in objects.values())
    moving = Counter(item["type"] for item in objects.values() if item["moving_distance"] > 1)
    return {
        "object_summary": objects,
        "number_summary": {
            "object_types": sorted(types),
            "num_objects": len(objects),
            "num_objects_each_type": dict(types),
            "num_moving_objects": sum(moving.values()),
            "num_moving_objects_each_type": dict(moving),
            "num_traffic_lights": len(lights),
            "num_map_features": len(features),
        },
    }
