"""NAVSIM's result tables: one stage (plain means) and two stages (pseudo closed loop), with its columns and last rows.

Source: NAVSIM v2, `run_pdm_score_one_stage.py`, `run_pdm_score.py` and the weights of its synthetic scenes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.errors import DataError
from evaluation.metrics.epdms import EXTENDED_COMFORT, PARTS, combine

if TYPE_CHECKING:
    import pandas as pd

Float = NDArray[np.float64]

VARIANCE = 0.1  # m2, of the weights
SYNTHETIC_LENGTH = 17
"""NAVSIM takes a token of this length for a synthetic scene: no other token may have it."""


@dataclass(frozen=True)
class TokenScore:
    """A scored token: its parts after the human filter (extended comfort None where unknown), and where its plan ends
    ``endpoint [2]`` and its scene begins ``start [2]`` [m], in one global frame."""

    parts: Mapping[str, float | None]
    endpoint: tuple[float, float] = (0.0, 0.0)
    start: tuple[float, float] = (0.0, 0.0)

    @property
    def score(self) -> float:
        """EPDMS of the parts."""
        known = {name: value for name, value in self.parts.items() if value is not None}
        return combine(known, self.parts[EXTENDED_COMFORT])


@dataclass(frozen=True)
class Group:
    """One entry of NAVSIM's two-stage mapping: the ``original`` token, the ``previous`` one 0.5 s before it, and the
    synthetic ``pairs`` (token 4 s after the original, token 0.5 s before that)."""

    original: str
    previous: str
    pairs: tuple[tuple[str, str], ...]


def token_name(scenario: str, step: int) -> str:
    """Name of the frame ``step`` world steps after a scenario's start; a window of a NAVSIM log keeps its token."""
    name = scenario if step == 0 else f"{scenario}@{step / 10:.1f}s"
    return name if len(name) != SYNTHETIC_LENGTH else f"{name}_"


def one_stage_table(scores: Mapping[str, TokenScore | None]) -> "pd.DataFrame":
    """Columns ``token, valid, <parts>, score``; a token without a score is an empty row. Last row: their means.

    Means ignore empty cells. NAVSIM's own script stops at a failed token; here it is listed, and left out of the means.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = [
        {"token": token, "valid": score is not None, **_cells(score)} for token, score in scores.items()
    ]
    table = pd.DataFrame(rows, columns=["token", "valid", *PARTS, "score"])
    numbers = table[[*PARTS, "score"]].astype(np.float64)
    average = {"token": "average_all_frames", "valid": bool(table["valid"].all()), **numbers.mean().to_dict()}
    return pd.concat(
        [table.astype(dict.fromkeys((*PARTS, "score"), np.float64)), pd.DataFrame([average])], ignore_index=True
    )


def two_stage_table(
    first: Mapping[str, TokenScore], second: Mapping[str, TokenScore], groups: Sequence[Group]
) -> "pd.DataFrame":
    """Rows of all tokens with the columns of their stage, and NAVSIM's three last rows; the combined score is the
    ``score`` of the last one.

    A group scores the mean of two products: the original token with the weighted mean of the scenes that begin 4 s
    after it, and the previous token with that of their predecessors. Extended comfort goes into the parts before.

    Raises:
        DataError: A token of a group has no score, or a group has no synthetic scenes.
    """
    import pandas as pd

    rows = [_staged(token, score, "one") for token, score in first.items()]
    rows += [_staged(token, score, "two") for token, score in second.items()]
    ones, twos, totals = [], [], []
    for group in groups:
        if not group.pairs:
            raise DataError(f"token {group.original!r} of the two-stage mapping has no scenes in the second stage")
        halves = []
        for token, others in (
            (group.original, [a for a, _ in group.pairs]),
            (group.previous, [b for _, b in group.pairs]),
        ):
            start, scenes = _known(first, token, "first"), [_known(second, other, "second") for other in others]
            weights = scene_weights(start.endpoint, [scene.start for scene in scenes])
            cells = [_cells(scene) for scene in scenes]
            after = {name: _weighted(weights, [cell[name] for cell in cells]) for name in (*PARTS, "score")}
            ones.append(_cells(start))
            twos.append(after)
            halves.append(start.score * float(after["score"] or 0.0))
        totals.append(float(np.mean(halves)))
    mean_one, mean_two = _mean(ones), _mean(twos)
    stage_one = {f"{part}_stage_one": mean_one[part] for part in PARTS}
    stage_two = {f"{part}_stage_two": mean_two[part] for part in PARTS}
    rows += [
        {"token": "extended_pdm_score_stage_one", "valid": True, **stage_one, "score": mean_one["score"]},
        {"token": "extended_pdm_score_stage_two", "valid": True, **stage_two, "score": mean_two["score"]},
        {
            "token": "extended_pdm_score_combined",
            "valid": True,
            **stage_one,
            **stage_two,
            "score": float(np.mean(totals)) if totals else None,
        },
    ]
    stages = [f"{part}_stage_{stage}" for stage in ("one", "two") for part in PARTS]
    return pd.DataFrame(rows, columns=["token", "valid", *stages, "score"])


def scene_weights(endpoint: ArrayLike, starts: ArrayLike) -> Float:
    """Weights ``[N]`` of N synthetic scenes that begin at ``starts [N, 2]`` for a plan whose last pose is at ``endpoint
    [2]`` [m]: a Gaussian of the distance, normalised; uniform where all scenes are too far away to have any."""
    distance = np.linalg.norm(np.asarray(starts, np.float64).reshape(-1, 2) - np.asarray(endpoint, np.float64), axis=1)
    weights = np.exp(-(distance**2) / (2.0 * VARIANCE))
    total = weights.sum()
    return np.full(len(weights), 1.0 / len(weights)) if np.isclose(total, 0.0) else weights / total


def _cells(score: TokenScore | None) -> dict[str, float | None]:
    if score is None:
        return dict.fromkeys((*PARTS, "score"))
    return {**{part: score.parts[part] for part in PARTS}, "score": score.score}


def _staged(token: str, score: TokenScore, stage: str) -> dict[str, Any]:
    cells = _cells(score)
    return {
        "token": token,
        "valid": True,
        **{f"{part}_stage_{stage}": cells[part] for part in PARTS},
        "score": cells["score"],
    }


def _known(scores: Mapping[str, TokenScore], token: str, stage: str) -> TokenScore:
    if token not in scores:
        raise DataError(f"token {token!r} of the two-stage mapping has no score in the {stage} stage")
    return scores[token]


def _weighted(weights: Float, values: Iterable[float | None]) -> float | None:
    """Mean of the values that are known; None if those have no weight."""
    there = [(weight, value) for weight, value in zip(weights, values, strict=True) if value is not None]
    known = sum(weight for weight, _ in there)
    return float(sum(weight * value for weight, value in there) / known) if known > 0.0 else None


def _mean(rows: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    means: dict[str, float | None] = {}
    for name in (*PARTS, "score"):
        there = [value for row in rows if (value := row[name]) is not None]
        means[name] = float(np.mean(there)) if there else None
    return means
