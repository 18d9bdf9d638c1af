"""The planner contract as an executable: drives a planner through a few scenes and says in words what is wrong."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from drive.errors import PlannerError
from drive.geometry import wrap_angle
from drive.observation import Observation
from drive.scene import Scenario
from drive.simulator import Simulator
from drive.vehicle import Ego
from planners.contract import MIN_HORIZON, MIN_HORIZON_BEYOND_REPLAN, Plan, PrivilegedContext
from planners.host import InProcessHost, isolated
from planners.registry import PlannerSpec, resolve

REPLAN_INTERVAL = 0.5
SCENES = 3  # generated scenes driven, each also without agents
REPLAYED = 8  # plans asked again in the determinism checks
SLOW = 0.5  # s of process time for one plan
MAX_SPEED = 60.0  # m/s between two poses
MAX_FIRST_MISS = 2.0  # m between the first pose and where the ego's present speed takes it
MAX_TURN = 0.6  # rad between the heading of a pose and the way it was reached


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (``error``: runs fail or cannot be repeated) or odd (not ``error``), in words."""

    error: bool
    sentence: str
    traceback: str = ""


@dataclass
class Report:
    """What a check found. ``plans`` were asked in ``scenes`` scenes; ``plan_ms`` is the median process time of one."""

    planner: str
    scenes: int = 0
    plans: int = 0
    plan_ms: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """True where nothing is wrong; oddities may remain."""
        return not any(finding.error for finding in self.findings)

    def render(self) -> str:
        """The report as text for people."""
        lines = []
        for finding in self.findings:
            lines.append(f"{'ERROR' if finding.error else 'odd'}: {finding.sentence}")
            lines += [f"    {line}" for line in finding.traceback.splitlines()]
        verdict = "keeps the contract" if self.passed else "breaks the contract"
        driven = f"{self.plans} plans in {self.scenes} scenes, {self.plan_ms:.1f} ms of process time each (median)"
        return "\n".join([*lines, f"{self.planner} {verdict}: {driven}"])


@dataclass(frozen=True)
class _Asked:
    """One call of ``plan``: what was shown and what came back."""

    observation: Observation
    plan: Plan
    spent: float


def check(planner: str | PlannerSpec, scenes: Sequence[Scenario] | None = None) -> Report:
    """Check a planner, named as for ``drive eval``, on generated scenes or on those given.

    Checked are: shapes, finite values and horizon of every plan in closed loop, with agents and without; that equal
    observations and seeds give equal plans, in a fresh planner and after ``reset``; that the observation is left alone;
    and, as oddities, implausible poses, slow planning and sight of the future.

    Raises:
        PlannerError: There is no such planner.
    """
    spec = resolve(planner) if isinstance(planner, str) else planner
    report = Report(spec.name)
    if spec.privileged:
        _add(report, False, "is privileged: it is shown the recorded future, and the leaderboard says so")
    spent: list[float] = []
    for scenario in _generated() if scenes is None else scenes:
        for variant in (scenario, without_agents(scenario)):
            report.scenes += 1
            where = f"in scene {variant.id}"
            asked = _drive(spec, variant, report, where)
            spent += [item.spent for item in asked]
            if asked:
                _check_poses(asked, report, where)
                _check_repeats(spec, variant, asked[:REPLAYED], report, where)
                _check_left_alone(spec, variant, asked[0], report, where)
    report.plans = len(spent)
    if spent:
        report.plan_ms = 1e3 * float(np.median(spent))
        if np.median(spent) > SLOW:
            _add(report, False, f"takes {np.median(spent):.1f} s per plan: a generated scene takes half a minute")
    return report


def without_agents(scenario: Scenario) -> Scenario:
    """The same scene with nobody but the ego in it."""
    tracks = scenario.tracks
    nobody = {item.name: getattr(tracks, item.name)[:0] for item in fields(tracks)}
    return replace(
        scenario,
        id=f"{scenario.id} without agents",
        tracks=replace(tracks, **nobody),
        drivers=scenario.drivers[:0],
        script=scenario.script[:0],
        paths=None,
    )


def _generated() -> Iterator[Scenario]:
    from scenarios.generate import FAMILIES, Recipe, build  # takes a while to import: only where it is needed

    for index in np.linspace(0, len(FAMILIES) - 1, SCENES).astype(int):
        yield build(Recipe(FAMILIES[index], 0, "check"))


def _context(scenario: Scenario) -> PrivilegedContext:
    return PrivilegedContext(
        vehicle=scenario.ego_vehicle,
        dt=scenario.dt,
        replan_interval=REPLAN_INTERVAL,
        min_horizon=max(MIN_HORIZON, REPLAN_INTERVAL + MIN_HORIZON_BEYOND_REPLAN),
        seed=1,
        scenario=scenario,
    )


def _add(report: Report, error: bool, sentence: str, traceback: str = "") -> None:
    """Note a finding, once: the same sentence about another scene or time teaches nothing."""
    known = {finding.sentence.partition(" (")[0] for finding in report.findings}
    if sentence.partition(" (")[0] not in known:
        report.findings.append(Finding(error, sentence, traceback))


def _try(report: Report, where: str, what: Callable[[], Plan | None]) -> Plan | None:
    """Run one call of the host; a failure becomes a finding and None."""
    try:
        return what()
    except PlannerError as error:
        hint = "; the observation is read-only, copy what you change" if "read-only" in str(error) else ""
        _add(report, True, f"{error}{hint} ({where})", error.traceback)
        return None


def _drive(spec: PlannerSpec, scenario: Scenario, report: Report, where: str) -> list[_Asked]:
    """Closed loop through one scene, up to the first failure."""
    host = InProcessHost(spec)
    errors = len(report.findings)
    _try(report, where, lambda: host.reset(_context(scenario)))
    tracker = [spec.tracker]
    simulator = Simulator([scenario], "idm", tracker, REPLAN_INTERVAL, spec.privileged)  # type: ignore[arg-type]
    asked: list[_Asked] = []
    while not simulator.done and len(report.findings) == errors:
        observation = simulator.observe()[0]
        assert observation is not None
        begin = time.process_time()
        plan = _try(report, f"{where} after {observation.time:.1f} s", lambda seen=observation: host.plan(seen))  # type: ignore[misc]
        if plan is None:
            break
        asked.append(_Asked(observation, plan, time.process_time() - begin))
        simulator.step([plan.candidates[plan.chosen]], [plan.dt])
    return asked


def _check_repeats(spec: PlannerSpec, scenario: Scenario, asked: Sequence[_Asked], report: Report, where: str) -> None:
    """Ask again in a fresh planner, and once more in the same one after a reset."""
    host = InProcessHost(spec)
    for sentence in (
        "plans differently when the same seed and observations come again: "
        "take random numbers from a generator made of context.seed",
        "plans differently after reset(): something of the last scene is left",
    ):
        _try(report, where, lambda: host.reset(_context(scenario)))
        for item in asked:
            plan = _try(report, where, lambda item=item: host.plan(item.observation))  # type: ignore[misc]
            if plan is None:
                return
            if not _equal(plan, item.plan):
                _add(report, True, f"{sentence} ({where} after {item.observation.time:.1f} s)")
                return


def _equal(first: Plan, second: Plan) -> bool:
    same = np.array_equal(first.candidates, second.candidates) and np.array_equal(first.scores, second.scores)
    return same and (first.chosen, first.dt) == (second.chosen, second.dt)


def _check_left_alone(spec: PlannerSpec, scenario: Scenario, asked: _Asked, report: Report, where: str) -> None:
    """Show the planner a copy and look at it afterwards: a planner may have lifted the write protection."""
    shown, told = isolated(asked.observation), _context(scenario)
    try:
        planner = spec.build()
        planner.reset(told if spec.privileged else told.public())
        planner.plan(shown)
    except Exception as error:  # noqa: BLE001 - the border to somebody else's code
        _add(report, True, f"raised {type(error).__name__} on an observation it could plan for before ({where})")
    for name, value in shown.arrays().items():
        if not np.array_equal(value, getattr(asked.observation, name)):  # type: ignore[arg-type]
            _add(report, True, f"writes into observation.{name}: copy what you change ({where})")


def _check_poses(asked: Sequence[_Asked], report: Report, where: str) -> None:
    """Oddities in the chosen trajectories."""
    for item in asked:
        poses, dt = item.plan.candidates[item.plan.chosen], item.plan.dt
        when = f"{where} after {item.observation.time:.1f} s"
        speed = float(item.observation.ego[-1, Ego.VX])
        miss = float(np.hypot(poses[0, 0] - speed * dt, poses[0, 1]))
        if miss > MAX_FIRST_MISS + 4.0 * dt**2:
            _add(
                report,
                False,
                "starts its plan away from the ego: poses are those of the rear axle in the ego frame, the first one "
                f"dt after now ({miss:.1f} m from where the present speed leads, {when})",
            )
        steps = np.diff(np.concatenate((np.zeros((1, 3)), poses)), axis=0)
        moved: NDArray[np.float64] = np.hypot(steps[:, 0], steps[:, 1])
        if moved.max() > MAX_SPEED * dt:
            _add(report, False, f"jumps between poses ({moved.max() / dt:.0f} m/s, {when})")
        way = np.arctan2(steps[:, 1], steps[:, 0])
        middle = poses[:, 2] - wrap_angle(steps[:, 2]) / 2
        off = np.abs(wrap_angle(way - middle))[moved > 0.5]
        if off.size and off.max() > MAX_TURN and speed > 0.5:
            _add(
                report,
                False,
                "points elsewhere than it drives: headings are radians in the ego frame, along the direction of motion "
                f"(up to {np.degrees(off.max()):.0f} degrees, {when})",
            )
