"""Checks a run from the bottom: files against hashes, rollouts against a new simulation of the stored plans, rows
against a new scoring of the stored rollouts. Needs the scenes, not the planners."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from drive.errors import DataError, RunError
from drive.rollout import Rollout
from evaluation.engines import Died, Engine, InProcess
from evaluation.fingerprint import differences, fingerprint, fingerprint_id
from evaluation.manifest import Manifest, Settings, Unit
from evaluation.protocols import protocol
from evaluation.results import Row, RunFolder, decode_rollout, same, unit_of
from evaluation.rules import changed_rules, judge_rollout, rules_of_run
from evaluation.schema import METRIC_COLUMNS
from evaluation.suite import SceneRef, load_scene
from scenarios.store import Store
from stl.rules import RuleSet

BATCH_SIZE = 8


@dataclass(frozen=True)
class Finding:
    """One difference: where (a unit or a file), in which column or field, and what is wrong."""

    where: str
    column: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.column}: {self.what}"


@dataclass(frozen=True)
class Report:
    """What :func:`verify` found: ``findings`` are differences, ``notes`` explain circumstances."""

    units: int
    simulated: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """One unit to check, as it is sent to a worker: its row, and what the manifest says it should be."""

    row: Row
    scene: SceneRef
    tracker: str
    expected: Mapping[str, Any]


def verify(
    run: RunFolder,
    *,
    store: Store | None = None,
    engine: Engine | None = None,
    begin: Callable[[int], None] = lambda units: None,
    report: Callable[[], None] = lambda: None,
) -> Report:
    """Check every unit of a run; damaged files and changed rows become findings, not errors.

    Raises:
        DataError: A recorded scene is not in the store (see :func:`evaluation.suite.ensure_scenes`).
        RunError: A rule set of the run was changed.
    """
    store, engine = store or Store(), engine or InProcess()
    manifest = run.manifest
    findings = list(_manifest(manifest))
    if changed := changed_rules(run.path, manifest.rules):
        raise RunError(f"{run.path}: the rule set {changed[0]!r} in it is not the one that was judged")
    rows, damaged = _rows(run)
    findings += damaged
    planned = dict(manifest.units())
    findings += _coverage(rows, planned)
    planners = {planner.name: planner for planner in manifest.planners}
    how = protocol(manifest.settings.protocol)
    checks = []
    for row in rows:
        unit = unit_of(row)
        if unit in planned:
            scene, planner = planned[unit], planners[unit.planner]
            expected = {
                "definition": manifest.definition(planner, scene),
                "fingerprint": fingerprint_id(manifest.fingerprint),
                "protocol": manifest.settings.protocol,
                "traffic": manifest.settings.traffic,
                "tracker": how.tracker(planner.tracker),
            }
            checks.append(Check(row, scene, planner.tracker, expected))
    checks.sort(key=lambda check: check.scene.id)  # neighbors share a scene, which is loaded once
    begin(len(checks))
    work = CheckUnits(run.path, store, manifest.settings)
    groups = [checks[first : first + BATCH_SIZE] for first in range(0, len(checks), BATCH_SIZE)]
    with closing(engine.map(work, groups)) as results:
        for check, found in results:
            if isinstance(found, Died):
                found = [Finding(str(unit_of(check.row)), "rollout", f"{found} while it was simulated again")]
            findings += found
            report()
    simulated = sum(check.row["status"] == "ok" for check in checks)
    notes = [f"this environment differs: {phrase}" for phrase in differences(manifest.fingerprint, fingerprint())]
    return Report(len(planned), simulated, tuple(sorted(findings, key=str)), tuple(notes))


class CheckUnits:
    """The work of a worker: findings of each unit in a batch."""

    def __init__(self, run: Path, store: Store, settings: Settings) -> None:
        self._path = run
        self._store = store
        self._settings = settings
        self._protocol = protocol(settings.protocol, store)
        self._scene: tuple[str, Any] = ("", None)

    def __call__(self, batch: Sequence[Check]) -> list[list[Finding]]:
        """See :class:`CheckUnits`."""
        return [list(self._check(check)) for check in batch]

    @cached_property
    def _run(self) -> RunFolder:
        return RunFolder(self._path)

    @cached_property
    def _rules(self) -> list[RuleSet]:
        return [rules_of_run(self._path, item.name) for item in self._run.manifest.rules]

    def _check(self, check: Check) -> Iterator[Finding]:
        row, where = check.row, str(unit_of(check.row))
        if self._scene[0] != check.scene.key:
            self._scene = (check.scene.key, load_scene(check.scene, self._store))
        scenario = self._scene[1]
        expected: Row = {
            **check.expected,
            "family": scenario.family,
            "group": scenario.group,
            "vehicle": self._protocol.vehicle(scenario).name,
        }
        if row["status"] == "failed":
            expected |= dict.fromkeys((*METRIC_COLUMNS, "rollout", "rollout_sha256")) | {"score": 0.0}
            yield from _compare(where, row, expected)
            if not row["error"]:
                yield Finding(where, "error", "a failed unit has none")
            return
        run = self._run
        expected |= {"status": "ok", "error": None, "traceback": None, "rollout": run.rollout_name(unit_of(row))}
        path = run.rollouts / str(expected["rollout"])
        try:
            content = path.read_bytes()
            stored = decode_rollout(content, scenario, path.name)
        except OSError as error:
            yield Finding(where, "rollout", f"{path.name} cannot be read: {error.strerror}")
        except RunError as error:
            yield Finding(where, "rollout", str(error))
        else:
            expected["rollout_sha256"] = hashlib.sha256(content).hexdigest()
            yield from self._simulate(where, check, stored, scenario)
            expected |= dict.fromkeys(METRIC_COLUMNS) | self._protocol.columns(scenario, stored, self._settings)
            expected |= judge_rollout(self._rules, scenario, stored)
        yield from _compare(where, row, expected)

    def _simulate(self, where: str, check: Check, stored: Rollout, scenario: Any) -> Iterator[Finding]:
        """Simulate the stored plans again: every array must come out the same, to the last bit."""
        try:
            again = self._protocol.again(scenario, stored, check.tracker, self._settings)
        except (ValueError, IndexError, RunError, DataError) as error:
            yield Finding(where, "rollout", f"its plans cannot be simulated: {error}")
            return
        for item in fields(Rollout):
            before, now = getattr(stored, item.name), getattr(again, item.name)
            if before.dtype != now.dtype or before.shape != now.shape:
                yield Finding(
                    where,
                    f"rollout.{item.name}",
                    f"stored as {before.dtype}{list(before.shape)}, simulated again {now.dtype}{list(now.shape)}",
                )
            elif before.tobytes() != now.tobytes():
                first = np.argwhere(before != now)[:1]
                place = [int(index) for index in first[0]] if len(first) else []
                yield Finding(where, f"rollout.{item.name}", f"differs from the new simulation, first at {place}")


def _compare(where: str, row: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[Finding]:
    for column, value in expected.items():
        if not same(row.get(column), value):
            yield Finding(where, column, f"stored {row.get(column)!r}, expected {value!r}")


def _manifest(manifest: Manifest) -> Iterator[Finding]:
    if manifest.digest != manifest.computed_digest():
        yield Finding("manifest.json", "digest", "the manifest was changed after it was written")
    versions = protocol(manifest.settings.protocol).versions
    for name in sorted({*manifest.metric_versions, *versions}):
        before, now = manifest.metric_versions.get(name), versions.get(name)
        if before != now:
            yield Finding(
                "manifest.json", f"metric_versions.{name}", f"scored as {before}, this version computes {now}"
            )


def _rows(run: RunFolder) -> tuple[list[Row], list[Finding]]:
    rows, findings = [], []
    for shard in run.shards():
        if hashlib.sha256(shard.read_bytes()).hexdigest()[:16] != shard.stem:
            findings.append(Finding(f"results/{shard.name}", "content", "the file was changed after it was written"))
        try:
            rows += run.records(shard)
        except RunError as error:
            findings.append(Finding(f"results/{shard.name}", "content", str(error)))
    return rows, findings


def _coverage(rows: Sequence[Row], planned: Mapping[Unit, SceneRef]) -> Iterator[Finding]:
    seen: set[Unit] = set()
    for row in rows:
        unit = unit_of(row)
        if unit in seen:
            yield Finding(str(unit), "row", "there is more than one")
        if unit not in planned:
            yield Finding(str(unit), "row", "the manifest knows no such unit")
        seen.add(unit)
    for unit in planned.keys() - seen:
        yield Finding(str(unit), "row", "there is none: the run is not finished, or a shard is missing")
