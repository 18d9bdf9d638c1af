"""EPDMS over the frames of one scene: each frame's scores, and their means as metrics."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.scene import Scenario
from drive.scoring.navsim.inputs import PdmTraffic
from drive.scoring.navsim.reactive import reactive_traffic
from drive.scoring.navsim.scene import Token, cache_token, logged_state, logged_traffic, without_initial_overlaps
from evaluation.metrics.base import NAVSIM_VERSIONS, Metric
from evaluation.metrics.epdms import (
    EXTENDED_COMFORT,
    PARTS,
    PLAN,
    Frame,
    FrameScore,
    combine,
    pdms_v1,
    score_plan,
    simulate_plan,
)
from evaluation.metrics.epdms_fixed import Plan, score_plan_fixed
from evaluation.metrics.navsim_causes import explained

Float = NDArray[np.float64]
V1_SAMPLES = 51
"""Samples of traffic in NAVSIM v1."""

Plans = Mapping[int, tuple[Float, float]]
"""Step after the start -> plan ``[N, 3]`` in the ego frame and its spacing [s]."""


@dataclass(frozen=True)
class ScoredFrame:
    """One frame: ``step`` after the scene's start, ``parts`` after the human filter by NAVSIM's names, and the scores.

    Extended comfort is absent from ``parts`` where there was no partner plan. PDMS has no reactive traffic.
    """

    step: int
    parts: Mapping[str, Metric]
    epdms: float
    epdms_fixed: float
    pdms: float | None

    def record(self) -> dict[str, Any]:
        """What a result row keeps of the frame."""
        parts = {name: self.parts[name].value if name in self.parts else None for name in PARTS}
        return {"step": self.step, **parts, "epdms": self.epdms, "epdms_fixed": self.epdms_fixed, "pdms": self.pdms}


def score_frames(
    scenario: Scenario, plans: Plans, steps: Sequence[int], partner: int, reactive: bool
) -> list[ScoredFrame]:
    """Score the plans made at ``steps``; the one made ``partner`` steps earlier, if any, gives extended comfort.

    ``reactive`` lets vehicles react to the plan as NAVSIM's IDM traffic does; else the log is replayed.
    """
    found = []
    for k in steps:
        step = scenario.start + k
        token = cache_token(scenario, step)
        plan, dt = plans[k]
        simulated, earlier = None, None
        if k - partner in plans:
            before, spacing = plans[k - partner]
            state = logged_state(scenario, step - partner)
            simulated = simulate_plan(state, token.t0_us - 100_000 * partner, before, spacing)
            earlier = Plan(before, spacing, step - partner)
        score = score_plan(make_frame(scenario, token, reactive), plan, dt, simulated)
        fixed = score_plan_fixed(scenario, token, Plan(plan, dt, step), earlier)
        parts = explained(score.scores, PLAN, scenario, token.agents, token.lights, dict(score.filtered))
        if score.extended is not None:
            parts[EXTENDED_COMFORT] = _extended(score)
        pdms = None if reactive else pdms_v1(score, _longer_traffic(scenario, token, step))["score"]
        found.append(ScoredFrame(k, parts, score.epdms, fixed, pdms))
    return found


def make_frame(scenario: Scenario, token: Token, reactive: bool) -> Frame:
    """A token as the scorer wants it, with replayed or reacting traffic."""
    logged = token.traffic
    return Frame(
        ego=token.ego,
        t0_us=token.t0_us,
        pdm_map=token.pdm_map,
        traffic=without_initial_overlaps(logged, token.ego),
        past=token.past,
        reference=token.reference,
        human=token.human,
        react=(lambda states: reactive_traffic(scenario.map, logged, states)) if reactive else None,
    )


def summarize(frames: Sequence[ScoredFrame]) -> dict[str, Metric]:
    """Means over the frames as metrics; the cause of each is that of its worst frame."""
    found = {}
    for part in PARTS:
        there = [(frame.parts[part], frame.step) for frame in frames if part in frame.parts]
        found[f"epdms.{part}"] = _mean(there, "no frame has a plan made half a second earlier")
    scores = [(Metric(frame.epdms), frame.step) for frame in frames]
    worst = min(frames, key=lambda frame: frame.epdms)
    detail = f"worst of {len(frames)} frames: {worst.epdms:.3f} at {worst.step * 0.1:.1f} s"
    epdms = Metric(_mean(scores, "").value, step=worst.step, detail=detail)
    found |= {
        "epdms": epdms,
        "score": epdms,
        "epdms_fixed": Metric(float(np.mean([frame.epdms_fixed for frame in frames]))),
        "pdms": _pdms(frames),
    }
    return {name: found[name] for name in NAVSIM_VERSIONS}


def _pdms(frames: Sequence[ScoredFrame]) -> Metric:
    known = [frame.pdms for frame in frames if frame.pdms is not None]
    return Metric(float(np.mean(known))) if known else Metric.missing("NAVSIM v1 has no reactive traffic")


def _longer_traffic(scenario: Scenario, token: Token, step: int) -> PdmTraffic | None:
    """Five seconds of log replay, as NAVSIM v1 had it; None where the recording ends before."""
    if step + V1_SAMPLES > scenario.steps:
        return None
    logged, _, _ = logged_traffic(scenario, step, token.route.route_lanes, V1_SAMPLES)
    return without_initial_overlaps(logged, token.ego)


def recompute_navsim(row: Mapping[str, Any]) -> float | None:
    """The score of a row from the parts of its frames, or None if it has not got them."""
    if row.get("status", "ok") != "ok":
        return 0.0
    frames = read_frames(row)
    return float(np.mean([combine(frame, frame[EXTENDED_COMFORT]) for frame in frames])) if frames else None


def read_frames(row: Mapping[Any, Any]) -> list[dict[str, Any]]:
    """What a result row keeps of its frames; empty for rows of other protocols and of failed units."""
    text = row.get("frames")
    return json.loads(text) if isinstance(text, str) else []


def _mean(metrics: Iterable[tuple[Metric, int]], absent: str) -> Metric:
    there = list(metrics)
    if not there:
        return Metric.missing(absent)
    worst, step = min(there, key=lambda item: item[0].value)
    mean = float(np.mean([metric.value for metric, _ in there]))
    if mean == 1.0:
        return Metric(mean)
    detail = f"in the frame at {step * 0.1:.1f} s: {worst.detail}" if worst.detail else ""
    return Metric(mean, step=step + (worst.step or 0), agent=worst.agent, detail=detail)


def _extended(score: FrameScore) -> Metric:
    assert score.extended is not None
    rms = ", ".join(f"{name} {value:.2f}" for name, value in score.extended.rms.items())
    return Metric(score.extended.value, detail=f"differs from the plan before by (root mean square) {rms}")
