"""Which loader reads this folder."""

from dataclasses import dataclass
from pathlib import Path

from scenarios.nuscenes.tables import locate


@dataclass(frozen=True)
class Source:
    """A recognised data set: its ``name`` (of the loader), ``path`` (data root) and ``version``."""

    name: str
    path: Path
    version: str


def detect(path: Path) -> Source:
    """Recognise the data set in a folder.

    Raises:
        DataError: The folder does not exist or holds nothing that a loader reads.
    """
    location = locate(Path(path))
    return Source("nuscenes", location.root, location.version)
