"""rtamt 0.4.10 as the reference: what it gets wrong, and that :mod:`stl.reference` and the grammar keep it out."""

import logging
import pickle
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import rtamt
import yaml

from stl.errors import StlError
from stl.formula import Interval, Name, Unary, bind, names
from stl.grammar import parse
from stl.reference import reference_robustness
from stl.text import to_rtamt
from tests.stl.strategies import random_trace

LIBRARY = yaml.safe_load((Path(__file__).parents[1] / "data" / "rules_formulas.yaml").read_text())
INFINITY = float("inf")


def specification(text: str, *signals: str, period: int = 100) -> Any:
    """A parsed rtamt specification; ``period`` in ms."""
    made = rtamt.StlDiscreteTimeOfflineSpecification()
    for name in signals:
        made.declare_var(name, "float")
    made.spec = text
    made.set_sampling_period(period, "ms", 0.1)
    made.parse()
    return made


def raw(text: str, **signals: Any) -> list[float]:
    """What rtamt says, without our help."""
    length = len(next(iter(signals.values())))
    values = specification(text, *signals).evaluate({"time": [0.1 * i for i in range(length)], **signals})
    return [value for _, value in values]


def ours(text: str, **signals: list[float]) -> list[float]:
    """What the reference says of our reading of a text."""
    return reference_robustness(parse(text), signals).tolist()


@pytest.mark.parametrize("rule", LIBRARY)
def test_rtamt_accepts_every_rule_of_the_library_as_we_print_it(rule: str) -> None:
    formula = bind(parse(LIBRARY[rule]["formula"]), LIBRARY[rule]["parameters"])
    rng = Random(1)
    signals = {name: [rng.uniform(1, 5) for _ in range(20)] for name in names(formula)}
    values = reference_robustness(formula, signals)
    assert values.shape == (20,) and values.dtype == np.float64
    assert not np.isnan(values).any()
    logged = specification(to_rtamt(formula), *signals).ast.specs
    assert len(logged) == 1


# --- grouping


def test_rtamt_takes_a_difference_apart_wrongly_and_we_do_not() -> None:
    assert raw("10 - x + y > 0", x=[3.0, 3.0], y=[2.0, 2.0]) == [5.0, 5.0]
    assert ours("10 - x + y > 0", x=[3.0, 3.0], y=[2.0, 2.0]) == [9.0, 9.0]


def test_rtamt_divides_by_the_product_that_follows_and_we_go_left_to_right() -> None:
    assert raw("x / y * x > 0", x=[4.0, 4.0], y=[2.0, 2.0]) == [0.5, 0.5]
    assert ours("x / y * x > 0", x=[4.0, 4.0], y=[2.0, 2.0]) == [8.0, 8.0]


def test_rtamt_reads_a_quotient_without_spaces_as_one_name() -> None:
    with pytest.raises(KeyError, match="x/y/z"):
        specification("x/y/z > 0", "x", "y", "z")
    assert ours("x/y/z > 0", x=[8.0, 8.0], y=[2.0, 2.0], z=[2.0, 2.0]) == [2.0, 2.0]


@pytest.mark.parametrize("text", ["x - 1 > 0", "-x > 0", "x > -y", "x != y"])
def test_rtamt_refuses_ordinary_arithmetic_and_we_read_it(text: str) -> None:
    with pytest.raises(rtamt.RTAMTException):
        specification(text, "x", "y")
    expected = {"x - 1 > 0": 1.0, "-x > 0": -2.0, "x > -y": 5.0, "x != y": 1.0}[text]
    assert ours(text, x=[2.0, 2.0], y=[3.0, 3.0]) == [expected] * 2


def test_rtamt_chains_implications_and_comparisons_to_the_left_and_we_ask_for_parentheses() -> None:
    x, y, z = [1.0, 1.0], [2.0, 2.0], [-3.0, -3.0]
    assert raw("x implies y implies z", x=x, y=y, z=z) == raw("(x implies y) implies z", x=x, y=y, z=z)
    assert raw("x < y < z", x=x, y=y, z=z) == raw("(x < y) < z", x=x, y=y, z=z)
    for text in ("x implies y implies z", "x < y < z"):
        with pytest.raises(StlError, match="write"):
            parse(text)


# --- names


def test_rtamt_finds_a_misspelt_operator_when_it_is_too_late_and_we_suggest_the_right_one() -> None:
    with pytest.raises(KeyError, match="alwais"):
        specification("alwais(x > 0)", "x")
    with pytest.raises(StlError, match="did you mean 'always'"):
        parse("alwais(x > 0)")


def test_rtamt_only_warns_of_a_name_that_no_signal_has_and_the_reference_says_so() -> None:
    signals = {"lead_gap": [1.0, 2.0]}
    with pytest.raises(KeyError):
        raw("leed_gap > 0", **signals)
    with pytest.raises(StlError, match="the trace has no signal 'leed_gap'; did you mean 'lead_gap'"):
        ours("leed_gap > 0", **signals)


def test_rtamt_cannot_take_a_bound_from_a_constant_and_bind_can() -> None:
    made = rtamt.StlDiscreteTimeOfflineSpecification()
    made.declare_var("x", "float")
    made.declare_const("t", "float", "1")
    made.spec = "once[0:t](x > 0)"
    made.parse()
    with pytest.raises(KeyError):
        made.evaluate({"time": [0, 1], "x": [1.0, 2.0]})
    formula = bind(parse("once[0:t](x > 0)"), {"t": 0.1})
    assert reference_robustness(formula, {"x": [3.0, 2.0, 1.0]}).tolist() == [3.0, 3.0, 2.0]


def test_rtamt_has_no_signal_called_time_and_we_say_so_before() -> None:
    with pytest.raises(TypeError):
        raw("(time > 0)", time=[1.0, 2.0])
    with pytest.raises(StlError, match="reserved for the time axis"):
        parse("time > 0")


# --- intervals


@pytest.mark.parametrize(
    ("interval", "sentence"), [("[0.2:0.1]", "ends before it begins"), ("[-0.1:0.1]", "is negative")]
)
def test_rtamt_fails_inside_min_on_a_bad_interval_and_we_name_the_bound(interval: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"min\(\)"):
        raw(f"always{interval}(x > 0)", x=[1.0, 2.0, 3.0])
    with pytest.raises(StlError, match=sentence):
        parse(f"always{interval}(x > 0)")


def test_rtamt_loses_a_unit_on_the_first_bound_and_we_ask_for_the_second() -> None:
    with pytest.raises(KeyError):
        raw("always[0ms:1](x > 0)", x=[1.0, 2.0])
    with pytest.raises(StlError, match="the second bound needs a unit"):
        parse("always[0ms:1](x > 0)")


def test_a_first_bound_without_a_unit_takes_that_of_the_second_in_both() -> None:
    x = [1.0, 2.0, 3.0, 4.0]
    text = "once[100:200ms](x > 0)"
    assert raw(text, x=list(x)) == ours(text, x=x) == [-INFINITY, 1.0, 2.0, 3.0]


def test_windows_that_are_no_whole_number_of_samples_are_refused_with_a_sentence() -> None:
    with pytest.raises(StlError, match="multiple of the sampling period"):
        ours("always[0:0.25](x > 0)", x=[1.0, 2.0])


def test_a_bound_computed_with_floats_is_no_obstacle() -> None:
    formula = Unary("once", Interval(0.1, 0.1 + 0.2), Name("x"))
    assert reference_robustness(formula, {"x": [1.0, 2.0, 0.0, 0.0, 0.0]}).tolist() == [-INFINITY, 1, 2, 2, 2]


def test_rtamt_has_no_unless_without_an_interval_and_we_write_what_it_means() -> None:
    with pytest.raises(AttributeError):
        specification("x unless y", "x", "y")
    assert ours("x unless y", x=[3.0, -1.0, 4.0], y=[-5.0, -5.0, 2.0]) == [-1.0, -1.0, 4.0]


# --- traces


def test_rtamt_counts_samples_whatever_the_time_stamps_and_the_period_is_ours_to_give() -> None:
    x = [5.0, 4.0, 3.0, 2.0, 1.0]
    made = specification("always[0:2](x > 0)", "x", period=1000)
    assert made.evaluate({"time": [0.0, 0.1, 0.2, 0.3, 0.4], "x": x})[0][1] == 3.0  # 0.2 s, not 2 s
    formula = parse("always[0:2](x > 0)")
    assert reference_robustness(formula, {"x": x}, dt=1.0)[0] == 3.0
    assert reference_robustness(formula, {"x": x}, dt=0.5)[0] == 1.0


def test_rtamt_lengthens_the_list_it_is_given_and_the_reference_leaves_it_alone() -> None:
    x = [1.0, 2.0, 3.0, 4.0, 5.0]
    raw("always[0:1](x)", x=x)
    assert x == [1.0, 2.0, 3.0, 4.0, 5.0, *[INFINITY] * 6]
    x = x[:5]
    assert ours("always[0:1](x)", x=x) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert len(x) == 5


def test_a_signal_used_after_a_window_over_it_still_has_its_length() -> None:
    text = "(always[0:1] x) and (x > 0)"
    with pytest.raises(IndexError):
        raw(text, x=[1.0, 2.0])
    assert ours(text, x=[1.0, 2.0]) == [1.0, 2.0]


def test_rtamt_fails_on_arrays_and_the_reference_takes_them() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        raw("always[0:1](x)", x=np.array([1.0, 2.0, 3.0]))
    array = np.array([1.0, 2.0, 3.0], np.float32)
    assert reference_robustness(parse("rise(x) and always[0:1] x"), {"x": array}).tolist() == [1.0, -1.0, -2.0]


@pytest.mark.parametrize(("text", "value"), [("x > 1", 1.0), ("next x", INFINITY), ("always[0:0.3] x - 3 > 0", -1.0)])
def test_rtamt_fails_on_one_sample_and_the_reference_does_not(text: str, value: float) -> None:
    with pytest.raises(UnboundLocalError):
        raw(to_rtamt(parse(text)), x=[2.0])
    assert ours(text, x=[2.0]) == [value]


def test_values_of_rtamt_depend_on_the_order_around_a_nan_and_the_reference_refuses_it() -> None:
    nan = float("nan")
    assert raw("always(x > 0)", x=[1.0, nan, 3.0])[0] == 1.0
    assert raw("always(x > 0)", x=[3.0, nan, 1.0])[0] == 3.0  # 1 at the last sample is lost
    with pytest.raises(StlError, match="the signal 'x' is not a number at sample 1"):
        ours("always(x > 0)", x=[1.0, nan, 3.0])


def test_signals_of_unequal_length_and_empty_ones_are_refused() -> None:
    with pytest.raises(IndexError):
        raw("x > y", x=[1.0, 2.0], y=[1.0])
    with pytest.raises(StlError, match="the signal 'y' has 1 samples, another signal has 2"):
        ours("x > y", x=[1.0, 2.0], y=[1.0])
    with pytest.raises(StlError, match="at least one sample"):
        ours("x > 0", x=[])
    with pytest.raises(StlError, match=r"has the shape \(1, 2\), not \[T\]"):
        reference_robustness(parse("x > 0"), {"x": [[1.0, 2.0]]})


def test_a_formula_of_numbers_takes_its_length_from_the_trace() -> None:
    assert ours("always 2 > 1", x=[0.0, 0.0, 0.0]) == [1.0, 1.0, 1.0]
    with pytest.raises(StlError, match="needs a trace"):
        ours("2 > 1")


def test_arithmetic_that_has_no_value_is_a_sentence() -> None:
    for text in ("1 / x > 0", "sqrt(x - 1) > 0", "exp(x + 1000) > 0"):
        with pytest.raises(StlError, match="rtamt cannot evaluate the formula"):
            ours(text, x=[0.0, 0.0])


# --- monitors and objects


def test_the_online_monitor_of_rtamt_is_wrong_for_mixed_formulas_so_offline_is_the_reference() -> None:
    text = "(x > 0) and always[0:2](y > 0)"
    rng = Random(2)
    x, y = ([rng.uniform(-5, 5) for _ in range(20)] for _ in "xy")
    online = rtamt.StlDiscreteTimeOnlineSpecification()
    for name in "xy":
        online.declare_var(name, "float")
    online.spec = text
    online.parse()
    online.pastify()
    late = [online.update(i, [("x", x[i]), ("y", y[i])]) for i in range(20)][2:]
    right = reference_robustness(parse(text), {"x": x, "y": y}, dt=1.0)[:18]
    assert np.mean(np.array(late) != right) > 0.2


def test_specifications_of_rtamt_cannot_be_pickled_and_formulas_can() -> None:
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        pickle.dumps(specification("always(x > 0)", "x"))
    assert pickle.loads(pickle.dumps(parse("always(x > 0)"))) == parse("always(x > 0)")  # noqa: S301


def test_the_reference_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        reference_robustness(parse("always(x > 0 and out < 3)"), {**random_trace(Random(0), 5), "out": [0.0] * 5})
    assert not caplog.records
