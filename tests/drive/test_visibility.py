"""What can be seen past vehicles, buildings and hedges."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from drive.geometry import box_corners
from drive.map import Area, Layer, add_areas
from drive.observation import Observation
from drive.scene import AgentKind, Scenario
from drive.simulator import Simulator
from drive.vehicle import PACIFICA
from drive.visibility import BLOCKING_KINDS, visible_agents, walls
from tests.scenes import START, moving, straight_map, straight_scene

CAR, WALKER = AgentKind.CAR, AgentKind.PEDESTRIAN
CAR_SIZE, WALKER_SIZE = (4.6, 1.9), (0.6, 0.6)
EYE = PACIFICA.rear_axle_to_center
HOUSE = Area(Layer.OCCLUDER, (np.array(((30.0, -40.0), (50.0, -40.0), (50.0, -4.0), (30.0, -4.0))),))

number = st.floats(-40.0, 40.0)
angle = st.floats(-np.pi, np.pi)
body = st.tuples(number, number, angle, st.floats(0.4, 12.0), st.floats(0.4, 3.0))


def standing(x: float, y: float, heading: float = 0.0):  # type: ignore[no-untyped-def]
    position, _, velocity = moving((x, y), 0.0)
    return position, np.full(len(position), heading), velocity


def scene(*agents, occlusion: bool = True, **changes: object) -> Scenario:  # type: ignore[no-untyped-def]
    return straight_scene(list(agents), occlusion=occlusion, **changes)


def observed(scenario: Scenario, see_all: bool = False, traffic: str = "log", steps: int = 0) -> list[Observation]:
    simulator = Simulator([scenario], traffic, see_all=see_all)
    plan = np.column_stack((5.0 * np.arange(1, 9), np.zeros(8), np.zeros(8)))
    found = simulator.observe()
    for _ in range(steps):
        simulator.step([plan], [0.5])
        found += simulator.observe()
    return found


PARKED = (CAR, CAR_SIZE, standing(20.0, -3.5))
HIDDEN = (WALKER, WALKER_SIZE, standing(23.2, -4.0))
OPEN = (WALKER, WALKER_SIZE, standing(15.0, -3.5))


def test_a_person_behind_a_parked_car_is_not_there():
    seen = observed(scene(PARKED, HIDDEN, OPEN))[0]
    assert seen.agent_kind.tolist() == [CAR, WALKER]
    np.testing.assert_allclose(seen.agent_position[1, -1], (15.0, -3.5), atol=1e-9)


def test_without_occlusion_and_for_privileged_planners_everybody_is_there():
    agents = (PARKED, HIDDEN, OPEN)
    assert len(observed(scene(*agents, occlusion=False))[0].agent_kind) == 3
    assert len(observed(scene(*agents), see_all=True)[0].agent_kind) == 3


def test_a_building_hides_and_is_in_the_observation():
    world = add_areas(straight_map(), [HOUSE])
    behind = (CAR, CAR_SIZE, standing(70.0, -20.0))
    seen = observed(scene(behind, vector_map=world))[0]
    assert not len(seen.agent_kind)
    assert Layer.OCCLUDER in seen.area_layer
    assert len(observed(scene(behind))[0].agent_kind) == 1


def test_people_and_cyclists_hide_nobody():
    for kind in (WALKER, AgentKind.BICYCLE, AgentKind.MOTORCYCLE, AgentKind.TRAFFIC_CONE):
        assert len(observed(scene((kind, CAR_SIZE, standing(20.0, -3.5)), HIDDEN))[0].agent_kind) == 2


def test_who_comes_into_view_has_no_past_from_before():
    """The observation has the samples at which somebody was in sight, and zeros for the others."""
    found = observed(scene(PARKED, HIDDEN), steps=4)
    known = [seen.agent_valid[seen.agent_kind == WALKER] for seen in found]
    assert not len(known[0])
    assert len(known[-1])
    last = known[-1][0]
    assert last.any()
    assert not last.all()
    row = np.flatnonzero(found[-1].agent_kind == WALKER)[0]
    assert (found[-1].agent_position[row, ~last] == 0.0).all()


def test_who_vanishes_is_kept_for_two_seconds_and_then_forgotten():
    truck = (AgentKind.TRUCK, (9.0, 2.5), moving((8.0, -3.5), 10.0))
    walker = (WALKER, WALKER_SIZE, standing(25.0, -5.6))
    found = observed(scene(truck, walker), steps=8)
    now = [bool(seen.agent_valid[seen.agent_kind == WALKER, -1].any()) for seen in found]
    slots = [bool((seen.agent_kind == WALKER).any()) for seen in found]
    assert not all(now)
    assert any(now)
    assert all(slot or not seen for slot, seen in zip(slots, now, strict=True))


@pytest.mark.parametrize("traffic", ["log", "idm"])
def test_what_is_hidden_changes_nothing(traffic):  # type: ignore[no-untyped-def]
    """Two scenes that differ in somebody out of sight look the same."""
    other = (WALKER, WALKER_SIZE, standing(23.4, -4.1))
    first, second = (observed(scene(PARKED, who), traffic=traffic)[0] for who in (HIDDEN, other))
    assert all(np.array_equal(value, getattr(second, name)) for name, value in first.arrays().items())


def test_the_flag_alone_hides_nobody_in_the_open():
    agents = (OPEN, (CAR, CAR_SIZE, standing(40.0, 3.5)))
    first, second = (observed(scene(*agents, occlusion=flag))[0] for flag in (True, False))
    assert all(np.array_equal(value, getattr(second, name)) for name, value in first.arrays().items())


@settings(max_examples=60, deadline=None)
@given(st.lists(body, min_size=1, max_size=6), st.tuples(number, number), angle)
def test_sight_is_what_shapely_says(bodies, place, course):  # type: ignore[no-untyped-def]
    """The share of nine rays that cross no other body's inside and no wall, at least a fifth."""
    bodies = np.array(bodies)
    count = len(bodies)
    kind = np.array([CAR, WALKER, AgentKind.BUS, AgentKind.BICYCLE, CAR, AgentKind.TRUCK], np.int8)[:count]
    ego = np.array(((*place, course),))
    edges = walls(add_areas(straight_map(), [HOUSE]))
    position, heading, size = bodies[:, None, :2], bodies[:, None, 2], bodies[:, 3:]
    valid = np.ones((count, 1), np.bool_)
    found = visible_agents(PACIFICA, ego, kind, size, position, heading, valid, edges)[:, 0]
    eye = np.array(place) + EYE * np.array((np.cos(course), np.sin(course)))
    corners = box_corners(bodies[:, :2], bodies[:, 2], size)
    shapes = [shapely.Polygon(ring) for ring in corners]
    lines = [shapely.LineString(edge.reshape(2, 2)) for edge in edges]
    for row in range(count):
        radius = 0.5 * np.hypot(*size[row])
        if np.hypot(*(bodies[row, :2] - eye)) <= radius:
            assert found[row]
            continue
        middles = (corners[row] + np.roll(corners[row], 1, axis=0)) / 2
        least, most = 0, 0  # rays that pass with and without a hair's breadth of doubt
        for end in (bodies[row, :2], *corners[row], *middles):
            ray = shapely.LineString((eye, end))
            others = [
                shape
                for j, shape in enumerate(shapes)
                if j != row and kind[j] in BLOCKING_KINDS and not shape.contains(shapely.Point(eye))
            ]
            least += not any(ray.distance(shape) < 1e-6 for shape in (*others, *lines))
            most += not any(ray.intersection(shape.buffer(-1e-6)).length > 1e-6 for shape in others) and not any(
                ray.intersects(line) for line in lines
            )
        assert least < 2 or found[row]
        assert most >= 2 or not found[row]


def test_the_history_is_masked_from_where_the_ego_was_then():
    scenario = scene(PARKED, HIDDEN)
    tracks, ego = scenario.tracks, scenario.reference
    whole = visible_agents(
        PACIFICA, ego, tracks.kind, tracks.size, tracks.position, tracks.heading, tracks.valid, walls(scenario.map)
    )
    later = replace(scenario, start=START + 24)
    seen = observed(later)[0]
    rows = seen.agent_kind == WALKER
    expected = whole[1, later.start - 20 : later.start + 1]
    assert expected.any()
    assert seen.agent_valid[rows].tolist() == [expected.tolist()]


def test_added_areas_are_areas_of_the_map():
    world = straight_map()
    grown = add_areas(world, [HOUSE])
    assert len(grown.areas(Layer.OCCLUDER)) == 1
    assert len(grown.areas(Layer.DRIVABLE)) == len(world.areas(Layer.DRIVABLE))
    np.testing.assert_array_equal(grown.areas(Layer.OCCLUDER)[0][0], HOUSE.rings[0])
    grown.validate()
