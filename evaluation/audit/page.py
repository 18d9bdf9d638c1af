"""The audit of a suite of generated scenes: does it tell planners apart, is it fair, sound, and what is it made of.

Planners are driven by the normal runner into run folders that are used again. Every figure stands beside its bar.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evaluation.curation.items import LEAST_PLANNERS, analyse, score_table
from evaluation.curation.mixture import BACKGROUND, STRATA
from evaluation.engines import Engine
from evaluation.statistics import Interval, group_bootstrap
from evaluation.suite import Suite, load_scene, resolve_suite
from scenarios.store import Store

if TYPE_CHECKING:
    import pandas as pd

EXPERT = "log_replay"
STOP, STEADY, BLIND, FOLLOWER, RULES = "stop", "constant_velocity", "lane_follower", "idm", "pdm_closed"
BASELINES = (STOP, STEADY, BLIND, FOLLOWER, "idm_mobil", RULES)
OBEYING = (FOLLOWER, "idm_mobil", RULES)
"""Rule planners: those that look at others."""
VARIANTS = (*BASELINES, "lane_follower[speed_factor=0.6]", "idm[headway=0.9]", "idm[headway=2.2]")
CAUSES = {"nc": "NC", "off_road": "DAC", "direction": "DDC", "red_light": "TLC", "ttc_ok": "TTC", "progress": "EP"}
TIE = 0.02


@dataclass(frozen=True)
class Figure:
    """One number and its bar; ``passed`` is None where there is none, or too little to judge."""

    name: str
    value: float
    bar: str = ""
    passed: bool | None = None

    @property
    def missed(self) -> bool:
        """True if the bar is missed."""
        return self.passed is False

    def __str__(self) -> str:
        verdict = {None: "", True: "pass", False: "MISS"}[self.passed]
        return f"  {self.name:<66} {self.value:>8.3f}  {self.bar:<18} {verdict}".rstrip()


@dataclass(frozen=True)
class Section:
    """A part of the page: figures with bars, then perhaps a table, then remarks."""

    title: str
    figures: tuple[Figure, ...] = ()
    heads: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()

    def as_text(self) -> str:
        """The section as it is printed."""
        text = [f"\n{self.title}", *map(str, self.figures)]
        if self.lines:
            widths = [max(len(line[n]) for line in (self.heads, *self.lines)) for n in range(len(self.heads))]
            for line in (self.heads, *self.lines):
                text.append("  " + "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())
        return "\n".join((*text, *(f"  {note}" for note in self.notes)))

    def as_json(self) -> dict[str, Any]:
        """The same as plain values; infinities and absent numbers are null."""
        return {
            "title": self.title,
            "figures": [
                {
                    "name": item.name,
                    "value": item.value if np.isfinite(item.value) else None,
                    "bar": item.bar,
                    "passed": item.passed,
                }
                for item in self.figures
            ],
            "table": [dict(zip(self.heads, line, strict=True)) for line in self.lines],
            "notes": list(self.notes),
        }


def at_most(name: str, value: float, bar: float) -> Figure:
    """A figure that has to be ``bar`` or less."""
    return Figure(name, value, f"<= {bar:g}", None if np.isnan(value) else value <= bar)


def at_least(name: str, value: float, bar: float) -> Figure:
    """A figure that has to be ``bar`` or more."""
    return Figure(name, value, f">= {bar:g}", None if np.isnan(value) else value >= bar)


def audit_suite(
    name: str,
    out: Path,
    engine: Engine,
    *,
    data: Path | None = None,
    beside: str | None = None,
    log: bool = True,
    drawings: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> list[Section]:
    """All sections of the audit of a suite; runs and drawings go to ``out``.

    Raises:
        SuiteError, DataError, RunError: The suite, the data or a run folder cannot be used.
    """
    from evaluation.audit.realism import rank_agreement, realism
    from evaluation.audit.scenes import scene_sections

    suite, store = resolve_suite(name), Store()
    other = None if beside is None else resolve_suite(beside)
    stem = _stem(name)
    say("driving planners, reactive traffic")
    rows = drive_variants(name, (EXPERT, *VARIANTS), out / f"{stem}-idm", "idm", engine)
    hardness = {scene.id: load_scene(scene, store).hardness for scene in suite.scenes}
    sections = [discrimination(rows, hardness, "reactive traffic")]
    if log:
        say("driving planners, log traffic")
        logged = drive_variants(name, (EXPERT, *BASELINES), out / f"{stem}-log", "log", engine)
        sections.append(discrimination(logged, hardness, "log traffic"))
    sections += [ties(rows), item_section(rows)]
    if other is not None:
        say(f"driving planners, {beside}")
        sections += both(suite, rows, other, out, engine)
    say("looking at scenes")
    sections += scene_sections(suite, store)
    sections.append(realism(suite, store, data))
    if data is not None:
        say("driving planners on real drives")
        sections.append(rank_agreement(rows, data, out, engine))
    if drawings:
        from evaluation.audit.drawings import draw_suite

        sections.append(Section("Drawings", notes=tuple(str(path) for path in draw_suite(suite, store, out / stem))))
    return sections


def _stem(name: str) -> str:
    return Path(name).stem.replace(":", "-")


def both(suite: Suite, rows: "pd.DataFrame", other: Suite, out: Path, engine: Engine) -> list[Section]:
    """Item 1 over two suites together, and item 10 between them. Ids may repeat; hence each carries its suite."""
    import pandas as pd

    from evaluation.audit.realism import agreement

    store = Store()
    same = "-beside" if _stem(other.name) == _stem(suite.name) else ""  # two files of one suite
    others = drive_variants(other, (EXPERT, *VARIANTS), out / f"{_stem(other.name)}{same}-idm", "idm", engine)
    hardness: dict[str, float] = {}
    parts = []
    for number, (item, found) in enumerate(((suite, rows), (other, others))):
        hardness |= {f"{number} {scene.id}": load_scene(scene, store).hardness for scene in item.scenes}
        parts.append(found.assign(scenario=[f"{number} {name}" for name in found["scenario"]]))
    title = f"reactive traffic, {suite.name} and {other.name} together"
    tables = [score_table(found).loc[list(VARIANTS)].to_numpy() for found in (rows, others)]
    tau, low = agreement(*tables)
    figures = (at_least("Kendall's tau of the planners' order", tau, 0.9), Figure("its lower end (95 %)", low))
    return [discrimination(pd.concat(parts), hardness, title), Section(f"Beside {other.name}", figures)]


def drive_variants(
    suite: str | Suite, planners: Sequence[str], run: Path, traffic: Literal["log", "idm"], engine: Engine
) -> "pd.DataFrame":
    """Rows of the planners in a suite, driven where the run folder does not have them yet."""
    from evaluation.runner import evaluate
    from planners.registry import resolve

    found = resolve_suite(suite) if isinstance(suite, str) else suite
    folder = evaluate(found, [resolve(planner) for planner in planners], run, traffic=traffic, engine=engine)
    rows = folder.rows()
    return rows[rows["planner"].isin(planners)]


def discrimination(rows: "pd.DataFrame", hardness: dict[str, float], title: str) -> Section:
    """Item 1: scores by family and by stratum, first causes of losing, and their bars."""
    scored = rows.assign(
        score=rows["score"].where(rows["status"] == "ok", 0.0),
        hardness=[hardness[name] for name in rows["scenario"]],
        cause=_causes(rows),
    )
    names = [name for name in (EXPERT, *BASELINES) if (scored["planner"] == name).any()]
    families = {str(name): part for name, part in scored.groupby("family")}
    strata = {
        f"h {low:g}-{min(high, 1.0):g}": scored[(scored["hardness"] >= low) & (scored["hardness"] < high)]
        for low, high, _ in STRATA
    }
    lines = [
        _line(label, part, names) for label, part in (("all", scored), *families.items(), *strata.items()) if len(part)
    ]
    means = {name: _mean(scored, name).mean or 0.0 for name in names}
    worst = min((_mean(part, EXPERT).mean or 0.0 for part in families.values()), default=np.nan)
    figures = [at_least("expert, worst family", worst, 0.93)]
    bars = ((STOP, 0.35), (STEADY, 0.35), (BLIND, 0.45))
    figures += [at_most(f"{name}, all scenes", means[name], bar) for name, bar in bars]
    for name, low, high in ((FOLLOWER, 0.3, 0.75), (RULES, 0.5, 0.8)):
        figures.append(
            Figure(f"{name}, all scenes", means[name], f"{low:g} to {high:g}", bool(low <= means[name] <= high))
        )
    scripted = {name: part for name, part in families.items() if "+" not in name and name != BACKGROUND}
    below = sum((_mean(part, RULES).mean or 0.0) < 0.6 for part in scripted.values())
    apart = sum(_apart(part, STEADY, FOLLOWER) or _apart(part, FOLLOWER, RULES) for part in scripted.values())
    spread = sum(_spread(part, OBEYING) >= 0.15 for part in scripted.values())
    wide = sum(_spread(part, (STEADY, BLIND, *OBEYING)) >= 0.15 for part in scripted.values())
    figures += [
        at_least(f"families in which {RULES} is below 0.6", below, 8),
        at_least(f"families in which {STEADY} < {FOLLOWER} or {FOLLOWER} < {RULES}, intervals apart", apart, 16),
        at_least("families with 0.15 between best and worst rule planner", spread, 20),
        Figure("the same, those that look at nobody among them", wide),
    ]
    for name in (FOLLOWER, RULES):
        steps = [_mean(part, name).mean for part in strata.values() if len(part)]
        falls = [two - one for one, two in itertools.pairwise(steps) if one is not None and two is not None]
        figures.append(at_most(f"{name}, greatest rise from one stratum to the next", max(falls, default=np.nan), 0.0))
    heads = ("scenes", "n", *names, "first cause (pdm_closed)")
    least = min((len(part) // max(part["planner"].nunique(), 1) for part in families.values()), default=0)
    notes = () if least >= 40 else (f"The smallest family has {least} scenes; 40 are needed to judge one.",)
    return Section(f"Discrimination, {title}", tuple(figures), heads, tuple(lines), notes)


def _causes(rows: "pd.DataFrame") -> list[str]:
    """For every row the event that cost the score first, by its time; empty for scores of 0.95 and more."""
    found = []
    for row in rows.to_dict("records"):
        if row["status"] != "ok":
            found.append("failed")
            continue
        lost = []
        for name, label in CAUSES.items():
            value, step = row.get(name), row.get(f"{name}.step")
            bad = {"off_road": 1.0, "red_light": 1.0}.get(name)
            hit = value is not None and (value == bad if bad else value < (0.8 if name == "progress" else 1.0))
            if hit and not (isinstance(value, float) and np.isnan(value)):
                time = 1e6 if step is None or name == "progress" else float(step)
                lost.append((1e6 if np.isnan(time) else time, label))
        if row.get("comfort") == 0.0:
            lost.append((2e6, "comfort"))
        found.append(min(lost)[1] if lost and row["score"] < 0.95 else "")
    return found


def _mean(part: "pd.DataFrame", planner: str) -> Interval:
    own = part[part["planner"] == planner]
    return group_bootstrap(own["score"].to_numpy(np.float64), own["group"].to_list())


def _line(label: str, part: "pd.DataFrame", names: Sequence[str]) -> tuple[str, ...]:
    cells = []
    for name in names:
        found = _mean(part, name)
        bounds = "" if found.low is None else f" {found.low:.2f}..{found.high:.2f}"
        cells.append("" if found.mean is None else f"{found.mean:.2f}{bounds}")
    own = part[(part["planner"] == RULES) & (part["cause"] != "")]
    counts = own["cause"].value_counts()
    total = max(int((part["planner"] == RULES).sum()), 1)
    causes = ", ".join(f"{cause} {100 * number / total:.0f} %" for cause, number in counts.items())
    return (label, str(part["scenario"].nunique()), *cells, causes)


def _apart(part: "pd.DataFrame", lesser: str, better: str) -> bool:
    one, two = _mean(part, lesser), _mean(part, better)
    return one.high is not None and two.low is not None and one.high < two.low


def _spread(part: "pd.DataFrame", planners: Sequence[str]) -> float:
    means = [found.mean for name in planners if (found := _mean(part, name)).mean is not None]
    return max(means) - min(means) if means else 0.0


def ties(rows: "pd.DataFrame") -> Section:
    """Item 2: scenes that tell nothing, and scenes that nobody can solve."""
    table = score_table(rows)
    moving = table.loc[[name for name in BASELINES if name != STOP and name in table.index]]
    trivial = table.loc[[name for name in (STEADY, BLIND) if name in table.index]].max() >= 0.8
    saturated = table.loc[[name for name in OBEYING if name in table.index]].min() >= 0.95
    figures = (
        at_most("ties: all but stop within 0.02", float((moving.max() - moving.min() <= TIE).mean()), 0.15),
        at_most("trivial: constant velocity or blind 0.8 or more", float(trivial.mean()), 0.10),
        at_most("saturated: every rule planner 0.95 or more", float(saturated.mean()), 0.15),
        at_most("impossible: expert below 0.9", float((table.loc[EXPERT].to_numpy() < 0.9).mean()), 0.0),
    )
    return Section("Ties", figures)


def item_section(rows: "pd.DataFrame") -> Section:
    """Item 3: reliability of the suite as a test."""
    table = score_table(rows, leave_out=(EXPERT,))
    found = analyse(table)
    figures = (
        at_least("planner variants", float(len(table)), LEAST_PLANNERS),
        Figure("Cronbach's alpha of these scenes", found.alpha),
        at_least("Cronbach's alpha of 400 such scenes", found.alpha_at_400, 0.9),
        at_most("scenes with a negative item-total correlation", len(found.misfits) / max(len(found.scenes), 1), 0.0),
        at_most("scenes that separate two planners 0.02 apart (95 %)", found.needed, 600),
    )
    return Section("Item analysis", figures, notes=tuple(f"misfit: {name}" for name in found.misfits[:12]))
