"""Egos and scenes for tests of signals, and one call to measure them."""

from collections.abc import Iterable

import numpy as np
import torch

from drive.geometry import wrap_angle
from drive.scene import AgentKind, Scenario
from drive.signals import Values, World, compute, prepare
from drive.vehicle import EGO_COLUMNS, PACIFICA, Ego
from tests.scenes import START, STEPS, moving, straight_map, straight_scene

torch.set_num_threads(1)

SAMPLES = STEPS - START
CAR = (AgentKind.CAR, (4.0, 2.0))
FRONT, REAR, HALF_WIDTH = PACIFICA.front, PACIFICA.rear, PACIFICA.width / 2
CENTER = PACIFICA.rear_axle_to_center


def world_of(scenario: Scenario) -> World:
    """The scene with its agents as recorded."""
    tracks, start = scenario.tracks, scenario.start
    return prepare(
        scenario,
        tracks.position[:, start:],
        tracks.heading[:, start:],
        tracks.velocity[:, start:],
        tracks.valid[:, start:],
    )


def recorded(scenario: Scenario, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """The recorded drive ``[1, T, 11]``."""
    return torch.tensor(scenario.reference[scenario.start :][None], dtype=dtype)


def states(x: object, y: object, heading: object = 0.0, speed: object = 0.0, **more: object) -> torch.Tensor:
    """An ego ``[1, T, 11]`` from numbers or ``[T]`` arrays; ``more`` by column name."""
    columns = {"x": x, "y": y, "heading": heading, "vx": speed} | more
    built = np.zeros((1, SAMPLES, EGO_COLUMNS))
    for name, value in columns.items():
        built[0, :, Ego[name.upper()]] = value
    return torch.tensor(built)


def cruise(x: float = 0.0, y: float = 0.0, heading: float = 0.0, speed: float = 10.0) -> torch.Tensor:
    """A rear axle at constant speed from (x, y) on."""
    t = 0.1 * np.arange(SAMPLES)
    return states(x + speed * t * np.cos(heading), y + speed * t * np.sin(heading), heading, speed)


def measure(scenario: Scenario, ego: torch.Tensor | None = None, *names: str) -> dict[str, Values]:
    """Signals of an ego (by default the recorded drive)."""
    return compute(names, world_of(scenario), recorded(scenario) if ego is None else ego)


def read(scenario: Scenario, name: str, ego: torch.Tensor | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, validity and agent ``[T]`` of one signal of one ego."""
    values = measure(scenario, ego, name)[name]
    return tuple(part[0].detach().numpy() for part in values)


def weaving(scenario: Scenario, batch: int = 1, seed: int = 0) -> torch.Tensor:
    """Egos that wander around the recorded drive with every column of the state in use, ``[B, T, 11]``."""
    rng = np.random.default_rng(seed)
    base = np.repeat(scenario.reference[scenario.start :][None], batch, axis=0)
    t = 0.1 * np.arange(base.shape[1])
    for column, size in (
        (Ego.X, 1.0),
        (Ego.Y, 0.8),
        (Ego.HEADING, 0.1),
        (Ego.VX, 1.0),
        (Ego.AX, 1.0),
        (Ego.YAW_RATE, 0.1),
    ):
        phase, rate = rng.uniform(0, 2 * np.pi, (batch, 1)), rng.uniform(0.5, 2.0, (batch, 1))
        base[..., column] += size * np.sin(rate * t + phase)
    base[..., Ego.HEADING] = wrap_angle(base[..., Ego.HEADING])
    return torch.tensor(base)


def busy_scene(agents: Iterable[object] = ()) -> Scenario:
    """Two lanes and an oncoming one with a lead, somebody on the left, in front and behind of it, a pedestrian and a
    cone."""
    others = [
        (*CAR, moving((22.0, 0.3), 9.0, 0.02)),
        (*CAR, moving((3.0, 3.4), 9.5)),
        (*CAR, moving((30.0, 3.6), 8.0, -0.03)),
        (*CAR, moving((-12.0, 3.5), 11.0)),
        (AgentKind.PEDESTRIAN, (0.6, 0.7), moving((40.0, -4.0), 1.0, 1.5)),
        (AgentKind.TRAFFIC_CONE, (0.4, 0.4), moving((55.0, -2.2), 0.0)),
        *agents,
    ]
    return straight_scene(others, vector_map=straight_map(lanes=2))
