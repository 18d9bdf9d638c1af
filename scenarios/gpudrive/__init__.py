"""GPUDrive's JSON of Waymo motion scenarios: one file per scene in, scenarios in the store."""

from collections.abc import Sequence
from pathlib import Path

from drive.errors import DataError
from drive.scene import Scenario
from scenarios.prepared import prepare_files
from scenarios.store import SceneEntry, Store

__all__ = ["SOURCE", "find_scenario_files", "is_gpudrive", "load_file", "prepare"]

SOURCE = "gpudrive"
_HEAD = 4096


def is_gpudrive(path: Path) -> bool:
    """True for a JSON file of this format, and for a folder whose first JSON file is one."""
    if path.is_file():
        return path.suffix == ".json" and _looks_right(path)
    return path.is_dir() and any(_looks_right(file) for file in sorted(path.glob("*.json"))[:1])


def _looks_right(file: Path) -> bool:
    """A glance at the beginning: these files are megabytes on one line."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
    except OSError:
        return False
    return head.lstrip().startswith(b"{") and b'"objects"' in head and b'"position"' in head


def find_scenario_files(data: Path) -> list[Path]:
    """The JSON files of a folder in the order of their names, or the one file given.

    Raises:
        DataError: There are none.
    """
    data = Path(data)
    if not data.exists():
        raise DataError(f"{data} does not exist; give a folder of GPUDrive's JSON files")
    if data.is_file():
        return [data]
    found = sorted(data.glob("*.json"))
    if not found:
        raise DataError(f"{data} holds no GPUDrive scenes: expected .json files in it")
    return found


def prepare(data: Path, store: Store, scenes: Sequence[str] | None = None) -> list[SceneEntry]:
    """Entries of the scenes of a folder of GPUDrive JSON, all of them in the store when this returns.

    One file is one scene: ids and groups are Waymo's scenario ids, the family is ``waymo``.

    Args:
        data: Folder of JSON files, or one of them.
        store: Where scenarios are kept.
        scenes: Ids of the scenes wanted, in this order; by default all, in the order of the file names.

    Raises:
        DataError: One sentence on the file and field that cannot be used.
    """
    return prepare_files(SOURCE, find_scenario_files(data), store, load_file, scenes)


def load_file(path: Path) -> Scenario:
    """The scene of one file.

    Raises:
        DataError, MapError, ScenarioError: See :func:`prepare`.
    """
    from scenarios.gpudrive.files import read_file
    from scenarios.gpudrive.scenes import read_map, read_recording
    from scenarios.recording import to_scenario

    content = read_file(path)
    return to_scenario(SOURCE, read_recording(content), read_map(content), str(path))
