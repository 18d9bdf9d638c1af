"""An agent with NAVSIM's interface drives here: it gets NAVSIM's inputs, and what cannot work is said in a sentence."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from drive.errors import PlannerError
from drive.observation import Observation, Observer
from drive.scene import Scenario
from drive.simulator import Simulator
from drive.vehicle import Ego
from planners.contract import Context
from planners.host import InProcessHost
from planners.navsim_agent import agent_input, driving_command
from planners.registry import resolve
from tests.planners.roads import curve, lane, scene
from tests.scenes import START, straight_scene

AGENTS = """
import numpy as np

class Sampling:
    interval_length = 0.1

class Trajectory:
    def __init__(self, poses):
        self.poses, self.trajectory_sampling = poses, Sampling()

class Sensors:
    def __init__(self, **wanted):
        self.__dict__.update(wanted)

class Turner:
    requires_scene = False
    def __init__(self):
        self.ready = 0
    def initialize(self):
        self.ready += 1
    def get_sensor_config(self):
        return Sensors(cam_f0=False, lidar_pc=[])
    def compute_trajectory(self, agent_input):
        assert self.ready == 1 and len(agent_input.ego_statuses) == 4
        assert agent_input.cameras[-1].cam_f0.image is None and agent_input.lidars[-1].lidar_pc is None
        speed = agent_input.ego_statuses[-1].ego_velocity[0]
        time = 0.1 * np.arange(1, 41)
        return Trajectory(np.stack((speed * time, 0.05 * time, np.zeros(40)), axis=1).astype(np.float32))

def made_elsewhere():
    return Turner()

class Seeing(Turner):
    def get_sensor_config(self):
        return Sensors(cam_f0=[3], cam_b0=True, lidar_pc=False)

class Privileged(Turner):
    requires_scene = True

class Silent(Turner):
    def compute_trajectory(self, agent_input):
        return None

class NoAgent:
    pass
"""


@pytest.fixture
def agents(tmp_path, monkeypatch):
    """A module with agents in the current folder. Returns its name."""
    name = f"agents_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(AGENTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield name
    sys.modules.pop(name, None)


def drive(scenario: Scenario, planner: str, replans: int = 4):
    host = InProcessHost(resolve(planner))
    host.reset(Context(vehicle=scenario.ego_vehicle, dt=0.1, replan_interval=0.5, min_horizon=2.0, seed=0))
    simulator = Simulator([scenario], "log", ["lqr"])
    plans = []
    for _ in range(replans):
        plans.append(host.plan(simulator.observe()[0]))
        simulator.step([plans[-1].candidates[0]], [plans[-1].dt])
    return plans


def observe(scenario: Scenario) -> Observation:
    tracks, now = scenario.tracks, slice(START, START + 1)
    return Observer(scenario).observe(
        0,
        scenario.reference[now],
        tracks.position[:, now],
        tracks.heading[:, now],
        tracks.velocity[:, now],
        tracks.valid[:, now],
    )


@pytest.mark.parametrize("name", ["Turner", "made_elsewhere"])
def test_an_agent_drives_with_the_spacing_of_its_trajectory(agents: str, name: str) -> None:
    plans = drive(straight_scene(speed=10.0), f"navsim_agent[agent={agents}:{name}]")
    assert plans[0].dt == 0.1
    assert plans[0].candidates.shape == (1, 40, 3)
    assert plans[0].candidates[0, -1, 0] == pytest.approx(40.0, abs=1e-3)
    assert plans[-1].candidates[0, -1, 0] == pytest.approx(40.0, abs=1.0)


def test_without_options_an_example_holds_its_speed() -> None:
    plans = drive(straight_scene(speed=10.0), "navsim_agent")
    np.testing.assert_allclose(plans[0].candidates[0, :, 0], 5.0 * np.arange(1, 9), rtol=1e-6)


def test_the_input_is_navsims_history() -> None:
    scenario = straight_scene(speed=10.0)
    reference = scenario.reference.copy()
    turn = 0.2 * 0.1 * (np.arange(len(reference)) - START)
    reference[:, Ego.HEADING] = turn
    reference[:, Ego.VY] = 0.1 * np.arange(len(reference))
    reference[:, Ego.AX] = 0.01 * np.arange(len(reference))
    given = agent_input(observe(replace(scenario, reference=reference)))
    assert len(given.ego_statuses) == len(given.cameras) == len(given.lidars) == 4
    for row, status in zip((5, 10, 15, 20), given.ego_statuses, strict=True):
        state = reference[START - 20 + row]
        np.testing.assert_allclose(status.ego_pose, (state[Ego.X], 0.0, state[Ego.HEADING]), atol=1e-6)
        np.testing.assert_allclose(status.ego_velocity, (10.0, state[Ego.VY]), rtol=1e-6)
        np.testing.assert_allclose(status.ego_acceleration, (state[Ego.AX], 0.0), atol=1e-6)
        for value in (status.ego_pose, status.ego_velocity, status.ego_acceleration):
            assert value.dtype == np.float32
        assert status.driving_command.tolist() == [0, 1, 0, 0]
        assert not status.in_global_frame
    np.testing.assert_array_equal(given.ego_statuses[-1].ego_pose, 0.0)


@pytest.mark.parametrize(
    ("radius", "command"), [(0.0, "straight"), (40.0, "left"), (-40.0, "right"), (400.0, "straight")]
)
def test_the_command_says_where_the_route_leads(radius: float, command: str) -> None:
    names = ("left", "straight", "right", "unknown")
    seen = observe(scene([lane("a", curve((60, radius)))], ["a"], (1.0, 0.0, 0.0), 8.0))
    assert names[int(np.argmax(driving_command(seen)))] == command
    lost = replace(seen, route=np.zeros(0, np.int32))
    assert driving_command(lost).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Seeing", r"asks for sensors \(cam_f0, cam_b0\), but scenes here have none"),
        ("Privileged", "requires_scene=True"),
        ("NoAgent", r"has no method initialize\(\)"),
        ("Missing", "has no class or function 'Missing'"),
    ],
)
def test_agents_that_cannot_drive_here_are_refused(agents: str, name: str, sentence: str) -> None:
    with pytest.raises(PlannerError, match=sentence) as caught:
        drive(straight_scene(), f"navsim_agent[agent={agents}:{name}]")
    assert "\n" not in str(caught.value)


def test_a_missing_module_and_a_missing_trajectory_are_named(agents: str) -> None:
    with pytest.raises(PlannerError, match="importing 'nowhere_at_all' failed"):
        drive(straight_scene(), "navsim_agent[agent=nowhere_at_all:Agent]")
    with pytest.raises(PlannerError, match="expected an import path like my_module:MyAgent"):
        drive(straight_scene(), "navsim_agent[agent=agent.py]")
    with pytest.raises(PlannerError, match="returned NoneType, expected a Trajectory"):
        drive(straight_scene(), f"navsim_agent[agent={agents}:Silent]")


def test_changed_code_of_the_agent_is_another_planner(agents: str, tmp_path) -> None:
    text = f"navsim_agent[agent={agents}:Turner]"
    before = resolve(text).digest
    assert resolve(text).digest == before
    (tmp_path / f"{agents}.py").write_text(AGENTS.replace("0.05", "0.06"))
    assert resolve(text).digest != before
