"""Vehicles that come through a junction although it is not their turn."""

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Trigger
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.crossroads import Crossroads
from scenarios.generate.junction import Movement
from scenarios.generate.paths import at_arc
from scenarios.generate.reference import Style, ego_path, free_times
from scenarios.generate.search import SPACING
from scenarios.generate.timing import RUN_IN

AHEAD = 4.5  # s before the ego's arrival at which it is decided
RATE = 2.5  # m/s2


def violate(
    cross: Crossroads,
    leg: int,
    offset: float,
    speed: float,
    rng: np.random.Generator,
    *,
    role: str = "violator",
    brakes: bool = False,
    hazard: bool = True,
    turn: Movement = Movement.THROUGH,
) -> tuple[list[Actor], list[tuple[float, ...]]]:
    """One vehicle from ``leg`` that ignores light or sign, and its script; both empty where it has no way to come.

    Its centre is on the ego's path ``offset`` [s] after the front of an undisturbed ego; ``speed`` [m/s] is what it
    drives at. From 4.5 s before the ego's arrival it stops for nothing and keeps that offset as far as 15 % of its
    speed allow. ``brakes``: it
    brakes hard in the last second. Without ``hazard`` it comes the same way and stops in time as it has to.
    """
    connectors = cross.network.junctions[0].connectors
    options = [n for n in cross.movements(leg) if connectors[n].movement is turn]
    if not options:
        return [], []
    number = options[int(rng.integers(len(options)))]
    size = draw_size(AgentKind.CAR, rng)
    meeting = cross.meeting(number)
    assert meeting is not None  # one of the movements that meet the ego's
    mine, others = (0.5 * (low + high) for low, high in meeting)
    way = cross.way_through(number)
    limit = float(way.limit[0])
    factor = float(np.clip(speed / limit, 0.7, 1.3))
    path = ego_path(way, Style(factor=factor, lateral=3.0))
    times, stations = free_times(path), SPACING * np.arange(len(path))
    begin = float(np.interp(others, stations, times)) - (cross.ego_time(mine) + offset) - RUN_IN
    if begin < 0.0:
        return [], []
    arc = float(np.interp(begin, times, stations))
    pace = float(np.interp(arc, stations, path[:, 4]))
    driver = {
        Driver.SPEED_FACTOR: factor,
        Driver.COURTESY: 0.0,
        Driver.NOISE: 0.0,
        Driver.LANE_BIAS: 0.0,
        Driver.DECELERATION: 3.0,
        Driver.MAX_DECELERATION: 7.5,
        Driver.LATERAL_ACCELERATION: 3.0,
        Driver.YELLOW_DECELERATION: 5.0,
    }
    actor = driving(way, arc, pace, AgentKind.CAR, size, critical=hazard, role=role, driver=driver)
    if actor is None or arc < size[0]:
        return [], []
    if not hazard:
        return [actor], []
    through = float(np.interp(others, stations, path[:, 4]))
    place = at_arc(cross.way, mine)[:2]
    arrival = cross.ego_time(mine)
    events: list[tuple[float, ...]] = []
    timeout = max(arrival - AHEAD, 0.0) + 6.0
    first = offset - 0.5 * size[0] / max(through, 3.0)  # its front is there before its centre
    events.append((0.0, Trigger.EGO_ARRIVAL, AHEAD, *place, timeout, Action.MEET, RATE, first))
    if brakes:
        events.append((0.0, Trigger.EGO_ARRIVAL, 0.9, *place, timeout + 4.0, Action.SPEED, 5.0, 0.4 * through))
    return [actor], events
