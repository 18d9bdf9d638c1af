"""Vehicles that come through a junction although it is not their turn."""

import numpy as np

from drive.drivers import Driver
from drive.scene import DT, Action, AgentKind, Trigger
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.crossroads import Crossroads
from scenarios.generate.junction import Movement
from scenarios.generate.paths import at_arc
from scenarios.generate.reference import Style, ego_path
from scenarios.generate.search import SPACING
from scenarios.generate.timing import RUN_IN

AHEAD = 4.5  # s before the ego's arrival at which it is decided
SPARE = 0.3  # s by which it is at full speed before that
SLOW_SHARE, FEINT_SHARE = 0.5, 0.75  # share of its speed before that; it has to be at full speed when it is decided
RATE = 3.5  # m/s2
MEETING = 3.5  # m: half a car's length and half the ego's width
BRAKING_LOSS = 2.0  # m that a brake in the last second costs
GO = 2.0  # s before the ego's arrival at which a feint ends
FEINT_BRAKES, FEINT_GOES = 2.5, 3.0  # m/s2


def _feint_loss(speed: float, ahead: float) -> float:
    """Time [s] that slowing down to half of ``speed`` [m/s] and speeding up again costs."""
    now, lost = speed, 0.0
    for step in range(round(ahead / DT)):
        now += DT * (-FEINT_BRAKES if step * DT < ahead - GO else FEINT_GOES)
        now = min(max(now, 0.5 * speed), speed)
        lost += (speed - now) * DT
    return lost / speed


def arrival_offset(unit: float, speed: float) -> float:
    """Offset [s] within -0.7..0.3, nine times in ten such that an ego that drives on runs into the other's side.

    Both cover each other's way while the centres are within 3.5 m along the other's path; sampling offsets evenly
    would waste most scenes on near misses.
    """
    share = -0.9 + 1.3 * unit / 0.9 if unit < 0.9 else (-1.6 if unit < 0.95 else 0.8)
    return float(np.clip(share * MEETING / speed, -0.7, 0.3))


def violate(
    cross: Crossroads,
    leg: int,
    offset: float,
    speed: float,
    rng: np.random.Generator,
    *,
    kind: AgentKind = AgentKind.CAR,
    role: str = "violator",
    brakes: bool = False,
    feint: bool = False,
    hazard: bool = True,
    turn: Movement = Movement.THROUGH,
    ahead: float = AHEAD,
) -> tuple[list[Actor], list[tuple[float, ...]]]:
    """One vehicle from ``leg`` that ignores light or sign, and its script; both empty where it has no way to come.

    Its centre is on the ego's path ``offset`` [s] after the front of an undisturbed ego; ``speed`` [m/s] is what it
    drives at. From ``ahead`` [s] before the ego's arrival it stops for nothing and keeps that offset as far as 15 % of
    its speed allow. ``feint``: it slows down as if to stop and goes on 2 s before. ``brakes``: it brakes hard in the
    last second. Without ``hazard`` it comes the same way and then stops as it has to.
    """
    connectors = cross.network.junctions[0].connectors
    options = [n for n in cross.movements(leg) if connectors[n].movement is turn]
    if not options:
        return [], []
    number = options[int(rng.integers(len(options)))]
    size = draw_size(kind, rng)
    meeting = cross.meeting(number)
    assert meeting is not None  # one of the movements that meet the ego's
    mine, others = (0.5 * (low + high) for low, high in meeting)
    way = cross.way_through(number)
    limit = float(way.limit[0])
    factor = float(np.clip(speed / limit, 0.7, 1.3))
    path = ego_path(way, Style(factor=factor, lateral=3.0))
    stations = SPACING * np.arange(len(path))
    if brakes:
        offset -= BRAKING_LOSS / speed
    time = cross.ego_time(mine) + offset + RUN_IN
    through = float(np.interp(others, stations, path[:, 4]))
    slow = (FEINT_SHARE if feint else SLOW_SHARE) * through
    # no sooner than it has to: the earlier, the more it matters how another ego's speed differs from the reference's
    early = min(ahead + (through - slow) / RATE + SPARE, cross.ego_time(mine) - 0.1)
    fast = through * (early + offset) - 0.5 * (through - slow) ** 2 / RATE
    if feint:
        fast -= _feint_loss(through, ahead) * through
    arc = others - fast - slow * (time - early - offset)
    if arc < size[0]:
        return [], []
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
    actor = driving(way, arc, slow, kind, size, critical=hazard, role=role, driver=driver)
    if actor is None:
        return [], []
    place = at_arc(cross.way, mine)[:2]
    arrival = cross.ego_time(mine)
    decided = max(arrival - ahead, 0.0)
    timeout = decided + 6.0
    # one that is to stop does so by the clock at the latest: an ego that slows down does not make it run the light
    sets_off = timeout - 2.0 if hazard else max(arrival - early, 0.0)
    # until it is decided it drives without a look at the light, slowly while the ego is far: hazard and twin look alike
    come = cross.estimate(mine, early)
    events: list[tuple[float, ...]] = [
        (0.0, Trigger.TIME, 0.0, *place, 0.0, Action.SPEED, RATE, slow),
        (0.0, Trigger.EGO_ARRIVAL, come, *place, sets_off, Action.SPEED, RATE, through),
    ]
    first = offset - 0.5 * size[0] / max(through, 3.0)  # its front is there before its centre
    decide = cross.estimate(mine, ahead)
    if not hazard:
        events.append((0.0, Trigger.EGO_ARRIVAL, decide, *place, decided, Action.NORMAL, 0.0, 0.0))
        return [actor], events
    if feint:
        go = cross.estimate(mine, GO)
        events.append((0.0, Trigger.EGO_ARRIVAL, decide, *place, timeout, Action.SPEED, FEINT_BRAKES, 0.5 * through))
        events.append((0.0, Trigger.EGO_ARRIVAL, go, *place, timeout + 2.5, Action.SPEED, FEINT_GOES, through))
    else:
        events.append((0.0, Trigger.EGO_ARRIVAL, decide, *place, timeout, Action.MEET, RATE, first))
    if brakes:
        events.append((0.0, Trigger.EGO_ARRIVAL, 0.9, *place, timeout + 4.0, Action.SPEED, 5.0, 0.4 * through))
    return [actor], events
