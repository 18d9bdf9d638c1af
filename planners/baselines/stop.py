"""Stop: brakes comfortably to a standstill and stays there."""

import numpy as np

from drive.observation import Observation
from drive.vehicle import Ego
from planners.baselines.pace import BRAKING, DT, roll
from planners.contract import Context, Plan, Planner


class Stop(Planner):
    """Brakes to a standstill with the steering wheel held; sees nothing."""

    _wheelbase: float

    def reset(self, context: Context) -> None:
        """Remember the car."""
        self._wheelbase = context.vehicle.wheelbase

    def plan(self, observation: Observation) -> Plan:
        """An arc of the curvature being driven."""
        ego = observation.ego[-1]
        arcs = roll(ego[Ego.VX], ego[Ego.AX], lambda time, arc, speed: -BRAKING)
        curvature = np.tan(ego[Ego.STEERING]) / self._wheelbase
        heading = curvature * arcs
        # chord of an arc: length s sinc(h / 2), pointing at h / 2
        chord = arcs * np.sinc(heading / (2 * np.pi))
        return Plan.single(np.column_stack((chord * np.cos(heading / 2), chord * np.sin(heading / 2), heading)), DT)
