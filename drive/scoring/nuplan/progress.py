"""nuPlan's ``ego_progress_along_expert_route`` and ``ego_is_making_progress``."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.scoring.nuplan.direction import arc_at
from drive.scoring.nuplan.inputs import NuplanMap
from drive.scoring.nuplan.lanes import Lanes

Float = NDArray[np.float64]

LEAST = 2.0
"""Metres below which a drive counts as this long; the reference's documentation says 0.1."""

MAKING_PROGRESS = 0.2


class Progress(NamedTuple):
    """Progress of the ego per sample ``[S]`` [m] (None without an expert route), totals [m] and the ratio."""

    steps: Float | None
    ego: float
    expert: float
    ratio: float


def expert_chain(world: NuplanMap, route: list[Lanes]) -> list[int]:
    """Lanes whose roadblock and centreline make the expert's route, from the lists of its centres.

    Consecutive lanes of one roadblock are one element, with the centreline of the first.
    """
    kept: list[Lanes] = []
    for lanes in route:
        if lanes and (not kept or not set(lanes) & set(kept[-1])):
            kept.append(lanes)
    chain: list[int] = []
    for lanes in kept:
        if not chain or world.group[lanes[0]] != world.group[chain[-1]]:
            chain.append(lanes[0])
    return chain


def progress_along(world: NuplanMap, chain: list[int], points: Float) -> Float:
    """Progress ``[P]`` [m] of points ``[P, 2]`` along the chain; the first is 0. It never goes back to an element."""
    in_block = world.block.contain(points)
    groups = world.group[chain]
    inside = np.stack([in_block[:, world.block_group == group].any(axis=1) for group in groups], axis=1)
    steps = np.zeros(len(points))
    current = 0
    before = arc_at(world, chain[0], points[0])
    for step in range(1, len(points)):
        if inside[step, current]:
            at = arc_at(world, chain[current], points[step])
            steps[step], before = at - before, at
            continue
        ahead = np.flatnonzero(inside[step, current + 1 :])
        if not len(ahead):
            continue
        entered = current + 1 + int(ahead[0])
        at = arc_at(world, chain[entered], points[step])
        steps[step] = world.arc[chain[current]][-1] - before
        for number in range(
            current + 1, entered
        ):  # elements passed over count from one neighbour's line to the other's
            skipped = chain[number]
            start, end = world.line[chain[number - 1]][-1], world.line[chain[number + 1]][0]
            steps[step] += arc_at(world, skipped, end) - arc_at(world, skipped, start)
        steps[step] += at - arc_at(world, chain[entered], world.line[chain[entered - 1]][-1])
        current, before = entered, at
    return steps


def progress_ratio(world: NuplanMap, expert_route: list[Lanes], expert: Float, center: Float) -> Progress:
    """Progress of the ego's centres ``[S, 2]`` as a share of the expert's ``[N, 2]``."""
    chain = expert_chain(world, expert_route)
    if not chain:
        return Progress(None, 0.0, 0.0, 1.0)
    steps = progress_along(world, chain, center)
    ego, reference = float(steps.sum()), float(progress_along(world, chain, expert).sum())
    ratio = 0.0 if ego < -LEAST else min(1.0, max(ego, LEAST) / max(reference, LEAST))
    return Progress(steps, ego, reference, ratio)
