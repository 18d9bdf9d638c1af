"""One step of all other agents: replay, constant velocity, drivers and walkers, in one compiled call."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.drivers import Driver
from drive.kernels import kernel
from drive.kernels.geometry import wrap
from drive.kernels.traffic_drive import PEDAL_NOISE, WEAVE, drive_noise, follow
from drive.kernels.traffic_follow import idm, needed_deceleration, path_pose
from drive.kernels.traffic_world import (
    ACCELERATION,
    ACTIVE,
    ARC,
    CLAIM_FROM,
    CLAIM_WANT,
    COMMAND,
    CONSTANT_VELOCITY,
    COS,
    DECIDED,
    DT,
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
    ORDER_SPEED,
    PATH_CURVATURE,
    PATH_HIGH,
    PATH_LOW,
    PEDAL,
    PENDING,
    RADIUS,
    REPLAY,
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
from drive.kernels.traffic_yield import closed_at, grant, line_ahead, occupy, release, request, take

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
    state.ego_before[0] = ego_speed

    fire_events(world.script, state.fired, motion, now, k)
    for i in range(agents):
        if mind[i, LIFE] == ACTIVE:
            release(who, driver, mind, motion, zone, zone_arc, owner, i)
    for i in range(agents):
        if mind[i, LIFE] == ACTIVE:
            occupy(who, driver, mind, motion, zone, zone_arc, owner, i)
            motion[i, LINE_AT] = line_ahead(who, driver, world.line, world.light, step, mind, motion, i, k)
    for i in range(agents):
        if mind[i, LIFE] == ACTIVE:
            drive_noise(who, driver, motion, i, k)
            motion[i, COMMAND] = follow(who, driver, mind, motion, state.seen, now, path, i, k)
    for i in range(agents):
        mind[i, CLAIM_WANT] = 0
        if mind[i, LIFE] == ACTIVE:
            request(who, driver, mind, motion, zone, zone_arc, owner, path, i)
    for i in range(agents):
        if mind[i, CLAIM_WANT] == 1 and grant(driver, mind, motion, zone, zone_arc, owner, i):
            take(who, driver, mind, motion, zone, zone_arc, owner, i)
            if who[i, MODE] == WALKER and mind[i, DECIDED] == -1:
                mind[i, DECIDED] = mind[i, CLAIM_FROM]  # where it may hesitate, once
    for i in range(agents):
        mode = who[i, MODE]
        source = step + 1 if mode == REPLAY else -1  # scene step to copy; -1: nothing, the agent is not there
        if mode == CONSTANT_VELOCITY and who[i, FIRST] < k + 1 <= who[i, LAST]:
            velocity[i, k + 1, 0], velocity[i, k + 1, 1] = velocity[i, k, 0], velocity[i, k, 1]
            position[i, k + 1, 0] = position[i, k, 0] + DT * velocity[i, k, 0]
            position[i, k + 1, 1] = position[i, k, 1] + DT * velocity[i, k, 1]
            heading[i, k + 1], valid[i, k + 1] = heading[i, k], True
            continue
        if mode == CONSTANT_VELOCITY and k + 1 == who[i, FIRST]:
            source = step + 1
        elif mode > CONSTANT_VELOCITY and mind[i, LIFE] == ACTIVE:
            closed = closed_at(who, driver, mind, motion, zone, zone_arc, owner, i)
            pedal(who, driver, mind, motion, zone_arc, closed, i, k)
            if advance(who, driver, motion, path, i) and k + 1 <= who[i, LAST]:
                write(who, motion, path, i, k + 1, position, heading, velocity, valid)
                continue
            mind[i, LIFE] = GONE
        elif (
            mode > CONSTANT_VELOCITY
            and mind[i, LIFE] == PENDING
            and who[i, FIRST] <= k + 1 <= who[i, LAST]
            and is_clear(world.begin[0], who, driver, mind, now, world.position, world.heading, world.velocity, i, k)
        ):
            source = world.begin[0] + who[i, FIRST]
        copy_sample(
            world.position,
            world.heading,
            world.velocity,
            world.valid,
            i,
            source,
            position,
            heading,
            velocity,
            valid,
            k + 1,
        )
    for i in range(agents):
        if mind[i, LIFE] == PENDING and valid[i, k + 1]:
            mind[i, LIFE] = ACTIVE


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
            now[X, i], now[RADIUS, i] = FAR, 0.0
            continue
        cos, sin = math.cos(heading[i, k]), math.sin(heading[i, k])
        speed = velocity[i, k, 0] * cos + velocity[i, k, 1] * sin
        now[X, i], now[Y, i], now[COS, i], now[SIN, i] = position[i, k, 0], position[i, k, 1], cos, sin
        now[SPEED, i] = speed
        now[RADIUS, i] = math.hypot(now[HALF_LENGTH, i], now[HALF_WIDTH, i])
        now[ACCELERATION, i] = motion[i, PEDAL]
        if who[i, MODE] <= CONSTANT_VELOCITY and k > 0 and valid[i, k - 1]:
            now[ACCELERATION, i] = (speed - velocity[i, k - 1, 0] * cos - velocity[i, k - 1, 1] * sin) / DT


@kernel
def copy_sample(
    from_position: Float,
    from_heading: Float,
    from_velocity: Float,
    from_valid: Bool,
    i: int,
    step: int,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: Bool,
    sample: int,
) -> None:
    """Agent ``i`` as recorded at a scene step; with ``step`` -1 it is not there."""
    position[i, sample, 0] = position[i, sample, 1] = heading[i, sample] = 0.0
    velocity[i, sample, 0] = velocity[i, sample, 1] = 0.0
    valid[i, sample] = False
    if step >= 0:
        position[i, sample, 0], position[i, sample, 1] = from_position[i, step, 0], from_position[i, step, 1]
        velocity[i, sample, 0], velocity[i, sample, 1] = from_velocity[i, step, 0], from_velocity[i, step, 1]
        heading[i, sample], valid[i, sample] = from_heading[i, step], from_valid[i, step]


@kernel
def fire_events(script: Float, fired: Bool, motion: Float, now: Float, k: int) -> None:
    """Give scripted orders whose trigger fires at sample ``k`` (columns: :class:`drive.scene.Event`)."""
    ego = now.shape[1] - 1
    for e in range(len(script)):
        if fired[e]:
            continue
        due = k * DT >= script[e, 5] - 1e-9
        if script[e, 1] == 0.0:
            due = due or k * DT >= script[e, 2] - 1e-9
        else:
            distance = math.hypot(script[e, 3] - now[X, ego], script[e, 4] - now[Y, ego]) - now[HALF_LENGTH, ego]
            due = due or distance <= script[e, 2] * max(now[SPEED, ego], 0.5 * script[e, 9])
        if due:
            fired[e] = True
            agent = int(script[e, 0])
            motion[agent, ORDER], motion[agent, ORDER_RATE] = script[e, 6], script[e, 7]
            motion[agent, ORDER_SPEED] = script[e, 8]


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
        if j < agents and mind[j, LIFE] == PENDING:  # of two who would enter now, one waits
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
def pedal(who: Int, driver: Float, mind: Int, motion: Float, zone_arc: Float, closed: float, i: int, k: int) -> None:
    """Turn the wish of agent ``i`` into an acceleration that driver and vehicle can do; ``closed`` is where to stop."""
    v, a, before = motion[i, MOVING], driver[i, D_ACCELERATION], motion[i, PEDAL]
    walker, ordered = who[i, MODE] == WALKER, motion[i, ORDER] != 0.0
    command = motion[i, COMMAND]
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
def advance(who: Int, driver: Float, motion: Float, path: Float, i: int) -> bool:
    """Move agent ``i`` on along its path by one step; False once it has come to the end.

    Across, it settles at the driver's place in the lane, critically damped over the way driven. The slope of the offset
    is the tangent of the heading relative to the path, so the body moves where it points.
    """
    v, command = motion[i, MOVING], motion[i, PEDAL]
    new_speed = v + command * DT
    travelled = 0.5 * (v + new_speed) * DT
    if new_speed < 0.05 and command < 0.3:  # tyres at rest stay at rest
        travelled = 0.5 * v * min(DT, v / max(-command, 1e-3))
        new_speed, motion[i, PEDAL] = 0.0, 0.0
    motion[i, MOVING] = new_speed
    row = min(max(who[i, PATH_LOW] + int(motion[i, ARC] / SPACING), who[i, PATH_LOW]), who[i, PATH_HIGH] - 1)
    scale = 2.0 if who[i, MODE] == WALKER else 5.0 + 0.8 * v
    target = driver[i, D_BIAS] + driver[i, D_NOISE] * WEAVE_SD * motion[i, WEAVE]
    offset, slope = motion[i, OFFSET], motion[i, SLOPE]
    cos = 1.0 / math.sqrt(1.0 + slope * slope)
    motion[i, SLOPE] += travelled * ((target - offset) / (scale * scale) - 2.0 * slope / scale)
    motion[i, OFFSET] += travelled * cos * slope
    motion[i, ARC] += travelled * cos / max(1.0 - path[row, PATH_CURVATURE] * offset, 0.3)
    return motion[i, ARC] < (who[i, PATH_HIGH] - who[i, PATH_LOW] - 1) * SPACING


@kernel
def write(
    who: Int,
    motion: Float,
    path: Float,
    i: int,
    sample: int,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: Bool,
) -> None:
    """Pose and velocity of agent ``i`` from its place on the path."""
    x, y, direction = path_pose(path, who[i, PATH_LOW], who[i, PATH_HIGH], motion[i, ARC])
    position[i, sample, 0] = x - motion[i, OFFSET] * math.sin(direction)
    position[i, sample, 1] = y + motion[i, OFFSET] * math.cos(direction)
    direction += math.atan(motion[i, SLOPE])
    heading[i, sample] = wrap(direction)
    velocity[i, sample, 0] = motion[i, MOVING] * math.cos(direction)
    velocity[i, sample, 1] = motion[i, MOVING] * math.sin(direction)
    valid[i, sample] = True
