"""Training samples: what a planner would have seen along a reference drive, and what the reference did next."""

from dataclasses import dataclass

import numpy as np

from drive.geometry import poses_to_frame
from drive.observation import Observer
from drive.scene import Scenario
from planners.imitation.features import Features, Float32, look, stack

PLAN_STEPS = 8  # poses every 0.5 s
POSE_EVERY = 5  # samples
TAIL = PLAN_STEPS * POSE_EVERY


@dataclass(frozen=True)
class Windows:
    """B samples: features, and ``arc [B, 8]``, ``lateral [B, 8]`` [m] of the reference on the path of the sample."""

    features: Features
    arc: Float32
    lateral: Float32


def windows_of(scenario: Scenario, every: int) -> Windows:
    """Samples of one scene, one every ``every`` steps from its start to 4 s before its end.

    Raises:
        ValueError: The scene has less than 4 s of future.
    """
    if scenario.horizon < TAIL:
        raise ValueError(f"scene {scenario.id} has {scenario.horizon} steps of future, expected at least {TAIL}")
    start, tracks = scenario.start, scenario.tracks
    observer = Observer(scenario)
    ego = scenario.reference[start:]
    future = (
        tracks.position[:, start:],
        tracks.heading[:, start:],
        tracks.velocity[:, start:],
        tracks.valid[:, start:],
    )
    features, arcs, laterals = [], [], []
    for k in range(0, scenario.horizon - TAIL + 1, every):
        sight = look(observer.observe(k, ego, *future))
        poses = poses_to_frame(ego[k + POSE_EVERY : k + TAIL + 1 : POSE_EVERY, :3], ego[k, :3])
        arc, lateral, _ = sight.path.project(poses[:, :2])
        features.append(sight.features)
        arcs.append(arc)
        laterals.append(lateral)
    return Windows(stack(features), np.asarray(arcs, np.float32), np.asarray(laterals, np.float32))


def join(parts: list[Windows]) -> Windows:
    """Samples of several scenes, one after the other."""
    return Windows(
        stack([part.features for part in parts]),
        np.concatenate([part.arc for part in parts]),
        np.concatenate([part.lateral for part in parts]),
    )
