"""Our planners as agents of NAVSIM: a class that exists only where NAVSIM is installed.

NAVSIM builds agents through Hydra; ``_target_: evaluation.navsim.make_agent`` is all it needs (:data:`AGENT_YAML`).
The other direction, NAVSIM's agents as planners here, is :mod:`planners.navsim_agent`. Steps in ``docs/navsim.md``.
"""

import functools
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.errors import PlannerError
from drive.geometry import wrap_angle
from drive.vehicle import PACIFICA
from evaluation.navsim_observation import observation
from planners.contract import Context, Plan
from planners.host import InProcessHost
from planners.registry import resolve

POSES, INTERVAL = 8, 0.5  # NAVSIM's trajectory: 4 s

AGENT_YAML = """\
_target_: evaluation.navsim.make_agent
_convert_: all
planner: {planner}
requires_scene: {requires_scene}
trajectory_sampling:
  _target_: nuplan.planning.simulation.trajectory.trajectory_sampling.TrajectorySampling
  _convert_: all
  time_horizon: 4
  interval_length: 0.5
"""


def agent_yaml(planner: str, requires_scene: bool) -> str:
    """The text of NAVSIM's ``config/common/agent/<name>.yaml`` for a planner, named as in ``drive eval``."""
    quoted = "'" + planner.replace("'", "''") + "'"
    return AGENT_YAML.format(planner=quoted, requires_scene=str(requires_scene).lower())


def make_agent(planner: str, requires_scene: bool = True, trajectory_sampling: Any = None) -> Any:
    """A NAVSIM agent that drives with one of our planners.

    Args:
        planner: As in ``drive eval --planner``: id, import path or entry point, with options.
        requires_scene: True gives the planner annotations, lights, map and route of NAVSIM's scene (its past only), for
            evaluation; such agents cannot be submitted. False gives it the ego's own history and nothing else.
        trajectory_sampling: NAVSIM's sampling of the trajectory to return; None is NAVSIM's default of 4 s.

    Raises:
        PlannerError: NAVSIM is not installed, or the planner cannot be used.
    """
    return agent_class()(planner, requires_scene, trajectory_sampling)


@functools.cache
def agent_class() -> type[Any]:
    """The subclass of NAVSIM's ``AbstractAgent``, made on first use.

    Raises:
        PlannerError: NAVSIM is not installed.
    """
    abstract = _navsim("agents.abstract_agent").AbstractAgent
    dataclasses = _navsim("common.dataclasses")

    class DriveAgent(abstract):  # type: ignore[misc, valid-type]
        """One of our planners behind NAVSIM's interface."""

        def __init__(self, planner: str, requires_scene: bool, trajectory_sampling: Any) -> None:
            if trajectory_sampling is None:
                module = "nuplan.planning.simulation.trajectory.trajectory_sampling"
                sampling = importlib.import_module(module).TrajectorySampling
                trajectory_sampling = sampling(time_horizon=POSES * INTERVAL, interval_length=INTERVAL)
            super().__init__(trajectory_sampling=trajectory_sampling, requires_scene=requires_scene)
            self.planner = planner
            self.sampling = trajectory_sampling
            self.host: InProcessHost | None = None

        def name(self) -> str:
            """The planner's name."""
            return self.planner

        def get_sensor_config(self) -> Any:
            """Our planners use no sensor data."""
            return dataclasses.SensorConfig.build_no_sensors()

        def initialize(self) -> None:
            """Find the planner; it is built at the first trajectory."""
            spec = resolve(self.planner)
            if spec.privileged:
                raise PlannerError(
                    f"planner {self.planner!r} is privileged: it reads the recorded future, "
                    f"which agents of NAVSIM are not to see"
                )
            self.host = InProcessHost(spec)

        def compute_trajectory(self, agent_input: Any, scene: Any = None) -> Any:
            """NAVSIM's trajectory for one moment; the planner is reset before, for moments are independent."""
            if self.host is None:
                self.initialize()
            assert self.host is not None
            poses, interval = int(self.sampling.num_poses), float(self.sampling.interval_length)
            horizon = poses * interval  # a plan is followed to its end, as under `--protocol navsim`
            self.host.reset(Context(PACIFICA, 0.1, horizon, horizon, seed=0))
            plan = self.host.plan(observation(agent_input, scene if self.requires_scene else None))
            return dataclasses.Trajectory(resampled(plan, poses, interval), self.sampling)

    return DriveAgent


def resampled(plan: Plan, poses: int = POSES, interval: float = INTERVAL) -> NDArray[np.float32]:
    """The chosen candidate of a plan as ``[poses, 3]`` float32, ``interval`` [s] apart, the first one at ``interval``.

    Linear between the plan's poses and the ego's present one; headings by the shorter way round.
    """
    given = np.vstack((np.zeros(3), plan.candidates[plan.chosen]))
    given[:, 2] = np.unwrap(given[:, 2])
    times = plan.dt * np.arange(len(given))
    wanted = interval * np.arange(1, poses + 1)
    x, y, heading = (np.interp(wanted, times, column) for column in given.T)
    return np.stack((x, y, wrap_angle(heading)), axis=1).astype(np.float32)


def _navsim(name: str, needed: Sequence[str] = ("torch", "nuplan", "navsim")) -> Any:
    """Import a module of NAVSIM, or say what is missing."""
    try:
        return importlib.import_module(f"navsim.{name}")
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        why = f"no module {error.name}" if missing in needed else str(error)
        raise PlannerError(
            f"NAVSIM cannot be imported ({why}): navsim.{name} comes with github.com/autonomousvision/navsim, which is "
            f"installed from its sources; the package called navsim on the package index is an unrelated project"
        ) from error
