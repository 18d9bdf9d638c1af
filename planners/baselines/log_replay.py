"""Log replay: drives what was recorded. A sanity ceiling, not a planner: it looks at the future."""

import numpy as np

from drive.geometry import poses_to_frame
from drive.observation import Observation
from drive.scene import Scenario
from drive.vehicle import Ego
from planners.contract import Context, Plan, Planner, PrivilegedContext

POSES = 40


class LogReplay(Planner):
    """The recorded or expert drive, pose by pose, with a tracker that follows exactly."""

    privileged = True
    tracker = "perfect"

    _scenario: Scenario

    def reset(self, context: Context) -> None:
        """Remember the scenario with its reference drive."""
        assert isinstance(context, PrivilegedContext)
        self._scenario = context.scenario

    def plan(self, observation: Observation) -> Plan:
        """The next four seconds of the reference; where the recording ends, straight on at its last speed."""
        scenario = self._scenario
        reference, dt = scenario.reference, scenario.dt
        now = scenario.start + round(observation.time / dt)
        step = now + 1 + np.arange(POSES)
        poses = reference[np.minimum(step, len(reference) - 1), :3].copy()
        beyond = np.maximum(step - (len(reference) - 1), 0) * dt * reference[-1, Ego.VX]
        poses[:, 0] += beyond * np.cos(poses[:, 2])
        poses[:, 1] += beyond * np.sin(poses[:, 2])
        return Plan.single(poses_to_frame(poses, reference[now, :3]), dt)
