"""What a score depends on besides the settings of a run: our own code, package versions, Python and the processor.

Rows made under different fingerprints are never ranked together silently: the same planner on the same scenes may score
differently under another NumPy, and nobody would notice.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("drive-toolkit", "numpy", "numba", "llvmlite", "scipy", "shapely", "nuscenes-devkit", "duckdb")
# The code between a scenario plus a plan and the score; planners have digests of their own.
SCORING_CODE = ("drive", "scenarios", "evaluation/metrics")


@cache
def fingerprint() -> dict[str, str]:
    """Name -> value of everything in this installation that may change a score (Linux, macOS and Windows)."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_model(),
        "toolkit code": _code_digest(Path(__file__).resolve().parents[1]),
        **{name: _version(name) for name in PACKAGES},
    }


def fingerprint_id(values: Mapping[str, str]) -> str:
    """Twelve hexadecimal digits that stand for a fingerprint in every result row."""
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:12]


def differences(recorded: Mapping[str, str], current: Mapping[str, str]) -> list[str]:
    """One phrase per entry that differs: ``numpy: 1.26.4 in the run, 1.26.3 here``."""
    names = sorted(set(recorded) | set(current))
    return [
        f"{name}: {recorded.get(name, 'absent')} in the run, {current.get(name, 'absent')} here"
        for name in names
        if recorded.get(name) != current.get(name)
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _code_digest(root: Path) -> str:
    digest = hashlib.sha256()
    for folder in SCORING_CODE:
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
