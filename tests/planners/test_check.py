"""The checker says in words what is wrong with a planner, and the scaffold writes one that passes it."""

import sys

import numpy as np
import pytest

from drive.drivers import default_drivers
from drive.errors import PlannerError
from drive.scene import AgentKind
from planners.check import check, without_agents
from planners.registry import BUILT_IN
from planners.scaffold import scaffold
from tests.scenes import moving, straight_scene

PLUGIN = """
import numpy as np
from planners.contract import Plan, Planner

GOOD = np.cumsum(np.ones((8, 3)) * [4.0, 0.0, 0.0], axis=0)

class Good(Planner):
    def plan(self, observation): return Plan.single(GOOD)

class NaN(Planner):
    def plan(self, observation): return Plan.single(GOOD * np.nan)

class Needs(Planner):
    '''Needs agents.'''
    def plan(self, observation): return Plan.single(GOOD + 0 * observation.agent_size[0, 0])

class Random(Planner):
    def plan(self, observation): return Plan.single(GOOD + 0.01 * np.random.default_rng().random())

class Remembers(Planner):
    calls = 0
    def plan(self, observation):
        self.calls += 1
        return Plan.single(GOOD * (1 + 0.001 * self.calls))

class Resets(Remembers):
    def reset(self, context): self.calls = 0

class Seeded(Planner):
    def reset(self, context): self.random = np.random.default_rng(context.seed)
    def plan(self, observation): return Plan.single(GOOD + 0.01 * self.random.random())

class Assigns(Planner):
    def plan(self, observation):
        observation.ego[-1] = 0
        return Plan.single(GOOD)

class Forces(Planner):
    def plan(self, observation):
        observation.ego.setflags(write=True)
        observation.ego[...] = 3
        return Plan.single(GOOD)

class Global(Planner):
    def plan(self, observation): return Plan.single(GOOD + [500.0, 20.0, 1.0])

class Degrees(Planner):
    def plan(self, observation): return Plan.single(GOOD + [0, 0, 90.0])

class Jumps(Planner):
    def plan(self, observation):
        poses = GOOD.copy(); poses[5:, 0] += 100
        return Plan.single(poses)

class Unbuildable(Planner):
    def __init__(self): raise OSError("no weights")
    def plan(self, observation): return None
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "plugin_check.py").write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield lambda name: check(f"plugin_check:{name}", [scene()])
    sys.modules.pop("plugin_check", None)


def scene():
    drivers = default_drivers(np.array([AgentKind.CAR]))
    return straight_scene([(AgentKind.CAR, (4.6, 1.9), moving((60.0, 0.0), 8.0))], speed=8.0, drivers=drivers)


@pytest.mark.parametrize("name", ["Good", "Resets", "Seeded"])
def test_good_planners_have_no_findings(plugin, name):
    report = plugin(name)
    assert report.passed
    assert report.findings == []
    assert (report.scenes, report.plans) == (2, 32)
    assert "keeps the contract: 32 plans in 2 scenes" in report.render()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NaN", "Plan.candidates[0, 0, 0] is nan, every value must be finite (in scene straight after 0.0 s)"),
        ("Needs", "plan() raised IndexError"),
        ("Needs", "in scene straight without agents"),
        ("Random", "take random numbers from a generator made of context.seed"),
        ("Remembers", "something of the last scene is left"),
        ("Assigns", "the observation is read-only, copy what you change"),
        ("Forces", "writes into observation.ego: copy what you change"),
        ("Unbuildable", "its constructor raised OSError: no weights"),
    ],
)
def test_each_fault_is_said_in_words(plugin, name, words):
    report = plugin(name)
    assert not report.passed
    assert words in report.render()
    assert "breaks the contract" in report.render()


def test_a_fault_is_said_once(plugin):
    assert len(plugin("NaN").findings) == 1
    assert len(plugin("Random").findings) == 1


def test_tracebacks_are_shown(plugin):
    assert "plugin_check.py:" in plugin("Needs").render()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Global", "starts its plan away from the ego"),
        ("Degrees", "points elsewhere than it drives"),
        ("Jumps", "jumps between poses"),
    ],
)
def test_oddities_are_said_but_do_not_fail(plugin, name, words):
    report = plugin(name)
    assert report.passed
    assert words in report.render()
    assert "odd: " in report.render()


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_baselines_pass(name):
    report = check(name, [scene()])
    assert report.passed, report.render()
    assert [finding.sentence[:13] for finding in report.findings] == ["is privileged"] * (name == "log_replay")


def test_without_scenes_of_its_own_a_check_drives_generated_ones():
    report = check("idm")
    assert report.findings == [], report.render()
    assert report.scenes == 6


def test_checks_leave_nothing_behind_in_a_scene():
    scenario = scene()
    empty = without_agents(scenario)
    empty.validate()
    assert (len(empty.tracks.ids), len(scenario.tracks.ids)) == (0, 1)


def test_unknown_planners_are_refused():
    with pytest.raises(PlannerError, match="did you mean 'idm'"):
        check("idmm")


def test_a_new_planner_passes_and_its_test_too(tmp_path, monkeypatch):
    planner, test = scaffold("my_first", tmp_path / "mine")
    assert (planner.name, test.name) == ("my_first.py", "test_my_first.py")
    monkeypatch.chdir(tmp_path / "mine")
    report = check("my_first:MyFirst[speed=6]", [scene()])
    assert report.findings == [], report.render()
    compile(test.read_text(), test.name, "exec")
    assert 'check("my_first:MyFirst")' in test.read_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("my planner", "use lower-case words like my_planner"),
        ("MyPlanner", "use lower-case words"),
        ("class", "use lower-case words"),
        ("../evil", "use lower-case words"),
        ("", "use lower-case words"),
        ("json", "'json' is installed already"),
        ("planners", "'planners' is installed already"),
    ],
)
def test_bad_names_are_refused_and_nothing_is_written(tmp_path, name, words):
    with pytest.raises(PlannerError, match=words):
        scaffold(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("taken", ["mine.py", "test_mine.py"])
def test_nothing_is_overwritten(tmp_path, taken):
    (tmp_path / taken).write_text("precious")
    with pytest.raises(PlannerError, match="nothing is overwritten"):
        scaffold("mine", tmp_path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(taken, "precious")]
