"""One step of all other agents: replay, constant velocity, drivers and walkers, in one compiled call."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.drivers import Driver
from drive.kernels import kernel
from drive.kernels.geometry import wrap
from drive.kernels.traffic_drive import PEDAL_NOISE, WEAVE, drive_noise, follow
from drive.kernels.traffic_follow import idm, needed_deceleration, path_pose
from drive.kernels.traffic_script import fire_events, meet
from drive.kernels.traffic_shift import shift
from drive.kernels.traffic_world import (
    ACCELERATION,
    ACTIVE,
    ARC,
    AURA,
    CLOSED_AT,
    COMMAND,
    CONSTANT_VELOCITY,
    COS,
    DECIDED,
    DT,
    ENTERING,
    FAR,
    FIRST,
    GONE,
    HALF_LENGTH,
    HALF_WIDTH,
    HOLD,
    LAST,
    LENGTH,
    LIFE,
    LINE_AT,
    MODE,
    MOVING,
    OFFSET,
    ORDER,
    ORDER_RATE,
    PATH_CURVATURE,
    PATH_HIGH,
    PATH_LOW,
    PEDAL,
    PENDING,
    RADIUS,
    REPLAY,
    ROOM,
    SHIFT,
    SHIFT_BY,
    SHIFT_DONE,
    SHIFT_FROM,
    SHIFT_HELD,
    SIN,
    SLOPE,
    SPACING,
    SPEED,
    WAITED,
    WALKER,
    WIDTH,
    ZONE_BEGIN,
    TrafficState,
    TrafficWorld,
    X,
    Y,
)
from drive.kernels.traffic_yield import award, find_closed, look_for_lines, occupy, release, request

__all__ = ["TrafficState", "TrafficWorld", "traffic_rollout", "traffic_step"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

D_ACCELERATION, D_DECELERATION, D_MAX = (
    Driver.ACCELERATION.value,
    Driver.DECELERATION.value,
    Driver.MAX_DECELERATION.value,
)
D_BIAS, D_NOISE, D_SEED, D_START = (
    Driver.LANE_BIAS.value,
    Driver.NOISE.value,
    Driver.SEED.value,
    Driver.START_LOSS.value,
)
PEDAL_SD, WEAVE_SD = 0.12, 0.15  # m/s2, m: times NOISE
JERK, BRAKE_JERK, ALERT_JERK = 4.0, 8.0, 15.0  # m/s3


@kernel
def traffic_step(
    world: TrafficWorld,
    state: TrafficState,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: Bool,
    k: int,
    ego_x: float,
    ego_y: float,
    ego_heading: float,
    ego_speed: float,
    ego_length: float,
    ego_width: float,
) -> None:
    """Write sample ``k + 1`` of ``position [A, K+1, 2]`` m, ``heading [A, K+1]`` rad, ``velocity [A, K+1, 2]`` m/s and
    ``valid [A, K+1]`` from sample ``k`` and the ego's box centre at ``k``.

    Everybody decides from sample ``k``; no result depends on the order of the agents.
    """
    who, driver, path, zone, zone_arc = world.who, world.driver, world.path, world.zone, world.zone_arc
    mind, motion, owner, now = state.mind, state.motion, state.owner, state.now
    agents, step = len(who), world.begin[0] + k
    look_around(who, driver, motion, now, position, heading, velocity, valid, k)
    now[X, agents], now[Y, agents], now[SPEED, agents] = ego_x, ego_y, ego_speed
    now[COS, agents], now[SIN, agents] = math.cos(ego_heading), math.sin(ego_heading)
    now[HALF_LENGTH, agents], now[HALF_WIDTH, agents] = 0.5 * ego_length, 0.5 * ego_width
    now[RADIUS, agents] = 0.5 * math.hypot(ego_length, ego_width)
    now[ACCELERATION, agents] = (ego_speed - state.ego_before[0]) / DT
    now[AURA, agents] = 3.0 * abs(ego_speed)
    state.ego_before[0] = ego_speed

    fire_events(who, world.script, state.fired, motion, now, k)
    meet(world.script, motion, now)
    release(who, driver, mind, motion, zone, zone_arc, owner)
    occupy(who, driver, mind, motion, zone, zone_arc, owner)
    look_for_lines(who, driver, world.line, world.light, step, mind, motion, k)
    drive_noise(who, driver, mind, motion, k)
    for i in range(agents):
        if mind[i, LIFE] == ACTIVE:
            motion[i, COMMAND] = follow(who, driver, mind, motion, state.seen, now, path, i, k)
    request(who, driver, mind, motion, zone, zone_arc, owner, path)
    award(who, driver, mind, motion, zone, zone_arc, owner)
    find_closed(who, driver, mind, motion, zone, zone_arc, owner)
    accelerate(who, driver, mind, motion, zone_arc, k)
    for i in range(agents):
        due = mind[i, LIFE] == PENDING and who[i, FIRST] <= k + 1 <= who[i, LAST]
        if due and is_clear(
            world.begin[0], who, driver, mind, now, world.position, world.heading, world.velocity, i, k
        ):
            mind[i, LIFE] = ENTERING
    move(who, driver, mind, motion, path, position, heading, velocity, valid, k)
    recall(
        world.begin[0],
        who,
        mind,
        world.position,
        world.heading,
        world.velocity,
        world.valid,
        position,
        heading,
        velocity,
        valid,
        k,
    )


@kernel
def traffic_rollout(
    world: TrafficWorld,
    state: TrafficState,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: Bool,
    ego: Float,
    rear_axle_to_center: float,
    ego_length: float,
    ego_width: float,
) -> None:
    """All steps of :func:`traffic_step` from sample 0 for an ego that drives ``ego [K+1, 11]`` (rear axle)."""
    for k in range(position.shape[1] - 1):
        h = ego[k, 2]
        x, y = ego[k, 0] + rear_axle_to_center * math.cos(h), ego[k, 1] + rear_axle_to_center * math.sin(h)
        traffic_step(world, state, position, heading, velocity, valid, k, x, y, h, ego[k, 3], ego_length, ego_width)


@kernel
def look_around(
    who: Int,
    driver: Float,
    motion: Float,
    now: Float,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: Bool,
    k: int,
) -> None:
    """Fill ``now`` with everybody at sample ``k``; who is not there is far away and a point."""
    for i in range(len(who)):
        now[HALF_LENGTH, i], now[HALF_WIDTH, i] = 0.5 * driver[i, LENGTH], 0.5 * driver[i, WIDTH]
        if not valid[i, k]:
            now[X, i], now[RADIUS, i], now[AURA, i] = FAR, 0.0, 0.0
            continue
        cos, sin = math.cos(heading[i, k]), math.sin(heading[i, k])
        speed = velocity[i, k, 0] * cos + velocity[i, k, 1] * sin
        now[X, i], now[Y, i], now[COS, i], now[SIN, i] = position[i, k, 0], position[i, k, 1], cos, sin
        now[SPEED, i] = speed
        now[RADIUS, i] = math.hypot(now[HALF_LENGTH, i], now[HALF_WIDTH, i])
        now[ACCELERATION, i], now[AURA, i] = motion[i, PEDAL], 0.0
        if who[i, MODE] <= CONSTANT_VELOCITY:
            now[ACCELERATION, i], now[AURA, i] = 0.0, 3.0 * abs(speed)
            if k > 0 and valid[i, k - 1]:
                before = velocity[i, k - 1, 0] * cos + velocity[i, k - 1, 1] * sin
                now[ACCELERATION, i] = (speed - before) / DT


@kernel
def recall(
    begin: int,
    who: Int,
    mind: Int,
    from_position: Float,
    from_heading: Float,
    from_velocity: Float,
    from_valid: Bool,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: Bool,
    k: int,
) -> None:
    """Write sample ``k + 1`` of everybody who does not follow a path at that moment."""
    for i in range(len(who)):
        mode, step = who[i, MODE], -1  # scene step to copy; -1: the agent is not there
        if mode == REPLAY:
            step = begin + k + 1
        elif mode == CONSTANT_VELOCITY:
            if who[i, FIRST] < k + 1 <= who[i, LAST]:
                velocity[i, k + 1, 0], velocity[i, k + 1, 1] = velocity[i, k, 0], velocity[i, k, 1]
                position[i, k + 1, 0] = position[i, k, 0] + DT * velocity[i, k, 0]
                position[i, k + 1, 1] = position[i, k, 1] + DT * velocity[i, k, 1]
                heading[i, k + 1], valid[i, k + 1] = heading[i, k], True
                continue
            if k + 1 == who[i, FIRST]:
                step = begin + k + 1
        elif mind[i, LIFE] == ACTIVE:
            continue
        elif mind[i, LIFE] == ENTERING:
            mind[i, LIFE] = ACTIVE
            step = begin + who[i, FIRST]
        position[i, k + 1, 0] = position[i, k + 1, 1] = heading[i, k + 1] = 0.0
        velocity[i, k + 1, 0] = velocity[i, k + 1, 1] = 0.0
        valid[i, k + 1] = False
        if step >= 0:
            position[i, k + 1, 0], position[i, k + 1, 1] = from_position[i, step, 0], from_position[i, step, 1]
            velocity[i, k + 1, 0], velocity[i, k + 1, 1] = from_velocity[i, step, 0], from_velocity[i, step, 1]
            heading[i, k + 1], valid[i, k + 1] = from_heading[i, step], from_valid[i, step]


@kernel
def is_clear(
    begin: int,
    who: Int,
    driver: Float,
    mind: Int,
    now: Float,
    position: Float,
    heading: Float,
    velocity: Float,
    i: int,
    k: int,
) -> bool:
    """True if agent ``i`` can enter where it was first recorded without forcing anybody to brake hard."""
    agents = len(who)
    step = begin + who[i, FIRST]
    x, y, h = position[i, step, 0], position[i, step, 1], heading[i, step]
    cos, sin = math.cos(h), math.sin(h)
    v = velocity[i, step, 0] * cos + velocity[i, step, 1] * sin
    walker = who[i, MODE] == WALKER
    for j in range(agents + 1):
        if j == i or (walker and j < agents and who[j, MODE] == WALKER):
            continue
        other_x, other_y, other_cos, other_sin, other_v = now[X, j], now[Y, j], now[COS, j], now[SIN, j], now[SPEED, j]
        if j < agents and mind[j, LIFE] in (PENDING, ENTERING):  # of two who would enter now, one waits
            other = driver[j, D_SEED] - driver[i, D_SEED]
            if other > 0.0 or (other == 0.0 and j > i) or not who[j, FIRST] <= k + 1 <= who[j, LAST]:
                continue
            at = begin + who[j, FIRST]
            other_x, other_y = position[j, at, 0], position[j, at, 1]
            other_cos, other_sin = math.cos(heading[j, at]), math.sin(heading[j, at])
            other_v = velocity[j, at, 0] * other_cos + velocity[j, at, 1] * other_sin
        dx, dy = other_x - x, other_y - y
        if dx * dx + dy * dy > 10000.0:
            continue
        along, across = dx * cos + dy * sin, abs(dy * cos - dx * sin)
        c, s = cos * other_cos + sin * other_sin, abs(sin * other_cos - cos * other_sin)
        if across > now[HALF_WIDTH, i] + now[HALF_LENGTH, j] * s + now[HALF_WIDTH, j] * abs(c) + 0.2:
            continue
        behind = v if along > 0.0 else other_v * c
        closing = (v - other_v * c) if along > 0.0 else (other_v * c - v)
        room = 0.5 if walker else 0.5 + 0.6 * max(behind, 0.0) + max(closing, 0.0) ** 2 / 4.0
        if abs(along) < now[HALF_LENGTH, i] + now[HALF_LENGTH, j] * abs(c) + now[HALF_WIDTH, j] * s + room:
            return False
    return True


@kernel
def accelerate(who: Int, driver: Float, mind: Int, motion: Float, zone_arc: Float, k: int) -> None:
    """Turn wishes into accelerations that driver and vehicle can do."""
    for i in range(len(who)):
        if mind[i, LIFE] != ACTIVE:
            continue
        v, a, before = motion[i, MOVING], driver[i, D_ACCELERATION], motion[i, PEDAL]
        walker, ordered = who[i, MODE] == WALKER, motion[i, ORDER] != 0.0
        command, closed = motion[i, COMMAND], motion[i, CLOSED_AT]
        if closed < FAR:
            gap = closed - motion[i, ARC] - 0.5 * driver[i, LENGTH]
            command = min(command, idm(v, 1.0, gap, 0.0, 0.3, 0.2 if walker else 0.8, a, driver[i, D_DECELERATION]))
            needed = needed_deceleration(v, gap - 0.1, 0.0, 0.0)
            if needed > driver[i, D_DECELERATION]:
                command = min(command, -1.1 * needed)
        if walker and driver[i, D_START] > 0.0 and not ordered and mind[i, DECIDED] != -1:
            if mind[i, DECIDED] >= 0 and motion[i, ARC] > zone_arc[mind[i, DECIDED], ZONE_BEGIN] + 1.0:
                mind[i, DECIDED] = -2
                motion[i, HOLD] = k * DT + driver[i, D_START]
            if k * DT < motion[i, HOLD]:
                command = min(command, -v / 0.3)
        if v > 1.0:
            motion[i, WAITED] = 0.0
        elif v < 0.3 and closed < FAR and motion[i, LINE_AT] >= FAR:
            motion[i, WAITED] += DT
        if v > 0.5:
            command += driver[i, D_NOISE] * PEDAL_SD * motion[i, PEDAL_NOISE]
        most = max(a, motion[i, ORDER_RATE]) if ordered else a
        command = min(max(command, -driver[i, D_MAX]), most)
        command = max(command, before - (ALERT_JERK if ordered or command < -3.0 else BRAKE_JERK) * DT)
        motion[i, PEDAL] = min(command, max(before, -1.0) + (ALERT_JERK if ordered or v < 0.5 else JERK) * DT)


@kernel
def move(
    who: Int,
    driver: Float,
    mind: Int,
    motion: Float,
    path: Float,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: Bool,
    k: int,
) -> None:
    """Move everybody on along their paths and write sample ``k + 1``; at the path's end agents leave.

    Across, agents settle at their place in the lane, critically damped over the way driven, or shift to where an order
    has them. The slope of the offset is the tangent of the heading relative to the path, so the body moves where it
    points.
    """
    for i in range(len(who)):
        if mind[i, LIFE] != ACTIVE:
            continue
        low, high = who[i, PATH_LOW], who[i, PATH_HIGH]
        v, command, offset, slope = motion[i, MOVING], motion[i, PEDAL], motion[i, OFFSET], motion[i, SLOPE]
        new_speed = v + command * DT
        travelled = 0.5 * (v + new_speed) * DT
        if new_speed < 0.1 and command < 0.35 * driver[i, D_ACCELERATION]:  # at rest until it is worth moving
            travelled = 0.5 * v * min(DT, v / max(-command, 1e-3))
            new_speed, motion[i, PEDAL] = 0.0, 0.0
        row = min(max(low + int(motion[i, ARC] / SPACING), low), high - 1)
        cos, across = 1.0 / math.sqrt(1.0 + slope * slope), 0.0
        ordered, done = motion[i, SHIFT] != 0.0, motion[i, SHIFT_DONE]
        if ordered and done < 1.0 and (done > 0.0 or motion[i, SHIFT_HELD] == 0.0):
            across = shift(who, motion, i, travelled)
            if travelled > 1e-6:
                cos = math.sqrt(1.0 - (across / travelled) ** 2)
                slope = across / (travelled * cos)
        else:
            scale = 2.0 if who[i, MODE] == WALKER else 5.0 + 0.8 * v
            target = driver[i, D_NOISE] * WEAVE_SD * motion[i, WEAVE]
            target += 0.0 if ordered else driver[i, D_BIAS]
            target = min(max(target, -driver[i, ROOM]), driver[i, ROOM])
            if ordered:
                target += motion[i, SHIFT_FROM] + (motion[i, SHIFT_BY] if done > 0.0 else 0.0)
            across = travelled * cos * slope
            slope += travelled * ((target - offset) / (scale * scale) - 2.0 * slope / scale)
        motion[i, ARC] += travelled * cos / max(1.0 - path[row, PATH_CURVATURE] * offset, 0.3)
        offset += across
        motion[i, MOVING], motion[i, OFFSET], motion[i, SLOPE] = new_speed, offset, slope
        if motion[i, ARC] >= (high - low - 1) * SPACING or k + 1 > who[i, LAST]:
            mind[i, LIFE] = GONE
            continue
        x, y, direction = path_pose(path, low, high, motion[i, ARC])
        position[i, k + 1, 0] = x - offset * math.sin(direction)
        position[i, k + 1, 1] = y + offset * math.cos(direction)
        direction += math.atan(slope)
        heading[i, k + 1] = wrap(direction)
        velocity[i, k + 1, 0] = new_speed * math.cos(direction)
        velocity[i, k + 1, 1] = new_speed * math.sin(direction)
        valid[i, k + 1] = True
