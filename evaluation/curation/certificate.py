"""The certificate of a generated scene: that it is sound, and that its expert solves it by every measure we rank by.

Each check is a figure, a bound, and whether the bound is kept. What the generator already guarantees (the geometry of
the map) is not computed again; everything about the drive is, with the functions that score planners.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from drive.geometry import poses_to_frame, wrap_angle
from drive.kernels.checks import overlapping
from drive.rollout import Rollout
from drive.scene import DT, STATIC_KINDS, AgentKind, Scenario
from drive.scoring.navsim.comfort import extended_comfort, history
from drive.scoring.navsim.route import groups_of_lanes, plan_route
from drive.scoring.navsim.scene import RADIUS, logged_state, logged_traffic, road_map, without_initial_overlaps
from drive.scoring.navsim.scorer import score_states
from drive.scoring.navsim.tracking import reference_poses, simulate
from drive.vehicle import PACIFICA, Ego, center_from_rear_axle
from drive.visibility import visible_agents, walls
from evaluation.metrics.epdms import combine, parts_of
from evaluation.rules import find_rules, judge_rollout
from stl.rules import RuleSet

Float = NDArray[np.float64]

EVERY = 5  # steps between the frames that EPDMS is computed in
FRAME = 40  # steps of future of each
NARROW = "F21"
RULES = ("navsim-parity", "intersection")
"""Rule sets that an expert keeps. The others also judge what others do to it (RSS), or a taste in following."""
OWN_LANE = ("lane_centering",)
OWN_SIDE = ("wrong_way_distance",)
"""Rules that nobody can keep where the task is to leave one's lane, and to borrow the oncoming one."""


@dataclass(frozen=True)
class Check:
    """One check: ``value`` against ``low`` and ``high`` (None: no bound on that side)."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def passed(self) -> bool:
        """True if the value keeps its bounds."""
        return (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)

    def __str__(self) -> str:
        limits = (("at least", self.low), ("at most", self.high))
        bounds = [f"{word} {value:g}" for word, value in limits if value is not None]
        return f"{self.name} {self.value:.3g}, expected {' and '.join(bounds)}"


def certify(scenario: Scenario, replays: Mapping[str, tuple[float, Rollout]]) -> list[Check]:
    """All checks of one scene, cheap ones first.

    ``replays``: traffic mode (``log``, ``idm``) -> score and rollout of the expert's plan driven in closed loop.
    """
    found: list[Check] = []
    for part in (_bodies, _clearance, _comfort, _events, _useful):
        found += part(scenario)
    for mode, (score, rollout) in replays.items():
        found.append(Check(f"expert's score, {mode} traffic", score, low=0.95))
        if mode == "log":
            away = np.hypot(*(rollout.ego[-1, :2].astype(np.float64) - scenario.reference[-1, :2]))
            found.append(Check("distance of the replayed expert's end [m]", float(away), high=1.0))
            found.append(Check("rules broken", float(len(broken_rules(scenario, rollout))), high=0.0))
    return found + _navsim(scenario)


def failures(checks: Sequence[Check]) -> list[str]:
    """Names of the checks that were not passed."""
    return [check.name for check in checks if not check.passed]


def _bodies(scenario: Scenario) -> list[Check]:
    """Nobody overlaps, and everybody moves as bodies do."""
    tracks, car = scenario.tracks, scenario.ego_vehicle
    center = center_from_rear_axle(scenario.reference, car)
    hit = overlapping(
        np.concatenate((tracks.position, center[None, :, :2])),
        np.concatenate((tracks.heading, center[None, :, 2])),
        np.concatenate((tracks.size, ((car.length, car.width),))),
        np.concatenate((tracks.valid, np.ones((1, scenario.steps), np.bool_))),
        0,
        scenario.steps,
    )
    both = tracks.valid[:, 1:] & tracks.valid[:, :-1]
    speed = np.hypot(tracks.velocity[..., 0], tracks.velocity[..., 1])
    step = np.diff(tracks.position, axis=1)
    distance = np.hypot(step[..., 0], step[..., 1])
    turned = wrap_angle(np.diff(tracks.heading, axis=1))
    jump = distance - 1.1 * np.maximum(speed[:, 1:], speed[:, :-1]) * DT
    aside = np.abs(wrap_angle(np.arctan2(step[..., 1], step[..., 0]) - tracks.heading[:, :-1] - 0.5 * turned))
    moving = both & (distance > DT) & (tracks.kind < AgentKind.PEDESTRIAN)[:, None]

    def most(values: Float, where: NDArray[np.bool_]) -> float:
        return float(np.where(where, values, 0.0).max(initial=0.0))

    return [
        Check("overlapping boxes", float(hit.any(axis=1).sum()), high=0.0),
        Check("agents' acceleration [m/s2]", most(np.abs(np.diff(speed, axis=1)) / DT, both), high=8.5),
        Check("agents' lateral acceleration [m/s2]", most(np.abs(turned) / DT * speed[:, 1:], both), high=5.0),
        Check("agents' heading against motion [deg]", np.degrees(most(aside, moving)), high=5.0),
        Check("agents' jump [m]", most(jump, both), high=0.05),
    ]


def _clearance(scenario: Scenario) -> list[Check]:
    """The expert's distance to vehicles, static objects, and walkers and cyclists while it moves."""
    kind = scenario.tracks.kind
    weak = (kind == AgentKind.PEDESTRIAN) | (kind == AgentKind.BICYCLE)
    static = np.isin(kind, STATIC_KINDS)
    moving = scenario.reference[:, Ego.VX] > 2.0
    always = np.ones(scenario.steps, np.bool_)
    vehicles = 0.2 if NARROW in scenario.family else 0.3
    groups = (("vehicles", ~weak & ~static, always, vehicles), ("walkers and cyclists", weak, moving, 0.6))
    found = []
    for name, rows, when, bound in (*groups, ("static objects", static, always, 0.2)):
        closer = _within(scenario, rows, when, bound)
        found.append(Check(f"steps closer than {bound:g} m to {name}", float(closer), high=0.0))
    return found


def _within(scenario: Scenario, rows: NDArray[np.bool_], when: NDArray[np.bool_], distance: float) -> int:
    """Steps at which the ego's box, grown by ``distance`` on all sides, touches one of ``rows``."""
    tracks, car = scenario.tracks, scenario.ego_vehicle
    center = center_from_rear_axle(scenario.reference, car)
    hit = 0
    for row in np.flatnonzero(rows):
        near = np.hypot(*(tracks.position[row] - center[:, :2]).T)
        reach = 0.5 * float(np.hypot(car.length, car.width) + np.hypot(*tracks.size[row])) + distance
        if not (tracks.valid[row] & when & (near < reach)).any():
            continue
        touching = overlapping(
            np.stack((tracks.position[row], center[:, :2])),
            np.stack((tracks.heading[row], center[:, 2])),
            np.stack((tracks.size[row], (car.length + 2 * distance, car.width + 2 * distance))),
            np.stack((tracks.valid[row] & when, when)),
            0,
            scenario.steps,
        )
        hit += int(touching[1].sum())
    return hit


def _comfort(scenario: Scenario) -> list[Check]:
    states = scenario.reference
    limits = scenario.map.speed_limit[scenario.route]
    excess = float(states[:, Ego.VX].max() - (limits.max() * 1.08 + 0.5)) if (limits > 0).any() else 0.0
    return [
        Check("expert's braking [m/s2]", float(states[:, Ego.AX].min()), low=-3.6),
        Check("expert's acceleration [m/s2]", float(states[:, Ego.AX].max()), high=2.2),
        Check("expert's lateral acceleration [m/s2]", float(np.abs(states[:, Ego.AY]).max()), high=3.2),
        Check("expert's jerk [m/s3]", float(np.abs(np.diff(states[:, Ego.AX])).max()) / DT, high=3.5),
        Check("expert's yaw rate [rad/s]", float(np.abs(states[:, Ego.YAW_RATE]).max()), high=0.8),
        Check("expert's yaw acceleration [rad/s2]", float(np.abs(states[:, Ego.YAW_ACCELERATION]).max()), high=1.6),
        Check("expert's speed above 1.08 limits and 0.5 m/s", excess, high=0.0),
    ]


def _events(scenario: Scenario) -> list[Check]:
    """Hardness that can be mastered, cues in time, and the actor in view before it is too late."""
    events = scenario.provenance.get("events", [])
    found = []
    sudden = [
        float(event["a_req"])
        for event in events
        if float(event.get("a_req", 0.0)) > 6.0 and event.get("cue_lead", 0.0) < 1.0 and float(event["h"]) > 0.0
    ]
    found.append(Check("braking asked for without an announcement [m/s2]", max(sudden, default=0.0), high=6.0))
    critical = [name for name in scenario.provenance.get("critical", []) if name in scenario.tracks.ids]
    if scenario.occlusion and critical:
        found.append(Check("seconds in which the event's actor can be seen", _in_view(scenario, critical), low=0.5))
    return found


def _in_view(scenario: Scenario, names: Sequence[str]) -> float:
    """The shortest time [s] that one of the agents is in the expert's line of sight."""
    tracks = scenario.tracks
    seen = visible_agents(
        scenario.ego_vehicle,
        scenario.reference,
        tracks.kind,
        tracks.size,
        tracks.position,
        tracks.heading,
        tracks.valid,
        walls(scenario.map),
    )
    return DT * float(min(seen[tracks.ids.index(name)].sum() for name in names))


def _useful(scenario: Scenario) -> list[Check]:
    """There is something to drive: most windows of four seconds move."""
    place = scenario.reference[scenario.start :, :2]
    arc = np.concatenate(((0.0,), np.cumsum(np.hypot(*np.diff(place, axis=0).T))))
    windows = arc[FRAME:] - arc[:-FRAME]
    return [Check("share of 4 s windows with 5 m of driving", float((windows > 5.0).mean()), low=0.5)]


def _navsim(scenario: Scenario) -> list[Check]:
    """NAVSIM's sub-metrics of the expert's own future, in log traffic, every half second; no human filter.

    Progress is measured against the expert itself, as NAVSIM does for the human driver.
    """
    parts = expert_frames(scenario)
    names = {
        "no_at_fault_collisions": 1.0,
        "drivable_area_compliance": 1.0,
        "driving_direction_compliance": 0.0 if _borrows(scenario) else 1.0,
        "traffic_light_compliance": 1.0,
    }
    found = [
        Check(f"worst frame's {name}", float(min(frame[name] for frame in parts)), low=low)
        for name, low in names.items()
    ]
    shares = {
        "time_to_collision_within_bound": 0.97,
        "lane_keeping": 0.95,
        "history_comfort": 0.95,
        "two_frame_extended_comfort": 0.95,
    }
    for name, share in shares.items():
        there = [frame[name] for frame in parts if name in frame]
        low = None if name == "lane_keeping" and _leaves_lane(scenario) else share
        found.append(Check(f"mean of {name}", float(np.mean(there)), low=low))
    scores = [combine(frame, frame.get("two_frame_extended_comfort")) for frame in parts]
    found.append(Check("EPDMS of the expert", float(np.mean(scores)), low=None if _leaves_lane(scenario) else 0.95))
    return found


@cache
def _rule_sets() -> list[RuleSet]:
    return [find_rules(name) for name in RULES]


def broken_rules(scenario: Scenario, rollout: Rollout) -> list[str]:
    """Columns of the rules of the certificate's sets that a drive breaks, less those that the task is at odds with."""
    row = judge_rollout(_rule_sets(), scenario, rollout)
    excused = (*(OWN_LANE if _leaves_lane(scenario) else ()), *(OWN_SIDE if _borrows(scenario) else ()))
    broken = [name for name, verdict in row.items() if name.endswith(".verdict") and verdict == "violated"]
    return [name for name in broken if name.split(".")[-2] not in excused]


def _leaves_lane(scenario: Scenario) -> bool:
    """True if the task is to leave one's lane: to change to another, to drive round something, to make room."""
    return bool(scenario.provenance.get("leaves_lane", False)) or _borrows(scenario)


def _borrows(scenario: Scenario) -> bool:
    """True if the route may leave its lane for the oncoming one: EPDMS counts that against everybody."""
    return bool(scenario.map.borrow_allowed[scenario.route].any())


def expert_frames(scenario: Scenario) -> list[dict[str, float]]:
    """Sub-metrics by NAVSIM's names for every frame; extended comfort where there is a frame half a second before."""
    start, last = scenario.start, scenario.steps - 1 - FRAME
    centers = center_from_rear_axle(scenario.reference[start:], PACIFICA)[:, :2]
    route = plan_route(scenario.map, groups_of_lanes(scenario.map, scenario.route), logged_state(scenario, start))
    low, high = centers.min(axis=0) - 0.5 * RADIUS, centers.max(axis=0) + 0.5 * RADIUS
    surroundings = road_map(scenario.map, route.route_lanes, route.centerline, low, high)
    found: list[dict[str, float]] = []
    before: Float | None = None
    for step in range(start, last + 1, EVERY):
        ego, t0_us = logged_state(scenario, step), 100_000 * (step - start)
        human = poses_to_frame(scenario.reference[step + EVERY * np.arange(1, 9), :3], ego[:3])
        states = simulate(ego, reference_poses(human, 0.5, ego, t0_us)[None])
        logged, _, _ = logged_traffic(scenario, step, route.route_lanes)
        past = scenario.reference[np.maximum(step - EVERY * np.arange(4)[::-1], 0), : Ego.STEERING]
        scores = score_states(states, surroundings, without_initial_overlaps(logged, ego), history(past))
        parts = parts_of(scores, np.ones(1), 0)
        if before is not None:
            parts["two_frame_extended_comfort"] = extended_comfort(states[0], before).value
        before = states[0]
        found.append(parts)
    return found
