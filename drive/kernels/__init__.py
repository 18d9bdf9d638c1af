"""Compiled loops (Numba, serial, nogil, cached on disk). The only implementation there is: no second, pure-NumPy path."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile with the project's one set of options: no fastmath and no threads, or results would depend on the machine."""
    compiled: Function = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled
