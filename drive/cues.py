"""What simulated traffic shows: brake lights, indicators before turns, and what its script announces.

The generator stores these cues for the reference drive; the simulator works them out again from what the ego and the
others really did, so a lead brightens when it brakes and a walker announces the step it is about to take now.
"""

import numpy as np
from numpy.typing import NDArray

from drive.geometry import arc_length
from drive.kernels.cues import shown_on_paths
from drive.scene import DT, Action, AgentKind, Cue, Event, Scenario, Trigger
from drive.traffic import event_limits
from drive.vehicle import Ego

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Cues = NDArray[np.uint8]

BRAKING = -0.6  # m/s2
STANDING = 0.05  # m/s
INDICATE = 28.0  # m before a turn
TURN = np.radians(30.0)
TIGHT = 1.0 / 25.0  # 1/m: a road that bends is no turn
SPARSE = 1.5  # m between the places of a path that are remembered


class LiveCues:
    """The cues of one scene whose agents follow their paths and its script; recorded cues for all others."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        kind = scenario.tracks.kind
        paths = scenario.paths
        driven = np.zeros(len(kind), np.bool_) if paths is None else np.diff(paths.ptr) > 1
        self._lit = driven & (kind <= AgentKind.MOTORCYCLE)
        self._rows = np.flatnonzero(scenario.script[:, Event.ACTION] == Action.CUE)
        self._limit = event_limits(scenario)
        self._live = driven
        self._live[scenario.script[self._rows, Event.AGENT].astype(np.intp)] = True
        turning, places, shown = [], [np.zeros((0, 2))], [np.zeros(0, np.uint8)]
        if paths is not None:
            for agent in np.flatnonzero(self._lit):
                points = paths.points[paths.ptr[agent] : paths.ptr[agent + 1]]
                indicated = _indicators(points)
                if indicated.any():
                    keep = slice(None, None, max(1, int(SPARSE / max(arc_length(points)[-1] / len(points), 1e-3))))
                    turning.append(agent)
                    places.append(points[keep])
                    shown.append(indicated[keep])
        self._turning = np.array(turning, np.int64)
        self._ptr = np.cumsum([len(item) for item in places])
        self._places, self._shown = np.concatenate(places), np.concatenate(shown)

    def show(self, ego: Float, position: Float, heading: Float, velocity: Float, count: int) -> Cues:
        """Cues ``[A, count]`` of the last ``count`` of the scene steps ``0 .. n - 1``.

        ``ego [n, 11]``, ``position [A, n, 2]`` m, ``heading [A, n]`` rad, ``velocity [A, n, 2]`` m/s. Where an agent is
        not simulated by path or script, the recorded cues.
        """
        steps = np.arange(len(ego) - count, len(ego))
        found: Cues = np.zeros((len(position), count), np.uint8)
        speed = np.hypot(velocity[:, steps, 0], velocity[:, steps, 1])
        before = np.hypot(velocity[:, np.maximum(steps - 1, 0), 0], velocity[:, np.maximum(steps - 1, 0), 1])
        braking = ((speed - before) / DT < BRAKING) | (speed < STANDING)
        found[self._lit[:, None] & braking] |= Cue.BRAKE_LIGHT
        begin = len(ego) - count
        shown_on_paths(self._places, self._ptr, self._shown, self._turning, position, begin, found)
        for row in self._rows:
            agent = int(self._scenario.script[row, Event.AGENT])
            begin, end = self._announcement(int(row), ego, position[agent], heading[agent])
            shown = (steps >= begin) & (steps < end)
            found[agent, shown] |= np.uint8(self._scenario.script[row, Event.TARGET])
        return np.where(self._live[:, None], found, self._scenario.tracks.cues[:, steps])

    def _announcement(self, row: int, ego: Float, position: Float, heading: Float) -> tuple[int, int]:
        """Scene steps from which and before which a CUE row is shown; what has not happened yet lies beyond ``ego``."""
        script, order = self._scenario.script, row
        if row + 1 < len(script) and script[row + 1, Event.AGENT] == script[row, Event.AGENT]:
            order = row + 1 if script[row + 1, Event.ACTION] != Action.CUE else row
        begin, end = (self._fires(item, ego, position, heading) for item in (row, order))
        return begin, end + round(float(script[row, Event.RATE]) / DT)

    def _fires(self, row: int, ego: Float, position: Float, heading: Float) -> int:
        """Scene step at which a row's trigger fires, ``len(ego)`` while it has not (as the traffic kernels decide)."""
        event, scenario = self._scenario.script[row], self._scenario
        time = DT * (np.arange(len(ego)) - scenario.start)
        due = time >= event[Event.TIMEOUT] - 1e-9
        car = scenario.ego_vehicle
        x = ego[:, Ego.X] + car.rear_axle_to_center * np.cos(ego[:, Ego.HEADING])
        y = ego[:, Ego.Y] + car.rear_axle_to_center * np.sin(ego[:, Ego.HEADING])
        if event[Event.TRIGGER] == Trigger.TIME:
            due |= time >= event[Event.VALUE] - 1e-9
        elif event[Event.TRIGGER] == Trigger.EGO_ARRIVAL:
            distance = np.hypot(event[Event.X] - x, event[Event.Y] - y) - 0.5 * car.length
            due |= distance <= event[Event.VALUE] * np.maximum(ego[:, Ego.VX], 0.5 * self._limit[row])
        elif event[Event.TRIGGER] == Trigger.AFTER:
            agents, actions = scenario.script[:row, Event.AGENT], scenario.script[:row, Event.ACTION]
            before = np.flatnonzero((agents == event[Event.AGENT]) & (actions != Action.CUE))
            if len(before):
                fired = self._fires(int(before[-1]), ego, position, heading)
                due |= np.arange(len(ego)) >= fired + round(float(event[Event.VALUE]) / DT)
        else:
            ahead = (position[:, 0] - x) * np.cos(heading) + (position[:, 1] - y) * np.sin(heading)
            gap = ahead - 0.5 * scenario.tracks.size[int(event[Event.AGENT]), 0] - 0.5 * car.length
            due |= (gap >= 0.0) & (gap <= event[Event.VALUE])
        return int(due.argmax()) if due.any() else len(ego)


def _indicators(points: Float) -> Cues:
    """The indicator ``[P]`` along a path ``[P, 2]`` that turns within the next 28 m: sharply, within a dozen metres."""
    if len(points) < 3:
        return np.zeros(len(points), np.uint8)
    arc = arc_length(points)
    heading = np.unwrap(np.arctan2(np.gradient(points[:, 1]), np.gradient(points[:, 0])))
    tight = np.abs(np.gradient(heading, np.maximum.accumulate(arc + 1e-9 * np.arange(len(arc))))) > TIGHT
    ahead = np.searchsorted(arc, arc + INDICATE, side="right")
    passed = np.concatenate(((0,), np.cumsum(tight)))
    turn = np.interp(arc + INDICATE, arc, heading) - heading
    shown = np.where(turn > 0.0, Cue.INDICATOR_LEFT, Cue.INDICATOR_RIGHT).astype(np.uint8)
    shown[(np.abs(turn) <= TURN) | (passed[ahead] == passed[:-1])] = 0
    return shown
