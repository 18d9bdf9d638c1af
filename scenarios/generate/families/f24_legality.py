"""F24 legality: what is forbidden would be shorter.

A lane that one has to leave because it only turns off, a one-way street straight ahead, a slow vehicle where nobody
may overtake, and somebody else who turns round where it is forbidden.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving, standing, strollers
from scenarios.generate.beside import neighbour_stretches
from scenarios.generate.crossing_flow import Passing, draw_gaps, flow
from scenarios.generate.crossroads import Shape, Wish, stage_crossroads, surroundings
from scenarios.generate.families import f24_u_turn
from scenarios.generate.families.f11_unprotected_left import critical_gap
from scenarios.generate.flow import close_up, eased, flow_times, opening_beside, platoon
from scenarios.generate.geometry import Float
from scenarios.generate.junction import Control, Movement, Section
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import COLLECTOR, GUTTER, RURAL, Layout, draw_alignment, draw_bend, draw_section
from scenarios.generate.network import build_network
from scenarios.generate.oncoming import approaching, opposite_way
from scenarios.generate.paths import at_arc, ego_ways, shortest_way
from scenarios.generate.ramps import Nose, ramp_road
from scenarios.generate.reference import draw_style
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import RUN_IN, run_up

TURN_ONLY, ONE_WAY, NO_OVERTAKING, U_TURN = range(4)
NEEDED = (1.2, 12.0)  # s and m between the middles of two vehicles between whom somebody can change lanes
TIGHT = (0.5, 6.5)  # s and m, the same for two who follow each other closely
QUEUED = 5
FASTEST = 7.8  # m/s: from more, who only stops gets a fifth as far as who drives on
SLOW_FASTEST = 6.5  # m/s: behind somebody who brakes one drives less far
WIDEST = 1.65  # times the gap needed: with more than that it is no task
PATIENT = 6  # draws in which somebody does; where nobody gets over then, the next have none
CLOSING = 0.35  # share of scenes in which somebody closes the first gap
KNOBS = {
    "rule": Knob(choices=(TURN_ONLY,) * 3 + (ONE_WAY,) * 2 + (NO_OVERTAKING, U_TURN)),
    "limit": Knob(choices=(11.11, 13.89, 13.89, 16.67)),
    "place": Knob(),
    "opening": Knob(1.1, 1.7),
    "abreast": Knob(-0.8, 0.8),
    "ahead": Knob(),
    "pace": Knob(0.4, 0.65),
    "queue": Knob(-20.0, 10.0),
    "density": Knob(0.3, 1.0),
    "share": Knob(0.3, 0.6),
    "brake": Knob(4.5, 7.0),
    "gap": Knob(0.5, 1.3),
    "event": Knob(3.5, 7.0),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The scene of the rule that the knobs name."""
    eased_knobs = {**knobs, "opening": min(eased(knobs["opening"], draws.attempt), WIDEST)}
    return (_turn_only, _one_way, _no_overtaking, f24_u_turn.stage)[int(knobs["rule"])](eased_knobs, draws)


def _turn_only(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The route goes straight on; the ego's lane turns off, and those who turn off stand."""
    rng = draws("map")
    limit = knobs["limit"]
    lanes = int(rng.integers(1, 3))
    width = float(rng.uniform(3.2, 3.6))
    speed = min(knobs["pace"] * limit, FASTEST)
    ahead = speed * (6.5 + 2.0 * knobs["place"])
    main = Section(lanes, 0, width, 0.0, GUTTER, 0.0, 0.0, limit, "arterial")
    ramp = replace(main, forward=1, limit=max(0.7 * limit, 8.33))
    nose = Nose(main, ramp, False, float(rng.uniform(1.4, 1.8)), float(rng.uniform(0.11, 0.13)), False)
    bend = draw_bend(limit, rng, (0.35, 0.7), 1.0)
    before = run_up(limit) + speed * RUN_IN + ahead - float(bend[:, 0].sum()) - 8.0
    first = np.concatenate((_straight(max(before, 30.0)), bend, _straight(8.0)))
    onward = np.concatenate((_straight(2.0), draw_bend(limit, rng, (0.2, 0.5)), _straight(24.0 * 1.2 * limit + 20.0)))
    leaving = ramp_road(24.0 * 1.2 * limit + 80.0, float(rng.uniform(50.0, 90.0)), 0.7, ramp.limit, to_nose=False)
    leaving[:, 1:] *= -1.0
    roads, stubs = (first, onward), ({2: leaving},)
    layout = Layout(nose.joined, roads, (nose,), None, stubs, bool(rng.random() < 0.3), False)
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(limit))
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[-1]
    last = float(way.begin[1])
    arc = last - speed * RUN_IN - ahead
    goals = [lane for lane in range(network.map.lanes) if not len(network.map.lane_successors(lane))]
    turning = shortest_way(network, network.road_lanes[0, True, lanes], goals)
    if turning is None or arc < 30.0:
        return None
    style = draw_style(draws("style"), factor=1.1 * speed / limit, headway=float(draws("headway").uniform(1.0, 1.4)))
    beside = neighbour_stretches(network, way, 0.0, last)
    needed, least = (time + length / speed for time, length in (NEEDED, TIGHT))
    opening = opening_beside(knobs["abreast"], knobs["opening"] * needed, knobs["ahead"] < 0.5, draws.attempt)
    side = network.side * width
    actors: list[Actor] = []
    for lane, source in enumerate(ways):
        own = draws(f"lane {lane}")
        span = opening if lane == lanes - 1 else (0.0, 1.0)
        times = flow_times(own, span, (0.85 * needed, 0.2, least, max(0.95 * needed, least)), (-9.0, 10.0))
        actors += platoon(source, arc, times, speed, own, trucks=0.1, driver={Driver.HEADWAY: 0.8})
    events = (
        close_up(actors, way, arc, speed, draws("blocker"))
        if knobs["place"] < CLOSING and draws.attempt < PATIENT
        else []
    )
    rng = draws("queue")
    behind = flow_times(rng, (-30.0, least + 1.0), (needed, 0.3, least, 6.0), (0.0, 9.0))
    actors += platoon(turning, arc, behind, speed, rng, trucks=0.1)
    tail = last + knobs["queue"]
    for _ in range(QUEUED):
        size = draw_size(AgentKind.CAR, rng)
        actors.append(standing(AgentKind.CAR, size, at_arc(turning, tail + size[0] / 2)[:3], "queue"))
        tail += size[0] + float(rng.uniform(1.5, 3.0))
    scene = Setting(network, way, arc, speed, style, actors, events)
    event, slack = arc + speed * (RUN_IN + 3.0), knobs["opening"]
    return replace(scene, event=event, side=side, beside=beside, slack=slack, facts={"rule": "turn only"})


def _one_way(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """Straight on is a one-way street whose traffic comes towards the ego: the route turns off before it."""
    rng = draws("sections")
    section = draw_section(COLLECTOR, rng, lanes=1, limit=min(knobs["limit"], 13.89))
    section = replace(section, median=0.0, parking=0.0)
    against = replace(section, forward=0)
    # Its lane lies right before the ego's.
    wish = Wish(Shape.CROSS, Control.YIELD, Movement.LEFT, False, knobs["event"], shift=-section.width)
    side = replace(section, limit=min(section.limit, 11.11))
    cross = stage_crossroads(wish, COLLECTOR, section, side, draws, straight=against, rest=(1.5, 2.8))
    if cross is None:
        return None
    connectors = cross.network.junctions[0].connectors
    leg = next(n for n, item in enumerate(cross.network.junctions[0].legs) if not item.section.forward)
    through = [n for n, item in enumerate(connectors) if item.leg_in == leg and item.movement is Movement.THROUGH]
    cast = draws("cast")
    meeting = cross.meeting(through[0]) if through else None
    if meeting is None:
        return None
    there, needed = cross.ego_time(meeting[0][0]), critical_gap(1)
    first, best = there + knobs["abreast"], needed * knobs["opening"]
    times = draw_gaps(cast, first, 21.0, 2.6, 0.4, 0.75 * needed, best, there + 0.3)
    actors, _ = flow(cross, [Passing(through[0], time) for time in times], cast)
    actors += surroundings(cross, draws, knobs["density"], (leg,))
    return cross.setting(
        actors,
        [],
        slack=knobs["opening"],
        facts={"rule": "one way"},
    )


def _no_overtaking(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A solid line and a slow vehicle, which brakes for what is before it; the other lane is mostly free."""
    rng = draws("map")
    limit = knobs["limit"]
    road = RURAL if limit > 14.0 else COLLECTOR
    section = replace(draw_section(road, rng, lanes=1, limit=limit), median=0.0, parking=0.0)
    speed = min(knobs["share"] * limit, SLOW_FASTEST)
    first = run_up(limit) + speed * (RUN_IN + knobs["event"])
    bent = np.concatenate((draw_alignment(first, limit, rng, 1, (0.1, 0.5)), draw_bend(limit, rng, (0.2, 0.6))))
    ahead = draw_alignment(24.0 * 1.2 * limit + 120.0, limit, rng, 1, (0.1, 0.5))
    layout = Layout(section, (np.concatenate((bent, ahead)),), (), None, (), bool(rng.random() < 0.3), False)
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(limit))
    if network is None or not (ways := ego_ways(network)):
        return None
    way, arc = ways[0], run_up(limit)
    style = draw_style(draws("style"), gap=1.8, headway=knobs["gap"], factor=1.0)
    cast = draws("cast")
    kind = (AgentKind.TRUCK, AgentKind.CONSTRUCTION_VEHICLE, AgentKind.CAR)[int(cast.integers(3))]
    size = draw_size(AgentKind.TRUCK if kind != AgentKind.CAR else AgentKind.CAR, cast)
    begin = arc + PACIFICA.front + 1.8 + knobs["gap"] * speed + size[0] / 2
    driver = {Driver.SPEED_FACTOR: speed / limit, Driver.MAX_DECELERATION: 8.0, Driver.LANE_BIAS: 0.0}
    lead = driving(way, begin, speed, kind, size, critical=True, role="slow", driver=driver)
    oncoming = opposite_way(network, way, arc + 80.0, cast)
    if lead is None or oncoming is None:
        return None
    place = at_arc(way, arc + speed * (RUN_IN + knobs["event"]) + PACIFICA.front)
    stop = knobs["event"] + float(cast.uniform(1.5, 3.5))
    events = [
        (0, Trigger.EGO_ARRIVAL, 0.2, place[0], place[1], stop, Action.SPEED, knobs["brake"], 0.05 * speed),
        (0, Trigger.TIME, stop + 1.0, 0.0, 0.0, stop + 1.0, Action.SPEED, 1.5, 1.2 * speed),
    ]
    times = np.cumsum(cast.uniform(3.0, 9.0, 4))
    other, there = oncoming
    actors: list[Actor] = [lead]
    actors += [replace(item, critical=False) for item in approaching(other, there, list(times), 0.8 * limit, cast)]
    actors += strollers(network, draws("strollers"), int(cast.integers(0, 4)), at_arc(way, arc + 60.0)[:2], 70.0)
    rows = [tuple(float(value) for value in event) for event in events]
    scene = Setting(network, way, arc, speed, style, actors, rows)
    return replace(
        scene,
        bearable=60.0,
        event=arc + speed * (RUN_IN + knobs["event"]),
        facts={"rule": "no overtaking", "share": round(knobs["share"], 2)},
    )


def _straight(length: float) -> Float:
    return np.array(((length, 0.0, 0.0),))


F24 = Family("F24", KNOBS, stage)
