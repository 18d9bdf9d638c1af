"""A suite of hand-made scenes for tests of runs: recorded-like, so it needs neither data nor generator."""

import sys
from pathlib import Path

import pandas as pd

from drive.scene import AgentKind, Scenario
from evaluation.engines import InProcess
from evaluation.results import RunFolder
from evaluation.runner import evaluate
from evaluation.suite import SceneRef, Suite
from planners.registry import resolve
from scenarios.store import Store, scenario_digest
from tests.scenes import moving, straight_scene

ODD = "tests.evaluation.odd_planners"
CAR, SIZE = AgentKind.CAR, (4.6, 1.9)


def scenes(count: int = 7) -> list[Scenario]:
    """Straight roads; the ego is faster from scene to scene, the others slow down its lane from scene 3 on."""
    built = []
    for number in range(count):
        cars = [(CAR, SIZE, moving((25.0 + 9 * n, 3.5 if number < 3 else 0.0), 6.0)) for n in range(number)]
        built.append(
            straight_scene(
                cars,
                speed=5.0 + number,
                id=f"straight-{number}",
                family=f"cars-{number % 2}",
                group=f"log-{number // 2}",
            )
        )
    return built


def suite(store: Store, count: int = 7) -> Suite:
    """The scenes of :func:`scenes`, in the store."""
    references = []
    for scenario in scenes(count):
        key = scenario_digest(scenario)
        store.put(key, scenario)
        references.append(SceneRef(scenario.id, scenario.family, scenario.group, key))
    return Suite("straight", "test", None, tuple(references), "log")


def drive(out: Path, *planners: str, count: int = 7, **options: object) -> RunFolder:
    """Run planners of ``odd_planners`` (or ids) through the suite, in this process unless told otherwise."""
    store = Store(out.parent / "store")
    options = {"engine": InProcess(), "traffic": "idm"} | options
    specs = [resolve(f"{ODD}:{name}" if name[0].isupper() else name) for name in planners]
    return evaluate(suite(store, count), specs, out, store=store, **options)  # type: ignore[arg-type]


def comparable(run: RunFolder) -> pd.DataFrame:
    """Rows without what may differ between two identical runs."""
    rows = run.rows()
    return rows[[name for name in rows.columns if not name.startswith("time.")]]


if __name__ == "__main__":  # a run in a process of its own, to be killed
    from evaluation.engines import ProcessPool

    drive(Path(sys.argv[1]), *sys.argv[2:], engine=ProcessPool(2), batch_size=2)
