"""Compiled propagation of plans as NAVSIM and nuPlan simulate them: their bicycle, without limits."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import wrap
from drive.kernels.vehicle import (
    ACCELERATION_LAG,
    MAX_STEERING,
    STEERING_LAG,
    STEP,
    curvature_profile,
    lqr_command,
)

Float = NDArray[np.float64]


@kernel
def unlimited_bicycle_step(
    state: Float, after: Float, command: float, steering_rate: float, wheelbase: float, dt: float
) -> None:
    """Write into ``after [11]`` the state ``dt`` s after ``state [11]``: explicit Euler with the old values.

    nuPlan's `KinematicBicycleModel`: no limit on acceleration or steering rate, lateral velocity and acceleration 0.
    """
    speed, heading, steering = state[3], state[2], state[7]
    acceleration = state[5] + dt / (dt + ACCELERATION_LAG) * (command - state[5])
    ideal = steering + dt * steering_rate
    lagged = steering + dt / (dt + STEERING_LAG) * (ideal - steering)
    rate = (lagged - steering) / dt
    after[0] = state[0] + speed * math.cos(heading) * dt
    after[1] = state[1] + speed * math.sin(heading) * dt
    after[2] = wrap(heading + speed * math.tan(steering) / wheelbase * dt)
    after[3] = speed + acceleration * dt
    after[4] = 0.0
    after[5] = acceleration
    after[6] = 0.0
    after[7] = min(MAX_STEERING, max(-MAX_STEERING, steering + rate * dt))
    after[8] = rate
    after[9] = after[3] * math.tan(after[7]) / wheelbase
    after[10] = (after[9] - state[9]) / dt


@kernel
def propagate(ego: Float, poses: Float, speeds: Float, wheelbase: float, states: Float) -> None:
    """Track ``poses [K, S, 3]`` at speeds ``[K, S - 1]`` from ``ego [11]``; fill ``states [K, S, 11]``."""
    for plan in range(len(poses)):
        curvatures = curvature_profile(poses[plan], speeds[plan])
        for column in range(11):
            states[plan, 0, column] = ego[column]
        for k in range(poses.shape[1] - 1):
            command, rate = lqr_command(states[plan, k], poses[plan], speeds[plan], curvatures, k, wheelbase)
            unlimited_bicycle_step(states[plan, k], states[plan, k + 1], command, rate, wheelbase, STEP)
