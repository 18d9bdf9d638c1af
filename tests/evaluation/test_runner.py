"""Runs: the same rows however the work is cut, failures stay where they belong, and killing loses nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drive.errors import PlannerError, RunError, ScenarioError
from evaluation.engines import Engine, InProcess, ProcessPool
from evaluation.manifest import Unit
from evaluation.runner import derive_seed
from tests.evaluation.runs import ODD, comparable, drive

MIXED = ("Straight", "Wobbling", "Fails[how=raise]")


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return comparable(drive(tmp_path_factory.mktemp("reference") / "run", *MIXED, seeds=2))


@pytest.mark.parametrize(
    ("engine", "batch_size"),
    [(InProcess(), 1), (InProcess(), 16), (ProcessPool(1), 3), (ProcessPool(2), 16), (ProcessPool(4), 1)],
    ids=["in-process-1", "in-process-16", "1-worker-3", "2-workers-16", "4-workers-1"],
)
def test_same_rows_for_any_number_of_workers_and_any_batch_size(
    tmp_path: Path, reference: pd.DataFrame, engine: Engine, batch_size: int
) -> None:
    run = drive(tmp_path / "run", *MIXED, seeds=2, engine=engine, batch_size=batch_size)
    pd.testing.assert_frame_equal(comparable(run), reference, check_exact=True)


def test_a_run_does_something(reference: pd.DataFrame) -> None:
    """So that the comparisons here compare something."""
    assert len(reference) == 3 * 7 * 2
    assert set(reference["status"]) == {"ok", "failed"}
    assert reference["score"].nunique() > 5
    wobbling = reference[reference["planner"] == f"{ODD}:Wobbling"]
    assert wobbling["rollout_sha256"].nunique() == 14


def test_seeds_depend_on_the_unit_and_on_nothing_else() -> None:
    units = [Unit(planner, scene, seed) for planner in "ab" for scene in ("1", "2") for seed in (0, 1)]
    seeds = [derive_seed(unit) for unit in units]
    assert len(set(seeds)) == len(units)
    assert seeds == [derive_seed(unit) for unit in units]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(Unit("idm", "scene-0061", 0)) == 1218663356477946469


# --- failures


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("raise", "plan() raised ValueError: lost at"),
        ("nan", "Plan.candidates[0, 3, 1] is nan"),
        ("shape", "Plan.candidates has shape (1, 8, 2)"),
        ("short", "the plan ends after 1.00 s"),
        ("none", "plan() returned NoneType"),
        ("sys.exit", "plan() raised SystemExit: 3"),
    ],
)
def test_a_failing_planner_fails_its_unit_and_the_run_goes_on(tmp_path: Path, how: str, sentence: str) -> None:
    rows = drive(tmp_path / "run", f"Fails[how={how}]", "Straight").rows()
    failed = rows[rows["status"] == "failed"]
    assert set(failed["scenario"]) == {"straight-5", "straight-6"}
    assert set(failed["planner"]) == {f"{ODD}:Fails[how={how}]"}
    assert len(rows) == 14
    for row in failed.to_dict("records"):
        assert sentence in row["error"]
        assert "\n" not in row["error"]
        assert row["score"] == 0.0
        assert np.isnan(row["progress"]) and np.isnan(row["collision_any"])
        assert row["rollout"] is None and row["rollout_sha256"] is None
    others = rows[rows["planner"] == f"{ODD}:Straight"].reset_index(drop=True)
    alone = drive(tmp_path / "alone", "Straight").rows()
    pd.testing.assert_series_equal(others["score"], alone["score"])


@pytest.mark.parametrize("how", ["init", "reset"])
def test_a_planner_that_cannot_begin_fails_every_unit_of_its_own(tmp_path: Path, how: str) -> None:
    rows = drive(tmp_path / "run", f"Fails[how={how}]", "Straight", count=2).rows()
    assert list(rows["status"]) == ["failed", "failed", "ok", "ok"]


def test_tracebacks_name_no_folder_and_no_address(tmp_path: Path) -> None:
    rows = drive(tmp_path / "run", "Fails[how=raise]").rows()
    (text,) = set(rows.loc[rows["status"] == "failed", "traceback"])
    assert "odd_planners.py:" in text and "in plan" in text
    assert "/" not in text and "0x7" not in text


def test_a_planner_that_kills_its_process_fails_only_its_unit(tmp_path: Path) -> None:
    frames = []
    for workers, batch_size in ((1, 16), (2, 2)):
        pool = ProcessPool(workers)
        run = drive(tmp_path / f"run-{workers}", "Fails[how=os._exit]", "Straight", engine=pool, batch_size=batch_size)
        frames.append(comparable(run))
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    failed = frames[0][frames[0]["status"] == "failed"]
    assert list(failed["scenario"]) == ["straight-5", "straight-6"]
    assert failed["error"].str.contains("the worker process ended with exit code 1").all()
    assert len(frames[0]) == 14


def test_a_planner_that_is_killed_by_a_signal_fails_its_unit(tmp_path: Path) -> None:
    rows = drive(tmp_path / "run", "Fails[how=segfault,above=4]", count=1, engine=ProcessPool(1)).rows()
    assert list(rows["status"]) == ["failed"] and list(rows["score"]) == [0.0]
    assert "was ended by SIGSEGV" in rows.loc[0, "error"]


# --- resuming


def test_the_same_call_again_runs_nothing(tmp_path: Path) -> None:
    drive(tmp_path / "run", "Straight", "Fails[how=raise]")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    counts, ran = [], []
    drive(tmp_path / "run", "Straight", "Fails[how=raise]", begin=lambda *n: counts.append(n), report=ran.append)
    assert counts == [(14, 14)] and ran == []
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_an_added_planner_runs_alone_and_ends_as_if_it_had_been_there(tmp_path: Path) -> None:
    drive(tmp_path / "run", "Straight")
    ran: list[dict[str, object]] = []
    run = drive(tmp_path / "run", "Wobbling", "Straight", report=ran.append)
    assert {row["planner"] for row in ran} == {f"{ODD}:Wobbling"}
    together = drive(tmp_path / "together", "Straight", "Wobbling")
    pd.testing.assert_frame_equal(comparable(run), comparable(together), check_exact=True)


def test_an_interrupted_run_keeps_what_is_done(tmp_path: Path) -> None:
    def interrupt(row: dict[str, object]) -> None:
        if row["scenario"] == "straight-3":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(tmp_path / "run", "Straight", batch_size=1, report=interrupt)
    counts: list[tuple[int, int]] = []
    run = drive(tmp_path / "run", "Straight", begin=lambda *n: counts.append(n))
    assert counts == [(7, 4)]
    pd.testing.assert_frame_equal(comparable(run), comparable(drive(tmp_path / "whole", "Straight")), check_exact=True)


@pytest.mark.parametrize("kills", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_killed_at_random_moments_and_resumed_equals_never_killed(tmp_path: Path, kills: int) -> None:
    planners = ("Slow", "Wobbling", "Fails[how=raise]")
    command = [sys.executable, "-m", "tests.evaluation.runs", str(tmp_path / "run"), *planners]
    rng = np.random.default_rng(20261)
    progress = []
    for _ in range(kills):
        process = subprocess.Popen(command)
        # From the first rollout on, any moment: before that nothing is written that could be lost.
        deadline = time.monotonic() + 60
        known = set((tmp_path / "run").glob("rollouts/*.safetensors"))
        while set((tmp_path / "run").glob("rollouts/*.safetensors")) == known and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.8))
        process.send_signal(signal.SIGKILL)
        process.wait()
        progress.append(len(list((tmp_path / "run").glob("rollouts/*.safetensors"))))
    assert progress[0] < 19  # the first kill came in time
    subprocess.run(command, check=True)
    whole = drive(tmp_path / "whole", *planners)
    run = drive(tmp_path / "run", *planners, report=lambda row: pytest.fail(f"{row} was still missing"))
    pd.testing.assert_frame_equal(comparable(run), comparable(whole), check_exact=True)
    stored = {path.name: path.read_bytes() for path in whole.rollouts.iterdir()}
    assert {path.name: path.read_bytes() for path in run.rollouts.iterdir()} == stored


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.evaluation.runs", str(tmp_path / "run"), "Slow"]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "run").glob("rollouts/*")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    children = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    assert children
    process.kill()
    process.wait()
    while any(alive(pid) for pid in children):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


# --- the rest


def test_every_row_says_how_it_was_made(tmp_path: Path) -> None:
    rows = drive(tmp_path / "run", "log_replay", "Straight", count=2, traffic="constant_velocity").rows()
    assert list(rows["tracker"]) == ["perfect", "perfect", "lqr", "lqr"]
    assert set(rows["traffic"]) == {"constant_velocity"}
    assert set(rows["vehicle"]) == {"pacifica"}
    assert rows["definition"].nunique() == 4
    assert rows["fingerprint"].nunique() == 1
    assert list(rows["group"]) == ["log-0"] * 4 and list(rows["family"]) == ["cars-0", "cars-1"] * 2


def test_time_is_measured_per_unit(tmp_path: Path) -> None:
    rows = drive(tmp_path / "run", "Straight", count=3).rows()
    for name in ("time.plan_ms", "time.simulate_ms", "time.score_ms"):
        assert (rows[name] > 0).all(), name


def test_a_planner_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlannerError, match="named twice"):
        drive(tmp_path / "run", "Straight", "Straight")


def test_a_replan_interval_off_the_world_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"replan interval is 0\.25 s"):
        drive(tmp_path / "run", "Straight", replan_interval=0.25)
    assert not (tmp_path / "run").exists()


def test_a_changed_setting_is_refused_and_named(tmp_path: Path) -> None:
    drive(tmp_path / "run", "Straight", count=2)
    with pytest.raises(RunError, match="traffic was idm, now it is log"):
        drive(tmp_path / "run", "Straight", count=2, traffic="log")
