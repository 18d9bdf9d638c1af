"""Ego drives in hand-made scenes for tests of signals: what each sample should be can be worked out on paper."""

from collections.abc import Sequence

import numpy as np
import torch

from drive.scene import Scenario
from drive.signals import Values, World, compute, prepare
from drive.vehicle import EGO_COLUMNS, PACIFICA, Ego

FRONT = PACIFICA.front  # 4.049 m from the rear axle; the ego is 5.176 m long and 2.297 m wide


def world_of(scenario: Scenario) -> World:
    """The recorded motion of a scene's agents from its start on."""
    part = slice(scenario.start, None)
    tracks = scenario.tracks
    return prepare(
        scenario, tracks.position[:, part], tracks.heading[:, part], tracks.velocity[:, part], tracks.valid[:, part]
    )


def along_x(fronts: Sequence[float] | np.ndarray, y: float = 0.0, heading: float = 0.0, **columns: float) -> np.ndarray:
    """Ego states ``[T, 11]`` with the front bumper at x = ``fronts``, driving along x; the speed is their rate."""
    fronts = np.asarray(fronts, np.float64)
    states = np.zeros((len(fronts), EGO_COLUMNS))
    states[:, Ego.X] = fronts - FRONT
    states[:, Ego.Y] = y
    states[:, Ego.HEADING] = heading
    if len(fronts) > 1:
        states[:, Ego.VX] = np.gradient(fronts, 0.1)
    for name, value in columns.items():
        states[:, Ego[name]] = value
    return states


def steady(first: float, speed: float, samples: int, **columns: float) -> np.ndarray:
    """As :func:`along_x` at constant speed."""
    return along_x(first + 0.1 * speed * np.arange(samples), VX=speed, **columns)


def signal(scenario: Scenario, states: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, validity and agent ``[T]`` of one signal along one drive."""
    values = read(scenario, states, name)[name]
    return values.value[0].numpy(), values.valid[0].numpy(), values.agent[0].numpy()


def flag(scenario: Scenario, states: np.ndarray, name: str) -> np.ndarray:
    """Whether a flag is up ``[T]``; anything but +-1000 fails."""
    value, _, _ = signal(scenario, states, name)
    assert np.isin(value, (-1000.0, 1000.0)).all()
    return value > 0


def read(scenario: Scenario, states: np.ndarray, *names: str) -> dict[str, Values]:
    """Signals along one drive."""
    return compute(names, world_of(scenario), torch.as_tensor(states[None]))
