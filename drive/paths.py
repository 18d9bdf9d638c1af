"""Where recorded road users go when they are simulated: their own recorded way, continued along the lanes."""

import numpy as np
from numpy.typing import NDArray

from drive.geometry import arc_length, wrap_angle
from drive.map import VectorMap
from drive.scene import DRIVING_KINDS, AgentKind, Paths, Scenario

Float = NDArray[np.float64]

MIN_TRAVEL = 5.0  # m recorded, below which a vehicle counts as parked or waiting and is replayed
EXTENSION = 200.0  # m along the lanes after the last recorded pose
_POINT_SPACING = 1.0
_LANE_REACH, _LANE_ANGLE = 3.0, 0.8  # m, rad: this near, and this parallel, to a centreline is "on the lane"
_ON_LANE_SHARE = 0.6  # of the recorded way
_BLEND = 20.0  # m over which the continuation settles on the centreline
_LEAST_LIMIT = {AgentKind.BICYCLE: 3.0}
_USUAL_LIMIT = 6.0  # m/s, at least, for those whose road has no limit and who were never seen driving freely


def derive_paths(scenario: Scenario) -> Paths:
    """Paths for the agents of a recorded scene that drive: flat points with offsets, as :class:`drive.scene.Paths`.

    A vehicle, motorcycle or cyclist that moves at least 5 m and mostly along lanes gets its own recorded way from the
    start on, continued through the straightest successors for 200 m. Its suggested speed is the lane's limit, or the
    greatest speed it was seen at. All others (parked, off the lanes, on foot, objects) get none: they are replayed.
    """
    tracks, lanes = scenario.tracks, _Lanes(scenario.map)
    pieces: list[Float] = []
    for agent, kind in enumerate(tracks.kind):
        valid = tracks.valid[agent, scenario.start :]
        steps = scenario.start + np.flatnonzero(valid)
        piece = np.zeros((0, 3))
        if kind in DRIVING_KINDS and len(steps) > 1 and np.all(np.diff(steps) == 1):
            recorded = _recorded_way(tracks.position[agent, steps], tracks.heading[agent, steps])
            if recorded is not None and lanes.share(recorded) >= _ON_LANE_SHARE:
                seen = float(np.hypot(*tracks.velocity[agent, steps].T).max())
                usual = max(seen, _LEAST_LIMIT.get(AgentKind(int(kind)), _USUAL_LIMIT))
                piece = lanes.extend(recorded, usual, respects_limit=kind != AgentKind.BICYCLE)
        pieces.append(piece)
    ptr = np.concatenate(((0,), np.cumsum([len(piece) for piece in pieces]))).astype(np.int32)
    flat = np.concatenate([*pieces, np.zeros((0, 3))])
    return Paths(np.ascontiguousarray(flat[:, :2]), np.ascontiguousarray(flat[:, 2]), ptr)


def _recorded_way(position: Float, heading: Float) -> Float | None:
    """The recorded way ``[P, 2]`` at even spacing, smoothed, or None if it is too short or not forward."""
    kept = [0]
    for step in range(1, len(position)):
        ahead = position[step] - position[kept[-1]]
        forward = ahead @ (np.cos(heading[step]), np.sin(heading[step]))
        if forward > 0.5 and forward > 0.5 * np.hypot(*ahead):
            kept.append(step)
    points = position[kept]
    length = arc_length(points)
    if length[-1] < MIN_TRAVEL:
        return None
    at = np.arange(0.0, length[-1] + 1e-9, _POINT_SPACING)
    even = np.column_stack([np.interp(at, length, points[:, axis]) for axis in range(2)])
    # annotation noise would read as curvature: average over 5 m, keeping both ends
    padded = np.concatenate((2 * even[0] - even[2:0:-1], even, 2 * even[-1] - even[-2:-4:-1]))
    window = np.full(5, 0.2)
    smooth: Float = np.column_stack([np.convolve(padded[:, axis], window, mode="valid") for axis in range(2)])
    return smooth


class _Lanes:
    """Centrelines of a map, for finding the lane under a pose and going on from there."""

    def __init__(self, vector_map: VectorMap) -> None:
        self.map = vector_map
        self.owner = np.repeat(np.arange(vector_map.lanes), np.diff(vector_map.centerline_ptr))
        self.heading = vector_map.centerline[:, 2]

    def nearest(self, point: Float, heading: float) -> int:
        """Row of ``map.centerline`` nearest to a pose, of lanes running its way, or -1."""
        if not len(self.owner):
            return -1
        distance = np.hypot(*(self.map.centerline[:, :2] - point).T)
        distance[np.abs(wrap_angle(self.heading - heading)) > _LANE_ANGLE] = np.inf
        row = int(distance.argmin())
        return row if distance[row] <= _LANE_REACH else -1

    def share(self, way: Float) -> float:
        """Share of a way's points that lie on a lane in its direction."""
        direction = np.arctan2(*np.gradient(way, axis=0).T[::-1])
        picks = range(0, len(way), 3)
        return float(np.mean([self.nearest(way[pick], float(direction[pick])) >= 0 for pick in picks]))

    def extend(self, way: Float, usual: float, respects_limit: bool) -> Float:
        """``[P, 3]``: the way and its continuation along lanes (x, y [m]) with the suggested speed [m/s]."""
        end, direction = way[-1], float(np.arctan2(*(way[-1] - way[-3])[::-1]))
        row = self.nearest(end, direction)
        limit = np.full(len(way), usual)
        if row < 0:
            return np.column_stack((way, limit))
        line, lane_limit = self._onward(row, usual if not respects_limit else None, usual)
        ahead = (line - end) @ (np.cos(direction), np.sin(direction)) > 0.5
        first = int(ahead.argmax())
        if not ahead.any() or len(line) - first < 2:
            return np.column_stack((way, limit))
        line, lane_limit = line[first:], lane_limit[first:]
        length = arc_length(line)
        normal = np.column_stack((-np.sin(self._directions(line)), np.cos(self._directions(line))))
        offset = (end - line[0]) @ normal[0]
        fade = np.clip(1.0 - length / _BLEND, 0.0, 1.0)
        line = line + (offset * fade**2 * (3.0 - 2.0 * fade))[:, None] * normal
        return np.column_stack((np.concatenate((way, line)), np.concatenate((limit, lane_limit))))

    @staticmethod
    def _directions(line: Float) -> Float:
        gradient = np.gradient(line, axis=0)
        return np.unwrap(np.arctan2(gradient[:, 1], gradient[:, 0]))

    def _onward(self, row: int, fixed: float | None, usual: float) -> tuple[Float, Float]:
        """Points and suggested speeds from a centreline row on, through the straightest successors."""
        lane = int(self.owner[row])
        begin = row - int(self.map.centerline_ptr[lane])
        points, limits, travelled = [], [], 0.0
        while True:
            line = self.map.lane_centerline(lane)[begin:]
            known = self.map.has_speed_limit[lane] and fixed is None
            points.append(line[:, :2])
            limits.append(np.full(len(line), self.map.speed_limit[lane] if known else usual))
            travelled += float(arc_length(line)[-1])
            follow = self.map.lane_successors(lane)
            if travelled > EXTENSION or not len(follow):
                break
            bend = [self._bend(int(successor), float(line[-1, 2])) for successor in follow]
            lane, begin = int(follow[int(np.argmin(bend))]), 1
        return np.concatenate(points), np.concatenate(limits)

    def _bend(self, lane: int, heading: float) -> float:
        return abs(float(wrap_angle(self.map.lane_centerline(lane)[-1, 2] - heading)))
