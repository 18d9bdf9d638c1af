"""Adversarial scenes: a cross-entropy search for knobs at which rule planners fail and the expert does not.

Two rounds of 32 candidates per family, an elite of 8, a truncated normal per knob. What is found carries its point
and the density it was drawn with, so that weighted means still estimate the Sobol population.
Planners that are tuned against are marked in the suite file: their score there is lower than on a fair draw.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import truncnorm

from evaluation.curation.curate import ALIKE, Curated, examined, nearest, read_journal
from evaluation.curation.examine import TRIVIAL, Candidate, Examine, Wish
from evaluation.curation.mixture import BACKGROUND, weights
from evaluation.engines import Engine
from scenarios.generate import FAMILIES, Recipe
from scenarios.generate.families import FAMILY_BY_NAME

Float = NDArray[np.float64]

ROUNDS, BATCH, ELITE = 2, 32, 8
SHARE = 0.3  # of a suite, at most
FIRST = 500_000  # indices from here on belong to searched scenes
LEAST_SPREAD = 0.08
TUNED = ("pdm_closed", "idm", "lane_follower[speed_factor=0.6]")
"""Three planners that are tuned against, never the one that is being promoted."""


@dataclass(frozen=True)
class Searched:
    """A candidate, its worth to the search, and the density ratio of its draw."""

    candidate: Candidate
    worth: float
    density: float


@dataclass(frozen=True)
class Box:
    """A truncated normal on the unit cube: ``mean [D]``, ``spread [D]``."""

    mean: Float
    spread: Float

    def draw(self, rng: np.random.Generator, count: int) -> Float:
        """Points ``[count, D]`` in [0, 1), to four decimals."""
        low, high = (0.0 - self.mean) / self.spread, (1.0 - self.mean) / self.spread
        points = truncnorm.rvs(low, high, self.mean, self.spread, size=(count, len(self.mean)), random_state=rng)
        return np.clip(np.round(points, 4), 0.0, 0.9999)

    def density(self, point: Sequence[float]) -> float:
        """Density at a point over the even one."""
        low, high = (0.0 - self.mean) / self.spread, (1.0 - self.mean) / self.spread
        return float(np.exp(truncnorm.logpdf(np.asarray(point), low, high, self.mean, self.spread).sum()))


def worth(candidate: Candidate, kept: Sequence[Candidate]) -> float:
    """What the search maximises: strong planners fail, the expert does not, and it is not what is there already."""
    scores = candidate.scores
    if not scores:
        return -10.0
    pdm, idm = scores.get("pdm_closed", 1.0), scores.get("idm", 1.0)
    value = (1.0 - pdm) + 0.3 * (1.0 - idm)
    value -= 10.0 * bool(candidate.verdict)
    return value - 0.2 * (nearest(candidate, kept) < 0.15)


def search(
    family: str,
    namespace: str,
    least: float,
    engine: Engine,
    known: dict[str, Candidate],
    remember: Callable[[Candidate], None],
    rounds: int = ROUNDS,
    batch: int = BATCH,
) -> list[Searched]:
    """The valid candidates of a cross-entropy search in one family, best first."""
    dimensions = len(FAMILY_BY_NAME[family].knobs)
    box = Box(np.full(dimensions, 0.5), np.full(dimensions, 0.6))
    work = Examine(TUNED)
    found: list[Searched] = []
    for number in range(rounds):
        rng = np.random.default_rng([number, dimensions, *family.encode()])
        points = box.draw(rng, batch)
        wishes = [
            Wish(Recipe(family, FIRST + number * batch + n, namespace, point=tuple(point.tolist())), least, 1.01)
            for n, point in enumerate(points)
        ]
        for candidate in examined(engine, work, [item for item in wishes if item.recipe.id not in known]):
            remember(candidate)
        there = [known[item.recipe.id] for item in wishes]
        kept = [item.candidate for item in found]
        rated = [Searched(item, worth(item, kept), box.density(item.recipe.point)) for item in there]
        found += [item for item in rated if not item.candidate.verdict]
        elite = sorted((item for item in rated if item.worth > -9.0), key=lambda item: -item.worth)[:ELITE]
        if len(elite) >= 3:
            chosen = np.array([item.candidate.recipe.point for item in elite])
            box = Box(chosen.mean(axis=0), np.maximum(chosen.std(axis=0), LEAST_SPREAD))
    return sorted(found, key=lambda item: -item.worth)


def add_adversarial(
    curated: Curated,
    journal: Path,
    engine: Engine,
    report: Callable[[str], None] = lambda line: None,
    rounds: int = ROUNDS,
    batch: int = BATCH,
) -> Curated:
    """Replace up to 30 % of a suite's scenes, family by family, by searched ones that are unlike all others."""
    known = read_journal(journal)
    shares = {name: share for name, share in weights().items() if name in FAMILIES and name != BACKGROUND}
    room = math.floor(SHARE * curated.plan.count)
    added: list[Candidate] = []
    densities: dict[str, float] = {}
    with journal.open("a") as file:

        def remember(candidate: Candidate) -> None:
            known[candidate.recipe.id] = candidate
            file.write(candidate.to_json() + "\n")
            file.flush()

        for family, share in shares.items():
            quota = round(room * share / sum(shares.values()))
            if not quota or FAMILY_BY_NAME[family].twins:
                continue
            best = search(family, curated.plan.name, curated.plan.least, engine, known, remember, rounds, batch)
            taken: list[Candidate] = []
            others = [item for item in curated.kept if item.recipe.family == family]
            for item in best:
                if len(taken) < quota and nearest(item.candidate, [*others, *taken]) >= ALIKE:
                    taken.append(item.candidate)
                    densities[item.candidate.recipe.id] = item.density
            added += taken
            report(f"{family}: {len(taken)} of {quota} adversarial scenes, {len(best)} valid candidates")
    gone = _replaced(curated, added)
    kept = (*(item for item in curated.kept if item.recipe.id not in gone), *added)
    biased = tuple(dict.fromkeys((*TRIVIAL, *TUNED)))
    return replace(curated, kept=kept, densities=densities, biased=biased)


def _replaced(curated: Curated, added: Sequence[Candidate]) -> set[str]:
    """Ids of the scenes that make room: of the same family, last ones first."""
    gone: set[str] = set()
    for candidate in added:
        same = [
            item.recipe.id
            for item in reversed(curated.kept)
            if item.recipe.family == candidate.recipe.family and item.recipe.id not in gone
        ]
        gone.update(same[:1])
    return gone
