"""Broken, hostile and misplaced OpenScene logs: one sentence each, and nothing of theirs is ever run."""

import io
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drive.errors import DataError
from scenarios.openscene import SceneFilter, prepare
from scenarios.openscene.logs import read_log
from scenarios.openscene.unpickle import read_pickle
from scenarios.store import Store
from tests.scenarios.openscene_made import TOKENS, frames, write_data, write_log

Frames = list[dict[str, Any]]


class Calls:
    """Pickles as a call of ``function`` with ``arguments``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


HOSTILE = {
    "os.system": (Calls(os.system, "touch {mark}"), r"\w+\.system"),
    "eval": (Calls(eval, "open({mark!r}, 'w')"), r"__builtin__\.eval|builtins\.eval"),
    "getattr": (Calls(getattr, "x", "upper"), r"__builtin__\.getattr|builtins\.getattr"),
    "numpy.load": (Calls(np.load, "{mark}"), r"numpy[\w.]*\.load"),
    "numpy.fromfile": (Calls(np.fromfile, "{mark}"), r"numpy[\w.]*\.fromfile"),
    "numpy.memmap": (Calls(np.memmap, "{mark}"), r"numpy[\w.]*\.memmap"),
    "method of an admitted class": (
        Calls(np.ndarray.tofile, np.zeros(1), "{mark}"),
        r"__builtin__\.getattr|builtins\.getattr|numpy\.ndarray\.tofile",
    ),
    "a class of another package": (Path("x"), r"pathlib\.\w+"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_before_anything_of_it_runs(tmp_path: Path, name: str) -> None:
    content, refused = HOSTILE[name]
    mark = tmp_path / "mark"
    if isinstance(content, Calls):
        content.arguments = tuple(
            item.format(mark=str(mark)) if isinstance(item, str) else item for item in content.arguments
        )
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        path = tmp_path / f"{protocol}.pkl"
        path.write_bytes(pickle.dumps([{"token": content}], protocol=protocol))
        with pytest.raises(DataError, match=f"{path}.* asks for ({refused}): only NumPy arrays and plain containers"):
            read_log(path)
    assert not mark.exists()


def test_a_dotted_name_does_not_reach_into_an_admitted_class(tmp_path: Path) -> None:
    path = tmp_path / "log.pkl"
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.")
    with pytest.raises(DataError, match=r"asks for numpy\.ndarray\.tofile"):
        read_pickle(path)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_arrays_and_plain_containers_of_old_and_new_numpy_are_read(tmp_path: Path, protocol: int, core: bytes) -> None:
    content = {
        "floats": np.linspace(0, 1, 5).reshape(5, 1),
        "bools": np.array([True, False]),
        "text": np.array(["vehicle", "czone_sign"]),
        "object": np.array(["a", "bc"], object),
        "scalar": np.float32(1.5),
        "plain": [1, 2.5, None, "x", b"y", (True,), {3}, frozenset({4}), OrderedDict(a=1), 1 + 2j],
    }
    path = tmp_path / "plain.pkl"
    path.write_bytes(_with_core(content, protocol, core))
    found = read_pickle(path)
    for name, value in content.items():
        np.testing.assert_array_equal(found[name], value) if name != "plain" else None
        assert type(found[name]) is type(value)
    assert found["plain"] == content["plain"]


def _with_core(content: Any, protocol: int, core: bytes) -> bytes:
    """The pickle as another NumPy would have written it."""

    class Renamed(pickle._Pickler):  # type: ignore[name-defined,misc]  # the Python one: names can be changed
        def save_global(self, obj: Any, name: str | None = None) -> None:
            module = getattr(obj, "__module__", "")
            parts = str(module).split(".")
            if parts[0] == "numpy" and len(parts) > 1 and parts[1] in ("core", "_core"):
                spelled = f"{core.decode()}.{'.'.join(parts[2:])}"
                if self.proto >= 4:
                    self.save(spelled), self.save(obj.__name__)
                    self.write(pickle.STACK_GLOBAL)
                else:
                    self.write(pickle.GLOBAL + f"{spelled}\n{obj.__name__}\n".encode())
                self.memoize(obj)
            else:
                super().save_global(obj, name)

    Renamed.dispatch = {  # type: ignore[attr-defined]
        **pickle._Pickler.dispatch,  # type: ignore[attr-defined]
        type(len): Renamed.save_global,
        type(_with_core): Renamed.save_global,
    }
    stream = io.BytesIO()
    Renamed(stream, protocol).dump(content)
    return stream.getvalue()


def _set(number: int, field: str, value: Any) -> Callable[[Frames], None]:
    def change(log: Frames) -> None:
        where = log[number]
        *parents, last = field.split(".")
        for parent in parents:
            where = where[parent]
        where[last] = value

    return change


def _drop(number: int, field: str) -> Callable[[Frames], None]:
    def change(log: Frames) -> None:
        where = log[number]
        *parents, last = field.split(".")
        for parent in parents:
            where = where[parent]
        del where[last]

    return change


def _box(number: int, row: int, column: int, value: float) -> Callable[[Frames], None]:
    def change(log: Frames) -> None:
        log[number]["anns"]["gt_boxes"][row, column] = value

    return change


BAD_LOGS: dict[str, tuple[Callable[[Frames], None], str]] = {
    "no token": (_drop(2, "token"), "frame 2: token is missing"),
    "token no text": (_set(2, "token", 7), "frame 2: token is int 7, expected text"),
    "token twice": (_set(4, "token", TOKENS[1]), "frame 4: token .* is that of an earlier frame"),
    "no time": (_drop(0, "timestamp"), "frame 0: timestamp is missing"),
    "time no number": (_set(3, "timestamp", "now"), "frame 3: timestamp is str 'now', expected a whole number"),
    "time stands": (_set(3, "timestamp", 1_600_000_001_000_000), "frame 3: timestamp is not after that"),
    "no pose": (_drop(1, "ego2global_translation"), "frame 1: ego2global_translation is missing"),
    "pose of two": (
        _set(1, "ego2global_translation", [1.0, 2.0]),
        r"ego2global_translation has shape \(2,\), expected 3",
    ),
    "pose NaN": (
        _set(1, "ego2global_translation", [1.0, np.nan, 0.0]),
        r"ego2global_translation is not finite at \[1\]",
    ),
    "pose far off": (_set(1, "ego2global_translation", [1e9, 0.0, 0.0]), "ego2global_translation is .*, off every map"),
    "pose text": (
        _set(1, "ego2global_translation", ["a", "b", "c"]),
        "ego2global_translation is list .* expected 3 numbers",
    ),
    "quaternion long": (_set(5, "ego2global_rotation", [2.0, 0, 0, 0]), "frame 5: ego2global_rotation has norm 2"),
    "quaternion zero": (_set(5, "ego2global_rotation", [0.0, 0, 0, 0]), "frame 5: ego2global_rotation has norm 0"),
    "quaternion matrix": (
        _set(5, "ego2global_rotation", np.eye(3)),
        r"ego2global_rotation has shape \(3, 3\), expected 4",
    ),
    "motion short": (_set(5, "ego_dynamic_state", [1.0, 0.0]), r"ego_dynamic_state has shape \(2,\), expected 4"),
    "motion infinite": (_set(5, "ego_dynamic_state", [1.0, 0, 0, np.inf]), r"ego_dynamic_state is not finite at \[3\]"),
    "command two": (
        _set(5, "driving_command", [1, 1, 0, 0]),
        "driving_command is .* expected one 1 among left, straight",
    ),
    "route text": (_set(5, "roadblock_ids", "11"), "roadblock_ids is str '11', expected a list of names"),
    "lights flat": (_set(5, "traffic_lights", [101, True]), "traffic_lights is .* expected pairs"),
    "lights unknown colour": (_set(5, "traffic_lights", [(101, "red")]), "traffic_lights is .* expected pairs"),
    "no annotations": (_drop(6, "anns"), "frame 6: anns is missing"),
    "annotations a list": (_set(6, "anns", []), "frame 6: anns is list .* expected a dict"),
    "no boxes": (_drop(6, "anns.gt_boxes"), "frame 6: anns.gt_boxes is missing"),
    "boxes of six": (_set(6, "anns.gt_boxes", np.zeros((2, 6))), r"anns.gt_boxes has shape \(2, 6\), expected N x 7"),
    "boxes ragged": (_set(6, "anns.gt_boxes", [[1.0], [1.0, 2.0]]), "anns.gt_boxes is list .* expected N x 7 numbers"),
    "box NaN": (_box(6, 1, 0, np.nan), r"frame 6: anns.gt_boxes is not finite at \[1, 0\]"),
    "box flat": (_box(6, 0, 3, 0.0), "frame 6: anns.gt_boxes 0 is 0 x 1.9 m"),
    "box huge": (_box(6, 0, 4, 1e4), "frame 6: anns.gt_boxes 0 is 4.5 x 10000 m"),
    "fewer names": (
        _set(6, "anns.gt_names", np.array(["vehicle"])),
        "anns.gt_names has 1 entries, but anns.gt_boxes has 2",
    ),
    "more tokens": (_set(6, "anns.track_tokens", ["a", "b", "c"]), "anns.track_tokens has 3 entries, but"),
    "fewer velocities": (_set(6, "anns.gt_velocity_3d", np.zeros((1, 3))), "anns.gt_velocity_3d has 1 entries, but"),
    "velocity of two": (_set(6, "anns.gt_velocity_3d", np.zeros((2, 2))), r"anns.gt_velocity_3d has shape \(2, 2\)"),
    "velocity NaN": (_set(6, "anns.gt_velocity_3d", np.full((2, 3), np.nan)), "anns.gt_velocity_3d is not finite"),
    "unknown class": (_set(6, "anns.gt_names", np.array(["vehicle", "dog"])), "anns.gt_names holds the class 'dog'"),
    "track twice": (_set(6, "anns.track_tokens", ["car", "car"]), "anns.track_tokens holds 'car' twice"),
    "two maps": (_set(6, "map_location", "sg-one-north"), "frame 6: map_location is 'sg-one-north', but frame 0 says"),
    "two logs": (_set(6, "log_name", "other"), "frame 6: log_name is 'other', but frame 0 says 'made'"),
}


@pytest.mark.parametrize("name", BAD_LOGS)
def test_a_broken_log_is_one_sentence_that_names_file_frame_and_field(tmp_path: Path, name: str) -> None:
    change, sentence = BAD_LOGS[name]
    log = frames()
    change(log)
    path = write_log(tmp_path, log)
    with pytest.raises(DataError, match=sentence) as caught:
        read_log(path)
    assert str(caught.value).startswith(f"{path}, frame ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([], "holds no frames"),
        ({"token": 1}, "holds dict .*, expected an OpenScene log: a list of frames"),
        ([1, 2], "expected an OpenScene log: a list of frames"),
    ],
)
def test_a_pickle_that_is_no_log_says_so(tmp_path: Path, content: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read_log(write_log(tmp_path, content))


def test_a_truncated_file_and_a_missing_one_are_one_sentence(tmp_path: Path) -> None:
    path = write_log(tmp_path)
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"is not a whole pickle .* get the file again"):
            read_log(path)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_log(path)


def test_an_unknown_map_location_is_refused(tmp_path: Path) -> None:
    write_log(tmp_path, [{**frame, "map_location": "atlantis"} for frame in frames()])
    with pytest.raises(
        DataError, match=r"made.pkl: map_location is 'atlantis', expected one of us-nv-las-vegas-strip,"
    ):
        prepare(tmp_path, Store(tmp_path / "store"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"num_history_frames": 1}, "num_history_frames is 1, expected at least 2"),
        ({"num_future_frames": 0}, "num_future_frames is 0, expected at least 1"),
        ({"frame_interval": 0}, "frame_interval is 0, expected at least 1"),
        ({"log_names": ("made", "other")}, "there is no log 'other' among the 1 in"),
        ({"tokens": (TOKENS[4],)}, f"has no scene '{TOKENS[4]}'"),
    ],
)
def test_a_filter_that_cannot_be_met_says_why(tmp_path: Path, options: dict[str, Any], sentence: str) -> None:
    write_data(tmp_path)
    with pytest.raises(DataError, match=sentence):
        prepare(tmp_path, Store(tmp_path / "store"), scenes=SceneFilter(**options))


def test_a_frame_that_two_files_hold_is_refused(tmp_path: Path) -> None:
    write_data(tmp_path)
    write_log(tmp_path, name="copy")
    with pytest.raises(DataError, match=r"made.pkl and .*copy.pkl both hold the frame"):
        prepare(tmp_path, Store(tmp_path / "store"))


def test_a_folder_without_logs_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no OpenScene logs"):
        prepare(tmp_path, Store(tmp_path / "store"))
    with pytest.raises(DataError, match="does not exist"):
        prepare(tmp_path / "nowhere", Store(tmp_path / "store"))
