"""How well measures that ask for single plans predict the closed loop: a check of two-stage scores.

NAVSIM's authors report R^2 = 0.8 between two-stage scores and closed-loop scores over planners, and 0.7 for the best
score of one stage (arXiv 2506.04218).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from drive.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

Float = NDArray[np.float64]

MEASURES = {
    "score": "two stages, NAVSIM's weights",
    "two_stage.kernel": "two stages, 0.5 m kernel",
    "two_stage.exact": "two stages, where the plan led",
    "two_stage.first": "first stage only",
}
TRUTH = "two_stage.closed_loop"
LEAST_PLANNERS = 3


@dataclass(frozen=True)
class Correlation:
    """Agreement of one measure with the closed loop.

    Attributes:
        measure: Column of the results.
        pearson, kendall: Over the planners' means.
        scene_pearson, scene_kendall: Over planners within a scene, averaged over the ``scenes`` in which planners
            differ under both.
        unit_pearson: Over all units.
    """

    measure: str
    pearson: float
    kendall: float
    scene_pearson: float
    scene_kendall: float
    scenes: int
    unit_pearson: float


def correlations(rows: "pd.DataFrame") -> list[Correlation]:
    """Correlations of every measure of a two-stage run, over its units that did not fail.

    Raises:
        RunError: The rows are of another protocol, or of fewer than three planners.
    """
    if set(rows["protocol"]) != {"two-stage"}:
        raise RunError("correlations with the closed loop need a run made with --protocol two-stage")
    rows = rows[rows["status"] == "ok"]
    if rows["planner"].nunique() < LEAST_PLANNERS:
        raise RunError(
            f"correlations need at least {LEAST_PLANNERS} planners, this run has {rows['planner'].nunique()}"
        )
    return [_correlation(rows, measure) for measure in MEASURES]


def _correlation(rows: "pd.DataFrame", measure: str) -> Correlation:
    means = rows.groupby("planner")[[measure, TRUTH]].mean().to_numpy(np.float64)
    inside = [
        (_pearson(part), _kendall(part))
        for _, frame in rows.groupby(["scenario", "seed"])
        if (np.ptp(part := frame[[measure, TRUTH]].to_numpy(np.float64), axis=0) > 1e-9).all()
    ]
    both = np.array(inside).reshape(-1, 2)
    return Correlation(
        measure,
        _pearson(means),
        _kendall(means),
        float(both[:, 0].mean()) if len(both) else float("nan"),
        float(both[:, 1].mean()) if len(both) else float("nan"),
        len(both),
        _pearson(rows[[measure, TRUTH]].to_numpy(np.float64)),
    )


def _pearson(pairs: Float) -> float:
    if (np.ptp(pairs, axis=0) < 1e-9).any():
        return float("nan")
    return float(np.corrcoef(pairs.T)[0, 1])


def _kendall(pairs: Float) -> float:
    from scipy.stats import kendalltau

    return float(kendalltau(pairs[:, 0], pairs[:, 1]).statistic)


def render(found: list[Correlation], planners: int, units: int) -> str:
    """A table for people."""
    heads = ("measure", "R^2", "Pearson", "Kendall", "in scenes: Pearson", "Kendall", "all units: Pearson")
    lines = [
        (
            MEASURES[item.measure],
            f"{item.pearson**2:.2f}",
            f"{item.pearson:.2f}",
            f"{item.kendall:.2f}",
            f"{item.scene_pearson:.2f}",
            f"{item.scene_kendall:.2f}",
            f"{item.unit_pearson:.2f}",
        )
        for item in found
    ]
    widths = [max(len(line[n]) for line in (heads, *lines)) for n in range(len(heads))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (heads, *lines)
    ]
    return "\n".join(
        (
            f"Agreement with 8 s in closed loop (epdms_cl), {planners} planners, {units} units:",
            "",
            *table,
            "",
            f"Inside scenes: mean over the {found[0].scenes} in which planners differ. Published for NAVSIM (arXiv "
            "2506.04218): R^2 0.8 with",
            "two stages, 0.7 for the best score of one stage, over planners.",
        )
    )
