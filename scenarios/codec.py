"""Any dataclass of arrays <-> (flat arrays, JSON): what the store writes, and what a scenario's digest covers.

Arrays go out under their dotted field path (``map.centerline``); everything else becomes JSON. Python writes the
shortest decimal that reads back as the same float64, so numbers survive exactly. Decoding follows the type hints.
"""

import hashlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.errors import DataError
from drive.scene import Scenario

Arrays = dict[str, NDArray[Any]]


def encode(value: Any) -> tuple[Arrays, str]:
    """Split a dataclass into C-contiguous arrays by dotted field path and canonical JSON of all other fields.

    Raises:
        DataError: A field holds something that is neither an array, a dataclass nor JSON (NaN included).
    """
    arrays: Arrays = {}
    tree = _encode(value, "", arrays)
    try:
        text = json.dumps(tree, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        name = getattr(value, "id", type(value).__name__)
        raise DataError(f"{name!r} cannot be stored: {error}; fields must be arrays, numbers or plain data") from None
    return arrays, text


def decode(kind: type, arrays: Mapping[str, NDArray[Any]], text: str) -> Any:
    """Rebuild the dataclass ``kind`` from :func:`encode`'s result.

    Raises:
        KeyError, TypeError, ValueError: The fields are not those of ``kind`` (written by another version).
    """
    return _decode(kind, json.loads(text), "", arrays)


def digest(arrays: Mapping[str, NDArray[Any]], text: str) -> str:
    """sha256 (hex) over names, dtypes, shapes and bytes of the arrays, and the JSON text."""
    total = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def scenario_digest(scenario: Scenario) -> str:
    """sha256 (hex) over every field of a scenario; equal digests mean equal scenarios, to the last bit."""
    return digest(*encode(scenario))


def _encode(value: Any, path: str, arrays: Arrays) -> Any:
    if isinstance(value, np.ndarray):
        arrays[path] = np.ascontiguousarray(value)
        return None
    if is_dataclass(value):
        prefix = f"{path}." if path else ""
        return {item.name: _encode(getattr(value, item.name), prefix + item.name, arrays) for item in fields(value)}
    return value


def _decode(kind: Any, tree: Any, path: str, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if path in arrays:
        return arrays[path]
    if tree is None:
        if not _optional(kind):
            raise KeyError(path)
        return None
    for option in typing.get_args(kind) if _is_union(kind) else (kind,):
        if _is_record(option):
            hints = _hints(option)
            if set(hints) != set(tree):
                raise KeyError(f"{path} has other fields than {option}")
            prefix = f"{path}." if path else ""
            return option(**{name: _decode(hint, tree[name], prefix + name, arrays) for name, hint in hints.items()})
    return tuple(tree) if typing.get_origin(kind) is tuple else tree


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def _is_record(kind: Any) -> bool:
    return is_dataclass(kind)


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _optional(kind: Any) -> bool:
    return _is_union(kind) and type(None) in typing.get_args(kind)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} {value!r} is not plain data")
