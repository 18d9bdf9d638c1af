"""Ride comfort: six limits on filtered signals, from nuPlan's `ego_is_comfortable` (NAVSIM's history comfort has the
same).

Differences from both, because their signals are not what a passenger feels:

* Lateral acceleration is speed x yaw rate. Their vehicle model stores 0, so their lateral limit never fires.
* At the box centre, d ahead of the rear axle, acceleration is (ax - d w^2, ay + d alpha), w the yaw rate and alpha
  the yaw acceleration. Theirs adds both terms to ax, so sharp steering looks like braking.
* Jerk is the length of the change of the acceleration vector. Theirs is the change of its length, in which going from
  braking to accelerating hides half of itself.

Only samples of the rollout are used.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from drive.scoring.motion import STEP, EgoMotion
from drive.vehicle import Ego

Float = NDArray[np.float64]

MIN_SAMPLES = 4
"""A shorter drive cannot be filtered and has no comfort."""

LIMITS: dict[str, tuple[float, float]] = {
    "longitudinal acceleration": (-4.05, 2.40),  # m/s2, box centre
    "lateral acceleration": (-4.89, 4.89),  # m/s2, box centre
    "jerk": (-8.37, 8.37),  # m/s3, rear axle
    "longitudinal jerk": (-4.13, 4.13),  # m/s3, box centre
    "yaw acceleration": (-1.93, 1.93),  # rad/s2
    "yaw rate": (-0.95, 0.95),  # rad/s
}
"""Signal -> open interval it has to stay in."""

UNITS = {
    "longitudinal acceleration": "m/s2",
    "lateral acceleration": "m/s2",
    "jerk": "m/s3",
    "longitudinal jerk": "m/s3",
    "yaw acceleration": "rad/s2",
    "yaw rate": "rad/s",
}


def comfort_signals(ego: EgoMotion) -> dict[str, Float]:
    """The six filtered signals of :data:`LIMITS`, ``[S]`` each (S >= 4)."""
    states = ego.states
    arm = np.hypot(ego.center[0, 0] - ego.rear[0, 0], ego.center[0, 1] - ego.rear[0, 1])
    yaw_rate = states[:, Ego.YAW_RATE]
    rear_x, rear_y = states[:, Ego.AX], states[:, Ego.VX] * yaw_rate
    center_x = rear_x - arm * yaw_rate**2
    center_y = rear_y + arm * states[:, Ego.YAW_ACCELERATION]
    smooth = savitzky_golay(np.stack((rear_x, rear_y, center_x, center_y)), window=8, order=2)
    jerk = savitzky_golay(smooth[:3], window=15, order=2, derivative=1)
    heading = np.unwrap(states[:, Ego.HEADING])[None]
    return {
        "longitudinal acceleration": smooth[2],
        "lateral acceleration": smooth[3],
        "jerk": np.hypot(jerk[0], jerk[1]),
        "longitudinal jerk": jerk[2],
        "yaw acceleration": savitzky_golay(heading, window=5, order=3, derivative=2)[0],
        "yaw rate": savitzky_golay(heading, window=5, order=2, derivative=1)[0],
    }


def first_discomfort(signals: dict[str, Float]) -> tuple[str, int] | None:
    """Signal and sample that leave :data:`LIMITS` first, or None for a comfortable drive."""
    broken = {
        name: int(np.argmax(outside))
        for name, (low, high) in LIMITS.items()
        if (outside := (signals[name] <= low) | (signals[name] >= high)).any()
    }
    return min(broken.items(), key=lambda item: item[1]) if broken else None


def savitzky_golay(values: Float, window: int, order: int, derivative: int = 0) -> Float:
    """Savitzky-Golay filter of rows ``values [R, S]`` at 0.1 s; derivatives per second.

    Equals ``scipy.signal.savgol_filter(values, min(window, S), order, derivative, delta=0.1)`` with polynomial edges.
    Savitzky and Golay, Analytical Chemistry 36 (1964).
    """
    samples = values.shape[1]
    window = min(window, samples)
    if window <= order:
        raise ValueError(f"a polynomial of order {order} needs more than {window} samples")
    middle, edges = _weights(window, order, derivative)
    half = window // 2
    inner = np.lib.stride_tricks.sliding_window_view(values, window, axis=1) @ middle
    result = np.empty_like(values)
    result[:, half : samples - half] = inner[:, -(samples - 2 * half) :] if samples > 2 * half else inner[:, :0]
    result[:, :half] = values[:, :window] @ edges[:half].T
    result[:, samples - half :] = values[:, -window:] @ edges[window - half :].T
    return result


@lru_cache(maxsize=32)
def _weights(window: int, order: int, derivative: int) -> tuple[Float, Float]:
    """Weights of the window's samples for the fitted value at its middle ``[W]`` and at each of its positions ``[W,
    W]``."""
    positions = np.arange(window) - (window - 1) / 2
    fit = np.linalg.pinv(np.vander(positions, order + 1, increasing=True))
    basis = np.zeros((window + 1, order + 1))
    at = np.append(positions, 0.0)
    for power in range(derivative, order + 1):
        factor = np.prod(np.arange(power - derivative + 1, power + 1, dtype=np.float64))
        basis[:, power] = factor * at ** (power - derivative)
    weights = basis @ fit / STEP**derivative
    return weights[-1], weights[:-1]
