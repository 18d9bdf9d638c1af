"""The command line from outside: what people and tests type, what comes out, and with which exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import evaluation.commands.runs as runs
from evaluation.cli import COMMANDS, main
from evaluation.results import RunFolder
from tests.evaluation.runs import ODD, comparable

VERBS = [*COMMANDS, "scenarios list", "scenarios doctor", "scenarios show", "scenarios sheet", "scenarios export"]
VERBS += ["scenarios curate", "scenarios audit", "planners list", "planners new", "planners check"]


def drive(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "evaluation.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """The command in this process: exit code, stdout, stderr."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as ended:
        code = int(ended.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


# --- help


def test_help_imports_nothing_heavy() -> None:
    script = """
import sys
from evaluation.cli import main
for verb in ([], ["eval"], ["scenarios", "show"]):
    try:
        main([*verb, "--help"])
    except SystemExit as exit:
        assert not exit.code, exit.code
heavy = {"torch", "numba", "nuscenes", "matplotlib", "pandas", "numpy", "scipy", "shapely", "duckdb", "pydantic"}
print("HEAVY", sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, *verb.split(), "--help")
    assert code == 0 and out.startswith(f"usage: drive {verb} ")


# --- a run from beginning to end


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("demo") / "run"
    return out, drive("demo", "--out", out, "--workers", "2")


def test_the_demo_ends_with_a_ranking_a_page_a_failure_in_words_and_commands(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, done = demo
    assert done.returncode == 0, done.stderr
    for planner in runs.DEMO_PLANNERS:
        assert planner in done.stdout
    assert (out / "report.html").is_file() and f"report: {out / 'report.html'}" in done.stdout
    assert "loses most" in done.stdout and "\n  drive explain " in done.stdout
    assert "80 scenes" in done.stderr and "plan " in done.stderr and "simulate " in done.stderr
    assert RunFolder(out).rows()["status"].eq("ok").all()


def test_the_machine_readable_leaderboard_keeps_its_contract(
    demo: tuple[Path, subprocess.CompletedProcess[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    code, text, _ = told(capsys, "leaderboard", demo[0], "--format", "json")
    planners = json.loads(text)["planners"]
    assert code == 0 and {item["planner"] for item in planners} == set(runs.DEMO_PLANNERS)
    scores = [item["score"]["mean"] for item in planners]
    assert scores == sorted(scores, reverse=True)
    for item in planners:
        assert item["units"] == 16 and item["failed"] == 0
        assert item["privileged"] == (item["planner"] == "log_replay")
        for name in ("collision_at_fault", "off_road", "progress", "comfort", "ttc_ok"):
            assert set(item["metrics"][name]) >= {"mean", "low", "high", "valid"}


@pytest.mark.parametrize("form", ["table", "csv", "markdown"])
def test_leaderboards_print_in_every_format(
    demo: tuple[Path, subprocess.CompletedProcess[str]], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = told(capsys, "leaderboard", demo[0], "--format", form, "--by", "family")
    assert code == 0 and "lane_follower" in out and "F18" in out


def test_a_score_is_explained_term_by_term(
    demo: tuple[Path, subprocess.CompletedProcess[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = told(capsys, "explain", demo[0], "--scenario", "F01-000001", "--planner", "idm")
    assert code == 0 and "progress" in out and "comfort" in out


def test_a_run_is_verified_and_a_forged_rollout_is_reported(
    demo: tuple[Path, subprocess.CompletedProcess[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = told(capsys, "verify", demo[0], "--workers", "2")
    assert code == 0 and "80 units, 80 simulated and scored again, no difference" in out
    path = next((demo[0] / "rollouts").glob("idm--F18-000004--*"))
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    code, out, _ = told(capsys, "verify", demo[0], "--workers", "2")
    path.write_bytes(content)
    assert code == 1 and "idm on F18-000004 (seed 0): rollout_sha256" in out


def test_the_same_command_again_finds_everything_done(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    before = {path.name for path in (demo[0] / "results").iterdir()}
    again = drive("demo", "--out", demo[0])
    assert again.returncode == 0 and "80 of 80 scenes are done already" in again.stderr
    assert {path.name for path in (demo[0] / "results").iterdir()} == before


def test_failed_units_give_exit_code_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--planner", f"{ODD}:Fails[how=reset]", "--planner", "stop", "--workers", "0")
    code, out, err = told(capsys, "eval", "--suite", "gen-small", *arguments, "--out", tmp_path / "run")
    assert code == 1 and "6 failed" in err
    code, out, _ = told(capsys, "leaderboard", tmp_path / "run", "--format", "json")
    failed = {item["planner"]: item["failed"] for item in json.loads(out)["planners"]}
    assert code == 0 and failed == {f"{ODD}:Fails[how=reset]": 6, "stop": 0}


def test_a_planner_in_the_current_folder_is_driven_by_workers(tmp_path: Path) -> None:
    assert drive("planners", "new", "my_planner", cwd=tmp_path).returncode == 0
    arguments = ("--suite", "gen-small", "--planner", "my_planner:MyPlanner", "--out", "run", "--workers", "1")
    done = drive("eval", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(RunFolder(tmp_path / "run").rows()) == 6


QUERIES = """
import signal, sys, duckdb, evaluation.cli, evaluation.suite
signal.signal(signal.SIGINT, signal.default_int_handler)
def queries(*arguments, **options):
    print("asking", flush=True)
    while True:  # short ones: DuckDB looks for the signal between its tasks only
        duckdb.sql("select sum(range % 7) from range(3000000)").fetchall()
evaluation.suite.suite_names = queries
sys.exit(evaluation.cli.main(["scenarios", "list"]))
"""


def test_ctrl_c_within_a_query_is_no_defect() -> None:
    command = [sys.executable, "-c", QUERIES]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "asking\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "stopped; what is done is kept" in err and "Traceback" not in err


def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    arguments = ["--suite", "gen-small", "--planner", f"{ODD}:Slow", "--planner", f"{ODD}:Straight"]
    command = [sys.executable, "-m", "evaluation.cli", "eval", *arguments, "--batch-size", "1", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")],
        cwd=root,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts background jobs with the signal ignored, and tests may run in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 100
    while not list((tmp_path / "run").glob("rollouts/*.safetensors")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command goes on from there" in err and "Traceback" not in err
    for out in ("run", "whole"):
        done = drive(*command[3:], "--out", tmp_path / out, cwd=root)
        assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(
        *(comparable(RunFolder(tmp_path / out)) for out in ("run", "whole")), check_exact=True
    )


# --- unusable input


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("eval --suite gen-quik --planner idm --out {tmp}/run", "did you mean 'gen-quick'?"),
        ("eval --suite gen-quick --planner idn --out {tmp}/run", "did you mean 'idm'?"),
        ("eval --suite gen-quick --planner idm[headwai=1] --out {tmp}/run", "did you mean 'headway'?"),
        ("eval --suite gen-quick --out {tmp}/run", "name at least one planner"),
        ("eval --suite nuscenes --planner idm --out {tmp}/run", "needs --data"),
        ("eval --suite nuscenes --data {tmp}/nowhere --planner idm --out {tmp}/run", "nowhere"),
        ("eval --suite gen-quick --planner stop --out {tmp}", "is not a run folder and not empty"),
        ("eval --suite gen-quick --planner stop --seeds 0 --out {tmp}/run", "seeds"),
        ("eval --suite gen-quick --planner stop --batch-size 0 --out {tmp}/run", "batch"),
        ("eval --suite gen-quick --planner stop --workers -1 --out {tmp}/run", "workers"),
        ("eval --suite gen-quick --planner stop --replan-interval 0.25 --out {tmp}/run", "replan interval is 0.25"),
        ("eval --suite gen-quick --planner stop --replan-interval 0 --out {tmp}/run", "replan interval is 0.0"),
        (
            "eval --suite gen-quick --planner stop --protocol navsim --replan-interval nan --out {tmp}/run",
            "replan interval is nan",
        ),
        ("leaderboard {tmp}/nowhere", "there is no run folder"),
        ("leaderboard", "at least one run folder"),
        ("report {tmp}", "has no manifest.json"),
        ("verify {tmp}/nowhere", "there is no run folder"),
        ("explain {tmp}/nowhere --scenario x --planner y", "there is no run folder"),
        ("scenarios list --suite nowhere.yaml", "nowhere.yaml cannot be read"),
        ("scenarios doctor {tmp}/nowhere", "nowhere"),
        ("scenarios show F01-00001 --out {tmp}/x.png", "did you mean 'F01-000001"),
        ("scenarios show F01-000001 --out {tmp}/x.svg", "x.svg: pictures are written as .png"),
        ("scenarios show F01-000001 --out {tmp}/something.txt/x.png", "something.txt: File exists"),
        ("scenarios export --scenario F01-000001 --format openscene --out {tmp}/something.txt/x", "Not a directory"),
        ("planners check idn", "did you mean 'idm'?"),
    ],
)
def test_unusable_input_is_one_sentence_and_exit_code_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, sentence: str
) -> None:
    (tmp_path / "something.txt").write_text("not ours")
    code, out, err = told(capsys, *(part.format(tmp=tmp_path) for part in arguments.split()))
    assert code == 2
    assert sentence in err and err.count("\n") == 1 and err.startswith("drive: "), err
    assert out == ""


@pytest.mark.parametrize("arguments", ["eval --traffic chaos", "eval --nonsense", "", "scenarios", "nonsense"])
def test_wrong_options_give_exit_code_two(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, *arguments.split())
    assert code == 2 and err and "Traceback" not in err


def test_a_run_with_other_settings_names_the_field(
    demo: tuple[Path, subprocess.CompletedProcess[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--suite", "gen-quick", "--planner", "idm", "--traffic", "log", "--out", demo[0])
    code, _, err = told(capsys, "eval", *arguments)
    assert code == 2 and "traffic was idm, now it is log" in err


def test_a_defect_of_ours_asks_to_be_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> int:
        raise KeyError("a bug")

    monkeypatch.setitem(COMMANDS, "selftest", broken)
    code, _, err = told(capsys, "selftest")
    assert code == 70 and "KeyError: 'a bug'" in err and "please report it" in err


def test_the_reader_of_our_output_may_leave() -> None:
    root = Path(__file__).resolve().parents[2]
    command = f"{sys.executable} -m evaluation.cli scenarios list --suite procedural:F26:5000:1 | head -1"
    done = subprocess.run(command, shell=True, cwd=root, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("scenario") and done.stderr == ""


# --- scenes and planners


def test_suites_and_scenes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "scenarios", "list")
    assert code == 0 and {"nuscenes", "gen-quick", "gen-small"} <= set(out.split())
    code, out, _ = told(capsys, "scenarios", "list", "--suite", "gen-small")
    assert code == 0 and len(out.splitlines()) == 7 and "F12-000001" in out


def test_a_scene_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, _ = told(capsys, "scenarios", "show", "F18-000004", "--out", tmp_path / "scene.png")
    assert code == 0 and (tmp_path / "scene.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = told(capsys, "scenarios", "sheet", "--suite", "gen-small", "--out", tmp_path / "sheet.png")
    assert code == 0 and "6 scenes" in out and (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_exported_scenes_are_a_data_set_that_can_be_driven(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = ("--scenario", "F01-000001", "--scenario", "F26-000004")
    code, _, _ = told(capsys, "scenarios", "export", *scenes, "--out", tmp_path / "data")
    assert code == 0
    code, _, _ = told(capsys, "scenarios", "doctor", tmp_path / "data")
    assert code == 0
    arguments = ("--suite", "nuscenes", "--data", tmp_path / "data", "--planner", "log_replay", "--workers", "0")
    assert told(capsys, "eval", *arguments, "--out", tmp_path / "run")[0] == 0
    rows = RunFolder(tmp_path / "run").rows()
    assert len(rows) == 2 and (rows["off_road"] == 0).all()


def test_planners_are_listed_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "planners", "list")
    assert code == 0 and all(planner in out for planner in runs.DEMO_PLANNERS)
    code, out, _ = told(capsys, "planners", "check", f"{ODD}:Fails[how=nan]")
    assert code == 1 and "nan" in out


# --- real drives


def test_real_drives_are_replayed_without_fault_and_verified(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planners = ("log_replay", "constant_velocity", "lane_follower", "idm")
    options = [part for planner in planners for part in ("--planner", planner)]
    data = real_data / "nuscenes-mini"
    done = drive("eval", "--suite", "nuscenes", "--data", data, *options, "--out", tmp_path / "run", "--workers", "2")
    assert done.returncode == 0, done.stderr
    rows = RunFolder(tmp_path / "run").rows().set_index("planner")
    assert len(rows) == 32 and set(rows["traffic"]) == {"log"} and set(rows["vehicle"]) == {"zoe"}
    replay = rows.loc["log_replay"]
    assert (replay["collision_at_fault"] == 0).all() and (replay["off_road"] == 0).all()
    blind = rows.loc["constant_velocity"]
    assert ((blind["collision_any"] == 1) | (blind["off_road"] == 1)).sum() >= 3
    assert rows["red_light"].isna().all() and rows["speed_excess"].isna().all()
    code, out, _ = told(capsys, "verify", tmp_path / "run")
    assert code == 0 and "32 units, 32 simulated and scored again, no difference" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gen-vall",), "did you mean 'gen-val'"),
        (("gen-val", "--count", "0"), "--count is 0, expected at least 1"),
        (("gen-quick", "--count", "3"), "has one scene of each of its families: leave out --count"),
    ],
)
def test_a_suite_that_cannot_be_curated_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = told(capsys, "scenarios", "curate", *arguments, "--out", tmp_path)
    assert code == 2 and said in err and not list(tmp_path.iterdir())


def test_an_unknown_suite_beside_is_told_before_anything_is_driven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = told(capsys, "scenarios", "audit", "gen-quick", "--beside", "gen-tess", "--out", tmp_path)
    assert code == 2 and "gen-tess" in err and not list(tmp_path.iterdir())


def test_an_audit_prints_its_page_draws_and_exits_by_its_bars(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suites = ("procedural:F18:2:9", "--beside", "procedural:F18:2:10")
    code, out, _ = told(
        capsys, "scenarios", "audit", *suites, "--out", tmp_path, "--no-log", "--format", "json", "--workers", 0
    )
    page = {section["title"]: section for section in json.loads(out)}
    figures = {figure["name"]: figure for section in page.values() for figure in section["figures"]}
    assert page["Discrimination, reactive traffic"]["table"][0]["n"] == "2"
    together = "Discrimination, reactive traffic, procedural:F18:2:9 and procedural:F18:2:10 together"
    assert page[together]["table"][0]["n"] == "4"
    assert figures["built again: equal to the last bit"]["passed"]
    assert code == int(any(figure["passed"] is False for figure in figures.values()))
    assert (tmp_path / "procedural-F18-2-9" / "maps.png").stat().st_size > 10_000
