"""Scenes exported as OpenScene logs and loaded back: within 1 cm and 0.1 degrees at the keyframes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drive.errors import DataError
from drive.geometry import poses_to_frame, to_frame, wrap_angle
from drive.map import VectorMap
from drive.scene import AgentKind, LightState, Scenario
from drive.vehicle import Ego
from evaluation.commands.scenes import export as export_command
from evaluation.suite import resolve_suite
from scenarios.export_openscene import export
from scenarios.nuscenes import prepare as prepare_nuscenes
from scenarios.openscene import SceneFilter, prepare
from scenarios.openscene.unpickle import read_pickle
from scenarios.store import Store
from tests.scenarios import generated
from tests.scenarios.made import made_scene
from tests.scenarios.openscene_made import frames, write_data

CENTIMETRE = 0.01
TENTH_DEGREE = np.deg2rad(0.1)
CLASSES = {
    **{kind: kind for kind in AgentKind},
    **{kind: AgentKind.CAR for kind in AgentKind if kind <= AgentKind.EMERGENCY},
    AgentKind.MOTORCYCLE: AgentKind.BICYCLE,
}


def round_trip(scenes: list[Scenario], folder: Path) -> list[Scenario]:
    """Exported and loaded, each log as one scene, in the order of the scenes."""
    export(scenes, folder / "out")
    store = Store(folder / "store")
    entries = prepare(folder / "out", store, scenes=SceneFilter(num_future_frames=None, has_route=False))
    found = {entry.group: store.get(entry.key) for entry in entries}
    assert all(scene is not None for scene in found.values())
    return [found[scene.id] for scene in scenes]  # type: ignore[misc]


def assert_same_at_keyframes(before: Scenario, after: Scenario) -> None:
    first = before.start - 15
    steps = np.arange(first, before.steps, 5)
    rows = 5 * np.arange(len(steps))
    frame = before.reference[before.start, :3]
    assert after.steps == rows[-1] + 1
    assert after.start == 15
    drive = poses_to_frame(before.reference[steps, :3], frame)
    assert np.abs(drive[:, :2] - after.reference[rows, :2]).max() < CENTIMETRE
    assert np.abs(wrap_angle(drive[:, 2] - after.reference[rows, 2])).max() < TENTH_DEGREE
    motion = slice(Ego.VX, Ego.STEERING)
    np.testing.assert_allclose(after.reference[rows, motion], before.reference[steps, motion], atol=1e-9)
    names = [name for name, valid in zip(before.tracks.ids, before.tracks.valid[:, steps], strict=True) if valid.any()]
    assert sorted(after.tracks.ids) == sorted(names)
    bridged = after.provenance["bridged"]
    for name in names:
        row, twin = before.tracks.ids.index(name), after.tracks.ids.index(name)
        seen = before.tracks.valid[row, steps]
        expected = seen.copy()
        expected[bridged.get(name, [])] = True
        np.testing.assert_array_equal(after.tracks.valid[twin, rows], expected)
        assert after.tracks.kind[twin] == CLASSES[AgentKind(int(before.tracks.kind[row]))]
        np.testing.assert_allclose(after.tracks.size[twin], before.tracks.size[row], atol=1e-5)
        place = to_frame(before.tracks.position[row, steps[seen]], frame)
        assert np.abs(place - after.tracks.position[twin, rows[seen]]).max() < CENTIMETRE
        turned = before.tracks.heading[row, steps[seen]] - frame[2] - after.tracks.heading[twin, rows[seen]]
        assert np.abs(wrap_angle(turned)).max() < TENTH_DEGREE
        speed = np.linalg.norm(before.tracks.velocity[row, steps[seen]], axis=-1)
        found = np.linalg.norm(after.tracks.velocity[twin, rows[seen]], axis=-1)
        np.testing.assert_allclose(found, speed, atol=1e-5)


def roadblocks(vector_map: VectorMap, lanes: list[str]) -> list[int]:
    """Roadblocks of a route, each once: the loader changes lanes where the drive did."""
    groups = [int(vector_map.group[vector_map.lane_ids.index(lane)]) for lane in lanes]
    return [group for number, group in enumerate(groups) if number == 0 or group != groups[number - 1]]


def driven(scenario: Scenario) -> list[int]:
    """The lanes of the route that the ego leaves between its start and its end.

    During the history it may have come from another, and where lanes part one cannot see which one a drive that ends
    there takes.
    """
    ends = scenario.reference[[scenario.start, -1], :2]
    lines = [scenario.map.lane_centerline(lane)[:, :2] for lane in scenario.route]
    away = np.array([[np.hypot(*(line - end).T).min() for line in lines] for end in ends])
    first, last = away.argmin(axis=1)
    return [int(lane) for lane in scenario.route[first : max(last, first + 1)]]


def test_made_and_generated_scenes_come_back(tmp_path: Path) -> None:
    scenes = [made_scene(seed, f"made-{seed:04}", curvature=0.015 * (seed - 1)) for seed in range(3)]
    scenes += [generated.scene(family, 0) for family in generated.FAMILIES]
    for before, after in zip(scenes, round_trip(scenes, tmp_path), strict=True):
        assert_same_at_keyframes(before, after)
        prefix = f"{before.id}:"
        route = [after.map.lane_ids[lane].removeprefix(prefix) for lane in after.route]
        wanted = roadblocks(before.map, [before.map.lane_ids[lane] for lane in driven(before)])
        found = roadblocks(before.map, route)
        assert found[: len(wanted)] == wanted, before.id


def test_nuscenes_scenes_come_back(tmp_path: Path, real_data: Path) -> None:
    store = Store()
    entries = prepare_nuscenes(real_data / "nuscenes-mini", store, scenes=["scene-0061", "scene-0757", "scene-1094"])
    scenes = [store.get(entry.key) for entry in entries]
    for before, after in zip(scenes, round_trip(scenes, tmp_path), strict=True):  # type: ignore[arg-type]
        assert before is not None
        assert_same_at_keyframes(before, after)


def test_signals_come_back_but_yellow_is_not_red(tmp_path: Path) -> None:
    before = made_scene()
    state = np.repeat((LightState.UNKNOWN, LightState.RED, LightState.YELLOW, LightState.GREEN), 24)[None]
    before = replace(before, lights=replace(before.lights, state=state.astype(np.int8)))
    (after,) = round_trip([before], tmp_path)
    expected = state[0, 5::5][: (after.steps + 4) // 5].copy()
    expected[expected == LightState.YELLOW] = LightState.GREEN
    assert set(expected) == {LightState.UNKNOWN, LightState.RED, LightState.GREEN}
    np.testing.assert_array_equal(after.lights.state[0, ::5], expected)
    assert after.map.lane_ids[after.lights.lane[0]] == "turn-right"


def test_trap_19_no_token_has_seventeen_characters_and_all_are_unique(tmp_path: Path) -> None:
    scenes = [made_scene(seed, f"made-{seed:04}") for seed in range(2)]
    tokens = []
    for path in export(scenes, tmp_path).values():
        for frame in read_pickle(path):
            tokens += [frame[field] for field in ("token", "log_token", "scene_token")][:1]
            assert all(len(frame[field]) == 16 for field in ("token", "log_token", "scene_token"))
            assert all(len(name) == 16 for name in frame["anns"]["instance_tokens"])
    assert len(set(tokens)) == len(tokens)


def test_the_first_window_of_the_default_filter_is_named_by_the_start(tmp_path: Path) -> None:
    before = made_scene()
    export([before], tmp_path / "out")
    store = Store(tmp_path / "store")
    first = resolve_suite("openscene", tmp_path / "out", store).scenes[0]
    after = store.get(first.key)
    assert after is not None
    assert (after.start, after.steps, after.t0_us) == (15, 66, before.t0_us)
    np.testing.assert_allclose(after.reference[15, :3], 0.0, atol=1e-9)


def test_frames_have_every_field_of_the_schema(tmp_path: Path, real_data: Path) -> None:
    """The same keys and the same kinds of values as a log that NAVSIM's own classes read."""
    (path,) = export([made_scene()], tmp_path).values()
    ours = read_pickle(path)[3]
    theirs = read_pickle(next((real_data / "openscene-mini").rglob("*.pkl")))[3]
    assert set(theirs) <= set(ours)
    assert set(theirs["anns"]) == set(ours["anns"])
    assert set(theirs["cams"]) == set(ours["cams"])
    for name, value in [*theirs["anns"].items(), *theirs.items()]:
        found = ours["anns"].get(name, ours.get(name))
        assert type(found) is type(value), name
        if isinstance(value, np.ndarray):
            assert found.dtype.kind == value.dtype.kind, name
            assert found.shape[1:] == value.shape[1:], name


def test_an_openscene_scene_keeps_its_tokens_and_commands(tmp_path: Path) -> None:
    content = frames()
    content[6]["driving_command"] = np.array([0, 0, 1, 0])
    store = Store(tmp_path / "store")
    (entry,) = prepare(write_data(tmp_path / "data", content), store)
    before = store.get(entry.key)
    assert before is not None
    (after,) = round_trip([replace(before, id="again")], tmp_path)
    assert_same_at_keyframes(before, after)
    for field in ("frame_tokens", "frame_times_us", "driving_commands"):
        assert after.provenance[field] == before.provenance[field]


def test_the_command_says_where_the_drive_leads(tmp_path: Path) -> None:
    commands = {}
    for name, curvature in (("left", 0.05), ("right", -0.05), ("straight", 0.0)):
        (after,) = round_trip([made_scene(0, name, curvature=curvature)], tmp_path / name)
        commands[name] = after.provenance["driving_commands"]
    assert "left" in commands["left"] and "right" not in commands["left"]
    assert "right" in commands["right"] and "left" not in commands["right"]
    assert set(commands["straight"]) == {"straight", "unknown"}  # too little is left of the drive at its end
    assert commands["straight"][-1] == "unknown"


def test_what_cannot_be_exported_is_one_sentence(tmp_path: Path) -> None:
    scene = made_scene()
    with pytest.raises(DataError, match="scenario ids must be unique and at least one"):
        export([], tmp_path)
    with pytest.raises(DataError, match="scenario ids must be unique"):
        export([scene, scene], tmp_path)
    with pytest.raises(DataError, match=r"starts at step 10, needed is 15 \(1.5 s\)"):
        export([replace(scene, start=10)], tmp_path)


def test_the_command_line_writes_logs_that_it_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = resolve_suite("gen-quick").scenes[0].id
    assert export_command(tmp_path / "out", "gen-quick", format="openscene", scenario=(name,)) == 0
    assert "drive eval --suite openscene --data" in capsys.readouterr().out
    assert len(resolve_suite("openscene", tmp_path / "out").scenes) >= 1
    with pytest.raises(DataError, match="--keyframe-hz is 10, but OpenScene logs have 2 frames a second"):
        export_command(tmp_path / "out", "gen-quick", format="openscene", keyframe_hz=10)
