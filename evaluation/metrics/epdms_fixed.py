"""``epdms_fixed@1``: EPDMS without the defects that are reproduced under ``epdms@2.2``.

Same terms, weights, limits and human filter. What differs (numbers of NAVSIM's traps as in ``docs/metrics.md``):

* The tracker's velocity fit penalises changes of acceleration, as its authors describe it (0).
* The history before the present has no hole, and is the recording at 10 Hz (1).
* Comfort judges what a passenger feels: lateral acceleration is speed times yaw rate, the centre's acceleration has the
  right signs, jerk is the length of the change of the acceleration vector (2, 21). Extended comfort compares vectors.
* An object's speed is the one it has at the time, not the one at which it was first seen (3).
* Objects are where they were recorded at 10 Hz; one that was seen once is not frozen for 4 s (4).
* Time to collision is judged at all 41 samples, as far as the recording goes (8).
* A red light is broken by driving onto its connector, not by standing there when the frame begins (9).
* The tracker starts from the recorded steering angle and yaw rate instead of 0.
* Progress is measured against the best of PDM-Closed, the plan and the human, so that a reference that fails does not
  make its own norm (23).
* The human filter judges the human as it judges the plan, history and that norm included: where the human rode
  uncomfortably or did not get ahead at all, comfort or progress of the plan is not judged (13).

What stays, because it is a choice and no slip: log replay without objects that touch the ego at the start, the strict
drivable area, wrong way as off route, reactive traffic (not used here: the log is replayed).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.kernels.navsim_scoring import ego_corners, red_contacts
from drive.scene import LightState, Scenario
from drive.scoring.comfort import LIMITS, MIN_SAMPLES, comfort_signals, savitzky_golay
from drive.scoring.motion import ego_motion
from drive.scoring.navsim.comfort import EXTENDED_LIMITS, OFFSET
from drive.scoring.navsim.inputs import SAMPLES, PdmMap, PdmTraffic, pdm_traffic
from drive.scoring.navsim.scene import Token, route_signals, without_initial_overlaps
from drive.scoring.navsim.scorer import PdmScores, normalized_progress, score_states
from drive.scoring.navsim.tracking import reference_poses, sampled_poses, simulate
from drive.vehicle import PACIFICA, Ego, VehicleParameters
from evaluation.metrics.epdms import combine, human_filter, parts_of

Float = NDArray[np.float64]
Int = NDArray[np.int32]

LOOK_AHEAD = 9  # samples of traffic beyond the plan, for time to collision
HISTORY = 15  # samples before the present


class Plan(NamedTuple):
    """A plan ``poses [N, 3]`` in the ego frame with its spacing ``dt`` [s], made at a scene step."""

    poses: Float
    dt: float
    step: int


def score_plan_fixed(scenario: Scenario, token: Token, plan: Plan, previous: Plan | None = None) -> float:
    """The corrected score of a plan in the frame ``token``; ``previous`` is the plan made 0.5 s earlier."""
    traffic, _, _ = recorded_traffic(scenario, plan.step, token.route.route_lanes, SAMPLES + LOOK_AHEAD)
    ego = scenario.reference[plan.step]
    traffic = without_initial_overlaps(traffic, ego)
    poses = np.stack(
        (
            sampled_poses(token.reference, token.t0_us),
            reference_poses(plan.poses, plan.dt, ego, token.t0_us),
            reference_poses(token.human, 0.5, ego, token.t0_us),
        )
    )
    states = simulate(ego, poses, fit="differences")
    past = scenario.reference[max(0, plan.step - HISTORY) : plan.step]
    scores = corrected_scores(states, token.pdm_map, traffic, past, PACIFICA)
    progress = normalized_progress(scores.progress, scores.multiplier)
    parts, human = parts_of(scores, progress, 1), parts_of(scores, progress, 2)
    extended = None
    if previous is not None:
        start = scenario.reference[previous.step]
        t0_us = token.t0_us - 100_000 * (plan.step - previous.step)
        before = simulate(start, reference_poses(previous.poses, previous.dt, start, t0_us)[None], fit="differences")
        extended = _same_ride(states[1], before[0])
    return combine(human_filter(parts, human), extended)


def corrected_scores(
    states: Float, pdm_map: PdmMap, traffic: PdmTraffic, past: Float, vehicle: VehicleParameters
) -> PdmScores:
    """Sub-metrics of ``states [K, S, 11]`` with the corrections; ``past [H, 11]`` are the states before."""
    speed = np.hypot(traffic.velocity[..., 0], traffic.velocity[..., 1])
    scores = score_states(states, pdm_map, _entered(traffic, states, vehicle), vehicle=vehicle, speed=speed)
    broken = np.array([_discomfort(np.concatenate((past, plan)), vehicle) for plan in states], np.bool_)
    return scores._replace(
        history_comfort=(~broken.any(axis=1)).astype(np.float64), causes=scores.causes._replace(uncomfortable=broken)
    )


def recorded_traffic(scenario: Scenario, step: int, route_lanes: Int, samples: int) -> tuple[PdmTraffic, Int, Int]:
    """Tracks and red lights from ``step`` on as they were recorded, up to ``samples``; rows of the objects, lanes of
    the lights."""
    window = slice(step, min(step + samples, scenario.steps))
    tracks = scenario.tracks
    rows = np.flatnonzero(tracks.valid[:, window].any(axis=1))
    signals = route_signals(scenario, route_lanes)
    lanes = scenario.lights.lane[signals]
    traffic = pdm_traffic(
        tracks.position[rows, window],
        tracks.heading[rows, window],
        tracks.velocity[rows, window],
        tracks.valid[rows, window],
        tracks.size[rows],
        tracks.kind[rows],
        [scenario.map.lane_polygon(int(lane)) for lane in lanes],
        scenario.lights.state[signals, window] == LightState.RED,
    )
    return traffic, rows.astype(np.int32), lanes


def _entered(traffic: PdmTraffic, states: Float, vehicle: VehicleParameters) -> PdmTraffic:
    """Traffic without the red lights on whose connectors the ego stands at the first sample."""
    if not len(traffic.red):
        return traffic
    corners = ego_corners(states[:1, :1], vehicle.front, vehicle.rear, vehicle.width / 2)
    touched = np.zeros(len(traffic.red), np.bool_)
    first = np.empty((1, 2), np.int32)
    for light in range(len(touched)):
        only = np.zeros((len(touched), 1), np.bool_)
        only[light] = True
        red_contacts(corners, traffic.red_ring, traffic.red_ring_ptr, traffic.red_box, only, first)
        touched[light] = first[0, 0] >= 0
    return traffic._replace(red=traffic.red & ~touched[:, None])


def _discomfort(states: Float, vehicle: VehicleParameters) -> list[bool]:
    if len(states) < MIN_SAMPLES:
        return [False] * len(LIMITS)
    signals = comfort_signals(ego_motion(states, vehicle))
    return [bool(((signals[name] <= low) | (signals[name] >= high)).any()) for name, (low, high) in LIMITS.items()]


def _same_ride(states: Float, before: Float) -> float:
    """Extended comfort of two plans ``[41, 11]``, 0.5 s apart, with acceleration as a vector."""
    now, then = states[:-OFFSET], before[OFFSET:]
    acceleration = np.stack([(s[:, Ego.AX], s[:, Ego.VX] * s[:, Ego.YAW_RATE]) for s in (now, then)])
    smooth = savitzky_golay(acceleration[0] - acceleration[1], window=8, order=2)
    jerk = savitzky_golay(smooth, window=15, order=2, derivative=1)
    turn = np.unwrap(now[:, Ego.HEADING]) - np.unwrap(then[:, Ego.HEADING])
    rate = savitzky_golay(turn[None], window=5, order=2, derivative=1)
    twist = savitzky_golay(turn[None], window=5, order=2, derivative=2)
    rms = [np.sqrt(np.mean((signal**2).sum(axis=0))) for signal in (smooth, jerk, rate, twist)]
    return float(all(value <= limit for value, limit in zip(rms, EXTENDED_LIMITS.values(), strict=True)))
