"""From a scenario to what NAVSIM's scorer is given: its metric cache, for any scene at any step."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.geometry import poses_to_frame
from drive.kernels.geometry import boxes_overlap
from drive.map import Layer, VectorMap
from drive.scene import LightState, Scenario
from drive.scoring.navsim.inputs import SAMPLES, PdmMap, PdmTraffic, RoadLayer, pdm_map, pdm_traffic
from drive.scoring.navsim.keyframes import SPACING, interpolate_tracks
from drive.scoring.navsim.pdm_closed import pdm_closed
from drive.scoring.navsim.route import NavsimRoute, groups_of_lanes, plan_route
from drive.vehicle import PACIFICA, Ego, center_from_rear_axle

Float = NDArray[np.float64]
Int = NDArray[np.int32]

RADIUS = 100.0  # m, half the side of the square whose polygons are looked at
HISTORY_KEYFRAMES = 4
HUMAN_POSES = 8


class Token(NamedTuple):
    """One frame of a scenario as NAVSIM caches it, in the scene frame.

    ``ego [11]`` with steering and yaw rate 0 as in NAVSIM's logs, ``t0_us``, ``pdm_map``, ``traffic`` (41 samples, as
    logged), ``agents [A]`` (rows of ``traffic`` in the scenario's tracks), ``lights [R]`` (lanes of its red lights),
    ``route``, ``past [4, 7]``, ``human [8, 3]`` in the ego frame, ``reference [51, 3]`` by PDM-Closed.
    """

    ego: Float
    t0_us: int
    pdm_map: PdmMap
    traffic: PdmTraffic
    agents: Int
    lights: Int
    route: NavsimRoute
    past: Float
    human: Float
    reference: Float


def cache_token(scenario: Scenario, step: int) -> Token:
    """Everything a plan made at scene step ``step`` is scored with.

    NAVSIM sees 2 Hz keyframes, so tracks and lights are thinned to those and filled in by its rules. The step must have
    4 s after it and 1.5 s before it; shorter pasts are held at their first state.
    """
    ego = logged_state(scenario, step)
    route = plan_route(scenario.map, groups_of_lanes(scenario.map, scenario.route), ego)
    center = center_from_rear_axle(ego, PACIFICA)[:2]
    surroundings = road_map(scenario.map, route.route_lanes, route.centerline, center - RADIUS, center + RADIUS)
    logged, agents, lights = logged_traffic(scenario, step, route.route_lanes)
    # The planner sees the frame as it was: not what the cache freezes into it that was seen once, and later.
    now = logged._replace(valid=logged.valid & scenario.tracks.valid[agents, step, None])
    proposal = pdm_closed(ego, route.centerline, route.speed_limit(scenario.map), surroundings, now)
    past = np.maximum(step - SPACING * np.arange(HISTORY_KEYFRAMES)[::-1], 0)
    return Token(
        ego=ego,
        t0_us=scenario.t0_us + 100_000 * (step - scenario.start),
        pdm_map=surroundings,
        traffic=logged,
        agents=agents,
        lights=lights,
        route=route,
        past=scenario.reference[past, : Ego.STEERING],
        human=poses_to_frame(scenario.reference[step + SPACING * np.arange(1, HUMAN_POSES + 1), :3], ego[:3]),
        reference=proposal.poses,
    )


def logged_state(scenario: Scenario, step: int) -> Float:
    """Ego state ``[11]`` as NAVSIM reads it from a log: pose, velocity and acceleration, nothing of the steering."""
    state = np.zeros(len(Ego))
    state[: Ego.STEERING] = scenario.reference[step, : Ego.STEERING]
    return state


def road_map(world: VectorMap, route_lanes: Int, centerline: Float, low: Float, high: Float) -> PdmMap:
    """Polygons of a map that reach into the box from ``low [2]`` to ``high [2]`` [m], in NAVSIM's order of layers.

    ROADBLOCK polygons are the map's own; a map of a source without roadblocks gives its drivable surface instead.
    """
    roadblock = Layer.ROADBLOCK if (world.area_layer == Layer.ROADBLOCK).any() else Layer.DRIVABLE
    on_route = np.zeros(world.lanes, np.bool_)
    on_route[route_lanes] = True
    rings: list[Float] = []
    layers: list[RoadLayer] = []
    flags: list[bool] = []

    def add(ring: Float, layer: RoadLayer, flag: bool = False) -> None:
        if (ring.min(axis=0) <= high).all() and (ring.max(axis=0) >= low).all():
            rings.append(ring)
            layers.append(layer)
            flags.append(flag)

    for ring in _area_rings(world, roadblock):
        add(ring, RoadLayer.ROADBLOCK)
    for connector, layer in ((False, RoadLayer.LANE), (True, RoadLayer.LANE_CONNECTOR)):
        for lane in np.flatnonzero(world.connector == connector):
            add(world.lane_polygon(int(lane)), layer, bool(on_route[lane]))
    for source, layer in ((Layer.INTERSECTION, RoadLayer.INTERSECTION), (Layer.CARPARK, RoadLayer.CARPARK_AREA)):
        for ring in _area_rings(world, source):
            add(ring, layer)
    return pdm_map(rings, layers, flags, centerline)


def logged_traffic(
    scenario: Scenario, step: int, route_lanes: Int, samples: int = SAMPLES
) -> tuple[PdmTraffic, Int, Int]:
    """Recorded tracks and red lights at the ``samples`` from ``step`` on, as NAVSIM's cache has them.

    Also the rows of the objects among the scenario's tracks ``[A]``, and the lanes of the lights ``[R]``.
    """
    keys = step + SPACING * np.arange((samples - 1) // SPACING + 1)
    tracks = scenario.tracks
    seen = tracks.valid[:, keys]
    rows = np.flatnonzero(seen.any(axis=1))
    filled = interpolate_tracks(
        tracks.position[rows][:, keys], tracks.heading[rows][:, keys], tracks.velocity[rows][:, keys], seen[rows]
    )
    signals = route_signals(scenario, route_lanes)
    lanes = scenario.lights.lane[signals]
    red = np.repeat(scenario.lights.state[signals][:, keys] == LightState.RED, SPACING, axis=1)[:, :samples]
    traffic = pdm_traffic(
        *filled,
        tracks.size[rows],
        tracks.kind[rows],
        [scenario.map.lane_polygon(int(lane)) for lane in lanes],
        red,
    )
    return traffic, rows.astype(np.int32), lanes


def route_signals(scenario: Scenario, route_lanes: Int) -> NDArray[np.intp]:
    """Indices of the lights that govern connectors of the route: NAVSIM knows no others."""
    lanes = scenario.lights.lane
    return np.flatnonzero(np.isin(lanes, route_lanes) & scenario.map.connector[lanes])


def without_initial_overlaps(traffic: PdmTraffic, ego: Float) -> PdmTraffic:
    """Log replay: objects that touch the ego's box ``ego [>=3]`` at the first sample are not there at all."""
    box = center_from_rear_axle(ego, PACIFICA)
    touching = np.zeros(len(traffic.size), np.bool_)
    for row in np.flatnonzero(traffic.valid[:, 0]):
        x, y = traffic.position[row, 0]
        length, width = traffic.size[row]
        touching[row] = boxes_overlap(
            *(box[0], box[1], box[2], PACIFICA.length, PACIFICA.width),
            *(x, y, traffic.heading[row, 0], length, width),
        )
    return traffic._replace(valid=traffic.valid & ~touching[:, None])


def _area_rings(world: VectorMap, layer: Layer) -> list[Float]:
    """One ring per area of a layer. Holes are joined to the outline by a slit, there and back: even-odd tests do not
    see it, but that a point exactly on it counts as one on the boundary."""
    found = []
    for area in np.flatnonzero(world.area_layer == layer):
        rings = [world.ring[world.ring_ptr[r] : world.ring_ptr[r + 1]] for r in np.flatnonzero(world.ring_area == area)]
        joined = rings[0]
        for hole in rings[1:]:
            joined = np.concatenate((joined, rings[0][:1], hole, hole[:1]))
        found.append(joined)
    return found
