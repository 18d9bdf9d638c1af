"""Roads, drives and rollouts for scoring tests: a two-way road, a signalled crossing, and egos at constant speed."""

import numpy as np
import shapely
import shapely.affinity

from drive.map import Area, Lane, Layer, VectorMap, build_map
from drive.rollout import Rollout
from drive.scene import AgentKind, Lights, LightState, Scenario
from drive.vehicle import EGO_COLUMNS, PACIFICA, Ego, rear_axle_from_center
from tests.scenes import START, STEPS, moving, straight_scene

SAMPLES = STEPS - START
CAR = (AgentKind.CAR, (4.5, 2.0))


def rectangle(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], np.float64)


def straight_lane(name: str, x0: float, x1: float, y: float, width: float = 3.5, **fields: object) -> Lane:
    """A lane from ``x0`` to ``x1`` (which may lie behind it) along x."""
    heading = 0.0 if x1 > x0 else np.pi
    x = np.linspace(x0, x1, 50)
    centerline = np.column_stack((x, np.full(50, y), np.full(50, heading)))
    ring = rectangle(min(x0, x1), max(x0, x1), y - width / 2, y + width / 2)
    return Lane(id=name, centerline=centerline, polygon=ring, **fields)


def two_way_road(borrow_allowed: bool = False, intersection: bool = False, limit: float | None = 13.9) -> VectorMap:
    """Eastbound lane at y = 0 and westbound lane at y = 3.5 from -200 m to 400 m; drivable from y = -1.75 to 5.25."""
    areas = [Area(Layer.DRIVABLE, (rectangle(-200, 400, -1.75, 5.25),))]
    if intersection:
        areas.append(Area(Layer.INTERSECTION, (rectangle(-200, 400, -1.75, 5.25),)))
    lanes = [
        straight_lane("east", -200, 400, 0.0, speed_limit=limit),
        straight_lane("west", 400, -200, 3.5, speed_limit=limit, borrow_allowed=borrow_allowed),
    ]
    return build_map(lanes, areas)


def crossing() -> VectorMap:
    """Lane 0 "approach" to x = 40, connectors 1 "ahead" and 2 "right" that begin there, lane 3 "exit" from x = 60."""
    bend = np.linspace(0, np.pi / 2, 20)
    turn = np.column_stack((40 + 10 * np.sin(bend), -10 + 10 * np.cos(bend), -bend))
    side = np.column_stack((np.sin(-bend), -np.cos(-bend))) * -1.75
    right = Lane(
        "right",
        turn,
        np.concatenate((turn[:, :2] + side, (turn[:, :2] - side)[::-1])),
        connector=True,
    )
    lanes = [
        straight_lane("approach", -200, 40, 0.0, successors=("ahead", "right"), speed_limit=10.0),
        straight_lane("ahead", 40, 60, 0.0, successors=("exit",), connector=True),
        right,
        straight_lane("exit", 60, 400, 0.0, speed_limit=15.0),
    ]
    areas = [
        Area(Layer.DRIVABLE, (rectangle(-200, 400, -1.75, 1.75),)),
        Area(Layer.INTERSECTION, (rectangle(40, 60, -10, 10),)),
    ]
    return build_map(lanes, areas)


def signals(states: dict[int, LightState]) -> Lights:
    """Constant signals at x = 40 for connectors of :func:`crossing`."""
    lanes = list(states)
    return Lights(
        np.array(lanes, np.int32),
        np.tile((40.0, 0.0), (len(lanes), 1)),
        np.array([np.full(STEPS, states[lane]) for lane in lanes], np.int8).reshape(len(lanes), STEPS),
    )


def cruise(
    x: float = 0.0,
    y: float = 0.0,
    heading: float = 0.0,
    speed: float = 10.0,
    course: float | None = None,
    samples: int = SAMPLES,
) -> np.ndarray:
    """Ego states ``[samples, 11]`` whose box centre starts at (x, y) and moves at ``speed`` [m/s] towards ``course``
    (the heading if None; a negative speed reverses)."""
    t = 0.1 * np.arange(samples)
    course = heading if course is None else course
    states = np.zeros((samples, EGO_COLUMNS))
    rear = rear_axle_from_center((x, y, heading), PACIFICA)
    states[:, Ego.X] = rear[0] + speed * t * np.cos(course)
    states[:, Ego.Y] = rear[1] + speed * t * np.sin(course)
    states[:, Ego.HEADING] = heading
    states[:, Ego.VX] = speed
    return states


def roll(scenario: Scenario, ego: np.ndarray, valid: np.ndarray | None = None) -> Rollout:
    """The rollout in which the ego drives ``ego [S, 11]`` and everybody else as recorded."""
    window = slice(scenario.start, scenario.start + len(ego))
    tracks = scenario.tracks
    return Rollout(
        ego=ego.astype(np.float32),
        position=tracks.position[:, window].astype(np.float32),
        heading=tracks.heading[:, window].astype(np.float32),
        velocity=tracks.velocity[:, window].astype(np.float32),
        valid=tracks.valid[:, window] if valid is None else valid,
        plan_step=np.zeros(0, np.int32),
        plan=np.zeros((0, 3), np.float32),
        plan_ptr=np.zeros(1, np.int32),
        plan_dt=np.zeros(0, np.float32),
    )


def scene_with(*agents: tuple, **fields: object) -> Scenario:
    """A scene on the two-way road with agents ``(kind, size, x, y, speed, heading)``."""
    fields = {"vector_map": two_way_road()} | fields
    return straight_scene([(kind, size, moving((x, y), speed, h)) for kind, size, x, y, speed, h in agents], **fields)


def polygon(x: float, y: float, heading: float, length: float, width: float) -> shapely.Polygon:
    """An oriented box, built without any code of ours."""
    box = shapely.box(-length / 2, -width / 2, length / 2, width / 2)
    return shapely.affinity.translate(shapely.affinity.rotate(box, heading, origin=(0, 0), use_radians=True), x, y)
