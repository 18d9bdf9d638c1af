"""A junction that the ego meets on purpose: on the major or a minor leg, straight on or turning, and who comes its way.

Families that play at a junction share this: they name shape, control and the ego's movement and get the map, the ego's
way, and for every other movement where it meets the ego's.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from drive.drivers import Driver
from drive.scene import DT, AgentKind
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving, parked, strollers, traffic
from scenarios.generate.geometry import Float, lengths
from scenarios.generate.junction import Control, LegPlan, Movement, Section
from scenarios.generate.layout import JunctionDraw, Layout, RoadClass, draw_alignment, stub_length
from scenarios.generate.network import Network, build_network
from scenarios.generate.paths import Way, at_arc, ego_ways, way_along
from scenarios.generate.reference import Style, draw_style, ego_path
from scenarios.generate.search import LOOK, SPACING
from scenarios.generate.setting import Draws, Setting
from scenarios.generate.timing import RUN_IN, reach, run_up

Rng = np.random.Generator


class Shape(Enum):
    """Legs of a junction as the ego sees them."""

    CROSS = (Movement.RIGHT, Movement.THROUGH, Movement.LEFT)
    STEM = (Movement.RIGHT, Movement.LEFT)
    SIDE_RIGHT = (Movement.RIGHT, Movement.THROUGH)
    SIDE_LEFT = (Movement.THROUGH, Movement.LEFT)


@dataclass(frozen=True)
class Wish:
    """What a family wants of its junction.

    Attributes:
        shape: Legs beside the ego's own.
        control: Who decides.
        turn: What the ego does there; one of the shape's movements.
        minor: True where the ego comes by the minor road.
        arrival: Time [s] after the start at which an undisturbed ego's front is at the line.
        crosswalks: True for a marked crossing on every leg, else none.
        corner: Range of kerb radii [m]; None: the road class's.
        shift: How far the road opposite lies to the left [m].
    """

    shape: Shape
    control: Control
    turn: Movement
    minor: bool
    arrival: float
    crosswalks: bool = False
    corner: tuple[float, float] | None = None
    shift: float = 0.0


@dataclass(frozen=True)
class Crossroads:
    """A junction on the ego's way; leg 0 is the ego's, junction 0 the only one.

    Attributes:
        network, way, style, path: Map and the ego's drive through it.
        arc, speed, rest: Where the ego begins [m], how fast [m/s], and how long it stands there [s].
        line: Arc length [m] of the ego's line.
        own: Number of the ego's connector.
    """

    network: Network
    way: Way
    style: Style
    path: Float
    arc: float
    speed: float
    rest: float
    line: float
    own: int

    def setting(self, actors: list[Actor], events: list[tuple[float, ...]], **traits: Any) -> Setting:
        """The setting of the ego's drive with these actors and scripts; its event is at the ego's line.

        ``traits`` are further attributes of :class:`Setting`.
        """
        return Setting(
            self.network,
            self.way,
            self.arc,
            self.speed,
            self.style,
            actors,
            events,
            rest=self.rest,
            event=self.line,
            **traits,
        )

    @property
    def exit_leg(self) -> int:
        """Leg by which the ego leaves."""
        return self.network.junctions[0].connectors[self.own].leg_out

    def leg(self, movement: Movement) -> int | None:
        """Number of the leg to which one gets from the ego's by a movement, or None."""
        legs = {
            item.leg_out
            for item in self.network.junctions[0].connectors
            if item.leg_in == 0 and item.movement is movement
        }
        return min(legs) if legs else None

    def meeting(self, connector: int) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Where the ego's way and the way through a connector meet: (from, to) [m] on the ego's way and on the
        other's :func:`way_through`; None if they do not cross or merge."""
        for conflict in self.network.junctions[0].conflicts:
            if conflict.kind != "diverge" and {conflict.first, conflict.second} == {connector, self.own}:
                mine, others = conflict.on_first, conflict.on_second
                if conflict.first != self.own:
                    mine, others = others, mine
                lane = self.network.map.lane_predecessors(self.network.connector_lanes[0, connector])[0]
                other_line = float(lengths(self.network.curves[lane])[-1])
                return (
                    (self.line + mine[0], self.line + mine[1]),
                    (other_line + others[0], other_line + others[1]),
                )
        return None

    def movement(self, connector: int) -> Movement:
        """What a connector does."""
        return self.network.junctions[0].connectors[connector].movement

    def movements(self, leg: int) -> list[int]:
        """Connectors from a leg that cross or merge with the ego's."""
        return [
            number
            for number, item in enumerate(self.network.junctions[0].connectors)
            if item.leg_in == leg and self.meeting(number) is not None
        ]

    def way_through(self, connector: int) -> Way:
        """Incoming lane, connector and outgoing lane as one way."""
        lane = self.network.connector_lanes[0, connector]
        before, after = self.network.map.lane_predecessors(lane)[0], self.network.map.lane_successors(lane)[0]
        return way_along(self.network, [int(before), lane, int(after)])

    def ego_time(self, arc: float) -> float:
        """Time [s] after the start at which the front of an undisturbed ego is at an arc length of its way."""
        driven = set_off(self.path, self.arc, self.speed, self.style.acceleration)
        return DT * float(np.searchsorted(driven, arc - PACIFICA.front)) - RUN_IN + self.rest

    def estimate(self, arc: float, ahead: float) -> float:
        """Arrival time [s] at ``arc`` that a trigger reads ``ahead`` [s] before an undisturbed ego's front is there.

        A trigger takes the ego to keep its speed, at least half the limit; an ego that gathers speed comes sooner.
        """
        driven = set_off(self.path, self.arc, self.speed, self.style.acceleration)
        step = round((self.ego_time(arc) - ahead + RUN_IN - self.rest) / DT)
        step = min(max(step, 1), len(driven) - 1)
        speed = float(driven[step] - driven[step - 1]) / DT
        limit = float(np.interp(arc, self.way.arc, self.way.limit))
        return float(arc - PACIFICA.front - driven[step]) / max(speed, 0.5 * limit)


def draw_crossroads(
    wish: Wish, road: RoadClass, section: Section, side: Section, rng: Rng, straight: Section | None = None
) -> JunctionDraw:
    """The junction of a wish: ``section`` on the ego's road, ``side`` on the other one, ``straight`` on the leg
    opposite where it is not the ego's road that goes on."""
    skew = float(np.clip(rng.normal(0.0, np.radians(9.0)), -np.radians(20.0), np.radians(20.0)))
    bend = float(np.clip(rng.normal(0.0, np.radians(4.0)), -np.radians(9.0), np.radians(9.0)))
    angle = {Movement.RIGHT: -np.pi / 2 + skew, Movement.THROUGH: bend, Movement.LEFT: np.pi / 2 + skew}
    plans = [LegPlan(np.pi, 0.0, section.reversed(), wish.crosswalks)]
    for movement in wish.shape.value:
        here = (straight or section) if movement is Movement.THROUGH else side
        shift = wish.shift if movement is Movement.THROUGH else 0.0
        plans.append(LegPlan(angle[movement], shift, here, wish.crosswalks))
    across = tuple(n for n, movement in enumerate(wish.shape.value, start=1) if movement is not Movement.THROUGH)
    along = (0, *(n for n in range(1, len(plans)) if n not in across))
    corner = road.corner if wish.corner is None else wish.corner
    return JunctionDraw(
        tuple(plans),
        tuple(float(rng.uniform(*corner)) for _ in plans),
        float(rng.uniform(2.5, 4.0)),
        float(rng.uniform(1.0, 2.0)),
        wish.control,
        wish.shape.value.index(wish.turn) + 1,
        across if wish.minor else along,
    )


def stage_crossroads(
    wish: Wish,
    road: RoadClass,
    section: Section,
    side: Section,
    draws: Draws,
    *,
    straight: Section | None = None,
    lane: float = 0.5,
    rest: tuple[float, float] = (1.2, 3.0),
    pace: float = 0.0,
    **style: float,
) -> Crossroads | None:
    """Build the junction of a wish and put the ego before it, or None where that does not work.

    ``rest`` is the range of times [s] after the beginning of the warm-up at which the ego sets off; it should be early
    where nobody has to wait, or one who keeps the speed of the first moment meets nobody. For the same reason an ego
    that would be slower than ``pace`` [m/s] at the scene's start is rolling when the warm-up begins. ``lane`` in [0, 1)
    picks one of the ego's lanes that allow its turn; ``style`` fixes traits of the ego.
    """
    rng = draws("map")
    draw = draw_crossroads(wish, road, section, side, rng, straight)
    limits = [plan.section.limit for plan in draw.plans]
    first = max(run_up(section.limit) + section.limit * (RUN_IN + wish.arrival + 1.0), stub_length(max(limits)))
    bent = wish.arrival * section.limit > 60.0
    roads = (
        draw_alignment(first, section.limit, rng, int(bent and rng.random() < 0.65), (0.12, 0.4)),
        draw_alignment(stub_length(max(limits)) + 60.0, limits[draw.exit], rng, 1, (0.15, 0.4)),
    )
    stubs = {
        leg: draw_alignment(stub_length(max(limits)), plan.section.limit, rng, 1, (0.05, 0.35))
        for leg, plan in enumerate(draw.plans)
        if leg not in (0, draw.exit)
    }
    layout = Layout(section, roads, (draw,), None, (stubs,), bool(rng.random() < 0.3), False)
    network = build_network(layout, float(rng.uniform(-np.pi, np.pi)), first - section.limit * wish.arrival)
    if network is None or not (ways := ego_ways(network)):
        return None
    way = ways[int(lane * len(ways))]
    traits = draw_style(draws("style"), **style)
    path = ego_path(way, traits)
    line = float(way.begin[1])
    speed, arc, stands = 0.0, line - 60.0, float(draws("set-off").uniform(*rest))
    for _ in range(4):
        driven = set_off(path, arc, speed, traits.acceleration)
        begin = round((RUN_IN - stands) / DT)
        if (missing := pace - float(driven[begin + 1] - driven[begin]) / DT) > 0.05:
            speed, stands = max(speed + missing, 0.5), 0.0
            driven = set_off(path, arc, speed, traits.acceleration)
        arc += line - PACIFICA.front - float(driven[round((RUN_IN - stands + wish.arrival) / DT)])
        if arc < 25.0:
            return None
    own = {value: key for key, value in network.connector_lanes.items()}[way.lanes[1]][1]
    return Crossroads(network, way, traits, path, arc, speed, stands, line, own)


def set_off(path: Float, arc: float, speed: float, acceleration: float) -> Float:
    """Arc lengths ``[400]`` [m] every 0.1 s of an ego that gathers speed undisturbed, from ``arc`` at ``speed``.

    It begins the warm-up slowly: a scene in which one only has to wait at the end of a fast approach would pay for
    stopping at once.
    """
    driven = np.empty(400)
    for step in range(len(driven)):
        driven[step] = arc
        here, ahead = (min(int((arc + look * speed) / SPACING), len(path) - 1) for look in (0.0, LOOK))
        top = max(float(min(path[here, 4], path[ahead, 4])), 0.3)
        pedal = acceleration * (1.0 - (speed / top) ** 4) if speed <= top else max((top - speed) / 0.8, -2.0)
        arc += (speed + 0.5 * pedal * DT) * DT
        speed = max(speed + pedal * DT, 0.0)
    return driven


def queue(
    cross: Crossroads, way: Way, front: float, count: int, rng: Rng, role: str = "queue", start_loss: float = 1.1
) -> list[Actor]:
    """Vehicles that stand one behind the other on a way, the front of the first one at ``front`` [m]."""
    found: list[Actor] = []
    for number in range(count):
        kind = AgentKind.CAR if number == 0 or rng.random() < 0.85 else AgentKind.TRUCK
        size = draw_size(kind, rng)
        driver = {Driver.START_LOSS: start_loss if number == 0 else 0.7, Driver.NOISE: 0.3}
        actor = driving(way, front - size[0] / 2, 0.0, kind, size, role=role, driver=driver)
        if actor is None or front - size[0] < 2.0:
            break
        found.append(actor)
        front -= size[0] + float(rng.uniform(1.6, 2.6))
    return found


def stander(cross: Crossroads, rng: Rng) -> Actor | None:
    """A vehicle that stands on the road straight on, 1 to 5 m behind the junction, where a turning ego never comes.

    Who does not turn where the route does drives into it.
    """
    leg = cross.leg(Movement.THROUGH)
    connectors = cross.network.junctions[0].connectors
    if leg is None or leg == cross.exit_leg:
        return None
    lane = connectors[cross.own].lane_in
    options = [n for n, item in enumerate(connectors) if item.leg_in == 0 and item.leg_out == leg]
    if not options:
        return None
    number = min(options, key=lambda n: abs(connectors[n].lane_in - lane))
    way = cross.way_through(number)
    kind = AgentKind.BUS if rng.random() < 0.5 else AgentKind.TRUCK
    size = draw_size(kind, rng)
    pose = at_arc(way, float(way.begin[2]) + size[0] / 2 + float(rng.uniform(1.0, 5.0)))
    return Actor(kind, size, pose[:3], 0.0, np.zeros((0, 2)), np.zeros(0), role="standing")


def surroundings(
    cross: Crossroads, draws: Draws, density: float, closed: tuple[int, ...], most: int = 10
) -> list[Actor]:
    """Unrelated traffic, people on the walkways and parked cars.

    ``closed`` names legs whose incoming lanes the family has filled; the ego's own lane stays free ahead of it.
    """
    network, way = cross.network, cross.way
    middle = at_arc(way, cross.line)[:2]
    taken = [(way.lanes[0], cross.arc - 9.0 - 0.9 * cross.speed, cross.line + 60.0), (way.lanes[2], 0.0, 60.0)]
    for number, item in enumerate(network.junctions[0].connectors):
        if item.leg_in in closed:
            lane = network.map.lane_predecessors(network.connector_lanes[0, number])[0]
            taken.append((int(lane), -np.inf, np.inf))
    limit = float(way.limit.max())
    found = traffic(network, draws("traffic"), density, middle, reach(limit), most, taken)
    found += strollers(network, draws("strollers"), int(draws("count").integers(0, 5)), middle, 60.0)
    keep_clear = np.array([item.line.mean(axis=0) for item in network.crossings]).reshape(-1, 2)
    bays = parked(network, draws("parked"), float(draws("occupancy").uniform(0.2, 0.8)), keep_clear, clear=14.0)
    return found + [item for item in bays if np.hypot(*(item.pose[:2] - middle)) < 80.0][:24]
