"""Ranking by rules, level by level."""

import pandas as pd

from evaluation.rulebook import standings


def rows(levels: dict[str, list[tuple[float | None, ...]]]) -> pd.DataFrame:
    found = []
    for planner, units in levels.items():
        for number, unit in enumerate(units):
            columns = {f"rules.urban.level{level}": value for level, value in enumerate(unit)}
            found.append({"planner": planner, "scenario": str(number), "group": str(number), **columns})
    return pd.DataFrame(found)


def order(levels: dict[str, list[tuple[float | None, ...]]]) -> list[tuple[str, int]]:
    return [(item.planner, item.rank) for item in standings(rows(levels))["urban"]]


def test_a_higher_level_decides_whatever_the_lower_ones_say() -> None:
    assert order({"harmless": [(0.0, 5.0)], "harmful": [(0.5, 0.0)]}) == [("harmless", 1), ("harmful", 2)]


def test_lower_levels_decide_where_the_higher_ones_are_equal() -> None:
    assert order({"slow": [(0.0, 1.0)], "swift": [(0.0, 0.2)]}) == [("swift", 1), ("slow", 2)]


def test_noise_at_a_high_level_does_not_decide() -> None:
    assert order({"noisy": [(0.01, 0.0)], "rough": [(0.0, 1.0)]}) == [("noisy", 1), ("rough", 2)]


def test_equals_share_a_rank_and_the_next_one_follows() -> None:
    assert order({"b": [(0.0, 0.0)], "a": [(0.0, 0.0)], "c": [(1.0, 0.0)]}) == [("a", 1), ("b", 1), ("c", 2)]


def test_a_failed_unit_counts_as_the_worst_there_is() -> None:
    assert order({"fails": [(0.0, 0.0), (None, None)], "drives": [(0.2, 0.0), (0.2, 0.0)]})[0] == ("drives", 1)
