"""The planner contract: two methods, plain arrays, and a checker that says in words what is wrong with a plan."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drive.errors import PlannerError
from drive.observation import Observation
from drive.scene import Scenario
from drive.vehicle import VehicleParameters

Float = NDArray[np.float64]

MIN_HORIZON = 2.0
MIN_HORIZON_BEYOND_REPLAN = 1.0
MAX_COORDINATE = 1e4  # m or rad: beyond it a plan is an accident, and float32 has lost its centimeters


@dataclass(frozen=True)
class Context:
    """What a planner is told once per scene, before the first observation.

    Attributes:
        vehicle: The car to drive.
        dt: World step [s].
        replan_interval: Time [s] between two calls of ``plan``.
        min_horizon: A plan must reach at least this far [s].
        seed: Seed for everything random in this scene; derived from run seed, scene and planner.
    """

    vehicle: VehicleParameters
    dt: float
    replan_interval: float
    min_horizon: float
    seed: int


@dataclass(frozen=True)
class PrivilegedContext(Context):
    """Adds the whole scenario, future included, for planners with ``privileged = True``; the leaderboard says so."""

    scenario: Scenario = field(kw_only=True)

    def public(self) -> Context:
        """The same without the scenario."""
        return Context(self.vehicle, self.dt, self.replan_interval, self.min_horizon, self.seed)


@dataclass(frozen=True)
class Plan:
    """K candidate trajectories in the ego frame at the time of the observation (rear axle, x forward, y left).

    Attributes:
        candidates: ``[K, N, 3]`` x, y [m], heading [rad]; pose ``n`` is ``(n + 1) * dt`` after the observation.
        scores: ``[K]``, higher is better.
        chosen: Index of the candidate to drive.
        dt: Spacing of the poses [s].
    """

    candidates: Float
    scores: Float
    chosen: int = 0
    dt: float = 0.5

    @staticmethod
    def single(trajectory: Float, dt: float = 0.5) -> "Plan":
        """A plan with one candidate ``[N, 3]``."""
        return Plan(np.asarray(trajectory, np.float64)[None], np.zeros(1), 0, dt)


class Planner(ABC):
    """Base class of planners: implement :meth:`plan`, and :meth:`reset` if there is state to clear.

    Attributes:
        privileged: True for planners that look at the recorded future; they get a :class:`PrivilegedContext`.
        tracker: ``"lqr"``, or ``"perfect"``, which only privileged planners may ask for.
    """

    privileged: bool = False
    tracker: str = "lqr"

    def reset(self, context: Context) -> None:  # noqa: B027 - optional by contract
        """Forget the last scene. Called once per scene before the first :meth:`plan`."""

    @abstractmethod
    def plan(self, observation: Observation) -> Plan:
        """Plan from one observation. One scene at a time, called every ``replan_interval``."""


def check_plan(plan: object, min_horizon: float, who: str = "planner") -> Plan:
    """Return ``plan`` if it keeps the contract, else raise :class:`PlannerError` with one sentence on what is wrong."""
    if not isinstance(plan, Plan):
        raise PlannerError(f"{who}: plan() returned {type(plan).__name__}, expected planners.contract.Plan")
    candidates = _numbers(plan.candidates, "candidates", who)
    if candidates.ndim != 3 or candidates.shape[2] != 3 or 0 in candidates.shape:
        raise PlannerError(
            f"{who}: Plan.candidates has shape {candidates.shape}, expected (candidates, poses, 3) with x, y, heading"
        )
    for name, values in (("candidates", candidates), ("scores", _numbers(plan.scores, "scores", who))):
        if not np.isfinite(values).all():
            where = [int(i) for i in np.argwhere(~np.isfinite(values))[0]]
            raise PlannerError(f"{who}: Plan.{name}{where} is {values[tuple(where)]}, every value must be finite")
    far = np.abs(candidates).max()
    if far > MAX_COORDINATE:
        raise PlannerError(f"{who}: Plan.candidates reaches {far:.3g}, expected metres and radians in the ego frame")
    if np.shape(plan.scores) != (len(candidates),):
        raise PlannerError(f"{who}: Plan.scores has shape {np.shape(plan.scores)}, expected ({len(candidates)},)")
    if not isinstance(plan.chosen, (int, np.integer)) or not 0 <= plan.chosen < len(candidates):
        raise PlannerError(f"{who}: Plan.chosen is {plan.chosen}, expected an index below {len(candidates)}")
    if not isinstance(plan.dt, (int, float, np.integer, np.floating)) or not 0 < plan.dt < np.inf:
        raise PlannerError(f"{who}: Plan.dt is {plan.dt}, expected a positive number of seconds")
    horizon = candidates.shape[1] * plan.dt
    if horizon < min_horizon - 1e-6:
        raise PlannerError(
            f"{who}: the plan ends after {horizon:.2f} s ({candidates.shape[1]} poses of {plan.dt} s), "
            f"expected at least {min_horizon:.2f} s"
        )
    return plan


def _numbers(value: object, name: str, who: str) -> NDArray[np.generic]:
    try:
        array = np.asarray(value)
    except ValueError:
        raise PlannerError(f"{who}: Plan.{name} is ragged, expected an array of numbers") from None
    if array.dtype.kind not in "fiu":
        raise PlannerError(f"{who}: Plan.{name} has dtype {array.dtype}, expected numbers")
    return array
