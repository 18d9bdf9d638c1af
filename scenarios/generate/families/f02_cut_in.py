"""F02 cut in: a neighbour whose lane is slow comes into the ego's lane close ahead, slower than the ego, and may brake.

A few only indicate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from drive.drivers import Driver
from drive.scene import DT, Action, AgentKind, Cue, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.families.multilane import (
    BESIDE,
    Neighbour,
    clock_of,
    draw_road,
    first_index,
    neighbour_way,
    neighbours,
    with_background,
    with_event,
)
from scenarios.generate.knobs import Knob
from scenarios.generate.paths import at_arc
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.timing import RUN_IN

KNOBS = {
    "road_class": Knob(choices=(0, 1, 1, 1, 2)),
    "lanes": Knob(choices=(2, 2, 3, 3, 4)),
    "lane": Knob(),
    "gap": Knob(),
    "slower": Knob(0.15, 0.5),
    "duration": Knob(),
    "indicator": Knob(-0.6, 1.0),
    "feint": Knob(),
    "brake": Knob(0.6, 3.0),
    "event": Knob(2.6, 4.0),
    "kind": Knob(),
    "density": Knob(0.3, 1.2),
    "bends": Knob(choices=(0, 0, 1, 2)),
    "junction": Knob(choices=(0, 0, 1)),
}
FEINTS = 0.06  # share
PACE = (0.55, 0.66)  # of the quickest start
CROSSING = 0.3  # share of the manoeuvre after which the body is over the line
LEAST, MOST = (1.4, 6.0), 6.6  # m/s2 asked of an ego that reacts to the first sign of it
# By that demand: least gap [m] and most braking [m/s2]. Who minds only who is ahead has a chance in the mild ones.
DEMAND, NEAREST, FIRMEST = (1.4, 3.0, 6.0), (11.0, 6.0, 1.5), (1.0, 1.8, 3.5)
FITS = 8  # demands tried, each below the last
FULL = 12.0  # m/s from which on those gaps hold; slower ones come as much nearer
LEAST_BRAKE = 0.3  # m/s2
REACTION = 0.3
AHEAD = 2.0  # m before the ego's front at which the other's rear is at the least when the warm-up begins
EAGER, ROOM = 1.05, 1.9  # who wants to be that much faster keeps its speed at so much more than the wanted gap


@dataclass(frozen=True)
class CutIn:
    """One manoeuvre: the ego's speed ``v`` [m/s], bumper gap [m] when the body crosses the line, share by which the
    other is slower, duration [s], indicator's lead [s]; braking [m/s2] begun ``wait`` [s] after the crossing down to a
    share ``left_over`` of its speed."""

    v: float
    gap: float
    slower: float
    duration: float
    lead: float
    brake: float
    wait: float
    left_over: float


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A road of two to four lanes, and the cut-in where an undisturbed ego is at the drawn time."""
    road = draw_road(knobs, draws, int(knobs["lanes"]), pace=PACE)
    if road is None:
        return None
    staged = overlay(road, clock_of(road).arc(knobs["event"]), knobs, draws)
    if staged is None:
        return None
    limit = float(road.way.limit[0])
    low, high = road.arc - 2.2 * limit, road.arc + 18.0 * limit
    lane = road.way.lanes[0]
    taken = [(lane, low, high)]
    taken += [(int(staged.facts["from_lane"]), road.arc - 1.0 * limit, high)]
    return with_background(staged, draws, knobs["density"], taken)


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The cut-in for an ego whose rear axle is at ``arc`` [m] when the other's body crosses the line."""
    beside = [
        lane for lane in neighbours(setting.network, setting.way, arc) if lane.low + 40.0 < arc < lane.high - 40.0
    ]
    if not beside:
        return None
    rng = draws("cut-in")
    from_lane = beside[int(rng.integers(len(beside)))]
    clock = clock_of(setting)
    v, event = clock.speed(arc), clock.time(arc)
    duration = float(np.clip(3.2 * np.exp(0.3 * rng.standard_normal()), 2.0, 5.5))
    kind = AgentKind.CAR if knobs["kind"] < 0.78 else AgentKind.TRUCK if knobs["kind"] < 0.93 else AgentKind.MOTORCYCLE
    size = draw_size(kind, rng)
    gap = 2.0 + 8.0 * knobs["gap"] / 0.7 if knobs["gap"] < 0.7 else 10.0 + 15.0 * (knobs["gap"] - 0.7) / 0.3
    wait, left_over = float(rng.uniform(0.3, 1.5)), float(rng.uniform(0.15, 0.4))
    drawn = CutIn(v, gap, knobs["slower"], duration, max(knobs["indicator"], 0.0), knobs["brake"], wait, left_over)
    move, most = None, LEAST[1]
    for share in rng.uniform(0.0, 1.0, FITS):  # what a slow ego cannot be asked for, is not; the rest is as likely
        most = LEAST[0] + float(share) * (most - LEAST[0])
        if (move := _fitted(drawn, most)) is not None:
            break
    if move is None:
        return None
    gap, brake, lead = move.gap, move.brake, move.lead
    speed = v * (1.0 - move.slower)
    lead_time = CROSSING * duration
    begin_gap = gap + (v - speed) * lead_time
    # where the other's centre is when it begins, and from where it comes at its speed
    begins = arc - speed * lead_time + PACIFICA.front + gap + size[0] / 2
    travel = event - lead_time + RUN_IN
    # It begins ahead of the ego: who has to come past it takes it for a leader, and is late.
    start = max(begins - speed * travel, setting.arc + PACIFICA.front + size[0] / 2 + AHEAD)
    pace = min((begins - start) / travel, speed)
    if start < from_lane.low or pace < 0.3 * speed:
        return None
    index = first_index(setting)
    cutter = driving(
        setting.way,
        start,
        pace,
        kind,
        size,
        aside=from_lane.side,
        critical=True,
        role="cutter",
        driver={
            Driver.SPEED_FACTOR: EAGER * speed / float(setting.way.limit[0]),
            Driver.MAX_DECELERATION: 8.0,
            Driver.HEADWAY: 0.8,
            Driver.LANE_BIAS: 0.0,
        },
    )
    reason = _slow_one(setting, from_lane, begins, speed, travel, draws)
    if cutter is None or reason is None:
        return None
    place = at_arc(setting.way, arc + PACIFICA.front)
    meets = at_arc(setting.way, begins + size[0] / 2)
    hold = (index, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.OFFSET, 0.0, from_lane.side)
    calm = (index, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.SPEED, 1.5, pace)
    ahead = clock.time(begins + size[0] / 2 - PACIFICA.front) - (event - lead_time)
    late = event - lead_time - lead + 2.5
    tie = (index, Trigger.EGO_ARRIVAL, ahead + lead_time + lead + 1.5, *meets[:2], late, Action.MEET, 1.5, -ahead)
    # It makes up its mind when the ego is so far behind, or where that closes too slowly, so far from the place.
    due: tuple[float, ...] = (Trigger.EGO_ARRIVAL, lead_time + lead, *place[:2], late)
    if v - speed > 1.0:
        due = (Trigger.EGO_BEHIND, begin_gap + (v - speed) * lead, 0.0, 0.0, late)

    def after(seconds: float) -> tuple[float, ...]:
        return (Trigger.AFTER, seconds, 0.0, 0.0, 99.0)

    lamp = float(Cue.INDICATOR_RIGHT if from_lane.side > 0.0 else Cue.INDICATOR_LEFT)
    feint = knobs["feint"] < FEINTS
    events: list[tuple[float, ...]] = [hold, calm, tie, (index, *due, Action.SPEED, 1.5, speed)]
    if feint:
        events.append((index, *after(0.0), Action.CUE, float(rng.uniform(2.5, 4.5)), lamp))
    else:
        if lead > 0.0:
            events.append((index, *after(0.0), Action.CUE, duration, lamp))
        events.append((index, *after(lead), Action.OFFSET, duration, 0.0))
        if brake > LEAST_BRAKE:
            events.append((index, *after(lead_time + wait), Action.SPEED, brake, speed * left_over))
        free = float(setting.way.limit[0]) * float(rng.uniform(0.95, 1.05))
        events.append((index, *after(float(rng.uniform(3.2, 4.8))), Action.SPEED, 1.8, free))
    facts = {"gap": round(gap, 2), "slower": round(move.slower, 3), "brake": round(brake, 2), "lead": round(lead, 2)}
    facts["from_lane"] = from_lane.lane
    return with_event(setting, [cutter, reason], events, arc, facts | {"feint": float(feint)})


def _slow_one(
    setting: Setting, lane: Neighbour, begins: float, speed: float, travel: float, draws: Draws
) -> Actor | None:
    """The slower vehicle in the other's lane that is its reason: near enough when it begins, no nearer than IDM likes.

    ``begins`` is where the other's centre is then [m on the ego's way], ``travel`` [s] from now.
    """
    rng = draws("reason")
    kind = AgentKind.TRUCK if rng.random() < 0.5 else AgentKind.CAR
    size = draw_size(kind, rng)
    slow = speed * float(rng.uniform(0.6, 0.85))
    wanted = 2.0 + 0.8 * speed + speed * (speed - slow) / 3.5
    center = begins + 5.0 + ROOM * wanted + size[0] / 2
    start = center - slow * travel
    way = neighbour_way(setting.network, lane, rng)
    factor = slow / float(way.limit[0])
    return driving(
        way,
        start + lane.shift,
        slow,
        kind,
        size,
        role="reason",
        driver={Driver.SPEED_FACTOR: factor, Driver.NOISE: 0.3},
    )


def _fitted(move: CutIn, least: float) -> CutIn | None:
    """The manoeuvre moved until it asks between ``least`` and MOST [m/s2] of the ego: nobody has to brake for who keeps
    20 m away at the ego's own speed, and nobody can for who comes 2 m ahead at half of it."""
    nearest, firmest = (float(np.interp(least, DEMAND, ends)) for ends in (NEAREST, FIRMEST))
    nearest *= min(move.v / FULL, 1.0)
    move = replace(move, gap=max(move.gap, nearest), brake=min(move.brake, firmest))
    for _ in range(40):
        asked = _asked(move)
        if least <= asked <= MOST:
            return move
        if asked < least:
            move = replace(
                move,
                gap=max(0.9 * move.gap, nearest),
                slower=min(1.05 * move.slower + 0.005, 0.6),
                brake=min(move.brake + 0.1, firmest),
                lead=0.92 * move.lead,
            )
        else:
            move = replace(move, gap=min(move.gap + 0.8, 25.0), slower=0.95 * move.slower, brake=0.95 * move.brake)
    return None


def _asked(move: CutIn) -> float:
    """Least constant deceleration [m/s2], begun REACTION after the indicator or the first motion, that keeps half a
    metre once the body is over the line."""
    time = np.arange(0.0, 10.0, DT)
    speed, crossing = move.v * (1.0 - move.slower), move.lead + CROSSING * move.duration
    slowing = move.brake * np.maximum(time - crossing - move.wait, 0.0)
    other = np.maximum(speed - slowing, speed * (move.left_over if move.brake > LEAST_BRAKE else 1.0))
    way = np.cumsum(other) * DT + move.gap + (move.v - speed) * crossing
    settled = time > crossing + move.wait + 1.5
    for rate in np.arange(0.0, 9.1, 0.2):
        ego = np.maximum(move.v - rate * np.maximum(time - REACTION, 0.0), 0.0)
        room = way - np.cumsum(ego) * DT
        matched = int(np.argmax((ego <= other) & settled)) or len(time)
        if (room[:matched][time[:matched] >= crossing] >= 0.5).all():
            return float(rate)
    return 9.9


F02 = Family("F02", KNOBS, stage, overlay, beneath=BESIDE)
