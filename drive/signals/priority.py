"""Signals of right of way in junctions. Roundabouts are marked in no source, so their signals are valid nowhere."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from drive.scene import DRIVING_KINDS
from drive.signals.ahead import course, light_states, turn_of
from drive.signals.conflicts import (
    LONGEST,
    TURN,
    Conflict,
    Traffic,
    find_conflicts,
    in_way,
    pass_in_front,
    time_apart,
    time_between,
    time_until,
    traffic,
)
from drive.signals.crosswalks import VRU_KINDS
from drive.signals.drive import Drive, Function, Reading, absent
from drive.signals.kernels.road import project_all
from drive.signals.memo import once
from drive.signals.world import COARSE, World, slopes
from drive.signals.zones import Bool, Float, Int
from drive.vehicle import Ego

NEAR_CONFLICT = 15.0  # m before a conflict within which braking counts as caused by the ego
EXIT_ARM = 10.0  # m behind a turn in which VRUs cross the arm it leads into
PRESSING = 8.0  # s: who reaches a conflict later than this is no reason to wait
FAR = 1000.0  # m, farther than anything is looked at


class Junctions(NamedTuple):
    """Conflicts on a world's route and who is there."""

    conflicts: list[Conflict]
    traffic: list[Traffic]


@once
def junctions(world: World) -> Junctions:
    """Conflicts on the route."""
    frame, way = world.road.frame, course(world.road)
    if frame is None or way is None:
        return Junctions([], [])
    road = world.road
    conflicts = find_conflicts(road.map, world.scenario.lights, frame, way, world.vehicle.width, road.left_hand)
    return Junctions(conflicts, traffic(world, conflicts, light_states(world)))


def _inside(drive: Drive, conflict: Conflict) -> Bool:
    front, rear = drive.front_place, drive.rear_place
    assert front is not None and rear is not None
    inside: Bool = (front.s > conflict.begin) & (rear.s < conflict.end)
    if inside.any():  # who waits beside the others' way, off the middle of the route, is not in it
        vehicle = drive.world.vehicle
        inside[inside] = in_way(drive.boxes[inside], np.array((vehicle.length, vehicle.width)), conflict.line)
    return inside


def _apart(drive: Drive, wanted: Callable[[Conflict], bool]) -> Reading:
    """Smallest time apart from anybody in the wanted conflicts that the ego is inside."""
    value = np.full(drive.shape, LONGEST)
    agent = np.full(drive.shape, -1, np.int64)
    valid = np.zeros(drive.shape, np.bool_)
    found = junctions(drive.world)
    for conflict, others in zip(found.conflicts, found.traffic, strict=True):
        if not wanted(conflict):
            continue
        time, who = _times(drive, conflict, others)
        inside = _inside(drive, conflict)
        valid |= inside
        smaller = inside & (time < value)
        value = np.where(smaller, time, value)
        agent = np.where(smaller, who, agent)
    return Reading(value, valid, agent)


def _times(drive: Drive, conflict: Conflict, others: Traffic) -> tuple[Float, Int]:
    """Time apart ``[B, T]`` from those at a conflict, and whose it is."""
    if not conflict.merges:
        time, who = (part[: drive.shape[1]] for part in time_apart(others, drive.world.speed))
        return np.broadcast_to(time, drive.shape), np.broadcast_to(who, drive.shape)
    corners = np.ascontiguousarray(drive.corners.reshape(-1, 2))
    arc = project_all(conflict.way.points, conflict.way.arc, COARSE, corners)[0].reshape(*drive.shape, 4)
    here = slice(drive.shape[1])
    theirs = others.rear[:, here], others.front[:, here], drive.world.speed[:, here]
    return time_between(theirs, (arc.min(axis=2), arc.max(axis=2), drive.states[..., Ego.VX]))


def right_pet(drive: Drive) -> Reading:
    """Time apart from vehicles from the right."""
    return _apart(drive, lambda conflict: conflict.right)


def priority_pet(drive: Drive) -> Reading:
    """Time apart from vehicles with priority by a sign."""
    return _apart(drive, lambda conflict: conflict.priority)


def oncoming_pet(drive: Drive) -> Reading:
    """Time apart from oncoming vehicles while turning across their way."""
    return _apart(drive, lambda conflict: conflict.oncoming)


def priority_accel(drive: Drive) -> Reading:
    """How hard vehicles with priority brake right before a conflict that the ego is in, if nobody else is nearer."""
    world, samples = drive.world, slice(drive.shape[1])
    value = np.zeros(drive.shape)
    agent = np.full(drive.shape, -1, np.int64)
    valid = np.zeros(drive.shape, np.bool_)
    found = junctions(world)
    for conflict, others in zip(found.conflicts, found.traffic, strict=True):
        if not conflict.priority:
            continue
        inside = _inside(drive, conflict)
        valid |= inside
        for who in np.flatnonzero((others.room <= NEAR_CONFLICT).any(axis=1)):
            ego_distance = np.hypot(*np.moveaxis(drive.boxes[..., :2] - world.position[who, samples], -1, 0))
            counts = inside & (others.room[who, samples] <= NEAR_CONFLICT)
            counts &= ego_distance < _nearest_other(world, int(who))[samples]
            accel = np.broadcast_to(_accelerations(world)[who, samples], drive.shape)
            replaces = counts & ((agent < 0) | (accel < value))
            value = np.where(replaces, accel, value)
            agent = np.where(replaces, who, agent)
    return Reading(value, valid, agent)


@once
def _accelerations(world: World) -> Float:
    """Acceleration ``[A, T]`` [m/s2] of every agent along its heading."""
    along = world.velocity[..., 0] * np.cos(world.heading) + world.velocity[..., 1] * np.sin(world.heading)
    return slopes(along, world.valid)


def _nearest_other(world: World, agent: int) -> Float:
    """Distance ``[T]`` [m] between the centres of an agent and of the nearest other vehicle."""
    others = world.valid & np.isin(world.kind, DRIVING_KINDS)[:, None]
    others[agent] = False
    apart = np.hypot(*np.moveaxis(world.position - world.position[agent], -1, 0))
    nearest: Float = np.where(others, apart, np.inf).min(axis=0, initial=np.inf)
    return nearest


def yield_distance(drive: Drive) -> Float:
    """Distance ``[B, T]`` [m] to the next conflict in which somebody with the right of way is, or arrives within 8 s; 0
    inside it, 1000 where there is none."""
    distance = np.full(drive.shape, FAR)
    front, rear = drive.front_place, drive.rear_place
    found = junctions(drive.world)
    if front is None or rear is None:
        return distance
    for conflict, others in zip(found.conflicts, found.traffic, strict=True):
        pressing = time_until(others, drive.world.speed)[0][: drive.shape[1]] <= PRESSING
        before = pressing & (rear.s < conflict.end)
        distance = np.where(before, np.minimum(distance, np.maximum(conflict.begin - front.s, 0.0)), distance)
    return distance


def turn_vru_pet(drive: Drive) -> Reading:
    """Time apart from VRUs crossing the arm that the ego turns into."""
    world, frame, way = drive.world, drive.road.frame, course(drive.road)
    front, rear = drive.front_place, drive.rear_place
    value = np.full(drive.shape, LONGEST)
    agent: Int = np.full(drive.shape, -1, np.int64)
    valid = np.zeros(drive.shape, np.bool_)
    if frame is None or way is None or front is None or rear is None:
        return Reading(value, valid)
    users = np.flatnonzero(np.isin(world.kind, VRU_KINDS))
    vector_map = drive.road.map
    for lane, (begin, end) in zip(way.lanes.tolist(), way.span, strict=True):
        if not vector_map.connector[lane] or abs(turn_of(vector_map, lane)) <= TURN:
            continue
        turning = (front.s > begin) & (rear.s < end)
        valid |= turning
        stretch = ((begin + end) / 2, end + EXIT_ARM)
        for drive_row in np.flatnonzero(turning.any(axis=1)):
            steps = np.flatnonzero(turning[drive_row])
            for who in users:
                now = steps[world.valid[who, steps]]
                half = np.full((len(now), 1), world.size[who].max() / 2)
                walker = np.concatenate((world.position[who, now], world.velocity[who, now], half), axis=1)
                ego = (front.s[drive_row, now], rear.s[drive_row, now], drive.states[drive_row, now, Ego.VX])
                time = pass_in_front(ego, world.vehicle.width / 2, frame.points, frame.arc, stretch, walker)
                smaller = time < value[drive_row, now]
                value[drive_row, now[smaller]] = time[smaller]
                agent[drive_row, now[smaller]] = who
    return Reading(value, valid, agent)


SIGNALS: Mapping[str, Function] = {
    "turn_vru_pet": turn_vru_pet,
    "right_pet": right_pet,
    "priority_pet": priority_pet,
    "oncoming_pet": oncoming_pet,
    "priority_accel": priority_accel,
    "enters_roundabout": absent,
    "circulating_gap": absent,
}
