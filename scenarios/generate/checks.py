"""Invariants of generated maps: what metrics and traffic rely on, checked on the finished network."""

import numpy as np
import shapely

from drive.geometry import box_corners, wrap_angle
from drive.map import Layer, VectorMap
from scenarios.generate.geometry import MAX_CURVATURE, Float, lengths
from scenarios.generate.network import Network
from scenarios.generate.nodes import RAISED_MEDIAN

BOX = np.array((5.2, 2.3))


def check_network(network: Network) -> list[str]:
    """Sentences on every broken invariant; an empty list for a sound map."""
    problems = list(network.map.dropped)
    problems += _lanes(network)
    problems += _relations(network.map)
    problems += _junctions(network)
    problems += _drivable(network)
    return problems


def random_walk(network: Network, rng: np.random.Generator, distance: float) -> Float:
    """Box centres and headings ``[P, 3]`` along lane centres, from a random lane through random successors."""
    vector_map = network.map
    lane = int(rng.choice(np.flatnonzero(~vector_map.connector)))
    rows, travelled = [], 0.0
    while travelled < distance:
        rows.append(vector_map.lane_centerline(lane))
        travelled += float(lengths(network.curves[lane])[-1])
        following = vector_map.lane_successors(lane)
        if not len(following):
            break
        lane = int(rng.choice(following))
    return np.concatenate(rows)


def leaves_road(network: Network, poses: Float) -> Float:
    """The poses ``[P, 3]`` at which a 5.2 x 2.3 m box, swept only where the radius is at least 8 m, leaves the road."""
    drivable = shapely.union_all([shapely.Polygon(r[0], r[1:]) for r in network.map.areas(Layer.DRIVABLE)])
    roomy = drivable.buffer(0.02)
    shapely.prepare(roomy)
    steps = np.hypot(*np.diff(poses[:, :2], axis=0).T)
    turn = np.abs(wrap_angle(np.diff(poses[:, 2])))
    bend = np.zeros(len(poses))
    bend[1:] = np.where(steps > 1e-6, turn / np.maximum(steps, 1e-6), 0.0)
    # A box overhangs both ends of the map where lanes end: leave those out.
    ends = [
        road.curve[row, :2] for road in network.roads for row, at in ((0, road.start), (-1, road.end)) if at is None
    ]
    far = np.min([np.hypot(*(poses[:, :2] - end).T) for end in ends], axis=0) > 25.0
    chosen = poses[(bend < 1.0 / 8.0) & far]
    boxes = shapely.polygons(box_corners(chosen[:, :2], chosen[:, 2], BOX))
    return chosen[~shapely.covers(roomy, boxes)]


def _lanes(network: Network) -> list[str]:
    found = []
    vector_map = network.map
    shapes = [shapely.Polygon(vector_map.lane_polygon(lane)) for lane in range(vector_map.lanes)]
    for lane, name in enumerate(vector_map.lane_ids):
        curve, shape = network.curves[lane], shapes[lane]
        if not shape.is_valid:
            found.append(f"lane {name}: polygon is not simple")
        if np.abs(curve[:, 3]).max() > MAX_CURVATURE + 1e-9:
            found.append(f"lane {name}: radius {1 / np.abs(curve[:, 3]).max():.2f} m is under 3.5 m")
        steps = np.hypot(*np.diff(curve[:, :2], axis=0).T)
        chord = np.arctan2(np.diff(curve[:, 1]), np.diff(curve[:, 0]))
        kink = np.abs(wrap_angle(chord - curve[:-1, 2]))
        if steps.max() > 1.2 or steps.min() < 1e-3 or kink.max() > 0.5 * MAX_CURVATURE:
            found.append(
                f"lane {name}: steps {steps.min():.3f}..{steps.max():.2f} m, kink {np.degrees(kink.max()):.1f} deg"
            )
        width = shape.area / lengths(curve)[-1]
        begin, end = (_width(vector_map, lane, last) for last in (False, True))
        if abs(width / ((begin + end) / 2) - 1.0) > 0.03:
            found.append(f"lane {name}: area over length {width:.3f} m, width {begin:.3f}..{end:.3f} m")
        for follow in vector_map.lane_successors(lane):
            gap = np.hypot(*(network.curves[follow][0, :2] - curve[-1, :2]))
            turn = abs(float(wrap_angle(network.curves[follow][0, 2] - curve[-1, 2])))
            if gap > 1e-6 or turn > 1e-6 or abs(_width(vector_map, follow, False) - end) > 1e-3:
                found.append(f"lane {name}: {gap:.2e} m and {turn:.2e} rad from its successor")
    roads = [lane for lane in range(vector_map.lanes) if not vector_map.connector[lane]]
    for first, second in zip(
        *shapely.STRtree([shapes[i] for i in roads]).query([shapes[i] for i in roads]), strict=True
    ):
        if first < second and shapes[roads[first]].intersection(shapes[roads[second]]).area > 0.05:
            found.append(f"lanes {vector_map.lane_ids[roads[first]]} and {vector_map.lane_ids[roads[second]]} overlap")
    return found


def _width(vector_map: VectorMap, lane: int, last: bool) -> float:
    ring = vector_map.lane_polygon(lane)
    half = len(ring) // 2
    one, other = (ring[half - 1], ring[half]) if last else (ring[0], ring[-1])
    return float(np.hypot(*(one - other)))


def _relations(vector_map: VectorMap) -> list[str]:
    found = []
    left, right, group = vector_map.left, vector_map.right, vector_map.group
    for lane, name in enumerate(vector_map.lane_ids):
        for mine, back in ((left, right), (right, left)):
            if mine[lane] >= 0 and back[mine[lane]] != lane:
                found.append(f"lane {name}: its neighbour does not know it")
            if mine[lane] >= 0 and group[mine[lane]] != group[lane]:
                found.append(f"lane {name}: its neighbour is in another roadblock")
        if left[lane] >= 0:
            here, there = vector_map.lane_centerline(lane)[0], vector_map.lane_centerline(int(left[lane]))[0]
            if -np.sin(here[2]) * (there[0] - here[0]) + np.cos(here[2]) * (there[1] - here[1]) <= 0:
                found.append(f"lane {name}: its left neighbour lies to the right")
        following, leading = vector_map.lane_successors(lane), vector_map.lane_predecessors(lane)
        if vector_map.connector[lane] and (len(following) != 1 or len(leading) != 1):
            found.append(f"connector {name}: {len(leading)} predecessors and {len(following)} successors")
        if any(vector_map.connector[lane] == vector_map.connector[other] for other in following):
            found.append(f"lane {name}: lanes and connectors do not alternate")
    for number, name in enumerate(vector_map.group_ids):
        members = np.flatnonzero(group == number)
        if len(set(vector_map.connector[members])) != 1 or len(set(vector_map.speed_limit[members])) != 1:
            found.append(f"roadblock {name}: mixes connectors or limits")
    return found


def _junctions(network: Network) -> list[str]:
    found = []
    vector_map = network.map
    for number, junction in enumerate(network.junctions):
        ring = shapely.Polygon(junction.ring)
        if not ring.is_valid:
            found.append(f"junction {number}: its outline is not simple")
            continue
        paved = ring.buffer(1e-3, join_style="mitre")
        met = {(conflict.first, conflict.second) for conflict in junction.conflicts}
        for item, connector in enumerate(junction.connectors):
            lane = network.connector_lanes[number, item]
            if not paved.covers(shapely.Polygon(vector_map.lane_polygon(lane))):
                found.append(f"connector {vector_map.lane_ids[lane]}: not covered by its intersection")
            line = shapely.LineString(connector.curve[:, :2])
            for second, other in enumerate(junction.connectors[item + 1 :], start=item + 1):
                if not line.crosses(shapely.LineString(other.curve[:, :2])):
                    continue
                if (item, second) not in met:
                    found.append(f"connector {vector_map.lane_ids[lane]}: crosses another without a conflict row")
                if connector.lane_in != other.lane_in and connector.leg_in == other.leg_in:
                    found.append(f"connector {vector_map.lane_ids[lane]}: crosses another of its own leg")
        for leg in junction.legs:
            if leg.crosswalk is not None and not paved.covers(shapely.Polygon(leg.crosswalk)):
                found.append(f"junction {number}: a crosswalk lies outside it")
    return found


def _drivable(network: Network) -> list[str]:
    found = []
    areas = network.map.areas(Layer.DRIVABLE)
    split = any(road.section.median >= RAISED_MEDIAN for road in network.roads)
    if len(areas) > (2 if split else 1):
        found.append(f"the drivable area falls into {len(areas)} parts")
    for rings in areas:
        shape = shapely.Polygon(rings[0], rings[1:])
        if not shape.is_valid:
            found.append("the drivable area is not simple")
            continue
        closed = shape.buffer(0.05, join_style="mitre").buffer(-0.05, join_style="mitre")
        opened = shape.buffer(-0.05, join_style="mitre").buffer(0.05, join_style="mitre")
        if max(closed.area - shape.area, shape.area - opened.area) > 0.1:
            found.append("the drivable area has slivers")
        if any(shapely.Polygon(hole).area < 5.0 for hole in rings[1:]):
            found.append("the drivable area has a hole too small for an island")
    return found
