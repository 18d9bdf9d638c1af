"""Vector map of one scene: lanes and connectors as flat arrays, areas by layer, stop lines.

Ragged data is stored flat with an offset array ``*_ptr`` (lane ``i`` owns rows ``ptr[i]:ptr[i + 1]``), so that a map is
a handful of arrays: it goes to compiled kernels, to disk and to other processes as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from drive.errors import MapError

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]


class Layer(IntEnum):
    """Layers of map areas. OCCLUDER (buildings, hedges) hides what is behind it and matters to nothing else."""

    DRIVABLE = 0
    INTERSECTION = 1
    CROSSWALK = 2
    CARPARK = 3
    WALKWAY = 4
    OCCLUDER = 5
    ROADBLOCK = 6  # surface of a group of lanes, where the source has one (nuPlan)


class StopCause(IntEnum):
    """Why a stop line is there."""

    SIGNAL = 0
    STOP_SIGN = 1
    YIELD = 2
    CROSSWALK = 3


@dataclass(frozen=True)
class Lane:
    """One lane or lane connector, as loaders and generators hand it to :func:`build_map`.

    Attributes:
        id: Unique name within the map.
        centerline: ``[P, 3]`` x, y [m], heading [rad] in travel direction, P >= 2.
        polygon: ``[Q, 2]`` [m] open ring, either orientation.
        successors: Ids of the lanes that begin where this one ends.
        left, right: Ids of the neighbours in the same direction, or None.
        group: Id of the roadblock (all parallel lanes of one road piece in one direction).
        speed_limit: m/s, or None where the source has none.
        connector: True inside junctions.
        borrow_allowed: True where oncoming traffic may borrow this lane to overtake (dashed centre line).
    """

    id: str
    centerline: Float
    polygon: Float
    successors: tuple[str, ...] = ()
    left: str | None = None
    right: str | None = None
    group: str = ""
    speed_limit: float | None = None
    connector: bool = False
    borrow_allowed: bool = False


@dataclass(frozen=True)
class Area:
    """A polygon of one layer: outer ring and holes, each ``[P, 2]`` [m], open, any orientation."""

    layer: Layer
    rings: tuple[Float, ...]


@dataclass(frozen=True)
class StopLine:
    """A stop line: segment ``[2, 2]`` [m] across the lanes with the given ids, and its cause."""

    segment: Float
    lanes: tuple[str, ...]
    cause: StopCause


@dataclass(frozen=True)
class VectorMap:
    """A map in the scene frame. L lanes, N centreline points, M polygon points, S stop lines, R rings.

    Attributes:
        lane_ids: L names.
        centerline: ``[N, 3]`` float64, x, y [m], heading [rad] in travel direction; offsets ``centerline_ptr [L+1]``.
        polygon: ``[M, 2]`` float64 [m], open counter-clockwise rings; offsets ``polygon_ptr [L+1]``.
        successors: flat int32 lane indices; offsets ``successors_ptr [L+1]``. ``predecessors`` likewise.
        left, right: ``[L]`` int32 neighbour in the same direction, -1 where there is none.
        group: ``[L]`` int32 index into ``group_ids`` (roadblocks).
        connector: ``[L]`` bool. ``borrow_allowed``: ``[L]`` bool.
        speed_limit: ``[L]`` float64 [m/s], meaningful where ``has_speed_limit [L]``.
        stop_segment: ``[S, 2, 2]`` float64 [m]; ``stop_cause [S]`` int8 (:class:`StopCause`); the lanes that a line
            closes are ``stop_lanes`` (flat int32) with offsets ``stop_lanes_ptr [S+1]``.
        ring: ``[K, 2]`` float64 [m], open rings; offsets ``ring_ptr [R+1]``; ``ring_area [R]`` int32 names the area a
            ring belongs to (a point is inside an area when it is inside an odd number of its rings); the rings of one
            area are consecutive; ``area_layer`` int8 (:class:`Layer`) per area.
        dropped: Sentences on what the source named but did not have (dangling ids).
    """

    lane_ids: tuple[str, ...]
    group_ids: tuple[str, ...]
    centerline: Float
    centerline_ptr: Int
    polygon: Float
    polygon_ptr: Int
    successors: Int
    successors_ptr: Int
    predecessors: Int
    predecessors_ptr: Int
    left: Int
    right: Int
    group: Int
    connector: Bool
    borrow_allowed: Bool
    speed_limit: Float
    has_speed_limit: Bool
    stop_segment: Float
    stop_cause: NDArray[np.int8]
    stop_lanes: Int
    stop_lanes_ptr: Int
    ring: Float
    ring_ptr: Int
    ring_area: Int
    area_layer: NDArray[np.int8]
    dropped: tuple[str, ...] = field(default=())

    @property
    def lanes(self) -> int:
        """Number of lanes and connectors."""
        return len(self.lane_ids)

    def lane_centerline(self, lane: int) -> Float:
        """Centreline ``[P, 3]`` (x, y [m], heading [rad]) of one lane."""
        return self.centerline[self.centerline_ptr[lane] : self.centerline_ptr[lane + 1]]

    def lane_polygon(self, lane: int) -> Float:
        """Open ring ``[Q, 2]`` [m] of one lane."""
        return self.polygon[self.polygon_ptr[lane] : self.polygon_ptr[lane + 1]]

    def lane_successors(self, lane: int) -> Int:
        """Indices of the lanes that begin where this one ends."""
        return self.successors[self.successors_ptr[lane] : self.successors_ptr[lane + 1]]

    def lane_predecessors(self, lane: int) -> Int:
        """Indices of the lanes that end where this one begins."""
        return self.predecessors[self.predecessors_ptr[lane] : self.predecessors_ptr[lane + 1]]

    def areas(self, *layers: Layer) -> list[list[Float]]:
        """Rings (outer and holes, each ``[P, 2]`` [m]) of every area in the given layers."""
        found: dict[int, list[Float]] = {}
        for index, area in enumerate(self.ring_area):
            if self.area_layer[area] in layers:
                found.setdefault(int(area), []).append(self.ring[self.ring_ptr[index] : self.ring_ptr[index + 1]])
        return list(found.values())

    def validate(self) -> None:
        """Check the invariants that kernels rely on; raise :class:`MapError` naming the lane or field."""
        count = self.lanes
        if len(set(self.lane_ids)) != count:
            raise MapError("map.lane_ids: lane ids must be unique")
        for name in (
            "centerline_ptr",
            "polygon_ptr",
            "successors_ptr",
            "predecessors_ptr",
        ):
            if len(getattr(self, name)) != count + 1:
                raise MapError(f"map.{name}: expected {count + 1} offsets, got {len(getattr(self, name))}")
        for name in ("centerline", "polygon", "ring", "stop_segment", "speed_limit"):
            if not np.isfinite(getattr(self, name)).all():
                raise MapError(f"map.{name}: every value must be finite")
        for name in ("successors", "predecessors", "stop_lanes", "left", "right"):
            values = getattr(self, name)
            low = -1 if name in ("left", "right") else 0
            if values.size and (values.min() < low or values.max() >= count):
                raise MapError(f"map.{name}: lane indices must lie in [{low}, {count})")
        points, corners = np.diff(self.centerline_ptr), np.diff(self.polygon_ptr)
        for values, least, what in ((points, 2, "centerline"), (corners, 3, "polygon")):
            short = np.flatnonzero(values < least)
            if short.size:
                lane = int(short[0])
                raise MapError(
                    f"map lane {self.lane_ids[lane]!r}: {what} needs at least {least} points, got {int(values[lane])}"
                )
        bad = np.flatnonzero(self.has_speed_limit & ~(self.speed_limit > 0))
        if bad.size:
            raise MapError(f"map lane {self.lane_ids[int(bad[0])]!r}: speed limit must be positive")


def build_map(
    lanes: Sequence[Lane],
    areas: Sequence[Area] = (),
    stop_lines: Sequence[StopLine] = (),
) -> VectorMap:
    """Assemble and validate a :class:`VectorMap`; dangling ids are dropped and reported in ``dropped``.

    Raises:
        MapError: A lane id repeats, or a lane has too few or non-finite points.
    """
    index = {lane.id: number for number, lane in enumerate(lanes)}
    groups = {name: number for number, name in enumerate(dict.fromkeys(lane.group or lane.id for lane in lanes))}
    dropped: list[str] = []

    def resolve(owner: str, relation: str, target: str) -> int:
        if target in index:
            return index[target]
        dropped.append(f"{relation} {target!r} of {owner!r} does not exist")
        return -1

    successors = [
        [found for name in dict.fromkeys(lane.successors) if (found := resolve(lane.id, "successor", name)) >= 0]
        for lane in lanes
    ]
    predecessors: list[list[int]] = [[] for _ in lanes]
    for number, follow in enumerate(successors):
        for target in follow:
            predecessors[target].append(number)
    closed = [
        [found for name in line.lanes if (found := resolve("stop line", "lane", name)) >= 0] for line in stop_lines
    ]
    rings = [np.asarray(ring, np.float64).reshape(-1, 2) for area in areas for ring in area.rings]
    ring_area = [number for number, area in enumerate(areas) for _ in area.rings]
    centerlines = [np.asarray(lane.centerline, np.float64).reshape(-1, 3) for lane in lanes]
    polygons = [_counter_clockwise(np.asarray(lane.polygon, np.float64).reshape(-1, 2)) for lane in lanes]
    built = VectorMap(
        lane_ids=tuple(lane.id for lane in lanes),
        group_ids=tuple(groups),
        centerline=_flat(centerlines, 3),
        centerline_ptr=_offsets(centerlines),
        polygon=_flat(polygons, 2),
        polygon_ptr=_offsets(polygons),
        successors=_flat_index(successors),
        successors_ptr=_offsets(successors),
        predecessors=_flat_index(predecessors),
        predecessors_ptr=_offsets(predecessors),
        left=np.array(
            [resolve(lane.id, "left neighbour", lane.left) if lane.left else -1 for lane in lanes],
            np.int32,
        ),
        right=np.array(
            [resolve(lane.id, "right neighbour", lane.right) if lane.right else -1 for lane in lanes],
            np.int32,
        ),
        group=np.array([groups[lane.group or lane.id] for lane in lanes], np.int32),
        connector=np.array([lane.connector for lane in lanes], np.bool_),
        borrow_allowed=np.array([lane.borrow_allowed for lane in lanes], np.bool_),
        speed_limit=np.array([lane.speed_limit or 0.0 for lane in lanes], np.float64),
        has_speed_limit=np.array([lane.speed_limit is not None for lane in lanes], np.bool_),
        stop_segment=np.array([line.segment for line in stop_lines], np.float64).reshape(-1, 2, 2),
        stop_cause=np.array([line.cause for line in stop_lines], np.int8),
        stop_lanes=_flat_index(closed),
        stop_lanes_ptr=_offsets(closed),
        ring=_flat(rings, 2),
        ring_ptr=_offsets(rings),
        ring_area=np.array(ring_area, np.int32),
        area_layer=np.array([area.layer for area in areas], np.int8),
        dropped=tuple(dropped),
    )
    built.validate()
    return built


def add_areas(vector_map: VectorMap, areas: Sequence[Area]) -> VectorMap:
    """The map with more areas (each ring ``[P, 2]`` m), for instance occluders that a scene places beside its road."""
    rings = [np.asarray(ring, np.float64).reshape(-1, 2) for area in areas for ring in area.rings]
    number = len(vector_map.area_layer)
    return replace(
        vector_map,
        ring=np.concatenate((vector_map.ring, *rings)),
        ring_ptr=np.concatenate((vector_map.ring_ptr, vector_map.ring_ptr[-1] + _offsets(rings)[1:])).astype(np.int32),
        ring_area=np.concatenate(
            (vector_map.ring_area, [number + row for row, area in enumerate(areas) for _ in area.rings])
        ).astype(np.int32),
        area_layer=np.concatenate((vector_map.area_layer, [area.layer for area in areas])).astype(np.int8),
    )


def _offsets(rows: Sequence[Sequence[object] | NDArray[np.generic]]) -> Int:
    return np.concatenate(((0,), np.cumsum([len(row) for row in rows]))).astype(np.int32)


def _flat(rows: Sequence[Float], width: int) -> Float:
    return np.concatenate(rows) if rows else np.zeros((0, width))


def _flat_index(rows: Sequence[Sequence[int]]) -> Int:
    return np.array([value for row in rows for value in row], np.int32)


def _counter_clockwise(ring: Float) -> Float:
    if len(ring) > 1 and np.array_equal(ring[0], ring[-1]):
        ring = ring[:-1]
    x, y = ring[:, 0], ring[:, 1]
    area = np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))
    return ring if area >= 0 else np.ascontiguousarray(ring[::-1])
