"""The rule files of ``configs/rules``, loaded with the signals of driving, and traces of what their formulas read."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from drive.signals.catalog import CATALOG
from evaluation.rules import catalog
from stl.formula import Formula, names
from stl.robustness import robustness
from stl.rules import RuleSet, load_rules
from tests.stl.trace_shapes import CLOCK

RULES = Path(__file__).resolve().parents[2] / "configs" / "rules"
SETS = ("condition", "interstate", "intersection", "navsim-parity", "rss", "urban-de")
SIGNALS = catalog()


@cache
def load(name: str) -> RuleSet:
    """The library or one of the sets."""
    return load_rules(RULES / f"{name}.yaml", SIGNALS)


LIBRARY = load("library")
BY_ID = {rule.id: rule for rule in LIBRARY.rules}


def trace(formula: Formula, signals: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Every signal that a formula reads [60]: as given, or neutral."""
    full = {name: np.full(CLOCK.shape, CATALOG[name].neutral) for name in names(formula) & SIGNALS.keys()}
    full |= {"clock": CLOCK} if "clock" in full else {}
    return full | {name: values for name, values in signals.items() if name in full}


def rho(rules: RuleSet, formula: Formula, signals: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Robustness of a formula of a set at every sample [60]."""
    batch = {name: torch.tensor(values)[None] for name, values in trace(formula, signals).items()}
    return np.asarray(robustness(rules.bound(formula), batch)[0])
