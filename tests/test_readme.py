"""Every command in the README runs, in its order, in an empty folder of its own."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

BLOCK = re.compile(r"(?:<!-- (?P<mark>[a-z ]+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
PLACEHOLDER = "/path/to/nuscenes"


@pytest.fixture(scope="module")
def readme(repository: Path) -> str:
    return (repository / "README.md").read_text()


def blocks(readme: str, kind: str, mark: str | None) -> list[str]:
    return [found["text"] for found in BLOCK.finditer(readme) if found["kind"] == kind and found["mark"] == mark]


def run(command: str, folder: Path) -> str:
    """What a user types, with the environment's own `drive` first on the path."""
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": scripts + os.pathsep + os.environ["PATH"]}
    done = subprocess.run(["bash", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(900)  # compiles every kernel once
def test_the_planner_example_and_the_commands_run_as_printed(readme: str, tmp_path: Path) -> None:
    examples = blocks(readme, "python", None)
    assert examples
    for text in examples:
        name = re.match(r"# (\w+\.py)\n", text)
        assert name, "a Python example begins with its file name"
        (tmp_path / name[1]).write_text(text)
    for text in blocks(readme, "yaml", None):
        name = re.match(r"# (\S+\.yaml)\n", text)
        assert name, "a YAML example begins with its file name"
        (tmp_path / name[1]).write_text(text)
    commands = blocks(readme, "bash", "run")
    assert len(commands) >= 2
    for command in commands:
        run(command, tmp_path)
    assert (tmp_path / "runs" / "mine" / "report.html").is_file()


@pytest.mark.timeout(900)
def test_the_nuscenes_commands_run_on_real_scenes_and_humans_keep_what_is_said(
    readme: str, tmp_path: Path, real_data: Path
) -> None:
    ranking, rules = blocks(readme, "bash", "run with real data")
    printed = []
    for command in (ranking, rules):
        assert PLACEHOLDER in command
        printed.append(run(command.replace(PLACEHOLDER, shlex.quote(str(real_data / "nuscenes-mini"))), tmp_path))
    assert "log_replay *" in printed[0] and "constant_velocity" in printed[0]
    (human,) = json.loads(printed[1][printed[1].index("{\n") :])["planners"]
    table = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \|", readme, re.MULTILINE)
    assert len(table) >= 5
    for rule, applied, kept in table:
        applies, satisfied = (human["metrics"][f"rules.urban-de.{rule}.{part}"] for part in ("applies", "satisfied"))
        assert round(applies["mean"] * applies["valid"]) == int(applied), rule
        assert round(satisfied["mean"] * satisfied["valid"]) == int(kept), rule


def test_every_other_command_is_a_make_target_that_exists(readme: str, repository: Path) -> None:
    commands = [line for text in blocks(readme, "bash", None) for line in text.splitlines()]
    assert commands
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "make" and len(words) == 2, f"mark the block of {command!r} as one to run"
        subprocess.run(["make", "--dry-run", words[1]], cwd=repository, check=True, capture_output=True)


def test_every_drive_verb_named_in_the_readme_exists(readme: str, tmp_path: Path) -> None:
    verbs = set(re.findall(r"`drive ([a-z]+)", readme))
    text = run("drive --help", tmp_path)
    assert verbs and all(re.search(rf"\b{verb}\b", text) for verb in verbs)


def test_links_and_pictures_of_the_readme_are_there(readme: str, repository: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", readme)
    assert targets
    assert [target for target in targets if not (repository / target).is_file()] == []
    assert all((repository / target).stat().st_size < 300_000 for target in targets if target.endswith(".png"))
