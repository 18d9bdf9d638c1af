"""F11 unprotected left: a turn across oncoming traffic that has the right of way, and perhaps across people walking."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.scene import Action, AgentKind, LightState, Trigger
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.crossing_flow import DAWDLING, Passing, dawdle, draw_gaps, flow, insist
from scenarios.generate.crossroads import Crossroads, Shape, Wish, stage_crossroads, stander, surroundings
from scenarios.generate.junction import Control, Movement
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import ARTERIAL, COLLECTOR, draw_section
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.signals import SignalPlan
from scenarios.generate.timing import RUN_IN
from scenarios.generate.walkers import cross_behind

KNOBS = {
    "lanes": Knob(choices=(1, 1, 1, 2, 2, 3)),
    "signal": Knob(choices=(0, 1)),
    "arrival": Knob(3.2, 5.2),
    "offset": Knob(-0.6, 0.0),
    "median_gap": Knob(2.4, 3.6),
    "quality": Knob(1.05, 1.6),
    "best_after": Knob(0.3, 1.6),
    "amber": Knob(),
    "change": Knob(),
    "people": Knob(),
    "walk_offset": Knob(-0.5, 1.5),
    "opposing": Knob(),
    "limit": Knob(choices=(8.33, 8.33, 11.11, 11.11, 13.89)),
    "density": Knob(0.2, 0.9),
}


INSISTING = 0.75  # share of the oncoming drivers who brake for nobody


def critical_gap(lanes: int) -> float:
    """Gap [s] that a driver needs to turn across this many oncoming lanes, a second before and behind him."""
    return 6.4 + 0.6 * (lanes - 1)


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A crossing with 1 to 3 oncoming lanes, priority road or permissive green, gaps LN(3.5, 0.45) and one that will
    do."""
    rng = draws("sections")
    lanes = int(knobs["lanes"])
    road = COLLECTOR if lanes == 1 else ARTERIAL
    section = draw_section(road, rng, lanes=lanes, limit=knobs["limit"])
    side = draw_section(COLLECTOR, rng, lanes=1, limit=8.33)
    signal = knobs["signal"] > 0.5
    shape = Shape.CROSS if signal or rng.random() < 0.5 else Shape.SIDE_LEFT
    walks = knobs["people"] < 0.4
    control = Control.SIGNAL if signal else Control.YIELD
    wish = Wish(shape, control, Movement.LEFT, False, knobs["arrival"], crosswalks=walks or rng.random() < 0.3)
    cross = stage_crossroads(wish, road, section, side, draws, rest=(0.9, 1.8))
    if cross is None:
        return None
    opposite = cross.leg(Movement.THROUGH)
    if opposite is None:
        return None
    cast = draws("cast")
    through = [n for n in cross.movements(opposite) if cross.movement(n) is Movement.THROUGH]
    through.sort(key=lambda n: cross.network.junctions[0].connectors[n].lane_in)  # the inner lane first
    first = cross.meeting(through[-1]) if through else None
    if first is None:
        return None
    there = cross.ego_time(first[0][0])
    needed = critical_gap(lanes)
    dawdles = 0.2 <= knobs["change"] < 0.8
    best = needed * knobs["quality"] + (DAWDLING if dawdles else 0.0)
    closing = signal and knobs["amber"] < 0.2  # the light ends the flow: no gap before
    best_from = 99.0 if closing else there + knobs["best_after"]
    anchor = there + knobs["offset"]
    times = draw_gaps(cast, anchor, 21.0, knobs["median_gap"], 0.45, 0.54 * needed, best, best_from)
    hidden = knobs["opposing"] < (0.6 if len(through) > 1 else 0.0)  # one lane has room for one of the two only
    passing = [Passing(int(cast.choice(through[1:] if hidden else through)), time, _kind(cast)) for time in times]
    actors, times = flow(cross, passing, cast)
    before = [row for row, time in enumerate(times) if there - 0.5 < time < best_from + 0.5]
    slow = (before[-1],) if dawdles and before else ()
    actors, events = insist(actors, 0.95 * section.limit, 0.0 if closing else INSISTING, cast, slow)
    if knobs["change"] < 0.2 and actors:
        events += _change(cross, times, best_from, cast)
    for row in slow:
        events += dawdle(row, times[row], section.limit)
    if hidden:
        more, script = _opposing_turner(cross, opposite, best_from, cast, len(actors))
        actors, events = actors + more, events + script
    if walks:
        more, script = cross_behind(cross, there + 1.5, knobs["walk_offset"], cast, len(actors))
        actors, events = actors + more, events + script
    blocker = stander(cross, cast)
    actors += [] if blocker is None else [blocker]
    signals: tuple[SignalPlan, ...] = ()
    if signal:
        green = SignalPlan(0, cross.way.lanes[1], LightState.GREEN, RUN_IN + there - 14.0, green=60.0)
        if closing:
            green = replace(green, begins=LightState.YELLOW, time=RUN_IN + there + 1.0 + knobs["best_after"])
        signals = (green,)
    actors += surroundings(cross, draws, knobs["density"], (opposite,))
    return cross.setting(
        actors,
        events,
        occlusion=hidden,
        slack=1.4 if closing else knobs["quality"],
        signals=signals,
        facts={"needed_gap": needed, "best_gap": round(best, 2), "gap_from": round(best_from, 2), "amber": closing},
    )


def _kind(rng: np.random.Generator) -> AgentKind:
    return AgentKind(int(rng.choice((AgentKind.CAR, AgentKind.TRUCK, AgentKind.BUS), p=(0.9, 0.06, 0.04))))


def _change(
    cross: Crossroads, times: list[float], best_from: float, rng: np.random.Generator
) -> list[tuple[float, ...]]:
    """The driver who ends the best gap drives faster or slower from the gap's beginning on."""
    row = next((n for n, time in enumerate(times) if time > best_from + 3.0), None)
    if row is None:
        return []
    limit = float(cross.way.limit[0])
    speed = limit * (1.12 if rng.random() < 0.5 else 0.75)
    at = max(times[row] - 5.0, 0.5)
    return [
        (float(row), Trigger.TIME, at, 0.0, 0.0, at, Action.SPEED, 1.0, speed),
        (float(row), Trigger.TIME, at + 3.0, 0.0, 0.0, at + 3.0, Action.NORMAL, 0.0, 0.0),
    ]


def _opposing_turner(
    cross: Crossroads, leg: int, until: float, rng: np.random.Generator, row: int
) -> tuple[list[Actor], list[tuple[float, ...]]]:
    """Somebody who waits opposite to turn off to the other side and hides who comes beside him, until the best gap is
    over; and the script of this ``row`` of the actors."""
    connectors = cross.network.junctions[0].connectors
    options = [n for n, item in enumerate(connectors) if item.leg_in == leg and item.movement is Movement.LEFT]
    if not options:
        return [], []
    way = cross.way_through(options[0])
    kind = AgentKind.TRUCK if rng.random() < 0.6 else AgentKind.BUS
    size = draw_size(kind, rng)
    actor = driving(way, float(way.begin[1]) - 0.5 - size[0] / 2, 0.0, kind, size, role="turner")
    if actor is None:
        return [], []
    goes = min(until, 14.0) + 6.0
    wait = (float(row), Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0)
    return [actor], [wait, (float(row), Trigger.TIME, goes, 0.0, 0.0, goes, Action.NORMAL, 0.0, 0.0)]


F11 = Family("F11", KNOBS, stage)
