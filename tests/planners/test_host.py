"""The host: planners see copies, plans are checked, failures are sentences that are the same everywhere."""

import pickle
import sys
from dataclasses import fields

import numpy as np
import pytest

from drive.errors import PlannerError
from drive.observation import Observation, Observer
from drive.scene import AgentKind
from drive.vehicle import PACIFICA
from planners.contract import Context, Plan, PrivilegedContext
from planners.host import InProcessHost
from planners.registry import resolve
from tests.scenes import moving, straight_scene

CONTEXT = Context(vehicle=PACIFICA, dt=0.1, replan_interval=0.5, min_horizon=2.0, seed=1)

PLUGIN = """
import sys
import numpy as np
from planners.contract import Plan, Planner, PrivilegedContext

GOOD = np.cumsum(np.ones((8, 3)) * [1.0, 0.0, 0.0], axis=0)

class Base(Planner):
    def plan(self, observation):
        return self.give(observation)

class Good(Base):
    def give(self, observation): return Plan.single(GOOD)

class NaN(Base):
    def give(self, observation):
        bad = GOOD.copy(); bad[3, 1] = np.nan
        return Plan.single(bad)

class Shape(Base):
    def give(self, observation): return Plan.single(GOOD[:, :2])

class Flat(Base):
    def give(self, observation): return Plan(GOOD, np.zeros(8))

class Short(Base):
    def give(self, observation): return Plan.single(GOOD[:3])

class Nothing(Base):
    def give(self, observation): return None

class Array(Base):
    def give(self, observation): return GOOD

class Words(Base):
    def give(self, observation): return Plan(np.array([[["a", "b", "c"]] * 8]), np.zeros(1))

class Ragged(Base):
    def give(self, observation): return Plan([[[0, 0, 0], [1, 0]]], np.zeros(1))

class Scores(Base):
    def give(self, observation): return Plan(GOOD[None], np.zeros(2))

class NaNScore(Base):
    def give(self, observation): return Plan(GOOD[None], np.array([np.nan]))

class Chosen(Base):
    def give(self, observation): return Plan(GOOD[None], np.zeros(1), 1)

class ChosenNone(Base):
    def give(self, observation): return Plan(GOOD[None], np.zeros(1), None)

class Backward(Base):
    def give(self, observation): return Plan.single(GOOD, -0.5)

class Endless(Base):
    def give(self, observation): return Plan.single(GOOD, float("inf"))

class Far(Base):
    def give(self, observation): return Plan.single(GOOD * 1e30)

class Raises(Base):
    def give(self, observation):
        raise ValueError(f"cannot open /home/someone/weights/net.bin for {object()}")

class Lines(Base):
    def give(self, observation): raise ValueError("one\\ntwo")

class Leaves(Base):
    def give(self, observation): sys.exit("enough")

class Chained(Base):
    def give(self, observation):
        try:
            {}["key"]
        except KeyError as error:
            raise RuntimeError("no such lane") from error

class Deep(Base):
    def give(self, observation): return self.give(observation)

class Unbuildable(Base):
    def __init__(self, size: int = 3):
        raise OSError("no weights")
    def give(self, observation): return None

class Unresettable(Good):
    def reset(self, context): raise OSError("no memory")

class Scribbles(Base):
    def give(self, observation):
        for value in observation.arrays().values():
            if isinstance(value, np.ndarray) and value.size:
                value.setflags(write=True)
                value[...] = 1
        return Plan.single(GOOD)

class Assigns(Base):
    def give(self, observation):
        observation.agent_position[...] = 0.0
        return Plan.single(GOOD)

class Keeps(Base):
    def give(self, observation):
        if not hasattr(self, "kept"):
            self.kept = Plan(np.zeros((1, 8, 3)), np.zeros(1))
        self.kept.candidates[...] += 1.0
        return self.kept

class Curious(Good):
    def reset(self, context): self.seen = context

class Insider(Curious):
    privileged = True

class Vandal(Good):
    privileged = True
    def reset(self, context):
        for part in (context.scenario.tracks.position, context.scenario.reference):
            part.setflags(write=True)
            part[...] = 0.0
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """Resolve a class of a module of badly behaved planners to a host."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "plugin_host.py").write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield lambda name: InProcessHost(resolve(f"plugin_host:{name}"))
    sys.modules.pop("plugin_host", None)


def observe(scenario) -> Observation:
    tracks, start = scenario.tracks, scenario.start
    now = slice(start, None)
    return Observer(scenario).observe(
        0,
        scenario.reference[now],
        tracks.position[:, now],
        tracks.heading[:, now],
        tracks.velocity[:, now],
        tracks.valid[:, now],
    )


@pytest.fixture
def scenario():
    return straight_scene([(AgentKind.CAR, (4.6, 1.9), moving((30.0, 0.0), 5.0))])


@pytest.fixture
def observation(scenario):
    return observe(scenario)


def copy_of(item: object) -> dict[str, np.ndarray]:
    return {part.name: np.array(getattr(item, part.name)) for part in fields(item)}


def failure(host: InProcessHost, observation: Observation) -> PlannerError:
    host.reset(CONTEXT)
    with pytest.raises(PlannerError) as caught:
        host.plan(observation)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_good_plan_comes_back_as_it_is(plugin, observation):
    host = plugin("Good")
    host.reset(CONTEXT)
    plan = host.plan(observation)
    assert isinstance(plan, Plan)
    np.testing.assert_array_equal(plan.candidates[0, :, 0], np.arange(1, 9))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("NaN", "Plan.candidates[0, 3, 1] is nan, every value must be finite"),
        ("Shape", "Plan.candidates has shape (1, 8, 2), expected (candidates, poses, 3) with x, y, heading"),
        ("Flat", "Plan.candidates has shape (8, 3), expected (candidates, poses, 3) with x, y, heading"),
        ("Short", "the plan ends after 1.50 s (3 poses of 0.5 s), expected at least 2.00 s"),
        ("Nothing", "plan() returned NoneType, expected planners.contract.Plan"),
        ("Array", "plan() returned ndarray, expected planners.contract.Plan"),
        ("Words", "Plan.candidates has dtype <U1, expected numbers"),
        ("Ragged", "Plan.candidates is ragged, expected an array of numbers"),
        ("Scores", "Plan.scores has shape (2,), expected (1,)"),
        ("NaNScore", "Plan.scores[0] is nan, every value must be finite"),
        ("Chosen", "Plan.chosen is 1, expected an index below 1"),
        ("ChosenNone", "Plan.chosen is None, expected an index below 1"),
        ("Backward", "Plan.dt is -0.5, expected a positive number of seconds"),
        ("Endless", "Plan.dt is inf, expected a positive number of seconds"),
        ("Far", "Plan.candidates reaches 8e+30, expected metres and radians in the ego frame"),
        ("Raises", "plan() raised ValueError: cannot open net.bin for <object object at 0x...>"),
        ("Lines", "plan() raised ValueError: one two"),
        ("Leaves", "plan() raised SystemExit: enough"),
        ("Chained", "plan() raised RuntimeError: no such lane"),
        ("Assigns", "plan() raised ValueError: assignment destination is read-only"),
    ],
)
def test_each_failure_has_its_sentence(plugin, observation, name, sentence):
    assert str(failure(plugin(name), observation)) == f"plugin_host:{name}: {sentence}"


def test_a_planner_that_cannot_be_built_or_reset_is_an_error_of_its_own(plugin):
    with pytest.raises(PlannerError, match=r"Unbuildable\[size=4\]: its constructor raised OSError: no weights"):
        plugin("Unbuildable[size=4]").reset(CONTEXT)
    with pytest.raises(PlannerError, match=r"reset\(\) raised OSError: no memory"):
        plugin("Unresettable").reset(CONTEXT)


def test_plan_before_reset_is_refused(plugin, observation):
    with pytest.raises(PlannerError, match=r"before reset\(\)"):
        plugin("Good").plan(observation)


def test_tracebacks_hold_nothing_of_this_machine_or_run(plugin, observation):
    first, second = (failure(plugin("Raises"), observation).traceback for _ in range(2))
    line = 1 + PLUGIN[: PLUGIN.index("raise ValueError")].count("\n")
    assert first == second
    assert f"plugin_host.py:{line} in give" in first
    assert "/" not in first
    assert "host.py:" not in first.replace("plugin_host.py:", "")


def test_causes_are_in_the_traceback(plugin, observation):
    text = failure(plugin("Chained"), observation).traceback
    assert text.index("KeyError: 'key'") < text.index("RuntimeError: no such lane")


def test_a_runaway_recursion_reads_the_same_from_any_depth(plugin, observation):
    def from_depth(depth: int) -> str:
        return from_depth(depth - 1) if depth else failure(plugin("Deep"), observation).traceback

    text = from_depth(0)
    assert "RecursionError" in text
    assert text.count("\n") < 40
    assert from_depth(1) == text


def test_errors_survive_the_way_back_from_a_worker(plugin, observation):
    error = failure(plugin("Raises"), observation)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(again), again.traceback) == (str(error), error.traceback)


def test_a_planner_that_scribbles_changes_nothing(plugin, observation, scenario):
    seen, tracks, world = copy_of(observation), copy_of(scenario.tracks), copy_of(scenario.map)
    host = plugin("Scribbles")
    host.reset(CONTEXT)
    host.plan(observation)
    for before, now in ((seen, observation), (tracks, scenario.tracks), (world, scenario.map)):
        for name, value in before.items():
            np.testing.assert_array_equal(getattr(now, name), value, err_msg=name)


def test_a_privileged_planner_cannot_change_the_scenario(plugin, scenario):
    tracks, reference = copy_of(scenario.tracks), scenario.reference.copy()
    plugin("Vandal").reset(PrivilegedContext(**vars(CONTEXT), scenario=scenario))
    np.testing.assert_array_equal(scenario.tracks.position, tracks["position"])
    np.testing.assert_array_equal(scenario.reference, reference)


def test_plans_handed_over_do_not_change_any_more(plugin, observation):
    host = plugin("Keeps")
    host.reset(CONTEXT)
    first = host.plan(observation)
    before = first.candidates.copy()
    host.plan(observation)
    np.testing.assert_array_equal(first.candidates, before)


def test_only_privileged_planners_are_shown_the_scenario(plugin, scenario):
    told = PrivilegedContext(**vars(CONTEXT), scenario=scenario)
    curious, insider = plugin("Curious"), plugin("Insider")
    curious.reset(told)
    insider.reset(told)
    assert type(curious._planner.seen) is Context
    assert insider._planner.seen.scenario.id == scenario.id
    with pytest.raises(PlannerError, match="is privileged and needs a PrivilegedContext"):
        insider.reset(CONTEXT)


def test_planners_are_built_late(plugin):
    host = plugin("Unbuildable")
    assert host._planner is None
