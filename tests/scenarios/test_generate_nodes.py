"""Seams, turn pockets, ramps and roundabouts: their maps keep the invariants, and their traffic gives way."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive.map import Layer, StopCause
from scenarios.generate.checks import check_network, leaves_road, random_walk
from scenarios.generate.geometry import Float, blend, lengths, sideways
from scenarios.generate.junction import Kind, Section
from scenarios.generate.layout import ARTERIAL, COLLECTOR, Layout, draw_junction, draw_section, stub_length
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import ego_ways, shortest_way
from scenarios.generate.ramps import Nose, OnRamp, ramp_road
from scenarios.generate.roundabout import draw_roundabout
from scenarios.generate.seams import Seam, drop_length, same_lanes

SEEDS = st.integers(0, 2**32 - 1)
SLOW = settings(max_examples=12, deadline=None)


def _line(length: float) -> Float:
    return np.array(((length, 0.0, 0.0),))


def _pocket(rng: np.random.Generator) -> Layout | None:
    """Two lanes, a taper, a turn lane on the inside, a junction."""
    base = draw_section(ARTERIAL, rng, lanes=2)
    wide = replace(base, forward=3, median=max(base.median - base.width, 0.0))
    taper = float(rng.uniform(20.0, 40.0))
    shift = 0.5 * (base.width + wide.median - base.median)
    seam = Seam(base, wide, taper, shift, ((0, 0), (0, 1), (1, 2)), ((0, 0), (1, 1)))
    plan = draw_junction(base, ARTERIAL, rng)
    legs = (replace(plan.plans[0], section=wide.reversed(), left_only=1), *plan.plans[1:])
    if not any(leg.angle > 0.7 for leg in legs[1:]):
        return None
    stubs = {leg: _line(stub_length(legs[leg].section.limit)) for leg in range(1, len(legs)) if leg != plan.exit}
    junction = replace(plan, plans=legs)
    roads = (_line(150.0), _line(float(rng.uniform(30.0, 80.0))), _line(300.0))
    return Layout(base, roads, (seam, junction), None, ({}, stubs), bool(rng.random() < 0.5), True)


def _motorway(rng: np.random.Generator) -> tuple[Section, Section]:
    main = Section(int(rng.integers(1, 4)), 0, 3.6, 0.0, 0.5, 0.0, 0.0, 25.0, "motorway")
    return main, replace(main, forward=1, limit=14.0)


def _on_ramp(rng: np.random.Generator) -> Layout:
    main, ramp = _motorway(rng)
    parallel, taper = float(rng.uniform(60.0, 250.0)), float(rng.uniform(30.0, 90.0))
    merge = OnRamp(
        main, ramp, float(rng.uniform(1.5, 2.6)), float(rng.uniform(0.07, 0.13)), parallel, taper, 0.15, True
    )
    from_ramp = bool(rng.random() < 0.5)
    road = ramp_road(180.0, float(rng.uniform(35.0, 120.0)), float(rng.uniform(0.5, 1.3)), 14.0, to_nose=from_ramp)
    roads = (road, _line(400.0)) if from_ramp else (_line(400.0), road)
    return merge.layout(from_ramp, roads[0], roads[1], 400.0, bool(rng.random() < 0.5))


def _off_ramp(rng: np.random.Generator) -> Layout:
    main, ramp = _motorway(rng)
    nose = Nose(main, ramp, False, 2.0, 0.1, True)
    lanes = main.forward
    taper = Seam(main, nose.joined, 60.0, 0.0, (*((n, n) for n in range(lanes)), (lanes - 1, lanes)), ())
    road = ramp_road(200.0, 60.0, 1.0, 14.0, to_nose=False)
    road[:, 1:] *= -1.0  # it bends to the right as one drives
    return Layout(main, (_line(200.0), _line(120.0), road), (taper, nose), None, ({}, {1: _line(400.0)}), False, True)


def _drop(rng: np.random.Generator) -> Layout:
    lanes = int(rng.integers(2, 4))
    wide = draw_section(ARTERIAL, rng, lanes=lanes)
    inner = bool(rng.random() < 0.5)
    pairs = tuple((n, max(n - 1, 0) if inner else min(n, lanes - 2)) for n in range(lanes))
    taper = drop_length(wide.width, wide.limit)
    seam = Seam(wide, replace(wide, forward=lanes - 1), taper, 0.0, pairs, same_lanes(wide)[1])
    return Layout(wide, (_line(200.0), _line(300.0)), (seam,), None, ({},), bool(rng.random() < 0.5), True)


def _roundabout(rng: np.random.Generator) -> Layout | None:
    lanes = int(rng.integers(1, 3))
    section = draw_section(ARTERIAL if lanes == 2 else COLLECTOR, rng, lanes=lanes)
    legs = int(rng.integers(3, 6))
    radius = float(rng.uniform(13.0, 22.5) if lanes == 1 else rng.uniform(20.0, 30.0))
    plan = draw_roundabout(section, lanes, legs, int(rng.integers(1, legs)), radius, float(rng.random()), rng)
    if plan is None:
        return None
    stubs = {leg: _line(250.0) for leg in range(1, legs) if leg != plan.exit}
    return Layout(section, (_line(150.0), _line(300.0)), (plan,), None, (stubs,), bool(rng.random() < 0.5), True)


MAPS = {
    "pocket": _pocket,
    "on ramp": _on_ramp,
    "off ramp": _off_ramp,
    "lane drop": _drop,
    "roundabout": _roundabout,
}


def _network(kind: str, seed: int) -> Network | None:
    rng = np.random.default_rng(seed)
    layout = MAPS[kind](rng)
    return None if layout is None else build_network(layout, float(rng.uniform(-3.0, 3.0)), 100.0)


def _one(kind: str) -> Network:
    return next(network for seed in range(50) if (network := _network(kind, seed)) is not None)


@pytest.mark.parametrize("kind", MAPS)
@SLOW
@given(seed=SEEDS)
def test_every_map_keeps_the_invariants_and_its_cars_on_the_road(kind, seed):  # type: ignore[no-untyped-def]
    network = _network(kind, seed)
    if network is None:
        return
    assert check_network(network) == []
    assert len(leaves_road(network, random_walk(network, np.random.default_rng(seed), 300.0))) == 0
    assert ego_ways(network)


@pytest.mark.parametrize("kind", MAPS)
def test_most_draws_give_a_map(kind):  # type: ignore[no-untyped-def]
    assert sum(_network(kind, seed) is not None for seed in range(12)) >= 6


@pytest.mark.parametrize("kind", MAPS)
def test_a_roadblock_has_one_lane_count_and_one_limit(kind):  # type: ignore[no-untyped-def]
    network = _one(kind)
    vector_map = network.map
    for group in np.unique(vector_map.group[~vector_map.connector]):
        lanes = np.flatnonzero(vector_map.group == group)
        ends = [round(float(lengths(network.curves[lane])[-1])) for lane in lanes]
        assert len(set(vector_map.speed_limit[lanes])) == 1
        assert max(ends) - min(ends) < 30  # all of them from end to end


def test_seams_are_no_intersections_and_roundabouts_are_one_per_leg():  # type: ignore[no-untyped-def]
    for kind in ("on ramp", "lane drop", "off ramp"):
        assert not _one(kind).map.areas(Layer.INTERSECTION)
    network = _one("roundabout")
    assert len(network.map.areas(Layer.INTERSECTION)) == len(network.junctions)
    assert {junction.kind for junction in network.junctions} == {Kind.ROUNDABOUT}


def test_who_enters_a_roundabout_or_comes_from_a_ramp_gives_way():  # type: ignore[no-untyped-def]
    network = _one("roundabout")
    lines = network.map.stop_cause
    entries = sum(junction.legs[0].section.backward for junction in network.junctions)
    assert len(lines) == entries and set(lines) == {StopCause.YIELD}
    ramp = _one("on ramp")
    assert list(ramp.map.stop_cause) == [StopCause.YIELD]
    (lane,) = ramp.map.stop_lanes
    merging = [int(item) for item in ramp.map.lane_successors(int(lane))]
    assert ramp.map.left[lane] >= 0 or ramp.map.right[lane] >= 0
    (onto,) = ramp.map.lane_successors(merging[0])
    assert len(ramp.map.lane_predecessors(int(onto))) == 2


def test_from_every_leg_of_a_roundabout_one_reaches_every_other():  # type: ignore[no-untyped-def]
    network = _one("roundabout")
    roads = [number for number, road in enumerate(network.roads) if road.end is None or road.start is None]
    out = {n: (network.roads[n].end is None) for n in roads}
    for here in roads:
        starts = [
            lane for (road, forward, _), lane in network.road_lanes.items() if road == here and forward is not out[here]
        ]
        for there in roads:
            if here != there:
                goals = [
                    lane
                    for (road, forward, _), lane in network.road_lanes.items()
                    if road == there and forward is out[there]
                ]
                assert any(shortest_way(network, start, goals) is not None for start in starts)


def test_taper_lengths_are_those_of_the_formula():  # type: ignore[no-untyped-def]
    assert drop_length(3.5, 50 / 3.6) == pytest.approx(3.5 * 2500 / 155)
    assert drop_length(3.5, 80 / 3.6) == pytest.approx(3.5 * 80 / 1.6)
    assert drop_length(3.5, 60 / 3.6) <= drop_length(3.5, 65 / 3.6) <= drop_length(3.5, 70 / 3.6)


@SLOW
@given(length=st.floats(15.0, 90.0), shift=st.floats(-4.0, 4.0))
def test_a_curve_sideways_starts_and_ends_straight(length, shift):  # type: ignore[no-untyped-def]
    curve = sideways(length, shift)
    assert curve[-1, :2] == pytest.approx((length, shift))
    assert curve[[0, -1], 2:] == pytest.approx(np.zeros((2, 2)), abs=1e-12)
    heading = np.arctan2(np.diff(curve[:, 1]), np.diff(curve[:, 0]))
    assert np.abs(heading - 0.5 * (curve[1:, 2] + curve[:-1, 2])).max() < 0.01


def test_a_blend_meets_poses_and_curvatures():  # type: ignore[no-untyped-def]
    start, end = np.array((0.0, 0.0, 0.0, 0.0)), np.array((12.0, -5.0, -0.6, 1 / 15.0))
    curve = blend(start, end)
    assert curve is not None
    assert curve[0] == pytest.approx(start) and curve[-1] == pytest.approx(end)
    turned = np.diff(np.unwrap(curve[:, 2])) / np.diff(lengths(curve))
    assert np.abs(turned - 0.5 * (curve[1:, 3] + curve[:-1, 3])).max() < 0.02
