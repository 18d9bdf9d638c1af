"""What joins the roads of a layout: anything that builds junctions with ports, and the roads inside it.

A node is built in its own frame for right-hand traffic, like a junction: traffic that arrives by port 0 heads along x.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import shapely

from drive.geometry import wrap_angle
from scenarios.generate.geometry import Float, lengths, ribbon, smooth_step
from scenarios.generate.junction import Connector, Junction, Leg, Movement, Section

RAISED_MEDIAN = 1.2  # m: wider ones have an island
ISLAND_GUTTER = 0.3  # m

Place = tuple[int, int]  # a junction of the node, a leg of it


@dataclass(frozen=True)
class InnerRoad:
    """A road inside a node: its curve ``[P, 4]``, cross-section, and the places it leads from and to."""

    curve: Float
    section: Section
    start: Place
    end: Place


@dataclass(frozen=True)
class Built:
    """A built node.

    Attributes:
        junctions: Its junctions, in the node's frame.
        ports: Where roads join it from outside; port 0 is the one that the corridor arrives by.
        inner: Roads between its junctions; ``through`` those of them that the corridor drives, in order.
    """

    junctions: tuple[Junction, ...]
    ports: tuple[Place, ...]
    inner: tuple[InnerRoad, ...] = ()
    through: tuple[int, ...] = ()


class Node(Protocol):
    """A node before it is built; ``exit`` is the port by which the corridor leaves."""

    @property
    def exit(self) -> int: ...  # noqa: D102

    def build(self) -> Built | None:
        """The node, or None where the geometry does not close."""


def plain_leg(mouth: Float, section: Section) -> Leg:
    """A leg without a crosswalk; its stop line lies at the mouth, across the incoming lanes."""
    heading = float(mouth[2])
    left = np.array((-np.sin(heading), np.cos(heading)))
    ends = (section.median / 2, section.median / 2 + section.backward * section.width)
    return Leg(np.asarray(mouth, np.float64), section, None, None, np.stack([mouth[:2] + end * left for end in ends]))


def lane_end(leg: Leg, lane: int, inward: bool) -> Float:
    """Pose ``[3]`` at which an incoming lane ends at the mouth of a leg, or an outgoing one begins."""
    x, y, heading = leg.mouth
    aside = leg.section.lane_offset(lane, forward=not inward)
    point = (x - aside * np.sin(heading), y + aside * np.cos(heading))
    return np.array((*point, float(wrap_angle(heading + np.pi)) if inward else heading))


def connector(legs: tuple[Leg, ...], ends: tuple[int, int, int, int], movement: Movement, curve: Float) -> Connector:
    """A connector between the ends (leg in, lane in, leg out, lane out); its width goes from one lane's to the
    other's."""
    arc = lengths(curve)
    before, after = legs[ends[0]].section.width, legs[ends[2]].section.width
    return Connector(*ends, movement, curve, before + (after - before) * smooth_step(arc / arc[-1]))


def paving(bands: list[Float]) -> tuple[Float, tuple[tuple[Float, ...], ...]]:
    """Outer ring ``[Q, 2]`` and drivable shapes of overlapping bands (rings ``[*, 2]``); no notch is narrower than
    0.8 m and no hole smaller than an island."""
    union = shapely.union_all([shapely.Polygon(band).buffer(0.0) for band in bands])
    union = union.union(union.buffer(0.4, join_style="mitre").buffer(-0.4, join_style="mitre"))
    shapes = [part for part in shapely.get_parts(union) if isinstance(part, shapely.Polygon)]
    largest = max(shapes, key=lambda part: float(part.area))
    holes = [np.asarray(hole.coords)[:-1] for hole in largest.interiors if shapely.Polygon(hole).area > 6.0]
    outer = np.asarray(shapely.geometry.polygon.orient(largest, 1.0).exterior.coords)[:-1]
    return outer, ((outer, *holes),)


def band(item: Connector, gutter: float) -> Float:
    """Ring ``[*, 2]`` of the paved strip along a connector."""
    return ribbon(item.curve, item.width / 2 + gutter, item.width / 2 + gutter)
