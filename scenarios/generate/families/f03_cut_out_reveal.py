"""F03 cut-out reveal: the vehicle ahead changes lane at the last moment, and behind it somebody or something stands.

Brake, or change lane too where the lane beside is free. Planners see no more than their line of sight allows.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Cue, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving, standing
from scenarios.generate.beside import neighbour_stretches
from scenarios.generate.families.multilane import (
    BESIDE,
    Neighbour,
    changing_way,
    clock_of,
    draw_road,
    first_index,
    neighbour_way,
    neighbours,
    with_background,
    with_event,
)
from scenarios.generate.knobs import Knob
from scenarios.generate.paths import at_arc
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import FUTURE

EVENT, SOONER, SLOWER = (2.0, 5.0), (0.6, 4.0), 0.45  # s after the start; the same, and how fast, of one ego in two
KNOBS = {
    "road_class": Knob(choices=(0, 1, 1, 2, 2, 2, 2)),
    "lanes": Knob(choices=(2, 2, 3, 3, 4)),
    "lane": Knob(),
    "reveal": Knob(),
    "time_gap": Knob(0.5, 1.2),
    "duration": Knob(2.2, 3.2),
    "lead_kind": Knob(),
    "lead_offset": Knob(-0.3, 0.3),
    "obstacle": Knob(choices=(0, 0, 1, 2, 3, 3)),
    "neighbour_free": Knob(choices=(0, 1)),
    "hold": Knob(0.5, 3.0),
    "event": Knob(*EVENT),
    "density": Knob(0.3, 1.0),
    "bends": Knob(choices=(0, 0, 1)),
    "indicator": Knob(-0.8, 1.5),
}
CAR, TRUCK, DEBRIS, QUEUE = range(4)
LEAD_FACTOR = 0.93  # share of the limit that the lead drives
GONE = 0.5  # share of its manoeuvre after which the lead no longer hides what is ahead
WORTH, HOPELESS = 0.75, 0.15  # shares of the free drive: who stops there loses little, and all
LEAST_TO_OBSTACLE, MOST_TO_OBSTACLE = 0.6, 3.5  # s between the lead's leaving and the obstacle


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A road of two to four lanes, a lead at a time gap, and the obstacle where it is to be revealed."""
    # In equilibrium near its own speed IDM keeps about 1.26 (gap + headway * speed).
    headway = max(knobs["time_gap"] / 1.26 - 0.15, 0.35)
    style = {"gap": 1.8, "headway": headway}
    ahead = 38.0 if int(knobs["obstacle"]) == QUEUE else 28.0
    road = draw_road({**knobs, "junction": 0.0}, draws, int(knobs["lanes"]), style=style, ahead=ahead)
    if road is None:
        return None
    event = knobs["event"]
    if int(knobs["obstacle"]) != QUEUE and draws("slower").random() < 0.5:
        # one that has only just begun to drive gets nowhere if it stays behind what stands there
        road, event = replace(road, speed=SLOWER * road.speed), float(np.interp(event, EVENT, SOONER))
    staged = overlay(road, clock_of(road).arc(event), knobs, draws)
    if staged is None:
        return None
    limit = float(road.way.limit[0])
    low, high = road.arc - 2.2 * limit, road.arc + 30.0 * limit
    taken = [(road.way.lanes[0], low, high), (int(staged.facts["to_lane"]), road.arc - 1.5 * limit, high)]
    return with_background(staged, draws, knobs["density"], taken)


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The obstacle becomes visible to an ego at ``arc`` [m] that follows the lead at the time gap."""
    rng = draws("cut-out")
    clock = clock_of(setting)
    limit = float(np.interp(arc, setting.way.arc, setting.way.limit))
    speed = min(LEAD_FACTOR * limit, clock.speed(arc))
    lead_kind = AgentKind.CAR if knobs["lead_kind"] < 0.4 else AgentKind.TRUCK
    if knobs["lead_kind"] > 0.85:
        lead_kind = AgentKind.BUS
    size = draw_size(lead_kind, rng)
    gap = 2.0 + knobs["time_gap"] * speed
    reveal = 1.5 + 3.0 * knobs["reveal"] ** 2.4  # 1.5 to 4.5 s, dense where it is short
    leaves = float(np.clip(reveal - (gap + size[0]) / speed, LEAST_TO_OBSTACLE, MOST_TO_OBSTACLE))
    rear = arc + PACIFICA.front + gap + size[0] + leaves * speed  # of the obstacle
    options = [
        lane for lane in neighbours(setting.network, setting.way, arc) if lane.low < arc and rear + 40.0 < lane.high
    ]
    if not options:
        return None
    target = options[int(rng.integers(len(options)))]
    other = neighbour_way(setting.network, target, rng)
    length = knobs["duration"] * speed
    begin = rear - size[0] / 2 - leaves * speed - GONE * length
    way = changing_way(setting.way, target, other, begin, length)
    start = setting.arc + PACIFICA.front + 2.0 + knobs["time_gap"] * setting.speed + size[0] / 2
    index = first_index(setting)
    lead = driving(
        way,
        start,
        setting.speed,
        lead_kind,
        size,
        critical=True,
        role="lead",
        driver={
            Driver.SPEED_FACTOR: speed / limit,
            Driver.ACCELERATION: 1.4,
            Driver.LATERAL_ACCELERATION: 6.0,
            Driver.LANE_BIAS: knobs["lead_offset"],
            Driver.NOISE: 0.3,
        },
    )
    if lead is None:
        return None
    actors: list[Actor] = [lead]
    events: list[tuple[float, ...]] = []
    if knobs["indicator"] > 0.0:
        leaving = at_arc(setting.way, begin)
        lamp = float(Cue.INDICATOR_LEFT if target.side > 0.0 else Cue.INDICATOR_RIGHT)
        due = (Trigger.EGO_ARRIVAL, (gap + size[0] / 2) / speed + knobs["indicator"], leaving[0], leaving[1], 15.0)
        events.append((index, *due, Action.CUE, knobs["duration"] + knobs["indicator"], lamp))
    obstacle = int(knobs["obstacle"])
    blocks = _obstacle(setting, rear, obstacle, rng)
    if blocks is None:  # a queue that moves on needs more road than there is
        obstacle = TRUCK
        blocks = _obstacle(setting, rear, obstacle, rng) or []
    place = at_arc(setting.way, rear)
    for number, block in enumerate(blocks, start=index + 1):
        if len(block.points):  # the end of a queue: it stands, and moves off some time after the ego has come
            events.append((number, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0))
            events.append((number, Trigger.EGO_ARRIVAL, 1.5, place[0], place[1], 12.0, Action.SPEED, 3.0, 0.0))
            wait = knobs["hold"] + 0.9 * (len(blocks) - (number - index))
            events.append((number, Trigger.AFTER, wait, 0.0, 0.0, 99.0, Action.NORMAL, 0.0, 0.0))
    actors += blocks
    if knobs["neighbour_free"] < 0.5:
        actors += _company(setting, target, setting.speed, rng)
    reveal = (gap + size[0]) / speed + leaves
    staged = with_event(
        setting, actors, events, arc, {"reveal": round(reveal, 3), "leaves": round(leaves, 3), "to_lane": target.lane}
    )
    # not before: who changes lane for the slow lead never meets what is behind it
    beside = neighbour_stretches(setting.network, setting.way, arc - 8.0, target.high)
    # Who stops in time is safe and stays there, unless it is a queue that moves on. Stopping itself is measured.
    reached = rear - 2.0 - PACIFICA.front - clock.arc(0.0)
    behind = 1.0 if obstacle == QUEUE else reached / (clock.arc(FUTURE) - clock.arc(0.0))
    slack = 1.8 - 0.8 * float(np.clip((WORTH - behind) / (WORTH - HOPELESS), 0.0, 1.0))
    return replace(
        staged,
        beside=(*staged.beside, *beside),
        occlusion=True,
        slack=slack if staged.slack is None else min(slack, staged.slack),
        decided=(*staged.decided, lead),
        facts={**staged.facts, "behind": round(behind, 3)},
    )


def _obstacle(setting: Setting, rear: float, obstacle: int, rng: np.random.Generator) -> list[Actor] | None:
    """What stands in the ego's lane, its rear end at ``rear`` [m]."""
    aside = float(rng.uniform(-0.3, 0.3))
    if obstacle == DEBRIS:
        size = (float(rng.uniform(0.8, 2.0)), float(rng.uniform(0.9, 1.8)))
        pose = at_arc(setting.way, rear + size[0] / 2)
        return [replace(standing(AgentKind.GENERIC_OBJECT, size, pose[:3], "obstacle"), critical=True)]
    if obstacle in (CAR, TRUCK):
        kind = AgentKind.CAR if obstacle == CAR else AgentKind.TRUCK
        size = draw_size(kind, rng)
        pose = at_arc(setting.way, rear + size[0] / 2)[:3].copy()
        pose[:2] += aside * np.array((-np.sin(pose[2]), np.cos(pose[2])))
        return [replace(standing(kind, size, pose, "obstacle"), critical=True)]
    queue: list[Actor] = []
    for _ in range(int(rng.integers(2, 4))):
        size = draw_size(AgentKind.CAR, rng)
        car = driving(
            setting.way, rear + size[0] / 2, 0.0, AgentKind.CAR, size, critical=not queue, role="obstacle",
            driver={Driver.SPEED_FACTOR: 1.0, Driver.START_LOSS: 0.5},
        )  # fmt: skip
        if car is None:
            return None
        queue.append(car)
        rear += size[0] + float(rng.uniform(1.5, 3.0))
    return queue


def _company(setting: Setting, lane: Neighbour, speed: float, rng: np.random.Generator) -> list[Actor]:
    """Vehicles beside and behind the ego in the lane that the lead goes to."""
    found = []
    place = setting.arc + lane.shift + float(rng.uniform(-8.0, 6.0))
    for _ in range(int(rng.integers(1, 4))):
        size = draw_size(AgentKind.CAR, rng)
        car = driving(neighbour_way(setting.network, lane, rng), place, speed, AgentKind.CAR, size, role="beside")
        if car is not None:
            found.append(car)
        place -= size[0] + float(rng.uniform(4.0, 14.0))
    return found


F03 = Family("F03", KNOBS, stage, overlay, beneath=BESIDE)
