"""What a recipe must become anywhere: what is put on the road, hashed, and where it ends, to a millimetre.

What a recipe draws is the same on every machine; what evolves from it goes through a thousand steps in which the last
bits of ``sin`` and ``exp`` differ between processors, and may end elsewhere.
"""

import hashlib

import numpy as np

from drive.scene import Scenario

TOLERANCE = 1e-3  # m


def spawn_digest(scenario: Scenario) -> str:
    """Sixteen hexadecimal digits over recipe, map, agents, their ways and their script, lengths rounded to 0.1 mm."""
    digest = hashlib.sha256(f"{scenario.id} {scenario.provenance.get('namespace', '')}".encode())
    lanes = [scenario.map.lane_centerline(lane) for lane in range(scenario.map.lanes)]
    paths = [] if scenario.paths is None else [scenario.paths.points]
    for values in (*lanes, *paths, scenario.tracks.size, scenario.script, scenario.goal):
        digest.update(np.round(np.asarray(values, np.float64) * 1e4).astype(np.int64).tobytes())
    digest.update(scenario.tracks.kind.tobytes() + scenario.route.tobytes())
    return digest.hexdigest()[:16]


def ends_of(scenario: Scenario) -> tuple[float, ...]:
    """Where the reference is at the end, and the middle of all agents then: four lengths [m] that tell drives apart."""
    tracks = scenario.tracks
    there = tracks.position[tracks.valid[:, -1], -1]
    middle = there.mean(axis=0) if len(there) else np.zeros(2)
    return tuple(round(float(value), 4) for value in (*scenario.reference[-1, :2], *middle))


def same_ends(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    """True if two drives end within a millimetre of each other."""
    return len(one) == len(two) and bool(np.abs(np.subtract(one, two)).max(initial=0.0) <= TOLERANCE)
