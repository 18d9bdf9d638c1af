"""Engines run batches of work items and survive the death of a worker.

An engine knows nothing of planners: it calls ``work(batch)``, a picklable function that returns one result per item,
and yields ``(item, result)`` in the order of completion. A worker process that dies (segmentation fault, ``os._exit``,
killed for memory) is replaced, the items it held are tried again, each alone, and an item whose process dies once more
comes back as :class:`Died`. What ``work`` raises is a defect of ours or unusable input and ends the run.
"""

import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing import connection, get_context, parent_process
from typing import Any, Protocol, TypeVar

from drive.errors import DriveError

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Sequence[Result]]

# Numerical libraries start a thread per core unless told otherwise; W workers with W threads each fight for the cores,
# and the order of a threaded sum may change a result.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Died:
    """The process that worked on an item alone ended without an answer; ``exitcode`` is negative for a signal."""

    exitcode: int

    def __str__(self) -> str:
        if self.exitcode < 0:
            names = {int(item): item.name for item in signal.Signals}
            return f"the worker process was ended by {names.get(-self.exitcode, f'signal {-self.exitcode}')}"
        return f"the worker process ended with exit code {self.exitcode}"


class WorkError(Exception):
    """``work`` raised in a worker process; the message is that process's traceback."""


class Engine(Protocol):
    """Where work is done. Results must not depend on it."""

    workers: int

    def map(self, work: Work[Item, Result], batches: Iterable[Sequence[Item]]) -> Generator[tuple[Item, Result | Died]]:
        """Yield every item of ``batches`` with its result, or with :class:`Died`, in the order of completion.

        Closing the generator ends all work at once.
        """
        ...


class InProcess:
    """Does the work in this process, for debuggers and tests: a planner that kills its process ends the run."""

    workers = 1

    def map(self, work: Work[Item, Result], batches: Iterable[Sequence[Item]]) -> Generator[tuple[Item, Result | Died]]:
        """See :class:`Engine`."""
        for batch in batches:
            yield from zip(batch, work(batch), strict=True)


class ProcessPool:
    """Worker processes of one thread each, started when first needed, holding one batch at a time.

    ``spawn`` instead of ``fork``: a forked child inherits locks and threads in any state. Batches are drawn from the
    iterable only when a worker is free, so neither tasks nor results pile up.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers is {workers}, expected at least 1")
        self.workers = workers

    def map(self, work: Work[Item, Result], batches: Iterable[Sequence[Item]]) -> Generator[tuple[Item, Result | Died]]:
        """See :class:`Engine`. Closing the iterator, or an exception in the caller, ends the workers at once."""
        source = iter(batches)
        suspects: deque[Item] = deque()  # held by a process that died; each is tried once more, alone
        idle: list[_Worker] = []
        numbers = count()
        busy: list[_Worker] = []
        try:
            while True:
                while len(busy) < self.workers:
                    alone = bool(suspects)
                    batch = [suspects.popleft()] if alone else list(next(source, ()))
                    if not batch:
                        break
                    worker = idle.pop() if idle else _Worker(work, next(numbers))
                    worker.give(batch, alone)
                    busy.append(worker)
                if not busy:
                    return
                for worker in _answering(busy):
                    answer = worker.take()
                    if answer is None:
                        continue
                    busy.remove(worker)
                    if isinstance(answer, Died):
                        if worker.alone:
                            yield worker.batch[0], answer
                        else:
                            suspects.extend(worker.batch)
                    else:
                        idle.append(worker)
                        yield from zip(worker.batch, answer, strict=True)
        finally:
            for worker in (*idle, *busy):
                worker.end()


class _Worker:
    """One process, the parent's end of its pipe, and the batch it holds."""

    def __init__(self, work: Work[Any, Any], number: int) -> None:
        context = get_context("spawn")
        self.connection, child = context.Pipe()
        self.process = context.Process(target=_serve, args=(child, work, number), daemon=True)
        with _environment(ONE_THREAD):
            self.process.start()
        child.close()
        self.batch: list[Any] = []
        self.alone = False
        self._started = False

    def give(self, batch: list[Any], alone: bool) -> None:
        self.batch, self.alone = batch, alone
        with suppress(BrokenPipeError):  # take() finds out that the process is dead
            self.connection.send(batch)

    def take(self) -> list[Any] | Died | None:
        """Results of the batch, :class:`Died`, or None while there is no answer. Raises what ``work`` raised."""
        try:
            if not self.connection.poll():
                return None if self.process.is_alive() else self._died()
            kind, answer = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return self._died()
        if kind == "error":
            raise answer
        self._started = True
        return None if kind == "started" else list(answer)

    def _died(self) -> Died:
        self.process.join(timeout=5)
        exitcode = self.end()
        if not self._started:
            raise WorkError(
                f"a worker process ended with exit code {exitcode} while it was starting; a script that starts workers "
                'needs the guard `if __name__ == "__main__":`, because they import it'
            )
        return Died(exitcode)

    def end(self) -> int:
        """End the process if it still runs; its exit code."""
        for stop in (self.process.terminate, self.process.kill):
            if self.process.is_alive():
                stop()
                self.process.join(timeout=2)
        self.connection.close()
        return int(self.process.exitcode or 0)


def _answering(workers: Sequence[_Worker]) -> list[_Worker]:
    """Wait until a worker has written or ended. The sentinel also notices a death behind a pipe that a child of the
    worker still holds open."""
    ready = set(connection.wait([end for worker in workers for end in (worker.connection, worker.process.sentinel)]))
    return [worker for worker in workers if worker.connection in ready or worker.process.sentinel in ready]


def _serve(pipe: Any, work: Work[Any, Any], number: int) -> None:
    """Body of a worker process: answer batches until the parent hangs up. Work may ``prepare(number)`` itself first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what to do
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    pipe.send(("started", None))
    if prepare := getattr(work, "prepare", None):
        prepare(number)
    while True:
        try:
            batch = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: tuple[str, Any] = ("results", work(batch))
        except DriveError as error:
            answer = ("error", error)
        except Exception:  # noqa: BLE001 - a border: the traceback has to cross the process boundary as text
            answer = ("error", WorkError(traceback.format_exc()))
        pipe.send(answer)


def _leave_with_parent() -> None:
    """End this process when the parent is gone, even in the middle of a batch: nobody waits for the result."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the processes started inside; libraries read them before any of our code runs."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
