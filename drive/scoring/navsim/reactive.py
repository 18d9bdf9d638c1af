"""NAVSIM's reactive traffic: vehicles follow their lane by the intelligent driver model, everything else is replayed.

Its world is rebuilt here with its defects, because scores depend on them (epdms section "traffic-agent policies"):

* A vehicle knows only the lane or connector it stands on at t = 0. Lights never stop it, it never takes a successor,
  and with a free road it brakes for the end of that piece of lane, which is one centreline point early.
* The ego's box stands with its centre where the rear axle is, and one sample late.
* A lane without a speed limit inherits the target speed of the vehicle converted before.
* Whoever is more than 100 m from the ego once is gone for good; vehicles that appear after t = 0 never exist.
* Vehicles ignore pedestrians, cyclists and objects: NAVSIM's configuration names none that they should see.

Vehicles see each other as swept footprints built by GEOS, whose buffers leave out bends of less than a hundredth of
their width. Only GEOS reproduces that, so the geometry here is shapely's and not a compiled kernel; it is done for
pairs whose bounding boxes touch.
"""

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from drive.errors import ScenarioError
from drive.geometry import arc_length, box_corners
from drive.kernels.geometry import boxes_overlap, point_in_ring
from drive.map import Layer, VectorMap
from drive.scene import AgentKind
from drive.scoring.navsim.inputs import PdmTraffic
from drive.vehicle import PACIFICA, Ego, center_from_rear_axle

Float = NDArray[np.float64]

TARGET_SPEED = 10.0  # m/s, where no lane has had a limit yet
MIN_GAP = 1.0  # m
HEADWAY = 1.5  # s
MAX_ACCELERATION = 1.0  # m/s2
MAX_BRAKING = 2.0  # m/s2
EXPONENT = 4
RADIUS = 100.0  # m around the ego
SNAP_DISTANCE = 3.0  # m from the centreline: beyond it a vehicle is not converted
STANDING_SPEED = 0.1  # m/s
HEADING_BASE = 0.5  # m ahead, for the heading of a snapped vehicle
SIMPLIFICATION = 1e-5  # m
STEP = 0.1  # s


def reactive_traffic(world: VectorMap, recorded: PdmTraffic, ego: Float) -> PdmTraffic:
    """Traffic of NAVSIM's reactive policy around an ego that has already been simulated.

    Args:
        world: Lanes and INTERSECTION areas, in the frame of the traffic. The choice among overlapping lanes compares
            headings without wrapping them, so it is NAVSIM's only in a frame parallel to the source's.
        recorded: Logged objects. Their order is the order in which vehicles are converted and moved.
        ego: ``[S, 11]`` simulated states (:class:`drive.vehicle.Ego`) at the samples of ``recorded``; only samples
            ``0 .. S - 2`` are read.

    Returns:
        The same objects with vehicles moved. Sample 0 is the recorded one, overlaps with the ego included. Vehicles
        that were not converted are absent afterwards, except those that NAVSIM takes for parked.

    Raises:
        ScenarioError: ``ego`` is not ``[S, 11]``.
    """
    samples = recorded.valid.shape[1]
    if ego.shape != (samples, len(Ego)):
        raise ScenarioError(f"ego has shape {ego.shape}, expected ({samples}, {len(Ego)}) like the traffic")
    vehicles = np.flatnonzero(recorded.kind <= AgentKind.EMERGENCY)
    position, heading = recorded.position.copy(), recorded.heading.copy()
    velocity, valid = recorded.velocity.copy(), recorded.valid.copy()
    for array in (position, heading, velocity):
        array[vehicles, 1:] = 0.0
    valid[vehicles, 1:] = False

    agents, parked = _spawn(world, recorded, vehicles[recorded.valid[vehicles, 0]], ego[0])
    for s in range(1, samples):
        agents = _advance(agents, ego[s - 1])
        for agent in agents:
            (x, y, angle), row = agent.pose, agent.row
            position[row, s], heading[row, s], valid[row, s] = (x, y), angle, True
            velocity[row, s] = agent.speed * math.cos(angle), agent.speed * math.sin(angle)
        for row in parked:
            if _is_free(recorded, row, vehicles[valid[vehicles, s]], position[:, s], heading[:, s]):
                position[row, s], heading[row, s] = recorded.position[row, 0], recorded.heading[row, 0]
                velocity[row, s], valid[row, s] = recorded.velocity[row, 0], True
    return recorded._replace(position=position, heading=heading, velocity=velocity, valid=valid)


def _is_free(recorded: PdmTraffic, row: int, others: NDArray[np.intp], position: Float, heading: Float) -> bool:
    """True if none of the ``others`` (at ``position [A, 2]``, ``heading [A]``) stands where ``row`` was at t = 0."""
    x, y = recorded.position[row, 0]
    length, width = recorded.size[row]
    angle, size = recorded.heading[row, 0], recorded.size
    reach = (np.hypot(length, width) + np.hypot(size[others, 0], size[others, 1])) / 2
    near = others[np.hypot(position[others, 0] - x, position[others, 1] - y) <= reach]
    return not any(
        boxes_overlap(x, y, angle, length, width, position[i, 0], position[i, 1], heading[i], size[i, 0], size[i, 1])
        for i in near
    )


@dataclass
class _Agent:
    """A vehicle on its lane: ``path [P, 3]`` (heading unwrapped), ``arc [P]``, and where it is on it."""

    row: int
    path: Float
    arc: Float
    length: float
    width: float
    target: float
    progress: float
    speed: float
    shape: BaseGeometry | None  # what others see; None until somebody looks
    bounds: Float
    pose: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        self.pose = self.at(self.progress)

    def at(self, progress: float) -> tuple[float, float, float]:
        """Pose (x, y [m], heading [rad] in [-pi, pi)) at a place of the path, kept within its ends."""
        i = min(max(int(np.searchsorted(self.arc, progress, "right")) - 1, 0), len(self.arc) - 2)
        share = min(max((progress - self.arc[i]) / (self.arc[i + 1] - self.arc[i]), 0.0), 1.0)
        x, y, heading = (self.path[i] + share * (self.path[i + 1] - self.path[i])).tolist()
        return x, y, (heading + math.pi) % (2.0 * math.pi) - math.pi

    def ahead(self) -> Float:
        """Points ``[*, 2]`` of the path from here on; its last piece once the end is reached."""
        rest = self.path[self.arc > self.progress, :2]
        return np.vstack((self.at(self.progress)[:2], rest)) if len(rest) else self.path[-2:, :2]

    def move(self, gap: float, lead_speed: float) -> None:
        """One step behind something ``gap`` [m] away that moves along the path at ``lead_speed`` [m/s]."""
        v = self.speed
        wanted = MIN_GAP + v * HEADWAY + v * (v - lead_speed) / (2.0 * math.sqrt(MAX_ACCELERATION * MAX_BRAKING))
        pull = 1.0 - (v / self.target) ** EXPONENT - (wanted / max(gap, MIN_GAP)) ** 2
        acceleration = min(max(-MAX_BRAKING, MAX_ACCELERATION * pull), MAX_ACCELERATION)
        self.progress += STEP * v
        self.speed = max(v + STEP * acceleration, 0.0)
        self.pose, self.shape = self.at(self.progress), None
        self.bounds = _bounds(np.vstack((self._swept(), self._corners())), self.width / 2)

    def outline(self) -> BaseGeometry:
        """What others see: the box, and the path it covers within the headway."""
        if self.shape is None:
            path = shapely.buffer(shapely.LineString(self._swept()), self.width / 2, cap_style="flat")
            union = shapely.union_all([path, shapely.Polygon(self._corners())])
            self.shape = shapely.simplify(union, SIMPLIFICATION)
        return self.shape

    def _swept(self) -> Float:
        end = self.arc[-1]
        low = max(0.0, min(self.progress - self.length / 2, end))
        high = max(0.0, min(self.progress + self.length / 2 + self.speed * HEADWAY, end))
        between = self.path[(self.arc > low) & (self.arc < high), :2]
        return np.vstack((self.at(low)[:2], between, self.at(high)[:2]))

    def _corners(self) -> Float:
        x, y, heading = self.pose
        return box_corners((x, y), heading, (self.length, self.width))


def _advance(agents: list[_Agent], ego: Float) -> list[_Agent]:
    """Move the vehicles one step, each seeing those before it already moved; return those near enough to go on."""
    # NAVSIM defect: the pose of the rear axle is taken for the centre of the box
    car = box_corners(ego[:2], ego[Ego.HEADING], (PACIFICA.length, PACIFICA.width))
    car_shape, car_speed = shapely.Polygon(car), math.hypot(ego[Ego.VX], ego[Ego.VY])
    agents = [agent for agent in agents if math.dist(agent.pose[:2], ego[:2]) <= RADIUS]
    bounds = np.array([*(agent.bounds for agent in agents), _bounds(car, 0.0)])
    for number, agent in enumerate(agents):
        path = agent.ahead()
        box = _bounds(path, agent.width / 2)
        near = np.flatnonzero((bounds[:, :2] <= box[2:]).all(axis=1) & (bounds[:, 2:] >= box[:2]).all(axis=1))
        near = near[near != number]
        shapes = np.array([agents[i].outline() if i < len(agents) else car_shape for i in near], object)
        if near.size:
            lane = shapely.buffer(shapely.LineString(path), agent.width / 2, cap_style="flat")
            shapely.prepare(lane)
            hit = shapely.intersects(lane, shapes)
            near, shapes = near[hit], shapes[hit]
        if near.size:
            distances = shapely.distance(agent.outline(), shapes)
            nearest = int(np.argmin(distances))
            other = near[nearest]
            if other < len(agents):
                speed, heading = agents[other].speed, agents[other].pose[2]
            else:
                speed, heading = car_speed, float(ego[Ego.HEADING])
            agent.move(float(distances[nearest]), speed * math.cos(heading - agent.pose[2]))
        else:
            agent.move(agent.arc[-1] - agent.progress - agent.length / 2, 0.0)
        bounds[number] = agent.bounds
    return agents


def _spawn(
    world: VectorMap, recorded: PdmTraffic, rows: NDArray[np.intp], ego: Float
) -> tuple[list[_Agent], list[int]]:
    """Vehicles that can be put on a lane, and rows of those that stay where they are at t = 0."""
    car = center_from_rear_axle(ego[:3], PACIFICA)
    taken = [shapely.Polygon(box_corners(car[:2], car[2], (PACIFICA.length, PACIFICA.width)))]
    lanes = _Lanes(world)
    agents: list[_Agent] = []
    parked = []
    target = TARGET_SPEED
    for row in rows.tolist():
        (x, y), heading = recorded.position[row, 0], recorded.heading[row, 0]
        length, width = recorded.size[row]
        lane, on_road = lanes.find(x, y, heading)
        speed = float(np.hypot(*recorded.velocity[row, 0]))
        if not on_road and speed < STANDING_SPEED:
            parked.append(row)
        if lane < 0:
            continue
        snapped, progress = lanes.nearest_pose(lane, x, y)
        if math.dist(snapped[:2], (x, y)) > SNAP_DISTANCE:
            parked.append(row)
            continue
        corners = box_corners(snapped[:2], snapped[2], (length, width))
        box = shapely.Polygon(corners)
        if shapely.intersects(box, taken).any():
            continue
        taken.append(box)
        if world.has_speed_limit[lane]:
            target = float(world.speed_limit[lane])  # NAVSIM defect: stays for later vehicles on lanes without a limit
        path, arc = _path(world.lane_centerline(lane))
        agents.append(_Agent(row, path, arc, length, width, target, progress, speed, box, _bounds(corners, 0.0)))
    return agents, parked


class _Lanes:
    """Finds the lane a vehicle stands on."""

    def __init__(self, world: VectorMap) -> None:
        self._world = world
        self._box = np.array([_bounds(world.lane_polygon(lane), 0.0) for lane in range(world.lanes)]).reshape(-1, 4)
        self._junctions = world.areas(Layer.INTERSECTION)

    def find(self, x: float, y: float, heading: float) -> tuple[int, bool]:
        """Lane (-1 for none) of a point, and whether it is on a lane or in an intersection.

        Lanes come first, connectors count only inside intersections; of several the one with the smallest heading
        difference, which is not wrapped.
        """
        world = self._world
        point = np.array((x, y))
        near = np.flatnonzero((self._box[:, :2] <= point).all(axis=1) & (self._box[:, 2:] >= point).all(axis=1))
        ptr = world.polygon_ptr
        inside = [int(i) for i in near if point_in_ring(world.polygon, ptr[i], ptr[i + 1], x, y)]
        candidates = [lane for lane in inside if not world.connector[lane]]
        on_road = bool(candidates)
        if not candidates:
            on_road = any(
                sum(point_in_ring(ring, 0, len(ring), x, y) for ring in rings) % 2 for rings in self._junctions
            )
            candidates = [lane for lane in inside if world.connector[lane]] if on_road else []
        if not candidates:
            return -1, on_road
        turned = [abs(self.nearest_pose(lane, x, y)[0][2] - heading) for lane in candidates]
        return candidates[int(np.argmin(turned))], on_road

    def nearest_pose(self, lane: int, x: float, y: float) -> tuple[tuple[float, float, float], float]:
        """Pose of the nearest point of a centreline, and its arc length."""
        line = shapely.LineString(self._world.lane_centerline(lane)[:, :2])
        at = line.project(shapely.Point(x, y))
        here, ahead = line.interpolate(at), line.interpolate(at + HEADING_BASE)
        if here == ahead:  # at the end: the heading is that of the way there
            behind = line.interpolate(max(at - HEADING_BASE, 0.0))
            heading = math.atan2(here.y - behind.y, here.x - behind.x)
        else:
            heading = math.atan2(ahead.y - here.y, ahead.x - here.x)
        return (here.x, here.y, heading), at


def _path(centerline: Float) -> tuple[Float, Float]:
    """The path along a centreline ``[P, 3]`` and its arc length, as NAVSIM builds it: without its last point.

    NAVSIM fails where less than two points are left; here such a path keeps its last one.
    """
    arc = arc_length(centerline)
    kept = np.flatnonzero(~np.isclose(np.diff(arc), 0.0))
    if len(kept) < 2:
        kept = np.array((0, len(arc) - 1))
    path = centerline[kept].copy()
    path[:, 2] = np.unwrap(path[:, 2])
    return path, arc[kept]


def _bounds(points: Float, margin: float) -> Float:
    return np.concatenate((points.min(axis=0) - margin, points.max(axis=0) + margin))
