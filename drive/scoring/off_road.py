"""Leaving the drivable area: a corner of the ego's box too far outside the layers DRIVABLE and CARPARK.

The tolerance is nuPlan's (`drivable_area_compliance`, where 0.3 m itself already violates); NAVSIM has none.
"""

import numpy as np

from drive.scoring.ego_areas import EgoAreas

OFF_ROAD_TOLERANCE = 0.3
"""Distance [m] a corner may stick out over the edge of the drivable area."""


def worst_excursion(areas: EgoAreas) -> tuple[float, int, int]:
    """Largest distance [m] of any corner outside the drivable area over the drive, its sample and corner
    (0 front-left, 1 rear-left, 2 rear-right, 3 front-right)."""
    sample, corner = np.unravel_index(int(np.argmax(areas.outside)), areas.outside.shape)
    return float(areas.outside[sample, corner]), int(sample), int(corner)


def first_off_road(areas: EgoAreas) -> int | None:
    """First sample with a corner more than ``OFF_ROAD_TOLERANCE`` outside the drivable area, or None."""
    off = (areas.outside > OFF_ROAD_TOLERANCE).any(axis=1)
    return int(np.argmax(off)) if off.any() else None
