"""nuPlan's GeoPackages without nuplan-devkit, and where maps are looked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from drive.errors import DataError
from drive.geometry import from_frame, poses_from_frame
from drive.map import Layer, StopCause
from drive.scene import LightState, Scenario
from scenarios.openscene import SceneFilter, prepare
from scenarios.openscene.geopackage import GeoPackageMap
from scenarios.openscene.utm import to_utm, utm_zone
from scenarios.store import Store
from tests.scenarios.openscene_made import BASE, EPSG, LOCATION, at, layers, write_data, write_log, write_map

MILLIMETRE = 1e-3

# Longitude, latitude -> easting, northing by PROJ 9 (pyproj), to the micrometre.
REFERENCE = (
    (32619, -71.05, 42.35, 331154.010838, 4690672.815282),
    (32611, -115.17, 36.11, 664712.824115, 3997699.687481),
    (32617, -79.95, 40.41, 589090.143930, 4473794.045508),
    (32648, 103.79, 1.3, 365381.654777, 143721.560480),
    (32619, -66.0, 42.0, 748464.920712, 4654130.891323),
    (32756, 151.2, -33.87, 333510.650081, 6250800.241184),
    (32631, 6.9, 80.0, 575549.484552, 8884119.035284),
    (26919, -71.05, 42.35, 331154.010836, 4690672.815165),
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    store = Store(tmp_path_factory.mktemp("store"))
    (entry,) = prepare(write_data(tmp_path_factory.mktemp("data")), store)
    found = store.get(entry.key)
    assert found is not None
    return found


@pytest.mark.parametrize(("epsg", "longitude", "latitude", "east", "north"), REFERENCE)
def test_utm_agrees_with_proj_within_a_millimetre(
    epsg: int, longitude: float, latitude: float, east: float, north: float
) -> None:
    np.testing.assert_allclose(to_utm((longitude, latitude), epsg), (east, north), atol=MILLIMETRE, rtol=0)


def test_only_utm_zones_are_projected_to() -> None:
    assert utm_zone(32619) == (19, False)
    assert utm_zone(32756) == (56, True)
    for epsg in (3857, 4326, 32600, 32661):
        with pytest.raises(DataError, match=f"EPSG:{epsg} is not a UTM zone"):
            utm_zone(epsg)


@pytest.mark.parametrize(
    "how",
    [{}, {"envelope": False}, {"order": ">"}, {"degrees": False}],
    ids=["degrees", "bare", "big-endian", "metres"],
)
def test_the_map_is_where_it_was_drawn(tmp_path: Path, how: dict[str, Any]) -> None:
    origin = np.array((*BASE, 0.0))
    crop = GeoPackageMap(write_map(tmp_path / "map.gpkg", **how)).crop(np.array([BASE, at(30.0, 0.0)]), origin)
    lanes = {lane.id: lane for lane in crop.lanes}
    assert set(lanes) == {"1", "2", "3", "4", "101", "102"}  # 99 is three kilometres away
    for lane, (begin, end), y in (("1", (-60, 20), -1.75), ("102", (20, 45), 1.75), ("3", (45, 160), -1.75)):
        line = lanes[lane].centerline
        np.testing.assert_allclose(line[[0, -1], :2], ((begin, y), (end, y)), atol=MILLIMETRE)
        assert np.abs(line[:, 2]).max() < 1e-4
        drawn = shapely.box(begin, y - 1.75, end, y + 1.75)
        assert shapely.Polygon(lanes[lane].polygon).symmetric_difference(drawn).area < 0.1
    areas = {layer: [area for area in crop.areas if area.layer == layer] for layer in Layer}
    assert [len(areas[layer]) for layer in (Layer.ROADBLOCK, Layer.INTERSECTION, Layer.CARPARK)] == [2, 1, 1]
    (ground,) = areas[Layer.DRIVABLE]
    drawn = shapely.union_all(
        [shapely.box(-60, -5, 160, 5), shapely.box(20, -15, 45, 15), shapely.box(-50, -12, -30, 0)]
    )
    assert shapely.Polygon(ground.rings[0]).symmetric_difference(drawn).area < 1.0
    assert crop.notes == []


def test_lanes_keep_the_relations_of_the_file(scene: Scenario) -> None:
    world = scene.map
    names = world.lane_ids

    def follow(name: str) -> set[str]:
        return {names[other] for other in world.lane_successors(names.index(name))}

    assert follow("1") == {"101"}
    assert follow("101") == {"3"}
    assert follow("2") == {"102"}
    assert follow("3") == set()
    groups = {name: world.group_ids[world.group[row]] for row, name in enumerate(names)}
    assert groups == {"1": "11", "2": "11", "3": "12", "4": "12", "101": "21", "102": "21"}
    assert [names[row] for row in np.flatnonzero(world.connector)] == ["101", "102"]
    assert names[world.left[names.index("1")]] == "2"
    limits = {name: world.speed_limit[row] for row, name in enumerate(names) if world.has_speed_limit[row]}
    assert limits == pytest.approx({"1": 13.4, "3": 11.2, "4": 11.2, "101": 13.4})  # null and 0 mean none
    assert world.dropped == ()


def test_stop_polygons_close_the_connectors_that_begin_in_them(scene: Scenario) -> None:
    world = scene.map
    assert world.stop_cause.tolist() == [StopCause.SIGNAL]
    assert [world.lane_ids[lane] for lane in world.stop_lanes] == ["101"]


def test_the_scene_lies_in_utm_metres(scene: Scenario) -> None:
    np.testing.assert_allclose(scene.origin, (*at(-8.0, -1.75), 0.0))
    row = scene.map.lane_ids.index("1")
    line = poses_from_frame(scene.map.lane_centerline(row), scene.origin)
    np.testing.assert_allclose(line[0, :2], at(-60.0, -1.75), atol=MILLIMETRE)


def test_signals_hold_for_half_a_second_and_are_unknown_where_not_named(scene: Scenario) -> None:
    (state,) = scene.lights.state
    assert (state[:35] == LightState.RED).all()
    assert (state[35:60] == LightState.GREEN).all()
    assert (state[60:] == LightState.UNKNOWN).all()
    assert scene.map.lane_ids[scene.lights.lane[0]] == "101"
    stop = from_frame(scene.lights.stop_point[0], scene.origin)
    np.testing.assert_allclose(stop, at(20.0, -1.75), atol=MILLIMETRE)


def test_the_route_goes_through_the_roadblocks_of_the_log(scene: Scenario) -> None:
    assert [scene.map.lane_ids[lane] for lane in scene.route] == ["1", "101", "3"]
    np.testing.assert_array_equal(scene.goal, scene.map.lane_centerline(int(scene.route[-1]))[-1, :2])


def test_the_route_ends_with_the_roadblocks_that_the_log_names(tmp_path: Path) -> None:
    from tests.scenarios.openscene_made import frames

    content = [{**frame, "roadblock_ids": ["11", "21"]} for frame in frames()]
    store = Store(tmp_path / "store")
    write_data(tmp_path, content)
    (entry,) = prepare(tmp_path, store)
    scene = store.get(entry.key)
    assert scene is not None
    assert [scene.map.lane_ids[lane] for lane in scene.route] == ["1", "101"]


def test_a_flat_folder_of_maps_will_do(tmp_path: Path) -> None:
    write_log(tmp_path)
    write_map(tmp_path / "elsewhere" / f"{LOCATION}.gpkg")
    assert len(prepare(tmp_path, Store(tmp_path / "store"), tmp_path / "elsewhere")) == 1


def test_another_map_makes_another_scene(tmp_path: Path) -> None:
    write_log(tmp_path)
    store = Store(tmp_path / "store")
    changed = layers()
    changed["carpark_areas"] = ([], [])
    keys = set()
    for name, content in (("one", None), ("two", changed)):
        write_map(tmp_path / name / f"{LOCATION}.gpkg", content)
        keys.add(prepare(tmp_path, store, tmp_path / name)[0].key)
    keys.add(prepare(tmp_path, store, tmp_path / "one", SceneFilter(vehicle="zoe"))[0].key)
    assert len(keys) == 3


def _without(layer: str) -> dict[str, Any]:
    return {name: rows for name, rows in layers().items() if name != layer}


def _damaged(layer: str, shape: bytes) -> dict[str, Any]:
    found = layers()
    columns, rows = found[layer]
    found[layer] = (columns, [(fid, shape, values) for fid, _, values in rows])
    return found


BAD_MAPS = {
    "no layer": ({"content": _without("baseline_paths")}, "has no layer baseline_paths"),
    "no coordinate system": ({"crs": None}, "projectedCoordSystem is None"),
    "not a code": ({"crs": "boston"}, "projectedCoordSystem is 'boston'"),
    "not a zone": ({"crs": "EPSG:3857"}, "EPSG:3857 is not a UTM zone"),
    "other zone stored": ({"degrees": False, "crs": "EPSG:32618"}, f"is in EPSG:{EPSG}, expected EPSG:4326"),
    "no header": (
        {"content": _damaged("lanes_polygons", b"XX" + bytes(60))},
        "geometry of lanes_polygons 1 is damaged",
    ),
    "cut WKB": (
        {"content": _damaged("intersections", b"GP\x00\x01" + bytes(4) + b"\x01\x03\x00")},
        "geometry of intersections 31 is damaged",
    ),
    "no geometry": ({"content": _damaged("baseline_paths", b"")}, "geometry of baseline_paths 201 is damaged"),
}


@pytest.mark.parametrize("name", BAD_MAPS)
def test_a_bad_map_is_one_sentence_that_names_the_file(tmp_path: Path, name: str) -> None:
    how, sentence = BAD_MAPS[name]
    write_log(tmp_path)
    path = write_map(tmp_path / "maps" / f"{LOCATION}.gpkg", **how)
    with pytest.raises(DataError) as caught:
        prepare(tmp_path, Store(tmp_path / "store"))
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_map_says_what_was_looked_for_and_where(tmp_path: Path) -> None:
    write_log(tmp_path)
    store = Store(tmp_path / "store")
    with pytest.raises(DataError, match=f"recorded on the map '{LOCATION}': say with --maps"):
        prepare(tmp_path, store)
    maps = tmp_path / "maps"
    with pytest.raises(DataError, match=r"there is no folder .*maps to look for the map"):
        prepare(tmp_path, store, maps)
    maps.mkdir()
    with pytest.raises(DataError, match=f"looked for {LOCATION}/<version>/map.gpkg and {LOCATION}.gpkg"):
        prepare(tmp_path, store)
    (maps / f"{LOCATION}.gpkg").write_bytes(b"SQLite format 3? no")
    with pytest.raises(DataError, match="is not a nuPlan map"):
        prepare(tmp_path, store)
    for version in ("1", "2"):
        write_map(maps / LOCATION / version / "map.gpkg")
    with pytest.raises(DataError, match=r"holds several versions \(1, 2\)"):
        prepare(tmp_path, store)
