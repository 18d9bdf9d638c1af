"""What a metric is: a value, whether it has one, its cause, and the version of its definition."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """One number about one rollout.

    Attributes:
        value: The number; 0 where there is none.
        valid: False where the scene gives this metric nothing to judge (no lights, no speed limit, ...).
        step: Sample of the rollout that decided (``step * 0.1`` s after the start), or None.
        agent: Id of the agent that decided, or None.
        detail: One phrase for people on how it came about; empty if there is nothing to say.
    """

    value: float
    valid: bool = True
    step: int | None = None
    agent: str | None = None
    detail: str = ""

    @staticmethod
    def missing(why: str) -> "Metric":
        """A metric without a value, and the reason."""
        return Metric(0.0, valid=False, detail=why)


NAVSIM_PARTS = (
    "no_at_fault_collisions",
    "drivable_area_compliance",
    "driving_direction_compliance",
    "traffic_light_compliance",
    "ego_progress",
    "time_to_collision_within_bound",
    "lane_keeping",
    "history_comfort",
    "two_frame_extended_comfort",
)
"""NAVSIM's sub-metrics: columns of its result files, in their order. The first four multiply the others."""

CLOSED_LOOP_VERSIONS: Mapping[str, str] = {
    "score": "drive_score@1",
    "collision_any": "collision_any@1",
    "collision_at_fault": "collision_at_fault@1",
    "nc": "nc@1",
    "off_road": "off_road@1",
    "off_road_distance": "off_road_distance@1",
    "wrong_way": "wrong_way@1",
    "direction": "direction@1",
    "red_light": "red_light@1",
    "progress": "progress@1",
    "ttc_ok": "ttc_ok@1",
    "ttc_min": "ttc_min@1",
    "speed_ok": "speed_ok@1",
    "speed_excess": "speed_excess@1",
    "comfort": "comfort@1",
    "epdms_cl": "epdms_cl@1",
    **{f"epdms_cl.{part}": "epdms_cl@1" for part in NAVSIM_PARTS[:-1]},
}
"""Metric name -> version of its definition. A change of any value that a definition can give is a new version."""

NAVSIM_VERSIONS: Mapping[str, str] = {
    "score": "epdms@2.2",
    "epdms": "epdms@2.2",
    **{f"epdms.{part}": "epdms@2.2" for part in NAVSIM_PARTS},
    "epdms_fixed": "epdms_fixed@1",
    "pdms": "pdms@1",
}
"""The same for ``--protocol navsim``."""

TWO_STAGE_VERSIONS: Mapping[str, str] = {
    "score": "two_stage@1",
    "epdms": "two_stage@1",
    **{f"epdms.{part}": "two_stage@1" for part in NAVSIM_PARTS},
    "two_stage.first": "two_stage@1",
    "two_stage.second": "two_stage@1",
    "two_stage.kernel": "two_stage@1",
    "two_stage.exact": "two_stage@1",
    "two_stage.closed_loop": "epdms_cl@1",
    "two_stage.coverage": "two_stage@1",
}
"""The same for ``--protocol two-stage``; ``epdms`` and its parts are the products of both stages."""

NUPLAN_PARTS = (
    "no_ego_at_fault_collisions",
    "drivable_area_compliance",
    "driving_direction_compliance",
    "ego_is_making_progress",
    "ego_progress_along_expert_route",
    "time_to_collision_within_bound",
    "speed_limit_compliance",
    "ego_is_comfortable",
)
"""nuPlan's metrics. The first four multiply the others."""

NUPLAN_VERSIONS: Mapping[str, str] = {
    "score": "nuplan_cls@1",
    "nuplan_cls": "nuplan_cls@1",
    **{f"nuplan_cls.{part}": "nuplan_cls@1" for part in NUPLAN_PARTS},
}
"""The same for ``--protocol nuplan``."""

METRIC_NAMES: tuple[str, ...] = tuple(
    dict.fromkeys((*CLOSED_LOOP_VERSIONS, *NAVSIM_VERSIONS, *NUPLAN_VERSIONS, *TWO_STAGE_VERSIONS))
)
"""Every metric of every protocol: result files have columns for all of them."""

WITHOUT_CAUSE = (
    "epdms_fixed",
    "pdms",
    *(f"epdms_cl.{part}" for part in NAVSIM_PARTS[:-1]),
    *(name for name in TWO_STAGE_VERSIONS if name.startswith("two_stage.")),
)
"""Metrics whose columns have no cause beside them."""

CAUSE_COLUMNS = ("step", "agent", "detail")


def to_row(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    """Columns of a result row: ``<name>`` (None without a value) and its cause ``<name>.step``, ``.agent``,
    ``.detail``."""
    row: dict[str, Any] = {}
    for name, metric in metrics.items():
        row[name] = metric.value if metric.valid else None
        if name not in WITHOUT_CAUSE:
            row |= {f"{name}.step": metric.step, f"{name}.agent": metric.agent, f"{name}.detail": metric.detail or None}
    return row


def failed_row() -> dict[str, Any]:
    """Columns of a unit that could not be driven: score 0, everything else null."""
    return dict.fromkeys(metric_columns()) | {"score": 0.0}


def metric_columns() -> list[str]:
    """Columns of all metrics: each by its name, and its cause where it has one."""
    return [
        column
        for name in METRIC_NAMES
        for column in (name, *(() if name in WITHOUT_CAUSE else (f"{name}.{part}" for part in CAUSE_COLUMNS)))
    ]
