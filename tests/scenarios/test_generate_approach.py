"""Egos that set off shortly before the scene, orders timed to them, and what counts as the beginning of an event."""

from dataclasses import replace

import numpy as np
import pytest

from drive.scene import DT, AgentKind
from drive.vehicle import PACIFICA, Ego
from scenarios.generate.approach import NOW, Approach, approach_of
from scenarios.generate.conflicts import Occupancy
from scenarios.generate.hardness import _onset, nominal_motion
from scenarios.generate.reference import ego_path
from tests.scenarios.generated import scene, setting

FAMILIES = ("F18", "F19", "F22", "F25")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_drive_foreseen_is_the_one_by_which_events_are_measured(family):
    for index in range(2):
        scenario, staged = scene(family, index), setting(family, index)
        if scenario.provenance["attempt"] or scenario.reference[0, Ego.VX] > 9.0:
            continue  # staged with another draw
        foreseen = approach_of(staged)
        nominal = nominal_motion(scenario, staged, ego_path(staged.way, staged.style))
        within = slice(0, 60)
        assert np.abs(foreseen.speeds[NOW:][within] - nominal[within, 1]).max() < 1.0
        assert np.abs(foreseen.arcs[NOW:][within] - nominal[within, 0]).max() < 3.0


@pytest.mark.parametrize("family", ("F18", "F19", "F22"))
def test_egos_begin_slowly_and_arrive_when_they_should(family):
    for index in range(6):
        staged = setting(family, index)
        drive = approach_of(staged)
        assert 2.0 < drive.speeds[NOW] < 0.62 * float(staged.way.limit.max())
        assert staged.event is not None
        assert 4.0 < drive.time(staged.event) < 10.0


def test_a_trigger_reads_more_than_the_time_that_is_left_while_the_ego_gathers_speed():
    clock = DT * np.arange(240)
    speed = np.minimum(np.maximum(1.0 + 1.2 * (clock - 3.0), 1.0), 12.0)
    drive = Approach(np.cumsum(speed) * DT, speed, 0.0)
    place = float(drive.arcs[NOW + 50]) + PACIFICA.front
    assert drive.time(place) == pytest.approx(5.0, abs=0.11)
    assert drive.estimate(place, 3.0, 13.9) > 3.3
    cruising = Approach(10.0 * clock, np.full(240, 10.0), 0.0)
    assert cruising.estimate(100.0 + PACIFICA.front, 3.0, 13.9) == pytest.approx(3.0, abs=0.11)


def test_who_rides_straight_on_has_begun_before_the_egos_way_bends_towards_them():
    """The ego's way bending is no motion of the cyclist's: they are known when they will not stop any more."""
    found = [
        (scenario, event)
        for scenario in (scene("F13", index) for index in range(8))
        for event in scenario.provenance["events"]
        if event.get("role") == "right_hook" and event["kind"] == "crossing" and event["h"] > 0.0
    ]
    assert len(found) >= 3
    for scenario, event in found:
        row = scenario.tracks.ids.index(event["agent"])
        assert scenario.tracks.kind[row] == AgentKind.BICYCLE
        assert event["a_req"] < 6.5
    assert np.median([event["a_req"] for _, event in found]) < 5.0


def test_who_comes_over_begins_by_coming_over():
    scenario = scene("F13", 0)
    row = int(np.flatnonzero(scenario.tracks.kind < AgentKind.PEDESTRIAN)[0])
    count = scenario.horizon + 1
    aside = np.concatenate((np.full(30, 3.5), np.linspace(3.5, 0.0, 30), np.zeros(count - 60)))
    inside = aside < 2.0
    taken = Occupancy(
        np.where(inside, 20.0, 1e9), np.where(inside, 25.0, 1e9), np.full(count, 0.99), aside,
        np.arange(count) * 1.0, np.full(count, 10.0), inside,
    )  # fmt: skip
    moved = scenario.tracks.position.copy()
    moved[row, scenario.start :, 0] = np.arange(count)
    moved[row, scenario.start :, 1] = aside
    heading = scenario.tracks.heading.copy()
    heading[row] = 0.0
    moved_scenario = replace(scenario, tracks=replace(scenario.tracks, position=moved, heading=heading))
    assert abs(_onset(moved_scenario, row, taken) - 30) <= 2
