"""Two stages: plans are asked at a few moments of a scene, and again where drives like theirs may be 4 s later.

NAVSIM v2's pseudo-simulation, with second-stage scenes that come out of the simulated world (:mod:`evaluation.starts`).
A unit asks, per first-stage start: the start and its partner half a second earlier; every second-stage start and its
partner; the two moments to which the first plan itself leads; and, planning again every half second, 8 s in closed
loop. Every moment but those of the closed loop is a fresh scene to the planner.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from drive.errors import PlannerError, RunError
from drive.rollout import Rollout
from drive.scene import DT, Scenario
from drive.simulator import exact_spacing
from drive.vehicle import PACIFICA, VehicleParameters
from evaluation.manifest import Settings
from evaluation.metrics.base import TWO_STAGE_VERSIONS, to_row
from evaluation.metrics.two_stage import EXACT, FIRST, SECOND, summarize
from evaluation.metrics.two_stage_frames import driven_states, score_drive, score_pair
from evaluation.protocols.base import Drive, Protocol, share
from evaluation.protocols.navsim import HORIZON, recorded_rollout
from evaluation.starts.certify import PARTNER, STAGE
from evaluation.starts.derive import starts_of
from evaluation.starts.groups import Asked, Group, Plan, groups_of
from planners.contract import MIN_HORIZON
from scenarios.store import Store

REPLAN = 5  # samples between two plans of the closed loop
KEPT = 8  # scenes whose starts stay in memory: those of a batch
Answers = list[Plan]


class TwoStage(Protocol):
    """See the module. ``store`` keeps the starts of scenes."""

    versions: Mapping[str, str] = TWO_STAGE_VERSIONS
    replan_interval = REPLAN * DT
    drives = False

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or Store()
        self._kept: list[tuple[Scenario, str, list[Group]]] = []

    def default_traffic(self, suite: str) -> Any:
        """The others always react: drivers and scripts of the scene, default drivers on recorded ones."""
        return "idm"

    def check(self, settings: Settings) -> None:
        """The moments are fixed, and the others replay the log or react."""
        if settings.replan_interval != self.replan_interval:
            raise RunError(
                f"--replan-interval is {settings.replan_interval}, but --protocol two-stage asks at its own moments: "
                f"leave it out"
            )
        if settings.traffic == "constant_velocity":
            raise RunError("--protocol two-stage has --traffic idm (reactive) and log (replayed) only")

    def drive(self, drives: Sequence[Drive], settings: Settings) -> None:
        """One scene after the other."""
        for drive in drives:
            self._drive(drive, settings)

    def _drive(self, drive: Drive, settings: Settings) -> None:
        began = time.process_time()
        groups = self._groups(drive.scenario, settings)
        share([drive], began)
        if not groups:
            drive.error = PlannerError(
                f"scene {drive.scenario.id!r} ends {drive.scenario.horizon * DT:.1f} s after its start, "
                f"two stages need {2 * HORIZON + PARTNER * DT} s"
            )
        steps: list[int] = []
        answers: Answers = []
        for group in groups:
            for step, plan in self._answers(drive, group):
                steps.append(step - drive.scenario.start)
                answers.append(plan)
        plans = [
            (step, plan.poses.astype(np.float32), np.float32(plan.dt))
            for step, plan in zip(steps, answers, strict=True)
        ]
        drive.rollout = recorded_rollout(drive.scenario, plans)

    def _answers(self, drive: Drive, group: Group) -> Iterator[tuple[int, Plan]]:
        """Scene steps and plans of a group, in the order of :func:`question_steps`."""
        first = [self._ask(drive, asked) for asked in group.first]
        if first[0] is None or first[1] is None:
            return
        yield from ((asked.moment.step, plan) for asked, plan in zip(group.first, first, strict=True) if plan)
        began = time.process_time()
        second = group.second
        share([drive], began)
        began = time.process_time()
        exact = group.exact(driven_states(group.first[1], first[1]))
        share([drive], began)
        for asked in (asked for pair in (*second, exact) for asked in pair):
            plan = self._ask(drive, asked)
            if plan is None:
                return
            yield asked.moment.step, plan
        scene = group.first[1].moment
        drive.reset(scene.standing_alone(), PACIFICA, REPLAN * DT, MIN_HORIZON)
        branch = group.begin(drive.privileged)
        for k in range(0, 2 * STAGE, REPLAN):
            began = time.process_time()
            seen = branch.observe()
            share([drive], began)
            answer = drive.plan(seen)
            if answer is None:
                return
            plan = _as_stored(answer.candidates[answer.chosen], answer.dt)
            branch.follow(plan.poses, plan.dt, REPLAN, drive.tracker)  # type: ignore[arg-type]
            yield group.step + k, plan

    def _ask(self, drive: Drive, asked: Asked) -> Plan | None:
        if drive.error is not None:
            return None
        began = time.process_time()
        seen = asked.moment.observe(drive.privileged)
        share([drive], began)
        drive.reset(asked.moment.standing_alone(), PACIFICA, HORIZON, HORIZON)
        answer = drive.plan(seen)
        return None if answer is None else _as_stored(answer.candidates[answer.chosen], answer.dt)

    def again(self, scenario: Scenario, stored: Rollout, tracker: str, settings: Settings) -> Rollout:
        """Recorded drives with the stored plans, which have to be those that the protocol asks for."""
        groups = self._groups(scenario, settings)
        steps = [step - scenario.start for group in groups for step in question_steps(group)]
        if list(stored.plan_step) != steps:
            raise RunError(f"plans were made at steps {list(stored.plan_step)}, expected {steps}")
        pieces = [stored.plan[low:high] for low, high in zip(stored.plan_ptr, stored.plan_ptr[1:], strict=False)]
        return recorded_rollout(scenario, list(zip(steps, pieces, stored.plan_dt, strict=True)))

    def columns(self, scenario: Scenario, rollout: Rollout, settings: Settings) -> dict[str, Any]:
        """Also every plan's parts, from which the score can be computed again."""
        offsets = zip(rollout.plan_ptr, rollout.plan_ptr[1:], rollout.plan_dt, strict=False)
        plans = iter([_as_stored(rollout.plan[low:high], exact_spacing(dt)) for low, high, dt in offsets])
        records = []
        for number, group in enumerate(self._groups(scenario, settings)):
            first = (next(plans), next(plans))
            records += score_pair(FIRST, number, 0, group.first, first)
            for index, pair in enumerate(group.second):
                records += score_pair(SECOND, number, index, pair, (next(plans), next(plans)))
            exact = group.exact(driven_states(group.first[1], first[1]))
            records += score_pair(EXACT, number, 0, exact, (next(plans), next(plans)))
            taken = (next(plans) for _ in range(0, 2 * STAGE, REPLAN))
            records.append(score_drive(number, group.step, *group.driven(taken, REPLAN, "lqr")))
        for record in records:
            record["step"] -= scenario.start
        return to_row(summarize(records)) | {"frames": json.dumps(records)}

    def vehicle(self, scenario: Scenario) -> VehicleParameters:
        """NAVSIM's, whatever drove."""
        return PACIFICA

    def tracker(self, wanted: str) -> str:
        """NAVSIM's, defect included; the closed loop has the correct one."""
        return "lqr_navsim"

    def _groups(self, scenario: Scenario, settings: Settings) -> list[Group]:
        for known, traffic, groups in self._kept:
            if known is scenario and traffic == settings.traffic:
                return groups
        groups = groups_of(scenario, starts_of(scenario, self._store), settings.traffic)
        self._kept = [*self._kept[1 - KEPT :], (scenario, settings.traffic, groups)]
        return groups


def question_steps(group: Group) -> list[int]:
    """Scene steps at which plans are asked for, in their order: first stage, second stage, where the first plan leads,
    closed loop."""
    ends = [group.step + STAGE - PARTNER, group.step + STAGE]
    loop = [group.step + k for k in range(0, 2 * STAGE, REPLAN)]
    return [group.step - PARTNER, group.step, *ends * (len(group.drives) + 1), *loop]


def _as_stored(poses: Any, dt: float) -> Plan:
    """A plan as its rollout keeps it: what follows from it must be the same when it is read again."""
    return Plan(np.asarray(poses, np.float32).astype(np.float64), exact_spacing(np.float32(dt)))
