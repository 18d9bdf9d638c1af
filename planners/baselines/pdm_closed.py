"""PDM-Closed as a planner: 15 proposals along the route, each driven in thought and scored by NAVSIM's rules.

Dauner et al. 2023, in NAVSIM's version (:mod:`drive.scoring.navsim.pdm_closed`), with the size of the ego's own car.
Two things are different from NAVSIM's: roadblocks are derived from neighbours where NAVSIM has them from its map, and a
red light counts no more once the ego's centre is on the connector it governs, or the ego would stop in the junction.
NAVSIM asks once a scene; where this planner is asked again before a proposal ends, proposals, which begin on their
paths beside the ego, are drawn to the ego.
"""

import numpy as np
from numpy.typing import NDArray

from drive.geometry import wrap_angle
from drive.kernels.rings import strictly_inside
from drive.map import VectorMap
from drive.observation import MAP_RADIUS, Observation
from drive.scene import LightState
from drive.scoring.navsim.inputs import PdmTraffic, pdm_traffic
from drive.scoring.navsim.pdm_closed import pdm_closed
from drive.scoring.navsim.route import groups_of_lanes, plan_route
from drive.scoring.navsim.scene import road_map
from drive.vehicle import Ego, VehicleParameters
from planners.contract import Context, Plan, Planner
from scenarios.roadgraph import roadblocks

Float = NDArray[np.float64]

DT = 0.1
SCORED = 4.0  # s of a proposal that count in its score
MERGE_TIME, MIN_MERGE = 1.5, 8.0  # s at the present speed, m: the way from beside a path onto it
REACH = np.full(2, MAP_RADIUS)
STRAIGHT_ON = np.column_stack((np.arange(0.0, 101.0), np.zeros((101, 2))))


class PDMClosed(Planner):
    """PDM-Closed: 3 paths x 5 speeds with IDM, simulated, scored with NAVSIM's sub-metrics; the best is driven.

    A plan has all 15 proposals with their scores.
    """

    _vehicle: VehicleParameters
    _asked_again: bool

    def reset(self, context: Context) -> None:
        """Remember the car, and whether a plan is followed to its end."""
        self._vehicle = context.vehicle
        self._asked_again = context.replan_interval < SCORED

    def plan(self, observation: Observation) -> Plan:
        """Five seconds, every object forecast at constant velocity. Without any lane: straight on."""
        ego = observation.ego[-1]
        centerline, limit, route_lanes = STRAIGHT_ON, None, np.zeros(0, np.int32)
        world = observed_map(observation)
        if world.lanes:
            route = plan_route(world, groups_of_lanes(world, observation.route), ego, self._vehicle)
            centerline, limit, route_lanes = route.centerline, route.speed_limit(world), route.route_lanes
        found = pdm_closed(
            ego,
            centerline,
            limit,
            road_map(world, route_lanes, centerline, -REACH, REACH),
            self._traffic(observation, world, route_lanes),
            self._vehicle,
        )
        proposals = _from_here(found.proposals, ego) if self._asked_again else found.proposals
        return Plan(proposals[:, 1:], found.score, found.chosen, DT)

    def _traffic(self, observation: Observation, world: VectorMap, route_lanes: NDArray[np.int32]) -> PdmTraffic:
        """Agents seen now, and the red connectors of the route."""
        seen = np.flatnonzero(observation.agent_valid[:, -1])
        red = [
            world.lane_polygon(lane)
            for lane in route_lanes.tolist()
            if observation.lane_light[lane] == LightState.RED and world.connector[lane] and not self._on(world, lane)
        ]
        return pdm_traffic(
            observation.agent_position[seen, -1:],
            observation.agent_heading[seen, -1:],
            observation.agent_velocity[seen, -1:],
            np.ones((len(seen), 1), np.bool_),
            observation.agent_size[seen],
            observation.agent_kind[seen],
            red,
            np.ones((len(red), 1), np.bool_),
        )

    def _on(self, world: VectorMap, lane: int) -> bool:
        low, high = world.polygon_ptr[lane], world.polygon_ptr[lane + 1]
        return strictly_inside(world.polygon, low, high, self._vehicle.rear_axle_to_center, 0.0)


def _from_here(proposals: Float, ego: Float) -> Float:
    """Proposals ``[K, T, 3]`` that begin at the ego instead of beside it, and reach their path smoothly.

    A tracker that is asked anew at every step sees only the first poses of each plan: of a jump aside it would see
    headings straight on, and never steer.
    """
    steps = np.linalg.norm(np.diff(proposals[..., :2], axis=1), axis=2)
    driven = np.concatenate((np.zeros((len(proposals), 1)), np.cumsum(steps, axis=1)), axis=1)
    heading = proposals[..., 2]
    beside = ego[:2] - proposals[:, 0, :2]
    aside = np.cos(heading[:, 0]) * beside[:, 1] - np.sin(heading[:, 0]) * beside[:, 0]
    length = max(MIN_MERGE, MERGE_TIME * ego[Ego.VX])
    part = np.minimum(driven / length, 1.0)
    shift = aside[:, None] * (1.0 - part * part * (3.0 - 2.0 * part))
    slope = -aside[:, None] * 6.0 * part * (1.0 - part) / length
    merged = proposals.copy()
    merged[..., 0] -= np.sin(heading) * shift
    merged[..., 1] += np.cos(heading) * shift
    merged[..., 2] = wrap_angle(heading + np.arctan(slope))
    return merged


def observed_map(observation: Observation) -> VectorMap:
    """The map an observation shows, with roadblocks: lanes that are neighbours, connectors between the same two."""
    lanes = len(observation.lane_ptr) - 1
    names = tuple(str(lane) for lane in range(lanes))
    follow, follow_ptr = observation.lane_successors, observation.lane_successors_ptr
    before = np.repeat(np.arange(lanes, dtype=np.int32), np.diff(follow_ptr))
    by_target = np.argsort(follow, kind="stable")
    owner = roadblocks(
        names,
        observation.lane_left.tolist(),
        observation.lane_connector.tolist(),
        [[names[after] for after in follow[follow_ptr[lane] : follow_ptr[lane + 1]]] for lane in range(lanes)],
    )
    groups = {name: number for number, name in enumerate(dict.fromkeys(owner))}
    return VectorMap(
        lane_ids=names,
        group_ids=tuple(groups),
        centerline=observation.lane_centerline,
        centerline_ptr=observation.lane_ptr,
        polygon=observation.lane_polygon,
        polygon_ptr=observation.lane_polygon_ptr,
        successors=follow,
        successors_ptr=follow_ptr,
        predecessors=before[by_target],
        predecessors_ptr=np.searchsorted(follow[by_target], np.arange(lanes + 1)).astype(np.int32),
        left=observation.lane_left,
        right=observation.lane_right,
        group=np.array([groups[name] for name in owner], np.int32),
        connector=observation.lane_connector,
        borrow_allowed=np.zeros(lanes, np.bool_),
        speed_limit=observation.lane_speed_limit,
        has_speed_limit=observation.lane_has_speed_limit,
        stop_segment=observation.stop_segment,
        stop_cause=observation.stop_cause,
        stop_lanes=np.zeros(0, np.int32),
        stop_lanes_ptr=np.zeros(len(observation.stop_cause) + 1, np.int32),
        ring=observation.area_ring,
        ring_ptr=observation.area_ring_ptr,
        ring_area=observation.area_of_ring,
        area_layer=observation.area_layer,
    )
