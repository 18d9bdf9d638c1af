"""Where recorded road users go when they are simulated: their own recorded way, continued along the lanes."""

import numpy as np
from numpy.typing import NDArray

from drive.scene import Paths, Scenario

Float = NDArray[np.float64]


def derive_paths(scenario: Scenario) -> Paths:
    return Paths(np.zeros((0, 2)), np.zeros(0), np.zeros(len(scenario.tracks.ids) + 1, np.int32))
