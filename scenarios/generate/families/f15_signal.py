"""F15 signal: amber at the wrong moment, red with and without a queue, a late crosser at green, arrows, spillback."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, LightState, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor
from scenarios.generate.crossroads import Crossroads, Shape, Wish, queue, stage_crossroads, surroundings
from scenarios.generate.junction import Control, Movement
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import ARTERIAL, COLLECTOR, draw_section
from scenarios.generate.paths import way_along
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.sight import build_up
from scenarios.generate.signals import Phasing, SignalPlan
from scenarios.generate.timing import RUN_IN
from scenarios.generate.violators import arrival_offset, violate
from scenarios.generate.walkers import cross_behind

DILEMMA, EMPTY, QUEUE, LATE, STALE, ARROW, SPILLBACK = range(7)
NAMES = ("dilemma", "red_empty", "red_queue", "late_crosser", "stale_green", "arrow", "spillback")
CASES = (DILEMMA, EMPTY, QUEUE, *(LATE,) * 19, STALE, ARROW, SPILLBACK)
WALKING, TURNING = 0.3, 0.68  # who is late: people on foot, who turns across, else who comes from the side
PACE = {LATE: 6.7, EMPTY: 5.6}  # m/s at the start, in the cases in which nobody stands for long
WALKERS_PACE = 5.4  # m/s: where people cross one waits for longer
KNOBS = {
    "case": Knob(choices=CASES),
    "arrival": Knob(6.0, 8.0),
    "to_line": Knob(1.5, 4.0),
    "wait": Knob(1.0, 5.0),
    "queue": Knob(1.0, 6.0),
    "start_loss": Knob(1.0, 3.0),
    "exit_space": Knob(0.0, 12.0),
    "offset": Knob(),
    "turn": Knob(),
    "limit": Knob(choices=(8.33, 8.33, 8.33, 8.33, 8.33, 11.11)),  # from slower than that nobody sets off in time
    "lanes": Knob(choices=(1, 1, 2)),
    "lane": Knob(),
    "density": Knob(0.3, 1.3),
    "late": Knob(),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A signalled crossing reached 5 to 8 s after the start, its light in the state that the case asks for."""
    rng = draws("sections")
    case = int(knobs["case"])
    lanes = 3 if case == ARROW else int(knobs["lanes"])
    road = COLLECTOR if lanes == 1 else ARTERIAL
    section = draw_section(road, rng, lanes=lanes, limit=knobs["limit"])
    side = draw_section(COLLECTOR, rng, limit=min(knobs["limit"], 11.11))
    turn = Movement.LEFT if case == ARROW else Movement.THROUGH
    if case in (EMPTY, QUEUE) and knobs["turn"] < 0.25:
        turn = Movement.RIGHT
    straight = replace(section, forward=2, backward=3) if case == ARROW else None
    walks = case == LATE and knobs["late"] < WALKING and lanes == 1  # on a wide road one sees them from afar
    crosswalks = bool(rng.random() < 0.6) or walks
    wish = Wish(Shape.CROSS, Control.SIGNAL, turn, False, knobs["arrival"], crosswalks=crosswalks)
    cross = stage_crossroads(
        wish,
        road,
        section,
        side,
        draws,
        straight=straight,
        lane=knobs["lane"],
        rest=(0.8, 2.0) if case in (DILEMMA, STALE) else (0.0, 0.8),
        pace=WALKERS_PACE if walks else PACE.get(case, 0.0),
    )
    if cross is None:
        return None
    if case == LATE:  # this knob's other meaning: how far one sees round the corner
        cross = build_up(cross, 15.0 + 3.5 * knobs["exit_space"], 14.0)
    plan, slack = light_plan(case, cross, knobs)
    actors, events = _cast(case, walks, cross, knobs, draws("cast"))
    if case in (SPILLBACK, LATE) and not actors:
        return None
    density = knobs["density"] * (0.4 if case == LATE else 1.0)
    # who stands at red before the late crosser would stop it
    actors += surroundings(cross, draws, density, (1, 2, 3) if case == LATE else ())
    return cross.setting(
        actors,
        events,
        occlusion=case == LATE,
        slack=slack,
        signals=(plan,),
        facts={"case": NAMES[case], "arrival": round(knobs["arrival"], 2)},
    )


def light_plan(case: int, cross: Crossroads, knobs: Mapping[str, float]) -> tuple[SignalPlan, float | None]:
    """The signal of a case, and how much room it leaves (slack; None where an actor is the event)."""
    lane, arrival = cross.way.lanes[1], knobs["arrival"]
    speed = float(np.interp(cross.line - 10.0, cross.way.arc, cross.way.limit))
    plan = SignalPlan(0, lane, LightState.GREEN, RUN_IN + arrival, green=25.0)
    if case == DILEMMA:
        needed = 1.0 + speed / 6.0  # s at full speed: a second to react and a stop at 3 m/s2
        amber = replace(plan, begins=LightState.YELLOW, time=RUN_IN + arrival - knobs["to_line"], others=7.0)
        return amber, 1.05 + 0.75 * min(abs(knobs["to_line"] / needed - 1.0), 1.0)
    if case == STALE:
        amber = replace(plan, begins=LightState.YELLOW, time=RUN_IN + arrival - 1.5 + 0.4 * knobs["wait"], others=7.0)
        return amber, 1.6
    if case == LATE:
        return replace(plan, time=RUN_IN + arrival - 1.0 - 0.5 * knobs["wait"]), None
    if case == SPILLBACK:
        return replace(plan, time=RUN_IN + arrival - 12.0, green=45.0), 1.1 + 0.05 * knobs["exit_space"]
    wait = knobs["wait"] - (2.5 if case == QUEUE else 0.0)
    phasing = Phasing.LAG if case == ARROW else Phasing.PERMISSIVE
    room = 1.6 - 0.08 * knobs["queue"] if case == QUEUE else 1.3 + 0.08 * knobs["wait"]
    return replace(plan, time=RUN_IN + arrival + wait, phasing=phasing), room


def _cast(
    case: int, walks: bool, cross: Crossroads, knobs: Mapping[str, float], rng: np.random.Generator
) -> tuple[list[Actor], list[tuple[float, ...]]]:
    """Who belongs to the case (on foot where the latecomer ``walks``), and their script."""
    if case == QUEUE:
        return queue(cross, cross.way, cross.line - 1.0, int(knobs["queue"]), rng, start_loss=knobs["start_loss"]), []
    if case == ARROW:
        return _neighbors_through(cross, knobs["arrival"], rng), []
    if case == SPILLBACK:
        out = float(cross.way.begin[2])
        sizes = 5.0 * 6.8
        standing = queue(cross, cross.way, out + knobs["exit_space"] + sizes, 5, rng, role="spillback")
        goes = knobs["arrival"] + 0.7 * knobs["wait"]
        events: list[tuple[float, ...]] = []
        for row in range(len(standing)):
            events.append((float(row), Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0))
            start = goes + 1.1 * row
            events.append((float(row), Trigger.TIME, start, 0.0, 0.0, start, Action.NORMAL, 0.0, 0.0))
        return standing, events
    if walks:
        there = cross.ego_time(cross.line + 2.0)
        offset = -0.9 + 1.4 * knobs["offset"]
        return cross_behind(
            cross, there, offset, rng, 0, 1 + int(rng.integers(3)), before=True, hurry=2.0, notice=0.4, near=0.95
        )
    if case == LATE:
        speed = float(rng.uniform(8.0, 12.0))
        offset = arrival_offset(0.1 + 0.8 * knobs["offset"], speed)  # no near misses
        leg = cross.leg(Movement.THROUGH)
        if knobs["late"] < TURNING and leg is not None:
            return violate(cross, leg, offset, speed, rng, role="late", turn=Movement.LEFT, ahead=3.0)
        side = [leg for leg in (cross.leg(Movement.RIGHT), cross.leg(Movement.LEFT)) if leg is not None]
        return violate(cross, int(rng.choice(side)), offset, speed, rng, role="late", feint=rng.random() < 0.6)
    return [], []


def _neighbors_through(cross: Crossroads, arrival: float, rng: np.random.Generator) -> list[Actor]:
    """Vehicles that go straight on beside the ego, whose arrow is red."""
    connectors = cross.network.junctions[0].connectors
    found = []
    for number, item in enumerate(connectors):
        if item.leg_in == 0 and item.movement is Movement.THROUGH:
            lane = cross.network.connector_lanes[0, number]
            before = int(cross.network.map.lane_predecessors(lane)[0])
            way = way_along(cross.network, [before, lane, int(cross.network.map.lane_successors(lane)[0])])
            front = cross.arc + PACIFICA.front + float(rng.uniform(4.0, 25.0))
            found += queue(cross, way, front, 1, rng, role="neighbor")
    return [replace(item, speed=float(cross.speed), driver=item.driver | {Driver.SPEED_FACTOR: 1.0}) for item in found]


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """Amber or red at the next signal of somebody else's way that is not yet spoken for."""
    numbers = {lane: key for key, lane in setting.network.connector_lanes.items()}
    for begin, lane in zip(setting.way.begin, setting.way.lanes, strict=True):
        if begin < arc - 25.0 or lane not in numbers:
            continue
        junction = numbers[lane][0]
        signalled = setting.network.junctions[junction].control is Control.SIGNAL
        if not signalled or any(plan.junction == junction for plan in setting.signals):
            continue
        pace = 0.9 * float(np.interp(begin, setting.way.arc, setting.way.limit))
        arrival = RUN_IN + (begin - setting.arc) / pace
        plan = SignalPlan(junction, lane, LightState.GREEN, arrival + knobs["wait"], green=25.0)
        if int(knobs["case"]) in (DILEMMA, STALE):
            plan = replace(plan, begins=LightState.YELLOW, time=arrival - knobs["to_line"], others=7.0)
        return replace(setting, signals=(*setting.signals, plan))
    return None


F15 = Family("F15", KNOBS, stage, overlay)
