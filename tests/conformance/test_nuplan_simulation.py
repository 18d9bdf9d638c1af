"""nuPlan's simulation and score on scenes of the toolkit: stepped by plans, stored as rollouts, with their causes."""

import dataclasses

import numpy as np
import pytest

from drive.map import build_map
from drive.rollout import Rollout
from drive.scene import AgentKind, LightState, Scenario
from drive.scoring.nuplan.score import METRICS
from drive.scoring.nuplan.simulation import NuplanSimulation
from evaluation.metrics.nuplan_score import nuplan_score
from tests.scenes import straight_map, straight_scene
from tests.scoring_scenes import CAR, SAMPLES, crossing, scene_with, signals, straight_lane

NAMES = {"nuplan_cls", *(f"nuplan_cls.{name}" for name in METRICS)}


def keep_speed(speed: float, steps: int = 80) -> np.ndarray:
    """Straight ahead in the ego frame, a pose every 0.1 s."""
    return np.column_stack((0.1 * speed * np.arange(1, steps + 1), np.zeros(steps), np.zeros(steps)))


def run(scenario: Scenario, reactive: bool, speed: float = 10.0) -> Rollout:
    simulation = NuplanSimulation(scenario, reactive)
    while not simulation.done:
        simulation.step(keep_speed(speed), 0.1)
    return simulation.result()


def test_a_drive_along_the_reference_is_the_reference_and_scores_almost_one() -> None:
    scenario = straight_scene()
    rollout = run(scenario, reactive=False)
    assert rollout.ego == pytest.approx(scenario.reference[scenario.start :], abs=1e-4)
    metrics = nuplan_score(scenario, rollout)
    assert set(metrics) == NAMES
    progress = (SAMPLES - 2) / (
        SAMPLES - 1
    )  # of the samples one is never recorded, and of the expert's none is missing
    assert metrics["nuplan_cls.ego_progress_along_expert_route"].value == pytest.approx(progress, abs=1e-4)
    assert metrics["nuplan_cls"].value == pytest.approx((5 * progress + 11) / 16, abs=1e-4)


def test_replayed_agents_are_the_recorded_ones_and_reactive_ones_are_not() -> None:
    scenario = scene_with((*CAR, 30.0, 0.0, 6.0, 0.0))
    recorded = scenario.tracks.position[:, scenario.start :]
    assert run(scenario, reactive=False).position == pytest.approx(recorded, abs=1e-4)
    alone = run(scenario, reactive=True)  # free road: it speeds up
    assert alone.position[0, 0] == pytest.approx(recorded[0, 0], abs=1e-4)
    assert alone.position[0, -1, 0] > recorded[0, -1, 0] + 5.0


def test_a_reactive_follower_does_not_hit_an_ego_that_stands_while_the_recorded_one_does() -> None:
    scenario = scene_with((*CAR, -30.0, 0.0, 8.0, 0.0), speed=0.0)

    def reaches(rollout: Rollout) -> bool:
        return bool(rollout.position[0, -1, 0] > -2.0)

    assert reaches(run(scenario, reactive=False, speed=0.0))
    assert not reaches(run(scenario, reactive=True, speed=0.0))


def test_a_planner_sees_reactive_agents_where_they_are_and_no_longer_those_removed() -> None:
    scenario = scene_with((*CAR, 20.0, 0.0, 5.0, 0.0), (*CAR, 180.0, 0.0, 5.0, 0.0))
    simulation = NuplanSimulation(scenario, reactive=True)
    for _ in range(10):
        simulation.step(keep_speed(10.0), 0.1)
    seen, rollout = simulation.observe(), simulation.result()
    assert seen.time == pytest.approx(1.0)
    ahead = rollout.position[0, 10, 0] - rollout.ego[10, 0]
    assert seen.agent_position[0, -1, 0] == pytest.approx(ahead, abs=1e-4)
    assert seen.agent_valid[:, -1].tolist() == [True, False]
    assert not rollout.valid[:, 11:].any()


def test_agents_stop_at_a_red_light() -> None:
    def reached(state: LightState) -> float:
        scenario = scene_with(
            (*CAR, 10.0, 0.0, 8.0, 0.0),
            vector_map=crossing(),
            lights=signals({1: state, 2: state}),
            speed=0.0,
        )
        return float(run(scenario, reactive=True, speed=0.0).position[0, -1, 0])

    assert reached(LightState.RED) < 40.0
    assert reached(LightState.GREEN) > 45.0


def test_a_plan_with_another_spacing_is_the_same_plan() -> None:
    scenario = straight_scene()
    fine, coarse = NuplanSimulation(scenario, False), NuplanSimulation(scenario, False)
    for _ in range(20):
        fine.step(keep_speed(7.0), 0.1)
        coarse.step(keep_speed(7.0)[4::5], 0.5)
    assert fine.result().ego == pytest.approx(coarse.result().ego, abs=1e-4)
    assert coarse.result().plan_dt == pytest.approx(0.5)


def test_causes_name_sample_and_agent() -> None:
    scenario = scene_with((*CAR, 30.0, 0.0, 0.0, 0.0))
    metrics = nuplan_score(scenario, run(scenario, reactive=False))
    hit = metrics["nuplan_cls.no_ego_at_fault_collisions"]
    assert (hit.value, hit.agent, hit.detail) == (0.0, "agent-0", "stopped track, 1 at fault in all")
    near = metrics["nuplan_cls.time_to_collision_within_bound"]
    assert (near.value, near.step, near.agent, near.detail) == (0.0, hit.step, "agent-0", "0.0 s")
    assert metrics["nuplan_cls"].value == 0.0


def test_lanes_that_overlap_and_lead_nowhere_can_be_scored() -> None:
    lanes = [
        straight_lane("one", -100, 400, 0.0, speed_limit=13.0),
        straight_lane("other", -100, 400, 0.5, speed_limit=5.0),
        straight_lane("loose", -100, 400, 0.0, connector=True),
    ]
    scenario = straight_scene(vector_map=build_map(lanes))
    metrics = nuplan_score(scenario, run(scenario, reactive=True))
    assert metrics["nuplan_cls.speed_limit_compliance"].value == 1.0  # the limit of the lane listed first


def test_an_ego_of_another_make_is_driven_as_a_pacifica() -> None:
    scenario = straight_scene(ego_vehicle=dataclasses.replace(straight_scene().ego_vehicle, wheelbase=1.0, length=1.0))
    same = run(straight_scene(), reactive=False)
    assert (run(scenario, reactive=False).ego == same.ego).all()


def test_a_drive_too_short_to_filter_has_no_score() -> None:
    scenario = straight_scene()
    rollout = run(scenario, reactive=False)
    short = dataclasses.replace(
        rollout,
        ego=rollout.ego[:4],
        position=rollout.position[:, :4],
        heading=rollout.heading[:, :4],
        velocity=rollout.velocity[:, :4],
        valid=rollout.valid[:, :4],
    )
    metrics = nuplan_score(scenario, short)
    assert set(metrics) == NAMES
    assert not any(metric.valid for metric in metrics.values())


def test_pedestrians_are_replayed_and_cyclists_vanish_in_reactive_scenes() -> None:
    walker, bike = (AgentKind.PEDESTRIAN, (0.6, 0.6)), (AgentKind.BICYCLE, (1.8, 0.6))
    scenario = scene_with((*walker, 20.0, -6.0, 1.0, 0.0), (*bike, 40.0, 0.0, 4.0, 0.0))
    rollout = run(scenario, reactive=True)
    assert rollout.valid.all(axis=1).tolist() == [True, False]
    assert rollout.position[0] == pytest.approx(scenario.tracks.position[0, scenario.start :], abs=1e-4)


def test_a_centerline_of_two_points_carries_agents_to_its_end() -> None:
    coarse = straight_map(length=400.0, lanes=1)
    ends = coarse.centerline[[0, -1]]
    sparse = dataclasses.replace(coarse, centerline=ends, centerline_ptr=np.array([0, 2], np.int32))
    agents = ((*CAR, 30.0, 0.0, 6.0, 0.0),)
    dense, same = (run(scene_with(*agents, vector_map=world), reactive=True) for world in (coarse, sparse))
    assert same.position == pytest.approx(dense.position, abs=1e-3)
