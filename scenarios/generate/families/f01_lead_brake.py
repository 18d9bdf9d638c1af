"""F01 lead brake: the vehicle ahead slows down hard, up to three times; somebody follows close behind."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import DT, Action, AgentKind, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import draw_size, driving, parked, strollers, traffic
from scenarios.generate.conflicts import braking_demand
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import (
    ARTERIAL,
    COLLECTOR,
    RESIDENTIAL,
    RURAL,
    draw_alignment,
    draw_layout,
    draw_section,
)
from scenarios.generate.network import build_network
from scenarios.generate.paths import at_arc, ego_ways
from scenarios.generate.reference import draw_style
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import RUN_IN, reach, run_up

KNOBS = {
    "road_class": Knob(choices=(0, 1, 1, 1, 2, 2, 2, 2, 3)),
    "demand": Knob(0.3, 1.25),
    "left_over": Knob(0.0, 0.6),
    "deceleration": Knob(2.0, 6.0),
    "brakes": Knob(choices=(1, 1, 1, 1, 2, 3)),
    "brake_light_lead": Knob(0.0, 0.5),
    "follower_gap": Knob(0.6, 2.0),
    "event": Knob(3.0, 5.0),
    "hold": Knob(3.0, 4.6),
    "lead_kind": Knob(),
    "lane": Knob(),
    "bends": Knob(choices=(0, 1, 2, 3)),
    "density": Knob(0.3, 1.3),
    "junction": Knob(choices=(0, 0, 1)),
}
CLASS_BY_KNOB = (RESIDENTIAL, COLLECTOR, ARTERIAL, RURAL)

BEGIN = 0.54  # share of the limit that both drive when the scene starts
SPEED_UP = 0.7  # m/s2
RESTART = 1.3  # m/s2: from more, an ego that has braked firmly lets go of the brake faster than is comfortable


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """One road of 300 m and more; a lead whose brakes are timed to the ego's place.

    How hard the first brake is decides the time gap, because brakes and gaps that are drawn apart mostly ask for less
    than 2 m/s2. A later attempt at the same knobs asks for a little less.
    """
    rng = draws("map")
    road = CLASS_BY_KNOB[int(knobs["road_class"])]
    section = draw_section(road, rng)
    junctions = int(knobs["junction"])
    # Both have been slow and speed up from the start on: an ego that stops there stays far behind.
    speed, top = BEGIN * section.limit, 0.85 * section.limit
    at_event = min(speed + SPEED_UP * knobs["event"], top)
    demand = max(knobs["demand"] - 0.04 * draws.attempt, 0.2)
    gap, deceleration, left_over = _brake_of(demand, at_event, knobs)
    gap = max(gap * speed / at_event, 3.0)
    style = draw_style(draws("style"), gap=1.8, headway=max((gap / 1.07 - 1.8) / speed, 0.4), factor=1.05)
    first = run_up(section.limit) + section.limit * (RUN_IN + (14.0 if junctions else 27.0)) + 90.0
    alignment = draw_alignment(first, section.limit, rng, int(knobs["bends"]), (0.15, 0.9))
    layout = draw_layout(section, road, rng, first=first, junctions=junctions, bends=1, first_road=alignment)
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(section.limit) + RUN_IN * section.limit)
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[int(knobs["lane"] * len(ways))]
    arc = run_up(section.limit)
    event = arc + speed * RUN_IN + 0.5 * (speed + at_event) * knobs["event"]
    place = at_arc(way, event + PACIFICA.front)
    cast = draws("cast")
    kind = AgentKind.CAR if knobs["lead_kind"] < 0.7 else AgentKind.MOTORCYCLE
    if 0.7 <= knobs["lead_kind"] < 0.95:
        kind = AgentKind.TRUCK if knobs["lead_kind"] < 0.85 else AgentKind.BUS
    size = draw_size(kind, cast)
    lead_arc = arc + PACIFICA.front + gap + size[0] / 2
    lead = driving(
        way,
        lead_arc,
        speed,
        kind,
        size,
        critical=True,
        role="lead",
        cue_lead=knobs["brake_light_lead"],
        driver={
            Driver.SPEED_FACTOR: BEGIN,
            Driver.MAX_DECELERATION: 8.0,
            Driver.ACCELERATION: float(cast.uniform(1.2, 1.8)),
            Driver.LANE_BIAS: float(np.clip(cast.normal(0.0, 0.1), -0.2, 0.2)),
        },
    )
    behind_size = draw_size(AgentKind.CAR, cast)
    follower = driving(
        way,
        arc - PACIFICA.rear - 2.0 - knobs["follower_gap"] * speed - behind_size[0] / 2,
        speed,
        AgentKind.CAR,
        behind_size,
        role="follower",
        driver={Driver.HEADWAY: knobs["follower_gap"], Driver.REACTION: 0.3},
    )
    if lead is None or follower is None:
        return None
    events = _script(knobs, at_event, section.limit, place, left_over, deceleration)
    clear = (way.lanes[0], arc - 14.0 - 2.2 * speed, lead_arc + 14.0 * section.limit)
    middle = at_arc(way, arc + 40.0)[:2]
    actors = [lead, follower]
    actors += traffic(network, draws("traffic"), knobs["density"], middle, reach(section.limit), 18, [clear])
    actors += strollers(network, draws("strollers"), int(cast.integers(0, 5)), middle, 70.0)
    bays = parked(network, draws("parked"), float(cast.uniform(0.3, 0.9)), np.zeros((0, 2)))
    actors += [item for item in bays if np.hypot(*(item.pose[:2] - middle)) < 90.0][:30]
    scene = Setting(network, way, arc, speed, style, actors, events)
    return replace(
        scene,
        bearable=60.0,
        event=event,
        facts={"time_gap": round(gap / speed, 3), "deceleration": round(deceleration, 3)},
    )


def _brake_of(demand: float, speed: float, knobs: Mapping[str, float]) -> tuple[float, float, float]:
    """Gap [m], deceleration [m/s2] and share of speed left over of a brake that asks for ``demand`` times 6 m/s2.

    The gap is 0.6 to 3 s and at least 4 m. Where even the least is not hard enough, the lead brakes harder than its
    knobs say, and to less.
    """
    least, most = max(0.6 * speed, 4.0), 3.0 * speed
    clock = DT * np.arange(round(knobs["hold"] / DT) + 1)
    for harder in np.linspace(0.0, 1.0, 9):
        deceleration = float(knobs["deceleration"] + harder * (7.0 - knobs["deceleration"]))
        left_over = float(knobs["left_over"] * (1.0 - harder))
        lead = np.maximum(speed - deceleration * clock, left_over * speed)
        if braking_demand(lead, least) >= 6.0 * demand:
            break
    low, high = least, most
    for _ in range(8):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if braking_demand(lead, middle) >= 6.0 * demand else (low, middle)
    return low, deceleration, left_over


def _script(
    knobs: Mapping[str, float], speed: float, limit: float, place: np.ndarray, left_over: float, deceleration: float
) -> list[tuple[float, ...]]:
    """The first brake falls when the ego comes to a place, the rest by the clock; then the lead is in a hurry."""
    events: list[tuple[float, ...]] = [(0, Trigger.TIME, 0.1, 0.0, 0.0, 0.1, Action.SPEED, SPEED_UP, 0.85 * limit)]
    begin, hold = knobs["event"], knobs["hold"]
    for number in range(int(knobs["brakes"])):
        target = speed * min(left_over + 0.12 * number, 0.8)
        slow = (Action.SPEED, deceleration, target)
        if number == 0:
            events.append((0, Trigger.EGO_ARRIVAL, 0.2, place[0], place[1], begin + hold - 1.0, *slow))
        else:
            events.append((0, Trigger.TIME, begin, 0.0, 0.0, begin, *slow))
        events.append((0, Trigger.TIME, begin + hold, 0.0, 0.0, begin + hold, Action.SPEED, RESTART, 0.97 * limit))
        begin += hold + 2.5
    return [tuple(float(value) for value in event) for event in events]


F01 = Family("F01", KNOBS, stage)
