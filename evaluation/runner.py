"""Runs planners through a suite and fills a run folder; the same call again resumes it.

A unit of work is (planner, scenario, seed). Workers get batches of units of one planner: their scenes are simulated
together, their planners are asked one scene at a time. Nothing in a row but ``time.*`` depends on the number of
workers, on the batch size or on the order in which units finish.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np

from drive.errors import PlannerError, RunError
from drive.simulator import Simulator, Traffic
from evaluation.engines import Died, Engine, ProcessPool
from evaluation.fingerprint import fingerprint, fingerprint_id
from evaluation.manifest import Manifest, PlannerRecord, Settings, SuiteRecord, Unit
from evaluation.metrics.base import failed_row
from evaluation.metrics.drive_score import score_rollout
from evaluation.protocols import Name, protocol
from evaluation.protocols.base import Drive
from evaluation.results import Row, RunFolder
from evaluation.rules import judge_rollout, keep_rules, record, rules_of_run
from evaluation.suite import SceneRef, Suite, load_scene
from evaluation.town import town
from planners.host import InProcessHost
from planners.registry import PlannerSpec
from scenarios.store import Store
from stl.rules import RuleSet

FLUSH_INTERVAL = 1.0  # s between shards: what a killed run loses at most, besides the units being driven
BATCH_SIZE = 8


@dataclass(frozen=True)
class Task:
    """One unit of work as it is sent to a worker."""

    unit: Unit
    planner: PlannerSpec
    scene: SceneRef
    definition: str


Report = Callable[[Row], None]


def evaluate(
    suite: Suite,
    planners: Sequence[PlannerSpec],
    out: Path,
    *,
    protocol_name: Name = "closed-loop",
    traffic: Traffic | None = None,
    replan_interval: float | None = None,
    rules: Sequence[RuleSet] = (),
    seed: int = 0,
    seeds: int = 1,
    engine: Engine | None = None,
    batch_size: int = BATCH_SIZE,
    store: Store | None = None,
    begin: Callable[[int, int], None] = lambda total, done: None,
    report: Report = lambda row: None,
) -> RunFolder:
    """Drive every planner through every scene of the suite, with run seeds ``seed .. seed + seeds - 1``.

    Args:
        suite, planners: What to run.
        out: Run folder; units that have a row there are not run again.
        protocol_name: How planners are asked and judged (:mod:`evaluation.protocols`).
        traffic: What moves the other agents; the suite's or the protocol's default if None.
        replan_interval: Seconds between plans, a multiple of 0.1; the protocol's own if None.
        rules: Rule sets to judge the drives by; columns beside the score.
        seed, seeds: First run seed, and how many.
        engine: Where the work is done; two worker processes by default.
        batch_size: Scenes simulated together at most.
        store: Where scenes are kept; the user's cache by default.
        begin: Called once with the number of units and how many of them are done already.
        report: Called with each new row.

    Raises:
        RunError: ``out`` cannot be used, or holds a run with other settings, or the protocol has no such setting.
        PlannerError: A planner is named twice.
    """
    names = [planner.name for planner in planners]
    for name in names:
        if names.count(name) > 1:
            raise PlannerError(f"planner {name!r} is named twice; name variants by their options")
    how = protocol(protocol_name)
    engine = engine or ProcessPool(2)
    store = store or Store()
    settings = Settings(
        protocol=protocol_name,
        traffic=traffic or how.default_traffic(suite.default_traffic),
        replan_interval=how.replan_interval if replan_interval is None else replan_interval,
        seed=seed,
        seeds=seeds,
    )
    how.check(settings)
    if rules and not how.drives:
        raise RunError(f"--rules judges drives, and --protocol {protocol_name} drives nothing: use another protocol")
    manifest = new_manifest(suite, planners, settings, rules)
    with RunFolder.writing(out, manifest) as run:
        keep_rules(run.path, rules)
        specs = {planner.name: planner for planner in planners}
        records = {record.name: record for record in run.manifest.planners}
        done = run.done()
        asked = [(unit, scene) for unit, scene in run.manifest.units() if unit.planner in specs]
        tasks = [
            Task(unit, specs[unit.planner], scene, run.manifest.definition(records[unit.planner], scene))
            for unit, scene in asked
            if unit not in done
        ]
        begin(len(asked), len(asked) - len(tasks))
        work = DriveUnits(run.path, store, settings, fingerprint_id(manifest.fingerprint))
        writer = _Writer(run)
        try:
            with closing(engine.map(work, batches(tasks, batch_size, engine.workers))) as results:
                for task, result in results:
                    row = work.died(task, result) if isinstance(result, Died) else result
                    writer.add(row)
                    report(row)
        finally:  # also after Ctrl-C: what is done stays done
            writer.flush()
    return run


def new_manifest(
    suite: Suite, planners: Sequence[PlannerSpec], settings: Settings, rules: Sequence[RuleSet] = ()
) -> Manifest:
    """The manifest of a run that has not begun."""
    return Manifest(
        settings=settings,
        suite=SuiteRecord(
            name=suite.name,
            source=suite.source,
            data=None if suite.data is None else str(suite.data.resolve()),
            digest=suite.digest,
            scenes=suite.scenes,
            maps=None if suite.maps is None else str(suite.maps.resolve()),
            scene_filter=suite.scene_filter,
        ),
        planners=tuple(
            PlannerRecord(name=item.name, digest=item.digest, privileged=item.privileged, tracker=item.tracker)
            for item in planners
        ),
        metric_versions=dict(protocol(settings.protocol).versions),
        rules=tuple(record(item) for item in rules),
        fingerprint=fingerprint(),
    )


def batches(tasks: Sequence[Task], size: int, workers: int) -> Iterator[list[Task]]:
    """Cut tasks into batches of one planner each, small enough that every worker gets one."""
    size = max(1, min(size, math.ceil(len(tasks) / workers)))
    for _, group in groupby(tasks, key=lambda task: task.unit.planner):
        same = list(group)
        for first in range(0, len(same), size):
            yield same[first : first + size]


def derive_seed(unit: Unit) -> int:
    """Seed in [0, 2**63) of all that is random in a unit: a hash, so that order and workers do not matter."""
    return int.from_bytes(hashlib.sha256(json.dumps(unit).encode()).digest()[:8], "little") >> 1


class DriveUnits:
    """The work of a worker: drive a batch of units, store their rollouts, return their rows.

    Planners are built when first needed, one per scene driven at the same time, and kept for later batches of the same
    planner. One that failed is thrown away: nobody knows what state it is in.
    """

    def __init__(self, run: Path, store: Store, settings: Settings, fingerprint: str) -> None:
        self._path = run
        self._store = store
        self._settings = settings
        self._fingerprint = fingerprint
        self._protocol = protocol(settings.protocol, store)
        self._hosts: list[InProcessHost] = []
        self._planner: PlannerSpec | None = None

    def prepare(self, number: int) -> None:
        """Start in another order than the worker next door.

        On a first run every worker has to compile the kernels. Odd workers begin with simulation and scoring, even ones
        with what their first scenes need: each finds the other's part on the disk, and the run starts sooner.
        """
        if number % 2:
            scenario = town(0)
            simulator = Simulator([scenario], "idm")
            simulator.step([np.zeros((20, 3))], [0.1])
            score_rollout(scenario, simulator.rollouts()[0])

    def __call__(self, batch: Sequence[Task]) -> list[Row]:
        """Rows of the units of one planner, in their order."""
        drives = [self._start(task) for task in batch]
        self._protocol.drive(drives, self._settings)
        rows = [self._finish(task, drive) for task, drive in zip(batch, drives, strict=True)]
        self._hosts = [drive.host for drive in drives if drive.error is None]
        return rows

    def died(self, task: Task, death: Died) -> Row:
        """The row of a unit whose planner took its process with it."""
        drive = self._start(task)
        drive.error = PlannerError(f"{task.unit.planner}: {death} while this scene was driven, twice")
        return self._row(task, drive)

    @cached_property
    def _run(self) -> RunFolder:
        return RunFolder(self._path)

    @cached_property
    def _rules(self) -> list[RuleSet]:
        return [rules_of_run(self._path, item.name) for item in self._run.manifest.rules]

    def _start(self, task: Task) -> Drive:
        if self._planner != task.planner:
            self._hosts, self._planner = [], task.planner
        began = time.process_time()
        scenario = load_scene(task.scene, self._store)
        host = self._hosts.pop() if self._hosts else InProcessHost(task.planner)
        drive = Drive(scenario, host, task.planner.privileged, task.planner.tracker, derive_seed(task.unit))
        drive.spent["load"] += time.process_time() - began
        return drive

    def _finish(self, task: Task, drive: Drive) -> Row:
        if drive.error is None and not np.isfinite(drive.rollout.ego).all():
            drive.error = PlannerError(f"{task.unit.planner}: its plans drove the vehicle out of all bounds")
        return self._row(task, drive)

    def _row(self, task: Task, drive: Drive) -> Row:
        scenario, settings = drive.scenario, self._settings
        row: Row = {
            **task.unit._asdict(),
            "family": scenario.family,
            "group": scenario.group,
            "status": "ok" if drive.error is None else "failed",
            "protocol": settings.protocol,
            "vehicle": self._protocol.vehicle(scenario).name,
            "traffic": settings.traffic,
            "tracker": self._protocol.tracker(task.planner.tracker),
            "definition": task.definition,
            "fingerprint": self._fingerprint,
        }
        if drive.error is None:
            began = time.process_time()
            row |= self._protocol.columns(scenario, drive.rollout, settings)
            row |= judge_rollout(self._rules, scenario, drive.rollout)
            drive.spent["score"] += time.process_time() - began
            row["rollout"], row["rollout_sha256"] = self._run.write_rollout(task.unit, drive.rollout, scenario)
        else:
            row |= failed_row() | {"error": str(drive.error), "traceback": drive.error.traceback or None}
        return row | {f"time.{name}_ms": 1e3 * seconds for name, seconds in drive.spent.items()}


class _Writer:
    """Collects rows and writes a shard about every second."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._rows: list[Row] = []
        self._flushed = time.monotonic()

    def add(self, row: Row) -> None:
        self._rows.append(row)
        if time.monotonic() - self._flushed >= FLUSH_INTERVAL:
            self.flush()

    def flush(self) -> None:
        rows, self._rows = self._rows, []
        self._run.write_rows(rows)
        self._flushed = time.monotonic()
