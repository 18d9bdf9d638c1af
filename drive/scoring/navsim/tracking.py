"""From a plan to simulated states: NAVSIM's sampling in time, its tracker `lqr_navsim`, and a kinematic bicycle.

Source: NAVSIM v2, `evaluate/pdm_score.py` and its copies of nuPlan's `LQRTracker` and `KinematicBicycleModel`.
"""

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.geometry import wrap_angle
from drive.kernels.navsim_tracking import propagate
from drive.kernels.vehicle import velocity_profile
from drive.scoring.navsim.inputs import SAMPLES
from drive.vehicle import EGO_COLUMNS, PACIFICA, Ego

Float = NDArray[np.float64]

STEP = 0.1
Fit = Literal["navsim", "differences"]


def reference_poses(plan: ArrayLike, dt: float, ego: ArrayLike, t0_us: int, samples: int = SAMPLES) -> Float:
    """Rear-axle poses ``[..., samples, 3]`` every 0.1 s, in the frame of ``ego [>=3]``, for plans ``[..., N, 3]``.

    A plan is in the ego frame, pose n at ``(n + 1) * dt`` s; the ego's pose comes before it. Positions and unwrapped
    headings are interpolated linearly. A short plan is held at its last pose, a long one is cut.

    Times are kept as NAVSIM keeps them, in truncated microseconds of ``t0_us``: what is truncated differs from pose to
    pose, which moves poses by up to speed x 1 us.
    """
    start = np.asarray(ego, np.float64)[:3]
    cos, sin = np.cos(start[2]), np.sin(start[2])
    relative = np.asarray(plan, np.float64)
    count = relative.shape[-2]
    poses = np.empty((*relative.shape[:-2], count + 1, 3))
    poses[..., 0, :] = start
    poses[..., 1:, 0] = start[0] + cos * relative[..., 0] - sin * relative[..., 1]
    poses[..., 1:, 1] = start[1] + sin * relative[..., 0] + cos * relative[..., 1]
    poses[..., 1:, 2] = start[2] + relative[..., 2]
    ends = _microseconds(np.arange(1, count + 1) * dt, t0_us)
    return _interpolate(np.concatenate(((t0_us,), ends)), poses, t0_us, samples)


def sampled_poses(poses: ArrayLike, t0_us: int, samples: int = SAMPLES) -> Float:
    """Poses ``[samples, 3]`` of a trajectory ``[M, 3]`` with a pose every 0.1 s exactly, the first one at ``t0_us``.

    NAVSIM samples its cached reference trajectory at truncated times, too.
    """
    known = np.asarray(poses, np.float64)
    return _interpolate(t0_us + 100_000 * np.arange(len(known)), known, t0_us, samples)


def _microseconds(seconds: Float, t0_us: int) -> NDArray[np.int64]:
    return ((seconds + t0_us * 1e-6) * 1e6).astype(np.int64)


def _interpolate(times: NDArray[np.int64], poses: Float, t0_us: int, samples: int) -> Float:
    at = np.clip(_microseconds(np.arange(samples) * STEP, t0_us), times[0], times[-1])
    # relative to the start: differences of microseconds are exact, and so is the result on the given poses
    now, then = (at - t0_us).astype(np.float64), (times - t0_us).astype(np.float64)
    before = np.clip(np.searchsorted(then, now, side="right") - 1, 0, len(then) - 2)
    part = ((now - then[before]) / (then[before + 1] - then[before]))[:, None]
    unwrapped = poses.copy()
    unwrapped[..., 2] = np.unwrap(poses[..., 2], axis=-1)
    sampled = unwrapped[..., before, :] + part * (unwrapped[..., before + 1, :] - unwrapped[..., before, :])
    sampled[..., 2] = wrap_angle(sampled[..., 2])
    return sampled


def simulate(ego: ArrayLike, poses: ArrayLike, fit: Fit = "navsim") -> Float:
    """States ``[K, S, 11]`` (:class:`drive.vehicle.Ego`) of K plans tracked from the state ``ego [11]``.

    ``poses [K, S, 3]`` are reference poses every 0.1 s in the frame of the ego's pose. ``fit="navsim"`` is
    `lqr_navsim`, whose velocity fit penalises accelerations; ``"differences"`` penalises their changes, as in nuPlan.
    The car is the Pacifica. Speeds may become negative.
    """
    reference = np.ascontiguousarray(poses, np.float64)
    speeds = _navsim_speeds(reference) if fit == "navsim" else np.stack([velocity_profile(plan) for plan in reference])
    states = np.empty((*reference.shape[:2], EGO_COLUMNS))
    propagate(
        np.ascontiguousarray(ego, np.float64), reference, np.ascontiguousarray(speeds), PACIFICA.wheelbase, states
    )
    return states


def ego_state(values: ArrayLike) -> Float:
    """State ``[11]`` from ten values: x, y, heading, vx, vy, ax, ay, steering angle, yaw rate, yaw acceleration."""
    given = np.asarray(values, np.float64)
    state = np.zeros(EGO_COLUMNS)
    state[: Ego.STEERING + 1] = given[:8]
    state[Ego.YAW_RATE :] = given[8:]
    return state


def _navsim_speeds(poses: Float) -> Float:
    """Velocity profile ``[K, S - 1]`` of poses ``[K, S, 3]``."""
    steps = np.diff(poses[..., :2], axis=1)
    heading = poses[:, :-1, 2]
    along = np.cos(heading) * steps[..., 0] + np.sin(heading) * steps[..., 1]
    return along @ _speeds_from_steps(along.shape[1]).T


@lru_cache(maxsize=8)
def _speeds_from_steps(count: int) -> Float:
    """Matrix ``[count, count]`` from displacements along the heading to speeds.

    The least-squares matrix does not depend on the headings (cos2 + sin2 = 1), so its inverse is computed once. The
    regulariser is the one that NAVSIM's code builds: its +1 band is overwritten by its -1 band, so all rows but the
    last penalise an acceleration instead of a difference of two.
    """
    fit = np.zeros((count, count))
    fit[:, 0] = STEP
    for row in range(count):
        fit[row, 1 : row + 1] = STEP**2
    penalty = np.zeros((count - 2, count))
    rows = np.arange(count - 2)
    penalty[rows, rows + 1] = -1.0
    penalty[-1, -1] = 1.0
    unknowns = np.linalg.pinv(fit.T @ fit + 1e-4 * penalty.T @ penalty) @ fit.T
    return fit @ unknowns / STEP
