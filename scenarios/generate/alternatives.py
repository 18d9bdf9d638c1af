"""Other valid drives through a generated scene: what else an expert could have done there.

Who learns from one drive per scene learns that there is one way. An alternative is the same scene with another
reference: a later or earlier decision, another side, a wait instead of a pass. It is rolled with the same reactive
traffic and passes the same checks; the others' tracks are those of that drive.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from drive.scene import Scenario
from drive.traffic import compile_traffic, start_traffic
from drive.vehicle import PACIFICA, Ego
from scenarios.generate.build import Rejected, build, check_reference, staged
from scenarios.generate.geometry import Float
from scenarios.generate.knobs import Recipe
from scenarios.generate.manoeuvres import first_row, straight_plan
from scenarios.generate.reference import drive, ego_task, path_states
from scenarios.generate.rolling import first_sample, roll_scenario
from scenarios.generate.search import MOTION_COLUMNS, SPACING, pose_at
from scenarios.generate.setting import Setting
from scenarios.generate.trial import rounded_states, stands_half_way, touching, with_future

MOST = 4
APART = 4.0  # m between two drives at some moment
CENTERED, ALIGNED = 0.02, 1e-3  # m, rad: the ego is on its line at the start


def alternatives(recipe: Recipe, scenario: Scenario | None = None) -> tuple[Scenario, ...]:
    """Up to four further scenarios of a recipe: other drives from the same start, each apart from all the others.

    ``scenario`` saves building the recipe's scene again. Their ids are the scene's with ``~`` and the manner of
    driving, which ``provenance["alternative"]`` names, too. There are none for an ego that changes lanes while the
    scene starts.

    Raises:
        ScenarioError: The recipe makes no scene.
    """
    scenario = build(recipe) if scenario is None else scenario
    setting = staged(recipe, int(scenario.provenance["attempt"]))
    if setting is None:
        return ()
    found: list[Scenario] = []
    drives = [scenario.reference[scenario.start :, :2]]
    for name, variant in _manners(setting):
        other = _driven(scenario, variant, name)
        if other is None:
            continue
        way = other.reference[other.start :, :2]
        if all(float(np.hypot(*(way - before).T).max()) > APART for before in drives):
            found.append(other)
            drives.append(way)
        if len(found) == MOST:
            break
    return tuple(found)


def _manners(setting: Setting) -> Iterator[tuple[str, Setting]]:
    """Manners of driving: settings that differ from the scene's in style and in what the ego may do."""
    style = setting.style
    eager = replace(
        style,
        progress=2.2 * style.progress,
        comfort=0.6 * style.comfort,
        headway=0.8 * style.headway,
        acceleration=min(1.2 * style.acceleration, 1.8),
    )
    patient = replace(style, progress=0.35 * style.progress, headway=1.4 * style.headway, gap=1.3 * style.gap)
    yield "eager", replace(setting, style=eager)
    yield "patient", replace(setting, style=patient, bearable=0.5)
    yield "calm", replace(setting, style=replace(style, factor=0.85 * style.factor, headway=1.2 * style.headway))
    if setting.beside and setting.lane_end is None and not setting.side:
        yield "in lane", replace(setting, beside=())
    for item in setting.beside:
        yield f"at {item.offset:.1f} m", replace(setting, style=eager, beside=(replace(item, price=0.0),))


def _driven(scenario: Scenario, setting: Setting, name: str) -> Scenario | None:
    """The scenario with another drive from its start on, or None where that is not a valid one."""
    beside = np.array([item.row() for item in setting.beside]).reshape(-1, 5)
    task = ego_task(setting.network, setting.cautious_way(), setting.style, scenario.lights, beside, setting.lane_end)
    first = scenario.reference[scenario.start]
    begin = _row_of(task.path, first)
    if begin is None:
        return None
    world = compile_traffic(scenario, "idm")
    motion = np.zeros((scenario.horizon + 1, MOTION_COLUMNS))
    motion[0] = begin
    others = first_sample(scenario, scenario.horizon)
    plan = straight_plan(float(begin[3]))
    drive(world, start_traffic(world, scenario), others, task, motion, setting.bearable, plan)
    states = rounded_states(path_states(task.path, motion))
    states[0] = first
    reference = np.concatenate((scenario.reference[: scenario.start], states))
    changed = replace(
        scenario,
        id=f"{scenario.id}~{name.replace(' ', '-')}",
        reference=reference,
        provenance={**scenario.provenance, "alternative": name},
    )
    final = roll_scenario(changed, world=world)
    if touching(final, states) or stands_half_way(motion):
        return None
    changed = with_future(changed, final)
    try:
        check_reference(changed)
    except Rejected:
        return None
    changed.validate()
    return changed


def _row_of(path: Float, state: Float) -> Float | None:
    """The motion row of an ego that is on a line beside its path; None if it is just crossing over."""
    arc = SPACING * float(np.hypot(path[:, 0] - state[Ego.X], path[:, 1] - state[Ego.Y]).argmin())
    for _ in range(4):
        x, y, heading, _bend = pose_at(path, arc)
        dx, dy = state[Ego.X] - x, state[Ego.Y] - y
        arc += dx * np.cos(heading) + dy * np.sin(heading)
    x, y, heading, bend = pose_at(path, arc)
    offset = (state[Ego.Y] - y) * np.cos(heading) - (state[Ego.X] - x) * np.sin(heading)
    turned = np.arctan2(np.sin(state[Ego.HEADING] - heading), np.cos(state[Ego.HEADING] - heading))
    steered = np.arctan(PACIFICA.wheelbase * bend / (1.0 - bend * offset))
    if abs(turned) > ALIGNED or abs(steered - state[Ego.STEERING]) > 0.02:
        return None
    row = first_row(arc, float(state[Ego.VX]), float(offset) if abs(offset) > CENTERED else 0.0)
    row[2] = state[Ego.AX]
    return row
