"""Point and box against polygons: the answers of exact arithmetic and of shapely, on the boundary too."""

from fractions import Fraction

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from numpy.typing import NDArray

from drive.kernels.rings import Polygons, inside_polygon, ring_meets_box, side, strictly_inside
from drive.scoring.navsim.inputs import pdm_map

Float = NDArray[np.float64]

SHAPES = settings(deadline=None, max_examples=100)
# A grid of 1/8 m around the scene's origin and at UTM coordinates: sums, halves and cross products are exact there.
OFFSETS = ((0.0, 0.0), (6e5, 4e6), (331154.375, -4690672.625), (-4e6, 6e5))
CELL = 0.125
FINEST = 2.0**-60  # m; products of much smaller numbers vanish, and with them what is exact


def polygons(*rings: Float) -> Polygons:
    """Rings as the scorer holds them."""
    count = len(rings)
    return pdm_map(rings, np.zeros(count), np.zeros(count, np.bool_), ((0.0, 0.0), (1.0, 0.0))).polygons


def inside(ring: Float, x: float, y: float) -> bool:
    """The answer of both tests, which must be one."""
    plain = strictly_inside(ring, 0, len(ring), x, y)
    assert inside_polygon(polygons(ring), 0, x, y) == plain
    return bool(plain)


@st.composite
def rings(draw: DrawFn, offsets: tuple[tuple[float, float], ...] = OFFSETS, cell: float = CELL) -> Float:
    """A simple polygon with 3 to 14 corners on a grid, either way round, often with aligned and horizontal edges."""
    size = draw(st.sampled_from((3, 8, 40)))
    corner = st.tuples(st.integers(-size, size), st.integers(-size, size))
    corners = draw(st.lists(corner, min_size=3, max_size=14, unique=True))
    about = np.add(np.mean(corners, axis=0), (0.0123, 0.0077))
    corners.sort(key=lambda point: np.arctan2(point[1] - about[1], point[0] - about[0]))
    assume(shapely.Polygon(corners).is_valid)
    if draw(st.booleans()):
        corners.reverse()
    turn = draw(st.integers(0, len(corners) - 1))
    ring = np.array(corners[turn:] + corners[:turn], np.float64) * cell + draw(st.sampled_from(offsets))
    assume(shapely.Polygon(ring).is_valid)
    return np.ascontiguousarray(ring)


@st.composite
def points(draw: DrawFn, ring: Float, cell: float = CELL) -> tuple[float, float]:
    """A point of interest: a corner, a point of an edge, level with a corner, next to the boundary, or anywhere."""
    i = draw(st.integers(0, len(ring) - 1))
    share = draw(st.sampled_from((0.0, 0.25, 0.5, 0.75)))
    point = ring[i - 1] + share * (ring[i] - ring[i - 1])
    kind = draw(st.sampled_from(("edge", "next", "level", "any")))
    if kind == "next":
        axis, way = draw(st.integers(0, 1)), draw(st.sampled_from((-1.0, 1.0)))
        point[axis] += way * max(np.spacing(abs(point[axis])), FINEST)
    elif kind == "level":
        point = np.array((ring[i, 0] + cell * draw(st.integers(-80, 80)), ring[i, 1]))
    elif kind == "any":
        share_x, share_y = draw(st.floats(-0.1, 1.1)), draw(st.floats(-0.1, 1.1))
        low, high = ring.min(axis=0), ring.max(axis=0)
        point = np.round((low + (share_x, share_y) * (high - low)) / FINEST) * FINEST
    return float(point[0]), float(point[1])


@SHAPES
@given(st.data())
def test_a_point_is_inside_where_shapely_contains_it(data: st.DataObject) -> None:
    ring = data.draw(rings())
    shape = shapely.Polygon(ring)
    for _ in range(12):
        x, y = data.draw(points(ring))
        assert inside(ring, x, y) == shape.contains(shapely.Point(x, y)), (x, y)


@SHAPES
@given(st.data())
def test_corners_and_points_of_edges_are_not_inside_wherever_the_polygon_lies(data: st.DataObject) -> None:
    ring = data.draw(rings())
    for i in range(len(ring)):
        a, b = ring[i - 1], ring[i]
        for share in (0.0, 0.25, 0.5, 0.75):  # exact on this grid
            assert not inside(ring, *(a + share * (b - a)))


@SHAPES
@given(st.data())
def test_rounded_corners_and_points_are_judged_as_they_are(data: st.DataObject) -> None:
    """Off the grid, edges and points are rounded; what was on an edge is now beside it, on the side shapely finds."""
    ring = data.draw(rings(offsets=((0.1, 0.3), (331154.37, 4690672.61)), cell=0.1))
    shape = shapely.Polygon(ring)
    for _ in range(12):
        x, y = data.draw(points(ring))
        if all(is_told(ring[i - 1], ring[i], x, y) for i in range(len(ring))):
            assert inside(ring, x, y) == shape.contains(shapely.Point(x, y)), (x, y)


def is_told(a: Float, b: Float, x: float, y: float) -> bool:
    """False where a point is so near to the line a-b (1e-32 m) that twice the precision does not tell its side."""
    ax, ay, bx, by, px, py = (Fraction(float(value)) for value in (*a, *b, x, y))
    left, right = (bx - ax) * (py - ay), (by - ay) * (px - ax)
    return left == right or abs(left - right) > (abs(left) + abs(right)) / 2**98


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("clockwise", [False, True])
def test_hand_made_cases(offset: tuple[float, float], clockwise: bool) -> None:
    ring = np.array(((0, 0), (6, 0), (6, 4), (4, 4), (4, 2), (2, 2), (2, 4), (0, 4)), np.float64) + offset
    if clockwise:
        ring = np.ascontiguousarray(ring[::-1])

    def at(x: float, y: float) -> bool:
        return inside(ring, x + offset[0], y + offset[1])

    assert at(1, 2), "level with corners and with an edge that lies to the right"
    assert at(5, 2), "level with an edge that lies to the left"
    assert at(3, 1)
    assert not at(3, 2), "on a level edge"
    assert not at(3, 3), "in the notch"
    assert not at(7, 2)
    assert not at(-1, 0), "level with the lowest edge"
    assert not at(-1, 4), "level with the highest edges"
    assert not at(3, 4), "between two level edges"


def test_a_repeated_corner_changes_nothing() -> None:
    ring = np.array(((0, 0), (0, 0), (4, 0), (4, 4), (4, 4), (0, 4)), np.float64)
    assert inside(ring, 1.0, 1.0)
    assert not inside(ring, 0.0, 0.0)
    assert not inside(ring, 4.0, 4.0)
    assert not inside(ring, -1.0, 4.0)


# --- side


def exact_side(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> Fraction:
    a, b, p = ((Fraction(u), Fraction(v)) for u, v in ((ax, ay), (bx, by), (x, y)))
    return (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])


def sign(value: float | Fraction) -> int:
    return (value > 0) - (value < 0)


@settings(deadline=None, max_examples=400)
@given(st.lists(st.integers(-(2**43), 2**43), min_size=6, max_size=6), st.integers(-3, 3), st.integers(-3, 3))
def test_the_side_of_a_line_is_exact_on_a_micrometre_grid(cells: list[int], dx: int, dy: int) -> None:
    """Coordinates up to 8000 km in steps of 2^-20 m, the point anywhere and then next to the line."""
    ax, ay, bx, by, x, y = (cell * 2.0**-20 for cell in cells)
    assert sign(side(ax, ay, bx, by, x, y)) == sign(exact_side(ax, ay, bx, by, x, y))
    x, y = (round((ax + bx) * 2.0**19) + dx) * 2.0**-20, (round((ay + by) * 2.0**19) + dy) * 2.0**-20
    assert sign(side(ax, ay, bx, by, x, y)) == sign(exact_side(ax, ay, bx, by, x, y))


@settings(deadline=None, max_examples=400)
@given(st.lists(st.floats(-5e6, 5e6), min_size=4, max_size=4), st.floats(-1.0, 2.0), st.integers(-2, 2))
def test_the_side_of_a_line_is_right_for_any_coordinates_beyond_twice_the_precision(
    ends: list[float], share: float, ulps: int
) -> None:
    ax, ay, bx, by = ends
    x, y = ax + share * (bx - ax), ay + share * (by - ay)
    for _ in range(abs(ulps)):
        y = float(np.nextafter(y, np.inf * ulps))
    exact = exact_side(ax, ay, bx, by, x, y)
    terms = abs(Fraction(bx) - Fraction(ax)) * abs(Fraction(y) - Fraction(ay))
    terms += abs(Fraction(by) - Fraction(ay)) * abs(Fraction(x) - Fraction(ax))
    if abs(exact) > Fraction(1, 10**30) * terms and terms > Fraction(1, 10**250):  # below that numbers have no tail
        assert sign(side(ax, ay, bx, by, x, y)) == sign(exact)


@settings(deadline=None)
@given(st.integers(-(2**20), 2**20), st.integers(-(2**20), 2**20), st.integers(-50, 50), st.sampled_from(OFFSETS))
def test_a_point_on_a_line_is_on_it_from_both_ends(dx: int, dy: int, times: int, offset: tuple[float, float]) -> None:
    a = np.array(offset)
    step = np.array((dx, dy)) * 2.0**-20
    b, p = a + 3.0 * step, a + times * step
    assert side(*a, *b, *p) == 0.0
    assert side(*b, *a, *p) == 0.0


# --- ring and box


@st.composite
def boxes(draw: DrawFn, ring: Float) -> Float:
    """A box, exact on the grid: upright, or turned along (3, 4), either way round; often with a corner on the ring."""
    turned = draw(st.sampled_from(((1, 0), (0, 1), (3, 4), (-4, 3), (1, 1), (12, -5))))
    along = np.array(turned, np.float64) * CELL * draw(st.sampled_from((0.5, 1.0, 2.0, 12.0)))
    across = np.array((-along[1], along[0])) * draw(st.sampled_from((0.25, 0.5, 1.0)))
    corner = np.array(draw(points(ring)))
    corner = np.round(corner / CELL * 8.0) * CELL / 8.0 if draw(st.booleans()) else corner
    offset = draw(st.sampled_from((0.0, 0.0, -0.5, -1.0)))
    corner = corner + offset * along + draw(st.sampled_from((0.0, -0.5, -1.0))) * across
    box = np.array((corner, corner + along, corner + along + across, corner + across))
    return np.ascontiguousarray(box[::-1] if draw(st.booleans()) else box)


@SHAPES
@given(st.data())
def test_a_polygon_meets_a_box_where_shapely_says_they_intersect(data: st.DataObject) -> None:
    ring = data.draw(rings())
    shape = shapely.Polygon(ring)
    for _ in range(8):
        box = data.draw(boxes(ring))
        wanted = shape.intersects(shapely.Polygon(box))
        assert ring_meets_box(ring, 0, len(ring), box) == wanted, box.tolist()


@SHAPES
@given(st.data(), st.floats(-4.0, 4.0))
def test_a_polygon_meets_a_box_at_any_angle(data: st.DataObject, angle: float) -> None:
    ring = data.draw(rings())
    x, y = data.draw(points(ring))
    cos, sin = np.cos(angle), np.sin(angle)
    box = np.array(((2.0, 0.5), (-2.0, 0.5), (-2.0, -0.5), (2.0, -0.5))) @ np.array(((cos, sin), (-sin, cos))) + (x, y)
    box += np.array((cos, sin)) * data.draw(st.floats(-6.0, 6.0))
    assert ring_meets_box(ring, 0, len(ring), box) == shapely.Polygon(ring).intersects(shapely.Polygon(box))


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("clockwise", [False, True])
def test_containment_and_touch_count_as_meeting(offset: tuple[float, float], clockwise: bool) -> None:
    square = np.array(((0, 0), (8, 0), (8, 8), (0, 8)), np.float64) + offset

    def meets(x: float, y: float, length: float, width: float) -> bool:
        corner = np.array((x, y)) + offset
        box = corner + np.array(((0, 0), (length, 0), (length, width), (0, width)), np.float64)
        return bool(ring_meets_box(square, 0, 4, np.ascontiguousarray(box[::-1] if clockwise else box)))

    assert meets(2, 2, 4, 2), "the box lies in the polygon"
    assert meets(-2, -2, 12, 12), "the polygon lies in the box"
    assert meets(0, 0, 8, 8), "both are the same"
    assert meets(8, 8, 2, 1), "corner on corner"
    assert meets(8, 3, 2, 1), "a side on a side"
    assert meets(-2, 8, 12, 1), "a longer side on a side"
    assert meets(-2, 3, 12, 1), "the box goes through, no corner is inside"
    assert not meets(8.125, 3, 2, 1)
    assert not meets(-2, -2, 1.875, 12), "beside it, overlapping in y"


def test_a_box_in_the_bay_of_a_polygon_does_not_meet_it() -> None:
    bay = np.array(((0, 0), (9, 0), (9, 9), (6, 9), (6, 3), (3, 3), (3, 9), (0, 9)), np.float64)
    box = np.array(((4, 4), (5, 4), (5, 6), (4, 6)), np.float64)
    assert not ring_meets_box(bay, 0, 8, box)
    assert ring_meets_box(bay, 0, 8, box - (0.0, 1.0)), "touches the ground of the bay"


# --- bands


@SHAPES
@given(st.lists(rings(), min_size=1, max_size=4))
def test_bands_list_every_edge_at_all_its_heights_and_no_other_rings_edges(shapes: list[Float]) -> None:
    world = polygons(*shapes)
    assert world.band_ptr[0] == 0
    assert world.edge_ptr[0] == 0
    assert world.edge_ptr[-1] == len(world.edge)
    for p in range(len(shapes)):
        low, high = world.ring_ptr[p], world.ring_ptr[p + 1]
        bands = range(world.band_ptr[p], world.band_ptr[p + 1])
        listed = [set(world.edge[world.edge_ptr[band] : world.edge_ptr[band + 1]].tolist()) for band in bands]
        assert set().union(*listed) == set(range(low, high))
        bottom, top = world.box[p, 1], world.box[p, 3]
        for i in range(low, high):
            before = world.ring[i - 1 if i > low else high - 1]
            for share in np.linspace(0.0, 1.0, 9):
                y = min(max(before[1] + share * (world.ring[i, 1] - before[1]), bottom), top)
                band = min(int((y - bottom) / (top - bottom) * len(listed)), len(listed) - 1)
                assert i in listed[band]


def test_several_rings_are_told_apart() -> None:
    square = np.array(((0, 0), (2, 0), (2, 2), (0, 2)), np.float64)
    world = polygons(*(square + np.array((3.0 * n, n)) for n in range(4)))
    for p in range(4):
        assert [bool(inside_polygon(world, q, 3.0 * p + 1.0, p + 1.0)) for q in range(4)] == [q == p for q in range(4)]
