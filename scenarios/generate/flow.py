"""Streams: vehicles that pass a place one after the other, with one gap that is long enough."""

from collections.abc import Mapping

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Trigger
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.geometry import Float
from scenarios.generate.paths import Way, at_arc

Rng = np.random.Generator

CENTRED = 8  # attempts


def eased(opening: float, attempt: int) -> float:
    """A gap, over the needed one, that grows from the fourth attempt at a scene on: nobody got into those before."""
    return max(opening, min(opening + 0.06 * max(attempt - 3, 0), 1.7))


def opening_beside(abreast: float, length: float, ahead: bool, attempt: int) -> tuple[float, float]:
    """From when to when [s] a gap of ``length`` [s] passes an ego: it begins or (``ahead``) ends ``abreast`` [s] after.

    The last attempts at a scene have it right beside the ego.
    """
    if attempt >= CENTRED:
        return -0.5 * length, 0.5 * length
    return (abreast - length, abreast) if ahead else (abreast, abreast + length)


def flow_times(
    rng: Rng, opening: tuple[float, float], gaps: tuple[float, float, float, float], span: tuple[float, float]
) -> Float:
    """Times [s] at which vehicles pass a place: none within ``opening``, short gaps before and after it.

    ``gaps``: median and log-deviation of the time gaps, the least and the most [s]; ``span``: first and last time.
    """
    median, deviation, least, most = gaps

    def gap() -> float:
        return float(np.clip(rng.lognormal(np.log(median), deviation), least, most))

    before, after = [opening[0]], [opening[1]]
    while before[-1] > span[0]:
        before.append(before[-1] - gap())
    while after[-1] < span[1]:
        after.append(after[-1] + gap())
    times = np.array([*before[::-1], *after])
    return times[(times >= span[0]) & (times <= span[1])]


def close_up(actors: list[Actor], way: Way, arc: float, speed: float, rng: Rng) -> list[tuple[float, ...]]:
    """Script of the vehicle on ``way`` next behind ``arc`` [m]: shortly after the start it closes the gap before it.

    Room is then behind it. ``actors`` drive ``speed`` [m/s]; no rows where nobody is behind.
    """
    x, y, heading = at_arc(way, arc)[:3]
    best, nearest = -1, 40.0
    for row, actor in enumerate(actors):
        ahead = float((actor.pose[0] - x) * np.cos(heading) + (actor.pose[1] - y) * np.sin(heading))
        on_way = np.hypot(way.curve[:, 0] - actor.pose[0], way.curve[:, 1] - actor.pose[1]).min() < 1.0
        if on_way and 0.0 < -ahead < nearest:
            best, nearest = row, -ahead
    if best < 0:
        return []
    begin = float(rng.uniform(0.2, 1.5))
    end = begin + float(rng.uniform(2.5, 4.0))
    faster = speed * float(rng.uniform(1.3, 1.6))
    return [
        (float(best), float(Trigger.TIME), begin, 0.0, 0.0, begin, float(Action.SPEED), 2.0, faster),
        (float(best), float(Trigger.TIME), end, 0.0, 0.0, end, float(Action.NORMAL), 0.0, 0.0),
    ]


def platoon(
    way: Way,
    at: float,
    times: Float,
    speed: float,
    rng: Rng,
    *,
    trucks: float = 0.1,
    behind: float = 25.0,
    role: str = "stream",
    driver: Mapping[Driver, float] | None = None,
) -> list[Actor]:
    """Vehicles that drive ``speed`` [m/s] and whose middles pass ``at`` [m] at ``times`` [s] from the beginning.

    Those that would begin less than ``behind`` [m] from the beginning of the way are left out, and so are those that
    would begin on top of the one ahead.
    """
    found: list[Actor] = []
    rear = np.inf
    for moment in times:
        kind = AgentKind.TRUCK if rng.random() < trucks else AgentKind.CAR
        size = draw_size(kind, rng)
        arc = at - speed * float(moment)
        if arc < behind or arc + size[0] / 2 + 2.0 > rear:
            continue
        factor = speed / float(np.interp(arc, way.arc, way.limit))
        chosen = {Driver.SPEED_FACTOR: factor, Driver.HEADWAY: 0.7, Driver.GAP: 1.5, Driver.LANE_BIAS: 0.0}
        actor = driving(way, arc, speed, kind, size, role=role, driver=chosen | dict(driver or {}))
        if actor is not None:
            found.append(actor)
            rear = arc - size[0] / 2
    return found
