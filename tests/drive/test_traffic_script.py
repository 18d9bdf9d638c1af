"""Scripts tied to the live ego: who drives slower does not escape."""

import numpy as np
import pytest

from drive.scene import Action, Trigger
from tests.drive.traffic_scenes import Agent, lane, roll, scene

EGO_FRONT = 1.461 + 2.588


def crosser(v: float = 8.0) -> Agent:
    """Comes from the right; its front is at the ego's way, 80 m ahead, after 60 m."""
    path = np.column_stack((np.full(200, 80.0), np.arange(-80.0, 120.0)))
    return Agent((80.0, -62.3), v, path, v, heading=np.pi / 2)


def meeting(after: float) -> tuple[float, ...]:
    return (0, Trigger.EGO_ARRIVAL, 8.0, 80.0, 0.0, 12.0, Action.MEET, 2.0, after)


def lateness(ego_speed: float, after: float, script: bool = True) -> float:
    """Time [s] by which the agent's front is later at (80, 0) than the ego's."""
    scenario = scene(
        [crosser()], ego=(-EGO_FRONT, 0.0, 0.0), ego_speed=ego_speed, script=[meeting(after)] if script else []
    )
    rolled = roll(scenario)
    front = rolled.position[0, :, 1] + 2.3
    mine = float(np.interp(0.0, front[rolled.valid[0]], 0.1 * np.flatnonzero(rolled.valid[0])))
    return mine - 80.0 / ego_speed


@pytest.mark.parametrize("ego_speed", [9.6, 10.6, 11.8])
@pytest.mark.parametrize("after", [-0.4, 0.5])
def test_who_is_to_meet_the_ego_comes_when_it_comes(ego_speed, after):
    assert lateness(ego_speed, after) == pytest.approx(after, abs=0.25)
    assert abs(lateness(ego_speed, after, script=False) - after) > 0.25 or ego_speed == 10.6


def test_who_is_to_meet_the_ego_hurries_no_more_than_15_percent():
    scenario = scene([crosser()], ego=(-EGO_FRONT, 0.0, 0.0), ego_speed=16.0, script=[meeting(0.0)])
    rolled = roll(scenario)
    assert rolled.speed[0, rolled.valid[0]].max() == pytest.approx(8.0 * 1.15, abs=0.05)
    slow = scene([crosser()], ego=(-EGO_FRONT, 0.0, 0.0), ego_speed=7.0, script=[meeting(0.0)])
    assert roll(slow).speed[0, :60].min() == pytest.approx(8.0 * 0.85, abs=0.05)


def test_who_has_met_the_ego_is_past_turning_back():
    scenario = scene([crosser()], ego=(-EGO_FRONT, 0.0, 0.0), ego_speed=10.6, script=[meeting(-0.8)])
    rolled = roll(scenario)
    front = rolled.position[0, :, 1] + 2.3
    after = rolled.valid[0] & (front > -6.0) & (front < 20.0)
    assert np.ptp(rolled.speed[0, after]) < 0.1


@pytest.mark.parametrize("ego_speed", [11.0, 14.0])
def test_an_order_fires_when_the_ego_is_so_far_behind(ego_speed):
    order = (0, Trigger.EGO_BEHIND, 12.0, 0.0, 0.0, 99.0, Action.OFFSET, 3.0, -3.5)
    scenario = scene(
        [Agent((60.0, 3.5), 8.0, lane(40, 900, 3.5), 8.0)], ego=(0.0, 0.0, 0.0), ego_speed=ego_speed, script=[order]
    )
    rolled = roll(scenario)
    gap = rolled.position[0, :, 0] - 2.3 - EGO_FRONT - ego_speed * 0.1 * np.arange(rolled.valid.shape[1])
    moved = int(np.flatnonzero(rolled.position[0, :, 1] < 3.5 - 1e-6)[0])
    assert gap[moved - 1] == pytest.approx(12.0, abs=1.0)


def test_an_ego_that_has_passed_fires_nothing():
    order = (0, Trigger.EGO_BEHIND, 12.0, 0.0, 0.0, 99.0, Action.SPEED, 3.0, 0.0)
    scenario = scene(
        [Agent((0.0, 3.5), 8.0, lane(-40, 900, 3.5), 8.0)], ego=(20.0, 0.0, 0.0), ego_speed=10.0, script=[order]
    )
    assert roll(scenario).speed[0, -1] == pytest.approx(8.0, abs=0.1)


def test_an_order_follows_the_one_before_it():
    script = [
        (0, Trigger.EGO_ARRIVAL, 2.0, 100.0, 0.0, 99.0, Action.SPEED, 3.0, 5.0),
        (1, Trigger.TIME, 0.5, 0.0, 0.0, 0.5, Action.SPEED, 3.0, 5.0),
        (0, Trigger.AFTER, 1.5, 0.0, 0.0, 99.0, Action.SPEED, 3.0, 9.0),
    ]
    agents = [Agent((300.0, 3.5), 8.0, lane(280, 900, 3.5), 8.0), Agent((300.0, 9.0), 8.0, lane(280, 900, 9.0), 8.0)]
    rolled = roll(scene(agents, ego=(0.0, 0.0, 0.0), ego_speed=10.0, script=script))
    slowed = int(np.flatnonzero(rolled.speed[0] < 8.0 - 1e-6)[0])
    hurried = int(np.flatnonzero(np.diff(rolled.speed[0]) > 1e-6)[0])
    assert slowed == pytest.approx(10.0 * (100.0 - EGO_FRONT - 20.0) / 10.0, abs=3)
    assert hurried - slowed == pytest.approx(15, abs=1)
