"""Pictures of scenes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drive.draw import draw, save_png
from drive.rollout import Rollout
from drive.scene import Scenario
from tests.scenarios.made import made_scene


def recorded_rollout(scene: Scenario) -> Rollout:
    """The recording as a rollout, with one plan of four poses straight ahead."""
    after, tracks = slice(scene.start, None), scene.tracks
    return Rollout(
        ego=scene.reference[after].astype(np.float32),
        position=tracks.position[:, after].astype(np.float32),
        heading=tracks.heading[:, after].astype(np.float32),
        velocity=tracks.velocity[:, after].astype(np.float32),
        valid=tracks.valid[:, after],
        plan_step=np.array([0], np.int32),
        plan=np.array([[5, 0, 0], [10, 0, 0], [15, 0, 0], [20, 0, 0]], np.float32),
        plan_ptr=np.array([0, 4], np.int32),
        plan_dt=np.array([0.5], np.float32),
    )


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_equal_scenes_give_equal_files(tmp_path: Path) -> None:
    save_png(made_scene(), tmp_path / "one.png")
    save_png(made_scene(), tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert pixels(tmp_path / "one.png").shape == (880, 880, 3)


def test_the_picture_shows_the_ego_where_it_is(tmp_path: Path) -> None:
    save_png(made_scene(), tmp_path / "scene.png", view=30.0)
    red = (np.abs(pixels(tmp_path / "scene.png").astype(int) - (0xE4, 0x47, 0x2B)).sum(axis=2) < 12).nonzero()
    # The middle of the picture is the rear axle; the Zoe reaches 3.4 m ahead of it, 14.7 pixels a metre.
    assert 430 < np.median(red[0]) < 450
    assert 440 < np.median(red[1]) < 470


def test_agents_come_and_go_with_their_validity(tmp_path: Path) -> None:
    scene = made_scene()
    labels = [text.get_text() for text in draw(scene, view=None).get_legend().get_texts()]  # type: ignore[union-attr]
    assert "pedestrian" in labels
    assert "emergency vehicle" in labels
    absent = np.zeros_like(scene.tracks.valid)
    object.__setattr__(scene.tracks, "valid", absent)
    labels = [text.get_text() for text in draw(scene, view=None).get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels == ["ego", "route", "reference drive"]


def test_a_rollout_is_drawn_at_each_of_its_steps(tmp_path: Path) -> None:
    scene = made_scene()
    rollout = recorded_rollout(scene)
    for step in (0, scene.start, scene.steps - 1):
        draw(scene, step, rollout)
    save_png(scene, tmp_path / "recorded.png")
    save_png(scene, tmp_path / "driven.png", rollout=rollout)
    assert (pixels(tmp_path / "recorded.png") != pixels(tmp_path / "driven.png")).any()


@pytest.mark.parametrize("step", [-1, 96, 1000])
def test_a_step_outside_the_scene_is_refused(step: int) -> None:
    with pytest.raises(IndexError, match=rf"step {step} lies outside 0\.\.95"):
        draw(made_scene(), step)


def test_drawing_touches_no_global_state_of_matplotlib(tmp_path: Path) -> None:
    code = (
        "import sys, matplotlib; before = dict(matplotlib.rcParams)\n"
        "from drive.draw import save_png; from tests.scenarios.made import made_scene\n"
        "save_png(made_scene(), sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert dict(matplotlib.rcParams) == before"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "scene.png")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
