"""What it costs to be in somebody's way who goes first."""

import math

from drive.kernels import kernel
from drive.kernels.traffic_world import ARC, FAR, TrafficState
from scenarios.generate.search.task import DT, Others, Task

CLAIM_BEGIN, CLAIM_END, CLAIM_MERGES, CLAIM_SIGN = range(4)
CLAIM_COLUMNS = 4
ROOM, LEAST, BRAKING = 1.5, 1.1, 1.0  # s, s, m/s2: time apart that is wanted, and asked for; braking imposed on others
NEAR = 15.0  # m
UNLAWFUL = 200.0  # per second
MOVING = 0.1  # m/s
PEDESTRIAN = 8


@kernel
def in_the_way(
    state: TrafficState, others: Others, task: Task, cx: float, cy: float, front: float, rear: float, v: float, k: int
) -> float:
    """Price per second of where the ego is at sample ``k``: box centre, arc lengths of its bumpers [m] and speed.

    Time apart is the time since somebody left the common stretch, or until he comes; where both ways become one, the
    time in which the one behind is where the one ahead is.
    """
    cost = 0.0
    for row in range(len(task.claims)):
        begin, end = task.claims[row, CLAIM_BEGIN], task.claims[row, CLAIM_END]
        if front <= begin or rear >= end:
            continue
        least = FAR
        for j in range(len(others.kind)):
            enter, leave = task.owed[row, j, 0], task.owed[row, j, 1]
            if enter >= FAR or not others.valid[j, k]:
                continue
            at, half = state.motion[j, ARC], 0.5 * others.size[j, 0]
            speed = math.hypot(others.velocity[j, k, 0], others.velocity[j, k, 1])
            if task.claims[row, CLAIM_MERGES] > 0.0:
                ahead, behind = (at - half - leave) - (front - end), (rear - end) - (at + half - leave)
                gap, pace = max(ahead, behind), speed if behind >= 0.0 else v
            else:
                gap, pace = max(enter - at - half, at - half - leave), speed
            if gap <= 0.0:
                least = 0.0
            elif pace > MOVING:
                least = min(least, gap / pace)
            if 0.0 <= enter - at - half <= NEAR:
                brake = (math.hypot(others.velocity[j, k - 1, 0], others.velocity[j, k - 1, 1]) - speed) / DT
                if brake > BRAKING and is_nearest(others, j, cx, cy, k):
                    cost += 3.0 * (brake - BRAKING)
                    if task.claims[row, CLAIM_SIGN] > 0.0:
                        cost += UNLAWFUL
        if least < ROOM:
            cost += 8.0 * (ROOM - least) ** 2
        if least < LEAST:
            cost += UNLAWFUL
    return cost


@kernel
def is_nearest(others: Others, j: int, cx: float, cy: float, k: int) -> bool:
    """True if nobody is nearer to agent ``j`` than the ego: what it does, it does because of the ego."""
    x, y = others.position[j, k, 0], others.position[j, k, 1]
    square = (x - cx) ** 2 + (y - cy) ** 2
    for i in range(len(others.kind)):
        if i == j or not others.valid[i, k] or others.kind[i] >= PEDESTRIAN:
            continue
        if (others.position[i, k, 0] - x) ** 2 + (others.position[i, k, 1] - y) ** 2 < square:
            return False
    return True
