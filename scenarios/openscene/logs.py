"""One OpenScene / NAVSIM log: a pickled list of 2 Hz frames, read and checked field by field."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.errors import DataError
from drive.scene import AgentKind
from scenarios.openscene.unpickle import read_pickle

Float = NDArray[np.float64]

KINDS = {
    "vehicle": AgentKind.CAR,
    "pedestrian": AgentKind.PEDESTRIAN,
    "bicycle": AgentKind.BICYCLE,
    "traffic_cone": AgentKind.TRAFFIC_CONE,
    "barrier": AgentKind.BARRIER,
    "czone_sign": AgentKind.SIGN,
    "generic_object": AgentKind.GENERIC_OBJECT,
}
COMMANDS = ("left", "straight", "right", "unknown")
# Boxes and places beyond these [m] can only be damage. UTM northings reach 1e7 m.
_LARGEST = 150.0
_FARTHEST = 2e7
_NORM = 1e-3


@dataclass(frozen=True)
class Frame:
    """One keyframe, N boxes.

    Attributes:
        token: Name of the frame.
        time_us: Time stamp [us].
        pose: ``[3]`` rear axle, x, y [m], yaw [rad] in the global frame (UTM, or the nuScenes map's).
        motion: ``[4]`` vx, vy [m/s], ax, ay [m/s2] at the rear axle, body frame.
        command: One of :data:`COMMANDS`.
        roadblocks: Ids of the route's roadblocks, in order; empty where there is no route.
        lights: ``(lane connector id, is red)`` of the signals known in this frame.
        boxes: ``[N, 7]`` x, y, z, length, width, height [m], yaw [rad]; ego frame (rear axle, x forward).
        kind: ``[N]`` int8, :class:`drive.scene.AgentKind`.
        velocity: ``[N, 2]`` m/s over ground, turned into ego axes.
        tracks: N names of the objects, the same in every frame.
    """

    token: str
    time_us: int
    pose: Float
    motion: Float
    command: str
    roadblocks: tuple[str, ...]
    lights: tuple[tuple[str, bool], ...]
    boxes: Float
    kind: NDArray[np.int8]
    velocity: Float
    tracks: tuple[str, ...]


@dataclass(frozen=True)
class Log:
    """One log file: ``location`` and ``vehicle`` as the file names them, at least one frame, times rising."""

    path: Path
    name: str
    location: str
    vehicle: str
    frames: tuple[Frame, ...]


def read_log(path: Path) -> Log:
    """Read a log file and check every field that is used.

    Raises:
        DataError: One sentence that names file, frame and field.
    """
    content = read_pickle(path)
    if not isinstance(content, list | tuple) or not all(isinstance(frame, dict) for frame in content):
        raise DataError(f"{path} holds {_described(content)}, expected an OpenScene log: a list of frames (dicts)")
    if not content:
        raise DataError(f"{path} holds no frames")
    readers = [_Fields(path, number, frame) for number, frame in enumerate(content)]
    same = {name: readers[0].text(name) for name in ("log_name", "map_location")}
    for name, first in same.items():
        for reader in readers[1:]:
            if reader.text(name) != first:
                raise reader.error(name, f"is {reader.text(name)!r}, but frame 0 says {first!r}")
    frames = tuple(_frame(reader) for reader in readers)
    seen: set[str] = set()
    for number, frame in enumerate(frames):
        if frame.token in seen:
            raise readers[number].error("token", f"{frame.token!r} is that of an earlier frame, tokens must be unique")
        seen.add(frame.token)
        if number and frame.time_us <= frames[number - 1].time_us:
            raise readers[number].error("timestamp", "is not after that of the frame before it")
    vehicle = content[0].get("vehicle_name", "")
    return Log(path, same["log_name"], same["map_location"], str(vehicle), frames)


class _Fields:
    """Access to the fields of one frame; every complaint names file, frame and field."""

    def __init__(self, path: Path, number: int, fields: dict[str, Any], prefix: str = "") -> None:
        self._path, self._number, self._fields, self._prefix = path, number, fields, prefix

    def error(self, field: str, what: str) -> DataError:
        return DataError(f"{self._path}, frame {self._number}: {self._prefix}{field} {what}")

    def get(self, field: str) -> Any:
        if field not in self._fields:
            raise self.error(field, "is missing")
        return self._fields[field]

    def inside(self, field: str) -> "_Fields":
        value = self.get(field)
        if not isinstance(value, dict):
            raise self.error(field, f"is {_described(value)}, expected a dict")
        return _Fields(self._path, self._number, value, f"{field}.")

    def text(self, field: str) -> str:
        value = self.get(field)
        if not isinstance(value, str) or not value:
            raise self.error(field, f"is {_described(value)}, expected text")
        return str(value)

    def integer(self, field: str) -> int:
        value = self.get(field)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            raise self.error(field, f"is {_described(value)}, expected a whole number of microseconds")
        return int(value)

    def numbers(self, field: str, shape: tuple[int | None, ...]) -> Float:
        """Finite numbers of a shape; None stands for any length."""
        value = self.get(field)
        expected = " x ".join("N" if size is None else str(size) for size in shape)
        try:
            array = np.asarray(value)
        except ValueError:  # ragged
            array = np.zeros((), object)
        if array.dtype.kind not in "iuf" and array.size:
            raise self.error(field, f"is {_described(value)}, expected {expected} numbers")
        if shape[0] is None and array.size == 0:
            return np.zeros((0, *(size or 0 for size in shape[1:])))
        fits = array.ndim == len(shape) and all(
            want in (None, size) for size, want in zip(array.shape, shape, strict=True)
        )
        if not fits:
            raise self.error(field, f"has shape {array.shape}, expected {expected}")
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            where = ", ".join(str(int(index)) for index in np.argwhere(~np.isfinite(array))[0])
            raise self.error(field, f"is not finite at [{where}]")
        return array

    def names(self, field: str, item: Callable[[Any], bool] = lambda value: isinstance(value, str)) -> tuple[str, ...]:
        value = self.get(field)
        if isinstance(value, np.ndarray) and value.ndim == 1:
            value = value.tolist()
        if not isinstance(value, list | tuple) or not all(item(name) for name in value):
            raise self.error(field, f"is {_described(value)}, expected a list of names")
        return tuple(str(name) for name in value)


def _frame(fields: _Fields) -> Frame:
    anns = fields.inside("anns")
    boxes = anns.numbers("gt_boxes", (None, 7))
    names = anns.names("gt_names")
    velocity = anns.numbers("gt_velocity_3d", (None, 3))
    tracks = anns.names("track_tokens")
    for field, found in (("gt_names", names), ("gt_velocity_3d", velocity), ("track_tokens", tracks)):
        if len(found) != len(boxes):
            raise anns.error(field, f"has {len(found)} entries, but anns.gt_boxes has {len(boxes)}")
    for name in names:
        if name not in KINDS:
            raise anns.error("gt_names", f"holds the class {name!r}, expected one of {', '.join(KINDS)}")
    if len(set(tracks)) < len(tracks):
        twice = next(name for name in tracks if tracks.count(name) > 1)
        raise anns.error("track_tokens", f"holds {twice!r} twice, an object has one box in a frame")
    size = boxes[:, 3:5]
    bad = np.flatnonzero(((size <= 0) | (size > _LARGEST)).any(axis=1))
    if bad.size:
        length, width = size[int(bad[0])]
        raise anns.error(
            "gt_boxes", f"{int(bad[0])} is {length:g} x {width:g} m, expected sizes above 0 and below {_LARGEST:.0f} m"
        )
    return Frame(
        token=fields.text("token"),
        time_us=fields.integer("timestamp"),
        pose=_pose(fields),
        motion=fields.numbers("ego_dynamic_state", (4,)),
        command=_command(fields),
        roadblocks=fields.names("roadblock_ids", lambda value: isinstance(value, str | int)),
        lights=_lights(fields),
        boxes=boxes,
        kind=np.array([KINDS[name] for name in names], np.int8),
        velocity=velocity[:, :2],
        tracks=tracks,
    )


def _pose(fields: _Fields) -> Float:
    translation = fields.numbers("ego2global_translation", (3,))
    if np.abs(translation[:2]).max() > _FARTHEST:
        raise fields.error("ego2global_translation", f"is {translation.tolist()}, off every map")
    rotation = fields.numbers("ego2global_rotation", (4,))
    norm = float(np.linalg.norm(rotation))
    if abs(norm - 1.0) > _NORM:
        raise fields.error("ego2global_rotation", f"has norm {norm:.4g}, expected a unit quaternion (w, x, y, z)")
    return np.array((*translation[:2], yaw(rotation / norm)))


def yaw(rotation: Float) -> float:
    """Yaw [rad] of a unit quaternion ``[4]`` (w, x, y, z).

    As NAVSIM takes it, from pyquaternion's ``yaw_pitch_roll``, whose w z and x y have opposite signs: on a car that
    pitches and rolls this differs from the heading of its x axis by some 1e-4 rad.
    """
    w, x, y, z = rotation
    return float(np.arctan2(2 * (w * z - x * y), 1 - 2 * (y * y + z * z)))


def _command(fields: _Fields) -> str:
    command = fields.numbers("driving_command", (4,))
    if not np.array_equal(np.sort(command), (0, 0, 0, 1)):
        raise fields.error("driving_command", f"is {command.tolist()}, expected one 1 among {', '.join(COMMANDS)}")
    return COMMANDS[int(command.argmax())]


def _lights(fields: _Fields) -> tuple[tuple[str, bool], ...]:
    value = fields.get("traffic_lights")
    pairs = value if isinstance(value, list | tuple) else None
    if pairs is None or not all(
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and isinstance(pair[0], str | int | np.integer)
        and isinstance(pair[1], bool | np.bool_)
        for pair in pairs
    ):
        raise fields.error(
            "traffic_lights", f"is {_described(value)}, expected pairs of a lane connector id and True (red) or False"
        )
    return tuple((str(connector), bool(red)) for connector, red in pairs)


def _described(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text}" if len(text) <= 60 else type(value).__name__
