"""Compiled geometry agrees with shapely, an independent implementation."""

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drive.geometry import box_corners
from drive.kernels.geometry import (
    boxes_overlap,
    cumulative,
    point_at,
    point_in_ring,
    project,
    wrap,
)
from drive.kernels.ground import compile_ground, inside, outside_distance
from drive.map import Area, Layer, build_map

coordinate = st.floats(-8, 8, allow_nan=False)
angle = st.floats(-4, 4, allow_nan=False)
extent = st.floats(0.3, 6)
box = st.tuples(coordinate, coordinate, angle, extent, extent)


def polygon_of(values: tuple[float, float, float, float, float]) -> shapely.Polygon:
    x, y, heading, length, width = values
    return shapely.Polygon(box_corners((x, y), heading, (length, width)))


@settings(max_examples=300, deadline=None)
@given(box, box)
def test_box_overlap_agrees_with_polygons(first, second):
    ours, theirs = (
        boxes_overlap(*first, *second),
        polygon_of(first).intersects(polygon_of(second)),
    )
    if ours != theirs:  # only a rounding may separate the two
        assert polygon_of(first).distance(polygon_of(second)) < 1e-9
        assert polygon_of(first).intersection(polygon_of(second)).area < 1e-9


def test_touching_boxes_overlap():
    assert boxes_overlap(0.0, 0.0, 0.0, 4.0, 2.0, 4.0, 0.0, 0.0, 4.0, 2.0)
    assert not boxes_overlap(0.0, 0.0, 0.0, 4.0, 2.0, 4.001, 0.0, 0.0, 4.0, 2.0)


def test_wrapped_angles_are_half_open():
    assert wrap(np.pi) == -np.pi
    assert wrap(-np.pi) == -np.pi
    assert wrap(7.0) == pytest.approx(7.0 - 2 * np.pi)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000))
def test_projection_and_point_on_a_line_are_inverse(seed):
    rng = np.random.default_rng(seed)
    points = np.cumsum(rng.uniform(0.2, 2.0, (12, 2)), axis=0)
    ptr = np.array([0, len(points)], np.int32)
    arc = cumulative(points, ptr)
    line = shapely.LineString(points)
    at = rng.uniform(0, arc[-1])
    x, y, _ = point_at(points, arc, 0, len(points), at)
    assert line.distance(shapely.Point(x, y)) < 1e-9
    assert project(points, arc, 0, len(points), x, y)[0] == pytest.approx(at, abs=1e-9)
    away = rng.uniform(-5, 25, 2)
    _, lateral, _ = project(points, arc, 0, len(points), *away)
    assert abs(lateral) == pytest.approx(line.distance(shapely.Point(away)), abs=1e-9)


def test_lateral_offset_is_positive_to_the_left():
    points = np.array([[0.0, 0.0], [10.0, 0.0]])
    arc = cumulative(points, np.array([0, 2], np.int32))
    assert project(points, arc, 0, 2, 5.0, 1.0)[1] == 1.0
    assert project(points, arc, 0, 2, 5.0, -1.0)[1] == -1.0


def test_lines_go_on_straight_beyond_their_ends():
    points = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 5.0], [10.0, 5.0]])
    arc = cumulative(points, np.array([0, 4], np.int32))
    assert point_at(points, arc, 0, 4, -2.0) == pytest.approx((-2.0, 0.0, 0.0))
    assert point_at(points, arc, 0, 4, 18.0) == pytest.approx((10.0, 8.0, np.pi / 2))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_ground_agrees_with_shapely(seed):
    rng = np.random.default_rng(seed)
    areas, polygons = [], []
    for _ in range(rng.integers(1, 6)):
        centre = rng.uniform(-20, 20, 2)
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        spokes = np.stack((np.cos(angles), np.sin(angles)), axis=1)
        outer = centre + spokes * rng.uniform(4, 15, (9, 1))
        hole = centre + spokes[::-1] * 1.5
        shape = shapely.Polygon(outer, [hole])
        if not shape.is_valid:
            continue
        areas.append(Area(Layer.DRIVABLE, (outer, hole)))
        polygons.append(shape)
    assume(polygons)
    ground = compile_ground(build_map([], areas))
    union = shapely.unary_union(polygons)
    for x, y in rng.uniform(-45, 45, (200, 2)):
        point = shapely.Point(x, y)
        if union.boundary.distance(point) < 1e-9:
            continue
        assert inside(ground, x, y) == union.contains(point)
        assert outside_distance(ground, x, y) == pytest.approx(union.distance(point), abs=1e-9)


def test_no_area_means_outside_everywhere():
    ground = compile_ground(build_map([]))
    assert not inside(ground, 0.0, 0.0)
    assert outside_distance(ground, 0.0, 0.0) == np.inf


def test_even_odd_ring():
    ring = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    assert point_in_ring(ring, 0, 4, 1.0, 1.0)
    assert not point_in_ring(ring, 0, 4, 5.0, 1.0)
