"""What a candidate scene is worth: built, certified, driven by the planners that decide whether it is kept."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from drive.errors import ScenarioError
from drive.rollout import Rollout
from drive.scene import Scenario
from evaluation.curation.certificate import broken_rules, certify, failures
from evaluation.manifest import Settings
from evaluation.metrics.drive_score import score_rollout
from evaluation.protocols.base import Drive
from evaluation.protocols.closed_loop import ClosedLoop
from planners.host import InProcessHost
from planners.registry import PlannerSpec, resolve
from scenarios.generate import Recipe, build
from scenarios.generate.build import families_of
from scenarios.generate.digest import ends_of, spawn_digest
from scenarios.generate.knobs import unit_point

EXPERT = "log_replay"
NOTHING = "no draw makes a scene"
TRIVIAL = {"constant_velocity": 0.8, "lane_follower": 0.8, "stop": 0.5}
"""Planners that look at nobody, and the score from which a scene that one of them solves tells little. To stand still
is no drive: there the bound is lower."""
SATURATED = {"idm": 0.95, "pdm_closed": 0.95}
"""Planners that look at others, and the score from which all of them have solved a scene: it tells them not apart."""

CLEAN, FURTHER = 0.85, 1.1
"""Score from which a drive has nothing on its record but comfort, and how much further than the expert is too far."""


@dataclass(frozen=True)
class Candidate:
    """A recipe and everything that is known of it; plain values, one line of a curation's journal.

    Attributes:
        recipe: Of the scene. ``hardness``: of the scene built, ``spawn`` and ``ends``: its hashes.
        verdict: Empty for a scene that may be kept, else the first reason against it.
        scores: Planner -> score in reactive traffic.
        descriptor: Knobs as a unit point, facts of the map, timing of the events and hardness, each about one wide.
        map_digest: Equal for equal maps.
        population, left_hand, unusual: Who drives there, on which side, and whether training never meets the layout.
        funnel: What became of the draws at this recipe.
    """

    recipe: Recipe
    hardness: float = 0.0
    verdict: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    descriptor: tuple[float, ...] = ()
    map_digest: str = ""
    spawn: str = ""
    ends: tuple[float, ...] = ()
    population: str = ""
    left_hand: bool = False
    unusual: bool = False
    funnel: dict[str, int] = field(default_factory=dict)

    @property
    def trivial(self) -> bool:
        """True if a planner that looks at nobody solves it."""
        return any(self.scores.get(name, 0.0) >= bound for name, bound in TRIVIAL.items())

    @property
    def saturated(self) -> bool:
        """True if every planner that looks at others solves it; False where they have not been asked."""
        return all(self.scores.get(name, 0.0) >= bound for name, bound in SATURATED.items())

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "Candidate":
        """The candidate of a line."""
        values: dict[str, Any] = json.loads(text)
        recipe = values.pop("recipe")
        recipe["point"] = tuple(recipe["point"])
        for name in ("descriptor", "ends"):
            values[name] = tuple(values[name])
        return Candidate(Recipe(**recipe), **values)


@dataclass(frozen=True)
class Wish:
    """A recipe to examine, and the hardness that would be of use: others are not driven at all."""

    recipe: Recipe
    low: float
    high: float


class Examine:
    """The work of a worker: candidates of a list of wishes. Picklable; planners are built when first needed."""

    def __init__(self, planners: Sequence[str] = ()) -> None:
        self._specs = {name: resolve(name) for name in (EXPERT, *TRIVIAL, *planners)}
        self._others = {name: resolve(name) for name in SATURATED if name not in planners}

    def __call__(self, wishes: Sequence[Wish]) -> list[list[Candidate]]:
        """For every wish its candidate, and with one that may be kept its twin, in families that have twins."""
        return [self._with_twin(wish) for wish in wishes]

    def _with_twin(self, wish: Wish) -> list[Candidate]:
        found = self.examine(wish)
        if found.verdict or wish.recipe.twin or not families_of(wish.recipe)[0].twins:
            return [found]
        return [found, self.examine(Wish(replace(wish.recipe, twin=True), 0.0, 1.01))]

    def examine(self, wish: Wish) -> Candidate:
        """Build, measure, drive and certify; whatever fails first ends it."""
        funnel: Counter[str] = Counter()
        try:
            scenario = build(wish.recipe, funnel, substitutes=0)  # or the points would not be Sobol's any more
        except ScenarioError:
            return Candidate(wish.recipe, verdict=NOTHING, funnel=dict(funnel))
        known: dict[str, Any] = {
            "recipe": wish.recipe,
            "hardness": round(scenario.hardness, 4),
            "descriptor": describe(wish.recipe, scenario),
            "map_digest": map_digest(scenario),
            "spawn": spawn_digest(scenario),
            "ends": ends_of(scenario),
            "population": str(scenario.provenance["population"]),
            "left_hand": bool(scenario.provenance["left_hand"]),
            "unusual": bool(scenario.provenance["unusual"]),
            "funnel": dict(funnel),
        }
        if not (wish.low <= scenario.hardness < wish.high) and not wish.recipe.twin:
            return Candidate(**known, verdict="hardness of no use")
        reactive = drive_all(scenario, list(self._specs.values()), "idm")
        known["scores"] = {name: round(score, 4) for name, (score, _) in reactive.items()}
        replays = {"idm": reactive[EXPERT]}
        if replays["idm"][0] >= 0.95:
            replays["log"] = drive_all(scenario, [self._specs[EXPERT]], "log")[EXPERT]
        if any(score < 0.95 for score, _ in replays.values()):
            return Candidate(**known, verdict="expert scores less than 0.95")
        failed = failures(certify(scenario, replays))
        if failed:
            return Candidate(**known, verdict=f"certificate: {failed[0]}")
        for name, spec in self._others.items():  # the dearest planners last, and only while all do well
            reactive |= drive_all(scenario, [spec], "idm")
            known["scores"][name] = round(reactive[name][0], 4)
            if known["scores"][name] < SATURATED[name]:
                break
        if not wish.recipe.twin and _timid(scenario, reactive):  # to be wary of what does not come is no fault
            return Candidate(**known, verdict="a planner gets further than the expert and keeps the rules")
        return Candidate(**known)


def drive_all(scenario: Scenario, planners: Sequence[PlannerSpec], traffic: str) -> dict[str, tuple[float, Rollout]]:
    """Score and rollout of every planner in one scene, by name; a planner that fails scores 0."""
    settings = Settings(traffic=traffic)  # type: ignore[arg-type]
    drives = [Drive(scenario, InProcessHost(spec), spec.privileged, spec.tracker, 0) for spec in planners]
    ClosedLoop().drive(drives, settings)
    found = {}
    for spec, drive in zip(planners, drives, strict=True):
        score = 0.0 if drive.error is not None else score_rollout(scenario, drive.rollout)["score"].value
        found[spec.name] = (float(score), drive.rollout)
    return found


def _timid(scenario: Scenario, driven: Mapping[str, tuple[float, Rollout]]) -> bool:
    """True if a planner gets a tenth further than the expert without any infraction, the shipped rules included."""
    far = FURTHER * _driven(driven[EXPERT][1])
    return any(
        score >= CLEAN and _driven(rollout) > far and not broken_rules(scenario, rollout)
        for score, rollout in driven.values()
    )


def _driven(rollout: Rollout) -> float:
    """Length of a drive [m]."""
    return float(np.hypot(*np.diff(rollout.ego[:, :2].astype(np.float64), axis=0).T).sum())


def describe(recipe: Recipe, scenario: Scenario) -> tuple[float, ...]:
    """The descriptor ``[knobs + 9]`` in which scenes of one family are told apart."""
    families = families_of(recipe)
    unit = unit_point(recipe, sum(len(family.knobs) for family in families))
    world = scenario.map
    lanes = [world.lane_centerline(lane) for lane in range(world.lanes)]
    length = float(sum(np.hypot(*np.diff(line[:, :2], axis=0).T).sum() for line in lanes))
    turn = float(np.abs(np.diff(np.unwrap(np.concatenate([lanes[lane][:, 2] for lane in scenario.route])))).sum())
    events = scenario.provenance.get("events", [{}])
    first = events[0] if events else {}
    facts = (
        world.lanes / 60.0,
        float(world.connector.sum()) / 60.0,
        length / 6000.0,
        turn / np.pi,
        float(scenario.reference[scenario.start, 3]) / 20.0,
        float(np.hypot(*(scenario.goal - scenario.reference[scenario.start, :2]))) / 600.0,
        float(np.clip(first.get("dta", first.get("seen", first.get("begin", 0.0))), -5.0, 15.0)) / 10.0,
        len(scenario.tracks.ids) / 40.0,
        scenario.hardness,
    )
    return tuple(round(float(value), 4) for value in (*unit, *facts))


def map_digest(scenario: Scenario) -> str:
    """Equal for maps of equal lanes, whatever drives on them."""
    lanes = [np.round(scenario.map.lane_centerline(lane), 2) for lane in range(scenario.map.lanes)]
    return hashlib.sha256(b"".join(line.tobytes() for line in lanes)).hexdigest()[:12]
