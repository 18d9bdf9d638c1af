"""From the scenes of a suite to the samples that a network is trained on, over the engine's processes."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drive.errors import RunError
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
        """The samples of each scene."""
        from planners.imitation.windows import windows_of

        return [windows_of(load_scene(scene, self.store), self.every) for scene in scenes]


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
