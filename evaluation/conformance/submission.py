"""NAVSIM's ``submission.pkl``, read without NAVSIM and without running anything that it may contain.

Writing one needs NAVSIM, for the file names NAVSIM's own classes (``docs/navsim.md``).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drive.errors import DataError
from drive.scoring.navsim.scene import cache_token
from evaluation.metrics.epdms import PARTS, PLAN, score_plan
from evaluation.metrics.navsim_frames import make_frame
from evaluation.metrics.navsim_tables import TokenScore, one_stage_table
from scenarios.openscene import SceneFilter, prepare
from scenarios.openscene.unpickle import read_pickle
from scenarios.store import Store

Float = NDArray[np.float64]

POSES, INTERVAL = 8, 0.5
RECENT_US = 550_000  # a token up to this much earlier gives extended comfort
HOLDERS = (
    ("navsim.common.dataclasses", "Trajectory"),
    ("nuplan.planning.simulation.trajectory.trajectory_sampling", "TrajectorySampling"),
)
FACTS = ("team_name", "authors", "email", "institution", "country / region")
STAGES = ("first_stage_predictions", "second_stage_predictions")


@dataclass(frozen=True)
class Submission:
    """What a team handed in.

    Attributes:
        facts: ``team_name``, ``authors``, ``email``, ``institution`` and ``country / region``, as written.
        first_stage, second_stage: One mapping per seed: token -> poses ``[8, 3]`` float64 (x, y [m], heading [rad]; ego
            frame, rear axle), 0.5 s apart, the first one 0.5 s from now.
    """

    facts: Mapping[str, Any]
    first_stage: tuple[Mapping[str, Float], ...]
    second_stage: tuple[Mapping[str, Float], ...]


def read_submission(path: Path) -> Submission:
    """Read and check a submission.

    Raises:
        DataError: The file cannot be read, names other classes than NAVSIM's trajectory (the sentence says which),
            lacks a field, or holds a trajectory that is not eight finite poses 0.5 s apart (the sentence names its
            token).
    """
    content = read_pickle(path, HOLDERS)
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, expected the dict of a NAVSIM submission")
    missing = [key for key in (*FACTS, *STAGES) if key not in content]
    if missing:
        raise DataError(f"{path} has no {', '.join(map(repr, missing))}, expected a submission of NAVSIM 2")
    first, second = (_stage(content[key], key, path) for key in STAGES)
    if not any(first):
        raise DataError(f"{path}: {STAGES[0]} is empty, expected one dict of trajectories per seed")
    return Submission({key: content[key] for key in FACTS}, first, second)


def check_tokens(submission: Submission, first_stage: Collection[str], second_stage: Collection[str] = ()) -> None:
    """Check that every seed answers exactly the tokens of a split.

    Raises:
        DataError: A token is not of the split, or one of the split has no trajectory; the sentence names one.
    """
    stages = ((submission.first_stage, first_stage), (submission.second_stage, second_stage))
    for name, (seeds, wanted) in zip(STAGES, stages, strict=True):
        for number, seed in enumerate(seeds):
            unknown, missing = sorted(set(seed) - set(wanted)), sorted(set(wanted) - set(seed))
            if unknown:
                raise DataError(
                    f"{name}[{number}] has {len(unknown)} tokens that are not of this split, such as {unknown[0]!r}"
                )
            if missing:
                raise DataError(
                    f"{name}[{number}] lacks {len(missing)} of the {len(wanted)} tokens of this split, such as "
                    f"{missing[0]!r}"
                )


def _stage(value: object, key: str, path: Path) -> tuple[Mapping[str, Float], ...]:
    if not isinstance(value, list) or not all(isinstance(seed, dict) for seed in value):
        raise DataError(f"{path}: {key} is not a list of dicts, expected one dict of trajectories per seed")
    return tuple(
        {_token(token, key, path): _poses(item, token, path) for token, item in seed.items()} for seed in value
    )


def _token(token: object, key: str, path: Path) -> str:
    if not isinstance(token, str):
        raise DataError(f"{path}: {key} has the key {token!r}, expected the token of a scene")
    return token


def _poses(item: Any, token: str, path: Path) -> Float:
    who = f"{path}: the trajectory of {token!r}"
    poses, sampling = getattr(item, "poses", None), getattr(item, "trajectory_sampling", None)
    if type(item).__name__ != "Trajectory" or not isinstance(poses, np.ndarray) or poses.dtype.kind != "f":
        raise DataError(f"{who} is not a NAVSIM Trajectory with an array of poses")
    interval = getattr(sampling, "interval_length", INTERVAL)
    if poses.shape != (POSES, 3) or interval != INTERVAL:
        raise DataError(
            f"{who} has poses of shape {poses.shape}, {interval} s apart, expected ({POSES}, 3), {INTERVAL} s apart"
        )
    if not np.isfinite(poses).all():
        row = int(np.argwhere(~np.isfinite(poses))[0][0])
        raise DataError(f"{who} is not finite at pose {row}")
    return poses.astype(np.float64)


def score_submission(
    path: Path, data: Path | None, maps: Path | None = None, store: Store | None = None
) -> Iterator[dict[str, Any]]:
    """One record per seed and first-stage token: ``seed``, ``token``, NAVSIM's columns and ``score`` (EPDMS).

    Extended comfort compares a token with the one 0.5 s before it, where the submission has both, as NAVSIM's one-stage
    script does. Traffic is replayed, as in NAVSIM's one-stage splits; where the submission has a second stage it is the
    reactive one, as in NAVSIM's two-stage splits. The second stage itself is not scored: its scenes are synthetic ones,
    which are not in the logs.

    Args:
        path: The submission.
        data: Folder of the logs that the tokens come from (:func:`scenarios.openscene.find_logs`).
        maps: Folder of their maps; by default ``maps`` in or beside ``data``.
        store: Where scenarios are kept; by default the user's.

    Raises:
        DataError: As :func:`read_submission`; or ``data`` is not given, or has no scene of a token.
    """
    submission = read_submission(path)
    if data is None:
        raise DataError(f"{path}: say with --data where the logs of its tokens lie")
    tokens = tuple(dict.fromkeys(token for seed in submission.first_stage for token in seed))
    store = store or Store()
    every = SceneFilter(num_future_frames=POSES, frame_interval=1, has_route=False, tokens=tokens)
    entries = prepare(data, store, maps, every)
    before: dict[int, tuple[str, int, Float]] = {}  # by seed: log, time and simulated states of the token before
    for entry in entries:
        scenario = store.get(entry.key)
        if scenario is None:
            raise DataError(f"scene {entry.id!r} is gone from the store of scenes, score the submission again")
        cached = cache_token(scenario, scenario.start)
        frame = make_frame(scenario, cached, reactive=bool(submission.second_stage))
        for number, seed in enumerate(submission.first_stage):
            if entry.id not in seed:
                continue
            previous = None
            if number in before:
                log, time_us, states = before[number]
                if log == entry.group and 0 < cached.t0_us - time_us <= RECENT_US:
                    previous = states
            score = score_plan(frame, seed[entry.id], INTERVAL, previous)
            before[number] = (entry.group, cached.t0_us, score.states[PLAN])
            yield {"seed": number, "token": entry.id, **score.columns, "score": score.epdms}


def with_average(records: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The records of :func:`score_submission`, and NAVSIM's last row: ``average_all_frames``, the means of all others.

    Its ``seed`` is null: it is the mean over the seeds, too.
    """
    scores: dict[str, TokenScore | None] = {}
    for record in records:
        scores[f"{record['seed']} {record['token']}"] = TokenScore({part: record[part] for part in PARTS})
        yield record
    means = one_stage_table(scores).iloc[-1]
    row = {name: None if pd.isna(means[name]) else float(means[name]) for name in (*PARTS, "score")}
    yield {"seed": None, "token": str(means["token"]), **row}
