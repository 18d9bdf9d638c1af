"""What traffic rules read: signals of ego drives in a scene, by name, with the ego states as torch tensors.

    world = prepare(scenario, position, heading, velocity, valid)
    values = compute(("speed", "lead_gap"), world, ego)  # ego [B, T, 11]
    values["lead_gap"].value  # [B, T], differentiable with respect to ego

float64 to score, float32 to follow gradients; the code is the same.
"""

from collections.abc import Iterable, Mapping

from torch import Tensor

from drive.signals import agents, beside, change, lane, lead, lines, priority, reasons, vru
from drive.signals import ego as ego_motion
from drive.signals.catalog import CATALOG, FLAG, Signal
from drive.signals.drive import Drive, Function, Values
from drive.signals.world import World, prepare

__all__ = ["CATALOG", "FLAG", "FUNCTIONS", "Signal", "Values", "World", "compute", "prepare"]

FUNCTIONS: Mapping[str, Function] = {
    **ego_motion.SIGNALS,
    **lane.SIGNALS,
    **change.SIGNALS,
    **lead.SIGNALS,
    **agents.SIGNALS,
    **beside.SIGNALS,
    **vru.SIGNALS,
    **lines.SIGNALS,
    **priority.SIGNALS,
    **reasons.SIGNALS,
}


def compute(names: Iterable[str], world: World, ego: Tensor) -> dict[str, Values]:
    """The named signals of ego drives ``[B, T, 11]`` (:class:`drive.vehicle.Ego`, scene frame, sample 0 = start).

    Values stay within the signal's range and are neutral where it is not valid. The drives do not influence each
    other.

    Raises:
        KeyError: No signal has that name.
        ValueError: The ego has another shape or more samples than the world.
    """
    drive = Drive(world, ego, FUNCTIONS)
    return {name: drive.values(name) for name in names}
