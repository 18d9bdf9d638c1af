"""ScenarioNet scenarios become scenes: slips of the format repaired, maps connected, real drives as in nuScenes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from drive.errors import DataError, SuiteError
from drive.geometry import box_corners, from_frame, poses_from_frame, to_frame, wrap_angle
from drive.map import Layer, StopCause
from drive.scene import AgentKind, LightState, Scenario
from drive.vehicle import PACIFICA, ZOE, Ego, center_from_rear_axle
from evaluation.suite import ensure_scenes, load_scene, resolve_suite
from scenarios.doctor import examine, render
from scenarios.nuscenes import prepare as prepare_nuscenes
from scenarios.scenarionet import find_scenario_files, load_file, prepare
from scenarios.scenarionet.clock import read_clock
from scenarios.sources import detect
from scenarios.store import Store
from tests.scenarios.scenarionet_made import (
    FRAMES,
    SPEED,
    TURN,
    at,
    bus,
    gone,
    nuscenes_like,
    waymo_like,
    write_database,
)


def loaded(folder: Path, content: dict[str, Any]) -> Scenario:
    return load_file(find_scenario_files(write_database(folder, content))[0])


def ways(scene: Scenario) -> np.ndarray:
    """Way [m] of the rear axle along the made road at every step."""
    points = from_frame(scene.reference[:, :2], scene.origin)
    return np.asarray(to_frame(points, (*at(0.0, 0.0), TURN))[:, 0])


# nuScenes' slips


def test_the_egos_exchanged_size_is_put_right_and_its_position_is_the_rear_axle(tmp_path: Path) -> None:
    scene = loaded(tmp_path, nuscenes_like())
    assert scene.ego_vehicle == ZOE
    assert (scene.ego_vehicle.length, scene.ego_vehicle.width) == (4.084, 1.73)
    np.testing.assert_allclose(ways(scene)[:100], gone(0.1 * np.arange(100)), atol=0.01)
    assert any("wrong way round" in note for note in scene.provenance["repaired"])


def test_other_data_sets_have_the_egos_box_centre(tmp_path: Path) -> None:
    scene = loaded(tmp_path, waymo_like())
    assert scene.ego_vehicle.length == pytest.approx(5.0)
    assert scene.ego_vehicle.wheelbase / 5.0 == pytest.approx(PACIFICA.wheelbase / PACIFICA.length)
    centre = center_from_rear_axle(scene.reference[:, : Ego.VX], scene.ego_vehicle)
    np.testing.assert_allclose(
        from_frame(centre[:, :2], scene.origin), at(gone(0.1 * np.arange(scene.steps)), 0.0), atol=1e-3
    )


def test_a_velocity_of_zero_in_a_tracks_last_frame_is_repaired(tmp_path: Path) -> None:
    content = nuscenes_like()
    content["tracks"]["parked"] = content["tracks"]["truck"] | {
        "state": {
            key: np.repeat(value[:1], FRAMES, axis=0) for key, value in content["tracks"]["truck"]["state"].items()
        }
    }
    content["tracks"]["parked"]["state"]["velocity"] = np.zeros((FRAMES, 2))
    scene = loaded(tmp_path, content)
    speed = np.linalg.norm(scene.tracks.velocity, axis=2)
    walker, parked = scene.tracks.ids.index("walker"), scene.tracks.ids.index("parked")
    np.testing.assert_allclose(speed[walker, scene.tracks.valid[walker]], 1.0, rtol=1e-6)
    assert (speed[parked] == 0).all()  # what stands, stands


def test_lost_messages_of_the_egos_bus_are_put_back_on_its_clock(tmp_path: Path) -> None:
    raw, true = bus(lost=(20, 33, 70), length=10.06)
    scene = loaded(tmp_path, nuscenes_like(lost=(20, 33, 70), length=10.06))
    assert np.abs(np.diff(raw, 3)).max() > 0.1  # the file's drive jumps
    np.testing.assert_allclose(ways(scene), gone(0.1 * np.arange(scene.steps)), atol=0.05)
    assert np.abs(scene.reference[:, Ego.AX] - 0.2).max() < 0.3
    assert "3 lost messages of the ego's bus were put back on its clock" in scene.provenance["repaired"]
    assert true[-1] == pytest.approx(float(gone(10.06)))


@pytest.mark.parametrize("seam", [88, 95, 99])
def test_an_ego_that_steps_back_in_its_last_frames_is_put_on_the_frames_clock(tmp_path: Path, seam: int) -> None:
    clock = {"lost": (20, 25, 40, 44, 60, 70, 75, 80), "length": 10.0, "seam": seam}
    assert np.diff(bus(**clock)[0])[seam - 1] < 0.1 * SPEED * 0.2  # type: ignore[arg-type]
    scene = loaded(tmp_path, nuscenes_like(**clock))
    assert (np.diff(ways(scene)) > 0.5).all()
    np.testing.assert_allclose(ways(scene), gone(0.1 * np.arange(scene.steps)), atol=0.15)
    assert any("stepped back" in note for note in scene.provenance["repaired"])


@given(st.sets(st.integers(1, 30), max_size=6), st.floats(3.0, 18.0), st.floats(-0.003, 0.003))
@settings(max_examples=40, deadline=None)
def test_the_clock_behind_a_bus_stream_is_found(lost: set[int], speed: float, stretch: float) -> None:
    steps = tuple(3 * step for step in lost)
    length = (10.0 + 0.02 * len(steps)) * (1 + stretch)
    way, _ = bus(steps, length, speed=speed)
    clock = read_clock(np.column_stack((way, np.zeros(FRAMES), np.zeros(FRAMES))))
    kept = np.isfinite(clock.ego)
    assert clock.lost == len(steps)
    assert (np.diff(clock.ego[kept]) > 0).all()
    assert np.abs(gone(clock.ego[kept], speed) - way[kept]).max() < 0.035 * speed


def test_a_clock_without_faults_is_left_alone() -> None:
    for way in (bus()[0], np.zeros(FRAMES), bus(speed=0.2)[0]):
        clock = read_clock(np.column_stack((way, np.zeros(FRAMES), np.zeros(FRAMES))))
        assert np.array_equal(clock.ego, 0.1 * np.arange(FRAMES))
        assert np.array_equal(clock.frames, clock.ego)


def test_zeros_of_invalid_frames_never_reach_a_scene(tmp_path: Path) -> None:
    scene = loaded(tmp_path, nuscenes_like(lost=(20, 33), length=10.04))
    walker = scene.tracks.ids.index("walker")
    there = scene.tracks.valid[walker]
    assert 48 <= there.sum() <= 50
    points = from_frame(scene.tracks.position[walker, there], scene.origin)
    local = to_frame(points, (*at(0.0, 0.0), TURN))
    assert ((local[:, 0] > 24.0) & (local[:, 0] < 31.0) & (np.abs(local[:, 1] - 6.0) < 0.01)).all()
    assert (scene.tracks.position[~scene.tracks.valid] == 0).all()


def test_frames_marked_with_minus_10000_count_as_absent(tmp_path: Path) -> None:
    content = waymo_like()
    content["tracks"]["8"]["state"]["position"][30:35] = -10000.0
    scene = loaded(tmp_path, content)
    row = scene.tracks.ids.index("8")
    assert not scene.tracks.valid[row, 30:35].any() and scene.tracks.valid[row, 35:].all()


def test_velocities_that_are_no_numbers_come_from_positions(tmp_path: Path) -> None:
    content = waymo_like()
    content["tracks"]["8"]["state"]["velocity"][10:20] = np.nan
    scene = loaded(tmp_path, content)
    speed = np.linalg.norm(scene.tracks.velocity[scene.tracks.ids.index("8")], axis=1)
    np.testing.assert_allclose(speed, 4.0, rtol=1e-5)
    assert "10 velocities that are no numbers were taken from positions" in scene.provenance["repaired"]


def test_a_track_with_a_gap_is_absent_in_it(tmp_path: Path) -> None:
    scene = loaded(tmp_path, waymo_like())
    valid = scene.tracks.valid[scene.tracks.ids.index("7")]
    assert not valid[40:61].any() and valid[:40].all() and valid[61:].all()


def test_frames_of_another_rate_are_brought_to_a_tenth_of_a_second(tmp_path: Path) -> None:
    content = waymo_like()
    content["metadata"]["ts"] = 0.2 * np.arange(FRAMES)
    scene = loaded(tmp_path, content)
    assert scene.steps == 171 and scene.start == 20  # the same moment: frame 10
    assert scene.reference[scene.start, Ego.VX] == pytest.approx((SPEED + 0.2) / 2, abs=0.1)
    assert scene.lights.state[0, 2 * 20] == LightState.RED
    irregular = waymo_like()
    irregular["metadata"]["ts"] = 0.1 * np.arange(FRAMES) + 0.03 * np.sin(np.arange(FRAMES))
    steady = loaded(tmp_path / "b", irregular)
    assert abs(steady.steps - FRAMES) <= 1


# the map


def test_lanes_without_links_are_joined_where_they_meet(tmp_path: Path) -> None:
    scene = loaded(tmp_path, nuscenes_like())
    index = {name: lane for lane, name in enumerate(scene.map.lane_ids)}
    assert list(scene.map.lane_successors(index["lane-0"])) == [index["lane-1"]]
    assert list(scene.map.lane_successors(index["lane-1"])) == [index["lane-2"]]
    assert scene.map.connector.tolist() == [False, True, False]
    assert [scene.map.lane_ids[lane] for lane in scene.route] == ["lane-0", "lane-1", "lane-2"]
    assert not scene.map.has_speed_limit.any()  # 100 km/h on connectors is a placeholder
    np.testing.assert_allclose(scene.map.centerline[:, 2], 0.0, atol=1e-9)


def test_rings_of_the_drivable_area_have_their_islands_left_out(tmp_path: Path) -> None:
    scene = loaded(tmp_path, nuscenes_like())
    rings = scene.map.areas(Layer.DRIVABLE)
    road = shapely.union_all([shapely.Polygon(item[0], item[1:]) for item in rings])
    for (x, y), inside in (((0, 0), True), ((0, 7), True), ((95, 5), False), ((95, 3), True), ((0, 9), False)):
        assert road.contains(shapely.Point(to_frame(at(x, y), scene.origin))) == inside


def test_links_neighbours_limits_and_kinds_of_lanes_are_the_files(tmp_path: Path) -> None:
    scene = loaded(tmp_path, waymo_like())
    world = scene.map
    index = {name: lane for lane, name in enumerate(world.lane_ids)}
    assert sorted(index) == ["1", "2", "3", "4", "5"]  # no lane for bicycles
    assert list(world.lane_successors(index["1"])) == [index["2"]]
    assert world.left[index["1"]] == index["4"] and world.right[index["4"]] == index["1"]
    assert world.connector[index["2"]] and world.connector.sum() == 1
    np.testing.assert_allclose(world.speed_limit, 48.28 / 3.6)
    assert any("far away" in note for note in scene.provenance["dropped"])
    assert any("SPEED_BUMP" in note for note in scene.provenance["dropped"])
    assert np.abs(world.centerline[:, 2]).max() < np.pi + 1e-9  # heights are not headings
    assert len(world.areas(Layer.CROSSWALK)) == 1


def test_the_road_reaches_to_its_edges_and_into_driveways(tmp_path: Path) -> None:
    scene = loaded(tmp_path, waymo_like())
    road = shapely.union_all([shapely.Polygon(item[0], item[1:]) for item in scene.map.areas(Layer.DRIVABLE)])
    for (x, y), inside in (
        ((0, -4.9), True),
        ((0, -5.2), False),
        ((0, 9.9), True),
        ((0, 10.2), False),
        ((23, -9), True),
    ):
        assert road.contains(shapely.Point(to_frame(at(x, y), scene.origin))) == inside


def test_lights_hold_their_states_and_stop_points(tmp_path: Path) -> None:
    lights = (scene := loaded(tmp_path, waymo_like())).lights
    assert [scene.map.lane_ids[lane] for lane in lights.lane] == ["2"]
    np.testing.assert_allclose(from_frame(lights.stop_point, scene.origin), [at(59.0, 0.0)], atol=1e-3)
    expected = [LightState.UNKNOWN] * 5 + [LightState.RED] * 45 + [LightState.YELLOW] * 10 + [LightState.GREEN] * 40
    assert lights.state[0].tolist() == [*expected, LightState.UNKNOWN]  # flashing: neither red nor green


def test_a_stop_sign_closes_the_end_of_its_lane(tmp_path: Path) -> None:
    scene = loaded(tmp_path, waymo_like())
    assert scene.map.stop_cause.tolist() == [StopCause.STOP_SIGN]
    assert [scene.map.lane_ids[lane] for lane in scene.map.stop_lanes] == ["2"]
    np.testing.assert_allclose(
        from_frame(scene.map.stop_segment[0].mean(axis=0), scene.origin), at(60.0, 0.0), atol=0.01
    )


# scenes


def test_a_window_has_the_files_present_and_names_its_origin(tmp_path: Path) -> None:
    scene = loaded(tmp_path, waymo_like())
    assert (scene.source, scene.family, scene.group, scene.start) == ("scenarionet", "waymo", "shard-3", 10)
    assert "Waymo" in scene.licence
    other = loaded(tmp_path / "b", nuscenes_like())
    assert (other.family, other.group, other.start) == ("nuscenes", "boston-seaport 2018-08-28", 20)
    assert "nuScenes" in other.licence
    assert AgentKind(int(other.tracks.kind[other.tracks.ids.index("truck")])) == AgentKind.TRUCK


def test_a_database_is_a_suite(tmp_path: Path) -> None:
    data = write_database(tmp_path / "data", nuscenes_like(), waymo_like())
    store = Store(tmp_path / "store")
    assert detect(data).name == "scenarionet"
    suite = resolve_suite("scenarionet", data, store)
    assert [scene.id for scene in suite.scenes] == ["made", "wod"]
    assert suite.default_traffic == "log"
    fresh = Store(tmp_path / "other")
    ensure_scenes(suite.scenes[1:], suite.source, data, fresh)
    assert load_scene(suite.scenes[1], fresh).id == "wod"
    (tmp_path / "some.yaml").write_text("schema: suite/1\nname: s\nsource: scenarionet\ndata: data\nfamilies: [way*]\n")
    assert [scene.id for scene in resolve_suite(str(tmp_path / "some.yaml"), store=store).scenes] == ["wod"]
    with pytest.raises(SuiteError, match="needs --data, a ScenarioNet database"):
        resolve_suite("scenarionet")
    with pytest.raises(DataError, match="there is no scene 'x'"):
        prepare(data, store, ["x"])


def test_doctor_says_what_was_repaired_and_what_is_missing(tmp_path: Path) -> None:
    data = write_database(tmp_path, nuscenes_like(), waymo_like())
    report = examine(data)
    text = render(report)
    assert report.ok
    assert "2 of 2 ScenarioNet scenes (1 nuscenes, 1 waymo)" in text
    assert "made: the ego's length and width were the wrong way round" in text
    assert "1 of 2 scenes have no signal states" in text
    (data / "part_0" / "sd_waymo_v1_wod.pkl").write_bytes(b"x")
    report = examine(data)
    assert not report.ok and "is not a whole pickle" in render(report)


# real drives


@pytest.fixture(scope="module")
def pairs(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Scenario, Scenario]]:
    """The real drives as ScenarioNet and as nuScenes have them."""
    store = Store(tmp_path_factory.mktemp("store"))
    found = prepare(real_data / "scenarionet", store)
    tables = prepare_nuscenes(real_data / "nuscenes-mini", store, scenes=[entry.id for entry in found])
    assert [entry.id for entry in found] == ["scene-0553", "scene-0757", "scene-0796", "scene-1100"]
    return [(store.get(one.key), store.get(other.key)) for one, other in zip(found, tables, strict=True)]  # type: ignore[misc]


def test_real_drives_are_those_of_the_nuscenes_tables(pairs: list[tuple[Scenario, Scenario]]) -> None:
    for scene, table in pairs:
        steps = min(scene.steps, table.steps)
        own = poses_from_frame(scene.reference[:steps, : Ego.VX], scene.origin)
        other = poses_from_frame(table.reference[:steps, : Ego.VX], table.origin)
        assert np.linalg.norm(own[:, :2] - other[:, :2], axis=1).max() < 0.2  # up to 3 m in files of this format
        assert np.abs(wrap_angle(own[:, 2] - other[:, 2])).max() < 0.01
        assert np.abs(scene.reference[:steps, Ego.AX]).max() < 3.0  # 50 m/s2 as written
        for row, name in enumerate(scene.tracks.ids):
            same = table.tracks.ids.index(name)
            assert scene.tracks.kind[row] == table.tracks.kind[same]
            both = scene.tracks.valid[row, :steps] & table.tracks.valid[same, :steps]
            away = from_frame(scene.tracks.position[row, :steps][both], scene.origin) - from_frame(
                table.tracks.position[same, :steps][both], table.origin
            )
            assert np.abs(away).max(initial=0.0) < 0.2


def test_real_maps_are_those_of_the_map_expansion(pairs: list[tuple[Scenario, Scenario]]) -> None:
    for scene, table in pairs:
        other = {name: lane for lane, name in enumerate(table.map.lane_ids)}
        common = [name for name in scene.map.lane_ids if name in other]
        assert len(common) > 0.9 * scene.map.lanes
        own = {name: lane for lane, name in enumerate(scene.map.lane_ids)}
        for name in common:
            assert scene.map.connector[own[name]] == table.map.connector[other[name]]
            mine = {scene.map.lane_ids[lane] for lane in scene.map.lane_successors(own[name])}
            theirs = {table.map.lane_ids[lane] for lane in table.map.lane_successors(other[name])}
            assert mine & set(common) == theirs & set(common)
        assert [scene.map.lane_ids[lane] for lane in scene.route[:3]] == [
            table.map.lane_ids[lane] for lane in table.route[:3]
        ]


def test_no_real_drive_overlaps_anything_or_leaves_the_road(pairs: list[tuple[Scenario, Scenario]]) -> None:
    for scene, _ in pairs:
        car = scene.ego_vehicle
        centre = center_from_rear_axle(scene.reference[:, : Ego.VX], car)
        ego = shapely.polygons(box_corners(centre[:, :2], centre[:, 2], np.array((car.length, car.width))))
        corners = box_corners(scene.tracks.position, scene.tracks.heading, scene.tracks.size[:, None])
        gaps = shapely.distance(shapely.polygons(corners), ego[None])[scene.tracks.valid]
        assert gaps.min() > 0.6  # the least in the tables is 0.72 m
        areas = scene.map.areas(Layer.DRIVABLE)
        road = shapely.union_all([shapely.Polygon(rings[0], rings[1:]) for rings in areas])
        assert road.buffer(0.05).contains(shapely.union_all(ego))
