"""All-agent checks agree with shapely."""

import numpy as np
import shapely

from drive.geometry import box_corners
from drive.kernels.checks import off_road, overlapping
from drive.kernels.ground import compile_ground
from drive.map import Area, Layer, build_map


def test_every_contact_and_departure_is_found():
    rng = np.random.default_rng(5)
    agents, steps = 12, 6
    position = rng.uniform(-15, 15, (agents, steps, 2))
    heading = rng.uniform(-4, 4, (agents, steps))
    size = rng.uniform((2, 1), (6, 3), (agents, 2))
    valid = rng.random((agents, steps)) < 0.8
    road = np.array([[-14.0, -9.0], [13.0, -12.0], [11.0, 12.0], [-3.0, 6.0]])
    ground = compile_ground(build_map([], [Area(Layer.DRIVABLE, (road,))]))
    polygons = [
        [shapely.Polygon(box_corners(position[a, k], heading[a, k], size[a])) for k in range(steps)]
        for a in range(agents)
    ]
    contact = np.zeros((agents, steps), bool)
    out = np.zeros((agents, steps), bool)
    for k in range(steps):
        for a in range(agents):
            if valid[a, k]:
                others = (b for b in range(agents) if b != a and valid[b, k])
                contact[a, k] = any(polygons[a][k].intersects(polygons[b][k]) for b in others)
                out[a, k] = not shapely.Polygon(road).contains(polygons[a][k])
    assert contact.any() and not contact.all()
    assert out.any() and not out[valid].all()
    np.testing.assert_array_equal(overlapping(position, heading, size, valid, 0, steps), contact)
    np.testing.assert_array_equal(off_road(ground, position, heading, size, valid, 0, steps), out)
    np.testing.assert_array_equal(overlapping(position, heading, size, valid, 2, 4), contact[:, 2:4])
