"""How an undisturbed ego comes to the place of an event: when it is where, and what a trigger reads then.

A trigger takes the ego to keep its speed. One that still gathers speed comes sooner than that, so an order that is due
some seconds before it comes has to wait for a longer time of the trigger's.
"""

from dataclasses import dataclass

import numpy as np

from drive.scene import DT
from drive.vehicle import PACIFICA
from scenarios.generate.conflicts import MARGIN, REACTION
from scenarios.generate.geometry import Float
from scenarios.generate.paths import Way, at_arc
from scenarios.generate.reference import ego_path
from scenarios.generate.search import SPACING, SPEED
from scenarios.generate.setting import Setting
from scenarios.generate.timing import FUTURE, GATHERING, RUN_IN

SAMPLES = round((RUN_IN + FUTURE) / DT) + 1
NOW = round(RUN_IN / DT)  # sample of the scene's start
HALF_BODY = 0.45  # m of somebody on foot
MAX_JERK = 2.2  # m/s3: how fast one opens the throttle
FAST_SHARE = 0.5  # of the limit: a trigger takes nobody to be slower


@dataclass(frozen=True)
class Approach:
    """A drive that nobody disturbs.

    Attributes:
        arcs, speeds: ``[K]`` the rear axle's arc length on its way [m] and speed [m/s], every 0.1 s from the beginning
            of the warm-up on.
        rest: Time [s] for which it stands first.
    """

    arcs: Float
    speeds: Float
    rest: float

    @property
    def begin(self) -> tuple[float, float, float]:
        """Arc length [m], speed [m/s] and time of rest [s] for the setting."""
        return float(self.arcs[0]), float(self.speeds[0]), self.rest

    def time(self, place: float) -> float:
        """Time [s] after the scene's start at which the front is at an arc length [m]; the last one where it never
        gets there."""
        return DT * float(np.searchsorted(self.arcs, place - PACIFICA.front)) - RUN_IN

    def before(self, place: float, ahead: float) -> tuple[float, float]:
        """Room [m] and speed [m/s] of an ego whose front will be at ``place`` [m] in ``ahead`` seconds."""
        row = round((self.time(place) - ahead + RUN_IN) / DT)
        row = min(max(row, NOW), len(self.arcs) - 1)
        return float(place - PACIFICA.front - self.arcs[row]), float(self.speeds[row])

    def estimate(self, place: float, ahead: float, limit: float) -> float:
        """Arrival time [s] at ``place`` [m] that a trigger reads ``ahead`` seconds before, where ``limit`` [m/s] is the
        road's."""
        room, speed = self.before(place, ahead)
        return room / max(speed, FAST_SHARE * limit)


def approach(path: Float, place: float, arrival: float, pace: float, acceleration: float) -> Approach | None:
    """The drive of an ego whose front is at ``place`` [m] ``arrival`` seconds after the scene's start, at which it
    drives ``pace`` [m/s] and still gathers speed; None where the road is too short.

    It sets off with ``acceleration`` [m/s2] during the run-in, or earlier where that does not suffice.
    """
    arc, found = place - 60.0, None
    for _ in range(5):
        if arc < 25.0:
            return None
        found = undisturbed(path, arc, *set_off(path, arc, pace, acceleration), acceleration)
        row = min(NOW + round(arrival / DT), SAMPLES - 1)
        arc += place - PACIFICA.front - float(found.arcs[row])
    return found


def approach_of(setting: Setting) -> Approach:
    """The undisturbed drive of a setting's ego."""
    path = ego_path(setting.way, setting.style)
    return undisturbed(path, setting.arc, setting.speed, setting.rest, setting.style.acceleration)


def set_off(path: Float, arc: float, pace: float, acceleration: float) -> tuple[float, float]:
    """Speed [m/s] and time of rest [s] with which an ego begins at ``arc`` [m] to drive ``pace`` [m/s] at the start."""
    driven = undisturbed(path, arc, 0.0, 0.0, acceleration)
    fast = np.flatnonzero(driven.speeds[: NOW + 1] >= pace)
    if len(fast):
        return 0.0, round(RUN_IN - DT * int(fast[0]), 1)
    speed = 0.0
    for _ in range(4):
        speed += pace - float(undisturbed(path, arc, speed, 0.0, acceleration).speeds[NOW])
    return min(speed, pace), 0.0


def undisturbed(path: Float, arc: float, speed: float, rest: float, acceleration: float) -> Approach:
    """The drive from ``arc`` [m] at ``speed`` [m/s] after ``rest`` [s]: until the start as the reference sets off, from
    then on as the nominal ego by which events are measured."""
    arcs, speeds, before = np.empty(SAMPLES), np.empty(SAMPLES), 0.0
    for step in range(SAMPLES):
        arcs[step], speeds[step] = arc, speed
        if DT * step < rest - 1e-9:
            continue
        if step < NOW:
            top = max(float(path[min(int((arc + 0.4 * speed) / SPACING), len(path) - 1), SPEED]), 0.3)
            pedal = acceleration * (1.0 - (speed / top) ** 4) if speed <= top else max((top - speed) / 0.8, -2.0)
        else:
            top = float(path[min(int(arc / SPACING) + 1, len(path) - 1), SPEED])
            pedal = min(max((top - speed) / 0.5, -2.0), GATHERING)
        before = pedal = max(min(pedal, before + MAX_JERK * DT), -speed / DT)
        arc += (speed + 0.5 * pedal * DT) * DT
        speed += pedal * DT
    return Approach(arcs, speeds, rest)


@dataclass(frozen=True)
class Meeting:
    """Where an ego that drives like ``drive`` meets somebody: arc length ``arc`` [m] of its way; ``half`` [m] is how
    far their body reaches from there."""

    drive: Approach
    way: Way
    arc: float
    half: float = HALF_BODY

    @property
    def place(self) -> Float:
        """The way's pose there."""
        return at_arc(self.way, self.arc)

    @property
    def limit(self) -> float:
        """The limit [m/s] there."""
        return float(np.interp(self.arc, self.way.arc, self.way.limit))

    def estimate(self, ahead: float) -> float:
        """What a trigger reads ``ahead`` seconds before the ego is there [s]."""
        return self.drive.estimate(self.arc, ahead, self.limit)

    def demand(self, ahead: float) -> float:
        """Deceleration [m/s2] asked of an ego that sees so many seconds before what comes."""
        room, speed = self.drive.before(self.arc, ahead)
        room -= self.half + speed * REACTION + MARGIN
        return speed * speed / (2.0 * room) if room > 0.1 else np.inf

    def warning(self, demand: float) -> float:
        """The shortest time [s] before the meeting that asks for no more than ``demand`` [m/s2]."""
        for ahead in np.arange(0.5, 6.0, 0.05):
            if self.demand(float(ahead)) <= demand:
                return float(ahead)
        return 6.0
