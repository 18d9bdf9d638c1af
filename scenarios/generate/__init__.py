"""Procedural scenes: what a user has before any data set, and the only scenes whose difficulty is known.

A :class:`Recipe` (family, index, namespace) is the identity of a scene; :func:`build` turns it into a scenario, always
the same bytes.
"""

from drive.errors import SuiteError
from scenarios.generate.build import build
from scenarios.generate.families import FAMILIES
from scenarios.generate.knobs import GENERATOR_VERSION, Recipe

__all__ = ["FAMILIES", "GENERATOR_VERSION", "Recipe", "build", "procedural"]


def procedural(family: str, count: int, seed: int) -> list[Recipe]:
    """``count`` recipes of one family, or of all in turn (``"all"``), in the namespace of ``seed``.

    Every seed has a hash namespace of its own, which training never uses.

    Raises:
        SuiteError: The family is unknown or the count is not positive.
    """
    if family != "all" and family not in FAMILIES:
        raise SuiteError(f"procedural suite names family {family!r}, expected all, {', '.join(FAMILIES)}")
    if count < 1:
        raise SuiteError(f"procedural suite asks for {count} scenes, expected at least 1")
    chosen = FAMILIES if family == "all" else (family,)
    return [Recipe(chosen[n % len(chosen)], n // len(chosen), f"procedural-{seed}") for n in range(count)]
