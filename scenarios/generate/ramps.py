"""Noses: where a ramp joins a carriageway as a lane beside it, and where it leaves one."""

from dataclasses import dataclass

import numpy as np

from scenarios.generate.geometry import join
from scenarios.generate.junction import Connector, Control, Junction, Kind, Movement, Section, find_conflicts
from scenarios.generate.nodes import Built, band, connector, lane_end, paving, plain_leg


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
