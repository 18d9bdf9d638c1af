"""Drives that begin with recorded history: the same clock and way as without, and edges at the start itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from drive.scene import AgentKind, Scenario
from drive.signals import FUNCTIONS, Values, compute, prepare
from tests.scenarios.generated import scene as generated
from tests.scenes import START, moving, straight_scene

LOOKING_BACK = {"rss_margin", "rss_lat_margin", "lead_accel", "overtaking"}  # they smooth, or ask for the last second


def recorded(scenario: Scenario, history: int, *names: str) -> dict[str, Values]:
    """Signals of the recorded drive with so many samples before the start."""
    tracks, part = scenario.tracks, slice(scenario.start - history, None)
    motion = (tracks.position[:, part], tracks.heading[:, part], tracks.velocity[:, part], tracks.valid[:, part])
    world = prepare(scenario, *motion, history=history)
    return compute(names, world, torch.as_tensor(scenario.reference[part][None]))


def test_the_clock_starts_at_the_start() -> None:
    clock = recorded(straight_scene(), 3, "clock")["clock"].value[0]
    assert clock[:6].tolist() == [0.0, 0.0, 0.0, 0.0, 0.1, 0.2]


def test_history_that_was_not_recorded_is_refused() -> None:
    with pytest.raises(ValueError, match=f"history is {START + 1} samples, the scene has {START} before its start"):
        tracks = straight_scene().tracks
        prepare(straight_scene(), tracks.position, tracks.heading, tracks.velocity, tracks.valid, history=START + 1)


def test_a_cut_in_at_the_start_itself_is_seen() -> None:
    """A car that slides from the left lane into the ego's way: without history it may always have been there."""
    t = 0.1 * (np.arange(101) - START)
    position, heading, velocity = moving((20.0, 0.0), 10.0)
    position[:, 1], velocity[:, 1] = 2.05 - 1.0 * t, -1.0
    scene = straight_scene([(AgentKind.CAR, (4.0, 2.0), (position, heading, velocity))])
    behind = recorded(scene, START, "lead_cut_in", "has_lead")
    entered = int(torch.nonzero(behind["has_lead"].value[0] > 0)[0])
    assert behind["lead_cut_in"].value[0, entered] > 0
    shifted = replace(scene, start=entered)
    assert recorded(shifted, 0, "lead_cut_in")["lead_cut_in"].value[0, 0] < 0
    assert recorded(shifted, entered, "lead_cut_in")["lead_cut_in"].value[0, entered] > 0


@pytest.mark.parametrize("family", ["F01", "F08", "F17", "F26"])
def test_history_changes_no_signal_after_its_first_second(family: str) -> None:
    scene = generated(family, 0)
    without, behind = recorded(scene, 0, *FUNCTIONS), recorded(scene, scene.start, *FUNCTIONS)
    for name in FUNCTIONS:
        apart = np.abs((behind[name].value[0, scene.start :] - without[name].value[0]).numpy())
        assert apart[10:].max() <= 1e-9, name
        assert name in LOOKING_BACK or apart.max() <= 1e-9, name
