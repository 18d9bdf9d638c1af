"""Stretches of a way on which one may drive beside its lane: parallel lanes of both directions, read from the map."""

import numpy as np

from drive.geometry import wrap_angle
from scenarios.generate.geometry import Float
from scenarios.generate.network import Network
from scenarios.generate.paths import Way, resample
from scenarios.generate.setting import Beside

STEP = 5.0  # m between the places at which two lanes are compared
PARALLEL = 0.3  # m that their distance may change
NEAREST, FARTHEST = 2.2, 9.0  # m between the centres of neighbours of opposite directions


def neighbour_stretches(network: Network, way: Way, begin: float, end: float, most: int = 1) -> tuple[Beside, ...]:
    """Where lanes of the same direction run beside a way between two arcs [m], up to ``most`` lanes to each side.

    A stretch goes on through junctions as long as the neighbour does, too, at the same distance.
    """
    found: list[Beside] = []
    relation = {1.0: network.map.left, -1.0: network.map.right}
    for side in (1.0, -1.0):
        for count in range(1, most + 1):
            for low, high, lane in _pieces(way, begin, end):
                other = lane
                for _ in range(count):
                    other = int(relation[side][other]) if other >= 0 else -1
                offset = None if other < 0 else offset_beside(way, low, high, network.curves[other])
                last = found[-1] if found else None
                if offset is None:
                    continue
                if last is not None and last.end == low and abs(last.offset - offset) < PARALLEL:
                    found[-1] = Beside(last.begin, high, last.offset)
                else:
                    found.append(Beside(low, high, offset))
    return tuple(found)


def opposite_stretches(network: Network, way: Way, begin: float, end: float, price: float) -> tuple[Beside, ...]:
    """Where the nearest lane of the other direction runs beside a way between two arcs [m], outside junctions."""
    found = []
    roads = np.flatnonzero(~network.map.connector)
    for low, high, lane in _pieces(way, begin, end):
        if network.map.connector[lane]:
            continue
        near: float | None = None
        for other in roads:
            if network.map.group[other] == network.map.group[lane]:
                continue
            offset = offset_beside(way, low, high, network.curves[int(other)], opposite=True)
            if offset is not None and NEAREST < abs(offset) < (FARTHEST if near is None else abs(near)):
                near = offset
        if near is not None:
            found.append(Beside(low, high, near, price))
    return tuple(found)


def offset_beside(way: Way, begin: float, end: float, curve: Float, opposite: bool = False) -> float | None:
    """Offset [m, left positive] at which a lane ``curve [P, 4]`` runs beside a way all along a stretch.

    None where it does not, its distance changes, or it leads the other way (``opposite``: or the same way).
    """
    stations = np.linspace(begin, end, max(2, int((end - begin) / STEP)))[:, None]
    poses = resample(way.curve, way.arc, stations[:, 0])
    cos, sin = np.cos(poses[:, 2:3]), np.sin(poses[:, 2:3])
    dx, dy = curve[None, :, 0] - poses[:, :1], curve[None, :, 1] - poses[:, 1:2]
    ahead, across = dx * cos + dy * sin, dy * cos - dx * sin
    row = np.hypot(ahead, across).argmin(axis=1)
    at = np.arange(len(poses))
    turn = wrap_angle(curve[row, 2] - poses[:, 2])
    if (np.abs(ahead[at, row]) > 1.5).any() or ((np.cos(turn) < 0.0) != opposite).any():
        return None
    offsets = across[at, row] - ahead[at, row] * np.tan(turn)
    return float(np.median(offsets)) if np.ptp(offsets) < PARALLEL else None


def _pieces(way: Way, begin: float, end: float) -> list[tuple[float, float, int]]:
    """The lanes of a way between two arc lengths: from, to [m], lane."""
    ends = np.append(way.begin[1:], way.length)
    return [
        (max(float(low), begin), min(float(high), end), lane)
        for low, high, lane in zip(way.begin, ends, way.lanes, strict=True)
        if min(high, end) - max(low, begin) > STEP
    ]
