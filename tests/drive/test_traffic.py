"""Traffic: following, stopping, entering, determinism."""

from dataclasses import replace

import numpy as np
import pytest

from drive.drivers import POPULATIONS, Driver, default_drivers, sample_drivers
from drive.errors import ScenarioError
from drive.map import Lane, StopCause, StopLine, build_map
from drive.scene import Action, AgentKind, Lights, LightState, Trigger
from drive.traffic import compile_traffic
from tests.drive.traffic_scenes import NOWHERE, Agent, lane, overlaps, roll, scene

CAR = AgentKind.CAR


def gap(rolled, scenario, follower, lead):
    along = rolled.position[lead, :, 0] - rolled.position[follower, :, 0]
    return along - 0.5 * (scenario.tracks.size[follower, 0] + scenario.tracks.size[lead, 0])


def test_free_driver_reaches_the_speed_it_wants():
    rolled = roll(scene([Agent(path=lane(-10, 900), limit=10.0, driver={Driver.SPEED_FACTOR: 1.1})]))
    assert rolled.speed[0, -1] == pytest.approx(11.0, abs=0.1)
    assert np.all(np.diff(rolled.speed[0]) > -1e-9)


def test_follower_settles_at_the_equilibrium_gap():
    agents = [
        Agent((0.0, 0.0), 10.0, lane(-10, 1500), 15.0),
        Agent((30.0, 0.0), 10.0, lane(20, 1500), 10.0),
    ]
    scenario = scene(agents, steps=900)
    rolled = roll(scenario)
    row = scenario.drivers[0]
    v = 10.0
    expected = (row[Driver.GAP] + v * row[Driver.HEADWAY]) / np.sqrt(1.0 - (v / 15.0) ** 4)
    assert gap(rolled, scenario, 0, 1)[-1] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("braking", [2.0, 4.0, 6.0])
@pytest.mark.parametrize("speed", [8.0, 14.0, 25.0])
def test_follower_never_hits_a_lead_that_brakes(braking, speed):
    rng = np.random.default_rng(int(10 * braking + speed))
    for population in POPULATIONS:
        kinds = rng.choice([AgentKind.CAR, AgentKind.BUS, AgentKind.CAR], 12)
        drivers = sample_drivers(kinds, rng, population)
        agents, script = [], []
        for pair, kind in enumerate(kinds):
            y = 100.0 * pair
            row = {Driver(column): value for column, value in enumerate(drivers[pair])}
            rest, headway = drivers[pair, Driver.GAP], drivers[pair, Driver.HEADWAY]
            ahead = 0.5 * (4.6 + (11.0 if kind == AgentKind.BUS else 4.6)) + rest + headway * speed
            agents.append(Agent((0.0, y), speed, lane(-20, 800, y), speed, kind, driver=row))
            agents.append(Agent((ahead, y), speed, lane(-10, 800, y), speed))
            for time, target in ((3.0, 0.0), (9.0, speed), (13.0, 0.0)):
                script.append((2 * pair + 1, Trigger.TIME, time, 0, 0, time, Action.SPEED, braking, target))
        scenario = scene(agents, steps=220, script=script)
        assert overlaps(roll(scenario), scenario) == []


def test_standing_gap_is_the_drivers_own():
    agents = [
        Agent((0.0, 0.0), 10.0, lane(-10, 300), driver={Driver.GAP: 2.5}),
        Agent((120.0, 0.0), 0.0),
    ]
    scenario = scene(agents)
    rolled = roll(scenario)
    assert rolled.speed[0, -1] == 0.0
    assert gap(rolled, scenario, 0, 1)[-1] == pytest.approx(2.5, abs=0.3)


@pytest.mark.parametrize("kind", [AgentKind.PEDESTRIAN, AgentKind.BICYCLE, AgentKind.TRAFFIC_CONE, AgentKind.BUS])
@pytest.mark.parametrize("side", [0.0, 0.7, -0.9])
def test_driver_keeps_behind_everything_in_its_way(kind, side):
    scenario = scene([Agent((0.0, 0.0), 12.0, lane(-10, 300)), Agent((70.0, side), kind=kind)])
    rolled = roll(scenario)
    assert rolled.speed[0, -1] == 0.0
    assert 0.3 < gap(rolled, scenario, 0, 1)[-1] < 4.0


def test_driver_passes_what_stands_beside_its_way():
    scenario = scene([Agent((0.0, 0.0), 12.0, lane(-10, 600)), Agent((70.0, 2.2))])
    rolled = roll(scenario)
    assert rolled.position[0, 150, 0] > 100.0
    assert rolled.speed[0].min() > 11.0


def test_driver_follows_a_moving_cyclist():
    agents = [
        Agent((0.0, 0.0), 12.0, lane(-10, 600)),
        Agent((60.0, 0.3), 4.0, lane(50, 600, 0.3), 4.0, AgentKind.BICYCLE),
    ]
    scenario = scene(agents)
    rolled = roll(scenario)
    assert rolled.speed[0, -1] == pytest.approx(4.0, abs=0.2)
    assert gap(rolled, scenario, 0, 1).min() > 1.0


def test_driver_keeps_behind_the_ego():
    rolled = roll(scene([Agent((0.0, 0.0), 12.0, lane(-10, 300))], ego=(70.0, 0.5, 0.0)))
    assert rolled.speed[0, -1] == 0.0
    rear = 70.0 + 1.461 - 0.5 * 5.176
    assert 0.5 < rear - (rolled.position[0, -1, 0] + 2.3) < 4.0


def test_driver_yields_to_an_ego_that_comes_across_first():
    x = 60.0
    scenario = scene([Agent((0.0, 0.0), 10.0, lane(-10, 600))], ego=(x, -40.0, np.pi / 2), ego_speed=8.0)
    rolled = roll(scenario)
    ego_y = scenario.reference[scenario.start :, 1]
    over = (ego_y > -4.0) & (ego_y < 4.0)
    assert (rolled.position[0, over, 0] + 2.3 < x - 1.2).all()
    assert rolled.position[0, -1, 0] > x


def bend(radius: float) -> np.ndarray:
    angle = np.arange(0.0, np.pi / 2, 1.0 / radius)
    turn = np.column_stack((80.0 + radius * np.sin(angle), radius * (1 - np.cos(angle))))
    return np.concatenate((lane(0, 80), turn, turn[-1] + np.array([(0.0, y) for y in range(1, 100)])))


@pytest.mark.parametrize("radius", [7.0, 15.0, 40.0])
def test_curves_are_driven_at_the_lateral_acceleration_the_driver_likes(radius):
    rolled = roll(scene([Agent((5.0, 0.0), 10.0, bend(radius))]))
    here = (rolled.position[0, :, 0] > 81.0) & (rolled.position[0, :, 1] < radius - 1.0) & rolled.valid[0]
    lateral = rolled.speed[0, here] ** 2 / radius
    assert lateral.max() < 2.0 * 1.25
    assert lateral.max() > 1.0
    slowing = np.diff(rolled.speed[0]) / 0.1
    assert slowing[: int(np.flatnonzero(here)[0])].min() > -3.0


def test_heading_agrees_with_motion():
    path = bend(9.0)
    rolled = roll(scene([Agent((5.0, 1.5), 8.0, path, heading=0.1)], steps=200))
    moved = np.diff(rolled.position[0], axis=0)
    fast = (rolled.speed[0, 1:] > 1.0) & rolled.valid[0, 1:]
    middle = rolled.heading[0, :-1] + 0.5 * np.diff(np.unwrap(rolled.heading[0]))
    slip = np.arctan2(moved[:, 1], moved[:, 0]) - middle
    assert np.abs((slip[fast] + np.pi) % (2 * np.pi) - np.pi).max() < np.radians(5.0)
    mean_speed = 0.5 * (rolled.speed[0, 1:] + rolled.speed[0, :-1])
    assert np.abs(np.hypot(*moved.T)[fast] - 0.1 * mean_speed[fast]).max() < 0.05


def test_start_away_from_the_path_is_steered_back_not_jumped():
    rolled = roll(scene([Agent((5.0, 1.5), 8.0, lane(0, 300))], steps=200))
    assert rolled.position[0, 1, 1] == pytest.approx(1.5, abs=0.05)
    assert abs(rolled.position[0, -1, 1]) < 0.05
    assert np.abs(np.diff(rolled.position[0, :, 1])).max() < 0.25


def lit_road(red_until: float, steps: int = 300, yellow: float = 0.0):
    """A lane with a connector from x = 100 on and a light there: red (after yellow) until a time after the start."""
    x0, x1 = np.arange(-50.0, 101.0, 2.0), np.arange(100.0, 131.0, 2.0)
    lanes = []
    for name, x, connector, follow in (("in", x0, False, ("over",)), ("over", x1, True, ())):
        line = np.column_stack((x, np.zeros(len(x)), np.zeros(len(x))))
        side = np.column_stack((x, np.full(len(x), 1.75)))
        ring = np.concatenate((side * (1, -1), side[::-1]))
        lanes.append(Lane(name, line, ring, follow, connector=connector))
    stop = StopLine(np.array([[98.0, -2.0], [98.0, 2.0]]), ("over",), StopCause.SIGNAL)
    time = 0.1 * (np.arange(steps) - 20)
    state = np.where(time < yellow, LightState.YELLOW, np.where(time < red_until, LightState.RED, LightState.GREEN))
    lights = Lights(np.array([1], np.int32), np.array([[100.0, 0.0]]), state[None].astype(np.int8))
    return build_map(lanes, (), (stop,)), lights


def test_driver_stops_before_a_red_line_and_starts_on_green():
    vector_map, lights = lit_road(15.0)
    rolled = roll(scene([Agent((0.0, 0.0), 12.0, lane(-10, 400))], vector_map=vector_map, lights=lights))
    front = rolled.position[0, :, 0] + 2.3
    waiting = front[:150].max()
    assert 96.0 < waiting < 98.0
    started = 0.1 * np.flatnonzero((front > waiting + 0.05) & (np.arange(len(front)) > 140))[0]
    assert 15.5 < started < 17.5
    assert front[-1] > 110.0


def test_queue_behind_a_red_line_leaves_one_after_another():
    vector_map, lights = lit_road(30.0, 500)
    agents = [Agent((-12.0 * n, 0.0), 10.0, lane(-60, 400)) for n in range(4)]
    scenario = scene(agents, 500, vector_map=vector_map, lights=lights)
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    assert (rolled.speed[:, 298] < 0.2).all()
    leaving = [0.1 * np.flatnonzero(rolled.speed[n] < 0.5)[-1] for n in range(4)]
    assert np.all(np.diff(leaving) > 0.3)


@pytest.mark.parametrize(("distance", "stops"), [(60.0, True), (14.0, False)])
def test_at_yellow_those_stop_who_can(distance, stops):
    vector_map, lights = lit_road(20.0, yellow=3.0)
    rolled = roll(
        scene([Agent((98.0 - 2.3 - distance, 0.0), 12.0, lane(-10, 400))], vector_map=vector_map, lights=lights)
    )
    front = rolled.position[0, :, 0] + 2.3
    assert (front[150] < 98.0) == stops


def test_light_of_another_connector_does_not_stop():
    vector_map, lights = lit_road(30.0)
    line = np.array([(100.0 + 10 * np.sin(a), 10 * (1 - np.cos(a)), a) for a in np.arange(0.0, 1.6, 0.1)])
    ring = np.concatenate((line[:, :2] + (0, 1.5), line[::-1, :2] - (0, 1.5)))
    lanes = [
        Lane("in", vector_map.lane_centerline(0), vector_map.lane_polygon(0), ("over", "left")),
        Lane("over", vector_map.lane_centerline(1), vector_map.lane_polygon(1), connector=True),
        Lane("left", line, ring, connector=True),
    ]
    red = lights.state[0]
    both = Lights(np.array([1, 2], np.int32), np.array([[100.0, 0.0]] * 2), np.stack((np.ones_like(red), red)))
    rolled = roll(scene([Agent((0.0, 0.0), 12.0, lane(-10, 400))], vector_map=build_map(lanes), lights=both))
    assert rolled.speed[0].min() > 10.0


def test_agent_enters_only_when_its_spot_is_clear():
    agents = [
        Agent((0.0, 0.0), 8.0, lane(-10, 400), present=(60, 299)),
        Agent((2.0, 0.0), 0.0, present=(0, 120)),  # leaves in step 120
    ]
    scenario = scene(agents)
    rolled = roll(scenario)
    entered = int(rolled.valid[0].argmax()) + scenario.start
    assert 120 <= entered <= 124
    assert overlaps(rolled, scenario) == []
    np.testing.assert_array_equal(rolled.position[0, entered - scenario.start], (0.0, 0.0))
    free = roll(scene(agents[:1]))
    assert int(free.valid[0].argmax()) + scenario.start == 60


def test_agent_waits_for_the_ego_and_leaves_as_recorded():
    agents = [Agent((0.0, 0.0), 8.0, lane(-10, 400), present=(40, 150))]
    blocked = roll(scene(agents, ego=(1.0, 0.0, 0.0)))
    assert not blocked.valid.any()
    free = roll(scene(agents))
    present = 20 + np.flatnonzero(free.valid[0])
    assert (present[0], present[-1]) == (40, 150)


def test_agent_leaves_at_the_end_of_its_path():
    rolled = roll(scene([Agent((0.0, 0.0), 10.0, lane(-10, 60))]))
    last = np.flatnonzero(rolled.valid[0])[-1]
    assert 57.0 < rolled.position[0, last, 0] <= 59.0
    assert not rolled.valid[0, last + 1 :].any()


def mixed_scene(noise: float = 1.0, extra: tuple[Agent, ...] = (), script=None):
    row = {Driver.NOISE: noise}
    agents = [Agent((14.0 * n, 3.5 * (n % 3)), 9.0, lane(-20, 700, 3.5 * (n % 3)), driver=row) for n in range(9)]
    agents += [Agent((40.0, -30.0), 6.0, lane(0, 60)[:, ::-1] * (1, 1) + (40.0, -40.0), heading=np.pi / 2, driver=row)]
    agents += [Agent((90.0, -6.0), 1.2, lane(-8, 20)[:, ::-1] + (90.0, 0.0), 1.24, AgentKind.PEDESTRIAN, np.pi / 2)]
    return scene([*agents, *extra], ego=(-30.0, 0.0, 0.0), ego_speed=7.0, script=script)


def test_same_seed_same_bytes():
    assert roll(mixed_scene()).same(roll(mixed_scene()))


def test_another_seed_drives_differently():
    scenario = mixed_scene()
    drivers = scenario.drivers.copy()
    drivers[:, Driver.SEED] += 17.0
    assert not roll(scenario).same(roll(replace(scenario, drivers=drivers)))


def test_segments_give_the_same_bytes_as_one_call():
    assert roll(mixed_scene()).same(roll(mixed_scene(), segments=(1, 7, 50, 51, 200)))


def test_a_far_away_agent_changes_nobody():
    alone = roll(mixed_scene())
    far = Agent(NOWHERE, 9.0, lane(-5000, -4000, -5000.0), driver={Driver.NOISE: 1.0})
    assert alone.same(roll(mixed_scene(extra=(far,))), slice(0, 11))


def test_order_of_agents_changes_nothing():
    scenario = mixed_scene()
    order = np.random.default_rng(4).permutation(len(scenario.tracks.ids))
    tracks, paths = scenario.tracks, scenario.paths
    pieces = [slice(paths.ptr[agent], paths.ptr[agent + 1]) for agent in order]
    shuffled = replace(
        scenario,
        tracks=replace(
            tracks,
            ids=tuple(tracks.ids[agent] for agent in order),
            **{
                name: getattr(tracks, name)[order]
                for name in ("kind", "size", "position", "heading", "velocity", "valid", "cues")
            },
        ),
        drivers=scenario.drivers[order],
        paths=replace(
            paths,
            points=np.concatenate([paths.points[piece] for piece in pieces]),
            limit=np.concatenate([paths.limit[piece] for piece in pieces]),
            ptr=np.concatenate(((0,), np.cumsum(np.diff(paths.ptr)[order]))).astype(np.int32),
        ),
    )
    assert roll(shuffled).same(roll(scenario), list(order))


def test_log_mode_is_the_recording_bit_by_bit():
    rng = np.random.default_rng(0)
    motion = np.cumsum(rng.normal(size=(300, 2)), axis=0)
    scenario = scene([Agent(motion=motion, present=(30, 200), path=lane(0, 100)), Agent((5.0, 5.0))])
    rolled = roll(scenario, "log")
    for name in ("position", "heading", "velocity", "valid"):
        np.testing.assert_array_equal(getattr(rolled, name), getattr(scenario.tracks, name)[:, scenario.start :])


def test_constant_velocity_keeps_velocity_and_heading():
    agents = [Agent((0.0, 0.0), 7.0, heading=0.5), Agent((9.0, 9.0), 3.0, heading=-1.0, present=(50, 90))]
    rolled = roll(scene(agents), "constant_velocity")
    assert (rolled.heading[0] == 0.5).all()
    np.testing.assert_allclose(
        rolled.position[0, -1], 0.1 * 279 * 7.0 * np.array((np.cos(0.5), np.sin(0.5))), atol=1e-9
    )
    assert np.flatnonzero(rolled.valid[1]).tolist() == list(range(30, 71))
    np.testing.assert_allclose(np.hypot(*(rolled.position[1, 70] - rolled.position[1, 30])), 12.0, atol=1e-9)


def test_unknown_mode_is_an_error():
    with pytest.raises(ScenarioError, match="expected log, idm or constant_velocity"):
        compile_traffic(scene([Agent()]), "reactive")


def test_unknown_population_is_an_error():
    with pytest.raises(ScenarioError, match="expected one of calm"):
        sample_drivers([CAR], np.random.default_rng(0), "wild")


def test_populations_differ_in_the_promised_direction():
    drawn = {name: sample_drivers([CAR] * 500, np.random.default_rng(3), name) for name in POPULATIONS}
    for column, sign in (
        (Driver.SPEED_FACTOR, 1),
        (Driver.HEADWAY, -1),
        (Driver.ACCELERATION, 1),
        (Driver.GAP_FACTOR, -1),
    ):
        calm, normal, bold = (drawn[name][:, column].mean() for name in ("calm", "normal", "assertive"))
        assert sign * calm < sign * normal < sign * bold
    assert drawn["erratic"][:, Driver.REACTION].mean() > drawn["normal"][:, Driver.REACTION].mean() + 0.29


def test_those_who_break_rules_are_faster_nearer_and_less_patient_than_the_assertive():
    kinds = [CAR] * 400 + [AgentKind.PEDESTRIAN] * 400
    bold, rude = (sample_drivers(kinds, np.random.default_rng(2), name) for name in ("assertive", "rule_breaking"))
    cars, walkers = slice(0, 400), slice(400, 800)
    assert (rude[cars, Driver.SPEED_FACTOR] >= bold[cars, Driver.SPEED_FACTOR]).all()
    for column in (Driver.HEADWAY, Driver.GAP_FACTOR, Driver.YELLOW_DECELERATION, Driver.COURTESY, Driver.PATIENCE):
        assert rude[cars, column].mean() < 0.85 * bold[cars, column].mean()
    careless = [(rows[walkers, Driver.COURTESY] < 0.05).mean() for rows in (bold, rude)]
    assert careless[1] > 0.2 > careless[0]


def test_drawing_one_more_kind_changes_no_other_driver():
    kinds = [CAR, AgentKind.BUS, AgentKind.PEDESTRIAN, CAR]
    first = sample_drivers(kinds, np.random.default_rng(1))
    second = sample_drivers([CAR, AgentKind.BICYCLE, AgentKind.TRUCK, CAR], np.random.default_rng(1))
    np.testing.assert_array_equal(first[[0, 3]], second[[0, 3]])


def test_rows_of_zeros_are_default_drivers():
    scenario = scene([Agent(path=lane(-10, 300)), Agent((30.0, 0.0), path=lane(0, 300), kind=AgentKind.BICYCLE)])
    world = compile_traffic(replace(scenario, drivers=np.zeros_like(scenario.drivers)), "idm")
    expected = default_drivers(scenario.tracks.kind)
    np.testing.assert_array_equal(np.delete(world.driver[:, :16], Driver.SEED, 1), np.delete(expected, Driver.SEED, 1))


def test_scripted_lead_brakes_when_the_ego_comes_near_and_not_before():
    order = (0, Trigger.EGO_ARRIVAL, 4.0, 120.0, 0.0, 99.0, Action.SPEED, 5.0, 2.0)
    agents = [Agent((60.0, 0.0), 8.0, lane(50, 700), 8.0)]
    plain = roll(scene(agents, ego=(0.0, 0.0, 0.0), ego_speed=8.0))
    scripted = roll(scene(agents, ego=(0.0, 0.0, 0.0), ego_speed=8.0, script=[order]))
    ego_front = 1.461 + 2.588 + 8.0 * 0.1 * np.arange(280)
    fires = int(np.flatnonzero((120.0 - ego_front) / 8.0 <= 4.0)[0])
    assert np.array_equal(plain.position[:, : fires + 1], scripted.position[:, : fires + 1])
    assert scripted.speed[0, fires + 20] == pytest.approx(2.0, abs=0.1)
    assert np.diff(scripted.speed[0]).min() == pytest.approx(-0.5, abs=0.01)


def test_scripted_event_fires_at_its_timeout():
    order = (0, Trigger.EGO_ARRIVAL, 1.0, 120.0, 0.0, 5.0, Action.SPEED, 3.0, 0.0)
    rolled = roll(scene([Agent((60.0, 0.0), 8.0, lane(50, 700), 8.0)], script=[order]))
    assert rolled.speed[0, 50] == pytest.approx(8.0, abs=0.05)
    assert rolled.speed[0, 90] == 0.0


def test_normal_action_gives_the_wheel_back():
    script = [
        (0, Trigger.TIME, 2.0, 0, 0, 2.0, Action.SPEED, 4.0, 0.0),
        (0, Trigger.TIME, 8.0, 0, 0, 8.0, Action.NORMAL, 0.0, 0.0),
    ]
    rolled = roll(scene([Agent((0.0, 0.0), 8.0, lane(-10, 700), 8.0)], script=script))
    assert rolled.speed[0, 75] == 0.0
    assert rolled.speed[0, -1] == pytest.approx(8.0, abs=0.3)


def test_script_never_pushes_anybody_into_a_lead():
    script = [(0, Trigger.TIME, 1.0, 0, 0, 1.0, Action.SPEED, 3.0, 15.0)]
    scenario = scene([Agent((0.0, 0.0), 8.0, lane(-10, 700)), Agent((60.0, 0.0))], script=script)
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    assert rolled.speed[0].max() > 9.0


def test_path_that_begins_ahead_is_joined_without_a_jump():
    rolled = roll(scene([Agent((-12.0, 0.8), 6.0, lane(0, 300))], steps=150))
    assert rolled.position[0, 1, 0] == pytest.approx(-11.4, abs=0.05)
    assert np.hypot(*np.diff(rolled.position[0], axis=0).T).max() < 1.5
    assert abs(rolled.position[0, -1, 1]) < 0.05
