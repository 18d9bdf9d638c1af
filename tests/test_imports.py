"""The house keeps its shape: layers, and nothing heavy before it is needed."""

import subprocess
import sys
from pathlib import Path

HEAVY = ("nuscenes", "numba", "matplotlib", "scipy", "pandas", "duckdb", "torch", "rtamt", "lark", "cv2")


def test_each_package_imports_only_what_stands_below_it(repository: Path) -> None:
    script = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([script], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_the_command_line_imports_nothing_heavy_before_it_is_needed(repository: Path) -> None:
    code = f"import sys, evaluation.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
