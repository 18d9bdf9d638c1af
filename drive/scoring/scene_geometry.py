"""What scoring needs of a scene, compiled once and shared by every rollout of it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.geometry import arc_length
from drive.kernels.geometry import cumulative
from drive.kernels.ground import Ground, compile_ground
from drive.map import Layer, VectorMap
from drive.scene import Scenario
from drive.scoring.progress import reference_path
from drive.scoring.red_light import StopLines, compile_stop_lines
from drive.vehicle import Ego

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]


class LaneIndex(NamedTuple):
    """Lanes for point queries: polygons ``ring [M, 2]`` with offsets ``ring_ptr [L+1]`` and bounding boxes
    ``ring_box [L, 4]`` (x low, y low, x high, y high); ``centerline [N, 3]`` with ``arc [N]`` [m] and offsets
    ``centerline_ptr [L+1]``; ``limit [L]`` [m/s], 0 where unknown; ``on_route [L]``, ``borrow_allowed [L]`` bool."""

    ring: Float
    ring_ptr: Int
    ring_box: Float
    centerline: Float
    arc: Float
    centerline_ptr: Int
    limit: Float
    on_route: Bool
    borrow_allowed: Bool


class SceneGeometry(NamedTuple):
    """Everything about a scene that does not depend on the rollout.

    ``lanes``; ``drivable`` and ``intersection`` areas (``has_drivable``: the map has any drivable area at all);
    ``stop_lines`` of signalled lanes; ``path [P, 2]`` [m] with ``path_arc [P]``: where the reference drove after the
    start.
    """

    lanes: LaneIndex
    drivable: Ground
    has_drivable: bool
    intersection: Ground
    stop_lines: StopLines
    path: Float
    path_arc: Float


def compile_geometry(scenario: Scenario) -> SceneGeometry:
    """Prepare a scene for scoring. The drivable area is the union of the layers DRIVABLE and CARPARK."""
    vector_map = scenario.map
    path = reference_path(scenario.reference[scenario.start :, [Ego.X, Ego.Y]])
    return SceneGeometry(
        lanes=_index_lanes(vector_map, scenario.route),
        drivable=compile_ground(vector_map, (Layer.DRIVABLE, Layer.CARPARK)),
        has_drivable=bool(np.isin(vector_map.area_layer, (Layer.DRIVABLE, Layer.CARPARK)).any()),
        intersection=compile_ground(vector_map, (Layer.INTERSECTION,)),
        stop_lines=compile_stop_lines(vector_map, scenario.lights, scenario.route, scenario.start),
        path=path,
        path_arc=arc_length(path),
    )


def _index_lanes(vector_map: VectorMap, route: Int) -> LaneIndex:
    lanes = vector_map.lanes
    boxes = np.zeros((lanes, 4))
    for lane in range(lanes):
        ring = vector_map.lane_polygon(lane)
        boxes[lane] = (*ring.min(axis=0), *ring.max(axis=0))
    centerline = np.ascontiguousarray(vector_map.centerline)
    pointer = np.ascontiguousarray(vector_map.centerline_ptr, np.int32)
    on_route = np.zeros(lanes, np.bool_)
    on_route[route] = True
    return LaneIndex(
        ring=np.ascontiguousarray(vector_map.polygon),
        ring_ptr=np.ascontiguousarray(vector_map.polygon_ptr, np.int32),
        ring_box=boxes,
        centerline=centerline,
        arc=cumulative(centerline, pointer),
        centerline_ptr=pointer,
        limit=_limits(vector_map),
        on_route=on_route,
        borrow_allowed=np.asarray(vector_map.borrow_allowed, np.bool_),
    )


def _limits(vector_map: VectorMap) -> Float:
    """Limit [m/s] of every lane; a connector without its own has the highest of its neighbours' if all are known."""
    known = np.where(vector_map.has_speed_limit, vector_map.speed_limit, 0.0)
    limits = known.copy()
    for lane in np.flatnonzero(vector_map.connector & ~vector_map.has_speed_limit):
        around = known[np.concatenate((vector_map.lane_predecessors(lane), vector_map.lane_successors(lane)))]
        if around.size and (around > 0).all():
            limits[lane] = around.max()
    return limits
