"""nuScenes scenes through the nuscenes-devkit: tables and map expansion in, scenarios in the store."""

from collections.abc import Sequence
from importlib.metadata import version as installed
from pathlib import Path

import drive
import scenarios
from scenarios.nuscenes.tables import expansion_file, find_scenes, locate
from scenarios.store import SceneEntry, Store, code_digest, make_key

FAMILY = "nuscenes"
_PACKAGES = ("nuscenes-devkit", "numpy", "scipy", "shapely")


def prepare(
    dataroot: Path, store: Store, version: str | None = None, scenes: Sequence[str] | None = None
) -> list[SceneEntry]:
    """Entries of the scenes of a nuScenes folder, all of them in the store when this returns.

    What the store lacks is loaded through the devkit; what it has costs a glance at file times. One scene is one
    window: 2 s of history and up to 15 s to drive, at 0.1 s. Ids are the scene names, groups the recording logs.

    Args:
        dataroot: The folder that holds ``v1.0-*`` and ``maps``, or one of its ``v1.0-*`` folders.
        store: Where scenarios are kept.
        version: Table folder to read, needed where there are several.
        scenes: Names of the scenes wanted, in this order; by default all, in table order.

    Raises:
        DataError: One sentence on which file or record cannot be used, and what to do.
    """
    location = locate(dataroot, version)
    code = _code()
    tables = store.fingerprints(location.table_files())
    catalog_key = make_key(kind="nuscenes catalog", tables=tables, version=location.version, code=code)
    listed = store.get_json(catalog_key)
    if listed is None:
        from scenarios.nuscenes.load import catalog
        from scenarios.nuscenes.tables import open_tables

        listed = catalog(open_tables(location))
        store.put_json(catalog_key, listed)
    known = {item["name"]: item for item in listed}
    names = find_scenes(known, known if scenes is None else scenes, location.tables)
    places = sorted({known[name]["location"] for name in names})
    maps = {place: store.fingerprint(expansion_file(location.root, place)) for place in places}
    keys = {
        name: make_key(
            kind="nuscenes scene",
            name=name,
            tables=tables,
            map=maps[known[name]["location"]],
            version=location.version,
            code=code,
        )
        for name in names
    }
    missing = sorted((name for name in names if keys[name] not in store), key=lambda name: str(known[name]["location"]))
    if missing:
        from scenarios.nuscenes.load import load_scenes

        for scenario in load_scenes(location, missing):
            store.put(keys[scenario.id], scenario)
    return [SceneEntry(name, FAMILY, known[name]["log"], keys[name]) for name in names]


def _code() -> str:
    """Everything of ours and others' that decides what a scenario contains."""
    ours, world = Path(scenarios.__path__[0]), Path(drive.__path__[0])
    files = [*(ours / "nuscenes").glob("*.py"), *(ours / name for name in ("roadgraph.py", "routes.py", "codec.py"))]
    files += [world / f"{name}.py" for name in ("drivers", "geometry", "map", "scene", "vehicle")]
    return make_key(code=code_digest(*files), packages={name: installed(name) for name in _PACKAGES})
