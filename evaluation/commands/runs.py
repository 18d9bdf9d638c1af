"""Verbs that make runs and look at them."""

import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from evaluation.commands.common import DONE, FAILURES, Data, Maps, Run, Workers, make_engine, open_run, say

if TYPE_CHECKING:
    from evaluation.protocols import Name
    from evaluation.results import RunFolder
    from evaluation.suite import Suite

DEMO_PLANNERS = ("log_replay", "idm", "lane_follower", "constant_velocity", "stop")

Planners = UseAppendAction[
    Annotated[
        list[str],
        arg(
            help="Planner: an id (`drive planners list`), my_module:MyPlanner, or an entry point; options in brackets, "
            "'idm[headway=2.0]'. Give it once for every planner.",
            metavar="P",
        ),
    ]
]


def evaluate(
    suite: Annotated[
        str,
        arg(
            help="nuscenes, openscene, scenarionet, gpudrive, gen-quick, procedural:<family|all>:<count>:<seed>, or a "
            ".yaml file."
        ),
    ],
    planner: Planners,
    out: Annotated[Path, arg(help="Run folder; a run that is there is resumed.", metavar="RUN")],
    data: Data = None,
    maps: Maps = None,
    protocol: Annotated[
        Literal["closed-loop", "navsim", "nuplan", "two-stage"],
        arg(
            help="closed-loop: plans are driven. navsim: EPDMS of plans asked along the recorded or expert drive. "
            "nuplan: nuPlan's simulation and closed-loop score. two-stage: EPDMS at moments of the scene and at starts "
            "4 s later."
        ),
    ] = "closed-loop",
    traffic: Annotated[
        Literal["log", "idm", "constant_velocity"] | None,
        arg(help="What moves the other agents; by default log; idm in closed loop on generated scenes."),
    ] = None,
    rules: Annotated[
        tuple[str, ...],
        arg(help="Rule sets, shipped ones by name (urban-de) or files: columns beside the score.", metavar="RULES"),
    ] = (),
    seed: Annotated[int, arg(help="First run seed.")] = 0,
    seeds: Annotated[int, arg(help="Number of run seeds.", metavar="N")] = 1,
    replan_interval: Annotated[
        float | None,
        arg(help="Seconds between plans, a multiple of 0.1; by default 0.5, navsim 2, nuplan 0.1.", metavar="S"),
    ] = None,
    workers: Workers = None,
    batch_size: Annotated[int, arg(help="Scenes simulated together at most; no effect on results.", metavar="N")] = 8,
    engine: Literal["local"] = "local",
) -> int:
    """Drive planners through a suite and rank them. The same command again resumes the run.

    With more planners than before the run is extended. A planner that fails in a scene scores 0 there, and the run
    goes on. Exit code 1 if units failed.
    """
    from evaluation.suite import resolve_suite

    scenes = resolve_suite(suite, data, maps=maps)
    run = _drive(scenes, planner, out, protocol, traffic, rules, seed, seeds, replan_interval, workers, batch_size)
    if protocol in ("navsim", "two-stage"):
        from evaluation.navsim_results import write_one_stage, write_two_stage

        written = (write_one_stage if protocol == "navsim" else write_two_stage)(run)
        say(f"in NAVSIM's format: {', '.join(str(path) for path in written)}")
    return _conclude(run, f"drive report {run.path}", f"drive verify {run.path}")


def demo(
    out: Annotated[Path, arg(help="Run folder.", metavar="RUN")] = Path("runs/demo"), workers: Workers = None
) -> int:
    """Drive the built-in planners through 16 built-in scenes: leaderboard, report, and one failure explained."""
    from evaluation.suite import resolve_suite

    run = _drive(resolve_suite("gen-quick"), DEMO_PLANNERS, out, workers=workers)
    report(run.path)
    return _conclude(
        run,
        "drive planners new my_planner",
        "drive eval --suite nuscenes --data /path/to/nuscenes --planner idm --out runs/nuscenes",
    )


def leaderboard(
    runs: Positional[Annotated[tuple[Path, ...], arg(help="Run folders.", metavar="RUN [RUN ...]")]],
    format: Literal["table", "csv", "json", "markdown"] = "table",  # noqa: A002 - the name of the option
    by: Annotated[Literal["family"] | None, arg(help="Rank each family apart, too.")] = None,
    allow_mixed: Annotated[
        bool, arg(help="List runs made under different definitions or environments side by side.")
    ] = False,
) -> int:
    """Rank the planners of one or more runs, with intervals and paired differences."""
    from drive.errors import RunError
    from evaluation.leaderboard import build, gather, render
    from evaluation.results import RunFolder

    if not runs:
        raise RunError("name at least one run folder, for example `drive leaderboard runs/demo`")
    gathered = gather([RunFolder(run) for run in runs], allow_mixed)
    board = build(gathered.rows, gathered.privileged, by_family=by == "family", notes=gathered.notes)
    say(render(board, format).rstrip())
    return DONE


def correlate(
    runs: Positional[Annotated[tuple[Path, ...], arg(help="Run folders of --protocol two-stage.", metavar="RUN")]],
) -> int:
    """Print how well the measures of two-stage runs agree with their closed-loop drives."""
    from drive.errors import RunError
    from evaluation.correlation import correlations, render
    from evaluation.leaderboard import gather
    from evaluation.results import RunFolder

    if not runs:
        raise RunError("name at least one run folder made with --protocol two-stage")
    rows = gather([RunFolder(run) for run in runs]).rows
    found = correlations(rows)
    say(render(found, rows["planner"].nunique(), int((rows["status"] == "ok").sum())))
    return DONE


def report(
    run: Positional[Run],
    out: Annotated[Path | None, arg(help="Page to write; by default RUN/report.html.", metavar="FILE.html")] = None,
    data: Data = None,
    maps: Maps = None,
) -> int:
    """Write one self-contained page: leaderboard, every unit, failures first."""
    from drive.errors import DataError
    from evaluation.report import write_report
    from evaluation.results import RunFolder

    with suppress(DataError):  # the page says which scenes it could not draw, and why
        open_run(run, data, maps)
    page = write_report(RunFolder(run), out)
    say(f"report: {page}")
    return DONE


def explain(
    run: Positional[Run],
    scenario: Annotated[str, arg(help="Scenario id.", metavar="ID")],
    planner: Annotated[str, arg(help="Planner, as it was named in the run.", metavar="P")],
) -> int:
    """Say term by term why a planner got its score in a scenario."""
    from evaluation.explain import explain as text
    from evaluation.results import RunFolder

    say(text(RunFolder(run).rows(), scenario, planner).rstrip())
    return DONE


def verify(run: Positional[Run], data: Data = None, maps: Maps = None, workers: Workers = None) -> int:
    """Check hashes, simulate the stored plans again, score again. Exit code 1 if anything differs."""
    from evaluation.progress import Meter
    from evaluation.verify import verify as check

    folder = open_run(run, data, maps)
    with Meter(unit="units").running() as meter:
        found = check(folder, engine=make_engine(workers), begin=meter.begin, report=lambda: meter.add({}))
    for note in found.notes:
        say(f"note: {note}")
    for finding in found.findings:
        say(str(finding))
    if found.findings:
        say(f"{run}: {len(found.findings)} differences in {found.units} units")
        return FAILURES
    say(f"{run}: {found.units} units, {found.simulated} simulated and scored again, no difference")
    return DONE


def bench(
    format: Literal["table", "json"] = "table",  # noqa: A002 - the name of the option
) -> int:
    """Measure the speed of the parts that matter on this machine."""
    from evaluation.bench import bench as measure
    from evaluation.bench import render

    say(render(measure(), format).rstrip())
    return DONE


def selftest() -> int:
    """Check this installation: known traps in the installed versions, and golden scores. Exit code 1 on an error."""
    from evaluation.fingerprint import fingerprint
    from evaluation.selftest import failed, render
    from evaluation.selftest import selftest as check

    findings = check()
    say(render(findings, fingerprint()).rstrip())
    return FAILURES if failed(findings) else DONE


def _drive(
    suite: "Suite",
    planners: Sequence[str],
    out: Path,
    protocol: "Name" = "closed-loop",
    traffic: Literal["log", "idm", "constant_velocity"] | None = None,
    rules: Sequence[str] = (),
    seed: int = 0,
    seeds: int = 1,
    replan_interval: float | None = None,
    workers: int | None = None,
    batch_size: int = 8,
) -> "RunFolder":
    from drive.errors import PlannerError, RunError
    from evaluation.progress import Meter
    from evaluation.rules import find_rule_sets
    from evaluation.runner import evaluate
    from planners.registry import resolve

    if not planners:
        raise PlannerError("name at least one planner, for example --planner idm")
    for name, value in (("--seeds", seeds), ("--batch-size", batch_size)):
        if value < 1:
            raise RunError(f"{name} is {value}, expected at least 1")
    with Meter().running() as meter:
        return evaluate(
            suite,
            [resolve(planner) for planner in planners],
            out,
            protocol_name=protocol,
            traffic=traffic,
            rules=find_rule_sets(rules),
            replan_interval=replan_interval,
            seed=seed,
            seeds=seeds,
            engine=make_engine(workers),
            batch_size=batch_size,
            begin=meter.begin,
            report=meter.add,
        )


def _conclude(run: "RunFolder", *commands: str) -> int:
    """Print the ranking, the costliest failure in a sentence, and what to type next."""
    from evaluation.explain import causes
    from evaluation.leaderboard import build, gather, render

    gathered = gather([run])
    board = build(gathered.rows, gathered.privileged, notes=gathered.notes)
    say(render(board).rstrip())
    best = board.reference or board.entries[0].planner
    rows = gathered.rows[gathered.rows["planner"] == best]
    worst = rows.iloc[int(rows["score"].to_numpy().argmin())]
    say(f"\nWhere {best} loses most: {worst['scenario']}, score {worst['score']:.2f}: {causes(worst.to_dict())[0]}")
    explanation = f"drive explain {run.path} --scenario {worst['scenario']} --planner {shlex.quote(best)}"
    say("\nNext:")
    for command in (explanation, *commands):
        say(f"  {command}")
    return FAILURES if (gathered.rows["status"] != "ok").any() else DONE
