"""What several verbs share: exit codes, options, printing, and opening a run."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

if TYPE_CHECKING:
    from evaluation.engines import Engine
    from evaluation.results import RunFolder

DONE, FAILURES, UNUSABLE, DEFECT, INTERRUPTED = 0, 1, 2, 70, 130

Run = Annotated[Path, arg(help="Run folder, as given to --out.", metavar="RUN")]
Data = Annotated[Path | None, arg(help="Folder of recorded data, for suites of recorded scenes.", metavar="DIR")]
Maps = Annotated[
    Path | None,
    arg(help="Folder of maps, for openscene; by default the folder maps in or beside --data.", metavar="DIR"),
]
Workers = Annotated[
    int | None, arg(help="Worker processes; by default one per core. 0: in this process, for debuggers.", metavar="N")
]


def make_engine(workers: int | None) -> "Engine":
    """The engine that ``--workers`` asks for; by default a process per core this process may use."""
    from drive.errors import RunError
    from evaluation.engines import InProcess, ProcessPool

    if workers is not None and workers < 0:
        raise RunError(f"--workers is {workers}, expected at least 0")
    if workers is None:
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ProcessPool(workers) if workers > 0 else InProcess()


def open_run(path: Path, data: Path | None, maps: Path | None = None) -> "RunFolder":
    """A run whose scenes are there to be looked at."""
    from evaluation.results import RunFolder
    from evaluation.suite import ensure_scenes
    from scenarios.store import Store

    run = RunFolder(path)
    suite = run.manifest.suite
    ensure_scenes(
        suite.scenes,
        suite.source,
        data or (Path(suite.data) if suite.data else None),
        Store(),
        str(path),
        maps or (Path(suite.maps) if suite.maps else None),
        suite.scene_filter,
    )
    return run


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print columns under their heads."""
    widths = [max(len(line[column]) for line in (heads, *lines)) for column in range(len(heads))]
    for line in (heads, *lines):
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def say(text: str) -> None:
    """Print to stdout."""
    print(text)  # noqa: T201 - what a command line is for
