"""Bootstrap intervals that resample groups (logs, twins), not rows, and paired differences between planners.

Scenes cut from one log, or variants of one generated scene, succeed and fail together: resampling rows would pretend
to know more than it does. Resamples are therefore drawn over groups, and the statistic is the mean over all rows of
the drawn groups (a ratio of sums, so groups of unequal size keep their weight). Intervals are bias-corrected and
accelerated (BCa: Efron, "Better bootstrap confidence intervals", 1987), the acceleration by leaving out one group each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Attributes:
        mean: Mean over the valid rows, None without any.
        low, high: Bounds at ``CONFIDENCE``, None where they cannot be estimated.
        valid: Rows that had a value.
        groups: Groups among them.
        reason: Why mean or bounds are None, else empty.
    """

    mean: float | None
    low: float | None
    high: float | None
    valid: int
    groups: int
    reason: str = ""


def group_bootstrap(values: ArrayLike, groups: Sequence[object] | NDArray[np.generic], seed: int = 0) -> Interval:
    """Mean of ``values [N]`` with an interval from resampling the ``groups [N]`` they belong to.

    NaN marks a row without a value: it is left out and the rest counted in ``valid``. The same input and seed give the
    same bounds; the order of rows matters only in the last bits of the sums.
    """
    numbers = np.asarray(values, np.float64)
    labels = np.asarray([str(group) for group in groups])
    if numbers.shape != labels.shape:
        raise ValueError(f"values have shape {numbers.shape}, groups {labels.shape}: expected one group per value")
    known = ~np.isnan(numbers)
    valid = int(known.sum())
    if not valid:
        return Interval(None, None, None, 0, 0, "no row has a value")
    _, member = np.unique(labels[known], return_inverse=True)
    sums, counts = np.bincount(member, numbers[known]).astype(np.float64), np.bincount(member).astype(np.float64)
    mean = float(sums.sum() / counts.sum())
    if len(sums) == 1:
        return Interval(mean, None, None, valid, 1, "all rows belong to one group")
    weights = _multiplicities(len(sums), seed)
    low, high = _bca(mean, (weights @ sums) / (weights @ counts), _leave_one_out(sums, counts))
    return Interval(mean, low, high, valid, len(sums))


def paired_difference(
    first: ArrayLike, second: ArrayLike, groups: Sequence[object] | NDArray[np.generic], seed: int = 0
) -> Interval:
    """Mean of ``first - second`` (both ``[N]``, row by row the same unit) with its interval by group.

    Rows where either side has no value (NaN) are left out.
    """
    return group_bootstrap(np.asarray(first, np.float64) - np.asarray(second, np.float64), groups, seed)


@lru_cache(maxsize=4)
def _multiplicities(groups: int, seed: int) -> NDArray[np.float64]:
    """How often each group is drawn in each resample, ``[RESAMPLES, groups]``: shared by all metrics and planners."""
    draws = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1.0 / groups), size=RESAMPLES)
    return draws.astype(np.float64)


def _leave_one_out(sums: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return (sums.sum() - sums) / (counts.sum() - counts)


def _bca(estimate: float, resampled: NDArray[np.float64], left_out: NDArray[np.float64]) -> tuple[float, float]:
    normal = NormalDist()
    # Ties count half: with few groups and 0/1 events many resamples equal the estimate.
    below = float(np.mean(resampled < estimate) + 0.5 * np.mean(resampled == estimate))
    below = min(max(below, 0.5 / len(resampled)), 1.0 - 0.5 / len(resampled))
    bias = normal.inv_cdf(below)
    spread = left_out.mean() - left_out
    scale = float((spread**2).sum()) ** 1.5
    acceleration = float((spread**3).sum()) / (6.0 * scale) if scale > 0.0 else 0.0
    levels = []
    for quantile in ((1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0):
        shifted = bias + normal.inv_cdf(quantile)
        levels.append(normal.cdf(bias + shifted / (1.0 - acceleration * shifted)))
    low, high = np.quantile(resampled, levels)
    return float(low), float(high)
