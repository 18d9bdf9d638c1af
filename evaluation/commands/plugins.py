"""Verbs for planners: list them, write one, check one."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from evaluation.commands.common import DONE, FAILURES, say, table


def list_all() -> int:
    """List the planners that can be named by an id, with their options."""
    from planners.registry import list_planners

    entries = list_planners()
    lines = [(item.id, "yes" if item.privileged else "", item.options, item.summary) for item in entries]
    table(("planner", "sees future", "options", "what it is"), lines)
    return DONE


def new(
    name: Positional[Annotated[str, arg(help="Name of the module to write, like my_planner.", metavar="NAME")]],
    out: Annotated[Path, arg(help="Folder to write it in.", metavar="DIR")] = Path("."),
) -> int:
    """Write a planner to start from, and a test for it."""
    from planners.scaffold import scaffold

    for path in scaffold(name, out):
        say(f"wrote {path}")
    return DONE


def check(planner: Positional[Annotated[str, arg(help="Planner, as for `drive eval`.", metavar="P")]]) -> int:
    """Run the planner contract against a planner and say in words what is wrong. Exit code 1 if something is."""
    from planners.check import check

    report = check(planner)
    say(report.render())
    return DONE if report.passed else FAILURES
