"""F06 merge ramp: from the ramp into a gap of the main stream, or on the main road beside somebody who merges."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Trigger
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.flow import flow_times, platoon
from scenarios.generate.geometry import Float
from scenarios.generate.junction import Section
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import GUTTER, draw_alignment
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import Way, at_arc, ego_ways, shortest_way
from scenarios.generate.ramps import OnRamp, least_parallel, most_turn, ramp_road
from scenarios.generate.reference import draw_style, ego_path
from scenarios.generate.seams import calm_length
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import FUTURE, RUN_IN, drive_time, ego_start, run_up

MERGED = 0.4  # share of the taper after which two lanes have become one
NEEDED = 1.7  # s between two vehicles into which somebody can merge at their speed
LATEST = RUN_IN + FUTURE - 5.5  # s: when an undisturbed ego merges
SIDEWAYS, SHARPEST = (0.8, 1.3), 160.0  # m/s2 at the limit, and least radius [m], where ramp and road run side by side
KNOBS = {
    "from_ramp": Knob(choices=(1, 1, 1, 1, 1, 1, 1, 0, 0, 0)),
    "main_limit": Knob(choices=(13.89, 16.67, 19.44, 22.22, 25.0)),
    "ramp_speed": Knob(0.6, 0.8),
    "lanes": Knob(choices=(1, 1, 2, 2, 3)),
    "length": Knob(0.8, 1.3),
    "gap_median": Knob(1.0, 1.4),
    "opening": Knob(1.05, 1.7),
    "abreast": Knob(-0.6, 0.6),
    "pace": Knob(0.75, 0.95),
    "trucks": Knob(0.0, 0.4),
    "courtesy": Knob(0.0, 0.5),
    "entry": Knob(0.0, 0.3),
    "merger": Knob(-0.8, 0.6),
    "ahead": Knob(),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """One merge within the scene: the stream's opening is timed to where an undisturbed ego would merge."""
    rng = draws("map")
    limit, from_ramp = knobs["main_limit"], bool(knobs["from_ramp"])
    ramp_limit = float(np.clip(knobs["ramp_speed"] * limit, 8.33, 18.0))
    width = float(rng.uniform(3.5, 3.75))
    main = Section(int(knobs["lanes"]), 0, width, 0.0, GUTTER, 0.0, 0.0, limit, "motorway")
    ramp = Section(1, 0, width, 0.0, GUTTER, 0.0, 0.0, ramp_limit, "motorway")
    parallel = float(np.clip(knobs["length"] * least_parallel(limit, ramp_limit), 60.0, 220.0))
    taper = float(np.clip(calm_length(width, 0.9 * limit, 2.0), 30.0, 85.0))
    nose = float(rng.uniform(1.5, 2.2)), float(rng.uniform(0.09, 0.13))
    # Away from the ramp's side: who keeps its direction does not end up in a lane of the road.
    curvature = min(float(draws("bend").uniform(*SIDEWAYS)) / limit**2, 1.0 / SHARPEST)
    bend = min(parallel * curvature, most_turn(parallel, limit))
    merge = OnRamp(main, ramp, *nose, parallel, taper, bend, from_ramp)
    turn = float(rng.uniform(0.5, 1.3))
    radius = float(rng.uniform(35.0, 120.0))
    ramp_length = 40.0 + ramp_limit * (RUN_IN + float(rng.uniform(0.5, 2.5)))
    onward = 24.0 * 1.2 * limit + 100.0
    if from_ramp:
        arriving = ramp_road(ramp_length, radius, turn, ramp_limit, to_nose=True)
        other = draw_alignment(run_up(limit) + 9.0 * limit, limit, rng, 1, (0.05, 0.15))
    else:
        arriving = draw_alignment(run_up(limit) + limit * RUN_IN, limit, rng, 1, (0.05, 0.15))
        other = ramp_road(230.0, radius, turn, ramp_limit, to_nose=False)
    layout = merge.layout(from_ramp, arriving, other, onward, bool(rng.random() < 0.3))
    network = build_network(
        layout, float(rng.uniform(-np.pi, np.pi)), 40.0 if from_ramp else run_up(limit) + 5.0 * limit
    )
    if network is None or not (ways := ego_ways(network)):
        return None
    return _from_ramp(knobs, draws, network, ways[-1]) if from_ramp else _on_main(knobs, draws, network, ways[-1])


def _from_ramp(knobs: Mapping[str, float], draws: Draws, network: Network, way: Way) -> Setting | None:
    style = draw_style(draws("style"))
    path = ego_path(way, style)
    rest = 2.2 * (1.0 - knobs["entry"])
    start = ego_start(path, float(way.begin[1]), float(draws("begin").uniform(0.3, 2.0)), 0.0, rest)
    if start is None:
        return None
    arc, speed = start
    taper = way.begin[3]
    merged = float(taper + MERGED * (way.begin[4] - taper))
    arc, arrival = _in_time(path, arc, speed, merged, LATEST - rest)
    arrival += rest
    if not RUN_IN + 3.0 < arrival <= LATEST:
        return None
    limit = knobs["main_limit"]
    # Somebody is abreast of an undisturbed ego where it merges; the opening is just ahead of or behind that one.
    rng = draws("stream")
    abreast = arrival + knobs["abreast"]
    opening = (abreast, abreast + knobs["opening"] * NEEDED)
    if knobs["ahead"] < 0.4:
        opening = (abreast - knobs["opening"] * NEEDED, abreast)
    flow = (knobs["gap_median"], 0.2, 0.9, 0.9 * NEEDED)
    times = flow_times(rng, opening, flow, (1.0, arrival + 9.0))
    courtesy = {Driver.COURTESY: knobs["courtesy"], Driver.NOISE: 0.3}
    actors: list[Actor] = []
    events: list[tuple[float, ...]] = []
    for lane in reversed(range(network.roads[-1].section.forward or 1)):  # the lane that one merges into first
        source = _main_way(network, lane)
        if source is None:
            continue
        at = float(source.begin[3] + MERGED * (source.begin[4] - source.begin[3]))
        own = lane == int(knobs["lanes"]) - 1
        passing = times if own else flow_times(rng, (0.0, 0.5), (3.0, 0.4, 1.5, 8.0), (-6.0, arrival + 9.0))
        pace = knobs["pace"] * limit * (1.0 if own else 1.08)
        trucks = knobs["trucks"] if own else 0.05
        items = platoon(source, at, passing, pace, rng, trucks=trucks, driver=courtesy)
        if own and items:
            away = [np.hypot(*(item.pose[:2] - at_arc(source, at - pace * abreast)[:2])) for item in items]
            spot, nearest = at_arc(source, at), int(np.argmin(away))
            meet = (len(actors) + nearest, Trigger.TIME, 0.2, spot[0], spot[1], 0.2, Action.MEET, 0.0, knobs["abreast"])
            events.append(tuple(float(value) for value in meet))
        actors += items
    facts = {"arrival": round(arrival - RUN_IN, 2), "parallel": round(float(way.begin[3] - way.begin[2]), 1)}
    scene = Setting(network, way, arc, speed, style, actors[:26], events)
    return replace(
        scene,
        event=merged,
        slack=knobs["opening"],
        rest=rest,
        facts=facts,
    )


def _in_time(path: Float, arc: float, speed: float, merged: float, latest: float) -> tuple[float, float]:
    """Arc length [m] to begin at with ``speed`` [m/s], and time [s] to ``merged`` [m]: from ``arc`` [m], or further on
    where that takes longer than ``latest`` [s]."""
    arrival = drive_time(path, arc, speed, merged)
    while arrival > latest and arc < merged - 80.0:
        arc += 5.0
        arrival = drive_time(path, arc, speed, merged)
    return arc, arrival


def _main_way(network: Network, lane: int) -> Way | None:
    """The way along the carriageway in one of its lanes."""
    upstream = next(n for n, road in enumerate(network.roads) if road.start and road.section.backward > 0)
    last = network.corridor[-1]
    start = network.road_lanes.get((upstream, False, lane))
    goal = network.road_lanes.get((last, True, lane))
    return None if start is None or goal is None else shortest_way(network, start, (goal,))


def _on_main(knobs: Mapping[str, float], draws: Draws, network: Network, way: Way) -> Setting | None:
    """The ego in the outer lane; somebody from the ramp comes to where the lanes meet at about its time."""
    limit = knobs["main_limit"]
    style = draw_style(draws("style"), factor=float(draws("factor").uniform(0.85, 1.0)))
    path = ego_path(way, style)
    arc = run_up(limit)
    speed = (0.34 + 0.4 * knobs["entry"]) * float(path[int(arc / 0.5), 4])
    taper = way.begin[3]
    merged = float(taper + MERGED * (way.begin[4] - taper))
    arc, arrival = _in_time(path, arc, speed, merged, LATEST)
    if not RUN_IN + 3.0 < arrival <= LATEST:
        return None
    ramp = next(n for n, road in enumerate(network.roads) if road.start and road.section.backward > 0)
    goal = network.road_lanes[network.corridor[-1], True, network.roads[network.corridor[-1]].section.forward - 1]
    source = shortest_way(network, network.road_lanes[ramp, False, 0], (goal,))
    if source is None:
        return None
    rng = draws("merger")
    kind = AgentKind.TRUCK if rng.random() < knobs["trucks"] else AgentKind.CAR
    size = draw_size(kind, rng)
    at = float(source.begin[3] + MERGED * (source.begin[4] - source.begin[3]))
    merger_path = ego_path(source, draw_style(draws("merger-style")))
    begin = _begin(merger_path, at, arrival + knobs["merger"])
    if begin is None:
        return None
    pace = float(merger_path[int(begin / 0.5), 4])
    merger = driving(
        source,
        begin,
        pace,
        kind,
        size,
        critical=False,
        role="merger",
        driver={Driver.SPEED_FACTOR: 0.9, Driver.LANE_BIAS: 0.0, Driver.GAP_FACTOR: 0.3, Driver.ACCELERATION: 1.4},
    )
    if merger is None:
        return None
    place = at_arc(source, at)
    meet = (0, Trigger.TIME, 0.5, 0.0, 0.0, 0.5, Action.MEET, 0.0, knobs["merger"])
    events = [tuple(float(value) for value in (*meet[:3], place[0], place[1], *meet[5:]))]
    actors: list[Actor] = [merger]
    stream = draws("stream")
    lanes = int(knobs["lanes"])
    for lane in range(lanes):
        beside = ego_ways(network)[lane]
        own = lane == lanes - 1
        passing = flow_times(stream, (0.0, 0.5), (2.6, 0.3, 1.2, 6.0), (-7.0, 14.0))
        pace = knobs["pace"] * limit
        items = platoon(beside, arc, passing, pace if not own else speed, stream, trucks=0.1)
        if own:  # one behind and one ahead, out of the way
            items = [
                item for item in items if np.hypot(*(item.pose[:2] - at_arc(beside, arc)[:2])) > 25.0 + 1.5 * speed
            ]
        actors += items
    facts = {"arrival": round(arrival - RUN_IN, 2), "merger": round(knobs["merger"], 2)}
    slack = 1.8 - 0.8 * float(np.clip(1.0 - abs(knobs["merger"]), 0.15, 1.0))
    return Setting(network, way, arc, speed, style, actors[:24], events, event=merged, slack=slack, facts=facts)


def _begin(path: Float, at: float, moment: float) -> float | None:
    """Arc length [m] from which somebody at the speed of the road ahead comes to ``at`` after ``moment`` [s]."""
    arcs = np.arange(26.0, at - 20.0, 4.0)
    times = np.array([drive_time(path, float(arc), float(path[int(arc / 0.5), 4]), at) for arc in arcs])
    if not len(arcs) or times[0] < moment or times[-1] > moment:
        return None
    return float(np.interp(-moment, -times, arcs))


F06 = Family("F06", KNOBS, stage)
