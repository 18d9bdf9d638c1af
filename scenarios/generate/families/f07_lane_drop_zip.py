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
FEW = 8  # attempts with several ahead
REFUSING = 0.5  # share of scenes in which who is beside the ego does not let it in
KNOBS = {
    "lanes": Knob(choices=(2, 2, 2, 3)),
    "limit": Knob(choices=(8.33, 11.11, 13.89)),
    "queue_speed": Knob(3.0, 9.0),
    "gap": Knob(4.0, 12.0),
    "arrival": Knob(3.0, 6.0),
    "ending": Knob(choices=(1, 1, 1, 0, 0)),
    "abreast": Knob(-0.5, 0.5),
    "refuses": Knob(),
    "ahead": Knob(choices=(1, 1, 2, 3)),
    "room": Knob(1.05, 1.65),
    "trucks": Knob(0.0, 0.3),
    "left_ends": Knob(choices=(0, 0, 1)),
    "density": Knob(0.2, 0.9),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The ego comes to the taper 3 to 6 s after the start, in the lane that ends or in the one beside it."""
    rng = draws("map")
    lanes = int(knobs["lanes"])
    wide = replace(draw_section(ARTERIAL, rng, lanes=lanes, limit=knobs["limit"]), backward=lanes - 1)
    narrow = replace(wide, forward=lanes - 1)
    # Queues in which nobody gets anywhere within the scene are drawn again, faster.
    speed = min(knobs["queue_speed"] + 0.6 * max(draws.attempt - 3, 0), 0.75 * wide.limit)
    taper = max(drop_length(wide.width, wide.limit), 20.0)
    left = bool(knobs["left_ends"])
    # Where the inner lane ends the others move over.
    forward = tuple((n, max(n - 1, 0)) if left else (n, min(n, lanes - 2)) for n in range(lanes))
    backward = tuple((n, n) for n in range(lanes - 1))
    seam = Seam(wide, narrow, taper, 0.0, forward, backward)
    before = run_up(wide.limit) + speed * (RUN_IN + knobs["arrival"]) + 6.0
    roads = (
        np.array(((before, 0.0, 0.0),)),
        draw_alignment(24.0 * 1.2 * wide.limit + 80.0, wide.limit, rng, 1, (0.05, 0.3)),
    )
    layout = Layout(wide, roads, (seam,), None, ({},), bool(rng.random() < 0.3), False)
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(wide.limit))
    if network is None or not (ways := ego_ways(network)):
        return None
    closing, staying = (ways[0], ways[1]) if left else (ways[-1], ways[-2])
    ending = bool(knobs["ending"])
    way, beside = (closing, staying) if ending else (staying, closing)
    merged = float(way.begin[1] + MERGED * taper)
    arc = merged - speed * (RUN_IN + knobs["arrival"])
    if arc < 40.0:
        return None
    style = draw_style(draws("style"), gap=1.6, headway=float(draws("headway").uniform(0.9, 1.4)))
    cast = draws("cast")
    actors: list[Actor] = []
    events: list[tuple[float, ...]] = []
    # The own file: some ahead, two behind.
    place = arc + PACIFICA.front
    for _ in range(int(knobs["ahead"]) if draws.attempt < FEW else 1):
        place = _append(actors, knobs, cast, way, place + knobs["gap"] * knobs["room"], speed, "ahead")
    place = arc - PACIFICA.rear
    for _ in range(2):
        place = _append(actors, knobs, cast, way, place - knobs["gap"], speed, "behind", forward=False)
    # The other file: one abreast of the ego where the lanes meet, the others a gap apart; one gap has room.
    abreast = arc + PACIFICA.rear_axle_to_center - knobs["abreast"] * speed
    first = len(actors)
    half = draw_size(AgentKind.CAR, cast)[0] / 2
    place = _append(actors, knobs, cast, beside, abreast - half, speed, "abreast")
    refuses = knobs["refuses"] < REFUSING and len(actors) > first
    if refuses:
        actors[first].driver[Driver.COURTESY] = 0.0
    for _ in range(3):
        place = _append(actors, knobs, cast, beside, place + knobs["gap"], speed, "other file")
    needed = PACIFICA.length + 2.0 * AROUND + 0.3 * speed
    place = abreast - half
    for number in range(4):
        gap = knobs["room"] * needed if number == 0 else min(knobs["gap"], 0.9 * needed)
        place = _append(actors, knobs, cast, beside, place - gap, speed, "other file", forward=False)
    if refuses:
        spot = at_arc(beside, merged)
        meet = (first, Trigger.TIME, 0.2, spot[0], spot[1], 0.2, Action.MEET, 0.0, knobs["abreast"])
        events.append(tuple(float(value) for value in meet))
    middle = at_arc(way, merged)[:2]
    busy = [(lane, -1.0, 1e9) for lane in {*way.lanes, *beside.lanes}]
    actors += traffic(network, draws("traffic"), knobs["density"], middle, reach(wide.limit), 8, busy)
    facts = {"queue_speed": round(speed, 2), "ending": ending, "refuses": refuses}
    return Setting(network, way, arc, speed, style, actors, events, event=merged, slack=knobs["room"], facts=facts)


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
) -> float:
    """Add a vehicle whose rear (``forward``) or front is at ``border`` [m]; returns where its other end is."""
    kind = AgentKind.TRUCK if rng.random() < knobs["trucks"] else AgentKind.CAR
    size = draw_size(kind, rng)
    sign = 1.0 if forward else -1.0
    arc = border + sign * size[0] / 2
    factor = speed / float(np.interp(arc, way.arc, way.limit))
    driver = {
        Driver.SPEED_FACTOR: factor,
        Driver.HEADWAY: 0.8,
        Driver.GAP: 1.8,
        Driver.LANE_BIAS: 0.0,
        Driver.GAP_FACTOR: 0.5,
    }
    actor = driving(way, arc, speed, kind, size, role=role, driver=driver) if arc > 8.0 else None
    if actor is not None:
        actors.append(actor)
    return border + sign * size[0]


F07 = Family("F07", KNOBS, stage)
