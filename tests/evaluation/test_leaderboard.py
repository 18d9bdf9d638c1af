"""Promises of the leaderboard, on rows made by hand (columns as in the results files)."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from drive.errors import RunError
from evaluation.leaderboard import FORMATS, TABLE_WIDTH, build, gather, render
from evaluation.results import RunFolder
from tests.evaluation.runs import drive


def row(planner: str, number: int, score: float | None, **values: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "planner": planner,
        "scenario": f"F01-{number:06d}",
        "family": "F01" if number % 2 else "F18",
        "group": f"g{number // 2}",
        "seed": 0,
        "status": "ok",
        "error": None,
        "score": score,
        "collision_at_fault": 0.0,
        "collision_at_fault.step": float("nan"),
        "off_road": 0.0,
        "red_light": float("nan"),
        "progress": 0.5,
        "comfort": 1.0,
        "ttc_min": float("nan"),
        "time.plan_ms": 1.5,
    }
    return base | values


@pytest.fixture
def rows() -> pd.DataFrame:
    found = [row("log_replay", i, 1.0) for i in range(8)]
    found += [row("idm", i, 0.8 + 0.01 * i) for i in range(8)]
    found += [row("slow", i, 0.7 + 0.01 * i, progress=0.1) for i in range(8)]
    crash = dict.fromkeys(("collision_at_fault", "off_road", "progress", "comfort"), float("nan"))
    found += [row("shaky", i, 0.9) for i in range(4)]
    found += [row("shaky", i, 0.0, status="failed", error="ValueError: boom", **crash) for i in range(4, 8)]
    return pd.DataFrame(found)


def test_best_planner_comes_first_and_privileged_ones_are_marked_but_never_the_reference(rows: pd.DataFrame) -> None:
    board = build(rows, ["log_replay"])
    assert [entry.planner for entry in board.entries] == ["log_replay", "idm", "slow", "shaky"]
    assert board.reference == "idm"
    assert [entry.privileged for entry in board.entries] == [True, False, False, False]
    assert "log_replay *" in render(board) and "privileged" in render(board)


def test_failed_units_count_as_zero_and_leave_the_other_metrics(rows: pd.DataFrame) -> None:
    shaky = build(rows).entries[-1]
    assert (shaky.units, shaky.failed) == (8, 4)
    assert shaky.score.mean == pytest.approx(0.45)
    assert shaky.metrics["progress"].valid == 4
    assert shaky.metrics["progress"].mean == pytest.approx(0.5)
    forged = rows.assign(score=rows["score"].where(rows["status"] == "ok", 1.0))
    assert build(forged).entries[-1].score.mean == pytest.approx(0.45)


def test_differences_are_paired_so_a_constant_gap_has_no_spread(rows: pd.DataFrame) -> None:
    slow = next(entry for entry in build(rows, ["log_replay"]).entries if entry.planner == "slow")
    assert slow.difference is not None
    assert (slow.difference.mean, slow.difference.low, slow.difference.high) == pytest.approx((-0.1, -0.1, -0.1))
    assert slow.score.high - slow.score.low > 0.01


def test_differences_use_common_units_only_and_uneven_coverage_is_said(rows: pd.DataFrame) -> None:
    easy_only = rows[(rows["planner"] != "slow") | (rows["scenario"] >= "F01-000004")]
    board = build(easy_only, ["log_replay"])
    slow = next(entry for entry in board.entries if entry.planner == "slow")
    assert slow.difference is not None and slow.difference.valid == 4
    assert slow.difference.mean == pytest.approx(-0.1)
    assert any("slow 4" in note for note in board.notes)


def test_json_keeps_the_contract_and_is_valid_json_without_nan(rows: pd.DataFrame) -> None:
    text = render(build(rows, ["log_replay"]), "json")
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    first = document["planners"][0]
    assert {"planner", "privileged", "units", "failed", "score", "metrics"} <= set(first)
    assert set(first["score"]) == {"mean", "low", "high"}
    assert set(first["metrics"]["red_light"]) == {"mean", "low", "high", "valid"}
    assert first["metrics"]["red_light"] == {"mean": None, "low": None, "high": None, "valid": 0}
    assert "collision_at_fault.step" not in first["metrics"]
    assert "time.plan_ms" in first["metrics"]


def test_by_family_ranks_each_family(rows: pd.DataFrame) -> None:
    document = json.loads(render(build(rows, by_family=True), "json"))
    assert set(document["families"]) == {"F01", "F18"}
    assert sum(entry["units"] for entry in document["families"]["F01"]) == 16


def test_csv_has_one_line_per_planner_and_family(rows: pd.DataFrame) -> None:
    lines = list(csv.DictReader(io.StringIO(render(build(rows, by_family=True), "csv"))))
    assert len(lines) == 4 * 3
    assert float(lines[1]["score"]) == pytest.approx(0.835)
    assert lines[1]["red_light.mean"] == "" and lines[1]["red_light.valid"] == "0"


def test_the_table_fits_its_width_even_with_long_planner_names(rows: pd.DataFrame) -> None:
    long = rows.replace({"planner": {"slow": "my_package.my_module:MyVeryLongPlannerName[headway=2.0,gap=3.5]"}})
    text = render(build(long, ["log_replay"]))
    assert max(map(len, text.splitlines())) <= TABLE_WIDTH
    assert "units" in text and "shaky 4 of 8" in text
    assert all(line.rstrip().endswith("8") for line in text.splitlines() if line.startswith(("idm", "shaky", "my_p")))


def test_a_single_group_is_said_and_has_no_interval(rows: pd.DataFrame) -> None:
    board = build(rows.assign(group="log-1"))
    assert board.entries[0].score.low is None
    assert any("one group" in note for note in board.notes)
    for form in FORMATS:
        assert render(board, form)


def test_the_same_rows_in_another_order_give_the_same_text(rows: pd.DataFrame) -> None:
    shuffled = rows.sample(frac=1.0, random_state=1)
    for form in FORMATS:
        assert render(build(shuffled), form) == render(build(rows), form)


def test_a_unit_that_occurs_twice_and_an_empty_run_are_refused(rows: pd.DataFrame) -> None:
    with pytest.raises(RunError, match="occurs twice"):
        build(pd.concat([rows, rows.iloc[:1]]))
    with pytest.raises(RunError, match="no results yet"):
        build(rows.iloc[:0])


def test_runs_with_other_settings_are_refused_or_listed_side_by_side(tmp_path: Path) -> None:
    reactive = drive(tmp_path / "reactive", "stop", count=2)
    replayed = drive(tmp_path / "replayed", "stop", count=2, traffic="log")
    with pytest.raises(RunError, match=r"traffic idm and log.*--allow-mixed"):
        gather([reactive, replayed])
    mixed = gather([reactive, replayed], allow_mixed=True)
    board = build(mixed.rows, mixed.privileged, notes=mixed.notes)
    assert sorted(entry.planner for entry in board.entries) == ["stop @ reactive", "stop @ replayed"]
    assert "not comparable" in board.notes[0]


def test_runs_with_other_metric_versions_or_environments_are_refused(tmp_path: Path) -> None:
    one, two = (drive(tmp_path / name, planner, count=2) for name, planner in (("a", "stop"), ("b", "Straight")))
    assert len(gather([one, two]).rows) == 4
    for change, words in (
        (
            {"metric_versions": {**two.manifest.metric_versions, "score": "drive_score@2"}},
            "drive_score@1 and drive_score@2",
        ),
        ({"fingerprint": {**two.manifest.fingerprint, "numpy": "2.0.0"}}, "numpy"),
    ):
        two.manifest = two.manifest.model_copy(update=change)
        with pytest.raises(RunError, match=words):
            gather([one, two])
        two = RunFolder(two.path)


def test_the_same_units_in_two_runs_are_not_counted_twice(tmp_path: Path) -> None:
    one, two = drive(tmp_path / "a", "stop", count=2), drive(tmp_path / "b", "stop", count=2)
    gathered = gather([one, two])
    with pytest.raises(RunError, match="occurs twice"):
        build(gathered.rows)
