"""The way ahead: from the lanes of an observation's route to a smooth path that a car can follow from where it stands.

Two steps. :func:`build_route` joins the centrelines of the route's lanes into one curve with speed limits.
:func:`steer_onto` drives a point along that curve from the ego's pose, drifting back onto it where the ego is off it;
the result begins exactly at the ego, so a plan made of it never jumps.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drive.geometry import arc_length, wrap_angle
from drive.kernels import kernel
from drive.observation import Observation

Float = NDArray[np.float64]

ASSUMED_SPEED_LIMIT = 13.9  # m/s where the map has none
SPACING = 0.5  # m between the samples of a route
SMOOTHING = 1.2  # m, standard deviation of the kernel that takes the kinks out of joined centrelines
BRIDGE = 8.0  # m, the widest gap between two lanes of a route that is bridged
EXTENSION = 150.0  # m of route wanted ahead of the ego, beyond the route's last lane if need be
LANE_CHANGE = 60.0  # m, the longest lane change
STEERING_DELAY = 0.4  # s, what the closed loop of plan, tracker and steering loses at the beginning of a bend


@dataclass(frozen=True)
class Route:
    """A curve sampled every ``SPACING`` m, in the ego frame. P samples.

    Attributes:
        points: ``[P, 2]`` [m].
        heading: ``[P]`` [rad], unwrapped. ``curvature``: ``[P]`` [1/m], left positive.
        speed_limit: ``[P]`` [m/s]; ``ASSUMED_SPEED_LIMIT`` where the map has none.
        lane: ``[P]`` index of the lane each sample lies on.
        ego_arc: Arc length [m] of the sample the ego is beside.
        dead_end: True where the map ends with the curve.
    """

    points: Float
    heading: Float
    curvature: Float
    speed_limit: Float
    lane: NDArray[np.intp]
    ego_arc: float
    dead_end: bool


@dataclass(frozen=True)
class Path:
    """The path the ego is going to drive: it starts at the ego's rear axle. Q samples, ego frame.

    Attributes:
        arc: ``[Q]`` [m] driven, from 0. ``points``: ``[Q, 2]`` [m]. ``heading``: ``[Q]`` [rad], unwrapped.
        curvature: ``[Q]`` [1/m]. ``speed_limit``: ``[Q]`` [m/s].
        route_arc: ``[Q]`` [m] arc length on the route beside each sample.
        end: Arc [m] where the map ends, or infinity.
    """

    arc: Float
    points: Float
    heading: Float
    curvature: Float
    speed_limit: Float
    route_arc: Float
    end: float

    def poses(self, arcs: Float) -> Float:
        """Poses ``[N, 3]`` (x, y [m], heading [rad]) at arc lengths ``[N]`` [m]; straight on beyond the ends."""
        inside = np.clip(arcs, self.arc[0], self.arc[-1])
        heading = np.interp(inside, self.arc, self.heading)
        beyond = arcs - inside
        x = np.interp(inside, self.arc, self.points[:, 0]) + beyond * np.cos(heading)
        y = np.interp(inside, self.arc, self.points[:, 1]) + beyond * np.sin(heading)
        return np.stack((x, y, wrap_angle(heading)), axis=1)

    def project(self, points: Float) -> tuple[Float, Float, NDArray[np.intp]]:
        """Arc length and lateral offset (left positive) [m] of points ``[..., 2]`` [m], and the nearest sample.

        A point before the start has a negative arc; one beyond the end an arc larger than the path's.
        """
        flat = points.reshape(-1, 2)
        dx, dy = flat[:, 0, None] - self.points[:, 0], flat[:, 1, None] - self.points[:, 1]
        near = np.argmin(dx * dx + dy * dy, axis=1)
        offset = flat - self.points[near]
        cos, sin = np.cos(self.heading[near]), np.sin(self.heading[near])
        arc = self.arc[near] + offset[:, 0] * cos + offset[:, 1] * sin
        lateral = offset[:, 1] * cos - offset[:, 0] * sin
        shape = points.shape[:-1]
        return arc.reshape(shape), lateral.reshape(shape), near.reshape(shape)


def build_route(observation: Observation) -> Route:
    """Join the centrelines of the route's lanes, extended through successors, into one smooth curve.

    Neighbours in the route are joined by a lane change along their common length. Where the route leaves the map that
    is seen and comes back, the stretch nearest to the ego is taken. Without any lane the route is straight on.
    """
    stretches = _stretches(observation)
    if not stretches:
        return _straight_on()
    best = min(stretches, key=lambda stretch: _mismatch(stretch[0]).min())
    points, lane = _extend(observation, *best)
    dead_end = not len(_successors(observation, int(lane[-1])))
    points, source = _resample(points)
    lane = lane[source]
    points = _smooth(points)
    tangent = np.gradient(points, axis=0)
    heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    curvature = np.gradient(heading) / np.maximum(np.linalg.norm(tangent, axis=1), 1e-6)
    limit = np.where(observation.lane_has_speed_limit[lane], observation.lane_speed_limit[lane], ASSUMED_SPEED_LIMIT)
    poses = np.column_stack((points, heading))
    nearest = int(np.argmin(_mismatch(poses)))
    along = -points[nearest] @ np.array((np.cos(heading[nearest]), np.sin(heading[nearest])))
    at_end = nearest in (0, len(points) - 1)
    ego_arc = nearest * SPACING + (along if at_end else np.clip(along, -SPACING, SPACING))
    return Route(points, heading, curvature, limit, lane, float(ego_arc), dead_end)


def steer_onto(
    route: Route, length: float, speed: float, max_curvature: float = 0.22, reach: float | None = None
) -> Path:
    """The path from the ego's pose onto the route, ``length`` [m] long.

    A point drives along the route and steers by d'' = -d / L^2 - 2 d' / L (critically damped in the lateral offset d
    over the arc length, L = ``reach`` [m], or else from the speed) on top of the route's own curvature a moment ahead.
    The law depends on where the point is and how it points, nothing else, so a plan made half a second later continues
    this one instead of starting a new manoeuvre. The approach angle is bounded (30 degrees), and so is the curvature.
    """
    step, last = SPACING, len(route.points) - 1
    count = int(length / step) + 1
    rows = _drift_onto(
        np.ascontiguousarray(route.points),
        route.heading,
        route.curvature,
        route.ego_arc,
        count,
        max(4.0, 0.8 * speed) if reach is None else reach,
        STEERING_DELAY * speed,
        max_curvature,
    )
    driven = step * np.arange(count)
    beside = np.clip(rows[:, 4] / SPACING, 0, last).astype(np.intp)
    end = math.inf
    if route.dead_end and rows[-1, 4] > last * SPACING:
        end = float(driven[np.argmax(rows[:, 4] > last * SPACING)])
    return Path(
        arc=driven,
        points=rows[:, :2],
        heading=rows[:, 2],
        curvature=rows[:, 3],
        speed_limit=route.speed_limit[beside],
        route_arc=rows[:, 4],
        end=end,
    )


@kernel
def _drift_onto(
    points: Float, headings: Float, curvatures: Float, arc: float, count: int, reach: float, early: float, most: float
) -> Float:
    """Rows ``[count, 5]`` of x, y, heading, curvature and arc length on the route, ``SPACING`` apart."""
    last = len(points) - 1
    x = y = heading = 0.0
    rows = np.zeros((count, 5))
    for row in range(count):
        position = min(max(arc / SPACING, 0.0), float(last))
        low = min(int(position), last - 1)
        part = position - low
        road = headings[low] + part * (headings[low + 1] - headings[low])
        along = arc - position * SPACING  # not zero before the start and beyond the end: straight on there
        bend = 0.0 if along != 0.0 else curvatures[min(int((arc + early) / SPACING), last)]
        cos_road, sin_road = math.cos(road), math.sin(road)
        px = points[low, 0] + part * (points[low + 1, 0] - points[low, 0]) + along * cos_road
        py = points[low, 1] + part * (points[low + 1, 1] - points[low, 1]) + along * sin_road
        offset = (y - py) * cos_road - (x - px) * sin_road
        arc += (x - px) * cos_road + (y - py) * sin_road  # keeps the foot point beside the ego
        turns = round((heading - road) / (2 * math.pi))
        angle = heading - road - 2 * math.pi * turns
        cos = math.cos(angle)
        slope = math.sin(angle) if cos > 0 else math.copysign(1.0, angle)
        shrink = max(1.0 - bend * offset, 0.3)
        wanted = min(max(offset / (2 * reach), -0.5), 0.5)
        curvature = bend * cos / shrink - 2 / reach * (slope + wanted)
        curvature = min(max(curvature, -most), most)
        rows[row, 0], rows[row, 1], rows[row, 2], rows[row, 3], rows[row, 4] = x, y, heading, curvature, arc
        middle = heading + curvature * SPACING / 2
        x += SPACING * math.cos(middle)
        y += SPACING * math.sin(middle)
        heading += curvature * SPACING
        arc += SPACING * cos / shrink
    return rows


def _mismatch(poses: Float) -> Float:
    """How badly each pose ``[P, 3]`` fits the ego's: distance [m] plus up to 10 m for pointing elsewhere."""
    return np.hypot(poses[:, 0], poses[:, 1]) + 5.0 * (1.0 - np.cos(poses[:, 2]))


def _lane(observation: Observation, lane: int) -> Float:
    return observation.lane_centerline[observation.lane_ptr[lane] : observation.lane_ptr[lane + 1]]


def _successors(observation: Observation, lane: int) -> NDArray[np.int32]:
    ptr = observation.lane_successors_ptr
    return observation.lane_successors[ptr[lane] : ptr[lane + 1]]


def _stretches(observation: Observation) -> list[tuple[Float, NDArray[np.intp]]]:
    """The route as unbroken stretches: centreline poses ``[P, 3]`` and the lane of each."""
    stretches: list[tuple[Float, NDArray[np.intp]]] = []
    before = -1
    for lane in observation.route.tolist():
        poses = _lane(observation, lane)
        owner = np.full(len(poses), lane)
        if before >= 0 and stretches:
            so_far, owners = stretches[-1]
            if lane in (observation.lane_left[before], observation.lane_right[before]):
                stretches[-1] = _change_lane(so_far, owners, poses, owner)
                before = lane
                continue
            if lane in _successors(observation, before) or np.hypot(*(poses[0, :2] - so_far[-1, :2])) < BRIDGE:
                stretches[-1] = np.concatenate((so_far, poses)), np.concatenate((owners, owner))
                before = lane
                continue
        stretches.append((poses, owner))
        before = lane
    return stretches


def _change_lane(
    here: Float, here_lane: NDArray[np.intp], there: Float, there_lane: NDArray[np.intp]
) -> tuple[Float, NDArray[np.intp]]:
    """Go over from the last lane of ``here`` to ``there`` beside it, smoothly, in the middle of their common length."""
    begin = int(np.argmax(here_lane == here_lane[-1]))
    arc = arc_length(here[begin:])
    length = min(LANE_CHANGE, 0.8 * arc[-1])
    first = (arc[-1] - length) / 2
    fine = np.arange(0.0, arc[-1], SPACING)
    ours = np.column_stack([np.interp(fine, arc, here[begin:, axis]) for axis in (0, 1)])
    theirs, _ = _resample(there)
    gap = np.linalg.norm(ours[:, None] - theirs, axis=-1)
    share = np.clip((fine - first) / max(length, 1e-6), 0.0, 1.0)
    share = share**3 * (10 - 15 * share + 6 * share**2)
    blended = ours + share[:, None] * (theirs[gap.argmin(axis=1)] - ours)
    tangent = np.gradient(blended, axis=0) if len(blended) > 1 else np.array([[1.0, 0.0]])
    blended = np.column_stack((blended, np.arctan2(tangent[:, 1], tangent[:, 0])))
    rest = np.flatnonzero(np.arange(len(theirs)) > gap[-1].argmin())
    onward = np.column_stack((theirs[rest], np.interp(rest * SPACING, arc_length(there), np.unwrap(there[:, 2]))))
    lane = np.where(share < 0.5, here_lane[-1], there_lane[0])
    return (
        np.concatenate((here[:begin], blended, onward)),
        np.concatenate((here_lane[:begin], lane, np.full(len(rest), there_lane[0]))),
    )


def _extend(observation: Observation, poses: Float, lane: NDArray[np.intp]) -> tuple[Float, NDArray[np.intp]]:
    """Go on through successors, the straightest one first, until the curve reaches ``EXTENSION`` beyond the ego."""
    nearest = int(np.argmin(_mismatch(poses)))
    ahead = arc_length(poses[nearest:])[-1]
    while ahead < EXTENSION:
        follow = _successors(observation, int(lane[-1]))
        if not len(follow):
            break
        turns = [abs(_turn(_lane(observation, int(candidate)))) for candidate in follow]
        chosen = int(follow[int(np.argmin(turns))])
        more = _lane(observation, chosen)
        poses = np.concatenate((poses, more))
        lane = np.concatenate((lane, np.full(len(more), chosen)))
        ahead += max(arc_length(more)[-1], 1.0)
    return poses, lane


def _turn(poses: Float) -> float:
    return float(np.unwrap(poses[:, 2])[-1] - poses[0, 2])


def _resample(poses: Float) -> tuple[Float, NDArray[np.intp]]:
    """Points every ``SPACING`` m along the polyline, and the row of ``poses`` each comes after."""
    arc = arc_length(poses)
    fresh = np.concatenate(((True,), np.diff(arc) > 1e-6))
    rows = np.flatnonzero(fresh)
    arc = arc[fresh]
    fine = np.arange(max(int(arc[-1] / SPACING), 2) + 1) * SPACING
    points = np.column_stack([np.interp(fine, arc, poses[fresh, axis]) for axis in (0, 1)])
    beyond = fine > arc[-1]  # a route shorter than three samples is prolonged
    points[beyond] += (fine[beyond] - arc[-1])[:, None] * (np.cos(poses[-1, 2]), np.sin(poses[-1, 2]))
    return points, rows[np.searchsorted(arc, fine, side="right") - 1]


def _smooth(points: Float) -> Float:
    """Gaussian average along the curve; the ends stay where they are because the curve is mirrored there."""
    reach = int(3 * SMOOTHING / SPACING)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) * SPACING / SMOOTHING) ** 2)
    weights /= weights.sum()
    padded = np.pad(points, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    return np.column_stack([np.convolve(padded[:, axis], weights, mode="valid") for axis in (0, 1)])


def _straight_on() -> Route:
    count = int(EXTENSION / SPACING)
    points = np.column_stack((SPACING * np.arange(count), np.zeros(count)))
    zeros = np.zeros(count)
    limit = np.full(count, ASSUMED_SPEED_LIMIT)
    return Route(points, zeros, zeros, limit, np.full(count, -1), 0.0, False)
