"""A recording of frames with a map, whatever file it came in, becomes a :class:`drive.scene.Scenario`.

What ScenarioNet pickles and GPUDrive JSON have in common is here: frames are brought to steps of 0.1 s, one window is
cut, everything is moved to the scene frame, and the route is read from the ego's drive.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.drivers import default_drivers
from drive.errors import DataError
from drive.geometry import poses_to_frame, rotate, to_frame, wrap_angle
from drive.map import Layer, VectorMap, build_map
from drive.scene import DT, EVENT_COLUMNS, HISTORY_STEPS, AgentKind, Lights, LightState, Paths, Scenario, Tracks
from drive.vehicle import EGO_COLUMNS, PACIFICA, ZOE, Ego, VehicleParameters
from scenarios.lanemap import RawMap, crop
from scenarios.nuscenes.motion import ego_states
from scenarios.routes import match_route

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

MAX_DRIVE_STEPS = 150
MIN_DRIVE_STEPS = 10
# Recorders jitter: frames this far [s] from 0.1 s apart, and from their place in all, count as exact.
_JITTER = 0.01
_DRIFT = 0.02


@dataclass(frozen=True)
class Signal:
    """A signal of one lane: its ``lane`` id, the ``point`` ``[2]`` [m, global] to stop at, or None where the lane
    begins, and ``state [n]`` int8 (:class:`drive.scene.LightState`)."""

    lane: str
    point: Float | None
    state: NDArray[np.int8]


@dataclass(frozen=True)
class Motives:
    """What a scene says beyond its recording, fields of :class:`drive.scene.Scenario`, in the scene frame."""

    drivers: Float
    script: Float
    paths: Paths | None
    hardness: float
    occlusion: bool


@dataclass(frozen=True)
class Recording:
    """n frames of one scene in the source's global frame, repaired.

    Attributes:
        id, family, group, licence: As in :class:`drive.scene.Scenario`.
        times: ``[n]`` float64 [s], increasing.
        start: Frame that is the present; None: 2 s after the first.
        ego: ``[n, 3]`` rear-axle poses (x, y [m], heading [rad]).
        vehicle: The ego's car.
        ids, kind, size, position, heading, velocity, valid: As in :class:`drive.scene.Tracks`, n frames.
        signals: Traffic lights.
        states: ``[n, 11]`` ego states where the source has them, pose in the global frame.
        cues: ``[A, n]`` uint8 where the source has them.
        route: Lane ids to follow where the source names them.
        origin: ``[3]`` pose of the scene frame; None: the ego's pose at the start.
        goal: ``[2]`` [m]; None: the end of the route.
        whole: Keep every step and all of the map; else 15 s to drive, and what lies around the drive.
        t0_us: Time stamp of the start [us] where the source has one.
        motives: What moves agents in reactive traffic; None: default drivers, ways from the tracks.
        notes: Sentences on what was repaired or left out.
        provenance: JSON-able facts.
    """

    id: str
    family: str
    group: str
    times: Float
    start: int | None
    ego: Float
    vehicle: VehicleParameters
    ids: tuple[str, ...]
    kind: NDArray[np.int8]
    size: Float
    position: Float
    heading: Float
    velocity: Float
    valid: Bool
    signals: tuple[Signal, ...]
    licence: str
    states: Float | None = None
    cues: NDArray[np.uint8] | None = None
    route: tuple[str, ...] | None = None
    origin: Float | None = None
    goal: Float | None = None
    whole: bool = False
    motives: Motives | None = None
    t0_us: int | None = None
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)


def vehicle_of(length: float, width: float, name: str) -> VehicleParameters:
    """The ego's car of a given size [m]: the Zoe if it is one, else axles in the Pacifica's proportions."""
    if abs(length - ZOE.length) < 0.05 and abs(width - ZOE.width) < 0.05:
        return ZOE
    scale = length / PACIFICA.length
    return VehicleParameters(name, length, width, PACIFICA.wheelbase * scale, PACIFICA.rear_axle_to_center * scale)


def closing_velocity(velocity: Float, position: Float, valid: Bool) -> tuple[Float, int]:
    """Velocities ``[A, n, 2]`` without the zeros that forward differences leave at the end of each stretch of a track.

    The last frame of a stretch takes the velocity of the one before if it says 0 although the track moved on to it.
    Also returns how many were repaired.
    """
    repaired = velocity.copy()
    ends = valid.copy()
    ends[:, :-1] &= ~valid[:, 1:]
    ends[:, 0] = False
    agent, frame = np.nonzero(ends & np.roll(valid, 1, axis=1))
    still = (velocity[agent, frame] == 0).all(axis=1)
    moved = np.linalg.norm(position[agent, frame] - position[agent, frame - 1], axis=1) > 1e-6
    agent, frame = agent[still & moved], frame[still & moved]
    repaired[agent, frame] = velocity[agent, frame - 1]
    return repaired, int((np.abs(velocity[agent, frame - 1]).sum(axis=1) > 0).sum())


def resampled(recording: Recording, where: str) -> Recording:
    """The recording with frames every 0.1 s: as it is if it has them already, else linear in between.

    An object is at a step if it is at the frames on both sides of it. Signals hold until the next frame.

    Raises:
        DataError: Times do not increase.
    """
    times = recording.times
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise DataError(f"{where}: its time stamps do not increase")
    ideal = times[0] + DT * np.arange(len(times))
    if np.abs(np.diff(times) - DT).max(initial=0.0) <= _JITTER and np.abs(times - ideal).max(initial=0.0) <= _DRIFT:
        return recording
    grid = times[0] + DT * np.arange(int((times[-1] - times[0]) / DT + 1e-6) + 1)
    before = np.clip(np.searchsorted(times, grid + 1e-9, side="right") - 1, 0, len(times) - 2)
    share = np.clip((grid - times[before]) / (times[before + 1] - times[before]), 0.0, 1.0)
    on_left, on_right = share < 1e-6, share > 1 - 1e-6
    valid = (recording.valid[:, before] | on_right) & (recording.valid[:, before + 1] | on_left)

    def between(values: Float, axis: int) -> Float:
        low, high = np.take(values, before, axis), np.take(values, before + 1, axis)
        weight = share.reshape([-1 if number == axis else 1 for number in range(values.ndim)])
        return low + weight * (high - low)

    def angles(values: Float, axis: int) -> Float:
        low, high = np.take(values, before, axis), np.take(values, before + 1, axis)
        return np.asarray(wrap_angle(low + share * wrap_angle(high - low)))

    start = recording.start
    if start is not None:
        start = int(np.abs(grid - times[start]).argmin())
    states = recording.states
    if states is not None:
        states = between(states, 0)
        states[:, Ego.HEADING] = angles(recording.states[:, Ego.HEADING], 0)  # type: ignore[index]
    # Values behind an invalid frame are meaningless: take the valid neighbour's.
    there = recording.valid
    mixed = [(there[:, before] & ~there[:, before + 1]), (~there[:, before] & there[:, before + 1])]
    position, velocity = between(recording.position, 1), between(recording.velocity, 1)
    heading = angles(recording.heading, 1)
    for mask, frames in zip(mixed, (before, before + 1), strict=True):
        position = np.where(mask[..., None], recording.position[:, frames], position)
        velocity = np.where(mask[..., None], recording.velocity[:, frames], velocity)
        heading = np.where(mask, recording.heading[:, frames], heading)
    nearest = np.where(on_right, before + 1, before)
    return replace(
        recording,
        times=grid,
        start=start,
        ego=np.column_stack((between(recording.ego[:, :2], 0), angles(recording.ego[:, 2], 0))),
        position=position,
        velocity=velocity,
        heading=heading,
        valid=valid,
        signals=tuple(replace(signal, state=signal.state[nearest]) for signal in recording.signals),
        states=states,
        cues=None if recording.cues is None else recording.cues[:, nearest],
        notes=(*recording.notes, f"frames {np.median(np.diff(times)):.3f} s apart were brought to {DT} s"),
    )


def to_scenario(source: str, recording: Recording, raw: RawMap, where: str) -> Scenario:
    """The scene of a recording: history up to its start, then at most 15 s to drive.

    Raises:
        DataError, MapError, ScenarioError: ``where`` (the file) is too short, or its map makes no scene.
    """
    recording = resampled(recording, where)
    start = HISTORY_STEPS if recording.start is None else recording.start
    steps = len(recording.times) if recording.whole else min(len(recording.times), start + MAX_DRIVE_STEPS + 1)
    if start < 1 or steps - 1 - start < MIN_DRIVE_STEPS:
        raise DataError(
            f"{where} is too short: it has {len(recording.times)} steps of {DT} s, needed are {MIN_DRIVE_STEPS} "
            f"after the start (step {start}) and one before it"
        )
    origin = (recording.ego[start] if recording.origin is None else recording.origin).copy()
    driven = poses_to_frame(recording.ego, origin)
    reference = ego_states(driven, recording.vehicle)
    if recording.states is not None:
        reference = recording.states.copy().reshape(-1, EGO_COLUMNS)
        reference[:, : Ego.VX] = poses_to_frame(recording.states[:, : Ego.VX], origin)
    cut = crop(raw, recording.ego[:, :2], origin, recording.whole)
    vector_map = build_map(cut.lanes, cut.areas, cut.stop_lines)
    route, gaps = _route(recording, vector_map, reference, start)
    seen = recording.valid[:, :steps].any(axis=1) | recording.whole
    tracks = _tracks(recording, seen, steps, origin)
    lights, dark = _lights(recording.signals, vector_map, steps, origin)
    scenario = Scenario(
        id=recording.id,
        source=source,
        family=recording.family,
        group=recording.group,
        origin=origin,
        t0_us=round(float(recording.times[start]) * 1e6) if recording.t0_us is None else recording.t0_us,
        start=start,
        map=vector_map,
        tracks=tracks,
        lights=lights,
        ego_vehicle=recording.vehicle,
        route=np.array(route, np.int32),
        goal=_goal(recording, vector_map, route, reference, origin),
        reference=np.ascontiguousarray(reference[:steps]),
        drivers=default_drivers(tracks.kind),
        script=np.zeros((0, EVENT_COLUMNS)),
        provenance={
            **recording.provenance,
            "recorded_s": round((len(recording.times) - 1) * DT, 1),
            "repaired": list(recording.notes),
            "dropped": [*cut.notes, *vector_map.dropped, *gaps, *dark],
            "counts": _counts(tracks, seen, vector_map),
        },
        licence=recording.licence,
    )
    if recording.motives is not None:
        scenario = replace(scenario, **vars(recording.motives))
    scenario.validate()
    return scenario


def _route(
    recording: Recording, vector_map: VectorMap, reference: Float, start: int
) -> tuple[Sequence[int], list[str]]:
    if recording.route is not None:
        index = {name: lane for lane, name in enumerate(vector_map.lane_ids)}
        if all(name in index for name in recording.route):
            return [index[name] for name in recording.route], []
    return match_route(vector_map, reference[:, : Ego.VX], start)


def _goal(recording: Recording, vector_map: VectorMap, route: Sequence[int], reference: Float, origin: Float) -> Float:
    if recording.goal is not None:
        return to_frame(recording.goal, origin)
    return (vector_map.lane_centerline(route[-1])[-1, :2] if route else reference[-1, :2]).copy()


def _tracks(recording: Recording, seen: Bool, steps: int, origin: Float) -> Tracks:
    """The objects seen in the first ``steps`` steps, in the scene frame; zeros where they are not valid."""
    valid = np.ascontiguousarray(recording.valid[seen, :steps])
    mask = valid[..., None]
    cues = np.zeros(valid.shape, np.uint8) if recording.cues is None else recording.cues[seen, :steps]
    return Tracks(
        ids=tuple(name for name, kept in zip(recording.ids, seen, strict=True) if kept),
        kind=recording.kind[seen],
        size=recording.size[seen],
        position=np.where(mask, to_frame(recording.position[seen, :steps], origin), 0.0),
        heading=np.where(valid, wrap_angle(recording.heading[seen, :steps] - origin[2]), 0.0),
        velocity=np.where(mask, rotate(recording.velocity[seen, :steps], -origin[2]), 0.0),
        valid=valid,
        cues=np.where(valid, cues, 0).astype(np.uint8),
    )


def _lights(signals: Sequence[Signal], vector_map: VectorMap, steps: int, origin: Float) -> tuple[Lights, list[str]]:
    index = {name: lane for lane, name in enumerate(vector_map.lane_ids)}
    lit = [signal for signal in signals if signal.lane in index]
    lane = np.array([index[signal.lane] for signal in lit], np.int32)
    points = [
        vector_map.lane_centerline(int(row))[0, :2] if signal.point is None else to_frame(signal.point, origin)
        for row, signal in zip(lane, lit, strict=True)
    ]
    state = np.array([signal.state[:steps] for signal in lit], np.int8).reshape(-1, steps)
    away = sorted(signal.lane for signal in signals if signal.lane not in index)
    notes = [f"signals of {len(away)} lanes that the map lacks near the drive were left out: {', '.join(away)}"]
    return Lights(lane, np.array(points, np.float64).reshape(-1, 2), state), notes if away else []


def _counts(tracks: Tracks, seen: Bool, vector_map: VectorMap) -> dict[str, Any]:
    kinds, counts = np.unique(tracks.kind, return_counts=True)
    return {
        "agents": len(tracks.ids),
        "agents_after_window": int((~seen).sum()),
        "kinds": {AgentKind(kind).name.lower(): int(count) for kind, count in zip(kinds, counts, strict=True)},
        "lanes": int((~vector_map.connector).sum()),
        "connectors": int(vector_map.connector.sum()),
        "areas": {
            layer.name.lower(): int((vector_map.area_layer == layer).sum())
            for layer in Layer
            if (vector_map.area_layer == layer).any()
        },
        "stop_lines": len(vector_map.stop_cause),
    }


def light_state(name: object) -> LightState | None:
    """A signal state by the names that Waymo, GPUDrive and MetaDrive use; None if it is none of them.

    A flashing signal asks to stop and go on, or to take care: neither red nor green, so unknown.
    """
    if name is None:
        return LightState.UNKNOWN
    return _LIGHTS.get(str(name).upper().removeprefix("LANE_STATE_").removeprefix("TRAFFIC_LIGHT_"))


_LIGHTS = {
    "UNKNOWN": LightState.UNKNOWN,
    "NONE": LightState.UNKNOWN,
    "FLASHING_STOP": LightState.UNKNOWN,
    "FLASHING_CAUTION": LightState.UNKNOWN,
    "STOP": LightState.RED,
    "ARROW_STOP": LightState.RED,
    "RED": LightState.RED,
    "CAUTION": LightState.YELLOW,
    "ARROW_CAUTION": LightState.YELLOW,
    "YELLOW": LightState.YELLOW,
    "GO": LightState.GREEN,
    "ARROW_GO": LightState.GREEN,
    "GREEN": LightState.GREEN,
}
