"""Who announces what: cues are rows of the script, tied to what they announce, and resolved by the simulator."""

import numpy as np
from numpy.typing import NDArray

from drive.cues import LiveCues
from drive.scene import Action, AgentKind, Cue, Event, Scenario, Trigger
from scenarios.generate.actors import Actor

NEVER = 60.0  # s
CLOSING = 4.0  # m/s: how fast an ego usually comes up from behind
Row = tuple[float, ...]


def announced(actors: list[Actor], events: list[Row], rng: np.random.Generator) -> list[Row]:
    """The events with a row of :attr:`drive.scene.Action.CUE` before each that its actor announces (``cue_lead``).

    Walkers show INTENT before they set off and for a second more, vehicles an indicator before and while they move
    sideways, and brake lights before they slow down. Walkers with a ``cue_lead`` but without script show INTENT for a
    while as the ego comes near, and stay: false cues. A family's own CUE rows stay as they are.
    """
    found: list[Row] = []
    speed = {row: actor.speed for row, actor in enumerate(actors)}
    aside: dict[int, float] = {}
    scripted = {int(event[Event.AGENT]) for event in events}
    for event in events:
        row = int(event[Event.AGENT])
        actor, bits, after = actors[row], 0, 0.0
        action, target = event[Event.ACTION], event[Event.TARGET]
        if actor.kind == AgentKind.PEDESTRIAN:
            sets_off = action == Action.NORMAL or (action == Action.SPEED and target > 0.0)
            bits, after = (Cue.INTENT, 1.0) if sets_off else (0, 0.0)
        elif action == Action.OFFSET:
            change, aside[row] = target - aside.get(row, 0.0), target
            bits = Cue.INDICATOR_LEFT if change > 0.0 else Cue.INDICATOR_RIGHT
            after = event[Event.RATE]
            bits = 0 if after == 0.0 else bits
        elif action == Action.SPEED:
            bits, speed[row] = Cue.BRAKE_LIGHT if target < speed[row] else 0, target
        held = event[Event.TRIGGER] == Trigger.TIME and event[Event.VALUE] <= 0.0
        own = bool(found) and found[-1][Event.AGENT] == row and found[-1][Event.ACTION] == Action.CUE
        if actor.cue_lead > 0.0 and bits and not held and not own:
            # earlier: a smaller time, a longer arrival time, or (behind the agent) a longer gap
            ahead = {Trigger.EGO_ARRIVAL: actor.cue_lead, Trigger.EGO_BEHIND: CLOSING * actor.cue_lead}
            begin = event[Event.VALUE] + ahead.get(Trigger(int(event[Event.TRIGGER])), -actor.cue_lead)
            timeout = event[Event.TIMEOUT] - actor.cue_lead
            where = (event[Event.X], event[Event.Y])
            found.append((float(row), event[Event.TRIGGER], begin, *where, timeout, Action.CUE, after, float(bits)))
        found.append(event)
    for row, actor in enumerate(actors):
        wait, length = float(rng.uniform(0.0, 1.0)), float(rng.uniform(3.0, 7.0))
        if actor.kind == AgentKind.PEDESTRIAN and actor.cue_lead > 0.0 and row not in scripted:
            place = (float(actor.pose[0]), float(actor.pose[1]))
            begin = wait + length
            found.append((float(row), Trigger.EGO_ARRIVAL, begin, *place, NEVER, Action.CUE, length, float(Cue.INTENT)))
    return found


def show_cues(scenario: Scenario) -> NDArray[np.uint8]:
    """Cues ``[A, T]`` of the rolled tracks with the ego on its reference, as the simulator shows them."""
    tracks = scenario.tracks
    motion = (tracks.position, tracks.heading, tracks.velocity)
    cues = LiveCues(scenario).show(scenario.reference, *motion, scenario.steps)
    cues[~tracks.valid] = 0
    return cues
