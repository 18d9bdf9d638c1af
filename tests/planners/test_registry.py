"""A planner is found by id, import path or entry point; options are typed; every mistake is one sentence that helps."""

import pickle
import sys

import pytest

from drive.errors import PlannerError
from planners.baselines.idm import IDM
from planners.contract import Planner
from planners.options import split_spec
from planners.registry import BUILT_IN, list_planners, resolve

WORKING = """
import numpy as np
from planners.contract import Plan, Planner

class Still(Planner):
    '''Stands.'''
    def __init__(self, name: str = "x", poses: int = 8, scale: float = 1.0, loud: bool = False,
                 limit: float | None = None):
        self.options = (name, poses, scale, loud, limit)
    def plan(self, observation):
        return Plan.single(np.zeros((8, 3)))

class Cheat(Still):
    tracker = "perfect"

class Unfinished(Planner):
    pass

class NeedsWeights(Still):
    def __init__(self, weights: str):
        self.weights = weights

class Anything(Still):
    def __init__(self, **options):
        self.options = options

NOT_A_CLASS = 3
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A module with planners, in a folder that is the current one. Returns its name."""
    name = f"plugin_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(WORKING)
    monkeypatch.chdir(tmp_path)
    yield name
    sys.modules.pop(name, None)


def refused(text: str) -> str:
    with pytest.raises(PlannerError) as caught:
        resolve(text)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_planner_builds(name):
    spec = resolve(name)
    assert spec.name == name
    assert isinstance(spec.build(), Planner)
    assert (spec.privileged, spec.tracker) == ((True, "perfect") if name == "log_replay" else (False, "lqr"))


def test_options_reach_the_constructor_with_their_types():
    planner = resolve("idm[headway=2, speed_factor=9e-1]").build()
    assert isinstance(planner, IDM)
    assert (planner.headway, planner.speed_factor) == (2.0, 0.9)
    assert isinstance(planner.headway, float)


def test_name_is_the_text_without_stray_spaces():
    assert resolve(" idm[ headway = 2.0 ] ").name == "idm[headway=2.0]"


def test_file_in_the_current_folder_is_found_and_the_search_path_is_left_alone(plugin):
    before = list(sys.path)
    spec = resolve(f"{plugin}:Still[name=off,poses=4,scale=2,loud=yes,limit=null]")
    assert spec.build().options == ("off", 4, 2.0, True, None)
    assert sys.path == before


def test_spec_survives_pickling_and_builds_in_another_folder(plugin, tmp_path_factory, monkeypatch):
    spec = pickle.loads(pickle.dumps(resolve(f"{plugin}:Still[poses=3]")))  # noqa: S301 - our own bytes
    sys.modules.pop(plugin)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert spec.build().options[1] == 3


def test_values_with_commas_can_be_quoted_or_bracketed():
    name, options = split_spec('p[files="a,b",sizes=[1,2],plain=c]')
    assert (name, options) == ("p", {"files": '"a,b"', "sizes": "[1,2]", "plain": "c"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("imd", ["'imd'", "did you mean 'idm'?", "log_replay", "my_module:MyPlanner"]),
        ("", ["no planner is called ''"]),
        ("idm[headwya=2]", ["'headwya'", "did you mean 'headway'?", "headway, min_gap, speed_factor, margin"]),
        ("stop[hard=true]", ["'stop' has no option 'hard'", "it has no options"]),
        ("idm[headway=fast]", ["option 'headway' expects float, got 'fast'"]),
        ("idm[headway=true]", ["expects float"]),
        ("idm[headway]", ["'headway' is not of the form key=value"]),
        ("idm[headway=1,headway=2]", ["'headway' is given twice"]),
        ("idm[headway=2", ["the last character must be ']'"]),
        ('idm[headway="2]', ["not closed"]),
        ("no_such_package.module:Planner", ["no module 'no_such_package'"]),
        ("planners.no_such_module:Planner", ["no module 'planners.no_such_module'"]),
        ("my_planner.py:Mine", ["my_package.my_module:MyPlanner", "for a file write my_planner:Mine"]),
        ("planners.baselines.idm:IDMM", ["has no 'IDMM'", "did you mean 'IDM'?"]),
        ("planners.baselines.route:Route", ["not a class derived from planners.contract.Planner"]),
    ],
)
def test_wrong_names_and_options_are_refused_in_one_helpful_sentence(text, words):
    message = refused(text)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("suffix", "words"),
    [
        ("Stil", "did you mean 'Still'?"),
        ("NOT_A_CLASS", "not a class derived from"),
        ("Unfinished", "does not define plan(self, observation)"),
        ("Cheat", "tracker 'perfect' is for privileged planners only"),
        ("NeedsWeights", "[weights=...]"),
        ("Still[poses=1.5]", "option 'poses' expects int, got '1.5'"),
        ("Still[loud=1]", "option 'loud' expects bool"),
        ("Still[limit=soon]", "option 'limit' expects float or nothing"),
    ],
)
def test_wrong_plugins_are_refused_in_one_helpful_sentence(plugin, suffix, words):
    assert words in refused(f"{plugin}:{suffix}")


def test_a_plugin_that_fails_to_import_says_why(tmp_path, monkeypatch):
    (tmp_path / "plugin_broken.py").write_text("import no_such_dependency\n")
    (tmp_path / "plugin_leaves.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    assert "importing 'plugin_broken' failed: No module named 'no_such_dependency'" in refused("plugin_broken:P")
    assert "SystemExit" in refused("plugin_leaves:P")


def test_free_options_are_passed_as_yaml_values(plugin):
    assert resolve(f"{plugin}:Anything[a=1,b=two,c=[1, x]]").build().options == {"a": 1, "b": "two", "c": [1, "x"]}


def test_digest_follows_code_options_and_files_and_nothing_else(plugin, tmp_path):
    def digest(text: str) -> str:
        sys.modules.pop(plugin, None)
        return resolve(text).digest

    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"one")
    text = f"{plugin}:NeedsWeights[weights=weights.bin]"
    first = digest(text)
    assert digest(text) == first
    assert digest(f"{plugin}:NeedsWeights[weights=other.bin]") != first
    weights.write_bytes(b"two")
    assert digest(text) != first
    weights.write_bytes(b"one")
    assert digest(text) == first
    module = tmp_path / f"{plugin}.py"
    module.write_text(WORKING + "# changed\n")
    assert digest(text) != first
    assert resolve("idm").digest != resolve("idm[headway=1.4]").digest


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a package for each line of entry points: its metadata on the path, as pip leaves it."""

    def install(*lines: str) -> None:
        for number, line in enumerate(lines):
            folder = tmp_path / "site" / f"theirs_{number}-1.dist-info"
            folder.mkdir(parents=True)
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: theirs-{number}\nVersion: 1\n")
            (folder / "entry_points.txt").write_text(f"[drive.planners]\n{line}\n")
        monkeypatch.syspath_prepend(tmp_path / "site")

    return install


def test_entry_points_are_planners_too(installed):
    installed("theirs = planners.baselines.stop:Stop", "broken = no_such_package:P")
    assert resolve("theirs").target == "planners.baselines.stop:Stop"
    listed = {entry.id: entry for entry in list_planners()}
    assert list(listed) == [*BUILT_IN, "broken", "theirs"]
    assert "no module 'no_such_package'" in listed["broken"].summary


def test_a_name_registered_twice_is_refused(installed):
    installed("idm = planners.baselines.stop:Stop")
    assert "'idm' is registered 2 times" in refused("idm")


def test_list_says_what_each_planner_is_and_what_it_takes():
    listed = {entry.id: entry for entry in list_planners()}
    assert "headway = 1.5" in listed["idm"].options or "headway=1.5" in listed["idm"].options
    assert listed["log_replay"].privileged
    assert all(entry.summary.endswith(".") for entry in listed.values())
