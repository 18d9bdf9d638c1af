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
  Time since the first sample, exact to the step.
speed | m/s | -10 | 70 | 5 | yes | -
  Forward speed of the rear axle, negative while reversing.
accel_lon | m/s2 | -12 | 8 | 0 | yes | -
  Forward acceleration as the state has it: the vehicle model's in simulation, a Savitzky-Golay derivative of the
  speed in a log.
accel_lat | m/s2 | -12 | 12 | 0 | yes | -
  Centripetal acceleration of the rear axle: speed x yaw rate.
jerk_lon | m/s3 | -60 | 60 | 0 | yes | -
  Derivative of accel_lon: slope of a quadratic fit over 0.7 s (one-sided at the ends; the recorded past is used
  where the drive goes on from it).
jerk_abs | m/s3 | 0 | 80 | 0 | a.e. | -
  Norm of the derivatives of accel_lon and accel_lat, fitted as for jerk_lon.
yaw_rate | rad/s | -1.5 | 1.5 | 0 | yes | -
  Rate of change of the heading, as the state has it.
yaw_accel | rad/s2 | -5 | 5 | 0 | yes | -
  Derivative of yaw_rate, fitted as for jerk_lon.
# Lane and road
lane_offset | m | -10 | 10 | 0 | a.e. | -
  Distance of the box centre from the centreline of the ego lane, positive to the left. The nearest point lies on
  the polyline itself, which goes straight on beyond the lane's two ends. Ego lane: of the lanes beside the route
  (same roadblock or neighbours) the one that holds the centre and is nearest in direction, else the nearest that is
  not against the heading; another lane takes over once it has been the better one for 0.3 s, at once where it
  continues the present one.
heading_error | rad | -pi | pi | 0 | a.e. | -
  Heading minus the direction of the ego lane beside the box centre, in [-pi, pi).
left_lane_offset | m | -20 | 20 | 0 | a.e. | -
  As lane_offset, from the left neighbour of the ego lane.
right_lane_offset | m | -20 | 20 | 0 | a.e. | -
  As lane_offset, from the right neighbour of the ego lane.
lane_heading_gap | 1 | 0 | 2 | 0 | a.e. | -
  1 - cos(heading_error).
left_heading_gap | 1 | 0 | 2 | 0 | a.e. | -
  1 - cos of the heading relative to the left neighbour.
right_heading_gap | 1 | 0 | 2 | 0 | a.e. | -
  1 - cos of the heading relative to the right neighbour.
lane_margin | m | -5 | 5 | 1 | a.e. | -
  How far the box corner that is least inside is inside of the ego lane's left and right border, measured across the
  lane; negative outside. Corners beyond an end of the lane are measured in the lane before or after it.
lane_width | m | 2 | 8 | 3.5 | no | -
  Width of the ego lane across it, beside the box centre.
lane_keep_due | flag | - | - | false | no | -
  There is an ego lane at least 2.5 m wide, the box centre is in no intersection, and no lane change is going on.
drivable_margin | m | -20 | 20 | 5 | a.e. | -
  Signed distance of the box corner that is least inside to the border of the union of all drivable areas, positive
  inside; gaps between areas of up to 10 cm are closed.
opposite_margin | m | -5 | 20 | 20 | a.e. | -
  Distance of the box to the nearest lane that runs against the route (by more than 120 degrees), minus the depth of
  the deepest corner where it is in one. Connectors and lanes beside the route do not count. Valid outside of
  intersections where such a lane lies within 20 m.
direction_cos | 1 | -1 | 1 | 1 | a.e. | -
  Cosine of the smallest angle between the heading and the directions of all lanes that hold the box centre.
wrong_way_dist | m | 0 | 50 | 0 | no | -
  Distance the box centre moved over the last 11 samples in which it was in no lane beside the route and in no
  intersection.
solid_line_margin | m | -5 | 10 | 10 | no | line types
  Distance of the box to the nearest solid line, minus the depth of the deepest corner beyond it.
speed_limit | m/s | 0 | 70 | 70 | no | -
  Limit of the lane under the box centre; a connector has the larger of its own and its successors' limits.
visible_range | m | 0 | 200 | 200 | no | occlusion model
  Distance along the route from the front bumper to the first point that cannot be seen.
route_offset | m | 0 | 200 | 0 | no | -
  Distance of the box centre from the nearest lane beside the route, 0 inside.
in_intersection | flag | - | - | false | no | -
  The box centre is in an intersection.
# Lane changes and lane rules
lane_change | flag | - | - | false | no | -
  The box is across the line between two lanes of the same direction.
lane_change_start | flag | - | - | false | no | -
  First sample of a lane change; never the first sample of all.
turn_signal | flag | - | - | true | no | indicators
  The ego indicates to the side to which it moves or is going to move.
in_right_lane | flag | - | - | true | no | -
  No lane of the same direction lies on the kerb side of the ego lane (right in right-hand traffic).
right_lane_free | flag | - | - | false | no | -
  The neighbour on the kerb side goes on along the route for 150 m (or to the route's end), and nobody is in it from
  20 m behind the ego to 10 s of driving ahead.
no_overtaking | flag | - | - | false | no | overtaking bans
  Overtaking is forbidden here.
overtaking | flag | - | - | false | no | -
  The ego is more than 0.5 m/s faster than a vehicle that moves the same way and was ahead within the last 3 s,
  overlaps no part of its lane, and is beside it or came nearer within the last second.
# Lead vehicle
has_lead | flag | - | - | false | no | -
  Something is ahead within 150 m in the corridor: along the route at the present lateral offset of the box centre,
  0.2 m wider than the ego on either side. What is beside the ego is no lead; what overlaps its own width is, if its
  centre is ahead.
lead_gap | m | -5 | 150 | 150 | a.e. | -
  Distance along the route from the front bumper to where the lead's box begins in the corridor; negative: overlap.
lead_speed | m/s | -10 | 70 | 70 | no | -
  Velocity of the lead along the route.
lead_accel | m/s2 | -12 | 8 | 0 | no | -
  Derivative of the velocity of the lead along the route: slope of a quadratic fit over 0.7 s. Valid once it has
  been the lead for 0.3 s.
closing_speed | m/s | 0 | 70 | 0 | a.e. | -
  Speed minus lead_speed, at least 0.
lead_ttc | s | 0 | 20 | 20 | a.e. | -
  lead_gap / closing_speed, at most 20 s, 0 where they overlap. Valid while closing in at more than 0.05 m/s.
lead_time_gap | s | 0 | 20 | 20 | a.e. | -
  lead_gap / speed (at least 0.5 m/s), at most 20 s.
lead_cut_in | flag | - | - | false | no | -
  The lead was outside of the corridor one sample before it became the lead, moves sideways towards the ego, and its
  box is across a border of the ego lane; true until it no longer is.
safe_dist_margin | m | -150 | 150 | 150 | a.e. | -
  lead_gap minus the stopping distances of the interstate rules: speed^2 / 20 - lead_speed^2 / 21 + 0.3 s x speed.
rss_lon_margin | m | -150 | 150 | 150 | a.e. | -
  lead_gap minus the RSS distance for one direction (response 1 s, acceleration 3.5, braking 4 and 8 m/s2).
# All agents
clearance | m | -5 | 50 | 50 | a.e. | -
  Signed distance between the box of the ego and the nearest other box: the gap, or minus the smallest push that
  parts them. Valid where somebody is within 50 m.
contact_fault | flag | - | - | false | no | -
  The present contact is the ego's fault: something standing, the front bumper, or sideways while across lanes or
  off the road. Boxes that overlap when an agent first appears are in no contact for as long as they stay together.
impact_speed | m/s | 0 | 100 | 0 | no | -
  Relative speed at the first sample of the present contact.
ttc | s | 0 | 20 | 20 | a.e. | -
  Time until the ego touches another box if everybody keeps velocity and heading, exact, within 3 s; 20 s if nobody.
  Who is more than 150 degrees off the heading, seen from the box centre, does not count. Valid where somebody is
  within 60 m.
disc_clearance | m | -5 | 20 | 20 | yes | -
  Every body as 4 equal discs in a row, as wide as it: smallest distance between a disc of the ego and one of the 8
  nearest motor vehicles. Valid where one is within 60 m.
alongside | flag | - | - | false | no | -
  Somebody who can move overlaps the ego along the route, at most 6 m to the side.
rss_lat_margin | m | -10 | 20 | 20 | no | -
  Smallest lateral gap to those alongside minus the lateral RSS distance (response 1 s, acceleration 0.2, braking
  0.8 m/s2, 0.1 m of wobble), with lateral speeds averaged over 0.5 s.
rss_margin | m | -150 | 150 | 150 | no | -
  Smallest over everybody within 150 m along the route and 10 m beside the ego of the larger of longitudinal and
  lateral RSS margin: negative only where both distances are too short. Vehicles that cross the route do not count,
  nor do those that follow in the ego's own track: they keep the distance.
left_vehicle | flag | - | - | false | no | -
  A motor vehicle in the neighbour away from the kerb (left in right-hand traffic) overlaps the ego along the route,
  extended by 2 m at both ends.
left_speed | m/s | -10 | 70 | 70 | no | -
  Velocity of that vehicle along the route, of the fastest if there are several.
left_slow | flag | - | - | false | no | -
  At least 3 motor vehicles drive at 8.33 m/s or slower within 100 m ahead of that vehicle in its lane.
right_pass_exempt | flag | - | - | false | no | -
  Passing that vehicle on the kerb side is allowed: the limit here is 16.7 m/s or less (an urban road), or it
  indicates to turn away.
front_gap_target | m | -20 | 150 | 150 | a.e. | -
  Gap from the front bumper to the next vehicle ahead in the lane that the lane change goes to.
rear_gap_target | m | -20 | 150 | 150 | a.e. | -
  Gap from the rear bumper to the next vehicle behind in the lane that the lane change goes to.
rear_closing | m/s | 0 | 70 | 0 | a.e. | -
  Velocity of that vehicle along the route minus speed, at least 0.
passing | flag | - | - | false | no | -
  The ego is more than 0.5 m/s faster than a moving motor vehicle that goes the same way and overlaps it along the
  route, at most 5 m to the side.
pass_gap | m | -5 | 10 | 10 | no | -
  Lateral gap to the vehicle being passed, the smallest.
oncoming_time | s | 0 | 20 | 20 | no | -
  Distance to the next vehicle that comes towards the ego in the lane it borrows, over the sum of speeds; 20 s if
  nobody comes within 300 m. Valid where opposite_margin < 0.
# Vulnerable road users and parked vehicles
vru_clearance | m | -3 | 50 | 50 | a.e. | -
  As clearance, among pedestrians and cyclists (VRUs) only.
vru_near | flag | - | - | false | no | -
  A VRU is at most 4 m beside the corridor of the ego (its width and 0.2 m on either side, along the route) and
  between its rear bumper and 3 s of driving ahead of its front one (10 m if that is more), or a VRU is at most 3 m
  from a crosswalk of the route that begins at most 30 m ahead.
passing_vru | flag | - | - | false | no | -
  The ego is more than 0.5 m/s faster than a VRU on the carriageway that points its way (within 60 deg) and is beside
  it: boxes overlap along the ego, lengthened by 1 m at either end, and are at most 10 m apart across it.
vru_side_gap | m | -3 | 10 | 10 | no | -
  Gap across the ego between its box and that of the VRU it passes, the smallest. Our cars come without mirrors.
passing_parked | flag | - | - | false | no | -
  The ego moves (more than 0.1 m/s) beside a parked car: its box overlaps along the ego, is at most 3 m apart across
  it, and its centre is more than 1 m off the route (else it is a queue). Parked is who stands (below 0.1 m/s) for
  more than 5 s in a row in the recording, history included.
parked_side_gap | m | -3 | 10 | 10 | no | -
  Gap across the ego to that parked car, the smallest.
ev_near | flag | - | - | false | no | emergency signals
  An emergency vehicle on duty within 100 m behind or 50 m ahead on the route.
ev_path_margin | m | -5 | 20 | 20 | no | emergency signals
  Gap across the road between the ego box and the corridor of that vehicle, its lane centre +- 1.5 m.
ramp_vehicle | flag | - | - | false | no | ramps
  A vehicle ahead on an entry ramp that reaches the carriageway within 5 s at its present speed.
# Signals, lines, crossings and priority
light_line_distance | m | -40 | 150 | 150 | yes | -
  Distance to the line of the next light of the route: the stop line drawn before its connector, else where that
  connector begins. Negative until the rear bumper has left the connector; not valid beyond 150 m.
red_light_distance | m | -40 | 150 | 150 | yes | -
  As light_line_distance, valid while the light is red and the front bumper was before the line when it turned red (at
  clock 0 if it was red then). So entering on green and standing inside on red is no offence.
amber_onset | flag | - | - | false | no | -
  First sample of amber of that light while the bumper is before the line, never at clock 0. Valid in scenes whose
  lights are ever amber.
amber_decel | m/s2 | 0 | 50 | 50 | a.e. | -
  Speed^2 / (2 max(light_line_distance - 0.5 s speed, 0.1 m)): the braking that stops at the line after half a second.
green_free | flag | - | - | false | no | -
  That light is green, there is no lead within 10 m, and nobody on the connector walks on it or drives across it.
  Valid within 5 m before the line.
stop_line_distance | m | -20 | 150 | 150 | yes | -
  Distance to the line of the next stop sign of the route; negative until the rear bumper has left the connector
  behind it. Not valid beyond 150 m.
stop_line_cross | flag | - | - | false | no | -
  The sample at which the front bumper passes such a line for the first time; never at clock 0.
ped_crosswalk_distance | m | -20 | 150 | 150 | yes | -
  Distance to the near edge of the next claimed crosswalk within 60 m, negative until the rear bumper has left it.
  Crosswalks that the bumper had reached before the claim began do not count.
crosswalk_claimed | flag | - | - | false | no | -
  There is such a crosswalk. A VRU claims it that is on it, or within 1.5 m and walking towards it at 0.3 m/s or more,
  or standing within 1 m of its end and facing it; not one that has left the half of the carriageway of the ego by 1 m
  and goes on, nor a cyclist riding along the road, nor any while the light of the ego lets it pass (but behind a
  turn). Valid where a crosswalk is within 60 m.
turn_vru_pet | s | 0 | 20 | 20 | no | -
  While the ego is in a connector that turns by more than 30 deg: time between its and the nearest VRU's presence
  where their ways cross in the second half of the connector or up to 10 m behind it, both at constant speed; 0 if at
  once. 20 s while the ego can still stop before that place at 3.5 m/s2.
enters_intersection | flag | - | - | false | no | -
  The front bumper is inside an intersection area and was not one sample before; never at clock 0.
exit_space | m | 0 | 100 | 100 | no | -
  At that sample: length of the route between the far border of the intersection and the next vehicle on it, at most
  100 m.
exit_speed | m/s | -2 | 70 | 70 | no | -
  Speed of that vehicle along the route. Not valid where there is none.
keep_clear_depth | m | -20 | 30 | -20 | no | -
  Length of the ego, along the route, on crosswalks; where there is none under it, minus the distance to the next one.
  Other zones to keep clear are in no map of ours.
right_pet | s | 0 | 20 | 20 | no | -
  In junctions without lights and signs, while the ego is in the area that its way has in common with that of vehicles
  from the right: time since one left that area, 0 while one is in it, or the time that one needs to reach it at its
  present speed; the smallest. Where both lead into one lane, one follows the other in it: the time that the one behind
  needs to where the one ahead is.
priority_pet | s | 0 | 20 | 20 | no | -
  The same for vehicles without a sign where the ego has a stop or yield sign.
oncoming_pet | s | 0 | 20 | 20 | no | -
  The same for oncoming vehicles that do not turn across the way of the ego, while the ego turns left (right where
  traffic keeps left). Vehicles before a red light do not come.
priority_accel | m/s2 | -12 | 8 | 0 | no | -
  Acceleration of vehicles with priority by sign that are at most 15 m before the common area while the ego is in it,
  and nearer to the ego than to any other vehicle; the smallest.
enters_roundabout | flag | - | - | false | no | roundabouts
  The front bumper enters the lane of a roundabout.
circulating_gap | s | 0 | 20 | 20 | no | roundabouts
  Time that the next vehicle in the roundabout needs to where the ego enters.
# Traffic state and reasons
brake_reason | flag | - | - | false | no | -
  Any of: lead_ttc < 4 s, safe_dist_margin < 0; a red or amber light, a stop sign, a claimed crosswalk, or a way
  shared with somebody who has the right of way and arrives within 8 s, at most speed^2 / (2 x 2 m/s2) + 10 m ahead;
  vru_near; speed above speed_limit; a bend of the route within 2 s that means more than 3 m/s2 at this speed;
  ev_near.
stop_reason | flag | - | - | false | no | -
  Any of: lead_gap < 10 m with lead_speed < 0.5 m/s; a red or amber light or a stop sign within 10 m; a claimed
  crosswalk or a way shared with somebody who has the right of way within 15 m; a junction within 5 m with less than 8
  m free behind it; the end of the route within 5 m; ev_near.
slow_reason | flag | - | - | false | no | -
  brake_reason, stop_reason, a lead slower than flow_speed - 2 m/s within a time gap of 4 s, or a junction or turn of
  the route within 30 m.
flow_speed | m/s | 0 | 70 | 0 | no | -
  The smaller of speed_limit (13.9 m/s where it is not known) and the speed that means 2 m/s2 in the bend under the
  ego.
congestion | flag | - | - | false | no | -
  At least three vehicles ahead in the lane of the ego within 100 m, none faster than 2.78 m/s. Valid on motorways; no
  source names them, so: a limit above 80 km/h and no junction within 150 m.
corridor_margin | m | -3 | 3 | 3 | no | -
  Distance of the ego box from the rescue corridor in a jam: a quarter of a lane on either side of the border between
  the innermost lane and the next. Positive: clear of it.
route_progress | 1 | 0 | 2 | 1 | a.e. | -
  Way along the route since clock 0 over that of the reference of the scene (the log, or the expert of the generator)
  in the same time, or over 5 m if that is more. Valid where the reference covers 5 m at all.
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
