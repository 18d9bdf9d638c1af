"""Signals of lanes, neighbours, areas and lane changes, with numbers worked out by hand."""

import numpy as np
import pytest

from drive.map import Area, Lane, Layer, build_map
from drive.scene import AgentKind
from drive.signals import CATALOG, FLAG
from drive.signals.road import Road
from tests.drive.signal_worlds import CAR, CENTER, FRONT, HALF_WIDTH, SAMPLES, cruise, measure, read, states
from tests.planners.roads import curve, lane, scene
from tests.scenes import moving, straight_map, straight_scene
from tests.scoring_scenes import crossing, rectangle, straight_lane, two_way_road

T = 0.1 * np.arange(SAMPLES)


def test_offset_and_heading_are_signed_and_taken_at_the_box_centre():
    ego = cruise(y=0.4, heading=0.1, speed=0.0)
    offset, valid, _ = read(straight_scene(), "lane_offset", ego)
    assert valid.all() and np.allclose(offset, 0.4 + CENTER * np.sin(0.1))
    assert np.allclose(read(straight_scene(), "heading_error", ego)[0], 0.1)
    assert np.allclose(read(straight_scene(), "lane_heading_gap", ego)[0], 1 - np.cos(0.1))
    assert np.allclose(read(straight_scene(), "left_lane_offset", ego)[0], 0.4 + CENTER * np.sin(0.1) - 3.5)
    assert not read(straight_scene(), "right_lane_offset", ego)[1].any(), "lane 0 has no right neighbour"
    assert (read(straight_scene(), "right_heading_gap", ego)[0] == 0.0).all()


def test_in_a_bend_the_offset_is_the_distance_to_the_arc():
    bend = lane("bend", curve((200, 50.0), start=(0.0, 0.0, 0.0)))
    made = scene([bend], ["bend"], (0.0, 0.0, 0.0), 0.0)
    angle = np.linspace(0.2, 1.0, SAMPLES)  # box centre 0.5 m inside of the arc, 49.5 m from its centre (0, 50)
    center = np.stack((49.5 * np.sin(angle), 50.0 - 49.5 * np.cos(angle)))
    ego = states(center[0] - CENTER * np.cos(angle), center[1] - CENTER * np.sin(angle), angle, 5.0)
    assert np.allclose(read(made, "lane_offset", ego)[0], 0.5, atol=3e-3), "chords of 1 m sag by 2.5 mm"
    assert np.abs(read(made, "heading_error", ego)[0]).max() < 0.011
    assert np.allclose(read(made, "lane_width", ego)[0], 3.6, atol=0.01)


def test_beyond_the_end_of_the_map_the_lane_goes_straight_on():
    offset, valid, _ = read(straight_scene(), "lane_offset", cruise(x=410.0, y=0.3))
    assert valid.all() and np.allclose(offset, 0.3)


def test_another_lane_takes_over_after_three_samples():
    y = np.where(np.arange(SAMPLES) < 10, 0.0, 3.5)
    offset = read(straight_scene(), "lane_offset", states(T, y, 0.0, 1.0))[0]
    assert np.allclose(offset[:10], 0.0) and np.allclose(offset[10:12], 3.5) and np.allclose(offset[12:], 0.0)


def test_the_continuing_lane_takes_over_at_once():
    lanes = [
        straight_lane("a", -50, 30, 0.0, successors=("b",)),
        straight_lane("b", 30, 200, 0.2),
    ]
    made = straight_scene(vector_map=build_map(lanes), route=np.array([0, 1], np.int32))
    offset = read(made, "lane_offset", cruise(speed=10.0))[0]
    ahead = 10.0 * T + CENTER > 30.0
    assert np.allclose(offset[~ahead], 0.0) and np.allclose(offset[ahead], -0.2)


def test_without_a_route_there_is_no_ego_lane():
    made = straight_scene(route=np.zeros(0, np.int32))
    for name in ("lane_offset", "heading_error", "lane_margin", "lane_width", "wrong_way_dist", "has_lead"):
        value, valid, _ = read(made, name)
        assert (value == CATALOG[name].neutral).all(), name
        assert not valid.any() or name == "has_lead"
    assert (read(made, "lane_keep_due")[0] == -FLAG).all()


def test_the_margin_is_that_of_the_worst_corner():
    ego = cruise(y=0.3, heading=0.05, speed=0.0)
    front_left = 0.3 + FRONT * np.sin(0.05) + HALF_WIDTH * np.cos(0.05)
    assert np.allclose(read(straight_scene(), "lane_margin", ego)[0], 1.75 - front_left)
    assert np.allclose(read(straight_scene(), "lane_margin", cruise(y=-0.8))[0], 1.75 - 0.8 - HALF_WIDTH)


def test_a_box_that_reaches_into_the_next_lane_is_measured_there():
    lanes = [
        straight_lane("wide", -50, 30, 0.0, width=4.0, successors=("narrow",)),
        straight_lane("narrow", 30, 200, 0.0, width=3.0),
    ]
    made = straight_scene(vector_map=build_map(lanes), route=np.array([0, 1], np.int32))
    ego = states(np.linspace(0, 40, SAMPLES), 0.0, 0.0, 5.0)
    margin = read(made, "lane_margin", ego)[0]
    reaches = ego[0, :, 0].numpy() + FRONT > 30.0
    assert np.allclose(margin[~reaches], 2.0 - HALF_WIDTH) and np.allclose(margin[reaches], 1.5 - HALF_WIDTH)


def test_lanes_are_not_kept_to_in_intersections_changes_and_narrow_lanes():
    assert (read(straight_scene(), "lane_keep_due")[0] == FLAG).all()
    road = two_way_road(intersection=True)
    assert (read(straight_scene(vector_map=road), "lane_keep_due")[0] == -FLAG).all()
    assert (read(straight_scene(), "lane_keep_due", cruise(y=1.75))[0] == -FLAG).all()
    narrow = straight_scene(vector_map=straight_map(width=2.4))
    assert np.allclose(read(narrow, "lane_width")[0], 2.4) and (read(narrow, "lane_keep_due")[0] == -FLAG).all()


def test_drivable_margin_is_signed_and_knows_no_border_between_areas():
    areas = [Area(Layer.DRIVABLE, (rectangle(-100, 20, -2, 6),)), Area(Layer.DRIVABLE, (rectangle(20.05, 300, -2, 6),))]
    made = straight_scene(vector_map=build_map([straight_lane("a", -100, 300, 0.0)], areas))
    margin, valid, _ = read(made, "drivable_margin", cruise(y=0.5))
    assert valid.all() and np.allclose(margin, 2.5 - HALF_WIDTH)
    assert np.allclose(read(made, "drivable_margin", cruise(y=-1.5))[0], 0.5 - HALF_WIDTH)
    without = straight_scene(vector_map=build_map([straight_lane("a", -100, 300, 0.0)]))
    value, valid, _ = read(without, "drivable_margin")
    assert not valid.any() and (value == CATALOG["drivable_margin"].neutral).all()


def test_drivable_margin_at_a_hole_is_the_distance_to_it():
    ring, hole = rectangle(-100, 300, -20, 20), rectangle(20, 24, -5, 5)
    made = straight_scene(
        vector_map=build_map([straight_lane("a", -100, 300, 0.0)], [Area(Layer.DRIVABLE, (ring, hole))])
    )
    margin = read(made, "drivable_margin", states(20.0 - FRONT - 1.5, 0.0))[0]
    assert np.allclose(margin, 1.5)
    inside = read(made, "drivable_margin", states(20.0 - FRONT + 1.0, 0.0))[0]
    assert np.allclose(inside, -1.0)


def test_opposite_margin_counts_down_to_the_line_and_then_the_depth():
    made = straight_scene(vector_map=two_way_road())
    assert np.allclose(read(made, "opposite_margin", cruise(y=0.2))[0], 1.75 - 0.2 - HALF_WIDTH)
    assert np.allclose(read(made, "opposite_margin", cruise(y=1.0))[0], 1.75 - 1.0 - HALF_WIDTH)
    assert not read(straight_scene(), "opposite_margin")[1].any(), "no lane runs the other way"
    crossing_road = straight_scene(vector_map=two_way_road(intersection=True))
    value, valid, _ = read(crossing_road, "opposite_margin", cruise(y=1.0))
    assert not valid.any() and (value == 20.0).all()


def test_direction_is_that_of_the_best_lane_under_the_centre():
    made = straight_scene(vector_map=two_way_road())
    assert np.allclose(read(made, "direction_cos", cruise(y=3.5))[0], -1.0)
    assert np.allclose(read(made, "direction_cos", cruise(heading=0.3, speed=0.0))[0], np.cos(0.3))
    value, valid, _ = read(made, "direction_cos", cruise(y=30.0))
    assert not valid.any() and (value == 1.0).all()
    both = build_map([straight_lane("there", -100, 300, 0.0), straight_lane("back", 300, -100, 0.0)])
    assert np.allclose(read(straight_scene(vector_map=both), "direction_cos")[0], 1.0)


def test_wrong_way_distance_is_what_was_driven_off_the_route_in_eleven_samples():
    made = straight_scene(vector_map=two_way_road())
    y = np.where(np.arange(SAMPLES) < 20, 0.0, 3.5)
    dist = read(made, "wrong_way_dist", states(0.5 * np.arange(SAMPLES), y, 0.0, 5.0))[0]
    jump = np.hypot(0.5, 3.5)
    assert np.allclose(dist[:20], 0.0) and dist[20] == pytest.approx(jump) and dist[25] == pytest.approx(jump + 2.5)
    assert np.allclose(dist[31:], 11 * 0.5), "eleven steps of 0.5 m"
    crossing_road = straight_scene(vector_map=two_way_road(intersection=True))
    assert (read(crossing_road, "wrong_way_dist", cruise(y=3.5))[0] == 0.0).all()
    beside = cruise(y=3.5)  # the left lane of the same direction is on the route, too
    assert (read(straight_scene(), "wrong_way_dist", beside)[0] == 0.0).all()


def test_speed_limit_of_a_connector_is_the_larger_of_its_own_and_its_successors():
    made = straight_scene(vector_map=crossing(), route=np.array([0, 1, 3], np.int32))
    limit, valid, _ = read(made, "speed_limit", states(np.linspace(0, 80, SAMPLES), 0.0, 0.0, 10.0))
    at = np.linspace(0, 80, SAMPLES) + CENTER
    assert valid.all() and np.allclose(limit, np.where(at < 40, 10.0, 15.0))
    value, valid, _ = read(straight_scene(vector_map=straight_map(limit=None)), "speed_limit")
    assert not valid.any() and (value == 70.0).all()


def test_route_offset_and_intersections():
    made = straight_scene(vector_map=crossing(), route=np.array([0, 1, 3], np.int32))
    assert np.allclose(read(made, "route_offset", cruise(x=-150.0, y=5.0))[0], 5.0 - 1.75)
    assert (read(made, "route_offset")[0] == 0.0).all()
    at = np.linspace(0, 80, SAMPLES)
    flag = read(made, "in_intersection", states(at, 0.0))[0]
    assert ((flag > 0) == ((at + CENTER > 40) & (at + CENTER < 60))).all()


def test_lane_changes_last_while_the_box_is_across_the_line():
    y = np.linspace(0.0, 3.5, SAMPLES)
    values = measure(straight_scene(), states(8 * T, y, 0.0, 8.0), "lane_change", "lane_change_start", "lane_offset")
    across = (y + HALF_WIDTH > 1.75) & (y - HALF_WIDTH < 1.75)
    on = values["lane_change"].value[0].numpy() > 0
    assert (on == across).all()
    starts = values["lane_change_start"].value[0].numpy() > 0
    assert np.flatnonzero(starts).tolist() == [int(np.argmax(across))]


def test_a_lane_change_that_is_going_on_at_the_start_does_not_start():
    values = measure(straight_scene(), cruise(y=1.75), "lane_change", "lane_change_start")
    assert (values["lane_change"].value > 0).all() and (values["lane_change_start"].value < 0).all()


def test_leaving_the_road_is_no_lane_change():
    assert (read(straight_scene(), "lane_change", cruise(y=-1.5))[0] < 0).all()
    value, valid, _ = read(straight_scene(vector_map=straight_map(lanes=1)), "lane_change", cruise(y=1.75))
    assert not valid.any() and (value == -FLAG).all()


def test_the_right_lane_is_the_one_at_the_kerb():
    assert (read(straight_scene(), "in_right_lane")[0] == FLAG).all()
    assert (read(straight_scene(), "in_right_lane", cruise(y=3.5))[0] == -FLAG).all()


def mirrored_road():
    """A road in left-hand traffic: two lanes eastbound at y = 0 and -3.5 m, one westbound at -7 m."""
    lanes = [
        straight_lane("kerb", -100, 400, 0.0, right="inner"),
        straight_lane("inner", -100, 400, -3.5, left="kerb"),
        straight_lane("back", 400, -100, -7.0),
    ]
    return build_map(lanes)


def test_driving_side_is_read_from_where_oncoming_lanes_lie():
    assert not Road(straight_scene(vector_map=two_way_road())).left_hand
    assert Road(straight_scene(vector_map=mirrored_road())).left_hand
    made = straight_scene(vector_map=mirrored_road())
    assert (read(made, "in_right_lane")[0] == FLAG).all()
    assert (read(made, "in_right_lane", cruise(y=-3.5))[0] == -FLAG).all()


def test_the_right_lane_is_free_unless_somebody_is_in_it():
    left = cruise(y=3.5, speed=0.0)
    assert (read(straight_scene(), "right_lane_free", left)[0] == FLAG).all()
    assert not read(straight_scene(), "right_lane_free")[1].any(), "no lane to the right"
    for x, free in ((-26.0, True), (-20.0, False), (3.0, False), (10.0, True)):
        # Standing still, 20 m behind to 0 m ahead count: rear bumper -1.127, front bumper 4.049; half a car is 2 m.
        made = straight_scene([(*CAR, moving((x, 0.0), 0.0))])
        assert (read(made, "right_lane_free", left)[0] == (FLAG if free else -FLAG)).all(), x
    slow = straight_scene([(*CAR, moving((60.0, 0.0), 0.0))])
    assert read(slow, "right_lane_free", cruise(y=3.5, speed=2.0))[0][0] == FLAG
    assert read(slow, "right_lane_free", cruise(y=3.5, speed=6.0))[0][0] == -FLAG


def test_a_right_lane_that_ends_is_not_free():
    lanes = [
        straight_lane("through", -100, 400, 3.5, right="short"),
        straight_lane("short", -100, 80, 0.0, left="through"),
    ]
    made = straight_scene(vector_map=build_map(lanes))
    assert (read(made, "right_lane_free", states(0.0, 3.5))[0] == -FLAG).all()


def test_overtaking_is_passing_somebody_who_was_ahead_without_being_in_the_lane():
    slow = straight_scene([(*CAR, moving((20.0, 0.0), 5.0))], speed=10.0)
    flag, _, agent = read(slow, "overtaking", cruise(y=3.5, speed=10.0))
    gap = 20.0 - 2.0 + 5.0 * T - (10.0 * T + FRONT)  # beside from 2.79 s on, closing in since the start
    assert (flag[(gap < -0.1) & (gap > -8.0)] > 0).all() and (agent[flag > 0] == 0).all()
    assert (flag[:10] < 0).all(), "nothing is known of the first second"
    assert (read(slow, "overtaking", cruise(y=3.5, speed=5.2))[0] < 0).all(), "hardly faster"
    assert (read(slow, "overtaking", cruise(y=1.7, speed=10.0))[0] < 0).all(), "still in its lane"


def test_signals_without_data_are_valid_nowhere():
    made = straight_scene([(*CAR, moving((20.0, 0.0), 5.0)), (AgentKind.EMERGENCY, (5.0, 2.0), moving((9, 3.5), 5.0))])
    for name, signal in CATALOG.items():
        if signal.needs:
            value, valid, _ = read(made, name)
            assert not valid.any() and (value == signal.neutral).all(), name


def test_lane_indices_of_lanes_do_not_matter():
    """The same road, its lanes in another order."""
    pose = curve((300, 0.0), start=(-100.0, 0.0, 0.0))
    lanes: list[Lane] = [lane("a", pose, left="b"), lane("b", pose + np.array((0.0, 3.6, 0.0)), right="a")]
    first = scene(lanes, ["a"], (0.0, 0.0, 0.0), 10.0)
    second = scene(lanes[::-1], ["a"], (0.0, 0.0, 0.0), 10.0)
    names = ("lane_offset", "left_lane_offset", "lane_margin", "lane_change", "right_lane_free")
    ego = states(8 * T, np.linspace(0.0, 3.6, SAMPLES), 0.0, 8.0)
    for one, other in zip(measure(first, ego, *names).values(), measure(second, ego, *names).values(), strict=True):
        assert (one.value == other.value).all() and (one.valid == other.valid).all()
