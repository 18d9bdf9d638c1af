"""Draws that a recipe decides: Sobol points for the knobs of a family, Philox streams for everything else."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from drive.errors import ScenarioError

GENERATOR_VERSION = "3"


@dataclass(frozen=True)
class Recipe:
    """Identity of a generated scene: the same recipe gives the same bytes.

    Attributes:
        family: ``F01`` to ``F26``, or a composition of two on one route (``F11+F18``).
        index: Number of the Sobol point; with the family it names the scene.
        namespace: Suites draw from namespaces of their own, so that no test scene is a training scene.
        twin: The same scene without its hazard (families with twins only).
        point: Knobs as a point in the unit cube, where it was searched for; empty: the Sobol point of the index.
    """

    family: str
    index: int
    namespace: str
    twin: bool = False
    point: tuple[float, ...] = ()

    @property
    def id(self) -> str:
        """Name of the scene, unique within its namespace."""
        return f"{self.family}-{self.index:06d}" + ("-twin" if self.twin else "")

    @property
    def group(self) -> str:
        """Unit of resampling in statistics: every generated scene is one of its own, with its twin."""
        return f"{self.namespace}/{self.family}-{self.index:06d}"


@dataclass(frozen=True)
class Knob:
    """A range that a unit draw is mapped to; with ``choices`` the draw picks one of them."""

    low: float = 0.0
    high: float = 1.0
    choices: tuple[float, ...] = ()

    def value(self, unit: float) -> float:
        """The value at ``unit`` in [0, 1)."""
        if self.choices:
            return self.choices[int(unit * len(self.choices))]
        return self.low + unit * (self.high - self.low)


def draw_knobs(recipe: Recipe, knobs: Mapping[str, Knob], substitute: int = 0) -> dict[str, float]:
    """The recipe's knob values, at its :func:`unit_point`, or at the n-th random point that may take its place."""
    count = len(knobs)
    unit = stream(recipe, "substitute", substitute).random(count) if substitute else unit_point(recipe, count)
    return {name: knob.value(float(u)) for (name, knob), u in zip(knobs.items(), unit, strict=True)}


def unit_point(recipe: Recipe, dimensions: int) -> NDArray[np.float64]:
    """The recipe's own point, or its point ``[D]`` of a scrambled Sobol sequence seeded by version, namespace, family.

    Raises:
        ScenarioError: The recipe's point has another number of coordinates, or leaves the unit cube.
    """
    if recipe.point:
        point = np.array(recipe.point)
        if len(point) != dimensions or point.min() < 0.0 or point.max() >= 1.0:
            raise ScenarioError(f"scene {recipe.id}: its point is {recipe.point}, expected {dimensions} in [0, 1)")
        return point
    return sobol_points(recipe.namespace, recipe.family, recipe.index, 1, dimensions)[0]


def sobol_points(namespace: str, family: str, begin: int, count: int, dimensions: int) -> NDArray[np.float64]:
    """Points ``[count, D]`` from index ``begin`` on of the sequence of a namespace and family."""
    seed = _hash(GENERATOR_VERSION, namespace, family)[0]
    sequence = qmc.Sobol(dimensions, scramble=True, seed=np.random.default_rng(seed))
    if begin:
        sequence.fast_forward(begin)
    return np.minimum(sequence.random(count), np.nextafter(1.0, 0.0))


def stream(recipe: Recipe, purpose: str, attempt: int = 0) -> np.random.Generator:
    """A generator of its own for one purpose of one scene: more draws elsewhere do not shift these."""
    key = _hash(GENERATOR_VERSION, recipe.namespace, recipe.family, str(recipe.index), purpose, str(attempt))
    return np.random.Generator(np.random.Philox(key=np.array(key, np.uint64)))


def _hash(*parts: str) -> tuple[int, int]:
    digest = blake2b("\x00".join(parts).encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
