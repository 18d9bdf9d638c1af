"""Rule files: what is wrong is said in one sentence, what is doubtful is a warning, what is right is read."""

import pickle
import random
from pathlib import Path

import pytest

from stl.errors import StlError
from stl.formula import Name, bind, names
from stl.grammar import parse
from stl.ranges import bounds, look_ahead
from stl.rules import RuleSet, load_rules
from stl.signals import SignalSpec
from stl.units import Unit, unit_of

DATA = Path(__file__).resolve().parents[1] / "data"
BAD = sorted((DATA / "rules_bad").glob("*.yaml"))
BASE = DATA / "rules_good" / "base.yaml"
CATALOG = {
    spec.name: spec
    for spec in (
        SignalSpec("clock", "s", 0.0),
        SignalSpec("speed", "m/s", -10.0, 70.0),
        SignalSpec("accel_lon", "m/s2", -12.0, 8.0),
        SignalSpec("yaw_rate", "rad/s", -1.5, 1.5),
        SignalSpec("heading_error", "rad", -3.2, 3.2),
        SignalSpec("clearance", "m", -5.0, 50.0),
        SignalSpec.flag("has_lead"),
    )
}


def written(folder: Path, rules: str, parameters: str = "", more: str = "") -> Path:
    """A rule file for the catalogue above; ``rules`` are formulas, one a line."""
    path = folder / "rules.yaml"
    entries = "".join(f"  - {{id: rule_{index}, formula: '{text}'}}\n" for index, text in enumerate(rules.split("\n")))
    head = f"parameters:\n{parameters}" if parameters else ""
    path.write_text(f"schema: rules/1\nname: test\n{more}{head}rules:\n{entries}")
    return path


def load(folder: Path, rules: str, parameters: str = "", scene: float | None = None) -> RuleSet:
    return load_rules(written(folder, rules, parameters), CATALOG, scene)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_one_sentence(path: Path) -> None:
    with pytest.raises(StlError) as caught:
        load_rules(path)
    sentence = caught.value.sentence
    assert sentence.replace(f"{path.parent}/", "") == path.with_suffix(".txt").read_text().strip()
    assert "\n" not in sentence


def test_every_bad_file_has_its_sentence_and_there_are_many() -> None:
    assert len(BAD) >= 30
    assert {path.stem for path in BAD} == {path.stem for path in (DATA / "rules_bad").glob("*.txt")}


def test_no_damage_to_a_file_ends_in_anything_but_a_sentence(tmp_path: Path) -> None:
    generator, path, text = random.Random(4), tmp_path / "damaged.yaml", BASE.read_text()
    refused = 0
    for _ in range(300):
        letters = list(text)
        for _ in range(generator.randint(1, 4)):
            index = generator.randrange(len(letters))
            letters[index] = generator.choice(["", *"{}[]:,-'\"&*!|>%@`#\n\t 01abc()<="])
        path.write_text("".join(letters))
        try:
            load_rules(path)
        except StlError as error:
            refused += 1
            assert "\n" not in error.sentence
    assert refused > 100


def test_files_that_are_no_text_or_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00name")
    for name in ("binary.yaml", "missing.yaml", "."):
        with pytest.raises(StlError, match="rule file"):
            load_rules(tmp_path / name)


# --- what is read


def test_a_good_file_is_read_whole() -> None:
    rules = load_rules(BASE)
    assert (rules.name, rules.warnings, [rule.id for rule in rules.rules]) == ("demo", (), ["time_gap"])
    rule, parameter = rules.rules[0], rules.parameters["t_gap"]
    assert (rule.level, rule.applies, names(rule.formula)) == (
        1,
        parse("has_lead > 0"),
        {"has_lead", "lead_gap", "speed", "t_gap"},
    )
    assert (parameter.value, parameter.unit, parameter.low, parameter.high) == (0.9, "s", 0.3, 3.0)
    assert (rules.signals["has_lead"].kind, rules.signals["lead_gap"].high) == ("flag", 150.0)


def test_a_set_can_be_sent_to_another_process() -> None:
    rules = load_rules(BASE).with_values({"t_gap": 1.0})
    assert pickle.loads(pickle.dumps(rules)) == rules  # noqa: S301 - our own bytes


def test_what_counts_as_clearly_broken_follows_the_unit() -> None:
    normal = [SignalSpec("x", unit).normal for unit in ("m/s2", "m/s^2", "rad", "1", "kg")]
    assert normal == [2.0, 2.0, 0.3, 0.2, 1.0]
    assert SignalSpec("x", "m", scale=10.0).normal == 10.0
    assert SignalSpec.flag("x").normal == 1000.0


def test_parameters_are_bound_and_can_be_changed_within_their_range() -> None:
    rules = load_rules(BASE)
    formula = rules.rules[0].formula
    assert rules.bound(formula) == bind(formula, {"t_gap": 0.9})
    assert rules.with_values({"t_gap": 2.0}).bound(formula) == bind(formula, {"t_gap": 2.0})
    assert rules.parameters["t_gap"].value == 0.9
    with pytest.raises(StlError, match="out of its range"):
        rules.with_values({"t_gap": 9.0})
    with pytest.raises(StlError, match="did you mean 't_gap'"):
        rules.with_values({"t_gp": 1.0})


def test_a_file_includes_another_with_other_values(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE.read_text())
    path = tmp_path / "more.yaml"
    path.write_text(
        "schema: rules/1\nname: more\ninclude:\n  - {file: base.yaml, parameters: {t_gap: 1.8}}\n"
        "rules:\n  - {id: slow, formula: always (speed < 9)}\n"
    )
    rules = load_rules(path, CATALOG)
    assert [rule.id for rule in rules.rules] == ["time_gap", "slow"]
    assert rules.parameters["t_gap"].value == 1.8
    path.write_text(path.read_text().replace("id: slow", "id: time_gap"))
    with pytest.raises(StlError, match="'time_gap' is there twice"):
        load_rules(path, CATALOG)


def test_signals_come_from_the_catalogue_and_from_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "always (speed > wind)", more="signals:\n  wind: {unit: m/s}\n")
    assert set(load_rules(path, CATALOG).signals) == {"speed", "wind"}
    with pytest.raises(StlError, match="no signal or parameter 'speed'"):
        load_rules(path)


def test_the_signals_of_the_file_count_where_the_catalogue_says_otherwise(tmp_path: Path) -> None:
    rules = load_rules(written(tmp_path, "always (speed > 0)", more="signals:\n  speed: {unit: km/h}\n"), CATALOG)
    assert rules.signals["speed"].unit == "km/h"
    assert rules.warnings == ("signal 'speed' is in km/h in this file, elsewhere in m/s",)


@pytest.mark.parametrize("short", ["[x, y]", "[{name: x, unit: m}, {name: y, unit: m}]", "{x: m, y: m}", "{x: , y: }"])
def test_signals_can_be_declared_in_short(short: str, tmp_path: Path) -> None:
    assert set(load_rules(written(tmp_path, "x > y", more=f"signals: {short}\n")).signals) == {"x", "y"}


def test_horizons_follow_the_parameters(tmp_path: Path) -> None:
    rules = load(tmp_path, "always[0:1] (once[0:9] (eventually[0:t] (speed > 0)))", "  t: {value: 2, unit: s}\n")
    assert rules.horizon(rules.rules[0]) == 3.0
    assert rules.with_values({"t": 3.0}).horizon(rules.rules[0]) == 4.0


# --- warnings


@pytest.mark.parametrize(
    ("formula", "warning"),
    [
        ("always (speed < 80)", "is true whatever the signals are"),
        ("always (clearance > 60)", "is false whatever the signals are"),
        ("always ((speed < 80) or (clearance > 0))", "is true whatever the signals are"),
        ("eventually[0:2] (not (abs(heading_error) <= 4))", "is false whatever the signals are"),
        ("3 > 2", "is true whatever the signals are"),
    ],
)
def test_a_rule_that_is_constant_is_a_warning(formula: str, warning: str, tmp_path: Path) -> None:
    (found,) = load(tmp_path, formula).warnings
    assert warning in found


@pytest.mark.parametrize(
    "formula",
    [
        "always (speed < 60)",
        "always ((has_lead > 0) implies (clearance > 1))",
        "always ((clock + 0.05) < 4 or once[0:4] speed > 1)",
        "always ((speed * speed) <= (2 * clearance * accel_lon))",
        "rise(speed - 3)",
        "(speed > 80) until[0:2] (clearance > 1)",
        "(clearance / speed) > 3",
        "prev (speed > 0)",
    ],
)
def test_a_rule_that_can_be_kept_and_broken_is_no_warning(formula: str, tmp_path: Path) -> None:
    assert load(tmp_path, formula).warnings == ()


def test_a_rule_that_looks_further_than_the_scene_is_a_warning(tmp_path: Path) -> None:
    formula = "always (eventually[0:5] (speed > 1))"
    assert load(tmp_path, formula, scene=6.0).warnings == ()
    (found,) = load(tmp_path, formula, scene=4.0).warnings
    assert found == "rule 'rule_0' looks 5 s ahead, further than a scene of 4 s"


def test_a_parameter_that_no_rule_reads_is_a_warning(tmp_path: Path) -> None:
    (found,) = load(tmp_path, "speed > 0", "  spare: {value: 2}\n").warnings
    assert found == "parameter 'spare' is not used by any rule"


# --- units


@pytest.mark.parametrize(
    "formula",
    [
        "abs(speed * yaw_rate) <= 4 and (speed * yaw_rate - accel_lon) > 0",
        "clearance >= speed * speed / (2 * accel_lon) + speed * clock",
        "sqrt(clearance * accel_lon) > speed",
        "pow(speed, 2) <= 2 * accel_lon * clearance",
        "heading_error <= 0.2",
        "exp(heading_error) > 1",
        "speed / clearance > 1 / clock",
        "-speed < 3 - speed",
    ],
)
def test_units_are_calculated_with(formula: str) -> None:
    units = {name: spec.measure for name, spec in CATALOG.items()}
    assert unit_of(parse(formula), units) is None


def test_a_number_that_must_have_a_unit_is_a_warning(tmp_path: Path) -> None:
    (found,) = load(tmp_path, "clearance >= 1.8 * speed").warnings
    assert "clearance [m] is compared with 1.8 * speed [m/s]" in found and "parameter" in found
    assert load(tmp_path, "clearance >= t * speed", "  t: {value: 1.8, unit: s}\n").warnings == ()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("m/s2", "m/s^2", True),
        ("m/s/s", "m/s2", True),
        ("1", "rad", True),
        ("N*m", "m*N", True),
        ("1/s", "s-1", True),
        ("m", "km", False),
        ("m/s", "m/s2", False),
        ("flag", "1", False),
    ],
)
def test_units_are_compared_by_meaning(one: str, other: str, same: bool) -> None:
    assert (Unit.parse(one) == Unit.parse(other)) is same


@pytest.mark.parametrize("text", ["", "m s", "m//s", "2", "m/", "m^x", "§"])
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(StlError, match="is not understood"):
        Unit.parse(text)


def test_bounds_hold_every_value() -> None:
    generator = random.Random(7)
    ranges = {"a": (-2.0, 3.0), "b": (0.5, 4.0)}
    texts = [
        "a * b - a", "abs(a) / b", "pow(a, 2)", "pow(b, a)", "a / (a + 5)", "sqrt(b) - exp(a)", "a == b", "a != b",
        "(a > 1) xor (b > 1)", "(a > 1) iff (b > 1)", "(a > 1) implies (b > 1)", "not (a < b)", "pow(a, 3) > b",
    ]  # fmt: skip
    for text in texts:
        formula = parse(text)
        low, high = bounds(formula, ranges)
        for _ in range(200):
            values = {name: generator.uniform(*span) for name, span in ranges.items()}
            exact, same = bounds(formula, {name: (value, value) for name, value in values.items()})
            assert exact == pytest.approx(same)
            assert low - 1e-9 <= exact <= high + 1e-9, text
    assert look_ahead(Name("a")) == 0.0
