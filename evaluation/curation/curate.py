"""Curation: candidates become a suite that every scene of which is solvable, and almost none trivial.

The cells of a suite (family and stratum of hardness) are filled from Sobol points in their order. A candidate is built,
measured, driven by its expert and by planners that look at nobody, and certified; each is one line of a journal, from
which a curation goes on when it is repeated. The same journal always gives the same suite.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist

from drive.drivers import POPULATIONS
from drive.errors import SuiteError
from evaluation.curation.examine import NOTHING, SATURATED, TRIVIAL, Candidate, Examine, Wish
from evaluation.curation.mixture import BACKGROUND, STRATA, Cell, cells
from evaluation.curation.suite_file import Entry, Header, write_suite
from evaluation.engines import Died, Engine
from evaluation.fingerprint import fingerprint
from scenarios.generate import GENERATOR_VERSION, Recipe
from scenarios.generate.build import families_of

SPARE = 0.08  # of each cell: what the item analysis may drop
ALIKE = 0.05  # descriptors closer than this belong to one scene twice
TRIVIAL_SHARE = 0.1
SATURATED_SHARE = 0.06  # besides the background, where nothing happens that one would have to master
TRIES = 3  # candidates for each scene wanted, and 20 more, before a family is given up
BARREN = 24  # candidates without a single scene after which a family is given up
TRAINED = POPULATIONS[:4]


@dataclass(frozen=True)
class Plan:
    """What a suite is to be: its name (also the namespace of its recipes), size, least hardness, kind of scenes; with
    ``families`` one scene of each, and its twin where there are twins."""

    name: str
    count: int
    least: float = 0.0
    foreign: bool = False
    families: tuple[str, ...] = ()

    @property
    def cells(self) -> list[Cell]:
        """Cells to fill; only hard ones with ``least``."""
        if self.families:
            lowest = {BACKGROUND: 0.0}
            return [Cell(family, lowest.get(family, STRATA[0][0]), 1.001, 1) for family in self.families]
        return cells(self.count, self.least)


QUICK = ("F01", "F02", "F03", "F04", "F06", "F08", "F09", "F11", "F12", "F14", "F17", "F18", "F22", "F26")
PLANS = {
    plan.name: plan
    for plan in (
        Plan("gen-quick", 16, families=QUICK),
        Plan("gen-val", 800),
        Plan("gen-test", 800),
        Plan("gen-hard", 500, least=0.6),
        Plan("gen-ood", 300, foreign=True),
    )
}


@dataclass
class Cellar:
    """What fills one cell: the scenes taken, hazards with their twins."""

    cell: Cell
    twins: bool
    taken: list[Candidate] = field(default_factory=list)

    @property
    def wanted(self) -> int:
        """Scenes to take, spares included; a hazard and its twin count as two."""
        return self.cell.wanted + math.ceil(SPARE * self.cell.wanted)

    @property
    def open(self) -> bool:
        """True while scenes are missing."""
        return len(self.taken) * (2 if self.twins else 1) < self.wanted


@dataclass(frozen=True)
class Curated:
    """The outcome: scenes in order, what became of the candidates by family, cells that could not be filled.

    ``densities`` are those of searched scenes, by id; ``biased`` names the planners that scenes were chosen by.
    """

    plan: Plan
    kept: tuple[Candidate, ...]
    funnel: dict[str, Counter[str]]
    missing: tuple[str, ...]
    densities: Mapping[str, float] = field(default_factory=dict)
    biased: tuple[str, ...] = (*TRIVIAL, *SATURATED)

    def families_without(self, dropped: Sequence[str]) -> set[str]:
        """Families of the scenes whose ids are not in ``dropped``."""
        return {item.recipe.family for item in self.kept if item.recipe.id not in dropped}

    def write(self, path: Path, dropped: Sequence[str] = ()) -> None:
        """Write the suite file, without the scenes whose ids are in ``dropped``."""
        total: Counter[str] = Counter()
        for reasons in self.funnel.values():
            total += reasons
        header = Header(
            name=self.plan.name,
            namespace=self.plan.name,
            generator=GENERATOR_VERSION,
            cpu=fingerprint()["cpu"],
            biased=self.biased,
            funnel=dict(sorted(total.items())),
        )
        entries = [
            Entry(item.recipe, item.hardness, item.spawn, item.ends, self.densities.get(item.recipe.id, 1.0))
            for item in self.kept
            if item.recipe.id not in dropped
        ]
        write_suite(path, header, entries)


def curate(
    plan: Plan,
    journal: Path,
    engine: Engine,
    report: Callable[[str], None] = lambda line: None,
) -> Curated:
    """Fill the cells of a plan; candidates that ``journal`` knows are not examined again.

    Raises:
        SuiteError: The journal is damaged.
    """
    known = read_journal(journal)
    by_family: dict[str, list[Cellar]] = {}
    for cell in plan.cells:
        by_family.setdefault(cell.family, []).append(Cellar(cell, families_of(Recipe(cell.family, 0, ""))[0].twins))
    tried = dict.fromkeys(by_family, 0)
    funnel: dict[str, Counter[str]] = {family: Counter() for family in by_family}
    budget = {"trivial": math.floor(TRIVIAL_SHARE * plan.count), "saturated": math.floor(SATURATED_SHARE * plan.count)}
    work = Examine()
    with journal.open("a") as file:
        while wishes := _wishes(plan, by_family, tried, funnel):
            fresh = [wish for wish in wishes if wish.recipe.id not in known]
            for found in examined(engine, work, fresh):
                known[found.recipe.id] = found
                file.write(found.to_json() + "\n")
                file.flush()
            hazards = [known[wish.recipe.id] for wish in wishes]
            for candidate in hazards:
                _place(plan, candidate, by_family[candidate.recipe.family], known, funnel, budget)
            filled = sum(len(item.taken) for items in by_family.values() for item in items)
            report(f"{filled} scenes taken, {sum(tried.values())} candidates, {_open(by_family)} cells open")
    kept = [
        scene
        for items in by_family.values()
        for item in items
        for hazard in item.taken
        for scene in ([hazard, known[replace(hazard.recipe, twin=True).id]] if item.twins else [hazard])
    ]
    missing = tuple(
        f"{item.cell.family} [{item.cell.low:g}, {item.cell.high:g}): {len(item.taken)} of {item.wanted}"
        for items in by_family.values()
        for item in items
        if item.open
    )
    return Curated(plan, tuple(kept), funnel, missing)


def read_journal(path: Path) -> dict[str, Candidate]:
    """Candidates of a journal by id; a last line that was cut off is left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return {}
    known, lines = {}, path.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            found = Candidate.from_json(line)
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines):
                break
            raise SuiteError(f"the journal {path}, line {number}, is damaged ({error}): delete the line") from None
        known[found.recipe.id] = found
    return known


def _wishes(
    plan: Plan, by_family: dict[str, list[Cellar]], tried: dict[str, int], funnel: dict[str, Counter[str]]
) -> list[Wish]:
    """The next candidates of every family that has an open cell and is not given up."""
    found = []
    for family, items in by_family.items():
        open_ = [item for item in items if item.open]
        wanted = sum(item.cell.wanted for item in items)
        left = TRIES * wanted + 20 - tried[family]
        if not set(funnel[family]) - {NOTHING}:  # not a single scene yet
            left = BARREN - tried[family]
        if not open_ or left <= 0:
            continue
        short = sum(item.wanted - len(item.taken) * (2 if item.twins else 1) for item in open_)
        low, high = min(item.cell.low for item in open_), max(item.cell.high for item in open_)
        for _ in range(min(math.ceil(1.3 * short) + 1, left)):
            found.append(Wish(Recipe(family, tried[family], plan.name), low, high))
            tried[family] += 1
    return found


def examined(engine: Engine, work: Examine, wishes: Sequence[Wish]) -> Iterator[Candidate]:
    """Candidates of wishes and their twins in the order of completion; one whose process died is none.

    A twin comes before its hazard, so that no journal ends between them.
    """
    size = max(1, min(4, len(wishes) // max(2 * engine.workers, 1)))
    batches = [wishes[first : first + size] for first in range(0, len(wishes), size)]
    for wish, result in engine.map(work, batches):
        yield from [Candidate(wish.recipe, verdict=f"worker: {result}")] if isinstance(result, Died) else result[::-1]


def _place(
    plan: Plan,
    candidate: Candidate,
    items: list[Cellar],
    known: dict[str, Candidate],
    funnel: dict[str, Counter[str]],
    budget: dict[str, int],
) -> None:
    """Put a candidate into its cell or say why not; ``budget`` counts down the few easy ones that are allowed."""
    verdict = _verdict(plan, candidate, items, known, budget)
    funnel[candidate.recipe.family][verdict or "accepted"] += 1
    if verdict:
        return
    for reason in _easy(candidate):
        budget[reason] -= 1
    cellar = next(item for item in items if item.open and item.cell.low <= candidate.hardness < item.cell.high)
    cellar.taken.append(candidate)


def _easy(candidate: Candidate) -> list[str]:
    """What speaks against a scene. Background may be a queue, in which to stand is no loss."""
    if candidate.recipe.family == BACKGROUND:
        blind = any(candidate.scores.get(name, 0.0) >= bound for name, bound in TRIVIAL.items() if name != "stop")
        return ["trivial"] if blind else []
    return [reason for reason in ("trivial", "saturated") if getattr(candidate, reason)]


def _verdict(
    plan: Plan, candidate: Candidate, items: list[Cellar], known: dict[str, Candidate], budget: dict[str, int]
) -> str:
    if candidate.verdict:
        return candidate.verdict
    if not any(item.open and item.cell.low <= candidate.hardness < item.cell.high for item in items):
        return "stratum full"
    if plan.foreign and candidate.population in TRAINED and not candidate.unusual:
        return "not foreign"
    for reason in _easy(candidate):
        if budget[reason] <= 0:
            return reason
    if items[0].twins:
        twin = known.get(replace(candidate.recipe, twin=True).id)
        if twin is None or twin.verdict:
            return f"twin: {'not examined' if twin is None else twin.verdict}"
    taken = [other for item in items for other in item.taken]
    if any(other.map_digest == candidate.map_digest for other in taken):
        return "duplicate map"
    if nearest(candidate, taken) < ALIKE:
        return "duplicate"
    return ""


def nearest(candidate: Candidate, others: Sequence[Candidate]) -> float:
    """Root mean square distance of a descriptor to the nearest of others of its family; inf without any."""
    there = [other.descriptor for other in others if len(other.descriptor) == len(candidate.descriptor)]
    if not there:
        return math.inf
    away = cdist(np.array([candidate.descriptor]), np.array(there)).min()
    return float(away) / math.sqrt(len(candidate.descriptor))


def _open(by_family: dict[str, list[Cellar]]) -> int:
    return sum(item.open for items in by_family.values() for item in items)


def funnel_table(funnel: dict[str, Counter[str]]) -> list[tuple[str, ...]]:
    """Lines (family, candidates, accepted, reasons against the others, most frequent first)."""
    found: list[tuple[str, ...]] = []
    for family, reasons in funnel.items():
        total, accepted = sum(reasons.values()), reasons["accepted"]
        said = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common() if reason != "accepted")
        found.append((family, str(total), f"{accepted} ({100 * accepted / max(total, 1):.0f} %)", said))
    return found


def surplus(curated: Curated, correlation: dict[str, float]) -> list[str]:
    """Ids of scenes to drop: all with a negative item-total correlation, then the last ones above each cell's number.

    To keep those that agree best with the total instead would favour what the planners at hand can do. A hazard and its
    twin go together, judged by the one that fits less.
    """
    dropped: list[str] = []
    for cell in curated.plan.cells:
        names = [
            item.recipe.id
            for item in curated.kept
            if item.recipe.family == cell.family
            and not item.recipe.twin
            and not item.recipe.point
            and cell.low <= item.hardness < cell.high
        ]
        worth = {name: min(_worth(correlation.get(one, math.nan)) for one in (name, f"{name}-twin")) for name in names}
        pairs = 2 if families_of(Recipe(cell.family, 0, ""))[0].twins else 1
        kept = [name for name in worth if worth[name] >= 0.0][: math.ceil(cell.wanted / pairs)]
        dropped += [name for name in worth if name not in kept]
    return [item.recipe.id for item in curated.kept if item.recipe.id.removesuffix("-twin") in set(dropped)]


def _worth(correlation: float) -> float:
    """A scene in which all planners score the same tells nothing, and does no harm."""
    return 0.0 if math.isnan(correlation) else correlation
