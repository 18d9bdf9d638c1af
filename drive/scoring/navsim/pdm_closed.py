"""PDM-Closed, the rule-based planner that NAVSIM measures progress against: 15 proposals, simulated, scored, the best.

Source: NAVSIM v2, `PDMClosedPlanner` (Dauner et al. 2023, "Parting with misconceptions about learning-based vehicle
motion planning"). The drive of a proposal is raw: its first pose lies on its path, beside the ego.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.geometry import arc_length, box_corners, wrap_angle
from drive.kernels.geometry import project
from drive.kernels.navsim_pdm import roll_out
from drive.kernels.rings import ring_meets_box, strictly_inside
from drive.scene import STATIC_KINDS, AgentKind
from drive.scoring.navsim.inputs import SAMPLES, PdmMap, PdmTraffic
from drive.scoring.navsim.scorer import PdmScores, normalized_progress, score_states
from drive.scoring.navsim.tracking import simulate
from drive.vehicle import PACIFICA, Ego, VehicleParameters, center_from_rear_axle

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

OFFSETS = (0.0, -1.0, 1.0)  # m to the left of the centreline
FRACTIONS = np.array((0.2, 0.4, 0.6, 0.8, 1.0))  # of the speed limit
ASSUMED_LIMIT = 15.0  # m/s
POSES = 51  # of a proposal; the first 41 are scored
STEP = 0.1
RADIUS = 100.0  # m around the ego's centre; objects farther away are not known
NEAREST = {"vehicle": 50, "pedestrian": 25, "bicycle": 10, "static": 50}


class PdmProposal(NamedTuple):
    """Fifteen proposals of K = 51 poses every 0.1 s, the first one now, in the frame of the ego; row ``5 p + i`` is
    policy i on path p.

    ``poses [51, 3]`` the chosen one, raw. ``proposals [15, 51, 3]``, ``states [15, 41, 11]`` as tracked, ``score [15]``
    NAVSIM's with its parts in ``parts``, ``chosen`` the row of the best (the first of equals).
    """

    poses: Float
    proposals: Float
    states: Float
    score: Float
    parts: PdmScores
    chosen: int


class Obstacles(NamedTuple):
    """O polygons ``ring [M, 2]`` [m] with offsets ``ptr [O+1]`` where they are now, and their ``centroid [O, 2]``.

    ``motion [O, 2]`` [m/s] of the forecast; ``heading [O]`` and ``pace [O]`` [m/s] of a lead; ``red [O]`` is true for
    red lights.
    """

    ring: Float
    ptr: Int
    centroid: Float
    motion: Float
    heading: Float
    pace: Float
    red: Bool


def pdm_closed(
    ego: ArrayLike,
    centerline: ArrayLike,
    speed_limit: float | None,
    pdm_map: PdmMap,
    traffic: PdmTraffic,
    vehicle: VehicleParameters = PACIFICA,
) -> PdmProposal:
    """Propose, simulate and score; all in one frame.

    Args:
        ego: ``[11]`` state now (:class:`drive.vehicle.Ego`).
        centerline: ``[N, 3]`` x, y [m], heading [rad] of the route (:func:`drive.scoring.navsim.route.plan_route`).
        speed_limit: m/s of the start lane, or None; 15 m/s are assumed then.
        pdm_map: What the proposals are scored on.
        traffic: Only its first sample is read. Red lights are those of connectors on the route.
        vehicle: Size of the ego in corridors and scores. The tracked car always has the Pacifica's wheelbase.
    """
    state = np.ascontiguousarray(ego, np.float64)
    known, forecast = forecast_traffic(traffic, state, vehicle)
    obstacles = _obstacles(known, forecast, state, vehicle)
    proposals = propose(state, centerline, speed_limit, obstacles, vehicle)
    states = simulate(state, np.ascontiguousarray(proposals[:, :SAMPLES]))
    parts = score_states(states, pdm_map, forecast, vehicle=vehicle)
    progress = normalized_progress(parts.progress, parts.multiplier)
    weighted = 5.0 * progress + 5.0 * parts.time_to_collision_within_bound + 2.0 * parts.lane_keeping
    score = parts.multiplier * (weighted + 2.0) / 14.0  # comfort is not judged without a history: 1
    chosen = int(np.argmax(score))
    return PdmProposal(proposals[chosen], proposals, states, score, parts, chosen)


def forecast_traffic(traffic: PdmTraffic, ego: Float, vehicle: VehicleParameters) -> tuple[PdmTraffic, PdmTraffic]:
    """What PDM-Closed knows of the first sample of ``traffic``, and its forecast over 41 samples.

    The nearest objects within 100 m, straight on along their headings (backwards where the velocity points there) with
    their speeds, in jumps every 0.2 s. Objects that touch the ego now are left out. Lights stay as they are.
    """
    center = center_from_rear_axle(ego, vehicle)
    rows = _nearest(traffic, center[:2])
    position, heading, velocity = traffic.position[rows, 0], traffic.heading[rows, 0], traffic.velocity[rows, 0]
    corners = np.ascontiguousarray(box_corners(position, heading, traffic.size[rows]))
    box = box_corners(center[:2], center[2], (vehicle.length, vehicle.width))
    free = np.array([not ring_meets_box(ring, 0, 4, box) for ring in corners], np.bool_)
    rows, position, heading, velocity = rows[free], position[free], heading[free], velocity[free]
    kind = traffic.kind[rows]
    speed = np.where(np.isin(kind, STATIC_KINDS), 0.0, np.hypot(velocity[:, 0], velocity[:, 1]))
    forward = np.abs(wrap_angle(heading - np.arctan2(velocity[:, 1], velocity[:, 0]))) < np.pi / 2
    along = np.where(forward, speed, -speed)
    motion = np.column_stack((np.cos(heading), np.sin(heading))) * along[:, None]
    times = 2 * STEP * (np.arange(SAMPLES) // 2)
    count = len(rows)
    red = np.repeat(traffic.red[:, :1], SAMPLES, axis=1)
    known = traffic._replace(
        position=position[:, None],
        heading=heading[:, None],
        velocity=motion[:, None],
        valid=np.ones((count, 1), np.bool_),
        size=traffic.size[rows],
        kind=kind,
        red=red[:, :1],
    )
    forecast = known._replace(
        position=np.ascontiguousarray(position[:, None] + motion[:, None] * times[:, None]),
        heading=np.repeat(heading[:, None], SAMPLES, axis=1),
        velocity=np.repeat(motion[:, None], SAMPLES, axis=1),
        valid=np.ones((count, SAMPLES), np.bool_),
        red=red,
    )
    return known, forecast


def propose(
    ego: Float, centerline: ArrayLike, speed_limit: float | None, obstacles: Obstacles, vehicle: VehicleParameters
) -> Float:
    """Poses ``[15, 51, 3]`` of the proposals: five policies on the centreline, then 1 m right and 1 m left of it."""
    line = np.array(centerline, np.float64)
    line[:, 2] = np.unwrap(line[:, 2])
    targets = FRACTIONS * (ASSUMED_LIMIT if speed_limit is None else speed_limit)
    reach = float(targets.max()) * (POSES - 1) * STEP
    proposals = np.empty((len(OFFSETS), len(targets), POSES, 3))
    for offset, poses in zip(OFFSETS, proposals, strict=True):
        path = line.copy()
        path[:, 0] += offset * np.cos(line[:, 2] + np.pi / 2)
        path[:, 1] += offset * np.sin(line[:, 2] + np.pi / 2)
        arc = arc_length(path)
        at = project(path, arc, 0, len(path), ego[Ego.X], ego[Ego.Y])[0]
        corridor = _ahead(path, arc, at, at + reach)
        roll_out(
            path,
            arc,
            corridor,
            vehicle.width / 2,
            vehicle.front,
            vehicle.rear,
            float(ego[Ego.VX]),
            at,
            targets,
            *obstacles,
            poses,
        )
    return proposals.reshape(-1, POSES, 3)


def _ahead(path: Float, arc: Float, begin: float, end: float) -> Float:
    """The part ``[Q, 2]`` of a path between two arc lengths; cut at vertices, as in NAVSIM, if it has two of them."""
    begin, end = np.clip((begin, end), 0.0, arc[-1])
    points = path[(begin <= arc) & (arc <= end), :2]
    if len(points) < 2:
        points = np.column_stack([np.interp((begin, end), arc, path[:, axis]) for axis in (0, 1)])
    repeated = (np.diff(points, axis=0) == 0.0).all(axis=1)
    if repeated.all():
        return np.ascontiguousarray(points[[0, -1]])
    return np.ascontiguousarray(points[np.concatenate(((True,), ~repeated))])


def _nearest(traffic: PdmTraffic, center: Float) -> NDArray[np.intp]:
    """Rows of the objects kept: static ones first, then vehicles, pedestrians and bicycles, each nearest first."""
    kind = traffic.kind
    bicycle = (kind == AgentKind.MOTORCYCLE) | (kind == AgentKind.BICYCLE)
    groups = {
        "static": np.isin(kind, STATIC_KINDS),
        "vehicle": kind < AgentKind.MOTORCYCLE,
        "pedestrian": kind == AgentKind.PEDESTRIAN,
        "bicycle": bicycle,
    }
    apart = np.hypot(*(traffic.position[:, 0] - center).T)
    seen = traffic.valid[:, 0] & (apart <= RADIUS)
    kept = []
    for name, belongs in groups.items():
        rows = np.flatnonzero(seen & belongs)
        kept.append(rows[np.argsort(apart[rows], kind="stable")][: NEAREST[name]])
    return np.concatenate(kept)


def _obstacles(known: PdmTraffic, forecast: PdmTraffic, ego: Float, vehicle: VehicleParameters) -> Obstacles:
    """Objects and red lights as polygons. A red connector that the ego is wholly inside is none."""
    x, y, heading = center_from_rear_axle(ego, vehicle)
    box = box_corners((x, y), heading, (vehicle.length, vehicle.width))
    lights = []
    for row in np.flatnonzero(known.red[:, 0]):
        low, high = known.red_ring_ptr[row], known.red_ring_ptr[row + 1]
        if not all(strictly_inside(known.red_ring, low, high, *corner) for corner in box):
            lights.append(known.red_ring[low:high])
    boxes = box_corners(known.position[:, 0], known.heading[:, 0], known.size)
    rings = [*boxes, *lights]
    count, still = len(boxes), np.zeros(len(lights))
    motion = np.concatenate((known.velocity[:, 0], np.zeros((len(lights), 2))))
    return Obstacles(
        np.ascontiguousarray(np.concatenate(rings)) if rings else np.zeros((0, 2)),
        np.concatenate(((0,), np.cumsum([len(ring) for ring in rings]))).astype(np.int32),
        np.concatenate((known.position[:, 0], np.array([_centroid(ring) for ring in lights]).reshape(-1, 2))),
        motion,
        np.concatenate((known.heading[:, 0], still)),
        np.hypot(motion[:, 0], motion[:, 1]),
        np.arange(len(rings)) >= count,
    )


def _centroid(ring: Float) -> Float:
    """Centroid ``[2]`` of a polygon's area."""
    origin = ring[0]
    a, b = ring - origin, np.roll(ring, -1, axis=0) - origin
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    area = cross.sum()
    return origin + (((a + b) * cross[:, None]).sum(axis=0) / (3.0 * area) if area else a.mean(axis=0))
