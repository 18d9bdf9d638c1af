"""The 98 signals that rules may read: unit, range, neutral value, and what each one says.

``CATALOG`` is read from the table below. A row is ``name | unit | low | high | neutral | gradient | needs`` with the
definition indented under it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

FLAG = 1000.0  # a flag that is up; one that is down is -FLAG


@dataclass(frozen=True)
class Signal:
    """One signal.

    Attributes:
        name: As rules write it.
        unit: SI; ``1`` for numbers without a unit and for flags.
        low, high: Values never leave this range; flags are -``FLAG`` (down) or ``FLAG`` (up).
        neutral: Written where the signal is not valid: on the side that keeps the usual rule.
        kind: ``number`` or ``flag``.
        gradient: With respect to the ego states: ``yes``, ``a.e.`` (almost everywhere) or ``no`` (a constant).
        definition: What the value is.
        needs: What a source must bring along for it. No source does yet: such a signal is valid nowhere.
    """

    name: str
    unit: str
    low: float
    high: float
    neutral: float
    kind: Literal["number", "flag"]
    gradient: Literal["yes", "a.e.", "no"]
    definition: str
    needs: tuple[str, ...] = ()


_TABLE = """
# Clock and ego motion
clock | s | 0 | 3600 | 0 | no | -
  time since the first scored sample. (The name time is unusable: rtamt reserves it as the key of the time axis.)
speed | m/s | -10 | 70 | 5 | yes | -
  signed forward speed of the rear axle: velocity projected on the heading; negative when reversing
accel_lon | m/s2 | -12 | 8 | 0 | yes | -
  rate of change of speed. In simulation the applied value of the vehicle model; from a log the first derivative of
  a Savitzky-Golay fit (order 2, 0.7 s window)
accel_lat | m/s2 | -12 | 12 | 0 | yes | -
  speed * yaw_rate (rear axle, so no centre-offset terms)
jerk_lon | m/s3 | -60 | 60 | 0 | yes | -
  first derivative of accel_lon, same smoothing
jerk_abs | m/s3 | 0 | 80 | 0 | a.e. | -
  norm of the time derivative of (accel_lon, accel_lat) in the vehicle frame
yaw_rate | rad/s | -1.5 | 1.5 | 0 | yes | -
  derivative of the unwrapped heading
yaw_accel | rad/s2 | -5 | 5 | 0 | yes | -
  derivative of yaw_rate
# Lane and road
lane_offset | m | -10 | 10 | 0 | a.e. | -
  signed distance from the box centre to the ego-lane centreline, positive to the left; exact projection on the
  polyline segment, not on its infinite line
heading_error | rad | -pi | pi | 0 | a.e. | -
  ego heading minus tangent of the ego-lane centreline at the projection, wrapped
left_lane_offset | m | -20 | 20 | 0 | a.e. | -
  as lane_offset but to the same-direction left neighbour
right_lane_offset | m | -20 | 20 | 0 | a.e. | -
  as lane_offset but to the same-direction right neighbour
lane_heading_gap | 1 | 0 | 2 | 0 | a.e. | -
  1 - cos(heading_error): the heading measure of pSTL diffusion
left_heading_gap | 1 | 0 | 2 | 0 | a.e. | -
  1 - cos of the heading difference to the left neighbour
right_heading_gap | 1 | 0 | 2 | 0 | a.e. | -
  1 - cos of the heading difference to the right neighbour
lane_margin | m | -5 | 5 | 1 | a.e. | -
  smallest signed distance of the 4 box corners to the two lateral borders of the ego lane; positive when the whole
  box is inside
lane_width | m | 2 | 8 | 3.5 | no | -
  distance between the lateral borders at the projection
lane_keep_due | flag | - | - | false | no | -
  ego centre outside intersection polygons, no lane change in progress, lane width >= 2.5 m
drivable_margin | m | -20 | 20 | 5 | a.e. | -
  smallest signed distance of the 4 box corners to the border of the union of drivable polygons; positive inside.
  Exact polygon test near the edge; a distance field may only skip corners that are clearly inside
opposite_margin | m | -5 | 20 | 20 | a.e. | -
  signed distance from the ego box to the nearest lane polygon whose direction differs from the ego route tangent by
  more than 120 deg; negative = depth of the deepest corner. Not counted inside intersection polygons
direction_cos | 1 | -1 | 1 | 1 | a.e. | -
  cosine of the smallest angle between the ego heading and the tangents of all lanes or connectors whose polygon
  contains the box centre
wrong_way_dist | m | 0 | 50 | 0 | a.e. | -
  distance the centre travelled during the last 1.0 s while in no on-route lane or connector and outside
  intersections (NAVSIM driving-direction measure, 11 samples)
solid_line_margin | m | -5 | 10 | 10 | a.e. | line types
  distance of the ego box to the nearest solid line, signed: positive while the whole box is on the permitted side
  (side of the last sample without contact), minus the penetration depth of the deepest corner otherwise
speed_limit | m/s | 0 | 70 | 70 | no | -
  limit of the lane under the ego centre; over a connector the larger of connector and successor limit
visible_range | m | 0 | 200 | 200 | a.e. | occlusion model
  arc length along the route from the front bumper to the first centreline point hidden by a static occluder or
  beyond sensor range
route_offset | m | 0 | 200 | 0 | a.e. | -
  distance from the box centre to the union of on-route lane polygons (0 inside)
in_intersection | flag | - | - | false | no | -
  box centre strictly inside an intersection polygon
# Lane changes and lane rules
lane_change | flag | - | - | false | no | -
  true from the first sample at which the box crosses the line between two same-direction lanes until the whole box
  is inside one of them
lane_change_start | flag | - | - | false | no | -
  first sample of each lane_change interval (not true at clock 0)
turn_signal | flag | - | - | true | no | indicators
  planner reports an indicator on the side of the coming or present lateral movement
in_right_lane | flag | - | - | true | no | -
  no same-direction driving lane to the right of the ego lane (left in left-hand traffic)
right_lane_free | flag | - | - | false | no | -
  the lane to the right exists, continues on the route for 150 m, and has no agent between 20 m behind and speed *
  10 s ahead of the ego
no_overtaking | flag | - | - | false | no | overtaking bans
  ego is inside an overtaking ban (map attribute)
overtaking | flag | - | - | false | no | -
  ego is moving at > 0.5 m/s more than an agent that was ahead within 3 s in the same direction, and laterally
  overlaps no part of its lane, while longitudinal boxes overlap or closed in the last 1 s
# Lead vehicle
has_lead | flag | - | - | false | no | -
  a lead exists within 150 m
lead_gap | m | -5 | 150 | 150 | a.e. | -
  arc length from the ego front bumper to the nearest point of the lead box along the corridor; negative when
  overlapping
lead_speed | m/s | -10 | 70 | 70 | a.e. | -
  lead velocity projected on the route tangent at the lead
lead_accel | m/s2 | -12 | 8 | 0 | no | -
  derivative of lead_speed for the same lead id, order-2 fit over 0.7 s; 0 for the first 0.3 s of a new lead
closing_speed | m/s | 0 | 70 | 0 | a.e. | -
  max(0, speed - lead_speed)
lead_ttc | s | 0 | 20 | 20 | a.e. | -
  lead_gap / max(closing_speed, 0.05), capped at 20; 0 when lead_gap <= 0
lead_time_gap | s | 0 | 20 | 20 | a.e. | -
  lead_gap / max(speed, 0.5), capped at 20
lead_cut_in | flag | - | - | false | no | -
  the present lead was not the lead 0.1 s ago and entered the corridor sideways: its box straddles the border of the
  ego lane, and its lateral speed points to the ego path. True until it is fully inside the ego lane
safe_dist_margin | m | -150 | 150 | 150 | a.e. | -
  lead_gap minus [speed^2/(2*10.0) - lead_speed^2/(2*10.5) + 0.3*speed] with the constants of the interstate monitor
  (section 4)
rss_lon_margin | m | -150 | 150 | 150 | a.e. | -
  lead_gap minus the RSS longitudinal distance (formula in 2.10)
# All agents
clearance | m | -5 | 50 | 50 | a.e. | -
  signed distance between the ego box and the nearest agent box: Euclidean gap, or minus the penetration depth
  (smallest translation that separates) when they overlap
contact_fault | flag | - | - | false | no | -
  the present contact is the fault of the ego in the sense of the NAVSIM collision classes (stopped object, front
  bumper, or sideways while outside one lane)
impact_speed | m/s | 0 | 100 | 0 | no | -
  norm of the relative velocity at the first contact sample
ttc | s | 0 | 20 | 20 | a.e. | -
  smallest tau in 0, 0.1, .. 3.0 s (then linear refinement) at which ego and agent boxes, both moved at constant
  velocity and heading, touch; 20 if none. Agents behind the ego (centroid bearing > 150 deg) are ignored
disc_clearance | m | -5 | 20 | 20 | yes | -
  pSTL distance: 4 equal discs per body, smallest centre distance minus radii, over the 8 nearest vehicles (section
  1, pSTL rules)
alongside | flag | - | - | false | no | -
  an agent box overlaps the ego longitudinally in the route frame and is within 6 m laterally
rss_lat_margin | m | -10 | 20 | 20 | a.e. | -
  smallest over alongside agents of lateral gap minus the RSS lateral distance (2.10)
rss_margin | m | -150 | 150 | 150 | a.e. | -
  min over agents of max(longitudinal RSS margin, lateral RSS margin): negative only when both distances are unsafe
  at once
left_vehicle | flag | - | - | false | no | -
  a vehicle in the directly left same-direction lane overlaps the ego longitudinally (extended by 2 m at both ends)
left_speed | m/s | -10 | 70 | 70 | no | -
  speed of that vehicle (largest if several)
left_slow | flag | - | - | false | no | -
  that vehicle is in a queue: >= 3 vehicles ahead in its lane at <= 8.33 m/s
right_pass_exempt | flag | - | - | false | no | line types
  passing on the right is allowed: broad lane marking between the lanes, ego on an entry ramp, urban road with
  several marked lanes, or left vehicle turning left
front_gap_target | m | -20 | 150 | 150 | a.e. | -
  gap from the ego front to the next vehicle ahead in the target lane of the present or starting lane change
rear_gap_target | m | -20 | 150 | 150 | a.e. | -
  gap from the ego rear to the next vehicle behind in the target lane
rear_closing | m/s | 0 | 70 | 0 | a.e. | -
  max(0, speed of that rear vehicle - speed)
passing | flag | - | - | false | no | -
  ego speed exceeds that of a moving vehicle in the same direction by > 0.5 m/s while boxes overlap longitudinally
  within 5 m laterally
pass_gap | m | -5 | 10 | 10 | a.e. | -
  lateral gap to the vehicle being passed (smallest)
oncoming_time | s | 0 | 20 | 20 | a.e. | -
  time until ego and the nearest oncoming vehicle in the used opposite lane meet: distance along the lane / sum of
  speeds; 20 if none within 300 m
# Vulnerable road users and parked vehicles
vru_clearance | m | -3 | 50 | 50 | a.e. | -
  as clearance, VRUs only
vru_near | flag | - | - | false | no | -
  a VRU within 4 m of the ego path corridor and within 3 s of driving ahead (or 10 m if slower), or a crosswalk with
  a VRU at <= 3 m from it within 30 m ahead
passing_vru | flag | - | - | false | no | -
  ego moves > 0.5 m/s faster than a cyclist, scooter or pedestrian on the carriageway heading the same way (within
  60 deg) and boxes overlap longitudinally (extended by 1 m)
vru_side_gap | m | -3 | 10 | 10 | a.e. | -
  lateral gap, ego box to VRU box, of the passed VRU (smallest); mirrors add 0.15 m to the ego half width when the
  vehicle model has them
passing_parked | flag | - | - | false | no | -
  ego moves and overlaps longitudinally a stationary vehicle (speed < 0.1 m/s for > 5 s, or parked attribute) whose
  box is within 3 m laterally and not in the ego lane queue
parked_side_gap | m | -3 | 10 | 10 | a.e. | -
  lateral gap to that parked vehicle (smallest)
ev_near | flag | - | - | false | no | emergency signals
  an emergency vehicle with active signals within 100 m behind or 50 m ahead on the route
ev_path_margin | m | -5 | 20 | 20 | a.e. | emergency signals
  lateral distance from the ego box to the corridor of that vehicle (its lane centre +- 1.5 m)
ramp_vehicle | flag | - | - | false | no | ramps
  a vehicle ahead on an entry ramp reaches the main carriageway within 5 s at constant speed
# Signals, lines, crossings and priority
light_line_distance | m | -40 | 150 | 150 | yes | -
  to the stop line of the next signalled connector of the route
red_light_distance | m | -40 | 150 | 150 | yes | -
  light_line_distance while the light is red AND the front bumper was before the line when it turned red (or when
  the ego lane got this light); otherwise neutral. So entering on green and standing inside on red is no offence
amber_onset | flag | - | - | false | no | amber states
  first sample of amber for the ego light while the bumper is before the line
amber_decel | m/s2 | 0 | 50 | 50 | a.e. | -
  speed^2 / (2 * max(light_line_distance - 0.5*speed, 0.1)): deceleration needed to stop at the line with 0.5 s
  reaction
green_free | flag | - | - | false | no | -
  light green, no lead within 10 m, no conflicting road user in the connector
stop_line_distance | m | -20 | 150 | 150 | yes | -
  to the next stop line under a stop sign (all-way stops included)
stop_line_cross | flag | - | - | false | no | -
  first sample with stop_line_distance < 0
ped_crosswalk_distance | m | -20 | 150 | 150 | yes | -
  to the near edge of the next unsignalled (or green-for-pedestrians) crosswalk that is claimed; neutral if the
  bumper had passed the edge before the claim began
crosswalk_claimed | flag | - | - | false | no | -
  a VRU is on the crosswalk polygon, or within 1.5 m of it and walking towards it at >= 0.3 m/s, or standing within
  1.0 m of its end facing it; a VRU that has cleared the ego half of the carriageway by 1 m releases it
turn_vru_pet | s | 0 | 20 | 20 | a.e. | -
  while turning: smallest |time difference| between ego and any VRU crossing the arm the ego enters, both at
  constant speed along their paths, 0 when both occupy it
enters_intersection | flag | - | - | false | no | -
  first sample at which the front bumper is inside an intersection polygon
exit_space | m | 0 | 100 | 100 | a.e. | -
  free length between the far border of the intersection on the route and the rear of the last vehicle in the exit
  lane
exit_speed | m/s | -2 | 70 | 70 | no | -
  speed of that vehicle
keep_clear_depth | m | -20 | 30 | -20 | a.e. | -
  overlap length of the ego box, along the route, with zones that must stay empty (crosswalk, junction box, rail
  crossing, fire lane, tram track); minus the distance to the next one when outside
right_pet | s | 0 | 20 | 20 | a.e. | -
  unregulated junction: smallest time difference between the ego and any vehicle from the right in their common
  conflict area, measured while the ego is inside it; predicted at constant speed for the later one
priority_pet | s | 0 | 20 | 20 | a.e. | -
  same for vehicles that have priority by sign or by road class
oncoming_pet | s | 0 | 20 | 20 | a.e. | -
  same for oncoming straight or right-turning vehicles while the ego turns left
priority_accel | m/s2 | -12 | 8 | 0 | no | -
  smallest acceleration among vehicles with priority within 15 m of the conflict area while the ego is in it and
  closer to them than any other vehicle
enters_roundabout | flag | - | - | false | no | roundabouts
  first sample with the front bumper on the circulatory lane polygon
circulating_gap | s | 0 | 20 | 20 | a.e. | roundabouts
  time until the nearest circulating vehicle reaches the ego entry point at its current speed (0 if there now)
# Traffic state and reasons
brake_reason | flag | - | - | false | no | -
  one of: lead with lead_ttc < 4 s or safe_dist_margin < 0; red or amber light, stop line, claimed crosswalk, or
  yield conflict within speed^2/(2*2.0) + 10 m; VRU with vru_near; speed above limit; turn or curve needing less
  speed (accel_lat at present speed > 3 m/s2 within 2 s); ev_near
stop_reason | flag | - | - | false | no | -
  one of: lead_gap < 10 m with lead_speed < 0.5; red, amber or stop line within 10 m; claimed crosswalk or yield
  conflict within 15 m; exit_space < 8 m at the junction edge; route end within 5 m; ev_near
slow_reason | flag | - | - | false | no | -
  brake_reason or stop_reason, or lead slower than flow_speed - 2 m/s within 4 s time gap, or junction or turn
  within 30 m
flow_speed | m/s | 0 | 70 | 0 | no | -
  min(speed_limit, curve speed at 2 m/s2 lateral, road-type desired speed); optionally the median speed of same-
  direction vehicles within 100 m
congestion | flag | - | - | false | no | -
  >= 3 vehicles ahead in the ego lane within 100 m, each at <= 2.78 m/s
corridor_margin | m | -3 | 3 | 3 | a.e. | -
  distance of the ego box edge that faces the rescue corridor to that corridor (leftmost lane: keep left of its left
  quarter; others: keep right); positive = corridor free
route_progress | 1 | 0 | 2 | 1 | a.e. | -
  progress of the ego projection along the route since clock 0, divided by max(progress of the reference over the
  same time, 5 m); the reference is named in the rule set (log, or PDM-style proposal)
"""


def _read(table: str) -> dict[str, Signal]:
    found: dict[str, Signal] = {}
    entries: list[tuple[str, list[str]]] = []
    for line in table.splitlines():
        if line.startswith("  "):
            entries[-1][1].append(line.strip())
        elif line and not line.startswith("#"):
            entries.append((line, []))
    for row, text in entries:
        name, unit, low, high, neutral, gradient, needs = (cell.strip() for cell in row.split("|"))
        flag = unit == "flag"
        found[name] = Signal(
            name=name,
            unit="1" if flag else unit,
            low=-FLAG if flag else _number(low),
            high=FLAG if flag else _number(high),
            neutral=_number(neutral),
            kind="flag" if flag else "number",
            gradient=cast(Literal["yes", "a.e.", "no"], gradient),
            definition=" ".join(text),
            needs=() if needs == "-" else (needs,),
        )
    return found


def _number(cell: str) -> float:
    words = {"true": FLAG, "false": -FLAG, "pi": math.pi, "-pi": -math.pi}
    return words[cell] if cell in words else float(cell)


CATALOG: Mapping[str, Signal] = _read(_TABLE)
