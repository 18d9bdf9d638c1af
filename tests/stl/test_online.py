"""The online monitor gives the offline values, each as soon as it can be known."""

import copy
import math
import pickle
import random
import sys
import timeit

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
    walk,
)
from stl.online import Monitor, OnlineValue
from stl.robustness import robustness
from tests.stl import by_definition

DT = 0.1
P = Comparison(">", Name("p"), Number(0.0))
Q = Comparison(">", Name("q"), Number(0.0))
FUTURE = ("always", "eventually", "until", "unless")

intervals = st.tuples(st.integers(0, 5), st.integers(0, 5)).map(
    lambda bounds: Interval(min(bounds) * DT, max(bounds) * DT)
)
terms = st.recursive(
    st.sampled_from(["p", "q", "r"]).map(Name) | st.integers(-3, 3).map(lambda value: Number(float(value))),
    lambda inner: (
        st.builds(Arithmetic, st.sampled_from("+-*"), inner, inner)
        | st.builds(Function, st.sampled_from(["abs", "-"]), inner)
        | inner.map(lambda term: Function("sqrt", Function("abs", term)))
        | inner.map(lambda term: Arithmetic("/", term, Arithmetic("+", Function("abs", term), Number(1.0))))
    ),
    max_leaves=3,
)
predicates = st.builds(Comparison, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), terms, terms)


def formulas(unbounded: bool, leaves: int = 6) -> st.SearchStrategy[Formula]:
    """Random formulas over p, q, r; windows up to half a second."""
    spans = intervals | st.none() if unbounded else intervals
    return st.recursive(
        predicates,
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.builds(Boolean, st.sampled_from(["and", "or", "implies", "iff", "xor"]), inner, inner),
            st.builds(Unary, st.sampled_from(["always", "eventually"]), spans, inner),
            st.builds(Unary, st.sampled_from(["historically", "once"]), intervals | st.none(), inner),
            st.builds(Binary, st.sampled_from(["until", "unless"]), spans, inner, inner),
            st.builds(Binary, st.just("since"), intervals | st.none(), inner, inner),
            st.builds(Step, st.sampled_from(Step.OPS), inner),
        ),
        max_leaves=leaves,
    )


values = st.integers(-8, 8).map(float) | st.floats(-8.0, 8.0)
traces = st.lists(st.tuples(values, values, values), min_size=1, max_size=30)


def columns(trace: list[tuple[float, float, float]]) -> dict[str, list[float]]:
    return {name: [row[index] for row in trace] for index, name in enumerate("pqr")}


def offline(formula: Formula, trace: list[tuple[float, float, float]]) -> list[float]:
    """Robustness of the whole recording, as the toolkit and as the definition have it."""
    signals = {name: torch.tensor([values], dtype=torch.float64) for name, values in columns(trace).items()}
    found: list[float] = robustness(formula, signals, DT)[0].tolist()
    assert found == pytest.approx(by_definition.robustness(formula, columns(trace), DT), abs=1e-9)
    return found


def samples(trace: list[tuple[float, float, float]]) -> list[dict[str, float]]:
    return [dict(zip("pqr", row, strict=True)) for row in trace]


@given(formulas(unbounded=False), traces)
@settings(deadline=None, max_examples=300)
def test_after_the_horizon_online_is_offline(formula: Formula, trace: list[tuple[float, float, float]]) -> None:
    expected = offline(formula, trace)
    monitor = Monitor(formula, DT)
    for now, sample in enumerate(samples(trace)):
        answer = monitor.update(sample)
        if now < monitor.horizon:
            assert answer == OnlineValue(0, None, False)
        else:
            assert (answer.sample, answer.final) == (now - monitor.horizon, True)
            assert answer.value == pytest.approx(expected[answer.sample], abs=1e-9)
    rest = monitor.finish()
    assert [answer.sample for answer in rest] == list(range(max(0, len(trace) - monitor.horizon), len(trace)))
    assert [answer.value for answer in rest] == pytest.approx(expected[len(trace) - len(rest) :], abs=1e-9)


@given(formulas(unbounded=True), traces)
@settings(deadline=None, max_examples=300)
def test_at_the_end_every_value_is_the_offline_value(formula: Formula, trace: list[tuple[float, float, float]]) -> None:
    monitor = Monitor(formula, DT)
    told = [answer for answer in map(monitor.update, samples(trace)) if answer.final] + monitor.finish()
    assert [answer.sample for answer in told] == list(range(len(trace)))
    assert all(answer.final for answer in told)
    assert [answer.value for answer in told] == pytest.approx(offline(formula, trace), abs=1e-9)


@given(formulas(unbounded=False), st.integers(0, 4), traces)
@settings(deadline=None, max_examples=100)
def test_a_value_said_to_be_final_is_the_same_whatever_follows(
    formula: Formula, more: int, trace: list[tuple[float, float, float]]
) -> None:
    monitor = Monitor(formula, DT)
    told = [answer for answer in map(monitor.update, samples(trace)) if answer.final]
    longer = trace + [(99.0, -99.0, 7.0)] * more
    assert [answer.value for answer in told] == pytest.approx(offline(formula, longer)[: len(told)], abs=1e-9)


@pytest.mark.parametrize("op", ["always", "eventually"])
def test_an_operator_without_end_tells_what_is_known_so_far(op: str) -> None:
    monitor = Monitor(Unary(op, None, P), DT)
    told = [monitor.update({"p": value}) for value in (1.0, 3.0, -2.0, 5.0)]
    expected = [1.0, 1.0, -2.0, -2.0] if op == "always" else [1.0, 3.0, 3.0, 5.0]
    assert told == [OnlineValue(0, value, False) for value in expected]
    assert [answer.value for answer in monitor.finish()] == (
        [-2.0, -2.0, -2.0, 5.0] if op == "always" else [5.0, 5.0, 5.0, 5.0]
    )


def test_until_without_end_counts_the_witnesses_so_far() -> None:
    monitor = Monitor(Binary("until", None, P, Q), DT)
    trace = [(3.0, -1.0), (2.0, -4.0), (1.0, 9.0), (8.0, 9.0)]
    assert [monitor.update({"p": p, "q": q}).value for p, q in trace] == [-1.0, -1.0, 2.0, 2.0]


def test_a_rule_over_the_whole_drive_waits_for_its_windows_only() -> None:
    rule = Unary("always", None, Boolean("implies", P, Unary("eventually", Interval(0.0, 0.2), Q)))
    monitor = Monitor(rule, DT)
    told = [monitor.update({"p": 1.0, "q": q}).value for q in (-1.0, -2.0, 4.0, -3.0, -5.0, -6.0)]
    assert told == [None, None, 4.0, 4.0, 4.0, -1.0]  # the fourth sample: p held 1, the best q was -3


def test_below_another_operator_nothing_is_known_before_the_end() -> None:
    monitor = Monitor(Unary("always", None, Unary("eventually", None, P)), DT)
    assert monitor.horizon is None
    assert monitor.update({"p": 1.0}) == OnlineValue(0, None, False)
    assert [answer.value for answer in monitor.finish()] == [1.0]


@given(formulas(unbounded=True, leaves=4), traces, st.data())
@settings(deadline=None, max_examples=60)
def test_a_pickled_monitor_goes_on_where_it_was(
    formula: Formula, trace: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(trace)))
    monitor, rows = Monitor(formula, DT), samples(trace)
    for row in rows[:cut]:
        monitor.update(row)
    thawed, copied = pickle.loads(pickle.dumps(monitor)), copy.deepcopy(monitor)  # noqa: S301 - our own bytes
    told = [monitor.update(row) for row in rows[cut:]] + monitor.finish()
    for other in (thawed, copied):
        assert repr([other.update(row) for row in rows[cut:]] + other.finish()) == repr(told)
    with pytest.raises(StlError, match="finished"):
        pickle.loads(pickle.dumps(monitor)).update(rows[0])  # noqa: S301 - our own bytes


def test_reset_forgets_everything() -> None:
    monitor = Monitor(Binary("since", Interval(0.1, 0.3), P, Step("next", Q)), DT)
    rows = [{"p": math.sin(step), "q": math.cos(3 * step)} for step in range(12)]
    first = [monitor.update(row) for row in rows] + monitor.finish()
    monitor.reset()
    assert [monitor.update(row) for row in rows] + monitor.finish() == first


def test_nothing_follows_the_end() -> None:
    monitor = Monitor(P, DT)
    monitor.finish()
    with pytest.raises(StlError, match="the recording is finished"):
        monitor.update({"p": 1.0})
    with pytest.raises(StlError, match="the recording is finished"):
        monitor.finish()


def test_arithmetic_without_a_value_is_named() -> None:
    quotient = Unary("always", None, Comparison(">", Arithmetic("/", Name("p"), Name("q")), Number(0.0)))
    monitor = Monitor(quotient, DT)
    assert monitor.update({"p": 1.0, "q": 0.0}).value == math.inf
    with pytest.raises(StlError, match=r"p / q has no value at sample 1"):
        monitor.update({"p": 0.0, "q": 0.0})
    with pytest.raises(StlError, match=r"p - q > 0 has no value|p - q has no value at sample 0"):
        Monitor(Comparison(">", Arithmetic("-", Name("p"), Name("q")), Number(0.0)), DT).update(
            {"p": math.inf, "q": math.inf}
        )


@pytest.mark.parametrize(
    ("term", "p", "value"),
    [
        (Function("exp", Name("p")), 1e4, math.inf),
        (Arithmetic("pow", Name("p"), Number(2.0)), 1e300, math.inf),
        (Arithmetic("pow", Name("p"), Number(-1.0)), 0.0, math.inf),
        (Arithmetic("/", Name("p"), Number(0.0)), -3.0, -math.inf),
        (Function("sqrt", Name("p")), -1.0, None),
        (Arithmetic("pow", Name("p"), Number(0.5)), -1.0, None),
        (Arithmetic("*", Name("p"), Number(0.0)), math.inf, None),
    ],
)
def test_the_borders_of_arithmetic_are_those_of_the_offline_value(term: Formula, p: float, value: float | None) -> None:
    signals = {"p": torch.tensor([[p]], dtype=torch.float64)}
    if value is not None:
        assert Monitor(term, DT).update({"p": p}).value == value == float(robustness(term, signals, DT)[0, 0])
        return
    with pytest.raises(StlError, match="no value"):
        Monitor(term, DT).update({"p": p})
    with pytest.raises(StlError, match="no value"):
        robustness(term, signals, DT)


@pytest.mark.parametrize(
    ("sample", "sentence"),
    [
        ({"p": math.nan, "q": 0.0}, "signal 'p' is NaN at sample 2"),
        ({"p": 0.0, "q": math.nan}, "signal 'q' is NaN at sample 2"),
        ({"p": 0.0}, "sample 2 has no signal 'q'; it has p"),
        ({"p": "fast", "q": 0.0}, "signal 'p' is 'fast' at sample 2, expected a number"),
        ({"p": None, "q": 0.0}, "signal 'p' is None at sample 2, expected a number"),
    ],
)
def test_a_bad_sample_is_named_and_not_taken(sample: dict[str, float], sentence: str) -> None:
    monitor = Monitor(Boolean("implies", P, Unary("eventually", Interval(0.0, 0.2), Q)), DT)
    good = {"p": 1.0, "q": -1.0}
    monitor.update(good)
    monitor.update(good)
    with pytest.raises(StlError) as caught:
        monitor.update(sample)
    assert sentence in str(caught.value)
    assert monitor.update(good) == OnlineValue(0, -1.0, True)


@pytest.mark.parametrize(
    ("interval", "sentence"),
    [
        (Interval(0.0, 0.25), "0.25 s"),
        (Interval(0.3, 0.1), "ends before it begins"),
        (Interval("t", 0.1), "'t'"),
    ],
)
def test_a_bad_interval_is_refused_at_once(interval: Interval, sentence: str) -> None:
    for formula in (Unary("once", interval, P), Unary("always", None, Binary("until", interval, P, Q))):
        with pytest.raises(StlError) as caught:
            Monitor(formula, DT)
        assert sentence in str(caught.value)


def test_signals_that_the_formula_does_not_read_are_ignored() -> None:
    assert Monitor(P, DT).update({"p": 2.0, "other": math.nan}).value == 2.0


def test_time_per_sample_does_not_grow_with_the_window() -> None:
    def seconds(window: float) -> float:
        monitor = Monitor(Unary("always", Interval(0.0, window), P), DT)
        rows = [{"p": random.random()} for _ in range(20_000)]
        return min(timeit.repeat(lambda: [monitor.update(row) for row in rows], number=1, repeat=3))

    assert seconds(400.0) < 5 * seconds(1.0)


def test_a_sample_takes_under_three_microseconds() -> None:
    monitor = Monitor(Boolean("implies", P, Unary("eventually", Interval(0.0, 2.0), Q)), DT)
    rows = [{"p": random.random(), "q": random.random()} for _ in range(20_000)]
    best = min(timeit.repeat(lambda: [monitor.update(row) for row in rows], number=1, repeat=5))
    assert best / len(rows) < 3e-6


def test_memory_of_a_bounded_formula_does_not_grow() -> None:
    monitor = Monitor(Boolean("and", P, Binary("until", Interval(0.2, 0.5), P, Q)), DT)

    def size() -> int:
        return sum(sys.getsizeof(part) for part in monitor.__getstate__()["_seen"])

    sizes = []
    for step in range(5_000):
        monitor.update({"p": math.sin(step), "q": math.cos(step)})
        sizes.append(size())
    assert max(sizes[2_500:]) <= max(sizes[:100])


def test_the_random_formulas_hold_every_operator() -> None:
    seen: set[str] = set()

    @given(formulas(unbounded=True))
    @settings(deadline=None, max_examples=400, database=None)
    def collect(formula: Formula) -> None:
        for node in walk(formula):
            seen.add(type(node).__name__ + getattr(node, "op", getattr(node, "name", "") * isinstance(node, Function)))

    collect()
    operators = {"Unary" + op for op in ("always", "eventually", "historically", "once")}
    operators |= {"Binary" + op for op in ("until", "unless", "since")} | {"Step" + op for op in Step.OPS}
    operators |= {"Boolean" + op for op in ("and", "or", "implies", "iff", "xor")} | {"Not"}
    operators |= {"Comparison" + op for op in ("<", "<=", ">", ">=", "==", "!=")}
    operators |= {"Arithmetic" + op for op in "+-*/"} | {"Function" + name for name in ("abs", "sqrt", "-")}
    assert operators <= seen
