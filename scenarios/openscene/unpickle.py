"""The only place where pickles are read or written: NumPy arrays and plain containers, and nothing else.

A pickle is a program that may call whatever it names. Here it can name only the functions that NumPy itself writes into
pickles of arrays and numbers; any other name is refused before anything is called.
"""

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from drive.errors import DataError


def _latin1(text: str, encoding: str) -> bytes:
    """What pickles of protocol 2 write bytes as; the codec they name is never looked up."""
    if encoding != "latin1":
        raise ValueError(f"bytes in encoding {encoding!r}")
    return text.encode("latin1")


def _admitted() -> dict[tuple[str, str], Any]:
    """Module and name in the pickle -> what it stands for. NumPy 1 and 2 write different module names."""
    array = np.zeros(1)
    found: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _latin1,
        ("collections", "OrderedDict"): OrderedDict,
    }
    for kind in (set, frozenset, complex, bytearray):
        for builtins in ("builtins", "__builtin__"):  # protocol 2 keeps the old name
            found[builtins, kind.__name__] = kind
    for core in ("numpy.core", "numpy._core"):
        found[f"{core}.multiarray", "_reconstruct"] = array.__reduce__()[0]
        found[f"{core}.multiarray", "scalar"] = array[0].__reduce__()[0]
        found[f"{core}.numeric", "_frombuffer"] = array.__reduce_ex__(5)[0]
    return found


_ADMITTED = _admitted()


class _Refused(Exception):
    """A name that plain data does not need."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes, holders: Collection[tuple[str, str]]) -> None:
        super().__init__(io.BytesIO(content))
        # classes of this one reading: a pickle can write into a class that it names
        self._known = {**_ADMITTED, **{key: type(key[1], (), {}) for key in holders}}

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        try:
            admitted: Callable[..., Any] = self._known[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None
        return admitted


def read_pickle(path: Path, holders: Collection[tuple[str, str]] = ()) -> Any:
    """The content of a pickle file made of NumPy arrays and numbers, lists, tuples, dicts, sets, text and numbers.

    Objects of the classes ``holders`` (module, name) are read as well, as objects of an empty class of the same name
    with the attributes they were written with; no code of those classes is looked for.

    Raises:
        DataError: The file cannot be read, is damaged, or names anything else (the sentence says what).
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        return _Unpickler(content, holders).load()
    except _Refused as refused:
        raise DataError(
            f"{path} was refused, because it asks for {refused}: only NumPy arrays and plain containers"
            f"{''.join(f', {name}' for _, name in holders)} are unpickled"
        ) from None
    except Exception as error:  # noqa: BLE001 - border: a damaged pickle fails in any way it likes
        said = f"{type(error).__name__}: {error}"
        raise DataError(f"{path} is not a whole pickle ({said}); it may be truncated, get the file again") from None


def write_pickle(path: Path, content: Any) -> None:
    """Write plain containers and arrays, so that NumPy 1 and 2 and :func:`read_pickle` all read them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=4))
