"""nuPlan's closed-loop simulation (challenges 2 and 3): two-stage ego controller, replayed or reactive agents."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.kernels.nuplan_tracking import tracked_step
from drive.kernels.vehicle import curvature_profile, perfect_step, resample_plan, velocity_profile
from drive.observation import Observation, Observer
from drive.rollout import Rollout
from drive.scene import DT, Scenario
from drive.scoring.nuplan.idm import ReactiveTraffic
from drive.scoring.nuplan.inputs import NuplanMap, NuplanTracks
from drive.scoring.nuplan.scene import nuplan_lights, nuplan_map, recorded_tracks
from drive.simulator import exact_spacing
from drive.vehicle import PACIFICA, Ego

Float = NDArray[np.float64]

STEP_US = 100_000


def simulate_reference(
    ego: Float,
    reference: Float,
    plan_steps: int,
    time_us: NDArray[np.int64],
    world: NuplanMap,
    tracks: NuplanTracks,
    light: NDArray[np.int8] | None,
) -> tuple[Float, NuplanTracks]:
    """Drive N iterations towards a fixed reference: states ``[N-1, 11]`` and the tracks over those samples.

    At iteration k the plan is the ego's pose now and ``reference[k + 1 .. k + plan_steps]`` (``[P, 3]`` rear-axle poses
    every 0.1 s; beyond its end the last one). ``ego [11]`` is the first state. ``light [N, L]`` makes the traffic
    reactive; without it the tracks are replayed.
    """
    samples = len(time_us) - 1
    states = np.empty((samples, len(ego)))
    states[0] = ego
    reactive = None if light is None else ReactiveTraffic(world, tracks, light, ego)
    for k in range(samples - 1):
        ahead = np.minimum(np.arange(k + 1, k + 1 + plan_steps), len(reference) - 1)
        poses = np.vstack((states[k, :3], reference[ahead]))
        dt = float(time_us[k + 1] - time_us[k]) * 1e-6
        states[k + 1] = tracked_step(states[k], poses, int(time_us[k]), dt, PACIFICA.wheelbase)
        if reactive is not None:
            # Agents get the interval as a difference of absolute seconds, which are 2e-7 s coarse today.
            reactive.step(k, states[k], time_us[k + 1] * 1e-6 - time_us[k] * 1e-6)
    return states, first_samples(tracks if reactive is None else reactive.tracks(), samples)


def first_samples(tracks: NuplanTracks, samples: int) -> NuplanTracks:
    """The same tracks, cut to their first samples."""
    return tracks._replace(
        position=np.ascontiguousarray(tracks.position[:, :samples]),
        heading=np.ascontiguousarray(tracks.heading[:, :samples]),
        velocity=np.ascontiguousarray(tracks.velocity[:, :samples]),
        valid=np.ascontiguousarray(tracks.valid[:, :samples]),
    )


class NuplanSimulation:
    """One scene under nuPlan's rules, from its start to its end, a plan every 0.1 s. The ego is always the Pacifica.

    Args:
        scenario: The scene.
        reactive: True for IDM agents (challenge 3), False for replayed ones (challenge 2).
        perfect: True to put the ego on its plan instead of tracking it, for replays of the log.
        see_all: True to hide nothing from the planner, in scenes with occlusion.
    """

    def __init__(self, scenario: Scenario, reactive: bool, perfect: bool = False, see_all: bool = False) -> None:
        self._scenario = scenario
        self._perfect = perfect
        self._observer = Observer(scenario, see_all)
        self._tracks = recorded_tracks(scenario)
        self._k = 0
        self._plans: list[tuple[NDArray[np.float32], float]] = []
        self._ego = np.zeros((scenario.horizon + 1, len(Ego)))
        self._ego[0] = scenario.reference[scenario.start]
        self._traffic: ReactiveTraffic | None = None
        if reactive:
            light = nuplan_lights(scenario)
            self._traffic = ReactiveTraffic(nuplan_map(scenario.map), self._tracks, light, self._ego[0])
        tracks = self._tracks
        self._position, self._heading = tracks.position.copy(), tracks.heading.copy()
        self._velocity, self._valid = tracks.velocity.copy(), tracks.valid.copy()
        self._write_agents()

    @property
    def done(self) -> bool:
        """True at the end of the scene."""
        return self._k >= self._scenario.horizon

    def observe(self) -> Observation:
        """What a planner may see now."""
        return self._observer.observe(self._k, self._ego, self._position, self._heading, self._velocity, self._valid)

    def step(self, trajectory: ArrayLike, dt: float) -> None:
        """Drive 0.1 s of a trajectory ``[N, 3]`` (ego frame, pose n at ``(n + 1) * dt``), stored as float32."""
        plan = np.ascontiguousarray(trajectory, np.float32)
        spacing = exact_spacing(np.float32(dt))
        state = self._ego[self._k]
        poses = resample_plan(plan.astype(np.float64), spacing, state[Ego.X], state[Ego.Y], state[Ego.HEADING])
        if self._perfect:
            speeds = velocity_profile(poses)
            perfect_step(
                *(state, self._ego[self._k + 1], poses, speeds, curvature_profile(poses, speeds), 0),
                PACIFICA.wheelbase,
            )
        else:
            self._ego[self._k + 1] = tracked_step(
                state, poses, self._scenario.t0_us + self._k * STEP_US, DT, PACIFICA.wheelbase
            )
        if self._traffic is not None:
            self._traffic.step(self._k, state, DT)
        self._plans.append((plan, spacing))
        self._k += 1
        self._write_agents()

    def result(self) -> Rollout:
        """What happened so far; samples after the current one are zeros."""
        plans = [plan for plan, _ in self._plans]
        now = np.arange(self._scenario.horizon + 1) <= self._k
        return Rollout(
            ego=self._ego.astype(np.float32),
            position=np.where(now[:, None], self._position, 0.0).astype(np.float32),
            heading=np.where(now, self._heading, 0.0).astype(np.float32),
            velocity=np.where(now[:, None], self._velocity, 0.0).astype(np.float32),
            valid=self._valid & now,
            plan_step=np.arange(len(plans), dtype=np.int32),
            plan=np.concatenate(plans) if plans else np.zeros((0, 3), np.float32),
            plan_ptr=np.concatenate(((0,), np.cumsum([len(plan) for plan in plans]))).astype(np.int32),
            plan_dt=np.array([dt for _, dt in self._plans], np.float32),
        )

    def _write_agents(self) -> None:
        if self._traffic is None:
            return
        k = self._k
        state, valid = self._traffic.states_now(k)
        self._position[:, k], self._heading[:, k], self._velocity[:, k] = state[:, :2], state[:, 2], state[:, 3:]
        self._valid[:, k] = valid
