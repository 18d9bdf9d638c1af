"""Formula text cut into tokens: words, numbers and symbols, with the words that cannot name a signal."""

import re
from typing import NamedTuple

from stl.errors import StlError

# Kind of token by spelling; what stands on one line means the same.
KINDS: dict[str, str] = {
    "not": "NOT", "!": "NOT",
    "and": "AND", "&": "AND",
    "or": "OR", "|": "OR",
    "implies": "IMPLIES", "->": "IMPLIES",
    "iff": "IFF", "<->": "IFF",
    "xor": "XOR",
    "always": "UNARY", "G": "UNARY",
    "eventually": "UNARY", "F": "UNARY",
    "historically": "UNARY", "H": "UNARY",
    "once": "UNARY", "O": "UNARY",
    "until": "BINARY", "U": "BINARY",
    "since": "BINARY", "S": "BINARY",
    "unless": "BINARY", "W": "BINARY",
    "prev": "STEP", "Y": "STEP",
    "next": "STEP", "X": "STEP",
    "s_prev": "STRONG", "sY": "STRONG",
    "s_next": "STRONG", "sX": "STRONG",
    "rise": "EDGE", "fall": "EDGE",
    "abs": "FUNCTION", "sqrt": "FUNCTION", "exp": "FUNCTION", "pow": "POW",
    "s": "UNIT", "ms": "UNIT", "us": "UNIT", "ns": "UNIT",
    "<": "COMPARE", "<=": "COMPARE", ">": "COMPARE", ">=": "COMPARE",
    "==": "COMPARE", "!=": "COMPARE", "!==": "COMPARE",
    "+": "PLUS", "-": "MINUS", "*": "TIMES", "/": "TIMES",
    "(": "_OPEN", ")": "_CLOSE", "[": "_LEFT", "]": "_RIGHT", ",": "_COMMA", ":": "_COLON",
}  # fmt: skip

# The long word for a short form or a second spelling.
LONG: dict[str, str] = {
    "!": "not", "&": "and", "|": "or", "->": "implies", "<->": "iff", "!==": "!=",
    "G": "always", "F": "eventually", "H": "historically", "O": "once", "U": "until", "S": "since", "W": "unless",
    "Y": "prev", "X": "next", "sY": "s_prev", "sX": "s_next",
}  # fmt: skip

# What a misspelt word is compared with.
OPERATORS = frozenset(w for w, kind in KINDS.items() if w.isidentifier() and w not in LONG and kind != "UNIT")

# Words that rtamt keeps for itself: a formula with such a signal could not be printed for it.
RTAMT_WORDS = (
    "topic", "import", "input", "output", "internal", "const", "assertion", "specification", "from", "ps",
    "real", "float", "long", "complex", "int", "bool",
)  # fmt: skip
RESERVED: dict[str, str] = {
    **dict.fromkeys(RTAMT_WORDS, "a reserved word of rtamt"),
    **dict.fromkeys(("true", "false", "TRUE", "FALSE"), "reserved; compare a flag with a number, as in flag > 0"),
    **dict.fromkeys(("inf", "nan"), "reserved; for the whole recording leave the interval out"),
    "time": "reserved for the time axis",
}

# Symbols of other languages, and what to write here.
FOREIGN: dict[str, str] = {
    "&&": "and", "||": "or", "=>": "implies", "<=>": "iff", "**": "pow(a, b)", "^": "pow(a, b)", "=": "==", "~": "not",
    "∧": "and", "∨": "or", "¬": "not", "→": "implies", "↔": "iff", "≤": "<=", "≥": ">=", "≠": "!=", "−": "-",
    "□": "always", "◇": "eventually", "//": "/", "<>": "!=",
}  # fmt: skip

_SHAPES = re.compile(
    r"(?P<space>\s+)|(?P<word>[A-Za-z_][A-Za-z_0-9]*)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<foreign>&&|\|\||=>|<=>|\*\*|//|<>|=(?!=)|[\^~∧∨¬→↔≤≥≠−□◇])"
    r"|(?P<symbol><->|->|<=|>=|!==|!=|==|[-+*/<>!&|()\[\],:])"
)


class Piece(NamedTuple):
    """A token: kind (a value of :data:`KINDS`, ``NAME``, ``NUMBER`` or ``$END``), spelling and index in the text."""

    kind: str
    word: str
    position: int


def tokenize(text: str) -> list[Piece]:
    """The tokens of a formula, in order, with ``$END`` last; :class:`StlError` at a character that means nothing."""
    pieces: list[Piece] = []
    position = 0
    while position < len(text):
        match = _SHAPES.match(text, position)
        if match is None:
            character = text[position]
            if character == "." and pieces and pieces[-1].kind == "NAME":
                raise StlError("a name has no '.': use letters, digits and underscores", text, position)
            raise StlError(f"the character {character!r} has no meaning in a formula", text, position)
        word = match.group()
        shape = match.lastgroup
        if shape == "foreign":
            raise StlError(f"'{word}' has no meaning in a formula", text, position, FOREIGN[word])
        if shape == "word" and word in RESERVED:
            raise StlError(f"'{word}' is {RESERVED[word]}", text, position)
        if shape == "number":
            pieces.append(Piece("NUMBER", word, position))
        elif shape != "space":
            pieces.append(Piece(KINDS.get(word, "NAME"), word, position))
        position = match.end()
    pieces.append(Piece("$END", "", len(text)))
    return pieces
