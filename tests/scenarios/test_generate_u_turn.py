"""F24: somebody at the far kerb turns round into the ego's lane."""

import numpy as np
import pytest

from drive.geometry import wrap_angle
from drive.scene import Cue, Scenario
from scenarios.generate import Recipe
from scenarios.generate.families import FAMILY_BY_NAME
from scenarios.generate.families.f24_legality import U_TURN
from scenarios.generate.families.f24_u_turn import TIGHTEST
from scenarios.generate.knobs import draw_knobs
from tests.scenarios.generated import NAMESPACE, scene, touching


@pytest.fixture(scope="module")
def turns() -> list[Scenario]:
    knobs = FAMILY_BY_NAME["F24"].knobs
    drawn = [draw_knobs(Recipe("F24", index, NAMESPACE), knobs)["rule"] for index in range(40)]
    return [scene("F24", index) for index, rule in enumerate(drawn) if rule == U_TURN][:4]


def row_of(scenario: Scenario) -> int:
    (name,) = scenario.provenance["critical"]
    return scenario.tracks.ids.index(name)


def test_it_stands_the_other_way_and_drives_the_egos_way_in_the_end(turns):
    assert len(turns) == 4
    for scenario in turns:
        assert touching(scenario) == []
        heading, ego = scenario.tracks.heading[row_of(scenario)], scenario.reference[:, 2]
        assert abs(wrap_angle(heading[0] - ego[0])) > 2.5, scenario.id
        assert abs(wrap_angle(heading[-1] - ego[-1])) < 0.2, scenario.id


def test_no_car_turns_more_tightly_than_cars_do(turns):
    for scenario in turns:
        row = row_of(scenario)
        turned = np.abs(wrap_angle(np.diff(scenario.tracks.heading[row])))
        driven = np.hypot(*np.diff(scenario.tracks.position[row], axis=0).T)
        moving = driven > 0.1
        assert (driven[moving] / np.maximum(turned[moving], 1e-6)).min() > 0.9 * TIGHTEST, scenario.id


def test_it_gets_ready_before_it_turns_and_others_stay(turns):
    for scenario in turns:
        tracks, row = scenario.tracks, row_of(scenario)
        speed = np.hypot(tracks.velocity[..., 0], tracks.velocity[..., 1])
        ready = (tracks.cues & Cue.INTENT) > 0
        assert int(ready[row].argmax()) <= int(np.argmax(speed[row] > 0.0)), scenario.id
        shown = ready.any(axis=1) & (np.arange(len(ready)) != row) & (tracks.kind == tracks.kind[row])
        assert not (speed[shown] > 0.05).any(), scenario.id
