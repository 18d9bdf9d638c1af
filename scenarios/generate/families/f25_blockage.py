"""F25 blockage: a truck noses out of a yard into the ego's lane, stands across it for a while, and goes on.

Nothing is to be gained by pushing: brake in time, wait, and go as soon as the lane is free.
"""

from collections.abc import Mapping

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.approach import Meeting, approach_of
from scenarios.generate.families.multilane import (
    clock_of,
    draw_road,
    first_index,
    neighbours,
    with_background,
    with_event,
)
from scenarios.generate.geometry import Float, offset
from scenarios.generate.knobs import Knob
from scenarios.generate.paths import Way, at_arc, densify
from scenarios.generate.setting import Draws, Setting

KNOBS = {
    "road_class": Knob(choices=(0, 0, 1)),
    "lane": Knob(0.999, 1.0),
    "urgency": Knob(),
    "blocked": Knob(5.0, 8.0),
    "speed": Knob(1.6, 2.8),
    "kind": Knob(choices=(0, 0, 1)),
    "length": Knob(),
    "event": Knob(3.5, 5.5),
    "queue": Knob(choices=(0, 0, 1, 2)),
    "density": Knob(0.3, 1.2),
    "bends": Knob(choices=(0, 0, 1)),
}
BENEATH = {name: {"lane": KNOBS["lane"]} for name in ("F01", "F02", "F03", "F04")}  # the lane at the kerb
KERB = 2.1  # m from the lane's centre to the nose that waits, clear of all who keep to their lane
ACROSS = 1.2  # m beyond the lane's centre at which the nose stops
NOTICE = 2.2  # s that the ego is given about
GETTING_GOING = 0.3  # s until one sees that it moves
PACE = (0.52, 0.68)  # of the quickest start: there is not much time left to get far
LATEST = 1.2  # s after its time at which it comes out whatever the ego does
RATE, BRAKE, LEAVING = 1.5, 2.5, 4.0  # m/s2, m/s2, m/s


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A road with one lane each way, and the yard where an undisturbed ego is soon after the drawn time."""
    road = draw_road({**knobs, "junction": 0.0}, draws, 1, ahead=28.0, pace=PACE)
    if road is None:
        return None
    staged = overlay(road, clock_of(road).arc(knobs["event"] + NOTICE), knobs, draws)
    if staged is None:
        return None
    limit = float(road.way.limit[0])
    taken = [(road.way.lanes[0], road.arc - 2.5 * limit, road.arc + 20.0 * limit)]
    # the truck would wait for those who come the other way
    taken += [
        (lane, 0.0, np.inf) for (number, ahead, _), lane in road.network.road_lanes.items() if number == 0 and not ahead
    ]
    return with_background(staged, draws, knobs["density"], taken)


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The yard is at ``arc`` [m]; its truck sets off when an ego that goes on until then can still stop, by braking at
    1.6 to 5.2 m/s2 as the knob ``urgency`` says."""
    kerb = setting.network.side
    if any(lane.side * kerb > 0.0 for lane in neighbours(setting.network, setting.way, arc)):
        return None  # another lane lies between the ego's and the kerb
    rng = draws("truck")
    kind = AgentKind.TRUCK if int(knobs["kind"]) == 0 else AgentKind.CONSTRUCTION_VEHICLE
    size = (5.5 + 4.0 * knobs["length"], float(rng.uniform(2.1, 2.5)))
    place = at_arc(setting.way, arc)
    truck = _crossing(place, kerb, kind, size)
    index = first_index(setting)
    speed = knobs["speed"]
    # how long it moves until its nose has to slow down, and stands while the lane is blocked
    gathering, braking = speed**2 / (2.0 * RATE), speed**2 / (2.0 * BRAKE)
    moving = speed / RATE + max(KERB + ACROSS - gathering - braking, 0.0) / speed
    leaving = (size[0] + ACROSS) / LEAVING + LEAVING / (2.0 * RATE)
    waiting = max(knobs["blocked"] - speed / BRAKE - leaving, 0.5)
    meeting = Meeting(approach_of(setting), setting.way, arc, size[1] / 2)
    notice = meeting.warning(1.6 + 3.6 * knobs["urgency"]) + GETTING_GOING
    late = max(meeting.drive.time(arc) - notice + LATEST, 1.0)
    due = (Trigger.EGO_ARRIVAL, meeting.estimate(notice), place[0], place[1], late)
    events: list[tuple[float, ...]] = [
        (index, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0),
        (index, *due, Action.SPEED, RATE, speed),
        (index, Trigger.AFTER, moving, 0.0, 0.0, 99.0, Action.SPEED, BRAKE, 0.0),
        (index, Trigger.AFTER, speed / BRAKE + waiting, 0.0, 0.0, 99.0, Action.SPEED, RATE, LEAVING),
    ]
    followers = _queue(setting, int(knobs["queue"]), rng)
    return with_event(setting, [truck, *followers], events, arc, {"waiting": round(waiting, 2)})


def _crossing(place: Float, kerb: float, kind: AgentKind, size: tuple[float, float]) -> Actor:
    """The truck, its nose at the kerb beside ``place`` [4], on a path straight over the road."""
    ends = [offset(place[None], kerb * away)[0, :2] for away in (KERB + size[0] + 2.0, -45.0)]
    points = densify(np.array(ends))
    heading = place[2] - kerb * np.pi / 2
    pose = np.array((*offset(place[None], kerb * (KERB + size[0] / 2))[0, :2], heading))
    return Actor(
        kind,
        size,
        pose,
        0.0,
        points,
        np.full(len(points), LEAVING),
        critical=True,
        role="truck",
        driver={Driver.ACCELERATION: RATE, Driver.NOISE: 0.0, Driver.LANE_BIAS: 0.0},
    )


def _queue(setting: Setting, count: int, rng: np.random.Generator) -> list[Actor]:
    """Vehicles close behind the ego."""
    found: list[Actor] = []
    way: Way = setting.way
    front = setting.arc - PACIFICA.rear - 3.0
    for _ in range(count):
        size = draw_size(AgentKind.CAR, rng)
        place = front - float(rng.uniform(0.8, 1.6)) * setting.speed - size[0] / 2
        car = driving(way, place, setting.speed, AgentKind.CAR, size, role="follower")
        if car is not None:
            found.append(car)
        front = place - size[0] / 2 - 2.0
    return found
