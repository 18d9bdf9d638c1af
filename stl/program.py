"""Formulas as programs: one instruction for each different sub-formula, in an order in which they can be computed.

Everything that has several names is put in terms of few operations: ``implies`` is a maximum with a negation,
``unless`` is ``always`` or ``until``, ``rise`` and ``fall`` are a shift and a minimum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from stl import kernels as op
from stl.errors import StlError
from stl.formula import (
    Arithmetic,
    Binary,
    Boolean,
    Comparison,
    Formula,
    Function,
    Interval,
    Name,
    Not,
    Number,
    Step,
    Unary,
)

ARITHMETIC = {"+": op.ADD, "-": op.SUBTRACT, "*": op.MULTIPLY, "/": op.DIVIDE, "pow": op.POWER}
FUNCTION = {"abs": op.ABSOLUTE, "sqrt": op.ROOT, "exp": op.EXPONENTIAL, "-": op.NEGATE}
INF = float("inf")


def samples_of(interval: Interval | None, dt: float) -> tuple[int, int]:
    """Both ends of an interval in samples of ``dt`` [s]; (0, :data:`stl.kernels.UNBOUNDED`) without an interval.

    Raises:
        StlError: An end is no number, negative, before the other, or not a multiple of ``dt`` (within 1e-9 of it).
    """
    if interval is None:
        return 0, op.UNBOUNDED
    ends = []
    for end in (interval.begin, interval.end):
        if isinstance(end, str):
            raise StlError(f"parameter '{end}' of an interval has no value")
        if not 0.0 <= end < INF:
            raise StlError(
                f"interval bound {end:g} s must be a finite time from 0; leave the interval out for no bound"
            )
        count = round(end / dt)
        if abs(count * dt - end) > 1e-9 * max(end, dt):
            raise StlError(f"interval bound {end:g} s is not a multiple of the sampling period {dt:g} s")
        ends.append(count)
    if ends[1] < ends[0]:
        raise StlError(f"interval [{interval.begin:g}, {interval.end:g}] ends before it begins")
    return ends[0], ends[1]


class Builder:
    """Collects instructions; equal ones are computed once. Values are numbered in the order in which they are made."""

    def __init__(self, dt: float) -> None:
        if not 0.0 < dt < INF:
            raise StlError(f"sampling period {dt!r} s must be positive")
        self.dt = dt
        self.inputs: dict[str | float, int] = {}
        self.code: dict[tuple[int, int, int, int, int, float], int] = {}
        self.source: dict[int, Formula] = {}  # sub-formula to check for NaN, by value
        self._values = 0

    def input(self, key: str | float) -> int:
        """The value of a signal (by name) or of a constant."""
        if key not in self.inputs:
            self.inputs[key] = self._values
            self._values += 1
        return self.inputs[key]

    def add(self, operation: int, a: int, b: int | None = None, begin: int = 0, end: int = 0, fill: float = 0.0) -> int:
        """One operation on values; see :mod:`stl.kernels.tiles`."""
        key = (operation, a, a if b is None else b, begin, end, fill)
        if key not in self.code:
            self.code[key] = self._values
            self._values += 1
        return self.code[key]

    # Robustness as rtamt's offline monitor defines it

    def value(self, node: Formula) -> int:
        """The robustness of a formula."""
        if isinstance(node, Number | Name | Arithmetic | Function | Comparison):
            return self.term(node, [self.value(child) for child in node.children()])
        if isinstance(node, Not):
            return self.add(op.NEGATE, self.value(node.operand))
        if isinstance(node, Boolean):
            return self.boolean(node.op, self.value(node.left), self.value(node.right))
        if isinstance(node, Unary):
            return self.window(node.op, self.value(node.operand), *samples_of(node.interval, self.dt))
        if isinstance(node, Binary):
            left, right = self.value(node.left), self.value(node.right)
            return self.binary(node.op, left, right, *samples_of(node.interval, self.dt))
        if isinstance(node, Step):
            return self.step(node.op, self.value(node.operand))
        raise StlError(f"{type(node).__name__} is not a formula")

    def term(self, node: Formula, operands: list[int]) -> int:
        """A number, a name, arithmetic or a comparison of values."""
        if isinstance(node, Number):
            return self.input(node.value)
        if isinstance(node, Name):
            return self.input(node.name)
        if isinstance(node, Arithmetic):
            result = self.add(_operation(ARITHMETIC, node.op), *operands)
        elif isinstance(node, Function):
            result = self.add(_operation(FUNCTION, node.name), *operands)
        else:
            assert isinstance(node, Comparison)
            result = self.comparison(node.op, *operands)
        self.source[result] = node
        return result

    def comparison(self, name: str, left: int, right: int) -> int:
        """``left name right``: how far from not holding."""
        if name in ("<", "<="):
            return self.add(op.SUBTRACT, right, left)
        if name in (">", ">="):
            return self.add(op.SUBTRACT, left, right)
        distance = self.add(op.DISTANCE, left, right)
        return self.add(op.NEGATE, distance) if _known(name, ("==", "!=")) == "==" else distance

    def boolean(self, name: str, left: int, right: int) -> int:
        """``left name right`` of robustness values."""
        if name == "and":
            return self.add(op.MINIMUM, left, right)
        if name == "or":
            return self.add(op.MAXIMUM, left, right)
        if name == "implies":
            return self.add(op.MAXIMUM, self.add(op.NEGATE, left), right)
        distance = self.add(op.DISTANCE, left, right)
        return self.add(op.NEGATE, distance) if _known(name, ("iff", "xor")) == "iff" else distance

    def window(self, name: str, operand: int, begin: int, end: int) -> int:
        """``name[begin:end] operand``, in samples."""
        _known(name, ("always", "eventually", "historically", "once"))
        operation = op.LOWEST if name in ("always", "historically") else op.HIGHEST
        if name in ("historically", "once"):
            begin, end = -end, -begin
        return self.add(operation, operand, None, begin, end)

    def binary(self, name: str, left: int, right: int, begin: int, end: int) -> int:
        """``left name[begin:end] right``, in samples; ``left`` need not hold at the sample where ``right`` does."""
        if name == "unless":
            holds = self.window("always", left, 0, end)
            return self.add(op.MAXIMUM, holds, self.binary("until", left, right, begin, end))
        past = _known(name, ("until", "since")) == "since"
        reached = self.add(op.SINCE if past else op.UNTIL, left, right, begin, end)
        if begin == 0:
            return reached
        before = self.window("historically" if past else "always", left, 0, begin - 1)
        return self.add(op.MINIMUM, before, reached)

    def step(self, name: str, operand: int) -> int:
        """Operators about the neighbouring sample; ``prev`` and ``next`` hold where there is none."""
        if name in ("prev", "next"):
            return self.add(op.SHIFT, operand, None, -1 if name == "prev" else 1, 0, INF)
        negative = self.add(op.NEGATE, operand)
        if _known(name, ("rise", "fall")) == "rise":
            was_not = self.add(op.NEGATE, self.add(op.SHIFT, operand, None, -1, 0, -INF))
            return self.add(op.MINIMUM, was_not, operand)
        return self.add(op.MINIMUM, self.add(op.SHIFT, operand, None, -1, 0, INF), negative)

    def build(self, outputs: Sequence[int], before: int = 0, after: int = 0) -> "Program":
        """The program that computes ``outputs``; the recording gets so many samples more ``before`` and ``after``."""
        signals = [key for key in self.inputs if isinstance(key, str)]
        constants = [key for key in self.inputs if not isinstance(key, str)]
        order = [self.inputs[key] for key in signals] + [self.inputs[key] for key in constants]
        order += self.code.values()
        place = {value: index for index, value in enumerate(order)}
        keys = [(key[0], place[key[1]], place[key[2]], key[3], key[4]) for key in self.code]
        checked = {place[value]: node for value, node in self.source.items()}
        code = np.array(keys, np.int64).reshape(-1, 5)
        inputs = len(signals) + len(constants)
        results = [place[value] for value in outputs]
        wanted = np.zeros(len(order), np.bool_)
        wanted[: len(signals)] = True
        for index, (_, a, b, _, _) in enumerate(keys, inputs):
            wanted[index] = wanted[a] or wanted[b]
        slots, size = _share(code, inputs, results)
        return Program(
            signals=tuple(signals),
            constants=np.array(constants, np.float64),
            code=code,
            fills=np.array([key[5] for key in self.code], np.float64),
            checks=np.array([index in checked for index in range(inputs, len(order))], np.bool_),
            slots=slots,
            size=size,
            wanted=wanted,
            outputs=np.array(results, np.int64),
            before=before,
            after=after,
            sources=checked,
        )


@dataclass(frozen=True, eq=False)
class Program:
    """What :mod:`stl.kernels.tiles` runs; values are numbered signals first, then constants, then instructions.

    Attributes:
        signals: Names of the signals read.
        constants: ``[constants]`` float64.
        code: ``[n, 5]`` int64: operation, left operand, right operand, begin, end [samples].
        fills: ``[n]`` float64: what stands where there is no sample.
        checks: ``[n]`` bool: the result must not be NaN.
        slots: ``[values]`` int64: where a value lives while others need it.
        size: Number of slots.
        wanted: ``[values]`` bool: depends on a signal.
        outputs: ``[outputs]`` int64: values asked for.
        before, after: Samples added to the recording at either end.
        sources: Sub-formulas of checked values.
    """

    signals: tuple[str, ...]
    constants: np.ndarray
    code: np.ndarray
    fills: np.ndarray
    checks: np.ndarray
    slots: np.ndarray
    size: int
    wanted: np.ndarray
    outputs: np.ndarray
    before: int
    after: int
    sources: dict[int, Formula]

    @property
    def own_slots(self) -> np.ndarray:
        """A slot for every value."""
        return np.arange(len(self.slots))


@lru_cache(maxsize=1024)
def compile_formula(formula: Formula, dt: float) -> Program:
    """The program of a formula's robustness at the sampling period ``dt`` [s].

    Raises:
        StlError: An interval does not fit the period, or an operator is unknown.
    """
    builder = Builder(dt)
    return builder.build([builder.value(formula)])


def _operation(table: dict[str, int], name: str) -> int:
    _known(name, tuple(table))
    return table[name]


def _known(name: str, names: tuple[str, ...]) -> str:
    if name not in names:
        raise StlError(f"unknown operator '{name}'")
    return name


def _share(code: np.ndarray, inputs: int, outputs: list[int]) -> tuple[np.ndarray, int]:
    """Slots such that a value's slot is used again after the last instruction that reads it: caches are small.

    Inputs keep theirs: constants are written once for all tiles. A result never shares with its own operands.
    """
    values = inputs + len(code)
    last = np.full(values, -1)
    for k, (_, a, b, _, _) in enumerate(code):
        last[a] = last[b] = k
    last[:inputs] = len(code)
    last[outputs] = len(code)
    slots, free, size = np.arange(values), list[int](), inputs
    for k, (_, a, b, _, _) in enumerate(code):
        if free:
            slots[inputs + k] = free.pop()
        else:
            slots[inputs + k] = size
            size += 1
        free += [int(slots[value]) for value in {int(a), int(b)} if last[value] == k]
        if last[inputs + k] < 0:
            free.append(int(slots[inputs + k]))
    return slots, size
