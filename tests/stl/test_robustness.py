"""Exact robustness: the values, their gradients, their limits."""

import tracemalloc
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stl.errors import StlError
from stl.formula import Arithmetic, Binary, Boolean, Comparison, Formula, Function, Interval, Name, Not, Number, Step
from stl.formula import Unary as U
from stl.robustness import robustness
from tests.stl import by_definition
from tests.stl.strategies import SIGNALS, random_formula, random_trace

X, Y = Name("x"), Name("y")
ABOVE = Comparison(">", X, Number(0.0))
ALL_OPERATORS: list[Formula] = [
    *(U(op, window, ABOVE) for op in ("always", "eventually", "historically", "once")
      for window in (None, Interval(0.0, 0.0), Interval(0.0, 0.7), Interval(0.3, 1.2), Interval(0.5, 9.0))),
    *(Binary(op, window, X, Y) for op in ("until", "since", "unless")
      for window in (None, Interval(0.0, 0.0), Interval(0.0, 0.7), Interval(0.3, 1.2), Interval(0.5, 9.0))),
    *(Step(op, ABOVE) for op in Step.OPS),
    *(Boolean(op, ABOVE, Comparison("<=", Y, X)) for op in ("and", "or", "implies", "iff", "xor")),
    *(Comparison(op, X, Y) for op in ("<", "<=", ">", ">=", "==", "!=")),
    *(Arithmetic(op, X, Arithmetic("+", Function("abs", Y), Number(1.5))) for op in ("+", "-", "*", "/")),
    Arithmetic("pow", Function("abs", X), Number(1.5)),
    Function("sqrt", Function("abs", X)),
    Function("exp", Function("-", X)),
    Not(ABOVE),
]  # fmt: skip


def batch(rng: Random, traces: int, samples: int) -> dict[str, np.ndarray]:
    drawn = [random_trace(rng, samples) for _ in range(traces)]
    return {name: np.stack([trace[name] for trace in drawn]) for name in SIGNALS}


def tensors(signals: dict[str, np.ndarray], dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(values, dtype=dtype) for name, values in signals.items()}


@pytest.mark.parametrize("formula", ALL_OPERATORS, ids=repr)
@pytest.mark.parametrize("samples", [1, 2, 13, 40])
def test_each_operator_has_its_value_by_definition(formula: Formula, samples: int) -> None:
    signals = batch(Random(samples), 3, samples)
    found = robustness(formula, tensors(signals)).numpy()
    for trace in range(3):
        expected = by_definition.robustness(formula, {name: list(v[trace]) for name, v in signals.items()}, 0.1)
        np.testing.assert_allclose(found[trace], expected, rtol=1e-14, atol=0)


@settings(deadline=None, max_examples=150)
@given(st.randoms(use_true_random=False), st.integers(1, 70), st.integers(1, 40))
def test_random_formulas_have_their_value_by_definition(rng: Random, traces: int, samples: int) -> None:
    formula = random_formula(rng, 4, longest=12)
    signals = batch(rng, traces, samples)
    found = robustness(formula, tensors(signals)).numpy()
    for trace in {0, traces // 2, traces - 1}:
        expected = by_definition.robustness(formula, {name: list(v[trace]) for name, v in signals.items()}, 0.1)
        np.testing.assert_allclose(found[trace], expected, rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(2, 30))
def test_gradients_are_slopes(rng: Random, samples: int) -> None:
    formula = random_formula(rng, 3, finite=True)
    numbers = np.random.default_rng(rng.randrange(1 << 30))
    signals = {name: torch.tensor(numbers.uniform(-5, 5, (2, samples)), requires_grad=True) for name in SIGNALS}
    weight = torch.tensor(numbers.uniform(-1, 1, (2, samples)))
    total_now = (robustness(formula, signals) * weight).sum()
    if total_now.requires_grad:  # a formula may be about numbers alone
        total_now.backward()
    step, way = 1e-7, {name: torch.tensor(numbers.uniform(-1, 1, (2, samples))) for name in SIGNALS}

    def total(by: float) -> float:
        moved = {name: signal.detach() + by * way[name] for name, signal in signals.items()}
        return float((robustness(formula, moved) * weight).sum())

    up, down = (total(step) - total(0.0)) / step, (total(0.0) - total(-step)) / step
    slope = sum(float((s.grad * way[n]).sum()) for n, s in signals.items() if s.grad is not None)
    if abs(up - down) < 1e-3 * (1 + abs(up)):  # no tie is crossed
        assert slope == pytest.approx((up + down) / 2, rel=2e-3, abs=2e-3)


@pytest.mark.parametrize("formula", ALL_OPERATORS, ids=repr)
def test_the_gradient_of_each_operator_is_its_slope(formula: Formula) -> None:
    numbers = np.random.default_rng(3)
    signals = {name: torch.tensor(numbers.uniform(-2, 2, (3, 17)), requires_grad=True) for name in SIGNALS}

    def value(*moved: torch.Tensor) -> torch.Tensor:
        result = robustness(formula, dict(zip(signals, moved, strict=True)))
        return torch.where(result.isfinite(), result, torch.zeros_like(result))

    assert torch.autograd.gradcheck(value, tuple(signals.values()), eps=1e-7, atol=1e-5)


def test_of_equal_values_the_first_gets_the_whole_gradient() -> None:
    flat = torch.zeros(1, 6, requires_grad=True)
    for op, expected in (("always", [1, 0, 0, 0, 0, 0]), ("eventually", [1, 0, 0, 0, 0, 0])):
        (gradient,) = torch.autograd.grad(robustness(U(op, Interval(0.0, 0.4), X), {"x": flat})[0, 0], flat)
        assert gradient.tolist() == [expected]
    past = robustness(U("once", Interval(0.0, 0.3), X), {"x": flat})[0, 5]
    assert torch.autograd.grad(past, flat)[0].tolist() == [[0, 0, 1, 0, 0, 0]]
    other = torch.zeros(1, 6, requires_grad=True)
    both = robustness(Boolean("and", X, Y), {"x": flat, "y": other})[0, 2]
    left, right = torch.autograd.grad(both, (flat, other))
    assert left.tolist() == [[0, 0, 1, 0, 0, 0]] and not right.any()


def test_the_gradient_does_not_see_later_changes_of_the_signals() -> None:
    x = torch.tensor([[3.0, 1.0, 2.0]], requires_grad=True)
    value = robustness(U("always", None, X), {"x": x})[0, 0]
    with torch.no_grad():
        x.copy_(torch.tensor([[0.0, 5.0, 5.0]]))
    value.backward()
    assert x.grad is not None and x.grad.tolist() == [[0.0, 1.0, 0.0]]


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(1, 40))
def test_float32_gives_the_same_verdict_away_from_zero(rng: Random, samples: int) -> None:
    formula, signals = random_formula(rng, 3), batch(rng, 4, samples)
    exact = robustness(formula, tensors(signals))
    rounded = robustness(formula, tensors(signals, torch.float32))
    assert rounded.dtype == torch.float32
    clear = exact.abs() > 1e-4 * 1e3
    assert ((exact >= 0) == (rounded >= 0))[clear].all()


def test_any_layout_of_memory_gives_the_same_bits() -> None:
    formula = random_formula(Random(5), 4)
    signals = tensors(batch(Random(6), 70, 33))
    turned = {name: signal.T.contiguous().T for name, signal in signals.items()}
    sliced = {name: torch.stack([signal, signal], 2)[:, :, 0] for name, signal in signals.items()}
    expected = robustness(formula, signals)
    assert torch.equal(robustness(formula, turned), expected)
    assert torch.equal(robustness(formula, sliced), expected)


def test_a_trace_has_the_same_bits_in_any_batch() -> None:
    formula = Boolean("or", Binary("until", Interval(0.2, 1.1), ABOVE, Y), U("always", None, Function("exp", Y)))
    signals = tensors(batch(Random(8), 200, 25))
    whole = robustness(formula, signals)
    for size in (1, 7, 64, 65):
        parts = [robustness(formula, {n: s[i : i + size] for n, s in signals.items()}) for i in range(0, 200, size)]
        assert torch.equal(torch.cat(parts), whole)


def test_no_trace_gives_no_value() -> None:
    x = torch.zeros(0, 5, requires_grad=True)
    result = robustness(U("always", None, ABOVE), {"x": x})
    assert result.shape == (0, 5)
    result.sum().backward()
    assert x.grad is not None and x.grad.shape == (0, 5)


def test_a_formula_without_signals_takes_its_shape_from_them() -> None:
    assert robustness(Comparison(">", Number(3.0), Number(1.0)), {"x": torch.zeros(2, 3)}).tolist() == [[2.0] * 3] * 2


def test_infinite_signals_are_kept() -> None:
    x = torch.tensor([[1.0, float("inf"), -float("inf"), 2e12]])
    assert robustness(U("once", None, X), {"x": x}).tolist() == [[1.0, float("inf"), float("inf"), float("inf")]]
    equal = robustness(Boolean("iff", X, X), {"x": x})
    assert equal.abs().tolist() == [[0.0] * 4]


@pytest.mark.parametrize(
    ("trace", "sample", "place"),
    [(0, 0, "trace 0 of the batch at sample 0"), (69, 12, "trace 69 of the batch at sample 12")],
)
def test_nan_in_a_used_signal_is_refused_with_its_place(trace: int, sample: int, place: str) -> None:
    signals = tensors(batch(Random(1), 70, 13))
    signals["y"][trace, sample] = float("nan")
    with pytest.raises(StlError, match=f"signal 'y' is NaN in {place}"):
        robustness(Boolean("and", ABOVE, Comparison(">", Arithmetic("pow", Y, Number(0.0)), X)), signals)
    robustness(ABOVE, signals)  # not used, not looked at


def test_arithmetic_without_a_value_is_refused_with_its_place() -> None:
    x = torch.ones(3, 40)
    x[2, 31] = -1.0
    formula = U("always", None, Comparison(">", Function("sqrt", X), Number(0.0)))
    with pytest.raises(StlError, match=r"sqrt.* has no value in trace 2 of the batch at sample 31"):
        robustness(formula, {"x": x})


@pytest.mark.parametrize(
    ("interval", "sentence"),
    [
        (Interval(0.0, 0.25), "0.25 s is not a multiple of the sampling period 0.1 s"),
        (Interval(0.1 + 1e-8, 0.3), "not a multiple"),
        (Interval(0.5, 0.2), "ends before it begins"),
        (Interval(-0.1, 0.2), "must be a finite time from 0"),
        (Interval(0.0, float("inf")), "leave the interval out"),
        (Interval(0.0, "t_max"), "'t_max' of an interval has no value"),
    ],
)
def test_intervals_that_do_not_fit_are_refused(interval: Interval, sentence: str) -> None:
    with pytest.raises(StlError, match=sentence):
        robustness(U("always", interval, X), {"x": torch.zeros(1, 5)})


def test_interval_bounds_are_multiples_up_to_rounding() -> None:
    x = torch.arange(12.0).flip(0)[None]
    for bound in (0.3, 0.1 * 3, 0.30000000000000004):
        assert robustness(U("always", Interval(0.0, bound), X), {"x": x})[0, 0] == 8.0


@pytest.mark.parametrize(
    ("signals", "sentence"),
    [
        ({}, "no signal is given"),
        ({"speed": torch.zeros(1, 3)}, "no signal 'x' is given"),
        ({"xx": torch.zeros(1, 3)}, "did you mean 'xx'"),
        ({"x": torch.zeros(3)}, r"\[3\], expected \[batch, time\]"),
        ({"x": torch.zeros(1, 0)}, "with a sample"),
        ({"x": torch.zeros(1, 3, dtype=torch.int32)}, "expected float32 or float64"),
        ({"x": torch.zeros(1, 3), "y": torch.zeros(1, 4)}, r"signal 'y' is \[1, 4\]"),
        ({"x": torch.zeros(1, 3), "y": torch.zeros(1, 3).double()}, "float64"),
    ],
)
def test_signals_that_do_not_fit_are_refused(signals: dict[str, torch.Tensor], sentence: str) -> None:
    with pytest.raises(StlError, match=sentence):
        robustness(ABOVE, signals)


def test_memory_is_linear_in_batch_and_time() -> None:
    formula = U("always", None, Boolean("implies", ABOVE, Binary("until", Interval(0.0, 10.0), X, Y)))

    def peak(traces: int, samples: int) -> int:
        signals = {name: torch.zeros(traces, samples, requires_grad=True) for name in ("x", "y")}
        tracemalloc.start()
        try:
            robustness(formula, signals).sum().backward()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(64, 100)
    base, longer, wider = peak(64, 500), peak(64, 5000), peak(640, 500)
    assert longer < 12 * base and wider < 12 * base


def test_equal_sub_formulas_are_computed_once() -> None:
    from stl.program import compile_formula

    window = U("always", Interval(0.0, 1.0), ABOVE)
    once, thrice = (
        compile_formula(window, 0.1),
        compile_formula(Boolean("and", window, Boolean("or", window, window)), 0.1),
    )
    assert len(thrice.code) == len(once.code) + 2


def test_stlcgpp_agrees_where_it_means_the_same() -> None:
    stlcgpp = pytest.importorskip("stlcgpp.formula")
    x = torch.from_numpy(np.random.default_rng(2).uniform(-3, 3, (1, 30))).float()
    above = stlcgpp.Predicate("x", predicate_function=lambda trace: trace) > 0.0
    pairs = [
        (U("always", None, ABOVE), stlcgpp.Always(above), 30),
        (U("eventually", None, ABOVE), stlcgpp.Eventually(above), 30),
        (U("always", Interval(0.2, 0.9), ABOVE), stlcgpp.Always(above, interval=[2, 9]), 21),  # it cuts no windows
        (U("eventually", Interval(0.0, 0.9), ABOVE), stlcgpp.Eventually(above, interval=[0, 9]), 21),
    ]
    for formula, peer, samples in pairs:
        assert torch.equal(robustness(formula, {"x": x})[0, :samples], peer(x[0])[:samples]), formula
