"""nuPlan's ``no_ego_at_fault_collisions``: the first contact of each track, its class, and whose fault it is."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.kernels.nuplan_contact import first_contacts
from drive.scoring.nuplan.inputs import NuplanDrive
from drive.vehicle import PACIFICA, Ego

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

STOPPED_SPEED = 0.05  # m/s
BEHIND = np.deg2rad(150.0)


class ContactKind(IntEnum):
    """Class of a contact; the reference adds ``_COLLISION`` to the names."""

    STOPPED_EGO = 0
    STOPPED_TRACK = 1
    ACTIVE_FRONT = 2
    ACTIVE_REAR = 3
    ACTIVE_LATERAL = 4


class Contact(NamedTuple):
    """The first contact with one track: sample, index of the track, class, fault, and the length of the difference of
    the two velocity vectors [m/s] halved (the reference's collision energy)."""

    step: int
    track: int
    kind: ContactKind
    at_fault: bool
    energy: float


def relative_angle(drive: NuplanDrive) -> Float:
    """Angle ``[A, S]`` [rad] between the ego's heading and the way from its rear axle to the tracks' centres.

    The cosine is not clipped, as in the reference: exactly on the ego's axis rounding can make it exceed 1, and the
    track is then neither ahead nor behind (NaN compares False).
    """
    away = drive.tracks.position - drive.ego[:, :2]
    heading = drive.ego[:, Ego.HEADING]
    with np.errstate(invalid="ignore", divide="ignore"):
        away /= np.sqrt(away[..., 0] * away[..., 0] + away[..., 1] * away[..., 1])[..., None]
        return np.asarray(np.arccos(np.cos(heading) * away[..., 0] + np.sin(heading) * away[..., 1]))


def find_contacts(drive: NuplanDrive, angle: Float, single_lane: Bool) -> list[Contact]:
    """First contacts in the order of samples, then of tracks; ``angle [A, S]``, ``single_lane [S]``."""
    tracks = drive.tracks
    ego_speed, track_speed = drive.speed, tracks.speed
    step, front = first_contacts(
        drive.center, PACIFICA.length, PACIFICA.width, tracks.position, tracks.heading, tracks.size, tracks.valid
    )
    contacts = []
    for a in sorted(np.flatnonzero(step >= 0).tolist(), key=lambda track: (step[track], track)):
        s = int(step[a])
        if ego_speed[s] <= STOPPED_SPEED:
            kind = ContactKind.STOPPED_EGO
        elif track_speed[a, s] <= STOPPED_SPEED:
            kind = ContactKind.STOPPED_TRACK
        elif angle[a, s] > BEHIND:
            kind = ContactKind.ACTIVE_REAR
        elif front[a]:
            kind = ContactKind.ACTIVE_FRONT
        else:
            kind = ContactKind.ACTIVE_LATERAL
        at_fault = kind in (ContactKind.ACTIVE_FRONT, ContactKind.STOPPED_TRACK) or (
            kind == ContactKind.ACTIVE_LATERAL and not single_lane[s]
        )
        turn = drive.ego[s, Ego.HEADING] - tracks.heading[a, s]
        e, t = float(ego_speed[s]), float(track_speed[a, s])
        energy = 0.5 * np.sqrt(max(0.0, e * e + t * t - 2.0 * e * t * np.cos(turn)))
        contacts.append(Contact(s, a, kind, bool(at_fault), float(energy)))
    return contacts


def no_at_fault_collisions(drive: NuplanDrive, contacts: list[Contact]) -> float:
    """Score: 0 after one road user, one half per object."""
    static, vulnerable = drive.tracks.static, drive.tracks.vulnerable
    guilty = [contact.track for contact in contacts if contact.at_fault]
    objects = sum(bool(static[a]) for a in guilty)
    persons = sum(bool(vulnerable[a]) for a in guilty)
    vehicles = len(guilty) - objects - persons
    return max(0.0, 1.0 - persons) * max(0.0, 1.0 - vehicles) * max(0.0, 1.0 - objects / 2.0)
