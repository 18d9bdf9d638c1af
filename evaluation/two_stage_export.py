"""Writes a suite's two-stage starts for NAVSIM-like tools: logs, maps, the mapping, and the drivers of the others."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from drive.scene import Scenario
from evaluation.results import write_atomically
from evaluation.starts.derive import starts_of
from evaluation.starts.groups import Group, groups_of
from scenarios.export_openscene import export
from scenarios.store import Store

MAPPING = "two_stage.json"
DRIVERS = "drivers"


@dataclass(frozen=True)
class Written:
    """What was written: ``groups`` first-stage starts and ``starts`` second-stage ones, the mapping in ``path``."""

    path: Path
    groups: int
    starts: int


def write_starts(scenarios: Sequence[Scenario], out: Path, store: Store) -> Written:
    """Write scenes and their second-stage starts as OpenScene logs under ``out``, and what connects them.

    ``two_stage.json`` holds rows ``[original, previous, [[start at t + 4 s, start at t + 3.5 s], ...]]`` of frame
    tokens, as NAVSIM's ``reactive_all_mapping``. A second-stage start is a log of its own: 2 Hz frames from 1.5 s
    before t + 3.5 s on to t + 8 s. ``drivers/<log>.safetensors`` attaches what moves its others: ``drivers [A, 16]``,
    ``script [E, 9]``, and the paths as flat points.

    Raises:
        DataError: As for :func:`scenarios.export_openscene.export`.
    """
    logs: list[Scenario] = []
    rows: list[Any] = []
    starts = 0
    for scenario in scenarios:
        logs.append(scenario)
        for group in groups_of(scenario, starts_of(scenario, store), "idm"):
            before, now = group.first
            pairs = [[pair[1].name, pair[0].name] for pair in group.second]
            rows.append([now.name, before.name, pairs])
            starts += len(pairs)
            logs += _alone(group)
    files = export(logs, out)
    folder = out / DRIVERS
    folder.mkdir(parents=True, exist_ok=True)
    for scenario in logs:
        write_atomically(folder / f"{files[scenario.id].stem}.safetensors", _drivers(scenario))
    path = out / MAPPING
    write_atomically(path, json.dumps({"reactive_all_mapping": rows}, indent=1).encode() + b"\n")
    return Written(path, len(rows), starts)


def _alone(group: Group) -> list[Scenario]:
    """The second-stage starts as scenes of their own, beginning at the partner's frame."""
    found = []
    trunk = group.trunk
    for before, _ in group.second:
        moment = before.moment
        _, state = trunk.rolled(moment.scenario.reference[trunk.scenario.start : moment.step + 1])
        found.append(moment.standing_alone(state.fired))
    return found


def _drivers(scenario: Scenario) -> bytes:
    arrays = {"drivers": scenario.drivers, "script": scenario.script}
    if scenario.paths is not None:
        arrays |= {
            "path_points": scenario.paths.points,
            "path_limit": scenario.paths.limit,
            "path_ptr": scenario.paths.ptr.astype(np.float64),
        }
    text = json.dumps({"agents": list(scenario.tracks.ids), "start": scenario.start})
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, {"scene": text})
