"""The map of an OpenScene log: nuPlan's GeoPackages, or the map expansion of nuScenes for logs made from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drive.errors import DataError
from scenarios.nuscenes.maps import Crop, MapExpansion
from scenarios.nuscenes.tables import LOCATIONS as NUSCENES_LOCATIONS
from scenarios.openscene.geopackage import GeoPackageMap

NUPLAN_LOCATIONS = ("us-nv-las-vegas-strip", "us-ma-boston", "us-pa-pittsburgh-hazelwood", "sg-one-north")
_RENAMED = {"las_vegas": "us-nv-las-vegas-strip"}


class SourceMap(Protocol):
    """A location's map, opened; ``crop`` cuts out what lies around a path ``[n, 2]`` [m, global]."""

    def crop(self, path: NDArray[np.float64], origin: NDArray[np.float64]) -> Crop:
        """See :meth:`scenarios.nuscenes.maps.MapExpansion.crop`."""
        ...


@dataclass(frozen=True)
class MapFile:
    """Where the map of a location lies: its ``file``, and the data ``root`` if it is a nuScenes map expansion."""

    location: str
    file: Path
    root: Path | None = None

    def open(self) -> SourceMap:
        """Open the map.

        Raises:
            DataError: The file is damaged, or is no such map.
        """
        return GeoPackageMap(self.file) if self.root is None else MapExpansion(self.root, self.location)


def default_maps(data: Path) -> Path | None:
    """The folder ``maps`` in or beside the logs' folder, if there is one."""
    folder = data if data.is_dir() else data.parent
    candidates = (folder, *folder.resolve().parents[:2])
    return next((candidate / "maps" for candidate in candidates if (candidate / "maps").is_dir()), None)


def find_map(location: str, maps: Path | None, data: Path, log: Path) -> MapFile:
    """The map file of a location in the folder ``maps`` (``--maps``), by default in the ``maps`` folder of ``data``.

    Raises:
        DataError: Unknown location, or no such file; the sentence says what was looked for and where.
    """
    known = _RENAMED.get(location, location)
    if known not in NUPLAN_LOCATIONS + NUSCENES_LOCATIONS:
        raise DataError(
            f"{log}: map_location is {location!r}, expected one of {', '.join(NUPLAN_LOCATIONS + NUSCENES_LOCATIONS)}"
        )
    folder = default_maps(data) if maps is None else maps
    if folder is None:
        raise DataError(f"{log} was recorded on the map {known!r}: say with --maps in which folder the maps lie")
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder} to look for the map {known!r} in")
    return _expansion(known, folder) if known in NUSCENES_LOCATIONS else _geopackage(known, folder)


def _expansion(location: str, folder: Path) -> MapFile:
    """``folder`` may be nuScenes' data root, its ``maps`` folder or ``maps/expansion``."""
    whole = folder.resolve()
    for root in (whole, whole.parent, whole.parent.parent):
        file = root / "maps" / "expansion" / f"{location}.json"
        if file.is_file():
            return MapFile(location, file, root)
    raise DataError(
        f"the map {location!r} is a nuScenes map expansion: {folder} has no maps/expansion/{location}.json; "
        "give the nuScenes folder (the one that holds maps/) with --maps"
    )


def _geopackage(location: str, folder: Path) -> MapFile:
    found = sorted(folder.glob(f"{location}/*/map.gpkg")) or sorted(folder.glob(f"{location}.gpkg"))
    if not found:
        raise DataError(
            f"the nuPlan map {location!r} is not in {folder}: looked for {location}/<version>/map.gpkg and "
            f"{location}.gpkg; get nuplan-maps-v1.0 from nuplan.org and give its folder with --maps"
        )
    if len(found) > 1:
        versions = ", ".join(path.parent.name for path in found)
        raise DataError(f"{folder / location} holds several versions ({versions}); keep one of them")
    return MapFile(location, found[0])
