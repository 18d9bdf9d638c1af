"""Road geometry: reference lines of linear curvature, offsets, tapers, and curves that join two poses.

A *curve* is an array ``[P, 4]`` float64: x, y [m], heading [rad], curvature [1/m] (left positive), points in travel
direction. Headings are those of the analytic curve, never finite differences.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.geometry import wrap_angle
from drive.kernels import kernel

Float = NDArray[np.float64]

SPACING = 1.0
FINE_SPACING = 0.5
FINE_CURVATURE = 1.0 / 30.0
MAX_CURVATURE = 1.0 / 3.5

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)


@kernel
def _integrate(start, segments, stations, nodes, weights):  # type: ignore[no-untyped-def]
    out = np.empty((len(stations), 4))
    x, y, base = start[0], start[1], start[2]
    segment, used, reached = 0, 0.0, 0.0
    for row in range(len(stations)):
        while True:
            length, k0, k1 = segments[segment]
            step = min(0.5, stations[row] - reached, length - used)
            if step > 0.0:
                for node in range(len(nodes)):
                    u = used + step * 0.5 * (nodes[node] + 1.0)
                    heading = base + k0 * u + 0.5 * k1 * u * u
                    x += 0.5 * step * weights[node] * np.cos(heading)
                    y += 0.5 * step * weights[node] * np.sin(heading)
                used += step
                reached += step
            if length - used <= 1e-12 and segment < len(segments) - 1 and stations[row] - reached > 1e-12:
                base += k0 * length + 0.5 * k1 * length * length
                segment, used = segment + 1, 0.0
            elif stations[row] - reached <= 1e-12 or step <= 0.0:
                break
        out[row, 0], out[row, 1] = x, y
        out[row, 2] = base + k0 * used + 0.5 * k1 * used * used
        out[row, 3] = k0 + k1 * used
    return out


@dataclass(frozen=True)
class ReferenceLine:
    """A chain of segments whose curvature is ``k0 + k1 * s``: lines, arcs and clothoids.

    Attributes:
        start: Pose ``[3]`` (x, y [m], heading [rad]) of the first point.
        segments: ``[S, 3]`` float64: length [m], k0 [1/m], k1 [1/m2].
    """

    start: Float
    segments: Float

    @property
    def length(self) -> float:
        """Length [m] of the whole chain."""
        return float(self.segments[:, 0].sum())

    def sample(self, stations: ArrayLike) -> Float:
        """Curve ``[P, 4]`` at ascending ``stations [P]`` [m].

        Positions by 5-point Gauss-Legendre on steps of at most 0.5 m: error below 1e-8 m for curvatures under 0.2.
        """
        stations = np.ascontiguousarray(stations, np.float64)
        start = np.ascontiguousarray(self.start, np.float64)
        curve = _integrate(start, np.ascontiguousarray(self.segments), stations, _NODES, _WEIGHTS)
        curve[:, 2] = wrap_angle(curve[:, 2])
        return curve

    def curve(self) -> Float:
        """The whole line, one point every metre, every half metre where the radius is below 30 m."""
        pieces = [np.zeros(1)]
        reached = 0.0
        for length, k0, k1 in self.segments:
            bend = max(abs(k0), abs(k0 + k1 * length))
            count = max(1, int(np.ceil(length / (FINE_SPACING if bend > FINE_CURVATURE else SPACING) - 1e-9)))
            pieces.append(reached + length * np.arange(1, count + 1) / count)
            reached += length
        return self.sample(np.concatenate(pieces))


def offset(curve: Float, distance: float) -> Float:
    """The parallel curve ``distance`` [m] to the left (negative: right); needs ``|curvature * distance| < 0.7``."""
    shifted = curve.copy()
    shifted[:, 0] -= distance * np.sin(curve[:, 2])
    shifted[:, 1] += distance * np.cos(curve[:, 2])
    shifted[:, 3] = curve[:, 3] / (1.0 - distance * curve[:, 3])
    return shifted


def reverse(curve: Float) -> Float:
    """The same curve travelled the other way."""
    flipped = curve[::-1].copy()
    flipped[:, 2] = wrap_angle(flipped[:, 2] + np.pi)
    flipped[:, 3] *= -1.0
    return flipped


def ribbon(curve: Float, left: float | Float, right: float | Float) -> Float:
    """Counter-clockwise ring ``[2 P, 2]`` [m] from ``right`` to ``left`` metres beside the curve (scalars or
    ``[P]``)."""
    normal = np.stack((-np.sin(curve[:, 2]), np.cos(curve[:, 2])), axis=1)
    left_edge = curve[:, :2] + normal * np.broadcast_to(left, len(curve))[:, None]
    right_edge = curve[:, :2] - normal * np.broadcast_to(right, len(curve))[:, None]
    return np.concatenate((right_edge, left_edge[::-1]))


def transform(curve: Float, pose: ArrayLike) -> Float:
    """Move a curve ``[P, >= 2]`` by the rigid motion that takes the origin to ``pose`` (x, y, heading)."""
    x, y, heading = np.asarray(pose, np.float64)
    cos, sin = np.cos(heading), np.sin(heading)
    moved = np.array(curve, np.float64)
    moved[..., 0] = x + cos * curve[..., 0] - sin * curve[..., 1]
    moved[..., 1] = y + sin * curve[..., 0] + cos * curve[..., 1]
    if moved.shape[-1] > 2:
        moved[..., 2] = wrap_angle(moved[..., 2] + heading)
    return moved


def smooth_step(u: ArrayLike) -> Float:
    """Quintic ``10 u^3 - 15 u^4 + 6 u^5`` on [0, 1]: value and two derivatives are continuous at both ends."""
    u = np.clip(np.asarray(u, np.float64), 0.0, 1.0)
    return u * u * u * (10.0 + u * (6.0 * u - 15.0))


def sideways(length: float, shift: float) -> Float:
    """Curve ``[P, 4]`` that starts along x at the origin and ends ``length`` [m] further on, ``shift`` [m] to the left.

    The quintic of lane changes and tapers: heading and curvature are 0 at both ends.
    """
    u = np.linspace(0.0, 1.0, max(3, int(np.ceil(np.hypot(length, shift) / SPACING)) + 1))
    slope = shift / length * 30.0 * (u - u * u) ** 2
    second = shift / length**2 * (60.0 * u - 180.0 * u**2 + 120.0 * u**3)
    return np.column_stack((length * u, shift * smooth_step(u), np.arctan(slope), second / (1.0 + slope**2) ** 1.5))


def lengths(curve: Float) -> Float:
    """Arc length ``[P]`` [m] at each point, from chords corrected for curvature."""
    chord = np.hypot(np.diff(curve[:, 0]), np.diff(curve[:, 1]))
    turn = wrap_angle(np.diff(curve[:, 2])) / 2.0
    return np.concatenate(((0.0,), np.cumsum(chord * (1.0 + turn * turn / 6.0))))


def bend_segments(angle: float, radius: float, clothoid_share: float) -> Float:
    """Segments ``[3, 3]`` of a clothoid-arc-clothoid through ``angle`` [rad] (left positive) with the least ``radius``.

    ``clothoid_share`` of the angle is turned on the two clothoids together.
    """
    curvature = np.sign(angle) / radius
    entry = clothoid_share * abs(angle) * radius
    arc = (1.0 - clothoid_share) * abs(angle) * radius
    return np.array(((entry, 0.0, curvature / entry), (arc, curvature, 0.0), (entry, curvature, -curvature / entry)))


def join(start: ArrayLike, end: ArrayLike, most_tangent: float = np.inf, least_radius: float = 3.5) -> Float | None:
    """A drivable curve between two poses ``[3]``, or None where neither form is.

    A turn is line-clothoid-arc-clothoid-line, its bend starting at most ``most_tangent`` [m] before the corner where
    the two tangents meet. Poses that no such chain joins, and slight shifts, get a quintic Hermite curve. Either way
    the curvature stays within ``1 / least_radius``.
    """
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    angle = float(wrap_angle(end[2] - start[2]))
    if np.radians(8.0) < abs(angle) < np.radians(150.0):
        chain = _turn(start, end, angle, most_tangent, least_radius)
        if chain is not None:
            return chain
    return _hermite(start, end, least_radius)


def _turn(start: Float, end: Float, angle: float, most_tangent: float, least_radius: float) -> Float | None:
    forward = np.array((np.cos(start[2]), np.sin(start[2])))
    gap = end[:2] - start[:2]
    cross = np.sin(angle)
    before = (gap[0] * np.sin(end[2]) - gap[1] * np.cos(end[2])) / cross
    after = (forward[0] * gap[1] - forward[1] * gap[0]) / cross
    if min(before, after) < 1.0:
        return None
    share = 0.5
    unit = ReferenceLine(np.zeros(3), bend_segments(angle, 1.0, share)).sample(np.array((abs(angle) * (1.0 + share),)))
    tangent_of_unit = abs(unit[0, 1] / np.sin(angle))
    tangent = min(before, after, most_tangent)
    for side in (before, after, before):  # what is right for one end may leave a crumb at the other
        if 0.0 < side - tangent < 0.3:  # no crumb of a straight at either end
            tangent = side - 0.3
    radius = tangent / tangent_of_unit
    if radius < least_radius:
        return None
    segments = [
        np.array(((before - tangent, 0.0, 0.0),)),
        bend_segments(angle, radius, share),
        np.array(((after - tangent, 0.0, 0.0),)),
    ]
    chain = np.concatenate(segments)
    curve = ReferenceLine(start, chain[chain[:, 0] > 1e-9]).curve()
    curve[-1, :3] = end
    return curve


def blend(start: ArrayLike, end: ArrayLike, least_radius: float = 3.5) -> Float | None:
    """A curve between two poses with curvature ``[4]`` that meets both curvatures, or None where it would be too tight.

    A quintic Hermite curve, the gentlest of a few lengths of its end tangents.
    """
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    best, gentlest = None, np.inf
    for stretch in (0.8, 1.0, 1.2, 1.4):
        curve = _hermite(start, end, least_radius, stretch)
        if curve is not None:
            change = float(np.abs(np.diff(curve[:, 3]) / np.diff(lengths(curve))).max())
            if change < gentlest:
                best, gentlest = curve, change
    return best


def _hermite(start: Float, end: Float, least_radius: float, stretch: float = 1.0) -> Float | None:
    """Quintic Hermite curve between poses; curvature 0 at the ends, or that of a fourth column."""
    chord = float(np.hypot(*(end[:2] - start[:2])))
    if chord < 1.0:
        return None
    spacing = FINE_SPACING if abs(wrap_angle(end[2] - start[2])) > 0.3 else SPACING
    u = np.linspace(0.0, 1.0, max(3, int(np.ceil(chord / spacing)) + 1))
    tangents = [stretch * chord * np.array((np.cos(pose[2]), np.sin(pose[2]))) for pose in (start, end)]
    bends = [
        (pose[3] if len(pose) > 3 else 0.0) * (stretch * chord) ** 2 * np.array((-np.sin(pose[2]), np.cos(pose[2])))
        for pose in (start, end)
    ]
    h1, h0 = smooth_step(u), 1.0 - smooth_step(u)
    g0 = u - 6 * u**3 + 8 * u**4 - 3 * u**5
    g1 = -4 * u**3 + 7 * u**4 - 3 * u**5
    k0 = (u**2 - 3 * u**3 + 3 * u**4 - u**5) / 2
    k1 = (u**3 - 2 * u**4 + u**5) / 2
    dh = 30 * u**2 - 60 * u**3 + 30 * u**4
    dg0 = 1 - 18 * u**2 + 32 * u**3 - 15 * u**4
    dg1 = -12 * u**2 + 28 * u**3 - 15 * u**4
    dk0 = (2 * u - 9 * u**2 + 12 * u**3 - 5 * u**4) / 2
    dk1 = (3 * u**2 - 8 * u**3 + 5 * u**4) / 2
    ddh = 60 * u - 180 * u**2 + 120 * u**3
    ddg0 = -36 * u + 96 * u**2 - 60 * u**3
    ddg1 = -24 * u + 84 * u**2 - 60 * u**3
    ddk0 = (2 - 18 * u + 36 * u**2 - 20 * u**3) / 2
    ddk1 = (6 * u - 24 * u**2 + 20 * u**3) / 2
    point = np.outer(h0, start[:2]) + np.outer(h1, end[:2]) + np.outer(g0, tangents[0]) + np.outer(g1, tangents[1])
    point += np.outer(k0, bends[0]) + np.outer(k1, bends[1])
    first = np.outer(dh, end[:2] - start[:2]) + np.outer(dg0, tangents[0]) + np.outer(dg1, tangents[1])
    first += np.outer(dk0, bends[0]) + np.outer(dk1, bends[1])
    second = np.outer(ddh, end[:2] - start[:2]) + np.outer(ddg0, tangents[0]) + np.outer(ddg1, tangents[1])
    second += np.outer(ddk0, bends[0]) + np.outer(ddk1, bends[1])
    speed = np.hypot(first[:, 0], first[:, 1])
    if speed.min() < 0.2 * chord:
        return None
    curvature = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / speed**3
    if np.abs(curvature).max() > 1.0 / least_radius:
        return None
    curve = np.column_stack((point, np.arctan2(first[:, 1], first[:, 0]), curvature))
    curve[0, :3], curve[-1, :3] = start[:3], end[:3]
    curve[:, 2] = wrap_angle(curve[:, 2])
    return curve
