"""F18 crosswalk: people wait, approach, hesitate, turn back, or only look as if they would cross."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from drive.drivers import WALKING_SPEED, Driver
from drive.geometry import arc_length
from drive.scene import Action, AgentKind, Trigger
from scenarios.generate.actors import (
    TURN_RADIUS,
    Actor,
    crossing_line,
    draw_size,
    parked,
    standing,
    strollers,
    traffic,
    walking,
)
from scenarios.generate.geometry import Float
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import COLLECTOR, RESIDENTIAL, CrossingDraw, draw_layout, draw_section
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import at_arc, ego_ways, heading_of
from scenarios.generate.reference import draw_style, ego_path, meeting_arc
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import RUN_IN, ego_start, reach, run_up, walk_time

COMMIT, HESITATE, TURN_BACK, ELDERLY, RUN, NOBODY = range(6)
MID_BLOCK, BEFORE, AFTER = range(3)
KNOBS = {
    "place": Knob(choices=(MID_BLOCK, MID_BLOCK, MID_BLOCK, BEFORE, AFTER)),
    "arrival": Knob(4.5, 8.5),
    "offset": Knob(-1.0, 1.0),
    "people": Knob(1.0, 9.0),
    "behavior": Knob(
        choices=(COMMIT,) * 9 + (HESITATE,) * 3 + (TURN_BACK,) * 2 + (ELDERLY,) * 3 + (RUN,) + (NOBODY,) * 2
    ),
    "speed": Knob(1.0, 1.6),
    "hesitation": Knob(0.3, 2.0),
    "false_cues": Knob(0.3, 0.5),
    "approach": Knob(),
    "near_side": Knob(),
    "road_class": Knob(choices=(0, 1, 1)),
    "density": Knob(0.2, 1.1),
    "bends": Knob(choices=(0, 1, 2)),
    "cue_lead": Knob(1.0, 2.5),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A crossing in mid-block or at a junction without signals, reached 4.5 to 9.5 s after the start."""
    rng = draws("map")
    road = (RESIDENTIAL, COLLECTOR)[int(knobs["road_class"])]
    section = draw_section(road, rng)
    place = int(knobs["place"])
    style = draw_style(draws("style"))
    station = run_up(section.limit) + section.limit * (RUN_IN + knobs["arrival"] + 1.0)
    first, crossing, junctions = station, None, 1
    if place == MID_BLOCK:
        crossing = CrossingDraw(station, float(rng.uniform(2.5, 4.5)), float(rng.uniform(1.0, 2.5)))
        junctions = int(rng.random() < 0.5)
        first = station + (float(rng.uniform(60.0, 110.0)) if junctions else section.limit * 23.0 + 80.0)
    layout = draw_layout(
        section,
        road,
        rng,
        first=first,
        junctions=junctions,
        bends=int(knobs["bends"]),
        crossing=crossing,
        crosswalks=place != MID_BLOCK,
        signals=place == MID_BLOCK,
    )
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(section.limit) + RUN_IN * section.limit)
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[int(draws("lane").integers(len(ways)))]
    number = _crossing(network, place)
    arc_at = meeting_arc(way, network.crossings[number].line) if number is not None else None
    if number is None or arc_at is None:
        return None
    path = ego_path(way, style)
    conflict = at_arc(way, arc_at)
    people, events, arrival = _people(knobs, draws("people"), network, number, conflict)
    start = ego_start(path, arc_at - 3.0, arrival, float(draws("entry").uniform(0.1, 0.9)))
    if start is None:
        return None
    arc, speed = start
    middle = at_arc(way, arc_at)[:2]
    actors = list(people)
    clear = (way.lanes[0], arc - 9.0 - 0.9 * speed, max(arc_at + 25.0, arc + 30.0))
    actors += traffic(network, draws("traffic"), knobs["density"], middle, reach(section.limit), 16, [clear])
    actors += strollers(network, draws("strollers"), int(draws("count").integers(0, 5)), middle, 60.0)
    keep_clear = np.array([item.line.mean(axis=0) for item in network.crossings]).reshape(-1, 2)
    bays = parked(network, draws("parked"), float(draws("occupancy").uniform(0.3, 0.9)), keep_clear, clear=12.0)
    actors += [item for item in bays if np.hypot(*(item.pose[:2] - middle)) < 90.0][:30]
    facts = {"arrival": round(arrival, 2), "crossing": number}
    return Setting(network, way, arc, speed, style, actors, events, event=arc_at, facts=facts)


def _crossing(network: Network, place: int) -> int | None:
    """Number of the crossing of the event."""
    for number, item in enumerate(network.crossings):
        mid_block = place == MID_BLOCK and item.junction < 0
        before = place == BEFORE and item.junction == 0 and item.road == 0
        if mid_block or before or (place == AFTER and item.junction == 0 and item.road == network.corridor[1]):
            return number
    return None


@dataclass(frozen=True)
class _Person:
    """One place in the queue: side of the road, file, place from the kerb, what they do and how fast [m/s]."""

    from_first: bool
    file: int
    place: int
    mode: int
    pace: float
    main: bool


def _line_up(knobs: Mapping[str, float], rng: np.random.Generator, main_from_first: bool) -> list[_Person]:
    """Who stands where. Everybody has a place of their own, and nobody behind somebody else is faster."""
    behavior, total = int(knobs["behavior"]), int(knobs["people"])
    false_cues = total if behavior == NOBODY else round(knobs["false_cues"] * (total - 1))
    queue: dict[tuple[bool, int], list[_Person]] = {}
    found = []
    for number in range(total):
        crosses, main = number < total - false_cues, number == 0 and behavior != NOBODY
        from_first = main_from_first if main else bool(rng.random() < 0.5)
        file = int(rng.integers(2))
        if main or (behavior == TURN_BACK and from_first == main_from_first):
            file = 0  # who turns round comes back where the other file would stand
        ahead = queue.setdefault((from_first, file), [])
        # Behind somebody who stops or comes back one could only wait.
        blocked = any(person.mode not in (COMMIT, ELDERLY) for person in ahead)
        mode = behavior if main else NOBODY if not crosses or blocked else COMMIT if rng.random() < 0.8 else HESITATE
        pace = {ELDERLY: float(rng.uniform(0.6, 0.9)), RUN: float(rng.uniform(2.0, 2.8))}.get(mode, knobs["speed"])
        pace = min([pace, *(0.95 * person.pace for person in ahead)])
        person = _Person(from_first, file, len(ahead), mode, pace, main)
        ahead.append(person)
        found.append(person)
    return found


def _people(
    knobs: Mapping[str, float], rng: np.random.Generator, network: Network, number: int, conflict: Float
) -> tuple[list[Actor], list[tuple[float, ...]], float]:
    """Those who cross and those who only stand there; their script; when the ego has to arrive [s]."""
    item = network.crossings[number]
    width = float(np.hypot(*(item.line[1] - item.line[0])))
    ego_at_first = np.hypot(*(item.line[0] - conflict[:2])) < np.hypot(*(item.line[1] - conflict[:2]))
    main_from_first = bool(ego_at_first) == (knobs["near_side"] < 0.7)
    actors: list[Actor] = []
    events: list[tuple[float, ...]] = []
    arrival = knobs["arrival"]
    latest: dict[tuple[bool, int], float] = {}  # trigger of the last one in each file
    for person in _line_up(knobs, rng, main_from_first):
        shift = 0.5 + 0.95 * person.file  # on one's own side as one walks
        size = draw_size(AgentKind.PEDESTRIAN, rng)
        start = float(rng.uniform(0.3, 0.7)) + 1.3 * person.place
        if person.main and knobs["approach"] < 0.4:
            start += float(rng.uniform(1.5, 4.0)) + 1.3
        turn_back = float(rng.uniform(0.3, 0.55)) if person.mode == TURN_BACK else 0.0
        points = crossing_line(network, number, start, shift, person.from_first, turn_back)
        lead, rate = float(rng.uniform(1.0, knobs["cue_lead"] + 0.3)), float(rng.uniform(1.5, 3.0))
        if person.mode == NOBODY:
            facing = np.array((*points[0], heading_of(points) + float(rng.normal(0.0, 0.3))))
            shown = lead if rng.random() < 0.6 else 0.0
            actors.append(standing(AgentKind.PEDESTRIAN, size, facing, "false_cue", shown))
            continue
        pace, offset = person.pace, knobs["offset"]
        to_conflict = start + _from_kerb(item.line, conflict[:2], person.from_first)
        if person.main:  # who is too slow to meet an ego that is 9.5 s away walks a little faster
            while walk_time(to_conflict, pace, rate) - offset + 1.0 > 9.5:
                pace *= 1.1
        else:
            offset += float(np.clip(rng.normal(0.3, 1.0), -1.5, 3.0))
        time = walk_time(to_conflict, pace, rate)
        trigger = min(time - offset, latest.get((person.from_first, person.file), np.inf) - 0.6)
        if not person.main and trigger < 0.3:
            trigger = 0.3  # sets off as the ego passes
        latest[person.from_first, person.file] = trigger
        limit = _pace_along(person, points, start, width, turn_back, knobs["hesitation"])
        if person.main:
            arrival = float(np.clip(max(arrival, trigger + 1.0), 4.5, 9.5))
        driver = {Driver.SPEED_FACTOR: pace / WALKING_SPEED, Driver.COURTESY: 0.0, Driver.ACCELERATION: rate}
        driver |= {Driver.START_LOSS: 0.0, Driver.NOISE: 0.0, Driver.LANE_BIAS: 0.0}
        index = float(len(actors))
        actor = walking(points, 0.0, size, critical=person.main, role=_ROLE[person.mode], driver=driver, cue_lead=lead)
        actors.append(replace(actor, limit=limit))
        go = Action.NORMAL if person.mode in (HESITATE, TURN_BACK) else Action.SPEED
        timeout = min(max(arrival - trigger, 0.0) + 7.0, 14.0)
        events.append((index, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0))
        events.append((index, Trigger.EGO_ARRIVAL, trigger, *conflict[:2], timeout, go, rate, pace))
    return actors, events, arrival


def _pace_along(
    person: _Person, points: Float, start: float, width: float, turn_back: float, hesitation: float
) -> Float:
    """Speed ``[P]`` [m/s] along the line: walking speed, slower where one hesitates or turns round.

    Places, not times: somebody who set off later for a slower ego still stops in the middle of the road.
    """
    limit, along = np.full(len(points), WALKING_SPEED), arc_length(points)
    if person.mode == HESITATE:
        slow = (along > start + 0.22 * width) & (along < start + 0.22 * width + 0.8)
        limit[slow] *= min(0.8 / (hesitation * person.pace), 0.9)
    if person.mode == TURN_BACK:
        turn = start + turn_back * width
        limit[(along > turn - 1.0) & (along < turn + np.pi * TURN_RADIUS + 1.5)] *= 0.5 / person.pace
    return limit


def _from_kerb(line: Float, point: Float, from_first: bool) -> float:
    """Distance [m] from the kerb somebody starts at to the ego's way."""
    near, far = (line[0], line[1]) if from_first else (line[1], line[0])
    return float((point - near) @ (far - near) / np.hypot(*(far - near)))


_ROLE = {COMMIT: "crosser", HESITATE: "hesitating", TURN_BACK: "turning_back", ELDERLY: "elderly", RUN: "running"}
F18 = Family("F18", KNOBS, stage)
