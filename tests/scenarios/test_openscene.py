"""OpenScene windows become scenes: what is exact at keyframes, what lies between them, and the eight real drives."""

import gzip
import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from pyquaternion import Quaternion

from drive.errors import DataError, SuiteError
from drive.geometry import from_frame, poses_from_frame, poses_to_frame, rotate, to_frame, wrap_angle
from drive.map import Area, Lane, Layer
from drive.scene import AgentKind, LightState, Scenario
from drive.scoring.navsim.keyframes import interpolate_tracks
from drive.vehicle import PACIFICA, ZOE, Ego
from evaluation.commands.scenes import doctor, list_scenes
from evaluation.suite import ensure_scenes, resolve_suite
from scenarios.doctor import examine
from scenarios.nuscenes import prepare as prepare_nuscenes
from scenarios.nuscenes.maps import Crop
from scenarios.nuscenes.motion import KINDS as NUSCENES_KINDS
from scenarios.nuscenes.motion import yaw as nuscenes_yaw
from scenarios.nuscenes.tables import Location, open_tables
from scenarios.openscene import SceneFilter, find_logs, prepare
from scenarios.openscene.logs import Log, read_log, yaw
from scenarios.openscene.scenes import load_scene
from scenarios.openscene.windows import Window, windows
from scenarios.sources import detect
from scenarios.store import Store
from tests.conftest import REPOSITORY
from tests.scenarios.openscene_made import SPEED, TOKENS, at, frames, write_data, write_log


def loaded(folder: Path, content: list[dict[str, Any]] | None = None, **options: Any) -> list[Scenario]:
    """The scenes of a made log."""
    store = Store(folder / "store")
    entries = prepare(write_data(folder, content), store, scenes=SceneFilter(**options))
    found = [store.get(entry.key) for entry in entries]
    assert all(scene is not None for scene in found)
    return found  # type: ignore[return-value]


def spaced(count: int) -> tuple[list[int], list[bool]]:
    return [500_000 * number for number in range(count)], [True] * count


# windows


def test_windows_are_those_of_navsims_filter() -> None:
    times, routes = spaced(41)
    named = [window.named for window in windows(times, routes, SceneFilter())[0]]
    assert named == [3, 17]  # 14 frames each; the 13 frames left are too few
    every = windows(times, routes, SceneFilter(frame_interval=1))[0]
    assert [window.named for window in every] == list(range(3, 31))
    assert {window.stop - window.first for window in every} == {14}
    shorter = windows(times, routes, SceneFilter(num_history_frames=2, num_future_frames=8, frame_interval=5))[0]
    assert [(window.first, window.named, window.stop) for window in shorter][:2] == [(0, 1, 10), (5, 6, 15)]


def test_a_log_too_short_has_no_window_and_an_open_end_has_one() -> None:
    assert windows(*spaced(13), SceneFilter()) == ([], 0)
    assert windows(*spaced(41), SceneFilter(num_future_frames=None))[0] == [Window(0, 4, 37)]
    assert windows(*spaced(4), SceneFilter(num_future_frames=None)) == ([], 0)


def test_has_route_looks_at_the_naming_frame_only() -> None:
    times, routes = spaced(28)
    routes[3] = False
    assert [window.named for window in windows(times, routes, SceneFilter())[0]] == [17]
    assert [window.named for window in windows(times, routes, SceneFilter(has_route=False))[0]] == [3, 17]


def test_a_window_over_a_hole_in_the_recording_is_left_out() -> None:
    times, routes = spaced(28)
    times[20:] = [time + 7_000_000 for time in times[20:]]
    found, holes = windows(times, routes, SceneFilter())
    assert [window.named for window in found] == [3]
    assert holes == 1


def test_filters_pick_logs_tokens_and_the_first_scenes(tmp_path: Path) -> None:
    write_data(tmp_path, frames(60))
    second = [{**frame, "token": f"b{frame['token'][1:]}", "log_name": "late"} for frame in frames(20)]
    write_log(tmp_path, second, "zz")
    store = Store(tmp_path / "store")

    def found(**options: Any) -> list[tuple[str, str]]:
        return [(entry.id, entry.group) for entry in prepare(tmp_path, store, scenes=SceneFilter(**options))]

    whole = [(TOKENS[3], "made"), (TOKENS[17], "made"), (TOKENS[31], "made"), (TOKENS[45], "made")]
    late = (second[3]["token"], "late")
    assert found() == [*whole, late]
    assert found(max_scenes=2) == whole[:2]
    assert found(log_names=("zz",)) == [late]
    assert found(tokens=(TOKENS[17], late[0])) == [whole[1], late]


# one made drive


def test_every_keyframe_is_a_step_and_holds_what_the_log_says(tmp_path: Path) -> None:
    content = frames()
    for number, frame in enumerate(content):
        angle = 0.03 * number
        frame["ego2global_rotation"] = [np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)]
        frame["ego_dynamic_state"] = [SPEED + 0.1 * number, 0.01, 0.2 - 0.02 * number, 0.3]
    (scene,) = loaded(tmp_path, content)
    assert (scene.id, scene.source, scene.family, scene.group) == (TOKENS[3], "openscene", "openscene", "made")
    assert (scene.start, scene.steps, scene.t0_us) == (15, 66, content[3]["timestamp"])
    assert scene.ego_vehicle == PACIFICA
    np.testing.assert_allclose(scene.reference[15, :3], 0.0, atol=1e-12)
    driven = poses_from_frame(scene.reference[::5, :3], scene.origin)
    for number, frame in enumerate(content):
        np.testing.assert_allclose(driven[number, :2], frame["ego2global_translation"][:2], atol=1e-8)
        assert wrap_angle(driven[number, 2] - 0.03 * number) == pytest.approx(0.0, abs=1e-12)
        assert scene.reference[5 * number, Ego.VX : Ego.STEERING].tolist() == frame["ego_dynamic_state"]


def test_the_drive_between_keyframes_is_smooth_and_steers(tmp_path: Path) -> None:
    """On a circle: speed holds, yaw rate is speed over radius, the wheels turn by the wheelbase over it."""
    radius, content = 20.0, frames()
    for number, frame in enumerate(content):
        turned = SPEED * 0.5 * number / radius
        x, y = radius * np.sin(turned), radius * (1 - np.cos(turned))
        frame["ego2global_translation"] = [*at(x - 20.0, y), 0.0]
        frame["ego2global_rotation"] = [np.cos(turned / 2), 0.0, 0.0, np.sin(turned / 2)]
        frame["ego_dynamic_state"] = [SPEED, 0.0, 0.0, SPEED**2 / radius]
    (scene,) = loaded(tmp_path, content)
    step = np.linalg.norm(np.diff(scene.reference[:, :2], axis=0), axis=1)
    np.testing.assert_allclose(step, 0.1 * SPEED, atol=2e-3)
    inner = scene.reference[5:-5]
    np.testing.assert_allclose(inner[:, Ego.YAW_RATE], SPEED / radius, rtol=0.02)
    np.testing.assert_allclose(inner[:, Ego.STEERING], np.arctan(PACIFICA.wheelbase / radius), rtol=0.02)


def test_tracks_are_linear_between_sights_and_absent_outside(tmp_path: Path) -> None:
    content = frames()
    for number in (4, 5, 9, 10, 11, 12, 13):  # a gap, and an early end
        kept = [row for row, name in enumerate(content[number]["anns"]["track_tokens"]) if name != "walker"]
        _keep(content[number], kept)
    (scene,) = loaded(tmp_path, content)
    row = scene.tracks.ids.index("walker")
    valid = scene.tracks.valid[row]
    assert np.flatnonzero(valid).tolist() == list(range(41))  # frames 0 to 8, across the gap
    assert scene.provenance["bridged"] == {"walker": [4, 5]}
    seen = np.array([0, 1, 2, 3, 6, 7, 8])
    place = np.array([content[number]["anns"]["gt_boxes"][1, :2] for number in seen], np.float64)
    place += np.array([(SPEED * 0.5 * number, 0.0) for number in seen])
    turned = np.unwrap([float(content[number]["anns"]["gt_boxes"][1, 6]) for number in seen])
    for axis in range(2):
        expected = np.interp(np.arange(41), 5 * seen, place[:, axis] - (12.0, 0.0)[axis])
        np.testing.assert_allclose(scene.tracks.position[row, :41, axis], expected, atol=1e-6)
    expected = np.interp(np.arange(41), 5 * seen, turned)
    np.testing.assert_allclose(wrap_angle(scene.tracks.heading[row, :41] - expected), 0.0, atol=1e-6)
    assert (scene.tracks.heading[row, :41] < 0).any()  # it turned past pi, the short way
    for array in (scene.tracks.position, scene.tracks.heading, scene.tracks.velocity):
        assert (array[~scene.tracks.valid] == 0).all()


def _keep(frame: dict[str, Any], rows: list[int]) -> None:
    anns = frame["anns"]
    for name in ("gt_boxes", "gt_names", "gt_velocity_3d"):
        anns[name] = anns[name][rows]
    for name in ("instance_tokens", "track_tokens"):
        anns[name] = [anns[name][row] for row in rows]


def test_trap_04_a_track_of_one_keyframe_is_not_frozen_by_the_loader(tmp_path: Path) -> None:
    """NAVSIM's metric cache shows it at all samples: its scorer here does so, other users of the scene see it once."""
    (scene,) = loaded(tmp_path)
    row = scene.tracks.ids.index("cone")
    assert np.flatnonzero(scene.tracks.valid[row]).tolist() == [25]
    np.testing.assert_allclose(scene.tracks.position[row, 25], (8.0 + 5.0, -4.0), atol=1e-6)


def test_size_and_kind_are_those_of_the_first_sight(tmp_path: Path) -> None:
    content = frames()
    content[4]["anns"]["gt_boxes"][0, 3:5] = (9.0, 2.5)
    content[4]["anns"]["gt_names"] = np.array(["generic_object", "pedestrian"])
    (scene,) = loaded(tmp_path, content)
    row = scene.tracks.ids.index("car")
    assert scene.tracks.kind[row] == AgentKind.CAR
    np.testing.assert_allclose(scene.tracks.size[row], (4.5, 1.9), atol=1e-6)


def test_velocities_are_over_ground_and_turned_with_the_ego(tmp_path: Path) -> None:
    content = frames()
    for frame in content:
        frame["ego2global_rotation"] = [np.cos(0.6), 0.0, 0.0, np.sin(0.6)]
    (scene,) = loaded(tmp_path, content)
    row = scene.tracks.ids.index("walker")
    world = rotate(scene.tracks.velocity[row, 0], scene.origin[2])
    np.testing.assert_allclose(world, rotate(np.array((-0.1, 0.2)), 1.2), atol=1e-6)


def test_commands_tokens_and_route_ids_are_kept(tmp_path: Path) -> None:
    content = frames()
    content[2]["driving_command"] = np.array([1, 0, 0, 0])
    (scene,) = loaded(tmp_path, content)
    kept = scene.provenance
    assert kept["driving_commands"][:4] == ["straight", "straight", "left", "straight"]
    assert kept["driving_command"] == "straight"
    assert kept["frame_tokens"] == list(TOKENS[:14])
    assert kept["roadblock_ids"] == ["11", "21", "12"]
    assert "nuPlan" in scene.licence


def test_the_yaw_is_that_of_pyquaternion_on_a_leaning_car() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        lean = Quaternion(axis=rng.normal(size=3), angle=0.05) * Quaternion(axis=(0, 0, 1), angle=rng.uniform(-3, 3))
        assert yaw(lean.elements) == pytest.approx(lean.yaw_pitch_roll[0], abs=1e-12)


def test_a_frame_without_objects_is_fine(tmp_path: Path) -> None:
    content = frames()
    for frame in content:
        _keep(frame, [])
        frame["anns"]["gt_boxes"] = np.zeros(0)
        frame["anns"]["gt_velocity_3d"] = np.zeros((0, 3), np.float32)
    (scene,) = loaded(tmp_path, content)
    assert scene.tracks.ids == ()


def test_a_second_look_reads_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (scene,) = loaded(tmp_path)
    monkeypatch.setattr("scenarios.openscene.logs.read_pickle", None)
    (entry,) = prepare(tmp_path, Store(tmp_path / "store"))
    assert entry.id == scene.id


# suites, sources and commands


def test_folders_of_logs_are_recognised(tmp_path: Path) -> None:
    write_data(tmp_path / "a")
    (tmp_path / "scenarionet").mkdir()
    (tmp_path / "scenarionet" / "dataset_summary.pkl").write_bytes(b"")
    log = tmp_path / "a" / "navsim_logs" / "mini" / "made.pkl"
    for path in (tmp_path / "a", log.parent.parent, log.parent, log):
        assert detect(path).name == "openscene"
        assert find_logs(path) == [log]
    assert detect(tmp_path / "scenarionet").name == "scenarionet"
    with pytest.raises(DataError, match="is not a nuScenes folder"):
        detect(tmp_path / "a" / "maps")


def test_a_suite_file_gives_maps_and_filter(tmp_path: Path) -> None:
    write_data(tmp_path, frames(30))
    shutil.move(tmp_path / "maps", tmp_path / "elsewhere")
    options = "num_future_frames: 8, frame_interval: 2, vehicle: zoe"
    text = f"schema: suite/1\nname: mine\nsource: openscene\ndata: .\nmaps: elsewhere\nscene_filter: {{{options}}}\n"
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    store = Store(tmp_path / "store")
    suite = resolve_suite(str(path), store=store)
    assert [scene.id for scene in suite.scenes] == [TOKENS[number] for number in range(3, 22, 2)]
    first = store.get(suite.scenes[0].key)
    assert first is not None
    assert (first.steps, first.ego_vehicle) == (56, ZOE)
    other = Store(tmp_path / "other")
    ensure_scenes(suite.scenes[4:6], "openscene", suite.data, other, "it", suite.maps, suite.scene_filter)
    assert [scene.key in other for scene in suite.scenes[3:7]] == [False, True, True, False]
    path.write_text(text.replace("vehicle: zoe", "vehicles: zoe"))
    with pytest.raises(SuiteError, match=r"field 'scene_filter\.vehicles'"):
        resolve_suite(str(path), store=store)
    path.write_text(text.replace("source: openscene", "source: nuscenes"))
    with pytest.raises(SuiteError, match="has a scene_filter, which is for openscene, not nuscenes"):
        resolve_suite(str(path), store=store)


def test_commands_list_and_examine_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_data(tmp_path)
    assert list_scenes(data=tmp_path) == 0
    assert TOKENS[3] in capsys.readouterr().out
    assert doctor(tmp_path) == 0
    said = capsys.readouterr().out
    assert "1 of 1 OpenScene logs, 14 frames" in said
    assert "map us-ma-boston" in said
    (tmp_path / "navsim_logs" / "mini" / "bad.pkl").write_bytes(b"no")
    assert not examine(tmp_path).ok
    shutil.rmtree(tmp_path / "maps")
    assert any("say with --maps" in line.text for line in examine(tmp_path).lines if line.level == "problem")
    with pytest.raises(SuiteError, match="needs --data, a folder of OpenScene logs"):
        resolve_suite("openscene")
    with pytest.raises(SuiteError, match="leave out --maps, which is for openscene"):
        resolve_suite("gen-quick", maps=tmp_path)


# NAVSIM's own cases


class _CaseMap:
    """The map of a conformance case, which is in the frame of its log."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def crop(self, path: np.ndarray, origin: np.ndarray) -> Crop:
        lanes = [
            Lane(
                id=lane["id"],
                centerline=poses_to_frame(lane["baseline"], origin),
                polygon=to_frame(lane["polygon"], origin),
                successors=tuple(lane["out"]),
                group=lane["roadblock"],
                connector=lane["type"] == "LANE_CONNECTOR",
            )
            for lane in self._content["lanes"]
        ]
        areas = [
            Area(Layer.ROADBLOCK, (to_frame(block["polygon"], origin),))
            for block in self._content["roadblocks"]
            if block["type"] == "ROADBLOCK"
        ]
        return Crop(lanes, areas, [], [])


def _case_log(source: dict[str, Any], folder: Path) -> Log:
    """The 2 Hz log from which a case's metric cache was built, as a file that is read back."""
    content = []
    for number, ego in enumerate(source["ego"]):
        there = [agent for agent in source["agents"] if agent["states"][number] is not None]
        states = np.array([agent["states"][number] for agent in there]).reshape(-1, 5)
        poses = poses_to_frame(states[:, :3], ego[:3])
        size = np.array([(agent["l"], agent["w"], agent["h"]) for agent in there]).reshape(-1, 3)
        velocity = rotate(states[:, 3:], -ego[2])
        content.append(
            {
                "token": f"{number:016x}",
                "timestamp": source["t0_us"] + 500_000 * (number - 3),
                "log_name": "case",
                "map_location": "us-ma-boston",
                "roadblock_ids": source["route"],
                "traffic_lights": [(name, bool(red)) for name, red in source["tl"][number]],
                "driving_command": [0, 1, 0, 0],
                "ego2global_translation": [*ego[:2], 0.0],
                "ego2global_rotation": [np.cos(ego[2] / 2), 0.0, 0.0, np.sin(ego[2] / 2)],
                "ego_dynamic_state": list(ego[3:]),
                "anns": {
                    "gt_boxes": np.column_stack((poses[:, :2], np.zeros(len(there)), size, poses[:, 2])),
                    "gt_names": np.array([agent["type"] for agent in there], np.str_),
                    "gt_velocity_3d": np.column_stack((velocity, np.zeros(len(there)))),
                    "track_tokens": [agent["token"] for agent in there],
                },
            }
        )
    return read_log(write_log(folder, content))


def test_tracks_are_those_of_navsims_metric_cache(tmp_path: Path) -> None:
    """Logs written from the conformance cases' sources: read, cut, interpolated, and thinned again by the scorer."""
    folder = REPOSITORY / "tests" / "data" / "navsim"
    maps = json.loads(gzip.decompress((folder / "synthetic_maps.json.gz").read_bytes()))
    lines = gzip.decompress((folder / "synthetic.jsonl.gz").read_bytes()).splitlines()
    cases = [json.loads(line) for line in lines]
    compared = signals = 0
    for case in (case for case in cases if case.get("source")):
        log = _case_log(case["source"], tmp_path)
        scene = load_scene(log, Window(0, 4, 8), _CaseMap(maps[case["map_id"]]), PACIFICA)
        past = poses_from_frame(scene.reference[:16:5, :3], scene.origin)
        np.testing.assert_allclose(past, np.array(case["past_human"])[:, :3], atol=1e-8)
        keys = scene.start + 5 * np.arange(9)
        tracks, seen = scene.tracks, scene.tracks.valid[:, scene.start :: 5][:, :9]
        position, heading, _, valid = interpolate_tracks(
            tracks.position[:, keys], tracks.heading[:, keys], tracks.velocity[:, keys], seen
        )
        rows = {name: row for row, name in enumerate(tracks.ids) if seen[row].any()}
        assert set(rows) == {track["token"] for track in case["tracks"]}
        for track in case["tracks"]:
            row = rows[track["token"]]
            there = np.array([state is not None for state in track["states"]])
            np.testing.assert_array_equal(valid[row], there)
            states = np.array([state for state in track["states"] if state is not None])
            np.testing.assert_allclose(from_frame(position[row, there], scene.origin), states[:, :2], atol=1e-6)
            angle = wrap_angle(heading[row, there] + scene.origin[2] - states[:, 2])
            np.testing.assert_allclose(angle, 0.0, atol=1e-6)
            compared += len(states)
        red = {
            f"red_light_{scene.map.lane_ids[lane]}": state == LightState.RED
            for lane, state in zip(scene.lights.lane, scene.lights.state, strict=True)
        }
        for sample, names in enumerate(case["red_lights"]):  # of the route's connectors
            assert all(red[name][scene.start + sample] for name in names)
            signals += len(names)
    assert compared > 1000
    assert signals > 50


# the eight real drives, in both formats


@pytest.fixture(scope="module")
def real_logs(real_data: Path) -> list[Log]:
    return [read_log(path) for path in find_logs(real_data / "openscene-mini")]


@pytest.fixture(scope="module")
def real_scenes(real_data: Path) -> dict[str, Scenario]:
    """By scene name, the whole drive, the ego a Zoe."""
    store = Store()
    options = SceneFilter(num_future_frames=None, vehicle="zoe")
    entries = prepare(real_data / "openscene-mini", store, real_data / "nuscenes-mini", options)
    found = {entry.group[-10:]: store.get(entry.key) for entry in entries}
    assert len(found) == 8
    return found  # type: ignore[return-value]


def test_the_real_logs_agree_with_the_nuscenes_tables_of_the_same_drives(real_data: Path, real_logs: list[Log]) -> None:
    tables = open_tables(Location(real_data / "nuscenes-mini", "v1.0-mini"))
    boxes, kinds, speeds = 0, set(), []
    for log in real_logs:
        for frame in log.frames:
            sample = tables.get("sample", frame.token)
            assert sample["timestamp"] == frame.time_us
            ego = tables.get("ego_pose", tables.get("sample_data", sample["data"]["LIDAR_TOP"])["ego_pose_token"])
            np.testing.assert_array_equal(frame.pose[:2], ego["translation"][:2])
            assert abs(wrap_angle(frame.pose[2] - nuscenes_yaw(np.array(ego["rotation"])))) < 1e-12
            records = {
                item["instance_token"]: item for item in (tables.get("sample_annotation", a) for a in sample["anns"])
            }
            assert set(records) == set(frame.tracks)
            place = from_frame(frame.boxes[:, :2], frame.pose)
            for row, name in enumerate(frame.tracks):
                record = records[name]
                np.testing.assert_allclose(place[row], record["translation"][:2], atol=1e-5)
                turned = frame.boxes[row, 6] + frame.pose[2] - nuscenes_yaw(np.array(record["rotation"]))
                assert abs(wrap_angle(turned)) < 1e-6
                np.testing.assert_allclose(frame.boxes[row, 3:6], np.array(record["size"])[[1, 0, 2]], atol=1e-6)
                kinds.add((NUSCENES_KINDS[record["category_name"]], AgentKind(int(frame.kind[row]))))
                measured = tables.box_velocity(record["token"])[:2]
                speeds.append((*measured, *rotate(frame.velocity[row], frame.pose[2])))
                boxes += 1
    assert boxes == 13_948
    # Differences of the format: five kinds of motor vehicles are one class, motorcycles count as bicycles.
    assert {pair for pair in kinds if pair[0] != pair[1]} == {
        (AgentKind.TRUCK, AgentKind.CAR),
        (AgentKind.BUS, AgentKind.CAR),
        (AgentKind.TRAILER, AgentKind.CAR),
        (AgentKind.CONSTRUCTION_VEHICLE, AgentKind.CAR),
        (AgentKind.MOTORCYCLE, AgentKind.BICYCLE),
    }
    measured, ours = np.hsplit(np.array(speeds), 2)
    unknown = np.isnan(measured).any(axis=1)
    assert int(unknown.sum()) == 22
    assert (ours[unknown] == 0).all()  # tracks with one annotation stand
    assert np.linalg.norm(measured - ours, axis=1)[~unknown].max() < 1e-5


def test_both_loaders_make_nearly_the_same_drives(real_data: Path, real_scenes: dict[str, Scenario]) -> None:
    """Frames count as 0.5 s here and by their stamps there: 1 % of time, so the same car is a little elsewhere."""
    store = Store()
    for entry in prepare_nuscenes(real_data / "nuscenes-mini", store):
        ours, theirs = real_scenes[entry.id], store.get(entry.key)
        assert theirs is not None
        assert ours.ego_vehicle == theirs.ego_vehicle == ZOE
        stamps = np.array(ours.provenance["frame_times_us"])
        grid = theirs.t0_us + 100_000 * (np.arange(theirs.steps) - theirs.start)
        steps = np.interp(grid, stamps, 5.0 * np.arange(len(stamps)))  # where their steps lie among ours
        drive = poses_from_frame(ours.reference[:, :3], ours.origin)
        place = np.column_stack([np.interp(steps, np.arange(ours.steps), drive[:, axis]) for axis in range(2)])
        there = poses_from_frame(theirs.reference[:, :3], theirs.origin)
        assert np.linalg.norm(place - there[:, :2], axis=1).max() < 0.05, entry.id
        speed = np.interp(steps, np.arange(ours.steps), ours.reference[:, Ego.VX])
        assert np.abs(speed - theirs.reference[:, Ego.VX]).max() < 0.2, entry.id
        assert np.abs(ours.reference[:, Ego.STEERING]).max() < 0.7
        assert set(ours.map.lane_ids) >= {theirs.map.lane_ids[lane] for lane in theirs.route[:2]}


def test_real_routes_are_connected_and_follow_the_drive(real_scenes: dict[str, Scenario]) -> None:
    for name, scene in real_scenes.items():
        route = scene.route.tolist()
        assert route
        for one, two in pairwise(route):
            beside = (scene.map.left[one], scene.map.right[one])
            assert two in scene.map.lane_successors(one) or two in beside, name
        line = shapely.union_all([shapely.LineString(scene.map.lane_centerline(lane)[:, :2]) for lane in route])
        away = shapely.distance(line, shapely.points(scene.reference[scene.start :, :2]))
        assert np.median(away) < 1.5, name
        assert scene.provenance["dropped"] == []
        assert "nuScenes" in scene.licence


def test_the_default_filter_finds_two_windows_a_drive_and_the_overlapping_one_every_frame(
    real_data: Path, real_logs: list[Log]
) -> None:
    found = {}
    for log in real_logs:
        stamps = [frame.time_us for frame in log.frames]
        routes = [bool(frame.roadblocks) for frame in log.frames]
        found[log.name] = [
            len(windows(stamps, routes, options)[0]) for options in (SceneFilter(), SceneFilter(frame_interval=1))
        ]
    assert all(plain == 2 and 26 <= every <= 28 for plain, every in found.values())


def test_windows_of_one_drive_agree_where_they_overlap(tmp_path: Path) -> None:
    one, two = loaded(tmp_path, frames(16), frame_interval=2)
    assert two.id == TOKENS[5]
    early, late = (poses_from_frame(scene.reference[:, :3], scene.origin) for scene in (one, two))
    np.testing.assert_allclose(early[15:50], late[5:40], atol=1e-3)
