"""Broken, hostile and misplaced ScenarioNet files: one sentence each, with file and field, and nothing is run."""

import os
import pickle
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drive.errors import DataError
from evaluation.cli import main
from scenarios.openscene.unpickle import write_pickle
from scenarios.scenarionet import find_scenario_files, load_file, prepare
from scenarios.sources import detect, is_openscene
from scenarios.store import Store
from tests.scenarios.scenarionet_made import FRAMES, nuscenes_like, waymo_like, write_database

Change = Callable[[dict[str, Any]], Any]


class Calls:
    """Pickles as a call of ``os.system``."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("place", ["scenario", "summary", "mapping"])
def test_a_hostile_pickle_is_refused_before_anything_of_it_runs(tmp_path: Path, place: str) -> None:
    mark = tmp_path / "mark"
    data = write_database(tmp_path / "data", nuscenes_like())
    path = {
        "scenario": find_scenario_files(data)[0],
        "summary": data / "dataset_summary.pkl",
        "mapping": data / "dataset_mapping.pkl",
    }[place]
    path.write_bytes(pickle.dumps({"id": Calls(mark)}))
    with pytest.raises(DataError, match=r"was refused, because it asks for \w+\.system: only NumPy arrays"):
        prepare(data, Store(tmp_path / "store"))
    assert not mark.exists()


def _without(*path: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        holder: Any = content
        for key in path[:-1]:
            holder = holder[key]
        del holder[path[-1]]

    return change


def _with(*path: Any, to: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        holder: Any = content
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = to

    return change


def _at(name: str, key: str, frame: int, to: float) -> Change:
    def change(content: dict[str, Any]) -> None:
        content["tracks"][name]["state"][key][frame] = to

    return change


BROKEN: dict[str, tuple[Change, str]] = {
    "no tracks": (_without("tracks"), "tracks: is missing"),
    "no map": (_without("map_features"), "map_features: is missing"),
    "length as text": (_with("length", to="many"), "length: is 'many', expected the number of frames"),
    "tracks as list": (_with("tracks", to=[]), "tracks: is list, expected dict"),
    "no ego": (_without("metadata", "sdc_id"), "metadata.sdc_id: is missing"),
    "ego unknown": (_with("metadata", "sdc_id", to="x"), "metadata.sdc_id: names 'x', which is not among the tracks"),
    "no times": (_without("metadata", "ts"), "metadata.ts: is missing"),
    "times back": (_with("metadata", "ts", to=np.zeros(FRAMES)), "metadata.ts: does not increase"),
    "few times": (_with("metadata", "ts", to=np.arange(5.0)), "metadata.ts: has 5 entries, expected 101"),
    "no state": (_without("tracks", "8", "state"), r"tracks\['8'\].state: is missing"),
    "no heading": (_without("tracks", "8", "state", "heading"), r"tracks\['8'\].state.heading: is missing"),
    "short": (_with("tracks", "8", "state", "heading", to=np.zeros(3)), "heading: has 3 entries, expected 101"),
    "shape": (
        _with("tracks", "8", "state", "position", to=np.zeros(FRAMES)),
        r"position: has shape \(101,\), expected \[n, 2\]",
    ),
    "text": (_with("tracks", "8", "state", "heading", to=["x"] * FRAMES), "heading: expected numbers"),
    "not finite": (_at("8", "position", 7, np.nan), r"tracks\['8'\].state.position: is not finite at frame 7"),
    "far": (_at("8", "position", 7, 1e9), "position: is off every map at frame 7"),
    "no size": (_with("tracks", "8", "state", "width", to=np.zeros(FRAMES)), "width: is 0, expected positive metres"),
    "ego absent": (_with("tracks", "ego", "state", "valid", to=np.zeros(FRAMES)), "the ego is valid in no frame"),
    "ego gap": (_at("ego", "valid", 50, 0.0), r"tracks\['ego'\].state.valid: the ego is absent at frame 50"),
    "light": (_without("dynamic_map_states", "2", "state"), r"dynamic_map_states\['2'\].state: is missing"),
    "light short": (
        _with("dynamic_map_states", "2", "state", "object_state", to=["GO"]),
        "object_state: expected 101 entries",
    ),
    "feature without type": (_without("map_features", "1", "type"), r"map_features\['1'\].type: is missing"),
    "lane without line": (_without("map_features", "1", "polyline"), r"map_features\['1'\].polyline: is missing"),
    "lane not finite": (
        _with("map_features", "1", "polyline", to=[(0.0, 0.0), (np.inf, 0.0)]),
        r"map_features\['1'\].polyline: has a point that is not finite",
    ),
    "sign without place": (_without("map_features", "13", "position"), r"map_features\['13'\].position: is missing"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_scenario_is_refused_with_its_file_and_field(tmp_path: Path, name: str) -> None:
    change, sentence = BROKEN[name]
    content = deepcopy(waymo_like())
    change(content)
    path = find_scenario_files(write_database(tmp_path, waymo_like()))[0]
    write_pickle(path, content)
    with pytest.raises(DataError, match=sentence) as caught:
        load_file(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_the_summary_names_have_to_be_there(tmp_path: Path) -> None:
    data = write_database(tmp_path / "data", nuscenes_like(), waymo_like())
    find_scenario_files(data)[1].unlink()
    with pytest.raises(DataError, match=r"names 'sd_waymo_v1_wod.pkl', but there is no file"):
        prepare(data, Store(tmp_path / "store"))
    write_pickle(data / "dataset_summary.pkl", [1])
    with pytest.raises(DataError, match=r"dataset_summary.pkl holds list, expected a dict"):
        find_scenario_files(data)
    write_pickle(data / "dataset_summary.pkl", {})
    with pytest.raises(DataError, match="names no scenario"):
        find_scenario_files(data)


def test_one_scene_in_two_files_is_refused(tmp_path: Path) -> None:
    first = find_scenario_files(write_database(tmp_path / "data", waymo_like()))[0]
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in ("sd_a.pkl", "sd_b.pkl"):
        (flat / name).write_bytes(first.read_bytes())
    assert detect(flat).name == "scenarionet"  # a database without a summary
    with pytest.raises(DataError, match="both hold the scene 'wod'"):
        prepare(flat, Store(tmp_path / "store"))


def test_a_single_file_is_a_source_and_no_openscene_log(tmp_path: Path) -> None:
    path = find_scenario_files(write_database(tmp_path, waymo_like()))[0]
    assert detect(path).name == "scenarionet" and not is_openscene(path)
    assert [entry.id for entry in prepare(path, Store(tmp_path / "store"))] == ["wod"]


def test_a_broken_file_ends_a_command_with_one_sentence_and_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = waymo_like()
    del content["metadata"]["sdc_id"]
    data = write_database(tmp_path, content)
    assert main(["scenarios", "list", "--suite", "scenarionet", "--data", str(data)]) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and "sd_waymo_v1_wod.pkl, metadata.sdc_id: is missing" in said
