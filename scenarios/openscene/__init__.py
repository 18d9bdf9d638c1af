"""OpenScene / NAVSIM logs without nuplan-devkit: pickled 2 Hz frames and a map in, scenarios in the store."""

from collections.abc import Sequence
from importlib.metadata import version as installed
from itertools import groupby
from pathlib import Path
from typing import Any

import drive
import scenarios
from drive.errors import DataError
from scenarios.openscene.windows import SceneFilter, Window, windows
from scenarios.store import SceneEntry, Store, code_digest, make_key

__all__ = ["FAMILY", "SceneFilter", "find_logs", "prepare"]

FAMILY = "openscene"
_PACKAGES = ("nuscenes-devkit", "numpy", "scipy", "shapely")


def find_logs(data: Path) -> list[Path]:
    """The log files of a folder: it may hold ``navsim_logs``, be it, be one of its splits, or be one ``.pkl`` file.

    Raises:
        DataError: Nothing there.
    """
    data = Path(data)
    if not data.exists():
        raise DataError(f"{data} does not exist; give a folder with OpenScene logs (navsim_logs) or one .pkl log")
    if data.is_file():
        return [data]
    folder = data / "navsim_logs" if (data / "navsim_logs").is_dir() else data
    found = sorted(folder.glob("*.pkl")) + sorted(folder.glob("*/*.pkl"))
    if not found:
        raise DataError(f"{folder} holds no OpenScene logs: expected .pkl files in it, or in folders in it")
    return found


def prepare(data: Path, store: Store, maps: Path | None = None, scenes: SceneFilter | None = None) -> list[SceneEntry]:
    """Entries of the scenes that a filter picks from OpenScene logs, all of them in the store when this returns.

    Ids are the tokens of the frames that name the scenes, groups the logs' names. Scenes come log by log in the order
    of the file names, then in order of time.

    Args:
        data: See :func:`find_logs`.
        store: Where scenarios are kept.
        maps: Folder of nuPlan's maps, or nuScenes' folder for logs made from it; by default ``maps`` in ``data``.
        scenes: Which windows; by default NAVSIM's 4 frames of history, 10 of future, without overlap, with a route.

    Raises:
        DataError: One sentence on the log, frame and field or the map that cannot be used, or an option that finds
            nothing.
    """
    from scenarios.openscene.maps import MapFile, find_map

    scenes = scenes or SceneFilter()
    scenes.check()
    code = _code()
    picked: dict[str, _Pick] = {}
    for path in _named(find_logs(data), scenes):
        listed = _listed(path, store, code)
        for window in windows(listed["times"], listed["routes"], scenes)[0]:
            token = listed["tokens"][window.named]
            if scenes.tokens is not None and token not in scenes.tokens:
                continue
            if token in picked:
                raise DataError(
                    f"{path} and {picked[token].path} both hold the frame {token!r}; give the folder of one split"
                )
            picked[token] = _Pick(path, listed, window)
    if scenes.tokens is not None:
        _check_tokens(scenes.tokens, picked, data)
    picked = dict(list(picked.items())[: scenes.max_scenes])
    files: dict[str, MapFile] = {}
    for pick in picked.values():
        if pick.location not in files:
            files[pick.location] = find_map(pick.location, maps, data, pick.path)
    keys = {
        token: make_key(
            kind="openscene scene",
            token=token,
            log=pick.listed["file"],
            map=store.fingerprint(files[pick.location].file),
            window=[pick.window.first, pick.window.history, pick.window.future],
            vehicle=scenes.vehicle,
            code=code,
        )
        for token, pick in picked.items()
    }
    missing = [(token, pick) for token, pick in picked.items() if keys[token] not in store]
    for location, some in groupby(sorted(missing, key=lambda item: item[1].location), lambda item: item[1].location):
        _load(list(some), files[location], keys, store, scenes.vehicle)
    return [SceneEntry(token, FAMILY, pick.listed["name"], keys[token]) for token, pick in picked.items()]


class _Pick:
    """A window of a log file, and what is known of that log."""

    def __init__(self, path: Path, listed: dict[str, Any], window: Window) -> None:
        self.path, self.listed, self.window = path, listed, window
        self.location: str = listed["location"]


def _named(paths: list[Path], scenes: SceneFilter) -> list[Path]:
    if scenes.log_names is None:
        return paths
    lost = set(scenes.log_names) - {path.stem for path in paths}
    if lost:
        raise DataError(f"there is no log {min(lost)!r} among the {len(paths)} in {paths[0].parent}")
    return [path for path in paths if path.stem in scenes.log_names]


def _check_tokens(wanted: Sequence[str], found: dict[str, "_Pick"], data: Path) -> None:
    for token in wanted:
        if token not in found:
            raise DataError(f"{data} has no scene {token!r}: no frame of this token names a window of the scene filter")


def _listed(path: Path, store: Store, code: str) -> dict[str, Any]:
    """What choosing windows takes of a log, from the store if this file was read before."""
    from scenarios.openscene.logs import read_log

    file = store.fingerprint(path)
    key = make_key(kind="openscene log", file=file, code=code)
    known = store.get_json(key)
    if known is None:
        log = read_log(path)
        known = {
            "file": file,
            "name": log.name,
            "location": log.location,
            "tokens": [frame.token for frame in log.frames],
            "times": [frame.time_us for frame in log.frames],
            "routes": [bool(frame.roadblocks) for frame in log.frames],
        }
        store.put_json(key, known)
    return dict(known)


def _load(missing: list[tuple[str, "_Pick"]], file: Any, keys: dict[str, str], store: Store, vehicle: str) -> None:
    """Load scenes of one location, log by log."""
    from scenarios.openscene.logs import read_log
    from scenarios.openscene.scenes import VEHICLES, load_scene

    source_map = file.open()
    for path, some in groupby(missing, lambda item: item[1].path):
        log = read_log(path)
        for token, pick in some:
            store.put(keys[token], load_scene(log, pick.window, source_map, VEHICLES[vehicle]))


def _code() -> str:
    """Everything of ours and others' that decides what a scenario contains."""
    ours, world = Path(scenarios.__path__[0]), Path(drive.__path__[0])
    files = [*(ours / "openscene").glob("*.py"), *(ours / "nuscenes").glob("*.py")]
    files += [ours / name for name in ("roadgraph.py", "routes.py", "codec.py")]
    files += [world / f"{name}.py" for name in ("drivers", "geometry", "map", "scene", "vehicle")]
    return make_key(code=code_digest(*files), packages={name: installed(name) for name in _PACKAGES})
