"""Files of cases and results: JSON and JSON lines, packed with gzip if their name ends in .gz."""

import gzip
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from drive.errors import DataError


def read_json(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file; DataError with one sentence if it cannot be read."""
    with _open(path) as file:
        content = _parse(file.read(), str(path))
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, expected an object of maps by their id")
    return content


def read_lines(path: Path) -> Iterator[Any]:
    """The value of every line of a file of JSON lines; empty lines are skipped."""
    found = False
    with _open(path) as file:
        try:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    found = True
                    yield _parse(line, f"{path}, line {number}")
        except (OSError, EOFError, UnicodeDecodeError) as error:  # damaged in the middle
            raise DataError(f"{path} cannot be read: {error}") from None
    if not found:
        raise DataError(f"{path} holds no case")


def atomic_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> int:
    """Write records as JSON lines; the file appears complete or not at all. Returns their number."""
    part = path.with_name(path.name + ".part")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            gzip.open(part, "wt", encoding="utf-8")
            if path.suffix == ".gz"
            else part.open("w", encoding="utf-8") as file
        ):
            for record in records:
                file.write(json.dumps(record, allow_nan=False) + "\n")
                count += 1
        os.replace(part, path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return count


def _open(path: Path) -> IO[str]:
    try:
        if path.suffix != ".gz":
            return path.open(encoding="utf-8")
        packed = gzip.open(path)  # noqa: SIM115 - the caller closes it
        packed.peek(1)  # a file that is not packed shows now, not at the first line
        return io.TextIOWrapper(packed, encoding="utf-8")
    except (OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{where} is not JSON: {error}") from None
