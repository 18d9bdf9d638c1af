"""Fixtures and hooks that every test shares."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before NumPy is imported anywhere: one thread per process, as in ranked runs.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ.setdefault("MPLBACKEND", "Agg")

REPOSITORY = Path(__file__).resolve().parent.parent


def real_data_path() -> Path:
    """Where the shared real data lies: ``$DRIVE_DATA``, else ``../shared/data`` beside the repository."""
    return Path(os.environ.get("DRIVE_DATA") or REPOSITORY.parent / "shared" / "data").resolve()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real drives; tests that need it are skipped where it is not."""
    return there(real_data_path())


@pytest.fixture(scope="session")
def nuscenes_mini(real_data: Path) -> Path:
    """The nuScenes folder of the real drives."""
    return there(real_data / "nuscenes-mini")


@pytest.fixture(scope="session")
def conformance(real_data: Path) -> Path:
    """Folder of reference results on real drives, which lies beside the data."""
    return there(real_data.parent / "conformance")


def there(path: Path) -> Path:
    """The folder; a test that needs it is skipped, and says so, where it is not."""
    if not path.is_dir():
        pytest.skip(f"no real data at {path}")
    return path


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return REPOSITORY


@pytest.fixture(scope="session", autouse=True)
def isolated_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A scene store of this test session's own, shared by its worker processes; the user's store is never touched."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "drive-cache"
    before = os.environ.get("DRIVE_CACHE")
    os.environ["DRIVE_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["DRIVE_CACHE"]
    else:
        os.environ["DRIVE_CACHE"] = before


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark reports of tests on real data, so that they can be counted across worker processes."""
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.user_properties.append(("real_data", True))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say and store how many tests really ran on real data (``.ci/run`` asks)."""
    passed = terminalreporter.stats.get("passed", [])
    ran = sum(report.when == "call" and ("real_data", True) in map(tuple, report.user_properties) for report in passed)
    if getattr(config, "cache", None) is not None:
        config.cache.set("real_data/ran", ran)
    terminalreporter.write_line(f"tests on real data that passed: {ran}")
