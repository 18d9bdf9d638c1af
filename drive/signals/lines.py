"""Signals of lights, stop signs, crosswalks and junctions ahead. Distances are arcs on the route from the front bumper.

Crosswalks are the only zones to keep clear that our maps have: marked boxes, rails and fire lanes are in none of them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.map import Layer
from drive.scene import DRIVING_KINDS, LightState
from drive.signals import crosswalks, stop_lines
from drive.signals.ahead import (
    course,
    distance_to,
    light_ahead,
    light_states,
    lights_ahead,
    stop_sign_ahead,
    turn_of,
)
from drive.signals.drive import Drive, Function, Reading
from drive.signals.memo import once
from drive.signals.world import World
from drive.signals.zones import Bool, Float, Int, in_area, merge, next_zone

EXIT_REACH = 100.0  # m behind a junction in which the exit lane is looked at
EXIT_HALF_WIDTH = 1.75  # m to either side of the route
ZONE_REACH = 20.0  # m ahead in which zones to keep clear are looked for
VRU_KINDS = crosswalks.VRU_KINDS


# --- lights -----------------------------------------------------------------------------------------------------------


def light_line_distance(drive: Drive) -> Reading:
    """Distance to the line of the next light."""
    ahead = drive.once(light_ahead)
    return Reading(distance_to(drive, ahead.arc), ahead.line >= 0)


def red(drive: Drive) -> Bool:
    """Where the ego's light is red and binds it, ``[B, T]``."""
    ahead, place = drive.once(light_ahead), drive.front_place
    if place is None:
        return np.zeros(drive.shape, np.bool_)
    return stop_lines.red_counts(ahead.lines, ahead.line, place.s, _states(drive))


def red_light_distance(drive: Drive) -> Reading:
    """Distance to the line of the next light while it is red for the ego."""
    return Reading(distance_to(drive, drive.once(light_ahead).arc), drive.once(red))


def amber_onset(drive: Drive) -> Reading:
    """The ego's light turns amber."""
    ahead, place = drive.once(light_ahead), drive.front_place
    known = bool((drive.world.scenario.lights.state == LightState.YELLOW).any())
    if place is None or not known:
        return Reading(np.zeros(drive.shape, np.bool_), np.zeros(drive.shape, np.bool_))
    return Reading(stop_lines.amber_begins(ahead.lines, ahead.line, place.s, _states(drive)))


def amber_decel(drive: Drive) -> Reading:
    """Deceleration needed to stop at the line of the next light."""
    ahead = drive.once(light_ahead)
    room = distance_to(drive, ahead.arc) - stop_lines.REACTION * drive.speed
    return Reading(drive.speed**2 / (2.0 * room.clamp_min(stop_lines.LEAST_ROOM)), ahead.line >= 0)


def green_free(drive: Drive) -> Reading:
    """The ego waits at green with a free way."""
    ahead, place = drive.once(light_ahead), drive.front_place
    if place is None or not len(ahead.lines.begin):
        return Reading(np.zeros(drive.shape, np.bool_), np.zeros(drive.shape, np.bool_))
    gap = ahead.arc - place.s
    at_line = (ahead.line >= 0) & (gap >= 0.0) & (gap <= stop_lines.AT_LINE)
    green = stop_lines.shows(ahead.lines, ahead.line, _states(drive), LightState.GREEN)
    blocked = _crossed(drive.world)[ahead.line, np.arange(drive.shape[1])]
    led = drive.raised("has_lead") & (drive.array("lead_gap") < stop_lines.LEAD_CLEAR)
    return Reading(green & ~blocked & ~led, at_line)


def _states(drive: Drive) -> NDArray[np.int8]:
    return light_states(drive.world)[:, : drive.shape[1]]


@once
def _crossed(world: World) -> Bool:
    return stop_lines.crossed_by_others(
        world.road.map,
        lights_ahead(world).lane,
        world.kind,
        world.size,
        world.position,
        world.heading,
        world.valid,
    )


# --- stop signs -------------------------------------------------------------------------------------------------------


def stop_line_distance(drive: Drive) -> Reading:
    """Distance to the next line under a stop sign."""
    ahead = drive.once(stop_sign_ahead)
    return Reading(distance_to(drive, ahead.arc), ahead.line >= 0)


def stop_line_cross(drive: Drive) -> Reading:
    """The ego passes a line under a stop sign."""
    ahead, place = drive.once(stop_sign_ahead), drive.front_place
    if place is None or not len(ahead.lines.begin):
        return Reading(np.zeros(drive.shape, np.bool_), np.zeros(drive.shape, np.bool_))
    return Reading(stop_lines.passes(ahead.lines, place.s), ahead.line >= 0)


# --- crosswalks -------------------------------------------------------------------------------------------------------


class Claims(NamedTuple):
    """``number [B, T]`` of the claimed crosswalk the ego has to stop for (-1 none), its edge ``arc [B, T]`` [m] (0
    where there is none), the ``agent [B, T]`` who claims it, and whether any crosswalk is ``near [B, T]``."""

    number: Int
    arc: Float
    agent: Int
    near: Bool


def claims(drive: Drive) -> Claims:
    """Crosswalks ahead of the ego that somebody claims."""
    front, rear, way = drive.front_place, drive.rear_place, course(drive.road)
    nothing = np.full(drive.shape, -1, np.int64)
    if front is None or rear is None or way is None or not way.crosswalks:
        return Claims(nothing, np.zeros(drive.shape), nothing, np.zeros(drive.shape, np.bool_))
    claimed, agent = _claimed(drive.world)
    claimed, agent = claimed[:, : drive.shape[1]], agent[:, : drive.shape[1]]
    index = crosswalks.claimed_ahead(way.crosswalks, claimed, front.s, rear.s)
    near = np.zeros(drive.shape, np.bool_)
    for crosswalk in way.crosswalks:
        near |= crosswalks.ahead(crosswalk, front.s, rear.s, crosswalks.LOOK)
    edges = np.array([crosswalk.begin for crosswalk in way.crosswalks])
    there = index >= 0
    return Claims(
        index,
        np.where(there, edges[index], 0.0),
        np.where(there, agent[index, np.arange(drive.shape[1])], -1),
        near,
    )


@once
def _claimed(world: World) -> tuple[Bool, Int]:
    """Whether each crosswalk of the route is claimed, and by whom, ``[C, T]``."""
    way = course(world.road)
    assert way is not None
    users = np.flatnonzero(np.isin(world.kind, VRU_KINDS))
    claimed = np.zeros((len(way.crosswalks), world.samples), np.bool_)
    agent = np.full(claimed.shape, -1, np.int64)
    lines = lights_ahead(world)
    turn = np.array([turn_of(world.road.map, int(lane)) for lane in lines.lane])
    held = crosswalks.held_back(way.crosswalks, lines, light_states(world), turn)
    for row, crosswalk in enumerate(way.crosswalks):
        if len(users):
            wanting = crosswalks.claims(
                crosswalk,
                world.kind[users],
                world.size[users],
                world.position[users],
                world.heading[users],
                world.velocity[users],
                world.valid[users],
            )
            claimed[row] = wanting.any(axis=0) & ~held[row]
            agent[row] = np.where(claimed[row], users[wanting.argmax(axis=0)], -1)
    return claimed, agent


def ped_crosswalk_distance(drive: Drive) -> Reading:
    """Distance to the claimed crosswalk."""
    found = drive.once(claims)
    return Reading(distance_to(drive, found.arc), found.number >= 0, found.agent)


def crosswalk_claimed(drive: Drive) -> Reading:
    """A crosswalk ahead is claimed."""
    found = drive.once(claims)
    return Reading(found.number >= 0, found.near, found.agent)


def keep_clear_depth(drive: Drive) -> Reading:
    """How much of the ego is on a crosswalk, or how far the next one is."""
    front, rear, way = drive.front_place, drive.rear_place, course(drive.road)
    if front is None or rear is None or way is None or not way.crosswalks:
        return Reading(np.zeros(drive.shape), np.zeros(drive.shape, np.bool_))
    zones = merge(np.array([(crosswalk.begin, crosswalk.end) for crosswalk in way.crosswalks]))
    return Reading(crosswalks.overlap_depth(zones, front.s, rear.s, ZONE_REACH))


# --- junctions --------------------------------------------------------------------------------------------------------


def inside_junction(drive: Drive) -> Bool:
    """Whether the front bumper is inside an intersection area, ``[B, T]``."""
    inside = np.zeros(drive.shape, np.bool_)
    for rings in drive.road.map.areas(Layer.INTERSECTION):
        inside |= in_area(drive.fronts, rings)
    return inside


def enters_intersection(drive: Drive) -> Reading:
    """The front bumper enters an intersection."""
    inside = drive.once(inside_junction)
    enters = np.zeros(drive.shape, np.bool_)
    enters[:, 1:] = inside[:, 1:] & ~inside[:, :-1]
    return Reading(enters)


class Exit(NamedTuple):
    """Behind the junction that the ego is in or comes to: ``border [B, T]`` the arc [m] where that begins (NaN-free: 0
    where ``there [B, T]`` is False), free ``space [B, T]`` [m] in the exit lane up to the next vehicle, that vehicle's
    ``speed [B, T]`` [m/s] and ``agent [B, T]`` (-1 none)."""

    there: Bool
    begin: Float
    space: Float
    speed: Float
    agent: Int


def exits(drive: Drive) -> Exit:
    """The exit of the first junction on the route that the rear bumper has not left."""
    front, rear, way = drive.front_place, drive.rear_place, course(drive.road)
    none = np.full(drive.shape, -1, np.int64)
    if front is None or rear is None or way is None or not len(way.junctions):
        nothing = np.zeros(drive.shape)
        return Exit(np.zeros(drive.shape, np.bool_), nothing, nothing + EXIT_REACH, nothing, none)
    index = next_zone(rear.s, way.junctions[:, 1])
    there, column = index >= 0, np.arange(drive.shape[1])
    space, speed, agent = _exit_lanes(drive.world)
    return Exit(
        there,
        np.where(there, way.junctions[index, 0], 0.0),
        np.where(there, space[index, column], EXIT_REACH),
        np.where(there, speed[index, column], 0.0),
        np.where(there, agent[index, column], -1),
    )


@once
def _exit_lanes(world: World) -> tuple[Float, Float, Int]:
    """Free length, and speed and index of the first vehicle behind each junction of the route, ``[J, T]``."""
    way, places, frame = course(world.road), world.places, world.road.frame
    assert way is not None and places is not None and frame is not None
    shape = (len(way.junctions), world.samples)
    space, speed, agent = np.full(shape, EXIT_REACH), np.zeros(shape), np.full(shape, -1, np.int64)
    usable = world.valid & np.isin(world.kind, DRIVING_KINDS)[:, None]
    usable &= np.abs(places.center_d) <= EXIT_HALF_WIDTH
    along = world.velocity[..., 0] * np.cos(places.tangent) + world.velocity[..., 1] * np.sin(places.tangent)
    for row, border in enumerate(way.junctions[:, 1]):
        beyond = usable & (places.s.max(axis=2) > border) & (places.s.min(axis=2) <= border + EXIT_REACH)
        if not beyond.any():
            continue
        room = np.where(beyond, np.maximum(places.s.min(axis=2) - border, 0.0), np.inf)
        first = room.argmin(axis=0)
        found = np.isfinite(room.min(axis=0))
        column = np.arange(world.samples)
        space[row] = np.where(found, room[first, column], EXIT_REACH)
        speed[row] = np.where(found, along[first, column], 0.0)
        agent[row] = np.where(found, first, -1)
    return space, speed, agent


def exit_space(drive: Drive) -> Reading:
    """Free length behind the junction at the moment of entering it."""
    found = drive.once(exits)
    return Reading(found.space, drive.raised("enters_intersection") & found.there, found.agent)


def exit_speed(drive: Drive) -> Reading:
    """Speed of the vehicle that ends that free length."""
    found = drive.once(exits)
    return Reading(found.speed, drive.raised("enters_intersection") & (found.agent >= 0), found.agent)


SIGNALS: Mapping[str, Function] = {
    "light_line_distance": light_line_distance,
    "red_light_distance": red_light_distance,
    "amber_onset": amber_onset,
    "amber_decel": amber_decel,
    "green_free": green_free,
    "stop_line_distance": stop_line_distance,
    "stop_line_cross": stop_line_cross,
    "ped_crosswalk_distance": ped_crosswalk_distance,
    "crosswalk_claimed": crosswalk_claimed,
    "keep_clear_depth": keep_clear_depth,
    "enters_intersection": enters_intersection,
    "exit_space": exit_space,
    "exit_speed": exit_speed,
}
