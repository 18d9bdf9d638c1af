"""The map side of the export: one location's map expansion, put together from the maps of several scenes."""

import hashlib
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from drive.map import Layer, StopCause, VectorMap
from drive.scene import Scenario
from drive.vehicle import Ego
from scenarios.arclines import fit_arclines

Float = NDArray[np.float64]
Record = dict[str, Any]

# Official map sizes, width and height [m], largest first.
CANVASES = {
    "singapore-queenstown": (3228.6, 3687.1),
    "singapore-hollandvillage": (2808.3, 2922.9),
    "boston-seaport": (2979.5, 2118.1),
    "singapore-onenorth": (1585.6, 2025.0),
}
# Stop lines become polygons this thick [m].
_THICKNESS = 0.3
_STOP_TYPES = {
    StopCause.SIGNAL: "TRAFFIC_LIGHT",
    StopCause.STOP_SIGN: "STOP_SIGN",
    StopCause.YIELD: "YIELD",
    StopCause.CROSSWALK: "PED_CROSSING",
}


def bounds(scenario: Scenario) -> tuple[Float, Float]:
    """Corners (low ``[2]``, high ``[2]``) of everything in a scene, scene frame [m]."""
    points = np.concatenate(
        (
            scenario.map.ring,
            scenario.map.polygon,
            scenario.map.centerline[:, :2],
            scenario.map.stop_segment.reshape(-1, 2),
            scenario.tracks.position[scenario.tracks.valid],
            scenario.reference[:, : Ego.HEADING],
        )
    )
    return points.min(axis=0), points.max(axis=0)


class MapLayers:
    """Map expansion 1.3 of one location under construction."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._nodes: dict[tuple[float, float], str] = {}
        self._count = 0
        self._layers: dict[str, list[Record]] = {
            name: []
            for name in (
                "polygon",
                "line",
                "drivable_area",
                "road_segment",
                "road_block",
                "lane",
                "ped_crossing",
                "walkway",
                "stop_line",
                "carpark_area",
                "road_divider",
                "lane_divider",
                "traffic_light",
                "lane_connector",
            )
        }
        self._arclines: dict[str, list[Record]] = {}
        self._connectivity: dict[str, dict[str, list[str]]] = {}

    def add(self, vector_map: VectorMap, offset: Float, prefix: str, shared: set[str]) -> None:
        """Append a scene's map whose frame lies at ``offset`` [m]; lane ids in ``shared`` get the prefix."""
        names = [prefix + name if name in shared else name for name in vector_map.lane_ids]
        for lane, name in enumerate(names):
            centerline = vector_map.lane_centerline(lane) + np.array((*offset, 0.0))
            ring = vector_map.lane_polygon(lane) + offset
            polygon = self._polygon([ring])
            self._arclines[name] = fit_arclines(centerline)
            self._connectivity[name] = {
                "incoming": [names[other] for other in vector_map.lane_predecessors(lane)],
                "outgoing": [names[other] for other in vector_map.lane_successors(lane)],
            }
            if vector_map.connector[lane]:
                self._layers["lane_connector"].append({"token": name, "polygon_token": polygon})
                continue
            self._layers["lane"].append(
                {
                    "token": name,
                    "polygon_token": polygon,
                    "lane_type": "CAR",
                    "from_edge_line_token": self._edge(ring, centerline[0]),
                    "to_edge_line_token": self._edge(ring, centerline[-1]),
                    "left_lane_divider_segments": [],
                    "right_lane_divider_segments": [],
                }
            )
        self._add_blocks(vector_map, offset)
        self._add_areas(vector_map, offset)
        for segment, cause in zip(vector_map.stop_segment + offset, vector_map.stop_cause, strict=True):
            self._add("stop_line", [_thick(segment)], **_stop_fields(StopCause(int(cause))))

    def content(self) -> Record:
        """The file's content."""
        nodes = [{"token": token, "x": x, "y": y} for (x, y), token in self._nodes.items()]
        return {
            "version": "1.3",
            "canvas_edge": list(CANVASES[self._location]),
            **self._layers,
            "node": nodes,
            "arcline_path_3": self._arclines,
            "connectivity": self._connectivity,
        }

    def _add_blocks(self, vector_map: VectorMap, offset: Float) -> None:
        """One road segment and road block per group of parallel lanes."""
        for group in sorted(set(vector_map.group[~vector_map.connector].tolist())):
            lanes = np.flatnonzero((vector_map.group == group) & ~vector_map.connector).tolist()
            rings = [vector_map.lane_polygon(lane) + offset for lane in lanes]
            whole = shapely.union_all([shapely.make_valid(shapely.Polygon(ring)) for ring in rings]).buffer(0.0)
            part = max(getattr(whole, "geoms", [whole]), key=lambda shape: shape.area)
            if part.is_empty:
                continue
            outline = [np.array(part.exterior.coords)[:-1]]
            segment = self._add("road_segment", outline, is_intersection=False, drivable_area_token=None)
            centerline = vector_map.lane_centerline(lanes[0]) + np.array((*offset, 0.0))
            self._add(
                "road_block",
                outline,
                road_segment_token=segment,
                from_edge_line_token=self._edge(rings[0], centerline[0]),
                to_edge_line_token=self._edge(rings[0], centerline[-1]),
            )

    def _add_areas(self, vector_map: VectorMap, offset: Float) -> None:
        for rings in vector_map.areas(Layer.DRIVABLE):
            polygon = self._polygon([ring + offset for ring in rings])
            self._layers["drivable_area"].append({"token": self._token(), "polygon_tokens": [polygon]})
        kinds: dict[Layer, tuple[str, Record]] = {
            Layer.INTERSECTION: ("road_segment", {"is_intersection": True, "drivable_area_token": None}),
            Layer.CROSSWALK: ("ped_crossing", {"road_segment_token": None}),
            Layer.CARPARK: ("carpark_area", {"orientation": 0.0, "road_block_token": None}),
            Layer.WALKWAY: ("walkway", {}),
        }
        for layer, (name, fields) in kinds.items():
            for rings in vector_map.areas(layer):
                self._add(name, [ring + offset for ring in rings], **fields)

    def _add(self, layer: str, rings: list[Float], **fields: object) -> str:
        token = self._token()
        self._layers[layer].append({"token": token, "polygon_token": self._polygon(rings), **fields})
        return token

    def _polygon(self, rings: list[Float]) -> str:
        token = self._token()
        outer, *holes = ([self._node(point) for point in ring] for ring in rings)
        self._layers["polygon"].append(
            {"token": token, "exterior_node_tokens": outer, "holes": [{"node_tokens": hole} for hole in holes]}
        )
        return token

    def _edge(self, ring: Float, pose: Float) -> str:
        """A line across a lane at one of its end poses, as long as the lane is wide there."""
        across = np.array((-np.sin(pose[2]), np.cos(pose[2])))
        side = (ring - pose[:2]) @ across
        near = np.abs((ring - pose[:2]) @ np.array((np.cos(pose[2]), np.sin(pose[2])))) < 1.0
        reach = (side[near].max(), side[near].min()) if near.any() else (1.75, -1.75)
        token = self._token()
        nodes = [self._node(pose[:2] + value * across) for value in reach]
        self._layers["line"].append({"token": token, "node_tokens": nodes})
        return token

    def _node(self, point: Float) -> str:
        spot = (round(float(point[0]), 6), round(float(point[1]), 6))
        if spot not in self._nodes:
            self._nodes[spot] = self._token()
        return self._nodes[spot]

    def _token(self) -> str:
        self._count += 1
        text = hashlib.md5(f"{self._location} {self._count}".encode(), usedforsecurity=False).hexdigest()
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _thick(segment: Float) -> Float:
    step = segment[1] - segment[0]
    across = np.array((-step[1], step[0])) / max(float(np.hypot(*step)), 1e-9) * _THICKNESS / 2
    return np.array((segment[0] + across, segment[0] - across, segment[1] - across, segment[1] + across))


def _stop_fields(cause: StopCause) -> Record:
    return {
        "stop_line_type": _STOP_TYPES[cause],
        "ped_crossing_tokens": [],
        "traffic_light_tokens": [],
        "road_block_token": None,
    }
