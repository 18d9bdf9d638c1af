"""F05 mandatory lane change: the route leaves by an exit, and the ego is one to three lanes away from it.

The road bends, traffic is slow, and where the lanes go on it often stands: who does not get over waits behind a queue.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import AgentKind
from scenarios.generate.actors import Actor, draw_size, standing
from scenarios.generate.beside import neighbour_stretches
from scenarios.generate.flow import close_up, eased, flow_times, opening_beside, platoon
from scenarios.generate.geometry import Float
from scenarios.generate.junction import Section
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import GUTTER, Layout, draw_bend
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import Way, at_arc, ego_ways, shortest_way
from scenarios.generate.ramps import Nose, ramp_road
from scenarios.generate.reference import draw_style
from scenarios.generate.seams import Seam, calm_length
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import RUN_IN, run_up

NEEDED = (1.2, 12.0)  # s and m between the middles of two vehicles between whom somebody can change lanes
TIGHT = (0.5, 6.5)  # s and m, the same for two who follow each other closely
FASTEST = 7.8  # m/s: from more, who only stops gets a fifth as far as who drives on
CLOSING = 0.4  # share of scenes in which those beside close up
PATIENT = 6  # draws with a queue and somebody who closes up; where nobody gets over then, the next have neither
QUEUE = (-10.0, 30.0)  # m behind the last place to change lanes: where a queue may end
QUEUED = 5
WIDEST = 1.65  # slack at most: a lane change is never quite free
PER_LANE = 0.15  # slack that each further lane costs: it asks for a gap of its own within the same distance
DENSITIES = (10.0, 22.0, 38.0)  # vehicles per kilometre of the lane that the ego has to reach
KNOBS = {
    "limit": Knob(choices=(11.11, 13.89, 13.89, 16.67)),
    "lanes": Knob(choices=(2, 2, 3, 3, 4)),
    "away": Knob(choices=(1, 1, 1, 2, 3)),
    "distance": Knob(60.0, 180.0),
    "density": Knob(choices=(0, 1, 1, 2, 2)),
    "opening": Knob(1.1, 1.7),
    "abreast": Knob(-0.9, 0.9),
    "ahead": Knob(),
    "pace": Knob(0.4, 0.7),
    "courtesy": Knob(),
    "blocker": Knob(),
    "queue": Knob(-0.6, 1.0),
    "trucks": Knob(0.0, 0.25),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The exit is passed before the scene ends; the lane beside the ego's is full but for one gap."""
    rng = draws("map")
    knobs = {**knobs, "opening": eased(knobs["opening"], draws.attempt)}
    limit, lanes = knobs["limit"], int(knobs["lanes"])
    away = min(int(knobs["away"]), lanes - 1)
    speed = min(knobs["pace"] * limit, FASTEST)
    # Three seconds per lane that is to be crossed, and four; the exit is passed within the scene.
    least, most = (4.0 + 3.0 * away) * speed, max(14.0 * speed - 75.0, 7.0 * speed)
    distance = float(np.clip(knobs["distance"], least, max(most, least)))
    width = float(rng.uniform(3.3, 3.7))
    main = Section(lanes, 0, width, 0.0, GUTTER, 0.0, 0.0, limit, "arterial")
    ramp = Section(1, 0, width, 0.0, GUTTER, 0.0, 0.0, max(0.7 * limit, 8.33), "arterial")
    nose = Nose(main, ramp, False, float(rng.uniform(1.4, 1.8)), float(rng.uniform(0.11, 0.13)), True)
    pairs = (*((lane, lane) for lane in range(lanes)), (lanes - 1, lanes))
    taper = Seam(main, nose.joined, float(np.clip(calm_length(width, speed, 2.0), 30.0, 50.0)), 0.0, pairs, ())
    before = run_up(limit) + speed * RUN_IN + distance
    leaving = ramp_road(24.0 * 1.2 * limit + 80.0, float(rng.uniform(60.0, 110.0)), 0.7, ramp.limit, to_nose=False)
    leaving[:, 1:] *= -1.0
    bend = draw_bend(limit, draws("approach"), (0.35, 0.7), 1.0)
    bent = np.concatenate((_straight(max(before - float(bend[:, 0].sum()) - 8.0, 30.0)), bend, _straight(8.0)))
    roads = (bent, _straight(float(rng.uniform(15.0, 25.0))), leaving)
    # The carriageway bends away behind the exit: who has missed it is somewhere else.
    bend = draw_bend(limit, draws("bend"), (0.5, 0.9))
    bend[:, 1:] *= np.sign(bend[1, 1])
    onward = {1: np.concatenate((_straight(2.0), bend, _straight(24.0 * 1.2 * limit + 20.0)))}
    layout = Layout(main, roads, (taper, nose), None, ({}, onward), bool(rng.random() < 0.3), False)
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(limit))
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[-1]
    arc = float(way.begin[1]) - speed * RUN_IN - distance
    # The ego drives with the stream: who hurries past it only arrives early where there is no gap.
    style = draw_style(draws("style"), factor=1.1 * speed / limit, headway=float(draws("headway").uniform(1.0, 1.4)))
    last = float(way.begin[1])
    side = -network.side * away * width
    beside = neighbour_stretches(network, way, 0.0, last, away)
    ends = _ends(network)
    carriageway = [lane for (road, forward, _), lane in network.road_lanes.items() if forward and road in ends]
    closing = knobs["blocker"] < CLOSING and draws.attempt < PATIENT
    queue = knobs["queue"] > 0.0 and draws.attempt < PATIENT
    actors: list[Actor] = []
    for lane in range(lanes):
        source = shortest_way(network, network.road_lanes[0, True, lane], carriageway)
        if source is None:
            return None
        gap = lanes - 1 - lane  # lanes between it and the exit
        own, target = gap == away, gap == away - 1
        times = _times(knobs, draws(f"lane {lane}"), speed, own, target, draws.attempt)
        if own and queue:
            times = times[times > 0.0]
        cast = draws(f"platoon {lane}")
        items = platoon(source, arc, times, speed, cast, trucks=knobs["trucks"], driver=_driver(knobs))
        here = at_arc(source, arc)[:2]
        clear = 14.0 + 1.0 * speed if own else 0.0
        actors += [item for item in items if np.hypot(*(item.pose[:2] - here)) >= clear]
        if gap >= away and queue:
            actors += _queue(source, last + float(np.interp(knobs["queue"], (0.0, 1.0), QUEUE)), draws(f"queue {lane}"))
    reached = shortest_way(network, network.road_lanes[0, True, lanes - away], carriageway)
    events = close_up(actors, reached, arc, speed, draws("blocker")) if closing and reached is not None else []
    facts = {"away": away, "distance": round(distance, 1), "queue": queue}
    scene = Setting(network, way, arc, speed, style, actors, events)
    event = arc + speed * (RUN_IN + 3.0)
    slack = max(min(knobs["opening"], WIDEST) - PER_LANE * (away - 1), 1.0)
    return replace(scene, event=event, side=side, beside=beside, slack=slack, facts=facts)


def _times(
    knobs: Mapping[str, float], rng: np.random.Generator, speed: float, own: bool, target: bool, attempt: int
) -> Float:
    """When vehicles of one lane pass the place where the ego begins: negative for those ahead of it [s]."""
    spacing = 1000.0 / DENSITIES[int(knobs["density"])] / speed
    needed, least = (time + length / speed for time, length in (NEEDED, TIGHT))
    span = (-9.0, 10.0)
    if target:
        opening = opening_beside(knobs["abreast"], knobs["opening"] * needed, knobs["ahead"] < 0.5, attempt)
        most = 0.95 * needed if knobs["density"] >= 1 else 4.0
        return flow_times(rng, opening, (min(spacing, 0.85 * needed), 0.2, least, max(most, least)), span)
    room = least + 0.8
    free = (-room, room) if own else (0.0, 1.5)
    return flow_times(rng, free, (max(spacing, room), 0.3, least, 9.0), span)


def _driver(knobs: Mapping[str, float]) -> dict[Driver, float]:
    """Drivers beside the ego: where one of them closes up on whoever wants to come in, they keep close anyhow."""
    headway = 0.6 if knobs["blocker"] < CLOSING else 0.8 + 0.6 * knobs["courtesy"]
    return {Driver.COURTESY: knobs["courtesy"], Driver.HEADWAY: headway}


def _queue(way: Way, tail: float, rng: np.random.Generator) -> list[Actor]:
    """Who stands in a lane that goes on, from ``tail`` [m] of its way."""
    found = []
    for _ in range(QUEUED):
        kind = AgentKind.TRUCK if rng.random() < 0.1 else AgentKind.CAR
        size = draw_size(kind, rng)
        found.append(standing(kind, size, at_arc(way, tail + size[0] / 2)[:3], "queue"))
        tail += size[0] + float(rng.uniform(1.5, 3.0))
    return found


def _ends(network: Network) -> set[int]:
    """Roads at which the carriageway ends: neither the ego's exit nor a road that leads on."""
    return {n for n, road in enumerate(network.roads) if road.end is None and n != network.corridor[-1]}


def _straight(length: float) -> Float:
    return np.array(((length, 0.0, 0.0),))


F05 = Family("F05", KNOBS, stage)
