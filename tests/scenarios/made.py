"""A small hand-made scene with a bend, a junction connector, neighbours, every area layer and every kind of agent."""

import numpy as np

from drive.drivers import default_drivers
from drive.geometry import box_corners
from drive.map import Area, Lane, Layer, StopCause, StopLine, VectorMap, build_map
from drive.scene import EVENT_COLUMNS, AgentKind, Lights, Scenario, Tracks
from drive.vehicle import EGO_COLUMNS, ZOE, Ego

START = 20


def arc(start: tuple[float, float, float], length: float, curvature: float, step: float = 0.5) -> np.ndarray:
    """Poses ``[P, 3]`` along a circular arc (or line) from a pose."""
    s = np.linspace(0.0, length, int(np.ceil(length / step)) + 1)
    heading = start[2] + curvature * s
    if curvature == 0.0:
        x, y = s * np.cos(start[2]), s * np.sin(start[2])
    else:
        x = (np.sin(heading) - np.sin(start[2])) / curvature
        y = (np.cos(start[2]) - np.cos(heading)) / curvature
    return np.column_stack((start[0] + x, start[1] + y, heading))


def band(centerline: np.ndarray, half: float = 1.75, shift: float = 0.0) -> np.ndarray:
    """Ring around a centreline, ``half`` to both sides of it shifted to the left."""
    normal = np.column_stack((-np.sin(centerline[:, 2]), np.cos(centerline[:, 2])))
    middle = centerline[:, :2] + shift * normal
    return np.concatenate((middle - half * normal, (middle + half * normal)[::-1]))


def shifted(centerline: np.ndarray, left: float) -> np.ndarray:
    """The centreline moved to its left."""
    normal = np.column_stack((-np.sin(centerline[:, 2]), np.cos(centerline[:, 2])))
    return np.column_stack((centerline[:, :2] + left * normal, centerline[:, 2]))


def made_map(curvature: float = 0.02) -> VectorMap:
    """Two parallel lanes, a connector turning left from each, two lanes beyond; an island in the drivable area."""
    way_in = arc((-60.0, 0.0, 0.0), 80.0, 0.0)
    turn = arc(tuple(way_in[-1]), 25.0, curvature)
    way_out = arc(tuple(turn[-1]), 120.0, 0.0)
    lanes = []
    for side, left in (("right", 0.0), ("left", 3.5)):
        for name, line, follow in (("in", way_in, "turn"), ("turn", turn, "out"), ("out", way_out, None)):
            lanes.append(
                Lane(
                    id=f"{name}-{side}",
                    centerline=shifted(line, left),
                    polygon=band(line, shift=left),
                    successors=(f"{follow}-{side}",) if follow else (),
                    left=f"{name}-left" if side == "right" else None,
                    right=f"{name}-right" if side == "left" else None,
                    group=name,
                    connector=name == "turn",
                    speed_limit=13.9,
                )
            )
    whole = np.concatenate((way_in, turn[1:], way_out[1:]))
    island = np.array([[-40.0, 8.0], [-30.0, 8.0], [-30.0, 9.0], [-40.0, 9.0]])
    areas = [
        Area(Layer.DRIVABLE, (band(whole, half=8.0, shift=4.0), island)),
        Area(Layer.INTERSECTION, (band(turn, half=4.5, shift=1.75),)),
        Area(Layer.CROSSWALK, (np.array([[12.0, -3.0], [16.0, -3.0], [16.0, 6.0], [12.0, 6.0]]),)),
        Area(Layer.CARPARK, (np.array([[-50.0, -12.0], [-30.0, -12.0], [-30.0, -4.5], [-50.0, -4.5]]),)),
        Area(Layer.WALKWAY, (np.array([[-50.0, -16.0], [-10.0, -16.0], [-10.0, -13.0], [-50.0, -13.0]]),)),
    ]
    line = np.array([[20.0, -1.75], [20.0, 5.25]])
    return build_map(lanes, areas, [StopLine(line, ("turn-right", "turn-left"), StopCause.SIGNAL)])


def made_scene(seed: int = 0, name: str = "made-0000", steps: int = 96, curvature: float = 0.02) -> Scenario:
    """The ego drives the right lane round the bend; agents of every kind move smoothly at random."""
    rng = np.random.default_rng(seed)
    vector_map = made_map(curvature)
    reference = _ego(vector_map, steps)
    kinds = np.array([*AgentKind, AgentKind.CAR, AgentKind.PEDESTRIAN], np.int8)
    count = len(kinds)
    t = 0.1 * np.arange(steps)
    speed = np.where(kinds <= AgentKind.PEDESTRIAN, rng.uniform(0.0, 8.0, count), 0.0)[:, None]
    heading = rng.uniform(-np.pi, np.pi, (count, 1)) + rng.uniform(-0.2, 0.2, (count, 1)) * t
    velocity = speed[..., None] * np.stack((np.cos(heading), np.sin(heading)), axis=-1)
    position = rng.uniform((-60, 15), (60, 60), (count, 2))[:, None] + np.cumsum(velocity, axis=1) * 0.1
    valid = np.ones((count, steps), np.bool_)
    valid[0, :30] = False
    valid[1, 55:] = False
    valid[-1] = False
    valid[-1, min(40, steps - 1)] = True  # a single annotation at 2 Hz and at 10 Hz
    mask = valid[..., None]
    tracks = Tracks(
        ids=tuple(f"agent-{index}" for index in range(count)),
        kind=kinds,
        size=np.round(rng.uniform((1.0, 0.5), (9.0, 2.5), (count, 2)), 3),
        position=np.where(mask, position, 0.0),
        heading=np.where(valid, (heading + np.pi) % (2 * np.pi) - np.pi, 0.0),
        velocity=np.where(mask, velocity, 0.0),
        valid=valid,
        cues=np.zeros((count, steps), np.uint8),
    )
    signalled = np.array([vector_map.lane_ids.index("turn-right")], np.int32)
    scenario = Scenario(
        id=name,
        source="test",
        family="made",
        group=f"log-{seed}",
        origin=np.zeros(3),
        t0_us=1_600_000_000_000_000,
        start=START,
        map=vector_map,
        tracks=tracks,
        lights=Lights(signalled, np.array([[20.0, 0.0]]), np.full((1, steps), 3, np.int8)),
        ego_vehicle=ZOE,
        route=np.array([vector_map.lane_ids.index(f"{part}-right") for part in ("in", "turn", "out")], np.int32),
        goal=vector_map.lane_centerline(vector_map.lane_ids.index("out-right"))[-1, :2].copy(),
        reference=reference,
        drivers=default_drivers(kinds),
        script=np.zeros((0, EVENT_COLUMNS)),
        provenance={"seed": seed, "nested": {"a": [1, 2.5, None]}},
        licence="test",
    )
    scenario.validate()
    return scenario


def _ego(vector_map: VectorMap, steps: int, speed: float = 8.0) -> np.ndarray:
    way = np.concatenate(
        [vector_map.lane_centerline(vector_map.lane_ids.index(f"{part}-right")) for part in ("in", "turn", "out")]
    )
    s = np.concatenate(((0.0,), np.cumsum(np.linalg.norm(np.diff(way[:, :2], axis=0), axis=1))))
    at = 20.0 + speed * 0.1 * np.arange(steps)
    states = np.zeros((steps, EGO_COLUMNS))
    for column in range(3):
        states[:, column] = np.interp(at, s, way[:, column])
    states[:, Ego.VX] = speed
    return states


def ego_box(scenario: Scenario, step: int) -> np.ndarray:
    """Corners ``[4, 2]`` of the reference drive's box."""
    x, y, heading = scenario.reference[step, :3]
    ahead = scenario.ego_vehicle.rear_axle_to_center
    center = np.array((x + ahead * np.cos(heading), y + ahead * np.sin(heading)))
    return box_corners(center, heading, (scenario.ego_vehicle.length, scenario.ego_vehicle.width))
