"""Compiled loops (Numba, serial, nogil, cached on disk). There is no second, pure-NumPy implementation."""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from platformdirs import user_cache_dir

Function = TypeVar("Function", bound=Callable[..., Any])

_folders: set[Path] = set()


def kernel(function: Function) -> Function:
    """Compile with the one set of options: no fastmath and no threads, or results would depend on the machine.

    Numba notices changes of a function's own file only, and would go on running machine code that holds an old version
    of a function of another file. So the cache folder is named by the content of all files a kernel can call into:
    those of this package and the kernel's neighbours. ``NUMBA_CACHE_DIR`` moves it.
    """
    before = numba.config.CACHE_DIR
    base = Path(before or Path(user_cache_dir("drive-toolkit")) / "kernels")
    numba.config.CACHE_DIR = str(base / _sources_digest(Path(function.__code__.co_filename).parent))
    try:
        compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = before  # other people's functions keep their own
    if hasattr(compiled, "stats"):  # not where NUMBA_DISABLE_JIT is set
        _folders.add(Path(compiled.stats.cache_path))
    return cast(Function, compiled)


def to_be_compiled() -> bool:
    """Whether none of the imported kernels has machine code on disk: the first call takes a minute or two then."""
    return bool(_folders) and not any(next(folder.glob("*.nbi"), None) for folder in _folders)


@lru_cache
def _sources_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted({*Path(__file__).parent.glob("*.py"), *folder.glob("*.py")}):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
