"""The ego's clock in ScenarioNet's nuScenes files, put right.

Their ego is every fifth message of the car's bus (50 Hz), counted as one frame of 0.1 s. Where messages were lost a
step is longer than its neighbours by fifths, and all later poses come too early. When the messages end before the
frames do, the last frames hold poses interpolated from annotations, which are on the right clock: there the ego seems
to step back. Frames themselves are spread evenly over the scene, whatever its length is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drive.geometry import arc_length
from drive.scene import DT

Float = NDArray[np.float64]

MESSAGE = DT / 5
# Below this speed [m/s] the length of a step tells nothing about time.
_MOVING = 1.0
# A step this much longer than both its neighbours holds lost messages; one a message longer would be 0.2.
_LONGER = 0.12
_MOST_LOST = 10
# A step this much shorter than its neighbours, near the end, is the seam to poses on the right clock.
_SHORTER = 0.15
_TAIL = 20
# Frames are a tenth of a second apart within this share.
_STRETCH = 0.02
_SAME = 0.02


@dataclass(frozen=True)
class Clock:
    """Times [s] of the ego's poses and of all frames, ``[n]`` each, the number of ``lost`` messages, and ``seam``: the
    first frame whose pose is on the frames' clock (n where none is)."""

    ego: Float
    frames: Float
    lost: int
    seam: int


def read_clock(poses: Float) -> Clock:
    """The clock behind ego poses ``[n, 3]`` (x, y [m], heading [rad]) of a nuScenes scene."""
    count = len(poses)
    nominal = DT * np.arange(count)
    if count < 12:
        return Clock(nominal, nominal, 0, count)
    step = np.diff(poses[:, :2], axis=0)
    forward = (np.cos(poses[:-1, 2]) * step[:, 0] + np.sin(poses[:-1, 2]) * step[:, 1]) / DT
    typical = np.array([np.median(forward[max(0, row - 4) : row + 5]) for row in range(count - 1)])
    seam = _seam(forward, typical)
    # The last pose at least comes from annotations; the step to it tells the scene's length, not of lost messages.
    anchor = min(seam, count - 1)
    lost = _lost(forward[: anchor - 1], typical)
    times = nominal.copy()
    times[1:anchor] += MESSAGE * np.cumsum(lost)
    times[anchor:] += MESSAGE * lost.sum()
    if seam == count and typical[-1] <= _MOVING:
        return Clock(times, nominal, int(lost.sum()), count)
    length = _passing(poses, times, anchor, typical) * (count - 1) / anchor
    frames = nominal
    if abs(length - nominal[-1]) > _SAME and abs(length / nominal[-1] - 1) < _STRETCH:
        frames = np.linspace(0.0, length, count)
    times[anchor:] = frames[anchor:]
    late = times[:anchor] >= frames[anchor] - MESSAGE / 2
    times[:anchor][late] = np.nan  # overtaken by the seam: such poses are dropped
    return Clock(times, frames, int(lost.sum()), anchor)


def _lost(forward: Float, typical: Float) -> NDArray[np.int64]:
    """Messages lost within each step."""
    found = np.zeros(len(forward), np.int64)
    for row, speed in enumerate(forward):
        if typical[row] <= _MOVING:
            continue
        beside = [forward[other] for other in (row - 1, row + 1) if 0 <= other < len(forward)]
        if speed > (1 + _LONGER) * max(beside):
            found[row] = min(max(1, round((speed / typical[row] - 1) * 5)), _MOST_LOST)
    return found


def _seam(forward: Float, typical: Float) -> int:
    """First frame on the right clock: behind the first short or backward step among the last frames."""
    count = len(forward) + 1
    for row in range(max(5, count - 1 - _TAIL), len(forward)):
        before = float(np.median(forward[row - 5 : row]))
        if before > _MOVING and forward[row] < (1 - _SHORTER) * min(before, forward[row - 1]):
            after = float(np.median(forward[row + 1 : row + 4])) if row + 1 < len(forward) else before
            if after > (1 - _SHORTER) * before or forward[row] < 0:
                return row + 1
    return count


def _passing(poses: Float, times: Float, frame: int, typical: Float) -> float:
    """When the ego passed the pose of ``frame``, by the poses before it."""
    way = arc_length(poses[:frame])
    heading = poses[frame - 1, 2]
    ahead = poses[frame, :2] - poses[frame - 1, :2]
    gone = float(np.cos(heading) * ahead[0] + np.sin(heading) * ahead[1])
    if gone >= 0:
        return float(times[frame - 1] + gone / max(float(typical[frame - 1]), _MOVING))
    return float(np.interp(way[-1] + gone, way, times[:frame]))
