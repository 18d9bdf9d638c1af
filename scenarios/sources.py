"""Which loader reads this folder."""

from dataclasses import dataclass
from pathlib import Path

from drive.errors import DataError
from scenarios.nuscenes.tables import locate, versions_in
from scenarios.openscene import find_logs

# Pickles of another format.
_SCENARIONET = "dataset_summary.pkl"


@dataclass(frozen=True)
class Source:
    """A recognised data set: its ``name`` (of the loader), ``path`` (data root) and ``version`` (empty if none)."""

    name: str
    path: Path
    version: str


def detect(path: Path) -> Source:
    """Recognise the data set in a folder, or one OpenScene log file.

    Raises:
        DataError: The folder does not exist or holds nothing that a loader reads.
    """
    path = Path(path)
    if is_openscene(path):
        return Source("openscene", path, "")
    location = locate(path)
    return Source("nuscenes", location.root, location.version)


def is_openscene(path: Path) -> bool:
    """True for a log file, and for a folder that holds ``navsim_logs`` or log files.

    Raises:
        DataError: Its pickles are ScenarioNet's.
    """
    if path.is_file():
        return path.suffix == ".pkl"
    if (path / "navsim_logs").is_dir():
        return True
    if path.is_dir() and ((path / "scene.json").is_file() or versions_in(path)):
        return False  # nuScenes, whatever pickles lie beside it
    if (path / _SCENARIONET).is_file():
        raise DataError(f"{path} holds ScenarioNet scenes ({_SCENARIONET}), which no loader here reads")
    try:
        return path.is_dir() and bool(find_logs(path))
    except DataError:
        return False
