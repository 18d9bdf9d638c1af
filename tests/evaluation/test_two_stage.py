"""``--protocol two-stage``: starts, scores, and runs from end to end."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drive.branch import Branch, Trunk
from drive.errors import RunError
from drive.scene import DT, Scenario
from drive.vehicle import PACIFICA, Ego
from evaluation.cli import main
from evaluation.correlation import correlations
from evaluation.engines import InProcess
from evaluation.explain import explain
from evaluation.leaderboard import build, gather, render
from evaluation.metrics.epdms import EXTENDED_COMFORT, PARTS
from evaluation.metrics.navsim_tables import Group as MappingRow
from evaluation.metrics.navsim_tables import TokenScore, two_stage_table
from evaluation.metrics.two_stage import (
    CLOSED_LOOP,
    EXACT,
    FIRST,
    SECOND,
    coverage_weights,
    read_records,
    recompute_two_stage,
    record_of,
    summarize,
)
from evaluation.navsim_results import write_two_stage
from evaluation.results import RunFolder
from evaluation.runner import evaluate
from evaluation.starts.certify import STAGE, comfortable
from evaluation.starts.derive import Starts, derive, first_starts, staged, starts_of, trunk_scenario
from evaluation.starts.groups import groups_of
from evaluation.starts.way import quintic
from evaluation.suite import Suite, load_scene, resolve_suite
from evaluation.verify import verify
from planners.registry import resolve
from scenarios.openscene import prepare
from scenarios.openscene.windows import SceneFilter
from scenarios.store import Store
from tests.scenes import moving, straight_scene

SCENES = ("F01-000001", "F18-000004")
PLANNERS = ("log_replay", "stop")
CAR, SIZE = 0, (4.6, 1.9)
coordinates = st.floats(-50.0, 50.0)


@pytest.fixture(scope="module")
def suite() -> Suite:
    quick = resolve_suite("gen-quick")
    scenes = tuple(scene for scene in quick.scenes if scene.id in SCENES)
    return Suite("two", quick.source, None, scenes, "idm")


@pytest.fixture(scope="module")
def scene(suite: Suite) -> Scenario:
    return load_scene(suite.scenes[0], Store())


@pytest.fixture(scope="module")
def starts(scene: Scenario) -> Starts:
    return starts_of(scene, Store())


@pytest.fixture(scope="module")
def run(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return drive(suite, tmp_path_factory.mktemp("two-stage") / "run")


def drive(suite: Suite, out: Path, **options: object) -> RunFolder:
    specs = [resolve(name) for name in options.pop("planners", PLANNERS)]  # type: ignore[attr-defined]
    options = {"engine": InProcess()} | options
    return evaluate(suite, specs, out, protocol_name="two-stage", **options)  # type: ignore[arg-type]


def stable(run: RunFolder) -> pd.DataFrame:
    rows = run.rows()
    return rows[[name for name in rows.columns if not name.startswith("time.")]]


# --- the arithmetic


def made(scores: tuple[float, ...], places: tuple[float, ...], endpoint: float) -> list[dict[str, object]]:
    """Records of one group: the first stage is perfect, second stages make the progress ``scores`` at ``places``."""

    def record(stage: str, index: int, pair: str, progress: float, x: float) -> dict[str, object]:
        parts: dict[str, float | None] = dict.fromkeys(PARTS, 1.0) | {"ego_progress": progress}
        return {**record_of(stage, 0, index, pair, 0, parts), "start": [x, 0.0], "endpoint": [endpoint, 0.0]}

    found = []
    for pair in ("before", "now"):
        found.append(record(FIRST, 0, pair, 1.0, 0.0))
        found += [record(SECOND, n, pair, p, x) for n, (p, x) in enumerate(zip(scores, places, strict=True))]
        found.append(record(EXACT, 0, pair, 1.0, 0.0))
    return [*found, record(CLOSED_LOOP, 0, "now", 1.0, 0.0)]


def test_the_score_is_that_of_navsims_two_stage_table() -> None:
    records = made((1.0, 0.5, 0.2), (0.0, 0.3, 1.0), 0.1)
    scores = {
        f"{r['stage']}-{r['pair']}-{r['index']}": TokenScore(
            {part: r[part] for part in PARTS},  # type: ignore[misc]
            tuple(r["endpoint"]),  # type: ignore[arg-type]
            tuple(r["start"]),  # type: ignore[arg-type]
        )
        for r in records
    }
    first = {name: score for name, score in scores.items() if name.startswith(FIRST)}
    second = {name: score for name, score in scores.items() if name.startswith(SECOND)}
    pairs = tuple((f"second-now-{n}", f"second-before-{n}") for n in range(3))
    table = two_stage_table(first, second, [MappingRow("first-now-0", "first-before-0", pairs)])
    assert summarize(records)["score"].value == pytest.approx(table["score"].iloc[-1], abs=1e-12)


def test_far_from_all_starts_navsims_weights_are_uniform_and_the_kernel_takes_the_nearest() -> None:
    found = summarize(made((1.0, 0.0), (10.0, 20.0), 0.0))
    perfect, without = 1.0, 11.0 / 16.0
    assert found["score"].value == pytest.approx((perfect + without) / 2)
    assert found["two_stage.kernel"].value == pytest.approx(perfect)
    assert found["two_stage.coverage"].value == 0.0


def test_a_plan_that_ends_within_half_a_metre_of_a_start_is_covered() -> None:
    assert summarize(made((1.0,), (0.49,), 0.0))["two_stage.coverage"].value == 1.0
    assert summarize(made((1.0,), (0.51,), 0.0))["two_stage.coverage"].value == 0.0


@given(st.tuples(coordinates, coordinates), st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=20))
def test_kernel_weights_are_a_distribution_that_favours_the_nearest(
    endpoint: tuple[float, float], places: list[tuple[float, float]]
) -> None:
    weights = coverage_weights(endpoint, places)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0.0).all()
    distance = np.hypot(*(np.array(places) - endpoint).T)
    assert weights[distance.argmin()] == weights.max()


@given(*[st.floats(-5.0, 5.0)] * 6, st.floats(0.5, 4.0))
def test_a_quintic_meets_both_ends(p: float, v: float, a: float, q: float, w: float, b: float, duration: float) -> None:
    step = 1e-4
    at = np.array((0.0, step, duration - step, duration))
    values = quintic((p, v, a), (q, w, b), duration, at)
    assert values[[0, 3]] == pytest.approx((p, q), abs=1e-6)
    rates = np.array((values[1] - values[0], values[3] - values[2])) / step
    assert rates == pytest.approx((v, w), abs=0.05)


# --- the starts


def test_rolling_the_reference_again_gives_the_stored_tracks(scene: Scenario) -> None:
    again = Trunk(scene, "idm").grown(scene.reference[scene.start :])
    for name in ("position", "heading", "velocity"):
        stored = getattr(scene.tracks, name) * (
            scene.tracks.valid[..., None] if name != "heading" else scene.tracks.valid
        )
        assert getattr(again.tracks, name) == pytest.approx(stored, abs=2e-3)
    assert (again.tracks.valid == scene.tracks.valid).all()


def test_first_stages_begin_before_the_event_and_leave_eight_seconds(scene: Scenario) -> None:
    event = scene.provenance["events"][0]["begin"]
    (step,) = first_starts(scene)
    assert 0.5 < event - (step - scene.start) * DT <= 4.0
    assert (step - scene.start) % 5 == 0
    assert step + 2 * STAGE < scene.steps


def test_without_events_first_stages_are_four_seconds_apart() -> None:
    scene = straight_scene([(CAR, SIZE, moving((40.0, 0.0), 6.0))], speed=6.0)
    longer = first_starts(scene)
    assert all(b - a >= 40 for a, b in pairwise(longer))
    assert all(step + 2 * STAGE < scene.steps for step in longer)


def test_starts_are_the_same_every_time_and_read_back_as_derived(scene: Scenario, tmp_path: Path) -> None:
    store = Store(tmp_path)
    derived, kept, again = derive(scene), starts_of(scene, store), starts_of(scene, store)
    for other in (kept, again):
        assert other.drive.tobytes() == derived.drive.tobytes()
        assert other.name == derived.name
        assert other.ptr.tolist() == derived.ptr.tolist()


def test_there_are_twelve_to_twenty_starts_beginning_with_the_references_end(scene: Scenario, starts: Starts) -> None:
    assert 12 <= len(starts.drive) <= 20
    step = int(starts.first[0])
    assert (starts.drive[0] == staged(scene).reference[step : step + 2 * STAGE + 1]).all()
    ends = starts.drive[:, STAGE]
    gaps = np.abs(ends[:, None, : Ego.VX + 1] - ends[None, :, : Ego.VX + 1]).max(axis=2)
    assert (gaps + np.eye(len(ends)) > 1e-3).all()


def test_every_drive_is_one_continuous_comfortable_drive(scene: Scenario, starts: Starts) -> None:
    for states in starts.drive:
        moved = np.hypot(*np.diff(states[:, :2], axis=0).T)
        assert (moved <= states[1:, Ego.VX] * DT + 0.12).all()
        assert comfortable(staged(scene), states[: STAGE + 1], 1.0)
        assert (states[0] == staged(scene).reference[starts.first[0]]).all()


def test_nobody_is_teleported_before_a_second_stage_start(scene: Scenario, starts: Starts) -> None:
    (group,) = groups_of(scene, starts, "idm")
    for before, now in group.second:
        assert before.moment.scenario is now.moment.scenario
        tracks, at = now.moment.scenario.tracks, slice(group.step - 15, now.moment.step + 1)
        there = tracks.valid[:, at][:, 1:] & tracks.valid[:, at][:, :-1]
        jumps = np.hypot(*np.moveaxis(np.diff(tracks.position[:, at], axis=1), 2, 0))
        speed = np.hypot(*np.moveaxis(tracks.velocity[:, at], 2, 0)).max(axis=1)
        assert (np.where(there, jumps, 0.0) <= speed[:, None] * DT + 0.05).all()


def test_agents_react_to_the_plan_that_is_scored(scene: Scenario, starts: Starts) -> None:
    (group,) = groups_of(scene, starts, "idm")
    frame = group.first[1].frame
    going, standing = (np.repeat(frame.ego[None], 41, axis=0) for _ in range(2))
    going[:, Ego.X] += np.arange(41) * 0.1 * frame.ego[Ego.VX] * np.cos(frame.ego[Ego.HEADING])
    going[:, Ego.Y] += np.arange(41) * 0.1 * frame.ego[Ego.VX] * np.sin(frame.ego[Ego.HEADING])
    standing[:, Ego.VX] = 0.0
    one, two = frame.traffic_around(going), frame.traffic_around(standing)
    assert (one.position[:, 0] == two.position[:, 0]).all()
    assert not (one.position == two.position).all()


def test_a_recorded_scene_begins_to_react_at_the_start_of_the_stage() -> None:
    scene = straight_scene([(CAR, SIZE, moving((40.0, 0.0), 6.0))], speed=6.0)
    step = scene.start + 10
    base = trunk_scenario(scene, step)
    assert base.start == step
    grown = Trunk(base, "idm").grown(base.reference[step:])
    assert (grown.tracks.position[:, : step + 1] == scene.tracks.position[:, : step + 1]).all()


def test_a_branch_that_follows_plans_is_the_simulators_drive(scene: Scenario) -> None:
    from drive.simulator import Simulator

    car = replace(scene, ego_vehicle=PACIFICA)
    plan = np.zeros((40, 3))
    plan[:, 0] = 0.4 * np.arange(1, 41)
    branch = Branch(Trunk(car, "idm"), car.start, 40)
    simulator = Simulator([car], "idm", "lqr", 2.0)
    for _ in range(2):
        assert branch.observe().ego == pytest.approx(simulator.observe()[0].ego)  # type: ignore[union-attr]
        branch.follow(plan, 0.1, 20)
        simulator.step([plan], [0.1])
    rollout = simulator.rollouts()[0]
    assert (branch.ego.astype(np.float32) == rollout.ego[:41]).all()
    assert (branch.moved.position.astype(np.float32) == rollout.position[:, :41]).all()


# --- runs


def test_the_expert_scores_well_in_all_measures_and_standing_still_does_not(run: RunFolder) -> None:
    means = run.rows().groupby("planner")[["score", "two_stage.kernel", "two_stage.closed_loop"]].mean()
    assert (means.loc["log_replay"] > 0.8).all()
    assert (means.loc["stop"] < means.loc["log_replay"]).all()
    replayed = run.rows()[run.rows()["planner"] == "log_replay"]
    assert (replayed["two_stage.coverage"] == 1.0).all()


def test_a_row_holds_its_records_and_the_score_follows_from_them(run: RunFolder) -> None:
    for row in run.rows().to_dict("records"):
        records = read_records(row)
        assert {record["stage"] for record in records} == {FIRST, SECOND, EXACT, CLOSED_LOOP}
        assert recompute_two_stage(row) == row["score"] == row["epdms"]
        pairs: dict[tuple[object, ...], list[float]] = {}
        for record in records:
            if record["stage"] != CLOSED_LOOP:
                key = (record["stage"], record["group"], record["index"])
                pairs.setdefault(key, []).append(record[EXTENDED_COMFORT])
        assert all(len(values) == 2 and values[0] == values[1] for values in pairs.values())


def test_verify_finds_nothing_in_an_honest_run_and_a_changed_record(
    suite: Suite, run: RunFolder, tmp_path: Path
) -> None:
    assert verify(run).findings == ()
    one = Suite(suite.name, suite.source, None, suite.scenes[:1], "idm")
    fresh = drive(one, tmp_path / "run", planners=("stop",))
    rows = fresh.records(fresh.shards()[0])
    for shard in fresh.shards():
        shard.unlink()
    records = json.loads(rows[0]["frames"])
    records[-1]["epdms"] = 0.123
    rows[0] |= {"frames": json.dumps(records)}
    fresh.write_rows(rows)
    assert {finding.column for finding in verify(fresh).findings} >= {"frames"}


class Stopped(Exception):
    """The process ends here."""


def test_a_run_that_was_killed_goes_on_and_gives_the_same_rows(suite: Suite, run: RunFolder, tmp_path: Path) -> None:
    seen: list[object] = []

    def report(row: object) -> None:
        seen.append(row)
        if len(seen) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        drive(suite, tmp_path / "run", report=report, batch_size=1)
    again: list[object] = []
    resumed = drive(suite, tmp_path / "run", report=again.append, batch_size=1)
    assert len(again) == len(run.rows()) - len(seen)
    pd.testing.assert_frame_equal(stable(resumed), stable(run))


def test_leaderboard_and_explanation_speak_of_both_stages(run: RunFolder) -> None:
    gathered = gather([run])
    board = build(gathered.rows, gathered.privileged)
    table = render(board)
    assert all(word in table for word in ("first", "second", "kernel", "exact", "closed", "covered"))
    assert "end within 0.5 m of a second-stage start" in table
    metrics = json.loads(render(board, "json"))["planners"][0]["metrics"]
    assert {"epdms", "two_stage.closed_loop", *(f"epdms.{part}" for part in PARTS)} <= set(metrics)
    text = explain(gathered.rows, SCENES[1], "stop")
    assert all(words in text for words in ("first stage", "second stage, start", "8 s in closed loop"))


def test_settings_that_the_protocol_cannot_have_are_refused(suite: Suite, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="two-stage has --traffic idm"):
        drive(suite, tmp_path / "a", traffic="constant_velocity")
    with pytest.raises(RunError, match="asks at its own moments"):
        drive(suite, tmp_path / "b", replan_interval=1.0)


def test_a_scene_that_is_too_short_fails_with_a_sentence(tmp_path: Path) -> None:
    from evaluation.suite import SceneRef
    from scenarios.store import scenario_digest

    scene = straight_scene([], speed=5.0)
    short = replace(
        scene,
        reference=scene.reference[: scene.start + 60],
        tracks=replace(
            scene.tracks,
            **{
                name: getattr(scene.tracks, name)[:, : scene.start + 60]
                for name in ("position", "heading", "velocity", "valid", "cues")
            },
        ),
        lights=replace(scene.lights, state=scene.lights.state[:, : scene.start + 60]),
    )
    store, key = Store(tmp_path / "store"), scenario_digest(short)
    store.put(key, short)
    one = Suite("short", "test", None, (SceneRef(short.id, short.family, short.group, key),), "log")
    row = drive(one, tmp_path / "run", planners=("stop",), store=store).rows().iloc[0]
    assert row["status"] == "failed"
    assert "two stages need 8.5 s" in row["error"]


def test_the_command_runs_it_and_writes_navsims_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "run")
    command = ["eval", "--suite", "procedural:F01:1:1", "--planner", "stop", "--protocol", "two-stage", "--out", out]
    assert main([*command, "--workers", "0"]) == 0
    printed = capsys.readouterr().out
    assert "second stage" in printed.replace("\n", " ") or "second" in printed
    (path,) = (tmp_path / "run" / "navsim").glob("*.csv")
    table = pd.read_csv(path)
    assert table["token"].iloc[-1] == "extended_pdm_score_combined"
    row = RunFolder(tmp_path / "run").rows().iloc[0]
    assert table["score"].iloc[-1] == pytest.approx(row["score"])


def test_starts_are_exported_with_tokens_that_the_mapping_and_the_table_share(
    suite: Suite, run: RunFolder, tmp_path: Path
) -> None:
    out = tmp_path / "export"
    command = ["scenarios", "export", "--suite", "gen-quick", "--scenario", SCENES[0], "--format", "two-stage"]
    assert main([*command, "--out", str(out)]) == 0
    (row,) = json.loads((out / "two_stage.json").read_text())["reactive_all_mapping"]
    original, previous, pairs = row
    assert 12 <= len(pairs) <= 20
    (path, *_) = write_two_stage(run)
    tokens = set(pd.read_csv(path)["token"])
    assert {original, previous, *(token for pair in pairs for token in pair)} <= tokens
    prepared = prepare(out, Store(tmp_path / "store"), None, SceneFilter(num_future_frames=8, frame_interval=1))
    known = {entry.id for entry in prepared}
    assert {original, *(token for pair in pairs for token in pair)} <= known
    assert len(list((out / "drivers").glob("*.safetensors"))) == 1 + len(pairs)


def test_correlations_need_planners_and_the_protocol(run: RunFolder) -> None:
    with pytest.raises(RunError, match="at least 3 planners"):
        correlations(run.rows())
    with pytest.raises(RunError, match="--protocol two-stage"):
        correlations(run.rows().assign(protocol="navsim"))


def test_a_measure_that_orders_planners_as_the_closed_loop_does_correlates_perfectly(run: RunFolder) -> None:
    rows = pd.concat(
        [
            run.rows().assign(planner=f"p{n}", score=0.2 * n, **{"two_stage.closed_loop": 0.1 + 0.3 * n})
            for n in range(3)
        ]
    ).drop_duplicates(["planner", "scenario", "seed"])
    best = correlations(rows)[0]
    assert best.pearson == pytest.approx(1.0)
    assert best.kendall == pytest.approx(1.0)
    assert best.scene_kendall == pytest.approx(1.0)
