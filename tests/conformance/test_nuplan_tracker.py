"""The ``lqr`` tracker drives as nuPlan's own controller does (states by nuplan-devkit 1.2.2, made-up roads)."""

import json
from pathlib import Path

import numpy as np
import pytest

from drive.kernels.vehicle import bicycle_step, curvature_profile, lqr_command, velocity_profile
from drive.vehicle import EGO_COLUMNS, PACIFICA, Ego

CASES = json.loads((Path(__file__).parents[1] / "data" / "nuplan_tracker.json").read_text())
COMPARED = [Ego.X, Ego.Y, Ego.HEADING, Ego.VX, Ego.STEERING]


@pytest.mark.parametrize("name", sorted(CASES))
def test_tracker_agrees_with_nuplan(name):
    case = CASES[name]
    reference, expected = np.array(case["reference"]), np.array(case["ego"])
    state = np.zeros(EGO_COLUMNS)
    state[:8] = case["start"][:8]
    state[Ego.YAW_RATE], state[Ego.YAW_ACCELERATION] = case["start"][8:]
    for k in range(len(expected) - 1):
        ahead = np.minimum(np.arange(k + 1, k + case["plan_steps"] + 1), len(reference) - 1)
        poses = np.vstack((state[:3], reference[ahead]))
        speeds = velocity_profile(poses)
        command, rate = lqr_command(state, poses, speeds, curvature_profile(poses, speeds), 0, PACIFICA.wheelbase)
        after = np.zeros(EGO_COLUMNS)
        bicycle_step(state, after, command, rate, PACIFICA.wheelbase)
        state = after
        np.testing.assert_allclose(state[COMPARED], expected[k + 1], atol=2e-6)
