"""nuPlan's ``time_to_collision_within_bound``: straight projections of ego and tracks at every sample."""

import numpy as np
from numpy.typing import NDArray

from drive.kernels.nuplan_contact import projected_contacts
from drive.scoring.nuplan.collision import BEHIND, Contact
from drive.scoring.nuplan.inputs import NuplanDrive
from drive.vehicle import PACIFICA

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

BOUND = 0.95  # s
STOPPED_SPEED = 0.005  # m/s
AHEAD = np.deg2rad(30.0)


def time_to_collision(
    drive: NuplanDrive, angle: Float, single_lane: Bool, contacts: list[Contact]
) -> tuple[Float, NDArray[np.int32]]:
    """Time to collision ``[S]`` [s] (inf: none) and the track that decides it ``[S]`` (-1: none).

    Tracks that have touched the ego no longer count. Others count when ahead of it, or, where the ego is not in one
    lane or its rear axle is in an intersection, when not behind it.
    """
    tracks = drive.tracks
    relevant = tracks.valid & (drive.speed > STOPPED_SPEED)
    for contact in contacts:
        relevant[contact.track, contact.step :] = False
    wide = ~single_lane | drive.map.intersection.contain(drive.ego[:, :2]).any(axis=1)
    relevant &= (angle < AHEAD) | (wide & ~(angle > BEHIND))
    time, partner = projected_contacts(
        drive.center,
        drive.speed,
        PACIFICA.length,
        PACIFICA.width,
        tracks.position,
        tracks.heading,
        tracks.speed,
        tracks.size,
        relevant,
    )
    for contact in reversed(contacts):
        if contact.at_fault:
            time[contact.step], partner[contact.step] = 0.0, contact.track
    return time, partner
