"""F20 cyclist: somebody rides slowly ahead at the edge of the lane, weaves, and swerves round a hole or a door.

Or has got off and pushes uphill: who stays behind then gets nowhere.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import CYCLING_SPEED, Driver
from drive.scene import Action, AgentKind, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import draw_size, driving
from scenarios.generate.beside import opposite_stretches
from scenarios.generate.knobs import Knob
from scenarios.generate.oncoming import SHIFT_TIME, approaching, opposite_way, platoon_times, without_lane
from scenarios.generate.reference import ego_path
from scenarios.generate.setting import Beside, Draws, Family, Setting
from scenarios.generate.street import street
from scenarios.generate.timing import FUTURE, RUN_IN, free_drive, start_arc

LEVEL, UPHILL, STEEP = range(3)
RIDING, PUSHING = (3.0, 7.0), (0.3, 1.1)  # m/s
WITH_BICYCLE, TO_EDGE = (1.8, 1.0), (1.0, 1.8)  # m: size of somebody who walks beside a bicycle, and place
SOONER = 0.6  # share of the arrival time after which one comes up to somebody who walks
KNOBS = {
    "road_class": Knob(choices=(0, 1, 1)),
    "arrival": Knob(2.0, 5.0),
    "speed": Knob(*RIDING),
    "edge": Knob(0.4, 1.2),
    "lane_width": Knob(2.9, 3.8),
    "swerve": Knob(0.5, 1.2),
    "swerve_time": Knob(1.0, 8.0),
    "swerve_duration": Knob(1.2, 2.0),
    "climb": Knob(choices=(LEVEL, UPHILL, STEEP, STEEP, STEEP)),
    "ratio": Knob(1.05, 1.7),
    "wait": Knob(-1.0, 3.0),
    "before": Knob(choices=(0, 1, 2, 3)),
    "bends": Knob(choices=(0, 1, 2)),
    "density": Knob(0.2, 0.9),
}
CLEARANCE, FAST_CLEARANCE, FAST = 1.0, 1.5, 8.0  # m, m, m/s
PRICE = 0.05
BEHIND = 18.0  # m that an overtaking ego gains on the cyclist
FOLLOWING = 3.0  # m that stay free behind the cyclist
ENOUGH = 0.15  # share of the free drive that is lost for good where staying behind reaches no further
GAPS = 0.2  # share of hardness that is about how long the gap in the oncoming traffic is


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A two-lane street; the ego catches up 2 to 5 s after the start."""
    pace, arrival = _pace(knobs)
    found = street(
        draws,
        int(knobs["road_class"]),
        arrival,
        3.0 + 1.5 * pace,
        0.0,
        int(knobs["bends"]),
        knobs["density"],
        most_limit=14.5,
        section={"width": knobs["lane_width"], "parking": 0.0},
    )
    return None if found is None else overlay(*found, knobs, draws)


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """Put a cyclist where the ego catches up at ``arc``, and oncoming traffic that leaves one gap to overtake in."""
    way, network, cast = setting.way, setting.network, draws("cast")
    lane = way.lanes[int(np.searchsorted(way.begin, arc, side="right")) - 1]
    stretches = [
        item
        for item in opposite_stretches(network, way, max(setting.arc, arc - 60.0), arc + 260.0, PRICE)
        if item.begin < arc + 10.0 < item.end - 80.0
    ]
    if not stretches or not network.map.borrow_allowed[lane]:
        return None
    stretch = stretches[0]
    side, width = float(np.sign(stretch.offset)), abs(stretch.offset)
    limit = float(np.interp(arc, way.arc, way.limit))
    pushes = int(knobs["climb"]) == STEEP
    pace, arrival = _pace(knobs)
    riding = min(pace, 0.6 * limit)
    size = WITH_BICYCLE if pushes else draw_size(AgentKind.BICYCLE, cast)
    edge = float(np.interp(knobs["edge"], (0.4, 1.2), TO_EDGE)) if pushes else knobs["edge"]
    place = -side * (width / 2 - edge)
    begin = arc - riding * (RUN_IN + arrival)
    if begin < setting.arc + PACIFICA.front + 4.0 + 0.5 * setting.speed:
        return None
    rider = driving(
        way,
        begin,
        riding,
        AgentKind.BICYCLE,
        size,
        side=place,
        critical=True,
        role="cyclist",
        driver={
            Driver.SPEED_FACTOR: riding / CYCLING_SPEED,
            Driver.NOISE: 0.0 if pushes else 1.0,
            Driver.LANE_BIAS: 0.0,
        },
    )
    found = opposite_way(network, way, arc, draws("opposite"))
    if rider is None or found is None:
        return None
    other, there = found
    facing = 0.9 * float(np.interp(there, other.arc, other.limit))
    passing = BEHIND / (0.95 * limit - riding) + 2.0 * SHIFT_TIME
    gap = knobs["ratio"] * passing * (1.0 + 0.95 * limit / facing)
    open_at = arrival + knobs["wait"] * (0.3 if pushes else 1.0)
    times = platoon_times(cast, open_at, int(knobs["before"]), backward=True)
    times += platoon_times(cast, open_at + gap, 2, backward=False)
    stream = approaching(other, there, times, facing, cast)
    actors = without_lane(setting.actors, other, there - 20.0 * limit, there + 150.0)
    actors = without_lane(actors, way, setting.arc + 10.0, way.length)
    clearance = FAST_CLEARANCE if limit > FAST else CLEARANCE
    # somebody who may swerve is given that room, too
    past = min(size[1] / 2 + clearance + PACIFICA.width / 2 - abs(place) + (0.0 if pushes else knobs["swerve"]), width)
    # Staying behind is always safe: what it costs is what makes overtaking worth the trouble.
    behind = _share_behind(setting, arc, riding, arrival)
    lost = (1.0 - GAPS) * float(np.clip((1.0 - behind) / (1.0 - ENOUGH), 0.0, 1.0))
    tight = float(np.clip((1.7 - knobs["ratio"]) / 0.65, 0.0, 1.0))
    line = Beside(stretch.begin, stretch.end, side * max(past, 0.2), PRICE)
    return replace(
        setting,
        actors=[rider, *stream, *actors],
        events=[*setting.events, *([] if pushes else _script(knobs, riding, side))],
        beside=(*setting.beside, line),
        event=arc,
        slack=1.8 - 0.8 * min(lost + GAPS * tight, 1.0),
        facts={**setting.facts, "passing_line": round(past, 3), "gap": round(gap, 2), "behind": round(behind, 3)},
    )


def _pace(knobs: Mapping[str, float]) -> tuple[float, float]:
    """Speed of the cyclist [m/s], and when the ego comes up [s after the start]."""
    if int(knobs["climb"]) != STEEP:
        return knobs["speed"], knobs["arrival"]
    return float(np.interp(knobs["speed"], RIDING, PUSHING)), SOONER * knobs["arrival"]


def _share_behind(setting: Setting, arc: float, riding: float, arrival: float) -> float:
    """How far an ego that stays behind the cyclist gets, as a share of what the free road would let it."""
    path = ego_path(setting.way, setting.style)
    free, _ = free_drive(path, setting.arc, setting.speed, FUTURE, setting.rest)
    reached = arc + riding * (FUTURE - arrival) - FOLLOWING - PACIFICA.front
    return float(np.clip((reached - start_arc(path, setting.arc, setting.speed, setting.rest)) / free, 0.0, 1.0))


def _script(knobs: Mapping[str, float], riding: float, side: float) -> list[tuple[float, ...]]:
    """The cyclist (agent 0) swerves towards the middle and back; uphill it slows down."""
    begin, duration = knobs["swerve_time"], knobs["swerve_duration"]

    def at(time: float, action: Action, rate: float, target: float) -> tuple[float, ...]:
        return (0.0, float(Trigger.TIME), time, 0.0, 0.0, time, float(action), rate, target)

    events = [
        at(begin, Action.OFFSET, duration, side * knobs["swerve"]),
        at(begin + duration + 1.0, Action.OFFSET, duration, 0.0),
    ]
    if int(knobs["climb"]) == UPHILL:
        events.append(at(begin + 1.0, Action.SPEED, 0.4, max(0.65 * riding, 2.5)))
    return events


F20 = Family("F20", KNOBS, stage, overlay)
