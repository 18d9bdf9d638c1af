"""What is ahead of the ego: bodies in the corridor it is about to drive through, and closed signals."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.traffic_follow import body_on_path
from drive.kernels.traffic_world import FAR, MODE, REPLAY, TrafficWorld
from scenarios.generate.search.lateral import BEGIN, SPACING, X, Y, offset_at, offset_range
from scenarios.generate.search.task import (
    LENGTH,
    STRETCH_BEGIN,
    STRETCH_END,
    TO_CENTER,
    WIDTH,
    Float,
    Others,
    Task,
)

RED = 3
MARGIN, STILL_MARGIN = 0.25, 0.15  # m on each side of the ego in which moving and standing bodies count
FORESIGHT = 2.5  # s
SWING = 9.5  # m


@kernel
def swing_room(task: Task, arc: float) -> float:
    """Distance [m] to keep from what blocks the lane for good, where the ego may drive round it."""
    for row in range(len(task.beside)):
        if task.beside[row, STRETCH_BEGIN] - 30.0 < arc < task.beside[row, STRETCH_END]:
            return SWING
    return 0.0


@kernel
def nearest_lead(
    world: TrafficWorld,
    task: Task,
    others: Others,
    arc: float,
    v: float,
    k: int,
) -> tuple[float, float]:
    """Bumper gap [m] to the nearest body in the ego's corridor and its speed along the path; gap = FAR for none.

    Where the ego may drive round what never moves, the gap ends before there is no room left to swing out.
    """
    path, vehicle = task.path, task.vehicle
    position, heading, velocity, valid, size = (
        others.position,
        others.heading,
        others.velocity,
        others.valid,
        others.size,
    )
    half, width = 0.5 * vehicle[LENGTH], 0.5 * vehicle[WIDTH]
    center = arc + vehicle[TO_CENTER]
    front = center + half
    end = front + 10.0 + 5.0 * v
    middle = min(int(0.5 * (center + end) / SPACING), len(path) - 1)
    reach = 0.5 * (end - center) + 2.0
    gap, speed = FAR, 0.0
    swing = swing_room(task, arc)
    for j in range(len(size)):
        if not valid[j, k]:
            continue
        dx, dy = position[j, k, 0] - path[middle, X], position[j, k, 1] - path[middle, Y]
        radius = 0.5 * math.hypot(size[j, 0], size[j, 1])
        if dx * dx + dy * dy > (reach + radius) ** 2:
            continue
        cos, sin = math.cos(heading[j, k]), math.sin(heading[j, k])
        still = world.who[j, MODE] == REPLAY
        near, far, along = body_on_path(
            path, 0, len(path), center, end, 0.0, width + (STILL_MARGIN if still else MARGIN), half,
            position[j, k, 0], position[j, k, 1], cos, sin, 0.5 * size[j, 0], 0.5 * size[j, 1], radius,
        )  # fmt: skip
        if near < FAR and far > front and still:
            near = max(near - swing, min(near, front + 0.05))
        if near < FAR and far > front and near - front < gap:
            gap = max(near - front, 0.05)
            speed = (velocity[j, k, 0] * cos + velocity[j, k, 1] * sin) * along
    return gap, speed


@kernel
def lead_beside(
    world: TrafficWorld, task: Task, others: Others, plan: Float, arc: float, v: float, k: int
) -> tuple[float, float]:
    """:func:`nearest_lead` of an ego that follows a plan across the road.

    A body counts if the ego's corridor covers it where the two will meet: a slow lead that is out of the way by then
    does not hold the ego back, an oncoming car that will be there does.
    """
    path, vehicle = task.path, task.vehicle
    position, heading, velocity, size = others.position, others.heading, others.velocity, others.size
    half = 0.5 * vehicle[LENGTH]
    center = arc + vehicle[TO_CENTER]
    front = center + half
    end = front + 10.0 + 5.0 * v
    low, high = offset_range(plan, arc, end)
    swing = swing_room(task, arc) if arc < plan[BEGIN] else 0.0
    middle = min(int(0.5 * (center + end) / SPACING), len(path) - 1)
    reach = 0.5 * (end - center) + 2.0 + max(abs(low), abs(high))
    gap, speed = FAR, 0.0
    for j in range(len(size)):
        if not others.valid[j, k]:
            continue
        dx, dy = position[j, k, 0] - path[middle, X], position[j, k, 1] - path[middle, Y]
        radius = 0.5 * math.hypot(size[j, 0], size[j, 1])
        if dx * dx + dy * dy > (reach + radius) ** 2:
            continue
        cos, sin = math.cos(heading[j, k]), math.sin(heading[j, k])
        still = world.who[j, MODE] == REPLAY
        margin = 0.5 * vehicle[WIDTH] + (STILL_MARGIN if still else MARGIN)
        near, far, along = body_on_path(
            path, 0, len(path), center, end, 0.5 * (low + high), margin + 0.5 * (high - low), half,
            position[j, k, 0], position[j, k, 1], cos, sin, 0.5 * size[j, 0], 0.5 * size[j, 1], radius,
        )  # fmt: skip
        if near >= FAR or far <= front or near - front >= gap:
            continue
        own = (velocity[j, k, 0] * cos + velocity[j, k, 1] * sin) * along
        meeting = max(near - front, 0.0) / max(v - own, 0.5)
        moved = own * (meeting if own < 0.0 else min(meeting, FORESIGHT))
        first = max(near + moved - (front - arc), arc)
        last = max(far + moved + half - vehicle[TO_CENTER], first)
        # turned in, the front is further across than the rear axle
        place, slope, _ = offset_at(plan, first)
        place += slope * (front - arc)
        least, most = offset_range(plan, min(first + 0.5 * (front - arc), last), last)
        least, most = min(least, place), max(most, place)
        near, far, along = body_on_path(
            path, 0, len(path), center, end, 0.5 * (least + most), margin + 0.5 * (most - least), half,
            position[j, k, 0], position[j, k, 1], cos, sin, 0.5 * size[j, 0], 0.5 * size[j, 1], radius,
        )  # fmt: skip
        if near < FAR and far > front and still:
            near = max(near - swing, min(near, front + 0.05))
        if near < FAR and far > front and near - front < gap:
            gap = max(near - front, 0.05)
            speed = own
    return gap, speed


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
def is_free(task: Task, others: Others, offset: float, arc: float, v: float, k: int) -> bool:
    """True if nobody is on the line at ``offset``, from the ego's rear bumper to where it would be back in a few
    seconds."""
    path, vehicle = task.path, task.vehicle
    half = 0.5 * vehicle[LENGTH]
    begin = max(arc + vehicle[TO_CENTER] - half, 0.0)
    end = begin + 2.0 * half + 8.0 + 2.0 * v
    for j in range(len(others.size)):
        if not others.valid[j, k]:
            continue
        radius = 0.5 * math.hypot(others.size[j, 0], others.size[j, 1])
        near, _, _ = body_on_path(
            path, 0, len(path), begin, end, offset, 0.5 * vehicle[WIDTH], half,
            others.position[j, k, 0], others.position[j, k, 1],
            math.cos(others.heading[j, k]), math.sin(others.heading[j, k]),
            0.5 * others.size[j, 0], 0.5 * others.size[j, 1], radius,
        )  # fmt: skip
        if near < FAR:
            return False
    return True
