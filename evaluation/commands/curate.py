"""Verbs that make and audit suites of generated scenes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from evaluation.commands.common import DONE, FAILURES, Data, Workers, make_engine, say, table

if TYPE_CHECKING:
    from evaluation.curation.curate import Curated

Out = Annotated[Path, arg(help="Folder for the suite file, and for the journal to go on from.", metavar="DIR")]


def curate(
    suite: Positional[Annotated[str, arg(help="gen-quick, gen-val, gen-test, gen-hard or gen-ood.", metavar="SUITE")]],
    out: Out = Path("runs/curation"),
    count: Annotated[int | None, arg(help="Scenes; by default as many as the suite is to have.", metavar="N")] = None,
    items: Annotated[bool, arg(help="Drop scenes in which better planners do worse (drives 6 more planners).")] = True,
    adversarial: Annotated[bool, arg(help="Search for hard knobs, for up to 30 % of gen-hard.")] = True,
    workers: Workers = None,
) -> int:
    """Make a curated suite: find, certify and filter scenes, print the funnel, write OUT/SUITE.jsonl.

    The same command again goes on where it was stopped. Exit code 1 if cells could not be filled.
    """
    from dataclasses import replace

    from drive.errors import SuiteError
    from evaluation.curation.curate import PLANS, funnel_table
    from evaluation.curation.curate import curate as fill
    from evaluation.suite import generator_code
    from planners.options import did_you_mean

    if suite not in PLANS:
        hint = did_you_mean(suite, PLANS)
        raise SuiteError(f"there is no plan for a suite {suite!r}{hint}: known are {', '.join(PLANS)}")
    if count is not None and count < 1:
        raise SuiteError(f"--count is {count}, expected at least 1")
    if count is not None and PLANS[suite].families:
        raise SuiteError(f"suite {suite!r} has one scene of each of its families: leave out --count")
    plan = PLANS[suite] if count is None else replace(PLANS[suite], count=count)
    engine = make_engine(workers)
    journal = out / f"{plan.name}-{plan.count}-{generator_code()[:10]}.journal"
    found = fill(plan, journal, engine, say)
    table(("family", "candidates", "accepted", "reasons"), funnel_table(found.funnel))
    for line in found.missing:
        say(f"not filled: {line}")
    if adversarial and plan.least > 0.0:
        from evaluation.curation.adversarial import add_adversarial

        found = add_adversarial(found, journal, engine, say)
    path = out / f"{plan.name}.jsonl"
    found.write(path)
    lost: list[str] = []
    if items:
        dropped = _misfits(found, path, journal.with_suffix(".run"), workers)
        found.write(path, dropped)
        lost = sorted(found.families_without(()) - found.families_without(dropped))
        for family in lost:
            say(f"no scene left: {family}")
    say(f"suite: {path}")
    return FAILURES if found.missing or lost else DONE


def _misfits(found: "Curated", path: Path, run: Path, workers: int | None) -> list[str]:
    """Scenes to drop: those that the item analysis is against, then spares, twins together."""
    from evaluation.audit.page import VARIANTS, drive_variants
    from evaluation.curation.curate import surplus
    from evaluation.curation.items import analyse, score_table

    rows = drive_variants(str(path), VARIANTS, run / "idm", "idm", make_engine(workers))
    result = analyse(score_table(rows))
    dropped = surplus(found, dict(zip(result.scenes, result.correlation.tolist(), strict=True)))
    say(
        f"item analysis: Cronbach's alpha {result.alpha:.3f}, {len(result.misfits)} scenes below 0, "
        f"{len(dropped)} dropped; {result.needed:.0f} scenes separate planners 0.02 apart"
    )
    return dropped


def audit(
    suite: Positional[Annotated[str, arg(help="A suite of generated scenes.", metavar="SUITE")]],
    out: Annotated[Path, arg(help="Folder for runs (reused) and drawings.", metavar="DIR")] = Path("runs/audit"),
    data: Data = None,
    beside: Annotated[
        str | None, arg(help="Another suite of the same kind: both in one table, and whether both rank alike.")
    ] = None,
    format: Annotated[Literal["text", "json"], arg(help="How to print.")] = "text",  # noqa: A002 - name of the option
    log: Annotated[bool, arg(help="Drive the planners in log traffic, too.")] = True,
    drawings: Annotated[bool, arg(help="Draw a sheet of maps and a filmstrip per family.")] = True,
    workers: Workers = None,
) -> int:
    """Say whether a suite tells planners apart, each figure beside its bar. Exit code 1 if one is missed.

    With --data, a nuScenes folder, generated motion is compared with real drives.
    """
    import json

    from evaluation.audit.page import audit_suite

    sections = audit_suite(
        suite, out, make_engine(workers), data=data, beside=beside, log=log, drawings=drawings, say=_progress
    )
    if format == "json":
        say(json.dumps([section.as_json() for section in sections], indent=1, allow_nan=False, default=str))
    else:
        for section in sections:
            say(section.as_text())
    return FAILURES if any(figure.missed for section in sections for figure in section.figures) else DONE


def _progress(text: str) -> None:
    import sys

    print(text, file=sys.stderr)  # noqa: T201
