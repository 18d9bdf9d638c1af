"""What a planner may see, in the ego frame (rear axle, x forward, y left), as plain arrays.

Nothing of the future, no scenario id, no absolute coordinates, no slot for an agent that has not been seen yet. Where
the scene says so (``Scenario.occlusion``) agents behind vehicles and occluders are not there.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.cues import LiveCues
from drive.geometry import poses_to_frame, rotate, to_frame, wrap_angle
from drive.scene import HISTORY_STEPS, Scenario
from drive.visibility import visible_agents, walls

Float = NDArray[np.float64]
Int = NDArray[np.int32]


@dataclass(frozen=True)
class Observation:
    """H + 1 samples of the past up to now (the last one), B agents seen in them, lanes as in a ``VectorMap``.

    Lane and agent indices are consistent within one observation only. In scenes with occlusion an agent is invalid at
    every sample, past or present, at which it was out of sight (:mod:`drive.visibility`): agents come into view, vanish
    behind others and come back. Buildings and hedges are areas of layer ``OCCLUDER``. Privileged planners see all.

    Attributes:
        time: Seconds since the start of the scene.
        ego: ``[H+1, 11]`` float64 (:class:`drive.vehicle.Ego`), relative to the pose now: the last pose is 0, 0, 0.
        agent_kind: ``[B]`` int8 (:class:`drive.scene.AgentKind`). ``agent_size``: ``[B, 2]`` length, width [m].
        agent_position: ``[B, H+1, 2]`` box centres [m]. ``agent_heading``: ``[B, H+1]`` [rad].
        agent_velocity: ``[B, H+1, 2]`` [m/s], rotated into the ego frame, not relative to the ego.
        agent_valid: ``[B, H+1]`` bool. ``agent_cues``: ``[B, H+1]`` uint8 (:class:`drive.scene.Cue`).
        lane_centerline: ``[N, 3]`` x, y [m], heading [rad] with offsets ``lane_ptr [L+1]`` int32.
        lane_polygon: ``[M, 2]`` [m] with offsets ``lane_polygon_ptr [L+1]`` int32.
        lane_successors: flat int32 with offsets ``lane_successors_ptr [L+1]``.
        lane_left, lane_right: ``[L]`` int32 neighbours in the same direction, -1 for none.
        lane_connector: ``[L]`` bool. ``lane_speed_limit``: ``[L]`` [m/s] where ``lane_has_speed_limit [L]``.
        lane_light: ``[L]`` int8 (:class:`drive.scene.LightState`) now; UNKNOWN where there is no signal.
        area_ring: ``[K, 2]`` [m] with offsets ``area_ring_ptr [R+1]``; ``area_of_ring``, ``area_layer`` as in the map.
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


MAP_RADIUS = 100.0


class Observer:
    """Builds the observations of one scene; everything that does not change is prepared once.

    Lanes and areas farther than ``MAP_RADIUS`` [m] from the ego are left out: the extent of a map that was cut around
    a recorded drive would tell where that drive goes. With ``see_all`` nothing is hidden, whatever the scene says. With
    ``live`` cues follow what agents with a path of their own do (:mod:`drive.cues`), else they are the recorded ones.
    """

    def __init__(self, scenario: Scenario, see_all: bool = False, live: bool = False) -> None:
        self._scenario = scenario
        self._cues = LiveCues(scenario) if live and scenario.paths is not None else None
        self._hides = scenario.occlusion and not see_all
        self._walls = walls(scenario.map)
        world = scenario.map
        self._lane_box = _boxes(world.polygon, world.polygon_ptr)
        self._ring_box = _boxes(world.ring, world.ring_ptr)
        self._near_key, self._near = (b"", b""), _cut(scenario, *(np.zeros(0, np.intp),) * 2)

    def observe(
        self,
        k: int,
        ego: Float,
        position: Float,
        heading: Float,
        velocity: Float,
        valid: NDArray[np.bool_],
    ) -> Observation:
        """Observation at rollout sample ``k`` from what has been simulated so far (scene frame, float64).

        ``ego [K+1, 11]``, ``position [A, K+1, 2]``, ``heading [A, K+1]``, ``velocity [A, K+1, 2]``, ``valid [A, K+1]``;
        only samples up to ``k`` are read, and the scenario's own tracks only up to its start.
        """
        scenario = self._scenario
        tracks, start = scenario.tracks, scenario.start
        pose = ego[k, :3]
        begin = start + k - HISTORY_STEPS  # window in scene steps, from before the rollout into it
        missing = max(0, -begin)
        recorded = slice(max(0, begin), start)
        simulated = slice(max(0, k - HISTORY_STEPS), k + 1)

        def window(past: NDArray[Any], now: NDArray[Any], axis: int = 1) -> NDArray[Any]:
            take = (slice(None),) * axis
            pieces = [past[(*take, recorded)], now[(*take, simulated)]]
            if missing:
                shape = (*now.shape[:axis], missing, *now.shape[axis + 1 :])
                pieces.insert(0, np.zeros(shape, now.dtype))
            return np.concatenate(pieces, axis=axis)

        ego_window = window(scenario.reference, ego, 0)
        agent_valid = window(tracks.valid, valid)
        if self._hides:
            places = (window(tracks.position, position), window(tracks.heading, heading))
            agent_valid = visible_agents(
                scenario.ego_vehicle, ego_window, tracks.kind, tracks.size, *places, agent_valid, self._walls
            )
        seen = np.flatnonzero(agent_valid.any(axis=1))
        agent_valid = agent_valid[seen]
        known = agent_valid[..., None]
        shown = tracks.cues[:, start:]
        if self._cues is not None:
            shown = self._live_cues(k, ego, position, heading, velocity)
        cues = window(tracks.cues, shown)[seen]
        history = ego_window
        history[:, :3] = poses_to_frame(history[:, :3], pose)
        if missing:
            history[:missing] = history[missing]
        return Observation(
            time=k * scenario.dt,
            ego=history,
            agent_kind=tracks.kind[seen],
            agent_size=tracks.size[seen],
            agent_position=np.where(known, to_frame(window(tracks.position, position)[seen], pose), 0.0),
            agent_heading=np.where(agent_valid, wrap_angle(window(tracks.heading, heading)[seen] - pose[2]), 0.0),
            agent_velocity=np.where(known, rotate(window(tracks.velocity, velocity)[seen], -pose[2]), 0.0),
            agent_valid=agent_valid,
            agent_cues=np.where(agent_valid, cues, 0).astype(np.uint8),
            **self._map_arrays(pose, k),
        )

    def _live_cues(self, k: int, ego: Float, position: Float, heading: Float, velocity: Float) -> NDArray[np.uint8]:
        """Cues ``[A, k + 1]`` of the rollout, those that the window needs filled in."""
        assert self._cues is not None
        tracks, start, count = self._scenario.tracks, self._scenario.start, min(k, HISTORY_STEPS) + 1
        pairs = ((tracks.position, position), (tracks.heading, heading), (tracks.velocity, velocity))
        motion = [np.concatenate((past[:, :start], now[:, : k + 1]), axis=1) for past, now in pairs]
        drive = np.concatenate((self._scenario.reference[:start], ego[: k + 1]))
        shown = np.zeros((len(position), k + 1), np.uint8)
        shown[:, k + 1 - count :] = self._cues.show(drive, motion[0], motion[1], motion[2], count)
        return shown

    def _map_arrays(self, pose: Float, k: int) -> dict[str, Any]:
        scenario = self._scenario
        world, lights = scenario.map, scenario.lights
        lanes = np.flatnonzero(_box_distance(self._lane_box, pose) < MAP_RADIUS)
        rings = np.flatnonzero(_box_distance(self._ring_box, pose) < MAP_RADIUS)
        key = (lanes.tobytes(), rings.tobytes())
        if key != self._near_key:  # the same lanes are near for many plans
            self._near_key, self._near = key, _cut(scenario, lanes, rings)
        near = self._near
        stops = np.linalg.norm(world.stop_segment.mean(axis=1) - pose[:2], axis=1) < MAP_RADIUS
        light = np.zeros(world.lanes, np.int8)
        light[lights.lane] = lights.state[:, scenario.start + k]
        moved = ("lane_centerline", "lane_polygon", "area_ring")
        return {
            # a planner may write into what it is given
            **{name: values.copy() for name, values in near.items() if name not in moved},
            "lane_centerline": poses_to_frame(near["lane_centerline"], pose),
            "lane_polygon": to_frame(near["lane_polygon"], pose),
            "lane_light": light[lanes],
            "area_ring": to_frame(near["area_ring"], pose),
            "stop_segment": to_frame(world.stop_segment[stops], pose),
            "stop_cause": world.stop_cause[stops],
            "goal": to_frame(scenario.goal, pose),
        }


def _cut(scenario: Scenario, lanes: NDArray[np.intp], rings: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
    """The part of the map that lanes and rings of areas leave over, numbered anew; points in the scene frame."""
    world = scenario.map
    number = np.full(world.lanes + 1, -1, np.int32)  # old index -> new one; the last entry maps -1 to -1
    number[lanes] = np.arange(len(lanes), dtype=np.int32)
    centerline, lane_ptr = _take_rows(world.centerline, world.centerline_ptr, lanes)
    polygon, polygon_ptr = _take_rows(world.polygon, world.polygon_ptr, lanes)
    ring, ring_ptr = _take_rows(world.ring, world.ring_ptr, rings)
    successors, successors_ptr = _take_rows(world.successors, world.successors_ptr, lanes)
    owner = np.repeat(np.arange(len(lanes)), np.diff(successors_ptr))
    here = number[successors] >= 0
    areas, area_of_ring = np.unique(world.ring_area[rings], return_inverse=True)
    route = number[scenario.route]
    return {
        "lane_centerline": centerline,
        "lane_ptr": lane_ptr,
        "lane_polygon": polygon,
        "lane_polygon_ptr": polygon_ptr,
        "lane_successors": number[successors[here]],
        "lane_successors_ptr": np.searchsorted(owner[here], np.arange(len(lanes) + 1)).astype(np.int32),
        "lane_left": number[world.left[lanes]],
        "lane_right": number[world.right[lanes]],
        "lane_connector": world.connector[lanes],
        "lane_speed_limit": world.speed_limit[lanes],
        "lane_has_speed_limit": world.has_speed_limit[lanes],
        "area_ring": ring,
        "area_ring_ptr": ring_ptr,
        "area_of_ring": area_of_ring.astype(np.int32),
        "area_layer": world.area_layer[areas],
        "route": route[route >= 0],
    }


def _boxes(points: Float, ptr: Int) -> Float:
    """Bounding boxes ``[R, 4]`` (low x, low y, high x, high y) of flat rows; every row has points."""
    if len(ptr) < 2:
        return np.zeros((0, 4))
    return np.hstack((np.minimum.reduceat(points, ptr[:-1]), np.maximum.reduceat(points, ptr[:-1])))


def _box_distance(boxes: Float, pose: Float) -> Float:
    outside = np.maximum(np.maximum(boxes[:, :2] - pose[:2], pose[:2] - boxes[:, 2:]), 0.0)
    return np.hypot(outside[:, 0], outside[:, 1])


def _take_rows(values: NDArray[Any], ptr: Int, rows: NDArray[np.intp]) -> tuple[NDArray[Any], Int]:
    """The flat rows ``rows`` of (values, ptr), again flat with offsets."""
    lengths = np.diff(ptr)[rows]
    offsets = np.concatenate(((0,), np.cumsum(lengths))).astype(np.int32)
    index = np.repeat(ptr[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
    return values[index], offsets
