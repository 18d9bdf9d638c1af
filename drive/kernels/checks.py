"""Contacts and road departures of all agents of a scene at every step: for generators, audits and the speed table."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import boxes_overlap
from drive.kernels.ground import Ground, inside

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]


@kernel
def overlapping(position: Float, heading: Float, size: Float, valid: Bool, first: int, last: int) -> Bool:
    """Which agents share a point with another one: ``[A, last - first]`` for samples ``first .. last - 1``.

    ``position [A, T, 2]`` box centres [m], ``heading [A, T]`` [rad], ``size [A, 2]`` length and width [m],
    ``valid [A, T]``.
    """
    agents = len(size)
    hit = np.zeros((agents, last - first), np.bool_)
    reach = np.empty(agents)
    for a in range(agents):
        reach[a] = 0.5 * math.hypot(size[a, 0], size[a, 1])
    for k in range(first, last):
        for a in range(agents):
            if not valid[a, k]:
                continue
            x, y = position[a, k, 0], position[a, k, 1]
            for b in range(a + 1, agents):
                dx, dy = position[b, k, 0] - x, position[b, k, 1] - y
                near = reach[a] + reach[b]
                if dx * dx + dy * dy > near * near or not valid[b, k]:
                    continue
                if boxes_overlap(
                    x,
                    y,
                    heading[a, k],
                    size[a, 0],
                    size[a, 1],
                    x + dx,
                    y + dy,
                    heading[b, k],
                    size[b, 0],
                    size[b, 1],
                ):
                    hit[a, k - first] = True
                    hit[b, k - first] = True
    return hit


@kernel
def off_road(ground: Ground, position: Float, heading: Float, size: Float, valid: Bool, first: int, last: int) -> Bool:
    """Which agents have a corner outside the areas of ``ground``: ``[A, last - first]``; arguments as above."""
    agents = len(size)
    out = np.zeros((agents, last - first), np.bool_)
    for a in range(agents):
        half_length, half_width = 0.5 * size[a, 0], 0.5 * size[a, 1]
        for k in range(first, last):
            if not valid[a, k]:
                continue
            cos, sin = math.cos(heading[a, k]), math.sin(heading[a, k])
            for corner in range(4):
                along = half_length if corner < 2 else -half_length
                across = half_width if corner % 2 == 0 else -half_width
                x = position[a, k, 0] + along * cos - across * sin
                y = position[a, k, 1] + along * sin + across * cos
                if not inside(ground, x, y):
                    out[a, k - first] = True
                    break
    return out
