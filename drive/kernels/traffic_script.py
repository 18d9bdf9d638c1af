"""Scripted orders: when they fire, and how an agent keeps its appointment with the live ego.

Columns of a script: :class:`drive.scene.Event`, then those of ``TrafficWorld.script``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.traffic_shift import begin_shift
from drive.kernels.traffic_world import (
    ARC,
    COS,
    DT,
    HALF_LENGTH,
    MEET_SPEED,
    MEETING,
    MOVING,
    ORDER,
    ORDER_RATE,
    ORDER_SPEED,
    SIN,
    SPEED,
    X,
    Y,
)
from drive.scene import EVENT_COLUMNS, Action, Event, Trigger

Float = NDArray[np.float64]
Int = NDArray[np.int64]

E_AGENT, E_TRIGGER, E_VALUE, E_X, E_Y = (
    Event.AGENT.value,
    Event.TRIGGER.value,
    Event.VALUE.value,
    Event.X.value,
    Event.Y.value,
)
E_TIMEOUT, E_ACTION, E_RATE, E_TARGET = (
    Event.TIMEOUT.value,
    Event.ACTION.value,
    Event.RATE.value,
    Event.TARGET.value,
)
E_LIMIT, E_ARC = EVENT_COLUMNS, EVENT_COLUMNS + 1
TIME, EGO_ARRIVAL, AFTER = Trigger.TIME.value, Trigger.EGO_ARRIVAL.value, Trigger.AFTER.value
NORMAL, OFFSET, MEET = Action.NORMAL.value, Action.OFFSET.value, Action.MEET.value
ADJUSTMENT = 0.15  # share of its speed by which an agent hurries or dawdles to meet the ego
NO_RETURN = 1.0  # s before the point of conflict


@kernel
def ego_arrival(event: Float, now: Float) -> float:
    """Time [s] until the ego's front is at an event's point, at its speed or half the limit."""
    ego = now.shape[1] - 1
    distance = math.hypot(event[E_X] - now[X, ego], event[E_Y] - now[Y, ego]) - now[HALF_LENGTH, ego]
    return distance / max(now[SPEED, ego], 0.5 * event[E_LIMIT])


@kernel
def fire_events(who: Int, script: Float, fired: Int, motion: Float, now: Float, k: int) -> None:
    """Give scripted orders whose trigger fires at sample ``k``."""
    ego = now.shape[1] - 1
    for e in range(len(script)):
        if fired[e] >= 0:
            continue
        agent, trigger, action = int(script[e, E_AGENT]), script[e, E_TRIGGER], script[e, E_ACTION]
        due = k * DT >= script[e, E_TIMEOUT] - 1e-9
        if trigger == TIME:
            due = due or k * DT >= script[e, E_VALUE] - 1e-9
        elif trigger == EGO_ARRIVAL:
            due = due or ego_arrival(script[e], now) <= script[e, E_VALUE]
        elif trigger == AFTER:
            before = e - 1
            while before >= 0 and script[before, E_AGENT] != script[e, E_AGENT]:
                before -= 1
            if before >= 0 and fired[before] >= 0:
                due = due or (k - fired[before]) * DT >= script[e, E_VALUE] - 1e-9
        else:
            ahead = (now[X, agent] - now[X, ego]) * now[COS, agent] + (now[Y, agent] - now[Y, ego]) * now[SIN, agent]
            gap = ahead - now[HALF_LENGTH, agent] - now[HALF_LENGTH, ego]
            due = due or 0.0 <= gap <= script[e, E_VALUE]
        if not due:
            continue
        fired[e] = k
        if action == OFFSET:
            begin_shift(who, motion, agent, script[e, E_TARGET], script[e, E_RATE])
            continue
        motion[agent, ORDER] = 0.0 if action == NORMAL else 1.0
        motion[agent, ORDER_RATE], motion[agent, ORDER_SPEED] = script[e, E_RATE], script[e, E_TARGET]
        motion[agent, MEETING] = e + 1 if action == MEET else 0.0
        motion[agent, MEET_SPEED] = motion[agent, MOVING]


@kernel
def meet(script: Float, motion: Float, now: Float) -> None:
    """Adjust the ordered speed of agents that are to meet the ego."""
    for e in range(len(script)):
        agent = int(script[e, E_AGENT])
        if motion[agent, MEETING] != e + 1:
            continue
        usual = motion[agent, MEET_SPEED]
        way = script[e, E_ARC] - motion[agent, ARC] - now[HALF_LENGTH, agent]
        if way <= NO_RETURN * max(motion[agent, MOVING], 0.1):
            motion[agent, MEETING], motion[agent, ORDER_SPEED] = -1.0, motion[agent, MOVING]
            continue
        wanted = way / max(ego_arrival(script[e], now) + script[e, E_TARGET], DT)
        motion[agent, ORDER_SPEED] = min(max(wanted, (1.0 - ADJUSTMENT) * usual), (1.0 + ADJUSTMENT) * usual)
