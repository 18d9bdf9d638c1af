"""Interval of the robustness where windows leave the recording, the verdict, and what decided."""

from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stl.errors import StlError
from stl.explanation import explain
from stl.formula import Binary, Boolean, Comparison, Formula, Interval, Name, Not, Number, Step, walk
from stl.formula import Unary as U
from stl.grammar import parse
from stl.intervals import robustness_interval, verdict
from stl.program import samples_of
from stl.robustness import robustness
from tests.stl import by_definition
from tests.stl.strategies import SIGNALS, random_formula, random_trace

X = Name("x")
ABOVE = Comparison(">", X, Number(0.0))
BOUND = 50.0


def tensors(trace: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values)[None] for name, values in trace.items()}


def interval_of(text: str, *values: float, at: int = 0) -> tuple[float, float]:
    low, high = robustness_interval(parse(text), {"x": torch.tensor([values])}, bound=BOUND, at=at)
    return float(low), float(high)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("always[0:0.2] x > 0", (1.0, 1.0)),
        ("always[0:0.3] x > 0", (-50.0, 1.0)),
        ("eventually[0:0.3] x > 0", (3.0, 50.0)),
        ("not eventually[0:0.3] x > 0", (-50.0, -3.0)),
        ("eventually[0.5:0.6] x > 0", (-50.0, 50.0)),
        ("always x > 0", (1.0, 1.0)),
        ("always (x > 0 implies eventually[0:0.2] x > 5)", (-2.0, -1.0)),
        ("prev x > 0", (-50.0, 50.0)),
        ("next x > 0", (2.0, 2.0)),
        ("once[0:0.1] x > 0", (1.0, 50.0)),
        ("(x > 0) until[0:0.1] (x > 1.5)", (0.5, 0.5)),
        ("(x > 0) until[0.1:0.5] (x > 9)", (-6.0, 1.0)),
        ("(x > 5) or 2 > 1", (1.0, 1.0)),
        ("(x > 5) xor always[0:0.3] x > 0", (0.0, 46.0)),
        ("(x > 5) iff always[0:0.3] x > 0", (-46.0, 0.0)),
    ],
)
def test_small_cases_by_hand(text: str, expected: tuple[float, float]) -> None:
    assert interval_of(text, 1.0, 2.0, 3.0) == expected


def test_samples_before_the_one_asked_about_are_history() -> None:
    assert interval_of("historically[0:0.2] x > 0", 1.0, 2.0, 3.0) == (-50.0, 1.0)
    assert interval_of("historically[0:0.2] x > 0", 1.0, 2.0, 3.0, at=2) == (1.0, 1.0)
    with pytest.raises(StlError, match="sample 3 is outside"):
        interval_of("x > 0", 1.0, 2.0, 3.0, at=3)


def test_the_past_that_is_recorded_counts_after_the_end() -> None:
    assert interval_of("eventually[0.3:0.3] (once[0:0.2] x > 0)", 1.0, 2.0, 3.0) == (3.0, 50.0)


@settings(deadline=None, max_examples=120)
@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_every_way_to_go_on_lies_inside(rng: Random, samples: int) -> None:
    formula = random_formula(rng, 3, longest=5)
    if any(getattr(node, "interval", 0) is None for node in walk(formula)):
        return  # unbounded operators are about the recording, not about how it goes on
    if any(isinstance(node, Comparison) and _signal_free(node) for node in walk(formula)):
        return
    trace, margin, more = random_trace(rng, samples), 40, Random(samples)  # of its own: too many numbers to shrink
    low, high = (float(end) for end in robustness_interval(formula, tensors(trace), bound=1e9))
    for _ in range(4):
        before, after = random_trace(more, margin), random_trace(more, margin)
        longer = {name: np.concatenate([before[name], values, after[name]]) for name, values in trace.items()}
        value = by_definition.robustness(formula, {n: list(v) for n, v in longer.items()}, 0.1)[margin]
        assert low - 1e-9 <= value <= high + 1e-9


def _signal_free(node: Formula) -> bool:
    return not any(isinstance(part, Name) for part in walk(node))


@settings(deadline=None, max_examples=80)
@given(st.randoms(use_true_random=False), st.integers(20, 30))
def test_where_no_window_leaves_the_recording_both_ends_are_the_value(rng: Random, samples: int) -> None:
    formula = random_formula(rng, 2, longest=4)
    trace, at = tensors(random_trace(rng, samples)), samples // 2
    bounded = all(getattr(node, "interval", 0) is not None for node in walk(formula))
    reach = (
        sum(samples_of(n.interval, 0.1)[1] if isinstance(n, U | Binary) else isinstance(n, Step) for n in walk(formula))
        if bounded
        else 0
    )
    if not bounded or reach >= at:
        return
    low, high = robustness_interval(formula, trace, at=at)
    assert float(low) == float(high) == float(robustness(formula, trace)[0, at])


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(1, 25))
def test_the_value_of_a_recording_cut_at_its_end_lies_inside(rng: Random, samples: int) -> None:
    formula = U("always", None, random_formula(rng, 2, longest=5, finite=True))
    trace = tensors(random_trace(rng, samples))
    low, high = robustness_interval(formula, trace)
    assert float(low) <= float(robustness(formula, trace)[0, 0]) <= float(high)


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False))
def test_a_violation_on_a_prefix_is_never_undone(rng: Random) -> None:
    body = Boolean("implies", ABOVE, U("eventually", random_formula_interval(rng), Comparison("<", Name("y"), X)))
    formula, trace = U("always", None, body), tensors(random_trace(rng, 30))
    violated = False
    for samples in range(1, 31):
        low, high = robustness_interval(formula, {n: s[:, :samples] for n, s in trace.items()})
        now = verdict(float(low), float(high)) == "violated"
        assert now or not violated
        violated = now


def random_formula_interval(rng: Random) -> Interval:
    begin = rng.randint(0, 3)
    return Interval(round(begin * 0.1, 1), round((begin + rng.randint(0, 6)) * 0.1, 1))


def test_verdicts() -> None:
    assert verdict(0.0, 5.0) == "satisfied"
    assert verdict(-1.0, 0.0) == "undetermined"
    assert verdict(-2.0, -1e-300) == "violated"
    assert verdict(-2.0, -1.0, applies=False) == "not_applicable"


@settings(deadline=None, max_examples=120)
@given(st.randoms(use_true_random=False), st.integers(1, 20), st.integers(0, 2))
def test_the_predicate_named_has_the_deciding_value_up_to_sign(rng: Random, samples: int, index: int) -> None:
    formula = random_formula(rng, 4, longest=5)
    if any(isinstance(node, Boolean) and node.op in ("iff", "xor") for node in walk(formula)):
        return  # they have the value of neither operand
    drawn = [random_trace(rng, samples) for _ in range(3)]
    signals = {name: torch.from_numpy(np.stack([trace[name] for trace in drawn])) for name in SIGNALS}
    decision = explain(formula, signals, index=index, bound=BOUND)
    low, _ = robustness_interval(formula, signals, bound=BOUND)
    assert abs(decision.value) == abs(float(low[index]))
    assert decision.path[0] == formula and decision.path[-1] == decision.formula
    if 0 <= decision.sample < samples and not any(isinstance(n, U | Binary | Step) for n in walk(decision.formula)):
        own = robustness(decision.formula, signals)[index, decision.sample]
        assert decision.value == float(own)


@pytest.mark.parametrize(
    ("text", "values", "sample", "predicate"),
    [
        ("always x > 0", [3.0, 1.0, 2.0, 1.0], 1, "x > 0"),
        ("always (x > 0 and x < 9)", [3.0, 8.0, 2.0], 1, "x < 9"),
        ("eventually[0:0.1] x > 5", [3.0, 4.0, 9.0], 1, "x > 5"),
        ("always (x > 2 implies eventually[0:0.2] x < 1)", [3.0, 0.5, 2.5, 4.0, 2.6], 4, "x < 1"),
        ("always[0:0.4] x > 0", [1.0, 2.0], 2, "x > 0"),
        ("(x > 0) until[0:0.3] (x > 5)", [3.0, 1.0, 2.0, 9.0], 1, "x > 0"),
        ("not once (x > 5)", [3.0], 0, "x > 5"),
    ],
)
def test_the_deciding_sample_and_predicate_by_hand(text: str, values: list[float], sample: int, predicate: str) -> None:
    decision = explain(parse(text), {"x": torch.tensor([values])})
    assert (decision.sample, decision.formula) == (sample, parse(predicate))
    assert decision.time == pytest.approx(0.1 * sample)


def test_of_iff_the_side_nearer_to_changing_is_named() -> None:
    decision = explain(Boolean("iff", Comparison(">", X, Number(5.0)), Not(ABOVE)), {"x": torch.tensor([[1.0]])})
    assert decision.formula == ABOVE
