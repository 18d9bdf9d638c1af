"""The verb that scores given trajectories."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from evaluation.commands.common import DONE, say

Scorer = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


def score(
    format: Annotated[  # noqa: A002 - the name of the option
        Literal["conformance", "nuplan-conformance", "navsim-submission"],
        arg(help="What the cases are: NAVSIM scorer cases, nuPlan score cases, or a NAVSIM submission.pkl."),
    ],
    cases: Annotated[Path, arg(help="File of cases: .jsonl or .jsonl.gz, or the submission.", metavar="FILE")],
    out: Annotated[Path, arg(help="Results, a JSON line per case (.gz packs them).", metavar="FILE")],
    maps: Annotated[
        Path | None, arg(help="File of the cases' maps (.json, .json.gz), or for a submission the folder of maps.")
    ] = None,
    data: Annotated[
        Path | None, arg(help="For a submission: the folder of logs that its tokens come from.", metavar="DIR")
    ] = None,
) -> int:
    """Score given trajectories instead of planners, with the reference's own inputs. One JSON line per case."""
    from drive.errors import DataError
    from evaluation.conformance.files import atomic_lines, read_cases, read_json

    if format == "navsim-submission":
        from evaluation.conformance.submission import score_submission, with_average

        records: Iterator[dict[str, Any]] = with_average(score_submission(cases, data, maps))
    elif maps is None:
        raise DataError(f"{cases}: say with --maps in which file the maps of its cases are")
    else:
        known, scorer = read_json(maps), _scorer(format)
        records = (scorer(case, known) for case in read_cases(cases))
    count = atomic_lines(out, records)
    say(f"{out}: {count} lines of results")
    return DONE


def _scorer(format: str) -> Scorer:  # noqa: A002
    if format == "conformance":
        from evaluation.conformance.navsim import score_case

        return score_case
    from evaluation.conformance.nuplan import score_case as score_nuplan_case

    return score_nuplan_case
