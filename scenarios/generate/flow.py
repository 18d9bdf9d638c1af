"""Streams: vehicles that pass a place one after the other, with one gap that is long enough."""

from collections.abc import Mapping

import numpy as np

from drive.drivers import Driver
from drive.scene import AgentKind
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.geometry import Float
from scenarios.generate.paths import Way

Rng = np.random.Generator


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
