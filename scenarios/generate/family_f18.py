"""F18 crosswalk: people wait, approach, hesitate, turn back, or only look as if they would cross."""

from collections.abc import Mapping

import numpy as np

from drive.drivers import WALKING_SPEED, Driver
from drive.geometry import wrap_angle
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
from scenarios.generate.families import Draws, Family, Setting
from scenarios.generate.geometry import Float
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import COLLECTOR, RESIDENTIAL, CrossingDraw, draw_layout, draw_section
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import at_arc, ego_ways
from scenarios.generate.reference import draw_style, ego_path, meeting_arc
from scenarios.generate.timing import RUN_IN, RUN_UP, ego_start, walk_time

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
    run_up = RUN_UP + section.limit * (RUN_IN + knobs["arrival"] + 1.0)
    first, crossing, junctions = run_up, None, 1
    if place == MID_BLOCK:
        crossing = CrossingDraw(run_up, float(rng.uniform(2.5, 4.5)), float(rng.uniform(1.0, 2.5)))
        junctions = int(rng.random() < 0.5)
        first = run_up + (float(rng.uniform(60.0, 110.0)) if junctions else section.limit * 20.0 + 80.0)
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
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), RUN_UP + RUN_IN * section.limit)
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
    start = ego_start(path, arc_at - 3.0, arrival)
    if start is None:
        return None
    arc, speed = start
    middle = at_arc(way, arc_at)[:2]
    actors = list(people)
    clear = (way.lanes[0], arc - 9.0 - 0.9 * speed, max(arc_at + 25.0, arc + 30.0))
    actors += traffic(network, draws("traffic"), knobs["density"], middle, 100.0, 14, [clear])
    actors += strollers(network, draws("strollers"), int(draws("count").integers(0, 5)), middle, 60.0)
    keep_clear = np.array([item.line.mean(axis=0) for item in network.crossings]).reshape(-1, 2)
    bays = parked(network, draws("parked"), float(draws("occupancy").uniform(0.3, 0.9)), keep_clear, clear=12.0)
    actors += [item for item in bays if np.hypot(*(item.pose[:2] - middle)) < 90.0][:30]
    facts = {"arrival": round(arrival, 2), "crossing": number}
    return Setting(network, way, arc, speed, style, actors, events, "normal", facts)


def _crossing(network: Network, place: int) -> int | None:
    """Number of the crossing of the event."""
    for number, item in enumerate(network.crossings):
        mid_block = place == MID_BLOCK and item.junction < 0
        before = place == BEFORE and item.junction == 0 and item.road == 0
        if mid_block or before or (place == AFTER and item.junction == 0 and item.road == network.corridor[1]):
            return number
    return None


def _people(
    knobs: Mapping[str, float], rng: np.random.Generator, network: Network, number: int, conflict: Float
) -> tuple[list[Actor], list[tuple[float, ...]], float]:
    """Those who cross and those who only stand there; their script; when the ego has to arrive [s].

    Everybody gets a place of their own in a small grid on their side of the road, so that nobody walks through another.
    """
    behavior, total = int(knobs["behavior"]), int(knobs["people"])
    item = network.crossings[number]
    false_cues = total if behavior == NOBODY else round(knobs["false_cues"] * (total - 1))
    walk = item.line[1] - item.line[0]
    width = float(np.hypot(*walk))
    depth = float(np.ptp((item.ring - item.line[0]) @ (np.array((-walk[1], walk[0])) / width)))
    ego_at_first = np.hypot(*(item.line[0] - conflict[:2])) < np.hypot(*(item.line[1] - conflict[:2]))
    main_from_first = bool(ego_at_first) == (knobs["near_side"] < 0.7)
    actors: list[Actor] = []
    events: list[tuple[float, ...]] = []
    arrival = knobs["arrival"]
    queue = {(side, row): 0 for side in (False, True) for row in (0, 1)}
    for person in range(total):
        crosses = person < total - false_cues
        main = person == 0 and crosses
        from_first = main_from_first if main else bool(rng.random() < 0.5)
        row = 0 if main else int(rng.integers(2))
        place = queue[from_first, row]
        queue[from_first, row] += 1
        # Keep to one's own half of the crossing, in two rows of files.
        shift = (0.14 + 0.24 * row) * max(depth, 3.2) * (1.0 if from_first else -1.0)
        lead = 0.0 if not crosses else float(rng.uniform(1.0, knobs["cue_lead"] + 0.3))
        size = draw_size(AgentKind.PEDESTRIAN, rng)
        approach = place == 0 and knobs["approach"] < 0.4 and main
        start = float(rng.uniform(2.0, 5.0)) if approach else float(rng.uniform(0.3, 0.8)) + 1.1 * place
        mode = behavior if main else (COMMIT if rng.random() < 0.8 else HESITATE)
        pace = {ELDERLY: float(rng.uniform(0.6, 0.9)), RUN: float(rng.uniform(2.0, 2.8))}.get(mode, knobs["speed"])
        pace = pace if main else min(pace, knobs["speed"]) * (1.0 - 0.08 * place)
        turn_back = float(rng.uniform(0.3, 0.55)) if mode == TURN_BACK else 0.0
        points = crossing_line(network, number, rng, start, shift, from_first, turn_back)
        if not crosses:
            facing = np.array((*points[0], float(wrap_angle(np.arctan2(*(points[3] - points[0])[::-1])))))
            facing[2] += float(rng.normal(0.0, 0.3))
            actors.append(standing(AgentKind.PEDESTRIAN, size, facing, "false_cue", float(rng.random() < 0.6)))
            continue
        offset = knobs["offset"] if main else knobs["offset"] + float(np.clip(rng.normal(0.3, 1.0), -1.5, 3.0))
        rate = float(rng.uniform(1.5, 3.0))
        to_conflict = start + _from_kerb(item.line, conflict[:2], from_first)
        if main:  # who is too slow to meet an ego that is 9.5 s away walks a little faster
            while walk_time(to_conflict, pace, rate) - offset + 1.0 > 9.5:
                pace *= 1.1
        time = walk_time(to_conflict, pace, rate)
        limit = np.full(len(points), WALKING_SPEED)
        along = 0.25 * np.arange(len(points))
        if mode == HESITATE:
            slow = (along > start + 0.22 * width) & (along < start + 0.22 * width + 0.8)
            limit[slow] *= min(0.8 / (knobs["hesitation"] * pace), 0.9)
        if mode == TURN_BACK:
            turn = start + turn_back * width
            limit[(along > turn - 1.0) & (along < turn + 3.5 * TURN_RADIUS)] *= 0.5 / pace
        if main:
            arrival = float(np.clip(max(arrival, time - offset + 1.0), 4.5, 9.5))
        driver = {Driver.SPEED_FACTOR: pace / WALKING_SPEED, Driver.COURTESY: 0.0, Driver.ACCELERATION: rate}
        driver |= {Driver.START_LOSS: 0.0, Driver.NOISE: 0.0, Driver.LANE_BIAS: 0.0}
        index = float(len(actors))
        actor = walking(points, 0.0, size, critical=main, role=_ROLE[mode], driver=driver, cue_lead=max(lead, 1.0))
        actors.append(Actor(**{**actor.__dict__, "limit": limit}))
        go = Action.NORMAL if mode in (HESITATE, TURN_BACK) else Action.SPEED
        timeout = min(max(arrival - time + offset, 0.0) + 7.0, 14.0)
        events.append((index, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0))
        events.append((index, Trigger.EGO_ARRIVAL, time - offset, *conflict[:2], timeout, go, rate, pace))
    return actors, events, arrival


def _from_kerb(line: Float, point: Float, from_first: bool) -> float:
    """Distance [m] from the kerb somebody starts at to the ego's way."""
    near, far = (line[0], line[1]) if from_first else (line[1], line[0])
    return float((point - near) @ (far - near) / np.hypot(*(far - near)))


_ROLE = {COMMIT: "crosser", HESITATE: "hesitating", TURN_BACK: "turning_back", ELDERLY: "elderly", RUN: "running"}
F18 = Family("F18", "crosswalk", KNOBS, stage)
