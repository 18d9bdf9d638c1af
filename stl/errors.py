"""The one error of this package: a sentence, the place in the text, and a name that was perhaps meant."""

from collections.abc import Iterable
from difflib import get_close_matches

WIDTH = 100  # characters of the text shown above the caret


class StlError(ValueError):
    """A formula, a trace or a rule cannot be used.

    ``str()`` of it is :attr:`sentence`, followed by the line of the text and a caret where the place is known.

    Args:
        reason: What is wrong, lower case, without a full stop.
        text: The formula it is about.
        position: Index into ``text``, from 0.
        suggestion: The name that was perhaps meant.
    """

    def __init__(self, reason: str, text: str = "", position: int | None = None, suggestion: str | None = None) -> None:
        super().__init__(reason, text, position, suggestion)
        self.reason = reason
        self.text = text
        self.position = position
        self.suggestion = suggestion

    @property
    def line(self) -> int | None:
        """Line in the text, from 1; None where the place is not known."""
        return None if self.position is None else self.text.count("\n", 0, self.position) + 1

    @property
    def column(self) -> int | None:
        """Column in that line, from 1; None where the place is not known."""
        return None if self.position is None else self.position - self.text.rfind("\n", 0, self.position)

    @property
    def sentence(self) -> str:
        """The message on one line, without the text."""
        place = ""
        if self.position is not None:
            line = f"line {self.line}, " if "\n" in self.text else ""
            place = f"{line}column {self.column}: "
        question = f"; did you mean '{self.suggestion}'?" if self.suggestion else ""
        return f"{place}{self.reason}{question or '.'}"

    def __str__(self) -> str:
        if self.line is None or self.column is None or not self.text.strip():
            return self.sentence
        shown = self.text.split("\n")[self.line - 1].replace("\t", " ")
        start = max(0, self.column - 1 - WIDTH // 2)
        return f"{self.sentence}\n  {shown[start : start + WIDTH]}\n  {' ' * (self.column - 1 - start)}^"


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, whatever its case; None where none is near."""
    by_case = {candidate.lower(): candidate for candidate in sorted(known, reverse=True)}
    found = get_close_matches(name.lower(), by_case, n=1, cutoff=0.6)
    return by_case[found[0]] if found else None
