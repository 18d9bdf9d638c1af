"""Compiled loops (Numba, serial, nogil, cached on disk). There is no second, pure-NumPy implementation."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile with the one set of options: no fastmath and no threads, or results would depend on the machine."""
    compiled: Function = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled
