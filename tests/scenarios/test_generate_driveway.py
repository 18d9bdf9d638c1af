"""F22: cars that come out of a driveway between parked cars or hedges."""

import numpy as np
import pytest

from drive.drivers import Driver
from drive.scene import AgentKind, Cue, Scenario
from scenarios.generate import Recipe, build
from tests.scenarios.generated import NAMESPACE, scene, touching

SCENES = 14


@pytest.fixture(scope="module")
def driveways() -> list[Scenario]:
    places = [scene("F22", index) for index in range(SCENES)]
    return [item for item in places if item.provenance["facts"].get("place") == "driveway"]


def angle_to_lane(scenario: Scenario, row: int, step: int) -> tuple[float, float]:
    """Angle [deg] between an agent and the ego's way beside it, and how far it is from that way [m]."""
    way = np.concatenate([scenario.map.lane_centerline(int(lane)) for lane in scenario.route])
    away = np.hypot(*(way[:, :2] - scenario.tracks.position[row, step]).T)
    turned = scenario.tracks.heading[row, step] - way[away.argmin(), 2]
    return float(np.degrees(np.abs(np.arctan2(np.sin(turned), np.cos(turned))))), float(away.min())


def test_it_stands_across_the_kerb_and_ends_in_the_lane(driveways):
    assert len(driveways) >= SCENES // 5
    for scenario in driveways:
        assert touching(scenario) == []
        (name,) = scenario.provenance["critical"]
        row = scenario.tracks.ids.index(name)
        turned, away = angle_to_lane(scenario, row, 0)
        assert 80.0 < turned < 100.0 and away > 3.5, scenario.id
        turned, away = angle_to_lane(scenario, row, -1)
        assert turned < 10.0 and away < 1.0, scenario.id
        assert scenario.drivers[row, Driver.COURTESY] == 0.0


def test_it_gets_ready_before_it_moves_and_others_stay(driveways):
    for scenario in driveways:
        tracks = scenario.tracks
        speed = np.hypot(tracks.velocity[..., 0], tracks.velocity[..., 1])
        ready = (tracks.cues & Cue.INTENT).any(axis=1) & (tracks.kind == AgentKind.CAR)
        (name,) = scenario.provenance["critical"]
        row = tracks.ids.index(name)
        assert int(np.argmax(tracks.cues[row] & Cue.INTENT)) <= int(np.argmax(speed[row] > 0.0)), scenario.id
        assert not (speed[ready & (np.arange(len(ready)) != row)] > 0.05).any()


def test_in_the_twin_it_stays(driveways):
    index = driveways[0].provenance["index"]
    empty = build(Recipe("F22", index, NAMESPACE, twin=True))
    row = empty.tracks.ids.index(driveways[0].provenance["critical"][0])
    assert not (np.hypot(*empty.tracks.velocity[row].T) > 0.0).any()
    assert empty.hardness == 0.0
