"""How fast along a path: speeds that bends and limits allow, and smooth speed profiles rolled out in time."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planners.baselines.route import SPACING, Path

Float = NDArray[np.float64]

DT = 0.1  # s between the poses of a baseline's plan
POSES = 40
LATERAL_ACCELERATION = 1.6  # m/s2 that passengers take for granted in a bend
BRAKING = 2.0  # m/s2, comfortable
ACCELERATION = 1.5
EMERGENCY = 8.0
JERK = 1.5  # m/s3 in ordinary driving
URGENCY = 8.0  # 1/s; braking harder than 1.5 times the comfortable comes on faster, by this times the excess


@dataclass(frozen=True)
class AllowedSpeed:
    """The fastest speed at each arc of a path from which everything ahead can still be met with comfortable braking."""

    speed: list[float]

    def at(self, arc: float) -> float:
        """Speed [m/s] allowed at an arc length [m]."""
        return self.speed[min(max(int(arc / SPACING), 0), len(self.speed) - 1)]


def allowed_speed(path: Path, factor: float, front: float) -> AllowedSpeed:
    """Limits times ``factor``, bends taken with ``LATERAL_ACCELERATION``, and a stop with the front bumper (``front`` m
    before the rear axle) where the map ends."""
    limit = factor * path.speed_limit
    bend = np.sqrt(LATERAL_ACCELERATION / np.maximum(np.abs(path.curvature), 1e-4))
    speed = np.minimum(limit, bend)
    speed[path.arc >= path.end - front - 1.0] = 0.0
    # v(s)^2 <= v(s')^2 + 2 b (s' - s) for every s' ahead
    reachable = np.minimum.accumulate((speed**2 + 2 * BRAKING * path.arc)[::-1])[::-1] - 2 * BRAKING * path.arc
    return AllowedSpeed(np.sqrt(np.maximum(reachable, 0.0)).tolist())


def toward(speed: float, target: float) -> float:
    """Acceleration [m/s2] from a speed toward a target speed: IDM's free-road term below it, gentle braking above."""
    if speed <= target:
        return ACCELERATION * (1.0 - (speed / max(target, 0.1)) ** 4)
    return max(-1.5 * BRAKING, (target - speed) / 0.6)


def roll(speed: float, acceleration: float, command: Callable[[float, float, float], float]) -> Float:
    """Distance driven ``[POSES]`` [m] at the end of each ``DT`` when ``command(time, arc, speed)`` [m/s2] is obeyed.

    Starts from the present speed [m/s] and acceleration, and bounds the jerk, so that successive plans fit together.
    Never drives backward.
    """
    speed = max(speed, 0.0)
    acceleration = min(max(acceleration, -EMERGENCY), ACCELERATION)
    arc = 0.0
    arcs = np.zeros(POSES)
    for step in range(POSES):
        wanted = min(max(command(step * DT, arc, speed), -EMERGENCY), ACCELERATION)
        jerk = JERK + URGENCY * max(-min(wanted, acceleration) - 1.5 * BRAKING, 0.0)
        acceleration += min(max(wanted - acceleration, -jerk * DT), jerk * DT)
        after = max(speed + acceleration * DT, 0.0)
        if after == 0.0:
            acceleration = 0.0
        arc += (speed + after) / 2 * DT
        speed = after
        arcs[step] = arc
    return arcs


def view_ahead(speed: float) -> float:
    """Length [m] of path a plan needs: four seconds of driving faster than now, then room to brake."""
    fastest = max(speed, 5.0) + ACCELERATION * DT * POSES / 2
    return min(fastest * DT * POSES + fastest**2 / (2 * BRAKING) + 10.0, 140.0)


def behind(free: float, speed: float, gap: float, closing: float, headway: float, min_gap: float) -> float:
    """Acceleration [m/s2] behind a lead (IDM): free - a (s* / s)^2 with s* = s0 + max(0, v T + v dv / (2 sqrt(a b))).

    IDM brakes fiercely where it is merely closer than it likes, after a cut-in say. So braking beyond 1.5 times the
    comfortable is kept for where it is needed: for half as much again as ends the closing within the gap, of which a
    meter stays free and half a second is lost before the car brakes as planned.
    """
    wanted = min_gap + max(0.0, speed * headway + speed * closing / (2 * math.sqrt(ACCELERATION * BRAKING)))
    closing = max(closing, 0.0)
    needed = 1.5 * closing**2 / (2 * max(gap - 1.0 - 0.5 * closing, 0.1))
    return max(free - ACCELERATION * (wanted / max(gap, 0.1)) ** 2, -max(1.5 * BRAKING, needed))
