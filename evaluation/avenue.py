"""A made-up avenue for the speed table: what NAVSIM's scorer gets on a busy street, 50 objects and 87 map polygons."""

import numpy as np
from numpy.typing import NDArray

from drive.map import Area, Lane, Layer, build_map
from drive.scene import DRIVER_COLUMNS, EVENT_COLUMNS, AgentKind, Lights, Scenario, Tracks
from drive.vehicle import EGO_COLUMNS, PACIFICA, Ego

Float = NDArray[np.float64]

OBJECTS = 50
POLYGONS = 87  # 16 roadblocks, 64 lanes, 7 intersections
SECTIONS, LANES = 16, 4
LENGTH, WIDTH, RADIUS = 12.0, 3.5, 300.0  # m of a section, of a lane, of the bend
POINTS = 28  # per side of a polygon: as many corners as in real maps
SPEED = 8.0
STEPS = 71


def avenue() -> Scenario:
    """Four lanes in a gentle bend, cut into sections; the ego on the second lane among moving and standing objects."""
    lanes = [
        Lane(
            id=f"{section}-{lane}",
            centerline=_edge(section, lane + 0.5, poses=True),
            polygon=_surface(section, lane, lane + 1),
            successors=(f"{section + 1}-{lane}",) if section + 1 < SECTIONS else (),
            left=f"{section}-{lane + 1}" if lane + 1 < LANES else None,
            right=f"{section}-{lane - 1}" if lane else None,
            group=f"{section}",
            speed_limit=13.9,
        )
        for section in range(SECTIONS)
        for lane in range(LANES)
    ]
    areas = [Area(Layer.ROADBLOCK, (_surface(section, 0, LANES),)) for section in range(SECTIONS)]
    areas += [Area(Layer.INTERSECTION, (_surface(section, 0, LANES),)) for section in range(9, SECTIONS)]
    time = 0.1 * (np.arange(STEPS) - 20)
    rng = np.random.default_rng(0)
    position, heading = np.zeros((OBJECTS, STEPS, 2)), np.zeros((OBJECTS, STEPS))
    kind = np.full(OBJECTS, AgentKind.CAR, np.int8)
    size = np.tile((4.6, 1.9), (OBJECTS, 1))
    for number in range(OBJECTS):
        moves = number % 3 > 0
        lane, along = (number % LANES, 3.6 * number) if moves else (-0.9, 3.6 * number)
        if not moves:
            kind[number] = (AgentKind.PEDESTRIAN, AgentKind.TRAFFIC_CONE)[number % 2]
            size[number] = 0.6
        at = along + rng.uniform(0.0, 2.0) + (0.8 * SPEED * time if moves else 0.0 * time)
        position[number], heading[number] = _place(at, lane + 0.5)
    reference = np.zeros((STEPS, EGO_COLUMNS))
    reference[:, :2], reference[:, 2] = _place(92.0 + SPEED * time, 1.5)
    reference[:, Ego.VX] = SPEED
    moving = (kind == AgentKind.CAR)[:, None, None]
    velocity = np.where(moving, 0.8 * SPEED * np.stack((np.cos(heading), np.sin(heading)), axis=-1), 0.0)
    scenario = Scenario(
        id="avenue",
        source="generated",
        family="bench",
        group="avenue",
        origin=np.zeros(3),
        t0_us=1_600_000_000_000_000,
        start=20,
        map=build_map(lanes, areas),
        tracks=Tracks(
            ids=tuple(f"object-{number}" for number in range(OBJECTS)),
            kind=kind,
            size=size,
            position=position,
            heading=heading,
            velocity=velocity,
            valid=np.ones((OBJECTS, STEPS), np.bool_),
            cues=np.zeros((OBJECTS, STEPS), np.uint8),
        ),
        lights=Lights(np.zeros(0, np.int32), np.zeros((0, 2)), np.zeros((0, STEPS), np.int8)),
        ego_vehicle=PACIFICA,
        route=np.arange(1, SECTIONS * LANES, LANES, dtype=np.int32),
        goal=reference[-1, :2],
        reference=reference,
        drivers=np.zeros((OBJECTS, DRIVER_COLUMNS)),
        script=np.zeros((0, EVENT_COLUMNS)),
    )
    scenario.validate()
    return scenario


def _place(along: Float, lane: float) -> tuple[Float, Float]:
    """Points ``[P, 2]`` and headings ``[P]`` at distances along the bend, ``lane`` lane widths from its right side."""
    angle = along / RADIUS
    radius = RADIUS - WIDTH * lane
    return np.stack((radius * np.sin(angle), RADIUS - radius * np.cos(angle)), axis=-1), angle


def _edge(section: int, lane: float, poses: bool = False) -> Float:
    points, heading = _place(LENGTH * (section + np.linspace(0.0, 1.0, POINTS)), lane)
    return np.column_stack((points, heading)) if poses else points


def _surface(section: int, low: float, high: float) -> Float:
    return np.concatenate((_edge(section, low), _edge(section, high)[::-1]))
