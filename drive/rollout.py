"""What happened in one simulated scene: plain arrays, stored as they are, replayable without any class of ours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Rollout:
    """One rollout of K steps after the start; K + 1 samples, sample 0 is the start state. Scene frame.

    States are cast to their stored precision (float32) *before* scoring: a stored rollout scores as the live one did.

    Attributes:
        ego: ``[K+1, 11]`` float32 (:class:`drive.vehicle.Ego`), rear axle.
        position: ``[A, K+1, 2]`` float32 box centres [m] of all agents as they moved in this rollout.
        heading: ``[A, K+1]`` float32 [rad].
        velocity: ``[A, K+1, 2]`` float32 [m/s].
        valid: ``[A, K+1]`` bool.
        plan_step: ``[P]`` int32, step (0-based, counted from the start) at which each plan was asked.
        plan: ``[M, 3]`` float32, chosen plans one after the other, ego frame at their own step, rear axle.
        plan_ptr: ``[P+1]`` int32 offsets into ``plan``.
        plan_dt: ``[P]`` float32 [s], spacing of each plan's poses.
    """

    ego: Float32
    position: Float32
    heading: Float32
    velocity: Float32
    valid: NDArray[np.bool_]
    plan_step: NDArray[np.int32]
    plan: Float32
    plan_ptr: NDArray[np.int32]
    plan_dt: Float32
