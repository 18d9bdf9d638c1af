"""F22: somebody sets off into the ego's lane, from the kerb or out of a driveway."""

from collections.abc import Mapping

from scenarios.generate.families import f22_driveway, f22_pull_out
from scenarios.generate.knobs import Knob
from scenarios.generate.setting import Draws, Family, Setting

KNOBS = {**f22_pull_out.KNOBS, "place": Knob(choices=(0, 0, 1))}


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A driveway in one scene of three."""
    return (f22_driveway if int(knobs["place"]) else f22_pull_out).stage(knobs, draws)


F22 = Family("F22", KNOBS, stage, f22_pull_out.overlay, twins=True)
