"""Sources of one file per scene: each file becomes a scene in the store, once."""

from collections.abc import Callable, Sequence
from importlib.metadata import version as installed
from pathlib import Path

import drive
import scenarios
from drive.errors import DataError
from drive.scene import Scenario
from scenarios.store import SceneEntry, Store, code_digest, make_key

_PACKAGES = ("numpy", "scipy", "shapely")
_SHARED = ("recording", "lanemap", "roadsurface", "roadgraph", "routes", "codec")


def prepare_files(
    source: str,
    files: Sequence[Path],
    store: Store,
    load: Callable[[Path], Scenario],
    scenes: Sequence[str] | None = None,
) -> list[SceneEntry]:
    """Entries of the scenes in ``files``, in their order, or of ``scenes`` in that order; all of them in the store.

    Raises:
        DataError: A file cannot be used, two files hold one scene, or a scene asked for is in none of them.
    """
    code = source_code(source)
    found: dict[str, tuple[SceneEntry, Path]] = {}
    for path in files:
        key = make_key(kind=f"{source} scene", file=store.fingerprint(path), code=code)
        about = make_key(kind=f"{source} entry", scene=key)
        known = store.get_json(about)
        if known is None or key not in store:
            scenario = load(path)
            store.put(key, scenario)
            known = [scenario.id, scenario.family, scenario.group]
            store.put_json(about, known)
        entry = SceneEntry(known[0], known[1], known[2], key)
        if entry.id in found:
            raise DataError(f"{path} and {found[entry.id][1]} both hold the scene {entry.id!r}; keep one of them")
        found[entry.id] = entry, path
    for name in scenes or ():
        if name not in found:
            raise DataError(f"there is no scene {name!r} in {files[0].parent}")
    return [found[name][0] for name in (found if scenes is None else scenes)]


def source_code(source: str) -> str:
    """Everything of ours and others' that decides what a scenario of a source contains."""
    ours, world = Path(scenarios.__path__[0]), Path(drive.__path__[0])
    files = [*(ours / source).glob("*.py"), *(ours / "nuscenes").glob("*.py")]
    files += [ours / f"{name}.py" for name in _SHARED]
    files += [world / f"{name}.py" for name in ("drivers", "geometry", "map", "scene", "vehicle")]
    return make_key(code=code_digest(*files), packages={name: installed(name) for name in _PACKAGES})
