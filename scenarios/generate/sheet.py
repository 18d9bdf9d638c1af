"""Pictures of generated maps: a contact sheet to review road geometry at a glance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drive.geometry import box_corners
from drive.map import Layer, VectorMap
from drive.scene import Scenario
from drive.vehicle import center_from_rear_axle

COLORS = {
    Layer.WALKWAY: "#d9d4c7",
    Layer.DRIVABLE: "#8f9399",
    Layer.INTERSECTION: "#868a92",
    Layer.CROSSWALK: "#f2f2ee",
}


def draw_map(axes, vector_map: VectorMap, lane_edges: bool = True) -> None:  # type: ignore[no-untyped-def]
    """Draw areas, lane edges, connectors and stop lines of one map on matplotlib axes, metres to scale."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    for layer, color in COLORS.items():
        for rings in vector_map.areas(layer):
            closed = [np.concatenate((ring, ring[:1])) for ring in rings]
            codes = [np.r_[Outline.MOVETO, [Outline.LINETO] * (len(r) - 2), Outline.CLOSEPOLY] for r in closed]
            path = Outline(np.concatenate(closed), np.concatenate(codes))
            axes.add_patch(
                PathPatch(path, facecolor=color, edgecolor="none", alpha=0.85 if layer == Layer.CROSSWALK else 1)
            )
    for lane in range(vector_map.lanes):
        line = vector_map.lane_centerline(lane)
        if vector_map.connector[lane]:
            axes.plot(line[:, 0], line[:, 1], color="#2f6fb3", lw=0.5, alpha=0.8)
        else:
            if lane_edges:
                ring = vector_map.lane_polygon(lane)
                axes.plot(*np.concatenate((ring, ring[:1])).T, color="white", lw=0.4)
            axes.plot(line[:, 0], line[:, 1], color="#404347", lw=0.3, ls=(0, (6, 6)))
    for segment in vector_map.stop_segment:
        axes.plot(segment[:, 0], segment[:, 1], color="#c33", lw=0.9)
    axes.set_aspect("equal")
    axes.axis("off")


def draw_sheet(scenes: Sequence[Scenario], path: Path, columns: int = 8, window: float = 0.0) -> None:
    """Write a PNG with one panel per scene: its map and its agents at the start.

    ``window`` [m] zooms on the first crossing or junction; 0 shows the whole map.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(scenes) // columns)
    figure = Figure(figsize=(columns * 3.2, rows * 3.2), dpi=90)
    FigureCanvasAgg(figure)
    for number, scene in enumerate(scenes, start=1):
        axes = figure.add_subplot(rows, columns, number)
        draw_map(axes, scene.map)
        boxes = box_corners(
            scene.tracks.position[:, scene.start], scene.tracks.heading[:, scene.start], scene.tracks.size
        )
        for box, valid in zip(boxes, scene.tracks.valid[:, scene.start], strict=True):
            if valid:
                axes.fill(box[:, 0], box[:, 1], color="#2f6db3", lw=0)
        ego = center_from_rear_axle(scene.reference, scene.ego_vehicle)
        axes.plot(ego[:, 0], ego[:, 1], color="#1d7a2f", lw=0.8)
        size = (scene.ego_vehicle.length, scene.ego_vehicle.width)
        corners = box_corners(ego[scene.start, :2], ego[scene.start, 2], size)
        axes.fill(corners[:, 0], corners[:, 1], color="#e4472b", lw=0)
        axes.set_title(f"{scene.id} h={scene.hardness:.2f}", fontsize=7)
        focus = scene.map.areas(Layer.CROSSWALK) or scene.map.areas(Layer.INTERSECTION)
        if window > 0.0 and focus:
            x, y = focus[0][0].mean(axis=0)
            axes.set_xlim(x - window / 2, x + window / 2)
            axes.set_ylim(y - window / 2, y + window / 2)
    figure.tight_layout(pad=0.3)
    figure.savefig(path)
