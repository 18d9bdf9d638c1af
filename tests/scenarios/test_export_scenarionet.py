"""Scenes written as ScenarioNet databases come back the same, and are laid out as its readers want them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drive.errors import DataError
from drive.geometry import wrap_angle
from drive.map import StopCause
from drive.scene import Cue, Lights, Scenario
from evaluation.cli import main
from scenarios.codec import encode
from scenarios.export_scenarionet import EGO, description, export
from scenarios.nuscenes import prepare as prepare_nuscenes
from scenarios.openscene.unpickle import read_pickle, write_pickle
from scenarios.scenarionet import load_file, prepare
from scenarios.store import Store
from tests.scenarios.generated import scene as generated

_ANGLES = ("tracks.heading", "map.centerline", "reference", "origin")


def assert_same(scene: Scenario, back: Scenario) -> None:
    """Every array within 1e-6 (m, rad, m/s), every name equal."""
    before, _ = encode(scene)
    after, _ = encode(back)
    for name, values in before.items():
        assert values.shape == after[name].shape, name
        if values.dtype.kind == "f":
            away = np.abs(values - after[name])
            if name in _ANGLES:
                away = np.minimum(away, np.abs(wrap_angle(away)))
            assert away.max(initial=0.0) < 1e-6, name
        else:
            assert np.array_equal(values, after[name]), name
    assert (scene.paths is None) == (back.paths is None)
    for field in ("id", "family", "group", "t0_us", "start", "ego_vehicle", "licence", "dt", "hardness", "occlusion"):
        assert getattr(scene, field) == getattr(back, field)
    for field in ("lane_ids", "group_ids"):
        assert getattr(scene.map, field) == getattr(back.map, field)
    assert scene.tracks.ids == back.tracks.ids


def round_trip(scene: Scenario, folder: Path) -> Scenario:
    return load_file(export([scene], folder)[scene.id])


@given(
    family=st.sampled_from(["F01", "F18", "F26"]),
    index=st.integers(0, 2),
    origin=st.tuples(st.floats(-5e3, 5e3), st.floats(-5e3, 5e3), st.floats(-3.1, 3.1)),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_generated_scenes_come_back(
    tmp_path: Path, family: str, index: int, origin: tuple[float, float, float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    scene = generated(family, index)
    world = scene.map
    lanes = rng.choice(world.lanes, size=min(4, world.lanes), replace=False).astype(np.int32)
    points = np.array([world.lane_centerline(int(lane))[0, :2] for lane in lanes]) + rng.normal(size=(len(lanes), 2))
    lines = 3
    gone = np.zeros((len(scene.tracks.ids), scene.steps), np.bool_)
    gone[0] = True  # one that is never there
    scene = replace(
        scene,
        origin=np.array(origin),
        lights=Lights(lanes, points, rng.integers(0, 4, (len(lanes), scene.steps)).astype(np.int8)),
        tracks=replace(
            scene.tracks,
            kind=rng.integers(0, 13, len(scene.tracks.ids)).astype(np.int8),
            position=np.where(gone[..., None], 0.0, scene.tracks.position),
            velocity=np.where(gone[..., None], 0.0, scene.tracks.velocity),
            heading=np.where(gone, 0.0, scene.tracks.heading),
            valid=scene.tracks.valid & ~gone,
            cues=np.where(scene.tracks.valid & ~gone, rng.integers(0, 16, scene.tracks.valid.shape), 0).astype(
                np.uint8
            ),
        ),
        map=replace(
            world,
            stop_segment=rng.normal(scale=50.0, size=(lines, 2, 2)),
            stop_cause=rng.choice([int(cause) for cause in StopCause], lines).astype(np.int8),
            stop_lanes=rng.integers(0, world.lanes, lines).astype(np.int32),
            stop_lanes_ptr=np.arange(lines + 1, dtype=np.int32),
            borrow_allowed=rng.random(world.lanes) < 0.5,
        ),
    )
    scene.validate()
    assert_same(scene, round_trip(scene, tmp_path))


def test_nuscenes_scenes_come_back(nuscenes_mini: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    entries = prepare_nuscenes(nuscenes_mini, store, scenes=["scene-0061", "scene-0757", "scene-1100"])
    scenes = [store.get(entry.key) for entry in entries]
    export(scenes, tmp_path / "out")  # type: ignore[arg-type]
    found = prepare(tmp_path / "out", store)
    assert [(entry.id, entry.family, entry.group) for entry in found] == [
        (entry.id, entry.family, entry.group) for entry in entries
    ]
    for scene, entry in zip(scenes, found, strict=True):
        back = store.get(entry.key)
        assert scene is not None
        assert back is not None
        assert back.provenance["repaired"] == [] and back.provenance["dropped"] == []
        assert_same(scene, back)


def test_a_database_is_laid_out_as_documented(tmp_path: Path) -> None:
    """The checks of MetaDrive's own sanity check, and what ScenarioNet's filters read from the summary."""
    scene = generated("F18", 0)
    path = export([scene], tmp_path)[scene.id]
    summary = read_pickle(tmp_path / "dataset_summary.pkl")
    assert read_pickle(tmp_path / "dataset_mapping.pkl") == {path.name: ""}
    content = read_pickle(path)
    assert set(content) >= {"id", "version", "length", "metadata", "tracks", "dynamic_map_states", "map_features"}
    metadata, length = content["metadata"], content["length"]
    assert set(summary) == {path.name} and set(summary[path.name]) == set(metadata)
    assert {"metadrive_processed", "coordinate", "ts", "sdc_id", "object_summary", "number_summary"} <= set(metadata)
    assert metadata["ts"].shape == (length,) and metadata["sdc_id"] in content["tracks"]
    for name, track in content["tracks"].items():
        assert {"type", "state", "metadata"} <= set(track) and track["metadata"]["object_id"] == name
        assert track["type"] in ("VEHICLE", "CYCLIST", "PEDESTRIAN", "TRAFFIC_CONE", "TRAFFIC_BARRIER")
        valid = track["state"]["valid"]
        assert valid.any()
        for values in track["state"].values():
            assert len(values) == length and values.ndim in (1, 2)
            assert (values[~valid] == 0).all()
    for feature in content["map_features"].values():
        assert "type" in feature and (not feature["type"].startswith("LANE") or len(feature["polyline"]) > 1)
    assert metadata["number_summary"]["num_objects"] == len(content["tracks"]) == len(metadata["object_summary"])
    ego = metadata["object_summary"][EGO]
    way = np.linalg.norm(np.diff(content["tracks"][EGO]["state"]["position"][:, :2], axis=0), axis=1).sum()
    assert ego["moving_distance"] == pytest.approx(way) and ego["continuous_valid_length"] == length


def test_an_exported_ego_is_a_box_like_others(tmp_path: Path) -> None:
    scene = generated("F01", 0)
    state = description(scene)["tracks"][EGO]["state"]
    car = scene.ego_vehicle
    assert (state["length"] == car.length).all() and (state["width"] == car.width).all()
    moved = np.diff(state["position"][:, :2], axis=0) / 0.1
    np.testing.assert_allclose(moved, (state["velocity"][:-1] + state["velocity"][1:]) / 2, atol=0.15)


def test_cues_are_kept_where_an_agent_is_there() -> None:
    scene = generated("F18", 0)
    cues = np.where(scene.tracks.valid, int(Cue.BRAKE_LIGHT), 0).astype(np.uint8)
    tracks = description(replace(scene, tracks=replace(scene.tracks, cues=cues)))["tracks"]
    for name, valid in zip(scene.tracks.ids, scene.tracks.valid, strict=True):
        assert (tracks[name]["state"]["cues"][valid] == Cue.BRAKE_LIGHT).all()


def test_a_damaged_addition_is_refused_by_name(tmp_path: Path) -> None:
    scene = generated("F01", 0)
    path = export([scene], tmp_path)[scene.id]
    whole = read_pickle(path)
    for key, value, sentence in (
        ("drivers", np.zeros((1, 16)), f"drive.drivers: has 1 entries, expected {len(scene.tracks.ids)}"),
        ("drivers", np.full_like(scene.drivers, np.nan), "drive.drivers: is not finite"),
        ("script", np.zeros(9), "drive.script: has shape"),
        ("paths", {"points": np.zeros((3, 2)), "limit": np.zeros(3), "ptr": np.zeros(1)}, "drive.paths.ptr: has 1"),
    ):
        write_pickle(path, whole | {"drive": whole["drive"] | {key: value}})
        with pytest.raises(DataError, match=sentence):
            load_file(path)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    scene = generated("F01", 0)
    with pytest.raises(DataError, match="unique and at least one, got 0"):
        export([], tmp_path)
    with pytest.raises(DataError, match="unique and at least one, got 2 with 1 names"):
        export([scene, scene], tmp_path)
    named = replace(scene.tracks, ids=(EGO, *scene.tracks.ids[1:]))
    with pytest.raises(DataError, match="has an agent named 'ego'"):
        export([replace(scene, tracks=named)], tmp_path)


def test_the_command_writes_a_database_that_it_reads_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    words = ["scenarios", "export", "--suite", "procedural:F01:1:1", "--format", "scenarionet", "--out", out]
    assert main(words) == 0
    assert f"drive eval --suite scenarionet --data {out}" in capsys.readouterr().out
    assert main(["scenarios", "list", "--data", out]) == 0
    assert "F01-000000" in capsys.readouterr().out
    assert main([*words, "--keyframe-hz", "10"]) == 2
    assert "ScenarioNet has every step" in capsys.readouterr().err
