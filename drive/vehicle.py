"""The ego vehicle: dimensions, state layout, and the one place that converts between rear axle and box centre."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class VehicleParameters:
    """Dimensions [m] of a car. The ego is simulated at its rear axle; agents are box centres.

    Attributes:
        name: Model name, written into result rows.
        length, width: Bounding box.
        wheelbase: Front axle to rear axle.
        rear_axle_to_center: From the rear axle forward to the centre of the bounding box.
    """

    name: str
    length: float
    width: float
    wheelbase: float
    rear_axle_to_center: float

    @property
    def front(self) -> float:
        """Distance [m] from the rear axle forward to the front bumper."""
        return self.rear_axle_to_center + self.length / 2

    @property
    def rear(self) -> float:
        """Distance [m] from the rear axle back to the rear bumper."""
        return self.length / 2 - self.rear_axle_to_center


# nuPlan's and NAVSIM's car; used by generated scenes too.
PACIFICA = VehicleParameters("pacifica", 5.176, 2.297, 3.089, 1.461)
# nuScenes' car. The overhangs are not published: rear axle to centre is an estimate.
ZOE = VehicleParameters("zoe", 4.084, 1.730, 2.588, 1.385)


class Ego(IntEnum):
    """Columns of an ego state ``[..., 11]`` at the rear axle.

    Pose and heading are in the scene frame (m, rad); velocity [m/s] and acceleration [m/s2] in the body frame
    (x forward, y left; at the rear axle the lateral acceleration is the centripetal one, speed times yaw rate);
    steering angle of the front wheels [rad], its rate [rad/s], yaw rate [rad/s] and yaw acceleration [rad/s2].
    The order is NAVSIM's.
    """

    X = 0
    Y = 1
    HEADING = 2
    VX = 3
    VY = 4
    AX = 5
    AY = 6
    STEERING = 7
    STEERING_RATE = 8
    YAW_RATE = 9
    YAW_ACCELERATION = 10


EGO_COLUMNS = len(Ego)


def center_from_rear_axle(poses: ArrayLike, vehicle: VehicleParameters) -> NDArray[np.float64]:
    """Box-centre poses ``[..., 3]`` (x, y [m], heading [rad]) of rear-axle poses ``[..., >=3]`` in the same frame."""
    return _shift_along_heading(poses, vehicle.rear_axle_to_center)


def rear_axle_from_center(poses: ArrayLike, vehicle: VehicleParameters) -> NDArray[np.float64]:
    """Inverse of :func:`center_from_rear_axle`."""
    return _shift_along_heading(poses, -vehicle.rear_axle_to_center)


def _shift_along_heading(poses: ArrayLike, distance: float) -> NDArray[np.float64]:
    shifted = np.array(np.asarray(poses, np.float64)[..., :3])
    shifted[..., 0] += distance * np.cos(shifted[..., 2])
    shifted[..., 1] += distance * np.sin(shifted[..., 2])
    return shifted
