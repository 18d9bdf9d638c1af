"""The traps of nuPlan's score: what its code does and its documentation does not say, one test each."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.signal import savgol_filter

from drive.scene import AgentKind
from drive.scoring.nuplan.collision import ContactKind, find_contacts, relative_angle
from drive.scoring.nuplan.comfort import comfort_signals, within_limits
from drive.scoring.nuplan.direction import progress_in_window
from drive.scoring.nuplan.drivable import corners_outside, violations
from drive.scoring.nuplan.inputs import NuplanDrive, NuplanMap, NuplanTracks
from drive.scoring.nuplan.progress import expert_chain
from drive.scoring.nuplan.score import METRICS, combine
from drive.scoring.nuplan.speed import overspeed
from drive.vehicle import EGO_COLUMNS, Ego
from evaluation.conformance.fields import Fields
from evaluation.conformance.nuplan import read_map
from evaluation.metrics.nuplan_score import aggregate
from tests.conformance.nuplan_scenes import (
    CENTER,
    FRONT,
    LIMIT,
    REAR,
    SAMPLES,
    box,
    case,
    cruise,
    driven,
    ego,
    lane,
    road,
    scored,
    track,
)

PROGRESS = "ego_progress_along_expert_route"
STEPS = np.arange(SAMPLES)
GOOD = dict.fromkeys(METRICS, 1.0)


def world(**changes: Any) -> NuplanMap:
    return read_map(Fields(road() | changes, "road"))


def contacts(record: dict[str, Any]) -> list[str]:
    return [entry[2] for entry in record["collisions"]]


def test_trap_01_progress_below_two_meters_counts_as_two() -> None:
    expert = cruise(speed=4.0 / 0.1 / SAMPLES, samples=SAMPLES + 1)  # 4 m
    assert scored(case(ego(0.0), expert=expert))["scores"][PROGRESS] == pytest.approx(0.5)
    back = 1.9 / (SAMPLES - 1)
    assert scored(case(ego(-back * STEPS), expert=expert))["scores"][PROGRESS] == pytest.approx(0.5)
    back = 2.1 / (SAMPLES - 1)
    assert scored(case(ego(-back * STEPS), expert=expert))["scores"][PROGRESS] == 0.0


def test_trap_02_driving_direction_multiplies() -> None:
    assert combine(GOOD | {"driving_direction_compliance": 0.5}) == 0.5


def test_trap_03_a_perfect_replay_has_one_sample_less_progress_than_the_expert() -> None:
    assert scored(case(cruise()))["scores"][PROGRESS] == pytest.approx((SAMPLES - 1) / SAMPLES)


def test_trap_04_the_direction_window_is_one_increment_more_and_cut_to_whole_samples() -> None:
    states = cruise(speed=5.6, y=8.0)  # along +x in the lane that leads to -x
    name = "driving_direction_compliance"
    assert scored(case(states))["scores"][name] == 0.0  # 11 increments: 6.16 m
    assert scored(case(states, interval_us=100_040))["scores"][name] == 0.5  # 10 increments: 5.6 m


@pytest.mark.parametrize(("depth", "kind", "score"), [(0.75, "ACTIVE_LATERAL", 1.0), (0.25, "ACTIVE_FRONT", 0.0)])
def test_trap_05_a_small_track_can_tunnel_through_the_bumper(depth: float, kind: str, score: float) -> None:
    near = 0.8 * 20 + FRONT - depth  # near side of the pedestrian, `depth` inside the ego at sample 20
    walker = track(near + 0.35, velocity=(0.0, 0.5), type="pedestrian", length=0.7, width=0.7)
    record = scored(case(cruise(), walker))
    assert record["collisions"][0][0] == 20
    assert contacts(record) == [f"{kind}_COLLISION"]
    assert record["scores"]["no_ego_at_fault_collisions"] == score


def test_trap_06_rounding_on_the_ego_axis_makes_a_track_neither_ahead_nor_behind() -> None:
    for heading in np.linspace(0.1, 1.4, 400):
        direction = np.array((math.cos(heading), math.sin(heading)))
        states = np.zeros((5, EGO_COLUMNS))
        states[:, Ego.HEADING], states[:, Ego.VX] = heading, 1.0
        car = np.tile(-2.0 * direction, (1, 5, 1))
        kind = np.array([AgentKind.CAR], np.int8)
        tracks = NuplanTracks(
            ("t",), kind, np.array([[4.0, 1.8]]), car, np.full((1, 5), heading), 5.0 * np.tile(direction, (1, 5, 1)),
            np.ones((1, 5), np.bool_),
        )  # fmt: skip
        drive = NuplanDrive(world(), np.arange(6) * 100_000, states, states[:, :3], tracks)
        angle = relative_angle(drive)
        [contact] = find_contacts(drive, angle, np.ones(5, np.bool_))
        if np.isnan(angle[0, 0]):
            assert contact.kind == ContactKind.ACTIVE_LATERAL
            return
        assert contact.kind == ContactKind.ACTIVE_REAR
    pytest.fail("no heading makes the cosine exceed 1 here")


def test_trap_07_overlap_at_the_first_sample_is_a_collision_at_fault_like_any_other() -> None:
    record = scored(case(cruise(), track(FRONT + 1.0)))
    assert record["collisions"][0][0] == 0
    assert record["scores"]["no_ego_at_fault_collisions"] == 0.0


def test_trap_08_both_rotational_terms_go_along_the_car_and_none_across() -> None:
    states = np.zeros((40, EGO_COLUMNS))
    states[:, Ego.YAW_RATE], states[:, Ego.YAW_ACCELERATION] = 0.5, 0.2
    signals = comfort_signals(states, 100_000 * np.arange(len(states)))
    assert signals["ego_lon_acceleration"] == pytest.approx(CENTER * (0.25 + 0.2))
    assert signals["ego_lat_acceleration"] == pytest.approx(0.0)


def test_trap_09_yaw_filters_use_a_window_of_five() -> None:
    states = np.zeros((60, EGO_COLUMNS))
    states[:, Ego.HEADING] = 0.2 * np.sin(np.arange(60) * 0.7)
    signal = comfort_signals(states, 100_000 * np.arange(len(states)))["ego_yaw_rate"]
    assert signal == pytest.approx(savgol_filter(states[:, Ego.HEADING], 5, 2, deriv=1, delta=0.1), abs=1e-7)
    assert np.abs(signal - savgol_filter(states[:, Ego.HEADING], 15, 2, deriv=1, delta=0.1)).max() > 0.1


def test_trap_10_smoothing_overshoots_the_acceleration_limit() -> None:
    states = np.zeros((80, EGO_COLUMNS))
    states[:, Ego.AX] = np.interp(np.arange(80), [20, 24, 60, 64], [0.0, 2.38, 2.38, 0.0])
    signals = comfort_signals(states, 100_000 * np.arange(len(states)))
    assert states[:, Ego.AX].max() < 2.40 < signals["ego_lon_acceleration"].max()
    assert not within_limits(signals)["ego_lon_acceleration"]


def test_trap_11_a_reversing_ego_is_projected_forward_and_tracks_along_their_heading() -> None:
    reversing = ego(-0.3 * STEPS, speed=-3.0)
    assert scored(case(reversing, track(FRONT + 2.0 + 2.1)))["ttc"][0] == pytest.approx(0.8)  # 2.1 m, 0.3 m a step
    standing_off = cruise(speed=0.1, x0=0.0)
    slider = track(FRONT + 2.0 + 3.1, heading=math.pi, velocity=(0.0, 5.0))  # slides sideways, points at the ego
    assert scored(case(standing_off, slider))["ttc"][0] == pytest.approx(0.7)


def test_trap_12_a_track_that_hit_the_ego_from_behind_vanishes_from_time_to_collision() -> None:
    along = REAR - 2.0 - 0.5 + 1.2 * np.arange(SAMPLES + 1)  # hits from behind, drives through the ego and off ahead
    after = scored(case(cruise(speed=2.0), track(along, y=0.3, velocity=(12.0, 0.0))))
    assert contacts(after) == ["ACTIVE_REAR_COLLISION"]
    assert set(after["ttc"]) == {"inf"}


@pytest.mark.parametrize(("x0", "seen"), [(0.0, False), (84.0, True)])
def test_trap_13_a_side_neighbor_counts_in_intersections_only(x0: float, seen: bool) -> None:
    beside = track(x0 + CENTER, y=3.5, heading=-math.pi / 2, velocity=(0.0, -2.0))  # drives into the ego's side
    record = scored(case(cruise(x0, speed=0.1), beside))
    assert (record["ttc"][0] != "inf") is seen


def test_trap_14_three_tenths_of_a_meter_itself_is_a_violation_unless_the_own_lane_is_near() -> None:
    made = world(road_segments=[{"id": "s", "polygon": box(-60, 300, -2, 10)}], intersections=[])
    corners = np.array([[[0.0, -2.3], [0.0, -2.29], [1.0, 0.0], [1.0, 0.0]]])
    nowhere: list[tuple[tuple[int, ...], ...]] = [((), (), (0,), (0,))]
    outside = corners_outside(made, corners, nowhere)
    assert outside.tolist() == [[True, True, False, False]]
    distance = made.drivable.distance(corners[0, 0], [0])
    assert violations(made, corners, outside, [()])[0].tolist() == [distance >= 0.3, False, False, False]
    flat = world(road_segments=[{"id": "s", "polygon": box(-60, 300, 0, 10)}], intersections=[])
    edge = np.array([[[0.0, -0.3], [0.0, -0.29], [1.0, 1.0], [1.0, 1.0]]])  # exactly 0.3 m in float64
    assert violations(flat, edge, outside, [()])[0].tolist() == [True, False, False, False]
    far = world(road_segments=[], intersections=[])
    assert violations(far, corners, outside, [(0,)])[0, 1] == np.False_  # near the own lane, no drivable area at all
    assert violations(far, corners, outside, [()])[0, 1] == np.True_


@pytest.mark.parametrize(("after", "excess"), [(15.0, 1.0), (None, 0.0)])
def test_trap_15_a_connector_has_the_higher_limit_of_its_neighbors_and_none_if_one_is_missing(
    after: float | None, excess: float
) -> None:
    made = road()
    made["lanes"][2]["speed_limit"] = after
    made["connectors"][0]["speed_limit"] = 1.0  # unused
    record = scored(case(cruise(81.0 - CENTER, speed=16.0, samples=10)), made)
    assert record["ego_route"][0] == ["c"]
    assert record["overspeed"][0] == pytest.approx(excess)
    off_lane = scored(case(cruise(0.0, speed=16.0, y=-20.0)), made)
    assert not any(off_lane["overspeed"])


def test_trap_16_a_lane_change_of_the_expert_inside_a_roadblock_is_invisible() -> None:
    made = world()
    a, a2, b2 = (made.ids.index(name) for name in ("a", "a2", "b2"))
    assert expert_chain(made, [(a,), (a,), (a2,), (), (b2,)]) == [a, b2]


def test_trap_17_progress_off_the_route_is_credited_on_return_but_never_for_an_earlier_roadblock() -> None:
    y = np.where((STEPS > 10) & (STEPS < 30), -20.0, 0.0)
    steps = scored(case(ego(0.8 * STEPS, y, 8.0), expert=cruise(samples=SAMPLES + 1)))["progress_per_frame"]
    assert steps[10] == pytest.approx(0.8)
    assert steps[11:30] == [0.0] * 19
    assert steps[30] == pytest.approx(0.8 * 20)
    there_and_back = 78.0 - CENTER + 0.5 * np.minimum(STEPS, 2 * 30 - STEPS)
    steps = scored(case(ego(there_and_back), expert=cruise(60.0, samples=SAMPLES + 1)))["progress_per_frame"]
    assert sum(steps[:31]) == pytest.approx(15.0)
    assert sum(steps[31:]) == pytest.approx(-13.0, abs=0.51)  # back to the connector's start, where it stops counting


def test_trap_18_overtaking_through_the_oncoming_lane_pauses_progress_and_credits_it_on_return() -> None:
    y = np.where((STEPS > 10) & (STEPS < 30), 8.0, 4.0)
    steps = scored(case(ego(0.8 * STEPS, y, 8.0), expert=cruise(y=4.0, samples=SAMPLES + 1)))["progress_per_frame"]
    assert steps[11:30] == [0.0] * 19
    assert sum(steps) == pytest.approx(0.8 * (SAMPLES - 1))


def test_trap_19_only_the_first_of_overlapping_connectors_gives_the_direction() -> None:
    made = world()
    a, o = made.ids.index("a"), made.ids.index("o")
    center = np.column_stack((1.0 * STEPS, np.full(SAMPLES, 4.0)))
    forward = progress_in_window(made, center, [(a, o)] * SAMPLES, 0.1)
    backward = progress_in_window(made, center, [(o, a)] * SAMPLES, 0.1)
    assert (forward.max(), backward.min()) == (11.0, -11.0)


def test_trap_20_of_overlapping_lanes_the_first_listed_counts_where_the_reference_raises() -> None:
    made = road()
    made["lanes"].append(lane("twin", "ra", -60, 80, 0.0))
    assert set(map(tuple, scored(case(cruise()), made)["ego_route"])) == {("a",)}


def test_trap_21_a_connector_that_leads_nowhere_has_no_limit_where_the_reference_raises() -> None:
    made = world()
    c = made.ids.index("c")
    loose = made._replace(successors=tuple(() if n == c else s for n, s in enumerate(made.successors)),
                          predecessors=tuple(() if n == c else p for n, p in enumerate(made.predecessors)))  # fmt: skip
    assert overspeed(loose, np.array([30.0]), [(c,)]).tolist() == [0.0]
    assert overspeed(made, np.array([30.0]), [(c,)]).tolist() == [30.0 - LIMIT]


def test_trap_22_type_rows_hold_sums_and_the_final_score_is_the_mean_over_scenes() -> None:
    types, final = aggregate([("x", 1.0, GOOD), ("x", 0.0, GOOD), ("x", 0.5, GOOD), ("y", 1.0, GOOD)])
    assert (types["x"].score, types["x"].metrics[PROGRESS]) == (0.5, 3.0)
    assert (final.score, final.metrics[PROGRESS]) == (0.625, 1.0)


def test_trap_23_vehicles_off_the_lanes_vanish_parked_ones_drive_turned_ones_are_snapped_far_ones_never_return() -> (
    None
):
    far = ego(-40.0, samples=2)
    record = driven(
        track(20.0, y=0.4, token="parked"),
        track(20.0, y=4.0, heading=3.0, token="turned"),
        track(20.0, y=-30.0, token="off"),
        track(200.0, token="far"),
        start=far,
    )
    tracks = record["tracks"]
    assert set(tracks) == {"parked", "turned", "far"}
    assert tracks["parked"][0][:3] == [20.0, 0.0, 0.0]
    assert tracks["parked"][-1][0] > 25.0
    assert tracks["turned"][0][2] == 0.0
    assert tracks["far"][0] is not None
    assert tracks["far"][1:] == [None] * (SAMPLES - 1)


def test_trap_24_without_a_limit_an_agent_inherits_the_target_speed_of_the_one_before() -> None:
    made = road()
    made["lanes"][2]["speed_limit"] = None  # b
    made["lanes"][3]["speed_limit"] = None  # b2
    made["lanes"][4]["speed_limit"] = 4.0  # o

    def pull(*before: dict[str, Any]) -> float:
        agent = track(110.0, token="agent", velocity=(3.5, 0.0))
        rows = driven(*before, agent, world=made, start=ego(60.0, y=-30.0, samples=2), samples=5)["tracks"]["agent"]
        return float(rows[1][3] - rows[0][3])

    oncoming = track(150.0, y=8.0, heading=math.pi, token="before")
    assert pull() == pytest.approx(0.1 * (1 - (3.5 / 10.0) ** 4), abs=0.002)
    assert pull(oncoming) == pytest.approx(0.1 * (1 - (3.5 / 4.0) ** 4), abs=0.002)


@pytest.mark.parametrize(("color", "passes"), [("RED", False), ("GREEN", True), (None, False)])
def test_trap_25_agents_enter_a_connector_with_lights_on_green_only(color: str | None, passes: bool) -> None:
    made = road()
    made["stop_lines"] = [{"id": "s", "polygon": box(79.0, 81.0, -2.0, 2.0)}]
    made["connectors"][0]["stop_lines"] = "s"
    lights = [[["c", color]] if color else [] for _ in range(SAMPLES + 1)]
    agent = track(60.0, velocity=(8.0, 0.0), token="agent")
    record = driven(agent, world=made, lights=lights, start=ego(60.0, y=-30.0, samples=2))
    assert (record["tracks"]["agent"][-1][0] > 80.0) is passes


def test_trap_25_a_light_that_turns_red_stops_agents_whose_route_already_leads_there() -> None:
    made = road()
    made["stop_lines"] = [{"id": "s", "polygon": box(79.0, 81.0, -2.0, 2.0)}]
    made["connectors"][0]["stop_lines"] = "s"
    lights = [[["c", "GREEN" if k < 3 else "RED"]] for k in range(SAMPLES + 1)]
    agent = track(50.0, velocity=(8.0, 0.0), token="agent")
    assert (
        driven(agent, world=made, lights=lights, start=ego(20.0, y=-30.0, samples=2))["tracks"]["agent"][-1][0] < 79.0
    )


def test_trap_26_cyclists_are_neither_simulated_nor_replayed() -> None:
    bike = track(20.0, velocity=(4.0, 0.0), type="bicycle", token="bike", length=1.8, width=0.6)
    walker = track(30.0, y=-6.0, type="pedestrian", token="walker", length=0.6, width=0.6)
    assert set(driven(bike, walker)["tracks"]) == {"walker"}


def test_trap_27_scenes_do_not_influence_one_another() -> None:
    first, second = case(cruise(), track(30.0)), case(cruise(speed=3.0), track(12.0, y=4.0))
    alone = scored(second)
    scored(first)
    assert scored(second) == alone


def test_agents_do_not_use_the_last_point_of_a_centerline() -> None:
    made = road()
    made["connectors"] = []
    made["roadblock_connectors"] = []
    agent = track(75.0, velocity=(1.0, 0.0), token="agent")
    record = driven(agent, world=made, start=ego(40.0, y=-30.0, samples=2))
    # it stops half its length and the least gap before x = 79, where the last but one point lies
    assert record["tracks"]["agent"][-1][0] == pytest.approx(79.0 - 2.0 - 1.0, abs=0.3)
