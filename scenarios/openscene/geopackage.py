"""nuPlan's maps: GeoPackage files read with SQLite alone, moved to the metres that the logs use, cut around one drive.

A GeoPackage keeps a table per layer with geometries as a short header before WKB (OGC 12-128). Layers in longitude and
latitude are moved to the UTM zone that the map's ``meta`` layer names. Ids are row numbers (fid) as text, as in logs.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString
from shapely.geometry.base import BaseGeometry

from drive.errors import DataError
from drive.geometry import poses_to_frame, to_frame
from drive.map import Area, Lane, Layer, StopCause, StopLine
from scenarios.nuscenes.maps import REACH, Crop, largest, parts, stop_line, surface
from scenarios.openscene.utm import to_utm, utm_zone
from scenarios.roadgraph import neighbours

Float = NDArray[np.float64]

_REQUIRED = (
    "lanes_polygons",
    "lane_connectors",
    "gen_lane_connectors_scaled_width_polygons",
    "baseline_paths",
    "lane_groups_polygons",
    "lane_group_connectors",
    "intersections",
)
_OPTIONAL = ("carpark_areas", "generic_drivable_areas", "stop_polygons", "crosswalks", "walkways")
_GROUND = (
    "lane_groups_polygons",
    "lane_group_connectors",
    "intersections",
    "carpark_areas",
    "generic_drivable_areas",
)
# Areas that stay whole, each polygon on its own: a scorer asks in which of them a point lies.
_WHOLE = (
    (Layer.ROADBLOCK, "lane_groups_polygons"),
    (Layer.INTERSECTION, "intersections"),
    (Layer.CARPARK, "carpark_areas"),
    (Layer.CROSSWALK, "crosswalks"),
    (Layer.WALKWAY, "walkways"),
)
# nuPlan's numbers for what a stop polygon is.
_STOP_CAUSES = {
    0: StopCause.CROSSWALK,
    1: StopCause.STOP_SIGN,
    2: StopCause.SIGNAL,
    3: StopCause.YIELD,
    4: StopCause.YIELD,
}
_WGS84 = 4326
_DEGREES = (_WGS84, 4269)
# Doubles of the envelope by the header's envelope code; the header before it has 8 bytes.
_ENVELOPES = (0, 4, 6, 6, 8)
_HEADER = 8
# A straight edge in degrees is not quite straight in metres.
_SLACK = 5.0
_CHUNK = 500


@dataclass(frozen=True)
class Row:
    """One record: ``fid`` as text, its geometry in the map's metres, and the columns asked for."""

    fid: str
    shape: BaseGeometry
    values: tuple[Any, ...]


class GeoPackageMap:
    """A nuPlan map file, opened and checked; :meth:`crop` reads what lies around one drive.

    Raises:
        DataError: On construction: no GeoPackage, a layer is missing, or the coordinate system is not known.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._indices: dict[str, tuple[list[str], Float]] = {}
        try:
            self._data = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)
            self._geometry = {
                str(table): (str(column), int(system))
                for table, column, system in self._data.execute(
                    "SELECT table_name, column_name, srs_id FROM gpkg_geometry_columns"
                )
            }
            found = self._data.execute("SELECT value FROM meta WHERE key = 'projectedCoordSystem'").fetchone()
        except sqlite3.Error as error:
            raise DataError(f"{path} is not a nuPlan map (GeoPackage): {error}") from None
        missing = [name for name in _REQUIRED if name not in self._geometry]
        if missing:
            raise DataError(f"{path} has no layer {', '.join(missing)}; get nuplan-maps-v1.0 again")
        named = re.fullmatch(r"epsg:(\d+)", str(found[0]).strip(), re.IGNORECASE) if found else None
        if named is None:
            raise DataError(
                f"{path}: meta.projectedCoordSystem is {found and found[0]!r}, expected text like EPSG:32619"
            )
        self.epsg = int(named[1])
        try:
            utm_zone(self.epsg)
        except DataError as error:
            raise DataError(f"{path}: meta.projectedCoordSystem: {error}") from None

    def crop(self, path: Float, origin: Float) -> Crop:
        """Everything within :data:`scenarios.nuscenes.maps.REACH` of a path ``[n, 2]`` [m, global], in the scene frame.

        Lanes and areas stay whole, but for the drivable area (all ground that may be driven on), which is cut.

        Raises:
            DataError: A record near the path is damaged.
        """
        line = LineString(path) if len(np.unique(path, axis=0)) > 1 else shapely.Point(path[0])
        region = line.buffer(REACH, quad_segs=8)
        notes: list[str] = []
        lanes, shapes = self._lanes(region, notes)
        ground = shapely.union_all([region, *(shape.buffer(5.0) for shape in shapes)])
        areas: list[Area] = []

        def add(layer: Layer, shape: BaseGeometry) -> None:
            for part in parts(surface(shape)):
                if part.area > 0.01:
                    rings = (part.exterior, *part.interiors)
                    areas.append(Area(layer, tuple(to_frame(np.array(ring.coords)[:-1, :2], origin) for ring in rings)))

        paved = [row.shape for layer in _GROUND for row in self._near(layer, ground)]
        add(Layer.DRIVABLE, surface(shapely.union_all([surface(shape) for shape in paved])).intersection(ground))
        for layer, name in _WHOLE:
            for row in self._near(name, region):
                add(layer, row.shape)
        stops = self._stop_lines(region, lanes, notes)
        return Crop(
            [
                Lane(
                    **{
                        **vars(lane),
                        "centerline": poses_to_frame(lane.centerline, origin),
                        "polygon": to_frame(lane.polygon, origin),
                    }
                )
                for lane in lanes
            ],
            areas,
            [StopLine(to_frame(stop.segment, origin), stop.lanes, stop.cause) for stop in stops],
            notes,
        )

    def _lanes(self, region: BaseGeometry, notes: list[str]) -> tuple[list[Lane], list[BaseGeometry]]:
        """Lanes and connectors near, in the map's metres, and their polygons."""
        found: dict[str, tuple[BaseGeometry, str, Any, bool]] = {}
        follow: dict[str, list[str]] = {}
        for row in self._near("lanes_polygons", region, "lane_group_fid", "speed_limit_mps"):
            found[row.fid] = (row.shape, _fid(row.values[0]), row.values[1], False)
        polygons = {
            _fid(row.values[0]): row.shape
            for row in self._near("gen_lane_connectors_scaled_width_polygons", region, "lane_connector_fid")
        }
        columns = ("lane_group_connector_fid", "speed_limit_mps", "exit_lane_fid", "entry_lane_fid")
        for row in self._fetch("lane_connectors", polygons, columns):
            group, limit, before, after = row.values
            if row.fid in found:
                raise DataError(f"{self.path}: {row.fid!r} is the fid of a lane and of a lane connector")
            found[row.fid] = (polygons[row.fid], _fid(group), limit, True)
            follow.setdefault(_fid(before), []).append(row.fid)
            follow.setdefault(row.fid, []).append(_fid(after))
        lines = self._baselines(found)
        for fid in sorted(set(found) - set(lines)):
            notes.append(f"lane {fid!r} has no baseline path and was left out")
        everywhere = set(self._index("lanes_polygons")[0]) | set(self._index("lane_connectors")[0])
        surfaces = {fid: largest(surface(found[fid][0])) for fid in lines}
        for fid in [fid for fid, shape in surfaces.items() if shape.is_empty]:
            notes.append(f"lane {fid!r} has no usable polygon and was left out")
            del lines[fid]
        names = [fid for fid in found if fid in lines]
        shapes = [surfaces[fid] for fid in names]
        connector = [found[fid][3] for fid in names]
        left, right = neighbours([lines[fid] for fid in names], shapes, connector)
        lanes = [
            Lane(
                id=fid,
                centerline=lines[fid],
                polygon=np.array(shapes[row].exterior.coords)[:-1, :2],
                successors=tuple(name for name in follow.get(fid, ()) if name in lines or name not in everywhere),
                left=names[left[row]] if left[row] >= 0 else None,
                right=names[right[row]] if right[row] >= 0 else None,
                group=found[fid][1],
                speed_limit=_positive(found[fid][2]),
                connector=connector[row],
            )
            for row, fid in enumerate(names)
        ]
        return lanes, list(shapes)

    def _baselines(self, lanes: Iterable[str]) -> dict[str, Float]:
        """Centreline ``[P, 3]`` of each lane or connector that has one: the baseline's points, facing the next."""
        wanted, found = set(lanes), {}
        owners = self._select("SELECT rowid, lane_fid, lane_connector_fid FROM baseline_paths")
        owner = {str(row): _fid(lane if lane is not None else connector) for row, lane, connector in owners}
        rows = [row for row, name in owner.items() if name in wanted]
        for row in self._fetch("baseline_paths", rows):
            points = shapely.get_coordinates(row.shape)
            points = points[np.append(np.linalg.norm(np.diff(points, axis=0), axis=1) > 1e-3, True)]
            if len(points) > 1:
                step = np.diff(points, axis=0)
                heading = np.arctan2(step[:, 1], step[:, 0])
                found[owner[row.fid]] = np.column_stack((points, np.append(heading, heading[-1])))
        return found

    def _stop_lines(self, region: BaseGeometry, lanes: Sequence[Lane], notes: list[str]) -> list[StopLine]:
        tree = shapely.STRtree([LineString(lane.centerline[:, :2]) for lane in lanes])
        stops = []
        for row in self._near("stop_polygons", region, "stop_polygon_type_fid"):
            cause = _STOP_CAUSES.get(row.values[0])
            stop = None if cause is None else stop_line(surface(row.shape), cause, lanes, tree)
            if stop is None:
                notes.append(f"stop polygon {row.fid!r} has no known type or touches no lane and was left out")
            else:
                stops.append(stop)
        return stops

    def _near(self, layer: str, region: BaseGeometry, *columns: str) -> list[Row]:
        """Records of a layer that touch the region; none of an optional layer that the file lacks."""
        if layer not in self._geometry:
            return []
        fids, boxes = self._index(layer)
        low_x, low_y, high_x, high_y = region.bounds
        near = (boxes[:, 0] <= high_x) & (boxes[:, 2] >= low_x) & (boxes[:, 1] <= high_y) & (boxes[:, 3] >= low_y)
        rows = self._fetch(layer, [fids[index] for index in np.flatnonzero(near)], columns)
        return [row for row in rows if row.shape.intersects(region)]

    def _fetch(self, layer: str, fids: Iterable[str], columns: Sequence[str] = ()) -> Iterator[Row]:
        """Records by fid, in the order of the file, geometries moved to metres."""
        geometry = self._geometry[layer][0]
        names = ", ".join(f'"{name}"' for name in ("rowid", geometry, *columns))
        wanted = sorted({int(fid) for fid in fids})
        for begin in range(0, len(wanted), _CHUNK):
            some = ", ".join(map(str, wanted[begin : begin + _CHUNK]))
            for fid, blob, *values in self._select(f'SELECT {names} FROM "{layer}" WHERE rowid IN ({some})'):
                yield Row(str(fid), self._shape(layer, fid, blob), tuple(values))

    def _index(self, layer: str) -> tuple[list[str], Float]:
        """Fids of a layer and the box ``[n, 4]`` (low x, low y, high x, high y [m]) around each, from the headers."""
        if layer in self._indices:
            return self._indices[layer]
        column = self._geometry[layer][0]
        fids, boxes = [], []
        for fid, head in self._select(f'SELECT rowid, substr("{column}", 1, 40) FROM "{layer}"'):
            low_x, high_x, low_y, high_y = self._envelope(layer, fid, head)
            fids.append(str(fid))
            boxes.append(((low_x, low_y), (low_x, high_y), (high_x, low_y), (high_x, high_y)))
        corners = self._metres(layer, np.array(boxes, np.float64).reshape(-1, 4, 2))
        around = np.concatenate((corners.min(axis=1) - _SLACK, corners.max(axis=1) + _SLACK), axis=1)
        self._indices[layer] = fids, around
        return fids, around

    def _envelope(self, layer: str, fid: int, head: Any) -> tuple[float, ...]:
        if isinstance(head, bytes) and len(head) >= _HEADER and head[:2] == b"GP" and head[3] >> 1 & 7:
            order = "<" if head[3] & 1 else ">"
            return tuple(np.frombuffer(head, f"{order}f8", 4, _HEADER).tolist())
        column = self._geometry[layer][0]
        blob = self._select(f'SELECT "{column}" FROM "{layer}" WHERE rowid = {int(fid)}')[0][0]
        low_x, low_y, high_x, high_y = shapely.bounds(self._decode(layer, fid, blob))
        return low_x, high_x, low_y, high_y

    def _shape(self, layer: str, fid: int, blob: Any) -> BaseGeometry:
        shape = self._decode(layer, fid, blob)
        return shapely.transform(shape, lambda points: self._metres(layer, points))

    def _decode(self, layer: str, fid: int, blob: Any) -> BaseGeometry:
        """The geometry behind a GeoPackage header, as it is stored, without heights."""
        try:
            if blob[:2] != b"GP":
                raise ValueError("it has no GeoPackage header")
            shape = shapely.from_wkb(blob[_HEADER + 8 * _ENVELOPES[blob[3] >> 1 & 7] :])
            if not np.isfinite(shapely.get_coordinates(shape)).all():
                raise ValueError("a coordinate is not finite")
        except (TypeError, ValueError, IndexError, shapely.errors.ShapelyError) as error:
            raise DataError(f"{self.path}: the geometry of {layer} {fid} is damaged ({error})") from None
        return shapely.force_2d(shape)

    def _metres(self, layer: str, points: Float) -> Float:
        system = self._systems.get(self._geometry[layer][1])
        if system == self.epsg:
            return points
        if system not in _DEGREES:
            raise DataError(f"{self.path}: layer {layer} is in EPSG:{system}, expected EPSG:4326 or EPSG:{self.epsg}")
        return to_utm(points, self.epsg)

    @cached_property
    def _systems(self) -> dict[int, int]:
        """EPSG code by the file's own number of a coordinate system."""
        rows = self._select("SELECT srs_id, organization_coordsys_id FROM gpkg_spatial_ref_sys")
        return {int(number): int(code) for number, code in rows}

    def _select(self, query: str) -> list[tuple[Any, ...]]:
        try:
            return self._data.execute(query).fetchall()
        except sqlite3.Error as error:
            raise DataError(f"{self.path} is damaged or no nuPlan map: {error}") from None


def _fid(value: Any) -> str:
    """An id as logs write it; tables may hold it as a float or text."""
    try:
        return str(int(value))
    except (TypeError, ValueError):
        return "" if value is None else str(value)


def _positive(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None
