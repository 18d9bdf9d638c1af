"""Junction template: 3 to 5 legs at free angles, kerb fillets, crosswalks, stop lines, connectors and their conflicts.

A junction is built in its own frame with leg 0 pointing to heading pi (traffic on leg 0 enters eastwards), for
right-hand traffic; left-hand maps are mirrored as a whole later. Legs are ordered counter-clockwise.
"""

from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import shapely
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.kernels import kernel
from scenarios.generate.geometry import Float, join, lengths, ribbon, smooth_step, transform

SWEEP_WIDTH = 2.1
STRAIGHT_ENOUGH = np.radians(150.0)


@dataclass(frozen=True)
class Section:
    """Cross-section of a road seen along its reference line, which runs in the middle of the median.

    Attributes:
        forward, backward: Lanes in each direction.
        width: Lane width [m].
        median: Width [m] between the two directions.
        gutter: Paved width [m] between the outer lane edge and the kerb; part of the drivable area.
        parking: Width [m] of the parking strip beyond the kerb line on both sides, 0 for none; not drivable.
        walkway: Width [m] of the walkways, 0 for none.
        limit: Speed limit [m/s].
        road_class: ``residential``, ``collector``, ``arterial`` or ``rural``.
    """

    forward: int
    backward: int
    width: float
    median: float
    gutter: float
    parking: float
    walkway: float
    limit: float
    road_class: str

    def reversed(self) -> "Section":
        """The same road seen from its other end."""
        return replace(self, forward=self.backward, backward=self.forward)

    def lane_offset(self, index: int, forward: bool) -> float:
        """Offset [m] (left positive) of a lane's centre; lane 0 is next to the median."""
        distance = self.median / 2 + (index + 0.5) * self.width
        return -distance if forward else distance

    def edge(self, forward: bool) -> float:
        """Distance [m] from the reference line to the kerb on the right (forward) or left (backward) side."""
        return self.median / 2 + (self.forward if forward else self.backward) * self.width + self.gutter


class Movement(Enum):
    """What a connector does, seen from the driver in right-hand traffic."""

    LEFT = "left"
    THROUGH = "through"
    RIGHT = "right"


class Control(Enum):
    """Who decides at a junction.

    With ``YIELD`` and ``STOP`` the legs that are not major have the sign; ``ALL_WAY`` has stop signs on every leg,
    ``NONE`` no sign at all: priority to the right.
    """

    SIGNAL = "signal"
    YIELD = "yield"
    STOP = "stop"
    ALL_WAY = "all_way"
    NONE = "none"


class Kind(Enum):
    """What joins roads. Seams (lane counts, limits, ramps) have no intersection area."""

    JUNCTION = "junction"
    ROUNDABOUT = "roundabout"
    SEAM = "seam"


@dataclass(frozen=True)
class GiveWay:
    """A yield line across one incoming lane's connectors, ``beyond`` [m] behind their beginning."""

    leg: int
    lane: int
    beyond: float


@dataclass(frozen=True)
class LegPlan:
    """One leg before it is built: direction outward [rad], sideways shift [m, left of outward], outward
    cross-section.

    From the first ``left_only`` and the last ``right_only`` of its incoming lanes one can only turn.
    """

    angle: float
    shift: float
    section: Section
    crosswalk: bool
    left_only: int = 0
    right_only: int = 0


@dataclass(frozen=True)
class Leg:
    """One built leg: pose ``[3]`` of the reference line at the mouth (heading outward), crossing and stop line.

    ``crosswalk`` is a ring ``[4, 2]`` or None; ``stop`` ``[2, 2]`` the line across the incoming lanes; the walking line
    ``crossing`` ``[2, 2]`` leads from kerb to kerb in the middle of the crosswalk.
    """

    mouth: Float
    section: Section
    crosswalk: Float | None
    crossing: Float | None
    stop: Float


@dataclass(frozen=True)
class Connector:
    """One permitted movement from an incoming lane to an outgoing lane; lane indices count from the median."""

    leg_in: int
    lane_in: int
    leg_out: int
    lane_out: int
    movement: Movement
    curve: Float
    width: Float


@dataclass(frozen=True)
class Conflict:
    """How two connectors meet: ``cross``, ``merge`` or ``diverge``, and where (arc length [m] on each)."""

    first: int
    second: int
    kind: str
    on_first: tuple[float, float]
    on_second: tuple[float, float]


@dataclass(frozen=True)
class Junction:
    """A built junction, or another place where roads join.

    ``ring [Q, 2]`` is the paved area from mouth to mouth, counter-clockwise. ``major`` names the legs that have the
    right of way by sign; empty: leg 0 and the one opposite, or all but a stem. ``gives_way`` names who gives way where
    neither says so; ``paved`` holds the drivable shapes (outer ring and holes) where they are less than ``ring``.
    """

    legs: tuple[Leg, ...]
    ring: Float
    connectors: tuple[Connector, ...]
    conflicts: tuple[Conflict, ...]
    control: Control
    major: tuple[int, ...] = ()
    kind: Kind = Kind.JUNCTION
    gives_way: tuple[GiveWay, ...] | None = None
    paved: tuple[tuple[Float, ...], ...] = ()

    def at(self, pose: Float) -> "Junction":
        """The junction moved by the rigid motion that takes the origin to ``pose`` (x, y, heading)."""

        def move(points: Float | None) -> Float | None:
            return None if points is None else transform(points, pose)

        legs = tuple(
            Leg(
                transform(leg.mouth, pose),
                leg.section,
                move(leg.crosswalk),
                move(leg.crossing),
                transform(leg.stop, pose),
            )
            for leg in self.legs
        )
        connectors = tuple(replace(item, curve=transform(item.curve, pose)) for item in self.connectors)
        paved = tuple(tuple(transform(ring, pose) for ring in shape) for shape in self.paved)
        return replace(self, legs=legs, ring=transform(self.ring, pose), connectors=connectors, paved=paved)


def build_junction(
    plans: tuple[LegPlan, ...],
    radii: tuple[float, ...],
    crosswalk_depth: float,
    setback: float,
    control: Control,
    major: tuple[int, ...] = (),
) -> Junction | None:
    """Build a junction, or None where the legs leave no room for it.

    Args:
        plans: Legs counter-clockwise.
        radii: Kerb radius [m] of the corner between leg ``i`` and the next one.
        crosswalk_depth: Extent [m] of crosswalks along the road.
        setback: Distance [m] from the corner tangent to the crosswalk, and from the crosswalk to the stop line.
        control: Signal or priority.
        major: Legs of the major road, where it is not the one of leg 0.
    """
    corners = [_corner(plans[i], plans[(i + 1) % len(plans)], radii[i]) for i in range(len(plans))]
    if any(corner is None for corner in corners):
        return None
    legs, tangents = [], []
    for index, plan in enumerate(plans):
        before, after = corners[index - 1], corners[index]
        assert before is not None and after is not None
        tangent = max(before[1], after[0], 4.0)
        depth = tangent + setback + (crosswalk_depth + setback if plan.crosswalk else 0.0)
        tangents.append(tangent)
        legs.append(_leg(plan, depth, tangent + setback, crosswalk_depth))
    ring = _ring(plans, legs, corners, radii, tangents)
    connectors = _connectors(plans, legs, corners, radii)
    if ring is None or connectors is None or not _covered(ring, connectors):
        return None
    return Junction(tuple(legs), ring, connectors, find_conflicts(connectors), control, major)


def _covered(ring: Float, connectors: tuple[Connector, ...]) -> bool:
    paved = shapely.buffer(shapely.Polygon(ring), 1e-6)
    shapely.prepare(paved)
    bands = [shapely.Polygon(ribbon(item.curve, item.width / 2, item.width / 2)) for item in connectors]
    return bool(shapely.covers(paved, bands).all())


def find_conflicts(connectors: tuple[Connector, ...]) -> tuple[Conflict, ...]:
    """Every pair of connectors whose 2.1 m wide swept bands meet."""
    found = []
    stations = [lengths(item.curve) for item in connectors]
    for first, one in enumerate(connectors):
        for second in range(first + 1, len(connectors)):
            other = connectors[second]
            meets = _meeting(one.curve, stations[first], other.curve, stations[second], SWEEP_WIDTH)
            if meets[0] < 0:
                continue
            if (one.leg_in, one.lane_in) == (other.leg_in, other.lane_in):
                kind = "diverge"
            elif (one.leg_out, one.lane_out) == (other.leg_out, other.lane_out):
                kind = "merge"
            else:
                kind = "cross"
            found.append(Conflict(first, second, kind, (meets[0], meets[1]), (meets[2], meets[3])))
    return tuple(found)


@kernel
def _meeting(one, one_s, other, other_s, reach):  # type: ignore[no-untyped-def]
    a0, a1, b0, b1 = -1.0, -1.0, -1.0, -1.0
    for i in range(len(one)):
        for j in range(len(other)):
            if (one[i, 0] - other[j, 0]) ** 2 + (one[i, 1] - other[j, 1]) ** 2 < reach * reach:
                if a0 < 0:
                    a0, b0, b1 = one_s[i], other_s[j], other_s[j]
                a1 = one_s[i]
                b0, b1 = min(b0, other_s[j]), max(b1, other_s[j])
    return a0, a1, b0, b1


def _axes(plan: LegPlan) -> tuple[Float, Float, Float]:
    out = np.array((np.cos(plan.angle), np.sin(plan.angle)))
    left = np.array((-out[1], out[0]))
    return out, left, plan.shift * left


def _corner(plan: LegPlan, following: LegPlan, radius: float) -> tuple[float, float] | None:
    """Where the kerb fillet starts, as distance along this leg and along the next one; None without room."""
    between = (following.angle - plan.angle) % (2 * np.pi)
    if between < np.radians(45.0):
        return None
    if between > STRAIGHT_ENOUGH:
        return 4.0, 4.0
    out, left, anchor = _axes(plan)
    out_next, left_next, anchor_next = _axes(following)
    here = anchor + left * plan.section.edge(forward=False)
    there = anchor_next - left_next * following.section.edge(forward=True)
    gap, cross = there - here, np.sin(between)
    along = (gap[0] * out_next[1] - gap[1] * out_next[0]) / cross
    along_next = (gap[0] * out[1] - gap[1] * out[0]) / cross
    tangent = radius / np.tan(between / 2)
    return along + tangent, along_next + tangent


def _leg(plan: LegPlan, depth: float, crosswalk_from: float, crosswalk_depth: float) -> Leg:
    out, left, anchor = _axes(plan)
    section = plan.section
    to_left, to_right = section.edge(forward=False), section.edge(forward=True)
    mouth = np.array((*(anchor + depth * out), plan.angle))
    stop = np.stack(
        [
            anchor + depth * out + left * d
            for d in (section.median / 2, section.median / 2 + section.backward * section.width)
        ]
    )
    if not plan.crosswalk:
        return Leg(mouth, section, None, None, stop)
    near, far = crosswalk_from, crosswalk_from + crosswalk_depth
    ring = np.stack(
        [anchor + a * out + d * left for a, d in ((near, to_left), (near, -to_right), (far, -to_right), (far, to_left))]
    )
    middle = anchor + (near + far) / 2 * out
    crossing = np.stack((middle - to_right * left, middle + to_left * left))
    return Leg(mouth, section, ring, crossing, stop)


def _ring(
    plans: tuple[LegPlan, ...],
    legs: list[Leg],
    corners: list[tuple[float, float] | None],
    radii: tuple[float, ...],
    tangents: list[float],
) -> Float | None:
    points: list[Float] = []
    for index, plan in enumerate(plans):
        following = (index + 1) % len(plans)
        out, left, anchor = _axes(plan)
        out_next, left_next, anchor_next = _axes(plans[following])
        edge = left * plan.section.edge(forward=False)
        edge_next = -left_next * plans[following].section.edge(forward=True)
        points.append((legs[index].mouth[:2] - left * plan.section.edge(forward=True))[None])
        begin, end = legs[index].mouth[:2] + edge, legs[following].mouth[:2] + edge_next
        between = (plans[following].angle - plan.angle) % (2 * np.pi)
        if between > STRAIGHT_ENOUGH:
            # No corner to round: the kerb runs straight past the crosswalks and bends in between.
            near = anchor + edge + tangents[index] * out
            far = anchor_next + edge_next + tangents[following] * out_next
            kerb = join((*near, plan.angle + np.pi), (*far, plans[following].angle), least_radius=1.0)
            if kerb is None:
                return None
            points += [begin[None], kerb[:, :2], end[None]]
            continue
        corner = corners[index]
        assert corner is not None
        start = anchor + edge + corner[0] * out
        center = start + left * radii[index]
        swing = np.pi - between
        # The fillet turns clockwise seen along the ring: its centre lies outside the paved area.
        first = plan.angle - np.pi / 2
        arc = first - swing * np.linspace(0.0, 1.0, max(5, int(np.ceil(swing * radii[index] / 0.7)) + 1))
        points += [begin[None], center + radii[index] * np.column_stack((np.cos(arc), np.sin(arc))), end[None]]
    ring = np.concatenate(points)
    keep = np.hypot(*(ring - np.roll(ring, 1, axis=0)).T) > 1e-6
    return ring[keep]


def movement_of(plan: LegPlan, target: LegPlan) -> tuple[Movement, float]:
    """Kind and deflection [rad, left positive] of the movement from one leg to another."""
    turn = float(wrap_angle(target.angle - plan.angle - np.pi))
    if abs(turn) < np.radians(40.0):
        return Movement.THROUGH, turn
    return (Movement.LEFT if turn > 0 else Movement.RIGHT), turn


def permitted(plans: tuple[LegPlan, ...], leg: int) -> list[tuple[int, int, int, Movement]]:
    """Movements (lane in, leg out, lane out, kind) of one leg, none of which crosses another of the same leg."""
    lanes = plans[leg].section.backward
    targets: dict[Movement, list[int]] = {kind: [] for kind in Movement}
    for other, plan in enumerate(plans):
        if other != leg and plan.section.forward > 0:
            targets[movement_of(plans[leg], plan)[0]].append(other)
    if len(targets[Movement.THROUGH]) > 1:
        straight = min(targets[Movement.THROUGH], key=lambda other: abs(movement_of(plans[leg], plans[other])[1]))
        for other in targets[Movement.THROUGH]:
            if other != straight:
                side = Movement.LEFT if movement_of(plans[leg], plans[other])[1] > 0 else Movement.RIGHT
                targets[side].append(other)
        targets[Movement.THROUGH] = [straight]
    if lanes == 0:
        return []
    moves = []
    has_left, has_right = bool(targets[Movement.LEFT]), bool(targets[Movement.RIGHT])
    for out in targets[Movement.LEFT]:
        moves.append((0, out, 0, Movement.LEFT))
    for out in targets[Movement.RIGHT]:
        moves.append((lanes - 1, out, plans[out].section.forward - 1, Movement.RIGHT))
    for out in targets[Movement.THROUGH]:
        exits = plans[out].section.forward
        first = plans[leg].left_only or (1 if has_left and lanes >= 3 and exits < lanes else 0)
        for lane in range(first, lanes - plans[leg].right_only):
            target = lane - first if exits < lanes else lane
            if target < exits:
                moves.append((lane, out, target, Movement.THROUGH))
    if not targets[Movement.THROUGH]:
        # On a stem every lane needs a way out: the inner half turns left, the outer half right. Where two legs lie on
        # one side, further lanes take the one with the smaller turn: they would cross the first lane's way to it.
        for side in (Movement.LEFT, Movement.RIGHT):
            targets[side].sort(key=lambda other: abs(movement_of(plans[leg], plans[other])[1]))
        for lane in range(1, lanes - 1):
            side = Movement.LEFT if has_left and (lane < lanes / 2 or not has_right) else Movement.RIGHT
            for out in targets[side][:1]:
                exits = plans[out].section.forward
                target = lane if side is Movement.LEFT else exits - (lanes - lane)
                if 0 <= target < exits:
                    moves.append((lane, out, target, side))
        if lanes > 1 and not has_right:
            moves += [
                (lanes - 1, out, lanes - 1, Movement.LEFT)
                for out in targets[Movement.LEFT][:1]
                if plans[out].section.forward >= lanes
            ]
        if lanes > 1 and not has_left:
            moves += [
                (0, out, plans[out].section.forward - lanes, Movement.RIGHT)
                for out in targets[Movement.RIGHT][:1]
                if plans[out].section.forward >= lanes
            ]
    return moves


def _connectors(
    plans: tuple[LegPlan, ...], legs: list[Leg], corners: list[tuple[float, float] | None], radii: tuple[float, ...]
) -> tuple[Connector, ...] | None:
    built = []
    for leg, plan in enumerate(plans):
        moves = permitted(plans, leg)
        if len({move[0] for move in moves}) != plan.section.backward:
            return None
        for lane_in, leg_out, lane_out, kind in moves:
            target = plans[leg_out]
            start = _lane_pose(legs[leg].mouth, plan.section.lane_offset(lane_in, forward=False), inward=True)
            end = _lane_pose(legs[leg_out].mouth, target.section.lane_offset(lane_out, forward=True), inward=False)
            most = np.inf
            if kind is Movement.RIGHT and leg_out == (leg + 1) % len(plans) and corners[leg] is not None:
                swing = np.pi - (target.angle - plan.angle) % (2 * np.pi)
                inside = plan.section.gutter + plan.section.width / 2
                most = (radii[leg] + inside) * np.tan(swing / 2)
            elif kind is not Movement.THROUGH:
                most = 22.0 * np.tan(abs(movement_of(plan, target)[1]) / 2)
            curve = join(start, end, most)
            if curve is None:
                return None
            share = smooth_step(lengths(curve) / lengths(curve)[-1])
            width = plan.section.width + (target.section.width - plan.section.width) * share
            built.append(Connector(leg, lane_in, leg_out, lane_out, kind, curve, width))
    return tuple(built)


def _lane_pose(mouth: Float, offset: float, inward: bool) -> NDArray[np.float64]:
    x, y, heading = mouth
    point = (x - offset * np.sin(heading), y + offset * np.cos(heading))
    return np.array((*point, float(wrap_angle(heading + np.pi)) if inward else heading))
