"""NAVSIM's sub-metrics of simulated plans. Source: NAVSIM v2, `PDMScorer`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.kernels.navsim_scoring import (
    NON_DRIVABLE,
    along_route,
    contacts,
    ego_corners,
    ego_places,
    imminent,
    red_contacts,
)
from drive.scene import STATIC_KINDS, AgentKind
from drive.scoring.comfort import MIN_SAMPLES
from drive.scoring.navsim.comfort import SIGNALS, comfort_signals, within_limits
from drive.scoring.navsim.inputs import PdmMap, PdmTraffic
from drive.vehicle import PACIFICA, VehicleParameters

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

PROGRESS_THRESHOLD = 5.0  # m: where nobody gets farther, progress is 1 for everybody
DIRECTION_HORIZON = 10  # samples, 1 s
DIRECTION_COMPLIANT, DIRECTION_VIOLATION = 2.0, 6.0  # m
LANE_SAMPLES = 20  # 2 s
_STATIC = np.array([int(kind) for kind in STATIC_KINDS], np.int8)


class Causes(NamedTuple):
    """Where K plans went wrong; -1 where they did not.

    ``contact [K, 3]``: sample, object and class of the first contact at fault (classes as in
    :mod:`drive.kernels.navsim_scoring`). ``imminent [K, 2]``: sample and object of the first violation of time to
    collision. ``red [K, 2]``: sample and index of the red light. ``off_road [K]``, ``off_route [K]``: samples.
    ``uncomfortable [K, 6]``: signals out of their limits.
    """

    contact: Int
    imminent: Int
    red: Int
    off_road: Int
    off_route: Int
    uncomfortable: Bool


class PdmScores(NamedTuple):
    """Sub-metrics ``[K]`` of K plans, under NAVSIM's names, in [0, 1]; ``progress`` [m] is not normalised.

    ``places [K, S]`` uint8: NAVSIM's ego areas (1 multiple lanes, 2 non-drivable, 4 off route) and two bits more.
    """

    no_at_fault_collisions: Float
    drivable_area_compliance: Float
    driving_direction_compliance: Float
    traffic_light_compliance: Float
    progress: Float
    time_to_collision_within_bound: Float
    lane_keeping: Float
    history_comfort: Float
    places: NDArray[np.uint8]
    causes: Causes

    @property
    def multiplier(self) -> Float:
        """Product ``[K]`` of the four compliances that multiply everything else."""
        return (
            self.no_at_fault_collisions
            * self.drivable_area_compliance
            * self.traffic_light_compliance
            * self.driving_direction_compliance
        )


def score_states(
    states: ArrayLike,
    pdm_map: PdmMap,
    traffic: PdmTraffic,
    history: ArrayLike | None = None,
    vehicle: VehicleParameters = PACIFICA,
    speed: ArrayLike | None = None,
) -> PdmScores:
    """Score K simulated plans ``states [K, S, 11]`` (:class:`drive.vehicle.Ego`, rear axle, frame of the map).

    Args:
        states: Samples every 0.1 s from the present on; S = 41 for an exact score.
        pdm_map, traffic: What the plans drive in; traffic has at least S samples. Time to collision is judged where
            the traffic is known 0.9 s on: at 32 samples of 41, as in NAVSIM.
        history: ``[H, 11]`` states before the present, for comfort (:func:`drive.scoring.navsim.comfort.history`).
        vehicle: The ego's box; NAVSIM's is the Pacifica.
        speed: ``[A, T]`` [m/s] what the scorer takes for the objects' speeds; by default NAVSIM's: the speed at which
            an object was first seen, for all samples.
    """
    states = np.ascontiguousarray(states, np.float64)
    plans, samples = states.shape[:2]
    if traffic.valid.shape[1] < samples:
        raise ValueError(f"traffic has {traffic.valid.shape[1]} samples, expected at least {samples}")
    corners = ego_corners(states, vehicle.front, vehicle.rear, vehicle.width / 2)
    places = ego_places(states, corners, pdm_map.polygons, pdm_map.layer, pdm_map.on_route)
    fault, contact = np.ones(plans), np.empty((plans, 3), np.int32)
    boxes = (traffic.position, traffic.heading, traffic.valid, traffic.size)
    contacts(
        states,
        corners,
        places,
        vehicle.length,
        vehicle.width,
        *boxes,
        np.isin(traffic.kind, _STATIC),
        traffic.kind <= AgentKind.PEDESTRIAN,
        first_seen_speed(traffic) if speed is None else np.ascontiguousarray(speed, np.float64),
        fault,
        contact,
    )
    soon = np.empty((plans, 2), np.int32)
    imminent(states, corners, places, vehicle.length, vehicle.width, *boxes, soon)
    red = np.empty((plans, 2), np.int32)
    red_contacts(corners, traffic.red_ring, traffic.red_ring_ptr, traffic.red_box, traffic.red, red)
    route = np.empty((plans, 4))
    along_route(corners, places, pdm_map.centerline, pdm_map.arc, DIRECTION_HORIZON, LANE_SAMPLES, route)
    arm = vehicle.rear_axle_to_center
    driven = states
    if history is not None:
        past = np.broadcast_to(np.asarray(history, np.float64), (plans, *np.shape(history)))
        driven = np.concatenate((past, states), axis=1)
    judged = driven.shape[1] >= MIN_SAMPLES  # fewer cannot be filtered
    comfortable = within_limits(comfort_signals(driven, arm)) if judged else np.ones((plans, len(SIGNALS)), np.bool_)
    off_road = (places & NON_DRIVABLE) != 0
    against = route[:, 2]
    return PdmScores(
        no_at_fault_collisions=fault,
        drivable_area_compliance=(~off_road.any(axis=1)).astype(np.float64),
        driving_direction_compliance=np.where(
            against < DIRECTION_COMPLIANT, 1.0, np.where(against < DIRECTION_VIOLATION, 0.5, 0.0)
        ),
        traffic_light_compliance=(red[:, 0] < 0).astype(np.float64),
        progress=route[:, 0],
        time_to_collision_within_bound=(soon[:, 0] < 0).astype(np.float64),
        lane_keeping=(route[:, 1] < LANE_SAMPLES).astype(np.float64),
        history_comfort=comfortable.all(axis=1).astype(np.float64),
        places=places,
        causes=Causes(
            contact,
            soon,
            red,
            np.where(off_road.any(axis=1), off_road.argmax(axis=1), -1).astype(np.int32),
            np.where(against >= DIRECTION_COMPLIANT, route[:, 3], -1).astype(np.int32),
            ~comfortable,
        ),
    )


def first_seen_speed(traffic: PdmTraffic) -> Float:
    """Speed ``[A, T]`` [m/s] of each object when it was first seen, the same for all samples."""
    agents, samples = traffic.valid.shape
    first = traffic.valid.argmax(axis=1) if samples else np.zeros(agents, np.intp)
    speed = np.hypot(*traffic.velocity[np.arange(agents), first].T)
    return np.ascontiguousarray(np.broadcast_to(speed[:, None], (agents, samples)))


def normalized_progress(progress: ArrayLike, multiplier: ArrayLike) -> Float:
    """Ego progress ``[K]`` of plans that are compared with one another (NAVSIM: the plan and PDM-Closed).

    Divides ``progress [K]`` [m] by the best product of progress and ``multiplier [K]``; 1 for all if that is at most 5
    m. The numerator is not multiplied.
    """
    raw = np.asarray(progress, np.float64)
    best = float(np.max(raw * np.asarray(multiplier, np.float64)))
    return np.clip(raw / best, 0.0, 1.0) if best > PROGRESS_THRESHOLD else np.ones(len(raw))
