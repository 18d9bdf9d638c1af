"""What an observer can see coming: brake lights, indicators, and people who mean to step onto the road."""

import numpy as np
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.scene import DT, AgentKind, Cue, Scenario
from scenarios.generate.actors import Actor
from scenarios.generate.geometry import Float

BRAKING = -0.6
INDICATE = 28.0  # m before a turn
TURN = np.radians(30.0)


def draw_cues(scenario: Scenario, actors: list[Actor], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cues ``[A, T]`` of the rolled tracks.

    Walkers with a ``cue_lead`` show INTENT from that long before they set off until one second after; those who never
    set off (false cues) show it for a while as the ego comes near.
    """
    tracks = scenario.tracks
    cues = np.zeros(tracks.valid.shape, np.uint8)
    speed = np.hypot(tracks.velocity[..., 0], tracks.velocity[..., 1])
    acceleration = np.gradient(speed, DT, axis=1)
    for row, actor in enumerate(actors):
        wait, length = rng.uniform(0.0, 1.0), rng.uniform(3.0, 7.0)
        if actor.kind == AgentKind.PEDESTRIAN:
            if actor.cue_lead > 0.0:
                begin, end = _intent(scenario, row, speed[row], actor.cue_lead, float(wait), float(length))
                cues[row, begin:end] |= Cue.INTENT
        elif actor.kind <= AgentKind.MOTORCYCLE and len(actor.points):
            braking = (acceleration[row] < BRAKING) | (speed[row] < 0.05)
            cues[row, _earlier(braking, round(actor.cue_lead / DT))] |= Cue.BRAKE_LIGHT
            indicator = _indicator(actor.points, speed[row], tracks.position[row])
            cues[row, indicator > 0] |= Cue.INDICATOR_LEFT
            cues[row, indicator < 0] |= Cue.INDICATOR_RIGHT
    cues[~tracks.valid] = 0
    return cues


def _intent(scenario: Scenario, row: int, speed: Float, lead: float, wait: float, length: float) -> tuple[int, int]:
    moving = np.flatnonzero(speed > 0.15)
    if len(moving):
        return max(0, int(moving[0]) - round(lead / DT)), int(moving[0]) + round(1.0 / DT)
    away = np.hypot(*(scenario.reference[:, :2] - scenario.tracks.position[row, 0]).T)
    passing = int(away.argmin())
    end = max(passing - round(wait / DT), 1)
    return max(0, end - round(length / DT)), end


def _earlier(active: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    shifted = active.copy()
    for step in range(1, steps + 1):
        shifted[:-step] |= active[step:]
    return shifted


def _indicator(points: Float, speed: Float, position: Float) -> NDArray[np.int8]:
    """+1 / -1 per step where the path turns left / right within the next 28 m, by the distance driven along it."""
    heading = np.unwrap(np.arctan2(np.gradient(points[:, 1]), np.gradient(points[:, 0])))
    arc = np.concatenate(((0.0,), np.cumsum(np.hypot(*np.diff(points, axis=0).T))))
    first = arc[int(np.hypot(*(points - position[0]).T).argmin())]
    driven = first + np.concatenate(((0.0,), np.cumsum(speed[:-1] * DT)))
    now, ahead = np.interp(driven, arc, heading), np.interp(driven + INDICATE, arc, heading)
    turn = ahead - now
    sharp = np.abs(turn) > TURN
    # A road that bends is no turn: a turn changes direction within a dozen metres somewhere ahead.
    rate = np.abs(np.gradient(heading, arc))
    tight = np.array([rate[(arc >= at) & (arc <= at + INDICATE)].max(initial=0.0) > 1.0 / 25.0 for at in driven[::5]])
    return np.where(sharp & np.repeat(tight, 5)[: len(driven)], np.sign(wrap_angle(turn)), 0).astype(np.int8)
