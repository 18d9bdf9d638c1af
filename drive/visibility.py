"""What can be seen from the ego: two-dimensional lines of sight past vehicles, buildings and hedges.

Everything is as high as the eye here: a parked car hides the person behind it, a lead hides the car ahead of it.
"""

import numpy as np
from numpy.typing import NDArray

from drive.kernels.visibility import line_of_sight
from drive.map import Layer, VectorMap
from drive.scene import AgentKind
from drive.vehicle import VehicleParameters

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

BLOCKING_KINDS = tuple(kind for kind in AgentKind if kind <= AgentKind.EMERGENCY)


def walls(vector_map: VectorMap) -> Float:
    """Edges ``[W, 4]`` (x, y of both ends [m]) of the map's occluders, holes included."""
    rings = [ring for area in vector_map.areas(Layer.OCCLUDER) for ring in area]
    edges = [np.hstack((ring, np.roll(ring, -1, axis=0))) for ring in rings]
    return np.ascontiguousarray(np.concatenate([np.zeros((0, 4)), *edges]))


def visible_agents(
    vehicle: VehicleParameters,
    ego: Float,
    kind: NDArray[np.int8],
    size: Float,
    position: Float,
    heading: Float,
    valid: Bool,
    edges: Float,
) -> Bool:
    """Which agents ``[A, K]`` the ego sees at K samples, from above the middle of its box.

    ``ego [K, >=3]`` rear-axle poses; ``kind [A]``, ``size [A, 2]`` m, ``position [A, K, 2]`` m, ``heading``,
    ``valid [A, K]``; ``edges [W, 4]`` as from :func:`walls`. An agent is seen if at least a fifth of the rays to its
    centre, its corners and the middles of its sides pass; vehicles (cars to emergency vehicles) and occluders block.
    """
    reach = vehicle.rear_axle_to_center
    eye = ego[:, :2] + reach * np.stack((np.cos(ego[:, 2]), np.sin(ego[:, 2])), axis=1)
    visible = np.zeros(valid.shape, np.bool_)
    line_of_sight(
        np.ascontiguousarray(eye, np.float64),
        np.ascontiguousarray(position, np.float64),
        np.ascontiguousarray(heading, np.float64),
        np.ascontiguousarray(size, np.float64),
        np.ascontiguousarray(valid, np.bool_),
        np.isin(kind, BLOCKING_KINDS),
        edges,
        visible,
    )
    return visible
