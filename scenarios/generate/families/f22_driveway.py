"""F22 driveway: a car waits with its nose between parked cars or hedges, and comes out into the ego's lane.

One in a driveway before it gets ready, too, and stays. In the twin nobody comes out.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.map import add_areas
from drive.scene import Action, AgentKind, Cue, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size
from scenarios.generate.approach import Meeting
from scenarios.generate.geometry import Float
from scenarios.generate.kerbside import (
    Street,
    draw_approach,
    draw_street,
    hedge,
    hold,
    kerb_setting,
    park_row,
    places,
    populate,
)
from scenarios.generate.paths import at_arc, densify
from scenarios.generate.setting import Draws, Setting
from scenarios.generate.timing import walk_time

Rows = list[tuple[float, ...]]

NOSE = (0.1, 0.5)  # m behind the kerb line
OPENING = (1.5, 2.8)  # m of driveway on either side of the car: its rear swings out, its flank comes round
BEFORE = (14.0, 22.0)  # m to the driveway in which somebody stays
CREEPING = 3.0  # m/s while one turns in
AHEAD = (0.1, 2.1)  # s between its being in the way and the arrival of an ego that goes on
DRIVING = 16.0  # s for which who has come out needs road
MARGIN = 0.15  # m of the ego's corridor
WAIT_BEHIND = 2.5  # m: where one lets somebody out
FORESIGHT = 4.0  # s: who looks further ahead stops long before somebody who comes out only when it is near
NEVER = 60.0  # s
LIMITS = (8.33, 8.33, 11.11)  # m/s
HEDGE = 0.35  # share of streets with hedges instead of parked cars


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A street with a car in a driveway, passed 4.5 to 9 s after the start."""
    rng = draws("driveway")
    hedged = bool(rng.random() < HEDGE)
    street = draw_street(draws, knobs, parking=not hedged, limits=LIMITS)
    drive = None if street is None else draw_approach(street, knobs["arrival"], draws)
    if street is None or drive is None:
        return None
    size = draw_size(AgentKind.CAR, rng)
    main = _in_driveway(street, street.event, size, rng, knobs["acceleration"], not draws.recipe.twin)
    if main is None:
        return None
    shown = bool(rng.random() < 0.6)
    cast, events = (
        [main],
        [
            hold(0),
            *_come_out(street.meeting(drive, -size[1] / 2), knobs, street.event, main, draws.recipe.twin, shown),
        ],
    )
    before = street.event - float(rng.uniform(*BEFORE))
    other = _in_driveway(street, before, draw_size(AgentKind.CAR, rng), rng, 1.5, False)
    openings = [street.event]
    if other is not None and knobs["decoys"] > 1.0:
        cast.append(other)
        openings.insert(0, before)
        events.append(hold(1))
        if rng.random() < knobs["false_cues"]:
            events.append(
                _get_ready(1, float(rng.uniform(2.0, 5.0)), at_arc(street.way, before), float(rng.uniform(1.5, 4.0)))
            )
    street = _between(street, openings, size[1], cast, hedged, knobs["away"], rng)
    taken = places(street, street.event - 50.0, street.event + 34.0, street.edge + 1.0)
    actors = populate(street, drive, knobs, draws, cast, taken)
    setting = kerb_setting(street, drive, actors, events, size[1] / 2 + WAIT_BEHIND)
    return replace(setting, bearable=20.0, foresight=FORESIGHT, facts={"place": "driveway", "hedge": hedged})


def _in_driveway(
    street: Street, arc: float, size: tuple[float, float], rng: np.random.Generator, rate: float, critical: bool
) -> Actor | None:
    """A car across the kerb, whose path turns into the ego's lane."""
    way, side = street.way, street.network.side
    top = float(way.limit[way.arc >= arc].max(initial=0.0))
    radius = street.edge + float(rng.uniform(*NOSE)) + size[0] / 2  # it turns from where it stands
    last = arc + radius + DRIVING * top + 60.0
    if last > way.length:
        return None
    turn = np.linspace(0.0, np.pi / 2, 24)
    corner = [street.beside(arc + radius * (1.0 - np.cos(a)), radius * (1.0 - np.sin(a)))[:2] for a in turn]
    lane = [at_arc(way, station)[:2] for station in np.arange(arc + radius + 0.5, last, 0.5)]
    back = [street.beside(arc, radius + 4.0)[:2]]
    points = densify(np.array(back + corner + lane))
    heading = float(at_arc(way, arc)[2]) + side * -np.pi / 2
    pose = np.array((*street.beside(arc, radius)[:2], heading))
    driver = {Driver.ACCELERATION: rate, Driver.NOISE: 0.0, Driver.LANE_BIAS: 0.0, Driver.START_LOSS: 0.0}
    driver[Driver.COURTESY] = 0.0  # who comes out like this has not looked
    role = "pull_out" if critical else "waiting"
    limit = np.full(len(points), float(way.limit[int(np.searchsorted(way.arc, arc))]))
    return Actor(AgentKind.CAR, size, pose, 0.0, points, limit, critical, role, driver)


def _come_out(meeting: Meeting, knobs: Mapping[str, float], arc: float, car: Actor, twin: bool, shown: bool) -> Rows:
    """Out when an ego that goes on would be ``ahead`` [s] from it as it gets in the way; in the twin it gets
    ready at most."""
    place = at_arc(meeting.way, arc)
    aside = float(np.hypot(*(car.pose[:2] - place[:2])))
    into = aside - car.size[0] / 2 - PACIFICA.width / 2 - MARGIN
    lead, rate = 1.6 * knobs["cue_lead"] ** 2, knobs["acceleration"]
    ahead = AHEAD[0] + (AHEAD[1] - AHEAD[0]) * knobs["ahead"]
    time = ahead + walk_time(into, CREEPING, rate)
    due, shows = meeting.estimate(time), meeting.estimate(time + lead)
    if twin:
        return [_get_ready(0, shows, meeting.place, 4.0)] if shown else []
    turning = 0.5 * CREEPING / rate + 0.5 * np.pi * aside / CREEPING
    return [
        _get_ready(0, shows, meeting.place, 2.0),
        (0.0, Trigger.EGO_ARRIVAL, due, *_place(meeting.place), NEVER, Action.SPEED, rate, CREEPING),
        (0.0, Trigger.AFTER, turning, 0.0, 0.0, 99.0, Action.NORMAL, 0.0, 0.0),
    ]


def _between(
    street: Street,
    openings: list[float],
    width: float,
    cast: list[Actor],
    hedged: bool,
    away: float,
    rng: np.random.Generator,
) -> Street:
    """Parked cars (added to ``cast``) or hedges along the kerb, but for the driveways."""
    before, after = (0.5 * width + room for room in OPENING)
    starts = [openings[0] - 26.0, *(arc + after for arc in openings)]
    ends = [*(arc - before for arc in openings), openings[-1] + 20.0]
    if hedged:
        walls = [hedge(street, begin, end, 0.15 + away) for begin, end in zip(starts, ends, strict=True)]
        return replace(street, network=replace(street.network, map=add_areas(street.network.map, walls)))
    for begin, end in zip(starts, ends, strict=True):
        last = begin == starts[-1]
        count = 2 if last else max(int((end - begin) // 6.2), 0)
        cast += park_row(street, rng, begin if last else end, count, last, 0.1 + away)[0]
    return street


def _place(pose: Float) -> tuple[float, float]:
    return float(pose[0]), float(pose[1])


def _get_ready(index: int, begin: float, where: Float, length: float) -> tuple[float, ...]:
    """Show INTENT from an arrival time of ``begin`` [s] at a pose on; the indicator is on all the time."""
    return (float(index), Trigger.EGO_ARRIVAL, begin, *_place(where), NEVER, Action.CUE, length, float(Cue.INTENT))
