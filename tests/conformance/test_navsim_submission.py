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
from drive.scoring.navsim.reactive import reactive_traffic
from drive.scoring.navsim.scene import cache_token
from evaluation.conformance.submission import Submission, check_tokens, read_submission, score_submission
from evaluation.metrics.epdms import score_plan
from evaluation.metrics.navsim_frames import make_frame
from scenarios.openscene import SceneFilter, prepare
from scenarios.store import Store
from tests.scenarios.openscene_made import SPEED, TOKENS, write_data

NARROW = SceneFilter(num_future_frames=8, frame_interval=1)
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


def test_a_submission_is_scored_on_the_logs_of_its_tokens(tmp_path, monkeypatch) -> None:
    """The recorded drive, a standing car, and one that goes off the road; the second token has one 0.5 s before it."""
    data, store = write_data(tmp_path / "data"), Store(tmp_path / "store")
    human = np.zeros((8, 3), np.float32)
    human[:, 0] = SPEED * 0.5 * np.arange(1, 9)
    aside = human.copy()
    aside[:, 1] = -np.arange(1, 9)
    still = np.zeros_like(human)
    tokens = TOKENS[3:5]
    seeds = [{token: Trajectory(plan) for token in tokens} for plan in (human, still, aside)]
    path = write(tmp_path / "submission.pkl", submission(seeds), monkeypatch)
    records = list(score_submission(path, data, store=store))
    assert [(record["token"], record["seed"]) for record in records] == [(t, n) for t in tokens for n in range(3)]
    assert [record["two_frame_extended_comfort"] for record in records] == [None] * 3 + [1.0, 0.0, 1.0]
    found = {(record["seed"], record["token"]): record for record in records}
    for token in tokens:
        drove, stood, left = (found[seed, token] for seed in range(3))
        assert drove["score"] > 0.9
        assert drove["ego_progress"] > stood["ego_progress"] + 0.5
        assert (left["drivable_area_compliance"], left["score"]) == (0.0, 0.0)
    for token in tokens:
        scenario = store.get(next(entry.key for entry in prepare(data, store, scenes=NARROW) if entry.id == token))
        frame = make_frame(scenario, cache_token(scenario, scenario.start), reactive=False)
        alone = score_plan(frame, still.astype(np.float64))
        assert found[1, token]["ego_progress"] == alone.parts["ego_progress"]


def test_a_two_stage_submission_meets_reactive_traffic(tmp_path, monkeypatch) -> None:
    data, store = write_data(tmp_path / "data"), Store(tmp_path / "store")
    fast = np.zeros((8, 3), np.float32)
    fast[:, 0] = 6.5 * np.arange(1, 9)
    seed = {TOKENS[3]: Trajectory(fast)}
    one = write(tmp_path / "one.pkl", submission([seed]), monkeypatch)
    two = write(tmp_path / "two.pkl", submission([seed], [seed]), monkeypatch)
    calls = []
    monkeypatch.setattr(
        "evaluation.metrics.navsim_frames.reactive_traffic", lambda *a: calls.append(a) or reactive_traffic(*a)
    )
    list(score_submission(one, data, store=store))
    assert not calls
    list(score_submission(two, data, store=store))
    assert calls


def test_a_token_without_a_scene_is_named(tmp_path, monkeypatch) -> None:
    data, store = write_data(tmp_path / "data"), Store(tmp_path / "store")
    path = write(tmp_path / "submission.pkl", submission([{"feedfeedfeedfeed": Trajectory(POSES)}]), monkeypatch)
    with pytest.raises(DataError, match="has no scene 'feedfeedfeedfeed'"):
        list(score_submission(path, data, store=store))
    with pytest.raises(DataError, match="say with --data"):
        list(score_submission(path, None, store=store))
