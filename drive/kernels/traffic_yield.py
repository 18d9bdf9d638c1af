"""Right of way among agents whose paths cross: stop lines, and one owner per conflict.

A driver enters a conflict only as its owner. Ownership is asked for when the driver comes near, at once for all
conflicts between which there is no room to stop, and given by a comparison that both sides compute alike; so two never
believe they may go, whatever the order in which agents are visited. Every function here loops over all agents: a call
per agent would spend more time on passing arrays than on its work. Columns: :mod:`drive.kernels.traffic_world`.
"""

import numpy as np
from numpy.typing import NDArray

from drive.drivers import Driver
from drive.kernels import kernel
from drive.kernels.traffic_follow import needed_deceleration, random_uniform, travel_time
from drive.kernels.traffic_world import (
    ACTIVE,
    ARC,
    CLAIM_FROM,
    CLAIM_TO,
    CLAIM_WANT,
    CLOSED_AT,
    COMMAND,
    DECIDED,
    DT,
    FAR,
    HOLD,
    LEAD_AT,
    LEAD_SPEED,
    LENGTH,
    LIFE,
    LINE_ARC,
    LINE_AT,
    LINE_HIGH,
    LINE_LIGHT,
    MODE,
    MOVING,
    NEXT_LINE,
    NEXT_ZONE,
    ORDER,
    PATH_HIGH,
    PATH_LOW,
    PATH_SPEED,
    PEDAL,
    SPACING,
    WAITED,
    WALKER,
    ZONE_BEGIN,
    ZONE_END,
    ZONE_HIGH,
    ZONE_ID,
    ZONE_MARKED,
    ZONE_OTHER,
    ZONE_OTHER_BEGIN,
    ZONE_OTHER_END,
    ZONE_RIGHT,
)

Float = NDArray[np.float64]
Int = NDArray[np.int64]

# enum members as plain numbers: what compiled code reads
D_ACCELERATION, D_DECELERATION = Driver.ACCELERATION.value, Driver.DECELERATION.value
D_COURTESY, D_GAP_FACTOR, D_YELLOW = Driver.COURTESY.value, Driver.GAP_FACTOR.value, Driver.YELLOW_DECELERATION.value
D_MAX, D_NOISE, D_START, D_PATIENCE, D_SEED = (
    Driver.MAX_DECELERATION.value,
    Driver.NOISE.value,
    Driver.START_LOSS.value,
    Driver.PATIENCE.value,
    Driver.SEED.value,
)
YELLOW, RED = 2, 3
STANDING = 0.3  # m/s
# s between leaving a conflict and the next one's arrival, times GAP_FACTOR; on marked crossings walkers want less
SPARE, WALKER_SPARE, MARKED_SPARE = 1.5, 2.0, 0.5
LONG_WAIT = 30.0  # s of waiting after which 30 % less is demanded
ROLLING, ROLLING_SHARE, SIGN_STREAM = 1.0, 0.3, 7  # m/s over a stop sign's line, share of drivers, random stream


@kernel
def look_for_lines(
    who: Int, driver: Float, line: Float, light: NDArray[np.int8], step: int, mind: Int, motion: Float, k: int
) -> None:
    """Set LINE_AT, the arc length [m] of the line an agent's front must not pass now, or FAR; ``step``: scene step."""
    for i in range(len(who)):
        if mind[i, LIFE] != ACTIVE:
            continue
        motion[i, LINE_AT] = FAR
        v, front = motion[i, MOVING], motion[i, ARC] + 0.5 * driver[i, LENGTH]
        end = who[i, LINE_HIGH]
        row = mind[i, NEXT_LINE]
        while row < end and line[row, LINE_ARC] < front - 0.3:
            row += 1
        mind[i, NEXT_LINE] = row
        while motion[i, ORDER] == 0.0 and row < end and line[row, LINE_ARC] < front + 20.0 + 5.0 * v:
            if mind[i, DECIDED] != row and is_closed(driver, line, light, step, mind, motion, i, row, k):
                motion[i, LINE_AT] = line[row, LINE_ARC]
                break
            row += 1


@kernel
def is_closed(
    driver: Float,
    line: Float,
    light: NDArray[np.int8],
    step: int,
    mind: Int,
    motion: Float,
    i: int,
    row: int,
    k: int,
) -> bool:
    """True if agent ``i`` stops at a line; what it decides at yellow and when it may leave a sign is remembered."""
    v = motion[i, MOVING]
    gap = line[row, LINE_ARC] - motion[i, ARC] - 0.5 * driver[i, LENGTH]
    signal = int(line[row, LINE_LIGHT])
    if signal < 0:  # a stop sign: seven in ten stop, the others roll over the line
        rolling = random_uniform(driver[i, D_SEED], 0 * i, SIGN_STREAM + 0 * i) < ROLLING_SHARE
        if v > (ROLLING if rolling and driver[i, D_NOISE] > 0.0 else 0.2) or gap > 2.5:
            return True
        mind[i, DECIDED] = row
        return False
    color = light[signal, min(step, light.shape[1] - 1)]
    if color not in (YELLOW, RED):
        return k * DT < motion[i, HOLD] and v < STANDING and gap < 8.0
    stopping = mind[i, DECIDED] == -2 - row
    bearable = 0.95 * driver[i, D_MAX] if color == RED or stopping else driver[i, D_YELLOW]
    if needed_deceleration(v, gap, 0.0, 0.0) > bearable:
        mind[i, DECIDED] = row  # too late to stop
        return False
    mind[i, DECIDED] = -2 - row
    if v < STANDING and gap < 8.0:
        motion[i, HOLD] = k * DT + driver[i, D_START]
    return True


@kernel
def in_play(driver: Float, mind: Int, motion: Float, zone: Int, zone_arc: Float, row: int) -> bool:
    """True while the other agent of a conflict row is about and has not left the conflict."""
    j = zone[row, ZONE_OTHER]
    return mind[j, LIFE] == ACTIVE and motion[j, ARC] - 0.5 * driver[j, LENGTH] <= zone_arc[row, ZONE_OTHER_END]


@kernel
def release(who: Int, driver: Float, mind: Int, motion: Float, zone: Int, zone_arc: Float, owner: Int) -> None:
    """Agents give up conflicts that they have left, or are stuck before."""
    for i in range(len(who)):
        if mind[i, LIFE] != ACTIVE:
            continue
        half = 0.5 * driver[i, LENGTH]
        front, rear = motion[i, ARC] + half, motion[i, ARC] - half
        stuck = motion[i, MOVING] < STANDING and motion[i, COMMAND] <= 0.0
        leading = True
        for row in range(mind[i, NEXT_ZONE], who[i, ZONE_HIGH]):
            begin = zone_arc[row, ZONE_BEGIN]
            passed = zone_arc[row, ZONE_END] < rear
            leading = leading and passed
            if leading:
                mind[i, NEXT_ZONE] = row + 1
            if owner[zone[row, ZONE_ID]] == i and (passed or (stuck and begin > front)):
                owner[zone[row, ZONE_ID]] = -1
            if begin > front + 100.0:
                break


@kernel
def occupy(who: Int, driver: Float, mind: Int, motion: Float, zone: Int, zone_arc: Float, owner: Int) -> None:
    """Agents own the free conflicts that they are in alone (they may have started there)."""
    for i in range(len(who)):
        if mind[i, LIFE] != ACTIVE:
            continue
        half = 0.5 * driver[i, LENGTH]
        front, rear = motion[i, ARC] + half, motion[i, ARC] - half
        for row in range(mind[i, NEXT_ZONE], who[i, ZONE_HIGH]):
            if zone_arc[row, ZONE_BEGIN] > front:
                break
            number, j = zone[row, ZONE_ID], zone[row, ZONE_OTHER]
            if (
                owner[number] == -1
                and zone_arc[row, ZONE_END] >= rear
                and in_play(driver, mind, motion, zone, zone_arc, row)
                and motion[j, ARC] + 0.5 * driver[j, LENGTH] < zone_arc[row, ZONE_OTHER_BEGIN]
            ):
                owner[number] = i


@kernel
def decision_distance(who: Int, driver: Float, motion: Float, i: int) -> float:
    """How far before a conflict agent ``i`` asks for it: a comfortable stop and a second and a half."""
    if who[i, MODE] == WALKER:
        return 1.0
    v = motion[i, MOVING]
    return v * v / (2.0 * min(driver[i, D_DECELERATION], 2.0)) + 1.5 * v + 6.0


@kernel
def request(
    who: Int, driver: Float, mind: Int, motion: Float, zone: Int, zone_arc: Float, owner: Int, path: Float
) -> None:
    """Find each agent's next group of conflicts to ask for and whether to ask: the columns CLAIM_* of ``mind``."""
    for i in range(len(who)):
        if mind[i, LIFE] != ACTIVE:
            continue
        half = 0.5 * driver[i, LENGTH]
        front, rear = motion[i, ARC] + half, motion[i, ARC] - half
        horizon = front + decision_distance(who, driver, motion, i)
        place = min(who[i, PATH_LOW] + int(front / SPACING), who[i, PATH_HIGH] - 1)
        first, last, group_end, want = -1, -1, 0.0, True
        for row in range(mind[i, NEXT_ZONE], who[i, ZONE_HIGH]):
            begin, end = zone_arc[row, ZONE_BEGIN], zone_arc[row, ZONE_END]
            if begin > (horizon if first < 0 else group_end + 2.0 * half + 1.0):
                break
            if (
                end < rear
                or begin < front - 0.3
                or owner[zone[row, ZONE_ID]] == i
                or not in_play(driver, mind, motion, zone, zone_arc, row)
            ):
                continue
            if first < 0:
                first = row
            group_end = max(group_end, end)
            last = row + 1
            want = want and may_ask(who, driver, motion, zone, zone_arc, owner, i, row, path[place, PATH_SPEED])
        if first >= 0 and motion[i, ORDER] == 0.0:
            if motion[i, LINE_AT] < zone_arc[first, ZONE_BEGIN]:
                want = False  # a line closes the way before
            room = motion[i, LEAD_AT] - group_end
            if who[i, MODE] != WALKER and motion[i, LEAD_SPEED] < 2.0 and room < 2.0 * half + 0.5:
                want = False  # would stand in it
        mind[i, CLAIM_FROM], mind[i, CLAIM_TO] = first, last
        mind[i, CLAIM_WANT] = 1 if want and first >= 0 else 0


@kernel
def may_ask(
    who: Int, driver: Float, motion: Float, zone: Int, zone_arc: Float, owner: Int, i: int, row: int, top: float
) -> bool:
    """True if agent ``i`` would dare to enter the conflict of ``row``, judged by the other's place and motion."""
    j = zone[row, ZONE_OTHER]
    v, other_v = motion[i, MOVING], motion[j, MOVING]
    distance = zone_arc[row, ZONE_OTHER_BEGIN] - motion[j, ARC] - 0.5 * driver[j, LENGTH]
    walker, marked, right = who[i, MODE] == WALKER, zone[row, ZONE_MARKED] == 1, zone[row, ZONE_RIGHT]
    if owner[zone[row, ZONE_ID]] == j:  # only a walker on a marked crossing stops those who can stop well
        needed = needed_deceleration(other_v, distance - 0.5, 0.0, 0.0)
        return marked and walker and distance > 0.5 and needed < 0.8 * driver[j, D_DECELERATION]
    bold = motion[i, ORDER] != 0.0 or motion[i, WAITED] > driver[i, D_PATIENCE]
    if other_v < STANDING:
        if right == 0 and motion[j, WAITED] > motion[i, WAITED] + 1.0:  # taking turns where streams merge
            return bold
        if bold or right > 0 or who[j, MODE] != WALKER or motion[j, WAITED] == 0.0:
            return True
        return random_uniform(driver[i, D_SEED] + driver[j, D_SEED], 0 * j, 0 * j) > driver[i, D_COURTESY]
    if motion[j, LINE_AT] < zone_arc[row, ZONE_OTHER_BEGIN]:  # a red light holds the other back
        return True
    half = 0.5 * driver[i, LENGTH]
    leave = travel_time(zone_arc[row, ZONE_END] + half - motion[i, ARC], v, driver[i, D_ACCELERATION], top)
    arrival = distance / max(other_v + motion[j, PEDAL], 0.5 * other_v)
    if needed_deceleration(other_v, distance, 0.0, 0.0) > 0.8 * driver[j, D_MAX]:  # cannot stop any more
        return distance > 0.0 and leave + 0.5 < arrival
    if bold or right > 0 or (walker and driver[i, D_COURTESY] < 0.05):
        return True
    if right == 0:
        arrive = travel_time(zone_arc[row, ZONE_BEGIN] - half - motion[i, ARC], v, driver[i, D_ACCELERATION], top)
        if arrive < arrival:
            return True
    spare = (MARKED_SPARE if marked else WALKER_SPARE) if walker else SPARE
    if not walker:
        spare *= 1.0 - 0.3 * min(motion[i, WAITED] / LONG_WAIT, 1.0)
    return leave + spare * driver[i, D_GAP_FACTOR] < arrival


@kernel
def goes_first(driver: Float, motion: Float, zone: Int, zone_arc: Float, i: int, j: int, row: int) -> bool:
    """Who gets a conflict that both ask for: always the opposite answer for the other agent's row."""
    if motion[i, ORDER] != motion[j, ORDER]:
        return motion[i, ORDER] != 0.0
    late_i = motion[i, WAITED] > driver[i, D_PATIENCE]
    late_j = motion[j, WAITED] > driver[j, D_PATIENCE]
    if late_i != late_j:
        return late_i
    if late_i and motion[i, WAITED] != motion[j, WAITED]:
        return motion[i, WAITED] > motion[j, WAITED]
    if zone[row, ZONE_RIGHT] != 0 and not late_i:
        return zone[row, ZONE_RIGHT] > 0
    mine = zone_arc[row, ZONE_BEGIN] - motion[i, ARC] - 0.5 * driver[i, LENGTH]
    theirs = zone_arc[row, ZONE_OTHER_BEGIN] - motion[j, ARC] - 0.5 * driver[j, LENGTH]
    mine /= max(motion[i, MOVING], 1.0)
    theirs /= max(motion[j, MOVING], 1.0)
    if mine != theirs:
        return mine < theirs
    if driver[i, D_SEED] != driver[j, D_SEED]:
        return driver[i, D_SEED] < driver[j, D_SEED]
    return i < j


@kernel
def may_have(driver: Float, mind: Int, motion: Float, zone: Int, zone_arc: Float, owner: Int, i: int) -> bool:
    """Decide agent ``i``'s request from what all asked for: True if every conflict of the group can be its own."""
    for row in range(mind[i, CLAIM_FROM], mind[i, CLAIM_TO]):
        number, j = zone[row, ZONE_ID], zone[row, ZONE_OTHER]
        if owner[number] == i or mind[j, CLAIM_WANT] == 0 or not in_play(driver, mind, motion, zone, zone_arc, row):
            continue
        for other in range(mind[j, CLAIM_FROM], mind[j, CLAIM_TO]):
            if zone[other, ZONE_ID] == number and not goes_first(driver, motion, zone, zone_arc, i, j, row):
                return False
    return True


@kernel
def award(who: Int, driver: Float, mind: Int, motion: Float, zone: Int, zone_arc: Float, owner: Int) -> None:
    """Give conflicts to those who asked for them and go first; only walkers take from an owner."""
    for i in range(len(who)):
        if mind[i, LIFE] != ACTIVE or mind[i, CLAIM_WANT] == 0:
            continue
        if not may_have(driver, mind, motion, zone, zone_arc, owner, i):
            continue
        rear = motion[i, ARC] - 0.5 * driver[i, LENGTH]
        for row in range(mind[i, CLAIM_FROM], mind[i, CLAIM_TO]):
            number = zone[row, ZONE_ID]
            if (
                (owner[number] == -1 or who[i, MODE] == WALKER)
                and zone_arc[row, ZONE_END] >= rear
                and in_play(driver, mind, motion, zone, zone_arc, row)
            ):
                owner[number] = i
        if who[i, MODE] == WALKER and mind[i, DECIDED] == -1:
            mind[i, DECIDED] = mind[i, CLAIM_FROM]  # where it may hesitate, once


@kernel
def find_closed(who: Int, driver: Float, mind: Int, motion: Float, zone: Int, zone_arc: Float, owner: Int) -> None:
    """Set CLOSED_AT, the arc length [m] where an agent's front has to stop for a conflict of another's, or FAR."""
    for i in range(len(who)):
        if mind[i, LIFE] != ACTIVE:
            continue
        motion[i, CLOSED_AT] = FAR
        half = 0.5 * driver[i, LENGTH]
        front, rear = motion[i, ARC] + half, motion[i, ARC] - half
        horizon = front + decision_distance(who, driver, motion, i)
        for row in range(mind[i, NEXT_ZONE], who[i, ZONE_HIGH]):
            begin, number = zone_arc[row, ZONE_BEGIN], zone[row, ZONE_ID]
            if begin > horizon:
                break
            if (
                owner[number] != i
                and (owner[number] != -1 or motion[i, ORDER] == 0.0)
                and begin >= front - 0.3
                and zone_arc[row, ZONE_END] >= rear
                and in_play(driver, mind, motion, zone, zone_arc, row)
            ):
                motion[i, CLOSED_AT] = begin
                break
