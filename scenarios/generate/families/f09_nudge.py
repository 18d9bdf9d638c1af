"""F09 nudge: things stand in part of the lane, and one drives past them, in the lane or a little over the line."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.scene import AgentKind
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, standing
from scenarios.generate.beside import opposite_stretches
from scenarios.generate.geometry import offset
from scenarios.generate.knobs import Knob
from scenarios.generate.oncoming import approaching, opposite_way, without_lane
from scenarios.generate.paths import at_arc
from scenarios.generate.reference import ego_path
from scenarios.generate.setting import Beside, Draws, Family, Setting
from scenarios.generate.street import street
from scenarios.generate.timing import RUN_IN, drive_time

KNOBS = {
    "road_class": Knob(choices=(0, 0, 1)),
    "arrival": Knob(1.5, 3.5),
    "stratum": Knob(choices=(0, 0, 1)),
    "intrusion": Knob(),
    "count": Knob(choices=(1, 1, 2, 3, 5, 8)),
    "what": Knob(choices=(0, 0, 1, 2)),
    "pinch": Knob(choices=(0, 1, 1)),
    "offset": Knob(-2.0, 2.0),
    "oncoming_speed": Knob(0.75, 1.0),
    "bends": Knob(choices=(0, 1, 2)),
    "density": Knob(0.2, 0.9),
}
REST = (2.0, 4.2)  # s after the beginning of the warm-up at which the ego sets off
ROOM = 10.5  # m between the front and the first object where the ego begins to swing out
MEETING = 5.0  # m after the first object begins: where somebody oncoming is met
STRATA = ((0.3, 1.4), (1.5, 2.2))  # m
PARKED, BINS, DOOR = range(3)
CLEARANCE = {PARKED: 0.5, BINS: 0.5, DOOR: 1.0}  # m
DOOR_WIDTH = 1.0  # m
PRICE = 0.2


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A two-lane street; the ego reaches the first object 1.5 to 3.5 s after the start."""
    found = street(
        draws,
        int(knobs["road_class"]),
        knobs["arrival"],
        ROOM,
        6.5 * knobs["count"],
        int(knobs["bends"]),
        knobs["density"],
        rest=REST,
    )
    return None if found is None else overlay(*found, knobs, draws)


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """Put a row of things into the outer part of the lane from ``arc`` on, and perhaps somebody oncoming beside it."""
    way, network, cast = setting.way, setting.network, draws("cast")
    low, high = STRATA[int(knobs["stratum"])]
    # dense towards the end: less than half a metre is no more than a little less room
    intrusion = low + (high - low) * float(knobs["intrusion"]) ** 0.6
    what = int(knobs["what"])
    lane = way.lanes[int(np.searchsorted(way.begin, arc, side="right")) - 1]
    stretches = opposite_stretches(network, way, arc - 45.0, arc + 8.0 * knobs["count"] + 60.0, PRICE)
    if not stretches or not network.map.borrow_allowed[lane]:
        return None
    stretch = stretches[0]
    side, width = float(np.sign(stretch.offset)), abs(stretch.offset)
    # who has to cross the line or to wait first has time for no more than three objects
    count = min(int(knobs["count"]), 3 if int(knobs["stratum"]) or int(knobs["pinch"]) else 8)
    things, end = _row(setting, arc, count, what, side, intrusion - width / 2, cast)
    if stretch.begin > arc - 25.0 or stretch.end < end + 25.0:
        return None
    past = min(intrusion - width / 2 + CLEARANCE[what] + PACIFICA.width / 2, width - 0.1)
    actors = setting.actors
    meeting = min((arc + end) / 2, arc + MEETING)
    found = opposite_way(network, way, meeting, draws("opposite"))
    if found is None:
        return None
    other, place = found
    limit = float(np.interp(place, other.arc, other.limit))
    actors = without_lane(actors, other, place - 20.0 * limit, place + 60.0)
    slack = 1.8 - 0.35 * max(past, 0.0)
    if knobs["pinch"]:
        due = setting.rest - RUN_IN
        due += drive_time(ego_path(way, setting.style), setting.arc, setting.speed, meeting)
        speed = knobs["oncoming_speed"] * limit
        actors = [*approaching(other, place, [due + knobs["offset"]], speed, cast), *actors]
        if past + PACIFICA.width / 2 > width / 2 - 0.3:  # they would meet too close
            slack = min(slack, 1.05 + 0.35 * abs(knobs["offset"]))
    actors = without_lane(actors, way, setting.arc + 15.0, end + 60.0)
    line = Beside(max(stretch.begin, arc - 45.0), min(stretch.end, end + 40.0), side * max(past, 0.1), PRICE, end + 2.5)
    return replace(
        setting,
        actors=[*things, *actors],
        beside=(*setting.beside, line),
        event=arc,
        slack=slack,
        facts={**setting.facts, "intrusion": round(intrusion, 3), "passing_line": round(past, 3)},
    )


def _row(
    setting: Setting, arc: float, count: int, what: int, side: float, inner: float, rng: np.random.Generator
) -> tuple[list[Actor], float]:
    """The objects, their inner sides at most ``inner`` [m] across from the middle of the lane, and where they end."""
    found, at = [], arc
    deepest = int(rng.integers(count))
    for number in range(count):
        out = 0.0 if number == deepest else float(rng.uniform(0.0, 0.4))
        kind, (length, width) = AgentKind.CAR, draw_size(AgentKind.CAR, rng)
        if what == BINS:
            kind, length, width = AgentKind.GENERIC_OBJECT, float(rng.uniform(0.6, 1.4)), float(rng.uniform(0.6, 1.1))
        elif number == deepest and rng.random() < 0.4:
            kind, (length, width) = AgentKind.TRUCK, draw_size(AgentKind.TRUCK, rng)
            length = min(length, 8.0)
        door = DOOR_WIDTH if what == DOOR and number == deepest else 0.0
        middle = at_arc(setting.way, at + length / 2)[None]
        pose = offset(middle, side * (inner - out - door - width / 2))[0, :3]
        pose[2] += 0.0 if door else float(rng.normal(0.0, 0.03))
        found.append(replace(standing(kind, (length, width), pose, "intruder"), critical=True))
        if door:
            at_door = offset(at_arc(setting.way, at + 0.55 * length)[None], side * (inner - (door - 0.15) / 2))[0, :3]
            found.append(
                replace(standing(AgentKind.GENERIC_OBJECT, (0.25, door - 0.15), at_door, "open_door"), critical=True)
            )
        at += length + float(rng.uniform(0.6, 1.8))
    return found, at


F09 = Family("F09", KNOBS, stage, overlay)
