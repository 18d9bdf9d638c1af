"""What is in this data folder, what is missing, and the exact next step."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drive.errors import DataError
from scenarios.doctor_files import Line, scene_files
from scenarios.nuscenes.tables import Location, locate, versions_in
from scenarios.sources import detect, is_openscene

_EMPTY_OK = {
    "ped_crossing": "no crossings",
    "walkway": "no walkways",
    "stop_line": "no stop lines",
    "carpark_area": "no car parks",
    "traffic_light": "no signals",
}


@dataclass(frozen=True)
class Report:
    """Findings in reading order; ``ok`` says whether every scene can be loaded."""

    lines: tuple[Line, ...]

    @property
    def ok(self) -> bool:
        """True if there is no problem."""
        return all(line.level != "problem" for line in self.lines)


def render(report: Report) -> str:
    """The report as text, one finding a line."""
    marks = {"ok": "ok      ", "note": "note    ", "problem": "PROBLEM "}
    return "".join(f"{marks[line.level]}{line.text}\n" for line in report.lines)


def examine(path: Path, maps: Path | None = None) -> Report:
    """Look at a data folder (and at the maps of OpenScene logs); what is wrong is reported, not raised."""
    path = Path(path)
    try:
        if is_openscene(path):
            return Report(tuple(_openscene(path, maps)))
        source = detect(path).name if not _has_tables(path) else "nuscenes"
        if source != "nuscenes":
            return Report(tuple(scene_files(source, path)))
        places = _places(path)
    except DataError as error:
        return Report((Line("problem", str(error)),))
    return Report(tuple(line for place in places for line in _examine(place)))


def _has_tables(path: Path) -> bool:
    return path.is_dir() and ((path / "scene.json").is_file() or bool(versions_in(path)))


def _places(path: Path) -> list[Location]:
    """Every nuScenes version in the folder."""
    if path.is_dir() and not (path / "scene.json").is_file():
        found = versions_in(path)
        if len(found) > 1:
            return [Location(path, version) for version in found]
    return [locate(path)]


def _examine(location: Location) -> Iterator[Line]:
    yield Line("ok", f"nuScenes {location.version} in {location.root}")
    try:
        from scenarios.nuscenes.tables import open_tables

        data = open_tables(location)
    except DataError as error:
        yield Line("problem", str(error))
        return
    yield Line("ok", "13 tables, every reference leads somewhere")
    yield from _tables(data)
    yield from _scenes(data)
    yield from _maps(location, data)


def _tables(data: Any) -> Iterator[Line]:
    counts = [
        f"{len(table):,} {name}"
        for name, table in (
            ("scenes", data.scene),
            ("keyframes", data.sample),
            ("ego poses", data.ego_pose),
            ("instances", data.instance),
            ("annotations", data.sample_annotation),
        )
    ]
    yield Line("ok", ", ".join(counts))
    if not data.sample_annotation:
        yield Line("note", "there are no annotations (a test split?): scenes would have no other agents")


def _scenes(data: Any) -> Iterator[Line]:
    from scenarios.nuscenes.load import check_scene

    broken = single = unmeasured = 0
    for scene in data.scene:
        try:
            motion = check_scene(data, scene).motion
        except DataError as error:
            broken += 1
            yield Line("problem", str(error))
        else:
            single += motion.single
            unmeasured += motion.unmeasured
    if not broken:
        yield Line("ok", f"all {len(data.scene)} scenes are long enough and finite")
    if single:
        yield Line("note", f"{single} tracks have a single annotation: they stand, at that moment only")
    if unmeasured:
        yield Line("note", f"{unmeasured} annotations have no velocity in the devkit (NaN): recomputed on load")


def _maps(location: Location, data: Any) -> Iterator[Line]:
    from scenarios.nuscenes.maps import MapExpansion

    for place in sorted({record["location"] for record in data.log}):
        try:
            api = MapExpansion(location.root, place).api
        except DataError as error:
            yield Line("problem", str(error))
            continue
        yield Line("ok", f"map {place}: {len(api.lane)} lanes, {len(api.lane_connector)} connectors")
        known = {record["token"] for record in (*api.lane, *api.lane_connector)}
        followed = {name for ends in api.connectivity.values() for name in ends.get("outgoing", ())}
        dangling = followed - known
        if dangling:
            yield Line("note", f"map {place}: {len(dangling)} successors do not exist ({min(dangling)!r}, ...)")
        bare = [name for name in known if not api.arcline_path_3.get(name)]
        if bare:
            yield Line("note", f"map {place}: {len(bare)} lanes have no centreline ({min(bare)!r}, ...): left out")
        empty = [what for layer, what in _EMPTY_OK.items() if not getattr(api, layer)]
        if empty:
            yield Line("note", f"map {place}: {', '.join(empty)}")
        if not api.drivable_area:
            yield Line("problem", f"map {place}: the layer drivable_area is empty; every ego would be off the road")
    yield Line("note", "the source has no speed limits and no signal states: speed and red-light scores are invalid")


def _openscene(path: Path, maps: Path | None) -> Iterator[Line]:
    from scenarios.openscene import SceneFilter, find_logs
    from scenarios.openscene.logs import Log, read_log
    from scenarios.openscene.windows import windows

    logs: list[Log] = []
    files = find_logs(path)
    for file in files:
        try:
            logs.append(read_log(file))
        except DataError as error:
            yield Line("problem", str(error))
    if not logs:
        return
    frames = [frame for log in logs for frame in log.frames]
    yield Line("ok", f"{len(logs)} of {len(files)} OpenScene logs, {len(frames):,} frames, every field that is used")
    found = holes = 0
    for log in logs:
        routes = [bool(frame.roadblocks) for frame in log.frames]
        some, dropped = windows([frame.time_us for frame in log.frames], routes, SceneFilter())
        found, holes = found + len(some), holes + dropped
    level = "ok" if found else "problem"
    yield Line(level, f"{found} scenes with the default filter (4 frames of history, 10 of future, a route)")
    if holes:
        yield Line("note", f"{holes} windows are left out: their frames are not 0.5 s apart")
    if not any(frame.lights for frame in frames):
        yield Line("note", "the logs have no signal states: red-light scores are invalid")
    yield from _openscene_maps(path, maps, {log.location: log.path for log in logs})


def _openscene_maps(path: Path, maps: Path | None, places: dict[str, Path]) -> Iterator[Line]:
    from scenarios.openscene.maps import find_map

    for place, log in sorted(places.items()):
        try:
            file = find_map(place, maps, path, log)
            file.open()
        except DataError as error:
            yield Line("problem", str(error))
        else:
            yield Line("ok", f"map {place}: {file.file}")
