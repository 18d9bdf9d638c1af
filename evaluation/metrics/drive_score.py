"""``drive_score@1`` and the metrics it is made of: one closed-loop rollout in, named metrics out.

score = NC x on_road x no_red x direction x [progress >= 0.2] x (5 progress + 5 ttc_ok + 4 speed_ok + 2 comfort) / 16

NC and direction are 0, 1/2 or 1; on_road, no_red, ttc_ok and comfort 0 or 1; progress and speed_ok anything from 0 to
1. A term without a value leaves numerator and denominator; a factor without one is 1. The form and the weights are
nuPlan's closed-loop score, the terms are defined in ``drive.scoring``, one module each; ``docs/metrics.md`` is the
user's page.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from drive.rollout import Rollout
from drive.scene import AgentKind, Scenario
from drive.scoring.collision import ContactClass, Contacts, find_contacts, no_at_fault_collision
from drive.scoring.comfort import LIMITS, MIN_SAMPLES, UNITS, comfort_signals, first_discomfort
from drive.scoring.direction import COMPLIANT_BELOW, direction_compliance, driven_against_lanes
from drive.scoring.ego_areas import EgoAreas, locate_ego
from drive.scoring.motion import STEP, AgentMotion, EgoMotion, agent_motion, ego_motion
from drive.scoring.off_road import first_off_road, worst_excursion
from drive.scoring.progress import progress_along
from drive.scoring.red_light import first_red_crossing
from drive.scoring.scene_geometry import SceneGeometry, compile_geometry
from drive.scoring.speed import limits_along, speed_compliance, speed_excess
from drive.scoring.time_to_collision import TTC_BOUND, time_to_collision
from evaluation.metrics.base import CLOSED_LOOP_VERSIONS, Metric
from evaluation.metrics.epdms_cl import score_closed_loop

MIN_PROGRESS = 0.2
WEIGHTS = {"progress": 5.0, "ttc_ok": 5.0, "speed_ok": 4.0, "comfort": 2.0}
CORNERS = ("front left", "rear left", "rear right", "front right")
CONTACTS = {
    ContactClass.STOPPED_EGO: "the ego stood still",
    ContactClass.STOPPED_TRACK: "it stood still",
    ContactClass.ACTIVE_REAR: "it came from behind",
    ContactClass.ACTIVE_FRONT: "moving front contact",
    ContactClass.ACTIVE_LATERAL: "side contact",
}


def score_rollout(scenario: Scenario, rollout: Rollout, geometry: SceneGeometry | None = None) -> dict[str, Metric]:
    """All metrics of ``CLOSED_LOOP_VERSIONS`` for one rollout.

    ``geometry`` is the scene prepared by :func:`drive.scoring.scene_geometry.compile_geometry`; without it that is done
    here. Sample k of the rollout is scene step ``scenario.start + k``.
    """
    geometry = geometry or compile_geometry(scenario)
    ego = ego_motion(rollout.ego, scenario.ego_vehicle)
    agents = agent_motion(
        rollout.position,
        rollout.heading,
        rollout.velocity,
        rollout.valid,
        scenario.tracks.size,
        scenario.tracks.kind,
    )
    areas = locate_ego(ego, geometry)
    contacts = find_contacts(ego, agents, areas)
    metrics = {
        **_collisions(scenario, ego, agents, areas, contacts),
        **_off_road(geometry, areas),
        **_direction(scenario, geometry, ego, areas),
        "red_light": _red_light(scenario, geometry, ego),
        "progress": _progress(geometry, ego),
        **_time_to_collision(scenario, ego, agents, areas, contacts),
        **_speed(geometry, ego, areas),
        "comfort": _comfort(ego),
        **score_closed_loop(scenario, rollout),
    }
    score = recompute_score({name: metric.value if metric.valid else None for name, metric in metrics.items()})
    assert score is not None  # all its columns are there
    metrics["score"] = Metric(score)
    return {name: metrics[name] for name in CLOSED_LOOP_VERSIONS}


def recompute_score(row: Mapping[str, Any]) -> float | None:
    """The score of a result row from its own columns, or None if the row has not got them.

    Uses ``nc``, ``off_road``, ``red_light``, ``direction``, ``progress``, ``ttc_ok``, ``speed_ok``, ``comfort`` (None
    or NaN: no value) and ``status``, where there is one: any but ``ok`` scores 0.
    """
    if row.get("status", "ok") != "ok":
        return 0.0
    needed = ("nc", "off_road", "red_light", "direction", *WEIGHTS)
    if any(name not in row for name in needed):
        return None
    value = {name: float(row[name]) for name in needed if not _absent(row[name])}
    if "progress" not in value:
        return None
    factor = value.get("nc", 1.0) * value.get("direction", 1.0)
    factor *= (1.0 - value.get("off_road", 0.0)) * (1.0 - value.get("red_light", 0.0))
    factor *= value["progress"] >= MIN_PROGRESS
    terms = [name for name in WEIGHTS if name in value]
    return factor * sum(WEIGHTS[name] * value[name] for name in terms) / sum(WEIGHTS[name] for name in terms)


def _absent(value: Any) -> bool:
    return value is None or math.isnan(value)


def _collisions(
    scenario: Scenario, ego: EgoMotion, agents: AgentMotion, areas: EgoAreas, contacts: Contacts
) -> dict[str, Metric]:
    def first(chosen: np.ndarray) -> Metric:
        if not chosen.any():
            return Metric(0.0)
        agent = int(np.argmin(np.where(chosen, contacts.step, np.iinfo(np.int32).max)))
        step = int(contacts.step[agent])
        return Metric(
            1.0,
            step=step,
            agent=scenario.tracks.ids[agent],
            detail=_contact(scenario, ego, agents, areas, contacts, agent),
        )

    return {
        "collision_any": first(contacts.step >= 0),
        "collision_at_fault": (at_fault := first(contacts.at_fault)),
        "nc": Metric(
            no_at_fault_collision(contacts, agents.static),
            step=at_fault.step,
            agent=at_fault.agent,
            detail=at_fault.detail,
        ),
    }


def _contact(
    scenario: Scenario, ego: EgoMotion, agents: AgentMotion, areas: EgoAreas, contacts: Contacts, agent: int
) -> str:
    step, kind = int(contacts.step[agent]), ContactClass(int(contacts.kind[agent]))
    direction = np.array((np.cos(ego.heading[step]), np.sin(ego.heading[step])))
    other = np.zeros(2) if agents.static[agent] else agents.velocity[agent, step]
    relative = float(np.hypot(*(direction * ego.speed[step] - other)))
    why = CONTACTS[kind]
    if kind == ContactClass.ACTIVE_LATERAL:
        where = "partly off the road" if areas.non_drivable[step] else "across lanes"
        why += f" {where}" if contacts.at_fault[agent] else " within its lane"
    fault = "at fault" if contacts.at_fault[agent] else "not at fault"
    return f"hit {_name(scenario, agent)} at {step * STEP:.1f} s with {relative:.1f} m/s between them, {fault}: {why}"


def _name(scenario: Scenario, agent: int) -> str:
    kind = AgentKind(int(scenario.tracks.kind[agent])).name.lower().replace("_", " ")
    return f"{kind} {scenario.tracks.ids[agent]!r}"


def _off_road(geometry: SceneGeometry, areas: EgoAreas) -> dict[str, Metric]:
    if not geometry.has_drivable:
        absent = Metric.missing("the map has no drivable area")
        return {"off_road": absent, "off_road_distance": absent}
    worst, sample, corner = worst_excursion(areas)
    detail = f"{CORNERS[corner]} corner {worst:.2f} m outside at {sample * STEP:.1f} s" if worst > 0 else ""
    first = first_off_road(areas)
    event = Metric(0.0) if first is None else Metric(1.0, step=first, detail=f"left at {first * STEP:.1f} s; {detail}")
    return {"off_road": event, "off_road_distance": Metric(worst, step=sample if worst > 0 else None, detail=detail)}


def _direction(scenario: Scenario, geometry: SceneGeometry, ego: EgoMotion, areas: EgoAreas) -> dict[str, Metric]:
    against = driven_against_lanes(ego, areas, geometry.lanes.borrow_allowed)
    value = direction_compliance(against)
    if value == 1.0:
        return {"direction": Metric(1.0), "wrong_way": Metric(0.0)}
    step = int(np.argmax(against >= COMPLIANT_BELOW))
    held = areas.lanes[areas.center_in_lane[int(np.argmax(against))]]
    lane = f" of lane {scenario.map.lane_ids[held[0]]!r}" if len(held) else ""
    detail = f"{against.max():.1f} m against the direction{lane} within 1 s, from {step * STEP:.1f} s on"
    return {
        "direction": Metric(value, step=step, detail=detail),
        "wrong_way": Metric(1.0, step=step, detail=detail),
    }


def _red_light(scenario: Scenario, geometry: SceneGeometry, ego: EgoMotion) -> Metric:
    if not geometry.stop_lines.known[: len(ego.bumper)].any():
        return Metric.missing("the scene has no lights of known state")
    found = first_red_crossing(ego.bumper, geometry.stop_lines)
    if found is None:
        return Metric(0.0)
    step, line = found
    lane = scenario.map.lane_ids[geometry.stop_lines.lane[line]]
    detail = f"crossed the stop line of {lane!r} at {step * STEP:.1f} s at {abs(ego.speed[step]):.1f} m/s while red"
    return Metric(1.0, step=step, detail=detail)


def _progress(geometry: SceneGeometry, ego: EgoMotion) -> Metric:
    share, step, reached = progress_along(geometry.path, geometry.path_arc, ego.rear)
    return Metric(share, step=step, detail=f"came {reached:.1f} m along the reference's {geometry.path_arc[-1]:.1f} m")


def _time_to_collision(
    scenario: Scenario, ego: EgoMotion, agents: AgentMotion, areas: EgoAreas, contacts: Contacts
) -> dict[str, Metric]:
    time, partner = time_to_collision(ego, agents, areas, contacts)
    step = int(np.argmin(time))
    if not math.isfinite(time[step]):
        return {"ttc_ok": Metric(1.0), "ttc_min": Metric.missing("nothing within 3 s")}
    agent = int(partner[step])
    detail = f"{time[step]:.1f} s to {_name(scenario, agent)} at {step * STEP:.1f} s"
    name = scenario.tracks.ids[agent]
    return {
        "ttc_ok": Metric(float(time[step] > TTC_BOUND), step=step, agent=name, detail=detail),
        "ttc_min": Metric(float(time[step]), step=step, agent=name, detail=detail),
    }


def _speed(geometry: SceneGeometry, ego: EgoMotion, areas: EgoAreas) -> dict[str, Metric]:
    limits = limits_along(ego, areas, geometry.lanes)
    if not (limits > 0.0).any():
        absent = Metric.missing("no speed limit is known where the ego drove")
        return {"speed_ok": absent, "speed_excess": absent}
    excess = speed_excess(ego, limits)
    step = int(np.argmax(excess))
    if excess[step] == 0.0:
        return {"speed_ok": Metric(1.0), "speed_excess": Metric(0.0)}
    detail = f"{abs(ego.speed[step]):.1f} m/s where {limits[step]:.1f} m/s are allowed, at {step * STEP:.1f} s"
    return {
        "speed_ok": Metric(speed_compliance(excess), step=step, detail=detail),
        "speed_excess": Metric(float(excess[step]), step=step, detail=detail),
    }


def _comfort(ego: EgoMotion) -> Metric:
    if len(ego.states) < MIN_SAMPLES:
        return Metric.missing(f"fewer than {MIN_SAMPLES} samples cannot be filtered")
    signals = comfort_signals(ego)
    broken = first_discomfort(signals)
    if broken is None:
        return Metric(1.0)
    name, step = broken
    low, high = LIMITS[name]
    detail = f"{name} {signals[name][step]:.2f} {UNITS[name]} at {step * STEP:.1f} s, allowed {low:g} to {high:g}"
    return Metric(0.0, step=step, detail=detail)
