"""Reading JSON cases field by field, with one clear sentence about what is wrong."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from drive.errors import DataError

Float = NDArray[np.float64]
Value = TypeVar("Value")

LARGEST = 1e9  # of any quantity in SI units: what is beyond is a mistake, and its square may overflow
LARGEST_WHOLE = 2**53
"""Whole numbers up to here, such as times in microseconds, are exact as floats."""


class Fields:
    """A JSON object and its name in error texts; every reader checks what it returns."""

    def __init__(self, content: Any, where: str | None = None) -> None:
        if not isinstance(content, Mapping):
            raise DataError(f"{where or 'a case'} is {_short(content)}, expected an object with fields")
        self._content = content
        self.name = str(content.get("id", "without id"))
        self.where = where or f"case {self.name!r}"

    def __getitem__(self, field: str) -> Any:
        if field not in self._content:
            raise DataError(f"{self.where} has no field {field!r}")
        return self._content[field]

    def wrong(self, field: str, why: str) -> DataError:
        """The error to raise about a field."""
        return DataError(f"{self.where}: {field} {why}")

    def optional(self, field: str) -> "Fields | None":
        """An object that may be absent or null."""
        return Fields(self._content[field], f"{self.where}, {field}") if self.has(field) else None

    def has(self, field: str) -> bool:
        """True if a field is there and not null."""
        return self._content.get(field) is not None

    def integer(self, field: str) -> int:
        """A whole number."""
        value = self[field]
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(field, f"is {_short(value)}, expected a whole number")
        if abs(value) > LARGEST_WHOLE:
            raise self.wrong(field, f"is {_short(value)}, expected a number up to {LARGEST_WHOLE}")
        return value

    def number(self, field: str) -> float:
        """A positive, finite number."""
        value = float(self.numbers(field, ()))
        if value <= 0.0:
            raise self.wrong(field, f"is {value}, expected a positive number")
        return value

    def numbers(self, field: str, shape: Sequence[int], least: int = 1, largest: float = LARGEST) -> Float:
        """An array of finite numbers; -1 in ``shape`` stands for any length of at least ``least``."""
        value = self[field]
        try:
            given = np.asarray(value)
        except ValueError:
            given = np.asarray(None)
        if given.dtype.kind not in "iuf":
            raise self.wrong(field, f"is ragged or no numbers: {_short(value)}")
        array = given.astype(np.float64)
        wanted = " x ".join("N" if size < 0 else str(size) for size in shape) or "one number"
        if array.ndim != len(shape) or any(size not in (-1, got) for size, got in zip(shape, array.shape, strict=True)):
            raise self.wrong(field, f"has shape {array.shape}, expected {wanted}")
        if array.ndim and shape[0] < 0 and len(array) < least:
            raise self.wrong(field, f"has {len(array)} rows, expected at least {least}")
        if not np.isfinite(array).all():
            raise self.wrong(field, "holds a number that is not finite")
        if array.size and np.abs(array).max() > largest:
            raise self.wrong(field, f"holds {array.flat[np.abs(array).argmax()]:g}, expected numbers up to {largest:g}")
        return array

    def states(self, field: str, samples: int, columns: int) -> tuple[Float, NDArray[np.bool_]]:
        """``samples`` rows of ``columns`` numbers, null where absent: values ``[samples, columns]`` and which exist."""
        rows = self[field]
        if not isinstance(rows, list) or len(rows) != samples:
            raise self.wrong(field, f"has {len(rows) if isinstance(rows, list) else 'no'} samples, expected {samples}")
        values, valid = np.zeros((samples, columns)), np.zeros(samples, np.bool_)
        there = [number for number, row in enumerate(rows) if row is not None]
        if there:
            values[there] = Fields({field: [rows[number] for number in there]}, self.where).numbers(
                field, (len(there), columns)
            )
            valid[there] = True
        return values, valid

    def texts(self, field: str) -> list[str]:
        """A list of texts."""
        value = self[field]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(field, f"is {_short(value)}, expected a list of texts")
        return value

    def rows(self, field: str, width: int, count: int | None = None) -> list[list[str]]:
        """A list of lists of texts, each ``width`` long (-1: any length), ``count`` of them if given."""
        value = self[field]
        good = isinstance(value, list) and all(
            isinstance(row, list) and width in (-1, len(row)) and all(isinstance(item, str) for item in row)
            for row in value
        )
        if not good or count not in (None, len(value)):
            size = "" if count is None else f" of length {count}"
            raise self.wrong(field, f"is {_short(value)}, expected a list{size} of lists of texts")
        return list(value)

    def list(self, field: str) -> "list[Fields]":
        """A list of objects."""
        value = self[field]
        if not isinstance(value, list):
            raise self.wrong(field, f"is {_short(value)}, expected a list")
        return [Fields(item, f"{self.where}, {field}[{number}]") for number, item in enumerate(value)]

    def choice(self, field: str, among: Mapping[str, Value]) -> Value:
        """What a text stands for."""
        value = self[field]
        if not isinstance(value, str) or value not in among:
            raise self.wrong(field, f"is {_short(value)}, expected one of {', '.join(among)}")
        return among[value]

    def entry(self, table: Mapping[str, Any], field: str, what: str) -> "Fields":
        """The object of ``table`` that a field names; ``what`` it is, in the singular."""
        value = self[field]
        if not isinstance(value, str) or value not in table:
            raise self.wrong(field, f"is {_short(value)}, which is not among the {what}s: {_listed(table)}")
        return Fields(table[value], f"{self.where}, {what} {value!r}")


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known[:6]) + (" ..." if len(known) > 6 else "") if known else "none"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
