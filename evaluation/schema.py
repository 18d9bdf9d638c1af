"""Columns of ``results/*.parquet``: names and types, the same in every shard whatever its values."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evaluation.metrics.base import metric_columns
from evaluation.metrics.drive_score import recompute_score
from evaluation.metrics.navsim_frames import recompute_navsim
from evaluation.metrics.nuplan_score import recompute_nuplan
from evaluation.metrics.two_stage import recompute_two_stage

if TYPE_CHECKING:
    from evaluation.manifest import Manifest

_CAUSE_TYPES = {"step": "BIGINT", "agent": "VARCHAR", "detail": "VARCHAR"}

METRIC_COLUMNS: Mapping[str, str] = {
    **{name: _CAUSE_TYPES.get(name.rpartition(".")[2], "DOUBLE") for name in metric_columns()},
    "frames": "VARCHAR",  # protocols navsim and two-stage: JSON, one object per scored frame
}
"""Columns that are computed from scenario and rollout: each metric (null without a value) and its cause."""

TIME_COLUMNS = tuple(f"time.{part}_ms" for part in ("load", "plan", "simulate", "score"))
"""Process CPU time [ms]. Scenes simulated together share the time in equal parts. Differs from run to run."""

COLUMNS: Mapping[str, str] = {
    "planner": "VARCHAR",  # text that named it, options included
    "scenario": "VARCHAR",
    "family": "VARCHAR",
    "group": "VARCHAR",  # log or twin, the unit of resampling
    "seed": "BIGINT",  # run seed
    "status": "VARCHAR",  # ok | failed
    "error": "VARCHAR",  # one sentence on why it failed
    "traceback": "VARCHAR",  # where the planner raised, normalized
    **METRIC_COLUMNS,
    "protocol": "VARCHAR",
    "vehicle": "VARCHAR",
    "traffic": "VARCHAR",
    "tracker": "VARCHAR",
    "rollout": "VARCHAR",  # file in rollouts/
    "rollout_sha256": "VARCHAR",
    "definition": "VARCHAR",  # hash of what the score means: scene, traffic, tracker, replan interval, metric versions
    "fingerprint": "VARCHAR",  # hash of the environment, see evaluation.fingerprint
    **dict.fromkeys(TIME_COLUMNS, "DOUBLE"),
}
"""Column -> DuckDB type, in the order of the file."""


def result_columns(manifest: "Manifest") -> dict[str, str]:
    """Columns of a run's result files and their DuckDB types: those of every run, then those of its rules."""
    from evaluation.rules import rule_columns

    return {**COLUMNS, **(rule_columns(manifest.rules) if manifest.rules else {})}


def recompute(row: Mapping[str, Any]) -> float | None:
    """The score that follows from a row's own columns; 0 for a failed unit."""
    how = {"navsim": recompute_navsim, "nuplan": recompute_nuplan, "two-stage": recompute_two_stage}
    return how.get(str(row.get("protocol")), recompute_score)(row)
