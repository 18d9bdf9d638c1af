"""What nuPlan's score is computed from: a map, the simulated drive, the expert's drive and the tracks, as arrays.

All of it is in one frame, any frame. Poses of the ego and the expert are the rear axle, of tracks box centres.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.geometry import arc_length
from drive.kernels.nuplan_geometry import border_distance, contained
from drive.scene import STATIC_KINDS, AgentKind
from drive.vehicle import PACIFICA, Ego, center_from_rear_axle

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

VULNERABLE = (AgentKind.PEDESTRIAN, AgentKind.BICYCLE, AgentKind.MOTORCYCLE)


class Surfaces(NamedTuple):
    """K polygons: ``ring [M, 2]`` [m] open rings with offsets ``ring_ptr [R+1]``, ``owner [R]`` polygon of each ring
    (consecutive), ``box [K, 4]`` bounding boxes (low x, low y, high x, high y)."""

    ring: Float
    ring_ptr: Int
    owner: Int
    box: Float

    def contain(self, points: ArrayLike) -> Bool:
        """``[P, K]`` True where points ``[P, 2]`` lie strictly inside."""
        return np.asarray(contained(np.ascontiguousarray(points, np.float64), *self))

    def distance(self, point: Float, polygons: Iterable[int]) -> float:
        """Smallest distance [m] from ``point [2]`` to the given polygons: 0 inside, inf where there are none."""
        near = np.inf
        for k in polygons:
            # the distance to a bounding box is never larger than that to what it bounds
            low = np.maximum(self.box[k, :2] - point, point - self.box[k, 2:]).clip(0.0)
            if np.hypot(*low) < near:
                near = min(near, border_distance(point[0], point[1], self.ring, self.ring_ptr, self.owner, k))
        return 0.0 if np.isfinite(near) and self.contain(point[None])[0, list(polygons)].any() else float(near)


class NuplanMap(NamedTuple):
    """A map of L lanes and connectors, G roadblocks.

    Attributes:
        ids: L names. ``surface``: their L polygons. ``connector``: ``[L]`` bool.
        line: L centrelines ``[P, 2]`` [m] in travel direction; ``arc``: their arc lengths ``[P]`` [m].
        successors, predecessors: lane indices per lane.
        limit: ``[L]`` speed limit [m/s], NaN where there is none.
        group: ``[L]`` int32 roadblock of each lane.
        block: polygons of roadblocks, ``block_group`` the roadblock each belongs to.
        intersection, drivable: polygons of these layers.
        signalled: ``[L]`` bool, connectors with traffic lights. ``stop``: polygons of stop lines; ``stop_lines``:
            indices into them per lane. Both are used by reactive agents only.
    """

    ids: tuple[str, ...]
    surface: Surfaces
    connector: Bool
    line: tuple[Float, ...]
    arc: tuple[Float, ...]
    successors: tuple[tuple[int, ...], ...]
    predecessors: tuple[tuple[int, ...], ...]
    limit: Float
    group: Int
    block: Surfaces
    block_group: Int
    intersection: Surfaces
    drivable: Surfaces
    signalled: Bool
    stop: Surfaces
    stop_lines: tuple[tuple[int, ...], ...]


class NuplanTracks(NamedTuple):
    """A tracks over S samples in the order the metrics see them.

    ``token`` A names, ``kind [A]`` int8 (:class:`drive.scene.AgentKind`), ``size [A, 2]`` length and width [m],
    ``position [A, S, 2]`` [m], ``heading [A, S]`` [rad], ``velocity [A, S, 2]`` [m/s] in the frame of the positions,
    ``valid [A, S]`` bool.
    """

    token: tuple[str, ...]
    kind: NDArray[np.int8]
    size: Float
    position: Float
    heading: Float
    velocity: Float
    valid: Bool

    @property
    def static(self) -> Bool:
        """``[A]`` True for objects that never count as moving: cones, barriers, signs, generic objects."""
        return np.isin(self.kind, [int(kind) for kind in STATIC_KINDS])

    @property
    def vulnerable(self) -> Bool:
        """``[A]`` True for pedestrians and bicycles (motorcycles are bicycles to nuPlan)."""
        return np.isin(self.kind, [int(kind) for kind in VULNERABLE])

    @property
    def speed(self) -> Float:
        """``[A, S]`` norm of the velocity [m/s], 0 for static objects."""
        return np.where(self.static[:, None], 0.0, np.hypot(self.velocity[..., 0], self.velocity[..., 1]))


class NuplanDrive(NamedTuple):
    """One drive to score: S >= 4 samples of N = S + 1 scenario iterations.

    ``map``; ``time_us [>=S]`` int64 absolute time stamps; ``ego [S, 11]`` states (:class:`drive.vehicle.Ego`);
    ``expert [N, 3]`` rear-axle poses; ``tracks``.
    """

    map: NuplanMap
    time_us: NDArray[np.int64]
    ego: Float
    expert: Float
    tracks: NuplanTracks

    @property
    def center(self) -> Float:
        """Box-centre poses ``[S, 3]`` of the ego."""
        return center_from_rear_axle(self.ego, PACIFICA)

    @property
    def speed(self) -> Float:
        """Norm ``[S]`` of the ego's rear-axle velocity [m/s]: without a sign, also when reversing."""
        return np.hypot(self.ego[:, Ego.VX], self.ego[:, Ego.VY])

    @property
    def interval(self) -> float:
        """Mean time between samples [s]."""
        samples = len(self.ego)
        return float(self.time_us[samples - 1] - self.time_us[0]) / (samples - 1) * 1e-6


def surfaces(polygons: Sequence[Sequence[ArrayLike]]) -> Surfaces:
    """Assemble polygons, each a sequence of open rings ``[*, 2]`` (outer ring and holes)."""
    rings = [np.asarray(ring, np.float64).reshape(-1, 2) for polygon in polygons for ring in polygon]
    owner = [number for number, polygon in enumerate(polygons) for _ in polygon]
    box = np.zeros((len(polygons), 4))
    for number, ring in zip(reversed(owner), reversed(rings), strict=True):  # the outer ring comes first: written last
        box[number] = (*ring.min(axis=0), *ring.max(axis=0))
    ptr = np.concatenate(((0,), np.cumsum([len(ring) for ring in rings]))).astype(np.int32)
    return Surfaces(np.concatenate(rings) if rings else np.zeros((0, 2)), ptr, np.array(owner, np.int32), box)


def centerlines(lines: Iterable[ArrayLike]) -> tuple[tuple[Float, ...], tuple[Float, ...]]:
    """Centrelines ``[P, 2]`` and their arc lengths ``[P]`` from ``[P, >=2]`` points."""
    points = tuple(np.ascontiguousarray(np.asarray(line, np.float64)[:, :2]) for line in lines)
    return points, tuple(arc_length(line) for line in points)
