"""Compiled parts of PDM-Closed: the corridor ahead, leads in it, the IDM roll-out; and overlaps of lane groups.

Obstacles are polygons ``ring[ptr[o]:ptr[o + 1]]`` that move without turning.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import point_in_ring, point_segment_distance, project, wrap
from drive.kernels.rings import ring_meets_box

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

STEP = 0.1
MIN_GAP, HEADWAY, ACCELERATION, BRAKING, EXPONENT = 1.0, 1.5, 1.5, 3.0, 10.0
UPDATE = 2  # steps between two searches for a lead
BATCH = 40  # steps that all policies of a path are rolled out together


@kernel
def ring_box_distance(ring: Float, low: int, high: int, corners: Float) -> float:
    """Distance [m] of the polygon ``ring[low:high]`` and the convex box ``corners [4, 2]``; 0 where they meet."""
    if ring_meets_box(ring, low, high, corners):
        return 0.0
    nearest = np.inf
    j = high - 1
    for i in range(low, high):
        n = 3
        for m in range(4):
            nearest = min(
                nearest,
                point_segment_distance(
                    ring[i, 0], ring[i, 1], corners[n, 0], corners[n, 1], corners[m, 0], corners[m, 1]
                ),
                point_segment_distance(corners[m, 0], corners[m, 1], ring[j, 0], ring[j, 1], ring[i, 0], ring[i, 1]),
            )
            n = m
        j = i
    return nearest


@kernel
def common_area(ring: Float, ptr: Int, first: Int, second: Int, box: Float, cell: float, enough: float) -> bool:
    """True if two unions of polygons (rows ``first`` and ``second`` of ``ptr``) share more than ``enough`` [m2].

    Counts the cells of a grid over ``box`` (low x, low y, high x, high y) whose centres lie in both.
    """
    area = 0.0
    for i in range(int((box[2] - box[0]) / cell)):
        x = box[0] + (i + 0.5) * cell
        for j in range(int((box[3] - box[1]) / cell)):
            y = box[1] + (j + 0.5) * cell
            if _cover(ring, ptr, first, x, y) > 0 and _cover(ring, ptr, second, x, y) > 0:
                area += cell * cell
                if area > enough:
                    return True
    return False


@kernel
def _cover(ring: Float, ptr: Int, rows: Int, x: float, y: float) -> int:
    """How many of the polygons hold the point."""
    count = 0
    for row in rows:
        if point_in_ring(ring, ptr[row], ptr[row + 1], x, y):
            count += 1
    return count


@kernel
def _oriented_box(x: float, y: float, heading: float, front: float, rear: float, half_width: float, box: Float) -> None:
    """Corners ``box [4, 2]`` of a box that reaches ``front`` ahead of a point and ``rear`` behind it."""
    cos, sin = math.cos(heading), math.sin(heading)
    for corner in range(4):
        along = front if corner in (0, 3) else -rear
        across = half_width if corner < 2 else -half_width
        box[corner, 0] = x + along * cos - across * sin
        box[corner, 1] = y + along * sin + across * cos


@kernel
def corridor_boxes(points: Float, half_width: float) -> Float:
    """Boxes ``[Q - 1, 4, 2]`` that cover a polyline ``[Q, 2]``, with square caps at its two ends."""
    count = len(points) - 1
    boxes = np.empty((count, 4, 2))
    for i in range(count):
        dx, dy = points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1]
        rear = half_width if i == 0 else 0.0
        ahead = math.hypot(dx, dy) + (half_width if i == count - 1 else 0.0)
        _oriented_box(points[i, 0], points[i, 1], math.atan2(dy, dx), ahead, rear, half_width, boxes[i])
    return boxes


@kernel
def _in_corridor(points: Float, boxes: Float, half_width: float, ring: Float, low: int, high: int) -> bool:
    """True if the polygon ``ring[low:high]`` meets the corridor: its boxes, or the disks that round its bends."""
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    for i in range(low, high):
        low_x, high_x = min(low_x, ring[i, 0]), max(high_x, ring[i, 0])
        low_y, high_y = min(low_y, ring[i, 1]), max(high_y, ring[i, 1])
    reach = 1.5 * half_width  # of a square cap's corner
    for i in range(len(boxes)):
        ax, ay, bx, by = points[i, 0], points[i, 1], points[i + 1, 0], points[i + 1, 1]
        if min(ax, bx) - reach > high_x or max(ax, bx) + reach < low_x:
            continue
        if min(ay, by) - reach > high_y or max(ay, by) + reach < low_y:
            continue
        if ring_meets_box(ring, low, high, boxes[i]):
            return True
        if i > 0:
            j = high - 1
            for m in range(low, high):
                if point_segment_distance(ax, ay, ring[j, 0], ring[j, 1], ring[m, 0], ring[m, 1]) <= half_width:
                    return True
                j = m
    return False


@kernel
def _pose_on(path: Float, arc: Float, at: float, pose: Float) -> None:
    """Write the pose at arc length ``at`` of ``path [N, 3]`` (headings unwrapped), held at the path's ends."""
    inside = min(max(at, 1e-5), arc[-1])
    row = min(max(np.searchsorted(arc, inside), 1), len(arc) - 1)
    length = arc[row] - arc[row - 1]
    part = 0.0 if length == 0.0 else (inside - arc[row - 1]) / length
    for column in range(3):
        pose[column] = path[row - 1, column] + part * (path[row, column] - path[row - 1, column])
    pose[2] = wrap(pose[2])


@kernel
def roll_out(
    path: Float,
    arc: Float,
    corridor: Float,
    half_width: float,
    front: float,
    rear: float,
    speed: float,
    at: float,
    targets: Float,
    ring: Float,
    ptr: Int,
    centroid: Float,
    motion: Float,
    heading: Float,
    pace: Float,
    red: Bool,
    poses: Float,
) -> None:
    """Roll P policies out along one path; fill ``poses [P, K, 3]``, the first ones at arc length ``at`` [m].

    ``path [N, 3]`` with ``arc [N]``; ``corridor [Q, 2]`` the part of it in which leads are looked for; ``front``,
    ``rear`` [m] from the rear axle to the bumpers; ``targets [P]`` [m/s]. O obstacles: polygons ``ring``, ``ptr`` now,
    ``centroid [O, 2]``, ``motion [O, 2]`` [m/s] of the forecast, ``heading [O]`` [rad] and ``pace [O]`` [m/s] for the
    lead's speed, ``red [O]`` for red lights.
    """
    policies, steps, obstacles = len(targets), poses.shape[1], len(red)
    boxes = corridor_boxes(corridor, half_width)
    moved = np.empty_like(ring)
    ahead = np.empty(obstacles)
    progress, velocity = np.empty(policies), np.empty(policies)
    lead = np.zeros((policies, 3))  # arc, speed, rear length. All zero in the first step: everybody brakes
    ego = np.empty((4, 2))
    for policy in range(policies):
        progress[policy], velocity[policy] = at, speed
        _pose_on(path, arc, at, poses[policy, 0])
    for k in range(1, steps):
        if k % UPDATE == 0:
            for o in range(obstacles):
                for i in range(ptr[o], ptr[o + 1]):
                    moved[i, 0] = ring[i, 0] + k * STEP * motion[o, 0]
                    moved[i, 1] = ring[i, 1] + k * STEP * motion[o, 1]
                ahead[o] = -1.0
                if _in_corridor(corridor, boxes, half_width, moved, ptr[o], ptr[o + 1]):
                    x, y = centroid[o, 0] + k * STEP * motion[o, 0], centroid[o, 1] + k * STEP * motion[o, 1]
                    ahead[o], _, _ = project(path, arc, 0, len(arc), x, y)
            lead_speed, lead_rear = 0.0, 0.0
            for policy in range(policies):
                if k > BATCH:
                    lead_speed, lead_rear = 0.0, 0.0
                # Within a batch NAVSIM hands speed and rear length of one policy's lead on to the next policy unless
                # they are set again: a red light can have the speed of a car.
                pose = poses[policy, k - 1]
                _oriented_box(pose[0], pose[1], pose[2], front, rear, half_width, ego)
                nearest, distance = -1, np.inf
                for o in range(obstacles):
                    if ahead[o] > progress[policy]:
                        apart = ring_box_distance(moved, ptr[o], ptr[o + 1], ego)
                        if apart < distance:
                            nearest, distance = o, apart
                if nearest < 0:
                    lead[policy, 0] = arc[-1]
                    lead_rear = 0.5 * (front + rear)
                else:
                    lead[policy, 0] = progress[policy] + distance
                    if not red[nearest]:
                        lead_speed = pace[nearest] * math.cos(heading[nearest] - pose[2])
                lead[policy, 1], lead[policy, 2] = lead_speed, lead_rear
        for policy in range(policies):
            v = velocity[policy]
            wanted = MIN_GAP + v * HEADWAY + v * (v - lead[policy, 1]) / (2.0 * math.sqrt(ACCELERATION * BRAKING))
            gap = max(lead[policy, 0] - progress[policy] - lead[policy, 2], MIN_GAP)
            push = ACCELERATION * (1.0 - (v / targets[policy]) ** EXPONENT - (wanted / gap) ** 2)
            progress[policy] += STEP * v
            velocity[policy] = v + STEP * min(ACCELERATION, max(-BRAKING, push))
            _pose_on(path, arc, progress[policy], poses[policy, k])
