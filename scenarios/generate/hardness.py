"""How hard a scene is: one number per event, from what an ego that ignores the event would meet."""

from typing import Any

import numpy as np

from drive.scene import DT, AgentKind, Cue, Scenario
from drive.traffic import TrafficWorld
from drive.vehicle import PACIFICA, Ego, center_from_rear_axle
from scenarios.generate.actors import Actor
from scenarios.generate.geometry import Float
from scenarios.generate.reference import ego_path, path_states
from scenarios.generate.rolling import roll_scenario
from scenarios.generate.search import SPACING, SPEED, Others
from scenarios.generate.setting import Setting

REACTION = 0.3
MARGIN = 0.5
EASY, RANGE = 1.8, 0.8  # gap over needed gap: hardness 0 from EASY on, 1 below EASY - RANGE


def measure(
    scenario: Scenario, actors: list[Actor], setting: Setting, world: TrafficWorld
) -> tuple[float, list[dict[str, Any]]]:
    """Hardness of the scene and its events (one per critical actor that meets the ego's way).

    The nominal ego drives on from its state at the start as the road suggests and ignores the actor.
    ``h = min(a_req, 3 a_go) / 6``, 0 where the nominal ego and the actor miss each other by 1.5 s; the scene takes the
    hardest event, plus 0.1 for each further one above 0.25, at most 1.
    """
    path = ego_path(setting.way, setting.style)
    events: list[dict[str, Any]] = []
    if setting.slack is not None:
        h = float(np.clip((EASY - setting.slack) / RANGE, 0.0, 1.0))
        events.append({"kind": "decision", "slack": round(setting.slack, 4), "h": round(h, 4)})
    if not any(actor.critical for actor in actors):
        return max((float(event["h"]) for event in events), default=0.0), events
    nominal = nominal_motion(scenario, path)
    others = roll_scenario(scenario, path_states(path, nominal), world)
    for row, actor in enumerate(actors):
        if actor.critical and len(actor.points):
            follow = actor.kind != AgentKind.PEDESTRIAN
            event = _lead_event(scenario, row) if follow else _crossing_event(scenario, row, path, nominal, others)
            if event is not None:
                events.append({"agent": scenario.tracks.ids[row], "role": actor.role} | event)
    if not events:
        return 0.0, []
    hard = sorted((float(event["h"]) for event in events), reverse=True)
    return min(1.0, hard[0] + 0.1 * sum(value > 0.25 for value in hard[1:])), events


def nominal_motion(scenario: Scenario, path: Float) -> Float:
    """Arc [m], speed [m/s] and acceleration ``[K+1, 3]`` of an ego that drives on as the road suggests."""
    first = scenario.reference[scenario.start]
    row = int(np.hypot(path[:, 0] - first[Ego.X], path[:, 1] - first[Ego.Y]).argmin())
    motion = np.zeros((scenario.horizon + 1, 3))
    motion[0] = SPACING * row, first[Ego.VX], 0.0
    for step in range(scenario.horizon):
        arc, speed, _ = motion[step]
        wanted = path[min(int(arc / SPACING) + 1, len(path) - 1), SPEED]
        pedal = float(np.clip((wanted - speed) / 0.5, -2.0, 1.2))
        motion[step + 1] = arc + (speed + 0.5 * pedal * DT) * DT, speed + pedal * DT, pedal
    return motion


def _crossing_event(scenario: Scenario, row: int, path: Float, nominal: Float, others: Others) -> dict[str, Any]:
    """What the nominal ego meets at a walker's line, the walker triggered by that ego."""
    place, size = others.position[row], others.size[row]
    gaps = np.hypot(path[:, None, 0] - place[None, :, 0], path[:, None, 1] - place[None, :, 1])
    nearest, lateral = gaps.argmin(axis=0), gaps.min(axis=0)
    inside = np.flatnonzero((lateral < PACIFICA.width / 2 + size[1] / 2) & others.valid[row])
    if not len(inside):  # turned back or waited before the ego's way
        return {"kind": "crossing", "h": 0.0}
    center = int(lateral.argmin())
    t_in, t_out, t_center = inside[0] * DT, inside[-1] * DT, center * DT
    arc = SPACING * float(nearest[center])
    c0, c1 = arc - size[0] / 2, arc + size[0] / 2
    front, rear, speed = nominal[:, 0] + PACIFICA.front, nominal[:, 0] - PACIFICA.rear, nominal[:, 1]
    clock = DT * np.arange(len(nominal))
    ego_in, ego_out, ego_at = (float(np.interp(c, s, clock)) for c, s in ((c0, front), (c1, rear), (arc, front)))
    pet = max(t_in - ego_out, ego_in - t_out)
    moving = np.flatnonzero(np.hypot(*others.velocity[row].T) > 0.15)
    begin = int(moving[0]) if len(moving) else 0
    visible = max(begin - round(_cue_lead(scenario, row) / DT), 0)
    v, room = float(speed[visible]), c0 - float(front[visible]) - float(speed[visible]) * REACTION - MARGIN
    a_req = v * v / (2.0 * room) if room > 0.1 else np.inf
    left = t_in - MARGIN - visible * DT
    a_go = 2.0 * (c1 - float(rear[visible]) - v * left) / left**2 if left > 0.1 else np.inf
    a_go = np.inf if a_go > 2.0 else max(a_go, 0.0)
    h = 0.0 if pet >= 1.5 else float(np.clip(min(a_req, 3.0 * a_go) / 6.0, 0.0, 1.0))
    return {
        "kind": "crossing",
        "h": round(h, 4),
        "pet": round(float(pet), 3),
        "dta": round(t_center - ego_at, 3),
        "a_req": round(float(min(a_req, 99.0)), 3),
        "begin": round(begin * DT, 1),
        "cue_lead": round(_cue_lead(scenario, row), 1),
        "conflict": [round(float(c0), 2), round(float(c1), 2)],
    }


def _cue_lead(scenario: Scenario, row: int) -> float:
    """Time [s] between the first announcement and the first motion of a walker in the stored tracks."""
    moving = np.flatnonzero(np.hypot(*scenario.tracks.velocity[row].T) > 0.15)
    shown = np.flatnonzero(scenario.tracks.cues[row] & Cue.INTENT)
    return max(0.0, (int(moving[0]) - int(shown[0])) * DT) if len(moving) and len(shown) else 0.0


def _lead_event(scenario: Scenario, row: int) -> dict[str, Any] | None:
    """The hardest braking that the actor demands of an ego which keeps its speed until it reacts."""
    start = scenario.start
    speed = np.hypot(*scenario.tracks.velocity[row, start:].T)
    change = np.gradient(speed, DT)
    hard = np.flatnonzero(change < -1.0)
    if not len(hard):
        return None
    begin = max(int(hard[0]) - 1, 0)
    state = scenario.reference[start + begin]
    bumper = center_from_rear_axle(state[None], PACIFICA)[0, :2]
    gap = float(np.hypot(*(scenario.tracks.position[row, start + begin] - bumper)))
    gap -= PACIFICA.length / 2 + scenario.tracks.size[row, 0] / 2
    driven = np.concatenate(((0.0,), np.cumsum(speed[begin:-1] * DT)))
    clock = DT * np.arange(len(driven))
    v = float(state[Ego.VX])
    for a in np.arange(0.0, 9.01, 0.1):
        braking = np.maximum(clock - REACTION, 0.0)
        stop = v / a if a > 0 else np.inf
        braking_time = np.minimum(braking, stop)
        ego = v * np.minimum(clock, REACTION) + v * braking_time - 0.5 * a * braking_time**2
        if (gap + driven - ego >= MARGIN).all():
            break
    return {
        "kind": "lead",
        "h": round(float(np.clip(a / 6.0, 0.0, 1.0)), 4),
        "a_req": round(float(a), 2),
        "gap": round(gap, 2),
        "time_gap": round(gap / max(v, 0.1), 3),
        "deceleration": round(float(-change.min()), 2),
        "begin": round(begin * DT, 1),
    }
