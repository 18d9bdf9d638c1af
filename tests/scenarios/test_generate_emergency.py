"""F25: vehicles with their siren on that come through a junction although the ego has the right of way."""

import numpy as np
import pytest

from drive.scene import AgentKind, Cue, Scenario
from tests.scenarios.generated import scene, touching

SCENES = 12
SILENT = (2, 21, 43)  # scenes in which it has no siren on


@pytest.fixture(scope="module")
def emergencies() -> list[Scenario]:
    found = [scene("F25", index) for index in range(SCENES)]
    return [item for item in found if item.provenance["knobs"]["variant"]]


def rows_of(scenario: Scenario) -> list[int]:
    return np.flatnonzero(scenario.tracks.kind == AgentKind.EMERGENCY).tolist()


def crossing(scenario: Scenario, row: int) -> tuple[int, int, float]:
    """Steps at which the agent and the ego are where their drives come closest, and how close that is [m]."""
    away = np.hypot(*(scenario.tracks.position[row][:, None] - scenario.reference[None, :, :2]).T)
    ego, other = np.unravel_index(int(away.argmin()), away.shape)
    return int(other), int(ego), float(away.min())


def test_half_of_the_scenes_have_one_and_nobody_touches_anybody(emergencies):
    assert SCENES // 4 <= len(emergencies) <= 3 * SCENES // 4
    for scenario in emergencies:
        assert rows_of(scenario) and touching(scenario) == []


def test_a_siren_is_shown_before_its_driver_comes_through(emergencies):
    announced = 0
    for scenario in emergencies:
        for row in rows_of(scenario):
            shown = np.flatnonzero(scenario.tracks.cues[row] & Cue.INTENT)
            assert bool(len(shown)) == scenario.provenance["facts"]["siren"]
            other, _, gap = crossing(scenario, row)
            if len(shown) and gap < 1.0:
                assert (other - shown[0]) * 0.1 >= 1.0, scenario.id
                announced += 1
        for event in scenario.provenance["events"]:
            assert event.get("a_req", 0.0) <= 6.0 or event["h"] == 0.0 or event["cue_lead"] >= 1.0
    assert announced >= 2


def test_the_reference_lets_those_with_a_siren_pass(emergencies):
    first = []
    for scenario in emergencies:
        if not scenario.provenance["facts"]["siren"]:
            continue
        for row in rows_of(scenario):
            other, ego, gap = crossing(scenario, row)
            if gap < 1.0:
                first.append(other < ego)
    assert sum(first) >= 0.75 * len(first) and len(first) >= 2


@pytest.mark.parametrize("index", SILENT)
def test_one_without_siren_waits(index):
    scenario = scene("F25", index)
    (row,) = rows_of(scenario)
    assert not scenario.provenance["facts"]["siren"]
    assert np.hypot(*scenario.tracks.velocity[row].T).min() < 1.0 and crossing(scenario, row)[2] > 3.0
