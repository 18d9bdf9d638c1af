"""Ways through a network: the ego's corridor, other vehicles' lane chains, and walkers' lines, as sampled curves."""

import itertools
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from drive.geometry import wrap_angle
from scenarios.generate.geometry import Float, lengths
from scenarios.generate.junction import Movement
from scenarios.generate.network import Network

PATH_STEP = 0.5


@dataclass(frozen=True)
class Way:
    """A chain of lanes as one curve.

    Attributes:
        lanes: Lanes of the map in driving order.
        curve: ``[P, 4]`` x, y, heading, curvature.
        arc: ``[P]`` arc length [m].
        limit: ``[P]`` legal limit [m/s].
        begin: ``[lanes]`` arc length [m] at which each lane begins.
    """

    lanes: tuple[int, ...]
    curve: Float
    arc: Float
    limit: Float
    begin: Float

    @property
    def length(self) -> float:
        """Length [m] of the whole way."""
        return float(self.arc[-1])


def way_along(network: Network, lanes: list[int]) -> Way:
    """Join consecutive lanes into one curve; the shared points appear once."""
    pieces = [network.curves[lanes[0]]] + [network.curves[lane][1:] for lane in lanes[1:]]
    limits = [np.full(len(piece), network.map.speed_limit[lane]) for piece, lane in zip(pieces, lanes, strict=True)]
    curve = np.concatenate(pieces)
    arc = lengths(curve)
    first = np.cumsum([0] + [len(piece) for piece in pieces[:-1]])
    begin = np.concatenate(((0.0,), arc[first[1:] - 1]))
    return Way(tuple(lanes), curve, arc, np.concatenate(limits), begin)


def shifted(way: Way, begin: float, run: float, end: float, back: float, offset: float) -> Way:
    """The way led aside: from ``begin`` on within ``run`` [m] to ``offset`` [m, left positive], and until ``end`` back
    within ``back`` [m]. Lanes and limits stay those of the way; headings and curvatures are those of the quintics."""
    inside = np.arange(max(begin, 0.0), min(end, way.length), PATH_STEP)
    stations = np.unique(np.concatenate((way.arc, inside)))
    curve = resample(way.curve, way.arc, stations)
    aside, slope, bend = np.zeros(len(stations)), np.zeros(len(stations)), np.zeros(len(stations))
    for start, length, sign in ((begin, run, 1.0), (end - back, back, -1.0)):
        u = np.clip((stations - start) / length, 0.0, 1.0)
        aside += sign * offset * u**3 * (10.0 + u * (6.0 * u - 15.0))
        slope += sign * offset / length * 30.0 * u**2 * (1.0 - u) ** 2
        bend += sign * offset / length**2 * (60.0 * u - 180.0 * u**2 + 120.0 * u**3)
    curvature = curve[:, 3]
    along = 1.0 - curvature * aside
    turn = np.arctan2(slope, along)
    change = np.gradient(curvature, stations)
    twist = bend + (change * aside + curvature * slope) * np.tan(turn)
    led = np.column_stack(
        (
            curve[:, 0] - aside * np.sin(curve[:, 2]),
            curve[:, 1] + aside * np.cos(curve[:, 2]),
            wrap_angle(curve[:, 2] + turn),
            (twist * np.cos(turn) ** 2 / along + curvature) * np.cos(turn) / along,
        )
    )
    arc = lengths(led)
    limit = np.interp(stations, way.arc, way.limit)
    return Way(way.lanes, led, arc, limit, np.interp(way.begin, stations, arc))


def ego_ways(network: Network) -> list[Way]:
    """Every way along the corridor without a lane change, by the lane of the root road that it begins in."""
    chains = [[network.road_lanes[0, True, index]] for index in range(network.roads[0].section.forward)]
    lanes = list(range(len(chains)))
    for before, after in itertools.pairwise(network.corridor):
        entered, left = network.roads[before].end, network.roads[after].start
        assert entered is not None and left is not None
        longer, ends = [], []
        for chain, at in zip(chains, lanes, strict=True):
            for item, connector in enumerate(network.junctions[left[0]].connectors):
                if (connector.leg_in, connector.lane_in, connector.leg_out) == (entered[1], at, left[1]):
                    lane = network.road_lanes[after, True, connector.lane_out]
                    longer.append([*chain, network.connector_lanes[left[0], item], lane])
                    ends.append(connector.lane_out)
        chains, lanes = longer, ends
    return [way_along(network, chain) for chain in chains]


def random_way(network: Network, lane: int, rng: np.random.Generator, through: float = 0.55) -> Way:
    """From ``lane`` through random successors to the end of the map; straight on with probability ``through``."""
    movement = {
        network.connector_lanes[number, item]: connector.movement
        for number, junction in enumerate(network.junctions)
        for item, connector in enumerate(junction.connectors)
    }
    chain = [lane]
    while len(following := network.map.lane_successors(chain[-1])):
        straight = np.array([movement.get(int(item)) in (Movement.THROUGH, None) for item in following])
        weight = np.where(straight, through, 1.0 - through)
        chain.append(int(rng.choice(following, p=weight / weight.sum())))
    return way_along(network, chain)


def shortest_way(network: Network, lane: int, goals: Collection[int]) -> Way | None:
    """The way from ``lane`` through the fewest lanes to one of the lanes ``goals``, or None."""
    before = {lane: -1}
    queue = [lane]
    for here in queue:
        if here in goals:
            chain = [here]
            while before[chain[-1]] >= 0:
                chain.append(before[chain[-1]])
            return way_along(network, chain[::-1])
        for following in network.map.lane_successors(here).tolist():
            if following not in before:
                before[following] = here
                queue.append(following)
    return None


def at_arc(way: Way, arc: float) -> Float:
    """Pose and curvature ``[4]`` of a way at an arc length, by cubic Hermite between its points."""
    return resample(way.curve, way.arc, np.array((arc,)))[0]


def resample(curve: Float, arc: Float, stations: Float) -> Float:
    """The curve ``[S, 4]`` at ``stations``; positions follow the headings, headings follow the curvatures."""
    row = np.clip(np.searchsorted(arc, stations, side="right") - 1, 0, len(arc) - 2)
    first, second = curve[row], curve[row + 1]
    step = arc[row + 1] - arc[row]
    u = np.clip((stations - arc[row]) / step, 0.0, 1.0)
    turned = first[:, 2] + wrap_angle(second[:, 2] - first[:, 2])
    h00, h01 = (1 + 2 * u) * (1 - u) ** 2, u * u * (3 - 2 * u)
    h10, h11 = u * (1 - u) ** 2 * step, u * u * (u - 1) * step
    out = np.empty((len(stations), 4))
    out[:, 0] = h00 * first[:, 0] + h01 * second[:, 0] + h10 * np.cos(first[:, 2]) + h11 * np.cos(second[:, 2])
    out[:, 1] = h00 * first[:, 1] + h01 * second[:, 1] + h10 * np.sin(first[:, 2]) + h11 * np.sin(second[:, 2])
    out[:, 2] = wrap_angle(h00 * first[:, 2] + h01 * turned + h10 * first[:, 3] + h11 * second[:, 3])
    out[:, 3] = first[:, 3] + u * (second[:, 3] - first[:, 3])
    return out


def rounded(corners: Float, radius: float = 3.0) -> Float:
    """A walker's line ``[P, 2]`` through ``corners [C, 2]``, its corners replaced by arcs (smaller where legs are
    short)."""
    points = [corners[:1]]
    for before, corner, after in zip(corners[:-2], corners[1:-1], corners[2:], strict=True):
        back, ahead = before - corner, after - corner
        near, far = float(np.hypot(*back)), float(np.hypot(*ahead))
        turn = np.pi - abs(float(np.arctan2(back[0] * ahead[1] - back[1] * ahead[0], back @ ahead)))
        if turn < 0.02:
            points.append(corner[None])
            continue
        cut = min(radius * np.tan(turn / 2), 0.48 * near, 0.48 * far)
        middle = back / near + ahead / far
        middle /= np.hypot(*middle)
        bow = cut / np.tan(turn / 2)
        center = corner + middle * np.hypot(bow, cut)
        first, last = corner + cut * back / near - center, corner + cut * ahead / far - center
        share = np.linspace(0.0, 1.0, max(4, int(np.ceil(turn * bow / 0.2))))[:, None]
        arc = (np.sin((1.0 - share) * turn) * first + np.sin(share * turn) * last) / np.sin(turn)
        points.append(center + arc)
    points.append(corners[-1:])
    return densify(np.concatenate(points), 0.25)


def densify(points: Float, step: float = PATH_STEP) -> Float:
    """Insert points so that no two are further apart than ``step`` [m]; repeated points go."""
    keep = np.concatenate(((True,), np.hypot(*np.diff(points, axis=0).T) > 1e-6))
    points = points[keep]
    arc = np.concatenate(((0.0,), np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    extra = [np.linspace(a, b, max(2, int(np.ceil((b - a) / step)) + 1))[1:] for a, b in itertools.pairwise(arc)]
    stations = np.concatenate([np.zeros(1), *extra])
    return np.column_stack([np.interp(stations, arc, points[:, i]) for i in range(2)])


def heading_of(points: Float, row: int = 0) -> float:
    """Direction [rad] of a polyline at one of its points."""
    row = min(row, len(points) - 2)
    step = points[row + 1] - points[row]
    return float(wrap_angle(np.arctan2(step[1], step[0])))


def meeting_arc(way: Way, line: Float) -> float | None:
    """Arc length [m] at which a way crosses a segment ``[2, 2]``, or None."""
    step = line[1] - line[0]
    side = step[0] * (way.curve[:, 1] - line[0, 1]) - step[1] * (way.curve[:, 0] - line[0, 0])
    for row in np.flatnonzero(side[:-1] * side[1:] <= 0.0):
        t = side[row] / (side[row] - side[row + 1]) if side[row] != side[row + 1] else 0.0
        point = way.curve[row, :2] + t * (way.curve[row + 1, :2] - way.curve[row, :2])
        if 0.0 <= np.dot(point - line[0], step) / np.dot(step, step) <= 1.0:
            return float(way.arc[row] + t * (way.arc[row + 1] - way.arc[row]))
    return None
