"""The baselines drive as they say they do, in closed loop through the real tracker and traffic."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid

from drive.geometry import poses_from_frame, wrap_angle
from drive.observation import Observation
from drive.rollout import Rollout
from drive.scene import AgentKind, LightState, Scenario
from drive.simulator import Simulator
from drive.vehicle import PACIFICA, Ego
from planners.contract import Plan, PrivilegedContext
from planners.host import InProcessHost
from planners.registry import BUILT_IN, resolve
from tests.planners.roads import curve, lane, scene, signal_line
from tests.scenes import START, moving, straight_scene

CAR, SIZE = AgentKind.CAR, (4.6, 1.9)
STRAIGHT = curve((300, 0))
JUNCTION = [lane("in", STRAIGHT[:81], successors=("out",)), lane("out", STRAIGHT[80:], connector=True)]
LINE = signal_line(STRAIGHT[76], "out")


def drive(scenario: Scenario, planner: str, traffic: str = "log") -> tuple[Rollout, list[Plan], list[Observation]]:
    spec = resolve(planner)
    host = InProcessHost(spec)
    host.reset(
        PrivilegedContext(
            vehicle=scenario.ego_vehicle, dt=0.1, replan_interval=0.5, min_horizon=2.0, seed=0, scenario=scenario
        )
    )
    simulator = Simulator([scenario], traffic, [spec.tracker])
    plans, seen = [], []
    while not simulator.done:
        seen.append(simulator.observe()[0])
        plans.append(host.plan(seen[-1]))
        simulator.step([plans[-1].candidates[plans[-1].chosen]], [plans[-1].dt])
    return simulator.rollouts()[0], plans, seen


def offset(rollout: Rollout, poses: np.ndarray) -> np.ndarray:
    """Lateral offset [m] of the rear axle from a centreline, left positive."""
    shift = rollout.ego[:, None, :2] - poses[:, :2]
    near = np.argmin((shift**2).sum(axis=-1), axis=1)
    dx, dy = shift[np.arange(len(near)), near].T
    return dy * np.cos(poses[near, 2]) - dx * np.sin(poses[near, 2])


def front(rollout: Rollout) -> np.ndarray:
    """Front bumper's x [m] on a straight road."""
    return rollout.ego[:, Ego.X] + PACIFICA.front


def on_straight(*agents, speed: float = 10.0, y: float = 0.0) -> Scenario:
    return scene([lane("a", STRAIGHT)], ["a"], (10.0, y, 0.0), speed, agents)


def test_constant_velocity_holds_speed_and_heading():
    rollout, _, _ = drive(straight_scene(speed=8.0), "constant_velocity")
    np.testing.assert_allclose(rollout.ego[:, Ego.VX], 8.0, atol=1e-3)
    np.testing.assert_allclose(rollout.ego[:, Ego.Y], 0.0, atol=1e-3)


def test_stop_stops_comfortably_and_stays():
    rollout, _, _ = drive(straight_scene(speed=10.0), "stop")
    acceleration = rollout.ego[:, Ego.AX]
    assert rollout.ego[-1, Ego.VX] < 0.1
    assert acceleration.min() > -2.5
    assert np.abs(np.diff(acceleration)).max() / 0.1 < 4.0
    assert 20.0 < rollout.ego[-1, Ego.X] < 35.0


def test_stop_keeps_the_bend_it_is_in():
    scenario = straight_scene(speed=6.0)
    reference = scenario.reference.copy()
    reference[:, Ego.STEERING] = np.arctan(PACIFICA.wheelbase / 20.0)
    _, plans, _ = drive(replace(scenario, reference=reference), "stop")
    x, y, heading = plans[0].candidates[0, -1]
    np.testing.assert_allclose((x, y), (20 * np.sin(heading), 20 * (1 - np.cos(heading))), atol=1e-6)
    assert heading > 0.2


def test_log_replay_reproduces_the_reference():
    poses = curve((150, 60.0))
    scenario = straight_scene(speed=1.0)
    reference = scenario.reference.copy()
    reference[:, :3] = poses[: len(reference)]
    reference[:, :2] -= reference[START, :2]  # near the origin, where float32 has digits to spare
    reference[:, Ego.X : Ego.HEADING] *= 0.1
    reference[:, Ego.HEADING] = wrap_angle(reference[:, Ego.HEADING])
    scenario = replace(scenario, reference=reference)
    rollout, _, _ = drive(scenario, "log_replay")
    np.testing.assert_allclose(rollout.ego[:, :2], reference[START:, :2], atol=2e-6)
    np.testing.assert_allclose(wrap_angle(rollout.ego[:, 2] - reference[START:, 2]), 0.0, atol=1e-6)


@pytest.mark.parametrize("acceleration", [-2.5, 1.2])
def test_log_replay_does_not_jerk_where_the_recording_ends(acceleration):
    scenario = on_straight(speed=8.0)
    reference = scenario.reference.copy()
    reference[:, Ego.AX] = np.interp(np.arange(len(reference)), (60, 90), (0.0, acceleration))
    reference[:, Ego.VX] = 8.0 + cumulative_trapezoid(reference[:, Ego.AX], dx=0.1, initial=0.0)
    reference[:, Ego.X] = 10.0 + cumulative_trapezoid(reference[:, Ego.VX], dx=0.1, initial=0.0)
    rollout, _, _ = drive(replace(scenario, reference=reference), "log_replay")
    assert np.abs(np.diff(rollout.ego[-8:, Ego.AX])).max() < 0.05 * abs(acceleration)


@pytest.mark.parametrize("radius", [40.0, -25.0])
@pytest.mark.parametrize("planner", ["lane_follower", "idm", "idm_mobil"])
def test_route_followers_keep_to_the_centerline_of_a_bend(planner, radius):
    ease = [(3, radius * 6 / (n + 0.5)) for n in range(6)]
    poses = curve((20, 0), *ease, (abs(radius) * 0.9, radius), *ease[::-1], (150, 0))
    scenario = scene(
        [lane("a", poses[:40], successors=("b",)), lane("b", poses[39:])], ["a", "b"], (5.0, 0.0, 0.0), 8.0
    )
    rollout, _, _ = drive(scenario, planner)
    assert np.abs(offset(rollout, poses)).max() < 0.3
    assert np.abs(rollout.ego[:, Ego.VX] * rollout.ego[:, Ego.YAW_RATE]).max() < 2.5


@pytest.mark.parametrize("y", [1.2, -2.0])
def test_lane_follower_comes_back_to_the_centerline_without_a_swerve(y):
    rollout, _, _ = drive(on_straight(y=y), "lane_follower")
    side = rollout.ego[:, Ego.Y] * np.sign(y)
    assert abs(side[-1]) < 0.1
    assert side.min() > -0.2 * abs(y)
    assert np.abs(np.diff(rollout.ego[:, Ego.YAW_RATE])).max() / 0.1 < 0.5


def test_lane_follower_drives_at_the_limit_or_the_assumed_one():
    for limit, expected in ((8.0, 8.0), (None, 13.9)):
        scenario = scene([lane("a", STRAIGHT, speed_limit=limit)], ["a"], (10.0, 0.0, 0.0), expected)
        rollout, _, _ = drive(scenario, "lane_follower")
        np.testing.assert_allclose(rollout.ego[:, Ego.VX], expected, atol=0.1)
    slow = scene([lane("a", STRAIGHT, speed_limit=12.0)], ["a"], (10.0, 0.0, 0.0), 6.0)
    np.testing.assert_allclose(drive(slow, "lane_follower[speed_factor=0.5]")[0].ego[:, Ego.VX], 6.0, atol=0.1)


def without_others(observation: Observation) -> Observation:
    nobody = {
        name: getattr(observation, name)[:0]
        for name in vars(observation)
        if name.startswith("agent_") and isinstance(getattr(observation, name), np.ndarray)
    }
    dark = np.full_like(observation.lane_light, LightState.RED)
    return replace(observation, **nobody, lane_light=dark)


@pytest.mark.parametrize(("planner", "blind"), [("lane_follower", True), ("constant_velocity", True), ("idm", False)])
def test_blind_planners_are_blind(planner, blind):
    scenario = scene(JUNCTION, ["in", "out"], (40.0, 0.0, 0.0), 10.0, [(CAR, SIZE, moving((70.0, 0.0), 2.0))])
    _, plans, seen = drive(scenario, planner)
    host = InProcessHost(resolve(planner))
    host.reset(PrivilegedContext(PACIFICA, 0.1, 0.5, 2.0, 0, scenario=scenario))
    same = np.array_equal(host.plan(without_others(seen[0])).candidates, plans[0].candidates)
    assert same is blind


def test_idm_stops_behind_a_stopped_car():
    rollout, _, _ = drive(on_straight((CAR, SIZE, moving((60.0, 0.0), 0.0))), "idm")
    gap = 60.0 - SIZE[0] / 2 - front(rollout)
    assert gap.min() > 1.0
    assert gap[-1] < 6.0
    assert rollout.ego[-1, Ego.VX] < 0.7
    assert rollout.ego[:, Ego.AX].min() > -3.0


def test_idm_keeps_its_headway():
    for headway in (1.0, 2.0):
        start = 10.0 + PACIFICA.front + SIZE[0] / 2 + 2.0 + headway * 8.0
        rollout, _, _ = drive(on_straight((CAR, SIZE, moving((start, 0.0), 8.0)), speed=8.0), f"idm[headway={headway}]")
        gap = rollout.position[0, :, 0] - SIZE[0] / 2 - front(rollout)
        assert 0.85 * headway < (gap[-1] - 2.0) / rollout.ego[-1, Ego.VX] < 1.3 * headway


@pytest.mark.parametrize("lines", [[LINE], []])
def test_idm_stops_at_a_red_light(lines):
    scenario = scene(JUNCTION, ["in", "out"], (20.0, 0.0, 0.0), 10.0, lights={"out": LightState.RED}, stop_lines=lines)
    rollout, _, _ = drive(scenario, "idm")
    line = 76.0 if lines else 80.0
    assert front(rollout).max() < line
    assert front(rollout)[-1] > line - 4.0
    assert rollout.ego[:, Ego.AX].min() > -3.5


def test_idm_brakes_for_yellow_only_where_it_can():
    for start, speed, passes in ((20.0, 10.0, False), (62.0, 12.0, True)):
        scenario = scene(
            JUNCTION, ["in", "out"], (start, 0.0, 0.0), speed, lights={"out": LightState.YELLOW}, stop_lines=[LINE]
        )
        rollout, _, _ = drive(scenario, "idm")
        assert bool(front(rollout)[-1] > 76.0) is passes
        assert rollout.ego[:, Ego.AX].min() > -3.5


@pytest.mark.parametrize("light", [LightState.GREEN, LightState.UNKNOWN])
def test_idm_passes_lights_that_are_not_against_it(light):
    scenario = scene(JUNCTION, ["in", "out"], (20.0, 0.0, 0.0), 10.0, lights={"out": light}, stop_lines=[LINE])
    assert drive(scenario, "idm")[0].ego[:, Ego.AX].min() > -0.2


def test_a_light_passed_is_not_stopped_at():
    scenario = scene(JUNCTION, ["in", "out"], (76.0, 0.0, 0.0), 5.0, lights={"out": LightState.RED}, stop_lines=[LINE])
    assert drive(scenario, "idm")[0].ego[:, Ego.AX].min() > -0.2


@pytest.mark.parametrize(
    ("kind", "size", "motion"),
    [
        (AgentKind.PEDESTRIAN, (0.6, 0.6), moving((45.0, -5.0), 1.5, np.pi / 2)),
        (AgentKind.PEDESTRIAN, (0.6, 0.6), moving((45.0, 0.0), 0.0)),
        (AgentKind.BICYCLE, (1.8, 0.6), moving((40.0, 0.3), 4.0)),
        (AgentKind.TRAFFIC_CONE, (0.4, 0.4), moving((50.0, 0.5), 0.0)),
        (CAR, SIZE, moving((55.0, -18.0), 6.0, np.pi / 2)),
        (CAR, SIZE, moving((24.0, 3.6), 8.0, -0.08)),
    ],
    ids=["crossing pedestrian", "standing pedestrian", "cyclist", "cone", "crossing car", "cut-in"],
)
def test_idm_hits_nobody_in_or_about_to_enter_its_way(kind, size, motion):
    rollout, _, _ = drive(on_straight((kind, size, motion)), "idm")
    reach = PACIFICA.length / 2 + max(size) / 2
    center = rollout.ego[:, Ego.X] + PACIFICA.rear_axle_to_center
    dx, dy = rollout.position[0].T - np.stack((center, rollout.ego[:, Ego.Y]))
    touching = (np.abs(dx) < reach) & (np.abs(dy) < PACIFICA.width / 2 + min(size) / 2)
    assert not touching.any()
    assert rollout.ego[:, Ego.AX].min() > -5.0


@pytest.mark.parametrize(
    ("kind", "size", "motion"),
    [
        (CAR, SIZE, moving((50.0, -2.7), 0.0)),
        (CAR, SIZE, moving((100.0, 3.6), 10.0, np.pi)),
        (CAR, SIZE, moving((0.0, 0.0), 10.0)),
        (AgentKind.PEDESTRIAN, (0.6, 0.6), moving((45.0, -4.0), 1.5, 0.05)),
    ],
    ids=["parked beside", "oncoming", "behind", "walking along"],
)
def test_idm_does_not_brake_for_those_who_are_not_in_its_way(kind, size, motion):
    assert drive(on_straight((kind, size, motion)), "idm")[0].ego[:, Ego.AX].min() > -0.2


def test_idm_knows_that_its_front_swings_out_in_a_tight_turn():
    poses = curve((30, 0), (12, 7.5), (60, 0))
    place = poses[36]
    outside = place[:2] + 2.5 * np.array([np.sin(place[2]), -np.cos(place[2])])
    waiting = moving(tuple(outside), 0.0, float(place[2]) + np.pi)
    rollout, _, _ = drive(scene([lane("a", poses)], ["a"], (10.0, 0.0, 0.0), 5.0, [(CAR, SIZE, waiting)]), "idm")
    assert rollout.ego[-1, Ego.VX] < 0.5


def test_neighbors_in_a_bend_are_not_taken_for_cut_ins():
    inner, outer = curve((20, 0), (150, 60.0)), curve((20, 0), (159, 63.6), start=(0.0, -3.6, 0.0))
    angle = 8.0 / 63.6 * 0.1 * (np.arange(101) - START) + 0.45
    place = np.column_stack((20 + 63.6 * np.sin(angle), 60 - 63.6 * np.cos(angle)))
    motion = place, angle, 8.0 * np.column_stack((np.cos(angle), np.sin(angle)))
    scenario = scene(
        [lane("inner", inner), lane("outer", outer)], ["inner"], (15.0, 0.0, 0.0), 8.0, [(CAR, SIZE, motion)]
    )
    assert drive(scenario, "idm")[0].ego[:, Ego.AX].min() > -0.3


@pytest.mark.parametrize("planner", ["lane_follower", "idm"])
def test_route_followers_change_lanes_where_the_route_does(planner):
    lanes = [
        lane("left", curve((150, 0)), right="right"),
        lane("right", curve((150, 0), start=(0.0, -3.6, 0.0)), left="left", successors=("on",)),
        lane("on", curve((150, 0), start=(150.0, -3.6, 0.0))),
    ]
    rollout, _, _ = drive(scene(lanes, ["left", "right", "on"], (10.0, 0.0, 0.0), 12.0), planner)
    assert abs(rollout.ego[-1, Ego.Y] + 3.6) < 0.3
    assert np.abs(rollout.ego[:, Ego.VX] * rollout.ego[:, Ego.YAW_RATE]).max() < 1.5


@pytest.mark.parametrize("planner", ["lane_follower", "idm", "idm_mobil"])
def test_route_followers_stop_where_the_map_ends(planner):
    rollout, _, _ = drive(scene([lane("a", STRAIGHT[:80])], ["a"], (10.0, 0.0, 0.0), 10.0), planner)
    assert front(rollout).max() < 79.0


def test_route_followers_go_on_past_the_last_lane_of_the_route():
    fork = [
        lane("a", STRAIGHT[:41], successors=("turn", "on")),
        lane("turn", curve((30, 12.0), start=(40.0, 0.0, 0.0))),
        lane("on", STRAIGHT[40:]),
    ]
    rollout, _, _ = drive(scene(fork, ["a"], (10.0, 0.0, 0.0), 10.0), "lane_follower")
    assert np.abs(rollout.ego[:, Ego.Y]).max() < 0.2
    assert rollout.ego[-1, Ego.X] > 80.0


@pytest.mark.parametrize(
    ("route", "start", "speed"),
    [
        (["a"], (10.0, 0.0, 0.0), 0.0),
        ([], (10.0, 0.0, 0.0), 5.0),
        (["b", "a"], (10.0, 0.0, 0.0), 5.0),
        (["a"], (10.0, 40.0, 1.0), 5.0),
        (["a"], (10.0, 0.0, np.pi - 0.1), 3.0),
        (["a"], (-30.0, 0.0, 0.0), 5.0),
        (["a"], (79.9, 1.0, 0.3), 5.0),
        (["a"], (95.0, 0.0, 0.0), 5.0),
        (["short"], (200.2, 50.0, 0.0), 2.0),
    ],
    ids=["standing", "no route", "gap", "far away", "wrong way", "before it", "at its end", "behind it", "tiny lane"],
)
@pytest.mark.parametrize("planner", ["lane_follower", "idm", "idm_mobil"])
def test_route_followers_cope_with_any_route(planner, route, start, speed):
    lanes = [
        lane("a", STRAIGHT[:80]),
        lane("b", curve((50, 0), start=(0.0, 60.0, 0.0))),
        lane("short", np.array([[200.0, 50.0, 0.0], [200.4, 50.0, 0.0]])),
    ]
    rollout, plans, _ = drive(scene(lanes, route, start, speed), planner)
    assert np.isfinite(rollout.ego).all()
    assert all(np.hypot(*plan.candidates[0, 0, :2]) < 2.5 for plan in plans)


@pytest.mark.parametrize("planner", sorted(BUILT_IN.keys() - {"pdm_closed"}))  # its plans begin beside the ego
def test_plans_are_smooth_and_begin_at_the_ego(planner):
    scenario = on_straight((CAR, SIZE, moving((70.0, 0.0), 3.0)), y=0.8)
    _, plans, seen = drive(scenario, planner, "idm")
    for plan, observation in zip(plans, seen, strict=True):
        poses = np.concatenate((np.zeros((1, 3)), plan.candidates[0]))
        speed = np.hypot(*np.diff(poses[:, :2], axis=0).T) / plan.dt
        assert abs(speed[0] - observation.ego[-1, Ego.VX]) < 0.5
        assert np.abs(np.diff(speed)).max() / plan.dt < 8.5
        assert np.abs(np.diff(poses[:, 2])).max() < 0.1
        assert plan.dt * plan.candidates.shape[1] == pytest.approx(4.0)


@pytest.mark.parametrize("planner", BUILT_IN)
def test_same_scene_same_plans(planner):
    scenario = on_straight((CAR, SIZE, moving((50.0, 0.0), 3.0)))
    first, second = drive(scenario, planner)[1], drive(scenario, planner)[1]
    assert all(np.array_equal(one.candidates, two.candidates) for one, two in zip(first, second, strict=True))


@pytest.mark.parametrize("options", ["headway=0", "min_gap=-1", "speed_factor=0", "margin=9"])
def test_senseless_options_are_refused(options):
    with pytest.raises(ValueError, match=options.partition("=")[0]):
        resolve(f"idm[{options}]").build()


def test_log_replay_plans_the_log_also_from_beside_it():
    scenario = on_straight(speed=8.0)
    reference = scenario.reference.copy()
    reference[:, Ego.VX] = 5.0  # the tracker begins slower than the log goes on
    scenario = replace(scenario, reference=reference)
    planner = resolve("log_replay").build()
    planner.reset(
        PrivilegedContext(
            vehicle=scenario.ego_vehicle, dt=0.1, replan_interval=0.5, min_horizon=2.0, seed=0, scenario=scenario
        )
    )
    simulator = Simulator([scenario], "log", "lqr")
    for turn in range(8):
        plan = planner.plan(simulator.observe()[0])
        now = 5 * turn
        ego = simulator.rollouts()[0].ego[now, :3].astype(np.float64)
        planned = poses_from_frame(plan.candidates[0], ego)
        np.testing.assert_allclose(planned[:20, :2], reference[START + now + 1 :][:20, :2], atol=1e-4)
        simulator.step([plan.candidates[0]], [plan.dt])
    assert np.abs(ego[0] - reference[START + now, 0]) > 0.5  # it really is beside the log
