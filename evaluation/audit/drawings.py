"""Pictures for people who audit a suite: a sheet of maps, and one scene of every family as a strip of moments."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from drive.draw import GROUND, draw, save_sheet
from drive.scene import DT, Scenario
from evaluation.suite import Suite, load_scene
from scenarios.store import Store

MAPS = 64
MOMENTS = 6


def draw_suite(suite: Suite, store: Store, folder: Path) -> list[Path]:
    """Write ``maps.png`` and ``<family>.png`` for every family; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    refs = [ref for ref in suite.scenes if not ref.id.endswith("-twin")]
    step = max(len(refs) / MAPS, 1.0)
    chosen = [refs[int(number * step)] for number in range(min(MAPS, len(refs)))]
    written = [folder / "maps.png"]
    save_sheet([load_scene(ref, store) for ref in chosen], written[0], view=110.0)
    for family in sorted({ref.family for ref in refs}):
        scenes = [load_scene(ref, store) for ref in refs if ref.family == family][:3]
        written.append(folder / f"{family}.png")
        save_strips(scenes, written[-1])
    return written


def save_strips(scenes: list[Scenario], path: Path) -> None:
    """One row of moments for every scene, from its start to its end."""
    figure = Figure(figsize=(3.0 * MOMENTS, 3.1 * len(scenes)), dpi=80, facecolor=GROUND)
    FigureCanvasAgg(figure)
    for row, scenario in enumerate(scenes):
        for column in range(MOMENTS):
            ax = figure.add_subplot(len(scenes), MOMENTS, row * MOMENTS + column + 1)
            step = scenario.start + round(column * scenario.horizon / (MOMENTS - 1))
            draw(scenario, step, ax=ax, view=38.0, caption=False)
            title = f"{scenario.id}, h {scenario.hardness:.2f}" if column == 0 else ""
            ax.set_title(f"{title}  {(step - scenario.start) * DT:.1f} s", fontsize=8)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, metadata={"Software": None}, facecolor=GROUND)
