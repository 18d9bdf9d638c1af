"""nuPlan's ``driving_direction_compliance``: metres driven backwards along the own lane within a second."""

import numpy as np
from numpy.typing import NDArray

from drive.kernels.geometry import project
from drive.scoring.nuplan.inputs import NuplanMap
from drive.scoring.nuplan.lanes import Lanes

Float = NDArray[np.float64]

WINDOW = 1.0  # s
COMPLIANT_BELOW, HALF_BELOW = 2.0, 6.0  # m


def arc_at(world: NuplanMap, lane: int, point: Float) -> float:
    """Arc length [m] of the projection of ``point [2]`` on the centreline of ``lane``."""
    line, arc = world.line[lane], world.arc[lane]
    return float(project(line, arc, 0, len(line), point[0], point[1])[0])


def progress_in_window(world: NuplanMap, center: Float, route: list[Lanes], interval: float) -> Float:
    """Progress ``[S]`` [m] along the lane over the last second; ``center [S, >=2]``, ``interval`` mean spacing [s].

    The first member of a route list is the lane. Two samples count 0 after every change of lane. The window holds
    n + 1 increments, n = 1 s / interval cut to an integer.
    """
    increments = np.zeros(len(center))
    lane: int | None = route[0][0] if route[0] else None
    before: float | None = None
    for step, lanes in enumerate(route):
        if not lanes:
            continue
        if lanes[0] != lane:
            lane, before = lanes[0], None
            continue
        at = arc_at(world, lane, center[step])
        if before is not None and at != 0.0:
            increments[step] = at - before
        before = at
    length = int(WINDOW / interval + 1e-9)
    return np.array([increments[max(0, step - length) : step + 1].sum() for step in range(len(center))])


def direction_compliance(progress: Float) -> float:
    """1 below 2 m backwards within a second, 1/2 below 6 m, else 0."""
    backwards = abs(float(progress.min()))
    return 1.0 if backwards < COMPLIANT_BELOW else 0.5 if backwards < HALF_BELOW else 0.0
