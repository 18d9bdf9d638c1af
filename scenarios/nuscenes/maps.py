"""nuScenes map expansion -> lanes, areas and stop lines around one drive, through the devkit's ``NuScenesMap``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from drive.errors import DataError
from drive.geometry import poses_to_frame, to_frame, wrap_angle
from drive.map import Area, Lane, Layer, StopCause, StopLine
from scenarios.nuscenes.tables import ARCHIVE, as_numbers, expansion_file, read_json
from scenarios.roadgraph import neighbours, roadblocks

Float = NDArray[np.float64]

# The map reaches this far [m] from the drive.
REACH = 150.0
_HALF_WIDTH = 1.75
_LEAST_AREA = 0.1
_LAYERS = (
    "drivable_area",
    "road_segment",
    "road_block",
    "lane",
    "ped_crossing",
    "walkway",
    "stop_line",
    "carpark_area",
)
_ALL_LAYERS = (*_LAYERS, "lane_connector", "road_divider", "lane_divider", "traffic_light")
_STOP_CAUSES = {
    "TRAFFIC_LIGHT": StopCause.SIGNAL,
    "STOP_SIGN": StopCause.STOP_SIGN,
    "YIELD": StopCause.YIELD,
    "TURN_STOP": StopCause.YIELD,
    "PED_CROSSING": StopCause.CROSSWALK,
}


@dataclass(frozen=True)
class Crop:
    """What lies around one drive, in the scene frame, and sentences on what had to be left out."""

    lanes: list[Lane]
    areas: list[Area]
    stop_lines: list[StopLine]
    notes: list[str]


class MapExpansion:
    """One location's map expansion, opened and checked; geometry is in the global frame until :meth:`crop`.

    Raises:
        DataError: On construction: file missing, invalid, outdated, or a token in it leads nowhere.
    """

    def __init__(self, root: Path, location: str) -> None:
        self.path = expansion_file(root, location)
        from matplotlib import rc_context

        with rc_context():  # The devkit changes matplotlib's style when it is imported.
            from nuscenes.map_expansion.map_api import NuScenesMap
        try:
            self.api: Any = NuScenesMap(dataroot=str(root), map_name=location)
        except Exception as error:  # noqa: BLE001 - border: the devkit indexes its way through the file
            self._check(read_json(self.path))
            raise DataError(f"{self.path}: nuscenes-devkit cannot load it ({type(error).__name__}: {error})") from None
        self._check(self.api.json_obj)

    def _check(self, layers: dict[str, Any]) -> None:
        found = str(layers.get("version", "1.0")) if isinstance(layers, dict) else "none"
        if found < "1.3":
            raise DataError(f"{self.path} has map version {found}, expected 1.3; get {ARCHIVE} from nuscenes.org")
        for name in ("node", "polygon", "line", *_ALL_LAYERS, "arcline_path_3", "connectivity"):
            if name not in layers:
                raise DataError(f"{self.path} has no layer {name!r}; get {ARCHIVE} from nuscenes.org")
        try:
            self._check_references(layers)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{self.path}: a record lacks the field {error}; the file is damaged") from None

    def _check_references(self, layers: dict[str, Any]) -> None:
        nodes = {record["token"] for record in layers["node"]}
        if not _finite([(record["x"], record["y"]) for record in layers["node"]]):
            bad = next(record for record in layers["node"] if not _finite([(record["x"], record["y"])]))
            raise DataError(f"{self.path}: node {bad['token']!r} is not finite")
        for record in layers["polygon"]:
            for ring in (record["exterior_node_tokens"], *(hole["node_tokens"] for hole in record["holes"])):
                self._check_tokens("polygon", record, "node_tokens", ring, nodes)
        polygons = {record["token"] for record in layers["polygon"]}
        for name in (*_LAYERS, "lane_connector"):
            for record in layers[name]:
                many = name == "drivable_area"
                tokens = record["polygon_tokens"] if many else [record["polygon_token"]]
                self._check_tokens(name, record, "polygon_token" + "s" * many, tokens, polygons)

    def _check_tokens(self, layer: str, record: Any, field: str, tokens: Sequence[str], known: set[str]) -> None:
        for token in tokens:
            if token not in known:
                raise DataError(
                    f"{self.path}: {field} {token!r} of {layer} {record['token']!r} does not exist; the file is damaged"
                )

    @cached_property
    def _tokens(self) -> list[str]:
        return [record["token"] for record in (*self.api.lane, *self.api.lane_connector)]

    @cached_property
    def _lane_shapes(self) -> tuple[shapely.STRtree, set[str]]:
        """A polygon per lane and connector, and the tokens whose own is unusable: their centreline was widened."""
        shapes, widened = [], set()
        for record in (*self.api.lane, *self.api.lane_connector):
            shape = largest(self._polygon(record["polygon_token"]))
            if shape.area < _LEAST_AREA:
                widened.add(record["token"])
                centerline = self._centerline(record["token"])
                if centerline is not None:
                    shape = largest(LineString(centerline[:, :2]).buffer(_HALF_WIDTH, cap_style="flat"))
            shapes.append(shape)
        return shapely.STRtree(shapes), widened

    @cached_property
    def _area_shapes(self) -> dict[str, shapely.STRtree]:
        """Polygons of each area layer, valid."""
        tokens = {
            name: [record["polygon_token"] for record in getattr(self.api, name)]
            for name in ("ped_crossing", "walkway", "carpark_area")
        }
        tokens["drivable_area"] = [token for record in self.api.drivable_area for token in record["polygon_tokens"]]
        tokens["intersection"] = [
            record["polygon_token"] for record in self.api.road_segment if record["is_intersection"]
        ]
        return {name: shapely.STRtree([self._polygon(token) for token in found]) for name, found in tokens.items()}

    def _polygon(self, token: str) -> BaseGeometry:
        try:
            return surface(self.api.extract_polygon(token))
        except ValueError:  # fewer than three corners
            return Polygon()

    def crop(self, path: Float, origin: Float) -> Crop:
        """Everything within :data:`REACH` of a path ``[n, 2]`` [m, global], moved to the scene frame at ``origin``.

        Lanes stay whole; areas are cut. Successors beyond the crop are left out silently, ones that the map itself
        lacks are kept for :func:`drive.map.build_map` to report.
        """
        line = LineString(path) if len(np.unique(path, axis=0)) > 1 else shapely.Point(path[0])
        region = line.buffer(REACH, quad_segs=8)
        notes: list[str] = []
        lanes, shapes = self._lanes(region, notes)
        moved = [
            replace(
                lane,
                centerline=poses_to_frame(lane.centerline, origin),
                polygon=to_frame(np.array(shape.exterior.coords)[:-1], origin),
            )
            for lane, shape in zip(lanes, shapes, strict=True)
        ]
        # Lanes stay whole, so the ground they lead over has to stay too.
        ground = shapely.union_all([region, *(shape.buffer(5.0) for shape in shapes)])
        areas = [
            Area(layer, tuple(to_frame(ring, origin) for ring in rings))
            for layer, rings in self._areas(ground, shapes, lanes)
        ]
        stops = [
            replace(stop, segment=to_frame(stop.segment, origin))
            for stop in self._stop_lines(region, lanes, shapes, notes)
        ]
        return Crop(moved, areas, stops, notes)

    def _lanes(self, region: BaseGeometry, notes: list[str]) -> tuple[list[Lane], list[Polygon]]:
        tree, widened = self._lane_shapes
        near = sorted(tree.query(region, predicate="intersects").tolist())
        count = len(self.api.lane)
        tokens, lines, shapes, connector = [], [], [], []
        for index in near:
            token = self._tokens[index]
            centerline = self._centerline(token)
            if centerline is None:
                notes.append(f"lane {token!r} has no centreline and was left out")
                continue
            if token in widened:
                notes.append(f"lane {token!r} has no usable polygon; its centreline was widened to {2 * _HALF_WIDTH} m")
            tokens.append(token)
            lines.append(centerline)
            shapes.append(tree.geometries[index])
            connector.append(index >= count)
        inside, everywhere = set(tokens), set(self._tokens)
        successors = []
        for token in tokens:
            found = self.api.connectivity.get(token, {}).get("outgoing", ())
            successors.append(tuple(name for name in found if name in inside or name not in everywhere))
        left, right = neighbours(lines, shapes, connector)
        groups = roadblocks(tokens, left, connector, successors)
        lanes = [
            Lane(
                id=token,
                centerline=lines[row],
                polygon=np.zeros((0, 2)),
                successors=successors[row],
                left=tokens[left[row]] if left[row] >= 0 else None,
                right=tokens[right[row]] if right[row] >= 0 else None,
                group=groups[row],
                connector=connector[row],
            )
            for row, token in enumerate(tokens)
        ]
        return lanes, shapes

    def _centerline(self, token: str) -> Float | None:
        """Poses ``[P, 3]`` along a lane, every 1 m, every 0.5 m where it bends tighter than 30 m."""
        from nuscenes.map_expansion.arcline_path_utils import discretize_lane

        pieces = self.api.arcline_path_3.get(token)
        if not pieces:
            return None
        try:
            tight = any(
                piece["radius"] < 30.0 and piece["segment_length"][0] + piece["segment_length"][2] > 0.1
                for piece in pieces
            )
            poses = np.array(discretize_lane(pieces, 0.5 if tight else 1.0), np.float64)
        except (LookupError, TypeError, ValueError, ArithmeticError, AssertionError) as error:
            raise DataError(
                f"{self.path}: arcline_path_3 of {token!r} is damaged ({type(error).__name__}: {error})"
            ) from None
        if poses.ndim != 2 or not np.isfinite(poses).all():
            raise DataError(f"{self.path}: arcline_path_3 of {token!r} is not finite")
        # Pieces repeat the pose they share. Of two coinciding points the earlier goes, so the lane keeps its last pose.
        far = np.linalg.norm(np.diff(poses[:, :2], axis=0), axis=1) > 1e-3
        poses = poses[np.append(far, True)]
        return poses if len(poses) > 1 else None

    def _areas(
        self, region: BaseGeometry, shapes: Sequence[Polygon], lanes: Sequence[Lane]
    ) -> list[tuple[Layer, list[Float]]]:
        found: list[tuple[Layer, list[Float]]] = []

        def add(layer: Layer, shape: BaseGeometry) -> None:
            for polygon in parts(shape):
                if polygon.area > 0.01:
                    rings = (polygon.exterior, *polygon.interiors)
                    found.append((layer, [np.array(ring.coords)[:-1] for ring in rings]))

        def clipped(name: str) -> list[BaseGeometry]:
            tree = self._area_shapes[name]
            near = sorted(tree.query(region, predicate="intersects").tolist())
            return [surface(tree.geometries[index].intersection(region)) for index in near]

        connectors = [
            surface(shape.intersection(region)) for shape, lane in zip(shapes, lanes, strict=True) if lane.connector
        ]
        add(Layer.DRIVABLE, shapely.union_all(clipped("drivable_area")))
        add(Layer.INTERSECTION, shapely.union_all(clipped("intersection") + connectors))
        for layer, name in (
            (Layer.CROSSWALK, "ped_crossing"),
            (Layer.CARPARK, "carpark_area"),
            (Layer.WALKWAY, "walkway"),
        ):
            for shape in clipped(name):
                add(layer, shape)
        return found

    def _stop_lines(
        self, region: BaseGeometry, lanes: Sequence[Lane], shapes: Sequence[Polygon], notes: list[str]
    ) -> list[StopLine]:
        """In nuScenes stop lines are polygons."""
        stops: list[StopLine] = []
        tracks = [LineString(lane.centerline[:, :2]) for lane in lanes]
        tree = shapely.STRtree(tracks)
        for record in self.api.stop_line:
            shape = self._polygon(record["polygon_token"])
            if shape.is_empty or not shape.intersects(region):
                continue
            cause = _STOP_CAUSES.get(record.get("stop_line_type"))
            if cause is None:
                notes.append(f"stop line {record['token']!r} has no known type and was left out")
                continue
            stop = stop_line(shape, cause, lanes, tree)
            if stop is None:
                notes.append(f"stop line {record['token']!r} touches no lane and was left out")
            else:
                stops.append(stop)
        return stops


def stop_line(
    shape: BaseGeometry, cause: StopCause, lanes: Sequence[Lane], centerlines: shapely.STRtree
) -> StopLine | None:
    """The stop line of a polygon across the connectors that begin in it, else the lanes it touches; None if none.

    ``centerlines`` are those of the lanes, in the same order and frame.
    """
    touched = sorted(centerlines.query(shape, predicate="intersects").tolist())
    entering = [row for row in touched if lanes[row].connector and _inside(shape, lanes[row].centerline[0])]
    closed = entering or touched
    if not closed:
        return None
    return StopLine(_across(shape, lanes[closed[0]].centerline), tuple(lanes[row].id for row in closed), cause)


def _finite(spots: list[tuple[Any, Any]]) -> bool:
    values = as_numbers(spots)
    return values is not None and values.ndim <= 2 and bool(np.isfinite(values).all())


def _inside(shape: BaseGeometry, pose: Float) -> bool:
    return bool(shape.buffer(0.05).covers(shapely.Point(pose[:2])))


def _across(shape: BaseGeometry, centerline: Float) -> Float:
    """Middle line ``[2, 2]`` of a polygon's bounding rectangle, on the axis that lies across the lane."""
    corners = shapely.get_coordinates(shape.minimum_rotated_rectangle)[:4]
    middle = (corners + np.roll(corners, -1, axis=0)) / 2
    options = (middle[[0, 2]], middle[[1, 3]])
    center = corners.mean(axis=0)
    heading = centerline[int(np.linalg.norm(centerline[:, :2] - center, axis=1).argmin()), 2]
    turn = [abs(abs(float(wrap_angle(_direction(line) - heading))) - np.pi / 2) for line in options]
    return np.ascontiguousarray(options[int(np.argmin(turn))])


def _direction(line: Float) -> float:
    step = line[1] - line[0]
    return float(np.arctan2(step[1], step[0]))


def parts(shape: BaseGeometry) -> list[Polygon]:
    """The polygons a shape is made of."""
    return [part for part in getattr(shape, "geoms", [shape]) if isinstance(part, Polygon) and not part.is_empty]


def surface(shape: BaseGeometry) -> BaseGeometry:
    """The polygonal part of a shape, valid."""
    if not shape.is_valid:
        shape = shapely.make_valid(shape)
    if isinstance(shape, Polygon | MultiPolygon):
        return shape
    return shapely.union_all(parts(shape))


def largest(shape: BaseGeometry) -> Polygon:
    """The largest polygon of a shape, empty if there is none."""
    return max(parts(shape), key=lambda part: part.area, default=Polygon())
