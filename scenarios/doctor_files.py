"""What is in a folder of one file per scene (ScenarioNet, GPUDrive): every file is read as for a run."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drive.errors import DataError, MapError, ScenarioError
from drive.map import Layer
from drive.scene import Scenario


@dataclass(frozen=True)
class Line:
    """One finding: ``level`` is ``ok``, ``note`` (usable, worth knowing) or ``problem`` (not usable as it is)."""

    level: str
    text: str


_NAMES = {"scenarionet": "ScenarioNet", "gpudrive": "GPUDrive JSON"}


def scene_files(source: str, path: Path) -> Iterator[Line]:
    """Findings on a folder of scene files: what cannot be read, what was repaired, what the source does not have."""
    from scenarios import gpudrive, scenarionet

    files = (scenarionet if source == "scenarionet" else gpudrive).find_scenario_files(path)
    load = scenarionet.load_file if source == "scenarionet" else gpudrive.load_file
    scenes: list[Scenario] = []
    for file in files:
        try:
            scenes.append(load(file))
        except (DataError, MapError, ScenarioError) as error:
            yield Line("problem", str(error))
    origin = Counter(scene.family for scene in scenes)
    made = ", ".join(f"{count} {name}" for name, count in sorted(origin.items()))
    yield Line("ok" if scenes else "problem", f"{len(scenes)} of {len(files)} {_NAMES[source]} scenes ({made})")
    if not scenes:
        return
    repeated = [name for name, count in Counter(scene.id for scene in scenes).items() if count > 1]
    if repeated:
        yield Line("problem", f"the scene {min(repeated)!r} is there more than once")
    agents = sum(len(scene.tracks.ids) for scene in scenes)
    lanes = sum(scene.map.lanes for scene in scenes)
    yield Line("ok", f"{agents:,} road users and objects, {lanes:,} lanes and connectors")
    for scene in scenes:
        for note in scene.provenance["repaired"]:
            yield Line("note", f"{scene.id}: {note}")
        dropped = scene.provenance["dropped"]
        if dropped:
            more = f" (and {len(dropped) - 1} more)" if len(dropped) > 1 else ""
            yield Line("note", f"{scene.id}: {dropped[0]}{more}")
        if not len(scene.route):
            yield Line("note", f"{scene.id}: the drive follows no lane, so there is no route")
    yield from _missing(scenes)


def _missing(scenes: list[Scenario]) -> Iterator[Line]:
    count = len(scenes)
    unlit = sum(not (scene.lights.state > 0).any() for scene in scenes)
    if unlit:
        yield Line("note", f"{unlit} of {count} scenes have no signal states: red-light scores are invalid there")
    unlimited = sum(not scene.map.has_speed_limit.any() for scene in scenes)
    if unlimited:
        yield Line("note", f"{unlimited} of {count} scenes have no speed limits: speed scores are invalid there")
    bare = sum(not (scene.map.area_layer == Layer.DRIVABLE).any() for scene in scenes)
    if bare:
        yield Line("problem", f"{bare} of {count} scenes have no drivable area; every ego would be off the road")
    brief = [scene for scene in scenes if scene.horizon < 100]
    if brief:
        horizon = float(np.median([scene.horizon for scene in brief])) / 10
        yield Line("note", f"{len(brief)} of {count} scenes leave less than 10 s to drive ({horizon:.1f} s)")
