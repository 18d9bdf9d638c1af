"""Streets with parked vehicles: a stretch of road to stage something on, the row at its kerb, and how fast sight allows
to pass it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from drive.map import Area, Layer
from drive.scene import Action, AgentKind, Trigger
from scenarios.generate.actors import Actor, draw_size, parked, standing, strollers, traffic
from scenarios.generate.approach import Approach, Meeting, approach
from scenarios.generate.geometry import Float, lengths, offset
from scenarios.generate.junction import Section
from scenarios.generate.layout import COLLECTOR, GUTTER, RESIDENTIAL, draw_layout, draw_section
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import Way, at_arc, ego_ways
from scenarios.generate.reference import Style, draw_style, ego_path
from scenarios.generate.setting import Draws, Setting
from scenarios.generate.timing import RUN_IN, reach, run_up

BRAKING, REACTION = 5.0, 0.5  # m/s2, s: what one counts on when something steps out
PACE = (0.38, 0.52)  # share of the limit at the scene's start: from faster, stopping at once would get far
PEEK = 0.25  # m behind the row's edge where the middle of somebody who steps out is first looked for


@dataclass(frozen=True)
class Street:
    """A street of one lane per direction and the place of the event on the ego's way: arc length ``event`` [m]."""

    network: Network
    way: Way
    style: Style
    path: Float
    event: float
    section: Section

    @property
    def edge(self) -> float:
        """Distance [m] from the middle of the ego's lane to the kerb line."""
        return self.section.width / 2 + GUTTER

    def meeting(self, drive: Approach, ahead: float = 0.0) -> Meeting:
        """What happens ``ahead`` [m] of the place of the event, to an ego that drives like ``drive``."""
        return Meeting(drive, self.way, self.event + ahead)

    def beside(self, arc: float, distance: float) -> Float:
        """Pose ``[3]`` at ``arc`` [m] of the way, ``distance`` [m] towards the ego's kerb, looking along the way."""
        pose: Float = offset(at_arc(self.way, arc)[None], self.network.side * distance)[0, :3]
        return pose

    @property
    def top(self) -> float:
        """Speed [m/s] of an undisturbed ego at the event."""
        return float(np.interp(self.event, 0.5 * np.arange(len(self.path)), self.path[:, 4]))


def draw_street(
    draws: Draws, knobs: Mapping[str, float], parking: bool = True, limits: tuple[float, ...] = ()
) -> Street | None:
    """A street from the knobs ``road_class``, ``arrival`` and ``bends``, its event in mid-block; None: try again.

    ``limits`` [m/s] replace those of the class.
    """
    rng = draws("map")
    road = (RESIDENTIAL, COLLECTOR)[int(knobs["road_class"])]
    section = draw_section(road, rng, lanes=1, limit=float(rng.choice(limits)) if limits else None)
    strip = float(rng.uniform(2.3, 2.9))
    section = replace(section, median=0.0, parking=strip if parking else 0.0)
    if not parking:
        section = replace(section, walkway=0.0)
    station = run_up(section.limit) + section.limit * (RUN_IN + knobs["arrival"] + 1.0)
    junctions = int(rng.random() < 0.5)
    first = station + (float(rng.uniform(70.0, 110.0)) if junctions else section.limit * 23.0 + 80.0)
    layout = draw_layout(section, road, rng, first=first, junctions=junctions, bends=int(knobs["bends"]))
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), run_up(section.limit) + RUN_IN * section.limit)
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[0]
    curve = network.roads[0].curve
    place = curve[int(np.searchsorted(lengths(curve), station)), :2]
    event = float(way.arc[int(np.hypot(*(way.curve[:, :2] - place).T).argmin())])
    style = draw_style(draws("style"))
    return Street(network, way, style, ego_path(way, style), event, section)


def street_of(setting: Setting, arc: float) -> Street | None:
    """The street of somebody else's setting around ``arc`` [m] of its way; None where there is no kerb to stand at.

    That takes 45 m of one lane's road with parking strips, without junction or crossing, on either side.
    """
    network, way = setting.network, setting.way
    lane = int(np.searchsorted(way.begin, arc, side="right")) - 1
    end = way.begin[lane + 1] if lane + 1 < len(way.begin) else way.length
    road = next((key for key, value in network.road_lanes.items() if value == way.lanes[lane]), None)
    if road is None or arc - 45.0 < way.begin[lane] or arc + 45.0 > end or arc < setting.arc + 60.0:
        return None
    section = network.roads[road[0]].section
    middle = at_arc(way, arc)[:2]
    marked = [item.line.mean(axis=0) for item in network.crossings]
    near = [place for place in marked if np.hypot(*(place - middle)) < 45.0]
    if near or section.forward != 1 or section.parking <= 0.0:
        return None
    return Street(network, way, setting.style, ego_path(way, setting.style), arc, section)


def insist(cast: list[Actor]) -> list[Actor]:
    """Actors laid over somebody else's street: whoever is parked where they are gives way to them."""
    return [replace(actor, first=True) for actor in cast]


def draw_approach(street: Street, arrival: float, draws: Draws) -> Approach | None:
    """An ego that is at the event ``arrival`` seconds after the start; None where the road is too short."""
    pace = street.section.limit * float(draws("entry").uniform(*PACE))
    return approach(street.path, street.event, arrival, pace, street.style.acceleration)


def populate(
    street: Street, drive: Approach, knobs: Mapping[str, float], draws: Draws, actors: list[Actor], taken: Float
) -> list[Actor]:
    """The event's actors and everybody else around an ego that drives like ``drive``.

    ``taken [C, 2]`` are places where nobody else parks.
    """
    arc, speed, _ = drive.begin
    network, middle = street.network, at_arc(street.way, street.event)[:2]
    clear = (street.way.lanes[0], arc - 9.0 - 0.9 * speed, street.event + 45.0)
    limit = street.section.limit
    found = list(actors)
    found += traffic(network, draws("traffic"), knobs["density"], middle, reach(limit), 12, [clear])
    found += strollers(network, draws("strollers"), int(draws("count").integers(0, 5)), middle, 60.0)
    keep_clear = np.concatenate((taken, *(item.line.mean(axis=0)[None] for item in network.crossings)))
    bays = parked(network, draws("parked"), float(draws("occupancy").uniform(0.3, 0.9)), keep_clear, clear=5.0)
    return found + [item for item in bays if np.hypot(*(item.pose[:2] - middle)) < 90.0][:30]


def kerb_setting(
    street: Street, drive: Approach, actors: list[Actor], events: list[tuple[float, ...]], wait: float
) -> Setting:
    """The setting of an ego that drives like ``drive`` and may wait ``wait`` [m] before the place of the event, where
    much is hidden."""
    arc, speed, rest = drive.begin
    return Setting(
        street.network,
        street.way,
        arc,
        speed,
        street.style,
        actors,
        events,
        event=street.event,
        rest=rest,
        occlusion=True,
        holds=(street.event - wait,),
    )


def hold(index: int) -> tuple[float, ...]:
    """Script: who is in row ``index`` stands there until they are told otherwise."""
    return (float(index), Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 3.0, 0.0)


def hedge(street: Street, begin: float, end: float, away: float) -> Area:
    """A hedge or garden wall ``away`` [m] behind the kerb line, between two arc lengths [m]."""
    stations = np.linspace(begin, end, 8)
    near = [street.beside(arc, street.edge + away)[:2] for arc in stations]
    far = [street.beside(arc, street.edge + away + 1.0)[:2] for arc in stations[::-1]]
    return Area(Layer.OCCLUDER, (np.array(near + far),))


def park_row(
    street: Street, rng: np.random.Generator, begin: float, count: int, forward: bool, away: float
) -> tuple[list[Actor], float]:
    """``count`` parked cars in a row from ``begin`` [m] on along the way (or back), and where the row ends [m].

    ``away`` [m] is how far their flanks stand from the kerb line.
    """
    sign, place, found = 1.0 if forward else -1.0, begin, []
    for _ in range(count):
        length, width = draw_size(AgentKind.CAR, rng)
        width = min(width, street.section.parking - 0.1) if street.section.parking else width
        pose = street.beside(place + sign * length / 2, street.edge + away + width / 2)
        found.append(standing(AgentKind.CAR, (length, width), pose, "parked"))
        place += sign * (length + float(rng.uniform(0.6, 1.4)))
    return found, place


def places(street: Street, begin: float, end: float, distance: float) -> Float:
    """Places ``[C, 2]`` every 3 m between two arc lengths, ``distance`` [m] towards the ego's kerb."""
    return np.array([street.beside(arc, distance)[:2] for arc in np.arange(begin, end + 3.0, 3.0)])


def sight_speed(gap: float, distance: float) -> float:
    """Speed [m/s] at which one can still stop for somebody who steps out of a gap of ``gap`` [m] in a row whose flanks
    are ``distance`` [m] from the eye's way.

    ``v = -b tau + sqrt((b tau)^2 + 2 b d)`` with the way d [m] from which somebody in the middle of the gap is seen, a
    little behind the row's edge.
    """
    sight = 0.5 * gap * (distance + PEEK) / PEEK
    slow = BRAKING * REACTION
    return float(-slow + np.sqrt(slow**2 + 2.0 * BRAKING * sight))
