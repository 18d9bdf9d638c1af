"""F02 cut in: a neighbour whose lane is slow comes into the ego's lane close ahead, slower than the ego, and may brake.

Three in ten only indicate.
"""

from collections.abc import Mapping

import numpy as np

from drive.drivers import Driver
from drive.scene import DT, Action, AgentKind, Cue, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.families.multilane import (
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

KNOBS = {
    "road_class": Knob(choices=(0, 1, 1, 1, 2)),
    "lanes": Knob(choices=(2, 2, 3, 3, 4)),
    "lane": Knob(),
    "gap": Knob(),
    "slower": Knob(0.05, 0.5),
    "duration": Knob(),
    "indicator": Knob(0.0, 2.0),
    "feint": Knob(),
    "brake": Knob(0.0, 3.0),
    "event": Knob(3.5, 6.5),
    "kind": Knob(),
    "density": Knob(0.3, 1.2),
    "bends": Knob(choices=(0, 0, 1, 2)),
    "junction": Knob(choices=(0, 0, 1)),
}
FEINTS = 0.3  # share
CROSSING = 0.3  # share of the manoeuvre after which the body is over the line
EASIEST, HARDEST = 1.0, 5.6  # m/s2 asked of an ego that reacts to the first motion
REACTION = 0.3


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A road of two to four lanes, and the cut-in where an undisturbed ego is at the drawn time."""
    road = draw_road(knobs, draws, int(knobs["lanes"]))
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
    slower, brake = knobs["slower"], knobs["brake"]
    left_over, wait = float(rng.uniform(0.45, 0.85)), float(rng.uniform(0.3, 1.5))
    solved = _fitted(gap, v, slower, duration, brake, left_over, wait)
    if solved is None:
        return None
    gap, slower, brake = solved
    speed = v * (1.0 - slower)
    lead_time = CROSSING * duration
    begin_gap = gap + (v - speed) * lead_time
    # where the other's centre is when it begins, and from where it comes at its speed
    begins = arc - speed * lead_time + PACIFICA.front + gap + size[0] / 2
    start = begins - speed * (event - lead_time - clock.time(setting.arc))
    if start < from_lane.low:
        return None
    index = first_index(setting)
    cutter = driving(
        setting.way,
        start,
        speed,
        kind,
        size,
        aside=from_lane.side,
        critical=True,
        role="cutter",
        driver={
            Driver.SPEED_FACTOR: speed / float(setting.way.limit[0]),
            Driver.MAX_DECELERATION: 8.0,
            Driver.HEADWAY: 0.8,
            Driver.LANE_BIAS: 0.0,
        },
    )
    reason = _slow_one(setting, from_lane, begins, speed, event - lead_time - clock.time(setting.arc), draws)
    if cutter is None or reason is None:
        return None
    place = at_arc(setting.way, arc + PACIFICA.front)
    meets = at_arc(setting.way, begins + size[0] / 2)
    late = event - lead_time + 2.5
    hold = (index, Trigger.TIME, 0.0, 0.0, 0.0, 0.0, Action.OFFSET, 0.0, from_lane.side)
    ahead = clock.time(begins + size[0] / 2 - PACIFICA.front) - (event - lead_time)
    tie = (index, Trigger.EGO_ARRIVAL, ahead + lead_time + 3.0, meets[0], meets[1], late, Action.MEET, 1.5, -ahead)

    def due(seconds: float) -> tuple[float, ...]:
        """Trigger columns for something ``seconds`` before the manoeuvre begins."""
        if v - speed > 1.0:
            return (Trigger.EGO_BEHIND, begin_gap + (v - speed) * seconds, 0.0, 0.0, max(late - seconds, 0.1))
        return (Trigger.EGO_ARRIVAL, lead_time + seconds, place[0], place[1], max(late - seconds, 0.1))

    feint = knobs["feint"] < FEINTS
    events: list[tuple[float, ...]] = [hold, tie]
    lamp = float(Cue.INDICATOR_RIGHT if from_lane.side > 0.0 else Cue.INDICATOR_LEFT)
    if feint or knobs["indicator"] > 0.15:
        shown = float(rng.uniform(2.5, 4.5)) if feint else duration
        events.append((index, *due(knobs["indicator"]), Action.CUE, shown, lamp))
    if not feint:
        events.append((index, *due(0.0), Action.OFFSET, duration, 0.0))
        late = 99.0
        if brake > 0.3:
            after = (Trigger.AFTER, lead_time + wait, 0.0, 0.0, 99.0)
            events.append((index, *after, Action.SPEED, brake, speed * left_over))
        after = (Trigger.AFTER, float(rng.uniform(3.0, 5.0)), 0.0, 0.0, 99.0)
        events.append((index, *after, Action.SPEED, 1.3, v * float(rng.uniform(0.85, 1.0))))
    facts = {"gap": round(gap, 2), "slower": round(slower, 3), "brake": round(brake, 2), "from_lane": from_lane.lane}
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
    center = begins + 5.0 + 1.3 * wanted + size[0] / 2
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


def _fitted(
    gap: float, v: float, slower: float, duration: float, brake: float, left_over: float, wait: float
) -> tuple[float, float, float] | None:
    """Gap [m], share by which the other is slower, and its braking [m/s2], moved until they ask something bearable of
    the ego: nobody has to brake for who keeps 20 m away at the ego's own speed."""
    for _ in range(24):
        asked = _asked(gap, v, slower, duration, brake, left_over, wait)
        if EASIEST <= asked <= HARDEST:
            return gap, slower, brake
        if asked < EASIEST:
            gap, slower, brake = max(0.88 * gap, 2.0), min(1.08 * slower + 0.01, 0.5), min(brake + 0.15, 3.0)
        else:
            gap, slower, brake = min(gap + 0.8, 25.0), 0.95 * slower, 0.95 * brake
    return None


def _asked(gap: float, v: float, slower: float, duration: float, brake: float, left_over: float, wait: float) -> float:
    """Least constant deceleration [m/s2], begun REACTION after the first motion, that keeps half a metre once the body
    is over the line."""
    steps = np.arange(0.0, 9.0, DT)
    speed, crossing = v * (1.0 - slower), CROSSING * duration
    other = np.where(
        steps < crossing + wait, speed, np.maximum(speed - brake * (steps - crossing - wait), speed * left_over)
    )
    way = np.cumsum(other) * DT
    ahead = gap + (v - speed) * crossing
    for rate in np.arange(0.0, 9.1, 0.2):
        ego = np.maximum(v - rate * np.maximum(steps - REACTION, 0.0), 0.0)
        room = ahead + way - np.cumsum(ego) * DT
        matched = int(np.argmax((ego <= other) & (steps > crossing + wait + 1.5))) or len(steps)
        if (room[(steps >= crossing) & (np.arange(len(steps)) <= matched)] >= 0.5).all():
            return float(rate)
    return 9.9


F02 = Family("F02", KNOBS, stage, overlay)
