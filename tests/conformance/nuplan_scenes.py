"""Small hand-made worlds and drives in the form of nuPlan's conformance cases: a straight road along x.

Lanes ``a`` (centred on y = 0) and ``a2`` (y = 4) from x = -60 to 80, connectors ``c`` and ``c2`` to 100 in an
intersection, lanes ``b`` and ``b2`` to 300, and the oncoming lane ``o`` (y = 8) from 300 to -60. Lanes are 4 m wide.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.conformance.nuplan import score_case

SAMPLES = 60
LIMIT = 13.0
CENTER, FRONT, REAR = 1.461, 4.049, -1.127  # of the ego's box, from its rear axle


def box(x0: float, x1: float, y0: float, y1: float) -> list[list[float]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def lane(name: str, roadblock: str, x0: float, x1: float, y: float, **fields: Any) -> dict[str, Any]:
    x = np.linspace(x0, x1, round(abs(x1 - x0)) + 1)
    return {
        "id": name,
        "roadblock": roadblock,
        "polygon": box(min(x0, x1), max(x0, x1), y - 2.0, y + 2.0),
        "baseline": np.column_stack((x, np.full(len(x), y))).tolist(),
        "speed_limit": LIMIT,
        **fields,
    }


def road() -> dict[str, Any]:
    connector = {"stop_lines": ""}
    return {
        "lanes": [
            lane("a", "ra", -60, 80, 0.0),
            lane("a2", "ra", -60, 80, 4.0),
            lane("b", "rb", 100, 300, 0.0),
            lane("b2", "rb", 100, 300, 4.0),
            lane("o", "ro", 300, -60, 8.0),
        ],
        "connectors": [
            lane("c", "rc", 80, 100, 0.0, **{"from": "a", "to": "b"}, **connector),
            lane("c2", "rc", 80, 100, 4.0, **{"from": "a2", "to": "b2"}, **connector),
        ],
        "roadblocks": [
            {"id": "ra", "polygon": box(-60, 80, -2, 6)},
            {"id": "rb", "polygon": box(100, 300, -2, 6)},
            {"id": "ro", "polygon": box(-60, 300, 6, 10)},
        ],
        "roadblock_connectors": [{"id": "rc", "polygon": box(80, 100, -2, 6), "from": "ra", "to": "rb"}],
        "intersections": [{"id": "i", "polygon": box(80, 100, -2, 10)}],
        "road_segments": [{"id": "s", "polygon": box(-60, 300, -2, 10)}],
        "generic_drivable_areas": [],
        "carpark_areas": [],
        "stop_lines": [],
    }


def ego(x: Any, y: Any = 0.0, speed: float = 0.0, heading: float = 0.0, samples: int = SAMPLES) -> np.ndarray:
    """History ``[samples, 10]`` of rear-axle states; ``x`` and ``y`` are numbers or series."""
    states = np.zeros((samples, 10))
    states[:, 0], states[:, 1], states[:, 2], states[:, 3] = x, y, heading, speed
    return states


def cruise(x0: float = 0.0, speed: float = 8.0, samples: int = SAMPLES, **fields: float) -> np.ndarray:
    """Straight along x at constant speed."""
    return ego(x0 + 0.1 * speed * np.arange(samples), speed=speed, samples=samples, **fields)


def track(
    x: Any, y: Any = 0.0, heading: float = 0.0, velocity: Sequence[float] = (0.0, 0.0), **fields: Any
) -> dict[str, Any]:
    """A car, unless ``fields`` say otherwise; ``x`` and ``y`` of its centre are numbers or series of SAMPLES + 1."""
    rows = np.zeros((SAMPLES + 1, 5))
    rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3:] = x, y, heading, velocity
    car = {"token": "t", "type": "vehicle", "length": 4.0, "width": 1.8, "height": 1.5}
    return {**car, "states": rows.tolist(), **fields}


def case(
    states: np.ndarray, *tracks: dict[str, Any], expert: np.ndarray | None = None, interval_us: int = 100_000
) -> dict[str, Any]:
    """A case whose expert is the ego driving one more step, unless given."""
    if expert is None:
        expert = np.vstack((states, states[-1:]))
        expert[-1, :2] += states[-1, :2] - states[-2, :2]
    return {
        "id": "made",
        "map_id": "road",
        "time_us": [1_600_000_000_000_000 + interval_us * k for k in range(len(states) + 1)],
        "ego": states.tolist(),
        "expert": expert[:, :3].tolist(),
        "tracks": list(tracks),
    }


def scored(made: dict[str, Any], world: dict[str, Any] | None = None) -> dict[str, Any]:
    return score_case(made, {"road": world or road()})


def driven(
    *tracks: dict[str, Any],
    start: np.ndarray | None = None,
    world: dict[str, Any] | None = None,
    lights: Any = None,
    samples: int = SAMPLES,
) -> dict[str, Any]:
    """The reactive part of a closed-loop case: the ego stands at x = -40, unless ``start`` says otherwise."""
    states = ego(-40.0, samples=2) if start is None else start
    made = {
        "id": "made",
        "map_id": "road",
        "time_us": [1_600_000_000_000_000 + 100_000 * k for k in range(samples + 1)],
        "ego0": states[0].tolist(),
        "reference": [states[0, :3].tolist()],
        "plan_steps": 40,
        "expert": np.tile(states[0, :3], (samples + 1, 1)).tolist(),
        "tracks": list(tracks),
        "lights": lights,
    }
    record: dict[str, Any] = score_case(made, {"road": world or road()})["reactive"]
    return record
