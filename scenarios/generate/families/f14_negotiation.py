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
from scenarios.generate.layout import RESIDENTIAL, ROOMY, draw_section
from scenarios.generate.paths import at_arc
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.sight import build_up
from scenarios.generate.violators import arrival_offset

HESITATE, WAVE, PUSH, NORMAL = range(4)
NAMES = ("hesitates", "waves", "pushes", "by the rules")
PUSHING = 2.2  # m/s2
EARLIER = 1.5  # s: a full stop at a sign takes time; who has to stop comes sooner
DEADLOCK = 0.06  # share of scenes in which everybody waits for everybody
KNOBS = {
    "all_way": Knob(choices=(0, 1)),
    "others": Knob(choices=(1, 2, 2, 2, 3)),
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
    section = draw_section(RESIDENTIAL, rng, gutter=ROOMY)
    side = replace(draw_section(RESIDENTIAL, rng, gutter=ROOMY), limit=section.limit)
    shape = Shape.CROSS if knobs["shape"] < 0.5 else Shape.SIDE_RIGHT
    turn = Movement.THROUGH if knobs["turn"] < 0.6 else Movement.RIGHT
    if shape is Shape.CROSS and knobs["turn"] > 0.85:
        turn = Movement.LEFT
    all_way = knobs["all_way"] > 0.5
    control = Control.ALL_WAY if all_way else Control.NONE
    wish = Wish(shape, control, turn, False, knobs["arrival"] - (EARLIER if all_way else 0.0))
    cross = stage_crossroads(wish, RESIDENTIAL, section, side, draws, rest=(1.3, 2.2) if all_way else (0.6, 1.6))
    if cross is None:
        return None
    cross = build_up(cross, knobs["sight"], 12.0)
    cast = draws("cast")
    deadlock = knobs["deadlock"] < DEADLOCK
    manner = WAVE if deadlock else int(knobs["manner"])
    # who waves the ego through or hesitates waves or lets through everybody: the second one takes it for himself
    pusher = 0 if manner == PUSH else 1 if manner != NORMAL and not deadlock else -1
    passing, legs = _others(cross, knobs, cast, pusher)
    if not passing:
        return None
    actors: list[Actor] = []
    events: list[tuple[float, ...]] = []
    for number, item in enumerate(passing):
        pushes = number == pusher
        if pushes and all_way:
            more = _at_its_line(cross, item.connector, cast)
            times = [item.time] * len(more)
        else:
            more, times = flow(cross, [item], cast, factor=0.92, critical=number in (0, pusher))
        if not more and number == 0:
            return None
        for actor, time in zip(more, times, strict=True):
            row = len(actors)
            if pushes:
                events += _push(cross, row, item.connector, time, knobs["first"], all_way)
                actor = replace(actor, driver=actor.driver | {Driver.COURTESY: 0.0})
            elif deadlock:
                events += _wait(cross, row, time, knobs["deadlock_time"] + 2.0 + 1.5 * row)
            elif number == 0 and manner in (WAVE, HESITATE):
                events += _wait(cross, row, time, 1.5 if manner == HESITATE else knobs["deadlock_time"] + 2.0)
            actors.append(actor)
    others = len(actors)
    blocker = stander(cross, cast) if turn is not Movement.THROUGH else None
    actors += [] if blocker is None else [blocker]
    actors += surroundings(cross, draws, knobs["density"], legs, most=6)
    return cross.setting(
        actors,
        events,
        bearable=20.0 if all_way else 6.0,
        occlusion=True,
        foresight=4.0 if all_way else None,
        slack=1.05 + 0.5 * knobs["first"] + 0.1 * (3.0 - knobs["others"]),
        facts={"control": control.value, "manner": NAMES[manner], "deadlock": deadlock, "others": others},
    )


def _others(
    cross: Crossroads, knobs: Mapping[str, float], rng: np.random.Generator, pusher: int
) -> tuple[list[Passing], tuple[int, ...]]:
    """Who comes from the other legs, the first one from the right if there is such a leg; and those legs.

    Number ``pusher`` of them comes with the ego; where it is the first, the others are well behind it.
    """
    order = [cross.leg(movement) for movement in (Movement.RIGHT, Movement.LEFT, Movement.THROUGH)]
    legs = tuple(leg for leg in order if leg is not None)
    with_ego = -0.5 + knobs["first"]
    second = knobs["second"] + (4.0 if pusher == 0 else 0.0)
    offsets = (with_ego, with_ego if pusher == 1 else second, second + 1.5)
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


def _push(
    cross: Crossroads, row: int, connector: int, time: float, first: float, all_way: bool
) -> list[tuple[float, ...]]:
    """Script of somebody who takes the right of way as the ego comes; ``first`` in [0, 1] is how late he is."""
    meeting = cross.meeting(connector)
    assert meeting is not None  # one of the movements that meet the ego's
    mine, theirs = (0.5 * (low + high) for low, high in meeting)
    place = at_arc(cross.way, mine)[:2]
    speed = 0.85 * float(cross.way.limit[0])
    late = arrival_offset(first, speed)
    if not all_way:
        return [
            _event(
                row,
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
        _event(row, Trigger.TIME, 0.0, place, 0.0, Action.SPEED, 3.0, 0.0),
        _event(row, Trigger.EGO_ARRIVAL, go, place, time + 7.0, Action.SPEED, PUSHING, speed),
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
