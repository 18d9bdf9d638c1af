"""Running a red light: the middle of the front bumper crosses the stop line of a signalled lane while it is red.

The stop line is a segment as wide as the approach lane, across it, where the signalled connector begins. It is
crossed between two samples, in driving direction; the light's state is that of the earlier one. One line governs all
connectors of its approach lane: those on the ego's route decide; without any, the line is closed only if every one of
them is red (a connector without a signal is not).

NAVSIM's traffic light compliance is another thing: any overlap with the polygon of a red connector, also when standing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drive.map import VectorMap
from drive.scene import Lights, LightState

Float = NDArray[np.float64]
Int = NDArray[np.int32]
Bool = NDArray[np.bool_]

DEFAULT_HALF_WIDTH = 1.75  # m, where a lane's polygon does not tell
MAX_HALF_WIDTH = 4.0
PROBE = 0.5  # m from the line to where the lane's width is measured: at the line itself polygons end


class StopLines(NamedTuple):
    """Stop lines of signalled approaches: ``pose [M, 3]`` (x, y [m], driving direction [rad]), reach to either side
    ``left [M]``, ``right [M]`` [m], ``lane [M]`` a connector behind each, ``red [M, S]`` bool per sample after the
    scene's start, ``known [S]`` bool: any signal of the scene has a known state."""

    pose: Float
    left: Float
    right: Float
    lane: Int
    red: Bool
    known: Bool


def compile_stop_lines(vector_map: VectorMap, lights: Lights, route: Int, start: int) -> StopLines:
    """Gather the signals by approach lane; samples are counted from scene step ``start``."""
    state = lights.state[:, start:]
    signal = {int(lane): row for row, lane in enumerate(lights.lane)}
    approaches: dict[tuple[int, ...], list[int]] = {}
    for connector in signal:
        predecessors = vector_map.lane_predecessors(connector)
        for approach in predecessors:
            approaches.setdefault((int(approach),), [int(lane) for lane in vector_map.lane_successors(approach)])
        if not len(predecessors):
            approaches[(-1, connector)] = [connector]
    on_route = {int(lane) for lane in route}
    dark = np.zeros(state.shape[1], np.bool_)
    pose, side, lane, red = [], [], [], []
    for key, connectors in approaches.items():
        deciding = [connector for connector in connectors if connector in on_route] or connectors
        line = next((c for c in deciding if c in signal), next(c for c in connectors if c in signal))
        point = lights.stop_point[signal[line]]
        heading = vector_map.lane_centerline(line)[0, 2]
        pose.append((point[0], point[1], heading))
        side.append(_reach(vector_map, key[0], line, point, heading))
        lane.append(line)
        red.append(np.all([state[signal[c]] == LightState.RED if c in signal else dark for c in deciding], axis=0))
    reach = np.array(side, np.float64).reshape(-1, 2)
    return StopLines(
        pose=np.array(pose, np.float64).reshape(-1, 3),
        left=reach[:, 0],
        right=reach[:, 1],
        lane=np.array(lane, np.int32),
        red=np.array(red, np.bool_).reshape(-1, state.shape[1]),
        known=(state != LightState.UNKNOWN).any(axis=0),
    )


def _reach(vector_map: VectorMap, approach: int, connector: int, point: Float, heading: float) -> tuple[float, float]:
    """Distance [m] from the stop point to the left and right border of the approach lane (of the connector without
    one)."""
    ring, shift = (
        (vector_map.lane_polygon(approach), -PROBE) if approach >= 0 else (vector_map.lane_polygon(connector), PROBE)
    )
    forward = np.array((np.cos(heading), np.sin(heading)))
    local = (ring - point) @ np.stack((forward, (-forward[1], forward[0])), axis=1) - (shift, 0.0)
    after = np.roll(local, -1, axis=0)
    across = (local[:, 0] > 0) != (after[:, 0] > 0)
    begin, end = local[across], after[across]
    offsets = begin[:, 1] - begin[:, 0] * (end[:, 1] - begin[:, 1]) / (end[:, 0] - begin[:, 0])
    left, right = offsets[offsets > 0], -offsets[offsets <= 0]
    return (
        min(float(left.min()), MAX_HALF_WIDTH) if left.size else DEFAULT_HALF_WIDTH,
        min(float(right.min()), MAX_HALF_WIDTH) if right.size else DEFAULT_HALF_WIDTH,
    )


def first_red_crossing(bumper: Float, lines: StopLines) -> tuple[int, int] | None:
    """First sample at which the bumper ``[S, 2]`` [m] is past a line that was red one sample before, and that line.

    None if there is no such sample.
    """
    steps = min(len(bumper), lines.red.shape[1]) - 1
    if not len(lines.pose) or steps < 1:
        return None
    delta = bumper[None, : steps + 1] - lines.pose[:, None, :2]
    cos, sin = np.cos(lines.pose[:, 2:]), np.sin(lines.pose[:, 2:])
    along = delta[..., 0] * cos + delta[..., 1] * sin
    across = delta[..., 1] * cos - delta[..., 0] * sin
    before, after = along[:, :-1], along[:, 1:]
    passing = (before < 0) & (after >= 0)
    part = np.where(passing, before, 0.0) / np.where(passing, before - after, 1.0)
    offset = across[:, :-1] + part * (across[:, 1:] - across[:, :-1])
    hit = passing & (offset <= lines.left[:, None]) & (offset >= -lines.right[:, None]) & lines.red[:, :steps]
    if not hit.any():
        return None
    step = int(np.argmax(hit.any(axis=0)))
    return step + 1, int(np.argmax(hit[:, step]))
