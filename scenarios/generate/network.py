"""From a layout to a map: grow roads and junctions from the root, mirror, place, assemble a ``VectorMap``."""

from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.map import Area, Lane, Layer, StopCause, StopLine, VectorMap, build_map
from scenarios.generate.geometry import Float, ReferenceLine, lengths, offset, reverse, ribbon, transform
from scenarios.generate.junction import Control, Junction, Kind, Section
from scenarios.generate.layout import Layout, is_unusual
from scenarios.generate.nodes import ISLAND_GUTTER, RAISED_MEDIAN


@dataclass(frozen=True)
class Road:
    """One road piece: reference curve away from the root, and what it joins at either end (junction, leg), or None."""

    curve: Float
    section: Section
    start: tuple[int, int] | None
    end: tuple[int, int] | None

    @property
    def length(self) -> float:
        """Length [m] along the reference line."""
        return float(lengths(self.curve)[-1])


@dataclass(frozen=True)
class Crossing:
    """A marked crossing: walking line ``[2, 2]`` from kerb to kerb, ring ``[4, 2]``, and where it lies.

    ``road`` and ``station`` name the road it crosses (station [m] of its middle); ``junction`` is -1 in mid-block.
    """

    line: Float
    ring: Float
    road: int
    station: float
    junction: int


@dataclass(frozen=True)
class Network:
    """A placed map with what the traffic and the ego need to find their way.

    Attributes:
        map: The vector map in the scene frame.
        curves: Per lane of the map its centreline ``[P, 4]`` with curvature, in travel direction.
        road_lanes: (road, forward, index) -> lane of the map. Index counts from the median.
        connector_lanes: (junction, number of the connector) -> lane of the map.
        corridor: Roads in driving order; ``exits`` the junction legs by which they begin, from the second one on.
        roads, junctions, crossings: Placed geometry; mirrored where ``left_hand``.
        unusual: True for a layout that training never meets.
    """

    map: VectorMap
    curves: tuple[Float, ...]
    road_lanes: dict[tuple[int, bool, int], int]
    connector_lanes: dict[tuple[int, int], int]
    corridor: tuple[int, ...]
    exits: tuple[int, ...]
    roads: tuple[Road, ...]
    junctions: tuple[Junction, ...]
    crossings: tuple[Crossing, ...]
    left_hand: bool
    unusual: bool

    @property
    def side(self) -> float:
        """-1 where one drives on the right (lanes lie right of the reference line), +1 in left-hand traffic."""
        return 1.0 if self.left_hand else -1.0


def build_network(layout: Layout, heading: float, anchor: float) -> Network | None:
    """Build the map of a layout, turned by ``heading`` [rad] and moved so that the point ``anchor`` [m] along the first
    road is the origin; or None.

    None means that the geometry does not close: a junction has no room, a connector would be too tight, or two roads
    that do not belong together run into each other.
    """
    grown = _grow(layout)
    if grown is None:
        return None
    roads, junctions, corridor = grown
    if _collide(roads, junctions):
        return None
    crossings = _crossings(layout, roads, junctions)
    point = ReferenceLine(np.zeros(3), layout.roads[0]).sample(np.array((anchor,)))[:, :2]
    if layout.left_hand:
        point[:, 1] *= -1.0
    placement = np.array((*-transform(point, (0.0, 0.0, heading))[0], heading))
    return _assemble(layout, placement, roads, junctions, corridor, crossings)


def _grow(layout: Layout) -> tuple[list[Road], list[Junction], list[int]] | None:
    curve = ReferenceLine(np.zeros(3), layout.roads[0]).curve()
    roads = [Road(curve, layout.section, None, None)]
    junctions: list[Junction] = []
    corridor = [0]
    for number, draw in enumerate(layout.junctions):
        built = draw.build()
        if built is None:
            return None
        first, arriving = len(junctions), corridor[-1]
        at_port = [(first + junction, leg) for junction, leg in built.ports]
        roads[arriving] = replace(roads[arriving], end=at_port[0])
        end = roads[arriving].curve[-1]
        # The mouth of port 0 looks against the arriving traffic: turn it onto the end of the arriving road.
        mouth = built.junctions[built.ports[0][0]].legs[built.ports[0][1]].mouth
        turn = float(wrap_angle(end[2] + np.pi - mouth[2]))
        turned = transform(mouth[None, :2], (0.0, 0.0, turn))[0]
        pose = np.array((end[0] - turned[0], end[1] - turned[1], turn))
        junctions += [junction.at(pose) for junction in built.junctions]
        corridor += [len(roads) + inner for inner in built.through]
        for inner in built.inner:
            start, stop = ((first + junction, leg) for junction, leg in (inner.start, inner.end))
            roads.append(Road(transform(inner.curve, pose), inner.section, start, stop))
        for port, (junction, leg) in enumerate(at_port[1:], start=1):
            main = port == draw.exit
            segments = layout.roads[number + 1] if main else layout.stubs[number][port]
            plan = junctions[junction].legs[leg]
            roads.append(Road(ReferenceLine(plan.mouth, segments).curve(), plan.section, (junction, leg), None))
            if main:
                corridor.append(len(roads) - 1)
    return roads, junctions, corridor


def _collide(roads: list[Road], junctions: list[Junction]) -> bool:
    """True if two roads meet anywhere but at their common junction."""
    outlines = []

    def near(end: tuple[int, int] | None) -> float:
        """Length [m] at the end of a road that belongs to what it joins; ramps run beside the carriageway for long."""
        if end is None:
            return -1.0
        return 60.0 if junctions[end[0]].kind is Kind.SEAM else 12.0

    for road in roads:
        along = lengths(road.curve)
        rows = np.flatnonzero((along >= near(road.start)) & (along <= along[-1] - near(road.end)))
        rows = np.unique(np.concatenate((rows[::8], rows[-1:])))
        verge = 2.0 + road.section.parking + road.section.walkway
        if len(rows) < 2:
            outlines.append(shapely.Polygon())
            continue
        left, right = road.section.edge(forward=False), road.section.edge(forward=True)
        outlines.append(shapely.Polygon(ribbon(road.curve[rows], left + verge, right + verge)))
    outlines += [shapely.Polygon(junction.ring) for junction in junctions]
    if not all(outline.is_valid for outline in outlines):
        return True
    shapes = np.array(outlines)
    pairs = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    count = len(roads)
    return any(
        a < b and not (b >= count and a < count and _joins(roads[a], b - count)) for a, b in zip(*pairs, strict=True)
    )


def _joins(road: Road, junction: int) -> bool:
    return any(end is not None and end[0] == junction for end in (road.start, road.end))


def _crossings(layout: Layout, roads: list[Road], junctions: list[Junction]) -> list[Crossing]:
    found = []
    for number, road in enumerate(roads):
        for end, at_start in ((road.start, True), (road.end, False)):
            if end is None:
                continue
            leg = junctions[end[0]].legs[end[1]]
            if leg.crosswalk is not None and leg.crossing is not None:
                middle = float(np.hypot(*(leg.crossing.mean(axis=0) - leg.mouth[:2])))
                station = -middle if at_start else road.length + middle
                found.append(Crossing(leg.crossing, leg.crosswalk, number, station, end[0]))
    if layout.crossing is not None:
        road, draw = roads[0], layout.crossing
        line = ReferenceLine(road.curve[0, :3], layout.roads[0])
        rows = line.sample(draw.station + draw.depth * np.array((-0.5, 0.0, 0.5)))
        left, right = road.section.edge(forward=False), road.section.edge(forward=True)
        kerbs = np.stack((offset(rows, -right)[1, :2], offset(rows, left)[1, :2]))
        found.append(Crossing(kerbs, ribbon(rows[[0, 2]], left, right), 0, draw.station, -1))
    return found


def _assemble(
    layout: Layout,
    placement: Float,
    roads: list[Road],
    junctions: list[Junction],
    corridor: list[int],
    crossings: list[Crossing],
) -> Network:
    def put(points: Float) -> Float:
        """Mirror for left-hand traffic, then place. Curves ``[P, 4]`` or points ``[P, 2]``."""
        points = np.array(points, np.float64)
        if layout.left_hand:
            points[..., 1:] *= -1.0
        return transform(points, placement)

    lanes: list[Lane] = []
    curves: list[Float] = []
    road_lanes: dict[tuple[int, bool, int], int] = {}
    connector_lanes: dict[tuple[int, int], int] = {}
    inner, outer = ("right", "left") if layout.left_hand else ("left", "right")

    def add(lane: Lane, curve: Float) -> int:
        lanes.append(lane)
        curves.append(curve)
        return len(lanes) - 1

    for number, road in enumerate(roads):
        section = road.section
        for forward, count in ((True, section.forward), (False, section.backward)):
            group = _group(number, forward)
            for index in range(count):
                curve = offset(road.curve, section.lane_offset(index, forward))
                curve = put(curve if forward else reverse(curve))
                end = road.end if forward else road.start
                leaving = tuple(
                    _connector_name(end[0], item)
                    for item, connector in enumerate(junctions[end[0]].connectors if end else ())
                    if end is not None and (connector.leg_in, connector.lane_in) == (end[1], index)
                )
                beside = {
                    inner: f"{group}{index - 1}" if index > 0 else None,
                    outer: f"{group}{index + 1}" if index + 1 < count else None,
                }
                lane = Lane(
                    id=f"{group}{index}",
                    centerline=curve[:, :3],
                    polygon=ribbon(curve, section.width / 2, section.width / 2),
                    successors=leaving,
                    left=beside["left"],
                    right=beside["right"],
                    group=group,
                    speed_limit=section.limit,
                    borrow_allowed=layout.borrow and section.median == 0.0 and section.forward == section.backward == 1,
                )
                road_lanes[number, forward, index] = add(lane, curve)
    at_leg = {
        end: (number, end == road.start) for number, road in enumerate(roads) for end in (road.start, road.end) if end
    }
    for number, junction in enumerate(junctions):
        for item, connector in enumerate(junction.connectors):
            road_out, forward_out = at_leg[number, connector.leg_out]
            road_in, forward_in = at_leg[number, connector.leg_in]
            beside = _parallel(junction, number, item, inner, outer)
            curve = put(connector.curve)
            limit = min(roads[road_in].section.limit, roads[road_out].section.limit)
            lane = Lane(
                id=_connector_name(number, item),
                centerline=curve[:, :3],
                polygon=ribbon(curve, connector.width / 2, connector.width / 2),
                successors=(f"{_group(road_out, forward_out)}{connector.lane_out}",),
                group=f"{_group(road_in, not forward_in)}>{_group(road_out, forward_out)}",
                speed_limit=limit,
                connector=True,
                left=beside.get("left"),
                right=beside.get("right"),
            )
            connector_lanes[number, item] = add(lane, curve)
    placed_roads = tuple(replace(road, curve=put(road.curve)) for road in roads)
    placed_crossings = tuple(replace(item, line=put(item.line), ring=put(item.ring)) for item in crossings)
    placed_junctions = tuple(_placed_junction(junction, put) for junction in junctions)
    stop_lines = _stop_lines(layout, roads, junctions, at_leg, put)
    areas = _areas(placed_roads, placed_junctions, placed_crossings, layout.left_hand)
    return Network(
        map=_rounded(build_map(lanes, areas, stop_lines)),
        curves=tuple(curves),
        road_lanes=road_lanes,
        connector_lanes=connector_lanes,
        corridor=tuple(corridor),
        exits=tuple(roads[after].start[1] for after in corridor[1:]),  # type: ignore[index]
        roads=placed_roads,
        junctions=placed_junctions,
        crossings=placed_crossings,
        left_hand=layout.left_hand,
        unusual=is_unusual(layout),
    )


def _rounded(world: VectorMap) -> VectorMap:
    """The map to 0.1 mm and 1e-5 rad: what is stored is small, and the same on platforms whose last bits differ."""
    centerline = np.column_stack((np.round(world.centerline[:, :2], 4), np.round(world.centerline[:, 2], 5)))
    return replace(
        world,
        centerline=centerline,
        polygon=np.round(world.polygon, 4),
        ring=np.round(world.ring, 4),
        stop_segment=np.round(world.stop_segment, 4),
    )


def _group(road: int, forward: bool) -> str:
    return f"r{road}{'f' if forward else 'b'}"


def _connector_name(junction: int, number: int) -> str:
    return f"j{junction}c{number}"


def _parallel(junction: Junction, number: int, item: int, inner: str, outer: str) -> dict[str, str | None]:
    """Neighbours of a connector: those between the same two roadblocks, one lane further in or out at both ends."""
    this = junction.connectors[item]
    beside: dict[str, str | None] = {}
    for step, name in ((-1, inner), (1, outer)):
        wanted = (this.leg_in, this.lane_in + step, this.leg_out, this.lane_out + step)
        for other, connector in enumerate(junction.connectors):
            if (connector.leg_in, connector.lane_in, connector.leg_out, connector.lane_out) == wanted:
                beside[name] = _connector_name(number, other)
    return beside


def _placed_junction(junction: Junction, put) -> Junction:  # type: ignore[no-untyped-def]
    legs = tuple(
        replace(
            leg,
            mouth=put(np.append(leg.mouth, 0.0)[None])[0, :3],
            crosswalk=None if leg.crosswalk is None else put(leg.crosswalk),
            crossing=None if leg.crossing is None else put(leg.crossing),
            stop=put(leg.stop),
        )
        for leg in junction.legs
    )
    connectors = tuple(replace(item, curve=put(item.curve)) for item in junction.connectors)
    paved = tuple(tuple(put(ring) for ring in shape) for shape in junction.paved)
    return replace(junction, legs=legs, ring=put(junction.ring), connectors=connectors, paved=paved)


def _stop_lines(layout, roads, junctions, at_leg, put) -> list[StopLine]:  # type: ignore[no-untyped-def]
    lines = []
    cause = {
        Control.SIGNAL: StopCause.SIGNAL,
        Control.YIELD: StopCause.YIELD,
        Control.STOP: StopCause.STOP_SIGN,
        Control.ALL_WAY: StopCause.STOP_SIGN,
    }
    for number, junction in enumerate(junctions):
        for item in junction.gives_way or ():
            connector = next(c for c in junction.connectors if (c.leg_in, c.lane_in) == (item.leg, item.lane))
            along = lengths(connector.curve)
            row = connector.curve[[int(np.searchsorted(along, min(item.beyond, along[-1])))]]
            ends = np.stack([offset(row, side * connector.width.min() / 2)[0, :2] for side in (1.0, -1.0)])
            road, at_start = at_leg[number, item.leg]
            lines.append(StopLine(put(ends), (f"{_group(road, not at_start)}{item.lane}",), StopCause.YIELD))
        for index, leg in enumerate(junction.legs if junction.gives_way is None else ()):
            road, at_start = at_leg[number, index]
            if leg.section.backward == 0:
                continue
            if is_major(junction, index):
                if leg.crosswalk is None:
                    continue
                why = StopCause.CROSSWALK
            else:
                why = cause[junction.control]
            names = tuple(f"{_group(road, not at_start)}{lane}" for lane in range(leg.section.backward))
            lines.append(StopLine(put(leg.stop), names, why))
    if layout.crossing is not None:
        draw, road = layout.crossing, roads[0]
        line = ReferenceLine(road.curve[0, :3], layout.roads[0])
        away = draw.depth / 2 + draw.setback
        for forward, station in ((True, draw.station - away), (False, draw.station + away)):
            row = line.sample(np.array((station,)))
            count = road.section.forward if forward else road.section.backward
            side = -1.0 if forward else 1.0
            ends = [road.section.median / 2, road.section.median / 2 + count * road.section.width]
            segment = np.stack([offset(row, side * end)[0, :2] for end in ends])
            names = tuple(f"{_group(0, forward)}{lane}" for lane in range(count))
            lines.append(StopLine(put(segment), names, StopCause.CROSSWALK))
    return lines


def is_major(junction: Junction, leg: int) -> bool:
    """True for legs that nothing but traffic stops: those of the major road, and all where there is no sign at all.

    Unless the junction names its major legs these are leg 0 and the leg opposite, or all but leg 0 if that is a stem.
    """
    if junction.control in (Control.SIGNAL, Control.ALL_WAY):
        return False
    if junction.control is Control.NONE:
        return True
    if junction.major:
        return leg in junction.major
    headings = [item.mouth[2] for item in junction.legs]
    turns = [abs(float(wrap_angle(heading - headings[0] - np.pi))) for heading in headings[1:]]
    straight = int(np.argmin(turns)) + 1
    return leg in (0, straight) if turns[straight - 1] < np.radians(40.0) else leg != 0


def _areas(
    roads: tuple[Road, ...], junctions: tuple[Junction, ...], crossings: tuple[Crossing, ...], left_hand: bool
) -> list[Area]:
    strips, paved = [], []
    verge = max(road.section.walkway for road in roads)
    for road in roads:
        section = road.section
        on_right, on_left = section.edge(forward=True), section.edge(forward=False)
        if left_hand:
            on_right, on_left = on_left, on_right
        # 5 cm of overlap at either end: a union of touching pieces could leave slivers between them.
        curve = _stretched(road.curve, 0.05, 0.05)
        if section.median >= RAISED_MEDIAN:
            island = section.median / 2 - ISLAND_GUTTER
            strips += [ribbon(curve, -island, on_right), ribbon(curve, on_left, -island)]
        else:
            strips.append(ribbon(curve, on_left, on_right))
        low, high = (12.0 if road.start else 0.0), road.length - (12.0 if road.end else 0.0)
        along = lengths(road.curve)
        stations = [item.station for item in crossings if item.junction < 0 and roads[item.road] is road]
        for begin, end in _bays(low, high, stations):
            inside = road.curve[(along >= begin) & (along <= end)]
            if section.parking > 0.0 and len(inside) > 2:
                paved.append(ribbon(inside, on_left + section.parking, on_right + section.parking))
    shapes = [_polygon(ring) for ring in strips]
    for junction in junctions:
        shapes += [shapely.Polygon(shape[0], shape[1:]) for shape in junction.paved or ((junction.ring,),)]
    drivable = shapely.union_all([_without_crumbs(part) for part in _parts(shapely.union_all(shapes))])
    drivable = shapely.simplify(drivable, 0.01)
    areas = [Area(Layer.DRIVABLE, _rings(part)) for part in _parts(drivable)]
    areas += [Area(Layer.INTERSECTION, (item.ring,)) for item in junctions if item.kind is not Kind.SEAM]
    areas += [Area(Layer.CROSSWALK, (crossing.ring,)) for crossing in crossings]
    if verge > 0.0:
        solid = shapely.union_all([drivable] + [_polygon(ring) for ring in paved])
        solid = shapely.union_all([shapely.Polygon(part.exterior) for part in _parts(solid)])
        caps = [_end_cap(end) for end in _open_ends(roads, verge)]
        walkway = shapely.difference(shapely.buffer(solid, verge, quad_segs=4), shapely.union_all([solid, *caps]))
        areas += [Area(Layer.WALKWAY, _rings(part)) for part in _parts(walkway) if part.area > 5.0]
    return areas


def _bays(low: float, high: float, crossings: list[float]) -> list[tuple[float, float]]:
    """Stretches of a road with parking bays: all but 10 m either side of a crossing."""
    borders = [low, *(station + side for station in sorted(crossings) for side in (-10.0, 10.0)), high]
    return list(zip(borders[::2], borders[1::2], strict=True))


def _open_ends(roads: tuple[Road, ...], verge: float) -> list[tuple[Float, float]]:
    """Poses looking out of the map where roads end, with the half width to keep clear of walkways."""
    found = []
    for road in roads:
        half = max(road.section.edge(forward=True), road.section.edge(forward=False)) + road.section.parking
        if road.start is None:
            found.append((reverse(road.curve[:1])[0, :3], half + verge + 1.0))
        if road.end is None:
            found.append((road.curve[-1, :3], half + verge + 1.0))
    return found


def _end_cap(end: tuple[Float, float]) -> shapely.Polygon:
    pose, half = end
    return shapely.Polygon(transform(np.array(((0.0, -half), (12.0, -half), (12.0, half), (0.0, half))), pose))


def _stretched(curve: Float, before: float, after: float) -> Float:
    """The curve with straight extensions [m] at both ends."""
    first, last = curve[0].copy(), curve[-1].copy()
    first[:2] -= before * np.array((np.cos(first[2]), np.sin(first[2])))
    last[:2] += after * np.array((np.cos(last[2]), np.sin(last[2])))
    return np.concatenate((first[None], curve, last[None]))


def _polygon(ring: Float) -> shapely.Geometry:
    return shapely.simplify(shapely.Polygon(ring), 0.005)


def _without_crumbs(part: shapely.Polygon) -> shapely.Polygon:
    """The polygon without the holes that are too small for an island."""
    return shapely.Polygon(part.exterior, [hole for hole in part.interiors if shapely.Polygon(hole).area > 6.0])


def _parts(shape: shapely.Geometry) -> list[shapely.Polygon]:
    return [part for part in shapely.get_parts(shape) if isinstance(part, shapely.Polygon)]


def _rings(part: shapely.Polygon) -> tuple[NDArray[np.float64], ...]:
    return tuple(np.asarray(ring.coords)[:-1] for ring in (part.exterior, *part.interiors))
