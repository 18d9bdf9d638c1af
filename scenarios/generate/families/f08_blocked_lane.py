"""F08 blocked lane, oncoming traffic: a vehicle stands in the lane, and the way round it is the oncoming lane."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.scene import AgentKind
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, standing
from scenarios.generate.beside import opposite_stretches
from scenarios.generate.geometry import offset
from scenarios.generate.knobs import Knob
from scenarios.generate.oncoming import (
    approaching,
    opposite_way,
    platoon_times,
    time_needed,
    without_lane,
)
from scenarios.generate.paths import at_arc
from scenarios.generate.setting import Beside, Draws, Family, Setting
from scenarios.generate.street import street

KNOBS = {
    "road_class": Knob(choices=(0, 0, 1)),
    "ratio": Knob(1.05, 1.7),
    "arrival": Knob(0.2, 2.6),
    "wait": Knob(-1.5, 1.2),
    "block": Knob(5.0, 18.0),
    "intrusion": Knob(1.9, 2.6),
    "oncoming_speed": Knob(0.8, 1.0),
    "before": Knob(choices=(3, 4)),
    "after": Knob(choices=(1, 2, 3)),
    "bends": Knob(choices=(0, 1, 2)),
    "density": Knob(0.2, 0.9),
}
REST = (1.2, 4.0)  # s after the beginning of the warm-up at which the ego sets off
CLEARANCE = 0.7  # m between the ego and what stands in the lane
ROOM = 13.0  # m between the ego's front and the blockage where it would wait
EARLIEST = 2.0  # s after the start: before, nobody has decided anything
PRICE = 0.2  # per second in the oncoming lane


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A two-lane street with a dashed centre line; the ego comes to the blockage within 3 s of the start."""
    found = street(
        draws,
        int(knobs["road_class"]),
        knobs["arrival"],
        ROOM,
        knobs["block"],
        int(knobs["bends"]),
        knobs["density"],
        rest=REST,
    )
    return None if found is None else overlay(*found, knobs, draws)


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """Block the lane from ``arc`` on and let oncoming traffic leave one gap that is long enough."""
    network, way = setting.network, setting.way
    block = knobs["block"]
    stretches = opposite_stretches(network, way, arc - 55.0, arc + block + 60.0, PRICE)
    lane = way.lanes[int(np.searchsorted(way.begin, arc, side="right")) - 1]
    if not stretches or not network.map.borrow_allowed[lane]:
        return None
    stretch = stretches[0]
    if stretch.begin > arc - 25.0 or stretch.end < arc + block + 25.0:
        return None
    found = opposite_way(network, way, arc + block / 2, draws("opposite"))
    if found is None:
        return None
    other, place = found
    cast = draws("cast")
    limit = float(np.interp(place, other.arc, other.limit))
    speed = knobs["oncoming_speed"] * limit
    gap = knobs["ratio"] * time_needed(block, speed)
    open_at = max(knobs["arrival"] + knobs["wait"], EARLIEST)
    times = platoon_times(cast, open_at, int(knobs["before"]), backward=True)
    times += platoon_times(cast, open_at + gap, int(knobs["after"]), backward=False)
    stream = approaching(other, place, times, speed, cast)
    kept = without_lane(setting.actors, other, place - 20.0 * limit, place + 60.0)
    kept = without_lane(kept, way, setting.arc + 20.0, arc + block + 80.0)
    side = float(np.sign(stretch.offset))
    half = abs(stretch.offset) / 2
    blocking = _blockage(setting, arc, block, side, half, knobs["intrusion"], cast)
    past = side * (knobs["intrusion"] - half + CLEARANCE + PACIFICA.width / 2)
    line = Beside(max(stretch.begin, arc - 50.0), min(stretch.end, arc + block + 40.0), past, PRICE, arc + block + 3.0)
    return replace(
        setting,
        actors=[*blocking, *stream, *kept],
        beside=(*setting.beside, line),
        event=arc,
        slack=knobs["ratio"],
        facts={**setting.facts, "gap": round(gap, 2), "open_at": round(open_at, 2)},
    )


def _blockage(
    setting: Setting, arc: float, block: float, side: float, half: float, intrusion: float, rng: np.random.Generator
) -> list[Actor]:
    """Vehicles in a row on ``block`` [m] of the lane, their inner sides ``intrusion`` [m] from its outer edge."""
    found = []
    at, rest = arc, block
    while rest > 4.0:
        length = rest if rest < 7.5 else min(rest, 12.0) if rest < 12.5 else rest / 2
        kind = AgentKind.CAR if length < 5.5 else AgentKind.TRUCK if length < 9.5 else AgentKind.BUS
        _, width = draw_size(kind, rng)
        pose = offset(at_arc(setting.way, at + length / 2)[None], side * (intrusion - half - width / 2))[0, :3]
        pose[2] += float(rng.normal(0.0, 0.02))
        found.append(replace(standing(kind, (length, width), pose, "blockage"), critical=True))
        at, rest = at + length + 1.0, rest - length - 1.0
    return found


F08 = Family("F08", KNOBS, stage, overlay)
