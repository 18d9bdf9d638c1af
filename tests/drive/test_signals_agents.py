"""Signals of everybody around the ego, with numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
import torch

from drive.geometry import box_corners
from drive.map import build_map
from drive.scene import AgentKind, Cue
from drive.signals import CATALOG, FLAG
from drive.signals.kernels.agents import box_separation
from tests.drive.signal_worlds import (
    CAR,
    CENTER,
    FRONT,
    HALF_WIDTH,
    REAR,
    SAMPLES,
    cruise,
    measure,
    read,
    states,
)
from tests.scenes import START, moving, straight_map, straight_scene
from tests.scoring_scenes import straight_lane, two_way_road

T = 0.1 * np.arange(SAMPLES)
STILL = states(0.0, 0.0)


def test_clearance_is_the_gap_or_minus_the_depth():
    for at, expected in (
        ((30.0, 0.0), 28.0 - FRONT),
        ((CENTER, 5.0), 4.0 - HALF_WIDTH),
        ((FRONT + 2.0 + 3.0, HALF_WIDTH + 1.0 + 4.0), 5.0),
        ((FRONT + 1.5, 0.0), -0.5),
        ((CENTER, HALF_WIDTH + 0.7), -0.3),
    ):
        value, valid, agent = read(straight_scene([(*CAR, moving(at, 0.0))]), "clearance", STILL)
        assert valid.all() and (agent == 0).all() and np.allclose(value, expected), at


def test_clearance_knows_nobody_beyond_50_m_or_who_is_not_there():
    for made in (straight_scene([(*CAR, moving((60.0, 0.0), 0.0))]), straight_scene()):
        value, valid, agent = read(made, "clearance", STILL)
        assert not valid.any() and (value == 50.0).all() and (agent == -1).all()
    made = straight_scene([(*CAR, moving((20.0, 0.0), 0.0)), (*CAR, moving((30.0, 0.0), 0.0))])
    made.tracks.valid[0, START + 10 : START + 20] = False
    agent = read(made, "clearance", STILL)[2]
    assert (agent[10:20] == 1).all() and (agent[:10] == 0).all() and (agent[20:] == 0).all()


def test_box_distances_agree_with_shapely():
    rng = np.random.default_rng(3)
    overlaps = 0
    for _ in range(400):
        one, two = rng.uniform(-4, 4, 3), rng.uniform(-4, 4, 3)
        sizes = rng.uniform(0.5, 5.0, (2, 2))
        witness = np.zeros(6)
        value, owner = box_separation(one, sizes[0], two, sizes[1], witness)
        polygons = [
            shapely.Polygon(box_corners(pose[:2], pose[2], size)) for pose, size in zip((one, two), sizes, strict=True)
        ]
        gap = polygons[0].distance(polygons[1])
        assert max(value, 0.0) == pytest.approx(gap, abs=1e-9)
        assert witness[:2] @ (witness[4:] - witness[2:4]) == pytest.approx(value, abs=1e-9)
        if value < 0:
            overlaps += 1
            assert owner > 0
            away = two.copy()
            away[:2] += (1e-6 - value) * witness[:2]
            assert box_separation(one, sizes[0], away, sizes[1], witness)[0] == pytest.approx(1e-6, abs=1e-9)
    assert 50 < overlaps < 350


def test_contact_is_the_fault_of_the_one_who_drives_into_somebody():
    standing = straight_scene([(*CAR, moving((30.0, 0.0), 0.0))])
    fault, valid, agent = read(standing, "contact_fault")
    clearance = read(standing, "clearance")[0]
    assert (valid == (clearance < 0)).all() and valid.any()
    assert (fault[valid] == FLAG).all() and (fault[~valid] == -FLAG).all() and (agent[valid] == 0).all()
    hit = straight_scene([(*CAR, moving((-20.0, 0.0), 10.0))], speed=0.0)
    fault, valid, _ = read(hit, "contact_fault")
    assert valid.any() and (fault == -FLAG).all(), "standing egos are not to blame"


def test_overlap_that_was_there_at_the_start_is_no_fault():
    made = straight_scene([(*CAR, moving((3.0, 0.0), 10.0))], speed=10.0)
    fault, valid, _ = read(made, "contact_fault")
    assert valid.all() and (fault == -FLAG).all()


def test_impact_speed_is_the_relative_speed_of_the_first_touch():
    made = straight_scene([(*CAR, moving((30.0, 0.0), 4.0, np.pi / 2))])
    made.tracks.position[0, START:] = (30.0, 0.0)  # slides: velocity and position need not agree here
    speed = np.where(T < 2.7, 10.0, 1.0)
    ego = states(10.0 * T, 0.0, 0.0, speed)
    value, valid, _ = read(made, "impact_speed", ego)
    # The side of the car is 1 m ahead of its centre line: touch at 24.951 m, 2.5 s.
    assert np.argmax(valid) == 25 and np.allclose(value[25:33], np.hypot(10.0, 4.0))
    assert (value[:25] == 0.0).all()


def test_time_to_collision_is_exact_between_grid_points():
    made = straight_scene([(*CAR, moving((30.0, 0.0), 0.0))], speed=10.0)
    value, valid, agent = read(made, "ttc")
    expected = (28.0 - FRONT - 10.0 * T) / 10.0
    ahead = expected > 0
    assert valid.all() and np.allclose(value[ahead], expected[ahead]) and (agent[:20] == 0).all()
    far = straight_scene([(*CAR, moving((28.0 + FRONT + 2.0 + 10.0, 0.0), 0.0))], speed=10.0)
    assert read(far, "ttc")[0][0] == 20.0 and read(far, "ttc")[1][0] and read(far, "ttc")[2][0] == -1


def test_time_to_collision_with_crossing_traffic():
    # A car of 4 x 2 m from the right at 8 m/s: it reaches the ego's side when y = -(1.1485 + 2).
    made = straight_scene([(*CAR, moving((30.0, -20.0), 8.0, np.pi / 2))])
    value = read(made, "ttc", states(20.0 * T, 0.0, 0.0, 10.0))[0]
    assert value[0] == pytest.approx(max((29.0 - FRONT) / 10.0, (20.0 - 2.0 - HALF_WIDTH) / 8.0))


def test_whoever_comes_from_behind_has_no_time_to_collision():
    made = straight_scene([(*CAR, moving((-10.0, 0.0), 15.0))], speed=10.0)
    assert (read(made, "ttc")[0][:15] == 20.0).all()
    nobody = straight_scene([(*CAR, moving((80.0, 0.0), 0.0))])
    assert not read(nobody, "ttc", STILL)[1].any()
    touching = straight_scene([(*CAR, moving((FRONT + 1.0, 0.0), 0.0))])
    assert (read(touching, "ttc", STILL)[0] == 0.0).all()


def test_disc_clearance_is_between_the_nearest_discs():
    made = straight_scene([(AgentKind.CAR, (4.0, 2.0), moving((20.0, 0.0), 0.0))])
    value, valid, agent = read(made, "disc_clearance", STILL)
    assert valid.all() and (agent == 0).all()
    assert np.allclose(value, 18.0 - FRONT), "in a row the outer discs end where the boxes end"
    beside = straight_scene([(AgentKind.CAR, (5.176, 2.0), moving((CENTER, 4.0), 0.0))])
    # Discs 2.879 / 3 m and 3.176 / 3 m apart: the inner pair is shifted by half the difference.
    shift = ((5.176 - 2.0) - (5.176 - 2.297)) / 6
    assert np.allclose(read(beside, "disc_clearance", STILL)[0], np.hypot(4.0, shift) - HALF_WIDTH - 1.0)


def test_disc_clearance_counts_vehicles_within_60_m_only():
    walker = (AgentKind.PEDESTRIAN, (0.6, 0.6), moving((10.0, 0.0), 0.0))
    for agents in ([walker], [(*CAR, moving((70.0, 0.0), 0.0))]):
        value, valid, _ = read(straight_scene(agents), "disc_clearance", STILL)
        assert not valid.any() and (value == 20.0).all()


def test_alongside_and_lateral_rss_margin():
    made = straight_scene([(*CAR, moving((0.0, 3.5), 10.0))])
    assert (read(made, "alongside")[0] == FLAG).all()
    value, valid, agent = read(made, "rss_lat_margin")
    assert valid.all() and (agent == 0).all() and np.allclose(value, 2.5 - HALF_WIDTH - 0.35)
    for at in ((FRONT + 2.1, 3.5), (-REAR - 2.1, 3.5), (0.0, HALF_WIDTH + 1.0 + 6.1)):
        away = straight_scene([(*CAR, moving(at, 10.0))])
        assert (read(away, "alongside")[0] == -FLAG).all(), at
        value, valid, _ = read(away, "rss_lat_margin")
        assert not valid.any() and (value == 20.0).all()
    cone = straight_scene([(AgentKind.TRAFFIC_CONE, (0.4, 0.4), moving((0.0, 2.0), 0.0))])
    assert (read(cone, "alongside", STILL)[0] == -FLAG).all()


def test_lateral_rss_margin_counts_movement_towards_each_other():
    position, heading, velocity = moving((0.0, 3.5), 10.0)
    velocity[:, 1] = -0.5
    made = straight_scene([(*CAR, (position, heading, velocity))])
    assert np.allclose(read(made, "rss_lat_margin")[0], 2.5 - HALF_WIDTH - 1.13125)


def test_rss_margin_is_negative_only_where_both_distances_are_short():
    ahead = straight_scene([(*CAR, moving((20.0, 0.0), 10.0))])
    # Lateral overlap, so the gap decides: 20 - 2 - 4.049 - 28.281; the lateral margin is far smaller.
    lateral = -HALF_WIDTH - 1.0 - 0.35
    assert np.allclose(read(ahead, "rss_margin")[0], max(18.0 - FRONT - 28.28125, lateral))
    beside = straight_scene([(*CAR, moving((20.0, 3.5), 10.0))])
    assert np.allclose(read(beside, "rss_margin")[0], 2.5 - HALF_WIDTH - 0.35)
    assert not read(straight_scene(), "rss_margin")[1].any()


def test_who_follows_keeps_the_distance_and_crossing_cars_are_no_rss_matter():
    follows = straight_scene([(*CAR, moving((-8.0, 0.0), 10.0))])
    assert not read(follows, "rss_margin")[1].any()
    crosses = straight_scene([(*CAR, moving((30.0, -6.0), 8.0, np.pi / 2))])
    assert not read(crosses, "rss_margin", STILL)[1][:3].any()


def test_the_vehicle_in_the_left_lane():
    made = straight_scene([(*CAR, moving((0.0, 3.5), 7.0)), (*CAR, moving((3.0, 3.5), 9.0))], speed=8.0)
    flag, valid, _ = read(made, "left_vehicle")
    assert valid.all() and flag[0] == FLAG
    value, valid, agent = read(made, "left_speed")
    assert value[0] == 9.0 and agent[0] == 1 and valid[0], "the fastest of them"
    for x, found in ((FRONT + 2.0 + 1.9, True), (FRONT + 2.0 + 2.1, False), (-REAR - 2.0 - 2.1, False)):
        other = straight_scene([(*CAR, moving((x, 3.5), 10.0))])
        assert (read(other, "left_vehicle")[0] == (FLAG if found else -FLAG)).all(), x
    assert not read(made, "left_vehicle", cruise(y=3.5))[1].any(), "no lane further left"
    bicycle = straight_scene([(AgentKind.BICYCLE, (1.8, 0.6), moving((0.0, 3.5), 10.0))])
    assert (read(bicycle, "left_vehicle")[0] == -FLAG).all()


def test_a_queue_in_the_left_lane_needs_three_slow_vehicles():
    def queue(*x: float):
        return [(*CAR, moving((0.0, 3.5), 6.0)), *((*CAR, moving((at, 3.5), 6.0)) for at in x)]

    ego = cruise(speed=6.0)
    assert (read(straight_scene(queue(10.0, 20.0, 30.0)), "left_slow", ego)[0] == FLAG).all()
    assert (read(straight_scene(queue(10.0, 20.0)), "left_slow", ego)[0] == -FLAG).all()
    assert (read(straight_scene(queue(10.0, 20.0, 130.0)), "left_slow", ego)[0] == -FLAG).all()
    assert not read(straight_scene(), "left_slow", ego)[1].any()


def test_passing_on_the_right_is_free_in_towns_and_beside_who_turns_left():
    car = [(*CAR, moving((0.0, 3.5), 10.0))]
    assert (read(straight_scene(car), "right_pass_exempt")[0] == FLAG).all(), "13.9 m/s is a town's limit"
    motorway = straight_scene(car, vector_map=straight_map(limit=36.0))
    assert (read(motorway, "right_pass_exempt")[0] == -FLAG).all()
    motorway.tracks.cues[0, :] = Cue.INDICATOR_LEFT
    assert (read(motorway, "right_pass_exempt")[0] == FLAG).all()


def test_gaps_in_the_target_lane_of_a_lane_change():
    agents = [
        (*CAR, moving((40.0, 3.5), 8.0)),
        (*CAR, moving((60.0, 3.5), 8.0)),
        (*CAR, moving((-20.0, 3.5), 12.0)),
        (*CAR, moving((25.0, 0.0), 8.0)),
    ]
    ego = states(10.0 * T, np.where(T < 1.0, 0.0, 1.2), 0.0, 10.0)
    values = measure(straight_scene(agents), ego, "front_gap_target", "rear_gap_target", "rear_closing", "lane_change")
    on = values["lane_change"].value[0].numpy() > 0
    assert not on[:10].any() and on[10:].all()
    for name, expected, who in (
        ("front_gap_target", 40.0 - 2.0 - FRONT - 2.0 * T, 0),
        ("rear_gap_target", 20.0 - 2.0 - REAR - 2.0 * T, 2),
        ("rear_closing", 2.0 + 0.0 * T, 2),
    ):
        value, valid, agent = (part[0].numpy() for part in values[name])
        assert (valid[:40] == on[:40]).all() and (agent[10:40] == who).all(), name
        assert np.allclose(value[10:40], expected[10:40]) and (value[:10] == CATALOG[name].neutral).all(), name


def test_without_vehicles_in_the_target_lane_gaps_are_neutral():
    ego = states(10.0 * T, np.where(T < 1.0, 0.0, 1.2), 0.0, 10.0)
    for name in ("front_gap_target", "rear_gap_target", "rear_closing"):
        value, valid, _ = read(straight_scene([(*CAR, moving((25.0, 0.0), 8.0))]), name, ego)
        assert not valid.any() and (value == CATALOG[name].neutral).all()


def test_passing_is_being_beside_somebody_slower():
    made = straight_scene([(*CAR, moving((2.0, 3.5), 8.0))])
    flag, _, agent = read(made, "passing", cruise(speed=9.0))
    value, valid, _ = read(made, "pass_gap", cruise(speed=9.0))
    assert flag[0] == FLAG and agent[0] == 0 and value[0] == pytest.approx(2.5 - HALF_WIDTH) and valid[0]
    assert (read(made, "passing", cruise(speed=8.4))[0] == -FLAG).all(), "hardly faster"
    parked = straight_scene([(*CAR, moving((2.0, 3.5), 0.0))])
    assert (read(parked, "passing")[0] == -FLAG).all(), "parked cars are another matter"
    oncoming = straight_scene([(*CAR, moving((2.0, 3.5), 8.0, np.pi))])
    assert (read(oncoming, "passing")[0] == -FLAG).all()


def test_oncoming_time_is_distance_over_both_speeds():
    made = straight_scene([(*CAR, moving((100.0, 3.5), 12.0, np.pi))], vector_map=two_way_road())
    value, valid, agent = read(made, "oncoming_time", cruise(y=1.5, speed=8.0))
    gap = 98.0 - FRONT - 20.0 * T
    ahead = gap > 0
    assert valid.all() and np.allclose(value[ahead], gap[ahead] / 20.0) and (agent[ahead] == 0).all()
    assert (value[gap < -(FRONT + REAR + 4.0)] == 20.0).all(), "gone by"
    assert not read(made, "oncoming_time", cruise(y=0.0))[1].any(), "in its own lane"
    same_way = straight_scene([(*CAR, moving((50.0, 3.5), 5.0))], vector_map=two_way_road())
    assert (read(same_way, "oncoming_time", cruise(y=1.5))[0] == 20.0).all()


def test_left_is_right_in_left_hand_traffic():
    """A mirrored scene reads the same."""
    agents = [(*CAR, moving((1.0, 3.5), 7.0)), (*CAR, moving((30.0, 0.2), 8.0))]
    made = straight_scene(agents, vector_map=two_lanes_and_oncoming(1.0))
    flipped = replace(made, map=two_lanes_and_oncoming(-1.0))
    flipped = replace(
        flipped,
        tracks=replace(made.tracks, position=made.tracks.position * (1, -1), velocity=made.tracks.velocity * (1, -1)),
    )
    names = ("left_vehicle", "left_speed", "in_right_lane", "rss_margin", "clearance", "lead_gap", "lane_margin")
    ego = cruise(y=0.3)
    mirrored = ego.clone()
    mirrored[..., 1] *= -1
    for name, one in measure(made, ego, *names).items():
        assert torch.allclose(one.value, measure(flipped, mirrored, name)[name].value), name


def two_lanes_and_oncoming(side: float):
    left, right = ("left", "right") if side > 0 else ("right", "left")
    lanes = [
        straight_lane("kerb", -100, 400, 0.0, **{left: "inner"}),
        straight_lane("inner", -100, 400, 3.5 * side, **{right: "kerb"}),
        straight_lane("back", 400, -100, 7.0 * side),
    ]
    return build_map(lanes)
