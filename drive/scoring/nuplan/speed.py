"""nuPlan's ``speed_limit_compliance``."""

import numpy as np
from numpy.typing import NDArray

from drive.scoring.nuplan.inputs import NuplanMap
from drive.scoring.nuplan.lanes import Lanes

Float = NDArray[np.float64]

WORST = 2.23
"""m/s; driving this much too fast all the time scores 0."""


def overspeed(world: NuplanMap, speed: Float, route: list[Lanes]) -> Float:
    """Excess ``[S]`` [m/s] of the ego's ``speed [S]`` over the limit; 0 where no limit is known."""
    limit = np.array([_limit(world, lanes) for lanes in route])
    return np.maximum(0.0, speed - limit)


def _limit(world: NuplanMap, lanes: Lanes) -> float:
    """A lane's limit; for connectors the highest of the lanes they join. One missing limit leaves no limit."""
    if not lanes:
        return np.inf
    if world.connector[lanes[0]]:
        lanes = tuple(
            lane for connector in lanes for lane in world.predecessors[connector] + world.successors[connector]
        )
    limits = world.limit[list(lanes)]
    return float(limits.max()) if len(limits) and (limits > 0.0).all() else np.inf


def speed_compliance(excess: Float, interval: float) -> float:
    """Score from the excess ``[S]`` [m/s] and the mean sample interval [s]."""
    duration = interval * (len(excess) - 1)
    if not excess.any() or duration <= 0.0:
        return 1.0
    return max(0.0, 1.0 - float(excess.sum()) * interval / (WORST * duration))
