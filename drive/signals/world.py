"""One scene made ready for signals: the road, and the agents as they moved in one rollout."""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.geometry import box_corners
from drive.scene import STATIC_KINDS, Scenario
from drive.signals.kernels.road import lanes_under, project_all
from drive.signals.road import Road
from drive.vehicle import VehicleParameters

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

COARSE = 8  # every such point of the route frame is looked at first


class RoutePlaces(NamedTuple):
    """Agents in the route frame: corners ``s``, ``d`` ``[A, T, 4]`` [m] (front-left, rear-left, rear-right,
    front-right) and the centre's ``center_s``, ``center_d`` ``[A, T]`` [m], ``tangent [A, T]`` [rad] of the route
    there. Meaningless where the agent is not valid."""

    s: Float
    d: Float
    center_s: Float
    center_d: Float
    tangent: Float


class World:
    """A scene with its agents over the T samples of a drive; sample 0 is ``scenario.start``.

    Attributes:
        scenario, road: The scene, and its map and route made ready.
        position: ``[A, T, 2]`` float64 box centres [m]. ``heading``: ``[A, T]`` [rad]. ``velocity``: ``[A, T, 2]``
            [m/s]. ``valid``: ``[A, T]`` bool.
        size: ``[A, 2]`` [m]. ``kind``: ``[A]`` int8. ``static``: ``[A]`` bool, objects that cannot move.
        past: Recorded ego states ``[H, 11]`` of the samples before the start.
    """

    def __init__(self, scenario: Scenario, road: Road, position: Float, heading: Float, velocity: Float, valid: Bool):
        self.scenario = scenario
        self.road = road
        self.position, self.heading, self.velocity, self.valid = position, heading, velocity, valid
        self.size: Float = np.ascontiguousarray(scenario.tracks.size, np.float64)
        self.kind = scenario.tracks.kind
        self.static: Bool = np.isin(self.kind, STATIC_KINDS)
        self.past: Float = np.asarray(scenario.reference[: scenario.start], np.float64)

    @property
    def samples(self) -> int:
        """Number of samples T."""
        return self.valid.shape[1]

    @property
    def vehicle(self) -> VehicleParameters:
        """The ego's car."""
        return self.scenario.ego_vehicle

    @cached_property
    def speed(self) -> Float:
        """Speed of every agent ``[A, T]`` [m/s], at least 0."""
        return np.hypot(self.velocity[..., 0], self.velocity[..., 1])

    @cached_property
    def corners(self) -> Float:
        """Box corners ``[A, T, 4, 2]`` [m]: front-left, rear-left, rear-right, front-right."""
        return box_corners(self.position, self.heading, self.size[:, None, :])

    @cached_property
    def lane(self) -> Int:
        """Lane under every agent's centre ``[A, T]``, the one that points most nearly its way; -1 for none."""
        lanes = self.road.geometry.lanes
        return lanes_under(
            self.position,
            self.valid,
            lanes.ring,
            lanes.ring_ptr,
            lanes.ring_box,
            lanes.centerline,
            lanes.centerline_ptr,
            self.heading,
        )

    @cached_property
    def places(self) -> RoutePlaces | None:
        """Agents in the route frame, None where the scene has no route."""
        frame = self.road.frame
        if frame is None:
            return None
        agents, samples = self.valid.shape
        points = np.concatenate((self.corners, self.position[:, :, None]), axis=2)
        s, d, row = np.zeros((agents, samples, 5)), np.zeros((agents, samples, 5)), np.zeros((agents, samples, 5), int)
        s[self.valid], d[self.valid], row[self.valid] = (
            part.reshape(-1, 5)
            for part in project_all(
                frame.points, frame.arc, COARSE, np.ascontiguousarray(points[self.valid].reshape(-1, 2))
            )
        )
        return RoutePlaces(s[..., :4], d[..., :4], s[..., 4], d[..., 4], frame.heading[row[..., 4]])


def prepare(
    scenario: Scenario,
    position: ArrayLike,
    heading: ArrayLike,
    velocity: ArrayLike,
    valid: ArrayLike,
    road: Road | None = None,
) -> World:
    """Make a scene and the motion of its agents ready for :func:`drive.signals.compute`.

    Args:
        scenario: The scene.
        position: ``[A, T, 2]`` box centres [m] of the scene's agents, scene frame, sample 0 at ``scenario.start``.
        heading: ``[A, T]`` [rad].
        velocity: ``[A, T, 2]`` [m/s], scene frame.
        valid: ``[A, T]`` bool.
        road: ``Road(scenario)`` where it is at hand, from another rollout of the scene.

    Raises:
        ValueError: The arrays do not fit each other or the scene.
    """
    present = np.ascontiguousarray(valid, np.bool_)
    places = np.ascontiguousarray(position, np.float64)
    directions = np.ascontiguousarray(heading, np.float64)
    speeds = np.ascontiguousarray(velocity, np.float64)
    if present.ndim != 2 or len(present) != len(scenario.tracks.ids):
        raise ValueError(f"valid has shape {present.shape}, expected [{len(scenario.tracks.ids)}, T]")
    for name, array, shape in (
        ("position", places, (*present.shape, 2)),
        ("heading", directions, present.shape),
        ("velocity", speeds, (*present.shape, 2)),
    ):
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    return World(scenario, road or Road(scenario), places, directions, speeds, present)
