"""Verbs that look at scenes and data folders."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, UseAppendAction, arg

from evaluation.commands.common import DONE, FAILURES, Data, Maps, say, table

if TYPE_CHECKING:
    from evaluation.suite import SceneRef, Suite
    from scenarios.store import Store

SuiteName = Annotated[
    str | None, arg(help="Suite to look in; by default gen-quick, or with --data what that folder holds.")
]


def list_scenes(suite: SuiteName = None, data: Data = None, maps: Maps = None) -> int:
    """List the scenes of a suite; without --suite and --data, the names of suites."""
    from evaluation.suite import suite_names

    if suite is None and data is None:
        table(("suite",), [(name,) for name in suite_names()])
        return DONE
    found, _ = _suite(suite, data, maps)
    table(("scenario", "family", "group"), [(scene.id, scene.family, scene.group) for scene in found.scenes])
    return DONE


def doctor(
    directory: Positional[Annotated[Path, arg(help="Folder of recorded data.", metavar="DIR")]],
    maps: Maps = None,
) -> int:
    """Say what a data folder is, what is missing or damaged in it, and what to get. Exit code 1 if it is unusable."""
    from drive.errors import DataError
    from scenarios.doctor import examine, render

    if not directory.exists():
        raise DataError(f"there is no folder {directory}")
    found = examine(directory, maps)
    say(render(found).rstrip())
    return DONE if found.ok else FAILURES


def show(
    scenario: Positional[Annotated[str, arg(help="Scenario id.", metavar="ID")]],
    out: Annotated[Path, arg(help="Picture to write.", metavar="PNG")],
    suite: SuiteName = None,
    data: Data = None,
    maps: Maps = None,
) -> int:
    """Draw a scene at its start, with the reference drive."""
    from drive.draw import save_png
    from evaluation.suite import load_scene

    scenes, store = _suite(suite, data, maps)
    save_png(load_scene(_find(scenes, scenario), store), out)
    say(f"picture: {out}")
    return DONE


def sheet(
    out: Annotated[Path, arg(help="Picture to write.", metavar="PNG")],
    suite: SuiteName = None,
    data: Data = None,
    maps: Maps = None,
    view: Annotated[float, arg(help="Half the width of each panel [m].", metavar="M")] = 75.0,
) -> int:
    """Draw the start of every scene of a suite on one contact sheet."""
    from drive.draw import save_sheet
    from evaluation.suite import load_scene

    scenes, store = _suite(suite, data, maps)
    save_sheet([load_scene(scene, store) for scene in scenes.scenes], out, view=view)
    say(f"picture: {out}, {len(scenes.scenes)} scenes")
    return DONE


def export(
    out: Annotated[Path, arg(help="Folder to write.", metavar="DIR")],
    suite: SuiteName = None,
    data: Data = None,
    maps: Maps = None,
    format: Annotated[  # noqa: A002 - the name of the option
        Literal["nuscenes", "openscene", "scenarionet", "two-stage"],
        arg(
            help="nuScenes tables or OpenScene (NAVSIM) logs, both with maps, or a ScenarioNet database. two-stage: "
            "OpenScene logs of the scenes and of their second-stage starts, and the mapping between them."
        ),
    ] = "nuscenes",
    keyframe_hz: Annotated[
        Literal[2, 10],
        arg(help="Annotated samples per second, for nuScenes: 2 as there, 10 keeps all that is simulated."),
    ] = 2,
    scenario: UseAppendAction[
        Annotated[tuple[str, ...], arg(help="Only this scene. Give it once for every scene.", metavar="ID")]
    ] = (),
) -> int:
    """Write scenes for other tools: nuScenes tables, OpenScene logs (both with map expansions), or ScenarioNet."""
    from drive.errors import DataError
    from evaluation.suite import load_scene
    from scenarios.export import export as write_nuscenes
    from scenarios.export_openscene import export as write_openscene
    from scenarios.export_scenarionet import export as write_scenarionet

    if format in ("openscene", "two-stage") and keyframe_hz != 2:
        raise DataError(f"--keyframe-hz is {keyframe_hz}, but OpenScene logs have 2 frames a second")
    if format == "scenarionet" and keyframe_hz != 2:
        raise DataError(f"--keyframe-hz is {keyframe_hz}, but ScenarioNet has every step, 10 a second")
    scenes, store = _suite(suite, data, maps)
    wanted = [_find(scenes, name) for name in scenario] or scenes.scenes
    loaded = [load_scene(scene, store) for scene in wanted]
    if format == "two-stage":
        from evaluation.two_stage_export import write_starts

        written = write_starts(loaded, out, store)
        counts = f"{len(wanted)} scenes, {written.groups} first-stage and {written.starts} second-stage starts"
        say(f"{counts}: {written.path}")
        return DONE
    if format == "openscene":
        write_openscene(loaded, out)
    elif format == "scenarionet":
        write_scenarionet(loaded, out)
    else:
        write_nuscenes(loaded, out, keyframe_hz)
    say(f"{len(wanted)} scenes in {out}; read them with `drive eval --suite {format} --data {out} ...`")
    return DONE


def _suite(name: str | None, data: Path | None, maps: Path | None) -> "tuple[Suite, Store]":
    from evaluation.suite import resolve_suite
    from scenarios.sources import detect
    from scenarios.store import Store

    store = Store()
    return resolve_suite(name or (detect(data).name if data else "gen-quick"), data, store, maps), store


def _find(suite: "Suite", scenario: str) -> "SceneRef":
    from drive.errors import SuiteError
    from planners.options import did_you_mean

    scenes = {scene.id: scene for scene in suite.scenes}
    if scenario not in scenes:
        hint = did_you_mean(scenario, scenes)
        raise SuiteError(f"suite {suite.name!r} has no scene {scenario!r}{hint}; `drive scenarios list` names them")
    return scenes[scenario]
