"""Roundabouts: a ring of one-way sectors, and at every leg a small junction of entries, exits and the way past it.

Ring sectors are lanes with a roadblock of their own; entries, exits and passages are connectors. With two lanes the
outer one always leaves at the next leg; who goes further takes the inner lane, which may leave everywhere.
"""

from dataclasses import dataclass

import numpy as np

from drive.geometry import wrap_angle
from scenarios.generate.geometry import Float, ReferenceLine, blend, lengths, offset, ribbon
from scenarios.generate.junction import (
    Connector,
    Control,
    GiveWay,
    Junction,
    Kind,
    Leg,
    Movement,
    Section,
    find_conflicts,
)
from scenarios.generate.nodes import Built, InnerRoad, band, connector, lane_end, paving, plain_leg

LEAST_SECTOR = 2.5  # m
LEAST_RADIUS = 5.5  # m, of entries and exits
WIDENING = 0.5  # m on either side: bodies that turn need more room than lanes
LINE_BACK = 0.8  # m between the ring's edge and a yield line


@dataclass(frozen=True)
class Roundabout:
    """A roundabout before it is built.

    Attributes:
        angles: Direction outward of every leg [rad], counter-clockwise from leg 0 at pi.
        sections: Cross-section of every leg seen outward.
        ring: One-way cross-section of the ring, lane 0 inside.
        radius: Of the inscribed circle, the outer edge of the ring [m].
        splitter: Distance [m] from the ring to where entries begin to bend.
        tangent: Distance [m] from the corner of an entry's two tangents to the ring: the larger, the flatter it is.
        exit: Leg by which the corridor leaves.
    """

    angles: tuple[float, ...]
    sections: tuple[Section, ...]
    ring: Section
    radius: float
    splitter: float
    tangent: float
    exit: int

    @property
    def inside(self) -> float:
        """Radius [m] of the ring's inner lane edge."""
        return self.radius - self.ring.gutter - self.ring.forward * self.ring.width

    def build(self) -> Built | None:
        """One junction per leg and the sectors between them; port i is leg i."""
        if self.shortest_sector < LEAST_SECTOR:
            return None
        count, sector = len(self.angles), self._sectors()
        spans = [self._span(section) for section in self.sections]
        junctions = []
        for leg in range(count):
            built = self._leg(leg, spans[leg])
            if built is None:
                return None
            junctions.append(built)
        inner = tuple(
            InnerRoad(self._arc(self.angles[k] + spans[k], sector[k]), self.ring, (k, 1), ((k + 1) % count, 2))
            for k in range(count)
        )
        return Built(tuple(junctions), tuple((k, 0) for k in range(count)), inner, tuple(range(self.exit)))

    @property
    def shortest_sector(self) -> float:
        """Length [m] of the shortest sector between two legs, along the ring's inner edge."""
        return min(self._sectors()) * self.inside

    def _sectors(self) -> list[float]:
        """Angle [rad] of the sector behind every leg."""
        count = len(self.angles)
        spans = [self._span(section) for section in self.sections]
        apart = [(self.angles[(k + 1) % count] - self.angles[k]) % (2.0 * np.pi) for k in range(count)]
        return [apart[k] - spans[k] - spans[(k + 1) % count] for k in range(count)]

    def _span(self, section: Section) -> float:
        """Angle [rad] on the ring between a leg's axis and where its entry has joined the middle of the ring."""
        middle = self.inside + 0.5 * self.ring.forward * self.ring.width
        aside = section.median / 2 + 0.5 * max(section.forward, section.backward) * section.width
        # middle * sin(span) - aside = tangent * cos(span)
        whole = float(np.hypot(middle, self.tangent))
        return float(np.arcsin(min(aside / whole, 1.0)) + np.arctan2(self.tangent, middle))

    def _arc(self, begin: float, angle: float) -> Float:
        """The ring's reference line, its inner edge, from an angle on through another [rad]."""
        start = np.array((self.inside * np.cos(begin), self.inside * np.sin(begin), begin + np.pi / 2))
        return ReferenceLine(start, np.array(((angle * self.inside, 1.0 / self.inside, 0.0),))).curve()

    def _leg(self, number: int, span: float) -> Junction | None:
        """Entries, exits and the passage at one leg: leg 0 is the road, 1 the ring onwards, 2 the ring before."""
        angle, section = self.angles[number], self.sections[number]
        mouth = (self.radius + self.splitter) * np.array((np.cos(angle), np.sin(angle)))
        onward, before = self._arc(angle + span, 0.1)[0], self._arc(angle - span, 0.1)[0]
        legs = (
            plain_leg(np.array((*mouth, angle)), section),
            plain_leg(onward[:3], self.ring),
            plain_leg(np.array((*before[:2], float(wrap_angle(before[2] + np.pi)))), self.ring.reversed()),
        )
        lanes = self.ring.forward
        found: list[Connector] = []
        for lane in range(section.backward):
            targets = range(lanes) if section.backward < lanes else (min(lane, lanes - 1),)
            for target in targets:
                found.append(self._bend(legs, (0, lane, 1, target)))  # type: ignore[arg-type]
        for lane in range(lanes):
            if section.forward:
                found.append(self._bend(legs, (2, lane, 0, min(lane, section.forward - 1))))  # type: ignore[arg-type]
        if any(item is None for item in found):
            return None
        passages = (0,) if section.forward else range(lanes)
        for lane in passages:
            curve = offset(self._arc(angle - span, 2.0 * span), self.ring.lane_offset(lane, forward=True))
            curve[-1, :3] = lane_end(legs[1], lane, inward=False)
            found.append(connector(legs, (2, lane, 1, lane), Movement.THROUGH, curve))
        gutter = self.ring.gutter + WIDENING
        bands = [band(item, gutter) for item in found]
        bands.append(ribbon(self._arc(angle - span, 2.0 * span), gutter, lanes * self.ring.width + gutter))
        outline, paved = paving(bands)
        connectors = tuple(found)
        yields = tuple(self._line(connectors, lane) for lane in range(section.backward))
        return Junction(
            legs,
            outline,
            connectors,
            find_conflicts(connectors),
            Control.YIELD,
            kind=Kind.ROUNDABOUT,
            gives_way=yields,
            paved=paved,
        )

    def _bend(self, legs: tuple[Leg, ...], ends: tuple[int, int, int, int]) -> Connector | None:
        """An entry or exit whose curvature meets the ring's."""
        lane = ends[3] if ends[0] == 0 else ends[1]
        bend = 1.0 / (self.inside + (lane + 0.5) * self.ring.width)
        start, end = lane_end(legs[ends[0]], ends[1], inward=True), lane_end(legs[ends[2]], ends[3], inward=False)
        entry = ends[0] == 0
        curve = blend(
            np.append(start, 0.0 if entry else bend), np.append(end, bend if entry else 0.0), least_radius=LEAST_RADIUS
        )
        return None if curve is None else connector(legs, ends, Movement.RIGHT, curve)

    def _line(self, connectors: tuple[Connector, ...], lane: int) -> GiveWay:
        """The yield line of an entry lane: just outside the ring."""
        entry = next(item for item in connectors if (item.leg_in, item.lane_in) == (0, lane))
        away = np.hypot(entry.curve[:, 0], entry.curve[:, 1])
        beyond = float(np.interp(-(self.radius + LINE_BACK), -away, lengths(entry.curve)))
        return GiveWay(0, lane, beyond)


def draw_roundabout(
    section: Section, ring_lanes: int, legs: int, leave: int, radius: float, flatness: float, rng: np.random.Generator
) -> Roundabout | None:
    """A roundabout that a road of cross-section ``section`` leads to, all legs alike but for their directions.

    ``radius`` [m] of the inscribed circle at least, ``flatness`` of the entries in [0, 1], ``leave`` the leg to leave
    by. None where the legs fit no ring of 45 m (two lanes: 60 m).
    """
    even = 2.0 * np.pi / legs
    spread = np.radians({3: 14.0, 4: 8.0}.get(legs, 3.0))
    angles = [np.pi]
    angles += [np.pi + even * k + float(np.clip(rng.normal(0.0, spread / 2), -spread, spread)) for k in range(1, legs)]
    width = float(rng.uniform(4.6, 5.8)) if ring_lanes == 1 else float(rng.uniform(4.25, 4.9))
    outward, splitter = section.reversed(), float(rng.uniform(6.0, 14.0))
    most = 22.5 if ring_lanes == 1 else 30.0
    # Steeper or flatter entries where those do not fit; a larger ring where that is not enough.
    for size in np.append(np.arange(radius, most, 2.0), most):
        limit = float(np.clip(np.sqrt(2.2 * (size - width / 2)), 5.6, 9.0))
        ring = Section(ring_lanes, 0, width, 0.0, section.gutter, 0.0, 0.0, limit, section.road_class)
        for tangent in (*np.arange(5.5 + 4.5 * flatness, 4.0, -1.2), 7.0, 8.5, 10.0):
            drawn = Roundabout(tuple(angles), (outward,) * legs, ring, float(size), splitter, float(tangent), leave)
            if drawn.build() is not None:
                return drawn
    return None
