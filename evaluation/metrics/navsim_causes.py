"""Why a sub-metric of NAVSIM's scorer is what it is: sample, other agent, and a phrase for people."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drive.kernels.navsim_scoring import (
    ACTIVE_FRONT,
    ACTIVE_LATERAL,
    ACTIVE_REAR,
    STOPPED_EGO,
    STOPPED_TRACK,
)
from drive.scene import AgentKind, Scenario
from drive.scoring.navsim.comfort import SIGNALS
from drive.scoring.navsim.scorer import PdmScores
from evaluation.metrics.base import Metric

Int = NDArray[np.int32]

STEP = 0.1
CONTACTS = {
    STOPPED_EGO: "the ego stood still",
    STOPPED_TRACK: "it stood still",
    ACTIVE_REAR: "it came from behind",
    ACTIVE_FRONT: "moving front contact",
    ACTIVE_LATERAL: "side contact across lanes or off the road",
}


def explained(
    scores: PdmScores,
    row: int,
    scenario: Scenario,
    agents: Sequence[int] | Int,
    lights: Sequence[int] | Int,
    values: dict[str, float],
) -> dict[str, Metric]:
    """The parts ``values`` (NAVSIM's names) of plan ``row`` as metrics with their causes.

    ``agents`` and ``lights`` say which tracks and lanes of the scenario the scorer's objects and red lights were.
    """
    causes = scores.causes
    found = {name: Metric(value) for name, value in values.items()}

    def set_cause(name: str, step: int, detail: str, agent: str | None = None) -> None:
        if name in found and values[name] < 1.0 and step >= 0:
            found[name] = Metric(values[name], step=step, agent=agent, detail=f"{detail} at {step * STEP:.1f} s")

    step, other, kind = (int(value) for value in causes.contact[row])
    if step >= 0:
        who = int(agents[other])
        name = scenario.tracks.ids[who]
        set_cause("no_at_fault_collisions", step, f"hit {_named(scenario, who)}, {CONTACTS[kind]},", name)
    step, other = (int(value) for value in causes.imminent[row])
    if step >= 0:
        who = int(agents[other])
        detail = f"less than 1 s to {_named(scenario, who)}"
        set_cause("time_to_collision_within_bound", step, detail, scenario.tracks.ids[who])
    step, light = (int(value) for value in causes.red[row])
    if step >= 0:
        lane = scenario.map.lane_ids[lights[light]]
        set_cause("traffic_light_compliance", step, f"on the connector {lane!r} while its light is red")
    set_cause("drivable_area_compliance", int(causes.off_road[row]), "a corner off the drivable area")
    set_cause("driving_direction_compliance", int(causes.off_route[row]), "off the lanes of the route for metres")
    if "lane_keeping" in values and values["lane_keeping"] < 1.0:
        found["lane_keeping"] = Metric(values["lane_keeping"], detail="more than 0.5 m from the centreline for 2 s")
    if "history_comfort" in values and values["history_comfort"] < 1.0:
        broken = [name for name, bad in zip(SIGNALS, causes.uncomfortable[row], strict=True) if bad]
        found["history_comfort"] = Metric(values["history_comfort"], detail=f"limit of {', '.join(broken)}")
    if "ego_progress" in values and values["ego_progress"] < 1.0:
        detail = f"came {scores.progress[row]:.1f} m along the centreline"
        found["ego_progress"] = Metric(values["ego_progress"], detail=detail)
    return found


def _named(scenario: Scenario, agent: int) -> str:
    kind = AgentKind(int(scenario.tracks.kind[agent])).name.lower().replace("_", " ")
    return f"{kind} {scenario.tracks.ids[agent]!r}"
