"""Families at junctions: what the ego, its reference and the others may and may not do there."""

import numpy as np
import pytest
import shapely

from drive.map import Layer, StopCause
from drive.scene import DT, LightState, Scenario
from drive.vehicle import PACIFICA, Ego
from scenarios.generate import Recipe, build
from scenarios.generate.families import FAMILY_BY_NAME
from scenarios.generate.junction import Control, Movement
from scenarios.generate.network import is_major
from scenarios.generate.paths import meeting_arc
from scenarios.generate.priority import sign_arcs
from scenarios.generate.signals import Phasing, SignalPlan, draw_lights
from tests.scenarios.generated import NAMESPACE, scene, setting

AT_JUNCTIONS = ("F11", "F12", "F13", "F14", "F15", "F16")
FEW = range(4)


def _front(scenario: Scenario, way) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Arc length [m] of the reference's front along its way ``[T]``."""
    states = scenario.reference
    gaps = np.hypot(*(way.curve[:, None, :2] - states[None, :, :2]).transpose(2, 0, 1))
    return way.arc[gaps.argmin(axis=0)] + PACIFICA.front


@pytest.mark.parametrize("family", AT_JUNCTIONS)
def test_a_family_at_a_junction_gives_scenes_that_pass_their_own_checks(family: str):  # type: ignore[no-untyped-def]
    for index in FEW:
        made = scene(family, index)
        made.validate()
        assert made.family == family


def _stopped_scenes() -> list[tuple[Scenario, object, float]]:
    found = []
    for family in ("F12", "F14"):
        for index in range(6):
            staged = setting(family, index)
            signs = sign_arcs(staged.network, staged.way)
            if len(signs):
                found.append((scene(family, index), staged, float(signs[0])))
    return found


def test_the_reference_stands_for_three_seconds_in_the_metre_before_a_stop_sign():  # type: ignore[no-untyped-def]
    seen = _stopped_scenes()
    assert len(seen) >= 2
    for made, staged, line in seen:
        if made.provenance["attempt"] != 0:
            continue  # another draw than the one staged here
        front = _front(made, staged.way)  # type: ignore[attr-defined]
        if front[-1] <= line:
            continue
        standing = made.reference[:, Ego.VX] < 0.1
        assert (standing & (front > line - 1.3) & (front <= line + 0.3)).sum() >= 31


def test_the_ego_of_a_minor_crossing_gives_way_to_every_other_leg_of_the_major_road():  # type: ignore[no-untyped-def]
    for index in FEW:
        network = setting("F12", index).network
        junction = network.junctions[0]
        assert not is_major(junction, 0)
        assert sum(is_major(junction, leg) for leg in range(len(junction.legs))) == 2


def test_stop_signs_all_round_stand_on_every_leg_and_no_sign_on_none():  # type: ignore[no-untyped-def]
    kinds = set()
    for index in range(8):
        network = setting("F14", index).network
        junction = network.junctions[0]
        causes = network.map.stop_cause
        if junction.control is Control.ALL_WAY:
            assert (causes == StopCause.STOP_SIGN).sum() == len(junction.legs)
        else:
            assert not np.isin(causes, (StopCause.STOP_SIGN, StopCause.YIELD)).any()
        kinds.add(junction.control)
    assert kinds == {Control.ALL_WAY, Control.NONE}


def test_a_left_turn_waits_beyond_the_line_but_before_the_oncoming_lane():  # type: ignore[no-untyped-def]
    from scenarios.generate.reference import junction_places

    for index in FEW:
        staged = setting("F11", index)
        waits, boxes = junction_places(staged.network, staged.way)
        assert max(waits) > staged.way.begin[1]
        assert max(waits) < boxes[0, 0]


def test_the_light_shows_what_a_plan_asks_for_from_the_moment_it_names():  # type: ignore[no-untyped-def]
    staged = setting("F15", 0)
    lane = staged.way.lanes[1]
    for begins in (LightState.GREEN, LightState.YELLOW, LightState.RED):
        for phasing in Phasing:
            plan = SignalPlan(0, lane, begins, 9.0, green=15.0, others=8.0, phasing=phasing)
            lights = draw_lights(staged.network, 230, np.random.default_rng(1), (plan,))
            state = lights.state[list(lights.lane).index(lane)]
            step = round(9.0 / DT)
            assert state[step + 1] == begins
            assert state[step - 2] != begins


def test_a_violator_has_no_green_and_the_ego_has():  # type: ignore[no-untyped-def]
    checked = 0
    for index in range(8):
        staged = setting("F16", index)
        if not staged.signals:
            continue
        lights = draw_lights(staged.network, 230, np.random.default_rng(1), staged.signals)
        state = {int(lane): row for lane, row in zip(lights.lane, lights.state, strict=True)}
        assert (state[staged.way.lanes[1]][50:] == LightState.GREEN).all()
        checked += 1
    assert checked


def test_a_twin_is_the_same_scene_in_which_the_violator_stops():  # type: ignore[no-untyped-def]
    hazards = [index for index in range(8) if scene("F16", index).provenance["facts"]["hazard"]]
    assert hazards
    one = scene("F16", hazards[0])
    twin = build(Recipe("F16", hazards[0], NAMESPACE, twin=True))
    assert not twin.provenance["facts"]["hazard"]
    assert twin.group == one.group
    if one.provenance["attempt"] == twin.provenance["attempt"]:
        assert np.array_equal(one.map.centerline, twin.map.centerline)


def test_the_reference_never_stands_in_the_way_of_crossing_traffic():  # type: ignore[no-untyped-def]
    from scenarios.generate.reference import junction_places

    for family in AT_JUNCTIONS:
        made, staged = scene(family, 0), setting(family, 0)
        if made.provenance["attempt"] != 0:
            continue
        _, boxes = junction_places(staged.network, staged.way)
        front = _front(made, staged.way)
        rear = front - PACIFICA.length
        standing = made.reference[:, Ego.VX] < 0.1
        for begin, end in boxes:
            inside = standing & (front > begin + 1.5) & (rear < end - 1.0)
            assert inside.sum() * DT < 2.0


def test_gaps_contain_the_one_that_will_do():  # type: ignore[no-untyped-def]
    from scenarios.generate.crossing_flow import draw_gaps

    rng = np.random.default_rng(5)
    for _ in range(50):
        times = draw_gaps(rng, 5.0, 20.0, 3.0, 0.45, 4.0, 7.0, 6.0)
        gaps = np.diff(times)
        assert 5.0 in times
        assert np.isclose(gaps, 7.0).sum() == 1
        assert gaps[~np.isclose(gaps, 7.0)].max() < 4.001


def test_everybody_who_turns_against_the_ego_has_somebody_straight_on_to_fear():  # type: ignore[no-untyped-def]
    for index in FEW:
        staged = setting("F13", index)
        lane = {value: key for key, value in staged.network.connector_lanes.items()}[staged.way.lanes[1]]
        assert staged.network.junctions[0].connectors[lane[1]].movement is Movement.RIGHT
        assert any(meeting_arc(staged.way, item.line) is not None for item in staged.network.crossings)


def test_families_at_junctions_are_registered_with_at_most_fourteen_knobs():  # type: ignore[no-untyped-def]
    for family in AT_JUNCTIONS:
        assert len(FAMILY_BY_NAME[family].knobs) <= 14


def test_drivers_who_have_the_right_of_way_do_not_slow_down_for_an_ego_that_stops():  # type: ignore[no-untyped-def]
    kept = []
    for index in FEW:
        made, staged = scene("F12", index), setting("F12", index)
        if made.provenance["attempt"] != 0:
            continue
        before = int(np.flatnonzero(_front(made, staged.way) <= staged.way.begin[1])[-1])
        for row, name in enumerate(made.tracks.ids):
            if staged.actors[int(name.split("-")[1])].role == "flow":
                speed = np.hypot(*made.tracks.velocity[row, : before + 1][made.tracks.valid[row, : before + 1]].T)
                kept.append(float(speed.min() / speed[0]))
    assert len(kept) > 5
    assert np.quantile(kept, 0.25) > 0.7


def test_violators_from_the_side_are_in_the_way_of_an_ego_that_drives_on():  # type: ignore[no-untyped-def]
    late = [
        abs(event["dta"])
        for index in range(8)
        for event in scene("F16", index).provenance["events"]
        if event["kind"] == "crossing" and event["role"] == "violator"
    ]
    assert len(late) >= 3
    assert np.median(late) < 0.5


def test_who_turns_across_the_ego_crosses_its_way_and_the_indicator_promises_nothing():  # type: ignore[no-untyped-def]
    events = [event for index in range(6) for event in scene("F16", index).provenance["events"]]
    assert {event["kind"] for event in events} <= {"crossing", "none"}  # not somebody who comes the ego's way
    assert all(event["cue_lead"] == 0.0 for event in events if event["kind"] == "crossing")


def test_buildings_stand_beside_the_road_and_some_scenes_have_them():  # type: ignore[no-untyped-def]
    built = 0
    for family in ("F12", "F14", "F16"):
        for index in FEW:
            made = scene(family, index)
            assert made.occlusion
            road = shapely.union_all([shapely.Polygon(rings[0], rings[1:]) for rings in made.map.areas(Layer.DRIVABLE)])
            for rings in made.map.areas(Layer.OCCLUDER):
                built += 1
                assert not shapely.Polygon(rings[0]).intersects(road)
    assert built >= 6
