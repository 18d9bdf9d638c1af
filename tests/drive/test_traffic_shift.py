"""Moving sideways by order: smooth, exact, safe, and independent of orders about speed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive.drivers import Driver
from drive.errors import ScenarioError
from drive.scene import Action, AgentKind, Trigger
from tests.drive.traffic_scenes import Agent, lane, overlaps, roll, scene


def shift(agent: int, time: float, target: float, duration: float) -> tuple[float, ...]:
    return (agent, Trigger.TIME, time, 0.0, 0.0, time, Action.OFFSET, duration, target)


def speed(agent: int, time: float, target: float, rate: float) -> tuple[float, ...]:
    return (agent, Trigger.TIME, time, 0.0, 0.0, time, Action.SPEED, rate, target)


def driver(v: float = 10.0, x: float = 0.0, y: float = 0.0) -> Agent:
    return Agent((x, y), v, lane(-20, 900), v)


def test_an_offset_is_reached_in_its_time_and_kept():
    rolled = roll(scene([driver()], script=[shift(0, 2.0, 3.5, 4.0)]))
    y = rolled.position[0, :, 1]
    assert np.abs(y[:21]).max() < 1e-9
    assert y[40] == pytest.approx(1.75, abs=0.05)
    assert np.abs(y[61:] - 3.5).max() < 0.02
    assert np.all(np.diff(y[20:61]) >= 0.0)


def test_an_offset_of_zero_brings_back():
    rolled = roll(scene([driver()], script=[shift(0, 1.0, -3.0, 3.0), shift(0, 8.0, 0.0, 3.0)]))
    assert rolled.position[0, 75, 1] == pytest.approx(-3.0, abs=0.02)
    assert np.abs(rolled.position[0, 115:, 1]).max() < 0.02


@settings(max_examples=25, deadline=None)
@given(
    target=st.floats(-4.0, 4.0),
    duration=st.floats(0.0, 8.0),
    v=st.floats(0.0, 20.0),
    goal=st.floats(0.0, 15.0),
    again=st.floats(-4.0, 4.0),
    gap=st.floats(0.5, 6.0),
)
def test_bodies_move_where_they_point(target, duration, v, goal, again, gap):
    script = [shift(0, 1.0, target, duration), speed(0, 0.5, goal, 3.0), shift(0, 1.0 + gap, again, duration + 1.0)]
    rolled = roll(scene([driver(v)], steps=170, script=script))
    moved = np.diff(rolled.position[0], axis=0)
    way = np.hypot(*moved.T)
    assert np.all(np.abs(moved[:, 1]) <= 0.45 * way + 1e-9)
    fast = rolled.speed[0, 1:] > 1.0
    lag = np.arctan2(moved[fast, 1], moved[fast, 0]) - rolled.heading[0, 1:][fast]
    assert np.abs(lag).max(initial=0.0) < np.deg2rad(5.0)
    turning = np.abs(np.diff(rolled.heading[0, 1:])) / np.maximum(way[1:], 1e-3)
    assert turning[way[1:] > 0.05].max(initial=0.0) < 0.3


def test_who_stands_does_not_slide():
    rolled = roll(scene([driver(0.0)], script=[speed(0, 0.0, 0.0, 3.0), shift(0, 0.0, 3.5, 2.0)]))
    assert np.abs(rolled.position[0] - rolled.position[0, 0]).max() == 0.0
    assert np.abs(rolled.heading[0]).max() == 0.0


def test_a_slow_vehicle_needs_its_length_of_road():
    rolled = roll(scene([driver(2.0)], script=[shift(0, 1.0, 3.5, 1.0)]))
    slope = np.diff(rolled.position[0, :, 1]) / np.maximum(np.diff(rolled.position[0, :, 0]), 1e-6)
    assert slope.max() < 0.38
    assert rolled.position[0, -1, 1] == pytest.approx(3.5, abs=0.02)


@pytest.mark.parametrize("order", [Action.SPEED, Action.NORMAL])
def test_orders_about_speed_do_not_cancel_an_offset_nor_the_other_way_round(order):
    script = [speed(0, 1.0, 5.0, 2.0), shift(0, 1.5, 3.0, 4.0), (0, Trigger.TIME, 3.0, 0, 0, 3.0, order, 2.0, 4.0)]
    rolled = roll(scene([driver()], script=script))
    assert rolled.position[0, -1, 1] == pytest.approx(3.0, abs=0.02)
    assert rolled.speed[0, -1] == pytest.approx(4.0 if order == Action.SPEED else 10.0, abs=0.1)


def test_who_begins_beside_its_path_stays_there_by_order():
    agents = [driver(8.0, y=3.2), Agent((200.0, -2.4), 0.0, lane(180, 900), 8.0)]
    script = [shift(0, 0.0, 3.2, 0.0), shift(1, 0.0, -2.4, 0.0), speed(1, 0.0, 0.0, 3.0)]
    rolled = roll(scene(agents, script=script))
    assert np.abs(rolled.position[0, :, 1] - 3.2).max() < 0.02
    assert np.abs(rolled.position[1] - rolled.position[1, 0]).max() == 0.0
    pulls_out = [*script, shift(1, 4.0, 0.0, 3.0), (1, Trigger.TIME, 4.0, 0, 0, 4.0, Action.NORMAL, 0.0, 0.0)]
    assert roll(scene(agents, script=pulls_out)).position[1, -1, 1] == pytest.approx(0.0, abs=0.02)


def test_weaving_drivers_hold_their_new_line():
    agent = Agent((0.0, 0.0), 10.0, lane(-20, 900), 10.0, driver={Driver.NOISE: 1.0, Driver.LANE_BIAS: 0.4})
    rolled = roll(scene([agent], script=[shift(0, 2.0, 3.5, 3.0)]))
    settled = rolled.position[0, 80:, 1] - 3.5
    assert 0.01 < np.abs(settled).max() < 0.6


def test_a_lane_changer_keeps_behind_who_is_ahead_on_the_new_line():
    agents = [driver(12.0), Agent((60.0, 3.5), 0.0, lane(40, 900, 3.5), 5.0)]
    scenario = scene(agents, script=[shift(0, 0.5, 3.5, 4.0), speed(1, 0.0, 0.0, 3.0)])
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    assert rolled.position[0, -1, 1] == pytest.approx(3.5, abs=0.4)
    assert rolled.position[0, -1, 0] < 56.0


def test_a_lane_changer_does_not_brake_for_what_it_leaves_behind_in_time():
    agents = [driver(12.0), Agent((75.0, 0.0))]
    rolled = roll(scene(agents, script=[shift(0, 0.1, 3.5, 3.0)]))
    assert rolled.speed[0].min() > 11.0


def test_nobody_begins_to_move_into_somebody_beside():
    agents = [driver(10.0), Agent((1.0, 3.5), 10.0, lane(-20, 900, 3.5), 10.0)]
    script = [shift(0, 1.0, 3.5, 3.0), speed(1, 8.0, 6.0, 2.0)]
    scenario = scene(agents, steps=320, script=script)
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    assert np.abs(rolled.position[0, :80, 1]).max() < 0.1
    assert rolled.position[0, -1, 1] == pytest.approx(3.5, abs=0.05)


def test_walkers_swerve_too():
    walker = Agent((0.0, 0.0), 1.2, lane(-5, 100), 1.24, AgentKind.PEDESTRIAN)
    rolled = roll(scene([walker], script=[shift(0, 1.0, 1.0, 2.0)]))
    assert rolled.position[0, -1, 1] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    "row, word",
    [
        ((0, 5, 0, 0, 0, 0, Action.SPEED, 1.0, 0.0), "TRIGGER 5"),
        ((0, Trigger.TIME, 0, 0, 0, 0, 9, 1.0, 0.0), "ACTION 9"),
        ((0, Trigger.TIME, 0, 0, 0, 0, Action.OFFSET, -1.0, 0.0), "RATE -1"),
        ((3, Trigger.TIME, 0, 0, 0, 0, Action.OFFSET, 1.0, 0.0), "agent that does not exist"),
    ],
)
def test_scripts_that_mean_nothing_are_refused(row, word):
    with pytest.raises(ScenarioError, match=word):
        scene([driver()], script=[row])
