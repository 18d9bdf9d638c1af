"""Curated suites: what is kept is certified, told apart and spread over hardness, and files say what scenes become."""

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive.errors import ScenarioError, SuiteError
from evaluation.audit.page import CAUSES, Section, at_least, at_most, discrimination, ties
from evaluation.audit.realism import agreement
from evaluation.audit.scenes import _away_from_training, classifier_accuracy
from evaluation.curation.adversarial import Box, worth
from evaluation.curation.certificate import broken_rules, certify, failures
from evaluation.curation.curate import PLANS, Curated, Plan, curate, nearest, read_journal, surplus
from evaluation.curation.examine import Candidate, Examine, Wish, _timid, drive_all
from evaluation.curation.items import analyse, score_table
from evaluation.curation.mixture import BACKGROUND, STRATA, apportion, cells, compositions, training_recipes, weights
from evaluation.curation.suite_file import Entry, Header, check_scene, entry_of, read_suite, write_suite
from evaluation.engines import InProcess
from evaluation.suite import load_scene, resolve_suite
from planners.registry import resolve
from scenarios.generate import FAMILIES, Recipe, build
from scenarios.generate.build import families_of
from scenarios.generate.digest import ends_of, same_ends, spawn_digest
from scenarios.generate.families import FAMILY_BY_NAME
from scenarios.generate.knobs import unit_point
from scenarios.store import Store, scenario_digest
from tests.scenarios.generated import scene


def candidate(index: int, hardness: float = 0.5, **more: object) -> Candidate:
    values: dict[str, object] = {
        "recipe": Recipe("F01", index, "gen-val"),
        "hardness": hardness,
        "descriptor": (index / 10.0, 0.5),
        "map_digest": str(index),
        "spawn": "ab" * 8,
        "ends": (1.0, 2.0, 3.0, 4.0),
    }
    return Candidate(**(values | more))  # type: ignore[arg-type]


def test_weights_are_shares_and_background_and_rare_families_have_their_own() -> None:
    found = weights()
    assert sum(found.values()) == pytest.approx(1.0)
    assert set(FAMILIES) <= found.keys()
    assert set(compositions()) == {name for name in found if "+" in name}
    for name in compositions():
        families_of(Recipe(name, 0, "x"))  # can be built
    if len(FAMILIES) > 10:
        assert found[BACKGROUND] == pytest.approx(0.15)
        assert found["F01"] == pytest.approx(0.02)


@given(st.lists(st.floats(0.0, 50.0), min_size=1, max_size=30))
def test_apportioned_numbers_add_up_and_stay_within_one_of_what_is_wanted(wanted: list[float]) -> None:
    total = round(sum(wanted))
    found = apportion(wanted, total)
    assert sum(found) == total or abs(sum(wanted) - total) > 0.5
    assert all(abs(one - two) <= 1.0 + 1e-9 for one, two in zip(found, wanted, strict=True))


@settings(max_examples=30)
@given(st.integers(1, 900), st.sampled_from([0.0, 0.6]))
def test_cells_of_a_suite_add_up_to_its_size(count: int, least: float) -> None:
    found = cells(count, least)
    assert sum(cell.wanted for cell in found) == count
    assert all(cell.low >= least for cell in found if cell.family != BACKGROUND)
    assert least == 0.0 or BACKGROUND not in {cell.family for cell in found}


def test_strata_of_a_large_suite_have_their_shares() -> None:
    wanted = Counter[float]()
    for cell in cells(4000):
        if cell.family != BACKGROUND:
            wanted[cell.low] += cell.wanted
    for low, _, share in STRATA:
        assert wanted[low] / sum(wanted.values()) == pytest.approx(share, abs=0.02)


def test_training_recipes_begin_at_a_million_and_any_number_begins_alike() -> None:
    many, few = training_recipes(200), training_recipes(50)
    assert many[:50] == few
    assert len({item.id for item in many}) == 200
    assert min(item.index for item in many) >= 1_000_000
    suite = resolve_suite("gen-train:5")
    assert [ref.recipe[2] for ref in suite.scenes if ref.recipe] == ["gen-train"] * 5
    with pytest.raises(SuiteError, match="gen-train:<count>"):
        resolve_suite("gen-train:many")


def test_a_recipe_with_a_point_has_the_knobs_of_that_point() -> None:
    count = len(FAMILY_BY_NAME["F01"].knobs)
    sobol = unit_point(Recipe("F01", 3, "tests"), count)
    point = tuple(float(value) for value in sobol)
    there, same = build(Recipe("F01", 3, "tests", point=point)), scene("F01", 3)
    assert (spawn_digest(there), ends_of(there)) == (spawn_digest(same), ends_of(same))
    with pytest.raises(ScenarioError, match="expected"):
        unit_point(Recipe("F01", 3, "tests", point=(0.5,)), count)


def test_a_suite_file_gives_back_what_was_written(tmp_path: Path) -> None:
    header = Header("gen-val", "gen-val", "2", "a processor", ("idm",), {"accepted": 2})
    entries = [
        Entry(Recipe("F01", 7, "gen-val"), 0.5, "0" * 16, (1.0, 2.0, 3.0, 4.25)),
        Entry(Recipe("F18", 2, "gen-val", twin=True), 0.0, "1" * 16, (1.0, 2.0, 3.0, 4.0)),
        Entry(Recipe("F18", 3, "gen-val", point=(0.25, 0.5)), 0.0, "1" * 16, (1.0, 2.0, 3.0, 4.0), 2.5),
    ]
    write_suite(tmp_path / "gen-val.jsonl", header, entries)
    assert read_suite(tmp_path / "gen-val.jsonl") == (header, entries)
    assert [ref.id for ref in resolve_suite(str(tmp_path / "gen-val.jsonl")).scenes] == [e.recipe.id for e in entries]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": "recipes/1"}', '{"schema": "recipes/2"}\n[]'])
def test_a_damaged_suite_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text(text)
    with pytest.raises(SuiteError, match=r"odd\.jsonl"):
        read_suite(path)


def test_a_scene_that_is_not_what_its_suite_says_is_told(tmp_path: Path) -> None:
    scenario = scene("F01", 0)
    entry = entry_of(Recipe("F01", 0, "tests"), scenario)
    assert check_scene(scenario, entry.spawn, entry.ends) == ""
    moved = (entry.ends[0] + 0.01, *entry.ends[1:])
    with pytest.warns(UserWarning, match="evolves differently"):
        assert check_scene(scenario, entry.spawn, moved)
    with pytest.warns(UserWarning, match="another scene"):
        assert check_scene(scenario, "0" * 16, entry.ends)
    assert same_ends(ends_of(scenario), (entry.ends[0] + 0.0005, *entry.ends[1:]))
    assert spawn_digest(scene("F01", 1)) != entry.spawn
    write_suite(tmp_path / "one.jsonl", Header("one", "tests", "2", "x"), [entry])
    (ref,) = resolve_suite(str(tmp_path / "one.jsonl")).scenes
    assert scenario_digest(load_scene(ref, Store(tmp_path))) == scenario_digest(scenario)


def test_a_certificate_names_what_is_wrong() -> None:
    scenario = scene("F01", 1)
    sound = failures(certify(scenario, {}))
    assert "overlapping boxes" not in sound
    tracks = scenario.tracks
    position = tracks.position.copy()
    position[0] = scenario.reference[:, :2]  # the lead inside the ego
    assert "overlapping boxes" in failures(certify(replace(scenario, tracks=replace(tracks, position=position)), {}))
    jolted = scenario.reference.copy()
    jolted[40:60, 5] = -6.0
    assert "expert's braking [m/s2]" in failures(certify(replace(scenario, reference=jolted), {}))


def test_rules_about_the_own_lane_excuse_those_whose_task_is_to_leave_it() -> None:
    # it drives round what blocks its lane: half a metre from the centre is not enough for that
    scenario = scene("F10", 0)
    _, rollout = drive_all(scenario, [resolve("log_replay")], "log")["log_replay"]
    assert broken_rules(scenario, rollout) == []
    strict = replace(
        scenario,
        provenance={**scenario.provenance, "leaves_lane": False},
        map=replace(scenario.map, borrow_allowed=np.zeros(scenario.map.lanes, np.bool_)),
    )
    assert "rules.navsim-parity.lane_centering.verdict" in broken_rules(strict, rollout)


def test_a_candidate_survives_its_journal(tmp_path: Path) -> None:
    found = [candidate(1, scores={"idm": 0.5}), candidate(2, recipe=Recipe("F01", 2, "x", point=(0.1, 0.2)))]
    path = tmp_path / "journal"
    path.write_text("\n".join(item.to_json() for item in found) + '\n{"recipe": {"fam')
    assert list(read_journal(path).values()) == found
    path.write_text("nonsense\n" + found[0].to_json() + "\n")
    with pytest.raises(SuiteError, match="line 1"):
        read_journal(path)


def test_a_scene_of_no_use_is_not_driven() -> None:
    ((found,),) = Examine()([Wish(Recipe("F01", 0, "tests"), 2.0, 3.0)])
    assert (found.verdict, found.scores) == ("hardness of no use", {})
    assert found.hardness == pytest.approx(scene("F01", 0).hardness, abs=1e-4)


def test_an_expert_is_timid_if_a_planner_gets_further_without_any_infraction() -> None:
    scenario = scene("F01", 0)
    driven = drive_all(scenario, [resolve("log_replay"), resolve("idm")], "log")
    assert not _timid(scenario, driven)
    _, expert = driven["log_replay"]
    ego = expert.ego.copy()
    ego[:, :2] = ego[:1, :2] + 0.5 * (ego[:, :2] - ego[:1, :2])  # an expert that gets half as far
    driven["log_replay"] = (1.0, replace(expert, ego=ego))
    lawful = not broken_rules(scenario, driven["idm"][1])
    assert _timid(scenario, driven) == (lawful and driven["idm"][0] >= 0.85)
    assert _timid(scenario, {**driven, "constant_velocity": (1.0, expert)})
    assert not _timid(scenario, {"log_replay": driven["log_replay"], "constant_velocity": (0.5, expert)})


def test_a_small_suite_is_made_resumed_and_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.curation.curate.cells", lambda count, least: cells_of("F01", count))
    plan = Plan("gen-val", 3)
    first = curate(plan, tmp_path / "journal", InProcess())
    assert 1 <= len(first.kept) <= 8
    assert all(item.scores["log_replay"] >= 0.95 and not item.verdict for item in first.kept)
    assert sum(first.funnel["F01"].values()) >= len(first.kept)
    lines = (tmp_path / "journal").read_text()
    again = curate(plan, tmp_path / "journal", InProcess())
    assert again == first
    assert (tmp_path / "journal").read_text() == lines
    first.write(tmp_path / "gen-val.jsonl")
    suite = resolve_suite(str(tmp_path / "gen-val.jsonl"))
    assert [ref.id for ref in suite.scenes] == [item.recipe.id for item in first.kept]


def test_only_a_few_easy_scenes_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.curation.curate.cells", lambda count, least: cells_of("F01", count))
    solved = {"log_replay": 1.0, "idm": 0.99, "pdm_closed": 0.96}
    easy: list[dict[str, float]] = [solved, {"log_replay": 1.0, "stop": 0.6}, {"log_replay": 1.0, "idm": 0.4}]
    journal = tmp_path / "journal"
    known = [candidate(index, hardness=0.5, scores=easy[index % 3], descriptor=(float(index),)) for index in range(320)]
    journal.write_text("".join(item.to_json() + "\n" for item in known))
    found = curate(Plan("gen-val", 50), journal, InProcess())
    assert sum(item.saturated for item in found.kept) == 3  # six in a hundred
    assert sum(item.trivial for item in found.kept) == 5  # ten in a hundred
    assert len(found.kept) == 54  # with spares
    assert journal.read_text().count("\n") == 320  # nothing new had to be looked at
    assert found.biased == ("constant_velocity", "lane_follower", "stop", "idm", "pdm_closed")


def cells_of(family: str, count: int):  # type: ignore[no-untyped-def]
    from evaluation.curation.mixture import Cell

    return [Cell(family, 0.0, 1.01, count)]


def test_the_nearest_of_a_family_is_measured_per_dimension() -> None:
    one, two = candidate(1), candidate(2)
    assert nearest(one, [two]) == pytest.approx(0.1 / math.sqrt(2))
    assert nearest(one, []) == math.inf


def test_surplus_scenes_are_the_misfits_and_then_the_last_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.curation.curate.cells", lambda count, least: cells_of("F01", count))
    made = Curated(Plan("gen-val", 2), tuple(candidate(index) for index in range(4)), {}, ())
    dropped = surplus(made, {f"F01-{index:06d}": value for index, value in enumerate((0.1, -0.2, 0.9, 0.5))})
    assert set(dropped) == {"F01-000001", "F01-000003"}


def test_a_hazard_goes_with_a_twin_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.curation.curate.cells", lambda count, least: cells_of("F18", count))
    hazards = [candidate(index, recipe=Recipe("F18", index, "gen-val")) for index in range(2)]
    pairs = [item for one in hazards for item in (one, replace(one, recipe=replace(one.recipe, twin=True)))]
    made = Curated(Plan("gen-val", 4), tuple(pairs), {}, ())
    assert surplus(made, {"F18-000000": 0.5, "F18-000000-twin": -0.1}) == ["F18-000000", "F18-000000-twin"]


def test_every_plan_has_a_name_and_hard_ones_ask_for_hard_scenes() -> None:
    assert set(PLANS) == {"gen-quick", "gen-val", "gen-test", "gen-hard", "gen-ood"}
    assert sum(cell.wanted for cell in PLANS["gen-val"].cells) == 800
    assert [cell.family for cell in PLANS["gen-quick"].cells] == list(PLANS["gen-quick"].families)
    assert all(cell.low >= 0.6 for cell in PLANS["gen-hard"].cells)


def test_item_analysis_finds_the_scene_in_which_better_planners_do_worse() -> None:
    rng = np.random.default_rng(0)
    ability = np.linspace(0.1, 0.9, 8)
    scores = np.clip(ability[:, None] + rng.normal(0.0, 0.1, (8, 40)), 0.0, 1.0)
    scores[:, 7] = 1.0 - ability
    scores[:, 9] = 0.5
    found = analyse(pd.DataFrame(scores, columns=[f"s{n}" for n in range(40)]))
    assert found.misfits == ["s7"]
    assert math.isnan(found.correlation[9])
    assert found.alpha > 0.9
    assert found.alpha_at_400 > found.alpha


def rows_of(scores: dict[str, list[float]], families: list[str]) -> pd.DataFrame:
    rows = []
    for planner, values in scores.items():
        for number, (value, family) in enumerate(zip(values, families, strict=True)):
            row = {"planner": planner, "scenario": f"s{number}", "family": family, "group": f"s{number}", "seed": 0}
            row |= {"status": "ok", "score": value, "comfort": 1.0, "ttc_ok": 1.0 if value > 0.9 else 0.0}
            row |= {name: (0.0 if name in ("off_road", "red_light") else 1.0) for name in CAUSES if name != "ttc_ok"}
            rows.append(row | {f"{name}.step": math.nan for name in CAUSES})
    return pd.DataFrame(rows)


def test_the_discrimination_table_judges_each_bar() -> None:
    families = ["F01"] * 20 + ["F18"] * 20
    flat = {
        "log_replay": 1.0,
        "stop": 0.1,
        "constant_velocity": 0.2,
        "lane_follower": 0.3,
        "idm": 0.5,
        "pdm_closed": 0.7,
    }
    rows = rows_of({name: [value] * 40 for name, value in flat.items()}, families)
    section = discrimination(rows, {f"s{n}": 0.3 + 0.3 * (n % 2) for n in range(40)}, "reactive")
    verdicts = {figure.name: figure.passed for figure in section.figures}
    assert verdicts["expert, worst family"]
    assert verdicts["stop, all scenes"]
    assert verdicts["idm, all scenes"]
    assert verdicts["families in which pdm_closed is below 0.6"] is False
    assert [line[0] for line in section.lines] == ["all", "F01", "F18", "h 0.15-0.4", "h 0.6-0.8"]
    assert "TTC 100 %" in section.lines[0][-1]
    assert "MISS" in section.as_text()
    assert json.loads(json.dumps(section.as_json(), allow_nan=False))["figures"]


def test_ties_trivial_saturated_and_impossible_scenes_are_counted() -> None:
    rows = rows_of(
        {
            "log_replay": [1.0, 1.0, 1.0, 0.5],
            "stop": [0.0] * 4,
            "constant_velocity": [0.0, 0.9, 1.0, 0.0],
            "lane_follower": [0.2, 0.0, 1.0, 0.0],
            "idm": [0.4, 0.5, 1.0, 0.0],
            "pdm_closed": [0.8, 0.6, 0.99, 0.0],
        },
        ["F01"] * 4,
    )
    values = [figure.value for figure in ties(rows).figures]
    assert values == [0.5, 0.5, 0.25, 0.25]


def test_the_spread_is_that_of_planners_that_look_at_others() -> None:
    flat = {
        "log_replay": 1.0,
        "stop": 0.0,
        "constant_velocity": 0.1,
        "lane_follower": 0.2,
        "idm": 0.7,
        "pdm_closed": 0.8,
    }
    hardness = {f"s{n}": 0.5 for n in range(4)}
    section = discrimination(
        rows_of({name: [value] * 4 for name, value in flat.items()}, ["F01"] * 4), hardness, "reactive"
    )
    values = {figure.name: figure.value for figure in section.figures}
    assert values["families with 0.15 between best and worst rule planner"] == 0
    assert values["the same, those that look at nobody among them"] == 1


def test_knobs_of_a_training_recipe_are_found_again() -> None:
    own = training_recipes(3)[-1]
    assert _away_from_training([own]) == 0.0
    assert 0.0 < _away_from_training([replace(own, namespace="gen-val")]) < 1.0


def test_failed_units_count_as_zero_in_the_score_table() -> None:
    rows = rows_of({"idm": [1.0, 1.0]}, ["F01"] * 2)
    rows.loc[0, "status"] = "failed"
    assert score_table(rows).loc["idm"].tolist() == [0.0, 1.0]


def test_figures_without_a_value_are_not_judged() -> None:
    assert at_most("a", math.nan, 1.0).passed is None
    assert at_least("a", 1.0, 1.0).passed
    assert Section("t", (at_most("a", math.nan, 1.0),)).as_json()["figures"][0]["value"] is None


def test_a_classifier_finds_what_differs_and_nothing_where_nothing_does() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(200) % 2 == 0
    groups = [str(n // 2) for n in range(200)]
    noise = rng.normal(size=(200, 4))
    assert classifier_accuracy(noise, labels, groups)[0] < 0.62
    told = noise.copy()
    told[labels, 0] += 3.0
    accuracy, area = classifier_accuracy(told, labels, groups)
    assert accuracy > 0.9
    assert area > 0.95


def test_equal_orders_agree() -> None:
    scores = np.linspace(0.0, 1.0, 8)[:, None] + np.zeros((8, 30))
    assert agreement(scores, scores[:, :8]) == pytest.approx((1.0, 1.0))


def test_the_search_draws_in_its_box_and_knows_the_density() -> None:
    box = Box(np.array([0.2, 0.9]), np.array([0.1, 0.1]))
    points = box.draw(np.random.default_rng(0), 400)
    assert points.min() >= 0.0
    assert points.max() < 1.0
    assert abs(points[:, 0].mean() - 0.2) < 0.03
    even = np.random.default_rng(1).random((20000, 2))
    assert np.mean([box.density(point) for point in even[:4000]]) == pytest.approx(1.0, abs=0.15)
    wide = worth(candidate(1, scores={"pdm_closed": 0.0, "idm": 0.0}), [])
    assert wide == pytest.approx(1.3)
    assert worth(candidate(1, scores={"pdm_closed": 0.0, "idm": 0.0}, verdict="no"), []) < -8.0
