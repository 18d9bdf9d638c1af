"""Closed loop: determinism, batches, replay from plans."""

from dataclasses import fields

import numpy as np
import pytest

from drive.errors import ScenarioError
from drive.rollout import Rollout
from drive.scene import AgentKind
from drive.simulator import Simulator, run_plans
from drive.vehicle import Ego
from tests.scenes import START, moving, straight_scene

CAR, SIZE = AgentKind.CAR, (4.6, 1.9)


def scenes():
    return [
        straight_scene(speed=10.0),
        straight_scene([(CAR, SIZE, moving((20.0, 0.0), 6.0))], speed=8.0),
        straight_scene([(CAR, SIZE, moving((30.0 + 9 * n, 3.5), 7.0)) for n in range(5)], speed=5.0),
    ]


def straight_plan(speed: float, bend: float = 0.0) -> np.ndarray:
    t = 0.5 * np.arange(1, 9)
    return np.column_stack((speed * t, bend * t**2, 2 * bend * t / speed))


def simulate(batch, traffic="idm", tracker="lqr", replan_interval=0.5) -> list[Rollout]:
    simulator = Simulator(batch, traffic, tracker, replan_interval)
    while not simulator.done:
        plans = [
            None if observed is None else straight_plan(observed.ego[-1, Ego.VX] + 0.1, 0.01)
            for observed in simulator.observe()
        ]
        simulator.step(plans, [0.5] * len(batch))
    return simulator.rollouts()


def equal(first: Rollout, second: Rollout) -> bool:
    return all(np.array_equal(getattr(first, item.name), getattr(second, item.name)) for item in fields(Rollout))


@pytest.mark.parametrize("traffic", ["log", "idm", "constant_velocity"])
def test_same_plans_same_bytes(traffic):
    assert all(map(equal, simulate(scenes(), traffic), simulate(scenes(), traffic)))


def test_any_batch_gives_the_same_bytes():
    together = simulate(scenes())
    apart = [simulate([scene])[0] for scene in scenes()]
    backwards = simulate(scenes()[::-1])[::-1]
    assert all(map(equal, together, apart))
    assert all(map(equal, together, backwards))


def test_planners_in_one_scene_do_not_meet():
    scene = scenes()[2]
    alone = [simulate([scene], tracker=tracker)[0] for tracker in ("perfect", "lqr")]
    together = simulate([scene, scene], tracker=["perfect", "lqr"])
    assert all(map(equal, together, alone))


@pytest.mark.parametrize("tracker", ["lqr", "perfect"])
@pytest.mark.parametrize("interval", [0.1, 0.5, 0.7])
def test_stored_plans_reproduce_the_rollout(tracker, interval):
    batch = scenes()
    for scene, rollout in zip(batch, simulate(batch, "idm", tracker, interval), strict=True):
        assert equal(run_plans(scene, rollout, "idm", tracker, interval), rollout)


def test_rollout_starts_where_the_recording_is():
    scene = scenes()[1]
    rollout = simulate([scene], "log")[0]
    np.testing.assert_array_equal(rollout.ego[0], scene.reference[START].astype(np.float32))
    np.testing.assert_array_equal(rollout.position[:, 0], scene.tracks.position[:, START].astype(np.float32))
    assert len(rollout.ego) == scene.horizon + 1


@pytest.mark.parametrize("traffic", ["log", "idm", "constant_velocity"])
def test_a_rollout_has_one_zero_only(traffic):
    parked = moving((30.0, 6.0), 0.0, heading=np.pi)
    assert np.signbit(parked[2]).any()  # 0 times the cosine
    rollout = simulate([straight_scene([(CAR, SIZE, parked)], speed=5.0)], traffic)[0]
    assert not np.signbit(rollout.velocity[rollout.velocity == 0.0]).any()


def test_log_traffic_is_the_recording():
    scene = scenes()[2]
    rollout = simulate([scene], "log")[0]
    np.testing.assert_array_equal(rollout.position, scene.tracks.position[:, START:].astype(np.float32))


def test_perfect_tracker_drives_the_plan():
    scene = scenes()[0]
    simulator = Simulator([scene], "log", "perfect")
    plan = straight_plan(9.0, 0.05)
    simulator.step([plan], [0.5])
    np.testing.assert_allclose(simulator.rollouts()[0].ego[5, :3], plan[0], atol=1e-6)


def test_plans_are_stored_as_driven():
    scene = scenes()[0]
    rollout = simulate([scene])[0]
    assert rollout.plan_step.tolist() == list(range(0, scene.horizon, 5))
    assert rollout.plan.dtype == np.float32
    assert rollout.plan_ptr[-1] == len(rollout.plan) == 8 * len(rollout.plan_step)


@pytest.mark.parametrize("interval", [0.0, -0.5, 0.25, 0.05, np.nan, np.inf])
def test_replan_interval_must_fit_the_world_step(interval):
    with pytest.raises(ScenarioError, match=r"multiple of 0\.1"):
        Simulator([], replan_interval=interval)
