"""Which windows of a log become scenes: NAVSIM's scene filter."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from drive.errors import DataError

# Frames of a 2 Hz log are 0.5 s apart; anything further from that is a hole in the recording.
SPACING_US = 500_000
_TOLERANCE_US = 100_000


@dataclass(frozen=True)
class SceneFilter:
    """Windows of frames, the options of NAVSIM's ``SceneFilter``, and the car.

    Attributes:
        num_history_frames: Frames up to and with the one that names the scene, at least 2.
        num_future_frames: Frames after it, at least 1; None takes the log to its end, one scene a log.
        frame_interval: Frames from the beginning of one window to the next; None: windows do not overlap.
        has_route: Leave out scenes whose naming frame has no ``roadblock_ids``.
        max_scenes: The first ones only.
        log_names: Only the files of these names (without ``.pkl``).
        tokens: Only these scenes.
        vehicle: The car the ego drives: ``pacifica`` as NAVSIM scores every log, or ``zoe``, which nuScenes drove.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}  # suite files are read into this class

    num_history_frames: int = 4
    num_future_frames: int | None = 10
    frame_interval: int | None = None
    has_route: bool = True
    max_scenes: int | None = None
    log_names: tuple[str, ...] | None = None
    tokens: tuple[str, ...] | None = None
    vehicle: Literal["pacifica", "zoe"] = "pacifica"

    def check(self) -> None:
        """Raise :class:`DataError` naming an option outside its range."""
        for name, least in (
            ("num_history_frames", 2),
            ("num_future_frames", 1),
            ("frame_interval", 1),
            ("max_scenes", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise DataError(f"scene filter: {name} is {value}, expected at least {least}")


@dataclass(frozen=True)
class Window:
    """Frames ``first .. first + history + future - 1`` of a log; the frame at ``first + history - 1`` names it."""

    first: int
    history: int
    future: int

    @property
    def stop(self) -> int:
        """The frame after the last one."""
        return self.first + self.history + self.future

    @property
    def named(self) -> int:
        """Index of the frame that names the scene: the last of the history."""
        return self.first + self.history - 1


def windows(times_us: Sequence[int], has_route: Sequence[bool], scenes: SceneFilter) -> tuple[list[Window], int]:
    """Windows of one log by its frames' time stamps [us], and how many were left out for a hole in the recording.

    Windows begin at frames 0, ``frame_interval``, ...; one that the log cuts short is dropped, as in NAVSIM.
    """
    count = len(times_us)
    future = scenes.num_future_frames
    if future is None:
        future = count - scenes.num_history_frames
        if future < 1:
            return [], 0
    length = scenes.num_history_frames + future
    found, holes = [], 0
    for first in range(0, count - length + 1, scenes.frame_interval or length):
        window = Window(first, scenes.num_history_frames, future)
        if scenes.has_route and not has_route[window.named]:
            continue
        if not all(even(times_us[row], times_us[row + 1]) for row in range(first, window.stop - 1)):
            holes += 1
            continue
        found.append(window)
    return found, holes


def even(before_us: int, after_us: int) -> bool:
    """True if two frames are 0.5 s apart, give or take 0.1 s (nuScenes' keyframes are not exact)."""
    return abs(after_us - before_us - SPACING_US) <= _TOLERANCE_US
