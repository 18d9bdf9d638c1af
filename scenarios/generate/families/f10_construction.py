"""F10 construction: cones lead the traffic aside past works, through a channel that the map does not know."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.scene import AgentKind
from scenarios.generate.actors import Actor, draw_size, standing
from scenarios.generate.beside import opposite_stretches
from scenarios.generate.geometry import Float, offset
from scenarios.generate.knobs import Knob
from scenarios.generate.oncoming import opposite_way, without_lane
from scenarios.generate.paths import Way, at_arc, shifted
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.street import street

KNOBS = {
    "road_class": Knob(choices=(0, 1, 1)),
    "arrival": Knob(1.0, 3.5),
    "shift": Knob(1.0, 3.5),
    "taper": Knob(1.0, 1.3),
    "length": Knob(8.0, 25.0),
    "width": Knob(2.75, 3.25),
    "cones": Knob(3.0, 8.0),
    "barriers": Knob(choices=(0, 1)),
    "vehicle": Knob(choices=(0, 1, 1)),
    "workers": Knob(choices=(0, 1, 2, 3)),
    "speed": Knob(0.5, 0.7),
    "bends": Knob(choices=(0, 0, 1)),
    "density": Knob(0.2, 0.9),
}
REST = (2.2, 4.2)  # s after the beginning of the warm-up at which the ego sets off
CONE, BARRIER = 0.45, (2.1, 0.5)  # m
SHORTEST = 16.0  # m, of a taper
ROOM, ASIDE = 0.18, 0.7  # m: what a second of straight on may use, and by how much tapers are wider
STRAIGHT = 6.0  # m of the channel before its inner cones: who still turns in would point at them
TIGHT, HARD = 2.7, 3.5  # m: the channel an expert just fits through, the greatest shift


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A two-lane street; the ego reaches the first cone 1 to 3.5 s after the start."""
    found = street(
        draws,
        int(knobs["road_class"]),
        knobs["arrival"],
        4.0,
        90.0,
        int(knobs["bends"]),
        knobs["density"],
        rest=REST,
        section={"parking": 0.0},
    )
    return None if found is None else overlay(*found, knobs, draws)


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """Lead the way aside from ``arc`` on between two rows of cones, works on its outer side."""
    way, network, cast = setting.way, setting.network, draws("cast")
    speed = knobs["speed"] * float(np.interp(arc, way.arc, way.limit))
    # who drives the taper at that speed has room to the side for a second of straight on
    run = max(knobs["taper"] * speed * np.sqrt(5.78 * knobs["shift"] / (2.0 * ROOM)), SHORTEST)
    end = arc + 2.0 * run + knobs["length"]
    stretches = opposite_stretches(network, way, arc - 10.0, end + 10.0, 0.0)
    lane = way.lanes[int(np.searchsorted(way.begin, arc, side="right")) - 1]
    if len(stretches) != 1 or stretches[0].end < end + 5.0 or not network.map.borrow_allowed[lane]:
        return None
    found = opposite_way(network, way, (arc + end) / 2, draws("opposite"))
    if found is None:
        return None
    side, lane_width = float(np.sign(stretches[0].offset)), abs(stretches[0].offset)
    # the channel stays on the paved road
    aside = min(knobs["shift"], 1.5 * lane_width + 0.4 - knobs["width"] / 2 - CONE)
    led = shifted(way, arc, run, end, run, side * aside)
    slow = np.where((led.arc > arc - 8.0) & (led.arc < end), knobs["speed"] * led.limit, led.limit)
    led = replace(led, limit=slow)
    things = _channel(led, arc, end, run, side, knobs)
    things += _works(way, arc + run, end - run, side, lane_width / 2, knobs, aside, cast)
    other, place = found
    actors = without_lane(setting.actors, other, place - 250.0, place + 80.0)
    actors = without_lane(actors, way, setting.arc + 15.0, way.length)
    slack = 1.0 + 0.6 * (knobs["width"] - TIGHT) + 0.2 * (HARD - aside)
    facts = {**setting.facts, "shift": round(aside, 3), "works": round(end - arc, 1)}
    return replace(setting, way=led, actors=[*things, *actors], event=arc, slack=slack, facts=facts)


def _channel(way: Way, begin: float, end: float, run: float, side: float, knobs: Mapping[str, float]) -> list[Actor]:
    """Cones along the works' side, in the tapers a little further out; along the works on both sides, or barriers."""
    found = []
    half = knobs["width"] / 2
    for station in np.arange(begin, end, knobs["cones"]):
        pose = at_arc(way, float(station))[None]
        along = bool(begin + run < station < end - run)
        barrier = bool(knobs["barriers"]) and along and knobs["cones"] > 3.5
        size, kind = (BARRIER, AgentKind.BARRIER) if barrier else ((CONE, CONE), AgentKind.TRAFFIC_CONE)
        outer = offset(pose, -side * (half + (0.0 if along else ASIDE) + size[1] / 2))[0, :3]
        found.append(replace(standing(kind, size, outer, "cone"), critical=True))
        if along and station > begin + run + STRAIGHT:
            inner = offset(pose, side * (half + CONE / 2))[0, :3]
            found.append(replace(standing(AgentKind.TRAFFIC_CONE, (CONE, CONE), inner, "cone"), critical=True))
    return found


def _works(
    way: Way,
    begin: float,
    end: float,
    side: float,
    half: float,
    knobs: Mapping[str, float],
    aside: float,
    rng: np.random.Generator,
) -> list[Actor]:
    """What stands in the closed part of the lane: a vehicle and people at work, where there is room for them."""
    free = half + aside - knobs["width"] / 2 - CONE  # from the lane's outer edge to the cones
    found: list[Actor] = []
    middle = -side * (half - free / 2)
    if knobs["vehicle"] and free > 2.4 and end - begin > 10.0:
        length, _ = draw_size(AgentKind.TRUCK, rng)
        pose = _place(way, float(rng.uniform(begin + 5.0, max(end - 5.0, begin + 5.1))), middle)
        found.append(standing(AgentKind.CONSTRUCTION_VEHICLE, (min(length, 7.0), 2.1), pose, "works_vehicle"))
    for _ in range(int(knobs["workers"])):
        if free < 1.6:
            break
        pose = _place(way, float(rng.uniform(begin, end)), middle - side * float(rng.uniform(0.0, 0.3)))
        pose[2] += float(rng.uniform(-np.pi, np.pi))
        found.append(standing(AgentKind.PEDESTRIAN, draw_size(AgentKind.PEDESTRIAN, rng), pose, "worker"))
    return found


def _place(way: Way, arc: float, across: float) -> Float:
    return offset(at_arc(way, arc)[None], across)[0, :3]


F10 = Family("F10", KNOBS, stage, overlay)
