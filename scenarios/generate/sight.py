"""Buildings at the corners of a junction: how far round the corner one sees from the ego's road."""

from dataclasses import replace

import numpy as np
import shapely

from drive.map import Area, Layer, add_areas
from scenarios.generate.crossroads import Crossroads
from scenarios.generate.geometry import Float
from scenarios.generate.junction import Movement, Section
from scenarios.generate.paths import at_arc

LENGTH = 18.0  # m along either road
VERGE = 0.7  # m between walkway and wall


def build_up(cross: Crossroads, sight: float, ahead: float) -> Crossroads:
    """The same junction with a building at each corner beside the ego's road, where there is room for one.

    From ``ahead`` [m] before the conflict the ego sees those who come from the side ``sight`` [m] before it. The wall
    is no nearer to either road than its verge, so one sees more where streets are wide.
    """
    rings = [
        ring
        for movement in (Movement.RIGHT, Movement.LEFT)
        if (ring := _corner(cross, movement, sight, ahead)) is not None
    ]
    network = cross.network
    if not rings:
        return cross
    areas = [Area(Layer.OCCLUDER, (ring,)) for ring in rings]
    return replace(cross, network=replace(network, map=add_areas(network.map, areas)))


def _corner(cross: Crossroads, movement: Movement, sight: float, ahead: float) -> Float | None:
    """The building between the ego's road and the one from which ``movement``'s leg comes, or None without room."""
    leg = cross.leg(movement)
    if leg is None:
        return None
    options = [n for n in cross.movements(leg) if cross.movement(n) is Movement.THROUGH] or cross.movements(leg)
    meeting = cross.meeting(options[0]) if options else None
    if meeting is None:
        return None
    connectors = cross.network.junctions[0].connectors
    here, there = cross.network.roads[0].section, cross.network.junctions[0].legs[leg].section
    inside = movement is Movement.RIGHT  # of the ego's own half of the road; then the others are on their far half
    aside = _to_wall(here, connectors[cross.own].lane_in, near=inside)
    before = _to_wall(there, connectors[options[0]].lane_in, near=not inside)
    before = max(before, ahead * (1.0 - aside / max(sight, aside + 1.0)))
    place = at_arc(cross.way, meeting[0][0])
    # as straight as the ego's road arrives
    heading = at_arc(cross.way, cross.line - 1.0)[2]
    mouth = cross.network.junctions[0].legs[leg].mouth[2]
    back, away = -np.array((np.cos(heading), np.sin(heading))), np.array((np.cos(mouth), np.sin(mouth)))
    corner = place[:2] + before * back + aside * away
    ring = np.stack((corner, corner + LENGTH * back, corner + LENGTH * (back + away), corner + LENGTH * away))
    return None if _on_road(cross, ring) else ring


def _to_wall(section: Section, lane: int, *, near: bool) -> float:
    """Distance [m] from the middle of an incoming lane to the wall on its own side of the road, or on the other one."""
    middle = section.median / 2 + (lane + 0.5) * section.width
    edge = section.edge(forward=False) + section.parking + section.walkway + VERGE
    return edge - middle if near else edge + middle


def _on_road(cross: Crossroads, ring: Float) -> bool:
    building = shapely.Polygon(ring)
    layers = cross.network.map.areas(Layer.DRIVABLE)
    return not building.is_valid or any(building.intersects(shapely.Polygon(rings[0], rings[1:])) for rings in layers)
