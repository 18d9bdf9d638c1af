"""What the reference may do next: speeds, waiting places, and ways across the road to the stretches beside its lane."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from drive.kernels.traffic_world import FAR
from drive.vehicle import PACIFICA
from scenarios.generate.geometry import Float
from scenarios.generate.search import MOTION_COLUMNS, NEVER, PLAN_COLUMNS, Task, lateral
from scenarios.generate.search.lateral import ARC, BEND, MOVING, OFFSET, SLOPE

DRIVE_ON = np.array((1.0, 1.0, FAR, 0.0))
DURATIONS = (4.0, 2.5, 5.5)  # s, of a lateral transition
DELAYS = (1.5, 3.5)  # s
SLOWEST = 4.5  # m/s: transitions are as long as at this speed at least
TIGHTEST = 0.14  # 1/m
CENTER = lateral.CENTER
ACROSS = 90  # numbers of options from here on are new ways across the road
LOOK_AHEAD = 90.0  # m
STOP_SHORT = 1.0  # m


class Option(NamedTuple):
    """Something to try: ``number`` names it from one look to the next (0: as before), ``candidate [4]`` the pedals,
    ``plan [12]`` the way across the road."""

    number: int
    candidate: Float
    plan: Float


def straight_plan(offset: float = 0.0) -> Float:
    """The plan to stay at an offset."""
    plan = np.zeros(PLAN_COLUMNS)
    plan[[lateral.BEGIN, lateral.RUN]] = -NEVER, 1.0
    plan[[lateral.FROM, lateral.TO, lateral.BACK_TO]] = offset
    plan[[lateral.BACK, lateral.BACK_RUN]] = NEVER, 1.0
    plan[[lateral.CAP, lateral.BACK_CAP]] = FAR
    return plan


def begun(plan: Float, now: Float) -> Float:
    """The plan, or the plan to stay where one is if its time has not come yet."""
    return straight_plan(float(now[OFFSET])) if now[ARC] < plan[lateral.BEGIN] else plan


def first_row(arc: float, speed: float, side: float) -> Float:
    """The motion row ``[6]`` of an ego that begins at an offset ``side`` [m] from its way."""
    row = np.zeros(MOTION_COLUMNS)
    row[[ARC, MOVING, OFFSET]] = arc, speed, side
    return row


def options(task: Task, now: Float, plan: Float, look: bool) -> Iterator[Option]:
    """Numbered options of an ego at ``now`` (a motion row) that follows ``plan``, the likeliest first.

    Drive on; go over to another line; slower for a moment; more distance; hold at one of the next three waiting places;
    brake for a moment. ``look`` False: no new ways across the road.
    """
    beside = len(task.beside) > 0
    stop = wall(task, now, plan) if beside else FAR
    yield Option(0, with_stop(DRIVE_ON, stop), plan)
    if beside and look:
        yield from across(task, now, plan)
    for number, factor in enumerate((0.75, 0.5, 0.28), start=1):
        yield Option(number, np.array((factor, 1.0, stop, 0.0)), plan)
    yield Option(4, np.array((1.0, 1.5, stop, 0.0)), plan)
    front, speed = now[ARC] + PACIFICA.front, now[MOVING]
    gaps = task.holds - front
    within = (gaps > -0.3) & (gaps < 60.0) & (speed**2 < 6.0 * np.maximum(gaps, 0.1))
    for number, hold in enumerate(task.holds[within][:3], start=5):
        yield Option(number, np.array((1.0, 1.0, min(hold, stop), 0.0)), plan)
    for number, brake in enumerate((1.5, 3.2), start=8):
        yield Option(number, np.array((1.0, 1.0, stop, brake)), plan)


def across(task: Task, now: Float, plan: Float) -> Iterator[Option]:
    """Ways to every other line that may be driven here, and back before it ends."""
    arc, speed = now[ARC], now[MOVING]
    goal = float(plan[lateral.TO] if arc < plan[lateral.BACK] else plan[lateral.BACK_TO])
    targets = [] if abs(goal) < CENTER else [(0.0, -NEVER, NEVER, float(plan[lateral.PRICE]), np.inf)]
    for begin, end, offset, price, clear in task.beside:
        if abs(offset - goal) > CENTER and arc < end and begin < arc + min(LOOK_AHEAD, 8.0 * max(speed, SLOWEST)):
            targets.append(
                (float(offset), float(begin), float(end), float(price) / max(abs(offset), 0.5), float(clear))
            )
    for place, (offset, begin, end, price, clear) in enumerate(targets, start=1):
        soon = [(0.0, duration) for duration in DURATIONS]
        if abs(now[SLOPE]) < 1e-6:  # what has begun is finished or turned round now, not later
            soon += [(delay * speed, DURATIONS[0]) for delay in DELAYS if speed > 2.0]
        for variant, (later, duration) in enumerate(soon):
            if later > 0.0 and begin >= arc + later:
                continue
            way = transition(task, now, offset, max(begin, arc + later), end, duration, price, clear)
            if way is None:
                continue
            stop = wall(task, now, way)
            number = 100 * place + 10 * variant
            yield Option(number, with_stop(DRIVE_ON, stop), way)
            if duration == DURATIONS[0]:
                for slower, factor in enumerate((0.75, 0.5), start=1):
                    yield Option(number + slower, np.array((factor, 1.0, stop, 0.0)), way)
    if abs(goal) > CENTER and arc < plan[lateral.BACK] < NEVER and plan[lateral.PRICE] == 0.0:
        # no room to go back: stay out and stop before the end
        stay = plan.copy()
        stay[lateral.BACK] = NEVER
        yield Option(ACROSS, with_stop(DRIVE_ON, wall(task, now, stay)), stay)


def transition(
    task: Task, now: Float, offset: float, begin: float, end: float, duration: float, price: float, clear: float
) -> Float | None:
    """The plan ``[12]`` to go over to an offset from arc ``begin`` on, and back to the way before arc ``end``.

    ``price`` is per second and metre; ``clear`` the arc from which on one comes back. None where there is no room.
    """
    speed = max(float(now[MOVING]), SLOWEST)
    late = begin > now[ARC] + 0.01
    if late and abs(now[SLOPE]) > 1e-6:
        return None
    plan = straight_plan(offset)
    plan[lateral.FROM], plan[lateral.FROM_SLOPE], plan[lateral.FROM_BEND] = now[OFFSET], now[SLOPE], now[BEND]
    if late:
        plan[[lateral.FROM_SLOPE, lateral.FROM_BEND]] = 0.0
    else:
        begin = float(now[ARC])
    run = max(speed * duration, shortest(offset - float(now[OFFSET])))
    plan[lateral.BEGIN], plan[lateral.RUN], plan[lateral.PRICE] = begin, run, price
    plan[lateral.CAP] = lateral.run_speed(
        run, plan[lateral.FROM], plan[lateral.FROM_SLOPE], plan[lateral.FROM_BEND], offset
    )
    if abs(offset) > CENTER and end < task.path.shape[0] * lateral.SPACING - 5.0:
        back = max(max(speed, 6.0) * np.sqrt(5.78 * abs(offset) / lateral.LATERAL), shortest(offset))
        room = end - (begin + run)
        if room < shortest(offset):
            return None
        back = min(back, room)
        at = min(max(clear, begin + run), end - back)
        plan[lateral.BACK], plan[lateral.BACK_RUN], plan[lateral.BACK_TO] = at, back, 0.0
        plan[lateral.BACK_CAP] = lateral.run_speed(back, offset, 0.0, 0.0, 0.0)
    return plan


def shortest(offset: float) -> float:
    """Length [m] of the shortest transition by an offset that can be steered."""
    return float(max(np.sqrt(5.78 * abs(offset) / TIGHTEST), 4.0))


def wall(task: Task, now: Float, plan: Float) -> float:
    """Arc length [m] before which the ego's front has to stop because its line ends there, or FAR."""
    if abs(plan[lateral.TO]) < CENTER or plan[lateral.BACK] < now[ARC]:
        return task.lane_end - STOP_SHORT if task.lane_end < FAR else FAR
    if plan[lateral.BACK] < NEVER:
        return FAR
    covering = task.beside[np.abs(task.beside[:, 2] - plan[lateral.TO]) < CENTER]
    ends = covering[covering[:, 1] > now[ARC], 1]
    if not len(ends) or ends.max() > task.path.shape[0] * lateral.SPACING - 5.0:
        return FAR
    return float(ends.min()) - shortest(plan[lateral.TO]) + PACIFICA.front - STOP_SHORT


def with_stop(candidate: Float, stop: float) -> Float:
    """The candidate with a place to stop."""
    if stop >= FAR:
        return candidate
    changed = candidate.copy()
    changed[2] = min(changed[2], stop)
    return changed


def is_settled(now: Float, plan: Float) -> bool:
    """True if the ego is on its own lane's line and nothing of its plan lies ahead."""
    return bool(abs(now[OFFSET]) < CENTER and abs(now[SLOPE]) < 1e-6 and lateral.is_straight(plan, now[ARC]))
