"""EPDMS against NAVSIM's own scorer, case by case."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.conformance.navsim import score_case
from tests.conformance.navsim_cases import SYNTHETIC, read_cases, read_maps

DISCRETE = (
    "no_at_fault_collisions",
    "drivable_area_compliance",
    "driving_direction_compliance",
    "traffic_light_compliance",
    "time_to_collision_within_bound",
    "lane_keeping",
    "history_comfort",
)
SCORES = ("epdms", "epdms_no_ec", "epdms_unfiltered", "epdms_unfiltered_no_ec")
TOLERANCE = 1e-6
MAY_DIFFER = 0.02  # share of cases on a knife edge (`axis.near` > 0) whose last bit decides


def differences(case: Mapping[str, Any], maps: Mapping[str, Any]) -> list[str]:
    """What our scorer says differently from the reference."""
    ours, theirs = score_case(case, maps), case["expected"]
    found = []
    for name in ("states", "prev_states"):
        gap = np.abs(np.array(ours[name]) - np.array(theirs[name]))
        gap[..., 2] = np.minimum(gap[..., 2], 2 * np.pi - gap[..., 2])
        if gap.max() > TOLERANCE:
            found.append(f"{name} by {gap.max():.2g}")
    if ours["ego_areas"] != theirs["ego_areas"]:
        found.append("ego_areas")
    for who in ("plan", "reference"):
        exact = (*DISCRETE, "first_at_fault_step", "first_ttc_step", "comfort_flags", "comfort_flags_no_history")
        found += [f"{who}.{name}" for name in exact if ours[who][name] != theirs[who][name]]
        found += [
            f"{who}.{name}"
            for name in ("ego_progress", "progress_raw_m")
            if abs(ours[who][name] - theirs[who][name]) > TOLERANCE
        ]
    for who in ("human", "filtered"):
        found += [f"{who}.{name}" for name in DISCRETE if ours[who][name] != theirs[who][name]]
        if abs(ours[who]["ego_progress"] - theirs[who]["ego_progress"]) > TOLERANCE:
            found.append(f"{who}.ego_progress")
    if ours["extended_comfort"]["value"] != theirs["extended_comfort"]["value"]:
        found.append("extended_comfort")
    rms = theirs["extended_comfort"]["rms"]
    found += [f"rms.{name}" for name in rms if abs(ours["extended_comfort"]["rms"][name] - rms[name]) > TOLERANCE]
    found += [name for name in SCORES if abs(ours[name] - theirs[name]) > TOLERANCE]
    if abs(ours["plan"]["pdm_score_no_ec"] - theirs["plan"]["pdm_score_no_ec"]) > TOLERANCE:
        found.append("plan.pdm_score_no_ec")
    found += [
        f"pdms_v1.{name}"
        for name in ("ego_progress", "comfort", "score")
        if abs(ours["pdms_v1"][name] - theirs["pdms_v1"][name]) > TOLERANCE
    ]
    return found


def assert_equal(cases: Iterable[Mapping[str, Any]], maps: Mapping[str, Any], expected: int) -> None:
    """All cases agree; those on a knife edge may differ, up to their share."""
    sure, edge, count = {}, {}, 0
    for case in cases:
        count += 1
        if found := differences(case, maps):
            (edge if case["expected"]["axis"]["near"] else sure)[case["id"]] = found
    assert count == expected
    assert sure == {}
    assert len(edge) <= MAY_DIFFER * count, edge


def test_every_synthetic_case_scores_as_in_navsim() -> None:
    assert_equal(
        read_cases(SYNTHETIC / "synthetic.jsonl.gz"), read_maps(SYNTHETIC / "synthetic_maps.json.gz"), expected=330
    )


def test_every_case_on_real_drives_scores_as_in_navsim(conformance: Path) -> None:
    folder = conformance / "navsim"
    assert_equal(read_cases(folder / "nuscenes.jsonl.gz"), read_maps(folder / "nuscenes_maps.json.gz"), expected=140)
