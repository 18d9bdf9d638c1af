"""Lane follower: the route at the speed limit, blind to everybody else. How far does the map alone go?"""

from drive.observation import Observation
from drive.vehicle import Ego
from planners.baselines.pace import DT, allowed_speed, roll, toward, view_ahead
from planners.baselines.route import build_route, steer_onto
from planners.contract import Context, Plan, Planner


class LaneFollower(Planner):
    """Follows the route's centreline at the speed limit, slower in bends; sees neither agents nor lights.

    Args:
        speed_factor: Part of the speed limit (13.9 m/s where there is none) to drive at.
    """

    _front: float

    def __init__(self, speed_factor: float = 1.0) -> None:
        if not 0 < speed_factor <= 2:
            raise ValueError(f"speed_factor is {speed_factor}, expected a number above 0 and up to 2")
        self.speed_factor = speed_factor

    def reset(self, context: Context) -> None:
        """Remember the car."""
        self._front = context.vehicle.front

    def plan(self, observation: Observation) -> Plan:
        """Four seconds along the route from where the ego is, back onto the centreline where it is off it."""
        ego = observation.ego[-1]
        speed = ego[Ego.VX]
        path = steer_onto(build_route(observation), view_ahead(speed), speed)
        allowed = allowed_speed(path, self.speed_factor, self._front)
        # looking half a second ahead makes up for the time it takes to change speed
        arcs = roll(speed, ego[Ego.AX], lambda time, arc, v: toward(v, allowed.at(arc + 0.5 * v)))
        return Plan.single(path.poses(arcs), DT)
