"""Scenes in one small file: what a suite ships where its scenes must be the same everywhere, and at once.

Most numbers of generated scenes have four to six decimals. As whole numbers of the last one, and as differences from
one sample or point to the next, they take a tenth of the room, and come back to the last bit.
"""

import io
import lzma
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.errors import DataError
from drive.scene import Scenario
from scenarios.codec import decode, encode

DECIMALS = (4, 5, 6)
JSON = "json"


def pack(scenarios: Sequence[Scenario]) -> bytes:
    """The content of a file of scenarios. Arrays of more than six decimals are kept as they are."""
    found = {}
    for number, scenario in enumerate(scenarios):
        arrays, text = encode(scenario)
        found[f"{number}/{JSON}"] = np.frombuffer(text.encode(), np.uint8)
        for name, values in arrays.items():
            places = next((places for places in DECIMALS if _fits(values, places)), None)
            if places is None:
                found[f"{number}/{name}"] = values
                continue
            whole, axis = _whole(values, places), _axis(name, values)
            steps = np.diff(whole, axis=axis, prepend=np.zeros_like(whole.take([0], axis)))
            found[f"{number}/{name}/{places}"] = steps
    file = io.BytesIO()
    np.savez(file, **found)
    return lzma.compress(file.getvalue(), preset=9)


def unpack(content: bytes, where: str) -> list[Scenario]:
    """The scenarios of :func:`pack`; ``where`` names the file in errors.

    Raises:
        DataError: The content is damaged.
    """
    texts: dict[str, str] = {}
    arrays: dict[str, dict[str, NDArray[Any]]] = {}
    try:
        with np.load(io.BytesIO(lzma.decompress(content)), allow_pickle=False) as file:
            for key in file.files:
                number, name, *how = key.split("/")
                values = file[key]
                if name == JSON:
                    texts[number] = values.tobytes().decode()
                    continue
                if how:
                    values = np.cumsum(values, axis=_axis(name, values)) / 10 ** int(how[0])
                arrays.setdefault(number, {})[name] = values
        return [decode(Scenario, arrays[number], text) for number, text in texts.items()]
    except (lzma.LZMAError, zipfile.BadZipFile, EOFError, OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the packed scenes in {where} are damaged: {error}") from None


def _whole(values: NDArray[Any], places: int) -> NDArray[np.int64]:
    return np.rint(values * 10**places).astype(np.int64)


def _fits(values: NDArray[Any], places: int) -> bool:
    """True if numbers survive as whole ones of a decimal place, their zeros' signs included."""
    if values.dtype != np.float64 or not values.size:
        return False
    return (_whole(values, places) / 10**places).tobytes() == values.tobytes()


def _axis(name: str, values: NDArray[Any]) -> int:
    """Along which numbers change least: that of time in tracks ``[agent, time, ...]``, that of points elsewhere."""
    return 1 if name.startswith("tracks.") and values.ndim > 1 else 0
