"""The baselines on recorded drives: sane everywhere, and never off the road where the map is followed."""

from pathlib import Path

import pytest

from drive.geometry import wrap_angle
from drive.scene import Scenario
from drive.vehicle import Ego
from evaluation.metrics.drive_score import score_rollout
from scenarios.nuscenes import prepare
from scenarios.store import Store
from tests.planners.test_baselines import drive


@pytest.fixture(scope="module")
def recorded(nuscenes_mini: Path) -> list[Scenario]:
    store = Store()
    return [store.get(entry.key) for entry in prepare(nuscenes_mini, store)]


@pytest.mark.parametrize("planner", ["log_replay", "lane_follower", "idm"])
def test_route_followers_and_the_log_stay_on_the_road(recorded, planner):
    for scenario in recorded:
        metrics = score_rollout(scenario, drive(scenario, planner)[0])
        assert metrics["off_road"].value == 0, f"{scenario.id}: {metrics['off_road'].detail}"
        assert metrics["wrong_way"].value == 0, f"{scenario.id}: {metrics['wrong_way'].detail}"
        assert metrics["comfort"].value == 1, f"{scenario.id}: {metrics['comfort'].detail}"
        if planner == "log_replay":
            assert metrics["collision_at_fault"].value == 0, f"{scenario.id}: {metrics['collision_at_fault'].detail}"


def test_idm_drives_into_nobody_it_follows(recorded):
    """Lights are not recorded: the ego may run a red one and meet crossing traffic, but it runs into nobody ahead."""
    for scenario in recorded:
        rollout, _, _ = drive(scenario, "idm")
        contact = score_rollout(scenario, rollout)["collision_at_fault"]
        if contact.value:
            agent = scenario.tracks.ids.index(contact.agent)
            apart = wrap_angle(rollout.heading[agent, contact.step] - rollout.ego[contact.step, Ego.HEADING])
            assert abs(apart) > 0.8, f"{scenario.id}: {contact.detail}"
