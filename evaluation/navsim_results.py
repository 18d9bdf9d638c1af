"""Result files of a run under ``--protocol navsim`` in NAVSIM's own format, one per planner and run seed."""

import hashlib
from pathlib import Path

from evaluation.metrics.epdms import PARTS
from evaluation.metrics.navsim_frames import read_frames
from evaluation.metrics.navsim_tables import TokenScore, one_stage_table, token_name
from evaluation.results import RunFolder, write_atomically

FOLDER = "navsim"


def write_one_stage(run: RunFolder) -> list[Path]:
    """Write ``RUN/navsim/<planner>--<seed>.csv``: NAVSIM's one-stage columns, a line per frame, their means last.

    NAVSIM weighs frames, the leaderboard weighs scenes: where scenes differ in length, the means differ a little.
    """
    folder = run.path / FOLDER
    folder.mkdir(exist_ok=True)
    written = []
    for (planner, seed), rows in run.rows().groupby(["planner", "seed"]):
        scores: dict[str, TokenScore | None] = {}
        for row in rows.to_dict("records"):
            frames = read_frames(row)
            if not frames:  # a failed unit
                scores[str(row["scenario"])] = None
            for frame in frames:
                token = token_name(str(row["scenario"]), frame["step"])
                scores[token] = TokenScore({part: frame[part] for part in PARTS})
        name = "".join(c if c.isalnum() or c in "-_." else "-" for c in str(planner))[:80]
        path = folder / f"{name}--{seed}.csv"
        if path in written:  # planners that differ in other characters, or after these
            path = folder / f"{name}-{hashlib.sha256(str(planner).encode()).hexdigest()[:8]}--{seed}.csv"
        write_atomically(path, one_stage_table(scores).to_csv(index=False).encode())
        written.append(path)
    return written
