"""``drive score`` from outside: what goes in, what comes out under which names, and what it says about bad input."""

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.cli import main
from evaluation.metrics.epdms import PARTS, combine
from tests.conformance.test_navsim_submission import Trajectory, submission, write
from tests.scenarios.openscene_made import SPEED, TOKENS, write_data

DATA = Path(__file__).resolve().parents[1] / "data"
NAVSIM, NUPLAN = DATA / "navsim", DATA / "nuplan"
RED = "syn_x_red__E_cv"
Case = dict[str, Any]
Capsys = pytest.CaptureFixture[str]


def lines(path: Path) -> Iterator[Case]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from map(json.loads, file)


def read_maps(path: Path) -> Case:
    with gzip.open(path, "rt") as file:
        return dict(json.load(file))


def put(path: Path, content: list[Any] | Case) -> Path:
    """JSON lines, or one object; packed if the name says so."""
    text = "".join(json.dumps(item) + "\n" for item in content) if isinstance(content, list) else json.dumps(content)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def drive_score(capsys: Capsys, kind: str, cases: Path, out: Path, *options: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command in this process."""
    code = main(["score", "--format", kind, "--cases", str(cases), "--out", str(out), *map(str, options)])
    return code, *capsys.readouterr()


def scored(capsys: Capsys, kind: str, cases: Path, out: Path, *options: str | Path) -> list[Case]:
    code, said, err = drive_score(capsys, kind, cases, out, *options)
    assert (code, err) == (0, "")
    assert str(out) in said
    return list(lines(out))


# --- NAVSIM's cases


def test_navsim_cases_have_the_records_and_values_of_their_expected(tmp_path: Path, capsys: Capsys) -> None:
    cases = list(islice(lines(NAVSIM / "synthetic.jsonl.gz"), 0, None, 9))
    records = scored(
        capsys,
        "conformance",
        put(tmp_path / "cases.jsonl.gz", cases),
        tmp_path / "new" / "out.jsonl.gz",
        *("--maps", NAVSIM / "synthetic_maps.json.gz"),
    )
    assert [record["id"] for record in records] == [case["id"] for case in cases]
    agreed = 0
    for case, record in zip(cases, records, strict=True):
        expected = case["expected"]
        for name in ("plan", "filtered", "extended_comfort", "epdms", "epdms_no_ec", "pdms_v1", "states"):
            assert name in record
        assert set(record) - {"id"} <= set(expected)
        for name in ("plan", "filtered", "extended_comfort", "pdms_v1"):
            assert set(record[name]) - {"comfort_order"} <= set(expected[name]), name
        assert set(PARTS[:-1]) <= set(record["filtered"]) & set(record["plan"])
        assert {"pdm_score_no_ec", "progress_raw_m", "first_at_fault_step"} <= set(record["plan"])
        assert np.abs(np.subtract(record["states"], expected["states"])).max() < 1e-4
        if not expected["axis"]["near"]:
            agreed += 1
            for name in ("epdms", "epdms_no_ec"):
                assert record[name] == pytest.approx(expected[name], abs=1e-6), case["id"]
            assert record["pdms_v1"]["score"] == pytest.approx(expected["pdms_v1"]["score"], abs=1e-6)
            assert record["extended_comfort"]["value"] == expected["extended_comfort"]["value"]
    assert agreed > 25


def test_a_case_needs_neither_a_previous_plan_nor_a_human(tmp_path: Path, capsys: Capsys) -> None:
    whole = next(lines(NAVSIM / "synthetic.jsonl.gz"))
    first, synthetic = {**whole, "id": "first"}, {**whole, "id": "synthetic", "human_future": None}
    del first["prev"]
    both = {**synthetic, "id": "both", "prev": None}
    cases = put(tmp_path / "cases.jsonl", [whole, first, synthetic, both])
    maps = put(tmp_path / "maps.json", read_maps(NAVSIM / "synthetic_maps.json.gz"))
    records = scored(capsys, "conformance", cases, tmp_path / "out.jsonl", "--maps", maps)
    expected = whole["expected"]
    for record in records:
        assert record["epdms_no_ec"] == pytest.approx(expected["epdms_no_ec"], abs=1e-6)
    for record in (records[1], records[3]):
        assert record["extended_comfort"] is None
        assert record["epdms"] == record["epdms_no_ec"]
    for record in records[2:]:
        assert record["human"] is None
        assert record["filtered"] == {name: record["plan"][name] for name in record["filtered"]}
    assert records[2]["epdms"] == pytest.approx(expected["epdms_unfiltered"], abs=1e-6)


# --- nuPlan's cases


def test_nuplan_cases_have_the_records_and_values_of_their_expected(tmp_path: Path, capsys: Capsys) -> None:
    given = list(islice(lines(NUPLAN / "synthetic.jsonl.gz"), 0, None, 16))
    driven = list(islice(lines(NUPLAN / "closed_loop.jsonl.gz"), 0, None, 11))
    records = scored(
        capsys,
        "nuplan-conformance",
        put(tmp_path / "cases.jsonl", given + driven),
        tmp_path / "out.jsonl",
        *("--maps", NUPLAN / "maps.json.gz"),
    )
    assert [record["id"] for record in records] == [case["id"] for case in given + driven]
    for case, record in zip(given, records, strict=False):
        check_nuplan(record, case["expected"])
        assert "ego" not in record
    for case, record in zip(driven, records[len(given) :], strict=True):
        assert set(record) == {"id", "nonreactive", "reactive"}
        for mode in ("nonreactive", "reactive"):
            check_nuplan(record[mode], case["expected"][mode])
            assert np.abs(np.subtract(record[mode]["ego"], case["expected"][mode]["ego"])).max() < 1e-5


def check_nuplan(record: Case, expected: Case) -> None:
    assert set(record) - {"id"} <= set(expected)
    assert record["scores"] == pytest.approx(expected["scores"], abs=1e-8)
    assert record["score"] == pytest.approx(expected["score"], abs=1e-8)


# --- submissions


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a submission: per seed a mapping from token to speed [m/s]."""

    def written(*seeds: dict[str, float]) -> Path:
        poses = np.zeros((8, 3), np.float32)
        poses[:, 0] = 0.5 * np.arange(1, 9)
        stage = [{token: Trajectory(poses * np.float32(speed)) for token, speed in seed.items()} for seed in seeds]
        return write(tmp_path / "submission.pkl", submission(stage), monkeypatch)

    return written


def test_a_submission_ends_with_navsims_average(tmp_path: Path, capsys: Capsys, plans: Callable[..., Path]) -> None:
    data = write_data(tmp_path / "data")
    seed = dict(zip(TOKENS[3:6], (SPEED, SPEED, 0.0), strict=True))
    records = scored(capsys, "navsim-submission", plans(seed), tmp_path / "out.jsonl", "--data", data)
    *frames, average = records
    assert [(frame["seed"], frame["token"]) for frame in frames] == [(0, token) for token in seed]
    assert [set(record) for record in records] == [{"seed", "token", *PARTS, "score"}] * 4
    assert (average["token"], average["seed"]) == ("average_all_frames", None)
    assert [frame[PARTS[-1]] for frame in frames] == [None, 1.0, 0.0]
    assert average[PARTS[-1]] == 0.5, "the frame without a partner does not count"
    for name in (*PARTS[:-1], "score"):
        assert average[name] == pytest.approx(np.mean([frame[name] for frame in frames])), name
    for frame in frames:
        assert frame["score"] == pytest.approx(combine(frame, frame[PARTS[-1]]))


def test_a_submission_of_one_frame_has_no_extended_comfort(
    tmp_path: Path, capsys: Capsys, plans: Callable[..., Path]
) -> None:
    path, out = plans({TOKENS[3]: SPEED}), tmp_path / "out.jsonl.gz"
    data = write_data(tmp_path / "data")
    frame, average = scored(capsys, "navsim-submission", path, out, "--data", data, "--maps", data / "maps")
    assert average == {**frame, "seed": None, "token": "average_all_frames"}
    assert average[PARTS[-1]] is None


def test_a_submission_of_two_seeds_is_averaged_over_both(
    tmp_path: Path, capsys: Capsys, plans: Callable[..., Path]
) -> None:
    path = plans({TOKENS[3]: SPEED}, {TOKENS[3]: 0.0})
    data = write_data(tmp_path / "data")
    first, second, average = scored(capsys, "navsim-submission", path, tmp_path / "out.jsonl", "--data", data)
    assert (first["seed"], second["seed"]) == (0, 1)
    assert average["score"] == pytest.approx((first["score"] + second["score"]) / 2.0)


@pytest.mark.parametrize(
    ("seed", "options", "words"),
    [
        ({TOKENS[3]: SPEED}, (), ("submission.pkl", "say with --data")),
        ({TOKENS[3]: SPEED}, ("--data", "{tmp}/nowhere"), ("nowhere",)),
        ({TOKENS[3]: SPEED, "feedfeedfeedfeed": SPEED}, ("--data", "{tmp}/data"), ("'feedfeedfeedfeed'",)),
        ({TOKENS[3]: np.nan}, ("--data", "{tmp}/data"), (repr(TOKENS[3]), "is not finite")),
        ({}, ("--data", "{tmp}/data"), ("submission.pkl", "first_stage_predictions is empty")),
        (None, ("--data", "{tmp}/data"), ("submission.pkl",)),
        (b"no pickle", ("--data", "{tmp}/data"), ("submission.pkl",)),
    ],
)
def test_a_bad_submission_is_refused_in_a_sentence(
    tmp_path: Path, capsys: Capsys, plans: Callable[..., Path], seed: Any, options: tuple[str, ...], words: list[str]
) -> None:
    write_data(tmp_path / "data")
    path = plans(seed) if isinstance(seed, dict) else tmp_path / "submission.pkl"
    if isinstance(seed, bytes):
        path.write_bytes(seed)
    given = [option.format(tmp=tmp_path) for option in options]
    refused(drive_score(capsys, "navsim-submission", path, tmp_path / "out" / "o.jsonl", *given), *words)
    assert not list(tmp_path.glob("out/*"))


# --- bad input


def refused(result: tuple[int, str, str], *words: str) -> None:
    """Exit code 2 and one sentence on stderr that has these words."""
    code, out, err = result
    assert code == 2, err
    assert out == ""
    assert err.startswith("drive: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    assert len(err) < 500
    for word in words:
        assert word in err, err


class Removed:
    """Stands for a field that is taken out."""


def changed(content: Case, path: tuple[Any, ...], value: Any) -> Case:
    content = copy.deepcopy(content)
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    if value is Removed:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return content


def refuses(
    tmp_path: Path, capsys: Capsys, kind: str, good: Case, maps: Case, where: str, path: tuple[Any, ...], value: Any
) -> str:
    """What the command says of one change, in the middle of good cases or in the map; nothing is written."""
    case = changed(good, path, value) if where == "case" else good
    bad = {**case, "id": "the-bad-one"}
    world = maps if where == "case" else changed(maps, (good["map_id"], *path), value)
    out = tmp_path / "out"
    cases = put(tmp_path / "cases.jsonl", [good, bad, good] if where == "case" else [bad])
    result = drive_score(capsys, kind, cases, out / "o.jsonl", "--maps", put(tmp_path / "maps.json", world))
    refused(result, "the-bad-one")
    assert not list(out.glob("*"))
    return result[2]


NAN, INF = float("nan"), float("inf")
TRIANGLE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]

NAVSIM_DEFECTS: list[tuple[str, tuple[Any, ...], Any, str]] = [
    *(("case", (name,), Removed, f"no field {name!r}") for name in ("plan", "ego", "map_id", "tracks", "red_lights")),
    *(("case", (name,), Removed, f"no field {name!r}") for name in ("t0_us", "reference", "past_human", "drivable")),
    *(("case", (name,), None, name) for name in ("plan", "ego", "t0_us", "tracks", "centerline", "route_lane_ids")),
    ("case", ("plan",), [[1.0, 0.0, 0.0]] * 7, "plan has shape (7, 3), expected 8 x 3"),
    ("case", ("plan",), [[1.0, 0.0]] * 8, "plan has shape (8, 2)"),
    ("case", ("plan", 3), [1.0, 0.0], "plan is ragged"),
    ("case", ("plan", 3, 1), NAN, "plan holds a number that is not finite"),
    ("case", ("plan", 3, 1), None, "plan is ragged or no numbers"),
    ("case", ("plan", 3, 1), "1.0", "plan is ragged or no numbers"),
    ("case", ("plan", 3, 1), 1e300, "plan holds 1e+300, expected numbers up to 1e+09"),
    ("case", ("plan", 3, 1), 10**400, "plan is ragged or no numbers"),
    ("case", ("ego", 4), INF, "ego holds a number that is not finite"),
    ("case", ("ego",), [0.0] * 9, "ego has shape (9,), expected 10"),
    ("case", ("ego",), {"x": 0.0}, "ego is ragged or no numbers"),
    ("case", ("past_human",), [[0.0] * 7] * 3, "past_human has shape (3, 7), expected 4 x 7"),
    ("case", ("reference",), [[0.0] * 3] * 40, "reference has 40 rows, expected at least 41"),
    ("case", ("centerline",), [[0.0, 0.0, 0.0]], "centerline has 1 rows, expected at least 2"),
    ("case", ("human_future",), [[0.0] * 3] * 5, "human_future has shape (5, 3)"),
    ("case", ("t0_us",), 1.5e15, "t0_us is 1500000000000000.0, expected a whole number"),
    ("case", ("t0_us",), 10**30, "t0_us is 1000000000000000000000000000000, expected a number up to"),
    ("case", ("prev",), 5, "prev is 5, expected an object"),
    ("case", ("prev", "plan"), Removed, "prev has no field 'plan'"),
    ("case", ("prev", "ego"), [0.0] * 10, "prev: ego has shape (10,), expected 7"),
    ("case", ("map_id",), "atlantis", "map_id is 'atlantis', which is not among the maps"),
    ("case", ("map_id",), ["a"], "map_id is ['a'], which is not among the maps"),
    ("case", ("drivable", 0), ["W", "LANE", "x"], "drivable is"),
    ("case", ("drivable", 2, 1), "RUNWAY", "drivable[2] has layer 'RUNWAY', expected one of ROADBLOCK"),
    ("case", ("drivable", 2, 0), "nowhere", "drivable[2] names polygon 'nowhere'"),
    ("case", ("route_lane_ids",), [1, 2], "route_lane_ids is [1, 2], expected a list of texts"),
    ("case", ("tracks",), {}, "tracks is {}, expected a list"),
    ("case", ("tracks", 0), 7, "tracks[0] is 7, expected an object"),
    ("case", ("tracks", 0, "type"), "ufo", "tracks[0]: type is 'ufo', expected one of vehicle"),
    ("case", ("tracks", 0, "type"), [], "tracks[0]: type is []"),
    ("case", ("tracks", 0, "states"), [None] * 40, "tracks[0]: states has 40 samples, expected 41"),
    ("case", ("tracks", 0, "states"), None, "tracks[0]: states has no samples"),
    ("case", ("tracks", 0, "states", 7), [1.0, 2.0], "tracks[0]: states is ragged"),
    ("case", ("tracks", 0, "states", 7), [1.0, 2.0, NAN, 0.0, 0.0], "tracks[0]: states holds a number that is not"),
    ("case", ("tracks", 0, "length"), -4.5, "tracks[0]: length is -4.5, expected a positive number"),
    ("case", ("tracks", 0, "width"), 0.0, "tracks[0]: width is 0.0, expected a positive number"),
    ("case", ("tracks", 0, "width"), Removed, "tracks[0] has no field 'width'"),
    ("case", ("red_lights", 5), ["red_light_nowhere"], "red_lights names 'red_light_nowhere'"),
    ("case", ("red_lights", 5), ["green"], "red_lights names 'green'"),
    ("case", ("red_lights",), [[]] * 40, "red_lights is"),
    ("map", ("lanes",), Removed, "has no field 'lanes'"),
    ("map", ("roadblocks",), 3, "roadblocks is 3, expected a list"),
    ("map", ("lanes", 0, "id"), Removed, "lanes[0] has no field 'id'"),
    ("map", ("lanes", 0, "polygon"), TRIANGLE[:2], "lanes[0]: polygon has 2 rows, expected at least 3"),
    ("map", ("areas", 0, "polygon", 1, 0), NAN, "areas[0]: polygon holds a number that is not finite"),
    ("map", ("lanes", 0, "polygon"), [TRIANGLE], "lanes[0]: polygon has shape (1, 3, 2)"),
]


@pytest.fixture(scope="module")
def navsim_good() -> tuple[Case, Case]:
    """A case with a red light and a track, and its map."""
    case = next(case for case in lines(NAVSIM / "synthetic.jsonl.gz") if case["id"] == RED)
    del case["source"], case["expected"]
    track = {"token": "t", "type": "vehicle", "length": 4.5, "width": 1.9, "height": 1.6}
    case["tracks"] = [{**track, "states": [None] * 3 + [[9e3, 0.0, 0.0, 1.0, 0.0]] * 38}]
    return case, {case["map_id"]: read_maps(NAVSIM / "synthetic_maps.json.gz")[case["map_id"]]}


@pytest.mark.parametrize(("where", "path", "value", "words"), NAVSIM_DEFECTS)
def test_a_bad_navsim_case_is_refused_naming_case_and_field(
    tmp_path: Path,
    capsys: Capsys,
    navsim_good: tuple[Case, Case],
    where: str,
    path: tuple[Any, ...],
    value: Any,
    words: str,
) -> None:
    assert words in refuses(tmp_path, capsys, "conformance", *navsim_good, where, path, value)


NUPLAN_DEFECTS: list[tuple[str, tuple[Any, ...], Any, str]] = [
    *(("case", (name,), Removed, f"no field {name!r}") for name in ("ego0", "map_id", "time_us", "expert", "tracks")),
    *(("case", (name,), Removed, f"no field {name!r}") for name in ("reference", "plan_steps", "lights")),
    ("case", ("time_us", 5), 0, "time_us does not increase"),
    ("case", ("time_us", 5), "now", "time_us is ragged or no numbers"),
    ("case", ("time_us",), [1, 2, 3], "time_us has 3 rows, expected at least"),
    ("case", ("expert", 0), [0.0, 0.0], "expert is ragged"),
    ("case", ("expert",), [[0.0] * 3] * 4, "expert has shape (4, 3)"),
    ("case", ("ego0",), [0.0] * 9, "ego0 has shape (9,), expected 10"),
    ("case", ("ego0", 3), NAN, "ego0 holds a number that is not finite"),
    ("case", ("ego",), [[0.0] * 10], "ego has shape (1, 10)"),
    ("case", ("reference",), [], "reference has shape (0,), expected N x 3"),
    ("case", ("plan_steps",), 0, "plan_steps is 0, expected 1 to"),
    ("case", ("plan_steps",), 10**12, "plan_steps is 1000000000000, expected 1 to"),
    ("case", ("plan_steps",), 2.5, "plan_steps is 2.5, expected a whole number"),
    ("case", ("map_id",), "atlantis", "map_id is 'atlantis', which is not among the maps"),
    ("case", ("map_id",), {}, "map_id is {}, which is not among the maps"),
    ("case", ("lights",), [[]], "lights is not a list of"),
    ("case", ("lights", 3), [["nowhere", "RED"]], "lights[3] holds ['nowhere', 'RED']"),
    ("case", ("lights", 3), 4, "lights is 4, expected a list of lists of texts"),
    ("case", ("tracks", 0, "type"), "ufo", "tracks[0]: type is 'ufo'"),
    ("case", ("tracks", 0, "token"), 5, "tracks[0]: token is 5, expected a text"),
    ("case", ("tracks", 0, "length"), -1.0, "tracks[0]: length is -1.0, expected a positive number"),
    ("case", ("tracks", 0, "states"), [None] * 5, "tracks[0]: states has 5 samples"),
    ("case", ("tracks", 0, "states", 2), [0.0] * 4, "tracks[0]: states"),
    ("map", ("lanes",), Removed, "has no field 'lanes'"),
    ("map", ("lanes", 0, "polygon"), TRIANGLE[:2], "lanes[0]: polygon has 2 rows, expected at least 3"),
    ("map", ("lanes", 0, "baseline"), TRIANGLE[:1], "lanes[0]: baseline has 1 rows, expected at least 2"),
    ("map", ("lanes", 0, "speed_limit"), -3.0, "lanes[0]: speed_limit is -3.0"),
    ("map", ("lanes", 0, "roadblock"), "nowhere", "lanes[0]: roadblock is 'nowhere'"),
    ("map", ("connectors", 0, "from"), "nowhere", "connectors[0]: from is 'nowhere'"),
    ("map", ("connectors", 0, "stop_lines"), "nowhere", "connectors[0]: stop_lines names 'nowhere'"),
]


@pytest.fixture(scope="module")
def nuplan_good() -> tuple[Case, Case]:
    """The beginning of a closed-loop case with lights and tracks, and its map."""
    case = next(case for case in lines(NUPLAN / "closed_loop.jsonl.gz") if case["lights"] and case["tracks"])
    del case["expected"]
    for name in ("time_us", "expert", "lights"):
        case[name] = case[name][:21]
    for track in case["tracks"]:
        track["states"] = track["states"][:21]
    return case, {case["map_id"]: read_maps(NUPLAN / "maps.json.gz")[case["map_id"]]}


@pytest.mark.parametrize(("where", "path", "value", "words"), NUPLAN_DEFECTS)
def test_a_bad_nuplan_case_is_refused_naming_case_and_field(
    tmp_path: Path,
    capsys: Capsys,
    nuplan_good: tuple[Case, Case],
    where: str,
    path: tuple[Any, ...],
    value: Any,
    words: str,
) -> None:
    assert words in refuses(tmp_path, capsys, "nuplan-conformance", *nuplan_good, where, path, value)


@pytest.mark.parametrize("kind", ["conformance", "nuplan-conformance"])
def test_without_maps_it_says_so(tmp_path: Path, capsys: Capsys, kind: str) -> None:
    cases = NAVSIM / "synthetic.jsonl.gz"
    refused(drive_score(capsys, kind, cases, tmp_path / "o.jsonl"), str(cases), "say with --maps in which file")
    assert not list(tmp_path.iterdir())


PACKED = gzip.compress(json.dumps({"id": "a", "filler": list(range(2000))}).encode())
DEEP = b"[" * 100_000
BAD_FILES: list[tuple[str, bytes | None, str]] = [
    ("x.jsonl", None, "cannot be read: No such file"),
    ("x.jsonl.gz", None, "cannot be read: No such file"),
    ("x.jsonl.gz", b'{"id": "a"}', "cannot be read: Not a gzipped file"),
    ("x.jsonl.gz", PACKED[: len(PACKED) // 2], "cannot be read: Compressed file ended"),
    ("x.jsonl.gz", PACKED[:100] + bytes(50) + PACKED[150:], "cannot be read: Error"),
    ("x.jsonl.gz", PACKED[:-8] + bytes(8), "cannot be read: CRC check failed"),
    ("x.jsonl", PACKED, "cannot be read: 'utf-8' codec"),
    ("x.jsonl", b"oops\n", "is not JSON: "),
    ("x.jsonl", DEEP, "is nested too deeply"),
    ("x.jsonl", b'{"id": 1' + b"1" * 5000 + b"}", "is not JSON: "),
]
BAD_CASES: list[tuple[str, bytes | None, str]] = [
    ("x.jsonl", b"", "holds no case"),
    ("x.jsonl", b"\n \n", "holds no case"),
    ("x.jsonl.gz", b"", "holds no case"),
    ("x.jsonl", b"\n[1]\n", "line 2 holds a list, expected an object"),
    ("x.jsonl", b"{}\n", "line 1: id is None, expected a text"),
    ("x.jsonl", b'{"id": ["a"]}\n', "line 1: id is ['a'], expected a text"),
    ("x.jsonl", b'{"id": "a"}\n', "case 'a' has no field 'map_id'"),
]
BAD_MAPS: list[tuple[str, bytes | None, str]] = [
    ("x.json", b"", "is not JSON: "),
    ("x.json", b"[1]", "holds a list, expected an object of maps"),
    ("x.json", b"{}", "which is not among the maps: none"),
]


@pytest.mark.parametrize(("name", "content", "words"), BAD_FILES + BAD_CASES)
def test_a_bad_file_of_cases_is_refused(
    tmp_path: Path, capsys: Capsys, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    maps = put(tmp_path / "maps.json", {})
    result = drive_score(capsys, "conformance", path, tmp_path / "out" / "o.jsonl.gz", "--maps", maps)
    refused(result, words, *([] if "case 'a'" in words else [str(path)]))
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(("name", "content", "words"), BAD_FILES + BAD_MAPS)
def test_a_bad_file_of_maps_is_refused(
    tmp_path: Path,
    capsys: Capsys,
    navsim_good: tuple[Case, Case],
    name: str,
    content: bytes | None,
    words: str,
) -> None:
    maps = tmp_path / name
    if content is not None:
        maps.write_bytes(content)
    cases = put(tmp_path / "cases.jsonl", [navsim_good[0]])
    result = drive_score(capsys, "conformance", cases, tmp_path / "out" / "o.jsonl", "--maps", maps)
    refused(result, words, RED if "among" in words else str(maps))
    assert not list(tmp_path.glob("out/*"))


def test_a_folder_instead_of_a_file_is_refused(tmp_path: Path, capsys: Capsys) -> None:
    cases, out = put(tmp_path / "cases.jsonl", [{"id": "a"}]), tmp_path / "o.jsonl"
    refused(drive_score(capsys, "conformance", tmp_path, out, "--maps", cases), "Is a directory")
    refused(drive_score(capsys, "conformance", cases, out, "--maps", tmp_path), "Is a directory")


@pytest.mark.parametrize("name", ["cases.jsonl/o.jsonl", "cases.jsonl/deeper/o.jsonl.gz", "folder"])
def test_a_place_that_cannot_be_written_is_refused_and_left_as_it_is(
    tmp_path: Path, capsys: Capsys, navsim_good: tuple[Case, Case], name: str
) -> None:
    case, world = navsim_good
    cases, maps = put(tmp_path / "cases.jsonl", [case]), put(tmp_path / "maps.json", world)
    (tmp_path / "folder").mkdir()
    before = cases.read_bytes()
    result = drive_score(capsys, "conformance", cases, tmp_path / name, "--maps", maps)
    refused(result, str(tmp_path / name), "cannot be written")
    assert {path.name for path in tmp_path.iterdir()} == {"cases.jsonl", "maps.json", "folder"}
    assert cases.read_bytes() == before


def test_a_failed_run_leaves_the_results_of_the_one_before(
    tmp_path: Path, capsys: Capsys, navsim_good: tuple[Case, Case]
) -> None:
    case, world = navsim_good
    maps, out = put(tmp_path / "maps.json", world), tmp_path / "o.jsonl"
    (record,) = scored(capsys, "conformance", put(tmp_path / "cases.jsonl", [case]), out, "--maps", maps)
    assert record["id"] == RED
    before = out.read_bytes()
    bad = put(tmp_path / "bad.jsonl", [case, {**case, "id": "the-bad-one", "plan": []}])
    refused(drive_score(capsys, "conformance", bad, out, "--maps", maps), "the-bad-one", "plan")
    assert out.read_bytes() == before
    assert not list(tmp_path.glob("*.part"))
