"""The ``drive`` command: the tree of its verbs, and the one place where errors become exit codes."""

import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Union

import tyro
from tyro.conf import OmitSubcommandPrefixes

from drive.errors import DriveError
from evaluation.commands import curate, plugins, rule_data, rules, runs, scenes, train
from evaluation.commands import score as scoring
from evaluation.commands.common import DEFECT, DONE, INTERRUPTED, UNUSABLE
from stl.errors import StlError

ABOUT = """Drive planners in closed loop, and rank them.

Begin with `drive demo`. Exit codes: 0 done, 1 done with failed units or checks, 2 unusable input.
"""


INTERRUPTED_QUERY = "Query interrupted"
"""What DuckDB makes of Ctrl-C while it works: a RuntimeError that says this."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # before NumPy is imported; the result must not depend on the cores
    try:
        command: Callable[[], int] = tyro.cli(_union(COMMANDS), prog="drive", description=ABOUT, args=arguments)
        code = command()
        sys.stdout.flush()
        return code
    except DriveError as error:
        print(f"drive: {error}", file=sys.stderr)  # noqa: T201
        return UNUSABLE
    except StlError as error:
        print(f"drive: {error.sentence}", file=sys.stderr)  # noqa: T201
        return UNUSABLE
    except KeyboardInterrupt:
        return _stopped()
    except BrokenPipeError:  # the reader of our output has left, as in `drive ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        if error.filename is None:
            return _defect()
        # a full disk, a folder that may not be written: what the system refuses is no defect
        print(f"drive: {error.filename}: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return UNUSABLE
    except Exception as error:  # noqa: BLE001 - the outermost border
        return _stopped() if str(error) == INTERRUPTED_QUERY else _defect()


def _stopped() -> int:
    print("drive: stopped; what is done is kept, the same command goes on from there", file=sys.stderr)  # noqa: T201
    return INTERRUPTED


def _defect() -> int:
    """Say that the exception being handled is our fault."""
    import traceback

    traceback.print_exc()
    print(  # noqa: T201
        "drive: this is a defect of the toolkit, not of your input; please report it with the lines above and the "
        "output of `drive selftest`",
        file=sys.stderr,
    )
    return DEFECT


def _later(function: Callable[..., int]) -> Callable[..., Callable[[], int]]:
    """A function with the same options that only notes what to do: tyro must not take our errors for typing errors."""

    @functools.wraps(function)
    def note(*values: Any, **options: Any) -> Callable[[], int]:
        return functools.partial(function, *values, **options)

    return note


def _union(commands: dict[str, Callable[..., int]]) -> Any:
    members = [
        Annotated[Any, tyro.conf.subcommand(name=name, constructor=_later(function))]
        for name, function in commands.items()
    ]
    return Union[tuple(members)]  # noqa: UP007 - built at run time


def _group(summary: str, commands: dict[str, Callable[..., int]]) -> Callable[..., int]:
    """A verb with verbs of its own."""

    def group(verb: Any) -> int:
        return int(verb())

    group.__doc__ = summary
    group.__annotations__ = {"verb": Annotated[_union(commands), OmitSubcommandPrefixes], "return": int}
    return group


COMMANDS: dict[str, Callable[..., int]] = {
    "demo": runs.demo,
    "eval": runs.evaluate,
    "leaderboard": runs.leaderboard,
    "correlate": runs.correlate,
    "report": runs.report,
    "explain": runs.explain,
    "verify": runs.verify,
    "scenarios": _group(
        "Look at scenes and data folders.",
        {
            "list": scenes.list_scenes,
            "doctor": scenes.doctor,
            "show": scenes.show,
            "sheet": scenes.sheet,
            "export": scenes.export,
            "curate": curate.curate,
            "audit": curate.audit,
        },
    ),
    "planners": _group(
        "List, write and check planners.", {"list": plugins.list_all, "new": plugins.new, "check": plugins.check}
    ),
    "rules": _group(
        "Rule files: check, evaluate and calibrate them; the signals they may read.",
        {
            "check": rules.check,
            "signals": rule_data.signals,
            "eval": rules.evaluate,
            "calibrate": rule_data.calibrate,
        },
    ),
    "train": train.train,
    "score": scoring.score,
    "bench": runs.bench,
    "selftest": runs.selftest,
}


if __name__ == "__main__":
    sys.exit(main())
