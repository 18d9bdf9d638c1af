"""A straight road for NAVSIM's scorer, made by hand: two lanes along x, an oncoming one, nothing on it."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.scene import AgentKind
from drive.scoring.navsim.inputs import SAMPLES, PdmMap, PdmTraffic, RoadLayer, pdm_map, pdm_traffic
from drive.vehicle import EGO_COLUMNS
from evaluation.metrics.epdms import Frame

Float = NDArray[np.float64]


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Float:
    """Open ring of an upright rectangle."""
    return np.array(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), np.float64)


def road(extra: list[tuple[Float, RoadLayer, bool]] | None = None) -> PdmMap:
    """Lanes right (y -3.5..0, on the route) and left (y 0..3.5, not), 300 m long, in one roadblock."""
    parts = [
        (rectangle(-100.0, -3.5, 200.0, 3.5), RoadLayer.ROADBLOCK, False),
        (rectangle(-100.0, -3.5, 200.0, 0.0), RoadLayer.LANE, True),
        (rectangle(-100.0, 0.0, 200.0, 3.5), RoadLayer.LANE, False),
        *(extra or []),
    ]
    line = np.column_stack((np.arange(-100.0, 201.0), np.full(301, -1.75)))
    return pdm_map([p[0] for p in parts], [p[1] for p in parts], [p[2] for p in parts], line)


def objects(
    *items: tuple[AgentKind, ArrayLike, float, float], red: list[Float] | None = None, samples: int = SAMPLES
) -> PdmTraffic:
    """Objects (kind, path ``[samples, 2]`` or a point, length, width), heading along x; ``red`` rings stay red."""
    position = np.zeros((len(items), samples, 2))
    velocity = np.zeros((len(items), samples, 2))
    for row, (_, path, _, _) in enumerate(items):
        position[row] = np.broadcast_to(np.asarray(path, np.float64), (samples, 2))
        velocity[row] = np.gradient(position[row], 0.1, axis=0)
    rings = red or []
    return pdm_traffic(
        position,
        np.zeros((len(items), samples)),
        velocity,
        np.ones((len(items), samples), np.bool_),
        [(length, width) for _, _, length, width in items],
        [kind for kind, *_ in items],
        rings,
        np.ones((len(rings), samples), np.bool_),
    )


def driven(speed: float, y: float = -1.75, x: float = 0.0, samples: int = SAMPLES) -> Float:
    """States ``[1, samples, 11]`` at constant speed along x."""
    states = np.zeros((1, samples, EGO_COLUMNS))
    states[0, :, 0] = x + speed * 0.1 * np.arange(samples)
    states[0, :, 1] = y
    states[0, :, 3] = speed
    return states


def straight_plan(speed: float) -> Float:
    """Plan ``[8, 3]`` at constant speed."""
    plan = np.zeros((8, 3))
    plan[:, 0] = speed * 0.5 * np.arange(1, 9)
    return plan


def frame(speed: float = 10.0, traffic: PdmTraffic | None = None, pdm: PdmMap | None = None, y: float = -1.75) -> Frame:
    """A frame on the road: the ego at the origin of x, the human and the reference go on at the same speed."""
    ego = np.zeros(EGO_COLUMNS)
    ego[1], ego[3] = y, speed
    past = np.zeros((4, 7))
    past[:, 0] = speed * np.array((-1.5, -1.0, -0.5, 0.0))
    past[:, 1], past[:, 3] = y, speed
    reference = np.zeros((51, 3))
    reference[:, 0], reference[:, 1] = speed * 0.1 * np.arange(51), y
    return Frame(
        ego=ego,
        t0_us=1_600_000_000_000_000,
        pdm_map=pdm or road(),
        traffic=traffic or objects(),
        past=past,
        reference=reference,
        human=straight_plan(speed),
    )
