"""Driver parameters: the 16 columns of ``Scenario.drivers``, defaults, and named populations to draw them from."""

from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drive.errors import ScenarioError
from drive.scene import DRIVER_COLUMNS, AgentKind

Float = NDArray[np.float64]

# What ``Paths.limit`` should hold for those who do not follow the road's limit [m/s]: their typical speed.
WALKING_SPEED = 1.24
CYCLING_SPEED = 4.6


class Driver(IntEnum):
    """Columns of ``Scenario.drivers [A, 16]`` float64. Pedestrians and cyclists use the same columns.

    A pedestrian's COURTESY below 0.05 means one who looks at no gap, a driver's that under scripted orders it yields to
    nobody; a pedestrian's START_LOSS is a pause in the middle of the road; GAP_FACTOR scales the time to spare that is
    demanded (walkers: 2.0 s anywhere, 0.5 s on a marked crossing).
    """

    SPEED_FACTOR = 0  # desired speed over ``Paths.limit``
    HEADWAY = 1  # s, IDM's T
    GAP = 2  # m, IDM's s0: gap at standstill
    ACCELERATION = 3  # m/s2, IDM's a
    DECELERATION = 4  # m/s2, IDM's b, comfortable
    MAX_DECELERATION = 5  # m/s2, limit of the brakes and of what the driver dares
    REACTION = 6  # s, delay with which a lead is perceived, at most 1.5
    LATERAL_ACCELERATION = 7  # m/s2 accepted in curves
    LANE_BIAS = 8  # m, where in the lane the driver likes to be, positive = left of the path
    COURTESY = 9  # probability of letting somebody who waits at a crossing go first
    GAP_FACTOR = 10  # scales the time to spare that is demanded before entering a conflict
    YELLOW_DECELERATION = 11  # m/s2: stops at yellow if less than this is needed
    START_LOSS = 12  # s between green and moving off, first in the queue
    NOISE = 13  # scales pedal noise, errors of estimation, weaving; distraction goes with its square; 0 = a machine
    PATIENCE = 14  # s of standing at a conflict after which the driver creeps in
    SEED = 15  # whole number in [0, 2**32): everything random this driver does, and ties


POPULATIONS = ("calm", "normal", "assertive", "mixed", "erratic", "rule_breaking")

_HEAVY = (AgentKind.TRUCK, AgentKind.BUS, AgentKind.TRAILER, AgentKind.CONSTRUCTION_VEHICLE)
_CAR_ROW = (1.0, 1.35, 1.9, 1.5, 2.0, 7.0, 0.5, 2.0, 0.0, 0.5, 1.0, 3.0, 1.1, 0.0, 5.0, 0.0)
_CYCLIST_ROW = (1.0, 0.8, 1.0, 1.0, 2.5, 6.0, 0.5, 2.0, 0.0, 0.5, 1.0, 2.5, 0.8, 0.0, 5.0, 0.0)
_WALKER_ROW = (1.0, 0.2, 0.4, 2.5, 3.0, 6.0, 0.1, 4.0, 0.0, 0.5, 1.0, 3.0, 0.0, 0.0, 5.0, 0.0)


def default_drivers(kind: ArrayLike) -> Float:
    """One unremarkable, noise-free driver per agent: ``[A, 16]`` for ``kind [A]`` (:class:`drive.scene.AgentKind`).

    SEED is the agent's index, so that ties are decided.
    """
    kind = np.asarray(kind, np.int64)
    rows = np.tile(np.array(_CAR_ROW), (len(kind), 1))
    heavy = np.isin(kind, _HEAVY)
    rows[heavy, Driver.HEADWAY] = 1.6
    rows[heavy, Driver.ACCELERATION] *= 0.5
    rows[heavy, Driver.MAX_DECELERATION] = 5.5
    rows[kind == AgentKind.BICYCLE] = _CYCLIST_ROW
    rows[kind == AgentKind.PEDESTRIAN] = _WALKER_ROW
    rows[:, Driver.SEED] = np.arange(len(kind))
    return rows


def sample_drivers(kind: ArrayLike, rng: np.random.Generator, population: str = "normal") -> Float:
    """Draw ``[A, 16]`` drivers for ``kind [A]`` from a named population.

    One aggressiveness factor per driver, z ~ N(shift, 1), loads on speed, headway, accelerations, cornering, courtesy
    and critical gaps. ``calm``, ``normal``, ``assertive`` have shift -1, 0, 1; ``mixed`` draws the shift per driver;
    ``erratic`` is normal with four times the distraction and 0.3 s more delay. ``rule_breaking`` is assertive and takes
    the rules lightly: a tenth faster, close behind others, through gaps a third shorter and late yellow lights, hardly
    ever courteous; one walker in four looks at no gap. Every agent consumes the same number of draws whatever its kind,
    so changing one agent changes no other.

    Raises:
        ScenarioError: The population has no such name.
    """
    if population not in POPULATIONS:
        raise ScenarioError(f"driver population is {population!r}, expected one of {', '.join(POPULATIONS)}")
    kind = np.asarray(kind, np.int64)
    normal = rng.standard_normal((len(kind), DRIVER_COLUMNS))
    uniform = rng.random((len(kind), 4))
    shift = {"calm": -1.0, "assertive": 1.0, "rule_breaking": 1.0}.get(population, 0.0)
    z = normal[:, Driver.SEED] + (np.floor(3 * uniform[:, 0]) - 1.0 if population == "mixed" else shift)

    def loaded(column: Driver, loading: float) -> Float:
        return loading * z + np.sqrt(1.0 - loading**2) * normal[:, column]

    rows = default_drivers(kind)
    rows[:, Driver.SPEED_FACTOR] = np.clip(1.02 + 0.11 * loaded(Driver.SPEED_FACTOR, 0.6), 0.7, 1.3)
    rows[:, Driver.HEADWAY] = _lognormal(1.2, 0.35, loaded(Driver.HEADWAY, -0.6), 0.6, 3.0)
    rows[:, Driver.GAP] = _lognormal(1.8, 0.4, normal[:, Driver.GAP], 0.8, 4.5)
    rows[:, Driver.ACCELERATION] = np.clip(1.5 + 0.35 * loaded(Driver.ACCELERATION, 0.5), 0.7, 2.8)
    rows[:, Driver.DECELERATION] = np.clip(2.0 + 0.45 * loaded(Driver.DECELERATION, 0.4), 1.0, 3.5)
    rows[:, Driver.MAX_DECELERATION] = 6.0 + 2.5 * uniform[:, 1]
    reaction = _lognormal(0.5, 0.35, normal[:, Driver.REACTION], 0.1, 1.2)
    rows[:, Driver.REACTION] = reaction + (0.3 if population == "erratic" else 0.0)
    rows[:, Driver.LATERAL_ACCELERATION] = np.clip(2.0 + 0.5 * loaded(Driver.LATERAL_ACCELERATION, 0.6), 1.0, 3.2)
    # Wide, because the kernels keep bodies inside their lane: the offsets that come out are those of the real drives.
    rows[:, Driver.LANE_BIAS] = 0.48 * normal[:, Driver.LANE_BIAS]
    rows[:, Driver.COURTESY] = np.clip(0.5 + 0.22 * loaded(Driver.COURTESY, -0.4), 0.0, 1.0)
    rows[:, Driver.GAP_FACTOR] = np.exp(0.18 * loaded(Driver.GAP_FACTOR, -0.5))
    rows[:, Driver.YELLOW_DECELERATION] = np.clip(
        3.0 + 0.33 * np.log(1.0 / np.clip(uniform[:, 2], 1e-3, 1 - 1e-3) - 1.0), 1.5, 5.0
    )
    rows[:, Driver.START_LOSS] = _lognormal(1.1, 0.35, normal[:, Driver.START_LOSS], 0.4, 3.0)
    noise = _lognormal(1.0, 0.25, normal[:, Driver.NOISE], 0.5, 2.0)
    rows[:, Driver.NOISE] = noise * (2.0 if population == "erratic" else 1.0)
    rows[:, Driver.PATIENCE] = _lognormal(3.0, 0.4, normal[:, Driver.PATIENCE], 1.0, 10.0)
    rows[:, Driver.SEED] = np.floor(2.0**32 * uniform[:, 3])
    if population == "rule_breaking":
        _rule_breaking_rows(rows)
    _heavy_rows(rows, np.isin(kind, _HEAVY))
    _cyclist_rows(rows, kind == AgentKind.BICYCLE, normal)
    _walker_rows(rows, kind == AgentKind.PEDESTRIAN, normal, uniform, 0.25 if population == "rule_breaking" else 0.05)
    return rows


def _lognormal(median: float, deviation: float, normal: Float, low: float, high: float) -> Float:
    drawn: Float = np.clip(median * np.exp(deviation * normal), low, high)
    return drawn


def _heavy_rows(rows: Float, heavy: NDArray[np.bool_]) -> None:
    rows[heavy, Driver.ACCELERATION] *= 0.5
    rows[heavy, Driver.MAX_DECELERATION] = 5.0 + (rows[heavy, Driver.MAX_DECELERATION] - 6.0) / 2.5
    rows[heavy, Driver.HEADWAY] = np.maximum(rows[heavy, Driver.HEADWAY] + 0.2, 1.2)  # longer way to stop
    rows[heavy, Driver.LANE_BIAS] *= 0.4


def _cyclist_rows(rows: Float, cyclist: NDArray[np.bool_], normal: Float) -> None:
    kept = rows[cyclist]
    rows[cyclist] = _CYCLIST_ROW
    speed = np.clip(CYCLING_SPEED + 1.1 * normal[cyclist, Driver.SPEED_FACTOR], 2.5, 8.5)
    rows[cyclist, Driver.SPEED_FACTOR] = speed / CYCLING_SPEED
    for column in (Driver.REACTION, Driver.COURTESY, Driver.GAP_FACTOR, Driver.NOISE, Driver.PATIENCE, Driver.SEED):
        rows[cyclist, column] = kept[:, column]


def _rule_breaking_rows(rows: Float) -> None:
    rows[:, Driver.SPEED_FACTOR] = np.clip(1.1 * rows[:, Driver.SPEED_FACTOR], 0.8, 1.4)
    rows[:, Driver.HEADWAY] = np.clip(0.75 * rows[:, Driver.HEADWAY], 0.5, 2.0)
    rows[:, Driver.COURTESY] *= 0.2
    rows[:, Driver.GAP_FACTOR] *= 0.65
    rows[:, Driver.YELLOW_DECELERATION] = np.clip(0.6 * rows[:, Driver.YELLOW_DECELERATION], 1.0, 2.5)
    rows[:, Driver.PATIENCE] *= 0.5


def _walker_rows(rows: Float, walker: NDArray[np.bool_], normal: Float, uniform: Float, careless: float) -> None:
    kept = rows[walker]
    rows[walker] = _WALKER_ROW
    draw, pick = normal[walker, Driver.SPEED_FACTOR], uniform[walker, 1]
    # A little fast, and few runners: after turning and waiting that gives the speeds of the real drives.
    speed = np.clip(WALKING_SPEED + 0.03 + 0.25 * draw, 0.4, 2.2)
    speed = np.where(pick < 0.12, np.clip(0.85 + 0.12 * draw, 0.4, 1.3), speed)  # the elderly
    speed = np.where(pick > 0.97, 2.0 + 1.5 * uniform[walker, 2], speed)  # runners
    rows[walker, Driver.SPEED_FACTOR] = speed / WALKING_SPEED
    rows[walker, Driver.ACCELERATION] = 1.5 + 2.5 * uniform[walker, 0]
    rows[walker, Driver.COURTESY] = np.where(uniform[walker, 2] < careless, 0.0, 1.0)
    rows[walker, Driver.GAP_FACTOR] = np.clip(1.0 + 0.3 * normal[walker, Driver.GAP_FACTOR], 0.2, 2.0)
    hesitates = normal[walker, Driver.START_LOSS] > 1.175  # 12 %
    rows[walker, Driver.START_LOSS] = np.where(hesitates, 0.5 + 1.5 * uniform[walker, 0], 0.0)
    for column in (Driver.NOISE, Driver.PATIENCE, Driver.SEED):
        rows[walker, column] = kept[:, column]
