"""The scene families, one file each: F01 to F26."""

from scenarios.generate.families.f01_lead_brake import F01
from scenarios.generate.families.f02_cut_in import F02
from scenarios.generate.families.f03_cut_out_reveal import F03
from scenarios.generate.families.f04_slow_lead_overtake import F04
from scenarios.generate.families.f05_mandatory_lane_change import F05
from scenarios.generate.families.f06_merge_ramp import F06
from scenarios.generate.families.f07_lane_drop_zip import F07
from scenarios.generate.families.f08_blocked_lane import F08
from scenarios.generate.families.f09_nudge import F09
from scenarios.generate.families.f10_construction import F10
from scenarios.generate.families.f11_unprotected_left import F11
from scenarios.generate.families.f12_minor_crossing import F12
from scenarios.generate.families.f13_right_turn_vru import F13
from scenarios.generate.families.f14_negotiation import F14
from scenarios.generate.families.f15_signal import F15
from scenarios.generate.families.f16_violator import F16
from scenarios.generate.families.f17_roundabout import F17
from scenarios.generate.families.f18_crosswalk import F18
from scenarios.generate.families.f19_occluded_vru import F19
from scenarios.generate.families.f20_cyclist import F20
from scenarios.generate.families.f21_narrow_meeting import F21
from scenarios.generate.families.f22_pull_out_or_driveway import F22
from scenarios.generate.families.f23_curvature_speed import F23
from scenarios.generate.families.f24_legality import F24
from scenarios.generate.families.f25_emergency_or_blockage import F25
from scenarios.generate.families.f26_urban_background import F26
from scenarios.generate.setting import Family

FAMILY_BY_NAME: dict[str, Family] = {
    family.name: family
    for family in (
        F01,
        F02,
        F03,
        F04,
        F05,
        F06,
        F07,
        F08,
        F09,
        F10,
        F11,
        F12,
        F13,
        F14,
        F15,
        F16,
        F17,
        F18,
        F19,
        F20,
        F21,
        F22,
        F23,
        F24,
        F25,
        F26,
    )
}
FAMILIES = tuple(FAMILY_BY_NAME)
