"""Why this two-stage score: every group, its first plans, and the starts that weigh most."""

from collections.abc import Mapping
from typing import Any

from evaluation.explain_navsim import SHORT
from evaluation.metrics.base import TWO_STAGE_VERSIONS
from evaluation.metrics.epdms import PARTS
from evaluation.metrics.two_stage import CLOSED_LOOP, EXACT, PAIR, Half, Record, halves, read_records

SHOWN = 4  # second-stage starts of a half


def two_stage_lines(row: Mapping[Any, Any]) -> list[str]:
    """Both products of every group, where plans lead, and what the score stands beside."""
    records = read_records(row)
    groups = sorted({record["group"] for record in records})
    lines = [
        f"{TWO_STAGE_VERSIONS['score']} = mean over {len(groups)} group{'s' * (len(groups) != 1)} of the mean of two "
        "products: the plan at the start x the weighted",
        "mean at second-stage starts, and the same for the partners half a second earlier. Each is",
        "NC x DAC x DDC x TLC x (5 EP + 5 TTC + 2 LK + 2 HC + 2 EC) / 16, the first stage after the human filter.",
    ]
    for group in groups:
        for half in reversed(halves(records, group)):
            lines += ["", *_half(half)]
        other = {
            record["stage"]: record for record in records if record["group"] == group and record["pair"] == PAIR[1]
        }
        lines += ["", "  " + "beside it".ljust(22) + _heads()]
        lines.append("  " + "where the plan led".ljust(22) + _cells(other[EXACT]))
        lines.append("  " + "8 s in closed loop".ljust(22) + _cells(other[CLOSED_LOOP]))
    names = {
        "two_stage.kernel": "with a kernel of 0.5 m",
        "two_stage.exact": "with the plan made where the first one led",
        "two_stage.closed_loop": "8 s in closed loop",
        "two_stage.coverage": "first plans that end within 0.5 m of a start",
    }
    return [*lines, "", *(f"  {words:46}{row[name]:.3f}" for name, words in names.items())]


def _half(half: Half) -> list[str]:
    first, order = half.first, sorted(range(len(half.second)), key=lambda n: -half.weights[n])
    lines = [
        f"  from {first['step'] * 0.1:.1f} s".ljust(24) + _heads() + "  weight",
        "  " + "first stage".ljust(22) + _cells(first),
    ]
    for n in order[:SHOWN]:
        lines.append("  " + f"start {half.second[n]['index']}".ljust(22) + _cells(half.second[n]) + _weight(half, n))
    if len(order) > SHOWN:
        rest = sum(half.weights[n] for n in order[SHOWN:])
        lines.append(f"  {len(order) - SHOWN} more".ljust(24) + " " * (7 * (len(PARTS) + 1)) + f"{rest:8.3f}")
    product = f"{first['epdms']:.3f} x {half.after('epdms'):.3f} = {half.score():.3f}"
    return [*lines, f"  {product}; the plan ends {half.distance():.2f} m from the nearest start"]


def _weight(half: Half, n: int) -> str:
    return f"{half.weights[n]:8.3f}"


def _heads() -> str:
    return "".join(head.rjust(7) for head in (*SHORT.values(), "EPDMS"))


def _cells(record: Record) -> str:
    return "".join(
        ("-" if value is None else f"{value:.2f}").rjust(7)
        for value in (*(record[part] for part in PARTS), record["epdms"])
    )
