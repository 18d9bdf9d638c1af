"""Lights, stop signs, crosswalks and junctions ahead: every number here can be worked out from the scene."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from drive.map import Area, Layer, StopCause
from drive.scene import AgentKind, LightState, Scenario
from drive.signals import compute
from drive.vehicle import Ego
from tests.drive.signal_drives import along_x, flag, read, signal, steady, world_of
from tests.planners.roads import curve, lane, scene, signal_line
from tests.scenes import START, STEPS, moving

GREEN, YELLOW, RED = LightState.GREEN, LightState.YELLOW, LightState.RED
WALKER = (0.6, 0.6)
CAR = (4.0, 2.0)


def junction_road(line_at: float | None = None, cause: StopCause = StopCause.SIGNAL, **fields: object) -> Scenario:
    """An approach along x from 0 to 100, a straight connector to 120, an exit to 300; a stop line where asked for."""
    roads = [
        lane("approach", curve((100, 0)), successors=("connector",)),
        lane("connector", curve((20, 0), start=(100.0, 0.0, 0.0)), successors=("exit",), connector=True),
        lane("exit", curve((180, 0), start=(120.0, 0.0, 0.0))),
    ]
    stops = () if line_at is None else (signal_line(np.array([line_at, 0.0, 0.0]), "approach", cause=cause),)
    return scene(roads, ("approach", "connector", "exit"), (0.0, 0.0, 0.0), 10.0, stop_lines=stops, **fields)


def with_states(scenario: Scenario, *runs: tuple[int, LightState]) -> Scenario:
    """The scene with its lights in each state for a number of samples after the start; the last one stays."""
    state = np.concatenate([np.full(count, value) for count, value in runs])
    state = np.concatenate((np.full(START, state[0]), state, np.full(STEPS, state[-1])))[:STEPS]
    return replace(scenario, lights=replace(scenario.lights, state=np.tile(state, (1, 1)).astype(np.int8)))


def with_areas(scenario: Scenario, *areas: Area) -> Scenario:
    """The scene on the same lanes with more areas."""
    old = scenario.map
    layers = [*old.area_layer, *(area.layer for area in areas)]
    rings = [ring for area in areas for ring in area.rings]
    owner = [len(old.area_layer) + n for n, area in enumerate(areas) for _ in area.rings]
    vector_map = replace(
        old,
        ring=np.concatenate((old.ring, *rings)),
        ring_ptr=np.concatenate((old.ring_ptr, old.ring_ptr[-1] + np.cumsum([len(ring) for ring in rings]))).astype(
            np.int32
        ),
        ring_area=np.concatenate((old.ring_area, owner)).astype(np.int32),
        area_layer=np.array(layers, np.int8),
    )
    return replace(scenario, map=vector_map)


def rectangle(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def crosswalk_road(agents: list = (), at: float = 100.0, **fields: object) -> Scenario:
    """A crosswalk of 4 m from x = ``at`` on across a two-way road: ego lane within +-1.8 m, another up to y = 5.4."""
    roads = [
        lane("road", curve((300, 0))),
        lane("back", curve((300, 0), start=(300.0, 3.6, np.pi))),
    ]
    made = scene(roads, ("road",), (0.0, 0.0, 0.0), 10.0, agents=agents, **fields)
    return with_areas(made, Area(Layer.CROSSWALK, (rectangle(at, at + 4.0, -2.0, 5.6),)))


# --- lights -----------------------------------------------------------------------------------------------------------


def test_light_distance_runs_from_the_bumper_to_where_the_connector_begins() -> None:
    made = junction_road(lights={"connector": GREEN})
    value, valid, _ = signal(made, steady(60.0, 10.0, 11), "light_line_distance")
    assert valid.all()
    assert value == pytest.approx(40.0 - np.arange(11), abs=1e-6)


def test_light_distance_runs_to_the_drawn_line_where_there_is_one() -> None:
    made = junction_road(line_at=97.0, lights={"connector": GREEN})
    value, _, _ = signal(made, along_x([60.0]), "light_line_distance")
    assert value == pytest.approx([37.0], abs=1e-6)


def test_light_distance_stays_negative_until_the_rear_bumper_has_left_the_connector() -> None:
    made = junction_road(lights={"connector": GREEN})
    value, valid, _ = signal(made, along_x([100.5, 119.0, 125.1, 125.3]), "light_line_distance")  # ego length 5.176
    assert value == pytest.approx([-0.5, -19.0, -25.1, 150.0], abs=1e-6)
    assert valid.tolist() == [True, True, True, False]


def test_a_light_more_than_150_m_away_is_not_looked_at() -> None:
    roads = [
        lane("approach", curve((200, 0)), successors=("connector",)),
        lane("connector", curve((20, 0), start=(200.0, 0.0, 0.0)), connector=True),
    ]
    made = scene(roads, ("approach", "connector"), (0.0, 0.0, 0.0), 10.0, lights={"connector": RED})
    value, valid, _ = signal(made, along_x([49.0, 51.0]), "light_line_distance")
    assert value == pytest.approx([150.0, 149.0], abs=1e-6)
    assert valid.tolist() == [False, True]


def test_red_counts_from_the_moment_it_turns_red_with_the_bumper_before_the_line() -> None:
    made = with_states(junction_road(lights={"connector": GREEN}), (5, GREEN), (1, RED))
    value, valid, _ = signal(made, steady(98.0, 2.0, 16), "red_light_distance")
    assert valid.tolist() == [False] * 5 + [True] * 11
    assert value[:5] == pytest.approx(np.full(5, 150.0))
    assert value[5:] == pytest.approx(2.0 - 0.2 * np.arange(5, 16), abs=1e-6)  # down to -1 m: a red light run


def test_entering_on_green_and_standing_inside_on_red_is_no_offence() -> None:
    made = with_states(junction_road(lights={"connector": GREEN}), (5, GREEN), (1, RED))
    value, valid, _ = signal(made, steady(99.0, 10.0, 16), "red_light_distance")  # over the line at sample 2
    assert not valid.any()
    assert value == pytest.approx(np.full(16, 150.0))


def test_red_from_the_start_binds_who_is_before_the_line_and_not_who_is_past_it() -> None:
    made = junction_road(lights={"connector": RED})
    assert signal(made, steady(99.0, 10.0, 5), "red_light_distance")[0] == pytest.approx([1, 0, -1, -2, -3], abs=1e-6)
    assert not signal(made, steady(101.0, 10.0, 5), "red_light_distance")[1].any()


def test_amber_onset_is_the_first_amber_sample_before_the_line_and_never_the_first_sample() -> None:
    made = with_states(junction_road(lights={"connector": GREEN}), (3, GREEN), (4, YELLOW), (1, RED))
    assert np.flatnonzero(flag(made, steady(60.0, 10.0, 12), "amber_onset")).tolist() == [3]
    assert not flag(made, steady(98.0, 10.0, 12), "amber_onset").any()  # past the line by then
    always = with_states(junction_road(lights={"connector": GREEN}), (9, YELLOW), (1, RED))
    assert not flag(always, steady(60.0, 10.0, 12), "amber_onset").any()


def test_amber_onset_is_not_valid_where_the_data_know_no_amber() -> None:
    value, valid, _ = signal(junction_road(lights={"connector": RED}), steady(60.0, 10.0, 5), "amber_onset")
    assert not valid.any() and (value == -1000.0).all()


def test_amber_deceleration_is_what_stops_at_the_line_after_half_a_second() -> None:
    made = junction_road(lights={"connector": GREEN})
    value, valid, _ = signal(made, steady(75.0, 10.0, 2), "amber_decel")
    assert valid.all()
    assert value == pytest.approx([100.0 / (2 * 20.0), 100.0 / (2 * 19.0)], abs=1e-6)
    assert signal(made, along_x([99.0], VX=10.0), "amber_decel")[0] == pytest.approx([50.0])


def test_green_is_free_at_the_line_unless_somebody_crosses_or_waits_ahead() -> None:
    states = along_x(np.full(3, 97.0))
    assert flag(junction_road(lights={"connector": GREEN}), states, "green_free").all()
    assert not flag(junction_road(lights={"connector": RED}), states, "green_free").any()
    crossing = [(AgentKind.CAR, CAR, moving((110.0, 0.0), 0.0, heading=np.pi / 2))]
    assert not flag(junction_road(lights={"connector": GREEN}, agents=crossing), states, "green_free").any()
    leaving = [(AgentKind.CAR, CAR, moving((116.0, 0.0), 5.0))]
    assert flag(junction_road(lights={"connector": GREEN}, agents=leaving), states, "green_free").all()
    waiting = [(AgentKind.CAR, CAR, moving((105.0, 0.0), 0.0))]  # 6 m ahead
    assert not flag(junction_road(lights={"connector": GREEN}, agents=waiting), states, "green_free").any()


def test_green_free_is_valid_within_5_m_before_the_line_only() -> None:
    made = junction_road(lights={"connector": GREEN})
    assert signal(made, along_x([94.9, 95.1, 99.9, 100.1]), "green_free")[1].tolist() == [False, True, True, False]


def test_light_distance_has_the_gradient_of_a_distance() -> None:
    made = junction_road(lights={"connector": RED})
    ego = torch.as_tensor(along_x([60.0, 61.0])[None]).requires_grad_()
    value = compute(["red_light_distance"], world_of(made), ego)["red_light_distance"].value
    value.sum().backward()
    assert ego.grad is not None
    assert ego.grad[0, :, Ego.X].tolist() == pytest.approx([-1.0, -1.0])
    assert ego.grad[0, :, Ego.Y].tolist() == pytest.approx([0.0, 0.0])


# --- stop signs -------------------------------------------------------------------------------------------------------


def test_stop_sign_distance_and_crossing() -> None:
    made = junction_road(line_at=98.0, cause=StopCause.STOP_SIGN)
    states = steady(96.0, 10.0, 40)
    value, valid, _ = signal(made, states, "stop_line_distance")
    front = 96.0 + np.arange(40)
    inside = front - 5.176 < 120.0  # the rear bumper is still in the connector
    assert valid.tolist() == inside.tolist()
    assert value == pytest.approx(np.where(inside, np.maximum(98.0 - front, -20.0), 150.0), abs=1e-6)
    assert np.flatnonzero(flag(made, states, "stop_line_cross")).tolist() == [3]


def test_standing_past_the_line_from_the_start_is_no_crossing_nor_is_rolling_back_a_second_one() -> None:
    made = junction_road(line_at=98.0, cause=StopCause.STOP_SIGN)
    assert not flag(made, along_x([98.5, 97.5, 98.5]), "stop_line_cross").any()
    assert np.flatnonzero(flag(made, along_x([97.5, 98.5, 97.5, 98.5]), "stop_line_cross")).tolist() == [1]


def test_yield_signs_lights_and_other_lanes_lines_are_no_stop_signs() -> None:
    for cause in (StopCause.YIELD, StopCause.SIGNAL, StopCause.CROSSWALK):
        value, valid, _ = signal(junction_road(98.0, cause), steady(90.0, 5.0, 3), "stop_line_distance")
        assert not valid.any() and (value == 150.0).all()
    roads = [lane("road", curve((200, 0))), lane("other", curve((200, 0), start=(0.0, 0.5, 0.0)))]
    line = signal_line(np.array([98.0, 0.0, 0.0]), "other", cause=StopCause.STOP_SIGN)
    made = scene(roads, ("road",), (0.0, 0.0, 0.0), 10.0, stop_lines=(line,))
    assert not signal(made, steady(90.0, 5.0, 3), "stop_line_distance")[1].any()


# --- crosswalks -------------------------------------------------------------------------------------------------------


def walker(y: float, speed: float = 0.0, heading: float = np.pi / 2, x: float = 102.0, kind=AgentKind.PEDESTRIAN):
    return (kind, WALKER, moving((x, y), speed, heading=heading))


def claimed(agent: object, fronts: np.ndarray | None = None) -> np.ndarray:
    return flag(crosswalk_road([agent]), along_x(np.full(2, 80.0) if fronts is None else fronts), "crosswalk_claimed")


def test_a_walker_on_the_crosswalk_claims_it() -> None:
    made = crosswalk_road([walker(0.0, 1.0)])
    value, valid, agent = signal(made, steady(80.0, 10.0, 3), "ped_crosswalk_distance")
    assert value == pytest.approx([20.0, 19.0, 18.0], abs=1e-6)
    assert valid.all() and (agent == 0).all()


def test_walking_up_to_it_claims_within_one_and_a_half_metres_and_at_walking_pace() -> None:
    assert claimed(walker(-3.4, 1.0)).all()  # 1.4 m before the end at y = -2
    assert not claimed(walker(-3.6, 0.3))[0]
    assert not claimed(walker(-3.0, 0.2, heading=0.0)).any()
    assert not claimed(walker(-3.4, 1.0, heading=-np.pi / 2)).any()


def test_waiting_at_its_end_and_looking_at_it_claims() -> None:
    assert claimed(walker(-2.9)).all()
    assert not claimed(walker(-3.1)).any()
    assert not claimed(walker(-2.9, heading=-np.pi / 2)).any()
    assert not claimed(walker(0.0, x=99.5, heading=0.0)).any()  # beside it in the road, not at its end


def test_a_walker_who_has_cleared_the_ego_half_by_a_metre_releases_it() -> None:
    made = crosswalk_road([walker(2.05, 1.0)])  # half 0.3 m wide, the ego half ends at y = 1.8: released from 3.1 on
    up = flag(made, along_x(np.full(20, 80.0)), "crosswalk_claimed")
    assert up.tolist() == [2.05 + 0.1 * k < 3.1 for k in range(20)]


def test_a_walker_coming_from_the_far_side_claims() -> None:
    assert claimed(walker(4.5, 1.0, heading=-np.pi / 2)).all()


def test_riding_along_the_road_claims_nothing_and_riding_across_does() -> None:
    assert not claimed(walker(0.5, 4.0, heading=0.0, kind=AgentKind.BICYCLE))[0]
    assert claimed(walker(0.0, 2.0, kind=AgentKind.BICYCLE))[0]


def test_a_claim_that_begins_after_the_bumper_has_passed_the_edge_binds_nobody() -> None:
    coming = walker(-5.5, 1.0)  # within 1.5 m of the end at y = -2 from t = 2 s on
    value, valid, _ = signal(crosswalk_road([coming]), steady(99.0, 1.0, 40), "ped_crosswalk_distance")
    assert not valid.any() and (value == 150.0).all()
    value, valid, _ = signal(crosswalk_road([coming]), steady(97.0, 1.0, 40), "ped_crosswalk_distance")
    assert valid.tolist() == [k >= 20 for k in range(40)]
    assert value[39] == pytest.approx(100.0 - 97.0 - 3.9, abs=1e-6)  # 0.9 m onto it


def test_crosswalks_are_looked_at_within_60_m_until_the_rear_bumper_has_left() -> None:
    made = crosswalk_road([walker(0.0)])
    _, valid, _ = signal(made, along_x([39.0, 41.0, 109.0, 109.3]), "crosswalk_claimed")
    assert valid.tolist() == [False, True, True, False]


def test_green_light_holds_walkers_back_and_red_does_not() -> None:
    for state, expected in ((GREEN, False), (YELLOW, False), (RED, True)):
        made = junction_road(lights={"connector": state}, agents=[walker(0.0, x=102.0)])
        made = with_areas(made, Area(Layer.CROSSWALK, (rectangle(101.0, 104.0, -2.0, 2.0),)))
        assert flag(made, along_x([80.0, 80.0]), "crosswalk_claimed").all() == expected


def test_keep_clear_depth_is_the_length_on_the_crosswalk_or_minus_the_way_to_it() -> None:
    made = crosswalk_road()
    value, valid, _ = signal(made, along_x([70.0, 90.0, 100.0, 101.5, 104.5, 107.176, 120.0]), "keep_clear_depth")
    assert valid.all()
    assert value == pytest.approx([-20.0, -10.0, 0.0, 1.5, 4.0, 2.0, -20.0], abs=1e-6)


def test_without_crosswalks_there_is_nothing_to_claim_or_to_keep_clear() -> None:
    made = junction_road(agents=[walker(0.0)])
    for name in ("crosswalk_claimed", "ped_crosswalk_distance", "keep_clear_depth"):
        assert not signal(made, along_x([80.0]), name)[1].any()


# --- junctions --------------------------------------------------------------------------------------------------------


def square_junction(agents: list = ()) -> Scenario:
    made = junction_road(agents=agents)
    return with_areas(made, Area(Layer.INTERSECTION, (rectangle(100.0, 120.0, -10.0, 10.0),)))


def test_entering_is_the_first_sample_with_the_bumper_inside_and_never_the_first_sample() -> None:
    made = square_junction()
    assert np.flatnonzero(flag(made, steady(98.5, 10.0, 8), "enters_intersection")).tolist() == [2]
    assert not flag(made, steady(101.0, 10.0, 8), "enters_intersection").any()


def test_exit_space_runs_from_the_far_border_to_the_next_vehicle() -> None:
    made = square_junction([(AgentKind.CAR, CAR, moving((127.0, 0.0), 2.0))])
    states = steady(99.5, 10.0, 4)
    value, valid, agent = signal(made, states, "exit_space")  # enters at sample 1, the car's rear at 125.2 then
    assert valid.tolist() == [False, True, False, False]
    assert value == pytest.approx([100.0, 5.2, 100.0, 100.0], abs=1e-6)
    assert agent[1] == 0
    speed, valid, _ = signal(made, states, "exit_speed")
    assert valid.tolist() == [False, True, False, False]
    assert speed == pytest.approx([70.0, 2.0, 70.0, 70.0])


def test_an_empty_exit_has_100_m_and_no_speed() -> None:
    beside = [
        (AgentKind.CAR, CAR, moving((125.0, 3.5), 0.0)),
        (AgentKind.PEDESTRIAN, WALKER, moving((125.0, 0.0), 0.0)),
    ]
    value, valid, _ = signal(square_junction(beside), steady(99.5, 10.0, 3), "exit_space")
    assert valid[1] and value[1] == 100.0
    assert not signal(square_junction(beside), steady(99.5, 10.0, 3), "exit_speed")[1].any()


def test_without_a_route_all_distances_are_neutral() -> None:
    made = replace(junction_road(lights={"connector": RED}), route=np.zeros(0, np.int32))
    names = ("light_line_distance", "red_light_distance", "stop_line_distance", "ped_crosswalk_distance")
    for values in read(made, steady(60.0, 10.0, 4), *names).values():
        assert not values.valid.any() and (values.value == 150.0).all()
