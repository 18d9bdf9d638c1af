"""A trace that keeps and a trace that breaks every rule of ``configs/rules/library.yaml``, with their robustness.

Traces are written by hand, not simulated; a signal that a trace does not name holds its neutral value. Where a
robustness is more than one step of arithmetic away, its terms are spelled out.
"""

import numpy as np

from tests.stl.trace_shapes import CLOCK, NO, YES, Pair, at, braking, case, during, flag, since, slope

DANGER: dict[str, Pair] = {
    "no_collision": Pair(
        case(0.4, clearance=slope(0.0, 4.0, 8.0, 0.4)),
        case(-0.5, clearance=slope(0.0, 5.0, 8.0, -0.5)),
    ),
    "no_at_fault_collision": Pair(
        case(1000.0, speed=0.0, clearance=slope(0.0, 3.0, 6.0, -0.4)),
        case(
            -0.3, clearance=slope(0.0, 4.0, 8.0, -0.3), contact_fault=np.where(slope(0.0, 4.0, 8.0, -0.3) < 0, YES, NO)
        ),
    ),
    "vru_clearance": Pair(
        case(1.6 - (0.5 + 0.1 * 8), speed=8.0, vru_clearance=np.maximum(1.6, 8 * np.abs(CLOCK - 3.0))),
        case(1.0 - (0.5 + 0.1 * 8), speed=8.0, vru_clearance=np.maximum(1.0, 8 * np.abs(CLOCK - 3.0))),
    ),
    "time_to_collision": Pair(
        case(2.0 - 0.95, ttc=2.0),
        case(0.6 - 0.95, ttc=during(2.0, 2.5, 0.6, 20.0)),
    ),
    "rss_danger": Pair(
        case(2.0, rss_margin=2.0),
        case(-3.0, rss_margin=during(2.0, 2.5, -3.0, 10.0)),
    ),
    # Dangerous for a whole second, hence answerable, from 3.0 s on.
    "rss_response": Pair(
        case(
            5.0 - 4.0,
            rss_margin=during(2.0, 4.6, -4.0, 10.0),
            accel_lon=during(2.8, 4.6, -5.0, 0.0),
            speed=np.maximum(braking(2.8, 10.0, 5.0), 1.0),
        ),
        case(
            1.0 - 4.0,
            rss_margin=during(2.0, 4.6, -4.0, 10.0),
            accel_lon=since(2.8, -1.0, 0.0),
            speed=braking(2.8, 10.0, 1.0),
        ),
    ),
    "emergency_brake": Pair(
        case(
            5.0 - 4.0,
            lead_ttc=during(2.0, 3.5, 1.2, 20.0),
            accel_lon=during(2.3, 3.7, -5.0, 0.0),
            speed=np.maximum(braking(2.3, 10.0, 5.0), 3.0),
        ),
        # The guard holds by 0.3 s only, and that is how far the rule is broken.
        case(
            1.2 - 1.5,
            lead_ttc=during(2.0, 3.5, 1.2, 20.0),
            accel_lon=since(2.3, -1.0, 0.0),
            speed=braking(2.3, 10.0, 1.0),
        ),
    ),
    # The cut-in leaves 2.0 s where 5 / (2 * 6) + 0.35 = 0.77 s are asked: the ego must manage.
    "cut_in_avoidance": Pair(
        case(
            1.5,
            has_lead=flag(2.0),
            lead_cut_in=flag(2.0, 2.8),
            lead_ttc=since(2.0, 2.0, 20.0),
            closing_speed=since(2.0, 5.0, 0.0),
            clearance=slope(2.0, 4.0, 10.0, 1.5),
        ),
        case(
            -0.2,
            has_lead=flag(2.0),
            lead_cut_in=flag(2.0, 2.8),
            lead_ttc=since(2.0, 2.0, 20.0),
            closing_speed=since(2.0, 5.0, 0.0),
            clearance=slope(2.0, 3.8, 10.0, -0.2),
        ),
    ),
}

FOLLOWING: dict[str, Pair] = {
    "safe_distance": Pair(
        case(15.0 - (20**2 / 20 + 20 * 0.3 - 18**2 / 21), has_lead=YES, lead_gap=15.0, speed=20.0, lead_speed=18.0),
        case(
            4.0 - (20**2 / 20 + 20 * 0.3 - 18**2 / 21),
            has_lead=YES,
            lead_gap=slope(0.0, 5.5, 15.0, 4.0),
            speed=20.0,
            lead_speed=18.0,
        ),
    ),
    "time_gap": Pair(
        case(12.0 - (1 + 0.8 * 10), has_lead=YES, lead_gap=12.0, speed=10.0, lead_speed=10.0),
        case(6.0 - (1 + 0.8 * 10), has_lead=YES, lead_gap=slope(0.0, 4.0, 12.0, 6.0), speed=10.0, lead_speed=8.5),
    ),
    # 10 * (1 + 0.036 * 10) = 13.6 m are asked.
    "following_gap_r157": Pair(
        case(20.0 - 13.6, has_lead=YES, lead_gap=during(1.0, 3.0, 10.0, 20.0), speed=10.0, lead_speed=10.0),
        case(10.0 - 13.6, has_lead=YES, lead_gap=since(1.0, 10.0, 20.0), speed=10.0, lead_speed=10.0),
    ),
    "rss_longitudinal": Pair(
        case(30.0 - (10 + 1.75 + 13.5**2 / 8 - 10**2 / 16), has_lead=YES, lead_gap=30.0, speed=10.0, lead_speed=10.0),
        case(20.0 - (10 + 1.75 + 13.5**2 / 8 - 10**2 / 16), has_lead=YES, lead_gap=20.0, speed=10.0, lead_speed=10.0),
    ),
    "rss_lateral": Pair(
        case(0.3, alongside=flag(2.0, 4.0), rss_lat_margin=during(2.0, 4.0, 0.3, 20.0)),
        case(-0.2, alongside=flag(2.0, 4.0), rss_lat_margin=during(2.0, 4.0, -0.2, 20.0)),
    ),
    "standstill_gap": Pair(
        case(
            2.0 - 1.0, has_lead=YES, lead_gap=slope(0.0, 4.0, 10.0, 2.0), speed=braking(0.0, 4.0, 1.0), lead_speed=0.0
        ),
        # 0.4 m too close; but the ego stands by 0.1 m/s only, and the smaller counts.
        case(0.0 - 0.1, has_lead=YES, lead_gap=slope(0.0, 4.0, 8.6, 0.6), speed=braking(0.0, 4.0, 1.0), lead_speed=0.0),
    ),
    "no_abrupt_braking": Pair(
        case(
            2.0 - (-2.5 + 3.0),
            accel_lon=during(2.0, 4.0, -3.0, 0.0),
            has_lead=YES,
            lead_accel=during(2.0, 4.0, -2.5, 0.0),
            safe_dist_margin=10.0,
        ),
        case(2.0 - 3.0, accel_lon=during(2.0, 4.0, -3.0, 0.0)),
    ),
}

ROAD: dict[str, Pair] = {
    "drivable_area": Pair(
        case(0.4, drivable_margin=slope(1.0, 3.0, 2.0, 0.4)),
        case(-0.3, drivable_margin=slope(1.0, 3.0, 2.0, -0.3)),
    ),
    "wrong_way": Pair(
        case(1.0, direction_cos=during(2.0, 2.5, -1.0, 1.0)),
        case(-1.0, direction_cos=during(2.0, 4.0, -1.0, 1.0)),
    ),
    "wrong_way_distance": Pair(
        case(2.0 - 0.5, wrong_way_dist=during(2.0, 3.0, 0.5, 0.0)),
        case(2.0 - 4.0, wrong_way_dist=slope(2.0, 3.0, 0.0, 4.0)),
    ),
    "no_reversing": Pair(
        case(0.1, speed=braking(1.0, 5.0, 2.0)),
        case(-1.0 + 0.1, speed=slope(3.0, 4.0, 0.0, -1.0)),
    ),
    "no_u_turn": Pair(
        case(1.57 - 0.2, heading_error=during(2.0, 4.0, -0.2, 0.0)),
        case(1.57 - 2.5, heading_error=slope(1.0, 5.0, 0.0, 2.5)),
    ),
    "solid_line": Pair(
        case(0.2 + 0.05, solid_line_margin=slope(1.0, 3.0, 1.0, 0.2)),
        case(-0.4 + 0.05, solid_line_margin=slope(1.0, 3.0, 1.0, -0.4)),
    ),
    "lane_centering": Pair(
        case(0.5 - 0.1, lane_keep_due=YES, lane_offset=during(2.0, 3.5, -0.8, 0.1)),
        case(0.5 - 0.8, lane_keep_due=YES, lane_offset=during(2.0, 5.0, 0.8, 0.1)),
    ),
    "lane_inside": Pair(
        case(0.3, lane_keep_due=YES, lane_margin=0.3),
        case(-0.4, lane_keep_due=YES, lane_margin=during(3.0, 4.0, -0.4, 0.6)),
    ),
    "keep_right": Pair(
        case(1000.0, right_lane_free=flag(1.0, 3.5), in_right_lane=flag(3.5)),
        # The later the end, the longer the lane was refused: the clock decides, at 5.9 s.
        case(4.0 - (5.9 + 0.05), right_lane_free=flag(1.0), in_right_lane=NO),
    ),
}

SPEED: dict[str, Pair] = {
    "speed_limit": Pair(
        case(13.89 - 13.0, speed=13.0, speed_limit=13.89),
        case(13.89 - 15.0, speed=during(2.0, 3.0, 15.0, 13.0), speed_limit=13.89),
    ),
    "sight_speed": Pair(
        case(30.0 - (10 + 10**2 / 8), speed=10.0, visible_range=30.0),
        case(15.0 - (10 + 10**2 / 8), speed=10.0, visible_range=during(2.0, 3.0, 15.0, 200.0)),
    ),
    "vru_zone_speed": Pair(
        case(8.33 - 7.0, speed=slope(0.0, 2.0, 12.0, 7.0), vru_near=flag(2.0, 4.0)),
        case(8.33 - 12.0, speed=12.0, vru_near=flag(2.0, 4.0)),
    ),
}

# Ten metres a second, 27.225 m before the line, braking with 2.5 m/s2: three seconds later 8.475 m are left.
STOPPING = 27.225 - np.where(CLOCK < 1.0, 10 * (CLOCK - 1.0), 20.0 - braking(1.0, 10.0, 2.5) ** 2 / 5)
# Thirty metres before the line, and on the throttle: nine metres past it three seconds later.
RACING = np.maximum(-40.0, 30.0 - 10 * (CLOCK - 1.0) - np.maximum(0.0, CLOCK - 1.0) ** 2)

LINES: dict[str, Pair] = {
    "red_light": Pair(
        case(1.0, red_light_distance=slope(0.0, 5.0, 25.0, 1.0)),
        case(-3.0, red_light_distance=slope(0.0, 5.9, 25.0, -3.0)),
    ),
    "amber_light": Pair(
        case(
            8.475,
            amber_onset=at(1.0),
            amber_decel=braking(1.0, 10.0, 2.5) ** 2 / (2 * np.maximum(STOPPING - 5.0, 0.1)),
            light_line_distance=STOPPING,
            speed=braking(1.0, 10.0, 2.5),
        ),
        # A stop with 10^2 / (2 * (30 - 5)) = 2 m/s2 was possible: one less than the three that may be asked.
        case(2.0 - 3.0, amber_onset=at(1.0), amber_decel=2.0, light_line_distance=RACING),
    ),
    "stop_sign": Pair(
        case(
            0.1,
            speed=np.where(during(2.0, 3.5, YES, NO) > 0, 0.0, 2.0),
            stop_line_distance=np.interp(CLOCK, [0.0, 2.0, 3.5, 5.9], [5.0, 1.0, 1.0, -3.8]),
            stop_line_cross=at(4.1),
        ),
        case(
            0.1 - 2.0,
            speed=2.0,
            stop_line_distance=9.9 - 2 * CLOCK,
            stop_line_cross=at(5.0),  # late enough that no stop can lie before the trace
        ),
    ),
    "crosswalk_yield": Pair(
        case(1.0, crosswalk_claimed=YES, ped_crosswalk_distance=slope(0.0, 4.0, 12.0, 1.0)),
        case(
            -2.0, crosswalk_claimed=flag(1.0, 4.0), ped_crosswalk_distance=during(1.0, 4.0, slope(1, 3, 8, -2), 150.0)
        ),
    ),
    "crosswalk_approach": Pair(
        case(2 * 3.5 * 6.5 - 25, speed=5.0, crosswalk_claimed=at(2.0), ped_crosswalk_distance=during(2, 2.1, 6, 150)),
        case(2 * 3.5 * 5.5 - 64, speed=8.0, crosswalk_claimed=at(2.0), ped_crosswalk_distance=during(2, 2.1, 5, 150)),
    ),
    "turning_vru_yield": Pair(
        case(4.0 - 2.0, turn_vru_pet=during(2.0, 4.0, 4.0, 20.0)),
        case(1.0 - 2.0, turn_vru_pet=during(2.0, 4.0, 1.0, 20.0)),
    ),
    "start_on_green": Pair(
        case(3.0 - 0.1, green_free=flag(0.5), speed=since(2.0, 3.0, 0.0)),
        case(0.0 - 0.1, green_free=flag(0.5), speed=0.0),
    ),
}

JUNCTIONS: dict[str, Pair] = {
    "right_before_left": Pair(
        case(2.5 - 1.0, right_pet=during(2.0, 3.0, 2.5, 20.0)),
        case(0.6 - 1.0, right_pet=during(2.0, 3.0, 0.6, 20.0)),
    ),
    "yield_priority": Pair(
        case(-0.3 + 1.0, priority_pet=during(2.0, 3.0, 3.0, 20.0), priority_accel=during(2.0, 3.0, -0.3, 0.0)),
        case(-2.5 + 1.0, priority_pet=during(2.0, 3.0, 1.2, 20.0), priority_accel=during(2.0, 3.0, -2.5, 0.0)),
    ),
    "left_turn_oncoming": Pair(
        case(2.0 - 1.0, oncoming_pet=during(2.0, 3.0, 2.0, 20.0)),
        case(0.4 - 1.0, oncoming_pet=during(2.0, 3.0, 0.4, 20.0)),
    ),
    "roundabout_yield": Pair(
        case(4.0 - 2.5, enters_roundabout=at(3.0), circulating_gap=during(3.0, 3.1, 4.0, 20.0)),
        case(1.0 - 2.5, enters_roundabout=at(3.0), circulating_gap=during(3.0, 3.1, 1.0, 20.0)),
    ),
    # No vehicle in the exit: the neutral 70 m/s of its speed decide.
    "junction_exit_free": Pair(
        case(70.0 - 3.0, enters_intersection=at(3.0), exit_space=during(3.0, 3.1, 15.0, 100.0)),
        case(
            0.0 - 3.0,
            enters_intersection=at(3.0),
            exit_space=during(3.0, 3.1, 2.0, 100.0),
            exit_speed=during(3.0, 3.1, 0.0, 70.0),
        ),
    ),
    "keep_clear": Pair(
        case(5.0, keep_clear_depth=during(2.0, 3.5, 5.0, -5.0), speed=4.0),
        case(0.0 - 0.1, keep_clear_depth=since(2.0, 5.0, -5.0), speed=since(2.5, 0.0, 4.0)),
    ),
}

CHANGING: dict[str, Pair] = {
    "lane_change_rear": Pair(
        case(
            25.0 - (5 * 0.4 + 5**2 / 6 + 12),
            lane_change_start=at(2.0),
            rear_gap_target=25.0,
            rear_closing=5.0,
            speed=12.0,
        ),
        case(
            12.0 - (5 * 0.4 + 5**2 / 6 + 12),
            lane_change_start=at(2.0),
            rear_gap_target=12.0,
            rear_closing=5.0,
            speed=12.0,
        ),
    ),
    "lane_change_front": Pair(
        case(10.0 - (1 + 0.5 * 12), lane_change_start=at(2.0), front_gap_target=10.0, speed=12.0),
        case(3.0 - (1 + 0.5 * 12), lane_change_start=at(2.0), front_gap_target=3.0, speed=12.0),
    ),
    "lane_change_time": Pair(
        case(1000.0, lane_change_start=at(0.5), lane_change=flag(0.5, 3.5)),
        case(-1000.0, lane_change_start=at(0.5), lane_change=flag(0.5)),
    ),
    "lane_change_signal": Pair(
        case(1000.0, lane_change_start=at(3.0), turn_signal=flag(1.5)),
        case(-1000.0, lane_change_start=at(3.0), turn_signal=flag(2.8)),
    ),
    "no_weaving": Pair(
        case(1000.0, lane_change_start=at(1.0, 5.5)),
        case(-1000.0, lane_change_start=at(1.0, 2.5)),
    ),
    "overtake_oncoming": Pair(
        case(9.0 - 4.0, opposite_margin=during(1.0, 3.0, -1.0, 20.0), oncoming_time=during(1.0, 3.0, 9.0, 20.0)),
        # Two seconds short; but the ego is in the opposite lane by 1 m only.
        case(
            -1.0, opposite_margin=during(1.0, 4.0, -1.0, 20.0), oncoming_time=during(1.0, 4.0, slope(1, 3, 9, 2), 20.0)
        ),
    ),
    "overtake_return": Pair(
        case(2.0, opposite_margin=during(1.5, 4.5, -1.0, 2.0)),
        case(-1.0, opposite_margin=since(0.5, -1.0, 2.0)),
    ),
    "no_overtaking_zone": Pair(
        case(1000.0, no_overtaking=YES, overtaking=NO),
        case(-1000.0, no_overtaking=YES, overtaking=flag(3.0, 5.0)),
    ),
    "no_passing_right": Pair(
        case(7.0 + 5.55 - 10.0, left_vehicle=YES, left_slow=YES, left_speed=7.0, speed=10.0),
        case(20.0 - 25.0, left_vehicle=flag(2.0, 4.0), left_speed=during(2.0, 4.0, 20.0, 70.0), speed=25.0),
    ),
    "passing_gap": Pair(
        case(1.2 - (0.5 + 0.02 * 20), passing=flag(2.0, 4.0), pass_gap=during(2.0, 4.0, 1.2, 10.0), speed=20.0),
        case(0.6 - (0.5 + 0.02 * 20), passing=flag(2.0, 4.0), pass_gap=during(2.0, 4.0, 0.6, 10.0), speed=20.0),
    ),
    "cyclist_gap": Pair(
        case(1.7 - 1.5, passing_vru=flag(2.0, 4.0), vru_side_gap=during(2.0, 4.0, 1.7, 10.0)),
        case(1.1 - 1.5, passing_vru=flag(2.0, 4.0), vru_side_gap=during(2.0, 4.0, 1.1, 10.0)),
    ),
    "door_zone": Pair(
        case(4.2 - 3.0, passing_parked=flag(2.0, 4.0), parked_side_gap=during(2.0, 4.0, 0.6, 10.0), speed=3.0),
        case(0.5 - 0.8, passing_parked=flag(2.0, 4.0), parked_side_gap=during(2.0, 4.0, 0.5, 10.0), speed=10.0),
    ),
    "emergency_vehicle": Pair(
        case(1.4 - 0.5, ev_near=YES, ev_path_margin=-1.0, speed=slope(0.0, 2.5, 10.0, 0.5)),
        case(-1.0 - 0.3, ev_near=YES, ev_path_margin=-1.0, speed=10.0),
    ),
}

FLOW: dict[str, Pair] = {
    "traffic_flow": Pair(
        case(11.0 + 5.0 - 13.9, speed=11.0, flow_speed=13.9),
        case(4.0 - (5.9 + 0.05), speed=5.0, flow_speed=13.9),
    ),
    "no_standing": Pair(
        case(25.0 - 0.01, speed=25.0),
        case(0.0 - 0.01, speed=braking(0.0, 25.0, 5.0)),
    ),
    "not_stuck": Pair(
        case(3.0 - 0.1, speed=during(1.0, 4.0, 0.0, 3.0)),
        case(0.0 - 0.1, speed=since(1.0, 0.0, 3.0)),
    ),
    "progress": Pair(
        case(0.9 - 0.2, route_progress=slope(0.0, 5.9, 0.0, 0.9)),
        case(0.1 - 0.2, route_progress=slope(0.0, 5.9, 0.0, 0.1)),
    ),
    # Decided at 3.8 s, the last sample at which the clock excuses less than the corridor gives.
    "rescue_corridor": Pair(
        case(-0.3 + 0.7 * 38 / 59, congestion=YES, corridor_margin=slope(0.0, 5.9, -0.3, 0.4)),
        case(-0.3, congestion=YES, corridor_margin=-0.3),
    ),
    "yield_ramp": Pair(
        case(1000.0, ramp_vehicle=flag(0.3, 0.9), in_right_lane=NO),
        case(-1000.0, ramp_vehicle=flag(1.0, 4.0), in_right_lane=flag(3.0)),
    ),
}

COMFORT: dict[str, Pair] = {
    "comfort_accel": Pair(
        case(2.4 - 1.0, accel_lon=during(1.0, 2.0, 1.0, 0.0)),
        case(-5.0 + 4.05, accel_lon=during(1.0, 2.0, -5.0, 0.0)),
    ),
    "comfort_lateral": Pair(
        case(4.89 - 2.0, accel_lat=during(1.0, 2.0, -2.0, 0.0)),
        case(4.89 - 6.0, accel_lat=during(1.0, 2.0, -6.0, 0.0)),
    ),
    "comfort_jerk": Pair(
        case(4.13 - 2.0, jerk_lon=during(1.0, 2.0, -2.0, 0.0), jerk_abs=during(1.0, 2.0, 3.0, 0.0)),
        case(4.13 - 9.0, jerk_lon=during(1.0, 2.0, -9.0, 0.0), jerk_abs=during(1.0, 2.0, 9.0, 0.0)),
    ),
    "comfort_yaw": Pair(
        case(0.95 - 0.3, yaw_rate=during(1.0, 2.0, 0.3, 0.0)),
        case(0.95 - 1.2, yaw_rate=during(1.0, 2.0, -1.2, 0.0)),
    ),
}

CONDITION: dict[str, Pair] = {
    # Straight along the lane the cosine gap is 0: its tube of 0.2 is the narrowest.
    "pstl_keep": Pair(
        case(0.2, lane_offset=0.5),
        case(2.0 - 3.0, lane_offset=slope(0.0, 5.0, 0.0, 3.0)),
    ),
    # From 4.5 s on at the latest the offset must stay within the tube; there it is 1.36 m outside.
    "pstl_left": Pair(
        case(0.2, left_lane_offset=slope(0.0, 3.8, -3.5, 0.0)),
        case(-3.5 + 1.5 * 45 / 59 + 1.0, left_lane_offset=slope(0.0, 5.9, -3.5, -2.0)),
    ),
    "pstl_right": Pair(
        case(0.2, right_lane_offset=slope(0.0, 3.8, 3.5, 0.0)),
        case(-3.5 + 1.5 * 45 / 59 + 1.0, right_lane_offset=slope(0.0, 5.9, 3.5, 2.0)),
    ),
}

PAIRS: dict[str, Pair] = {
    **DANGER,
    **FOLLOWING,
    **ROAD,
    **SPEED,
    **LINES,
    **JUNCTIONS,
    **CHANGING,
    **FLOW,
    **COMFORT,
    **CONDITION,
}
