"""Who is in a scene: sizes and kinds, vehicles on lanes, parked vehicles, walkers. Plain records, before any motion."""

from dataclasses import dataclass, field

import numpy as np

from drive.drivers import CYCLING_SPEED, WALKING_SPEED, Driver
from drive.scene import AgentKind
from scenarios.generate.geometry import Float, lengths, offset
from scenarios.generate.network import Network
from scenarios.generate.paths import Way, at_arc, densify, heading_of, random_way, resample, rounded
from scenarios.generate.timing import FUTURE, RUN_IN

Rng = np.random.Generator

REACH_TIME = 20.0  # s; who would get further in a scene drives a little slower
BEHIND = 12.0
TURN_RADIUS = 0.75  # m: somebody who turns round on a crossing
ROLLING_OUT = 1.2  # m/s2 of those who come to a queue
KINDS = (AgentKind.CAR, AgentKind.TRUCK, AgentKind.BUS, AgentKind.MOTORCYCLE, AgentKind.BICYCLE)
SHARES = (0.81, 0.07, 0.04, 0.05, 0.03)


@dataclass(frozen=True)
class Actor:
    """One agent before it moves.

    Attributes:
        kind: What it is. ``size``: length and width [m].
        pose: ``[3]`` box centre and heading at the beginning.
        speed: m/s at the beginning.
        points, limit: Its path ``[N, 2]`` and the speed it suggests ``[N]``; empty for what never moves.
        critical: True for the actors of the family's event: they are never removed to resolve an overlap.
        role: What it is for (``lead``, ``background``, ...), stored in the provenance.
        driver: Driver parameters that the family sets, by column.
        cue_lead: Time [s] by which what it does is announced: INTENT for walkers, brake lights for vehicles. 0: not at
            all.
        first: True for who belongs to the event's place without being its actor: others who would begin in the same
            place are left out.
    """

    kind: AgentKind
    size: tuple[float, float]
    pose: Float
    speed: float
    points: Float
    limit: Float
    critical: bool = False
    role: str = "background"
    driver: dict[Driver, float] = field(default_factory=dict)
    cue_lead: float = 0.0
    first: bool = False


def draw_size(kind: AgentKind, rng: Rng) -> tuple[float, float]:
    """Length and width [m] by the measured distributions of real agents (five draws whatever the kind)."""
    one, two, three, _four = rng.standard_normal(4)
    share = rng.random()
    if kind == AgentKind.CAR:
        width = 2.0 + 0.15 * (0.56 * one + np.sqrt(1 - 0.56**2) * two)
        return float(np.clip(4.65 + 0.32 * one, 3.6, 5.6)), float(np.clip(width, 1.65, 2.3))
    if kind == AgentKind.TRUCK:
        length = 12.0 + 4.0 * abs(three) / 2.5 if share < 0.15 else 6.1 * np.exp(0.22 * one)
        return float(np.clip(length, 4.5, 16.5)), float(np.clip(2.3 + 0.2 * two, 1.95, 2.55))
    if kind == AgentKind.EMERGENCY:  # ambulances, and every fourth a fire engine
        length = 8.0 if share < 0.25 else 5.9
        return float(np.clip(length + 0.4 * one, 5.0, 9.0)), float(
            2.3 + 0.2 * (share < 0.25) + 0.04 * np.clip(two, -2, 2)
        )
    if kind == AgentKind.BUS:
        return float(np.clip(11.0 + 2.0 * one, 7.0, 18.0)), float(2.55 + 0.2 * share)
    if kind == AgentKind.MOTORCYCLE:
        return float(np.clip(2.05 + 0.3 * one, 1.4, 2.7)), 0.85
    if kind == AgentKind.BICYCLE:
        return float(np.clip(1.8 + 0.13 * one, 1.5, 2.1)), 0.63
    return float(np.clip(0.75 + 0.15 * one, 0.45, 1.1)), float(np.clip(0.71 + 0.11 * two, 0.5, 0.95))


def driving(
    way: Way,
    arc: float,
    speed: float,
    kind: AgentKind,
    size: tuple[float, float],
    *,
    side: float = 0.0,
    aside: float = 0.0,
    critical: bool = False,
    role: str = "background",
    driver: dict[Driver, float] | None = None,
    cue_lead: float = 0.0,
) -> Actor | None:
    """A vehicle on a way at an arc length, or None where the way ends within its reach.

    ``side`` [m, left positive] keeps it off the lane centre (cyclists). ``aside`` [m, left positive] has it begin
    beside its path (at the kerb, in the next lane); it returns at once unless ``Action.OFFSET`` with that TARGET and
    RATE 0 at time 0 holds it there. The path begins a little behind and ends well beyond what can be reached, so that
    nobody brakes for the end of the world.
    """
    curve, length, arcs = way.curve, way.length, way.arc
    first = max(0.0, arc - BEHIND)
    cycling = kind == AgentKind.BICYCLE
    top = CYCLING_SPEED * 1.9 if cycling else 1.2 * float(way.limit[arcs >= arc].max(initial=0.0))
    last = arc + top * REACH_TIME + 60.0
    if last > length:
        return None
    stations = np.concatenate((np.arange(first, last, 0.5), (last,)))
    line = resample(curve, arcs, stations)
    if side:
        line = offset(line, side)
    limit = np.interp(stations, arcs, way.limit)
    pose = at_arc(way, arc)
    if side or aside:
        pose = offset(pose[None], side + aside)[0]
    return Actor(
        kind,
        size,
        pose[:3],
        min(speed, safe_speed(way, arc)),
        line[:, :2],
        np.full(len(line), CYCLING_SPEED) if cycling else limit,
        critical,
        role,
        driver or {},
        cue_lead,
    )


def safe_speed(way: Way, arc: float) -> float:
    """Speed [m/s] at an arc length that still allows every bend ahead at 2 m/s2, braking at 1.5 m/s2."""
    ahead = way.arc >= arc
    bend = np.sqrt(2.0 / np.maximum(np.abs(way.curve[ahead, 3]), 1e-4))
    return float(np.sqrt(bend**2 + 2.0 * 1.5 * (way.arc[ahead] - arc)).min())


def parked(network: Network, rng: Rng, occupancy: float, keep_clear: Float, clear: float = 10.0) -> list[Actor]:
    """Vehicles standing in the parking strips, none within ``clear`` [m] of the points ``keep_clear [C, 2]``."""
    found = []
    for road in network.roads:
        section = road.section
        if section.parking <= 0.0:
            continue
        along = lengths(road.curve)
        low, high = 15.0 if road.start else 3.0, along[-1] - (15.0 if road.end else 3.0)
        for forward in (True, False):
            side = network.side if forward else -network.side
            place = low + float(rng.uniform(0.0, 4.0))
            while place < high:
                size = draw_size(AgentKind.CAR, rng)
                gap, away, taken = rng.uniform(0.6, 1.6), rng.normal(0.15, 0.08), rng.random() < occupancy
                middle = place + size[0] / 2
                place += size[0] + gap
                if not taken or place > high:
                    continue
                size = (size[0], min(size[1], section.parking - 0.1))
                lateral = section.edge(forward) + np.clip(away, 0.05, section.parking - size[1]) + size[1] / 2
                pose = offset(resample(road.curve, along, np.array((middle,))), side * lateral)[0, :3]
                if len(keep_clear) and np.hypot(*(keep_clear - pose[:2]).T).min() < clear:
                    continue
                if not forward:
                    pose[2] += np.pi
                found.append(standing(AgentKind.CAR, size, pose, "parked"))
    return found


def standing(kind: AgentKind, size: tuple[float, float], pose: Float, role: str, cue_lead: float = 0.0) -> Actor:
    """Something that never moves."""
    return Actor(kind, size, pose, 0.0, np.zeros((0, 2)), np.zeros(0), role=role, cue_lead=cue_lead)


def walking(points: Float, speed: float, size: tuple[float, float], **more: object) -> Actor:
    """A walker at the first of ``points [P, 2]``; ``speed`` at the beginning [m/s]."""
    pose = np.array((*points[0], heading_of(points)))
    return Actor(AgentKind.PEDESTRIAN, size, pose, speed, points, np.full(len(points), WALKING_SPEED), **more)  # type: ignore[arg-type]


def strollers(network: Network, rng: Rng, count: int, near: Float, radius: float) -> list[Actor]:
    """Up to ``count`` people walking along the walkways within ``radius`` [m] of a point ``near [2]``."""
    options = []
    for number, road in enumerate(network.roads):
        if road.section.walkway > 0.0:
            along = lengths(road.curve)
            close = np.hypot(*(road.curve[:, :2] - near).T) < radius
            clear = (along > (25.0 if road.start else 2.0)) & (along < along[-1] - (25.0 if road.end else 2.0))
            options += [(number, float(station)) for station in along[close & clear][::3]]
    found: list[Actor] = []
    for _ in range(count if options else 0):
        number, station = options[int(rng.integers(len(options)))]
        road = network.roads[number]
        section, along = road.section, lengths(road.curve)
        right, backwards, within = rng.random() < 0.5, rng.random() < 0.5, rng.uniform(0.0, 0.3)
        size = draw_size(AgentKind.PEDESTRIAN, rng)
        # Both directions keep to the outer part of their own half, so that nobody walks into anybody.
        lateral = (
            section.edge(right) + section.parking + (0.15 + within if backwards else 0.85 - within) * section.walkway
        )
        stations = station + (-1.0 if backwards else 1.0) * np.arange(0.0, 80.0, 1.0)
        inside = stations[(stations >= 0.0) & (stations <= along[-1])]
        if len(inside) < 45:
            continue
        line = resample(road.curve, along, np.sort(inside))
        points = offset(line, (network.side if right else -network.side) * lateral)[:, :2]
        points = densify(points[::-1] if backwards else points)
        if any(np.hypot(*(points[0] - other.points[0])) < 6.0 for other in found):
            continue
        found.append(walking(points, WALKING_SPEED, size, role="stroller"))
    return found


def crossing_line(
    network: Network, number: int, start: float, shift: float, from_first: bool, turn_back: float = 0.0
) -> Float:
    """A walker's line ``[P, 2]`` over crossing ``number``, from the kerb at the first end of its line or from the
    other.

    It begins ``start`` [m] before the kerb, keeps ``shift`` > 0 [m] from the middle on one's own side, and goes on
    along the far walkway, or into a house where that would lead into a junction. With ``turn_back`` in (0, 1) it turns
    round at that share of the road's width and comes back.
    """
    item = network.crossings[number]
    near, far = (item.line[0], item.line[1]) if from_first else (item.line[1], item.line[0])
    walk = (far - near) / np.hypot(*(far - near))
    # One's own side, where one also turns off: the other half belongs to those who come the other way.
    normal = network.side * np.array((-walk[1], walk[0]))
    width = float(np.hypot(*(far - near)))
    begin = near + shift * normal - start * walk
    if turn_back > 0.0:
        top, aside = near + shift * normal + turn_back * width * walk, 2.0 * TURN_RADIUS * normal
        bow = top + aside / 2
        arc = [bow - TURN_RADIUS * (np.cos(a) * normal - np.sin(a) * walk) for a in np.linspace(0.0, np.pi, 33)]
        home = near + shift * normal + aside - 2.5 * walk
        after = rounded(np.array((arc[-1], home, home + 30.0 * normal)))
        return densify(np.concatenate((begin[None], np.array(arc), after)), 0.25)
    if item.junction >= 0 and not _leads_away(network, number, normal):
        return densify(np.stack((begin, far + shift * normal + 14.0 * walk)), 0.25)  # round the corner is the junction
    # Who walks further in turns further out, so that files stay apart on the walkway too.
    end = far + shift * normal + max(3.7 - abs(shift), 2.0) * walk
    return rounded(np.array((begin, end, end + 45.0 * normal)))


def _leads_away(network: Network, number: int, direction: Float) -> bool:
    """True if ``direction`` [2] at a junction's crossing leads away from that junction."""
    item = network.crossings[number]
    center = network.junctions[item.junction].ring.mean(axis=0)
    return bool(np.dot(item.line.mean(axis=0) - center, direction) > 0.0)


def traffic(
    network: Network,
    rng: Rng,
    density: float,
    near: Float,
    radius: float,
    most: int,
    taken: list[tuple[int, float, float]],
    queues: float = 0.0,
) -> list[Actor]:
    """Vehicles on the lanes within ``radius`` [m] of a point, in random order, at most ``most``.

    ``density`` scales how close they follow each other (1: time gaps of about 3 s). ``taken`` lists stretches (lane,
    from, to) [m] that stay free: the ego, and what the family has put on the road. Nobody begins where the map would
    end before the scene does. ``queues`` is the share of lanes into a junction at whose end some already stand, and who
    comes slows down: without them a scene begins with nobody waiting anywhere, and traffic only ever gets slower.
    """
    found: list[Actor] = []
    vector_map = network.map
    for lane in np.flatnonzero(~vector_map.connector):
        curve = network.curves[lane]
        along = lengths(curve)
        close = along[np.hypot(*(curve[:, :2] - near).T) < radius]
        if not len(close):
            continue
        limit = float(vector_map.speed_limit[lane])
        place = close[0] + float(rng.uniform(4.0, 30.0))
        end = along[-1] - 6.0
        if queues and vector_map.connector[vector_map.lane_successors(int(lane))].any() and rng.random() < queues:
            line, end = _queue(network, rng, int(lane), along[-1], taken)
            found += line
        while place < min(close[-1], end):
            kind = KINDS[int(rng.choice(len(KINDS), p=SHARES))]
            size = draw_size(kind, rng)
            speed = limit * float(rng.uniform(0.65, 1.0))
            if end < along[-1] - 6.0:
                speed = min(speed, float(np.sqrt(2.0 * ROLLING_OUT * (end - place))))
            headway = float(np.clip(rng.lognormal(np.log(3.0 / max(density, 0.05)), 0.6), 1.2, 40.0))
            way = random_way(network, int(lane), rng)
            bicycle = kind == AgentKind.BICYCLE
            # Cyclists keep to the kerb.
            actor = driving(
                way, place, 4.2 if bicycle else speed, kind, size, side=network.side * 0.9 if bicycle else 0.0
            )
            half = size[0] / 2 + 2.0
            free = all(lane != at or place + half < low or place - half > high for at, low, high in taken)
            lasts = way.length - place > 1.3 * limit * (RUN_IN + FUTURE) + 60.0
            if actor is not None and free and lasts and place - size[0] / 2 > 1.0:
                found.append(actor)
            place += size[0] + 2.0 + headway * max(speed, 3.0)
    order = rng.permutation(len(found))
    return [found[index] for index in order[:most]]


def _queue(
    network: Network, rng: Rng, lane: int, end: float, taken: list[tuple[int, float, float]]
) -> tuple[list[Actor], float]:
    """Vehicles that stand at the end [m] of a lane, and where the next one would stop."""
    found: list[Actor] = []
    front = end - float(rng.uniform(1.0, 2.5))
    for _ in range(1 + int(rng.poisson(1.5))):
        kind = KINDS[int(rng.choice(len(KINDS), p=SHARES))]
        size = draw_size(kind, rng)
        place = front - size[0] / 2
        free = all(lane != at or front < low or front - size[0] > high for at, low, high in taken)
        way = random_way(network, lane, rng)
        actor = driving(way, place, 0.0, kind, size) if free and kind != AgentKind.BICYCLE and place > 8.0 else None
        if actor is None:
            break
        found.append(actor)
        front -= size[0] + float(rng.lognormal(np.log(1.9), 0.4))
    return found, front - 6.0
