"""Rolling the reactive traffic of a scenario."""

import numpy as np

from drive.scene import Scenario
from drive.traffic import TrafficWorld, compile_traffic, start_traffic, traffic_rollout
from scenarios.generate.geometry import Float
from scenarios.generate.search import Others


def roll_scenario(scenario: Scenario, ego: Float | None = None, world: TrafficWorld | None = None) -> Others:
    """Reactive traffic of a scenario from its start on, for an ego that drives the states ``ego [K+1, 11]``.

    By default the ego is on its reference; then the stored tracks must come out. ``world`` saves compiling the traffic
    of a scenario again.
    """
    world = compile_traffic(scenario, "idm") if world is None else world
    state = start_traffic(world, scenario)
    others = first_sample(scenario, scenario.horizon)
    car = scenario.ego_vehicle
    states = np.ascontiguousarray(scenario.reference[scenario.start :] if ego is None else ego)
    traffic_rollout(
        world,
        state,
        others.position,
        others.heading,
        others.velocity,
        others.valid,
        states,
        car.rear_axle_to_center,
        car.length,
        car.width,
    )
    return others


def first_sample(scenario: Scenario, steps: int) -> Others:
    """Room for ``steps`` samples after the start, the first one filled in."""
    tracks, count = scenario.tracks, len(scenario.tracks.ids)
    others = Others(
        np.zeros((count, steps + 1, 2)),
        np.zeros((count, steps + 1)),
        np.zeros((count, steps + 1, 2)),
        np.zeros((count, steps + 1), np.bool_),
        np.ascontiguousarray(tracks.size),
        tracks.kind,
    )
    others.position[:, 0] = tracks.position[:, scenario.start]
    others.heading[:, 0] = tracks.heading[:, scenario.start]
    others.velocity[:, 0] = tracks.velocity[:, scenario.start]
    others.valid[:, 0] = tracks.valid[:, scenario.start]
    return others
