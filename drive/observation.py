"""What a planner may see, in the ego frame (rear axle, x forward, y left), as plain arrays.

Nothing of the future, no scenario id, no absolute coordinates, no slot for an agent that has not been seen yet.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int32]


@dataclass(frozen=True)
class Observation:
    """H + 1 samples of the past up to now (the last one), B agents seen so far, lanes as in :class:`drive.map.VectorMap`.

    Lane and agent indices are consistent within one observation only.

    Attributes:
        time: Seconds since the start of the scene.
        ego: ``[H+1, 11]`` float64 (:class:`drive.vehicle.Ego`), relative to the pose now: the last row's pose is 0, 0, 0.
        agent_kind: ``[B]`` int8 (:class:`drive.scene.AgentKind`). ``agent_size``: ``[B, 2]`` length, width [m].
        agent_position: ``[B, H+1, 2]`` box centres [m]. ``agent_heading``: ``[B, H+1]`` [rad].
        agent_velocity: ``[B, H+1, 2]`` [m/s], rotated into the ego frame, not relative to the ego's motion.
        agent_valid: ``[B, H+1]`` bool. ``agent_cues``: ``[B, H+1]`` uint8 (:class:`drive.scene.Cue`).
        lane_centerline: ``[N, 3]`` x, y [m], heading [rad] with offsets ``lane_ptr [L+1]`` int32.
        lane_polygon: ``[M, 2]`` [m] with offsets ``lane_polygon_ptr [L+1]`` int32.
        lane_successors: flat int32 with offsets ``lane_successors_ptr [L+1]``.
        lane_left, lane_right: ``[L]`` int32 neighbours in the same direction, -1 for none.
        lane_connector: ``[L]`` bool. ``lane_speed_limit``: ``[L]`` [m/s] where ``lane_has_speed_limit [L]``.
        lane_light: ``[L]`` int8 (:class:`drive.scene.LightState`) now; UNKNOWN where there is no signal.
        area_ring: ``[K, 2]`` [m] with offsets ``area_ring_ptr [R+1]``; ``area_of_ring [R]``, ``area_layer`` as in the map.
        stop_segment: ``[S, 2, 2]`` [m]; ``stop_cause [S]`` int8.
        route: ``[R]`` int32 lane indices to follow. ``goal``: ``[2]`` [m].
    """

    time: float
    ego: Float
    agent_kind: NDArray[np.int8]
    agent_size: Float
    agent_position: Float
    agent_heading: Float
    agent_velocity: Float
    agent_valid: NDArray[np.bool_]
    agent_cues: NDArray[np.uint8]
    lane_centerline: Float
    lane_ptr: Int
    lane_polygon: Float
    lane_polygon_ptr: Int
    lane_successors: Int
    lane_successors_ptr: Int
    lane_left: Int
    lane_right: Int
    lane_connector: NDArray[np.bool_]
    lane_speed_limit: Float
    lane_has_speed_limit: NDArray[np.bool_]
    lane_light: NDArray[np.int8]
    area_ring: Float
    area_ring_ptr: Int
    area_of_ring: Int
    area_layer: NDArray[np.int8]
    stop_segment: Float
    stop_cause: NDArray[np.int8]
    route: Int
    goal: Float

    def arrays(self) -> dict[str, object]:
        """Field name -> array or number: the message a planner in another process gets."""
        return {item.name: getattr(self, item.name) for item in fields(self)}
