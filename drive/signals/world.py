"""One scene made ready for signals: the road, and the agents as they moved in one rollout."""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.geometry import box_corners
from drive.scene import STATIC_KINDS, AgentKind, Scenario
from drive.scoring.comfort import savitzky_golay
from drive.signals.kernels.lane import place_in
from drive.signals.kernels.road import HALF_WIDTH, lanes_under, project_all
from drive.signals.road import Road
from drive.vehicle import VehicleParameters

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

FIT_SAMPLES, FIT_ORDER = 7, 2  # of derivatives of recorded motion
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
    """A scene with its agents over the T samples of a drive; sample ``history`` is ``scenario.start``.

    Attributes:
        scenario, road: The scene, and its map and route made ready.
        position: ``[A, T, 2]`` float64 box centres [m]. ``heading``: ``[A, T]`` [rad]. ``velocity``: ``[A, T, 2]``
            [m/s]. ``valid``: ``[A, T]`` bool.
        size: ``[A, 2]`` [m]. ``kind``: ``[A]`` int8. ``static``: ``[A]`` bool, objects that cannot move.
        history: Samples before the start that belong to the drive. ``first``: step of the scene at sample 0.
        past: Recorded ego states ``[H, 11]`` of the steps before sample 0.
    """

    def __init__(
        self,
        scenario: Scenario,
        road: Road,
        position: Float,
        heading: Float,
        velocity: Float,
        valid: Bool,
        history: int = 0,
    ):
        self.scenario = scenario
        self.road = road
        self.history, self.first = history, scenario.start - history
        self.position, self.heading, self.velocity, self.valid = position, heading, velocity, valid
        self.size: Float = np.ascontiguousarray(scenario.tracks.size, np.float64)
        self.kind = scenario.tracks.kind
        self.static: Bool = np.isin(self.kind, STATIC_KINDS)
        self.past: Float = np.asarray(scenario.reference[: self.first], np.float64)

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
    def vehicles(self) -> Bool:
        """``[A]``: motor vehicles."""
        return self.kind <= AgentKind.MOTORCYCLE

    def in_chain(self, lane: int) -> Bool:
        """``[A, T]``: the agent's centre is in a lane or in what leads to it or comes from it (``Road.chain``)."""
        return self.valid & (self.lane >= 0) & self.road.chain(lane)[self.lane]

    @cached_property
    def accel(self) -> Float:
        """Acceleration ``[A, T]`` [m/s2] of every agent along its heading: quadratic fits over 0.7 s."""
        along = self.velocity[..., 0] * np.cos(self.heading) + self.velocity[..., 1] * np.sin(self.heading)
        return slopes(along, self.valid)

    @cached_property
    def near_end(self) -> Float:
        """Arc length ``[A, T]`` [m] on the route of the corner that comes first; infinite where not valid."""
        return self._end(np.min, np.inf)

    @cached_property
    def far_end(self) -> Float:
        """Arc length ``[A, T]`` [m] on the route of the corner that comes last; -infinite where not valid."""
        return self._end(np.max, -np.inf)

    def _end(self, choose: Callable[..., Float], nothing: float) -> Float:
        if self.places is None:
            return np.full(self.valid.shape, nothing)
        return np.where(self.valid, choose(self.places.s, axis=2), nothing)

    @cached_property
    def along_route(self) -> Float:
        """Velocity ``[A, T]`` [m/s] along the route beside each agent; 0 without a route."""
        if self.places is None:
            return np.zeros(self.valid.shape)
        cos, sin = np.cos(self.places.tangent), np.sin(self.places.tangent)
        return self.velocity[..., 0] * cos + self.velocity[..., 1] * sin

    @cached_property
    def across_route(self) -> Float:
        """Velocity ``[A, T]`` [m/s] across the route, positive to the left; 0 without a route."""
        if self.places is None:
            return np.zeros(self.valid.shape)
        cos, sin = np.cos(self.places.tangent), np.sin(self.places.tangent)
        return self.velocity[..., 1] * cos - self.velocity[..., 0] * sin

    @cached_property
    def lane_span(self) -> tuple[Float, Float]:
        """Lateral range ``[A, T]`` [m] in the route frame of the lane each agent is in (of 3.5 m around it where it is
        in none): low, high."""
        assert self.places is not None
        lanes, road = self.road.geometry.lanes, self.road
        _, d, row = place_in(lanes.centerline, lanes.arc, lanes.centerline_ptr, self.lane, self.position)
        held = self.lane >= 0
        middle = self.places.center_d - np.where(held, d, 0.0)
        none = np.full(held.shape, HALF_WIDTH)
        left = np.where(held, road.half_left[row], none) if len(road.half_left) else none
        right = np.where(held, road.half_right[row], none) if len(road.half_right) else none
        return middle - right, middle + left

    @cached_property
    def places(self) -> RoutePlaces | None:
        """Agents in the route frame, None where the scene has no route."""
        frame = self.road.frame
        if frame is None:
            return None
        agents, samples = self.valid.shape
        points = np.concatenate((self.corners, self.position[:, :, None]), axis=2)
        moved = self.valid.copy()  # who stands still is looked at once
        moved[:, 1:] &= (points[:, 1:] != points[:, :-1]).any(axis=(2, 3)) | ~self.valid[:, :-1]
        latest = np.maximum.accumulate(np.where(moved, np.arange(samples), 0), axis=1)
        s, d, row = np.zeros((agents, samples, 5)), np.zeros((agents, samples, 5)), np.zeros((agents, samples, 5), int)
        s[moved], d[moved], row[moved] = (
            part.reshape(-1, 5)
            for part in project_all(frame.points, frame.arc, COARSE, np.ascontiguousarray(points[moved].reshape(-1, 2)))
        )
        s, d, row = (np.take_along_axis(part, latest[..., None], axis=1) for part in (s, d, row))
        return RoutePlaces(s[..., :4], d[..., :4], s[..., 4], d[..., 4], frame.heading[row[..., 4]])


def slopes(values: Float, valid: Bool) -> Float:
    """Derivative ``[R, T]`` per second of rows at 0.1 s: quadratic fits over 0.7 s within each valid stretch, straight
    lines where it is shorter than three samples, 0 where it is one sample or none."""
    found = np.zeros(values.shape)
    edges = np.diff(np.pad(valid.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    whole = valid.all(axis=1)
    if whole.any() and values.shape[1] > FIT_ORDER:
        found[whole] = savitzky_golay(values[whole], FIT_SAMPLES, FIT_ORDER, 1)
    for row in np.flatnonzero(~whole | (values.shape[1] <= FIT_ORDER)):
        for low, high in zip(np.flatnonzero(edges[row] > 0), np.flatnonzero(edges[row] < 0), strict=True):
            order = min(FIT_ORDER, int(high - low) - 1)
            if order > 0:
                found[row, low:high] = savitzky_golay(values[row : row + 1, low:high], FIT_SAMPLES, order, 1)[0]
    return found


def prepare(
    scenario: Scenario,
    position: ArrayLike,
    heading: ArrayLike,
    velocity: ArrayLike,
    valid: ArrayLike,
    road: Road | None = None,
    history: int = 0,
) -> World:
    """Make a scene and the motion of its agents ready for :func:`drive.signals.compute`.

    Args:
        scenario: The scene.
        position: ``[A, T, 2]`` box centres [m] of the scene's agents, scene frame, sample ``history`` at
            ``scenario.start``.
        heading: ``[A, T]`` [rad].
        velocity: ``[A, T, 2]`` [m/s], scene frame.
        valid: ``[A, T]`` bool.
        road: ``Road(scenario)`` where it is at hand, from another rollout of the scene.
        history: Samples before the start that the arrays, and the drives asked about, begin with.

    Raises:
        ValueError: The arrays do not fit each other or the scene.
    """
    present = np.ascontiguousarray(valid, np.bool_)
    places = np.ascontiguousarray(position, np.float64)
    directions = np.ascontiguousarray(heading, np.float64)
    speeds = np.ascontiguousarray(velocity, np.float64)
    if present.ndim != 2 or len(present) != len(scenario.tracks.ids):
        raise ValueError(f"valid has shape {present.shape}, expected [{len(scenario.tracks.ids)}, T]")
    if not 0 <= history <= scenario.start:
        raise ValueError(f"history is {history} samples, the scene has {scenario.start} before its start")
    for name, array, shape in (
        ("position", places, (*present.shape, 2)),
        ("heading", directions, present.shape),
        ("velocity", speeds, (*present.shape, 2)),
    ):
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    return World(scenario, road or Road(scenario), places, directions, speeds, present, history)
