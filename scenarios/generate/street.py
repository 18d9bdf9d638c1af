"""A two-lane street on which something happens at one place: the stage that several families share."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, parked, strollers, traffic
from scenarios.generate.layout import COLLECTOR, RESIDENTIAL, RURAL, RoadClass, draw_layout, draw_section
from scenarios.generate.network import build_network
from scenarios.generate.paths import at_arc, ego_ways
from scenarios.generate.reference import draw_style, ego_path
from scenarios.generate.setting import Draws, Setting
from scenarios.generate.timing import FUTURE, RUN_IN, ego_start, reach, run_up

RETURN = 30.0  # m after the place in which one comes back to the lane
CLASSES: tuple[RoadClass, ...] = (RESIDENTIAL, COLLECTOR, RURAL)


def street(
    draws: Draws,
    kind: int,
    arrival: float,
    room: float,
    length: float,
    bends: int,
    density: float,
    *,
    most_limit: float = 12.0,
    borrow: bool = True,
    rest: tuple[float, float] | None = None,
    section: Mapping[str, Any] | None = None,
) -> tuple[Setting, float] | None:
    """A two-lane street of class ``kind`` (residential, collector, rural) and the arc length [m] of its place.

    The ego's front is ``room`` [m] before the place ``arrival`` [s] after the start if nothing holds it up; what
    happens lasts ``length`` [m]. ``section`` replaces fields of the cross-section, ``borrow`` gives the centre line
    dashes. With ``rest`` the ego sets off that long [s] after the beginning of the warm-up: what it meets soon is then
    near its first place, and who never gets past has got nowhere. The lane of the ego is empty ahead of it, and nobody
    parks near the place or where one comes back to the lane. None where the geometry does not close.
    """
    rng, road = draws("map"), CLASSES[kind]
    limit = float(rng.choice([item for item in road.limits if item < most_limit] or [road.limits[0]]))
    lanes = replace(draw_section(road, rng, lanes=1, limit=limit), median=0.0, **(section or {}))
    style = draw_style(draws("style"))
    station = run_up(limit) + limit * (RUN_IN + arrival + 3.0)
    layout = draw_layout(
        lanes, road, rng, first=station + length + limit * (FUTURE + 7.0) + 90.0, junctions=0, bends=bends
    )
    network = build_network(replace(layout, borrow=borrow), float(rng.uniform(-np.pi, np.pi)), run_up(limit))
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[0]
    entry = float(draws("entry").uniform(0.1, 0.9)) if rest is None else 0.0
    stands = 0.0 if rest is None else float(draws("set-off").uniform(*rest))
    start = ego_start(ego_path(way, style), station - room - PACIFICA.front, arrival, entry, stands)
    if start is None:
        return None
    arc, speed = start
    middle = at_arc(way, station + length / 2)[:2]
    taken = [(way.lanes[0], arc - 15.0, way.length)]
    actors: list[Actor] = traffic(network, draws("traffic"), density, middle, reach(limit), 10, taken)
    actors += strollers(network, draws("strollers"), int(draws("count").integers(0, 5)), middle, 60.0)
    keep = np.array([at_arc(way, arc)[:2] for arc in np.arange(station, station + length + RETURN, 9.0)])
    bays = parked(network, draws("parked"), float(draws("occupancy").uniform(0.3, 0.9)), keep, clear=14.0)
    actors += [item for item in bays if np.hypot(*(item.pose[:2] - middle)) < 90.0][:30]
    return Setting(network, way, arc, speed, style, actors, [], rest=stands), station
