"""From the scene model to the arrays of nuPlan's score."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.geometry import arc_length
from drive.map import Layer, StopCause, VectorMap
from drive.scene import Scenario
from drive.scoring.nuplan.inputs import NuplanMap, NuplanTracks, centerlines, surfaces

SPACING = 1.0  # m between points of a centreline
STOP_DEPTH = 1.0
"""Width [m] of the strip made of a stop line, which here is a segment and in nuPlan a polygon."""


def nuplan_map(world: VectorMap) -> NuplanMap:
    """The map as nuPlan's score reads it.

    A roadblock is the surface of its lanes. The drivable area is the layer of that name with intersections and car
    parks. Lanes may overlap, unlike in the reference: where two contain a point, the one listed first counts.
    """
    rings = [[world.lane_polygon(lane)] for lane in range(world.lanes)]
    lines, arcs = centerlines(_dense(world.lane_centerline(lane)[:, :2]) for lane in range(world.lanes))
    stops, stop_lines = _stop_lines(world)
    return NuplanMap(
        ids=world.lane_ids,
        surface=surfaces(rings),
        connector=world.connector,
        line=lines,
        arc=arcs,
        successors=tuple(tuple(world.lane_successors(lane).tolist()) for lane in range(world.lanes)),
        predecessors=tuple(tuple(world.lane_predecessors(lane).tolist()) for lane in range(world.lanes)),
        limit=np.where(world.has_speed_limit, world.speed_limit, np.nan),
        group=world.group,
        block=surfaces(rings),
        block_group=world.group,
        intersection=surfaces(world.areas(Layer.INTERSECTION)),
        drivable=surfaces(world.areas(Layer.DRIVABLE, Layer.INTERSECTION, Layer.CARPARK)),
        signalled=np.array([bool(lines) for lines in stop_lines], np.bool_),
        stop=surfaces([[ring] for ring in stops]),
        stop_lines=stop_lines,
    )


def recorded_tracks(scenario: Scenario) -> NuplanTracks:
    """The scene's tracks from its start to its end, ``[A, horizon + 1]``."""
    tracks, now = scenario.tracks, slice(scenario.start, None)
    return NuplanTracks(
        tracks.ids,
        tracks.kind,
        tracks.size,
        np.ascontiguousarray(tracks.position[:, now]),
        np.ascontiguousarray(tracks.heading[:, now]),
        np.ascontiguousarray(tracks.velocity[:, now]),
        np.ascontiguousarray(tracks.valid[:, now]),
    )


def nuplan_lights(scenario: Scenario) -> NDArray[np.int8]:
    """State of every lane's light from the start to the end, ``[horizon + 1, L]`` (:class:`drive.scene.LightState`)."""
    light = np.zeros((scenario.horizon + 1, scenario.map.lanes), np.int8)
    light[:, scenario.lights.lane] = scenario.lights.state[:, scenario.start :].T
    return light


def _dense(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same polyline ``[P, 2]`` with points at most ``SPACING`` apart, as nuPlan's are: its reactive agents lose the
    last piece of every path."""
    arc = arc_length(line)
    pieces = max(2, math.ceil(arc[-1] / SPACING))
    at = np.union1d(arc, np.linspace(0.0, arc[-1], pieces + 1))
    return np.column_stack((np.interp(at, arc, line[:, 0]), np.interp(at, arc, line[:, 1])))


def _stop_lines(world: VectorMap) -> tuple[list[NDArray[np.float64]], tuple[tuple[int, ...], ...]]:
    """Strips around the stop lines of signals, and which of them close each lane."""
    strips: list[NDArray[np.float64]] = []
    closing: list[list[int]] = [[] for _ in range(world.lanes)]
    for line in np.flatnonzero(world.stop_cause == StopCause.SIGNAL).tolist():
        start, end = world.stop_segment[line]
        along = (end - start) / max(float(np.hypot(*(end - start))), 1e-9)
        normal = np.array((-along[1], along[0])) * STOP_DEPTH / 2
        for lane in world.stop_lanes[world.stop_lanes_ptr[line] : world.stop_lanes_ptr[line + 1]].tolist():
            closing[lane].append(len(strips))
        strips.append(np.stack((start + normal, start - normal, end - normal, end + normal)))
    return strips, tuple(tuple(lines) for lines in closing)
