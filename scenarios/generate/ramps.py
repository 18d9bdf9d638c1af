"""Ramps: noses, where one joins a carriageway as a lane beside it or leaves it, and whole merges."""

from dataclasses import dataclass

import numpy as np

from scenarios.generate.geometry import Float, bend_segments, join
from scenarios.generate.junction import Connector, Control, Junction, Kind, Movement, Section, find_conflicts
from scenarios.generate.layout import Layout
from scenarios.generate.nodes import Built, band, connector, lane_end, paving, plain_leg
from scenarios.generate.seams import Seam

EASING = 0.5  # share of a bend's angle that is turned on its clothoids
JERK = 0.85  # m/s3: to the side, at the limit


def nose_length(gap: float, angle: float) -> float:
    """Length [m] that a ramp needs to close a ``gap`` [m] to the lane it becomes, from an ``angle`` [rad]."""
    return 2.0 * gap / np.tan(angle)


@dataclass(frozen=True)
class Nose:
    """Where a ramp becomes the outermost lane of a carriageway (``merge``), or begins from it.

    Attributes:
        main, ramp: One-way cross-sections, seen in driving direction, without the lane they share.
        merge: True where the ramp joins, False where it leaves.
        gap: Distance [m] between ramp and carriageway lane edges at the ramp's mouth, ``angle`` [rad] between them.
        from_ramp: The corridor arrives by the ramp (``merge``), or leaves by it.
    """

    main: Section
    ramp: Section
    merge: bool
    gap: float
    angle: float
    from_ramp: bool

    @property
    def exit(self) -> int:
        """Port by which the corridor leaves: 1 the carriageway, 2 the ramp."""
        return 2 if self.from_ramp and not self.merge else 1

    @property
    def joined(self) -> Section:
        """Cross-section of the carriageway with the ramp's lane beside it."""
        main = self.main
        return Section(main.forward + 1, 0, main.width, 0.0, main.gutter, 0.0, 0.0, main.limit, main.road_class)

    def build(self) -> Built | None:
        """The nose: carriageway, carriageway with one lane more, ramp; ports in the order arrival, carriageway,
        rest."""
        length = nose_length(self.gap, self.angle)
        lanes, width = self.main.forward, self.main.width
        ramp_edge = -lanes * width - self.gap  # the left edge of the ramp's lane at its mouth
        mouths = [np.array((0.0, 0.0, np.pi)), np.array((length, 0.0, 0.0))]
        if self.merge:
            mouths.append(np.array((0.0, ramp_edge, np.pi + self.angle)))
            sections = (self.main.reversed(), self.joined, self.ramp.reversed())
            ramp_ends = (2, 0, 1, lanes)
        else:
            mouths.append(np.array((length, ramp_edge, -self.angle)))
            sections = (self.joined.reversed(), self.main, self.ramp)
            ramp_ends = (0, lanes, 2, 0)
        legs = tuple(plain_leg(mouth, section) for mouth, section in zip(mouths, sections, strict=True))
        connectors: list[Connector] = []
        for ends in (*((0, lane, 1, lane) for lane in range(lanes)), ramp_ends):
            curve = join(lane_end(legs[ends[0]], ends[1], inward=True), lane_end(legs[ends[2]], ends[3], inward=False))
            if curve is None:
                return None
            turns = ends == ramp_ends and not self.merge
            connectors.append(connector(legs, ends, Movement.RIGHT if turns else Movement.THROUGH, curve))
        outline, paved = paving([band(item, self.main.gutter) for item in connectors])
        junction = Junction(
            legs,
            outline,
            tuple(connectors),
            find_conflicts(tuple(connectors)),
            Control.YIELD,
            kind=Kind.SEAM,
            gives_way=(),
            paved=paved,
        )
        order = (2, 1, 0) if self.from_ramp and self.merge else (0, 1, 2)
        return Built((junction,), tuple((0, leg) for leg in order))


@dataclass(frozen=True)
class OnRamp:
    """A merge before it is built: ramp, nose, lanes beside each other, taper, carriageway.

    Attributes:
        main, ramp: One-way cross-sections. ``gap``, ``angle``: of the nose.
        parallel, taper: Lengths [m] of the acceleration lane and of its end.
        turn: By how much both bend on that lane [rad, left positive]: who keeps its direction leaves the road.
        yields: True if the ramp gives way where its lane ends, False if they go by arrival.
    """

    main: Section
    ramp: Section
    gap: float
    angle: float
    parallel: float
    taper: float
    turn: float
    yields: bool

    def nodes(self, from_ramp: bool) -> tuple[Nose, Seam]:
        """The nose and the end of the acceleration lane."""
        nose = Nose(self.main, self.ramp, True, self.gap, self.angle, from_ramp)
        count = self.main.forward
        pairs = (*((lane, lane) for lane in range(count)), (count, count - 1))
        yields = count if self.yields else None
        return nose, Seam(nose.joined, self.main, self.taper, 0.0, pairs, (), yields)

    def layout(self, from_ramp: bool, arriving: Float, other: Float, onward: float, left_hand: bool) -> Layout:
        """The layout of a corridor that arrives by the ramp or by the carriageway; ``other`` leads to the nose too."""
        nose, taper = self.nodes(from_ramp)
        bent = bend_segments(self.turn, self.parallel / abs(self.turn) / (1.0 + EASING), EASING)
        roads = (arriving, bent, _straight(onward))
        first = self.ramp if from_ramp else self.main
        return Layout(first, roads, (nose, taper), None, ({2: other}, {}), left_hand, False)


def most_turn(length: float, limit: float) -> float:
    """The angle [rad] by which an acceleration lane of ``length`` [m] may bend for those at the ``limit`` [m/s]."""
    return JERK * EASING / (1.0 + EASING) ** 2 * length**2 / limit**3


def least_parallel(main: float, ramp: float) -> float:
    """Length [m] in which one gathers the main road's speed [m/s] from the ramp's: ``(v^2 - w^2) / (2 * 1.2)``."""
    return (main**2 - ramp**2) / 2.4


def ramp_road(length: float, radius: float, angle: float, limit: float, to_nose: bool) -> Float:
    """Segments ``[S, 3]`` of a ramp of about ``length`` [m] that bends away from the carriageway it joins.

    Its bend turns by ``angle`` [rad], with ``radius`` [m] or what the ``limit`` [m/s] asks for. ``to_nose``: as driven
    to the nose, else as seen from there.
    """
    radius = max(radius, limit**2 / 2.4, float(np.sqrt(limit**3 / (JERK * 0.8 * angle))))
    bend = bend_segments(-angle if to_nose else angle, radius, limit**3 / (JERK * radius**2 * angle))
    parts = [_straight(max(length - float(bend[:, 0].sum()) - 25.0, 20.0)), bend, _straight(25.0)]
    return np.concatenate(parts if to_nose else parts[::-1])


def _straight(length: float) -> Float:
    return np.array(((length, 0.0, 0.0),))
