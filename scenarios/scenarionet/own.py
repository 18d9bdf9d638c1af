"""What files of our own export say beyond the format (keys that other readers pass over)."""

import numpy as np
from numpy.typing import NDArray

from drive.scene import DRIVER_COLUMNS, EVENT_COLUMNS, Paths
from drive.vehicle import EGO_COLUMNS, VehicleParameters
from scenarios.recording import Motives
from scenarios.scenarionet.files import OWN, Content

Float = NDArray[np.float64]

# The key beside ``tracks`` and ``map_features`` that holds what moves agents in reactive traffic.
KEY = "drive"


def own_vehicle(content: Content) -> VehicleParameters | None:
    """The ego's car, dimensions and axles; None in files that are not ours."""
    record = content.data["metadata"].get("ego_vehicle") if content.dataset == OWN else None
    if not isinstance(record, dict):
        return None
    try:
        values = [float(record[name]) for name in ("length", "width", "wheelbase", "rear_axle_to_center")]
        return VehicleParameters(str(record["name"]), *values)
    except (KeyError, TypeError, ValueError) as error:
        raise content.error("metadata.ego_vehicle", f"is no vehicle ({error})") from None


def own_states(content: Content, ego_id: str) -> Float | None:
    """Ego states ``[n, 11]``, pose in the global frame."""
    state = content.data["tracks"][ego_id]["state"] if content.dataset == OWN else {}
    if "rear_axle_states" not in state:
        return None
    field = f"tracks[{ego_id!r}].state.rear_axle_states"
    return content.numbers(state["rear_axle_states"], field, EGO_COLUMNS, content.length)


def own_cues(content: Content, names: list[str]) -> NDArray[np.uint8] | None:
    """What agents announce, ``[A, n]``."""
    if content.dataset != OWN:
        return None
    tracks = content.data["tracks"]
    rows = [
        content.numbers(tracks[name]["state"].get("cues", np.zeros(content.length)), f"tracks[{name!r}].state.cues")
        for name in names
    ]
    return np.array(rows, np.uint8).reshape(len(names), content.length)


def own_motives(content: Content, agents: int) -> Motives | None:
    """What moves the agents in reactive traffic; None in files that do not say it.

    Raises:
        DataError: A part of it does not fit the tracks.
    """
    if content.dataset != OWN or KEY not in content.data:
        return None
    record = content.inside(content.data, KEY, "", dict)

    def numbers(holder: object, key: str, field: str, columns: int | None, rows: int | None = None) -> Float:
        found = content.numbers(content.inside(holder, key, field, np.ndarray), f"{field}.{key}", columns, rows)
        if not np.isfinite(found).all():
            raise content.error(f"{field}.{key}", "is not finite")
        return found

    drivers = numbers(record, "drivers", KEY, DRIVER_COLUMNS, agents)
    script = numbers(record, "script", KEY, EVENT_COLUMNS)
    paths = None
    if record.get("paths") is not None:
        field = f"{KEY}.paths"
        points = numbers(record["paths"], "points", field, 2)
        limit = numbers(record["paths"], "limit", field, None, len(points))
        ptr = numbers(record["paths"], "ptr", field, None, agents + 1).astype(np.int32)
        if ptr[0] != 0 or ptr[-1] != len(points) or (np.diff(ptr) < 0).any():
            raise content.error(f"{field}.ptr", f"are no offsets into {len(points)} points")
        paths = Paths(points, limit, ptr)
    hardness = float(numbers({"hardness": np.array([record.get("hardness", 0.0)])}, "hardness", KEY, None)[0])
    return Motives(drivers, script, paths, hardness, bool(record.get("occlusion", False)))
