"""Normalised robustness keeps every sign; conditions at single samples mean what they say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stl.formula import Formula
from stl.grammar import parse
from stl.normal import holds, normalised
from stl.robustness import robustness
from stl.units import Unit
from tests.stl.test_online import DT, columns, formulas, traces

UNITS = {"p": Unit.parse("m"), "q": Unit.parse("m/s"), "r": Unit.parse("flag")}
SCALES = {"p": 2.0, "q": 5.0, "r": 1000.0}


def tensors(trace: list[tuple[float, float, float]]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([values], dtype=torch.float64) for name, values in columns(trace).items()}


@given(formulas(unbounded=True), traces)
@settings(deadline=None, max_examples=80)
def test_normalising_changes_no_sign(formula: Formula, trace: list[tuple[float, float, float]]) -> None:
    units = dict.fromkeys(UNITS, Unit.parse("1"))
    if any(op in repr(formula) for op in ("'iff'", "'xor'")):
        return  # their robustness is a distance of values, and no truth value
    signals = tensors(trace)
    raw = robustness(formula, signals, DT)
    normal = robustness(normalised(formula, units, SCALES), signals, DT)
    assert torch.equal(raw.sign(), normal.sign())
    assert bool((normal[normal.isfinite()].abs() <= 1.0).all())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p >= 1", 0.5),  # 2 m - 1 m, by 2 m
        ("p >= 3 * q", -1.0),  # the unit of p decides, and -10 m are clipped
        ("q > 3", 0.2),
        ("r > 0", 1.0),
        ("r", 1.0),
        ("not (r > 0) or (q < 5)", 0.2),
        ("1 < 2", 1.0),
    ],
)
def test_a_predicate_is_measured_by_its_first_signal_with_its_unit(text: str, expected: float) -> None:
    signals = tensors([(2.0, 4.0, 1000.0)])
    assert float(robustness(normalised(parse(text), UNITS, SCALES), signals, DT)[0, 0]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("r > 0", [False, True, False]),
        ("r", [False, True, False]),
        ("r >= 0", [True, True, False]),
        ("p == 2", [True, False, False]),
        ("p != 2", [False, True, True]),
        ("not (p < 3)", [False, True, True]),
        ("p > 2 and r > 0", [False, True, False]),
        ("p > 2 implies r > 0", [True, True, False]),
        ("(p > 2) iff (r > 0)", [True, True, False]),
        ("(p > 2) xor (r > 0)", [False, False, True]),
        ("p + q <= 3", [True, False, False]),
        ("p < 3 or r < 0", [True, False, True]),
    ],
)
def test_conditions_are_strict_where_they_say_so(text: str, expected: list[bool]) -> None:
    signals = tensors([(2.0, 1.0, 0.0), (3.0, 1.0, 5.0), (4.0, 1.0, -5.0)])
    assert holds(parse(text), signals, DT)[0].tolist() == expected


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_conditions_agree_with_robustness_away_from_zero(data: st.DataObject) -> None:
    trace = data.draw(traces)
    signals = tensors(trace)
    formula = parse("((p > 1) or not (q <= 2)) implies (abs(r) < p + 1)")
    value = robustness(formula, signals, DT)
    clear = value != 0.0
    assert torch.equal(holds(formula, signals, DT)[clear], (value > 0.0)[clear])
