"""Which drives may be starts: nothing broken so far, and a continuation exists in which nothing gets broken.

A continuation is searched among a few ways to go on (return to the reference drive and its pace, keep the speed, go
slower, stop), each rolled with the true reactive traffic. It is judged by NAVSIM's compliances and time to collision;
nobody is asked for more than the reference drive itself gets in the same seconds (recorded drives brush lane edges and
maps end where roads go on).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from drive.branch import Moved, Trunk
from drive.kernels.geometry import boxes_overlap
from drive.scene import LightState, Scenario
from drive.scoring.comfort import LIMITS, comfort_signals
from drive.scoring.motion import ego_motion
from drive.scoring.navsim.inputs import SAMPLES, PdmTraffic, pdm_traffic
from drive.scoring.navsim.route import groups_of_lanes, plan_route
from drive.scoring.navsim.scene import road_map, route_signals
from drive.scoring.navsim.scorer import score_states
from drive.vehicle import Ego, center_from_rear_axle
from evaluation.starts.way import Way, pace, shift, states_beside

Float = NDArray[np.float64]

STAGE = SAMPLES - 1  # samples of one stage
PARTNER = 5  # samples from a start's partner to the start
MARGIN = 60.0  # m around the reference drive, in which the map is looked at
SLOWER = (0.6, 0.3, 0.0)  # of the reference's speed


class Judge:
    """Judges drives of a scene that branch off its reference at scene step ``step``."""

    def __init__(self, trunk: Trunk, way: Way, step: int) -> None:
        self._trunk, self._way, self._first = trunk, way, step - trunk.scenario.start
        scenario = trunk.scenario
        self._states = scenario.reference[scenario.start : step + 2 * STAGE + 1]
        route = plan_route(scenario.map, groups_of_lanes(scenario.map, scenario.route), self._states[self._first])
        driven = self._states[self._first :, :2]
        low, high = driven.min(axis=0) - MARGIN, driven.max(axis=0) + MARGIN
        self._map = road_map(scenario.map, route.route_lanes, route.centerline, low, high)
        self._signals = route_signals(scenario, route.route_lanes)
        moved = trunk.roll(self._states)
        self._due = [self._verdict(self._states, moved, at) for at in (self._first, self._first + STAGE)]

    def accepts(self, states: Float) -> bool:
        """True if a drive ``[41, 11]`` from the branching off on breaks nothing on its way, and touches nobody at its
        end or half a second before."""
        ego = self.whole(states)
        moved = self._trunk.roll(ego)
        compliances = self._verdict(ego, moved, self._first)[:4]
        if (compliances < self._due[0][:4]).any():
            return False
        return not any(self._touches(ego[k], moved, k) for k in (len(ego) - 1, len(ego) - 1 - PARTNER))

    def continued(self, states: Float) -> Float | None:
        """States ``[81, 11]``: the drive ``[41, 11]`` and the first continuation that breaks nothing; None without
        one."""
        for more in continuations(self._trunk.scenario, self._way, states, self._states[self._first :]):
            ego = np.concatenate((self.whole(states), more))
            if (self._verdict(ego, self._trunk.roll(ego), self._first + STAGE) >= self._due[1]).all():
                return np.concatenate((states, more))
        return None

    def whole(self, states: Float) -> Float:
        """A drive from the scene's start on: the reference up to the branching off, then ``states``."""
        return np.concatenate((self._states[: self._first], states))

    def _verdict(self, ego: Float, moved: Moved, first: int) -> Float:
        """The four compliances and time to collision over 4 s from sample ``first`` on."""
        traffic = window(self._trunk.scenario, moved, self._signals, first)
        scores = score_states(ego[None, first : first + SAMPLES], self._map, traffic)
        return np.array(
            (
                scores.no_at_fault_collisions[0],
                scores.drivable_area_compliance[0],
                scores.driving_direction_compliance[0],
                scores.traffic_light_compliance[0],
                scores.time_to_collision_within_bound[0],
            )
        )

    def _touches(self, state: Float, moved: Moved, k: int) -> bool:
        car, size = self._trunk.scenario.ego_vehicle, self._trunk.scenario.tracks.size
        x, y, heading = center_from_rear_axle(state, car)
        near = moved.valid[:, k] & (np.hypot(moved.position[:, k, 0] - x, moved.position[:, k, 1] - y) < 20.0)
        return any(
            boxes_overlap(
                *(x, y, heading, car.length, car.width),
                *(*moved.position[row, k], moved.heading[row, k], *size[row]),
            )
            for row in np.flatnonzero(near)
        )


def continuations(scenario: Scenario, way: Way, states: Float, reference: Float) -> Iterator[Float]:
    """Ways ``[40, 11]`` to go on after ``states [41, 11]``; ``reference [81, 11]`` is driven in the same time.

    All return to the reference's path within 3 s; they differ in pace: catch up with the reference, its speed, one's
    own speed, slower, stop.
    """
    s, d = way.locate(states[-2:, :2])
    ahead, _ = way.locate(reference[STAGE + 1 :, :2])
    speed, theirs = float(states[-1, Ego.VX]), reference[STAGE + 1 :, Ego.VX]
    slope = (d[1] - d[0]) / (s[1] - s[0]) if s[1] - s[0] > 0.02 else 0.0
    own = np.full(STAGE, speed)
    plans: Sequence[tuple[Float, Float | None]] = (
        (theirs, ahead),
        (theirs, None),
        (own, None),
        *((factor * np.maximum(theirs, 0.5 * own), None) for factor in SLOWER),
    )
    for wanted, catch in plans:
        arcs = pace(float(s[1]), speed, float(states[-1, Ego.AX]), wanted, catch)
        offset, slopes = shift(arcs, (float(d[1]), slope), 0.0, max(3.0 * speed, 8.0))
        yield states_beside(way, arcs, offset, slopes, scenario.ego_vehicle)[1:]


def comfortable(scenario: Scenario, states: Float, share: float) -> bool:
    """True if a drive ``[K, 11]`` stays within ``share`` of the limits of comfort."""
    signals = comfort_signals(ego_motion(states, scenario.ego_vehicle))
    return all(
        share * low < float(signals[name].min()) and float(signals[name].max()) < share * high
        for name, (low, high) in LIMITS.items()
    )


def window(scenario: Scenario, moved: Moved, signals: NDArray[np.intp], first: int) -> PdmTraffic:
    """NAVSIM's view of rolled traffic over 4 s from sample ``first`` after the scene's start on: all agents, and the
    lights ``signals``."""
    at = slice(first, first + SAMPLES)
    steps = slice(scenario.start + first, scenario.start + first + SAMPLES)
    return pdm_traffic(
        moved.position[:, at],
        moved.heading[:, at],
        moved.velocity[:, at],
        moved.valid[:, at],
        scenario.tracks.size,
        scenario.tracks.kind,
        [scenario.map.lane_polygon(int(lane)) for lane in scenario.lights.lane[signals]],
        scenario.lights.state[signals, steps] == LightState.RED,
    )
