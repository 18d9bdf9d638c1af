"""Compiled loops of scoring: lane cover, ground, contacts, time to collision, progress. S samples, A agents, float64.

Broad phases only skip work; whatever is near a border gets the exact test.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import boxes_overlap, project, wrap
from drive.kernels.ground import Ground, inside, outside_distance

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

STEP = 0.1
STANDING_SPEED = 0.05  # m/s: at or below it an ego or a track stands still
BEHIND = math.cos(math.radians(150.0))
AHEAD = math.cos(math.radians(30.0))
# How an ego box and an agent's box touch; the values of drive.scoring.collision.ContactClass.
STOPPED_EGO, STOPPED_TRACK, ACTIVE_REAR, ACTIVE_FRONT, ACTIVE_LATERAL = 0, 1, 2, 3, 4
SUBSTEPS = 20  # between two samples, to find where a contact begins: at 40 m/s 0.2 m apart
TTC_STEPS = 29
TTC_MIN_SPEED = 0.005
POINTS = 6  # points of the ego watched: its four corners, the box centre, the rear axle
CENTER = 4
REAR_AXLE = 5


@kernel
def cover_lanes(
    points: Float, ring: Float, ring_ptr: Int, ring_box: Float, centerline: Float, arc: Float, centerline_ptr: Int
) -> tuple[Int, Bool, Float]:
    """Which points of the ego lie in which lane.

    ``points [S, 6, 2]``: corners, centre, rear axle; ``ring [M, 2]`` lane polygons with offsets ``ring_ptr [L + 1]``
    and bounding boxes ``ring_box [L, 4]`` (x and y low, x and y high). Returns the C lanes that hold any point at any
    time (or might), membership ``[S, C, 6]`` and the direction [rad] of each lane at its point nearest to the centre
    ``[S, C]``, 0 where the centre is not in the lane.
    """
    samples, lanes = len(points), len(ring_ptr) - 1
    box = np.empty((samples, 4))
    total = np.array((np.inf, np.inf, -np.inf, -np.inf))
    for s in range(samples):
        box[s, 0] = box[s, 2] = points[s, 0, 0]
        box[s, 1] = box[s, 3] = points[s, 0, 1]
        for p in range(1, POINTS):
            for d in range(2):
                box[s, d] = min(box[s, d], points[s, p, d])
                box[s, d + 2] = max(box[s, d + 2], points[s, p, d])
        for d in range(2):
            total[d] = min(total[d], box[s, d])
            total[d + 2] = max(total[d + 2], box[s, d + 2])
    near = np.empty(lanes, np.int32)
    count = 0
    for lane in range(lanes):
        if _boxes_meet(total, ring_box[lane]):
            near[count] = lane
            count += 1
    found = near[:count].copy()
    held = np.zeros((samples, count, POINTS), np.bool_)
    direction = np.zeros((samples, count))
    for c in range(count):
        lane = found[c]
        low, high = ring_ptr[lane], ring_ptr[lane + 1]
        for s in range(samples):
            if not _boxes_meet(box[s], ring_box[lane]):
                continue
            # as geometry.point_in_ring, for six points at once: most edges are out of the reach in y of all of them
            j = high - 1
            for i in range(low, high):
                xi, yi, xj, yj = ring[i, 0], ring[i, 1], ring[j, 0], ring[j, 1]
                j = i
                if max(yi, yj) < box[s, 1] or min(yi, yj) > box[s, 3]:
                    continue
                for p in range(POINTS):
                    x, y = points[s, p, 0], points[s, p, 1]
                    if (yi > y) != (yj > y) and x < (xj - xi) * (y - yi) / (yj - yi) + xi:
                        held[s, c, p] = not held[s, c, p]
            if held[s, c, CENTER]:
                first, last = centerline_ptr[lane], centerline_ptr[lane + 1]
                _, _, i = project(centerline, arc, first, last, points[s, CENTER, 0], points[s, CENTER, 1])
                direction[s, c] = centerline[i, 2]
    return found, held, direction


@kernel
def _boxes_meet(a: Float, b: Float) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


@kernel
def measure_ground(points: Float, drivable: Ground, intersection: Ground) -> tuple[Float, Bool]:
    """Ego points ``[S, 6, 2]`` against areas: distance [m] of each corner outside the drivable area ``[S, 4]`` (0
    inside), and whether centre and rear axle lie in an intersection ``[S, 2]``."""
    samples = len(points)
    outside = np.empty((samples, 4))
    crossing = np.empty((samples, 2), np.bool_)
    for s in range(samples):
        for p in range(4):
            outside[s, p] = outside_distance(drivable, points[s, p, 0], points[s, p, 1])
        crossing[s, 0] = inside(intersection, points[s, CENTER, 0], points[s, CENTER, 1])
        crossing[s, 1] = inside(intersection, points[s, REAR_AXLE, 0], points[s, REAR_AXLE, 1])
    return outside, crossing


@kernel
def _bearing(rear: Float, heading: float, x: float, y: float) -> float:
    """Cosine of the angle between the ego's heading and the way from its rear axle to a point, within [-1, 1].

    Comparing cosines instead of angles leaves no arccos to feed with a rounded 1.0000000000000002.
    """
    dx, dy = x - rear[0], y - rear[1]
    length = math.hypot(dx, dy)
    return 0.0 if length == 0.0 else (dx * math.cos(heading) + dy * math.sin(heading)) / length


@kernel
def _meets_bumper(
    center: Float,
    heading: Float,
    length: float,
    width: float,
    position: Float,
    agent_heading: Float,
    valid: Bool,
    size: Float,
    s: int,
) -> bool:
    """Whether the front bumper touches an agent when the boxes first touch, which is between samples ``s - 1`` and
    ``s``."""
    substeps = SUBSTEPS if s > 0 and valid[s - 1] else 1
    for n in range(1, substeps + 1):
        back = 1.0 - n / substeps  # 0 at sample s, where the boxes overlap: the loop always returns
        before = max(0, s - 1)
        x = center[s, 0] - back * (center[s, 0] - center[before, 0])
        y = center[s, 1] - back * (center[s, 1] - center[before, 1])
        h = heading[s] - back * wrap(heading[s] - heading[before])
        ax = position[s, 0] - back * (position[s, 0] - position[before, 0])
        ay = position[s, 1] - back * (position[s, 1] - position[before, 1])
        ah = agent_heading[s] - back * wrap(agent_heading[s] - agent_heading[before])
        if boxes_overlap(x, y, h, length, width, ax, ay, ah, size[0], size[1]):
            # a box without length is the bumper: the segment between the two front corners
            x, y = x + 0.5 * length * math.cos(h), y + 0.5 * length * math.sin(h)
            return boxes_overlap(x, y, h, 0.0, width, ax, ay, ah, size[0], size[1])
    return False


@kernel
def find_contacts(
    center: Float,
    rear: Float,
    heading: Float,
    speed: Float,
    length: float,
    width: float,
    position: Float,
    agent_heading: Float,
    agent_speed: Float,
    valid: Bool,
    size: Float,
) -> tuple[Int, NDArray[np.int8], Int]:
    """First contact of the ego with every agent: sample ``[A]`` (-1: none), class ``[A]``, and ``free_from [A]``.

    An overlap in the very first sample in which an agent is present is no contact, for as long as it lasts: such an
    agent counts from sample ``free_from`` on (0 for the others). Arguments as in :mod:`drive.scoring.motion`.
    """
    agents, samples = valid.shape
    first = np.empty(agents, np.int32)
    kind = np.zeros(agents, np.int8)
    free_from = np.zeros(agents, np.int32)
    for a in range(agents):
        first[a] = -1
        seen = False
        inherited = False
        for s in range(samples):
            if not valid[a, s]:
                continue
            x, y, h = position[a, s, 0], position[a, s, 1], agent_heading[a, s]
            touch = boxes_overlap(
                center[s, 0], center[s, 1], heading[s], length, width, x, y, h, size[a, 0], size[a, 1]
            )
            if not seen:
                seen, inherited = True, touch
            if inherited:
                if touch:
                    free_from[a] = s + 1
                    continue
                inherited = False
            if touch:
                first[a] = s
                if abs(speed[s]) <= STANDING_SPEED:
                    kind[a] = STOPPED_EGO
                elif abs(agent_speed[a, s]) <= STANDING_SPEED:
                    kind[a] = STOPPED_TRACK
                elif _bearing(rear[s], heading[s], x, y) < BEHIND:
                    kind[a] = ACTIVE_REAR
                elif _meets_bumper(center, heading, length, width, position[a], agent_heading[a], valid[a], size[a], s):
                    kind[a] = ACTIVE_FRONT
                else:
                    kind[a] = ACTIVE_LATERAL
                break
    return first, kind, free_from


@kernel
def times_to_collision(
    center: Float,
    rear: Float,
    heading: Float,
    speed: Float,
    length: float,
    width: float,
    position: Float,
    agent_heading: Float,
    agent_speed: Float,
    valid: Bool,
    size: Float,
    exposed: Bool,
    first: Int,
    at_fault: Bool,
    free_from: Int,
) -> tuple[Float, Int]:
    """Time to collision [s] of every sample ``[S]`` (infinite: none within 2.9 s) and the agent it is with (-1: none).

    ``exposed [S]``: agents beside the ego count too. ``first``, ``at_fault``, ``free_from [A]``: see
    :func:`find_contacts`. Definition: :mod:`drive.scoring.time_to_collision`.
    """
    agents, samples = valid.shape
    time = np.full(samples, np.inf)
    partner = np.full(samples, -1, np.int32)
    for a in range(agents):
        if first[a] >= 0 and at_fault[a]:
            time[first[a]] = 0.0
            partner[first[a]] = a
    reach = np.empty(agents)  # farther apart than this, two centres cannot belong to touching boxes
    for a in range(agents):
        reach[a] = 0.5 * (math.hypot(length, width) + math.hypot(size[a, 0], size[a, 1]))
    for s in range(samples):
        if time[s] == 0.0 or abs(speed[s]) <= TTC_MIN_SPEED:
            continue
        vx, vy = speed[s] * math.cos(heading[s]), speed[s] * math.sin(heading[s])
        best = TTC_STEPS + 1
        for a in range(agents):
            if not valid[a, s] or s < free_from[a] or (first[a] >= 0 and s >= first[a]):
                continue
            x, y, h = position[a, s, 0], position[a, s, 1], agent_heading[a, s]
            dx, dy = x - center[s, 0], y - center[s, 1]
            far = reach[a] + (abs(speed[s]) + abs(agent_speed[a, s])) * STEP * TTC_STEPS
            if dx * dx + dy * dy > far * far:
                continue
            ux, uy = agent_speed[a, s] * math.cos(h), agent_speed[a, s] * math.sin(h)
            if _closest(dx, dy, ux - vx, uy - vy, STEP * TTC_STEPS) > reach[a] + 1e-6:
                continue
            bearing = _bearing(rear[s], heading[s], x, y)
            if not (bearing > AHEAD or (exposed[s] and bearing >= BEHIND)):
                continue
            for step in range(1, best):
                t = step * STEP
                if boxes_overlap(
                    center[s, 0] + vx * t,
                    center[s, 1] + vy * t,
                    heading[s],
                    length,
                    width,
                    x + ux * t,
                    y + uy * t,
                    h,
                    size[a, 0],
                    size[a, 1],
                ):
                    best = step
                    time[s] = t
                    partner[s] = a
                    break
    return time, partner


@kernel
def _closest(dx: float, dy: float, wx: float, wy: float, horizon: float) -> float:
    """Least distance from 0 to a point at (dx, dy) that moves at (wx, wy), within ``horizon`` seconds."""
    square = wx * wx + wy * wy
    t = 0.0 if square == 0.0 else min(horizon, max(0.0, -(dx * wx + dy * wy) / square))
    return math.hypot(dx + wx * t, dy + wy * t)


@kernel
def follow_path(path: Float, arc: Float, xy: Float, corridor: float) -> Float:
    """Arc length [m] of each point ``xy [S, 2]`` on ``path [P, 2]`` (P >= 2), -1 where it is out of the ``corridor``
    [m].

    The search window around the last point on the path grows with the distance driven since, so that a path that
    crosses or touches itself is followed branch by branch, and a way around that comes back to it is found again.
    """
    rows = len(path)
    at = np.full(len(xy), -1.0)
    last, driven = 0.0, 0.0
    for s in range(len(xy)):
        if s > 0:
            driven += math.hypot(xy[s, 0] - xy[s - 1, 0], xy[s, 1] - xy[s - 1, 1])
        reach = 2.0 * driven + 1.0
        low, high = 0, rows
        while low < rows - 2 and arc[low + 1] < last - reach:
            low += 1
        while high > low + 2 and arc[high - 2] > last + reach:
            high -= 1
        where, offset, _ = project(path, arc, low, high, xy[s, 0], xy[s, 1])
        if abs(offset) <= corridor:
            at[s] = where
            last, driven = where, 0.0
    return at
