"""Leaving the lane: exact lines beside the way, stretches read from the map, and what the reference makes of them."""

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from drive.geometry import wrap_angle
from drive.scene import STATIC_KINDS, Scenario
from drive.vehicle import PACIFICA, Ego, center_from_rear_axle
from scenarios.generate import Recipe
from scenarios.generate.alternatives import APART, alternatives
from scenarios.generate.beside import neighbour_stretches, opposite_stretches
from scenarios.generate.build import check_reference, restage, staged
from scenarios.generate.geometry import Float, ReferenceLine, lengths
from scenarios.generate.layout import ARTERIAL, draw_layout, draw_section
from scenarios.generate.manoeuvres import first_row, straight_plan, transition
from scenarios.generate.network import build_network
from scenarios.generate.paths import Way, ego_ways, shifted
from scenarios.generate.reference import VEHICLE, Style, ego_path, path_states
from scenarios.generate.search import Task, offset_at
from scenarios.generate.search.lateral import BACK, BACK_RUN, BEGIN, RUN
from tests.scenarios.generated import NAMESPACE, scene, setting, touching

FAMILIES = ("F08", "F09", "F10", "F20")


def bend(curvature: float) -> Way:
    """A way of 200 m: straight, a clothoid, an arc."""
    segments = np.array(((60.0, 0.0, 0.0), (40.0, 0.0, curvature / 40.0), (100.0, curvature, 0.0)))
    curve = ReferenceLine(np.zeros(3), segments).curve()
    return Way((0,), curve, lengths(curve), np.full(len(curve), 13.0), np.zeros(1))


offsets = st.floats(-3.6, 3.6).filter(lambda value: abs(value) > 0.3)


@settings(max_examples=30, deadline=None)
@given(
    offset=offsets, begin=st.floats(5.0, 60.0), speed=st.floats(0.0, 14.0), duration=st.sampled_from((2.5, 4.0, 5.5))
)
def test_a_plan_is_smooth_and_back_before_its_end(offset, begin, speed, duration):  # type: ignore[no-untyped-def]
    path = ego_path(bend(0.0), Style())
    empty = np.zeros((0, 2))
    task = Task(
        path, lines=empty, crossings=empty, rings=np.zeros((0, 7)), holds=np.zeros(0), signs=empty,
        claims=np.zeros((0, 4)), claimed=np.zeros((0, 0, 3)), owed=np.zeros((0, 0, 2)), boxes=empty,
        style=Style().row(), vehicle=VEHICLE, beside=np.zeros((0, 5)), lane_end=1e9,
    )  # fmt: skip
    now = first_row(begin, speed, 0.0)
    plan = transition(task, now, offset, begin, begin + 130.0, duration, 0.0, np.inf)
    if plan is None:
        return
    assert plan[BEGIN] + plan[RUN] <= plan[BACK] + 1e-9
    assert plan[BACK] + plan[BACK_RUN] <= begin + 130.0 + 1e-9
    arcs = np.arange(begin - 2.0, begin + 135.0, 0.05)
    line = np.array([offset_at(plan, arc) for arc in arcs])
    assert np.abs(np.diff(line[:, 0]) - 0.05 * 0.5 * (line[1:, 1] + line[:-1, 1])).max() < 1e-3
    assert np.abs(np.diff(line[:, 1])).max() < 0.03
    assert abs(line[0, 0]) < 1e-12
    assert abs(line[-1, 0]) < 1e-12
    assert offset_at(straight_plan(offset), begin) == (offset, 0.0, 0.0)


@settings(max_examples=15, deadline=None)
@given(offset=offsets, curvature=st.floats(-0.02, 0.02))
def test_states_beside_the_way_move_where_they_point_and_steer_as_they_turn(offset, curvature):  # type: ignore[no-untyped-def]
    path = ego_path(bend(curvature), Style())
    plan = straight_plan(offset)
    plan[[0, 1, 2]] = 50.0, 40.0, 0.0
    arcs = np.arange(30.0, 120.0, 0.3)
    motion = np.zeros((len(arcs), 6))
    motion[:, 0], motion[:, 1] = arcs, 3.0
    motion[:, 3:] = [offset_at(plan, arc) for arc in arcs]
    states = path_states(path, motion)
    step = np.diff(states[:, :2], axis=0)
    heading = 0.5 * (np.unwrap(states[:, Ego.HEADING])[1:] + np.unwrap(states[:, Ego.HEADING])[:-1])
    assert np.abs(wrap_angle(np.arctan2(step[:, 1], step[:, 0]) - heading)).max() < 2e-3
    turned = np.diff(np.unwrap(states[:, Ego.HEADING])) / np.hypot(*step.T)
    steered = np.tan(states[:, Ego.STEERING]) / PACIFICA.wheelbase
    assert np.abs(turned - 0.5 * (steered[1:] + steered[:-1])).max() < 3e-3


def test_a_way_led_aside_keeps_its_lanes_and_its_headings_fit_its_points():  # type: ignore[no-untyped-def]
    way = bend(0.01)
    led = shifted(way, 40.0, 30.0, 150.0, 25.0, -2.5)
    assert led.lanes == way.lanes
    step = np.diff(led.curve[:, :2], axis=0)
    heading = np.unwrap(led.curve[:, 2])
    assert np.abs(wrap_angle(np.arctan2(step[:, 1], step[:, 0]) - 0.5 * (heading[1:] + heading[:-1]))).max() < 5e-3
    middle = led.curve[np.searchsorted(led.arc, 100.0)]
    assert np.isclose(np.hypot(*(way.curve[:, :2] - middle[:2]).T).min(), 2.5, atol=0.1)
    assert np.allclose(led.curve[-1, :2], way.curve[-1, :2], atol=1e-6)


def test_stretches_are_the_neighbour_lanes_of_the_map():  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(3)
    section = draw_section(ARTERIAL, rng, lanes=3)
    layout = draw_layout(section, ARTERIAL, rng, first=400.0, junctions=0, bends=2)
    network = build_network(layout, 0.3, 100.0)
    assert network is not None
    for number, way in enumerate(ego_ways(network)):
        found = neighbour_stretches(network, way, 20.0, 300.0, most=2)
        shifts = sorted(network.side * (other - number) * section.width for other in range(3) if other != number)
        assert np.allclose(sorted(item.offset for item in found), shifts, atol=0.05)
        assert all((item.begin, item.end) == (20.0, 300.0) for item in found)
        for item in opposite_stretches(network, way, 20.0, 300.0, 0.5):
            assert np.sign(item.offset) == -network.side
            assert item.price == 0.5


def gone_round(scenario: Scenario) -> float:
    """Greatest distance [m] of the reference from the centre of its route."""
    line = np.concatenate([scenario.map.lane_centerline(int(lane))[:, :2] for lane in scenario.route])
    return max(
        float(np.hypot(*(line - place).T).min()) for place in scenario.reference[scenario.start :: 5, : Ego.Y + 1]
    )


def test_the_reference_leaves_its_lane_where_that_is_the_way_on():  # type: ignore[no-untyped-def]
    for family in FAMILIES:
        far = [gone_round(scene(family, index)) for index in range(4)]
        assert max(far) > 0.8, (family, far)
        assert not any(touching(scene(family, index)) for index in range(4))


def test_nothing_that_stands_is_passed_closer_than_a_hand():  # type: ignore[no-untyped-def]
    for family in FAMILIES:
        for index in range(4):
            scenario = scene(family, index)
            assert clearance(scenario) > 0.1, scenario.id


def box(x: float, y: float, heading: float, length: float, width: float) -> shapely.Polygon:
    """A vehicle's outline."""
    corners = np.array(((0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5))) * (length, width)
    turn = np.array(((np.cos(heading), np.sin(heading)), (-np.sin(heading), np.cos(heading))))
    return shapely.Polygon(corners @ turn + (x, y))


def clearance(scenario: Scenario) -> float:
    """Least distance [m] between the ego and a static object."""
    tracks, car = scenario.tracks, scenario.ego_vehicle
    center = center_from_rear_axle(scenario.reference[scenario.start :: 2], car)
    ego = np.array([box(*pose, car.length, car.width) for pose in center])
    rows = np.flatnonzero(np.isin(tracks.kind, STATIC_KINDS))
    things = [
        box(*tracks.position[row, scenario.start], tracks.heading[row, scenario.start], *tracks.size[row])
        for row in rows
    ]
    return min((float(shapely.distance(ego, thing).min()) for thing in things), default=np.inf)


def test_the_reference_gets_through_a_narrow_street_and_waits_only_before_it():  # type: ignore[no-untyped-def]
    for index in range(4):
        scenario = scene("F21", index)
        staged_setting, task = restage(scenario)
        assert not touching(scenario)
        assert clearance(scenario) > 0.1, scenario.id
        states = scenario.reference[scenario.start :]
        arc = 0.5 * np.array([np.hypot(*(task.path[:, :2] - place).T).argmin() for place in states[:, :2]])
        front = arc + PACIFICA.front
        standing = states[:, Ego.VX] < 0.1
        for begin, end in staged_setting.keep_clear:
            assert not (standing & (front > begin + 1.0) & (front < end)).any(), scenario.id


def test_alternatives_are_valid_and_apart():  # type: ignore[no-untyped-def]
    recipe = Recipe("F08", 1, NAMESPACE)
    assert staged(recipe, int(scene("F08", 1).provenance["attempt"])) is not None
    found = alternatives(recipe, scene("F08", 1))
    drives: list[Float] = [scene("F08", 1).reference]
    assert found
    for other in found:
        check_reference(other)
        assert not touching(other)
        assert (other.reference[: other.start + 1] == scene("F08", 1).reference[: other.start + 1]).all()
        assert all(np.hypot(*(other.reference[:, :2] - drive[:, :2]).T).max() > APART for drive in drives)
        drives.append(other.reference)


def test_f20_is_the_harder_the_less_far_one_gets_behind_the_cyclist():  # type: ignore[no-untyped-def]
    drawn = [setting("F20", index) for index in range(12)]
    behind = np.array([one.facts["behind"] for one in drawn])
    slack = np.array([one.slack for one in drawn])
    assert behind.min() < 0.35 and behind.max() > 0.55  # somebody walks beside the bicycle, somebody rides
    assert np.corrcoef(behind, slack)[0, 1] > 0.8


def test_the_reference_of_f20_leaves_room_beside_who_rides():  # type: ignore[no-untyped-def]
    # It used to go back to its lane while still beside the cyclist: only people on foot were given room.
    for index in range(3):
        built = scene("F20", index)
        states, tracks = built.reference[built.start :], built.tracks
        rider = tracks.position[0, built.start :] - states[:, :2]
        along = rider[:, 0] * np.cos(states[:, 2]) + rider[:, 1] * np.sin(states[:, 2])
        across = rider[:, 1] * np.cos(states[:, 2]) - rider[:, 0] * np.sin(states[:, 2])
        beside = np.abs(along - built.ego_vehicle.rear_axle_to_center) < 2.0
        room = np.abs(across[beside]) - 0.5 * (built.ego_vehicle.width + tracks.size[0, 1])
        assert not beside.any() or room.min() > 0.5
