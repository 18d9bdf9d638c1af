"""Curated suites as small files: recipes with the hashes of what they must become.

One JSON value a line: first a :class:`Header`, then a :class:`Entry` for every scene. Scenes are generated on first
use, checked against their hashes and kept in the store; those of ``gen-quick`` are shipped as arrays, too.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from drive.errors import SuiteError
from drive.scene import Scenario
from evaluation.fingerprint import fingerprint
from scenarios.generate import Recipe, build
from scenarios.generate.build import recipe_of
from scenarios.generate.digest import ends_of, same_ends, spawn_digest
from scenarios.packed import pack, unpack

SCHEMA = "recipes/1"
FOLDER = Path(__file__).resolve().parents[2] / "configs" / "suites"
SUFFIX = ".jsonl"
PACKED = ".npz.xz"


@dataclass(frozen=True)
class Header:
    """What a suite file says of itself.

    Attributes:
        name: Of the suite. ``namespace``: of its recipes.
        generator: Version of the generator that its hashes are of.
        cpu: Processor on which the drives end where the entries say, to a millimetre.
        biased: Planners that scenes were filtered or tuned by: their score here is lower than on a fair draw.
        funnel: What became of all candidates, by reason.
    """

    name: str
    namespace: str
    generator: str
    cpu: str
    biased: tuple[str, ...] = ()
    funnel: dict[str, int] = field(default_factory=dict)
    schema: str = SCHEMA


@dataclass(frozen=True)
class Entry:
    """One scene: its recipe, its hardness, what it must become, and how likely its draw was.

    ``density`` is that of the distribution its knobs were searched with over the even one of the Sobol points; 1 for a
    scene that was not searched for. A mean weighted by its inverse estimates the mean over the Sobol population.
    """

    recipe: Recipe
    hardness: float
    spawn: str
    ends: tuple[float, ...]
    density: float = 1.0


def entry_of(recipe: Recipe, scenario: Scenario, density: float = 1.0) -> Entry:
    """The entry of a scene that has been built."""
    return Entry(recipe, round(scenario.hardness, 4), spawn_digest(scenario), ends_of(scenario), density)


def write_suite(path: Path, header: Header, entries: Sequence[Entry]) -> None:
    """Write a suite file; the entries keep their order."""
    lines = [json.dumps(asdict(header))]
    for item in entries:
        recipe = item.recipe
        line: list[Any] = [recipe.family, recipe.index, int(recipe.twin), item.hardness, item.spawn, list(item.ends)]
        if recipe.point:
            line += [[round(value, 4) for value in recipe.point], round(item.density, 4)]
        lines.append(json.dumps(line, separators=(",", ":")))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def read_suite(path: Path) -> tuple[Header, list[Entry]]:
    """Read a suite file.

    Raises:
        SuiteError: It is missing or damaged; the sentence names the line.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"the suite file {path} cannot be read: {error}") from None
    entries: list[Entry] = []
    try:
        content = json.loads(lines[0])
        if content.get("schema") != SCHEMA:
            raise SuiteError(f"the suite file {path} has schema {content.get('schema')!r}, expected {SCHEMA!r}")
        header = Header(**content | {"biased": tuple(content["biased"])})
        for text in lines[1:]:
            family, index, twin, hardness, spawn, ends, *searched = json.loads(text)
            point, density = (tuple(searched[0]), searched[1]) if searched else ((), 1.0)
            recipe = Recipe(family, index, header.namespace, bool(twin), point)
            entries.append(Entry(recipe, hardness, spawn, tuple(ends), density))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise SuiteError(f"the suite file {path}, scene {len(entries) + 1}, is damaged: {error}") from None
    if not entries:
        raise SuiteError(f"the suite file {path} names no scene")
    return header, entries


def curated_names() -> list[str]:
    """Names of the suites that are shipped as recipes."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


@cache
def _packed_scenes(namespace: str) -> dict[str, Scenario]:
    path = FOLDER / f"{namespace}{PACKED}"
    return {scenario.id: scenario for scenario in unpack(path.read_bytes(), str(path))} if path.is_file() else {}


def pack_suite(name: str) -> Path:
    """Write the arrays of a shipped suite beside its recipes; returns the file.

    Raises:
        SuiteError: The suite file is damaged, or names scenes that this version does not generate.
    """
    _, entries = read_suite(FOLDER / f"{name}{SUFFIX}")
    path = FOLDER / f"{name}{PACKED}"
    scenes = [build(item.recipe) for item in entries]
    for item, scene in zip(entries, scenes, strict=True):
        if spawn_digest(scene) != item.spawn:
            raise SuiteError(f"suite {name!r}: scene {scene.id!r} is not generated as its file says")
    path.write_bytes(pack(scenes))
    return path


def packed_scene(recipe: Recipe, spawn: str) -> Scenario | None:
    """The scene of a recipe from the arrays that are shipped with its suite; None if they hold no such scene that
    begins as ``spawn`` says."""
    scenario = _packed_scenes(recipe.namespace).get(recipe.id) if spawn else None
    if scenario is None or recipe_of(scenario) != recipe or spawn_digest(scenario) != spawn:
        return None
    return scenario


def check_scene(scenario: Scenario, spawn: str, ends: tuple[float, ...]) -> str:
    """Compare a scene that was just generated with what its suite says; warn, and return the difference in words.

    Scores of scenes that differ must not be compared: the fingerprint in every result row tells such runs apart.
    """
    if spawn_digest(scenario) != spawn:
        said = f"scene {scenario.id}: its recipe makes another scene here than in its suite file"
    elif not same_ends(ends_of(scenario), ends):
        said = f"scene {scenario.id}: begins as in its suite file but evolves differently on {fingerprint()['cpu']}"
    else:
        return ""
    warnings.warn(f"{said}; scores are comparable on this kind of machine and version only", stacklevel=2)
    return said
