"""Flows across a junction that the ego meets: gaps drawn as times, and the vehicles that come by at them."""

from dataclasses import dataclass, replace

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Trigger
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.crossroads import Crossroads
from scenarios.generate.reference import Style, ego_path, free_times
from scenarios.generate.search import SPACING
from scenarios.generate.timing import RUN_IN

Rng = np.random.Generator

HEADWAY, REST = 0.8, 1.5  # s, m: how closely vehicles of a stream follow
DAWDLING = 2.0  # s


def draw_gaps(
    rng: Rng, anchor: float, until: float, median: float, spread: float, most: float, best: float, best_from: float
) -> list[float]:
    """Times [s] at which vehicles of a flow come by: log-normal gaps below ``most``, and one of ``best`` [s].

    One comes at ``anchor``, and one at ``best_from`` (a little later if that is too close to the one before), who is
    followed by the best gap: nobody has to wait for longer than the scene means it.
    """

    def gap() -> float:
        return float(np.clip(rng.lognormal(np.log(median), spread), min(1.2, 0.5 * most), most))

    times = [anchor]
    while times[0] > -1.0:
        times.insert(0, times[0] - gap())
    used = False
    while times[-1] < until:
        if not used and times[-1] >= best_from:
            times.append(times[-1] + best)
            used = True
        else:
            following = times[-1] + gap()
            if not used:
                following = min(following, max(best_from, times[-1] + 1.2))
            times.append(following)
    return times


@dataclass(frozen=True)
class Passing:
    """One vehicle of a flow: it takes ``connector`` and its front is at the conflict with the ego's way at ``time`` [s]
    after the start."""

    connector: int
    time: float
    kind: AgentKind = AgentKind.CAR
    role: str = "flow"


def flow(
    cross: Crossroads, passing: list[Passing], rng: Rng, factor: float = 0.95, *, critical: bool = False
) -> tuple[list[Actor], list[float]]:
    """Vehicles that come by at given times if nobody hinders them, all at ``factor`` times the limit, and their times.

    Those that do not fit (too close, or they would begin beyond the map) are left out.

    Followers get a desired speed that makes up for what their distance costs them, so that the gaps stay as drawn.
    """
    found: list[Actor] = []
    kept: list[float] = []
    last: dict[int, float] = {}  # incoming lane -> time of the vehicle before
    for item in sorted(passing, key=lambda one: one.time):
        way = cross.way_through(item.connector)
        meeting = cross.meeting(item.connector)
        size = draw_size(item.kind, rng)
        if meeting is None:
            continue
        path = ego_path(way, Style(factor=factor))
        times, stations = free_times(path), SPACING * np.arange(len(path))
        begin = float(np.interp(meeting[1][0] - size[0] / 2, stations, times)) - item.time - RUN_IN
        arc = float(np.interp(begin, times, stations))
        lane = way.lanes[0]
        if begin < 0.0 or arc < size[0] / 2 + 1.0 or item.time - last.get(lane, -np.inf) < 1.2:
            continue
        speed = float(np.interp(arc, stations, path[:, 4]))
        gap = (item.time - last.get(lane, -np.inf)) * speed - size[0]
        share = min((REST + HEADWAY * speed) / max(gap, 0.1), 0.85)
        wanted = min(factor * (1.0 - share * share) ** -0.25, 1.3)
        driver = {
            Driver.SPEED_FACTOR: wanted,
            Driver.HEADWAY: HEADWAY,
            Driver.GAP: REST,
            Driver.NOISE: 0.3,
            Driver.REACTION: 0.3,
            Driver.LATERAL_ACCELERATION: 2.0,
        }
        actor = driving(way, arc, speed, item.kind, size, role=item.role, critical=critical, driver=driver)
        if actor is not None:
            last[lane] = item.time
            found.append(actor)
            kept.append(item.time)
    return found, kept


def dawdle(row: int, time: float, speed: float) -> list[tuple[float, ...]]:
    """Script of the vehicle of a flow that would come by at ``time`` [s] at ``speed`` [m/s]: it slows down on its way
    as if it were about to turn off or to let somebody go, and then makes up its mind. It loses about ``DAWDLING`` s.

    Who takes it to go on as slowly as that sees a gap where there is none.
    """
    slow, fast = max(time - 4.0, 0.2), max(time - 0.6, 0.4)
    return [
        (float(row), Trigger.TIME, slow, 0.0, 0.0, slow, Action.SPEED, 2.5, 0.3 * speed),
        (float(row), Trigger.TIME, fast, 0.0, 0.0, fast, Action.SPEED, 2.8, 1.1 * speed),
        (float(row), Trigger.TIME, time + 4.0, 0.0, 0.0, time + 4.0, Action.NORMAL, 0.0, 0.0),
    ]


def insist(
    actors: list[Actor], limit: float, share: float, rng: Rng, rows: tuple[int, ...] = ()
) -> tuple[list[Actor], list[tuple[float, ...]]]:
    """Let a ``share`` of a flow, and ``rows`` of it, drive as if nobody could come their way.

    They have the right of way and do not look. They keep ``limit`` [m/s] as far as who is ahead of them allows, and
    disregard lights as well: for flows that have green throughout. Returns all actors and the scripts.
    """
    found: list[Actor] = []
    events: list[tuple[float, ...]] = []
    for row, actor in enumerate(actors):
        if rng.random() < share or row in rows:
            events.append((float(row), Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 1.0, limit))
            actor = replace(actor, driver=actor.driver | {Driver.COURTESY: 0.0})
        found.append(actor)
    return found, events
