"""Cues of simulated traffic follow what happens, not a recorded clock."""

from dataclasses import replace

import numpy as np
import pytest

from drive.scene import Action, AgentKind, Cue, Event, Paths, Scenario, Trigger
from drive.simulator import Simulator
from drive.traffic import compile_traffic
from tests.scenes import START, moving, straight_scene

WALKER, CAR = AgentKind.PEDESTRIAN, AgentKind.CAR


def scene(kind: AgentKind, points: np.ndarray, script: list[tuple[float, ...]], speed: float = 0.0) -> Scenario:
    """One agent at the beginning of its path, an ego at 10 m/s."""
    heading = float(np.arctan2(*(points[1] - points[0])[::-1]))
    size = (0.6, 0.6) if kind == WALKER else (4.6, 1.9)
    limit = 1.4 if kind == WALKER else 14.0
    return straight_scene(
        [(kind, size, moving(tuple(points[0]), speed, heading))],
        paths=Paths(points, np.full(len(points), limit), np.array((0, len(points)), np.int32)),
        script=np.array(script, np.float64),
    )


def shown(scenario: Scenario, speed: float, cue: Cue, traffic: str = "idm") -> np.ndarray:
    """Where a planner that sees every step sees a cue of the agent ``[K]``, if the ego drives at ``speed``."""
    simulator = Simulator([scenario], traffic, replan_interval=0.1)  # type: ignore[arg-type]
    plan = np.column_stack((0.1 * speed * np.arange(1, 41), np.zeros(40), np.zeros(40)))
    found = []
    while not simulator.done:
        (seen,) = simulator.observe()
        found.append(bool(seen.agent_cues[0, -1] & cue))
        simulator.step([plan], [0.1])
    return np.array(found)


def crosser(lead: float) -> Scenario:
    """Steps off when the ego is 2 s away from x = 60 m, and shows it ``lead`` seconds earlier."""
    points = np.column_stack((np.full(41, 60.0), np.linspace(-6.0, 14.0, 41)))
    place = (60.0, 0.0)
    return scene(
        WALKER,
        points,
        [
            (0, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0),
            (0, Trigger.EGO_ARRIVAL, 2.0 + lead, *place, 60.0, Action.CUE, 1.0, Cue.INTENT),
            (0, Trigger.EGO_ARRIVAL, 2.0, *place, 60.0, Action.SPEED, 2.0, 1.4),
        ],
    )


@pytest.mark.parametrize("speed", [10.0, 7.0])
def test_a_walker_announces_the_step_it_takes_for_this_ego(speed):  # type: ignore[no-untyped-def]
    scenario = crosser(1.0)
    cue = np.flatnonzero(shown(scenario, speed, Cue.INTENT))
    simulator = Simulator([scenario], "idm")
    while not simulator.done:
        simulator.step([np.column_stack((0.1 * speed * np.arange(1, 41), np.zeros((40, 2))))], [0.1])
    rollout = simulator.rollouts()[0]
    sets_off = int(np.argmax(np.hypot(*rollout.velocity[0].T) > 0.1))
    assert sets_off > 15
    assert 7 <= sets_off - cue[0] <= 13  # a second before
    assert 7 <= cue[-1] - sets_off <= 12  # and a second after
    assert (np.diff(cue) == 1).all()


def test_an_ego_that_never_comes_is_shown_nothing():
    assert not shown(crosser(1.0), 0.0, Cue.INTENT).any()


def test_the_recording_decides_where_traffic_is_replayed():
    scenario = crosser(1.0)
    assert not shown(scenario, 10.0, Cue.INTENT, "log").any()
    cues = scenario.tracks.cues.copy()
    cues[0, START + 10 : START + 20] = Cue.INTENT
    replayed = replace(scenario, tracks=replace(scenario.tracks, cues=cues))
    assert np.flatnonzero(shown(replayed, 3.0, Cue.INTENT, "log")).tolist() == list(range(10, 20))


def test_a_false_cue_is_shown_for_a_while_and_moves_nobody():
    points = np.column_stack((np.full(41, 60.0), np.linspace(-6.0, 14.0, 41)))
    rows = [
        (0, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0),
        (0, Trigger.EGO_ARRIVAL, 3.0, 60.0, 0.0, 60.0, Action.CUE, 2.0, Cue.INTENT),
    ]
    scenario = scene(WALKER, points, rows)
    seen = np.flatnonzero(shown(scenario, 10.0, Cue.INTENT))
    assert len(seen) == 20
    assert len(compile_traffic(scenario, "idm").script) == 1  # announcements are no orders


def test_brake_lights_shine_while_one_brakes_or_stands():
    points = np.column_stack((np.linspace(0.0, 250.0, 251) + 30.0, np.full(251, 3.5)))
    rows = [(0, Trigger.TIME, 2.0, 0.0, 0.0, 2.0, Action.SPEED, 3.0, 0.0)]
    seen = shown(scene(CAR, points, rows, speed=9.0), 5.0, Cue.BRAKE_LIGHT)
    assert not seen[5:20].any()
    assert seen[24:].all()


def test_who_will_turn_indicates_before_the_place_and_not_at_a_time():
    turn = np.linspace(0.0, np.pi / 2, 25)
    straight = np.column_stack((np.arange(40.0, 90.0, 0.5), np.full(100, 3.5)))
    bow = np.column_stack((90.0 + 8.0 * np.sin(turn), 3.5 + 8.0 * (1.0 - np.cos(turn))))
    away = np.column_stack((np.full(120, 98.0), np.arange(12.0, 72.0, 0.5)))
    way = np.concatenate((straight, bow[1:], away))
    orders = [[(0, 0, 0, 0, 0, 0, Action.SPEED, 3.0, pace)] for pace in (8.0, 5.0)]
    first, later = (
        int(np.flatnonzero(shown(scene(CAR, way, order, 8.0), 0.0, Cue.INDICATOR_LEFT))[0]) for order in orders
    )
    assert 90.0 - 28.0 < 40.0 + 0.8 * first < 90.0 - 28.0 + 13.0
    assert later > first + 10


def test_announcements_of_recorded_scenes_without_paths_stay_recorded():
    scenario = straight_scene([(CAR, (4.6, 1.9), moving((30.0, 3.5), 0.0))])
    assert not shown(scenario, 5.0, Cue.BRAKE_LIGHT).any()


def test_a_cue_is_a_row_like_any_other():
    assert (crosser(1.0).script[:, Event.ACTION] == Action.CUE).sum() == 1
