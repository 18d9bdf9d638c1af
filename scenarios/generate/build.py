"""From a recipe to a scenario: stage, warm up, drive the reference, roll the traffic, check, and draw again if need be."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drive.drivers import sample_drivers
from drive.errors import ScenarioError
from drive.geometry import box_corners
from drive.kernels.checks import overlapping
from drive.kernels.ground import compile_ground, inside
from drive.scene import DT, EVENT_COLUMNS, HISTORY_STEPS, Event, Lights, Paths, Scenario, Tracks, Trigger
from drive.traffic import compile_traffic, copy_traffic, start_traffic
from drive.vehicle import PACIFICA, Ego, center_from_rear_axle
from scenarios.generate.actors import Actor
from scenarios.generate.cues import draw_cues
from scenarios.generate.families import Draws, Family, Setting
from scenarios.generate.family_f01 import F01
from scenarios.generate.family_f18 import F18
from scenarios.generate.family_f26 import F26
from scenarios.generate.geometry import Float
from scenarios.generate.hardness import measure
from scenarios.generate.knobs import GENERATOR_VERSION, Recipe, draw_knobs, stream
from scenarios.generate.paths import at_arc
from scenarios.generate.reference import GOOD, Others, Task, drive, ego_task, path_states
from scenarios.generate.rolling import first_sample, roll_scenario
from scenarios.generate.signals import draw_lights
from scenarios.generate.timing import WARM_UP

FAMILY_BY_NAME: dict[str, Family] = {family.name: family for family in (F01, F18, F26)}
FAMILIES = tuple(FAMILY_BY_NAME)
ATTEMPTS = 16
REMOVALS = 5
FUTURE_STEPS = 150
WARM_STEPS = round(WARM_UP / DT)
STEPS = HISTORY_STEPS + FUTURE_STEPS + 1
LICENCE = "Apache-2.0"


class Rejected(Exception):
    """A draw that does not make a scene; the text names the check that it failed."""


def build(recipe: Recipe, funnel: Counter[str] | None = None) -> Scenario:
    """The scenario of a recipe: same recipe, same bytes.

    Draws that fail a check are replaced by the next of a fixed sequence of draws; ``funnel`` counts the reasons.

    Raises:
        ScenarioError: The family is unknown, or none of the draws made a scene.
    """
    if recipe.family not in FAMILY_BY_NAME:
        raise ScenarioError(f"scene family is {recipe.family!r}, expected one of {', '.join(FAMILIES)}")
    family = FAMILY_BY_NAME[recipe.family]
    knobs = draw_knobs(recipe, family.knobs)
    funnel = Counter() if funnel is None else funnel
    for attempt in range(ATTEMPTS):
        try:
            setting = family.stage(knobs, Draws(recipe, attempt))
            if setting is None:
                raise Rejected("geometry")
            scenario = _simulate(recipe, setting, knobs, attempt)
        except Rejected as reason:
            funnel[str(reason)] += 1
            continue
        funnel["accepted"] += 1
        return scenario
    raise ScenarioError(f"scene {recipe.id} of {recipe.namespace!r}: none of {ATTEMPTS} draws made a valid scene")


def _simulate(recipe: Recipe, setting: Setting, knobs: dict[str, float], attempt: int) -> Scenario:
    drivers = sample_drivers(
        np.array([actor.kind for actor in setting.actors], np.int8),
        stream(recipe, "drivers", attempt),
        setting.population,
    )
    for row, actor in enumerate(setting.actors):
        for column, value in actor.driver.items():
            drivers[row, column] = value
    lights = draw_lights(setting.network, WARM_STEPS + STEPS, stream(recipe, "lights", attempt))
    task = ego_task(setting.network, setting.way, setting.style, lights)
    kept = np.ones(len(setting.actors), np.bool_)
    for _ in range(REMOVALS):
        rows = np.flatnonzero(kept)
        outcome = _Trial(recipe, setting, rows, drivers, lights, task).run()
        if isinstance(outcome, Scenario):
            return _finish(outcome, recipe, setting, rows, knobs, attempt)
        guilty = [row for row in rows[outcome] if not setting.actors[row].critical]
        if not guilty:
            raise Rejected("critical actors touch")
        kept[guilty] = False
    raise Rejected("too many agents touch")


@dataclass(frozen=True)
class _Trial:
    """One try with the actors ``rows``: a scenario, or the agents (indices) that touch somebody and have to go."""

    recipe: Recipe
    setting: Setting
    rows: np.ndarray
    drivers: Float
    lights: Lights
    task: Task

    def run(self) -> "Scenario | list[int]":
        actors = [self.setting.actors[row] for row in self.rows]
        begin = np.array((self.setting.arc, self.setting.speed, 0.0))
        warm = self._warm_scenario(actors, begin)
        motion, others = self._drive(warm, begin, WARM_STEPS + HISTORY_STEPS)
        if touching := self._touching(others, motion):
            return touching
        history = slice(WARM_STEPS, WARM_STEPS + HISTORY_STEPS + 1)
        scenario = self._scenario(actors, others, history, motion)
        motion_after, rolled = self._drive(scenario, motion[-1], FUTURE_STEPS)
        reference = _rounded_states(
            path_states(self.task.path, np.concatenate((motion[WARM_STEPS:], motion_after[1:])))
        )
        scenario = _with_reference(scenario, reference)
        final = roll_scenario(scenario)
        if touching := self._touching(final, motion_after):
            return touching
        return _with_future(scenario, final)

    def _drive(self, scenario: Scenario, begin: Float, steps: int) -> tuple[Float, Others]:
        world = compile_traffic(scenario, "idm")
        state = start_traffic(world, scenario)
        others = first_sample(scenario, steps)
        motion = np.zeros((steps + 1, 3))
        motion[0] = begin
        drive(world, state, copy_traffic(state), others, self.task, motion, GOOD)
        return motion, others

    def _touching(self, others: Others, motion: Float) -> list[int]:
        """Agents that touch somebody or the ego, most recent first only where they are two."""
        center = center_from_rear_axle(path_states(self.task.path, motion), PACIFICA)
        position = np.concatenate((others.position, center[None, :, :2]))
        heading = np.concatenate((others.heading, center[None, :, 2]))
        size = np.concatenate((others.size, ((PACIFICA.length, PACIFICA.width),)))
        valid = np.concatenate((others.valid, np.ones((1, len(motion)), np.bool_)))
        hit = overlapping(position, heading, size, valid, 0, len(motion))
        if not hit.any():
            return []
        first = int(np.flatnonzero(hit.any(axis=0))[0])
        return [int(row) for row in np.flatnonzero(hit[:-1].any(axis=1) & (hit[:-1].argmax(axis=1) <= first + 10))]

    def _warm_scenario(self, actors: list[Actor], begin: Float) -> Scenario:
        """A scenario whose start is the beginning of the warm-up; scripts only hold actors where they are."""
        steps = WARM_STEPS + HISTORY_STEPS + 2
        pose = np.array([actor.pose for actor in actors]).reshape(-1, 3)
        speed = np.array([actor.speed for actor in actors])
        position = np.repeat(pose[:, None, :2], steps, axis=1)
        velocity = np.stack((speed * np.cos(pose[:, 2]), speed * np.sin(pose[:, 2])), axis=1)
        position[:, 0] -= DT * velocity
        reference = path_states(self.task.path, np.repeat(begin[None], steps, axis=0))
        reference[:, Ego.AX] = 0.0
        script = self._script()
        held = (script[:, Event.TRIGGER] == Trigger.TIME) & (script[:, Event.VALUE] <= 0.0)
        state = np.concatenate((self.lights.state[:, :1], self.lights.state[:, : steps - 1]), axis=1)
        return self._assemble(
            actors,
            position,
            np.repeat(pose[:, None, 2], steps, axis=1),
            np.repeat(velocity[:, None], steps, axis=1),
            np.ones((len(actors), steps), np.bool_),
            reference,
            1,
            replace(self.lights, state=np.ascontiguousarray(state)),
            script[held],
        )

    def _scenario(self, actors: list[Actor], others: Others, history: slice, motion: Float) -> Scenario:
        """The final scenario with its history; after the start everything stands still until it is rolled."""

        def held(values: np.ndarray) -> np.ndarray:
            past = values[:, history]
            return np.concatenate((past, np.repeat(past[:, -1:], FUTURE_STEPS, axis=1)), axis=1)

        states = _rounded_states(path_states(self.task.path, motion[history]))
        reference = np.concatenate((states, np.repeat(states[-1:], FUTURE_STEPS, axis=0)))
        lights = replace(self.lights, state=np.ascontiguousarray(self.lights.state[:, WARM_STEPS:]))
        return self._assemble(
            actors,
            np.round(held(others.position), 4),
            np.round(held(others.heading), 5),
            np.round(held(others.velocity), 4),
            held(others.valid),
            reference,
            HISTORY_STEPS,
            lights,
            self._script(),
        )

    def _script(self) -> Float:
        """Events of the actors that are left, with their new indices."""
        new = {int(row): number for number, row in enumerate(self.rows)}
        rows = [(new[int(event[0])], *event[1:]) for event in self.setting.events if int(event[0]) in new]
        return np.array(rows, np.float64).reshape(-1, EVENT_COLUMNS)

    def _assemble(  # type: ignore[no-untyped-def]
        self, actors, position, heading, velocity, valid, reference, start, lights, script
    ) -> Scenario:
        lengths = [len(actor.points) for actor in actors]
        setting = self.setting
        goal = at_arc(setting.way, setting.way.length - 20.0)
        recipe = self.recipe
        return Scenario(
            id=recipe.id,
            source="generated",
            family=recipe.family,
            group=recipe.group,
            origin=_origin(recipe),
            t0_us=0,
            start=start,
            map=setting.network.map,
            tracks=Tracks(
                ids=tuple(f"{actor.kind.name.lower()}-{row:03d}" for actor, row in zip(actors, self.rows, strict=True)),
                kind=np.array([actor.kind for actor in actors], np.int8),
                size=np.round(np.array([actor.size for actor in actors]).reshape(-1, 2), 3),
                position=position,
                heading=heading,
                velocity=velocity,
                valid=valid,
                cues=np.zeros(valid.shape, np.uint8),
            ),
            lights=lights,
            ego_vehicle=PACIFICA,
            route=np.array(setting.way.lanes, np.int32),
            goal=goal[:2],
            reference=reference,
            drivers=self.drivers[self.rows],
            script=script,
            paths=Paths(
                np.concatenate([np.zeros((0, 2)), *(actor.points for actor in actors)]),
                np.concatenate([np.zeros(0), *(actor.limit for actor in actors)]),
                np.concatenate(((0,), np.cumsum(lengths))).astype(np.int32),
            ),
            licence=LICENCE,
        )


def _rounded_states(states: Float) -> Float:
    """Ego states as they are stored: poses to 0.1 mm and 1e-5 rad, the rest to 1e-6."""
    rounded = np.round(states, 6)
    rounded[:, :2] = np.round(states[:, :2], 4)
    rounded[:, Ego.HEADING] = np.round(states[:, Ego.HEADING], 5)
    return rounded


def _with_reference(scenario: Scenario, reference: Float) -> Scenario:
    return replace(scenario, reference=reference)


def _with_future(scenario: Scenario, others: Others) -> Scenario:
    tracks, start = scenario.tracks, scenario.start
    position, heading = tracks.position.copy(), tracks.heading.copy()
    velocity, valid = tracks.velocity.copy(), tracks.valid.copy()
    position[:, start:] = np.round(others.position, 4)
    heading[:, start:] = np.round(others.heading, 5)
    velocity[:, start:] = np.round(others.velocity, 4)
    valid[:, start:] = others.valid
    return replace(scenario, tracks=replace(tracks, position=position, heading=heading, velocity=velocity, valid=valid))


def _finish(
    scenario: Scenario, recipe: Recipe, setting: Setting, rows: np.ndarray, knobs: dict[str, float], attempt: int
) -> Scenario:
    """Check the rolled scene, then add cues, hardness and provenance."""
    check_reference(scenario)
    actors = [setting.actors[row] for row in rows]
    tracks = replace(scenario.tracks, cues=draw_cues(scenario, actors, stream(recipe, "cues", attempt)))
    scenario = replace(scenario, tracks=tracks)
    hardness, events = measure(scenario, actors, setting)
    provenance: dict[str, Any] = {
        "generator": GENERATOR_VERSION,
        "namespace": recipe.namespace,
        "family": recipe.family,
        "index": recipe.index,
        "attempt": attempt,
        "knobs": {name: round(float(value), 6) for name, value in knobs.items()},
        "population": setting.population,
        "left_hand": setting.network.left_hand,
        "critical": [scenario.tracks.ids[row] for row, actor in enumerate(actors) if actor.critical],
        "roles": {scenario.tracks.ids[row]: actor.role for row, actor in enumerate(actors) if actor.critical},
        "removed": len(setting.actors) - len(actors),
        "events": events,
        "facts": dict(setting.facts),
    }
    scenario = replace(scenario, hardness=hardness, provenance=provenance)
    scenario.validate()
    return scenario


def check_reference(scenario: Scenario) -> None:
    """Raise :class:`Rejected` unless the reference is comfortable, moves, stays on the road and obeys red lights."""
    states = scenario.reference
    jerk = np.diff(states[:, Ego.AX]) / DT
    limits = (
        (states[:, Ego.AX], -3.6, 2.2),
        (states[:, Ego.AY], -3.2, 3.2),
        (jerk, -3.5, 3.5),
        (states[:, Ego.YAW_RATE], -0.8, 0.8),
        (states[:, Ego.YAW_ACCELERATION], -1.6, 1.6),
    )
    if any(values.min() < low or values.max() > high for values, low, high in limits):
        raise Rejected("reference uncomfortable")
    travelled = float(states[scenario.start :, Ego.VX].sum()) * DT
    if travelled < 20.0:
        raise Rejected("reference hardly moves")
    ground = compile_ground(scenario.map)
    center = center_from_rear_axle(states[::5], scenario.ego_vehicle)
    size = (scenario.ego_vehicle.length, scenario.ego_vehicle.width)
    corners = box_corners(center[:, :2], center[:, 2], size).reshape(-1, 2)
    if not all(inside(ground, x, y) for x, y in corners):
        raise Rejected("reference leaves the road")
    if ran_red(scenario):
        raise Rejected("reference runs a red light")


def ran_red(scenario: Scenario) -> bool:
    """True if the reference's front bumper passes the start of a connector on its route while that is red."""
    states, lights = scenario.reference, scenario.lights
    front = states[:, :2] + scenario.ego_vehicle.front * np.column_stack((np.cos(states[:, 2]), np.sin(states[:, 2])))
    for row, lane in enumerate(lights.lane):
        if lane not in scenario.route:
            continue
        heading = scenario.map.lane_centerline(int(lane))[0, 2]
        ahead = (front - lights.stop_point[row]) @ np.array((np.cos(heading), np.sin(heading)))
        near = np.hypot(*(front - lights.stop_point[row]).T) < 10.0
        passed = np.flatnonzero((ahead[:-1] < 0.0) & (ahead[1:] >= 0.0) & near[1:])
        if any(lights.state[row, step + 1] == 3 for step in passed):
            return True
    return False


def _origin(recipe: Recipe) -> Float:
    rng = stream(recipe, "origin")
    return np.round(rng.uniform((-5000.0, -5000.0, -np.pi), (5000.0, 5000.0, np.pi)), 3)
