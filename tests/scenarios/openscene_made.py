"""OpenScene logs and nuPlan maps made for the tests: a straight road in Boston's UTM zone."""

import sqlite3
import struct
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import LineString, MultiPolygon, Polygon, box

from scenarios.openscene.unpickle import write_pickle
from scenarios.openscene.utm import to_utm

EPSG = 32619
# The road's frame in UTM: where its x axis begins.
BASE = np.array((331154.0, 4690672.0))
LOCATION = "us-ma-boston"
SPEED = 8.0
TOKENS = tuple(f"{number:016x}" for number in range(200))


def at(x: float, y: float) -> np.ndarray:
    """UTM coordinates of a point of the road's frame."""
    return BASE + np.array((x, y))


def frame(number: int) -> dict[str, Any]:
    """Frame ``number`` of a drive along the right lane at 8 m/s: a car ahead, a walker, a cone seen once."""
    x = -20.0 + SPEED * 0.5 * number
    pose = np.eye(4)
    pose[:2, 3] = at(x, -1.75)
    boxes = [[15.0, 0.0, 0.8, 4.5, 1.9, 1.6, 0.0], [10.0 - 4.0 * number, 9.0, 0.9, 0.6, 0.7, 1.8, 3.1 + 0.05 * number]]
    names, tracks, velocity = ["vehicle", "pedestrian"], ["car", "walker"], [[SPEED, 0.0, 0.0], [-0.1, 0.2, 0.0]]
    if number == 5:
        boxes.append([5.0, -4.0, 0.4, 0.4, 0.4, 0.8, 0.0])
        names.append("traffic_cone")
        tracks.append("cone")
        velocity.append([0.0, 0.0, 0.0])
    return {
        "token": TOKENS[number],
        "frame_idx": number,
        "timestamp": 1_600_000_000_000_000 + 500_000 * number,
        "log_name": "made",
        "map_location": LOCATION,
        "vehicle_name": "g1p-veh-0000",
        "roadblock_ids": ["11", "21", "12"],
        "traffic_lights": [(101, number < 7)] if number < 12 else [],
        "driving_command": np.array([0, 1, 0, 0]),
        "ego2global_translation": [*at(x, -1.75), 3.0],
        "ego2global_rotation": np.array([1.0, 0.0, 0.0, 0.0]),
        "ego2global": pose,
        "ego_dynamic_state": [SPEED, 0.0, 0.1, 0.0],
        "anns": {
            "gt_boxes": np.array(boxes, np.float32),
            "gt_names": np.array(names),
            "gt_velocity_3d": np.array(velocity, np.float32),
            "instance_tokens": [f"{name}-{number}" for name in names],
            "track_tokens": tracks,
        },
    }


def frames(count: int = 14) -> list[dict[str, Any]]:
    return [frame(number) for number in range(count)]


def write_log(folder: Path, content: Any = None, name: str = "made") -> Path:
    """``<folder>/navsim_logs/mini/<name>.pkl``."""
    path = folder / "navsim_logs" / "mini" / f"{name}.pkl"
    write_pickle(path, deepcopy(frames()) if content is None else content)
    return path


def to_degrees(points: np.ndarray, epsg: int = EPSG) -> np.ndarray:
    """Longitude and latitude of UTM points ``[n, 2]``, by Newton's steps on the projection."""
    found = np.tile((-71.05, 42.35), (len(points), 1))
    for _ in range(12):
        rest = points - to_utm(found, epsg)
        found[:, 0] += rest[:, 0] / (111_320.0 * np.cos(np.deg2rad(found[:, 1])))
        found[:, 1] += rest[:, 1] / 111_100.0
    return found


def _strip(low_x: float, high_x: float, low_y: float, high_y: float) -> Polygon:
    return box(low_x, low_y, high_x, high_y)


def layers() -> dict[str, tuple[list[str], list[tuple[int, Any, tuple[Any, ...]]]]]:
    """Layer -> column names, and rows (fid, geometry in the road's frame, values)."""
    line = {
        1: ((-60.0, 20.0), -1.75),
        2: ((-60.0, 20.0), 1.75),
        101: ((20.0, 45.0), -1.75),
        102: ((20.0, 45.0), 1.75),
        3: ((45.0, 160.0), -1.75),
        4: ((45.0, 160.0), 1.75),
        99: ((3000.0, 3100.0), 0.0),
    }
    shape = {fid: _strip(*x, y - 1.75, y + 1.75) for fid, (x, y) in line.items()}
    center = {fid: LineString([(s, y) for s in np.arange(x[0], x[1] + 1.0, 5.0)]) for fid, (x, y) in line.items()}
    return {
        "lanes_polygons": (
            ["lane_fid", "lane_group_fid", "speed_limit_mps"],
            [
                (fid, shape[fid], (fid, group, limit))
                for fid, group, limit in ((1, 11, 13.4), (2, 11, None), (3, 12, 11.2), (4, 12, 11.2), (99, 13, 5.0))
            ],
        ),
        "lane_connectors": (
            ["exit_lane_fid", "entry_lane_fid", "lane_group_connector_fid", "speed_limit_mps"],
            [(101, center[101], (1, 3, 21, 13.4)), (102, center[102], (2, 4, 21, 0.0))],
        ),
        "gen_lane_connectors_scaled_width_polygons": (
            ["lane_connector_fid"],
            [(7, shape[101], (101,)), (8, MultiPolygon([shape[102]]), (102,))],
        ),
        "baseline_paths": (
            ["lane_fid", "lane_connector_fid"],
            [(200 + fid, center[fid], (None, fid) if fid in (101, 102) else (fid, None)) for fid in line],
        ),
        "lane_groups_polygons": (
            [],
            [(11, _strip(-60, 20, -3.5, 3.5), ()), (12, _strip(45, 160, -3.5, 3.5), ())],
        ),
        "lane_group_connectors": (
            ["from_lane_group_fid", "to_lane_group_fid"],
            [(21, _strip(20, 45, -3.5, 3.5), (11, 12))],
        ),
        "intersections": ([], [(31, _strip(20, 45, -15, 15), ())]),
        "carpark_areas": ([], [(41, _strip(-50, -30, -12, -3.5), ())]),
        "generic_drivable_areas": ([], [(51, _strip(-60, 160, -5, 5), ())]),
        "stop_polygons": (["stop_polygon_type_fid"], [(61, _strip(19.5, 20.5, -3.5, 0.0), (2,))]),
    }


def write_map(
    path: Path,
    content: dict[str, tuple[list[str], list[tuple[int, Any, tuple[Any, ...]]]]] | None = None,
    degrees: bool = True,
    envelope: bool = True,
    order: str = "<",
    crs: str | None = f"epsg:{EPSG}",
) -> Path:
    """A GeoPackage with nuPlan's layers, stored in degrees or in metres, headers with or without envelopes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = sqlite3.connect(path)
    system = 4326 if degrees else EPSG
    data.execute(
        "CREATE TABLE gpkg_spatial_ref_sys (srs_id INTEGER, organization TEXT, organization_coordsys_id INTEGER)"
    )
    data.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, 'EPSG', ?)", [(4326, 4326), (EPSG, EPSG), (5, 3857)])
    data.execute("CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, srs_id INTEGER)")
    data.execute("CREATE TABLE meta (fid INTEGER PRIMARY KEY, key TEXT, value TEXT)")
    if crs is not None:
        data.execute("INSERT INTO meta VALUES (1, 'projectedCoordSystem', ?)", (crs,))
    for layer, (columns, rows) in (layers() if content is None else content).items():
        names = "".join(f', "{column}"' for column in columns)
        data.execute(f'CREATE TABLE "{layer}" (fid INTEGER PRIMARY KEY, geom BLOB{names})')
        data.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?)", (layer, system))
        marks = ", ".join("?" * (2 + len(columns)))
        data.executemany(
            f'INSERT INTO "{layer}" VALUES ({marks})',
            [
                (fid, shape if isinstance(shape, bytes) else blob(shape, degrees, envelope, order), *values)
                for fid, shape, values in rows
            ],
        )
    data.commit()
    data.close()
    return path


def blob(shape: Any, degrees: bool, envelope: bool, order: str) -> bytes:
    """GeoPackage header and WKB of a geometry given in the road's frame."""
    placed = shapely.transform(shape, lambda points: points + BASE)
    if degrees:
        placed = shapely.transform(placed, to_degrees)
    low_x, low_y, high_x, high_y = placed.bounds
    flags = (1 if order == "<" else 0) | (2 if envelope else 0)
    head = b"GP" + bytes((0, flags)) + struct.pack(f"{order}i", 4326 if degrees else EPSG)
    if envelope:
        head += struct.pack(f"{order}4d", low_x, high_x, low_y, high_y)
    return head + shapely.to_wkb(placed, byte_order=1 if order == "<" else 0)


def write_data(folder: Path, content: Sequence[dict[str, Any]] | None = None) -> Path:
    """A folder with one log and its map, as nuPlan lays them out."""
    write_log(folder, content)
    write_map(folder / "maps" / LOCATION / "9.12.1817" / "map.gpkg")
    return folder
