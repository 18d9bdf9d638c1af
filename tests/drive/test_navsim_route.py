"""Mending a route and finding its centreline, as NAVSIM's planner does it, on maps small enough to see the answer."""

from pathlib import Path

import numpy as np
import pytest

from drive.errors import MapError
from drive.map import Lane, VectorMap, build_map
from drive.scene import Scenario
from drive.scoring.navsim.route import WINDOW, NavsimRoute, groups_of_lanes, plan_route
from scenarios.generate import FAMILIES, Recipe, build
from scenarios.nuscenes import prepare
from scenarios.store import Store
from tests.planners.roads import curve, lane

STEP = 40.0  # m, length of a lane


def chain(names: str, y: float = 0.0, start: float = 0.0, end: tuple[str, ...] = (), **fields: object) -> list[Lane]:
    """Straight lanes along x, one after the other; ``end`` are the successors of the last one."""
    lanes = []
    for number, name in enumerate(names):
        after = (names[number + 1],) if number + 1 < len(names) else end
        poses = curve((STEP, 0), start=(start + number * STEP, y, 0.0))
        lanes.append(lane(name, poses, successors=after, **fields))
    return lanes


def planned(vector_map: VectorMap, groups: str, x: float, y: float = 0.0, heading: float = 0.0) -> NavsimRoute:
    return plan_route(vector_map, [vector_map.group_ids.index(name) for name in groups], (x, y, heading))


def groups(vector_map: VectorMap, route: NavsimRoute) -> str:
    return "".join(vector_map.group_ids[group] for group in route.groups)


def lanes(vector_map: VectorMap, route: NavsimRoute) -> str:
    return "".join(vector_map.lane_ids[number] for number in route.lanes)


@pytest.fixture
def road() -> VectorMap:
    return build_map(chain("abcd"))


def test_a_route_the_ego_is_on_stays_as_it_is_and_the_centreline_begins_with_its_lane(road):
    route = planned(road, "abcd", 50.0)
    assert groups(road, route) == "abcd"
    assert lanes(road, route) == "bcd"
    joined = np.concatenate([road.lane_centerline(number) for number in (1, 2, 3)])
    np.testing.assert_array_equal(route.centerline, joined)  # the point where two lanes meet is there twice


def test_a_route_that_begins_ahead_is_led_back_to_the_ego(road):
    assert groups(road, planned(road, "cd", 10.0)) == "abcd"


def test_from_beside_the_route_the_ego_is_led_forward_to_one_of_its_next_three_roadblocks():
    side = [lane("x", curve((STEP, 0), start=(40.0, -20.0, 0.0)), successors=("c",))]
    world = build_map(chain("abcd") + side)
    route = planned(world, "abcd", 50.0, -20.0)
    assert groups(world, route) == "xcd"
    assert lanes(world, route) == "xcd"


def test_an_unconnected_start_leaves_the_route_and_takes_its_nearest_lane():
    world = build_map(chain("abcd") + chain("x", y=-20.0))
    route = planned(world, "abcd", 50.0, -20.0)
    assert groups(world, route) == "abcd"
    assert lanes(world, route)[0] in "ab"


def test_missing_roadblocks_are_filled_in(road):
    route = planned(road, "ad", 10.0)
    assert groups(road, route) == "abcd"
    assert lanes(road, route) == "abcd"


def test_a_gap_that_cannot_be_bridged_ends_the_centreline_before_it():
    world = build_map(chain("ab") + chain("cd", start=200.0))
    route = planned(world, "abcd", 10.0)
    assert groups(world, route) == "abcd"
    assert lanes(world, route) == "ab"


def test_a_route_that_crosses_itself_in_a_junction_is_cut_there():
    """Straight through a junction, around the block, and across the same junction again."""
    first = lane("b", curve((20, 0), start=(40.0, 0.0, 0.0)), successors=("c",), connector=True)
    around = lane("c", curve((20, 0), (60, -13)), successors=("d",))
    again = lane("d", curve((20, 0), start=(50.0, 10.0, -np.pi / 2)), successors=("e",), connector=True)
    out = lane("e", curve((20, 0), start=(50.0, -10.0, -np.pi / 2)))
    world = build_map([*chain("a", end=("b",)), first, around, again, out])
    assert groups(world, planned(world, "abcde", 10.0)) == "abc"
    apart = build_map([*chain("a", end=("b",)), first, around, lane("d", curve((20, 0), start=(90, 10, -1.5))), out])
    assert groups(apart, planned(apart, "abcde", 10.0)) == "abcde"


def test_the_opposite_lane_beside_the_ego_is_not_where_it_is():
    """Within the box of 1 m both roads are near; only one has the ego's heading."""
    back = lane("x", curve((STEP, 0), start=(40.0, 1.9, np.pi)), width=1.8, successors=())
    world = build_map([*chain("ab"), back])
    assert groups(world, planned(world, "b", 10.0, 0.9)) == "ab"


def test_of_overlapping_lanes_the_one_that_points_with_the_ego_is_the_start():
    turning = lane("t", curve((30, 30)), group="in", connector=True)
    through = lane("s", curve((30, 0)), group="in", connector=True)
    world = build_map([through, turning])
    x, y, heading = world.lane_centerline(1)[5]
    assert lanes(world, plan_route(world, [0], (x, y, heading))) == "t"
    assert lanes(world, plan_route(world, [0], (x, y, 0.0))) == "s"


def test_parallel_lanes_are_one_roadblock_and_all_on_route_but_only_one_is_followed():
    right = chain("ab", group="r")
    left = chain("cd", y=3.6, group="r")
    world = build_map([*right, *left])
    route = planned(world, "r", 10.0, 3.5)
    assert [world.lane_ids[number] for number in route.route_lanes] == list("abcd")
    assert lanes(world, route) == "c"  # the goal is its own roadblock


def test_the_shorter_of_two_ways_is_taken():
    detour = lane("x", curve((10, 5), (31, -10), (10, 5)), group="m", successors=("e",))
    straight = lane("m", curve((40, 0), start=(40.0, 0.0, 0.0)), group="m", successors=("e",))
    begin = lane("a", curve((40, 0)), successors=("x", "m"))
    world = build_map([begin, detour, straight, *chain("e", start=80.0)])
    assert lanes(world, planned(world, "ame", 5.0)) == "ame"


def test_an_empty_route_becomes_the_roadblock_under_the_ego(road):
    route = plan_route(road, [], (50.0, 0.0, 0.0))
    assert groups(road, route) == "b"
    assert lanes(road, route) == "b"


def test_far_from_every_road_the_nearest_one_is_taken(road):
    route = planned(road, "abcd", -500.0, 300.0, 2.0)
    assert lanes(road, route) == "abcd"


def test_the_centreline_ends_after_thirty_roadblocks():
    names = [f"n{number}" for number in range(50)]
    pieces = [
        lane(name, curve((5, 0), start=(5.0 * number, 0.0, 0.0)), successors=tuple(names[number + 1 : number + 2]))
        for number, name in enumerate(names)
    ]
    world = build_map(pieces)
    route = plan_route(world, np.arange(50), (1.0, 0.0, 0.0))
    assert len(route.groups) == 50
    assert len(route.lanes) == WINDOW


def test_speed_limit_is_that_of_the_start_lane():
    world = build_map([*chain("a", speed_limit=8.0, end=("b",)), *chain("b", start=40.0)])
    assert planned(world, "ab", 10.0).speed_limit(world) == 8.0
    assert planned(world, "ab", 50.0).speed_limit(world) is None


def test_groups_of_lanes_keep_the_order_of_the_route():
    world = build_map([*chain("ab", group="r"), *chain("c", start=80.0)])
    assert groups_of_lanes(world, [2, 1, 0]).tolist() == [world.group_ids.index("c"), world.group_ids.index("r")]


def test_bad_input_is_named(road):
    with pytest.raises(MapError, match="group 9 does not exist"):
        plan_route(road, [9], (0.0, 0.0, 0.0))
    with pytest.raises(MapError, match="no lane"):
        plan_route(build_map([]), [], (0.0, 0.0, 0.0))


def check_along(scenario: Scenario) -> None:
    """A route from every place of the drive; it begins where the ego is."""
    wanted = groups_of_lanes(scenario.map, scenario.route)
    for step in range(0, scenario.steps, 25):
        pose = scenario.reference[step, :3]
        route = plan_route(scenario.map, wanted, pose)
        assert np.isfinite(route.centerline).all()
        assert set(route.lanes.tolist()) <= set(route.route_lanes.tolist())
        apart = np.linalg.norm(route.centerline[:, :2] - pose[:2], axis=1).min()
        assert apart < 8.0, f"{scenario.id} step {step}: centreline {apart:.1f} m away"


@pytest.mark.parametrize("family", FAMILIES)
def test_generated_drives_always_have_a_route(family):
    check_along(build(Recipe(family, 0, "tests")))


def test_recorded_drives_always_have_a_route(nuscenes_mini: Path):
    store = Store()
    for entry in prepare(nuscenes_mini, store):
        check_along(store.get(entry.key))
