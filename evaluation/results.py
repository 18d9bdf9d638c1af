"""Run folders: one row per unit of work in Parquet shards, one rollout file per unit, and the manifest.

Everything is written under a temporary name, flushed to the disk and renamed, and a rollout before the row that speaks
of it. A process killed at any moment leaves whole files behind, and the rows that are there say which units are done.
A shard is named by the hash of its content.
"""

import fcntl
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from drive.errors import RunError
from drive.rollout import Rollout
from drive.scene import Scenario
from drive.simulator import as_simulated
from evaluation.manifest import Manifest, Unit, merge, read_manifest
from evaluation.schema import recompute, result_columns

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

Row = dict[str, Any]

ROWS_IN_ONE_STATEMENT = 100
TEMPORARY = ".tmp-"
LOCK = ".lock"


class RunFolder:
    """A folder with ``manifest.json``, ``results/*.parquet`` and ``rollouts/*.safetensors``.

    Raises:
        RunError: There is no such folder, or its manifest is missing or damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.results = self.path / "results"
        self.rollouts = self.path / "rollouts"
        if not self.path.is_dir():
            raise RunError(f"there is no run folder {self.path}")
        try:
            content = (self.path / "manifest.json").read_bytes()
        except FileNotFoundError:
            raise RunError(f"{self.path} is not a run folder: it has no manifest.json") from None
        self.manifest = read_manifest(content, str(self.path / "manifest.json"))
        self.columns = result_columns(self.manifest)

    @staticmethod
    @contextmanager
    def writing(path: Path | str, manifest: Manifest) -> Iterator["RunFolder"]:
        """Create a run folder, or open the one that is there if it was made with the same settings, and keep it locked.

        Planners that ``manifest`` adds to an existing run are added to its manifest. What a killed process left
        half-written is cleared away.

        Raises:
            RunError: The folder holds something else, or a run with other settings (the sentence names the field), or
                another process is writing to it.
        """
        path = Path(path)
        manifest_file = path / "manifest.json"
        if path.is_dir() and not manifest_file.exists():
            foreign = sorted(item.name for item in path.iterdir() if not _own(item))
            if foreign:
                raise RunError(f"{path} is not a run folder and not empty (it holds {foreign[0]}): use another --out")
        with _told(f"{path} cannot be used as a run folder"):
            path.mkdir(parents=True, exist_ok=True)
            lock = (path / LOCK).open("w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(f"another process is writing to {path}: wait for it or use another --out") from None
            with _told(f"{path} cannot be used as a run folder"):
                before = RunFolder(path).manifest if manifest_file.exists() else None
                merged = merge(before, manifest, str(path)) if before else manifest
                if merged != before:
                    write_atomically(manifest_file, merged.to_json())
                run = RunFolder(path)
                for folder in (run.path, run.results, run.rollouts):
                    folder.mkdir(exist_ok=True)
                    for leftover in folder.glob(f"{TEMPORARY}*"):
                        leftover.unlink(missing_ok=True)
            yield run

    # --- rows

    @cached_property
    def _database(self) -> "duckdb.DuckDBPyConnection":
        import duckdb

        return duckdb.connect(config={"threads": 1})

    def shards(self) -> list[Path]:
        """The files that hold the rows."""
        return sorted(self.results.glob("*.parquet"))

    def write_rows(self, rows: Sequence[Row]) -> None:
        """Add rows as one shard, which appears whole or not at all."""
        if not rows:
            return
        for row in rows:
            if not same(row["score"], recompute(row)):
                raise AssertionError(f"{unit_of(row)}: score {row['score']} does not follow from its own columns")
        with _told(f"rows cannot be written to {self.results}"):
            self._write_shard(sorted(rows, key=lambda row: unit_of(row)))

    def _write_shard(self, rows: Sequence[Row]) -> None:
        temporary = self.results / f"{TEMPORARY}{os.getpid()}"
        database = self._database
        types = ", ".join(f'"{name}" {kind}' for name, kind in self.columns.items())
        database.execute(f"CREATE OR REPLACE TABLE rows ({types})")
        for first in range(0, len(rows), ROWS_IN_ONE_STATEMENT):
            part = rows[first : first + ROWS_IN_ONE_STATEMENT]
            marks = ", ".join([f"({', '.join('?' * len(self.columns))})"] * len(part))
            values = [_plain(row.get(name)) for row in part for name in self.columns]
            database.execute(f"INSERT INTO rows VALUES {marks}", values)
        database.execute(f"COPY rows TO '{_quoted(temporary)}' (FORMAT parquet)")
        with temporary.open("rb") as file:
            name = hashlib.file_digest(file, "sha256").hexdigest()[:16]
            os.fsync(file.fileno())
        os.replace(temporary, self.results / f"{name}.parquet")

    def records(self, shard: Path) -> list[Row]:
        """Rows of one shard as plain dictionaries.

        Raises:
            RunError: The file is damaged or has other columns than this version writes.
        """
        import duckdb

        try:
            source = f"SELECT * FROM read_parquet('{_quoted(shard)}')"
            types = {name: kind for name, kind, *_ in self._database.execute(f"DESCRIBE {source}").fetchall()}
            values = self._database.execute(source).fetchall()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise RunError(
                f"{shard} is damaged ({reason}): delete this file and repeat the command, its units will run again"
            ) from None
        expected = self.columns
        if types != expected:
            other = sorted(name for name in {*types, *expected} if types.get(name) != expected.get(name))[0]
            raise RunError(
                f"{shard} was written by another version of this toolkit, or changed: column {other!r} is "
                f"{types.get(other, 'absent')}, expected {expected.get(other, 'absent')}"
            )
        names = list(types)
        return [{name: row[names.index(name)] for name in expected} for row in values]

    def done(self) -> set[Unit]:
        """Units that have a row.

        Raises:
            RunError: A shard is damaged, or a unit has two rows.
        """
        return {unit for unit, _ in self._each_unit()}

    def rows(self, check: bool = True) -> "pd.DataFrame":
        """All rows, sorted by planner, scenario and seed; columns and dtypes do not depend on the values.

        Text is ``object`` (None where absent), floats are ``float64`` (NaN where absent), integers ``Int64``.
        With ``check`` every score is recomputed from its row's own columns.

        Raises:
            RunError: A shard is damaged, a unit has two rows, or a score does not follow from its own columns.
        """
        import pandas as pd

        rows = [row for _, row in sorted(self._each_unit(), key=lambda pair: pair[0])]
        if check:
            for row in rows:
                if not same(row["score"], recompute(row)):
                    raise RunError(
                        f"{self.path}: {unit_of(row)}: the score {row['score']} does not follow from the other columns "
                        f"({recompute(row)}); `drive verify` lists what was changed"
                    )
        dtypes = {"VARCHAR": "object", "DOUBLE": "float64", "BIGINT": "Int64"}
        data = {name: pd.Series([row[name] for row in rows], dtype=dtypes[kind]) for name, kind in self.columns.items()}
        return pd.DataFrame(data)

    def _each_unit(self) -> Iterator[tuple[Unit, Row]]:
        origin: dict[Unit, str] = {}
        for shard in self.shards():
            for row in self.records(shard):
                unit = unit_of(row)
                if unit in origin:
                    raise RunError(f"{self.path}: {unit} has a row in {origin[unit]} and another in {shard.name}")
                origin[unit] = shard.name
                yield unit, row

    # --- rollouts

    def rollout_name(self, unit: Unit) -> str:
        """File name of a unit's rollout: readable, and unique although planner names may hold any character."""
        readable = "".join(c if c.isalnum() or c in "-_." else "-" for c in f"{unit.planner}--{unit.scenario}")[:80]
        tag = hashlib.sha256(json.dumps(unit).encode()).hexdigest()[:10]
        return f"{readable}--{unit.seed}-{tag}.safetensors"

    def write_rollout(self, unit: Unit, rollout: Rollout, scenario: Scenario) -> tuple[str, str]:
        """Store a rollout; its file name and the sha256 of the file."""
        content = encode_rollout(rollout, scenario)
        name = self.rollout_name(unit)
        with _told(f"the rollout of {unit} cannot be written to {self.rollouts}"):
            write_atomically(self.rollouts / name, content)
        return name, hashlib.sha256(content).hexdigest()

    def read_rollout(self, row: Mapping[str, Any], scenario: Scenario) -> Rollout:
        """The rollout that a row speaks of.

        Raises:
            RunError: The unit failed and has none, or the file is missing, damaged, or not the one that was scored.
        """
        name = row["rollout"]
        if not isinstance(name, str):
            raise RunError(f"{unit_of(row)} failed and has no rollout")
        path = self.rollouts / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise RunError(f"the rollout {path} of {unit_of(row)} cannot be read: {error.strerror}") from None
        if hashlib.sha256(content).hexdigest() != row["rollout_sha256"]:
            raise RunError(f"the rollout {path} of {unit_of(row)} was changed after it was scored")
        return decode_rollout(content, scenario, str(path))


def unit_of(row: Mapping[str, Any]) -> Unit:
    """The unit a row belongs to."""
    seed = row["seed"]
    return Unit(str(row["planner"]), str(row["scenario"]), -1 if seed is None else int(seed))


def same(first: object, second: object) -> bool:
    """Equality of two cells; absent is None or NaN."""
    return _plain(first) == _plain(second)


def encode_rollout(rollout: Rollout, scenario: Scenario) -> bytes:
    """Bytes of a rollout file. Agents that moved as recorded are not stored: the scenario has them."""
    changed = np.zeros(len(rollout.valid), np.bool_)
    for array, recorded in zip(_agents(rollout), _recorded(scenario, len(rollout.ego)), strict=True):
        changed |= (array != recorded).any(axis=tuple(range(1, array.ndim)))
    moved = np.flatnonzero(changed).astype(np.int32)
    position, heading, velocity, valid = (array[moved] for array in _agents(rollout))
    arrays = {
        "ego": rollout.ego,
        "plan_step": rollout.plan_step,
        "plan": rollout.plan,
        "plan_ptr": rollout.plan_ptr,
        "plan_dt": rollout.plan_dt,
        "agent": moved,
        "agent_position": position,
        "agent_heading": heading,
        "agent_velocity": velocity,
        "agent_valid": valid,
    }
    # One metadata entry only: the order of several is not fixed, and the bytes are hashed.
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"format": "rollout/1"})


def decode_rollout(content: bytes, scenario: Scenario, name: str) -> Rollout:
    """Inverse of :func:`encode_rollout`; ``name`` is for the message.

    Raises:
        RunError: The content is damaged or belongs to another scenario.
    """
    try:
        arrays = load(content)
        samples = scenario.horizon + 1
        position, heading, velocity, valid = (np.array(array) for array in _recorded(scenario, samples))
        moved = arrays["agent"]
        position[moved], heading[moved] = arrays["agent_position"], arrays["agent_heading"]
        velocity[moved], valid[moved] = arrays["agent_velocity"], arrays["agent_valid"]
        rollout = Rollout(
            ego=arrays["ego"],
            position=position,
            heading=heading,
            velocity=velocity,
            valid=valid,
            plan_step=arrays["plan_step"],
            plan=arrays["plan"],
            plan_ptr=arrays["plan_ptr"],
            plan_dt=arrays["plan_dt"],
        )
        _check(rollout, (samples, scenario.reference.shape[1]))
    except (SafetensorError, KeyError, ValueError, IndexError) as error:
        raise RunError(f"the rollout {name} is damaged or belongs to another scenario: {error}") from None
    return rollout


def _check(rollout: Rollout, ego: tuple[int, int]) -> None:
    """Raise ``ValueError`` unless the arrays fit together: compiled code reads them without bounds checks."""
    plans = len(rollout.plan_step)
    expected = {"ego": ego, "plan": (len(rollout.plan), 3), "plan_ptr": (plans + 1,), "plan_dt": (plans,)}
    for name, shape in expected.items():
        if getattr(rollout, name).shape != shape:
            raise ValueError(f"{name} has shape {getattr(rollout, name).shape}, expected {shape}")
    for item in fields(Rollout):
        if not np.isfinite(getattr(rollout, item.name)).all():
            raise ValueError(f"{item.name} is not finite")
    offsets = rollout.plan_ptr
    if offsets[0] != 0 or offsets[-1] != len(rollout.plan) or (np.diff(offsets) < 1).any():
        raise ValueError("plan_ptr does not cut plan into pieces")
    if not (rollout.plan_dt > 0).all():
        raise ValueError("plan_dt is not positive")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, also after a power cut."""
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}"[:250])
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _own(item: Path) -> bool:
    """True for what a process leaves that was killed before it wrote the manifest."""
    return item.name == LOCK or item.name.startswith(TEMPORARY)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn errors of the file system (missing rights, full disk) into one sentence."""
    import duckdb

    try:
        yield
    except (OSError, duckdb.IOException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise RunError(f"{what}: {reason}") from None


def _agents(rollout: Rollout) -> tuple[np.ndarray[Any, Any], ...]:
    return rollout.position, rollout.heading, rollout.velocity, rollout.valid


def _recorded(scenario: Scenario, samples: int) -> tuple[np.ndarray[Any, Any], ...]:
    tracks, steps = scenario.tracks, slice(scenario.start, scenario.start + samples)
    return (
        as_simulated(tracks.position[:, steps]),
        as_simulated(tracks.heading[:, steps]),
        as_simulated(tracks.velocity[:, steps]),
        tracks.valid[:, steps],
    )


def _plain(value: object) -> object:
    """A cell as plain Python; NaN becomes None."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return int(value) if isinstance(value, bool) else value


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
