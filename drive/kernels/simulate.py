"""The hot loop: one compiled call moves one scene (ego and all other agents) from replan to replan."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.traffic import TrafficState, TrafficWorld, traffic_step
from drive.kernels.vehicle import (
    bicycle_step,
    curvature_profile,
    lqr_command,
    perfect_step,
    resample_plan,
    velocity_profile,
)

Float = NDArray[np.float64]

# rows of the ``vehicle`` argument
LENGTH, WIDTH, WHEELBASE, AXLE_TO_CENTER = 0, 1, 2, 3


@kernel
def advance(
    world: TrafficWorld,
    state: TrafficState,
    ego: Float,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: NDArray[np.bool_],
    first: int,
    last: int,
    plan: Float,
    plan_dt: float,
    perfect: bool,
    vehicle: Float,
) -> None:
    """Fill samples ``first + 1 .. last`` of one scene: ego ``[K+1, 11]`` and agents ``[A, K+1, ...]``, scene frame.

    ``plan [N, 3]`` is in the ego frame at sample ``first``, spacing ``plan_dt`` [s]; ``vehicle [4]``: length, width,
    wheelbase, rear axle to centre [m]. Ego and agents move simultaneously: both decide from sample k.
    """
    poses = resample_plan(plan, plan_dt, ego[first, 0], ego[first, 1], ego[first, 2])
    speeds = velocity_profile(poses)
    curvatures = curvature_profile(poses, speeds)
    for k in range(first, last):
        h = ego[k, 2]
        traffic_step(
            world,
            state,
            position,
            heading,
            velocity,
            valid,
            k,
            ego[k, 0] + vehicle[AXLE_TO_CENTER] * math.cos(h),
            ego[k, 1] + vehicle[AXLE_TO_CENTER] * math.sin(h),
            h,
            ego[k, 3],
            vehicle[LENGTH],
            vehicle[WIDTH],
        )
        if perfect:
            perfect_step(ego[k], ego[k + 1], poses, speeds, curvatures, k - first, vehicle[WHEELBASE])
        else:
            command, rate = lqr_command(ego[k], poses, speeds, curvatures, k - first, vehicle[WHEELBASE])
            bicycle_step(ego[k], ego[k + 1], command, rate, vehicle[WHEELBASE])
