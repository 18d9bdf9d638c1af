"""Signals of the lead, with numbers worked out by hand."""

import numpy as np
import pytest
import torch

from drive.scene import AgentKind
from drive.signals import CATALOG, FLAG, rss
from tests.drive.signal_worlds import CAR, FRONT, HALF_WIDTH, SAMPLES, cruise, measure, read, states
from tests.planners.roads import curve, lane, scene
from tests.scenes import START, moving, straight_map, straight_scene

T = 0.1 * np.arange(SAMPLES)


def drifting(x: float, y: np.ndarray, speed: float):
    """A car that moves sideways as ``y [T]`` says after the start, without turning."""
    position, heading, velocity = moving((x, float(y[0])), speed)
    position[START:, 1] = y
    velocity[START:, 1] = np.gradient(y, 0.1)
    return position, heading, velocity


def test_the_gap_is_from_bumper_to_bumper_and_closes_with_the_speeds():
    made = straight_scene([(*CAR, moving((30.0, 0.5), 8.0))], speed=10.0)
    gap, valid, agent = read(made, "lead_gap")
    expected = 30.0 - 2.0 - FRONT - 2.0 * T
    ahead = expected > 0
    assert valid.all() and (agent == 0).all() and np.allclose(gap[ahead], expected[ahead])
    assert np.allclose(read(made, "lead_speed")[0], 8.0) and np.allclose(read(made, "closing_speed")[0], 2.0)
    assert np.allclose(read(made, "lead_ttc")[0][ahead], np.minimum(expected[ahead] / 2.0, 20.0))
    assert np.allclose(read(made, "lead_time_gap")[0][ahead], expected[ahead] / 10.0)


def test_without_a_lead_everything_is_neutral():
    for agents in ([], [(*CAR, moving((30.0, 3.5), 8.0))], [(*CAR, moving((-20.0, 0.0), 8.0))]):
        made = straight_scene(agents)
        value, valid, agent = read(made, "has_lead")
        assert (value == -FLAG).all() and valid.all() and (agent == -1).all()
        for name in ("lead_gap", "lead_speed", "lead_accel", "lead_ttc", "safe_dist_margin", "lead_cut_in"):
            value, valid, _ = read(made, name)
            assert not valid.any() and (value == CATALOG[name].neutral).all(), name


def test_the_nearest_of_several_is_the_lead_and_nobody_beyond_150_m():
    made = straight_scene([(*CAR, moving((60.0, 0.0), 10.0)), (*CAR, moving((25.0, 0.0), 10.0))])
    assert (read(made, "lead_gap")[2] == 1).all()
    edge = FRONT + 150.0 + 2.0
    assert (read(straight_scene([(*CAR, moving((edge - 0.1, 0.0), 10.0))]), "has_lead")[0] == FLAG).all()
    assert (read(straight_scene([(*CAR, moving((edge + 0.1, 0.0), 10.0))]), "has_lead")[0] == -FLAG).all()


def test_cyclists_pedestrians_and_things_on_the_road_are_leads():
    for kind in (AgentKind.BICYCLE, AgentKind.PEDESTRIAN, AgentKind.BARRIER):
        made = straight_scene([(kind, (0.8, 0.6), moving((40.0, 0.0), 0.0))])
        assert np.allclose(read(made, "lead_gap", states(0.0, 0.0))[0], 40.0 - 0.4 - FRONT)


def test_the_corridor_is_the_ego_and_0_2_m_and_goes_where_the_ego_is():
    side = HALF_WIDTH + 0.2 + 1.0  # centre of a car of 2 m that touches the corridor's edge
    for offset, lead in ((side - 0.01, True), (side + 0.01, False)):
        made = straight_scene([(*CAR, moving((30.0, offset), 10.0))])
        assert (read(made, "has_lead")[0] == (FLAG if lead else -FLAG)).all()
        assert (read(made, "has_lead", cruise(y=-0.5))[0] == -FLAG).all()


def test_a_slanted_box_counts_from_where_it_enters_the_corridor():
    # 20 m long, 0.01 m wide, at 45 degrees through (40, 0): in the corridor for |y| <= half width + 0.2 m.
    made = straight_scene([(AgentKind.TRUCK, (20.0, 0.01), moving((40.0, 0.0), 0.0, np.pi / 4))])
    gap = read(made, "lead_gap", states(0.0, 0.0))[0]
    assert np.allclose(gap, 40.0 - (HALF_WIDTH + 0.2) - FRONT, atol=0.02)


def test_beside_is_no_lead_and_overlap_is_a_negative_gap():
    beside = straight_scene([(*CAR, moving((4.0, HALF_WIDTH + 1.1), 0.0))])
    assert (read(beside, "has_lead", states(0.0, 0.0))[0] == -FLAG).all()
    inside = straight_scene([(*CAR, moving((5.0, 0.0), 0.0))])
    assert np.allclose(read(inside, "lead_gap", states(0.0, 0.0))[0], 3.0 - FRONT)
    assert np.allclose(read(inside, "lead_ttc", states(0.0, 0.0, speed=5.0))[0], 0.0)
    pushed = straight_scene([(*CAR, moving((-2.0, 0.0), 0.0))])
    assert (read(pushed, "has_lead", states(0.0, 0.0))[0] == -FLAG).all(), "who hits from behind is no lead"


def test_in_a_bend_the_gap_is_measured_along_the_road():
    bend = lane("bend", curve((30, 0.0), (250, 60.0), start=(-30.0, 0.0, 0.0)))
    angle = 0.7
    x, y = 60.0 * np.sin(angle), 60.0 - 60.0 * np.cos(angle)
    made = scene([bend], ["bend"], (0.0, 0.0, 0.0), 0.0, [(AgentKind.CAR, (0.2, 2.0), moving((x, y), 0.0, angle))])
    gap = read(made, "lead_gap", states(0.0, 0.0))[0]
    # The inner edge of the car's rear, a metre inside of the arc, is where the corridor meets it first, within mm.
    assert np.allclose(gap, 60.0 * angle - 0.1 - FRONT, atol=0.03)


def test_closing_in_begins_at_0_05_m_per_s():
    made = straight_scene([(*CAR, moving((30.0, 0.0), 10.0))])
    value, valid, _ = read(made, "lead_ttc", cruise(speed=10.04))
    assert not valid.any() and (value == 20.0).all()
    assert read(made, "lead_ttc", cruise(speed=10.06))[1].all()
    assert (read(made, "closing_speed", cruise(speed=9.0))[0] == 0.0).all()
    assert np.allclose(read(made, "lead_time_gap", states(0.0, 0.0, speed=0.0))[0][:3], 20.0), "at least 0.5 m/s"


def test_acceleration_of_the_lead_is_fitted_and_trusted_after_0_3_s():
    position, heading, velocity = moving((30.0, 0.0), 10.0)
    speed = 10.0 - 1.5 * T
    velocity[START:, 0] = speed
    position[START:, 0] = 30.0 + np.concatenate(((0.0,), np.cumsum(speed[:-1]))) * 0.1
    made = straight_scene([(*CAR, (position, heading, velocity))])
    value, valid, _ = read(made, "lead_accel", states(0.0, 0.0))
    assert valid.tolist() == [False] * 3 + [True] * (SAMPLES - 3)
    assert np.allclose(value[3:], -1.5) and (value[:3] == 0.0).all()


def test_the_acceleration_of_one_lead_is_not_mixed_with_that_of_the_next():
    first = moving((20.0, 0.0), 4.0)
    made = straight_scene([(*CAR, first), (*CAR, moving((60.0, 0.0), 12.0))])
    made.tracks.valid[0, START + 30 :] = False
    value, valid, agent = read(made, "lead_accel", states(0.0, 0.0))
    assert agent[29] == 0 and agent[30] == 1
    assert valid[29] and not valid[30:33].any() and valid[33:].all() and np.allclose(value, 0.0)


def test_a_cut_in_lasts_from_the_corridor_to_the_lane():
    y = np.clip(3.5 - 1.0 * T, 0.0, 3.5)
    made = straight_scene([(*CAR, drifting(25.0, y, 10.0))])
    lead = read(made, "has_lead")[0] > 0
    assert (lead == (y - 1.0 < HALF_WIDTH + 0.2)).all()
    flag, _, agent = read(made, "lead_cut_in")
    inside = y + 1.0 <= 1.75
    assert ((flag > 0) == (lead & ~inside)).all() and (agent[flag > 0] == 0).all()


def test_leads_that_were_always_ahead_or_only_appear_do_not_cut_in():
    y = np.clip(0.9 + 0.0 * T, 0.0, 3.5)
    made = straight_scene([(*CAR, drifting(25.0, y, 10.0))])
    assert (read(made, "lead_cut_in")[0] == -FLAG).all()
    late = straight_scene([(*CAR, drifting(25.0, np.clip(3.5 - T, 0.8, 3.5), 10.0))])
    late.tracks.valid[0, : START + 20] = False
    assert (read(late, "lead_cut_in")[0] == -FLAG).all(), "nobody saw it enter"


def test_somebody_who_moves_out_of_the_corridor_does_not_cut_in():
    y = np.where(T < 2.0, 2.0 + 0.0 * T, 2.0 + 0.5 * (T - 2.0))
    ego = states(0.0, np.where(T < 2.0, -0.5, 0.5), 0.0, 10.0)  # the ego moves over until it is in the corridor
    made = straight_scene([(*CAR, drifting(25.0, y, 0.0))])
    lead = read(made, "has_lead", ego)[0] > 0
    assert not lead[:20].any() and lead[20]
    assert (read(made, "lead_cut_in", ego)[0] == -FLAG).all()


def test_safe_distances_are_the_formulas():
    made = straight_scene([(*CAR, moving((40.0, 0.0), 18.0))], speed=20.0)
    values = measure(made, None, "lead_gap", "safe_dist_margin", "rss_lon_margin")
    gap = values["lead_gap"].value[0, 0].item()
    assert gap - values["safe_dist_margin"].value[0, 0].item() == pytest.approx(20.0 - 324 / 21 + 6.0)  # 10.57 m
    assert gap - values["rss_lon_margin"].value[0, 0].item() == pytest.approx(70.531, abs=1e-3)


def test_rss_distances_have_the_published_values():
    def number(value: float) -> torch.Tensor:
        return torch.tensor(value, dtype=torch.float64)

    assert rss.same_direction(number(10.0), number(10.0)).item() == pytest.approx(28.28125)
    assert rss.same_direction(number(20.0), number(18.0)).item() == pytest.approx(70.53125)
    assert rss.same_direction(number(5.0), number(40.0)).item() == 0.0
    assert rss.lateral(number(0.0), number(0.0)).item() == pytest.approx(0.35)
    assert rss.lateral(number(0.5), number(0.0)).item() == pytest.approx(1.13125)
    assert rss.lateral(number(0.5), number(-0.5)).item() == pytest.approx(1.9125)
    assert rss.lateral(number(-2.0), number(0.0)).item() == pytest.approx(0.1), "moving apart"
    # 10 and 5 m/s head on: 11.75 + 13.5^2 / 6 and 6.75 + 8.5^2 / 8
    assert rss.opposite_direction(number(10.0), number(5.0)).item() == pytest.approx(42.125 + 15.78125)


def test_a_scene_can_have_no_agents_and_no_lanes_to_the_right():
    made = straight_scene(vector_map=straight_map(lanes=1))
    assert (read(made, "has_lead")[0] == -FLAG).all()
