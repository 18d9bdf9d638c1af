"""Smooth robustness: its distance from the exact value, its gradient, its definition on small windows."""

import math
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stl.errors import StlError
from stl.formula import Binary, Boolean, Comparison, Formula, Function, Interval, Name, Number, Step, walk
from stl.formula import Unary as U
from stl.robustness import robustness
from stl.smooth import smooth_robustness
from tests.stl.strategies import SIGNALS, random_formula, random_trace

X, Y = Name("x"), Name("y")
ABOVE = Comparison(">", X, Number(0.0))


def batch(rng: Random, traces: int, samples: int) -> dict[str, torch.Tensor]:
    drawn = [random_trace(rng, samples) for _ in range(traces)]
    return {name: torch.stack([torch.from_numpy(trace[name]) for trace in drawn]) for name in SIGNALS}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21, 60])
@pytest.mark.parametrize("temperature", [0.01, 0.1, 2.0])
def test_a_window_is_the_log_sum_exp_and_within_ln_n_of_the_extreme(size: int, temperature: float) -> None:
    x = batch(Random(size), 4, 60)["x"]
    interval = Interval(0.0, round((size - 1) * 0.1, 1))
    smooth = smooth_robustness(U("eventually", interval, X), {"x": x}, temperature=temperature)
    exact = robustness(U("eventually", interval, X), {"x": x})
    by_definition = torch.stack([torch.logsumexp(x[:, t : t + size] / temperature, 1) for t in range(60)], 1)
    assert torch.allclose(smooth, by_definition * temperature, rtol=1e-12)
    assert (smooth >= exact - 1e-12).all() and (smooth <= exact + temperature * math.log(size) + 1e-12).all()
    below = smooth_robustness(U("historically", interval, X), {"x": x}, temperature=temperature)
    lowest = robustness(U("historically", interval, X), {"x": x})
    assert (below <= lowest + 1e-12).all() and (below >= lowest - temperature * math.log(size) - 1e-12).all()


@pytest.mark.parametrize("window", [None, Interval(0.0, 2.0), Interval(0.7, 5.0)])
@pytest.mark.parametrize("op", ["until", "since", "unless"])
def test_until_stays_within_its_bound(op: str, window: Interval | None) -> None:
    signals, temperature = batch(Random(4), 5, 60), 0.2
    formula = Binary(op, window, X, Y)
    smooth, exact = smooth_robustness(formula, signals, temperature=temperature), robustness(formula, signals)
    finite = exact.isfinite()
    assert torch.equal(smooth[~finite], exact[~finite])
    bound = temperature * (2 * math.log(2) * (2 + math.log2(60)) + math.log(60))
    assert ((smooth - exact)[finite].abs() <= bound).all()


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(1, 25))
def test_it_goes_to_the_exact_value_as_the_temperature_goes_to_zero(rng: Random, samples: int) -> None:
    formula, signals = random_formula(rng, 3), batch(rng, 3, samples)
    exact = robustness(formula, signals)
    cold = smooth_robustness(formula, signals, temperature=1e-7)
    finite = exact.isfinite()
    assert torch.equal(cold[~finite], exact[~finite])
    assert torch.allclose(cold[finite], exact[finite], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "formula",
    [
        U("always", None, Boolean("implies", ABOVE, U("eventually", Interval(0.0, 0.5), Y))),
        U("once", Interval(0.2, 0.9), ABOVE),
        Binary("until", Interval(0.1, 0.6), X, Y),
        Binary("since", None, X, Y),
        Binary("unless", None, X, Y),
        Boolean("and", Step("rise", X), Step("fall", Y)),
        Boolean("iff", Step("next", X), Y),
    ],
    ids=repr,
)
def test_gradients_are_slopes(formula: Formula) -> None:
    signals = {name: signal.requires_grad_() for name, signal in batch(Random(11), 2, 13).items()}
    assert {node.name for node in walk(formula) if isinstance(node, Name)} <= set(signals)

    def value(*moved: torch.Tensor) -> torch.Tensor:
        result = smooth_robustness(formula, dict(zip(signals, moved, strict=True)), temperature=0.5)
        return torch.where(result.isfinite(), result, torch.zeros_like(result))

    assert torch.autograd.gradcheck(value, tuple(signals.values()))


def test_every_sample_of_the_window_gets_gradient() -> None:
    x = torch.linspace(0, 1, 20)[None].requires_grad_()
    smooth_robustness(U("always", Interval(0.0, 1.0), X), {"x": x}, temperature=0.5)[0, 0].backward()
    assert x.grad is not None
    assert (x.grad[0, :11] > 0).all() and not x.grad[0, 11:].any()
    assert float(x.grad.sum()) == pytest.approx(1.0)


def test_large_values_do_not_overflow() -> None:
    x = torch.tensor([[1e30, -1e30, 3e30]], requires_grad=True)
    value = smooth_robustness(U("eventually", None, X), {"x": x}, temperature=1e-3)
    value[0, 0].backward()
    assert value[0, 0] == 3e30 and x.grad is not None and x.grad.tolist() == [[0.0, 0.0, 1.0]]


def test_nan_and_bad_temperatures_are_refused() -> None:
    x = torch.zeros(2, 3)
    for temperature in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(StlError, match="temperature"):
            smooth_robustness(X, {"x": x}, temperature=temperature)
    x[1, 2] = float("nan")
    with pytest.raises(StlError, match="'x' is NaN in trace 1 of the batch at sample 2"):
        smooth_robustness(X, {"x": x})


def test_arithmetic_without_a_value_is_refused() -> None:
    with pytest.raises(StlError, match=r"sqrt.* has no value in trace 0 of the batch at sample 1"):
        smooth_robustness(Function("sqrt", X), {"x": torch.tensor([[1.0, -1.0]])})
