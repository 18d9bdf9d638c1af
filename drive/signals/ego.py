"""Signals of the clock and the ego's own motion (rear axle)."""

from collections.abc import Mapping

import numpy as np

from drive.scene import DT
from drive.signals.drive import Drive, Function, Reading
from drive.vehicle import Ego


def clock(drive: Drive) -> Reading:
    """Seconds since sample 0, rounded so that n steps are n x 0.1 s to the last digit."""
    batch, samples = drive.shape
    return Reading(np.tile(np.round(np.arange(samples) * DT, 6), (batch, 1)))


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


SIGNALS: Mapping[str, Function] = {
    "clock": clock,
    "speed": speed,
    "accel_lon": accel_lon,
    "accel_lat": accel_lat,
    "yaw_rate": yaw_rate,
}
