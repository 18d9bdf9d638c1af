"""Which lanes and connectors the ego is in: the assignment six of nuPlan's metrics share (nuPlan devkit 1.2.2,
``get_route`` and ``EgoLaneChangeStatistics``)."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from drive.scoring.nuplan.inputs import NuplanMap

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Lanes = tuple[int, ...]

KEEP_DISTANCE = 5.0
"""Connectors closer than this [m] stay assigned where the ego leaves them inside an intersection."""


def search(world: NuplanMap, inside: Bool) -> Lanes:
    """The lane that contains a point, else all connectors that do; ``inside [L]`` says which polygons contain it.

    Lanes must not overlap; the reference raises where two contain a point, here the first listed is taken.
    """
    held = np.flatnonzero(inside)
    lanes = held[~world.connector[held]]
    return (int(lanes[0]),) if len(lanes) else tuple(held.tolist())


def route_of(world: NuplanMap, points: Float) -> list[Lanes]:
    """Lanes or connectors of each of the points ``[P, 2]``, sticky in time, thinned backwards."""
    inside = world.surface.contain(points)
    in_intersection = world.intersection.contain(points).any(axis=1)
    route: list[Lanes] = []
    for step, point in enumerate(points):
        before: Lanes = route[-1] if route else ()
        now = _keep(world, inside[step], before)
        if not now:
            now = search(world, inside[step])
            leaves = bool(world.connector[now[0]]) if now else bool(in_intersection[step])
            if step > 1 and before and world.connector[before[0]] and leaves:
                near = tuple(lane for lane in before if world.surface.distance(point, (lane,)) < KEEP_DISTANCE)
                now = near or now
        route.append(now)
    return _thin(world, route)


def _keep(world: NuplanMap, inside: Bool, candidates: Lanes) -> Lanes:
    kept = tuple(lane for lane in candidates if inside[lane])
    if not kept and len(candidates) == 1:
        kept = tuple(lane for lane in world.successors[candidates[0]] if inside[lane])
    return kept


def _thin(world: NuplanMap, route: list[Lanes]) -> list[Lanes]:
    for step in range(len(route) - 2, -1, -1):
        here, after = route[step], route[step + 1]
        if len(here) < 2 or not after:
            continue
        if len(after) < len(here) and set(after) <= set(here):
            route[step] = here = after
        if not world.connector[after[0]]:
            leading = tuple(lane for lane in here if lane in world.predecessors[after[0]])
            route[step] = leading or here
    return route


def route_of_corners(world: NuplanMap, corners: Float) -> list[tuple[Lanes, ...]]:
    """The same for the four corners ``[S, 4, 2]`` of the footprint, without distance rule and thinning."""
    inside = world.surface.contain(corners.reshape(-1, 2)).reshape(*corners.shape[:2], -1)
    found = [tuple(search(world, held) for held in inside[0])]
    for step in range(1, len(corners)):
        candidates = tuple(dict.fromkeys(lane for lanes in found[-1] for lane in lanes))
        now = []
        for held in inside[step]:
            lanes = _keep(world, held, candidates)
            if not lanes:
                lanes = search(world, held)
                if step == 1:  # only in the second sample the reference's candidates grow while it looks
                    candidates = tuple(dict.fromkeys(candidates + lanes))
            now.append(lanes)
        found.append(tuple(now))
    return found


def in_single_lane(world: NuplanMap, corners: tuple[Lanes, ...]) -> bool:
    """True if all four corners are in one lane or connector or in connected ones."""
    if not all(corners):
        return False
    front_left, rear_left, rear_right, front_right = (set(lanes) for lanes in corners)
    if front_left & rear_left & rear_right & front_right:
        return True
    from_left, from_right = _with(world.successors, rear_left), _with(world.successors, rear_right)
    if not (rear_left & from_right or rear_right & from_left):
        return False
    to_left, to_right = _with(world.predecessors, front_left), _with(world.predecessors, front_right)
    return bool(to_left & from_right & to_right & from_left)


def _with(neighbors: tuple[Lanes, ...], lanes: Iterable[int]) -> set[int]:
    lanes = tuple(lanes)
    return {*lanes, *(other for lane in lanes for other in neighbors[lane])}
