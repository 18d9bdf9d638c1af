"""From scenes to what NAVSIM's scorer is given: tracks between keyframes, lights, the road, log replay."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import DrawFn
from numpy.typing import NDArray

from drive.geometry import poses_to_frame, wrap_angle
from drive.kernels.rings import inside_polygon
from drive.map import Area, Lane, Layer, VectorMap, build_map
from drive.scene import AgentKind, Lights, LightState, Scenario
from drive.scoring.navsim.inputs import SAMPLES, PdmMap, RoadLayer
from drive.scoring.navsim.keyframes import SPACING, interpolate_tracks
from drive.scoring.navsim.scene import (
    Token,
    cache_token,
    logged_state,
    logged_traffic,
    road_map,
    without_initial_overlaps,
)
from drive.scoring.navsim.scorer import score_states
from drive.vehicle import PACIFICA, Ego
from scenarios.nuscenes import prepare
from scenarios.store import Store
from tests.navsim_road import driven, objects, rectangle
from tests.scenarios.generated import scene as generated
from tests.scenes import START, STEPS, moving, straight_map, straight_scene

Float = NDArray[np.float64]
Keys = tuple[Float, Float, Float, NDArray[np.bool_]]
CAR, SIZE = AgentKind.CAR, (4.0, 1.8)
FRAMES = (SAMPLES - 1) // SPACING + 1


# --- tracks between keyframes


@st.composite
def keyframes(draw: DrawFn) -> Keys:
    """Up to four tracks at up to nine keyframes, with gaps."""
    agents, frames = draw(st.integers(0, 4)), draw(st.integers(1, FRAMES))
    number = st.floats(-1e4, 1e4, allow_subnormal=False)
    return (
        draw(arrays(np.float64, (agents, frames, 2), elements=number)),
        draw(arrays(np.float64, (agents, frames), elements=st.floats(-7.0, 7.0, allow_subnormal=False))),
        draw(arrays(np.float64, (agents, frames, 2), elements=number)),
        draw(arrays(np.bool_, (agents, frames))),
    )


def known(keys: Keys, agent: int) -> list[int]:
    return np.flatnonzero(keys[3][agent]).tolist()


@settings(deadline=None)
@given(keyframes())
def test_tracks_pass_through_their_keyframes(keys: Keys) -> None:
    position, heading, velocity, present = interpolate_tracks(*keys)
    assert present.shape == (len(keys[3]), SPACING * (keys[3].shape[1] - 1) + 1)
    assert position.shape == velocity.shape == (*present.shape, 2)
    for agent in range(len(keys[3])):
        for frame in known(keys, agent):
            assert present[agent, SPACING * frame]
            np.testing.assert_array_equal(position[agent, SPACING * frame], keys[0][agent, frame])
            np.testing.assert_array_equal(velocity[agent, SPACING * frame], keys[2][agent, frame])
            assert abs(wrap_angle(heading[agent, SPACING * frame] - keys[1][agent, frame])) < 1e-12
    assert (np.abs(heading) <= np.pi).all()


@settings(deadline=None)
@given(keyframes())
def test_tracks_are_straight_between_keyframes_and_across_gaps(keys: Keys) -> None:
    position, _, velocity, present = interpolate_tracks(*keys)
    for agent in range(len(keys[3])):
        seen = known(keys, agent)
        for before, after in pairwise(seen):
            steps = SPACING * (after - before)
            share = np.arange(steps + 1)[:, None] / steps
            there = slice(SPACING * before, SPACING * after + 1)
            assert present[agent, there].all()
            for ours, given_ in ((position, keys[0]), (velocity, keys[2])):
                a, b = given_[agent, before], given_[agent, after]
                np.testing.assert_allclose(ours[agent, there], a + share * (b - a), rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(keyframes())
def test_headings_turn_the_short_way_round_at_an_even_rate(keys: Keys) -> None:
    heading = interpolate_tracks(*keys)[1]
    for agent in range(len(keys[3])):
        seen = known(keys, agent)
        for before, after in pairwise(seen):
            turn = float(wrap_angle(keys[1][agent, after] - keys[1][agent, before]))
            steps = SPACING * (after - before)
            rates = wrap_angle(np.diff(heading[agent, SPACING * before : SPACING * after + 1]))
            if abs(turn) < 3.14:  # half a turn has no short way
                np.testing.assert_allclose(rates, turn / steps, atol=1e-9)
            assert np.abs(rates).max() <= np.pi / steps + 1e-9


def test_a_heading_crosses_the_cut_at_half_a_turn() -> None:
    heading = interpolate_tracks(np.zeros((1, 2, 2)), [[3.1, -3.1]], np.zeros((1, 2, 2)), np.ones((1, 2)))[1]
    assert np.abs(heading).min() > 3.0


@settings(deadline=None)
@given(keyframes())
def test_tracks_are_absent_outside_their_first_and_last_keyframe(keys: Keys) -> None:
    position, heading, velocity, present = interpolate_tracks(*keys)
    for agent in range(len(keys[3])):
        seen = known(keys, agent)
        wanted = np.zeros(present.shape[1], np.bool_)
        if len(seen) == 1:
            wanted[:] = True
        elif seen:
            wanted[SPACING * seen[0] : SPACING * seen[-1] + 1] = True
        np.testing.assert_array_equal(present[agent], wanted)
    for values in (position, heading, velocity):
        assert not values[~present].any()


@settings(deadline=None)
@given(keyframes())
def test_tracks_seen_once_hold_their_state(keys: Keys) -> None:
    position, heading, velocity, _ = interpolate_tracks(*keys)
    for agent in range(len(keys[3])):
        seen = known(keys, agent)
        if len(seen) == 1:
            assert (position[agent] == keys[0][agent, seen[0]]).all()
            assert (velocity[agent] == keys[2][agent, seen[0]]).all()
            assert len(set(heading[agent].tolist())) == 1


def test_frames_of_the_scene_between_keyframes_are_not_looked_at() -> None:
    position, heading, velocity = moving((20.0, 0.0), 5.0)
    scene = straight_scene([(CAR, SIZE, (position, heading, velocity))])
    position = scene.tracks.position.copy()
    position[0, START + 2] = 999.0
    jumpy = replace(scene, tracks=replace(scene.tracks, position=position))
    lane = np.array([0], np.int32)
    np.testing.assert_array_equal(
        logged_traffic(jumpy, START, lane)[0].position, logged_traffic(scene, START, lane)[0].position
    )


def test_an_object_seen_between_keyframes_only_is_not_there() -> None:
    scene = straight_scene([(CAR, SIZE, moving((x, 0.0), 0.0)) for x in (20.0, 40.0)])
    valid = scene.tracks.valid.copy()
    valid[0] = False
    valid[0, START + 1 : START + 5] = True
    traffic, rows, _ = logged_traffic(replace(scene, tracks=replace(scene.tracks, valid=valid)), START, np.array([0]))
    assert rows.tolist() == [1]
    assert traffic.position[:, 0, 0].tolist() == [40.0]


# --- red lights


def crossing() -> VectorMap:
    """Lane a to b over connector ab; connector ax leads aside to lane x, off the route."""
    x = {"a": (-100.0, 40.0), "ab": (40.0, 60.0), "b": (60.0, 300.0), "ax": (40.0, 60.0), "x": (60.0, 300.0)}
    y = {"a": 0.0, "ab": 0.0, "b": 0.0, "ax": 6.0, "x": 6.0}
    following = {"a": ("ab", "ax"), "ab": ("b",), "ax": ("x",)}
    lanes = []
    for name, (low, high) in x.items():
        along = np.arange(low, high + 1.0, 2.0)
        line = np.column_stack((along, np.full(len(along), y[name]), np.zeros(len(along))))
        polygon = rectangle(low, y[name] - 1.75, high, y[name] + 1.75)
        lanes.append(
            Lane(name, line, polygon, following.get(name, ()), group=f"of-{name}", connector=name in ("ab", "ax"))
        )
    return build_map(lanes, [Area(Layer.DRIVABLE, (rectangle(-100.0, -2.0, 300.0, 8.0),))])


def with_lights(states: dict[str, NDArray[np.int8]]) -> Scenario:
    world = crossing()
    lanes = np.array([world.lane_ids.index(name) for name in states], np.int32)
    lights = Lights(lanes, np.zeros((len(lanes), 2)), np.array(list(states.values()), np.int8))
    route = np.array([world.lane_ids.index(name) for name in ("a", "ab", "b")], np.int32)
    return straight_scene(vector_map=world, lights=lights, route=route)


def test_a_red_light_holds_for_five_steps_from_each_keyframe() -> None:
    state = np.full(STEPS, LightState.GREEN, np.int8)
    state[START + 10] = LightState.RED  # a keyframe
    state[START + 21 : START + 25] = LightState.RED  # between keyframes: never seen
    state[START + 40] = LightState.RED  # the last one
    token = cache_token(with_lights({"ab": state}), START)
    wanted = np.zeros(SAMPLES, np.bool_)
    wanted[10:15] = wanted[40] = True
    np.testing.assert_array_equal(token.traffic.red, wanted[None])


@pytest.mark.parametrize("state", [LightState.GREEN, LightState.YELLOW, LightState.UNKNOWN])
def test_only_red_is_red(state: LightState) -> None:
    token = cache_token(with_lights({"ab": np.full(STEPS, state, np.int8)}), START)
    assert not token.traffic.red.any()


def test_only_lights_of_connectors_on_the_route_count() -> None:
    red = np.full(STEPS, LightState.RED, np.int8)
    scene = with_lights({"ax": red, "b": red, "ab": red})
    token = cache_token(scene, START)
    assert [scene.map.lane_ids[lane] for lane in token.lights] == ["ab"]
    assert token.traffic.red.shape == (1, SAMPLES)
    np.testing.assert_array_equal(token.traffic.red_ring, scene.map.lane_polygon(scene.map.lane_ids.index("ab")))
    assert token.traffic.red.all()


# --- the road


def surface(world: VectorMap) -> PdmMap:
    low, high = np.array((-50.0, -50.0)), np.array((150.0, 50.0))
    return road_map(world, np.array([0], np.int32), world.lane_centerline(0), low, high)


def drivable(found: PdmMap, x: float, y: float) -> bool:
    """True in a surface that NAVSIM calls drivable."""
    layers = (RoadLayer.ROADBLOCK, RoadLayer.INTERSECTION, RoadLayer.CARPARK_AREA)
    return any(
        inside_polygon(found.polygons, p, x, y) for p in range(len(found.layer)) if RoadLayer(found.layer[p]) in layers
    )


def on_lanes(*areas: Area) -> VectorMap:
    """Lanes of :func:`straight_map`, with these areas only."""
    plain = straight_map()
    lanes = [
        Lane(plain.lane_ids[lane], plain.lane_centerline(lane), plain.lane_polygon(lane), group="road")
        for lane in range(plain.lanes)
    ]
    return build_map(lanes, areas)


OUTER = rectangle(-60.0, -20.0, 120.0, 20.0)
HOLES = (rectangle(10.0, -9.0, 30.0, 9.0), rectangle(60.3, -15.0, 80.7, -4.0)[::-1])


@pytest.mark.parametrize("layer", [Layer.DRIVABLE, Layer.ROADBLOCK, Layer.INTERSECTION, Layer.CARPARK])
def test_a_hole_in_an_area_is_off_the_drivable_area(layer: Layer) -> None:
    found = surface(on_lanes(Area(layer, (OUTER, *HOLES))))
    rng = np.random.default_rng(0)
    for x, y in rng.uniform((-70.0, -25.0), (130.0, 25.0), (1500, 2)):
        within = -60.0 < x < 120.0 and -20.0 < y < 20.0
        hole = (10.0 < x < 30.0 and -9.0 < y < 9.0) or (60.3 < x < 80.7 and -15.0 < y < -4.0)
        assert drivable(found, x, y) == (within and not hole), (x, y)
    assert (found.layer > RoadLayer.LANE).sum() + (found.layer == RoadLayer.ROADBLOCK).sum() == 1, "one polygon"


def test_a_car_in_a_hole_of_the_road_is_off_it() -> None:
    found = surface(on_lanes(Area(Layer.DRIVABLE, (OUTER, *HOLES))))
    scores = [score_states(driven(0.0, y=0.0, x=x), found, objects()) for x in (-20.0, 15.0, 40.0)]
    assert [float(score.drivable_area_compliance[0]) for score in scores] == [1.0, 0.0, 1.0]


def test_roadblocks_of_the_map_win_over_its_drivable_surface() -> None:
    wide, narrow = Area(Layer.DRIVABLE, (OUTER,)), Area(Layer.ROADBLOCK, (rectangle(-60.0, -2.0, 120.0, 6.0),))
    with_blocks, without = surface(on_lanes(wide, narrow)), surface(on_lanes(wide))
    assert drivable(without, 5.0, 12.0)
    assert not drivable(with_blocks, 5.0, 12.0)
    assert drivable(with_blocks, 5.0, 4.0)
    assert (with_blocks.layer == RoadLayer.ROADBLOCK).sum() == 1


def test_polygons_come_in_navsims_order_and_only_those_nearby() -> None:
    far = Area(Layer.CARPARK, (rectangle(200.0, 0.0, 210.0, 5.0),))
    near = Area(Layer.CARPARK, (rectangle(150.0, 50.0, 160.0, 60.0),))  # touches the corner of what is looked at
    middle = Area(Layer.INTERSECTION, (rectangle(0.0, 0.0, 5.0, 5.0),))
    found = surface(on_lanes(far, near, middle, Area(Layer.CROSSWALK, (OUTER,)), Area(Layer.DRIVABLE, (OUTER,))))
    names = [RoadLayer(layer).name for layer in found.layer]
    assert names == ["ROADBLOCK", "LANE", "LANE", "INTERSECTION", "CARPARK_AREA"]
    assert found.on_route.tolist() == [False, True, False, False, False]


# --- log replay


def test_log_replay_leaves_out_what_overlaps_the_ego_at_the_start_and_nothing_else() -> None:
    ahead = PACIFICA.front + SIZE[0] / 2
    later = np.column_stack((60.0 - 2.0 * np.arange(SAMPLES), np.zeros(SAMPLES)))  # drives into it in the end
    traffic = objects(
        (CAR, (0.0, 0.0), *SIZE),
        (CAR, (ahead - 0.01, 0.0), *SIZE),
        (CAR, (ahead + 0.01, 0.0), *SIZE),
        (AgentKind.PEDESTRIAN, (1.0, 0.5), 0.5, 0.5),
        (CAR, later, *SIZE),
        (CAR, (1.0, 0.0), *SIZE),
    )
    valid = traffic.valid.copy()
    valid[5, 0] = False  # not there yet
    traffic = traffic._replace(valid=valid)
    kept = without_initial_overlaps(traffic, logged_state(straight_scene(), START))
    assert kept.valid.any(axis=1).tolist() == [False, False, True, False, True, True]
    np.testing.assert_array_equal(kept.valid[[2, 4, 5]], valid[[2, 4, 5]])
    np.testing.assert_array_equal(kept.position, traffic.position)


# --- whole tokens


def check_token(scenario: Scenario, step: int) -> Token:
    """Every array of a token is finite, of its shape, and says what the scene says."""
    token = cache_token(scenario, step)
    for name, values in parts(token).items():
        assert np.isfinite(values).all(), f"{scenario.id}, step {step}: {name}"
    agents = len(token.agents)
    traffic, tracks = token.traffic, scenario.tracks
    assert (token.ego.shape, token.past.shape, token.human.shape) == ((11,), (4, 7), (8, 3))
    assert token.reference.shape == (51, 3)
    assert traffic.position.shape == (agents, SAMPLES, 2)
    assert traffic.red.shape == (len(token.lights), SAMPLES)
    np.testing.assert_array_equal(token.ego[: Ego.STEERING], scenario.reference[step, : Ego.STEERING])
    assert not token.ego[Ego.STEERING :].any()
    np.testing.assert_array_equal(token.past[-1], token.ego[:7])
    assert token.t0_us == scenario.t0_us + 100_000 * (step - scenario.start)
    wanted = poses_to_frame(scenario.reference[step + 40, :3][None], token.ego[:3])[0]
    np.testing.assert_allclose(token.human[-1], wanted, atol=1e-9)
    for key in range(0, SAMPLES, SPACING):
        row = np.flatnonzero(tracks.valid[token.agents, step + key])
        assert traffic.valid[row, key].all()
        np.testing.assert_array_equal(traffic.position[row, key], tracks.position[token.agents[row], step + key])
    assert not traffic.position[~traffic.valid].any()
    assert (token.pdm_map.layer == RoadLayer.ROADBLOCK).any()
    assert token.pdm_map.on_route.any()
    assert (np.diff(token.pdm_map.arc) >= 0.0).all()
    assert token.pdm_map.arc[-1] > 0.0
    return token


def parts(token: Token) -> dict[str, Any]:
    """All arrays of a token by their names."""
    found: dict[str, Any] = {}

    def collect(name: str, value: Any) -> None:
        if isinstance(value, np.ndarray):
            found[name] = value
        elif hasattr(value, "_asdict"):
            for key, inner in value._asdict().items():
                collect(f"{name}.{key}", inner)

    collect("token", token)
    assert {"token.reference", "token.pdm_map.polygons.ring", "token.traffic.heading"} <= set(found)
    return found


def steps_of(scenario: Scenario, count: int) -> list[int]:
    """Steps from the start to the last one that has 4 s after it."""
    last = len(scenario.reference) - SAMPLES
    return sorted({int(step) for step in np.linspace(scenario.start, last, count)})


def test_generated_scenes_give_whole_tokens() -> None:
    for family in ("F01", "F03", "F09", "F12", "F17", "F19", "F26"):
        scenario = generated(family, 0)
        steps = steps_of(scenario, 3)
        assert len(steps) == 3
        for step in steps:
            check_token(scenario, step)


def test_recorded_scenes_give_whole_tokens(nuscenes_mini: Path) -> None:
    store = Store()
    seen = 0
    for entry in prepare(nuscenes_mini, store):
        scenario = store.get(entry.key)
        assert scenario is not None
        for step in steps_of(scenario, 4):
            check_token(scenario, step)
            seen += 1
    assert seen > 30


def test_a_token_near_the_beginning_holds_its_first_state_before() -> None:
    scene = straight_scene()
    past = cache_token(scene, 7).past
    np.testing.assert_array_equal(past[:2], scene.reference[[0, 0], :7])
    np.testing.assert_array_equal(past[2:], scene.reference[[2, 7], :7])
