"""F26 urban background: any network, mixed traffic, no script."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import WALKING_SPEED
from drive.scene import AgentKind
from scenarios.generate.actors import Actor, crossing_line, draw_size, parked, strollers, traffic, walking
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import ARTERIAL, COLLECTOR, RESIDENTIAL, RURAL, RoadClass, draw_layout, draw_section
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import ego_ways
from scenarios.generate.reference import draw_style, ego_path
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import RUN_IN, ego_start, free_arc, reach, run_up

KNOBS = {
    "road_class": Knob(choices=(0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3)),
    "junctions": Knob(choices=(0, 0, 0, 1, 1, 1, 2)),
    "arrival": Knob(3.0, 9.0),
    "lane": Knob(),
    "density": Knob(0.5, 1.8),
    "most": Knob(14.0, 40.0),
    "strollers": Knob(0.0, 8.0),
    "crossers": Knob(0.0, 4.0),
    "occupancy": Knob(0.3, 0.95),
    "bends": Knob(choices=(1, 2, 3, 4, 4)),
}
QUEUES = 0.4
CLASS_BY_KNOB: tuple[RoadClass, ...] = (RESIDENTIAL, COLLECTOR, ARTERIAL, RURAL)


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """Any road class, 0 to 2 junctions on the ego's way, the first one reached 3 to 9 s after the start."""
    rng = draws("map")
    road = CLASS_BY_KNOB[int(knobs["road_class"])]
    section = draw_section(road, rng)
    junctions = int(knobs["junctions"])
    style = replace(draw_style(draws("style")), wander=int(draws("wander").integers(1, 2**31)))
    first = run_up(section.limit) + section.limit * (RUN_IN + knobs["arrival"]) + 20.0
    if not junctions:
        first += section.limit * 23.0 + 80.0
    layout = draw_layout(section, road, rng, first=first, junctions=junctions, bends=int(knobs["bends"]))
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(section.limit) + RUN_IN * section.limit)
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[int(knobs["lane"] * len(ways))]
    path = ego_path(way, style)
    event = (
        float(way.begin[1]) if junctions else float(free_arc(path, run_up(section.limit), RUN_IN + knobs["arrival"]))
    )
    start = ego_start(path, event, knobs["arrival"], float(draws("entry").uniform(0.1, 0.9)))
    if start is None:
        return None
    arc, speed = start
    ego = way.curve[int(np.searchsorted(way.arc, arc)), :2]
    middle = way.curve[int(np.searchsorted(way.arc, min(arc + 50.0, way.length))), :2]
    actors = traffic(
        network,
        draws("traffic"),
        knobs["density"],
        middle,
        reach(section.limit),
        int(knobs["most"]),
        [(way.lanes[0], arc - 8.0 - 0.8 * speed, arc + 12.0 + 1.0 * speed)],
        queues=QUEUES,
    )
    actors += strollers(network, draws("strollers"), int(knobs["strollers"]), middle, 80.0)
    actors += crossers(network, draws("crossers"), int(knobs["crossers"]), middle)
    keep_clear = np.array([item.line.mean(axis=0) for item in network.crossings]).reshape(-1, 2)
    bays = parked(network, draws("parked"), knobs["occupancy"], keep_clear)
    actors += [item for item in bays if np.hypot(*(item.pose[:2] - ego)) < 90.0][:40]
    return Setting(network, way, arc, speed, style, actors, [], event=event)


def crossers(network: Network, rng: np.random.Generator, count: int, near: np.ndarray) -> list[Actor]:
    """People who cross somewhere near by, in their own time and looking at gaps."""
    close = [n for n, item in enumerate(network.crossings) if np.hypot(*(item.line.mean(axis=0) - near)) < 90.0]
    places = [(number, right, file) for number in close for right in (False, True) for file in (0, 1)]
    found = []
    for place in rng.permutation(len(places))[:count]:
        number, right, file = places[place]
        start, shift = float(rng.uniform(0.6, 9.0)), 0.5 + 0.95 * file
        points = crossing_line(network, number, start, shift, right)
        size = draw_size(AgentKind.PEDESTRIAN, rng)
        found.append(walking(points, WALKING_SPEED if start > 3.0 else 0.0, size, role="crosser"))
    return found


F26 = Family("F26", KNOBS, stage)
