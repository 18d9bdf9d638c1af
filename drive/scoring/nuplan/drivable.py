"""nuPlan's ``drivable_area_compliance``: no corner 0.3 m or more off the drivable area."""

import numpy as np
from numpy.typing import NDArray

from drive.scoring.nuplan.inputs import NuplanMap
from drive.scoring.nuplan.lanes import Lanes

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

TOLERANCE = 0.3  # m


def corners_outside(world: NuplanMap, corners: Float, corner_route: list[tuple[Lanes, ...]]) -> Bool:
    """``[S, 4]`` True where a corner ``[S, 4, 2]`` is in no lane or connector and in no drivable polygon."""
    on_road = world.drivable.contain(corners.reshape(-1, 2)).any(axis=1).reshape(corners.shape[:2])
    off_lane = np.array([[not lanes for lanes in found] for found in corner_route], np.bool_)
    return np.asarray(off_lane & ~on_road)


def violations(world: NuplanMap, corners: Float, outside: Bool, route: list[Lanes]) -> Bool:
    """``[S, 4]`` True where a corner that is outside is so by 0.3 m or more: from the lanes the ego's centre is in
    (``route``) and from the drivable area."""
    violated = np.zeros_like(outside)
    every = range(len(world.drivable.box))
    for step, corner in np.argwhere(outside):
        point = corners[step, corner]
        tolerated = world.surface.distance(point, route[step]) < TOLERANCE
        violated[step, corner] = not tolerated and world.drivable.distance(point, every) >= TOLERANCE
    return violated
