"""Where the ego is: areas, off-road, direction, red light, speed."""

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drive.map import Layer, build_map
from drive.scene import LightState, Scenario
from drive.scoring.direction import direction_compliance, driven_against_lanes
from drive.scoring.ego_areas import EgoAreas, locate_ego
from drive.scoring.motion import EgoMotion, ego_motion
from drive.scoring.off_road import OFF_ROAD_TOLERANCE, first_off_road, worst_excursion
from drive.scoring.red_light import first_red_crossing
from drive.scoring.scene_geometry import SceneGeometry, compile_geometry
from drive.scoring.speed import limits_along, speed_compliance, speed_excess
from drive.vehicle import PACIFICA
from tests.scenes import straight_scene
from tests.scoring_scenes import crossing, cruise, scene_with, signals, two_way_road

RED, GREEN, YELLOW, UNKNOWN = LightState.RED, LightState.GREEN, LightState.YELLOW, LightState.UNKNOWN


def prepare(scenario: Scenario, states: np.ndarray) -> tuple[EgoMotion, EgoAreas, SceneGeometry]:
    geometry = compile_geometry(scenario)
    ego = ego_motion(states, PACIFICA)
    return ego, locate_ego(ego, geometry), geometry


# --- areas


def test_in_one_lane_the_ego_is_in_one_lane() -> None:
    _, areas, _ = prepare(scene_with(), cruise())
    assert not areas.multiple_lanes.any()
    assert not areas.non_drivable.any()


def test_between_two_lanes_it_is_in_both() -> None:
    _, areas, _ = prepare(scene_with(), cruise(y=1.75))
    assert areas.multiple_lanes.all()


def test_partly_off_all_lanes_is_not_multiple_lanes() -> None:
    _, areas, _ = prepare(scene_with(), cruise(y=-1.5))
    assert not areas.multiple_lanes.any()
    assert areas.non_drivable.all()


def test_a_map_without_lanes_or_areas_can_be_asked() -> None:
    scenario = scene_with(vector_map=build_map([]), route=np.zeros(0, np.int32))
    ego, areas, geometry = prepare(scenario, cruise())
    assert first_off_road(areas) is None
    assert direction_compliance(driven_against_lanes(ego, areas, geometry.lanes.borrow_allowed)) == 1.0
    assert not limits_along(ego, areas, geometry.lanes).any()


@settings(max_examples=60, deadline=None)
@given(st.floats(-210, 410), st.floats(-8, 10), st.floats(-3.1, 3.1))
def test_areas_are_those_that_shapely_finds(x, y, heading) -> None:
    scenario = scene_with(vector_map=crossing())
    ego, areas, _ = prepare(scenario, cruise(x, y, heading, speed=0.0, samples=1))
    lanes = [shapely.Polygon(scenario.map.lane_polygon(lane)) for lane in range(scenario.map.lanes)]
    road = shapely.union_all([shapely.Polygon(*rings) for rings in scenario.map.areas(Layer.DRIVABLE)])
    junction = shapely.union_all([shapely.Polygon(*rings) for rings in scenario.map.areas(Layer.INTERSECTION)])
    points = [shapely.Point(*point) for point in ego.points[0]]
    for shape in (*lanes, road, junction):  # a point on an edge may go either way
        assume(all(shape.boundary.distance(point) > 1e-9 for point in points))
    for index, lane in enumerate(lanes):
        inside = [lane.contains(point) for point in points]
        here = np.flatnonzero(areas.lanes == index)
        if len(here):
            assert areas.corner_in_lane[0, here[0]].tolist() == inside[:4]
            assert areas.center_in_lane[0, here[0]] == inside[4]
        else:
            assert not any(inside)
    assert areas.outside[0] == pytest.approx([road.distance(point) for point in points[:4]])
    assert areas.center_in_intersection[0] == junction.contains(points[4])
    assert areas.rear_axle_in_intersection[0] == junction.contains(points[5])
    held = [[lane.contains(point) for point in points[:4]] for lane in lanes]
    assert areas.multiple_lanes[0] == (sum(map(any, held)) > 1 and not any(map(all, held)))


# --- off road

EDGE = -1.75 + PACIFICA.width / 2  # y of the centre at which the right corners touch the edge of the road


@pytest.mark.parametrize(("beyond", "off"), [(-0.1, False), (0.29, False), (0.31, True), (2.0, True)])
def test_a_corner_may_stick_out_by_the_tolerance(beyond, off) -> None:
    _, areas, _ = prepare(scene_with(), cruise(y=EDGE - beyond))
    assert (first_off_road(areas) is not None) == off
    worst, _, corner = worst_excursion(areas)
    assert worst == pytest.approx(max(beyond, 0.0))
    assert corner in ((2, 3) if beyond > 0 else (0,))


def test_the_first_step_off_the_road_is_found() -> None:
    _, areas, _ = prepare(scene_with(), cruise(heading=-0.1))
    step = first_off_road(areas)
    assert step is not None
    assert areas.outside[step].max() > OFF_ROAD_TOLERANCE >= areas.outside[step - 1].max()


# --- direction


def against(scenario: Scenario, states: np.ndarray) -> np.ndarray:
    ego, areas, geometry = prepare(scenario, states)
    return driven_against_lanes(ego, areas, geometry.lanes.borrow_allowed)


def test_driving_with_traffic_is_compliant() -> None:
    assert against(scene_with(), cruise()).max() == 0.0


@pytest.mark.parametrize(("speed", "value"), [(1.9, 1.0), (2.1, 0.5), (5.9, 0.5), (6.1, 0.0)])
def test_the_distance_against_traffic_within_one_second_decides(speed, value) -> None:
    distance = against(scene_with(), cruise(y=3.5, speed=speed))
    assert distance.max() == pytest.approx(speed)
    assert direction_compliance(distance) == value


def test_a_borrowed_lane_may_be_driven_against() -> None:
    assert against(scene_with(vector_map=two_way_road(borrow_allowed=True)), cruise(y=3.5)).max() == 0.0


def test_nothing_counts_inside_an_intersection() -> None:
    assert against(scene_with(vector_map=two_way_road(intersection=True)), cruise(y=3.5)).max() == 0.0


def test_reversing_counts_by_the_motion() -> None:
    assert direction_compliance(against(scene_with(), cruise(speed=-4.0))) == 0.5
    assert direction_compliance(against(scene_with(), cruise(y=3.5, speed=-4.0))) == 1.0


def test_standing_against_traffic_is_compliant() -> None:
    assert direction_compliance(against(scene_with(), cruise(y=3.5, speed=0.0))) == 1.0


def test_off_all_lanes_nothing_counts() -> None:
    assert against(scene_with(), cruise(y=30.0)).max() == 0.0


# --- red light


def crossed(states: np.ndarray, lights: dict[int, LightState], route: tuple[int, ...] = (0, 1, 3), **fields):
    scenario = straight_scene(vector_map=crossing(), lights=signals(lights), route=np.array(route, np.int32), **fields)
    ego, _, geometry = prepare(scenario, states)
    return first_red_crossing(ego.bumper, geometry.stop_lines)


def test_crossing_while_red_is_found_at_its_step() -> None:
    step, line = crossed(cruise(speed=10.0), {1: RED})
    assert step == 38  # the bumper starts 37.412 m before the line
    assert line == 0


@pytest.mark.parametrize("state", [GREEN, YELLOW, UNKNOWN])
def test_crossing_while_not_red_is_allowed(state) -> None:
    assert crossed(cruise(), {1: state}) is None


def test_stopping_before_the_line_is_allowed() -> None:
    assert crossed(cruise(speed=4.6), {1: RED}) is None  # the bumper ends 0.6 m before it
    assert crossed(cruise(speed=4.7), {1: RED}) is not None


def test_starting_beyond_the_line_is_allowed() -> None:
    assert crossed(cruise(x=38.0), {1: RED}) is None


def test_crossing_backwards_is_allowed() -> None:
    assert crossed(cruise(x=60.0, speed=-10.0), {1: RED}) is None


def test_passing_beside_the_line_is_no_crossing() -> None:
    assert crossed(cruise(y=1.7), {1: RED}) is not None
    assert crossed(cruise(y=1.8), {1: RED}) is None
    assert crossed(cruise(y=-1.8), {1: RED}) is None


def test_the_connector_on_the_route_decides() -> None:
    assert crossed(cruise(), {1: RED, 2: GREEN}) is not None
    assert crossed(cruise(), {1: GREEN, 2: RED}) is None
    assert crossed(cruise(), {1: RED, 2: GREEN}, route=(0, 2)) is None
    assert crossed(cruise(), {1: GREEN, 2: RED}, route=(0, 2)) is not None


def test_off_the_route_all_connectors_must_be_red() -> None:
    assert crossed(cruise(), {1: RED, 2: GREEN}, route=(0,)) is None
    assert crossed(cruise(), {1: RED, 2: RED}, route=(0,)) is not None
    assert crossed(cruise(), {1: RED}, route=(0,)) is None  # turning right has no signal here


def test_the_state_before_the_crossing_counts() -> None:
    scenario = straight_scene(vector_map=crossing(), lights=signals({1: GREEN}), route=np.array([0, 1], np.int32))
    ego, _, _ = prepare(scenario, cruise())  # crosses between samples 37 and 38
    scenario.lights.state[:, scenario.start + 38 :] = RED
    assert first_red_crossing(ego.bumper, compile_geometry(scenario).stop_lines) is None
    scenario.lights.state[:, scenario.start + 37] = RED
    assert first_red_crossing(ego.bumper, compile_geometry(scenario).stop_lines) is not None


def test_a_scene_without_lights_has_no_stop_line() -> None:
    assert crossed(cruise(), {}) is None


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[st.floats(30, 50)] * 2), st.tuples(*[st.floats(-4, 4)] * 2))
def test_crossings_are_those_that_shapely_finds(x, y) -> None:
    scenario = straight_scene(vector_map=crossing(), lights=signals({1: RED}), route=np.array([0, 1], np.int32))
    lines = compile_geometry(scenario).stop_lines
    line = shapely.LineString([(40, -1.75), (40, 1.75)])
    way = shapely.LineString(np.column_stack((x, y)))
    assume(x[0] != x[1] and all(line.distance(shapely.Point(p)) > 1e-9 for p in way.coords))
    expected = x[0] < x[1] and line.intersects(way)
    assert (first_red_crossing(np.column_stack((x, y)), lines) is not None) == expected


# --- speed


def limits(scenario: Scenario, states: np.ndarray) -> np.ndarray:
    ego, areas, geometry = prepare(scenario, states)
    return limits_along(ego, areas, geometry.lanes)


def test_the_limit_is_that_of_the_lane() -> None:
    along = limits(straight_scene(vector_map=crossing()), cruise(x=30.0))
    assert along[0] == 10.0
    assert along[-1] == 15.0


def test_a_connector_without_a_limit_has_its_neighbors_highest() -> None:
    assert limits(straight_scene(vector_map=crossing()), cruise(x=50.0))[0] == 15.0


def test_off_the_lanes_no_limit_is_known() -> None:
    assert not limits(scene_with(), cruise(y=30.0)).any()
    assert not limits(scene_with(vector_map=two_way_road(limit=None)), cruise()).any()


def test_keeping_the_limit_is_full_compliance() -> None:
    ego, areas, geometry = prepare(scene_with(), cruise(speed=13.8))
    assert speed_compliance(speed_excess(ego, limits_along(ego, areas, geometry.lanes))) == 1.0


def test_a_constant_excess_costs_its_share() -> None:
    ego, areas, geometry = prepare(scene_with(), cruise(speed=14.9))
    excess = speed_excess(ego, limits_along(ego, areas, geometry.lanes))
    assert excess.max() == pytest.approx(1.0)
    assert speed_compliance(excess) == pytest.approx(1.0 - 1.0 / 2.23 * 81 / 80)


def test_reversing_too_fast_is_too_fast() -> None:
    ego, areas, geometry = prepare(scene_with(), cruise(speed=-15.0))
    assert speed_excess(ego, limits_along(ego, areas, geometry.lanes)).max() == pytest.approx(1.1)


def test_far_too_fast_is_zero_not_negative() -> None:
    assert speed_compliance(np.full(10, 30.0)) == 0.0
    assert speed_compliance(np.zeros(1)) == 1.0
