"""Recovery starts: the ego is knocked off its reference, and the expert plans again from there.

A disturbance is blended into the second before a start (quintics along and across the path), so that histories are
drives and nobody is teleported; the others react to it. Then the pedals may stay as they are for a moment (delay of the
actuators), and the search that made the reference goes on from where the ego is, in the true traffic.
"""

from dataclasses import dataclass, replace

import numpy as np

from drive.branch import Moment, Moved, Trunk, with_drive
from drive.errors import ScenarioError
from drive.scene import DT, Scenario
from drive.traffic import compile_traffic, start_traffic
from drive.vehicle import Ego
from scenarios.generate.build import Rejected, check_safe, recipe_of, restage
from scenarios.generate.geometry import Float
from scenarios.generate.knobs import stream
from scenarios.generate.manoeuvres import transition
from scenarios.generate.reference import drive, path_states
from scenarios.generate.rolling import first_sample
from scenarios.generate.search import MOTION_COLUMNS, SPACING, Task
from scenarios.generate.search.lateral import ARC, BEND, MOVING, NEVER, OFFSET, PEDAL, SLOPE

BLEND = 10  # samples in which a disturbance comes about
ON_WAY = 0.3  # m beside its way the reference may be: from farther out it is on its way somewhere else
SLOWEST = 2.0  # m/s: nobody is pushed aside who stands
RETURN = 4.0  # s in which the expert is back on its way
SHARE = 0.2  # of training scenes that carry a recovery segment
EARLIEST, LATEST = 10, 60  # samples after the start at which it begins
INJECTED_OFFSET, INJECTED_TURN, INJECTED_PACE = 0.6, np.deg2rad(4.0), 0.2  # m, rad, share: at most


@dataclass(frozen=True)
class Disturbance:
    """What happens to the ego: it ends ``offset`` m to the left, ``turn`` rad turned, at ``pace`` times its speed, and
    for ``delay`` s more its pedals and wheel do nothing new."""

    offset: float
    turn: float
    pace: float
    delay: float = 0.0


def draw_disturbance(rng: np.random.Generator) -> Disturbance:
    """A disturbance to test robustness with: offset N(0, 0.5 m), turn N(0, 3 deg), pace U[0.7, 1.25], delay U[0.2, 0.5]
    s."""
    return Disturbance(
        float(rng.normal(0.0, 0.5)),
        float(np.deg2rad(rng.normal(0.0, 3.0))),
        float(rng.uniform(0.7, 1.25)),
        round(float(rng.uniform(0.2, 0.5)), 1),
    )


def recovery_segment(scenario: Scenario) -> Scenario | None:
    """The recovery segment that a training scene carries, decided by its recipe: one scene in five has one.

    Offset up to 0.6 m, turn up to 4 deg, speed up to 20 % off. None for the others, and where the expert finds no safe
    way back.

    Raises:
        ScenarioError: The scene is not generated.
    """
    if scenario.source != "generated":
        raise ScenarioError(f"scene {scenario.id!r} is not generated: nobody knows what its expert would do")
    rng = stream(recipe_of(scenario), "recovery")
    if rng.random() >= SHARE:
        return None
    step = scenario.start + int(rng.integers(EARLIEST, LATEST + 1))
    offset, turn, pace = rng.uniform(-1.0, 1.0, 3) * (INJECTED_OFFSET, INJECTED_TURN, INJECTED_PACE)
    return recovery(scenario, step, Disturbance(float(offset), float(turn), 1.0 + float(pace)))


def recovery(scenario: Scenario, step: int, disturbance: Disturbance) -> Scenario | None:
    """The scene from scene step ``step`` on, the ego disturbed by then, and the expert's way back as its reference.

    None where the ego stands, is beside its way, or where the expert finds no safe way back: one that touches nobody,
    keeps a second to collision, stays on the road and before red lights.

    Raises:
        ScenarioError: The scene is not generated, or by another version of the generator; or ``step`` is less than a
            second after its start.
    """
    setting, task = restage(scenario)
    trunk = Trunk(scenario, "idm")
    begin = step - BLEND
    blend = _blended(task, scenario.reference[begin : step + 1], disturbance)
    if blend is None:
        return None
    waited = _held(blend[-1], round(disturbance.delay / DT))
    known = np.concatenate((blend[1:], waited))
    disturbed = np.concatenate((trunk.before(begin), path_states(task.path, known)))
    alone = _held_scene(trunk, disturbed)
    left = scenario.steps - 1 - alone.start
    motion = np.zeros((left + 1, MOTION_COLUMNS))
    motion[0] = known[-1]
    plan = transition(task, motion[0], 0.0, float(motion[0, ARC]), NEVER, RETURN, 0.0, 0.0)
    if plan is None:
        return None
    world = compile_traffic(alone, "idm")
    drive(world, start_traffic(world, alone), first_sample(alone, left), task, motion, setting.bearable, plan)
    states = path_states(task.path, np.concatenate((blend[:1], known, motion[1:])))
    ego = np.concatenate((trunk.before(begin)[:-1], states))
    _, state = trunk.rolled(disturbed[: step - scenario.start + 1])
    found = Moment(trunk.grown(ego), step).standing_alone(state.fired)
    facts = {"step": step, **{name: round(value, 4) for name, value in vars(disturbance).items()}}
    found = replace(
        found,
        id=f"{scenario.id}-recovery-{step:04d}",
        provenance={**scenario.provenance, "recovery": facts},
    )
    try:
        check_safe(found)
    except Rejected:
        return None
    return found


def _blended(task: Task, reference: Float, disturbance: Disturbance) -> Float | None:
    """Motion rows ``[11, 6]`` from the reference ``[11, 11]`` into the disturbance; None where nobody drives there."""
    arc, offset = _locate(task.path, reference[:, :2])
    speed = reference[:, Ego.VX]
    if np.abs(offset).max() > ON_WAY or speed.min() < SLOWEST:
        return None
    share = np.arange(BLEND + 1) / BLEND
    smooth = share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
    pace = speed * (1.0 + (disturbance.pace - 1.0) * smooth)
    rows = np.zeros((BLEND + 1, MOTION_COLUMNS))
    rows[:, ARC] = arc[0] + np.concatenate(((0.0,), np.cumsum(0.5 * (pace[1:] + pace[:-1]) * DT)))
    rows[:, MOVING], rows[:, PEDAL] = pace, np.gradient(pace, DT)
    run = float(rows[-1, ARC] - rows[0, ARC])
    u = (rows[:, ARC] - rows[0, ARC]) / run
    slope = np.tan(disturbance.turn) * run
    gap = disturbance.offset
    three, four, five = 10.0 * gap - 4.0 * slope, -15.0 * gap + 7.0 * slope, 6.0 * gap - 3.0 * slope
    rows[:, OFFSET] = offset[0] * (1.0 - smooth) + u**3 * (three + u * (four + u * five))
    rows[:, SLOPE] = u**2 * (3.0 * three + u * (4.0 * four + u * 5.0 * five)) / run
    rows[:, BEND] = u * (6.0 * three + u * (12.0 * four + u * 20.0 * five)) / run**2
    return rows


def _held(row: Float, samples: int) -> Float:
    """Motion rows ``[samples, 6]`` of an ego whose pedals and wheel do nothing new."""
    held = np.repeat(row[None], samples, axis=0)
    way = row[MOVING] * DT * np.arange(1, samples + 1)
    held[:, ARC] += way
    held[:, OFFSET] += row[SLOPE] * way
    held[:, PEDAL], held[:, BEND] = 0.0, 0.0
    return held


def _held_scene(trunk: Trunk, ego: Float) -> Scenario:
    """The scenario that starts where a drive ``[n+1, 11]`` ends; everybody there stays where they are until rolled."""
    scenario, (agents, state) = trunk.scenario, trunk.rolled(ego)
    count = scenario.horizon + 1 - len(ego)

    def held(values: np.ndarray) -> np.ndarray:
        return np.concatenate((values, np.repeat(values[:, -1:], count, axis=1)), axis=1)

    states = np.concatenate((ego, np.repeat(ego[-1:], count, axis=0)))
    position, heading, velocity, valid = (held(array) for array in agents)
    whole = with_drive(scenario, states, Moved(position, heading, velocity, valid), False)
    return Moment(whole, scenario.start + len(ego) - 1).standing_alone(state.fired)


def _locate(path: Float, points: Float) -> tuple[Float, Float]:
    """Arc lengths and offsets ``[K]`` of points ``[K, 2]`` beside a path."""
    row = ((path[None, :, :2] - points[:, None]) ** 2).sum(axis=2).argmin(axis=1)
    step = points - path[row, :2]
    cos, sin = np.cos(path[row, 2]), np.sin(path[row, 2])
    return SPACING * row + step[:, 0] * cos + step[:, 1] * sin, step[:, 1] * cos - step[:, 0] * sin
