"""Safe distances of responsibility-sensitive safety (Shalev-Shwartz, Shammah, Shashua 2017), on tensors.

The paper leaves the values open; the defaults are those of the open-source RSS library.
"""

import torch
from torch import Tensor

RESPONSE = 1.0  # s, response time
ACCEL = 3.5  # m/s2, largest acceleration during it
BRAKE_MIN = 4.0  # m/s2, braking that the one behind commits to
BRAKE_MAX = 8.0  # m/s2, hardest braking of the one in front
BRAKE_CORRECT = 3.0  # m/s2, braking of the one in its correct lane against oncoming traffic
LATERAL_ACCEL = 0.2  # m/s2
LATERAL_BRAKE = 0.8  # m/s2
WOBBLE = 0.1  # m, lateral movement that means nothing


def same_direction(rear: Tensor, front: Tensor) -> Tensor:
    """Distance [m] needed behind somebody who drives the same way, from the speeds [m/s] of both (negative: 0)."""
    rear, front = rear.clamp(min=0.0), front.clamp(min=0.0)
    later = rear + RESPONSE * ACCEL
    braking = later * later / (2.0 * BRAKE_MIN) - front * front / (2.0 * BRAKE_MAX)
    return (rear * RESPONSE + 0.5 * ACCEL * RESPONSE**2 + braking).clamp(min=0.0)


def opposite_direction(one: Tensor, other: Tensor) -> Tensor:
    """Distance [m] needed between two who drive towards each other at speeds [m/s] ``one`` (in its correct lane) and
    ``other``, both counted positive."""
    one, other = one.clamp(min=0.0), other.clamp(min=0.0)
    one_later, other_later = one + RESPONSE * ACCEL, other + RESPONSE * ACCEL
    mine = 0.5 * (one + one_later) * RESPONSE + one_later * one_later / (2.0 * BRAKE_CORRECT)
    theirs = 0.5 * (other + other_later) * RESPONSE + other_later * other_later / (2.0 * BRAKE_MIN)
    return mine + theirs


def lateral(one: Tensor, other: Tensor) -> Tensor:
    """Lateral distance [m] needed between two side by side, from their lateral speeds [m/s], both counted positive in
    the direction from the first to the second."""
    one_later, other_later = one + RESPONSE * LATERAL_ACCEL, other - RESPONSE * LATERAL_ACCEL
    mine = 0.5 * (one + one_later) * RESPONSE + one_later * one_later.abs() / (2.0 * LATERAL_BRAKE)
    theirs = 0.5 * (other + other_later) * RESPONSE + other_later * other_later.abs() / (2.0 * LATERAL_BRAKE)
    return WOBBLE + torch.clamp(mine - theirs, min=0.0)
