"""Roll one candidate drive with the true traffic and price it.

The ego's rear axle stays on its path or on a line beside it; a candidate is a driver with a speed factor, a headway and
perhaps a place to stop, and a plan of where across the road it drives.
"""

import math

from drive.kernels import kernel
from drive.kernels.traffic import traffic_step
from drive.kernels.traffic_follow import idm
from drive.kernels.traffic_world import FAR, TrafficState, TrafficWorld
from scenarios.generate.search.lateral import (
    ARC,
    BACK,
    BACK_CAP,
    BACK_RUN,
    BACK_TO,
    BEGIN,
    BEND,
    CAP,
    MOTION_COLUMNS,
    MOVING,
    OFFSET,
    PEDAL,
    PRICE,
    RUN,
    SLOPE,
    SPACING,
    SPEED,
    TO,
    is_straight,
    offset_at,
    pose_beside,
    stretch_at,
)
from scenarios.generate.search.lead import is_free, lead_beside, nearest_lead, red_line
from scenarios.generate.search.price import price
from scenarios.generate.search.priority import UNLAWFUL, in_the_way
from scenarios.generate.search.task import (
    BEFORE_SIGN,
    DT,
    FACTOR,
    FIRM,
    HEADWAY,
    LENGTH,
    STANDING,
    STOP,
    STYLE_ACCELERATION,
    STYLE_DECELERATION,
    STYLE_GAP,
    STYLE_HEADWAY,
    TO_CENTER,
    WEIGHT_COMFORT,
    WEIGHT_PROGRESS,
    WIDTH,
    Float,
    Others,
    Task,
)

MAX_ACCELERATION, MAX_BRAKING, MAX_JERK = 1.8, 3.3, 2.05
LOOK = 0.8  # s: as far ahead as braking lags behind
PASSING = 20  # samples for which a candidate's slower pace or brake lasts
YAW_RATE, YAW_ACCELERATION, LATERAL_ACCELERATION = 0.7, 1.4, 2.9  # rad/s, rad/s2, m/s2: beyond, nobody is comfortable
ROUGH = 600.0  # per second and share of excess
ASIDE = 0.1  # per second out of the own lane: what has no reason ends
ONCOMING_TIME, STRANDED = 4.0, 150.0  # s, cost: a drive must not end in front of somebody who comes the other way
AT_SIGN = 0.35  # m before a stop sign's line: one stands a little before
STUCK = 10.0  # cost of ending half way across, before something


@kernel
def next_acceleration(
    task: Task,
    candidate: Float,
    passed: bool,
    arc: float,
    v: float,
    a: float,
    gap: float,
    lead: float,
    stop: float,
    cap: float,
) -> float:
    """Acceleration for the next step: road, lead and line ahead, within the comfort limits and the limit of jerk."""
    path, style, vehicle = task.path, task.style, task.vehicle
    # A slower pace or a brake is for a moment: who only puts off an event meets it in the end.
    factor, firm = (1.0, 0.0) if passed else (candidate[FACTOR], candidate[FIRM])
    top = path[min(int(arc / SPACING), len(path) - 1), SPEED]
    top = max(min(top, path[min(int((arc + LOOK * v) / SPACING), len(path) - 1), SPEED]) * factor, 0.3)
    top = min(top, cap)
    accelerate, brake = style[STYLE_ACCELERATION], style[STYLE_DECELERATION]
    ratio = v / top
    command = accelerate * (1.0 - ratio**4) if v <= top else max((top - v) / 0.8, -brake)
    free = max(1.0 - ratio**4, -1.0)
    if gap < FAR:
        command = min(
            command,
            idm(v, free, gap, lead, style[STYLE_HEADWAY] * candidate[HEADWAY], style[STYLE_GAP], accelerate, brake),
        )
        if v > lead:
            need = (v - lead) ** 2 / (2.0 * max(gap - 1.0, 0.3))
            if need > brake:
                command = min(command, -1.1 * need)
    front = arc + vehicle[TO_CENTER] + 0.5 * vehicle[LENGTH]
    if stop < FAR:
        command = min(command, idm(v, free, max(stop - front, 0.1), 0.0, 0.3, 0.4, accelerate, brake))
        need = v * v / (2.0 * max(stop - front - 0.2, 0.1))
        if need > 1.0:
            command = min(command, -1.05 * need)
    if firm > 0.0:
        command = -firm
    command = max(command, -max(v / 0.8, 0.05))  # ease into standstill: no jolt in the last step
    command = min(max(command, -MAX_BRAKING), min(MAX_ACCELERATION, accelerate))
    command = min(max(command, a - MAX_JERK * DT), a + MAX_JERK * DT)
    return min(command, MAX_ACCELERATION)


@kernel
def plan_cap(plan: Float, arc: float) -> float:
    """Speed [m/s] that the transitions of a plan allow at an arc length, those ahead reached by braking at 1.5 m/s2."""
    cap = FAR
    if arc < plan[BEGIN] + plan[RUN]:
        cap = math.sqrt(plan[CAP] ** 2 + 3.0 * max(plan[BEGIN] - arc, 0.0))
    if arc < plan[BACK] + plan[BACK_RUN]:
        cap = min(cap, math.sqrt(plan[BACK_CAP] ** 2 + 3.0 * max(plan[BACK] - arc, 0.0)))
    return cap


@kernel
def roll(
    world: TrafficWorld,
    state: TrafficState,
    others: Others,
    task: Task,
    candidate: Float,
    plan: Float,
    start: Float,
    k: int,
    steps: int,
    motion: Float,
    give_up: float,
) -> tuple[float, float, float]:
    """Drive one candidate for ``steps`` samples from sample ``k``; returns its cost, the part of it that is hazard, and
    the time [s] for which it is in the way of those who go first. Writes ``motion [steps + 1, 6]`` (columns of a motion
    row; row 0 is ``start``). Stops early when the cost exceeds ``give_up``."""
    path, style, vehicle = task.path, task.style, task.vehicle
    for column in range(MOTION_COLUMNS):
        motion[0, column] = start[column]
    hazard, effort, unlawful = 0.0, 0.0, 0.0
    length, width, to_center = vehicle[LENGTH], vehicle[WIDTH], vehicle[TO_CENTER]
    free_arc, free_speed = start[ARC], start[MOVING]
    straight = is_straight(plan, start[ARC])
    gap, lead, turning = FAR, 0.0, 0.0
    sign = 0 * k  # not a literal: that would have callees compiled again
    stood = 0 * k
    for n in range(steps):
        at = k + n
        arc, v, a = motion[n, ARC], motion[n, MOVING], motion[n, PEDAL]
        x, y, h, bend = pose_beside(path, arc, motion[n, OFFSET], motion[n, SLOPE], motion[n, BEND])
        cx, cy = x + to_center * math.cos(h), y + to_center * math.sin(h)
        aside = not straight
        straight = straight or is_straight(plan, arc)
        if straight:
            gap, lead = nearest_lead(world, task, others, arc, v, at)
        else:
            gap, lead = lead_beside(world, task, others, plan, arc, v, at)
        front = arc + to_center + 0.5 * length
        stop = min(red_line(task.lines, world.light, world.begin[0] + at, front, v), candidate[STOP])
        cap = FAR if straight else plan_cap(plan, arc)
        if sign < len(task.signs):
            before = task.signs[sign, 0] - front
            if v < STANDING and before < BEFORE_SIGN:
                stood += 1
            if before < 0.0 or stood >= task.signs[sign, 1]:
                sign, stood = sign + 1, 0 * k
        if sign < len(task.signs):
            stop = min(stop, task.signs[sign, 0] - AT_SIGN)
        new_a = next_acceleration(task, candidate, n >= PASSING, arc, v, a, gap, lead, stop, cap)
        new_v = v + new_a * DT
        if new_v < 0.04 and new_a <= 0.0:
            new_v, new_a = 0.0, 0.0
        way = 0.5 * (v + new_v) * DT
        if not straight:
            way /= stretch_at(path, arc + 0.5 * way, motion[n, OFFSET], motion[n, SLOPE])
        motion[n + 1, ARC], motion[n + 1, MOVING], motion[n + 1, PEDAL] = arc + way, new_v, new_a
        motion[n + 1, OFFSET], motion[n + 1, SLOPE], motion[n + 1, BEND] = 0.0, 0.0, 0.0
        if not straight:
            motion[n + 1, OFFSET], motion[n + 1, SLOPE], motion[n + 1, BEND] = offset_at(plan, arc + way)
        traffic_step(
            world,
            state,
            others.position,
            others.heading,
            others.velocity,
            others.valid,
            at,
            cx,
            cy,
            h,
            v,
            length,
            width,
        )
        jerk = (new_a - a) / DT
        effort += style[WEIGHT_COMFORT] * (0.5 * (new_a / 1.5) ** 2 + 0.3 * (jerk / 2.0) ** 2) * DT
        hazard += price(world, others, task, motion, n, at, gap, lead, aside) * DT
        if len(task.claims):
            middle = motion[n + 1, ARC] + to_center
            ends = middle + 0.5 * length, middle - 0.5 * length
            owing = in_the_way(state, others, task, cx, cy, ends[0], ends[1], new_v, at + 1)
            hazard += owing * DT
            if owing >= UNLAWFUL:
                unlawful += DT
        if not straight:
            away = abs(motion[n + 1, OFFSET])
            effort += (ASIDE * min(away, 1.0) + plan[PRICE] * away) * DT
            twist = (v * bend - turning) / DT if n > 0 else 0.0
            turning = v * bend
            effort += style[WEIGHT_COMFORT] * (0.5 * (v * turning / 2.0) ** 2 + 0.1 * (twist / 0.4) ** 2) * DT
            worst = max(abs(turning) / YAW_RATE, abs(v * turning) / LATERAL_ACCELERATION, abs(twist) / YAW_ACCELERATION)
            hazard += ROUGH * max(worst - 1.0, 0.0) * DT
        free_top = path[min(int(free_arc / SPACING), len(path) - 1), SPEED]
        free_speed = min(free_speed + style[STYLE_ACCELERATION] * DT, max(free_top, free_speed - 2.0 * DT))
        free_arc += free_speed * DT
        if hazard + effort > give_up:
            return hazard + effort, hazard, unlawful
    if not straight:
        arc, v = motion[steps, ARC], motion[steps, MOVING]
        oncoming = lead < -0.5 and gap < ONCOMING_TIME * (v - lead)
        if oncoming and not is_free(task, others, plan[BACK_TO], arc, v, k + steps):
            hazard += STRANDED
        if v < 2.0 and gap < 8.0 and arc < plan[BACK] and abs(motion[steps, OFFSET] - plan[TO]) > 0.3:
            hazard += STUCK
    if len(task.beside) > 0:  # what pays only later has begun to pay if the ego is fast by then
        effort += style[WEIGHT_PROGRESS] * 4.0 * max(1.0 - motion[steps, MOVING] / max(free_speed, 1.0), 0.0)
    lost = 1.0 - (motion[steps, ARC] - start[ARC]) / max(free_arc - start[ARC], 1.0)
    return hazard + effort + style[WEIGHT_PROGRESS] * 10.0 * max(lost, 0.0), hazard, unlawful
