"""Draws of road classes, alignments and junction plans: the random half of a map, before any geometry is built."""

from dataclasses import dataclass, replace

import numpy as np

from scenarios.generate.geometry import Float, bend_segments
from scenarios.generate.junction import Control, LegPlan, Section, build_junction
from scenarios.generate.nodes import Built, Node
from scenarios.generate.roundabout import Roundabout

Rng = np.random.Generator


@dataclass(frozen=True)
class RoadClass:
    """Ranges of one road class (speeds in m/s, lengths in m)."""

    name: str
    limits: tuple[float, ...]
    lanes: tuple[int, ...]
    width: tuple[float, float]
    median_share: float
    parking_share: float
    walkway: tuple[float, float]
    corner: tuple[float, float]
    signal_share: float


RESIDENTIAL = RoadClass("residential", (6.94, 8.33), (1,), (2.8, 3.3), 0.0, 0.8, (1.5, 2.5), (4.0, 8.0), 0.0)
COLLECTOR = RoadClass("collector", (8.33, 11.11, 13.89), (1, 1, 2), (3.0, 3.5), 0.15, 0.4, (1.8, 3.0), (5.0, 12.0), 0.5)
ARTERIAL = RoadClass("arterial", (11.11, 13.89, 16.67), (2, 2, 3), (3.1, 3.6), 0.6, 0.0, (2.0, 3.5), (10.0, 16.0), 0.9)
RURAL = RoadClass("rural", (16.67, 19.44, 22.22), (1,), (3.25, 3.75), 0.0, 0.0, (0.0, 0.0), (8.0, 15.0), 0.0)
CLASSES = (RESIDENTIAL, COLLECTOR, ARTERIAL, RURAL)
SIDE_CLASSES = {
    "residential": (RESIDENTIAL,),
    "collector": (RESIDENTIAL, COLLECTOR),
    "arterial": (COLLECTOR, COLLECTOR, ARTERIAL),
    "rural": (RURAL, COLLECTOR),
}
GUTTER = 0.5
ROOMY = 1.3  # m: a gutter beside lanes that one turns into, for drivers who swing wide


@dataclass(frozen=True)
class JunctionDraw:
    """A junction before it is built: legs (leg 0 comes from the root), and the leg by which the corridor leaves.

    ``major`` names the legs of the major road where it is not the one that leg 0 belongs to.
    """

    plans: tuple[LegPlan, ...]
    radii: tuple[float, ...]
    crosswalk_depth: float
    setback: float
    control: Control
    exit: int
    major: tuple[int, ...] = ()

    def build(self) -> Built | None:
        """The junction as a node: port i is leg i."""
        junction = build_junction(self.plans, self.radii, self.crosswalk_depth, self.setback, self.control, self.major)
        return None if junction is None else Built((junction,), tuple((0, leg) for leg in range(len(self.plans))))


@dataclass(frozen=True)
class CrossingDraw:
    """A marked crossing between junctions: its station [m] on the root road and its extent [m] along the road."""

    station: float
    depth: float
    setback: float


@dataclass(frozen=True)
class Layout:
    """A map before it is built.

    Attributes:
        section: Cross-section of the corridor's first road.
        roads: Segments ``[S, 3]`` of the corridor's roads in driving order.
        junctions: The nodes between them (one less than roads): junctions, seams, roundabouts, noses of ramps.
        crossing: A mid-block crossing on the first road, or None.
        stubs: Per node and port, the segments of the side road away from it; none for port 0 and the exit.
        left_hand: Mirror the whole map.
        borrow: Centre lines of two-lane roads are dashed.
    """

    section: Section
    roads: tuple[Float, ...]
    junctions: tuple[Node, ...]
    crossing: CrossingDraw | None
    stubs: tuple[dict[int, Float], ...]
    left_hand: bool
    borrow: bool


def is_unusual(layout: Layout) -> bool:
    """True for layouts that training never meets: five legs, legs shifted aside, roundabouts of two lanes."""
    crossroads = [node for node in layout.junctions if isinstance(node, JunctionDraw)]
    rings = [node for node in layout.junctions if isinstance(node, Roundabout)]
    return any(len(node.plans) > 4 or any(plan.shift for plan in node.plans) for node in crossroads) or any(
        node.ring.forward > 1 for node in rings
    )


def stub_length(limit: float) -> float:
    """Length [m] a side road needs so that nobody who drives it for 20 s comes within 60 m of its end."""
    return 30.0 * limit + 80.0


def draw_section(
    road: RoadClass, rng: Rng, lanes: int | None = None, limit: float | None = None, gutter: float = GUTTER
) -> Section:
    """A cross-section of the class; limit and lane count may be given, and the width [m] of the gutter."""
    count = lanes if lanes is not None else int(rng.choice(road.lanes))
    chosen = limit if limit is not None else float(rng.choice(road.limits))
    median = float(rng.uniform(1.2, 3.5)) if rng.random() < road.median_share else 0.0
    parking = float(rng.uniform(2.0, 2.3)) if rng.random() < road.parking_share and count == 1 else 0.0
    walkway = float(rng.uniform(*road.walkway)) if road.walkway[1] > 0 else 0.0
    return Section(count, count, float(rng.uniform(*road.width)), median, gutter, parking, walkway, chosen, road.name)


def draw_bend(limit: float, rng: Rng, angle: tuple[float, float], radius: float | None = None) -> Float:
    """Clothoid-arc-clothoid ``[3, 3]`` drivable at the limit, turning by an angle [rad] from the range, either way.

    The least radius is ``v^2 / a`` with a in 1.8..2.5 m/s2, the clothoids last ``v^3 / (R C)`` with C in 0.5..0.9 m/s3;
    where the angle is too small to hold them the radius grows.
    """
    turn = float(rng.uniform(*angle))
    smallest = limit**2 / float(rng.uniform(1.8, 2.5))
    chosen = max(radius if radius is not None else smallest * float(rng.lognormal(0.6, 0.5)), smallest)
    jerk = float(rng.uniform(0.5, 0.9))
    # Both clothoids together turn L / R, at most 80 % of the angle.
    chosen = max(chosen, float(np.sqrt(limit**3 / (jerk * 0.8 * turn))))
    clothoid = limit**3 / (chosen * jerk)
    return bend_segments(float(rng.choice((-1.0, 1.0))) * turn, chosen, clothoid / (chosen * turn))


def draw_alignment(length: float, limit: float, rng: Rng, bends: int, angle: tuple[float, float]) -> Float:
    """Segments ``[S, 3]`` of a road of the given length with up to ``bends`` bends; both ends are straight for 15 m."""
    parts: list[Float] = []
    free = length - 30.0
    lead = 15.0
    for _ in range(bends):
        bend = draw_bend(limit, rng, angle)
        need = float(bend[:, 0].sum())
        if need > free:
            continue
        extra = float(rng.uniform(0.0, min(40.0, free - need)))
        parts += [np.array(((lead + extra, 0.0, 0.0),)), bend]
        free -= need + extra
        lead = 2.0
    parts.append(np.array(((lead + free + (15.0 if lead > 2.0 else 28.0), 0.0, 0.0),)))
    return np.concatenate(parts)


def draw_junction(section: Section, road: RoadClass, rng: Rng, crosswalks: bool = False) -> JunctionDraw:
    """Legs, corners, crossings and control of a junction that the corridor reaches by a road of cross-section
    ``section``.

    ``crosswalks`` asks for a marked crossing on every leg.
    """
    count = int(rng.choice((3, 4, 5), p=(0.38, 0.56, 0.06)))
    skew = lambda spread: float(np.clip(rng.normal(0.0, np.radians(spread)), -np.radians(28), np.radians(28)))  # noqa: E731
    straight = float(np.clip(rng.normal(0.0, np.radians(5.0)), -np.radians(12), np.radians(12)))
    quarter = np.pi / 2
    angles: tuple[float, ...]
    if count == 3:
        shape = int(rng.choice(3, p=(0.4, 0.4, 0.2)))
        angles = (
            (-quarter + skew(12), straight),
            (straight, quarter + skew(12)),
            (-quarter + skew(9), quarter + skew(9)),
        )[shape]
    elif count == 4:
        side = skew(12)
        angles = (-quarter + side + skew(5), straight, quarter + side + skew(5))
    else:
        angles = (-1.9 + skew(4), -0.95 + skew(3), straight + 0.1, 1.35 + skew(6))
    side_class = SIDE_CLASSES[road.name][int(rng.integers(len(SIDE_CLASSES[road.name])))]
    if side_class.name == road.name:
        side_section = replace(section, median=section.median, limit=min(section.limit, max(side_class.limits)))
    else:
        side_section = draw_section(side_class, rng)
    stem = not any(abs(angle) < np.radians(40.0) for angle in angles)
    signal = rng.random() < road.signal_share and road.name != "residential"
    # The corridor never meets a stop sign: who comes up a stem gives way.
    priority = Control.STOP if rng.random() < 0.4 and not stem else Control.YIELD
    share = 1.0 if crosswalks else 0.0 if section.walkway == 0.0 else 0.85 if signal else 0.5
    shifts = [0.0] * (len(angles) + 1)
    if count == 4 and rng.random() < 0.25:
        shifts[1] = float(rng.uniform(2.0, 5.0)) * float(rng.choice((-1.0, 1.0)))
    plans = [LegPlan(np.pi, 0.0, section.reversed(), bool(rng.random() < share))]
    for number, angle in enumerate(angles, start=1):
        is_major = abs(angle) < np.radians(30.0) or not any(abs(other) < np.radians(30.0) for other in angles)
        plans.append(LegPlan(angle, shifts[number], section if is_major else side_section, bool(rng.random() < share)))
    exits = [number for number in range(1, len(plans)) if plans[number].section.road_class == section.road_class]
    others = [number for number in range(1, len(plans)) if number not in exits]
    leave = int(rng.choice(exits)) if not others or rng.random() < 0.75 else int(rng.choice(others))
    radii = tuple(float(rng.uniform(*road.corner)) for _ in plans)
    return JunctionDraw(
        tuple(plans),
        radii,
        float(rng.uniform(2.5, 4.5)),
        float(rng.uniform(1.0, 2.2)),
        Control.SIGNAL if signal else priority,
        leave,
    )


def draw_layout(
    section: Section,
    road: RoadClass,
    rng: Rng,
    *,
    first: float,
    junctions: int,
    bends: int,
    crossing: CrossingDraw | None = None,
    crosswalks: bool = False,
    signals: bool = True,
    first_road: Float | None = None,
) -> Layout:
    """A whole layout: a first road of ``first`` [m], then ``junctions`` junctions with context, side roads and a way
    out.

    ``crosswalks`` marks a crossing on every leg of the first junction, ``signals`` = False leaves it without signals.
    ``bends`` bounds the bends per road; ``first_road`` replaces the drawn alignment of the first road.
    """
    roads = [draw_alignment(first, section.limit, rng, bends, (0.1, 0.7)) if first_road is None else first_road]
    draws: list[JunctionDraw] = []
    stubs: list[dict[int, Float]] = []
    here, kind = section, road
    for number in range(junctions):
        draw = draw_junction(here, kind, rng, crosswalks and number == 0)
        if not signals and number == 0 and draw.control is Control.SIGNAL:
            draw = replace(draw, control=Control.YIELD)
        sides = {
            leg: draw_alignment(stub_length(plan.section.limit), plan.section.limit, rng, 2, (0.05, 0.4))
            for leg, plan in enumerate(draw.plans)
            if leg not in (0, draw.exit)
        }
        here = draw.plans[draw.exit].section
        kind = next(item for item in CLASSES if item.name == here.road_class)
        context = float(rng.uniform(90.0, 160.0))
        length = context if number + 1 < junctions else stub_length(here.limit)
        roads.append(draw_alignment(length, here.limit, rng, bends, (0.1, 0.6)))
        draws.append(draw)
        stubs.append(sides)
    left_hand, borrow = bool(rng.random() < 0.3), bool(rng.random() < 0.6)
    return Layout(section, tuple(roads), tuple(draws), crossing, tuple(stubs), left_hand, borrow)
