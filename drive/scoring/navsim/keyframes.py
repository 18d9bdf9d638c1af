"""Tracks between the 2 Hz keyframes of a log, as NAVSIM's metric cache fills them in."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.geometry import wrap_angle

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

SPACING = 5
"""World steps (0.1 s) between keyframes."""


def interpolate_tracks(
    position: ArrayLike, heading: ArrayLike, velocity: ArrayLike, valid: ArrayLike
) -> tuple[Float, Float, Float, Bool]:
    """Tracks at 0.1 s from F keyframes: S = 5 (F - 1) + 1 samples; shapes as in a :class:`PdmTraffic`.

    Position ``[A, F, 2]``, unwrapped heading ``[A, F]`` and velocity ``[A, F, 2]`` are interpolated linearly between
    the first and the last keyframe at which an object is ``valid [A, F]``, also across gaps; outside it is absent. An
    object seen in one keyframe only stands there at all samples, as in NAVSIM's metric cache.
    """
    place, angle, pace = (np.asarray(array, np.float64) for array in (position, heading, velocity))
    seen = np.asarray(valid, np.bool_)
    agents, frames = seen.shape
    samples = SPACING * (frames - 1) + 1
    at = np.arange(samples) / SPACING
    shape = (agents, samples)
    positions, headings, velocities = np.zeros((*shape, 2)), np.zeros(shape), np.zeros((*shape, 2))
    present = np.zeros(shape, np.bool_)
    for agent in range(agents):
        known = np.flatnonzero(seen[agent])
        if not known.size:
            continue
        if known.size == 1:
            present[agent] = True
        else:
            present[agent, SPACING * known[0] : SPACING * known[-1] + 1] = True
        unwrapped = np.unwrap(angle[agent, known])
        headings[agent] = wrap_angle(np.interp(at, known, unwrapped))
        for axis in range(2):
            positions[agent, :, axis] = np.interp(at, known, place[agent, known, axis])
            velocities[agent, :, axis] = np.interp(at, known, pace[agent, known, axis])
    absent = ~present
    positions[absent], headings[absent], velocities[absent] = 0.0, 0.0, 0.0
    return positions, headings, velocities, present
