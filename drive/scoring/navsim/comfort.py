"""History comfort and extended comfort, with NAVSIM's signals (they are not what a passenger feels: see
:mod:`drive.scoring.comfort`).

Source: NAVSIM v2, `pdm_comfort_metrics`; the filters are nuPlan's.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.geometry import wrap_angle
from drive.scoring.comfort import LIMITS, savitzky_golay
from drive.vehicle import EGO_COLUMNS, Ego

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

SIGNALS = tuple(LIMITS)
"""Longitudinal and lateral acceleration, jerk of the magnitude, longitudinal jerk, yaw acceleration, yaw rate."""

EXTENDED_LIMITS = {"acceleration": 0.7, "jerk": 0.5, "yaw_rate": 0.1, "yaw_accel": 0.1}
"""Signal -> highest root mean square of the difference of two plans [m/s2, m/s3, rad/s, rad/s2]."""

DECIMALS = 8
STEP = 0.1
KEYFRAME = 0.5  # s between recorded states
OFFSET = 5
"""Samples between two consecutive plans of a log (0.5 s)."""


class ExtendedComfort(NamedTuple):
    """``value`` 1 if all four differences stay in bounds, else 0; ``rms`` by signal of :data:`EXTENDED_LIMITS`."""

    value: float
    rms: dict[str, float]


def history(past: ArrayLike) -> Float:
    """States ``[H, 11]`` every 0.1 s before the present, from recorded ones ``past [P, 7]`` every 0.5 s.

    Columns of ``past``: x, y, heading, vx, vy, ax, ay; its last row is the present, which is not among the result.
    NAVSIM drops one sample more than that: a hole of 0.2 s stays before the present, and is later taken for 0.1 s.
    Steering, yaw rate and yaw acceleration are 0.
    """
    known = np.array(past, np.float64)
    known[:, 2] = np.unwrap(known[:, 2])
    times = KEYFRAME * np.arange(len(known))
    count = round(times[-1] / STEP) - 1
    states = np.zeros((count, EGO_COLUMNS))
    for column in range(7):
        states[:, column] = np.interp(STEP * np.arange(count), times, known[:, column])
    states[:, 2] = wrap_angle(states[:, 2])
    return states


def comfort_signals(states: Float, arm: float) -> Float:
    """The six signals ``[6, K, S]`` of :data:`SIGNALS` for ``states [K, S, 11]``, rounded as NAVSIM rounds them.

    ``arm`` is the way from the rear axle to the box centre [m]. Both rotational terms of the centre's acceleration go
    to its longitudinal component, none to the lateral one.
    """
    plans, samples = states.shape[:2]
    rate, growth = states[..., Ego.YAW_RATE], states[..., Ego.YAW_ACCELERATION]
    ax, ay = states[..., Ego.AX], states[..., Ego.AY]
    along = ax + arm * (rate**2 + growth)
    raw = np.concatenate((along, ay, np.hypot(ax, ay)))
    smooth = np.round(savitzky_golay(raw, window=8, order=2), DECIMALS)
    jerk = savitzky_golay(np.concatenate((smooth[2 * plans :], smooth[:plans])), window=15, order=2, derivative=1)
    heading = np.unwrap(states[..., Ego.HEADING], axis=1)
    turning = savitzky_golay(heading, window=5, order=2, derivative=1)
    twisting = savitzky_golay(heading, window=5, order=3, derivative=2)
    stacked = np.concatenate((smooth[: 2 * plans], np.round(np.concatenate((jerk, twisting, turning)), DECIMALS)))
    return stacked.reshape(6, plans, samples)


def within_limits(signals: Float) -> Bool:
    """Which signals ``[6, K, S]`` keep their limits at every sample: ``[K, 6]``; the limits themselves do not."""
    low, high = np.array(list(LIMITS.values())).T[..., None, None]
    return ((signals > low) & (signals < high)).all(axis=2).T


def extended_comfort(states: Float, before: Float) -> ExtendedComfort:
    """Compare the simulated states ``[S, 11]`` of two plans, ``before`` made 0.5 s earlier.

    Only the S - 5 samples that both know are filtered.
    """
    signals = _extended_signals(np.stack((states[:-OFFSET], before[OFFSET:])))
    rms = np.sqrt(np.mean((signals[:, 0] - signals[:, 1]) ** 2, axis=1))
    limits = np.array(list(EXTENDED_LIMITS.values()))
    return ExtendedComfort(float((rms <= limits).all()), dict(zip(EXTENDED_LIMITS, rms.tolist(), strict=True)))


def _extended_signals(states: Float) -> Float:
    """Acceleration and jerk of its magnitude, yaw rate, yaw acceleration ``[4, K, S]``."""
    magnitude = np.hypot(states[..., Ego.AX], states[..., Ego.AY])
    smooth = np.round(savitzky_golay(magnitude, window=8, order=2), DECIMALS)
    jerk = savitzky_golay(smooth, window=15, order=2, derivative=1)
    heading = np.unwrap(states[..., Ego.HEADING], axis=1)
    turning = savitzky_golay(heading, window=5, order=2, derivative=1)
    twisting = savitzky_golay(heading, window=5, order=2, derivative=2)
    return np.stack((smooth, *np.round((jerk, turning, twisting), DECIMALS)))
