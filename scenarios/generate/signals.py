"""Fixed-time signals: phase plans per junction and the state of every connector at every step."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.scene import DT, Lights, LightState
from scenarios.generate.geometry import lengths
from scenarios.generate.junction import Control, Junction, Movement
from scenarios.generate.network import Network

MIN_GREEN = 7.0


class Phasing(Enum):
    """When left turns are green: with everybody of their road, before or after it on their own, or leg by leg."""

    PERMISSIVE = "permissive"
    LEAD = "lead"
    LAG = "lag"
    SPLIT = "split"


@dataclass(frozen=True)
class SignalPlan:
    """What a family wants of the signals of one junction.

    Attributes:
        junction: Number of the junction in the network.
        lane: Connector (lane of the map) whose light it is about.
        begins, time: State that this light shows from ``time`` [s] after the beginning of the warm-up on.
        green, others: Green time [s] of that connector's phase and of every other phase.
        phasing: Order of the phases.
    """

    junction: int
    lane: int
    begins: LightState
    time: float
    green: float = 20.0
    others: float = 12.0
    phasing: Phasing = Phasing.PERMISSIVE


def draw_lights(network: Network, steps: int, rng: np.random.Generator, plans: tuple[SignalPlan, ...] = ()) -> Lights:
    """States ``[L, steps]`` of all signalled connectors, one cycle length and offset per junction.

    ``plans`` replaces what would be drawn for a junction.

    Yellow lasts ``1 + v / 6`` within 3..5 s. It is followed by an all-red time, which is shown as yellow: RED begins
    when the last legal entry has cleared, because some metrics punish any overlap with a red connector.
    """
    lanes, points, states = [], [], []
    for number, junction in enumerate(network.junctions):
        # Drawn for every junction, so that a signal more or less does not shift the draws of the next junction.
        cycle, offset, share, plan = rng.uniform((40.0, 0.0, 0.4, 0.0), (90.0, 1.0, 0.6, 1.0))
        if junction.control is not Control.SIGNAL:
            continue
        wanted = next((item for item in plans if item.junction == number), None)
        phasing = next(kind for kind, below in PHASINGS if plan < below) if wanted is None else wanted.phasing
        phases = phase_plan(junction, phasing)
        rows = [network.connector_lanes[number, item] for item in range(len(junction.connectors))]
        limit = max(float(network.map.speed_limit[row]) for row in rows)
        longest = max(float(lengths(item.curve)[-1]) for item in junction.connectors)
        clearance = float(np.clip(1.0 + limit / 6.0, 3.0, 5.0) + np.clip((longest + 5.0) / limit, 1.0, 3.0))
        greens = _greens(len(phases), cycle - clearance * len(phases), share)
        moment = 0.0
        if wanted is not None:
            own = next(n for n, phase in enumerate(phases) if rows.index(wanted.lane) in phase)
            greens = np.full(len(phases), wanted.others)
            greens[own] = wanted.green
            moment = float(greens[:own].sum()) + clearance * own - wanted.time
            moment += wanted.green if wanted.begins != LightState.GREEN else 0.0
            moment += clearance if wanted.begins == LightState.RED else 0.0
        whole = float(greens.sum()) + clearance * len(phases)
        clock = (np.arange(steps) * DT + (offset * whole if wanted is None else moment)) % whole
        state = np.full((len(rows), steps), LightState.RED, np.int8)
        begin = 0.0
        for phase, green in zip(phases, greens, strict=True):
            member = np.isin(np.arange(len(rows)), phase)
            state[np.ix_(member, (clock >= begin) & (clock < begin + green))] = LightState.GREEN
            yellow = (clock >= begin + green) & (clock < begin + green + clearance)
            state[np.ix_(member, yellow)] = LightState.YELLOW
            begin += green + clearance
        lanes += rows
        points += [network.curves[row][0, :2] for row in rows]
        states.append(state)
    if not lanes:
        return Lights(np.zeros(0, np.int32), np.zeros((0, 2)), np.zeros((0, steps), np.int8))
    return Lights(np.array(lanes, np.int32), np.array(points, np.float64).round(4), np.concatenate(states))


PHASINGS = ((Phasing.LEAD, 0.35), (Phasing.LAG, 0.5), (Phasing.SPLIT, 0.6), (Phasing.PERMISSIVE, np.inf))


def phase_plan(junction: Junction, phasing: Phasing) -> list[list[int]]:
    """Connectors that are green together, phase by phase.

    Opposite legs share a phase unless the phases are split. ``LEAD`` and ``LAG`` give their left turns a phase of their
    own before or after it, where every leg has a lane to spare for them. Legs without an opposite one get their own
    phase.
    """
    headings = np.array([leg.mouth[2] for leg in junction.legs])
    free = list(range(len(headings)))
    phases = []
    while free:
        leg = free.pop(0)
        apart = [abs(float(wrap_angle(headings[other] - headings[leg] - np.pi))) for other in free]
        pair = [leg]
        if apart and min(apart) < np.radians(40.0) and phasing is not Phasing.SPLIT:
            pair.append(free.pop(int(np.argmin(apart))))
        members = [n for n, item in enumerate(junction.connectors) if item.leg_in in pair]
        turns = [n for n in members if junction.connectors[n].movement is Movement.LEFT]
        exclusive = turns and all(
            junction.connectors[n].movement is Movement.LEFT
            for n in members
            if any(
                (junction.connectors[n].leg_in, junction.connectors[n].lane_in)
                == (junction.connectors[t].leg_in, junction.connectors[t].lane_in)
                for t in turns
            )
        )
        if len(pair) == 2 and phasing is not Phasing.PERMISSIVE and exclusive:
            rest = [n for n in members if n not in turns]
            phases += [turns, rest] if phasing is Phasing.LEAD else [rest, turns]
        else:
            phases.append(members)
    return phases


def _greens(count: int, available: float, share: float) -> NDArray[np.float64]:
    """Green times [s] per phase: the first gets ``share`` of what there is, never less than the shortest green."""
    if count == 1:
        return np.array((max(available, MIN_GREEN),))
    rest = np.full(count - 1, available * (1.0 - share) / (count - 1))
    return np.maximum(np.concatenate(((available * share,), rest)), MIN_GREEN)
