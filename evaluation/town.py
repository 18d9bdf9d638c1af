"""A busy made-up town, for the speed table and to start kernels: 64 cars on a grid, each with a way to follow."""

import numpy as np

from drive.drivers import sample_drivers
from drive.map import Area, Lane, Layer, build_map
from drive.scene import DT, EVENT_COLUMNS, HISTORY_STEPS, AgentKind, Lights, Paths, Scenario, Tracks
from drive.vehicle import EGO_COLUMNS, PACIFICA, Ego

AGENTS = 64
STEPS = 80  # simulated, 8 s
STREETS = 4  # in each direction of the compass, two lanes each
BLOCK = 80.0  # m between streets
LANE_WIDTH = 3.5
SPACING = 2.0
SPEED = 8.0
LIMIT = 13.9


def town(seed: int) -> Scenario:
    """One scene; ``seed`` moves the cars along their lanes and draws their drivers."""
    rng = np.random.default_rng(seed)
    extent = STREETS * BLOCK
    along = np.arange(-60.0, extent + 60.0, SPACING)
    lanes: list[Lane] = []
    areas, lines = [], []
    for vertical in (False, True):
        for street in range(STREETS):
            across = street * BLOCK + 40.0
            areas.append(Area(Layer.DRIVABLE, (_oriented(_strip(along, across, LANE_WIDTH), vertical),)))
            for forward in (True, False):
                offset = across + (-0.5 if forward else 0.5) * LANE_WIDTH
                points = np.column_stack((along if forward else along[::-1], np.full(len(along), offset)))
                line = _oriented(points, vertical)
                heading = np.arctan2(*(line[-1] - line[0])[::-1])
                lines.append(np.column_stack((line, np.full(len(line), heading))))
                ring = _oriented(_strip(along, offset, LANE_WIDTH / 2), vertical)
                lanes.append(Lane(f"lane-{len(lanes)}", lines[-1], ring, speed_limit=LIMIT))
    steps = HISTORY_STEPS + STEPS + 1
    each = AGENTS // len(lanes)
    travelled = SPEED * DT * np.arange(steps)
    position = np.zeros((AGENTS, steps, 2))
    heading = np.zeros((AGENTS, steps))
    paths = []
    for agent in range(AGENTS):
        line = lines[agent // each]
        begin = 20.0 + BLOCK * (agent % each) + rng.uniform(0.0, 0.5 * BLOCK)
        direction = np.array((np.cos(line[0, 2]), np.sin(line[0, 2])))
        position[agent] = line[0, :2] + (begin + travelled)[:, None] * direction
        heading[agent] = line[0, 2]
        paths.append(line[:, :2])
    reference = np.zeros((steps, EGO_COLUMNS))
    reference[:, Ego.X] = along[0] + PACIFICA.rear + travelled
    reference[:, Ego.Y] = 40.0 - 0.5 * LANE_WIDTH
    reference[:, Ego.VX] = SPEED
    kind = np.full(AGENTS, AgentKind.CAR, np.int8)
    scenario = Scenario(
        id=f"town-{seed:06d}",
        source="generated",
        family="bench",
        group=f"town-{seed:06d}",
        origin=np.zeros(3),
        t0_us=0,
        start=HISTORY_STEPS,
        map=build_map(lanes, areas),
        tracks=Tracks(
            ids=tuple(f"car-{agent}" for agent in range(AGENTS)),
            kind=kind,
            size=np.tile((4.6, 1.9), (AGENTS, 1)),
            position=position,
            heading=heading,
            velocity=SPEED * np.stack((np.cos(heading), np.sin(heading)), axis=-1),
            valid=np.ones((AGENTS, steps), np.bool_),
            cues=np.zeros((AGENTS, steps), np.uint8),
        ),
        lights=Lights(np.zeros(0, np.int32), np.zeros((0, 2)), np.zeros((0, steps), np.int8)),
        ego_vehicle=PACIFICA,
        route=np.zeros(1, np.int32),
        goal=np.array((extent, 40.0 - 0.5 * LANE_WIDTH)),
        reference=reference,
        drivers=sample_drivers(kind, rng),
        script=np.zeros((0, EVENT_COLUMNS)),
        paths=Paths(
            points=np.concatenate(paths),
            limit=np.full(sum(map(len, paths)), LIMIT),
            ptr=np.concatenate(((0,), np.cumsum([len(path) for path in paths]))).astype(np.int32),
        ),
    )
    scenario.validate()
    return scenario


def _strip(along: np.ndarray, across: float, half: float) -> np.ndarray:
    low, high = along[0], along[-1]
    return np.array([[low, across - half], [high, across - half], [high, across + half], [low, across + half]])


def _oriented(points: np.ndarray, vertical: bool) -> np.ndarray:
    """Streets along y are the streets along x turned by a quarter."""
    return np.column_stack((STREETS * BLOCK - points[:, 1], points[:, 0])) if vertical else points
