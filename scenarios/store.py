"""The scenario store: what was loaded or generated once is read back in milliseconds; nobody runs a caching step.

Content-addressed: a key is the hash of everything that decides the result (input files, code, options), so an entry can
never be stale. Entries carry their own digest; one that does not match is treated as absent and rebuilt.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast, overload

import numpy as np
from platformdirs import user_cache_dir
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from drive.errors import DataError
from drive.scene import Scenario
from scenarios.codec import decode, digest, encode, scenario_digest

T = TypeVar("T")

__all__ = ["SceneEntry", "Store", "code_digest", "make_key", "scenario_digest"]

# A file changed within this time of being hashed could change again without its time stamp moving: never trust those.
_RACY_NS = 2_000_000_000


@dataclass(frozen=True)
class SceneEntry:
    """One scene of a prepared source: ``key`` finds it in the store, ``group`` is the unit of resampling (its log)."""

    id: str
    family: str
    group: str
    key: str


def make_key(**parts: Any) -> str:
    """sha256 (hex) over JSON-able parts, independent of their order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, allow_nan=False).encode()).hexdigest()


def code_digest(*sources: Path) -> str:
    """sha256 (hex) over source files: part of a key, so that changed code never meets old entries."""
    total = hashlib.sha256()
    for path in sorted(sources):
        total.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return total.hexdigest()


def _default_root() -> Path:
    return Path(os.environ.get("DRIVE_CACHE") or user_cache_dir("drive-toolkit"))


@dataclass(frozen=True)
class Store:
    """A folder of scenarios by key. Any number of processes may read and write it at once.

    Attributes:
        root: The folder; by default ``$DRIVE_CACHE``, else the user's cache folder.
    """

    root: Path = field(default_factory=_default_root)

    def __init__(self, root: Path | str | None = None) -> None:
        object.__setattr__(self, "root", Path(root) if root is not None else _default_root())

    @overload
    def get(self, key: str) -> Scenario | None: ...
    @overload
    def get(self, key: str, kind: type[T]) -> T | None: ...
    def get(self, key: str, kind: type = Scenario) -> object | None:
        """The scenario (or other dataclass ``kind``) stored under ``key``, or None if there is none or it does not
        match its own digest."""
        found = self._read(key)
        if found is None:
            return None
        try:
            return cast("object", decode(kind, *found))
        except (KeyError, TypeError, ValueError):
            return None

    def __contains__(self, key: str) -> bool:
        """True if an intact entry is there (its bytes are checked)."""
        return self._read(key) is not None

    def put(self, key: str, value: object) -> None:
        """Write a scenario, or another dataclass of arrays; readers see either nothing or the whole entry."""
        arrays, text = encode(value)
        # One metadata entry only: safetensors writes several in random order, and equal scenarios give equal files.
        self._write(self._path(key), save(arrays, {"scenario": f"{digest(arrays, text)} {text}"}))

    def get_or_build(self, key: str, build: Callable[[], Scenario]) -> Scenario:
        """The stored scenario, else the built one, which is stored."""
        scenario = self.get(key)
        if scenario is None:
            scenario = build()
            self.put(key, scenario)
        return scenario

    def get_json(self, key: str) -> Any | None:
        """A small JSON value stored under ``key``, or None if there is none or it is damaged."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            entry = json.loads((self.root / "values" / f"{key}.json").read_text())
            if entry["digest"] == make_key(value=entry["value"]):
                return entry["value"]
        return None

    def put_json(self, key: str, value: Any) -> None:
        """Write a small JSON value."""
        entry = {"value": value, "digest": make_key(value=value)}
        self._write(self.root / "values" / f"{key}.json", json.dumps(entry).encode())

    def fingerprint(self, path: Path) -> str:
        """sha256 (hex) of a file's content, from memory if its size and times are those of the last call.

        Raises:
            DataError: The file cannot be read.
        """
        try:
            status = path.stat()
            seen = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
            key = make_key(file=str(path.resolve()), seen=seen)
            known = self.get_json(key)
            if isinstance(known, str):
                return known
            now = time.time_ns()
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
        if now - max(status.st_mtime_ns, status.st_ctime_ns) > _RACY_NS:
            self.put_json(key, found)
        return found

    def fingerprints(self, paths: Sequence[Path]) -> dict[str, str]:
        """File name -> :meth:`fingerprint`, for several files."""
        return {path.name: self.fingerprint(path) for path in paths}

    def _path(self, key: str) -> Path:
        return self.root / "scenarios" / key[:2] / f"{key}.safetensors"

    def _read(self, key: str) -> tuple[dict[str, Any], str] | None:
        try:
            with safe_open(self._path(key), framework="np") as file:
                metadata = file.metadata() or {}
                # Copies: compiled kernels are specialised on writable, aligned arrays.
                arrays = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            return None
        expected, _, text = metadata.get("scenario", "").partition(" ")
        return (arrays, text) if digest(arrays, text) == expected else None

    def _write(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            os.replace(temporary, path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise DataError(
                f"the scenario store {self.root} cannot be written ({error.strerror or error}); "
                "set DRIVE_CACHE to a folder you can write to"
            ) from None
