"""F16 violator: the ego has the right of way, and somebody who has not comes through - or stops after all."""

from collections.abc import Mapping

from drive.scene import LightState
from scenarios.generate.crossroads import Shape, Wish, stage_crossroads, surroundings
from scenarios.generate.junction import Control, Movement
from scenarios.generate.knobs import Knob
from scenarios.generate.layout import ARTERIAL, COLLECTOR, draw_section
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.sight import build_up
from scenarios.generate.signals import SignalPlan
from scenarios.generate.timing import RUN_IN
from scenarios.generate.violators import arrival_offset, violate

ACROSS, FEINTS = 0.45, 0.7  # share of those who turn across, and of the others who first slow down as if to stop
PACE = 6.7  # m/s at the start: not much slower than the road, or who keeps that speed meets nobody
KNOBS = {
    "hazard": Knob(choices=(0, *(1,) * 15)),
    "feint": Knob(),
    "from_left": Knob(choices=(0, 1)),
    "oncoming": Knob(),
    "signal": Knob(choices=(0, 1, 1)),
    "arrival": Knob(5.5, 7.5),
    "offset": Knob(),
    "speed": Knob(8.0, 17.0),
    "brakes": Knob(),
    "lanes": Knob(choices=(1, 1, 2)),
    "lane": Knob(),
    "limit": Knob(choices=(8.33, 8.33, 8.33, 8.33, 11.11)),  # m/s: near PACE
    "sight": Knob(15.0, 60.0),
    "density": Knob(0.2, 1.0),
}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A green light or a priority road, and one vehicle from the side (or turning across) that should wait."""
    rng = draws("sections")
    lanes = int(knobs["lanes"])
    road = COLLECTOR if lanes == 1 else ARTERIAL
    section = draw_section(road, rng, lanes=lanes, limit=knobs["limit"])
    wanted = min((8.33, 11.11, 13.89), key=lambda limit: abs(limit - 0.9 * knobs["speed"]))
    side = draw_section(COLLECTOR, rng, lanes=1, limit=wanted)
    signal = knobs["signal"] > 0.5
    control = Control.SIGNAL if signal else Control.STOP
    wish = Wish(Shape.CROSS, control, Movement.THROUGH, False, knobs["arrival"], crosswalks=rng.random() < 0.4)
    cross = stage_crossroads(wish, road, section, side, draws, lane=knobs["lane"], rest=(0.0, 0.8), pace=PACE)
    if cross is None:
        return None
    cross = build_up(cross, knobs["sight"], 14.0)
    across = knobs["oncoming"] < ACROSS
    leg = cross.leg(Movement.THROUGH if across else Movement.LEFT if knobs["from_left"] > 0.5 else Movement.RIGHT)
    if leg is None:
        return None
    hazard = knobs["hazard"] > 0.5 and not draws.recipe.twin
    actors, events = violate(
        cross,
        leg,
        arrival_offset(0.1 + 0.8 * knobs["offset"], knobs["speed"]),
        knobs["speed"],
        draws("cast"),
        brakes=knobs["brakes"] < 0.4,
        feint=knobs["feint"] < FEINTS,
        hazard=hazard,
        turn=Movement.LEFT if across else Movement.THROUGH,
    )
    if not actors:
        return None
    signals: tuple[SignalPlan, ...] = ()
    if signal:
        signals = (SignalPlan(0, cross.way.lanes[1], LightState.GREEN, RUN_IN - 4.0, green=50.0),)
    actors += surroundings(cross, draws, knobs["density"], tuple(range(4)))
    return cross.setting(
        actors,
        events,
        occlusion=True,
        signals=signals,
        facts={"hazard": hazard, "control": control.value},
    )


F16 = Family("F16", KNOBS, stage, twins=True)
