"""Promises of the self-test: every known trap is found where it is, and only there."""

import json
from pathlib import Path

import pytest

from evaluation import selftest
from evaluation.selftest import Finding, installed_traps


def install(folder: Path, name: str, version: str, module: str = "") -> None:
    """Put a distribution into ``folder`` the way pip leaves it there."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if module:
        package = folder / name.replace("-", "_")
        package.mkdir()
        (package / "__init__.py").write_text(module)


def problems() -> list[Finding]:
    return [finding for finding in installed_traps() if finding.level in ("warning", "error")]


def test_this_environment_has_no_known_trap() -> None:
    assert problems() == []
    assert installed_traps()[0].level == "ok"


@pytest.mark.parametrize(
    ("name", "version", "module", "words"),
    [
        ("navsim", "2.10.7", "", "not NAVSIM"),
        ("waymax", "0.0.1", "", "not Waymo's"),
        ("hydra-core", "0.11.3", "", "years old"),
        ("opencv-python", "4.11.0.86", "", "overwrite each other"),
        ("pyarrow", "26.0.0", "raise ImportError('numpy.core')", "cannot be imported"),
    ],
)
def test_a_trap_is_found_and_comes_with_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: str, module: str, words: str
) -> None:
    install(tmp_path, name, version, module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (finding,) = problems()
    assert words in finding.what
    assert finding.fix


def test_a_broken_bound_is_an_error_that_names_both_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "rtamt", "0.4.10")
    install(tmp_path, "antlr4-python3-runtime", "4.9.3")
    monkeypatch.syspath_prepend(str(tmp_path))
    (finding,) = problems()
    assert finding.level == "error" and "4.9.3" in finding.what and "4.7" in finding.what
    assert selftest.failed([finding])


def test_the_real_navsim_is_not_mistaken_for_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "navsim", "2.0.0", "# the research benchmark")
    agents = tmp_path / "navsim" / "agents"
    agents.mkdir()
    (agents / "abstract_agent.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert problems() == []


def test_an_uncompiled_installation_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    assert [finding.level for finding in problems()] == ["error"]


def test_dependencies_outside_their_bounds_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "drive_toolkit-9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: drive-toolkit\nVersion: 9\nRequires-Dist: numpy<1.20\nRequires-Dist: no-such>=2\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = problems()
    assert [finding.level for finding in found] == ["error", "error"]
    assert "numpy" in found[0].what and '"numpy<1.20"' in found[0].fix
    assert "no-such is not installed" in found[1].what


def test_a_generator_that_makes_other_scenes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.level for finding in selftest.generated_scenes()] == ["ok"]
    monkeypatch.setattr("scenarios.generate.digest.spawn_digest", lambda scenario: "0" * 16)
    (finding,) = selftest.generated_scenes()
    assert finding.level == "error" and "F01-000001" in finding.what


def test_golden_scores_come_out_here_and_a_differing_one_is_an_error_that_says_which() -> None:
    stored, computed = json.loads(selftest.GOLDEN.read_text()), selftest.drive_golden()
    found = selftest.compare(stored, computed)
    assert [finding.level for finding in found] == ["ok"], found
    assert len(stored) == 9 and all(len(values) > 10 for values in stored.values())
    unit = next(iter(stored))
    computed[unit]["progress"] = (computed[unit]["progress"] or 0.0) - 1e-3
    (finding,) = selftest.compare(stored, computed)
    assert finding.level == "error" and unit in finding.what and "progress" in finding.what
    assert selftest.failed([finding])
