"""F24 u turn: somebody who stands at the far kerb turns round into the ego's lane, which is nobody's right.

The indicator is on all the time, and one who stands closer may get ready, too, and stay.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Cue, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size
from scenarios.generate.beside import offset_beside
from scenarios.generate.families.multilane import Clock, clock_of, draw_road, neighbours, with_background
from scenarios.generate.geometry import Float, offset
from scenarios.generate.kerbside import hold
from scenarios.generate.network import Network
from scenarios.generate.paths import Way, at_arc, densify, resample
from scenarios.generate.setting import Draws, Setting
from scenarios.generate.timing import walk_time

Rows = list[tuple[float, ...]]

TIGHTEST = 4.4  # m: radius on which no car turns round
TURNING, RATE = 4.2, 2.4  # m/s, m/s2
SLOW = 0.3  # share of the usual speed at the beginning
AHEAD = (-0.2, 1.0)  # s between its being in the way and the arrival of an ego that goes on
BY_DISTANCE = 0.25  # share of the gap ahead of the ego that counts in metres, not in seconds
LEAD = 1.5  # s by which it gets ready, at most
CLOSER = (14.0, 24.0)  # m by which somebody else stands closer to the ego
DRIVING = 15.0  # s for which who has turned needs road
FORESIGHT = 4.0  # s: who looks further ahead stops long before somebody turns who turns only when it is near
NEVER = 60.0  # s


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A road with two lanes each way, and the place of the turn some 5 to 9 s after the start."""
    road = draw_road({"road_class": 0, "bends": 0, "junction": 0, "lane": knobs["place"]}, draws, 2, ahead=28.0)
    if road is None or road.network.roads[0].section.median > 0.0:
        return None
    road = replace(road, speed=SLOW * road.speed)  # who only stops should not get far
    clock = clock_of(road)
    arc = clock.arc(knobs["event"] + 1.5)
    lateral = _far_lane(road.network, road.way, arc)
    if lateral is None:
        return None
    kerb = [item.side for item in neighbours(road.network, road.way, arc) if item.side * lateral < 0.0]
    target = kerb[0] if kerb else 0.0  # the lane at the ego's kerb
    rng = draws("cast")
    main = _turner(road.way, arc, lateral, target, rng, True)
    if main is None:
        return None
    actors, events = [main], [hold(0), *_turn(road.way, arc, clock, main, knobs, rng)]
    other = _turner(road.way, arc - float(rng.uniform(*CLOSER)), lateral, target, rng, False)
    if other is not None and knobs["share"] > 0.4:
        actors.append(other)
        events.append(hold(1))
        if knobs["share"] > 0.5:
            where = at_arc(road.way, arc - CLOSER[0])[:2]
            events.append(_get_ready(1, float(rng.uniform(2.5, 4.5)), where, float(rng.uniform(1.5, 4.0))))
    staged = replace(
        road,
        actors=actors,
        events=events,
        bearable=20.0,
        foresight=FORESIGHT,
        event=arc,
        facts={"rule": "u turn", "aside": round(target, 2)},
    )
    limit = float(road.way.limit[0])
    taken = [(road.way.lanes[0], road.arc - 2.5 * limit, road.arc + 20.0 * limit)]
    taken += [
        (lane, 0.0, np.inf)
        for (number, _, _), lane in road.network.road_lanes.items()
        if number == 0 and lane != road.way.lanes[0]
    ]
    return with_background(staged, draws, knobs["density"], taken)


def _far_lane(network: Network, way: Way, arc: float) -> float | None:
    """Offset [m, left positive] of the outermost lane of those who come the other way."""
    offsets = [
        offset_beside(way, arc - 40.0, arc + 40.0, network.curves[lane], opposite=True)
        for (number, ahead, _), lane in network.road_lanes.items()
        if number == 0 and not ahead
    ]
    return max((item for item in offsets if item is not None), key=abs, default=None)


def _turner(
    way: Way, arc: float, lateral: float, target: float, rng: np.random.Generator, critical: bool
) -> Actor | None:
    """Somebody at the far kerb whose path turns round and on along the lane at ``target`` [m] beside the way."""
    size = draw_size(AgentKind.CAR, rng)
    radius, middle = 0.5 * abs(lateral - target), 0.5 * (lateral + target)
    apex = arc + radius + 0.5 * size[1]  # where it turns from; its flank comes to ``arc``
    last = apex + DRIVING * float(way.limit.max()) + 60.0
    if radius < TIGHTEST or last > way.length:
        return None
    angle = np.linspace(0.0, np.pi, 40)
    along = np.concatenate(((apex + 6.0,), apex - radius * np.sin(angle), np.arange(apex + 0.5, last, 0.5)))
    across = np.full(len(along), target)
    across[0], across[1:41] = lateral, middle + 0.5 * (lateral - target) * np.cos(angle)
    points = densify(_beside(way, along, across))
    pose = offset(at_arc(way, apex)[None], lateral)[0, :3]
    pose[2] += np.pi
    driver = {Driver.NOISE: 0.0, Driver.LANE_BIAS: 0.0, Driver.START_LOSS: 0.0, Driver.COURTESY: 0.0}
    driver |= {Driver.ACCELERATION: RATE, Driver.LATERAL_ACCELERATION: 3.2}
    role = "turner" if critical else "waiting"
    limit = np.full(len(points), float(way.limit[0]))
    return Actor(AgentKind.CAR, size, pose, 0.0, points, limit, critical, role, driver)


def _beside(way: Way, along: Float, across: Float) -> Float:
    """Points ``[N, 2]`` at arc lengths of a way, ``across`` [m] to its left."""
    poses = resample(way.curve, way.arc, along)
    normal = np.column_stack((-np.sin(poses[:, 2]), np.cos(poses[:, 2])))
    beside: Float = poses[:, :2] + across[:, None] * normal
    return beside


def _turn(way: Way, arc: float, clock: Clock, car: Actor, knobs: Mapping[str, float], rng: np.random.Generator) -> Rows:
    """Round when an ego that goes on would be a moment away as it gets in the way; then on like others."""
    line = _beside(way, arc + np.linspace(-30.0, 60.0, 181), np.zeros(181))
    steps = np.concatenate(((0.0,), np.cumsum(np.hypot(*np.diff(car.points, axis=0).T))))
    begin = int(np.hypot(*(car.points - car.pose[:2]).T).argmin())
    away = np.hypot(*np.moveaxis(car.points[begin : begin + 60, None] - line, 2, 0)).min(axis=1)
    enters = int(np.argmax(away < 0.5 * (PACIFICA.width + car.size[0])))
    into = float(steps[begin + enters] - steps[begin])
    ahead = AHEAD[0] + (AHEAD[1] - AHEAD[0]) * knobs["ahead"]
    time = ahead + walk_time(into, TURNING, RATE)
    place = arc - BY_DISTANCE * time * clock.speed(arc)
    where, left = at_arc(way, place)[:2], (1.0 - BY_DISTANCE) * time
    turned = int(np.argmax(np.hypot(*(car.points[begin:] - car.points[begin]).T)[20:] > 2.0 * TIGHTEST)) + 20
    round_after = 0.5 * TURNING / RATE + float(steps[begin + turned] - steps[begin]) / TURNING
    return [
        _get_ready(0, left + LEAD * float(rng.random()) ** 2, where, 2.0),
        (0.0, Trigger.EGO_ARRIVAL, left, float(where[0]), float(where[1]), NEVER, Action.SPEED, RATE, TURNING),
        (0.0, Trigger.AFTER, round_after, 0.0, 0.0, 99.0, Action.NORMAL, 0.0, 0.0),
    ]


def _get_ready(index: int, begin: float, where: Float, length: float) -> tuple[float, ...]:
    """Show INTENT from an arrival time of ``begin`` [s] on."""
    place = (float(where[0]), float(where[1]))
    return (float(index), Trigger.EGO_ARRIVAL, begin, *place, NEVER, Action.CUE, length, float(Cue.INTENT))
