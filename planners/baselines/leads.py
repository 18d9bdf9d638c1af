"""What the ego must keep behind on its path: road users in its corridor, those about to enter it, and red lights."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drive.geometry import box_corners
from drive.map import StopCause
from drive.observation import Observation
from drive.scene import LightState
from drive.vehicle import VehicleParameters
from planners.baselines.pace import BRAKING
from planners.baselines.route import SPACING, Path, Route

Float = NDArray[np.float64]

STANDING = 0.5  # m/s; slower agents are not predicted
HORIZON = 3.0  # s of constant-velocity prediction for agents that cross
MERGE_HORIZON = 1.5  # s for agents that drive along and drift into the corridor
ALONGSIDE = 10.0  # m; up to here agents that drive along are predicted along the path, not straight on
PARALLEL = math.cos(math.radians(30))
STOP_LINE_SEARCH = 20.0  # m before the lane a light governs in which its stop line is looked for
LIGHT_BRAKING = 3.0  # m/s2; a yellow light that would need more is driven through


@dataclass(frozen=True)
class Lead:
    """Something to keep behind: its rear at ``arc`` [m] on the path now, moving along it at ``speed`` [m/s] (negative:
    toward the ego), in the way from ``since`` until ``until`` [s from now]."""

    arc: float
    speed: float
    since: float = 0.0
    until: float = math.inf


@dataclass(frozen=True)
class Corridor:
    """The strip of road the ego's body sweeps on a path, with a margin.

    Attributes:
        path: Of the rear axle.
        left, right: ``[Q]`` [m] to both sides of each sample of the path. On the outside of a bend the front corner
            swings out: the strip is wider there for as long as the bumper is ahead of the axle.
        front: Of the ego, from the rear axle [m].
    """

    path: Path
    left: Float
    right: Float
    front: float

    @staticmethod
    def along(path: Path, vehicle: VehicleParameters, margin: float) -> "Corridor":
        """The corridor of a vehicle with ``margin`` [m] on both sides."""
        half = vehicle.width / 2
        behind = np.arange(int(vehicle.front / SPACING) + 1)  # samples the rear axle may be at
        window = np.maximum(np.arange(len(path.arc))[:, None] - behind, 0)
        swing = []
        for sign in (-1.0, 1.0):  # the left side is the outside of bends to the right
            bend = np.maximum((sign * path.curvature)[window].max(axis=1), 1e-6)
            radius = 1 / bend + half
            swing.append(np.sqrt(radius**2 + vehicle.front**2) - radius)
        return Corridor(path, half + margin + swing[0], half + margin + swing[1], vehicle.front)

    def inside(self, points: Float) -> tuple[Float, NDArray[np.bool_]]:
        """Arc [m] of each point ``[..., 2]``, and whether it is in the corridor ahead of the front bumper."""
        arc, lateral, near = self.path.project(points)
        within = (lateral < self.left[near]) & (-lateral < self.right[near])
        return arc, within & (arc > self.front) & (arc < self.path.arc[-1])


def find_leads(
    observation: Observation, path: Path, vehicle: VehicleParameters, speed: float, margin: float
) -> list[Lead]:
    """Road users and objects to keep behind.

    The corridor is the ego's width plus ``margin`` [m] on both sides of the path. An agent in it now is a lead. An
    agent outside is predicted at constant velocity: one that drives along with the ego, in coordinates along the path
    (so that a bend does not carry the neighbouring lane into ours); one that crosses, straight on, and it counts only
    where the ego, keeping its speed, would be there at the same time. Oncoming traffic outside the corridor is trusted
    to stay there.
    """
    half = vehicle.width / 2 + margin
    corridor = Corridor.along(path, vehicle, margin)
    widest = max(corridor.left.max(), corridor.right.max())
    position, heading = observation.agent_position[:, -1], observation.agent_heading[:, -1]
    velocity, size = observation.agent_velocity[:, -1], observation.agent_size
    pace = np.linalg.norm(velocity, axis=1)
    reach = np.hypot(size[:, 0], size[:, 1]) / 2 + widest + pace * HORIZON
    if not len(reach):
        return []
    arc, lateral, _ = path.project(position)
    near = observation.agent_valid[:, -1] & (np.abs(lateral) < reach) & (-reach < arc) & (arc < path.arc[-1] + reach)
    leads: list[Lead] = []
    for agent in np.flatnonzero(near):
        outline = _outline(position[agent], heading[agent], size[agent])
        lead = _inside_now(corridor, outline, velocity[agent])
        if lead is None and pace[agent] > STANDING:
            road = float(np.interp(arc[agent], path.arc, path.heading))
            along = float(velocity[agent] @ (math.cos(road), math.sin(road)))
            if abs(along) > PARALLEL * pace[agent] and abs(lateral[agent]) < ALONGSIDE:
                sideways = float(velocity[agent] @ (-math.sin(road), math.cos(road)))
                lead = _merging(arc[agent], lateral[agent], along, sideways, size[agent], half, vehicle.front, speed)
            else:
                lead = _crossing(corridor, outline, velocity[agent], vehicle, speed)
        if lead is not None:
            leads.append(lead)
    return leads


def _outline(position: Float, heading: float, size: Float) -> Float:
    """Points ``[16, 2]`` around a box, the corners among them."""
    corners = box_corners(position, heading, size)
    share = np.arange(4)[:, None, None] / 4
    return (corners + share * (np.roll(corners, -1, axis=0) - corners)).reshape(-1, 2)


def _inside_now(corridor: Corridor, outline: Float, velocity: Float) -> Lead | None:
    arc, inside = corridor.inside(outline)
    if not inside.any():
        return None
    rear = float(arc[inside].min())
    road = float(np.interp(rear, corridor.path.arc, corridor.path.heading))
    return Lead(rear, float(velocity @ (math.cos(road), math.sin(road))))


def _merging(
    arc: float, lateral: float, along: float, sideways: float, size: Float, half: float, front: float, speed: float
) -> Lead | None:
    """An agent that drives along and comes closer sideways."""
    closing = -math.copysign(1.0, lateral) * sideways
    gap = abs(lateral) - size[1] / 2 - half
    if along <= 0 or closing <= 0.1 or gap > closing * MERGE_HORIZON:
        return None
    since = max(gap / closing, 0.0)
    rear = arc - size[0] / 2
    if rear + (along - speed) * since < front:
        return None  # it would come in beside or behind the ego: not the ego's to solve
    return Lead(rear, along, since)


def _crossing(
    corridor: Corridor, outline: Float, velocity: Float, vehicle: VehicleParameters, speed: float
) -> Lead | None:
    """An agent that crosses the corridor while the ego passes there."""
    times = np.arange(0.25, HORIZON + 0.01, 0.25)
    center = outline.mean(axis=0)
    _, lateral, near = corridor.path.project(center + times[:, None] * velocity)
    reach = np.maximum(corridor.left, corridor.right)[near] + np.linalg.norm(outline - center, axis=1).max()
    times = times[np.abs(lateral) < reach]
    arc, inside = corridor.inside(outline + times[:, None, None] * velocity)
    if not inside.any():
        return None
    occupied = np.flatnonzero(inside.any(axis=1))
    begin, end = times[occupied[0]], times[occupied[-1]]
    pace = max(speed, 2.0)
    nearest, farthest = float(arc[inside].min()), float(arc[inside].max())
    arrives, leaves = (nearest - vehicle.front) / pace, (farthest + vehicle.rear) / pace
    if arrives > end + 0.5 or leaves < begin - 0.5:
        return None
    return Lead(nearest, 0.0, until=end + 0.25)


def stop_for_lights(
    observation: Observation, route: Route, path: Path, vehicle: VehicleParameters, speed: float
) -> float:
    """Arc [m] on the path of the first stop line the ego has to stop at because of a light, or infinity.

    The line is the signal's stop line where the map has one across the route, else where the governed lane begins. A
    line the front bumper has passed is not stopped at, and neither is a yellow one that comes too late to stop.
    """
    state = np.where(route.lane >= 0, observation.lane_light[route.lane], LightState.UNKNOWN)
    begins = np.flatnonzero(np.diff(route.lane, prepend=-2) != 0)
    ahead = math.inf
    for sample in begins[np.isin(state[begins], (LightState.RED, LightState.YELLOW))]:
        line = float(np.interp(_stop_line(observation, route, int(sample)), path.route_arc, path.arc, right=math.inf))
        gap = line - vehicle.front
        braking = LIGHT_BRAKING if state[sample] == LightState.YELLOW else 2 * BRAKING + LIGHT_BRAKING
        if gap > 0 and speed**2 / 2 <= braking * gap:
            ahead = min(ahead, line)
    return ahead


def _stop_line(observation: Observation, route: Route, sample: int) -> float:
    """Route arc [m] of the signal's stop line that belongs to the lane beginning at ``sample``."""
    spacing = float(np.linalg.norm(route.points[1] - route.points[0]))
    low = max(sample - int(STOP_LINE_SEARCH / spacing), 0)
    points = route.points[low : sample + int(3.0 / spacing)]
    segments = observation.stop_segment[observation.stop_cause == StopCause.SIGNAL]
    crossings = [index for start, stop in segments if (index := _crossing_index(points, start, stop)) is not None]
    return (low + max(crossings)) * spacing if crossings else sample * spacing


def _crossing_index(points: Float, start: Float, stop: Float) -> int | None:
    """Index of the step of a polyline that crosses the segment, or None."""
    along = stop - start
    side = along[0] * (points[:, 1] - start[1]) - along[1] * (points[:, 0] - start[0])
    share = ((points - start) @ along) / max(float(along @ along), 1e-9)
    crossed = (side[:-1] * side[1:] <= 0) & (share[:-1] > -0.05) & (share[:-1] < 1.05)
    return int(np.argmax(crossed)) if crossed.any() else None
