"""``nuplan_cls@1``: nuPlan's closed-loop score of a scene, and its aggregation over scenes.

Scenes are driven by :class:`drive.scoring.nuplan.simulation.NuplanSimulation`; any rollout with a sample every 0.1 s
can be scored.

The definition is ``drive.scoring.nuplan``; this module adds causes to the numbers. The last sample of a rollout is not
scored: the reference records a state when it asks the planner, and it does not ask at the end.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from drive.rollout import Rollout
from drive.scene import Scenario
from drive.scoring.nuplan.comfort import LIMITS, MIN_SAMPLES
from drive.scoring.nuplan.inputs import NuplanDrive, NuplanMap, NuplanTracks
from drive.scoring.nuplan.scene import nuplan_map
from drive.scoring.nuplan.score import METRICS, NuplanScore, combine, score_drive
from evaluation.metrics.base import Metric

NAME = "nuplan_cls"
STEP_US = 100_000


class Totals(NamedTuple):
    """One row of the aggregated table: number of scenes, score, and the eight metrics (sums in a row per type)."""

    scenes: int
    score: float
    metrics: dict[str, float]


def nuplan_score(scenario: Scenario, rollout: Rollout, world: NuplanMap | None = None) -> dict[str, Metric]:
    """The score (``nuplan_cls``) and its eight metrics (``nuplan_cls.<name>``) of one rollout, with their causes.

    ``world`` is the scene's map prepared by :func:`drive.scoring.nuplan.scene.nuplan_map`; without it that is done
    here. A drive under four scored samples has no value: the reference cannot filter it.
    """
    names = [NAME, *(f"{NAME}.{metric}" for metric in METRICS)]
    if len(rollout.ego) - 1 < MIN_SAMPLES:
        return dict.fromkeys(names, Metric.missing(f"fewer than {MIN_SAMPLES} scored samples"))
    drive = drive_of(scenario, rollout, world or nuplan_map(scenario.map))
    score = score_drive(drive)
    causes = _causes(drive, score)
    metrics = {f"{NAME}.{name}": causes.get(name, Metric(score.metrics[name])) for name in METRICS}
    return {NAME: Metric(score.score), **metrics}


def recompute_nuplan(row: Mapping[str, Any]) -> float | None:
    """The score of a result row from its metric columns, or None if it has not got them."""
    if row.get("status", "ok") != "ok":
        return 0.0
    values = {name: row.get(f"{NAME}.{name}") for name in METRICS}
    known = {name: float(value) for name, value in values.items() if value is not None and value == value}
    return combine(known) if len(known) == len(METRICS) else None


def drive_of(scenario: Scenario, rollout: Rollout, world: NuplanMap) -> NuplanDrive:
    """What nuPlan's metrics read of a rollout: all samples but the last."""
    samples = len(rollout.ego) - 1
    return NuplanDrive(
        world,
        scenario.t0_us + STEP_US * np.arange(samples + 1, dtype=np.int64),
        rollout.ego[:samples].astype(np.float64),
        np.ascontiguousarray(scenario.reference[scenario.start : scenario.start + samples + 1, :3]),
        NuplanTracks(
            scenario.tracks.ids,
            scenario.tracks.kind,
            scenario.tracks.size,
            np.ascontiguousarray(rollout.position[:, :samples], np.float64),
            np.ascontiguousarray(rollout.heading[:, :samples], np.float64),
            np.ascontiguousarray(rollout.velocity[:, :samples], np.float64),
            np.ascontiguousarray(rollout.valid[:, :samples]),
        ),
    )


def aggregate(rows: Iterable[tuple[str, float, Mapping[str, float]]]) -> tuple[dict[str, Totals], Totals]:
    """Rows per scenario type and the final row, from (type, score, metrics) of every scene.

    As in the reference, metric columns of a type hold sums, and the final row is the mean over scenes, not over types.
    """
    found: dict[str, list[tuple[float, Mapping[str, float]]]] = {}
    for kind, score, metrics in rows:
        found.setdefault(kind, []).append((score, metrics))
    types = {
        kind: Totals(
            len(scenes),
            float(np.mean([score for score, _ in scenes])),
            {name: sum(metrics[name] for _, metrics in scenes) for name in METRICS},
        )
        for kind, scenes in found.items()
    }
    count = sum(row.scenes for row in types.values())
    if not count:
        return types, Totals(0, 0.0, dict.fromkeys(METRICS, 0.0))
    score = sum(row.score * row.scenes for row in types.values()) / count
    return types, Totals(
        count, score, {name: sum(row.metrics[name] for row in types.values()) / count for name in METRICS}
    )


def _causes(drive: NuplanDrive, score: NuplanScore) -> dict[str, Metric]:
    """Metrics that something decided, with what it was."""
    causes = {
        name: metric
        for name, metric in (
            ("no_ego_at_fault_collisions", _collision(drive, score)),
            ("drivable_area_compliance", _off_road(score)),
            ("time_to_collision_within_bound", _imminent(drive, score)),
            ("ego_is_comfortable", _discomfort(score)),
        )
        if metric is not None
    }

    def because(name: str, step: int | None, detail: str) -> None:
        causes[name] = Metric(score.metrics[name], step=step, detail=detail)

    if score.metrics["driving_direction_compliance"] < 1.0:
        step = int(np.argmin(score.direction))
        because("driving_direction_compliance", step, f"{-score.direction[step]:.1f} m backwards within 1 s")
    if score.overspeed.any():
        step = int(np.argmax(score.overspeed))
        because("speed_limit_compliance", step, f"up to {score.overspeed[step]:.1f} m/s too fast")
    if score.progress.steps is not None:
        share = f"{score.progress.ego:.1f} m where the expert made {score.progress.expert:.1f} m"
        because("ego_progress_along_expert_route", None, share)
        because("ego_is_making_progress", None, share)
    return causes


def _collision(drive: NuplanDrive, score: NuplanScore) -> Metric | None:
    guilty = [contact for contact in score.contacts if contact.at_fault]
    if not guilty:
        return None
    kind = guilty[0].kind.name.lower().replace("_", " ")
    return Metric(
        score.metrics["no_ego_at_fault_collisions"],
        step=guilty[0].step,
        agent=drive.tracks.token[guilty[0].track],
        detail=f"{kind}, {len(guilty)} at fault in all",
    )


def _off_road(score: NuplanScore) -> Metric | None:
    if not score.off_road.any():
        return None
    step = int(np.argmax(score.off_road.any(axis=1)))
    return Metric(score.metrics["drivable_area_compliance"], step=step, detail="a corner is 0.3 m or more outside")


def _imminent(drive: NuplanDrive, score: NuplanScore) -> Metric | None:
    step = int(np.argmin(score.time_to_collision))
    if score.partner[step] < 0:
        return None
    return Metric(
        score.metrics["time_to_collision_within_bound"],
        step=step,
        agent=drive.tracks.token[int(score.partner[step])],
        detail=f"{score.time_to_collision[step]:.1f} s",
    )


def _discomfort(score: NuplanScore) -> Metric | None:
    broken = [
        (int(np.argmax(outside)), name)
        for name, (low, high) in LIMITS.items()
        if (outside := (score.comfort[name] <= low) | (score.comfort[name] >= high)).any()
    ]
    if not broken:
        return None
    step, name = min(broken)
    return Metric(0.0, step=step, detail=f"{name} {score.comfort[name][step]:.2f}")
