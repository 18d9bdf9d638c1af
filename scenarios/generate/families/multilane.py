"""Roads with several lanes one way, the lane beside the ego's, and when an undisturbed ego is where: F02, F03, F04,
F25."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from scenarios.generate.actors import Actor, strollers, traffic
from scenarios.generate.approach import set_off
from scenarios.generate.geometry import Float, smooth_step
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import ARTERIAL, COLLECTOR, RoadClass, draw_alignment, draw_layout, draw_section
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import Way, at_arc, ego_ways, random_way, resample
from scenarios.generate.reference import Style, draw_style, ego_path
from scenarios.generate.search import SPACING
from scenarios.generate.setting import Draws, Setting
from scenarios.generate.timing import RUN_IN, gathering, reach, run_up

EXPRESSWAY = RoadClass("expressway", (19.44, 22.22, 25.0), (2, 3), (3.5, 3.75), 1.0, 0.0, (0.0, 0.0), (12.0, 18.0), 0.0)
CLASS_BY_KNOB = (COLLECTOR, ARTERIAL, EXPRESSWAY)
ENTRY = (0.2, 0.5)  # share of the road's speed at which the ego begins the warm-up
BEARABLE = 30.0  # hazard: the reference brakes for what others can see too, not for what only it knows
SETTLING, STOPS_WITHIN = 1.34, 2.25  # s: ``v^2 / 4 + SETTLING v``, a stop's length [m]; as a time at the limit
BESIDE = {"F01": {"road_class": Knob(choices=(2,))}}  # under an event that needs a lane beside the ego's: arterials
SEAM = 12.0  # m at the ends of a lane that no event reaches into


@dataclass(frozen=True)
class Neighbour:
    """A lane beside the ego's, the same way.

    Attributes:
        lane: Index in the map.
        side: Its centre, from the ego's [m, left positive].
        low, high: Arc lengths [m] on the ego's way between which the two run side by side.
        shift: What to add to an arc length on the ego's way for that on the neighbour lane [m].
    """

    lane: int
    side: float
    low: float
    high: float
    shift: float


@dataclass(frozen=True)
class Clock:
    """Where an undisturbed ego is when; times [s] count from the scene's start, arc lengths [m] are the rear axle's."""

    stations: Float
    times: Float
    speeds: Float

    def arc(self, time: float) -> float:
        """Arc length at a time."""
        return float(np.interp(time, self.times, self.stations))

    def time(self, arc: float) -> float:
        """Time at an arc length."""
        return float(np.interp(arc, self.stations, self.times))

    def speed(self, arc: float) -> float:
        """Speed [m/s] at an arc length."""
        return float(np.interp(arc, self.stations, self.speeds))


def clock_of(setting: Setting) -> Clock:
    """The clock of a setting's ego, nobody being in its way: it gathers speed from where it begins."""
    path = ego_path(setting.way, setting.style)
    row = int(setting.arc / SPACING)
    speed, time = gathering(path[row:], setting.speed)
    return Clock(SPACING * np.arange(row, len(path)), time - RUN_IN + setting.rest, speed)


def neighbours(network: Network, way: Way, arc: float) -> list[Neighbour]:
    """The lanes beside a way at an arc length [m], the same way, on the road that it is on there."""
    number = int(np.searchsorted(way.begin, arc, side="right")) - 1
    begin = float(way.begin[number])
    end = float(way.begin[number + 1]) if number + 1 < len(way.begin) else way.length
    places = {lane: place for place, lane in network.road_lanes.items()}
    if way.lanes[number] not in places:
        return []
    road, forward, index = places[way.lanes[number]]
    found = []
    x, y, heading = at_arc(way, arc)[:3]
    for other in (index - 1, index + 1):
        lane = network.road_lanes.get((road, forward, other))
        if lane is None:
            continue
        curve = network.curves[lane]
        row = int(np.hypot(curve[:, 0] - x, curve[:, 1] - y).argmin())
        dx, dy = curve[row, :2] - (x, y)
        side = float(dy * np.cos(heading) - dx * np.sin(heading))
        along = float(np.hypot(*np.diff(curve[: row + 1, :2], axis=0).T).sum())
        found.append(Neighbour(lane, side, begin + SEAM, end - SEAM, along - arc))
    return found


def draw_road(
    knobs: Mapping[str, float],
    draws: Draws,
    lanes: int,
    *,
    style: dict[str, float] | None = None,
    ahead: float = 24.0,
    pace: tuple[float, float] | None = None,
) -> Setting | None:
    """An empty road of ``lanes`` lanes each way and an ego that drives on it undisturbed.

    Knobs read: ``road_class``, ``bends``, ``junction`` and ``lane`` (which lane the ego is in). It begins at a share of
    the road's speed, so that it is still gathering speed when the scene starts. ``ahead`` [s] at the limit is how far
    the road goes on without a junction. With ``pace`` it sets off during the run-in, and that is the range of its speed
    when the scene starts, as a share of :func:`quickest`.
    """
    rng = draws("map")
    road = CLASS_BY_KNOB[int(knobs["road_class"])]
    section = draw_section(road, rng, lanes)
    junctions = int(knobs["junction"]) if road is not EXPRESSWAY else 0
    first = run_up(section.limit) + section.limit * (RUN_IN + (14.0 if junctions else ahead)) + 120.0
    alignment = draw_alignment(first, section.limit, rng, int(knobs["bends"]), (0.1, 0.6))
    layout = draw_layout(section, road, rng, first=first, junctions=junctions, bends=1, first_road=alignment)
    arc = run_up(section.limit)
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), arc + RUN_IN * section.limit)
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[int(knobs["lane"] * len(ways))]
    driver: Style = draw_style(draws("style"), **(style or {}))
    path = ego_path(way, driver)
    entry, rest = float(rng.uniform(*(pace or ENTRY))), 0.0
    if pace is None:
        entry *= float(path[int(arc / SPACING), 4])
    else:
        entry, rest = set_off(path, arc, entry * quickest(section.limit), driver.acceleration)
    return Setting(network, way, arc, entry, driver, [], [], rest=rest)


def quickest(limit: float) -> float:
    """Speed [m/s] at the start from which a comfortable stop gets a fifth as far as one gets in a scene that costs some
    time, on a road of this ``limit`` [m/s]."""
    return float(2.0 * (np.sqrt(SETTLING**2 + STOPS_WITHIN * limit) - SETTLING))


def with_background(setting: Setting, draws: Draws, density: float, taken: list[tuple[int, float, float]]) -> Setting:
    """The setting with unrelated traffic and people on the walkways; ``taken``: stretches of lanes that stay free."""
    network, limit = setting.network, float(setting.way.limit[0])
    middle = at_arc(setting.way, setting.arc + RUN_IN * setting.speed)[:2]
    cast = draws("background")
    others = traffic(network, draws("traffic"), density, middle, reach(limit), 22, taken)
    others += strollers(network, draws("strollers"), int(cast.integers(0, 4)), middle, 70.0)
    return replace(setting, actors=[*setting.actors, *others])


def neighbour_way(network: Network, neighbour: Neighbour, rng: np.random.Generator) -> Way:
    """A way along a neighbour lane and straight on behind it."""
    return random_way(network, neighbour.lane, rng, through=0.9)


def first_index(setting: Setting) -> int:
    """The index that the next actor added to a setting will have."""
    return len(setting.actors)


def with_event(
    setting: Setting, actors: list[Actor], events: list[tuple[float, ...]], arc: float, facts: dict[str, float]
) -> Setting:
    """The setting with an event's actors (they begin at :func:`first_index`) and orders."""
    rows = [tuple(float(value) for value in event) for event in events]
    return replace(
        setting,
        actors=[*setting.actors, *actors],
        events=[*setting.events, *rows],
        event=arc if setting.event is None else setting.event,
        bearable=max(setting.bearable, BEARABLE),
        facts={**setting.facts, **facts},
    )


def changing_way(way: Way, neighbour: Neighbour, other: Way, begin: float, length: float) -> Way:
    """Along ``way`` up to ``begin`` [m], over to the neighbour lane within ``length`` [m], and on along ``other``, the
    way of that lane."""
    stations = np.arange(0.0, begin + length, SPACING)
    across = neighbour.side * smooth_step(np.clip((stations - begin) / length, 0.0, 1.0))
    first = resample(way.curve, way.arc, stations)
    normal = np.column_stack((-np.sin(first[:, 2]), np.cos(first[:, 2])))
    rest = np.arange(stations[-1] + SPACING + neighbour.shift, other.length, SPACING)
    points = np.concatenate((first[:, :2] + across[:, None] * normal, resample(other.curve, other.arc, rest)[:, :2]))
    limit = np.concatenate((np.interp(stations, way.arc, way.limit), np.interp(rest, other.arc, other.limit)))
    arc = np.concatenate(((0.0,), np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    heading = np.unwrap(np.arctan2(np.gradient(points[:, 1], arc), np.gradient(points[:, 0], arc)))
    curve = np.column_stack((points, heading, np.gradient(heading, arc)))
    return Way(other.lanes, curve, arc, limit, np.zeros(len(other.lanes)))
