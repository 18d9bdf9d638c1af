"""A submission is read without NAVSIM, is checked, and cannot run anything."""

import os
import pickle
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from drive.errors import DataError
from evaluation.conformance.submission import Submission, check_tokens, read_submission

SAMPLING = "nuplan.planning.simulation.trajectory.trajectory_sampling"


@dataclass(frozen=True)
class TrajectorySampling:
    num_poses: int = 8
    time_horizon: float = 4.0
    interval_length: float = 0.5


@dataclass
class Trajectory:
    poses: np.ndarray
    trajectory_sampling: TrajectorySampling = field(default_factory=TrajectorySampling)


TrajectorySampling.__module__, Trajectory.__module__ = SAMPLING, "navsim.common.dataclasses"


def write(path: Path, content: object, monkeypatch: pytest.MonkeyPatch, protocol: int = 4) -> Path:
    """Pickle as NAVSIM does; its modules are there while that lasts and not when the file is read."""
    with monkeypatch.context() as patch:
        for name, entry in ((SAMPLING, TrajectorySampling), ("navsim.common.dataclasses", Trajectory)):
            for end in range(1, len(name.split(".")) + 1):
                patch.setitem(sys.modules, ".".join(name.split(".")[:end]), types.ModuleType("stand-in"))
            setattr(sys.modules[name], entry.__name__, entry)
        path.write_bytes(pickle.dumps(content, protocol))
    assert "navsim" not in sys.modules
    return path


def submission(first: object, second: object = ()) -> dict[str, object]:
    facts = {"team_name": "a", "authors": ["b"], "email": "c", "institution": "d", "country / region": "e"}
    return {**facts, "first_stage_predictions": first, "second_stage_predictions": list(second)}


POSES = np.arange(24, dtype=np.float32).reshape(8, 3)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_submission_is_read_without_navsim(tmp_path, monkeypatch, protocol: int) -> None:
    content = submission([{"t1": Trajectory(POSES), "t2": Trajectory(2 * POSES)}], [{"t3": Trajectory(POSES)}])
    read = read_submission(write(tmp_path / "submission.pkl", content, monkeypatch, protocol))
    assert isinstance(read, Submission)
    assert read.facts["country / region"] == "e"
    assert [list(seed) for seed in read.first_stage] == [["t1", "t2"]]
    np.testing.assert_array_equal(read.first_stage[0]["t2"], 2.0 * POSES)
    assert read.first_stage[0]["t1"].dtype == np.float64
    np.testing.assert_array_equal(read.second_stage[0]["t3"], POSES)
    check_tokens(read, {"t1", "t2"}, {"t3"})


BROKEN = POSES.copy()
BROKEN[3, 1] = np.nan


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (submission([{"t": Trajectory(POSES[:7])}]), r"of 't' has poses of shape \(7, 3\)"),
        (submission([{"t": Trajectory(POSES, TrajectorySampling(8, 0.8, 0.1))}]), r"0\.1 s apart, expected"),
        (submission([{"t": Trajectory(BROKEN)}]), "of 't' is not finite at pose 3"),
        (submission([{"t": POSES}]), "of 't' is not a NAVSIM Trajectory"),
        (submission([{"t": TrajectorySampling()}]), "of 't' is not a NAVSIM Trajectory"),
        (submission([{3: Trajectory(POSES)}]), "has the key 3, expected the token"),
        (submission({"t": Trajectory(POSES)}), "first_stage_predictions is not a list of dicts"),
        (submission([]), "first_stage_predictions is empty"),
        ({"team_name": "a"}, "has no 'authors'"),
        ([1, 2], "holds a list"),
    ],
)
def test_what_is_no_submission_is_refused_in_a_sentence(tmp_path, monkeypatch, content, sentence: str) -> None:
    path = write(tmp_path / "submission.pkl", content, monkeypatch)
    with pytest.raises(DataError, match=sentence) as caught:
        read_submission(path)
    assert "submission.pkl" in str(caught.value) and "\n" not in str(caught.value)


class Malicious:
    def __reduce__(self):
        return os.system, ("touch pwned",)


def test_a_pickle_that_runs_code_is_refused_by_name(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "submission.pkl", submission([{"t": Malicious()}]), monkeypatch)
    with pytest.raises(DataError, match=r"asks for (posix|nt)\.system"):
        read_submission(path)
    assert not (tmp_path / "pwned").exists()


def test_unknown_and_missing_tokens_are_named() -> None:
    read = Submission({}, ({"t1": POSES, "t2": POSES},), ())
    check_tokens(read, {"t1", "t2"})
    with pytest.raises(DataError, match=r"first_stage_predictions\[0\] has 1 tokens that are not of this split.*'t2'"):
        check_tokens(read, {"t1"})
    with pytest.raises(DataError, match=r"lacks 1 of the 3 tokens of this split, such as 't3'"):
        check_tokens(read, {"t1", "t2", "t3"})
