"""What the library's rules say of recordings: their verdicts, and what the end of a recording does to them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stl.formula import names
from stl.grammar import parse
from tests.stl.rule_files import BY_ID, LIBRARY, SIGNALS, trace
from tests.stl.rule_traces import PAIRS
from tests.stl.trace_shapes import slope

if TYPE_CHECKING:
    from stl.verdicts import RuleResult

# Rules with windows that look ahead: what comes after the recording may decide.
WAITING = {
    *("amber_light", "cut_in_avoidance", "emergency_brake", "following_gap_r157", "lane_change_time", "yield_ramp"),
    *("pstl_left", "pstl_right"),
}
# Rules with windows that look back without asking the clock: what came before it may decide.
REMEMBERING = {"safe_distance", "stop_sign", "lane_change_signal", "no_weaving"}


def judged(id_: str, signals: Mapping[str, NDArray[np.float64]], samples: int = 60) -> "RuleResult":
    """The rule on the first samples of a trace."""
    rule = BY_ID[id_]
    read = trace(rule.formula, signals) | (trace(rule.applies, signals) if rule.applies else {})
    batch = {name: torch.tensor(values[:samples])[None] for name, values in read.items()}
    return replace(LIBRARY, rules=(rule,)).evaluate(batch)[0]


@pytest.mark.parametrize("id_", PAIRS)
def test_verdicts_of_the_traces(id_: str) -> None:
    for word, given in (("satisfied", PAIRS[id_].keep), ("violated", PAIRS[id_].broken)):
        result = judged(id_, given.signals)
        # in the trace of no_weaving a first lane change comes so early that there may have been one before it
        assert result.verdict == ("undetermined" if (id_, word) == ("no_weaving", "satisfied") else word,)
        assert result.applies.item() > 0
        assert result.low.item() <= result.robustness.item() <= result.high.item()
        assert np.sign(result.normalised.item()) == np.sign(result.robustness.item())
        assert -1 <= result.normalised.item() <= 1


@pytest.mark.parametrize("id_", PAIRS)
def test_a_broken_rule_says_when_and_by_what(id_: str) -> None:
    result = judged(id_, PAIRS[id_].broken.signals)
    assert 0 <= result.worst_time[0] <= 5.9
    assert names(parse(str(result.decided_by[0]))) <= names(BY_ID[id_].formula) | SIGNALS.keys()


def test_only_rules_that_always_apply_or_miss_a_reason_apply_where_nothing_happens() -> None:
    verdicts = {id_: judged(id_, {}).verdict[0] for id_ in PAIRS}
    kept = {id_ for id_, verdict in verdicts.items() if verdict == "satisfied"}
    assert kept == {rule.id for rule in LIBRARY.rules if rule.applies is None} | {"traffic_flow", "not_stuck"}
    assert {verdicts[id_] for id_ in PAIRS.keys() - kept} == {"not_applicable"}


@pytest.mark.parametrize("id_", PAIRS)
def test_what_is_broken_stays_broken(id_: str) -> None:
    for given in (PAIRS[id_].keep, PAIRS[id_].broken):
        seen = [judged(id_, given.signals, samples).verdict[0] for samples in range(3, 61, 3)]
        if BY_ID[id_].text.startswith("always") and "violated" in seen:
            assert set(seen[seen.index("violated") :]) == {"violated"}
        if id_ not in WAITING | REMEMBERING:
            assert "undetermined" not in seen


def test_rules_that_look_ahead_are_undetermined_while_they_wait() -> None:
    undecided = {
        id_
        for id_ in WAITING
        for given in (PAIRS[id_].keep, PAIRS[id_].broken)
        for samples in range(2, 61)
        if judged(id_, given.signals, samples).verdict == ("undetermined",)
    }
    assert undecided == WAITING
    assert {rule.id for rule in LIBRARY.rules if LIBRARY.horizon(rule) > 0} == WAITING


def test_the_worst_moment_of_speeding_is_the_fastest() -> None:
    speeding = PAIRS["speed_limit"].broken.signals | {"speed": slope(2.0, 4.0, 13.0, 16.0)}
    result = judged("speed_limit", speeding)
    assert result.worst_time == (4.0,)
    assert "speed_limit" in str(result.decided_by[0])


@pytest.mark.parametrize(
    ("id_", "scale"),
    [
        ("cyclist_gap", 1.0),  # metres to the side
        ("no_collision", 2.0),  # metres in any direction
        ("time_gap", 10.0),  # metres along the road
        ("crosswalk_approach", 50.0),  # squares of speeds
        ("yield_priority", 2.0),
    ],
)
def test_what_counts_as_clearly_broken(id_: str, scale: float) -> None:
    result = judged(id_, PAIRS[id_].broken.signals)
    assert result.normalised.item() == pytest.approx(result.robustness.item() / scale)
