"""IDM with MOBIL: it changes lanes where that pays, harms nobody, and comes back to its route in time."""

import numpy as np
import pytest

from drive.scene import Scenario
from drive.vehicle import Ego
from planners.registry import resolve
from tests.planners.roads import curve, lane, scene
from tests.planners.test_baselines import CAR, SIZE, drive
from tests.scenes import moving

LEFT, RIGHT = curve((400, 0), start=(0.0, 3.6, 0.0)), curve((400, 0))


def two_lanes(*agents: object, speed: float = 11.0, right_ends: bool = False) -> Scenario:
    """A road of two lanes, the ego on the right one, which is the route."""
    lanes = [
        lane("left", LEFT, right="right"),
        lane("right", RIGHT, left="left", successors=("on",) if right_ends else ()),
    ]
    route = ["right"]
    if right_ends:
        lanes = [
            lane("left", LEFT[:131], right="right"),
            lane("right", RIGHT[:131], left="left", successors=("on",)),
            lane("on", curve((100, 0), start=(130.0, 0.0, 0.0))),
        ]
        route = ["right", "on"]
    return scene(lanes, route, (10.0, 0.0, 0.0), speed, agents)


def at(x: float, y: float, speed: float) -> tuple[object, ...]:
    """A car that drives along with constant speed."""
    return CAR, SIZE, moving((x, y), speed)


def test_it_passes_a_slow_lead_where_idm_stays_behind():
    scenario = two_lanes(at(45.0, 0.0, 4.0))
    passing, following = drive(scenario, "idm_mobil")[0].ego, drive(scenario, "idm")[0].ego
    assert passing[:, Ego.Y].max() > 3.2
    assert passing[-1, Ego.X] > following[-1, Ego.X] + 15.0
    assert np.abs(following[:, Ego.Y]).max() < 0.3


def test_it_stays_where_nothing_is_won():
    rollout, _, _ = drive(two_lanes(at(80.0, 0.0, 13.0)), "idm_mobil")
    assert np.abs(rollout.ego[:, Ego.Y]).max() < 0.2


@pytest.mark.parametrize("other", [at(12.0, 3.6, 11.0), at(-6.0, 3.6, 16.0)], ids=["beside", "fast from behind"])
def test_it_cuts_nobody_off(other):
    rollout, _, _ = drive(two_lanes(at(45.0, 0.0, 4.0), other), "idm_mobil")
    assert np.abs(rollout.ego[:20, Ego.Y]).max() < 0.3


def test_it_does_not_leave_its_lane_shortly_before_its_route_needs_it():
    rollout, _, _ = drive(two_lanes(at(60.0, 0.0, 8.0), right_ends=True), "idm_mobil")
    assert abs(rollout.ego[-1, Ego.Y]) < 0.5


def test_it_changes_no_lanes_shortly_before_a_junction():
    sides = {"left": 3.6, "right": 0.0}
    lanes = []
    for name, other in (("left", "right"), ("right", "left")):
        poses = curve((400, 0), start=(0.0, sides[name], 0.0))
        beside = {"right" if name == "left" else "left": other}
        lanes += [
            lane(name, poses[:46], successors=(f"over-{name}",), **beside),
            lane(
                f"over-{name}",
                poses[45:66],
                connector=True,
                successors=(f"on-{name}",),
                **{side: f"over-{item}" for side, item in beside.items()},
            ),
            lane(f"on-{name}", poses[65:], **{side: f"on-{item}" for side, item in beside.items()}),
        ]
    scenario = scene(lanes, ["right", "over-right", "on-right"], (10.0, 0.0, 0.0), 10.0, [at(41.0, 0.0, 1.0)])
    rollout, _, _ = drive(scenario, "idm_mobil")
    before = rollout.ego[:, Ego.X] < 50.0
    assert np.abs(rollout.ego[before, Ego.Y]).max() < 0.3


def test_it_leaves_a_lane_that_ends():
    lanes = [
        lane("left", LEFT, right="right"),
        lane("right", RIGHT[:121], left="left"),
    ]
    rollout, _, _ = drive(scene(lanes, ["right", "left"], (10.0, 0.0, 0.0), 10.0), "idm_mobil")
    assert abs(rollout.ego[-1, Ego.Y] - 3.6) < 0.5


def test_without_a_lane_beside_it_is_idm():
    scenario = scene([lane("a", RIGHT)], ["a"], (10.0, 0.0, 0.0), 10.0, [at(50.0, 0.0, 3.0)])
    np.testing.assert_allclose(drive(scenario, "idm_mobil")[0].ego, drive(scenario, "idm")[0].ego)


def test_a_scene_after_another_starts_afresh():
    scenario = two_lanes(at(45.0, 0.0, 4.0))
    first, again = drive(scenario, "idm_mobil")[0], drive(scenario, "idm_mobil")[0]
    assert (first.ego == again.ego).all()


@pytest.mark.parametrize("option", ["politeness=2", "threshold=-1", "safe_braking=0"])
def test_senseless_options_are_refused(option):
    with pytest.raises(ValueError, match="expected a number from"):
        resolve(f"idm_mobil[{option}]").build()
