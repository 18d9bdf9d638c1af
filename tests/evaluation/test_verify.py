"""Verification: an untouched run has no difference, and nothing can be changed by hand without being reported."""

import hashlib
import json
import shutil
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from evaluation.engines import ProcessPool
from evaluation.results import RunFolder
from evaluation.schema import COLUMNS, TIME_COLUMNS
from evaluation.verify import Finding, verify
from scenarios.store import Store
from tests.evaluation.runs import drive

GOOD, BAD = "Straight", "Fails[how=raise]"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = drive(tmp_path_factory.mktemp("finished") / "run", GOOD, BAD)
    rows = [row for shard in run.shards() for row in run.records(shard)]
    for shard in run.shards():
        shard.unlink()
    run.write_rows(rows)  # as one shard, so that tests know where to look
    return run.path


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def findings(run: Path, finished: Path) -> list[Finding]:
    return list(verify(RunFolder(run), store=Store(finished.parent / "store")).findings)


def rewrite(run: Path, statement: str) -> None:
    """Change the rows as a knowing forger would: the new shard is named by its new content."""
    (shard,) = RunFolder(run).shards()
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE rows AS FROM '{shard}'")
        database.execute(statement)
        database.execute(f"COPY rows TO '{run / 'new'}' (FORMAT parquet)")
    shard.unlink()
    name = hashlib.sha256((run / "new").read_bytes()).hexdigest()[:16]
    (run / "new").rename(shard.with_name(f"{name}.parquet"))


def test_an_untouched_run_has_no_difference(finished: Path) -> None:
    report = verify(RunFolder(finished), store=Store(finished.parent / "store"))
    assert report.findings == () and report.notes == ()
    assert report.units == 14 and report.simulated == 12


def test_workers_find_the_same(finished: Path, copy: Path) -> None:
    rewrite(copy, "UPDATE rows SET progress = 0.7")
    store = Store(finished.parent / "store")
    alone, many = (verify(RunFolder(copy), store=store, engine=engine) for engine in (ProcessPool(1), ProcessPool(2)))
    assert alone == many and len(alone.findings) >= 12


CHECKED = [name for name in COLUMNS if name not in (*TIME_COLUMNS, "error", "traceback")]


@pytest.mark.parametrize("column", CHECKED)
def test_every_column_is_checked(finished: Path, copy: Path, column: str) -> None:
    value = "'forged'" if COLUMNS[column] == "VARCHAR" else "77"
    rewrite(copy, f"UPDATE rows SET \"{column}\" = {value} WHERE scenario = 'straight-3' AND planner LIKE '%{GOOD}'")
    found = findings(copy, finished)
    assert any("straight-3" in finding.where or column == "scenario" for finding in found)
    if column not in ("planner", "scenario", "seed"):
        assert any(finding.column == column for finding in found), found


@pytest.mark.parametrize("column", ["error", "traceback", *TIME_COLUMNS])
def test_columns_that_only_the_file_hash_covers_are_noticed_too(finished: Path, copy: Path, column: str) -> None:
    value = "'forged'" if COLUMNS[column] == "VARCHAR" else "77"
    (shard,) = RunFolder(copy).shards()
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE rows AS FROM '{shard}'")
        database.execute(f"UPDATE rows SET \"{column}\" = {value} WHERE status = 'failed'")
        database.execute(f"COPY rows TO '{shard}' (FORMAT parquet)")
    (found,) = findings(copy, finished)
    assert found.where == f"results/{shard.name}" and "changed after it was written" in found.what


@pytest.mark.parametrize("change", ["score = 0.5", "progress = 1.0", "rollout = 'x'", "error = NULL"])
def test_a_changed_failed_row_is_reported(finished: Path, copy: Path, change: str) -> None:
    rewrite(copy, f"UPDATE rows SET {change} WHERE status = 'failed' AND scenario = 'straight-6'")
    found = findings(copy, finished)
    assert [(finding.where, finding.column) for finding in found] == [
        ("tests.evaluation.odd_planners:Fails[how=raise] on straight-6 (seed 0)", change.split()[0])
    ]


def test_a_failed_row_made_good_is_reported(finished: Path, copy: Path) -> None:
    rewrite(copy, "UPDATE rows SET status = 'ok', error = NULL, traceback = NULL WHERE status = 'failed'")
    assert {finding.column for finding in findings(copy, finished)} >= {"rollout"}


def test_a_missing_row_an_extra_row_and_a_doubled_row_are_reported(finished: Path, copy: Path) -> None:
    rewrite(copy, "DELETE FROM rows WHERE scenario = 'straight-2'")
    missing = findings(copy, finished)
    assert len(missing) == 2 and all("straight-2" in item.where and "there is none" in item.what for item in missing)
    rewrite(copy, "INSERT INTO rows SELECT * REPLACE ('ghost' AS scenario) FROM rows WHERE scenario = 'straight-1'")
    assert sum("knows no such unit" in item.what for item in findings(copy, finished)) == 2
    rewrite(copy, "INSERT INTO rows SELECT * FROM rows WHERE scenario = 'straight-1'")
    assert sum("more than one" in item.what for item in findings(copy, finished)) == 2


def test_missing_and_damaged_shards_are_reported(finished: Path, copy: Path) -> None:
    (shard,) = RunFolder(copy).shards()
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    found = findings(copy, finished)
    assert any(item.where == f"results/{shard.name}" and "is damaged" in item.what for item in found)
    shard.unlink()
    assert len(findings(copy, finished)) == 14


# --- rollouts


def rollout(run: Path, scenario: str = "straight-4") -> Path:
    (path,) = run.glob(f"rollouts/*Straight--{scenario}--*")
    return path


def test_a_missing_rollout_is_reported(finished: Path, copy: Path) -> None:
    rollout(copy).unlink()
    (found,) = findings(copy, finished)
    assert "straight-4" in found.where and found.column == "rollout" and "cannot be read" in found.what


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_of_a_rollout_is_reported(finished: Path, copy: Path, data: st.DataObject) -> None:
    path = rollout(copy)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    original = path.read_bytes()
    path.write_bytes(content)
    try:
        found = findings(copy, finished)
    finally:
        path.write_bytes(original)
    assert found and all("straight-4" in finding.where for finding in found)


@pytest.mark.parametrize(
    ("name", "place", "column"),
    [
        ("ego", -1, "rollout.ego"),
        ("plan", 0, "rollout.ego"),
        ("plan_dt", 0, "rollout.ego"),
        ("plan_step", -1, "rollout.plan_step"),
        ("agent_position", -1, "rollout.position"),
        ("agent_heading", -1, "rollout.heading"),
        ("agent_velocity", -1, "rollout.velocity"),
    ],
)
def test_a_forged_rollout_with_a_matching_hash_fails_the_new_simulation(
    finished: Path, copy: Path, name: str, place: int, column: str
) -> None:
    path = rollout(copy)
    arrays = {key: array.copy() for key, array in load(path.read_bytes()).items()}
    arrays[name].flat[place] += 1
    path.write_bytes(save(arrays, {"format": "rollout/1"}))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    rewrite(copy, f"UPDATE rows SET rollout_sha256 = '{sha256}' WHERE rollout = '{path.name}'")
    found = findings(copy, finished)
    assert all("straight-4" in finding.where for finding in found)
    assert column in {finding.column for finding in found}


@pytest.mark.parametrize("name", ["plan_ptr", "agent", "agent_valid"])
def test_arrays_that_do_not_fit_together_are_reported_not_simulated(finished: Path, copy: Path, name: str) -> None:
    path = rollout(copy)
    arrays = load(path.read_bytes())
    arrays[name] = arrays[name][:-1] if name != "plan_ptr" else arrays[name] * 1000
    path.write_bytes(save(arrays, {"format": "rollout/1"}))
    found = findings(copy, finished)
    assert any(finding.column == "rollout" and "damaged" in finding.what for finding in found)


# --- manifest


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("settings", "seed"), 0.0),
        (("suite", "name"), "other"),
        (("suite", "data"), "/elsewhere"),
        (("planners", 0, "digest"), "forged"),
        (("planners", 0, "privileged"), True),
        (("fingerprint", "numpy"), "9.9"),
        (("metric_versions", "score"), "drive_score@9"),
        (("settings", "replan_interval"), 1.0),
    ],
    ids=lambda value: str(value),
)
def test_a_changed_manifest_is_reported(finished: Path, copy: Path, keys: tuple[str | int, ...], value: object) -> None:
    path = copy / "manifest.json"
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    changed = place[keys[-1]] != value
    place[keys[-1]] = value
    path.write_text(json.dumps(content))
    found = findings(copy, finished)
    assert changed == any(finding.where == "manifest.json" for finding in found)
