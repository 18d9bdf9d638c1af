"""Promises of the scenario store."""

import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive.errors import DataError
from drive.scene import Paths, Scenario
from scenarios.codec import decode, digest, encode, scenario_digest
from scenarios.store import Store, make_key
from tests.scenarios.made import made_scene


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def entry(store: Store) -> Path:
    (path,) = store.root.glob("scenarios/*/*.safetensors")
    return path


def test_a_stored_scenario_comes_back_to_the_last_bit(store: Store) -> None:
    scene = replace(made_scene(), paths=Paths(np.zeros((0, 2)), np.zeros(0), np.zeros(16, np.int32)))
    store.put("k", scene)
    back = store.get("k")
    assert back is not None
    assert scenario_digest(back) == scenario_digest(scene)
    assert back.ego_vehicle == scene.ego_vehicle
    assert back.tracks.ids == scene.tracks.ids
    assert back.provenance == scene.provenance
    assert isinstance(back.start, int)
    np.testing.assert_array_equal(back.map.centerline, scene.map.centerline)
    assert back.map.centerline.dtype == np.float64
    assert back.tracks.valid.dtype == np.bool_
    back.validate()


def test_arrays_from_the_store_are_like_freshly_built_ones(store: Store) -> None:
    """Compiled kernels are specialised on layout: a read-only array would compile them a second time."""
    store.put("k", made_scene())
    back = store.get("k")
    assert back is not None
    for array in encode(back)[0].values():
        assert array.flags.writeable
        assert array.flags.aligned
        assert array.flags.c_contiguous


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(allow_nan=False), max_size=8), st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_survives_exactly(values: list[float], hardness: float) -> None:
    scene = replace(made_scene(), goal=np.array(values), hardness=hardness)
    back = decode(Scenario, *encode(scene))
    assert back.goal.tobytes() == scene.goal.tobytes()
    assert np.float64(back.hardness).tobytes() == np.float64(hardness).tobytes()


def test_any_changed_field_changes_the_digest() -> None:
    scene = made_scene()
    before = scenario_digest(scene)
    assert scenario_digest(made_scene()) == before
    for item in fields(scene.tracks):
        value = getattr(scene.tracks, item.name)
        changed = ("other", *value[1:]) if item.name == "ids" else value.copy()
        if item.name != "ids":
            changed.flat[0] = not changed.flat[0] if changed.dtype == bool else changed.flat[0] + 1
        assert scenario_digest(replace(scene, tracks=replace(scene.tracks, **{item.name: changed}))) != before
    for name, value in {"id": "x", "start": 21, "hardness": 0.5, "licence": "y", "route": scene.route[:2]}.items():
        assert scenario_digest(replace(scene, **{name: value})) != before


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "garbage"])
def test_a_damaged_entry_is_rebuilt_not_trusted(store: Store, damage: str) -> None:
    scene = made_scene()
    store.put("k", scene)
    path = entry(store)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-100] ^= 1
    elif damage == "truncate":
        content = content[: len(content) // 2]
    else:
        content = bytearray(b"" if damage == "empty" else b"garbage" * 100)
    path.write_bytes(content)
    assert store.get("k") is None
    assert "k" not in store
    rebuilt = store.get_or_build("k", made_scene)
    assert scenario_digest(rebuilt) == scenario_digest(scene)
    assert "k" in store


def test_an_entry_with_other_fields_counts_as_absent(store: Store) -> None:
    from safetensors.numpy import save

    arrays, text = encode(made_scene())
    tree = json.loads(text)
    del tree["hardness"]
    text = json.dumps(tree)
    path = store.root / "scenarios" / "ke" / "key.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(save(arrays, {"scenario": f"{digest(arrays, text)} {text}"}))
    assert store.get("key") is None
    whole = encode(made_scene())
    path.write_bytes(save(whole[0], {"scenario": f"{digest(*whole)} {whole[1]}"}))
    assert store.get("key") is not None


def test_equal_scenarios_give_equal_files(store: Store) -> None:
    contents = set()
    for _ in range(8):
        store.put("k", made_scene())
        contents.add(entry(store).read_bytes())
    assert len(contents) == 1


def test_a_scenario_that_cannot_be_stored_says_why(store: Store) -> None:
    with pytest.raises(DataError, match=r"'made-0000' cannot be stored.*object"):
        store.put("k", replace(made_scene(), provenance={"bad": object()}))
    with pytest.raises(DataError, match="cannot be stored"):
        store.put("k", replace(made_scene(), hardness=float("nan")))


def test_concurrent_writers_never_show_half_an_entry(store: Store) -> None:
    code = (
        "import sys; from scenarios.store import Store; from tests.scenarios.made import made_scene\n"
        "store, scene = Store(sys.argv[1]), made_scene()\n"
        "for _ in range(60): store.put('k', scene); assert store.get('k') is not None"
    )
    command = [sys.executable, "-c", code, str(store.root)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writers = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE) for _ in range(3)]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        if seen:
            assert store.get("k") is not None
        seen += store.get("k") is not None
    for writer in writers:
        _, errors = writer.communicate()
        assert writer.returncode == 0, errors.decode()
    assert seen
    assert len(list(entry(store).parent.iterdir())) == 1  # no temporary files are left


def test_a_key_ignores_the_order_of_its_parts_only() -> None:
    assert make_key(a=1, b=[1, 2]) == make_key(b=[1, 2], a=1)
    assert make_key(a=1) != make_key(a=2)
    assert make_key(a=1, b=[1, 2]) != make_key(a=1, b=[2, 1])


def old(path: Path) -> None:
    """Give a file a modification time of long ago."""
    os.utime(path, (1_000_000_000, 1_000_000_000))


def test_a_changed_file_never_keeps_its_fingerprint(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text("aaaa")
    old(path)
    first = store.fingerprint(path)
    assert store.fingerprint(path) == first
    path.write_text("bbbb")  # same size, same modification time
    old(path)
    assert store.fingerprint(path) != first


def test_the_second_fingerprint_does_not_read_the_file(
    store: Store, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = real_data / "nuscenes-mini" / "v1.0-mini" / "sample_annotation.json"
    first = store.fingerprint(path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the file was opened again")

    monkeypatch.setattr("hashlib.file_digest", refuse)
    assert store.fingerprint(path) == first


def test_an_unreadable_file_or_store_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.json cannot be read: No such file"):
        Store(tmp_path).fingerprint(tmp_path / "nothing.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written.*DRIVE_CACHE"):
        Store(tmp_path / "file").put("k", made_scene())


def test_the_store_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVE_CACHE", str(tmp_path / "mine"))
    assert Store().root == tmp_path / "mine"
    assert Store(tmp_path).root == tmp_path
