"""A scene's starts as moments that planners are asked in, and the frames that their plans are scored in."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.branch import Branch, Moment, Trunk
from drive.rollout import Rollout
from drive.scene import Scenario
from drive.scoring.navsim.inputs import PdmTraffic
from drive.scoring.navsim.scene import Token, cache_token, route_signals, without_initial_overlaps
from drive.simulator import Tracker, Traffic
from evaluation.metrics.epdms import Frame
from evaluation.starts.certify import PARTNER, STAGE, Judge, continuations, window
from evaluation.starts.derive import Starts, staged, trunk_scenario
from evaluation.starts.way import way_of
from scenarios.export_openscene import frame_token

Float = NDArray[np.float64]

BRANCHED = "two-stage"  # source of a second-stage scene


class Plan(NamedTuple):
    """A plan ``poses [N, 3]`` in the ego frame, ``dt`` s apart."""

    poses: Float
    dt: float


@dataclass(frozen=True)
class Asked:
    """A moment in which a plan is asked for and scored.

    Attributes:
        moment: The scene with its history; its traffic begins to react at the start of ``trunk``.
        trunk: None where the traffic is replayed.
        recorded: True for moments of the scene's own drive, which the human filter compares with.
        name: Token of the moment's frame where the scene or its second-stage starts are exported; empty for others.
    """

    moment: Moment
    trunk: Trunk | None
    recorded: bool
    name: str = ""

    @property
    def place(self) -> Float:
        """Where the ego's rear axle is ``[2]`` [m]."""
        return self.moment.scenario.reference[self.moment.step, :2]

    @cached_property
    def token(self) -> Token:
        """NAVSIM's cache of this moment."""
        return cache_token(self.moment.scenario, self.moment.step)

    @cached_property
    def frame(self) -> Frame:
        """What plans are scored in; reacting traffic is the scene's own."""
        token = self.token
        return Frame(
            ego=token.ego,
            t0_us=token.t0_us,
            pdm_map=token.pdm_map,
            traffic=without_initial_overlaps(token.traffic, token.ego),
            past=token.past,
            reference=token.reference,
            human=token.human if self.recorded else None,
            react=None if self.trunk is None else self._react,
        )

    @property
    def agents(self) -> NDArray[np.intp]:
        """Rows of the scored traffic among the scene's agents."""
        if self.trunk is None:
            return self.token.agents.astype(np.intp)
        return np.arange(len(self.moment.scenario.tracks.ids))

    def _react(self, states: Float) -> PdmTraffic:
        """The scene's traffic around a plan's simulated states ``[41, 11]``."""
        assert self.trunk is not None
        scenario, step = self.moment.scenario, self.moment.step
        start = self.trunk.scenario.start
        moved = self.trunk.roll(np.concatenate((scenario.reference[start:step], states)))
        signals = route_signals(scenario, self.token.route.route_lanes)
        return without_initial_overlaps(window(scenario, moved, signals, step - start), self.token.ego)


Pair = tuple[Asked, Asked]
"""A moment's partner half a second before it, and the moment."""


class Group:
    """A first-stage start with its second-stage starts: one entry of NAVSIM's two-stage mapping.

    Args:
        scenario: The scene, with the car that is scored.
        step: Scene step of the first-stage start.
        drives: ``[N, 81, 11]`` drives through the second-stage starts.
        traffic: What the others do while plans are scored.
    """

    def __init__(self, scenario: Scenario, step: int, drives: Float, traffic: Traffic) -> None:
        self.step = step
        base = trunk_scenario(scenario, step)
        self.trunk = Trunk(base, traffic)
        reacting = traffic != "log"
        self._grower = self.trunk if reacting else Trunk(base, "idm")
        before = step - PARTNER
        earlier = trunk_scenario(scenario, before)
        partner = self.trunk if earlier is base else Trunk(earlier, traffic)
        self.first: Pair = (
            Asked(Moment(earlier, before), partner if reacting else None, True, frame_token(scenario, before)),
            Asked(Moment(base, step), self.trunk if reacting else None, True, frame_token(scenario, step)),
        )
        self.drives = drives
        self._trunk = self.trunk if reacting else None

    @cached_property
    def second(self) -> tuple[Pair, ...]:
        """The second-stage starts; what the others do until there, and in replay afterwards, has been rolled."""
        return tuple(
            self._pair(replace(self._grower.grown(self._whole(drive)), id=self.second_id(index), source=BRANCHED), True)
            for index, drive in enumerate(self.drives)
        )

    def second_id(self, index: int) -> str:
        """Name of the scene of a second-stage start."""
        scenario = self.trunk.scenario
        return f"{scenario.id}-stage2-{self.step:04d}-{index:02d}"

    def exact(self, states: Float) -> Pair:
        """The moments to which a first-stage plan itself leads that was driven as ``states [41, 11]``.

        What comes afterwards is a continuation as for starts, certified if there is any; planners that look at the
        recorded future see it.
        """
        base, step = self.trunk.scenario, self.step
        way = way_of(base, max(step - STAGE // 2, 0))
        drive = Judge(self._grower, way, step).continued(states)
        if drive is None:
            stopping = list(continuations(base, way, states, base.reference[step : step + 2 * STAGE + 1]))[-1]
            drive = np.concatenate((states, stopping))
        return self._pair(self.trunk.grown(self._whole(drive)), False)

    def begin(self, see_all: bool = False) -> Branch:
        """A closed-loop drive of 8 s from the first-stage start."""
        return Branch(self.trunk, self.step, 2 * STAGE, see_all)

    def driven(self, plans: Iterator[Plan], every: int, tracker: Tracker) -> tuple[Scenario, Rollout]:
        """The closed-loop drive that ``plans``, made ``every`` samples, lead to, and the scene from its start on."""
        branch = self.begin()
        for plan in plans:
            branch.follow(plan.poses, plan.dt, every, tracker)
        begin, moved = branch.k - 2 * STAGE, branch.moved
        rollout = Rollout(
            ego=branch.ego[begin:].astype(np.float32),
            position=moved.position[:, begin:].astype(np.float32),
            heading=moved.heading[:, begin:].astype(np.float32),
            velocity=moved.velocity[:, begin:].astype(np.float32),
            valid=moved.valid[:, begin:].copy(),
            plan_step=np.zeros(0, np.int32),
            plan=np.zeros((0, 3), np.float32),
            plan_ptr=np.zeros(1, np.int32),
            plan_dt=np.zeros(0, np.float32),
        )
        return replace(self.trunk.scenario, start=self.step), rollout

    def _whole(self, drive: Float) -> Float:
        return np.concatenate((self.trunk.before(self.step)[:-1], drive))

    def _pair(self, scenario: Scenario, named: bool) -> Pair:
        steps = (self.step + STAGE - PARTNER, self.step + STAGE)
        before, now = (
            Asked(Moment(scenario, step), self._trunk, False, frame_token(scenario, step) if named else "")
            for step in steps
        )
        return before, now


def groups_of(scenario: Scenario, starts: Starts, traffic: Traffic) -> list[Group]:
    """The groups of a scene."""
    car = staged(scenario)
    return [
        Group(car, int(step), starts.drive[low:high], traffic)
        for step, low, high in zip(starts.first, starts.ptr, starts.ptr[1:], strict=False)
    ]
