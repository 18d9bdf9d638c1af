"""Roads, paths and rollouts for tests of traffic."""

from dataclasses import dataclass, field, replace

import numpy as np

from drive.drivers import Driver, default_drivers
from drive.kernels.geometry import boxes_overlap
from drive.map import VectorMap
from drive.scene import AgentKind, Lights, Paths, Scenario, Tracks
from drive.traffic import TrafficState, TrafficWorld, compile_traffic, start_traffic, traffic_rollout, traffic_step
from drive.vehicle import EGO_COLUMNS, Ego
from tests.scenes import straight_map, straight_scene

SIZES = {
    AgentKind.CAR: (4.6, 1.9),
    AgentKind.BUS: (11.0, 2.7),
    AgentKind.BICYCLE: (1.8, 0.63),
    AgentKind.PEDESTRIAN: (0.7, 0.7),
    AgentKind.TRAFFIC_CONE: (0.44, 0.44),
}
NOWHERE = (-5000.0, -5000.0)


@dataclass
class Agent:
    """One agent of a test scene; it stands still in the recording. ``path`` None: replayed."""

    start: tuple[float, float] = (0.0, 0.0)
    speed: float = 0.0
    path: np.ndarray | None = None
    limit: float = 13.9
    kind: AgentKind = AgentKind.CAR
    heading: float = 0.0
    driver: dict[Driver, float] = field(default_factory=dict)
    present: tuple[int, int] | None = None  # scene steps, both included
    motion: np.ndarray | None = None  # [T, 2] recorded positions of a replayed agent


def lane(x0: float, x1: float, y: float = 0.0) -> np.ndarray:
    """A straight path along x."""
    return np.column_stack((np.arange(x0, x1, 1.0), np.full(len(np.arange(x0, x1, 1.0)), y)))


def scene(
    agents: list[Agent],
    steps: int = 300,
    ego: tuple[float, float, float] = (*NOWHERE, 0.0),
    ego_speed: float = 0.0,
    start: int = 20,
    vector_map: VectorMap | None = None,
    script: list[tuple[float, ...]] | None = None,
    lights: Lights | None = None,
) -> Scenario:
    """A scenario of ``steps`` steps; the ego stands at ``ego`` or goes straight on from there."""
    count = len(agents)
    position, heading = np.zeros((count, steps, 2)), np.zeros((count, steps))
    velocity, valid = np.zeros((count, steps, 2)), np.ones((count, steps), np.bool_)
    drivers = default_drivers([agent.kind for agent in agents])
    drivers[:, Driver.SEED] = 1000.0 + np.arange(count)
    pieces = []
    for row, agent in enumerate(agents):
        position[row], heading[row] = agent.start, agent.heading
        velocity[row] = agent.speed * np.array((np.cos(agent.heading), np.sin(agent.heading)))
        if agent.motion is not None:
            position[row] = agent.motion
            velocity[row] = np.gradient(agent.motion, 0.1, axis=0)
        if agent.present is not None:
            valid[row] = (np.arange(steps) >= agent.present[0]) & (np.arange(steps) <= agent.present[1])
        for column, value in agent.driver.items():
            drivers[row, column] = value
        pieces.append(np.zeros((0, 2)) if agent.path is None else agent.path)
    ptr = np.concatenate(((0,), np.cumsum([len(piece) for piece in pieces]))).astype(np.int32)
    limit = np.concatenate([np.full(len(piece), agent.limit) for piece, agent in zip(pieces, agents, strict=True)])
    tracks = Tracks(
        tuple(f"agent-{row}" for row in range(count)),
        np.array([agent.kind for agent in agents], np.int8),
        np.array([SIZES[agent.kind] for agent in agents], np.float64).reshape(-1, 2),
        position * valid[..., None],
        heading * valid,
        velocity * valid[..., None],
        valid,
        np.zeros((count, steps), np.uint8),
    )
    reference = np.zeros((steps, EGO_COLUMNS))
    time = 0.1 * (np.arange(steps) - start)
    reference[:, Ego.X] = ego[0] + ego_speed * time * np.cos(ego[2])
    reference[:, Ego.Y] = ego[1] + ego_speed * time * np.sin(ego[2])
    reference[:, Ego.HEADING], reference[:, Ego.VX] = ego[2], ego_speed
    none = Lights(np.zeros(0, np.int32), np.zeros((0, 2)), np.zeros((0, steps), np.int8))
    built = replace(
        straight_scene(vector_map=vector_map or straight_map(2000.0)),
        tracks=tracks,
        reference=reference,
        start=start,
        drivers=drivers,
        script=np.array(script or [], np.float64).reshape(-1, 9),
        paths=Paths(np.concatenate([*pieces, np.zeros((0, 2))]), limit, ptr),
        lights=lights or none,
    )
    built.validate()
    return built


@dataclass
class Rolled:
    """Samples ``[A, K+1, ...]`` of a rollout and what it was rolled with."""

    position: np.ndarray
    heading: np.ndarray
    velocity: np.ndarray
    valid: np.ndarray
    world: TrafficWorld
    state: TrafficState

    @property
    def speed(self) -> np.ndarray:
        return np.hypot(self.velocity[..., 0], self.velocity[..., 1])

    def same(
        self, other: "Rolled", agents: slice | list[int] = slice(None), mine: slice | list[int] = slice(None)
    ) -> bool:
        """True if (some) agents have the same bytes in both."""
        names = ("position", "heading", "velocity", "valid")
        return all(np.array_equal(getattr(self, name)[mine], getattr(other, name)[agents]) for name in names)


def roll(scenario: Scenario, mode: str = "idm", segments: tuple[int, ...] = ()) -> Rolled:
    """Roll traffic to the end with the ego on its reference; with ``segments`` step by step, stopping there."""
    samples, tracks, car = scenario.horizon + 1, scenario.tracks, scenario.ego_vehicle
    count = len(tracks.ids)
    world = compile_traffic(scenario, mode)
    state = start_traffic(world, scenario)
    arrays = (
        np.zeros((count, samples, 2)),
        np.zeros((count, samples)),
        np.zeros((count, samples, 2)),
        np.zeros((count, samples), np.bool_),
    )
    recorded = (tracks.position, tracks.heading, tracks.velocity, tracks.valid)
    for array, source in zip(arrays, recorded, strict=True):
        array[:, 0] = source[:, scenario.start]
    ego = np.ascontiguousarray(scenario.reference[scenario.start :])
    if not segments:
        traffic_rollout(world, state, *arrays, ego, car.rear_axle_to_center, car.length, car.width)
        return Rolled(*arrays, world, state)
    for first, last in zip((0, *segments), (*segments, samples - 1), strict=True):
        for k in range(first, last):
            x, y, h = ego[k, :3]
            shift = car.rear_axle_to_center
            center = (x + shift * np.cos(h), y + shift * np.sin(h))
            traffic_step(world, state, *arrays, k, *center, h, ego[k, Ego.VX], car.length, car.width)
    return Rolled(*arrays, world, state)


def overlaps(rolled: Rolled, scenario: Scenario, ignore: tuple[AgentKind, ...] = ()) -> list[tuple[int, int, int]]:
    """(sample, agent, agent) of every contact between two boxes; kinds in ``ignore`` may touch one another."""
    found = []
    size, kind = scenario.tracks.size, scenario.tracks.kind
    for i in range(len(size)):
        for j in range(i + 1, len(size)):
            if kind[i] in ignore and kind[j] in ignore:
                continue
            reach = 0.5 * (np.hypot(*size[i]) + np.hypot(*size[j]))
            gap = np.hypot(*(rolled.position[i] - rolled.position[j]).T)
            for k in np.flatnonzero(rolled.valid[i] & rolled.valid[j] & (gap < reach)):
                if boxes_overlap(
                    *rolled.position[i, k],
                    rolled.heading[i, k],
                    *size[i],
                    *rolled.position[j, k],
                    rolled.heading[j, k],
                    *size[j],
                ):
                    found.append((int(k), i, j))
                    break
    return found
