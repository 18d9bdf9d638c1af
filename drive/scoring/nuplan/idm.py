"""nuPlan's reactive agents: vehicles on the map's centrelines that follow the Intelligent Driver Model.

Treiber, Hennecke and Helbing, Phys. Rev. E 62 (2000), with the obstacles, gaps and rules of nuPlan devkit 1.2.2. Gaps
are distances between swept footprints, polygons with rounded joints that only GEOS reproduces: hence shapely, no
kernel.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from drive.geometry import box_corners
from drive.kernels.geometry import point_at, project
from drive.scene import STATIC_KINDS, AgentKind, LightState
from drive.scoring.nuplan.inputs import NuplanMap, NuplanTracks, Surfaces
from drive.vehicle import PACIFICA, Ego, center_from_rear_axle

Float = NDArray[np.float64]

FALLBACK_SPEED = 10.0  # m/s, target of an agent whose lane has no limit
MIN_GAP, HEADWAY = 1.0, 1.5  # m, s
ACCELERATION, BRAKING = 1.0, 2.0  # m/s2
EXPONENT = 4
MIN_PATH, RADIUS = 20.0, 100.0  # m
ROUTE_LENGTH = 5
HEADING_CHORD = 0.5  # m of centreline that give its heading where a vehicle is put on it
CURVATURE_CHORD = 2.0  # m between the three points that give the curvature at a segment's start
VEHICLES = tuple(kind for kind in AgentKind if kind <= AgentKind.EMERGENCY)
REPLAYED = (AgentKind.PEDESTRIAN, *STATIC_KINDS)


class Path(NamedTuple):
    """A polyline ``point [P, 2]`` with arc lengths ``arc [P]`` [m] and continuous headings ``heading [P]`` [rad]."""

    point: Float
    arc: Float
    heading: Float

    @staticmethod
    def through(points: Float, headings: Float) -> "Path":
        """Path through points ``[P, 2]``; repeated points are kept for their headings."""
        steps = np.hypot(*np.diff(points, axis=0).T)
        return Path(points, np.concatenate(((0.0,), np.cumsum(steps))), np.unwrap(headings))

    @property
    def length(self) -> float:
        """Length [m]."""
        return float(self.arc[-1])

    def at(self, progress: float) -> tuple[float, float, float]:
        """Pose (x, y, heading) at ``progress``; beyond the ends the end poses."""
        progress = min(max(progress, 0.0), self.length)
        n = min(max(int(np.searchsorted(self.arc, progress)), 1), len(self.arc) - 1)
        length = self.arc[n] - self.arc[n - 1]
        part = (progress - self.arc[n - 1]) / length if length > 0.0 else 0.0
        x, y = self.point[n - 1] + part * (self.point[n] - self.point[n - 1])
        heading = self.heading[n - 1] + part * (self.heading[n] - self.heading[n - 1])
        return float(x), float(y), (heading + math.pi) % (2.0 * math.pi) - math.pi

    def cut(self, start: float, end: float) -> tuple[Float, Float]:
        """Points ``[Q, 2]`` and headings ``[Q]`` from ``start`` to ``end`` [m], both clamped to the path.

        From the very end on it is the path's last piece, as in the reference: never a point, sometimes a step back.
        """
        if start >= self.length:
            return self.point[-2:], self.heading[-2:]
        between = (self.arc > start) & (self.arc < end)
        first, last = self.at(start), self.at(end)
        points = np.vstack((first[:2], self.point[between], last[:2]))
        return points, np.concatenate(((first[2],), self.heading[between], (last[2],)))


class _Agent:
    """One vehicle: its place on its path, its speed, and the shape it is registered with."""

    def __init__(self, track: int, size: Float, world: NuplanMap, lane: int, progress: float, speed: float) -> None:
        self.track = track
        self.length, self.width = float(size[0]), float(size[1])
        self.route = deque((lane,), maxlen=ROUTE_LENGTH)
        self.path = Path.through(*_baseline(world, lane))
        self.progress = progress
        self.speed = speed
        self.target = FALLBACK_SPEED
        self.shape: BaseGeometry = shapely.Point()

    @property
    def pose(self) -> tuple[float, float, float]:
        return self.path.at(self.progress)

    @property
    def path_left(self) -> float:
        return self.path.length - self.progress

    def plan(self, world: NuplanMap, light: NDArray[np.int8]) -> None:
        """Extend the route until the path is long enough or a light or the map ends it."""
        while self.path_left < MIN_PATH + self.target * HEADWAY:
            ahead = [
                lane
                for lane in world.successors[self.route[-1]]
                if (light[lane] == LightState.GREEN if world.signalled[lane] else light[lane] != LightState.RED)
            ]
            if not ahead:
                return
            lane = ahead[int(np.argmin([_start_curvature(world, lane) for lane in ahead]))]
            self.route.append(lane)
            points, headings = self.path.cut(self.progress, self.path.length)
            more_points, more_headings = _baseline(world, lane)
            self.path = Path.through(np.vstack((points, more_points)), np.concatenate((headings, more_headings)))
            self.progress = 0.0

    def corridor(self) -> BaseGeometry:
        """The rest of the path, as wide as the vehicle."""
        points, _ = self.path.cut(self.progress, self.path.length)
        return _band(points, self.width)

    def move(self, gap: float, lead_speed: float, lead_half_length: float, dt: float) -> None:
        """One explicit Euler step behind a lead ``gap`` [m] ahead, then register the swept footprint."""
        speed = self.speed
        wish = MIN_GAP + speed * HEADWAY + speed * (speed - lead_speed) / (2.0 * math.sqrt(ACCELERATION * BRAKING))
        room = max(gap - lead_half_length, MIN_GAP)
        acceleration = ACCELERATION * (1.0 - (speed / self.target) ** EXPONENT - (wish / room) ** 2)
        self.progress += speed * dt
        self.speed = max(0.0, speed + min(max(acceleration, -BRAKING), ACCELERATION) * dt)
        half = self.length / 2
        points, _ = self.path.cut(self.progress - half, self.progress + half + self.speed * HEADWAY)
        self.shape = shapely.union(_band(points, self.width), _box(self.pose, self.length, self.width))


class ReactiveTraffic:
    """Vehicles that react, pedestrians and objects as recorded; bicycles and unplaced vehicles are gone.

    Args:
        world: The map; lanes may be without limits.
        tracks: The recorded tracks over all N iterations; vehicles are taken from the first.
        light: ``[N, L]`` int8 (:class:`drive.scene.LightState`) of every lane, UNKNOWN where nothing is known.
        ego: Ego state ``[11]`` at the first iteration.
    """

    def __init__(self, world: NuplanMap, tracks: NuplanTracks, light: NDArray[np.int8], ego: Float) -> None:
        self._world, self._tracks, self._light = world, tracks, light
        self._stops = [shapely.Polygon(ring) for ring in _rings(world.stop)]
        self._objects = np.flatnonzero(np.isin(tracks.kind, [int(kind) for kind in REPLAYED]))
        self._agents = self._place_agents(ego)
        count, samples = tracks.valid.shape
        self._state = np.zeros((count, samples, 5))
        self._valid = np.zeros((count, samples), np.bool_)
        self._order = [agent.track for agent in self._agents] + self._objects.tolist()
        self._record(0)

    def _place_agents(self, ego: Float) -> list[_Agent]:
        tracks, world = self._tracks, self._world
        taken = [shape for _, shape in self._replayed(0)] + [_ego_shape(ego)]
        agents: list[_Agent] = []
        target = FALLBACK_SPEED
        for a in np.flatnonzero(np.isin(tracks.kind, [int(kind) for kind in VEHICLES]) & tracks.valid[:, 0]).tolist():
            found = _nearest_segment(world, tracks.position[a, 0], float(tracks.heading[a, 0]))
            if found is None:
                continue
            lane, progress, pose = found
            agent = _Agent(a, tracks.size[a], world, lane, progress, float(np.hypot(*tracks.velocity[a, 0])))
            agent.shape = _box(pose, agent.length, agent.width)
            if shapely.intersects(agent.shape, taken).any():
                continue
            taken.append(agent.shape)
            if world.limit[lane] > 0.0:
                target = float(world.limit[lane])
            agent.target = target  # without a limit: that of the vehicle placed before, as in the reference
            agents.append(agent)
        return agents

    def step(self, k: int, ego: Float, dt: float) -> None:
        """Move everything from iteration ``k`` to ``k + 1``; ``ego [11]`` is the ego's state at ``k``."""
        light = self._light[k + 1]
        car, car_speed = _ego_shape(ego), math.hypot(ego[Ego.VX], ego[Ego.VY])
        center = center_from_rear_axle(ego, PACIFICA)
        self._agents = [
            agent
            for agent in self._agents
            if math.hypot(agent.pose[0] - center[0], agent.pose[1] - center[1]) <= RADIUS
        ]
        standing = [shape for _, shape in self._replayed(k + 1)]
        for number, agent in enumerate(self._agents, start=1):
            agent.plan(self._world, light)
            closed = dict.fromkeys(
                stop
                for lane in agent.route
                if self._world.connector[lane] and light[lane] == LightState.RED
                for stop in self._world.stop_lines[lane]
            )
            shapes = [car, *(other.shape for other in self._agents), *standing, *(self._stops[n] for n in closed)]
            hit = shapely.STRtree(shapes).query(agent.corridor(), predicate="intersects")
            hit = hit[hit != number]
            if self._world.limit[agent.route[-1]] > 0.0:
                agent.target = float(self._world.limit[agent.route[-1]])
            if not len(hit):
                agent.move(agent.path_left, 0.0, agent.length / 2, dt)
                continue
            # Of several at the same distance (0: their footprints overlap) the tree's choice counts, as there.
            nearest = int(hit[shapely.STRtree([shapes[n] for n in hit]).nearest(agent.shape)])
            speed, heading = 0.0, agent.pose[2]
            if nearest == 0:
                speed = car_speed * math.cos(ego[Ego.HEADING] - heading)
            elif nearest <= len(self._agents):
                lead = self._agents[nearest - 1]
                speed = lead.speed * math.cos(lead.pose[2] - heading)
            agent.move(float(shapely.distance(agent.shape, shapes[nearest])), speed, 0.0, dt)
        self._record(k + 1)

    def tracks(self) -> NuplanTracks:
        """All simulated and replayed tracks in the order the metrics see them; vehicles before objects."""
        order, recorded = np.array(self._order, np.int64), self._tracks
        state = self._state[order]
        return NuplanTracks(
            tuple(recorded.token[a] for a in order),
            recorded.kind[order],
            recorded.size[order],
            np.ascontiguousarray(state[..., :2]),
            np.ascontiguousarray(state[..., 2]),
            np.ascontiguousarray(state[..., 3:]),
            self._valid[order],
        )

    def states_now(self, k: int) -> tuple[Float, NDArray[np.bool_]]:
        """State ``[A, 5]`` (x, y, heading, vx, vy) and presence ``[A]`` at iteration ``k``, in the recorded order."""
        return self._state[:, k], self._valid[:, k]

    def _record(self, k: int) -> None:
        tracks = self._tracks
        for agent in self._agents:
            x, y, heading = agent.pose
            self._state[agent.track, k] = (
                x,
                y,
                heading,
                agent.speed * math.cos(heading),
                agent.speed * math.sin(heading),
            )
            self._valid[agent.track, k] = True
        for a in self._objects[tracks.valid[self._objects, k]]:
            self._state[a, k] = (*tracks.position[a, k], tracks.heading[a, k], *tracks.velocity[a, k])
            self._valid[a, k] = True

    def _replayed(self, k: int) -> list[tuple[int, BaseGeometry]]:
        tracks = self._tracks
        return [
            (a, _box((*tracks.position[a, k], tracks.heading[a, k]), *tracks.size[a]))
            for a in self._objects[tracks.valid[self._objects, k]].tolist()
        ]


def _nearest_segment(
    world: NuplanMap, center: Float, heading: float
) -> tuple[int, float, tuple[float, float, float]] | None:
    """Lane or connector a vehicle starts on, its progress there [m] and its pose on the centreline."""
    held = np.flatnonzero(world.surface.contain(center[None])[0])
    segments = held[~world.connector[held]]
    if not len(segments) and world.intersection.contain(center[None]).any():
        segments = held
    if not len(segments):
        return None
    found = []
    for lane in segments.tolist():
        line, arc = world.line[lane], world.arc[lane]
        progress = float(project(line, arc, 0, len(line), center[0], center[1])[0])
        start, end = _along(world, lane, progress), _along(world, lane, progress + HEADING_CHORD)
        if start == end:  # at the end of the line
            end, start = start, _along(world, lane, progress - HEADING_CHORD)
        direction = math.atan2(end[1] - start[1], end[0] - start[0])
        found.append((lane, progress, (*_along(world, lane, progress), direction)))
    return found[int(np.argmin([abs(pose[2] - heading) for _, _, pose in found]))]


def _along(world: NuplanMap, lane: int, progress: float) -> tuple[float, float]:
    line, arc = world.line[lane], world.arc[lane]
    return point_at(line, arc, 0, len(line), min(max(progress, 0.0), float(arc[-1])))[:2]


def _start_curvature(world: NuplanMap, lane: int) -> float:
    """Size of the curvature [1/m] of the circle through the first metres of a lane; 0 where they are straight."""
    a, b, c = (np.array(_along(world, lane, n * CURVATURE_CHORD)) for n in range(3))
    sides = [float(np.hypot(*(p - q))) for p, q in ((a, b), (b, c), (c, a))]
    half = sum(sides) / 2
    square = half * (half - sides[0]) * (half - sides[1]) * (half - sides[2])
    return 4.0 * math.sqrt(square) / math.prod(sides) if square > 1e-6 else 0.0


def _baseline(world: NuplanMap, lane: int) -> tuple[Float, Float]:
    """Points ``[P - 1, 2]`` of a centreline and the headings ``[P - 1]`` of its pieces, P >= 3.

    The reference pairs points with pieces and so loses the last point: a path that cannot be extended ends early. Of
    two points, with which it cannot work, both are kept.
    """
    line = world.line[lane]
    steps = np.diff(line, axis=0)
    headings = np.arctan2(steps[:, 1], steps[:, 0])
    return (line[:-1], headings) if len(line) > 2 else (line, np.repeat(headings, 2))


def _band(points: Float, width: float) -> BaseGeometry:
    return shapely.buffer(shapely.LineString(points), width / 2, quad_segs=16, cap_style="flat")


def _box(pose: Sequence[float], length: float, width: float) -> BaseGeometry:
    return shapely.Polygon(box_corners(pose[:2], pose[2], (length, width)))


def _ego_shape(ego: Float) -> BaseGeometry:
    return _box(center_from_rear_axle(ego, PACIFICA).tolist(), PACIFICA.length, PACIFICA.width)


def _rings(surfaces: Surfaces) -> list[Float]:
    return [surfaces.ring[surfaces.ring_ptr[r] : surfaces.ring_ptr[r + 1]] for r in range(len(surfaces.owner))]
