"""Bad nuScenes folders: one clear sentence that names the file or record, never a traceback, never a wrong scene."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drive.errors import DataError
from scenarios.doctor import examine
from scenarios.export import VERSION, export
from scenarios.nuscenes import prepare
from scenarios.sources import detect
from scenarios.store import Store
from tests.scenarios.made import made_scene

Edit = Callable[[Any], None]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export([made_scene(0, "made-0000"), made_scene(1, "made-0001")], folder)
    return folder


@pytest.fixture
def root(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "nuscenes"))


def load(root: Path, tmp_path: Path, **options: Any) -> list[Any]:
    store = Store(tmp_path / "store")
    return [store.get(entry.key) for entry in prepare(root, store, **options)]


def edit(path: Path, change: Edit) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def table(root: Path, name: str) -> Path:
    return root / VERSION / f"{name}.json"


def expansion(root: Path) -> Path:
    (path,) = (root / "maps" / "expansion").glob("*.json")
    return path


def refused(root: Path, tmp_path: Path, pattern: str, **options: Any) -> None:
    """Loading fails with one sentence, and the doctor says the same."""
    with pytest.raises(DataError, match=pattern) as caught:
        load(root, tmp_path, **options)
    assert "\n" not in str(caught.value)
    if not options:
        report = examine(root)
        assert not report.ok
        assert str(caught.value) in [line.text for line in report.lines]


def test_the_untouched_copy_loads(root: Path, tmp_path: Path) -> None:
    for scene in load(root, tmp_path):
        scene.validate()
    assert examine(root).ok
    assert detect(root).name == "nuscenes"
    assert detect(root).version == VERSION


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", tmp_path, "nowhere does not exist; give the folder")
    with pytest.raises(DataError, match="nowhere does not exist"):
        detect(tmp_path / "nowhere")


def test_a_file_instead_of_a_folder_is_named(root: Path, tmp_path: Path) -> None:
    refused(table(root, "scene"), tmp_path, r"scene\.json is a file")


def test_a_folder_that_is_not_nuscenes_says_what_it_holds(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other" / "pictures").mkdir(parents=True)
    refused(tmp_path / "other", tmp_path, "other is not a nuScenes folder: expected .* found pictures")


def test_the_parent_of_a_data_root_points_to_it(root: Path, tmp_path: Path) -> None:
    refused(root.parent, tmp_path, rf"try {root}")


def test_a_wrong_version_lists_those_there(root: Path, tmp_path: Path) -> None:
    refused(root, tmp_path, rf"no version 'v1.0-trainval'; it holds {VERSION}", version="v1.0-trainval")


def test_several_versions_ask_for_one(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / VERSION, root / "v1.0-other")
    with pytest.raises(DataError, match=rf"holds {VERSION}, v1.0-other; name one by giving its folder"):
        load(root, tmp_path)
    assert len(load(root / "v1.0-other", tmp_path)) == 2
    assert len(load(root, tmp_path, version="v1.0-other")) == 2
    assert examine(root).ok


@pytest.mark.parametrize("name", ["scene", "sample_annotation", "visibility"])
def test_a_missing_table_is_named(root: Path, tmp_path: Path, name: str) -> None:
    table(root, name).unlink()
    refused(root, tmp_path, rf"lacks {name}\.json; unpack the metadata archive")


@pytest.mark.parametrize("name", ["sample_data", "scene"])
def test_a_truncated_table_is_named(root: Path, tmp_path: Path, name: str) -> None:
    path = table(root, name)
    path.write_bytes(path.read_bytes()[:-20])
    refused(root, tmp_path, rf"{name}\.json is not valid JSON \(line 1 column \d+\), it may be truncated")


def test_a_table_that_is_no_list_is_named(root: Path, tmp_path: Path) -> None:
    table(root, "category").write_text('{"token": 3}')
    refused(root, tmp_path, r"category\.json is not a list of records")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("scene", "log_token"),
        ("scene", "first_sample_token"),
        ("sample", "next"),
        ("sample", "scene_token"),
        ("sample_data", "ego_pose_token"),
        ("sample_data", "sample_token"),
        ("sample_data", "calibrated_sensor_token"),
        ("sample_data", "next"),
        ("sample_annotation", "sample_token"),
        ("sample_annotation", "instance_token"),
        ("sample_annotation", "prev"),
        ("instance", "category_token"),
    ],
)
def test_a_dangling_token_names_table_field_and_token(root: Path, tmp_path: Path, name: str, field: str) -> None:
    edit(table(root, name), lambda records: records[1].__setitem__(field, "nowhere"))
    refused(root, tmp_path, rf"{name}\.json: {field} 'nowhere' of record '.+' is not in \w+\.json")


def test_annotations_chained_past_each_other_are_refused(root: Path, tmp_path: Path) -> None:
    """The devkit would silently take a velocity from the wrong pair."""
    edit(table(root, "sample_annotation"), lambda records: records[0].__setitem__("next", records[2]["token"]))
    refused(root, tmp_path, r"made-0000: next of sample_annotation '.+' is '.+', but the instance goes on with '.+'")


def test_a_field_that_is_missing_is_named(root: Path, tmp_path: Path) -> None:
    edit(table(root, "sample_annotation"), lambda records: records[3].pop("size"))
    refused(root, tmp_path, r"sample_annotation\.json: record 3 .* has no 'size'")


def test_a_doubled_token_is_refused(root: Path, tmp_path: Path) -> None:
    edit(table(root, "ego_pose"), lambda records: records[3].__setitem__("token", records[2]["token"]))
    refused(root, tmp_path, r"ego_pose\.json: a token appears twice")


@pytest.mark.parametrize("value", [[float("nan"), 0.0, 0.0], [1.0, 2.0], None, ["a", 0, 0], [float("inf"), 0.0, 0.0]])
@pytest.mark.parametrize("name", ["sample_annotation", "ego_pose"])
def test_a_position_that_is_no_position_is_refused(root: Path, tmp_path: Path, name: str, value: object) -> None:
    edit(table(root, name), lambda records: records[5].__setitem__("translation", value))
    refused(root, tmp_path, rf"made-000\d: {name} '.+' has translation .*, expected 3 finite numbers")


def test_a_rotation_of_length_zero_is_refused(root: Path, tmp_path: Path) -> None:
    edit(table(root, "ego_pose"), lambda records: records[5].__setitem__("rotation", [0, 0, 0, 0]))
    refused(root, tmp_path, r"made-0000: ego_pose '.+' has rotation 0 0 0 0")


@pytest.mark.parametrize("size", [[0.0, 4.0, 1.5], [1.8, -4.0, 1.5]])
def test_a_size_that_is_not_positive_is_refused(root: Path, tmp_path: Path, size: list[float]) -> None:
    edit(table(root, "sample_annotation"), lambda records: records[0].__setitem__("size", size))
    refused(root, tmp_path, r"sample_annotation '.+' has size .*, width and length must be positive")


def test_an_unknown_category_is_refused(root: Path, tmp_path: Path) -> None:
    edit(table(root, "category"), lambda records: records[0].__setitem__("name", "vehicle.zeppelin"))
    refused(root, tmp_path, r"has category 'vehicle\.zeppelin', which is not one of nuScenes' 23 classes")


def test_a_scene_that_does_not_exist_gets_a_suggestion(root: Path, tmp_path: Path) -> None:
    refused(root, tmp_path, "no scene 'made-000'; did you mean made-000", scenes=["made-000"])
    refused(root, tmp_path, "no scene 'xyz'; it has 2, from made-0000 on", scenes=["xyz"])


def test_a_scene_too_short_says_needed_and_found(tmp_path: Path) -> None:
    export([made_scene(0, "short", steps=26)], tmp_path / "short")
    refused(tmp_path / "short", tmp_path, r"short is too short: its samples span 2\.5 s, needed are 3\.0 s")


def test_a_broken_sample_chain_is_refused(root: Path, tmp_path: Path) -> None:
    edit(table(root, "sample"), lambda records: records[4].__setitem__("next", ""))
    refused(root, tmp_path, r"made-0000: sample\.next leads over 5 samples, scene\.nbr_samples says 20")


def test_time_that_stands_still_is_refused(root: Path, tmp_path: Path) -> None:
    edit(table(root, "sample"), lambda records: records[4].__setitem__("timestamp", records[3]["timestamp"]))
    refused(root, tmp_path, r"made-0000: timestamp of sample '.+' is not after the one before it")


def test_ego_poses_that_end_early_are_refused(root: Path, tmp_path: Path) -> None:
    edit(table(root, "sample_data"), lambda records: records[30].__setitem__("next", ""))
    refused(root, tmp_path, r"made-0000: LIDAR_TOP poses end 6\.5 s before the last sample")


def test_a_missing_map_expansion_says_what_to_get_and_where_to_put_it(root: Path, tmp_path: Path) -> None:
    path = expansion(root)
    path.unlink()
    refused(root, tmp_path, rf"{path} is missing; get nuScenes-map-expansion-v1\.3\.zip .* unpack it into {root}/maps")


@pytest.mark.parametrize("folder", ["maps", "expansion", "nuScenes-map-expansion-v1.3/expansion", "."])
def test_a_map_expansion_in_the_wrong_folder_is_found(root: Path, tmp_path: Path, folder: str) -> None:
    path = expansion(root)
    wrong = root / folder / path.name
    wrong.parent.mkdir(parents=True, exist_ok=True)
    path.rename(wrong)
    refused(root, tmp_path, rf"{wrong} lies in the wrong folder; move it to {path}")


def test_a_truncated_map_is_named(root: Path, tmp_path: Path) -> None:
    path = expansion(root)
    path.write_bytes(path.read_bytes()[:-2000])
    refused(root, tmp_path, rf"{path} is not valid JSON")


def test_an_outdated_map_is_named(root: Path, tmp_path: Path) -> None:
    edit(expansion(root), lambda layers: layers.__setitem__("version", "1.0"))
    refused(root, tmp_path, r"has map version 1\.0, expected 1\.3")


def test_a_missing_map_layer_is_named(root: Path, tmp_path: Path) -> None:
    edit(expansion(root), lambda layers: layers.pop("lane_connector"))
    refused(root, tmp_path, r"has no layer 'lane_connector'")


@pytest.mark.parametrize("layer", ["lane", "lane_connector", "ped_crossing"])
def test_a_dangling_polygon_names_layer_and_token(root: Path, tmp_path: Path, layer: str) -> None:
    edit(expansion(root), lambda layers: layers[layer][0].__setitem__("polygon_token", "nowhere"))
    refused(root, tmp_path, rf"polygon_token 'nowhere' of {layer} '.+' does not exist")


def test_a_dangling_node_names_the_polygon(root: Path, tmp_path: Path) -> None:
    edit(expansion(root), lambda layers: layers["polygon"][0]["exterior_node_tokens"].__setitem__(0, "nowhere"))
    refused(root, tmp_path, r"node_tokens 'nowhere' of polygon '.+' does not exist")


def test_a_node_that_is_not_finite_is_refused(root: Path, tmp_path: Path) -> None:
    edit(expansion(root), lambda layers: layers["node"][0].__setitem__("x", float("nan")))
    refused(root, tmp_path, r"node '.+' is not finite")


def test_a_missing_base_map_image_is_named(root: Path, tmp_path: Path) -> None:
    (image,) = (root / "maps").glob("*.png")
    image.unlink()
    refused(root, tmp_path, rf"{image} is missing: unpack the maps folder")


def test_an_unknown_location_is_refused(root: Path, tmp_path: Path) -> None:
    edit(table(root, "log"), lambda records: records[0].__setitem__("location", "atlantis"))
    refused(root, tmp_path, r"location 'atlantis', expected one of singapore-onenorth")


def test_dangling_successors_are_dropped_and_reported(root: Path, tmp_path: Path) -> None:
    edit(expansion(root), lambda layers: layers["connectivity"]["made-0000:in-right"]["outgoing"].append("gone"))
    scene = load(root, tmp_path)[0]
    assert any("'gone'" in note for note in scene.provenance["dropped"])
    assert any("1 successors do not exist" in line.text for line in examine(root).lines)


def test_a_lane_without_centreline_is_left_out_and_reported(root: Path, tmp_path: Path) -> None:
    edit(expansion(root), lambda layers: layers["arcline_path_3"].pop("made-0000:out-left"))
    scene = load(root, tmp_path)[0]
    assert "made-0000:out-left" not in scene.map.lane_ids
    assert any("'made-0000:out-left' has no centreline" in note for note in scene.provenance["dropped"])


def test_a_connector_without_polygon_gets_one_from_its_centreline(root: Path, tmp_path: Path) -> None:
    def flatten(layers: Any) -> None:
        token = next(record for record in layers["lane_connector"] if record["token"] == "made-0000:turn-right")
        polygon = next(record for record in layers["polygon"] if record["token"] == token["polygon_token"])
        polygon["exterior_node_tokens"] = polygon["exterior_node_tokens"][:2]

    edit(expansion(root), flatten)
    scene = load(root, tmp_path)[0]
    ring = scene.map.lane_polygon(scene.map.lane_ids.index("made-0000:turn-right"))
    width = ring[:, 0].max() - ring[:, 0].min()
    assert width > 20
    assert any("'made-0000:turn-right' has no usable polygon" in note for note in scene.provenance["dropped"])


@pytest.mark.parametrize("seed", range(40))
def test_junk_anywhere_is_refused_in_one_sentence_or_harmless(root: Path, tmp_path: Path, seed: int) -> None:
    """One value of one file, at random, becomes something else or vanishes."""
    rng = random.Random(seed)
    path = rng.choice([expansion(root), *sorted((root / VERSION).glob("*.json"))])
    content = holder = json.loads(path.read_text())
    keys: list[Any] = []
    while isinstance(holder, dict | list) and holder and rng.random() < 0.9:
        keys.append(rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder))))
        parent, holder = holder, holder[keys[-1]]
    if keys and rng.random() < 0.3:
        del parent[keys[-1]]
    elif keys:
        parent[keys[-1]] = rng.choice([None, -1, 3.5, float("nan"), float("inf"), "x", "12", [], {}, [None], 1e300])
    path.write_text(json.dumps(content))
    try:
        for scene in load(root, tmp_path):
            scene.validate()
    except DataError as error:
        assert "\n" not in str(error)
        assert not examine(root).ok


def test_a_changed_table_is_never_served_from_the_store(root: Path, tmp_path: Path) -> None:
    before = load(root, tmp_path)[0]
    edit(
        table(root, "sample_annotation"),
        lambda records: [record.__setitem__("size", [2.0, 5.0, 1.5]) for record in records],
    )
    after = load(root, tmp_path)[0]
    assert (after.tracks.size == [5.0, 2.0]).all()
    assert not (before.tracks.size == [5.0, 2.0]).any()


def test_keyframes_without_annotations_make_a_scene_without_agents(root: Path, tmp_path: Path) -> None:
    table(root, "sample_annotation").write_text("[]")
    table(root, "instance").write_text("[]")
    scene = load(root, tmp_path)[0]
    assert scene.tracks.ids == ()
    scene.validate()
    assert any("no annotations" in line.text for line in examine(root).lines)
