"""Planar rigid geometry on NumPy arrays: angles, frames, boxes, arc length. Compiled: ``drive.kernels``."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def wrap_angle(angle: ArrayLike) -> Array:
    """Wrap angles [rad] of any shape to [-pi, pi)."""
    return (np.asarray(angle, np.float64) + np.pi) % (2.0 * np.pi) - np.pi


def to_frame(points: ArrayLike, frame: ArrayLike) -> Array:
    """Express points ``[..., 2]`` [m] in the frame ``(x, y, heading)`` given in the points' own frame."""
    x, y, heading = np.asarray(frame, np.float64)
    shifted = np.asarray(points, np.float64) - (x, y)
    return rotate(shifted, -heading)


def from_frame(points: ArrayLike, frame: ArrayLike) -> Array:
    """Inverse of :func:`to_frame`: points ``[..., 2]`` [m] of the frame back to the frame it is given in."""
    x, y, heading = np.asarray(frame, np.float64)
    return rotate(points, heading) + np.array((x, y))


def rotate(vectors: ArrayLike, angle: float) -> Array:
    """Rotate vectors ``[..., 2]`` counter-clockwise by one angle [rad]."""
    vectors = np.asarray(vectors, np.float64)
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.empty_like(vectors)
    turned[..., 0] = cos * vectors[..., 0] - sin * vectors[..., 1]
    turned[..., 1] = sin * vectors[..., 0] + cos * vectors[..., 1]
    return turned


def poses_to_frame(poses: ArrayLike, frame: ArrayLike) -> Array:
    """Express poses ``[..., 3]`` (x, y [m], heading [rad]) in the frame ``(x, y, heading)``."""
    poses = np.asarray(poses, np.float64)
    moved = np.empty_like(poses)
    moved[..., :2] = to_frame(poses[..., :2], frame)
    moved[..., 2] = wrap_angle(poses[..., 2] - np.asarray(frame, np.float64)[2])
    return moved


def poses_from_frame(poses: ArrayLike, frame: ArrayLike) -> Array:
    """Inverse of :func:`poses_to_frame`."""
    poses = np.asarray(poses, np.float64)
    moved = np.empty_like(poses)
    moved[..., :2] = from_frame(poses[..., :2], frame)
    moved[..., 2] = wrap_angle(poses[..., 2] + np.asarray(frame, np.float64)[2])
    return moved


def box_corners(center: ArrayLike, heading: ArrayLike, size: ArrayLike) -> Array:
    """Corners ``[..., 4, 2]`` [m] of boxes in the order front-left, rear-left, rear-right, front-right.

    ``center`` [..., 2] m, ``heading`` [...] rad, ``size`` [..., 2] (length, width) m; leading axes broadcast.
    """
    center, heading, size = (np.asarray(value, np.float64) for value in (center, heading, size))
    cos, sin = np.cos(heading), np.sin(heading)
    forward = np.stack((cos, sin), axis=-1) * size[..., :1] / 2
    left = np.stack((-sin, cos), axis=-1) * size[..., 1:] / 2
    return np.stack((forward + left, left - forward, -forward - left, forward - left), axis=-2) + center[..., None, :]


def arc_length(points: ArrayLike) -> Array:
    """Distance travelled ``[P]`` [m] at each point of a polyline ``[P, 2]``; the first entry is 0."""
    steps = np.linalg.norm(np.diff(np.asarray(points, np.float64)[:, :2], axis=0), axis=1)
    return np.concatenate(((0.0,), np.cumsum(steps)))
