"""Calibration: the tightest value that a chosen share of recorded drives keeps."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stl.calibrate import calibrate
from stl.errors import StlError
from stl.rules import RuleSet, load_rules

TEXT = """
schema: rules/1
name: following
signals:
  gap: {unit: m, range: [0, 200]}
  speed: {unit: m/s, range: [0, 40]}
  lead: {kind: flag}
parameters:
  t_gap: {value: 1.0, unit: s, range: [0.0, 4.0], loosen: down}
  t_still: {value: 1.0, unit: s, range: [0.0, 3.0], loosen: up}
  v: {value: 1.0, unit: m/s, range: [0, 5]}
rules:
  - {id: time_gap, formula: "always ((lead > 0) implies (gap >= (t_gap * speed)))", applies: "lead > 0"}
  - {id: moves, formula: "always (eventually[0:t_still] (speed >= 1))"}
  - {id: pace, formula: "always (speed >= v)"}
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    path = tmp_path_factory.mktemp("rules") / "following.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return load_rules(path)


def drive(gap: float, speed: float = 10.0, lead: bool = True, samples: int = 60) -> dict[str, torch.Tensor]:
    def row(value: float) -> torch.Tensor:
        return torch.full((1, samples), value, dtype=torch.float64)

    return {"gap": row(gap), "speed": row(speed), "lead": row(1000.0 if lead else -1000.0)}


def test_the_answer_is_the_order_statistic_of_the_drives_own_values(rules: RuleSet) -> None:
    drives = [drive(gap) for gap in (8.0, 9.0, 12.0, 20.0)]  # time gaps 0.8, 0.9, 1.2, 2.0 s
    for share, expected in ((1.0, 0.8), (0.75, 0.9), (0.5, 1.2), (0.25, 2.0)):
        found = calibrate(rules, "time_gap", "t_gap", drives, share)
        assert found.value == pytest.approx(expected, abs=1e-5)
        assert found.share >= share
        assert found.drives == 4


def test_drives_to_which_the_rule_does_not_apply_do_not_count(rules: RuleSet) -> None:
    found = calibrate(rules, "time_gap", "t_gap", [drive(8.0), drive(1.0, lead=False)], 1.0)
    assert found.value == pytest.approx(0.8, abs=1e-5)
    assert found.drives == 1
    with pytest.raises(StlError, match="decided by none of the 1 drives"):
        calibrate(rules, "time_gap", "t_gap", [drive(1.0, lead=False)], 1.0)


def test_times_of_windows_are_whole_steps(rules: RuleSet) -> None:
    stands = drive(50.0)
    stands["speed"][0, 20:28] = 0.0  # eight samples without motion: 0.8 s later it moves again
    found = calibrate(rules, "moves", "t_still", [stands], 1.0)
    assert found.value == pytest.approx(0.8, abs=1e-12)


def test_what_no_value_can_keep_is_infinite_and_says_so_in_the_share(rules: RuleSet) -> None:
    found = calibrate(rules, "time_gap", "t_gap", [drive(8.0), drive(-1.0)], 1.0)
    assert math.isinf(found.value)
    assert math.isinf(found.critical[-1])
    assert found.share == 0.5


@given(st.lists(st.floats(0.5, 35.0), min_size=1, max_size=8), st.floats(0.05, 1.0))
@settings(max_examples=15, deadline=None)
def test_the_value_is_kept_by_the_share_and_a_tighter_one_is_not(
    rules: RuleSet, gaps: list[float], share: float
) -> None:
    drives = [drive(gap) for gap in gaps]
    found = calibrate(rules, "time_gap", "t_gap", drives, share)

    def kept(value: float) -> float:
        verdicts = [rules.with_values({"t_gap": value}).evaluate(signals)[0].verdict[0] for signals in drives]
        return sum(str(verdict) == "satisfied" for verdict in verdicts) / len(drives)

    assert kept(found.value) == found.share >= share - 1e-9
    if found.value < 4.0 - 1e-4:
        assert kept(found.value + 1e-4) < share


def test_the_interval_holds_the_value_and_resamples_logs(rules: RuleSet) -> None:
    drives = [drive(gap) for gap in (8.0, 9.0, 12.0, 20.0, 21.0, 22.0)]
    apart = calibrate(rules, "time_gap", "t_gap", drives, 0.8)
    together = calibrate(rules, "time_gap", "t_gap", drives, 0.8, groups=["one"] * 6)
    assert apart.tight >= apart.value >= apart.loose  # a shorter time gap is looser
    assert apart.tight > apart.loose
    assert together.tight == together.loose == together.value
    assert calibrate(rules, "time_gap", "t_gap", drives, 0.8) == apart


@pytest.mark.parametrize(
    ("rule", "parameter", "share", "sentence"),
    [
        ("gap", "t_gap", 0.9, "has no rule 'gap'"),
        ("time_gap", "t", 0.9, "has no parameter 't'"),
        ("pace", "v", 0.9, "parameter 'v' has no direction"),
        ("time_gap", "t_gap", 0.0, "the share is 0.0"),
    ],
)
def test_what_cannot_be_calibrated_is_said_in_a_sentence(
    rules: RuleSet, rule: str, parameter: str, share: float, sentence: str
) -> None:
    with pytest.raises(StlError, match=sentence.replace("(", r"\(")):
        calibrate(rules, rule, parameter, [drive(8.0)], share)


def test_a_parameter_of_another_rule_is_refused(rules: RuleSet) -> None:
    other = next(name for name in rules.parameters if name not in ("t_gap", "d_min"))
    with pytest.raises(StlError, match=f"rule 'time_gap' does not read parameter '{other}'; its own: "):
        calibrate(rules, "time_gap", other, [drive(8.0)], 0.9)


def test_history_is_not_held_against_a_drive(rules: RuleSet) -> None:
    """A gap of 2 m at 10 m/s in the first half second, 9 m from then on."""
    signals = {name: values.clone() for name, values in drive(9.0).items()}
    signals["gap"][:, :5] = 2.0
    whole = calibrate(rules, "time_gap", "t_gap", [signals], 1.0)
    later = calibrate(rules, "time_gap", "t_gap", [signals], 1.0, at=[5])
    assert later.value == calibrate(rules, "time_gap", "t_gap", [drive(9.0)], 1.0).value > whole.value
