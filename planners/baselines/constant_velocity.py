"""Constant velocity: straight on at the speed of now. The floor of every table."""

import numpy as np

from drive.observation import Observation
from drive.vehicle import Ego
from planners.contract import Plan, Planner

DT = 0.1
POSES = 40


class ConstantVelocity(Planner):
    """Straight on at the present speed; sees nothing."""

    def plan(self, observation: Observation) -> Plan:
        """Poses on the x axis of the ego frame, heading 0."""
        trajectory = np.zeros((POSES, 3))
        trajectory[:, 0] = observation.ego[-1, Ego.VX] * DT * np.arange(1, POSES + 1)
        return Plan.single(trajectory, DT)
