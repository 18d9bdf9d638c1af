"""The speed table of ``drive bench``: process CPU time, median of five, beside a peer where one is installed.

The closed loop runs in two worker processes, as an evaluation on two cores does; everything else is one thread.
"""

import copy
import importlib.util
import itertools
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from drive.kernels.checks import off_road, overlapping
from drive.kernels.ground import compile_ground
from drive.map import Layer
from drive.scene import Scenario
from drive.simulator import Simulator
from evaluation.avenue import avenue
from evaluation.town import AGENTS, SPEED, STEPS, town

SCENES = 64
WORKERS = 2
REPEATS = 5
PROPOSALS = 16


@dataclass(frozen=True)
class Line:
    """One measurement; ``ratio`` says how many times better than the peer it is, None without a peer."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None


def bench() -> list[Line]:
    """Measure everything; about a minute."""
    scene = town(0)
    return [
        *_closed_loop(),
        _overlap(scene),
        _road(scene),
        *_evaluation(),
        *_navsim(),
        *_rules(),
        *_loading(scene),
        _help(),
        Line("peak memory of this table", _peak_memory(), "MiB"),
    ]


def render(lines: list[Line], form: str = "table") -> str:
    """The table as text, or the JSON list of the contract."""
    if form == "json":
        return json.dumps([asdict(line) for line in lines], indent=2) + "\n"
    texts = [("what", "value", "unit", "peer", "ratio")]
    for line in lines:
        peer = "" if line.peer_value is None else f"{line.peer}: {_figure(line.peer_value)}"
        ratio = "" if line.ratio is None else f"{line.ratio:.1f} x"
        texts.append((line.name, _figure(line.value), line.unit, peer, ratio))
    widths = [max(len(text[column]) for text in texts) for column in range(5)]
    return "".join(
        f"{a:<{widths[0]}}  {b:>{widths[1]}} {c:<{widths[2]}}  {d:<{widths[3]}}  {e:>{widths[4]}}".rstrip() + "\n"
        for a, b, c, d, e in texts
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _against(name: str, value: float, unit: str, peer: str, peer_value: float) -> Line:
    """A line of times or costs: lower is better."""
    return Line(name, value, unit, peer, peer_value, peer_value / value)


def _cpu(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median CPU time [s] of ``work`` in this process, after one call that is not counted."""
    work()
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return statistics.median(spent)


# --- closed loop


def _closed_loop() -> Iterator[Line]:
    """Scenes shared by two processes that start together; the rate of both is all steps over the longer CPU time."""
    context = multiprocessing.get_context("spawn")
    share = SCENES // WORKERS
    pairs = [context.Pipe() for _ in range(WORKERS)]
    workers = [
        context.Process(target=_work, args=(child, range(number * share, (number + 1) * share)))
        for number, (_, child) in enumerate(pairs)
    ]
    for worker in workers:
        worker.start()
    for _, child in pairs:
        child.close()  # so that a worker that dies is noticed
    for parent, _ in pairs:
        parent.recv()
    rounds = []
    for _ in range(REPEATS):
        for parent, _ in pairs:
            parent.send(True)
        rounds.append([parent.recv() for parent, _ in pairs])
    for parent, _ in pairs:
        parent.send(False)
    for worker in workers:
        worker.join()
    steps = SCENES * AGENTS * STEPS
    rate = statistics.median(steps / max(spent for spent, _ in both) for both in rounds)
    bare = statistics.median(steps / max(spent for _, spent in both) for both in rounds)
    yield Line(f"closed loop, {AGENTS} agents x {SCENES} scenes, drivers and all checks", rate, "agent-steps/s")
    yield Line("  of it without the overlap and off-road checks", bare, "agent-steps/s")
    yield from _highway(rate)


def _work(channel: Connection, numbers: range) -> None:
    """In a worker: [CPU s with checks, CPU s without them] for every message True."""
    scenes = [town(number) for number in numbers]
    grounds = [compile_ground(scene.map, (Layer.DRIVABLE, Layer.CARPARK)) for scene in scenes]
    plan = np.column_stack((0.5 * SPEED * np.arange(1, 9), np.zeros(8), np.zeros(8)))

    ready = Simulator(scenes, "idm")

    def drive() -> tuple[float, float]:
        simulator = copy.deepcopy(ready)  # as set up: the same drive every time
        plans, spacing = [plan] * len(scenes), [0.5] * len(scenes)
        began = time.process_time()
        while not simulator.done:
            simulator.step(plans, spacing)
        rollouts = simulator.rollouts()
        simulated = time.process_time() - began
        for scene, ground, rollout in zip(scenes, grounds, rollouts, strict=True):
            position, heading = rollout.position.astype(np.float64), rollout.heading.astype(np.float64)
            overlapping(position, heading, scene.tracks.size, rollout.valid, 1, STEPS + 1)
            off_road(ground, position, heading, scene.tracks.size, rollout.valid, 1, STEPS + 1)
        return time.process_time() - began, simulated

    drive()
    channel.send(True)
    while channel.recv():
        channel.send(drive())


def _highway(rate: float) -> Iterator[Line]:
    """highway-env on one core, times the number of workers; its cars step at 5 Hz within steps of 1 s."""
    if importlib.util.find_spec("highway_env") is None:
        return
    import gymnasium
    import highway_env

    gymnasium.register_envs(highway_env)
    environment = gymnasium.make("highway-v0", config={"vehicles_count": AGENTS - 1, "duration": 1000})
    environment.reset(seed=0)
    ratio = environment.unwrapped.config["simulation_frequency"] / environment.unwrapped.config["policy_frequency"]

    def step() -> None:
        _, _, ended, cut, _ = environment.step(1)
        if ended or cut:
            environment.reset(seed=0)

    peer = WORKERS * AGENTS * ratio / _cpu(step)
    yield Line("closed loop beside a lane-based simulator", rate, "agent-steps/s", "highway-env", peer, rate / peer)


# --- geometry


def _overlap(scene: Scenario) -> Line:
    import shapely

    tracks = scene.tracks
    size, samples = tracks.size, tracks.position.shape[1]
    first, second = np.triu_indices(AGENTS, 1)
    pairs = len(first) * samples
    ours = _cpu(lambda: overlapping(tracks.position, tracks.heading, size, tracks.valid, 0, samples)) / pairs
    boxes = polygons(tracks.position, tracks.heading, size)
    left, right = boxes[first].ravel(), boxes[second].ravel()
    theirs = _cpu(lambda: shapely.intersects(left, right)) / pairs
    return _against("box overlap, all pairs of a scene", 1e9 * ours, "ns/pair", "shapely, polygons ready", 1e9 * theirs)


def _road(scene: Scenario) -> Line:
    import shapely

    tracks, samples = scene.tracks, scene.tracks.position.shape[1]
    ground = compile_ground(scene.map, (Layer.DRIVABLE,))
    points = 4 * AGENTS * samples
    ours = _cpu(lambda: off_road(ground, tracks.position, tracks.heading, tracks.size, tracks.valid, 0, samples))
    road = shapely.union_all([shapely.Polygon(rings[0], rings[1:]) for rings in scene.map.areas(Layer.DRIVABLE)])
    shapely.prepare(road)
    corners = shapely.get_coordinates(polygons(tracks.position, tracks.heading, tracks.size)).reshape(-1, 5, 2)[:, :4]
    x, y = np.ascontiguousarray(corners.reshape(-1, 2).T)
    theirs = _cpu(lambda: shapely.contains_xy(road, x, y))
    name = "corner on the road (ours: from box centre and heading)"
    return _against(name, 1e9 * ours / points, "ns/point", "shapely, union prepared", 1e9 * theirs / points)


def polygons(position: np.ndarray, heading: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Shapely boxes ``[A, T]`` of ``position [A, T, 2]``, ``heading [A, T]`` and ``size [A, 2]``."""
    import shapely

    from drive.geometry import box_corners

    return np.asarray(shapely.polygons(box_corners(position, heading, size[:, None])))


# --- evaluation


def _evaluation() -> Iterator[Line]:
    """One generated scene through the parts of an evaluation."""
    from evaluation.metrics.drive_score import score_rollout
    from planners.contract import Context
    from planners.host import InProcessHost
    from planners.registry import resolve
    from scenarios.generate import Recipe, build

    scene = build(Recipe("F01", 0, "bench"))
    host = InProcessHost(resolve("idm"))

    def reset() -> None:
        host.reset(Context(scene.ego_vehicle, scene.dt, 0.5, 2.0, 0))

    reset()
    simulator = Simulator([scene], "idm")
    observed = _cpu(simulator.observe, 50)
    planned = _cpu(lambda: host.plan(*simulator.observe()), 50) - observed  # type: ignore[arg-type]
    reset()
    while not simulator.done:
        plan = host.plan(*simulator.observe())  # type: ignore[arg-type]  # not None before the end
        simulator.step([plan.candidates[plan.chosen]], [plan.dt])
    (rollout,) = simulator.rollouts()
    scored = _cpu(lambda: score_rollout(scene, rollout))
    agents = len(scene.tracks.ids)
    yield Line(f"observation for a planner ({agents} agents)", 1e3 * observed, "ms")
    yield Line("one plan of the planner idm", 1e3 * planned, "ms")
    yield Line(f"drive_score of one rollout ({scene.horizon / 10:.0f} s)", 1e3 * scored, "ms")


def _navsim() -> Iterator[Line]:
    """NAVSIM's score and its cache; rates of one core times the number of workers."""
    from drive.scoring.navsim.comfort import history
    from drive.scoring.navsim.scene import cache_token
    from drive.scoring.navsim.scorer import score_states
    from drive.scoring.navsim.tracking import reference_poses, simulate
    from evaluation.metrics.epdms import score_plan
    from evaluation.metrics.navsim_frames import make_frame

    scene = avenue()
    token = cache_token(scene, scene.start)
    frame = make_frame(scene, token, reactive=False)
    past = history(frame.past)
    plans = token.human * np.linspace(0.6, 1.2, PROPOSALS)[:, None, None] ** (1.0, 1.0, 0.0)

    def batch() -> None:
        states = simulate(frame.ego, reference_poses(plans, 0.5, frame.ego, frame.t0_us))
        score_states(states, frame.pdm_map, frame.traffic, past)

    objects, rings = len(frame.traffic.size), len(frame.pdm_map.layer)
    rate = WORKERS * PROPOSALS / _cpu(batch, 20)
    name = f"NAVSIM sub-metrics, {PROPOSALS} proposals, {objects} objects, {rings} polygons, tracker included"
    yield Line(name, rate, "proposals/s")
    rate = WORKERS / _cpu(lambda: score_plan(frame, token.human), 20)
    yield Line("EPDMS of one plan, human filter included", rate, "plans/s")
    spent = 1e3 * _cpu(lambda: cache_token(scene, scene.start), 20)
    yield Line("everything a NAVSIM token needs, PDM-Closed included", spent, "ms")


def _rules() -> Iterator[Line]:
    """Lines about STL; they load torch."""
    from evaluation.bench_stl import stl_lines

    yield from stl_lines()


def _loading(scene: Scenario) -> Iterator[Line]:
    """A scene exported as nuScenes tables: read through the devkit, from the store, and made ready to be driven."""
    from scenarios.export import export
    from scenarios.nuscenes import prepare
    from scenarios.store import Store

    with tempfile.TemporaryDirectory() as folder:
        tables, stores = Path(folder) / "tables", itertools.count()
        export([scene], tables)

        def load() -> str:
            return prepare(tables, Store(Path(folder) / f"store-{next(stores)}"))[0].key

        key = load()
        devkit = _cpu(load, 3)
        ours = _cpu(lambda: Store(Path(folder) / "store-0").get(key))
    name = f"scene with {AGENTS} agents from the store"
    yield _against(name, 1e3 * ours, "ms", "nuscenes-devkit, from its tables", 1e3 * devkit)
    yield Line("the same scene made ready to be driven", 1e3 * _cpu(lambda: Simulator([scene], "idm")), "ms")


def _help() -> Line:
    """CPU time of ``drive --help`` in a new process, imports included."""
    program = "import sys; from evaluation.cli import main; sys.exit(main(['--help']))"
    spent = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return Line("drive --help", statistics.median(spent), "s")


def _peak_memory() -> float:
    """Largest resident set [MiB] of this process and of its workers, each by itself."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(kind).ru_maxrss for kind in kinds) / 1024.0
