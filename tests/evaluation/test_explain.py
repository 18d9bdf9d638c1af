"""Promises of the explanation: its arithmetic is the score, and every lost point has a cause."""

import itertools
import re
from typing import Any

import pandas as pd
import pytest

from drive.errors import RunError
from evaluation.explain import causes, explain, explain_row
from evaluation.metrics.drive_score import recompute_score

PERFECT = {
    "nc": 1.0,
    "off_road": 0.0,
    "red_light": None,
    "red_light.detail": "the scene has no lights of known state",
    "direction": 1.0,
    "progress": 1.0,
    "ttc_ok": 1.0,
    "speed_ok": 1.0,
    "comfort": 1.0,
}


def row(**values: Any) -> dict[str, Any]:
    made = {"planner": "idm", "scenario": "F01-000001", "family": "F01", "seed": 0, "status": "ok"} | PERFECT | values
    return made | {"score": recompute_score(made)} | {key: value for key, value in values.items() if key == "score"}


def test_the_last_line_of_arithmetic_is_the_score_for_every_combination() -> None:
    for nc, off, direction, progress, ttc, speed, comfort in itertools.product(
        (0.0, 0.5, 1.0), (0.0, 1.0), (0.5, 1.0), (0.1, 0.2, 0.83), (0.0, 1.0, None), (0.25, None), (0.0, 1.0)
    ):
        made = row(
            nc=nc, off_road=off, direction=direction, progress=progress, ttc_ok=ttc, speed_ok=speed, comfort=comfort
        )
        line = next(line for line in explain_row(made).splitlines() if line.startswith("score ="))
        product, result = line.removeprefix("score = ").split(" = ")
        value = 1.0
        for factor in product.split(" x "):
            value *= float(factor)
        assert value == pytest.approx(made["score"], abs=1e-4)
        assert float(result) == pytest.approx(made["score"], abs=1e-4)


def test_every_lost_point_has_a_cause_and_a_perfect_unit_has_none() -> None:
    assert causes(row()) == ["nothing to complain about"]
    broken = row(
        **{"nc": 0.0, "nc.detail": "hit car '7' at 3.4 s", "comfort": 0.0, "comfort.detail": "jerk 9.2 m/s3 at 1.2 s"}
    )
    assert causes(broken) == ["collision at fault: hit car '7' at 3.4 s", "uncomfortable: jerk 9.2 m/s3 at 1.2 s"]
    assert "hit car '7' at 3.4 s" in explain_row(broken)
    assert causes(row(progress=0.1))[0].startswith("too little progress (10 %)")


def test_the_costliest_term_is_named_first() -> None:
    assert [cause.split(":")[0] for cause in causes(row(progress=0.98, ttc_ok=0.0, comfort=0.0))] == [
        "too close to a collision",
        "uncomfortable",
        "not all the way (98 %)",
    ]


def test_terms_without_a_value_are_said_to_be_left_out() -> None:
    text = explain_row(row(speed_ok=None, **{"speed_ok.detail": "no speed limit is known where the ego drove"}))
    assert "no value, left out: no speed limit is known" in text
    assert re.search(r"weighted mean +12 / 12 = 1\.0000", text)
    assert "no value, counts as 1: the scene has no lights" in text


def test_a_failed_unit_is_explained_by_its_error() -> None:
    failed = row(status="failed", score=0.0, error="my_planner: plan() raised ValueError: boom")
    assert "failed unit scores 0" in explain_row(failed)
    assert "ValueError: boom" in explain_row(failed)
    assert causes(failed) == ["failed: my_planner: plan() raised ValueError: boom"]


def test_a_score_that_was_changed_by_hand_is_noticed() -> None:
    assert "changed after scoring" in explain_row(row(off_road=1.0, score=0.9))
    assert "changed after scoring" not in explain_row(row(off_road=1.0))


def test_unknown_scenes_and_planners_are_named_with_those_there_are() -> None:
    frame = pd.DataFrame([row(), row(seed=1)])
    assert explain(frame, "F01-000001", "idm").count("In short") == 2
    with pytest.raises(RunError, match="no scenario 'F99'; it has F01-000001"):
        explain(frame, "F99", "idm")
    with pytest.raises(RunError, match="no planner 'foo'; it has idm"):
        explain(frame, "F01-000001", "foo")
