"""The same scene, had the ego driven otherwise: its traffic rolled around any drive, and scenarios made of that.

A trunk is a scene with its traffic; a branch follows the given ego states for a while and is then driven by plans.
Nothing is teleported: whatever the others do follows from what the ego did before.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.cues import LiveCues
from drive.kernels.simulate import advance
from drive.observation import Observation, Observer
from drive.scene import DT, Action, Event, Scenario, Trigger
from drive.simulator import Tracker, Traffic, exact_spacing
from drive.traffic import TrafficState, compile_traffic, start_traffic, traffic_rollout

Float = NDArray[np.float64]
Agents = tuple[Float, Float, Float, NDArray[np.bool_]]


class Moved(NamedTuple):
    """The other agents from a scene's start on: ``position [A, K+1, 2]`` [m], ``heading [A, K+1]`` [rad], ``velocity
    [A, K+1, 2]`` [m/s], ``valid [A, K+1]``."""

    position: Float
    heading: Float
    velocity: Float
    valid: NDArray[np.bool_]


class Trunk:
    """A scene and its compiled traffic, from which any number of branches grow.

    Args:
        scenario: The traffic begins at its ``start``.
        traffic: As for :class:`drive.simulator.Simulator`.
    """

    def __init__(self, scenario: Scenario, traffic: Traffic) -> None:
        self.scenario = scenario
        self.live = traffic == "idm"
        self.world = compile_traffic(scenario, traffic)
        car = scenario.ego_vehicle
        self.car = np.array([car.length, car.width, car.wheelbase, car.rear_axle_to_center])

    def roll(self, ego: Float) -> Moved:
        """Traffic around an ego that drives the states ``ego [K+1, 11]`` from the scene's start on."""
        agents, _ = self.rolled(ego)
        return Moved(*agents)

    def rolled(self, ego: Float) -> tuple[Agents, TrafficState]:
        """The same as bare arrays, and the state of mind the drivers are in at the end."""
        state = start_traffic(self.world, self.scenario)
        agents = _room(self.scenario, len(ego))
        length, width, _, to_center = self.car
        states = np.ascontiguousarray(ego, np.float64)
        traffic_rollout(self.world, state, *agents, states, to_center, length, width)
        return agents, state

    def before(self, step: int) -> Float:
        """The reference ``[n+1, 11]`` from the scene's start up to and with scene step ``step``."""
        return self.scenario.reference[self.scenario.start : step + 1]

    def grown(self, ego: Float) -> Scenario:
        """The scenario in which the ego has driven ``ego [K+1, 11]`` from its start on; it ends there."""
        return with_drive(self.scenario, ego, self.roll(ego), self.live)


class Branch:
    """A drive that leaves a trunk's reference at scene step ``step``, driven by plans for up to ``steps`` samples.

    To a planner the scene begins at ``step``; ``see_all`` as for the simulator. ``k`` is the last sample driven,
    counted from the trunk's start; ``ego [K+1, 11]`` the states.
    """

    def __init__(self, trunk: Trunk, step: int, steps: int, see_all: bool = False) -> None:
        scenario, driven = trunk.scenario, trunk.before(step)
        self._trunk, self._begin = trunk, len(driven) - 1
        self._observer = Observer(replace(scenario, start=step), see_all, live=trunk.live)
        known, self._state = trunk.rolled(driven)
        self._agents = _room(scenario, len(driven) + steps)
        for array, values in zip(self._agents, known, strict=True):
            array[:, : len(driven)] = values
        self.ego = np.concatenate((driven, np.zeros((steps, driven.shape[1]))))
        self.k = self._begin

    @property
    def moved(self) -> Moved:
        """The others from the trunk's start on; samples after ``k`` are zeros."""
        return Moved(*self._agents)

    def observe(self) -> Observation:
        """What a planner sees now."""
        begin = self._begin
        seen = (array[:, begin:] for array in self._agents)
        return self._observer.observe(self.k - begin, self.ego[begin:], *seen)  # type: ignore[arg-type]

    def follow(self, plan: ArrayLike, dt: float, steps: int, tracker: Tracker = "lqr") -> None:
        """Drive a plan ``[N, 3]`` (ego frame, poses every ``dt`` s) for ``steps`` samples."""
        poses = np.ascontiguousarray(plan, np.float32).astype(np.float64)  # as plans are stored
        last = min(self.k + steps, len(self.ego) - 1)
        advance(
            self._trunk.world,
            self._state,
            self.ego,
            *self._agents,
            self.k,
            last,
            poses,
            exact_spacing(np.float32(dt)),
            tracker == "perfect",
            self._trunk.car,
        )
        self.k = last


@dataclass(frozen=True)
class Moment:
    """One moment of a drive, for a planner to begin at: ``scenario`` with its history and a future, and the scene step
    ``step``."""

    scenario: Scenario
    step: int

    def standing_alone(self, fired: NDArray[np.int64] | None = None) -> Scenario:
        """The scenario that starts at this moment: scripted times count from here, and orders that were given before
        are given again at once, in their order. Drivers begin with what two samples tell of them.

        ``fired [E]`` are the samples after the scenario's start at which orders (not cues) were given, -1 for not yet.
        """
        script = self.scenario.script.copy()
        passed = (self.step - self.scenario.start) * DT
        timed = script[:, Event.TRIGGER] == Trigger.TIME
        script[timed, Event.VALUE] -= passed
        script[:, Event.TIMEOUT] -= passed
        if fired is not None:
            orders = np.flatnonzero(script[:, Event.ACTION] != Action.CUE)
            given = orders[fired >= 0]
            script[given, Event.TRIGGER] = Trigger.TIME
            script[given, Event.VALUE] = fired[fired >= 0] * DT - passed
        t0_us = self.scenario.t0_us + 100_000 * (self.step - self.scenario.start)
        return replace(self.scenario, start=self.step, script=script, t0_us=t0_us)

    def observe(self, see_all: bool = False) -> Observation:
        """What a planner sees at this moment if its scene begins there; ``see_all`` as for the simulator."""
        scenario = replace(self.scenario, start=self.step)
        now, tracks = slice(self.step, self.step + 1), scenario.tracks
        return Observer(scenario, see_all).observe(
            0,
            scenario.reference[now],
            tracks.position[:, now],
            tracks.heading[:, now],
            tracks.velocity[:, now],
            tracks.valid[:, now],
        )


def with_drive(scenario: Scenario, ego: Float, moved: Moved, live: bool) -> Scenario:
    """``scenario`` with another drive ``[K+1, 11]`` and other traffic from its start on; it ends with them.

    ``live``: the others show what they do now, and not what they did in the scene.
    """
    tracks, lights, start = scenario.tracks, scenario.lights, scenario.start
    steps = start + len(ego)
    past = slice(0, start)
    valid = np.concatenate((tracks.valid[:, past], moved.valid), axis=1)
    position = np.concatenate((tracks.position[:, past], moved.position), axis=1)
    heading = np.concatenate((tracks.heading[:, past], moved.heading), axis=1)
    velocity = np.concatenate((tracks.velocity[:, past], moved.velocity), axis=1)
    reference = np.concatenate((scenario.reference[past], ego))
    cues = tracks.cues[:, :steps].copy()
    if live and scenario.paths is not None:
        cues[:, start:] = LiveCues(scenario).show(reference, position, heading, velocity, len(ego))
    cues[~valid] = 0
    return replace(
        scenario,
        tracks=replace(tracks, position=position, heading=heading, velocity=velocity, valid=valid, cues=cues),
        lights=replace(lights, state=np.ascontiguousarray(lights.state[:, :steps])),
        reference=reference,
    )


def _room(scenario: Scenario, samples: int) -> Agents:
    """Arrays for ``samples`` samples of the agents, the first one filled in."""
    tracks, start = scenario.tracks, scenario.start
    agents = len(tracks.ids)
    arrays = (
        np.zeros((agents, samples, 2)),
        np.zeros((agents, samples)),
        np.zeros((agents, samples, 2)),
        np.zeros((agents, samples), np.bool_),
    )
    recorded = (tracks.position, tracks.heading, tracks.velocity, tracks.valid)
    for array, values in zip(arrays, recorded, strict=True):
        array[:, 0] = values[:, start]
    return arrays
