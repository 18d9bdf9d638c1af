"""The two moving parts of a scene, cast once to what the compiled loops want: the ego and the agents."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.geometry import box_corners
from drive.scene import STATIC_KINDS
from drive.vehicle import Ego, VehicleParameters, center_from_rear_axle

Float = NDArray[np.float64]

STEP = 0.1


class EgoMotion(NamedTuple):
    """An ego drive in the scene frame, float64.

    ``states [S, 11]`` (:class:`drive.vehicle.Ego`); ``rear [S, 2]`` rear axle and ``center [S, 2]`` box centre [m];
    ``heading [S]`` [rad]; ``speed [S]`` [m/s], negative while reversing; ``points [S, 6, 2]`` [m]: the corners
    front-left, rear-left, rear-right, front-right, then centre and rear axle; ``bumper [S, 2]`` the middle of the front
    bumper [m]; ``length``, ``width`` [m].
    """

    states: Float
    rear: Float
    center: Float
    heading: Float
    speed: Float
    points: Float
    bumper: Float
    length: float
    width: float


class AgentMotion(NamedTuple):
    """Agents in the scene frame, float64: ``position [A, S, 2]`` box centres [m], ``heading [A, S]`` [rad],
    ``velocity [A, S, 2]`` [m/s], ``speed [A, S]`` [m/s] (its sign is that of the motion along the heading; 0 for static
    objects), ``valid [A, S]`` bool, ``size [A, 2]`` length and width [m], ``static [A]`` bool."""

    position: Float
    heading: Float
    velocity: Float
    speed: Float
    valid: NDArray[np.bool_]
    size: Float
    static: NDArray[np.bool_]


def ego_motion(states: ArrayLike, vehicle: VehicleParameters) -> EgoMotion:
    """Describe ego ``states [S, 11]`` (rear axle, any float type) of the given car."""
    states = np.ascontiguousarray(states, np.float64)
    pose = center_from_rear_axle(states, vehicle)
    center, heading = np.ascontiguousarray(pose[:, :2]), np.ascontiguousarray(pose[:, 2])
    rear = np.ascontiguousarray(states[:, :2])
    corners = box_corners(center, heading, (vehicle.length, vehicle.width))
    speed = np.copysign(np.hypot(states[:, Ego.VX], states[:, Ego.VY]), states[:, Ego.VX])
    return EgoMotion(
        states=states,
        rear=rear,
        center=center,
        heading=heading,
        speed=speed,
        points=np.ascontiguousarray(np.concatenate((corners, center[:, None], rear[:, None]), axis=1)),
        bumper=(corners[:, 0] + corners[:, 3]) / 2,
        length=float(vehicle.length),
        width=float(vehicle.width),
    )


def agent_motion(
    position: ArrayLike, heading: ArrayLike, velocity: ArrayLike, valid: ArrayLike, size: ArrayLike, kind: ArrayLike
) -> AgentMotion:
    """Describe agents: ``position``, ``velocity [A, S, 2]``, ``heading``, ``valid [A, S]``, ``size [A, 2]``, ``kind
    [A]`` (:class:`drive.scene.AgentKind`)."""
    heading = np.ascontiguousarray(heading, np.float64)
    velocity = np.ascontiguousarray(velocity, np.float64)
    static = np.isin(np.asarray(kind), STATIC_KINDS)
    along = np.cos(heading) * velocity[..., 0] + np.sin(heading) * velocity[..., 1]
    speed = np.copysign(np.hypot(velocity[..., 0], velocity[..., 1]), along)
    return AgentMotion(
        position=np.ascontiguousarray(position, np.float64),
        heading=heading,
        velocity=velocity,
        speed=np.where(static[:, None], 0.0, speed),
        valid=np.ascontiguousarray(valid, np.bool_),
        size=np.ascontiguousarray(size, np.float64),
        static=static,
    )
