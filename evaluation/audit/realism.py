"""How near generated motion is to real drives: distributions, a classifier, and whether both rank planners alike.

Generated tracks are treated exactly as recorded ones are first: 2 Hz samples, annotation noise, the same filter.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter
from scipy.spatial import cKDTree
from scipy.stats import kendalltau, wasserstein_distance

from drive.geometry import wrap_angle
from drive.scene import AgentKind, Scenario
from drive.vehicle import Ego, center_from_rear_axle
from evaluation.audit.page import VARIANTS, Figure, Section, at_least, at_most, drive_variants
from evaluation.curation.items import score_table
from evaluation.curation.mixture import BACKGROUND
from evaluation.engines import Engine
from evaluation.suite import Suite, load_scene, resolve_suite
from scenarios.store import Store

if TYPE_CHECKING:
    import pandas as pd

Float = NDArray[np.float64]

KEY = 5  # steps between keyframes
NOISE = 0.1  # m of annotation noise in what people have labelled
WINDOW = 40
ALONG, BESIDE = 0.2, 1.8  # rad, m: who drives along a lane, and is on it
RESAMPLES = 1000
SCENES = 120  # of the background, and about as many of all families
QUANTITIES = {
    "ego acceleration": (0.52, 0.25, 0.5),
    "ego jerk": (0.14, 0.15, 0.30),
    "ego lateral acceleration": (0.23, 0.20, 0.35),
    "vehicle speed": (2.9, 1.5, 3.0),
    "vehicle acceleration": (0.27, 0.30, 0.45),
    "vehicle lateral acceleration": (0.18, 0.15, 0.30),
    "time gap": (0.60, 0.4, 0.8),
    "offset to lane centre": (0.22, 0.15, 0.25),
    "pedestrian speed": (0.15, 0.12, 0.25),
    "ego speed": (4.7, np.nan, np.nan),
}
"""Unit as in the name's SI; leave-one-out distance of a real drive (median), bar for F26, bar for all families."""
FEATURES = (
    "mean speed", "spread of speed", "mean |a|", "greatest a", "least a", "mean |jerk|", "mean |lateral a|",
    "greatest |lateral a|", "agents near", "standing agents near", "walkers near", "nearest agent",
)  # fmt: skip


def realism(suite: Suite, store: Store, data: Path | None) -> Section:
    """Item 7: distances of the generated from the real distributions, with real drives in ``data``."""
    if data is None:
        note = "Needs real drives: give --data, a nuScenes folder."
        return Section("Realism", notes=(note,))
    real_suite = resolve_suite("nuscenes", data, store)
    real = [load_scene(ref, store) for ref in real_suite.scenes]
    step = max(len(suite.scenes) // SCENES, 1)
    made = [load_scene(ref, store) for ref in suite.scenes[::step]]
    urban = [load_scene(ref, store) for ref in [ref for ref in suite.scenes if ref.family == BACKGROUND][:SCENES]]
    rng = np.random.default_rng(0)
    pool = samples(real, None)
    everything = samples(made, rng)
    background = samples(urban, rng)
    alone = [samples([item], None) for item in real]
    figures, lines = [], []
    for name, (usual, strict, loose) in QUANTITIES.items():
        apart = _leave_one_out(alone, name)
        for label, found, bar in ((BACKGROUND, background, strict), ("all", everything, loose)):
            distance = _distance(found[name], pool[name])
            if np.isfinite(bar):
                figures.append(at_most(f"{name}, {label}", distance, bar))
            else:
                figures.append(Figure(f"{name}, {label}", distance))
        own = f"{np.median(apart):.2f}" if apart else ""
        lines.append((name, own, f"{usual:g}", _quantiles(pool[name]), _quantiles(everything[name])))
    area, telling = _told_apart(real, urban)
    figures.append(at_most("real or F26, area under the curve of a classifier", area, 0.85))
    heads = ("quantity", "one real drive from the others", "published", "real q5/50/95", "generated q5/50/95")
    notes = (
        f"{len(real)} real drives, {len(urban)} scenes of {BACKGROUND}, {len(made)} of all families.",
        "So few real drives are a sanity check, not a population.",
        f"Most telling: {', '.join(telling)}." if telling else "Too few windows for a classifier.",
    )
    return Section("Realism (first Wasserstein distances)", tuple(figures), heads, tuple(lines), notes)


def samples(scenes: Sequence[Scenario], rng: np.random.Generator | None) -> dict[str, Float]:
    """Samples of every quantity; ``rng`` adds annotation noise to agents (generated scenes)."""
    found: dict[str, list[Float]] = {name: [np.zeros(0)] for name in QUANTITIES}
    for scenario in scenes:
        _ego_samples(scenario, found)
        _agent_samples(scenario, found, rng)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _ego_samples(scenario: Scenario, found: dict[str, list[Float]]) -> None:
    speed, heading = scenario.reference[:, Ego.VX], np.unwrap(scenario.reference[:, Ego.HEADING])
    if len(speed) < 15:
        return
    moving = speed > 0.5
    smooth = savgol_filter(speed, 11, 2)
    found["ego speed"].append(speed[moving])
    found["ego acceleration"].append(savgol_filter(speed, 11, 2, deriv=1, delta=0.1)[moving])
    found["ego jerk"].append(savgol_filter(speed, 15, 2, deriv=2, delta=0.1)[moving])
    found["ego lateral acceleration"].append((smooth * savgol_filter(heading, 11, 2, deriv=1, delta=0.1))[moving])


def _agent_samples(scenario: Scenario, found: dict[str, list[Float]], rng: np.random.Generator | None) -> None:
    tracks = scenario.tracks
    center = center_from_rear_axle(scenario.reference, scenario.ego_vehicle)
    keys = np.arange(0, scenario.steps, KEY)
    lanes = _lane_points(scenario)
    for row in range(len(tracks.ids)):
        there = keys[tracks.valid[row, keys]]
        walker = tracks.kind[row] == AgentKind.PEDESTRIAN
        if len(there) < 5 or not (walker or tracks.kind[row] <= AgentKind.EMERGENCY) or np.diff(there).max() > KEY:
            continue
        place = tracks.position[row, there]
        if rng is not None:
            place = place + rng.normal(0.0, NOISE, place.shape)
        near = np.hypot(*(place - center[there, :2]).T) < 60.0
        motion = savgol_filter(place, 5, 2, deriv=1, delta=0.5, axis=0)
        change = savgol_filter(place, 5, 2, deriv=2, delta=0.5, axis=0)
        speed = np.hypot(*motion.T)
        if walker:
            found["pedestrian speed"].append(speed[near & (speed > 0.3)])
            continue
        moving = near & (speed > 0.5) & (speed < 25.0) & (np.hypot(*(place[-1] - place[0])) > 1.5)
        ahead = motion / np.maximum(speed, 0.1)[:, None]
        found["vehicle speed"].append(speed[moving])
        found["vehicle acceleration"].append((change * ahead).sum(axis=1)[moving])
        across = change[:, 1] * ahead[:, 0] - change[:, 0] * ahead[:, 1]
        found["vehicle lateral acceleration"].append(across[moving])
        if len(lanes):
            direction = np.arctan2(motion[moving, 1], motion[moving, 0])
            found["offset to lane centre"].append(_offsets(lanes, place[moving], direction))
    found["time gap"].append(_time_gaps(scenario, keys))


def _lane_points(scenario: Scenario) -> Float:
    """Centreline poses ``[P, 3]`` of all lanes but connectors, which people cut."""
    world = scenario.map
    owner = np.repeat(np.arange(world.lanes), np.diff(world.centerline_ptr))
    return world.centerline[~world.connector[owner], :3]


def _offsets(lanes: Float, place: Float, direction: Float) -> Float:
    """Offsets [m, left positive] of points ``[N, 2]`` from the lane that they are on and drive along."""
    if not len(place):
        return np.zeros(0)
    _, near = cKDTree(lanes[:, :2]).query(place, k=min(8, len(lanes)))
    near = near.reshape(len(place), -1)
    gap = place[:, None] - lanes[near, :2]
    turn = np.abs(wrap_angle(direction[:, None] - lanes[near, 2]))
    away = np.where(turn < ALONG, np.hypot(gap[..., 0], gap[..., 1]), np.inf)
    best = np.argmin(away, axis=1)
    rows = np.arange(len(place))
    pose, gap = lanes[near[rows, best]], gap[rows, best]
    along = gap[:, 0] * np.cos(pose[:, 2]) + gap[:, 1] * np.sin(pose[:, 2])
    across = gap[:, 1] * np.cos(pose[:, 2]) - gap[:, 0] * np.sin(pose[:, 2])
    return across[(away[rows, best] < np.inf) & (np.abs(along) < BESIDE) & (np.abs(across) < BESIDE)]


def _time_gaps(scenario: Scenario, keys: NDArray[np.intp]) -> Float:
    """Time gaps [s], at most 8, of the ego and of vehicles to the nearest vehicle straight ahead in its direction."""
    tracks = scenario.tracks
    vehicles = np.flatnonzero(tracks.kind <= AgentKind.MOTORCYCLE)
    center = center_from_rear_axle(scenario.reference, scenario.ego_vehicle)
    found = []
    for k in keys:
        there = vehicles[tracks.valid[vehicles, k]]
        place = np.vstack((tracks.position[there, k], center[k, :2]))
        heading = np.append(tracks.heading[there, k], center[k, 2])
        speed = np.append(np.hypot(*tracks.velocity[there, k].T), scenario.reference[k, Ego.VX])
        length = np.append(tracks.size[there, 0], scenario.ego_vehicle.length)
        for row in np.flatnonzero(speed > 2.0):
            gap = place - place[row]
            cos, sin = np.cos(heading[row]), np.sin(heading[row])
            along, across = gap[:, 0] * cos + gap[:, 1] * sin, gap[:, 1] * cos - gap[:, 0] * sin
            alike = np.abs(wrap_angle(heading - heading[row])) < 0.5
            ahead = alike & (along > 1.0) & (along < 60.0) & (np.abs(across) < 1.4)
            if ahead.any():
                first = int(np.flatnonzero(ahead)[along[ahead].argmin()])
                distance = along[first] - 0.5 * (length[first] + length[row])
                found.append(min(max(distance, 0.0) / speed[row], 8.0))
    return np.array(found)


def _distance(one: Float, two: Float) -> float:
    return float(wasserstein_distance(one, two)) if len(one) and len(two) else np.nan


def _leave_one_out(alone: Sequence[dict[str, Float]], name: str) -> list[float]:
    found = []
    for number, item in enumerate(alone):
        others = [other[name] for n, other in enumerate(alone) if n != number]
        if len(item[name]) >= 20:
            found.append(_distance(item[name], np.concatenate(others)))
    return found


def _quantiles(values: Float) -> str:
    return "/".join(f"{value:.2f}" for value in np.quantile(values, (0.05, 0.5, 0.95))) if len(values) else ""


def _told_apart(real: Sequence[Scenario], made: Sequence[Scenario]) -> tuple[float, list[str]]:
    from evaluation.audit.scenes import classifier_accuracy

    rows, labels, groups = [], [], []
    for label, scenes in ((True, real), (False, made)):
        for scenario in scenes:
            for begin in range(0, scenario.steps - WINDOW, WINDOW // 2):
                rows.append(_window(scenario, begin))
                labels.append(label)
                groups.append(scenario.group)
    truth = np.array(labels, np.bool_)
    if truth.sum() < 10 or (~truth).sum() < 10:
        return np.nan, []
    features = np.array(rows)
    _, area = classifier_accuracy(features, truth, groups)
    shift = np.abs(features[truth].mean(axis=0) - features[~truth].mean(axis=0)) / (features.std(axis=0) + 1e-9)
    return area, [FEATURES[n] for n in np.argsort(-shift)[:3]]


def _window(scenario: Scenario, begin: int) -> Float:
    part = slice(begin, begin + WINDOW)
    states, tracks = scenario.reference[part], scenario.tracks
    speed, yaw = states[:, Ego.VX], np.gradient(np.unwrap(states[:, Ego.HEADING]), 0.1)
    change = np.gradient(savgol_filter(speed, 11, 2), 0.1)
    middle = begin + WINDOW // 2
    away = np.hypot(*(tracks.position[:, middle] - scenario.reference[middle, :2]).T)
    near = tracks.valid[:, middle] & (away < 40.0)
    slow = np.hypot(*tracks.velocity[:, middle].T) < 0.3
    lateral = np.abs(speed * yaw)
    return np.array(
        (
            *(speed.mean(), speed.std(), np.abs(change).mean(), change.max(), change.min()),
            *(np.abs(np.gradient(change, 0.1)).mean(), lateral.mean(), lateral.max()),
            *(near.sum(), (near & slow).sum(), (near & (tracks.kind == AgentKind.PEDESTRIAN)).sum()),
            float(away[near].min(initial=40.0)),
        )
    )


def rank_agreement(rows: "pd.DataFrame", data: Path, out: Path, engine: Engine) -> Section:
    """Item 10: Kendall's tau of the planners' order here and on real drives, resampling scenes on both sides."""
    suite = resolve_suite("nuscenes", data)
    figures = []
    made = score_table(rows).loc[list(VARIANTS)]
    for traffic in ("log", "idm"):
        real_rows = drive_variants(suite, VARIANTS, out / f"nuscenes-{traffic}", traffic, engine)
        real = score_table(real_rows).loc[list(VARIANTS)]
        tau, low = agreement(made.to_numpy(), real.to_numpy())
        figures.append(at_least(f"Kendall's tau with real drives, {traffic} traffic", tau, 0.6))
        figures.append(at_least("its lower end (95 %)", low, 0.2))
    note = f"{len(suite.scenes)} real drives detect gross disagreement only; {len(VARIANTS)} planner variants."
    return Section("Rank agreement", tuple(figures), notes=(note,))


def agreement(one: Float, two: Float) -> tuple[float, float]:
    """Kendall's tau of the mean scores of ``[planners, scenes]`` each, and its lower end over resampled scenes."""
    rng = np.random.default_rng(0)
    tau = float(kendalltau(one.mean(axis=1), two.mean(axis=1)).statistic)
    drawn = []
    for _ in range(RESAMPLES):
        left = one[:, rng.integers(one.shape[1], size=one.shape[1])].mean(axis=1)
        right = two[:, rng.integers(two.shape[1], size=two.shape[1])].mean(axis=1)
        drawn.append(float(kendalltau(left, right).statistic))
    return tau, float(np.nanquantile(drawn, 0.025))
