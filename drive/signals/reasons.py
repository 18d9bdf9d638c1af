"""Signals of traffic state, and reasons to brake, stop or go slowly: whoever does what another rule asks has a reason.

Road classes are in no source. A road counts as a motorway where its limit is above 80 km/h and no junction is in sight.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from drive.scene import DRIVING_KINDS, LightState
from drive.signals import stop_lines
from drive.signals.ahead import course, light_ahead, light_states, stop_sign_ahead, turn_of
from drive.signals.conflicts import TURN
from drive.signals.drive import Drive, Function, Reading
from drive.signals.kernels.road import follow
from drive.signals.lane import find_lanes
from drive.signals.lines import claims, exits
from drive.signals.memo import once
from drive.signals.priority import yield_distance
from drive.signals.road import Road
from drive.signals.world import COARSE, World
from drive.signals.zones import Bool, Float
from drive.vehicle import center_from_rear_axle

LEAD_TTC, COMFORT, MARGIN = 4.0, 2.0, 10.0  # s; m/s2 and m: what lies within v^2 / (2 COMFORT) + MARGIN makes one brake
STOP_LINE, STOP_LEAD, STOP_CONFLICT = 10.0, 10.0, 15.0  # m
STANDING_LEAD = 0.5  # m/s
OVER_LINE = 1.0  # m past a line at which one still waits at it
EXIT_SPACE, EXIT_EDGE = 8.0, 5.0  # m free behind a junction; m before it
ROUTE_END = 5.0  # m
CURVE_LOOK, CURVE_ACCEL = 2.0, 3.0  # s of driving, m/s2
FLOW_CURVE_ACCEL = 2.0  # m/s2
SLOWER, SLOW_GAP = 2.0, 4.0  # m/s below the flow, s of time gap
SLOW_ZONE = 30.0  # m before a junction or turn
DESIRED = 13.9  # m/s where no limit is known
MOTORWAY_LIMIT, MOTORWAY_SIGHT = 22.3, 150.0  # m/s, m
JAM_SPEED, JAM_REACH, JAM_COUNT, JAM_OFFSET = 2.78, 100.0, 3, 1.75  # m/s, m, vehicles, m beside the ego
LEAST_PROGRESS = 5.0  # m
_CURVE_ROWS = 4  # half metres to either side over which the route's curvature is measured


# --- the road ahead ---------------------------------------------------------------------------------------------------


@once
def curvature(road: Road) -> Float:
    """Size of the route's curvature ``[P]`` [1/m], over 4 m around each of its points."""
    frame = road.frame
    if frame is None:
        return np.zeros(0)
    heading = np.unwrap(frame.heading)
    rows = np.arange(len(heading))
    low, high = np.maximum(rows - _CURVE_ROWS, 0), np.minimum(rows + _CURVE_ROWS, len(heading) - 2)
    low = np.minimum(low, high - 1) if len(heading) > 2 else low
    bent: Float = np.abs(heading[high] - heading[low]) / np.maximum(frame.arc[high] - frame.arc[low], 1e-6)
    return bent


def _sharpest(drive: Drive, begin: Float, end: Float) -> Float:
    """Largest curvature ``[B, T]`` [1/m] of the route between two arcs ``[B, T]`` [m]."""
    frame, bent = drive.road.frame, curvature(drive.road)
    if frame is None:
        return np.zeros(drive.shape)
    low = np.clip(np.searchsorted(frame.arc, begin, side="right") - 1, 0, len(bent) - 1)
    high = np.clip(np.searchsorted(frame.arc, end, side="right") - 1, low, len(bent) - 1)
    sharpest = bent[high]
    for ahead in range(int((high - low).max(initial=0))):
        sharpest = np.maximum(sharpest, bent[np.minimum(low + ahead, high)])
    return sharpest


def slow_zone(drive: Drive) -> Bool:
    """Whether the ego is in a junction or turn of the route or less than 30 m before one, ``[B, T]``."""
    front, rear, way = drive.front_place, drive.rear_place, course(drive.road)
    near = np.zeros(drive.shape, np.bool_)
    if front is None or rear is None or way is None:
        return near
    vector_map = drive.road.map
    turns = [bool(vector_map.connector[lane]) and abs(turn_of(vector_map, int(lane))) > TURN for lane in way.lanes]
    for begin, end in np.concatenate((way.junctions, way.span[turns])):
        near |= (rear.s < end) & (begin - front.s <= SLOW_ZONE)
    return near


class Stops(NamedTuple):
    """Distances ``[B, T]`` [m] to what may ask for a stop, inf where there is nothing: a red or amber ``light``, a stop
    ``sign``, a claimed ``crosswalk``, a conflict to ``give_way`` in, the route's ``end``."""

    light: Float
    sign: Float
    crosswalk: Float
    give_way: Float
    end: Float


def stops(drive: Drive) -> Stops:
    """What may ask the ego for a stop."""
    front = drive.front_place
    if front is None:
        nothing = np.full(drive.shape, np.inf)
        return Stops(nothing, nothing, nothing, nothing, nothing)
    frame = drive.road.frame
    assert frame is not None
    light, sign, crosswalk = drive.once(light_ahead), drive.once(stop_sign_ahead), drive.once(claims)
    state = light_states(drive.world)[:, : drive.shape[1]]
    closed = stop_lines.shows(light.lines, light.line, state, LightState.RED, LightState.YELLOW)

    def distance(arc: Float, there: Bool, least: float) -> Float:
        gap = arc - front.s
        return np.where(there & (gap >= -least), gap, np.inf)

    return Stops(
        distance(light.arc, closed, OVER_LINE),
        distance(sign.arc, sign.line >= 0, OVER_LINE),
        distance(crosswalk.arc, crosswalk.number >= 0, np.inf),
        drive.once(yield_distance),
        frame.end - front.s,
    )


# --- reasons ----------------------------------------------------------------------------------------------------------


def brake_reason(drive: Drive) -> Reading:
    """Something ahead asks for braking."""
    speed, found, front = drive.array("speed"), drive.once(stops), drive.front_place
    reason = (drive.array("lead_ttc") < LEAD_TTC) | (drive.array("safe_dist_margin") < 0.0)
    reach = speed * speed / (2.0 * COMFORT) + MARGIN
    for distance in (found.light, found.sign, found.crosswalk, found.give_way):
        reason |= distance <= reach
    reason |= drive.raised("vru_near") | drive.raised("ev_near")
    reason |= speed > drive.array("speed_limit")
    if front is not None:
        sharpest = _sharpest(drive, front.s, front.s + CURVE_LOOK * np.maximum(speed, 0.0))
        reason |= sharpest * speed * speed > CURVE_ACCEL
    return Reading(reason)


def stop_reason(drive: Drive) -> Reading:
    """Something ahead asks for standing still."""
    found, front, leave = drive.once(stops), drive.front_place, drive.once(exits)
    reason = (drive.array("lead_gap") < STOP_LEAD) & (drive.array("lead_speed") < STANDING_LEAD)
    reason |= (found.light <= STOP_LINE) | (found.sign <= STOP_LINE)
    reason |= (found.crosswalk <= STOP_CONFLICT) | (found.give_way <= STOP_CONFLICT)
    reason |= (found.end <= ROUTE_END) | drive.raised("ev_near")
    if front is not None:
        at_edge = leave.there & (front.s <= leave.begin) & (leave.begin - front.s <= EXIT_EDGE)
        reason |= at_edge & (leave.space < EXIT_SPACE)
    return Reading(reason)


def slow_reason(drive: Drive) -> Reading:
    """Something asks for less speed than the flow's."""
    reason = drive.raised("brake_reason") | drive.raised("stop_reason") | drive.once(slow_zone)
    slower = drive.array("lead_speed") < drive.array("flow_speed") - SLOWER
    reason |= drive.raised("has_lead") & slower & (drive.array("lead_time_gap") < SLOW_GAP)
    return Reading(reason)


def flow_speed(drive: Drive) -> Reading:
    """Speed that the road suggests."""
    limit = drive.values("speed_limit")
    speed = np.where(limit.valid.cpu().numpy(), drive.array("speed_limit"), DESIRED)
    front, rear = drive.front_place, drive.rear_place
    if front is not None and rear is not None:
        sharpest = _sharpest(drive, rear.s, front.s)
        speed = np.minimum(speed, np.sqrt(FLOW_CURVE_ACCEL / np.maximum(sharpest, 1e-6)))
    return Reading(speed)


# --- motorways --------------------------------------------------------------------------------------------------------


def on_motorway(drive: Drive) -> Bool:
    """Whether the road counts as a motorway, ``[B, T]``."""
    limit, front, rear, way = drive.values("speed_limit"), drive.front_place, drive.rear_place, course(drive.road)
    fast = limit.valid.cpu().numpy() & (drive.array("speed_limit") > MOTORWAY_LIMIT)
    if front is None or rear is None or way is None:
        return np.zeros(drive.shape, np.bool_)
    for begin, end in way.junctions:
        fast &= (rear.s > end + MOTORWAY_SIGHT) | (begin - front.s > MOTORWAY_SIGHT)
    return fast


def congestion(drive: Drive) -> Reading:
    """A jam in the ego lane of a motorway."""
    world, center, front, samples = drive.world, drive.center_place, drive.front_place, slice(drive.shape[1])
    motorway = drive.once(on_motorway)
    if center is None or front is None or world.places is None or not len(world.kind):
        return Reading(np.zeros(drive.shape, np.bool_), motorway)
    ahead = world.places.center_s[:, samples].T - front.s[..., None]
    aside = np.abs(world.places.center_d[:, samples].T - center.d[..., None])
    there = (world.valid & np.isin(world.kind, DRIVING_KINDS)[:, None])[:, samples].T
    counts = there & (ahead > 0.0) & (ahead <= JAM_REACH) & (aside <= JAM_OFFSET)
    slow = (world.speed[:, samples].T <= JAM_SPEED) | ~counts
    return Reading((counts.sum(axis=2) >= JAM_COUNT) & slow.all(axis=2), motorway)


def corridor_margin(drive: Drive) -> Reading:
    """How far the ego keeps from the rescue corridor, which takes a quarter of either lane beside the border between
    the innermost lane and the next."""
    lane = drive.once(find_lanes).lane
    vector_map, half = drive.road.map, drive.world.vehicle.width / 2
    offset, width = drive.array("lane_offset"), drive.array("lane_width")
    if not vector_map.lanes:
        return Reading(np.zeros(drive.shape), np.zeros(drive.shape, np.bool_))
    inner, outer = vector_map.left[lane] >= 0, vector_map.right[lane] >= 0
    if drive.road.left_hand:
        inner, outer, offset = outer, inner, -offset
    innermost = ~inner & outer
    margin = np.where(innermost, offset, -offset) - half + width / 4
    return Reading(margin, drive.raised("congestion") & (lane >= 0) & (inner | outer))


# --- progress ---------------------------------------------------------------------------------------------------------


@once
def _reference_progress(world: World) -> Float | None:
    """Way ``[T]`` [m] of the reference along the route since the start, None without a route."""
    frame, scenario = world.road.frame, world.scenario
    if frame is None:
        return None
    steps = np.minimum(world.first + np.arange(world.samples), scenario.steps - 1)
    center = center_from_rear_axle(scenario.reference[steps], world.vehicle)
    arc, _, _ = follow(frame.points, frame.arc, COARSE, np.ascontiguousarray(center[None, :, :2]))
    way: Float = arc[0] - arc[0, world.history]
    return way


def route_progress(drive: Drive) -> Reading:
    """Progress along the route relative to the scene's reference drive; none where that itself hardly moves."""
    place, reference = drive.center_place, _reference_progress(drive.world)
    if place is None or reference is None or reference.max() < LEAST_PROGRESS:
        return Reading(np.zeros(drive.shape), np.zeros(drive.shape, np.bool_))
    arc = drive.route_arc(drive.world.vehicle.rear_axle_to_center, place)
    whole = np.maximum(reference[: drive.shape[1]], LEAST_PROGRESS)
    first = drive.world.history
    return Reading((arc - arc[:, first : first + 1]) / drive.tensor(whole))


SIGNALS: Mapping[str, Function] = {
    "brake_reason": brake_reason,
    "stop_reason": stop_reason,
    "slow_reason": slow_reason,
    "flow_speed": flow_speed,
    "congestion": congestion,
    "corridor_margin": corridor_margin,
    "route_progress": route_progress,
}
