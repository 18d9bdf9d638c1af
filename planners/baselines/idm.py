"""IDM: follows the route, keeps its distance from whatever is in the way and stops at red lights.

The intelligent driver model (Treiber, Hennecke, Helbing 2000) rolled out for four seconds along the path the ego will
drive. It has no second thoughts: it changes no lanes, drives around nothing and does not guess at intentions.
"""

from drive.observation import Observation
from drive.vehicle import Ego, VehicleParameters
from planners.baselines.leads import Lead, find_leads, stop_for_lights
from planners.baselines.pace import DT, allowed_speed, behind, roll, toward, view_ahead
from planners.baselines.route import Route, build_route, steer_onto
from planners.contract import Context, Plan, Planner


class IDM(Planner):
    """Intelligent driver model along the route: leads of every kind, crossing traffic, red lights, bends.

    Args:
        headway: Time gap to a lead [s].
        min_gap: Distance to a lead or stop line at standstill [m].
        speed_factor: Part of the speed limit (13.9 m/s where there is none) to drive at.
        margin: What is added to the ego's width on each side of its corridor [m].
    """

    _vehicle: VehicleParameters

    def __init__(
        self, headway: float = 1.5, min_gap: float = 2.0, speed_factor: float = 1.0, margin: float = 0.25
    ) -> None:
        for name, value, low, high in (
            ("headway", headway, 0.1, 5.0),
            ("min_gap", min_gap, 0.5, 10.0),
            ("speed_factor", speed_factor, 0.05, 2.0),
            ("margin", margin, 0.0, 2.0),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, expected a number from {low} to {high}")
        self.headway, self.min_gap, self.speed_factor, self.margin = headway, min_gap, speed_factor, margin

    def reset(self, context: Context) -> None:
        """Remember the car."""
        self._vehicle = context.vehicle

    def plan(self, observation: Observation) -> Plan:
        """Four seconds along the route, every lead predicted at constant velocity."""
        return self._follow(observation, build_route(observation))

    def _follow(self, observation: Observation, route: Route, reach: float | None = None) -> Plan:
        ego = observation.ego[-1]
        now, front = float(ego[Ego.VX]), self._vehicle.front
        path = steer_onto(route, view_ahead(now), now, reach=reach)
        allowed = allowed_speed(path, self.speed_factor, front)
        leads = find_leads(observation, path, self._vehicle, now, self.margin)
        leads.append(Lead(stop_for_lights(observation, route, path, self._vehicle, now), 0.0))

        def command(time: float, arc: float, speed: float) -> float:
            free = toward(speed, allowed.at(arc + 0.5 * speed))
            wanted = free
            for lead in leads:
                if lead.since <= time < lead.until:
                    gap = lead.arc + lead.speed * time - front - arc
                    wanted = min(wanted, behind(free, speed, gap, speed - lead.speed, self.headway, self.min_gap))
            return wanted

        return Plan.single(path.poses(roll(now, float(ego[Ego.AX]), command)), DT)
