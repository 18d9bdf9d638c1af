"""`drive_score@1`: composition, validity, causes, rows; and the recorded drives as a floor."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive.scene import AgentKind, LightState, Scenario
from drive.vehicle import PACIFICA
from evaluation.metrics.base import CLOSED_LOOP_VERSIONS, Metric, failed_row, to_row
from evaluation.metrics.drive_score import recompute_score, score_rollout
from scenarios.nuscenes import prepare
from scenarios.store import Store
from tests.scenes import straight_scene
from tests.scoring_scenes import CAR, SAMPLES, crossing, cruise, roll, scene_with, signals, two_way_road


def drive(**motion: float) -> np.ndarray:
    """A drive that starts where the reference of the scenes does: with its rear axle at x = 0."""
    return cruise(**{"x": PACIFICA.rear_axle_to_center} | motion)


def score(scenario: Scenario, ego: np.ndarray) -> dict[str, Metric]:
    return score_rollout(scenario, roll(scenario, ego))


def test_the_reference_drive_scores_one() -> None:
    metrics = score(scene_with(), scene_with().reference[20:])
    assert metrics["score"].value == pytest.approx(1.0)
    assert metrics["collision_any"] == Metric(0.0)


def test_every_metric_has_a_version_and_the_other_way_round() -> None:
    assert list(score(scene_with(), drive())) == list(CLOSED_LOOP_VERSIONS)


def test_a_hit_costs_everything_and_says_why() -> None:
    metrics = score(scene_with((*CAR, 30.0, 0.0, 4.0, 0.0)), drive())
    assert metrics["score"].value == 0.0
    assert metrics["collision_at_fault"] == metrics["collision_any"]
    cause = metrics["collision_at_fault"]
    assert (cause.step, cause.agent) == (40, "agent-0")
    assert cause.detail == ("hit car 'agent-0' at 4.0 s with 6.0 m/s between them, at fault: moving front contact")
    assert metrics["ttc_min"].value == 0.0
    assert metrics["ttc_min"].agent == "agent-0"


def test_being_hit_is_a_collision_but_not_at_fault() -> None:
    metrics = score(scene_with((*CAR, -20.0, 0.0, 14.0, 0.0)), drive())
    assert metrics["collision_any"].value == 1.0
    assert metrics["collision_any"].detail.endswith("not at fault: it came from behind")
    assert metrics["collision_at_fault"] == Metric(0.0)
    assert metrics["score"].value == pytest.approx(1.0)


def test_a_cone_costs_half() -> None:
    metrics = score(scene_with((AgentKind.TRAFFIC_CONE, (0.4, 0.4), 60.0, 0.0, 0.0, 0.0)), drive())
    assert metrics["nc"].value == 0.5
    assert metrics["ttc_ok"].value == 0.0
    assert metrics["score"].value == pytest.approx(0.5 * 11 / 16)


def test_a_close_call_costs_the_share_of_time_to_collision() -> None:
    scenario = scene_with((*CAR, 40.0, 0.0, 0.0, 0.0))
    valid = np.ones((1, SAMPLES), np.bool_)
    valid[0, 30:] = False  # gone before it is reached: at sample 29 the gap is 4.7 m at 10 m/s
    metrics = score_rollout(scenario, roll(scenario, drive(), valid))
    assert metrics["collision_any"].value == 0.0
    assert metrics["ttc_min"].value == pytest.approx(0.5)
    assert metrics["ttc_min"].detail == "0.5 s to car 'agent-0' at 2.9 s"
    assert metrics["score"].value == pytest.approx(11 / 16)


def test_leaving_the_road_costs_everything() -> None:
    metrics = score(scene_with(), drive(heading=-0.1))
    assert metrics["off_road"].value == 1.0
    assert metrics["off_road_distance"].value > 4.0
    assert "corner" in metrics["off_road"].detail
    assert metrics["score"].value == 0.0


def test_driving_against_traffic_costs_by_distance() -> None:
    slow = score(scene_with(), drive(y=3.5, speed=5.0))
    assert (slow["direction"].value, slow["wrong_way"].value) == (0.5, 1.0)
    assert "'west'" in slow["wrong_way"].detail
    assert slow["score"].value == pytest.approx(0.5 * (5 * 0.5 + 11) / 16, abs=1e-3)
    assert score(scene_with(), drive(y=3.5))["score"].value == 0.0


def test_running_a_red_light_costs_everything() -> None:
    fields = {"vector_map": crossing(), "route": np.array([0, 1, 3], np.int32)}
    red = score(straight_scene(lights=signals({1: LightState.RED}), **fields), drive())
    green = score(straight_scene(lights=signals({1: LightState.GREEN}), **fields), drive())
    assert (red["red_light"].value, green["red_light"].value) == (1.0, 0.0)
    assert "'ahead'" in red["red_light"].detail
    assert red["score"].value == 0.0
    assert green["score"].value > 0.9


def test_without_known_lights_red_light_has_no_value() -> None:
    assert not score(scene_with(), drive())["red_light"].valid
    dark = straight_scene(vector_map=crossing(), lights=signals({1: LightState.UNKNOWN}))
    assert not score(dark, drive())["red_light"].valid


def test_without_a_limit_speed_leaves_numerator_and_denominator() -> None:
    metrics = score(scene_with(vector_map=two_way_road(limit=None)), drive(speed=30.0))
    assert not metrics["speed_ok"].valid
    assert not metrics["speed_excess"].valid
    assert metrics["score"].value == pytest.approx(1.0)


def test_speeding_costs_its_share() -> None:
    metrics = score(scene_with(), drive(speed=14.9))
    assert metrics["speed_excess"].value == pytest.approx(1.0, abs=1e-5)
    assert metrics["score"].value == pytest.approx((12 + 4 * (1 - 81 / 80 / 2.23)) / 16, abs=1e-5)


def test_too_little_progress_closes_the_gate() -> None:
    assert score(scene_with(), drive(speed=1.9))["score"].value == 0.0
    assert score(scene_with(), drive(speed=2.1))["score"].value == pytest.approx((5 * 0.21 + 11) / 16, abs=1e-3)


def test_where_the_reference_stands_standing_is_full_progress() -> None:
    metrics = score(scene_with(speed=0.0), drive(speed=0.0))
    assert metrics["progress"].value == 1.0
    assert metrics["score"].value == 1.0


def test_a_rollout_too_short_to_filter_has_no_comfort() -> None:
    metrics = score(scene_with(speed=0.0), drive(speed=0.0, samples=2))
    assert not metrics["comfort"].valid
    assert metrics["score"].value == 1.0


def test_same_rollout_same_bytes() -> None:
    scenario = scene_with((*CAR, 30.0, 0.3, 9.0, 0.01), (*CAR, 20.0, 3.5, 9.0, np.pi))
    rollout = roll(scenario, drive(heading=0.003, speed=12.0))
    assert score_rollout(scenario, rollout) == score_rollout(scenario, rollout)


# --- rows


def test_a_row_has_the_same_columns_whatever_happened() -> None:
    quiet = to_row(score(scene_with(), drive()))
    loud = to_row(score(scene_with((*CAR, 30.0, 0.0, 4.0, 0.0)), drive(heading=-0.1)))
    assert list(quiet) == list(loud) == [name for name in failed_row() if name in quiet]
    assert quiet["red_light"] is None
    assert quiet["collision_any.detail"] is None


def test_a_failed_unit_scores_zero_and_has_null_metrics() -> None:
    row = failed_row()
    assert row.pop("score") == 0.0
    assert set(row.values()) == {None}
    assert recompute_score(failed_row() | {"status": "failed"}) == 0.0


def test_rows_without_the_columns_have_no_score() -> None:
    assert recompute_score({"nc": 1.0}) is None
    assert recompute_score(failed_row()) is None


unit = st.floats(0.0, 1.0)
maybe = st.one_of(st.none(), unit)
factors = st.sampled_from([0.0, 0.5, 1.0])
rows = st.fixed_dictionaries(
    {
        "nc": factors,
        "off_road": st.sampled_from([None, 0.0, 1.0]),
        "red_light": st.sampled_from([None, 0.0, 1.0]),
        "direction": factors,
        "progress": unit,
        "ttc_ok": st.sampled_from([0.0, 1.0]),
        "speed_ok": maybe,
        "comfort": st.sampled_from([None, 0.0, 1.0]),
    }
)


@settings(max_examples=200, deadline=None)
@given(rows)
def test_the_score_is_the_published_formula(row) -> None:
    weights = {"progress": 5, "ttc_ok": 5, "speed_ok": 4, "comfort": 2}
    known = {name: weight for name, weight in weights.items() if row[name] is not None}
    mean = sum(weight * row[name] for name, weight in known.items()) / sum(known.values())
    open_gate = row["off_road"] != 1 and row["red_light"] != 1 and row["progress"] >= 0.2
    expected = row["nc"] * row["direction"] * mean if open_gate else 0.0
    assert recompute_score(row) == pytest.approx(expected)
    assert 0.0 <= recompute_score(row) <= 1.0
    as_read = {name: math.nan if value is None else np.float64(value) for name, value in row.items()}
    assert recompute_score(as_read | {"status": "ok"}) == recompute_score(row)
    assert recompute_score(row | {"status": "failed"}) == 0.0


@settings(max_examples=25, deadline=None)
@given(
    st.floats(-3, 6),
    st.floats(-0.4, 0.4),
    st.floats(-5, 20),
    st.lists(st.tuples(st.floats(-20, 60), st.floats(-4, 8), st.floats(-5, 15), st.floats(-3, 3)), max_size=4),
)
def test_the_score_follows_from_the_columns_of_its_row(y, heading, speed, others) -> None:
    scenario = scene_with(*[(*CAR, *other) for other in others])
    row = to_row(score(scenario, drive(y=y, heading=heading, speed=speed)))
    assert recompute_score(row) == row["score"]
    assert row["collision_at_fault"] <= row["collision_any"]
    assert (row["nc"] < 1.0) == (row["collision_at_fault"] == 1.0)
    assert (row["direction"] < 1.0) == (row["wrong_way"] == 1.0)
    assert (row["off_road"] == 1.0) == (row["off_road_distance"] > 0.3)
    assert row["ttc_min"] is None or (row["ttc_ok"] == 1.0) == (row["ttc_min"] > 0.95)


# --- the floor


def test_recorded_drives_have_no_fault_and_stay_on_the_road(nuscenes_mini: Path) -> None:
    store = Store()  # shared with the other tests of this session
    entries = prepare(nuscenes_mini, store)
    assert len(entries) == 8
    for entry in entries:
        scenario = store.get(entry.key)
        metrics = score(scenario, scenario.reference[scenario.start :])
        found = {name: metric.detail for name, metric in metrics.items()}
        assert metrics["collision_any"].value == 0.0, (entry.id, found)
        assert metrics["off_road"].value == 0.0, (entry.id, found)
        assert metrics["wrong_way"].value == 0.0, (entry.id, found)
        assert metrics["progress"].value == pytest.approx(1.0, abs=1e-4), (entry.id, found)
        assert not metrics["red_light"].valid  # nuScenes has no lights and no limits
        assert not metrics["speed_ok"].valid
        assert metrics["score"].value > 0.8, (entry.id, found)
