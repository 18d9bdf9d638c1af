"""Who goes first where the ego's way meets others: what the search has to leave free, and for whom.

The claims are those that :mod:`drive.signals.conflicts` finds when rules are judged, from the junctions as they were
built: right before left, signs, and oncoming traffic before those who turn across its way.
"""

import numpy as np

from drive.geometry import wrap_angle
from drive.kernels.traffic_world import (
    DRIVER,
    FAR,
    MODE,
    PATH_HEADING,
    PATH_HIGH,
    PATH_LOW,
    PATH_X,
    PATH_Y,
    SPACING,
    TrafficWorld,
)
from drive.map import StopCause
from drive.scene import Lights
from drive.vehicle import PACIFICA
from scenarios.generate.geometry import Float, lengths
from scenarios.generate.junction import Connector
from scenarios.generate.network import Network
from scenarios.generate.paths import Way, meeting_arc
from scenarios.generate.search import BEFORE_SIGN, CLAIM_BEGIN, CLAIM_COLUMNS, STANDING, STOPPED

HALF_CAR = 1.1  # m, half the width of another car and a little room
TURN = np.radians(30.0)
SIDE = np.radians(45.0), np.radians(135.0)
SPARE = 0.3  # m before and behind what the rules look at
BEFORE_CLAIM, BEFORE_MERGE, ACUTE = 0.7, 6.0, 0.3  # m, m, rad
ON_WAY, ON_WAY_ANGLE = 2.0, np.radians(60.0)  # m, rad: as far as a path may be from a connector that it follows
LINE = 12  # points of another's connector


def find_claims(network: Network, way: Way, lights: Lights) -> tuple[Float, Float]:
    """The claims on a way: rows ``[C, 4]`` of the search (columns in ``search/priority.py``), and the connectors that
    those take who go first ``[C, LINE + 2, 3]``: x, y, heading, and behind them where the common stretch begins and
    ends."""
    signs = _lanes_behind(network, StopCause.STOP_SIGN, StopCause.YIELD)
    signals = _lanes_behind(network, StopCause.SIGNAL) | {int(lane) for lane in lights.lane}
    numbers = {lane: key for key, lane in network.connector_lanes.items()}
    rows, lines = [], []
    for begin, lane in zip(way.begin, way.lanes, strict=True):
        if lane not in numbers:
            continue
        number, own = numbers[lane]
        connectors = network.junctions[number].connectors
        for other, item in enumerate(connectors):
            mine = connectors[own]
            if (item.leg_in, item.lane_in) == (mine.leg_in, mine.lane_in):
                continue
            there = network.connector_lanes[number, other]
            named = tuple({name, *network.map.lane_predecessors(name).tolist()} for name in (lane, there))
            gives_way = tuple(bool(names & signs) for names in named)
            claim = _claim(mine, item, gives_way, any(names & signals for names in named), network.side)
            if claim is None or (meets := _meeting(mine.curve, item.curve)) is None:
                continue
            merges = (item.leg_out, item.lane_out) == (mine.leg_out, mine.lane_out)
            rows.append((begin + meets[0] - SPARE, begin + meets[1] + SPARE, float(merges), float(claim)))
            arc = lengths(item.curve)
            at = np.append(np.linspace(0.0, arc[-1], LINE), meets[2:])
            curve = (item.curve[:, 0], item.curve[:, 1], np.unwrap(item.curve[:, 2]))
            lines.append(np.column_stack([np.interp(at, arc, values) for values in curve]))
    return np.array(rows, np.float64).reshape(-1, CLAIM_COLUMNS), np.array(lines, np.float64).reshape(-1, LINE + 2, 3)


def _lanes_behind(network: Network, *causes: StopCause) -> set[int]:
    """Lanes that lines of these kinds close."""
    world, found = network.map, set[int]()
    for line in np.flatnonzero(np.isin(world.stop_cause, causes)):
        found |= set(world.stop_lanes[world.stop_lanes_ptr[line] : world.stop_lanes_ptr[line + 1]].tolist())
    return found


def _claim(own: Connector, other: Connector, gives_way: tuple[bool, ...], signals: bool, side: float) -> bool | None:
    """Whether the other goes first because of a sign (True), goes first all the same (False), or does not (None)."""
    if not signals and gives_way[0] and not gives_way[1]:
        return True
    turned = float(wrap_angle(other.curve[0, 2] - own.curve[0, 2]))
    if not signals and not any(gives_way) and SIDE[0] < turned < SIDE[1]:
        return False
    if abs(turned) > SIDE[1] and (gives_way[0] or not gives_way[1]):
        turns, others = (-side * float(wrap_angle(item.curve[-1, 2] - item.curve[0, 2])) for item in (own, other))
        if turns > TURN and others <= TURN:
            return False
    return None


def _meeting(own: Float, other: Float) -> tuple[float, float, float, float] | None:
    """Where a bumper of the ego on its own curve is in the way of a car on the other, and the other way round: from, to
    [m] on either curve; None where they do not meet."""
    found: list[float] = []
    half = PACIFICA.width / 2
    for one, two, wide, reach in ((own, other, half, HALF_CAR), (other, own, HALF_CAR, half)):
        dx, dy = two[None, :, 0] - one[:, None, 0], two[None, :, 1] - one[:, None, 1]
        cos, sin = np.cos(one[:, None, 2]), np.sin(one[:, None, 2])
        aside = np.maximum(np.abs(dy * cos - dx * sin) - wide, 0.0)
        near = np.flatnonzero((np.hypot(dx * cos + dy * sin, aside) <= reach).any(axis=1))
        if not len(near):
            return None
        found += lengths(one)[near[[0, -1]]].tolist()
    return found[0], found[1], found[2], found[3]


def owed(claimed: Float, world: TrafficWorld) -> Float:
    """Between which arc lengths [m] of their own paths those with a claim are in the common stretch: ``[C, A, 2]``; FAR
    for those who do not come that way. ``claimed``: of :func:`find_claims`."""
    found = np.full((len(claimed), len(world.who), 2), FAR)
    for agent in np.flatnonzero(world.who[:, MODE] == DRIVER) if len(claimed) else ():
        path = world.path[world.who[agent, PATH_LOW] : world.who[agent, PATH_HIGH]]
        low, high = path[:, [PATH_X, PATH_Y]].min(axis=0), path[:, [PATH_X, PATH_Y]].max(axis=0)
        for number, line in enumerate(claimed):
            if (line[:, :2].max(axis=0) < low - ON_WAY).any() or (line[:, :2].min(axis=0) > high + ON_WAY).any():
                continue
            away = np.hypot(line[:, None, 0] - path[None, :, PATH_X], line[:, None, 1] - path[None, :, PATH_Y])
            at = away.argmin(axis=1)
            turned = np.abs(wrap_angle(path[at, PATH_HEADING] - line[:, 2]))
            if (away.min(axis=1) <= ON_WAY).all() and (turned <= ON_WAY_ANGLE).all():
                found[number, agent] = at[LINE:] * SPACING
    return found


def first_claims(claims: Float, claimed: Float, way: Way) -> list[float]:
    """Where the front waits just before the first claim behind each lane's beginning; where two lanes run into one,
    early enough to leave those who pass some room."""
    if not len(claims):
        return []
    heading = np.interp(claims[:, CLAIM_BEGIN], way.arc, np.unwrap(way.curve[:, 2]))
    acute = np.abs(wrap_angle(claimed[:, LINE, 2] - heading)) < ACUTE
    places = claims[:, CLAIM_BEGIN] - np.where(acute, BEFORE_MERGE, BEFORE_CLAIM)
    behind = [places[claims[:, CLAIM_BEGIN] >= begin] for begin in way.begin]
    return sorted({float(row.min()) for row in behind if len(row)})


def sign_arcs(network: Network, way: Way) -> Float:
    """Arc lengths ``[*]`` [m] of the stop signs' lines that a way crosses, ascending."""
    found = []
    for line in np.flatnonzero(network.map.stop_cause == StopCause.STOP_SIGN):
        closed = network.map.stop_lanes[network.map.stop_lanes_ptr[line] : network.map.stop_lanes_ptr[line + 1]]
        arc = meeting_arc(way, network.map.stop_segment[line]) if np.isin(closed, way.lanes).any() else None
        if arc is not None:
            found.append(arc)
    return np.array(sorted(found), np.float64)


def not_yet_stopped(signs: Float, motion: Float) -> Float:
    """Rows ``[*, 2]`` of the stop signs whose lines the drive so far has not passed, and at which it has not stood long
    enough: arc length [m], samples that are missing."""
    front = motion[:, 0] + PACIFICA.front
    found = []
    for arc, _ in signs[signs[:, 0] >= front[-1]]:
        stood = int(((motion[:-1, 1] < STANDING) & (front[:-1] > arc - BEFORE_SIGN) & (front[:-1] <= arc)).sum())
        if stood < STOPPED:
            found.append((arc, float(STOPPED - stood)))
    return np.array(found, np.float64).reshape(-1, 2)
