"""`drive rules` from outside: what is printed, and what bad rule files and tables end in."""

import json
import math
import re
from pathlib import Path

import pytest

from evaluation.cli import main
from evaluation.traces import read_traces
from stl.online import Monitor
from stl.rules import load_rules

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "tests" / "data" / "rules_good" / "base.yaml"
GOOD = "time,has_lead,lead_gap,speed\n0.0,1000,14,10\n0.1,1000,12,10\n0.2,1000,9,8\n"


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """The command in this process: exit code, stdout, stderr."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def example(tmp_path: Path) -> tuple[Path, Path]:
    """The rule file and the table of the user's guide."""
    text = (ROOT / "docs" / "rules.md").read_text()
    blocks = dict(re.findall(r"```(yaml|csv)\n(.*?)```", text, re.DOTALL))
    (tmp_path / "my-rules.yaml").write_text(blocks["yaml"])
    (tmp_path / "my-traces.csv").write_text(blocks["csv"])
    return tmp_path / "my-rules.yaml", tmp_path / "my-traces.csv"


def evaluated(capsys: pytest.CaptureFixture[str], rules: Path, traces: Path) -> dict[str, list[dict[str, object]]]:
    code, out, err = told(capsys, "rules", "eval", rules, "--traces", traces, "--format", "json")
    assert (code, err) == (0, "")
    found: dict[str, list[dict[str, object]]] = json.loads(out)
    return found


# --- check


def test_check_lists_the_rules_of_a_good_file(example: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "rules", "check", example[0])
    assert code == 0
    assert re.search(r"slows_down +2 +0\.3 s +lead_gap < 12 ", out)
    assert "my-rules: 2 rules, 3 parameters, 3 signals, 0 warnings" in out


def test_check_names_rules_that_look_further_than_the_scene(
    example: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = told(capsys, "rules", "check", example[0], "--horizon", "0.2")
    assert code == 0
    assert "warning: rule 'slows_down' looks 0.3 s ahead, further than a scene of 0.2 s" in out


def test_a_bad_rule_file_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "tests" / "data" / "rules_bad" / "unknown_signal.yaml"
    for arguments in (("check", path), ("eval", path, "--traces", path)):
        code, out, err = told(capsys, "rules", *arguments)
        assert (code, out) == (2, "")
        assert err.startswith(f"drive: {path}, line 11: ") and err.count("\n") == 1
        assert "did you mean 'lead_gap'?" in err


def test_the_shipped_sets_have_no_doubts(capsys: pytest.CaptureFixture[str]) -> None:
    shipped = sorted((ROOT / "configs" / "rules").glob("*.yaml"))
    assert shipped
    for path in shipped:
        code, out, _ = told(capsys, "rules", "check", path)
        assert code == 0 and ", 0 warnings" in out, path


# --- eval


def test_the_example_of_the_guide_gives_what_the_guide_says(
    example: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    gap, slow = evaluated(capsys, *example)["rules"]
    assert list(gap) == ["id", "robustness", "interval", "verdict", "worst_time", "decided_by"]
    assert (gap["id"], gap["verdict"], gap["decided_by"]) == ("time_gap", "violated", "lead_gap >= 0.9 * speed")
    assert gap["robustness"] == pytest.approx(-0.1)
    assert gap["interval"] == pytest.approx([-0.1, -0.1])
    assert gap["worst_time"] == pytest.approx(0.4)
    assert (slow["id"], slow["verdict"], slow["robustness"]) == ("slows_down", "violated", -1.0)


def test_the_table_says_the_same_in_columns(example: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "rules", "eval", example[0], "--traces", example[1])
    assert code == 0
    assert out.splitlines()[0].split()[:3] == ["rule", "verdict", "robustness"]
    assert re.search(r"time_gap +violated +-0\.1 ", out)


def test_infinities_are_null_and_what_never_applied_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules, traces = tmp_path / "rules.yaml", tmp_path / "traces.csv"
    rules.write_text(
        BASE.read_text()
        + "  - {id: later, formula: 'always[5:6] (speed > 0)'}\n"
        + "  - {id: moves, formula: 'eventually[0:5] (speed > 20)'}\n"
    )
    traces.write_text(GOOD.replace("1000", "-1000"))
    gap, later, moves = evaluated(capsys, rules, traces)["rules"]
    assert (gap["verdict"], later["verdict"], moves["verdict"]) == ("not_applicable", "undetermined", "undetermined")
    assert later["robustness"] is None
    assert moves["robustness"] == -10.0


def test_a_column_trace_gives_a_list_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    traces = tmp_path / "traces.csv"
    rows = ["trace,time,has_lead,lead_gap,speed,note"]
    rows += [f"{name},{start + step * 0.5},1000,{gap},10,x" for step in range(3) for name, start, gap in
             (("near", 0.0, 5), ("far", 7.0, 50))]  # fmt: skip
    traces.write_text("\n".join(rows))
    near, far = evaluated(capsys, BASE, traces)["traces"]
    assert (near["trace"], near["rules"][0]["verdict"]) == ("near", "violated")  # type: ignore[index, call-overload]
    assert (far["trace"], far["rules"][0]["verdict"]) == ("far", "satisfied")  # type: ignore[index, call-overload]


def test_online_and_offline_agree_on_a_table(example: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    rules = load_rules(example[0])
    (trace,) = read_traces(example[1], rules)
    offline = evaluated(capsys, *example)["rules"]
    for rule, expected in zip(rules.rules, offline, strict=True):
        monitor = Monitor(rules.bound(rule.formula), trace.dt)
        for step in range(6):
            monitor.update({name: float(values[0, step]) for name, values in trace.signals.items()})
        assert monitor.finish()[0].value == pytest.approx(expected["robustness"])


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("", "the file is empty, expected the columns time and signals"),
        ("\n\n", "the file is empty"),
        ("time,has_lead,lead_gap,speed\n", "there is no row below the head"),
        (GOOD[: GOOD.index("0.1,")], "there is one row, but a sampling period needs two"),
        (GOOD.replace("time", "t"), "there is no column 'time'; the columns are t, has_lead, lead_gap, speed"),
        (
            GOOD.replace("lead_gap", "leadgap"),
            "there is no column 'lead_gap', which rule 'time_gap' reads; did you mean",
        ),
        (GOOD.replace("speed", "lead_gap"), "there are 2 columns 'lead_gap'"),
        (GOOD.replace("0.2,", "0.25,"), "line 4: time goes on by 0.15 s, but by 0.1 s before; rows must be evenly"),
        (GOOD.replace("0.2,", "0.20001,"), "line 4: time goes on by"),
        (GOOD.replace("0.2,", "0.1,"), "line 4: time 0.1 s does not come after 0.1 s"),
        (GOOD.replace("0.1,", "nan,"), "line 3: time is nan"),
        (GOOD.replace(",12,", ",nan,"), "line 3: lead_gap is nan"),
        (GOOD.replace(",12,", ",,"), "line 3: lead_gap is empty"),
        (GOOD.replace(",12,", ",near,"), "line 3: lead_gap is 'near', which is no number"),
        (GOOD.replace(",12,10", ",12"), "line 3: 3 cells, but the head has 4"),
        (GOOD.replace("0.1,", "0.01,").replace("0.2,", "0.02,"), None),
        (GOOD.replace("0.1,", "0.1000000001,"), None),
        ("\ufeff" + GOOD.replace("\n", "\r\n"), None),
        (GOOD.replace("0.0,", "1000000.0,").replace("0.1,", "1000000.1,").replace("0.2,", "1000000.2,"), None),
    ],
)
def test_a_bad_table_is_one_sentence(
    table: str, sentence: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "traces.csv"
    path.write_text(table, encoding="utf-8", newline="")
    code, out, err = told(capsys, "rules", "eval", BASE, "--traces", path)
    if sentence is None:
        assert code == 0 and "time_gap" in out
        return
    assert (code, out) == (2, "")
    assert err.startswith(f"drive: {path}") and sentence in err and err.count("\n") == 1


def test_a_table_that_cannot_be_read_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "binary.csv").write_bytes(b"time\xff\xfe,x\n")
    for name in ("missing.csv", "binary.csv", "."):
        code, _, err = told(capsys, "rules", "eval", BASE, "--traces", tmp_path / name)
        assert code == 2 and "the traces" in err and err.count("\n") == 1


def test_a_window_that_is_no_multiple_of_the_rows_names_rule_and_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules, traces = tmp_path / "rules.yaml", tmp_path / "traces.csv"
    rules.write_text(BASE.read_text() + "  - {id: odd, formula: 'always[0:0.25] (speed > 0)'}\n")
    traces.write_text(GOOD)
    code, _, err = told(capsys, "rules", "eval", rules, "--traces", traces)
    assert code == 2 and "rule 'odd'" in err and "0.25 s" in err and "0.1 s" in err and str(traces) in err


@pytest.mark.parametrize(("period", "expected"), [("0.1", 0.1), ("0.04", 0.04), ("1", 1.0), (repr(1 / 30), 1 / 30)])
def test_the_sampling_period_is_found_from_the_rows(period: str, expected: float, tmp_path: Path) -> None:
    path = tmp_path / "traces.csv"
    path.write_text("time,has_lead,lead_gap,speed\n" + "".join(f"{k * float(period)},1,1,1\n" for k in range(70)))
    (trace,) = read_traces(path, load_rules(BASE))
    assert trace.dt == expected or math.isclose(trace.dt, expected, rel_tol=1e-12)
    assert trace.signals["speed"].shape == (1, 70)
