"""Right of way among agents whose paths cross: stop lines, and one owner per conflict.

A driver enters a conflict only as its owner. Ownership is asked for when the driver comes near, for all conflicts between
which there is no room to stop at once, and given by a comparison that both sides compute alike; so two never believe
they may go, whatever the order in which agents are visited.
"""

import numpy as np
from numpy.typing import NDArray

from drive.drivers import Driver
from drive.kernels import kernel
from drive.kernels.traffic_follow import FAR, needed_deceleration, random_uniform, travel_time
from drive.kernels.traffic_world import (
    ACTIVE,
    ARC,
    DT,
    HOLD,
    LINE_ARC,
    LINE_LIGHT,
    MOVING,
    PATH_SPEED,
    PEDAL,
    SPACING,
    WAITED,
    WALKER,
    ZONE_BEGIN,
    ZONE_END,
    ZONE_ID,
    ZONE_MARKED,
    ZONE_OTHER,
    ZONE_OTHER_BEGIN,
    ZONE_OTHER_END,
    ZONE_RIGHT,
    TrafficState,
    TrafficWorld,
)

Float = NDArray[np.float64]

# enum members as plain numbers: what compiled code reads
D_ACCELERATION, D_DECELERATION, D_MAX = (
    Driver.ACCELERATION.value,
    Driver.DECELERATION.value,
    Driver.MAX_DECELERATION.value,
)
D_COURTESY, D_GAP_FACTOR, D_YELLOW = Driver.COURTESY.value, Driver.GAP_FACTOR.value, Driver.YELLOW_DECELERATION.value
D_START, D_PATIENCE, D_SEED = Driver.START_LOSS.value, Driver.PATIENCE.value, Driver.SEED.value
YELLOW, RED = 2, 3
TIME_TO_SPARE = 1.5  # s between leaving a conflict and the next one's arrival, times GAP_FACTOR
_STANDING = 0.3  # m/s


@kernel
def line_ahead(world: TrafficWorld, state: TrafficState, i: int, k: int) -> float:
    """Arc length [m] of the line that agent ``i``'s front must not pass now, or FAR."""
    motion = state.motion[i]
    v, front = motion[MOVING], motion[ARC] + 0.5 * world.size[i, 0]
    driver = world.driver[i]
    end = world.line_ptr[i + 1]
    row = state.next_line[i]
    while row < end and world.line[row, LINE_ARC] < front - 0.3:
        row += 1
    state.next_line[i] = row
    if state.order[i, 0] != 0.0:
        return FAR
    while row < end and world.line[row, LINE_ARC] < front + 20.0 + 5.0 * v:
        gap = world.line[row, LINE_ARC] - front
        light = int(world.line[row, LINE_LIGHT])
        if state.decided[i] == row:  # ran the yellow, or has stopped at this sign
            row += 1
            continue
        if light < 0:
            if v > 0.2 or gap > 2.5:
                return world.line[row, LINE_ARC]
            state.decided[i] = row
        else:
            color = world.light[light, min(world.begin[0] + k, world.light.shape[1] - 1)]
            needed = needed_deceleration(v, gap, 0.0, 0.0)
            stopping = state.decided[i] == -2 - row
            if color == RED or color == YELLOW:
                bearable = 0.95 * driver[D_MAX] if color == RED or stopping else driver[D_YELLOW]
                if needed <= bearable:
                    state.decided[i] = -2 - row
                    if v < _STANDING and gap < 8.0:
                        state.motion[i, HOLD] = k * DT + driver[D_START]
                    return world.line[row, LINE_ARC]
                state.decided[i] = row
            elif k * DT < motion[HOLD] and v < _STANDING and gap < 8.0:
                return world.line[row, LINE_ARC]
        row += 1
    return FAR


@kernel
def in_play(world: TrafficWorld, state: TrafficState, row: int) -> bool:
    """True while the other agent of a conflict row is about and has not left the conflict."""
    j = world.zone[row, ZONE_OTHER]
    return (
        state.life[j] == ACTIVE and state.motion[j, ARC] - 0.5 * world.size[j, 0] <= world.zone_arc[row, ZONE_OTHER_END]
    )


@kernel
def release(world: TrafficWorld, state: TrafficState, i: int) -> None:
    """Give up conflicts that agent ``i`` has left, or is stuck before."""
    motion = state.motion[i]
    half = 0.5 * world.size[i, 0]
    front, rear = motion[ARC] + half, motion[ARC] - half
    stuck = motion[MOVING] < _STANDING and state.plan[i, 0] <= 0.0
    leading = True
    for row in range(state.next_zone[i], world.zone_ptr[i + 1]):
        zone = world.zone[row, ZONE_ID]
        passed = world.zone_arc[row, ZONE_END] < rear
        leading = leading and passed
        if leading:
            state.next_zone[i] = row + 1
        if state.owner[zone] == i and (passed or (stuck and world.zone_arc[row, ZONE_BEGIN] > front)):
            state.owner[zone] = -1
        if world.zone_arc[row, ZONE_BEGIN] > front + 100.0:
            break


@kernel
def occupy(world: TrafficWorld, state: TrafficState, i: int) -> None:
    """Own the free conflicts that agent ``i`` is in alone (it may have started there)."""
    half = 0.5 * world.size[i, 0]
    front, rear = state.motion[i, ARC] + half, state.motion[i, ARC] - half
    for row in range(state.next_zone[i], world.zone_ptr[i + 1]):
        if world.zone_arc[row, ZONE_BEGIN] > front:
            break
        zone = world.zone[row, ZONE_ID]
        if state.owner[zone] == -1 and world.zone_arc[row, ZONE_END] >= rear and in_play(world, state, row):
            j = world.zone[row, ZONE_OTHER]
            if state.motion[j, ARC] + 0.5 * world.size[j, 0] < world.zone_arc[row, ZONE_OTHER_BEGIN]:
                state.owner[zone] = i


@kernel
def decision_distance(world: TrafficWorld, state: TrafficState, i: int) -> float:
    """How far before a conflict agent ``i`` asks for it: a comfortable stop and a second and a half."""
    if world.mode[i] == WALKER:
        return 1.0
    v = state.motion[i, MOVING]
    return v * v / (2.0 * min(world.driver[i, D_DECELERATION], 2.0)) + 1.5 * v + 6.0


@kernel
def request(world: TrafficWorld, state: TrafficState, i: int, k: int) -> None:
    """Write into ``state.claim[i]`` the rows of the next group of conflicts to ask for (from, to) and whether to ask."""
    motion, driver = state.motion[i], world.driver[i]
    v = motion[MOVING]
    half = 0.5 * world.size[i, 0]
    front, rear = motion[ARC] + half, motion[ARC] - half
    horizon = front + decision_distance(world, state, i)
    forced = state.order[i, 0] != 0.0
    impatient = motion[WAITED] > driver[D_PATIENCE]
    low, high = world.path_ptr[i], world.path_ptr[i + 1]
    top = world.path[min(low + int(front / SPACING), high - 1), PATH_SPEED]
    first, last, group_end, want = -1, -1, 0.0, True
    for row in range(state.next_zone[i], world.zone_ptr[i + 1]):
        begin, end = world.zone_arc[row, ZONE_BEGIN], world.zone_arc[row, ZONE_END]
        if first < 0 and begin > horizon:
            break
        if first >= 0 and begin > group_end + 2.0 * half + 1.0:
            break
        zone = world.zone[row, ZONE_ID]
        if end < rear or begin < front - 0.3 or state.owner[zone] == i or not in_play(world, state, row):
            continue
        if first < 0:
            first, group_end = row, end
        group_end = max(group_end, end)
        last = row + 1
        if want and not may_ask(world, state, i, row, k, v, front, end + half - motion[ARC], top, forced, impatient):
            want = False
    if first >= 0 and not forced:
        if state.plan[i, 1] < world.zone_arc[first, ZONE_BEGIN]:  # a line closes the way before
            want = False
        room = state.plan[i, 2] - group_end
        if world.mode[i] != WALKER and state.plan[i, 3] < 2.0 and room < 2.0 * half + 0.5:
            want = False  # would stand in it
    state.claim[i, 0], state.claim[i, 1], state.claim[i, 2] = first, last, 1 if want and first >= 0 else 0


@kernel
def may_ask(
    world: TrafficWorld,
    state: TrafficState,
    i: int,
    row: int,
    k: int,
    v: float,
    front: float,
    way_out: float,
    top: float,
    forced: bool,
    impatient: bool,
) -> bool:
    """True if agent ``i`` would dare to enter the conflict of ``row``, judged by the other's place and motion."""
    j = world.zone[row, ZONE_OTHER]
    driver, other = world.driver[i], state.motion[j]
    other_front = other[ARC] + 0.5 * world.size[j, 0]
    distance = world.zone_arc[row, ZONE_OTHER_BEGIN] - other_front
    if state.owner[world.zone[row, ZONE_ID]] == j:  # only a walker on a marked crossing stops those who can stop well
        return (
            world.zone[row, ZONE_MARKED] == 1
            and world.mode[i] == WALKER
            and distance > 0.5
            and needed_deceleration(other[MOVING], distance - 0.5, 0.0, 0.0) < 0.8 * world.driver[j, D_DECELERATION]
        )
    right = world.zone[row, ZONE_RIGHT]
    if other[MOVING] < _STANDING:
        waits = world.mode[j] == WALKER and other[WAITED] > 0.0
        if forced or impatient or right > 0 or not waits:
            return True
        return random_uniform(driver[D_SEED] + world.driver[j, D_SEED], 0, 1) > driver[D_COURTESY]
    if state.plan[j, 1] < world.zone_arc[row, ZONE_OTHER_BEGIN]:  # a red light holds the other back
        return True
    leave = travel_time(way_out, v, driver[D_ACCELERATION], top)
    arrival = distance / max(other[MOVING] + other[PEDAL], 0.5 * other[MOVING], 0.1)
    if needed_deceleration(other[MOVING], distance, 0.0, 0.0) > 0.8 * world.driver[j, D_MAX]:  # cannot stop any more
        return distance > 0.0 and leave + 0.5 < arrival
    if forced or impatient or right > 0:
        return True
    spare = TIME_TO_SPARE
    if world.mode[i] == WALKER:
        spare = 0.5 if world.zone[row, ZONE_MARKED] == 1 else 2.0
        if driver[D_COURTESY] < 0.05:
            return True
    if right == 0 and travel_time(world.zone_arc[row, ZONE_BEGIN] - front, v, driver[D_ACCELERATION], top) < arrival:
        return True
    return leave + spare * driver[D_GAP_FACTOR] < arrival


@kernel
def goes_first(world: TrafficWorld, state: TrafficState, i: int, j: int, row: int) -> bool:
    """Who gets a conflict that both ask for: always the opposite answer for the other agent's row."""
    if (state.order[i, 0] != 0.0) != (state.order[j, 0] != 0.0):
        return state.order[i, 0] != 0.0
    waited_i, waited_j = state.motion[i, WAITED], state.motion[j, WAITED]
    late_i = waited_i > world.driver[i, D_PATIENCE]
    late_j = waited_j > world.driver[j, D_PATIENCE]
    if late_i != late_j:
        return late_i
    if late_i and waited_i != waited_j:
        return waited_i > waited_j
    right = world.zone[row, ZONE_RIGHT]
    if right != 0 and not late_i:
        return right > 0
    mine = world.zone_arc[row, ZONE_BEGIN] - state.motion[i, ARC] - 0.5 * world.size[i, 0]
    theirs = world.zone_arc[row, ZONE_OTHER_BEGIN] - state.motion[j, ARC] - 0.5 * world.size[j, 0]
    mine /= max(state.motion[i, MOVING], 1.0)
    theirs /= max(state.motion[j, MOVING], 1.0)
    if mine != theirs:
        return mine < theirs
    if world.driver[i, D_SEED] != world.driver[j, D_SEED]:
        return world.driver[i, D_SEED] < world.driver[j, D_SEED]
    return i < j


@kernel
def grant(world: TrafficWorld, state: TrafficState, i: int) -> bool:
    """Decide agent ``i``'s request from what all asked for: True if every conflict of the group can be its own."""
    if state.claim[i, 2] == 0:
        return False
    for row in range(state.claim[i, 0], state.claim[i, 1]):
        zone = world.zone[row, ZONE_ID]
        if state.owner[zone] == i or not in_play(world, state, row):
            continue
        j = world.zone[row, ZONE_OTHER]
        if state.claim[j, 2] == 1:
            for other in range(state.claim[j, 0], state.claim[j, 1]):
                if world.zone[other, ZONE_ID] == zone and not goes_first(world, state, i, j, row):
                    return False
    return True


@kernel
def take(world: TrafficWorld, state: TrafficState, i: int) -> None:
    """Make agent ``i`` the owner of the conflicts it asked for."""
    rear = state.motion[i, ARC] - 0.5 * world.size[i, 0]
    for row in range(state.claim[i, 0], state.claim[i, 1]):
        zone = world.zone[row, ZONE_ID]
        free = state.owner[zone] == -1 or world.mode[i] == WALKER  # others never take from an owner
        if free and world.zone_arc[row, ZONE_END] >= rear and in_play(world, state, row):
            state.owner[zone] = i


@kernel
def closed_at(world: TrafficWorld, state: TrafficState, i: int) -> float:
    """Arc length [m] where agent ``i``'s front has to stop for a conflict that is not its own, or FAR."""
    half = 0.5 * world.size[i, 0]
    front, rear = state.motion[i, ARC] + half, state.motion[i, ARC] - half
    horizon = front + decision_distance(world, state, i)
    forced = state.order[i, 0] != 0.0
    for row in range(state.next_zone[i], world.zone_ptr[i + 1]):
        begin = world.zone_arc[row, ZONE_BEGIN]
        if begin > horizon:
            break
        owner = state.owner[world.zone[row, ZONE_ID]]
        if (
            owner != i
            and not (forced and owner == -1)
            and begin >= front - 0.3
            and world.zone_arc[row, ZONE_END] >= rear
            and in_play(world, state, row)
        ):
            return begin
    return FAR
