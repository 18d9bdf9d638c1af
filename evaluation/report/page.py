"""Writes the report: a Jinja template filled from a run folder. The page needs no network, no server and no script."""

import base64
import io
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from drive.errors import DriveError
from drive.scene import Scenario
from evaluation.explain import causes
from evaluation.leaderboard import EVENTS, TABLE_METRICS, Entry, build, gather
from evaluation.metrics.navsim_frames import read_frames
from evaluation.protocols import protocol
from evaluation.results import RunFolder, write_atomically
from evaluation.suite import load_scene
from scenarios.store import Store

if TYPE_CHECKING:
    import pandas as pd

PICTURES = 12
PIXELS = 480
COLORS = 128  # of a picture's palette: a third of the bytes, no visible loss

COLUMNS = TABLE_METRICS | {
    "closed-loop": {
        "collision_at_fault": "at fault",
        "off_road": "off road",
        "wrong_way": "wrong way",
        "red_light": "red light",
        "progress": "progress",
        "ttc_ok": "ttc ok",
        "comfort": "comfort",
    }
}
SHARES = (*EVENTS, "ttc_ok")
# Which cause decides the moment shown, gravest first.
DECISIVE = {name: tuple(columns) for name, columns in TABLE_METRICS.items()} | {
    "two-stage": tuple(TABLE_METRICS["navsim"]),
    "closed-loop": ("nc", "off_road", "red_light", "direction", "ttc_ok", "comfort", "progress"),
}


def write_report(run: RunFolder, out: Path | None = None, store: Store | None = None, pictures: int = PICTURES) -> Path:
    """Write the page of one run, by default to ``report.html`` in its folder, and return its path.

    Pictures show at most ``pictures`` units, the worst of every planner in turn. Scenes come from ``store`` (the user's
    cache by default); where one cannot be loaded, the page says why instead.

    Raises:
        RunError: The run has no results, or is damaged.
    """
    gathered = gather([run])
    board = build(gathered.rows, gathered.privileged, by_family=True, notes=gathered.notes)
    manifest = run.manifest
    bad = _worst(gathered.rows, [entry.planner for entry in board.entries])
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2").render(
        suite=manifest.suite.name,
        scenes=len(manifest.suite.scenes),
        groups=gathered.rows["group"].nunique(),
        planners=len(board.entries),
        protocol=manifest.settings.protocol,
        traffic=manifest.settings.traffic,
        replan_interval=manifest.settings.replan_interval,
        seeds=manifest.settings.seeds,
        heads=[
            "planner",
            "score",
            "95 % interval",
            "against best",
            *COLUMNS[board.protocol].values(),
            "units",
            "planning per scene",
        ],
        lines=[_line(entry, COLUMNS[board.protocol]) for entry in board.entries],
        notes=board.notes,
        families=list(board.families),
        by_family=_family_lines(board.entries, board.families),
        cards=[_card(run, row, store or Store()) for row in bad[:pictures]],
        bad_units=len(bad),
        commands=_commands(run, bad),
        metric_versions=sorted(set(manifest.metric_versions.values())),
        fingerprint=sorted(manifest.fingerprint.items()),
    )
    out = out or run.path / "report.html"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, page.encode())
    return out


def _line(entry: Entry, columns: Mapping[str, str]) -> dict[str, Any]:
    cells = [{"text": _difference(entry), "bad": False}]
    for name in columns:
        metric = entry.metrics.get(name)
        mean = None if metric is None else metric.mean
        text = "–" if mean is None else f"{100 * mean:.0f} %" if name in SHARES else f"{mean:.2f}"
        cells.append({"text": text, "bad": name in EVENTS and bool(mean)})
    plan = entry.metrics.get("time.plan_ms")
    failed = f" ({entry.failed} failed)" if entry.failed else ""
    cells.append({"text": f"{entry.units}{failed}", "bad": entry.failed > 0})
    cells.append({"text": "–" if plan is None or plan.mean is None else f"{plan.mean:.0f} ms", "bad": False})
    return {
        "planner": entry.planner,
        "privileged": entry.privileged,
        "score": f"{entry.score.mean or 0.0:.3f}",
        "bar": _bar(entry),
        "cells": cells,
    }


def _difference(entry: Entry) -> str:
    if entry.difference is None or entry.difference.mean is None:
        return ""
    low, high = entry.difference.low, entry.difference.high
    return f"{entry.difference.mean:+.2f}" + ("" if low is None else f" ({low:+.2f} to {high:+.2f})")


def _bar(entry: Entry, width: int = 130, height: int = 18) -> Markup:
    """The mean as a dot and the interval as a line on a scale from 0 to 1."""
    mean, low, high = entry.score.mean or 0.0, entry.score.low, entry.score.high
    left, scale, middle = 6, width - 12, height / 2
    text = f"{mean:.3f}" if low is None else f"{mean:.3f}, 95 % interval {low:.3f} to {high:.3f}"
    line = (
        ""
        if low is None or high is None
        else f'<line x1="{left + scale * low:.1f}" x2="{left + scale * high:.1f}" y1="{middle}" y2="{middle}" '
        'stroke="#2f6db3" stroke-width="4" stroke-linecap="round" opacity="0.45"/>'
    )
    return Markup(  # numbers only: nothing to escape
        f'<svg width="{width}" height="{height}" role="img" aria-label="{text}"><title>{text}</title>'
        f'<line x1="{left}" x2="{left + scale}" y1="{middle}" y2="{middle}" stroke="#dfe4ea" stroke-width="2"/>{line}'
        f'<circle cx="{left + scale * mean:.1f}" cy="{middle}" r="4.5" fill="#2f6db3"/></svg>'
    )


def _family_lines(entries: Sequence[Entry], families: Mapping[str, Sequence[Entry]]) -> list[dict[str, Any]]:
    scores = {(entry.planner, name): entry.score for name, part in families.items() for entry in part}
    lines = []
    for entry in entries:
        cells = []
        for name in families:
            score = scores.get((entry.planner, name))
            if score is None or score.mean is None:
                cells.append("–")
            else:
                bounds = "" if score.low is None else f" ({score.low:.2f} to {score.high:.2f})"
                cells.append(f"{score.mean:.2f}{bounds}")
        lines.append({"planner": entry.planner, "cells": cells})
    return lines


def _worst(rows: "pd.DataFrame", planners: Sequence[str]) -> list[dict[str, Any]]:
    """Units that failed or scored 0 (in one of their frames), planners in turn, each one's gravest first."""
    records: list[dict[str, Any]] = rows.to_dict("records")  # type: ignore[assignment]
    queues = []
    for planner in planners:
        mine = [row for row in records if row["planner"] == planner and _zero(row)]
        queues.append(sorted(mine, key=lambda row: (_severity(row), row["scenario"], row["seed"])))
    return [queue[turn] for turn in range(max(map(len, queues), default=0)) for queue in queues if turn < len(queue)]


def _zero(row: Mapping[str, Any]) -> bool:
    frames = read_frames(row)
    return row["status"] != "ok" or row["score"] == 0.0 or any(frame["epdms"] == 0.0 for frame in frames)


def _broken(row: Mapping[str, Any]) -> list[str]:
    """Metrics that cost points, gravest first."""
    return [name for name in _decisive(row) if (row[name] == 1.0 if name in EVENTS else row[name] < 1.0)]


def _decisive(row: Mapping[str, Any]) -> tuple[str, ...]:
    return DECISIVE[row.get("protocol") or "closed-loop"]


def _severity(row: Mapping[str, Any]) -> int:
    """0 for a failed unit, else the rank of its gravest fault."""
    decisive = _decisive(row)
    return 0 if row["status"] != "ok" else 1 + decisive.index((_broken(row) or decisive[-1:])[0])


def _card(run: RunFolder, row: Mapping[str, Any], store: Store) -> dict[str, Any]:
    image, why = "", ""
    try:
        image = _picture(run, row, store)
    except DriveError as error:
        why = f"No picture: {error}"
    return {
        "planner": row["planner"],
        "scenario": row["scenario"],
        "family": row["family"],
        "score": f"{row['score']:.3f}",
        "causes": causes(row),
        "image": image,
        "no_image": why,
    }


def _picture(run: RunFolder, row: Mapping[str, Any], store: Store) -> str:
    """PNG in base64 of the decisive moment."""
    scene = next(scene for scene in run.manifest.suite.scenes if scene.id == row["scenario"])
    scenario = load_scene(scene, store)
    rollout = run.read_rollout(row, scenario) if row["status"] == "ok" else None
    return _render(scenario, rollout, _moment(row))


def _moment(row: Mapping[str, Any]) -> int:
    """Rollout sample at which the gravest fault that has one happened, else 0."""
    steps = (row[f"{name}.step"] for name in _broken(row))
    return next((step for step in steps if isinstance(step, int)), 0)


def _render(scenario: Scenario, rollout: Any, sample: int) -> str:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    from drive.draw import draw

    figure = Figure(figsize=(6, 6), dpi=PIXELS / 6)
    canvas = FigureCanvasAgg(figure)
    axes = draw(scenario, scenario.start + sample, rollout, ax=figure.add_axes((0, 0, 1, 1)), view=40.0)
    if legend := axes.get_legend():
        legend.remove()  # the page has one for all pictures
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(COLORS)
    content = io.BytesIO()
    image.save(content, "png", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def _commands(run: RunFolder, bad: Sequence[Mapping[str, Any]]) -> list[str]:
    manifest = run.manifest
    planners = " ".join(f"--planner {shlex.quote(planner.name)}" for planner in manifest.planners)
    settings = manifest.settings
    command = f"drive eval --suite {shlex.quote(manifest.suite.name)} {planners} --traffic {settings.traffic}"
    if manifest.suite.data is not None:
        command += " --data PATH/TO/DATA"
    if settings.protocol != "closed-loop":
        command += f" --protocol {settings.protocol}"
    if settings.replan_interval != protocol(settings.protocol).replan_interval:
        command += f" --replan-interval {settings.replan_interval}"
    if manifest.suite.maps is not None:
        command += " --maps PATH/TO/MAPS"
    if manifest.rules:
        command += " --rules " + " ".join(
            shlex.quote(f"{run.path.name}/rules/{item.name}.yaml") for item in manifest.rules
        )
    if settings.seed or settings.seeds != 1:
        command += f" --seed {settings.seed} --seeds {settings.seeds}"
    lines = [f"{command} --out {run.path.name}", f"drive verify {run.path.name}"]
    if bad:
        row = bad[0]
        lines.append(
            f"drive explain {run.path.name} --scenario {row['scenario']} --planner {shlex.quote(str(row['planner']))}"
        )
    return lines
