"""Suites: a name or a YAML file becomes a list of scene references, cheap to send to workers; scenes load one by one.

Names: ``nuscenes``, ``scenarionet``, ``gpudrive`` (every scene of ``--data``), ``openscene`` (every window of NAVSIM
logs), ``gen-quick``, ``procedural:<family|all>:<count>:<seed>``, ``gen-train:<count>``, the curated suites (``gen-val``
and others: recipes in ``configs/suites/*.jsonl``, or such a file) and every YAML file in ``configs/suites/``. A YAML
file names a source, one of all these but the last, and filters applied in a fixed order.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drive.errors import DataError, SuiteError
from drive.scene import Scenario
from planners.options import did_you_mean
from scenarios.openscene.windows import SceneFilter
from scenarios.sources import RECORDED, prepare

if TYPE_CHECKING:
    from scenarios.generate import Recipe
    from scenarios.store import Store

Traffic = Literal["log", "idm", "constant_velocity"]

SHIPPED = Path(__file__).resolve().parents[1] / "configs" / "suites"
PROCEDURAL = "procedural:<family|all>:<count>:<seed>"
TRAINING = "gen-train:<count>"
_FOLDERS = {
    "nuscenes": "the nuScenes folder (the one that holds maps/ and v1.0-...)",
    "scenarionet": "a ScenarioNet database (the folder that holds dataset_summary.pkl)",
    "gpudrive": "a folder of GPUDrive's JSON files",
}


@dataclass(frozen=True)
class SceneRef:
    """A scene by reference.

    Attributes:
        id, family, group: As in :class:`drive.scene.Scenario`.
        key: Hash of everything that decides the scene's content; finds it in the store.
        recipe: Fields of :class:`scenarios.generate.Recipe`, to build a scene again; None for recorded scenes.
        spawn, ends: What it must become (:mod:`scenarios.generate.digest`), for scenes of curated suites.
    """

    id: str
    family: str
    group: str
    key: str
    recipe: tuple[str, int, str, bool, tuple[float, ...]] | None = None
    spawn: str = ""
    ends: tuple[float, ...] = ()


@dataclass(frozen=True)
class Suite:
    """Scenes to drive, in a fixed order, with ids that are unique.

    Attributes:
        name: As asked for.
        source: ``nuscenes``, ``openscene``, ``scenarionet``, ``gpudrive`` or ``generated``.
        data: Folder of recorded data, None for generated scenes.
        scenes: At least one.
        default_traffic: What drives the other agents unless the user says otherwise.
        maps: Folder of the maps of an openscene suite; None: the one that its data folder holds.
        scene_filter: Which windows of the logs an openscene suite is made of.
    """

    name: str
    source: str
    data: Path | None
    scenes: tuple[SceneRef, ...]
    default_traffic: Traffic
    maps: Path | None = None
    scene_filter: SceneFilter | None = None

    @property
    def digest(self) -> str:
        """Hash over the ids and contents of all scenes."""
        return hashlib.sha256(json.dumps([(scene.id, scene.key) for scene in self.scenes]).encode()).hexdigest()


class SuiteFile(BaseModel):
    """A suite file. Filters apply in the order of the fields; globs are those of the shell (``*``, ``?``, ``[ab]``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal["suite/1"] = Field(alias="schema")
    name: str = Field(min_length=1)
    description: str = ""
    source: str = Field(
        description="nuscenes, openscene, scenarionet, gpudrive, a shipped suite as gen-quick, gen-train:<count> or "
        "procedural:<family|all>:<count>:<seed>"
    )
    data: Path | None = Field(default=None, description="folder of recorded data, relative to this file; --data wins")
    maps: Path | None = Field(default=None, description="folder of maps, relative to this file; --maps wins")
    traffic: Traffic | None = Field(default=None, description="default for --traffic")
    scene_filter: SceneFilter | None = Field(default=None, description="openscene only: NAVSIM's options")
    families: tuple[str, ...] | None = Field(default=None, description="globs on the family; keep what matches one")
    groups: tuple[str, ...] | None = Field(default=None, description="globs on the log or twin")
    scenes: tuple[str, ...] | None = Field(default=None, description="globs on the scene id")
    exclude: tuple[str, ...] | None = Field(default=None, description="globs on the scene id; drop what matches one")
    limit: int | None = Field(default=None, ge=1, description="keep this many, the first ones")


def resolve_suite(name: str, data: Path | None = None, store: "Store | None" = None, maps: Path | None = None) -> Suite:
    """Find the suite ``name`` (a name, or the path of a YAML file) and list its scenes.

    Args:
        name: See the module text.
        data: Folder of recorded data (``--data``).
        store: Where loaded scenes are kept; the user's cache by default.
        maps: Folder of maps (``--maps``), for ``openscene``.

    Raises:
        SuiteError: Unknown name, unusable file, or no scene is left; the sentence says which filter removed how many.
        DataError: The data folder cannot be used.
    """
    if name.endswith(".jsonl"):
        return _curated(Path(name), name)
    if name.endswith((".yaml", ".yml")):
        return _from_file(Path(name), name, data, store, maps)
    if (SHIPPED / f"{name}.yaml").is_file():
        return _from_file(SHIPPED / f"{name}.yaml", name, data, store, maps)
    return _from_source(name, name, data, store, maps)


def suite_names() -> list[str]:
    """Names a user may give to ``--suite``; the procedural ones as a pattern."""
    from evaluation.curation.suite_file import curated_names

    shipped = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
    return [*RECORDED, PROCEDURAL, TRAINING, *curated_names(), *shipped]


def load_scene(scene: SceneRef, store: "Store") -> Scenario:
    """The scenario behind a reference, from the store or built again.

    Raises:
        DataError: The scene is not in the store any more, and cannot be made again here.
    """
    scenario = store.get(scene.key)
    if scenario is not None:
        return scenario
    if scene.recipe is None:
        raise DataError(
            f"scene {scene.id!r} is no longer in the store {store.root}: repeat the command with --data to reload it"
        )
    from evaluation.curation.suite_file import check_scene, packed_scene
    from scenarios.generate import Recipe, build

    recipe = Recipe(*scene.recipe)
    if _generated_key(recipe) != scene.key:
        raise DataError(
            f"scene {scene.id!r} was generated by another version of this toolkit and is no longer in the store "
            f"{store.root}: install that version to see it again"
        )
    scenario = packed_scene(recipe, scene.spawn)
    if scenario is None:
        scenario = build(recipe)
        if scene.spawn:
            check_scene(scenario, scene.spawn, scene.ends)
    store.put(scene.key, scenario)
    return scenario


def ensure_scenes(
    scenes: Sequence[SceneRef],
    source: str,
    data: Path | None,
    store: "Store",
    where: str = "the run",
    maps: Path | None = None,
    scene_filter: SceneFilter | None = None,
) -> None:
    """Load recorded scenes that the store has lost again from ``data`` (and ``maps``, by the suite's filter).

    Raises:
        DataError: There is no such folder, or what it holds now is not what ``where`` used.
    """
    lost = [scene for scene in scenes if scene.recipe is None and scene.key not in store]
    if not lost:
        return
    if source not in RECORDED or data is None:
        raise DataError(f"scene {lost[0].id!r} of {where} is not in the store {store.root}, and cannot be made again")
    ids = tuple(scene.id for scene in lost)
    if source == "openscene":
        from scenarios.openscene import prepare as prepare_windows

        found = prepare_windows(data, store, maps, replace(scene_filter or SceneFilter(), tokens=ids, max_scenes=None))
    else:
        found = prepare(source, data, store, ids)
    for before, now in zip(lost, found, strict=True):
        if before.key != now.key:
            raise DataError(
                f"scene {before.id!r} in {data} is not the one that {where} used: its files or the loader have changed"
            )


def _from_file(path: Path, name: str, data: Path | None, store: "Store | None", maps: Path | None) -> Suite:
    file = read_suite_file(path)
    if data is None and file.data is not None:
        data = path.parent / file.data
    if maps is None and file.maps is not None:
        maps = path.parent / file.maps
    if file.scene_filter is not None and file.source != "openscene":
        raise SuiteError(f"the suite file {path} has a scene_filter, which is for openscene, not {file.source}")
    suite = _from_source(file.source, name, data, store, maps, file.scene_filter)
    kept, removed = list(suite.scenes), []
    for label, keep in _filters(file):
        before = len(kept)
        kept = keep(kept)
        removed.append(f"{label} removed {before - len(kept)} of {before}")
    if not kept:
        raise SuiteError(f"suite {name!r} is empty: {file.source} has {len(suite.scenes)} scenes, {', '.join(removed)}")
    return replace(suite, scenes=tuple(kept), default_traffic=file.traffic or suite.default_traffic)


def read_suite_file(path: Path) -> SuiteFile:
    """Parse a suite file.

    Raises:
        SuiteError: The file is missing, no YAML, or a field is wrong; the sentence names file and field.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise SuiteError(f"the suite file {path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SuiteError(f"the suite file {path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise SuiteError(
            f"the suite file {path} holds {type(content).__name__}, expected fields like `source: nuscenes`"
        )
    try:
        return SuiteFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        known = [item.alias or key for key, item in SuiteFile.model_fields.items()]
        hint = did_you_mean(field, known) if first["type"] == "extra_forbidden" else ""
        raise SuiteError(f"the suite file {path}, field {field!r}: {first['msg']}{hint}") from None


def _filters(file: SuiteFile) -> Iterable[tuple[str, Callable[[list[SceneRef]], list[SceneRef]]]]:
    def matching(patterns: Sequence[str], attribute: str, wanted: bool) -> Callable[[list[SceneRef]], list[SceneRef]]:
        def keep(scenes: list[SceneRef]) -> list[SceneRef]:
            return [
                scene
                for scene in scenes
                if any(fnmatchcase(getattr(scene, attribute), pattern) for pattern in patterns) == wanted
            ]

        return keep

    for label, patterns, attribute, wanted in (
        ("families", file.families, "family", True),
        ("groups", file.groups, "group", True),
        ("scenes", file.scenes, "id", True),
        ("exclude", file.exclude, "id", False),
    ):
        if patterns is not None:
            yield f"{label} {list(patterns)}", matching(patterns, attribute, wanted)
    if file.limit is not None:
        yield f"limit {file.limit}", lambda scenes: scenes[: file.limit]


def _from_source(
    source: str,
    name: str,
    data: Path | None,
    store: "Store | None",
    maps: Path | None,
    scene_filter: SceneFilter | None = None,
) -> Suite:
    if source == "openscene":
        return _openscene(name, data, store, maps, scene_filter or SceneFilter())
    if maps is not None:
        raise SuiteError(f"suite {name!r} has its maps with its data: leave out --maps, which is for openscene")
    if source in RECORDED:
        return _recorded(source, name, data, store)
    if data is not None and source.startswith(("gen-", "procedural:")):
        raise SuiteError(f"suite {name!r} is generated and reads no data: leave out --data")
    if (SHIPPED / f"{source}.jsonl").is_file():
        return _curated(SHIPPED / f"{source}.jsonl", name)
    if source.partition(":")[0] == "procedural":
        return _procedural(source, name)
    if source.partition(":")[0] == "gen-train":
        return _training(source, name)
    known = suite_names()
    raise SuiteError(
        f"there is no suite {source!r}{did_you_mean(source, known)}; known are {', '.join(known)}, "
        "or the path of a .yaml file"
    )


def _recorded(source: str, name: str, data: Path | None, store: "Store | None") -> Suite:
    from scenarios.store import Store

    if data is None:
        raise SuiteError(f"suite {name!r} needs --data, {_FOLDERS[source]}")
    entries = prepare(source, data, store or Store())
    scenes = tuple(SceneRef(entry.id, entry.family, entry.group, entry.key) for entry in entries)
    if not scenes:
        raise SuiteError(f"suite {name!r} is empty: {data} holds no scene")
    return Suite(name, source, data, scenes, "log")


def _openscene(
    name: str, data: Path | None, store: "Store | None", maps: Path | None, scene_filter: SceneFilter
) -> Suite:
    from scenarios.openscene import prepare
    from scenarios.store import Store

    if data is None:
        raise SuiteError(f"suite {name!r} needs --data, a folder of OpenScene logs (such as the one with navsim_logs/)")
    entries = prepare(data, store or Store(), maps, scene_filter)
    if not entries:
        raise SuiteError(f"suite {name!r} is empty: no window of the logs in {data} passes its scene filter")
    scenes = tuple(SceneRef(entry.id, entry.family, entry.group, entry.key) for entry in entries)
    return Suite(name, "openscene", data, scenes, "log", maps, scene_filter)


def _procedural(source: str, name: str) -> Suite:
    from scenarios.generate import FAMILIES, procedural

    match = re.fullmatch(r"procedural:([^:]+):(\d+):(\d+)", source)
    if match is None:
        raise SuiteError(f"suite {source!r} is not of the form {PROCEDURAL}, for example procedural:F26:100:7")
    family, count, seed = match[1], int(match[2]), int(match[3])
    if family != "all" and family not in FAMILIES:
        raise SuiteError(
            f"suite {source!r}: there is no family {family!r}{did_you_mean(family, FAMILIES)}; "
            f"known are all, {', '.join(FAMILIES)}"
        )
    if count == 0:
        raise SuiteError(f"suite {source!r} is empty: its count is 0")
    return _generated(name, procedural(family, count, seed))


def _curated(path: Path, name: str) -> Suite:
    from evaluation.curation.suite_file import read_suite

    _, entries = read_suite(path)
    suite = _generated(name, [item.recipe for item in entries])
    scenes = tuple(
        replace(scene, spawn=item.spawn, ends=item.ends) for scene, item in zip(suite.scenes, entries, strict=True)
    )
    return replace(suite, scenes=scenes)


def _training(source: str, name: str) -> Suite:
    from evaluation.curation.mixture import training_recipes

    match = re.fullmatch(r"gen-train:(\d+)", source)
    if match is None or int(match[1]) == 0:
        raise SuiteError(f"suite {source!r} is not of the form {TRAINING}, for example gen-train:1000")
    return _generated(name, training_recipes(int(match[1])))


def _generated(name: str, recipes: "Sequence[Recipe]") -> Suite:
    scenes = tuple(
        SceneRef(recipe.id, recipe.family, recipe.group, _generated_key(recipe), astuple(recipe)) for recipe in recipes
    )
    return Suite(name, "generated", None, scenes, "idm")


def _generated_key(recipe: "Recipe") -> str:
    from scenarios.store import make_key

    return make_key(kind="generated scene", recipe=astuple(recipe), code=generator_code())


@cache
def generator_code() -> str:
    """Everything that decides what a recipe becomes."""
    from scenarios.generate import GENERATOR_VERSION
    from scenarios.store import code_digest, make_key

    root = Path(__file__).resolve().parents[1]
    files = [path for folder in ("drive", "drive/kernels", "drive/scoring") for path in (root / folder).glob("*.py")]
    files += (root / "scenarios" / "generate").rglob("*.py")
    packages = {name: version(name) for name in ("numpy", "scipy", "numba")}
    return make_key(generator=GENERATOR_VERSION, code=code_digest(*files), packages=packages)
