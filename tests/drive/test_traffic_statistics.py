"""Traffic looks like the measured drives: gaps in following and at standstill; recorded scenes stay orderly."""

from pathlib import Path

import numpy as np
import pytest

from drive.drivers import Driver, sample_drivers
from drive.kernels.checks import overlapping
from drive.scene import AgentKind
from drive.traffic import derive_paths
from scenarios.nuscenes import prepare
from scenarios.store import Store
from tests.drive.traffic_scenes import Agent, overlaps, roll, scene
from tests.scenes import moving, straight_map, straight_scene

STEPS, SETTLED = 600, 250


def ring(seed: int, density: float, count: int = 24):
    """A one-lane ring with ``density`` vehicles per kilometre: (gaps, speeds, speed differences) ``[A, K+1]``."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice([AgentKind.CAR] * 7 + [AgentKind.BUS], count)
    drivers = sample_drivers(kinds, rng, "normal")
    radius = 1000.0 * count / density / (2 * np.pi)
    agents = []
    for number, kind in enumerate(kinds):
        angle = 2 * np.pi * number / count
        way = angle + np.arange(0.0, 4 * np.pi, 1.0 / radius)
        agents.append(
            Agent(
                (radius * np.cos(angle), radius * np.sin(angle)),
                5.0,
                radius * np.column_stack((np.cos(way), np.sin(way))),
                kind=AgentKind(int(kind)),
                heading=angle + np.pi / 2,
                driver={Driver(column): value for column, value in enumerate(drivers[number])},
            )
        )
    scenario = scene(agents, STEPS)
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    place = np.arctan2(rolled.position[..., 1], rolled.position[..., 0])
    lead = np.roll(np.arange(count), -1)
    length = scenario.tracks.size[:, 0]
    gap = ((place[lead] - place) % (2 * np.pi)) * radius - 0.5 * (length + length[lead])[:, None]
    window = slice(SETTLED, None)
    return gap[:, window], rolled.speed[:, window], (rolled.speed[lead] - rolled.speed)[:, window]


@pytest.fixture(scope="module")
def rings():
    return [
        np.concatenate(values) for values in zip(*(ring(n, d) for n, d in enumerate((35, 45, 60, 80))), strict=True)
    ]


def test_following_gaps_are_the_measured_ones(rings):
    gap, speed, difference = rings
    following = (speed > 2.0) & (gap < 4.0 * speed) & (np.abs(difference) < 1.5)
    times = gap[following] / speed[following]
    low, middle, high = np.quantile(times, (0.25, 0.5, 0.75))
    assert middle == pytest.approx(1.69, abs=0.2)  # eight real drives: 1.25, 1.69, 2.2
    assert low == pytest.approx(1.25, abs=0.25)
    assert high == pytest.approx(2.2, abs=0.3)


def test_free_flow_is_smooth(rings):
    speed = rings[1][:, ::5]
    acceleration = np.gradient(speed, 0.5, axis=1)
    assert 0.05 < acceleration.std() < 0.7
    assert np.abs(acceleration).max() < 4.0


def test_gaps_at_standstill_are_the_measured_ones():
    rng = np.random.default_rng(2)
    drivers = sample_drivers([AgentKind.CAR] * 60, rng, "normal")
    agents = []
    for number, values in enumerate(drivers):  # queues of five come up to a standing car
        place, y = number % 5, 50.0 * (number // 5)
        row = {Driver(column): value for column, value in enumerate(values)}
        path = np.column_stack((np.arange(-100.0, 300.0), np.full(400, y)))
        agents.append(Agent((-20.0 * place, y), 8.0, path, driver=row))
    agents += [Agent((100.0, 50.0 * queue)) for queue in range(12)]
    scenario = scene(agents, 600)
    rolled = roll(scenario)
    assert overlaps(rolled, scenario) == []
    assert rolled.speed[:, -1].max() < 0.4  # some close up
    x = rolled.position[:60, -1, 0].reshape(12, 5)
    gaps = np.concatenate((100.0 - x[:, :1], -np.diff(x, axis=1)), axis=1) - 4.6
    low, middle, high = np.quantile(gaps, (0.05, 0.5, 0.95))
    assert middle == pytest.approx(1.7, abs=0.3)  # real drives: 0.8, 1.7, 4.6
    assert 0.5 < low < 1.4
    assert 2.5 < high < 5.0


def test_recorded_ways_are_continued_through_successors():
    car = (AgentKind.CAR, (4.6, 1.9), moving((0.0, 0.3), 8.0))
    parked = (AgentKind.CAR, (4.6, 1.9), moving((30.0, 3.5), 0.0))
    off_lane = (AgentKind.CAR, (4.6, 1.9), moving((0.0, 60.0), 8.0))
    walker = (AgentKind.PEDESTRIAN, (0.7, 0.7), moving((0.0, -1.0), 1.2))
    scenario = straight_scene([car, parked, off_lane, walker], vector_map=straight_map(2000.0))
    paths = derive_paths(scenario)
    assert np.diff(paths.ptr).tolist()[1:] == [0, 0, 0]
    way = paths.points[: paths.ptr[1]]
    np.testing.assert_allclose(way[0], (0.0, 0.3), atol=0.01)
    assert way[-1, 0] > 64.0 + 190.0
    assert np.abs(way[-50:, 1]).max() < 0.01
    assert (paths.limit > 5.0).all()


def test_recorded_scenes_stay_orderly(nuscenes_mini: Path, tmp_path: Path):
    store = Store(tmp_path)
    for entry in prepare(nuscenes_mini, store, scenes=["scene-0796", "scene-1077", "scene-1094"]):
        scenario = store.get(entry.key)
        size, samples = scenario.tracks.size, scenario.horizon + 1
        driven, log = roll(scenario), roll(scenario, "log")
        drivers = np.diff(derive_paths(scenario).ptr) > 0
        assert drivers.sum() >= 5
        touching = overlapping(driven.position, driven.heading, size, driven.valid, 0, samples)[drivers]
        before = overlapping(log.position, log.heading, size, log.valid, 0, samples)[drivers]
        assert touching.sum() <= before.sum() + 0.002 * driven.valid[drivers].sum()
        ways = [(run.speed * run.valid)[drivers].sum() for run in (driven, log)]
        assert 0.6 < ways[0] / ways[1] < 1.4, "traffic neither jams nor races"
