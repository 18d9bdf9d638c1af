"""Signals of the clock and the ego's own motion (rear axle)."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drive.scene import DT
from drive.scoring.comfort import savitzky_golay
from drive.signals.drive import Drive, Function, Reading
from drive.signals.world import FIT_ORDER, FIT_SAMPLES
from drive.vehicle import Ego

Float = NDArray[np.float64]

SAME_START = 0.5  # m between the start of a drive and the recorded one, up to which it goes on from the recorded past


def clock(drive: Drive) -> Reading:
    """Seconds since the start, 0 before it, rounded so that n steps are n x 0.1 s to the last digit."""
    batch, samples = drive.shape
    steps = np.maximum(np.arange(samples) - drive.world.history, 0)
    return Reading(np.tile(np.round(steps * DT, 6), (batch, 1)))


def speed(drive: Drive) -> Reading:
    """Forward speed."""
    return Reading(drive.speed)


def accel_lon(drive: Drive) -> Reading:
    """Longitudinal acceleration, as the state has it."""
    return Reading(drive.ego[..., Ego.AX])


def accel_lat(drive: Drive) -> Reading:
    """Centripetal acceleration."""
    return Reading(drive.speed * drive.ego[..., Ego.YAW_RATE])


def yaw_rate(drive: Drive) -> Reading:
    """Yaw rate, as the state has it."""
    return Reading(drive.ego[..., Ego.YAW_RATE])


def jerk_lon(drive: Drive) -> Reading:
    """Derivative of the longitudinal acceleration."""
    return _read(drive, _rate(drive, drive.ego[..., Ego.AX], drive.world.past[:, Ego.AX]))


def jerk_abs(drive: Drive) -> Reading:
    """Size of the derivative of longitudinal and centripetal acceleration."""
    past = drive.world.past
    along = _rate(drive, drive.ego[..., Ego.AX], past[:, Ego.AX])
    turning = drive.speed * drive.ego[..., Ego.YAW_RATE]
    across = _rate(drive, turning, past[:, Ego.VX] * past[:, Ego.YAW_RATE])
    return _read(drive, (along * along + across * across).clamp(min=1e-12).sqrt())


def yaw_accel(drive: Drive) -> Reading:
    """Derivative of the yaw rate."""
    return _read(drive, _rate(drive, drive.ego[..., Ego.YAW_RATE], drive.world.past[:, Ego.YAW_RATE]))


def _read(drive: Drive, value: Tensor) -> Reading:
    return Reading(value, np.full(drive.shape, drive.shape[1] >= 2))


def _rate(drive: Drive, values: Tensor, past: Float) -> Tensor:
    """Derivative ``[B, T]`` per second of ``values [B, T]``: quadratic fits over 0.7 s, one-sided at the ends.

    Drives that begin where the recorded one is use its ``past [H]`` at the start.
    """
    alone = _slope(drive, values)
    before = past[len(past) - min(len(past), FIT_SAMPLES // 2) :]
    if not len(before):
        return alone
    joined = torch.cat((drive.tensor(np.tile(before, (drive.shape[0], 1))), values), dim=1)
    with_past = _slope(drive, joined)[:, len(before) :]
    start = drive.world.scenario.reference[drive.world.first]
    apart = np.hypot(drive.states[:, 0, Ego.X] - start[Ego.X], drive.states[:, 0, Ego.Y] - start[Ego.Y])
    goes_on = apart <= SAME_START
    return torch.where(torch.as_tensor(goes_on, device=values.device)[:, None], with_past, alone)


def _slope(drive: Drive, values: Tensor) -> Tensor:
    rows, weights = _fit(values.shape[1])
    total = torch.zeros_like(values)
    for k in range(rows.shape[1]):  # a sum in a fixed order, whatever the number of drives
        total = total + values[:, torch.as_tensor(rows[:, k])] * drive.tensor(weights[:, k])
    return total


@lru_cache(maxsize=8)
def _fit(samples: int) -> tuple[NDArray[np.int64], Float]:
    """For each of S samples the samples ``[S, W]`` that decide its derivative and their weights ``[S, W]``."""
    window = min(FIT_SAMPLES, samples)
    order = min(FIT_ORDER, samples - 1)
    first = np.clip(np.arange(samples) - window // 2, 0, samples - window)
    rows = first[:, None] + np.arange(window)
    if order < 1:
        return rows, np.zeros((samples, window))
    weights = savitzky_golay(np.eye(samples), FIT_SAMPLES, order, 1)
    return rows, np.take_along_axis(weights.T, rows, axis=1)


SIGNALS: Mapping[str, Function] = {
    "clock": clock,
    "speed": speed,
    "accel_lon": accel_lon,
    "accel_lat": accel_lat,
    "jerk_lon": jerk_lon,
    "jerk_abs": jerk_abs,
    "yaw_rate": yaw_rate,
    "yaw_accel": yaw_accel,
}
