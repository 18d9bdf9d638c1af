"""Closed loop: scenes stepped together from replan to replan, plans in, rollouts out."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.errors import ScenarioError
from drive.kernels.simulate import advance
from drive.kernels.traffic_world import TrafficWorld
from drive.observation import Observation, Observer
from drive.rollout import Rollout
from drive.scene import DT, Scenario
from drive.traffic import compile_traffic, start_traffic

Float = NDArray[np.float64]
Traffic = Literal["log", "idm", "constant_velocity"]
Tracker = Literal["lqr", "perfect"]


class _Scene:
    """One running scene: its arrays and where it is."""

    def __init__(
        self, scenario: Scenario, world: TrafficWorld, traffic: Traffic, tracker: Tracker, see_all: bool
    ) -> None:
        samples, start, tracks = scenario.horizon + 1, scenario.start, scenario.tracks
        self.scenario = scenario
        self.perfect = tracker == "perfect"
        self.world = world
        self.state = start_traffic(self.world, scenario)
        self.observer = Observer(scenario, see_all, live=traffic == "idm")
        vehicle = scenario.ego_vehicle
        self.vehicle = np.array([vehicle.length, vehicle.width, vehicle.wheelbase, vehicle.rear_axle_to_center])
        self.ego = np.zeros((samples, scenario.reference.shape[1]))
        self.ego[0] = scenario.reference[start]
        agents = len(tracks.ids)
        self.position = np.zeros((agents, samples, 2))
        self.heading = np.zeros((agents, samples))
        self.velocity = np.zeros((agents, samples, 2))
        self.valid = np.zeros((agents, samples), np.bool_)
        for array, recorded in (
            (self.position, tracks.position),
            (self.heading, tracks.heading),
            (self.velocity, tracks.velocity),
            (self.valid, tracks.valid),
        ):
            array[:, 0] = recorded[:, start]
        self.k = 0
        self.plans: list[tuple[int, NDArray[np.float32], float]] = []

    @property
    def done(self) -> bool:
        return self.k >= self.scenario.horizon

    def observe(self) -> Observation:
        return self.observer.observe(self.k, self.ego, self.position, self.heading, self.velocity, self.valid)

    def step(self, trajectory: ArrayLike, dt: float, steps: int) -> None:
        plan = np.ascontiguousarray(trajectory, np.float32)  # drive what will be stored, so a replay is exact
        spacing = np.float32(dt)
        last = min(self.k + steps, self.scenario.horizon)
        advance(
            self.world,
            self.state,
            self.ego,
            self.position,
            self.heading,
            self.velocity,
            self.valid,
            self.k,
            last,
            plan.astype(np.float64),
            exact_spacing(spacing),
            self.perfect,
            self.vehicle,
        )
        self.plans.append((self.k, plan, float(spacing)))
        self.k = last

    def rollout(self) -> Rollout:
        lengths = [len(plan) for _, plan, _ in self.plans]
        plans = [plan for _, plan, _ in self.plans]
        return Rollout(
            ego=self.ego.astype(np.float32),
            position=as_simulated(self.position),
            heading=as_simulated(self.heading),
            velocity=as_simulated(self.velocity),
            valid=self.valid.copy(),
            plan_step=np.array([k for k, _, _ in self.plans], np.int32),
            plan=np.concatenate(plans) if plans else np.zeros((0, 3), np.float32),
            plan_ptr=np.concatenate(((0,), np.cumsum(lengths))).astype(np.int32),
            plan_dt=np.array([dt for _, _, dt in self.plans], np.float32),
        )


class Simulator:
    """Steps a batch of scenes together; scenes do not influence one another, so any batch gives the same bytes.

    Args:
        scenarios: Scenes to run, each from its ``start`` to its end.
        traffic: ``"log"`` replays the other agents, ``"idm"`` lets drivers react, ``"constant_velocity"`` extrapolates.
        trackers: ``"lqr"`` (nuPlan's controller and a kinematic bicycle) or ``"perfect"``, for all or one per scene.
        replan_interval: Seconds between plans, a multiple of 0.1.
        see_all: Nothing is hidden from the planner, for all or one per scene: what privileged planners get. Matters in
            scenes with occlusion only.

    Raises:
        ScenarioError: ``replan_interval`` is not a positive multiple of the world step.
    """

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        traffic: Traffic = "log",
        trackers: Tracker | Sequence[Tracker] = "lqr",
        replan_interval: float = 0.5,
        see_all: bool | Sequence[bool] = False,
    ) -> None:
        self.replan_steps = replan_steps(replan_interval)
        count = len(scenarios)
        each: Sequence[Tracker] = [trackers] * count if isinstance(trackers, str) else trackers
        sees: Sequence[bool] = [see_all] * count if isinstance(see_all, bool) else see_all
        different = {id(scenario): scenario for scenario in scenarios}  # several planners may drive one scene
        worlds = {key: compile_traffic(scenario, traffic) for key, scenario in different.items()}
        self._scenes = [
            _Scene(scenario, worlds[id(scenario)], traffic, tracker, everything)
            for scenario, tracker, everything in zip(scenarios, each, sees, strict=True)
        ]

    @property
    def done(self) -> bool:
        """True when every scene has reached its end."""
        return all(scene.done for scene in self._scenes)

    def observe(self) -> list[Observation | None]:
        """What the planner of each scene sees now; None for scenes that have ended."""
        return [None if scene.done else scene.observe() for scene in self._scenes]

    def step(self, trajectories: Sequence[ArrayLike | None], dts: Sequence[float]) -> None:
        """Drive each scene's trajectory ``[N, 3]`` (ego frame, poses every ``dts[i]`` s) for one replan interval.

        Trajectories are cast to float32, the precision they are stored in. None leaves a scene where it is.
        """
        for scene, trajectory, dt in zip(self._scenes, trajectories, dts, strict=True):
            if trajectory is not None and not scene.done:
                scene.step(trajectory, dt, self.replan_steps)

    def rollouts(self) -> list[Rollout]:
        """What happened so far in each scene; samples after a scene's current step are zeros."""
        return [scene.rollout() for scene in self._scenes]


def replan_steps(replan_interval: float) -> int:
    """World steps in a replan interval [s]; raises :class:`ScenarioError` unless it is a positive multiple of 0.1."""
    steps = round(replan_interval / DT) if math.isfinite(replan_interval) else 0
    if steps < 1 or not math.isclose(steps * DT, replan_interval, abs_tol=1e-9):
        raise ScenarioError(f"replan interval is {replan_interval} s, expected a positive multiple of {DT} s")
    return steps


def run_plans(
    scenario: Scenario, rollout: Rollout, traffic: Traffic, tracker: Tracker, replan_interval: float
) -> Rollout:
    """Simulate ``scenario`` again from the plans stored in ``rollout``."""
    simulator = Simulator([scenario], traffic, tracker, replan_interval)
    for index in range(len(rollout.plan_step)):
        plan = rollout.plan[rollout.plan_ptr[index] : rollout.plan_ptr[index + 1]]
        simulator.step([plan], [float(rollout.plan_dt[index])])
    return simulator.rollouts()[0]


def as_simulated(motion: Float) -> NDArray[np.float32]:
    """Agents' motion as rollouts hold it: single precision, and one zero only: equal numbers are equal bytes."""
    return motion.astype(np.float32) + np.float32(0.0)


def exact_spacing(spacing: np.float32) -> float:
    """The decimal a float32 spacing stands for: 0.1 must not become 0.10000000149, or sample times drift."""
    return float(str(spacing))
