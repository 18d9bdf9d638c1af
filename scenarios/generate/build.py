"""From a recipe to a scenario: stage, simulate, check, and draw again if need be."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from drive.drivers import POPULATIONS, Driver, sample_drivers
from drive.errors import ScenarioError
from drive.scene import DT, AgentKind, Lights, Scenario
from drive.scoring.collision import find_contacts
from drive.scoring.comfort import comfort_signals, first_discomfort
from drive.scoring.direction import direction_compliance, driven_against_lanes
from drive.scoring.ego_areas import locate_ego
from drive.scoring.motion import EgoMotion, agent_motion, ego_motion
from drive.scoring.off_road import first_off_road
from drive.scoring.red_light import first_red_crossing
from drive.scoring.scene_geometry import compile_geometry
from drive.scoring.time_to_collision import TTC_BOUND, time_to_collision
from drive.vehicle import Ego
from scenarios.generate.cues import announced, show_cues
from scenarios.generate.families import FAMILIES, FAMILY_BY_NAME
from scenarios.generate.hardness import measure
from scenarios.generate.knobs import GENERATOR_VERSION, Knob, Recipe, draw_knobs, stream
from scenarios.generate.reference import ego_path, ego_task
from scenarios.generate.search import Task
from scenarios.generate.setting import ATTEMPTS, TRAINING, Draws, Family, Setting
from scenarios.generate.signals import draw_lights
from scenarios.generate.timing import FUTURE, free_arc, free_drive
from scenarios.generate.trial import STEPS, WARM_STEPS, Rolled, Trial, apart

SUBSTITUTES = 30  # further points, where a recipe's own point makes no scene
REMOVALS = 5
LEAST_DRIVE = 25.0  # m
STANDING = 5.2  # times as far as a comfortable stop gets; below five, who only stops has made enough progress to score
STOPPING = 2.0  # m/s2
SETTLING = 0.8  # s of driving on that the jerk of comfortable braking costs
FAST_SHARE = 0.2  # scenes that may begin too fast for that
FAST_AFTER = 4  # draws that begin too fast, after which the next may
BEFORE_END = 10.0  # m of path that nobody reaches: one would brake for the end of the world


class Rejected(Exception):
    """A draw that does not make a scene; the text names the check that it failed."""


class TooFast(Rejected):
    """A draw in which braking to a standstill gets a fifth as far as the drive."""


def build(recipe: Recipe, funnel: Counter[str] | None = None, substitutes: int = SUBSTITUTES) -> Scenario:
    """The scenario of a recipe: same recipe, same bytes.

    Draws that fail a check are replaced by the next of a fixed sequence of draws; ``funnel`` counts the reasons. About
    one point of the knobs in thirty makes no scene at all, of some compositions every other: up to ``substitutes``
    random points then take its place, unless the recipe names its point.

    Raises:
        ScenarioError: The family is unknown, or none of the draws made a scene.
    """
    families = families_of(recipe)
    funnel = Counter() if funnel is None else funnel
    # the twin of a scene is that scene: of the same draw, not of the first that works without the hazard
    hazard = build(replace(recipe, twin=False), substitutes=substitutes) if recipe.twin else None
    begin = hazard.provenance["attempt"] if hazard is not None else 0
    # some scenes of every family keep their fast beginning, and so does one whose draws are all fast
    fast = hazard is not None or float(stream(recipe, "standing").random()) < FAST_SHARE
    points = 1 + begin // ATTEMPTS if recipe.twin or recipe.point else 1 + substitutes
    attempts = points * ATTEMPTS
    for attempt in range(begin, attempts):
        if attempt == begin or attempt % ATTEMPTS == 0:
            knobs, too_fast = _knobs(recipe, families, attempt), 0
        try:
            setting = _stage(recipe, families, knobs, attempt)
            if setting is None:
                raise Rejected("geometry")
            if setting.network.unusual and recipe.namespace.startswith(TRAINING):
                raise Rejected("layout kept for tests")
            scenario = _simulate(recipe, setting, knobs, attempt, hazard, fast or too_fast >= FAST_AFTER)
        except Rejected as reason:
            funnel[str(reason)] += 1
            too_fast += isinstance(reason, TooFast)
            continue
        funnel["accepted"] += 1
        return scenario
    raise ScenarioError(f"scene {recipe.id} of {recipe.namespace!r}: none of {attempts} draws made a valid scene")


def staged(recipe: Recipe, attempt: int) -> Setting | None:
    """The setting that one attempt at a recipe stages; that of a finished scene is ``provenance["attempt"]``."""
    families = families_of(recipe)
    return _stage(recipe, families, _knobs(recipe, families, attempt), attempt)


def restage(scenario: Scenario) -> tuple[Setting, Task]:
    """The setting of a generated scene, and the task of its reference in the scene's own time.

    Raises:
        ScenarioError: The scene is not generated, or was made by another version of the generator.
    """
    facts = scenario.provenance
    if scenario.source != "generated" or facts.get("generator") != GENERATOR_VERSION:
        raise ScenarioError(f"scene {scenario.id!r} does not come from version {GENERATOR_VERSION} of the generator")
    setting = staged(recipe_of(scenario), facts["attempt"])
    if setting is None:
        raise ScenarioError(f"scene {scenario.id!r} cannot be staged again: its recipe gives no setting")
    return setting, _task(setting, scenario.lights)


def recipe_of(scenario: Scenario) -> Recipe:
    """The recipe that a generated scene was made from."""
    facts = scenario.provenance
    return Recipe(facts["family"], facts["index"], facts["namespace"], facts["twin"], tuple(facts.get("point", ())))


def families_of(recipe: Recipe) -> tuple[Family, ...]:
    """The family of a recipe, or the two that a composition is made of.

    Raises:
        ScenarioError: There is no such family, it has no twins, or the second one cannot be laid over another's road.
    """
    names = recipe.family.split("+")
    for name in names:
        if name not in FAMILY_BY_NAME:
            raise ScenarioError(f"scene family is {name!r}, expected one of {', '.join(FAMILIES)}")
    families = tuple(FAMILY_BY_NAME[name] for name in names)
    if len(families) > 2 or any(family.overlay is None for family in families[1:]):
        able = ", ".join(name for name, family in FAMILY_BY_NAME.items() if family.overlay is not None)
        raise ScenarioError(f"composition {recipe.family!r}: expected two families, the second one of {able}")
    if recipe.twin and not families[0].twins:
        raise ScenarioError(f"scene family {recipe.family!r} has no twins without hazard")
    return families


def _knobs(recipe: Recipe, families: tuple[Family, ...], attempt: int) -> dict[str, float]:
    knobs = {name: knob for family in families for name, knob in _named(family, families)}
    return draw_knobs(recipe, knobs, attempt // ATTEMPTS)


def _task(setting: Setting, lights: Lights) -> Task:
    beside = np.array([item.row() for item in setting.beside]).reshape(-1, 5)
    task = ego_task(setting.network, setting.cautious_way(), setting.style, lights, beside, setting.lane_end)
    return task._replace(
        holds=np.array(sorted({*task.holds, *setting.holds}), np.float64),
        boxes=np.concatenate((task.boxes, np.array(setting.keep_clear, np.float64).reshape(-1, 2))),
    )


def _named(family: Family, families: tuple[Family, ...]) -> list[tuple[str, Knob]]:
    """Knobs of a family under the names they have in a recipe; those of a composition carry their family's name."""
    if len(families) == 1:
        return list(family.knobs.items())
    own = {**family.knobs, **families[1].beneath.get(family.name, {})} if family is families[0] else family.knobs
    return [(f"{family.name}.{name}", knob) for name, knob in own.items()]


def _stage(recipe: Recipe, families: tuple[Family, ...], knobs: dict[str, float], attempt: int) -> Setting | None:
    """The setting of the first family, with the event of the second one 4 to 8 s further on."""
    first, draws = families[0], Draws(recipe, attempt)
    if len(families) == 1:
        return first.stage(knobs, draws)
    own, other = (
        {name.removeprefix(f"{family.name}."): knobs[name] for name, _ in _named(family, families)}
        for family in families
    )
    setting = first.stage(own, draws)
    if setting is None or setting.event is None or families[1].overlay is None:
        return None
    event = setting.event
    if setting.slack is not None:  # the second family's actors are measured by themselves
        setting = replace(setting, decided=tuple(setting.actors))
    path = ego_path(setting.way, setting.style)
    later = free_arc(path, event, float(draws("composition").uniform(4.0, 8.0)))
    return families[1].overlay(setting, later, other, Draws(recipe, attempt, f"{families[1].name}."))


def _simulate(
    recipe: Recipe, setting: Setting, knobs: dict[str, float], attempt: int, hazard: Scenario | None, fast: bool
) -> Scenario:
    events = announced(setting.actors, setting.events, stream(recipe, "cues", attempt))
    setting = replace(setting, events=events)
    population = setting.population or _population(recipe)
    drivers = sample_drivers(
        np.array([actor.kind for actor in setting.actors], np.int8), stream(recipe, "drivers", attempt), population
    )
    for row, actor in enumerate(setting.actors):
        for column, value in actor.driver.items():
            drivers[row, column] = value
    drivers[:, Driver.SPEED_FACTOR] = np.minimum(drivers[:, Driver.SPEED_FACTOR], _within_reach(setting))
    path = ego_path(setting.cautious_way(), setting.style)
    driven, speed = free_drive(path, setting.arc, setting.speed, FUTURE, setting.rest)
    if not fast:
        _check_standing(driven, speed, 0.6)
    lights = draw_lights(setting.network, WARM_STEPS + STEPS, stream(recipe, "lights", attempt), setting.signals)
    task = _task(setting, lights)
    kept = apart(setting)
    if hazard is not None and hazard.provenance["attempt"] == attempt:  # who was in the way there is missing here too
        present = {int(name.rsplit("-", 1)[1]) for name in hazard.tracks.ids}
        kept &= np.array([row in present for row in range(len(kept))], np.bool_)
    for _ in range(REMOVALS):
        rows = np.flatnonzero(kept)
        outcome = Trial(recipe, setting, rows, drivers, lights, task).run()
        if isinstance(outcome, Rolled):
            return _finish(outcome, recipe, setting, rows, knobs, attempt, fast)
        guilty = [row for row in rows[outcome] if not setting.actors[row].critical]
        if not guilty:
            raise Rejected("critical actors touch")
        kept[guilty] = False
    raise Rejected("too many agents touch")


def _finish(
    rolled: Rolled,
    recipe: Recipe,
    setting: Setting,
    rows: np.ndarray,
    knobs: dict[str, float],
    attempt: int,
    fast: bool,
) -> Scenario:
    """Check the rolled scene, then add cues, hardness and provenance."""
    scenario = rolled.scenario
    check_reference(scenario)
    if rolled.half_way:
        raise Rejected("reference: does not get past")
    if rolled.unlawful:
        raise Rejected("reference: does not give way")
    speed = scenario.reference[scenario.start :, Ego.VX]
    if not fast:
        gathering = max(float(scenario.reference[scenario.start, Ego.AX]), 0.0)
        _check_standing(float(speed.sum()) * DT, float(speed[0]), gathering)
    actors = [setting.actors[row] for row in rows]
    tracks = replace(scenario.tracks, cues=show_cues(scenario))
    scenario = replace(scenario, tracks=tracks)
    hardness, events = measure(scenario, actors, setting, rolled.world)
    if not events and any(actor.critical for actor in actors):
        raise Rejected("event: does not happen")
    provenance: dict[str, Any] = {
        "generator": GENERATOR_VERSION,
        "namespace": recipe.namespace,
        "family": recipe.family,
        "index": recipe.index,
        "attempt": attempt,
        **({"point": list(recipe.point)} if recipe.point else {}),
        "knobs": {name: round(float(value), 6) for name, value in knobs.items()},
        "population": setting.population or _population(recipe),
        "left_hand": setting.network.left_hand,
        "unusual": setting.network.unusual,
        "twin": recipe.twin,
        "critical": [scenario.tracks.ids[row] for row, actor in enumerate(actors) if actor.critical],
        "roles": {scenario.tracks.ids[row]: actor.role for row, actor in enumerate(actors) if actor.critical},
        "removed": len(setting.actors) - len(actors),
        "leaves_lane": bool(setting.beside),
        "events": events,
        "facts": dict(setting.facts),
    }
    scenario = replace(scenario, hardness=hardness, provenance=provenance)
    scenario.validate()
    return scenario


def _within_reach(setting: Setting) -> np.ndarray:
    """The speed factor ``[A]`` with which each vehicle does not come to the end of its path within the scene."""
    found = np.full(len(setting.actors), np.inf)
    duration = (WARM_STEPS + STEPS) * DT
    for row, actor in enumerate(setting.actors):
        if actor.kind < AgentKind.PEDESTRIAN and len(actor.points) > 1:
            begin = np.argmin(np.hypot(*(actor.points - actor.pose[:2]).T))
            left = float(np.hypot(*np.diff(actor.points[begin:], axis=0).T).sum()) - BEFORE_END
            found[row] = max(left, 1.0) / (duration * float(actor.limit[begin:].max()))
    return found


def _population(recipe: Recipe) -> str:
    """Drivers of a scene: training meets four populations, everything else those that training never meets, too."""
    known = POPULATIONS[:4] if recipe.namespace.startswith(TRAINING) else POPULATIONS
    return str(stream(recipe, "population").choice(known))


def _check_standing(driven: float, speed: float, gathering: float) -> None:
    """Raise :class:`TooFast` where braking to a standstill from ``speed`` [m/s] gets a fifth as far as the drive.

    A car that is ``gathering`` speed [m/s2] takes longer until it brakes in earnest.
    """
    if driven < STANDING * (speed**2 / (2.0 * STOPPING) + speed * (SETTLING + 0.45 * gathering)):
        raise TooFast("reference: standing still gets a fifth as far")


def check_reference(scenario: Scenario) -> None:
    """Raise :class:`Rejected` unless the reference is a drive to measure others by.

    It is comfortable, moves, touches nobody, keeps a second to collision, stays on the road, in its direction and
    before red lights: the factors of the drive score, computed by the functions that score planners.
    """
    states = scenario.reference
    limits = (
        ("acceleration", states[:, Ego.AX], -3.6, 2.2),
        ("lateral acceleration", states[:, Ego.AY], -3.2, 3.2),
        ("jerk", np.diff(states[:, Ego.AX]) / DT, -3.5, 3.5),
        ("yaw rate", states[:, Ego.YAW_RATE], -0.8, 0.8),
        ("yaw acceleration", states[:, Ego.YAW_ACCELERATION], -1.6, 1.6),
    )
    for name, values, low, high in limits:
        if values.min() < low or values.max() > high:
            raise Rejected(f"reference: {name}")
    if float(states[scenario.start :, Ego.VX].sum()) * DT < LEAST_DRIVE:
        raise Rejected("reference: hardly moves")
    ego = check_safe(scenario)
    if first_discomfort(comfort_signals(ego)) is not None:
        raise Rejected("reference: comfort")


def check_safe(scenario: Scenario) -> EgoMotion:
    """The part of :func:`check_reference` about others, the road and its lights; what the ego did."""
    start, tracks = scenario.start, scenario.tracks
    geometry = compile_geometry(scenario)
    ego = ego_motion(scenario.reference[start:], scenario.ego_vehicle)
    agents = agent_motion(
        tracks.position[:, start:],
        tracks.heading[:, start:],
        tracks.velocity[:, start:],
        tracks.valid[:, start:],
        tracks.size,
        tracks.kind,
    )
    areas = locate_ego(ego, geometry)
    contacts = find_contacts(ego, agents, areas)
    if (contacts.step >= 0).any():
        raise Rejected("reference: contact")
    if first_off_road(areas) is not None:
        raise Rejected("reference: off the road")
    if first_red_crossing(ego.bumper, geometry.stop_lines) is not None:
        raise Rejected("reference: red light")
    if time_to_collision(ego, agents, areas, contacts).time.min() <= TTC_BOUND:
        raise Rejected("reference: time to collision")
    against = driven_against_lanes(ego, areas, geometry.lanes.borrow_allowed)
    if direction_compliance(against) < 1.0:
        raise Rejected("reference: direction")
    return ego
