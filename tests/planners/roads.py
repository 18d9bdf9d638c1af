"""Hand-made roads for planner tests: lanes along any curve, joined into routes, with lights and agents on them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from drive.drivers import default_drivers
from drive.map import Area, Lane, Layer, StopCause, StopLine, build_map
from drive.scene import Lights, LightState, Scenario
from drive.vehicle import Ego
from tests.scenes import START, STEPS, straight_scene


def curve(*pieces: tuple[float, float], start: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    """Poses ``[P, 3]`` every metre along pieces of (length [m], radius [m]; 0 = straight, negative = to the right)."""
    x, y, heading = start
    poses = [(x, y, heading)]
    for length, radius in pieces:
        for _ in range(int(length)):
            turn = 1.0 / radius if radius else 0.0
            x += np.cos(heading + turn / 2)
            y += np.sin(heading + turn / 2)
            heading += turn
            poses.append((x, y, heading))
    return np.array(poses)


def lane(name: str, poses: np.ndarray, width: float = 3.6, **fields: object) -> Lane:
    """A lane of constant width around a centreline."""
    left = np.column_stack((-np.sin(poses[:, 2]), np.cos(poses[:, 2]))) * width / 2
    polygon = np.concatenate((poses[:, :2] - left, (poses[:, :2] + left)[::-1]))
    return Lane(id=name, centerline=poses, polygon=polygon, **fields)


def scene(
    lanes: Sequence[Lane],
    route: Sequence[str],
    start: tuple[float, float, float],
    speed: float,
    agents: Sequence[object] = (),
    lights: dict[str, LightState] | None = None,
    stop_lines: Sequence[StopLine] = (),
    **changes: object,
) -> Scenario:
    """A scene on the given lanes, the ego at ``start`` driving straight on; ``lights`` hold a state per lane."""
    vector_map = build_map(lanes, [Area(Layer.DRIVABLE, (item.polygon,)) for item in lanes], stop_lines)
    names = list(lights or {})
    index = [vector_map.lane_ids.index(name) for name in names]
    signals = Lights(
        np.array(index, np.int32),
        np.array([vector_map.lane_centerline(number)[0, :2] for number in index]).reshape(-1, 2),
        np.array([np.full(STEPS, lights[name]) for name in names], np.int8).reshape(-1, STEPS),
    )
    drivers = default_drivers(np.array([kind for kind, _, _ in agents], np.int8))
    made = straight_scene(agents, speed, vector_map, signals, **({"drivers": drivers} | changes))
    reference = made.reference.copy()
    t = 0.1 * (np.arange(STEPS) - START)
    x, y, heading = start
    reference[:, Ego.X] = x + speed * t * np.cos(heading)
    reference[:, Ego.Y] = y + speed * t * np.sin(heading)
    reference[:, Ego.HEADING] = heading
    wanted = np.array([vector_map.lane_ids.index(name) for name in route], np.int32)
    made = replace(made, reference=reference, route=wanted, goal=reference[-1, :2].copy())
    made.validate()
    return made


def signal_line(at: np.ndarray, *lanes: str, width: float = 3.6, cause: StopCause = StopCause.SIGNAL) -> StopLine:
    """A stop line across a lane at the pose ``at``."""
    left = np.array([-np.sin(at[2]), np.cos(at[2])]) * width / 2
    return StopLine(np.array([at[:2] - left, at[:2] + left]), lanes, cause)
