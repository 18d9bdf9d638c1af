"""Text means the same tree as in mathematics and in rtamt, and a printed formula reads back as it was."""

import pickle
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import example, given, settings

from stl.errors import StlError
from stl.formula import (
    Arithmetic,
    Binary,
    Boolean,
    Comparison,
    Formula,
    Function,
    Interval,
    Name,
    Not,
    Number,
    Step,
    Unary,
    bind,
    names,
)
from stl.grammar import MAX_DEPTH, parse
from stl.text import to_rtamt, to_text
from tests.stl.strategies import random_formula, shapes

A, B, C = Name("a"), Name("b"), Name("c")
LIBRARY = yaml.safe_load((Path(__file__).parents[1] / "data" / "rules_formulas.yaml").read_text())

TREES: dict[str, Formula] = {
    # arithmetic of mathematics
    "a - b + c": Arithmetic("+", Arithmetic("-", A, B), C),
    "a/b*c": Arithmetic("*", Arithmetic("/", A, B), C),
    "a + b * c": Arithmetic("+", A, Arithmetic("*", B, C)),
    "-a * b": Arithmetic("*", Function("-", A), B),
    "a - -b": Arithmetic("-", A, Function("-", B)),
    "a > -b": Comparison(">", A, Function("-", B)),
    "-2": Number(-2.0),
    "-(2)": Function("-", Number(2.0)),
    "a -1": Arithmetic("-", A, Number(1.0)),
    "2 * -3": Arithmetic("*", Number(2.0), Number(-3.0)),
    ".5": Number(0.5),
    "5.": Number(5.0),
    "1.5e-3": Number(0.0015),
    "2E+3": Number(2000.0),
    "pow(a, b + 1)": Arithmetic("pow", A, Arithmetic("+", B, Number(1.0))),
    "abs(a) > sqrt(exp(b))": Comparison(">", Function("abs", A), Function("sqrt", Function("exp", B))),
    # binding
    "not a > 0 and b": Boolean("and", Not(Comparison(">", A, Number(0.0))), B),
    "a or b and c": Boolean("or", A, Boolean("and", B, C)),
    "a and b implies c": Boolean("implies", Boolean("and", A, B), C),
    "a implies b iff c": Boolean("iff", Boolean("implies", A, B), C),
    "a and b and c": Boolean("and", Boolean("and", A, B), C),
    "a or b or c": Boolean("or", Boolean("or", A, B), C),
    "a and b until c": Boolean("and", A, Binary("until", None, B, C)),
    "always a and b": Boolean("and", Unary("always", None, A), B),
    "always eventually[0:1] not a": Unary("always", None, Unary("eventually", Interval(0.0, 1.0), Not(A))),
    "always a until b": Binary("until", None, Unary("always", None, A), B),
    "rise(a) > 0": Comparison(">", Step("rise", A), Number(0.0)),
    "prev (a) > 0": Step("prev", Comparison(">", A, Number(0.0))),
    "(a > b) + 1 > 0": Comparison(">", Arithmetic("+", Comparison(">", A, B), Number(1.0)), Number(0.0)),
    # other spellings
    "!a & b | c": Boolean("or", Boolean("and", Not(A), B), C),
    "a -> b": Boolean("implies", A, B),
    "a <-> b": Boolean("iff", A, B),
    "a !== b": Comparison("!=", A, B),
    "a != b": Comparison("!=", A, B),
    "G F H O a": Unary("always", None, Unary("eventually", None, Unary("historically", None, Unary("once", None, A)))),
    "a U[0:1] b": Binary("until", Interval(0.0, 1.0), A, B),
    "a S b": Binary("since", None, A, B),
    "a W[0,2] b": Binary("unless", Interval(0.0, 2.0), A, B),
    "X Y a": Step("next", Step("prev", A)),
    "s_prev a": Not(Step("prev", Not(A))),
    "sX a": Not(Step("next", Not(A))),
    "fall(a)": Step("fall", A),
    "always\n  a\t": Unary("always", None, A),
    # names that only begin like words
    "android": Name("android"),
    "G1": Name("G1"),
    "not_a": Name("not_a"),
    # intervals
    "always[0:200ms] a": Unary("always", Interval(0.0, 0.2), A),
    "always[100:200ms] a": Unary("always", Interval(0.1, 0.2), A),
    "always[0, 3s] a": Unary("always", Interval(0.0, 3.0), A),
    "always[100ms:0.2s] a": Unary("always", Interval(0.1, 0.2), A),
    "always[300000us:3e8ns] a": Unary("always", Interval(0.3, 0.3), A),
    "always [ 0 : t_end ] a": Unary("always", Interval(0.0, "t_end"), A),
    "always[t0:t1 s] a": Unary("always", Interval("t0", "t1"), A),
    "always[100ms:t] a": Unary("always", Interval(0.1, "t"), A),
    "always[0:1e-99999999999999999999] a": Unary("always", Interval(0.0, 0.0), A),
}


@pytest.mark.parametrize("text", TREES)
def test_text_means_what_mathematics_and_rtamt_say(text: str) -> None:
    assert parse(text) == TREES[text]


def test_two_hundred_milliseconds_are_the_same_number_as_a_fifth_of_a_second() -> None:
    for milliseconds in range(1, 5000):
        formula = parse(f"once[0:{milliseconds}ms] a")
        assert isinstance(formula, Unary) and formula.interval == Interval(0.0, milliseconds / 1000)


@settings(deadline=None, max_examples=300)
@given(shapes())
@example(Function("-", Number(3.0)))
@example(Function("-", Number(-3.0)))
@example(Arithmetic("-", Number(1.0), Number(-3.0)))
@example(Not(Comparison("<", Not(A), Function("-", Function("-", B)))))
@example(Boolean("and", A, Boolean("and", B, C)))
@example(Binary("until", None, Binary("until", None, A, B), Binary("since", None, B, C)))
def test_printed_text_reads_back_as_the_same_tree(formula: Formula) -> None:
    assert parse(to_text(formula)) == formula


def without_one_pair(text: str) -> list[str]:
    """The text without each pair of grouping parentheses in turn."""
    opened, found = [], []
    for index, character in enumerate(text):
        if character == "(":
            opened.append(index)
        elif character == ")":
            begin = opened.pop()
            if not begin or not (text[begin - 1].isalnum() or text[begin - 1] == "_"):
                found.append(text[:begin] + " " + text[begin + 1 : index] + " " + text[index + 1 :])
    return found


@settings(deadline=None, max_examples=100)
@given(shapes())
def test_no_printed_parenthesis_can_be_left_out(formula: Formula) -> None:
    for shorter in without_one_pair(to_text(formula)):
        with suppress(StlError):
            assert parse(shorter) != formula, shorter


def test_printing_is_stable_and_short() -> None:
    long_text = "always (((has_lead > 0) and (not (once[0:t] (cut_in > 0)))) implies (gap >= ((v * v) / (2 * b))))"
    short = "always (has_lead > 0 and not once[0:t] cut_in > 0 implies gap >= v * v / (2 * b))"
    assert to_text(parse(long_text)) == short
    assert to_text(parse(short)) == short


@pytest.mark.parametrize("rule", LIBRARY)
def test_every_rule_of_the_library_parses_and_prints(rule: str) -> None:
    formula = parse(LIBRARY[rule]["formula"])
    assert parse(to_text(formula)) == formula
    parameters = LIBRARY[rule]["parameters"]
    assert set(parameters) <= names(formula)
    assert not set(parameters) & names(bind(formula, parameters))


def test_there_are_66_rules_in_the_library() -> None:
    assert len(LIBRARY) == 66


def test_text_for_rtamt_has_every_node_in_parentheses() -> None:
    formula = parse("always[0:0.3] (x - 1 + y > -2) implies z unless not -x != 3")
    inner = "((always z) or (z until (not ((0 - x) !== 3))))"
    assert to_rtamt(formula) == f"((always[0:0.3] (((x - 1) + y) > (0 - 2))) implies {inner})"


def test_text_for_rtamt_has_bounds_without_the_noise_of_floats() -> None:
    formula = Unary("once", Interval(0.1 + 0.2, 3 * 0.7), A)
    assert to_rtamt(formula) == "(once[0.3:2.1] a)"


def test_text_for_rtamt_needs_numbers_in_intervals() -> None:
    with pytest.raises(StlError, match="the parameter 't_end' in an interval has no value"):
        to_rtamt(parse("always[0:t_end] a"))


def test_numbers_that_no_text_can_hold_are_refused() -> None:
    with pytest.raises(StlError, match="the number inf cannot be written"):
        to_text(Number(float("inf")))


def test_parsed_formulas_can_be_pickled_hashed_and_hold_plain_strings() -> None:
    formula = parse("always[0:t] (a > 0 -> once b)")
    assert pickle.loads(pickle.dumps(formula)) == formula  # noqa: S301
    assert hash(formula) == hash(parse("always[0:t]((a > 0) implies (once b))"))
    assert isinstance(formula, Unary) and isinstance(formula.interval, Interval)
    assert type(formula.op) is str and type(formula.interval.end) is str


def test_deep_nesting_is_refused_before_python_gives_up() -> None:
    text = "not " * (MAX_DEPTH - 1) + "a"
    assert parse(text)
    with pytest.raises(StlError, match=f"nested more than {MAX_DEPTH} deep"):
        parse("not " + text)
    with pytest.raises(StlError, match="nested"):
        parse(" and ".join(["a"] * 5000))
    assert parse("(" * 3000 + "a" + ")" * 3000) == A


def test_a_rule_is_parsed_in_less_than_a_millisecond() -> None:
    text = LIBRARY["time_gap"]["formula"]
    parse(text)
    times = []
    for _ in range(50):
        begin = time.process_time_ns()
        parse.__wrapped__(text)
        times.append(time.process_time_ns() - begin)
    assert min(times) < 1_000_000
    assert parse(text) is parse(text)  # kept, not parsed again


def test_random_formulas_of_the_strategies_read_back() -> None:
    rng = Random(0)
    for _ in range(300):
        formula = random_formula(rng, depth=4)
        assert parse(to_text(formula)) == formula
        parse(to_rtamt(formula))
