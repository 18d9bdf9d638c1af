"""``--protocol navsim``: plans asked along the recorded drive, each scored once."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drive.errors import RunError
from drive.observation import Observation
from evaluation.engines import InProcess, ProcessPool
from evaluation.explain import explain
from evaluation.leaderboard import build, gather, render
from evaluation.metrics.base import NAVSIM_VERSIONS
from evaluation.metrics.epdms import PARTS, combine
from evaluation.metrics.navsim_frames import read_frames
from evaluation.navsim_results import write_one_stage
from evaluation.protocols.navsim import frame_steps, question_steps
from evaluation.results import RunFolder
from evaluation.runner import evaluate
from evaluation.suite import Suite, load_scene, resolve_suite
from evaluation.verify import verify
from planners.contract import Context, Plan, Planner
from planners.registry import resolve
from scenarios.store import Store

SCENES = ("F01-000001", "F18-000004")
PLANNERS = ("log_replay", "constant_velocity", "stop")


@pytest.fixture(scope="module")
def suite() -> Suite:
    quick = resolve_suite("gen-quick")
    scenes = tuple(scene for scene in quick.scenes if scene.id in SCENES)
    return Suite("two", quick.source, None, scenes, "log")


@pytest.fixture(scope="module")
def run(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return drive(suite, tmp_path_factory.mktemp("navsim") / "run")


def drive(suite: Suite, out: Path, **options: object) -> RunFolder:
    specs = [resolve(name) for name in options.pop("planners", PLANNERS)]  # type: ignore[attr-defined]
    return evaluate(suite, specs, out, protocol_name="navsim", **{"engine": InProcess(), **options})  # type: ignore[arg-type]


def stable(run: RunFolder) -> list[dict[str, object]]:
    rows = run.rows().drop(columns=[name for name in run.rows().columns if name.startswith("time.")])
    return json.loads(rows.to_json(orient="records"))  # type: ignore[no-any-return]


def test_frames_are_two_seconds_apart_with_a_partner_half_a_second_before(suite: Suite) -> None:
    scenario = load_scene(suite.scenes[0], Store())
    scored = frame_steps(scenario, 2.0)
    assert scored[0] == 0
    assert set(np.diff(scored)) == {20}
    assert scored[-1] + 40 <= scenario.horizon < scored[-1] + 60
    assert question_steps(scenario, 2.0) == sorted({*scored, *(k - 5 for k in scored)})


def test_the_expert_scores_well_and_standing_still_does_not(run: RunFolder) -> None:
    means = run.rows().groupby("planner")["epdms"].mean()
    assert means["log_replay"] > 0.85
    assert means["stop"] < means["log_replay"] - 0.1


def test_a_row_holds_its_frames_and_the_score_is_their_mean(run: RunFolder) -> None:
    for row in run.rows().to_dict("records"):
        frames = read_frames(row)
        scores = [combine(frame, frame["two_frame_extended_comfort"]) for frame in frames]
        assert row["score"] == row["epdms"] == pytest.approx(np.mean(scores), abs=0)
        assert row["vehicle"] == "pacifica"
        assert row["tracker"] == "lqr_navsim"
        for part in PARTS:
            assert row[f"epdms.{part}"] == pytest.approx(np.mean([frame[part] for frame in frames]))


def test_same_rows_for_any_number_of_workers_and_any_batch(suite: Suite, run: RunFolder, tmp_path: Path) -> None:
    other = drive(suite, tmp_path / "run", engine=ProcessPool(2), batch_size=1)
    assert stable(other) == stable(run)


def test_verify_finds_nothing_in_an_honest_run_and_a_changed_frame(
    suite: Suite, run: RunFolder, tmp_path: Path
) -> None:
    assert verify(run).findings == ()
    fresh = drive(suite, tmp_path / "run", planners=("stop",))
    rows = fresh.records(fresh.shards()[0])
    for shard in fresh.shards():
        shard.unlink()
    frames = json.loads(rows[0]["frames"])
    frames[0]["ego_progress"] = 1.0
    changed = float(np.mean([combine(frame, frame["two_frame_extended_comfort"]) for frame in frames]))
    rows[0] |= {"frames": json.dumps(frames), "score": changed, "epdms": changed}
    fresh.write_rows(rows)
    assert {finding.column for finding in verify(fresh).findings} >= {"frames", "score"}


def test_reactive_traffic_is_another_score_definition(suite: Suite, run: RunFolder, tmp_path: Path) -> None:
    reactive = drive(suite, tmp_path / "run", traffic="idm", planners=("constant_velocity",))
    assert set(reactive.rows()["definition"]).isdisjoint(run.rows()["definition"])
    with pytest.raises(RunError, match="traffic log and idm"):
        gather_both = gather([run, reactive])
        assert gather_both is None


def test_leaderboard_and_explanation_speak_of_the_parts(run: RunFolder) -> None:
    gathered = gather([run])
    board = build(gathered.rows, gathered.privileged)
    table = render(board)
    assert all(head in table for head in ("NC", "DAC", "DDC", "TLC", "EP", "TTC", "LK", "HC", "EC"))
    document = json.loads(render(board, "json"))
    assert {"epdms", *(f"epdms.{part}" for part in PARTS)} <= set(document["planners"][0]["metrics"])
    assert "off_road" not in document["planners"][0]["metrics"]
    text = explain(gathered.rows, SCENES[1], "stop")
    assert "less progress than the best" in text
    assert NAVSIM_VERSIONS["score"] in text


def test_constant_velocity_traffic_is_refused(suite: Suite, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="--protocol navsim has --traffic log"):
        drive(suite, tmp_path / "run", traffic="constant_velocity")


class Watcher(Planner):
    """Notes what it is shown."""

    seen: list[tuple[float, int]] = []  # noqa: RUF012 - shared on purpose: the host builds the planner

    def reset(self, context: Context) -> None:
        assert context.min_horizon == 4.0

    def plan(self, observation: Observation) -> Plan:
        self.seen.append((observation.time, int(observation.agent_valid.any())))
        assert (observation.ego[-1, :3] == 0.0).all()
        plan = np.zeros((8, 3))
        plan[:, 0] = 0.5 * np.arange(1, 9) * observation.ego[-1, 3]
        return Plan.single(plan)


def test_every_question_is_a_fresh_scene_to_the_planner(suite: Suite, tmp_path: Path) -> None:
    Watcher.seen.clear()
    name = f"{__name__}:Watcher"
    run = drive(suite, tmp_path / "run", planners=(name,))
    scenario = load_scene(suite.scenes[0], Store())
    assert (run.rows()["status"] == "ok").all()
    assert {time for time, _ in Watcher.seen} == {0.0}
    assert len(Watcher.seen) == sum(len(question_steps(load_scene(scene, Store()), 2.0)) for scene in suite.scenes)
    assert scenario.start >= 20


def test_results_are_written_in_navsims_own_format(run: RunFolder) -> None:
    files = {path.name: pd.read_csv(path) for path in write_one_stage(run)}
    table = files["stop--0.csv"]
    assert list(table.columns) == ["token", "valid", *PARTS, "score"]
    assert table["token"].iloc[-1] == "average_all_frames"
    frames = [frame for row in run.rows().to_dict("records") if row["planner"] == "stop" for frame in read_frames(row)]
    assert table["score"].iloc[-1] == pytest.approx(np.mean([frame["epdms"] for frame in frames]))


def test_planners_with_names_alike_get_result_files_of_their_own(suite: Suite, tmp_path: Path) -> None:
    options = "headway=1.500000000000001,min_gap=2.000000000000001,speed_factor=0.900000000000001,margin="
    names = tuple(f"idm[{options}{margin}]" for margin in (0.25, 0.3))
    one = Suite(suite.name, suite.source, None, suite.scenes[:1], "log")
    written = write_one_stage(drive(one, tmp_path / "run", planners=names))
    assert len(set(written)) == 2 and all(path.exists() for path in written)
