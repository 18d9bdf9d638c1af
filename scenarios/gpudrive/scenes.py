"""Objects, signals and roads of a GPUDrive file."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.map import Area, Layer
from drive.scene import DT, AgentKind, LightState
from drive.vehicle import rear_axle_from_center
from scenarios.gpudrive.files import FARTHEST, Content
from scenarios.lanemap import RawLane, RawMap, RawStop, tidy
from scenarios.recording import Recording, Signal, closing_velocity, light_state, vehicle_of

Float = NDArray[np.float64]

LICENCE = "Waymo Dataset License Agreement for Non-Commercial Use, (c) Waymo LLC, https://waymo.com/open/terms"
# Waymo's motion data: 1 s of history at 10 Hz before the present.
PRESENT = 10
KINDS = {
    "vehicle": AgentKind.CAR,
    "pedestrian": AgentKind.PEDESTRIAN,
    "cyclist": AgentKind.BICYCLE,
    "other": AgentKind.GENERIC_OBJECT,
    "unset": AgentKind.GENERIC_OBJECT,
}
_BIKE_LANE = 3
# What stands where an object is not seen: -10000 everywhere; early files have 1e-4.
_ABSENT = -10000.0
_LARGEST = 100.0
# Headings beyond this [rad] can only be degrees, as early files have them.
_FULL_TURN = 2 * np.pi + 0.1


def read_recording(content: Content) -> Recording:
    """Objects, ego and signals.

    Raises:
        DataError: A field is missing or makes no sense; the sentence names it.
    """
    objects = content.data["objects"]
    metadata = content.data["metadata"]
    ego_at = content.inside(metadata, "sdc_track_index", "metadata", int)
    if not 0 <= ego_at < len(objects):
        raise content.error("metadata.sdc_track_index", f"is {ego_at}, but there are {len(objects)} objects")
    notes: list[str] = []
    size, position, heading, velocity, valid = _states(content, objects, ego_at)
    if np.abs(heading[valid]).max(initial=0.0) > _FULL_TURN:
        heading = np.deg2rad(heading)
        notes.append("headings in degrees were turned into radians")
    heading = np.where(valid, wrap_angle(heading), 0.0)
    there = np.flatnonzero(valid[ego_at])
    first, stop = int(there[0]), int(there[-1]) + 1
    if len(there) < stop - first:
        gap = int(there[np.flatnonzero(np.diff(there) > 1)[0]]) + 1
        raise content.error(f"objects[{ego_at}].valid", f"the ego is absent at frame {gap}, in the middle of its drive")
    frames = slice(first, stop)
    velocity, closed = closing_velocity(velocity[:, frames], position[:, frames], valid[:, frames])
    if closed:
        notes.append(f"{closed} velocities of 0 in the last frame of a moving track were taken from the frame before")
    kept = valid[:, frames].any(axis=1)
    kept[ego_at] = False
    rows = np.flatnonzero(kept)
    vehicle = vehicle_of(float(size[ego_at, 0]), float(size[ego_at, 1]), "waymo-ego")
    centre = np.column_stack((position[ego_at, frames], heading[ego_at, frames]))
    name = str(content.data.get("scenario_id") or content.path.stem)
    kinds = [str(record.get("type")) for record in objects]
    unknown = sorted({kinds[row] for row in rows} - set(KINDS))
    if unknown:
        notes.append(f"objects of unknown type {', '.join(unknown)} are generic objects")
    return Recording(
        id=name,
        family="waymo",
        group=name,
        times=DT * np.arange(stop - first),
        start=PRESENT if stop - first > PRESENT + 1 else None,
        ego=rear_axle_from_center(centre, vehicle),
        vehicle=vehicle,
        ids=_ids(objects, rows),
        kind=np.array([KINDS.get(kinds[row], AgentKind.GENERIC_OBJECT) for row in rows], np.int8),
        size=size[rows],
        position=position[rows, frames],
        heading=heading[rows, frames],
        velocity=velocity[rows],
        valid=valid[rows, frames],
        signals=_signals(content, first, stop, notes),
        licence=LICENCE,
        notes=tuple(notes),
        provenance={
            "dataset": "Waymo Open Motion, as GPUDrive JSON",
            "file": content.path.name,
            "name": str(content.data.get("name", "")),
            "assumed": "axles in the Pacifica's proportions; lane widths, connections and road surface from geometry; "
            "no speed limits in this source",
            "objects_of_interest": [str(item) for item in metadata.get("objects_of_interest") or ()],
            "marked_as_expert": [str(record.get("id")) for record in objects if record.get("mark_as_expert")],
        },
    )


def _ids(objects: list[dict[str, Any]], rows: NDArray[np.int64]) -> tuple[str, ...]:
    """The objects' own ids, or their places in the file where these repeat or are missing."""
    names = [str(objects[row].get("id", "")) for row in rows]
    unique = len(set(names)) == len(names) and "" not in names
    return tuple(names if unique else (f"object-{row}" for row in rows))


def _states(content: Content, objects: list[Any], ego: int) -> tuple[Float, Float, Float, Float, NDArray[np.bool_]]:
    """Sizes ``[A, 2]``, position ``[A, n, 2]``, heading ``[A, n]``, velocity ``[A, n, 2]`` and valid ``[A, n]``."""
    frames = len(content.inside(objects[ego], "position", f"objects[{ego}]", list))
    count = len(objects)
    size, valid = np.ones((count, 2)), np.zeros((count, frames), np.bool_)
    position, velocity = np.zeros((count, frames, 2)), np.zeros((count, frames, 2))
    heading = np.zeros((count, frames))
    for row, record in enumerate(objects):
        field = f"objects[{row}]"
        where = content.places(content.inside(record, "position", field, list), f"{field}.position")
        speed = content.places(content.inside(record, "velocity", field, list), f"{field}.velocity")
        turned = content.numbers(content.inside(record, "heading", field, list), f"{field}.heading")
        there = content.numbers(content.inside(record, "valid", field, list), f"{field}.valid") > 0.5
        for key, values in (("position", where), ("velocity", speed), ("heading", turned), ("valid", there)):
            if len(values) != frames:
                raise content.error(f"{field}.{key}", f"has {len(values)} frames, the ego has {frames}")
        there &= (where != _ABSENT).all(axis=1)
        for key, values in (("position", where), ("velocity", speed), ("heading", turned)):
            bad = there & ~(np.isfinite(values) & (np.abs(values) < FARTHEST)).reshape(frames, -1).all(axis=1)
            if bad.any():
                at = int(np.flatnonzero(bad)[0])
                raise content.error(f"{field}.{key}", f"is not finite or off every map at frame {at}")
        if there.any():
            for column, key in enumerate(("length", "width")):
                size[row, column] = content.inside(record, key, field, int, float)
                if not 0 < size[row, column] <= _LARGEST:
                    raise content.error(f"{field}.{key}", f"is {size[row, column]:g}, expected positive metres")
        valid[row] = there
        position[row, there], velocity[row, there], heading[row, there] = where[there], speed[there], turned[there]
    if not valid[ego].any():
        raise content.error(f"objects[{ego}].valid", "the ego is valid in no frame")
    return size, position, heading, velocity, valid


def _signals(content: Content, first: int, stop: int, notes: list[str]) -> tuple[Signal, ...]:
    """``tl_states``: per lane id the states seen, with the frames they were seen in."""
    found = []
    unknown: set[str] = set()
    for name, record in (content.data.get("tl_states") or {}).items():
        field = f"tl_states[{name!r}]"
        states = content.inside(record, "state", field, list)
        frames = content.inside(record, "time_index", field, list)
        if len(states) != len(frames):
            raise content.error(f"{field}.time_index", f"has {len(frames)} entries, but there are {len(states)} states")
        state = np.full(stop, LightState.UNKNOWN, np.int8)
        for value, frame in zip(states, frames, strict=True):
            known = light_state(value)
            unknown |= {str(value)} if known is None else set()
            if isinstance(frame, int) and 0 <= frame < stop:
                state[frame] = known or LightState.UNKNOWN
        spots = [content.numbers(content.inside(record, axis, field, list), f"{field}.{axis}") for axis in ("x", "y")]
        points = np.column_stack(spots) if len(spots[0]) == len(spots[1]) else np.zeros((0, 2))
        seen = points[np.isfinite(points).all(axis=1)]
        found.append(Signal(str(name), seen[0] if len(seen) else None, state[first:]))
    if unknown:
        notes.append(f"signal states that nobody defines count as unknown: {', '.join(sorted(unknown))}")
    return tuple(found)


def read_map(content: Content) -> RawMap:
    """Roads: lanes, edges, crossings, driveways, stop signs. Painted lines are not read.

    Raises:
        DataError: A road lacks its type or geometry, or has coordinates that are no numbers.
    """
    lanes: list[RawLane] = []
    paths: list[Float] = []
    edges: list[Float] = []
    areas: list[Area] = []
    stops: list[RawStop] = []
    notes: list[str] = []
    used: set[str] = set()
    for number, record in enumerate(content.data["roads"]):
        field = f"roads[{number}]"
        kind = content.inside(record, "type", field, str)
        points = content.places(content.inside(record, "geometry", field, list), f"{field}.geometry")
        if not np.isfinite(points).all() or (np.abs(points) > FARTHEST).any():
            raise content.error(f"{field}.geometry", "has a point that is not finite or off every map")
        name = str(record.get("id", f"road-{number}"))
        line = tidy(points)
        if kind == "lane" and line is None:
            notes.append(f"lane {name!r} has no centreline and was left out")
        elif kind == "lane" and line is not None and record.get("map_element_id") == _BIKE_LANE:
            paths.append(line)
        elif kind == "lane" and line is not None:
            name = name if name not in used else f"{name}#{number}"
            used.add(name)
            lanes.append(RawLane(name, line))
        elif kind == "road_edge" and line is not None:
            edges.append(line)
        elif kind in ("crosswalk", "driveway") and len(points) >= 3:
            areas.append(Area(Layer.CROSSWALK if kind == "crosswalk" else Layer.DRIVABLE, (points,)))
        elif kind == "stop_sign" and len(points):
            stops.append(RawStop(name, points[0], None))
    return RawMap(tuple(lanes), tuple(paths), tuple(edges), areas=tuple(areas), stops=tuple(stops), notes=tuple(notes))
