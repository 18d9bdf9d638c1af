"""Recorded drives as traces for rules: what human drivers, or generated experts, did."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.suite import Suite, load_scene
from scenarios.store import Store

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RecordedDrive:
    """The reference drive of a scene: its signals ``[1, T]`` by name, the sample at which the scene starts, and the log
    it is from."""

    scene: str
    group: str
    start: int
    signals: "dict[str, Tensor]"


def recorded_drives(suite: Suite, names: Iterable[str], store: Store | None = None) -> list[RecordedDrive]:
    """The signals ``names`` of every reference drive of a suite, with what is recorded before, in recorded
    traffic."""
    import torch

    from drive.signals import compute, prepare

    torch.set_num_threads(1)
    store, wanted = store or Store(), sorted(names)
    drives = []
    for reference in suite.scenes:
        scenario = load_scene(reference, store)
        tracks = scenario.tracks
        world = prepare(
            scenario,
            tracks.position,
            tracks.heading,
            tracks.velocity,
            tracks.valid,
            history=scenario.start,
        )
        values = compute(wanted, world, torch.from_numpy(scenario.reference.copy())[None])
        signals = {name: values[name].value for name in wanted}
        drives.append(RecordedDrive(scenario.id, scenario.group, scenario.start, signals))
    return drives
