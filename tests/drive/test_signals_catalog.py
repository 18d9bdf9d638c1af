"""What holds for every signal: range, neutral value, gradient, independence of the drives, and speed."""

import time

import numpy as np
import pytest
import torch

from drive.scene import Scenario
from drive.signals import CATALOG, FLAG, FUNCTIONS, compute, prepare
from drive.signals.drive import absent
from drive.vehicle import EGO_COLUMNS, Ego
from evaluation.suite import load_scene, resolve_suite
from scenarios.store import Store
from tests.drive.signal_worlds import CAR, busy_scene, recorded, states, weaving, world_of
from tests.planners.roads import curve, lane, scene
from tests.scenes import moving, straight_scene

FOLLOWED = [name for name, signal in CATALOG.items() if signal.gradient != "no"]


def test_the_catalogue_has_98_signals_and_a_function_for_each():
    assert len(CATALOG) == 98 and set(FUNCTIONS) == set(CATALOG)
    for name, signal in CATALOG.items():
        assert signal.name == name and signal.low <= signal.neutral <= signal.high
        assert (signal.kind == "flag") == (signal.high == FLAG)
        assert bool(signal.needs) == (FUNCTIONS[name] is absent)
        assert signal.definition.endswith(".")


@pytest.fixture(scope="module")
def drives() -> list[Scenario]:
    """A few generated scenes."""
    store = Store()
    return [load_scene(reference, store) for reference in resolve_suite("gen-quick").scenes[::4]]


def check(scenario: Scenario) -> None:
    values = compute(CATALOG, world_of(scenario), torch.cat((recorded(scenario), weaving(scenario))))
    agents = len(scenario.tracks.ids)
    for name, (value, valid, agent) in values.items():
        signal = CATALOG[name]
        assert value.shape == valid.shape == agent.shape == (2, scenario.horizon + 1)
        assert torch.isfinite(value).all(), name
        assert (value >= signal.low).all() and (value <= signal.high).all(), name
        assert (value[~valid] == signal.neutral).all(), name
        assert (agent >= -1).all() and (agent < agents).all(), name
        if signal.kind == "flag":
            assert (value.abs() == FLAG).all(), name


def test_values_are_finite_and_within_their_ranges_in_generated_scenes(drives: list[Scenario]):
    for scenario in drives:
        check(scenario)


def test_values_are_finite_and_within_their_ranges_on_recorded_drives(nuscenes_mini, tmp_path):
    store = Store(tmp_path)
    for reference in resolve_suite("nuscenes", nuscenes_mini, store).scenes:
        scenario = load_scene(reference, store)
        check(scenario)
        values = compute(
            ("clearance", "drivable_margin", "direction_cos", "lane_offset"), world_of(scenario), recorded(scenario)
        )
        assert values["clearance"].value.min() > 0.0, "nobody is hit in a recorded drive"
        assert values["drivable_margin"].value.min() > 0.0, "and nobody leaves the road"
        assert values["direction_cos"].value.min() > 0.5
        assert values["lane_offset"].valid.all()


def test_a_drive_does_not_depend_on_the_others_in_its_batch(drives: list[Scenario]):
    for scenario in (busy_scene(), drives[0]):
        world, egos = world_of(scenario), weaving(scenario, batch=8)
        together = compute(CATALOG, world, egos)
        for b in range(8):
            for name, alone in compute(CATALOG, world, egos[b : b + 1]).items():
                for part, whole in zip(alone, together[name], strict=True):
                    assert torch.equal(part[0], whole[b]), name


def test_single_precision_agrees_with_double(drives: list[Scenario]):
    for scenario in (busy_scene(), *drives):
        single = weaving(scenario, batch=2, seed=5).to(torch.float32)
        double = compute(CATALOG, world_of(scenario), single.to(torch.float64))
        for name, (value, valid, agent) in compute(CATALOG, world_of(scenario), single).items():
            assert value.dtype == torch.float32
            assert torch.equal(valid, double[name].valid) and torch.equal(agent, double[name].agent), name
            assert (value - double[name].value).abs().max() <= 1e-3, name


@pytest.mark.parametrize("name", FOLLOWED)
def test_gradients_are_those_of_finite_differences(name: str, gradient_scene: tuple[Scenario, torch.Tensor]):
    scenario, egos = gradient_scene
    world = world_of(scenario)
    rng = np.random.default_rng(1)
    way = torch.tensor(rng.normal(size=egos.shape))
    moved = egos.clone().requires_grad_(True)
    value = compute((name,), world, moved)[name].value
    step = 1e-6
    # One number per sample: the sum over everything that depends on it would hide which sample is wrong.
    picked = torch.tensor(rng.choice(value.shape[1], 12, replace=False))
    after, before = (compute((name,), world, egos + sign * step * way)[name].value for sign in (1, -1))
    slope = (after - before) / (2 * step)
    for b in range(len(egos)):
        for t in picked.tolist():
            if not value.requires_grad:
                expected = 0.0
            else:
                (gradient,) = torch.autograd.grad(value[b, t], moved, retain_graph=True)
                assert torch.isfinite(gradient).all(), name
                expected = float((gradient * way).sum())
            assert float(slope[b, t]) == pytest.approx(expected, rel=1e-4, abs=1e-4), (name, b, t)


@pytest.fixture(scope="module")
def gradient_scene() -> tuple[Scenario, torch.Tensor]:
    """A busy scene and egos that use every column; values at corners of a definition are met with probability 0."""
    scenario = busy_scene()
    return scenario, weaving(scenario, batch=3, seed=7)


def test_the_differentiable_signals_have_a_gradient_where_it_matters(gradient_scene: tuple[Scenario, torch.Tensor]):
    scenario, egos = gradient_scene
    names = ("speed", "accel_lon", "accel_lat", "jerk_lon", "yaw_rate", "lane_offset", "heading_error", "lane_margin")
    names += ("left_lane_offset", "drivable_margin", "clearance", "lead_gap", "closing_speed", "disc_clearance", "ttc")
    for name in names:
        moved = egos.clone().requires_grad_(True)
        value = compute((name,), world_of(scenario), moved)[name].value
        (gradient,) = torch.autograd.grad(value.sum(), moved)
        assert gradient.abs().sum() > 0.0 and torch.isfinite(gradient).all(), name


def test_a_rigid_motion_of_the_scene_changes_nothing():
    def build(x: float, y: float, turn: float) -> tuple[Scenario, torch.Tensor]:
        cos, sin = np.cos(turn), np.sin(turn)

        def put(px: float, py: float) -> tuple[float, float]:
            return x + cos * px - sin * py, y + sin * px + cos * py

        near = lane("near", curve((300, 0.0), start=(*put(-100.0, 0.0), turn)), left="far")
        far = lane("far", curve((300, 0.0), start=(*put(-100.0, 3.6), turn)), right="near")
        agents = [(*CAR, moving(put(30.0, 0.4), 7.0, turn)), (*CAR, moving(put(2.0, 3.5), 9.0, turn))]
        made = scene([near, far], ["near"], (*put(0.0, 0.0), turn), 10.0, agents)
        ego = weaving(straight_scene(), batch=2, seed=2).numpy()
        placed = ego.copy()
        placed[..., Ego.X], placed[..., Ego.Y] = put(ego[..., Ego.X], ego[..., Ego.Y])
        placed[..., Ego.HEADING] = (ego[..., Ego.HEADING] + turn + np.pi) % (2 * np.pi) - np.pi
        return made, torch.tensor(placed)

    plain, turned = build(0.0, 0.0, 0.0), build(55.0, -31.0, 2.1)
    first, second = (compute(CATALOG, world_of(scenario), ego) for scenario, ego in (plain, turned))
    for name, values in first.items():
        assert torch.equal(values.valid, second[name].valid), name
        assert torch.allclose(values.value, second[name].value, atol=1e-6), name


def test_wrong_shapes_are_refused():
    scenario = straight_scene()
    world = world_of(scenario)
    with pytest.raises(ValueError, match="ego has shape"):
        compute(("speed",), world, torch.zeros(1, 5, 3))
    with pytest.raises(ValueError, match="samples"):
        compute(("speed",), world, torch.zeros(1, world.samples + 1, EGO_COLUMNS))
    with pytest.raises(KeyError):
        compute(("sped",), world, states(0.0, 0.0))
    with pytest.raises(ValueError, match="heading has shape"):
        prepare(scenario, np.zeros((0, 5, 2)), np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros((0, 5), bool))
    with pytest.raises(ValueError, match="valid has shape"):
        prepare(scenario, np.zeros((1, 5, 2)), np.zeros((1, 5)), np.zeros((1, 5, 2)), np.zeros((1, 5), bool))


def test_signals_of_a_long_scene_take_little_time(drives: list[Scenario]):
    scenario = max(drives, key=lambda item: len(item.tracks.ids))
    ego = recorded(scenario)
    world = world_of(scenario)
    compute(CATALOG, world, ego)
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        compute(CATALOG, world, ego)
        taken.append(time.perf_counter() - begin)
    assert min(taken) < 0.5, "measured: about 0.05 s; the bound only catches loops gone wrong"
