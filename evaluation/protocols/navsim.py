"""NAVSIM's protocol: plans are asked every two seconds along the recorded or expert ego, and each is scored once.

A plan is followed for 4 s by NAVSIM's tracker; it is never asked again, and where it leads has no effect on the next
question. Half a second before each question a partner plan is asked for, for extended comfort. A unit's score is the
mean over its frames.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from drive.errors import PlannerError, RunError
from drive.observation import Observation, Observer
from drive.rollout import Rollout
from drive.scene import Scenario
from drive.scoring.navsim.inputs import SAMPLES
from drive.simulator import Traffic, exact_spacing, replan_steps
from drive.vehicle import PACIFICA, VehicleParameters
from evaluation.manifest import Settings
from evaluation.metrics.base import NAVSIM_VERSIONS, to_row
from evaluation.metrics.navsim_frames import ScoredFrame, score_frames, summarize
from evaluation.protocols.base import Drive, Protocol, share

HORIZON = 4.0  # s of a plan that are scored
PARTNER = 5  # steps from the partner plan to the scored one


class Navsim(Protocol):
    """See the module."""

    versions: Mapping[str, str] = NAVSIM_VERSIONS
    replan_interval = 2.0
    drives = False

    def default_traffic(self, suite: Traffic) -> Traffic:
        """NAVSIM's one-stage evaluation replays the log."""
        return "log"

    def check(self, settings: Settings) -> None:
        """Frames are steps apart, and traffic either replays the log or is NAVSIM's reactive one."""
        replan_steps(settings.replan_interval)
        if settings.traffic == "constant_velocity":
            raise RunError("--protocol navsim has --traffic log (non-reactive) and idm (reactive) only")

    def drive(self, drives: Sequence[Drive], settings: Settings) -> None:
        """Every frame is a scene of its own to the planner: it is reset, sees the past, and plans once."""
        for drive in drives:
            self._drive(drive, settings)

    def _drive(self, drive: Drive, settings: Settings) -> None:
        began = time.process_time()
        steps = question_steps(drive.scenario, settings.replan_interval)
        share([drive], began)
        if not steps:
            drive.error = PlannerError(
                f"scene {drive.scenario.id!r} ends {drive.scenario.horizon * 0.1:.1f} s after its start, "
                f"NAVSIM's score needs {HORIZON} s"
            )
        plans = []
        for k in steps:
            began = time.process_time()
            moment = replace(drive.scenario, start=drive.scenario.start + k)
            seen = _observe(moment, drive.privileged)
            share([drive], began)
            drive.reset(moment, PACIFICA, HORIZON, HORIZON)
            plan = drive.plan(seen)
            if plan is None:
                break
            plans.append((k, plan.candidates[plan.chosen].astype(np.float32), np.float32(plan.dt)))
        drive.rollout = recorded_rollout(drive.scenario, plans)

    def again(self, scenario: Scenario, stored: Rollout, tracker: str, settings: Settings) -> Rollout:
        """Recorded drives with the stored plans, which have to be those that the protocol asks for."""
        steps = question_steps(scenario, settings.replan_interval)
        if list(stored.plan_step) != steps:
            raise RunError(f"plans were made at steps {list(stored.plan_step)}, expected {steps}")
        pieces = [stored.plan[low:high] for low, high in zip(stored.plan_ptr, stored.plan_ptr[1:], strict=False)]
        return recorded_rollout(scenario, list(zip(steps, pieces, stored.plan_dt, strict=True)))

    def columns(self, scenario: Scenario, rollout: Rollout, settings: Settings) -> dict[str, Any]:
        """Also every frame's parts, from which the score can be computed again."""
        frames = self._frames(scenario, rollout, settings)
        return to_row(summarize(frames)) | {"frames": json.dumps([frame.record() for frame in frames])}

    def _frames(self, scenario: Scenario, rollout: Rollout, settings: Settings) -> list[ScoredFrame]:
        plans = {}
        for number, k in enumerate(rollout.plan_step):
            low, high = rollout.plan_ptr[number], rollout.plan_ptr[number + 1]
            plans[int(k)] = (rollout.plan[low:high].astype(np.float64), exact_spacing(rollout.plan_dt[number]))
        scored = frame_steps(scenario, settings.replan_interval)
        return score_frames(scenario, plans, scored, PARTNER, reactive=settings.traffic == "idm")

    def vehicle(self, scenario: Scenario) -> VehicleParameters:
        """NAVSIM scores a Pacifica, whatever drove."""
        return PACIFICA

    def tracker(self, wanted: str) -> str:
        """NAVSIM's, defect included."""
        return "lqr_navsim"


def frame_steps(scenario: Scenario, interval: float) -> list[int]:
    """Steps after the start at which plans are scored: from 0 on, as long as 4 s are left."""
    return list(range(0, scenario.horizon - SAMPLES + 2, replan_steps(interval)))


def question_steps(scenario: Scenario, interval: float) -> list[int]:
    """Steps after the start (negative before it) at which plans are asked for: frames and their partners."""
    scored = frame_steps(scenario, interval)
    partners = [k - PARTNER for k in scored if scenario.start + k - PARTNER >= 1]
    return sorted({*scored, *partners})


def _observe(moment: Scenario, see_all: bool = False) -> Observation:
    """What a planner sees at the start of ``moment``, the ego where it was recorded."""
    now = slice(moment.start, moment.start + 1)
    tracks = moment.tracks
    return Observer(moment, see_all).observe(
        0,
        moment.reference[now],
        tracks.position[:, now],
        tracks.heading[:, now],
        tracks.velocity[:, now],
        tracks.valid[:, now],
    )


def recorded_rollout(scenario: Scenario, plans: Sequence[tuple[int, Any, Any]]) -> Rollout:
    """A rollout in which everybody moved as recorded, with ``plans`` (step after the start, poses, spacing)."""
    tracks, after = scenario.tracks, slice(scenario.start, None)
    pieces = [plan for _, plan, _ in plans]
    return Rollout(
        ego=scenario.reference[after].astype(np.float32),
        position=tracks.position[:, after].astype(np.float32),
        heading=tracks.heading[:, after].astype(np.float32),
        velocity=tracks.velocity[:, after].astype(np.float32),
        valid=tracks.valid[:, after].copy(),
        plan_step=np.array([k for k, _, _ in plans], np.int32),
        plan=np.concatenate(pieces) if pieces else np.zeros((0, 3), np.float32),
        plan_ptr=np.concatenate(((0,), np.cumsum([len(piece) for piece in pieces]))).astype(np.int32),
        plan_dt=np.array([spacing for _, _, spacing in plans], np.float32),
    )
