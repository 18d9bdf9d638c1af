"""Crosswalks on the route: who claims them, which one the ego has to stop for, and standing on one.

A vulnerable road user (VRU) claims a crosswalk when it is on it, walks up to it, or waits at its end looking at it. The
claim ends when the VRU has left the ego's half of the carriageway by 1 m and goes on. Cyclists who ride along the road
do not claim the crosswalks they ride over.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.map import Layer, VectorMap
from drive.scene import AgentKind, LightState
from drive.signals.stop_lines import Lines
from drive.signals.zones import Bool, Float, Int, in_area, inside_intervals, merge, nearest_on_ring, run_start

VRU_KINDS = (AgentKind.PEDESTRIAN, AgentKind.BICYCLE)
LOOK = 60.0  # m ahead of the bumper
APPROACH, APPROACH_SPEED = 1.5, 0.3  # m, m/s: who is this near and walks this fast towards it is about to cross
WAIT, FACING = 1.0, 0.5  # m; cosine: who stands this near to the end and looks within 60 degrees of it wants to cross
CLEARED = 1.0  # m beyond the ego's half of the carriageway
WALKWAY_REACH = 20.0  # m to either side in which the carriageway is looked for
DEFAULT_HALF = 1.75  # m, where no lane tells
SAME_WAY = np.pi / 3  # rad
RIDES_ALONG = 0.7  # cosine between a cyclist's heading and the road
EXIT_ARM = 8.0  # m behind a connector in which a crosswalk still belongs to its junction
TURN = np.radians(30.0)


class Crosswalk(NamedTuple):
    """A crosswalk on the route: ``begin``, ``end`` its edges (arcs [m]); ``rings`` of its area; ``pose`` (x, y [m],
    heading [rad]) of the route in its middle; ``right``, ``left`` borders of the ego's half of the carriageway there
    (lateral offsets [m], positive to the left)."""

    begin: float
    end: float
    rings: list[Float]
    pose: Float
    right: float
    left: float


def find_crosswalks(vector_map: VectorMap, points: Float, arc: Float) -> tuple[Crosswalk, ...]:
    """Crosswalks that the route's polyline ``points [P, 2]`` with ``arc [P]`` leads over, in order."""
    found = []
    for rings in vector_map.areas(Layer.CROSSWALK):
        for begin, end in inside_intervals(points, arc, rings):
            pose = _pose_at(points, arc, (begin + end) / 2)
            right, left = _own_half(vector_map, pose)
            found.append(Crosswalk(float(begin), float(end), rings, pose, right, left))
    return tuple(sorted(found, key=lambda crosswalk: crosswalk.begin))


def _pose_at(points: Float, arc: Float, at: float) -> Float:
    row = int(np.clip(np.searchsorted(arc, at, side="right") - 1, 0, len(arc) - 2))
    step = points[row + 1] - points[row]
    part = (at - arc[row]) / max(arc[row + 1] - arc[row], 1e-9)
    return np.array((*(points[row] + part * step), np.arctan2(step[1], step[0])))


def _own_half(vector_map: VectorMap, pose: Float) -> tuple[float, float]:
    """Lateral extent [m] of the lanes beside one another that run the route's way through ``pose``."""
    normal = np.array((-np.sin(pose[2]), np.cos(pose[2])))
    across = np.stack((pose[:2] - WALKWAY_REACH * normal, pose[:2] + WALKWAY_REACH * normal))
    ends = np.array((-WALKWAY_REACH, WALKWAY_REACH))
    parts = [np.zeros((0, 2))]
    for lane in range(vector_map.lanes):
        inside = inside_intervals(across, ends, [vector_map.lane_polygon(lane)])
        if len(inside):
            line = vector_map.lane_centerline(lane)
            nearest = ((line[:, :2] - pose[:2]) ** 2).sum(axis=1).argmin()
            if abs(float(wrap_angle(line[nearest, 2] - pose[2]))) < SAME_WAY:
                parts.append(inside + np.array((-0.25, 0.25)))  # neighbours may leave a seam between them
    for right, left in merge(np.concatenate(parts)):
        if right <= 0.0 <= left:
            return float(right) + 0.25, float(left) - 0.25
    return -DEFAULT_HALF, DEFAULT_HALF


def distances(crosswalk: Crosswalk, position: Float) -> tuple[Float, Float]:
    """Distance ``[...]`` [m] of points ``[..., 2]`` to a crosswalk, 0 on it, and the nearest point of its border."""
    nearest = nearest_on_ring(position, crosswalk.rings[0])
    gap = np.hypot(*np.moveaxis(nearest - position, -1, 0))
    return np.where(in_area(position, crosswalk.rings), 0.0, gap), nearest


def claims(
    crosswalk: Crosswalk,
    kind: NDArray[np.int8],
    size: Float,
    position: Float,
    heading: Float,
    velocity: Float,
    valid: Bool,
) -> Bool:
    """True ``[V, T]`` where a VRU claims the crosswalk.

    ``kind [V]``, ``size [V, 2]`` [m], ``position``, ``velocity [V, T, 2]``, ``heading``, ``valid [V, T]``.
    """
    gap, nearest = distances(crosswalk, position)
    towards = (nearest - position) / np.maximum(gap, 1e-9)[..., None]
    speed = np.hypot(velocity[..., 0], velocity[..., 1])
    walks_up = (gap <= APPROACH) & ((velocity * towards).sum(axis=-1) >= APPROACH_SPEED)
    tangent = np.array((np.cos(crosswalk.pose[2]), np.sin(crosswalk.pose[2])))
    normal = np.array((-tangent[1], tangent[0]))
    at_end = np.abs(towards @ normal) >= np.abs(towards @ tangent)
    looks = np.cos(heading) * towards[..., 0] + np.sin(heading) * towards[..., 1] >= FACING
    waits = (gap <= WAIT) & (speed < APPROACH_SPEED) & at_end & looks
    lateral = (position - crosswalk.pose[:2]) @ normal
    outward = velocity @ normal
    half = size[:, 1:] / 2
    gone_left = (lateral - half >= crosswalk.left + CLEARED) & (outward > 0.0)
    gone_right = (lateral + half <= crosswalk.right - CLEARED) & (outward < 0.0)
    along = (kind == AgentKind.BICYCLE)[:, None] & (np.abs(np.cos(heading - crosswalk.pose[2])) > RIDES_ALONG)
    wants: Bool = valid & ((gap == 0.0) | walks_up | waits) & ~gone_left & ~gone_right & ~along
    return wants


def held_back(crosswalks: tuple[Crosswalk, ...], lines: Lines, state: NDArray[np.int8], turn: Float) -> Bool:
    """True ``[C, T]`` where a traffic light gives the ego the way, so that walkers have red.

    That is so on the crosswalks of a signalled connector while it shows green or amber, but for the one behind a turn,
    where walkers have green at the same time. ``turn [Z]`` [rad] is how far each signalled connector turns.
    """
    held = np.zeros((len(crosswalks), state.shape[1]), np.bool_)
    for row, crosswalk in enumerate(crosswalks):
        for line in range(len(lines.begin)):
            begin, end = lines.begin[line], lines.end[line]
            if not begin - 1.0 <= crosswalk.begin <= end + EXIT_ARM:
                continue
            if abs(turn[line]) > TURN and crosswalk.begin > (begin + end) / 2:
                continue
            held[row] |= np.isin(state[lines.row[line]], (LightState.GREEN, LightState.YELLOW))
    return held


def claimed_ahead(crosswalks: tuple[Crosswalk, ...], claimed: Bool, front: Float, rear: Float) -> Int:
    """The next claimed crosswalk ``[B, T]`` within 60 m whose edge the bumper had not passed when the claim began; -1
    where there is none. ``claimed [C, T]``, ``front``, ``rear [B, T]`` arcs [m]."""
    index = np.full(front.shape, -1, np.int64)
    for row in reversed(range(len(crosswalks))):
        crosswalk = crosswalks[row]
        since = np.minimum(run_start(claimed[row]), front.shape[1] - 1)
        counts = claimed[row] & (front[:, since] <= crosswalk.begin)
        index = np.where(counts & ahead(crosswalk, front, rear, LOOK), row, index)
    return index


def ahead(crosswalk: Crosswalk, front: Float, rear: Float, reach: float) -> Bool:
    """True ``[B, T]`` where the crosswalk begins at most ``reach`` m ahead and the rear bumper has not left it."""
    return (crosswalk.begin - front <= reach) & (rear < crosswalk.end)


def overlap_depth(zones: Float, front: Float, rear: Float, farthest: float) -> Float:
    """Length ``[B, T]`` [m] of the ego on disjoint zones ``[K, 2]``; where it is on none, minus the distance to the
    next one, at most ``farthest``."""
    covered = np.zeros(front.shape)
    gap = np.full(front.shape, farthest)
    for begin, end in zones:
        covered += np.clip(np.minimum(front, end) - np.maximum(rear, begin), 0.0, None)
        gap = np.where(front <= begin, np.minimum(gap, begin - front), gap)
    return np.where(covered > 0.0, covered, -gap)
