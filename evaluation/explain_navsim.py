"""Why this EPDMS: every frame of a scene, term by term."""

from collections.abc import Mapping
from typing import Any

from evaluation.metrics.base import NAVSIM_VERSIONS
from evaluation.metrics.epdms import EXTENDED_COMFORT, MULTIPLIERS, PARTS, WEIGHTS
from evaluation.metrics.navsim_frames import read_frames

SHORT = dict(zip(PARTS, ("NC", "DAC", "DDC", "TLC", "EP", "TTC", "LK", "HC", "EC"), strict=True))
BROKEN = {
    "no_at_fault_collisions": "collision at fault",
    "drivable_area_compliance": "off the drivable area",
    "driving_direction_compliance": "off the route",
    "traffic_light_compliance": "on a red connector",
    "ego_progress": "less progress than the best",
    "time_to_collision_within_bound": "too close to a collision",
    "lane_keeping": "beside the centreline",
    "history_comfort": "uncomfortable",
    EXTENDED_COMFORT: "unlike the plan before",
}


def navsim_lines(row: Mapping[Any, Any]) -> list[str]:
    """A table of the frames, the means, and the cause of what was lost."""
    frames = read_frames(row)
    heads = ["frame", *SHORT.values(), "EPDMS", "fixed", "PDMS"]
    lines = [
        f"{NAVSIM_VERSIONS['score']} = mean over {len(frames)} frame{'s' * (len(frames) != 1)} of",
        "NC x DAC x DDC x TLC x (5 EP + 5 TTC + 2 LK + 2 HC + 2 EC) / 16 after the human filter;",
        "without EC the weights sum to 14. fixed: the same without NAVSIM's defects.",
        "",
        "  " + "".join(head.rjust(7) for head in heads),
    ]
    for frame in frames:
        values = [*(frame[part] for part in PARTS), frame["epdms"], frame["epdms_fixed"], frame["pdms"]]
        lines.append("  " + f"{frame['step'] * 0.1:5.1f} s" + "".join(_cell(value) for value in values))
    means = [*(row.get(f"epdms.{part}") for part in PARTS), row["score"], row.get("epdms_fixed"), row.get("pdms")]
    return [*lines, "  " + "mean".rjust(7) + "".join(_cell(value) for value in means)]


def navsim_causes(row: Mapping[Any, Any]) -> list[str]:
    """What cost this unit its points, in words, gravest first."""
    found = []
    for part in (*MULTIPLIERS, *sorted((*WEIGHTS, EXTENDED_COMFORT), key=lambda name: row.get(f"epdms.{name}") or 0.0)):
        value = row.get(f"epdms.{part}")
        if value is None or value != value or value >= 1.0:
            continue
        detail = row.get(f"epdms.{part}.detail")
        found.append(f"{BROKEN[part]} ({SHORT[part]} {value:.2f})" + (f": {detail}" if isinstance(detail, str) else ""))
    return found or ["nothing to complain about"]


def _cell(value: float | None) -> str:
    return ("-" if value is None or value != value else f"{value:.2f}").rjust(7)
