"""What NAVSIM's scorer is given for one token: its map, its traffic, and the ego it knows.

All of it is in one frame, any frame; poses of the ego are its rear axle, of everything else box centres. Sample ``s``
is ``s * 0.1`` s after the token's time. S = 41 samples for an exact score.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.geometry import arc_length
from drive.kernels.rings import Polygons, band_edges

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

SAMPLES = 41
"""Samples of a scored plan: 0 .. 4.0 s."""


class RoadLayer(IntEnum):
    """Layers of NAVSIM's drivable map, in the order in which it lists them."""

    ROADBLOCK = 0
    LANE = 1
    LANE_CONNECTOR = 2
    INTERSECTION = 3
    CARPARK_AREA = 4


class PdmMap(NamedTuple):
    """P polygons around the ego, and the centreline of its route.

    ``polygons`` [m]; ``layer [P]`` int8 (:class:`RoadLayer`); ``on_route [P]`` bool (lanes and connectors of the
    route); ``centerline [N, 2]`` [m] with ``arc [N]`` [m], N >= 2.
    """

    polygons: Polygons
    layer: NDArray[np.int8]
    on_route: Bool
    centerline: Float
    arc: Float


class PdmTraffic(NamedTuple):
    """A objects and R red lights over S samples.

    ``position [A, S, 2]`` [m], ``heading [A, S]`` [rad], ``velocity [A, S, 2]`` [m/s] in the frame of the positions,
    ``valid [A, S]`` bool, ``size [A, 2]`` length and width [m], ``kind [A]`` int8 (:class:`drive.scene.AgentKind`).
    A red light is the polygon of its lane connector: ``red_ring [K, 2]`` [m] open rings with offsets ``red_ring_ptr
    [R+1]`` int32, ``red_box [R, 4]`` and ``red [R, S]`` bool (red now). Only connectors on the route belong here.
    """

    position: Float
    heading: Float
    velocity: Float
    valid: Bool
    size: Float
    kind: NDArray[np.int8]
    red_ring: Float
    red_ring_ptr: Int
    red_box: Float
    red: Bool


def pdm_map(rings: Sequence[ArrayLike], layers: ArrayLike, on_route: ArrayLike, centerline: ArrayLike) -> PdmMap:
    """Assemble a :class:`PdmMap` from P open rings ``[*, 2]``, their layers ``[P]`` and flags ``[P]``, and the
    centreline ``[N, >=2]``."""
    flat, ptr, box = _flat_rings(rings)
    polygons = Polygons(flat, ptr, box, *band_edges(flat, ptr, box))
    line = np.ascontiguousarray(np.asarray(centerline, np.float64)[:, :2])
    return PdmMap(polygons, np.asarray(layers, np.int8), np.asarray(on_route, np.bool_), line, arc_length(line))


def pdm_traffic(
    position: ArrayLike,
    heading: ArrayLike,
    velocity: ArrayLike,
    valid: ArrayLike,
    size: ArrayLike,
    kind: ArrayLike,
    red_rings: Sequence[ArrayLike] = (),
    red: ArrayLike | None = None,
) -> PdmTraffic:
    """Assemble a :class:`PdmTraffic`; ``red_rings`` are R open rings ``[*, 2]`` and ``red`` their states ``[R, S]``."""
    seen = np.ascontiguousarray(valid, np.bool_)
    flat, ptr, box = _flat_rings(red_rings)
    return PdmTraffic(
        np.ascontiguousarray(position, np.float64),
        np.ascontiguousarray(heading, np.float64),
        np.ascontiguousarray(velocity, np.float64),
        seen,
        np.ascontiguousarray(size, np.float64).reshape(-1, 2),
        np.ascontiguousarray(kind, np.int8),
        flat,
        ptr,
        box,
        np.zeros((0, seen.shape[1]), np.bool_) if red is None else np.ascontiguousarray(red, np.bool_),
    )


def _flat_rings(rings: Sequence[ArrayLike]) -> tuple[Float, Int, Float]:
    arrays = [np.asarray(ring, np.float64)[:, :2] for ring in rings]
    ptr = np.concatenate(((0,), np.cumsum([len(ring) for ring in arrays]))).astype(np.int32)
    flat = np.ascontiguousarray(np.concatenate(arrays)) if arrays else np.zeros((0, 2))
    box = np.array([(*ring.min(axis=0), *ring.max(axis=0)) for ring in arrays]).reshape(-1, 4)
    return flat, ptr, box
