"""What is wrong with a formula text, in words."""

from collections.abc import Set

from stl.errors import StlError, closest
from stl.tokens import LONG, OPERATORS, Piece

_OPERAND = "a signal, a number or '('"
_PREFIXES = ("NOT", "UNARY", "STEP", "STRONG")
_FUNCTIONS = "the functions are abs, sqrt, exp, pow, rise and fall"


def explain(text: str, pieces: list[Piece], index: int, accepts: Set[str]) -> StlError:
    """The error for a token that the grammar does not allow.

    Args:
        text: The formula.
        pieces: Its tokens, ``$END`` last.
        index: The token that does not fit.
        accepts: Kinds of tokens that would have fitted.
    """
    found = pieces[index]
    before = pieces[index - 1] if index else Piece("$START", "", 0)
    bracket = _unclosed(pieces[:index], "_LEFT", "_RIGHT")
    if bracket is not None:
        return _in_interval(text, found, before, bracket)
    if before.kind in ("FUNCTION", "POW", "EDGE"):
        example = f"{before.word}(a, b)" if before.kind == "POW" else f"{before.word}(a)"
        return StlError(f"'{before.word}' needs parentheses, as in {example}", text, found.position)
    misspelt = _misspelt(text, found, before)
    if misspelt is not None:
        return misspelt
    if "NAME" in accepts:
        reason = _at_operand(found, before, pieces[min(index + 1, len(pieces) - 1)], accepts)
        if reason is None and _short(before):
            return StlError(_not_a_name(before), text, before.position)
        return StlError(reason or _expected(_OPERAND, found), text, found.position)
    return _after_operand(text, pieces, index, accepts)


def _unclosed(pieces: list[Piece], opening: str, closing: str) -> Piece | None:
    """The last bracket that is still open."""
    stack = []
    for piece in pieces:
        if piece.kind == opening:
            stack.append(piece)
        elif piece.kind == closing and stack:
            stack.pop()
    return stack[-1] if stack else None


def _expected(what: str, found: Piece) -> str:
    if found.kind == "$END":
        return f"the formula ends where {what} is expected"
    return f"expected {what}, found '{found.word}'"


def _short(piece: Piece) -> bool:
    """Whether a token is a letter that stands for an operator."""
    return piece.word in LONG and piece.word.isalpha()


def _not_a_name(piece: Piece) -> str:
    if piece.kind == "UNIT":
        return f"'{piece.word}' is a unit of time and cannot name a signal"
    if _short(piece):
        return f"'{piece.word}' is short for '{LONG[piece.word]}' and cannot name a signal"
    return f"'{piece.word}' is an operator and cannot name a signal"


def _in_interval(text: str, found: Piece, before: Piece, bracket: Piece) -> StlError:
    if found.kind == "$END":
        return StlError("the '[' is never closed", text, bracket.position)
    if before.kind in ("NUMBER", "NAME") and found.kind == "NAME":
        return StlError(f"'{found.word}' is not a unit of time; the units are s, ms, us and ns", text, found.position)
    if before.kind in ("_LEFT", "_COLON", "_COMMA", "MINUS") and found.word.isidentifier():
        return StlError(_not_a_name(found).replace("signal", "parameter"), text, found.position)
    reason = f"an interval is [begin:end] with numbers or parameters, '{found.word}' does not fit here"
    return StlError(reason, text, found.position)


def _misspelt(text: str, found: Piece, before: Piece) -> StlError | None:
    """Names that stand where only an operator or a function can."""
    if before.kind == "NAME" and found.kind in ("_OPEN", "_LEFT"):
        what = "function or operator" if found.kind == "_OPEN" else "temporal operator"
        suggestion = closest(before.word, OPERATORS)
        hint = "" if suggestion or found.kind == "_LEFT" else f"; {_FUNCTIONS}"
        return StlError(f"there is no {what} '{before.word}'{hint}", text, before.position, suggestion)
    if found.kind == "NAME" and before.kind != "$START":
        candidates = (before, found) if before.kind == "NAME" else (found,)
        for piece in candidates:
            suggestion = closest(piece.word, OPERATORS)
            if suggestion:
                return StlError(f"there is no operator '{piece.word}'", text, piece.position, suggestion)
    return None


def _at_operand(found: Piece, before: Piece, after: Piece, accepts: Set[str]) -> str | None:
    """Why a token cannot begin an operand; None where there is no more to say than what was expected."""
    begins = after.kind in ("NAME", "NUMBER", "MINUS", "_OPEN", "_LEFT", "FUNCTION", "POW", "EDGE", *_PREFIXES)
    if found.kind in _PREFIXES and begins:
        return f"put '{found.word}' and what follows it in parentheses"
    if found.kind == "UNIT" or _short(found):
        return _not_a_name(found)
    if found.kind == "PLUS":
        return "a number or a signal takes no sign '+'"
    if found.kind == before.kind == "TIMES":
        return "a power is written pow(a, b)"
    if before.kind == "_OPEN" and found.kind == "_CLOSE":
        return "there is nothing between '(' and ')'"
    return None


def _after_operand(text: str, pieces: list[Piece], index: int, accepts: Set[str]) -> StlError:
    found = pieces[index]
    opening = _unclosed(pieces[:index], "_OPEN", "_CLOSE")
    if found.kind == "$END" and opening is not None and "_CLOSE" in accepts:
        return StlError("the '(' is never closed", text, opening.position)
    operator = "'(' or an operator" if "_OPEN" in accepts else "an operator"
    return StlError(_chain(found, opening, accepts) or _expected(operator, found), text, found.position)


def _chain(found: Piece, opening: Piece | None, accepts: Set[str]) -> str | None:
    """Why a token cannot follow a complete operand; None where there is no more to say than what was expected."""
    word = LONG.get(found.word, found.word)
    if found.kind == "COMPARE":
        return "comparisons do not chain: write a < b and b < c"
    if found.kind == "IMPLIES":
        return "a chain of 'implies' is ambiguous: write (a implies b) implies c or a implies (b implies c)"
    if found.kind in ("IFF", "XOR", "BINARY"):
        return f"'{word}' in a chain is ambiguous: put parentheses around one side"
    if found.kind == "_CLOSE":
        return "'pow' takes two values, as in pow(a, b)" if "_COMMA" in accepts else "this ')' closes nothing"
    if found.kind == "_COMMA" and opening is not None:
        return "only 'pow' takes two values"
    if found.kind == "UNIT":
        return f"the unit '{found.word}' stands outside an interval"
    return None
