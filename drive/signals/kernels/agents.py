"""Ego boxes against agents' boxes: distances, times to collision, leads. Lengths in m, angles in rad, float64.

Witness points: where two bodies are nearest (or touch first) along a direction, a point fixed to each. With these and
the direction the value can be written as a differentiable expression.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

BEHIND = math.cos(math.radians(150.0))


@kernel
def _support(x: float, y: float, heading: float, length: float, width: float, nx: float, ny: float, out: Float) -> None:
    """The corner of a box that lies farthest in the direction n."""
    cos, sin = math.cos(heading), math.sin(heading)
    along = 0.5 * length if cos * nx + sin * ny >= 0.0 else -0.5 * length
    across = 0.5 * width if cos * ny - sin * nx >= 0.0 else -0.5 * width
    out[0], out[1] = x + along * cos - across * sin, y + along * sin + across * cos


@kernel
def _nearest_of_box(
    x: float, y: float, heading: float, length: float, width: float, px: float, py: float, out: Float
) -> float:
    """Distance of a point to a box (0 inside) and the nearest point of the box."""
    cos, sin = math.cos(heading), math.sin(heading)
    along = (px - x) * cos + (py - y) * sin
    across = (py - y) * cos - (px - x) * sin
    along = min(0.5 * length, max(-0.5 * length, along))
    across = min(0.5 * width, max(-0.5 * width, across))
    out[0], out[1] = x + along * cos - across * sin, y + along * sin + across * cos
    return math.hypot(px - out[0], py - out[1])


@kernel
def box_separation(one: Float, size1: Float, two: Float, size2: Float, witness: Float) -> tuple[float, int]:
    """Signed distance of two boxes (poses ``[3]``, sizes ``[2]``): the gap, or minus the smallest push that parts them.

    ``witness [6]`` gets the direction from the first to the second, then a point of each. Also returns whose axis the
    direction is fixed to: 1 or 2 (it turns with that box) where they overlap, else 0.
    """
    dx, dy = two[0] - one[0], two[1] - one[1]
    least, owner, nx, ny = np.inf, 0, 0.0, 0.0
    for axis in range(4):
        heading = (one[2] if axis < 2 else two[2]) + (0.5 * math.pi if axis % 2 else 0.0)
        ax, ay = math.cos(heading), math.sin(heading)
        along = dx * ax + dy * ay
        reach = _reach(one[2], size1, ax, ay) + _reach(two[2], size2, ax, ay)
        depth = reach - abs(along)
        if depth < 0.0:
            owner = -1
            break
        if depth < least:
            least, owner = depth, 1 if axis < 2 else 2
            sign = 1.0 if along >= 0.0 else -1.0
            nx, ny = sign * ax, sign * ay
    if owner > 0:
        witness[0], witness[1] = nx, ny
        _support(one[0], one[1], one[2], size1[0], size1[1], nx, ny, witness[2:4])
        _support(two[0], two[1], two[2], size2[0], size2[1], -nx, -ny, witness[4:6])
        return -least, owner
    best = np.inf
    corner, near = np.empty(2), np.empty(2)
    for c in range(4):
        along, across = (0.5 if c < 2 else -0.5), (0.5 if c % 2 else -0.5)
        _corner(one, size1, along, across, corner)
        distance = _nearest_of_box(two[0], two[1], two[2], size2[0], size2[1], corner[0], corner[1], near)
        if distance < best:
            best = distance
            witness[2:4], witness[4:6] = corner, near
        _corner(two, size2, along, across, corner)
        distance = _nearest_of_box(one[0], one[1], one[2], size1[0], size1[1], corner[0], corner[1], near)
        if distance < best:
            best = distance
            witness[2:4], witness[4:6] = near, corner
    if best > 0.0:
        witness[0], witness[1] = (witness[4] - witness[2]) / best, (witness[5] - witness[3]) / best
    return best, 0


@kernel
def _reach(heading: float, size: Float, ax: float, ay: float) -> float:
    cos, sin = math.cos(heading), math.sin(heading)
    return 0.5 * size[0] * abs(cos * ax + sin * ay) + 0.5 * size[1] * abs(cos * ay - sin * ax)


@kernel
def _corner(pose: Float, size: Float, along: float, across: float, out: Float) -> None:
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    out[0] = pose[0] + along * size[0] * cos - across * size[1] * sin
    out[1] = pose[1] + along * size[0] * sin + across * size[1] * cos


@kernel
def nearest_boxes(
    ego: Float, ego_size: Float, position: Float, heading: Float, size: Float, valid: Bool, wanted: Bool, limit: float
) -> tuple[Float, Int, Int, Float]:
    """Nearest of the ``wanted [A]`` agents to ego boxes ``[B, T, 3]``: signed distance ``[B, T]``, agent (-1: none
    within ``limit``), owner and witness ``[B, T, 6]`` of :func:`box_separation`."""
    batch, samples = ego.shape[:2]
    value = np.full((batch, samples), limit)
    agent = np.full((batch, samples), -1, np.int32)
    owner = np.zeros((batch, samples), np.int32)
    witness = np.zeros((batch, samples, 6))
    found, other = np.zeros(6), np.empty(3)
    mine = 0.5 * math.hypot(ego_size[0], ego_size[1])
    for b in range(batch):
        for t in range(samples):
            for a in range(len(wanted)):
                if not wanted[a] or not valid[a, t]:
                    continue
                apart = math.hypot(position[a, t, 0] - ego[b, t, 0], position[a, t, 1] - ego[b, t, 1])
                if apart - mine - 0.5 * math.hypot(size[a, 0], size[a, 1]) >= max(value[b, t], 0.0):
                    continue
                other[0], other[1], other[2] = position[a, t, 0], position[a, t, 1], heading[a, t]
                distance, whose = box_separation(ego[b, t], ego_size, other, size[a], found)
                if distance < value[b, t]:
                    value[b, t], agent[b, t], owner[b, t] = distance, a, whose
                    witness[b, t] = found
    return value, agent, owner, witness


@kernel
def first_touch(
    one: Float, size1: Float, vx1: float, vy1: float, two: Float, size2: Float, vx2: float, vy2: float, witness: Float
) -> tuple[float, int]:
    """Time until two boxes that keep velocity and heading touch (infinite: never), 0 where they do; owner and witness
    as in :func:`box_separation`, for the axis along which they meet."""
    dx, dy, wx, wy = two[0] - one[0], two[1] - one[1], vx2 - vx1, vy2 - vy1
    enter, leave, owner, nx, ny = -np.inf, np.inf, 0, 0.0, 0.0
    for axis in range(4):
        heading = (one[2] if axis < 2 else two[2]) + (0.5 * math.pi if axis % 2 else 0.0)
        ax, ay = math.cos(heading), math.sin(heading)
        along, rate = dx * ax + dy * ay, wx * ax + wy * ay
        reach = _reach(one[2], size1, ax, ay) + _reach(two[2], size2, ax, ay)
        if abs(rate) < 1e-9:
            if abs(along) > reach:
                return np.inf, 0
            continue
        first, last = (-reach - along) / rate, (reach - along) / rate
        if first > last:
            first, last = last, first
        leave = min(leave, last)
        if first > enter:
            enter, owner = first, 1 if axis < 2 else 2
            sign = -1.0 if rate > 0.0 else 1.0
            nx, ny = sign * ax, sign * ay
    if enter > leave or leave < 0.0:
        return np.inf, 0
    if enter <= 0.0:
        return 0.0, 0
    witness[0], witness[1] = nx, ny
    _support(one[0], one[1], one[2], size1[0], size1[1], nx, ny, witness[2:4])
    _support(two[0], two[1], two[2], size2[0], size2[1], -nx, -ny, witness[4:6])
    return enter, owner


@kernel
def times_to_touch(
    ego: Float,
    ego_size: Float,
    speed: Float,
    position: Float,
    heading: Float,
    velocity: Float,
    size: Float,
    valid: Bool,
    horizon: float,
    near: float,
) -> tuple[Float, Int, Int, Float, Bool]:
    """Earliest touch of ego boxes ``[B, T, 3]`` at ``speed [B, T]`` with any agent that is not behind, within
    ``horizon`` seconds: time ``[B, T]`` (infinite: none), agent (-1), owner, witness ``[B, T, 6]``, and whether any
    agent is ``near`` (centre distance [m])."""
    batch, samples = speed.shape
    time = np.full((batch, samples), np.inf)
    agent = np.full((batch, samples), -1, np.int32)
    owner = np.zeros((batch, samples), np.int32)
    witness = np.zeros((batch, samples, 6))
    around = np.zeros((batch, samples), np.bool_)
    found, other = np.zeros(6), np.empty(3)
    mine = 0.5 * math.hypot(ego_size[0], ego_size[1])
    for b in range(batch):
        for t in range(samples):
            cos, sin = math.cos(ego[b, t, 2]), math.sin(ego[b, t, 2])
            vx, vy = speed[b, t] * cos, speed[b, t] * sin
            for a in range(len(valid)):
                if not valid[a, t]:
                    continue
                dx, dy = position[a, t, 0] - ego[b, t, 0], position[a, t, 1] - ego[b, t, 1]
                apart = math.hypot(dx, dy)
                if apart > near:
                    continue
                around[b, t] = True
                wx, wy = velocity[a, t, 0] - vx, velocity[a, t, 1] - vy
                reach = mine + 0.5 * math.hypot(size[a, 0], size[a, 1])
                if apart > reach + min(horizon, time[b, t]) * math.hypot(wx, wy):
                    continue
                if dx * cos + dy * sin < BEHIND * apart:
                    continue
                other[0], other[1], other[2] = position[a, t, 0], position[a, t, 1], heading[a, t]
                touch, whose = first_touch(
                    ego[b, t], ego_size, vx, vy, other, size[a], velocity[a, t, 0], velocity[a, t, 1], found
                )
                if touch <= horizon and touch < time[b, t]:
                    time[b, t], agent[b, t], owner[b, t] = touch, a, whose
                    witness[b, t] = found
    return time, agent, owner, witness, around


@kernel
def strip_start(s: Float, d: Float, low: float, high: float) -> tuple[float, float]:
    """Smallest s of the part of a quadrilateral (corners ``s``, ``d`` ``[4]``) with ``low <= d <= high``, and how it
    changes as the strip moves in d; infinite where there is none."""
    first, slope = np.inf, 0.0
    for c in range(4):
        e = (c + 1) % 4
        if low <= d[c] <= high and s[c] < first:
            first, slope = s[c], 0.0
        for border in (low, high):
            if (d[c] < border) != (d[e] < border):
                rate = (s[e] - s[c]) / (d[e] - d[c])
                at = s[c] + (border - d[c]) * rate
                if at < first:
                    first, slope = at, rate
    return first, slope


@kernel
def find_leads(
    front: Float,
    center: Float,
    offset: Float,
    half_width: float,
    margin: float,
    reach: float,
    s: Float,
    d: Float,
    agent_center: Float,
    valid: Bool,
) -> tuple[Int, Float, Float, Bool]:
    """Lead of every sample ``[B, T]``: agent (-1: none), arc length at which it begins in the corridor, how that
    changes with the ego's lateral offset, and whether it was outside of the corridor one sample before.

    The ego: arc lengths of its ``front`` bumper and box ``center``, lateral ``offset`` of the box centre ``[B, T]``.
    Agents: corners ``s``, ``d`` ``[A, T, 4]`` and ``agent_center [A, T]`` in the route frame. The corridor is the ego's
    ``half_width`` plus ``margin`` to either side. What is beside the ego is no lead; what overlaps it is one if its
    centre is ahead of the ego's.
    """
    batch, samples = front.shape
    lead = np.full((batch, samples), -1, np.int32)
    start, slope = np.zeros((batch, samples)), np.zeros((batch, samples))
    entered = np.zeros((batch, samples), np.bool_)
    wide = half_width + margin
    for b in range(batch):
        for t in range(samples):
            best = front[b, t] + reach
            low, high = offset[b, t] - half_width, offset[b, t] + half_width
            for a in range(len(valid)):
                if not valid[a, t] or agent_center[a, t] < center[b, t]:
                    continue
                if d[a, t].min() > high + margin or d[a, t].max() < low - margin or s[a, t].min() > best:
                    continue
                first, rate = strip_start(s[a, t], d[a, t], low - margin, high + margin)
                if first < front[b, t]:  # beside the ego, unless in its own width
                    first, rate = strip_start(s[a, t], d[a, t], low, high)
                if first < best:
                    best = first
                    lead[b, t], start[b, t], slope[b, t] = a, first, rate
            a = lead[b, t]
            if a >= 0 and t > 0 and valid[a, t - 1]:
                before = offset[b, t - 1]
                first, _ = strip_start(s[a, t - 1], d[a, t - 1], before - wide, before + wide)
                entered[b, t] = not np.isfinite(first)
    return lead, start, slope, entered
