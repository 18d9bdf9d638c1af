"""The nuScenes loader on the eight real scenes: what it promises about poses, agents, maps and routes."""

import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from drive.errors import DataError
from drive.geometry import box_corners, poses_from_frame, wrap_angle
from drive.map import Layer
from drive.scene import AgentKind, Scenario
from drive.vehicle import ZOE, Ego
from scenarios.nuscenes import prepare
from scenarios.nuscenes.load import check_scene
from scenarios.nuscenes.tables import Location, open_tables
from scenarios.store import Store
from tests.scenarios.made import ego_box

NAMES = ("0061", "0553", "0655", "0757", "0796", "1077", "1094", "1100")


@pytest.fixture(scope="module")
def root(real_data: Path) -> Path:
    return real_data / "nuscenes-mini"


@pytest.fixture(scope="module")
def scenes(root: Path) -> dict[str, Scenario]:
    store = Store()
    found = {entry.id: store.get(entry.key) for entry in prepare(root, store)}
    assert all(scene is not None for scene in found.values())
    return found  # type: ignore[return-value]


@pytest.fixture(scope="module")
def tables(root: Path) -> Any:
    return open_tables(Location(root, "v1.0-mini"))


def test_all_eight_scenes_are_valid_with_one_window_each(scenes: dict[str, Scenario]) -> None:
    assert sorted(scenes) == [f"scene-{name}" for name in NAMES]
    for scene in scenes.values():
        scene.validate()
        assert scene.start == 20
        assert scene.steps == 171
        assert scene.ego_vehicle.name == "zoe"
        assert scene.source == scene.family == "nuscenes"
        assert "CC BY-NC-SA" in scene.licence
        assert not scene.map.has_speed_limit.any()
        assert scene.lights.state.shape == (0, 171)
        assert np.allclose(scene.reference[20, :3], 0.0)
        assert scene.provenance["dropped"] == []


def test_scenes_of_one_log_share_a_group(scenes: dict[str, Scenario]) -> None:
    groups = {name: scene.group for name, scene in scenes.items()}
    assert groups["scene-1077"] == groups["scene-1094"] == groups["scene-1100"] == "n015-2018-11-21-19-38-26+0800"
    assert len(set(groups.values())) == 6


def test_the_logged_ego_never_overlaps_a_box(scenes: dict[str, Scenario]) -> None:
    for scene in scenes.values():
        for step in range(scene.steps):
            there = scene.tracks.valid[:, step]
            boxes = box_corners(
                scene.tracks.position[there, step], scene.tracks.heading[there, step], scene.tracks.size[there]
            )
            gap = shapely.distance(shapely.Polygon(ego_box(scene, step)), shapely.polygons(boxes))
            assert gap.min(initial=np.inf) > 0.5, (scene.id, step)


def test_the_least_gaps_are_those_measured_independently(tables: Any) -> None:
    """Over the whole recordings; the expected figures were measured with the devkit's own interpolated boxes."""
    expected = {"0061": 0.72, "0553": 1.53, "0655": 1.79, "0757": 0.72, "0796": 1.44, "1077": 2.02, "1094": 0.73}
    for record in tables.scene:
        recording = check_scene(tables, record)
        least = np.inf
        for step, (x, y, heading) in enumerate(recording.driven):
            center = (x + ZOE.rear_axle_to_center * np.cos(heading), y + ZOE.rear_axle_to_center * np.sin(heading))
            motion, there = recording.motion, recording.motion.valid[:, step]
            boxes = box_corners(motion.position[there, step], motion.heading[there, step], motion.size[there])
            ego = shapely.Polygon(box_corners(center, heading, (ZOE.length, ZOE.width)))
            least = min(least, float(shapely.distance(ego, shapely.polygons(boxes)).min(initial=np.inf)))
        assert least == pytest.approx(expected.get(record["name"][-4:], 0.73), abs=0.012)


def test_the_logged_ego_never_leaves_the_drivable_area(scenes: dict[str, Scenario]) -> None:
    for scene in scenes.values():
        ground = shapely.union_all([shapely.Polygon(outer, holes) for outer, *holes in scene.map.areas(Layer.DRIVABLE)])
        shapely.prepare(ground)
        boxes = shapely.polygons([ego_box(scene, step) for step in range(scene.steps)])
        assert shapely.covers(ground, boxes).all(), scene.id


def test_ego_poses_are_the_recorded_ones(scenes: dict[str, Scenario], tables: Any) -> None:
    for scene in scenes.values():
        record = next(item for item in tables.scene if item["name"] == scene.id)
        token = tables.get("sample", record["first_sample_token"])["data"]["LIDAR_TOP"]
        poses = poses_from_frame(scene.reference[:, :3], scene.origin)
        worst, checked = 0.0, 0
        while token:
            data = tables.get("sample_data", token)
            step = (data["timestamp"] - scene.t0_us) / 1e5 + scene.start
            if 0 <= step <= scene.steps - 1:
                x, y = (np.interp(step, np.arange(scene.steps), poses[:, axis]) for axis in range(2))
                spot = tables.get("ego_pose", data["ego_pose_token"])["translation"][:2]
                worst = max(worst, float(np.hypot(x - spot[0], y - spot[1])))
                checked += 1
            token = data["next"]
        assert checked > 150
        assert worst < 0.02, scene.id  # chords between poses up to 0.1 s apart: millimetres


def test_ego_motion_is_consistent_and_physical(scenes: dict[str, Scenario]) -> None:
    for scene in scenes.values():
        ego = scene.reference
        moved = np.linalg.norm(np.diff(ego[:, :2], axis=0), axis=1).sum()
        assert np.abs(ego[:, Ego.VX]).sum() * 0.1 == pytest.approx(moved, abs=0.02 * moved + 0.3)
        assert ego[:, Ego.AX].min() > -3.0, scene.id
        assert ego[:, Ego.AX].max() < 2.0, scene.id
        assert np.abs(ego[:, Ego.YAW_RATE]).max() < 0.55
        assert np.abs(ego[:, Ego.STEERING]).max() < 0.65
        assert (ego[:, Ego.VY] == 0).all()
    assert np.abs(scenes["scene-0553"].reference[:, Ego.VX]).max() < 0.05
    assert scenes["scene-1077"].reference[:, Ego.VX].max() == pytest.approx(15.2, abs=0.3)


def test_agents_pass_through_their_annotations_and_exist_only_between_them(
    scenes: dict[str, Scenario], tables: Any
) -> None:
    categories: set[str] = set()
    for scene in scenes.values():
        rows = {token: row for row, token in enumerate(scene.tracks.ids)}
        spans: dict[str, list[float]] = {}
        center = poses_from_frame(
            np.concatenate((scene.tracks.position, scene.tracks.heading[..., None]), axis=-1), scene.origin
        )
        for record in tables.sample_annotation:
            row = rows.get(record["instance_token"])
            if row is None:
                continue
            categories.add(record["category_name"])
            when = tables.get("sample", record["sample_token"])["timestamp"]
            step = (when - scene.t0_us) / 1e5 + scene.start
            spans.setdefault(record["instance_token"], []).append(step)
            assert scene.tracks.size[row] == pytest.approx([record["size"][1], record["size"][0]])
            low = int(np.floor(step))
            if 0 <= low < scene.steps - 1 and scene.tracks.valid[row, low] and scene.tracks.valid[row, low + 1]:
                share = step - low
                spot = (1 - share) * center[row, low, :2] + share * center[row, low + 1, :2]
                # The grid cuts the corner of the polyline through the annotations.
                assert np.linalg.norm(spot - record["translation"][:2]) < 0.35
        for token, steps in spans.items():
            valid = np.flatnonzero(scene.tracks.valid[rows[token]])
            if len(steps) == 1:
                assert len(valid) == 1
                assert abs(valid[0] - steps[0]) <= 0.5
                assert (scene.tracks.velocity[rows[token]] == 0).all()
            else:
                assert valid[0] >= min(steps) - 1e-9
                assert valid[-1] <= max(steps) + 1e-9
                assert len(valid) == valid[-1] - valid[0] + 1
    assert len(categories) >= 12


def test_every_velocity_is_finite_and_absent_agents_are_zero(scenes: dict[str, Scenario]) -> None:
    single = 0
    for scene in scenes.values():
        tracks = scene.tracks
        assert np.isfinite(tracks.velocity).all()
        assert np.linalg.norm(tracks.velocity, axis=-1).max() < 33.0
        for array in (tracks.position, tracks.heading, tracks.velocity):
            assert (array[~tracks.valid] == 0).all()
        assert (np.abs(tracks.heading) <= np.pi).all()
        single += scene.provenance["counts"]["single_annotation_tracks"]
        assert (
            scene.provenance["counts"]["velocities_recomputed"]
            == scene.provenance["counts"]["single_annotation_tracks"]
        )
    assert single == 22


def test_velocities_agree_with_the_way_travelled(scenes: dict[str, Scenario]) -> None:
    for scene in scenes.values():
        tracks = scene.tracks
        both = tracks.valid[:, :-5] & tracks.valid[:, 5:]
        travelled = np.linalg.norm(tracks.position[:, 5:] - tracks.position[:, :-5], axis=-1) / 0.5
        speed = np.linalg.norm(tracks.velocity[:, 2:-3], axis=-1)
        assert np.median(np.abs(travelled - speed)[both]) < 0.1


def test_every_instance_of_the_tables_is_accounted_for(scenes: dict[str, Scenario], tables: Any) -> None:
    counts = [scene.provenance["counts"] for scene in scenes.values()]
    assert sum(count["agents"] + count["agents_after_window"] for count in counts) == 690
    kinds = np.concatenate([scene.tracks.kind for scene in scenes.values()])
    assert AgentKind.SIGN not in kinds
    for kind in (AgentKind.CAR, AgentKind.PEDESTRIAN, AgentKind.TRAFFIC_CONE, AgentKind.BARRIER, AgentKind.TRAILER):
        assert kind in kinds


def test_lanes_join_end_to_end(scenes: dict[str, Scenario]) -> None:
    for scene in scenes.values():
        for lane in range(scene.map.lanes):
            end = scene.map.lane_centerline(lane)[-1]
            for follow in scene.map.lane_successors(lane):
                begin = scene.map.lane_centerline(follow)[0]
                assert np.linalg.norm(end[:2] - begin[:2]) < 0.05
                assert lane in scene.map.lane_predecessors(follow)


def test_neighbours_are_symmetric_parallel_and_beside(scenes: dict[str, Scenario]) -> None:
    pairs = 0
    for scene in scenes.values():
        vector_map = scene.map
        for lane in np.flatnonzero(vector_map.left >= 0):
            other = vector_map.left[lane]
            assert vector_map.right[other] == lane
            assert vector_map.group[other] == vector_map.group[lane] or vector_map.connector[lane]
            assert vector_map.connector[other] == vector_map.connector[lane]
            one, two = vector_map.lane_centerline(lane), vector_map.lane_centerline(other)
            nearest = np.linalg.norm(one[:, None, :2] - two[None, :, :2], axis=2)
            row, column = np.unravel_index(nearest.argmin(), nearest.shape)
            assert abs(wrap_angle(one[row, 2] - two[column, 2])) < np.deg2rad(25)
            to_left = np.array((-np.sin(one[row, 2]), np.cos(one[row, 2]))) @ (two[column, :2] - one[row, :2])
            assert 1.5 < to_left < 6.5
            pairs += 1
    assert pairs > 200


def test_areas_are_valid_polygons(scenes: dict[str, Scenario]) -> None:
    for scene in scenes.values():
        for layer in Layer:
            for outer, *holes in scene.map.areas(layer):
                assert shapely.Polygon(outer, holes).is_valid
        assert (scene.map.area_layer == Layer.DRIVABLE).any()
        assert (scene.map.area_layer == Layer.INTERSECTION).any()


def test_the_route_is_connected_and_follows_the_drive(scenes: dict[str, Scenario]) -> None:
    for scene in scenes.values():
        vector_map, route = scene.map, scene.route.tolist()
        assert route
        for one, two in pairwise(route):
            beside = (vector_map.left[one], vector_map.right[one])
            assert two in vector_map.lane_successors(one) or two in beside, scene.id
        line = shapely.union_all([shapely.LineString(vector_map.lane_centerline(lane)[:, :2]) for lane in route])
        away = shapely.distance(line, shapely.points(scene.reference[20:, :2]))
        assert away.max() < 2.7, scene.id  # in 0757 the car changes between two overlapping connectors
        assert np.median(away) < 1.5, scene.id
        np.testing.assert_array_equal(scene.goal, vector_map.lane_centerline(route[-1])[-1, :2])
        ahead = sum(shapely.LineString(vector_map.lane_centerline(lane)[:, :2]).length for lane in route)
        driven = np.linalg.norm(np.diff(scene.reference[20:, :2], axis=0), axis=1).sum()
        assert ahead > driven + 80 or not len(vector_map.lane_successors(route[-1]))


def test_a_waiting_car_is_routed_where_it_is_turned_to(scenes: dict[str, Scenario]) -> None:
    """In 1100 the car stands in the junction, turned to the right across oncoming traffic."""
    x, y = scenes["scene-1100"].goal
    assert y < -40
    assert abs(x) < 60


def test_loading_twice_is_instant(root: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    begin = time.perf_counter()
    first = prepare(root, store, scenes=["scene-0757", "scene-1100"])
    middle = time.perf_counter()
    second = prepare(root, store, scenes=["scene-0757", "scene-1100"])
    again = [store.get(entry.key) for entry in second]
    end = time.perf_counter()
    assert first == second
    assert all(again)
    assert middle - begin > 20 * (end - middle)


def test_a_damaged_store_entry_is_loaded_again(root: Path, tmp_path: Path) -> None:
    store = Store(tmp_path)
    (entry,) = prepare(root, store, scenes=["scene-0757"])
    (path,) = tmp_path.glob("scenarios/*/*.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert prepare(root, store, scenes=["scene-0757"]) == [entry]
    assert path.read_bytes() == whole  # the same inputs give the same bytes


def test_scenes_come_in_the_order_asked_for(root: Path, scenes: dict[str, Scenario]) -> None:
    wanted = ["scene-1100", "scene-0061"]
    assert [entry.id for entry in prepare(root, Store(), scenes=wanted)] == wanted


def test_the_version_folder_itself_is_a_data_root(root: Path, scenes: dict[str, Scenario]) -> None:
    assert prepare(root / "v1.0-mini", Store()) == prepare(root, Store())


def test_an_unknown_scene_gets_a_suggestion(root: Path, scenes: dict[str, Scenario]) -> None:
    with pytest.raises(DataError, match=r"no scene 'scene-061'; did you mean .*scene-0061"):
        prepare(root, Store(), scenes=["scene-061"])


def test_loading_leaves_matplotlib_as_it_was(root: Path, tmp_path: Path) -> None:
    code = (
        "import sys, matplotlib; before = dict(matplotlib.rcParams)\n"
        "from pathlib import Path; from scenarios.nuscenes import prepare; from scenarios.store import Store\n"
        "prepare(Path(sys.argv[1]), Store(sys.argv[2]), scenes=['scene-0757'])\n"
        "assert 'nuscenes.map_expansion.map_api' in sys.modules\n"
        "changed = [name for name, value in matplotlib.rcParams.items() if before[name] != value]\n"
        "assert not changed, changed"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(root), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
