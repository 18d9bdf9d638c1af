"""Keeping the speed limit: nuPlan's `speed_limit_compliance`, with the limit of the lane the ego's centre is in."""

import numpy as np
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.scoring.ego_areas import EgoAreas
from drive.scoring.motion import EgoMotion
from drive.scoring.scene_geometry import LaneIndex

Float = NDArray[np.float64]

FULL_EXCESS = 2.23
"""Mean excess [m/s] over the drive at which compliance is 0."""


def limits_along(ego: EgoMotion, areas: EgoAreas, index: LaneIndex) -> Float:
    """Speed limit [m/s] at every sample ``[S]``, 0 where none is known.

    Of the lanes and connectors that hold the centre, those in the ego's direction on its route decide; failing them
    those in its direction; failing them all. Of several the highest limit holds, and none if one of them is unknown
    (nuPlan's rule for connectors).
    """
    inside = areas.center_in_lane
    aligned = inside & (np.abs(wrap_angle(ego.heading[:, None] - areas.lane_heading)) <= np.pi / 2)
    chosen = inside
    for narrower in (aligned, aligned & index.on_route[areas.lanes]):
        chosen = np.where(narrower.any(axis=1, keepdims=True), narrower, chosen)
    limit = index.limit[areas.lanes]
    unknown = (chosen & (limit == 0.0)).any(axis=1)
    return np.where(unknown, 0.0, np.max(np.where(chosen, limit, 0.0), axis=1, initial=0.0))


def speed_excess(ego: EgoMotion, limits: Float) -> Float:
    """Speed above the limit [m/s] at every sample ``[S]``; 0 where no limit is known."""
    return np.where(limits > 0.0, np.maximum(np.abs(ego.speed) - limits, 0.0), 0.0)


def speed_compliance(excess: Float) -> float:
    """1 without any excess, else 1 - (sum of excess x 0.1 s) / (2.23 m/s x duration), at least 0.

    All S samples are in the sum and the duration has S - 1 steps, as in nuPlan.
    """
    if len(excess) < 2:
        return 1.0
    return max(0.0, 1.0 - float(excess.sum()) / (FULL_EXCESS * (len(excess) - 1)))
