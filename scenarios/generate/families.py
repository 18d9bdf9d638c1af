"""What a family puts on the road: its knobs, and from them a setting (map, ego, actors, script)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scenarios.generate.actors import Actor
from scenarios.generate.knobs import Knob, Recipe, stream
from scenarios.generate.network import Network
from scenarios.generate.paths import Way
from scenarios.generate.reference import Style


class Draws:
    """Random streams of one attempt at one scene, by purpose."""

    def __init__(self, recipe: Recipe, attempt: int) -> None:
        self.recipe, self.attempt = recipe, attempt

    def __call__(self, purpose: str) -> np.random.Generator:
        """The generator for one purpose."""
        return stream(self.recipe, purpose, self.attempt)


@dataclass(frozen=True)
class Setting:
    """A scene before anything has moved; time 0 here is the beginning of the warm-up.

    Attributes:
        network, way: The map and the ego's way through it.
        arc, speed: Where the ego's rear axle begins on its way [m] and how fast [m/s].
        style: How the reference drives.
        actors: Everybody else.
        events: Scripted events: rows of :class:`drive.scene.Event`, times counted from the scene's start.
        population: Name of the driver population.
        bearable: Hazard that makes the reference look for something else than driving on; higher where braking in time
            is the whole task, or it would brake before there is a reason anybody else could know.
        facts: Numbers worth keeping in the provenance.
    """

    network: Network
    way: Way
    arc: float
    speed: float
    style: Style
    actors: list[Actor]
    events: list[tuple[float, ...]]
    population: str
    bearable: float = 6.0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Family:
    """A family: name, knobs, and the function that stages a scene from knob values (None: this draw does not work)."""

    name: str
    knobs: Mapping[str, Knob]
    stage: Callable[[Mapping[str, float], Draws], Setting | None]
