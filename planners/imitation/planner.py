"""The trained network as a planner."""

from pathlib import Path

import numpy as np
import torch

from drive.geometry import wrap_angle
from drive.observation import Observation
from drive.vehicle import Ego
from planners.contract import Plan, Planner
from planners.imitation.features import look
from planners.imitation.net import DT, ImitationNet
from planners.imitation.train import read_weights

STANDSTILL = 0.3  # m/s


class ImitationPlanner(Planner):
    """Copies the reference drives it was trained on.

    Args:
        weights: File that ``drive train imitation`` wrote.
    """

    def __init__(self, weights: Path) -> None:
        torch.set_num_threads(1)
        self._net: ImitationNet = read_weights(weights)

    def plan(self, observation: Observation) -> Plan:
        """Four seconds along the path onto the route, moved sideways as the network says."""
        sight = look(observation)
        with torch.no_grad():
            arcs, lateral = self._net(*(torch.from_numpy(values) for values in sight.features))
        arc = arcs[0].double().numpy()
        poses = sight.path.poses(arc)
        shift = lateral[0].double().numpy()
        if float(observation.ego[-1, Ego.VX]) < STANDSTILL:
            shift = shift * np.minimum(arc / 5.0, 1.0)  # who stands still cannot move sideways
        poses[:, 0] -= shift * np.sin(poses[:, 2])
        poses[:, 1] += shift * np.cos(poses[:, 2])
        sideways = np.diff(shift, prepend=0.0)
        along = np.maximum(np.diff(arc, prepend=0.0), 0.5)
        poses[:, 2] = wrap_angle(poses[:, 2] + np.arctan2(sideways, along))
        return Plan.single(poses, DT)
