"""What a step costs: contacts, red lights, short times to collision, imposed braking, people on crossings."""

import math

from drive.kernels import kernel
from drive.kernels.geometry import boxes_overlap
from drive.kernels.traffic_world import FAR, TrafficWorld
from scenarios.generate.search.lateral import ARC, BEND, MOVING, OFFSET, SLOPE, pose_beside
from scenarios.generate.search.lead import RED
from scenarios.generate.search.task import DT, LENGTH, TO_CENTER, WIDTH, Float, Others, Task

CONTACT, VIOLATION, TIGHT = 1e4, 1e3, 15.0
BICYCLE, PEDESTRIAN = 7, 8
BESIDE_CYCLIST, UNEASY = 1.3, 40.0  # m, 1/(m2 s): m of room beside somebody who rides


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
    aside: bool,
) -> float:
    """Hazard per second of the step that ends in row ``n + 1`` of ``motion`` and sample ``at + 1``.

    ``aside``: the ego leaves its lane or is back in it too soon for others; it owes them room and time.
    """
    path, lines, crossings, _style, vehicle = task.path, task.lines, task.crossings, task.style, task.vehicle
    position, heading, velocity, valid = others.position, others.heading, others.velocity, others.valid
    size, kind = others.size, others.kind
    arc, v = motion[n + 1, ARC], motion[n + 1, MOVING]
    length, width, to_center = vehicle[LENGTH], vehicle[WIDTH], vehicle[TO_CENTER]
    x, y, h, _bend = pose_beside(path, arc, motion[n + 1, OFFSET], motion[n + 1, SLOPE], motion[n + 1, BEND])
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
            elif aside and change < -1.0 * DT:
                cost += 0.5 * (-change / DT - 1.0)
        radius = 0.5 * math.hypot(size[j, 0], size[j, 1])
        vru = kind[j] == PEDESTRIAN
        if square > (reach + radius + 3.0 + v) ** 2:
            continue
        if boxes_overlap(
            cx, cy, h, length + 0.1, width + 0.1,
            position[j, at + 1, 0], position[j, at + 1, 1], heading[j, at + 1], size[j, 0], size[j, 1],
        ):  # fmt: skip
            cost += CONTACT / DT
        elif aside and v > 0.3 and boxes_overlap(
            cx, cy, h, length + 0.6, width + 0.5,
            position[j, at + 1, 0], position[j, at + 1, 1], heading[j, at + 1], size[j, 0], size[j, 1],
        ):  # fmt: skip
            cost += TIGHT
        along, across = dx * cos + dy * sin, dy * cos - dx * sin
        if vru and v > 0.5:
            outside = math.hypot(max(abs(along) - 0.5 * length, 0.0), max(abs(across) - 0.5 * width, 0.0)) - radius
            if outside < 1.2:
                cost += 25.0 * (1.2 - outside) ** 2 * min(v / 2.0, 1.0)
        elif kind[j] == BICYCLE and v > 0.5:
            aside_by = max(abs(across) - 0.5 * (width + size[j, 1]), 0.0)
            outside = math.hypot(max(abs(along) - 0.5 * (length + size[j, 0]), 0.0), aside_by)
            if outside < BESIDE_CYCLIST:
                cost += UNEASY * (BESIDE_CYCLIST - outside) ** 2 * min(v / 2.0, 1.0)
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
        if before < crossings[row, 0] <= front and is_claimed(others, task.rings[row], cx, cy, cos, sin, at + 1):
            cost += VIOLATION / DT
    return cost


@kernel
def is_claimed(others: Others, ring: Float, cx: float, cy: float, cos: float, sin: float, k: int) -> bool:
    """True if somebody is on a crossing, walks up to it or waits at its end looking at it, and is not yet past the
    ego's half of the road: :func:`drive.signals.crosswalks.claims` with the ego right at it, for walkers.

    ``ring [7]`` as in :class:`Task`; the ego's box centre and direction.
    """
    position, heading, velocity = others.position, others.heading, others.velocity
    for j in range(len(others.kind)):
        if others.kind[j] != PEDESTRIAN or not others.valid[j, k]:
            continue
        dx, dy = position[j, k, 0] - ring[0], position[j, k, 1] - ring[1]
        walked, aside = dx * ring[2] + dy * ring[3], dy * ring[2] - dx * ring[3]
        outside = abs(walked) - ring[4]
        if abs(aside) > 3.5 or outside > 1.6:
            continue
        inwards = -1.0 if walked > 0.0 else 1.0
        speed = inwards * (velocity[j, k, 0] * ring[2] + velocity[j, k, 1] * ring[3])
        looks = inwards * (math.cos(heading[j, k]) * ring[2] + math.sin(heading[j, k]) * ring[3])
        if outside > 0.0 and speed < 0.25 and (outside > 1.05 or looks < 0.45):
            continue
        ex, ey = position[j, k, 0] - cx, position[j, k, 1] - cy
        across, outward = ey * cos - ex * sin, velocity[j, k, 1] * cos - velocity[j, k, 0] * sin
        half = 0.5 * others.size[j, 1]
        if (across - half >= ring[6] + 1.05 and outward > 0.0) or (across + half <= ring[5] - 1.05 and outward < 0.0):
            continue
        return True
    return False


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

    ``ring [7]`` as in :class:`Task`; the crossing is taken as 4 m wide.
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
