"""Promises of the speed table: both sides of a line do the same work, and the contract of its output."""

import json

import numpy as np
import pytest
import shapely

from drive.geometry import box_corners
from drive.kernels.checks import off_road, overlapping
from drive.kernels.ground import compile_ground
from drive.map import Layer
from drive.scoring.navsim.scene import cache_token
from drive.simulator import Simulator
from evaluation import bench
from evaluation.avenue import OBJECTS, POLYGONS, avenue
from evaluation.metrics.epdms import score_plan
from evaluation.metrics.navsim_frames import make_frame
from evaluation.town import AGENTS, STEPS, town


def test_our_overlaps_are_those_of_the_peer() -> None:
    tracks = town(3).tracks
    samples = tracks.position.shape[1]
    ours = overlapping(tracks.position, tracks.heading, tracks.size, tracks.valid, 0, samples)
    boxes = bench.polygons(tracks.position, tracks.heading, tracks.size)
    first, second = np.triu_indices(AGENTS, 1)
    hits = shapely.intersects(boxes[first], boxes[second])
    theirs = np.zeros_like(ours)
    np.logical_or.at(theirs, first, hits)
    np.logical_or.at(theirs, second, hits)
    assert ours.any(), "cars that cross without looking should touch somewhere"
    assert np.array_equal(ours, theirs)


def test_our_road_test_is_that_of_the_peer() -> None:
    scene = town(4)
    tracks = scene.tracks
    heading = tracks.heading + 0.5  # some corners leave the narrow road
    samples = tracks.position.shape[1]
    ground = compile_ground(scene.map, (Layer.DRIVABLE,))
    ours = off_road(ground, tracks.position, heading, tracks.size, tracks.valid, 0, samples)
    road = shapely.union_all([shapely.Polygon(rings[0]) for rings in scene.map.areas(Layer.DRIVABLE)])
    corners = box_corners(tracks.position, heading, tracks.size[:, None])
    theirs = ~shapely.contains_xy(road, corners[..., 0], corners[..., 1]).all(axis=-1)
    assert ours.any() and not ours.all()
    assert np.array_equal(ours, theirs)


def test_the_town_is_busy_and_stays_on_its_roads() -> None:
    scene = town(0)
    simulator = Simulator([scene], "idm")
    plan = np.column_stack((4.0 * np.arange(1, 9), np.zeros(8), np.zeros(8)))
    while not simulator.done:
        simulator.step([plan], [0.5])
    (rollout,) = simulator.rollouts()
    assert rollout.position.shape == (AGENTS, STEPS + 1, 2) and rollout.valid.all()
    moved = np.linalg.norm(rollout.position[:, -1] - rollout.position[:, 0], axis=1)
    assert np.median(moved) > 20.0
    ground = compile_ground(scene.map, (Layer.DRIVABLE,))
    position, heading = rollout.position.astype(np.float64), rollout.heading.astype(np.float64)
    assert off_road(ground, position, heading, scene.tracks.size, rollout.valid, 0, STEPS + 1).mean() < 0.02


def test_json_keeps_the_contract() -> None:
    lines = [bench.Line("a", 2.0, "ms", "peer", 8.0, 4.0), bench.Line("b", 1.0, "s")]
    document = json.loads(bench.render(lines, "json"))
    assert [list(line) for line in document] == [["name", "value", "unit", "peer", "peer_value", "ratio"]] * 2
    assert document[1]["peer"] is None
    assert max(map(len, bench.render(lines).splitlines())) <= 160


@pytest.mark.slow
def test_the_whole_table_is_measured_and_the_closed_loop_is_fast_enough() -> None:
    lines = {line.name: line for line in bench.bench()}
    closed_loop = next(line for name, line in lines.items() if name.startswith("closed loop"))
    assert closed_loop.value > 200_000
    for line in lines.values():
        assert line.value > 0.0
        assert line.peer is None or (line.ratio or 0.0) > 1.0, f"{line.name} is slower than {line.peer}"
    assert lines["drive --help"].value < 0.5


def test_the_avenue_is_what_the_line_about_navsim_says() -> None:
    scene = avenue()
    token = cache_token(scene, scene.start)
    assert len(token.pdm_map.layer) == POLYGONS
    assert len(token.traffic.size) == OBJECTS
    assert len(token.pdm_map.polygons.ring) > 40 * POLYGONS
    assert np.isfinite(token.reference).all()
    score = score_plan(make_frame(scene, token, reactive=False), token.human)
    assert score.parts["drivable_area_compliance"] == 1.0
