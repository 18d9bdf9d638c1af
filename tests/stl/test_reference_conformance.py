"""Our robustness and rtamt's are the same number, for every operator, at every sample, near both ends of the trace."""

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from numpy.typing import NDArray

from stl.formula import Arithmetic, Binary, Boolean, Comparison, Formula, Function, Not, Step, Unary, bind, names, walk
from stl.grammar import parse
from stl.reference import reference_robustness
from stl.robustness import robustness
from stl.text import to_text
from tests.stl.strategies import formulas, random_formula, random_trace, traces

LIBRARY = yaml.safe_load((Path(__file__).parents[1] / "data" / "rules_formulas.yaml").read_text())


def difference(formula: Formula, trace: dict[str, NDArray[np.float64]], dt: float = 0.1) -> float:
    """Largest difference between ours and rtamt's over the trace, infinities equal to themselves."""
    theirs = reference_robustness(formula, trace, dt)
    ours = robustness(formula, {name: torch.as_tensor(values)[None] for name, values in trace.items()}, dt)
    assert ours.shape == (1, len(theirs)) and ours.dtype == torch.float64
    mine = ours[0].numpy()
    assert not np.isnan(mine).any() and not np.isnan(theirs).any()
    with np.errstate(invalid="ignore"):
        apart = np.where(mine == theirs, 0.0, np.abs(mine - theirs))
    return float(apart.max())


def kinds(formula: Formula) -> set[str]:
    """Operators in a formula, with a mark on those over an interval."""
    found = set()
    for node in walk(formula):
        if isinstance(node, Unary | Binary):
            found.add(node.op + ("[]" if node.interval else ""))
        elif isinstance(node, Arithmetic | Comparison | Boolean | Step):
            found.add(node.op)
        elif isinstance(node, Function):
            found.add(f"{node.name}()")
        elif isinstance(node, Not):
            found.add("not")
    return found


EVERY_OPERATOR = {
    *("+", "-", "*", "/", "pow", "abs()", "sqrt()", "exp()", "-()"),
    *("<", "<=", ">", ">=", "==", "!="),
    *("not", "and", "or", "implies", "iff", "xor"),
    *(op + timed for op in ("always", "eventually", "once", "historically") for timed in ("", "[]")),
    *(op + timed for op in ("until", "since", "unless") for timed in ("", "[]")),
    *("prev", "next", "rise", "fall"),
}


def test_two_thousand_random_formulas_have_the_values_of_rtamt() -> None:
    rng = Random(2025)
    seen: Counter[str] = Counter()
    for _ in range(2100):
        dt = rng.choice((0.1, 0.1, 0.5, 1.0, 0.04))
        formula = random_formula(rng, depth=rng.choice((1, 2, 3, 4)), dt=dt, longest=rng.choice((2, 8, 35)))
        assert difference(formula, random_trace(rng, rng.randint(8, 30)), dt) < 1e-9, to_text(formula)
        seen.update(kinds(formula))
    assert set(seen) == EVERY_OPERATOR
    assert min(seen.values()) >= 30, seen  # each operator in as many formulas at least


@settings(deadline=None, max_examples=60)
@given(formulas(depth=2, longest=5), traces(most=12))
def test_the_smallest_formula_that_differs_from_rtamt_would_be_shown(
    formula: Formula, trace: dict[str, NDArray[np.float64]]
) -> None:
    assert difference(formula, trace) < 1e-9


@pytest.mark.parametrize("seed", range(2))
def test_every_rule_of_the_library_has_the_values_of_rtamt(seed: int) -> None:
    rng = Random(seed)
    for rule in LIBRARY.values():
        formula = bind(parse(rule["formula"]), rule["parameters"])
        samples = rng.randint(20, 60)
        trace = {name: np.array([rng.uniform(-2, 8) for _ in range(samples)]) for name in sorted(names(formula))}
        if "clock" in trace:
            trace["clock"] = np.round(np.arange(samples) * 0.1, 9)
        assert difference(formula, trace) < 1e-9, rule


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_traces_shorter_than_every_window_have_the_values_of_rtamt(samples: int) -> None:
    rng = Random(samples)
    for _ in range(60):
        formula = random_formula(rng, depth=2, longest=6)
        assert difference(formula, random_trace(rng, samples)) < 1e-9, to_text(formula)
