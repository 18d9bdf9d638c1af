"""GPUDrive JSON made for the tests: a road with a junction, one side road, and a stop sign."""

import json
from pathlib import Path
from typing import Any

import numpy as np

FRAMES = 91
BASE = np.array((-5000.0, 7000.0))
SPEED = 6.0


def at(x: float, y: float) -> dict[str, float]:
    """A global point of the road's frame."""
    return {"x": float(BASE[0] + x), "y": float(BASE[1] + y), "z": 3.0}


def thing(kind: str, x: np.ndarray, y: float, speed: float, size: tuple[float, float], name: int) -> dict[str, Any]:
    """An object along the road; NaN in ``x``: not seen, with -10000 in all fields."""
    seen = np.isfinite(x)
    gone = {"x": -10000.0, "y": -10000.0, "z": -10000.0}
    return {
        "position": [at(value, y) if there else gone for value, there in zip(x, seen, strict=True)],
        "width": size[1],
        "length": size[0],
        "height": 1.5,
        "heading": [0.0 if there else -10000.0 for there in seen],
        "velocity": [{"x": speed, "y": 0.0} if there else {"x": -10000.0, "y": -10000.0} for there in seen],
        "valid": [bool(there) for there in seen],
        "goalPosition": at(float(np.nanmax(x)), y),
        "type": kind,
        "id": name,
        "mark_as_expert": False,
    }


def _road(kind: str, points: list[dict[str, float]], name: int, element: int) -> dict[str, Any]:
    return {"geometry": points, "type": kind, "map_element_id": element, "id": name}


def _line(points: np.ndarray) -> list[dict[str, float]]:
    return [at(x, y) for x, y in points]


def scene() -> dict[str, Any]:
    """The ego at 6 m/s through the junction, a car ahead that is hidden for a second, a walker, a bicycle."""
    frames = np.arange(FRAMES)
    ahead = 30.0 + 0.7 * frames
    ahead[40:50] = np.nan
    ego = thing("vehicle", -20.0 + 0.1 * SPEED * frames, 0.0, SPEED, (5.286, 2.332), 900)
    objects = [
        thing("vehicle", ahead, 0.0, 7.0, (4.6, 1.9), 3),
        thing("pedestrian", 5.0 + 0.1 * frames, -7.0, 1.0, (0.7, 0.6), 4),
        thing("cyclist", -30.0 + 0.4 * frames, -2.5, 4.0, (1.8, 0.7), 5),
        ego,
    ]
    along = np.arange(0.0, 10.01, 0.5)

    def straight(low: float, high: float, y: float) -> np.ndarray:
        return np.column_stack(
            (np.linspace(low, high, int(2 * abs(high - low)) + 1), np.full(int(2 * abs(high - low)) + 1, y))
        )

    angle = np.linspace(0.0, np.pi / 2, 21)
    left = np.column_stack((10.0 * np.sin(angle), 10.0 * (1 - np.cos(angle))))
    up = np.column_stack((np.full(101, 10.0), np.linspace(10.0, 60.0, 101)))
    down = up[::-1] - (3.5, 0.0)
    enter = np.column_stack((np.full(21, 6.5), 10.0 - along))[: int(2 * 6.5) + 1]
    roads = [
        _road("lane", _line(straight(-80, 0, 0.0)), 1, 2),
        _road("lane", _line(straight(0, 20, 0.0)), 2, 2),
        _road("lane", _line(straight(20, 120, 0.0)), 3, 2),
        _road("lane", _line(left), 4, 2),
        _road("lane", _line(up), 5, 2),
        _road("lane", _line(straight(120, 20, 3.5)), 6, 2),
        _road("lane", _line(straight(20, 0, 3.5)), 7, 2),
        _road("lane", _line(straight(0, -80, 3.5)), 8, 2),
        _road("lane", _line(down), 9, 1),
        _road("lane", _line(np.vstack((enter, (6.5, 3.0), (4.0, 3.5), (0.0, 3.5)))), 10, 0),
        _road("lane", _line(straight(-80, 120, -2.5)), 11, 3),
        _road("lane", [at(0, 0)], 12, 2),
        _road("road_edge", _line(straight(-85, 125, -4.0)), 20, 15),
        _road("road_edge", _line(np.vstack((straight(125, 16, 6.0), straight(16, 14, 6.0), [(14.0, 65.0)]))), 21, 15),
        _road("road_edge", _line(np.vstack(([(4.0, 65.0)], [(4.0, 6.0)], straight(2, -85, 6.0)))), 22, 15),
        _road("road_line", _line(straight(-80, 0, 1.75)), 30, 11),
        _road("crosswalk", [at(1, -4), at(3, -4), at(3, 6), at(1, 6)], 31, 18),
        _road("driveway", [at(-40, -12), at(-34, -12), at(-34, -4), at(-40, -4)], 32, 20),
        _road("speed_bump", [at(-60, -4), at(-59, -4), at(-59, 6), at(-60, 6)], 33, 19),
        _road("stop_sign", [at(-1.0, -5.0)], 34, 17),
        _road("stop_sign", [at(70.0, -30.0)], 35, 17),
    ]
    red = {"state": ["stop", "arrow_caution", "go", "flashing_stop"], "time_index": [10, 11, 12, 13]}
    place = at(-0.5, 0.0)
    return {
        "name": "made.json",
        "scenario_id": "abc",
        "objects": objects,
        "roads": roads,
        "tl_states": {"2": red | {axis: [place[axis]] * 4 for axis in "xyz"}},
        "metadata": {"sdc_track_index": 3, "objects_of_interest": [3], "tracks_to_predict": []},
    }


def write(folder: Path, content: Any = None, name: str = "made") -> Path:
    """``<folder>/<name>.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(scene() if content is None else content))
    return path
