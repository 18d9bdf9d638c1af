"""Compiled loops of nuPlan's score over ego and tracks: first contacts and time to collision."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.nuplan_geometry import bumper_touches, corners_touch, place_box

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

PROJECTION_STEP = 0.1  # s
PROJECTION_STEPS = 29  # 0.1 .. 2.9 s


@kernel
def first_contacts(
    ego: Float, ego_length: float, ego_width: float, position: Float, heading: Float, size: Float, valid: Bool
) -> tuple[NDArray[np.int32], Bool]:
    """Sample of the first overlap per track ``[A]`` (-1: none); whether the ego's front edge touches it then ``[A]``.

    ``ego [S, 3]`` box-centre poses, ``position [A, S, 2]``, ``heading [A, S]``, ``size [A, 2]``, ``valid [A, S]``.
    """
    tracks = len(size)
    sample = np.full(tracks, -1, np.int32)
    front = np.zeros(tracks, np.bool_)
    mine, other = np.empty((4, 2)), np.empty((4, 2))
    half = 0.5 * math.hypot(ego_length, ego_width)
    for a in range(tracks):
        reach = half + 0.5 * math.hypot(size[a, 0], size[a, 1])
        for s in range(len(ego)):
            dx, dy = position[a, s, 0] - ego[s, 0], position[a, s, 1] - ego[s, 1]
            if not valid[a, s] or math.hypot(dx, dy) >= reach:
                continue
            place_box(mine, ego[s, 0], ego[s, 1], ego[s, 2], ego_length, ego_width)
            place_box(other, position[a, s, 0], position[a, s, 1], heading[a, s], size[a, 0], size[a, 1])
            if corners_touch(mine, other):
                sample[a] = s
                front[a] = bumper_touches(mine, other)
                break
    return sample, front


@kernel
def projected_contacts(
    ego: Float,
    ego_speed: Float,
    ego_length: float,
    ego_width: float,
    position: Float,
    heading: Float,
    speed: Float,
    size: Float,
    relevant: Bool,
) -> tuple[Float, NDArray[np.int32]]:
    """Time to collision ``[S]`` [s] (inf: none within 2.9 s) and the track that decides ``[S]`` (-1: none).

    Boxes move straight along their headings at ``ego_speed [S]`` and ``speed [A, S]`` [m/s] from where they are at each
    sample; only tracks with ``relevant [A, S]`` count, and time 0 does not. Other shapes: :func:`first_contacts`.
    """
    samples, tracks = len(ego), len(size)
    time = np.full(samples, np.inf)
    partner = np.full(samples, -1, np.int32)
    mine, other = np.empty((4, 2)), np.empty((4, 2))
    half = 0.5 * math.hypot(ego_length, ego_width)
    for s in range(samples):
        best = PROJECTION_STEPS + 1
        move_x = math.cos(ego[s, 2]) * ego_speed[s] * PROJECTION_STEP
        move_y = math.sin(ego[s, 2]) * ego_speed[s] * PROJECTION_STEP
        for a in range(tracks):
            if not relevant[a, s]:
                continue
            reach = half + 0.5 * math.hypot(size[a, 0], size[a, 1])
            other_x = math.cos(heading[a, s]) * speed[a, s] * PROJECTION_STEP
            other_y = math.sin(heading[a, s]) * speed[a, s] * PROJECTION_STEP
            x, y, u, v = ego[s, 0], ego[s, 1], position[a, s, 0], position[a, s, 1]
            for n in range(1, best):
                x += move_x
                y += move_y
                u += other_x
                v += other_y
                if math.hypot(u - x, v - y) >= reach:
                    continue
                place_box(mine, x, y, ego[s, 2], ego_length, ego_width)
                place_box(other, u, v, heading[a, s], size[a, 0], size[a, 1])
                if corners_touch(mine, other):
                    best = n
                    partner[s] = a
                    break
        if best <= PROJECTION_STEPS:
            time[s] = best * PROJECTION_STEP
    return time, partner
