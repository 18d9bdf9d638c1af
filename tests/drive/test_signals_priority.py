"""Right of way in junctions: times worked out from where everybody is and how fast."""

from collections.abc import Sequence

import numpy as np
import pytest

from drive.map import Lane, StopCause, StopLine
from drive.scene import AgentKind, LightState, Scenario
from drive.vehicle import PACIFICA, Ego
from tests.drive.signal_drives import FRONT, along_x, flag, read, signal
from tests.planners.roads import curve, lane, scene, signal_line
from tests.scenes import START, moving

CAR, WALKER = (4.0, 2.0), (0.6, 0.6)
FRONT_TO_REAR, HALF_WIDTH = PACIFICA.length, PACIFICA.width / 2
NORTH, WEST = np.pi / 2, np.pi


def quarter(left: bool) -> np.ndarray:
    """A quarter circle of 10 m radius from (-10, 0), heading along x, to (0, 10) or (0, -10)."""
    angle = np.linspace(0.0, np.pi / 2, 33)
    side = 1.0 if left else -1.0
    return np.column_stack((-10.0 + 10.0 * np.sin(angle), side * (10.0 - 10.0 * np.cos(angle)), side * angle))


def crossing(
    *agents: object,
    way: str = "straight",
    stop_lines: Sequence[StopLine] = (),
    lights: dict[str, LightState] | None = None,
) -> Scenario:
    """Four arms meeting at the origin, the ego from the west; others from the south (x = 0) and the east (y = 3.6)."""
    roads: list[Lane] = [
        lane("west-in", curve((50, 0), start=(-60.0, 0.0, 0.0)), successors=("straight", "left", "right")),
        lane("straight", curve((20, 0), start=(-10.0, 0.0, 0.0)), successors=("east-out",), connector=True),
        lane("left", quarter(True), successors=("north-out",), connector=True),
        lane("right", quarter(False), successors=("south-out",), connector=True),
        lane("south-in", curve((50, 0), start=(0.0, -60.0, NORTH)), successors=("northward",)),
        lane("northward", curve((20, 0), start=(0.0, -10.0, NORTH)), successors=("north-out",), connector=True),
        lane("east-in", curve((50, 0), start=(60.0, 3.6, WEST)), successors=("westward",)),
        lane("westward", curve((20, 0), start=(10.0, 3.6, WEST)), successors=("west-out",), connector=True),
        lane("east-out", curve((50, 0), start=(10.0, 0.0, 0.0))),
        lane("north-out", curve((50, 0), start=(0.0, 10.0, NORTH))),
        lane("south-out", curve((50, 0), start=(0.0, -10.0, -NORTH))),
        lane("west-out", curve((50, 0), start=(-10.0, 3.6, WEST))),
    ]
    leave = {"straight": "east-out", "left": "north-out", "right": "south-out"}[way]
    route = ("west-in", way, leave)
    return scene(roads, route, (-60.0, 0.0, 0.0), 10.0, agents=list(agents), stop_lines=stop_lines, lights=lights)


def sign(cause: StopCause, *lanes: str) -> StopLine:
    at = {"west-in": (-10.0, 0.0, 0.0), "south-in": (0.0, -10.0, NORTH)}[lanes[0]]
    return signal_line(np.array(at), *lanes, cause=cause)


def northbound(y: float, speed: float) -> object:
    return (AgentKind.CAR, CAR, moving((0.0, y), speed, heading=NORTH))


def westbound(x: float, speed: float) -> object:
    return (AgentKind.CAR, CAR, moving((x, 3.6), speed, heading=WEST))


INSIDE = along_x(np.zeros(8))  # the front bumper in the middle of the junction


def turning(samples: int, angle: float = np.arccos(0.64)) -> np.ndarray:
    """The front bumper on the turn to the left, by default where that crosses the way of those from the east."""
    states = along_x(np.zeros(samples), heading=angle)
    states[:, Ego.X] = -10.0 + 10.0 * np.sin(angle) - FRONT * np.cos(angle)
    states[:, Ego.Y] = 10.0 - 10.0 * np.cos(angle) - FRONT * np.sin(angle)
    return states


# --- from the right ---------------------------------------------------------------------------------------------------


def test_a_vehicle_from_the_right_counts_with_the_time_it_still_needs() -> None:
    # Points every 0.5 m: the ego is in the way of a car of 2.2 m from x = -1 to 1 m, the car in the ego's (2.297 m)
    # from y = -1 to 1 m. Room: 22 m - 1 m.
    value, valid, agent = signal(crossing(northbound(-24.0, 10.0)), INSIDE, "right_pet")
    assert valid.all() and (agent == 0).all()
    assert value == pytest.approx(2.1 - 0.1 * np.arange(8), abs=1e-6)


def test_a_vehicle_that_has_left_counts_with_the_time_since() -> None:
    value, _, _ = signal(crossing(northbound(0.5, 10.0)), INSIDE, "right_pet")  # rear past 1 m at sample 3
    assert value == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5], abs=1e-6)


def test_times_are_taken_only_while_the_ego_is_in_the_conflict() -> None:
    made = crossing(northbound(-24.0, 0.0))
    _, valid, _ = signal(made, along_x([-1.1, -0.9, 1.0 + 5.1, 1.0 + 5.3]), "right_pet")
    assert valid.tolist() == [False, True, True, False]


def test_standing_vehicles_and_an_empty_road_are_far_away() -> None:
    for made in (crossing(northbound(-24.0, 0.0)), crossing()):
        value, valid, agent = signal(made, INSIDE, "right_pet")
        assert valid.all() and (value == 20.0).all() and (agent == -1).all()


def test_who_comes_from_the_left_or_ahead_does_not_come_from_the_right() -> None:
    southbound = (AgentKind.CAR, CAR, moving((0.0, 20.0), 10.0, heading=-NORTH))
    value, _, agent = signal(crossing(southbound, westbound(20.0, 10.0)), INSIDE, "right_pet")
    assert (value == 20.0).all() and (agent == -1).all()


def test_signs_and_lights_take_right_before_left_away() -> None:
    car = northbound(-24.0, 10.0)
    for made in (
        crossing(car, stop_lines=[sign(StopCause.YIELD, "west-in")]),
        crossing(car, stop_lines=[sign(StopCause.STOP_SIGN, "south-in")]),
        crossing(car, stop_lines=[sign(StopCause.SIGNAL, "south-in")]),
        crossing(car, lights={"northward": LightState.RED}),
    ):
        assert not signal(made, INSIDE, "right_pet")[1].any()


def test_pedestrians_and_who_is_off_the_way_are_no_vehicles_from_the_right() -> None:
    walker = (AgentKind.PEDESTRIAN, WALKER, moving((0.0, -5.0), 2.0, heading=NORTH))
    beside = (AgentKind.CAR, CAR, moving((6.0, -24.0), 10.0, heading=NORTH))
    assert (signal(crossing(walker, beside), INSIDE, "right_pet")[0] == 20.0).all()


def test_who_drives_ahead_on_the_route_does_not_come_from_the_right() -> None:
    """Turning left, the car ahead leaves over the same lane as those from the right, and is on their way there."""
    arc = 4.0 * (1.0 + 0.1 * (np.arange(101) - START))
    angle = np.clip(arc / 10.0, 0.0, np.pi / 2)
    x, y = -10.0 + 10.0 * np.sin(angle) + np.minimum(arc, 0.0), 10.0 - 10.0 * np.cos(angle)
    y += np.maximum(arc - 5.0 * np.pi, 0.0)
    velocity = 4.0 * np.column_stack((np.cos(angle), np.sin(angle)))
    made = crossing((AgentKind.CAR, CAR, (np.column_stack((x, y)), angle, velocity)), way="left")
    value, valid, agent = signal(made, turning(60, angle=1.2), "right_pet")
    assert valid.all() and (value == 20.0).all() and (agent == -1).all()


def test_who_waits_beside_the_others_way_is_not_in_it() -> None:
    """Straight ahead instead of along the turn: as far as the conflict begins, but 1.4 m beside the strip that is
    theirs."""
    made = crossing(westbound(25.0, 10.0), way="left")
    assert signal(made, turning(3), "oncoming_pet")[1].all()
    assert not signal(made, INSIDE[:3], "oncoming_pet")[1].any()
    assert signal(made, along_x(np.zeros(3), y=1.4), "oncoming_pet")[1].all()


# --- priority by sign -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", [StopCause.YIELD, StopCause.STOP_SIGN])
def test_behind_a_sign_those_without_one_have_priority(cause: StopCause) -> None:
    made = crossing(northbound(-24.0, 10.0), stop_lines=[sign(cause, "west-in")])
    value, valid, agent = signal(made, INSIDE, "priority_pet")
    assert valid.all() and (agent == 0).all()
    assert value == pytest.approx(2.1 - 0.1 * np.arange(8), abs=1e-6)


def test_where_both_or_neither_have_signs_nobody_has_priority_by_sign() -> None:
    both = [sign(StopCause.STOP_SIGN, "west-in"), sign(StopCause.STOP_SIGN, "south-in")]
    others = [sign(StopCause.STOP_SIGN, "south-in")]
    for lines in (both, others, []):
        value, _, agent = signal(crossing(northbound(-24.0, 10.0), stop_lines=lines), INSIDE, "priority_pet")
        assert (value == 20.0).all() and (agent == -1).all()


@pytest.mark.parametrize("speed", [2.0, 4.0])
def test_where_two_ways_become_one_the_time_to_the_place_of_the_one_ahead_counts(speed: float) -> None:
    """Both are in the stretch that their ways share, 3.005 - 1 m apart: that is no time of 0."""
    angle = 1.4
    lowest = 10.0 - 10.0 * np.cos(angle) - FRONT_TO_REAR * np.sin(angle) - HALF_WIDTH * np.cos(angle)
    lines = [sign(StopCause.YIELD, "west-in")]
    behind = crossing(northbound(-1.0, speed), way="left", stop_lines=lines)
    value, valid, agent = signal(behind, turning(1, angle), "priority_pet")
    assert valid.all() and (agent == 0).all()
    assert value == pytest.approx((lowest - 1.0) / speed, abs=1e-3)
    ahead = crossing(northbound(13.0, speed), way="left", stop_lines=lines)  # its rear at 11 m, the ego at 10 m/s
    moves = turning(1, angle)
    moves[:, Ego.VX] = 10.0
    value, _, _ = signal(ahead, moves, "priority_pet")
    assert value == pytest.approx((11.0 - (10.0 - 10.0 * np.cos(angle) + HALF_WIDTH * np.cos(angle))) / 10.0, abs=1e-3)
    beside = crossing(northbound(6.0, speed), way="left", stop_lines=lines)
    assert (signal(beside, turning(1, angle), "priority_pet")[0] == 0.0).all()


def braking(y: float, rate: float) -> object:
    position, heading, velocity = moving((0.0, y), 8.0, heading=NORTH)
    t = 0.1 * (np.arange(len(position)) - START)
    velocity[:, 1] = 8.0 - rate * t
    position[:, 1] = y + 8.0 * t - rate * t * t / 2
    return (AgentKind.CAR, CAR, (position, heading, velocity))


def test_the_braking_of_a_vehicle_with_priority_is_read_within_15_m() -> None:
    lines = [sign(StopCause.YIELD, "west-in")]
    value, valid, agent = signal(crossing(braking(-18.0, 2.5), stop_lines=lines), INSIDE, "priority_accel")
    assert valid.all() and (agent == 0).all()
    assert value == pytest.approx(np.full(8, -2.5), abs=1e-6)
    value, valid, _ = signal(crossing(braking(-30.0, 2.5), stop_lines=lines), INSIDE[:3], "priority_accel")
    assert valid.all() and (value == 0.0).all()  # 26 m away


def test_braking_for_somebody_nearer_is_not_the_egos_doing() -> None:
    lines = [sign(StopCause.YIELD, "west-in")]
    made = crossing(braking(-18.0, 2.5), northbound(-12.0, 8.0), stop_lines=lines)
    value, valid, agent = signal(made, INSIDE[:2], "priority_accel")  # 12 m from the ego, 6 m from one another
    assert valid.all() and (agent == -1).all() and (value == 0.0).all()


# --- oncoming ---------------------------------------------------------------------------------------------------------


def test_turning_left_the_oncoming_vehicle_counts_and_10_m_are_a_second() -> None:
    near, valid, agent = signal(crossing(westbound(25.0, 10.0), way="left"), turning(3), "oncoming_pet")
    far, _, _ = signal(crossing(westbound(35.0, 10.0), way="left"), turning(3), "oncoming_pet")
    assert valid.all() and (agent == 0).all()
    assert far - near == pytest.approx(np.ones(3), abs=1e-6)
    # The car's front is at x = 23 m and the turn crosses its way at x = -2.3 m, slantingly.
    assert 2.0 < near[0] < 2.5
    assert (signal(crossing(westbound(-3.0, 0.0), way="left"), turning(3), "oncoming_pet")[0] == 0.0).all()


def test_going_straight_or_turning_right_nobody_is_oncoming() -> None:
    for way in ("straight", "right"):
        assert not signal(crossing(westbound(25.0, 10.0), way=way), INSIDE, "oncoming_pet")[1].any()


def test_an_oncoming_vehicle_that_has_red_does_not_come() -> None:
    lights = {"left": LightState.GREEN, "westward": LightState.RED}
    held = crossing(westbound(25.0, 10.0), way="left", lights=lights)
    assert (signal(held, turning(3), "oncoming_pet")[0] == 20.0).all()
    lights["westward"] = LightState.GREEN
    comes = crossing(westbound(25.0, 10.0), way="left", lights=lights)
    assert (signal(comes, turning(3), "oncoming_pet")[0] < 2.5).all()


# --- walkers behind a turn --------------------------------------------------------------------------------------------


def leaving_left(speed: float) -> np.ndarray:
    """One sample at the end of the left turn: front bumper at (0, 10), heading north."""
    states = along_x([0.0])
    states[0, [Ego.X, Ego.Y, Ego.HEADING, Ego.VX]] = 0.0, 10.0 - FRONT, NORTH, speed
    return states


def eastward(x: float, speed: float = 1.0, y: float = 14.0) -> object:
    return (AgentKind.PEDESTRIAN, WALKER, moving((x, y), speed))


def test_a_walker_behind_the_turn_counts_with_the_time_between_ego_and_walker() -> None:
    # Place 4 m ahead, 0.6 m wide. The rear bumper, 5.176 m behind in a straight line, is beside the route's arc of
    # 10 atan(0.5176) = 4.777 m: at 6 m/s the ego is there from 0.617 s to (4.3 + 4.777) / 6 = 1.513 s. The walker is in
    # the ego's width, 1.1485 + 0.3 m to either side of the middle.
    def pet(x: float) -> float:
        return float(signal(crossing(eastward(x), way="left"), leaving_left(6.0), "turn_vru_pet")[0][0])

    assert pet(-7.0) == pytest.approx(7.0 - 1.4485 - 1.513, abs=1e-2)
    assert pet(-2.0) == 0.0
    assert pet(1.0) == pytest.approx(0.617 - 0.4485, abs=1e-2)
    assert pet(2.0) == 20.0  # gone


def test_an_ego_that_can_still_stop_for_the_walker_is_not_counted() -> None:
    def pet(speed: float) -> float:
        return float(signal(crossing(eastward(-2.0), way="left"), leaving_left(speed), "turn_vru_pet")[0][0])

    assert pet(5.0) == 20.0  # needs 25 / 7 = 3.57 m of 3.7 m
    assert pet(5.2) == 0.0  # needs 3.86 m


def test_walkers_count_only_in_the_arm_behind_a_turn() -> None:
    assert not signal(crossing(eastward(-2.0), way="straight"), INSIDE, "turn_vru_pet")[1].any()
    along = (AgentKind.PEDESTRIAN, WALKER, moving((1.0, 14.0), 1.0, heading=NORTH))
    for agent in (along, eastward(-2.0, speed=0.0), eastward(-2.0, y=25.0)):
        value, valid, _ = signal(crossing(agent, way="left"), leaving_left(6.0), "turn_vru_pet")
        assert valid.all() and (value == 20.0).all()


# --- reasons ----------------------------------------------------------------------------------------------------------


def test_a_vehicle_with_the_right_of_way_is_a_reason_to_stop_within_15_m() -> None:
    made = crossing(northbound(-24.0, 10.0))
    assert flag(made, along_x([-17.0, -15.0]), "stop_reason").tolist() == [False, True]  # conflict from -1 m on
    assert not flag(crossing(), along_x([-17.0, -15.0]), "stop_reason").any()
    far = crossing(northbound(-60.0, 5.0))  # more than 8 s away
    assert not flag(far, along_x([-15.0]), "stop_reason").any()


def test_roundabouts_are_in_no_source() -> None:
    found = read(crossing(), INSIDE, "enters_roundabout", "circulating_gap")
    assert not any(values.valid.any() for values in found.values())
    assert (found["circulating_gap"].value == 20.0).all() and (found["enters_roundabout"].value == -1000.0).all()


def test_without_a_junction_no_time_is_valid() -> None:
    made = scene([lane("road", curve((200, 0)))], ("road",), (0.0, 0.0, 0.0), 10.0, agents=[northbound(-5.0, 5.0)])
    names = ("right_pet", "priority_pet", "oncoming_pet", "priority_accel", "turn_vru_pet")
    assert not any(values.valid.any() for values in read(made, INSIDE, *names).values())
