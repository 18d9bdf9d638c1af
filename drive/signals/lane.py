"""Signals of the lane the ego is in, its neighbours, and the areas of the road."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drive.map import Layer
from drive.signals.drive import Drive, Function, Reading, absent
from drive.signals.kernels.area import (
    inside_edges,
    inside_ground,
    lanes_distance,
    nearest_edges,
    opposite_lanes,
)
from drive.signals.kernels.lane import locate, place_corners, place_in

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

HOLD = 3  # samples for which another lane must be the better one
MIN_KEPT_WIDTH = 2.5  # m: narrower lanes are not kept to
SIDE_MARGIN = 20.0  # m, beyond which borders and opposite lanes do not matter
FAR_OFF = 200.0  # m
OPPOSITE = np.radians(120.0)
WRONG_WAY_SAMPLES = 11


class LanePlaces(NamedTuple):
    """Where the ego is, ``[B, T]`` each: ``lane`` the ego lane (-1: none), ``under`` the lane under the box centre,
    ``direction`` [rad] the one nearest to the heading among all lanes under the centre, ``on_route`` whether one of
    them is on-route."""

    lane: Int
    under: Int
    direction: Float
    on_route: Bool


class CornerPlaces(NamedTuple):
    """The box corners ``[B, T, 4]`` in the ego lane or the lane before or after it: ``lane`` and ``row`` of the
    centreline, and how far each is inside of the ``left`` and ``right`` border [m]."""

    lane: Int
    row: Int
    left: Float
    right: Float


class InLane(NamedTuple):
    """The box centre in lanes ``[B, T]``: lateral ``offset`` and ``heading`` difference (tensors), ``s`` and ``row``
    of the nearest segment, ``valid`` where there is a lane."""

    offset: Tensor
    heading: Tensor
    s: Float
    row: Int
    valid: Bool


def find_lanes(drive: Drive) -> LanePlaces:
    """The lanes the ego is in."""
    lanes, road = drive.road.geometry.lanes, drive.road
    return LanePlaces(
        *locate(
            drive.boxes,
            road.on_route,
            lanes.ring,
            lanes.ring_ptr,
            lanes.ring_box,
            lanes.centerline,
            lanes.arc,
            lanes.centerline_ptr,
            road.map.successors,
            road.map.successors_ptr,
            HOLD,
        )
    )


def find_corners(drive: Drive) -> CornerPlaces:
    """The box corners between the borders of the ego lane."""
    lanes, road = drive.road.geometry.lanes, drive.road
    return CornerPlaces(
        *place_corners(
            lanes.centerline,
            lanes.arc,
            lanes.centerline_ptr,
            road.half_left,
            road.half_right,
            road.before,
            road.after,
            drive.once(find_lanes).lane,
            drive.corners,
        )
    )


def neighbour(drive: Drive, side: Int) -> Int:
    """The neighbours ``[B, T]`` of the ego lane on one side (``map.left`` or ``map.right``), -1 for none."""
    lane = drive.once(find_lanes).lane
    return np.where(lane >= 0, side[lane], -1).astype(np.int32) if len(side) else lane


def in_lane(drive: Drive, lane: Int) -> InLane:
    """The box centre in lanes ``[B, T]`` (-1 for none)."""
    lanes = drive.road.geometry.lanes
    points = np.ascontiguousarray(drive.boxes[..., :2])
    s, _, row = place_in(lanes.centerline, lanes.arc, lanes.centerline_ptr, lane, points)
    center = drive.point(drive.world.vehicle.rear_axle_to_center)
    offset, tangent, _ = across(drive, center, row)
    turned = drive.heading - drive.tensor(tangent)
    wrapped = turned - 2.0 * torch.pi * torch.floor((turned.detach() + torch.pi) / (2.0 * torch.pi))
    return InLane(offset, wrapped, s, row, lane >= 0)


def across(drive: Drive, point: Tensor, row: Int) -> tuple[Tensor, Float, Tensor]:
    """Signed distance ``[B, T]`` of points ``[B, T, 2]`` to the centreline's segments that begin at ``row``, the
    segments' direction [rad], and the part of the segment at the nearest point (beyond 0..1 at a lane's ends only)."""
    lanes = drive.road.geometry.lanes
    if not len(lanes.centerline):
        zero = torch.zeros_like(point[..., 0])
        return zero, np.zeros(drive.shape), zero
    ends = np.zeros(len(lanes.centerline), np.bool_)
    ends[lanes.centerline_ptr[1:] - 2] = True
    begins = np.zeros(len(lanes.centerline), np.bool_)
    begins[lanes.centerline_ptr[:-1]] = True
    start = lanes.centerline[row, :2]
    step = lanes.centerline[np.minimum(row + 1, len(lanes.centerline) - 1), :2] - start
    length = np.maximum(np.hypot(step[..., 0], step[..., 1]), 1e-9)
    unit = drive.tensor(step / length[..., None])
    away = point - drive.tensor(start)
    part = (away * unit).sum(dim=-1) / drive.tensor(length)
    low = drive.tensor(np.where(begins[row], -np.inf, 0.0))
    high = drive.tensor(np.where(ends[row], np.inf, 1.0))
    near = torch.minimum(torch.maximum(part, low), high)
    side = unit[..., 0] * away[..., 1] - unit[..., 1] * away[..., 0]
    rest = away - near[..., None] * drive.tensor(step)
    clamped = near != part
    square = torch.where(clamped, (rest * rest).sum(dim=-1), torch.ones_like(part))
    around = torch.where(side >= 0.0, 1.0, -1.0) * square.clamp(min=1e-18).sqrt()
    return torch.where(clamped, around, side), np.arctan2(step[..., 1], step[..., 0]), near


def ego_lane(drive: Drive) -> InLane:
    """The box centre in the ego lane."""
    return in_lane(drive, drive.once(find_lanes).lane)


def left_lane(drive: Drive) -> InLane:
    """The box centre seen from the left neighbour."""
    return in_lane(drive, neighbour(drive, drive.road.map.left))


def right_lane(drive: Drive) -> InLane:
    """The box centre seen from the right neighbour."""
    return in_lane(drive, neighbour(drive, drive.road.map.right))


def _offset(place: Callable[[Drive], InLane]) -> Function:
    return lambda drive: Reading(drive.once(place).offset, drive.once(place).valid)


def _heading_gap(place: Callable[[Drive], InLane]) -> Function:
    return lambda drive: Reading(1.0 - torch.cos(drive.once(place).heading), drive.once(place).valid)


def heading_error(drive: Drive) -> Reading:
    """Heading relative to the ego lane."""
    place = drive.once(ego_lane)
    return Reading(place.heading, place.valid)


def lane_margin(drive: Drive) -> Reading:
    """The corner that is least far inside of the ego lane's borders."""
    place, corners = drive.once(ego_lane), drive.once(find_corners)
    inside = np.minimum(corners.left, corners.right)
    least = inside.argmin(axis=2)[..., None]
    row = np.take_along_axis(corners.row, least, axis=2)[..., 0]
    at_left = np.take_along_axis(corners.left, least, axis=2) <= np.take_along_axis(corners.right, least, axis=2)
    offset, _, part = across(drive, drive.corner(least[..., 0]), row)
    if not len(drive.road.half_left):
        return Reading(offset, place.valid)
    half = np.where(
        at_left, np.stack(halves(drive.road.half_left, row), -1), np.stack(halves(drive.road.half_right, row), -1)
    )
    near = part.clamp(0.0, 1.0)
    border = drive.tensor(half[..., 0]) + near * drive.tensor(half[..., 1] - half[..., 0])
    return Reading(border - drive.tensor(np.where(at_left[..., 0], 1.0, -1.0)) * offset, place.valid)


def halves(half: Float, row: Int) -> tuple[Float, Float]:
    """Values at the first and at the last point of the segments that begin at ``row``."""
    return half[row], half[np.minimum(row + 1, len(half) - 1)]


def lane_width(drive: Drive) -> Reading:
    """Width of the ego lane beside the box centre."""
    place, road = drive.once(ego_lane), drive.road
    if not len(road.half_left):
        return absent(drive)
    width = road.half_left + road.half_right
    arc = road.geometry.lanes.arc
    begin, end = halves(arc, place.row)
    part = np.clip((place.s - begin) / np.maximum(end - begin, 1e-9), 0.0, 1.0)
    first, last = halves(width, place.row)
    return Reading(first + part * (last - first), place.valid)


def lane_keep_due(drive: Drive) -> Reading:
    """A lane that is to be kept to: no junction, no lane change, wide enough."""
    wide = drive.array("lane_width") >= MIN_KEPT_WIDTH
    place = drive.once(ego_lane)
    return Reading(place.valid & wide & ~drive.raised("in_intersection") & ~drive.raised("lane_change"))


def drivable_margin(drive: Drive) -> Reading:
    """The corner that is least far inside of the drivable area."""
    grid = drive.road.drivable
    if grid is None:
        return absent(drive)
    corners = drive.corners.reshape(-1, 2)
    distance, nearest = nearest_edges(grid, corners, SIDE_MARGIN)
    sign = np.where(inside_edges(grid.edges, corners), 1.0, -1.0)
    shape = (*drive.shape, 4)
    signed = (sign * distance).reshape(shape)
    least = signed.argmin(axis=2)
    chosen = least[..., None]
    value = np.take_along_axis(signed, chosen, axis=2)[..., 0]
    point = np.take_along_axis(nearest.reshape(*shape, 2), chosen[..., None], axis=2)[..., 0, :]
    corner = np.take_along_axis(drive.corners, chosen[..., None], axis=2)[..., 0, :]
    return Reading(separation(drive, drive.corner(least), point, corner - point, value))


def separation(drive: Drive, mine: Tensor, other: Float, apart: Float, value: Float) -> Tensor:
    """Signed distance ``[B, T]`` between a point of the ego ``mine [B, T, 2]`` (tensor) and a fixed one, with the
    ``value`` found in float64 and the gradient along the vector ``apart [B, T, 2]`` that joined them then.

    With both points fixed to their bodies this is the derivative of the distance of the two bodies.
    """
    length = np.hypot(apart[..., 0], apart[..., 1])
    touching = length < 1e-9
    normal = np.where(touching[..., None], 0.0, apart * np.where(value < 0.0, -1.0, 1.0)[..., None])
    normal = normal / np.where(touching, 1.0, length)[..., None]
    moved = ((mine - drive.tensor(other)) * drive.tensor(normal)).sum(dim=-1)
    far = np.abs(value) >= SIDE_MARGIN
    return torch.where(torch.as_tensor(touching | far, device=mine.device), drive.tensor(value), moved)


class Opposite(NamedTuple):
    """The nearest lane that runs against the route, ``[B, T]``: signed distance ``value``, ``lane`` (-1: none), and the
    points of the box (``mine``) and of the lane (``other``) ``[B, T, 2]`` that are nearest."""

    value: Float
    lane: Int
    mine: Float
    other: Float


def find_opposite(drive: Drive) -> Opposite:
    """The nearest lane that runs against the route within 20 m; connectors and the route's own lanes do not count."""
    frame, place, lanes = drive.road.frame, drive.center_place, drive.road.geometry.lanes
    if frame is None or place is None:
        nowhere = np.zeros((*drive.shape, 2))
        return Opposite(np.zeros(drive.shape), np.full(drive.shape, -1, np.int32), nowhere, nowhere)
    return Opposite(
        *opposite_lanes(
            drive.corners,
            frame.heading[place.row],
            ~drive.road.map.connector & ~drive.road.on_route,
            lanes.ring,
            lanes.ring_ptr,
            lanes.ring_box,
            lanes.centerline,
            lanes.centerline_ptr,
            SIDE_MARGIN,
            float(OPPOSITE),
        )
    )


def opposite_margin(drive: Drive) -> Reading:
    """Distance to the nearest lane that runs against the route."""
    found = drive.once(find_opposite)
    forward, left = in_body(drive, found.mine)
    mine = drive.point(drive.tensor(forward), drive.tensor(left))
    margin = separation(drive, mine, found.other, found.mine - found.other, found.value)
    return Reading(margin, (found.lane >= 0) & ~drive.raised("in_intersection"))


def in_body(drive: Drive, points: Float) -> tuple[Float, Float]:
    """Points ``[B, T, 2]`` [m] of the scene in the ego's body frame: forward of the rear axle, and to the left."""
    away = points - drive.states[..., :2]
    cos, sin = np.cos(drive.boxes[..., 2]), np.sin(drive.boxes[..., 2])
    return away[..., 0] * cos + away[..., 1] * sin, away[..., 1] * cos - away[..., 0] * sin


def direction_cos(drive: Drive) -> Reading:
    """Heading against the direction of the lanes under the box centre."""
    places = drive.once(find_lanes)
    return Reading(torch.cos(drive.heading - drive.tensor(places.direction)), places.under >= 0)


def wrong_way_dist(drive: Drive) -> Reading:
    """Distance driven off the route's lanes within the last second."""
    if drive.road.frame is None:
        return absent(drive)
    off = ~drive.once(find_lanes).on_route & ~drive.raised("in_intersection")
    steps = np.diff(drive.boxes[..., :2], axis=1, prepend=drive.boxes[:, :1, :2])
    driven = np.where(off, np.hypot(steps[..., 0], steps[..., 1]), 0.0)
    total = np.cumsum(driven, axis=1)
    total[:, WRONG_WAY_SAMPLES:] -= total[:, :-WRONG_WAY_SAMPLES].copy()
    return Reading(np.maximum(total, 0.0))


def speed_limit(drive: Drive) -> Reading:
    """Limit of the lane under the box centre."""
    under, limit = drive.once(find_lanes).under, drive.road.limit
    value = np.where(under >= 0, limit[under], 0.0) if len(limit) else np.zeros(drive.shape)
    return Reading(value, value > 0.0)


def route_offset(drive: Drive) -> Reading:
    """Distance to the route's lanes."""
    if drive.road.frame is None:
        return absent(drive)
    lanes, off = drive.road.geometry.lanes, ~drive.once(find_lanes).on_route
    value = np.zeros(drive.shape)
    value[off] = lanes_distance(
        drive.boxes[off][:, :2], drive.road.on_route, lanes.ring, lanes.ring_ptr, lanes.ring_box, FAR_OFF
    )
    return Reading(value)


def in_intersection(drive: Drive) -> Reading:
    """Box centre in an intersection."""
    if not (drive.road.map.area_layer == Layer.INTERSECTION).any():
        return Reading(np.zeros(drive.shape, np.bool_))
    points = np.ascontiguousarray(drive.boxes[..., :2]).reshape(-1, 2)
    return Reading(inside_ground(drive.road.geometry.intersection, points).reshape(drive.shape))


SIGNALS: Mapping[str, Function] = {
    "lane_offset": _offset(ego_lane),
    "heading_error": heading_error,
    "left_lane_offset": _offset(left_lane),
    "right_lane_offset": _offset(right_lane),
    "lane_heading_gap": _heading_gap(ego_lane),
    "left_heading_gap": _heading_gap(left_lane),
    "right_heading_gap": _heading_gap(right_lane),
    "lane_margin": lane_margin,
    "lane_width": lane_width,
    "lane_keep_due": lane_keep_due,
    "drivable_margin": drivable_margin,
    "opposite_margin": opposite_margin,
    "direction_cos": direction_cos,
    "wrong_way_dist": wrong_way_dist,
    "solid_line_margin": absent,
    "speed_limit": speed_limit,
    "visible_range": absent,
    "route_offset": route_offset,
    "in_intersection": in_intersection,
}
