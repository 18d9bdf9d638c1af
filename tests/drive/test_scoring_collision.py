"""Contacts, their classes and fault; time to collision."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drive.scene import AgentKind
from drive.scoring.collision import ContactClass, find_contacts, no_at_fault_collision
from drive.scoring.ego_areas import EgoAreas, locate_ego
from drive.scoring.motion import AgentMotion, EgoMotion, agent_motion, ego_motion
from drive.scoring.scene_geometry import compile_geometry
from drive.scoring.time_to_collision import time_to_collision
from drive.vehicle import PACIFICA
from tests.scoring_scenes import CAR, SAMPLES, cruise, polygon, roll, scene_with

CONE = (AgentKind.TRAFFIC_CONE, (0.4, 0.4))
WALKER = (AgentKind.PEDESTRIAN, (0.6, 0.6))


def prepare(scenario, states, valid=None) -> tuple[EgoMotion, AgentMotion, EgoAreas]:
    rollout = roll(scenario, states, valid)
    ego = ego_motion(rollout.ego, PACIFICA)
    agents = agent_motion(
        rollout.position, rollout.heading, rollout.velocity, rollout.valid, scenario.tracks.size, scenario.tracks.kind
    )
    return ego, agents, locate_ego(ego, compile_geometry(scenario))


def contact(agent, states, valid=None, **fields) -> tuple[int, ContactClass, bool, float]:
    """Step, class, fault and NC of the contact with one agent."""
    ego, agents, areas = prepare(scene_with(agent, **fields), states, valid)
    contacts = find_contacts(ego, agents, areas)
    value = no_at_fault_collision(contacts, agents.static)
    return int(contacts.step[0]), ContactClass(int(contacts.kind[0])), bool(contacts.at_fault[0]), value


def test_an_empty_road_has_no_contact() -> None:
    ego, agents, areas = prepare(scene_with(), cruise())
    contacts = find_contacts(ego, agents, areas)
    assert contacts.step.shape == (0,)
    assert no_at_fault_collision(contacts, agents.static) == 1.0


def test_driving_into_a_slower_car_is_a_front_contact_at_fault() -> None:
    step, kind, fault, value = contact((*CAR, 20.0, 0.0, 5.0, 0.0), cruise(speed=10.0))
    assert (kind, fault, value) == (ContactClass.ACTIVE_FRONT, True, 0.0)
    # gap 20 - 5.176 / 2 - 4.5 / 2 = 15.162 m closes at 5 m/s
    assert step == 31


def test_passing_in_the_next_lane_is_no_contact() -> None:
    assert contact((*CAR, 20.0, 3.5, 5.0, 0.0), cruise())[0] == -1


def test_driving_into_a_standing_car_is_at_fault() -> None:
    assert contact((*CAR, 20.0, 0.0, 0.0, 0.0), cruise())[1:] == (ContactClass.STOPPED_TRACK, True, 0.0)


def test_a_static_object_costs_half() -> None:
    assert contact((*CONE, 20.0, 0.0, 0.0, 0.0), cruise())[1:] == (ContactClass.STOPPED_TRACK, True, 0.5)


def test_two_static_objects_still_cost_half_and_a_walker_all() -> None:
    cones = [(*CONE, x, 0.0, 0.0, 0.0) for x in (20.0, 30.0)]
    for extra, expected in (([], 0.5), ([(*WALKER, 40.0, 0.0, 0.0, 0.0)], 0.0)):
        ego, agents, areas = prepare(scene_with(*cones, *extra), cruise())
        assert no_at_fault_collision(find_contacts(ego, agents, areas), agents.static) == expected


def test_being_hit_while_standing_is_not_at_fault() -> None:
    step, kind, fault, value = contact((*CAR, 20.0, 0.0, 5.0, np.pi), cruise(speed=0.0))
    assert step > 0
    assert (kind, fault, value) == (ContactClass.STOPPED_EGO, False, 1.0)


def test_being_hit_from_behind_is_not_at_fault() -> None:
    assert contact((*CAR, -20.0, 0.0, 10.0, 0.0), cruise(speed=2.0))[1:] == (ContactClass.ACTIVE_REAR, False, 1.0)


def test_a_contact_exactly_on_the_ego_axis_has_a_class() -> None:
    # NAVSIM's unclipped arccos gives NaN here and calls the rear hit lateral
    for heading in np.linspace(-3.0, 3.0, 25):
        back = np.array((np.cos(heading), np.sin(heading))) * -20.0
        agent = (*CAR, float(back[0]), float(back[1]), 10.0, float(heading))
        assert contact(agent, cruise(heading=heading, speed=2.0))[1] == ContactClass.ACTIVE_REAR


@pytest.mark.parametrize("offset", np.arange(0.0, 1.3, 0.1))
def test_a_walker_does_not_slip_through_the_front_bumper_between_samples(offset) -> None:
    # at 13 m/s the bumper moves 1.3 m a sample: at the first overlap a walker may be wholly behind it
    walker = (*WALKER, 20.0 + float(offset), -1.4, 1.0, np.pi / 2)
    assert contact(walker, cruise(speed=13.0))[1:] == (ContactClass.ACTIVE_FRONT, True, 0.0)


def test_a_side_contact_within_the_lane_is_not_at_fault() -> None:
    walker = (*WALKER, 15.0, 6.0, 2.3, -np.pi / 2)
    states = cruise(x=0.0, speed=8.0)
    step, kind, fault, _ = contact(walker, states)
    assert step > 0
    assert (kind, fault) == (ContactClass.ACTIVE_LATERAL, False)


def test_a_side_contact_across_lanes_is_at_fault() -> None:
    walker = (*WALKER, 15.0, 7.5, 2.3, -np.pi / 2)
    assert contact(walker, cruise(y=1.5, speed=8.0))[1:3] == (ContactClass.ACTIVE_LATERAL, True)


def test_a_side_contact_partly_off_the_road_is_at_fault() -> None:
    walker = (*WALKER, 15.0, 4.5, 2.3, -np.pi / 2)
    assert contact(walker, cruise(y=-1.0, speed=8.0))[1:3] == (ContactClass.ACTIVE_LATERAL, True)


def test_the_speed_at_the_contact_counts_not_the_first_one_seen() -> None:
    scenario = scene_with((*CAR, 20.0, 0.0, 0.0, np.pi))
    velocity = scenario.tracks.velocity.copy()
    velocity[:, 30:] = (-1.0, 0.0)  # it stands in its first samples and moves when it is hit
    scenario = replace(scenario, tracks=replace(scenario.tracks, velocity=velocity))
    ego, agents, areas = prepare(scenario, cruise())
    assert find_contacts(ego, agents, areas).kind[0] == ContactClass.ACTIVE_FRONT


def test_an_overlap_at_the_start_is_nobodys_collision_while_it_lasts() -> None:
    assert contact((*CAR, 3.0, 0.0, 10.0, 0.0), cruise(speed=10.0))[0] == -1


def test_a_new_contact_after_the_initial_overlap_counts() -> None:
    scenario = scene_with((*CAR, 3.0, 0.0, 30.0, 0.0))
    position = scenario.tracks.position.copy()
    position[0, 30:, 0] = position[0, 30, 0]  # drives off, then stands in the way
    velocity = np.zeros_like(scenario.tracks.velocity)
    scenario = replace(scenario, tracks=replace(scenario.tracks, position=position, velocity=velocity))
    ego, agents, areas = prepare(scenario, cruise(speed=10.0))
    contacts = find_contacts(ego, agents, areas)
    assert 0 < contacts.free_from[0] < contacts.step[0]
    assert contacts.at_fault[0]


def test_an_agent_that_appears_on_top_of_the_ego_is_nobodys_collision() -> None:
    valid = np.zeros((1, SAMPLES), np.bool_)
    valid[0, 20:] = True
    assert contact((*CAR, 20.0, 0.0, 0.0, 0.0), cruise(speed=10.0, samples=SAMPLES), valid)[0] == -1


def test_an_agent_that_appears_ahead_can_be_hit() -> None:
    valid = np.zeros((1, SAMPLES), np.bool_)
    valid[0, 10:] = True
    step, _, fault, _ = contact((*CAR, 20.0, 0.0, 0.0, 0.0), cruise(speed=10.0), valid)
    assert step > 10
    assert fault


def test_a_contact_that_was_not_at_fault_is_ignored_for_the_rest() -> None:
    scenario = scene_with((*CAR, -12.0, 0.0, 10.0, 0.0))
    position = scenario.tracks.position.copy()
    position[0, 80:] = (60.0, 0.0)  # after the hit from behind it stands ahead
    scenario = replace(scenario, tracks=replace(scenario.tracks, position=position))
    ego, agents, areas = prepare(scenario, cruise(speed=8.0))
    contacts = find_contacts(ego, agents, areas)
    assert contacts.kind[0] == ContactClass.ACTIVE_REAR
    assert polygon(*ego.center[-5], 0.0, 5.176, 2.297).intersects(polygon(60.0, 0.0, 0.0, 4.5, 2.0))
    assert not contacts.at_fault.any()


def test_touching_boxes_are_in_contact() -> None:
    exact = (PACIFICA.width + 2.0) / 2  # side by side, edges on one line
    scenario = scene_with((*CAR, 10.0, exact, 0.0, 0.0))
    ego, agents, areas = prepare(scenario, cruise(speed=10.0))
    agents = agents._replace(position=np.full_like(agents.position, (10.0, exact)))
    assert find_contacts(ego, agents, areas).step[0] > 0
    apart = agents._replace(position=np.full_like(agents.position, (10.0, exact + 1e-9)))
    assert find_contacts(ego, apart, areas).step[0] == -1


poses = st.tuples(st.floats(-15, 40), st.floats(-12, 12), st.floats(-3.1, 3.1))
sizes = st.tuples(st.floats(0.2, 10.0), st.floats(0.2, 3.0))


@settings(max_examples=60, deadline=None)
@given(poses, sizes, st.floats(-10, 15), st.floats(-3.1, 3.1), st.floats(-5, 12))
def test_contacts_are_those_that_shapely_finds(pose, size, speed, heading, ego_speed) -> None:
    x, y, h = pose
    scenario = scene_with((AgentKind.CAR, size, x, y, speed, h))
    ego, agents, areas = prepare(scenario, cruise(heading=heading, speed=ego_speed))
    boxes = [
        (
            polygon(*ego.center[s], ego.heading[s], ego.length, ego.width),
            polygon(*agents.position[0, s], agents.heading[0, s], *agents.size[0]),
        )
        for s in range(SAMPLES)
    ]
    overlap = np.array([a.intersects(b) for a, b in boxes])
    for a, b in boxes:  # knife edges may go either way
        assume(not 0 < a.distance(b) < 1e-6 and not 0 < a.intersection(b).area < 1e-6)
    start = int(np.argmin(overlap)) if overlap[0] else 0
    expected = start + int(np.argmax(overlap[start:])) if overlap[start:].any() and not overlap.all() else -1
    assert find_contacts(ego, agents, areas).step[0] == expected


def closest(agent, states, **fields) -> np.ndarray:
    ego, agents, areas = prepare(scene_with(*([agent] if agent else []), **fields), states)
    return time_to_collision(ego, agents, areas, find_contacts(ego, agents, areas)).time


def test_time_to_a_slower_car_ahead() -> None:
    time = closest((*CAR, 30.0, 0.0, 0.0, 0.0), cruise(speed=10.0))
    # gap 25.162 m at 10 m/s: 2.5162 s, seen on the grid at 2.6 s
    assert time[0] == pytest.approx(2.6)
    assert time.min() == 0.0  # the hit


def test_nothing_within_three_seconds_has_no_time() -> None:
    assert np.isinf(closest((*CAR, 300.0, 0.0, 0.0, 0.0), cruise())).all()
    assert np.isinf(closest(None, cruise())).all()


def test_a_standing_ego_has_no_time_to_collision() -> None:
    assert np.isinf(closest((*CAR, 15.0, 0.0, 3.0, np.pi), cruise(speed=0.0))).all()


def test_a_car_beside_counts_only_while_the_ego_is_across_lanes() -> None:
    merging = (*CAR, 0.0, 3.5, 10.0, -0.4)
    inside = closest(merging, cruise(samples=2))
    across = closest((*CAR, 0.0, 4.5, 10.0, -0.4), cruise(y=1.2, samples=2))
    assert np.isinf(inside[0])
    assert across[0] < 1.0


def test_backing_away_from_a_car_ahead_is_no_collision_course() -> None:
    assert np.isinf(closest((*CAR, 8.0, 0.0, 0.0, 0.0), cruise(speed=-3.0))).all()


def test_an_agent_gone_after_its_contact_is_out_of_the_count() -> None:
    time = closest((*CAR, -12.0, 0.0, 10.0, 0.0), cruise(speed=5.0))
    assert np.isinf(time).all()  # hit from behind: never ahead before, ignored after


@settings(max_examples=30, deadline=None)
@given(poses, sizes, st.floats(-10, 15), st.floats(0.1, 12))
def test_times_are_those_that_shapely_finds(pose, size, speed, ego_speed) -> None:
    x, y, h = pose
    ego, agents, areas = prepare(scene_with((AgentKind.CAR, size, x, y, speed, h)), cruise(speed=ego_speed, samples=2))
    contacts = find_contacts(ego, agents, areas)
    assume(contacts.step[0] < 0 and contacts.free_from[0] == 0)
    time = time_to_collision(ego, agents, areas, contacts).time
    for s in range(2):
        offset = agents.position[0, s] - ego.rear[s]
        angle = np.degrees(abs(np.arctan2(offset[1], offset[0])))
        exposed = areas.multiple_lanes[s] or areas.non_drivable[s]
        assume(abs(angle - 30) > 1e-6 and abs(angle - 150) > 1e-6)
        expected = np.inf
        for step in range(1, 30):
            t = 0.1 * step
            a = polygon(ego.center[s, 0] + ego_speed * t, ego.center[s, 1], 0.0, ego.length, ego.width)
            moved = agents.position[0, s] + agents.velocity[0, s] * t
            b = polygon(*moved, agents.heading[0, s], *agents.size[0])
            assume(not 0 < a.distance(b) < 1e-5 and not 0 < a.intersection(b).area < 1e-5)
            if a.intersects(b) and (angle < 30 or (exposed and angle <= 150)):
                expected = t
                break
        assert time[s] == pytest.approx(expected)
