"""Promises of the statistics: groups are the unit, the seed decides, absence is counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.statistics import group_bootstrap, paired_difference


def test_same_seed_same_interval_and_row_order_does_not_matter() -> None:
    generator = np.random.default_rng(3)
    values, groups = generator.random(60), generator.integers(0, 12, 60)
    first = group_bootstrap(values, groups, seed=7)
    order = generator.permutation(60)
    again = group_bootstrap(values[order], groups[order], seed=7)
    assert first == group_bootstrap(values, groups, seed=7)
    assert (again.mean, again.low, again.high) == pytest.approx((first.mean, first.low, first.high), abs=1e-12)
    assert group_bootstrap(values, groups, seed=8) != first


def test_copies_of_a_scene_in_the_same_group_do_not_make_the_interval_narrower() -> None:
    values = np.random.default_rng(0).random(10)
    once = group_bootstrap(values, range(10))
    copied = group_bootstrap(np.repeat(values, 50), np.repeat(np.arange(10), 50))
    as_if_independent = group_bootstrap(np.repeat(values, 50), range(500))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    assert as_if_independent.high - as_if_independent.low < 0.3 * (once.high - once.low)


def test_rows_without_value_are_left_out_and_counted() -> None:
    interval = group_bootstrap([1.0, np.nan, 0.0, np.nan], ["a", "b", "c", "c"])
    assert (interval.mean, interval.valid, interval.groups) == (0.5, 2, 2)
    nothing = group_bootstrap([np.nan], ["a"])
    assert (nothing.mean, nothing.low, nothing.valid) == (None, None, 0)
    assert nothing.reason == "no row has a value"


def test_a_single_group_has_a_mean_but_no_interval_and_says_why() -> None:
    interval = group_bootstrap([0.2, 0.4], ["log", "log"])
    assert interval.mean == pytest.approx(0.3)
    assert (interval.low, interval.high, interval.reason) == (None, None, "all rows belong to one group")


def test_equal_values_have_an_interval_of_no_width() -> None:
    interval = group_bootstrap([1.0] * 5, range(5))
    assert (interval.mean, interval.low, interval.high) == (1.0, 1.0, 1.0)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Groups with a shared offset: resampling rows would cover far less than 95 %."""
    generator = np.random.default_rng(1)
    covered, covered_by_rows, trials = 0, 0, 150
    for _ in range(trials):
        offsets = np.repeat(generator.normal(size=25), 8)
        values, groups = offsets + 0.3 * generator.normal(size=200), np.repeat(np.arange(25), 8)
        interval, naive = group_bootstrap(values, groups), group_bootstrap(values, range(200))
        covered += interval.low <= 0.0 <= interval.high
        covered_by_rows += naive.low <= 0.0 <= naive.high
    assert covered / trials > 0.88
    assert covered_by_rows / trials < 0.7


def test_pairing_removes_what_both_planners_share() -> None:
    generator = np.random.default_rng(5)
    difficulty = generator.random(40)
    better, worse = difficulty, difficulty - 0.05 - 0.01 * generator.random(40)
    difference = paired_difference(better, worse, range(40))
    assert 0.05 <= difference.low <= difference.mean <= difference.high <= 0.06
    alone = group_bootstrap(better, range(40)), group_bootstrap(worse, range(40))
    assert alone[0].low < alone[1].high


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6)), min_size=1, max_size=40))
def test_bounds_enclose_a_plausible_mean_and_stay_in_the_range_of_the_data(rows: list[tuple[float, int]]) -> None:
    values, groups = zip(*rows, strict=True)
    interval = group_bootstrap(values, groups)
    assert interval.mean == pytest.approx(np.mean(values))
    if interval.groups > 1:
        assert min(values) - 1e-12 <= interval.low <= interval.high <= max(values) + 1e-12


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="one group per value"):
        group_bootstrap([1.0, 2.0], ["a"])
