"""What one driver or walker wants to do now: noise, leads of every kind, cross traffic, lines."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.drivers import Driver
from drive.kernels import kernel
from drive.kernels.traffic_follow import (
    body_on_path,
    idm,
    needed_deceleration,
    random_normal,
    random_uniform,
    ray_on_path,
    travel_time,
)
from drive.kernels.traffic_shift import shift_ahead
from drive.kernels.traffic_world import (
    ACCELERATION,
    ACTIVE,
    ARC,
    AURA,
    CONSTANT_VELOCITY,
    COS,
    DISTRACTED,
    DISTRACTED_SINCE,
    DRIVER,
    DT,
    FAR,
    FRESH,
    HALF_LENGTH,
    HALF_WIDTH,
    LEAD_AT,
    LEAD_SPEED,
    LIFE,
    LINE_AT,
    MEETING,
    MEMORY,
    MODE,
    MOVING,
    NOISE,
    OFFSET,
    ORDER,
    ORDER_RATE,
    ORDER_SPEED,
    PATH_CURVATURE,
    PATH_HIGH,
    PATH_LOW,
    PATH_RIGHT,
    PATH_SPEED,
    PATH_TURN,
    PATH_X,
    PATH_Y,
    RADIUS,
    SHIFT,
    SHIFT_BY,
    SHIFT_DONE,
    SHIFT_FROM,
    SHIFT_HELD,
    SIN,
    SPACING,
    SPEED,
    WAITED,
    WALKER,
    X,
    Y,
)

Float = NDArray[np.float64]
Int = NDArray[np.int64]

D_HEADWAY, D_GAP, D_ACCELERATION = Driver.HEADWAY.value, Driver.GAP.value, Driver.ACCELERATION.value
D_DECELERATION, D_MAX, D_REACTION = Driver.DECELERATION.value, Driver.MAX_DECELERATION.value, Driver.REACTION.value
D_COURTESY, D_GAP_FACTOR, D_NOISE = Driver.COURTESY.value, Driver.GAP_FACTOR.value, Driver.NOISE.value
D_PATIENCE, D_SEED = Driver.PATIENCE.value, Driver.SEED.value
# Ornstein-Uhlenbeck processes of unit deviation: pedal (1.5 s), gap and speed errors (15 s), place in the lane (6 s)
PEDAL_NOISE, GAP_ERROR, SPEED_ERROR, WEAVE = NOISE, NOISE + 1, NOISE + 2, NOISE + 3
_DECAY = np.exp(-DT / np.array([1.5, 15.0, 15.0, 6.0]))
_KICK = np.sqrt(1.0 - _DECAY**2)
MARGIN, STATIC_MARGIN = 0.25, 0.1  # m on each side of the own body in which others count as ahead
CORNERING = 3.5  # m/s2 to the side, the most that an agent under orders drives
BESIDE = 0.3  # m: a shift sideways does not begin while somebody is this near in front or behind
ALERT = 2.5  # m/s2: if more deceleration than this is needed, the driver acts at once
DISTRACTION_RATE = 1.0 / 120.0  # 1/s
NEAR_ROUTE = 4.0  # m: the ego is not exactly on its route, and does not go exactly straight on
EGO_BRAKES = 5.0  # m/s2: what a driver who has the right of way expects of the ego
SPARE = 1.5  # s between leaving a conflict and the ego's arrival
LONG_WAIT = 30.0  # s of waiting after which 30 % less is demanded


@kernel
def drive_noise(who: Int, driver: Float, mind: Int, motion: Float, k: int) -> None:
    """Advance the drivers' random processes by one step; everything depends on (seed, sample) only."""
    for i in range(len(who)):
        scale, seed = driver[i, D_NOISE], driver[i, D_SEED]
        lapse = 4 + 0 * who[i, MODE]  # not a literal: that would have the callee compiled again
        if mind[i, LIFE] != ACTIVE or scale == 0.0:
            continue
        for n in range(4):
            motion[i, NOISE + n] = _DECAY[n] * motion[i, NOISE + n] + _KICK[n] * random_normal(seed, k, n)
        if (
            k * DT >= motion[i, DISTRACTED]
            and who[i, MODE] == DRIVER
            and random_uniform(seed, k, lapse) < DISTRACTION_RATE * scale * scale * DT
        ):
            motion[i, DISTRACTED_SINCE] = k * DT
            motion[i, DISTRACTED] = k * DT + 0.8 + 1.7 * random_uniform(seed, k, lapse + 1)


@kernel
def follow(
    who: Int, driver: Float, mind: Int, motion: Float, seen: Float, now: Float, path: Float, i: int, k: int
) -> float:
    """Acceleration [m/s2] that agent ``i`` wants for road, leads and lines; conflicts with other paths come on top.

    Leaves the nearest lead's rear (arc length) and speed in ``motion[i, LEAD_AT]`` and ``LEAD_SPEED``.
    """
    agents = len(who)
    low, high = who[i, PATH_LOW], who[i, PATH_HIGH]
    walker, ordered = who[i, MODE] == WALKER, motion[i, ORDER] != 0.0
    arc, v, offset, half = motion[i, ARC], motion[i, MOVING], motion[i, OFFSET], now[HALF_LENGTH, i]
    front = arc + half
    headway, rest, a, b = driver[i, D_HEADWAY], driver[i, D_GAP], driver[i, D_ACCELERATION], driver[i, D_DECELERATION]
    # the road: desired speed, seen half a second ahead
    top = max(path[min(low + int((arc + 0.5 * v) / SPACING), high - 1), PATH_SPEED], 0.1)
    ratio = v * v / (top * top)
    free = 1.0 - ratio * ratio
    wanted = a * free if v <= top else max((top - v) / 0.5, -1.5 * b)
    free = max(free, -1.0)
    if ordered:
        rate = motion[i, ORDER_RATE]
        wanted = min(max((motion[i, ORDER_SPEED] - v) / DT, -rate), rate)
        bend = abs(path[min(low + int((arc + 0.5 * v) / SPACING), high - 1), PATH_CURVATURE])
        if not walker and v * v * bend > CORNERING:  # no order overrules the tyres
            wanted = min(wanted, max((math.sqrt(CORNERING / bend) - v) / 0.5, -6.0))
        free = 1.0
    # the stretch looked at: a circle around it, and the line along which it starts
    end = min(arc + half + (2.0 + 2.0 * v if walker else 15.0 + 5.0 * v), (high - low - 1) * SPACING)
    middle = min(low + int(0.5 * (arc + end) / SPACING), high - 1)
    x, y = path[middle, PATH_X], path[middle, PATH_Y]
    row, last = min(low + int(arc / SPACING), high - 2), min(low + int(end / SPACING) + 1, high - 1)
    turn = path[last, PATH_TURN] - path[row, PATH_TURN]
    ux, uy = (
        (path[row + 1, PATH_X] - path[row, PATH_X]) / SPACING,
        (path[row + 1, PATH_Y] - path[row, PATH_Y]) / SPACING,
    )
    shifting = motion[i, SHIFT] != 0.0 and motion[i, SHIFT_DONE] < 1.0
    target = motion[i, SHIFT_FROM] + motion[i, SHIFT_BY] if shifting else offset
    waiting = shifting and motion[i, SHIFT_DONE] == 0.0
    motion[i, SHIFT_HELD] = 0.0
    aside = now[HALF_WIDTH, i] + 1.0 + (end - arc) * min(turn, 1.6) + abs(target - offset)
    reach = 0.5 * (end - arc) + SPACING + now[HALF_WIDTH, i] + 1.0 + max(abs(offset), abs(target))
    near_gap, near_speed, urgent = FAR, 0.0, 0.0
    patience = 2.0 if walker else 1.0  # walkers look 6 s ahead, drivers 3 s
    for j in range(agents + 1):
        dx, dy, sum_radius = now[X, j] - x, now[Y, j] - y, reach + now[RADIUS, j] + patience * now[AURA, j]
        if dx * dx + dy * dy > sum_radius * sum_radius or j == i:
            continue
        mode = who[j, MODE] if j < agents else CONSTANT_VELOCITY
        if walker and mode == WALKER:
            continue
        # along and across the line; how far the box reaches either way
        dx, dy = now[X, j] - path[row, PATH_X], now[Y, j] - path[row, PATH_Y]
        ahead, side = dx * ux + dy * uy, dy * ux - dx * uy
        along, turned = now[COS, j] * ux + now[SIN, j] * uy, abs(now[SIN, j] * ux - now[COS, j] * uy)
        width = now[HALF_LENGTH, j] * turned + now[HALF_WIDTH, j] * abs(along)
        length = now[HALF_LENGTH, j] * abs(along) + now[HALF_WIDTH, j] * turned
        known = mode > CONSTANT_VELOCITY or abs(now[SPEED, j]) < 0.5  # does not cross by surprise
        behind = half + 1.0 if waiting else 1.0
        if known and (abs(side - offset) > aside + width or (turn < 1.0 and ahead + length < -behind)):
            continue
        own = now[HALF_WIDTH, i]
        center = offset
        if shifting:  # what is ahead matters on every line from where one will be there to where one goes
            gap = (row - low) * SPACING + ahead - length - front
            if waiting and -2.0 * (half + length) - BESIDE < gap < BESIDE:
                if abs(side - 0.5 * (offset + target)) < width + own + 0.5 * abs(target - offset):
                    motion[i, SHIFT_HELD] = 1.0
            else:
                center = shift_ahead(motion, i, max(gap, 0.0))
                own += 0.5 * abs(target - center)
                center = 0.5 * (center + target)
        margin = own + (STATIC_MARGIN if walker or abs(now[SPEED, j]) < 0.1 else MARGIN)
        near, far = FAR, FAR
        if turn < 0.005 and turned < 0.1:  # a straight road and a body along it, the usual case: no search
            near, far = (row - low) * SPACING + ahead - length, (row - low) * SPACING + ahead + length
            beside = near < front < far
            if far < arc or near > end or abs(side - center) > width + (own if beside else margin):
                near = FAR
        else:
            for attempt in range(2):
                near, far, along = body_on_path(
                    path,
                    low,
                    high,
                    arc,
                    end,
                    center,
                    margin,
                    half if attempt == 0 else 0.0,
                    now[X, j],
                    now[Y, j],
                    now[COS, j],
                    now[SIN, j],
                    now[HALF_LENGTH, j],
                    now[HALF_WIDTH, j],
                    now[RADIUS, j],
                )
                if near >= front or far <= front:
                    break
                margin = own  # beside: only if the bodies themselves would touch
        if near < FAR:
            if far > front:
                gap, speed = max(near - front, 0.05), now[SPEED, j] * along
                rear = now[ACCELERATION, j] * along
                urgent = max(urgent, needed_deceleration(v, gap - min(0.5, 0.5 * gap), speed, rear))
                if gap < near_gap:
                    gap, near_gap = near_gap, gap
                    speed, near_speed = near_speed, speed
                if gap < FAR:
                    wanted = min(wanted, idm(v, free, gap, speed, headway, rest, a, b))
        elif mode <= CONSTANT_VELOCITY and now[SPEED, j] > 0.5 and motion[i, MEETING] == 0.0:
            stretch = min(front + 12.0, (high - low - 1) * SPACING) if walker else end
            gap, speed = cross_traffic(who, driver, motion, now, path, i, j, front, stretch, top)
            if gap < FAR:
                wanted = min(wanted, idm(v, free, gap, speed, 0.5 * headway, 0.5, a, b))
    motion[i, LEAD_AT], motion[i, LEAD_SPEED] = front + near_gap, near_speed
    gap, speed = perceive(driver, mind, motion, seen, i, k)
    if gap < FAR:
        wanted = min(wanted, idm(v, free, gap - half, speed, headway, rest, a, b))
    if near_gap < 0.5 * rest:  # nobody misjudges the last step
        wanted = min(wanted, (near_speed - v) / 0.3 - 0.1)
    line = motion[i, LINE_AT] - front
    if motion[i, LINE_AT] < FAR:
        wanted = min(wanted, idm(v, free, line, 0.0, 0.5 * headway, 0.8, a, b))
        needed = needed_deceleration(v, line - 0.2, 0.0, 0.0)
        if needed > b:
            urgent = max(urgent, needed)
    return min(wanted, -1.1 * urgent) if urgent > ALERT else wanted


@kernel
def perceive(driver: Float, mind: Int, motion: Float, seen: Float, i: int, k: int) -> tuple[float, float]:
    """(distance from the own centre, speed) of the nearest lead as the driver believes, or (FAR, 0).

    What was seen a reaction time ago, carried on to now at constant speed, with errors of estimation. A distracted
    driver keeps carrying on the same picture.
    """
    rear, lead = motion[i, LEAD_AT], motion[i, LEAD_SPEED]
    if mind[i, FRESH] == 1:  # nothing was seen before: as if the lead had always driven like this
        mind[i, FRESH] = 0
        for n in range(MEMORY):
            seen[i, (k - n) % MEMORY, 0], seen[i, (k - n) % MEMORY, 1] = rear - n * DT * lead, lead
    seen[i, k % MEMORY, 0], seen[i, k % MEMORY, 1] = rear, lead
    delay = int(driver[i, D_REACTION] / DT + 0.5)
    if k * DT < motion[i, DISTRACTED]:
        delay += int((k * DT - motion[i, DISTRACTED_SINCE]) / DT + 0.5)
    delay = min(delay, MEMORY - 1)
    lead = seen[i, (k - delay) % MEMORY, 1]
    distance = seen[i, (k - delay) % MEMORY, 0] + delay * DT * lead - motion[i, ARC]
    if distance > 0.5 * FAR:
        return FAR, 0.0
    noise = driver[i, D_NOISE] * min(motion[i, MOVING] / 3.0, 1.0)  # standing, one sees the gap well
    lead -= noise * 0.02 * max(distance, 0.0) * motion[i, SPEED_ERROR]
    return distance * (1.0 + noise * 0.06 * motion[i, GAP_ERROR]), lead


@kernel
def cross_traffic(
    who: Int,
    driver: Float,
    motion: Float,
    now: Float,
    path: Float,
    i: int,
    j: int,
    front: float,
    end: float,
    top: float,
) -> tuple[float, float]:
    """(gap, speed) of the place to stop before because somebody without a known path would come across, or (FAR, 0).

    The other one (the ego, a replayed agent) is taken to go straight on at its speed. It is left alone if one of the
    two is clearly through before the other; else a driver lets a replayed agent pass, and the ego if that comes first.
    Where the right of way against the ego's route is known it decides: a driver who has it goes on while the ego can
    still stop, one who has not demands a gap, unless the ego is stopping itself.
    """
    walker = who[i, MODE] == WALKER
    v, speed = motion[i, MOVING], now[SPEED, j]
    along = now[COS, j] * now[COS, i] + now[SIN, j] * now[SIN, i]
    careless = driver[i, D_COURTESY] < 0.05 and motion[i, ORDER] != 0.0
    if not walker and (along < -0.85 or careless):  # oncoming: a straight line says nothing about it
        return FAR, 0.0
    first, last, least, most = ray_on_path(
        path,
        who[i, PATH_LOW],
        who[i, PATH_HIGH],
        max(front - 1.0, 0.0),
        end,
        now[HALF_WIDTH, i] + now[HALF_WIDTH, j] + (0.6 if walker else 0.3),
        now[X, j],
        now[Y, j],
        now[COS, j],
        now[SIN, j],
        speed * (6.0 if walker else 3.0) + now[HALF_LENGTH, j],
    )
    gap = first - front
    if first >= FAR or gap <= 0.0 or (walker and gap > 1.5):
        return FAR, 0.0
    a, factor = driver[i, D_ACCELERATION], driver[i, D_GAP_FACTOR]
    arrive, leave = travel_time(gap, v, a, top), travel_time(gap + last - first + 2.0 * now[HALF_LENGTH, i], v, a, top)
    way = max(least - now[HALF_LENGTH, j], 0.0)
    other_arrives, other_leaves = way / speed, (most + now[HALF_LENGTH, j]) / speed
    stopping = now[ACCELERATION, j]
    stops = stopping < -0.8 and speed * speed < -2.0 * stopping * way
    if walker:
        careless = driver[i, D_COURTESY] < 0.05 or motion[i, ORDER] != 0.0
        if careless or stops or leave + 2.0 * factor < other_arrives:
            return FAR, 0.0
        return gap, 0.0
    right = 0.0
    if j == len(who):
        row = who[i, PATH_LOW] + max(int((first - NEAR_ROUTE) / SPACING), 0)
        stop = min(who[i, PATH_LOW] + int((last + NEAR_ROUTE) / SPACING) + 1, who[i, PATH_HIGH])
        while row < stop and right == 0.0:
            right = path[row, PATH_RIGHT]
            row += 1
    if right > 0.0 and speed * speed < 2.0 * EGO_BRAKES * max(way - 1.0, 0.1):
        return FAR, 0.0  # it can still stop, and has to
    if right < 0.0 and stops:
        return FAR, 0.0
    spare = 0.8 * factor
    if right < 0.0:
        spare = SPARE * factor * (1.0 - 0.3 * min(motion[i, WAITED] / LONG_WAIT, 1.0))
    if leave + spare < other_arrives or other_leaves + 0.3 < arrive:
        return FAR, 0.0
    patient = motion[i, WAITED] <= driver[i, D_PATIENCE]
    if j == len(who) and right >= 0.0 and (arrive + 0.3 < other_arrives or (stops and not patient)):
        return FAR, 0.0
    if needed_deceleration(v, gap, 0.0, 0.0) > 0.8 * driver[i, D_MAX]:
        return FAR, 0.0
    return gap, speed * along if along > 0.9 else 0.0
