"""F19 occluded_vru: somebody darts out from between parked cars, from behind a van or bus, or out of a hedge, on foot,
after a ball, or on a bicycle.

The reference passes such places no faster than sight allows, in the twin too, where nobody comes.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from drive.map import Area, add_areas
from drive.scene import AgentKind
from scenarios.generate.actors import Actor, standing
from scenarios.generate.approach import Meeting, approach_of
from scenarios.generate.families.f19_comers import BALL, CYCLIST, WALKER, comers
from scenarios.generate.kerbside import (
    Street,
    draw_approach,
    draw_street,
    hedge,
    insist,
    kerb_setting,
    park_row,
    places,
    populate,
    sight_speed,
    street_of,
)
from scenarios.generate.knobs import Knob
from scenarios.generate.setting import Draws, Family, Setting

CARS, VAN, BUS, HEDGE = range(4)
SIZE = {VAN: (AgentKind.TRUCK, 5.6, 2.1), BUS: (AgentKind.BUS, 10.5, 2.55)}
SLOWEST = 4.0  # m/s: who creeps slower than that would never get through a street
WAIT_BEFORE = 2.6  # m: where one lets somebody cross
HANDLEBAR = 1.1  # m: through narrower gaps nobody rides
KNOBS = {
    "cover": Knob(choices=(CARS,) * 4 + (VAN,) * 2 + (BUS,) + (HEDGE,)),
    "arrival": Knob(5.0, 9.0),
    "lateral": Knob(0.05, 1.0),
    "speed": Knob(1.0, 3.0),
    "offset": Knob(-0.6, 0.4),
    "gap": Knob(0.5, 2.0),
    "behind": Knob(0.2, 0.9),
    "child": Knob(),
    "who": Knob(choices=(WALKER,) * 4 + (BALL,) + (CYCLIST,)),
    "road_class": Knob(choices=(0, 0, 1)),
    "bends": Knob(choices=(0, 1)),
    "density": Knob(0.2, 1.0),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A street with something to hide behind, passed 5 to 9 s after the start."""
    street = draw_street(draws, knobs, parking=int(knobs["cover"]) != HEDGE)
    drive = None if street is None else draw_approach(street, knobs["arrival"], draws)
    if street is None or drive is None:
        return None
    cast, events, caution, walls = _hide(street, street.meeting(drive), knobs, draws, 0)
    if walls:
        street = replace(street, network=replace(street.network, map=add_areas(street.network.map, walls)))
    far = street.beside(street.event, -(street.section.width + street.edge + 1.2))[:2]
    taken = np.concatenate((places(street, caution[0], caution[1] + 8.0, street.edge + 1.2), far[None]))
    actors = populate(street, drive, knobs, draws, cast, taken)
    setting = kerb_setting(street, drive, actors, events, WAIT_BEFORE)
    return replace(setting, caution=(caution,), facts={"sight_speed": round(caution[2], 2)})


def overlay(setting: Setting, arc: float, knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """The same at the kerb of somebody else's street, with parked cars or a van to hide behind."""
    street = street_of(setting, arc)
    cover = VAN if int(knobs["cover"]) in (VAN, BUS) else CARS
    if street is None:
        return None
    meeting = street.meeting(approach_of(setting))
    cast, events, caution, _ = _hide(street, meeting, dict(knobs) | {"cover": cover}, draws, len(setting.actors))
    return replace(
        setting,
        actors=[*setting.actors, *insist(cast)],
        events=[*setting.events, *events],
        occlusion=True,
        caution=(*setting.caution, caution),
        holds=(*setting.holds, street.event - WAIT_BEFORE),
    )


def _hide(
    street: Street, meeting: Meeting, knobs: Mapping[str, float], draws: Draws, index: int
) -> tuple[list[Actor], list[tuple[float, ...]], tuple[float, float, float], list[Area]]:
    """Cover and who is behind it (the last actor), their script, the stretch to pass with care, and walls."""
    if int(knobs["who"]) == CYCLIST:
        knobs = dict(knobs) | {"gap": max(knobs["gap"], HANDLEBAR)}
    rng, cover, gap = draws("cover"), int(knobs["cover"]), knobs["gap"]
    event, away = street.event, knobs["lateral"] * max(street.section.parking - 2.0, 0.3)
    begin, end = event - gap / 2, event + gap / 2
    before, after = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    actors: list[Actor] = []
    walls: list[Area] = []
    if cover == HEDGE:
        away = 0.15 + 0.5 * knobs["lateral"]
        walls = [hedge(street, begin - 28.0, begin, away), hedge(street, end, end + 20.0, away)]
        first = begin - 28.0
    elif cover == CARS:
        row, first = park_row(street, rng, begin, before, False, away)
        actors += row + park_row(street, rng, end, after, True, away)[0]
    else:
        kind, length, width = SIZE[cover]
        length *= float(rng.uniform(0.92, 1.08))
        pose = street.beside(begin - length / 2, street.edge + away + width / 2)
        actors.append(standing(kind, (length, width), pose, "parked"))
        row, first = park_row(street, rng, begin - length - 1.2, before - 1, False, away)
        actors += row
        gap = 2.0  # nobody stands on the other side
    found, events = comers(street, meeting, knobs, draws, index + len(actors), street.edge + away)
    cap = max(sight_speed(gap, street.edge + away), SLOWEST)
    return [*actors, *found], events, (first, event + 1.0, cap), walls


F19 = Family("F19", KNOBS, stage, overlay, twins=True)
