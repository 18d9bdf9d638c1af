"""``two_stage@1``: EPDMS in two stages, from the records that a result row keeps of its scored plans.

A group is a first-stage start with its second-stage starts. Its score is NAVSIM's: the mean of two products, the plan
at the start times the weighted mean of the plans at the second-stage starts, and the same for their partners half a
second earlier. Weights are Gaussians of the distance from where the first plan ends to where a second-stage scene
begins (variance 0.1 m2), uniform where all are too far away. Beside it:

* ``two_stage.kernel``: the same with a standard deviation of 0.5 m, distances counted beyond the nearest start, so that
  a plan which ends far from all starts is judged at the nearest ones and not at all of them alike.
* ``two_stage.exact``: the plan at the start times a plan made exactly where the first one, driven, has led.
* ``two_stage.closed_loop``: ``epdms_cl@1`` over 8 s from the start, planning again every half second: what the others
  are an estimate of.
* ``two_stage.coverage``: share of first plans that end within 0.5 m of a second-stage start.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.metrics.base import TWO_STAGE_VERSIONS, Metric
from evaluation.metrics.epdms import EXTENDED_COMFORT, PARTS, combine
from evaluation.metrics.navsim_tables import scene_weights

Float = NDArray[np.float64]
Record = Mapping[str, Any]

KERNEL = 0.5  # m
REACH = 0.5  # m from a start: a plan that ends there is covered
PAIR = ("before", "now")
FIRST, SECOND, EXACT, CLOSED_LOOP = "first", "second", "exact", "closed_loop"


class Half(NamedTuple):
    """One product of a group: the record of its first plan, those of the second stage, and their weights ``[N]``."""

    first: Record
    second: Sequence[Record]
    weights: Float

    def score(self) -> float:
        """The product of both stages."""
        return float(self.first["epdms"]) * self.after("epdms")

    def after(self, name: str) -> float:
        """Weighted mean of a column of the second stage, over the starts that have it; 1 if none has."""
        known = [(w, float(r[name])) for w, r in zip(self.weights, self.second, strict=True) if r[name] is not None]
        total = sum(weight for weight, _ in known)
        return sum(weight * value for weight, value in known) / total if total > 0.0 else 1.0

    def part(self, name: str) -> float | None:
        """The product of both stages' sub-metric ``name``; None where the first stage has none."""
        return None if self.first[name] is None else float(self.first[name]) * self.after(name)

    def distance(self) -> float:
        """From where the first plan ends to the nearest start [m]."""
        return float(_distances(self.first["endpoint"], [record["start"] for record in self.second]).min())


def summarize(records: Sequence[Record]) -> dict[str, Metric]:
    """All metrics of ``two_stage@1``, computed from the records alone."""
    groups = sorted({int(record["group"]) for record in records})
    pieces = [halves(records, group) for group in groups]
    flat = [half for pair in pieces for half in pair]
    kernel = [half for group in groups for half in halves(records, group, coverage_weights)]
    scores = [float(np.mean([half.score() for half in pair])) for pair in pieces]
    worst = int(np.argmin(scores))
    total = Metric(float(np.mean(scores)), step=int(pieces[worst][1].first["step"]), detail=_worst(pieces[worst]))
    found = {"score": total, "epdms": total}
    for part in PARTS:
        there = [(value, half) for half in flat if (value := half.part(part)) is not None]
        found[f"epdms.{part}"] = _part(part, there)
    exact = [float(r["epdms"]) for r in records if r["stage"] == EXACT and r["pair"] == PAIR[1]]
    begun = [float(pair[1].first["epdms"]) for pair in pieces]
    found |= {
        "two_stage.first": Metric(float(np.mean([half.first["epdms"] for half in flat]))),
        "two_stage.second": Metric(float(np.mean([half.after("epdms") for half in flat]))),
        "two_stage.kernel": Metric(float(np.mean([half.score() for half in kernel]))),
        "two_stage.exact": Metric(float(np.mean(np.multiply(begun, exact)))),
        "two_stage.closed_loop": Metric(float(np.mean([r["epdms"] for r in records if r["stage"] == CLOSED_LOOP]))),
        "two_stage.coverage": Metric(float(np.mean([half.distance() <= REACH for half in flat]))),
    }
    return {name: found[name] for name in TWO_STAGE_VERSIONS}


def halves(records: Iterable[Record], group: int, weigh: Any = scene_weights) -> tuple[Half, Half]:
    """Both products of a group, the partners' first; ``weigh`` makes weights of an endpoint and starts."""
    mine = [record for record in records if record["group"] == group]
    found = []
    for which in PAIR:
        first = next(r for r in mine if r["stage"] == FIRST and r["pair"] == which)
        second = [r for r in mine if r["stage"] == SECOND and r["pair"] == which]
        found.append(Half(first, second, weigh(first["endpoint"], [r["start"] for r in second])))
    return found[0], found[1]


def coverage_weights(endpoint: ArrayLike, starts: ArrayLike) -> Float:
    """Weights ``[N]`` of starts ``[N, 2]`` for a plan that ends at ``endpoint [2]`` [m]: Gaussians with a standard
    deviation of 0.5 m that never vanish together, as the square of the shortest distance is taken off all."""
    square = _distances(endpoint, starts) ** 2
    weights = np.exp(-(square - square.min()) / (2.0 * KERNEL**2))
    return weights / weights.sum()


def record_of(stage: str, group: int, index: int, pair: str, step: int, parts: Mapping[str, float | None]) -> Record:
    """What a row keeps of a scored plan; ``parts`` are NAVSIM's, after the human filter where there is one."""
    known = {name: value for name, value in parts.items() if value is not None}
    return {
        "stage": stage,
        "group": group,
        "index": index,
        "pair": pair,
        "step": step,
        **{name: parts[name] for name in PARTS},
        "epdms": combine(known, parts[EXTENDED_COMFORT]),
    }


def read_records(row: Mapping[Any, Any]) -> list[dict[str, Any]]:
    """The records of a result row; empty for failed units."""
    text = row.get("frames")
    return json.loads(text) if isinstance(text, str) else []


def recompute_two_stage(row: Mapping[str, Any]) -> float | None:
    """The score of a row from its records, or None if it has not got them."""
    if row.get("status", "ok") != "ok":
        return 0.0
    records = read_records(row)
    return summarize(records)["score"].value if records else None


def _distances(endpoint: ArrayLike, starts: ArrayLike) -> Float:
    gaps = np.asarray(starts, np.float64).reshape(-1, 2) - np.asarray(endpoint, np.float64)
    return np.asarray(np.linalg.norm(gaps, axis=1))


def _worst(pair: tuple[Half, Half]) -> str:
    now = pair[1]
    return (
        f"worst group: first stage {now.first['epdms']:.3f} at {now.first['step'] * 0.1:.1f} s, second stage "
        f"{now.after('epdms'):.3f} over {len(now.second)} starts, the nearest {now.distance():.2f} m from its end"
    )


def _part(name: str, there: Sequence[tuple[float, Half]]) -> Metric:
    if not there:
        return Metric.missing("no plan has a partner made half a second earlier")
    mean = float(np.mean([value for value, _ in there]))
    if mean == 1.0:
        return Metric(mean)
    _, half = min(there, key=lambda item: item[0])
    lost = [(half.first[name], 1.0, half.first)]
    lost += [(record[name], float(w), record) for w, record in zip(half.weights, half.second, strict=True)]
    value, _, record = max(
        (item for item in lost if item[0] is not None), key=lambda item: item[1] * (1.0 - float(item[0]))
    )
    where = "first stage" if record["stage"] == FIRST else f"second stage, start {record['index']}"
    why = record.get("causes", {}).get(name)
    detail = f"{where}: {value:.2f}" + (f", {why}" if why else "")
    return Metric(mean, step=int(record["step"]), detail=detail)
