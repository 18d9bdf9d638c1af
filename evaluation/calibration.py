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
    """The reference drive of a scene: its signals ``[1, T]`` by name, and the log it is from."""

    scene: str
    group: str
    signals: "dict[str, Tensor]"


def recorded_drives(suite: Suite, names: Iterable[str], store: Store | None = None) -> list[RecordedDrive]:
    """The signals ``names`` of every reference drive of a suite, from the start of its scene, in recorded traffic."""
    import torch

    from drive.signals import compute, prepare

    torch.set_num_threads(1)
    store, wanted = store or Store(), sorted(names)
    drives = []
    for reference in suite.scenes:
        scenario = load_scene(reference, store)
        tracks, after = scenario.tracks, slice(scenario.start, None)
        world = prepare(
            scenario,
            tracks.position[:, after],
            tracks.heading[:, after],
            tracks.velocity[:, after],
            tracks.valid[:, after],
        )
        values = compute(wanted, world, torch.from_numpy(scenario.reference[after].copy())[None])
        signals = {name: values[name].value for name in wanted}
        drives.append(RecordedDrive(scenario.id, scenario.group, signals))
    return drives
