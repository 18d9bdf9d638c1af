"""Signals of lane changes and of the choice of lane."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.scene import DT
from drive.signals.drive import Drive, Function, Reading, absent
from drive.signals.lane import ego_lane, find_corners, find_lanes, neighbour
from drive.vehicle import Ego

Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

TOUCH = 1e-6  # m across a line that count as crossing it
FREE_BEHIND, FREE_AHEAD = 20.0, 10.0  # m behind the ego, s of driving ahead of it
CONTINUES = 150.0  # m
FASTER = 0.5  # m/s
OVERTAKING_MEMORY = 3.0  # s since the other was ahead
CLOSING_MEMORY = 1.0  # s


class Changes(NamedTuple):
    """Lane changes, ``[B, T]``: ``on`` the box is across the line between two lanes; ``start`` first sample of that;
    ``target`` lane that the change goes to (-1: no change); ``possible`` a same-direction lane lies beside."""

    on: Bool
    start: Bool
    target: Int
    possible: Bool


def find_changes(drive: Drive) -> Changes:
    """Lane changes of the drives."""
    road, corners, lane = drive.road, drive.once(find_corners), drive.once(find_lanes).lane
    beside = {}
    for name, side, inside in (("left", road.map.left, corners.left), ("right", road.map.right, corners.right)):
        has = (side[corners.lane] >= 0) & (corners.lane >= 0) if len(side) else np.zeros(inside.shape, np.bool_)
        over = has & (inside < -TOUCH)
        beside[name] = over.any(axis=2) & ~(has & (inside < 0.0)).all(axis=2)
    on = beside["left"] | beside["right"]
    start = on & ~np.concatenate((np.ones_like(on[:, :1]), on[:, :-1]), axis=1)
    left, right = neighbour(drive, road.map.left), neighbour(drive, road.map.right)
    aimed = np.where(beside["left"] & (left >= 0), left, np.where(beside["right"] & (right >= 0), right, lane))
    target = np.full(drive.shape, -1, np.int32)
    for t in range(drive.shape[1]):
        begins = on[:, t] if t == 0 else on[:, t] & ~on[:, t - 1]
        held = target[:, t - 1] if t else target[:, t]
        target[:, t] = np.where(begins, aimed[:, t], np.where(on[:, t], held, -1))
    return Changes(on, start, target, on | (left >= 0) | (right >= 0))


def lane_change(drive: Drive) -> Reading:
    """The box is across the line between two lanes."""
    changes = drive.once(find_changes)
    return Reading(changes.on, changes.possible)


def lane_change_start(drive: Drive) -> Reading:
    """First sample of a lane change."""
    changes = drive.once(find_changes)
    return Reading(changes.start, changes.possible)


def in_right_lane(drive: Drive) -> Reading:
    """No lane of the same direction on the kerb side."""
    return Reading(neighbour(drive, _kerb(drive)) < 0, drive.once(find_lanes).lane >= 0)


def right_lane_free(drive: Drive) -> Reading:
    """The lane on the kerb side goes on and is empty."""
    lane, place, world = neighbour(drive, _kerb(drive)), drive.center_place, drive.world
    if drive.road.frame is None or place is None or not (lane >= 0).any():
        return Reading(np.zeros(drive.shape, np.bool_), lane >= 0)
    front, rear = drive.front_place, drive.rear_place
    assert front is not None and rear is not None
    remaining = drive.road.runs_on[lane] - drive.once(ego_lane).s
    free = remaining >= np.minimum(CONTINUES, drive.road.frame.end - place.s)
    low, high = rear.s - FREE_BEHIND, front.s + FREE_AHEAD * np.maximum(drive.states[..., Ego.VX], 0.0)
    samples = drive.shape[1]
    for b in range(drive.shape[0]):
        for number in np.unique(lane[b][lane[b] >= 0]):
            there = world.in_chain(int(number))[:, :samples]
            taken = there & (world.far_end[:, :samples] > low[b]) & (world.near_end[:, :samples] < high[b])
            free[b] &= (lane[b] != number) | ~taken.any(axis=0)
    return Reading(free, lane >= 0)


def _kerb(drive: Drive) -> Int:
    return drive.road.map.left if drive.road.left_hand else drive.road.map.right


def overtaking(drive: Drive) -> Reading:
    """Passing, or about to pass, somebody who was ahead and goes the same way."""
    world, front_place, rear_place = drive.world, drive.front_place, drive.rear_place
    found, agent = np.zeros(drive.shape, np.bool_), np.full(drive.shape, -1)
    if front_place is None or rear_place is None or not len(world.valid):
        return Reading(found)
    samples = drive.shape[1]
    memory, closing = round(OVERTAKING_MEMORY / DT), round(CLOSING_MEMORY / DT)
    near, far, along = (part[:, :samples] for part in (world.near_end, world.far_end, world.along_route))
    lane_low, lane_high = (part[:, :samples] for part in world.lane_span)
    same_way = world.valid[:, :samples] & world.vehicles[:, None] & (along > FASTER)
    for b in range(drive.shape[0]):
        front, rear = front_place.s[b], rear_place.s[b]
        ahead = same_way & (near > front)
        beside = same_way & (near <= front) & (far >= rear)
        gap = np.where(ahead, near - front, np.inf)
        before = np.concatenate((np.full((len(gap), closing), np.inf), gap), axis=1)[:, :samples]
        closed = ahead & np.isfinite(before) & (gap < before)
        clear = (drive.lateral_span[1][b] < lane_low) | (drive.lateral_span[0][b] > lane_high)
        faster = drive.states[b, :, Ego.VX] > along + FASTER
        hits = _within(ahead, memory) & faster & clear & (beside | closed)
        found[b] = hits.any(axis=0)
        agent[b] = np.where(found[b], hits.argmax(axis=0), -1)
    return Reading(found, None, agent)


def _within(flag: Bool, samples: int) -> Bool:
    """True where a flag ``[A, T]`` was up now or within the last ``samples``."""
    count = np.cumsum(flag, axis=1)
    earlier = np.zeros_like(count)
    earlier[:, samples + 1 :] = count[:, : -samples - 1]
    return count > earlier


SIGNALS: Mapping[str, Function] = {
    "lane_change": lane_change,
    "lane_change_start": lane_change_start,
    "turn_signal": absent,
    "in_right_lane": in_right_lane,
    "right_lane_free": right_lane_free,
    "no_overtaking": absent,
    "overtaking": overtaking,
}
