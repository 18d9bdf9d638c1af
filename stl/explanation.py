"""From the low end of a formula's interval back to the sample and the predicate that decide it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from stl.errors import StlError
from stl.formula import Binary, Boolean, Formula, Interval, Not, Step, Unary
from stl.intervals import BOUND, LOGIC, compile_interval, logic
from stl.program import samples_of
from stl.robustness import DT, check_signals, pack, run

LOW, HIGH = 0, 1


@dataclass(frozen=True)
class Decision:
    """What fixed the low end.

    Attributes:
        time: Seconds from the first sample.
        sample: The same in samples; outside of the recording where what is not recorded decides.
        formula: The predicate that decided; an unbounded operator if it was asked about outside of the recording.
        value: Its robustness there.
        path: From the formula down to that predicate.
    """

    time: float
    sample: int
    formula: Formula
    value: float
    path: tuple[Formula, ...]


def explain(
    formula: Formula,
    signals: Mapping[str, Tensor],
    dt: float = DT,
    index: int = 0,
    bound: float = BOUND,
    at: int = 0,
) -> Decision:
    """The instant and the predicate that decide the low end at sample ``at``; of equal ones the first.

    Args:
        formula, signals, dt, bound, at: See :func:`stl.intervals.robustness_interval`.
        index: The trace of the batch.

    Raises:
        StlError: As there, or there is no such trace.
    """
    program = compile_interval(formula, float(dt), float(bound), every=True)
    used = check_signals(program.signals, signals)
    some = next(iter(signals.values()))
    batch, time = some.shape
    if not (0 <= index < batch and 0 <= at < time):
        raise StlError(f"there is no trace {index} with a sample {at} in a batch of {batch} traces, {time} samples")
    own = slice(index, index + 1)
    packed = pack(program, [signal[own] for signal in used], some[own])
    ends = run(program, packed, some[own], whole=True)[:, 0]
    values = {node: ends[2 * number : 2 * number + 2] for number, node in enumerate(logic(formula))}
    return _Walk(values, float(dt), program.before, time).down(formula, program.before + at)


@dataclass(frozen=True)
class _Walk:
    """Values ``[2, samples]`` (low, high) of every node over the lengthened recording."""

    values: dict[Formula, np.ndarray]
    dt: float
    before: int
    time: int

    def down(self, node: Formula, t: int) -> Decision:
        end, path = LOW, [node]
        while isinstance(node, LOGIC) and not self.cut(node, t):
            node, end, t = self.choice(node, end, t)
            path.append(node)
        sample = t - self.before
        return Decision(round(sample * self.dt, 9), sample, node, float(self.values[node][end, t]), tuple(path))

    def cut(self, node: Formula, t: int) -> bool:
        """Whether an unbounded operator is asked about where nothing is recorded."""
        unbounded = isinstance(node, Unary | Binary) and node.interval is None
        return unbounded and not self.before <= t < self.before + self.time

    def choice(self, node: Formula, end: int, t: int) -> tuple[Formula, int, int]:
        """The operand, its end and its sample that have the value of ``node`` at ``t``."""
        wanted = self.values[node][end, t]
        for operand, side, sample, sign in self.candidates(node, end, t):
            if sign * self.values[operand][side, sample] == wanted:
                return operand, side, sample
        # iff and xor take both: what is nearer to changing sides
        return min(
            ((operand, LOW, t) for operand in node.children()),
            key=lambda part: abs(float(self.values[part[0]][LOW, t])),
        )

    def candidates(self, node: Formula, end: int, t: int) -> Iterable[tuple[Formula, int, int, int]]:
        """Operands with the end and the sample that could decide, and -1 where they enter with a minus."""
        match node:
            case Not(operand):
                return [(operand, 1 - end, t, -1)]
            case Boolean("and" | "or", left, right):
                return [(left, end, t, 1), (right, end, t, 1)]
            case Boolean("implies", left, right):
                return [(left, 1 - end, t, -1), (right, end, t, 1)]
            case Step("prev", operand):
                return [(operand, end, t - 1, 1)]
            case Step("next", operand):
                return [(operand, end, t + 1, 1)]
            case Step("rise", operand):
                return [(operand, 1 - end, t - 1, -1), (operand, end, t, 1)]
            case Step("fall", operand):
                return [(operand, end, t - 1, 1), (operand, 1 - end, t, -1)]
            case Unary(op, interval, operand):
                samples = self.window(interval, t, past=op in ("historically", "once"))
                return [(operand, end, sample, 1) for sample in samples]
            case Binary("unless", interval, left, _):
                held = None if interval is None else Interval(0.0, interval.end)
                always = [(left, end, sample, 1) for sample in self.window(held, t, past=False)]
                if min(self.values[left][end, sample] for _, _, sample, _ in always) == self.values[node][end, t]:
                    return always
                return self.reached(node, end, t)
            case Binary():
                return self.reached(node, end, t)
        return []

    def reached(self, node: Binary, end: int, t: int) -> list[tuple[Formula, int, int, int]]:
        """The witness and what must hold up to it, of the first witness with the value of ``node``."""
        past = node.op == "since"
        left, right = self.values[node.left][end], self.values[node.right][end]
        for sample in self.window(node.interval, t, past):
            held = range(sample + 1, t + 1) if past else range(t, sample)
            if min([right[sample], *left[held]]) == self.values[node][end, t]:
                return [*((node.left, end, k, 1) for k in held), (node.right, end, sample, 1)]
        return []

    def window(self, interval: Interval | None, t: int, past: bool) -> range:
        """Samples in an interval from ``t``, inside the recording if it is unbounded."""
        first, last = self.before, self.before + self.time - 1
        if interval is None:
            return range(first, t + 1) if past else range(t, last + 1)
        begin, end = samples_of(interval, self.dt)
        return range(t - end, t - begin + 1) if past else range(t + begin, t + end + 1)
