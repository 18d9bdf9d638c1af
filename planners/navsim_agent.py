"""NAVSIM-style agents as planners: anything with NAVSIM's agent interface drives here, NAVSIM installed or not.

An agent is an object with ``initialize()``, ``get_sensor_config()`` and ``compute_trajectory(agent_input)``. What it is
given and what it returns has the attributes of NAVSIM's dataclasses of the same names (``navsim.common.dataclasses``,
package version 2.0.0); the classes here are plain containers and share no code with them.
"""

import importlib
import os
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.errors import PlannerError
from drive.observation import Observation
from drive.vehicle import Ego
from planners.baselines.route import SPACING, build_route
from planners.contract import Context, Plan, Planner

Float32 = NDArray[np.float32]

FRAMES = 4
STEPS_PER_FRAME = 5  # samples of an observation between two frames of NAVSIM's 2 Hz history
SENSORS = ("cam_f0", "cam_l0", "cam_l1", "cam_l2", "cam_r0", "cam_r1", "cam_r2", "cam_b0", "lidar_pc")
COMMANDS = ("left", "straight", "right", "unknown")
COMMAND_DISTANCE = 20.0  # m along the route
COMMAND_OFFSET = 2.0  # m to the side


@dataclass
class EgoStatus:
    """Ego at one frame: ``ego_pose [3]`` relative to the present, ``ego_velocity [2]`` and ``ego_acceleration [2]`` in
    the body frame of that frame (all float32); ``driving_command [4]`` one-hot int, left, straight, right, unknown."""

    ego_pose: Float32
    ego_velocity: Float32
    ego_acceleration: Float32
    driving_command: NDArray[np.int64]
    in_global_frame: bool = False


@dataclass
class Camera:
    """A camera that was not loaded."""

    image: None = None
    sensor2lidar_rotation: None = None
    sensor2lidar_translation: None = None
    intrinsics: None = None
    distortion: None = None


@dataclass
class Cameras:
    """NAVSIM's eight cameras of one frame, none loaded."""

    cam_f0: Camera = field(default_factory=Camera)
    cam_l0: Camera = field(default_factory=Camera)
    cam_l1: Camera = field(default_factory=Camera)
    cam_l2: Camera = field(default_factory=Camera)
    cam_r0: Camera = field(default_factory=Camera)
    cam_r1: Camera = field(default_factory=Camera)
    cam_r2: Camera = field(default_factory=Camera)
    cam_b0: Camera = field(default_factory=Camera)


@dataclass
class Lidar:
    """A point cloud that was not loaded."""

    lidar_pc: None = None


@dataclass
class AgentInput:
    """Four frames, 0.5 s apart, the last one now."""

    ego_statuses: list[EgoStatus]
    cameras: list[Cameras]
    lidars: list[Lidar]


@dataclass
class SensorConfig:
    """Sensors an agent wants: for each True, False or a list of frames (0 to 3)."""

    cam_f0: bool | list[int] = False
    cam_l0: bool | list[int] = False
    cam_l1: bool | list[int] = False
    cam_l2: bool | list[int] = False
    cam_r0: bool | list[int] = False
    cam_r1: bool | list[int] = False
    cam_r2: bool | list[int] = False
    cam_b0: bool | list[int] = False
    lidar_pc: bool | list[int] = False


@dataclass
class TrajectorySampling:
    """How a trajectory is sampled: ``num_poses`` poses, ``interval_length`` [s] apart."""

    num_poses: int = 8
    interval_length: float = 0.5


@dataclass
class Trajectory:
    """``poses [N, 3]`` x, y [m], heading [rad] in the ego frame (rear axle); the present is not among them."""

    poses: NDArray[np.floating[Any]]
    trajectory_sampling: TrajectorySampling = field(default_factory=TrajectorySampling)


class ConstantVelocityAgent:
    """An example of the interface: straight on at the present speed."""

    requires_scene = False

    def name(self) -> str:
        """Name of the agent."""
        return "constant_velocity"

    def initialize(self) -> None:
        """Load what is needed to drive; called once per process."""

    def get_sensor_config(self) -> SensorConfig:
        """No sensors."""
        return SensorConfig()

    def compute_trajectory(self, agent_input: AgentInput) -> Trajectory:
        """Eight poses, 0.5 s apart."""
        speed = float(np.hypot(*agent_input.ego_statuses[-1].ego_velocity))
        poses = np.zeros((8, 3), np.float32)
        poses[:, 0] = speed * 0.5 * np.arange(1, 9)
        return Trajectory(poses)


class NavsimAgentPlanner(Planner):
    """Drives with a NAVSIM-style agent; by default an example that holds its speed.

    Args:
        agent: ``my_module:MyAgent``, a class or function that makes the agent when called without arguments. Files in
            the current folder are found.
    """

    def __init__(self, agent: str = "planners.navsim_agent:ConstantVelocityAgent") -> None:
        self._name = agent
        self._agent = _make(agent)
        if getattr(self._agent, "requires_scene", False):
            raise PlannerError(
                f"agent {agent!r} has requires_scene=True: it reads NAVSIM's scene, future included, and there is none "
                f"here; only agents that need nothing but their AgentInput can drive"
            )
        for method in ("initialize", "get_sensor_config", "compute_trajectory"):
            if not callable(getattr(self._agent, method, None)):
                raise PlannerError(f"agent {agent!r} has no method {method}(), so it is no NAVSIM agent")
        wanted = self._agent.get_sensor_config()
        sensors = [name for name in SENSORS if getattr(wanted, name, False)]
        if sensors:
            raise PlannerError(
                f"agent {agent!r} asks for sensors ({', '.join(sensors)}), but scenes here have none; only agents "
                f"whose get_sensor_config() asks for no camera and no lidar can drive"
            )
        self._agent.initialize()

    def reset(self, context: Context) -> None:
        """Nothing to forget: NAVSIM asks its agents about one moment at a time."""

    def plan(self, observation: Observation) -> Plan:
        """The agent's trajectory, as it is."""
        trajectory = self._agent.compute_trajectory(agent_input(observation))
        poses = getattr(trajectory, "poses", None)
        if poses is None:
            raise PlannerError(
                f"agent {self._name!r}: compute_trajectory() returned {type(trajectory).__name__}, expected a "
                f"Trajectory with poses"
            )
        sampling = getattr(trajectory, "trajectory_sampling", None)
        return Plan.single(poses, float(getattr(sampling, "interval_length", None) or 0.5))


def agent_input(observation: Observation) -> AgentInput:
    """What NAVSIM would give an agent: the ego at -1.5, -1.0, -0.5 and 0 s and the driving command, no sensor data.

    The command is that of the present in all four frames.
    """
    command = driving_command(observation)
    rows = len(observation.ego) - 1 - STEPS_PER_FRAME * np.arange(FRAMES - 1, -1, -1)
    statuses = [
        EgoStatus(
            state[: Ego.HEADING + 1].astype(np.float32),
            state[[Ego.VX, Ego.VY]].astype(np.float32),
            state[[Ego.AX, Ego.AY]].astype(np.float32),
            command.copy(),
        )
        for state in observation.ego[np.maximum(rows, 0)]
    ]
    return AgentInput(statuses, [Cameras() for _ in statuses], [Lidar() for _ in statuses])


def driving_command(observation: Observation) -> NDArray[np.int64]:
    """One-hot ``[4]``: left, straight, right, unknown.

    Where the route is 20 m on: more than 2 m to the left or right of the ego's present direction means left or right,
    so lane changes and bends count like turns. Unknown without a route.
    """
    index = COMMANDS.index("unknown")
    if len(observation.route):
        route = build_route(observation)
        arc = SPACING * np.arange(len(route.points))
        side = float(np.interp(route.ego_arc + COMMAND_DISTANCE, arc, route.points[:, 1]))
        index = COMMANDS.index("left" if side > COMMAND_OFFSET else "right" if side < -COMMAND_OFFSET else "straight")
    command = np.zeros(len(COMMANDS), np.int64)
    command[index] = 1
    return command


def _make(text: str) -> Any:
    """Call what ``module:name`` names."""
    module_name, _, attribute = text.partition(":")
    if not attribute or not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
        raise PlannerError(f"agent {text!r}: expected an import path like my_module:MyAgent")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that it hides nothing; agents import more when they are called
    try:
        factory = getattr(importlib.import_module(module_name), attribute, None)
    except ImportError as error:
        raise PlannerError(f"agent {text!r}: importing {module_name!r} failed: {error}") from error
    if not callable(factory):
        raise PlannerError(f"agent {text!r}: {module_name!r} has no class or function {attribute!r}")
    return factory()
