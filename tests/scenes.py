"""Small hand-made scenes for tests: a straight road with any number of agents on it."""

import numpy as np

from drive.map import Area, Lane, Layer, VectorMap, build_map
from drive.scene import DRIVER_COLUMNS, EVENT_COLUMNS, AgentKind, Lights, Scenario, Tracks
from drive.vehicle import EGO_COLUMNS, PACIFICA, Ego

STEPS = 101
START = 20


def straight_map(length: float = 400.0, lanes: int = 2, width: float = 3.5, limit: float | None = 13.9) -> VectorMap:
    """``lanes`` lanes along x from -100 m on; lane 0 is centred on y = 0, the others to its left; one drivable area."""
    x = np.arange(-100.0, length + 1.0, 2.0)
    built = []
    for number in range(lanes):
        y = number * width
        side = np.column_stack((x, np.full(len(x), y)))
        half = np.array([0.0, width / 2])
        polygon = np.concatenate((side - half, (side + half)[::-1]))
        built.append(
            Lane(
                id=f"lane-{number}",
                centerline=np.column_stack((side, np.zeros(len(x)))),
                polygon=polygon,
                left=f"lane-{number + 1}" if number + 1 < lanes else None,
                right=f"lane-{number - 1}" if number else None,
                group="road",
                speed_limit=limit,
            )
        )
    low, high = -width / 2, (lanes - 0.5) * width
    road = np.array([[x[0], low], [x[-1], low], [x[-1], high], [x[0], high]])
    return build_map(built, [Area(Layer.DRIVABLE, (road,))])


def moving(
    start: tuple[float, float], speed: float, heading: float = 0.0, steps: int = STEPS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position ``[T, 2]``, heading ``[T]``, velocity ``[T, 2]`` at constant speed; at ``start`` in step START."""
    t = 0.1 * (np.arange(steps) - START)
    velocity = speed * np.array([np.cos(heading), np.sin(heading)])
    return np.array(start) + t[:, None] * velocity, np.full(steps, heading), np.tile(velocity, (steps, 1))


def straight_scene(
    agents: list[tuple[AgentKind, tuple[float, float], tuple[np.ndarray, np.ndarray, np.ndarray]]] = (),
    speed: float = 10.0,
    vector_map: VectorMap | None = None,
    lights: Lights | None = None,
    **changes: object,
) -> Scenario:
    """A scene on :func:`straight_map`: the ego drives lane 0 at ``speed``; agents are (kind, size, motion)."""
    count = len(agents)
    reference = np.zeros((STEPS, EGO_COLUMNS))
    reference[:, Ego.X] = speed * 0.1 * (np.arange(STEPS) - START)
    reference[:, Ego.VX] = speed
    motions = [motion for _, _, motion in agents]
    tracks = Tracks(
        ids=tuple(f"agent-{number}" for number in range(count)),
        kind=np.array([kind for kind, _, _ in agents], np.int8),
        size=np.array([size for _, size, _ in agents], np.float64).reshape(count, 2),
        position=np.array([motion[0] for motion in motions]).reshape(count, STEPS, 2),
        heading=np.array([motion[1] for motion in motions]).reshape(count, STEPS),
        velocity=np.array([motion[2] for motion in motions]).reshape(count, STEPS, 2),
        valid=np.ones((count, STEPS), np.bool_),
        cues=np.zeros((count, STEPS), np.uint8),
    )
    none = Lights(np.zeros(0, np.int32), np.zeros((0, 2)), np.zeros((0, STEPS), np.int8))
    fields: dict[str, object] = {
        "id": "straight",
        "source": "test",
        "family": "straight",
        "group": "straight",
        "origin": np.zeros(3),
        "t0_us": 0,
        "start": START,
        "map": vector_map or straight_map(),
        "tracks": tracks,
        "lights": lights or none,
        "ego_vehicle": PACIFICA,
        "route": np.array([0], np.int32),
        "goal": reference[-1, :2].copy(),
        "reference": reference,
        "drivers": np.zeros((count, DRIVER_COLUMNS)),
        "script": np.zeros((0, EVENT_COLUMNS)),
    }
    scenario = Scenario(**(fields | changes))
    scenario.validate()
    return scenario
