"""What a family puts on the road: its knobs, and from them a setting (map, ego, actors, script)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scenarios.generate.actors import Actor
from scenarios.generate.knobs import Knob, Recipe, stream
from scenarios.generate.network import Network
from scenarios.generate.paths import Way
from scenarios.generate.reference import Style
from scenarios.generate.signals import SignalPlan

ATTEMPTS = 16  # at each point of the knobs
TRAINING = "gen-train"  # namespaces of training begin with it


class Draws:
    """Random streams of one attempt at one scene, by purpose; ``prefix`` keeps two families of a scene apart."""

    def __init__(self, recipe: Recipe, attempt: int, prefix: str = "") -> None:
        self.recipe, self.prefix = recipe, prefix
        self._attempt = attempt

    @property
    def attempt(self) -> int:
        """How many draws were made before this one at the same point of the knobs: families ask for less after each."""
        return self._attempt % ATTEMPTS

    @property
    def training(self) -> bool:
        """True for training scenes: they have no layouts that are kept for tests (:func:`layout.is_unusual`)."""
        return self.recipe.namespace.startswith(TRAINING)

    def __call__(self, purpose: str) -> np.random.Generator:
        """The generator for one purpose."""
        return stream(self.recipe, self.prefix + purpose, self._attempt)


@dataclass(frozen=True)
class Beside:
    """A stretch of the way on which the ego may drive beside the way's lane.

    Attributes:
        begin, end: Arc lengths [m] on the way: the ego's rear axle leaves the lane at ``begin`` at the earliest
            and is back at ``end``; an ``end`` at the way's end means that it may stay.
        offset: The line to drive on [m, left of the way positive]: a neighbour lane's centre, a line past an obstacle.
        price: Cost per second of being there, for what one only does with a reason (an oncoming lane).
        clear: Arc length [m] from which on the way's lane is free again behind what blocks it (rear axle); None: who
            does not come back sooner is back just at ``end``.
    """

    begin: float
    end: float
    offset: float
    price: float = 0.0
    clear: float | None = None

    def row(self) -> tuple[float, float, float, float, float]:
        """Columns that the search reads; without a place to come back, ``clear`` is infinite."""
        return self.begin, self.end, self.offset, self.price, np.inf if self.clear is None else self.clear


@dataclass(frozen=True)
class Setting:
    """A scene before anything has moved; time 0 here is the beginning of the warm-up.

    Attributes:
        network, way: The map and the ego's way through it.
        arc, speed: Where the ego's rear axle begins on its way [m] and how fast [m/s].
        rest: Time [s] for which an ego that begins at rest stays there: it sets off shortly before the scene starts.
        style: How the reference drives.
        actors: Everybody else.
        events: Scripted events: rows of :class:`drive.scene.Event`, times counted from the scene's start.
        population: Name of the driver population; None: one of those that the recipe's namespace draws from.
        bearable: Hazard that makes the reference look for something else than driving on; higher where braking in time
            is the whole task, or it would brake before there is a reason anybody else could know.
        event: Arc length [m] on the way where the main event is met; None without one.
        side: Offset [m, left positive] from the way at which the ego begins (in a lane that it has to leave).
        beside: Where the ego may leave its lane, and to what offset.
        lane_end: Arc length [m] at which the way's own lane ends (the curve of the way goes on): by then the ego is on
            one of the stretches beside, or waits. None where the lane goes on.
        slack: Best gap over needed gap, where the event is a decision; None where it is a conflict.
        signals: Signals that the event needs in a certain state; the others are drawn.
        occlusion: True if planners are to see only what is in their line of sight: where what is hidden is the task.
        decided: The actors whose part in the scene the slack stands for; empty: all of them.
        caution: Stretches (begin, end [m] on the way, speed [m/s]) that the reference passes no faster than that for
            what could be hidden there; the road's own speed and hardness know nothing of it.
        holds: Arc lengths [m] on the way where the front of the reference may wait, besides lines and crossings.
        keep_clear: Stretches (begin, end [m] on the way) in which the reference does not want to be left standing.
        foresight: Time [s] for which the reference rolls its options; None: six, eight where it may leave its lane.
        facts: Numbers worth keeping in the provenance.
    """

    network: Network
    way: Way
    arc: float
    speed: float
    style: Style
    actors: list[Actor]
    events: list[tuple[float, ...]]
    population: str | None = None
    bearable: float = 6.0
    event: float | None = None
    side: float = 0.0
    beside: tuple[Beside, ...] = ()
    lane_end: float | None = None
    slack: float | None = None
    rest: float = 0.0
    signals: tuple[SignalPlan, ...] = ()
    occlusion: bool = False
    decided: tuple[Actor, ...] = ()
    caution: tuple[tuple[float, float, float], ...] = ()
    holds: tuple[float, ...] = ()
    keep_clear: tuple[tuple[float, float], ...] = ()
    foresight: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def cautious_way(self) -> Way:
        """The way with the speeds of ``caution`` as limits."""
        limit = self.way.limit.copy()
        for begin, end, speed in self.caution:
            there = (self.way.arc >= begin) & (self.way.arc <= end)
            limit[there] = np.minimum(limit[there], speed / self.style.factor)
        return replace(self.way, limit=limit)


@dataclass(frozen=True)
class Family:
    """A family of scenes.

    Attributes:
        name: ``F01`` to ``F26``.
        knobs: What a Sobol point decides.
        stage: Stages a scene from knob values; None: this draw does not work.
        overlay: Adds this family's event to somebody else's setting, at an arc length [m] of its way (the map is as it
            is; None: nothing suitable there); None for families that need a map of their own.
        twins: True if every hazard has a twin: the same scene in which it does not happen (``draws.recipe.twin``).
        beneath: By family, knobs that it has under this one's event: those of roads on which that finds its place.
    """

    name: str
    knobs: Mapping[str, Knob]
    stage: Callable[[Mapping[str, float], Draws], Setting | None]
    overlay: Callable[[Setting, float, Mapping[str, float], Draws], Setting | None] | None = None
    twins: bool = False
    beneath: Mapping[str, Mapping[str, Knob]] = field(default_factory=dict)
