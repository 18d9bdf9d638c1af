"""Log replay: drives what was recorded. A sanity ceiling, not a planner: it looks at the future."""

import numpy as np
from numpy.typing import NDArray

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
    _time: float
    _pose: NDArray[np.float64]

    def reset(self, context: Context) -> None:
        """Remember the scenario with its reference drive; the ego begins on it."""
        assert isinstance(context, PrivilegedContext)
        self._scenario = context.scenario
        self._time = 0.0
        self._pose = context.scenario.reference[context.scenario.start, :3]

    def plan(self, observation: Observation) -> Plan:
        """The next four seconds of the reference; where the recording ends, straight on with its last acceleration."""
        scenario = self._scenario
        reference, dt = scenario.reference, scenario.dt
        now = scenario.start + round(observation.time / dt)
        step = now + 1 + np.arange(POSES)
        poses = reference[np.minimum(step, len(reference) - 1), :3].copy()
        beyond = _onward(np.maximum(step - (len(reference) - 1), 0) * dt, *reference[-1, [Ego.VX, Ego.AX]])
        poses[:, 0] += beyond * np.cos(poses[:, 2])
        poses[:, 1] += beyond * np.sin(poses[:, 2])
        return Plan.single(poses_to_frame(poses, self._located(observation)), dt)

    def _located(self, observation: Observation) -> NDArray[np.float64]:
        """Pose ``[3]`` of the ego in the scene frame, carried on from the last plan: a tracker may have left the
        reference, and an observation tells no absolute place."""
        steps = round((observation.time - self._time) / self._scenario.dt)
        if steps:
            before = observation.ego[-1 - steps, :3]  # where the ego planned last, seen from here
            heading = self._pose[2] - before[2]
            cos, sin = np.cos(heading), np.sin(heading)
            x = self._pose[0] - (cos * before[0] - sin * before[1])
            y = self._pose[1] - (sin * before[0] + cos * before[1])
            self._pose, self._time = np.array((x, y, heading)), observation.time
        return self._pose


def _onward(time: NDArray[np.float64], speed: float, acceleration: float) -> NDArray[np.float64]:
    """Distance [m] after each ``time`` [s] at constant acceleration, until it stands or for a second of gathering.

    A drive that ends while braking goes on braking: a plan that ended in a jump of acceleration would have the last
    step of the replay jerk.
    """
    if acceleration < 0.0:
        lasting = np.minimum(time, max(speed, 0.0) / -acceleration)
        return speed * lasting + 0.5 * acceleration * lasting**2
    gathered = np.minimum(time, 1.0)
    return speed * time + acceleration * gathered * (time - 0.5 * gathered)
