"""Random formulas and traces, for Hypothesis and for seeded loops alike.

``random_formula`` draws every operator that rtamt has, over the signals :data:`SIGNALS`, and such that its value
exists: no division by zero, no root of a negative number, no difference of infinities. ``shapes`` draws any tree at
all, for parsing and printing.
"""

from random import Random

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

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
from stl.tokens import KINDS, RESERVED

SIGNALS = ("x", "y", "z")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def random_interval(rng: Random, dt: float, longest: int, from_now: bool = False) -> Interval:
    """Whole samples, at most ``longest`` of them; written as a person would, 0.3 and not 0.30000000000000004."""
    begin = 0 if from_now or rng.random() < 0.5 else rng.randint(0, longest)
    return Interval(round(begin * dt, 9), round(rng.randint(begin, longest) * dt, 9))


def random_term(rng: Random, depth: int) -> Formula:
    """Arithmetic over the signals, of moderate size and everywhere defined."""
    if depth <= 0 or rng.random() < 0.3:
        return Name(rng.choice(SIGNALS)) if rng.random() < 0.7 else Number(round(rng.uniform(-4, 4), 1))
    left = random_term(rng, depth - 1)
    kind = rng.choice(("+", "-", "*", "/", "abs", "sqrt", "exp", "pow", "minus"))
    if kind in ("+", "-", "*"):
        return Arithmetic(kind, left, random_term(rng, depth - 1))
    positive = Function("abs", left)
    if kind == "/":
        return Arithmetic("/", random_term(rng, depth - 1), Arithmetic("+", positive, Number(0.5)))
    if kind == "sqrt":
        return Function("sqrt", positive)
    if kind == "exp":
        return Function("exp", Arithmetic("/", left, Arithmetic("+", positive, Number(1.0))))
    if kind == "pow":
        base = Arithmetic("/", positive, Arithmetic("+", positive, Number(1.0)))
        return Arithmetic("pow", base, Number(rng.choice((0.5, 1.0, 2.0, 3.0))))
    return Function("abs" if kind == "abs" else "-", left)


def random_formula(
    rng: Random, depth: int = 3, *, dt: float = 0.1, longest: int = 8, finite: bool = False, future: bool = True
) -> Formula:
    """Any operator over any other.

    Args:
        rng: Decides.
        depth: Of temporal and boolean operators.
        dt: Sampling period, s.
        longest: Window, samples.
        finite: Only operators whose value is finite on every trace.
        future: False for operators on the past and present alone.
    """
    if depth <= 0:
        term = random_term(rng, 1)
        return term if rng.random() < 0.15 else Comparison(rng.choice(COMPARISONS), term, random_term(rng, 1))

    def deeper(finite: bool = finite) -> Formula:
        return random_formula(rng, depth - rng.choice((1, 1, 2)), dt=dt, longest=longest, finite=finite, future=future)

    def interval() -> Interval | None:
        return None if rng.random() < 0.3 else random_interval(rng, dt, longest, from_now=finite)

    kind = rng.choice(("boolean", "not", "difference", "unary", "unary", "binary", "step", "comparison"))
    if kind == "boolean":
        return Boolean(rng.choice(("and", "or", "implies")), deeper(), deeper())
    if kind == "not":
        return Not(deeper())
    if kind == "difference":  # infinities of one sign have none
        return Boolean(rng.choice(("iff", "xor")), deeper(True), deeper(True))
    if kind == "comparison":
        left: Formula = deeper(True)
        if rng.random() < 0.3:
            left = Arithmetic("-", random_term(rng, 1), left)
        return Comparison(rng.choice(COMPARISONS), left, random_term(rng, 2))
    if kind == "unary":
        ops = ("always", "eventually", "once", "historically") if future else ("once", "historically")
        return Unary(rng.choice(ops), interval(), deeper())
    if kind == "binary":
        ops = ("until", "since", "unless") if future else ("since",)
        return Binary(rng.choice(ops), interval(), deeper(), deeper())
    edges = ("rise", "fall")
    if finite:
        return Step(rng.choice(edges), deeper())
    return Step(rng.choice((*edges, "prev", "next") if future else (*edges, "prev")), deeper())


def random_trace(rng: Random, samples: int) -> dict[str, NDArray[np.float64]]:
    """The :data:`SIGNALS` [T]; whole numbers now and then, so that values tie."""
    whole = rng.random() < 0.3
    draw = (lambda: float(rng.randint(-3, 3))) if whole else (lambda: rng.uniform(-5, 5))
    return {name: np.array([draw() for _ in range(samples)]) for name in SIGNALS}


def formulas(**options: bool | int | float) -> st.SearchStrategy[Formula]:
    """:func:`random_formula` for Hypothesis."""
    rngs = st.randoms(use_true_random=False)
    return rngs.map(lambda rng: random_formula(rng, **options))  # type: ignore[arg-type]


def traces(least: int = 1, most: int = 30) -> st.SearchStrategy[dict[str, NDArray[np.float64]]]:
    """:func:`random_trace` for Hypothesis."""
    return st.builds(random_trace, st.randoms(use_true_random=False), st.integers(least, most))


def _names() -> st.SearchStrategy[str]:
    taken = {*KINDS, *RESERVED}
    return st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,8}", fullmatch=True).filter(lambda name: name not in taken)


def _intervals() -> st.SearchStrategy[Interval | None]:
    second = st.integers(0, 10**6).map(lambda n: n / 1000)
    numbers = st.tuples(second, second).map(lambda ends: Interval(min(ends), max(ends)))
    return st.none() | numbers | st.builds(Interval, _names() | second, _names())


def shapes() -> st.SearchStrategy[Formula]:
    """Any tree that the classes allow, whether or not it makes sense to evaluate it."""
    number = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: Number(value + 0.0))
    leaves = number | st.builds(Name, _names())

    def over(inner: st.SearchStrategy[Formula]) -> st.SearchStrategy[Formula]:
        def choice(*values: str) -> st.SearchStrategy[str]:
            return st.sampled_from(values)

        return st.one_of(
            st.builds(Arithmetic, choice("+", "-", "*", "/", "pow"), inner, inner),
            st.builds(Function, choice("abs", "sqrt", "exp", "-"), inner),
            st.builds(Comparison, choice(*COMPARISONS), inner, inner),
            st.builds(Not, inner),
            st.builds(Boolean, choice("and", "or", "implies", "iff", "xor"), inner, inner),
            st.builds(Unary, choice("always", "eventually", "historically", "once"), _intervals(), inner),
            st.builds(Binary, choice("until", "since", "unless"), _intervals(), inner, inner),
            st.builds(Step, choice(*Step.OPS), inner),
        )

    return st.recursive(leaves, over, max_leaves=12)
