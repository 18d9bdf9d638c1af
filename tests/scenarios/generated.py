"""Generated scenes that several tests look at, built once."""

from collections import Counter
from functools import cache

import numpy as np

from drive.kernels.checks import overlapping
from drive.scene import Scenario
from drive.vehicle import center_from_rear_axle
from scenarios.generate import FAMILIES, Recipe, build
from scenarios.generate.families import FAMILY_BY_NAME
from scenarios.generate.knobs import draw_knobs
from scenarios.generate.setting import Draws, Setting

NAMESPACE = "tests"
SCENES = {"F01": 14, "F18": 14, "F26": 14}
FEW = 3  # scenes of every other family


@cache
def scene(family: str, index: int) -> Scenario:
    """One scene of the tests' namespace."""
    return build(Recipe(family, index, NAMESPACE))


def scenes() -> list[Scenario]:
    """A few scenes of every family."""
    return [scene(family, index) for family in FAMILIES for index in range(SCENES.get(family, FEW))]


@cache
def setting(family: str, index: int, namespace: str = NAMESPACE) -> Setting:
    """What a recipe puts on the road, before anything moves: the first draw whose geometry closes."""
    recipe = Recipe(family, index, namespace)
    knobs = draw_knobs(recipe, FAMILY_BY_NAME[family].knobs)
    for attempt in range(16):
        staged = FAMILY_BY_NAME[family].stage(knobs, Draws(recipe, attempt))
        if staged is not None:
            return staged
    raise AssertionError(f"no draw of {recipe} closes")


def touching(scenario: Scenario) -> list[str]:
    """Names of all that touch another box at any stored step, the ego among them."""
    tracks, car = scenario.tracks, scenario.ego_vehicle
    center = center_from_rear_axle(scenario.reference, car)
    hit = overlapping(
        np.concatenate((tracks.position, center[None, :, :2])),
        np.concatenate((tracks.heading, center[None, :, 2])),
        np.concatenate((tracks.size, ((car.length, car.width),))),
        np.concatenate((tracks.valid, np.ones((1, scenario.steps), np.bool_))),
        0,
        scenario.steps,
    )
    names = (*tracks.ids, "ego")
    return [names[row] for row in np.flatnonzero(hit.any(axis=1))]


def funnel_of(family: str, count: int, namespace: str) -> tuple[list[Scenario], Counter[str]]:
    """Scenes of a namespace, and what became of all draws."""
    funnel: Counter[str] = Counter()
    return [build(Recipe(family, index, namespace), funnel) for index in range(count)], funnel
