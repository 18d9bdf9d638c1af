"""F14 negotiation: stop signs all round or no sign at all, and several drivers who arrive together."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, Trigger
from scenarios.generate.crossroads import (
    Crossroads,
    Passing,
    Shape,
    Wish,
    flow,
    stage_crossroads,
    stander,
    surroundings,
)
from scenarios.generate.junction import Control, Movement
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import RESIDENTIAL, draw_section
from scenarios.generate.paths import at_arc
from scenarios.generate.setting import Draws, Family, Setting

HESITATE, WAVE, PUSH, NORMAL = range(4)
KNOBS = {
    "all_way": Knob(choices=(0, 1)),
    "others": Knob(choices=(1, 2, 2, 3)),
    "first": Knob(-1.5, 1.5),
    "second": Knob(-1.5, 2.0),
    "manner": Knob(choices=(HESITATE, WAVE, PUSH, PUSH, NORMAL, NORMAL)),
    "deadlock": Knob(),
    "deadlock_time": Knob(2.0, 4.0),
    "turn": Knob(),
    "shape": Knob(choices=(0, 0, 1)),
    "arrival": Knob(4.5, 7.0),
    "view": Knob(0.3, 1.0),
    "density": Knob(0.1, 0.6),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A junction of two residential streets; one to three drivers come to it within 1.5 s of the ego or so."""
    rng = draws("sections")
    section = draw_section(RESIDENTIAL, rng)
    side = replace(draw_section(RESIDENTIAL, rng), limit=section.limit)
    shape = Shape.CROSS if knobs["shape"] < 0.5 else Shape.SIDE_RIGHT
    turn = Movement.THROUGH if knobs["turn"] < 0.6 else Movement.RIGHT
    if shape is Shape.CROSS and knobs["turn"] > 0.8:
        turn = Movement.LEFT
    all_way = knobs["all_way"] > 0.5
    control = Control.ALL_WAY if all_way else Control.NONE
    cross = stage_crossroads(Wish(shape, control, turn, False, knobs["arrival"]), RESIDENTIAL, section, side, draws)
    if cross is None:
        return None
    cast = draws("cast")
    passing, legs = _others(cross, knobs, cast)
    if not passing:
        return None
    actors, times = flow(cross, passing, cast, factor=0.92, critical=True)
    if not actors:
        return None
    events: list[tuple[float, ...]] = []
    deadlock = knobs["deadlock"] < 0.2
    for row, actor in enumerate(actors):
        manner = WAVE if deadlock else int(knobs["manner"]) if row == 0 else NORMAL
        until = times[row] + knobs["deadlock_time"] + 2.0
        events += _manner(cross, row, manner, times[row], until, all_way)
        if manner == PUSH:
            actors[row] = replace(actor, driver=actor.driver | {Driver.COURTESY: 0.0})
    blocker = stander(cross, cast) if turn is not Movement.THROUGH else None
    actors += [] if blocker is None else [blocker]
    actors += surroundings(cross, draws, knobs["density"], legs, most=6)
    return Setting(
        cross.network,
        cross.way,
        cross.arc,
        cross.speed,
        cross.style,
        actors,
        events,
        event=cross.line,
        slack=1.05 + 0.25 * min(abs(knobs["first"]), 1.5) + 0.1 * (3.0 - knobs["others"]),
        facts={"control": control.value, "deadlock": deadlock, "others": len(times)},
    )


def _others(
    cross: Crossroads, knobs: Mapping[str, float], rng: np.random.Generator
) -> tuple[list[Passing], tuple[int, ...]]:
    """Who comes from the other legs, the first one from the right if there is such a leg; and those legs."""
    order = [cross.leg(movement) for movement in (Movement.RIGHT, Movement.LEFT, Movement.THROUGH)]
    legs = tuple(leg for leg in order if leg is not None)
    offsets = (knobs["first"], knobs["second"], knobs["second"] - knobs["first"])
    found = []
    for leg, offset in zip(legs[: int(knobs["others"])], offsets, strict=False):
        options = cross.movements(leg)
        straight = [n for n in options if cross.movement(n) is Movement.THROUGH]
        chosen = straight or options
        if not chosen:
            continue
        connector = chosen[int(rng.integers(len(chosen)))]
        meeting = cross.meeting(connector)
        assert meeting is not None  # one of the movements that meet the ego's
        found.append(Passing(connector, cross.ego_time(meeting[0][0]) + offset, role="negotiator"))
    return found, legs


def _manner(
    cross: Crossroads, row: int, manner: int, time: float, until: float, all_way: bool
) -> list[tuple[float, ...]]:
    """Script of one of the others: waves the ego through, hesitates, pushes in, or drives by the rules."""
    place = at_arc(cross.way, cross.line + 6.0)[:2]
    if manner == NORMAL:
        return []
    if manner == PUSH:
        speed = 0.8 * float(cross.way.limit[0])
        ahead = 2.5 if not all_way else 1.5
        return [_event(row, Trigger.EGO_ARRIVAL, ahead, place, time + 4.0, Action.SPEED, 2.0, speed)]
    # slow down before the junction, stand at it, go when the time has come
    begin, stand = max(time - 3.0, 0.0), max(time - 1.2, 0.3)
    wait = until if manner == WAVE else stand + 2.0
    return [
        _event(row, Trigger.TIME, begin, place, begin, Action.SPEED, 2.0, 2.0),
        _event(row, Trigger.TIME, stand, place, stand, Action.SPEED, 2.5, 0.0),
        _event(row, Trigger.TIME, wait, place, wait, Action.NORMAL, 0.0, 0.0),
    ]


def _event(
    row: int, trigger: Trigger, value: float, place: np.ndarray, timeout: float, action: Action, rate: float, to: float
) -> tuple[float, ...]:
    return (float(row), float(trigger), value, float(place[0]), float(place[1]), timeout, float(action), rate, to)


F14 = Family("F14", KNOBS, stage)
