"""The small imitation planner: its samples, its training and its drives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from drive.errors import PlannerError
from drive.observation import Observer
from drive.scene import Scenario
from planners.imitation.features import AGENT_COLUMNS, AGENTS, look
from planners.imitation.net import ImitationNet
from planners.imitation.planner import ImitationPlanner
from planners.imitation.train import Config, read_weights, train_imitation
from planners.imitation.windows import Windows, windows_of
from tests.scenarios.generated import scene


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return scene("F26", 2)


@pytest.fixture(scope="module")
def windows(scenario: Scenario) -> Windows:
    return windows_of(scenario, 10)


QUICK = Config(steps=2000, batch=32)


def observe(scenario: Scenario, k: int):  # type: ignore[no-untyped-def]
    start, tracks = scenario.start, scenario.tracks
    seen = [values[:, start:] for values in (tracks.position, tracks.heading, tracks.velocity, tracks.valid)]
    return Observer(scenario).observe(k, scenario.reference[start:], *seen)


def test_samples_say_where_the_reference_was_next(scenario: Scenario, windows: Windows) -> None:
    driven = np.hypot(*np.diff(scenario.reference[scenario.start :, :2], axis=0).T)
    for row in range(len(windows.arc)):
        begin = 10 * row
        expected = [driven[begin : begin + 5 * (n + 1)].sum() for n in range(8)]
        assert windows.arc[row] == pytest.approx(expected, abs=0.6)
        assert np.abs(windows.lateral[row]).max() < 1.0  # it keeps to its lane


def test_samples_end_where_no_four_seconds_are_left(scenario: Scenario, windows: Windows) -> None:
    assert len(windows.arc) == (scenario.horizon - 40) // 10 + 1
    short = replace(scenario, start=scenario.steps - 20)
    with pytest.raises(ValueError, match="at least 40"):
        windows_of(short, 10)


def test_the_future_is_not_in_the_features(scenario: Scenario) -> None:
    tracks, now = scenario.tracks, scenario.start + 30
    moved = tracks.position.copy()
    moved[:, now + 1 :] += 50.0
    later = replace(scenario, tracks=replace(tracks, position=moved))
    for ours, theirs in zip(look(observe(scenario, 30)).features, look(observe(later, 30)).features, strict=True):
        assert np.array_equal(ours, theirs)


def test_who_sees_only_the_route_does_not_notice_agents_and_lights(windows: Windows) -> None:
    torch.manual_seed(0)
    blind, seeing = ImitationNet("route"), ImitationNet("all")
    arrays = [torch.from_numpy(values) for values in windows.features]
    emptied = [*arrays[:3], torch.zeros_like(arrays[3]), torch.zeros(len(arrays[0]), AGENTS, AGENT_COLUMNS)]
    with torch.no_grad():
        assert torch.equal(blind(*arrays)[0], blind(*emptied)[0])
        assert not torch.equal(seeing(*arrays)[0], seeing(*emptied)[0])


def test_the_order_of_agents_does_not_matter(windows: Windows) -> None:
    torch.manual_seed(0)
    net = ImitationNet()
    arrays = [torch.from_numpy(values) for values in windows.features]
    turned = [*arrays[:4], arrays[4].flip(1)]
    with torch.no_grad():
        assert torch.allclose(net(*arrays)[0], net(*turned)[0], atol=1e-5)


def test_it_learns_what_it_is_shown(windows: Windows, tmp_path: Path) -> None:
    losses: list[float] = []
    weights = train_imitation(windows, QUICK, tmp_path, {}, lambda epoch, epochs, loss: losses.append(loss))
    net = read_weights(weights)
    with torch.no_grad():
        arc, _ = net(*(torch.from_numpy(values) for values in windows.features))
    assert np.abs(arc.numpy()[:, 3] - windows.arc[:, 3]).mean() < 0.5  # m, 2 s ahead


def test_a_training_that_was_killed_ends_with_the_same_weights(windows: Windows, tmp_path: Path) -> None:
    def kill(epoch: int, epochs: int, loss: float) -> None:
        raise KeyboardInterrupt

    def nothing(epoch: int, epochs: int, loss: float) -> None: ...

    straight = train_imitation(windows, QUICK, tmp_path / "straight", {}, nothing)
    with pytest.raises(KeyboardInterrupt):
        train_imitation(windows, QUICK, tmp_path / "killed", {}, kill)
    resumed = train_imitation(windows, QUICK, tmp_path / "killed", {}, nothing)
    assert straight.read_bytes() == resumed.read_bytes()


def test_another_training_does_not_go_on_in_the_same_folder(windows: Windows, tmp_path: Path) -> None:
    config = Config(steps=20, batch=8)
    train_imitation(windows, config, tmp_path, {"suite": "a"}, lambda *_: None)
    with pytest.raises(PlannerError, match="suite a, not b"):
        train_imitation(windows, config, tmp_path, {"suite": "b"}, lambda *_: None)


def test_what_is_no_weights_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"nothing of the kind")
    for name in ("x.safetensors", "missing.safetensors"):
        with pytest.raises(PlannerError, match=f"{name} holds no weights"):
            read_weights(tmp_path / name)


def test_its_plans_begin_at_the_ego_and_go_forward(scenario: Scenario, windows: Windows, tmp_path: Path) -> None:
    weights = train_imitation(windows, QUICK, tmp_path, {}, lambda *_: None)
    plan = ImitationPlanner(weights).plan(observe(scenario, 0))
    poses = plan.candidates[0]
    speed = scenario.reference[scenario.start, 3]
    assert np.hypot(*poses[0, :2]) == pytest.approx(0.5 * speed, abs=1.5)
    assert (np.diff(poses[:, 0]) > -0.05).all()
