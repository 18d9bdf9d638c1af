"""The half of the audit that looks at scenes, not at planners: leaks, duplicates, maps, speed and determinism."""

import time
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.special import expit

from drive.errors import ScenarioError
from drive.scene import AgentKind, Scenario
from drive.vehicle import Ego, center_from_rear_axle
from evaluation.audit.page import Figure, Section, at_least, at_most
from evaluation.curation.certificate import certify
from evaluation.curation.curate import nearest
from evaluation.curation.examine import Candidate, describe, map_digest
from evaluation.curation.mixture import training_recipes
from evaluation.suite import SceneRef, Suite, load_scene
from scenarios.generate import Recipe, build
from scenarios.generate.build import families_of
from scenarios.generate.digest import ends_of, same_ends, spawn_digest
from scenarios.generate.knobs import sobol_points, unit_point
from scenarios.store import Store, scenario_digest

Float = NDArray[np.float64]

SAMPLE = 16  # scenes built again
TRAINING = 10_000  # recipes for training that a suite must be apart from
FOLDS = 5
REAL_MAPS = "real: 3.6 m wide (q5 to q95 3.1 to 5.5), lane 21 m, connector 21 m, successors 1.07, radius 7 m"


def scene_sections(suite: Suite, store: Store) -> list[Section]:
    """Items 4 to 9 of the audit, for a suite of generated scenes."""
    scenes = [(ref, load_scene(ref, store)) for ref in suite.scenes]
    return [
        leaks([scenario for _, scenario in scenes]),
        duplicates(scenes),
        maps([scenario for _, scenario in scenes]),
        generation(suite),
        determinism(scenes),
    ]


def first_frame(scenario: Scenario) -> Float:
    """What can be seen at the start, as ``[12]`` numbers: the ego's motion, who is near, what the map is like."""
    start, tracks = scenario.start, scenario.tracks
    state = scenario.reference[start]
    center = center_from_rear_axle(state[None], scenario.ego_vehicle)[0, :2]
    cos, sin = np.cos(state[Ego.HEADING]), np.sin(state[Ego.HEADING])
    gap = tracks.position[:, start] - center
    along, across = gap[:, 0] * cos + gap[:, 1] * sin, gap[:, 1] * cos - gap[:, 0] * sin
    valid = tracks.valid[:, start]
    walkers = valid & (tracks.kind == AgentKind.PEDESTRIAN)
    lead = valid & (np.abs(across) < 1.8) & (along > 0.0)
    near = valid & (np.hypot(along, across) < 50.0)
    speed = np.hypot(*tracks.velocity[:, start].T)
    return np.array(
        (
            state[Ego.VX],
            state[Ego.AX],
            state[Ego.YAW_RATE],
            min(float(along[lead].min(initial=80.0)), 80.0),
            min(float(np.hypot(*gap[walkers].T).min(initial=80.0)), 80.0),
            float(near.sum()),
            float((near & (speed < 0.3)).sum()),
            float(walkers.sum()),
            float((tracks.cues[:, start] > 0).sum()),
            float(scenario.map.speed_limit[scenario.route[0]]),
            float(scenario.map.connector.sum()),
            float(len(scenario.lights.lane)),
        )
    )


def classifier_accuracy(features: Float, labels: NDArray[np.bool_], groups: Sequence[str]) -> tuple[float, float]:
    """Accuracy and area under the curve of a logistic classifier on ``features [N, F]``, cross-validated by group."""
    names = sorted(set(groups))
    fold_of = {name: number % FOLDS for number, name in enumerate(names)}
    folds = np.array([fold_of[name] for name in groups])
    scores = np.zeros(len(labels))
    for fold in range(FOLDS):
        train, test = folds != fold, folds == fold
        if not test.any() or labels[train].all() or not labels[train].any():
            continue
        middle, spread = features[train].mean(axis=0), features[train].std(axis=0) + 1e-9
        x = np.column_stack((np.ones(len(features)), (features - middle) / spread))
        y = labels[train].astype(np.float64)

        def loss(w: Float, x: Float = x[train], y: Float = y) -> tuple[float, Float]:
            p = expit(x @ w)
            value = -np.mean(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12)) + 0.01 * float(w[1:] @ w[1:])
            return float(value), x.T @ (p - y) / len(y) + 0.02 * np.concatenate(((0.0,), w[1:]))

        weights = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
        scores[test] = x[test] @ weights
    positive, negative = scores[labels], scores[~labels]
    order = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    return float(((scores > 0.0) == labels).mean()), float(order.mean()) if order.size else np.nan


def leaks(scenes: Sequence[Scenario]) -> Section:
    """Item 4: whether the first frame gives away that a hazard will come."""
    twins = {item.group for item in scenes if item.provenance.get("twin")}
    paired = [item for item in scenes if item.group in twins]
    if len(twins) < 10:
        note = f"The suite has {len(twins)} pairs of hazard and twin; 10 are needed to look for leaks."
        return Section("Leaks", notes=(note,))
    features = np.array([first_frame(item) for item in paired])
    labels = np.array([not item.provenance["twin"] for item in paired])
    accuracy, area = classifier_accuracy(features, labels, [item.group for item in paired])
    figures = (
        at_most("accuracy of hazard or twin, from the first frame", accuracy, 0.6),
        Figure("area under the curve", area),
    )
    return Section("Leaks", figures, notes=("A planner that is trained on its own history alone is a run of its own.",))


def duplicates(scenes: Sequence[tuple[SceneRef, Scenario]]) -> Section:
    """Item 5: how near scenes of one family are to each other, and how many maps occur twice."""
    candidates = []
    for ref, scenario in scenes:
        if ref.recipe is not None and not ref.recipe[3]:
            recipe = Recipe(*ref.recipe)
            candidates.append(Candidate(recipe, scenario.hardness, descriptor=describe(recipe, scenario)))
    away = []
    for number, item in enumerate(candidates):
        others = candidates[:number] + candidates[number + 1 :]
        distance = nearest(item, [other for other in others if other.recipe.family == item.recipe.family])
        if np.isfinite(distance):
            away.append(distance)
    training = _away_from_training([item.recipe for item in candidates])
    digests = [map_digest(scenario) for ref, scenario in scenes if not (ref.recipe and ref.recipe[3])]
    quantiles = np.quantile(away, (0.0, 0.05, 0.5)) if away else np.full(3, np.nan)
    figures = (
        at_least("distance to the nearest scene of the family, least", float(quantiles[0]), 0.05),
        Figure("the same, 5 % quantile", float(quantiles[1])),
        Figure("the same, median", float(quantiles[2])),
        at_least(f"distance to the nearest of {TRAINING} training recipes, knobs alone", training, 0.08),
        at_least("share of maps that occur once", len(set(digests)) / max(len(digests), 1), 0.98),
    )
    return Section("Duplicates", figures)


def _away_from_training(recipes: Sequence[Recipe]) -> float:
    """The least root mean square distance of knobs between a recipe and one for training of the same family."""
    there: dict[str, list[int]] = {}
    for recipe in training_recipes(TRAINING):
        there.setdefault(recipe.family, []).append(recipe.index)
    away = [np.inf]
    for family in {recipe.family for recipe in recipes} & there.keys():
        knobs = sum(len(item.knobs) for item in families_of(Recipe(family, 0, "")))
        own = np.array([unit_point(recipe, knobs) for recipe in recipes if recipe.family == family])
        first = min(there[family])
        others = sobol_points("gen-train", family, first, max(there[family]) - first + 1, knobs)
        away.append(float(cdist(own, others).min()) / np.sqrt(knobs))
    return min(away)


def maps(scenes: Sequence[Scenario]) -> Section:
    """Item 6: what the maps are like, beside the four real extracts."""
    widths: list[float] = []
    lanes: list[float] = []
    connectors: list[float] = []
    radii: list[float] = []
    successors: list[int] = []
    curvature: list[float] = []
    for item in scenes:
        world = item.map
        for lane in range(world.lanes):
            line = world.lane_centerline(lane)
            length = float(np.hypot(*np.diff(line[:, :2], axis=0).T).sum())
            ring = world.lane_polygon(lane)
            area = 0.5 * abs(float(ring[:, 0] @ np.roll(ring[:, 1], -1) - ring[:, 1] @ np.roll(ring[:, 0], -1)))
            (connectors if world.connector[lane] else lanes).append(length)
            steps = np.maximum(np.hypot(*np.diff(line[:, :2], axis=0).T), 1e-3)
            bend = np.abs(np.diff(np.unwrap(line[:, 2]))) / steps
            if world.connector[lane]:
                if bend.max(initial=0.0) > 1.0 / 40.0:
                    radii.append(1.0 / float(bend.max()))
            elif length > 5.0:
                widths.append(area / length)
                curvature.append(float(bend.max(initial=0.0)))
            successors.append(len(world.lane_successors(lane)))
    left = float(np.mean([bool(item.provenance.get("left_hand")) for item in scenes]))

    def spread(values: list[float]) -> tuple[str, ...]:
        return tuple(f"{value:.2f}" for value in np.quantile(values, (0.05, 0.5, 0.95))) if values else ("", "", "")

    lines = (
        ("lane width [m]", *spread(widths)),
        ("lane length [m]", *spread(lanes)),
        ("connector length [m]", *spread(connectors)),
        ("tightest radius of turning connectors [m]", *spread(radii)),
        ("greatest curvature of a lane [1/m]", *spread(curvature)),
        ("successors of a lane", *spread([float(value) for value in successors])),
        ("lanes and connectors of a map", *spread([float(item.map.lanes) for item in scenes])),
    )
    figures = (Figure("share of left-hand traffic", left), Figure("mean successors", float(np.mean(successors))))
    return Section("Maps", figures, ("quantity", "q5", "q50", "q95"), lines, (REAL_MAPS,))


def generation(suite: Suite) -> Section:
    """Items 7 and 8: what becomes of draws, and how long a certified scene takes on one core."""
    families = sorted({ref.family for ref in suite.scenes if ref.recipe})
    lines, built, certified = [], 0.0, 0.0
    total: Counter[str] = Counter()
    for family in families:
        refs = [ref for ref in suite.scenes if ref.family == family and ref.recipe][:4]
        funnel: Counter[str] = Counter()
        spent = 0.0
        for ref in refs:
            began = time.process_time()
            try:
                scenario = build(Recipe(*ref.recipe), funnel)  # type: ignore[misc]
            except ScenarioError:
                continue
            spent += time.process_time() - began
            began = time.process_time()
            certify(scenario, {})
            certified += time.process_time() - began
        built += spent
        total += funnel
        draws = sum(funnel.values())
        share = funnel["accepted"] / max(draws, 1)
        said = ", ".join(f"{reason} {count}" for reason, count in funnel.most_common(4) if reason != "accepted")
        warn = " (under 10 %)" if share < 0.1 else ""
        lines.append((family, f"{100 * share:.0f} %{warn}", f"{spent / max(len(refs), 1):.2f} s", said))
    count = max(total["accepted"], 1)
    figures = (
        at_least("scenes per second and core, certified", count / max(built + certified, 1e-9), 2.0),
        at_least("scenes per second and core, without certificate", count / max(built, 1e-9), 2.0),
    )
    return Section("Generation", figures, ("family", "draws accepted", "time a scene", "rejected"), tuple(lines))


def determinism(scenes: Sequence[tuple[SceneRef, Scenario]]) -> Section:
    """Item 9: scenes built again are the same to the last bit, and are what their suite file says."""
    step = max(len(scenes) // SAMPLE, 1)
    chosen = [(ref, scenario) for ref, scenario in scenes if ref.recipe][::step]
    again = [build(Recipe(*ref.recipe)) for ref, _ in chosen]  # type: ignore[misc]
    same = [scenario_digest(one) == scenario_digest(two) for (_, one), two in zip(chosen, again, strict=True)]
    figures = [at_least("built again: equal to the last bit", float(np.mean(same)), 1.0)]
    listed = [(ref, scenario) for ref, scenario in scenes if ref.spawn]
    if listed:
        spawned = np.mean([spawn_digest(scenario) == ref.spawn for ref, scenario in listed])
        ends = np.mean([same_ends(ends_of(scenario), ref.ends) for ref, scenario in listed])
        figures += [
            at_least("spawn as in the suite file", float(spawned), 1.0),
            at_least("drives end as in the suite file, to 1 mm", float(ends), 1.0),
        ]
    return Section("Determinism", tuple(figures), notes=(f"{len(chosen)} scenes built again.",))
