"""F18 crosswalk: people wait, approach, hesitate, turn back, or only look as if they would cross.

Nobody who is not about to cross claims the crossing: those who only stand there keep a metre from the kerb or look
elsewhere, as do those who will cross until they set off. So going on is right until somebody steps off. In the twin the
same people stand there and nobody does.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from drive.drivers import WALKING_SPEED, Driver
from drive.geometry import arc_length
from drive.scene import Action, AgentKind, Cue, Trigger
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
from scenarios.generate.approach import Meeting, approach, approach_of
from scenarios.generate.geometry import Float
from scenarios.generate.junction import Control
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import COLLECTOR, RESIDENTIAL, CrossingDraw, draw_layout, draw_section
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import at_arc, ego_ways, heading_of, meeting_arc
from scenarios.generate.reference import draw_style, ego_path
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import RUN_IN, reach, run_up, walk_time

COMMIT, HESITATE, TURN_BACK, ELDERLY, RUN, NOBODY = range(6)
MID_BLOCK, BEFORE, AFTER = range(3)
KNOBS = {
    "place": Knob(choices=(MID_BLOCK,) * 7 + (BEFORE,) * 2 + (AFTER,)),
    "arrival": Knob(5.5, 8.5),
    "offset": Knob(),
    "people": Knob(1.0, 8.0),
    "behavior": Knob(choices=(COMMIT,) * 13 + (HESITATE,) * 3 + (TURN_BACK,) + (ELDERLY,) * 2 + (RUN,)),
    "speed": Knob(1.0, 1.8),
    "hesitation": Knob(0.3, 2.0),
    "false_cues": Knob(0.3, 0.5),
    "approach": Knob(),
    "near_side": Knob(),
    "road_class": Knob(choices=(0, 1, 1, 1, 1, 1)),
    "density": Knob(0.2, 1.1),
    "bends": Knob(choices=(0, 1, 2)),
    "urgency": Knob(),
}
LIMITS = (11.11, 13.89, 13.89)  # m/s, of the wider roads
STAND_BACK = 1.05  # m from the kerb: nearer, who looks at the road wants to cross
LEAST_LEAD, MOST_LEAD = 0.2, 2.5  # s between the first cue and the first step
QUICKEST, LATEST = 3.0, 0.05  # m/s, s: later ones let the ego pass
NEVER = 60.0  # s
LAST_ARRIVAL = 9.5  # s
PACE = (0.38, 0.5)  # share of the limit at the scene's start: from faster, stopping at once would get far
WAITING = 12.0  # m: whose trigger is shorter than this at the limit would never see an ego that waits for them


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A crossing in mid-block or at a junction without signals, reached 5.5 to 9.5 s after the start."""
    rng = draws("map")
    road = (RESIDENTIAL, COLLECTOR)[int(knobs["road_class"])]
    section = draw_section(road, rng, limit=None if road is RESIDENTIAL else float(rng.choice(LIMITS)))
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
    lane = draws("lane")
    way = ways[-1] if lane.random() < 0.7 else ways[int(lane.integers(len(ways)))]  # mostly the one at the kerb
    number = _crossing(network, place)
    arc_at = meeting_arc(way, network.crossings[number].line) if number is not None else None
    if number is None or arc_at is None:
        return None
    path, arrival = ego_path(way, style), knobs["arrival"]
    pace = section.limit * float(draws("entry").uniform(*PACE))
    for _ in range(2):  # who takes long to cross needs an ego that comes late
        drive = approach(path, arc_at, arrival, pace, style.acceleration)
        if drive is None:
            return None
        meeting = Meeting(drive, way, arc_at)
        people, events, due, offset = _people(knobs, draws("people"), network, number, meeting, draws.recipe.twin)
        if due <= arrival:
            break
        arrival = min(due + 0.1, LAST_ARRIVAL)
    arc, speed, rest = meeting.drive.begin
    middle = at_arc(way, arc_at)[:2]
    actors = list(people)
    clear = (way.lanes[0], arc - 9.0 - 0.9 * speed, max(arc_at + 25.0, arc + 30.0))
    actors += traffic(network, draws("traffic"), knobs["density"], middle, reach(section.limit), 16, [clear])
    actors += strollers(network, draws("strollers"), int(draws("count").integers(0, 5)), middle, 60.0)
    keep_clear = np.array([item.line.mean(axis=0) for item in network.crossings]).reshape(-1, 2)
    bays = parked(network, draws("parked"), float(draws("occupancy").uniform(0.3, 0.9)), keep_clear, clear=12.0)
    actors += [item for item in bays if np.hypot(*(item.pose[:2] - middle)) < 90.0][:30]
    facts = {"arrival": round(arrival, 2), "crossing": number, "offset": round(offset, 3)}
    return Setting(
        network, way, arc, speed, style, actors, events, event=arc_at, rest=rest, occlusion=True, facts=facts
    )


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """People at the first crossing without signals that the way meets near ``arc`` [m] or beyond."""
    network, way = setting.network, setting.way
    found = []
    for number, item in enumerate(network.crossings):
        signalled = item.junction >= 0 and network.junctions[item.junction].control is Control.SIGNAL
        meeting = None if signalled else meeting_arc(way, item.line)
        if meeting is not None and arc - 15.0 < meeting < arc + 60.0:
            found.append((meeting, number))
    if not found:
        return None
    meeting, number = min(found)
    there = Meeting(approach_of(setting), way, meeting)
    people, events, _, _ = _people(knobs, draws("people"), network, number, there, draws.recipe.twin)
    first = len(setting.actors)
    moved = [(event[0] + first, *event[1:5], NEVER if event[5] > 0.0 else 0.0, *event[6:]) for event in events]
    bays = np.array([item.line.mean(axis=0) for item in network.crossings]).reshape(-1, 2)
    if any(item.role == "parked" and not _clear(item, bays) for item in setting.actors):
        return None
    return replace(setting, actors=[*setting.actors, *people], events=[*setting.events, *moved], occlusion=True)


def _clear(actor: Actor, crossings: Float) -> bool:
    """True if something parked is 10 m away from every crossing."""
    return bool((np.hypot(*(crossings - actor.pose[:2]).T) > 10.0).all())


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
    knobs: Mapping[str, float],
    rng: np.random.Generator,
    network: Network,
    number: int,
    meeting: Meeting,
    twin: bool,
) -> tuple[list[Actor], list[tuple[float, ...]], float, float]:
    """Those who cross and those who only stand there; their script; when the ego has to arrive at least [s]; and how
    much later the main one does [s].

    In the ``twin`` everybody is where they are, and nobody sets off.
    """
    item, conflict = network.crossings[number], meeting.place
    width = float(np.hypot(*(item.line[1] - item.line[0])))
    ego_at_first = np.hypot(*(item.line[0] - conflict[:2])) < np.hypot(*(item.line[1] - conflict[:2]))
    near_side = knobs["near_side"] < (1.0 if int(knobs["behavior"]) == ELDERLY else 0.88)
    main_from_first = bool(ego_at_first) == near_side
    actors: list[Actor] = []
    events: list[tuple[float, ...]] = []
    arrival, later = 0.0, 0.0
    last: dict[tuple[bool, int], float] = {}  # distance from the kerb of the last one in each file
    latest: dict[tuple[bool, int], float] = {}  # trigger of the last one in each file
    for person in _line_up(knobs, rng, main_from_first):
        shift = 0.5 + 0.95 * person.file  # on one's own side as one walks
        size = draw_size(AgentKind.PEDESTRIAN, rng)
        start = STAND_BACK + float(rng.uniform(0.0, 0.3)) + 1.3 * person.place
        if person.main and knobs["approach"] < 0.4:
            start += float(rng.uniform(0.5, 2.5)) * (1.0 - knobs["urgency"])
        file = (person.from_first, person.file)
        start = max(start, last.get(file, 0.0) + 1.1)
        last[file] = start
        turn_back = float(rng.uniform(0.3, 0.55)) if person.mode == TURN_BACK else 0.0
        points = crossing_line(network, number, start, shift, person.from_first, turn_back)
        lead, rate = float(rng.uniform(0.5, 2.0)), float(rng.uniform(1.5, 3.0))
        if person.mode == NOBODY:
            actors.append(_bystander(rng, points, size, lead, person.place == 0))
            continue
        pace, offset = person.pace, min(_dense(knobs["offset"]), LATEST)
        to_conflict = start + _from_kerb(item.line, conflict[:2], person.from_first)
        if person.main:
            most, rate = 1.2 if person.mode == ELDERLY else QUICKEST, max(rate, 2.5) + 0.5 * knobs["urgency"]
            pace, offset, lead = _urgent(knobs["urgency"], to_conflict, min(pace, most), most, offset, rate, meeting)
        else:
            offset += float(np.clip(rng.normal(0.3, 0.8), -1.2, 2.0))
        time = walk_time(to_conflict, pace, rate)
        trigger = min(time - offset, latest.get(file, np.inf) - 0.6)
        if not person.main and trigger < 0.3:
            trigger = 0.3  # sets off as the ego passes
        latest[file] = trigger
        limit = _pace_along(person.mode, pace, points, start, width, turn_back, knobs["hesitation"])
        shown = rng.random() < 0.4
        if person.main:
            arrival, later = trigger + lead + 0.6, offset
        driver = {Driver.SPEED_FACTOR: pace / WALKING_SPEED, Driver.COURTESY: 0.0, Driver.ACCELERATION: rate}
        driver |= {Driver.START_LOSS: 0.0, Driver.NOISE: 0.0, Driver.LANE_BIAS: 0.0}
        index, place = float(len(actors)), (float(conflict[0]), float(conflict[1]))
        due, shows = meeting.estimate(trigger), meeting.estimate(trigger + lead)
        role = "standing" if twin else _ROLE[person.mode]
        critical = person.main and not twin
        shown_for = 0.0 if twin else shows - due
        actor = walking(points, 0.0, size, critical=critical, role=role, driver=driver, cue_lead=shown_for)
        actors.append(replace(actor, limit=limit))
        go = Action.NORMAL if person.mode in (HESITATE, TURN_BACK) else Action.SPEED
        timeout = min(max(meeting.drive.time(meeting.arc) - trigger, 0.0) + 7.0, 14.0)
        events.append((index, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0))
        if not twin:
            events.append((index, Trigger.EGO_ARRIVAL, due, *place, timeout, go, rate, pace))
        elif shown:  # a false cue
            events.append((index, Trigger.EGO_ARRIVAL, shows, *place, NEVER, Action.CUE, lead + 1.0, Cue.INTENT))
    return actors, events, arrival, later


def _bystander(rng: np.random.Generator, points: Float, size: tuple[float, float], lead: float, first: bool) -> Actor:
    """Somebody who does not cross: looks at the road from a metre back, or, if the ``first`` of a file, chats at the
    kerb, turned away."""
    heading, nearer = heading_of(points), 0.0
    if first and rng.random() < 0.35:
        nearer, turned = 0.6, float(rng.choice((-1.0, 1.0))) * float(rng.uniform(1.3, 2.2))
    else:
        turned = float(rng.normal(0.0, 0.3))
    place = points[0] + nearer * np.array((np.cos(heading), np.sin(heading)))
    pose = np.array((*place, heading + turned))
    return standing(AgentKind.PEDESTRIAN, size, pose, "false_cue", lead if rng.random() < 0.6 else 0.0)


def _dense(unit: float) -> float:
    """Arrival offset [s] in [-1, 1], dense from -0.6 to 0.1, where planners part."""
    u = 2.0 * unit - 1.0
    return float(np.clip(-0.25 + 0.75 * u * abs(u) + 0.25 * u, -1.0, 1.0))


def _urgent(
    urgency: float, distance: float, pace: float, most: float, offset: float, rate: float, meeting: Meeting
) -> tuple[float, float, float]:
    """Pace [m/s], arrival offset [s] and lead of the cue [s] with which an ego that goes on until it sees the cue has
    to brake at 2.6 to 5.8 m/s2, as ``urgency`` in [0, 1) says.

    From cue to crossing it takes the walk, less the offset, and the lead; where that is too long even for the shortest
    lead people walk faster (at ``most`` so), and if need be later.
    """
    wanted = meeting.warning(2.6 + 3.2 * urgency)
    while walk_time(distance, pace, rate) - offset + LEAST_LEAD > wanted and pace < most:
        pace *= 1.05
    while walk_time(distance, pace, rate) - offset + LEAST_LEAD > wanted and offset < LATEST:
        offset += 0.05
    while meeting.estimate(walk_time(distance, pace, rate) - offset) < WAITING / meeting.limit and pace > 0.8:
        pace *= 0.95
    lead = wanted - walk_time(distance, pace, rate) + offset
    return pace, offset, float(np.clip(lead, LEAST_LEAD, MOST_LEAD))


def _pace_along(
    mode: int, pace: float, points: Float, start: float, width: float, turn_back: float, hesitation: float
) -> Float:
    """Speed ``[P]`` [m/s] along the line of somebody of a ``pace`` [m/s], who is slower where one hesitates or turns.

    Places, not times: somebody who set off later for a slower ego still stops in the middle of the road.
    """
    limit, along = np.full(len(points), WALKING_SPEED), arc_length(points)
    if mode == HESITATE:
        slow = (along > start + 0.22 * width) & (along < start + 0.22 * width + 0.8)
        limit[slow] *= min(0.8 / (hesitation * pace), 0.9)
    if mode == TURN_BACK:
        turn = start + turn_back * width
        limit[(along > turn - 1.0) & (along < turn + np.pi * TURN_RADIUS + 1.5)] *= 0.5 / pace
    return limit


def _from_kerb(line: Float, point: Float, from_first: bool) -> float:
    """Distance [m] from the kerb somebody starts at to the ego's way."""
    near, far = (line[0], line[1]) if from_first else (line[1], line[0])
    return float((point - near) @ (far - near) / np.hypot(*(far - near)))


_ROLE = {COMMIT: "crosser", HESITATE: "hesitating", TURN_BACK: "turning_back", ELDERLY: "elderly", RUN: "running"}
F18 = Family("F18", KNOBS, stage, overlay, twins=True)
