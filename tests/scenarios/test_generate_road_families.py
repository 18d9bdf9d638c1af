"""Families that live on maps of their own: lane changes, merges, lane drops, roundabouts, winding roads."""

import numpy as np
import pytest

from drive.map import Layer
from drive.scene import DT
from drive.vehicle import Ego
from scenarios.generate import FAMILIES
from scenarios.generate.junction import Kind
from tests.scenarios.generated import scene, setting, touching

OWN = ("F05", "F06", "F07", "F17", "F23", "F24")
FEW = range(3)


@pytest.mark.parametrize("family", OWN)
def test_the_reference_drives_its_way_and_nobody_touches_anybody(family):  # type: ignore[no-untyped-def]
    assert family in FAMILIES
    for index in FEW:
        built = scene(family, index)
        assert touching(built) == []
        assert float(built.reference[built.start :, Ego.VX].sum()) * DT > 25.0


@pytest.mark.parametrize("family", ["F05", "F06", "F07", "F17"])
def test_decisions_say_how_large_the_best_gap_is(family):  # type: ignore[no-untyped-def]
    for index in range(8):
        slack = setting(family, index).slack
        assert slack is not None and 1.0 <= slack <= 1.8


def test_the_exit_of_f05_is_some_lanes_away_from_the_ego():  # type: ignore[no-untyped-def]
    for index in range(8):
        staged = setting("F05", index)
        width = staged.network.roads[0].section.width
        assert abs(staged.side) == pytest.approx(staged.facts["away"] * width)
        # The exit lies on the outer side of the road, the ego further in.
        assert np.sign(staged.side) == -staged.network.side
        assert {round(abs(item.offset), 1) for item in staged.beside} >= {round(abs(staged.side), 1)}
        assert staged.way.lanes[-1] == staged.network.road_lanes[staged.network.corridor[-1], True, 0]


def test_the_reference_of_f05_gets_into_the_lane_of_its_exit():  # type: ignore[no-untyped-def]
    for index in FEW:
        built = scene("F05", index)
        exit_lane = built.map.lane_centerline(int(built.route[1]))
        away = np.hypot(*(built.reference[built.start :, None, :2] - exit_lane[None, :, :2]).T).min()
        assert away < 1.0


def test_f24_stages_a_rule_and_what_breaking_it_meets():  # type: ignore[no-untyped-def]
    seen = set()
    for index in range(16):
        staged = setting("F24", index)
        rule, network = staged.facts["rule"], staged.network
        seen.add(rule)
        if rule == "turn only":
            # The ego's lane leads elsewhere than its way, and those who turn off stand there.
            assert abs(staged.side) > 2.8
            assert any(abs(item.offset - staged.side) < 0.3 for item in staged.beside)
            assert sum(actor.role == "queue" for actor in staged.actors) > 2
        elif rule == "one way":
            straight = next(leg for leg in network.junctions[0].legs if not leg.section.forward)
            ahead = np.cos(straight.mouth[2] - staged.way.curve[np.searchsorted(staged.way.arc, staged.event), 2])
            assert ahead > 0.8
            assert any(actor.role == "flow" for actor in staged.actors)
        elif rule == "u turn":
            (turner,) = [actor for actor in staged.actors if actor.critical]
            assert network.roads[0].section.forward == 2 and turner.speed == 0.0
        else:
            assert not network.map.borrow_allowed.any()
            assert any(actor.role == "slow" and actor.critical for actor in staged.actors)
    assert seen == {"turn only", "one way", "no overtaking", "u turn"}


def test_two_streams_of_f06_and_f07_become_one():  # type: ignore[no-untyped-def]
    for family in ("F06", "F07"):
        for index in range(8):
            staged = setting(family, index)
            merged = staged.way.lanes[-1]
            assert len(staged.network.map.lane_predecessors(merged)) == 2
            assert staged.event is not None and staged.way.begin[-2] < staged.event < staged.way.begin[-1]


def test_the_file_beside_the_ego_of_f07_drives_and_comes_to_the_taper_with_it():  # type: ignore[no-untyped-def]
    # It used to stand since the warm-up, because the ego's file had the right to go first.
    for index in FEW:
        built = scene("F07", index)
        roles = built.provenance["roles"]
        row = built.tracks.ids.index(next(name for name, role in roles.items() if role == "abreast"))
        assert np.hypot(*built.tracks.velocity[row, built.start]) > 0.7 * built.provenance["facts"]["queue_speed"]
        away = np.hypot(*(built.tracks.position[row, built.start] - built.reference[built.start, :2]))
        assert away < 20.0


def test_the_ego_of_f17_gives_way_at_a_ring_and_leaves_it():  # type: ignore[no-untyped-def]
    for index in range(8):
        staged = setting("F17", index)
        network = staged.network
        assert all(junction.kind is Kind.ROUNDABOUT for junction in network.junctions)
        groups = [network.map.group_ids[network.map.group[lane]] for lane in staged.way.lanes]
        assert groups[0] == "r0f" and groups[-1] == f"r{network.corridor[-1]}f"
        assert len(staged.way.lanes) == 3 + 2 * staged.facts["leave"]
        assert staged.event is not None and staged.way.begin[1] < staged.event < staged.way.begin[2]


def test_bends_of_f23_are_too_tight_for_the_limit():  # type: ignore[no-untyped-def]
    hidden = 0
    for index in range(8):
        staged = setting("F23", index)
        limit = max(road.section.limit for road in staged.network.roads)
        bend = max(float(np.abs(road.curve[:, 3]).max()) for road in staged.network.roads)
        assert limit**2 * bend > 1.3
        assert bend <= 1 / 11.9
        hidden += bool(staged.network.map.areas(Layer.OCCLUDER))
        assert staged.occlusion
    assert hidden >= 4


def test_the_reference_slows_down_for_the_bends_of_f23():  # type: ignore[no-untyped-def]
    for index in FEW:
        built = scene("F23", index)
        assert np.abs(built.reference[:, Ego.AY]).max() < 3.2
        assert built.reference[:, Ego.VX].min() < 0.95 * built.reference[:, Ego.VX].max()
