"""What a run says while it works: scenes per second, time left, and the split into plan, simulate and score."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from drive.kernels import to_be_compiled

PARTS = ("load", "plan", "simulate", "score")
PLAIN_INTERVAL = 10.0  # s between lines where the output is no terminal


class Meter:
    """Counts finished units and says how it goes. On a terminal one line is redrawn; elsewhere a line now and then."""

    def __init__(self, stream: TextIO | None = None, unit: str = "scenes") -> None:
        self._console = Console(file=stream or sys.stderr)
        self._unit = unit
        self._spent = dict.fromkeys(PARTS, 0.0)
        self._total = self._done = self._new = self._failed = 0
        self._began = self._spoke = self._first = time.monotonic()
        self._bar: Progress | None = None

    @contextmanager
    def running(self) -> Iterator["Meter"]:
        """Show progress inside, and a closing line unless there was nothing to do."""
        try:
            yield self
        finally:
            if self._bar is not None:
                self._bar.stop()
        if self._new:
            self._say(f"{self._new} {self._unit} in {time.monotonic() - self._began:.1f} s, {self.text()}")

    def begin(self, total: int, done: int = 0) -> None:
        """Start counting; ``done`` units were there before."""
        self._total, self._done = total, done
        self._began = self._spoke = time.monotonic()
        if done:
            self._say(f"{done} of {total} {self._unit} are done already")
        if total > done and to_be_compiled():
            self._say(f"a first run: kernels are compiled before the first of {total} {self._unit}, in a minute or two")
        if self._console.is_terminal and total > done:
            self._bar = Progress(
                BarColumn(30),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("starting", total=total, completed=done)
            self._bar.start()

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one finished unit."""
        self._done += 1
        self._new += 1
        if self._new == 1:
            self._first = time.monotonic()
        self._failed += row.get("status") == "failed"
        for part in PARTS:
            self._spent[part] += row.get(f"time.{part}_ms") or 0.0
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=self.text())
        elif time.monotonic() - self._spoke >= PLAIN_INTERVAL:
            self._spoke = time.monotonic()
            self._say(f"{self._done}/{self._total} {self._unit}, {self.text()}")

    def text(self) -> str:
        """Speed, time left, time split and failures so far."""
        now = time.monotonic()
        pieces = [f"{self._new / max(now - self._began, 1e-9):.3g} {self._unit}/s"]
        if self._new > 1 and self._done < self._total:  # before the first unit kernels may have been compiled
            rate = (self._new - 1) / max(now - self._first, 1e-9)
            pieces.append(f"{_clock((self._total - self._done) / rate)} left")
        if total := sum(self._spent.values()):
            pieces.append(", ".join(f"{part} {100 * spent / total:.0f} %" for part, spent in self._spent.items()))
        if self._failed:
            pieces.append(f"{self._failed} failed")
        return " | ".join(pieces)

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
