"""Item analysis: scenes as the questions of a test, planners as those who take it."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

if TYPE_CHECKING:
    import pandas as pd

Float = NDArray[np.float64]

LEAST_PLANNERS = 8
DIFFERENCE = 0.02


@dataclass(frozen=True)
class Items:
    """What the scores of several planners say about the scenes.

    Attributes:
        scenes: Ids. ``correlation [S]``: of each scene's scores with the means over all other scenes, NaN where every
            planner scores the same in it.
        alpha: Cronbach's, of the whole suite. ``alpha_at_400``: foretold for 400 such scenes (Spearman-Brown).
        needed: Scenes that separate two planners 0.02 apart at 95 %, by paired differences: median over pairs.
    """

    scenes: tuple[str, ...]
    correlation: Float
    alpha: float
    alpha_at_400: float
    needed: float

    @property
    def misfits(self) -> list[str]:
        """Scenes in which the better planners do worse."""
        return [name for name, value in zip(self.scenes, self.correlation, strict=True) if value < 0.0]


def score_table(rows: "pd.DataFrame", leave_out: tuple[str, ...] = ()) -> "pd.DataFrame":
    """Scores as planners x scenes, means over seeds; planners of ``leave_out`` are left out, failed units count 0."""
    kept = rows[~rows["planner"].isin(leave_out)]
    scored = kept.assign(score=kept["score"].where(kept["status"] == "ok", 0.0))
    return scored.pivot_table(index="planner", columns="scenario", values="score", aggfunc="mean").dropna(axis=1)


def analyse(table: "pd.DataFrame") -> Items:
    """Item analysis of scores ``[planners, scenes]``."""
    scores = table.to_numpy(np.float64)
    planners, count = scores.shape
    total = scores.sum(axis=1, keepdims=True)
    rest = (total - scores) / max(count - 1, 1)
    own = scores - scores.mean(axis=0)
    other = rest - rest.mean(axis=0)
    spread = np.sqrt((own**2).sum(axis=0) * (other**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.where(spread > 1e-12, (own * other).sum(axis=0) / spread, np.nan)
    variance = float(total.var(ddof=1)) if planners > 1 else 0.0
    alpha = math.nan
    if variance > 0.0 and count > 1:
        alpha = count / (count - 1) * (1.0 - float(scores.var(axis=0, ddof=1).sum()) / variance)
    longer = 400.0 / count
    alpha_at_400 = longer * alpha / (1.0 + (longer - 1.0) * alpha)
    pairs = [
        float((scores[one] - scores[two]).std(ddof=1)) for one in range(planners) for two in range(one) if count > 1
    ]
    quantile = float(norm.ppf(0.975))
    needed = (quantile * float(np.median(pairs)) / DIFFERENCE) ** 2 if pairs else math.nan
    return Items(tuple(str(name) for name in table.columns), correlation, alpha, alpha_at_400, needed)
