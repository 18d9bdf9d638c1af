"""Generated maps keep the invariants that metrics and traffic rely on; signals never let crossing traffic meet."""

import numpy as np
import pytest

from drive.map import Layer
from drive.scene import LightState
from scenarios.generate import FAMILIES
from scenarios.generate.checks import check_network, leaves_road, random_walk
from scenarios.generate.junction import Control, Kind, Movement
from scenarios.generate.signals import Phasing, draw_lights, phase_plan
from tests.scenarios.generated import setting

MANY = ("F01", "F18", "F26")
DRAWS = [(family, index) for family in FAMILIES for index in range(20 if family in MANY else 5)]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_invariant_of_the_topology_holds(family):  # type: ignore[no-untyped-def]
    draws = [index for name, index in DRAWS if name == family]
    broken = {index: problems for index in draws if (problems := check_network(setting(family, index).network))}
    assert broken == {}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_car_on_any_way_through_the_map_never_leaves_the_road(family):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(7)
    for index in [index for name, index in DRAWS if name == family]:
        network = setting(family, index).network
        for _ in range(3):
            outside = leaves_road(network, random_walk(network, rng, 300.0))
            assert len(outside) == 0, (family, index, outside[:3])


def test_a_broken_map_is_noticed():  # type: ignore[no-untyped-def]
    from dataclasses import replace

    network = next(item for index in range(20) if (item := setting("F26", index).network).junctions)
    lane = int(np.flatnonzero(~network.map.connector & (np.diff(network.map.successors_ptr) > 0))[0])
    curves = list(network.curves)
    curves[lane] = curves[lane] + np.array((1e-4, 0.0, 0.0, 0.0))
    assert any("from its successor" in text for text in check_network(replace(network, curves=tuple(curves))))
    shrunk = replace(network.map, ring=network.map.ring * 0.98)
    moved = replace(network, map=shrunk)
    assert any(len(leaves_road(moved, random_walk(moved, np.random.default_rng(seed), 300.0))) for seed in range(9))


def test_some_maps_drive_on_the_left():  # type: ignore[no-untyped-def]
    left = [setting(family, index).network.left_hand for family, index in DRAWS]
    assert 0.1 < np.mean(left) < 0.5
    for family, index in DRAWS:
        network = setting(family, index).network
        road = network.roads[0]
        ahead = network.curves[network.road_lanes[0, True, 0]][0]
        to_lane = ahead[:2] - road.curve[0, :2]
        lateral = np.cos(road.curve[0, 2]) * to_lane[1] - np.sin(road.curve[0, 2]) * to_lane[0]
        assert (lateral > 0) == network.left_hand


def test_lane_widths_and_limits_are_those_of_the_road_classes():  # type: ignore[no-untyped-def]
    for family, index in DRAWS:
        network = setting(family, index).network
        for road in network.roads:
            ring = road.start and road.end and network.junctions[road.start[0]].kind is Kind.ROUNDABOUT
            widest = 3.8 if family == "F20" else 3.75  # where one may pass a cyclist within a wide lane
            assert (4.2 <= road.section.width <= 6.0) if ring else (2.8 <= road.section.width <= widest)
            assert (2.9 if family == "F07" else 5.0) <= road.section.limit <= 25.0  # F07: that of its queue
            # A car at the limit stays within 2.5 m/s2 to the side on every road outside junctions and winding roads.
            if family == "F23" or ring:
                continue
            bend = np.abs(road.curve[:, 3]).max()
            assert road.section.limit**2 * bend <= 2.51


def test_roads_bend_as_clothoids():  # type: ignore[no-untyped-def]
    for family, index in DRAWS:
        if family == "F23":  # its bends are for less than the limit
            continue
        for road in setting(family, index).network.roads:
            steps = np.hypot(*np.diff(road.curve[:, :2], axis=0).T)
            assert (np.abs(np.diff(road.curve[:, 3])) / steps).max() * road.section.limit**3 <= 0.95


def test_junctions_have_an_intersection_and_towns_have_walkways():  # type: ignore[no-untyped-def]
    seen = 0
    for family, index in DRAWS:
        network = setting(family, index).network
        crossed = [item for item in network.junctions if item.kind is not Kind.SEAM]
        assert len(network.map.areas(Layer.INTERSECTION)) == len(crossed)
        assert len(network.map.areas(Layer.CROSSWALK)) == len(network.crossings)
        if all(road.section.walkway > 0 for road in network.roads):
            assert network.map.areas(Layer.WALKWAY)
        seen += len(network.junctions)
    assert seen > 20


def test_the_ego_is_staged_near_the_origin_with_its_way_ahead():  # type: ignore[no-untyped-def]
    for family, index in DRAWS:
        staged = setting(family, index)
        row = int(np.searchsorted(staged.way.arc, staged.arc))
        assert np.hypot(*staged.way.curve[row, :2]) < 250.0
        fastest = float(staged.way.limit.max()) * 1.05
        assert staged.way.length - staged.arc > 15.0 * fastest


def _signalled():  # type: ignore[no-untyped-def]
    for family, index in DRAWS:
        network = setting(family, index).network
        if any(junction.control is Control.SIGNAL for junction in network.junctions):
            yield network


def test_crossing_movements_are_never_green_together():  # type: ignore[no-untyped-def]
    checked = 0
    for network in _signalled():
        lights = draw_lights(network, 1500, np.random.default_rng(3))
        row_of = {int(lane): row for row, lane in enumerate(lights.lane)}
        for number, junction in enumerate(network.junctions):
            if junction.control is not Control.SIGNAL:
                continue
            for conflict in junction.conflicts:
                first, second = (junction.connectors[item] for item in (conflict.first, conflict.second))
                rows = [row_of[network.connector_lanes[number, item]] for item in (conflict.first, conflict.second)]
                # Permissive turns across oncoming traffic give way on green; nothing else may share it.
                if conflict.kind != "cross" or Movement.LEFT in (first.movement, second.movement):
                    continue
                if first.leg_in == second.leg_in:
                    continue
                open_ = lights.state[rows] != LightState.RED
                assert not (open_[0] & open_[1]).any()
                checked += 1
    assert checked > 20


def test_lights_go_from_green_over_yellow_to_red_and_back_to_green():  # type: ignore[no-untyped-def]
    allowed = {
        (LightState.GREEN, LightState.YELLOW),
        (LightState.YELLOW, LightState.RED),
        (LightState.RED, LightState.GREEN),
        (LightState.YELLOW, LightState.GREEN),  # one phase only: nothing to wait for
    }
    for network in _signalled():
        state = draw_lights(network, 1500, np.random.default_rng(4)).state
        for row in state:
            change = np.flatnonzero(np.diff(row))
            assert {(LightState(row[i]), LightState(row[i + 1])) for i in change} <= allowed
            lasting = np.diff(change)[row[change[:-1] + 1] == LightState.YELLOW]
            assert (lasting >= 39).all()  # yellow and the all-red behind it


def test_every_connector_of_a_signalled_junction_has_a_phase():  # type: ignore[no-untyped-def]
    for network in _signalled():
        for junction in network.junctions:
            for phasing in Phasing:
                members = [item for phase in phase_plan(junction, phasing) for item in phase]
                assert sorted(members) == list(range(len(junction.connectors)))
