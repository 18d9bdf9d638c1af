"""Online monitoring: one sample at a time, and the same values as offline once they can be known."""

from collections.abc import Callable, Mapping
from typing import Any

from stl.errors import StlError
from stl.formula import Formula, names
from stl.streams import Compiler, OnlineValue
from stl.unbounded import Unknown, closed, is_open, so_far

__all__ = ["Monitor", "OnlineValue"]


_FINISHED = "the recording is finished; reset the monitor to begin another"


def _refuse(sample: Mapping[str, float]) -> OnlineValue:
    raise StlError(_FINISHED)


class Monitor:
    """Robustness of a formula over a recording that is still growing.

    *Bounded formulas*: what happens up to ``horizon`` samples ahead decides, so ``update`` answers about the sample
    ``horizon`` before the one it is given, finally. Before that it answers ``(0, None, False)``: about sample 0, not
    known yet. Time per sample does not depend on the windows, memory is that of the windows.

    *Formulas with ``always``, ``eventually``, ``until`` or ``unless`` over no interval* are only known at the end.
    ``update`` answers about sample 0 what is known so far, not finally: ``always`` is the least and ``eventually`` the
    largest final value of its operand until now, ``until`` counts the witnesses until now. Where such an operator
    stands below another temporal operator, as in ``always (eventually p)``, nothing is known before the end and the
    value is None. The samples are kept, because every one of them waits for its value.

    ``finish`` gives the values of all samples that still wait, equal to the offline ones of the whole recording.

    A monitor can be pickled and copied, in the middle of a recording too; ``copy.deepcopy(monitor).finish()`` tells
    what the values were if the recording ended now. Not for several threads at once.

    Args:
        formula: With all parameters bound.
        dt: Sampling period [s].

    Attributes:
        horizon: Samples that decide after the one they decide about; None for a formula that is known at the end only.

    Raises:
        StlError: An interval is not a multiple of ``dt`` or is reversed, or ``dt`` is not positive.
    """

    def __init__(self, formula: Formula, dt: float = 0.1) -> None:
        if not 0.0 < dt < float("inf"):
            raise StlError(f"the sampling period is {dt!r} s, expected a positive number")
        self.formula = formula
        self.dt = dt
        self._open = is_open(formula)
        self._names = tuple(sorted(names(formula)))
        if self._open:
            Compiler(closed(formula, dt), dt)  # refuses bad intervals below operators that are not followed yet
        self._update: Callable[[Mapping[str, float]], OnlineValue]
        self._begin(None)
        self.horizon = None if self._open else self._program.delay

    def update(self, sample: Mapping[str, float]) -> OnlineValue:
        """Take the next sample.

        Args:
            sample: Value of every signal of the formula; others are ignored.

        Returns:
            The sample it is about, its value (None: not known yet), and whether that is final.

        Raises:
            StlError: A signal is missing, NaN or no number, or the recording is finished. The sample is not taken.
        """
        return self._update(sample)

    def finish(self) -> list[OnlineValue]:
        """End the recording: final values of all samples that have none yet, in order."""
        if self._update is _refuse:
            raise StlError(_FINISHED)
        count, kept = self._program.save()[:2]
        self._update = _refuse
        if not self._open:
            return [value for value in self._program.drain(count) if value.sample >= 0]
        if not count:
            return []
        whole = Monitor(closed(self.formula, (count - 1) * self.dt), self.dt)
        values = [whole.update(dict(zip(self._names, sample, strict=True))) for sample in kept]
        return [value for value in values if value.final] + whole.finish()

    def reset(self) -> None:
        """Forget all samples."""
        self._begin(None)

    def _begin(self, state: tuple[Any, ...] | None) -> None:
        formula = (so_far(self.formula) or Unknown(self.formula)) if self._open else self.formula
        self._program = Compiler(formula, self.dt).program(self._open, state)
        self._update = self._program.update

    def __getstate__(self) -> dict[str, Any]:
        """Compiled functions cannot be pickled: what they have seen is, and they are compiled again."""
        state = {key: value for key, value in self.__dict__.items() if key not in ("_program", "_update")}
        return state | {"_seen": self._program.save(), "_finished": self._update is _refuse}

    def __setstate__(self, state: dict[str, Any]) -> None:
        seen, finished = state.pop("_seen"), state.pop("_finished")
        self.__dict__.update(state)
        self._begin(seen)
        if finished:
            self._update = _refuse
