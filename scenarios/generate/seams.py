"""Seams: where the lane count, the lane width, the median or the speed limit of a road changes.

The lanes of either side are joined by connectors over a taper, so that a roadblock has one lane count and one limit.
"""

from dataclasses import dataclass

import numpy as np

from scenarios.generate.geometry import Float, sideways, smooth_step, transform
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
from scenarios.generate.nodes import ISLAND_GUTTER, RAISED_MEDIAN, Built, connector, lane_end, plain_leg


def drop_length(width: float, speed: float) -> float:
    """Taper length [m] of a lane of ``width`` [m] that ends at ``speed`` [m/s]; lanes that only shift need half.

    ``W V^2 / 155`` up to 60 km/h, ``W V / 1.6`` above 70 km/h (V in km/h), linear in between.
    """
    v = 3.6 * speed
    slow, fast = width * min(v, 60.0) ** 2 / 155.0, width * max(v, 70.0) / 1.6
    return float(np.interp(v, (60.0, 70.0), (slow, fast))) if 60.0 < v < 70.0 else slow if v <= 60.0 else fast


def calm_length(shift: float, speed: float, lateral: float = 1.2) -> float:
    """Least taper length [m] on which a lane shifts by ``shift`` [m] with at most ``lateral`` [m/s2]."""
    return speed * float(np.sqrt(5.78 * abs(shift) / lateral))


@dataclass(frozen=True)
class Seam:
    """A seam before it is built; cross-sections are seen along the corridor.

    Attributes:
        before, after: Cross-sections on either side.
        length: Of the taper [m]. ``shift``: how far the reference line moves to the left [m].
        forward: Pairs (lane before, lane after) that are joined. ``backward``: pairs (lane after, lane before).
        yields: The lane of ``before`` that gives way where it ends, or None: then equals merge by arrival.
    """

    before: Section
    after: Section
    length: float
    shift: float
    forward: tuple[tuple[int, int], ...]
    backward: tuple[tuple[int, int], ...]
    yields: int | None = None
    exit: int = 1

    def build(self) -> Built | None:
        """The seam: two legs and their connectors."""
        legs = (
            plain_leg(np.array((0.0, 0.0, np.pi)), self.before.reversed()),
            plain_leg(np.array((self.length, self.shift, 0.0)), self.after),
        )
        connectors = _along(legs, self.forward, 0, 1) + _along(legs, self.backward, 1, 0)
        outline, paved = self._surface()
        gives_way: tuple[GiveWay, ...] = ()
        if self.yields is not None:
            # The ways meet a good third into the taper; the line lies near enough to what it decides.
            gives_way = (GiveWay(0, self.yields, float(np.clip(0.36 * self.length - 20.0, 0.0, 11.0))),)
        junction = Junction(
            legs,
            outline,
            connectors,
            find_conflicts(connectors),
            Control.YIELD,
            kind=Kind.SEAM,
            gives_way=gives_way,
            paved=paved,
        )
        return Built((junction,), ((0, 0), (0, 1)))

    def _surface(self) -> tuple[Float, tuple[tuple[Float, ...], ...]]:
        """Outline from kerb to kerb, and the drivable shapes: without the island where there is one on either side."""
        u = np.linspace(0.0, 1.0, max(3, int(np.ceil(self.length)) + 1))
        share = smooth_step(u)

        def edge(before: float, after: float) -> Float:
            return np.column_stack((self.length * u, before + (self.shift + after - before) * share))

        left = edge(self.before.edge(forward=False), self.after.edge(forward=False))
        right = edge(-self.before.edge(forward=True), -self.after.edge(forward=True))
        outline = np.concatenate((right, left[::-1]))
        medians = (self.before.median, self.after.median)
        if min(medians) < RAISED_MEDIAN or not (self.before.backward and self.after.backward):
            return outline, ()
        inner = [
            edge(side * (medians[0] / 2 - ISLAND_GUTTER), side * (medians[1] / 2 - ISLAND_GUTTER))
            for side in (1.0, -1.0)
        ]
        return outline, ((np.concatenate((inner[0], left[::-1])),), (np.concatenate((right, inner[1][::-1])),))


def _along(
    legs: tuple[Leg, ...], pairs: tuple[tuple[int, int], ...], leg_in: int, leg_out: int
) -> tuple[Connector, ...]:
    found = []
    shifts = {pair: _shift(legs, pair, leg_in, leg_out) for pair in pairs}
    for pair, (length, shift) in shifts.items():
        start = lane_end(legs[leg_in], pair[0], inward=True)
        least = min(abs(value) for other, (_, value) in shifts.items() if other[0] == pair[0])
        movement = Movement.THROUGH
        if abs(shift) > least + 0.1:
            movement = Movement.LEFT if shift > 0.0 else Movement.RIGHT
        curve = transform(sideways(length, shift), start)
        curve[-1, :3] = lane_end(legs[leg_out], pair[1], inward=False)
        found.append(connector(legs, (leg_in, pair[0], leg_out, pair[1]), movement, curve))
    return tuple(found)


def _shift(legs: tuple[Leg, ...], pair: tuple[int, int], leg_in: int, leg_out: int) -> tuple[float, float]:
    """How far ahead and to the left of where a lane ends its partner begins [m]."""
    start = lane_end(legs[leg_in], pair[0], inward=True)
    gap = lane_end(legs[leg_out], pair[1], inward=False)[:2] - start[:2]
    cos, sin = np.cos(start[2]), np.sin(start[2])
    return float(gap[0] * cos + gap[1] * sin), float(gap[1] * cos - gap[0] * sin)


def same_lanes(section: Section) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Pairs for :class:`Seam` where every lane goes on as it is: forward, backward."""
    return tuple((n, n) for n in range(section.forward)), tuple((n, n) for n in range(section.backward))
