"""The manifest of a run: what was asked for and under which circumstances, so that a run can be resumed and checked."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drive.errors import RunError
from evaluation.rules import RuleRecord
from evaluation.suite import SceneRef
from scenarios.openscene.windows import SceneFilter

SCHEMA = "run/1"


class Unit(NamedTuple):
    """One unit of work; unique within a run."""

    planner: str
    scenario: str
    seed: int

    def __str__(self) -> str:
        return f"{self.planner} on {self.scenario} (seed {self.seed})"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(_Model):
    """What decides, together with scene and planner, how a unit ends."""

    protocol: Literal["closed-loop", "navsim", "nuplan", "two-stage"] = "closed-loop"
    traffic: Literal["log", "idm", "constant_velocity"]
    replan_interval: float = 0.5
    seed: int = 0
    seeds: int = Field(default=1, ge=1)


class SuiteRecord(_Model):
    """The suite as it was resolved. Its ``data`` and ``maps`` may move, the scenes' keys may not change."""

    name: str
    source: str
    data: str | None
    digest: str
    scenes: tuple[SceneRef, ...]
    maps: str | None = None
    scene_filter: SceneFilter | None = None


class PlannerRecord(_Model):
    """A planner as it ran; ``digest`` covers its code, options and weights."""

    name: str
    digest: str
    privileged: bool
    tracker: str


class Manifest(_Model):
    """``manifest.json``. ``digest`` covers everything else, so that an edit by hand is noticed."""

    schema_: Literal["run/1"] = Field(default="run/1", alias="schema")
    settings: Settings
    suite: SuiteRecord
    planners: tuple[PlannerRecord, ...]
    metric_versions: Mapping[str, str]
    rules: tuple[RuleRecord, ...] = ()
    fingerprint: Mapping[str, str]
    digest: str = ""

    def units(self) -> Iterator[tuple[Unit, SceneRef]]:
        """Every unit of the run, planner by planner, scenes in the order of the suite."""
        for planner in self.planners:
            for seed in range(self.settings.seed, self.settings.seed + self.settings.seeds):
                for scene in self.suite.scenes:
                    yield Unit(planner.name, scene.id, seed), scene

    def definition(self, planner: PlannerRecord, scene: SceneRef) -> str:
        """Hash of what a unit's score means: scene, traffic, tracker, replan interval and metric versions."""
        parts = {
            "scene": scene.key,
            "protocol": self.settings.protocol,
            "traffic": self.settings.traffic,
            "replan_interval": self.settings.replan_interval,
            "tracker": planner.tracker,
            "metrics": dict(self.metric_versions),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def computed_digest(self) -> str:
        """What ``digest`` should be."""
        content = self.model_dump(mode="json", by_alias=True, exclude={"digest"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> bytes:
        """The file's content, with a fresh digest."""
        content = self.model_dump(mode="json", by_alias=True) | {"digest": self.computed_digest()}
        return json.dumps(content, indent=1).encode() + b"\n"


def read_manifest(content: bytes, name: str) -> Manifest:
    """Parse a manifest; raise :class:`RunError` with one sentence on what is wrong in the file ``name``."""
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise RunError(f"{name} is damaged or of another version: {where}: {first['msg']}") from None


@dataclass(frozen=True)
class _Difference:
    field: str
    before: object
    now: object


def merge(old: Manifest, new: Manifest, name: str) -> Manifest:
    """The manifest of a run resumed with ``new``: planners may be added, nothing else may differ.

    Raises:
        RunError: A field differs; the sentence names it with both values.
    """
    for difference in _differences(old, new):
        raise RunError(
            f"{name} was made with other settings: {difference.field} was {difference.before}, now it is "
            f"{difference.now}; use another --out, or repeat the command with the old value"
        )
    known = {planner.name for planner in old.planners}
    return old.model_copy(
        update={"planners": (*old.planners, *(item for item in new.planners if item.name not in known))}
    )


def _differences(old: Manifest, new: Manifest) -> Iterator[_Difference]:
    if old.suite.name != new.suite.name:
        yield _Difference("suite", old.suite.name, new.suite.name)
    for name in Settings.model_fields:
        before, now = getattr(old.settings, name), getattr(new.settings, name)
        if before != now:
            yield _Difference(name, before, now)
    yield from _compare("the environment ({})", old.fingerprint, new.fingerprint)
    yield from _compare("the version of metric {}", old.metric_versions, new.metric_versions)
    before_rules, now_rules = ({item.name: item.digest[:12] for item in one.rules} for one in (old, new))
    yield from _compare("the rule set {}", before_rules, now_rules)
    before_scenes = {scene.id: scene for scene in old.suite.scenes}
    now_scenes = {scene.id: scene for scene in new.suite.scenes}
    if before_scenes.keys() != now_scenes.keys():
        yield _Difference("number of scenes", *_counts(before_scenes, now_scenes))
    for identity, scene in before_scenes.items():
        if scene.key != now_scenes[identity].key:
            yield _Difference(f"the content of scene {identity}", scene.key[:12], now_scenes[identity].key[:12])
    before_planners = {planner.name: planner for planner in old.planners}
    for planner in new.planners:
        known = before_planners.get(planner.name, planner)
        if known != planner:
            yield _Difference(f"the code, options or weights of planner {planner.name}", *_short(known, planner))


def _compare(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[_Difference]:
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield _Difference(what.format(name), old.get(name, "absent"), new.get(name, "absent"))


def _counts(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, str]:
    gone, added = sorted(before.keys() - now.keys()), sorted(now.keys() - before.keys())
    detail = "; ".join(
        f"{word} {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
        for word, names in (("without", gone), ("with", added))
        if names
    )
    return str(len(before)), f"{len(now)} ({detail})"


def _short(before: PlannerRecord, now: PlannerRecord) -> tuple[str, str]:
    return before.digest[:12], now.digest[:12]
