"""The compiled half of the reference search, in a folder of its own: kernels are compiled again when a file beside them
changes."""

from scenarios.generate.search.lateral import (
    MOTION_COLUMNS,
    NEVER,
    PLAN_COLUMNS,
    SPACING,
    SPEED,
    offset_at,
    pose_at,
    pose_beside,
)
from scenarios.generate.search.priority import CLAIM_BEGIN, CLAIM_COLUMNS
from scenarios.generate.search.roll import LOOK, roll
from scenarios.generate.search.task import BEFORE_SIGN, STANDING, STOPPED, Others, Task

__all__ = [
    "BEFORE_SIGN",
    "CLAIM_BEGIN",
    "CLAIM_COLUMNS",
    "LOOK",
    "MOTION_COLUMNS",
    "NEVER",
    "PLAN_COLUMNS",
    "SPACING",
    "SPEED",
    "STANDING",
    "STOPPED",
    "Others",
    "Task",
    "offset_at",
    "pose_at",
    "pose_beside",
    "roll",
]
