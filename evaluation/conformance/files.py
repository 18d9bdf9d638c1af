"""Files of cases and results: JSON and JSON lines, packed with gzip if their name ends in .gz."""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from drive.errors import DataError


def read_json(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file; DataError with one sentence if it cannot be read."""
    with _opened(path) as file:
        content = _parse(file.read(), str(path))
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, expected an object of maps by their id")
    return content


def read_cases(path: Path) -> Iterator[Mapping[str, Any]]:
    """The case in every line of a file of JSON lines: an object with an ``id``; empty lines are skipped."""
    found = False
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            found = True
            case = _parse(line, f"{path}, line {number}")
            if not isinstance(case, dict):
                raise DataError(f"{path}, line {number} holds a {type(case).__name__}, expected an object, a case")
            if not isinstance(case.get("id"), str):
                raise DataError(f"{path}, line {number}: id is {case.get('id')!r:.60}, expected a text")
            yield case
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
        with suppress(OSError):  # it is not there after all went well, nor where its folder is none
            part.unlink()
    return count


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """The unpacked text of a file; what is wrong with it shows when it is opened or at any line."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            yield file
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{where} is not JSON: {error}") from None
    except RecursionError:
        raise DataError(f"{where} is nested too deeply") from None
