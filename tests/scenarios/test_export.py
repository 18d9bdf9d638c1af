"""Export to nuScenes and back: within 1 cm and 0.1 degrees, and readable by the devkit as it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from drive.errors import DataError
from drive.geometry import arc_length, poses_to_frame, to_frame, wrap_angle
from drive.map import Layer, VectorMap
from drive.scene import HISTORY_STEPS, AgentKind, Scenario
from scenarios.arclines import fit_arclines
from scenarios.export import VERSION, export
from scenarios.export_map import CANVASES
from scenarios.generate import FAMILIES, Recipe, build
from scenarios.nuscenes import prepare
from scenarios.store import Store
from tests.scenarios.made import arc, made_scene

CENTIMETRE = 0.01
TENTH_DEGREE = np.deg2rad(0.1)


def round_trip(scenes: list[Scenario], folder: Path, keyframe_hz: int) -> list[Scenario]:
    export(scenes, folder / "out", keyframe_hz)
    store = Store(folder / "store")
    found = [store.get(entry.key) for entry in prepare(folder / "out", store)]
    assert all(scene is not None for scene in found)
    return found  # type: ignore[return-value]


def cut(scene: Scenario, steps: int) -> Scenario:
    """The first steps of a scene."""
    names = ("position", "heading", "velocity", "valid", "cues")
    tracks = replace(scene.tracks, **{name: getattr(scene.tracks, name)[:, :steps] for name in names})
    lights = replace(scene.lights, state=scene.lights.state[:, :steps])
    return replace(scene, tracks=tracks, lights=lights, reference=scene.reference[:steps])


def start_pose(scene: Scenario) -> np.ndarray:
    """The loader's scene frame: the ego's pose at the start."""
    return scene.reference[scene.start, :3]


def hausdorff(one: np.ndarray, other: np.ndarray) -> float:
    dense = [shapely.LineString(line[:, :2]).segmentize(0.1) for line in (one, other)]
    return float(shapely.hausdorff_distance(*dense))


def assert_same_map(before: VectorMap, after: VectorMap, frame: np.ndarray, prefix: str = "") -> None:
    names = [name.removeprefix(prefix) for name in after.lane_ids]
    assert sorted(names) == sorted(before.lane_ids)
    for lane, name in enumerate(before.lane_ids):
        twin = names.index(name)
        line = poses_to_frame(before.lane_centerline(lane), frame)
        assert hausdorff(line, after.lane_centerline(twin)) < CENTIMETRE
        for end in (0, -1):
            there = after.lane_centerline(twin)[end]
            assert np.linalg.norm(there[:2] - line[end, :2]) < CENTIMETRE
            assert abs(wrap_angle(there[2] - line[end, 2])) < TENTH_DEGREE
        area = shapely.Polygon(to_frame(before.lane_polygon(lane), frame))
        assert area.symmetric_difference(shapely.Polygon(after.lane_polygon(twin))).area < 0.01
        follow = {before.lane_ids[other] for other in before.lane_successors(lane)}
        assert {names[other] for other in after.lane_successors(twin)} == follow
        assert after.connector[twin] == before.connector[lane]
    for layer in (Layer.DRIVABLE, Layer.CROSSWALK, Layer.CARPARK, Layer.WALKWAY):
        one, other = (
            shapely.union_all([shapely.Polygon(ring[0], ring[1:]) for ring in rings])
            for rings in ([[to_frame(r, frame) for r in area] for area in before.areas(layer)], after.areas(layer))
        )
        assert one.area > 1.0
        assert one.symmetric_difference(other).area < 0.01


@pytest.mark.parametrize("keyframe_hz", [2, 10])
def test_export_and_load_agree_within_a_centimetre(tmp_path: Path, keyframe_hz: int) -> None:
    scenes = [made_scene(seed, f"made-{seed:04}", curvature=0.015 * (seed - 1)) for seed in range(3)]
    loaded = round_trip(scenes, tmp_path, keyframe_hz)
    assert [scene.id for scene in loaded] == [scene.id for scene in scenes]
    for before, after in zip(scenes, loaded, strict=True):
        frame = start_pose(before)
        assert after.steps == before.steps
        assert after.start == before.start
        assert after.t0_us == before.t0_us
        assert after.group == before.group
        drive = poses_to_frame(before.reference[:, :3], frame)
        assert np.abs(drive[:, :2] - after.reference[:, :2]).max() < CENTIMETRE
        assert np.abs(wrap_angle(drive[:, 2] - after.reference[:, 2])).max() < TENTH_DEGREE
        assert_same_agents(before, after, frame, keyframe_hz)
        assert_same_map(before.map, after.map, frame, f"{before.id}:")
        lanes = [after.map.lane_ids[lane].split(":")[1] for lane in after.route]
        assert lanes == ["in-right", "turn-right", "out-right"]


def assert_same_agents(before: Scenario, after: Scenario, frame: np.ndarray, keyframe_hz: int) -> None:
    rows = {name.removeprefix(f"{before.id}:"): row for row, name in enumerate(after.tracks.ids)}
    steps = np.arange(0, before.steps, 10 // keyframe_hz)
    steps = np.unique(np.append(steps, before.steps - 1))
    assert set(rows) == {
        name for name, valid in zip(before.tracks.ids, before.tracks.valid, strict=True) if valid.any()
    }
    for row, name in enumerate(before.tracks.ids):
        twin = rows[name]
        np.testing.assert_array_equal(after.tracks.valid[twin, steps], before.tracks.valid[row, steps])
        assert not (after.tracks.valid[twin] & ~before.tracks.valid[row]).any()
        np.testing.assert_allclose(after.tracks.size[twin], before.tracks.size[row], atol=1e-6)
        kind = AgentKind(int(before.tracks.kind[row]))
        kept = AgentKind.GENERIC_OBJECT if kind == AgentKind.SIGN else kind
        assert after.tracks.kind[twin] == kept
        there = steps[before.tracks.valid[row, steps]]
        moved = to_frame(before.tracks.position[row, there], frame)
        assert np.abs(moved - after.tracks.position[twin, there]).max() < CENTIMETRE
        turned = before.tracks.heading[row, there] - frame[2] - after.tracks.heading[twin, there]
        assert np.abs(wrap_angle(turned)).max() < TENTH_DEGREE


def test_neighbours_and_stop_lines_are_found_again(tmp_path: Path) -> None:
    before = made_scene()
    (after,) = round_trip([before], tmp_path, 2)
    names = after.map.lane_ids
    for part in ("in", "turn", "out"):
        right, left = names.index(f"{part}-right"), names.index(f"{part}-left")
        assert after.map.left[right] == left
        assert after.map.right[left] == right
        assert after.map.group[left] == after.map.group[right]
    np.testing.assert_array_equal(after.map.stop_cause, before.map.stop_cause)
    segment = to_frame(before.map.stop_segment[0], start_pose(before))
    found = after.map.stop_segment[0]
    assert min(np.abs(found - segment).max(), np.abs(found[::-1] - segment).max()) < CENTIMETRE
    assert {names[lane] for lane in after.map.stop_lanes} == {"turn-left", "turn-right"}


def test_scenes_side_by_side_do_not_see_each_other(tmp_path: Path) -> None:
    scenes = [made_scene(seed, f"made-{seed:04}") for seed in range(5)]
    for scene in round_trip(scenes, tmp_path, 2):
        assert {name.split(":")[0] for name in scene.map.lane_ids} == {scene.id}
        assert scene.provenance["dropped"] == []


def test_places_keep_to_the_canvas_and_apart() -> None:
    from scenarios.export import GAP, _place
    from scenarios.export_map import bounds

    bases = [made_scene(seed) for seed in range(3)]
    scenes = [replace(bases[number % 3], id=f"made-{number:04}") for number in range(120)]
    boxes: dict[str, list[Any]] = {}
    places = _place(scenes)
    for scene in scenes:
        name, *offset = places[scene.id]
        low, high = (corner + np.array(offset) for corner in bounds(scene))
        assert (low > 0).all()
        assert (high < CANVASES[name]).all()
        boxes.setdefault(name, []).append(shapely.box(*low, *high))
    assert len(boxes) > 1
    for found in boxes.values():
        apart = shapely.distance(np.array(found)[:, None], np.array(found)[None])
        assert apart[~np.eye(len(found), dtype=bool)].min() >= GAP - 1e-6


def test_what_cannot_be_exported_is_one_sentence(tmp_path: Path) -> None:
    scene = made_scene()
    with pytest.raises(DataError, match="no longer fits on the four maps"):
        export([replace(scene, id=f"made-{number}") for number in range(500)], tmp_path)
    with pytest.raises(DataError, match="scenario ids must be unique"):
        export([scene, scene], tmp_path)
    with pytest.raises(DataError, match="at least one"):
        export([], tmp_path)
    with pytest.raises(DataError, match="starts at step 10, needed is 20"):
        export([replace(scene, start=10)], tmp_path)
    with pytest.raises(DataError, match="keyframe_hz is 5"):
        export([scene], tmp_path, keyframe_hz=5)


def test_a_gap_in_a_track_stays_a_gap(tmp_path: Path) -> None:
    scene = made_scene()
    valid = scene.tracks.valid.copy()
    valid[2, 41:44] = False  # between two keyframes
    gap = replace(scene, tracks=replace(scene.tracks, valid=valid))
    (after,) = round_trip([gap], tmp_path, 2)
    parts = [row for row, name in enumerate(after.tracks.ids) if name.split("#")[0] == "agent-2"]
    assert len(parts) == 2
    assert not after.tracks.valid[parts][:, 41:44].any()
    assert after.tracks.valid[parts].any(axis=0)[[40, 45]].all()


def test_the_unmodified_devkit_reads_an_export(tmp_path: Path) -> None:
    from nuscenes.map_expansion.map_api import NuScenesMap
    from nuscenes.nuscenes import NuScenes
    from nuscenes.prediction import PredictHelper

    scene = made_scene()
    ((location, x, y),) = export([scene], tmp_path).values()
    data = NuScenes(version=VERSION, dataroot=str(tmp_path), verbose=False)
    sample = data.get("sample", data.scene[0]["first_sample_token"])
    assert len(data.get_boxes(sample["data"]["LIDAR_TOP"])) == scene.tracks.valid[:, 0].sum()
    sweep = data.get("sample_data", data.get("sample_data", sample["data"]["LIDAR_TOP"])["next"])
    assert not sweep["is_key_frame"]
    names = {data.get("sample_annotation", box.token)["instance_token"] for box in data.get_boxes(sweep["token"])}
    assert names <= set(scene.tracks.ids)
    helper = PredictHelper(data)
    future = helper.get_future_for_agent("agent-3", sample["token"], seconds=6, in_agent_frame=False)
    np.testing.assert_allclose(future[-1], scene.tracks.position[3, 60] + (x, y), atol=CENTIMETRE)
    maps = NuScenesMap(dataroot=str(tmp_path), map_name=location)
    here = scene.reference[20, :2] + (x, y)
    assert maps.get_closest_lane(*here, radius=2) == "in-right"
    assert maps.get_outgoing_lane_ids("in-right") == ["turn-right"]
    assert maps.get_incoming_lane_ids("out-left") == ["turn-left"]
    assert maps.layers_on_point(*here)["drivable_area"]
    assert maps.layers_on_point(14.0 + x, 0.0 + y)["ped_crossing"]
    mask = maps.get_map_mask((*here, 120.0, 120.0), 0.0, ["drivable_area", "lane", "ped_crossing"], (60, 60))
    assert mask.any(axis=(1, 2)).all()
    records = maps.get_records_in_patch((*(here - 50), *(here + 50)))
    for layer in ("lane", "road_block", "road_segment", "stop_line", "walkway", "carpark_area"):
        assert records[layer], layer


# One of each kind of road here; the others with the slow tests.
ROADS = ("F05", "F08", "F10", "F12", "F17", "F19", "F23", "F26")


@pytest.mark.parametrize("family", [pytest.param(n, marks=() if n in ROADS else pytest.mark.slow) for n in FAMILIES])
def test_generated_scenes_survive_export(tmp_path: Path, family: str) -> None:
    before = build(Recipe(family, 0, "test"))
    (after,) = round_trip([before], tmp_path, 10)
    before = cut(before, HISTORY_STEPS + 151)  # the loader's window: 15 s
    frame = start_pose(before)
    assert after.steps == before.steps
    drive = poses_to_frame(before.reference[:, :3], frame)
    assert np.abs(drive[:, :2] - after.reference[:, :2]).max() < CENTIMETRE
    assert np.abs(wrap_angle(drive[:, 2] - after.reference[:, 2])).max() < TENTH_DEGREE
    assert_same_agents(before, after, frame, 10)
    for name, lane in zip(after.map.lane_ids, range(after.map.lanes), strict=True):
        line = poses_to_frame(before.map.lane_centerline(before.map.lane_ids.index(name)), frame)
        assert hausdorff(line, after.map.lane_centerline(lane)) < CENTIMETRE


def test_the_real_scenes_survive_export(nuscenes_mini: Path, tmp_path: Path) -> None:
    store = Store()
    entries = prepare(nuscenes_mini, store, scenes=["scene-0757", "scene-1100"])
    scenes = [scene for entry in entries if (scene := store.get(entry.key))]
    for before, after in zip(scenes, round_trip(scenes, tmp_path, 2), strict=True):
        assert np.abs(before.reference[:, :3] - after.reference[:, :3]).max() < 1e-5
        rows = [after.tracks.ids.index(name) for name in before.tracks.ids]
        keyframes = np.arange(0, before.steps, 5)
        valid = before.tracks.valid[:, keyframes]
        np.testing.assert_array_equal(after.tracks.valid[rows][:, keyframes], valid)
        apart = np.abs(after.tracks.position[rows] - before.tracks.position)[:, keyframes][valid]
        assert apart.max() < 1e-5
        assert before.map.lane_ids[before.route[0]] == after.map.lane_ids[after.route[0]]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(1.0, 20.0), st.integers(-20, 20).map(lambda hundredths: hundredths / 100)),
        min_size=1,
        max_size=3,
    ),
    st.floats(-3.1, 3.1),
    st.sampled_from([0.5, 1.0]),
)
def test_arc_lines_return_the_centreline(pieces: list[tuple[float, float]], heading: float, step: float) -> None:
    """Chains of arcs up to R = 5 m, curvature jumping at will, through the devkit's own discretisation."""
    from nuscenes.map_expansion.arcline_path_utils import discretize_lane

    line = np.array([[1000.0, 2000.0, heading]])
    for length, curvature in pieces:
        line = np.concatenate((line, arc(tuple(line[-1]), length, curvature, step)[1:]))
    back = np.array(discretize_lane(fit_arclines(line), 0.5))
    assert hausdorff(line, back) < CENTIMETRE + step**2 * 0.2 / 8  # sagitta of the chords given
    assert np.linalg.norm(back[-1, :2] - line[-1, :2]) < 1e-3
    for end in (0, -1):
        assert abs(wrap_angle(back[end, 2] - line[end, 2])) < TENTH_DEGREE / 10
    heading_there = np.interp(_share(back), _share(line), np.unwrap(line[:, 2]))
    assert np.abs(wrap_angle(back[:, 2] - heading_there)).max() < np.deg2rad(1.0)


def _share(line: np.ndarray) -> np.ndarray:
    length = arc_length(line)
    return length / length[-1]
