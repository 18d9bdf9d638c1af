"""NAVSIM's result tables."""

import pytest

from drive.errors import DataError
from evaluation.metrics.epdms import EXTENDED_COMFORT, PARTS
from evaluation.metrics.navsim_tables import Group, TokenScore, one_stage_table, token_name, two_stage_table

PERFECT = dict.fromkeys(PARTS, 1.0)


def token(
    progress: float = 1.0, endpoint: tuple[float, float] = (0.0, 0.0), start: tuple[float, float] = (0.0, 0.0)
) -> TokenScore:
    return TokenScore({**PERFECT, "ego_progress": progress}, endpoint, start)


def test_one_stage_ends_with_means_that_ignore_what_is_not_known() -> None:
    unpaired = TokenScore({**PERFECT, "two_frame_extended_comfort": None, "ego_progress": 0.0})
    table = one_stage_table({"a": token(0.2), "b": unpaired, "c": None})
    assert list(table.columns) == ["token", "valid", *PARTS, "score"]
    last = table.iloc[-1]
    assert last["token"] == "average_all_frames"
    assert not last["valid"]
    assert last["ego_progress"] == pytest.approx(0.1)
    assert last["two_frame_extended_comfort"] == 1.0
    assert last["score"] == pytest.approx(((16 - 4) / 16 + (14 - 5) / 14) / 2)


def test_two_stages_weigh_scenes_by_where_the_plan_ends() -> None:
    first = {"now": token(1.0, endpoint=(0.0, 0.0)), "before": token(0.6, endpoint=(10.0, 0.0))}
    second = {
        "near": token(0.5, start=(0.0, 0.0)),
        "far": token(0.0, start=(5.0, 0.0)),
        "near_before": token(1.0, start=(10.0, 0.0)),
        "far_before": token(0.0, start=(20.0, 0.0)),
    }
    groups = [Group("now", "before", (("near", "near_before"), ("far", "far_before")))]
    table = two_stage_table(first, second, groups)
    assert list(table["token"][-3:]) == [
        "extended_pdm_score_stage_one",
        "extended_pdm_score_stage_two",
        "extended_pdm_score_combined",
    ]
    halves = (1.0 * (16 - 2.5) / 16, (16 - 2.0) / 16 * 1.0)
    assert table["score"].iloc[-1] == pytest.approx(sum(halves) / 2)
    assert table["ego_progress_stage_one"].iloc[-3] == pytest.approx(0.8)
    assert table["ego_progress_stage_two"].iloc[-2] == pytest.approx(0.75)


def test_a_missing_partner_is_named() -> None:
    with pytest.raises(DataError, match="token 'before' of the two-stage mapping has no score in the first stage"):
        two_stage_table({"now": token()}, {"x": token()}, [Group("now", "before", (("x", "x"),))])


def test_a_group_without_synthetic_scenes_is_named() -> None:
    with pytest.raises(DataError, match="token 'now' of the two-stage mapping has no scenes in the second stage"):
        two_stage_table({"now": token(), "before": token()}, {}, [Group("now", "before", ())])


def test_parts_that_a_synthetic_scene_lacks_do_not_count_as_zero() -> None:
    lacking = TokenScore({**token(1.0).parts, EXTENDED_COMFORT: None})
    table = two_stage_table(
        {"now": token(), "before": token()},
        {"a": token(), "b": lacking},
        [Group("now", "before", (("a", "a"), ("b", "b")))],
    )
    assert table[f"{EXTENDED_COMFORT}_stage_two"].iloc[-2] == pytest.approx(1.0)


def test_no_frame_gets_a_token_that_navsim_would_take_for_a_synthetic_scene() -> None:
    assert token_name("0123456789abcdef", 0) == "0123456789abcdef"
    assert token_name("scene-0061", 40) == "scene-0061@4.0s"
    for length in range(5, 20):
        for step in (0, 5, 40, 120):
            assert len(token_name("s" * length, step)) != 17
