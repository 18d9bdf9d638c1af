"""Run folders: what is written comes back, whole or not at all, and what does not fit together is named."""

import hashlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive.errors import RunError
from drive.rollout import Rollout
from drive.scene import AgentKind
from evaluation.fingerprint import fingerprint, fingerprint_id
from evaluation.manifest import Manifest, PlannerRecord, Settings, SuiteRecord, Unit
from evaluation.metrics.base import CLOSED_LOOP_VERSIONS, failed_row
from evaluation.results import RunFolder, decode_rollout, encode_rollout, unit_of
from evaluation.schema import COLUMNS, recompute
from evaluation.suite import SceneRef
from tests.scenes import moving, straight_scene

SCENES = tuple(SceneRef(f"scene-{number}", "straight", "log", f"{number:064x}") for number in range(3))


def planner(name: str, digest: str = "1") -> PlannerRecord:
    return PlannerRecord(name=name, digest=digest, privileged=False, tracker="lqr")


def manifest(names: tuple[str, ...] = ("a", "b"), **changes: object) -> Manifest:
    values = {
        "settings": Settings(traffic="log"),
        "suite": SuiteRecord(name="test", source="nuscenes", data=None, digest="0", scenes=SCENES),
        "planners": tuple(planner(name) for name in names),
        "metric_versions": dict(CLOSED_LOOP_VERSIONS),
        "fingerprint": fingerprint(),
    }
    return Manifest(**(values | changes))


def row(planner: str = "a", scenario: str = "scene-0", seed: int = 0, **changes: object) -> dict[str, object]:
    values = failed_row() | {
        "planner": planner,
        "scenario": scenario,
        "family": "straight",
        "group": "log",
        "seed": seed,
        "status": "ok",
        "nc": 1.0,
        "off_road": 0.0,
        "direction": 1.0,
        "progress": 0.1 + 0.2,
        "ttc_ok": 1.0,
        "comfort": 1.0,
        "time.plan_ms": 1.5,
    }
    values |= changes
    return values | {"score": recompute(values)}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    with RunFolder.writing(tmp_path / "run", manifest()) as opened:
        return opened


# --- rows


def test_rows_come_back_as_they_were_written(run: RunFolder) -> None:
    run.write_rows([row("b"), row("a", **{"error": "quotes \" and ' and\nlines", "collision_any.step": 7})])
    rows = run.rows()
    assert list(rows["planner"]) == ["a", "b"]
    assert rows.loc[0, "progress"] == 0.1 + 0.2
    assert rows.loc[0, "error"] == "quotes \" and ' and\nlines"
    assert rows.loc[0, "collision_any.step"] == 7
    assert rows.loc[1, "error"] is None and rows.loc[1, "collision_any.step"] is pd.NA


def test_types_do_not_depend_on_the_values(run: RunFolder) -> None:
    run.write_rows([row("a", status="failed", progress=None, **{"time.plan_ms": None})])
    nulls = run.rows()
    run.write_rows([row("b", **{"nc.step": 1, "nc.agent": "x", "nc.detail": "y", "error": "e", "red_light": 1.0})])
    assert list(nulls.columns) == list(COLUMNS)
    assert run.rows().dtypes.equals(nulls.dtypes)
    for shard in run.shards():
        types = duckdb.sql(f"DESCRIBE SELECT * FROM '{shard}'").fetchall()
        assert {name: kind for name, kind, *_ in types} == COLUMNS


def test_nan_is_stored_as_absent(run: RunFolder) -> None:
    run.write_rows([row(ttc_min=float("nan"))])
    assert duckdb.sql(f"SELECT ttc_min FROM '{run.shards()[0]}'").fetchall() == [(None,)]


def test_units_that_have_a_row_are_done(run: RunFolder) -> None:
    assert run.done() == set()
    run.write_rows([row("a"), row("b", "scene-2")])
    run.write_rows([row("a", seed=1)])
    assert run.done() == {Unit("a", "scene-0", 0), Unit("b", "scene-2", 0), Unit("a", "scene-0", 1)}


def test_a_score_that_does_not_follow_from_its_columns_is_neither_written_nor_read(run: RunFolder) -> None:
    with pytest.raises(AssertionError, match="does not follow"):
        run.write_rows([row() | {"score": 0.5}])
    run.write_rows([row()])
    edit(run.shards()[0], "score = 0.99")
    with pytest.raises(RunError, match=r"a on scene-0 \(seed 0\): the score 0.99 does not follow"):
        run.rows()
    assert run.rows(check=False).loc[0, "score"] == 0.99


def test_a_damaged_shard_is_named_in_one_sentence(run: RunFolder) -> None:
    run.write_rows([row()])
    shard = run.shards()[0]
    shard.write_bytes(shard.read_bytes()[:-20])
    for read in (run.rows, run.done):
        with pytest.raises(RunError, match=shard.name) as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_unit_with_two_rows_is_an_error_that_names_both_files(run: RunFolder) -> None:
    run.write_rows([row("a")])
    run.write_rows([row("a", progress=0.5), row("b")])
    with pytest.raises(RunError, match=r"a on scene-0 \(seed 0\) has a row in \w+.parquet and another in \w+.parquet"):
        run.rows()


def test_a_shard_of_other_columns_is_refused(run: RunFolder) -> None:
    duckdb.sql(f"COPY (SELECT 1 AS planner) TO '{run.results / 'foreign.parquet'}' (FORMAT parquet)")
    with pytest.raises(RunError, match="another version"):
        run.rows()


def test_a_shard_is_named_by_its_content(run: RunFolder) -> None:
    run.write_rows([row()])
    (shard,) = run.shards()
    assert hashlib.sha256(shard.read_bytes()).hexdigest().startswith(shard.stem)


def edit(shard: Path, assignment: str, where: str = "true") -> None:
    column, value = (part.strip() for part in assignment.split("=", 1))
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE rows AS FROM '{shard}'")
        database.execute(f'UPDATE rows SET "{column}" = {value} WHERE {where}')
        database.execute(f"COPY rows TO '{shard}' (FORMAT parquet)")


# --- the folder


def test_a_killed_writer_leaves_whole_files_only(tmp_path: Path) -> None:
    """A process is killed between writing a file and renaming it."""
    script = f"""
        import os, signal
        from pathlib import Path
        import evaluation.results as results
        os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
        results.write_atomically(Path({str(tmp_path)!r}) / "file", b"content")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert done.returncode == -9
    assert not (tmp_path / "file").exists()
    leftover = os.listdir(tmp_path)
    assert len(leftover) == 1 and not leftover[0].endswith(".parquet") and leftover[0].startswith(".tmp-")


def test_leftovers_of_a_killed_process_are_cleared_away_and_never_read(run: RunFolder) -> None:
    for folder in (run.path, run.results, run.rollouts):
        (folder / ".tmp-123").write_bytes(b"half")
    assert run.done() == set()
    with RunFolder.writing(run.path, manifest()):
        pass
    assert list(run.path.rglob(".tmp-*")) == []


def test_two_processes_cannot_write_to_one_run(run: RunFolder) -> None:
    with (
        RunFolder.writing(run.path, manifest()),
        pytest.raises(RunError, match="another process is writing"),
        RunFolder.writing(run.path, manifest()),
    ):
        pass


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    (tmp_path / ".tmp-notes").write_text("precious")
    with (
        pytest.raises(RunError, match=r"not a run folder and not empty .*thesis.tex"),
        RunFolder.writing(tmp_path, manifest()),
    ):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tmp-notes", "thesis.tex"]


@pytest.mark.parametrize("there", [[], [".lock"], [".lock", ".tmp-1-manifest.json"]], ids=str)
def test_a_run_killed_before_its_manifest_was_written_can_begin_again(tmp_path: Path, there: list[str]) -> None:
    for name in there:
        (tmp_path / name).write_bytes(b"")
    with RunFolder.writing(tmp_path, manifest()) as run:
        run.write_rows([row()])
    assert run.done() == {Unit("a", "scene-0", 0)}


def test_a_run_killed_after_its_manifest_was_written_can_begin_again(run: RunFolder) -> None:
    run.results.rmdir()
    run.rollouts.rmdir()
    with RunFolder.writing(run.path, manifest()) as again:
        again.write_rows([row()])
    assert again.done() == {Unit("a", "scene-0", 0)}


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, run: RunFolder) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match=r"file/run cannot be used as a run folder: Not a directory"),
        RunFolder.writing(tmp_path / "file" / "run", manifest()),
    ):
        pass
    run.results.rmdir()
    with pytest.raises(RunError, match="rows cannot be written to"):
        run.write_rows([row()])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema": "run/2"}'])
def test_a_damaged_manifest_is_one_sentence(run: RunFolder, content: bytes) -> None:
    (run.path / "manifest.json").write_bytes(content)
    with pytest.raises(RunError, match=r"manifest.json is damaged or of another version") as caught:
        RunFolder(run.path)
    assert "\n" not in str(caught.value)


def test_a_missing_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run folder"):
        RunFolder(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"no manifest\.json"):
        RunFolder(tmp_path)


# --- resuming


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"settings": Settings(traffic="idm")}, "traffic was log, now it is idm"),
        ({"settings": Settings(traffic="log", replan_interval=0.2)}, "replan_interval was 0.5, now it is 0.2"),
        ({"settings": Settings(traffic="log", seed=3)}, "seed was 0, now it is 3"),
        ({"settings": Settings(traffic="log", seeds=2)}, "seeds was 1, now it is 2"),
        ({"metric_versions": CLOSED_LOOP_VERSIONS | {"score": "drive_score@9"}}, "metric score was drive_score@1"),
        ({"fingerprint": fingerprint() | {"numpy": "9.9"}}, r"environment \(numpy\) was .*, now it is 9.9"),
        (
            {"suite": SuiteRecord(name="test", source="nuscenes", data=None, digest="0", scenes=SCENES[:2])},
            r"number of scenes was 3, now it is 2 \(without scene-2\)",
        ),
        (
            {
                "planners": (PlannerRecord(name="b", digest="changed", privileged=False, tracker="lqr"),),
            },
            "planner b was 1, now it is changed",
        ),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(run: RunFolder, changes: dict[str, object], field: str) -> None:
    before = (run.path / "manifest.json").read_bytes()
    with pytest.raises(RunError, match=field), RunFolder.writing(run.path, manifest(**changes)):
        pass
    assert (run.path / "manifest.json").read_bytes() == before


def test_planners_may_be_added_and_left_out(run: RunFolder) -> None:
    with RunFolder.writing(run.path, manifest(("c", "a"))) as more:
        assert [planner.name for planner in more.manifest.planners] == ["a", "b", "c"]
    assert RunFolder(run.path).manifest == more.manifest
    assert more.manifest.digest == more.manifest.computed_digest()


def test_moved_data_does_not_hinder_a_resume(run: RunFolder) -> None:
    moved = SuiteRecord(name="test", source="nuscenes", data="/elsewhere", digest="0", scenes=SCENES)
    with RunFolder.writing(run.path, manifest(suite=moved)):
        pass


def test_fingerprints_tell_environments_apart() -> None:
    here = fingerprint()
    assert fingerprint_id(here) == fingerprint_id(dict(reversed(here.items())))
    assert fingerprint_id(here) != fingerprint_id({**here, "numpy": "9.9"})


# --- rollouts


def rollout_of(scenario, moved: list[int], plans: int = 3) -> Rollout:
    rng = np.random.default_rng(7)
    samples = slice(scenario.start, None)
    tracks = scenario.tracks
    position = tracks.position[:, samples].astype(np.float32)
    position[moved, 1:] += 1.0
    return Rollout(
        ego=rng.normal(size=(scenario.horizon + 1, 11)).astype(np.float32),
        position=position,
        heading=tracks.heading[:, samples].astype(np.float32),
        velocity=tracks.velocity[:, samples].astype(np.float32),
        valid=tracks.valid[:, samples].copy(),
        plan_step=np.arange(plans, dtype=np.int32) * 5,
        plan=rng.normal(size=(8 * plans, 3)).astype(np.float32),
        plan_ptr=np.arange(plans + 1, dtype=np.int32) * 8,
        plan_dt=np.full(plans, 0.5, np.float32),
    )


CARS = straight_scene([(AgentKind.CAR, (4.6, 1.9), moving((20.0 + 10 * n, 3.5), 5.0)) for n in range(4)])


@settings(deadline=None, max_examples=20)
@given(moved=st.lists(st.integers(0, 3), unique=True), plans=st.integers(1, 5))
def test_rollouts_come_back_to_the_last_bit(moved: list[int], plans: int) -> None:
    rollout = rollout_of(CARS, moved, plans)
    content = encode_rollout(rollout, CARS)
    assert content == encode_rollout(rollout, CARS)
    again = decode_rollout(content, CARS, "x")
    for name, value in vars(rollout).items():
        assert getattr(again, name).dtype == value.dtype
        assert getattr(again, name).tobytes() == value.tobytes(), name


def test_replayed_agents_are_not_stored() -> None:
    replayed, reactive = (len(encode_rollout(rollout_of(CARS, moved), CARS)) for moved in ([], [0, 1, 2, 3]))
    assert reactive - replayed > 4 * CARS.horizon * 5 * 4


def test_a_rollout_that_was_not_the_one_scored_is_refused(run: RunFolder) -> None:
    unit = Unit("a[x=1,y='/']", "scene-0", 0)
    name, sha256 = run.write_rollout(unit, rollout_of(CARS, [1]), CARS)
    values = row(unit.planner) | {"rollout": name, "rollout_sha256": sha256}
    assert run.read_rollout(values, CARS).valid.shape == (4, CARS.horizon + 1)
    path = run.rollouts / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match="changed after it was scored"):
        run.read_rollout(values, CARS)
    path.unlink()
    with pytest.raises(RunError, match="cannot be read"):
        run.read_rollout(values, CARS)
    with pytest.raises(RunError, match="failed and has no rollout"):
        run.read_rollout(row(rollout=None), CARS)


def test_rollout_files_of_different_units_never_share_a_name(run: RunFolder) -> None:
    units = [Unit(planner, "s", seed) for planner in ("a/b", "a-b", "a b", "a" * 300, "a" * 301) for seed in (0, 1)]
    names = {run.rollout_name(unit) for unit in units}
    assert len(names) == len(units)
    assert all(len(name) < 200 and "/" not in name for name in names)


@given(cut=st.integers(0, 2000))
@settings(deadline=None, max_examples=20)
def test_a_truncated_rollout_is_one_sentence(cut: int) -> None:
    content = encode_rollout(rollout_of(CARS, [0]), CARS)
    with pytest.raises(RunError, match="damaged"):
        decode_rollout(content[:cut], CARS, "x.safetensors")


def test_the_unit_of_a_row_is_what_identifies_it() -> None:
    assert unit_of(row("p", "s", 3)) == Unit("p", "s", 3)
