"""F25: who has the right of way gives it up - to a truck that blocks the lane, or to a vehicle with its siren on."""

from collections.abc import Mapping

from scenarios.generate.families import f25_blockage, f25_emergency
from scenarios.generate.knobs import Knob
from scenarios.generate.setting import Draws, Family, Setting

KNOBS = {**f25_blockage.KNOBS, "variant": Knob(choices=(0, 1)), "siren": Knob(), "offset": Knob()}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """Half of the scenes each."""
    return (f25_emergency if int(knobs["variant"]) else f25_blockage).stage(knobs, draws)


F25 = Family("F25", KNOBS, stage, f25_blockage.overlay, beneath=f25_blockage.BENEATH)
