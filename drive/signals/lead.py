"""Signals of the lead: whoever is next on the ego's way.

The ego's way is a corridor along the route at the ego's present lateral offset, ego width plus 0.2 m on either side,
150 m long. Everything in it counts, standing objects too.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drive.signals import rss
from drive.signals.drive import Drive, Function, Reading
from drive.signals.kernels.agents import find_leads
from drive.signals.lane import ego_lane, find_lanes, halves
from drive.signals.world import slopes

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

MARGIN = 0.2  # m beside the ego
REACH = 150.0  # m
MIN_CLOSING = 0.05  # m/s, slower is not closing in
MIN_SPEED = 0.5  # m/s, for time gaps
LONGEST = 20.0  # s
NEW_LEAD = 3  # samples for which a new lead's acceleration is not trusted
# Constants of the interstate monitor: braking of the ego and of others [m/s2], reaction time [s].
EGO_BRAKE, OTHER_BRAKE, REACTION = 10.0, 10.5, 0.3


class Lead(NamedTuple):
    """The lead ``[B, T]``: ``agent`` (-1: none), ``has``, ``start`` arc length [m] where it begins, ``slope`` how that
    changes with the ego's lateral offset (a slanted box), ``entered`` it was out of the corridor one sample ago,
    ``speed`` [m/s] along the route."""

    agent: Int
    has: Bool
    start: Float
    slope: Float
    entered: Bool
    speed: Float


def find_lead(drive: Drive) -> Lead:
    """The lead at every sample."""
    world, front, center = drive.world, drive.front_place, drive.center_place
    if front is None or center is None or world.places is None or not len(world.valid):
        none = np.zeros(drive.shape, np.bool_)
        zero = np.zeros(drive.shape)
        return Lead(np.full(drive.shape, -1, np.int32), none, zero, zero, none, zero)
    agent, start, slope, entered = find_leads(
        front.s,
        center.s,
        center.d,
        world.vehicle.width / 2,
        MARGIN,
        REACH,
        world.places.s,
        world.places.d,
        world.places.center_s,
        world.valid,
    )
    return Lead(agent, agent >= 0, start, slope, entered, _of_lead(agent, world.along_route))


def _of_lead(agent: Int, values: Float) -> Float:
    """Values ``[A, T]`` of the lead at every sample ``[B, T]``; 0 where there is none."""
    samples = np.arange(agent.shape[1])
    return np.where(agent >= 0, values[agent, samples], 0.0)


def gap(drive: Drive) -> Tensor:
    """Distance ``[B, T]`` [m] from the front bumper to the lead along the route; meaningless without a lead."""
    lead, front = drive.once(find_lead), drive.front_place
    if front is None:
        return torch.zeros_like(drive.speed)
    start = drive.tensor(lead.start)
    if drive.center_place is not None and lead.slope.any():
        moved = drive.route_shift(drive.world.vehicle.rear_axle_to_center, drive.center_place)
        start = start + drive.tensor(lead.slope) * moved
    return start - drive.route_arc(drive.world.vehicle.front, front)


def closing(drive: Drive) -> Tensor:
    """Speed ``[B, T]`` [m/s] at which the ego comes nearer to the lead, at least 0."""
    return (drive.speed - drive.tensor(drive.once(find_lead).speed)).clamp(min=0.0)


def has_lead(drive: Drive) -> Reading:
    """Whether there is a lead."""
    lead = drive.once(find_lead)
    return Reading(lead.has, None, lead.agent)


def lead_gap(drive: Drive) -> Reading:
    """Distance to the lead."""
    return _with_lead(drive, drive.once(gap))


def lead_speed(drive: Drive) -> Reading:
    """Speed of the lead along the route."""
    return _with_lead(drive, drive.tensor(drive.once(find_lead).speed))


def closing_speed(drive: Drive) -> Reading:
    """Speed at which the ego closes in."""
    return _with_lead(drive, drive.once(closing))


def lead_accel(drive: Drive) -> Reading:
    """Acceleration of the lead along the route."""
    lead, world = drive.once(find_lead), drive.world
    if not lead.has.any():
        return Reading(np.zeros(drive.shape), lead.has)
    same = np.zeros(drive.shape, np.int64)
    for t in range(1, drive.shape[1]):
        same[:, t] = np.where(lead.agent[:, t] == lead.agent[:, t - 1], same[:, t - 1] + 1, 0)
    value = _of_lead(lead.agent, slopes(world.along_route, world.valid))
    return Reading(value, lead.has & (same >= NEW_LEAD), lead.agent)


def lead_ttc(drive: Drive) -> Reading:
    """Time until the ego reaches the lead if both keep their speeds."""
    lead, ahead, rate = drive.once(find_lead), drive.once(gap), drive.once(closing)
    time = (ahead.clamp(min=0.0) / rate.clamp(min=MIN_CLOSING)).clamp(max=LONGEST)
    return Reading(time, lead.has & (rate.detach().cpu().numpy() > MIN_CLOSING), lead.agent)


def lead_time_gap(drive: Drive) -> Reading:
    """Time until the ego is where the lead begins."""
    time = drive.once(gap).clamp(min=0.0) / drive.speed.clamp(min=MIN_SPEED)
    return _with_lead(drive, time.clamp(max=LONGEST))


def lead_cut_in(drive: Drive) -> Reading:
    """The lead has come in from the side and is not yet wholly in the ego lane."""
    lead, world, lane = drive.once(find_lead), drive.world, drive.once(find_lanes).lane
    found = np.zeros(drive.shape, np.bool_)
    center = drive.center_place
    if not lead.has.any() or world.places is None or center is None:
        return Reading(found, lead.has)
    place = drive.once(ego_lane)
    middle = center.d - place.offset.detach().cpu().numpy()
    low = _of_lead(lead.agent, world.places.d.min(axis=2))
    high = _of_lead(lead.agent, world.places.d.max(axis=2))
    right = middle - halves(drive.road.half_right, place.row)[0]
    left = middle + halves(drive.road.half_left, place.row)[0]
    astride = (lane >= 0) & (((low < right) & (high > right)) | ((low < left) & (high > left)))
    sideways = _of_lead(lead.agent, world.across_route)
    inwards = np.sign(center.d - _of_lead(lead.agent, world.places.center_d)) * sideways > 0.0
    for t in range(1, drive.shape[1]):
        new = lead.entered[:, t] & (lead.agent[:, t] != lead.agent[:, t - 1]) & inwards[:, t]
        goes_on = found[:, t - 1] & (lead.agent[:, t] == lead.agent[:, t - 1])
        found[:, t] = lead.has[:, t] & astride[:, t] & (new | goes_on)
    return Reading(found, lead.has, lead.agent)


def safe_dist_margin(drive: Drive) -> Reading:
    """Gap beyond the stopping distances of the interstate rules."""
    v, front = drive.speed, drive.tensor(drive.once(find_lead).speed)
    needed = v * v / (2.0 * EGO_BRAKE) - front * front / (2.0 * OTHER_BRAKE) + REACTION * v
    return _with_lead(drive, drive.once(gap) - needed)


def rss_lon_margin(drive: Drive) -> Reading:
    """Gap beyond the RSS distance to the lead."""
    needed = rss.same_direction(drive.speed, drive.tensor(drive.once(find_lead).speed))
    return _with_lead(drive, drive.once(gap) - needed)


def _with_lead(drive: Drive, value: Tensor) -> Reading:
    lead = drive.once(find_lead)
    return Reading(value, lead.has, lead.agent)


SIGNALS: Mapping[str, Function] = {
    "has_lead": has_lead,
    "lead_gap": lead_gap,
    "lead_speed": lead_speed,
    "lead_accel": lead_accel,
    "closing_speed": closing_speed,
    "lead_ttc": lead_ttc,
    "lead_time_gap": lead_time_gap,
    "lead_cut_in": lead_cut_in,
    "safe_dist_margin": safe_dist_margin,
    "rss_lon_margin": rss_lon_margin,
}
