"""Signals of vulnerable road users (pedestrians and cyclists), parked vehicles, and vehicles no source marks.

Emergency vehicles on duty and motorway ramps are in no source, so their signals are valid nowhere.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from drive.geometry import wrap_angle
from drive.map import Layer, VectorMap
from drive.scene import DT, AgentKind
from drive.signals import crosswalks
from drive.signals.agents import distance, nearest
from drive.signals.ahead import course
from drive.signals.crosswalks import VRU_KINDS
from drive.signals.drive import Drive, Function, Reading, absent
from drive.signals.memo import once
from drive.signals.world import World
from drive.signals.zones import Bool, Float, Int, in_area
from drive.vehicle import Ego

CORRIDOR_MARGIN = 0.2  # m that the ego's path corridor is wider than the ego, to either side
NEAR_PATH, NEAR_TIME, NEAR_LEAST = 4.0, 3.0, 10.0  # m beside the corridor; s of driving ahead, at least m
NEAR_CROSSWALK, CROSSWALK_REACH = 3.0, 30.0  # m from a VRU to the crosswalk; m from the bumper to it
FASTER = 0.5  # m/s
SAME_WAY = np.pi / 3  # rad
LENGTHENED = 1.0  # m at either end within which one body counts as beside another
SIDE_REACH = 10.0  # m beside the ego in which VRUs are passed
MOVING = 0.1  # m/s
PARKED_TIME, PARKED_REACH = 5.0, 3.0  # s of standing still; m beside the ego
QUEUE_OFFSET = 1.0  # m from the route's centreline: who stands there stands in the ego's own queue
CAR_KINDS = tuple(kind for kind in AgentKind if kind <= AgentKind.MOTORCYCLE)


class Beside(NamedTuple):
    """Gaps ``[B, T, A]`` [m] between the ego's box and agents' boxes as seen from the ego: ``along`` its length
    (negative: side by side) and to its ``side`` (negative: in line)."""

    along: Float
    side: Float


def gaps_beside(ego: Float, ego_size: tuple[float, float], position: Float, heading: Float, size: Float) -> Beside:
    """Gaps along and across the ego to agents' boxes.

    ``ego [B, T, 3]`` box centre and heading (m, rad), ``ego_size`` (length, width) [m]; ``position [A, T, 2]``,
    ``heading [A, T]``, ``size [A, 2]``.
    """
    cos, sin = np.cos(ego[..., 2])[..., None], np.sin(ego[..., 2])[..., None]
    dx = position[..., 0].T - ego[..., 0][..., None]
    dy = position[..., 1].T - ego[..., 1][..., None]
    turned = heading.T - ego[..., 2][..., None]
    c, s = np.abs(np.cos(turned)), np.abs(np.sin(turned))
    reach_along = (size[:, 0] * c + size[:, 1] * s + ego_size[0]) / 2
    reach_side = (size[:, 0] * s + size[:, 1] * c + ego_size[1]) / 2
    return Beside(np.abs(dx * cos + dy * sin) - reach_along, np.abs(dy * cos - dx * sin) - reach_side)


def smallest(gap: Float, counts: Bool, nobody: float) -> tuple[Float, Int]:
    """Smallest ``gap [B, T, A]`` among agents that count, ``nobody`` where none does, and whose it is (-1)."""
    if not gap.shape[2]:
        return np.full(gap.shape[:2], nobody), np.full(gap.shape[:2], -1, np.int64)
    masked = np.where(counts, gap, np.inf)
    best = masked.argmin(axis=2)
    value = np.take_along_axis(masked, best[..., None], axis=2)[..., 0]
    found = np.isfinite(value)
    return np.where(found, value, nobody), np.where(found, best, -1)


def standing_runs(speed: Float, valid: Bool, still: float, longest: float) -> Bool:
    """True ``[A, T]`` in runs of standing still (``speed [A, T]`` below ``still`` [m/s] while valid) that take more
    than ``longest`` s from their first to their last sample."""
    stands = valid & (speed < still)
    parked = np.zeros(stands.shape, np.bool_)
    for agent in np.flatnonzero(stands.any(axis=1)):
        edges = np.diff(np.concatenate(((0,), stands[agent].astype(np.int8), (0,))))
        for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
            if (end - 1 - begin) * DT > longest:
                parked[agent, begin:end] = True
    return parked


def on_carriageway(vector_map: VectorMap, position: Float) -> Bool:
    """Whether points ``[..., 2]`` [m] lie on the drivable area, or in a lane where the map has no such area."""
    areas = vector_map.areas(Layer.DRIVABLE) or [[vector_map.lane_polygon(lane)] for lane in range(vector_map.lanes)]
    inside = np.zeros(position.shape[:-1], np.bool_)
    for rings in areas:
        inside |= in_area(position, rings)
    return inside


# --- vulnerable road users --------------------------------------------------------------------------------------------


def vru_clearance(drive: Drive) -> Reading:
    """Distance to the nearest VRU."""
    return distance(drive, nearest(drive, np.isin(drive.world.kind, VRU_KINDS)))


class _Users(NamedTuple):
    """VRUs of a world: their ``agent [V]`` indices; ``on_road [V, T]``; ``distance [C, V, T]`` [m] to each crosswalk
    of the route."""

    agent: Int
    on_road: Bool
    distance: Float


@once
def _users(world: World) -> _Users:
    agent = np.flatnonzero(np.isin(world.kind, VRU_KINDS))
    position = world.position[agent]
    way = course(world.road)
    near = [crosswalks.distances(crosswalk, position)[0] for crosswalk in (way.crosswalks if way else ())]
    return _Users(
        agent,
        on_carriageway(world.road.map, position) & world.valid[agent],
        np.array(near).reshape(len(near), *position.shape[:2]),
    )


def vru_near(drive: Drive) -> Reading:
    """A VRU is near the ego's path or at a crosswalk ahead."""
    front, rear, center = drive.front_place, drive.rear_place, drive.center_place
    users, world, way = _users(drive.world), drive.world, course(drive.road)
    found = np.zeros(drive.shape, np.bool_)
    agent = np.full(drive.shape, -1, np.int64)
    if front is None or rear is None or center is None or world.places is None or way is None or not len(users.agent):
        return Reading(found)
    samples = slice(drive.shape[1])
    s = world.places.center_s[users.agent, samples].T
    half = world.size[users.agent].min(axis=1) / 2
    beside = np.abs(world.places.center_d[users.agent, samples].T - center.d[..., None]) - half
    corridor = world.vehicle.width / 2 + CORRIDOR_MARGIN
    reach = np.maximum(NEAR_TIME * drive.states[..., Ego.VX], NEAR_LEAST)
    close = (beside - corridor <= NEAR_PATH) & (s >= rear.s[..., None]) & (s - front.s[..., None] <= reach[..., None])
    present = world.valid[users.agent, samples].T
    close &= present
    for crosswalk, apart in zip(way.crosswalks, users.distance, strict=True):
        at_it = (apart[:, samples].T <= NEAR_CROSSWALK) & present
        close |= at_it & crosswalks.ahead(crosswalk, front.s, rear.s, CROSSWALK_REACH)[..., None]
    found = close.any(axis=2)
    return Reading(found, None, np.where(found, users.agent[close.argmax(axis=2)], agent))


class Passing(NamedTuple):
    """Who is being passed: whether anybody ``[B, T]``, the smallest ``gap [B, T]`` [m], and whose it is (-1)."""

    any: Bool
    gap: Float
    agent: Int


def passed_vru(drive: Drive) -> Passing:
    """VRUs on the carriageway that the ego overtakes."""
    world, users, samples = drive.world, _users(drive.world), slice(drive.shape[1])
    who = users.agent
    heading = world.heading[who, samples]
    beside = gaps_beside(drive.boxes, _ego_size(drive), world.position[who, samples], heading, world.size[who])
    same = np.abs(wrap_angle(heading.T - drive.states[..., Ego.HEADING, None])) <= SAME_WAY
    faster = drive.states[..., Ego.VX, None] - _along_ego(drive, world.velocity[who, samples]) > FASTER
    counts = users.on_road[:, samples].T & same & faster
    counts = counts & (beside.along <= LENGTHENED) & (beside.side <= SIDE_REACH)
    return _passing(beside.side, counts, who)


def _passing(side: Float, counts: Bool, who: Int) -> Passing:
    gap, row = smallest(side, counts, SIDE_REACH)
    found = row >= 0
    return Passing(found, gap, np.where(found, who[row], -1) if len(who) else row)


def _ego_size(drive: Drive) -> tuple[float, float]:
    return drive.world.vehicle.length, drive.world.vehicle.width


def _along_ego(drive: Drive, velocity: Float) -> Float:
    cos, sin = np.cos(drive.states[..., Ego.HEADING, None]), np.sin(drive.states[..., Ego.HEADING, None])
    along: Float = velocity[..., 0].T * cos + velocity[..., 1].T * sin
    return along


def passing_vru(drive: Drive) -> Reading:
    """The ego overtakes a VRU."""
    found = drive.once(passed_vru)
    return Reading(found.any, None, found.agent)


def vru_side_gap(drive: Drive) -> Reading:
    """Lateral gap to the VRU that the ego overtakes. The dimensions of our cars do not include mirrors."""
    found = drive.once(passed_vru)
    return Reading(found.gap, found.any, found.agent)


# --- parked vehicles --------------------------------------------------------------------------------------------------


@once
def _parked(world: World) -> tuple[Int, Bool]:
    """Cars and whether they are parked at each sample, ``[V]`` and ``[V, T]``; recorded history counts."""
    who = np.flatnonzero(np.isin(world.kind, CAR_KINDS))
    tracks, start = world.scenario.tracks, world.first
    past = np.hypot(tracks.velocity[who, :start, 0], tracks.velocity[who, :start, 1])
    speed = np.concatenate((past, world.speed[who]), axis=1)
    valid = np.concatenate((tracks.valid[who, :start], world.valid[who]), axis=1)
    parked = standing_runs(speed, valid, MOVING, PARKED_TIME)[:, start:]
    if world.places is not None:
        parked &= np.abs(world.places.center_d[who]) > QUEUE_OFFSET
    return who, parked


def passed_parked(drive: Drive) -> Passing:
    """Parked vehicles that the ego drives past."""
    world, samples = drive.world, slice(drive.shape[1])
    who, parked = _parked(world)
    beside = gaps_beside(
        drive.boxes, _ego_size(drive), world.position[who, samples], world.heading[who, samples], world.size[who]
    )
    moving = np.abs(drive.states[..., Ego.VX, None]) > MOVING
    counts = parked[:, samples].T & moving & (beside.along <= 0.0) & (beside.side <= PARKED_REACH)
    return _passing(beside.side, counts, who)


def passing_parked(drive: Drive) -> Reading:
    """The ego drives past a parked vehicle."""
    found = drive.once(passed_parked)
    return Reading(found.any, None, found.agent)


def parked_side_gap(drive: Drive) -> Reading:
    """Lateral gap to the parked vehicle that the ego drives past."""
    found = drive.once(passed_parked)
    return Reading(found.gap, found.any, found.agent)


SIGNALS: Mapping[str, Function] = {
    "vru_clearance": vru_clearance,
    "vru_near": vru_near,
    "passing_vru": passing_vru,
    "vru_side_gap": vru_side_gap,
    "passing_parked": passing_parked,
    "parked_side_gap": parked_side_gap,
    "ev_near": absent,
    "ev_path_margin": absent,
    "ramp_vehicle": absent,
}
