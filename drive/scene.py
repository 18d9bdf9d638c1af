"""The scene model: what every loader and the generator produce and everything else consumes.

Shapes: A agents (the ego is not among them), T steps of ``dt`` = 0.1 s, L signalled lanes, E scripted events. Frames:
everything is in the scene frame, an SE(2) frame near the ego's start whose float64 pose in the source is ``origin``.
Absence is ``valid == False``; the values behind it are zeros, never NaN.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.errors import ScenarioError
from drive.map import VectorMap
from drive.vehicle import EGO_COLUMNS, VehicleParameters

Float = NDArray[np.float64]

DT = 0.1
HISTORY_STEPS = 20
DRIVER_COLUMNS = 16


class AgentKind(IntEnum):
    """What an agent is. NAVSIM's classes: vehicle = CAR..EMERGENCY, bicycle = MOTORCYCLE and BICYCLE."""

    CAR = 0
    TRUCK = 1
    BUS = 2
    TRAILER = 3
    CONSTRUCTION_VEHICLE = 4
    EMERGENCY = 5
    MOTORCYCLE = 6
    BICYCLE = 7
    PEDESTRIAN = 8
    TRAFFIC_CONE = 9
    BARRIER = 10
    SIGN = 11
    GENERIC_OBJECT = 12


STATIC_KINDS = (
    AgentKind.TRAFFIC_CONE,
    AgentKind.BARRIER,
    AgentKind.SIGN,
    AgentKind.GENERIC_OBJECT,
)
DRIVING_KINDS = tuple(kind for kind in AgentKind if kind <= AgentKind.BICYCLE)


class Cue(IntFlag):
    """Announcements an observer can see; bits of ``Tracks.cues``."""

    INDICATOR_LEFT = 1
    INDICATOR_RIGHT = 2
    BRAKE_LIGHT = 4
    INTENT = 8


class LightState(IntEnum):
    """State of a signal for one lane connector."""

    UNKNOWN = 0
    GREEN = 1
    YELLOW = 2
    RED = 3


@dataclass(frozen=True)
class Tracks:
    """Recorded or generated motion of all agents but the ego.

    Attributes:
        ids: A names, unique.
        kind: ``[A]`` int8, :class:`AgentKind`.
        size: ``[A, 2]`` float64, length and width [m].
        position: ``[A, T, 2]`` float64, box centre [m].
        heading: ``[A, T]`` float64 [rad].
        velocity: ``[A, T, 2]`` float64 [m/s], scene frame.
        valid: ``[A, T]`` bool.
        cues: ``[A, T]`` uint8, :class:`Cue` bits.
    """

    ids: tuple[str, ...]
    kind: NDArray[np.int8]
    size: Float
    position: Float
    heading: Float
    velocity: Float
    valid: NDArray[np.bool_]
    cues: NDArray[np.uint8]


@dataclass(frozen=True)
class Lights:
    """Signals: ``lane [L]`` int32 (index of the connector governed), ``stop_point [L, 2]`` float64 [m] where that
    connector begins, ``state [L, T]`` int8 (:class:`LightState`)."""

    lane: NDArray[np.int32]
    stop_point: Float
    state: NDArray[np.int8]


@dataclass(frozen=True)
class Paths:
    """The way each agent drives or walks when it is simulated: flat points with offsets, none for replayed agents.

    ``points [N, 2]`` float64 [m] (box centre), ``limit [N]`` float64 [m/s] (speed the road suggests there),
    ``ptr [A + 1]`` int32.
    """

    points: Float
    limit: Float
    ptr: NDArray[np.int32]


class Event(IntEnum):
    """Columns of ``Scenario.script [E, 9]`` float64: what an agent does when its trigger fires (reactive traffic)."""

    AGENT = 0  # index of the agent
    TRIGGER = 1  # Trigger
    VALUE = 2  # s: scene time after the start (TIME) or the ego's arrival time at (X, Y) (EGO_ARRIVAL); m (EGO_BEHIND)
    X = 3  # m, point of conflict on the ego's way
    Y = 4
    TIMEOUT = 5  # s after the start: fires then at the latest
    ACTION = 6  # Action
    RATE = 7  # m/s2, size of the acceleration used; OFFSET: s, duration; CUE: s, shown so long after the order
    TARGET = 8  # m/s, speed aimed for; OFFSET: m left of the agent's path; MEET: s after the ego; CUE: bits of Cue


EVENT_COLUMNS = len(Event)


class Trigger(IntEnum):
    """When a scripted event fires.

    The ego's arrival time at (X, Y) is its front's distance over its speed, or over half the limit if it is slower
    than that. EGO_BEHIND: its front is at most VALUE [m] behind the agent's rear, in whatever lane. AFTER: VALUE [s]
    have passed since the same agent's order before this one in the script fired.
    """

    TIME = 0
    EGO_ARRIVAL = 1
    EGO_BEHIND = 2
    AFTER = 3


class Action(IntEnum):
    """What a scripted event does. The last one fired counts; orders along and across do not cancel each other.

    OFFSET moves the agent sideways on its path, smoothly (a quintic) from where it is to TARGET, in RATE seconds or as
    long as its speed makes it: it moves where it points, and standing still it stays. It does not begin while somebody
    is right beside it on that side, and keeps behind what is ahead on either line. With RATE 0 and TARGET where the
    agent already is, it stays there (a vehicle at the kerb, in the next lane).

    MEET ties an agent to the live ego: it adjusts its speed, at most 15 % up or down from what it drives when the event
    fires, so that its front comes to (X, Y) on its path TARGET seconds after the ego's front would (negative: before),
    until one second before; from there on it keeps its speed. It yields to nobody who is not in its way already.

    CUE announces the order in the next row of the script if that is the same agent's: it shows the bits TARGET
    (:class:`Cue`) from its own trigger until RATE seconds after that order. Without such a row it is a false cue, shown
    for RATE seconds.
    """

    NORMAL = 0  # drive or walk by the agent's own parameters again
    SPEED = 1  # go to TARGET at RATE whatever the situation allows beyond that (never faster than a lead permits)
    OFFSET = 2  # go to TARGET beside the own path within RATE seconds
    MEET = 3  # be at (X, Y) TARGET seconds after the ego
    CUE = 4  # announce the next row, or nothing; moves nobody


@dataclass(frozen=True)
class Scenario:
    """One scene with everything needed to simulate and to score it.

    Attributes:
        id: Unique within its suite and stable.
        source: ``nuscenes``, ``generated``, ...
        family: Scene family or type, for grouping results.
        group: Log or twin this scene shares with others: the unit of resampling in statistics.
        origin: ``[3]`` float64, pose (x, y [m], heading [rad]) of the scene frame in the source's global frame.
        t0_us: Time stamp [us] of step ``start`` in the source.
        dt: Step [s], always 0.1.
        start: Step at which the simulation begins; steps ``0..start`` are history (start >= 1).
        map, tracks, lights, paths: See their classes. ``paths`` is None where traffic is to be derived from the tracks.
        ego_vehicle: The car the ego drives.
        route: ``[R]`` int32 lane indices the ego is to follow, in order.
        goal: ``[2]`` float64 [m].
        reference: ``[T, 11]`` float64 ego states (:class:`drive.vehicle.Ego`), the logged or the expert's drive.
        drivers: ``[A, 16]`` float64 driver parameters (columns: ``drive.traffic.Driver``).
        script: ``[E, 9]`` float64 (:class:`Event`).
        hardness: 0 where nothing is known, else the generator's number.
        occlusion: True where planners see only agents in the line of sight (:mod:`drive.visibility`): generated scenes
            that say so. A recording holds what its sensors saw, so there it is False.
        provenance: JSON-able facts: file, knobs, seeds, versions, notes on dropped data.
        licence: Licence of the data.
    """

    id: str
    source: str
    family: str
    group: str
    origin: Float
    t0_us: int
    start: int
    map: VectorMap
    tracks: Tracks
    lights: Lights
    ego_vehicle: VehicleParameters
    route: NDArray[np.int32]
    goal: Float
    reference: Float
    drivers: Float
    script: Float
    paths: Paths | None = None
    hardness: float = 0.0
    occlusion: bool = False
    dt: float = DT
    provenance: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""

    @property
    def steps(self) -> int:
        """Number of steps T, history included."""
        return len(self.reference)

    @property
    def horizon(self) -> int:
        """Steps that are simulated: from ``start`` to the last recorded one."""
        return self.steps - 1 - self.start

    def validate(self) -> None:
        """Check shapes, ranges and references; raise :class:`ScenarioError` naming scene, field and value."""
        self.map.validate()
        agents, steps = len(self.tracks.ids), self.steps
        shapes: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
            "tracks.kind": (self.tracks.kind, (agents,)),
            "tracks.size": (self.tracks.size, (agents, 2)),
            "tracks.position": (self.tracks.position, (agents, steps, 2)),
            "tracks.heading": (self.tracks.heading, (agents, steps)),
            "tracks.velocity": (self.tracks.velocity, (agents, steps, 2)),
            "tracks.valid": (self.tracks.valid, (agents, steps)),
            "tracks.cues": (self.tracks.cues, (agents, steps)),
            "lights.stop_point": (self.lights.stop_point, (len(self.lights.lane), 2)),
            "lights.state": (self.lights.state, (len(self.lights.lane), steps)),
            "reference": (self.reference, (steps, EGO_COLUMNS)),
            "drivers": (self.drivers, (agents, DRIVER_COLUMNS)),
            "script": (self.script, (len(self.script), EVENT_COLUMNS)),
            "origin": (self.origin, (3,)),
            "goal": (self.goal, (2,)),
        }
        for name, (value, shape) in shapes.items():
            if value.shape != shape:
                raise self._error(f"{name} has shape {value.shape}, expected {shape}")
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                where = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
                owner = f" of agent {self.tracks.ids[where[0]]!r}" if name.startswith("tracks.") else ""
                raise self._error(f"{name}{list(where)}{owner} is not finite")
        if self.dt != DT:
            raise self._error(f"dt is {self.dt}, expected {DT} (resample on load)")
        if len(set(self.tracks.ids)) != agents:
            raise self._error("tracks.ids repeat")
        if not 1 <= self.start < steps - 1:
            raise self._error(f"start is {self.start}, expected at least 1 and below {steps - 1}")
        if (self.tracks.size <= 0).any():
            agent = int(np.argwhere(self.tracks.size <= 0)[0][0])
            raise self._error(f"tracks.size of agent {self.tracks.ids[agent]!r} must be positive")
        for name, lanes in (("route", self.route), ("lights.lane", self.lights.lane)):
            if lanes.size and (lanes.min() < 0 or lanes.max() >= self.map.lanes):
                raise self._error(f"{name} holds lane indices outside [0, {self.map.lanes})")
        self._validate_script(agents)
        if self.paths is not None and len(self.paths.ptr) != agents + 1:
            raise self._error(f"paths.ptr has {len(self.paths.ptr)} offsets, expected {agents + 1}")

    def _validate_script(self, agents: int) -> None:
        for row, event in enumerate(self.script):
            if not (0 <= event[Event.AGENT] < agents and float(event[Event.AGENT]).is_integer()):
                raise self._error(f"script[{row}] names an agent that does not exist ({event[Event.AGENT]:g})")
            for column, known in ((Event.TRIGGER, Trigger), (Event.ACTION, Action)):
                if event[column] not in tuple(known):
                    raise self._error(f"script[{row}] has {column.name} {event[column]:g}, expected {_numbers(known)}")
            if event[Event.RATE] < 0.0:
                raise self._error(f"script[{row}] has RATE {event[Event.RATE]:g}, expected 0 or more")

    def _error(self, what: str) -> ScenarioError:
        return ScenarioError(f"scenario {self.id!r}: {what}")


def _numbers(known: type[IntEnum]) -> str:
    return ", ".join(f"{member.value} ({member.name})" for member in known)
