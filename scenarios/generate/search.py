"""Compiled half of the reference search: roll a longitudinal candidate with the true traffic and price it.

The ego's rear axle stays on its path; a candidate is a driver with a speed factor, a headway and perhaps a place to
stop.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import boxes_overlap
from drive.kernels.traffic import traffic_step
from drive.kernels.traffic_follow import body_on_path, idm
from drive.kernels.traffic_world import FAR, TrafficState, TrafficWorld

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

DT = 0.1
# columns of the ego path, one row every SPACING, those of the traffic kernels' paths; a sixth is the turning so far
SPACING = 0.5
X, Y, HEADING, CURVATURE, SPEED = range(5)
# columns of a candidate
FACTOR, HEADWAY, STOP, FIRM = range(4)
# columns of the vehicle row
LENGTH, WIDTH, TO_CENTER = range(3)
# columns of the style row
STYLE_HEADWAY, STYLE_GAP, STYLE_ACCELERATION, STYLE_DECELERATION, WEIGHT_PROGRESS, WEIGHT_COMFORT = range(6)
# columns of a stop row: arc length of the line, row of the light or -1, and of a crossing row: begin and end on the
# path
MAX_ACCELERATION, MAX_BRAKING, MAX_JERK = 1.8, 3.3, 2.2
CONTACT, VIOLATION = 1e4, 1e3
PASSING = 20  # samples for which a candidate's slower pace or brake lasts
RED = 3
PEDESTRIAN = 8
STANDING, BEFORE_SIGN = 0.1, 2.0  # m/s, m: who stands like this has stopped at the sign


class Others(NamedTuple):
    """Samples of the other agents, rewritten by every roll-out: ``position [A, K+1, 2]``, ``heading [A, K+1]``,
    ``velocity [A, K+1, 2]``, ``valid [A, K+1]``; ``size [A, 2]``, ``kind [A]``."""

    position: Float
    heading: Float
    velocity: Float
    valid: Bool
    size: Float
    kind: NDArray[np.int8]


class Task(NamedTuple):
    """What the ego has to do.

    ``path [P, 6]`` its rear axle's way, one row every SPACING; ``lines [*, 2]`` arc lengths of signalled stop lines and
    their row in the lights; ``crossings [C, 2]`` begin and end of marked crossings on the way, with ``rings [C, 5]``:
    centre x, y, direction of walking (cosine, sine), half the way from kerb to kerb; ``holds [*]`` ascending arc
    lengths where its front may wait; ``signs [*]`` ascending arc lengths of stop signs' lines not yet stopped at;
    ``boxes [*, 2]`` stretches of junctions in which nobody may be left standing; ``style [6]``; ``vehicle [3]``.
    """

    path: Float
    lines: Float
    crossings: Float
    rings: Float
    holds: Float
    signs: Float
    boxes: Float
    style: Float
    vehicle: Float


@kernel
def pose_at(path: Float, arc: float) -> tuple[float, float, float, float]:
    """Rear-axle pose and curvature on the ego path by cubic Hermite: (x, y, heading, curvature)."""
    row = min(max(int(arc / SPACING), 0), len(path) - 2)
    u = arc / SPACING - row
    a, b = path[row], path[row + 1]
    h00, h01 = (1 + 2 * u) * (1 - u) ** 2, u * u * (3 - 2 * u)
    h10, h11 = u * (1 - u) ** 2 * SPACING, u * u * (u - 1) * SPACING
    x = h00 * a[X] + h01 * b[X] + h10 * math.cos(a[HEADING]) + h11 * math.cos(b[HEADING])
    y = h00 * a[Y] + h01 * b[Y] + h10 * math.sin(a[HEADING]) + h11 * math.sin(b[HEADING])
    heading = h00 * a[HEADING] + h01 * b[HEADING] + h10 * a[CURVATURE] + h11 * b[CURVATURE]
    return x, y, heading, a[CURVATURE] + u * (b[CURVATURE] - a[CURVATURE])


@kernel
def nearest_lead(
    task: Task,
    others: Others,
    arc: float,
    v: float,
    k: int,
) -> tuple[float, float]:
    """Bumper gap [m] to the nearest body in the ego's corridor and its speed along the path; gap = FAR for none."""
    path, vehicle = task.path, task.vehicle
    position, heading, velocity, valid, size = (
        others.position,
        others.heading,
        others.velocity,
        others.valid,
        others.size,
    )
    half, width = 0.5 * vehicle[LENGTH], 0.5 * vehicle[WIDTH] + 0.25
    center = arc + vehicle[TO_CENTER]
    front = center + half
    end = front + 10.0 + 5.0 * v
    middle = min(int(0.5 * (center + end) / SPACING), len(path) - 1)
    reach = 0.5 * (end - center) + 2.0
    gap, speed = FAR, 0.0
    for j in range(len(size)):
        if not valid[j, k]:
            continue
        dx, dy = position[j, k, 0] - path[middle, X], position[j, k, 1] - path[middle, Y]
        radius = 0.5 * math.hypot(size[j, 0], size[j, 1])
        if dx * dx + dy * dy > (reach + radius) ** 2:
            continue
        cos, sin = math.cos(heading[j, k]), math.sin(heading[j, k])
        near, far, along = body_on_path(
            path, 0, len(path), center, end, 0.0, width, half,
            position[j, k, 0], position[j, k, 1], cos, sin, 0.5 * size[j, 0], 0.5 * size[j, 1], radius,
        )  # fmt: skip
        if near < FAR and far > front and near - front < gap:
            gap = max(near - front, 0.05)
            speed = (velocity[j, k, 0] * cos + velocity[j, k, 1] * sin) * along
    return gap, speed


@kernel
def next_acceleration(
    task: Task, candidate: Float, passed: bool, arc: float, v: float, a: float, gap: float, lead: float, stop: float
) -> float:
    """Acceleration for the next step: road, lead and line ahead, within the comfort limits and the limit of jerk."""
    path, style, vehicle = task.path, task.style, task.vehicle
    # A slower pace or a brake is for a moment: who only puts off an event meets it in the end.
    factor, firm = (1.0, 0.0) if passed else (candidate[FACTOR], candidate[FIRM])
    top = max(path[min(int((arc + 0.4 * v) / SPACING), len(path) - 1), SPEED] * factor, 0.3)
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
def red_line(lines: Float, light: NDArray[np.int8], step: int, front: float, v: float) -> float:
    """Arc length of the next line on the ego's way whose light asks it to stop now, 1 m before it; FAR for none."""
    for row in range(len(lines)):
        gap = lines[row, 0] - front
        if gap < -0.2 or gap > 20.0 + 6.0 * v:
            continue
        state = light[int(lines[row, 1]), min(step, light.shape[1] - 1)]
        if state == RED or (state == RED - 1 and v * v < 2.0 * 2.2 * max(gap - 1.0, 0.05)):
            return lines[row, 0] - 1.0
    return FAR


@kernel
def roll(
    world: TrafficWorld,
    state: TrafficState,
    others: Others,
    task: Task,
    candidate: Float,
    start: Float,
    k: int,
    steps: int,
    motion: Float,
    give_up: float,
) -> tuple[float, float]:
    """Drive one candidate for ``steps`` samples from sample ``k``; returns its cost and the part of it that is hazard,
    and writes ``motion [steps + 1, 3]`` (arc, speed, acceleration; row 0 is ``start``). Stops early when the cost
    exceeds ``give_up``."""
    path, style, vehicle = task.path, task.style, task.vehicle
    for column in range(3):
        motion[0, column] = start[column]
    hazard, effort = 0.0, 0.0
    length, width, to_center = vehicle[LENGTH], vehicle[WIDTH], vehicle[TO_CENTER]
    free_arc, free_speed = start[0], start[1]
    sign = 0 * k  # not a literal: that would have callees compiled again
    for n in range(steps):
        at = k + n
        arc, v, a = motion[n]
        x, y, h, _bend = pose_at(path, arc)
        cx, cy = x + to_center * math.cos(h), y + to_center * math.sin(h)
        gap, lead = nearest_lead(task, others, arc, v, at)
        front = arc + to_center + 0.5 * length
        stop = min(red_line(task.lines, world.light, world.begin[0] + at, front, v), candidate[STOP])
        while sign < len(task.signs) and (
            front > task.signs[sign] or (v < STANDING and front > task.signs[sign] - BEFORE_SIGN)
        ):
            sign += 1
        if sign < len(task.signs):
            stop = min(stop, task.signs[sign] - 0.6)
        new_a = next_acceleration(task, candidate, n >= PASSING, arc, v, a, gap, lead, stop)
        new_v = v + new_a * DT
        if new_v < 0.04 and new_a <= 0.0:
            new_v, new_a = 0.0, 0.0
        motion[n + 1, 0], motion[n + 1, 1], motion[n + 1, 2] = arc + 0.5 * (v + new_v) * DT, new_v, new_a
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
        hazard += price(world, others, task, motion, n, at, gap, lead) * DT
        free_top = path[min(int(free_arc / SPACING), len(path) - 1), SPEED]
        free_speed = min(free_speed + style[STYLE_ACCELERATION] * DT, max(free_top, free_speed - 2.0 * DT))
        free_arc += free_speed * DT
        if hazard + effort > give_up:
            return hazard + effort, hazard
    lost = 1.0 - (motion[steps, 0] - start[0]) / max(free_arc - start[0], 1.0)
    return hazard + effort + style[WEIGHT_PROGRESS] * 10.0 * max(lost, 0.0), hazard


@kernel
def price(
    world: TrafficWorld,
    others: Others,
    task: Task,
    motion: Float,
    n: int,
    at: int,
    gap: float,
    lead: float,
) -> float:
    """Hazard per second of the step that ends in row ``n + 1`` of ``motion`` and sample ``at + 1``."""
    path, lines, crossings, _style, vehicle = task.path, task.lines, task.crossings, task.style, task.vehicle
    position, heading, velocity, valid = others.position, others.heading, others.velocity, others.valid
    size, kind = others.size, others.kind
    arc, v, _a = motion[n + 1]
    length, width, to_center = vehicle[LENGTH], vehicle[WIDTH], vehicle[TO_CENTER]
    x, y, h, _bend = pose_at(path, arc)
    cx, cy = x + to_center * math.cos(h), y + to_center * math.sin(h)
    cos, sin = math.cos(h), math.sin(h)
    cost = 0.0
    front, rear = arc + to_center + 0.5 * length, arc + to_center - 0.5 * length
    before = motion[n, 0] + to_center + 0.5 * length
    for row in range(len(lines)):
        if before < lines[row, 0] <= front and world.light[int(lines[row, 1]), world.begin[0] + at] == RED:
            cost += VIOLATION / DT
    for row in range(len(task.boxes)):
        if v < 0.5 and front > task.boxes[row, 0] + 0.5 and rear < task.boxes[row, 1]:
            cost += 20.0
    if gap < FAR:
        safe = 1.0 + 0.8 * v
        if gap < safe:
            cost += 8.0 * ((safe - gap) / safe) ** 2
        if v > lead + 0.1 and gap / (v - lead) < 2.0:
            cost += 25.0 * (2.0 - gap / (v - lead)) ** 2
    reach = 0.5 * math.hypot(length, width)
    for j in range(len(size)):
        if not valid[j, at + 1]:
            continue
        dx, dy = position[j, at + 1, 0] - cx, position[j, at + 1, 1] - cy
        square = dx * dx + dy * dy
        speed_x, speed_y = velocity[j, at + 1, 0], velocity[j, at + 1, 1]
        if square < 900.0:
            change = math.hypot(speed_x, speed_y) - math.hypot(velocity[j, at, 0], velocity[j, at, 1])
            if change < -2.5 * DT:
                cost += 1.5 * (-change / DT - 2.5)
        radius = 0.5 * math.hypot(size[j, 0], size[j, 1])
        vru = kind[j] == PEDESTRIAN
        if square > (reach + radius + 3.0 + v) ** 2:
            continue
        if boxes_overlap(
            cx, cy, h, length + 0.1, width + 0.1,
            position[j, at + 1, 0], position[j, at + 1, 1], heading[j, at + 1], size[j, 0], size[j, 1],
        ):  # fmt: skip
            cost += CONTACT / DT
        along, across = dx * cos + dy * sin, dy * cos - dx * sin
        if vru and v > 0.5:
            outside = math.hypot(max(abs(along) - 0.5 * length, 0.0), max(abs(across) - 0.5 * width, 0.0)) - radius
            if outside < 1.2:
                cost += 25.0 * (1.2 - outside) ** 2 * min(v / 2.0, 1.0)
        if v > 0.3:  # would they touch within a second if both went straight on?
            for n_ahead in range(1, 4):
                ahead = 0.35 * n_ahead
                if boxes_overlap(
                    cx + ahead * v * cos, cy + ahead * v * sin, h, length + 0.2, width + 0.2,
                    position[j, at + 1, 0] + ahead * speed_x, position[j, at + 1, 1] + ahead * speed_y,
                    heading[j, at + 1], size[j, 0], size[j, 1],
                ):  # fmt: skip
                    cost += 40.0
                    break
    for row in range(len(crossings)):
        if front > crossings[row, 0] and rear < crossings[row, 1]:
            cost += yield_cost(others, task.rings[row], cx, cy, cos, sin, v, width, at + 1)
    return cost


@kernel
def yield_cost(
    others: Others,
    ring: Float,
    cx: float,
    cy: float,
    cos: float,
    sin: float,
    v: float,
    width: float,
    k: int,
) -> float:
    """Price of being on a crossing while somebody walks on it towards or near the ego's side of the road.

    ``ring [5]``: centre x, y, direction of walking (cosine, sine), half the way from kerb to kerb; the crossing is
    taken as 4 m wide.
    """
    position, velocity, valid, kind = others.position, others.velocity, others.valid, others.kind
    cost = 0.0
    for j in range(len(kind)):
        if kind[j] != PEDESTRIAN or not valid[j, k]:
            continue
        dx, dy = position[j, k, 0] - ring[0], position[j, k, 1] - ring[1]
        walked, aside = dx * ring[2] + dy * ring[3], dy * ring[2] - dx * ring[3]
        if abs(walked) > ring[4] + 0.2 or abs(aside) > 4.0:
            continue
        ex, ey = position[j, k, 0] - cx, position[j, k, 1] - cy
        across = ey * cos - ex * sin
        toward = (velocity[j, k, 1] * cos - velocity[j, k, 0] * sin) * (-1.0 if across > 0.0 else 1.0)
        clear = abs(across) - 0.5 * width
        if clear < 1.2 or (toward > 0.2 and clear - 1.5 * toward < 0.8):
            cost += 12.0 * (0.3 + min(v / 3.0, 1.0))
    return cost
