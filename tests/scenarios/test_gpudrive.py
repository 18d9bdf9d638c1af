"""GPUDrive JSON becomes scenes: lanes connected, a road surface from edges, broken files refused in one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from drive.errors import DataError, SuiteError
from drive.geometry import box_corners, from_frame, to_frame
from drive.map import Layer
from drive.scene import AgentKind, LightState, Scenario
from drive.vehicle import Ego, center_from_rear_axle
from evaluation.cli import main
from evaluation.suite import resolve_suite
from scenarios.doctor import examine, render
from scenarios.gpudrive import load_file, prepare
from scenarios.sources import detect
from scenarios.store import Store
from tests.scenarios.gpudrive_made import BASE, FRAMES, SPEED, scene, write


def loaded(folder: Path, content: Any = None) -> Scenario:
    return load_file(write(folder, content))


def surface(found: Scenario) -> shapely.Geometry:
    return shapely.union_all([shapely.Polygon(rings[0], rings[1:]) for rings in found.map.areas(Layer.DRIVABLE)])


def place(found: Scenario, x: float, y: float) -> shapely.Point:
    return shapely.Point(to_frame(BASE + np.array((x, y)), found.origin))


# what moves


def test_the_egos_track_is_its_box_centre_and_its_size_the_files(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    car = found.ego_vehicle
    assert (car.length, car.width) == (5.286, 2.332)
    assert car.wheelbase == pytest.approx(3.089 * 5.286 / 5.176)
    centre = from_frame(center_from_rear_axle(found.reference[:, : Ego.VX], car)[:, :2], found.origin)
    np.testing.assert_allclose(centre[:, 0] - BASE[0], -20.0 + 0.6 * np.arange(FRAMES), atol=1e-6)
    np.testing.assert_allclose(found.reference[:, Ego.VX], SPEED, atol=1e-6)
    assert (found.start, found.steps, found.horizon) == (10, 91, 80)
    assert "900" not in found.tracks.ids


def test_minus_10000_never_reaches_a_scene(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    car = found.tracks.ids.index("3")
    assert not found.tracks.valid[car, 40:50].any() and found.tracks.valid[car].sum() == 81
    for values in (found.tracks.position, found.tracks.heading, found.tracks.velocity):
        assert np.abs(values).max() < 200.0
    content = scene()
    content["objects"][1]["valid"] = [True] * FRAMES  # marked as seen, with the marks of absence
    content["objects"][1]["position"][5] = {"x": -10000, "y": -10000, "z": -10000}
    assert not loaded(tmp_path / "b", content).tracks.valid[1, 5]


def test_kinds_and_repeated_ids(tmp_path: Path) -> None:
    content = scene()
    assert loaded(tmp_path, content).tracks.kind.tolist() == [
        AgentKind.CAR,
        AgentKind.PEDESTRIAN,
        AgentKind.BICYCLE,
    ]
    content["objects"][1]["id"] = content["objects"][0]["id"]
    assert loaded(tmp_path / "b", content).tracks.ids == ("object-0", "object-1", "object-2")


def test_headings_in_degrees_are_recognised(tmp_path: Path) -> None:
    content = scene()
    content["objects"][1]["heading"] = [170.0] * FRAMES
    found = loaded(tmp_path, content)
    assert found.tracks.heading[1, 0] == pytest.approx(np.deg2rad(170.0))
    assert "headings in degrees were turned into radians" in found.provenance["repaired"]


def test_a_velocity_of_zero_at_the_end_of_a_moving_track_is_repaired(tmp_path: Path) -> None:
    content = scene()
    for at in (39, FRAMES - 1):
        content["objects"][0]["velocity"][at] = {"x": 0.0, "y": 0.0}
    found = loaded(tmp_path, content)
    np.testing.assert_allclose(found.tracks.velocity[0, [39, FRAMES - 1], 0], 7.0)


def test_lights_are_known_when_they_were_seen(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert [found.map.lane_ids[lane] for lane in found.lights.lane] == ["2"]
    assert found.lights.state[0, 9:15].tolist() == [
        LightState.UNKNOWN,
        LightState.RED,
        LightState.YELLOW,
        LightState.GREEN,
        LightState.UNKNOWN,
        LightState.UNKNOWN,
    ]
    np.testing.assert_allclose(from_frame(found.lights.stop_point[0], found.origin) - BASE, (-0.5, 0.0), atol=1e-6)


# the map


def test_lanes_are_joined_and_those_inside_the_junction_are_connectors(tmp_path: Path) -> None:
    world = loaded(tmp_path).map
    index = {name: lane for lane, name in enumerate(world.lane_ids)}
    assert sorted(index, key=int) == [str(number) for number in range(1, 11)]  # no bicycles, no lane of one point

    def after(name: str) -> list[str]:
        return sorted(world.lane_ids[lane] for lane in world.lane_successors(index[name]))

    assert after("1") == ["2", "4"] and after("2") == ["3"] and after("4") == ["5"] and after("7") == ["8"]
    assert {name for name in index if world.connector[index[name]]} >= {"2", "4", "7", "10"}
    assert not {"1", "3", "5", "6", "8", "9"} & {name for name in index if world.connector[index[name]]}


def test_the_route_follows_the_drive(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert [found.map.lane_ids[lane] for lane in found.route] == ["1", "2", "3"]


def test_the_road_ends_at_its_edges_and_opens_into_driveways(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    road = surface(found)
    for (x, y), inside in (
        ((-50, -3.9), True),
        ((-50, -4.2), False),
        ((-50, 5.9), True),
        ((-50, 6.2), False),
        ((-37, -9), True),
        ((4.2, 40), True),
        ((13.8, 40), True),
        ((3.5, 40), False),
        ((14.5, 40), False),
        ((-20, 20), False),
    ):
        assert road.contains(place(found, x, y)) == inside, (x, y)


def test_lanes_are_as_wide_as_what_lies_beside_them_says(tmp_path: Path) -> None:
    world = loaded(tmp_path).map
    lane = world.lane_ids.index("3")
    polygon = shapely.Polygon(world.lane_polygon(lane))
    assert polygon.area / 100.0 == pytest.approx(1.75 + 1.75, abs=0.6)
    assert world.left[lane] == -1 and world.right[lane] == -1  # the lane beside it leads the other way


def test_a_stop_sign_closes_the_junction_behind_the_lane_it_stands_at(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert len(found.map.stop_cause) == 1
    assert sorted(found.map.lane_ids[lane] for lane in found.map.stop_lanes) == ["2", "4"]
    middle = from_frame(found.map.stop_segment[0].mean(axis=0), found.origin) - BASE
    np.testing.assert_allclose(middle, (0.0, 0.0), atol=1e-6)
    assert any("'35' belongs to no lane" in note for note in found.provenance["dropped"])


def test_a_map_without_edges_has_its_lanes_as_road(tmp_path: Path) -> None:
    content = scene()
    content["roads"] = [road for road in content["roads"] if road["type"] != "road_edge"]
    found = loaded(tmp_path, content)
    assert surface(found).contains(place(found, -50, 1.0)) and not surface(found).contains(place(found, -50, -3.0))


# folders and bad input


def test_a_folder_is_a_suite_and_doctor_knows_it(tmp_path: Path) -> None:
    write(tmp_path / "data")
    assert detect(tmp_path / "data").name == "gpudrive"
    assert detect(tmp_path / "data" / "made.json").name == "gpudrive"
    suite = resolve_suite("gpudrive", tmp_path / "data", Store(tmp_path / "store"))
    assert [(ref.id, ref.family, ref.group) for ref in suite.scenes] == [("abc", "waymo", "abc")]
    assert suite.default_traffic == "log"
    text = render(report := examine(tmp_path / "data"))
    assert report.ok and "1 of 1 GPUDrive JSON scenes (1 waymo)" in text and "no speed limits" in text
    write(tmp_path / "data", name="twice")
    with pytest.raises(DataError, match="both hold the scene 'abc'"):
        prepare(tmp_path / "data", Store(tmp_path / "store"))
    assert not examine(tmp_path / "data").ok
    with pytest.raises(SuiteError, match="needs --data, a folder of GPUDrive's JSON files"):
        resolve_suite("gpudrive")
    with pytest.raises(DataError, match="holds no GPUDrive scenes"):
        (tmp_path / "empty").mkdir()
        prepare(tmp_path / "empty", Store(tmp_path / "store"))


def _change(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def apply(content: dict[str, Any]) -> None:
        holder: Any = content
        for key in path[:-1]:
            holder = holder[key]
        if to is KeyError:
            del holder[path[-1]]
        else:
            holder[path[-1]] = to

    return apply


BROKEN = {
    "no objects": (_change("objects", to=KeyError), "objects: is missing"),
    "no metadata": (_change("metadata", to=KeyError), "metadata.sdc_track_index: is missing"),
    "ego beyond": (_change("metadata", "sdc_track_index", to=9), "is 9, but there are 4 objects"),
    "ego as text": (_change("metadata", "sdc_track_index", to="3"), "is str, expected int"),
    "ego never there": (_change("objects", 3, "valid", to=[False] * FRAMES), "the ego is valid in no frame"),
    "ego with a gap": (
        _change("objects", 3, "valid", to=[index != 50 for index in range(FRAMES)]),
        "the ego is absent at frame 50",
    ),
    "short heading": (_change("objects", 0, "heading", to=[0.0]), r"objects\[0\].heading: has 1 frames"),
    "place as text": (_change("objects", 1, "position", 3, to="x"), r"objects\[1\].position: expected a list of"),
    "not finite": (
        _change("objects", 1, "position", 3, to={"x": float("nan"), "y": 0.0}),
        r"objects\[1\].position: is not finite or off every map at frame 3",
    ),
    "no width": (_change("objects", 2, "width", to=KeyError), r"objects\[2\].width: is missing"),
    "no size": (_change("objects", 2, "width", to=0.0), r"objects\[2\].width: is 0, expected positive metres"),
    "road without a type": (_change("roads", 2, "type", to=KeyError), r"roads\[2\].type: is missing"),
    "road without a line": (_change("roads", 2, "geometry", to=4), r"roads\[2\].geometry: is int, expected list"),
    "light without times": (_change("tl_states", "2", "time_index", to=[1]), r"tl_states\['2'\].time_index"),
    "a list": (None, "holds list, expected a GPUDrive scene"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_its_name_and_field(tmp_path: Path, name: str) -> None:
    change, sentence = BROKEN[name]
    content: Any = scene()
    if change is None:
        content = [1]
    else:
        change(content)
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=sentence) as caught:
        load_file(path)
    assert str(path) in str(caught.value)


def test_a_broken_file_ends_a_command_with_one_sentence_and_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = scene()
    del content["metadata"]
    write(tmp_path, content)
    assert main(["scenarios", "list", "--suite", "gpudrive", "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0 and "made.json, metadata.sdc_track_index: is missing" in said


def test_a_recording_too_short_is_refused(tmp_path: Path) -> None:
    content = scene()
    for item in content["objects"]:
        for key in ("position", "velocity", "heading", "valid"):
            item[key] = item[key][:15]
    with pytest.raises(DataError, match="is too short: it has 15 steps"):
        loaded(tmp_path, content)


# real drives


@pytest.fixture(scope="module")
def real(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Scenario]:
    store = Store(tmp_path_factory.mktemp("store"))
    found = [store.get(entry.key) for entry in prepare(real_data / "gpudrive", store)]
    assert len(found) == 2
    return found  # type: ignore[return-value]


def test_no_real_drive_overlaps_anything_or_leaves_the_road(real: list[Scenario]) -> None:
    for found in real:
        car = found.ego_vehicle
        assert car.length > 2 * car.width
        centre = center_from_rear_axle(found.reference[:, : Ego.VX], car)
        ego = shapely.polygons(box_corners(centre[:, :2], centre[:, 2], np.array((car.length, car.width))))
        corners = box_corners(found.tracks.position, found.tracks.heading, found.tracks.size[:, None])
        assert shapely.distance(shapely.polygons(corners), ego[None])[found.tracks.valid].min() > 0.1
        assert surface(found).contains(shapely.union_all(ego))


def test_real_boxes_point_where_they_move(real: list[Scenario]) -> None:
    for found in real:
        moving = found.tracks.valid & (np.linalg.norm(found.tracks.velocity, axis=2) > 2.0)
        direction = np.stack((np.cos(found.tracks.heading), np.sin(found.tracks.heading)), axis=-1)
        along = (direction * found.tracks.velocity).sum(axis=2)[moving]
        # Waymo's tracker turns one box round for one frame.
        assert (along / np.linalg.norm(found.tracks.velocity[moving], axis=1) < 0.9).sum() <= 1


def test_real_lanes_lie_on_the_road_and_lead_on(real: list[Scenario]) -> None:
    for found in real:
        world = found.map
        road = surface(found).buffer(0.01)
        for lane in range(world.lanes):
            assert road.covers(shapely.LineString(world.lane_centerline(lane)[:, :2]))
        ends = [lane for lane in range(world.lanes) if not len(world.lane_successors(lane))]
        assert len(ends) < 0.25 * world.lanes  # at the edge of the map only
        assert len(found.route) >= 3 and not [note for note in found.provenance["dropped"] if "lane graph" in note]
        # Of what stands or drives at the present, nearly all is on the road (parked cars on driveways too).
        cars = found.tracks.valid[:, found.start] & (found.tracks.kind == AgentKind.CAR)
        inside = shapely.contains(road, shapely.points(found.tracks.position[cars, found.start]))
        assert inside.mean() > 0.8
