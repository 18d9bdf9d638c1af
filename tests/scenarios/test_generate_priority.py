"""The reference keeps the rules of junctions: full stops, and time and room for those who go first."""

import numpy as np
import pytest

from drive.kernels.traffic_world import FAR
from drive.signals.ahead import course
from drive.signals.conflicts import find_conflicts
from drive.signals.road import Road
from drive.traffic import compile_traffic
from drive.vehicle import PACIFICA
from evaluation.curation.examine import drive_all
from evaluation.rules import find_rules, judge_rollout
from planners.registry import resolve
from scenarios.generate.build import restage
from scenarios.generate.priority import not_yet_stopped, owed
from scenarios.generate.search import STOPPED
from tests.scenarios.generated import scene

FEW = range(3)


@pytest.mark.parametrize("family", ["F06", "F12", "F14", "F17"])
def test_the_reference_breaks_no_rule_of_junctions(family: str) -> None:
    rules = [find_rules("intersection")]
    for index in FEW:
        made = scene(family, index)
        rollout = drive_all(made, [resolve("log_replay")], "log")["log_replay"][1]
        row = judge_rollout(rules, made, rollout)
        assert [name for name, verdict in row.items() if verdict == "violated"] == []


def test_claims_lie_where_the_rules_look_for_conflicts() -> None:
    checked = 0
    for family in ("F11", "F12", "F14", "F17"):
        for index in FEW:
            made = scene(family, index)
            task = restage(made)[1]
            road = Road(made)
            way = course(road)
            assert road.frame is not None and way is not None
            found = find_conflicts(road.map, made.lights, road.frame, way, PACIFICA.width, road.left_hand)
            # the frame of the rules begins elsewhere: what counts are lengths and distances
            theirs = sorted((item.begin - found[0].begin, item.end - item.begin) for item in found)
            ours = sorted((begin, end - begin) for begin, end, _, _ in task.claims)
            checked += len(theirs)
            for begin, length in theirs:
                assert any(
                    abs(own - ours[0][0] - (begin - theirs[0][0])) < 2.0 and own_length > length - 1.5
                    for own, own_length in ours
                )
    assert checked > 20


def test_those_who_go_first_come_through_the_common_stretch() -> None:
    seen = 0
    for index in FEW:
        made = scene("F12", index)
        task = restage(made)[1]
        found = owed(task.claimed, compile_traffic(made, "idm"))
        comes = found[..., 0] < FAR
        assert (found[comes][:, 1] > found[comes][:, 0]).all()
        seen += int(comes.any(axis=0).sum())
    assert seen >= 3


def test_a_stop_takes_three_seconds_within_a_metre_of_the_line() -> None:
    signs = np.array([[50.0, float(STOPPED)]])
    motion = np.zeros((41, 6))
    motion[:, 0] = 49.5 - PACIFICA.front
    assert not len(not_yet_stopped(signs, motion))
    assert not_yet_stopped(signs, motion[:11]).tolist() == [[50.0, STOPPED - 10.0]]
    motion[:, 0] -= 0.6
    assert not_yet_stopped(signs, motion).tolist() == [[50.0, float(STOPPED)]]
    motion[-1, 0] += 2.0
    assert not len(not_yet_stopped(signs, motion))  # already past it
