"""Verbs that train planners."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from evaluation.commands.common import DONE, Data, Maps, Workers, make_engine, say

QUICK_SCENES, QUICK_STEPS = 64, 500


def train(
    system: Positional[Annotated[Literal["imitation"], arg(help="What to train.", metavar="SYSTEM")]],
    out: Annotated[Path, arg(help="Folder for weights, card and checkpoint.", metavar="DIR")],
    suite: Annotated[str, arg(help="Suite whose reference drives are copied.")] = "gen-train:1000",
    data: Data = None,
    maps: Maps = None,
    sees: Annotated[
        Literal["all", "route"], arg(help="route: only the ego's past and the route, to measure what leaks.")
    ] = "all",
    steps: Annotated[int, arg(help="Gradient steps.", metavar="N")] = 12_000,
    every: Annotated[int, arg(help="Scene steps between two samples.", metavar="N")] = 10,
    seed: Annotated[int, arg(help="Seed of weights and batches.", metavar="N")] = 0,
    quick: Annotated[bool, arg(help="A look at whether it works: few scenes, few steps.")] = False,
    workers: Workers = None,
) -> int:
    """Train a planner: imitation, the small one that training sets are measured with. Killed, it goes on."""
    from drive.errors import RunError
    from evaluation.progress import Meter
    from evaluation.suite import resolve_suite
    from evaluation.training import collect
    from planners.imitation.train import Config, train_imitation
    from scenarios.store import Store

    for name, value in (("--steps", steps), ("--every", every)):
        if value < 1:
            raise RunError(f"{name} is {value}, expected at least 1")
    store = Store()
    found = resolve_suite(suite, data, store, maps)
    scenes = found.scenes[:QUICK_SCENES] if quick else found.scenes
    with Meter().running() as meter:
        meter.begin(len(scenes))
        windows = collect(scenes, store, every, make_engine(workers), lambda: meter.add({}))
    about = {"suite": found.name, "scenes": len(scenes), "digest": found.digest, "every": every}
    config = Config(sees=sees, steps=QUICK_STEPS if quick else steps, seed=seed)
    weights = train_imitation(windows, config, out, about, _report)
    say(f"weights: {weights}, {len(windows.arc)} samples of {len(scenes)} scenes")
    say(f"planner: planners.imitation.planner:ImitationPlanner[weights={weights}]")
    return DONE


def _report(epoch: int, epochs: int, loss: float) -> None:
    say(f"epoch {epoch} of {epochs}, loss {loss:.4f}")
