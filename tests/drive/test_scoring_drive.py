"""How the ego drives: progress along the reference and comfort."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import savgol_filter

from drive.geometry import arc_length
from drive.scoring.comfort import LIMITS, comfort_signals, first_discomfort, savitzky_golay
from drive.scoring.motion import ego_motion
from drive.scoring.progress import progress_along, reference_path
from drive.vehicle import EGO_COLUMNS, PACIFICA, Ego
from tests.scoring_scenes import cruise

# --- progress


def share(reference: np.ndarray, driven: np.ndarray) -> float:
    path = reference_path(np.asarray(reference, np.float64))
    return progress_along(path, arc_length(path), np.ascontiguousarray(driven, np.float64))[0]


def line(length: float, samples: int = 81, y: float = 0.0) -> np.ndarray:
    return np.column_stack((np.linspace(0.0, length, samples), np.full(samples, y)))


def test_driving_the_reference_is_full_progress() -> None:
    assert share(line(80.0), line(80.0)) == pytest.approx(1.0)


def test_stored_precision_does_not_keep_a_drive_from_arriving() -> None:
    reference = line(80.0) + 333.3
    assert share(reference, reference.astype(np.float32).astype(np.float64)) == 1.0
    assert share(line(80.0), line(79.98)) < 1.0


def test_half_the_way_is_half_the_progress() -> None:
    assert share(line(80.0), line(40.0)) == pytest.approx(0.5)


def test_standing_is_no_progress() -> None:
    assert share(line(80.0), np.zeros((81, 2))) == 0.0


def test_more_than_the_reference_is_full_progress() -> None:
    assert share(line(20.0), line(100.0)) == 1.0


def test_reversing_is_no_progress() -> None:
    assert share(line(80.0), -line(80.0)) == 0.0


def test_the_farthest_point_counts() -> None:
    there = line(60.0)
    assert share(line(80.0), np.concatenate((there, there[::-1]))) == pytest.approx(0.75)


def test_a_standing_reference_asks_for_nothing() -> None:
    jitter = np.random.default_rng(0).normal(scale=0.05, size=(150, 2))
    assert share(jitter, np.zeros((150, 2))) == 1.0
    assert arc_length(reference_path(jitter))[-1] < 0.5
    assert share(line(4.9), np.zeros((81, 2))) == 1.0
    assert share(line(5.1), np.zeros((81, 2))) == 0.0


def test_another_lane_of_the_road_is_progress_another_road_is_not() -> None:
    assert share(line(80.0), line(80.0, y=7.0)) == pytest.approx(1.0)
    aside = np.concatenate((line(20.0), line(60.0)[1:] @ np.array([[0.0, 1.0], [1.0, 0.0]]) + (20.0, 0.0)))
    assert share(line(80.0), aside) == pytest.approx(0.25)


def test_a_way_around_counts_once_it_is_back() -> None:
    corners = np.array([(0, 0), (20, 0), (20, 30), (60, 30), (60, 0), (70, 0)], np.float64)
    at = arc_length(corners)
    way = np.column_stack([np.interp(np.arange(0.0, at[-1] + 0.1, 1.0), at, corners[:, d]) for d in range(2)])
    assert share(line(80.0), way) == pytest.approx(70 / 80)
    assert share(line(80.0), way[:70]) < 0.4


def figure_eight(samples: int) -> np.ndarray:
    t = np.linspace(0.0, 2 * np.pi, samples)
    return np.column_stack((40 * np.sin(t), 20 * np.sin(2 * t)))


def test_a_path_that_crosses_itself_is_followed_branch_by_branch() -> None:
    eight = figure_eight(301)
    length = arc_length(eight)
    for part in (50, 150, 151, 200, 290):
        assert share(eight, eight[: part + 1]) == pytest.approx(length[part] / length[-1], abs=0.01)


def test_a_turn_back_beside_the_path_is_followed() -> None:
    bend = np.linspace(-np.pi / 2, np.pi / 2, 12)
    there, back = line(60.0, 61), line(60.0, 61, y=7.0)[::-1]
    turn = np.column_stack((60 + 3.5 * np.cos(bend), 3.5 + 3.5 * np.sin(bend)))
    path = np.concatenate((there, turn[1:-1], back))
    length = arc_length(path)[-1]
    assert share(path, there[:31]) == pytest.approx(30 / length, abs=0.01)
    assert share(path, path) == pytest.approx(1.0)


@settings(max_examples=40, deadline=None)
@given(st.floats(-6, 6), st.floats(0.2, 1.0), st.integers(0, 1000))
def test_progress_beside_a_bending_path_is_its_share(offset, part, seed) -> None:
    rng = np.random.default_rng(seed)
    heading = np.cumsum(rng.uniform(-0.015, 0.015, 150)) + np.linspace(0.0, rng.uniform(-2, 2), 150)
    path = np.concatenate((np.zeros((1, 2)), np.cumsum(np.column_stack((np.cos(heading), np.sin(heading))), axis=0)))
    normal = np.column_stack((-np.sin(heading), np.cos(heading)))
    last = int(part * 149)
    grow = np.linspace(0, 1, 150)[:, None] ** 0.5
    assert share(path, (path[1:] + offset * grow * normal)[:last]) == pytest.approx(last / 150, abs=0.05)


# --- comfort


def states(ax: np.ndarray | None = None, yaw_rate: np.ndarray | None = None, speed: float = 10.0) -> np.ndarray:
    samples = 151
    drive = cruise(samples=samples, speed=speed)
    ax = np.zeros(samples) if ax is None else ax
    yaw_rate = np.zeros(samples) if yaw_rate is None else yaw_rate
    drive[:, Ego.AX] = ax
    drive[:, Ego.VX] = speed + np.cumsum(ax) * 0.1
    drive[:, Ego.YAW_RATE] = yaw_rate
    drive[:, Ego.YAW_ACCELERATION] = np.gradient(yaw_rate, 0.1)
    heading = np.cumsum(yaw_rate) * 0.1
    drive[:, Ego.HEADING] = (heading + np.pi) % (2 * np.pi) - np.pi
    travel = np.cumsum(drive[:, [Ego.VX]] * np.column_stack((np.cos(heading), np.sin(heading))), axis=0) * 0.1
    drive[:, [Ego.X, Ego.Y]] = travel
    return drive


def broken(drive: np.ndarray) -> str | None:
    found = first_discomfort(comfort_signals(ego_motion(drive, PACIFICA)))
    return found[0] if found else None


def ramp(peak: float, seconds: float) -> np.ndarray:
    """0, up to ``peak`` at 3 s and on, at a rate of ``peak / seconds``."""
    return np.clip((np.arange(151) * 0.1 - 3.0) / seconds, 0.0, 1.0) * peak


def test_a_smooth_drive_is_comfortable() -> None:
    assert broken(states()) is None
    assert broken(states(ramp(1.5, 2.0))) is None
    assert broken(states(yaw_rate=ramp(0.2, 2.0))) is None


def test_a_standing_ego_is_comfortable() -> None:
    assert broken(states(speed=0.0)) is None


@pytest.mark.parametrize(
    ("drive", "signal"),
    [
        (states(ramp(2.6, 2.0)), "longitudinal acceleration"),
        (states(ramp(-4.3, 2.5), speed=80.0), "longitudinal acceleration"),
        (states(2.0 - ramp(5.0, 0.3), speed=40.0), "longitudinal jerk"),
        (states(yaw_rate=ramp(0.51, 2.0)), "lateral acceleration"),
        (states(1.9 - ramp(3.8, 0.6), ramp(0.84, 0.6) - 0.42, speed=4.3), "jerk"),
        (states(yaw_rate=ramp(1.0, 2.0), speed=1.0), "yaw rate"),
        (states(yaw_rate=ramp(0.8, 0.3), speed=0.5), "yaw acceleration"),
    ],
)
def test_each_limit_can_be_broken(drive, signal) -> None:
    assert broken(drive) == signal


def test_a_fast_turn_is_uncomfortable_although_the_vehicle_model_stores_no_lateral_acceleration() -> None:
    drive = states(yaw_rate=np.full(151, 0.5))
    assert not drive[:, Ego.AY].any()
    assert broken(drive) == "lateral acceleration"


def test_acceleration_at_the_center_is_that_of_the_moving_point() -> None:
    t = np.arange(151) * 0.1
    turn = 0.3 * np.sin(t)  # smooth enough for the filters to leave it as it is
    drive = states(yaw_rate=turn, speed=4.0)
    heading = 0.3 * (1 - np.cos(t))
    # the centre's motion differentiated twice by hand: rear axle at 4 m/s plus 1.461 m along the heading
    arm = PACIFICA.rear_axle_to_center
    signals = comfort_signals(ego_motion(drive, PACIFICA))
    velocity = 4.0 * np.column_stack((np.cos(heading), np.sin(heading)))
    velocity += arm * turn[:, None] * np.column_stack((-np.sin(heading), np.cos(heading)))
    inertial = np.gradient(velocity, 0.1, axis=0)
    forward = inertial[:, 0] * np.cos(heading) + inertial[:, 1] * np.sin(heading)
    left = inertial[:, 1] * np.cos(heading) - inertial[:, 0] * np.sin(heading)
    inner = slice(5, -5)
    assert signals["longitudinal acceleration"][inner] == pytest.approx(forward[inner], abs=0.02)
    # 0.3 rad/s2 x 1.461 m = 0.44 m/s2 would be missing or doubled otherwise; the even window delays by half a sample
    assert signals["lateral acceleration"][inner] == pytest.approx(left[inner], abs=0.08)


def test_the_heading_may_wrap_around() -> None:
    drive = states(yaw_rate=np.full(151, 0.3), speed=3.0)
    assert np.abs(np.diff(drive[:, Ego.HEADING])).max() > 6.0
    assert broken(drive) is None


@pytest.mark.parametrize("samples", [4, 5, 8, 9, 15, 16, 151])
def test_the_filter_is_scipys(samples) -> None:
    values = np.random.default_rng(samples).normal(size=(3, samples))
    for window, order, derivative in ((8, 2, 0), (15, 2, 1), (5, 3, 2), (5, 2, 1)):
        expected = savgol_filter(values, min(window, samples), order, derivative, delta=0.1)
        assert savitzky_golay(values, window, order, derivative) == pytest.approx(expected, abs=1e-9)


def test_short_drives_are_filtered_and_too_short_ones_refused() -> None:
    signals = comfort_signals(ego_motion(np.zeros((4, EGO_COLUMNS)), PACIFICA))
    assert set(signals) == set(LIMITS)
    with pytest.raises(ValueError, match="more than 3 samples"):
        comfort_signals(ego_motion(np.zeros((3, EGO_COLUMNS)), PACIFICA))
