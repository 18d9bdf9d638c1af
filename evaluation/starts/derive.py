"""The starts of a scene: derived once, kept in the store, the same for every planner."""

from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drive.branch import Trunk
from drive.scene import DT, Scenario
from drive.vehicle import PACIFICA, Ego
from evaluation.starts.bank import Drive, asked_once, bank, lattice
from evaluation.starts.certify import PARTNER, STAGE, Judge
from evaluation.starts.way import Way, way_of
from scenarios.store import Store, code_digest, make_key, scenario_digest

Float = NDArray[np.float64]
Int = NDArray[np.int32]

GRID = 5  # samples between moments at which a first stage may begin
APART = 40  # samples between two first stages
MOST_FIRST = 3
FROM_BANK, MOST = 14, 20  # second-stage starts of one first stage
SAME = 0.1  # closer than this two drives end in the same place (in the metric of the selection)
WARNING = 30  # samples from the beginning of a first stage to that of its event, at least


@dataclass(frozen=True)
class Starts:
    """Starts of a scene.

    Attributes:
        first: ``[G]`` int32, scene steps at which first stages begin; their partners are half a second earlier.
        ptr: ``[G+1]`` int32, offsets into the second-stage starts.
        drive: ``[N, 81, 11]`` float64 ego states (:class:`drive.vehicle.Ego`) from the beginning of a first stage on:
            4 s to the second-stage start, its partner half a second before, and 4 s of a certified continuation.
        name: N phrases on who drove.
    """

    first: Int
    ptr: Int
    drive: Float
    name: tuple[str, ...]


def staged(scenario: Scenario) -> Scenario:
    """The scenario as two-stage evaluation drives it: with NAVSIM's car."""
    return replace(scenario, ego_vehicle=PACIFICA)


def trunk_scenario(scenario: Scenario, step: int) -> Scenario:
    """The scenario whose traffic is rolled for a drive that branches off at scene step ``step``.

    Generated traffic has been rolled from the scene's start on and is rolled again from there; recorded traffic begins
    to react at ``step``.
    """
    if scenario.source == "generated":
        return scenario
    return replace(scenario, start=step, t0_us=scenario.t0_us + 100_000 * (step - scenario.start))


def starts_of(scenario: Scenario, store: Store) -> Starts:
    """The starts of a scenario, from the store or derived and stored."""
    key = make_key(kind="two-stage starts", scene=scenario_digest(scenario), code=_code())
    found = store.get(key, Starts)
    if found is None:
        found = derive(scenario)
        store.put(key, found)
    return found


def derive(scenario: Scenario) -> Starts:
    """See the module; :func:`starts_of` saves the second time."""
    scenario = staged(scenario)
    firsts = first_starts(scenario)
    drives = [second_starts(scenario, step) for step in firsts]
    flat = [drive for each in drives for drive in each]
    return Starts(
        first=np.array(firsts, np.int32),
        ptr=np.concatenate(((0,), np.cumsum([len(each) for each in drives]))).astype(np.int32),
        drive=np.array([drive.states for drive in flat]).reshape(-1, 2 * STAGE + 1, len(Ego)),
        name=tuple(drive.name for drive in flat),
    )


def first_starts(scenario: Scenario) -> list[int]:
    """Scene steps at which first stages begin: before the main events, where they are known, else every 4 s.

    An event begins 3 to 3.5 s later: planners of the second stage can see it and still do something about it. It comes
    sooner where the scene would begin less than half a second before or end less than 8 s after. At most three, 4 s
    apart.
    """
    last = scenario.horizon - 2 * STAGE
    if last < PARTNER:
        return []
    events = [event for event in scenario.provenance.get("events", ()) if "begin" in event]
    events.sort(key=lambda event: -float(event.get("h", 0.0)))
    wanted = [(round(float(event["begin"]) / DT) - WARNING) // GRID * GRID for event in events]
    chosen: list[int] = []
    for k in [min(max(k, PARTNER), last // GRID * GRID) for k in wanted] or range(PARTNER, last + 1, APART):
        if all(abs(k - other) >= APART for other in chosen) and len(chosen) < MOST_FIRST:
            chosen.append(k)
    return sorted(scenario.start + k for k in chosen)


def second_starts(scenario: Scenario, step: int) -> list[Drive]:
    """Drives ``[81, 11]`` from scene step ``step`` on, at most twenty.

    The reference, plans of plain planners, then what lies farthest from all chosen before, first from the bank, then
    from the lattice. Whatever cannot be certified is passed over.
    """
    trunk = Trunk(trunk_scenario(scenario, step), "idm")
    way = way_of(trunk.scenario, max(step - STAGE // 2, 0))
    chosen = _Chosen(way, Judge(trunk, way, step))
    chosen.keep(Drive("reference", scenario.reference[step : step + 2 * STAGE + 1]))
    for drive in asked_once(trunk, step):
        if chosen.distances([drive])[0] > SAME:
            chosen.certify(drive)
    chosen.farthest(list(bank(trunk, way, step)), FROM_BANK)
    chosen.farthest(list(lattice(trunk, way, step)), MOST)
    return chosen.drives


class _Chosen:
    """Certified drives ``[81, 11]``, and where they end."""

    def __init__(self, way: Way, judge: Judge) -> None:
        self.drives: list[Drive] = []
        self._marks: list[Float] = []
        self._way, self._judge = way, judge

    def farthest(self, pool: list[Drive], most: int) -> None:
        """Farthest-point selection until there are ``most``, or none that ends elsewhere."""
        distance = self.distances(pool)
        while len(self.drives) < most and len(pool) and distance.max() > SAME:
            row = int(distance.argmax())
            if self.certify(pool[row]):
                distance = self.distances(pool)
            pool, distance = pool[:row] + pool[row + 1 :], np.delete(distance, row)

    def distances(self, pool: list[Drive]) -> Float:
        """From the ends of drives to the nearest end of a chosen one ``[P]``."""
        marks = np.array([_mark(self._way, drive.states[STAGE]) for drive in pool]).reshape(-1, 4)
        gaps: Float = np.linalg.norm(marks[:, None] - np.array(self._marks)[None], axis=2)
        return gaps.min(axis=1)

    def certify(self, drive: Drive) -> bool:
        """Keep a drive ``[41, 11]`` with its certified continuation, if it has one."""
        whole = self._judge.continued(drive.states) if self._judge.accepts(drive.states) else None
        if whole is not None:
            self.keep(Drive(drive.name, whole))
        return whole is not None

    def keep(self, drive: Drive) -> None:
        """Keep a drive that needs no certificate."""
        self.drives.append(drive)
        self._marks.append(_mark(self._way, drive.states[STAGE]))


def _mark(way: Way, state: Float) -> Float:
    """Where a drive ends, in the metric of the selection: s, d [m], heading / 0.1 rad, speed / 2 m/s."""
    s, d = way.locate(state[None, :2])
    pose, _ = way.at(s)
    turned = (state[Ego.HEADING] - pose[0, 2] + np.pi) % (2.0 * np.pi) - np.pi
    return np.array((s[0], d[0], turned / 0.1, state[Ego.VX] / 2.0))


@cache
def _code() -> str:
    """Everything that decides what the starts of a scene are."""
    root = Path(__file__).resolve().parents[2]
    folders = ("evaluation/starts", "planners", "planners/baselines", "drive", "drive/kernels", "drive/scoring/navsim")
    files = [path for folder in folders for path in (root / folder).glob("*.py")]
    packages = {name: version(name) for name in ("numpy", "scipy", "numba")}
    return make_key(code=code_digest(*files), packages=packages)
