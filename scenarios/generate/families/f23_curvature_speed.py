"""F23 curvature speed: a winding road whose bends are tighter than its limit, often with somebody slow behind one."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.map import add_areas
from drive.scene import Action, AgentKind, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving, traffic
from scenarios.generate.geometry import Float
from scenarios.generate.junction import Section
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import GUTTER
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import Way, at_arc, ego_ways
from scenarios.generate.reference import draw_style, ego_path
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import RUN_IN, drive_time, reach, run_up
from scenarios.generate.winding import Winding, draw_winding, hedge

NOBODY, SLOW, WAITING = range(3)
NEAR = 9.0  # m: how close the ego comes before who waits drives on
HEAVY = (AgentKind.TRUCK, AgentKind.BUS)
KNOBS = {
    "limit": Knob(choices=(8.33, 11.11, 11.11, 13.89, 13.89, 16.67)),
    "sideways": Knob(1.5, 6.0),
    "village": Knob(5.0, 7.5),
    "arrival": Knob(3.0, 5.0),
    "width": Knob(2.8, 3.5),
    "lanes": Knob(choices=(1, 1, 1, 1, 2)),
    "posted": Knob(choices=(0, 0, 0, 1, 2)),
    "behind": Knob(choices=(NOBODY, SLOW, WAITING, WAITING, WAITING, WAITING, WAITING, WAITING)),
    "lead_speed": Knob(0.25, 0.6),
    "lead_place": Knob(0.0, 20.0),
    "sight": Knob(0.4, 4.0),
    "hold": Knob(2.0, 5.0),
    "density": Knob(0.2, 1.0),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The first bend comes 3 to 6.5 s after the start; ``v_limit^2 / R`` there is the knob ``sideways``."""
    rng = draws("map")
    limit = knobs["limit"]
    radius = float(np.clip(limit**2 / knobs["sideways"], 12.0, 150.0))
    lanes = int(knobs["lanes"]) if radius > 40.0 else 1
    width = max(knobs["width"], 3.1 if radius < 30.0 else 2.8)
    name = "rural" if limit > 14.0 else "collector"
    walkway = 0.0 if name == "rural" else float(rng.uniform(0.0, 2.0))
    section = Section(lanes, lanes, width, 0.0, GUTTER, 0.0, walkway, limit, name)
    # The ego comes from a slower stretch: who brakes to a stop from its speed stays far behind who drives.
    village = replace(section, limit=min(knobs["village"], limit))
    start_limit, arrival = village.limit, knobs["arrival"]
    gathered = min(limit - start_limit, 1.2 * arrival)
    ahead = arrival * (start_limit + 0.45 * gathered)
    station = run_up(limit) + start_limit * (RUN_IN + 0.5)
    winding = draw_winding(village, section, radius, (station, ahead), 5.0 * limit, int(knobs["posted"]), rng)
    layout = winding.layout
    # The bends slow everybody down; the road still reaches 60 m beyond what can be reached in 23 s.
    rest = np.array(((24.0 * limit + 80.0, 0.0, 0.0),))
    layout = replace(layout, roads=(*layout.roads[:-1], np.concatenate((layout.roads[-1], rest))))
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(limit) + RUN_IN * limit)
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[int(draws("lane").integers(len(ways)))]
    style = draw_style(draws("style"), lateral=float(draws("style-lateral").uniform(1.5, 2.3)))
    path = ego_path(way, style)
    begin, end, _ = winding.bends[0]
    arc, speed = run_up(limit), start_limit * min(style.factor, 1.0)
    network = _hide(network, winding, knobs["sight"])
    middle = at_arc(way, begin)[:2]
    lead, events = _lead(knobs, draws, way, path, arc, speed, end)
    busy = [(lane, *_stretch(way, number, arc - 40.0, end + 80.0)) for number, lane in enumerate(way.lanes)]
    actors: list[Actor] = [] if lead is None else [lead]
    density = knobs["density"]
    others = traffic(network, draws("traffic"), density, middle, reach(limit), 14, busy)
    actors += [item for item in others if radius > 40.0 or item.kind not in HEAVY]
    facts = {"radius": round(radius, 1), "sideways": round(limit**2 / radius, 2), "bends": len(winding.bends)}
    # A bend is a decision about speed: the hardness that 1.5 to 6 m/s2 at the limit stand for, as slack. Who waits
    # behind it is measured as what stopping asks for when it comes into view.
    slack = 1.8 - 0.8 * min(limit**2 / radius / 6.0, 1.0)
    decided = tuple(item for item in actors if not item.critical)
    scene = Setting(network, way, arc, speed, style, actors, events)
    return replace(
        scene,
        event=begin,
        slack=slack,
        decided=decided,
        occlusion=True,
        facts=facts,
    )


def _hide(network: Network, winding: Winding, away: float) -> Network:
    """Hedges on the inside of all bends, ``away`` [m] from the kerb."""
    found = []
    curve = np.concatenate([network.roads[number].curve for number in network.corridor])
    section = network.roads[0].section
    for begin, end, _ in winding.bends:
        area = hedge(network.map, curve, begin - 12.0, end + 12.0, section.edge(forward=True), away + section.walkway)
        if area is not None:
            found.append(area)
    return replace(network, map=add_areas(network.map, found)) if found else network


def _stretch(way: Way, number: int, low: float, high: float) -> tuple[float, float]:
    """A stretch of a way in the arc lengths of one of its lanes."""
    return low - float(way.begin[number]), high - float(way.begin[number])


def _lead(
    knobs: Mapping[str, float], draws: Draws, way: Way, path: Float, arc: float, speed: float, bend_end: float
) -> tuple[Actor | None, list[tuple[float, ...]]]:
    """Somebody slow whom an undisturbed ego meets behind the bend, or somebody who waits there and then drives on."""
    behind = int(knobs["behind"])
    if behind == NOBODY:
        return None, []
    rng = draws("lead")
    kind = (AgentKind.CAR, AgentKind.TRUCK, AgentKind.BICYCLE)[int(rng.choice(3, p=(0.5, 0.3, 0.2)))]
    if (float(path[:, 3].max() - path[:, 3].min()) > 1.0 / 40.0 and kind in HEAVY) or behind == WAITING:
        kind = AgentKind.CAR
    size = draw_size(kind, rng)
    place = bend_end + knobs["lead_place"]
    if behind == WAITING:
        begin = place + PACIFICA.front + size[0] / 2
        lead = driving(way, begin, 0.0, kind, size, critical=True, role="waiting", driver={Driver.LANE_BIAS: 0.0})
        spot = at_arc(way, max(begin - NEAR, arc + 5.0))
        until = drive_time(path, arc, speed, place) - RUN_IN + knobs["hold"]  # still there when the ego comes
        events = [
            (0.0, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0),
            (0.0, Trigger.EGO_ARRIVAL, 0.3, spot[0], spot[1], until, Action.NORMAL, 0.0, 0.0),
        ]
        return lead, [tuple(float(value) for value in event) for event in events] if lead is not None else []
    # Met where the free ego would have come up to it: it has driven its own slow way until then.
    meets = drive_time(path, arc, speed, place)
    pace = max(knobs["lead_speed"] * float(np.median(way.limit)), 2.5)
    begin = place - pace * meets + PACIFICA.front + size[0] / 2 + 4.0
    if begin < arc + 20.0:
        begin = arc + 20.0
    driver = {Driver.SPEED_FACTOR: pace / float(np.median(way.limit)), Driver.LANE_BIAS: 0.0}
    return driving(way, begin, pace, kind, size, role="slow_lead", driver=driver), []


F23 = Family("F23", KNOBS, stage)
