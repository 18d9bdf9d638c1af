"""Suites: names and files resolve to scenes, and an empty or unknown one says why."""

from dataclasses import replace
from pathlib import Path

import pytest

from drive.errors import DataError, SuiteError
from evaluation.curation.suite_file import FOLDER, SUFFIX, check_scene, curated_names, packed_scene, read_suite
from evaluation.fingerprint import fingerprint
from evaluation.suite import (
    SHIPPED,
    Suite,
    ensure_scenes,
    load_scene,
    read_suite_file,
    resolve_suite,
    suite_names,
)
from scenarios.generate import Recipe, build
from scenarios.generate.digest import ends_of, same_ends, spawn_digest
from scenarios.store import Store, scenario_digest


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def write(folder: Path, text: str) -> str:
    path = folder / "suite.yaml"
    path.write_text("schema: suite/1\nname: mine\n" + text)
    return str(path)


# --- names


def test_the_quick_suite_has_sixteen_scenes_that_load_as_listed(store: Store) -> None:
    suite = resolve_suite("gen-quick")
    assert len(suite.scenes) == 16 and suite.default_traffic == "idm"
    assert len({scene.id for scene in suite.scenes}) == 16
    assert len({scene.family for scene in suite.scenes}) == 14  # two hazards with their twins
    for scene in suite.scenes[:3]:
        scenario = load_scene(scene, store)
        assert (scenario.id, scenario.family, scenario.group) == (scene.id, scene.family, scene.group)
        scenario.validate()


def at_home(name: str) -> bool:
    """True on the kind of processor on which a shipped suite was made."""
    return read_suite(FOLDER / f"{name}{SUFFIX}")[0].cpu == fingerprint()["cpu"]


def test_the_arrays_of_the_quick_suite_are_what_its_recipes_give() -> None:
    for scene in resolve_suite("gen-quick").scenes:
        assert scene.recipe is not None
        recipe = Recipe(*scene.recipe)
        shipped, built = packed_scene(recipe, scene.spawn), build(recipe)
        assert shipped is not None, scene.id
        assert check_scene(shipped, scene.spawn, scene.ends) == ""
        assert spawn_digest(shipped) == spawn_digest(built)
        assert scenario_digest(shipped) == scenario_digest(built) or not at_home("gen-quick"), scene.id
        assert packed_scene(recipe, "0" * 16) is None and packed_scene(recipe, "") is None


@pytest.mark.parametrize("part", range(8))
def test_scenes_of_shipped_suites_become_what_their_files_say(part: int) -> None:
    for name in curated_names():
        scenes = resolve_suite(name).scenes
        for scene in scenes[:: max(len(scenes) // 24, 1)][part:24:8]:
            assert scene.recipe is not None
            built = build(Recipe(*scene.recipe))
            assert spawn_digest(built) == scene.spawn, scene.id
            assert same_ends(ends_of(built), scene.ends) or not at_home(name), scene.id


def test_a_generated_scene_is_the_same_from_the_store_and_built_again(store: Store, tmp_path: Path) -> None:
    (scene,) = resolve_suite("procedural:F26:1:5").scenes
    first, second, other = (load_scene(scene, place) for place in (store, store, Store(tmp_path / "other")))
    assert scenario_digest(first) == scenario_digest(second) == scenario_digest(other)


def test_procedural_suites_have_the_family_count_and_seed_asked_for() -> None:
    suite = resolve_suite("procedural:F18:12:7")
    assert len(suite.scenes) == 12 and {scene.family for scene in suite.scenes} == {"F18"}
    assert suite == resolve_suite("procedural:F18:12:7")
    keys = {scene.key for scene in suite.scenes}
    assert len(keys) == 12
    assert not keys & {scene.key for scene in resolve_suite("procedural:F18:12:8").scenes}
    assert len(resolve_suite("procedural:all:9:7").scenes) == 9


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gen-quik", "there is no suite 'gen-quik', did you mean 'gen-quick'?"),
        ("procedural:F26:ten:1", "not of the form procedural:<family|all>:<count>:<seed>"),
        ("procedural:F26", "not of the form"),
        ("procedural:F27:10:1", "there is no family 'F27', did you mean 'F26'?"),
        ("procedural:F26:0:1", "is empty: its count is 0"),
        ("nuscenes", "needs --data"),
        ("nowhere.yaml", "nowhere.yaml cannot be read: No such file"),
    ],
)
def test_unusable_names_are_told_in_one_sentence(name: str, sentence: str) -> None:
    with pytest.raises(SuiteError) as caught:
        resolve_suite(name)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_generated_suites_refuse_data(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="leave out --data"):
        resolve_suite("gen-quick", tmp_path)


# --- files


def test_filters_apply_in_order_and_keep_the_order_of_scenes(tmp_path: Path) -> None:
    everything = resolve_suite("gen-quick")
    families = sorted({scene.family for scene in everything.scenes})
    suite = resolve_suite(write(tmp_path, f"source: gen-quick\nfamilies: [{families[0]}]\nlimit: 2\n"))
    assert list(suite.scenes) == [scene for scene in everything.scenes if scene.family == families[0]][:2]
    first = everything.scenes[0].id
    suite = resolve_suite(write(tmp_path, f"source: gen-quick\nexclude: ['{first}']\ntraffic: log\n"))
    assert list(suite.scenes) == list(everything.scenes[1:]) and suite.default_traffic == "log"
    suite = resolve_suite(write(tmp_path, f"source: gen-quick\nscenes: ['{first}', 'nothing-*']\n"))
    assert [scene.id for scene in suite.scenes] == [first]


def test_an_empty_suite_says_which_filter_removed_how_many(tmp_path: Path) -> None:
    text = "source: gen-quick\nfamilies: ['F*']\nscenes: ['scene-*']\nexclude: ['x*']\n"
    with pytest.raises(SuiteError) as caught:
        resolve_suite(write(tmp_path, text))
    assert "gen-quick has 16 scenes, families ['F*'] removed 0 of 16, scenes ['scene-*'] removed 16 of 16" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "source: gen-quick\nfamilie: [F26]\n",
            "field 'familie': Extra inputs are not permitted, did you mean 'families'?",
        ),
        ("families: [F26]\n", "field 'source': Field required"),
        ("source: gen-quick\nlimit: 0\n", "field 'limit'"),
        ("source: gen-quick\ntraffic: chaos\n", "field 'traffic'"),
        ("source: gen-quick\nscenes: '*'\n", "field 'scenes'"),
        ("source: [", "is not YAML"),
        ("source: gen-qick\n", "did you mean 'gen-quick'?"),
        ("source: nuscenes\n", "needs --data"),
    ],
)
def test_a_wrong_suite_file_is_told_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SuiteError) as caught:
        resolve_suite(write(tmp_path, text))
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_suite_file_cannot_stand_on_another_file(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="there is no suite 'gen-small'"):
        resolve_suite(write(tmp_path, "source: gen-small\n"))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_suites_are_usable_by_name(path: Path, request: pytest.FixtureRequest) -> None:
    file = read_suite_file(path)
    assert file.name == path.stem and path.stem in suite_names()
    data = request.getfixturevalue("real_data") / "nuscenes-mini" if file.source == "nuscenes" else None
    suite = resolve_suite(path.stem, data)
    assert suite.name == path.stem and suite.scenes


# --- recorded scenes


@pytest.fixture(scope="module")
def loaded(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Suite, Path, Store]:
    """The suite ``nuscenes``, its folder, and a store that has it."""
    store, data = Store(tmp_path_factory.mktemp("store")), real_data / "nuscenes-mini"
    return resolve_suite("nuscenes", data, store), data, store


def test_nuscenes_is_every_scene_of_the_folder(loaded: tuple[Suite, Path, Store]) -> None:
    suite, _, store = loaded
    assert len(suite.scenes) == 8 and suite.default_traffic == "log" and suite.source == "nuscenes"
    assert all(scene.id.startswith("scene-") for scene in suite.scenes)
    assert load_scene(suite.scenes[0], store).id == suite.scenes[0].id


def test_data_in_a_suite_file_is_relative_to_it_and_the_option_wins(
    loaded: tuple[Suite, Path, Store], tmp_path: Path
) -> None:
    _, data, store = loaded
    (tmp_path / "data").symlink_to(data)
    path = write(tmp_path, "source: nuscenes\ndata: data\nscenes: [scene-0061]\n")
    assert [scene.id for scene in resolve_suite(path, store=store).scenes] == ["scene-0061"]
    with pytest.raises(DataError):
        resolve_suite(path, tmp_path / "nowhere", store)


def test_scenes_that_the_store_has_lost_are_loaded_again(loaded: tuple[Suite, Path, Store], tmp_path: Path) -> None:
    suite, data, _ = loaded
    other = Store(tmp_path / "other")
    with pytest.raises(DataError, match="no longer in the store"):
        load_scene(suite.scenes[2], other)
    ensure_scenes(suite.scenes[2:3], "nuscenes", data, other)
    assert load_scene(suite.scenes[2], other).id == suite.scenes[2].id


def test_scenes_that_have_changed_are_not_taken_for_the_old_ones(loaded: tuple[Suite, Path, Store]) -> None:
    suite, data, store = loaded
    old = replace(suite.scenes[0], key="0" * 64)
    with pytest.raises(DataError, match=f"scene '{old.id}' in .* is not the one"):
        ensure_scenes([old], "nuscenes", data, store)
    with pytest.raises(DataError, match="cannot be made again"):
        ensure_scenes([old], "nuscenes", None, store)


def test_a_generated_scene_of_another_version_is_not_silently_made_anew(store: Store) -> None:
    (scene,) = resolve_suite("procedural:F26:1:5").scenes
    with pytest.raises(DataError, match="generated by another version"):
        load_scene(replace(scene, key="0" * 64), store)
