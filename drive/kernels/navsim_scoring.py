"""Compiled part of NAVSIM's scorer: where the ego is, what it hits, what it would hit, how far it gets.

Everything over K plans and S samples; ``ego_corners`` and ``ego_places`` come first, the others read their results.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.geometry import boxes_overlap, project
from drive.kernels.rings import Polygons, inside_polygon, ring_meets_box

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]
Flags = NDArray[np.uint8]

# bits of `places`; the first three are NAVSIM's ego areas
MULTIPLE_LANES = 1
NON_DRIVABLE = 2
OFF_ROUTE = 4
CENTER_IN_INTERSECTION = 8
REAR_IN_INTERSECTION = 16

# layers of the drivable map, as `drive.scoring.navsim.inputs.RoadLayer`
ROADBLOCK, LANE, LANE_CONNECTOR, INTERSECTION, CARPARK_AREA = 0, 1, 2, 3, 4

# classes of contact, in the order of the decisions
STOPPED_EGO, STOPPED_TRACK, ACTIVE_REAR, ACTIVE_FRONT, ACTIVE_LATERAL = 0, 1, 2, 3, 4

STOPPED_SPEED = 0.05  # m/s
STANDING_SPEED = 0.005  # m/s, below it there is no time to collision
AHEAD = math.radians(30.0)
BEHIND = math.radians(150.0)
STEP = 0.1
LOOK_AHEAD = 3  # steps between the projections for time to collision
PROJECTIONS = 4


@kernel
def ego_corners(states: Float, front: float, rear: float, half_width: float) -> Float:
    """Box corners and centre ``[K, S, 5, 2]``: front left, rear left, rear right, front right, centre.

    Written as NAVSIM computes them (centre first, lateral offsets by an angle of heading + pi / 2): a corner on a lane
    border must land on the same side.
    """
    plans, samples = states.shape[0], states.shape[1]
    corners = np.empty((plans, samples, 5, 2))
    half_length = 0.5 * (front + rear)
    to_center = 0.5 * (front - rear)
    for plan in range(plans):
        for s in range(samples):
            heading = states[plan, s, 2]
            cos, sin = math.cos(heading), math.sin(heading)
            across_x, across_y = math.cos(heading + 0.5 * math.pi), math.sin(heading + 0.5 * math.pi)
            x = states[plan, s, 0] + to_center * cos
            y = states[plan, s, 1] + to_center * sin
            for corner in range(4):
                along = half_length if corner in (0, 3) else -half_length
                across = half_width if corner < 2 else -half_width
                corners[plan, s, corner, 0] = x + (across * across_x + along * cos)
                corners[plan, s, corner, 1] = y + (across * across_y + along * sin)
            corners[plan, s, 4, 0] = x
            corners[plan, s, 4, 1] = y
    return corners


@kernel
def ego_places(states: Float, corners: Float, polygons: Polygons, layer: NDArray[np.int8], on_route: Bool) -> Flags:
    """Where the ego is: bits ``[K, S]`` of the constants above. Containment is strict."""
    plans, samples = states.shape[0], states.shape[1]
    places = np.zeros((plans, samples), np.uint8)
    near = np.empty(len(layer), np.int32)
    box = polygons.box
    for plan in range(plans):
        low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
        for s in range(samples):
            for corner in range(4):
                x, y = corners[plan, s, corner, 0], corners[plan, s, corner, 1]
                low_x, low_y, high_x, high_y = min(low_x, x), min(low_y, y), max(high_x, x), max(high_y, y)
        count = 0
        for p in range(len(layer)):
            if box[p, 0] <= high_x and box[p, 2] >= low_x and box[p, 1] <= high_y and box[p, 3] >= low_y:
                near[count] = p
                count += 1
        for s in range(samples):
            places[plan, s] = _place(states[plan, s], corners[plan, s], near[:count], polygons, layer, on_route)
    return places


@kernel
def _place(state: Float, corners: Float, near: Int, polygons: Polygons, layer: NDArray[np.int8], on_route: Bool) -> int:
    low_x = min(min(corners[0, 0], corners[1, 0]), min(corners[2, 0], corners[3, 0]))
    high_x = max(max(corners[0, 0], corners[1, 0]), max(corners[2, 0], corners[3, 0]))
    low_y = min(min(corners[0, 1], corners[1, 1]), min(corners[2, 1], corners[3, 1]))
    high_y = max(max(corners[0, 1], corners[1, 1]), max(corners[2, 1], corners[3, 1]))
    center_x, center_y = corners[4, 0], corners[4, 1]
    lanes, one_lane, drivable, route = 0, False, 0, False
    center_crossing, rear_crossing = False, False
    box = polygons.box
    for p in near:
        if box[p, 0] > high_x or box[p, 2] < low_x or box[p, 1] > high_y or box[p, 3] < low_y:
            continue
        kind = layer[p]
        lane = kind in (LANE, LANE_CONNECTOR)
        if lane or drivable != 15:
            held = 0
            for corner in range(4):
                if inside_polygon(polygons, p, corners[corner, 0], corners[corner, 1]):
                    held |= 1 << corner
            if lane:
                lanes += held != 0
                one_lane = one_lane or held == 15
            else:
                drivable |= held
        if lane and on_route[p] and not route:
            route = inside_polygon(polygons, p, center_x, center_y)
        if kind == INTERSECTION:
            center_crossing = center_crossing or inside_polygon(polygons, p, center_x, center_y)
            rear_crossing = rear_crossing or inside_polygon(polygons, p, state[0], state[1])
    bits = 0
    if lanes > 1 and not one_lane:
        bits |= MULTIPLE_LANES
    if drivable != 15:
        bits |= NON_DRIVABLE
    if not route:
        bits |= OFF_ROUTE
    if center_crossing:
        bits |= CENTER_IN_INTERSECTION
    if rear_crossing:
        bits |= REAR_IN_INTERSECTION
    return bits


@kernel
def _bearing(state: Float, x: float, y: float) -> float:
    """Angle in [0, pi] between the heading and the way from the rear axle to a point."""
    dx, dy = x - state[0], y - state[1]
    distance = math.hypot(dx, dy)
    if distance == 0.0:
        return 0.0
    cosine = (dx * math.cos(state[2]) + dy * math.sin(state[2])) / distance
    return math.acos(min(1.0, max(-1.0, cosine)))


@kernel
def contacts(
    states: Float,
    corners: Float,
    places: Flags,
    length: float,
    width: float,
    position: Float,
    heading: Float,
    valid: Bool,
    size: Float,
    static: Bool,
    road_user: Bool,
    speed: Float,
    fault: Float,
    first: Int,
) -> None:
    """No at-fault collision. ``speed [A, T]`` is the speed an object is known to have at each sample.

    Fills ``fault [K]`` with 1, 0.5 or 0, and ``first [K, 3]`` with sample, object and class of the first contact at
    fault (-1 without one). An object that was touched without fault is ignored from then on.
    """
    plans, samples = states.shape[0], states.shape[1]
    objects = len(size)
    ego_reach = 0.5 * math.hypot(length, width)
    ignored = np.zeros(objects, np.bool_)
    for plan in range(plans):
        for a in range(objects):
            ignored[a] = False
        fault[plan] = 1.0
        for column in range(3):
            first[plan, column] = -1
        for s in range(samples):
            x, y = corners[plan, s, 4, 0], corners[plan, s, 4, 1]
            for a in range(objects):
                dx, dy = position[a, s, 0] - x, position[a, s, 1] - y
                reach = ego_reach + 0.5 * (size[a, 0] + size[a, 1])
                if dx * dx + dy * dy > reach * reach or not valid[a, s] or ignored[a]:
                    continue
                h = states[plan, s, 2]
                if not boxes_overlap(x, y, h, length, width, x + dx, y + dy, heading[a, s], size[a, 0], size[a, 1]):
                    continue
                kind = _contact_class(
                    states[plan, s], corners[plan, s], width, static[a], speed[a, s], x + dx, y + dy,
                    heading[a, s], size[a, 0], size[a, 1],
                )  # fmt: skip
                guilty = kind in (STOPPED_TRACK, ACTIVE_FRONT)
                if kind == ACTIVE_LATERAL:
                    guilty = (places[plan, s] & (MULTIPLE_LANES | NON_DRIVABLE)) != 0
                if not guilty:
                    ignored[a] = True
                    continue
                fault[plan] = min(fault[plan], 0.0 if road_user[a] else 0.5)
                if first[plan, 0] < 0:
                    first[plan, 0] = s
                    first[plan, 1] = a
                    first[plan, 2] = kind


@kernel
def _contact_class(
    state: Float,
    corners: Float,
    width: float,
    static: bool,
    speed: float,
    x: float,
    y: float,
    heading: float,
    length: float,
    track_width: float,
) -> int:
    if math.hypot(state[3], state[4]) <= STOPPED_SPEED:
        return STOPPED_EGO
    if static or speed <= STOPPED_SPEED:
        return STOPPED_TRACK
    if _bearing(state, x, y) > BEHIND:
        return ACTIVE_REAR
    bumper_x = 0.5 * (corners[0, 0] + corners[3, 0])
    bumper_y = 0.5 * (corners[0, 1] + corners[3, 1])
    if boxes_overlap(bumper_x, bumper_y, state[2], 0.0, width, x, y, heading, length, track_width):
        return ACTIVE_FRONT
    return ACTIVE_LATERAL


@kernel
def imminent(
    states: Float,
    corners: Float,
    places: Flags,
    length: float,
    width: float,
    position: Float,
    heading: Float,
    valid: Bool,
    size: Float,
    first: Int,
) -> None:
    """Time to collision: fills ``first [K, 2]`` with the first violating sample and its object (-1: none).

    The ego box, moved on by 0, 0.3, 0.6 and 0.9 s, against the objects of that time. Judged are the samples for which
    the traffic is known 0.9 s on.
    """
    plans = states.shape[0]
    objects, known = valid.shape
    horizon = LOOK_AHEAD * (PROJECTIONS - 1)
    samples = min(states.shape[1], known - horizon)
    ego_reach = 0.5 * math.hypot(length, width)
    ignored = np.zeros(objects, np.bool_)
    for plan in range(plans):
        for a in range(objects):
            ignored[a] = False
        first[plan, 0] = -1
        first[plan, 1] = -1
        for s in range(samples):
            speed = math.hypot(states[plan, s, 3], states[plan, s, 4])
            if speed < STANDING_SPEED:
                continue
            h = states[plan, s, 2]
            pace_x, pace_y = math.cos(h) * speed, math.sin(h) * speed
            for n in range(PROJECTIONS):
                t = s + n * LOOK_AHEAD
                ahead = n * LOOK_AHEAD * STEP
                x, y = corners[plan, s, 4, 0] + pace_x * ahead, corners[plan, s, 4, 1] + pace_y * ahead
                for a in range(objects):
                    dx, dy = position[a, t, 0] - x, position[a, t, 1] - y
                    reach = ego_reach + 0.5 * (size[a, 0] + size[a, 1])
                    if dx * dx + dy * dy > reach * reach or not valid[a, t] or ignored[a]:
                        continue
                    if not boxes_overlap(x, y, h, length, width, x + dx, y + dy, heading[a, t], size[a, 0], size[a, 1]):
                        continue
                    bearing = _bearing(states[plan, s], x + dx, y + dy)
                    exposed = (places[plan, s] & (MULTIPLE_LANES | NON_DRIVABLE | REAR_IN_INTERSECTION)) != 0
                    if bearing < AHEAD or (exposed and bearing <= BEHIND):
                        first[plan, 0] = s
                        first[plan, 1] = a
                        break
                    ignored[a] = True
                if first[plan, 0] >= 0:
                    break
            if first[plan, 0] >= 0:
                break


@kernel
def red_contacts(corners: Float, ring: Float, ring_ptr: Int, box: Float, red: Bool, first: Int) -> None:
    """Fills ``first [K, 2]`` with the first sample at which the ego box meets a red polygon, and its index (-1: none).

    ``red [R, T]`` says when polygon ``ring[ring_ptr[r]:ring_ptr[r + 1]]`` is red.
    """
    for plan in range(len(corners)):
        first[plan, 0] = -1
        first[plan, 1] = -1
        for s in range(corners.shape[1]):
            for r in range(len(box)):
                if first[plan, 0] >= 0 or not red[r, s]:
                    continue
                four = corners[plan, s]
                low_x = min(min(four[0, 0], four[1, 0]), min(four[2, 0], four[3, 0]))
                high_x = max(max(four[0, 0], four[1, 0]), max(four[2, 0], four[3, 0]))
                low_y = min(min(four[0, 1], four[1, 1]), min(four[2, 1], four[3, 1]))
                high_y = max(max(four[0, 1], four[1, 1]), max(four[2, 1], four[3, 1]))
                if box[r, 0] > high_x or box[r, 2] < low_x or box[r, 1] > high_y or box[r, 3] < low_y:
                    continue
                if ring_meets_box(ring, ring_ptr[r], ring_ptr[r + 1], four):
                    first[plan, 0] = s
                    first[plan, 1] = r


@kernel
def along_route(
    corners: Float, places: Flags, line: Float, arc: Float, window: int, lane_samples: int, out: Float
) -> None:
    """Progress, lane keeping and driving direction; fills ``out [K, 4]``.

    Columns: progress of the centre along ``line [N, 2]`` [m], at least 0; longest run of counted samples farther than
    0.5 m from the line (a run is counted up to ``lane_samples``); most metres driven off the route within ``window`` +
    1 samples; last sample of those.
    """
    samples = corners.shape[1]
    driven = np.empty(samples)
    count = len(line)
    for plan in range(len(corners)):
        first, _, row = project(line, arc, 0, count, corners[plan, 0, 4, 0], corners[plan, 0, 4, 1])
        last, _, _ = project(line, arc, 0, count, corners[plan, samples - 1, 4, 0], corners[plan, samples - 1, 4, 1])
        out[plan, 0] = max(0.0, last - first)
        run, longest = 0, 0
        for s in range(samples):
            if places[plan, s] & CENTER_IN_INTERSECTION:
                continue
            x, y = corners[plan, s, 4, 0], corners[plan, s, 4, 1]
            # most samples lie within half a metre of the segment next to the last one's
            low, high = max(0, row - 2), min(count, row + 8)
            _, lateral, near = project(line, arc, low, high, x, y)
            if abs(lateral) > 0.5:
                _, lateral, near = project(line, arc, 0, count, x, y)
            row = near
            run = run + 1 if abs(lateral) > 0.5 else 0
            longest = max(longest, run)
            if longest >= lane_samples:
                break
        out[plan, 1] = longest
        most, at = 0.0, 0
        for s in range(samples):
            driven[s] = 0.0
            if s > 0 and places[plan, s] & OFF_ROUTE and not places[plan, s] & CENTER_IN_INTERSECTION:
                driven[s] = math.hypot(
                    corners[plan, s, 4, 0] - corners[plan, s - 1, 4, 0],
                    corners[plan, s, 4, 1] - corners[plan, s - 1, 4, 1],
                )
            total = 0.0
            for i in range(max(0, s - window), s + 1):
                total += driven[i]
            if total > most:
                most = total
                at = s
        out[plan, 2] = most
        out[plan, 3] = at
