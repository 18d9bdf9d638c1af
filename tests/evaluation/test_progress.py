"""What a run says while it works."""

import io

import pytest

from evaluation.progress import Meter


def test_the_time_left_does_not_count_the_first_unit_which_may_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("evaluation.progress.time.monotonic", lambda: now)
    meter = Meter(io.StringIO())
    meter.begin(11)
    now = 60.0
    meter.add({"status": "ok"})
    assert "left" not in meter.text()
    now = 61.0
    meter.add({"status": "ok"})
    assert "0:09 left" in meter.text()
