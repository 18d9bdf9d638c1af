"""Is this installation sound? Known traps in the installed versions, and golden scores that must come out here too.

A dependency that silently changes a score is the costliest fault of an evaluation. So the scores of a few small scenes
are stored with the code (``golden.json``): whoever gets other numbers knows it before ranking anything.
"""

import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

DISTRIBUTION = "drive-toolkit"
GOLDEN = Path(__file__).with_name("golden.json")
# Other processors may round the last bits of sines and sums differently, and a closed loop carries that on.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Finding:
    """One result: ``level`` is ok, note (harmless, good to know), warning or error; ``fix`` says what to do."""

    level: Literal["ok", "note", "warning", "error"]
    what: str
    fix: str = ""


def selftest() -> list[Finding]:
    """All checks: installed versions, a generated scene, golden scores."""
    return [*installed_traps(), *generated_scenes(), *golden_scores()]


def failed(findings: list[Finding]) -> bool:
    """True if a finding is an error: scores from this installation cannot be trusted."""
    return any(finding.level == "error" for finding in findings)


def render(findings: list[Finding], fingerprint: Mapping[str, str]) -> str:
    """The findings and the environment as text."""
    lines = [f"{name:16} {value}" for name, value in fingerprint.items()] + [""]
    for finding in findings:
        lines.append(f"{finding.level:8} {finding.what}")
        if finding.fix:
            lines.append(f"{'':8} -> {finding.fix}")
    return "\n".join(lines) + "\n"


# --- traps


def installed_traps() -> list[Finding]:
    """What in this environment is known to break or to change results, each with its fix."""
    installed: dict[str, str] = {}
    for item in importlib.metadata.distributions():
        installed.setdefault(_normal(item.name), item.version)  # the first on the path is the one that is imported
    found = [
        *_unmet_bounds(installed),
        *_python(),
        *_pyarrow(installed),
        *_antlr(installed),
        *_names_of_others(installed),
        *_doubled_opencv(installed),
        *_settings(os.environ),
    ]
    if not any(finding.level in ("warning", "error") for finding in found):
        found.insert(0, Finding("ok", "no known trap in the installed versions"))
    if "descartes" in installed:
        found.append(
            Finding(
                "note",
                "nuscenes-devkit's render_map_patch and render_map_mask fail beside shapely 2 (descartes)",
                "draw scenes with `drive scenarios show ID --out PNG`",
            )
        )
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _unmet_bounds(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Pip warns once when a later install breaks our bounds; then nobody looks again."""
    from packaging.requirements import Requirement

    for text in importlib.metadata.requires(DISTRIBUTION) or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = installed.get(_normal(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            state = "is not installed" if version is None else f"{version} is installed"
            yield Finding(
                "error",
                f"{requirement.name} {state}, {requirement.specifier} is needed",
                f'pip install "{requirement.name}{requirement.specifier}"',
            )


def _python() -> Iterator[Finding]:
    if not (3, 11) <= sys.version_info[:2] < (3, 13):
        version = ".".join(map(str, sys.version_info[:3]))
        yield Finding("error", f"Python {version} is not supported", "use Python 3.11 or 3.12")


def _pyarrow(installed: Mapping[str, str]) -> Iterator[Finding]:
    """From 26 on it does not import beside NumPy 1.26 although its metadata allows it: only importing tells."""
    if "pyarrow" not in installed:
        return
    done = subprocess.run([sys.executable, "-c", "import pyarrow"], capture_output=True, check=False)
    if done.returncode:
        yield Finding(
            "warning",
            f"pyarrow {installed['pyarrow']} cannot be imported beside this NumPy; pandas and others will trip over it",
            'pip install "pyarrow>=18,<26"',
        )


def _antlr(installed: Mapping[str, str]) -> Iterator[Finding]:
    antlr = installed.get("antlr4-python3-runtime", "4.7")
    if "rtamt" in installed and not antlr.startswith("4.7"):
        yield Finding(
            "error",
            f"antlr4-python3-runtime {antlr} is installed, rtamt needs 4.7",
            "keep rtamt and Hydra or OmegaConf in environments of their own",
        )
    if installed.get("hydra-core", "").startswith("0."):
        yield Finding(
            "warning",
            f"hydra-core {installed['hydra-core']} is years old: pip fell back to it because of antlr",
            "use Hydra in an environment of its own",
        )


def _names_of_others(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Two names on the package index belong to unrelated projects."""
    if "navsim" in installed and not _has_module("navsim", "agents/abstract_agent.py"):
        yield Finding(
            "warning",
            f"navsim {installed['navsim']} from the package index is a navigation simulator, not NAVSIM",
            "pip uninstall navsim; NAVSIM is installed from its own repository (autonomousvision/navsim)",
        )
    if "waymax" in installed:
        yield Finding(
            "warning",
            f"waymax {installed['waymax']} from the package index is not Waymo's simulator",
            "pip uninstall waymax; Waymo's is installed from its own repository, as waymo-waymax",
        )


def _has_module(package: str, file: str) -> bool:
    spec = importlib.util.find_spec(package)
    places = () if spec is None else spec.submodule_search_locations or ()
    return any((Path(place) / file).is_file() for place in places)


def _doubled_opencv(installed: Mapping[str, str]) -> Iterator[Finding]:
    if {"opencv-python", "opencv-python-headless"} <= installed.keys():
        yield Finding(
            "warning",
            "opencv-python and opencv-python-headless are both installed and overwrite each other",
            "pip uninstall opencv-python opencv-python-headless; pip install opencv-python-headless",
        )


def _settings(environment: Mapping[str, str]) -> Iterator[Finding]:
    if environment.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        yield Finding("error", "NUMBA_DISABLE_JIT is set: kernels run uncompiled, hundreds of times slower", "unset it")


# --- golden scores


GOLDEN_SCENES = ("F01-000001", "F18-000004", "F26-000004")
GOLDEN_PLANNERS = ("log_replay", "lane_follower", "idm")


def golden_scores() -> list[Finding]:
    """Drive the stored scenes again and compare every number with what is stored."""
    return compare(json.loads(GOLDEN.read_text()), drive_golden())


def generated_scenes() -> list[Finding]:
    """Generate one of the golden scenes, which come as arrays, and compare it with what its suite says."""
    from evaluation.suite import resolve_suite
    from scenarios.generate import Recipe, build
    from scenarios.generate.digest import ends_of, same_ends, spawn_digest

    ref = next(scene for scene in resolve_suite("gen-quick").scenes if scene.id == GOLDEN_SCENES[0])
    assert ref.recipe is not None
    made = build(Recipe(*ref.recipe))
    if spawn_digest(made) != ref.spawn:
        return [
            Finding(
                "error",
                f"the generator makes another scene {ref.id} of gen-quick here",
                "install the versions of constraints.txt",
            )
        ]
    if not same_ends(ends_of(made), ref.ends):
        return [
            Finding(
                "warning",
                f"traffic of the generated scene {ref.id} ends elsewhere than on the processor that gen-quick is from",
                "rank planners on scenes that one kind of processor has made",
            )
        ]
    return [Finding("ok", "a generated scene is what its suite says")]


Golden = dict[str, dict[str, float | None]]


def compare(stored: Golden, computed: Golden) -> list[Finding]:
    """An error for every unit with a number that differs by more than ``TOLERANCE``, or one ok."""
    found = []
    for unit in sorted({*stored, *computed}):
        expected, got = stored.get(unit, {}), computed.get(unit, {})
        wrong = [name for name in sorted({*expected, *got}) if not _close(expected.get(name), got.get(name))]
        if wrong:
            pairs = ", ".join(f"{name} is {got.get(name)}, expected {expected.get(name)}" for name in wrong[:3])
            found.append(
                Finding(
                    "error",
                    f"golden score of {unit}: {pairs}",
                    "install the versions of constraints.txt; do not rank results from this installation",
                )
            )
    return found or [Finding("ok", f"{len(computed)} golden scores agree to within {TOLERANCE:g}")]


def record_golden() -> None:
    """Store today's numbers as golden: only together with a line under *Metric changes* in the changelog."""
    GOLDEN.write_text(json.dumps(drive_golden(), indent=1, allow_nan=False) + "\n")


def drive_golden() -> Golden:
    """Unit -> metric -> value (None: no value) of the golden scenes, driven from scratch in this process."""
    from evaluation.engines import InProcess
    from evaluation.metrics.base import CLOSED_LOOP_VERSIONS
    from evaluation.runner import evaluate
    from evaluation.suite import Suite, resolve_suite
    from planners.registry import resolve
    from scenarios.store import Store

    quick = resolve_suite("gen-quick")
    scenes = tuple(scene for scene in quick.scenes if scene.id in GOLDEN_SCENES)
    suite = Suite("golden", quick.source, None, scenes, quick.default_traffic)
    with tempfile.TemporaryDirectory() as folder:
        run = evaluate(
            suite,
            [resolve(planner) for planner in GOLDEN_PLANNERS],
            Path(folder) / "run",
            engine=InProcess(),
            store=Store(Path(folder) / "store"),
        )
        rows = run.rows().to_dict("records")
    return {
        f"{row['planner']} on {row['scenario']}": {
            name: None if row[name] != row[name] else float(row[name]) for name in CLOSED_LOOP_VERSIONS
        }
        for row in rows
    }


def _close(one: float | None, other: float | None) -> bool:
    return one == other if one is None or other is None else abs(one - other) <= TOLERANCE
