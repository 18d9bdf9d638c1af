"""Many points against one ring."""

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import point_in_ring


@kernel
def toggle_inside(points: NDArray[np.float64], ring: NDArray[np.float64], inside: NDArray[np.bool_]) -> None:
    """Flip ``inside [N]`` for every one of ``points [N, 2]`` within the open ``ring [Q, 2]``."""
    low_x, high_x = ring[:, 0].min(), ring[:, 0].max()
    low_y, high_y = ring[:, 1].min(), ring[:, 1].max()
    for n in range(len(points)):
        x, y = points[n, 0], points[n, 1]
        if low_x <= x <= high_x and low_y <= y <= high_y and point_in_ring(ring, 0, len(ring), x, y):
            inside[n] = not inside[n]
