"""Maps that are polylines (ScenarioNet, Waymo): lanes get polygons, connections and neighbours, roads get a surface.

What a source says is taken; what it leaves out is found from geometry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from drive.geometry import arc_length, poses_to_frame, to_frame, wrap_angle
from drive.map import Area, Lane, StopCause, StopLine
from scenarios.nuscenes.maps import REACH, Crop, largest, surface
from scenarios.roadgraph import neighbours, roadblocks
from scenarios.roadsurface import area_shape, clipped, road_surface, with_surface

Float = NDArray[np.float64]

# Half a lane [m] where nothing beside it says more, and the limits of what neighbours and edges may make of it.
_HALF_WIDTH = 1.75
_HALF_WIDTHS = (1.2, 2.25)
# A lane's end and another's start this close [m] and this much in line [rad] are one place.
_JOINT = 0.3
_TURNED = np.deg2rad(45.0)
# Lanes that cross others inside this length [m] are connectors: sources split lanes where junctions begin.
_CONNECTOR = 60.0
_CROSSING = np.deg2rad(12.0)
# A stop sign stands this close [m] to the end of the lane that it closes.
_SIGN = 12.0


@dataclass(frozen=True)
class RawLane:
    """A lane as a source has it, global frame; None and empty where the source says nothing.

    Attributes:
        line: ``[P, 2]`` [m] in travel direction, P >= 2, no point twice in a row.
        heading: ``[P]`` [rad] at each point.
        polygon: ``[Q, 2]`` [m].
        successors, left, right: Lane ids.
        others: See :class:`drive.map.Lane`.
    """

    id: str
    line: Float
    heading: Float | None = None
    polygon: Float | None = None
    successors: tuple[str, ...] | None = None
    left: tuple[str, ...] | None = None
    right: tuple[str, ...] | None = None
    group: str = ""
    speed_limit: float | None = None
    connector: bool | None = None
    borrow_allowed: bool = False


@dataclass(frozen=True)
class RawStop:
    """A stop sign at ``position [2]`` or a stop line ``segment [2, 2]`` [m, global] for ``lanes`` (None: find them)."""

    id: str
    position: Float
    lanes: tuple[str, ...] | None
    cause: StopCause = StopCause.STOP_SIGN
    segment: Float | None = None


@dataclass(frozen=True)
class RawMap:
    """A source's map, global frame.

    Attributes:
        lanes: For motor traffic. ``paths``: lines ``[P, 2]`` of other lanes (bicycles): paved, but no lanes.
        edges: Road edges ``[P, 2]``, the road on their left.
        rings: Rings ``[P, 2]`` that bound the drivable area together (inside an odd number of them).
        areas: Polygons of any layer; driveways come as DRIVABLE and are added to what edges or rings give.
        complete: True if ``areas`` holds all drivable area there is.
        stops: Stop signs and lines.
    """

    lanes: tuple[RawLane, ...]
    paths: tuple[Float, ...] = ()
    edges: tuple[Float, ...] = ()
    rings: tuple[Float, ...] = ()
    areas: tuple[Area, ...] = ()
    complete: bool = False
    stops: tuple[RawStop, ...] = ()
    notes: tuple[str, ...] = ()


def tidy(points: Float) -> Float | None:
    """A polyline ``[P, >=2]`` without points that repeat the one before; None if fewer than two are left."""
    if len(points) < 2:
        return None
    far = np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1) > 1e-3
    kept = points[np.append(far, True)]
    return kept if len(kept) > 1 else None


def headings(line: Float) -> Float:
    """Heading [rad] at each point of a line ``[P, 2]``: that of the chord between its neighbours."""
    step = np.gradient(line[:, :2], axis=0)
    return np.arctan2(step[:, 1], step[:, 0])


def crop(raw: RawMap, path: Float, origin: Float, whole: bool = False) -> Crop:
    """What lies within 150 m of a path ``[n, 2]`` [m, global], or all (``whole``), in the scene frame ``origin``."""
    line = LineString(path) if len(np.unique(path, axis=0)) > 1 else shapely.Point(path[0])
    region = line.buffer(1e6 if whole else REACH, quad_segs=8)
    notes = list(raw.notes)
    near = [lane for lane in raw.lanes if LineString(lane.line).intersects(region)]
    lanes, shapes = _lanes(near, raw)
    ground = region if whole else shapely.union_all([region, *(shape.buffer(5.0) for shape in shapes)])
    areas = [area for area in raw.areas if whole or area_shape(area).intersects(ground)]
    kept = areas if whole else [piece for area in areas for piece in clipped(area, ground)]
    if not raw.complete:
        kept = with_surface(kept, road_surface(raw.edges, raw.rings, raw.paths, lanes, shapes, ground), lanes, shapes)
    stops = _stop_lines(raw.stops, lanes, shapes, region, notes)
    return Crop(
        [
            replace(
                lane,
                centerline=poses_to_frame(lane.centerline, origin),
                polygon=to_frame(lane.polygon, origin),
            )
            for lane in lanes
        ],
        [Area(area.layer, tuple(to_frame(ring, origin) for ring in area.rings)) for area in kept],
        [replace(stop, segment=to_frame(stop.segment, origin)) for stop in stops],
        notes,
    )


def _lanes(near: Sequence[RawLane], raw: RawMap) -> tuple[list[Lane], list[Polygon]]:
    ids = [lane.id for lane in near]
    everywhere = {lane.id for lane in raw.lanes}
    lines = [
        np.column_stack((lane.line, headings(lane.line) if lane.heading is None else lane.heading)) for lane in near
    ]
    joined = _joints(near, lines)
    successors = [
        joined[row]
        if lane.successors is None
        else tuple(name for name in lane.successors if name in ids or name not in everywhere)
        for row, lane in enumerate(near)
    ]
    guessed = _crossing(lines) if any(lane.connector is None for lane in near) else []
    connector = [guessed[row] if lane.connector is None else lane.connector for row, lane in enumerate(near)]
    rings = _polygons(near, lines, connector, raw.edges)
    shapes = [largest(surface(Polygon(ring))) for ring in rings]
    left, right = neighbours(lines, shapes, connector)
    if any(lane.left is not None or lane.right is not None for lane in near):
        left, right = _given(near, ids)
    groups = roadblocks(ids, left, connector, successors)
    lanes = [
        Lane(
            id=lane.id,
            centerline=lines[row],
            polygon=rings[row],
            successors=successors[row],
            left=ids[left[row]] if left[row] >= 0 else None,
            right=ids[right[row]] if right[row] >= 0 else None,
            group=lane.group or groups[row],
            speed_limit=lane.speed_limit,
            connector=connector[row],
            borrow_allowed=lane.borrow_allowed,
        )
        for row, lane in enumerate(near)
    ]
    return lanes, shapes


def _given(near: Sequence[RawLane], ids: list[str]) -> tuple[list[int], list[int]]:
    """Neighbours as the source names them: the first that is there."""
    index = {name: row for row, name in enumerate(ids)}

    def first(names: tuple[str, ...] | None) -> int:
        return next((index[name] for name in names or () if name in index), -1)

    return [first(lane.left) for lane in near], [first(lane.right) for lane in near]


def _joints(near: Sequence[RawLane], lines: Sequence[Float]) -> list[tuple[str, ...]]:
    """Lanes that begin where each lane ends, in its direction."""
    if not lines:
        return []
    starts, ends = np.array([line[0] for line in lines]), np.array([line[-1] for line in lines])
    tree = shapely.STRtree([shapely.Point(start) for start in starts[:, :2]])
    found: list[list[int]] = [[] for _ in lines]
    for row, other in tree.query(shapely.points(ends[:, :2]), predicate="dwithin", distance=_JOINT).T.tolist():
        if row != other and abs(float(wrap_angle(starts[other, 2] - ends[row, 2]))) < _TURNED:
            found[row].append(other)
    return [tuple(near[other].id for other in sorted(others)) for others in found]


def _crossing(lines: Sequence[Float]) -> list[bool]:
    """Which lanes lie inside junctions: those that cross others, and those that fork from or merge into the same
    places as these."""
    shapes = [LineString(line[:, :2]) for line in lines]
    length = [shape.length for shape in shapes]
    tree = shapely.STRtree(shapes)
    inside = [False] * len(lines)
    for one, other in tree.query(shapes, predicate="crosses").T.tolist():
        if one < other and _cross(shapes[one], shapes[other], lines[one], lines[other]):
            for row in (one, other):
                inside[row] = inside[row] or length[row] < _CONNECTOR
    ends = {at: np.array([line[at, :2] for line in lines]).reshape(-1, 2) for at in (0, -1)}
    core = np.flatnonzero(inside)
    for at in (0, -1):
        for row in range(len(lines)):
            if not inside[row] and length[row] < _CONNECTOR and len(core):
                near = np.linalg.norm(ends[at][core] - ends[at][row], axis=1)
                inside[row] = bool((near < _JOINT).any())
    return inside


def _cross(one: LineString, other: LineString, first: Float, second: Float) -> bool:
    """True if two lanes meet at an angle, away from their ends."""
    for point in shapely.get_coordinates(one.intersection(other)):
        spot = shapely.Point(point)
        at, to = one.project(spot), other.project(spot)
        if min(at, one.length - at) > 1.0 and min(to, other.length - to) > 1.0:
            a = first[int(np.abs(arc_length(first) - at).argmin()), 2]
            b = second[int(np.abs(arc_length(second) - to).argmin()), 2]
            if _CROSSING < abs(float(wrap_angle(a - b))) < np.pi - _CROSSING:
                return True
    return False


def _polygons(
    near: Sequence[RawLane], lines: Sequence[Float], connector: Sequence[bool], edges: Sequence[Float]
) -> list[Float]:
    """A ring per lane: the source's, else the centreline widened on both sides."""
    beside = [row for row in range(len(near)) if not connector[row]]
    shapes = [LineString(lines[row][:, :2]) for row in beside]
    borders = [LineString(edge) for edge in edges]
    trees = shapely.STRtree(shapes), shapely.STRtree(borders)
    rings = []
    for row, lane in enumerate(near):
        if lane.polygon is not None:
            rings.append(lane.polygon)
            continue
        line = lines[row]
        widths = (_HALF_WIDTH, _HALF_WIDTH)
        if not connector[row]:
            others = [shapes[k] for k in _near(trees[0], line) if beside[k] != row]
            walls = [borders[k] for k in _near(trees[1], line)]
            widths = _half_widths(line, others, walls)
        rings.append(strip(line, *widths))
    return rings


def _near(tree: shapely.STRtree, line: Float) -> list[int]:
    return sorted(tree.query(LineString(line[:, :2]), predicate="dwithin", distance=6.0).tolist())


def _half_widths(line: Float, others: Sequence[LineString], walls: Sequence[LineString]) -> tuple[float, float]:
    """Distances [m] to the left and right border: half way to lanes beside it, and up to road edges."""
    points = shapely.points(line[:, :2])
    found: tuple[list[Float], list[Float]] = ([], [])
    for shape, share, reach in [(other, 0.5, 5.0) for other in others] + [(wall, 1.0, 2.75) for wall in walls]:
        foot = shapely.get_coordinates(shape.interpolate(shape.project(points)))
        away = foot - line[:, :2]
        forward = np.abs(np.cos(line[:, 2]) * away[:, 0] + np.sin(line[:, 2]) * away[:, 1])
        aside = np.cos(line[:, 2]) * away[:, 1] - np.sin(line[:, 2]) * away[:, 0]
        for side, sign in enumerate((1.0, -1.0)):
            at = (forward < 0.5) & (sign * aside > 0.8) & (sign * aside < reach)
            if at.mean() > 0.3:
                found[side].append(np.where(at, sign * aside * share, np.inf))
    return _typical(found[0]), _typical(found[1])


def _typical(distances: Sequence[Float]) -> float:
    if not distances:
        return _HALF_WIDTH
    nearest = np.min(distances, axis=0)
    return float(np.clip(np.median(nearest[np.isfinite(nearest)]), *_HALF_WIDTHS))


def strip(line: Float, left: float, right: float) -> Float:
    """Ring ``[2 P, 2]`` around a line ``[P, 3]`` with headings, so far [m] to its left and right; simple."""
    normal = np.stack((-np.sin(line[:, 2]), np.cos(line[:, 2])), axis=-1)
    ring = np.concatenate((line[:, :2] - right * normal, (line[:, :2] + left * normal)[::-1]))
    if not Polygon(ring).is_valid:
        shape = largest(LineString(line[:, :2]).buffer((left + right) / 2, cap_style="flat"))
        ring = np.array(shape.exterior.coords)[:-1]
    return ring


def _stop_lines(
    stops: Sequence[RawStop], lanes: Sequence[Lane], shapes: Sequence[Polygon], region: BaseGeometry, notes: list[str]
) -> list[StopLine]:
    index = {lane.id: row for row, lane in enumerate(lanes)}
    found = []
    for stop in stops:
        if not region.intersects(shapely.Point(stop.position)):
            continue
        if stop.segment is not None:
            found.append(StopLine(stop.segment, stop.lanes or (), stop.cause))
            continue
        rows = [index[name] for name in stop.lanes or () if name in index]
        rows = rows or ([] if stop.lanes else _approach(stop.position, lanes))
        if not rows:
            notes.append(f"stop sign {stop.id!r} belongs to no lane near it and was left out")
        for row in dict.fromkeys(rows):
            found.append(_stop_line(stop, lanes, row, index))
    return found


def _approach(position: Float, lanes: Sequence[Lane]) -> list[int]:
    """The lane into a junction whose end is nearest to a sign that does not lie on its left."""
    best: tuple[float, int] | None = None
    behind = {lane.id: lane.connector for lane in lanes}
    for row, lane in enumerate(lanes):
        x, y, heading = lane.centerline[-1]
        away = position - (x, y)
        aside = np.cos(heading) * away[1] - np.sin(heading) * away[0]
        enters = not lane.connector and any(behind.get(name, False) for name in lane.successors)
        distance = float(np.linalg.norm(away))
        if enters and aside < 0.5 and distance < _SIGN and (best is None or distance < best[0]):
            best = (distance, row)
    return [] if best is None else [best[1]]


def _stop_line(stop: RawStop, lanes: Sequence[Lane], row: int, index: dict[str, int]) -> StopLine:
    """Across a connector where it begins; across a lane at its end if a junction follows, else beside the sign."""
    lane = lanes[row]
    line, at = lane.centerline, 0
    closed: tuple[str, ...] = (lane.id,)
    if not lane.connector:
        arc = arc_length(line)
        spot = LineString(line[:, :2]).project(shapely.Point(stop.position))
        ahead = tuple(name for name in lane.successors if name in index and lanes[index[name]].connector)
        at = int(np.abs(arc - spot).argmin())
        if ahead and arc[-1] - spot < _SIGN:
            at, closed = len(line) - 1, ahead
    x, y, heading = line[at]
    across = np.array((-np.sin(heading), np.cos(heading))) * _HALF_WIDTH
    return StopLine(np.array((x, y)) + np.stack((-across, across)), closed, stop.cause)
