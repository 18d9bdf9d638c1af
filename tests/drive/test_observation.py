"""What a planner may see, and what it may not."""

from dataclasses import fields, replace

import numpy as np
import pytest

from drive.geometry import poses_from_frame
from drive.map import Area, Lane, Layer, StopCause, StopLine, build_map
from drive.observation import Observation
from drive.scene import AgentKind, Cue, Lights, LightState, Scenario, Tracks
from drive.simulator import Simulator
from tests.scenes import START, STEPS, moving, straight_map, straight_scene

CAR, SIZE = AgentKind.CAR, (4.6, 1.9)


def same(first: Observation, second: Observation) -> bool:
    return all(np.array_equal(getattr(first, item.name), getattr(second, item.name)) for item in fields(Observation))


def seen(scenario: Scenario, traffic: str = "log", steps: int = 1) -> list[Observation]:
    """Observations at the start and after each of ``steps`` replans of driving straight on."""
    simulator = Simulator([scenario], traffic)
    plan = np.column_stack((10.0 * 0.5 * np.arange(1, 9), np.zeros(8), np.zeros(8)))
    found = simulator.observe()
    for _ in range(steps):
        simulator.step([plan], [0.5])
        found += simulator.observe()
    return found


def signals(state: np.ndarray) -> Lights:
    return Lights(np.array([1], np.int32), np.array([[50.0, 3.5]]), state.astype(np.int8))


@pytest.fixture
def scene() -> Scenario:
    agents = [(CAR, SIZE, moving((25.0, 0.0), 8.0)), (AgentKind.PEDESTRIAN, (0.6, 0.6), moving((30.0, -5.0), 1.2, 1.6))]
    state = np.full((1, STEPS), LightState.GREEN)
    return straight_scene(agents, lights=signals(state))


def with_noise_after(scenario: Scenario, step: int) -> Scenario:
    rng = np.random.default_rng(0)
    tracks = scenario.tracks
    arrays = {}
    for name in ("position", "heading", "velocity", "valid", "cues"):
        value = getattr(tracks, name).copy()
        noise = rng.normal(0, 50, value[:, step:].shape)
        value[:, step:] = noise > 0 if value.dtype == bool else np.abs(noise).astype(value.dtype)
        arrays[name] = value
    reference = scenario.reference.copy()
    reference[step:] = rng.normal(0, 50, reference[step:].shape)
    return replace(scenario, tracks=replace(tracks, **arrays), reference=reference)


@pytest.mark.parametrize("traffic", ["log", "constant_velocity", "idm"])
def test_no_planner_sees_the_future(scene, traffic):
    """Noise in every track and in the recorded ego from the next step on changes nothing now."""
    assert same(seen(scene, traffic, 0)[0], seen(with_noise_after(scene, START + 1), traffic, 0)[0])


def test_no_planner_sees_the_future_later_in_the_rollout(scene):
    now = START + 5
    assert same(seen(scene)[1], seen(with_noise_after(scene, now + 1))[1])


def test_observation_does_change_with_the_past(scene):
    """The test above can fail: the same noise one step earlier is seen."""
    assert not same(seen(scene)[1], seen(with_noise_after(scene, START + 4))[1])


def test_future_agents_leave_no_slot(scene):
    tracks = scene.tracks
    late = np.zeros((3, STEPS), np.bool_)
    late[:2] = tracks.valid
    late[2, START + 1 :] = True
    grown = Tracks(
        ids=(*tracks.ids, "late"),
        kind=np.append(tracks.kind, np.int8(CAR)),
        size=np.vstack((tracks.size, SIZE)),
        valid=late,
        **{
            name: np.concatenate((getattr(tracks, name), getattr(tracks, name)[:1] + 3), axis=0)
            for name in ("position", "heading", "velocity", "cues")
        },
    )
    added = replace(scene, tracks=grown, drivers=np.zeros((3, 16)))
    assert same(seen(scene)[0], seen(added)[0])
    assert len(seen(added)[1].agent_kind) == 3


def test_future_lights_are_not_seen(scene):
    state = scene.lights.state.copy()
    state[:, START + 1 :] = LightState.RED
    changed = replace(scene, lights=signals(state))
    assert same(seen(scene)[0], seen(changed)[0])
    assert not same(seen(scene)[1], seen(changed)[1])
    assert seen(changed)[1].lane_light.tolist() == [LightState.UNKNOWN, LightState.RED]


def test_observation_does_not_depend_on_where_in_the_world_the_scene_lies(scene):
    moved = replace(scene, origin=np.array([5e5, 4e6, 1.0]), id="other", t0_us=17)
    assert same(seen(scene)[0], seen(moved)[0])


def test_observation_is_in_the_ego_frame():
    """The same scene turned and shifted as a whole looks the same from the car."""
    scene = straight_scene([(CAR, SIZE, moving((25.0, 3.5), 8.0))])
    frame = np.array([30.0, -12.0, 2.1])

    def turn(points: np.ndarray) -> np.ndarray:
        return poses_from_frame(np.concatenate((points, np.zeros((*points.shape[:-1], 1))), axis=-1), frame)[..., :2]

    world, tracks = scene.map, scene.tracks
    reference = scene.reference.copy()
    reference[:, :3] = poses_from_frame(reference[:, :3], frame)
    cos, sin = np.cos(frame[2]), np.sin(frame[2])
    turned = replace(
        scene,
        map=replace(
            world,
            centerline=poses_from_frame(world.centerline, frame),
            polygon=turn(world.polygon),
            ring=turn(world.ring),
        ),
        tracks=replace(
            tracks,
            position=turn(tracks.position),
            heading=tracks.heading + frame[2],
            velocity=tracks.velocity @ np.array([[cos, sin], [-sin, cos]]),
        ),
        reference=reference,
        goal=turn(scene.goal),
    )
    straight, rotated = seen(scene)[1], seen(turned)[1]
    for item in fields(Observation):
        np.testing.assert_allclose(
            getattr(rotated, item.name), getattr(straight, item.name), atol=1e-9, err_msg=item.name
        )


def test_history_holds_two_seconds_up_to_now(scene):
    first, second = seen(scene)
    assert first.ego.shape == (21, 11)
    np.testing.assert_allclose(first.ego[0, :2], [-20.0, 0.0], atol=1e-9)
    np.testing.assert_array_equal(second.ego[-1, :3], 0.0)
    np.testing.assert_allclose(first.agent_position[0, -1], [25.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(second.agent_position[0, -6], first.agent_position[0, -1] - second_shift(first, second))
    assert second.time == pytest.approx(0.5)


def second_shift(first: Observation, second: Observation) -> np.ndarray:
    return np.array([-second.ego[-6, 0], 0.0])


def test_short_history_is_padded_as_absent(scene):
    cut = slice(START - 4, None)
    tracks = scene.tracks
    shorter = replace(
        scene,
        start=4,
        reference=scene.reference[cut],
        tracks=replace(
            tracks, **{n: getattr(tracks, n)[:, cut] for n in ("position", "heading", "velocity", "valid", "cues")}
        ),
        lights=signals(scene.lights.state[:, cut]),
    )
    observed = seen(shorter)[0]
    assert observed.agent_valid[0].tolist() == [False] * 16 + [True] * 5
    np.testing.assert_array_equal(observed.agent_position[0, :16], 0.0)
    np.testing.assert_array_equal(observed.ego[:16], np.tile(observed.ego[16], (16, 1)))


def test_agents_out_of_history_are_forgotten(scene):
    valid = scene.tracks.valid.copy()
    valid[0, 1:] = False
    gone = replace(scene, tracks=replace(scene.tracks, valid=valid))
    first, second = seen(gone)
    assert len(first.agent_kind) == 2
    assert len(second.agent_kind) == 1


def test_cues_are_those_of_the_moment(scene):
    cues = scene.tracks.cues.copy()
    cues[0, START + 3 :] = Cue.BRAKE_LIGHT
    first, second = seen(replace(scene, tracks=replace(scene.tracks, cues=cues)))
    assert not first.agent_cues.any()
    assert second.agent_cues[0].tolist() == [0] * 18 + [Cue.BRAKE_LIGHT] * 3


def test_far_lanes_and_areas_are_left_out_and_indices_follow():
    near, far = straight_map(lanes=2), straight_map(lanes=1)
    shift, shift3 = np.array([0.0, 5000.0]), np.array([0.0, 5000.0, 0.0])
    lanes = [
        Lane("far", far.lane_centerline(0) + shift3, far.lane_polygon(0) + shift, successors=("b",)),
        Lane("a", near.lane_centerline(0), near.lane_polygon(0), successors=("b", "far"), left="b"),
        Lane("b", near.lane_centerline(1), near.lane_polygon(1), right="a"),
    ]
    ring = np.array([[0.0, 0.0], [9.0, 0.0], [9.0, 9.0]])
    world = build_map(
        lanes,
        [Area(Layer.DRIVABLE, (ring + shift,)), Area(Layer.CROSSWALK, (ring,))],
        [
            StopLine(np.array([[0.0, 0.0], [0.0, 3.0]]), ("a",), StopCause.CROSSWALK),
            StopLine(np.array([[0.0, 5000.0], [0.0, 5003.0]]), ("far",), StopCause.SIGNAL),
        ],
    )
    observed = seen(straight_scene(vector_map=world, route=np.array([1, 2, 0], np.int32)))[0]
    assert len(observed.lane_ptr) == 3
    assert observed.lane_left.tolist() == [1, -1]
    assert observed.lane_right.tolist() == [-1, 0]
    assert observed.lane_successors.tolist() == [1]
    assert observed.lane_successors_ptr.tolist() == [0, 1, 1]
    assert observed.route.tolist() == [0, 1]
    assert observed.area_layer.tolist() == [Layer.CROSSWALK]
    assert observed.area_of_ring.tolist() == [0]
    assert observed.stop_cause.tolist() == [StopCause.CROSSWALK]


def test_a_planner_that_writes_into_an_observation_changes_no_later_one():
    scene = straight_scene(vector_map=straight_map(lanes=2))
    simulator = Simulator([scene])
    for values in simulator.observe()[0].arrays().values():
        if isinstance(values, np.ndarray):
            values[...] = 0
    again, fresh = simulator.observe()[0].arrays(), Simulator([scene]).observe()[0].arrays()
    assert all(np.array_equal(again[name], fresh[name]) for name in fresh)
