"""Rules judged from a sample inside of a recording on: what comes before it is history, seen but not judged."""

from pathlib import Path

import pytest
import torch

from stl.errors import StlError
from stl.rules import RuleSet, load_rules


def load(folder: Path, formula: str, applies: str = "") -> RuleSet:
    path = folder / "rules.yaml"
    guard = f", applies: '{applies}'" if applies else ""
    signals = "".join(f"  {name}: {{unit: '1', range: [-10, 10]}}\n" for name in "xy")
    head = f"schema: rules/1\nname: test\nsignals:\n{signals}"
    path.write_text(f"{head}rules:\n  - {{id: one, formula: '{formula}'{guard}}}\n")
    return load_rules(path)


def traces(**signals: list[float]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([values], dtype=torch.float64) for name, values in signals.items()}


def test_past_operators_see_what_was_before_the_start(tmp_path: Path) -> None:
    rules = load(tmp_path, "always ((x > 0) implies (once[0:0.3] (y > 0)))")
    signals = traces(x=[-1, -1, 1, 1, -1], y=[-1, 1, -1, -1, -1])
    assert rules.evaluate(signals, at=2)[0].verdict == ("satisfied",)
    late = {name: signal[:, 2:] for name, signal in signals.items()}
    assert rules.evaluate(late)[0].verdict == ("undetermined",)


def test_what_was_broken_before_the_start_does_not_count(tmp_path: Path) -> None:
    rules = load(tmp_path, "always (x >= 0)", applies="y > 0")
    signals = traces(x=[-5, -5, 1, -2, 1, 1], y=[1, 1, -1, 1, -1, -1])
    result = rules.evaluate(signals, at=2)[0]
    assert (float(result.robustness[0]), result.verdict) == (-2.0, ("violated",))
    assert result.worst_time == (0.1,)
    assert float(result.applies[0]) == 0.25
    assert float(result.normalised[0]) < 0.0
    assert rules.evaluate(signals, at=4)[0].verdict == ("not_applicable",)


def test_a_cause_before_the_start_has_a_negative_time(tmp_path: Path) -> None:
    result = load(tmp_path, "always (historically[0:0.2] (x >= 0))").evaluate(traces(x=[1, -3, 1, 1, 1]), at=2)[0]
    assert result.worst_time == (-0.1,)


def test_a_start_outside_of_the_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StlError, match="sample 9 is outside of the recording of 2 samples"):
        load(tmp_path, "always (x >= 0)").evaluate(traces(x=[1, 1]), at=9)
