"""Stop lines on the route: traffic lights and stop signs, and what the ego does about them.

Arrays: ``front``, ``rear [B, T]`` arc lengths [m] on the route of the two bumpers, ``state [L, T]`` light states per
sample. Lines are zones (:mod:`drive.signals.zones`): a line counts until the rear bumper has left what it protects.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.geometry import box_corners, wrap_angle
from drive.map import StopCause, VectorMap
from drive.scene import DRIVING_KINDS, STATIC_KINDS, Lights, LightState
from drive.signals.zones import Bool, Float, Int, crossings, first_passing, in_area, next_zone, run_start

SIGHT = 150.0  # m ahead of the bumper: lines farther away are not looked at
NEAR = 12.0  # m between a stop line and the beginning of the connector it closes
AT_LINE = 5.0  # m before the line: here a driver waits for green
LEAD_CLEAR = 10.0  # m to the lead, from which the way counts as free
ALONG = np.pi / 4  # rad: who drives nearer to a connector's direction than this is in the flow, not across it
REACTION = 0.5  # s
LEAST_ROOM = 0.1  # m, so that a deceleration stays finite


class Lines(NamedTuple):
    """Lines on a route in driving order: ``begin [Z]`` the line and ``end [Z]`` the end of what it protects, arcs [m];
    ``lane [Z]`` the connector behind it (-1 unknown), ``row [Z]`` its light in ``Lights`` (-1 none)."""

    begin: Float
    end: Float
    lane: Int
    row: Int


def _sorted_lines(rows: list[tuple[float, float, int, int]]) -> Lines:
    rows = sorted(rows)
    return Lines(
        np.array([row[0] for row in rows], np.float64),
        np.array([row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.int64),
        np.array([row[3] for row in rows], np.int64),
    )


def lanes_of(vector_map: VectorMap, line: int) -> set[int]:
    """Lanes that a stop line closes."""
    return set(vector_map.stop_lanes[vector_map.stop_lanes_ptr[line] : vector_map.stop_lanes_ptr[line + 1]].tolist())


def signal_lines(vector_map: VectorMap, lights: Lights, route: Int, span: Float, points: Float, arc: Float) -> Lines:
    """Lines of the signalled connectors among the route's lanes.

    A line lies where the route crosses the drawn stop line, else where the connector begins; it protects the connector.

    Args:
        route: ``[R]`` lanes. ``span``: ``[R, 2]`` arcs [m] between which the route is on each of them.
        points, arc: The route's polyline, ``[P, 2]`` and ``[P]`` [m].
    """
    drawn = [(lanes_of(vector_map, int(line)), int(line)) for line in _with_cause(vector_map, StopCause.SIGNAL)]
    rows = []
    for number, lane in enumerate(route.tolist()):
        found = np.flatnonzero(lights.lane == lane)
        if not len(found):
            continue
        own = {lane, int(route[number - 1]) if number else lane}
        at = [
            spot
            for lanes, line in drawn
            if lanes & own
            for spot in crossings(points, arc, vector_map.stop_segment[line])
            if abs(spot - span[number, 0]) <= NEAR
        ]
        begin = min(at, key=lambda spot: abs(spot - span[number, 0])) if at else float(span[number, 0])
        rows.append((begin, float(max(span[number, 1], begin)), lane, int(found[0])))
    return _sorted_lines(rows)


def stop_sign_lines(vector_map: VectorMap, route: Int, span: Float, points: Float, arc: Float) -> Lines:
    """Lines under stop signs that the route crosses on a lane they close; each protects the connector behind it."""
    rows = []
    for line in _with_cause(vector_map, StopCause.STOP_SIGN):
        closed = np.isin(route, sorted(lanes_of(vector_map, int(line))))
        for spot in crossings(points, arc, vector_map.stop_segment[line]):
            if not (closed & (span[:, 0] - NEAR <= spot) & (spot <= span[:, 1] + NEAR)).any():
                continue
            behind = np.flatnonzero(vector_map.connector[route] & (np.abs(span[:, 0] - spot) <= NEAR))
            end, lane = (float(span[behind[0], 1]), int(route[behind[0]])) if len(behind) else (float(spot), -1)
            rows.append((float(spot), max(end, float(spot)), lane, -1))
    return _sorted_lines(rows)


def _with_cause(vector_map: VectorMap, cause: StopCause) -> Int:
    return np.flatnonzero(vector_map.stop_cause == cause)


def line_ahead(lines: Lines, front: Float, rear: Float) -> Int:
    """The line ``[B, T]`` that counts: the first whose protected zone the ego has not left, if it is within 150 m;
    else -1."""
    index = next_zone(rear, lines.end)
    if not len(lines.begin):
        return index
    return np.where((index >= 0) & (lines.begin[index] - front <= SIGHT), index, -1)


def red_counts(lines: Lines, index: Int, front: Float, state: NDArray[np.int8]) -> Bool:
    """True ``[B, T]`` where the light of the line ahead is red and the bumper was before the line when it turned red,
    or at the first sample if it was red then."""
    if not len(lines.begin):
        return np.zeros(front.shape, np.bool_)
    red = state[lines.row] == LightState.RED
    samples = np.arange(front.shape[1])
    since = np.minimum(run_start(red)[index, samples], front.shape[1] - 1)
    before = np.take_along_axis(front, since, axis=1) <= lines.begin[index]
    return (index >= 0) & red[index, samples] & before


def shows(lines: Lines, index: Int, state: NDArray[np.int8], *wanted: LightState) -> Bool:
    """True ``[B, T]`` where the light of the line ahead is in one of the wanted states."""
    if not len(lines.begin):
        return np.zeros(index.shape, np.bool_)
    return (index >= 0) & np.isin(state[lines.row][index, np.arange(index.shape[1])], wanted)


def amber_begins(lines: Lines, index: Int, front: Float, state: NDArray[np.int8]) -> Bool:
    """True ``[B, T]`` at the first sample of amber while the bumper is before the line; never at the first sample, nor
    where the state before is unknown."""
    if not len(lines.begin):
        return np.zeros(front.shape, np.bool_)
    own = state[lines.row]
    onset = np.zeros(own.shape, np.bool_)
    onset[:, 1:] = (own[:, 1:] == LightState.YELLOW) & np.isin(own[:, :-1], (LightState.GREEN, LightState.RED))
    return (index >= 0) & onset[index, np.arange(front.shape[1])] & (front <= lines.begin[index])


def passes(lines: Lines, front: Float) -> Bool:
    """True ``[B, T]`` at the first sample beyond any line that the bumper was before or on at the first sample."""
    passing = np.zeros(front.shape, np.bool_)
    for begin in lines.begin:
        passing |= first_passing(front, float(begin))
    return passing


def crossed_by_others(
    vector_map: VectorMap,
    lanes: Int,
    kind: NDArray[np.int8],
    size: Float,
    position: Float,
    heading: Float,
    valid: Bool,
) -> Bool:
    """True ``[Z, T]`` where a road user is on the given connectors and does not drive along them.

    ``kind [A]``, ``size [A, 2]`` [m], ``position [A, T, 2]`` box centres [m], ``heading``, ``valid [A, T]``.
    """
    found = np.zeros((len(lanes), valid.shape[1]), np.bool_)
    users = np.flatnonzero(~np.isin(kind, STATIC_KINDS) & valid.any(axis=1))
    if not len(users):
        return found
    corners = box_corners(position[users], heading[users], size[users, None])
    spots = np.concatenate((corners, position[users][:, :, None]), axis=2)
    for row, lane in enumerate(lanes.tolist()):
        if lane < 0:
            continue
        inside = in_area(spots, [vector_map.lane_polygon(lane)]).any(axis=2) & valid[users]
        line = vector_map.lane_centerline(lane)
        for agent, step in np.argwhere(inside):
            user = users[agent]
            nearest = ((line[:, :2] - position[user, step]) ** 2).sum(axis=1).argmin()
            with_flow = abs(float(wrap_angle(heading[user, step] - line[nearest, 2]))) < ALONG
            if not (with_flow and kind[user] in DRIVING_KINDS):
                found[row, step] = True
    return found
