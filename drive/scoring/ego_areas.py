"""Where on the map the ego is at every sample. NAVSIM's ego areas (NAVSIM v2 scorer, `_calculate_ego_area`) are two
flags of it.

NAVSIM's third flag, "oncoming", means "off the route" there; :mod:`drive.scoring.direction` uses the direction of
motion instead.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.kernels.scoring import CENTER, cover_lanes, measure_ground
from drive.scoring.motion import EgoMotion
from drive.scoring.scene_geometry import SceneGeometry

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]


class EgoAreas(NamedTuple):
    """The ego on the map.

    Attributes:
        lanes: ``[C]`` int32 indices of the lanes and connectors near the drive.
        corner_in_lane: ``[S, C, 4]`` bool. ``center_in_lane``: ``[S, C]`` bool.
        lane_heading: ``[S, C]`` direction [rad] of the lane beside the centre, 0 where the centre is not in the lane.
        outside: ``[S, 4]`` distance [m] of each corner outside the drivable area, 0 inside.
        center_in_intersection, rear_axle_in_intersection: ``[S]`` bool.
        multiple_lanes: ``[S]`` bool, corners in more than one lane or connector and no lane or connector holds all
            four.
        non_drivable: ``[S]`` bool, at least one corner outside the drivable area, without tolerance.
    """

    lanes: NDArray[np.int32]
    corner_in_lane: Bool
    center_in_lane: Bool
    lane_heading: Float
    outside: Float
    center_in_intersection: Bool
    rear_axle_in_intersection: Bool
    multiple_lanes: Bool
    non_drivable: Bool


def locate_ego(ego: EgoMotion, geometry: SceneGeometry) -> EgoAreas:
    """Find lanes and areas of every sample. Where a map has no drivable area at all, nothing counts as outside of
    it."""
    index = geometry.lanes
    lanes, held, direction = cover_lanes(
        ego.points, index.ring, index.ring_ptr, index.ring_box, index.centerline, index.arc, index.centerline_ptr
    )
    outside, crossing = measure_ground(ego.points, geometry.drivable, geometry.intersection)
    if not geometry.has_drivable:
        outside = np.zeros_like(outside)
    corners = held[:, :, :CENTER]
    return EgoAreas(
        lanes=lanes,
        corner_in_lane=corners,
        center_in_lane=held[:, :, CENTER],
        lane_heading=direction,
        outside=outside,
        center_in_intersection=crossing[:, 0],
        rear_axle_in_intersection=crossing[:, 1],
        multiple_lanes=(corners.any(axis=2).sum(axis=1) > 1) & ~corners.all(axis=2).any(axis=1),
        non_drivable=(outside > 0.0).any(axis=1),
    )
