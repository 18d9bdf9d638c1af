"""How hard a scene is: one number per event, from what an ego that ignores the event would meet.

An event is a critical actor that gets in the way of the *nominal* ego, which drives on as road and signals suggest.
Its hardness is the braking it asks for, begun 0.3 s after the first visible cue, over 6 m/s2; for a decision (which
gap, go or wait) it is how little the best gap exceeds the gap needed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.cues import LiveCues
from drive.scene import DT, Action, AgentKind, Cue, Event, LightState, Scenario, Trigger
from drive.traffic import TrafficWorld
from drive.vehicle import PACIFICA, Ego, center_from_rear_axle
from drive.visibility import visible_agents, walls
from scenarios.generate.actors import Actor
from scenarios.generate.conflicts import (
    MARGIN,
    MOST,
    REACTION,
    Occupancy,
    braked,
    braking_demand,
    contact_free,
    least,
    occupancy,
)
from scenarios.generate.geometry import Float
from scenarios.generate.reference import ego_path, path_states
from scenarios.generate.rolling import roll_scenario
from scenarios.generate.search import SPACING, SPEED, Others
from scenarios.generate.setting import Setting

Bool = NDArray[np.bool_]

HARDEST = 1.5
MISSED = 1.5  # s of post-encroachment time that make no conflict
STOPPING = 2.5  # m/s2: who would have to brake harder than this will not stop any more
STOPPING_CYCLE = 1.5  # m/s2: the same on a bicycle
SIDEWAYS = 0.25  # m: who moves less than this aside goes straight on
ALIKE = 0.7  # cosine of directions that count as the same

ANNOUNCEMENTS = Cue.INTENT | Cue.INDICATOR_LEFT | Cue.INDICATOR_RIGHT


def measure(
    scenario: Scenario, actors: list[Actor], setting: Setting, world: TrafficWorld
) -> tuple[float, list[dict[str, Any]]]:
    """Hardness of the scene, in [0, 1], and its events: one per critical actor, or the decision that the setting gives.

    Every event has ``kind`` and ``h``, which is 0 where the nominal ego and the actor miss each other by 1.5 s and at
    most 1 where the ego may leave its lane. The scene takes the hardest event, plus 0.1 for each further one above
    0.25.
    """
    events: list[dict[str, Any]] = []
    rows = [row for row, actor in enumerate(actors) if actor.critical]
    if setting.slack is not None:
        events.append({"kind": "decision", "slack": round(setting.slack, 4), "h": _of_slack(setting.slack)})
        rows = [row for row in rows if not any(actors[row] is actor for actor in setting.decided or actors)]
    if rows:
        events += _conflicts(scenario, actors, rows, setting, world)
    if not events:
        return 0.0, []
    hard = sorted((float(event["h"]) for event in events), reverse=True)
    return min(1.0, hard[0] + 0.1 * sum(value > 0.25 for value in hard[1:])), events


def _as_met(scenario: Scenario, drive: Float, others: Others) -> Scenario:
    """The scenario as the nominal ego meets it: tracks, and the cues that the script shows to it."""
    tracks, start = scenario.tracks, scenario.start
    pairs = (
        (tracks.position, others.position),
        (tracks.heading, others.heading),
        (tracks.velocity, others.velocity),
        (tracks.valid, others.valid),
    )
    position, heading, velocity, valid = (np.concatenate((past[:, :start], now), axis=1) for past, now in pairs)
    ego = np.concatenate((scenario.reference[:start], drive))
    cues = LiveCues(scenario).show(ego, position, heading, velocity, len(ego))
    cues[~valid] = 0
    met = replace(tracks, position=position, heading=heading, velocity=velocity, valid=valid, cues=cues)
    return replace(scenario, tracks=met)


def _in_view(seen: Bool, step: int) -> int:
    """The first sample from ``step`` on at which somebody is in view; ``step`` if there is none."""
    return step + int(seen[step:].argmax())


def _of_slack(slack: float) -> float:
    return round(float(np.clip((1.8 - slack) / 0.8, 0.0, 1.0)), 4)


def _conflicts(
    scenario: Scenario, actors: list[Actor], rows: list[int], setting: Setting, world: TrafficWorld
) -> list[dict[str, Any]]:
    path = ego_path(setting.way, setting.style)
    nominal = nominal_motion(scenario, setting, path)
    drive = path_states(path, nominal)
    others = roll_scenario(scenario, drive, world)
    recorded, scenario = scenario, _as_met(scenario, drive, others)
    seen = others.valid
    if scenario.occlusion:
        places = (others.position, others.heading, others.valid, walls(scenario.map))
        seen = visible_agents(PACIFICA, drive, others.kind, others.size, *places)
    most = 1.0 if setting.beside else HARDEST

    def braking(row: int) -> Callable[[int, float], bool]:
        """Whether braking at a rate from a sample on keeps clear of the actor, the traffic being that ego's own."""

        def enough(step: int, rate: float) -> bool:
            motion = braked(nominal, step, rate)
            rolled = roll_scenario(scenario, path_states(path, motion), world)
            return contact_free(occupancy(path, rolled, row), motion, step, MARGIN)

        return enough

    found = []
    for row in rows:
        taken = occupancy(path, others, row)
        event: dict[str, Any] | None
        if setting.occlusion and taken.inside[0] and taken.speed[0] < 0.3:
            event = _revealed_event(recorded, row, taken, path)
        elif _leads(taken, nominal, actors[row]):
            event = _lead_event(recorded, row, path, world)
        elif not taken.inside.any():  # turned back, waited, or never meant to come
            event = {"kind": "none", "h": 0.0}
        elif not len(actors[row].points):
            event = _standing_event(taken, nominal)
        elif abs(taken.along[np.flatnonzero(taken.inside)[-1]]) > ALIKE:  # who turns off across it crosses
            event = _sharing_event(scenario, row, taken, nominal, seen[row], braking(row))
        else:
            event = _crossing_event(scenario, row, taken, nominal, seen[row])
        if event is not None:
            event["h"] = round(float(np.clip(event["h"], 0.0, most)), 4)
            found.append({"agent": scenario.tracks.ids[row], "role": actors[row].role} | event)
    return found


def nominal_motion(scenario: Scenario, setting: Setting, path: Float) -> Float:
    """Arc [m], speed [m/s] and acceleration ``[K+1, 3]`` of an ego that drives on as road and signals suggest."""
    first = scenario.reference[scenario.start]
    row = int(np.hypot(path[:, 0] - first[Ego.X], path[:, 1] - first[Ego.Y]).argmin())
    motion = np.zeros((scenario.horizon + 1, 3))
    motion[0] = SPACING * row, first[Ego.VX], 0.0
    lights = {
        int(lane): state[scenario.start :]
        for lane, state in zip(scenario.lights.lane, scenario.lights.state, strict=True)
    }
    lines = [
        (float(begin), lights[lane]) for begin, lane in zip(setting.way.begin, setting.way.lanes, strict=True)
        if lane in lights
    ]  # fmt: skip
    for step in range(scenario.horizon):
        arc, speed, _ = motion[step]
        wanted = path[min(int(arc / SPACING) + 1, len(path) - 1), SPEED]
        pedal = float(np.clip((wanted - speed) / 0.5, -2.0, 1.2))
        for line, state in lines:
            room = line - 1.0 - arc - PACIFICA.front
            need = speed * speed / (2.0 * max(room, 0.1))
            closed = state[step] == LightState.RED or (state[step] == LightState.YELLOW and need < 2.5)
            if closed and room > -1.0 and need > 1.2:
                pedal = min(pedal, -need)
        pedal = max(pedal, -speed / DT)
        motion[step + 1] = arc + (speed + 0.5 * pedal * DT) * DT, speed + pedal * DT, pedal
    return motion


def _leads(taken: Occupancy, nominal: Float, actor: Actor) -> bool:
    """True for somebody who drives ahead in the ego's corridor from the first sample on."""
    ahead = taken.inside[0] and taken.near[0] > nominal[0, 0] + PACIFICA.front
    return bool(ahead and taken.along[0] > ALIKE and len(actor.points))


def _standing_event(taken: Occupancy, nominal: Float) -> dict[str, Any]:
    """Something in the corridor that never moves, in view from the start."""
    c0, c1 = taken.interval
    front = nominal[:, 0] + PACIFICA.front
    a_req = _stop_before(c0, front[0], nominal[0, 1]) if front[-1] > c0 else 0.0
    return {"kind": "standing", "h": a_req / 6.0} | _figures(a_req=a_req, c0=c0, c1=c1)


def _revealed_event(scenario: Scenario, row: int, taken: Occupancy, path: Float) -> dict[str, Any]:
    """Something that stands in the corridor, hidden from the reference by whom it follows until that one leaves."""
    tracks, now = scenario.tracks, slice(scenario.start, None)
    states = scenario.reference[now]
    poses = (tracks.position[:, now], tracks.heading[:, now])
    seen = visible_agents(
        scenario.ego_vehicle, states, tracks.kind, tracks.size, *poses, tracks.valid[:, now], walls(scenario.map)
    )[row]
    reach = 0.5 * float(tracks.size[row, 0]) + PACIFICA.front
    away = tracks.position[row, now] - states[:, :2]
    # once the reference is past it, others may be in between again
    ahead = away[:, 0] * np.cos(states[:, Ego.HEADING]) + away[:, 1] * np.sin(states[:, Ego.HEADING]) > reach
    hidden = np.flatnonzero(~seen & ahead)
    begin = min(int(hidden[-1]) + 1, len(states) - 1) if len(hidden) else 0
    front = SPACING * int(np.hypot(*(path[:, :2] - states[begin, :2]).T).argmin()) + PACIFICA.front
    speed, c0 = float(states[begin, Ego.VX]), taken.interval[0]
    a_req = _stop_before(c0, front, speed)
    return {"kind": "revealed", "h": a_req / 6.0} | _figures(
        a_req=a_req, seen=begin * DT, c0=c0, time=(c0 - front) / max(speed, 0.1)
    )


def _stop_before(c0: float, front: float, speed: float) -> float:
    """Deceleration [m/s2] with which an ego that reacts stops MARGIN before an arc length; MOST if none does."""
    room = c0 - front - speed * REACTION - MARGIN
    return min(speed * speed / (2.0 * room), MOST) if room > 0.1 else MOST


def _sharing_event(
    scenario: Scenario, row: int, taken: Occupancy, nominal: Float, view: Bool, braking: Callable[[int, float], bool]
) -> dict[str, Any]:
    """Somebody who comes into the ego's corridor and stays there: cuts in, pulls out, or comes the other way."""
    seen = _seen(scenario, row, taken, view)
    a_req = least(lambda rate: braking(seen, rate))
    entry = int(np.flatnonzero(taken.inside)[0])
    gap = float(taken.near[entry] - nominal[entry, 0] - PACIFICA.front)
    closing = float(nominal[entry, 1] - taken.speed[entry] * taken.along[entry])
    ttc = gap / closing if closing > 0.1 and gap > 0.0 else 99.0
    drac = closing**2 / (2.0 * gap) if closing > 0.1 and gap > 0.1 else 0.0
    kind = "oncoming" if taken.along[taken.inside].min() < -ALIKE else "entering"
    figures = _figures(a_req=a_req, ttc=ttc, drac=drac, gap=gap, entry=entry * DT, seen=seen * DT)
    return {"kind": kind, "h": a_req / 6.0} | figures


def _crossing_event(scenario: Scenario, row: int, taken: Occupancy, nominal: Float, view: Bool) -> dict[str, Any]:
    """Somebody who crosses the ego's corridor."""
    rows = np.flatnonzero(taken.inside)
    t_in, t_out, center = rows[0] * DT, rows[-1] * DT, int(taken.aside.argmin())
    (c0, c1), (d0, d1) = taken.interval, taken.own_interval
    front, rear, speed = nominal[:, 0] + PACIFICA.front, nominal[:, 0] - PACIFICA.rear, nominal[:, 1]
    clock = DT * np.arange(len(nominal))
    ego_in, ego_out, ego_at = (
        float(np.interp(c, s, clock, right=np.inf)) for c, s in ((c0, front), (c1, rear), (0.5 * (c0 + c1), front))
    )
    pet = max(t_in - ego_out, ego_in - t_out) if np.isfinite(ego_in) else np.inf
    onset = _onset(scenario, row, taken)
    lead = _cue_lead(scenario, row, onset, across=True)
    seen = _in_view(view, max(onset - round(lead / DT), 0))
    a_req = _stop_before(c0, float(front[seen]), float(speed[seen]))
    left = t_in - MARGIN - seen * DT
    a_go = 2.0 * (c1 - float(rear[seen]) - speed[seen] * left) / left**2 if left > 0.1 else np.inf
    a_go = np.inf if a_go > 2.0 else max(float(a_go), 0.0)
    h = 0.0 if pet >= MISSED else min(a_req, 3.0 * a_go) / 6.0
    figures = _figures(pet=pet, dta=center * DT - ego_at, a_req=a_req, a_go=a_go, seen=seen * DT, c0=c0, c1=c1)
    more = {"begin": round(onset * DT, 1), "cue_lead": round(lead, 1)}
    return {"kind": "crossing", "h": h, "own": [round(d0, 2), round(d1, 2)]} | figures | more


def _figures(**values: float) -> dict[str, float]:
    """Numbers for the provenance; what is infinite becomes 999."""
    return {name: round(float(np.clip(value, -999.0, 999.0)), 3) for name, value in values.items()}


def _seen(scenario: Scenario, row: int, taken: Occupancy, view: Bool) -> int:
    """Sample at which an attentive observer first knows: the announcement, else the beginning of the motion."""
    onset = _onset(scenario, row, taken)
    return _in_view(view, max(onset - round(_cue_lead(scenario, row, onset) / DT), 0))


def _onset(scenario: Scenario, row: int, taken: Occupancy) -> int:
    """Sample at which the motion into the corridor begins.

    Who stood begins by moving, a walker anyhow. A vehicle that drives up to the corridor has begun when it comes closer
    for good, and can no longer stop before it without braking hard. Who drives beside the ego begins by coming over;
    who goes straight on there while the ego's way bends is known from when they will not stop any more.
    """
    still = 0.15 if scenario.tracks.kind[row] == AgentKind.PEDESTRIAN else 0.3
    entry = int(np.flatnonzero(taken.inside)[0])
    if scenario.tracks.kind[row] == AgentKind.PEDESTRIAN:
        return int(np.argmax(taken.speed > still))
    standing = np.flatnonzero(taken.speed[:entry] <= still)
    if len(standing):
        return int(standing[-1]) + 1
    nearing = np.gradient(taken.aside, DT) < -0.2
    away = np.flatnonzero(~nearing[:entry])
    begin = int(away[-1]) + 1 if len(away) else 0
    straight = _keeps_direction(scenario, row, begin, entry)
    if taken.along[begin] > ALIKE and not straight:
        return min(begin, entry)
    room = np.maximum(taken.driven[entry] - taken.driven[:entry] - MARGIN, 0.1)
    cycling = scenario.tracks.kind[row] == AgentKind.BICYCLE
    able = np.flatnonzero(taken.speed[:entry] ** 2 / (2.0 * room) < (STOPPING_CYCLE if cycling else STOPPING))
    committed = int(able[-1]) + 1 if len(able) else 0
    return min(committed if straight and taken.along[begin] > ALIKE else max(begin, committed), entry)


def _keeps_direction(scenario: Scenario, row: int, begin: int, entry: int) -> bool:
    """True if somebody drives straight on between two samples: the ego's way bends towards them, not they to it."""
    tracks, first = scenario.tracks, scenario.start + begin
    heading = float(tracks.heading[row, first])
    dx, dy = tracks.position[row, scenario.start + entry] - tracks.position[row, first]
    return abs(float(dy * np.cos(heading) - dx * np.sin(heading))) < SIDEWAYS


def _cue_lead(scenario: Scenario, row: int, onset: int, *, across: bool = False) -> float:
    """Time [s] between the first announcement and the first motion it announces, in the stored tracks.

    INTENT of a vehicle (a siren, a driver who gets ready) announces what it does from sample ``onset`` on, and counts
    rather than an indicator that has been on all the time. The indicator of somebody who drives ``across`` says where
    they turn, not whether they wait: it announces nothing.
    """
    tracks = scenario.tracks
    walker = tracks.kind[row] == AgentKind.PEDESTRIAN
    shown = np.flatnonzero(tracks.cues[row] & ANNOUNCEMENTS)
    ready = np.flatnonzero(tracks.cues[row] & Cue.INTENT)
    if not walker and len(ready):
        return max(0.0, (onset + scenario.start - int(ready[0])) * DT)
    if not len(shown):
        return 0.0
    rolling = bool(np.hypot(*tracks.velocity[row, shown[0]]) >= 0.3)
    if across and rolling and not walker:
        return 0.0
    if walker or not rolling:
        moving = np.flatnonzero(np.hypot(*tracks.velocity[row].T) > (0.15 if walker else 0.3))
        begin = moving[moving >= shown[0]] if not walker else moving
    else:  # an indicator: until the heading leaves the direction it had
        turned = np.abs(np.unwrap(tracks.heading[row])[shown[0] :] - tracks.heading[row, shown[0]])
        begin = shown[0] + np.flatnonzero(turned > 0.02)
    return max(0.0, (int(begin[0]) - int(shown[0])) * DT) if len(begin) else 0.0


def fire_steps(scenario: Scenario, world: TrafficWorld) -> Float:
    """Samples after the start ``[E]`` at which the script's events fire for an ego on its reference; inf: never."""
    states = scenario.reference[scenario.start :]
    center = center_from_rear_axle(states, scenario.ego_vehicle)
    clock = DT * np.arange(len(states))
    found = np.full(len(world.script), np.inf)
    for number, event in enumerate(world.script):
        due = clock >= event[Event.TIMEOUT] - 1e-9
        if event[Event.TRIGGER] == Trigger.TIME:
            due |= clock >= event[Event.VALUE] - 1e-9
        else:
            away = np.hypot(event[Event.X] - center[:, 0], event[Event.Y] - center[:, 1])
            away = away - scenario.ego_vehicle.length / 2
            due |= away <= event[Event.VALUE] * np.maximum(states[:, Ego.VX], 0.5 * event[-1])
        if due.any():
            found[number] = int(due.argmax())
    return found


def _lead_event(scenario: Scenario, row: int, path: Float, world: TrafficWorld) -> dict[str, Any] | None:
    """The hardest braking that a lead's scripted brakes demand of an ego that has kept its time gap until then.

    The reference is no measure: it sees the brake coming and may have fallen back.
    """
    start, tracks = scenario.start, scenario.tracks
    speed = np.hypot(*tracks.velocity[row, start:].T)
    orders = [
        int(step)
        for step, event in zip(fire_steps(scenario, world), world.script, strict=True)
        if int(event[Event.AGENT]) == row
        and event[Event.ACTION] == Action.SPEED
        and step < len(speed) - 20
        and event[Event.TARGET] < speed[int(step)] - 0.5
    ]
    if not orders:
        return None
    recorded = Others(
        tracks.position[:, start:], tracks.heading[:, start:], tracks.velocity[:, start:], tracks.valid[:, start:],
        tracks.size, tracks.kind,
    )  # fmt: skip
    taken = occupancy(path, recorded, row)
    ego = scenario.reference[start]
    rear_arc = SPACING * float(np.hypot(path[:, 0] - ego[Ego.X], path[:, 1] - ego[Ego.Y]).argmin())
    time_gap = float(taken.near[0] - rear_arc - PACIFICA.front) / max(float(ego[Ego.VX]), 1.0)
    worst: dict[str, Any] | None = None
    for begin in orders:
        event = _brake(taken, speed, begin, max(time_gap * float(speed[begin]), 2.0))
        if worst is None or event["a_req"] > worst["a_req"]:
            worst = event
    return worst


def _brake(taken: Occupancy, speed: Float, begin: int, gap: float) -> dict[str, Any]:
    """What one brake of a lead asks of an ego ``gap`` [m] behind it that drives as fast as it does."""
    a_req = braking_demand(speed[begin:], gap)
    hard = np.gradient(speed[begin : begin + 30], DT)
    figures = _figures(a_req=a_req, gap=gap, time_gap=gap / max(float(speed[begin]), 1.0), deceleration=-hard.min())
    return {"kind": "lead", "h": a_req / 6.0, "begin": round(begin * DT, 1)} | figures
