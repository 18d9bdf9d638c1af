"""Why this score: the arithmetic term by term, from a row's own columns, with causes in words."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from drive.errors import RunError
from evaluation.explain_navsim import navsim_causes, navsim_lines
from evaluation.explain_nuplan import nuplan_causes, nuplan_lines
from evaluation.explain_two_stage import two_stage_lines
from evaluation.metrics.base import CLOSED_LOOP_VERSIONS
from evaluation.metrics.drive_score import MIN_PROGRESS, WEIGHTS, recompute_score

if TYPE_CHECKING:
    import pandas as pd

# Column -> what is asked for, what it is called when broken, whether the column says the opposite (1 = it happened).
FACTORS = {
    "nc": ("no collision at fault", "collision at fault", False),
    "off_road": ("on the road", "off the road", True),
    "red_light": ("no red light run", "ran a red light", True),
    "direction": ("right direction", "against the traffic", False),
}
TERMS = {
    "progress": ("progress", "not all the way"),
    "ttc_ok": ("time to collision kept", "too close to a collision"),
    "speed_ok": ("speed limit kept", "above the speed limit"),
    "comfort": ("comfort", "uncomfortable"),
}

# Protocol -> its lines, and its causes in words; closed loop is explained here.
OTHER_PROTOCOLS = {
    "navsim": (navsim_lines, navsim_causes),
    "nuplan": (nuplan_lines, nuplan_causes),
    "two-stage": (two_stage_lines, navsim_causes),
}


def explain(rows: "pd.DataFrame", scenario: str, planner: str) -> str:
    """Text for every unit (seed) of one planner in one scene.

    Raises:
        RunError: There is no such unit; the sentence lists what there is.
    """
    chosen = rows[(rows["scenario"] == scenario) & (rows["planner"] == planner)]
    if chosen.empty:
        for column, wanted in (("scenario", scenario), ("planner", planner)):
            known = sorted(set(rows[column]))
            if wanted not in known:
                some = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
                raise RunError(f"the run has no {column} {wanted!r}; it has {some}")
        raise RunError(f"the run has no result of {planner!r} in {scenario!r} yet")
    return "\n\n".join(explain_row(row) for row in chosen.sort_values("seed").to_dict("records"))


def explain_row(row: Mapping[Any, Any]) -> str:
    """Text for one unit of work."""
    unit = f"{row['planner']} on {row['scenario']} (family {row['family']}, seed {row['seed']})"
    head = f"{unit}: score {row['score']:.4f}"
    if row["status"] != "ok":
        return f"{head}\n\nThe unit failed, and a failed unit scores 0:\n  {row['error']}"
    if (other := OTHER_PROTOCOLS.get(str(row.get("protocol")))) is not None:
        return "\n".join(
            (head, "", *other[0](row), *broken_rules(row), "", "In short: " + "; ".join(causes(row)) + ".")
        )
    lines = [head, "", f"{CLOSED_LOOP_VERSIONS['score']} = product of the factors x weighted mean of the terms", ""]
    product, factors = 1.0, []
    lines.append("factors")
    for column, (words, _, is_event) in FACTORS.items():
        value = _value(row, column)
        if value is None:
            lines.append(_line(words, "-", f"no value, counts as 1: {_detail(row, column)}"))
            continue
        factor = 1.0 - value if is_event else value
        product *= factor
        factors.append(f"{factor:g}")
        lines.append(_line(words, f"{factor:g}", _detail(row, column) if factor < 1.0 else ""))
    progress = _value(row, "progress")
    gate = 1.0 if progress is None or progress >= MIN_PROGRESS else 0.0
    product *= gate
    factors.append(f"{gate:g}")
    lines.append(_line(f"progress at least {MIN_PROGRESS:g}", f"{gate:g}", "" if gate else _detail(row, "progress")))
    lines += ["", "terms"]
    total, weights = 0.0, 0.0
    for column, (words, _) in TERMS.items():
        value, weight = _value(row, column), WEIGHTS[column]
        if value is None:
            lines.append(_line(words, "-", f"no value, left out: {_detail(row, column)}"))
            continue
        total, weights = total + weight * value, weights + weight
        cause = _detail(row, column) if value < 1.0 else ""
        lines.append(_line(words, f"{weight:g} x {value:.4g} = {weight * value:.4g}", cause))
    lines.append(_line("weighted mean", f"{total:.4g} / {weights:g} = {total / weights:.4f}", ""))
    lines += ["", f"score = {' x '.join(factors)} x {total / weights:.4f} = {product * total / weights:.4f}"]
    again = recompute_score(row)
    if again is None or abs(again - row["score"]) > 1e-12:
        lines.append(f"The row says {row['score']:.4f}: it was changed after scoring; `drive verify` lists changes.")
    lines += [*broken_rules(row), "", "In short: " + "; ".join(causes(row)) + "."]
    return "\n".join(lines)


def broken_rules(row: Mapping[Any, Any]) -> list[str]:
    """A line for every rule that the drive broke, and for what could not be decided."""
    lines = []
    for column in row:
        if not str(column).startswith("rules.") or not str(column).endswith(".verdict"):
            continue
        name, verdict = str(column).removeprefix("rules.").removesuffix(".verdict"), row[column]
        if verdict == "violated":
            agent = row.get(f"rules.{name}.agent")
            detail = _detail(row, f"rules.{name}")
            lines.append(f"  {name}: broken: {detail}" + (f", with {agent!r}" if isinstance(agent, str) else ""))
        elif verdict == "undetermined":
            lines.append(f"  {name}: undetermined, the scene ends before it is decided")
    if not lines:
        return []
    return ["", "rules", *lines]


def causes(row: Mapping[Any, Any]) -> list[str]:
    """What cost this unit its points, in words, gravest first; one phrase also if nothing did."""
    if row["status"] != "ok":
        return [f"failed: {row['error']}"]
    if (other := OTHER_PROTOCOLS.get(str(row.get("protocol")))) is not None:
        return other[1](row)
    found = []
    for column, (_, broken, is_event) in FACTORS.items():
        value = _value(row, column)
        if value is not None and value != (0.0 if is_event else 1.0):
            found.append(_phrase(broken, _detail(row, column)))
    lost = {
        column: WEIGHTS[column] * (1.0 - value)
        for column in TERMS
        if (value := _value(row, column)) is not None and value < 1.0
    }
    for column in sorted(lost, key=lambda name: -lost[name]):
        value, broken = row[column], TERMS[column][1]
        if column == "progress" and value < MIN_PROGRESS:
            broken = "too little progress"
        found.append(_phrase(broken if value == 0.0 else f"{broken} ({100 * value:.0f} %)", _detail(row, column)))
    return found or ["nothing to complain about"]


def _phrase(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what


def _line(words: str, figures: str, cause: str) -> str:
    return f"  {words:24} {figures:18} {cause}".rstrip()


def _value(row: Mapping[Any, Any], column: str) -> float | None:
    value = row.get(column)
    return None if value is None or value != value else float(value)


def _detail(row: Mapping[Any, Any], column: str) -> str:
    detail = row.get(f"{column}.detail")
    return detail if isinstance(detail, str) else ""
