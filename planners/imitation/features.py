"""What the network reads of an observation: fixed arrays along the path onto the route, and the path they belong to."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.map import StopCause
from drive.observation import Observation
from drive.scene import STATIC_KINDS, AgentKind, Cue, LightState
from drive.vehicle import Ego
from planners.baselines.route import SPACING, Path, Route, build_route, steer_onto

Float32 = NDArray[np.float32]

REACH = 100.0  # m of path ahead
ROUTE_STEP = 6.0  # m
ROUTE_ROWS = 16
ROUTE_COLUMNS = 2
LINES = 5  # red light, yellow light, stop or yield sign, crossing, end of the map
PAST = 8  # speeds every 0.25 s
EGO_COLUMNS = 7
AGENTS = 24
AGENT_RADIUS = 70.0  # m
AGENT_COLUMNS = 20
_VEHICLES = AgentKind.MOTORCYCLE  # kinds below it have two tracks


class Features(NamedTuple):
    """One sample per row of the first axis B, float32; lengths in tens of metres, speeds in tens of m/s.

    ``ego [B, 7]`` state of the ego on its path; ``past [B, 8]`` its speeds so far; ``route [B, 16, 2]`` curvature and
    limit ahead; ``lines [B, 5]`` distance to what one stops for; ``agents [B, 24, 20]`` in the frame of the path,
    nearest first, all zero where there is none.
    """

    ego: Float32
    past: Float32
    route: Float32
    lines: Float32
    agents: Float32


@dataclass(frozen=True)
class Sight:
    """Features of one observation (``B = 1``) and the path in whose frame they are."""

    features: Features
    path: Path


def look(observation: Observation) -> Sight:
    """Features of an observation."""
    ego = observation.ego[-1]
    route = build_route(observation)
    path = steer_onto(route, REACH + 10.0, float(ego[Ego.VX]))
    rows = np.minimum((ROUTE_STEP * np.arange(ROUTE_ROWS) / SPACING).astype(int), len(path.arc) - 1)
    nearest = min(max(int(route.ego_arc / SPACING), 0), len(route.points) - 1)
    normal = np.array((-np.sin(route.heading[nearest]), np.cos(route.heading[nearest])))
    angle = float(wrap_angle(-route.heading[nearest]))
    state = (
        ego[Ego.VX] / 10.0,
        ego[Ego.AX] / 3.0,
        ego[Ego.YAW_RATE] / 0.5,
        ego[Ego.STEERING] / 0.3,
        float(-route.points[nearest] @ normal) / 2.0,
        angle / 0.3,
        path.speed_limit[0] / 10.0,
    )
    past = observation.ego[-2::-3, Ego.VX][:PAST]
    past = np.pad(past, (0, PAST - len(past)), mode="edge")
    ahead = np.stack((path.curvature[rows] * 10.0, path.speed_limit[rows] / 10.0), axis=1)
    arrays = (state, past / 10.0, ahead, _lines(observation, route, path), _agents(observation, path))
    return Sight(Features(*(np.asarray(values, np.float32)[None] for values in arrays)), path)


def stack(sights: list[Features]) -> Features:
    """Samples one after the other."""
    return Features(*(np.concatenate(arrays) for arrays in zip(*sights, strict=True)))


def _lines(observation: Observation, route: Route, path: Path) -> NDArray[np.float64]:
    """Distance [tens of metres, at most 10] along the path to red, yellow, sign, crossing and end of the map."""
    distance = np.full(LINES, REACH)
    beside = np.clip(path.route_arc / SPACING, 0, len(route.lane) - 1).astype(int)
    lights = observation.lane_light[route.lane[beside]] if len(observation.lane_light) else np.zeros(len(beside))
    for column, state in enumerate((LightState.RED, LightState.YELLOW)):
        if (lights == state).any():
            distance[column] = path.arc[int(np.argmax(lights == state))]
    for segment, cause in zip(observation.stop_segment, observation.stop_cause, strict=True):
        arc = _meets(path, segment)
        if arc is not None and cause != StopCause.SIGNAL:
            column = 3 if cause == StopCause.CROSSWALK else 2
            distance[column] = min(distance[column], arc)
    distance[4] = min(path.end, REACH)
    return np.minimum(distance, REACH) / 10.0


def _meets(path: Path, segment: NDArray[np.float64]) -> float | None:
    """Arc [m] at which the path crosses a segment ``[2, 2]``, or None."""
    step = segment[1] - segment[0]
    side = step[0] * (path.points[:, 1] - segment[0, 1]) - step[1] * (path.points[:, 0] - segment[0, 0])
    for row in np.flatnonzero(side[:-1] * side[1:] < 0.0):
        along = float((path.points[row] - segment[0]) @ step / max(step @ step, 1e-9))
        if 0.0 <= along <= 1.0:
            return float(path.arc[row])
    return None


def _agents(observation: Observation, path: Path) -> NDArray[np.float64]:
    """Rows of the agents that are seen now, nearest first."""
    rows = np.zeros((AGENTS, AGENT_COLUMNS))
    distance = np.hypot(*observation.agent_position[:, -1].T)
    seen = np.flatnonzero(observation.agent_valid[:, -1] & (distance < AGENT_RADIUS))
    seen = seen[np.argsort(distance[seen], kind="stable")][:AGENTS]
    if not len(seen):
        return rows
    position, velocity = observation.agent_position[seen, -1], observation.agent_velocity[seen, -1]
    arc, lateral, near = path.project(position)
    heading = path.heading[near]
    cos, sin = np.cos(heading), np.sin(heading)
    relative = wrap_angle(observation.agent_heading[seen, -1] - heading)
    ago = max(observation.agent_velocity.shape[1] - 6, 0)
    known = observation.agent_valid[seen, ago][:, None]
    change = np.where(known, velocity - observation.agent_velocity[seen, ago], 0.0)
    kind, cues = observation.agent_kind[seen], observation.agent_cues[seen, -1]
    columns = (
        np.ones(len(seen)),
        arc / 10.0,
        lateral / 5.0,
        (velocity[:, 0] * cos + velocity[:, 1] * sin) / 10.0,
        (velocity[:, 1] * cos - velocity[:, 0] * sin) / 5.0,
        (change[:, 0] * cos + change[:, 1] * sin) / 2.0,
        np.cos(relative),
        np.sin(relative),
        observation.agent_size[seen, 0] / 5.0,
        observation.agent_size[seen, 1] / 2.0,
        position[:, 0] / 10.0,
        position[:, 1] / 10.0,
        kind < _VEHICLES,
        (kind == AgentKind.MOTORCYCLE) | (kind == AgentKind.BICYCLE),
        kind == AgentKind.PEDESTRIAN,
        np.isin(kind, list(STATIC_KINDS)),
        (cues & Cue.BRAKE_LIGHT) > 0,
        (cues & Cue.INTENT) > 0,
        (cues & Cue.INDICATOR_LEFT) > 0,
        (cues & Cue.INDICATOR_RIGHT) > 0,
    )
    rows[: len(seen)] = np.stack(columns, axis=1)
    return rows
