"""Why this nuPlan score: factors, weighted terms, and what decided each."""

from collections.abc import Mapping
from typing import Any

from drive.scoring.nuplan.score import FACTORS, WEIGHTS
from evaluation.metrics.base import NUPLAN_VERSIONS
from evaluation.metrics.nuplan_score import NAME

WORDS = {
    "no_ego_at_fault_collisions": "no collision at fault",
    "drivable_area_compliance": "on the drivable area",
    "driving_direction_compliance": "right direction",
    "ego_is_making_progress": "progress at least 0.2",
    "ego_progress_along_expert_route": "progress",
    "time_to_collision_within_bound": "time to collision kept",
    "speed_limit_compliance": "speed limit kept",
    "ego_is_comfortable": "comfort",
}


def nuplan_lines(row: Mapping[Any, Any]) -> list[str]:
    """The arithmetic of the score, line by line."""
    lines = [f"{NUPLAN_VERSIONS['score']} = product of the factors x weighted mean of the terms", "", "factors"]
    product = 1.0
    for name in FACTORS:
        value = float(row[f"{NAME}.{name}"])
        product *= value
        lines.append(_line(WORDS[name], f"{value:g}", _detail(row, name, value)))
    lines += ["", "terms"]
    total = 0.0
    for name, weight in WEIGHTS.items():
        value = float(row[f"{NAME}.{name}"])
        total += weight * value
        lines.append(_line(WORDS[name], f"{weight:g} x {value:.4g} = {weight * value:.4g}", _detail(row, name, value)))
    weights = sum(WEIGHTS.values())
    lines.append(_line("weighted mean", f"{total:.4g} / {weights:g} = {total / weights:.4f}", ""))
    return [*lines, "", f"score = {product:g} x {total / weights:.4f} = {product * total / weights:.4f}"]


def nuplan_causes(row: Mapping[Any, Any]) -> list[str]:
    """What cost this unit its points, in words, factors first."""
    found = []
    for name in (*FACTORS, *sorted(WEIGHTS, key=lambda part: -WEIGHTS[part] * (1.0 - float(row[f"{NAME}.{part}"])))):
        value = float(row[f"{NAME}.{name}"])
        if value < 1.0:
            detail = _detail(row, name, value)
            found.append(f"not: {WORDS[name]} ({value:.2f})" + (f": {detail}" if detail else ""))
    return found or ["nothing to complain about"]


def _detail(row: Mapping[Any, Any], name: str, value: float) -> str:
    detail, step = row.get(f"{NAME}.{name}.detail"), row.get(f"{NAME}.{name}.step")
    if value >= 1.0 or not isinstance(detail, str):
        return ""
    return detail if step is None or step != step else f"{detail} at {0.1 * float(step):.1f} s"


def _line(words: str, figures: str, cause: str) -> str:
    return f"  {words:24} {figures:18} {cause}".rstrip()
