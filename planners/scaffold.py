"""A planner to start from: ``drive planners new NAME`` writes a working one and a test for it."""

import importlib.util
import keyword
from pathlib import Path

from drive.errors import PlannerError

_PLANNER = '''"""{title}: a planner to start from."""

import numpy as np

from planners.baselines.route import build_route, steer_onto
from planners.contract import Plan, Planner


class {cls}(Planner):
    """Follows its route at a constant speed, whoever is in the way."""

    def __init__(self, speed: float = 8.0) -> None:
        self.speed = speed  # m/s; an option: {name}:{cls}[speed=5]

    def plan(self, observation):
        path = steer_onto(build_route(observation), length=50.0, speed=self.speed)
        distances = self.speed * 0.5 * np.arange(1, 9)  # eight poses, one every 0.5 s
        return Plan.single(path.poses(distances), dt=0.5)
'''

_TEST = '''"""Does {name} keep the planner contract?"""

from planners.check import check


def test_{name}_keeps_the_contract():
    report = check("{name}:{cls}")
    assert report.passed, report.render()
'''


def scaffold(name: str, folder: Path) -> tuple[Path, Path]:
    """Write ``NAME.py`` with a planner and ``test_NAME.py`` into ``folder`` (made if need be); returns both paths.

    Raises:
        PlannerError: The name cannot be a module, an installed module has it, or a file is there already.
    """
    if not (name.isidentifier() and name == name.lower() and name.isascii()) or keyword.iskeyword(name):
        raise PlannerError(f"{name!r} cannot be the name of a planner's module: use lower-case words like my_planner")
    files = folder / f"{name}.py", folder / f"test_{name}.py"
    for file in files:
        if file.exists():
            raise PlannerError(f"{file} is there already: choose another name or folder, nothing is overwritten")
    if _installed(name):
        raise PlannerError(f"a module called {name!r} is installed already and would hide yours: choose another name")
    if folder.exists() and not folder.is_dir():
        raise PlannerError(f"{folder} is not a folder")
    cls = "".join(word.capitalize() for word in name.split("_"))
    words = {"name": name, "cls": cls, "title": name.replace("_", " ").strip().capitalize()}
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in zip(files, (_PLANNER, _TEST), strict=True):
        file.write_text(text.format(**words))
    return files


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
