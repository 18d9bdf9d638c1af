"""Road surface where a source has no polygons of it: from rings around it, or from road edges.

Edges are lines, with gaps at driveways and where the map ends: the surface is what lies within reach of a lane and is
not cut off from it by an edge.
"""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.constructive import BufferCapStyle
from shapely.geometry import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from drive.map import Area, Lane, Layer
from scenarios.nuscenes.maps import parts, surface

Float = NDArray[np.float64]

# Paved ground reaches this far [m] beside a centreline, unless an edge ends it: parking and turning pockets.
_PAVED = 9.0
_LEAST_AREA = 1.0
# Edges whose ends are this close [m] are one edge.
_GAP = 3.0


def road_surface(
    edges: Sequence[Float],
    rings: Sequence[Float],
    paths: Sequence[Float],
    lanes: Sequence[Lane],
    shapes: Sequence[Polygon],
    ground: BaseGeometry,
) -> BaseGeometry:
    """The drivable area within ``ground``: inside the ``rings`` if there are any (an odd number of them), else what
    ``edges`` leave of the ground beside lanes and other ``paths``, else the lanes' own polygons ``shapes``."""
    if rings:
        area = shapely.build_area(shapely.GeometryCollection([shapely.LinearRing(ring) for ring in rings]))
        return surface(surface(area).intersection(ground))
    tracks = [LineString(lane.centerline[:, :2]) for lane in lanes]
    tracks += [line for path in paths if (line := LineString(path)).intersects(ground)]
    walls = [line for edge in edges if (line := LineString(edge)).intersects(ground)]
    if not walls:
        return shapely.union_all(shapes)
    # Flat at lanes' ends: round ones would reach behind edges that end with the map.
    round_ends = [lane.connector for lane in lanes] + [False] * (len(tracks) - len(lanes))
    caps = [BufferCapStyle.round if inside else BufferCapStyle.flat for inside in round_ends]
    paved = shapely.union_all([track.buffer(_PAVED, cap_style=cap) for track, cap in zip(tracks, caps, strict=True)])
    rims = shapely.union_all([part.boundary for part in parts(paved)])
    cuts = shapely.union_all([*walls, rims, *_closing(walls, rims)])
    faces = [face for face in parts(shapely.polygonize([cuts])) if paved.covers(face.representative_point())]
    cores = shapely.union_all([track.buffer(0.5) for track in tracks])
    kept = [face for face in faces if face.intersection(cores).area > _LEAST_AREA]
    return surface(shapely.union_all([*kept, shapely.union_all([track.buffer(1.0) for track in tracks])]))


def _closing(edges: Sequence[LineString], rims: BaseGeometry) -> list[BaseGeometry]:
    """Lines from the loose ends of edges to each other where they nearly meet, and to the rim of the paved ground: what
    lies behind an edge must not be reached around its end."""
    ends = [shapely.Point(edge.coords[at]) for edge in edges if not edge.is_closed for at in (0, -1)]
    if not ends:
        return []
    found = [shapely.shortest_line(end, rims) for end in ends]
    near = shapely.STRtree(ends).query(ends, predicate="dwithin", distance=_GAP).T.tolist()
    found += [LineString((ends[one], ends[other])) for one, other in near if one < other and ends[one] != ends[other]]
    return [line for line in found if line.length <= _PAVED + 1.0]


def with_surface(
    areas: Sequence[Area], ground: BaseGeometry, lanes: Sequence[Lane], shapes: Sequence[Polygon]
) -> list[Area]:
    """Areas with the drivable ones melted into ``ground``, and with the junctions that connectors cover."""
    paved = [area_shape(area) for area in areas if area.layer == Layer.DRIVABLE]
    junctions = [shape for shape, lane in zip(shapes, lanes, strict=True) if lane.connector]
    found = _pieces(Layer.DRIVABLE, surface(shapely.union_all([ground, *paved])))
    found += _pieces(Layer.INTERSECTION, surface(shapely.union_all(junctions)))
    return found + [area for area in areas if area.layer != Layer.DRIVABLE]


def _pieces(layer: Layer, shape: BaseGeometry) -> list[Area]:
    return [
        Area(layer, tuple(np.array(ring.coords)[:-1] for ring in (polygon.exterior, *polygon.interiors)))
        for polygon in parts(shape)
        if polygon.area > _LEAST_AREA
    ]


def area_shape(area: Area) -> BaseGeometry:
    """An area as a valid shape."""
    return surface(Polygon(area.rings[0], area.rings[1:]))


def clipped(area: Area, ground: BaseGeometry) -> list[Area]:
    """What of an area lies on ``ground``."""
    shape = area_shape(area)
    return [area] if ground.covers(shape) else _pieces(area.layer, surface(shape.intersection(ground)))
