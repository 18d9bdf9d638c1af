"""``--protocol nuplan``: nuPlan's simulation and closed-loop score."""

from pathlib import Path

import pytest

from drive.errors import RunError
from evaluation.engines import InProcess, ProcessPool
from evaluation.explain import explain
from evaluation.leaderboard import build, gather, render
from evaluation.metrics.base import NUPLAN_PARTS
from evaluation.results import RunFolder
from evaluation.runner import evaluate
from evaluation.suite import Suite, resolve_suite
from evaluation.verify import verify
from planners.registry import resolve

PLANNERS = ("log_replay", "constant_velocity", "stop")


@pytest.fixture(scope="module")
def suite() -> Suite:
    quick = resolve_suite("gen-quick")
    scenes = tuple(scene for scene in quick.scenes if scene.id in ("F01-000001", "F26-000004"))
    return Suite("two", quick.source, None, scenes, "idm")


@pytest.fixture(scope="module")
def run(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return drive(suite, tmp_path_factory.mktemp("nuplan") / "run")


def drive(suite: Suite, out: Path, **options: object) -> RunFolder:
    specs = [resolve(name) for name in options.pop("planners", PLANNERS)]  # type: ignore[attr-defined]
    return evaluate(suite, specs, out, protocol_name="nuplan", **{"engine": InProcess(), **options})  # type: ignore[arg-type]


def test_the_score_is_its_formula_and_a_replay_is_nearly_perfect(run: RunFolder) -> None:
    for row in run.rows().to_dict("records"):
        values = [row[f"nuplan_cls.{part}"] for part in NUPLAN_PARTS]
        factor = values[0] * values[1] * values[2] * values[3]
        assert row["score"] == row["nuplan_cls"]
        assert row["score"] == pytest.approx(
            factor * (5 * values[4] + 5 * values[5] + 4 * values[6] + 2 * values[7]) / 16
        )
        assert (row["vehicle"], row["traffic"]) == ("pacifica", "log")
    replay = run.rows().query("planner == 'log_replay'")
    assert (replay["score"] > 0.9).all()
    assert (replay["tracker"] == "perfect").all()
    assert (run.rows().query("planner == 'stop'")["tracker"] == "lqr_nuplan").all()


def test_same_rows_for_two_workers_and_verify_finds_nothing(suite: Suite, run: RunFolder, tmp_path: Path) -> None:
    other = drive(suite, tmp_path / "run", engine=ProcessPool(2), batch_size=1)
    columns = [name for name in run.rows().columns if not name.startswith("time.")]
    assert run.rows()[columns].equals(other.rows()[columns])
    assert verify(run).findings == ()


def test_reactive_agents_are_another_challenge(suite: Suite, run: RunFolder, tmp_path: Path) -> None:
    reactive = drive(suite, tmp_path / "run", traffic="idm", planners=("stop",))
    assert (reactive.rows()["traffic"] == "idm").all()
    assert verify(reactive).findings == ()
    assert set(reactive.rows()["definition"]).isdisjoint(run.rows()["definition"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"replan_interval": 0.5}, "plans every 0.1 s, not 0.5 s"),
        ({"traffic": "constant_velocity"}, "--traffic log (challenge 2) and idm (challenge 3) only"),
    ],
)
def test_settings_that_nuplan_has_not_are_refused(
    suite: Suite, tmp_path: Path, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(RunError) as error:
        drive(suite, tmp_path / "run", **options)
    assert sentence in str(error.value)


def test_leaderboard_and_explanation_speak_of_its_metrics(run: RunFolder) -> None:
    gathered = gather([run])
    assert all(head in render(build(gathered.rows, gathered.privileged)) for head in ("MP", "SL", "EP"))
    text = explain(gathered.rows, "F01-000001", "stop")
    assert "nuplan_cls@1 = product of the factors" in text
    assert "not: progress" in text
