"""F17 roundabout: give way to those who circulate, take the gap that is long enough, leave by the right leg."""

from collections.abc import Mapping

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving, strollers, traffic
from scenarios.generate.flow import flow_times
from scenarios.generate.geometry import Float
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import (
    ARTERIAL,
    COLLECTOR,
    RESIDENTIAL,
    Layout,
    draw_alignment,
    draw_section,
    stub_length,
)
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import Way, at_arc, ego_ways, meeting_arc, shortest_way
from scenarios.generate.reference import Style, draw_style, ego_path
from scenarios.generate.roundabout import draw_roundabout
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import RUN_IN, ego_start, reach, run_up

CRITICAL_GAP = 4.8  # s between two who circulate that a driver needs to enter and make nobody brake
LONGEST_GAP = 3.6  # s, of those that will not do
KNOBS = {
    "lanes": Knob(choices=(1, 1, 1, 2)),
    "legs": Knob(choices=(3, 4, 4, 4, 5)),
    "leave": Knob(),
    "size": Knob(),
    "flatness": Knob(),
    "limit": Knob(choices=(6.94, 8.33, 8.33)),
    "arrival": Knob(2.5, 5.0),
    "first_gap": Knob(-1.0, 1.5),
    "gap_median": Knob(2.2, 3.4),
    "before": Knob(choices=(1, 1, 2, 2, 3)),
    "opening": Knob(1.0, 1.7),
    "leaving": Knob(0.0, 0.5),
    "cyclist": Knob(),
    "density": Knob(0.2, 0.9),
}
REST = (1.4, 2.8)  # s


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The ego reaches the ring 3 to 6 s after the start; a stream circulates past its entry with one gap to take."""
    rng = draws("map")
    lanes = 1 if draws.training else int(knobs["lanes"])
    road = ARTERIAL if lanes == 2 else (RESIDENTIAL, COLLECTOR)[int(rng.random() < 0.7)]
    section = draw_section(road, rng, lanes=lanes, limit=knobs["limit"])
    low, high = (13.0, 22.5) if lanes == 1 else (20.0, 30.0)
    radius = low + knobs["size"] * (high - low)
    for legs in range(int(knobs["legs"]), 2, -1):  # wide roads do not fit five times around a ring
        leave = 1 + int(knobs["leave"] * (legs - 1))
        plan = draw_roundabout(section, lanes, legs, leave, radius, knobs["flatness"], rng)
        if plan is not None:
            break
    else:
        return None
    limit, rest = section.limit, float(draws("pace").uniform(*REST))
    ahead = 0.9 * limit * (RUN_IN + knobs["arrival"])
    stub = draw_alignment(stub_length(limit), limit, rng, 1, (0.05, 0.3))
    first = draw_alignment(run_up(limit) + ahead, limit, rng, 1, (0.05, 0.3))
    stubs = {leg: draw_alignment(stub_length(limit), limit, rng, 1, (0.05, 0.3)) for leg in range(1, legs)}
    stubs.pop(leave)
    layout = Layout(section, (first, stub), (plan,), None, (stubs,), bool(rng.random() < 0.3), False)
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(limit))
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[int(draws("lane").integers(len(ways)))]
    style = draw_style(draws("style"))
    path = ego_path(way, style)
    line = _entry(network, way)
    if line is None:
        return None
    start = ego_start(path, line - PACIFICA.front, knobs["arrival"], 0.0, rest)
    if start is None:
        return None
    arc, speed = start
    arrival = RUN_IN + knobs["arrival"]
    stream, events = _stream(knobs, draws, network, way, line, arrival)
    middle = at_arc(way, line)[:2]
    actors = list(stream)
    own = [(way.lanes[0], arc - 14.0, line + 10.0)]
    # Elsewhere people drive away or arrive later: the stream is what the ego deals with.
    arriving = [(lane, -1.0, 1e9) for (_, forward, _), lane in network.road_lanes.items() if not forward]
    ring = [(lane, -1.0, 1e9) for lane in way.lanes[1:-1]]
    actors += traffic(network, draws("traffic"), knobs["density"], middle, reach(limit), 8, [*own, *arriving, *ring])
    actors += strollers(network, draws("strollers"), int(draws("count").integers(0, 4)), middle, 60.0)
    facts = {"legs": legs, "leave": leave, "arrival": round(arrival - RUN_IN, 2)}
    return Setting(
        network, way, arc, speed, style, actors, events, event=line, slack=knobs["opening"], facts=facts, rest=rest
    )


def _entry(network: Network, way: Way) -> float | None:
    """Arc length [m] of the yield line on the way."""
    found = [meeting_arc(way, segment) for segment in network.map.stop_segment]
    arcs = [arc for arc in found if arc is not None]
    return min(arcs) if arcs else None


def _stream(
    knobs: Mapping[str, float], draws: Draws, network: Network, way: Way, line: float, arrival: float
) -> tuple[list[Actor], list[tuple[float, ...]]]:
    """Those who come from the leg before and circulate past the ego's entry, timed there, with one opening."""
    rng = draws("stream")
    place = at_arc(way, line + 4.0)
    stays, leaves = _sources(network, place[:2])
    if not stays:
        return [], []
    opening = arrival + knobs["first_gap"] + 2.2 * (knobs["before"] - 1.0)
    flow = (knobs["gap_median"], 0.25, 1.8, LONGEST_GAP)
    times = flow_times(rng, (opening, opening + knobs["opening"] * CRITICAL_GAP), flow, (1.5, arrival + 12.0))
    actors: list[Actor] = []
    events: list[tuple[float, ...]] = []
    rear = np.inf
    for number, moment in enumerate(times):
        exits = bool(leaves) and number > 0 and rng.random() < knobs["leaving"]
        source, at = (leaves if exits else stays)[int(rng.integers(len(leaves if exits else stays)))]
        bicycle = number == 2 and knobs["cyclist"] < 0.15
        kind = AgentKind.BICYCLE if bicycle else AgentKind.TRUCK if rng.random() < 0.1 else AgentKind.CAR
        size = draw_size(kind, rng)
        plain = ego_path(source, Style(lateral=2.0, factor=0.5 if bicycle else 0.95))
        begin = _begin(plain, at, float(moment))
        if begin is None or begin + size[0] / 2 + 2.5 > rear:
            continue
        actor = driving(
            source,
            begin,
            float(plain[int(begin / 0.5), 4]),
            kind,
            size,
            role="circulating",
            side=network.side * 0.8 if bicycle else 0.0,
            driver={
                Driver.LANE_BIAS: 0.0,
                Driver.SPEED_FACTOR: 0.95,
                Driver.LATERAL_ACCELERATION: 2.0,
                Driver.HEADWAY: 0.9,
            },
        )
        if actor is None:
            continue
        rear = begin - size[0] / 2
        if not exits and not bicycle and moment <= opening:
            spot = at_arc(source, at)
            meet = (len(actors), Trigger.TIME, 0.2, spot[0], spot[1], 0.2, Action.MEET, 0.0, moment - arrival)
            events.append(tuple(float(value) for value in meet))
        actors.append(actor)
    return actors, events


def _sources(network: Network, conflict: Float) -> tuple[list[tuple[Way, float]], list[tuple[Way, float]]]:
    """Ways of those who come from the leg before the ego's, with the arc length [m] nearest to the ego's entry: those
    that pass there, and those that leave just before."""
    roads, home = network.roads, network.corridor[0]
    outer = [number for number, road in enumerate(roads) if road.section.backward and road.end is None]
    last = max(road.start[0] for number, road in enumerate(roads) if number in outer and road.start is not None)
    number = next(n for n in outer if (start := roads[n].start) is not None and start[0] == last)
    stays, leaves = [], []
    for index in range(roads[number].section.backward):
        lane = network.road_lanes[number, False, index]
        for goal in (*outer, home):
            forward = goal != home
            count = roads[goal].section.forward if forward else roads[goal].section.backward
            goals = [network.road_lanes[goal, forward, item] for item in range(count)]
            source = shortest_way(network, lane, goals) if goal != number else None
            if source is None:
                continue
            away = np.hypot(*(source.curve[:, :2] - conflict).T)
            nearest = int(away.argmin())
            if not forward:
                leaves.append((source, float(source.arc[nearest])))
            elif away[nearest] < 6.0:
                stays.append((source, float(source.arc[nearest])))
    return stays, leaves


def _begin(path: np.ndarray, at: float, moment: float) -> float | None:
    """Arc length [m] from which an undisturbed driver comes to ``at`` [m] after ``moment`` [s], or None."""
    arcs = np.arange(max(at - 250.0, 15.0), at - 8.0, 3.0)
    times = np.array([np.sum(0.5 / path[int(arc / 0.5) : int(at / 0.5), 4]) for arc in arcs])
    if not len(arcs) or times[0] < moment or times[-1] > moment:
        return None
    return float(np.interp(-moment, -times, arcs))


F17 = Family("F17", KNOBS, stage)
