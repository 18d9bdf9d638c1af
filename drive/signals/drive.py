"""One call of :func:`drive.signals.compute`: the ego drives asked about, and what several signals share.

Discrete choices (nearest segment, lead, closest agent) are made in NumPy on the detached states in float64; the
differentiable signals are torch expressions in the ego tensor that take those choices as constants.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import NamedTuple, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drive.geometry import box_corners
from drive.signals.catalog import CATALOG, FLAG
from drive.signals.kernels.road import follow, project_all
from drive.signals.world import COARSE, World
from drive.vehicle import EGO_COLUMNS, Ego

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]
Shared = TypeVar("Shared")


class Values(NamedTuple):
    """A signal over B drives of T samples: ``value [B, T]`` in the ego's type (neutral where not valid), ``valid
    [B, T]`` bool, ``agent [B, T]`` int32 index of the agent that decided, -1 for none."""

    value: Tensor
    valid: Tensor
    agent: Tensor


class Place(NamedTuple):
    """Points in the route frame: arc length ``s [B, T]`` [m], lateral offset ``d [B, T]`` [m], left positive, and
    ``row [B, T]`` of the route frame where the nearest segment begins."""

    s: Float
    d: Float
    row: Int


class Reading(NamedTuple):
    """What a signal's function returns: ``value [B, T]`` (tensor or array; bool for flags), ``valid [B, T]`` bool or
    None for everywhere, ``agent [B, T]`` or None. Values behind ``valid == False`` do not matter but must be
    finite."""

    value: Tensor | NDArray[np.generic]
    valid: Bool | None = None
    agent: NDArray[np.integer] | None = None


Function = Callable[["Drive"], Reading]


def absent(drive: "Drive") -> Reading:
    """A signal whose data no source has: valid nowhere."""
    return Reading(np.zeros(drive.shape, np.bool_), np.zeros(drive.shape, np.bool_))


class Drive:
    """B ego drives in one world, and memoised intermediates.

    Attributes:
        world: The scene. Samples beyond its last one may not be asked about.
        ego: ``[B, T, 11]`` tensor (:class:`drive.vehicle.Ego`), scene frame, rear axle; may require gradients.
        states: The same, detached: ``[B, T, 11]`` float64.
        shape: (B, T).
    """

    def __init__(self, world: World, ego: Tensor, functions: Mapping[str, Function]) -> None:
        if ego.ndim != 3 or ego.shape[2] != EGO_COLUMNS:
            raise ValueError(f"ego has shape {tuple(ego.shape)}, expected [B, T, {EGO_COLUMNS}]")
        if ego.shape[1] > world.samples:
            raise ValueError(f"ego has {ego.shape[1]} samples, the world only {world.samples}")
        self.world = world
        self.road = world.road
        self.ego = ego
        self.states: Float = np.ascontiguousarray(ego.detach().cpu().numpy(), np.float64)
        self.shape: tuple[int, int] = (int(ego.shape[0]), int(ego.shape[1]))
        self._functions = functions
        self._values: dict[str, Values] = {}
        self._shared: dict[Callable[[Drive], object], object] = {}

    def values(self, name: str) -> Values:
        """A signal, computed once: for signals that are defined through others."""
        if name not in self._values:
            self._values[name] = self._finish(name, self._functions[name](self))
        return self._values[name]

    def once(self, find: Callable[["Drive"], Shared]) -> Shared:
        """What ``find`` makes of this drive, computed once: for intermediates that several signals share."""
        if find not in self._shared:
            self._shared[find] = find(self)
        return cast(Shared, self._shared[find])

    def array(self, name: str) -> Float:
        """A signal's values ``[B, T]`` as a float64 array without gradient."""
        return self.values(name).value.detach().cpu().numpy().astype(np.float64)

    def raised(self, name: str) -> Bool:
        """Whether a flag is up, ``[B, T]``."""
        return self.array(name) > 0.0

    def tensor(self, value: NDArray[np.generic] | float) -> Tensor:
        """A constant in the ego's type and place."""
        return torch.as_tensor(value, dtype=self.ego.dtype, device=self.ego.device)

    def _finish(self, name: str, reading: Reading) -> Values:
        signal = CATALOG[name]
        value = reading.value
        if signal.kind == "flag":
            value = np.where(np.asarray(value, np.bool_), FLAG, -FLAG)
        numbers = value if isinstance(value, Tensor) else self.tensor(value)
        valid = torch.ones(self.shape, dtype=torch.bool) if reading.valid is None else torch.as_tensor(reading.valid)
        agent = np.full(self.shape, -1) if reading.agent is None else reading.agent
        valid = valid.to(self.ego.device)
        kept = torch.where(valid, numbers.clamp(signal.low, signal.high), self.tensor(signal.neutral))
        return Values(kept, valid, torch.as_tensor(np.asarray(agent, np.int32), device=self.ego.device))

    # --- where the ego is -------------------------------------------------------------------------------------------

    @property
    def heading(self) -> Tensor:
        """Heading ``[B, T]`` [rad]."""
        return self.ego[..., Ego.HEADING]

    @property
    def speed(self) -> Tensor:
        """Forward speed of the rear axle ``[B, T]`` [m/s], negative while reversing."""
        return self.ego[..., Ego.VX]

    def point(self, forward: float | Tensor, left: float | Tensor = 0.0) -> Tensor:
        """Points ``[B, T, 2]`` [m] fixed to the ego: ``forward`` of its rear axle and to the ``left`` [m] (numbers or
        ``[B, T]``)."""
        cos, sin = torch.cos(self.heading), torch.sin(self.heading)
        x = self.ego[..., Ego.X] + forward * cos - left * sin
        y = self.ego[..., Ego.Y] + forward * sin + left * cos
        return torch.stack((x, y), dim=-1)

    @cached_property
    def boxes(self) -> Float:
        """Box centre and heading ``[B, T, 3]`` (x, y [m], rad)."""
        poses = self.states[..., :3].copy()
        poses[..., 0] += self.world.vehicle.rear_axle_to_center * np.cos(poses[..., 2])
        poses[..., 1] += self.world.vehicle.rear_axle_to_center * np.sin(poses[..., 2])
        return poses

    @cached_property
    def corners(self) -> Float:
        """Box corners ``[B, T, 4, 2]`` [m]: front-left, rear-left, rear-right, front-right."""
        vehicle = self.world.vehicle
        return box_corners(self.boxes[..., :2], self.boxes[..., 2], (vehicle.length, vehicle.width))

    def corner(self, number: Int) -> Tensor:
        """The corner ``[B, T]`` (0..3, order of ``corners``) of the box, differentiable: ``[B, T, 2]`` [m]."""
        vehicle = self.world.vehicle
        forward = np.array((vehicle.front, -vehicle.rear, -vehicle.rear, vehicle.front))
        left = np.array((1.0, 1.0, -1.0, -1.0)) * vehicle.width / 2
        return self.point(self.tensor(forward[number]), self.tensor(left[number]))

    @cached_property
    def fronts(self) -> Float:
        """Middle of the front bumper ``[B, T, 2]`` [m]."""
        return self._ahead(self.world.vehicle.front)

    @cached_property
    def rears(self) -> Float:
        """Middle of the rear bumper ``[B, T, 2]`` [m]."""
        return self._ahead(-self.world.vehicle.rear)

    @cached_property
    def center_place(self) -> Place | None:
        """The box centre in the route frame; None where the scene has no route."""
        return self._place(self.boxes[..., :2])

    @cached_property
    def front_place(self) -> Place | None:
        """The middle of the front bumper in the route frame."""
        return self._place(self.fronts)

    @cached_property
    def rear_place(self) -> Place | None:
        """The middle of the rear bumper in the route frame."""
        return self._place(self.rears)

    @cached_property
    def lateral_span(self) -> tuple[Float, Float]:
        """Lateral range ``[B, T]`` [m] of the box in the route frame: low, high; zeros where there is no route."""
        frame = self.road.frame
        if frame is None:
            return np.zeros(self.shape), np.zeros(self.shape)
        _, d, _ = project_all(frame.points, frame.arc, COARSE, np.ascontiguousarray(self.corners.reshape(-1, 2)))
        across = d.reshape(*self.shape, 4)
        return across.min(axis=2), across.max(axis=2)

    def _place(self, points: Float) -> Place | None:
        frame = self.road.frame
        if frame is None:
            return None
        return Place(*follow(frame.points, frame.arc, COARSE, np.ascontiguousarray(points)))

    def route_arc(self, forward: float, place: Place) -> Tensor:
        """Arc length ``[B, T]`` [m] on the route beside the point ``forward`` [m] of the rear axle, differentiable;
        ``place`` is where that point is."""
        frame = self.road.frame
        assert frame is not None
        start, tangent = frame.points[place.row], frame.heading[place.row]
        along = self.tensor(np.stack((np.cos(tangent), np.sin(tangent)), axis=-1))
        moved = ((self.point(forward) - self.tensor(start)) * along).sum(dim=-1) + self.tensor(frame.arc[place.row])
        inside = np.abs(moved.detach().cpu().numpy() - place.s) < 1e-3  # else beside a kink: the arc does not move
        return torch.where(torch.as_tensor(inside, device=self.ego.device), moved, self.tensor(place.s))

    def route_shift(self, forward: float, place: Place) -> Tensor:
        """0 ``[B, T]`` with the gradient of the lateral offset in the route frame of the point ``forward`` [m] of the
        rear axle."""
        frame = self.road.frame
        assert frame is not None
        tangent = frame.heading[place.row]
        normal = self.tensor(np.stack((-np.sin(tangent), np.cos(tangent)), axis=-1))
        point = self.point(forward)
        return ((point - point.detach()) * normal).sum(dim=-1)

    def _ahead(self, distance: float) -> Float:
        heading = self.states[..., Ego.HEADING, None]
        return self.states[..., :2] + distance * np.concatenate((np.cos(heading), np.sin(heading)), axis=-1)
