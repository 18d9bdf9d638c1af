"""Compiled look-up of what vehicles on their paths show."""

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel


@kernel
def shown_on_paths(
    points: NDArray[np.float64],
    ptr: NDArray[np.int64],
    shown: NDArray[np.uint8],
    agents: NDArray[np.int64],
    position: NDArray[np.float64],
    begin: int,
    found: NDArray[np.uint8],
) -> None:
    """Add to ``found [A, count]`` what is shown at the place of its path that an agent is nearest to.

    ``points [P, 2]`` m and ``shown [P]`` of all paths, that of ``agents[i]`` from ``ptr[i]`` to ``ptr[i + 1]``;
    ``position [A, n, 2]`` m, read from step ``begin`` on.
    """
    for i in range(len(agents)):
        agent = agents[i]
        for step in range(found.shape[1]):
            x, y = position[agent, begin + step, 0], position[agent, begin + step, 1]
            nearest, least = ptr[i], np.inf
            for j in range(ptr[i], ptr[i + 1]):
                dx, dy = x - points[j, 0], y - points[j, 1]
                gap = dx * dx + dy * dy
                if gap < least:
                    nearest, least = j, gap
            found[agent, step] |= shown[nearest]
