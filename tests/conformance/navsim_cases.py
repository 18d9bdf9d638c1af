"""Cases that NAVSIM's own scorer has computed: synthetic ones from tests/data, real drives where they are."""

import gzip
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

SYNTHETIC = Path(__file__).resolve().parents[1] / "data" / "navsim"


def read_cases(path: Path) -> Iterator[dict[str, Any]]:
    """Cases of a .jsonl.gz file, one by one."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            yield json.loads(line)


@cache
def read_maps(path: Path) -> Mapping[str, Any]:
    """Maps of a .json.gz file."""
    with gzip.open(path, "rt") as file:
        return json.load(file)  # type: ignore[no-any-return]


def synthetic_case(identity: str) -> dict[str, Any]:
    """One synthetic case by its id."""
    return next(case for case in read_cases(SYNTHETIC / "synthetic.jsonl.gz") if case["id"] == identity)


def synthetic_maps() -> Mapping[str, Any]:
    """The maps of the synthetic cases."""
    return read_maps(SYNTHETIC / "synthetic_maps.json.gz")
