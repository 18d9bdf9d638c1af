"""F07 lane drop zip: one lane ends, two slow files become one, alternately."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving, traffic
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import ARTERIAL, Layout, draw_alignment, draw_section
from scenarios.generate.network import build_network
from scenarios.generate.paths import Way, at_arc, ego_ways
from scenarios.generate.reference import draw_style
from scenarios.generate.seams import Seam, drop_length
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import RUN_IN, reach, run_up

AROUND = 1.0  # m before and behind the ego in a gap
MERGED = 0.4  # share of the taper after which two lanes have become one
REFUSING = 0.7  # share of scenes in which who is beside the ego does not let it in
REFUSED = 2.0  # s after the ego's arrival for which that one minds nobody
TYPICAL = 4.65  # m, length of a car
CLOSE = 4.0  # m between those who close up behind the one abreast
CONTESTED, FREE = (
    (1.05, 1.5),
    (1.5, 1.7),
)  # slack of the gap behind who refuses or does not, from the least room to the most
UNHURRIED = (0.5, 0.75)  # share of the limit behind the taper at which those who are through drive on
BEYOND = 6.0  # m behind the taper at which the next ahead is when the scene starts
KNOBS = {
    "lanes": Knob(choices=(2, 2, 2, 3)),
    "limit": Knob(choices=(8.33, 11.11, 13.89)),
    "queue_speed": Knob(4.5, 7.5),
    "gap": Knob(4.0, 12.0),
    "arrival": Knob(3.0, 6.0),
    "ending": Knob(choices=(1, 1, 1, 0, 0)),
    "abreast": Knob(2.4, 7.2),
    "refuses": Knob(),
    "ahead": Knob(choices=(1, 1, 2, 3)),
    "room": Knob(1.05, 1.65),
    "trucks": Knob(0.0, 0.3),
    "left_ends": Knob(choices=(0, 0, 1)),
    "density": Knob(0.2, 0.9),
    "closed_up": Knob(choices=(0, 1, 1, 2)),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The ego comes to the taper 3 to 6 s after the start, in the lane that ends or in the one beside it.

    The files are slow because the road before the taper is: behind it everybody speeds up, or one lane could not take
    what two bring.
    """
    rng = draws("map")
    lanes = int(knobs["lanes"])
    speed = knobs["queue_speed"]
    wide = replace(draw_section(ARTERIAL, rng, lanes=lanes, limit=knobs["limit"]), backward=lanes - 1)
    narrow = replace(wide, forward=lanes - 1)
    wide = replace(wide, limit=speed)
    taper = max(drop_length(wide.width, narrow.limit), 20.0)
    left = bool(knobs["left_ends"])
    # Where the inner lane ends the others move over.
    forward = tuple((n, max(n - 1, 0)) if left else (n, min(n, lanes - 2)) for n in range(lanes))
    backward = tuple((n, n) for n in range(lanes - 1))
    seam = Seam(wide, narrow, taper, 0.0, forward, backward)
    before = run_up(narrow.limit) + speed * (RUN_IN + knobs["arrival"]) + 6.0
    roads = (
        np.array(((before, 0.0, 0.0),)),
        draw_alignment(24.0 * 1.2 * narrow.limit + 80.0, narrow.limit, rng, 1, (0.05, 0.3)),
    )
    layout = Layout(wide, roads, (seam,), None, ({},), bool(rng.random() < 0.3), False)
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(narrow.limit))
    if network is None or not (ways := ego_ways(network)):
        return None
    closing, staying = (ways[0], ways[1]) if left else (ways[-1], ways[-2])
    ending = bool(knobs["ending"])
    way, beside = (closing, staying) if ending else (staying, closing)
    merged = float(way.begin[1] + MERGED * taper)
    arc = merged - speed * (RUN_IN + knobs["arrival"])
    if arc < 40.0:
        return None
    style = draw_style(draws("style"), gap=1.6, headway=float(draws("headway").uniform(0.9, 1.4)), factor=1.0)
    cast = draws("cast")
    actors: list[Actor] = []
    events: list[tuple[float, ...]] = []
    # The own file: some are through already, two are behind.
    place = float(way.begin[2]) + BEYOND - RUN_IN * speed
    slow = float(cast.uniform(*UNHURRIED)) if wide.limit < 0.6 * narrow.limit else UNHURRIED[1]
    for _ in range(int(knobs["ahead"])):
        place = _append(actors, knobs, cast, way, place + knobs["gap"], speed, "ahead", factor=slow)
    place = arc - PACIFICA.rear
    for _ in range(2):
        place = _append(actors, knobs, cast, way, place - knobs["gap"], speed, "behind", forward=False)
    # The other file: one abreast of the ego where the lanes meet, others behind; the first gap has room.
    # Its front is ahead by half a car to two: nearer, it is the one that brakes; further, there is little to decide.
    abreast = arc + PACIFICA.front + knobs["abreast"] - 0.5 * TYPICAL
    first = len(actors)
    half = draw_size(AgentKind.CAR, cast)[0] / 2
    _append(actors, knobs, cast, beside, abreast - half, speed, "abreast", critical=True)
    refuses = knobs["refuses"] < REFUSING and len(actors) > first
    if refuses:
        actors[first].driver[Driver.COURTESY] = 0.0
    needed = PACIFICA.length + 2.0 * AROUND + 0.3 * speed
    place = abreast - half
    closed = int(knobs["closed_up"]) if refuses else 0
    for number in range(closed + 4):
        gap = CLOSE if number < closed else min(knobs["gap"], 0.9 * needed)
        gap = knobs["room"] * needed if number == closed else gap
        place = _append(actors, knobs, cast, beside, place - gap, speed, "other file", forward=False)
    if refuses:
        spot = at_arc(beside, merged)
        meet = (first, Trigger.TIME, 0.2, spot[0], spot[1], 0.2, Action.MEET, 0.0, -knobs["abreast"] / speed)
        rows = [meet]
        for follower in range(first + 1, min(first + 1 + closed, len(actors))):
            actors[follower] = replace(actors[follower], critical=True, role="closed up")
            actors[follower].driver[Driver.COURTESY] = 0.0
            rows.append((follower, Trigger.TIME, 0.2, 0.0, 0.0, 0.2, Action.SPEED, 1.2, 1.05 * speed))
        for row in list(rows):
            rows.append((row[0], Trigger.AFTER, knobs["arrival"] + REFUSED, 0.0, 0.0, 99.0, Action.NORMAL, 0.0, 0.0))
        events += [tuple(float(value) for value in row) for row in rows]
    middle = at_arc(way, merged)[:2]
    busy = [(lane, -1.0, 1e9) for lane in {*way.lanes, *beside.lanes}]
    actors += traffic(network, draws("traffic"), knobs["density"], middle, reach(narrow.limit), 8, busy)
    facts = {"queue_speed": round(speed, 2), "ending": ending, "refuses": refuses, "closed_up": closed}
    slack = float(np.interp(knobs["room"], (1.05, 1.65), CONTESTED if refuses else FREE))
    # Who is beside the ego in the taper is what it decides about, and no conflict: braking keeps clear of no neighbour.
    return Setting(network, way, arc, speed, style, actors, events, event=merged, slack=slack, facts=facts)


def _append(
    actors: list[Actor],
    knobs: Mapping[str, float],
    rng: np.random.Generator,
    way: Way,
    border: float,
    speed: float,
    role: str,
    *,
    forward: bool = True,
    critical: bool = False,
    factor: float = 0.97,
) -> float:
    """Add a vehicle whose rear (``forward``) or front is at ``border`` [m]; returns where its other end is."""
    kind = AgentKind.TRUCK if rng.random() < knobs["trucks"] else AgentKind.CAR
    size = draw_size(kind, rng)
    sign = 1.0 if forward else -1.0
    arc = border + sign * size[0] / 2
    driver = {
        Driver.SPEED_FACTOR: factor,
        Driver.HEADWAY: 0.8,
        Driver.GAP: 1.8,
        Driver.LANE_BIAS: 0.0,
        Driver.GAP_FACTOR: 0.5,
    }
    actor = driving(way, arc, speed, kind, size, critical=critical, role=role, driver=driver) if arc > 8.0 else None
    if actor is not None:
        actors.append(actor)
    return border + sign * size[0]


F07 = Family("F07", KNOBS, stage)
