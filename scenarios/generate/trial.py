"""One try at a scene: warm-up, history, search for the reference, final roll of the traffic."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drive.kernels.checks import overlapping
from drive.scene import DT, EVENT_COLUMNS, HISTORY_STEPS, Event, Lights, Paths, Scenario, Tracks, Trigger
from drive.traffic import TrafficWorld, compile_traffic, start_traffic
from drive.vehicle import PACIFICA, Ego, center_from_rear_axle
from scenarios.generate.actors import Actor
from scenarios.generate.geometry import Float, offset
from scenarios.generate.knobs import Recipe, stream
from scenarios.generate.manoeuvres import first_row, straight_plan
from scenarios.generate.paths import at_arc
from scenarios.generate.reference import drive, path_states
from scenarios.generate.rolling import first_sample, roll_scenario
from scenarios.generate.search import MOTION_COLUMNS, Others, Task
from scenarios.generate.setting import Setting
from scenarios.generate.timing import FUTURE, WARM_UP

FUTURE_STEPS = round(FUTURE / DT)
WARM_STEPS = round(WARM_UP / DT)
STEPS = HISTORY_STEPS + FUTURE_STEPS + 1
LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Rolled:
    """A scenario without checks, its compiled traffic, whether its reference ends half way round something, and whether
    it does not give way where it has to."""

    scenario: Scenario
    world: TrafficWorld
    half_way: bool
    unlawful: bool


def apart(setting: Setting) -> NDArray[np.bool_]:
    """Which actors stay ``[A]`` so that nobody begins inside anybody else or the ego; earlier and critical ones do."""
    count = len(setting.actors)
    axle = offset(at_arc(setting.way, setting.arc)[None], setting.side)
    ego = center_from_rear_axle(axle[:, :3], PACIFICA)
    pose = np.concatenate((np.array([actor.pose for actor in setting.actors]).reshape(-1, 3), ego))
    size = np.array([*(actor.size for actor in setting.actors), (PACIFICA.length, PACIFICA.width)]) + 0.05
    kept = np.zeros(count + 1, np.bool_)
    kept[count] = True
    order = sorted(range(count), key=lambda row: (not (setting.actors[row].critical or setting.actors[row].first), row))
    for row in order:
        pair = np.append(np.flatnonzero(kept & (np.hypot(*(pose[:, :2] - pose[row, :2]).T) < 20.0)), row)
        hit = overlapping(
            pose[pair, None, :2], pose[pair, None, 2], size[pair], np.ones((len(pair), 1), np.bool_), 0, 1
        )
        kept[row] = not hit[-1, 0]
    return kept[:count]


def touching(others: Others, ego: Float) -> list[int]:
    """Agents that touch somebody or the ego ``[K+1, 11]``, from the moment of the first touch to a second later."""
    center = center_from_rear_axle(ego, PACIFICA)
    position = np.concatenate((others.position, center[None, :, :2]))
    heading = np.concatenate((others.heading, center[None, :, 2]))
    size = np.concatenate((others.size, ((PACIFICA.length, PACIFICA.width),)))
    valid = np.concatenate((others.valid, np.ones((1, len(ego)), np.bool_)))
    hit = overlapping(position, heading, size, valid, 0, len(ego))
    if not hit.any():
        return []
    first = int(np.flatnonzero(hit.any(axis=0))[0])
    return [int(row) for row in np.flatnonzero(hit[:-1].any(axis=1) & (hit[:-1].argmax(axis=1) <= first + 10))]


@dataclass(frozen=True)
class Trial:
    """One try to make a scenario of a setting, with those of its actors that ``rows`` names.

    ``drivers`` and ``lights`` are those of all actors and of the time from the beginning of the warm-up.
    """

    recipe: Recipe
    setting: Setting
    rows: np.ndarray
    drivers: Float
    lights: Lights
    task: Task

    def run(self) -> "Rolled | list[int]":
        """Warm up, drive, roll: the scenario, or the agents (positions in ``rows``) that touch somebody and have to
        go."""
        actors = [self.setting.actors[row] for row in self.rows]
        begin = first_row(self.setting.arc, self.setting.speed, self.setting.side)
        warm = self._warm_scenario(actors, begin)
        stay = straight_plan(self.setting.side)
        rest, steps = round(self.setting.rest / DT), WARM_STEPS + HISTORY_STEPS
        motion, others, plan, _ = self._drive(warm, compile_traffic(warm, "idm"), begin, steps, stay, rest)
        if guilty := touching(others, path_states(self.task.path, motion)):
            return guilty
        history = slice(WARM_STEPS, WARM_STEPS + HISTORY_STEPS + 1)
        scenario = self._scenario(actors, others, history, motion)
        world = compile_traffic(scenario, "idm")
        motion_after, _, _, unlawful = self._drive(scenario, world, motion[-1], FUTURE_STEPS, plan)
        reference = rounded_states(path_states(self.task.path, np.concatenate((motion[WARM_STEPS:], motion_after[1:]))))
        _forget_the_future(reference)
        scenario = replace(scenario, reference=reference)
        final = roll_scenario(scenario, world=world)
        if guilty := touching(final, path_states(self.task.path, motion_after)):
            return guilty
        held_up = stands_half_way(motion_after) or self._held_up(motion_after)
        return Rolled(with_future(scenario, final), world, held_up, unlawful > 0.0)

    def _drive(
        self, scenario: Scenario, world: TrafficWorld, begin: Float, steps: int, plan: Float, rest: int = 0
    ) -> tuple[Float, Others, Float, float]:
        state = start_traffic(world, scenario)
        others = first_sample(scenario, steps)
        motion = np.zeros((steps + 1, MOTION_COLUMNS))
        motion[0] = begin
        setting = self.setting
        plan, unlawful = drive(world, state, others, self.task, motion, setting.bearable, plan, rest, setting.foresight)
        return motion, others, plan, unlawful

    def _held_up(self, motion: Float) -> bool:
        """True if the drive never gets past what a stretch beside its lane leads round, or stays where it began beside
        that lane."""
        leave = max((item.end for item in self.setting.beside if item.offset * self.setting.side > 0.0), default=0.0)
        return bool(motion[-1, 0] < leave) or any(
            item.clear is not None and motion[-1, 0] < item.clear for item in self.setting.beside
        )

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

        states = rounded_states(path_states(self.task.path, motion[history]))
        reference = np.concatenate((states, np.repeat(states[-1:], FUTURE_STEPS, axis=0)))
        lights = replace(self.lights, state=np.ascontiguousarray(self.lights.state[:, WARM_STEPS:]))
        return self._assemble(
            actors,
            np.round(held(others.position), 4),
            np.round(held(others.heading), 5),
            np.round(held(others.velocity), 4) + 0.0,  # there is one zero only
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
            goal=np.round(goal[:2], 4),
            reference=reference,
            drivers=np.round(self.drivers[self.rows], 6),
            script=np.round(script, 4),
            paths=Paths(
                np.round(np.concatenate([np.zeros((0, 2)), *(actor.points for actor in actors)]), 4),
                np.round(np.concatenate([np.zeros(0), *(actor.limit for actor in actors)]), 4),
                np.concatenate(((0,), np.cumsum(lengths))).astype(np.int32),
            ),
            occlusion=setting.occlusion,
            licence=LICENCE,
        )


def stands_half_way(motion: Float) -> bool:
    """True if a drive ``[K+1, 6]`` ends at rest, turned away from the line of its lane."""
    return bool(motion[-1, 1] < 0.5 and abs(motion[-1, 4]) > 0.03)


def _forget_the_future(reference: Float) -> None:
    """Rates of change at the start from what came before it: the first frame must not know how the drive goes on."""
    now = HISTORY_STEPS
    for rate, value in ((Ego.AX, Ego.VX), (Ego.STEERING_RATE, Ego.STEERING), (Ego.YAW_ACCELERATION, Ego.YAW_RATE)):
        reference[now, rate] = np.round((reference[now, value] - reference[now - 1, value]) / DT, 6)


def rounded_states(states: Float) -> Float:
    """Ego states as they are stored: poses to 0.1 mm and 1e-5 rad, the rest to 1e-6."""
    rounded = np.round(states, 6)
    rounded[:, :2] = np.round(states[:, :2], 4)
    rounded[:, Ego.HEADING] = np.round(states[:, Ego.HEADING], 5)
    return rounded


def with_future(scenario: Scenario, others: Others) -> Scenario:
    """The scenario with what the others do from its start on."""
    tracks, start = scenario.tracks, scenario.start
    position, heading = tracks.position.copy(), tracks.heading.copy()
    velocity, valid = tracks.velocity.copy(), tracks.valid.copy()
    position[:, start:] = np.round(others.position, 4)
    heading[:, start:] = np.round(others.heading, 5)
    velocity[:, start:] = np.round(others.velocity, 4) + 0.0
    valid[:, start:] = others.valid
    return replace(scenario, tracks=replace(tracks, position=position, heading=heading, velocity=velocity, valid=valid))


def _origin(recipe: Recipe) -> Float:
    rng = stream(recipe, "origin")
    return np.round(rng.uniform((-5000.0, -5000.0, -np.pi), (5000.0, 5000.0, np.pi)), 3)
