"""What a protocol is: it asks planners, makes rollouts, and turns rollouts into named metrics."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drive.errors import PlannerError
from drive.observation import Observation
from drive.rollout import Rollout
from drive.scene import DT, Scenario
from drive.simulator import Traffic
from drive.vehicle import VehicleParameters
from planners.contract import Context, Plan, PrivilegedContext
from planners.host import InProcessHost

if TYPE_CHECKING:
    from evaluation.manifest import Settings

TIMED = ("load", "plan", "simulate", "score")


@dataclass
class Drive:
    """A unit on its way: its planner, what it cost so far [s of CPU], and why it failed."""

    scenario: Scenario
    host: InProcessHost
    privileged: bool
    tracker: str
    seed: int
    error: PlannerError | None = None
    rollout: Rollout = field(init=False)
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TIMED, 0.0))

    def reset(self, scenario: Scenario, vehicle: VehicleParameters, interval: float, horizon: float) -> None:
        """Tell the planner about the scene it is in; a privileged one is shown ``scenario``."""
        known: dict[str, Any] = {
            "vehicle": vehicle,
            "dt": DT,
            "replan_interval": interval,
            "min_horizon": horizon,
            "seed": self.seed,
        }
        context = PrivilegedContext(**known, scenario=scenario) if self.privileged else Context(**known)
        self._ask(lambda: self.host.reset(context))

    def plan(self, seen: Observation | None) -> Plan | None:
        """The planner's answer; None where there is nothing to see, or if the planner has failed."""
        if seen is None or self.error is not None:
            return None
        plan: Plan | None = self._ask(lambda: self.host.plan(seen))
        return plan

    def _ask(self, question: Callable[[], Any]) -> Any:
        """Let the planner do something; note the time, and the error if it fails."""
        began = time.process_time()
        try:
            return question()
        except PlannerError as error:
            self.error = error
            return None
        finally:
            self.spent["plan"] += time.process_time() - began


def share(drives: Sequence[Drive], began: float) -> None:
    """Charge the CPU time since ``began`` to the scenes simulated together, in equal parts."""
    spent = time.process_time() - began
    for drive in drives:
        drive.spent["simulate"] += spent / len(drives)


class Protocol(ABC):
    """One way to ask and to judge planners.

    Attributes:
        versions: Metric name -> version of its definition, ``score`` included.
        replan_interval: Seconds between two questions unless the user says otherwise.
        drives: True if plans are driven, so that there is a drive for rules to judge.
    """

    versions: Mapping[str, str]
    replan_interval: float
    drives: bool = True

    def default_traffic(self, suite: Traffic) -> Traffic:
        """What moves the other agents unless the user says otherwise: by default what the suite says."""
        return suite

    @abstractmethod
    def drive(self, drives: Sequence[Drive], settings: "Settings") -> None:
        """Ask the planners and give every drive its ``rollout``, or its ``error``."""

    @abstractmethod
    def again(self, scenario: Scenario, stored: Rollout, tracker: str, settings: "Settings") -> Rollout:
        """The rollout that the plans in ``stored`` lead to: the same, to the last bit."""

    @abstractmethod
    def columns(self, scenario: Scenario, rollout: Rollout, settings: "Settings") -> dict[str, Any]:
        """Columns of a result row that are computed from its rollout: all metrics of ``versions`` and their causes."""

    @abstractmethod
    def vehicle(self, scenario: Scenario) -> VehicleParameters:
        """The car that is driven and scored."""

    @abstractmethod
    def tracker(self, wanted: str) -> str:
        """The tracker that follows the plans of a planner that asks for ``wanted``."""

    @abstractmethod
    def check(self, settings: "Settings") -> None:
        """Raise a :class:`drive.errors.RunError` for settings that this protocol cannot run with."""
