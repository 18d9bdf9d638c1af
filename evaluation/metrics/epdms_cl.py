"""``epdms_cl@1``: NAVSIM's sub-metrics over a whole closed-loop rollout.

The sub-metrics are those of ``epdms_fixed@1`` (NAVSIM's, corrected) over all samples of the rollout, with the vehicle
that was driven and the traffic it met. What a rollout cannot have is replaced:

* Progress is measured against the reference drive of the scene, along the centreline of the route; PDM-Closed plans
  4 s, not a scene.
* There are no pairs of plans: extended comfort leaves, and the weights sum to 14.

The human filter is applied with the reference drive in the recorded traffic.
"""

import numpy as np

from drive.rollout import Rollout
from drive.scene import LightState, Scenario
from drive.scoring.navsim.inputs import pdm_traffic
from drive.scoring.navsim.route import groups_of_lanes, plan_route
from drive.scoring.navsim.scene import road_map, route_signals
from drive.scoring.navsim.scorer import normalized_progress
from evaluation.metrics.base import NAVSIM_PARTS, Metric
from evaluation.metrics.epdms import combine, human_filter, parts_of
from evaluation.metrics.epdms_fixed import HISTORY, corrected_scores, recorded_traffic
from evaluation.metrics.navsim_causes import explained

MARGIN = 20.0  # m around the drive, in which polygons are looked at


def score_closed_loop(scenario: Scenario, rollout: Rollout) -> dict[str, Metric]:
    """``epdms_cl`` and its parts for one rollout."""
    if not scenario.map.lanes:
        absent = Metric.missing("the map has no lanes")
        return {"epdms_cl": absent, **{f"epdms_cl.{name}": absent for name in NAVSIM_PARTS[:-1]}}
    start = scenario.start
    states = rollout.ego.astype(np.float64)[None]
    reference = scenario.reference[None, start : start + states.shape[1]]
    route = plan_route(
        scenario.map, groups_of_lanes(scenario.map, scenario.route), reference[0, 0], scenario.ego_vehicle
    )
    driven = np.concatenate((states[0, :, :2], reference[0, :, :2]))
    low, high = driven.min(axis=0) - MARGIN, driven.max(axis=0) + MARGIN
    surroundings = road_map(scenario.map, route.route_lanes, route.centerline, low, high)
    signals = route_signals(scenario, route.route_lanes)
    tracks, lanes = scenario.tracks, scenario.lights.lane[signals]
    traffic = pdm_traffic(
        rollout.position,
        rollout.heading,
        rollout.velocity,
        rollout.valid,
        tracks.size,
        tracks.kind,
        [scenario.map.lane_polygon(int(lane)) for lane in lanes],
        scenario.lights.state[signals, start : start + states.shape[1]] == LightState.RED,
    )
    past = scenario.reference[max(0, start - HISTORY) : start]
    vehicle = scenario.ego_vehicle
    scores = corrected_scores(states, surroundings, traffic, past, vehicle)
    recorded, _, _ = recorded_traffic(scenario, start, route.route_lanes, states.shape[1])
    human = corrected_scores(reference, surroundings, recorded, past, vehicle)
    progress = normalized_progress(
        np.concatenate((scores.progress, human.progress)), np.concatenate((scores.multiplier, human.multiplier))
    )
    parts = human_filter(parts_of(scores, progress, 0), parts_of(human, progress[1:], 0))
    found = explained(scores, 0, scenario, range(len(tracks.ids)), lanes, parts)
    worst = min(NAVSIM_PARTS[:-1], key=lambda name: parts[name])
    cause = found[worst]
    detail = f"{worst} {parts[worst]:.2f}: {cause.detail}" if parts[worst] < 1.0 else ""
    total = Metric(combine(parts), step=cause.step, agent=cause.agent, detail=detail)
    return {"epdms_cl": total, **{f"epdms_cl.{name}": Metric(parts[name]) for name in NAVSIM_PARTS[:-1]}}
