"""F22 pull_out: a parked car or a bus at its stop sets off into the ego's lane, close ahead of it.

Others at the wheel of parked cars indicate and stay. In the twin everybody shows what they show, and nobody sets off.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Cue, Trigger
from scenarios.generate.actors import BEHIND, Actor, draw_size
from scenarios.generate.approach import Approach, approach_of
from scenarios.generate.geometry import Float
from scenarios.generate.kerbside import (
    Street,
    draw_approach,
    draw_street,
    hold,
    insist,
    kerb_setting,
    park_row,
    places,
    populate,
    street_of,
)
from scenarios.generate.knobs import Knob
from scenarios.generate.paths import at_arc, resample
from scenarios.generate.setting import Draws, Setting
from scenarios.generate.timing import walk_time

CAR, BUS = range(2)
SWING = {AgentKind.CAR: 9.5, AgentKind.BUS: 17.0}  # m along the road on which one swings into the lane
INTO_THE_WAY = 0.42  # share of that after which the ego's corridor is entered
CREEPING, GONE = 3.0, 4.0  # m/s while one swings out; m behind the swing from which on one drives like others
BUS_LANE = 3.0  # m, as collectors have: in a narrower one a bus waits for all who come towards it
DRIVING = 16.0  # s for which who has pulled out needs road
NEVER = 60.0  # s
WAIT_BEHIND = 2.5  # m: where one lets somebody out
LIMITS = (8.33, 11.11, 11.11, 13.89, 13.89, 13.89)  # m/s
KNOBS = {
    "vehicle": Knob(choices=(CAR, CAR, CAR, CAR, BUS)),
    "arrival": Knob(4.5, 9.0),
    "ahead": Knob(),
    "acceleration": Knob(1.6, 2.8),
    "cue_lead": Knob(),
    "decoys": Knob(0.0, 4.0),
    "false_cues": Knob(0.3, 0.8),
    "away": Knob(0.0, 0.3),
    "road_class": Knob(choices=(0, 1, 1, 1)),
    "bends": Knob(choices=(0, 1)),
    "density": Knob(0.2, 1.0),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A street with somebody about to leave the kerb, passed 4.5 to 9 s after the start."""
    bus = int(knobs["vehicle"]) == BUS
    street = draw_street(draws, {**knobs, "road_class": 1.0} if bus else knobs, limits=LIMITS)
    drive = None if street is None else draw_approach(street, knobs["arrival"], draws)
    staged = None if street is None or drive is None else _kerb(street, drive, knobs, draws, 0)
    if street is None or drive is None or staged is None:
        return None
    cast, events = staged
    taken = places(street, street.event - 45.0, street.event + 34.0, street.edge + 1.0)
    actors = populate(street, drive, knobs, draws, cast, taken)
    return replace(
        kerb_setting(street, drive, actors, events, cast[0].size[0] / 2 + WAIT_BEHIND),
        bearable=60.0,
    )


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The same at the kerb of somebody else's street."""
    street = street_of(setting, arc)
    staged = None if street is None else _kerb(street, approach_of(setting), knobs, draws, len(setting.actors))
    if staged is None:
        return None
    hold = arc - staged[0][0].size[0] / 2 - WAIT_BEHIND
    actors, events = [*setting.actors, *insist(staged[0])], [*setting.events, *staged[1]]
    return replace(setting, actors=actors, events=events, occlusion=True, holds=(*setting.holds, hold))


def _kerb(
    street: Street, drive: Approach, knobs: Mapping[str, float], draws: Draws, index: int
) -> tuple[list[Actor], list[tuple[float, ...]]] | None:
    """Who pulls out, those in the row behind it with somebody at the wheel, and parked cars; and the script."""
    rng, twin = draws("kerb"), draws.recipe.twin
    bus = int(knobs["vehicle"]) == BUS and street.section.width >= BUS_LANE
    kind = AgentKind.BUS if bus else AgentKind.CAR
    main = _at_kerb(street, knobs, rng, street.event, kind, knobs["acceleration"], not twin)
    if main is None:
        return None
    actors = [main]
    events = [hold(index), *_set_off(street, drive, knobs, main, index, twin, bool(rng.random() < 0.6))]
    rear = street.event - main.size[0] / 2 - float(rng.uniform(0.8, 1.6))
    for _ in range(int(knobs["decoys"])):
        size = draw_size(AgentKind.CAR, rng)
        decoy = _at_kerb(street, knobs, rng, rear - size[0] / 2, AgentKind.CAR, 1.5, False, size)
        if decoy is None:
            break
        number = index + len(actors)
        actors.append(decoy)
        events.append(hold(number))
        begin, length = float(rng.uniform(1.5, 6.0)), float(rng.uniform(1.5, 5.0))
        if rng.random() < knobs["false_cues"]:
            where = at_arc(street.way, rear)
            events.append(_indicate(street, number, begin, where, length))
        rear -= size[0] + float(rng.uniform(0.8, 1.6))
    actors += park_row(street, rng, rear, int(rng.integers(1, 4)), False, 0.1 + knobs["away"])[0]
    actors += park_row(
        street, rng, street.event + SWING[kind] + main.size[0] / 2, int(rng.integers(1, 3)), True, 0.1 + knobs["away"]
    )[0]
    return actors, events


def _at_kerb(
    street: Street,
    knobs: Mapping[str, float],
    rng: np.random.Generator,
    arc: float,
    kind: AgentKind,
    acceleration: float,
    critical: bool,
    size: tuple[float, float] | None = None,
) -> Actor | None:
    """Somebody at the wheel of a vehicle at the kerb, whose path swings into the ego's lane."""
    length, width = size or draw_size(kind, rng)
    driver = {Driver.ACCELERATION: acceleration, Driver.NOISE: 0.0, Driver.LANE_BIAS: 0.0, Driver.START_LOSS: 0.0}
    driver[Driver.COURTESY] = 0.0  # who pulls out like this has not looked
    role = "pull_out" if critical else "waiting"
    way = street.way
    first, top = max(arc - BEHIND, 0.0), float(way.limit[way.arc >= arc].max(initial=0.0))
    last = arc + DRIVING * top + 60.0
    if last > way.length:
        return None
    along = np.concatenate((np.arange(first, last, 0.5), (last,)))
    lane = resample(way.curve, way.arc, along)
    aside = street.edge + 0.1 + knobs["away"] + width / 2
    share = np.clip((along - arc) / SWING.get(kind, SWING[AgentKind.CAR]), 0.0, 1.0)
    left = 1.0 - share**3 * (10.0 + share * (6.0 * share - 15.0))
    normal = np.stack((-np.sin(lane[:, 2]), np.cos(lane[:, 2])), axis=1)
    points = lane[:, :2] + street.network.side * aside * left[:, None] * normal
    limit = np.interp(along, way.arc, way.limit)
    return Actor(kind, (length, width), street.beside(arc, aside), 0.0, points, limit, critical, role, driver)


def _set_off(
    street: Street,
    drive: Approach,
    knobs: Mapping[str, float],
    actor: Actor,
    index: int,
    twin: bool,
    shown: bool,
) -> list[tuple[float, ...]]:
    """Into the lane when an ego that goes on would be ``ahead`` [s] from its rear as it gets in the way (or beside it).

    In the twin the indicator at most.
    """
    into = INTO_THE_WAY * SWING[actor.kind]
    meeting = street.meeting(drive, into - actor.size[0] / 2)
    where = meeting.place
    ahead, lead, rate = 1.8 * knobs["ahead"] ** 1.5 - 0.4, 0.8 * knobs["cue_lead"] ** 2, knobs["acceleration"]
    time = ahead + walk_time(into, CREEPING, rate)
    due, shows = meeting.estimate(time), meeting.estimate(time + lead)
    if twin:
        return [_indicate(street, index, shows, where, 4.0)] if shown else []
    # by its own time, not by the ego's: let go with half a swing left it would wait for those who let it out
    gone = (SWING[actor.kind] + GONE) / CREEPING + 0.5 * CREEPING / rate
    return [
        _indicate(street, index, shows, where, 2.0),
        (
            float(index),
            Trigger.EGO_ARRIVAL,
            due,
            *_place(where),
            NEVER,
            Action.SPEED,
            rate,
            CREEPING,
        ),
        (float(index), Trigger.AFTER, gone, 0.0, 0.0, NEVER, Action.NORMAL, 0.0, 0.0),
    ]


def _place(pose: Float) -> tuple[float, float]:
    return float(pose[0]), float(pose[1])


def _indicate(street: Street, index: int, begin: float, where: Float, length: float) -> tuple[float, ...]:
    """Show the indicator towards the road from an arrival time of ``begin`` [s] at ``where`` on."""
    side = Cue.INDICATOR_RIGHT if street.network.left_hand else Cue.INDICATOR_LEFT
    return (float(index), Trigger.EGO_ARRIVAL, begin, *_place(where), NEVER, Action.CUE, length, float(side))
