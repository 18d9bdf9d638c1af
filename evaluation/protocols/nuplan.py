"""Closed loop as nuPlan does it: a plan every 0.1 s, its tracker, its replayed or reactive agents. ``nuplan_cls@1``."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from drive.errors import PlannerError, RunError
from drive.rollout import Rollout
from drive.scene import Scenario
from drive.scoring.nuplan.comfort import MIN_SAMPLES
from drive.scoring.nuplan.simulation import NuplanSimulation
from drive.simulator import Traffic, exact_spacing
from drive.vehicle import PACIFICA, VehicleParameters
from evaluation.manifest import Settings
from evaluation.metrics.base import NUPLAN_VERSIONS, to_row
from evaluation.metrics.nuplan_score import NAME, nuplan_score
from evaluation.protocols.base import Drive, Protocol, share
from planners.contract import MIN_HORIZON


class Nuplan(Protocol):
    """See the module."""

    versions: Mapping[str, str] = NUPLAN_VERSIONS
    replan_interval = 0.1

    def default_traffic(self, suite: Traffic) -> Traffic:
        """Challenge 2 (replayed agents); ``--traffic idm`` is challenge 3."""
        return "log"

    def check(self, settings: Settings) -> None:
        """The planner is asked at every step, agents are replayed or nuPlan's IDM."""
        if settings.replan_interval != self.replan_interval:
            raise RunError(f"--protocol nuplan plans every {self.replan_interval} s, not {settings.replan_interval} s")
        if settings.traffic == "constant_velocity":
            raise RunError("--protocol nuplan has --traffic log (challenge 2) and idm (challenge 3) only")

    def drive(self, drives: Sequence[Drive], settings: Settings) -> None:
        """One scene after the other."""
        for drive in drives:
            self._drive(drive, settings)

    def _drive(self, drive: Drive, settings: Settings) -> None:
        scenario = drive.scenario
        if scenario.horizon < MIN_SAMPLES:
            drive.error = PlannerError(
                f"scene {scenario.id!r} has {scenario.horizon} steps, too few for nuPlan's score"
            )
        drive.reset(scenario, PACIFICA, self.replan_interval, MIN_HORIZON)
        began = time.process_time()
        perfect = drive.tracker == "perfect"
        simulation = NuplanSimulation(scenario, settings.traffic == "idm", perfect, drive.privileged)
        share([drive], began)
        while not simulation.done:
            began = time.process_time()
            seen = simulation.observe()
            share([drive], began)
            plan = drive.plan(seen)
            if plan is None:
                break
            began = time.process_time()
            simulation.step(plan.candidates[plan.chosen], plan.dt)
            share([drive], began)
        drive.rollout = simulation.result()

    def again(self, scenario: Scenario, stored: Rollout, tracker: str, settings: Settings) -> Rollout:
        """Simulate the stored plans."""
        simulation = NuplanSimulation(scenario, settings.traffic == "idm", tracker == "perfect")
        for number in range(min(len(stored.plan_step), scenario.horizon)):
            plan = stored.plan[stored.plan_ptr[number] : stored.plan_ptr[number + 1]]
            simulation.step(plan, exact_spacing(stored.plan_dt[number]))
        return simulation.result()

    def columns(self, scenario: Scenario, rollout: Rollout, settings: Settings) -> dict[str, Any]:
        """``nuplan_cls@1`` and its eight metrics."""
        found = nuplan_score(scenario, rollout)
        return to_row({name: found[NAME if name == "score" else name] for name in NUPLAN_VERSIONS})

    def vehicle(self, scenario: Scenario) -> VehicleParameters:
        """A Pacifica."""
        return PACIFICA

    def tracker(self, wanted: str) -> str:
        """The one of nuPlan, without limits of what a car can do; replays of the log stay on the log."""
        return wanted if wanted == "perfect" else "lqr_nuplan"
