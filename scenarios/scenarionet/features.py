"""The map of a ScenarioNet scenario: ``map_features`` by type."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.map import Area, Layer, StopCause
from scenarios.lanemap import RawLane, RawMap, RawStop, headings, tidy
from scenarios.scenarionet.files import FARTHEST, OWN, Content

Float = NDArray[np.float64]

_LANES = ("LANE_SURFACE_STREET", "LANE_FREEWAY", "LANE_SURFACE_UNSTRUCTURE", "LANE_UNKNOWN")
_PATHS = ("LANE_BIKE_LANE",)
_POLYGONS = {
    "CROSSWALK": Layer.CROSSWALK,
    "DRIVEWAY": Layer.DRIVABLE,
    "ROAD_EDGE_SIDEWALK": Layer.WALKWAY,
}
# Beyond this [km/h] a limit is a placeholder (MetaDrive's own roads say 1000).
_FASTEST = 200.0
_KMH = 3.6
_MPH = 1.609344
# The third value of lane points is their yaw if it is this close [rad] to the line's direction almost everywhere.
_ALIKE = 0.25


def read_map(content: Content) -> RawMap:
    """Lanes, edges, areas and stop signs of a scenario.

    Raises:
        DataError: A feature lacks its type or geometry, or has coordinates that are no numbers.
    """
    lanes: list[RawLane] = []
    paths: list[Float] = []
    edges: list[Float] = []
    rings: list[Float] = []
    layered: dict[tuple[str, int], list[Float]] = {}
    areas: list[Area] = []
    stops: list[RawStop] = []
    notes: list[str] = []
    other: dict[str, int] = {}
    features = {str(name): feature for name, feature in content.data["map_features"].items()}
    interpolating = any(isinstance(item, dict) and item.get("interpolating") for item in features.values())
    for name, feature in features.items():
        field = f"map_features[{name!r}]"
        kind = content.inside(feature, "type", field, str)
        if content.dataset == OWN and "layer" in feature:
            key = str(feature["layer"]), int(feature.get("area", 0))
            ring = _points(content, feature, _outline(feature), field)[:, :2]
            layered.setdefault(key, []).append(ring if "polygon" in feature else ring[:-1])
        elif kind in _LANES:
            lane = _lane(content, name, feature, field, interpolating)
            if lane is None:
                notes.append(f"lane {name!r} has no centreline and was left out")
            else:
                lanes.append(lane)
        elif kind == "STOP_SIGN" or (content.dataset == OWN and "segment" in feature):
            stops.append(_stop(content, name, feature, field))
        elif kind in _POLYGONS and "polygon" in feature:
            ring = _points(content, feature, "polygon", field)[:, :2]
            if len(ring) >= 3:
                areas.append(Area(_POLYGONS[kind], (ring,)))
        elif kind in _PATHS or kind.startswith("ROAD_EDGE") or name.startswith("boundary_"):
            line = tidy(_points(content, feature, "polyline", field)[:, :2]) if "polyline" in feature else None
            if line is None:
                continue
            if kind in _PATHS:
                paths.append(line)
            elif name.startswith("boundary_") and _same(line[0], line[-1]):
                rings.append(line)
            else:
                edges.append(line)
        elif not kind.startswith("ROAD_LINE"):
            other[kind] = other.get(kind, 0) + 1
    notes += [f"{count} features of type {kind} are not read" for kind, count in sorted(other.items())]
    areas += [Area(_layer(content, layer), tuple(found)) for (layer, _), found in layered.items()]
    return RawMap(
        lanes=tuple(lanes),
        paths=tuple(paths),
        edges=tuple(edges),
        rings=tuple(ring for ring in rings if len(ring) > 3),
        areas=tuple(areas),
        complete=content.dataset == OWN,
        stops=tuple(stops),
        notes=tuple(notes),
    )


def _same(one: Float, other: Float) -> bool:
    return bool(np.abs(one[:2] - other[:2]).max() < 1e-6)


def _outline(feature: dict[str, Any]) -> str:
    return "polygon" if "polygon" in feature else "polyline"


def _layer(content: Content, name: str) -> Layer:
    if name.upper() not in Layer.__members__:
        raise content.error("map_features", f"the layer {name!r} is none of {', '.join(Layer.__members__).lower()}")
    return Layer[name.upper()]


def _points(content: Content, feature: dict[str, Any], key: str, field: str) -> Float:
    """Coordinates ``[P, >=2]``; closing points of rings are dropped by whoever needs open ones."""
    value = content.inside(feature, key, field, object)
    found = content.numbers([tuple(point) for point in value] if len(value) else np.zeros((0, 2)), f"{field}.{key}", 2)
    if not np.isfinite(found).all() or (np.abs(found[:, :2]) > FARTHEST).any():
        raise content.error(f"{field}.{key}", "has a point that is not finite or off every map")
    own = content.dataset == OWN
    if key == "polygon" and not own and len(found) > 1 and _same(found[0], found[-1]):
        found = found[:-1]
    return found


def _lane(content: Content, name: str, feature: dict[str, Any], field: str, interpolating: bool) -> RawLane | None:
    points = tidy(_points(content, feature, "polyline", field))
    if points is None:
        return None
    own = content.dataset == OWN
    line = points[:, :2]
    polygon = _points(content, feature, "polygon", field)[:, :2] if len(feature.get("polygon", ())) else None
    connector = None
    if own:
        connector = bool(feature.get("connector", False))
    elif content.dataset == "nuscenes":
        connector = polygon is None  # connectors are lines in nuScenes
    elif interpolating:
        connector = bool(feature.get("interpolating"))
    linked = bool(feature.get("exit_lanes")) or any(
        isinstance(item, dict) and item.get("exit_lanes") for item in content.data["map_features"].values()
    )
    known = _names(feature.get("exit_lanes")) if linked else None
    left, right = _names(feature.get("left_neighbor")), _names(feature.get("right_neighbor"))
    beside = own or content.dataset == "waymo"
    return RawLane(
        id=name,
        line=line,
        heading=_yaw(points, own),
        polygon=polygon if polygon is not None and len(polygon) >= 3 else None,
        successors=known,
        left=left if beside else None,
        right=right if beside else None,
        group=str(feature.get("group", "")) if own else "",
        # ScenarioNet writes 100 km/h on every connector of nuScenes, which has no limits.
        speed_limit=None if content.dataset == "nuscenes" else _limit(feature, own),
        connector=connector,
        borrow_allowed=bool(feature.get("borrow_allowed", False)) if own else False,
    )


def _yaw(points: Float, own: bool) -> Float | None:
    """The third column if it holds headings; in files made from Waymo it is the height."""
    if points.shape[1] < 3:
        return None
    turned = np.abs(wrap_angle(points[:, 2] - headings(points)))
    return np.asarray(wrap_angle(points[:, 2])) if own or np.mean(turned < _ALIKE) > 0.9 else None


def _names(value: Any) -> tuple[str, ...]:
    """Ids from a list of ids, or of records with a ``feature_id`` (Waymo), or from one id."""
    if value is None:
        return ()
    items: Iterable[Any] = value if isinstance(value, list | tuple | set | np.ndarray) else [value]
    return tuple(str(item.get("feature_id")) if isinstance(item, dict) else str(item) for item in items)


def _limit(feature: dict[str, Any], own: bool) -> float | None:
    """Speed limit [m/s]; none where it is absent, zero or a placeholder."""
    if own and isinstance(feature.get("speed_limit_mps"), float | int):
        return float(feature["speed_limit_mps"])
    for key, scale in (("speed_limit_kmh", 1.0), ("speed_limit_mph", _MPH)):
        value = feature.get(key)
        if isinstance(value, list | tuple | np.ndarray) and len(value) == 1:
            value = value[0]
        if isinstance(value, int | float | np.number) and 0 < float(value) * scale < _FASTEST:
            return float(value) * scale / _KMH
    return None


def _stop(content: Content, name: str, feature: dict[str, Any], field: str) -> RawStop:
    position = content.numbers([content.inside(feature, "position", field, object)], f"{field}.position", 2)[0, :2]
    lanes = _names(feature.get("lane")) or None
    if content.dataset == OWN and "segment" in feature:
        cause = str(feature.get("cause", "STOP_SIGN"))
        if cause not in StopCause.__members__:
            raise content.error(f"{field}.cause", f"is {cause!r}, expected one of {', '.join(StopCause.__members__)}")
        segment = content.numbers(feature["segment"], f"{field}.segment", 2)[:, :2]
        return RawStop(name, position, lanes, StopCause[cause], segment)
    return RawStop(name, position, lanes)
