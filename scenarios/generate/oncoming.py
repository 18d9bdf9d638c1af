"""Oncoming traffic with gaps: who comes towards the ego beside a place, and when."""

from collections.abc import Sequence

import numpy as np

from drive.drivers import Driver
from drive.scene import AgentKind
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, Rng, draw_size, driving
from scenarios.generate.geometry import Float
from scenarios.generate.network import Network
from scenarios.generate.paths import Way, at_arc, random_way, way_along
from scenarios.generate.timing import RUN_IN

SWING = 9.0  # m before and after what blocks the lane that going round it takes
SHIFT_TIME = 1.6  # s that leaving the lane and coming back each cost
PASSING_SPEED = 5.0  # m/s


def opposite_way(network: Network, way: Way, arc: float, rng: Rng) -> tuple[Way, float] | None:
    """The way of those who come towards a way at an arc length [m], and the arc length on it of that place; or None."""
    pose = at_arc(way, arc)
    best: tuple[float, int, int] | None = None
    for lane in np.flatnonzero(~network.map.connector):
        curve = network.curves[int(lane)]
        dx, dy = curve[:, 0] - pose[0], curve[:, 1] - pose[1]
        away = np.hypot(dx, dy)
        row = int(away.argmin())
        if away[row] < 9.0 and np.cos(curve[row, 2] - pose[2]) < -0.8 and (best is None or away[row] < best[0]):
            best = (float(away[row]), int(lane), row)
    if best is None:
        return None
    chain = [best[1]]
    while len(before := network.map.lane_predecessors(chain[0])):  # those who come straight on
        turns = [abs(_turn(network, int(lane))) for lane in before]
        chain.insert(0, int(before[int(np.argmin(turns))]))
    chain += list(random_way(network, best[1], rng).lanes[1:])
    other = way_along(network, chain)
    row = int(np.hypot(other.curve[:, 0] - pose[0], other.curve[:, 1] - pose[1]).argmin())
    return other, float(other.arc[row])


def _turn(network: Network, lane: int) -> float:
    curve = network.curves[lane]
    return float(np.abs(np.diff(np.unwrap(curve[:, 2]))).sum())


def time_needed(block: float, oncoming: float) -> float:
    """Least time [s] between two oncoming vehicles, at the middle of what blocks the lane on ``block`` [m], that lets
    one go round it; they drive at ``oncoming`` [m/s]."""
    stretch = block + 2.0 * SWING
    return stretch / PASSING_SPEED + 2.0 * SHIFT_TIME + (stretch + PACIFICA.length) / oncoming


def platoon_times(rng: Rng, first: float, count: int, backward: bool) -> list[float]:
    """Times [s] of ``count`` vehicles from ``first`` on (or until then), gaps LN(2.6, 0.25): too short to use."""
    gaps = np.clip(rng.lognormal(np.log(2.6), 0.25, max(count - 1, 0)), 1.9, 4.0)
    times = first + np.concatenate(((0.0,), np.cumsum(gaps))) * (-1.0 if backward else 1.0)
    return sorted(float(time) for time in times[:count])


def approaching(
    way: Way, place: float, times: Sequence[float], speed: float, rng: Rng, *, side: float = 0.0
) -> list[Actor]:
    """Vehicles on an oncoming way that pass ``place`` [m] at ``times`` [s] after the scene's start, at ``speed`` [m/s].

    Those whom the way has no room for are left out. The first of each platoon keeps its speed, the others keep up.
    """
    found: list[Actor] = []
    for number, time in enumerate(times):
        kind = AgentKind.TRUCK if rng.random() < 0.12 else AgentKind.CAR
        size = draw_size(kind, rng)
        leads = number == 0 or time - times[number - 1] > 4.5
        limit = float(np.interp(place, way.arc, way.limit))
        factor = speed / limit
        arc = place - speed * (time + RUN_IN)
        if arc < 5.0 + size[0] / 2:
            continue
        actor = driving(
            way,
            arc,
            speed,
            kind,
            size,
            side=side,
            critical=True,
            role="oncoming",
            driver={
                Driver.SPEED_FACTOR: factor if leads else 1.15 * factor,
                Driver.HEADWAY: 0.9,
                Driver.GAP: 1.5,
                Driver.ACCELERATION: 1.6,
                Driver.NOISE: 0.3,
                Driver.LANE_BIAS: 0.0,
            },
        )
        if actor is not None:
            found.append(actor)
    return found


def without_lane(actors: list[Actor], way: Way, low: float, high: float) -> list[Actor]:
    """The actors without those who would drive along a way between two arc lengths [m], other than critical ones."""
    inside = (way.arc >= low) & (way.arc <= high)
    line = way.curve[inside][::6, :2]
    return [actor for actor in actors if actor.critical or not len(actor.points) or not _drives_along(actor, line)]


def _drives_along(actor: Actor, line: Float) -> bool:
    if actor.kind == AgentKind.PEDESTRIAN or not len(line):
        return False
    points = actor.points[::4]
    near = np.hypot(points[:, None, 0] - line[None, :, 0], points[:, None, 1] - line[None, :, 1]).min(axis=1) < 1.5
    return int(near.sum()) > 4
