"""Drives beside a reference drive: its path as a line with arc length, states from (s, d), pace and blends.

``s`` is the arc length [m] along the path, ``d`` the offset [m] to its left. Everything is at 0.1 s.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.geometry import arc_length, wrap_angle
from drive.scene import DT, Scenario
from drive.vehicle import Ego, VehicleParameters

Float = NDArray[np.float64]

SPACING = 0.5  # m
BEYOND = 150.0  # m of road after the end of the reference drive
SNAP = 4.0  # m from the route's centreline: farther away the path goes straight on
MAX_ACCELERATION, MAX_BRAKING, MAX_JERK = 1.8, 3.2, 2.5  # of a pace
DECIDING = 0.8  # s in which a pace closes the gap to what it wants


class Way(NamedTuple):
    """Points every SPACING: ``arc [P]``, ``pose [P, 3]`` (heading unwrapped), ``curvature [P]`` [1/m]."""

    arc: Float
    pose: Float
    curvature: Float

    def at(self, s: Float) -> tuple[Float, Float]:
        """Poses ``[K, 3]`` and curvatures ``[K]`` at arc lengths ``s [K]``."""
        pose = np.stack([np.interp(s, self.arc, column) for column in self.pose.T], axis=1)
        return pose, np.interp(s, self.arc, self.curvature)

    def locate(self, points: Float) -> tuple[Float, Float]:
        """Arc length and offset of points ``[K, 2]``, each ``[K]``."""
        gap = (points[:, :1] - self.pose[:, 0]) ** 2 + (points[:, 1:2] - self.pose[:, 1]) ** 2
        row = np.clip(gap.argmin(axis=1), 0, len(self.arc) - 1)
        x, y, heading = self.pose[row].T
        dx, dy = points[:, 0] - x, points[:, 1] - y
        cos, sin = np.cos(heading), np.sin(heading)
        return self.arc[row] + dx * cos + dy * sin, dy * cos - dx * sin


def way_of(scenario: Scenario, first: int) -> Way:
    """The path of the reference from scene step ``first`` on, and the route after its end."""
    driven = scenario.reference[first:, :2]
    arc = arc_length(driven)
    kept = np.concatenate(((0,), 1 + np.flatnonzero(np.diff(np.floor(arc / SPACING)) > 0.0)))
    points = driven[kept]
    last = scenario.reference[-1]
    points = np.concatenate((points, _ahead(scenario, last[:3], points[-1])))
    arc = arc_length(points)
    stations = np.arange(0.0, arc[-1], SPACING)
    x, y = (_smooth(np.interp(stations, arc, column)) for column in points.T)
    heading = np.unwrap(np.arctan2(np.gradient(y), np.gradient(x)))
    curvature = _smooth(np.gradient(heading, SPACING))
    return Way(arc_length(np.column_stack((x, y))), np.column_stack((x, y, heading)), curvature)


def _ahead(scenario: Scenario, pose: Float, begin: Float) -> Float:
    """Points after ``begin [2]``: along the centreline of the route, at the offset kept so far; straight on where
    there is none."""
    straight = pose[:2] + np.arange(1.0, BEYOND)[:, None] * np.array((np.cos(pose[2]), np.sin(pose[2])))
    world = scenario.map
    if not len(scenario.route):
        return straight
    line = np.concatenate([world.lane_centerline(int(lane)) for lane in scenario.route])
    row = int(np.hypot(line[:, 0] - pose[0], line[:, 1] - pose[1]).argmin())
    offset = pose[:2] - line[row, :2]
    aside = float(offset @ np.array((-np.sin(line[row, 2]), np.cos(line[row, 2]))))
    if np.hypot(*offset) > SNAP or abs(wrap_angle(line[row, 2] - pose[2])) > np.pi / 4:
        return straight
    rest = line[row:, :2] + aside * np.column_stack((-np.sin(line[row:, 2]), np.cos(line[row:, 2])))
    rest = rest[(rest - pose[:2]) @ np.array((np.cos(pose[2]), np.sin(pose[2]))) > 2.0]
    if not len(rest):
        return straight
    end = line[-1, 2]
    tail = rest[-1] + np.arange(1.0, BEYOND)[:, None] * np.array((np.cos(end), np.sin(end)))
    joined = np.concatenate((rest, tail))
    return joined[arc_length(np.concatenate((begin[None], joined)))[1:] < BEYOND]


def _smooth(values: Float) -> Float:
    window = 5 if len(values) >= 5 else 1
    padded = np.pad(values, window // 2, mode="reflect", reflect_type="odd")
    return np.convolve(padded, np.full(window, 1.0 / window), mode="valid")


def states_beside(way: Way, s: Float, d: Float, slope: Float, vehicle: VehicleParameters) -> Float:
    """Ego states ``[K, 11]`` of a drive at arc lengths ``s [K]`` and offsets ``d [K]``; ``slope [K]`` is dd/ds."""
    pose, bend = way.at(s)
    stretch = 1.0 - bend * d
    states = np.zeros((len(s), len(Ego)))
    states[:, Ego.X] = pose[:, 0] - d * np.sin(pose[:, 2])
    states[:, Ego.Y] = pose[:, 1] + d * np.cos(pose[:, 2])
    heading = pose[:, 2] + np.arctan2(slope, stretch)
    speed = np.gradient(s, DT, edge_order=2) * np.hypot(stretch, slope)
    return with_motion(states, heading, np.maximum(speed, 0.0), vehicle)


def with_motion(states: Float, heading: Float, speed: Float, vehicle: VehicleParameters) -> Float:
    """Fill in what follows from positions, ``heading [K]`` and ``speed [K]`` of a bicycle."""
    yaw_rate = np.gradient(heading, DT)
    states[:, Ego.HEADING] = wrap_angle(heading)
    states[:, Ego.VX] = speed
    states[:, Ego.AX] = np.gradient(speed, DT)
    states[:, Ego.AY] = speed * yaw_rate
    states[:, Ego.STEERING] = np.arctan(vehicle.wheelbase * yaw_rate / np.maximum(speed, 0.5))
    states[:, Ego.STEERING_RATE] = np.gradient(states[:, Ego.STEERING], DT)
    states[:, Ego.YAW_RATE] = yaw_rate
    states[:, Ego.YAW_ACCELERATION] = np.gradient(yaw_rate, DT)
    return states


def pace(s: float, speed: float, acceleration: float, wanted: Float, catch: Float | None = None) -> Float:
    """Arc lengths ``[K+1]`` of a driver who goes for the speeds ``wanted [K]`` [m/s] with bearable pedals.

    With ``catch [K]`` (arc lengths) the gap to these is closed as well.
    """
    arcs = np.empty(len(wanted) + 1)
    arcs[0] = s
    for k, target in enumerate(wanted):
        if catch is not None:
            target = max(target + (catch[k] - s) / 2.0, 0.0)
        pedal = min(max((target - speed) / DECIDING, -MAX_BRAKING), MAX_ACCELERATION)
        acceleration = min(max(pedal, acceleration - MAX_JERK * DT), acceleration + MAX_JERK * DT)
        after = max(speed + acceleration * DT, 0.0)
        if after == 0.0:
            acceleration = 0.0
        s += 0.5 * (speed + after) * DT
        speed = after
        arcs[k + 1] = s
    return arcs


def quintic(begin: tuple[float, float, float], end: tuple[float, float, float], duration: float, at: Float) -> Float:
    """Values at ``at [K]`` of the polynomial of degree five from (value, rate, curvature) ``begin`` to ``end``."""
    p, v, a = begin
    q, w, b = end
    t = duration
    gap = q - (p + v * t + 0.5 * a * t * t)
    rate = w - (v + a * t)
    bend = b - a
    c3 = (10.0 * gap - 4.0 * rate * t + 0.5 * bend * t * t) / t**3
    c4 = (-15.0 * gap + 7.0 * rate * t - bend * t * t) / t**4
    c5 = (6.0 * gap - 3.0 * rate * t + 0.5 * bend * t * t) / t**5
    return p + v * at + 0.5 * a * at**2 + c3 * at**3 + c4 * at**4 + c5 * at**5


def shift(s: Float, begin: tuple[float, float], end: float, length: float) -> tuple[Float, Float]:
    """Offsets and slopes ``[K]`` along ``s [K]`` from offset and slope ``begin`` to ``end``, over ``length`` [m]."""
    way = np.minimum(s - s[0], length)
    d = quintic((begin[0], begin[1], 0.0), (end, 0.0, 0.0), length, way)
    step = 1e-3
    ahead = quintic((begin[0], begin[1], 0.0), (end, 0.0, 0.0), length, way + step)
    slope = np.where(s - s[0] < length, (ahead - d) / step, 0.0)
    return d, slope
