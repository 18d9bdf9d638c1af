"""Agreement with nuPlan's own closed-loop score, case by case: nuplan-devkit 1.2.2 wrote every expected number."""

import copy
import gzip
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drive.errors import DataError
from evaluation.conformance.nuplan import score_case
from evaluation.metrics.nuplan_score import aggregate

FOLDER = Path(__file__).parent.parent / "data" / "nuplan"
SCORE, SERIES, STATE = 1e-8, 1e-6, 1e-6
# The angle of a track exactly on the ego's axis is the arccos of a cosine that rounding pushes above 1 or not
# (`axis.near` > 0). On these cases our rounding and the reference's differ; all scores agree nevertheless.
ROUNDED_OTHERWISE = {
    "col_lead_slow_front": {"ttc"},  # the lead, straight ahead, vanishes from one sample
    "col_rear_ended_ego_006": {"collisions"},  # rear contact on the axis: ACTIVE_REAR or ACTIVE_LATERAL
    "random_044": {"ttc"},
}
NOT_REPRODUCED = {"statistics", "axis"}


def load(name: str, folder: Path = FOLDER) -> list[dict[str, Any]]:
    with gzip.open(folder / name, "rt") as file:
        return [json.loads(line) for line in file]


def load_maps(name: str = "maps.json.gz", folder: Path = FOLDER) -> dict[str, Any]:
    with gzip.open(folder / name, "rt") as file:
        maps: dict[str, Any] = json.load(file)
    return maps


def distance(ours: Any, theirs: Any) -> float:
    """Largest difference of two JSON values of the same shape; infinite where they are of different ones."""
    if isinstance(theirs, dict):
        if not isinstance(ours, dict) or set(ours) != set(theirs):
            return math.inf
        return max((distance(ours[key], theirs[key]) for key in theirs), default=0.0)
    if isinstance(theirs, list):
        if not isinstance(ours, list) or len(ours) != len(theirs):
            return math.inf
        return max((distance(a, b) for a, b in zip(ours, theirs, strict=True)), default=0.0)
    if isinstance(theirs, float | int) and isinstance(ours, float | int):
        return abs(ours - theirs)
    return 0.0 if ours == theirs else math.inf


def disagreements(ours: dict[str, Any], theirs: dict[str, Any]) -> set[str]:
    """Names of the parts of a record that differ by more than the bar for them."""
    bars = {"scores": SCORE, "score": SCORE, "ego": STATE, "tracks": STATE}
    found = set()
    for name in set(theirs) - NOT_REPRODUCED:
        mine, wanted = ours[name], theirs[name]
        if name == "corner_route":  # the reference holds sets there
            mine, wanted = ([[sorted(lanes) for lanes in corners] for corners in route] for route in (mine, wanted))
        if not distance(mine, wanted) <= bars.get(name, SERIES):
            found.add(name)
    return found


def differing(cases: list[dict[str, Any]], maps: dict[str, Any]) -> Iterator[tuple[str, str, int, set[str]]]:
    """(id, mode, axis.near, what differs) of every case that does not agree in everything."""
    for case in cases:
        record = score_case(case, maps)
        assert record["id"] == case["id"]
        modes = (
            [("", record, case["expected"])]
            if "ego" in case
            else [(mode, record[mode], expected) for mode, expected in case["expected"].items()]
        )
        for mode, ours, theirs in modes:
            if found := disagreements(ours, theirs):
                yield case["id"], mode, theirs["axis"]["near"], found


def test_synthetic_cases_agree_in_scores_and_in_every_series() -> None:
    cases = load("synthetic.jsonl.gz")
    found = {case: (near, what) for case, _, near, what in differing(cases, load_maps())}
    assert {case: what for case, (near, what) in found.items() if near == 0} == {}
    assert {case: what for case, (_, what) in found.items()} == ROUNDED_OTHERWISE
    assert len(found) <= 0.02 * len(cases)


def test_closed_loop_cases_agree_in_states_scores_and_every_series_in_both_modes() -> None:
    cases = load("closed_loop.jsonl.gz")
    assert len(cases) == 22
    assert list(differing(cases, load_maps())) == []


def test_nuscenes_drives_agree(conformance: Path) -> None:
    folder = conformance / "nuplan"
    cases = load("nuscenes.jsonl.gz", folder)
    assert len(cases) >= 40
    assert list(differing(cases, load_maps("nuscenes_maps.json.gz", folder))) == []


@pytest.mark.parametrize(
    ("name", "file", "mode"),
    [
        ("synthetic", "synthetic.jsonl.gz", None),
        ("closed_loop_nonreactive", "closed_loop.jsonl.gz", "nonreactive"),
        ("closed_loop_reactive", "closed_loop.jsonl.gz", "reactive"),
    ],
)
def test_the_aggregated_rows_are_those_of_the_reference(name: str, file: str, mode: str | None) -> None:
    wanted = json.loads((FOLDER / "aggregate.json").read_text())[name]
    expected = [(case["scenario_type"], case["expected"][mode] if mode else case["expected"]) for case in load(file)]
    types, final = aggregate((kind, result["score"], result["scores"]) for kind, result in expected)
    assert set(types) == set(wanted["scenario_types"])
    for ours, theirs in [
        *((types[kind], row) for kind, row in wanted["scenario_types"].items()),
        (final, wanted["final"]),
    ]:
        assert distance({"num_scenarios": ours.scenes, "score": ours.score, **ours.metrics}, theirs) < 1e-9


def simple_case() -> dict[str, Any]:
    return copy.deepcopy(next(case for case in load("synthetic.jsonl.gz") if case["id"] == "col_stopped_bicycle"))


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("map_id", "atlantis", "map_id"),
        ("time_us", [1, 2, 3], "time_us"),
        ("time_us", None, "time_us"),
        ("expert", [[0.0, 0.0, 0.0]], "expert"),
        ("ego", [[0.0] * 9] * 150, "ego"),
        ("ego", [[math.nan] + [0.0] * 9] * 150, "ego"),
        ("tracks", None, "tracks"),
        ("tracks", [{"token": "a", "type": "unicorn", "length": 1, "width": 1, "states": [None] * 151}], "type"),
        ("tracks", [{"token": "a", "type": "vehicle", "length": 0, "width": 1, "states": [None] * 151}], "length"),
        ("tracks", [{"token": "a", "type": "vehicle", "length": 1, "width": 1, "states": [None] * 3}], "states"),
        ("tracks", [{"token": "a", "type": "vehicle", "length": 1, "width": 1}], "states"),
    ],
)
def test_a_case_that_cannot_be_scored_is_one_sentence_naming_case_and_field(field: str, value: Any, named: str) -> None:
    case = simple_case()
    case[field] = value
    with pytest.raises(DataError, match=rf"(?s)^(?=.*col_stopped_bicycle)(?=.*{named})[^\n]*$"):
        score_case(case, load_maps())


def test_a_missing_field_is_named() -> None:
    case = simple_case()
    del case["expert"]
    with pytest.raises(DataError, match=r"col_stopped_bicycle.*expert"):
        score_case(case, load_maps())
