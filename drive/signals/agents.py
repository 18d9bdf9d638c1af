"""Signals of distance, contact and time to collision with other road users."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drive.scoring.collision import find_contacts
from drive.scoring.ego_areas import locate_ego
from drive.scoring.motion import agent_motion, ego_motion
from drive.signals.drive import Drive, Function, Reading
from drive.signals.kernels.agents import nearest_boxes, times_to_touch
from drive.signals.lane import in_body
from drive.vehicle import Ego

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

NEAR = 50.0  # m, clearances beyond do not matter
TTC_NEAR, TTC_HORIZON, TTC_NONE = 60.0, 3.0, 20.0  # m, s, s
DISCS = 4
DISC_NEAR, DISC_VEHICLES = 60.0, 8


class Nearest(NamedTuple):
    """The nearest agent, ``[B, T]``: signed distance ``value``, ``agent`` (-1: none), ``owner`` and ``witness
    [B, T, 6]`` of :func:`drive.signals.kernels.agents.box_separation`."""

    value: Float
    agent: Int
    owner: Int
    witness: Float


def nearest(drive: Drive, wanted: Bool) -> Nearest:
    """The nearest of the ``wanted [A]`` agents within 50 m."""
    world = drive.world
    return Nearest(
        *nearest_boxes(
            drive.boxes, _ego_size(drive), world.position, world.heading, world.size, world.valid, wanted, NEAR
        )
    )


def distance(drive: Drive, found: Nearest) -> Reading:
    """Signed distance to the nearest agent, differentiable; not valid where there is none."""
    normal, mine, other = _witnesses(drive, found.owner, found.witness)
    apart = ((other - mine) * normal).sum(dim=-1)
    touching = torch.as_tensor((found.witness[..., :2] == 0.0).all(axis=-1), device=drive.ego.device)
    value = torch.where(touching, drive.tensor(found.value), apart)
    return Reading(value, found.agent >= 0, found.agent)


def _witnesses(drive: Drive, owner: Int, witness: Float) -> tuple[Tensor, Tensor, Tensor]:
    """Direction and witness points ``[B, T, 2]``: those of the ego move with it, and so does its own axis."""
    direction = witness[..., :2]
    cos, sin = np.cos(drive.boxes[..., 2]), np.sin(drive.boxes[..., 2])
    along = drive.tensor(direction[..., 0] * cos + direction[..., 1] * sin)
    across = drive.tensor(direction[..., 1] * cos - direction[..., 0] * sin)
    turned_cos, turned_sin = torch.cos(drive.heading), torch.sin(drive.heading)
    turning = torch.stack((along * turned_cos - across * turned_sin, along * turned_sin + across * turned_cos), dim=-1)
    own = torch.as_tensor(owner == 1, device=drive.ego.device)[..., None]
    normal = torch.where(own, turning, drive.tensor(direction))
    forward, left = in_body(drive, witness[..., 2:4])
    mine = drive.point(drive.tensor(forward), drive.tensor(left))
    return normal, mine, drive.tensor(witness[..., 4:6])


def _ego_size(drive: Drive) -> Float:
    return np.array((drive.world.vehicle.length, drive.world.vehicle.width))


def nearest_agent(drive: Drive) -> Nearest:
    """The nearest agent of any kind."""
    return nearest(drive, np.ones(len(drive.world.kind), np.bool_))


def clearance(drive: Drive) -> Reading:
    """Distance to the nearest agent."""
    return distance(drive, drive.once(nearest_agent))


def contact_fault(drive: Drive) -> Reading:
    """A contact for which the ego is to blame."""
    found, world, samples = drive.once(nearest_agent), drive.world, drive.shape[1]
    fault = np.zeros(drive.shape, np.bool_)
    contact = (found.agent >= 0) & (found.value < 0.0)
    agents = agent_motion(
        world.position[:, :samples],
        world.heading[:, :samples],
        world.velocity[:, :samples],
        world.valid[:, :samples],
        world.size,
        world.kind,
    )
    for b in np.flatnonzero(contact.any(axis=1)):
        ego = ego_motion(drive.states[b], world.vehicle)
        contacts = find_contacts(ego, agents, locate_ego(ego, drive.road.geometry))
        for agent in np.flatnonzero(contacts.at_fault):
            only = np.arange(len(world.kind)) == agent
            apart, _, _, _ = nearest_boxes(
                drive.boxes[b : b + 1],
                _ego_size(drive),
                world.position,
                world.heading,
                world.size,
                world.valid,
                only,
                NEAR,
            )
            fault[b] |= (apart[0] < 0.0) & (np.arange(samples) >= contacts.step[agent])
    return Reading(fault, contact, found.agent)


def impact_speed(drive: Drive) -> Reading:
    """Relative speed at the first sample of the present contact."""
    found, world = drive.once(nearest_agent), drive.world
    contact = (found.agent >= 0) & (found.value < 0.0)
    value = np.zeros(drive.shape)
    for b, t in zip(*np.nonzero(contact), strict=True):
        agent = found.agent[b, t]
        if t > 0 and contact[b, t - 1] and found.agent[b, t - 1] == agent:
            value[b, t] = value[b, t - 1]
        else:
            value[b, t] = np.linalg.norm(_velocity(drive.states[b, t]) - world.velocity[agent, t])
    return Reading(value, contact, found.agent)


def _velocity(state: Float) -> Float:
    cos, sin = np.cos(state[Ego.HEADING]), np.sin(state[Ego.HEADING])
    return np.array((state[Ego.VX] * cos - state[Ego.VY] * sin, state[Ego.VX] * sin + state[Ego.VY] * cos))


def ttc(drive: Drive) -> Reading:
    """Time until the boxes touch if everybody keeps velocity and heading."""
    world = drive.world
    _, agent, owner, witness, around = times_to_touch(
        drive.boxes,
        _ego_size(drive),
        np.ascontiguousarray(drive.states[..., Ego.VX]),
        world.position,
        world.heading,
        world.velocity,
        world.size,
        world.valid,
        TTC_HORIZON,
        TTC_NEAR,
    )
    samples = np.arange(drive.shape[1])
    others = world.velocity[agent, samples] if len(world.kind) else np.zeros((*drive.shape, 2))
    normal, mine, other = _witnesses(drive, owner, witness)
    forward = torch.stack((torch.cos(drive.heading), torch.sin(drive.heading)), dim=-1)
    rate = ((drive.speed[..., None] * forward - drive.tensor(others)) * normal).sum(dim=-1)
    meets = torch.as_tensor((agent >= 0) & (owner > 0), device=drive.ego.device)
    gap = ((other - mine) * normal).sum(dim=-1)
    exact = gap / torch.where(meets, rate, torch.ones_like(rate))
    plain = drive.tensor(np.where(agent >= 0, 0.0, TTC_NONE))
    return Reading(torch.where(meets, exact, plain), around, agent)


def disc_clearance(drive: Drive) -> Reading:
    """Distance between the discs of the ego and those of the nearest vehicles."""
    world, samples = drive.world, drive.shape[1]
    wanted = np.flatnonzero(world.vehicles)
    length, width = _ego_size(drive)
    offsets = _disc_offsets(length, width)
    best = np.full(drive.shape, np.inf)
    agent = np.full(drive.shape, -1)
    disc = np.zeros(drive.shape, np.int64)
    point = np.zeros((*drive.shape, 2))
    radius = np.zeros(drive.shape)
    valid = world.valid[wanted, :samples]
    position = world.position[wanted, :samples]
    heading = world.heading[wanted, :samples]
    theirs = _disc_offsets(*world.size[wanted].T)
    way = np.stack((np.cos(heading), np.sin(heading)), axis=-1)
    centers = position[:, :, None] + theirs[:, None, :, None] * way[:, :, None]
    for b in range(drive.shape[0] if len(wanted) else 0):
        box = drive.boxes[b]
        apart = np.hypot(position[..., 0] - box[:, 0], position[..., 1] - box[:, 1])
        apart = np.where(valid, apart, np.inf)
        rows = np.argsort(apart, axis=0, kind="stable")[:DISC_VEHICLES]
        at = np.arange(samples)
        mine = box[:, None, :2] + offsets[:, None] * np.stack((np.cos(box[:, 2]), np.sin(box[:, 2])), -1)[:, None]
        other = centers[rows, at]
        pairs = np.hypot(*np.moveaxis(mine[None, :, :, None] - other[:, :, None], -1, 0))
        pairs = pairs - (width / 2 + world.size[wanted, 1][rows] / 2)[..., None, None]
        pairs[apart[rows, at] > DISC_NEAR] = np.inf
        flat = np.moveaxis(pairs, 1, 0).reshape(samples, -1)
        least = flat.argmin(axis=1)
        row, own, their = np.unravel_index(least, (len(rows), DISCS, DISCS))
        best[b], disc[b], point[b] = flat[at, least], own, other[row, at, their]
        agent[b] = np.where(np.isfinite(best[b]), wanted[rows[row, at]], -1)
        radius[b] = (width + world.size[np.maximum(agent[b], 0), 1]) / 2
    found = agent >= 0
    center = drive.point(drive.tensor(world.vehicle.rear_axle_to_center + offsets[disc]))
    away = torch.where(
        torch.as_tensor(found, device=drive.ego.device)[..., None], center - drive.tensor(point), drive.tensor(1.0)
    )
    length_ = (away * away).sum(dim=-1).clamp(min=1e-18).sqrt()
    return Reading(length_ - drive.tensor(radius), found, agent)


def _disc_offsets(length: Float, width: Float) -> Float:
    """Centres of equal discs ``[..., 4]`` [m] along bodies, from their centres."""
    return np.multiply.outer(length - width, np.linspace(-0.5, 0.5, DISCS))


SIGNALS: Mapping[str, Function] = {
    "clearance": clearance,
    "contact_fault": contact_fault,
    "impact_speed": impact_speed,
    "ttc": ttc,
    "disc_clearance": disc_clearance,
}
