"""Opening nuScenes tables through the devkit: what is there, which record is broken, and what to do about it."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from drive.errors import DataError

Record = dict[str, Any]
Tables = Mapping[str, list[Record]]

LOCATIONS = ("singapore-onenorth", "singapore-hollandvillage", "singapore-queenstown", "boston-seaport")
ARCHIVE = "nuScenes-map-expansion-v1.3.zip"
TABLES = (
    "category",
    "attribute",
    "visibility",
    "instance",
    "sensor",
    "calibrated_sensor",
    "ego_pose",
    "log",
    "scene",
    "sample",
    "sample_data",
    "sample_annotation",
    "map",
)
# Field -> table it points to, for every reference that the devkit or this loader follows. Lists of tokens count too.
REFERENCES: dict[str, dict[str, str]] = {
    "instance": {
        "category_token": "category",
        "first_annotation_token": "sample_annotation",
        "last_annotation_token": "sample_annotation",
    },
    "calibrated_sensor": {"sensor_token": "sensor"},
    "scene": {"log_token": "log", "first_sample_token": "sample", "last_sample_token": "sample"},
    "sample": {"scene_token": "scene", "prev": "sample", "next": "sample"},
    "sample_data": {
        "sample_token": "sample",
        "ego_pose_token": "ego_pose",
        "calibrated_sensor_token": "calibrated_sensor",
        "prev": "sample_data",
        "next": "sample_data",
    },
    "sample_annotation": {
        "sample_token": "sample",
        "instance_token": "instance",
        "prev": "sample_annotation",
        "next": "sample_annotation",
    },
    "map": {"log_tokens": "log"},
}
# Scenes last 20 s. Something far longer is a damaged time stamp, and would fill the memory with steps.
_LONGEST_US = 3.6e9
_CHAIN = ("prev", "next")
_LISTS = ("log_tokens",)
# Other fields that are read: text, then numbers (those are checked where they are read, scene by scene).
_TEXT = {
    "category": ("name",),
    "log": ("logfile", "location"),
    "scene": ("name",),
    "sensor": ("channel", "modality"),
    "map": ("filename",),
}
_NUMBERS = {
    "scene": ("nbr_samples",),
    "sample": ("timestamp",),
    "sample_data": ("timestamp", "is_key_frame"),
    "sample_annotation": ("translation", "size", "rotation"),
    "ego_pose": ("translation", "rotation"),
}


@dataclass(frozen=True)
class Location:
    """A nuScenes data set: ``root`` holds the folder ``version`` (tables) and ``maps``."""

    root: Path
    version: str

    @property
    def tables(self) -> Path:
        """Folder of the table files."""
        return self.root / self.version

    def table_files(self) -> list[Path]:
        """The 13 table files, all present.

        Raises:
            DataError: Some are missing.
        """
        files = [self.tables / f"{name}.json" for name in TABLES]
        missing = [path.name for path in files if not path.is_file()]
        if missing:
            raise DataError(
                f"{self.tables} lacks {', '.join(missing)}; unpack the metadata archive of {self.version} there again"
            )
        return files


def versions_in(folder: Path) -> list[str]:
    """Names of the table folders (``v1.0-mini``, ...) in a data root, sorted."""
    folders = [path for path in folder.iterdir() if path.is_dir()]
    with_tables = [path.name for path in folders if (path / "scene.json").is_file()]
    return sorted(with_tables or [path.name for path in folders if re.fullmatch(r"v\d+\.\d+-\w+", path.name)])


def locate(path: Path, version: str | None = None) -> Location:
    """Find the data set at ``path``: a data root, or directly one of its version folders.

    Raises:
        DataError: Nothing there, not nuScenes, version not there, or several versions and none named.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; give the folder that holds nuScenes' v1.0-* and maps folders")
    if not path.is_dir():
        raise DataError(f"{path} is a file; give the folder that holds nuScenes' v1.0-* and maps folders")
    if version is None and (path / "scene.json").is_file():
        whole = path.resolve()
        return Location(whole.parent, whole.name)
    found = versions_in(path)
    if not found:
        nested = sorted(folder.parent for folder in path.glob("*/v1.0-*") if folder.is_dir())
        inside = sorted(item.name for item in path.iterdir())[:6]
        hint = f"try {nested[0]}" if nested else f"found {', '.join(inside) or 'an empty folder'}"
        raise DataError(f"{path} is not a nuScenes folder: expected v1.0-mini or v1.0-trainval in it, {hint}")
    if version is None:
        if len(found) > 1:
            raise DataError(
                f"{path} holds {', '.join(found)}; name one by giving its folder, such as {path / found[0]}"
            )
        version = found[0]
    if version not in found:
        raise DataError(f"{path} has no version {version!r}; it holds {', '.join(found)}")
    return Location(path, version)


def expansion_file(root: Path, location: str) -> Path:
    """Path of a location's map expansion file.

    Raises:
        DataError: Unknown location, or the file is missing or lies in the wrong place.
    """
    if location not in LOCATIONS:
        raise DataError(f"log.json names location {location!r}, expected one of {', '.join(LOCATIONS)}")
    path = root / "maps" / "expansion" / f"{location}.json"
    if path.is_file():
        return path
    for pattern in ("*", "*/*", "*/*/*"):
        for found in sorted(root.glob(f"{pattern}.json")):
            if found.name == path.name:
                raise DataError(f"the map expansion {found} lies in the wrong folder; move it to {path}")
    raise DataError(f"{path} is missing; get {ARCHIVE} from nuscenes.org and unpack it into {root / 'maps'}")


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        DataError: It cannot be read, or it is truncated or otherwise invalid.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno} column {error.colno}" if isinstance(error, json.JSONDecodeError) else str(error)
        raise DataError(f"{path} is not valid JSON ({where}), it may be truncated; get the file again") from None


def open_tables(location: Location) -> Any:
    """The devkit's ``NuScenes`` on checked tables: every reference exists, every needed field is there.

    Raises:
        DataError: Naming the file, table, field and token.
    """
    location.table_files()
    from matplotlib import rc_context

    with rc_context():  # The devkit changes matplotlib's style when it is imported.
        from nuscenes.nuscenes import NuScenes
    try:
        data = NuScenes(version=location.version, dataroot=str(location.root), verbose=False)
    except Exception as error:  # noqa: BLE001 - border: the devkit asserts and indexes its way through the tables
        _diagnose(location)
        raise DataError(
            f"{location.tables}: nuscenes-devkit cannot load these tables ({type(error).__name__}: {error})"
        ) from None
    check_tables({name: getattr(data, name) for name in TABLES}, location)
    return data


def check_tables(tables: Tables, location: Location) -> None:
    """Check needed fields, unique tokens and every reference; raise :class:`DataError` for the first fault."""
    known: dict[str, set[str]] = {}
    for name in TABLES:
        table, where = tables[name], location.tables / f"{name}.json"
        if not isinstance(table, list) or not all(isinstance(record, dict) for record in table):
            raise DataError(f"{where} is not a list of records; get the file again")
        references = REFERENCES.get(name, {})
        texts = ("token", *_TEXT.get(name, ()), *(field for field in references if field not in _LISTS))
        needed = (*texts, *_NUMBERS.get(name, ()), *(field for field in references if field in _LISTS))
        for number, record in enumerate(table):
            for field in needed:
                if field not in record:
                    raise DataError(f"{where}: record {number} ({record.get('token', 'no token')}) has no {field!r}")
            for field in texts:
                if not isinstance(record[field], str):
                    raise DataError(f"{where}: {field} of record {number} is {record[field]!r}, expected text")
        known[name] = {record["token"] for record in table}
        if len(known[name]) < len(table):
            raise DataError(f"{where}: a token appears twice; tokens must be unique within a table")
    for name, fields in REFERENCES.items():
        for field, target in fields.items():
            there = known[target]
            for record in tables[name]:
                value = record[field]
                for token in value if field in _LISTS and isinstance(value, list) else (value,):
                    if not isinstance(token, str) or (token not in there and not (token == "" and field in _CHAIN)):
                        raise DataError(
                            f"{location.tables / name}.json: {field} {token!r} of record {record['token']!r} "
                            f"is not in {target}.json; the tables do not belong together or one is damaged"
                        )
    with_map = {token for record in tables["map"] for token in record["log_tokens"]}
    for record in tables["log"]:
        if record["token"] not in with_map:
            raise DataError(f"{location.tables}/map.json: log_tokens of no map name the log {record['token']!r}")


def check_map_images(tables: Tables, location: Location) -> None:
    """The devkit refuses to open tables whose base maps are missing; raise :class:`DataError` for the first."""
    for record in tables["map"]:
        if not (location.root / record["filename"]).is_file():
            raise DataError(
                f"{location.root / record['filename']} is missing: unpack the maps folder of the metadata archive "
                f"of {location.version} into {location.root}"
            )


def _diagnose(location: Location) -> None:
    tables = {path.stem: read_json(path) for path in location.table_files()}
    check_tables(tables, location)
    check_map_images(tables, location)


def find_scenes(names: Iterable[str], wanted: Iterable[str], where: Path) -> list[str]:
    """The wanted scene names in the given order.

    Raises:
        DataError: One does not exist; close names are suggested.
    """
    names, found = list(names), list(wanted)
    for name in found:
        if name not in names:
            close = get_close_matches(name, names, 3, 0.6)
            hint = f"did you mean {' or '.join(close)}?" if close else f"it has {len(names)}, from {names[0]} on"
            raise DataError(f"{where} has no scene {name!r}; {hint}")
    return found


def scene_samples(data: Any, scene: Record) -> list[Record]:
    """Keyframes of a scene in order of time.

    Raises:
        DataError: The chain does not have the length, the end or the order that the scene record says.
    """
    samples: list[Record] = []
    token = scene["first_sample_token"]
    count = int(numbers([scene], "nbr_samples", (), "scene", scene["name"])[0])
    while token and len(samples) <= count:
        samples.append(data.get("sample", token))
        token = samples[-1]["next"]
    if len(samples) != count or samples[-1]["token"] != scene["last_sample_token"]:
        raise DataError(
            f"{scene['name']}: sample.next leads over {len(samples)} samples, scene.nbr_samples says "
            f"{scene['nbr_samples']} ending at {scene['last_sample_token']!r}; sample.json is damaged"
        )
    times = numbers(samples, "timestamp", (), "sample", scene["name"])
    check_increasing(times, samples, "sample", scene["name"])
    if times[-1] - times[0] > _LONGEST_US:
        raise DataError(
            f"{scene['name']}: its samples span {(times[-1] - times[0]) / 1e6:.0f} s; sample.json is damaged"
        )
    return samples


def numbers(records: list[Record], field: str, shape: tuple[int, ...], table: str, scene: str) -> np.ndarray:
    """One numeric field of many records as float64 ``[n, *shape]``, every value finite.

    Raises:
        DataError: Naming the record whose field is not.
    """
    values = as_numbers([record[field] for record in records])
    if values is not None and values.shape == (len(records), *shape) and np.isfinite(values).all():
        return values
    for record in records:
        value = as_numbers(record[field])
        if value is None or value.shape != shape or not np.isfinite(value).all():
            expected = f"{shape[0]} finite numbers" if shape else "a finite number"
            raise DataError(f"{scene}: {table} {record['token']!r} has {field} {record[field]!r}, expected {expected}")
    return np.zeros((0, *shape))  # no records


def as_numbers(value: Any) -> np.ndarray | None:
    """The value as float64 if it is made of numbers, text that looks like one not included."""
    try:
        found = np.array(value)
    except ValueError:  # ragged
        return None
    return found.astype(np.float64) if found.dtype.kind in "iuf" else None


def check_increasing(times: np.ndarray, records: list[Record], table: str, scene: str) -> None:
    """Raise :class:`DataError` unless time stamps ``[n]`` [us] rise strictly."""
    late = np.flatnonzero(np.diff(times) <= 0)
    if late.size:
        token = records[int(late[0]) + 1]["token"]
        raise DataError(
            f"{scene}: timestamp of {table} {token!r} is not after the one before it; {table}.json is damaged"
        )
