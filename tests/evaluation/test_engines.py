"""Engines: every item gets its answer, whatever happens to the processes that work on it."""

import os
import signal
import sys
import time
from collections.abc import Sequence

import pytest

from drive.errors import DataError
from evaluation.engines import Died, InProcess, ProcessPool, WorkError

# An item is what the worker shall do with it.
Item = tuple[str, int]


def work(batch: Sequence[Item]) -> list[int]:
    answers = []
    for action, value in batch:
        if action == "exit":
            os._exit(value)
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "raise":
            raise ValueError(f"item {value} cannot be done")
        if action == "unusable":
            raise DataError(f"item {value} is damaged")
        if action == "sleep":
            time.sleep(value)
        answers.append(os.getpid() if action == "pid" else value * value)
    return answers


def cut(items: list[Item], size: int) -> list[list[Item]]:
    return [items[first : first + size] for first in range(0, len(items), size)]


@pytest.mark.parametrize("engine", [InProcess(), ProcessPool(1), ProcessPool(3)], ids=["in-process", "1", "3"])
def test_every_item_gets_its_own_answer(engine: InProcess | ProcessPool) -> None:
    items = [("square", value) for value in range(20)]
    assert dict(engine.map(work, cut(items, 3))) == {item: item[1] ** 2 for item in items}


def test_no_items_start_no_process() -> None:
    assert list(ProcessPool(2).map(work, [])) == []


def test_a_dying_worker_fails_only_the_item_that_kills_it() -> None:
    items = [("square", 1), ("exit", 3), ("square", 2), ("kill", 0), ("square", 3), ("exit", 0), ("square", 4)]
    answers = dict(ProcessPool(2).map(work, cut(items, 4)))
    assert answers[("exit", 3)] == Died(3)
    assert answers[("exit", 0)] == Died(0)
    assert answers[("kill", 0)] == Died(-signal.SIGKILL)
    assert {value: answers[("square", value)] for value in (1, 2, 3, 4)} == {1: 1, 2: 4, 3: 9, 4: 16}


def test_the_death_of_a_process_is_told_in_words() -> None:
    assert str(Died(3)) == "the worker process ended with exit code 3"
    assert str(Died(-11)) == "the worker process was ended by SIGSEGV"
    assert str(Died(-40)) == "the worker process was ended by signal 40"


def test_an_exception_of_the_work_arrives_with_its_traceback() -> None:
    with pytest.raises(WorkError, match=r"(?s)in work.*ValueError: item 7 cannot be done"):
        list(ProcessPool(1).map(work, [[("raise", 7)]]))


def test_unusable_input_arrives_as_the_error_it_was() -> None:
    with pytest.raises(DataError, match="item 7 is damaged"):
        list(ProcessPool(1).map(work, [[("unusable", 7)]]))


def test_batches_are_drawn_only_when_a_worker_is_free() -> None:
    drawn = 0

    def batches():
        nonlocal drawn
        for value in range(50):
            drawn += 1
            yield [("square", value)]

    results = ProcessPool(2).map(work, batches())
    next(results)
    assert drawn <= 4
    results.close()


def test_closing_the_results_ends_the_workers() -> None:
    results = ProcessPool(2).map(work, cut([("pid", 0), ("sleep", 60), ("sleep", 60)], 1))
    _, pid = next(results)
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def environment(batch: Sequence[str]) -> list[str | None]:
    return [os.environ.get(name) for name in batch]


def test_workers_have_one_thread_and_the_environment_of_the_caller_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert list(ProcessPool(1).map(environment, [["OMP_NUM_THREADS"]])) == [("OMP_NUM_THREADS", "1")]
    assert os.environ["OMP_NUM_THREADS"] == "5"


def test_a_worker_that_cannot_start_is_no_fault_of_an_item(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "vanishing_work.py"
    module.write_text("def work(batch):\n    return list(batch)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import vanishing_work

    module.write_text("raise SystemExit(4)\n")
    (tmp_path / "__pycache__").exists() and [path.unlink() for path in (tmp_path / "__pycache__").iterdir()]
    with pytest.raises(WorkError, match="while it was starting"):
        list(ProcessPool(1).map(vanishing_work.work, [[1]]))
    del sys.modules["vanishing_work"]
