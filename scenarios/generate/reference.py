"""The reference drive: a privileged search over manoeuvres, rolled with the true traffic.

It obeys signals and limits, yields on crossings, never touches anybody, and leaves its lane only on the stretches that
its setting offers: to overtake, to change lanes, to go round what blocks the way. It knows the scripts and how the
others will react, because it rolls them.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from drive.geometry import wrap_angle
from drive.kernels.traffic_world import FAR
from drive.scene import DT, Lights
from drive.traffic import TrafficState, TrafficWorld, copy_traffic
from drive.vehicle import PACIFICA, Ego
from scenarios.generate.geometry import Float
from scenarios.generate.junction import Kind, Movement
from scenarios.generate.manoeuvres import ACROSS, begun, is_settled, options
from scenarios.generate.marked import on_way
from scenarios.generate.network import Network
from scenarios.generate.paths import Way, meeting_arc, resample
from scenarios.generate.priority import find_claims, first_claims, not_yet_stopped, owed, sign_arcs
from scenarios.generate.search import (
    MOTION_COLUMNS,
    SPACING,
    STOPPED,
    Others,
    Task,
    pose_beside,
    roll,
)

HORIZON = 60  # samples a candidate is rolled for
FAR_HORIZON = 80  # the same where the ego may leave its lane
EVERY = 10  # samples after which it is looked again
OFTEN = 5  # the same where the ego may leave its lane
LOOKING = 40  # samples that must be left for a new way across the road
SWITCH = 1.0
LOST = 0.12  # cost of delay and effort below which nobody thinks of leaving the lane
NO_STRETCHES = np.zeros((0, 5))
VEHICLE = np.array((PACIFICA.length, PACIFICA.width, PACIFICA.rear_axle_to_center))
WAIT_BEFORE = 1.0
PACE, PACE_LENGTH = 0.04, 8.0  # how much people's pace changes without a reason, and over which length [m]
YAW_RATE, YAW_ACCELERATION = 0.31, 0.7  # rad/s, rad/s2
TURNING, WIDE = 1.2, 0.01  # m/s2, 1/m: lateral acceleration in turns of less than half the radius of a wide bend


@dataclass(frozen=True)
class Style:
    """How the reference drives: share of the limit, headway [s], gap at rest [m], accelerations [m/s2], cost
    weights, and the seed of small changes of its pace (0: it keeps it)."""

    factor: float = 0.97
    headway: float = 1.6
    gap: float = 2.0
    acceleration: float = 1.4
    deceleration: float = 1.8
    lateral: float = 2.0
    progress: float = 1.0
    comfort: float = 1.0
    wander: int = 0

    def row(self) -> Float:
        """Columns that the compiled search reads."""
        return np.array((self.headway, self.gap, self.acceleration, self.deceleration, self.progress, self.comfort))


def draw_style(rng: np.random.Generator, **fixed: float) -> Style:
    """A driving style; ``fixed`` overrides single numbers."""
    z = float(np.clip(rng.normal(-0.2, 0.7), -1.5, 1.5))
    drawn = {
        "factor": float(np.clip(rng.normal(0.97 + 0.01 * z, 0.05), 0.85, 1.05)),
        "headway": float(np.clip(rng.lognormal(np.log(1.7) - 0.1 * z, 0.2), 1.2, 2.6)),
        "gap": float(np.clip(rng.lognormal(np.log(2.0), 0.25), 1.3, 3.5)),
        "acceleration": float(np.clip(1.3 + 0.2 * z + rng.normal(0.0, 0.1), 0.9, 1.7)),
        "deceleration": float(np.clip(1.7 + 0.2 * z + rng.normal(0.0, 0.1), 1.3, 2.2)),
        "lateral": float(np.clip(1.9 + 0.25 * z, 1.4, 2.4)),
        "progress": float(rng.uniform(0.7, 1.5)),
        "comfort": float(rng.uniform(0.7, 1.4)),
    }
    return replace(Style(), **(drawn | fixed))  # type: ignore[arg-type]


def ego_path(way: Way, style: Style) -> Float:
    """The way as the search drives it: rows ``[P, 6]`` every 0.5 m: the columns of the traffic kernels' paths.

    The speed respects the limit, lateral acceleration, yaw rate and yaw acceleration, and can be reached by braking at
    1.5 m/s2.
    """
    stations = np.arange(0.0, way.length, SPACING)
    curve = resample(way.curve, way.arc, stations)
    curve[:, 2] = np.unwrap(curve[:, 2])
    bend = np.maximum(np.abs(curve[:, 3]), 1e-6)
    change = np.maximum(np.abs(np.gradient(curve[:, 3], SPACING)), 1e-6)
    speed = np.interp(stations, way.arc, way.limit) * style.factor * _wander(style.wander, len(stations))
    lateral = style.lateral + (min(style.lateral, TURNING) - style.lateral) * np.clip((bend - WIDE) / WIDE, 0.0, 1.0)
    speed = np.minimum.reduce((speed, np.sqrt(lateral / bend), YAW_RATE / bend, np.sqrt(YAW_ACCELERATION / change)))
    slope = 2.0 * 1.5 * stations
    square = np.minimum.accumulate((np.maximum(speed, 1.5) ** 2 + slope)[::-1])[::-1] - slope
    turned = np.concatenate(((0.0,), np.cumsum(np.abs(np.diff(curve[:, 2])))))
    return np.ascontiguousarray(np.column_stack((curve, np.sqrt(square), turned)))


def _wander(seed: int, count: int) -> Float:
    """Share of the speed ``[count]`` along a way that somebody holds who does not look at the speedometer."""
    if not seed:
        return np.ones(count)
    noise = np.random.default_rng(seed).standard_normal(count)
    noise = gaussian_filter1d(noise, PACE_LENGTH / SPACING, mode="wrap")
    return np.asarray(1.0 + PACE * noise / max(float(noise.std()), 1e-9), np.float64)


def free_times(path: Float) -> Float:
    """Time [s] at which an undisturbed ego passes each row of its path, from row 0."""
    speed = path[:, 4]
    return np.concatenate(((0.0,), np.cumsum(SPACING * 2.0 / (speed[1:] + speed[:-1]))))


def ego_task(
    network: Network,
    way: Way,
    style: Style,
    lights: Lights,
    beside: Float = NO_STRETCHES,
    lane_end: float | None = None,
) -> Task:
    """Path, signals, crossings and waiting places of the reference on its way.

    ``beside [B, 5]`` are the stretches on which it may leave its lane (:meth:`Beside.row`), ``lane_end`` the arc
    length [m] by which it has to, if its lane ends.
    """
    light_of = {int(lane): row for row, lane in enumerate(lights.lane)}
    lines = [(way.begin[n], float(light_of[lane])) for n, lane in enumerate(way.lanes) if lane in light_of]
    path = ego_path(way, style)
    crossings, rings, holds = [], [], []
    for item in network.crossings:
        arc = meeting_arc(way, item.line)
        if arc is None:
            continue
        marked = on_way(network, item, path, SPACING, arc)
        walk = item.line[1] - item.line[0]
        across = (*(walk / np.hypot(*walk)), float(np.hypot(*walk)) / 2)
        crossings.append((marked.begin, marked.end))
        rings.append((*item.line.mean(axis=0), *across, marked.right, marked.left))
        holds.append(marked.begin - WAIT_BEFORE)
    waits, boxes = junction_places(network, way)
    signs = sign_arcs(network, way)
    claims, claimed = find_claims(network, way, lights)
    waits += first_claims(claims, claimed, way)
    return Task(
        path=path,
        lines=np.array(sorted(lines), np.float64).reshape(-1, 2),
        crossings=np.array(crossings, np.float64).reshape(-1, 2),
        rings=np.array(rings, np.float64).reshape(-1, 7),
        holds=np.array(sorted({*holds, *waits}), np.float64),
        signs=np.column_stack((signs, np.full(len(signs), float(STOPPED)))),
        claims=claims,
        claimed=claimed,
        owed=np.zeros((len(claims), 0, 2)),
        boxes=boxes,
        style=style.row(),
        vehicle=VEHICLE,
        beside=np.ascontiguousarray(beside, np.float64).reshape(-1, 5),
        lane_end=FAR if lane_end is None else float(lane_end),
    )


def junction_places(network: Network, way: Way) -> tuple[list[float], Float]:
    """Where one waits at the junctions of a way (arc lengths of the front), and the stretches to keep clear ``[*, 2]``.

    One waits at the line, before the first conflict, and to turn across the oncoming lane before the first conflict
    with those who come from opposite; the stretch to keep clear begins at the last of these places.
    """
    numbers = {lane: key for key, lane in network.connector_lanes.items()}
    waits: list[float] = []
    boxes: list[tuple[float, float]] = []
    for begin, lane in zip(way.begin, way.lanes, strict=True):
        if lane not in numbers:
            continue
        number, own = numbers[lane]
        junction = network.junctions[number]
        waits.append(begin - WAIT_BEFORE)
        meets = [
            (conflict.second, conflict.on_first) if conflict.first == own else (conflict.first, conflict.on_second)
            for conflict in junction.conflicts
            if own in (conflict.first, conflict.second) and conflict.kind != "diverge"
        ]
        if not meets:
            continue
        first = min(interval[0] for _, interval in meets)
        mouth = junction.legs[junction.connectors[own].leg_in].mouth[2]
        opposite = [
            interval[0]
            for other, interval in meets
            if np.cos(junction.legs[junction.connectors[other].leg_in].mouth[2] - mouth) < -0.7
        ]
        if first > 4.0:
            waits.append(begin + first - WAIT_BEFORE)
        if opposite and min(opposite) > first + 2.0 and junction.connectors[own].movement is Movement.LEFT:
            first = min(opposite)
            waits.append(begin + first - WAIT_BEFORE)
        if junction.kind is not Kind.SEAM:
            boxes.append((begin + first, begin + max(interval[1] for _, interval in meets)))
    return waits, np.array(boxes, np.float64).reshape(-1, 2)


def drive(
    world: TrafficWorld,
    state: TrafficState,
    others: Others,
    task: Task,
    motion: Float,
    bearable: float,
    plan: Float,
    rest: int = 0,
    foresight: float | None = None,
) -> tuple[Float, float]:
    """Fill ``motion [K+1, 6]`` from its row 0 on, moving ``state`` and ``others`` along; returns the last plan, and the
    time [s] for which it was in the way of those who go first.

    Every second the options are rolled for ``foresight`` [s] (None: six, eight where the ego may leave its lane) and
    the cheapest is driven. Driving on is taken without trying anything else while its hazard is below ``bearable`` and,
    where there would be another way, it hardly delays. A standing ego stays where it is for the first ``rest`` samples.
    """
    scratch = copy_traffic(state)
    last, at, before, unlawful = len(motion) - 1, 0, 0, 0.0
    horizon, every = (FAR_HORIZON, OFTEN) if len(task.beside) else (HORIZON, EVERY)
    if foresight is not None:
        horizon = round(foresight / DT)
    trial = np.empty((horizon + 1, MOTION_COLUMNS))
    task = task._replace(owed=owed(task.claimed, world))
    signs = task.signs
    while at < rest:
        steps = min(EVERY, rest - at)
        here = np.array((1.0, 1.0, motion[at, 0] + PACIFICA.front + 0.2, 0.0))
        roll(world, state, others, task, here, plan, motion[at], at, steps, trial, np.inf)
        motion[at + 1 : at + steps + 1] = trial[1 : steps + 1]
        at += steps
    while at < last:
        task = task._replace(signs=not_yet_stopped(signs, motion[: at + 1]))
        plan = begun(plan, motion[at])
        steps = min(horizon, last - at)
        least, chosen, best = np.inf, 0, None
        for option in options(task, motion[at], plan, steps >= LOOKING):
            _overwrite(scratch, state)
            cost, hazard, _ = roll(
                world, scratch, others, task, option.candidate, option.plan, motion[at], at, steps, trial, least
            )
            content = hazard < bearable and (
                not len(task.beside) or (cost - hazard < LOST * steps * DT and is_settled(motion[at], plan))
            )
            if option.number >= ACROSS:
                cost += SWITCH  # what has begun goes on, unless something else is clearly better
            elif option.number:
                cost += 0.5 * (option.number != before)
            else:
                cost += 0.5 * (0 < before < ACROSS)
            if cost < least:
                least, chosen, best = cost, option.number, option
            if option.number == 0 and content:
                break
        assert best is not None
        before, plan = chosen, best.plan
        steps = min(every, last - at)
        owing = roll(world, state, others, task, best.candidate, plan, motion[at], at, steps, trial, np.inf)[2]
        unlawful += owing
        motion[at + 1 : at + steps + 1] = trial[1 : steps + 1]
        at += steps
    return plan, unlawful


def _overwrite(into: TrafficState, source: TrafficState) -> None:
    for array, values in zip(into, source, strict=True):
        array[...] = values


def path_states(path: Float, motion: Float) -> Float:
    """Ego states ``[K+1, 11]`` (:class:`drive.vehicle.Ego`) of a drive along the path: exact bicycle kinematics.

    ``motion [K+1, 6]``: arc length, speed, acceleration, offset from the path, its slope and second derivative; the
    last three may be missing.
    """
    speed = motion[:, 1]
    aside = motion[:, 3:6] if motion.shape[1] > 3 else np.zeros((len(motion), 3))
    states = np.zeros((len(motion), len(Ego)))
    poses = np.array(
        [pose_beside(path, arc, *place) for arc, place in zip(motion[:, 0], aside, strict=True)],
    )
    bend = poses[:, 3]
    states[:, Ego.X], states[:, Ego.Y], states[:, Ego.HEADING] = poses[:, 0], poses[:, 1], wrap_angle(poses[:, 2])
    states[:, Ego.VX] = speed
    states[:, Ego.AX] = np.gradient(speed, DT)
    states[:, Ego.AY] = speed**2 * bend
    states[:, Ego.STEERING] = np.arctan(PACIFICA.wheelbase * bend)
    states[:, Ego.STEERING_RATE] = np.gradient(states[:, Ego.STEERING], DT)
    states[:, Ego.YAW_RATE] = speed * bend
    states[:, Ego.YAW_ACCELERATION] = np.gradient(states[:, Ego.YAW_RATE], DT)
    return states
