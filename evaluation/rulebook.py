"""Ranking by rules, level by level: harm before danger before law before courtesy before comfort.

A rulebook compares outcomes by the first level at which they differ; levels below never make up for it. The violation
of a level is the sum of the normalised depths of its broken rules (0: all kept), averaged over the units of a planner.
Differences below a dead band do not count, or noise at an upper level would outrank everything below it.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

DEAD_BAND = 0.05  # of the normalised violation
LEVEL = re.compile(r"rules\.(?P<set>.+)\.level(?P<level>\d)")


@dataclass(frozen=True)
class Standing:
    """A planner in a rulebook: ``rank`` from 1 (equals share it), mean violation per level, worst level first."""

    planner: str
    rank: int
    levels: tuple[float, ...]


def standings(rows: "pd.DataFrame") -> dict[str, tuple[Standing, ...]]:
    """Rule set -> planners, best first. Failed units have no rules to keep: they count as the worst there is."""
    sets: dict[str, list[str]] = {}
    for column in rows.columns:
        if found := LEVEL.fullmatch(str(column)):
            sets.setdefault(found["set"], []).append(str(column))
    return {name: _rank(rows, sorted(columns)) for name, columns in sets.items()}


def _rank(rows: "pd.DataFrame", columns: list[str]) -> tuple[Standing, ...]:
    worst = {column: float(np.nanmax(rows[column].to_numpy(), initial=1.0)) for column in columns}
    means = {
        str(planner): tuple(float(part[column].fillna(worst[column]).mean()) for column in columns)
        for planner, part in rows.groupby("planner")
    }
    keys = {planner: tuple(round(value / DEAD_BAND) for value in levels) for planner, levels in means.items()}
    order = sorted(means, key=lambda planner: (keys[planner], planner))
    places = sorted(set(keys.values()))
    return tuple(Standing(planner, 1 + places.index(keys[planner]), means[planner]) for planner in order)
