"""Compiled ego motion of nuPlan's closed loop: its tracker and its vehicle model, which has no limits but steering."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.navsim_tracking import unlimited_bicycle_step
from drive.kernels.vehicle import LOOKAHEAD, STEP, curvature_profile, lqr_command, velocity_profile

Float = NDArray[np.float64]


@kernel
def _value_at(values: Float, start_us: int, at: float) -> float:
    """Linear interpolation at ``at`` [s] of values every 0.1 s from ``start_us`` [us]; the end values hold.

    Times are absolute seconds in float64, as in the reference: today they are 2e-7 s coarse, which a tracker that turns
    sharply amplifies to 1e-5 m.
    """
    last = len(values) - 1
    spacing = round(STEP * 1e6)
    i = min(last, max(0, math.floor((at - start_us / 1e6) / STEP + 0.5)))
    while i > 0 and (start_us + i * spacing) / 1e6 > at:
        i -= 1
    low, high = (start_us + i * spacing) / 1e6, (start_us + (i + 1) * spacing) / 1e6
    if i == last or at <= low:
        return values[i]
    return (values[i + 1] - values[i]) / (high - low) * (at - low) + values[i]


@kernel
def tracked_step(state: Float, poses: Float, now_us: int, dt: float, wheelbase: float) -> Float:
    """Ego state ``[11]`` after ``dt`` [s] of tracking ``poses [M + 1, 3]`` from ``state`` at the time ``now_us`` [us].

    Pose i is for 0.1 i s from now, M >= 1. Accelerations are the rear axle's in the reference's sense: nothing across
    the car.
    """
    fitted = velocity_profile(poses)
    bends = curvature_profile(poses, fitted)
    speeds, curvatures = np.zeros(LOOKAHEAD + 1), np.zeros(LOOKAHEAD + 1)
    now = now_us * 1e-6
    speeds[LOOKAHEAD] = _value_at(fitted, now_us, now + LOOKAHEAD * STEP)
    for i in range(LOOKAHEAD):
        curvatures[i] = _value_at(bends, now_us, now + i * STEP)
    command, steering_command = lqr_command(state, poses, speeds, curvatures, 0, wheelbase)
    after = np.empty(11)
    unlimited_bicycle_step(state, after, command, steering_command, wheelbase, dt)
    return after
