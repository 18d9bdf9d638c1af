"""F01 lead brake: the vehicle ahead slows down hard, up to three times; somebody follows close behind."""

from collections.abc import Mapping

import numpy as np

from drive.drivers import Driver
from drive.scene import DT, Action, AgentKind, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import draw_size, driving, parked, strollers, traffic
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
    "time_gap": Knob(),
    "left_over": Knob(0.0, 0.6),
    "deceleration": Knob(2.0, 7.0),
    "brakes": Knob(choices=(1, 1, 2, 3)),
    "brake_light_lead": Knob(0.0, 0.5),
    "follower_gap": Knob(0.6, 2.0),
    "event": Knob(3.0, 6.0),
    "hold": Knob(2.4, 4.5),
    "lead_kind": Knob(),
    "lane": Knob(),
    "bends": Knob(choices=(0, 1, 2, 3)),
    "density": Knob(0.3, 1.3),
    "junction": Knob(choices=(0, 0, 1)),
}
CLASS_BY_KNOB = (RESIDENTIAL, COLLECTOR, ARTERIAL, RURAL)


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """One road of 300 m and more; a lead at a time gap LN(1.3, 0.4) whose brakes are timed to the ego's place."""
    rng = draws("map")
    road = CLASS_BY_KNOB[int(knobs["road_class"])]
    section = draw_section(road, rng)
    junctions = int(knobs["junction"])
    time_gap = float(np.clip(np.exp(np.log(1.3) + 0.4 * _normal(knobs["time_gap"])), 0.7, 3.0))
    # In equilibrium at 0.78 of the desired speed IDM keeps 1.26 (gap + headway * speed): aim at the knob's time gap.
    speed = 0.82 * section.limit
    gap = max(time_gap * speed, 5.0)
    style = draw_style(draws("style"), gap=1.8, headway=max((gap / 1.26 - 1.8) / speed, 0.4), factor=1.05)
    first = run_up(section.limit) + section.limit * (RUN_IN + (14.0 if junctions else 27.0)) + 90.0
    alignment = draw_alignment(first, section.limit, rng, int(knobs["bends"]), (0.15, 0.9))
    layout = draw_layout(section, road, rng, first=first, junctions=junctions, bends=1, first_road=alignment)
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(section.limit) + RUN_IN * section.limit)
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[int(knobs["lane"] * len(ways))]
    arc = run_up(section.limit)
    place = at_arc(way, arc + PACIFICA.front + speed * (RUN_IN + knobs["event"]))
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
            Driver.SPEED_FACTOR: 0.82,
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
    left_over = knobs["left_over"]
    while not _bearable(gap, speed, left_over, knobs["deceleration"], knobs["hold"]):
        left_over += 0.05
    events = _script(knobs, speed, place, left_over)
    clear = (way.lanes[0], arc - 14.0 - 2.2 * speed, lead_arc + 14.0 * section.limit)
    middle = at_arc(way, arc + 40.0)[:2]
    actors = [lead, follower]
    actors += traffic(network, draws("traffic"), knobs["density"], middle, reach(section.limit), 18, [clear])
    actors += strollers(network, draws("strollers"), int(cast.integers(0, 5)), middle, 70.0)
    bays = parked(network, draws("parked"), float(cast.uniform(0.3, 0.9)), np.zeros((0, 2)))
    actors += [item for item in bays if np.hypot(*(item.pose[:2] - middle)) < 90.0][:30]
    return Setting(
        network,
        way,
        arc,
        speed,
        style,
        actors,
        events,
        bearable=60.0,
        event=arc + speed * (RUN_IN + knobs["event"]),
        facts={"time_gap": round(time_gap, 3)},
    )


def _script(knobs: Mapping[str, float], speed: float, place: np.ndarray, left_over: float) -> list[tuple[float, ...]]:
    """The first brake falls when the ego comes to a place, the rest by the clock; each is let go after a while."""
    events = []
    begin, hold = knobs["event"], knobs["hold"]
    for number in range(int(knobs["brakes"])):
        target = speed * min(left_over + 0.12 * number, 0.8)
        slow = (Action.SPEED, knobs["deceleration"], target)
        if number == 0:
            events.append((0, Trigger.EGO_ARRIVAL, 0.2, place[0], place[1], begin + min(2.0, hold - 1.0), *slow))
        else:
            events.append((0, Trigger.TIME, begin, 0.0, 0.0, begin, *slow))
        events.append((0, Trigger.TIME, begin + hold, 0.0, 0.0, begin + hold, Action.NORMAL, 0.0, 0.0))
        begin += hold + 2.5
    return [tuple(float(value) for value in event) for event in events]


def _bearable(gap: float, speed: float, left_over: float, deceleration: float, hold: float) -> bool:
    """True if an ego that reacts after 0.4 s and brakes at up to 3 m/s2, its jerk limited, stays 1.5 m behind."""
    lead = ego = speed
    pedal = 0.0
    for step in range(int(hold / DT) + 1):
        lead = max(lead - deceleration * DT, left_over * speed)
        if step * DT > 0.4:
            pedal = max(pedal - 2.0 * DT, -3.0)
        ego = max(ego + pedal * DT, 0.0)
        gap += (lead - ego) * DT
        if gap < 1.5:
            return False
        if ego <= lead and step * DT > 0.4:
            return True
    return True


def _normal(unit: float) -> float:
    """Standard normal quantile, within two deviations."""
    from scipy.special import ndtri

    return float(np.clip(ndtri(np.clip(unit, 0.01, 0.99)), -2.0, 2.0))


F01 = Family("F01", KNOBS, stage)
