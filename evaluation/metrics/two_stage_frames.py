"""Scores the plans of a two-stage evaluation: pairs of plans half a second apart, and closed-loop drives."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.rollout import Rollout
from drive.scene import Scenario
from drive.scoring.navsim.tracking import reference_poses
from drive.vehicle import Ego
from evaluation.metrics.epdms import EXTENDED_COMFORT, PARTS, PLAN, FrameScore, score_plan, simulate_plan
from evaluation.metrics.epdms_cl import score_closed_loop
from evaluation.metrics.navsim_causes import explained
from evaluation.metrics.two_stage import CLOSED_LOOP, PAIR, record_of
from evaluation.starts.groups import Asked, Pair, Plan

Float = NDArray[np.float64]


def score_pair(stage: str, group: int, index: int, pair: Pair, plans: tuple[Plan, Plan]) -> list[dict[str, Any]]:
    """Records of a plan's partner and of the plan. Extended comfort compares the two, and counts for both."""
    states = simulate_plan(pair[0].token.ego, pair[0].token.t0_us, plans[0].poses, plans[0].dt)
    partner = score_plan(pair[0].frame, plans[0].poses, plans[0].dt)
    now = score_plan(pair[1].frame, plans[1].poses, plans[1].dt, states)
    assert now.extended is not None
    records = []
    for which, asked, plan, score in zip(PAIR, pair, plans, (partner, now), strict=True):
        parts = {**score.columns, EXTENDED_COMFORT: now.extended.value}
        scene_step = asked.moment.step
        record = dict(record_of(stage, group, index, which, scene_step, parts))
        record["token"] = asked.name
        record["start"] = asked.place.tolist()
        record["endpoint"] = planned_end(asked, plan).tolist()
        if causes := _causes(asked, score):
            record["causes"] = causes
        records.append(record)
    return records


def planned_end(asked: Asked, plan: Plan) -> Float:
    """Where a plan ends after 4 s ``[2]``, as planned and not as driven: NAVSIM's weights ask for that."""
    token = asked.token
    return np.asarray(reference_poses(plan.poses, plan.dt, token.ego, token.t0_us)[-1, :2])


def driven_states(asked: Asked, plan: Plan) -> Float:
    """States ``[41, 11]`` of a plan, driven by NAVSIM's tracker from the ego's true state on."""
    states = simulate_plan(asked.token.ego, asked.token.t0_us, plan.poses, plan.dt)
    states[0] = asked.moment.scenario.reference[asked.moment.step, : len(Ego)]
    return states


def score_drive(group: int, step: int, scenario: Scenario, rollout: Rollout) -> dict[str, Any]:
    """Record of 8 s in closed loop from ``scenario.start`` on."""
    found = score_closed_loop(scenario, rollout)
    parts: dict[str, float | None] = {name: found[f"epdms_cl.{name}"].value for name in PARTS[:-1]}
    record = dict(record_of(CLOSED_LOOP, group, 0, PAIR[1], step, {**parts, EXTENDED_COMFORT: None}))
    if found["epdms_cl"].detail:
        record["cause"] = found["epdms_cl"].detail
    return record


def _causes(asked: Asked, score: FrameScore) -> dict[str, str]:
    """Part -> why it is not 1."""
    found = explained(score.scores, PLAN, asked.moment.scenario, asked.agents, asked.token.lights, dict(score.filtered))
    causes = {name: metric.detail for name, metric in found.items() if metric.value < 1.0 and metric.detail}
    if score.extended is not None and score.extended.value < 1.0:
        rms = ", ".join(f"{name} {value:.2f}" for name, value in score.extended.rms.items())
        causes[EXTENDED_COMFORT] = f"differs from the plan before by (root mean square) {rms}"
    return causes
