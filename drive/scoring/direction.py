"""Driving against traffic: how far the ego moves against the direction of the lanes it is in, within one second.

The thresholds are those of nuPlan's and NAVSIM's driving-direction compliance. Their definitions differ from each
other and from this one: nuPlan measures negative progress along the first lane it finds, NAVSIM any distance off the
route's lanes. Here a step counts when the ego's centre is in at least one lane or connector, not in an intersection,
and moves at more than 90 degrees to the direction of every lane and connector that holds it. The *motion* is
compared, not the heading: reversing in the own lane counts, reversing in the oncoming lane does not. Lanes that
traffic may borrow to overtake (``borrow_allowed``) are exempt.
"""

import numpy as np
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.scoring.ego_areas import EgoAreas
from drive.scoring.motion import EgoMotion

Float = NDArray[np.float64]

WINDOW = 10  # steps of 0.1 s
COMPLIANT_BELOW = 2.0  # m within the window
HALF_BELOW = 6.0  # m within the window


def driven_against_lanes(ego: EgoMotion, areas: EgoAreas, borrow_allowed: NDArray[np.bool_]) -> Float:
    """Distance [m] of the box centre driven against traffic in the last second, ``[S]``.

    ``borrow_allowed [L]`` of the map. The step to sample s belongs to the lanes at s.
    """
    moves = np.diff(ego.center, axis=0)
    motion = np.arctan2(moves[:, 1], moves[:, 0])
    inside = areas.center_in_lane[1:]
    with_lane = np.abs(wrap_angle(motion[:, None] - areas.lane_heading[1:])) <= np.pi / 2
    excused = with_lane | borrow_allowed[areas.lanes]
    against = inside.any(axis=1) & ~(inside & excused).any(axis=1) & ~areas.center_in_intersection[1:]
    distance = np.concatenate(((0.0,), np.where(against, np.hypot(moves[:, 0], moves[:, 1]), 0.0)))
    return np.convolve(distance, np.ones(WINDOW))[: len(distance)]


def direction_compliance(against: Float) -> float:
    """1 below 2 m against traffic in the worst second, 1/2 below 6 m, else 0."""
    worst = float(against.max())
    if worst < COMPLIANT_BELOW:
        return 1.0
    return 0.5 if worst < HALF_BELOW else 0.0
