"""PDM-Closed against NAVSIM's own planner: the same route, centreline and trajectory from the same scene."""

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drive.map import Area, Lane, Layer, VectorMap, build_map
from drive.scoring.navsim.inputs import PdmTraffic, pdm_traffic
from drive.scoring.navsim.pdm_closed import PdmProposal, pdm_closed
from drive.scoring.navsim.route import NavsimRoute, plan_route
from evaluation.conformance.fields import Fields
from evaluation.conformance.navsim import KINDS, read_frame
from tests.conftest import REPOSITORY

NOW = 3  # frame of a source scene
SYNTHETIC, NUSCENES = 47, 16
ROUNDING = 1e-6  # the cases are written with six decimals


class Scene:
    """One case that names its source, planned once."""

    def __init__(self, case: dict, maps: dict) -> None:
        self.case, self.source = case, case["source"]
        world = maps[case["map_id"]]
        self.map = vector_map(world)
        self.frame = read_frame(Fields(case), maps)
        polygons = {lane["id"]: lane["polygon"] for lane in world["lanes"]}
        self.traffic = traffic_now(case, polygons)
        groups = [self.map.group_ids.index(name) for name in self.source["route"]]
        self.route: NavsimRoute = plan_route(self.map, groups, self.frame.ego)
        self.proposal: PdmProposal = pdm_closed(
            self.frame.ego, self.route.centerline, self.route.speed_limit(self.map), self.frame.pdm_map, self.traffic
        )


def vector_map(world: dict) -> VectorMap:
    lanes = [
        Lane(
            id=lane["id"],
            centerline=np.array(lane["baseline"]),
            polygon=np.array(lane["polygon"]),
            successors=tuple(lane["out"]),
            group=lane["roadblock"],
            speed_limit=lane["speed_limit"],
            connector=lane["type"] == "LANE_CONNECTOR",
        )
        for lane in world["lanes"]
    ]
    layers = {"INTERSECTION": Layer.INTERSECTION, "CARPARK_AREA": Layer.CARPARK}
    return build_map(lanes, [Area(layers[area["type"]], (np.array(area["polygon"]),)) for area in world["areas"]])


def traffic_now(case: dict, polygons: dict) -> PdmTraffic:
    """The logged frame, unfiltered; red lights of route connectors."""
    agents = [agent for agent in case["source"]["agents"] if agent["states"][NOW] is not None]
    states = np.array([agent["states"][NOW] for agent in agents]).reshape(-1, 1, 5)
    red = [name.removeprefix("red_light_") for name in case["red_lights"][0]]
    return pdm_traffic(
        states[..., :2],
        states[..., 2],
        states[..., 3:],
        np.ones((len(agents), 1), np.bool_),
        [[agent["l"], agent["w"]] for agent in agents],
        [KINDS[agent["type"]] for agent in agents],
        [polygons[name] for name in red],
        np.ones((len(red), 1), np.bool_),
    )


def read(folder: Path, name: str) -> Iterator[Scene]:
    maps = json.loads(gzip.decompress((folder / f"{name}_maps.json.gz").read_bytes()))
    with gzip.open(folder / f"{name}.jsonl.gz", "rt") as lines:
        for line in lines:
            case = json.loads(line)
            if case.get("source"):
                yield Scene(case, maps)


@pytest.fixture(scope="module")
def synthetic() -> list[Scene]:
    return list(read(REPOSITORY / "tests" / "data" / "navsim", "synthetic"))


@pytest.fixture(scope="module")
def nuscenes(conformance: Path) -> list[Scene]:
    return list(read(conformance / "navsim", "nuscenes"))


def check_routes(scenes: list[Scene]) -> None:
    for scene in scenes:
        names = [scene.map.lane_ids[lane] for lane in scene.route.route_lanes]
        assert names == scene.case["route_lane_ids"], scene.case["id"]
        np.testing.assert_allclose(
            scene.route.centerline, scene.case["centerline"], rtol=0, atol=ROUNDING, err_msg=scene.case["id"]
        )


def check_trajectories(scenes: list[Scene]) -> None:
    for scene in scenes:
        reference = np.array(scene.case["reference"])
        apart = scene.proposal.poses - reference
        apart[:, 2] = np.angle(np.exp(1j * apart[:, 2]))
        assert np.abs(apart).max() < ROUNDING, f"{scene.case['id']}: row {scene.proposal.chosen}"


def test_route_and_centreline_equal_navsims_on_all_synthetic_cases(synthetic):
    assert len(synthetic) == SYNTHETIC
    check_routes(synthetic)


def test_route_and_centreline_equal_navsims_on_all_nuscenes_cases(nuscenes):
    assert len(nuscenes) == NUSCENES
    check_routes(nuscenes)


def test_trajectory_equals_navsims_on_all_synthetic_cases(synthetic):
    check_trajectories(synthetic)


def test_trajectory_equals_navsims_on_all_nuscenes_cases(nuscenes):
    check_trajectories(nuscenes)


def test_all_paths_and_most_policies_are_chosen_somewhere(synthetic):
    """The cases could not tell a wrong choice if the same proposal always won."""
    chosen = {scene.proposal.chosen for scene in synthetic}
    assert {row // 5 for row in chosen} == {0, 1, 2}
    assert len({row % 5 for row in chosen}) >= 4


def test_a_token_takes_less_than_fifty_milliseconds(synthetic):
    """The reference needs 438 ms. The limit leaves room for a loaded machine."""
    begin = time.process_time()
    for scene in synthetic:
        plan_route(scene.map, scene.route.groups, scene.frame.ego)
        pdm_closed(scene.frame.ego, scene.route.centerline, 13.4, scene.frame.pdm_map, scene.traffic)
    assert (time.process_time() - begin) / len(synthetic) < 0.05
