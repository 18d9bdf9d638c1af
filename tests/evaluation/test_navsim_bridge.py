"""Our planners as NAVSIM agents, against a stand-in package with NAVSIM's documented interface."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from shapely import Polygon

from drive.errors import PlannerError
from drive.geometry import from_frame, poses_from_frame, poses_to_frame, rotate, to_frame
from drive.map import Layer
from drive.observation import Observation, Observer
from drive.scene import AgentKind, LightState, Scenario
from drive.vehicle import Ego
from evaluation.navsim import agent_class, agent_yaml, make_agent, resampled
from evaluation.navsim_observation import observation
from planners.contract import Context, Plan
from planners.host import InProcessHost
from planners.registry import resolve
from tests.planners.roads import curve, lane, scene
from tests.scenes import START, moving

NAVSIM = {
    "navsim/agents/abstract_agent.py": """
from abc import ABC, abstractmethod

class AbstractAgent(ABC):
    def __init__(self, trajectory_sampling, requires_scene=False):
        self._trajectory_sampling, self.requires_scene = trajectory_sampling, requires_scene

    @abstractmethod
    def name(self): ...

    @abstractmethod
    def get_sensor_config(self): ...

    @abstractmethod
    def initialize(self): ...
""",
    "navsim/common/dataclasses.py": """
from dataclasses import dataclass
from nuplan.planning.simulation.trajectory.trajectory_sampling import TrajectorySampling

@dataclass
class Trajectory:
    poses: object
    trajectory_sampling: TrajectorySampling

    def __post_init__(self):
        assert self.poses.shape == (self.trajectory_sampling.num_poses, 3)

@dataclass
class SensorConfig:
    cam_f0: object
    lidar_pc: object

    @classmethod
    def build_no_sensors(cls):
        return cls(False, False)
""",
    "nuplan/planning/simulation/trajectory/trajectory_sampling.py": """
class TrajectorySampling:
    def __init__(self, time_horizon, interval_length):
        self.time_horizon, self.interval_length = time_horizon, interval_length
        self.num_poses = round(time_horizon / interval_length)
""",
    "nuplan/common/maps/maps_datatypes.py": """
from enum import IntEnum

class SemanticMapLayer(IntEnum):
    LANE = 0
    INTERSECTION = 1
    CROSSWALK = 3
    ROADBLOCK = 4
    LANE_CONNECTOR = 6
    ROADBLOCK_CONNECTOR = 7
    WALKWAYS = 12
    CARPARK_AREA = 13
""",
}
ORIGIN = np.array((664400.0, 3998200.0, 0.7))
FRAMES = (5, 10, 15, 20)  # steps of NAVSIM's history where START is 20


@pytest.fixture
def navsim(tmp_path, monkeypatch):
    """The stand-in, importable."""
    for name, text in NAVSIM.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    agent_class.cache_clear()
    yield tmp_path
    agent_class.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in ("navsim", "nuplan")]:
        del sys.modules[name]


class MapApi:
    """nuPlan's map interface on one of our scenes, in global coordinates."""

    def __init__(self, scenario: Scenario) -> None:
        layers = importlib.import_module("nuplan.common.maps.maps_datatypes").SemanticMapLayer
        world = scenario.map
        self.asked: list[tuple[float, float, float]] = []
        items = []
        for index in range(world.lanes):
            line = poses_from_frame(world.lane_centerline(index), ORIGIN)
            limit = float(world.speed_limit[index]) if world.has_speed_limit[index] else None
            items.append(
                SimpleNamespace(
                    id=world.lane_ids[index],
                    baseline_path=SimpleNamespace(
                        discrete_path=[SimpleNamespace(x=x, y=y, heading=h) for x, y, h in line]
                    ),
                    polygon=Polygon(from_frame(world.lane_polygon(index), ORIGIN)),
                    speed_limit_mps=limit,
                    get_roadblock_id=lambda group=world.group_ids[world.group[index]]: group,
                )
            )
        for index, item in enumerate(items):
            item.outgoing_edges = [items[i] for i in world.lane_successors(index)]
            sides = (world.left[index], world.right[index])
            if not world.connector[index]:
                item.adjacent_edges = tuple(items[i] if i >= 0 else None for i in sides)
        blocks = [SimpleNamespace(id="block", polygon=item.polygon) for item in items]
        self.objects = {
            layers.LANE: [item for i, item in enumerate(items) if not world.connector[i]],
            layers.LANE_CONNECTOR: [item for i, item in enumerate(items) if world.connector[i]],
            layers.ROADBLOCK: blocks[:1],
            layers.INTERSECTION: blocks[1:],
        }

    def get_proximal_map_objects(self, point, radius, layers):
        self.asked.append((point.x, point.y, radius))
        return {layer: self.objects.get(layer, []) for layer in layers}


def navsim_inputs(scenario: Scenario, roadblocks: list[str], lights: list[tuple[str, bool]] = ()):
    """NAVSIM's AgentInput and Scene of one of our scenes, as its loader makes them from a log."""
    names = {AgentKind.CAR: "vehicle", AgentKind.PEDESTRIAN: "pedestrian"}
    now, tracks = scenario.reference[START], scenario.tracks
    statuses, frames = [], []
    for step in (*FRAMES, 25, 30):
        state = scenario.reference[step]
        rows = np.flatnonzero(tracks.valid[:, step])
        boxes = np.zeros((len(rows), 7))
        boxes[:, :2] = to_frame(tracks.position[rows, step], state[:3])
        boxes[:, 3:5] = tracks.size[rows]
        boxes[:, 6] = tracks.heading[rows, step] - state[2]
        annotations = SimpleNamespace(
            boxes=boxes,
            names=[names[kind] for kind in tracks.kind[rows]],
            velocity_3d=np.column_stack((rotate(tracks.velocity[rows, step], -state[2]), np.zeros(len(rows)))),
            track_tokens=[tracks.ids[row] for row in rows],
        )
        status = SimpleNamespace(
            ego_pose=poses_to_frame(state[:3], now[:3]).astype(np.float32),
            ego_velocity=state[[Ego.VX, Ego.VY]].astype(np.float32),
            ego_acceleration=state[[Ego.AX, Ego.AY]].astype(np.float32),
            driving_command=np.array((0, 1, 0, 0)),
        )
        statuses.append(status)
        there = SimpleNamespace(ego_pose=poses_from_frame(state[:3], ORIGIN))
        frames.append(
            SimpleNamespace(
                token=f"{step:016x}",
                annotations=annotations,
                ego_status=there,
                roadblock_ids=roadblocks,
                traffic_lights=list(lights),
            )
        )
    return SimpleNamespace(ego_statuses=statuses[:4]), SimpleNamespace(frames=frames, map_api=MapApi(scenario))


ROAD = curve((80, 0), (30, 60.0), (40, 0))


@pytest.fixture
def junction() -> Scenario:
    """A lane, a connector with a light, a lane; a car ahead and a pedestrian who appears after 1 s of history."""
    lanes = [
        lane("in", ROAD[:61], successors=("turn",), group="a", speed_limit=11.0),
        lane("out", ROAD[110:], group="c"),
        lane("turn", ROAD[60:111], successors=("out",), group="b", connector=True),
    ]
    agents = [
        (AgentKind.CAR, (4.5, 1.9), moving((35.0, 0.0), 6.0)),
        (AgentKind.PEDESTRIAN, (0.7, 0.7), moving((40.0, 6.0), 1.2, -1.5)),
    ]
    made = scene(lanes, ["in", "turn", "out"], (20.0, 0.3, 0.02), 8.0, agents, {"turn": LightState.RED})
    made.tracks.valid[1, :15] = False
    return made


def ours(scenario: Scenario) -> Observation:
    tracks, now = scenario.tracks, slice(START, START + 1)
    arrays = (tracks.position, tracks.heading, tracks.velocity, tracks.valid)
    return Observer(scenario).observe(0, scenario.reference[now], *(array[:, now] for array in arrays))


def test_a_scene_of_navsim_becomes_the_observation_we_would_have_made(navsim: Path, junction: Scenario) -> None:
    agent_input, scene_of_navsim = navsim_inputs(junction, ["a", "b", "c"], [("turn", True)])
    got, want = observation(agent_input, scene_of_navsim), ours(junction)
    assert scene_of_navsim.map_api.asked[0] == (*poses_from_frame(junction.reference[START, :3], ORIGIN)[:2], 100.0)
    for name in ("ptr", "successors", "successors_ptr", "left", "right", "connector", "light"):
        np.testing.assert_array_equal(getattr(got, f"lane_{name}"), getattr(want, f"lane_{name}"), err_msg=name)
    np.testing.assert_array_equal(got.lane_has_speed_limit, want.lane_has_speed_limit)
    for name in ("lane_centerline", "lane_polygon", "lane_speed_limit"):
        np.testing.assert_allclose(getattr(got, name), getattr(want, name), atol=1e-6, err_msg=name)
    assert set(got.area_layer) == {Layer.ROADBLOCK, Layer.DRIVABLE, Layer.INTERSECTION}
    np.testing.assert_array_equal(got.route, want.route)
    np.testing.assert_allclose(got.goal, want.lane_centerline[want.lane_ptr[2] - 1, :2], atol=1e-6)
    np.testing.assert_allclose(got.ego[5:, :7], want.ego[5:, :7], atol=1e-4)
    np.testing.assert_array_equal(got.agent_kind, want.agent_kind)
    np.testing.assert_array_equal(got.agent_valid[:, 15:], want.agent_valid[:, 15:])
    assert got.agent_valid[0, 5:].all() and not got.agent_valid[:, :5].any() and not got.agent_valid[1, :15].any()
    for name in ("agent_position", "agent_heading", "agent_velocity"):
        seen = got.agent_valid
        np.testing.assert_allclose(getattr(got, name)[seen], getattr(want, name)[seen], atol=1e-6, err_msg=name)


def test_the_future_frames_of_a_scene_are_not_read(navsim: Path, junction: Scenario) -> None:
    agent_input, scene_of_navsim = navsim_inputs(junction, ["a", "b", "c"])
    before = observation(agent_input, scene_of_navsim).arrays()
    scene_of_navsim.frames[4:] = [None, None]
    for name, value in observation(agent_input, scene_of_navsim).arrays().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


@pytest.mark.parametrize("planner", ["idm", "idm[headway=2.0]", "lane_follower"])
def test_a_planner_plans_in_navsim_as_it_does_here(navsim: Path, junction: Scenario, planner: str) -> None:
    agent_input, scene_of_navsim = navsim_inputs(junction, ["a", "b", "c"], [("turn", True)])
    agent = make_agent(planner)
    assert agent.requires_scene and agent.name() == planner
    assert agent.get_sensor_config() == importlib.import_module("navsim.common.dataclasses").SensorConfig(False, False)
    agent.initialize()
    trajectory = agent.compute_trajectory(agent_input, scene_of_navsim)
    assert type(trajectory).__module__ == "navsim.common.dataclasses"
    assert trajectory.poses.dtype == np.float32
    host = InProcessHost(resolve(planner))
    host.reset(Context(junction.ego_vehicle, 0.1, 4.0, 4.0, 0))
    np.testing.assert_allclose(trajectory.poses, resampled(host.plan(ours(junction))), atol=0.05)


def test_without_the_scene_a_planner_sees_its_own_history_alone(navsim: Path, junction: Scenario) -> None:
    agent_input, scene_of_navsim = navsim_inputs(junction, ["a", "b", "c"])
    agent = make_agent("constant_velocity", requires_scene=False)
    poses = agent.compute_trajectory(agent_input).poses
    np.testing.assert_allclose(poses[:, 0], 4.0 * np.arange(1, 9), atol=1e-3)
    blind = observation(agent_input)
    assert not len(blind.agent_kind) and not len(blind.lane_light) and not len(blind.route)
    np.testing.assert_array_equal(blind.goal, (100.0, 0.0))
    np.testing.assert_array_equal(blind.ego, observation(agent_input, scene_of_navsim).ego)


def test_other_samplings_are_served(navsim: Path, junction: Scenario) -> None:
    agent_input, _ = navsim_inputs(junction, [])
    sampling = importlib.import_module("nuplan.planning.simulation.trajectory.trajectory_sampling").TrajectorySampling
    agent = make_agent("constant_velocity", False, sampling(4.0, 0.1))
    assert agent.compute_trajectory(agent_input).poses.shape == (40, 3)


def test_plans_are_resampled_to_eight_poses() -> None:
    time = 0.1 * np.arange(1, 46)
    fine = np.stack((5.0 * time, np.zeros(45), np.zeros(45)), axis=1)
    fine[:, 2] = (3.0 + time + np.pi) % (2 * np.pi) - np.pi
    got = resampled(Plan(np.stack((np.zeros((45, 3)), fine)), np.zeros(2), 1, 0.1))
    assert got.shape == (8, 3) and got.dtype == np.float32
    np.testing.assert_allclose(got[:, 0], 2.5 * np.arange(1, 9), rtol=1e-6)
    np.testing.assert_allclose(np.cos(got[:, 2]), np.cos(3.0 + 0.5 * np.arange(1, 9)), atol=1e-5)
    same = np.random.default_rng(0).normal(size=(8, 3))
    np.testing.assert_allclose(resampled(Plan.single(same)), same, rtol=1e-6)


def test_a_plan_too_short_for_navsim_is_refused(navsim: Path, junction: Scenario, tmp_path, monkeypatch) -> None:
    (tmp_path / "short_plans.py").write_text(
        "import numpy as np\nfrom planners.contract import Plan, Planner\n\n"
        "class Short(Planner):\n    def plan(self, observation):\n        return Plan.single(np.zeros((6, 3)))\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PlannerError, match=r"ends after 3\.00 s .* expected at least 4\.00 s"):
        make_agent("short_plans:Short", False).compute_trajectory(navsim_inputs(junction, [])[0])


def test_a_planner_is_told_that_navsim_asks_once(navsim: Path, junction: Scenario, tmp_path, monkeypatch) -> None:
    (tmp_path / "asked_once.py").write_text(
        "import numpy as np\nfrom planners.contract import Plan, Planner\n\n"
        "class Told(Planner):\n    def reset(self, context):\n        self.told = context.replan_interval\n"
        "    def plan(self, observation):\n        return Plan.single(np.full((8, 3), self.told))\n"
    )
    monkeypatch.chdir(tmp_path)
    poses = make_agent("asked_once:Told", False).compute_trajectory(navsim_inputs(junction, [])[0]).poses
    assert poses[0, 0] == 4.0


def test_the_yaml_is_what_hydra_needs() -> None:
    text = yaml.safe_load(agent_yaml("idm[headway=2.0]", True))
    module, _, name = text["_target_"].rpartition(".")
    assert getattr(importlib.import_module(module), name) is make_agent
    assert text["planner"] == "idm[headway=2.0]"
    assert text["requires_scene"] is True
    assert (text["trajectory_sampling"]["time_horizon"], text["trajectory_sampling"]["interval_length"]) == (4, 0.5)


def test_privileged_planners_are_refused(navsim: Path) -> None:
    with pytest.raises(PlannerError, match="'log_replay' is privileged"):
        make_agent("log_replay").initialize()


def test_the_unrelated_package_of_the_same_name_is_not_taken_for_navsim(tmp_path, monkeypatch) -> None:
    (tmp_path / "navsim").mkdir()
    (tmp_path / "navsim" / "__init__.py").write_text("version = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    agent_class.cache_clear()
    try:
        with pytest.raises(
            PlannerError, match="the package called navsim on the package index is an unrelated project"
        ):
            make_agent("idm")
    finally:
        sys.modules.pop("navsim", None)
