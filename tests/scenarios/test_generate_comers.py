"""F19: a ball and then a child, and people on bicycles, out of the gaps that others walk out of."""

import numpy as np
import pytest

from drive.scene import AgentKind, Scenario
from scenarios.generate import Recipe, build
from scenarios.generate.families import FAMILY_BY_NAME
from scenarios.generate.families.f19_comers import BALL, CYCLIST
from scenarios.generate.knobs import draw_knobs
from tests.scenarios.generated import NAMESPACE, scene, touching


def some(who: int, count: int) -> list[int]:
    """The first indices at which somebody of this kind comes out."""
    knobs = FAMILY_BY_NAME["F19"].knobs
    drawn = ((index, draw_knobs(Recipe("F19", index, NAMESPACE), knobs)["who"]) for index in range(64))
    return [index for index, kind in drawn if kind == who][:count]


def onset(scenario: Scenario, row: int) -> int:
    """Step at which an agent begins to move."""
    return int(np.argmax(np.hypot(*scenario.tracks.velocity[row].T) > 0.15))


def ball_of(scenario: Scenario) -> int:
    (row,) = np.flatnonzero(scenario.tracks.kind == AgentKind.GENERIC_OBJECT)
    return int(row)


@pytest.mark.parametrize("index", some(BALL, 3))
def test_a_child_runs_after_the_ball(index):
    scenario = scene("F19", index)
    assert touching(scenario) == []
    (name,) = scenario.provenance["critical"]
    child, ball = scenario.tracks.ids.index(name), ball_of(scenario)
    assert scenario.tracks.kind[child] == AgentKind.PEDESTRIAN
    assert 3 <= onset(scenario, child) - onset(scenario, ball) <= 30
    crossed = scenario.tracks.position[ball, -1] - scenario.tracks.position[ball, 0]
    assert np.hypot(*crossed) > 4.0
    followed = scenario.tracks.position[child, -1] - scenario.tracks.position[child, 0]
    assert np.dot(crossed, followed) > 0.95 * np.hypot(*crossed) * np.hypot(*followed)


def test_in_the_twin_the_ball_lies_still():
    scenario = build(Recipe("F19", some(BALL, 1)[0], NAMESPACE, twin=True))
    assert not scenario.tracks.velocity[ball_of(scenario)].any()


@pytest.mark.parametrize("index", some(CYCLIST, 3))
def test_somebody_on_a_bicycle_comes_out_and_crosses(index):
    scenario = scene("F19", index)
    assert touching(scenario) == [] and scenario.occlusion
    (name,) = scenario.provenance["critical"]
    row = scenario.tracks.ids.index(name)
    assert scenario.tracks.kind[row] == AgentKind.BICYCLE
    assert onset(scenario, row) > scenario.start
    away = np.hypot(*np.moveaxis(scenario.tracks.position[row, :, None] - scenario.reference[:, :2], 2, 0))
    step, ego = np.unravel_index(int(away.argmin()), away.shape)
    assert away.min() < 1.0 and step < ego  # over the ego's way, before the reference is there
