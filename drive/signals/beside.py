"""Signals of road users beside the ego, in the next lane, and oncoming. Everything is measured in the route frame."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drive.scene import DRIVING_KINDS, Cue
from drive.signals import rss
from drive.signals.change import find_changes
from drive.signals.drive import Drive, Function, Place, Reading
from drive.signals.lane import find_opposite, neighbour
from drive.vehicle import Ego

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

ALONGSIDE, PASSING = 6.0, 5.0  # m to the side
MOVING, FASTER = 0.5, 0.5  # m/s
EXTENDED = 2.0  # m ahead of and behind the ego that count as beside
REACH = 150.0  # m
SIDE = 10.0  # m to the side, beyond which somebody is on another road
QUEUE, QUEUE_SPEED, QUEUE_REACH = 3, 8.33, 100.0  # vehicles, m/s, m
URBAN_LIMIT = 16.7  # m/s: roads with a lower limit are urban, and lanes are freely chosen there
ONCOMING_REACH, ONCOMING_LONGEST = 300.0, 20.0  # m, s
LATERAL_MEMORY = 5  # samples over which lateral speeds are averaged
CROSSING = np.cos(np.radians(45.0))


class Beside(NamedTuple):
    """Agents seen from one drive, ``[A, T]``: ``ahead`` [m] from the front bumper to their rear end, ``behind`` [m]
    from their front end to the rear bumper, ``gap`` lateral gap [m] (negative: overlap), ``left`` they are to the left,
    ``present``."""

    ahead: Float
    behind: Float
    gap: Float
    left: Bool
    present: Bool

    @property
    def overlap(self) -> Bool:
        """Boxes overlap along the route."""
        return self.present & (self.ahead <= 0.0) & (self.behind <= 0.0)


def each_drive(drive: Drive) -> Iterator[tuple[int, Beside]]:
    """The agents seen from each drive; nothing where the scene has no route or no agents."""
    world, front, rear = drive.world, drive.front_place, drive.rear_place
    places, samples = world.places, drive.shape[1]
    if front is None or rear is None or places is None or not len(world.kind):
        return
    low, high = places.d[:, :samples].min(axis=2), places.d[:, :samples].max(axis=2)
    middle = places.center_d[:, :samples]
    present = world.valid[:, :samples]
    near, far = np.where(present, world.near_end[:, :samples], 0.0), np.where(present, world.far_end[:, :samples], 0.0)
    ego_low, ego_high = drive.lateral_span
    for b in range(drive.shape[0]):
        gap = np.maximum(low - ego_high[b], ego_low[b] - high)
        left = middle > (ego_low[b] + ego_high[b]) / 2
        yield b, Beside(near - front.s[b], rear.s[b] - far, gap, left, present)


def _least(values: Float, mask: Bool) -> tuple[Float, Int, Bool]:
    """Smallest masked value of each column, the row that has it (-1: none), and whether there is one."""
    held = np.where(mask, values, np.inf)
    row = held.argmin(axis=0)
    some = mask.any(axis=0)
    return np.where(some, held[row, np.arange(values.shape[1])], 0.0), np.where(some, row, -1), some


class Found(NamedTuple):
    """Value, agent (-1: none) and validity ``[B, T]`` of something about the agents."""

    value: Float
    agent: Int
    some: Bool


def _nothing(drive: Drive) -> Found:
    return Found(np.zeros(drive.shape), np.full(drive.shape, -1, np.int32), np.zeros(drive.shape, np.bool_))


def lateral_speeds(drive: Drive) -> tuple[Float, Float]:
    """Speeds across the route, positive to the left, averaged over half a second: agents ``[A, T]``, ego ``[B, T]``."""
    place, frame = drive.center_place, drive.road.frame
    assert place is not None and frame is not None
    samples = drive.shape[1]
    ego = drive.states[..., Ego.VX] * np.sin(drive.states[..., Ego.HEADING] - frame.heading[place.row])
    present = drive.world.valid[:, :samples]
    agents = np.where(present, drive.world.across_route[:, :samples], 0.0)
    counts = _recent_sum(present.astype(np.float64))
    return _recent_sum(agents) / np.maximum(counts, 1.0), _recent_sum(ego) / _recent_sum(np.ones_like(ego))


def _recent_sum(values: Float) -> Float:
    total = np.cumsum(values, axis=1)
    total[:, LATERAL_MEMORY:] -= total[:, :-LATERAL_MEMORY].copy()
    return total


def rss_lateral_margins(drive: Drive, b: int, beside: Beside, speeds: tuple[Float, Float]) -> Float:
    """Lateral gap beyond the RSS distance ``[A, T]`` [m]."""
    agents, ego = speeds
    sign = np.where(beside.left, 1.0, -1.0)
    needed = rss.lateral(torch.as_tensor(sign * ego[b]), torch.as_tensor(sign * agents)).numpy()
    return beside.gap - np.asarray(needed, np.float64)


def find_alongside(drive: Drive) -> Found:
    """Least lateral RSS margin among those beside the ego."""
    found = _nothing(drive)
    movable = ~drive.world.static[:, None]
    speeds = lateral_speeds(drive) if drive.center_place is not None else None
    for b, beside in each_drive(drive):
        assert speeds is not None
        mask = beside.overlap & movable & (beside.gap <= ALONGSIDE)
        found.value[b], found.agent[b], found.some[b] = _least(rss_lateral_margins(drive, b, beside, speeds), mask)
    return found


def alongside(drive: Drive) -> Reading:
    """Somebody is beside the ego."""
    found = drive.once(find_alongside)
    return Reading(found.some, None, found.agent)


def rss_lat_margin(drive: Drive) -> Reading:
    """Lateral gap beyond the RSS distance to those beside the ego."""
    found = drive.once(find_alongside)
    return Reading(found.value, found.some, found.agent)


def rss_margin(drive: Drive) -> Reading:
    """Negative where both RSS distances to somebody are too short at once."""
    found, world, samples = _nothing(drive), drive.world, drive.shape[1]
    speeds = lateral_speeds(drive) if drive.center_place is not None else None
    along = world.along_route[:, :samples]
    moving = world.speed[:, :samples] > MOVING
    driving = np.isin(world.kind, DRIVING_KINDS)[:, None]
    crossing = driving & moving & (np.abs(along) < CROSSING * world.speed[:, :samples])
    theirs = torch.as_tensor(along)
    for b, beside in each_drive(drive):
        assert speeds is not None
        mine = torch.as_tensor(drive.states[b, :, Ego.VX])
        toward = moving & (along < -MOVING)
        following = rss.same_direction(mine, theirs).numpy()
        meeting = rss.opposite_direction(mine, -theirs).numpy()
        followed = rss.same_direction(theirs, mine).numpy()
        in_front = beside.ahead > beside.behind  # by the middle of the boxes
        front = beside.ahead - np.where(toward, meeting, following)
        back = np.where(toward, REACH, beside.behind - followed)
        margin = np.maximum(np.where(in_front, front, back), rss_lateral_margins(drive, b, beside, speeds))
        # Whoever follows in the ego's own track keeps the distance, not the ego.
        tail = ~in_front & (beside.gap < 0.0)
        near = np.maximum(beside.ahead, beside.behind) <= REACH
        near &= beside.gap <= SIDE
        mask = beside.present & near & ~crossing & ~tail & ~world.static[:, None]
        found.value[b], found.agent[b], found.some[b] = _least(margin, mask)
    return Reading(found.value, found.some, found.agent)


def inner_lane(drive: Drive) -> Int:
    """The neighbour of the ego lane away from the kerb ``[B, T]`` (left in right-hand traffic), -1 for none."""
    return neighbour(drive, drive.road.map.right if drive.road.left_hand else drive.road.map.left)


def find_left(drive: Drive) -> Found:
    """The fastest vehicle beside the ego in the inner lane, and its speed."""
    found, world, samples = _nothing(drive), drive.world, drive.shape[1]
    lane = inner_lane(drive)
    for b, beside in each_drive(drive):
        near = beside.present & (beside.ahead <= EXTENDED) & (beside.behind <= EXTENDED) & world.vehicles[:, None]
        mask = near & _in_lanes(drive, lane[b])
        value, found.agent[b], found.some[b] = _least(-world.along_route[:, :samples], mask)
        found.value[b] = -value
    return found


def _in_lanes(drive: Drive, lane: Int) -> Bool:
    """Agents ``[A, T]`` in the lane ``[T]`` of each sample, or in what it leads to or comes from."""
    there = np.zeros((len(drive.world.kind), len(lane)), np.bool_)
    for number in np.unique(lane[lane >= 0]):
        there |= drive.world.in_chain(int(number))[:, : len(lane)] & (lane == number)
    return there


def left_vehicle(drive: Drive) -> Reading:
    """A vehicle is beside the ego in the inner lane."""
    found = drive.once(find_left)
    return Reading(found.some, inner_lane(drive) >= 0, found.agent)


def left_speed(drive: Drive) -> Reading:
    """Speed of the vehicle in the inner lane."""
    found = drive.once(find_left)
    return Reading(found.value, found.some, found.agent)


def left_slow(drive: Drive) -> Reading:
    """The vehicle in the inner lane is in a queue."""
    found, world, samples = drive.once(find_left), drive.world, drive.shape[1]
    slow = np.zeros(drive.shape, np.bool_)
    lane = inner_lane(drive)
    if world.places is None or not found.some.any():
        return Reading(slow, found.some, found.agent)
    at = np.arange(samples)
    center = world.places.center_s[:, :samples]
    for b in range(drive.shape[0]):
        ahead = center - center[found.agent[b], at]
        queue = _in_lanes(drive, lane[b]) & world.vehicles[:, None] & (world.speed[:, :samples] <= QUEUE_SPEED)
        slow[b] = (queue & (ahead > 0.0) & (ahead <= QUEUE_REACH)).sum(axis=0) >= QUEUE
    return Reading(slow, found.some, found.agent)


def right_pass_exempt(drive: Drive) -> Reading:
    """Passing on the kerb side is allowed: an urban road, or the other one indicates to turn away."""
    found, scenario = drive.once(find_left), drive.world.scenario
    limit = drive.values("speed_limit")
    urban = limit.valid.cpu().numpy() & (drive.array("speed_limit") <= URBAN_LIMIT)
    turning = np.zeros(drive.shape, np.bool_)
    if found.some.any():
        signal = Cue.INDICATOR_RIGHT if drive.road.left_hand else Cue.INDICATOR_LEFT
        steps = np.minimum(drive.world.first + np.arange(drive.shape[1]), scenario.steps - 1)
        turning = (scenario.tracks.cues[found.agent, steps] & signal) != 0
    return Reading(urban | turning, found.some, found.agent)


class Gaps(NamedTuple):
    """The next vehicles in the target lane of a lane change: ahead and behind."""

    front: Found
    rear: Found


def find_gaps(drive: Drive) -> Gaps:
    """Vehicles ahead and behind in the target lane; values are their rear and front end on the route [m]."""
    front, rear = _nothing(drive), _nothing(drive)
    world, samples, target = drive.world, drive.shape[1], drive.once(find_changes).target
    center = drive.center_place
    driving = np.isin(world.kind, DRIVING_KINDS)[:, None]
    for b, beside in each_drive(drive):
        assert world.places is not None and center is not None
        there = _in_lanes(drive, target[b]) & driving & beside.present
        ahead = world.places.center_s[:, :samples] >= center.s[b]
        near, far = world.near_end[:, :samples], world.far_end[:, :samples]
        mask = there & ahead & (beside.ahead <= REACH)
        front.value[b], front.agent[b], front.some[b] = _least(near, mask)
        mask = there & ~ahead & (beside.behind <= REACH)
        value, rear.agent[b], rear.some[b] = _least(-far, mask)
        rear.value[b] = -value
    return Gaps(front, rear)


def _beyond(drive: Drive, found: Found, forward: float, place: Place | None, sign: float) -> Tensor:
    if place is None:
        return torch.zeros_like(drive.speed)
    return sign * (drive.tensor(found.value) - drive.route_arc(forward, place))


def front_gap_target(drive: Drive) -> Reading:
    """Gap to the next vehicle ahead in the target lane."""
    found = drive.once(find_gaps).front
    gap = _beyond(drive, found, drive.world.vehicle.front, drive.front_place, 1.0)
    return Reading(gap, found.some, found.agent)


def rear_gap_target(drive: Drive) -> Reading:
    """Gap to the next vehicle behind in the target lane."""
    found = drive.once(find_gaps).rear
    gap = _beyond(drive, found, -drive.world.vehicle.rear, drive.rear_place, -1.0)
    return Reading(gap, found.some, found.agent)


def rear_closing(drive: Drive) -> Reading:
    """Speed at which the next vehicle behind in the target lane closes in."""
    found, samples = drive.once(find_gaps).rear, np.arange(drive.shape[1])
    if not found.some.any():
        return Reading(np.zeros(drive.shape), found.some)
    theirs = drive.tensor(drive.world.along_route[found.agent, samples])
    return Reading((theirs - drive.speed).clamp(min=0.0), found.some, found.agent)


def find_passed(drive: Drive) -> Found:
    """The vehicle that is being passed most closely, and the lateral gap to it."""
    found, world, samples = _nothing(drive), drive.world, drive.shape[1]
    along = world.along_route[:, :samples]
    for b, beside in each_drive(drive):
        slower = (along > MOVING) & (drive.states[b, :, Ego.VX] > along + FASTER)
        mask = beside.overlap & world.vehicles[:, None] & slower & (beside.gap <= PASSING)
        found.value[b], found.agent[b], found.some[b] = _least(beside.gap, mask)
    return found


def passing(drive: Drive) -> Reading:
    """The ego passes a vehicle that goes the same way."""
    found = drive.once(find_passed)
    return Reading(found.some, None, found.agent)


def pass_gap(drive: Drive) -> Reading:
    """Lateral gap to the vehicle being passed."""
    found = drive.once(find_passed)
    return Reading(found.value, found.some, found.agent)


def oncoming_time(drive: Drive) -> Reading:
    """Time until the ego meets the next oncoming vehicle of the lane it borrows."""
    borrowed = drive.array("opposite_margin") < 0.0
    world, samples = drive.world, drive.shape[1]
    value, agent = np.full(drive.shape, ONCOMING_LONGEST), np.full(drive.shape, -1)
    if not borrowed.any():
        return Reading(value, borrowed)
    lane = np.where(borrowed, drive.once(find_opposite).lane, -1).astype(np.int32)
    driving = np.isin(world.kind, DRIVING_KINDS)[:, None]
    along = world.along_route[:, :samples]
    for b, beside in each_drive(drive):
        assert world.places is not None
        against = np.cos(world.heading[:, :samples] - world.places.tangent[:, :samples]) < -0.5
        coming = beside.present & driving & against & (beside.behind < 0.0) & (beside.ahead <= ONCOMING_REACH)
        ahead, row, some = _least(beside.ahead, coming & _in_lanes(drive, lane[b]))
        rate = np.maximum(drive.states[b, :, Ego.VX], 0.0) + np.maximum(-along[row, np.arange(samples)], 0.0)
        meets = some & (rate > 0.0)
        value[b] = np.where(meets, np.maximum(ahead, 0.0) / np.where(meets, rate, 1.0), ONCOMING_LONGEST)
        agent[b] = row
    return Reading(np.minimum(value, ONCOMING_LONGEST), borrowed, agent)


SIGNALS: Mapping[str, Function] = {
    "alongside": alongside,
    "rss_lat_margin": rss_lat_margin,
    "rss_margin": rss_margin,
    "left_vehicle": left_vehicle,
    "left_speed": left_speed,
    "left_slow": left_slow,
    "right_pass_exempt": right_pass_exempt,
    "front_gap_target": front_gap_target,
    "rear_gap_target": rear_gap_target,
    "rear_closing": rear_closing,
    "passing": passing,
    "pass_gap": pass_gap,
    "oncoming_time": oncoming_time,
}
