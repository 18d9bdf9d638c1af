"""The rule library: every rule accepts and finds what it should, and the sets say what the library says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from drive.signals.catalog import CATALOG
from stl.errors import StlError
from stl.formula import names
from stl.reference import reference_robustness
from stl.robustness import robustness
from stl.rules import load_rules
from stl.signals import FLAG_VALUE
from tests.stl.rule_files import BY_ID, LIBRARY, RULES, SETS, SIGNALS, load, rho, trace
from tests.stl.rule_traces import PAIRS
from tests.stl.trace_shapes import CLOCK, NO, YES, Case, at, case, during

# What a set changes against the library, and why it has it: see docs/rules-library.md.
CHANGED_VALUES = {
    "interstate": {"dv_flow": 15.0, "t_flow": 0.1},
    "intersection": {"t_stop": 3.0, "d_zone": 1.0},
    "navsim-parity": {"t_lk": 1.9},
}
CHANGED_LEVELS = {"interstate": {"no_reversing": 1}}
ALTERNATIVES = [
    {"no_collision", "no_at_fault_collision"},
    {"safe_distance", "time_gap", "following_gap_r157", "rss_longitudinal"},
    {"wrong_way", "wrong_way_distance"},
    {"no_standing", "not_stuck"},
    {"lane_centering", "lane_inside"},
]
CASES = [(id_, word) for id_ in PAIRS for word in ("keep", "broken")]


@pytest.mark.parametrize(("id_", "word"), CASES)
def test_a_rule_gives_the_robustness_of_its_trace(id_: str, word: str) -> None:
    given: Case = getattr(PAIRS[id_], word)
    rule = BY_ID[id_]
    value = rho(LIBRARY, rule.formula, given.signals)[0]
    assert value == pytest.approx(given.rho, abs=1e-9)
    assert (value >= 0) == (word == "keep")


@pytest.mark.parametrize("id_", PAIRS)
def test_rtamt_reads_every_formula_the_same_way(id_: str) -> None:
    formula = BY_ID[id_].formula
    for given in (PAIRS[id_].keep, PAIRS[id_].broken):
        expected = reference_robustness(LIBRARY.bound(formula), trace(formula, given.signals))
        np.testing.assert_allclose(rho(LIBRARY, formula, given.signals), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("id_", PAIRS)
def test_traces_are_about_their_rule(id_: str) -> None:
    rule = BY_ID[id_]
    read = names(rule.formula) | (names(rule.applies) if rule.applies else set())
    for given in (PAIRS[id_].keep, PAIRS[id_].broken):
        assert given.signals.keys() & read
        for name, values in given.signals.items():
            assert CATALOG[name].low <= values.min() <= values.max() <= CATALOG[name].high, name
            assert CATALOG[name].kind == "number" or set(np.abs(values)) == {FLAG_VALUE}, name


@pytest.mark.parametrize("id_", PAIRS)
def test_no_rule_is_broken_where_nothing_happens(id_: str) -> None:
    assert rho(LIBRARY, BY_ID[id_].formula, {})[0] >= 0


def test_the_library_has_66_rules_on_five_levels() -> None:
    assert {rule.id for rule in LIBRARY.rules} == PAIRS.keys()
    assert [sum(rule.level == level for rule in LIBRARY.rules) for level in range(5)] == [3, 23, 22, 14, 4]


@pytest.mark.parametrize("name", (*SETS, "library"))
def test_sets_read_signals_of_the_catalog_in_matching_units(name: str) -> None:
    rules = load(name)  # the loader refuses signals that are not in the catalog, and sums of unlike units
    assert rules.name == name
    assert not rules.warnings
    assert rules.signals.keys() <= CATALOG.keys()
    assert all(rule.description and rule.source for rule in rules.rules)
    assert all(parameter.loosen and parameter.low < parameter.high for parameter in rules.parameters.values())


@pytest.mark.parametrize(
    ("right", "wrong", "reason"),
    [("rho: {value: 1, unit: s", "rho: {value: 1, unit: m", "rho"), ("rss_margin", "rss_mragin", "rss_mragin")],
    ids=["a unit", "a name"],
)
def test_a_set_with_a_slip_is_refused(tmp_path: Path, right: str, wrong: str, reason: str) -> None:
    text = (RULES / "rss.yaml").read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "slip.yaml").write_text(text.replace(right, wrong), encoding="utf-8")
    with pytest.raises(StlError, match=reason):
        load_rules(tmp_path / "slip.yaml", SIGNALS)


@pytest.mark.parametrize("name", SETS)
def test_sets_repeat_the_library_but_for_what_they_are_known_to_change(name: str) -> None:
    rules = load(name)
    for rule in rules.rules:
        ours = BY_ID[rule.id]
        assert (rule.formula, rule.applies, rule.scale) == (ours.formula, ours.applies, ours.scale), rule.id
        assert (rule.description, rule.source) == (ours.description, ours.source), rule.id
    levels = {rule.id: rule.level for rule in rules.rules if rule.level != BY_ID[rule.id].level}
    assert levels == CHANGED_LEVELS.get(name, {})
    values = {}
    for parameter in rules.parameters.values():
        known = LIBRARY.parameters[parameter.name]
        assert (parameter.unit, parameter.low, parameter.high) == (known.unit, known.low, known.high), parameter.name
        assert known.loosen in (parameter.loosen, "none"), parameter.name
        if parameter.value != known.value:
            values[parameter.name] = parameter.value
    assert values == CHANGED_VALUES.get(name, {})


@pytest.mark.parametrize("name", SETS)
def test_no_set_counts_the_same_thing_twice(name: str) -> None:
    ids = {rule.id for rule in load(name).rules}
    assert all(len(ids & group) <= 1 for group in ALTERNATIVES)


def test_urban_has_every_rule_about_harm_danger_and_right_of_way() -> None:
    left_out = {"no_collision", "safe_distance", "wrong_way_distance"}  # alternatives of rules that are in
    grave = {rule.id for rule in LIBRARY.rules if rule.level <= 1}
    assert grave - {rule.id for rule in load("urban-de").rules} == left_out


def value_in(name: str, id_: str, given: Case) -> float:
    """Robustness of a rule of a set at the start of a trace."""
    rules = load(name)
    formula = next(rule.formula for rule in rules.rules if rule.id == id_)
    return float(rho(rules, formula, given.signals)[0])


@pytest.mark.parametrize(
    "given",
    [
        case(0.5 - 0.2, lane_keep_due=YES, lane_offset=during(2.0, 3.9, 0.8, 0.2)),
        case(0.5 - 0.8, lane_keep_due=YES, lane_offset=during(2.0, 4.0, 0.8, 0.2)),
    ],
    ids=["19 samples", "20 samples"],
)
def test_navsim_tolerates_19_samples_off_the_middle(given: Case) -> None:
    assert value_in("navsim-parity", "lane_centering", given) == pytest.approx(given.rho)


def test_the_stop_of_the_intersection_set_lasts_three_seconds_within_a_metre() -> None:
    def stop(end: float, before: float) -> Case:
        """Stands from 1.0 s to ``end``, that far before the line, and crosses it half a second later."""
        return case(
            0.1,
            speed=during(1.0, end + 0.1, 0.0, 2.0),
            stop_line_distance=np.interp(CLOCK, [0.0, 1.0, end, end + 0.4], [4.0, before, before, 0.0]),
            stop_line_cross=at(round(end + 0.5, 1)),
        )

    assert value_in("intersection", "stop_sign", stop(4.0, 0.5)) == pytest.approx(0.1)
    assert value_in("intersection", "stop_sign", stop(3.9, 0.5)) < 0
    assert value_in("intersection", "stop_sign", stop(4.0, 1.5)) < 0
    assert value_in("urban-de", "stop_sign", stop(2.0, 1.5)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "given",
    [
        case(5.0 + 15.0 - 13.9, speed=5.0, flow_speed=13.9),
        case(20.0 + 15.0 - 36.0, speed=during(2.0, 2.2, 20.0, 30.0), flow_speed=36.0),
    ],
    ids=["slow", "too slow for two samples"],
)
def test_the_flow_of_the_interstate_set_has_much_room_and_no_grace(given: Case) -> None:
    assert value_in("interstate", "traffic_flow", given) == pytest.approx(given.rho)


@pytest.mark.parametrize(
    ("id_", "distance"), [("safe_distance", 10.6), ("following_gap_r157", 34.4), ("rss_longitudinal", 70.5)]
)
def test_distance_asked_at_20_behind_18_metres_a_second(id_: str, distance: float) -> None:
    follow = case(30.0 - distance, has_lead=YES, lead_gap=30.0, speed=20.0, lead_speed=18.0)
    assert value_in("library", id_, follow) == pytest.approx(follow.rho, abs=0.05)


def polarities() -> list[tuple[str, str, str]]:
    return [
        (rule.id, name, parameter.loosen)
        for rule in LIBRARY.rules
        for name in sorted(names(rule.formula) & LIBRARY.parameters.keys())
        if (parameter := LIBRARY.parameters[name]).loosen in ("up", "down")
    ]


def random_traces(seed: int) -> dict[str, Tensor]:
    """Thirty traces of every signal, half near the neutral value and half anywhere; nobody drives backwards."""
    random = np.random.default_rng(seed)
    found = {"clock": np.broadcast_to(CLOCK, (30, 60)).copy()}
    for name, signal in CATALOG.items():
        if name == "clock":
            continue
        if signal.kind == "flag":
            found[name] = np.where(random.random((30, 60)) < random.random((30, 1)), YES, NO)
        else:
            low = max(signal.low, 0.0) if name == "speed" else signal.low
            wide = random.uniform(low, signal.high, (30, 60))
            near = np.clip(random.normal(0.0, 3.0, (30, 60)), low, signal.high)
            found[name] = np.where(random.random((30, 1)) < 0.5, wide, near)
    return {name: torch.from_numpy(values) for name, values in found.items()}


TRACES = random_traces(7)


@pytest.mark.parametrize(("id_", "name", "loosen"), polarities())
def test_parameters_loosen_in_the_direction_they_say(id_: str, name: str, loosen: str) -> None:
    parameter = LIBRARY.parameters[name]
    values = np.linspace(parameter.low, parameter.high, 4)
    if parameter.unit == "s":
        values = np.unique(np.round(values, 1).clip(parameter.low, parameter.high))
    results = []
    for value in values:
        rules = LIBRARY.with_values({name: float(value)})
        results.append(robustness(rules.bound(BY_ID[id_].formula), TRACES)[:, 0])
    steps = torch.diff(torch.stack(results), dim=0)
    steps = torch.nan_to_num(steps, 0.0)  # inf to inf: a window that lies before the trace
    assert (steps >= -1e-9).all() if loosen == "up" else (steps <= 1e-9).all()
