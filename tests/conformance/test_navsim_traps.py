"""NAVSIM's surprises, each by its number: reproduced under ``epdms@2.2``, whatever one would expect instead.

Traps 6, 7 and 20 (reactive traffic) are in test_navsim_reactive.py, 23 also in test_pdm_closed.py. Trap 15 belongs to a
variant of the scorer (every vehicle scored as if it were the ego) that this toolkit does not offer.
"""

from dataclasses import replace
from importlib.metadata import metadata

import numpy as np
import pytest

from drive.scene import AgentKind
from drive.scoring.navsim.comfort import comfort_signals, extended_comfort, history, within_limits
from drive.scoring.navsim.inputs import RoadLayer
from drive.scoring.navsim.keyframes import interpolate_tracks
from drive.scoring.navsim.scene import without_initial_overlaps
from drive.scoring.navsim.scorer import normalized_progress, score_states
from drive.scoring.navsim.tracking import reference_poses, simulate
from drive.vehicle import PACIFICA, Ego
from evaluation.metrics.epdms import combine, human_filter, score_plan, simulate_plan
from evaluation.metrics.navsim_tables import scene_weights
from tests.conformance.navsim_cases import synthetic_case
from tests.navsim_road import driven, frame, objects, rectangle, road, straight_plan

CAR = AgentKind.CAR
ARM = PACIFICA.rear_axle_to_center


def test_trap_00_the_velocity_fit_penalises_accelerations_instead_of_their_changes() -> None:
    case = synthetic_case("syn_free__cv")
    expected = np.array(case["expected"]["states"][0])
    poses = np.array(case["reference"])[:41]
    navsim, correct = (simulate(expected[0], poses[None], fit=fit)[0] for fit in ("navsim", "differences"))
    assert np.abs(navsim - expected)[:, :4].max() < 1e-4
    assert np.abs(correct - expected).max() > 1e-3


def test_trap_01_history_has_a_hole_before_the_present() -> None:
    past = frame().past
    assert len(history(past)) == 14  # -1.5 .. -0.2 s; one would expect 15
    assert history(past)[-1, 0] == pytest.approx(-2.0)
    turning = []  # 0.8 rad/s throughout: by NAVSIM's history, and by one that goes on to -0.1 s
    for known in (history(past), np.concatenate((history(past), history(past)[-1:]))):
        series = np.concatenate((known, driven(10.0)[0]))[None]
        series[0, :, Ego.HEADING] = 0.08 * np.concatenate((np.arange(len(known)) - 15, np.arange(41)))
        turning.append(within_limits(comfort_signals(series, ARM))[0, 4])
    assert turning == [False, True]


def test_trap_02_lateral_acceleration_of_a_plan_never_counts_and_turning_looks_like_braking() -> None:
    states = driven(20.0)
    states[..., Ego.YAW_RATE] = 0.5  # 10 m/s2 sideways
    states[..., Ego.YAW_ACCELERATION] = -3.5
    kept = within_limits(comfort_signals(states, ARM))[0]
    assert kept[1]
    assert not kept[0]
    states[..., Ego.AY] = 5.0  # only a measured one can fire
    assert not within_limits(comfort_signals(states, ARM))[0, 1]


def test_trap_03_an_object_keeps_the_speed_at_which_it_was_first_seen() -> None:
    stops = np.column_stack((np.minimum(6.0 + np.arange(41) * 0.5, 9.0), np.full(41, -1.75)))
    braked = score_states(driven(10.0), road(), objects((CAR, stops, 4.0, 1.8)))
    assert braked.causes.contact[0, 2] == 3  # moving front contact, although it stands by then
    parked = np.column_stack((np.full(41, 9.0), np.full(41, -1.75)))
    parked[10:, 0] += 0.3 * np.arange(31)
    leaves = score_states(driven(10.0), road(), objects((CAR, parked, 4.0, 1.8)))
    assert leaves.causes.contact[0, 2] == 1  # taken for standing, although it has left


def test_trap_04_a_track_seen_in_one_keyframe_stands_there_all_the_time() -> None:
    valid = np.zeros((1, 9), np.bool_)
    valid[0, 4] = True
    position, *_, present = interpolate_tracks(np.full((1, 9, 2), 7.0), np.zeros((1, 9)), np.zeros((1, 9, 2)), valid)
    assert present.all()
    assert (position == 7.0).all()


def test_trap_05_progress_is_one_for_all_where_nobody_gets_farther_than_five_metres() -> None:
    assert (normalized_progress((0.0, 4.9), (1.0, 1.0)) == 1.0).all()
    assert normalized_progress((40.0, 50.0), (0.0, 1.0))[0] == 0.8  # a plan that crashes keeps its progress


def test_trap_08_time_to_collision_looks_at_32_samples_only() -> None:
    ahead = np.column_stack((np.full(41, 40.0 + 4.049 + 2.0 + 0.05), np.full(41, -1.75)))
    barrier = objects((AgentKind.BARRIER, ahead, 4.0, 1.8))
    assert score_states(driven(10.0), road(), barrier).time_to_collision_within_bound[0] == 1.0  # at 4.0 s it touches
    nearer = objects((AgentKind.BARRIER, ahead - (1.0, 0.0), 4.0, 1.8))
    assert score_states(driven(10.0), road(), nearer).time_to_collision_within_bound[0] == 0.0


def test_trap_09_a_standing_ego_on_a_red_connector_fails() -> None:
    red = rectangle(-1.0, -3.5, 30.0, 0.0)
    scores = score_states(driven(0.0), road(), objects(red=[red]))
    assert scores.traffic_light_compliance[0] == 0.0
    assert scores.causes.red[0, 0] == 0


def test_trap_10_log_replay_drops_what_touches_the_ego_at_the_start() -> None:
    traffic = objects((CAR, (2.0, -1.75), 4.0, 1.8), (CAR, (30.0, -1.75), 4.0, 1.8))
    kept = without_initial_overlaps(traffic, frame().ego)
    assert kept.valid.any(axis=1).tolist() == [False, True]


def test_trap_11_only_roadblocks_intersections_and_car_parks_are_drivable() -> None:
    connector = road([(rectangle(-100.0, 3.5, 200.0, 7.0), RoadLayer.LANE_CONNECTOR, True)])
    assert score_states(driven(10.0, y=5.0), connector, objects()).drivable_area_compliance[0] == 0.0
    crossing = road([(rectangle(-100.0, 3.5, 200.0, 7.0), RoadLayer.INTERSECTION, False)])
    assert score_states(driven(10.0, y=5.0), crossing, objects()).drivable_area_compliance[0] == 1.0


def test_trap_12_a_lane_off_the_route_is_wrong_way_whatever_its_direction() -> None:
    beside = score_states(driven(10.0, y=1.75), road(), objects())
    assert beside.driving_direction_compliance[0] == 0.0
    slowly = score_states(driven(4.0, y=1.75), road(), objects())
    assert slowly.driving_direction_compliance[0] == 0.5  # 4 m within a second


def test_trap_13_the_human_filter_forgives_zeros_only_and_never_progress_or_extended_comfort() -> None:
    parts = {"no_at_fault_collisions": 0.0, "driving_direction_compliance": 0.0, "lane_keeping": 0.0}
    human = {"no_at_fault_collisions": 0.5, "driving_direction_compliance": 0.0, "lane_keeping": 1.0}
    assert human_filter(parts, human) == {**parts, "driving_direction_compliance": 1.0}
    off_lane = frame(y=1.75)  # the human drives beside the route as well
    score = score_plan(off_lane, straight_plan(10.0))
    assert score.parts["driving_direction_compliance"] == 0.0
    assert score.filtered["driving_direction_compliance"] == 1.0
    assert combine(score.parts) == 0.0  # NAVSIM's own column stays as it is


def test_trap_14_weights_of_the_second_stage_drop_sharply_and_turn_uniform_far_away() -> None:
    starts = np.array(((0.0, 0.0), (0.3, 0.0), (1.0, 0.0), (3.0, 0.0)))
    assert scene_weights(np.zeros(2), starts) == pytest.approx((0.608, 0.388, 0.004, 0.0), abs=5e-4)
    assert scene_weights(np.array((-2.2, 0.0)), starts) == pytest.approx(0.25)


def test_trap_16_a_corner_on_a_lane_border_is_in_neither_lane() -> None:
    edge = -PACIFICA.width / 2  # the left corners lie exactly on y = 0
    inside, on, across = (score_states(driven(10.0, y=edge + shift), road(), objects()) for shift in (-1e-9, 0.0, 1e-9))
    assert not (inside.places & 1).any()
    assert not (on.places & 1).any()  # one lane is touched, none holds all corners
    assert (across.places & 1).all()


def test_trap_17_this_toolkit_needs_neither_navsim_nor_its_old_numpy() -> None:
    needs = " ".join(metadata("drive-toolkit").get_all("Requires-Dist") or [])
    assert "navsim" not in needs
    assert "nuplan" not in needs


def test_trap_18_limits_are_compared_not_tested_for_truth() -> None:
    states = driven(10.0)
    states[..., Ego.AX] = 2.40  # the limit itself is out
    assert not within_limits(comfort_signals(states, ARM))[0, 0]
    states[..., Ego.AX] = 2.39
    assert within_limits(comfort_signals(states, ARM))[0, 0]


def test_trap_19_a_frame_without_a_human_has_no_filter() -> None:
    synthetic = replace(frame(y=1.75), human=None)
    score = score_plan(synthetic, straight_plan(10.0))
    assert score.human is None
    assert score.filtered == score.parts


def test_trap_21_from_braking_to_throttle_jerk_is_undercounted() -> None:
    states = driven(10.0)
    states[0, :20, Ego.AX], states[0, 20:, Ego.AX] = -1.0, 1.0
    signals = comfort_signals(states, ARM)
    assert np.abs(signals[2]).max() < 1e-6  # the magnitude never changes
    assert np.abs(signals[3]).max() > 2.0


def test_trap_22_equal_plans_differ_by_the_acceleration_they_start_from() -> None:
    here = frame()
    braking = here.ego.copy()
    braking[Ego.AX] = -3.0
    one, two = (simulate_plan(ego, here.t0_us, straight_plan(10.0)) for ego in (here.ego, braking))
    assert one[-1, 0] - two[-1, 0] > 0.05


def test_trap_23_a_reference_that_crashes_leaves_the_plan_as_its_own_measure() -> None:
    parked = objects((CAR, (30.0, -1.75), 4.0, 1.8))
    here = frame(traffic=parked)  # the reference goes on at 10 m/s into the parked car
    score = score_plan(here, straight_plan(3.0))
    assert score.reference["no_at_fault_collisions"] == 0.0
    assert score.parts["ego_progress"] == 1.0


def test_trap_24_an_object_exactly_ahead_is_ahead() -> None:
    scores = score_states(driven(10.0), road(), objects((AgentKind.BARRIER, (20.0, -1.75), 1.0, 1.0)))
    assert scores.time_to_collision_within_bound[0] == 0.0  # NAVSIM may get NaN here, and then ignore the barrier


def test_trap_25_without_a_plan_before_the_weights_sum_to_14() -> None:
    here = frame()
    alone = score_plan(here, straight_plan(8.0))
    assert alone.extended is None
    before = simulate_plan(here.ego, here.t0_us - 500_000, straight_plan(8.0))
    paired = score_plan(here, straight_plan(8.0), previous=before)
    weighted = 14 * alone.epdms
    assert paired.epdms == pytest.approx((weighted + 2.0 * paired.extended.value) / 16)


def test_short_plans_are_held_and_long_ones_cut() -> None:
    here = frame()
    short = reference_poses(straight_plan(10.0)[:4], 0.5, here.ego, here.t0_us)
    assert (short[20:] == short[20]).all()
    dense = np.zeros((60, 3))
    dense[:, 0] = 1.0 * np.arange(1, 61)
    long = reference_poses(dense, 0.1, here.ego, here.t0_us)
    assert long.shape == (41, 3)
    assert long[-1, 0] == pytest.approx(40.0, abs=1e-4)


def test_extended_comfort_of_a_plan_with_itself_is_perfect() -> None:
    states = driven(10.0)[0]
    shifted = driven(10.0, x=-5.0)[0]
    assert extended_comfort(states, shifted).value == 1.0
