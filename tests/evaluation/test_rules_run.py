"""Rules in a leaderboard run: columns beside the score, kept with the run, verified, explained, ranked by level."""

import json
from pathlib import Path

import pytest

from drive.errors import RunError
from evaluation.cli import main
from evaluation.engines import InProcess, ProcessPool
from evaluation.explain import explain
from evaluation.leaderboard import build, gather, render
from evaluation.report import write_report
from evaluation.results import RunFolder
from evaluation.rules import find_rule_sets, find_rules, rule_set_names
from evaluation.runner import evaluate
from evaluation.suite import Suite, resolve_suite
from evaluation.verify import verify
from planners.registry import resolve
from stl.rules import RuleSet

PLANNERS = ("log_replay", "constant_velocity")
OWN = """
schema: rules/1
name: own
parameters:
  v_cap: {value: 4.0, unit: m/s, range: [1, 20], loosen: up}
rules:
  - {id: slow, formula: "always (speed <= v_cap)", level: 3, source: house rule}
  - {id: gap, formula: "always ((has_lead > 0) implies (lead_gap >= -5))", applies: "has_lead > 0", level: 1}
  - {id: stays, formula: "always[0:100] (speed <= 60)", level: 4}
  - {id: ramp, formula: "always (ramp_vehicle <= 0)", applies: "ramp_vehicle > 0", level: 2}
  - {id: came, formula: "historically[0:1] (speed <= 60)", level: 4}
"""


@pytest.fixture(scope="module")
def suite() -> Suite:
    quick = resolve_suite("gen-quick")
    scenes = tuple(scene for scene in quick.scenes if scene.id in ("F01-000001", "F18-000004"))
    return Suite("two", quick.source, None, scenes, quick.default_traffic)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    path = tmp_path_factory.mktemp("rules") / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    return find_rules(str(path))


def drive(suite: Suite, out: Path, rules: list[RuleSet], **options: object) -> RunFolder:
    specs = [resolve(name) for name in PLANNERS]
    return evaluate(suite, specs, out, rules=rules, **{"engine": InProcess(), **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(suite: Suite, own: RuleSet, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return drive(suite, tmp_path_factory.mktemp("run") / "run", [own, find_rules("urban-de")])


def test_every_shipped_set_is_found_and_loads_without_warnings() -> None:
    names = rule_set_names()
    assert {"urban-de", "interstate", "intersection", "rss", "navsim-parity", "condition"} <= set(names)
    for name in names:
        assert find_rules(name).warnings == ()


def test_an_unknown_set_is_refused_with_a_guess() -> None:
    with pytest.raises(RunError, match="there is no rule set 'urban-dee', did you mean 'urban-de'"):
        find_rules("urban-dee")


@pytest.mark.parametrize(
    ("more", "formula", "sentence"),
    [
        ("", "always[0:0.25] (speed <= 9)", "rule 'a': interval bound 0.25 s is not a multiple of the sampling period"),
        ("signals: {mine: {unit: m}}\n", "always (mine <= 9)", "drives have no signal 'mine'"),
    ],
)
def test_a_set_that_cannot_judge_drives_is_refused_before_the_run(
    tmp_path: Path, more: str, formula: str, sentence: str
) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(f'schema: rules/1\nname: odd\n{more}rules:\n  - {{id: a, formula: "{formula}"}}\n')
    with pytest.raises(RunError, match=sentence):
        find_rules(str(path))


def test_a_set_named_twice_counts_once_and_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    for name, bound in (("one", 9), ("other", 8)):
        text = f'schema: rules/1\nname: mine\nrules:\n  - {{id: a, formula: "always (speed <= {bound})"}}\n'
        (tmp_path / f"{name}.yaml").write_text(text)
    one, other = str(tmp_path / "one.yaml"), str(tmp_path / "other.yaml")
    assert [rules.name for rules in find_rule_sets([one, "rss", one])] == ["mine", "rss"]
    with pytest.raises(RunError, match="two different rule sets are named 'mine'"):
        find_rule_sets([one, other])


def test_verdicts_become_columns_and_the_score_does_not_change(suite: Suite, run: RunFolder, tmp_path: Path) -> None:
    rows = run.rows()
    replay = rows[rows["planner"] == "log_replay"]
    assert set(replay["rules.own.slow.verdict"]) == {"violated"}  # both experts drive faster than 4 m/s
    assert (replay["rules.own.slow.satisfied"] == 0.0).all()
    assert (replay["rules.own.slow.robustness"] < 0.0).all()
    assert (replay["rules.own.slow.step"] >= 0).all()
    assert (replay["rules.own.level3"] > 0.0).all()
    assert set(rows["rules.own.stays.verdict"]) == {"undetermined"}
    assert rows["rules.own.stays.satisfied"].isna().all()
    assert set(rows["rules.own.came.verdict"]) == {"satisfied"}  # the recorded history is known
    assert set(rows["rules.own.ramp.verdict"]) == {"not_applicable"}
    assert (rows["rules.own.ramp.applies"] == 0.0).all()
    assert rows["rules.own.ramp.robustness"].isna().all()
    plain = drive(suite, tmp_path / "run", [])
    assert plain.rows()["score"].tolist() == rows["score"].tolist()
    assert not [name for name in plain.rows().columns if name.startswith("rules.")]


def test_same_columns_for_two_workers(suite: Suite, own: RuleSet, run: RunFolder, tmp_path: Path) -> None:
    rules = [own, find_rules("urban-de")]
    other = drive(suite, tmp_path / "run", rules, engine=ProcessPool(2), batch_size=1)
    columns = [name for name in run.rows().columns if name.startswith("rules.")]
    assert len(columns) > 100
    assert other.rows()[columns].equals(run.rows()[columns])


def test_a_run_keeps_its_rules_and_verify_judges_again(suite: Suite, own: RuleSet, tmp_path: Path) -> None:
    fresh = drive(suite, tmp_path / "run", [own])
    assert verify(fresh).findings == ()
    rows = [row for shard in fresh.shards() for row in fresh.records(shard)]
    for shard in fresh.shards():
        shard.unlink()
    fresh.write_rows([row | {"rules.own.slow.satisfied": 1.0} for row in rows])
    assert {finding.column for finding in verify(fresh).findings} == {"rules.own.slow.satisfied"}
    kept = fresh.path / "rules" / "own.yaml"
    kept.write_text(kept.read_text().replace("4.0", "40.0"))
    with pytest.raises(RunError, match="the rule set 'own' in it is not the one that was judged"):
        verify(fresh)


def test_a_run_is_not_resumed_with_other_rules(suite: Suite, own: RuleSet, tmp_path: Path) -> None:
    drive(suite, tmp_path / "run", [own])
    with pytest.raises(RunError, match=r"the rule set own was .*, now it is"):
        drive(suite, tmp_path / "run", [own.with_values({"v_cap": 5.0})])
    with pytest.raises(RunError, match=r"the rule set own was .*, now it is absent"):
        drive(suite, tmp_path / "run", [])


def test_a_protocol_that_drives_nothing_refuses_rules(suite: Suite, own: RuleSet, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="--rules judges drives"):
        drive(suite, tmp_path / "run", [own], protocol_name="navsim")


def test_the_leaderboard_ranks_by_level_and_gives_quantiles(run: RunFolder) -> None:
    gathered = gather([run])
    board = build(gathered.rows, gathered.privileged)
    assert "Rulebook own, level by level: " in render(board)
    document = json.loads(render(board, "json"))
    assert {item["rank"] for item in document["rulebooks"]["urban-de"]} <= {1, 2}
    metric = document["planners"][0]["metrics"]["rules.own.slow.robustness"]
    assert metric["quantiles"] == sorted(metric["quantiles"])
    assert document["planners"][0]["metrics"]["rules.own.ramp.applies"]["mean"] == 0.0


def test_explain_names_rule_second_and_what_decided(run: RunFolder) -> None:
    text = explain(run.rows(), "F01-000001", "log_replay")
    assert "own.slow: broken: speed <= 4 at " in text
    assert "own.stays: undetermined" in text


def test_a_shipped_set_is_checked_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", "urban-de"]) == 0
    assert "urban-de: 35 rules" in capsys.readouterr().out


def test_the_report_says_with_which_rules_the_run_is_made_again(run: RunFolder) -> None:
    page = write_report(run, pictures=0).read_text()
    assert "--rules run/rules/own.yaml run/rules/urban-de.yaml" in page
