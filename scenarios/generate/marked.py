"""Marked crossings on a way: where they begin and end, and which half of the road there is the ego's."""

from dataclasses import dataclass

import numpy as np

from scenarios.generate.geometry import Float
from scenarios.generate.network import Crossing, Network

REACH = 12.0  # m either side of where the way meets the walking line
FINE = 0.1  # m


@dataclass(frozen=True)
class MarkedCrossing:
    """``begin``, ``end``: arc lengths [m] of its edges on the way; ``right``, ``left``: borders of the half of the
    road that is the ego's there, as offsets [m] from the way (left positive)."""

    begin: float
    end: float
    right: float
    left: float


def on_way(network: Network, item: Crossing, path: Float, spacing: float, arc: float) -> MarkedCrossing:
    """The crossing ``item`` on a path (rows x, y, heading, ... every ``spacing`` [m]) that meets it at ``arc`` [m]."""
    rows = spacing * np.arange(len(path))
    fine = np.arange(max(arc - REACH, 0.0), min(arc + REACH, rows[-1]), FINE)
    points = np.column_stack([np.interp(fine, rows, path[:, column]) for column in (0, 1)])
    edges = np.roll(item.ring, -1, axis=0) - item.ring
    away = points[:, None] - item.ring
    turn = edges[:, 0] * away[..., 1] - edges[:, 1] * away[..., 0]
    inside = fine[(turn >= 0.0).all(axis=1) | (turn <= 0.0).all(axis=1)]
    begin, end = (float(inside[0]), float(inside[-1])) if len(inside) else (arc - 1.5, arc + 1.5)
    road = network.roads[item.road]
    pose = path[min(int(arc / spacing), len(path) - 1)]
    nearest = road.curve[int(np.hypot(*(road.curve[:, :2] - pose[:2]).T).argmin())]
    middle = float((nearest[:2] - pose[:2]) @ np.array((-np.sin(nearest[2]), np.cos(nearest[2]))))
    inner = middle + network.side * road.section.median / 2
    outer = inner + network.side * road.section.forward * road.section.width
    return MarkedCrossing(begin, end, min(inner, outer), max(inner, outer))
