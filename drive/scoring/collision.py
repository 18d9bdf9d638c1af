"""Contacts of the ego, their classes, and who is at fault.

Classes and rules are NAVSIM's (v2 scorer, `_calculate_no_at_fault_collision`; classes first in nuPlan's
`no_ego_at_fault_collisions`), with these choices where NAVSIM's data or rounding would decide:

* The track's speed is that of the sample of the contact. NAVSIM takes it from the first sample the track was ever
  seen in.
* The angle to the track compares cosines; NAVSIM's unclipped arccos gives NaN for a track exactly ahead.
* Whether the front bumper touches the agent is asked for the moment at which the boxes first touch, found by
  interpolating between two samples. At the sample itself, as NAVSIM and nuPlan ask, a pedestrian run over at 13 m/s is
  as often as not wholly behind the bumper already: a side contact, not at fault.
* The first contact with an agent decides. If it is not at fault the agent is ignored for the rest of the rollout, as
  NAVSIM does; at-fault contacts cannot get worse by repetition.
* A contact has to *happen*: boxes that already overlap in the first sample in which the agent is present (the start, or
  an agent that is entered where the ego stands) are nobody's collision for as long as they stay together. The planner
  could not have avoided them. NAVSIM drops objects overlapping at the start for the whole rollout; here they count
  again once they were apart.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.kernels import scoring as kernels
from drive.scoring.ego_areas import EgoAreas
from drive.scoring.motion import AgentMotion, EgoMotion

Int = NDArray[np.int32]
Bool = NDArray[np.bool_]


class ContactClass(IntEnum):
    """How the first contact came about; the first class whose condition holds."""

    STOPPED_EGO = kernels.STOPPED_EGO  # the ego stands (<= 0.05 m/s)
    STOPPED_TRACK = kernels.STOPPED_TRACK  # the other stands, or is a static object
    ACTIVE_REAR = (
        kernels.ACTIVE_REAR
    )  # the other's centre is more than 150 deg off the ego's heading, seen from the rear axle
    ACTIVE_FRONT = kernels.ACTIVE_FRONT  # the front bumper touches the other when the boxes first touch
    ACTIVE_LATERAL = kernels.ACTIVE_LATERAL  # anything else


class Contacts(NamedTuple):
    """First contact with every agent, ``[A]`` each: ``step`` int32 (sample, -1 for none), ``kind`` int8
    (:class:`ContactClass`, meaningful where ``step >= 0``), ``at_fault`` bool, ``free_from`` int32 (sample from which
    on the agent is apart from the ego for the first time; 0 unless it began in touch)."""

    step: Int
    kind: NDArray[np.int8]
    at_fault: Bool
    free_from: Int


def find_contacts(ego: EgoMotion, agents: AgentMotion, areas: EgoAreas) -> Contacts:
    """First contact of the ego with every agent. Touching boxes are in contact.

    At fault: STOPPED_TRACK and ACTIVE_FRONT always; ACTIVE_LATERAL only if the ego is across lanes (``multiple_lanes``)
    or partly off the drivable area (``non_drivable``) at that sample; STOPPED_EGO and ACTIVE_REAR never.
    """
    step, kind, free_from = kernels.find_contacts(
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
    )
    astray = (areas.multiple_lanes | areas.non_drivable)[step]
    fault = (kind == ContactClass.STOPPED_TRACK) | (kind == ContactClass.ACTIVE_FRONT)
    fault |= (kind == ContactClass.ACTIVE_LATERAL) & astray
    return Contacts(step, kind, fault & (step >= 0), free_from)


def no_at_fault_collision(contacts: Contacts, static: Bool) -> float:
    """NC: 0 after an at-fault contact with a vehicle, rider or pedestrian, else 1/2 after one with a static object,
    else 1.

    ``static [A]``: which agents are static objects. NAVSIM takes the minimum over contacts, so two cones are 1/2 still.
    """
    if (contacts.at_fault & ~static).any():
        return 0.0
    return 0.5 if contacts.at_fault.any() else 1.0
