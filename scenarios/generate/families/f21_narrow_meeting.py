"""F21 narrow meeting: between two rows of parked cars there is room for one, and somebody comes the other way."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from drive.drivers import Driver
from drive.scene import Action, AgentKind, Trigger
from drive.vehicle import PACIFICA
from scenarios.generate.actors import Actor, draw_size, driving, standing
from scenarios.generate.beside import opposite_stretches
from scenarios.generate.geometry import offset
from scenarios.generate.knobs import Knob
from scenarios.generate.oncoming import opposite_way
from scenarios.generate.paths import Way, at_arc, shifted
from scenarios.generate.reference import ego_path
from scenarios.generate.setting import Draws, Family, Setting
from scenarios.generate.street import street
from scenarios.generate.timing import RUN_IN, drive_time

KNOBS = {
    "arrival": Knob(1.5, 3.5),
    "carriageway": Knob(4.2, 5.6),
    "row": Knob(10.0, 22.0),
    "bay": Knob(choices=(0, 0, 1, 1)),
    "meeting": Knob(choices=(0, 0, 1)),
    "difference": Knob(-3.0, 3.0),
    "polite": Knob(choices=(0, 0, 0, 0, 0, 1)),
    "opponent_speed": Knob(5.5, 7.5),
    "second": Knob(choices=(0, 0, 1)),
    "follower": Knob(choices=(0, 1)),
    "speed": Knob(0.62, 0.8),
    "bends": Knob(choices=(0, 0, 1)),
}
LANE = 3.0  # m, of each lane between the rows' ends
STRIP = 2.4  # m of paved ground on either side of the lanes
KEEP = 0.32  # m between somebody who drives and a row
LATERAL = 1.1  # m/s2, of the turns into the narrow part
SHORTEST = 5.0  # m, of such a turn
PEOPLE = (AgentKind.PEDESTRIAN,)
REST = (2.2, 4.2)  # s after the beginning of the warm-up at which the ego sets off
FORESIGHT = 12.0  # s: from before the place where one waits to the far end
CAR_WIDTH = 1.9  # m, of those who come the other way
NEVER = 60.0  # s


@dataclass(frozen=True)
class Narrow:
    """The rows of parked cars along the ego's way: where each begins and ends [m], and how the ego turns in.

    ``inward`` [m] is how far the ego drives nearer to the middle than elsewhere, ``run`` [m] how long it takes to get
    there; ``side`` is the side of the oncoming lane.
    """

    rows: tuple[tuple[float, float], ...]
    inward: float
    run: float
    side: float
    free: float

    def led(self, way: Way, share: float) -> Way:
        """The ego's way between the rows, slower there."""
        for begin, end in self.rows:
            way = shifted(way, begin - self.run - PACIFICA.front, self.run, end + self.run, self.run, self._aside)
        inside = (way.arc > self.rows[0][0] - self.run) & (way.arc < self.rows[-1][1])
        return replace(way, limit=np.where(inside, share * way.limit, way.limit))

    @property
    def _aside(self) -> float:
        return self.side * self.inward

    def waiting(self, number: int) -> float:
        """Where the ego's front waits before a row [m]: it stands in its lane, and whoever comes has turned out."""
        return self.rows[number][0] - self.run - 0.6


def stage(knobs: Mapping[str, float], draws: Draws) -> Setting | None:
    """A residential street with one or two narrow parts; the ego comes to the first 1.5 to 4 s after the start."""
    free = knobs["carriageway"] / 2
    inward = max(PACIFICA.width / 2 + KEEP - (free - LANE / 2), 0.05)
    speed = knobs["speed"] * 8.33
    run = max(speed * float(np.sqrt(5.78 * inward / LATERAL)), SHORTEST)
    bay = 2.0 * run + PACIFICA.front + 4.0
    count = 1 + int(knobs["bay"])
    length = count * knobs["row"] + (count - 1) * bay
    section = {"width": LANE, "parking": 0.0, "gutter": STRIP}
    found = street(draws, 0, knobs["arrival"], run, length, int(knobs["bends"]), 0.0, section=section, rest=REST)
    if found is None:
        return None
    setting, station = found
    begins = [station + number * (knobs["row"] + bay) for number in range(count)]
    stretches = opposite_stretches(setting.network, setting.way, station - 40.0, station + length + 40.0, 0.0)
    if len(stretches) != 1:
        return None
    narrow = Narrow(
        tuple((begin, begin + knobs["row"]) for begin in begins),
        inward,
        run,
        float(np.sign(stretches[0].offset)),
        free,
    )
    way, cast = narrow.led(setting.way, knobs["speed"]), draws("cast")
    meeting = min(int(knobs["meeting"]), count - 1)
    setting = replace(setting, way=way)
    others = _opponents(setting, narrow, meeting, knobs, draws)
    if others is None:
        return None
    actors, events = others
    actors += _parked(found[0].way, narrow, cast)
    if knobs["follower"] and meeting == 0:
        length, width = draw_size(AgentKind.CAR, cast)
        place = setting.arc - 9.0 - 1.5 * setting.speed
        behind = driving(way, place, setting.speed, AgentKind.CAR, (length, min(width, 2.0)), role="follower")
        actors += [] if behind is None else [behind]
    # who goes first is the harder to say the nearer the two come together, and the less room there is
    slack = 1.05 + 0.13 * abs(knobs["difference"]) + 0.11 * (knobs["carriageway"] - 4.2) + 0.08 * bool(knobs["polite"])
    return replace(
        setting,
        actors=[*actors, *(actor for actor in setting.actors if actor.kind in PEOPLE)],
        events=events,
        event=station,
        slack=slack,
        holds=tuple(narrow.waiting(number) for number in range(count)),
        keep_clear=tuple((begin - run, end) for begin, end in narrow.rows),
        foresight=FORESIGHT,
        facts={"inward": round(inward, 3), "bay": round(bay if count > 1 else 0.0, 1), "meeting": meeting},
    )


def _opponents(
    setting: Setting, narrow: Narrow, meeting: int, knobs: Mapping[str, float], draws: Draws
) -> tuple[list[Actor], list[tuple[float, ...]]] | None:
    """Those who come the other way: through, whoever is there, or waiting before the rows until the ego is past.

    The first is at the far end of the row of the ``meeting`` as much later than the ego is at the near end as the knob
    says.
    """
    rng, way = draws("opponents"), setting.way
    near, far = narrow.rows[meeting]
    found = opposite_way(setting.network, way, far, draws("opposite"))
    if found is None:
        return None
    other, place = found
    due = drive_time(ego_path(way, setting.style), setting.arc, setting.speed, near - PACIFICA.front) - RUN_IN
    due += setting.rest + knobs["difference"]
    speed = knobs["opponent_speed"]
    inward = max(CAR_WIDTH / 2 + KEEP - (narrow.free - LANE / 2), 0.0)
    for begin, end in narrow.rows:
        first, last = place + far - end, place + far - begin
        run = max(speed * float(np.sqrt(5.78 * inward / LATERAL)), SHORTEST)
        other = shifted(other, first - run - 4.0, run, last + run, run, narrow.side * inward)
    room = narrow.run + 3.0 + speed * speed / 3.0  # who stops does so where it has not turned in yet
    if knobs["polite"]:
        due = max(due, room / speed + 0.3)
    actors: list[Actor] = []
    start = place - 2.5 - speed * (due + RUN_IN)
    # a second one would stand in the rows behind one who waits in the bay, or keep a waiting ego for the whole scene
    blocked = meeting + 1 < len(narrow.rows) if knobs["polite"] else knobs["difference"] > 0.0
    for _ in range(1 + int(bool(knobs["second"]) and not blocked)):
        length, width = draw_size(AgentKind.CAR, rng)
        driver = {
            Driver.SPEED_FACTOR: speed / float(np.interp(place, other.arc, other.limit)),
            Driver.NOISE: 0.0,
            Driver.LANE_BIAS: 0.0,
            Driver.HEADWAY: 1.0,
        }
        size = (length, min(width, CAR_WIDTH))
        actor = (
            driving(other, start, speed, AgentKind.CAR, size, critical=True, role="opponent", driver=driver)
            if start > 5.0
            else None
        )
        if actor is None:
            return None
        actors.append(actor)
        start -= length + 2.0 + 1.3 * speed
    events: list[tuple[float, ...]] = []
    if knobs["polite"]:
        stop = due - room / speed
        past = at_arc(way, far + 7.0)
        events.append((0.0, Trigger.TIME, stop, 0.0, 0.0, NEVER, Action.SPEED, 1.5, 0.0))
        events.append((0.0, Trigger.EGO_ARRIVAL, 0.5, float(past[0]), float(past[1]), NEVER, Action.NORMAL, 0.0, 0.0))
    return actors, events


def _parked(way: Way, narrow: Narrow, rng: np.random.Generator) -> list[Actor]:
    """The rows on both sides of the road; their inner sides leave the carriageway between them."""
    found = []
    for begin, end in narrow.rows:
        for right in (True, False):
            at = begin + float(rng.uniform(0.0, 0.5))
            while at < end - 4.0:
                length, width = draw_size(AgentKind.CAR, rng)
                length = min(length, end - at)
                inner = LANE / 2 + (-narrow.free if right else narrow.free)  # from the ego's lane, towards the other
                away = float(rng.uniform(0.0, 0.12)) + width / 2
                pose = offset(at_arc(way, at + length / 2)[None], narrow.side * (inner + (-away if right else away)))[
                    0, :3
                ]
                pose[2] += 0.0 if right else np.pi
                found.append(replace(standing(AgentKind.CAR, (length, width), pose, "parked"), critical=True))
                at += length + float(rng.uniform(0.5, 1.2))
    return found


F21 = Family("F21", KNOBS, stage)
