"""What lies on the route: lines, crosswalks and junctions of a road, and which of them are ahead of the ego."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drive.geometry import wrap_angle
from drive.map import Layer, VectorMap
from drive.scene import LightState
from drive.signals.crosswalks import Crosswalk, find_crosswalks
from drive.signals.drive import Drive
from drive.signals.kernels.road import project_onto
from drive.signals.memo import once
from drive.signals.road import Road, RouteFrame
from drive.signals.stop_lines import Lines, line_ahead, signal_lines, stop_sign_lines
from drive.signals.world import World
from drive.signals.zones import Float, Int, inside_intervals, merge

SEAM_ROWS = 6  # half metres around the seam of two lanes in which its exact place is looked for


class Course(NamedTuple):
    """What a route leads through. ``lanes [K]`` with their ``span [K, 2]`` (arcs [m]) in order, ``crosswalks``, and
    ``junctions [J, 2]``: the intervals inside intersection areas."""

    lanes: Int
    span: Float
    crosswalks: tuple[Crosswalk, ...]
    junctions: Float


@once
def course(road: Road) -> Course | None:
    """The course of a road's route, None without a route."""
    frame = road.frame
    if frame is None:
        return None
    lanes, span = _spans(road.map, frame)
    inside = [inside_intervals(frame.points, frame.arc, rings) for rings in road.map.areas(Layer.INTERSECTION)]
    return Course(
        lanes,
        span,
        find_crosswalks(road.map, frame.points, frame.arc),
        merge(np.concatenate((np.zeros((0, 2)), *inside))),
    )


def _spans(vector_map: VectorMap, frame: RouteFrame) -> tuple[Int, Float]:
    """Lanes that the frame runs along, and the arcs [m] beside their first and last centreline points."""
    change = np.flatnonzero(np.diff(frame.lane)) + 1
    rows = np.column_stack((np.concatenate(((0,), change)), np.concatenate((change, (len(frame.lane) - 1,)))))
    lanes = frame.lane[rows[:, 0]].astype(np.int64)
    span = np.zeros((len(lanes), 2))
    for number, lane in enumerate(lanes):
        for side, (x, y, _) in enumerate(vector_map.lane_centerline(int(lane))[[0, -1]]):
            low = max(0, rows[number, side] - SEAM_ROWS)
            high = min(len(frame.points), rows[number, side] + SEAM_ROWS + 1)
            at, _, _ = project_onto(frame.points, frame.arc, low, high, x, y)
            span[number, side] = np.clip(at, frame.arc[low], frame.arc[high - 1])
    return lanes, span


def distance_to(drive: Drive, arc: Float) -> Tensor:
    """Distance ``[B, T]`` [m] along the route from the front bumper to ``arc [B, T]``, differentiable in the ego. Zeros
    without a route."""
    place = drive.front_place
    if place is None:
        return drive.tensor(np.zeros(drive.shape))
    return drive.tensor(arc) - drive.route_arc(drive.world.vehicle.front, place)


def light_states(world: World) -> NDArray[np.int8]:
    """State ``[L, T]`` of the scene's lights at the world's samples; unknown where the recording ends."""
    lights, start = world.scenario.lights, world.first
    state = np.full((len(lights.lane), world.samples), LightState.UNKNOWN, np.int8)
    known = lights.state[:, start : start + world.samples]
    state[:, : known.shape[1]] = known
    return state


@once
def lights_ahead(world: World) -> Lines:
    """Lines of the lights on the route itself: where the frame goes on beyond it, the way is a guess."""
    frame, way = world.road.frame, course(world.road)
    if frame is None or way is None:
        return _NO_LINES
    own = np.isin(way.lanes, world.road.route)
    return signal_lines(world.road.map, world.scenario.lights, way.lanes[own], way.span[own], frame.points, frame.arc)


@once
def stop_signs(road: Road) -> Lines:
    """Lines under stop signs on the route."""
    frame, way = road.frame, course(road)
    if frame is None or way is None:
        return _NO_LINES
    return stop_sign_lines(road.map, way.lanes, way.span, frame.points, frame.arc)


class Ahead(NamedTuple):
    """Lines on the route, and the ``line [B, T]`` among them that counts now (-1 none) with its ``arc [B, T]`` [m] (0
    where there is none)."""

    lines: Lines
    line: Int
    arc: Float


def light_ahead(drive: Drive) -> Ahead:
    """The ego's light."""
    return _ahead(drive, lights_ahead(drive.world))


def stop_sign_ahead(drive: Drive) -> Ahead:
    """The ego's stop sign."""
    return _ahead(drive, stop_signs(drive.road))


def _ahead(drive: Drive, lines: Lines) -> Ahead:
    front, rear = drive.front_place, drive.rear_place
    if front is None or rear is None or not len(lines.begin):
        return Ahead(lines, np.full(drive.shape, -1, np.int64), np.zeros(drive.shape))
    index = line_ahead(lines, front.s, rear.s)
    return Ahead(lines, index, np.where(index >= 0, lines.begin[index], 0.0))


def turn_of(vector_map: VectorMap, lane: int) -> float:
    """How far a lane turns [rad], positive to the left."""
    heading = vector_map.lane_centerline(lane)[:, 2]
    return float(wrap_angle(np.diff(heading)).sum())


_NO_LINES = Lines(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
