"""Machine code kept on disk never outlives the source it came from."""

import os
import subprocess
import sys
import textwrap

CALLER = """
    from drive.kernels import kernel
    from callee import value

    @kernel
    def twice() -> float:
        return 2.0 * value()
"""
CALLEE = """
    from drive.kernels import kernel

    @kernel
    def value() -> float:
        return {}
"""
RUN = """
from caller import twice
from drive.kernels import to_be_compiled
print(to_be_compiled(), twice(), sum(twice.stats.cache_hits.values()), to_be_compiled())
"""


def run(folder, repository) -> tuple[bool, float, int]:
    """Whether the kernels were to be compiled, what they gave, and how often the cache was hit."""
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": f"{folder}{os.pathsep}{repository}",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    new, value, hits, still_new = done.stdout.split()
    assert still_new == "False"
    return new == "True", float(value), int(hits)


def test_a_change_in_another_file_is_compiled_again(tmp_path, repository):
    (tmp_path / "caller.py").write_text(textwrap.dedent(CALLER))
    (tmp_path / "callee.py").write_text(textwrap.dedent(CALLEE).format("1.0"))
    assert run(tmp_path, repository) == (True, 2.0, 0)
    assert run(tmp_path, repository) == (False, 2.0, 1)  # and it is a cache
    (tmp_path / "callee.py").write_text(textwrap.dedent(CALLEE).format("7.0"))
    assert run(tmp_path, repository) == (True, 14.0, 0)
