"""F04 slow lead: a tractor or truck at a quarter to three fifths of the limit, and a lane beside to pass it.

Or one that works as it goes, a sweeper or a dust cart at walking speed: who stays behind that gets nowhere.

Somebody faster may come up in that lane, and it has traffic of its own: which gap, or wait.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import AgentKind
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.beside import neighbour_stretches
from scenarios.generate.families.multilane import (
    Neighbour,
    clock_of,
    draw_road,
    neighbour_way,
    neighbours,
    with_background,
    with_event,
)
from scenarios.generate.knobs import Knob
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import FUTURE

SHARE, CRAWLING = (0.25, 0.6), (0.2, 2.2)  # of the limit; m/s
EVENT, SOONER = (3.5, 6.5), (0.6, 2.6)  # s after the start at which one comes up, and where the slow one crawls
KNOBS = {
    "road_class": Knob(choices=(0, 1, 1, 1, 2)),
    "lanes": Knob(choices=(2, 2, 3)),
    "lane": Knob(),
    "share": Knob(*SHARE),
    "kind": Knob(choices=(0, 1, 1, 2)),
    "rear_gap": Knob(5.0, 40.0),
    "closing": Knob(0.0, 8.0),
    "density": Knob(10.0, 35.0),
    "ahead_gap": Knob(30.0, 80.0),
    "event": Knob(*EVENT),
    "background": Knob(0.3, 0.9),
    "bends": Knob(choices=(0, 0, 1)),
    "crawls": Knob(choices=(0, 0, 1, 1, 1)),
}
KINDS = (AgentKind.CONSTRUCTION_VEHICLE, AgentKind.TRUCK, AgentKind.TRUCK)
FOLLOWING = 1.8  # s behind the slow one at which an undisturbed ego is when it has to decide
SHIFT_TIME = 3.5  # s that a lane change takes
LEAST_SLACK, MOST_SLACK = 1.08, 1.65  # of the best gap over the needed one
YIELDING = 2.0  # m/s2 that the one behind bears
STOPPING = 1.2  # s that an ego needs more behind one that crawls
BEHIND = 2.0  # m behind the slow one
ENOUGH, GAPS = 0.15, 0.2  # share of the free drive behind which staying is hopeless; what gaps count for in hardness


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A road of two or three lanes, and the slow one where an undisturbed ego comes up to it at the drawn time."""
    road = draw_road({**knobs, "junction": 0.0}, draws, int(knobs["lanes"]), style={"progress": 2.0}, ahead=30.0)
    if road is None:
        return None
    event = knobs["event"]
    if knobs["crawls"]:  # met at once, by an ego that has only just begun to gather speed
        road = replace(road, speed=0.3 * road.speed)
        event = float(np.interp(event, EVENT, SOONER))
    staged = overlay(road, clock_of(road).arc(event), knobs, draws)
    if staged is None:
        return None
    limit = float(road.way.limit[0])
    low, high = road.arc - 2.2 * limit, road.arc + 30.0 * limit
    taken = [(road.way.lanes[0], low, high), (int(staged.facts["beside_lane"]), 0.0, high)]
    return with_background(staged, draws, knobs["background"], taken)


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The slow one is a short following distance ahead of an ego at ``arc`` [m]."""
    rng = draws("slow")
    clock = clock_of(setting)
    options = [lane for lane in neighbours(setting.network, setting.way, arc) if lane.low < arc < lane.high - 120.0]
    if not options:
        return None
    lane = max(options, key=lambda item: item.side * -setting.network.side)  # pass on the faster side
    limit = float(np.interp(arc, setting.way.arc, setting.way.limit))
    v, slow = clock.speed(arc), knobs["share"] * limit
    if knobs["crawls"]:
        slow = float(np.interp(knobs["share"], SHARE, CRAWLING))
    elapsed = clock.time(arc) - clock.time(setting.arc)
    kind = KINDS[int(knobs["kind"])]
    size = draw_size(AgentKind.TRUCK, rng)
    rear = arc + PACIFICA.front + BEHIND + max(FOLLOWING * slow, STOPPING * v * knobs["crawls"])  # ego being at arc
    start = rear + size[0] / 2 - slow * elapsed
    if start - size[0] / 2 < setting.arc + PACIFICA.front + 3.0 + 0.8 * setting.speed:
        return None
    lead = driving(
        setting.way,
        start,
        slow,
        kind,
        size,
        critical=True,
        role="slow",
        driver={Driver.SPEED_FACTOR: slow / limit, Driver.NOISE: 0.5},
    )
    # the flow in the lane beside: its speed is that of the one who comes up, relative to an ego about to follow
    flow = float(np.clip(0.5 * (v + slow) + knobs["closing"], 0.8 * limit, 1.1 * limit))
    closing = max(flow - 0.5 * (v + slow), 0.0)
    needed = 4.0 + 0.5 * flow + closing * SHIFT_TIME / 2 + closing**2 / (2.0 * YIELDING)
    others, slack = _flow(setting, lane, arc, flow, needed, elapsed, knobs, rng)
    if lead is None:
        return None
    # Staying behind is always safe: what it costs is what makes overtaking worth the trouble.
    reached = rear + slow * (FUTURE - clock.time(arc)) - BEHIND - PACIFICA.front - clock.arc(0.0)
    behind = float(np.clip(reached / (clock.arc(FUTURE) - clock.arc(0.0)), 0.0, 1.0))
    lost = float(np.clip((1.0 - behind) / (1.0 - ENOUGH), 0.0, 1.0))
    tight = float(np.clip((MOST_SLACK - slack) / (MOST_SLACK - LEAST_SLACK), 0.0, 1.0))
    slack = 1.8 - 0.8 * ((1.0 - GAPS) * lost + GAPS * tight)
    facts = {
        "behind": round(behind, 3),
        "share": round(slow / limit, 3),
        "closing": round(closing, 2),
        "beside_lane": lane.lane,
    }
    staged = with_event(setting, [lead, *others], [], arc, facts)
    # not before the scene starts: who has changed lane by then has nothing left to do
    beside = neighbour_stretches(setting.network, setting.way, clock.arc(0.0), setting.way.length - 20.0)
    keep = tuple(item for item in beside if item.offset * lane.side > 0.0)
    return replace(
        staged,
        beside=(*staged.beside, *keep),
        slack=slack if staged.slack is None else min(slack, staged.slack),
        bearable=setting.bearable,
    )


def _flow(
    setting: Setting,
    lane: Neighbour,
    arc: float,
    speed: float,
    needed: float,
    elapsed: float,
    knobs: Mapping[str, float],
    rng: np.random.Generator,
) -> tuple[list[Actor], float]:
    """Traffic in the lane beside, and the best gap over the needed one [m] near the ego when it decides (at ``arc``).

    The density is that of the whole flow; whom the ego meets first comes in a platoon of tighter gaps, one of which is
    enough.
    """
    spacing = 1000.0 / knobs["density"]
    found: list[Actor] = []
    room = PACIFICA.length + 4.0
    shares = sorted(float(share) for share in rng.uniform(0.55, MOST_SLACK, 2))
    shares = (
        [max(shares[1], LEAST_SLACK), shares[0]] if rng.random() < 0.4 else [shares[0], max(shares[1], LEAST_SLACK)]
    )
    rear_gap = min(knobs["rear_gap"], MOST_SLACK * needed)
    slack = max(rear_gap / needed, *shares)

    def put(rear: float, size: tuple[float, float], role: str) -> None:
        """Somebody whose rear end is at ``rear`` [m, on the ego's way] when the ego is at ``arc``."""
        place = rear + size[0] / 2 - speed * elapsed
        way = neighbour_way(setting.network, lane, rng)
        if place + lane.shift < size[0]:
            return
        factor = speed / float(np.interp(place + lane.shift, way.arc, way.limit))
        car = driving(
            way,
            place + lane.shift,
            speed,
            AgentKind.CAR,
            size,
            role=role,
            driver={Driver.SPEED_FACTOR: factor, Driver.NOISE: 0.5},
        )
        if car is not None:
            found.append(car)

    size = draw_size(AgentKind.CAR, rng)
    behind = arc - PACIFICA.rear - rear_gap  # the front of the one who comes up
    ahead = arc + PACIFICA.front + knobs["ahead_gap"]
    put(behind - size[0], size, "rear")
    for number in range(5):
        behind -= size[0]
        loose = max(spacing * float(rng.lognormal(0.0, 0.45)) - size[0], 8.0)
        size = draw_size(AgentKind.CAR, rng)
        behind -= room + shares[number] * needed if number < len(shares) else loose
        put(behind - size[0], size, "flow")
    for _ in range(3):
        size = draw_size(AgentKind.CAR, rng)
        put(ahead, size, "flow")
        ahead += size[0] + max(spacing * float(rng.lognormal(0.0, 0.45)), 12.0)
    return found, slack


F04 = Family("F04", KNOBS, stage, overlay)
