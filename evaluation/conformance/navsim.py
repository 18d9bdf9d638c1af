"""Conformance cases for EPDMS: exactly what NAVSIM's scorer was given, as JSON; one record of results per case."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.scoring.navsim.comfort import SIGNALS, comfort_signals, within_limits
from drive.scoring.navsim.inputs import SAMPLES, PdmMap, PdmTraffic, RoadLayer, pdm_map, pdm_traffic
from drive.scoring.navsim.tracking import ego_state
from drive.vehicle import PACIFICA
from evaluation.conformance.fields import Fields
from evaluation.metrics.epdms import PLAN, Frame, FrameScore, combine, pdms_v1, score_plan, simulate_plan
from scenarios.openscene.logs import KINDS

Float = NDArray[np.float64]

RED_LIGHT = "red_light_"
PLAN_SHAPE = (8, 3)  # poses 0.5 s apart, to 4 s
PREVIOUS_US = 500_000  # the previous frame is half a second older


def score_case(case: Mapping[str, Any], maps: Mapping[str, Any]) -> dict[str, Any]:
    """Score one case; the record has the names of the case's ``expected``.

    Raises:
        DataError: The case is not complete; the sentence names it and the field.
    """
    fields = Fields(case)
    frame = read_frame(fields, maps)
    previous = None
    if (before := fields.optional("prev")) is not None:
        ego = np.zeros(11)
        ego[:7] = before.numbers("ego", (7,))
        previous = simulate_plan(ego, frame.t0_us - PREVIOUS_US, before.numbers("plan", PLAN_SHAPE))
    score = score_plan(frame, fields.numbers("plan", PLAN_SHAPE), previous=previous)
    return {"id": fields.name, **_record(score, previous)}


def read_frame(fields: Fields, maps: Mapping[str, Any]) -> Frame:
    """The frame that a case describes."""
    rings = _rings(fields.entry(maps, "map_id", "map"))
    return Frame(
        ego=ego_state(fields.numbers("ego", (10,))),
        t0_us=fields.integer("t0_us"),
        pdm_map=_read_map(fields, rings),
        traffic=_read_traffic(fields, rings),
        past=fields.numbers("past_human", (4, 7)),
        reference=fields.numbers("reference", (-1, 3), least=SAMPLES),
        human=fields.numbers("human_future", PLAN_SHAPE) if fields.has("human_future") else None,
    )


def _read_map(fields: Fields, rings: Mapping[str, Float]) -> PdmMap:
    route = set(fields.texts("route_lane_ids"))
    names, layers = [], []
    for number, pair in enumerate(fields.rows("drivable", 2)):
        name, layer = pair
        if name not in rings:
            raise fields.wrong(f"drivable[{number}]", f"names polygon {name!r}, which the map has not got")
        if layer not in RoadLayer.__members__:
            raise fields.wrong(
                f"drivable[{number}]", f"has layer {layer!r}, expected one of {', '.join(RoadLayer.__members__)}"
            )
        names.append(name)
        layers.append(RoadLayer[layer])
    lanes = (RoadLayer.LANE, RoadLayer.LANE_CONNECTOR)
    on_route = [name in route and layer in lanes for name, layer in zip(names, layers, strict=True)]
    return pdm_map([rings[name] for name in names], layers, on_route, fields.numbers("centerline", (-1, 3), least=2))


def _read_traffic(fields: Fields, rings: Mapping[str, Float]) -> PdmTraffic:
    tracks = fields.list("tracks")
    states, valid = np.zeros((len(tracks), SAMPLES, 5)), np.zeros((len(tracks), SAMPLES), np.bool_)
    for number, track in enumerate(tracks):
        states[number], valid[number] = track.states("states", SAMPLES, 5)
    lights = [set(names) for names in fields.rows("red_lights", -1, count=SAMPLES)]
    names = sorted({name for now in lights for name in now})
    for name in names:
        if not name.startswith(RED_LIGHT) or name.removeprefix(RED_LIGHT) not in rings:
            raise fields.wrong("red_lights", f"names {name!r}, expected {RED_LIGHT}<lane connector of the map>")
    return pdm_traffic(
        states[..., :2],
        states[..., 2],
        states[..., 3:],
        valid,
        [[track.number("length"), track.number("width")] for track in tracks],
        [track.choice("type", KINDS) for track in tracks],
        [rings[name.removeprefix(RED_LIGHT)] for name in names],
        np.array([[name in now for now in lights] for name in names], np.bool_).reshape(-1, SAMPLES),
    )


def _rings(where: Fields) -> dict[str, Float]:
    return {
        str(item["id"]): item.numbers("polygon", (-1, 2), least=3)
        for layer in ("lanes", "roadblocks", "areas")
        for item in where.list(layer)
    }


def _record(score: FrameScore, previous: Float | None) -> dict[str, Any]:
    alone = ~within_limits(comfort_signals(score.states, PACIFICA.rear_axle_to_center))
    extended = score.extended
    return {
        "plan": _row(score, PLAN, alone) | {"pdm_score_no_ec": combine(score.parts)},
        "reference": _row(score, 1 - PLAN, alone),
        "human": None if score.human is None else dict(score.human),
        "filtered": dict(score.filtered),
        "extended_comfort": None if extended is None else {"value": extended.value, "rms": extended.rms},
        "epdms": score.epdms,
        "epdms_no_ec": combine(score.filtered),
        "epdms_unfiltered": combine(score.parts, None if extended is None else extended.value),
        "epdms_unfiltered_no_ec": combine(score.parts),
        "pdms_v1": pdms_v1(score),
        "ego_areas": (score.scores.places & 7).tolist(),
        "states": score.states.tolist(),
        "prev_states": None if previous is None else previous.tolist(),
    }


def _row(score: FrameScore, row: int, alone: NDArray[np.bool_]) -> dict[str, Any]:
    causes = score.scores.causes
    parts = score.parts if row == PLAN else score.reference
    return {
        **parts,
        "progress_raw_m": float(score.scores.progress[row]),
        "first_at_fault_step": _step(causes.contact[row, 0]),
        "first_ttc_step": _step(causes.imminent[row, 0]),
        "comfort_flags": (~causes.uncomfortable[row]).tolist(),
        "comfort_flags_no_history": (~alone[row]).tolist(),
        "comfort_order": list(SIGNALS),
    }


def _step(value: int) -> int | None:
    return int(value) if value >= 0 else None
