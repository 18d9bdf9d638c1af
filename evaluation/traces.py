"""Recorded signals from a table in text: one row a sample."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stl.errors import StlError, closest
from stl.formula import names
from stl.rules import RuleSet

EVEN = 1e-6  # of the sampling period: how far two neighbouring rows may be from it


@dataclass(frozen=True)
class Trace:
    """One recording.

    Attributes:
        name: From the column ``trace``; None without one.
        signals: By name, ``[1, time]`` float64.
        dt: Sampling period [s].
        start: Time of the first row [s].
    """

    name: str | None
    signals: dict[str, Tensor]
    dt: float
    start: float


def read_traces(path: Path, rules: RuleSet) -> list[Trace]:
    """The signals that the rules read, from a CSV file with the columns ``time`` [s], signals, and perhaps ``trace``.

    Rows of one trace are in order of time and evenly spaced; other columns are ignored.

    Raises:
        StlError: The file cannot be used; one sentence with the file, the line and the column.
    """
    rows = _rows(path)
    head = [cell.strip() for cell in rows[0][1]]
    for column in head:
        if head.count(column) > 1:
            raise StlError(f"{path}: there are {head.count(column)} columns {column!r}")
    wanted = _columns(path, head, rules)
    groups: dict[str | None, list[tuple[int, list[str]]]] = {}
    for line, cells in rows[1:]:
        if len(cells) != len(head):
            raise StlError(f"{path}, line {line}: {len(cells)} cells, but the head has {len(head)}")
        group_name = cells[head.index("trace")].strip() if "trace" in head else None
        groups.setdefault(group_name, []).append((line, cells))
    if not groups:
        raise StlError(f"{path}: there is no row below the head")
    traces = []
    for name, group in groups.items():
        columns = {column: _numbers(path, group, head.index(column), column) for column in ("time", *wanted)}
        label = str(path) if name is None else f"{path}, trace {name!r}"
        dt = _period(label, columns["time"], [line for line, _ in group])
        signals = {column: torch.tensor([columns[column]], dtype=torch.float64) for column in wanted}
        # a rule set without signals has a length all the same
        signals = signals or {"time": torch.tensor([columns["time"]], dtype=torch.float64)}
        traces.append(Trace(name, signals, dt, columns["time"][0]))
    return traces


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except OSError as error:
        raise StlError(f"the traces {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StlError(f"the traces {path} are not text in UTF-8") from None
    except csv.Error as error:
        raise StlError(f"{path}: not CSV: {error}") from None
    if not rows:
        raise StlError(f"{path}: the file is empty, expected the columns time and signals")
    return rows


def _columns(path: Path, head: list[str], rules: RuleSet) -> list[str]:
    if "time" not in head:
        raise StlError(f"{path}: there is no column 'time'; the columns are {', '.join(head)}")
    wanted: list[str] = []
    for rule in rules.rules:
        read = names(rule.formula) | (names(rule.applies) if rule.applies is not None else frozenset())
        for name in sorted(read - set(rules.parameters) - set(wanted)):
            if name not in head:
                near = closest(name, [column for column in head if column not in ("time", "trace")])
                raise StlError(f"{path}: there is no column {name!r}, which rule {rule.id!r} reads", suggestion=near)
            wanted.append(name)
    return wanted


def _numbers(path: Path, group: list[tuple[int, list[str]]], index: int, column: str) -> list[float]:
    values = []
    for line, cells in group:
        cell = cells[index].strip()
        try:
            value = float(cell)
        except ValueError:
            shown = f"{cell!r}, which is no number" if cell else "empty"
            raise StlError(f"{path}, line {line}: {column} is {shown}") from None
        if math.isnan(value) or (column == "time" and math.isinf(value)):
            raise StlError(f"{path}, line {line}: {column} is {cell}")
        values.append(value)
    return values


def _period(label: str, times: Sequence[float], lines: Sequence[int]) -> float:
    """Sampling period of a trace; :class:`StlError` if there is none."""
    if len(times) < 2:
        raise StlError(f"{label}: there is one row, but a sampling period needs two")
    mean = (times[-1] - times[0]) / (len(times) - 1)
    short = float(f"{mean:.4g}")  # 0.1 rather than 0.09999999999999999, but 1/30 rather than 0.03333
    dt = short if abs(mean - short) <= EVEN * abs(short) else mean
    first = times[1] - times[0]
    for line, before, after in zip(lines[1:], times, times[1:], strict=False):
        if not after > before:
            raise StlError(f"{label}, line {line}: time {after:g} s does not come after {before:g} s")
        rounding = 4.0 * math.ulp(max(abs(before), abs(after)))
        if abs(after - before - first) > EVEN * first + rounding:
            raise StlError(
                f"{label}, line {line}: time goes on by {after - before:g} s, but by {first:g} s before; rows must be "
                "evenly spaced"
            )
    return dt
