"""One ScenarioNet file: the dictionary in it, with checks that name file and field."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.errors import DataError
from scenarios.openscene.unpickle import read_pickle

Float = NDArray[np.float64]

# The data set that our own export names: its files say more than the format asks for, and need no repair.
OWN = "drive"
_REQUIRED = ("id", "length", "metadata", "tracks", "dynamic_map_states", "map_features")
# Beyond this [m] a place can only be damage; -10000 in all fields marks frames without an object.
FARTHEST = 1e6
ABSENT = -10000.0


@dataclass(frozen=True)
class Content:
    """A scenario file: ``path``, its dictionary ``data``, the number of frames ``length``, the ``dataset`` it is of."""

    path: Path
    data: dict[str, Any]
    length: int
    dataset: str

    def error(self, field: str, what: str) -> DataError:
        """The sentence that names file and field."""
        return DataError(f"{self.path}, {field}: {what}")

    def inside(self, holder: Any, key: str, field: str, kind: type) -> Any:
        """``holder[key]`` if it is of a type, else an error on the field."""
        if not isinstance(holder, dict) or key not in holder:
            raise self.error(f"{field}.{key}" if field else key, "is missing")
        if not isinstance(holder[key], kind):
            found = type(holder[key]).__name__
            raise self.error(f"{field}.{key}" if field else key, f"is {found}, expected {kind.__name__}")
        return holder[key]

    def numbers(self, value: Any, field: str, columns: int | None = None, rows: int | None = None) -> Float:
        """Finite float64 ``[rows]`` or ``[rows, >= columns]``; a second axis of length 1 is dropped."""
        try:
            found = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            raise self.error(field, "expected numbers") from None
        if columns is None and found.ndim == 2 and found.shape[1] == 1:
            found = found[:, 0]
        wanted = 1 if columns is None else 2
        if found.ndim != wanted or (columns is not None and found.shape[1] < columns):
            form = "[n]" if columns is None else f"[n, {columns}]"
            raise self.error(field, f"has shape {found.shape}, expected {form}")
        if rows is not None and len(found) != rows:
            raise self.error(field, f"has {len(found)} entries, expected {rows}, one a frame")
        return found


def read_file(path: Path) -> Content:
    """Read a scenario file; what it holds is checked as it is used.

    Raises:
        DataError: It is no pickle of plain data, or lacks what every scenario has.
    """
    data = read_pickle(path)
    if not isinstance(data, dict):
        raise DataError(f"{path} holds {type(data).__name__}, expected a ScenarioNet scenario (a dict)")
    for name in _REQUIRED:
        if name not in data:
            raise DataError(f"{path}, {name}: is missing; expected a ScenarioNet scenario")
    content = Content(path, data, 0, "")
    metadata = content.inside(data, "metadata", "", dict)
    length = data["length"]
    if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 1:
        raise content.error("length", f"is {length!r}, expected the number of frames")
    for name in ("tracks", "dynamic_map_states", "map_features"):
        content.inside(data, name, "", dict)
    return Content(path, data, int(length), str(metadata.get("dataset", "unknown")).lower() or "unknown")
