"""``nuplan_cls@1``: nuPlan's closed-loop score of one drive.

score = NC x DAC x DDC x MP x (5 progress + 5 TTC + 4 speed + 2 comfort) / 16, nuPlan devkit 1.2.2, challenges 2 and 3.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.geometry import box_corners
from drive.scoring.nuplan.collision import Contact, find_contacts, no_at_fault_collisions, relative_angle
from drive.scoring.nuplan.comfort import comfort_signals, within_limits
from drive.scoring.nuplan.direction import direction_compliance, progress_in_window
from drive.scoring.nuplan.drivable import corners_outside, violations
from drive.scoring.nuplan.inputs import NuplanDrive
from drive.scoring.nuplan.lanes import Lanes, in_single_lane, route_of, route_of_corners
from drive.scoring.nuplan.progress import MAKING_PROGRESS, Progress, progress_ratio
from drive.scoring.nuplan.speed import overspeed, speed_compliance
from drive.scoring.nuplan.time_to_collision import BOUND, time_to_collision
from drive.vehicle import PACIFICA, center_from_rear_axle

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

FACTORS = (
    "no_ego_at_fault_collisions",
    "drivable_area_compliance",
    "driving_direction_compliance",
    "ego_is_making_progress",
)
WEIGHTS = {
    "ego_progress_along_expert_route": 5.0,
    "time_to_collision_within_bound": 5.0,
    "speed_limit_compliance": 4.0,
    "ego_is_comfortable": 2.0,
}
METRICS = (*FACTORS, *WEIGHTS)


class NuplanScore(NamedTuple):
    """Score, the eight metrics of :data:`METRICS`, and what decided them per sample (S samples).

    ``contacts`` first contacts; ``route`` lanes of the ego's centre and ``corner_route`` of its corners, per sample;
    ``single_lane [S]``; ``outside [S, 4]`` and ``off_road [S, 4]`` corners off the drivable area at all and by 0.3 m;
    ``direction [S]`` [m] progress within a second; ``time_to_collision [S]`` [s] with ``partner [S]`` (track or -1);
    ``overspeed [S]`` [m/s]; ``progress``; ``comfort`` signals ``[S]`` by name.
    """

    score: float
    metrics: dict[str, float]
    contacts: list[Contact]
    route: list[Lanes]
    corner_route: list[tuple[Lanes, ...]]
    single_lane: Bool
    outside: Bool
    off_road: Bool
    direction: Float
    time_to_collision: Float
    partner: NDArray[np.int32]
    overspeed: Float
    progress: Progress
    comfort: dict[str, Float]


def score_drive(drive: NuplanDrive) -> NuplanScore:
    """Score one drive of at least :data:`drive.scoring.nuplan.comfort.MIN_SAMPLES` samples."""
    world, center, interval = drive.map, drive.center, drive.interval
    corners = box_corners(center[:, :2], center[:, 2], (PACIFICA.length, PACIFICA.width))
    route, corner_route = route_of(world, center[:, :2]), route_of_corners(world, corners)
    single_lane = np.array([in_single_lane(world, found) for found in corner_route], np.bool_)
    angle = relative_angle(drive)
    contacts = find_contacts(drive, angle, single_lane)
    time, partner = time_to_collision(drive, angle, single_lane, contacts)
    outside = corners_outside(world, corners, corner_route)
    off_road = violations(world, corners, outside, route)
    expert = np.ascontiguousarray(center_from_rear_axle(drive.expert, PACIFICA)[:, :2])
    progress = progress_ratio(world, route_of(world, expert), expert, np.ascontiguousarray(center[:, :2]))
    backwards = progress_in_window(world, center, route, interval)
    excess = overspeed(world, drive.speed, route)
    signals = comfort_signals(drive.ego, drive.time_us[: len(drive.ego)])
    metrics = {
        "no_ego_at_fault_collisions": no_at_fault_collisions(drive, contacts),
        "drivable_area_compliance": float(not off_road.any()),
        "driving_direction_compliance": direction_compliance(backwards),
        "ego_is_making_progress": float(progress.ratio >= MAKING_PROGRESS),
        "ego_progress_along_expert_route": progress.ratio,
        "time_to_collision_within_bound": float((time > BOUND).all()),
        "speed_limit_compliance": speed_compliance(excess, interval),
        "ego_is_comfortable": float(all(within_limits(signals).values())),
    }
    return NuplanScore(
        combine(metrics),
        metrics,
        contacts,
        route,
        corner_route,
        single_lane,
        outside,
        off_road,
        backwards,
        time,
        partner,
        excess,
        progress,
        signals,
    )


def combine(metrics: dict[str, float]) -> float:
    """Scenario score of the metrics named in :data:`METRICS`; a metric that is not there is left out."""
    weights = {name: weight for name, weight in WEIGHTS.items() if name in metrics}
    factor = float(np.prod([metrics[name] for name in FACTORS if name in metrics]))
    if not weights:
        return factor
    return factor * sum(weight * metrics[name] for name, weight in weights.items()) / sum(weights.values())
