"""Progress: how far along the reference's way the ego came, relative to the reference.

Both are measured at the rear axle. The ego's farthest point counts, so turning back loses nothing and waiting costs
only time. Lateral distance is forgiven up to a corridor wide enough for other lanes of the same road. The value is
capped at the reference's own end, so nothing beyond it needs to be known.
"""

import numpy as np
from numpy.typing import NDArray

from drive.kernels.scoring import follow_path

Float = NDArray[np.float64]

CORRIDOR = 10.0  # m to either side of the reference's way
MIN_REFERENCE = 5.0  # m: a reference that drives less asks for no progress
END_TOLERANCE = 0.01  # m: float32 storage must not keep a drive from arriving
SPACING = 0.5  # m between the points kept: the jitter of a standing reference must not add up to a way


def reference_path(positions: Float) -> Float:
    """Thin ``positions [T, 2]`` [m] to a path ``[P, 2]`` of points at least 0.5 m apart that ends where they end; P
    >= 2."""
    kept = [positions[0]]
    for point in positions[1:]:
        if np.hypot(*(point - kept[-1])) >= SPACING:
            kept.append(point)
    if len(kept) > 1:
        kept[-1] = positions[-1]
    else:
        kept.append(positions[-1])
    return np.ascontiguousarray(kept)


def progress_along(path: Float, arc: Float, rear: Float) -> tuple[float, int, float]:
    """Share of the reference's way reached, in [0, 1]; the sample that got farthest; how far [m] that was.

    ``path [P, 2]`` with ``arc [P]``: see :func:`reference_path`; ``rear [S, 2]`` [m] rear axle. The share is 1 where
    the reference itself drives less than 5 m.
    """
    reached = np.maximum(follow_path(path, arc, rear, CORRIDOR), 0.0)
    best = int(np.argmax(reached))
    total = float(arc[-1])
    arrived = total < MIN_REFERENCE or reached[best] >= total - END_TOLERANCE
    share = 1.0 if arrived else float(reached[best]) / total
    return share, best, float(reached[best])
