"""The road under a scene's signals: lanes with widths, the lanes that count as on-route, and the route frame."""

from collections.abc import Callable
from functools import cached_property, reduce

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon

from drive.geometry import arc_length, wrap_angle
from drive.map import Layer, VectorMap
from drive.scene import Scenario
from drive.scoring.scene_geometry import SceneGeometry, compile_geometry
from drive.signals.kernels.area import EdgeGrid, compile_edges
from drive.signals.kernels.road import lane_half_widths, lanes_under, tangent_at

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

SPACING = 0.5  # m between the points of the route frame
ONCOMING_PROBES = np.array((2.5, 4.0, 6.0))  # m beside a lane's middle
GAP = 0.1  # m between two drivable areas that is closed
FORESIGHT = 150.0  # m
BEFORE, BEYOND = 60.0, 200.0  # m that the route frame goes on before the route's first lane and beyond its last


class RouteFrame:
    """The route as a curve: arc length s and lateral offset d (left positive) of anything beside it.

    Attributes:
        points: ``[P, 2]`` [m], every ``SPACING`` m. ``arc [P]`` [m]. ``heading [P]`` [rad] of the segment from each.
        lane: ``[P]`` int32, the lane each point belongs to.
        begin, end: Arc lengths [m] of the route's own first and last point; the curve goes on through predecessors and
            successors before and beyond them.
    """

    def __init__(self, points: Float, lane: Int, begin: float, end: float) -> None:
        arc = arc_length(points)
        keep = np.concatenate((np.diff(arc) > 1e-6, (True,)))  # where lanes meet, the point is the next one's
        points, lane, arc = points[keep], lane[keep], arc[keep]
        count = max(2, round(arc[-1] / SPACING) + 1)
        at = np.linspace(0.0, arc[-1], count)
        self.points: Float = np.ascontiguousarray(
            np.stack((np.interp(at, arc, points[:, 0]), np.interp(at, arc, points[:, 1])), axis=1)
        )
        self.arc = arc_length(self.points)
        self.lane: Int = lane[np.clip(np.searchsorted(arc, at, side="right") - 1, 0, len(lane) - 1)]
        steps = np.diff(self.points, axis=0)
        direction = np.arctan2(steps[:, 1], steps[:, 0])
        self.heading: Float = np.concatenate((direction, direction[-1:]))
        self.begin, self.end = float(np.interp(begin, at, self.arc)), float(np.interp(end, at, self.arc))


class Road:
    """What signals need of a scene's map and route; shared by every rollout of the scene.

    Attributes:
        map: The map. ``geometry``: it and the route, compiled for scoring.
        on_route: ``[L]`` bool, the route's lanes and all that run beside them: same roadblock, or neighbours.
        half_left, half_right: ``[N]`` [m] from each centreline point of the map to its lane's borders.
        limit: ``[L]`` [m/s], 0 where unknown; a connector has the larger of its own and its successors'.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.map: VectorMap = scenario.map
        self.route: Int = np.asarray(scenario.route, np.int32)
        self.geometry: SceneGeometry = compile_geometry(scenario)
        lanes = self.geometry.lanes
        self.half_left, self.half_right = lane_half_widths(
            lanes.centerline, lanes.centerline_ptr, lanes.ring, lanes.ring_ptr
        )
        self.on_route = _beside(self.map, self.route)
        self.limit = _limits(self.map)

    @cached_property
    def frame(self) -> RouteFrame | None:
        """The route frame, None where the scene has no route."""
        return _route_frame(self.map, self.route.tolist()) if len(self.route) else None

    @cached_property
    def drivable(self) -> EdgeGrid | None:
        """Border of the union of the drivable areas; None where the map has none.

        Gaps between two areas of up to 10 cm are drawing errors, not borders.
        """
        shapes = [
            reduce(lambda one, other: one.symmetric_difference(other), map(shapely.make_valid, map(Polygon, rings)))
            for rings in self.map.areas(Layer.DRIVABLE, Layer.CARPARK)
        ]
        union = shapely.union_all(shapes).buffer(GAP / 2, join_style="mitre").buffer(-GAP / 2, join_style="mitre")
        rings = [
            np.asarray(ring.coords)
            for part in shapely.get_parts(union)
            if isinstance(part, Polygon) and not part.is_empty
            for ring in (part.exterior, *part.interiors)
        ]
        return compile_edges(np.concatenate([np.hstack((ring[:-1], ring[1:])) for ring in rings])) if rings else None

    @cached_property
    def before(self) -> Int:
        """``[L]`` the lane that the route (or else the straightest way) comes from into each lane, -1 for none."""
        return self._links(self.map.lane_predecessors)

    @cached_property
    def after(self) -> Int:
        """``[L]`` the lane that the route (or else the straightest way) takes out of each lane, -1 for none."""
        return self._links(self.map.lane_successors)

    def _links(self, links: Callable[[int], Int]) -> Int:
        preferred = set(self.route.tolist())
        found = np.full(self.map.lanes, -1, np.int32)
        for lane in range(self.map.lanes):
            options = links(lane).tolist()
            if options:
                found[lane] = min(
                    options,
                    key=lambda option: (
                        option not in preferred,
                        not self.on_route[option],
                        self._bends[option],
                        option,
                    ),
                )
        return found

    @cached_property
    def _bends(self) -> Float:
        return np.array([_bend(self.map, lane) for lane in range(self.map.lanes)])

    @cached_property
    def left_hand(self) -> bool:
        """Whether traffic keeps left: oncoming lanes lie to the right of most lanes that have one beside them."""
        votes = 0
        for lane in range(self.map.lanes):
            if not self.map.connector[lane]:
                votes += _oncoming_side(self, lane)
        return votes < 0

    @cached_property
    def runs_on(self) -> Float:
        """``[L]`` [m] from the beginning of each lane along on-route lanes to where the last of them ends, at most
        ``FORESIGHT`` m beyond the lane itself."""
        lengths = np.array([arc_length(self.map.lane_centerline(lane))[-1] for lane in range(self.map.lanes)])
        total = np.where(self.on_route, lengths, 0.0)
        for _ in range(12):  # links of a chain; junctions have short lanes, but not that many
            further = np.array([total[self.map.lane_successors(lane)].max(initial=0.0) for lane in range(len(total))])
            total = np.where(self.on_route, lengths + np.minimum(further, FORESIGHT), 0.0)
        return total

    def chain(self, lane: int) -> Bool:
        """``[L]`` bool: the lane and the lanes it leads to or comes from within four links either way."""
        if lane not in self._chains:
            found = np.zeros(self.map.lanes, np.bool_)
            found[lane] = True
            for links in (self.map.lane_successors, self.map.lane_predecessors):
                ring = [lane]
                for _ in range(4):
                    ring = [int(after) for number in ring for after in links(number) if not found[after]]
                    found[ring] = True
            self._chains[lane] = found
        return self._chains[lane]

    @cached_property
    def _chains(self) -> dict[int, Bool]:
        return {}


def _beside(vector_map: VectorMap, route: Int) -> Bool:
    found = np.isin(vector_map.group, vector_map.group[route])
    todo = np.flatnonzero(found).tolist()
    while todo:
        lane = todo.pop()
        for other in (int(vector_map.left[lane]), int(vector_map.right[lane])):
            if other >= 0 and not found[other]:
                found[other] = True
                todo.append(other)
    return found


def _oncoming_side(road: Road, lane: int) -> int:
    """1 where a lane that runs the other way lies within 6 m to the left of a lane's middle, -1 to the right, else
    0."""
    line = road.map.lane_centerline(lane)
    x, y, _ = middle = line[len(line) // 2]
    lanes = road.geometry.lanes
    heading = tangent_at(lanes.centerline, lanes.centerline_ptr[lane], lanes.centerline_ptr[lane + 1], x, y)
    side = np.array((-np.sin(heading), np.cos(heading)))
    found = [0, 0]
    for number, sign in enumerate((1.0, -1.0)):
        probe = middle[:2] + sign * ONCOMING_PROBES[:, None] * side
        other = lanes_under(
            np.ascontiguousarray(probe[None]),
            np.ones((1, len(probe)), np.bool_),
            lanes.ring,
            lanes.ring_ptr,
            lanes.ring_box,
            lanes.centerline,
            lanes.centerline_ptr,
            np.full((1, len(probe)), heading + np.pi),
        )[0]
        for (px, py), beside in zip(probe, other, strict=True):
            if beside >= 0 and not road.map.connector[beside]:
                way = tangent_at(
                    lanes.centerline, lanes.centerline_ptr[beside], lanes.centerline_ptr[beside + 1], px, py
                )
                found[number] |= int(np.cos(way - heading) < -0.8)
    return found[0] - found[1]


def _limits(vector_map: VectorMap) -> Float:
    known = np.where(vector_map.has_speed_limit, vector_map.speed_limit, 0.0)
    limits = known.copy()
    for lane in np.flatnonzero(vector_map.connector):
        limits[lane] = max(known[lane], known[vector_map.lane_successors(lane)].max(initial=0.0))
    return limits


def _route_frame(vector_map: VectorMap, route: list[int]) -> RouteFrame:
    runs: list[list[int]] = [[route[0]]]  # lanes side by side, in the order in which the route changes between them
    for lane in route[1:]:
        last = runs[-1][-1]
        if lane in (vector_map.left[last], vector_map.right[last]):
            runs[-1].append(lane)
        else:
            runs.append([lane])
    pieces = [_run_points(vector_map, run) for run in runs]
    before = _extension(vector_map, runs[0][0], BEFORE, backwards=True, avoid=set(route))
    beyond = _extension(vector_map, runs[-1][-1], BEYOND, backwards=False, avoid=set(route))
    parts = [*(vector_map.lane_centerline(lane)[:, :2] for lane in reversed(before)), *pieces]
    owners = [*reversed(before), *(run[-1] for run in runs), *beyond]
    parts += [vector_map.lane_centerline(lane)[:, :2] for lane in beyond]
    arc = arc_length(np.concatenate(parts))
    counts = np.cumsum([0] + [len(part) for part in parts])
    first, last = counts[len(before)], counts[len(before) + len(pieces)] - 1
    lane_of = np.repeat(np.array(owners, np.int32), [len(part) for part in parts])
    return RouteFrame(np.concatenate(parts), lane_of, float(arc[first]), float(arc[last]))


def _run_points(vector_map: VectorMap, run: list[int]) -> Float:
    """Centreline of a lane; of lanes side by side, a lane change along their common length."""
    if len(run) == 1:
        return vector_map.lane_centerline(run[0])[:, :2]
    lines = [vector_map.lane_centerline(lane)[:, :2] for lane in run]
    arcs = [arc_length(line) for line in lines]
    part = np.linspace(0.0, 1.0, max(3, int(arcs[0][-1] / SPACING) + 1))
    beside = np.stack(
        [
            np.stack([np.interp(part * arc[-1], arc, line[:, axis]) for axis in (0, 1)], axis=1)
            for line, arc in zip(lines, arcs, strict=True)
        ]
    )
    place = part * part * (3.0 - 2.0 * part) * (len(run) - 1)
    low = np.minimum(place.astype(np.int64), len(run) - 2)
    share = (place - low)[:, None]
    rows = np.arange(len(part))
    blended: Float = (1.0 - share) * beside[low, rows] + share * beside[low + 1, rows]
    return blended


def _extension(vector_map: VectorMap, lane: int, wanted: float, backwards: bool, avoid: set[int]) -> list[int]:
    """Lanes that go on from a lane, always the straightest; may be empty."""
    links = vector_map.lane_predecessors if backwards else vector_map.lane_successors
    found: list[int] = []
    while wanted > 0.0:
        options = [int(option) for option in links(lane) if int(option) not in avoid and int(option) not in found]
        if not options:
            break
        lane = min(options, key=lambda option: (_bend(vector_map, option), option))
        found.append(lane)
        wanted -= float(arc_length(vector_map.lane_centerline(lane))[-1])
    return found


def _bend(vector_map: VectorMap, lane: int) -> float:
    return float(np.abs(wrap_angle(np.diff(vector_map.lane_centerline(lane)[:, 2]))).sum())
