"""Who is hidden in F19 and comes out: somebody on foot, a ball and then a child, somebody on a bicycle."""

from collections.abc import Mapping

import numpy as np

from drive.drivers import CYCLING_SPEED, WALKING_SPEED, Driver
from drive.scene import Action, AgentKind, Cue, Trigger
from scenarios.generate.actors import Actor, draw_size, walking
from scenarios.generate.approach import Meeting
from scenarios.generate.geometry import Float
from scenarios.generate.kerbside import Street, hold
from scenarios.generate.paths import densify, heading_of, rounded
from scenarios.generate.setting import Draws
from scenarios.generate.timing import walk_time

Rows = list[tuple[float, ...]]

WALKER, BALL, CYCLIST = range(3)
LONGEST_WAIT = 9.0  # m at the limit: whose trigger is shorter would never see an ego that waits there
MOST_DEMAND = 5.2  # m/s2: harder, who did not slow down before could not stop
EARLIEST, SLOWEST = -0.7, 0.9  # s, m/s
NEVER = 60.0  # s
DIAMETER, KICK = 0.25, 6.0  # m, m/s2
ROLLING, SLOWING = (2.6, 3.8), 0.6  # m/s, m/s2
FIRST = (0.6, 1.2)  # s by which the ball is ahead of the child
BESIDE_BALL = 0.5  # m behind the row's edge: room for the ball
RIDING = 1.6  # times a walker's speed
FAR_SIDE, ONWARD = 5.0, 78.0  # m beyond the far kerb, m along it: more than one rides in a scene
FREE = {Driver.COURTESY: 0.0, Driver.START_LOSS: 0.0, Driver.NOISE: 0.0, Driver.LANE_BIAS: 0.0}


def comers(
    street: Street, meeting: Meeting, knobs: Mapping[str, float], draws: Draws, index: int, row_edge: float
) -> tuple[list[Actor], Rows]:
    """Who stands in the gap, ``row_edge`` [m] from the middle of the ego's lane, and darts out (but in the twin).

    The first of them is number ``index`` of the scene's actors; the last is the one that counts.
    """
    rng, who = draws("walker"), int(knobs["who"])
    kind = AgentKind.BICYCLE if who == CYCLIST else AgentKind.PEDESTRIAN
    length, width = draw_size(kind, rng)
    if who == BALL or (who == WALKER and knobs["child"] < 0.5):
        length, width = 0.75 * length, 0.75 * width
    width = min(width, knobs["gap"] - 0.12)
    behind = max(knobs["behind"], BESIDE_BALL) if who == BALL else knobs["behind"]
    inside = row_edge + length / 2 + behind
    line = _ride(street, inside) if who == CYCLIST else _line(street, inside)
    rate, pace = float(rng.uniform(2.0, 4.0)), knobs["speed"] * (RIDING if who == CYCLIST else 1.0)
    pace, offset = _in_time(meeting, inside, behind, rate, pace, knobs["offset"])
    usual = CYCLING_SPEED if who == CYCLIST else WALKING_SPEED
    driver = FREE | {Driver.SPEED_FACTOR: pace / usual, Driver.ACCELERATION: rate}
    twin = draws.recipe.twin
    role = "standing" if twin else "dart_out"
    if who == CYCLIST:
        pose = np.array((*line[0], heading_of(line)))
        comer = Actor(kind, (length, width), pose, 0.0, line, np.full(len(line), usual), not twin, role, driver)
    else:
        comer = walking(line, 0.0, (length, width), critical=not twin, role=role, driver=driver)
    where = (float(meeting.place[0]), float(meeting.place[1]))
    lead = walk_time(inside, pace, rate) - offset
    arrival = max(meeting.estimate(lead), LONGEST_WAIT / meeting.limit)
    if who != BALL:
        return [comer], [hold(index), *([] if twin else [_go(index, arrival, where, rate, pace)])]
    first, speed = float(rng.uniform(*FIRST)), float(rng.uniform(*ROLLING))
    before = max(meeting.estimate(lead + first), arrival + first)
    events = [hold(index), hold(index + 1)]
    if not twin:
        events.insert(1, _go(index, before, where, KICK, speed))
        events.insert(2, (float(index), Trigger.AFTER, 1.0, 0.0, 0.0, 99.0, Action.SPEED, SLOWING, 0.0))
        cue = (Trigger.EGO_ARRIVAL, before, *where, NEVER, Action.CUE, 1.0, float(Cue.INTENT))
        events += [(float(index + 1), *cue), _go(index + 1, arrival, where, rate, pace)]
    return [_ball(street, row_edge + behind - DIAMETER), comer], events


def _in_time(
    meeting: Meeting, inside: float, behind: float, rate: float, pace: float, offset: float
) -> tuple[float, float]:
    """Pace [m/s] and arrival offset [s] at which one is out of the gap early enough for who goes on to stop."""

    def demand() -> float:
        return meeting.demand(walk_time(inside, pace, rate) - walk_time(behind, pace, rate) - offset)

    while demand() > MOST_DEMAND and offset > EARLIEST:
        offset -= 0.05
    while demand() > MOST_DEMAND and pace > SLOWEST:
        pace *= 0.95
    return pace, offset


def _ball(street: Street, inside: float) -> Actor:
    """A ball that lies just before the child's feet."""
    line = _line(street, inside)
    pose = np.array((*line[0], heading_of(line)))
    limit = np.full(len(line), ROLLING[1])
    size = (DIAMETER, DIAMETER)
    return Actor(AgentKind.GENERIC_OBJECT, size, pose, 0.0, line, limit, role="ball", driver=dict(FREE))


def _line(street: Street, inside: float) -> Float:
    """Straight over the road from ``inside`` [m] beside the ego's lane."""
    across = street.section.width + street.edge + 8.0
    return densify(np.array([street.beside(street.event, distance)[:2] for distance in (inside, -across)]), 0.25)


def _ride(street: Street, inside: float) -> Float:
    """The same by bicycle, and on along the far side of the road."""
    across = street.section.width + street.edge + FAR_SIDE
    along = np.arange(0.0, ONWARD, 6.0)
    corners = [street.beside(street.event, inside), *(street.beside(street.event + arc, -across) for arc in along)]
    return rounded(np.array([pose[:2] for pose in corners]))


def _go(index: int, arrival: float, where: tuple[float, float], rate: float, pace: float) -> tuple[float, ...]:
    return (float(index), Trigger.EGO_ARRIVAL, arrival, *where, NEVER, Action.SPEED, rate, pace)
