"""Reference lines, joins and offsets are exact; junctions obey their template."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drive.geometry import wrap_angle
from scenarios.generate.geometry import (
    MAX_CURVATURE,
    ReferenceLine,
    bend_segments,
    join,
    lengths,
    offset,
    reverse,
    ribbon,
    smooth_step,
)
from scenarios.generate.junction import Control, LegPlan, Movement, Section, build_junction, permitted

ROAD = Section(2, 2, 3.3, 1.5, 0.5, 0.0, 2.0, 13.9, "arterial")
LANE = Section(1, 1, 3.0, 0.0, 0.5, 0.0, 2.0, 8.3, "residential")
quick = settings(max_examples=60, deadline=None)


def cross(**changes):  # type: ignore[no-untyped-def]
    plans = tuple(
        LegPlan(angle, 0.0, section, True)
        for angle, section in zip(
            (np.pi, 1.5 * np.pi + changes.get("skew", 0.0), 2 * np.pi, 2.5 * np.pi),
            (ROAD, LANE, ROAD, LANE),
            strict=True,
        )
    )
    return plans, build_junction(plans, (8.0, 9.0, 8.0, 9.0), 3.0, 1.5, Control.SIGNAL)


@quick
@given(st.floats(20.0, 400.0), st.floats(0.1, 1.5), st.booleans(), st.floats(0.2, 0.9))
def test_bend_turns_by_its_angle_and_ends_with_curvature_zero(radius, angle, left, share):  # type: ignore[no-untyped-def]
    signed = angle if left else -angle
    line = ReferenceLine(np.array((3.0, -2.0, 0.4)), bend_segments(signed, radius, share))
    curve = line.curve()
    assert wrap_angle(curve[-1, 2] - 0.4 - signed) == pytest.approx(0.0, abs=1e-9)
    assert abs(curve[-1, 3]) < 1e-9
    assert np.abs(curve[:, 3]).max() == pytest.approx(1.0 / radius, rel=1e-6)
    assert lengths(curve)[-1] == pytest.approx(line.length, rel=1e-5)


@quick
@given(st.floats(8.0, 200.0), st.floats(0.2, 2.5))
def test_arc_positions_are_exact_to_a_hundredth_of_a_micrometre(radius, angle):  # type: ignore[no-untyped-def]
    curve = ReferenceLine(np.zeros(3), np.array(((radius * angle, 1.0 / radius, 0.0),))).curve()
    expected = radius * np.column_stack((np.sin(curve[:, 2]), 1.0 - np.cos(curve[:, 2])))
    assert np.abs(curve[:, :2] - expected).max() < 1e-8


def test_sampling_elsewhere_does_not_move_a_point():  # type: ignore[no-untyped-def]
    line = ReferenceLine(np.zeros(3), np.array(((20.0, 0.0, 0.0), (30.0, 0.0, 1e-3), (40.0, 0.03, 0.0))))
    alone = line.sample(np.array((77.7,)))
    among = line.sample(np.sort(np.append(np.linspace(0.0, 90.0, 57), 77.7)))
    assert np.abs(among - alone).max(axis=1).min() < 1e-8


def test_curves_are_sampled_every_metre_and_every_half_metre_where_tight():  # type: ignore[no-untyped-def]
    wide = ReferenceLine(np.zeros(3), np.array(((50.0, 0.01, 0.0),))).curve()
    tight = ReferenceLine(np.zeros(3), np.array(((20.0, 0.05, 0.0),))).curve()
    assert np.diff(lengths(wide)).max() < 1.001
    assert np.diff(lengths(tight)).max() < 0.501


@quick
@given(st.floats(9.0, 40.0), st.floats(9.0, 40.0), st.floats(0.35, 2.3), st.booleans())
@example(12.0, 12.2994, 1.5, True)  # what keeps the far end free of a crumb leaves one at the near end
def test_join_meets_both_poses_and_the_curvature_bound(before, after, angle, left):  # type: ignore[no-untyped-def]
    angle = angle if left else -angle
    start = np.array((1.0, 2.0, 0.3))
    corner = start[:2] + before * np.array((np.cos(0.3), np.sin(0.3)))
    heading = 0.3 + angle
    end = np.array((*(corner + after * np.array((np.cos(heading), np.sin(heading)))), wrap_angle(heading)))
    curve = join(start, end)
    if curve is None:
        return  # too tight: no connector rather than one that cannot be driven
    assert np.abs(curve[0, :3] - start).max() < 1e-9
    assert np.abs(curve[-1, :2] - end[:2]).max() < 1e-9
    assert abs(wrap_angle(curve[-1, 2] - end[2])) < 1e-9
    assert np.abs(curve[:, 3]).max() <= MAX_CURVATURE + 1e-9
    steps = np.diff(curve[:, :2], axis=0)
    assert np.hypot(*steps.T).min() > 0.05
    chord = np.arctan2(steps[:, 1], steps[:, 0])
    assert np.abs(wrap_angle(chord - curve[:-1, 2])).max() < 0.3 * MAX_CURVATURE


def test_join_refuses_what_no_car_could_drive():  # type: ignore[no-untyped-def]
    assert join((0.0, 0.0, 0.0), (2.0, 2.0, np.pi / 2)) is None


@quick
@given(st.floats(-6.0, 6.0))
def test_offset_there_and_back_is_the_same_curve(distance):  # type: ignore[no-untyped-def]
    curve = ReferenceLine(np.zeros(3), np.array(((30.0, 0.0, 0.0), (40.0, 0.02, 0.0)))).curve()
    assert np.abs(offset(offset(curve, distance), -distance) - curve).max() < 1e-9
    back = reverse(reverse(curve))
    assert np.abs(back[:, [0, 1, 3]] - curve[:, [0, 1, 3]]).max() < 1e-12


def test_ribbon_is_counter_clockwise_and_as_wide_as_asked():  # type: ignore[no-untyped-def]
    curve = ReferenceLine(np.zeros(3), np.array(((60.0, 0.02, 0.0),))).curve()
    ring = ribbon(curve, 1.7, 1.7)
    x, y = ring.T
    area = 0.5 * (np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    assert area == pytest.approx(60.0 * 3.4, rel=2e-3)


def test_smooth_step_starts_and_ends_flat():  # type: ignore[no-untyped-def]
    u = np.array((0.0, 1e-4, 0.5, 1.0 - 1e-4, 1.0))
    assert smooth_step(u) == pytest.approx((0.0, 0.0, 0.5, 1.0, 1.0), abs=1e-9)


@pytest.mark.parametrize("skew", [-0.3, 0.0, 0.25])
def test_no_connectors_of_one_leg_cross(skew):  # type: ignore[no-untyped-def]
    import shapely

    _, junction = cross(skew=skew)
    assert junction is not None
    for one in junction.connectors:
        for other in junction.connectors:
            if one.leg_in == other.leg_in and one.lane_in < other.lane_in:
                assert not shapely.LineString(one.curve[:, :2]).crosses(shapely.LineString(other.curve[:, :2]))


def test_every_incoming_lane_has_a_way_out_and_turns_use_the_outer_lanes():  # type: ignore[no-untyped-def]
    plans, junction = cross()
    assert junction is not None
    for leg, plan in enumerate(plans):
        moves = permitted(plans, leg)
        assert {move[0] for move in moves} == set(range(plan.section.backward))
        assert {move[0] for move in moves if move[3] is Movement.LEFT} == {0}
        assert {move[0] for move in moves if move[3] is Movement.RIGHT} == {plan.section.backward - 1}


def test_left_turn_conflicts_with_oncoming_traffic():  # type: ignore[no-untyped-def]
    _, junction = cross()
    assert junction is not None
    kinds = {
        (junction.connectors[item.first].movement, junction.connectors[item.second].movement)
        for item in junction.conflicts
        if item.kind == "cross"
        and {junction.connectors[item.first].leg_in, junction.connectors[item.second].leg_in} == {0, 2}
    }
    assert (Movement.LEFT, Movement.THROUGH) in kinds or (Movement.THROUGH, Movement.LEFT) in kinds


def test_conflict_intervals_lie_on_their_connectors():  # type: ignore[no-untyped-def]
    _, junction = cross()
    assert junction is not None
    assert junction.conflicts
    for item in junction.conflicts:
        for number, (low, high) in ((item.first, item.on_first), (item.second, item.on_second)):
            assert 0.0 <= low <= high <= lengths(junction.connectors[number].curve)[-1] + 1e-9
        if item.kind == "diverge":
            assert item.on_first[0] == 0.0 == item.on_second[0]


def test_crosswalks_lie_between_stop_line_and_junction():  # type: ignore[no-untyped-def]
    _, junction = cross()
    assert junction is not None
    for leg in junction.legs:
        outward = np.array((np.cos(leg.mouth[2]), np.sin(leg.mouth[2])))
        assert leg.crosswalk is not None
        to_stop = (leg.stop.mean(axis=0) - leg.crosswalk) @ outward
        assert 1.0 <= to_stop.min() <= 3.0


def test_legs_that_are_too_close_make_no_junction():  # type: ignore[no-untyped-def]
    plans = tuple(LegPlan(angle, 0.0, ROAD, False) for angle in (np.pi, np.pi + 0.5, 2 * np.pi))
    assert build_junction(plans, (8.0, 8.0, 8.0), 3.0, 1.5, Control.YIELD) is None
