"""From the text that names a planner to a recipe that builds it anywhere: in this process or in a worker.

A planner is named by a registered id (``idm``), an import path (``my_module:MyPlanner``, files in the current working
directory included) or an entry point in the group ``drive.planners``, each with options in brackets:
``idm[headway=2]``.
"""

import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drive.errors import PlannerError
from planners.contract import Planner
from planners.options import bind_options, did_you_mean, option_parameters, split_spec

GROUP = "drive.planners"
TRACKERS = ("lqr", "perfect")

BUILT_IN = {
    "log_replay": "planners.baselines.log_replay:LogReplay",
    "constant_velocity": "planners.baselines.constant_velocity:ConstantVelocity",
    "stop": "planners.baselines.stop:Stop",
    "lane_follower": "planners.baselines.lane_follower:LaneFollower",
    "idm": "planners.baselines.idm:IDM",
    "idm_mobil": "planners.baselines.idm_mobil:IDMMobil",
    "pdm_closed": "planners.baselines.pdm_closed:PDMClosed",
    "navsim_agent": "planners.navsim_agent:NavsimAgentPlanner",
}


@dataclass(frozen=True)
class PlannerSpec:
    """A planner that has been found and whose options fit, but that is not built yet. Picklable.

    Attributes:
        name: The text it was asked for by, options included; names the planner in results.
        target: ``module:Class``.
        options: Keyword arguments of the constructor.
        privileged, tracker: As the class declares them (:class:`planners.contract.Planner`).
        digest: Hash of the code (source files of the class and its package), package version, options and the
            contents of files and of modules (``my_module:MyAgent``) that options name. Two specs with equal digests
            plan alike.
        folder: Directory that was searched besides ``sys.path``; a worker searches it too.
    """

    name: str
    target: str
    options: dict[str, Any] = field(hash=False)
    privileged: bool
    tracker: str
    digest: str
    folder: str = field(compare=False)

    def build(self) -> Planner:
        """Construct the planner.

        Raises:
            PlannerError: The module cannot be imported here.
            Exception: Whatever the constructor raises; hosts turn it into a :class:`PlannerError`.
        """
        return _load(self.target, self.folder, self.name)(**self.options)


@dataclass(frozen=True)
class PlannerEntry:
    """One line of ``drive planners list``: id, ``module:Class``, what it is, and its options with their defaults."""

    id: str
    target: str
    summary: str
    options: str
    privileged: bool


def resolve(text: str) -> PlannerSpec:
    """Find the planner that ``text`` names and check its options.

    Raises:
        PlannerError: Nothing of that name, it cannot be imported, it is no planner, or an option does not fit.
    """
    name, raw = split_spec(text)
    folder = os.getcwd()
    target = _find(name, text)
    planner = _load(target, folder, name)
    options = bind_options(planner, raw, name)
    canonical = name + (f"[{','.join(f'{key}={value}' for key, value in raw.items())}]" if raw else "")
    digest = _digest(planner, target, options, folder)
    return PlannerSpec(canonical, target, options, planner.privileged, planner.tracker, digest, folder)


def list_planners() -> list[PlannerEntry]:
    """Every planner that can be named by an id: the built-in ones, then entry points, each in the order of their ids.

    An entry point that cannot be imported is listed with the reason as its summary.
    """
    entries = []
    for name, target in [*BUILT_IN.items(), *sorted((point.name, point.value) for point in _entry_points())]:
        try:
            planner = _load(target, os.getcwd(), name)
        except PlannerError as error:
            entries.append(PlannerEntry(name, target, f"cannot be used: {error}", "", False))
            continue
        options = ", ".join(
            str(item.replace(annotation=inspect.Parameter.empty)) for item in option_parameters(planner).values()
        )
        summary = (inspect.getdoc(planner) or "").strip().partition("\n")[0]
        entries.append(PlannerEntry(name, target, summary, options, planner.privileged))
    return entries


def _find(name: str, text: str) -> str:
    """``module:Class`` of a name."""
    if ":" in name:
        module, _, attribute = name.partition(":")
        path_like = module.endswith(".py") or "/" in module
        if path_like or not all(part.isidentifier() for part in (*module.split("."), attribute)):
            hint = f" (for a file write {Path(module).stem}:{attribute} and run in its folder)" if path_like else ""
            raise PlannerError(f"planner {text!r}: expected an import path like my_package.my_module:MyPlanner{hint}")
        return name
    points = [point for point in _entry_points() if point.name == name]
    targets = {point.value for point in points} | ({BUILT_IN[name]} if name in BUILT_IN else set())
    if len(targets) > 1:
        raise PlannerError(
            f"planner {name!r} is registered {len(targets)} times ({', '.join(sorted(targets))}): "
            f"uninstall one of them or name the one you mean by its import path"
        )
    if not targets:
        known = sorted({*BUILT_IN, *(point.name for point in _entry_points())})
        raise PlannerError(
            f"no planner is called {name!r}{did_you_mean(name, known)}; known are {', '.join(known)}; "
            f"your own is named by its import path, my_module:MyPlanner"
        )
    return targets.pop()


def _entry_points() -> list[importlib.metadata.EntryPoint]:
    return list(importlib.metadata.entry_points(group=GROUP))


def _load(target: str, folder: str, who: str) -> type[Planner]:
    """Import the class behind ``module:Class`` and check that it is a planner that can be built."""
    module_name, _, attribute = target.partition(":")
    with _search(folder):
        importlib.invalidate_caches()
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
                raise PlannerError(
                    f"planner {who!r}: no module {error.name!r} is installed, nor is it in {folder}"
                ) from None
            raise PlannerError(f"planner {who!r}: importing {module_name!r} failed: {error}") from error
        except (Exception, SystemExit) as error:  # a border: what runs here is somebody else's module
            raise PlannerError(
                f"planner {who!r}: importing {module_name!r} failed: {type(error).__name__}: {error}"
            ) from error
    planner = getattr(module, attribute, None)
    if planner is None:
        classes = [name for name, value in vars(module).items() if _is_planner(value) and not inspect.isabstract(value)]
        known = f"; its planners are {', '.join(classes)}" if classes else "; it defines no planner"
        raise PlannerError(
            f"planner {who!r}: {module_name!r} has no {attribute!r}{did_you_mean(attribute, classes)}{known}"
        )
    if not _is_planner(planner):
        raise PlannerError(f"planner {who!r}: {target} is not a class derived from planners.contract.Planner")
    if inspect.isabstract(planner):
        raise PlannerError(f"planner {who!r}: {target} does not define plan(self, observation)")
    if planner.tracker not in TRACKERS:
        raise PlannerError(f"planner {who!r}: tracker is {planner.tracker!r}, expected one of {', '.join(TRACKERS)}")
    if planner.tracker == "perfect" and not planner.privileged:
        raise PlannerError(f"planner {who!r}: tracker 'perfect' is for privileged planners only, use 'lqr'")
    return planner


def _is_planner(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Planner) and value is not Planner


@contextlib.contextmanager
def _search(folder: str) -> Iterator[None]:
    """Search ``folder`` for modules as long as this lasts: after everything installed, so it can hide nothing."""
    if folder in sys.path:
        yield
        return
    sys.path.append(folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def _digest(planner: type[Planner], target: str, options: dict[str, Any], folder: str) -> str:
    digest = hashlib.sha256()

    def add(*parts: object) -> None:
        for part in parts:
            data = part if isinstance(part, bytes) else str(part).encode()
            digest.update(len(data).to_bytes(8, "little") + data)

    package = planner.__module__.partition(".")[0]
    add(target, json.dumps(options, sort_keys=True, default=str), "" if package == __package__ else _version(package))
    for file in _source_files(planner):
        add(file.name, file.read_bytes())
    for value in options.values():
        if isinstance(value, str) and Path(value).is_file():
            add(_file_hash(Path(value)))
        elif isinstance(value, str) and (source := _module_file(value, folder)) is not None:
            add(_file_hash(source))
    return digest.hexdigest()


def _module_file(text: str, folder: str) -> Path | None:
    """Source file of the module in ``my_module:MyAgent``, None where ``text`` names no module that is there."""
    module, colon, attribute = text.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), attribute)):
        return None
    with _search(folder):
        importlib.invalidate_caches()
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
    return Path(spec.origin) if spec is not None and spec.origin and Path(spec.origin).is_file() else None


def _source_files(planner: type[Planner]) -> list[Path]:
    """Files whose change may change the planner: those of its class and bases, and of the packages they are in."""
    files: set[Path] = set()
    for base in planner.__mro__:
        module = sys.modules.get(base.__module__)
        origin = getattr(module, "__file__", None)
        if not _is_planner(base) or origin is None:
            continue
        path = Path(origin)
        files |= {path} if "." not in base.__module__ else set(path.parent.glob("*.py"))
    return sorted(files, key=lambda file: (file.parent.name, file.name))


def _file_hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@functools.cache
def _version(package: str) -> str:
    names = importlib.metadata.packages_distributions().get(package, [])
    return " ".join(f"{name}=={importlib.metadata.version(name)}" for name in sorted(set(names)))
