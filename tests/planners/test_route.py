"""The path that route followers drive: it begins at the ego, is drivable, and leads onto the route."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from drive.observation import Observer
from planners.baselines.pace import (
    ACCELERATION,
    BRAKING,
    EMERGENCY,
    JERK,
    URGENCY,
    allowed_speed,
    roll,
    toward,
    view_ahead,
)
from planners.baselines.route import SPACING, Path, build_route, steer_onto
from tests.planners.roads import curve, lane, scene

radii = st.floats(15.0, 200.0).map(lambda value: round(value, 1))
bends = st.lists(st.tuples(st.integers(5, 40), radii, st.sampled_from((-1, 0, 1))), min_size=1, max_size=4)


def observe(poses: np.ndarray, start: tuple[float, float, float], speed: float, cut: int = 20):
    lanes = [lane("a", poses[: cut + 1], successors=("b",)), lane("b", poses[cut:])]
    scenario = scene(lanes, ["a", "b"], start, speed)
    tracks, now = scenario.tracks, slice(scenario.start, None)
    return Observer(scenario).observe(
        0,
        scenario.reference[now],
        tracks.position[:, now],
        tracks.heading[:, now],
        tracks.velocity[:, now],
        tracks.valid[:, now],
    )


@given(bends, st.floats(-2.0, 2.0), st.floats(-0.5, 0.5), st.floats(0.0, 15.0))
@settings(deadline=None, max_examples=60)
def test_path_begins_at_the_ego_is_drivable_and_leads_onto_the_route(pieces, y, heading, speed):
    poses = curve((20, 0), *((length, radius * side) for length, radius, side in pieces), (60, 0))
    route = build_route(observe(poses, (10.0, y, heading), speed))
    path = steer_onto(route, 80.0, speed)
    np.testing.assert_allclose((*path.points[0], path.heading[0]), 0.0, atol=1e-12)
    steps = np.hypot(*np.diff(path.points, axis=0).T)
    np.testing.assert_allclose(steps, SPACING, atol=1e-3)
    assert np.abs(path.curvature).max() <= 0.22
    assert (np.diff(path.route_arc) > 0).all()
    on = route.points[np.clip((path.route_arc / SPACING).round().astype(int), 0, len(route.points) - 1)]
    apart = np.hypot(*(path.points - on).T)
    assert apart[0] < abs(y) + 0.5
    if speed < 8.0:  # a faster car looks farther ahead than these bends are long
        assert apart[(path.arc > 50.0) & (path.route_arc < SPACING * (len(route.points) - 1))].max() < 0.8


@given(bends, st.floats(-1.5, 1.5), st.floats(0.0, 14.0))
@settings(deadline=None, max_examples=40)
def test_turning_the_world_turns_nothing_in_the_ego_frame(pieces, y, speed):
    shape = ((20, 0), *((length, radius * side) for length, radius, side in pieces), (60, 0))
    here, there = curve(*shape), curve(*shape, start=(40.0, -70.0, 2.5))
    cos, sin = np.cos(2.5), np.sin(2.5)
    start = 40.0 + 10.0 * cos - y * sin, -70.0 + 10.0 * sin + y * cos, 2.5
    paths = [
        steer_onto(build_route(observe(poses, at, speed)), 60.0, speed)
        for poses, at in ((here, (10.0, y, 0.0)), (there, start))
    ]
    np.testing.assert_allclose(paths[0].points, paths[1].points, atol=1e-6)


def test_bends_and_the_end_of_the_map_are_slowed_for_in_time():
    route = build_route(observe(curve((40, 0), (30, 12.0)), (0.0, 0.0, 0.0), 13.0))
    path = steer_onto(route, view_ahead(13.0), 13.0)
    speed = np.array(allowed_speed(path, 1.0, 4.0).speed)
    assert (speed**2 * np.abs(path.curvature) < 1.7).all()
    assert (np.diff(speed**2) > -2 * BRAKING * SPACING - 1e-9).all()
    assert speed[path.arc > path.end - 4.0].max() == 0.0
    assert speed[0] > 9.0


@given(st.floats(0.0, 20.0), st.floats(-4.0, 2.0), st.floats(-10.0, 5.0))
@settings(deadline=None, max_examples=60)
def test_rolled_profiles_are_smooth_and_never_go_backward(speed, acceleration, wanted):
    arcs = np.concatenate(((0.0,), roll(speed, acceleration, lambda time, arc, v: wanted)))
    pace = np.diff(arcs) / 0.1
    assert (pace >= 0).all()
    assert pace.max() <= speed + 4 * ACCELERATION + 1e-9
    change = np.diff(pace) / 0.1
    assert change.min() >= -EMERGENCY - 1e-6
    driving = pace[2:] > 0.6  # the last tenth of a second before standing still has no jerk to speak of
    assert (
        np.abs(np.diff(change))[driving].max(initial=0.0) <= 0.1 * (JERK + URGENCY * (EMERGENCY - 1.5 * BRAKING)) + 1e-6
    )


def test_speed_is_held_at_the_target():
    assert toward(10.0, 10.0) == 0.0
    assert toward(0.0, 10.0) == ACCELERATION
    assert -3.1 < toward(15.0, 10.0) < -2.9


def test_projection_inverts_poses():
    poses = curve((30, 0), (40, 25.0), (30, -40.0))
    path: Path = steer_onto(build_route(observe(poses, (5.0, 0.0, 0.0), 5.0)), 80.0, 5.0)
    arcs = np.linspace(1.0, 79.0, 40)
    at = path.poses(arcs)
    side = np.column_stack((-np.sin(at[:, 2]), np.cos(at[:, 2])))
    for lateral in (-1.5, 0.0, 1.5):
        arc, offset, _ = path.project(at[:, :2] + lateral * side)
        np.testing.assert_allclose(offset, lateral, atol=0.02)
        np.testing.assert_allclose(arc, arcs, atol=0.1)
