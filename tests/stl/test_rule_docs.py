"""The page about the rule library says what the library says."""

import re
from pathlib import Path

import pytest

from drive.signals.catalog import CATALOG
from stl.formula import names
from stl.rules import Rule
from tests.stl.rule_files import BY_ID, LIBRARY, SETS, load

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "rules-library.md").read_text(encoding="utf-8")
MARKS = {"up": "^", "down": "v", "none": "~"}


def rows(part: str) -> dict[str, list[str]]:
    """Cells of the tables of a part of the page, by their first one."""
    found = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("| `")
    ]
    assert len({row[0] for row in found}) == len(found)
    return {row[0].strip("`"): row[1:] for row in found}


def parameters(rule: Rule) -> set[str]:
    found = set()
    for name in names(rule.formula) & LIBRARY.parameters.keys():
        its = LIBRARY.parameters[name]
        unit = "" if its.unit == "1" else f" {its.unit}"
        found.add(f"`{name}` {its.value:g}{unit} [{its.low:g}, {its.high:g}] {MARKS[str(its.loosen)]}")
    return found or {"-"}


@pytest.mark.parametrize("level", range(5))
def test_the_tables_have_every_rule_of_their_level(level: int) -> None:
    part = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    table = rows(next(text for text in part if text.startswith(f"Level {level}:")))
    assert table.keys() == {rule.id for rule in LIBRARY.rules if rule.level == level}
    for id_, (meaning, source, values) in table.items():
        assert (meaning, source) == (BY_ID[id_].description, BY_ID[id_].source)
        assert set(values.split("; ")) == parameters(BY_ID[id_])


def test_the_table_of_sets_has_every_rule_of_every_set() -> None:
    table = rows(PAGE.split("## Sets")[1].split("##")[0])
    assert table.keys() == set(SETS)
    for name, (_, ids) in table.items():
        assert ids.split(", ") == [rule.id for rule in load(name).rules]


def test_the_page_lists_the_rules_that_no_source_can_decide() -> None:
    text = " ".join(PAGE.split("never apply:")[1].split("##")[0].split())
    told = dict(re.findall(r"(\w+) \(([\w ]+)\)", text))
    needed = {
        rule.id: CATALOG[name].needs[0]
        for rule in LIBRARY.rules
        for name in names(rule.formula)
        if name in CATALOG and CATALOG[name].needs
    }
    assert told == needed
