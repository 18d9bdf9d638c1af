"""Families about people and cars at the kerb, their twins without hazard, and what can be seen of them."""

from functools import cache

import numpy as np
import pytest
import torch

from drive.drivers import Driver
from drive.observation import Observation
from drive.scene import Action, AgentKind, Cue, Event, Scenario
from drive.signals import compute, prepare
from drive.simulator import Simulator
from drive.vehicle import Ego
from drive.visibility import visible_agents, walls
from scenarios.generate import Recipe, build
from scenarios.generate.families import FAMILY_BY_NAME
from scenarios.generate.kerbside import sight_speed
from scenarios.generate.knobs import draw_knobs
from scenarios.generate.setting import Draws
from tests.scenarios.generated import NAMESPACE, scene, setting

SCENES = range(4)
WITH_TWINS = ("F18", "F19", "F22")


@cache
def twin(family: str, index: int) -> Scenario:
    return build(Recipe(family, index, NAMESPACE, twin=True))


def first_look(scenario: Scenario) -> Observation:
    (seen,) = Simulator([scenario]).observe()
    assert seen is not None
    return seen


def moves(scenario: Scenario, row: int) -> bool:
    speed = np.hypot(*scenario.tracks.velocity[row].T)
    return bool((speed > 0.2).any())


@pytest.mark.parametrize("family", WITH_TWINS)
def test_nothing_in_the_first_frame_tells_a_hazard_from_its_twin(family):  # type: ignore[no-untyped-def]
    for index in SCENES:
        hazard, empty = first_look(scene(family, index)), first_look(twin(family, index))
        for name, value in hazard.arrays().items():
            if name != "agent_cues":
                np.testing.assert_array_equal(value, getattr(empty, name), err_msg=f"{family} {index} {name}")
        assert scene(family, index).group == twin(family, index).group


@pytest.mark.parametrize("family", WITH_TWINS)
def test_in_the_twin_nobody_does_it(family):  # type: ignore[no-untyped-def]
    for index in SCENES:
        hazard, empty = scene(family, index), twin(family, index)
        critical = [hazard.tracks.ids.index(name) for name in hazard.provenance["critical"]]
        assert critical
        assert hazard.occlusion and empty.occlusion
        for row in critical:
            assert moves(hazard, row)
            assert not moves(empty, empty.tracks.ids.index(hazard.tracks.ids[row]))
        assert empty.hardness == 0.0
        assert empty.provenance["twin"]


def test_who_darts_out_is_out_of_sight_until_then():
    for index in SCENES:
        scenario = scene("F19", index)
        tracks, ego = scenario.tracks, scenario.reference
        seen = visible_agents(
            scenario.ego_vehicle,
            ego,
            tracks.kind,
            tracks.size,
            tracks.position,
            tracks.heading,
            tracks.valid,
            walls(scenario.map),
        )
        (name,) = scenario.provenance["critical"]
        row = tracks.ids.index(name)
        begin = int(np.argmax(np.hypot(*tracks.velocity[row].T) > 0.15))
        assert seen[row, : scenario.start + 20].mean() < 0.3, scenario.id
        assert seen[row, begin:].any(), scenario.id


def test_the_reference_slows_down_before_the_cover_with_and_without_somebody_behind_it():
    for index in SCENES:
        knobs = draw_knobs(Recipe("F19", index, NAMESPACE), FAMILY_BY_NAME["F19"].knobs)
        for scenario in (scene("F19", index), twin("F19", index)):
            staged = FAMILY_BY_NAME["F19"].stage(
                knobs, Draws(Recipe("F19", index, NAMESPACE), scenario.provenance["attempt"])
            )
            assert staged is not None
            ((begin, end, cap),) = staged.caution
            first, last = (int(np.searchsorted(staged.way.arc, arc)) for arc in (begin + 1.0, end - 1.0))
            stretch = staged.way.curve[first:last, :2]
            gap = np.hypot(*np.moveaxis(scenario.reference[:, None, :2] - stretch, 2, 0)).min(axis=1)
            on_it = gap < 1.0
            assert on_it.any(), scenario.id
            assert scenario.reference[on_it, Ego.VX].max() < cap + 0.8, scenario.id


def test_sight_grows_with_the_gap_and_with_the_distance_to_the_row():
    speeds = [sight_speed(gap, distance) for gap in (0.5, 1.0, 2.0) for distance in (2.0, 3.0)]
    assert speeds == sorted(speeds)
    sight = 0.5 * 1.0 * 2.25 / 0.25  # the way d from which the middle of a 1 m gap is seen at 2 m
    v = sight_speed(1.0, 2.0)
    assert v * 0.5 + v * v / 10.0 == pytest.approx(sight)


def test_the_reference_never_enters_a_crossing_that_somebody_claims():
    for index in range(6):
        for scenario in (scene("F18", index), twin("F18", index)) if index in SCENES else (scene("F18", index),):
            tracks, now = scenario.tracks, slice(scenario.start, None)
            arrays = (tracks.position[:, now], tracks.heading[:, now], tracks.velocity[:, now], tracks.valid[:, now])
            ego = torch.from_numpy(scenario.reference[now].copy())[None]
            values = compute(("ped_crosswalk_distance",), prepare(scenario, *arrays), ego)
            assert float(values["ped_crosswalk_distance"].value.min()) >= 0.0, scenario.id


def test_nobody_who_only_stands_there_claims_a_crossing():
    for index in SCENES:
        scenario = twin("F18", index)
        tracks, now = scenario.tracks, slice(scenario.start, None)
        arrays = (tracks.position[:, now], tracks.heading[:, now], tracks.velocity[:, now], tracks.valid[:, now])
        ego = torch.from_numpy(scenario.reference[now].copy())[None]
        claimed = compute(("crosswalk_claimed",), prepare(scenario, *arrays), ego)["crosswalk_claimed"].value
        assert not bool((claimed > 0).any()), scenario.id


def test_who_pulls_out_ends_in_the_lane_and_the_others_stay():
    for index in SCENES:
        scenario = scene("F22", index)
        tracks = scenario.tracks
        (name,) = scenario.provenance["critical"]
        way = np.concatenate([scenario.map.lane_centerline(int(lane)) for lane in scenario.route])
        aside = np.hypot(*np.moveaxis(tracks.position[:, (0, -1), None] - way[:, :2], 3, 0)).min(axis=2)
        row = tracks.ids.index(name)
        assert aside[row, 0] > 2.5, scenario.id
        assert aside[row, 1] < 1.0, scenario.id
        held = {int(event[Event.AGENT]) for event in scenario.script if event[Event.ACTION] == Action.SPEED}
        freed = {int(event[Event.AGENT]) for event in scenario.script if event[Event.ACTION] == Action.NORMAL}
        assert freed == {row}
        assert not any(moves(scenario, other) for other in held - freed)
        assert (tracks.cues[row] & (Cue.INDICATOR_LEFT | Cue.INDICATOR_RIGHT)).any()


@pytest.mark.parametrize("family", WITH_TWINS)
def test_the_event_can_be_laid_over_another_street(family):  # type: ignore[no-untyped-def]
    able = 0
    for index in range(8):
        base = setting("F19" if family != "F19" else "F22", index)
        recipe = Recipe(family, index, NAMESPACE)
        knobs = draw_knobs(recipe, FAMILY_BY_NAME[family].knobs)
        laid_over = FAMILY_BY_NAME[family].overlay
        assert laid_over is not None
        result = laid_over(base, (base.event or 0.0) + 80.0, knobs, Draws(recipe, 0, "over."))
        if result is None:
            continue
        able += 1
        assert len(result.actors) > len(base.actors)
        assert all(0 <= event[Event.AGENT] < len(result.actors) for event in result.events)
        new = result.actors[len(base.actors) :]
        scripted = {int(event[Event.AGENT]) for event in result.events[len(base.events) :]}
        assert scripted <= set(range(len(base.actors), len(result.actors)))
        assert any(actor.critical for actor in new)
    assert able or family == "F18"  # few streets have a crossing at the right place


def test_walkers_of_these_families_walk_as_fast_as_people():
    for family in ("F18", "F19"):
        for index in SCENES:
            scenario = scene(family, index)
            walkers = scenario.tracks.kind == AgentKind.PEDESTRIAN
            assert (scenario.drivers[walkers, Driver.SPEED_FACTOR] < 3.0).all()
            assert np.hypot(*scenario.tracks.velocity[walkers].T).max(initial=0.0) < 3.3
