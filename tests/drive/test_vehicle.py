"""The ego's motion: conversions, reference profiles against the definition they solve, tracking, bicycle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drive.kernels.vehicle import (
    bicycle_step,
    curvature_profile,
    lqr_command,
    perfect_step,
    resample_plan,
    velocity_profile,
)
from drive.vehicle import EGO_COLUMNS, PACIFICA, ZOE, Ego, center_from_rear_axle, rear_axle_from_center

finite = st.floats(-1e3, 1e3, allow_nan=False)


@settings(deadline=None)
@given(arrays(np.float64, (5, 3), elements=finite), st.sampled_from([PACIFICA, ZOE]))
def test_rear_axle_and_center_round_trip(poses, vehicle):
    back = rear_axle_from_center(center_from_rear_axle(poses, vehicle), vehicle)
    np.testing.assert_allclose(back, poses, atol=1e-9)


def test_center_lies_ahead_of_the_rear_axle():
    np.testing.assert_allclose(
        center_from_rear_axle([0.0, 0.0, np.pi / 2], PACIFICA), [0.0, 1.461, np.pi / 2], atol=1e-12
    )


def test_bumpers_follow_from_length_and_axle():
    assert PACIFICA.front == pytest.approx(4.049)
    assert PACIFICA.rear == pytest.approx(1.127)


def drive(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    heading = np.cumsum(rng.normal(0, 0.03, count + 1))
    speed = np.abs(8 + np.cumsum(rng.normal(0, 0.3, count + 1)))
    steps = 0.1 * speed[:, None] * np.stack((np.cos(heading), np.sin(heading)), 1)
    return np.column_stack((np.cumsum(steps, 0), heading)) + rng.normal(0, 0.01, (count + 1, 3))


@pytest.mark.parametrize("count", [1, 2, 3, 20, 80])
def test_velocity_profile_is_the_least_squares_fit_it_stands_for(count):
    """Solved as the specification writes it: unknowns v0 and accelerations, their differences penalised."""
    poses = drive(count, count)
    steps = np.diff(poses, axis=0)
    headings = poses[:-1, 2]
    rows, right = [], []
    for i in range(count):
        for direction, moved in ((np.cos(headings[i]), steps[i, 0]), (np.sin(headings[i]), steps[i, 1])):
            row = np.zeros(count)
            row[0] = 0.1
            row[1 : i + 1] = 0.01
            rows.append(direction * row)
            right.append(moved)
    a = np.array(rows)
    difference = np.zeros((max(count - 2, 0), count))
    for i in range(count - 2):
        difference[i, i + 1], difference[i, i + 2] = -1, 1
    x = np.linalg.pinv(a.T @ a + 1e-4 * difference.T @ difference) @ a.T @ np.array(right)
    expected = x[0] + 0.1 * np.concatenate(((0.0,), np.cumsum(x[1:])))
    np.testing.assert_allclose(velocity_profile(poses), expected, atol=1e-8)


@pytest.mark.parametrize("count", [1, 2, 20, 80])
def test_curvature_profile_is_the_least_squares_fit_it_stands_for(count):
    poses = drive(count + 1, count)
    speed = velocity_profile(poses)
    turn = np.diff(poses[:, 2])
    a = np.zeros((count, count))
    for i in range(count):
        a[i, 0] = 0.1 * speed[i]
        a[i, 1 : i + 1] = 0.01 * speed[i]
    penalty = np.diag([1e-10] + [1e-2] * (count - 1))
    x = np.linalg.pinv(a.T @ a + penalty) @ a.T @ turn
    expected = x[0] + 0.1 * np.concatenate(((0.0,), np.cumsum(x[1:])))
    np.testing.assert_allclose(curvature_profile(poses, speed), expected, atol=1e-7)


def test_plans_are_resampled_linearly_from_the_pose_now():
    plan = np.array([[1.0, 0.0, 0.0], [2.0, 0.0, 0.2]])
    poses = resample_plan(plan, 0.5, 10.0, 5.0, np.pi / 2)
    assert poses.shape == (11, 3)
    np.testing.assert_allclose(poses[0], [10.0, 5.0, np.pi / 2])
    np.testing.assert_allclose(poses[5], [10.0, 6.0, np.pi / 2], atol=1e-12)
    np.testing.assert_allclose(poses[10], [10.0, 7.0, np.pi / 2 + 0.2], atol=1e-12)
    np.testing.assert_allclose(poses[3, :2], [10.0, 5.6], atol=1e-12)


@pytest.mark.parametrize("dt", [0.1, 0.2, 0.25, 0.4, 0.5])
def test_any_spacing_covers_the_whole_plan(dt):
    count = round(4.0 / dt)
    plan = np.zeros((count, 3))
    plan[:, 0] = 5.0 * dt * np.arange(1, count + 1)
    poses = resample_plan(plan, dt, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(poses[:, 0], 0.5 * np.arange(41), atol=1e-9)


def follow(poses: np.ndarray, state: np.ndarray, steps: int) -> np.ndarray:
    speeds = velocity_profile(poses)
    curvatures = curvature_profile(poses, speeds)
    states = [state]
    for k in range(steps):
        command, rate = lqr_command(states[-1], poses, speeds, curvatures, k, PACIFICA.wheelbase)
        after = np.zeros(EGO_COLUMNS)
        bicycle_step(states[-1], after, command, rate, PACIFICA.wheelbase)
        states.append(after)
    return np.array(states)


def test_tracker_follows_a_circle():
    radius, speed = 20.0, 6.0
    angle = speed / radius * 0.1 * np.arange(81)
    poses = np.column_stack((radius * np.sin(angle), radius * (1 - np.cos(angle)), angle))
    state = np.zeros(EGO_COLUMNS)
    state[Ego.VX], state[Ego.STEERING] = speed, np.arctan(PACIFICA.wheelbase / radius)
    driven = follow(poses, state, 70)
    distance = np.abs(np.hypot(driven[:, 0], driven[:, 1] - radius) - radius)
    assert distance.max() < 0.15
    np.testing.assert_allclose(driven[-1, Ego.VX], speed, atol=0.05)


def test_tracker_comes_to_rest_at_the_end_of_a_stop():
    t = 0.1 * np.arange(81)
    x = np.where(t < 4, 8 * t - t**2, 16.0)
    state = np.zeros(EGO_COLUMNS)
    state[Ego.VX] = 8.0
    driven = follow(np.column_stack((x, 0 * x, 0 * x)), state, 70)
    assert abs(driven[-1, Ego.VX]) < 0.05
    assert abs(driven[-1, Ego.X] - 16.0) < 2.0  # the look-ahead of 1 s brakes early; nuPlan's controller does too


def test_acceleration_stays_within_what_tyres_can_do():
    state = np.zeros(EGO_COLUMNS)
    state[Ego.VX] = 20.0
    after = np.zeros(EGO_COLUMNS)
    for _ in range(20):
        bicycle_step(state, after, -50.0, 0.0, PACIFICA.wheelbase)
        assert after[Ego.AX] >= -8.0
        state = after.copy()


def test_perfect_tracker_drives_the_plan_itself():
    poses = drive(3, 40)
    speeds = velocity_profile(poses)
    curvatures = curvature_profile(poses, speeds)
    state = np.zeros(EGO_COLUMNS)
    for k in range(5):
        after = np.zeros(EGO_COLUMNS)
        perfect_step(state, after, poses, speeds, curvatures, k, PACIFICA.wheelbase)
        np.testing.assert_array_equal(after[:3], poses[k + 1])
        assert after[Ego.YAW_RATE] == speeds[k + 1] * curvatures[k + 1]
        state = after
