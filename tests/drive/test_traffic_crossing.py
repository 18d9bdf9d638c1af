"""Traffic where paths cross: nobody collides, everybody gets through, pedestrians are let across."""

from dataclasses import replace

import numpy as np
import pytest

from drive.drivers import Driver, sample_drivers
from drive.map import Area, Lane, Layer, build_map
from drive.scene import Action, AgentKind, Trigger
from tests.drive.traffic_scenes import Agent, lane, overlaps, roll, scene
from tests.scenes import straight_map

CAR, WALKER = AgentKind.CAR, AgentKind.PEDESTRIAN


def turned(path: np.ndarray, quarter: int) -> np.ndarray:
    """A path turned counter-clockwise about the origin by quarters of a circle."""
    c, s = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarter % 4]
    return path @ np.array(((c, s), (-s, c)))


def movement(leg: int, turn: str) -> np.ndarray:
    """A way through a four-leg junction at the origin, on the right, 3.5 m lanes: entering from the given leg."""
    enter = lane(-90, -10, -1.75)
    if turn == "straight":
        way = lane(-90, 90, -1.75)
    else:
        side, radius = (1, 11.75) if turn == "left" else (-1, 8.25)
        angle = np.linspace(0, np.pi / 2, 20)[1:]
        arc = np.column_stack((-10 + radius * np.sin(angle), -1.75 + side * radius * (1 - np.cos(angle))))
        out = arc[-1] + np.column_stack((np.zeros(80), side * np.arange(1.0, 81.0)))
        way = np.concatenate((enter, arc, out))
    return turned(way, leg)


def junction(seed: int, per_leg: int = 4, steps: int = 420):
    """Streams from four legs into an unsigned junction, drivers of any population, random turns."""
    rng = np.random.default_rng(seed)
    kinds = [int(rng.choice([CAR, CAR, CAR, AgentKind.BUS, AgentKind.BICYCLE])) for _ in range(4 * per_leg)]
    drivers = sample_drivers(kinds, rng, str(rng.choice(["calm", "normal", "assertive", "mixed", "erratic"])))
    agents = []
    for number, kind in enumerate(kinds):
        leg, place = number % 4, number // 4
        path = movement(leg, str(rng.choice(["straight", "left", "right"])))
        back = 84.0 - 20.0 * place - rng.uniform(0, 4)
        agents.append(
            Agent(
                tuple(turned(np.array([[-back, -1.75]]), leg)[0]),
                rng.uniform(0, 5) if kind != AgentKind.BICYCLE else 3.0,
                path,
                5.0 if kind == AgentKind.BICYCLE else 9.0,
                AgentKind(kind),
                leg * np.pi / 2,
                {Driver(column): value for column, value in enumerate(drivers[number])},
            )
        )
    return scene(agents, steps)


@pytest.mark.parametrize("seed", range(24))
def test_crossing_streams_never_collide_and_never_jam(seed):
    scenario = junction(seed, steps=1000)
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    assert not rolled.valid[:, -1].any(), "everybody has left by the end of its path"


def crossing_map(marked: bool):
    road = straight_map(2000.0)
    if not marked:
        return road
    lanes = [
        Lane(road.lane_ids[number], road.lane_centerline(number), road.lane_polygon(number))
        for number in range(road.lanes)
    ]
    zebra = np.array([[58.0, -3.0], [62.0, -3.0], [62.0, 3.0], [58.0, 3.0]])
    return build_map(lanes, [Area(Layer.CROSSWALK, (zebra,))])


def walker(speed: float = 0.0, **driver: float) -> Agent:
    path = np.column_stack((np.full(25, 60.0), np.arange(-12.0, 13.0)))
    row = {Driver[name]: value for name, value in driver.items()}
    return Agent((60.0, -4.5), speed, path, 1.3, WALKER, np.pi / 2, row)


def test_driver_lets_a_pedestrian_cross_on_a_marked_crossing():
    scenario = scene([Agent((0.0, 0.0), 10.0, lane(-10, 600)), walker(1.3)], vector_map=crossing_map(True))
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    crossed = int(np.flatnonzero(rolled.position[1, :, 1] > 2.0)[0])
    passed = int(np.flatnonzero(rolled.position[0, :, 0] > 60.0)[0])
    assert crossed < passed
    assert crossed < 80
    assert rolled.speed[0, -1] > 8.0


def test_pedestrian_waits_for_a_gap_where_there_is_no_crossing():
    agents = [Agent((-25.0 * n, 0.0), 10.0, lane(-100, 900), 10.0) for n in range(3)]
    scenario = scene([*agents, walker(1.3)])
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    assert rolled.speed[:3].min() > 8.0
    last_car = int(np.flatnonzero(rolled.position[2, :, 0] > 60.0)[0])
    entered = int(np.flatnonzero(rolled.position[3, :, 1] > -1.3)[0])
    assert entered > last_car


def test_hesitant_pedestrian_pauses_once_and_is_not_run_over():
    scenario = scene(
        [Agent((0.0, 0.0), 10.0, lane(-10, 600)), walker(1.3, START_LOSS=1.5)], vector_map=crossing_map(True)
    )
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    on_road = (np.abs(rolled.position[1, :, 1]) < 2.0) & rolled.valid[1]
    pause = 0.1 * (rolled.speed[1, on_road] < 0.4).sum()
    assert 0.9 < pause < 2.5
    assert rolled.position[1, rolled.valid[1]][-1, 1] > 5.0


def test_pedestrian_does_not_step_in_front_of_a_fast_ego():
    scenario = scene([walker(1.3)], ego=(20.0, 0.0, 0.0), ego_speed=10.0, vector_map=crossing_map(True))
    rolled = roll(scenario)
    ego_front = 20.0 + 1.461 + 2.588 + 1.0 * np.arange(len(rolled.speed[0]))
    near = (ego_front > 60.0 - 1.0) & (ego_front < 60.0 + 6.0)
    assert (np.abs(rolled.position[0, near, 1]) > 1.4).all()
    assert np.flatnonzero(rolled.position[0, :, 1] > 2.0).size > 0


def test_straight_goes_before_the_left_turn_of_the_oncoming():
    row = {Driver.SEED: 5.0}
    agents = [
        Agent((-45.0, -1.75), 9.0, movement(0, "straight"), 9.0, driver=row),
        Agent((45.0, 1.75), 9.0, movement(2, "left"), 9.0, heading=np.pi, driver=row),
    ]
    scenario = scene(agents)
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    assert rolled.speed[0, :100].min() > 8.0
    assert rolled.speed[1, :100].min() < 6.0


def test_the_one_from_the_right_goes_first():
    agents = [
        Agent((-40.0, -1.75), 8.0, movement(0, "straight"), 8.0),
        Agent((1.75, -40.0), 8.0, movement(1, "straight"), 8.0, heading=np.pi / 2),
    ]
    scenario = scene(agents)
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    assert rolled.speed[1, :80].min() > 7.0
    assert rolled.speed[0, :80].min() < 6.0


def test_nobody_enters_a_junction_whose_exit_is_blocked():
    blocker = Agent((12.0, -1.75))
    across = Agent((1.75, -60.0), 8.0, movement(1, "straight"), 8.0, heading=np.pi / 2)
    scenario = scene([Agent((-45.0, -1.75), 8.0, movement(0, "straight"), 8.0), blocker, across])
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    passed = int(np.flatnonzero(rolled.position[2, :, 1] > 8.0)[0])
    assert rolled.position[0, passed, 0] + 2.3 < 0.5


def test_merging_streams_become_one_queue():
    ramp = np.concatenate((np.column_stack((np.arange(-130.0, 0.0), np.arange(-130.0, 0.0) * 0.15)), lane(0, 400)))
    for seed in range(6):
        rng = np.random.default_rng(seed)
        agents = []
        for n in range(4):
            agents.append(Agent((-45.0 - 18 * n - rng.uniform(0, 6), 0.0), 8.0, lane(-140, 400), 10.0))
            x = -45.0 - 18 * n - rng.uniform(0, 6)
            agents.append(Agent((x, 0.15 * x), 8.0, ramp, 10.0, heading=float(np.arctan(0.15))))
        scenario = scene(agents, 500)
        rolled = roll(scenario)
        assert overlaps(rolled, scenario) == []
        at = [int(np.flatnonzero(x > 5.0)[0]) for x in rolled.position[:, :, 0]]
        assert max(at) < 400, "nobody is left waiting"
        order = [number % 2 for number in np.argsort(at)]
        assert order not in ([0] * 4 + [1] * 4, [1] * 4 + [0] * 4), "one stream must not hold back the other"


def test_twin_without_script_is_identical_until_the_trigger():
    scenario = junction(3)
    order = np.array([[2, Trigger.TIME, 4.0, 0, 0, 4.0, Action.SPEED, 6.0, 0.0]])
    plain, scripted = roll(scenario), roll(replace(scenario, script=order))
    assert np.array_equal(plain.position[:, :41], scripted.position[:, :41])
    assert not np.array_equal(plain.position[2, 41:], scripted.position[2, 41:])
