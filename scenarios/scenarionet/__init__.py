"""ScenarioNet databases without MetaDrive: pickled scenarios (restricted unpickler) in, scenarios in the store."""

from collections.abc import Sequence
from pathlib import Path

from drive.errors import DataError
from drive.scene import Scenario
from scenarios.openscene.unpickle import read_pickle
from scenarios.prepared import prepare_files
from scenarios.store import SceneEntry, Store

__all__ = ["MAPPING", "SOURCE", "SUMMARY", "find_scenario_files", "is_database", "load_file", "prepare"]

SOURCE = "scenarionet"
SUMMARY = "dataset_summary.pkl"
MAPPING = "dataset_mapping.pkl"


def is_database(path: Path) -> bool:
    """True for a folder with a summary or with ``sd_*.pkl`` files, and for one such file."""
    if path.is_file():
        return path.suffix == ".pkl" and path.name.startswith("sd_")
    return path.is_dir() and ((path / SUMMARY).is_file() or any(path.glob("sd_*.pkl")))


def find_scenario_files(data: Path) -> list[Path]:
    """The scenario files of a database in the order of its summary, or of their names where it has none.

    Raises:
        DataError: The folder holds none, its summary or mapping is damaged, or a file that they name is missing.
    """
    data = Path(data)
    if not data.exists():
        raise DataError(f"{data} does not exist; give a ScenarioNet database (the folder that holds {SUMMARY})")
    if data.is_file():
        return [data]
    if not (data / SUMMARY).is_file():
        found = sorted(data.glob("sd_*.pkl"))
        if not found:
            raise DataError(f"{data} is no ScenarioNet database: it has neither {SUMMARY} nor sd_*.pkl files")
        return found
    names = list(_table(data / SUMMARY))
    folders = _table(data / MAPPING) if (data / MAPPING).is_file() else {}
    files = []
    for name in names:
        folder = folders.get(name, "")
        if not isinstance(folder, str):
            raise DataError(f"{data / MAPPING}: the folder of {name!r} is {folder!r}, expected text")
        files.append(data / folder / name)
        if not files[-1].is_file():
            raise DataError(
                f"{data / SUMMARY} names {name!r}, but there is no file {files[-1]}; copy the scenarios with the "
                "database, or correct the mapping"
            )
    if not files:
        raise DataError(f"{data / SUMMARY} names no scenario")
    return files


def _table(path: Path) -> dict[str, object]:
    content = read_pickle(path)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise DataError(f"{path} holds {type(content).__name__}, expected a dict from file names")
    return content


def prepare(data: Path, store: Store, scenes: Sequence[str] | None = None) -> list[SceneEntry]:
    """Entries of the scenes of a ScenarioNet database, all of them in the store when this returns.

    One scenario is one scene: ids are the scenarios' own, families the data set they came from (``nuscenes``,
    ``waymo``, ...), groups the recording where the file tells, else the scene itself.

    Args:
        data: The folder that holds ``dataset_summary.pkl``, or one ``sd_*.pkl`` file.
        store: Where scenarios are kept.
        scenes: Ids of the scenes wanted, in this order; by default all, in the order of the summary.

    Raises:
        DataError: One sentence on the file and field that cannot be used.
    """
    return prepare_files(SOURCE, find_scenario_files(data), store, load_file, scenes)


def load_file(path: Path) -> Scenario:
    """The scene of one scenario file.

    Raises:
        DataError, MapError, ScenarioError: See :func:`prepare`.
    """
    from scenarios.recording import to_scenario
    from scenarios.scenarionet.features import read_map
    from scenarios.scenarionet.files import read_file
    from scenarios.scenarionet.tracks import read_recording

    content = read_file(path)
    return to_scenario(SOURCE, read_recording(content), read_map(content), str(path))
