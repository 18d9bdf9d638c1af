"""Vulnerable road users and parked vehicles: gaps and flags worked out from where everybody is put."""

from dataclasses import replace

import numpy as np
import pytest

from drive.map import Area, Layer, build_map
from drive.scene import AgentKind, Scenario
from drive.vehicle import PACIFICA
from tests.drive.signal_drives import along_x, flag, read, signal, steady
from tests.planners.roads import curve, lane, scene
from tests.scenes import START, STEPS, moving

HALF = PACIFICA.width / 2  # 1.1485 m
LENGTH = PACIFICA.length  # 5.176 m
BIKE, WALKER, CAR = (1.8, 0.6), (0.6, 0.6), (4.0, 2.0)


def road(*agents: object) -> Scenario:
    """A straight lane of 8 m, x from 0 to 300, with agents on it."""
    return scene([lane("road", curve((300, 0)), width=8.0)], ("road",), (0.0, 0.0, 0.0), 10.0, agents=list(agents))


def cyclist(x: float, y: float, speed: float, heading: float = 0.0, kind=AgentKind.BICYCLE, size=BIKE):
    return (kind, size, moving((x, y), speed, heading=heading))


# --- clearance and nearness -------------------------------------------------------------------------------------------


def test_vru_clearance_looks_at_pedestrians_and_cyclists_only() -> None:
    made = road(
        cyclist(60.0, 3.0, 0.0),
        (AgentKind.CAR, CAR, moving((52.0, 0.0), 0.0)),
        (AgentKind.TRAFFIC_CONE, (0.4, 0.4), moving((51.0, 0.0), 0.0)),
    )
    value, valid, agent = signal(made, along_x([50.0, 60.0]), "vru_clearance")
    across = 3.0 - 0.3 - HALF
    assert valid.all() and (agent == 0).all()
    assert value == pytest.approx([np.hypot(60.0 - 0.9 - 50.0, across), across], abs=1e-6)


def test_without_a_vru_within_50_m_clearance_is_neutral() -> None:
    for made in (road(), road(cyclist(150.0, 0.0, 0.0))):
        value, valid, agent = signal(made, along_x([50.0]), "vru_clearance")
        assert value.tolist() == [50.0] and not valid.any() and agent.tolist() == [-1]


def test_a_vru_is_near_within_4_m_of_the_corridor_and_3_s_ahead() -> None:
    corridor = HALF + 0.2

    def near(x: float, beside: float, speed: float) -> bool:
        made = road((AgentKind.PEDESTRIAN, WALKER, moving((x, corridor + 0.3 + beside), 0.0)))
        return bool(flag(made, along_x([50.0], VX=speed), "vru_near")[0])

    assert near(79.9, 3.9, 10.0) and not near(80.1, 3.9, 10.0)  # 3 s at 10 m/s
    assert not near(70.0, 4.1, 10.0)
    assert near(59.9, 0.0, 1.0) and not near(60.1, 0.0, 1.0)  # 10 m where 3 s are less
    assert near(50.0 - LENGTH + 0.1, 0.0, 10.0) and not near(50.0 - LENGTH - 0.1, 0.0, 10.0)  # beside, then behind


def test_a_vru_at_a_crosswalk_within_30_m_is_near_wherever_it_stands() -> None:
    crosswalk = Area(Layer.CROSSWALK, (np.array([[100.0, -9.0], [104.0, -9.0], [104.0, 9.0], [100.0, 9.0]]),))

    def near(front: float, y: float) -> bool:
        made = road((AgentKind.PEDESTRIAN, WALKER, moving((102.0, y), 0.0)))
        lanes = [lane("road", curve((300, 0)), width=8.0)]
        made = replace(made, map=build_map(lanes, [Area(Layer.DRIVABLE, (lanes[0].polygon,)), crosswalk]))
        return bool(flag(made, along_x([front], VX=1.0), "vru_near")[0])

    assert near(70.1, 11.9) and not near(69.9, 11.9)
    assert not near(70.1, 12.1)


# --- passing ----------------------------------------------------------------------------------------------------------


def test_side_gap_of_an_overtaken_cyclist_is_the_room_between_the_boxes() -> None:
    made = road(cyclist(60.0, 2.5, 4.0))
    states = along_x(np.full(1, 61.0), VX=10.0)
    value, valid, agent = signal(made, states, "vru_side_gap")
    assert valid.all() and agent.tolist() == [0]
    assert value == pytest.approx([2.5 - 0.3 - HALF], abs=1e-6)


def test_overtaking_begins_and_ends_one_metre_from_either_bumper() -> None:
    made = road(cyclist(100.0, -2.5, 0.0))  # from 99.1 to 100.9
    fronts = np.array([98.0, 98.2, 100.0, 101.8 + LENGTH, 102.0 + LENGTH])
    up = flag(made, along_x(fronts, VX=5.0), "passing_vru")
    assert up.tolist() == [False, True, True, True, False]


def test_only_slower_users_going_the_same_way_on_the_carriageway_are_overtaken() -> None:
    def passed(*agents: object) -> bool:
        return bool(flag(road(*agents), along_x([100.0], VX=5.0), "passing_vru")[0])

    assert passed(cyclist(99.0, 2.5, 4.4))
    assert not passed(cyclist(99.0, 2.5, 4.6))
    assert passed(cyclist(99.0, 2.5, 2.0, heading=np.radians(59)))
    assert not passed(cyclist(99.0, 2.5, 2.0, heading=np.radians(61)))
    assert passed(cyclist(99.0, 3.9, 0.0, kind=AgentKind.PEDESTRIAN, size=WALKER))
    assert not passed(cyclist(99.0, 4.1, 0.0, kind=AgentKind.PEDESTRIAN, size=WALKER))  # on the footway
    assert not passed(cyclist(99.0, 2.5, 2.0, kind=AgentKind.MOTORCYCLE))


def test_of_two_overtaken_the_nearer_one_counts() -> None:
    made = road(cyclist(99.0, 3.5, 0.0), cyclist(99.0, -2.0, 0.0))
    value, _, agent = signal(made, along_x([100.0], VX=5.0), "vru_side_gap")
    assert value == pytest.approx([2.0 - 0.3 - HALF], abs=1e-6) and agent.tolist() == [1]


def test_without_overtaking_the_side_gap_is_neutral() -> None:
    value, valid, _ = signal(road(cyclist(150.0, 2.0, 0.0)), steady(100.0, 10.0, 3), "vru_side_gap")
    assert (value == 10.0).all() and not valid.any()


# --- parked vehicles --------------------------------------------------------------------------------------------------


def test_a_car_that_stands_for_more_than_five_seconds_is_parked() -> None:
    made = road((AgentKind.CAR, CAR, moving((100.0, -3.5), 0.0)))
    fronts = np.array([97.9, 98.1, 100.0, 102.0 + LENGTH - 0.1, 102.0 + LENGTH + 0.1])
    states = along_x(fronts, VX=5.0)
    value, valid, agent = signal(made, states, "parked_side_gap")
    assert valid.tolist() == [False, True, True, True, False] and agent[2] == 0
    assert value[1:4] == pytest.approx(np.full(3, 3.5 - 1.0 - HALF), abs=1e-6)
    assert flag(made, states, "passing_parked").tolist() == valid.tolist()


def test_a_car_that_stands_for_five_seconds_is_not_parked() -> None:
    def parked(standing: int) -> bool:
        position, heading, velocity = moving((100.0, -3.5), 0.0)
        velocity[START + standing + 1 :] = (3.0, 0.0)  # it stands from the beginning of the recording on
        velocity[: START - 20] = (3.0, 0.0)
        made = road((AgentKind.CAR, CAR, (position, heading, velocity)))
        return bool(flag(made, along_x([100.0, 100.2], VX=2.0), "passing_parked").any())

    assert START == 20 and STEPS > 60
    assert not parked(30)  # 20 samples before the start and 30 after it: 5.0 s
    assert parked(31)


def test_parked_cars_in_the_own_queue_or_more_than_3_m_aside_do_not_count() -> None:
    def passing(y: float, speed: float = 5.0, ego_y: float = 0.0) -> bool:
        made = road((AgentKind.CAR, CAR, moving((100.0, y), 0.0)))
        return bool(flag(made, along_x([100.0], y=ego_y, VX=speed), "passing_parked")[0])

    assert passing(HALF + 1.0 + 2.9) and not passing(HALF + 1.0 + 3.1)
    assert not passing(0.9, ego_y=3.5) and passing(-1.1, ego_y=2.5)
    assert not passing(-3.5, speed=0.05)


def test_signals_that_no_source_feeds_are_valid_nowhere() -> None:
    emergency = road((AgentKind.EMERGENCY, CAR, moving((40.0, 0.0), 15.0)))
    found = read(emergency, steady(50.0, 10.0, 5), "ev_near", "ev_path_margin", "ramp_vehicle")
    assert not any(values.valid.any() for values in found.values())
    assert (found["ev_near"].value == -1000.0).all() and (found["ev_path_margin"].value == 20.0).all()


def test_scenes_without_agents_have_neither_vrus_nor_parked_cars() -> None:
    names = ("vru_near", "passing_vru", "passing_parked", "vru_side_gap", "parked_side_gap", "vru_clearance")
    for name, values in read(road(), steady(50.0, 10.0, 5), *names).items():
        assert (values.agent == -1).all()
        assert (values.value != 1000.0).all(), name
