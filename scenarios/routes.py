"""Which lanes a recorded drive follows: map matching by position, heading and connectivity, then straight on."""

import numpy as np
from numpy.typing import NDArray

from drive.geometry import arc_length, wrap_angle
from drive.map import VectorMap

Float = NDArray[np.float64]

# Poses every 2 m, and every second while standing (where a driver waits says where they mean to go), are matched to
# lanes within 5 m and 60 degrees of them.
_SPACING = 2.0
_PAUSE = 10
_NEAR = 5.0
_TURNED = np.deg2rad(60.0)
# Scales of a cost of 1/2: lateral offset (generator's measured offsets to lane centres), heading, unexplained travel.
_LATERAL = 0.8
_HEADING = np.deg2rad(12.0)
_TRAVEL = 1.5
_LANE_CHANGE = 3.0
_JUMP = 200.0
_HOPS = 4
# This close [m] behind a fork, where a drive ends, its position does not tell which branch it took.
_UNDECIDED = 5.0


def match_route(vector_map: VectorMap, poses: Float, start: int, beyond: float = 100.0) -> tuple[list[int], list[str]]:
    """Lane indices that a drive ``poses`` [n, 3] (x, y [m], heading [rad], scene frame) follows from row ``start`` on.

    The route goes on through the straightest successors until it is ``beyond`` metres longer than the drive. Also
    returns sentences on places where the lane graph does not explain the drive.
    """
    matcher = _Matcher(vector_map)
    rows = _spaced(poses)
    found = [(row, near) for row in rows if (near := matcher.near(poses[row]))]
    if not found:
        return [], ["no lane lies near the recorded drive, so the route is empty"]
    rows = [row for row, _ in found]
    lanes, arcs = matcher.best([near for _, near in found], arc_length(poses)[rows])
    while arcs[-1] < _UNDECIDED and lanes[-1] != lanes[0]:
        lanes.pop(), arcs.pop()
    first = max((index for index, row in enumerate(rows) if row <= start), default=0)
    route, notes = [lanes[first]], []
    for lane in lanes[first + 1 :]:
        if lane != route[-1]:
            between = matcher.path(route[-1], lane)
            if between is None:
                notes.append(
                    f"the lane graph does not lead from {vector_map.lane_ids[route[-1]]!r} to "
                    f"{vector_map.lane_ids[lane]!r}, where the recorded drive goes"
                )
            route.extend(between or [])
            route.append(lane)
    _continue(matcher, route, matcher.length[route[-1]] - arcs[-1], beyond)
    return route, notes


def _spaced(poses: Float) -> list[int]:
    rows, at = [0], 0.0
    for row, travelled in enumerate(arc_length(poses).tolist()):
        if travelled >= at + _SPACING or row >= rows[-1] + _PAUSE:
            rows.append(row)
            at = travelled
    return rows


def _continue(matcher: "_Matcher", route: list[int], ahead: float, beyond: float) -> None:
    while ahead < beyond:
        options = [lane for lane in matcher.map.lane_successors(route[-1]).tolist() if lane not in route]
        if not options:
            return
        route.append(min(options, key=lambda lane: (matcher.bend[lane], lane)))
        ahead += matcher.length[route[-1]]


class _Matcher:
    """Lanes as flat segments for nearest-point queries, and distances along the lane graph."""

    def __init__(self, vector_map: VectorMap) -> None:
        self.map = vector_map
        lines = [vector_map.lane_centerline(lane) for lane in range(vector_map.lanes)]
        arcs = [arc_length(line) for line in lines]
        self.length = [float(arc[-1]) for arc in arcs]
        # All turning along the lane, not the net of it: a swerve into a service road ends as straight as it began.
        self.bend = [float(np.abs(wrap_angle(np.diff(line[:, 2]))).sum()) for line in lines]
        self._first = np.cumsum([0] + [len(line) - 1 for line in lines])
        self._start = np.concatenate([line[:-1] for line in lines]) if lines else np.zeros((0, 3))
        self._step = np.concatenate([np.diff(line[:, :2], axis=0) for line in lines]) if lines else np.zeros((0, 2))
        self._arc = np.concatenate([arc[:-1] for arc in arcs]) if lines else np.zeros(0)
        self._long = np.maximum(np.linalg.norm(self._step, axis=1), 1e-9)

    def near(self, pose: Float) -> list[tuple[int, float, float]]:
        """(lane, arc length [m] of the nearest point, cost) of every lane that a pose may be on."""
        if not len(self._start):
            return []
        offset = pose[:2] - self._start[:, :2]
        along = np.clip((offset * self._step).sum(axis=1) / self._long**2, 0.0, 1.0)
        distance = np.linalg.norm(offset - along[:, None] * self._step, axis=1)
        found = []
        for lane in np.flatnonzero(np.minimum.reduceat(distance, self._first[:-1]) < _NEAR).tolist():
            low, high = self._first[lane], self._first[lane + 1]
            nearest = low + int(distance[low:high].argmin())
            direction = np.arctan2(self._step[nearest, 1], self._step[nearest, 0])
            turned = abs(float(wrap_angle(pose[2] - direction)))
            if turned < _TURNED:
                cost = ((distance[nearest] / _LATERAL) ** 2 + (turned / _HEADING) ** 2) / 2
                found.append((lane, float(self._arc[nearest] + along[nearest] * self._long[nearest]), float(cost)))
        return found

    def best(self, states: list[list[tuple[int, float, float]]], travelled: Float) -> tuple[list[int], list[float]]:
        """Most plausible lane and arc length per pose (Viterbi over lanes and their connections)."""
        cost = np.array([state[2] for state in states[0]])
        back: list[NDArray[np.int64]] = []
        for index in range(1, len(states)):
            moved = float(travelled[index] - travelled[index - 1])
            change = np.array([[self._move(a, b, moved) for a in states[index - 1]] for b in states[index]])
            total = change + cost
            back.append(total.argmin(axis=1))
            cost = total.min(axis=1) + [state[2] for state in states[index]]
        chosen = [int(cost.argmin())]
        for pointer in reversed(back):
            chosen.append(int(pointer[chosen[-1]]))
        picked = [state[index] for state, index in zip(states, reversed(chosen), strict=True)]
        return [lane for lane, _, _ in picked], [arc for _, arc, _ in picked]

    def _move(self, before: tuple[int, float, float], after: tuple[int, float, float], moved: float) -> float:
        (one, arc, _), (other, end, _) = before, after
        if one == other:
            return ((end - arc - moved) / _TRAVEL) ** 2 / 2 if end >= arc - _SPACING else _JUMP
        if other in (self.map.left[one], self.map.right[one]):
            return _LANE_CHANGE
        between = self.path(one, other)
        if between is None:
            return _JUMP
        along = self.length[one] - arc + sum(self.length[lane] for lane in between) + end
        return min(((along - moved) / _TRAVEL) ** 2 / 2, _JUMP)

    def path(self, one: int, other: int) -> list[int] | None:
        """Lanes strictly between two lanes along the graph (empty if they touch or lie side by side), or None."""
        if other in (self.map.left[one], self.map.right[one]):
            return []
        ways: list[list[int]] = [[]]
        for _ in range(_HOPS):
            longer: list[list[int]] = []
            for way in ways:
                follow = self.map.lane_successors(way[-1] if way else one).tolist()
                if other in follow:
                    return way
                longer.extend([*way, lane] for lane in follow if lane not in way)
            ways = longer
        return None
