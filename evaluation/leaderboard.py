"""Ranks planners from the rows of one or more runs, with intervals by group and paired differences to the best one."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from drive.errors import RunError
from evaluation.metrics.base import METRIC_NAMES
from evaluation.protocols import Name, protocol
from evaluation.rulebook import Standing, standings
from evaluation.statistics import Interval, group_bootstrap, paired_difference

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.results import RunFolder

FORMATS = ("table", "csv", "json", "markdown")
UNIT = ["scenario", "seed"]
TABLE_WIDTH = 100
PLANNER_WIDTH = 18

# Columns that say which unit a row is or how it was made, not how well it went.
NOT_METRICS = frozenset({"planner", "scenario", "family", "group", "seed", "status", "error", "score", "privileged"})
CAUSES = (".step", ".agent", ".detail")
QUANTILES = (0.1, 0.5, 0.9)
COVERED = 0.8  # share of first-stage plans that should end near a second-stage start
EVENTS = ("collision_any", "collision_at_fault", "off_road", "wrong_way", "red_light")
TABLE_METRICS = {
    "closed-loop": {
        "collision_at_fault": "at fault",
        "off_road": "off road",
        "red_light": "red light",
        "progress": "progress",
        "comfort": "comfort",
    },
    "navsim": {
        "epdms.no_at_fault_collisions": "NC",
        "epdms.drivable_area_compliance": "DAC",
        "epdms.driving_direction_compliance": "DDC",
        "epdms.traffic_light_compliance": "TLC",
        "epdms.ego_progress": "EP",
        "epdms.time_to_collision_within_bound": "TTC",
        "epdms.lane_keeping": "LK",
        "epdms.history_comfort": "HC",
        "epdms.two_frame_extended_comfort": "EC",
    },
    "nuplan": {
        "nuplan_cls.no_ego_at_fault_collisions": "NC",
        "nuplan_cls.drivable_area_compliance": "DAC",
        "nuplan_cls.driving_direction_compliance": "DDC",
        "nuplan_cls.ego_is_making_progress": "MP",
        "nuplan_cls.ego_progress_along_expert_route": "EP",
        "nuplan_cls.time_to_collision_within_bound": "TTC",
        "nuplan_cls.speed_limit_compliance": "SL",
        "nuplan_cls.ego_is_comfortable": "C",
    },
    "two-stage": {
        "two_stage.first": "first stage",
        "two_stage.second": "second stage",
        "two_stage.kernel": "0.5 m kernel",
        "two_stage.exact": "exact",
        "two_stage.closed_loop": "closed loop",
        "two_stage.coverage": "covered",
    },
}
"""Protocol -> metric column -> head in the printed leaderboard."""
CELLS = {"closed-loop": "100 %", "navsim": "1.00", "nuplan": "1.00", "two-stage": "1.00"}
"""Protocol -> the widest cell of these columns."""
WIDTHS = {"closed-loop": TABLE_WIDTH, "navsim": 116, "nuplan": 110, "two-stage": 110}
"""Protocol -> columns of text that the table takes: NAVSIM has nine parts, and people know them by their order."""


@dataclass(frozen=True)
class Entry:
    """One planner's line.

    Attributes:
        planner: Full spec text.
        privileged: It saw the recorded future.
        units: Units of work (scene x seed), failed ones included; ``failed`` of them scored 0.
        score: Mean over all units.
        metrics: Per metric column, over the units where it is valid.
        quantiles: 10, 50 and 90 % of the robustness of each rule, where the run has rules.
        difference: Score minus the reference planner's on the units both have; None for the reference itself.
    """

    planner: str
    privileged: bool
    units: int
    failed: int
    score: Interval
    metrics: Mapping[str, Interval]
    difference: Interval | None
    quantiles: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Leaderboard:
    """Entries best first; ``reference`` is the best unprivileged planner; ``families`` ranks each family apart."""

    entries: tuple[Entry, ...]
    reference: str | None
    families: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    protocol: str = "closed-loop"
    rulebooks: Mapping[str, tuple[Standing, ...]] = field(default_factory=dict)

    @property
    def heads(self) -> tuple[str, ...]:
        """Heads of the columns of :meth:`cells`."""
        return ("planner", "score", "interval", "against best", *TABLE_METRICS[self.protocol].values(), "units")

    def cells(self, entry: Entry) -> tuple[str, ...]:
        """One line of the printed leaderboard."""
        difference = entry.difference
        return (
            entry.planner + (" *" if entry.privileged else ""),
            _decimal(entry.score.mean),
            _bounds(entry.score),
            "" if difference is None else _change(difference),
            *(_metric(entry, name) for name in TABLE_METRICS[self.protocol]),
            str(entry.units),
        )


@dataclass(frozen=True)
class Gathered:
    """Rows of one or more runs, the planners among them that saw the future, and what a reader should know."""

    rows: "pd.DataFrame"
    privileged: tuple[str, ...]
    notes: tuple[str, ...] = ()


def gather(runs: "Sequence[RunFolder]", allow_mixed: bool = False) -> Gathered:
    """Rows of all ``runs``, which must have been made under the same definitions and in the same environment.

    With ``allow_mixed`` they may differ; then every planner's name says which run it is from, so that rows that mean
    different things are listed beside each other but never averaged.

    Raises:
        RunError: The runs differ in metric versions, settings, a planner's code or the environment.
    """
    import pandas as pd

    notes = []
    mixed = _first_difference(runs)
    if mixed and not allow_mixed:
        raise RunError(f"{mixed}; rank them apart, or use --allow-mixed to list them side by side")
    if mixed:
        notes.append(f"Mixed runs, not comparable: {mixed}.")
    frames, privileged = [], []
    same_names = len({run.path.name for run in runs}) < len(runs)
    for run in runs:
        rows = run.rows()
        missing = sum(1 for _ in run.manifest.units()) - len(rows)
        if missing:
            notes.append(f"{run.path}: {missing} units are not done yet; repeat its `drive eval` command to finish it.")
        suffix = f" @ {run.path if same_names else run.path.name}" if mixed else ""
        frames.append(rows.assign(planner=rows["planner"] + suffix))
        privileged += [planner.name + suffix for planner in run.manifest.planners if planner.privileged]
    return Gathered(pd.concat(frames, ignore_index=True), tuple(dict.fromkeys(privileged)), tuple(notes))


def _first_difference(runs: "Sequence[RunFolder]") -> str:
    """One sentence on why rows of these runs do not mean the same; empty if they do."""
    return next((reason for one, two in combinations(runs, 2) if (reason := _difference_of(one, two))), "")


def _difference_of(first: "RunFolder", second: "RunFolder") -> str:
    one, two, names = first.manifest, second.manifest, f"{first.path} and {second.path}"
    for metric in sorted({*one.metric_versions, *two.metric_versions}):
        versions = one.metric_versions.get(metric, "none"), two.metric_versions.get(metric, "none")
        if versions[0] != versions[1]:
            return f"{names} have different versions of metric {metric}: {versions[0]} and {versions[1]}"
    for name in ("protocol", "traffic", "replan_interval"):
        values = getattr(one.settings, name), getattr(two.settings, name)
        if values[0] != values[1]:
            return f"{names} were made with different settings: {name} {values[0]} and {values[1]}"
    digests = {planner.name: planner.digest for planner in one.planners}
    for planner in two.planners:
        if digests.get(planner.name, planner.digest) != planner.digest:
            return f"{names} hold different code, options or weights of planner {planner.name}"
    keys = {scene.id: scene.key for scene in one.suite.scenes}
    for scene in two.suite.scenes:
        if keys.get(scene.id, scene.key) != scene.key:
            return f"{names} hold different scenes of the name {scene.id}"
    here, there = one.fingerprint, two.fingerprint
    if changed := [name for name in sorted({*here, *there}) if here.get(name) != there.get(name)]:
        phrases = ", ".join(f"{name} {here.get(name)} and {there.get(name)}" for name in changed)
        return f"{names} were made in different environments: {phrases}"
    return ""


def build(
    rows: "pd.DataFrame",
    privileged: Sequence[str] = (),
    by_family: bool = False,
    notes: Sequence[str] = (),
    seed: int = 0,
) -> Leaderboard:
    """Rank the planners in ``rows`` (one row per planner, scenario and seed; columns as in the results files).

    Raises:
        RunError: There are no rows, or a unit occurs twice.
    """
    if rows.empty:
        raise RunError("the run has no results yet: repeat the `drive eval` command to finish it")
    rows = rows.sort_values(["planner", *UNIT], kind="stable").reset_index(drop=True)
    twice = rows[rows.duplicated(["planner", *UNIT])]
    if len(twice):
        unit = twice.iloc[0]
        raise RunError(
            f"planner {unit.planner!r}, scenario {unit.scenario!r}, seed {unit.seed} occurs twice in the runs"
        )
    entries, reference = _rank(rows, set(privileged), seed)
    families: dict[str, tuple[Entry, ...]] = {}
    if by_family:
        families = {
            str(name): _rank(part, set(privileged), seed, reference)[0] for name, part in rows.groupby("family")
        }
    protocol = protocol_of(rows)
    rulebooks = standings(rows)
    said = (*notes, *_notes(rows, entries, protocol), *(_rulebook_note(*book) for book in rulebooks.items()))
    return Leaderboard(entries, reference, families, said, protocol, rulebooks)


def _rulebook_note(name: str, book: Sequence[Standing]) -> str:
    places: dict[int, list[str]] = {}
    for standing in book:
        places.setdefault(standing.rank, []).append(standing.planner)
    return f"Rulebook {name}, level by level: {' > '.join(' = '.join(planners) for planners in places.values())}."


def _rank(
    rows: "pd.DataFrame", privileged: set[str], seed: int, reference: str | None = None
) -> tuple[tuple[Entry, ...], str | None]:
    names = metric_columns(rows)
    parts = {str(name): part for name, part in rows.groupby("planner", sort=True)}
    scores = {name: group_bootstrap(_score(part), part["group"].to_list(), seed) for name, part in parts.items()}
    order = sorted(parts, key=lambda name: (-(scores[name].mean or 0.0), name))
    if reference is None:
        reference = next((name for name in order if name not in privileged), None)
    entries = []
    for name in order:
        part = parts[name]
        entries.append(
            Entry(
                planner=name,
                privileged=name in privileged,
                units=len(part),
                failed=int((part["status"] != "ok").sum()),
                score=scores[name],
                metrics={
                    metric: group_bootstrap(_numbers(part[metric]), part["group"].to_list(), seed) for metric in names
                },
                difference=None
                if reference not in parts or name == reference
                else _difference(part, parts[reference], seed),
                quantiles=_quantiles(part, names),
            )
        )
    return tuple(entries), reference


def _quantiles(part: "pd.DataFrame", names: Sequence[str]) -> dict[str, tuple[float, ...]]:
    found = {}
    for name in names:
        if name.endswith(".robustness") and part[name].notna().any():
            found[name] = tuple(float(value) for value in np.nanquantile(_numbers(part[name]), QUANTILES))
    return found


def _difference(part: "pd.DataFrame", reference: "pd.DataFrame", seed: int) -> Interval:
    left, right = part.assign(score=_score(part)), reference.assign(score=_score(reference))
    both = left.merge(right, on=UNIT, suffixes=("", "_reference"))
    return paired_difference(both["score"], both["score_reference"], both["group"].to_list(), seed)


def metric_columns(rows: "pd.DataFrame") -> list[str]:
    """Names of the columns that measure something under the rows' protocol: numbers, no identity, score or causes."""
    foreign = set(METRIC_NAMES) - set(protocol(protocol_of(rows)).versions)
    return [
        str(name)
        for name in rows.columns
        if name not in NOT_METRICS | foreign and not str(name).endswith(CAUSES) and rows[name].dtype.kind in "fiub"
    ]


def protocol_of(rows: "pd.DataFrame") -> Name:
    """The protocol under which rows were made; where they are mixed, the first one's."""
    return rows["protocol"].iloc[0] if "protocol" in rows.columns else "closed-loop"


def _numbers(column: "pd.Series[Any]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def _score(part: "pd.DataFrame") -> "np.ndarray[Any, np.dtype[np.float64]]":
    """A failed unit counts as 0, whatever its row says."""
    return np.where((part["status"] == "ok").to_numpy(), _numbers(part["score"]), 0.0)


def _notes(rows: "pd.DataFrame", entries: Sequence[Entry], protocol: str) -> tuple[str, ...]:
    """What a reader must know before comparing the lines."""
    notes, columns = [], TABLE_METRICS[protocol]
    counts = {entry.planner: entry.units for entry in entries}
    most = max(counts.values())
    if fewer := [f"{name} {count}" for name, count in counts.items() if count < most]:
        notes.append(f"Not every planner has all {most} units ({', '.join(fewer)}): trust the paired differences only.")
    if failed := [f"{entry.planner} {entry.failed} of {entry.units}" for entry in entries if entry.failed]:
        notes.append(f"Failed units count as score 0 and have no other metric: {', '.join(failed)}.")
    groups = rows["group"].nunique()
    if groups == 1:
        notes.append("All scenes belong to one group (log or twin): there is nothing to estimate an interval from.")
    else:
        notes.append(f"Intervals: 95 %, bootstrap over {groups} groups of scenes.")
    if protocol == "two-stage":
        notes += coverage_notes(rows)
    absent = [head for name, head in columns.items() if all(_valid(entry, name) == 0 for entry in entries)]
    if absent:
        notes.append(f"Without a value in these scenes: {', '.join(absent)}.")
    partial = [
        f"{head} {max(_valid(entry, name) for entry in entries)}"
        for name, head in columns.items()
        if head not in absent and max(_valid(entry, name) for entry in entries) < most - max(e.failed for e in entries)
    ]
    if partial:
        notes.append(f"Only some units have a value: {', '.join(partial)} of {most}.")
    return tuple(notes)


def coverage_notes(rows: "pd.DataFrame") -> list[str]:
    """How many first-stage plans end near a second-stage start, over all planners."""
    mean = float(np.nanmean(_numbers(rows["two_stage.coverage"]))) if (rows["status"] == "ok").any() else 0.0
    said = f"{100 * mean:.0f} % of the first-stage plans end within 0.5 m of a second-stage start"
    return [
        f"{said}." if mean >= COVERED else f"{said}, fewer than {100 * COVERED:.0f} %: trust the 0.5 m kernel more."
    ]


def _valid(entry: Entry, metric: str) -> int:
    return entry.metrics[metric].valid if metric in entry.metrics else 0


def render(board: Leaderboard, form: str = "table") -> str:
    """Text of the leaderboard as ``table`` (fits 100 columns), ``markdown``, ``csv`` or ``json``."""
    if form == "json":
        return json.dumps(as_json(board), indent=2, allow_nan=False) + "\n"
    if form == "csv":
        return _csv(board)
    if form == "markdown":
        return "\n".join((*_markdown(board), *(f"\n{note}" for note in _footnotes(board)))) + "\n"
    if form == "table":
        return _table(board)
    raise ValueError(f"format {form!r} is none of {', '.join(FORMATS)}")


def as_json(board: Leaderboard) -> dict[str, Any]:
    """The machine-readable leaderboard: ``{"planners": [...]}``, best first, plus ``families`` where asked for."""
    document: dict[str, Any] = {"planners": [_json_entry(entry, board.reference) for entry in board.entries]}
    if board.rulebooks:
        document["rulebooks"] = {
            name: [{"planner": item.planner, "rank": item.rank, "levels": item.levels} for item in book]
            for name, book in board.rulebooks.items()
        }
    if board.families:
        document["families"] = {
            name: [_json_entry(entry, board.reference) for entry in entries] for name, entries in board.families.items()
        }
    return document


def _json_entry(entry: Entry, reference: str | None) -> dict[str, Any]:
    def bounds(interval: Interval) -> dict[str, Any]:
        return {"mean": interval.mean, "low": interval.low, "high": interval.high}

    return {
        "planner": entry.planner,
        "privileged": entry.privileged,
        "units": entry.units,
        "failed": entry.failed,
        "score": bounds(entry.score),
        "metrics": {
            name: {
                **bounds(interval),
                "valid": interval.valid,
                **({"quantiles": entry.quantiles[name]} if name in entry.quantiles else {}),
            }
            for name, interval in sorted(entry.metrics.items())
        },
        "difference": None
        if entry.difference is None
        else {"to": reference, **bounds(entry.difference), "units": entry.difference.valid},
    }


CSV_HEADS = (
    *("family", "planner", "privileged", "units", "failed", "score", "low", "high"),
    *("difference", "difference.low", "difference.high"),
)


def _csv(board: Leaderboard) -> str:
    text = io.StringIO()
    names = sorted({name for entry in board.entries for name in entry.metrics})
    writer = csv.writer(text, lineterminator="\n")
    heads = [f"{name}.{part}" for name in names for part in ("mean", "low", "high", "valid")]
    writer.writerow([*CSV_HEADS, *heads])
    for family, entries in {"all": board.entries, **board.families}.items():
        for entry in entries:
            score, difference = entry.score, entry.difference
            row: list[object] = [family, entry.planner, int(entry.privileged), entry.units, entry.failed]
            row += [score.mean, score.low, score.high]
            row += [difference.mean, difference.low, difference.high] if difference else [None, None, None]
            for name in names:
                value = entry.metrics[name]
                row += [value.mean, value.low, value.high, value.valid]
            writer.writerow(row)
    return text.getvalue()


def _metric(entry: Entry, name: str) -> str:
    mean = entry.metrics[name].mean if name in entry.metrics else None
    if mean is None:
        return "-"
    return f"{100 * mean:.0f} %" if name in EVENTS else f"{mean:.2f}"


def _change(difference: Interval) -> str:
    """The interval alone, which holds the mean: the line has no room for both."""
    return _bounds(difference, "+.2f") or ("-" if difference.mean is None else f"{difference.mean:+.2f}")


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _bounds(interval: Interval, pattern: str = ".2f") -> str:
    return "" if interval.low is None else f"{interval.low:{pattern}}..{interval.high:{pattern}}"


def _footnotes(board: Leaderboard) -> list[str]:
    notes = list(board.notes)
    if any(entry.privileged for entry in board.entries):
        notes.insert(0, "* privileged: saw the recorded future; not a competitor.")
    return notes


def _sections(board: Leaderboard) -> list[tuple[str, Sequence[Entry]]]:
    return [("", board.entries), *((f"family {name}", entries) for name, entries in board.families.items())]


def _markdown(board: Leaderboard) -> list[str]:
    lines = []
    for title, entries in _sections(board):
        if title:
            lines += ["", f"**{title}**", ""]
        lines.append("| " + " | ".join(board.heads) + " |")
        lines.append("|---|" + "---:|" * (len(board.heads) - 1))
        lines += ["| " + " | ".join(board.cells(entry)) + " |" for entry in entries]
    return lines


def _table(board: Leaderboard) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    text = io.StringIO()
    console = Console(file=text, width=WIDTHS[board.protocol], highlight=False, color_system=None)
    for title, entries in _sections(board):
        table = Table(
            title=title or None, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
        )
        for head in board.heads:
            two_lines = head in TABLE_METRICS[board.protocol].values()
            table.add_column(
                head,
                justify="left" if head == "planner" else "right",
                overflow="fold",
                no_wrap=not two_lines and head != "planner",
                width=max(map(len, (*head.split(), CELLS[board.protocol]))) if two_lines else None,
                min_width=PLANNER_WIDTH if head == "planner" else None,
            )
        for entry in entries:
            table.add_row(*board.cells(entry))
        console.print(table)
    for note in _footnotes(board):
        console.print(note)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
