"""Closed loop: the plan is driven, the world answers, the planner is asked again. ``drive_score@1``."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from drive.rollout import Rollout
from drive.scene import Scenario
from drive.simulator import Simulator, Tracker, replan_steps, run_plans
from drive.vehicle import VehicleParameters
from evaluation.manifest import Settings
from evaluation.metrics.base import CLOSED_LOOP_VERSIONS, to_row
from evaluation.metrics.drive_score import score_rollout
from evaluation.protocols.base import Drive, Protocol, share
from planners.contract import MIN_HORIZON, MIN_HORIZON_BEYOND_REPLAN


class ClosedLoop(Protocol):
    """See the module."""

    versions: Mapping[str, str] = CLOSED_LOOP_VERSIONS
    replan_interval = 0.5

    def check(self, settings: Settings) -> None:
        """The interval has to be a multiple of the world step."""
        replan_steps(settings.replan_interval)

    def drive(self, drives: Sequence[Drive], settings: Settings) -> None:
        """Scenes of a batch are simulated together, planners are asked one scene at a time."""
        interval = settings.replan_interval
        for drive in drives:
            horizon = max(MIN_HORIZON, interval + MIN_HORIZON_BEYOND_REPLAN)
            drive.reset(drive.scenario, drive.scenario.ego_vehicle, interval, horizon)
        began = time.process_time()
        trackers: list[Tracker] = [drive.tracker for drive in drives]  # type: ignore[misc]
        see_all = [drive.privileged for drive in drives]
        simulator = Simulator([drive.scenario for drive in drives], settings.traffic, trackers, interval, see_all)
        share(drives, began)
        while True:
            began = time.process_time()
            observations = simulator.observe()
            moving = [drive for drive, seen in zip(drives, observations, strict=True) if seen is not None]
            share(moving, began)
            if all(drive.error is not None for drive in moving):
                break  # every scene has ended, or its planner has failed: a scene of a failed planner never ends
            plans = [drive.plan(seen) for drive, seen in zip(drives, observations, strict=True)]
            began = time.process_time()
            simulator.step(
                [None if plan is None else plan.candidates[plan.chosen] for plan in plans],
                [0.0 if plan is None else plan.dt for plan in plans],
            )
            share(moving, began)
        for drive, rollout in zip(drives, simulator.rollouts(), strict=True):
            drive.rollout = rollout

    def again(self, scenario: Scenario, stored: Rollout, tracker: str, settings: Settings) -> Rollout:
        """Simulate the stored plans."""
        return run_plans(scenario, stored, settings.traffic, tracker, settings.replan_interval)  # type: ignore[arg-type]

    def columns(self, scenario: Scenario, rollout: Rollout, settings: Settings) -> dict[str, Any]:
        """``drive_score@1`` and what it is made of."""
        return to_row(score_rollout(scenario, rollout))

    def vehicle(self, scenario: Scenario) -> VehicleParameters:
        """The scene's own."""
        return scenario.ego_vehicle

    def tracker(self, wanted: str) -> str:
        """The one the planner asks for."""
        return wanted
