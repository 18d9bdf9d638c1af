"""Signals of the clock and the ego's own motion."""

import numpy as np
import pytest
import torch

from drive.scene import DT
from drive.signals import CATALOG
from drive.vehicle import Ego
from tests.drive.signal_worlds import SAMPLES, measure, read, recorded, states, weaving
from tests.scenes import START, straight_scene

T = DT * np.arange(SAMPLES)


def test_the_clock_counts_steps_without_rounding_errors():
    clock, valid, agent = read(straight_scene(), "clock")
    assert clock.tolist() == [round(0.1 * n, 1) for n in range(SAMPLES)]
    assert valid.all() and (agent == -1).all()


def test_speed_acceleration_and_yaw_rate_are_those_of_the_state():
    ego = states(0.0, 0.0, speed=-2.0, ax=1.5, yaw_rate=0.2)
    expected = {"speed": -2.0, "accel_lon": 1.5, "accel_lat": -0.4, "yaw_rate": 0.2}
    for name, value in expected.items():
        assert np.allclose(read(straight_scene(), name, ego)[0], value), name


def test_jerk_is_exact_for_quadratic_acceleration_up_to_the_ends():
    ego = states(100.0, 0.0, speed=10.0, ax=0.5 - 2.0 * T + 0.3 * T**2, yaw_rate=0.0)  # not where the record begins
    assert np.allclose(read(straight_scene(), "jerk_lon", ego)[0], -2.0 + 0.6 * T)
    assert np.allclose(read(straight_scene(), "jerk_abs", ego)[0], np.abs(-2.0 + 0.6 * T), atol=2e-6)


def test_jerk_abs_joins_both_directions():
    # speed 10 m/s and yaw rate 0.3 t: lateral acceleration 3 t; forward 4 t
    ego = states(100.0, 0.0, speed=10.0, ax=4.0 * T, yaw_rate=0.3 * T)
    assert np.allclose(read(straight_scene(), "jerk_abs", ego)[0], 5.0)
    assert np.allclose(read(straight_scene(), "yaw_accel", ego)[0], 0.3)


def test_a_drive_that_goes_on_from_the_record_is_smoothed_with_its_past():
    scenario = straight_scene()
    scenario.reference[: START + 1, Ego.AX] = 1.0
    ego = recorded(scenario)
    ego[..., Ego.AX] = 1.0
    ego[0, 1:, Ego.AX] = 2.0
    jerk = read(scenario, "jerk_lon", ego)[0]
    # Slope of the quadratic through 1 1 1 1 2 2 2 at the middle of 0.7 s: (1 + 2 + 3) / 28 per step.
    assert jerk[0] == pytest.approx(6 / 28 / DT)
    ego[..., Ego.X] += 5.0
    assert read(scenario, "jerk_lon", ego)[0][0] != pytest.approx(6 / 28 / DT)


def test_rates_need_two_samples():
    ego = states(0.0, 0.0, speed=3.0, ax=2.0)[:, :1]
    for name in ("jerk_lon", "jerk_abs", "yaw_accel"):
        value, valid, _ = read(straight_scene(), name, ego)
        assert not valid.any() and value[0] == CATALOG[name].neutral
    value, valid, _ = read(straight_scene(), "jerk_lon", states(100.0, 0.0, ax=2.0 * T)[:, :2])
    assert valid.all() and np.allclose(value, 2.0)


def test_values_are_kept_within_their_range():
    ego = states(0.0, 0.0, speed=99.0, ax=-50.0)
    assert read(straight_scene(), "speed", ego)[0].max() == 70.0
    assert read(straight_scene(), "accel_lon", ego)[0].min() == -12.0


def test_signals_keep_the_type_of_the_ego():
    scenario = straight_scene()
    for dtype in (torch.float32, torch.float64):
        values = measure(scenario, weaving(scenario).to(dtype), "clock", "jerk_abs", "lane_change")
        assert {value.value.dtype for value in values.values()} == {dtype}
        assert {value.agent.dtype for value in values.values()} == {torch.int32}
