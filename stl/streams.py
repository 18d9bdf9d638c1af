"""Formulas compiled to a function of one sample: the work behind :mod:`stl.online`.

Every node becomes a *stream*: a variable that holds the node's value about sample ``n - delay`` at the step that reads
sample ``n``. Operators on the past have the delay of their operand, ``[a:b]`` on the future adds ``b``, and a faster
operand waits in a queue for the slower one. All nodes together become one plain Python function, because calls are
what a monitor in Python pays for: one call a sample, not one a node.

Windows of ``w`` samples are cut into blocks of ``w``: the extreme over a window is that over the rest of the previous
block, read from a stack that is filled once a block, and that over the current block so far: constant time per sample
on average (van Herk 1992; Gil and Werman 1993).
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Any, NamedTuple

from stl import scalars
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
    names,
)
from stl.program import samples_of
from stl.text import to_text
from stl.unbounded import First, Unknown, UntilSoFar


class OnlineValue(NamedTuple):
    """What is known about one sample; see :class:`stl.online.Monitor`."""

    sample: int
    value: float | None
    final: bool


class _Stream(NamedTuple):
    """A variable of the program (or the text of a constant) and how many samples it is behind."""

    name: str
    delay: int
    constant: bool = False


class _Item(NamedTuple):
    """Lines of the program, run from step ``delay`` on.

    ``feed`` has (variable, operand, neutral element): operators on the future go on when the recording has ended, with
    the neutral element in the operand's place. Items without ``feed`` end with the recording.
    """

    delay: int
    lines: tuple[str, ...]
    feed: tuple[tuple[str, str, str], ...] = ()


class Program(NamedTuple):
    """The functions of a compiled formula, and how far it looks ahead in samples."""

    update: Callable[[Mapping[str, float]], OnlineValue]
    drain: Callable[[int], list[OnlineValue]]
    save: Callable[[], tuple[Any, ...]]
    delay: int


class Compiler:
    """Turns one formula into a :class:`Program`."""

    def __init__(self, formula: Formula, dt: float) -> None:
        self._dt = dt
        self._initial: dict[str, Any] = {}
        self._items: list[_Item] = []
        self._known: dict[object, _Stream] = {}
        self._signals = {name: f"x{index}" for index, name in enumerate(sorted(names(formula)))}
        self._count = 0
        self._root = self._stream(formula)

    def program(self, provisional: bool, state: tuple[Any, ...] | None = None) -> Program:
        """The functions, going on from a state that ``save`` gave.

        Args:
            provisional: The values are about sample 0 and may change, instead of final ones about ``n - delay``; the
                samples are kept, as tuples in the order of the sorted names of the signals.
            state: From the same formula; by default that before the first sample.
        """
        space = _SPACE | {"wanted": list(self._signals)}
        exec("\n".join(self._text(provisional)), space)
        values = state if state is not None else (0, [], *(make() for make in self._initial.values()))
        update, drain, save = space["build"](*values)
        return Program(update, drain, save, self._root.delay)

    def _text(self, provisional: bool) -> list[str]:
        state = ["count", "kept", *self._initial]
        items = sorted(self._items, key=lambda item: item.delay)  # stable: operands stay before their operators
        reads = [f"{variable} = sample[{name!r}] + 0.0" for name, variable in self._signals.items()]
        checks = [f"if {variable} != {variable}: raise not_a_number({name!r}, count)"
                  for name, variable in self._signals.items()]  # fmt: skip
        update, level = ["count += 1"], 0
        if provisional:  # at the end it is all gone through once more
            update.append(f"kept.append(({''.join(f'{variable}, ' for variable in self._signals.values())}))")
        for item in (*items, _Item(self._root.delay, ())):
            if item.delay > level:
                level = item.delay
                update.append(f"if count <= {level}: return waiting")
            update += [f"{used} = {source}" for used, source, _ in item.feed]
            update += [line.replace("{n}", "count - 1") for line in item.lines]
        index, final = ("0", "False") if provisional else (f"count - {1 + self._root.delay}", "True")
        update.append(f"return new(OnlineValue, ({index}, {self._root.name}, {final}))")
        drain = []
        for item in items:
            inside = [f"{used} = {source} if step < length + {item.delay} else {neutral}"
                      for used, source, neutral in item.feed]  # fmt: skip
            last = "" if item.feed else f" < length + {item.delay}"
            if item.delay > 0 or item.feed:  # nothing new comes without delay
                drain += [
                    f"if {item.delay} <= step{last}:",
                    *_indented((*inside, *(line.replace("{n}", "step") for line in item.lines))),
                ]
        return [
            f"def build({', '.join(state)}):",
            *_indented(
                [
                    "def update(sample):",
                    *_indented([f"nonlocal {', '.join(state)}", *_guarded(reads), *checks, *update]),
                    "def drain(length):",
                    *_indented(
                        [
                            f"nonlocal {', '.join(state)}",
                            "done = []",
                            f"for step in range(length, length + {self._root.delay}):",
                            *_indented(
                                [
                                    *drain,
                                    f"if step >= {self._root.delay}: "
                                    f"done.append(OnlineValue(step - {self._root.delay}, {self._root.name}, True))",
                                ]
                            ),
                            "return done",
                        ]
                    ),
                    "def save():",
                    f"    return ({', '.join(state)},)",
                    "return update, drain, save",
                ]
            ),
        ]

    # --- pieces of the program

    def _fresh(self, letter: str, make: Callable[[], Any] | None = None) -> str:
        """A new variable, of the state if it has a first value."""
        self._count += 1
        name = f"{letter}{self._count}"
        if make is not None:
            self._initial[name] = make
        return name

    def _value(self, delay: int, *lines: str) -> _Stream:
        """A variable ``{v}`` that the lines compute."""
        name = self._fresh("v")
        self._items.append(_Item(delay, tuple(line.replace("{v}", name) for line in lines)))
        return _Stream(name, delay)

    def _checked(self, node: Formula, delay: int, line: str) -> _Stream:
        """A value of arithmetic, which may be NaN: inf - inf, 0 / 0."""
        if _always_a_number(node):
            return self._value(delay, line)
        return self._value(delay, line, f"if {{v}} != {{v}}: raise no_value({to_text(node)!r}, {{n}} - {delay})")

    def _late(self, stream: _Stream, delay: int) -> _Stream:
        """The same values, at a later step."""
        if stream.constant or stream.delay == delay:
            return stream
        key = ("late", stream, delay)
        if key not in self._known:
            queue = self._fresh("q", deque)
            self._items.append(_Item(stream.delay, (f"{queue}.append({stream.name})",)))
            self._known[key] = self._value(delay, f"{{v}} = {queue}.popleft()")
        return self._known[key]

    def _together(self, *streams: _Stream) -> tuple[_Stream, ...]:
        delay = max(stream.delay for stream in streams)
        return tuple(self._late(stream, delay) for stream in streams)

    def _windowed(self, stream: _Stream, width: int, least: bool, ahead: int) -> _Stream:
        """Least or largest of the last ``width`` values; about the sample ``ahead`` before the newest of them."""
        neutral, sign, pick = ("inf", "<", "min") if least else ("-inf", ">", "max")
        name, used = self._fresh("v"), self._fresh("u")
        if width == 1:
            lines = [f"{name} = {used}"]
        else:
            block, rest = self._fresh("b", list), self._fresh("r", list)
            best = self._fresh("m", lambda: math.inf if least else -math.inf)
            lines = [
                f"{block}.append({used})",
                f"if {used} {sign} {best}: {best} = {used}",
                f"{name} = {best}",
                f"if {rest}:",
                f"    {used} = {rest}.pop()",
                f"    if {used} {sign} {name}: {name} = {used}",
                f"elif len({block}) == {width}:",  # the stack holds width - 1: it is empty where the block is full
                f"    {rest} = list(accumulate(reversed({block}), {pick})); {rest}.pop()",
                f"    {block}.clear(); {best} = {neutral}",
            ]
        self._items.append(_Item(stream.delay, tuple(lines), ((used, stream.name, neutral),)))
        return _Stream(name, stream.delay + ahead)

    def _shifted_back(self, stream: _Stream, by: int, neutral: str) -> _Stream:
        """The value ``by`` samples before, the neutral one before the first."""
        if by == 0:
            return stream
        first = float(neutral)
        queue = self._fresh("q", lambda: deque([first] * by))
        return self._value(stream.delay, f"{queue}.append({stream.name})", f"{{v}} = {queue}.popleft()")

    def _paired(self, left: _Stream, right: _Stream, width: int, future: bool) -> _Stream:
        """``until[0:w]`` or ``since[0:w]`` over the last ``width`` = w + 1 pairs.

        A stretch of samples is summed up by (least left, value of the operator over the stretch); two neighbouring
        stretches combine associatively, so that blocks work for pairs as for numbers.
        """
        left, right = self._together(left, right)
        delay = max(left.delay, right.delay)
        name, one, two = self._fresh("v"), self._fresh("u"), self._fresh("u")
        block, rest = self._fresh("b", list), self._fresh("r", list)
        least, best = self._fresh("m", lambda: math.inf), self._fresh("m", lambda: -math.inf)
        if future:
            grow = [
                f"{name} = {two} if {two} < {least} else {least}",  # a witness now, left held until now
                f"if {name} > {best}: {best} = {name}",
                f"if {one} < {least}: {least} = {one}",
                f"{name} = {best}",
            ]
            join = [f"if {one} < {name}: {name} = {one}", f"if {two} > {name}: {name} = {two}"]
        else:
            grow = [
                f"if {one} < {best}: {best} = {one}",
                f"if {two} > {best}: {best} = {two}",
                f"if {one} < {least}: {least} = {one}",
                f"{name} = {best}",
            ]
            join = [f"if {two} > {least}: {two} = {least}", f"if {two} > {name}: {name} = {two}"]
        combine = "until" if future else "since"
        lines = [
            f"{block}.append(({one}, {two}))",
            *grow,
            f"if {rest}:",
            f"    {one}, {two} = {rest}.pop()",
            *_indented(join),
            f"elif len({block}) == {width}:",
            f"    {rest} = list(accumulate(reversed({block}), lambda late, early: {combine}(early, late)))",
            f"    {rest}.pop(); {block}.clear(); {least} = inf; {best} = -inf",
        ]
        feed = ((one, left.name, "inf"), (two, right.name, "-inf"))
        self._items.append(_Item(delay, tuple(lines), feed))
        return _Stream(name, delay + (width - 1 if future else 0))

    def _both(self, left: _Stream, right: _Stream, sign: str) -> _Stream:
        """The lesser (``<``) or the larger (``>``) of two."""
        left, right = self._together(left, right)
        delay = max(left.delay, right.delay)
        return self._value(delay, f"{{v}} = {left.name} if {left.name} {sign} {right.name} else {right.name}")

    # --- the nodes

    def _stream(self, node: Formula) -> _Stream:
        if node not in self._known:
            self._known[node] = self._compile(node)
        return self._known[node]

    def _compile(self, node: Formula) -> _Stream:
        match node:
            case Number(value):
                return _Stream(f"({float(value)!r})", 0, constant=True)
            case Name(name):
                return _Stream(self._signals[name], 0)
            case Unary(op, interval, operand):
                return self._unary(op, interval, self._stream(operand))
            case Binary(op, interval, left, right):
                return self._binary(op, interval, self._stream(left), self._stream(right))
            case Step(op, operand):
                return self._step(op, self._stream(operand))
            case Unknown():
                return _Stream("None", 0, constant=True)
            case First(operand):
                first = self._stream(operand)
                held = self._fresh("s", lambda: None)
                return self._value(first.delay, f"if {held} is None: {held} = {first.name}", f"{{v}} = {held}")
            case UntilSoFar(left, right):
                one, two = self._together(self._stream(left), self._stream(right))
                held = self._fresh("s", lambda: scalars.NOTHING)
                delay = max(one.delay, two.delay)
                pair = f"({one.name}, {two.name})"
                return self._value(delay, f"{held} = until({held}, {pair})", f"{{v}} = {held}[1]")
        return self._pointwise(node)

    def _pointwise(self, node: Formula) -> _Stream:
        parts = self._together(*(self._stream(child) for child in node.children()))
        delay = max(part.delay for part in parts)
        a, b = parts[0].name, parts[-1].name
        match node:
            case Not() | Function("-"):
                return self._value(delay, f"{{v}} = -{a}")
            case Function("abs"):
                return self._value(delay, f"{{v}} = abs({a})")
            case Function(name):
                return self._checked(node, delay, f"{{v}} = {name}({a})")
            case Arithmetic("/" | "pow" as op):
                return self._checked(node, delay, f"{{v}} = {'divide' if op == '/' else 'power'}({a}, {b})")
            case Arithmetic(op):
                return self._checked(node, delay, f"{{v}} = {a} {op} {b}")
            case Comparison("<" | "<="):
                return self._checked(node, delay, f"{{v}} = {b} - {a}")
            case Comparison(">" | ">="):
                return self._checked(node, delay, f"{{v}} = {a} - {b}")
            case Comparison("==") | Boolean("iff"):  # two infinities are not apart
                return self._value(delay, f"{{v}} = 0.0 if {a} == {b} else -abs({a} - {b})")
            case Comparison("!=") | Boolean("xor"):
                return self._value(delay, f"{{v}} = 0.0 if {a} == {b} else abs({a} - {b})")
            case Boolean("implies"):
                return self._value(delay, f"{{v}} = -{a}", f"if {b} > {{v}}: {{v}} = {b}")
            case Boolean(op):
                return self._both(parts[0], parts[1], "<" if op == "and" else ">")
        raise TypeError(f"no formula: {node!r}")

    def _unary(self, op: str, interval: Interval | None, stream: _Stream) -> _Stream:
        least = op in ("always", "historically")
        sign, neutral = ("<", "inf") if least else (">", "-inf")
        if interval is None:
            best = self._fresh("s", lambda: math.inf if least else -math.inf)
            step = f"if {stream.name} {sign} {best}: {best} = {stream.name}"
            return self._value(stream.delay, step, f"{{v}} = {best}")
        begin, end = samples_of(interval, self._dt)
        if op in ("always", "eventually"):
            return self._windowed(stream, end - begin + 1, least, end)
        return self._windowed(self._shifted_back(stream, begin, neutral), end - begin + 1, least, 0)

    def _binary(self, op: str, interval: Interval | None, left: _Stream, right: _Stream) -> _Stream:
        if interval is None:  # `since`: the others are open, and not compiled as they stand
            left, right = self._together(left, right)
            held = self._fresh("s", lambda: -math.inf)
            return self._value(
                max(left.delay, right.delay),
                f"if {left.name} < {held}: {held} = {left.name}",
                f"if {right.name} > {held}: {held} = {right.name}",
                f"{{v}} = {held}",
            )
        begin, end = samples_of(interval, self._dt)
        if op == "unless":
            always = self._windowed(left, end + 1, True, end)
            return self._both(always, self._binary("until", interval, left, right), ">")
        future = op == "until"
        pairs = self._paired(left, right, end - begin + 1, future)
        if begin == 0:
            return pairs
        if future:  # left holds up to the begin of the window, and from there until right
            return self._both(self._windowed(left, begin, True, begin - 1), self._windowed(pairs, 1, False, begin), "<")
        return self._both(self._windowed(left, begin, True, 0), self._shifted_back(pairs, begin, "-inf"), "<")

    def _step(self, op: str, stream: _Stream) -> _Stream:
        if op == "next":
            return self._windowed(stream, 1, True, 1)
        first = {"prev": math.inf, "rise": -math.inf, "fall": math.inf}[op]
        before = self._fresh("s", lambda: first)
        now, kept = stream.name, f"{before} = {stream.name}"
        if op == "prev":
            return self._value(stream.delay, f"{{v}} = {before}", kept)
        one, other = (f"-{before}", now) if op == "rise" else (before, f"-{now}")
        return self._value(stream.delay, f"{{v}} = {one}", f"if {other} < {{v}}: {{v}} = {other}", kept)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _guarded(reads: list[str]) -> list[str]:
    refusal = "except (KeyError, TypeError): raise bad_sample(sample, wanted, count) from None"
    return ["try:", *_indented(reads), refusal] if reads else []


def _not_a_number(name: str, index: int) -> StlError:
    return StlError(f"signal {name!r} is NaN at sample {index}")


def _no_value(text: str, index: int) -> StlError:
    return StlError(f"{text} has no value at sample {index}")


def _always_a_number(node: Formula) -> bool:
    """Where one side is a finite number, most arithmetic has a value."""
    numbers = [child.value for child in node.children() if isinstance(child, Number)]
    match node:
        case Comparison() | Arithmetic("+" | "-"):
            return bool(numbers)
        case Arithmetic("*" | "/"):
            return any(numbers)
    return False


def _bad_sample(sample: Mapping[str, float], wanted: Iterable[str], index: int) -> StlError:
    for name in wanted:
        if name not in sample:
            return StlError(f"sample {index} has no signal {name!r}; it has {', '.join(sorted(sample)) or 'none'}")
        if not isinstance(sample[name], int | float):
            return StlError(f"signal {name!r} is {sample[name]!r} at sample {index}, expected a number")
    return StlError(f"sample {index} is not a mapping from signals to numbers")


_SPACE: dict[str, Any] = {
    "inf": math.inf, "accumulate": accumulate,
    "until": scalars.until, "since": scalars.since, "divide": scalars.divide, "power": scalars.power,
    "sqrt": scalars.sqrt, "exp": scalars.exp,
    "not_a_number": _not_a_number, "no_value": _no_value, "bad_sample": _bad_sample,
    "new": tuple.__new__, "OnlineValue": OnlineValue, "waiting": OnlineValue(0, None, False),
}  # fmt: skip
