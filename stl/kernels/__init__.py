"""Compiled loops of the exact robustness (Numba, serial, nogil, cached on disk). There is no second implementation.

Up to ``LANES`` traces are evaluated side by side: a value is ``[samples, lanes]``, so that the inner loop runs over
traces and can be vector code even where a scan runs along the time axis. A formula is a list of instructions, one for
each different sub-formula; see :mod:`stl.program`.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from platformdirs import user_cache_dir

LANES = 64
"""Most traces side by side."""

TILE = 1 << 18
"""Most samples of all traces side by side, as long as one trace is not longer: the memory of a tile stays small."""

UNBOUNDED = 1 << 40
"""Samples of a window without an end: more than any trace has."""

# Instructions; the ones from LOWEST on look at other samples.
ADD, SUBTRACT, MULTIPLY, DIVIDE, POWER, ABSOLUTE, ROOT, EXPONENTIAL, NEGATE, MINIMUM, MAXIMUM, DISTANCE, KEEP = range(
    13
)
LOWEST, HIGHEST, UNTIL, SINCE, SHIFT = range(13, 18)

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile with the one set of options: no fastmath and no threads, or results would depend on the machine.

    Numba notices changes of a function's own file only; the cache folder is therefore named by the content of all
    files of this package. ``NUMBA_CACHE_DIR`` moves it.
    """
    before = numba.config.CACHE_DIR
    base = Path(before or Path(user_cache_dir("drive-toolkit")) / "kernels")
    numba.config.CACHE_DIR = str(base / f"stl-{_sources_digest()}")
    try:
        compiled: Function = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = before  # other people's functions keep their own
    return compiled


def inlined(function: Function) -> Function:
    """Compile a loop over one row into the kernels that call it: a call would take longer than the loop."""
    compiled: Function = numba.njit(nogil=True, error_model="numpy", forceinline=True)(function)
    return compiled


@lru_cache
def _sources_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
