"""One GPUDrive JSON file, with checks that name file and field."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.errors import DataError
from scenarios.nuscenes.tables import read_json

Float = NDArray[np.float64]

# Beyond this [m] a place can only be damage.
FARTHEST = 1e6


@dataclass(frozen=True)
class Content:
    """A file: its ``path`` and its dictionary ``data``."""

    path: Path
    data: dict[str, Any]

    def error(self, field: str, what: str) -> DataError:
        """The sentence that names file and field."""
        return DataError(f"{self.path}, {field}: {what}")

    def inside(self, holder: Any, key: str, field: str, *kinds: type) -> Any:
        """``holder[key]`` if it is of one of the types, else an error on the field."""
        name = f"{field}.{key}" if field else key
        if not isinstance(holder, dict) or key not in holder:
            raise self.error(name, "is missing")
        if not isinstance(holder[key], kinds) or (isinstance(holder[key], bool) and bool not in kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise self.error(name, f"is {type(holder[key]).__name__}, expected {wanted}")
        return holder[key]

    def numbers(self, value: Any, field: str) -> Float:
        """A list of numbers as float64 ``[n]``."""
        try:
            found = np.asarray(value, np.float64)
        except (TypeError, ValueError):
            found = np.zeros((0, 0))
        if found.ndim != 1:
            raise self.error(field, "expected a list of numbers")
        return found

    def places(self, value: Any, field: str) -> Float:
        """A list of records with x and y as float64 ``[n, 2]``."""
        try:
            return np.array([(item["x"], item["y"]) for item in value], np.float64).reshape(-1, 2)
        except (TypeError, KeyError, ValueError):
            raise self.error(field, "expected a list of records with numbers x and y") from None


def read_file(path: Path) -> Content:
    """Read a file; what it holds is checked as it is used.

    Raises:
        DataError: It is no JSON, or lacks what every scene has.
    """
    data = read_json(path)
    if not isinstance(data, dict):
        raise DataError(f"{path} holds {type(data).__name__}, expected a GPUDrive scene (an object)")
    content = Content(path, data)
    for name in ("objects", "roads"):
        content.inside(data, name, "", list)
    if not isinstance(data.get("metadata"), dict):
        raise content.error(
            "metadata.sdc_track_index",
            "is missing, and without it nothing says which object is the ego (files of early GPUDrive and Nocturne "
            "lack it); convert the scenario again",
        )
    return content
