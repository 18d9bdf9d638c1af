"""Conformance cases for nuPlan's closed-loop score: JSON as its own classes saw it; one record of results per case."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.scene import LightState
from drive.scoring.nuplan.comfort import MIN_SAMPLES, within_limits
from drive.scoring.nuplan.inputs import NuplanDrive, NuplanMap, NuplanTracks, Surfaces, centerlines, surfaces
from drive.scoring.nuplan.score import NuplanScore, score_drive
from drive.scoring.nuplan.simulation import first_samples, simulate_reference
from drive.vehicle import Ego
from evaluation.conformance.fields import LARGEST_WHOLE, Fields
from scenarios.openscene.logs import KINDS

Float = NDArray[np.float64]

DRIVABLE_LAYERS = ("road_segments", "intersections", "generic_drivable_areas", "carpark_areas")
MOST_PLAN_STEPS = 10_000  # every plan of a simulation has so many poses
STATE_COLUMNS = (
    *(Ego.X, Ego.Y, Ego.HEADING, Ego.VX, Ego.VY, Ego.AX, Ego.AY),
    *(Ego.STEERING, Ego.YAW_RATE, Ego.YAW_ACCELERATION),
)


def score_case(case: Mapping[str, Any], maps: Mapping[str, Any]) -> dict[str, Any]:
    """Score one case, simulating it first where it asks for that; the record has the names of its ``expected``.

    Raises:
        DataError: The case or its map is not complete; the sentence names it and the field.
    """
    fields = Fields(case)
    world = read_map(fields.entry(maps, "map_id", "map"))
    time_us = fields.numbers("time_us", (-1,), MIN_SAMPLES + 1, LARGEST_WHOLE).astype(np.int64)
    if not (np.diff(time_us) > 0).all():
        raise fields.wrong("time_us", "does not increase from sample to sample")
    expert = fields.numbers("expert", (len(time_us), 3))
    tracks = _read_tracks(fields, len(time_us))
    if "ego" in case:
        ego = _ego(fields.numbers("ego", (len(time_us) - 1, len(STATE_COLUMNS))))
        drive = NuplanDrive(world, time_us, ego, expert, first_samples(tracks, len(ego)))
        return {"id": fields.name, **_record(drive)}
    record: dict[str, Any] = {"id": fields.name}
    start = _ego(fields.numbers("ego0", (len(STATE_COLUMNS),))[None])[0]
    reference = fields.numbers("reference", (-1, 3))
    plan_steps = fields.integer("plan_steps")
    if not 1 <= plan_steps <= MOST_PLAN_STEPS:
        raise fields.wrong("plan_steps", f"is {plan_steps}, expected 1 to {MOST_PLAN_STEPS}")
    lights = _read_lights(fields, world, len(time_us))
    for mode, light in (("nonreactive", None), ("reactive", lights)):
        ego, seen = simulate_reference(start, reference, plan_steps, time_us, world, tracks, light)
        drive = NuplanDrive(world, time_us, ego, expert, seen)
        record[mode] = _record(drive) | {"ego": ego[:, STATE_COLUMNS].tolist()}
        if light is not None:
            record[mode]["tracks"] = _track_states(seen)
    return record


def read_map(where: Fields) -> NuplanMap:
    """The map of a case; connectors follow the lanes."""
    lanes, connectors = where.list("lanes"), where.list("connectors")
    ids = [_name(item, "id") for item in (*lanes, *connectors)]
    number = {name: index for index, name in enumerate(ids)}
    successors: list[list[int]] = [[] for _ in ids]
    predecessors: list[list[int]] = [[] for _ in ids]
    stops = {_name(item, "id"): index for index, item in enumerate(where.list("stop_lines"))}
    stop_lines: list[tuple[int, ...]] = [() for _ in lanes]
    for index, item in enumerate(connectors, start=len(lanes)):
        before, after = item.choice("from", number), item.choice("to", number)
        successors[before].append(index)
        predecessors[index].append(before)
        successors[index].append(after)
        predecessors[after].append(index)
        stop_lines.append(_listed_stops(item, stops))
    blocks = [*where.list("roadblocks"), *where.list("roadblock_connectors")]
    group = {_name(item, "id"): index for index, item in enumerate(blocks)}
    lines, arcs = centerlines(item.numbers("baseline", (-1, 2), least=2) for item in (*lanes, *connectors))
    return NuplanMap(
        ids=tuple(ids),
        surface=_surfaces([*lanes, *connectors]),
        connector=np.arange(len(ids)) >= len(lanes),
        line=lines,
        arc=arcs,
        successors=tuple(map(tuple, successors)),
        predecessors=tuple(map(tuple, predecessors)),
        limit=np.array([_limit(item) for item in (*lanes, *connectors)]),
        group=np.array([item.choice("roadblock", group) for item in (*lanes, *connectors)], np.int32),
        block=_surfaces(blocks),
        block_group=np.arange(len(blocks), dtype=np.int32),
        intersection=_surfaces(where.list("intersections")),
        drivable=_surfaces([item for layer in DRIVABLE_LAYERS for item in where.list(layer)]),
        signalled=np.array([bool(item) for item in stop_lines], np.bool_),
        stop=_surfaces(where.list("stop_lines")),
        stop_lines=tuple(stop_lines),
    )


def _surfaces(items: list[Fields]) -> Surfaces:
    return surfaces([[item.numbers("polygon", (-1, 2), least=3)] for item in items])


def _name(item: Fields, field: str) -> str:
    value = item[field]
    if not isinstance(value, str):
        raise item.wrong(field, f"is {value!r}, expected a text")
    return value


def _limit(item: Fields) -> float:
    """Speed limit [m/s], NaN where there is none; 0 means the same to the reference."""
    limit = math.nan if item["speed_limit"] is None else float(item.numbers("speed_limit", ()))
    if limit < 0.0:
        raise item.wrong("speed_limit", f"is {limit}, expected null or a number from 0 on")
    return limit


def _listed_stops(item: Fields, stops: Mapping[str, int]) -> tuple[int, ...]:
    names = [name.strip() for name in _name(item, "stop_lines").split(",") if name.strip()]
    for name in names:
        if name not in stops:
            raise item.wrong("stop_lines", f"names {name!r}, which the map has not got")
    return tuple(stops[name] for name in names)


def _read_tracks(fields: Fields, samples: int) -> NuplanTracks:
    items = fields.list("tracks")
    states, valid = np.zeros((len(items), samples, 5)), np.zeros((len(items), samples), np.bool_)
    for number, item in enumerate(items):
        rows = item["states"]
        known = rows[:samples] if isinstance(rows, list) else rows  # what lies after the scenario's end is not read
        states[number], valid[number] = Fields({"states": known}, item.where).states("states", samples, 5)
    tokens = [_name(item, "token") for item in items]
    if len(set(tokens)) != len(tokens):
        raise fields.wrong("tracks", "hold the same token twice")
    return NuplanTracks(
        tuple(tokens),
        np.array([item.choice("type", KINDS) for item in items], np.int8),
        np.array([[item.number("length"), item.number("width")] for item in items]).reshape(-1, 2),
        np.ascontiguousarray(states[..., :2]),
        np.ascontiguousarray(states[..., 2]),
        np.ascontiguousarray(states[..., 3:]),
        valid,
    )


def _read_lights(fields: Fields, world: NuplanMap, samples: int) -> NDArray[np.int8]:
    light = np.zeros((samples, len(world.ids)), np.int8)
    if fields["lights"] is None:
        return light
    rows = fields["lights"]
    if not isinstance(rows, list) or len(rows) != samples:
        raise fields.wrong("lights", f"is not a list of {samples} samples")
    index = {name: number for number, name in enumerate(world.ids)}
    for step, row in enumerate(rows):
        for pair in Fields({"lights": row}, fields.where).rows("lights", 2):
            if pair[0] not in index or pair[1] not in LightState.__members__:
                raise fields.wrong(f"lights[{step}]", f"holds {pair}, expected a connector of the map and its color")
            light[step, index[pair[0]]] = LightState[pair[1]]
    return light


def _ego(rows: Float) -> Float:
    states = np.zeros((len(rows), len(Ego)))
    states[:, STATE_COLUMNS] = rows
    return states


def _record(drive: NuplanDrive) -> dict[str, Any]:
    score = score_drive(drive)
    ids, tokens = drive.map.ids, drive.tracks.token
    names = {int(kind): name for name, kind in KINDS.items()}
    return {
        "scores": score.metrics,
        "score": score.score,
        "collisions": [
            [
                contact.step,
                tokens[contact.track],
                f"{contact.kind.name}_COLLISION",
                contact.energy,
                names[int(drive.tracks.kind[contact.track])],
            ]
            for contact in score.contacts
        ],
        "at_fault_steps": [contact.step for contact in score.contacts if contact.at_fault],
        "ego_route": [[ids[lane] for lane in lanes] for lanes in score.route],
        "corner_route": [[[ids[lane] for lane in lanes] for lanes in corners] for corners in score.corner_route],
        "in_single_or_connected_lane": score.single_lane.astype(int).tolist(),
        "corners_in_drivable_area": (~score.outside.any(axis=1)).astype(int).tolist(),
        "direction_progress_1s": score.direction.tolist(),
        "ttc": ["inf" if math.isinf(value) else value for value in score.time_to_collision.tolist()],
        "overspeed": score.overspeed.tolist(),
        "progress_per_frame": None if score.progress.steps is None else score.progress.steps.tolist(),
        **_comfort(score),
    }


def _comfort(score: NuplanScore) -> dict[str, Any]:
    return {
        "comfort": within_limits(score.comfort),
        "comfort_series": {name: series.tolist() for name, series in score.comfort.items()},
    }


def _track_states(tracks: NuplanTracks) -> dict[str, list[list[float] | None]]:
    rows = np.concatenate((tracks.position, tracks.heading[..., None], tracks.velocity), axis=-1)
    return {
        token: [row.tolist() if there else None for row, there in zip(states, valid, strict=True)]
        for token, states, valid in zip(tracks.token, rows, tracks.valid, strict=True)
    }
