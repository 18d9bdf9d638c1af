"""One step of all other agents: replay, constant velocity, drivers and walkers, in one compiled call."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.drivers import Driver
from drive.kernels import kernel
from drive.kernels.geometry import wrap
from drive.kernels.traffic_follow import (
    FAR,
    body_on_path,
    idm,
    needed_deceleration,
    path_pose,
    random_normal,
    random_uniform,
    ray_on_path,
    travel_time,
)
from drive.kernels.traffic_world import (
    ACCELERATION,
    ACTIVE,
    ARC,
    CONSTANT_VELOCITY,
    COS,
    DISTRACTED,
    DISTRACTED_SINCE,
    DRIVER,
    DT,
    GONE,
    HALF_LENGTH,
    HALF_WIDTH,
    HOLD,
    MEMORY,
    MOVING,
    OFFSET,
    PATH_CURVATURE,
    PATH_SPEED,
    PATH_X,
    PATH_Y,
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
    X,
    Y,
    ZONE_BEGIN,
    TrafficState,
    TrafficWorld,
)
from drive.kernels.traffic_yield import closed_at, grant, line_ahead, occupy, release, request, take

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

D_HEADWAY, D_GAP, D_ACCELERATION = Driver.HEADWAY.value, Driver.GAP.value, Driver.ACCELERATION.value
D_DECELERATION, D_MAX, D_REACTION = Driver.DECELERATION.value, Driver.MAX_DECELERATION.value, Driver.REACTION.value
D_BIAS, D_COURTESY, D_GAP_FACTOR = Driver.LANE_BIAS.value, Driver.COURTESY.value, Driver.GAP_FACTOR.value
D_START, D_NOISE, D_SEED = Driver.START_LOSS.value, Driver.NOISE.value, Driver.SEED.value
D_PATIENCE = Driver.PATIENCE.value
# Ornstein-Uhlenbeck processes: pedal [0.12 m/s2, 1.5 s], gap and speed errors [15 s], place in the lane [0.15 m, 6 s]
PEDAL_NOISE, GAP_ERROR, SPEED_ERROR, WEAVE = range(4)
_DECAY = np.exp(-DT / np.array([1.5, 15.0, 15.0, 6.0]))
_KICK = np.sqrt(1.0 - _DECAY**2)
PEDAL_SD, WEAVE_SD = 0.12, 0.15
MARGIN, STATIC_MARGIN = 0.25, 0.1  # m on each side of the own body in which others count as ahead
ALERT = 2.5  # m/s2: if more deceleration than this is needed, the driver acts at once
JERK, BRAKE_JERK, ALERT_JERK = 4.0, 8.0, 15.0  # m/s3
DISTRACTION_RATE = 1.0 / 120.0  # 1/s


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
    agents = len(world.mode)
    now = state.now
    for i in range(agents):
        now[HALF_LENGTH, i], now[HALF_WIDTH, i] = 0.5 * world.size[i, 0], 0.5 * world.size[i, 1]
        if not valid[i, k]:
            now[X, i], now[RADIUS, i] = FAR, 0.0
            continue
        cos, sin = math.cos(heading[i, k]), math.sin(heading[i, k])
        speed = velocity[i, k, 0] * cos + velocity[i, k, 1] * sin
        now[X, i], now[Y, i], now[COS, i], now[SIN, i], now[SPEED, i] = (
            position[i, k, 0],
            position[i, k, 1],
            cos,
            sin,
            speed,
        )
        now[RADIUS, i] = math.hypot(now[HALF_LENGTH, i], now[HALF_WIDTH, i])
        now[ACCELERATION, i] = state.motion[i, PEDAL]
        if world.mode[i] <= CONSTANT_VELOCITY and k > 0 and valid[i, k - 1]:
            now[ACCELERATION, i] = (speed - velocity[i, k - 1, 0] * cos - velocity[i, k - 1, 1] * sin) / DT
    now[X, agents], now[Y, agents], now[SPEED, agents] = ego_x, ego_y, ego_speed
    now[COS, agents], now[SIN, agents] = math.cos(ego_heading), math.sin(ego_heading)
    now[HALF_LENGTH, agents], now[HALF_WIDTH, agents] = 0.5 * ego_length, 0.5 * ego_width
    now[RADIUS, agents] = 0.5 * math.hypot(ego_length, ego_width)
    now[ACCELERATION, agents] = (ego_speed - state.ego_before[1]) / DT if state.ego_before[0] > 0.0 else 0.0
    state.ego_before[0], state.ego_before[1] = 1.0, ego_speed

    fire_events(world, state, k)
    for i in range(agents):
        if state.life[i] == ACTIVE:
            release(world, state, i)
    for i in range(agents):
        if state.life[i] == ACTIVE:
            occupy(world, state, i)
            state.plan[i, 1] = line_ahead(world, state, i, k)
    for i in range(agents):
        if state.life[i] == ACTIVE:
            drive_noise(world, state, i, k)
            state.plan[i, 0] = follow(world, state, i, k)
    for i in range(agents):
        state.claim[i, 2] = 0
        if state.life[i] == ACTIVE:
            request(world, state, i, k)
    for i in range(agents):
        if grant(world, state, i):
            take(world, state, i)
    for i in range(agents):
        mode = world.mode[i]
        if mode == REPLAY:
            copy_sample(world, i, world.begin[0] + k + 1, position, heading, velocity, valid, k + 1)
        elif mode == CONSTANT_VELOCITY:
            coast(world, state, i, k, position, heading, velocity, valid)
        elif state.life[i] == ACTIVE:
            move(world, state, i, k, position, heading, velocity, valid)
        elif state.life[i] == PENDING and world.first[i] <= k + 1 <= world.last[i] and is_clear(world, state, i, k):
            copy_sample(world, i, world.begin[0] + world.first[i], position, heading, velocity, valid, k + 1)
        else:
            clear_sample(i, k + 1, position, heading, velocity, valid)
    for i in range(agents):
        if state.life[i] == PENDING and valid[i, k + 1]:
            state.life[i] = ACTIVE


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
def copy_sample(
    world: TrafficWorld,
    i: int,
    step: int,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: Bool,
    sample: int,
) -> None:
    """Agent ``i`` as recorded at a scene step."""
    position[i, sample, 0], position[i, sample, 1] = world.position[i, step, 0], world.position[i, step, 1]
    velocity[i, sample, 0], velocity[i, sample, 1] = world.velocity[i, step, 0], world.velocity[i, step, 1]
    heading[i, sample], valid[i, sample] = world.heading[i, step], world.valid[i, step]


@kernel
def clear_sample(i: int, sample: int, position: Float, heading: Float, velocity: Float, valid: Bool) -> None:
    """Agent ``i`` is not there."""
    position[i, sample, 0] = position[i, sample, 1] = heading[i, sample] = 0.0
    velocity[i, sample, 0] = velocity[i, sample, 1] = 0.0
    valid[i, sample] = False


@kernel
def coast(
    world: TrafficWorld,
    state: TrafficState,
    i: int,
    k: int,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: Bool,
) -> None:
    """Constant velocity and heading from the start or the recorded entry to the recorded exit."""
    if k + 1 < world.first[i] or k + 1 > world.last[i]:
        clear_sample(i, k + 1, position, heading, velocity, valid)
    elif k + 1 == world.first[i] or not valid[i, k]:
        copy_sample(world, i, world.begin[0] + world.first[i], position, heading, velocity, valid, k + 1)
    else:
        velocity[i, k + 1, 0], velocity[i, k + 1, 1] = velocity[i, k, 0], velocity[i, k, 1]
        position[i, k + 1, 0] = position[i, k, 0] + DT * velocity[i, k, 0]
        position[i, k + 1, 1] = position[i, k, 1] + DT * velocity[i, k, 1]
        heading[i, k + 1], valid[i, k + 1] = heading[i, k], True


@kernel
def fire_events(world: TrafficWorld, state: TrafficState, k: int) -> None:
    """Give scripted orders whose trigger fires at sample ``k`` (columns: :class:`drive.scene.Event`)."""
    ego = state.now[:, len(world.mode)]
    t = k * DT
    for e in range(len(world.script)):
        event = world.script[e]
        if state.fired[e]:
            continue
        due = t >= event[5] - 1e-9
        if event[1] == 0.0:
            due = due or t >= event[2] - 1e-9
        else:
            distance = math.hypot(event[3] - ego[X], event[4] - ego[Y]) - ego[HALF_LENGTH]
            due = due or distance / max(ego[SPEED], 0.5 * event[9]) <= event[2]
        if due:
            state.fired[e] = True
            agent = int(event[0])
            state.order[agent, 0], state.order[agent, 1], state.order[agent, 2] = event[6], event[8], event[7]


@kernel
def drive_noise(world: TrafficWorld, state: TrafficState, i: int, k: int) -> None:
    """Advance the driver's random processes by one step; everything depends on (seed, sample) only."""
    scale = world.driver[i, D_NOISE]
    if scale == 0.0:
        return
    seed = world.driver[i, D_SEED]
    for n in range(4):
        state.noise[i, n] = _DECAY[n] * state.noise[i, n] + _KICK[n] * random_normal(seed, k, n)
    if k * DT >= state.motion[i, DISTRACTED] and world.mode[i] == DRIVER:
        if random_uniform(seed, k, 4) < DISTRACTION_RATE * scale * scale * DT:
            state.motion[i, DISTRACTED_SINCE] = k * DT
            state.motion[i, DISTRACTED] = k * DT + 0.8 + 1.7 * random_uniform(seed, k, 5)


@kernel
def follow(world: TrafficWorld, state: TrafficState, i: int, k: int) -> float:
    """Acceleration [m/s2] that agent ``i`` wants for road, leads and lines; conflicts with other paths come on top.

    Leaves the nearest lead's rear (arc length) and speed in ``state.plan[i, 2:4]``.
    """
    now, motion, driver, path = state.now, state.motion[i], world.driver[i], world.path
    low, high = world.path_ptr[i], world.path_ptr[i + 1]
    length = (high - low - 1) * SPACING
    walker = world.mode[i] == WALKER
    arc, v, half = motion[ARC], motion[MOVING], now[HALF_LENGTH, i]
    front = arc + half
    headway, rest, a, b = driver[D_HEADWAY], driver[D_GAP], driver[D_ACCELERATION], driver[D_DECELERATION]
    # the road: desired speed, seen half a second ahead
    top = max(path[min(low + int((arc + 0.5 * v) / SPACING), high - 1), PATH_SPEED], 0.1)
    ratio = v * v / (top * top)
    free = 1.0 - ratio * ratio
    wanted = a * free if v <= top else max((top - v) / 0.5, -1.5 * b)
    free = max(free, -1.0)
    if state.order[i, 0] != 0.0:
        rate = state.order[i, 2]
        wanted = min(max((state.order[i, 1] - v) / DT, -rate), rate)
        free = 1.0
    # bodies ahead
    look = half + (2.0 + 2.0 * v if walker else 15.0 + 5.0 * v)
    end = min(arc + look, length)
    middle = min(low + int(0.5 * (arc + end) / SPACING), high - 1)
    x, y, radius = path[middle, PATH_X], path[middle, PATH_Y], 0.5 * (end - arc) + SPACING
    reach = radius + now[HALF_WIDTH, i] + 1.0 + abs(motion[OFFSET])
    near_gap, near_speed, urgent, others = FAR, 0.0, 0.0, FAR
    for j in range(len(world.mode) + 1):
        dx, dy, sum_radius = now[X, j] - x, now[Y, j] - y, reach + now[RADIUS, j]
        if dx * dx + dy * dy > sum_radius * sum_radius or j == i:
            continue
        if walker and j < len(world.mode) and world.mode[j] == WALKER:
            continue
        margin = STATIC_MARGIN if abs(now[SPEED, j]) < 0.1 or walker else MARGIN
        near, far, along = body_on_path(
            path,
            low,
            high,
            arc,
            end,
            motion[OFFSET],
            now[HALF_WIDTH, i] + margin,
            half,
            now[X, j],
            now[Y, j],
            now[COS, j],
            now[SIN, j],
            now[HALF_LENGTH, j],
            now[HALF_WIDTH, j],
            now[RADIUS, j],
        )
        if near < front and far > front:  # beside: only if the bodies themselves would touch
            near, far, along = body_on_path(
                path,
                low,
                high,
                arc,
                end,
                motion[OFFSET],
                now[HALF_WIDTH, i],
                0.0,
                now[X, j],
                now[Y, j],
                now[COS, j],
                now[SIN, j],
                now[HALF_LENGTH, j],
                now[HALF_WIDTH, j],
                now[RADIUS, j],
            )
        if near < FAR:
            if far > front:
                gap, speed = max(near - front, 0.05), now[SPEED, j] * along
                urgent = max(
                    urgent, needed_deceleration(v, gap - min(0.5, 0.5 * gap), speed, now[ACCELERATION, j] * along)
                )
                if gap < near_gap:
                    gap, near_gap = near_gap, gap
                    speed, near_speed = near_speed, speed
                if gap < FAR:
                    others = min(others, idm(v, free, gap, speed, headway, rest, a, b))
        elif (j == len(world.mode) or world.mode[j] <= CONSTANT_VELOCITY) and now[SPEED, j] > 0.5:
            gap, speed = cross_traffic(world, state, i, j, k, front, end, top)
            if gap < FAR:
                others = min(others, idm(v, free, gap, speed, 0.5 * headway, 0.5, a, b))
    state.plan[i, 2] = front + near_gap
    state.plan[i, 3] = near_speed
    wanted = min(wanted, others)
    wanted = min(wanted, react(state, i, k, v, near_gap, near_speed, free, driver))
    line = state.plan[i, 1] - front
    if line < FAR / 2:
        wanted = min(wanted, idm(v, free, line, 0.0, 0.5 * headway, 0.8, a, b))
        needed = needed_deceleration(v, line - 0.2, 0.0, 0.0)
        if needed > b:
            urgent = max(urgent, needed)
    if urgent > ALERT:
        wanted = min(wanted, -1.1 * urgent)
    return wanted


@kernel
def react(state: TrafficState, i: int, k: int, v: float, gap: float, lead: float, free: float, driver: Float) -> float:
    """IDM towards the nearest lead as the driver perceives it: late, extrapolated to now, with errors of estimation."""
    motion, seen = state.motion[i], state.seen[i]
    rear = motion[ARC] + gap
    if state.fresh[i]:  # nothing was seen before: as if the lead had always driven like this
        state.fresh[i] = False
        for n in range(MEMORY):
            seen[(k - n) % MEMORY, 0], seen[(k - n) % MEMORY, 1] = rear - n * DT * lead, lead
    seen[k % MEMORY, 0], seen[k % MEMORY, 1] = rear, lead
    delay = int(driver[D_REACTION] / DT + 0.5)
    if k * DT < motion[DISTRACTED]:
        delay += int((k * DT - motion[DISTRACTED_SINCE]) / DT + 0.5)
    delay = min(delay, MEMORY - 1)
    lead = seen[(k - delay) % MEMORY, 1]
    gap = seen[(k - delay) % MEMORY, 0] + delay * DT * lead - motion[ARC]
    if gap > FAR / 2:
        return FAR
    gap = max(gap, 0.05)
    noise = driver[D_NOISE]
    lead -= noise * 0.02 * gap * state.noise[i, SPEED_ERROR]
    gap *= 1.0 + noise * 0.06 * state.noise[i, GAP_ERROR]
    return idm(v, free, gap, lead, driver[D_HEADWAY], driver[D_GAP], driver[D_ACCELERATION], driver[D_DECELERATION])


@kernel
def cross_traffic(
    world: TrafficWorld, state: TrafficState, i: int, j: int, k: int, front: float, end: float, top: float
) -> tuple[float, float]:
    """(gap, speed) of the place to stop before because somebody without a known path would come across, or (FAR, 0).

    The other one (the ego, a replayed agent) is taken to go straight on at its speed. It is left alone if one of the two
    is clearly through before the other; else a driver lets a replayed agent pass, and the ego if that comes first.
    """
    now, motion, driver = state.now, state.motion[i], world.driver[i]
    low, high = world.path_ptr[i], world.path_ptr[i + 1]
    walker = world.mode[i] == WALKER
    v, speed = motion[MOVING], now[SPEED, j]
    own_cos, own_sin = now[COS, i], now[SIN, i]
    along = now[COS, j] * own_cos + now[SIN, j] * own_sin
    if not walker and along < -0.85:  # oncoming: a straight line says nothing about it
        return FAR, 0.0
    horizon = 6.0 if walker else 3.0
    margin = 0.6 if walker else 0.3
    first, last, least, most = ray_on_path(
        world.path,
        low,
        high,
        front,
        end,
        now[HALF_WIDTH, i] + now[HALF_WIDTH, j] + margin,
        now[X, j],
        now[Y, j],
        now[COS, j],
        now[SIN, j],
        speed * horizon + now[HALF_LENGTH, j],
    )
    if first >= FAR or first <= front:
        return FAR, 0.0
    gap = first - front
    if walker and gap > 1.5:
        return FAR, 0.0
    a = driver[D_ACCELERATION]
    arrive, leave = travel_time(gap, v, a, top), travel_time(gap + last - first + 2.0 * now[HALF_LENGTH, i], v, a, top)
    other_arrives = (least - now[HALF_LENGTH, j]) / speed
    other_leaves = (most + now[HALF_LENGTH, j]) / speed
    stopping = now[ACCELERATION, j]
    stops = stopping < -0.8 and speed * speed < -2.0 * stopping * max(least - now[HALF_LENGTH, j], 0.0)
    if walker:
        careless = driver[D_COURTESY] < 0.05 or state.order[i, 0] != 0.0
        if careless or stops or leave + 2.0 * driver[D_GAP_FACTOR] < other_arrives:
            return FAR, 0.0
        return gap, 0.0
    if leave + 0.8 * driver[D_GAP_FACTOR] < other_arrives or other_leaves + 0.3 < arrive:
        return FAR, 0.0
    ego = j == len(world.mode)
    if ego and (arrive + 0.3 < other_arrives or (stops and motion[WAITED] > driver[D_PATIENCE])):
        return FAR, 0.0
    if needed_deceleration(v, gap, 0.0, 0.0) > 0.8 * driver[D_MAX]:
        return FAR, 0.0
    return gap, max(speed * along, 0.0) if along > 0.9 else 0.0


@kernel
def is_clear(world: TrafficWorld, state: TrafficState, i: int, k: int) -> bool:
    """True if agent ``i`` can enter where it was first recorded without forcing anybody to brake hard."""
    now, step = state.now, world.begin[0] + world.first[i]
    x, y, h = world.position[i, step, 0], world.position[i, step, 1], world.heading[i, step]
    cos, sin = math.cos(h), math.sin(h)
    v = world.velocity[i, step, 0] * cos + world.velocity[i, step, 1] * sin
    walker = world.mode[i] == WALKER
    for j in range(len(world.mode) + 1):
        if j == i or (walker and j < len(world.mode) and world.mode[j] == WALKER):
            continue
        other_x, other_y, other_cos, other_sin = now[X, j], now[Y, j], now[COS, j], now[SIN, j]
        other_v = now[SPEED, j]
        if j < len(world.mode) and state.life[j] == PENDING:
            earlier = world.driver[j, D_SEED] < world.driver[i, D_SEED] or (
                world.driver[j, D_SEED] == world.driver[i, D_SEED] and j < i
            )
            if not earlier or world.first[j] > k + 1 or world.last[j] < k + 1:
                continue  # of two who would enter now, one waits
            at = world.begin[0] + world.first[j]
            other_x, other_y = world.position[j, at, 0], world.position[j, at, 1]
            other_cos, other_sin = math.cos(world.heading[j, at]), math.sin(world.heading[j, at])
            other_v = world.velocity[j, at, 0] * other_cos + world.velocity[j, at, 1] * other_sin
        dx, dy = other_x - x, other_y - y
        if dx * dx + dy * dy > 10000.0:
            continue
        along, across = dx * cos + dy * sin, abs(dy * cos - dx * sin)
        c, s = cos * other_cos + sin * other_sin, abs(sin * other_cos - cos * other_sin)
        aside = now[HALF_WIDTH, i] + now[HALF_LENGTH, j] * s + now[HALF_WIDTH, j] * abs(c)
        ahead = now[HALF_LENGTH, i] + now[HALF_LENGTH, j] * abs(c) + now[HALF_WIDTH, j] * s
        if across > aside + 0.2:
            continue
        behind_speed, closing = (v, v - other_v * c) if along > 0.0 else (other_v * c, other_v * c - v)
        room = 0.5 if walker else 0.5 + 0.6 * max(behind_speed, 0.0) + max(closing, 0.0) ** 2 / 4.0
        if abs(along) < ahead + room:
            return False
    return True


@kernel
def hesitates(world: TrafficWorld, state: TrafficState, i: int, k: int) -> bool:
    """True while a walker pauses in the middle of the first road it crosses (START_LOSS > 0)."""
    pause = world.driver[i, D_START]
    if pause == 0.0 or state.order[i, 0] != 0.0:
        return False
    if state.decided[i] == -1 and grant(world, state, i):
        state.decided[i] = state.claim[i, 0]
    elif state.decided[i] >= 0 and state.motion[i, ARC] > world.zone_arc[state.decided[i], ZONE_BEGIN] + 1.0:
        state.decided[i] = -2  # once only
        state.motion[i, HOLD] = k * DT + pause
    return k * DT < state.motion[i, HOLD]


@kernel
def shift(world: TrafficWorld, state: TrafficState, i: int, travelled: float, curvature: float) -> None:
    """Advance along the path and settle, critically damped over the way driven, at the driver's place in the lane.

    The offset's slope is the tangent of the heading relative to the path, so the body moves where it points.
    """
    motion = state.motion[i]
    scale = 2.0 if world.mode[i] == WALKER else 5.0 + 0.8 * motion[MOVING]
    target = world.driver[i, D_BIAS] + world.driver[i, D_NOISE] * WEAVE_SD * state.noise[i, WEAVE]
    slope = motion[SLOPE]
    cos = 1.0 / math.sqrt(1.0 + slope * slope)
    motion[SLOPE] += travelled * ((target - motion[OFFSET]) / (scale * scale) - 2.0 * slope / scale)
    motion[ARC] += travelled * cos / max(1.0 - curvature * motion[OFFSET], 0.3)
    motion[OFFSET] += travelled * cos * slope


@kernel
def move(
    world: TrafficWorld,
    state: TrafficState,
    i: int,
    k: int,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: Bool,
) -> None:
    """Integrate agent ``i`` along its path and write sample ``k + 1``."""
    motion, driver, path = state.motion[i], world.driver[i], world.path
    low, high = world.path_ptr[i], world.path_ptr[i + 1]
    half, v, a, b = 0.5 * world.size[i, 0], motion[MOVING], driver[D_ACCELERATION], driver[D_DECELERATION]
    command = state.plan[i, 0]
    closed = closed_at(world, state, i)
    if closed < FAR:
        gap = closed - motion[ARC] - half
        rest = 0.2 if world.mode[i] == WALKER else 0.8
        command = min(command, idm(v, 1.0, max(gap, 0.1), 0.0, 0.3, rest, a, b))
        needed = needed_deceleration(v, gap - 0.1, 0.0, 0.0)
        if needed > b:
            command = min(command, -1.1 * needed)
    if world.mode[i] == WALKER and hesitates(world, state, i, k):
        command = min(command, -v / 0.3)
    if v < 0.3 and closed < FAR and state.plan[i, 1] >= FAR:
        motion[WAITED] += DT
    elif v > 1.0:
        motion[WAITED] = 0.0
    command += driver[D_NOISE] * PEDAL_SD * state.noise[i, PEDAL_NOISE] if v > 0.5 else 0.0
    command = min(max(command, -driver[D_MAX]), max(a, state.order[i, 2] if state.order[i, 0] != 0.0 else a))
    jerk = ALERT_JERK if command < -3.0 or state.order[i, 0] != 0.0 else BRAKE_JERK
    command = max(command, motion[PEDAL] - jerk * DT)
    command = min(command, max(motion[PEDAL], -1.0) + (ALERT_JERK if v < 0.5 else JERK) * DT)
    new_speed = v + command * DT
    if new_speed < 0.05 and command < 0.3:  # tyres at rest stay at rest
        travelled = 0.5 * v * min(DT, v / max(-command, 1e-3))
        new_speed, command = 0.0, 0.0
    else:
        travelled = 0.5 * (v + new_speed) * DT
    place = min(max(int(motion[ARC] / SPACING), 0), high - low - 1)
    motion[PEDAL], motion[MOVING] = command, new_speed
    shift(world, state, i, travelled, path[low + place, PATH_CURVATURE])
    if motion[ARC] >= (high - low - 1) * SPACING or k + 1 > world.last[i]:
        state.life[i] = GONE
        clear_sample(i, k + 1, position, heading, velocity, valid)
        return
    x, y, direction = path_pose(path, low, high, motion[ARC])
    position[i, k + 1, 0] = x - motion[OFFSET] * math.sin(direction)
    position[i, k + 1, 1] = y + motion[OFFSET] * math.cos(direction)
    direction += math.atan(motion[SLOPE])
    heading[i, k + 1] = wrap(direction)
    velocity[i, k + 1, 0], velocity[i, k + 1, 1] = new_speed * math.cos(direction), new_speed * math.sin(direction)
    valid[i, k + 1] = True
