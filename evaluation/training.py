"""From the scenes of a suite to the samples that a network is trained on, over the engine's processes."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drive.errors import RunError
from drive.scene import Scenario
from evaluation.engines import Died, Engine
from evaluation.suite import SceneRef, load_scene
from scenarios.store import Store

if TYPE_CHECKING:
    from planners.imitation.windows import Windows

BATCH = 16


@dataclass(frozen=True)
class Collect:
    """Work of an engine: scenes in, their samples out."""

    store: Store
    every: int

    def __call__(self, scenes: Sequence[SceneRef]) -> "list[Windows]":
        """The samples of each scene, and of the recovery segment of a generated one that has one."""
        return [self.samples(load_scene(scene, self.store)) for scene in scenes]

    def samples(self, scenario: Scenario) -> "Windows":
        """The samples of one scene and its recovery segment."""
        from planners.imitation.windows import join, windows_of
        from scenarios.generate.starts import recovery_segment

        parts = [windows_of(scenario, self.every)]
        segment = recovery_segment(scenario) if scenario.source == "generated" else None
        if segment is not None:
            parts.append(windows_of(segment, self.every))
        return join(parts)


def collect(
    scenes: Sequence[SceneRef], store: Store, every: int, engine: Engine, report: Callable[[], None]
) -> "Windows":
    """Samples of all scenes, one every ``every`` steps, in the order of the scenes. ``report`` is called per scene.

    Raises:
        RunError: A worker process died over a scene.
    """
    from planners.imitation.windows import join

    found: dict[str, Windows] = {}
    batches = [scenes[begin : begin + BATCH] for begin in range(0, len(scenes), BATCH)]
    with closing(engine.map(Collect(store, every), batches)) as results:
        for scene, result in results:
            if isinstance(result, Died):
                raise RunError(f"scene {scene.id!r}: {result} while its samples were collected")
            found[scene.key] = result
            report()
    return join([found[scene.key] for scene in scenes])
