"""Which loader reads this folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drive.errors import DataError
from scenarios.gpudrive import is_gpudrive
from scenarios.gpudrive import prepare as prepare_gpudrive
from scenarios.nuscenes import prepare as prepare_nuscenes
from scenarios.nuscenes.tables import locate, versions_in
from scenarios.openscene import find_logs
from scenarios.scenarionet import is_database
from scenarios.scenarionet import prepare as prepare_scenarionet
from scenarios.store import SceneEntry, Store

# Suites of recorded scenes have the name of their source.
RECORDED = ("nuscenes", "openscene", "scenarionet", "gpudrive")


@dataclass(frozen=True)
class Source:
    """A recognised data set: its ``name`` (of the loader), ``path`` (data root) and ``version`` (empty if none)."""

    name: str
    path: Path
    version: str


def detect(path: Path) -> Source:
    """Recognise the data set in a folder, or in one log or scene file.

    Raises:
        DataError: The folder does not exist or holds nothing that a loader reads.
    """
    path = Path(path)
    if is_openscene(path):
        return Source("openscene", path, "")
    if is_scenarionet(path):
        return Source("scenarionet", path, "")
    if not _is_nuscenes(path) and is_gpudrive(path):
        return Source("gpudrive", path, "")
    location = locate(path)
    return Source("nuscenes", location.root, location.version)


def prepare(source: str, data: Path, store: Store, scenes: Sequence[str] | None = None) -> list[SceneEntry]:
    """Entries of the scenes in ``data`` (or of ``scenes``, in that order), read by the loader ``source``: one of
    :data:`RECORDED` but openscene, whose windows take more options.

    Raises:
        DataError: One sentence on what cannot be used.
    """
    if source == "scenarionet":
        return prepare_scenarionet(data, store, scenes)
    if source == "gpudrive":
        return prepare_gpudrive(data, store, scenes)
    return prepare_nuscenes(data, store, scenes=scenes)


def is_scenarionet(path: Path) -> bool:
    """True for a ScenarioNet database or one of its files, unless a folder is nuScenes' with pickles beside it."""
    return not _is_nuscenes(path) and is_database(path)


def is_openscene(path: Path) -> bool:
    """True for a log file, and for a folder that holds ``navsim_logs`` or log files."""
    if path.is_file():
        return path.suffix == ".pkl" and not is_database(path)
    if (path / "navsim_logs").is_dir():
        return True
    if _is_nuscenes(path) or is_database(path):
        return False  # nuScenes or ScenarioNet, whatever pickles lie beside it
    try:
        return path.is_dir() and bool(find_logs(path))
    except DataError:
        return False


def _is_nuscenes(path: Path) -> bool:
    return path.is_dir() and ((path / "scene.json").is_file() or bool(versions_in(path)))
