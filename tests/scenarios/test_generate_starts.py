"""Recovery starts: disturbed, driven back by the expert, and without teleports."""

from functools import cache

import numpy as np
import pytest

from drive.errors import ScenarioError
from drive.scene import DT, Scenario
from drive.vehicle import Ego
from evaluation.training import Collect
from planners.imitation.windows import windows_of
from scenarios.generate import Recipe, build
from scenarios.generate.build import recipe_of, restage
from scenarios.generate.families import FAMILY_BY_NAME
from scenarios.generate.starts import (
    INJECTED_OFFSET,
    INJECTED_PACE,
    SHARE,
    Disturbance,
    draw_disturbance,
    recovery,
    recovery_segment,
)
from scenarios.store import Store, scenario_digest
from tests.scenarios.generated import NAMESPACE, scene
from tests.scenes import straight_scene

PUSHED = Disturbance(offset=0.4, turn=0.03, pace=0.9, delay=0.3)
STEP = 20 + 40


@cache
def pushed() -> tuple[Scenario, Scenario]:
    """The first scene whose expert finds back from being pushed, before and after."""
    for index in range(4):
        before = scene("F26", index)
        after = recovery(before, STEP, PUSHED)
        if after is not None:
            return before, after
    raise AssertionError("in none of four scenes there is a way back")


def test_the_disturbance_is_the_one_asked_for_and_the_expert_returns() -> None:
    before, after = pushed()
    assert after.start == STEP
    heading = before.reference[STEP, Ego.HEADING]
    gap = after.reference[STEP, :2] - before.reference[STEP, :2]
    aside = gap @ (-np.sin(heading), np.cos(heading))
    assert aside == pytest.approx(PUSHED.offset, abs=0.1)
    assert after.reference[STEP, Ego.VX] == pytest.approx(PUSHED.pace * before.reference[STEP, Ego.VX], rel=0.02)
    driven, path = after.reference[STEP + 80 :, :2], before.reference[:, :2]
    nearest = np.hypot(*(driven[:, None] - path[None]).transpose(2, 0, 1)).min(axis=1)
    on_the_way = nearest[np.hypot(*(driven - path[-1]).T) > 5.0]
    assert (on_the_way < 0.75).all()


def test_pedals_do_nothing_new_during_the_delay() -> None:
    _, after = pushed()
    speed = after.reference[STEP : STEP + 4, Ego.VX]
    assert np.ptp(speed) == pytest.approx(0.0, abs=1e-9)


def test_nobody_is_teleported() -> None:
    before, after = pushed()
    steps = np.hypot(*np.diff(after.reference[:, :2], axis=0).T)
    assert (steps <= np.maximum(after.reference[1:, Ego.VX], after.reference[:-1, Ego.VX]) * DT * 1.1 + 0.05).all()
    tracks = after.tracks
    there = tracks.valid[:, 1:] & tracks.valid[:, :-1]
    jumps = np.hypot(*np.moveaxis(np.diff(tracks.position, axis=1), 2, 0))
    speed = np.hypot(*np.moveaxis(tracks.velocity, 2, 0))
    assert (np.where(there, jumps, 0.0) <= np.maximum(speed[:, 1:], speed[:, :-1]) * DT + 0.05).all()
    untouched = slice(0, STEP - 10)
    assert (after.reference[untouched] == before.reference[untouched]).all()
    after.validate()


def test_the_same_disturbance_gives_the_same_bytes() -> None:
    before, after = pushed()
    again = recovery(before, STEP, PUSHED)
    assert again is not None
    assert scenario_digest(again) == scenario_digest(after)


def test_about_a_fifth_of_training_scenes_carry_a_segment_within_its_bounds() -> None:
    found = [recovery_segment(build(Recipe("F26", index, "gen-train"))) for index in range(10)]
    there = [item for item in found if item is not None]
    assert 0 < len(there) <= 6
    assert SHARE == 0.2
    for item in there:
        facts = item.provenance["recovery"]
        assert abs(facts["offset"]) <= INJECTED_OFFSET
        assert abs(facts["pace"] - 1.0) <= INJECTED_PACE
        assert facts["delay"] == 0.0


def test_disturbances_are_drawn_as_specified() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_disturbance(rng) for _ in range(2000)]
    assert np.std([item.offset for item in drawn]) == pytest.approx(0.5, rel=0.1)
    assert np.rad2deg(np.std([item.turn for item in drawn])) == pytest.approx(3.0, rel=0.1)
    assert all(0.7 <= item.pace <= 1.25 and 0.2 <= item.delay <= 0.5 for item in drawn)


def test_an_ego_that_cannot_be_pushed_gets_no_recovery() -> None:
    before, _ = pushed()
    assert recovery(before, STEP, Disturbance(offset=9.0, turn=0.0, pace=1.0)) is None


def test_a_scene_that_was_searched_for_is_staged_again_at_its_point() -> None:
    recipe = Recipe("F26", 0, NAMESPACE, point=(0.3,) * len(FAMILY_BY_NAME["F26"].knobs))
    scenario = build(recipe)
    assert recipe_of(scenario) == recipe
    setting, _ = restage(scenario)
    assert len(setting.actors) - scenario.provenance["removed"] == len(scenario.tracks.ids)
    assert recipe_of(scene("F26", 0)) == Recipe("F26", 0, NAMESPACE)


def test_the_samples_of_a_training_scene_hold_those_of_its_recovery() -> None:
    collect = Collect(Store(), every=20)
    scenario, segment = next(
        (item, segment)
        for index in range(10)
        if (segment := recovery_segment(item := build(Recipe("F26", index, "gen-train")))) is not None
    )
    samples = collect.samples(scenario)
    alone = windows_of(scenario, 20)
    assert len(samples.arc) == len(alone.arc) + len(windows_of(segment, 20).arc)
    np.testing.assert_array_equal(samples.arc[: len(alone.arc)], alone.arc)


def test_recorded_scenes_have_no_expert_to_ask() -> None:
    with pytest.raises(ScenarioError, match="not generated"):
        recovery_segment(straight_scene([], speed=5.0))
    with pytest.raises(ScenarioError, match="generator"):
        recovery(straight_scene([], speed=5.0), 30, PUSHED)
