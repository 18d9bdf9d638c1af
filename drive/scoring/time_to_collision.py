"""Time to collision if everybody kept speed and heading: nuPlan's `time_to_collision_within_bound`, at every sample.

Ego and agents are moved in steps of 0.1 s up to 2.9 s, each along its own heading at its current speed; the first
step with touching boxes is the time. Only agents *ahead* of the ego count (centre within 30 degrees of its heading,
seen from the rear axle), and all but those *behind* (beyond 150 degrees) while the ego is exposed: across lanes,
partly off the drivable area, or with its rear axle in an intersection. Agents are out of the count from their first
contact on, and while they have not yet been apart from the ego since the start. At the sample of an at-fault contact
the time is 0. An ego at 0.005 m/s or less has none.

Two differences from nuPlan: what moves backwards is projected backwards (nuPlan's speeds have no sign, so a car that
backs away from an obstacle hits it there), and "across lanes" is NAVSIM's flag.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.kernels.scoring import times_to_collision
from drive.scoring.collision import Contacts
from drive.scoring.ego_areas import EgoAreas
from drive.scoring.motion import AgentMotion, EgoMotion

TTC_BOUND = 0.95
"""A time to collision [s] of this or less at any sample is too short."""


class TimeToCollision(NamedTuple):
    """``time [S]`` [s], infinite where nothing is within 2.9 s; ``agent [S]`` int32, -1 there."""

    time: NDArray[np.float64]
    agent: NDArray[np.int32]


def time_to_collision(ego: EgoMotion, agents: AgentMotion, areas: EgoAreas, contacts: Contacts) -> TimeToCollision:
    """Time to collision at every sample of a drive."""
    exposed = areas.multiple_lanes | areas.non_drivable | areas.rear_axle_in_intersection
    time, agent = times_to_collision(
        ego.center,
        ego.rear,
        ego.heading,
        ego.speed,
        ego.length,
        ego.width,
        agents.position,
        agents.heading,
        agents.speed,
        agents.valid,
        agents.size,
        exposed,
        contacts.step,
        contacts.at_fault,
        contacts.free_from,
    )
    return TimeToCollision(time, agent)
