"""A picture of a scene at one moment: map, route, agents with their trails, ego, and what a planner made of it."""

from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PatchCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from drive.errors import DataError
from drive.geometry import box_corners, rotate
from drive.map import Layer, StopCause, VectorMap
from drive.rollout import Rollout
from drive.scene import DT, AgentKind, LightState, Scenario
from drive.vehicle import Ego, center_from_rear_axle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Float = NDArray[np.float64]

GROUND = "#f2efe8"
EGO = "#e4472b"
ROUTE = "#3fa34d"
REFERENCE = "#1d2733"
_AREA_STYLE = {
    Layer.WALKWAY: ("#e5dccb", 1.0),
    Layer.DRIVABLE: ("#cfd3d8", 2.0),
    Layer.CARPARK: ("#dcd6e6", 2.1),
    Layer.INTERSECTION: ("#c4c9d0", 2.2),
    Layer.OCCLUDER: ("#a39a8b", 6.0),
}
_GROUPS: tuple[tuple[str, str, tuple[AgentKind, ...]], ...] = (
    ("car", "#2f6db3", (AgentKind.CAR,)),
    (
        "truck, bus, trailer",
        "#1e3f66",
        (AgentKind.TRUCK, AgentKind.BUS, AgentKind.TRAILER, AgentKind.CONSTRUCTION_VEHICLE),
    ),
    ("emergency vehicle", "#b3261e", (AgentKind.EMERGENCY,)),
    ("motorcycle, bicycle", "#0f8b8d", (AgentKind.MOTORCYCLE, AgentKind.BICYCLE)),
    ("pedestrian", "#8a3ffc", (AgentKind.PEDESTRIAN,)),
    ("cone, barrier, object", "#d9822b", tuple(kind for kind in AgentKind if kind >= AgentKind.TRAFFIC_CONE)),
)
_LIGHTS = {
    LightState.UNKNOWN: "#8b929b",
    LightState.GREEN: "#1fa34a",
    LightState.YELLOW: "#f2b705",
    LightState.RED: "#d7263d",
}
_STOPS = {
    StopCause.SIGNAL: "#ffffff",
    StopCause.STOP_SIGN: "#d7263d",
    StopCause.YIELD: "#f2b705",
    StopCause.CROSSWALK: "#ffffff",
}
_TRAIL_STEPS = 20


def draw(
    scenario: Scenario,
    step: int | None = None,
    rollout: Rollout | None = None,
    ax: "Axes | None" = None,
    view: float | None = 50.0,
    caption: bool = True,
) -> "Axes":
    """Draw a scene, in its own frame, at one step.

    Args:
        scenario: The scene.
        step: Scene step; by default the start. With a rollout it counts from the start of the recording all the same.
        rollout: Draw the agents and the ego as they moved in it, and the plan in force, instead of as recorded.
        ax: Where to draw; by default a new figure (Agg, no pyplot state).
        view: Half the width [m] of the square shown around the ego; None shows the whole map.
        caption: Say what is what; without it for strips of many pictures.

    Returns:
        The axes; ``axes.figure`` is the figure.

    Raises:
        IndexError: The step lies outside the scene, or outside the rollout.
    """
    step = scenario.start if step is None else step
    last = scenario.steps - 1 if rollout is None else scenario.start + len(rollout.ego) - 1
    if not 0 <= step <= last:
        raise IndexError(f"scenario {scenario.id!r}: step {step} lies outside 0..{last}")
    if ax is None:
        figure = Figure(figsize=(8, 8), dpi=110)
        FigureCanvasAgg(figure)
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    _prepare(ax)
    draw_map(ax, scenario.map)
    _draw_route(ax, scenario)
    _draw_lights(ax, scenario, step)
    ego, position, heading, valid = _motion(scenario, rollout)
    _draw_drives(ax, scenario, rollout, step)
    _frame(ax, scenario, ego[step], view)
    kinds = _draw_agents(ax, scenario, position, heading, valid, step)
    _draw_ego(ax, scenario, ego, step)
    if caption:
        _caption(ax, scenario, ego[step], step, kinds, rollout is not None)
    return ax


def save_png(
    scenario: Scenario,
    path: FilePath | str,
    step: int | None = None,
    rollout: Rollout | None = None,
    view: float | None = 50.0,
) -> None:
    """Write :func:`draw`'s picture to a PNG file (880 x 880 pixels); :class:`DataError` for a name not in .png."""
    figure = draw(scenario, step, rollout, view=view).get_figure(root=True)
    assert figure is not None
    _save(figure, path)


def save_sheet(scenarios: Sequence[Scenario], path: FilePath | str, columns: int = 8, view: float = 75.0) -> None:
    """Write a contact sheet to a PNG file: the start of every scene, centred on its junction or crossing.

    ``view``: half the width [m] of each panel.
    """
    rows = -(-len(scenarios) // columns)
    figure = Figure(figsize=(2.4 * columns, 2.5 * rows), dpi=100, facecolor=GROUND)
    FigureCanvasAgg(figure)
    for number, scenario in enumerate(scenarios):
        ax = figure.add_subplot(rows, columns, number + 1)
        _prepare(ax)
        draw_map(ax, scenario.map)
        _draw_lights(ax, scenario, scenario.start)
        ego, position, heading, valid = _motion(scenario, None)
        x, y = _focus(scenario)
        ax.set_xlim(x - view, x + view)
        ax.set_ylim(y - view, y + view)
        _draw_agents(ax, scenario, position, heading, valid, scenario.start)
        _draw_ego(ax, scenario, ego, scenario.start)
        ax.set_title(scenario.id, fontsize=8, pad=3)
    figure.tight_layout(pad=0.4)
    _save(figure, path)


def _save(figure: Figure, path: FilePath | str) -> None:
    target = FilePath(path)
    if target.suffix.lower() != ".png":
        raise DataError(f"{path}: pictures are written as .png")
    target.parent.mkdir(parents=True, exist_ok=True)
    # No software version or date: equal scenes give equal files.
    figure.savefig(target, metadata={"Software": None}, facecolor=GROUND)


def _focus(scenario: Scenario) -> Float:
    """Where the map is interesting: the junction or crossing nearest to the ego's start, else the start itself."""
    start = scenario.reference[scenario.start, :2]
    places = scenario.map.areas(Layer.INTERSECTION, Layer.CROSSWALK)
    centers = [rings[0].mean(axis=0) for rings in places] or [start]
    return min(centers, key=lambda center: float(np.hypot(*(center - start))))


def _prepare(ax: "Axes") -> None:
    ax.set_facecolor(GROUND)
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def draw_map(ax: "Axes", vector_map: VectorMap) -> None:
    """Draw areas, lanes, connectors and stop lines of a map ``[m]``."""
    drivable = vector_map.areas(Layer.DRIVABLE)
    for layer, (color, order) in _AREA_STYLE.items():
        shapes = [_compound(rings) for rings in vector_map.areas(layer)]
        area = PatchCollection([PathPatch(shape) for shape in shapes], facecolor=color, edgecolor="none", zorder=order)
        ax.add_collection(area)
        if layer == Layer.INTERSECTION and drivable:  # Its polygons cover traffic islands; the picture should not.
            road = Path.make_compound_path(*(_compound(rings) for rings in drivable))
            area.set_clip_path(PathPatch(road, transform=ax.transData))
    lanes = range(vector_map.lanes)
    roads = [vector_map.lane_polygon(lane) for lane in lanes if not vector_map.connector[lane]]
    ax.add_collection(
        PolyCollection(roads, facecolor="none", edgecolor="#ffffff", linewidth=0.7, alpha=0.8, zorder=2.5)
    )
    for connector, color, width in ((False, "#8f99a5", 0.7), (True, "#a7b0ba", 0.5)):
        lines = [vector_map.lane_centerline(lane)[:, :2] for lane in lanes if vector_map.connector[lane] == connector]
        ax.add_collection(LineCollection(lines, colors=color, linewidths=width, linestyles=(0, (5, 4)), zorder=2.7))
    for rings in vector_map.areas(Layer.CROSSWALK):
        _draw_crosswalk(ax, rings)
    for cause, color in _STOPS.items():
        segments = vector_map.stop_segment[vector_map.stop_cause == cause]
        ax.add_collection(LineCollection(list(segments), colors=color, linewidths=2.2, zorder=3.2, capstyle="butt"))


def _draw_crosswalk(ax: "Axes", rings: Sequence[Float]) -> None:
    """Zebra stripes: bars across the walking direction, half a metre wide, cut by the crossing's outline."""
    ring = rings[0]
    edges = np.diff(np.concatenate((ring, ring[:1])), axis=0)
    along = edges[np.linalg.norm(edges, axis=1).argmax()]
    heading = float(np.arctan2(along[1], along[0]))
    center = ring.mean(axis=0)
    local = rotate(ring - center, -heading)
    (low, bottom), (high, top) = local.min(axis=0), local.max(axis=0)
    stripes = [
        rotate(np.array(((x, bottom), (x + 0.5, bottom), (x + 0.5, top), (x, top))), heading) + center
        for x in np.arange(low + 0.25, high, 1.0)
    ]
    bars = PolyCollection(stripes, facecolor="#ffffff", edgecolor="none", alpha=0.9, zorder=3.0)
    ax.add_collection(bars)
    bars.set_clip_path(PathPatch(_compound(rings), transform=ax.transData))


def _draw_route(ax: "Axes", scenario: Scenario) -> None:
    lines: list[Float] = []
    for lane in scenario.route.tolist():
        line = scenario.map.lane_centerline(lane)[:, :2]
        if lines and np.linalg.norm(lines[-1][-1] - line[0]) < 0.5:  # One stroke: overlapping ends would show.
            lines[-1] = np.concatenate((lines[-1], line))
        else:
            lines.append(line)
    ax.add_collection(LineCollection(lines, colors=ROUTE, linewidths=7.0, alpha=0.28, zorder=3.3, joinstyle="round"))


def _draw_lights(ax: "Axes", scenario: Scenario, step: int) -> None:
    lights = scenario.lights
    for point, state in zip(lights.stop_point, lights.state[:, min(step, scenario.steps - 1)], strict=True):
        color = _LIGHTS[LightState(int(state))]
        ax.plot(*point, "o", color=color, markersize=6, markeredgecolor="#ffffff", markeredgewidth=0.8, zorder=8)


def _motion(scenario: Scenario, rollout: Rollout | None) -> tuple[Float, Float, Float, NDArray[np.bool_]]:
    """Ego states, agents' positions, headings and validity over scene steps: recorded, then as in the rollout."""
    tracks, start = scenario.tracks, scenario.start
    if rollout is None:
        return scenario.reference, tracks.position, tracks.heading, tracks.valid
    return (
        np.concatenate((scenario.reference[:start], rollout.ego)),
        np.concatenate((tracks.position[:, :start], rollout.position), axis=1),
        np.concatenate((tracks.heading[:, :start], rollout.heading), axis=1),
        np.concatenate((tracks.valid[:, :start], rollout.valid), axis=1),
    )


def _draw_drives(ax: "Axes", scenario: Scenario, rollout: Rollout | None, step: int) -> None:
    """The recorded drive, and of a rollout the driven path and the plan in force."""
    path = scenario.reference[:, : Ego.HEADING]
    ax.plot(*path.T, color=REFERENCE, linewidth=1.3, linestyle=(0, (4, 2)), zorder=4.5)
    if rollout is None:
        return
    ax.plot(*rollout.ego[:, : Ego.HEADING].T, color=EGO, linewidth=1.8, zorder=4.6)
    asked = np.flatnonzero(rollout.plan_step <= step - scenario.start)
    if asked.size:
        index = int(asked[-1])
        poses = rollout.plan[rollout.plan_ptr[index] : rollout.plan_ptr[index + 1]].astype(np.float64)
        base = rollout.ego[rollout.plan_step[index]].astype(np.float64)
        points = rotate(poses[:, :2], base[Ego.HEADING]) + base[: Ego.HEADING]
        ax.plot(*points.T, "o-", color="#f59f00", markersize=3, linewidth=1.4, zorder=7.5)


def _draw_agents(
    ax: "Axes", scenario: Scenario, position: Float, heading: Float, valid: NDArray[np.bool_], step: int
) -> list[str]:
    """Boxes, noses and trails; returns the names of the groups that are in view, for the legend."""
    shown: list[str] = []
    first = max(0, step - _TRAIL_STEPS)
    low, high = np.array((ax.get_xlim(), ax.get_ylim())).T
    for name, color, kinds in _GROUPS:
        agents = np.flatnonzero(np.isin(scenario.tracks.kind, kinds) & valid[:, step])
        if not agents.size:
            continue
        if ((position[agents, step] > low) & (position[agents, step] < high)).all(axis=1).any():
            shown.append(name)
        small = kinds[0] >= AgentKind.PEDESTRIAN
        corners = box_corners(position[agents, step], heading[agents, step], scenario.tracks.size[agents])
        edge = 0.2 if small else 0.6
        ax.add_collection(
            PolyCollection(list(corners), facecolor=color, edgecolor="#ffffff", linewidth=edge, zorder=6.0)
        )
        if not small:
            ax.add_collection(LineCollection(_noses(corners), colors="#ffffff", linewidths=0.9, zorder=6.1))
        segments, strength = _trails(position[agents, first : step + 1], valid[agents, first : step + 1])
        if len(segments):
            trails = LineCollection(list(segments), colors=color, linewidths=1.6, zorder=5.0, capstyle="round")
            trails.set_alpha(strength.tolist())
            ax.add_collection(trails)
    return shown


def _trails(position: Float, valid: NDArray[np.bool_]) -> tuple[Float, Float]:
    """Pieces ``[n, 2, 2]`` of the recent way of moving agents, and their opacity ``[n]``, fading into the past."""
    pieces = np.stack((position[:, :-1], position[:, 1:]), axis=2)
    whole = valid[:, :-1] & valid[:, 1:] & (np.linalg.norm(pieces[:, :, 1] - pieces[:, :, 0], axis=2) > 0.01)
    fade = np.broadcast_to(np.linspace(0.05, 0.6, max(pieces.shape[1], 1))[: pieces.shape[1]], whole.shape)
    return pieces[whole], fade[whole]


def _noses(corners: Float) -> list[Float]:
    """A chevron ``[3, 2]`` near the front of each box, corners ``[n, 4, 2]`` as :func:`box_corners` orders them."""
    left = corners[:, 0] * 0.68 + corners[:, 1] * 0.32
    right = corners[:, 3] * 0.68 + corners[:, 2] * 0.32
    tip = (corners[:, 0] + corners[:, 3]) * 0.46 + (corners[:, 1] + corners[:, 2]) * 0.04
    inset = 0.18
    return list(np.stack((left * (1 - inset) + right * inset, tip, right * (1 - inset) + left * inset), axis=1))


def _draw_ego(ax: "Axes", scenario: Scenario, ego: Float, step: int) -> None:
    vehicle = scenario.ego_vehicle
    past = ego[max(0, step - _TRAIL_STEPS) : step + 1, : Ego.HEADING]
    ax.plot(*past.T, color=EGO, linewidth=2.0, alpha=0.5, zorder=5.5, solid_capstyle="round")
    pose = center_from_rear_axle(ego[step].astype(np.float64), vehicle)
    corners = box_corners(pose[:2], pose[2], (vehicle.length, vehicle.width))
    ax.add_collection(PolyCollection([corners], facecolor=EGO, edgecolor="#ffffff", linewidth=1.2, zorder=7.0))
    ax.add_collection(LineCollection(_noses(corners[None]), colors="#ffffff", linewidths=1.3, zorder=7.1))


def _frame(ax: "Axes", scenario: Scenario, ego: Float, view: float | None) -> None:
    if view is None:
        points = np.concatenate((scenario.map.ring, scenario.map.polygon, scenario.reference[:, : Ego.HEADING]))
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        half = float((points.max(axis=0) - points.min(axis=0)).max() / 2) + 5.0
    else:
        middle, half = ego[: Ego.HEADING], view
    ax.set_xlim(float(middle[0]) - half, float(middle[0]) + half)
    ax.set_ylim(float(middle[1]) - half, float(middle[1]) + half)


def _caption(ax: "Axes", scenario: Scenario, ego: Float, step: int, kinds: list[str], driven: bool) -> None:
    time = (step - scenario.start) * DT
    text = f"{scenario.id}    {time:+.1f} s    {3.6 * float(np.hypot(ego[Ego.VX], ego[Ego.VY])):.0f} km/h"
    box = {"boxstyle": "round,pad=0.4", "facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.85}
    ax.text(
        0.02,
        0.98,
        text,
        transform=ax.transAxes,
        va="top",
        fontsize=11,
        color=REFERENCE,
        bbox=box,
        zorder=10,
        weight="bold",
    )
    colors = {name: color for name, color, _ in _GROUPS}
    entries: list[Patch | Line2D] = [Patch(facecolor=EGO, label="ego")]
    entries += [Patch(facecolor=colors[name], label=name) for name in kinds]
    entries += [
        Line2D([], [], color=ROUTE, linewidth=6, alpha=0.35, label="route"),
        Line2D([], [], color=REFERENCE, linewidth=1.3, linestyle=(0, (4, 2)), label="reference drive"),
    ]
    if driven:
        entries.append(Line2D([], [], color=EGO, linewidth=1.8, label="driven"))
        entries.append(Line2D([], [], color="#f59f00", marker="o", markersize=3, linewidth=1.4, label="plan"))
    legend = ax.legend(handles=entries, loc="lower left", fontsize=8, framealpha=0.85, edgecolor="none", fancybox=True)
    legend.set_zorder(10)
    _scale_bar(ax)


def _scale_bar(ax: "Axes") -> None:
    low, high = ax.get_xlim()
    length = next(size for size in (200.0, 100.0, 50.0, 20.0, 10.0, 5.0, 2.0) if size <= (high - low) / 5)
    left, bottom = high - 0.03 * (high - low) - length, ax.get_ylim()[0] + 0.035 * (high - low)
    ax.plot((left, left + length), (bottom, bottom), color=REFERENCE, linewidth=2.5, zorder=10, solid_capstyle="butt")
    ax.text(left + length / 2, bottom + 0.008 * (high - low), f"{length:.0f} m", ha="center", fontsize=9, zorder=10)


def _compound(rings: Sequence[Float]) -> Path:
    """One path of an outer ring and its holes; holes run the other way, which is what makes them holes."""
    vertices, codes = [], []
    for number, ring in enumerate(rings):
        area = np.dot(ring[:, 0], np.roll(ring[:, 1], -1)) - np.dot(ring[:, 1], np.roll(ring[:, 0], -1))
        oriented = ring if (area > 0) == (number == 0) else ring[::-1]
        vertices.append(np.concatenate((oriented, oriented[:1])))
        codes.append([Path.MOVETO, *[Path.LINETO] * (len(ring) - 1), Path.CLOSEPOLY])
    return Path(np.concatenate(vertices), np.concatenate(codes))
