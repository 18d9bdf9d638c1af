"""Centrelines as nuScenes arc line paths: pieces of arc, line, arc with one radius, fitted to points with headings."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.geometry import arc_length, poses_to_frame, wrap_angle

Float = NDArray[np.float64]

# A piece may leave the points it skips by this much; every piece starts exactly on a point, so errors do not add up.
_OFFSET = 2e-3
_TURN = np.deg2rad(0.02)
# Points tried per piece, longest first; one to the next point always exists.
_REACHES = (64, 32, 16, 8, 4, 2, 1)
_RADII = 2000.0 * 0.72 ** np.arange(34)
_SHRINK = np.array((1.0, 0.9999, 0.999, 0.995, 0.98, 0.95, 0.9, 0.8, 0.65, 0.5))
_STRAIGHT_RADIUS = 999.999


@dataclass(frozen=True)
class _Curves:
    """Curves from the pose (0, 0, 0): turn ``first`` [rad] to the side ``before`` (+1 left), go ``straight`` [m],
    turn ``last`` to the side ``after``; both turns have ``radius`` [m]. Every field ``[n]``."""

    radius: Float
    before: Float
    after: Float
    first: Float
    straight: Float
    last: Float

    @property
    def length(self) -> Float:
        """Length [m] of each curve."""
        return self.radius * (self.first + self.last) + self.straight

    def at(self, share: Float) -> Float:
        """Poses ``[n, P, 3]`` at shares ``[P]`` of each curve's length."""
        s = self.length[:, None] * share
        turned = np.minimum(s / self.radius[:, None], self.first[:, None])
        gone = np.clip(s - (self.radius * self.first)[:, None], 0.0, self.straight[:, None])
        back = np.clip(s - (self.radius * self.first + self.straight)[:, None], 0.0, None) / self.radius[:, None]
        heading = self.before[:, None] * turned
        x, y = self._arc(self.before, turned)
        x, y = x + gone * np.cos(heading), y + gone * np.sin(heading)
        end_x, end_y = self._arc(self.after, back)
        x, y = (
            x + end_x * np.cos(heading) - end_y * np.sin(heading),
            y + end_x * np.sin(heading) + end_y * np.cos(heading),
        )
        return np.stack((x, y, heading + self.after[:, None] * back), axis=-1)

    def _arc(self, side: Float, angle: Float) -> tuple[Float, Float]:
        radius = self.radius[:, None]
        return radius * np.sin(angle), side[:, None] * radius * (1 - np.cos(angle))


def fit_arclines(centerline: Float) -> list[dict[str, Any]]:
    """Pieces in the form of ``arcline_path_3`` for a centreline ``[P, 3]`` (x, y [m], heading [rad]), P >= 2.

    Every piece begins and ends on a point of the centreline and passes within 2 mm and 0.02 degrees of those between.
    """
    apart = np.linalg.norm(np.diff(centerline[:, :2], axis=0), axis=1) > 1e-6
    centerline = centerline[np.append(apart, True)]
    pieces, start = [], 0
    while start < len(centerline) - 1:
        for reach in _REACHES:
            if start + reach < len(centerline):
                piece = _fit(centerline[start : start + reach + 1], exact=reach > 1)
                if piece is not None:
                    pieces.append(piece)
                    start += reach
                    break
    return pieces


def _fit(points: Float, exact: bool) -> dict[str, Any] | None:
    """The best single piece from the first to the last point, or None if ``exact`` and it misses the others."""
    local = poses_to_frame(points, points[0])
    curves = _candidates(local[-1])
    travelled = arc_length(local)
    at = curves.at(travelled / travelled[-1])
    off = np.linalg.norm(at[..., :2] - local[:, :2], axis=2).max(axis=1)
    turned = np.abs(wrap_angle(at[..., 2] - local[:, 2])).max(axis=1)
    longer = curves.length - travelled[-1]
    # Compared with the chords of the points, a good curve is longer by its sagitta only.
    score = np.maximum(np.maximum(off / _OFFSET, turned / _TURN), np.abs(longer) / (5e-3 * travelled[-1]))
    best = int(score.argmin())
    if exact and score[best] > 1.0:
        return None
    return _record(points[0], points[-1], curves, best)


def _candidates(end: Float) -> _Curves:
    """Curves turn-straight-turn from (0, 0, 0) to the pose ``end``: the four words, for many radii."""
    x, y, heading = end
    chord2 = x * x + y * y
    # The circle that leaves along the first heading and meets the last point, and the same seen from the other end.
    across = (y, -x * np.sin(heading) + y * np.cos(heading))
    natural = [chord2 / (2 * abs(value)) for value in across if abs(value) > 1e-9]
    radii = np.concatenate([_RADII, *(radius * _SHRINK for radius in natural if radius < 1e5)])
    radius, before, after = (
        grid.ravel() for grid in np.meshgrid(radii, np.array((1.0, -1.0)), np.array((1.0, -1.0)), indexing="ij")
    )
    dx = x - after * radius * np.sin(heading)
    dy = y + after * radius * np.cos(heading) - before * radius
    apart = np.hypot(dx, dy)
    cross = before * after < 0
    possible = ~cross | (apart >= 2 * radius)
    ratio = np.where(cross & possible, 2 * radius / np.maximum(apart, 1e-300), 0.0)
    straight = apart * np.sqrt(np.maximum(1.0 - ratio**2, 0.0))
    direction = np.arctan2(dy, dx) + before * np.arcsin(np.minimum(ratio, 1.0))
    first, last = _positive(before * direction), _positive(after * (heading - direction))
    keep = possible
    return _Curves(radius[keep], before[keep], after[keep], first[keep], straight[keep], last[keep])


def _positive(angle: Float) -> Float:
    """Angles in [0, 2 pi); a hair below a full turn is none at all."""
    angle = np.mod(angle, 2 * np.pi)
    return np.where(angle > 2 * np.pi - 1e-9, 0.0, angle)


def _record(start: Float, end: Float, curves: _Curves, index: int) -> dict[str, Any]:
    radius, first, last = (float(values[index]) for values in (curves.radius, curves.first, curves.last))
    if radius * (first + last) < 1e-7:
        radius = _STRAIGHT_RADIUS
    shape = ("L" if curves.before[index] > 0 else "R") + "S" + ("L" if curves.after[index] > 0 else "R")
    lengths = (float(curves.radius[index]) * first, float(curves.straight[index]), float(curves.radius[index]) * last)
    return {
        "start_pose": [round(float(value), 7) for value in start],
        "end_pose": [round(float(value), 7) for value in end],
        "shape": shape,
        "radius": round(radius, 9),
        "segment_length": [round(length, 7) for length in lengths],
    }
