"""NAVSIM's scores of one plan in one frame: ``epdms@2.2`` (EPDMS of NAVSIM v2) and ``pdms@1`` (PDMS of v1).

EPDMS = NC x DAC x DDC x TLC x (5 EP + 5 TTC + 2 LK + 2 HC + 2 EC) / 16, from sub-metrics after the human filter;
without a previous plan EC leaves, and the weights sum to 14. PDMS = NC x DAC x (5 EP + 5 TTC + 2 C) / 12.

Names of the parts are the columns of NAVSIM's result files. What the reference computes in surprising ways is computed
in the same way here (``docs/metrics.md`` lists it); :mod:`evaluation.metrics.epdms_fixed` corrects it under its own
name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drive.scoring.navsim.comfort import ExtendedComfort, comfort_signals, extended_comfort, history, within_limits
from drive.scoring.navsim.inputs import PdmMap, PdmTraffic
from drive.scoring.navsim.scorer import PdmScores, normalized_progress, score_states
from drive.scoring.navsim.tracking import reference_poses, sampled_poses, simulate
from drive.vehicle import PACIFICA
from evaluation.metrics.base import NAVSIM_PARTS

Float = NDArray[np.float64]

PARTS = NAVSIM_PARTS
MULTIPLIERS = PARTS[:4]
WEIGHTS = {
    "ego_progress": 5.0,
    "time_to_collision_within_bound": 5.0,
    "lane_keeping": 2.0,
    "history_comfort": 2.0,
}
EXTENDED_COMFORT = PARTS[-1]
EXTENDED_WEIGHT = 2.0

V1_WEIGHTS = {"ego_progress": 5.0, "time_to_collision_within_bound": 5.0, "comfort": 2.0}
V1_PROGRESS_THRESHOLD = 0.1  # m

REFERENCE, PLAN = 0, 1  # rows of a scored pair


@dataclass(frozen=True)
class Frame:
    """What one plan is scored in: NAVSIM's cached token.

    Attributes:
        ego: ``[11]`` state now (:class:`drive.vehicle.Ego`), in the frame of map and traffic.
        t0_us: Time of the frame [us]; decides how sample times are truncated.
        pdm_map, traffic: Surroundings over 4 s.
        react: Traffic for given states ``[41, 11]`` of the ego, where it reacts; None where it does as ``traffic``.
        past: ``[4, 7]`` the recorded ego at -1.5 .. 0 s: x, y, heading, vx, vy, ax, ay.
        reference: ``[>=41, 3]`` PDM-Closed's trajectory every 0.1 s, rear axle, from the present on.
        human: ``[8, 3]`` where the recorded driver went, ego frame, every 0.5 s; None for frames without one
            (synthetic ones), which the human filter leaves alone.
    """

    ego: Float
    t0_us: int
    pdm_map: PdmMap
    traffic: PdmTraffic
    past: Float
    reference: Float
    human: Float | None
    react: Callable[[Float], PdmTraffic] | None = None

    def traffic_around(self, states: Float) -> PdmTraffic:
        """What an ego of these states ``[41, 11]`` drives among."""
        return self.traffic if self.react is None else self.react(states)


@dataclass(frozen=True)
class FrameScore:
    """A scored plan.

    Attributes:
        states: ``[2, 41, 11]`` simulated states of the reference and of the plan.
        pdm_map: What they were scored on.
        scores: Sub-metrics and causes of both, with the history in their comfort.
        parts: Sub-metrics of the plan by NAVSIM's names, unfiltered, extended comfort excluded.
        reference: The same of the reference.
        human: The same of the recorded drive, as the filter uses them; None without one.
        filtered: ``parts`` after the human filter.
        extended: Extended comfort; None without a previous plan.
        comfortable: The plan's simulated states alone keep the limits of comfort, as PDMS v1 asks.
    """

    states: Float
    pdm_map: PdmMap
    scores: PdmScores
    parts: Mapping[str, float]
    reference: Mapping[str, float]
    human: Mapping[str, float] | None
    filtered: Mapping[str, float]
    extended: ExtendedComfort | None
    comfortable: bool

    @property
    def epdms(self) -> float:
        """The score, in [0, 1]."""
        return combine(self.filtered, None if self.extended is None else self.extended.value)

    @property
    def columns(self) -> dict[str, float | None]:
        """The parts that make the score, under NAVSIM's names; None for an extended comfort that is not known."""
        extended = None if self.extended is None else self.extended.value
        return {**{name: self.filtered[name] for name in PARTS[:-1]}, EXTENDED_COMFORT: extended}


def score_plan(frame: Frame, plan: Float, dt: float = 0.5, previous: Float | None = None) -> FrameScore:
    """Score a plan ``[N, 3]`` (ego frame, pose n at ``(n + 1) * dt``) in a frame.

    ``previous [41, 11]`` are the simulated states of the plan made 0.5 s earlier.
    """
    poses = np.stack((sampled_poses(frame.reference, frame.t0_us), reference_poses(plan, dt, frame.ego, frame.t0_us)))
    states = simulate(frame.ego, poses)
    traffic = frame.traffic_around(states[PLAN])
    scores = score_states(states, frame.pdm_map, traffic, history(frame.past))
    progress = normalized_progress(scores.progress, scores.multiplier)
    parts = parts_of(scores, progress, PLAN)
    human = None if frame.human is None else score_human(frame)
    return FrameScore(
        states=states,
        pdm_map=frame.pdm_map,
        scores=scores,
        parts=parts,
        reference=parts_of(scores, progress, REFERENCE),
        human=human,
        filtered=parts if human is None else human_filter(parts, human),
        extended=None if previous is None else extended_comfort(states[PLAN], previous),
        comfortable=bool(within_limits(comfort_signals(states[PLAN:], PACIFICA.rear_axle_to_center)).all()),
    )


def simulate_plan(ego: Float, t0_us: int, plan: Float, dt: float = 0.5) -> Float:
    """States ``[41, 11]`` of one plan, for the extended comfort of the next."""
    return simulate(ego, reference_poses(plan, dt, ego, t0_us)[None])[0]


def score_human(frame: Frame) -> dict[str, float]:
    """Sub-metrics of the recorded drive alone: it is its own measure of progress, and no history goes in."""
    assert frame.human is not None
    states = simulate(frame.ego, reference_poses(frame.human, 0.5, frame.ego, frame.t0_us)[None])
    scores = score_states(states, frame.pdm_map, frame.traffic_around(states[0]))
    parts = parts_of(scores, normalized_progress(scores.progress, scores.multiplier), 0)
    return {**parts, "history_comfort": 1.0}  # without a history NAVSIM does not judge it


def human_filter(parts: Mapping[str, float], human: Mapping[str, float]) -> dict[str, float]:
    """Parts in which the plan is not judged where the recorded driver himself got 0."""
    return {name: 1.0 if human[name] == 0.0 else value for name, value in parts.items()}


def combine(parts: Mapping[str, float], extended: float | None = None) -> float:
    """EPDMS of sub-metrics; without extended comfort its weight goes, too."""
    total = sum(weight * parts[name] for name, weight in WEIGHTS.items())
    weights = sum(WEIGHTS.values())
    if extended is not None:
        total += EXTENDED_WEIGHT * extended
        weights += EXTENDED_WEIGHT
    return float(np.prod([parts[name] for name in MULTIPLIERS])) * total / weights


def pdms_v1(score: FrameScore, longer: PdmTraffic | None = None) -> dict[str, float]:
    """PDMS of v1 for the plan: ``ego_progress``, ``comfort`` and ``score``.

    NAVSIM v1 knew 5 s of traffic and judged time to collision at all 41 samples: ``longer`` is that traffic. Without it
    the value of v2 (32 samples) is taken.

    Progress is multiplied by the compliances before it is divided
    by the best; up to 0.1 m it is 1, and 0 for a plan that the compliances reject.
    """
    multiplier = score.scores.no_at_fault_collisions * score.scores.drivable_area_compliance
    masked = score.scores.progress * multiplier
    best = float(masked.max())
    if best > V1_PROGRESS_THRESHOLD:
        progress = float(masked[PLAN] / best)
    else:
        progress = float(multiplier[PLAN] != 0.0)
    imminent = score.parts["time_to_collision_within_bound"]
    if longer is not None:
        imminent = float(score_states(score.states[PLAN:], score.pdm_map, longer).time_to_collision_within_bound[0])
    parts = {
        "ego_progress": progress,
        "time_to_collision_within_bound": imminent,
        "comfort": float(score.comfortable),
    }
    weighted = sum(weight * parts[name] for name, weight in V1_WEIGHTS.items()) / sum(V1_WEIGHTS.values())
    return {"ego_progress": progress, "comfort": float(score.comfortable), "score": float(multiplier[PLAN]) * weighted}


def parts_of(scores: PdmScores, progress: Float, row: int) -> dict[str, float]:
    """The parts of one plan by NAVSIM's names, ``progress [K]`` being the normalised one."""
    known = {name: float(getattr(scores, name)[row]) for name in PARTS[:-1] if name != "ego_progress"}
    return {name: float(progress[row]) if name == "ego_progress" else known[name] for name in PARTS[:-1]}
