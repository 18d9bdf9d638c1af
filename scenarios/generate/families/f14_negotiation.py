"""F14 negotiation: stop signs all round or no sign at all, and several drivers who arrive together."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, Trigger
from scenarios.generate.actors import Actor
from scenarios.generate.crossing_flow import Passing, flow
from scenarios.generate.crossroads import Crossroads, Shape, Wish, queue, stage_crossroads, stander, surroundings
from scenarios.generate.junction import Control, Movement
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import RESIDENTIAL, draw_section
from scenarios.generate.paths import at_arc
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.sight import build_up
from scenarios.generate.violators import arrival_offset

HESITATE, WAVE, PUSH, NORMAL = range(4)
NAMES = ("hesitates", "waves", "pushes", "by the rules")
PUSHING = 2.2  # m/s2
KNOBS = {
    "all_way": Knob(choices=(0, 1)),
    "others": Knob(choices=(1, 2, 2, 3)),
    "first": Knob(),
    "second": Knob(-1.5, 2.0),
    "manner": Knob(choices=(HESITATE, WAVE, PUSH, PUSH, PUSH, PUSH, PUSH, PUSH, PUSH, NORMAL)),
    "deadlock": Knob(),
    "deadlock_time": Knob(2.0, 4.0),
    "turn": Knob(),
    "shape": Knob(choices=(0, 0, 1)),
    "arrival": Knob(5.0, 7.5),
    "sight": Knob(10.0, 60.0),
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
    wish = Wish(shape, control, turn, False, knobs["arrival"])
    cross = stage_crossroads(wish, RESIDENTIAL, section, side, draws, rest=(0.3, 1.4))
    if cross is None:
        return None
    cross = build_up(cross, knobs["sight"], 12.0)
    cast = draws("cast")
    deadlock = knobs["deadlock"] < 0.2
    manner = WAVE if deadlock else int(knobs["manner"])
    passing, legs = _others(cross, knobs, cast, manner == PUSH)
    if not passing:
        return None
    if all_way and manner == PUSH:
        actors, times = _at_its_line(cross, passing[0].connector, cast), [passing[0].time]
    else:
        actors, times = flow(cross, passing[:1], cast, factor=0.92, critical=True)
    if not actors:
        return None
    events = _script(cross, passing[0].connector, manner, times[0], knobs, all_way)
    if manner == PUSH:
        actors[0] = replace(actors[0], driver=actors[0].driver | {Driver.COURTESY: 0.0})
    more, more_times = flow(cross, passing[1:], cast, factor=0.92)
    for row, time in enumerate(more_times, start=1):
        if deadlock:
            events += _wait(cross, row, time, knobs["deadlock_time"] + 2.0 + 1.5 * row)
    blocker = stander(cross, cast) if turn is not Movement.THROUGH else None
    actors += more + ([] if blocker is None else [blocker])
    actors += surroundings(cross, draws, knobs["density"], legs, most=6)
    return cross.setting(
        actors,
        events,
        occlusion=True,
        slack=1.05 + 0.5 * knobs["first"] + 0.1 * (3.0 - knobs["others"]),
        facts={"control": control.value, "manner": NAMES[manner], "deadlock": deadlock, "others": 1 + len(more)},
    )


def _others(
    cross: Crossroads, knobs: Mapping[str, float], rng: np.random.Generator, alone: bool
) -> tuple[list[Passing], tuple[int, ...]]:
    """Who comes from the other legs, the first one from the right if there is such a leg; and those legs.

    ``alone``: the others are well behind the first one.
    """
    order = [cross.leg(movement) for movement in (Movement.RIGHT, Movement.LEFT, Movement.THROUGH)]
    legs = tuple(leg for leg in order if leg is not None)
    after = 4.0 if alone else 0.0
    offsets = (-0.5 + knobs["first"], knobs["second"] + after, knobs["second"] + after + 1.5)
    found = []
    meeting_legs = [leg for leg in legs if cross.movements(leg)]
    for leg, offset in zip(meeting_legs[: int(knobs["others"])], offsets, strict=False):
        options = cross.movements(leg)
        straight = [n for n in options if cross.movement(n) is Movement.THROUGH]
        chosen = straight or options
        connector = chosen[int(rng.integers(len(chosen)))]
        meeting = cross.meeting(connector)
        assert meeting is not None  # one of the movements that meet the ego's
        found.append(Passing(connector, cross.ego_time(meeting[0][0]) + offset, role="negotiator"))
    return found, legs


def _script(
    cross: Crossroads, connector: int, manner: int, time: float, knobs: Mapping[str, float], all_way: bool
) -> list[tuple[float, ...]]:
    """Script of the first of the others: it waves the ego through, hesitates, pushes in, or drives by the rules."""
    meeting = cross.meeting(connector)
    assert meeting is not None  # one of the movements that meet the ego's
    mine, theirs = (0.5 * (low + high) for low, high in meeting)
    place = at_arc(cross.way, mine)[:2]
    speed = 0.85 * float(cross.way.limit[0])
    if manner == WAVE:
        return _wait(cross, 0, time, knobs["deadlock_time"] + 2.0)
    if manner == HESITATE:
        return _wait(cross, 0, time, 1.5)
    if manner == NORMAL:
        return []
    late = arrival_offset(knobs["first"], speed)
    if not all_way:
        return [
            _event(
                0,
                Trigger.EGO_ARRIVAL,
                cross.estimate(mine, 4.0),
                place,
                time + 4.0,
                Action.MEET,
                2.0,
                late - 2.3 / speed,
            )
        ]
    # it stands at its line, and it is its turn: its middle is in the ego's way as the ego comes
    line = float(cross.way_through(connector).begin[1])
    go = cross.estimate(mine, float(np.sqrt(2.0 * (theirs - line + 3.3) / PUSHING)) - late)
    return [
        _event(0, Trigger.TIME, 0.0, place, 0.0, Action.SPEED, 3.0, 0.0),
        _event(0, Trigger.EGO_ARRIVAL, go, place, time + 7.0, Action.SPEED, PUSHING, speed),
    ]


def _at_its_line(cross: Crossroads, connector: int, rng: np.random.Generator) -> list[Actor]:
    """Somebody who has stopped at the stop sign and takes his time."""
    way = cross.way_through(connector)
    standing = queue(cross, way, float(way.begin[1]) - 1.0, 1, rng, role="negotiator")
    return [replace(item, critical=True) for item in standing]


def _wait(cross: Crossroads, row: int, time: float, wait: float) -> list[tuple[float, ...]]:
    """Script of somebody who slows down before the junction, stands there for ``wait`` [s] and then goes by the
    rules."""
    place = at_arc(cross.way, cross.line + 6.0)[:2]
    begin, stand = max(time - 3.0, 0.0), max(time - 1.2, 0.3)
    return [
        _event(row, Trigger.TIME, begin, place, begin, Action.SPEED, 2.0, 2.0),
        _event(row, Trigger.TIME, stand, place, stand, Action.SPEED, 2.5, 0.0),
        _event(row, Trigger.TIME, stand + wait, place, stand + wait, Action.NORMAL, 0.0, 0.0),
    ]


def _event(
    row: int, trigger: Trigger, value: float, place: np.ndarray, timeout: float, action: Action, rate: float, to: float
) -> tuple[float, ...]:
    return (float(row), float(trigger), value, float(place[0]), float(place[1]), timeout, float(action), rate, to)


F14 = Family("F14", KNOBS, stage)
