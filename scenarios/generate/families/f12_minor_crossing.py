"""F12 minor crossing: from a stop or yield sign through or into two flows that have the right of way."""

from collections.abc import Mapping

import numpy as np

from drive.scene import AgentKind
from scenarios.generate.actors import Actor, draw_size, driving
from scenarios.generate.crossing_flow import DAWDLING, Passing, dawdle, draw_gaps, flow, insist
from scenarios.generate.crossroads import Crossroads, Shape, Wish, stage_crossroads, stander, surroundings
from scenarios.generate.junction import Control, Movement
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import COLLECTOR, RESIDENTIAL, ROOMY, draw_section
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.sight import build_up

CRITICAL = {Movement.THROUGH: 7.0, Movement.RIGHT: 6.8, Movement.LEFT: 7.8}  # s, with a second before and behind
PACE = 4.2  # m/s at the start where nobody has to stop: who keeps his speed comes with the others, not in the gap
STOPPING, EARLIER = 3.4, 4.2  # s: what a full stop at a sign costs; who has to stop comes sooner
INSISTING = 0.65  # share of the drivers on the major road who brake for nobody
KNOBS = {
    "shape": Knob(choices=(0, 0, 0, 1)),
    "turn": Knob(),
    "stop_sign": Knob(choices=(0, 0, 1)),
    "arrival": Knob(5.0, 7.5),
    "offset": Knob(-0.6, 0.0),
    "volume": Knob(300.0, 900.0),
    "quality": Knob(1.05, 1.6),
    "best_after": Knob(0.2, 1.4),
    "dawdler": Knob(),
    "lanes": Knob(choices=(1, 1, 1, 2)),
    "limit": Knob(choices=(8.33, 11.11, 11.11, 13.89)),
    "cyclist": Knob(),
    "sight": Knob(20.0, 100.0),
    "density": Knob(0.2, 0.9),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A crossing or T by whose minor leg the ego comes; a combined gap process of both flows with one gap to take."""
    rng = draws("sections")
    section = draw_section(RESIDENTIAL, rng, limit=8.33)
    lanes = int(knobs["lanes"])
    side = draw_section(COLLECTOR, rng, lanes=lanes, limit=knobs["limit"], gutter=ROOMY)
    shape = Shape.STEM if knobs["shape"] > 0.5 else Shape.CROSS
    turn = Movement.THROUGH if knobs["turn"] < 0.5 else Movement.LEFT if knobs["turn"] < 0.8 else Movement.RIGHT
    if shape is Shape.STEM and turn is Movement.THROUGH:
        turn = Movement.LEFT
    control = Control.STOP if knobs["stop_sign"] > 0.5 else Control.YIELD
    arrival = knobs["arrival"] - (EARLIER if control is Control.STOP else 0.0)
    wish = Wish(shape, control, turn, True, arrival)
    pace = 0.0 if control is Control.STOP else PACE
    cross = stage_crossroads(wish, RESIDENTIAL, section, side, draws, rest=(0.9, 1.8), pace=pace)
    if cross is None:
        return None
    cross = build_up(cross, knobs["sight"], 11.0)
    cast = draws("cast")
    legs = [leg for leg in (cross.leg(Movement.RIGHT), cross.leg(Movement.LEFT)) if leg is not None]
    options = {leg: [n for n in cross.movements(leg) if cross.movement(n) is Movement.THROUGH] for leg in legs}
    options = {leg: numbers for leg, numbers in options.items() if numbers}
    if not options:
        return None
    needed = CRITICAL[turn] + 0.5 * (lanes - 1)
    first = cross.meeting(next(iter(options.values()))[0])
    assert first is not None  # one of the movements that meet the ego's
    there = cross.ego_time(first[0][0])
    dawdles = knobs["dawdler"] < (0.2 if control is Control.STOP else 0.5)
    best = needed * knobs["quality"]
    # both flows together, as headways of one process
    median = float(np.clip(3600.0 / (2.0 * knobs["volume"]), 2.0, 0.39 * needed))
    stop = STOPPING if control is Control.STOP else 0.5
    times = draw_gaps(
        cast,
        there + knobs["offset"],
        21.0,
        median,
        0.45,
        0.55 * needed,
        best + (DAWDLING if dawdles else 0.0),
        there + stop + knobs["best_after"],
    )
    keys = sorted(options)
    passing = [Passing(int(cast.choice(options[keys[int(cast.integers(len(keys)))]])), time) for time in times]
    actors, times = flow(cross, passing, cast)
    before = [row for row, time in enumerate(times) if time < there + stop + knobs["best_after"] + 0.5]
    slow = (before[-1],) if dawdles and before else ()
    met = [row for row in before if times[row] > there - 1.0]  # by who drives on without a look
    actors, events = insist(actors, 0.95 * float(side.limit), INSISTING, cast, (*slow, *met))
    for row in slow:
        events += dawdle(row, times[row], float(side.limit))
    if knobs["cyclist"] < 0.25:
        actors += _cyclist(cross, keys[0], there + stop + float(cast.uniform(-1.0, 1.0)), cast)
    blocker = stander(cross, cast)
    actors += [] if blocker is None else [blocker]
    actors += surroundings(cross, draws, knobs["density"], tuple(legs))
    return cross.setting(
        actors,
        events,
        occlusion=True,
        slack=knobs["quality"],
        facts={
            "needed_gap": round(needed, 2),
            "best_gap": round(best, 2),
            "turn": turn.value,
            "control": control.value,
        },
    )


def _cyclist(cross: Crossroads, leg: int, time: float, rng: np.random.Generator) -> list[Actor]:
    """A cyclist on the major road, on the side of the road where one does not expect him."""
    numbers = [n for n in cross.movements(leg) if cross.movement(n) is Movement.THROUGH]
    if not numbers:
        return []
    way = cross.way_through(numbers[0])
    meeting = cross.meeting(numbers[0])
    assert meeting is not None  # one of the movements that meet the ego's
    speed = float(rng.uniform(3.5, 6.0))
    arc = meeting[1][0] - speed * (time + 5.0)
    wrong = -1.1 * cross.network.side
    actor = (
        driving(way, arc, speed, AgentKind.BICYCLE, draw_size(AgentKind.BICYCLE, rng), side=wrong, role="cyclist")
        if arc > 3.0
        else None
    )
    return [] if actor is None else [actor]


F12 = Family("F12", KNOBS, stage)
