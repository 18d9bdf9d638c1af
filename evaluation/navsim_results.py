"""Result files of runs under ``--protocol navsim`` and ``two-stage`` in NAVSIM's format, one per planner and seed."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from evaluation.metrics.epdms import PARTS
from evaluation.metrics.navsim_frames import read_frames
from evaluation.metrics.navsim_tables import (
    Group,
    TokenScore,
    one_stage_table,
    token_name,
    two_stage_table,
)
from evaluation.metrics.two_stage import FIRST, PAIR, SECOND, read_records
from evaluation.results import RunFolder, write_atomically

FOLDER = "navsim"


def write_one_stage(run: RunFolder) -> list[Path]:
    """Write ``RUN/navsim/<planner>--<seed>.csv``: NAVSIM's one-stage columns, a line per frame, their means last.

    NAVSIM weighs frames, the leaderboard weighs scenes: where scenes differ in length, the means differ a little.
    """
    written: list[Path] = []
    for (planner, seed), rows in run.rows().groupby(["planner", "seed"]):
        scores: dict[str, TokenScore | None] = {}
        for row in rows.to_dict("records"):
            frames = read_frames(row)
            if not frames:  # a failed unit
                scores[str(row["scenario"])] = None
            for frame in frames:
                token = token_name(str(row["scenario"]), frame["step"])
                scores[token] = TokenScore({part: frame[part] for part in PARTS})
        path = _file(run, str(planner), str(seed), written)
        write_atomically(path, one_stage_table(scores).to_csv(index=False).encode())
        written.append(path)
    return written


def write_two_stage(run: RunFolder) -> list[Path]:
    """Write ``RUN/navsim/<planner>--<seed>.csv`` of a run under ``--protocol two-stage``: NAVSIM's two-stage columns, a
    line per token, its three last lines. Scenes without a row of their own (failed units) are left out."""
    written: list[Path] = []
    for (planner, seed), rows in run.rows().groupby(["planner", "seed"]):
        first: dict[str, TokenScore] = {}
        second: dict[str, TokenScore] = {}
        groups: list[Group] = []
        for row in rows.to_dict("records"):
            records = [record for record in read_records(row) if record["stage"] in (FIRST, SECOND)]
            tokens: dict[tuple[str, int], list[list[str]]] = {}
            for record in records:
                scores = first if record["stage"] == FIRST else second
                scores[record["token"]] = TokenScore(
                    {part: record[part] for part in PARTS}, tuple(record["endpoint"]), tuple(record["start"])
                )
                pairs = tokens.setdefault((record["stage"], record["group"]), [])
                if record["pair"] == PAIR[0]:
                    pairs.append([])
                pairs[-1].insert(0, record["token"])
            for (stage, group), pairs in tokens.items():
                if stage == FIRST:
                    original, previous = pairs[0]
                    later = tuple((now, before) for now, before in tokens[SECOND, group])
                    groups.append(Group(original, previous, later))
        path = _file(run, str(planner), str(seed), written)
        write_atomically(path, two_stage_table(first, second, groups).to_csv(index=False).encode())
        written.append(path)
    return written


def _file(run: RunFolder, planner: str, seed: str, written: Sequence[Path]) -> Path:
    folder = run.path / FOLDER
    folder.mkdir(exist_ok=True)
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in planner)[:80]
    path = folder / f"{name}--{seed}.csv"
    if path in written:  # planners that differ in other characters, or after these
        path = folder / f"{name}-{hashlib.sha256(planner.encode()).hexdigest()[:8]}--{seed}.csv"
    return path
