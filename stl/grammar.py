"""Text to formula: rtamt's language with the arithmetic of mathematics.

From the loosest to the tightest, with what stands on one line binding alike:

==============================  ======================================================================
``iff xor``                     do not chain
``implies``                     does not chain
``or``                          left to right
``and``                         left to right
``until since unless``          do not chain; an interval may follow the word
``not always eventually``       prefixes, with ``once historically prev next``; an interval may follow the four
                                temporal words
``< <= > >= == !=``             do not chain
``+ -``                         left to right
``* /``                         left to right
``-x``
``f(x)``                        ``abs sqrt exp pow(x, y) rise fall``
==============================  ======================================================================

Where rtamt 0.4.10 reads a chain in a way that surprises, the chain is refused with a sentence that asks for
parentheses: it reads ``a implies b implies c`` as ``(a implies b) implies c`` and ``a < b < c`` as ``(a < b) < c``.
Everything else that both accept means the same in both, except arithmetic, where rtamt 0.4.10 is wrong:
``10 - x + y`` is 10 - (x + y) there and ``x / y * z`` is x / (y * z).

Other spellings of rtamt are understood: ``! & | -> <-> !==``, ``G F H O U S W Y X``, ``s_prev`` and ``s_next`` (the
strong neighbours, which become ``not prev not`` and ``not next not``). Intervals are ``[a:b]`` or ``[a, b]``; a bound
is a number in s, ms, us or ns, or a parameter in seconds. A first bound without a unit takes the unit of the second, as
in rtamt; without any unit bounds are seconds.
"""

from decimal import Decimal
from functools import cache, lru_cache
from typing import NamedTuple

from lark import Lark, Token, Transformer, UnexpectedToken, v_args

from stl.diagnosis import explain
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
)
from stl.tokens import LONG, Piece, tokenize

MAX_DEPTH = 200  # of nesting; trees are walked recursively

_GRAMMAR = """
?formula: implication | implication (IFF | XOR) implication -> boolean
?implication: disjunction | disjunction IMPLIES disjunction -> boolean
?disjunction: conjunction | disjunction OR conjunction -> boolean
?conjunction: until | conjunction AND until -> boolean
?until: prefix | prefix BINARY [interval] prefix -> binary
?prefix: comparison
    | NOT prefix -> negation
    | UNARY [interval] prefix -> unary
    | STEP prefix -> step
    | STRONG prefix -> strong
?comparison: sum | sum COMPARE sum -> comparison
?sum: product | sum (PLUS | MINUS) product -> arithmetic
?product: factor | product TIMES factor -> arithmetic
?factor: NUMBER -> number | signed
?signed: operand | MINUS NUMBER -> negative | MINUS signed -> negate
?operand: NAME -> name
    | _OPEN formula _CLOSE
    | FUNCTION _OPEN formula _CLOSE -> function
    | POW _OPEN formula _COMMA formula _CLOSE -> power
    | EDGE _OPEN formula _CLOSE -> step
interval: _LEFT bound (_COLON | _COMMA) bound _RIGHT
bound: [MINUS] (NUMBER | NAME) [UNIT]

%declare NOT AND OR IMPLIES IFF XOR UNARY BINARY STEP STRONG EDGE FUNCTION POW UNIT COMPARE PLUS MINUS TIMES NAME NUMBER
%declare _OPEN _CLOSE _LEFT _RIGHT _COMMA _COLON
"""

_SECONDS = {"s": Decimal(1), "ms": Decimal("1e-3"), "us": Decimal("1e-6"), "ns": Decimal("1e-9")}


class _Bound(NamedTuple):
    value: Decimal | str
    unit: str | None
    position: int


def _word(token: Token) -> str:
    return LONG.get(token, str(token))


def _finite(token: Token) -> float:
    value = float(token)
    if value == float("inf"):
        raise StlError("this number is too large", position=token.start_pos)
    return value


@v_args(inline=True)
class _Build(Transformer[Token, Formula]):
    """One method for each shape named in the grammar."""

    def boolean(self, left: Formula, op: Token, right: Formula) -> Formula:
        return Boolean(_word(op), left, right)

    def binary(self, left: Formula, op: Token, interval: Interval | None, right: Formula) -> Formula:
        return Binary(_word(op), interval, left, right)

    def negation(self, op: Token, operand: Formula) -> Formula:
        return Not(operand)

    def unary(self, op: Token, interval: Interval | None, operand: Formula) -> Formula:
        return Unary(_word(op), interval, operand)

    def step(self, op: Token, operand: Formula) -> Formula:
        return Step(_word(op), operand)

    def strong(self, op: Token, operand: Formula) -> Formula:
        return Not(Step(_word(op).removeprefix("s_"), Not(operand)))

    def comparison(self, left: Formula, op: Token, right: Formula) -> Formula:
        return Comparison(_word(op), left, right)

    def arithmetic(self, left: Formula, op: Token, right: Formula) -> Formula:
        return Arithmetic(_word(op), left, right)

    def number(self, token: Token) -> Formula:
        return Number(_finite(token))

    def negative(self, minus: Token, token: Token) -> Formula:
        return Number(-_finite(token))

    def negate(self, minus: Token, operand: Formula) -> Formula:
        return Function("-", operand)

    def name(self, token: Token) -> Formula:
        return Name(str(token))

    def function(self, name: Token, operand: Formula) -> Formula:
        return Function(_word(name), operand)

    def power(self, op: Token, base: Formula, exponent: Formula) -> Formula:
        return Arithmetic("pow", base, exponent)

    def bound(self, minus: Token | None, value: Token, unit: Token | None) -> _Bound:
        position = value.start_pos or 0
        if minus is not None:
            reason = f"the bound -{value} is negative; bounds count away from now, into the past for past operators"
            raise StlError(reason, position=minus.start_pos)
        if value.type == "NAME":
            if unit not in (None, "s"):
                raise StlError(f"the parameter '{value}' is in seconds and takes no unit", position=unit.start_pos)
            return _Bound(str(value), "s", position)
        return _Bound(Decimal(repr(_finite(value))), None if unit is None else str(unit), position)

    def interval(self, begin: _Bound, end: _Bound) -> Interval:
        if end.unit is None and begin.unit not in (None, "s"):
            raise StlError("the second bound needs a unit where the first has one", position=end.position)
        ends = [
            bound.value
            if isinstance(bound.value, str)
            else float(bound.value * _SECONDS[bound.unit or end.unit or "s"])
            for bound in (begin, end)
        ]
        first, last = ends
        if not isinstance(first, str) and not isinstance(last, str) and first > last:
            raise StlError(f"the interval [{first:g}:{last:g}] ends before it begins", position=begin.position)
        return Interval(first, last)


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, start="formula", parser="lalr", lexer="basic", transformer=_Build(), maybe_placeholders=True)


def _depth(formula: Formula) -> int:
    deepest, level = 0, [formula]
    while level:
        deepest += 1
        level = [child for node in level for child in node.children()]
    return deepest


@lru_cache(maxsize=4096)
def parse(text: str) -> Formula:
    """The formula that a text means; equal texts give the same object.

    Raises:
        StlError: The text is no formula; the error names the column.
    """
    pieces = tokenize(text)
    if len(pieces) == 1:
        raise StlError("the formula is empty")
    formula = _feed(text, pieces)
    if len(pieces) > MAX_DEPTH and _depth(formula) > MAX_DEPTH:
        raise StlError(f"the formula is nested more than {MAX_DEPTH} deep")
    return formula


def _feed(text: str, pieces: list[Piece]) -> Formula:
    state = _parser().parse_interactive()
    result = None
    for index, piece in enumerate(pieces):
        try:
            result = state.feed_token(Token(piece.kind, piece.word, piece.position))
        except UnexpectedToken:
            raise explain(text, pieces, index, state.accepts()) from None
        except StlError as error:
            raise StlError(error.reason, text, error.position) from None
    assert isinstance(result, Formula)
    return result
