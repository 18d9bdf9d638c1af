"""What generated suites are mixed of: weights of families, compositions that make sense, shares of hardness."""

from dataclasses import dataclass

import numpy as np

from scenarios.generate import FAMILIES, Recipe
from scenarios.generate.build import families_of
from scenarios.generate.families import FAMILY_BY_NAME

BACKGROUND, RARE = "F26", ("F01", "F23")
BACKGROUND_SHARE, RARE_SHARE, COMPOSED_SHARE = 0.15, 0.02, 0.25
STRATA = ((0.15, 0.4, 0.2), (0.4, 0.6, 0.3), (0.6, 0.8, 0.3), (0.8, 1.001, 0.2))
"""Bounds of hardness and the share of a suite's events between them."""

COMPOSITIONS = (
    ("F01", "F02"), ("F01", "F25"), ("F03", "F02"), ("F03", "F04"), ("F04", "F02"), ("F09", "F20"), ("F09", "F25"),
    ("F11", "F18"), ("F11", "F25"), ("F12", "F25"), ("F13", "F25"), ("F14", "F25"), ("F15", "F25"), ("F16", "F25"),
    ("F18", "F22"), ("F19", "F09"), ("F22", "F18"),
)  # fmt: skip
"""Events that find room for each other on one road, and often make a scene that is neither trivial nor unfair."""

TRAINING_FROM = 1_000_000


@dataclass(frozen=True)
class Cell:
    """A family (or composition) and a stratum of hardness ``[low, high)``, and how many scenes a suite takes of it."""

    family: str
    low: float
    high: float
    wanted: int


def compositions() -> list[str]:
    """Names of the compositions that can be built with the families there are."""
    return [
        f"{first}+{second}"
        for first, second in COMPOSITIONS
        if first in FAMILY_BY_NAME and second in FAMILY_BY_NAME and FAMILY_BY_NAME[second].overlay is not None
    ]


def weights() -> dict[str, float]:
    """Share of every family and composition in a standard suite; they add up to 1."""
    rare = [name for name in RARE if name in FAMILIES]
    others = [name for name in FAMILIES if name not in (BACKGROUND, *rare)]
    composed = compositions()
    found = dict.fromkeys(rare, RARE_SHARE)
    if BACKGROUND in FAMILIES:
        found[BACKGROUND] = BACKGROUND_SHARE
    if composed:
        found |= dict.fromkeys(composed, COMPOSED_SHARE / len(composed))
    left = 1.0 - sum(found.values())
    found |= dict.fromkeys(others, left / max(len(others), 1))
    total = sum(found.values())
    return {name: found[name] / total for name in (*FAMILIES, *composed) if name in found}


def cells(count: int, least: float = 0.0) -> list[Cell]:
    """The cells of a suite of ``count`` scenes; with ``least`` only hardness from there on, and no background."""
    shares = {name: share for name, share in weights().items() if least == 0.0 or name != BACKGROUND}
    names = list(shares)
    scale = count / sum(shares.values())
    per_family = apportion([shares[name] * scale for name in names], count)
    found = []
    for name, number in zip(names, per_family, strict=True):
        if name == BACKGROUND:
            found.append(Cell(name, 0.0, 1.001, number))
            continue
        strata = [item for item in STRATA if item[0] >= least - 1e-9]
        total = sum(share for *_, share in strata)
        parts = apportion([number * share / total for *_, share in strata], number)
        found += [Cell(name, low, high, part) for (low, high, _), part in zip(strata, parts, strict=True) if part]
    return found


def apportion(wanted: list[float], total: int) -> list[int]:
    """Whole numbers near ``wanted`` that add up to ``total``: the largest remainders are rounded up."""
    whole = np.floor(wanted).astype(int)
    rest = np.asarray(wanted) - whole
    for number in np.argsort(-rest, kind="stable")[: total - int(whole.sum())]:
        whole[number] += 1
    return [int(value) for value in whole]


def training_recipes(count: int) -> list[Recipe]:
    """``count`` recipes for training, families in proportion to their weights from the first scene on."""
    shares = weights()
    names, given = list(shares), dict.fromkeys(shares, 0)
    found = []
    for number in range(count):
        name = max(names, key=lambda item: (number + 1) * shares[item] - given[item])
        twin = families_of(Recipe(name, 0, ""))[0].twins and given[name] % 4 == 3
        index = TRAINING_FROM + given[name] - int(twin)
        found.append(Recipe(name, index, "gen-train", twin))
        given[name] += 1
    return found
