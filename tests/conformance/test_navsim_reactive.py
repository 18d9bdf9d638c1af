"""NAVSIM's reactive traffic: equal to the reference's on every recorded case, and its oddities one by one."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drive.errors import ScenarioError
from drive.map import Area, Lane, Layer, VectorMap, build_map
from drive.scene import AgentKind
from drive.scoring.navsim.comfort import history
from drive.scoring.navsim.inputs import PdmMap, PdmTraffic, RoadLayer, pdm_map, pdm_traffic
from drive.scoring.navsim.reactive import reactive_traffic
from drive.scoring.navsim.scorer import PdmScores, normalized_progress, score_states

SYNTHETIC = Path(__file__).parent.parent / "data" / "navsim"
ROUNDING = 1.01e-6  # the cases are written with six decimals
KINDS = {
    "vehicle": AgentKind.CAR,
    "pedestrian": AgentKind.PEDESTRIAN,
    "bicycle": AgentKind.BICYCLE,
    "traffic_cone": AgentKind.TRAFFIC_CONE,
    "barrier": AgentKind.BARRIER,
    "czone_sign": AgentKind.SIGN,
    "generic_object": AgentKind.GENERIC_OBJECT,
}
# trap 24: a vehicle dead ahead, whose angle the reference scorer computes as the arccosine of a number above 1
ON_THE_AXIS = {"syn_fast_road__dec2"}
SAMPLES = 41
METRICS = (
    "no_at_fault_collisions",
    "drivable_area_compliance",
    "driving_direction_compliance",
    "traffic_light_compliance",
    "time_to_collision_within_bound",
    "lane_keeping",
    "history_comfort",
)


def lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as stream:
        return [json.loads(line) for line in stream]


def case_map(entry: dict[str, Any]) -> VectorMap:
    lanes = [
        Lane(
            lane["id"],
            np.array(lane["baseline"]),
            np.array(lane["polygon"]),
            tuple(lane["out"]),
            group=lane["roadblock"],
            speed_limit=lane["speed_limit"],
            connector=lane["type"] == "LANE_CONNECTOR",
        )
        for lane in entry["lanes"]
    ]
    layers = {"INTERSECTION": Layer.INTERSECTION, "CARPARK_AREA": Layer.CARPARK}
    return build_map(lanes, [Area(layers[area["type"]], (np.array(area["polygon"]),)) for area in entry["areas"]])


def states_of(tracks: list[list[list[float] | None]]) -> tuple[np.ndarray, np.ndarray]:
    """States [A, S, 5] (zeros where absent) and presence [A, S]."""
    present = np.array([[state is not None for state in track] for track in tracks], np.bool_).reshape(-1, SAMPLES)
    states = np.array([[state or [0.0] * 5 for state in track] for track in tracks]).reshape(-1, SAMPLES, 5)
    return states, present


def case_traffic(case: dict[str, Any], entry: dict[str, Any]) -> PdmTraffic:
    tracks = case["tracks"]
    states, present = states_of([track["states"] for track in tracks])
    size = [[track["length"], track["width"]] for track in tracks]
    kind = [KINDS[track["type"]] for track in tracks]
    polygons = {f"red_light_{lane['id']}": lane["polygon"] for lane in entry["lanes"]}
    lights = sorted({token for sample in case["red_lights"] for token in sample})
    red = [[token in sample for sample in case["red_lights"]] for token in lights]
    rings, red = [polygons[token] for token in lights], np.array(red).reshape(-1, SAMPLES)
    return pdm_traffic(states[..., :2], states[..., 2], states[..., 3:], present, size, kind, rings, red)


def case_surfaces(case: dict[str, Any], entry: dict[str, Any]) -> PdmMap:
    polygons = {item["id"]: item["polygon"] for name in ("lanes", "roadblocks", "areas") for item in entry[name]}
    rings = [polygons[token] for token, _ in case["drivable"]]
    layers = [RoadLayer[layer] for _, layer in case["drivable"]]
    route = [token in case["route_lane_ids"] for token, _ in case["drivable"]]
    return pdm_map(rings, layers, route, case["centerline"])


def sub_metrics(scores: PdmScores) -> dict[str, float]:
    """The plan's sub-metrics; proposal 0 is the reference that normalises progress."""
    found = {name: float(getattr(scores, name)[1]) for name in METRICS}
    found["ego_progress"] = float(normalized_progress(scores.progress, scores.multiplier)[1])
    return found


def check_cases(folder: Path, name: str) -> int:
    """Compare vehicles and sub-metrics of every case; return how many vehicles were compared."""
    reactive = {case["id"]: case for case in lines(folder / f"{name}_reactive.jsonl.gz")}
    with gzip.open(folder / f"{name}_maps.json.gz", "rt") as stream:
        entries = json.load(stream)
    maps = {key: case_map(entry) for key, entry in entries.items()}
    compared = 0
    for case in lines(folder / f"{name}.jsonl.gz"):
        if case["id"] not in reactive:
            continue
        entry, expected = entries[case["map_id"]], reactive[case["id"]]
        recorded = case_traffic(case, entry)
        simulated = np.array(case["expected"]["states"])
        moved = reactive_traffic(maps[case["map_id"]], recorded, simulated[1])
        rows = np.flatnonzero(recorded.kind == AgentKind.CAR)
        absent = [None] * SAMPLES
        tokens = [case["tracks"][row]["token"] for row in rows]
        states, present = states_of([expected["vehicles"].get(token, absent) for token in tokens])
        np.testing.assert_array_equal(moved.valid[rows], present, err_msg=case["id"])
        ours = np.concatenate((moved.position, moved.heading[..., None], moved.velocity), axis=2)[rows]
        error = np.abs(ours - states)
        error[..., 2] = np.abs((error[..., 2] + np.pi) % (2 * np.pi) - np.pi)
        assert error[present].max(initial=0.0) < ROUNDING, f"{case['id']}: {error[present].max()}"
        others = np.flatnonzero(recorded.kind != AgentKind.CAR)
        np.testing.assert_array_equal(moved.position[others], recorded.position[others])

        past = history(case["past_human"])
        scores = score_states(simulated, case_surfaces(case, entry), moved, past)
        found, wanted = sub_metrics(scores), expected["plan"]
        if case["id"] in ON_THE_AXIS:
            step, vehicle = scores.causes.imminent[1]
            along = np.array((math.cos(simulated[1, step, 2]), math.sin(simulated[1, step, 2])))
            way = moved.position[vehicle, step] - simulated[1, step, :2]
            assert 1.0 - along @ way / np.linalg.norm(way) < 1e-12
            del found["time_to_collision_within_bound"]
            wanted = {name: wanted[name] for name in found}
        assert found == pytest.approx(wanted, abs=1e-6), case["id"]
        compared += len(rows)
    return compared


def test_synthetic_cases_move_and_score_as_in_the_reference() -> None:
    assert check_cases(SYNTHETIC, "synthetic") > 60


def test_real_drives_move_and_score_as_in_the_reference(conformance: Path) -> None:
    assert check_cases(conformance / "navsim", "nuscenes") > 400


def road(*limits: float | None, length: float = 200.0) -> VectorMap:
    """Parallel lanes along x, 4 m wide, the first at y = 0, each followed by another one."""
    lanes = []
    for number, limit in enumerate(limits):
        for piece, start in enumerate((0.0, length)):
            x = np.arange(start, start + length + 0.5)
            line = np.stack((x, np.full_like(x, 4.0 * number), np.zeros_like(x)), axis=1)
            low, high = 4.0 * number - 2.0, 4.0 * number + 2.0
            ring = np.array(((start, low), (start + length, low), (start + length, high), (start, high)))
            follow = (f"{number}.1",) if piece == 0 else ()
            lanes.append(Lane(f"{number}.{piece}", line, ring, follow, speed_limit=limit))
    return build_map(lanes)


def cars(*states: tuple[float, float, float, float], kind: AgentKind = AgentKind.CAR) -> PdmTraffic:
    """Objects (x, y, heading, speed) that keep their speed, 4 m long and 2 m wide."""
    table = np.array(states)
    time = np.arange(SAMPLES) * 0.1
    direction = np.stack((np.cos(table[:, 2]), np.sin(table[:, 2])), axis=1) * table[:, 3:]
    position = table[:, None, :2] + direction[:, None] * time[:, None]
    shape = (len(table), SAMPLES)
    heading, velocity = np.broadcast_to(table[:, 2:3], shape), np.broadcast_to(direction[:, None], (*shape, 2))
    size = np.tile((4.0, 2.0), (len(table), 1))
    return pdm_traffic(position, heading, velocity, np.ones(shape), size, np.full(len(table), kind))


def ego(x: float, y: float = 0.0, speed: float = 0.0) -> np.ndarray:
    states = np.zeros((SAMPLES, 11))
    states[:, 0], states[:, 1], states[:, 3] = x + np.arange(SAMPLES) * 0.1 * speed, y, speed
    return states


def idm(speed: float, gap: float, lead_speed: float, target: float) -> float:
    """Speed after one step, written down from the published law."""
    wanted = 1.0 + 1.5 * speed + speed * (speed - lead_speed) / (2 * math.sqrt(2.0))
    pull = 1.0 - (speed / target) ** 4 - (wanted / max(gap, 1.0)) ** 2
    return max(0.0, speed + 0.1 * min(1.0, max(-2.0, pull)))


def speeds(traffic: PdmTraffic, row: int = 0) -> np.ndarray:
    return np.linalg.norm(traffic.velocity[row], axis=1)


def test_trap_03_the_first_sample_keeps_the_logged_speed_though_the_vehicle_starts() -> None:
    moved = reactive_traffic(road(13.0), cars((50.0, 0.3, 0.05, 0.0)), ego(-40.0))
    assert speeds(moved)[0] == 0.0
    assert speeds(moved)[-1] > 3.0
    np.testing.assert_allclose(moved.position[0, 0], (50.0, 0.3))
    np.testing.assert_allclose(moved.position[0, 1:, 1], 0.0, atol=1e-9)


def test_trap_06_idm_agents_stop_at_the_end_of_their_lane_segment() -> None:
    world = road(13.4)
    assert len(world.lane_successors(0)) == 1
    end = reactive_traffic(world, cars((180.0, 0.0, 0.0, 8.0)), ego(120.0, 50.0))
    assert speeds(end)[-1] < 0.2
    assert end.position[0, -1, 0] < 200.0
    middle = reactive_traffic(world, cars((40.0, 0.0, 0.0, 8.0)), ego(0.0, 50.0))
    assert speeds(middle)[-1] > 9.0


def test_trap_06_a_red_light_stops_nobody() -> None:
    world, recorded = road(13.4), cars((40.0, 0.0, 0.0, 8.0))
    ring = np.array(((60.0, -2.0), (70.0, -2.0), (70.0, 2.0), (60.0, 2.0)))
    lit = pdm_traffic(*recorded[:6], red_rings=[ring], red=np.ones((1, SAMPLES)))
    moved = reactive_traffic(world, lit, ego(0.0, 50.0))
    np.testing.assert_array_equal(moved.position, reactive_traffic(world, recorded, ego(0.0, 50.0)).position)
    assert moved.red.all()


def test_trap_07_the_ego_box_is_centred_at_the_rear_axle() -> None:
    moved = reactive_traffic(road(13.4), cars((20.0, 0.0, 0.0, 5.0)), ego(60.0))
    bumper, front = 60.0 - 5.176 / 2, 20.0 + 4.0 / 2
    assert speeds(moved)[1] == pytest.approx(idm(5.0, bumper - front, 0.0, 13.4), abs=1e-9)
    assert speeds(moved)[1] != pytest.approx(idm(5.0, bumper + 1.461 - front, 0.0, 13.4), abs=1e-4)


def test_trap_07_the_ego_is_seen_one_sample_late() -> None:
    recorded, states = cars((20.0, 0.0, 0.0, 8.0)), ego(60.0, speed=5.0)
    moved = reactive_traffic(road(13.4), recorded, states)
    assert speeds(moved)[1] == pytest.approx(idm(8.0, 60.0 - 5.176 / 2 - 22.0, 5.0, 13.4), abs=1e-9)
    unread = states.copy()
    unread[-1, :2] += 1000.0
    np.testing.assert_array_equal(moved.position, reactive_traffic(road(13.4), recorded, unread).position)


def test_trap_20_the_first_sample_holds_objects_that_overlap_the_ego() -> None:
    moved = reactive_traffic(road(13.4), cars((50.0, 0.0, 0.0, 5.0)), ego(50.0))
    assert moved.valid[0, 0]
    assert not moved.valid[0, 1:].any()


def test_a_missing_speed_limit_is_inherited_from_the_vehicle_before() -> None:
    slow_first = cars((50.0, 0.0, 0.0, 3.0), (50.0, 4.0, 0.0, 6.0))
    assert speeds(reactive_traffic(road(3.0, None), slow_first, ego(-20.0)), 1)[-1] < 5.0
    alone = cars((50.0, 4.0, 0.0, 6.0))
    assert speeds(reactive_traffic(road(3.0, None), alone, ego(-20.0)))[-1] > 6.0


def test_vehicles_keep_behind_those_before_them_and_ignore_everything_else() -> None:
    world = road(13.4)
    pair = reactive_traffic(world, cars((30.0, 0.0, 0.0, 10.0), (50.0, 0.0, 0.0, 6.0)), ego(0.0))
    assert (pair.position[1, :, 0] - pair.position[0, :, 0] > 4.0).all()
    assert speeds(pair)[-1] < 9.0
    blocked, person = cars((30.0, 0.0, 0.0, 10.0)), cars((50.0, 0.0, 0.0, 0.0), kind=AgentKind.PEDESTRIAN)
    both = pdm_traffic(*(np.concatenate((a, b)) for a, b in zip(blocked[:6], person[:6], strict=True)))
    assert speeds(reactive_traffic(world, both, ego(0.0)))[-1] > 10.0


def test_vehicles_that_appear_later_or_leave_the_radius_do_not_exist() -> None:
    recorded = cars((30.0, 0.0, 0.0, 10.0), (90.0, 0.0, 0.0, 10.0))
    recorded.valid[1, 0] = False
    moved = reactive_traffic(road(13.4), recorded, ego(-69.5))
    assert not moved.valid[1].any()
    assert moved.valid[0, :2].all()
    assert not moved.valid[0, -1]  # it was 100 m from the ego by then


def test_a_vehicle_parked_off_the_lanes_stays_and_a_moving_one_vanishes() -> None:
    moved = reactive_traffic(road(13.4), cars((50.0, -9.0, 0.3, 0.0), (70.0, -9.0, 0.3, 4.0)), ego(0.0))
    assert moved.valid[0].all()
    assert np.ptp(moved.position[0], axis=0).max() == 0.0
    assert moved.valid[1].tolist() == [True] + [False] * 40


def test_a_vehicle_in_the_way_of_a_reacting_one_vanishes_while_they_overlap() -> None:
    recorded = cars((40.0, 0.0, 0.0, 8.0), (60.0, -2.9, math.pi / 2, 0.0))
    moved = reactive_traffic(road(13.4), recorded, ego(0.0))
    gone = np.flatnonzero(~moved.valid[1])
    near = np.flatnonzero(np.abs(moved.position[0, :, 0] - 60.0) < 3.0)
    np.testing.assert_array_equal(gone, near)
    assert 0 < len(gone) < 20


def test_ego_states_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"expected \(41, 11\)"):
        reactive_traffic(road(13.4), cars((40.0, 0.0, 0.0, 8.0)), ego(0.0)[:-1])


def test_vehicles_at_the_end_of_their_path_and_lanes_of_two_points_are_no_trouble() -> None:
    short = cars((199.9, 0.0, 0.0, 3.0), (190.0, 0.0, 0.0, 9.0))
    short.size[0] = 0.8, 0.6
    moved = reactive_traffic(road(13.4), short, ego(150.0))
    assert np.ptp(moved.position[0, 1:, 0]) == 0.0  # NAVSIM's paths lack the last point of the centreline
    assert moved.position[0, 1, 0] == pytest.approx(199.0)
    assert speeds(moved, 1)[-1] < 1.0
    line = np.array(((0.0, 0.0, 0.0), (100.0, 0.0, 0.0)))
    ring = np.array(((0.0, -2.0), (100.0, -2.0), (100.0, 2.0), (0.0, 2.0)))
    sparse = build_map([Lane("a", line, ring, speed_limit=10.0)])
    free = reactive_traffic(sparse, cars((20.0, 0.0, 0.0, 8.0)), ego(-30.0))
    assert free.position[0, -1, 0] > 45.0
