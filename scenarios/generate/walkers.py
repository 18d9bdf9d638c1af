"""People who cross the road by which the ego comes to a junction or leaves it."""

import numpy as np

from drive.drivers import WALKING_SPEED, Driver
from drive.scene import Action, AgentKind, Trigger
from scenarios.generate.actors import Actor, crossing_line, draw_size, walking
from scenarios.generate.crossroads import Crossroads
from scenarios.generate.paths import at_arc, meeting_arc
from scenarios.generate.timing import walk_time


def cross_behind(
    cross: Crossroads,
    arrival: float,
    offset: float,
    rng: np.random.Generator,
    index: int,
    people: int = 1,
    *,
    before: bool = False,
    hurry: float = 1.0,
    notice: float = 1.5,
    near: float | None = None,
) -> tuple[list[Actor], list[tuple[float, ...]]]:
    """Walkers on the marked crossing of the ego's exit (``before``: of the leg by which it comes), and their script;
    both empty where there is none.

    The first one is in the ego's lane ``offset`` [s] after the ego's ``arrival`` [s] there, the others follow or come
    the other way. It comes from the ego's own kerb in a share ``near`` of all scenes (None: in half of them). ``hurry``
    is a factor on their walking speed, ``notice`` the time [s] before they start from which one sees that they will.
    ``index`` is the place of the first one among the actors.
    """
    road = cross.network.corridor[0 if before else 1]
    numbers = [n for n, item in enumerate(cross.network.crossings) if item.junction == 0 and item.road == road]
    arc = meeting_arc(cross.way, cross.network.crossings[numbers[0]].line) if numbers else None
    if arc is None:
        return [], []
    line = cross.network.crossings[numbers[0]].line
    place = at_arc(cross.way, arc)[:2]
    actors: list[Actor] = []
    events: list[tuple[float, ...]] = []
    from_first = bool(rng.random() < 0.5)
    if near is not None:
        own = bool(np.hypot(*(line[0] - place)) < np.hypot(*(line[1] - place)))
        from_first = own == bool(rng.random() < near)
    for number in range(people):
        side = from_first if number % 2 == 0 else not from_first
        start = 0.4 + 1.3 * (number // 2)
        pace, rate = hurry * float(rng.uniform(1.1, 1.6)), 2.0
        near, far = (line[0], line[1]) if side else (line[1], line[0])
        reach = start + float((place - near) @ (far - near) / np.hypot(*(far - near)))
        lead = walk_time(reach, pace, rate) - offset - 0.4 * number
        driver = {
            Driver.SPEED_FACTOR: pace / WALKING_SPEED,
            Driver.COURTESY: 0.0,
            Driver.ACCELERATION: rate,
            Driver.START_LOSS: 0.0,
            Driver.NOISE: 0.0,
            Driver.LANE_BIAS: 0.0,
        }
        points = crossing_line(cross.network, numbers[0], start, 0.5 + 0.9 * (number % 2), side)
        size = draw_size(AgentKind.PEDESTRIAN, rng)
        actors.append(walking(points, 0.0, size, critical=number == 0, role="crosser", driver=driver, cue_lead=notice))
        row = float(index + number)
        timeout = float(np.clip(arrival - lead, 0.5, 9.0)) + 5.0
        events.append((row, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0))
        events.append((row, Trigger.EGO_ARRIVAL, cross.estimate(arc, lead), *place, timeout, Action.SPEED, rate, pace))
    return actors, events
