"""IDM with lane changes by MOBIL: to a neighbouring lane where that pays, and nobody there has to brake hard.

MOBIL (Kesting, Treiber, Helbing 2007) weighs accelerations: the ego's own in both lanes and, by its politeness, what
the followers in both lanes win and lose. A lane from which the route cannot be followed pays less the nearer its end.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drive.observation import Observation
from drive.vehicle import Ego
from planners.baselines.idm import IDM
from planners.baselines.pace import behind, toward
from planners.baselines.route import ASSUMED_SPEED_LIMIT, SPACING, Route, build_route
from planners.contract import Context, Plan

Float = NDArray[np.float64]

HERE_ON_ROUTE = 0.5  # m by which a lane of the route may be further from the ego than the lane it is taken to be on
HALF_LANE = 1.75  # m; whose centre is nearer than that to a lane's is on it
NEAREST = 1.0  # m before and behind the ego that a gap must have left
BETWEEN = 4.0  # s from the end of one lane change to the next
LEAST_REACH, CHANGE_TIME = 8.0, 1.5  # m, s: how gently lanes are changed
CHANGE_LENGTH = 4.0  # times that reach: a whole lane change
ARRIVED = 0.4  # m from the centre of the new lane
POINT_OF_NO_RETURN = 0.6  # of the way still to go
ROUTE_WEIGHT, ROUTE_LENGTH = 0.8, 80.0  # m/s2 for each lane that is missing, fading with the distance [m] left


@dataclass(frozen=True)
class Neighbours:
    """Who is next on a lane, arcs [m] from the ego's rear axle along it.

    Attributes:
        ahead: Rear [m] and speed [m/s] of the next vehicle, or None. ``behind``: front and speed of the one behind.
        limit: Speed limit there [m/s].
    """

    ahead: tuple[float, float] | None
    behind: tuple[float, float] | None
    limit: float


@dataclass(frozen=True)
class Option:
    """A lane to drive on.

    Attributes:
        offset: Of its centre from the ego [m, left positive].
        way: Lanes from it on toward the end of the route.
        route: The curve along it and on to the route.
        near: Who is on it.
        price: What its distance from the route costs [m/s2].
    """

    offset: float
    way: list[int]
    route: Route
    near: Neighbours
    price: float


class IDMMobil(IDM):
    """Intelligent driver model along the route that changes lanes by MOBIL.

    Args:
        headway, min_gap, speed_factor, margin: As of ``idm``.
        politeness: Weight of what others win or lose, 0 to 1.
        threshold: Acceleration [m/s2] that a lane change has to win.
        safe_braking: The hardest braking [m/s2] asked of a follower in the new lane.
    """

    _ready: float
    _target: float | None
    _way: float

    def __init__(
        self,
        headway: float = 1.5,
        min_gap: float = 2.0,
        speed_factor: float = 1.0,
        margin: float = 0.25,
        politeness: float = 0.3,
        threshold: float = 0.2,
        safe_braking: float = 3.0,
    ) -> None:
        super().__init__(headway, min_gap, speed_factor, margin)
        for name, value, low, high in (
            ("politeness", politeness, 0.0, 1.0),
            ("threshold", threshold, 0.0, 5.0),
            ("safe_braking", safe_braking, 0.5, 8.0),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}, expected a number from {low} to {high}")
        self.politeness, self.threshold, self.safe_braking = politeness, threshold, safe_braking

    def reset(self, context: Context) -> None:
        """Remember the car; no lane change is under way."""
        super().reset(context)
        self._ready, self._target, self._way = 0.0, None, 0.0

    def plan(self, observation: Observation) -> Plan:
        """Four seconds along the lane that is best now, or on into the one that is being changed to."""
        chosen = self._choose(observation)
        if chosen is None:
            return super().plan(observation)
        return self._follow(observation, chosen.route, None if self._target is None else self._reach(observation))

    def _reach(self, observation: Observation) -> float:
        """Length [m] over which the offset fades by a factor e in a lane change."""
        return max(LEAST_REACH, CHANGE_TIME * float(observation.ego[-1, Ego.VX]))

    def _choose(self, observation: Observation) -> Option | None:
        """The lane to drive on; None where the ego is on no lane, or has no route."""
        order = _order(observation)
        here = _lane_here(observation, order)
        if here is None:
            self._target = None
            return None
        lanes = [here] if observation.lane_connector[here] else [here, *_beside(observation, here)]
        options = [_option(observation, order, lane) for lane in lanes]
        if self._target is not None:
            option = min(options, key=lambda item: abs(item.offset - self._target))  # type: ignore[operator]
            self._target = option.offset
            going_on = abs(option.offset) < POINT_OF_NO_RETURN * self._way or self._safe(observation, option)
            if not going_on or abs(option.offset) < ARRIVED:
                self._target, self._ready = None, observation.time + BETWEEN
            return option if going_on else options[0]
        best, most = options[0], self.threshold
        if observation.time >= self._ready and len(options) > 1:
            hurried = _room(observation, options[0].way) < CHANGE_LENGTH * self._reach(observation)
            for option in options[1:]:
                if hurried and option.price >= options[0].price:
                    continue  # shortly before a junction lanes are changed for the route's sake only
                won = self._gain(observation, options[0], option)
                if won > most and self._safe(observation, option):
                    best, most = option, won
        if best is not options[0]:
            self._target, self._way = best.offset, abs(best.offset)
        return best

    def _gain(self, observation: Observation, stay: Option, go: Option) -> float:
        """What changing from one lane to another wins [m/s2]: MOBIL's incentive criterion."""
        ego = self._rear(observation)
        mine = self._acceleration(ego[1], go) - self._acceleration(ego[1], stay)
        new = self._behind(go.near, ego) - self._behind(go.near, go.near.ahead)
        old = self._behind(stay.near, stay.near.ahead) - self._behind(stay.near, ego)
        return mine + stay.price - go.price + self.politeness * (new + old)

    def _safe(self, observation: Observation, option: Option) -> bool:
        """MOBIL's safety criterion: room beside the ego, and a follower who need not brake hard."""
        ahead, follower = option.near.ahead, option.near.behind
        if ahead is not None and ahead[0] < self._vehicle.front + NEAREST:
            return False
        if follower is not None and follower[0] > -self._vehicle.rear - NEAREST:
            return False
        return self._behind(option.near, self._rear(observation)) > -self.safe_braking

    def _rear(self, observation: Observation) -> tuple[float, float]:
        """The ego as somebody's lead: its rear [m] and speed [m/s]."""
        return -self._vehicle.rear, float(observation.ego[-1, Ego.VX])

    def _behind(self, near: Neighbours, lead: tuple[float, float] | None) -> float:
        """Acceleration [m/s2] of the follower on a lane behind a ``lead`` (rear [m], speed [m/s]); 0 if nobody is."""
        if near.behind is None:
            return 0.0
        front, speed = near.behind
        return self._wanted(speed, max(speed, near.limit), front, lead)

    def _acceleration(self, speed: float, option: Option) -> float:
        """Acceleration [m/s2] of the ego in the middle of a lane."""
        return self._wanted(speed, self.speed_factor * option.near.limit, self._vehicle.front, option.near.ahead)

    def _wanted(self, speed: float, limit: float, front: float, lead: tuple[float, float] | None) -> float:
        free = toward(speed, limit)
        if lead is None:
            return free
        return min(free, behind(free, speed, lead[0] - front, speed - lead[1], self.headway, self.min_gap))


def _lane_here(observation: Observation, order: NDArray[np.int64]) -> int | None:
    """The lane the ego drives on: the nearest of the route's and those beside them, the route's own preferred.

    Where lanes cross or part, others may be nearer; they lead elsewhere.
    """
    poses = observation.lane_centerline
    if not len(poses) or not len(observation.route):
        return None
    owner = np.repeat(np.arange(len(observation.lane_ptr) - 1), np.diff(observation.lane_ptr))
    fits = (np.cos(poses[:, 2]) > 0.5) & (order[owner] >= 0)
    away = np.where(fits, np.hypot(poses[:, 0], poses[:, 1]), np.inf)
    away -= np.isin(owner, observation.route) * HERE_ON_ROUTE
    nearest = int(np.argmin(away))
    return int(owner[nearest]) if away[nearest] < HALF_LANE else None


def _beside(observation: Observation, lane: int) -> list[int]:
    sides = (int(observation.lane_left[lane]), int(observation.lane_right[lane]))
    return [side for side in sides if side >= 0 and not observation.lane_connector[side]]


def _option(observation: Observation, order: NDArray[np.int64], lane: int) -> Option:
    way, missing, left = _way_on(observation, order, lane)
    route = build_route(replace(observation, route=np.array(way, np.int32)))
    price = ROUTE_WEIGHT * missing * float(np.exp(-left / ROUTE_LENGTH))
    return Option(_offset(observation, lane), way, route, _neighbours(observation, lane, route), price)


def _offset(observation: Observation, lane: int) -> float:
    """Distance [m, left positive] from the ego to the centre of a lane."""
    poses = _poses(observation, lane)
    x, y, heading = poses[int(np.argmin(np.hypot(poses[:, 0], poses[:, 1])))]
    return float(y * np.cos(heading) - x * np.sin(heading))


def _poses(observation: Observation, lane: int) -> Float:
    return observation.lane_centerline[observation.lane_ptr[lane] : observation.lane_ptr[lane + 1]]


def _way_on(observation: Observation, order: NDArray[np.int64], lane: int) -> tuple[list[int], int, float]:
    """Lanes from one on toward the end of the route, the lane changes missing for that, and the road left for them.

    The way stays on its lane for as long as the route can be reached from it, then changes.
    """
    way, missing = [lane], 0
    left = np.inf
    while True:
        after, across = _next(observation, order, way[-1])
        if across and not missing:
            left = _length_ahead(observation, way)
        missing += len(across)
        way += [*across, *after]
        if not after:
            return way, missing, float(left)


def _next(observation: Observation, order: NDArray[np.int64], lane: int) -> tuple[list[int], list[int]]:
    """The lane that leads on along the route, and those to change to until it can be reached; none where none does."""
    route = observation.route.tolist()
    # Which lane of the last road the route is on matters only where it changes to it there.
    last = route[-1] if len(route) > 1 and order[route[-2]] == order[route[-1]] else -1
    searched: list[tuple[int, list[int]]] = [(lane, [])]
    seen = {lane}
    for candidate, across in searched:
        ptr = observation.lane_successors_ptr
        follow = observation.lane_successors[ptr[candidate] : ptr[candidate + 1]].tolist()
        onward = [after for after in follow if order[after] > order[lane]]
        if onward:
            return [max(onward, key=lambda after: after in observation.route)], across
        if candidate == last:
            return [], across
        for side in _beside(observation, candidate):
            if side not in seen:
                seen.add(side)
                searched.append((side, [*across, side]))
    return [], []


def _order(observation: Observation) -> NDArray[np.int64]:
    """How far along the route ``[L]`` each lane is, the same for those beside one another; -1 off the route."""
    order = np.full(len(observation.lane_ptr) - 1, -1, np.int64)
    for number, lane in enumerate(observation.route.tolist()):
        row = [lane]
        for sides in (observation.lane_left, observation.lane_right):
            side = int(sides[lane])
            while side >= 0 and side not in row:
                row.append(side)
                side = int(sides[side])
        order[row] = number
    return order


def _length_ahead(observation: Observation, way: list[int]) -> float:
    """Length [m] of the lanes ``way`` ahead of the ego, which is on the first."""
    poses = np.concatenate([_poses(observation, lane) for lane in way])
    steps = np.hypot(*np.diff(poses[:, :2], axis=0).T)
    return float(steps[int(np.argmin(np.hypot(poses[:, 0], poses[:, 1]))) :].sum())


def _room(observation: Observation, way: list[int]) -> float:
    """Length [m] ahead of the ego until a way comes to a connector."""
    until = next((number for number, item in enumerate(way) if observation.lane_connector[item]), len(way))
    return _length_ahead(observation, way[: max(until, 1)])


def _neighbours(observation: Observation, lane: int, route: Route) -> Neighbours:
    """The next vehicle ahead and behind on a lane, seen along its curve; straight back beyond its beginning."""
    limit = observation.lane_speed_limit[lane] if observation.lane_has_speed_limit[lane] else ASSUMED_SPEED_LIMIT
    seen = np.flatnonzero(observation.agent_valid[:, -1])
    position, velocity = observation.agent_position[seen, -1], observation.agent_velocity[seen, -1]
    away = position[:, None] - route.points
    near = np.argmin((away**2).sum(axis=-1), axis=1)
    rows = np.arange(len(seen))
    cos, sin = np.cos(route.heading[near]), np.sin(route.heading[near])
    gap = away[rows, near]
    arc = near * SPACING + gap[:, 0] * cos + gap[:, 1] * sin - route.ego_arc
    lateral = gap[:, 1] * cos - gap[:, 0] * sin
    along = velocity[:, 0] * cos + velocity[:, 1] * sin
    half = observation.agent_size[seen, 0] / 2
    on = np.abs(lateral) < HALF_LANE
    ahead, back = np.flatnonzero(on & (arc > 0.0)), np.flatnonzero(on & (arc <= 0.0))
    leader = follower = None
    if len(ahead):
        first = ahead[np.argmin(arc[ahead] - half[ahead])]
        leader = (float(arc[first] - half[first]), float(along[first]))
    if len(back):
        last = back[np.argmax(arc[back] + half[back])]
        follower = (float(arc[last] + half[last]), max(float(along[last]), 0.0))
    return Neighbours(leader, follower, float(limit))
