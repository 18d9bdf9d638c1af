"""Where and when another agent is in the ego's way, and what braking that asks for.

Conflict intervals on both paths come from boxes swept along them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.traffic_follow import body_on_path
from drive.kernels.traffic_world import FAR
from drive.scene import DT
from drive.vehicle import PACIFICA
from scenarios.generate.geometry import Float
from scenarios.generate.search import SPACING, Others

Bool = NDArray[np.bool_]

REACTION = 0.3  # s between the first visible cue and the brake
MARGIN = 0.5  # m to the actor
MOST = 9.0  # m/s2: more than a car can brake


@dataclass(frozen=True)
class Occupancy:
    """One agent and the ego's corridor, sample by sample.

    Attributes:
        near, far: ``[K+1]`` arc lengths [m] on the ego's path between which its box is in the corridor; FAR outside.
        along: ``[K+1]`` cosine of its heading to the path beside it.
        aside: ``[K+1]`` distance [m] of its centre from the path.
        driven: ``[K+1]`` distance [m] it has come since the first sample.
        speed: ``[K+1]`` m/s.
        inside: ``[K+1]`` True while it is in the corridor.
    """

    near: Float
    far: Float
    along: Float
    aside: Float
    driven: Float
    speed: Float
    inside: Bool

    @property
    def interval(self) -> tuple[float, float]:
        """Conflict ``(c0, c1)`` [m] on the ego's path."""
        return float(self.near[self.inside].min()), float(self.far[self.inside].max())

    @property
    def own_interval(self) -> tuple[float, float]:
        """Conflict ``(d0, d1)`` [m] on the agent's path, from where it is at the first sample."""
        rows = np.flatnonzero(self.inside)
        return float(self.driven[rows[0]]), float(self.driven[rows[-1]])


def occupancy(path: Float, others: Others, row: int) -> Occupancy:
    """The corridor of a Pacifica on ``path [P, 6]`` and agent ``row``."""
    position, size = others.position[row], others.size[row]
    near, far = _sweep(
        path, position, others.heading[row], others.valid[row], size, PACIFICA.width / 2, PACIFICA.length / 2
    )
    inside = near < FAR
    gaps = np.hypot(path[:, None, 0] - position[None, :, 0], path[:, None, 1] - position[None, :, 1])
    along = np.cos(others.heading[row] - path[gaps.argmin(axis=0), 2])
    speed = np.hypot(*others.velocity[row].T)
    driven = np.concatenate(((0.0,), np.cumsum(0.5 * DT * (speed[1:] + speed[:-1]))))
    return Occupancy(near, far, along, gaps.min(axis=0), driven, speed, inside)


@kernel
def _sweep(
    path: Float, position: Float, heading: Float, valid: Bool, size: Float, half_width: float, half_length: float
) -> tuple[Float, Float]:
    count = len(position)
    near, far = np.full(count, FAR), np.full(count, FAR)
    radius = 0.5 * np.sqrt(size[0] ** 2 + size[1] ** 2)
    for k in range(count):
        if valid[k]:
            near[k], far[k], _ = body_on_path(
                path, 0, len(path), 0.0, (len(path) - 1) * SPACING, 0.0, half_width, half_length,
                position[k, 0], position[k, 1], np.cos(heading[k]), np.sin(heading[k]),
                0.5 * size[0], 0.5 * size[1], radius,
            )  # fmt: skip
    return near, far


def contact_free(taken: Occupancy, motion: Float, begin: int, margin: float) -> bool:
    """True if an ego of arc lengths ``motion [K+1, 3]`` keeps ``margin`` [m] behind an agent whenever it is ahead, and
    is never where it is, from sample ``begin`` on."""
    front, rear = motion[begin:, 0] + PACIFICA.front, motion[begin:, 0] - PACIFICA.rear
    near, far, inside = taken.near[begin:], taken.far[begin:], taken.inside[begin:]
    return not bool((inside & (near - margin < front) & (far > rear)).any())


def braked(motion: Float, step: int, rate: float) -> Float:
    """A drive that brakes at ``rate`` [m/s2] from REACTION after sample ``step`` on; until then nothing changes."""
    changed = motion.copy()
    first = min(step + round(REACTION / DT), len(motion) - 1)
    clock = DT * np.arange(len(motion) - first)
    speed = np.maximum(motion[first, 1] - rate * clock, 0.0)
    changed[first:, 1] = speed
    changed[first + 1 :, 0] = motion[first, 0] + np.cumsum(0.5 * DT * (speed[1:] + speed[:-1]))
    changed[first:, 2] = np.where(speed > 0.0, -rate, 0.0)
    return changed


def least(enough: Callable[[float], bool]) -> float:
    """Smallest deceleration [m/s2] that is enough, to 0.1; MOST if none is."""
    if enough(0.0):
        return 0.0
    if not enough(MOST):
        return MOST
    low, high = 0.0, MOST
    while high - low > 0.1:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def braking_demand(lead: Float, gap: float) -> float:
    """Deceleration [m/s2] that a lead of speeds ``lead [K]`` (every 0.1 s) asks of an ego ``gap`` [m] behind it that
    drives as fast as the lead does at first, and reacts."""
    near = np.concatenate(((0.0,), np.cumsum(0.5 * DT * (lead[1:] + lead[:-1]))))
    motion = np.zeros((len(lead), 3))
    motion[:, 0], motion[:, 1] = lead[0] * DT * np.arange(len(lead)) - gap, lead[0]
    return least(lambda rate: bool((near - braked(motion, 0, rate)[:, 0] >= MARGIN).all()))
