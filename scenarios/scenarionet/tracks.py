"""What moves in a ScenarioNet scenario: tracks, the ego and signals, with the format's slips repaired."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.scene import DT, AgentKind
from drive.vehicle import ZOE, VehicleParameters, rear_axle_from_center
from scenarios.nuscenes.load import LICENCE as NUSCENES_LICENCE
from scenarios.nuscenes.motion import KINDS as NUSCENES_KINDS
from scenarios.recording import Recording, Signal, closing_velocity, light_state, vehicle_of
from scenarios.scenarionet.clock import Clock, read_clock
from scenarios.scenarionet.files import ABSENT, FARTHEST, OWN, Content
from scenarios.scenarionet.own import own_cues, own_motives, own_states, own_vehicle

Float = NDArray[np.float64]

KINDS = {
    "VEHICLE": AgentKind.CAR,
    "PEDESTRIAN": AgentKind.PEDESTRIAN,
    "CYCLIST": AgentKind.BICYCLE,
    "TRAFFIC_CONE": AgentKind.TRAFFIC_CONE,
    "TRAFFIC_BARRIER": AgentKind.BARRIER,
    "TRAFFIC_OBJECT": AgentKind.GENERIC_OBJECT,
    "OTHER": AgentKind.GENERIC_OBJECT,
    "UNSET": AgentKind.GENERIC_OBJECT,
}
_LICENCES = {
    "nuscenes": NUSCENES_LICENCE,
    "waymo": "Waymo Dataset License Agreement for Non-Commercial Use, (c) Waymo LLC, https://waymo.com/open/terms",
    "nuplan": "CC BY-NC-SA 4.0 and nuPlan's terms, non-commercial; (c) Motional AD Inc., https://www.nuplan.org",
    "argoverse2": "CC BY-NC-SA 4.0, non-commercial; Argoverse 2, (c) Argo AI, LLC, https://www.argoverse.org",
}
# No road user is longer [m].
_LARGEST = 100.0


class _Track:
    """One track as arrays ``[n]``: position ``[n, 2]``, heading, velocity ``[n, 2]``, valid; size ``[2]``."""

    def __init__(self, content: Content, name: str) -> None:
        track = content.data["tracks"][name]
        field = f"tracks[{name!r}]"
        state = content.inside(track, "state", field, dict)
        metadata = track.get("metadata")
        self.metadata: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
        self.type = str(content.inside(track, "type", field, str))
        self.state = state
        self.field = f"{field}.state"
        rows = content.length

        def numbers(key: str, columns: int | None = None) -> Float:
            content.inside(state, key, self.field, object)
            return content.numbers(state[key], f"{self.field}.{key}", columns, rows)

        self.position = numbers("position", 2)[:, :2].copy()
        self.heading = numbers("heading").copy()
        there = numbers("valid") > 0.5 if "valid" in state else np.ones(rows, np.bool_)
        self.valid: NDArray[np.bool_] = there & (self.position != ABSENT).all(axis=1)
        self.velocity = numbers("velocity", 2)[:, :2].copy() if "velocity" in state else np.full((rows, 2), np.nan)
        for key, values in (("position", self.position), ("heading", self.heading)):
            bad = self.valid & ~np.isfinite(values.reshape(rows, -1)).all(axis=1)
            if bad.any():
                raise content.error(f"{self.field}.{key}", f"is not finite at frame {int(np.flatnonzero(bad)[0])}")
        far = self.valid & (np.abs(self.position) > FARTHEST).any(axis=1)
        if far.any():
            raise content.error(f"{self.field}.position", f"is off every map at frame {int(np.flatnonzero(far)[0])}")
        self.size = np.zeros(2)
        for at, key in enumerate(("length", "width")):
            if self.valid.any() or content.dataset == OWN:
                seen = self.valid if self.valid.any() else ~self.valid
                self.size[at] = float(np.median(numbers(key)[seen]))
                if not 0 < self.size[at] <= _LARGEST:
                    raise content.error(
                        f"{self.field}.{key}",
                        f"is {self.size[at]:g}, expected positive metres, at most {_LARGEST:g}",
                    )
        for values in (self.position, self.heading, self.velocity):
            values[~self.valid] = 0.0

    def kind(self) -> AgentKind:
        """The finest class that the file tells."""
        finer = self.metadata.get("agent_kind")
        if finer in AgentKind.__members__:
            return AgentKind[str(finer)]
        source = str(self.metadata.get("type"))
        return NUSCENES_KINDS.get(source, KINDS.get(self.type, AgentKind.GENERIC_OBJECT))


def read_recording(content: Content) -> Recording:
    """Tracks, ego and signals of a scenario, on its own frames or, for nuScenes, on the clock behind them.

    Raises:
        DataError: A field is missing or makes no sense; the sentence names it.
    """
    metadata, notes = content.data["metadata"], list[str]()
    ego_id = str(content.inside(metadata, "sdc_id", "metadata", object))
    if ego_id not in content.data["tracks"]:
        raise content.error("metadata.sdc_id", f"names {ego_id!r}, which is not among the tracks")
    times = _times(content)
    ego, vehicle, first, stop = _ego(content, ego_id, notes)
    clock = Clock(times, times, 0, content.length)
    if content.dataset == "nuscenes":
        clock = _nuscenes_clock(ego[first:stop], times[first:stop], notes)
    names = [name for name in content.data["tracks"] if name != ego_id]
    tracks = [_Track(content, name) for name in names]
    if content.dataset != OWN:
        tracks, names = _present(tracks, names, first, stop)
    position, heading, velocity, valid = _stacked(tracks, first, stop)
    velocity = _measured(velocity, position, valid, times[first:stop], notes)
    velocity, closed = closing_velocity(velocity, position, valid)
    if closed:
        notes.append(f"{closed} velocities of 0 in the last frame of a moving track were taken from the frame before")
    frames = times[first:stop]
    driven = ego[first:stop]
    if content.dataset == "nuscenes":
        driven = _on_frames(clock, driven)
        velocity = velocity * (frames[-1] - frames[0]) / (clock.frames[-1] - clock.frames[0])
        frames = frames[0] + clock.frames
    unknown = sorted({track.type for track in tracks} - set(KINDS))
    if unknown:
        notes.append(f"tracks of unknown type {', '.join(unknown)} are generic objects")
    own = metadata if content.dataset == OWN else {}
    return Recording(
        id=str(content.data["id"]),
        family=str(own.get("family") or content.dataset),
        group=str(own.get("group") or _group(content)),
        times=frames,
        start=_start(content, first, stop),
        ego=driven,
        vehicle=vehicle,
        ids=tuple(names),
        kind=np.array([track.kind() for track in tracks], np.int8),
        size=np.array([track.size for track in tracks]).reshape(-1, 2),
        position=position,
        heading=heading,
        velocity=velocity,
        valid=valid,
        signals=_signals(content, first, stop, notes),
        licence=str(own.get("licence") or _LICENCES.get(content.dataset, "")),
        states=own_states(content, ego_id),
        cues=own_cues(content, names),
        route=tuple(map(str, own["route"])) if isinstance(own.get("route"), list | tuple) else None,
        origin=content.numbers(own["origin"], "metadata.origin") if "origin" in own else None,
        goal=content.numbers(own["goal"], "metadata.goal") if "goal" in own else None,
        whole=bool(own),
        motives=own_motives(content, len(names)),
        t0_us=int(own["t0_us"]) if "t0_us" in own else None,
        notes=tuple(notes),
        provenance=_provenance(content),
    )


def _times(content: Content) -> Float:
    metadata = content.data["metadata"]
    stamps = metadata.get("ts", metadata.get("timestep"))
    if stamps is None:
        raise content.error("metadata.ts", "is missing: the time [s] of every frame")
    times = content.numbers(stamps, "metadata.ts", rows=content.length)
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise content.error("metadata.ts", "does not increase")
    if content.length > 1 and np.median(np.diff(times)) > 1000.0:
        times = (times - times[0]) * 1e-6  # microseconds, as nuPlan counts
    return times


def _ego(content: Content, name: str, notes: list[str]) -> tuple[Float, VehicleParameters, int, int]:
    """Rear-axle poses ``[n, 3]``, the car, and the frames [first, stop) in which the ego is there."""
    track = _Track(content, name)
    there = np.flatnonzero(track.valid)
    if not there.size:
        raise content.error(track.field, "the ego is valid in no frame")
    first, stop = int(there[0]), int(there[-1]) + 1
    if len(there) < stop - first:
        gap = int(there[np.flatnonzero(np.diff(there) > 1)[0]]) + 1
        raise content.error(f"{track.field}.valid", f"the ego is absent at frame {gap}, in the middle of its drive")
    length, width = track.size
    if length < width:
        length, width = width, length
        notes.append("the ego's length and width were the wrong way round")
    vehicle = own_vehicle(content) or vehicle_of(float(length), float(width), f"{content.dataset}-ego")
    poses = np.column_stack((track.position, wrap_angle(track.heading)))
    if content.dataset == "nuscenes":
        vehicle = ZOE
        notes.append("the ego's position was taken as its rear axle, as nuScenes has it")
    else:
        poses = rear_axle_from_center(poses, vehicle)
    return poses, vehicle, first, stop


def _nuscenes_clock(poses: Float, times: Float, notes: list[str]) -> Clock:
    clock = read_clock(poses)
    if clock.lost:
        notes.append(f"{clock.lost} lost messages of the ego's bus were put back on its clock")
    if clock.seam < len(poses) - 1:
        notes.append(f"the ego stepped back at frame {clock.seam}, where its messages end: put back on the clock")
    stretched = float(clock.frames[-1] - DT * (len(poses) - 1))
    if stretched:
        notes.append(f"the scene lasts {clock.frames[-1]:.2f} s, {stretched:+.2f} s against its time stamps")
    return clock


def _on_frames(clock: Clock, poses: Float) -> Float:
    """Ego poses at the frames' times, linear between the times they were driven."""
    kept = np.isfinite(clock.ego)
    heading = np.unwrap(poses[:, 2])
    columns = (poses[:, 0], poses[:, 1], heading)
    x, y, turned = (np.interp(clock.frames, clock.ego[kept], column[kept]) for column in columns)
    return np.column_stack((x, y, wrap_angle(turned)))


def _present(tracks: list[_Track], names: list[str], first: int, stop: int) -> tuple[list[_Track], list[str]]:
    """Tracks that are there while the ego is."""
    kept = [at for at, track in enumerate(tracks) if track.valid[first:stop].any()]
    return [tracks[at] for at in kept], [names[at] for at in kept]


def _stacked(tracks: list[_Track], first: int, stop: int) -> tuple[Float, Float, Float, NDArray[np.bool_]]:
    count, frames = len(tracks), stop - first
    return (
        np.array([track.position[first:stop] for track in tracks]).reshape(count, frames, 2),
        np.array([track.heading[first:stop] for track in tracks]).reshape(count, frames),
        np.array([track.velocity[first:stop] for track in tracks]).reshape(count, frames, 2),
        np.array([track.valid[first:stop] for track in tracks], np.bool_).reshape(count, frames),
    )


def _measured(velocity: Float, position: Float, valid: NDArray[np.bool_], times: Float, notes: list[str]) -> Float:
    """Velocities with those that are not numbers taken from the way to the next frame (or from the last one)."""
    lost = valid & ~np.isfinite(velocity).all(axis=2)
    if not lost.any():
        return velocity
    notes.append(f"{int(lost.sum())} velocities that are no numbers were taken from positions")
    velocity = np.where(np.isfinite(velocity), velocity, 0.0)
    for agent, frame in np.argwhere(lost).tolist():
        for other in (frame + 1, frame - 1):
            if 0 <= other < len(times) and valid[agent, other]:
                step = position[agent, other] - position[agent, frame]
                velocity[agent, frame] = step / (times[other] - times[frame])
                break
    return velocity


def _start(content: Content, first: int, stop: int) -> int | None:
    """The present, where the file names it and it leaves something to drive."""
    now = content.data["metadata"].get("current_time_index")
    if isinstance(now, bool) or not isinstance(now, int | np.integer) or not first < now < stop - 1:
        return None
    return int(now) - first


def _group(content: Content) -> str:
    metadata = content.data["metadata"]
    if content.dataset == "nuscenes" and "map" in metadata and "date" in metadata:
        return f"{metadata['map']} {metadata['date']}"
    log = metadata.get("log_name") or metadata.get("source_file")
    return str(log or content.data["id"])


def _signals(content: Content, first: int, stop: int, notes: list[str]) -> tuple[Signal, ...]:
    found = []
    unknown: set[str] = set()
    for name, record in content.data["dynamic_map_states"].items():
        field = f"dynamic_map_states[{name!r}]"
        state = content.inside(record, "state", field, dict)
        values = content.inside(state, "object_state", f"{field}.state", object)
        if not hasattr(values, "__len__") or len(values) != content.length:
            raise content.error(f"{field}.state.object_state", f"expected {content.length} entries, one a frame")
        states = [light_state(value) for value in values]
        unknown |= {str(value) for value, known in zip(values, states, strict=True) if known is None}
        point = record.get("stop_point")
        spot = None if point is None else content.numbers([point], f"{field}.stop_point", 2)[0, :2]
        found.append(
            Signal(
                str(record.get("lane", name)),
                spot if spot is not None and np.isfinite(spot).all() else None,
                np.array([known or 0 for known in states[first:stop]], np.int8),
            )
        )
    if unknown:
        notes.append(f"signal states that nobody defines count as unknown: {', '.join(sorted(unknown))}")
    return tuple(found)


def _provenance(content: Content) -> dict[str, Any]:
    metadata = content.data["metadata"]
    kept = ("map", "date", "scenario_token", "scenario_id", "source_file", "log_name", "coordinate", "exported_from")
    return {
        "dataset": "ScenarioNet",
        "from": content.dataset,
        "file": content.path.name,
        "version": str(content.data.get("version", "")),
        **{name: str(metadata[name]) for name in kept if name in metadata},
    }
