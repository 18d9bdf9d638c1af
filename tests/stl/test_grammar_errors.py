"""A text that is no formula is answered with one sentence that names the column and helps."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stl.errors import StlError, closest
from stl.grammar import parse
from stl.tokens import FOREIGN, KINDS, RESERVED

SENTENCES = {
    # names and words
    "alwais(x > 0)": "column 1: there is no function or operator 'alwais'; did you mean 'always'?",
    "x and evntually[0:1] y": "column 7: there is no temporal operator 'evntually'; did you mean 'eventually'?",
    "Always x > 0": "column 1: there is no operator 'Always'; did you mean 'always'?",
    "x > 0 adn y > 0": "column 7: there is no operator 'adn'; did you mean 'and'?",
    "x > 0 untill y > 0": "column 7: there is no operator 'untill'; did you mean 'until'?",
    "sqr(x) > 1": "column 1: there is no function or operator 'sqr'; did you mean 'sqrt'?",
    "min(x, y) > 0": "column 1: there is no function or operator 'min'; "
    "the functions are abs, sqrt, exp, pow, rise and fall.",
    "time > 3": "column 1: 'time' is reserved for the time axis.",
    "x > 0 and input > 0": "column 11: 'input' is a reserved word of rtamt.",
    "true": "column 1: 'true' is reserved; compare a flag with a number, as in flag > 0.",
    "G > 3": "column 1: 'G' is short for 'always' and cannot name a signal.",
    "x > G": "column 5: 'G' is short for 'always' and cannot name a signal.",
    "S > 3": "column 1: 'S' is short for 'since' and cannot name a signal.",
    "s > 3": "column 1: 's' is a unit of time and cannot name a signal.",
    "x.y > 0": "column 2: a name has no '.': use letters, digits and underscores.",
    # characters
    "x # y": "column 3: the character '#' has no meaning in a formula.",
    "x > 0; y > 0": "column 6: the character ';' has no meaning in a formula.",
    "x > 0 && y > 0": "column 7: '&&' has no meaning in a formula; did you mean 'and'?",
    "x = 3": "column 3: '=' has no meaning in a formula; did you mean '=='?",
    "x ≤ 3": "column 3: '≤' has no meaning in a formula; did you mean '<='?",
    "x ** 2 > 1": "column 3: '**' has no meaning in a formula; did you mean 'pow(a, b)'?",
    # order of words
    "x >": "column 4: the formula ends where a signal, a number or '(' is expected.",
    "and x": "column 1: expected a signal, a number or '(', found 'and'.",
    "x > > 1": "column 5: expected a signal, a number or '(', found '>'.",
    "x y": "column 3: expected an operator, found 'y'.",
    "x > 5 m": "column 7: expected an operator, found 'm'.",
    "x > 5 s": "column 7: the unit 's' stands outside an interval.",
    "x > +1": "column 5: a number or a signal takes no sign '+'.",
    "x > always y": "column 5: put 'always' and what follows it in parentheses.",
    "x not y": "column 3: expected an operator, found 'not'.",
    # chains
    "x > 0 > 1": "column 7: comparisons do not chain: write a < b and b < c.",
    "x implies y -> z": "column 13: a chain of 'implies' is ambiguous: "
    "write (a implies b) implies c or a implies (b implies c).",
    "x iff y xor z": "column 9: 'xor' in a chain is ambiguous: put parentheses around one side.",
    "x until y S z": "column 11: 'since' in a chain is ambiguous: put parentheses around one side.",
    # parentheses and arguments
    "(x > 0": "column 1: the '(' is never closed.",
    "x > 0)": "column 6: this ')' closes nothing.",
    "()": "column 2: there is nothing between '(' and ')'.",
    "pow(x) > 1": "column 6: 'pow' takes two values, as in pow(a, b).",
    "abs(x, y) > 1": "column 6: only 'pow' takes two values.",
    "abs x > 1": "column 5: 'abs' needs parentheses, as in abs(a).",
    "rise x": "column 6: 'rise' needs parentheses, as in rise(a).",
    "x, y": "column 2: expected an operator, found ','.",
    # intervals
    "always[2:1] x": "column 8: the interval [2:1] ends before it begins.",
    "always[1s:200ms] x": "column 8: the interval [1:0.2] ends before it begins.",
    "always[-1:1] x": "column 8: the bound -1 is negative; "
    "bounds count away from now, into the past for past operators.",
    "always[0:1min] x": "column 11: 'min' is not a unit of time; the units are s, ms, us and ns.",
    "always[100ms:1] x": "column 14: the second bound needs a unit where the first has one.",
    "always[0:t ms] x": "column 12: the parameter 't' is in seconds and takes no unit.",
    "always[0:inf] x": "column 10: 'inf' is reserved; for the whole recording leave the interval out.",
    "always[0:s] x": "column 10: 's' is a unit of time and cannot name a parameter.",
    "always[1] x": "column 9: an interval is [begin:end] with numbers or parameters, ']' does not fit here.",
    "once [0:1": "column 6: the '[' is never closed.",
    "1e999 > x": "column 1: this number is too large.",
    # places in longer texts
    "x > 1\nand and y": "line 2, column 5: expected a signal, a number or '(', found 'and'.",
    "": "the formula is empty.",
    " \n": "the formula is empty.",
}


@pytest.mark.parametrize("text", SENTENCES)
def test_a_bad_text_is_answered_with_a_sentence_that_names_the_column(text: str) -> None:
    with pytest.raises(StlError) as caught:
        parse(text)
    assert caught.value.sentence == SENTENCES[text]
    assert str(caught.value).startswith(SENTENCES[text])


def test_the_caret_stands_under_the_column() -> None:
    with pytest.raises(StlError) as caught:
        parse("x > 0 and\n  alwais (y)")
    assert str(caught.value).split("\n")[1:] == ["    alwais (y)", "    ^"]
    assert (caught.value.line, caught.value.column, caught.value.suggestion) == (2, 3, "always")


def test_of_a_long_text_only_the_part_around_the_caret_is_shown() -> None:
    with pytest.raises(StlError) as caught:
        parse("x > 0 and " * 100 + "alwais(y)" + " and z > 0" * 100)
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) < 110
    assert shown[caret.index("^") :].startswith("alwais")


def test_errors_are_value_errors_and_can_be_pickled() -> None:
    with pytest.raises(ValueError) as caught:
        parse("x = 3")
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert isinstance(copy, StlError) and str(copy) == str(caught.value)


def test_symbols_of_other_languages_are_named_with_ours() -> None:
    for symbol, ours in FOREIGN.items():
        with pytest.raises(StlError) as caught:
            parse(f"x {symbol} y")
        assert caught.value.suggestion == ours


def test_no_operator_unit_or_reserved_word_can_name_a_signal() -> None:
    words = [word for word in (*KINDS, *RESERVED) if word.isidentifier()]
    for text in [f"{word} > 3" for word in words] + [f"3 < {word}" for word in words]:
        with pytest.raises(StlError):
            parse(text)


def test_names_are_compared_without_case_and_far_ones_are_not_offered() -> None:
    assert closest("Lead_Gap", ["lead_gap", "lead_speed"]) == "lead_gap"
    assert closest("ledgap", ["lead_gap", "speed"]) == "lead_gap"
    assert closest("q", ["lead_gap", "speed"]) is None


@settings(deadline=None, max_examples=300)
@given(
    st.text(max_size=30)
    | st.lists(st.sampled_from([*KINDS, "x", "1", "0.5", "always[0:1]"]), max_size=12).map(" ".join)
)
def test_no_text_at_all_raises_anything_but_an_stl_error(text: str) -> None:
    try:
        parse(text)
    except StlError as error:
        assert error.sentence.rstrip(".?")
        assert error.column is not None or not text.strip()
