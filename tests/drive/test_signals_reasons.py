"""Reasons to brake, stop and go slowly, one by one; flow, jams and progress with numbers worked out by hand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from drive.map import Area, Lane, Layer, StopCause, StopLine, build_map
from drive.scene import AgentKind, LightState, Scenario
from drive.signals import CATALOG, FUNCTIONS, compute, lines, priority, reasons, vru
from drive.vehicle import PACIFICA, Ego
from evaluation.suite import load_scene, resolve_suite
from scenarios.store import Store
from tests.drive.signal_drives import along_x, flag, signal, steady, world_of
from tests.planners.roads import curve, lane, scene, signal_line
from tests.scenes import moving, straight_map, straight_scene

CAR, WALKER = (4.0, 2.0), (0.6, 0.6)
MINE = (*vru.SIGNALS, *lines.SIGNALS, *priority.SIGNALS, *reasons.SIGNALS)


def road(
    *agents: object,
    light: LightState | None = None,
    stop_lines: Sequence[StopLine] = (),
    areas: Sequence[Area] = (),
    limit: float | None = 20.0,
) -> Scenario:
    """A road along x with a straight connector from 200 to 220, ending at 400."""
    roads: list[Lane] = [
        lane("approach", curve((200, 0)), successors=("connector",), speed_limit=limit),
        lane("connector", curve((20, 0), start=(200.0, 0.0, 0.0)), successors=("exit",), connector=True),
        lane("exit", curve((180, 0), start=(220.0, 0.0, 0.0)), speed_limit=limit),
    ]
    lights = None if light is None else {"connector": light}
    made = scene(
        roads,
        ("approach", "connector", "exit"),
        (0.0, 0.0, 0.0),
        10.0,
        agents=list(agents),
        lights=lights,
        stop_lines=stop_lines,
    )
    shapes = [Area(Layer.DRIVABLE, (item.polygon,)) for item in roads]
    return replace(made, map=build_map(roads, [*shapes, *areas], stop_lines))


def rectangle(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def at(front: float, speed: float = 10.0) -> np.ndarray:
    return along_x([front], VX=speed)


def up(name: str, made: Scenario, states: np.ndarray) -> bool:
    return bool(flag(made, states, name)[0])


JUNCTION = Area(Layer.INTERSECTION, (rectangle(200.0, 220.0, -10.0, 10.0),))
CROSSWALK = Area(Layer.CROSSWALK, (rectangle(200.0, 204.0, -2.5, 2.5),))


# --- reasons to brake -------------------------------------------------------------------------------------------------


def test_an_empty_straight_road_is_no_reason_for_anything() -> None:
    for name in ("brake_reason", "stop_reason", "slow_reason"):
        assert not up(name, road(), at(50.0))


def test_a_red_or_amber_light_is_a_reason_to_brake_within_the_way_it_takes_and_10_m() -> None:
    # 10 m/s: 100 / 4 + 10 = 35 m
    for light, expected in ((LightState.RED, True), (LightState.YELLOW, True), (LightState.GREEN, False)):
        assert up("brake_reason", road(light=light), at(165.1)) == expected
        assert not up("brake_reason", road(light=light), at(164.9))


def test_who_entered_the_junction_has_no_reason_in_its_light() -> None:
    assert up("brake_reason", road(light=LightState.RED), at(200.9))
    assert not up("brake_reason", road(light=LightState.RED), at(201.1))


def test_a_stop_sign_and_a_claimed_crosswalk_are_reasons_to_brake() -> None:
    sign = signal_line(np.array([200.0, 0.0, 0.0]), "approach", cause=StopCause.STOP_SIGN)
    crossing = (AgentKind.PEDESTRIAN, WALKER, moving((202.0, -2.2), 0.1, heading=np.pi / 2))  # no lead yet
    for made in (road(stop_lines=[sign]), road(crossing, areas=[CROSSWALK])):
        assert up("brake_reason", made, at(165.1, 10.0)) and not up("brake_reason", made, at(164.9, 10.0))


def test_a_close_or_slower_lead_is_a_reason_to_brake() -> None:
    def behind(gap: float, speed: float) -> bool:
        return up("brake_reason", road((AgentKind.CAR, CAR, moving((50.0 + gap + 2.0, 0.0), speed))), at(50.0))

    assert behind(19.0, 5.0) and not behind(21.0, 5.0)  # 4 s at 5 m/s
    assert behind(2.0, 10.0) and not behind(4.0, 10.0)  # margin: 5 - 4.76 + 3 = 3.24 m


def test_speeding_and_a_bend_are_reasons_to_brake() -> None:
    assert up("brake_reason", road(), at(50.0, 20.1)) and not up("brake_reason", road(), at(50.0, 19.9))
    roads = [lane("road", curve((100, 0), (60, 20)), speed_limit=20.0)]
    made = scene(roads, ("road",), (0.0, 0.0, 0.0), 10.0)
    # 20 m of radius at 10 m/s are 5 m/s2, looked for 20 m ahead; curvature is measured over 4 m.
    assert up("brake_reason", made, at(82.0)) and not up("brake_reason", made, at(77.0))
    assert not up("brake_reason", made, at(90.0, 7.5))  # 2.8 m/s2


# --- reasons to stop --------------------------------------------------------------------------------------------------


def test_red_within_10_m_and_the_end_of_the_route_within_5_are_reasons_to_stop() -> None:
    red = road(light=LightState.RED)
    assert up("stop_reason", red, at(190.1)) and not up("stop_reason", red, at(189.9))
    assert not up("stop_reason", road(light=LightState.GREEN), at(199.0))
    assert up("stop_reason", road(), at(395.1)) and not up("stop_reason", road(), at(394.9))


def test_a_standing_lead_within_10_m_is_a_reason_to_stop() -> None:
    def behind(gap: float, speed: float) -> bool:
        return up("stop_reason", road((AgentKind.CAR, CAR, moving((50.0 + gap + 2.0, 0.0), speed))), at(50.0))

    assert behind(9.9, 0.0) and not behind(10.1, 0.0) and not behind(9.9, 0.6)


def test_a_claimed_crosswalk_within_15_m_is_a_reason_to_stop() -> None:
    made = road((AgentKind.PEDESTRIAN, WALKER, moving((202.0, 0.0), 0.1, heading=np.pi / 2)), areas=[CROSSWALK])
    assert up("stop_reason", made, at(185.1)) and not up("stop_reason", made, at(184.9))


def test_a_junction_without_room_behind_it_is_a_reason_to_stop_at_its_edge() -> None:
    def waits(rear: float, front: float) -> bool:
        made = road((AgentKind.CAR, CAR, moving((rear + 2.0, 0.0), 0.0)), areas=[JUNCTION])
        return up("stop_reason", made, at(front))

    assert waits(227.9, 195.1) and not waits(228.1, 195.1)
    assert not waits(227.9, 194.9) and not waits(227.9, 200.1)


# --- reasons to be slow -----------------------------------------------------------------------------------------------


def test_what_makes_one_brake_or_stop_makes_one_slow() -> None:
    assert up("slow_reason", road(light=LightState.RED), at(165.1))
    assert up("slow_reason", road(), at(395.1))


def test_a_junction_within_30_m_is_a_reason_to_be_slow() -> None:
    made = road(areas=[JUNCTION])
    fronts = [169.9, 170.1, 210.0, 225.1, 225.3]  # the ego is 5.176 m long
    assert flag(made, along_x(fronts, VX=10.0), "slow_reason").tolist() == [False, True, True, True, False]


def test_a_slower_lead_within_4_s_is_a_reason_to_be_slow() -> None:
    def behind(gap: float, speed: float) -> bool:
        return up("slow_reason", road((AgentKind.CAR, CAR, moving((50.0 + gap + 2.0, 0.0), speed))), at(50.0))

    assert behind(39.9, 17.9) and not behind(40.1, 17.9) and not behind(39.9, 18.1)  # the flow is 20 m/s


# --- traffic state ----------------------------------------------------------------------------------------------------


def test_flow_speed_is_the_limit_or_13_9_and_less_in_bends() -> None:
    assert signal(road(), at(50.0), "flow_speed")[0].tolist() == [20.0]
    assert signal(road(limit=None), at(50.0), "flow_speed")[0].tolist() == [13.9]
    roads = [lane("road", curve((100, 0), (60, 20)), speed_limit=20.0)]
    made = scene(roads, ("road",), (0.0, 0.0, 0.0), 10.0)
    states = along_x([0.0], VX=5.0)
    states[0, [Ego.X, Ego.Y, Ego.HEADING]] = 100.0 + 20.0 * np.sin(1.0), 20.0 - 20.0 * np.cos(1.0), 1.0
    assert signal(made, states, "flow_speed")[0] == pytest.approx([np.sqrt(2.0 * 20.0)], rel=0.01)


def jam(speeds: Sequence[float], limit: float = 30.0, gap: float = 30.0) -> Scenario:
    cars = [(AgentKind.CAR, CAR, moving((2.0 + gap * (n + 1), 0.0), speed)) for n, speed in enumerate(speeds)]
    return straight_scene(cars, vector_map=straight_map(limit=limit))


def test_three_slow_vehicles_within_100_m_on_a_motorway_are_a_jam() -> None:
    def jammed(made: Scenario) -> bool:
        return bool(flag(made, along_x([0.0]), "congestion")[0])

    assert jammed(jam([2.7, 2.7, 2.7]))
    assert not jammed(jam([2.7, 2.7]))
    assert not jammed(jam([2.7, 2.8, 2.7]))
    assert not jammed(jam([2.7, 2.7, 2.7], gap=34.0))  # the third one is 102 m away


def test_off_motorways_there_are_no_jams() -> None:
    value, valid, _ = signal(jam([1.0, 1.0, 1.0], limit=22.2), along_x([0.0]), "congestion")
    assert not valid.any() and (value == -1000.0).all()


def test_the_rescue_corridor_takes_a_quarter_of_the_lanes_at_their_border() -> None:
    # Lanes of 3.5 m: the corridor takes 0.875 m of either; the ego's half width is 1.1485 m.
    made = replace(jam([1.0, 1.0, 1.0]), route=np.array([1], np.int32))
    cars = made.tracks.position + np.array([0.0, 3.5])
    made = replace(made, tracks=replace(made.tracks, position=cars))
    left_lane = [signal(made, along_x([0.0], y=3.5 + y), "corridor_margin")[0][0] for y in (0.0, 0.5)]
    assert left_lane == pytest.approx([0.875 - 1.1485, 0.875 - 1.1485 + 0.5], abs=1e-6)
    made = jam([1.0, 1.0, 1.0])
    right_lane = [signal(made, along_x([0.0], y=y), "corridor_margin")[0][0] for y in (0.0, -0.5)]
    assert right_lane == pytest.approx([0.875 - 1.1485, 0.875 - 1.1485 + 0.5], abs=1e-6)
    value, valid, _ = signal(jam([1.0]), along_x([0.0]), "corridor_margin")
    assert not valid.any() and value.tolist() == [3.0]


def test_progress_is_the_way_over_the_references_way_or_5_m() -> None:
    made = straight_scene(speed=10.0)
    value, valid, _ = signal(made, steady(PACIFICA.front, 5.0, 21), "route_progress")
    t = 0.1 * np.arange(21)
    assert valid.all()
    assert value == pytest.approx(5.0 * t / np.maximum(10.0 * t, 5.0), abs=1e-6)


def test_there_is_no_progress_to_ask_for_where_the_reference_stands() -> None:
    value, valid, _ = signal(straight_scene(speed=0.1), along_x(np.zeros(21)), "route_progress")
    assert not valid.any() and (value == 1.0).all()


def test_progress_can_be_differentiated_in_both_precisions() -> None:
    for dtype in (torch.float32, torch.float64):
        ego = torch.as_tensor(steady(PACIFICA.front, 5.0, 21)[None], dtype=dtype).requires_grad_()
        value = compute(["route_progress"], world_of(straight_scene(speed=10.0)), ego)["route_progress"].value
        value[0, -1].backward()
        assert value.dtype == dtype and ego.grad is not None
        assert float(ego.grad[0, -1, Ego.X]) == pytest.approx(1.0 / 20.0)
        assert float(ego.grad[0, 0, Ego.X]) == pytest.approx(-1.0 / 20.0)


# --- all of them ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick_scenes() -> list[Scenario]:
    """Every other scene of the suite gen-quick."""
    return [load_scene(ref, Store()) for ref in resolve_suite("gen-quick").scenes[::2]]


def test_in_generated_scenes_all_values_are_finite_in_range_and_neutral_where_not_valid(
    quick_scenes: list[Scenario],
) -> None:
    for made in quick_scenes:
        reference = torch.as_tensor(made.reference[made.start :])
        hasty = reference.clone()
        hasty[:, : Ego.Y + 1] = reference[0, : Ego.Y + 1] + 1.5 * (
            reference[:, : Ego.Y + 1] - reference[0, : Ego.Y + 1]
        )
        for name, values in compute(MINE, world_of(made), torch.stack((reference, hasty))).items():
            one = CATALOG[name]
            assert torch.isfinite(values.value).all(), (made.id, name)
            assert ((values.value >= one.low) & (values.value <= one.high)).all(), (made.id, name)
            assert (values.value[~values.valid] == one.neutral).all(), (made.id, name)
            assert ((values.agent >= -1) & (values.agent < len(made.tracks.ids))).all(), (made.id, name)
            if one.kind == "flag":
                assert (values.value.abs() == 1000.0).all(), (made.id, name)


def test_first_sample_flags_are_down_at_clock_0(quick_scenes: list[Scenario]) -> None:
    for made in quick_scenes:
        drives = torch.as_tensor(np.stack([made.reference[k : k + 60] for k in range(0, 100, 10)]))
        found = compute(("amber_onset", "stop_line_cross", "enters_intersection"), world_of(made), drives)
        assert all((values.value[:, 0] == -1000.0).all() for values in found.values())


def test_drives_of_a_batch_do_not_influence_each_other(quick_scenes: list[Scenario]) -> None:
    made = quick_scenes[-1]
    drives = torch.as_tensor(np.stack([made.reference[made.start - k : made.start - k + 60] for k in (0, 7, 20)]))
    together = compute(MINE, world_of(made), drives)
    for number in range(3):
        alone = compute(MINE, world_of(made), drives[number : number + 1])
        for name in MINE:
            assert torch.equal(together[name].value[number], alone[name].value[0]), name
            assert torch.equal(together[name].agent[number], alone[name].agent[0]), name


def test_every_signal_of_the_catalogue_is_computed() -> None:
    assert set(FUNCTIONS) == set(CATALOG)
    assert len(set(MINE)) == len(MINE) == 36
