"""F25 emergency: an ambulance or a fire engine with its siren on comes through a junction against light or sign.

The ego has green, or the road with priority, and lets it pass; a second one may follow close behind the first. One
without siren waits as everybody does, and one that comes the other way asks for nothing.
"""

from collections.abc import Mapping

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Cue, Event, LightState, Trigger
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.crossroads import Crossroads, Shape, Wish, stage_crossroads, surroundings
from scenarios.generate.junction import Control, Movement
from scenarios.generate.layout import ARTERIAL, COLLECTOR, draw_section
from scenarios.generate.paths import Way
from scenarios.generate.setting import Draws, Setting
from scenarios.generate.sight import build_up
from scenarios.generate.signals import SignalPlan
from scenarios.generate.timing import RUN_IN
from scenarios.generate.violators import AHEAD as DECIDED
from scenarios.generate.violators import RATE, SPARE, arrival_offset, violate

Rows = list[tuple[float, ...]]

SILENT, PASSING = 0.08, 0.14  # shares of scenes, added up: no siren; siren, but not across the ego's way
AHEAD = (3.3, 4.8)  # s before the ego's arrival at which the siren is switched on
BEHIND = (1.7, 2.6)  # s between two that follow each other
LIMITS, PACE = (8.33, 8.33, 11.11), 6.4  # m/s
SPEEDS, FEINT = (9.0, 14.0), 0.3  # m/s; share of those who slow down as if to stop, and then do not
SOUNDS, CUE_LEAD = 15.0, 1.5  # s; before an undisturbed ego would arrive, whatever the ego does
MAKES_WAY, WAITS, SHARE_WAITING = 2.0, 10.0, 0.6  # m/s2, s


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A green light or a priority road, and one who comes from the side with its siren on."""
    rng = draws("sections")
    lanes = int(rng.choice((1, 1, 2)))
    road = COLLECTOR if lanes == 1 else ARTERIAL
    section = draw_section(road, rng, lanes=lanes, limit=float(rng.choice(LIMITS)))
    side = draw_section(COLLECTOR, rng, lanes=1, limit=float(rng.choice(LIMITS)))
    signal = bool(rng.random() < 0.7)
    control = Control.SIGNAL if signal else Control.STOP
    wish = Wish(Shape.CROSS, control, Movement.THROUGH, False, 1.4 * knobs["event"], crosswalks=rng.random() < 0.4)
    cross = stage_crossroads(wish, road, section, side, draws, lane=float(rng.random()), rest=(0.0, 0.8), pace=PACE)
    if cross is None:
        return None
    cross = build_up(cross, 15.0 + 35.0 * float(rng.random()), 14.0)
    rng = draws("cast")
    if SILENT <= knobs["siren"] < PASSING:
        actors, events = _oncoming(cross, rng)
    else:
        siren = knobs["siren"] >= PASSING
        actors, events = _crossing(cross, knobs, siren, rng)
        if actors and siren:
            more, script = _makes_way(cross, len(actors), rng)
            actors, events = actors + more, events + script
    if not actors:
        return None
    actors += surroundings(cross, draws, knobs["density"], tuple(range(4)))
    green = (SignalPlan(0, cross.way.lanes[1], LightState.GREEN, RUN_IN - 4.0, green=50.0),)
    return cross.setting(
        actors,
        events,
        occlusion=True,
        signals=green if signal else (),
        facts={"variant": "emergency", "siren": knobs["siren"] >= SILENT, "control": control.value},
    )


def _crossing(
    cross: Crossroads, knobs: Mapping[str, float], siren: bool, rng: np.random.Generator
) -> tuple[list[Actor], Rows]:
    """Who comes through, with a second one close behind in half of the scenes; without ``siren`` it stops."""
    leg = cross.leg(Movement.LEFT if rng.random() < 0.5 else Movement.RIGHT)
    if leg is None:
        return [], []
    speed, feint = float(rng.uniform(*SPEEDS)), bool(rng.random() < FEINT) and siren
    offset, kind = arrival_offset(knobs["offset"], speed), AgentKind.EMERGENCY
    actors, events = violate(cross, leg, offset, speed, rng, kind=kind, role="emergency", feint=feint, hazard=siren)
    if not actors or not siren:
        return actors, events
    # as it sets off or by the clock, not as the ego comes: one that slows down would not be told until it is through
    early = DECIDED + (events[1][Event.TARGET] - events[0][Event.TARGET]) / RATE + SPARE
    arrival = cross.ego_time(cross.line + 2.0)
    wait, latest = max(min(early, arrival) - float(rng.uniform(*AHEAD)), 0.0), max(arrival - CUE_LEAD, 0.0)
    cue = (Trigger.AFTER, wait, 0.0, 0.0, latest, Action.CUE, SOUNDS, float(Cue.INTENT))
    second = _second(cross, leg, actors[0], rng) if knobs["queue"] > 0.5 else None
    script = [*events[:2], (0.0, *cue), *events[2:]]
    if second is not None:  # as the first one drives, whatever the ego does by then
        speeds = [(1.0, *event[1:]) for event in events if event[6] == Action.SPEED]
        speeds += [(1.0, *event[1:6], Action.SPEED, 3.0, speed) for event in events if event[6] == Action.MEET]
        script += [*speeds[:2], (1.0, *cue), *speeds[2:]]
    return actors + ([] if second is None else [second]), script


def _second(cross: Crossroads, leg: int, first: Actor, rng: np.random.Generator) -> Actor | None:
    """One more on the way of the first, as far behind it as both drive in a moment."""
    number = next(number for number in cross.movements(leg) if cross.movement(number) is Movement.THROUGH)
    way, size = cross.way_through(number), draw_size(AgentKind.EMERGENCY, rng)
    place = float(way.arc[np.hypot(*(way.curve[:, :2] - first.pose[:2]).T).argmin()])
    arc = place - float(rng.uniform(*BEHIND)) * max(first.speed, 4.0) - 0.5 * (size[0] + first.size[0])
    if arc < size[0]:
        return None
    return driving(
        way, arc, first.speed, AgentKind.EMERGENCY, size, critical=True, role="second", driver=dict(first.driver)
    )


def _oncoming(cross: Crossroads, rng: np.random.Generator) -> tuple[list[Actor], Rows]:
    """One that comes the other way on the ego's own road, siren on, and drives on: nobody's way is crossed."""
    way = _opposite(cross)
    if way is None:
        return [], []
    size, speed = draw_size(AgentKind.EMERGENCY, rng), 1.1 * float(way.limit[0])
    until = cross.ego_time(cross.line) + RUN_IN + float(rng.uniform(-0.5, 1.5))
    actor = driving(
        way, float(way.begin[1]) - speed * until, speed, AgentKind.EMERGENCY, size, critical=True, role="emergency",
        driver={Driver.SPEED_FACTOR: 1.1, Driver.NOISE: 0.3, Driver.LANE_BIAS: 0.0},
    )  # fmt: skip
    if actor is None or float(way.begin[1]) - speed * until < size[0]:
        return [], []
    begin = max(cross.ego_time(cross.line) - float(rng.uniform(*AHEAD)), 0.1)
    return [actor], [(0.0, Trigger.TIME, begin, 0.0, 0.0, begin, Action.CUE, SOUNDS, float(Cue.INTENT))]


def _makes_way(cross: Crossroads, row: int, rng: np.random.Generator) -> tuple[list[Actor], Rows]:
    """A driver who comes the other way, hears it too, and waits before the junction until all are through."""
    way = _opposite(cross)
    if way is None or rng.random() > SHARE_WAITING:
        return [], []
    size, speed = draw_size(AgentKind.CAR, rng), 0.9 * float(way.limit[0])
    begin = max(cross.ego_time(cross.line) - float(rng.uniform(3.5, 4.5)), 0.3)
    braking = speed**2 / (2.0 * MAKES_WAY)
    arc = float(way.begin[1]) - braking - speed * (begin + RUN_IN) - float(rng.uniform(3.0, 8.0))
    driver = {Driver.SPEED_FACTOR: 0.9, Driver.NOISE: 0.2}
    actor = driving(way, arc, speed, AgentKind.CAR, size, critical=False, role="makes way", driver=driver)
    if actor is None or arc < size[0]:
        return [], []
    return [actor], [
        (float(row), Trigger.TIME, begin, 0.0, 0.0, begin, Action.SPEED, MAKES_WAY, 0.0),
        (float(row), Trigger.TIME, begin + WAITS, 0.0, 0.0, begin + WAITS, Action.NORMAL, 0.0, 0.0),
    ]


def _opposite(cross: Crossroads) -> Way | None:
    """The way of those who come towards the ego and go straight on."""
    connectors = cross.network.junctions[0].connectors
    leg = cross.leg(Movement.THROUGH)
    options = [n for n, item in enumerate(connectors) if item.leg_in == leg and item.movement is Movement.THROUGH]
    return cross.way_through(options[0]) if options else None
