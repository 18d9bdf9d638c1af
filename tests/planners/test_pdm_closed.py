"""PDM-Closed: its proposals follow NAVSIM's rules, traps included, and the planner drives them in closed loop."""

from dataclasses import replace

import numpy as np
import pytest

from drive.geometry import arc_length
from drive.map import VectorMap
from drive.observation import Observation
from drive.scene import AgentKind, LightState, Scenario
from drive.scoring.navsim.inputs import PdmMap, PdmTraffic, RoadLayer, pdm_map, pdm_traffic
from drive.scoring.navsim.pdm_closed import PdmProposal, forecast_traffic, pdm_closed
from drive.scoring.navsim.scene import cache_token
from drive.scoring.navsim.scorer import normalized_progress
from drive.scoring.nuplan.simulation import NuplanSimulation
from drive.simulator import Simulator
from drive.vehicle import PACIFICA, ZOE, Ego
from evaluation.metrics.drive_score import score_rollout
from planners.baselines.pdm_closed import PDMClosed, observed_map
from planners.contract import Context, check_plan
from scenarios.generate import FAMILIES, Recipe, build
from tests.planners.roads import curve, lane, scene, signal_line
from tests.planners.test_baselines import drive
from tests.scenes import START, moving, straight_scene

CAR, SIZE = AgentKind.CAR, (4.6, 1.9)
LIMIT = 10.0
LINE = np.column_stack((np.arange(-50.0, 401.0), np.zeros((451, 2))))
ROAD = np.array([(-60.0, -6.0), (410.0, -6.0), (410.0, 6.0), (-60.0, 6.0)])
LANE = np.array([(-60.0, -1.75), (410.0, -1.75), (410.0, 1.75), (-60.0, 1.75)])


def state(speed: float, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    ego = np.zeros(11)
    ego[[Ego.X, Ego.Y, Ego.VX]] = x, y, speed
    return ego


def around(line: np.ndarray = LINE) -> PdmMap:
    """One wide road with one lane on it that is the route."""
    return pdm_map([ROAD, LANE], [RoadLayer.ROADBLOCK, RoadLayer.LANE], [False, True], line)


def objects(*items: tuple, red: tuple[np.ndarray, ...] = ()) -> PdmTraffic:
    """(kind, x, y, heading, vx, vy) now, each 4.6 x 1.9 m."""
    rows = np.array([item[1:] for item in items], np.float64).reshape(-1, 1, 5)
    count = len(items)
    return pdm_traffic(
        rows[..., :2],
        rows[..., 2],
        rows[..., 3:],
        np.ones((count, 1), np.bool_),
        np.tile(SIZE, (count, 1)),
        np.array([int(item[0]) for item in items], np.int8),
        red,
        np.ones((len(red), 1), np.bool_),
    )


def plan(ego: np.ndarray, traffic: PdmTraffic | None = None, line: np.ndarray = LINE) -> PdmProposal:
    return pdm_closed(ego, line, LIMIT, around(line), objects() if traffic is None else traffic)


def speeds(proposal: PdmProposal, row: int) -> np.ndarray:
    return np.diff(arc_length(proposal.proposals[row])) / 0.1


def test_fifteen_proposals_on_three_paths_at_five_speeds():
    found = plan(state(5.0))
    assert found.proposals.shape == (15, 51, 3)
    assert found.states.shape == (15, 41, 11)
    np.testing.assert_allclose(found.proposals[:, -1, 1], np.repeat([0.0, -1.0, 1.0], 5), atol=1e-9)
    ends = [speeds(found, row)[-1] for row in range(5)]
    np.testing.assert_allclose(ends[0], 2.0, atol=0.4)  # comes down from 5 m/s
    assert all(np.diff(ends) > 0.3)
    assert found.chosen == 4  # nobody is there: the fastest on the centreline


def test_idm_has_an_exponent_of_ten_and_nuplans_four_would_be_slower():
    """At half the wanted speed 1 - (v / v0)^10 is 0.999, with an exponent of 4 it would be 0.94."""
    path = np.column_stack((np.arange(0.0, 5001.0, 5.0), np.zeros((1001, 2))))
    found = pdm_closed(state(5.0), path, LIMIT, around(path), objects())
    moved = speeds(found, 4)
    np.testing.assert_allclose(np.diff(moved)[2:5] / 0.1, 1.5 * (1 - (moved[2:5] / LIMIT) ** 10), atol=2e-3)


def test_the_first_step_brakes_whatever_is_ahead():
    """There is no lead yet in the first step, and none counts as one at arc length 0: 3 m/s2 for 0.1 s."""
    for start in (state(5.0), state(5.0, x=100.0)):
        moved = speeds(plan(start), 4)
        np.testing.assert_allclose(moved[:2], (5.0, 4.7), atol=1e-9)
        assert moved[2] > moved[1]


def test_the_trajectory_is_raw_it_begins_on_the_path_beside_the_ego():
    found = plan(state(8.0, y=0.9))
    np.testing.assert_allclose(found.poses[0], (0.0, 0.0, 0.0), atol=1e-9)
    np.testing.assert_allclose(found.states[:, 0, Ego.Y], 0.9)  # but it is tracked from where the ego is
    assert abs(found.states[4, -1, Ego.Y]) < 0.2


def test_without_a_speed_limit_fifteen_metres_a_second_are_assumed():
    fast = pdm_closed(state(15.0), LINE, None, around(), objects())
    assert speeds(fast, 4)[-1] == pytest.approx(15.0, abs=0.5)
    assert speeds(fast, 0)[-1] < 4.0


def test_the_end_of_the_path_is_a_standing_lead():
    line = LINE[:90]  # ends at x = 39
    found = plan(state(8.0), line=line)
    assert found.proposals[:, -1, 0].max() <= 39.0 - PACIFICA.length / 2
    assert speeds(found, 4)[-1] < 3.0


def test_a_standing_car_is_not_driven_into_and_a_car_beside_the_path_is_passed():
    standing = plan(state(8.0), objects((CAR, 30.0, 0.0, 0.0, 0.0, 0.0)))
    assert standing.poses[-1, 0] < 30.0 - 2.3 - PACIFICA.front
    beside = plan(state(8.0), objects((CAR, 30.0, 4.2, 0.0, 0.0, 0.0)))
    assert beside.poses[-1, 0] > 30.0


def test_a_lead_counts_with_its_speed_along_the_ego():
    away = plan(state(8.0), objects((CAR, 25.0, 0.0, 0.0, 8.0, 0.0)))
    still = plan(state(8.0), objects((CAR, 25.0, 0.0, 0.0, 0.0, 0.0)))
    assert away.proposals[4, -1, 0] > still.proposals[4, -1, 0] + 10.0


@pytest.mark.parametrize("line", [[(0, 0, 0), (0, 0, 0)], [(0, 0, 0), (3, 0, 0), (3, 0, 0)], [(-9, 0, 0), (-5, 0, 0)]])
def test_a_path_that_is_a_point_or_ends_under_the_ego_still_gives_numbers(line):
    path = np.array(line, np.float64)
    found = pdm_closed(state(5.0), path, LIMIT, around(path), objects((CAR, 12.0, 0.0, 0.0, 0.0, 0.0)))
    assert np.isfinite(found.proposals).all()
    assert np.isfinite(found.score).all()
    np.testing.assert_allclose(found.poses[-1, 0], path[-1, 0], atol=1e-9)


def test_objects_behind_the_ego_are_no_leads():
    behind = plan(state(8.0), objects((CAR, -8.0, 0.0, 0.0, 0.0, 0.0)))
    np.testing.assert_array_equal(behind.proposals, plan(state(8.0)).proposals)


def test_objects_that_touch_the_ego_now_are_ignored():
    inside = plan(state(8.0), objects((CAR, 4.0, 1.0, 0.0, 0.0, 0.0)))
    free = plan(state(8.0))
    np.testing.assert_array_equal(inside.proposals, free.proposals)
    np.testing.assert_array_equal(inside.score, free.score)


def test_the_forecast_goes_along_the_heading_in_jumps_of_two_tenths():
    """The velocity gives speed and direction of travel only: this car slides sideways in the data."""
    ego = state(5.0)
    traffic = objects((CAR, 30.0, 4.0, 0.0, 3.0, 4.0), (CAR, 60.0, 4.0, 0.0, -3.0, 4.0))
    _, forecast = forecast_traffic(traffic, ego, PACIFICA)
    np.testing.assert_allclose(forecast.position[0, [0, 1, 2, 3, 40], 0], (30.0, 30.0, 31.0, 31.0, 50.0))
    np.testing.assert_allclose(forecast.position[1, [0, 2, 40], 0], (60.0, 59.0, 40.0))
    np.testing.assert_allclose(forecast.position[..., 1], 4.0)


def test_only_the_nearest_of_each_kind_are_known():
    kinds = ((CAR, 50), (AgentKind.PEDESTRIAN, 25), (AgentKind.BICYCLE, 10), (AgentKind.BARRIER, 50))
    rows = [(kind, 6.0 + 1.5 * number, 30.0, 0.0, 0.0, 0.0) for kind, _ in kinds for number in range(60)]
    known, _ = forecast_traffic(objects(*rows), state(5.0), PACIFICA)
    for kind, most in kinds:
        place = known.position[known.kind == kind, 0, 0]
        assert len(place) == most
        assert place.max() == pytest.approx(6.0 + 1.5 * (most - 1))
    known, _ = forecast_traffic(objects((CAR, 102.0, 0, 0, 0, 0), (CAR, 101.0, 0, 0, 0, 0)), state(5.0), PACIFICA)
    assert known.position[:, 0, 0].tolist() == [101.0]  # 100 m from the ego's centre


def square(x: float, length: float = 30.0) -> np.ndarray:
    return np.array([(x, -3.0), (x + length, -3.0), (x + length, 3.0), (x, 3.0)])


def test_red_lights_stop_the_ego_unless_it_is_wholly_inside():
    ahead = plan(state(8.0), objects(red=(square(25.0),)))
    assert ahead.poses[-1, 0] + PACIFICA.front < 25.0
    assert ahead.parts.traffic_light_compliance[ahead.chosen] == 1.0
    inside = plan(state(8.0), objects(red=(square(-10.0),)))
    np.testing.assert_array_equal(inside.proposals, plan(state(8.0)).proposals)
    partly = plan(state(8.0), objects(red=(square(2.0),)))
    assert partly.proposals[:, -1, 0].max() < 12.0  # 8 m/s and 3 m/s2: as hard as IDM brakes


def test_trap_09_over_a_red_connector_every_proposal_fails_and_the_first_one_is_taken():
    found = plan(state(0.0), objects(red=(square(3.0),)))
    assert not found.parts.traffic_light_compliance.any()
    assert not found.score.any()
    assert found.chosen == 0


def test_trap_23_pdm_closed_fails_itself_and_then_everybody_has_full_progress():
    """A car that cannot be avoided: no proposal is without fault, so there is nothing to measure progress against."""
    found = plan(state(15.0), objects((CAR, 9.5, 0.0, 0.0, 0.1, 0.0)))
    assert found.parts.no_at_fault_collisions[found.chosen] == 0.0
    assert found.parts.time_to_collision_within_bound[found.chosen] == 0.0
    both = np.array((found.parts.progress[found.chosen], 40.0))
    np.testing.assert_array_equal(normalized_progress(both, [0.0, 0.0]), 1.0)


def test_a_red_light_has_the_speed_of_the_car_that_the_policy_before_follows():
    """NAVSIM fills one record for all policies of a path. The car comes in behind the fast ones and before the slow."""
    light = square(60.0, 4.0)
    crossing = (CAR, 2.2, -22.0, np.pi / 4, 7.07, 7.07)
    alone, both = (plan(state(8.0), objects(*items, red=(light,))) for items in ((), (crossing,)))
    assert both.proposals[0, -1, 0] < alone.proposals[0, -1, 0]  # policy 0 keeps behind the car
    assert both.proposals[4, -1, 0] > alone.proposals[4, -1, 0] + 1e-3  # another car makes policy 4 faster


def test_comfort_is_not_judged():
    """A proposal that brakes hard is not worse for it: comfort needs a history, which the planner has not."""
    found = plan(state(12.0), objects((CAR, 26.0, 0.0, 0.0, 0.0, 0.0)))
    parts = found.parts
    progress = normalized_progress(parts.progress, parts.multiplier)
    expected = parts.multiplier * (5 * progress + 5 * parts.time_to_collision_within_bound + 2 * parts.lane_keeping + 2)
    np.testing.assert_allclose(found.score, expected / 14)
    assert (parts.history_comfort == 0.0).any()


def test_trap_04_what_the_cache_freezes_into_the_present_is_not_seen_by_the_planner():
    """A car seen in one later keyframe only stands in all 41 samples of the score, but the planner does not know it."""
    scenario = straight_scene([(CAR, SIZE, moving((30.0, 0.0), 0.0))], speed=8.0)
    tracks = scenario.tracks
    once = np.zeros_like(tracks.valid)
    once[0, START + 20] = True
    token = cache_token(replace(scenario, tracks=replace(tracks, valid=once)), START)
    assert token.traffic.valid.all()
    np.testing.assert_array_equal(token.reference, cache_token(straight_scene(speed=8.0), START).reference)
    assert cache_token(scenario, START).reference[-1, 0] < token.reference[-1, 0] - 5.0


# --- the planner ------------------------------------------------------------------------------------------------


def first_observation(scenario: Scenario) -> Observation:
    return Simulator([scenario], "log", ["lqr"]).observe()[0]


def asked(scenario: Scenario, observation: Observation | None = None):
    planner = PDMClosed()
    planner.reset(Context(scenario.ego_vehicle, 0.1, 0.5, 2.0, 0))
    return planner.plan(observation or first_observation(scenario))


def test_a_plan_has_all_proposals_and_begins_a_tenth_of_a_second_after_now():
    found = check_plan(asked(straight_scene(speed=8.0)), 2.0)
    assert found.candidates.shape == (15, 50, 3)
    assert found.dt == 0.1
    assert found.chosen == int(np.argmax(found.scores)) == 4
    np.testing.assert_allclose(found.candidates[4, 0], (0.8, 0.0, 0.0), atol=1e-6)


def test_an_empty_road_is_driven_at_the_speed_limit_in_the_middle_of_the_lane():
    rollout, _, _ = drive(straight_scene(speed=10.0), "pdm_closed")
    assert rollout.ego[-1, Ego.VX] == pytest.approx(13.9, abs=0.7)
    assert np.abs(rollout.ego[:, Ego.Y]).max() < 0.1


def test_a_slow_car_ahead_is_followed():
    slow = (CAR, SIZE, moving((25.0, 0.0), 4.0))
    rollout, _, _ = drive(straight_scene([slow], speed=10.0), "pdm_closed")
    gap = rollout.position[0, :, 0] - 2.3 - rollout.ego[:, Ego.X] - PACIFICA.front
    assert gap.min() > 1.0
    assert rollout.ego[-1, Ego.VX] == pytest.approx(4.0, abs=0.7)


STRAIGHT = curve((300, 0))
JUNCTION = [lane("in", STRAIGHT[:81], successors=("out",)), lane("out", STRAIGHT[80:111], connector=True)]


def at_light(x: float, light: LightState) -> Scenario:
    line = signal_line(STRAIGHT[78], "out")
    return scene(JUNCTION, ["in", "out"], (x, 0.0, 0.0), 8.0, (), {"out": light}, [line])


def test_a_red_light_is_stopped_at_and_a_green_one_is_not():
    red, _, _ = drive(at_light(20.0, LightState.RED), "pdm_closed")
    assert red.ego[:, Ego.X].max() + PACIFICA.front < 80.0
    green, _, _ = drive(at_light(20.0, LightState.GREEN), "pdm_closed")
    assert green.ego[:, Ego.X].max() > 85.0


def test_a_light_that_turns_red_under_the_ego_does_not_stop_it_in_the_junction():
    over = asked(at_light(79.5, LightState.RED))
    assert over.scores[over.chosen] > 0.0
    assert over.candidates[over.chosen, -1, 0] > 20.0
    waiting = asked(at_light(75.5, LightState.RED))
    assert waiting.candidates[:, -1, 0].max() < 12.0


def test_an_observation_without_lanes_still_gives_a_plan():
    observation = first_observation(straight_scene(speed=6.0))
    empty = replace(
        observation,
        lane_centerline=np.zeros((0, 3)),
        lane_ptr=np.zeros(1, np.int32),
        lane_polygon=np.zeros((0, 2)),
        lane_polygon_ptr=np.zeros(1, np.int32),
        lane_successors=np.zeros(0, np.int32),
        lane_successors_ptr=np.zeros(1, np.int32),
        lane_left=np.zeros(0, np.int32),
        lane_right=np.zeros(0, np.int32),
        lane_connector=np.zeros(0, np.bool_),
        lane_speed_limit=np.zeros(0),
        lane_has_speed_limit=np.zeros(0, np.bool_),
        lane_light=np.zeros(0, np.int8),
        route=np.zeros(0, np.int32),
    )
    found = check_plan(asked(straight_scene(), empty), 2.0)
    np.testing.assert_allclose(found.candidates[:5, :, 1], 0.0, atol=1e-9)


def test_the_size_of_the_ego_is_its_own():
    """A gap beside a parked car that a Zoe fits through and a Pacifica does not."""
    parked = (CAR, SIZE, moving((30.0, 2.0), 0.0))
    small = asked(straight_scene([parked], speed=5.0, ego_vehicle=ZOE))
    large = asked(straight_scene([parked], speed=5.0, ego_vehicle=PACIFICA))
    assert small.candidates[4, -1, 0] > large.candidates[4, -1, 0] + 3.0


@pytest.mark.parametrize("family", FAMILIES)
def test_roadblocks_of_an_observation_are_those_of_the_map(family):
    """Lanes that the map has in one roadblock are in one roadblock of the observation, and no others."""
    scenario = build(Recipe(family, 1, "tests"))
    observation = first_observation(scenario)
    seen = observed_map(observation)
    now = scenario.reference[scenario.start, :2]
    order = [lane for lane in range(scenario.map.lanes) if _box_distance(scenario.map.lane_polygon(lane), now) < 100.0]
    assert len(order) == seen.lanes
    # a connector whose roads are out of sight cannot be placed
    whole = [
        not scenario.map.connector[lane]
        or {*map(int, scenario.map.lane_successors(lane)), *_predecessors(scenario.map, lane)} <= set(order)
        for lane in order
    ]
    pairs = {
        (int(scenario.map.group[lane]), int(seen.group[number])) for number, lane in enumerate(order) if whole[number]
    }
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _predecessors(vector_map: VectorMap, lane: int) -> list[int]:
    return [other for other in range(vector_map.lanes) if lane in vector_map.lane_successors(other)]


def _box_distance(ring: np.ndarray, point: np.ndarray) -> float:
    outside = np.maximum(np.maximum(ring.min(axis=0) - point, point - ring.max(axis=0)), 0.0)
    return float(np.hypot(*outside))


@pytest.mark.parametrize("family", FAMILIES)
def test_generated_scenes_are_driven_on_the_road_and_to_their_end(family):
    scenario = build(Recipe(family, 0, "tests"))
    rollout, plans, _ = drive(scenario, "pdm_closed", "idm")
    assert all(np.isfinite(item.candidates).all() for item in plans)
    metrics = score_rollout(scenario, rollout)
    assert metrics["off_road"].value == 0.0, metrics["off_road"].detail
    assert metrics["wrong_way"].value == 0.0, metrics["wrong_way"].detail
    if family in ("F01", "F18", "F26"):  # the others ask for more than it can; a lead that brakes costs it some way
        assert metrics["progress"].value > (0.8 if family == "F01" else 0.9)


def test_asked_at_every_step_it_still_steers_onto_its_path():
    scenario = straight_scene(speed=8.0)
    reference = scenario.reference.copy()
    reference[:, Ego.Y] = 0.8  # beside the centreline; the tracker sees the first pose of each plan only
    scenario = replace(scenario, reference=reference)
    planner = PDMClosed()
    planner.reset(Context(vehicle=PACIFICA, dt=0.1, replan_interval=0.1, min_horizon=2.0, seed=0))
    simulation = NuplanSimulation(scenario, reactive=False)
    while not simulation.done:
        chosen = planner.plan(simulation.observe())
        simulation.step(chosen.candidates[chosen.chosen], chosen.dt)
    assert abs(simulation.result().ego[-1, Ego.Y]) < 0.3


def test_asked_once_its_proposals_are_navsims():
    scenario = straight_scene(speed=8.0)
    seen = Simulator([scenario]).observe()[0]
    plans = []
    for interval in (0.5, 4.0):
        planner = PDMClosed()
        planner.reset(Context(vehicle=PACIFICA, dt=0.1, replan_interval=interval, min_horizon=2.0, seed=0))
        plans.append(planner.plan(seen))
    again, once = (found.candidates for found in plans)
    assert np.abs(once[5:, 0, 1]).min() > 0.9  # one metre beside the ego at once
    assert np.abs(again[:, 0, 1]).max() < 0.1
    np.testing.assert_allclose(again[:, -1], once[:, -1], atol=1e-9)
