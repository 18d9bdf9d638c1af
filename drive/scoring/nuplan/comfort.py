"""nuPlan's ``ego_is_comfortable``: six limits on filtered signals of the drive (Savitzky-Golay, edges by polynomials).

Unlike :mod:`drive.scoring.comfort` this keeps what the reference does: the acceleration at the centre gets both
rotational terms along the car and none across it, and jerk is the change of the magnitude of acceleration.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from drive.vehicle import PACIFICA, Ego

Float = NDArray[np.float64]

MIN_SAMPLES = 4

LIMITS: dict[str, tuple[float, float]] = {
    "ego_jerk": (-8.37, 8.37),  # m/s3
    "ego_lat_acceleration": (-4.89, 4.89),  # m/s2
    "ego_lon_acceleration": (-4.05, 2.40),  # m/s2
    "ego_lon_jerk": (-4.13, 4.13),  # m/s3
    "ego_yaw_acceleration": (-1.93, 1.93),  # rad/s2
    "ego_yaw_rate": (-0.95, 0.95),  # rad/s
}
"""Signal -> open interval it has to stay in."""


def comfort_signals(ego: Float, time_us: NDArray[np.int64]) -> dict[str, Float]:
    """The filtered signals of :data:`LIMITS`, ``[S]`` each, of states ``ego [S, 11]``, S >= 4, at ``time_us [S]``."""
    # Absolute seconds in float64 are 2e-7 s coarse today; jerk shows the difference to exact ones in its 7th decimal.
    interval = float(np.diff(time_us / 1e6).mean())
    yaw_rate, yaw_acceleration = ego[:, Ego.YAW_RATE], ego[:, Ego.YAW_ACCELERATION]
    along = ego[:, Ego.AX] + PACIFICA.rear_axle_to_center * (yaw_rate**2 + yaw_acceleration)
    smooth_along = _filter(along, interval, 8, 2)
    smooth_magnitude = _filter(np.hypot(ego[:, Ego.AX], ego[:, Ego.AY]), interval, 8, 2)
    heading = np.unwrap(ego[:, Ego.HEADING])
    return {
        "ego_jerk": _filter(smooth_magnitude, interval, 15, 2, 1),
        "ego_lat_acceleration": _filter(ego[:, Ego.AY], interval, 8, 2),
        "ego_lon_acceleration": smooth_along,
        "ego_lon_jerk": _filter(smooth_along, interval, 15, 2, 1),
        "ego_yaw_acceleration": _filter(heading, interval, 5, 3, 2),
        "ego_yaw_rate": _filter(heading, interval, 5, 2, 1),
    }


def within_limits(signals: dict[str, Float]) -> dict[str, bool]:
    """Signal -> whether every sample lies strictly within its limits."""
    return {name: bool(((low < signals[name]) & (signals[name] < high)).all()) for name, (low, high) in LIMITS.items()}


def _filter(values: Float, interval: float, window: int, order: int, derivative: int = 0) -> Float:
    window = min(window, len(values))
    filtered = savgol_filter(values, window, order, deriv=derivative, delta=interval, mode="interp")
    return np.asarray(np.round(filtered, 8))
