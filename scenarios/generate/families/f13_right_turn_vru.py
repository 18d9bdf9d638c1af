"""F13 right turn: somebody on a cycle goes straight on along the inside, and people cross the road turned into.

In left-hand traffic everything is mirrored: the ego turns left.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import CYCLING_SPEED, Driver
from drive.scene import Action, AgentKind, LightState, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.crossroads import Crossroads, Shape, Wish, stage_crossroads, stander, surroundings
from scenarios.generate.geometry import offset as shifted
from scenarios.generate.junction import Control, Movement
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import COLLECTOR, draw_section
from scenarios.generate.paths import Way
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.signals import SignalPlan
from scenarios.generate.timing import RUN_IN
from scenarios.generate.walkers import cross_behind

CYCLE_LANE = 1.8  # m between the lane's edge and the kerb
CYCLIST, WALKERS, BOTH = range(3)
KNOBS = {
    "who": Knob(choices=(CYCLIST, CYCLIST, CYCLIST, CYCLIST, WALKERS, BOTH, BOTH)),
    "offset": Knob(-1.0, 1.0),
    "cycling": Knob(3.8, 6.2),
    "walk_offset": Knob(-0.8, 1.2),
    "people": Knob(1.0, 5.0),
    "corner": Knob(8.0, 12.5),
    "signal": Knob(choices=(0, 1)),
    "arrival": Knob(6.0, 8.5),
    "truck": Knob(),
    "limit": Knob(choices=(8.33, 8.33, 11.11)),
    "density": Knob(0.2, 1.0),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A crossing with a cycle lane on either side, reached 5 to 7.5 s after the start."""
    rng = draws("sections")
    section = replace(
        draw_section(COLLECTOR, rng, lanes=1, limit=knobs["limit"]), gutter=CYCLE_LANE, parking=0.0, median=0.0
    )
    side = draw_section(COLLECTOR, rng, lanes=1, limit=8.33)
    signal = knobs["signal"] > 0.5
    wish = Wish(
        Shape.CROSS,
        Control.SIGNAL if signal else Control.YIELD,
        Movement.RIGHT,
        False,
        knobs["arrival"],
        crosswalks=True,
        corner=(knobs["corner"], knobs["corner"] + 1.0),
    )
    cross = stage_crossroads(wish, COLLECTOR, section, side, draws, rest=(0.8, 1.5), pace=5.5, lateral=1.4)
    if cross is None:
        return None
    cast, who = draws("cast"), int(knobs["who"])
    actors: list[Actor] = []
    events: list[tuple[float, ...]] = []
    if who != WALKERS:
        actors, events = _right_hook(cross, hook_offset(knobs["offset"]), knobs["cycling"], cast)
        if not actors:
            return None
    if who != CYCLIST:
        there = cross.ego_time(cross.line + 8.0)
        more, script = cross_behind(
            cross, there + 1.0, knobs["walk_offset"], cast, len(actors), int(knobs["people"]), hurry=1.3, notice=0.7
        )
        actors, events = actors + more, events + script
    if knobs["truck"] < 0.25:
        actors += _truck_ahead(cross, cast)
    blocker = stander(cross, cast)
    actors += [] if blocker is None else [blocker]
    signals: tuple[SignalPlan, ...] = ()
    if signal:
        signals = (SignalPlan(0, cross.way.lanes[1], LightState.GREEN, RUN_IN - 3.0, green=50.0),)
    actors += surroundings(cross, draws, knobs["density"], ())
    return cross.setting(
        actors,
        events,
        signals=signals,
        foresight=8.0,
        facts={"who": ("cyclist", "walkers", "both")[who]},
    )


def hook_offset(even: float) -> float:
    """Offset [s] within -1..1 of the cyclist from an evenly drawn one, four times in five within -0.25..0.75, where an
    ego that turns in without a look meets it."""
    return float(np.interp(even, (-1.0, -0.8, 0.8, 1.0), (-1.0, -0.25, 0.75, 1.0)))


def _straight_on(cross: Crossroads) -> Way | None:
    """The way straight on from the ego's lane."""
    connectors = cross.network.junctions[0].connectors
    own = connectors[cross.own]
    for number, item in enumerate(connectors):
        if item.leg_in == 0 and item.lane_in == own.lane_in and item.movement is Movement.THROUGH:
            return cross.way_through(number)
    return None


def _right_hook(
    cross: Crossroads, offset: float, speed: float, rng: np.random.Generator
) -> tuple[list[Actor], list[tuple[float, ...]]]:
    """A cyclist between the ego's lane and the kerb who is where the ego turns in ``offset`` [s] after it."""
    way = _straight_on(cross)
    if way is None:
        return [], []
    aside = cross.network.side * (0.5 * cross.network.roads[0].section.width + 0.9)
    line = shifted(way.curve, aside)[:, :2]
    # where the ego's way crosses the cyclist's line
    gaps = np.hypot(*(cross.way.curve[:, None, :2] - line[None]).transpose(2, 0, 1))
    gaps[cross.way.arc < cross.line] = np.inf
    mine, theirs = np.unravel_index(int(gaps.argmin()), gaps.shape)
    if gaps[mine, theirs] > 1.5:
        return [], []
    arc = float(cross.way.arc[mine])
    time = cross.ego_time(arc) + offset
    begin = float(way.arc[theirs]) - speed * (time + RUN_IN)
    if begin < 3.0:
        return [], []
    driver = {
        Driver.SPEED_FACTOR: speed / CYCLING_SPEED,
        Driver.NOISE: 0.3,
        Driver.LANE_BIAS: 0.0,
        Driver.COURTESY: 0.0,
    }
    cyclist = driving(
        way, begin, speed, AgentKind.BICYCLE, draw_size(AgentKind.BICYCLE, rng), side=aside, critical=True,
        role="right_hook", driver=driver,
    )  # fmt: skip
    if cyclist is None:
        return [], []
    place = line[theirs]
    meet = (0.0, Trigger.EGO_ARRIVAL, cross.estimate(arc, 4.0), *place, time + 5.0, Action.MEET, 1.2, offset - 0.2)
    return [cyclist], [tuple(float(value) for value in meet)]


def _truck_ahead(cross: Crossroads, rng: np.random.Generator) -> list[Actor]:
    """A truck before the ego that goes straight on and hides what is beside it."""
    way = _straight_on(cross)
    if way is None:
        return []
    size = draw_size(AgentKind.TRUCK, rng)
    arc = cross.arc + PACIFICA.front + 9.0 + size[0] / 2
    actor = driving(way, arc, max(cross.speed, 3.0), AgentKind.TRUCK, size, role="truck")
    return [] if actor is None else [actor]


F13 = Family("F13", KNOBS, stage)
