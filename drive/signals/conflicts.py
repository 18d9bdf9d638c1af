"""Where the route crosses or joins the ways of others in junctions, who has the right of way there, and who comes.

A conflict is the stretch that the route's connector and another connector have in common. An agent drives on the other
connector if it is seen on it; one that is still on the approach is taken to go straight on.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.geometry import arc_length, wrap_angle
from drive.map import StopCause, VectorMap
from drive.scene import DRIVING_KINDS, DT, Lights, LightState
from drive.signals.ahead import Course, turn_of
from drive.signals.kernels.road import project_all
from drive.signals.road import RouteFrame
from drive.signals.stop_lines import lanes_of
from drive.signals.world import World
from drive.signals.zones import Bool, Float, Int

SPACING = 0.5  # m between the points of a way
BEFORE, BEYOND = 60.0, 20.0  # m of the way before the connector and behind it
HALF_CAR = 1.1  # m, half the width of another car and a little room
TURN = np.radians(30.0)  # more than this is a turn
SIDE = np.radians(45.0), np.radians(135.0)  # between these another approach lies to the side, beyond them ahead
ON_WAY, ON_WAY_ANGLE = 2.0, np.radians(60.0)  # m, rad: who is this near to a way, and points so, is on it
MOVING = 0.1  # m/s
LONGEST = 20.0  # s, no time is longer
COMFORT = 3.5  # m/s2, braking that a driver who means to give way may still need
LEAST_SINE = 0.3  # of the angle between two ways that cross
_COARSE = 8


class Way(NamedTuple):
    """A connector with its approach and exit: ``points [P, 2]`` every half metre, ``arc``, ``heading [P]``; the
    connector itself lies between the arcs ``begin`` and ``end`` [m]."""

    points: Float
    arc: Float
    heading: Float
    begin: float
    end: float


class Conflict(NamedTuple):
    """A conflict: on the route between ``begin`` and ``end``, on the ``other`` connector's way between ``other_begin``
    and ``other_end`` (arcs [m]). Whether those on it come from the ``right`` at a junction without signs and signals,
    have ``priority`` by a sign, or are ``oncoming`` to an ego that turns across their way. ``own``: the route's
    connector; ``line [P, 2]`` [m]: the other way within the conflict; ``way``: all of it; ``merges``: the two lead into
    one lane."""

    begin: float
    end: float
    other: int
    other_begin: float
    other_end: float
    right: bool
    priority: bool
    oncoming: bool
    own: int
    line: Float
    way: Way
    merges: bool


class Traffic(NamedTuple):
    """Agents at one conflict, ``[A, T]``: ``inside`` it; ``room`` [m] from the front bumper to it for those who
    approach it (inf for others); ``after`` [s] since they left it (inf for others); ``rear``, ``front`` arcs [m] of
    their bumpers on the other way (nan for those who are not on it, or have red)."""

    inside: Bool
    room: Float
    after: Float
    rear: Float
    front: Float


def find_conflicts(
    vector_map: VectorMap, lights: Lights, frame: RouteFrame, way: Course, width: float, left_hand: bool
) -> list[Conflict]:
    """Conflicts on a route in which others have the right of way, for an ego of the given ``width`` [m]; ``left_hand``
    where traffic keeps left."""
    found = []
    others = np.setdiff1d(np.flatnonzero(vector_map.connector), way.lanes)
    for lane, (low, high) in zip(way.lanes.tolist(), way.span, strict=True):
        if not vector_map.connector[lane]:
            continue
        rows = np.flatnonzero((frame.arc >= low) & (frame.arc <= high))
        approach = set(vector_map.lane_predecessors(lane).tolist())
        for other in others.tolist():
            right, priority, oncoming = _claims(vector_map, lights, lane, other, left_hand)
            if not (right or priority or oncoming) or approach & set(vector_map.lane_predecessors(other).tolist()):
                continue
            line = build_way(vector_map, other)
            merges = bool(set(vector_map.lane_successors(lane)) & set(vector_map.lane_successors(other)))
            own = np.flatnonzero((line.arc >= line.begin) & (line.arc <= line.end))
            here = rows[_sweeps(frame.points, frame.heading, rows, line.points[own], width / 2, HALF_CAR)]
            there = own[_sweeps(line.points, line.heading, own, frame.points[rows], HALF_CAR, width / 2)]
            if len(here) and len(there):
                found.append(
                    Conflict(
                        float(frame.arc[here[0]]),
                        float(frame.arc[here[-1]]),
                        other,
                        float(line.arc[there[0]]),
                        float(line.arc[there[-1]]),
                        right,
                        priority,
                        oncoming,
                        lane,
                        line.points[there[0] : there[-1] + 1],
                        line,
                        merges,
                    )
                )
    return found


def _sweeps(points: Float, heading: Float, rows: Int, others: Float, half: float, reach: float) -> Bool:
    """At which ``rows [R]`` of a way ``points [P, 2]``, ``heading [P]`` a bumper, ``half`` m to either side, comes
    within ``reach`` m of any of ``others [O, 2]``: ``[R]``."""
    spread = half + reach
    own = points[rows]
    if not len(own) or not len(others):
        return np.zeros(len(rows), np.bool_)
    if (own.min(axis=0) - spread > others.max(axis=0)).any() or (own.max(axis=0) + spread < others.min(axis=0)).any():
        return np.zeros(len(rows), np.bool_)
    cos, sin = np.cos(heading[rows])[:, None], np.sin(heading[rows])[:, None]
    dx, dy = others[:, 0] - own[:, :1], others[:, 1] - own[:, 1:]
    aside = np.maximum(np.abs(dy * cos - dx * sin) - half, 0.0)
    near: Bool = (np.hypot(dx * cos + dy * sin, aside) <= reach).any(axis=1)
    return near


def _claims(vector_map: VectorMap, lights: Lights, lane: int, other: int, left_hand: bool) -> tuple[bool, bool, bool]:
    """Whether those on connector ``other`` come from the right, have priority, are oncoming, for one on ``lane``."""
    own_sign, other_sign = gives_way(vector_map, lane), gives_way(vector_map, other)
    signals = signalled(vector_map, lights, lane) or signalled(vector_map, lights, other)
    begin, other_begin = vector_map.lane_centerline(lane)[0, 2], vector_map.lane_centerline(other)[0, 2]
    turned = float(wrap_angle(other_begin - begin))  # positive: the other drives towards the ego's left
    right = not signals and not own_sign and not other_sign and SIDE[0] < turned < SIDE[1]
    priority = not signals and own_sign and not other_sign
    oncoming = False
    if abs(turned) > SIDE[1] and (own_sign or not other_sign):
        turn, other_turn = turn_of(vector_map, lane), turn_of(vector_map, other)
        wide = -1.0 if left_hand else 1.0  # the side to which a turn crosses the oncoming lanes
        oncoming = wide * turn > TURN and wide * other_turn <= TURN
    return right, priority, oncoming


def gives_way(vector_map: VectorMap, lane: int) -> bool:
    """Whether a stop or yield sign stands before a connector."""
    return _closed(vector_map, lane, StopCause.STOP_SIGN, StopCause.YIELD)


def signalled(vector_map: VectorMap, lights: Lights, lane: int) -> bool:
    """Whether a traffic light rules a connector, known by its states or by its line."""
    return lane in lights.lane or _closed(vector_map, lane, StopCause.SIGNAL)


def _closed(vector_map: VectorMap, lane: int, *causes: StopCause) -> bool:
    names = {lane, *vector_map.lane_predecessors(lane).tolist()}
    return any(names & lanes_of(vector_map, int(row)) for row in np.flatnonzero(np.isin(vector_map.stop_cause, causes)))


def _straightest(
    vector_map: VectorMap, lane: int, beyond: Callable[[int], NDArray[np.int32]], reach: float
) -> list[int]:
    """Lanes that go on from ``lane`` in one direction, the straightest at forks, for ``reach`` [m] or to the end."""
    found: list[int] = []
    length, last = 0.0, lane
    while length < reach and len(options := beyond(last)):
        last = min(options.tolist(), key=lambda option: abs(turn_of(vector_map, option)))
        if last in found or last == lane:
            break
        found.append(last)
        length += float(arc_length(vector_map.lane_centerline(last))[-1])
    return found


def build_way(vector_map: VectorMap, lane: int) -> Way:
    """The way of those who drive on a connector: straightest lanes before and behind it."""
    before = _straightest(vector_map, lane, vector_map.lane_predecessors, BEFORE)
    after = _straightest(vector_map, lane, vector_map.lane_successors, BEYOND)
    parts = [vector_map.lane_centerline(name)[:, :2] for name in (*reversed(before), lane, *after)]
    points = np.concatenate(parts)
    arc = arc_length(points)
    first_row = sum(len(part) for part in parts[: len(before)])
    last_row = first_row + len(parts[len(before)]) - 1
    keep = np.concatenate(((True,), np.diff(arc) > 1e-6))
    at = np.arange(max(0.0, arc[first_row] - BEFORE), min(arc[-1], arc[last_row] + BEYOND), SPACING)
    even = np.column_stack([np.interp(at, arc[keep], points[keep, axis]) for axis in (0, 1)])
    step = np.gradient(even, axis=0)
    return Way(
        np.ascontiguousarray(even),
        arc_length(even),
        np.arctan2(step[:, 1], step[:, 0]),
        float(arc[first_row] - at[0]),
        float(arc[last_row] - at[0]),
    )


class Drivers(NamedTuple):
    """Agents on a way, ``[A, T]``: arc ``s`` [m] of their centre, whether they are ``on`` it; ``misfit [A]`` mean
    distance [m] from the connector itself, inf for those never seen on it."""

    s: Float
    on: Bool
    misfit: Float


def drivers_on(way: Way, world: World) -> Drivers:
    """Find the vehicles on a way."""
    s, on = np.zeros(world.valid.shape), np.zeros(world.valid.shape, np.bool_)
    aside = np.full(world.valid.shape, np.inf)
    low, high = way.points.min(axis=0) - ON_WAY, way.points.max(axis=0) + ON_WAY
    near = world.valid & np.isin(world.kind, DRIVING_KINDS)[:, None]
    near &= ((world.position >= low) & (world.position <= high)).all(axis=2)
    if near.any():
        at, d, row = project_all(way.points, way.arc, _COARSE, np.ascontiguousarray(world.position[near]))
        turned = np.abs(wrap_angle(world.heading[near] - way.heading[row]))
        s[near], aside[near] = at, np.abs(d)
        on[near] = (np.abs(d) <= ON_WAY) & (turned <= ON_WAY_ANGLE) & (at >= 0.0) & (at <= way.arc[-1])
    own = on & (s >= way.begin) & (s <= way.end)
    count = own.sum(axis=1)
    total = np.where(own, aside, 0.0).sum(axis=1)
    return Drivers(s, on, np.where(count > 0, total / np.maximum(count, 1), np.inf))


def traffic(world: World, conflicts: list[Conflict], state: NDArray[np.int8]) -> list[Traffic]:
    """Who is in, comes to, or has left each conflict. ``state [L, T]`` light states: who has red does not come."""
    vector_map, lights = world.road.map, world.scenario.lights
    known: dict[int, tuple[Way, Drivers]] = {}

    def look(lane: int) -> tuple[Way, Drivers]:
        if lane not in known:
            way = build_way(vector_map, lane)
            known[lane] = way, drivers_on(way, world)
        return known[lane]

    found = []
    for conflict in conflicts:
        way, drivers = look(conflict.other)
        takes = _takes(vector_map, conflict.other, lambda lane: look(lane)[1].misfit)
        takes &= ~(_first(look(conflict.own)[1].on) < _first(drivers.on))  # who came along the ego's own way
        on = drivers.on & takes[:, None]
        half = world.size[:, :1] / 2
        begin, end = conflict.other_begin, conflict.other_end
        inside = on & (drivers.s + half > begin) & (drivers.s - half < end)
        coming = on & (drivers.s + half <= begin)
        for row in np.flatnonzero(lights.lane == conflict.other):
            coming &= (state[row] != LightState.RED) | (drivers.s + half > way.begin + 1.0)
        samples = np.arange(inside.shape[1])
        last = np.maximum.accumulate(np.where(inside, samples, -1), axis=1)
        after = np.where((last >= 0) & ~inside, (samples - last) * DT, np.inf)
        counts = on & (coming | (drivers.s + half > begin))
        rear, front = (np.where(counts, drivers.s + end_of, np.nan) for end_of in (-half, half))
        found.append(Traffic(inside, np.where(coming, begin - drivers.s - half, np.inf), after, rear, front))
    return found


def _first(on: Bool) -> Int:
    """First sample ``[A]`` at which agents are on a way, the number of samples for none."""
    return np.where(on.any(axis=1), on.argmax(axis=1), on.shape[1])


def _takes(vector_map: VectorMap, lane: int, misfit: Callable[[int], Float]) -> Bool:
    """Agents that take this connector and not another one of the same approach."""
    rivals = {lane}
    for approach in vector_map.lane_predecessors(lane):
        rivals |= set(vector_map.lane_successors(approach).tolist())
    order = sorted(rivals, key=lambda rival: (abs(turn_of(vector_map, rival)), rival))  # unseen: the straightest
    fits = np.stack([misfit(rival) for rival in order])
    takes: Bool = fits.argmin(axis=0) == order.index(lane)
    return takes


def in_way(boxes: Float, size: Float, line: Float) -> Bool:
    """Whether boxes ``[..., 3]`` (x, y [m], rad) of one ``size`` [m] reach into the strip that cars need who drive
    along a ``line [P, 2]`` [m]: ``[...]``."""
    away = line - boxes[..., None, :2]
    cos, sin = np.cos(boxes[..., 2, None]), np.sin(boxes[..., 2, None])
    ahead = np.maximum(np.abs(away[..., 0] * cos + away[..., 1] * sin) - size[0] / 2, 0.0)
    aside = np.maximum(np.abs(away[..., 1] * cos - away[..., 0] * sin) - size[1] / 2, 0.0)
    near: Bool = (np.hypot(ahead, aside) <= HALF_CAR).any(axis=-1)
    return near


def time_apart(found: Traffic, speed: Float) -> tuple[Float, Int]:
    """Shortest time ``[T]`` [s] between now and anybody's presence in a conflict, and whose it is (-1): 0 while one is
    inside, the time since one left, or the time until one arrives at its present ``speed [A, T]`` [m/s]."""
    arrives = np.where(speed > MOVING, found.room / np.maximum(speed, MOVING), np.inf)
    apart = np.where(found.inside, 0.0, np.minimum(found.after, arrives))
    return _soonest(apart)


def time_between(others: tuple[Float, Float, Float], ego: tuple[Float, Float, Float]) -> tuple[Float, Int]:
    """:func:`time_apart` where two ways become one, ``[B, T]``: there one follows the other, and both may be in the
    stretch that they share. What counts is the time in which the one behind is where the one ahead is now.

    Rear and front, arcs [m] on the other way, and speed [m/s], of ``others [A, T]`` (nan for those who do not count)
    and the ``ego [B, T]``.
    """
    best = np.full(ego[0].shape, LONGEST)
    who = np.full(ego[0].shape, -1, np.int64)
    for agent in np.flatnonzero(~np.isnan(others[1]).all(axis=1)):
        rear, front, speed = (part[agent] for part in others)
        behind, ahead = ego[0] - front, rear - ego[1]
        gap, pace = np.maximum(behind, ahead), np.where(behind >= 0.0, speed, ego[2])
        time = np.where(gap <= 0.0, 0.0, np.where(pace > MOVING, gap / np.maximum(pace, MOVING), np.inf))
        nearer = time < best  # with nan never
        best, who = np.where(nearer, time, best), np.where(nearer, agent, who)
    return best, who


def time_until(found: Traffic, speed: Float) -> tuple[Float, Int]:
    """As :func:`time_apart`, of those who are inside or still come."""
    arrives = np.where(speed > MOVING, found.room / np.maximum(speed, MOVING), np.inf)
    return _soonest(np.where(found.inside, 0.0, arrives))


def _soonest(apart: Float) -> tuple[Float, Int]:
    if not len(apart):
        return np.full(apart.shape[1], LONGEST), np.full(apart.shape[1], -1, np.int64)
    who = apart.argmin(axis=0)
    best = apart.min(axis=0)
    return np.minimum(best, LONGEST), np.where(best < LONGEST, who, -1)


def pass_in_front(
    ego: tuple[Float, Float, Float],
    ego_half: float,
    points: Float,
    arc: Float,
    stretch: tuple[float, float],
    walker: Float,
) -> Float:
    """Time ``[T]`` [s] between the ego and a walker in the place where the walker's way crosses the route.

    Both go on at constant speed, the walker straight on. 0 where both are there at once; 20, the most, also while the
    ego can stop before that place at 3.5 m/s2: that it would not at constant speed says nothing against it yet.

    Args:
        ego: ``front``, ``rear [T]`` arcs [m] of the bumpers, ``speed [T]`` [m/s].
        ego_half: Half the ego's width [m].
        points, arc: The route, ``[P, 2]``, ``[P]`` [m]; only crossings within ``stretch`` (arcs [m]) count.
        walker: ``[T, 5]``: x, y [m], velocity [m/s], and half its size [m].
    """
    front, rear, speed = ego
    rows = np.flatnonzero((arc[:-1] < stretch[1]) & (arc[1:] > stretch[0]))
    if not len(rows):
        return np.full(len(front), LONGEST)
    begin, step = points[rows], points[rows + 1] - points[rows]
    length = np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-9)
    pace = np.hypot(walker[:, 2], walker[:, 3])[:, None]
    half = walker[:, 4:]
    away = walker[:, None, :2] - begin  # [T, rows, 2]
    turn = step[:, 0] * walker[:, 3:4] - step[:, 1] * walker[:, 2:3]
    sine = turn / (length * np.maximum(pace, MOVING))
    usable = (pace >= MOVING) & (np.abs(sine) > LEAST_SINE)
    turn = np.where(usable, turn, 1.0)
    along = (away[..., 0] * walker[:, 3:4] - away[..., 1] * walker[:, 2:3]) / turn
    ahead = (away[..., 0] * step[:, 1] - away[..., 1] * step[:, 0]) / turn * pace
    reach = (ego_half + half) / np.maximum(np.abs(sine), LEAST_SINE)
    hit = usable & (along >= 0.0) & (along < 1.0) & (ahead >= -reach)
    row = np.where(hit, np.abs(ahead), np.inf).argmin(axis=1)
    each = np.arange(len(front))
    ahead, reach, pace, half = ahead[each, row], reach[each, row], np.maximum(pace[:, 0], MOVING), half[:, 0]
    place = arc[rows[row]] + along[each, row] * length[row]
    comes, goes = np.maximum((ahead - reach) / pace, 0.0), (ahead + reach) / pace
    moving = speed >= MOVING
    pace = np.where(moving, speed, 1.0)
    enters = np.where(
        moving, np.maximum((place - half - front) / pace, 0.0), np.where(front > place - half, 0.0, np.inf)
    )
    leaves = np.where(moving, (place + half - rear) / pace, np.inf)
    apart = np.where(comes > leaves, comes - leaves, np.where(enters > goes, enters - goes, 0.0))
    committed = front + speed * np.maximum(speed, 0.0) / (2.0 * COMFORT) > place - half
    meets = hit[each, row] & (rear < place + half) & committed
    return np.where(meets, np.minimum(apart, LONGEST), LONGEST)
