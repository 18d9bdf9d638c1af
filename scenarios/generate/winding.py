"""Winding roads: bends tighter than the limit allows, hairpins, posted speeds, hedges on the inside."""

from dataclasses import dataclass, replace

import numpy as np
import shapely

from drive.map import Area, Layer, VectorMap
from scenarios.generate.geometry import Float, bend_segments, lengths, ribbon
from scenarios.generate.junction import Section
from scenarios.generate.layout import Layout, draw_alignment
from scenarios.generate.nodes import Node
from scenarios.generate.seams import Seam, same_lanes

ADVISED = 2.0  # m/s2 to the side at the advisory speed of a bend
SIGN_STEP = 5.0 / 3.6  # m/s between the speeds that signs show
SEAM = 10.0  # m
HAIRPIN = 25.0  # m: a bend below this radius may turn right round
HEDGE = 1.2  # m thick


@dataclass(frozen=True)
class Winding:
    """A winding road before it is built.

    Attributes:
        layout: Its layout: the ego's road with seams where signs stand.
        bends: Per bend where it begins and ends along the corridor [m], and its least radius [m].
    """

    layout: Layout
    bends: tuple[tuple[float, float, float], ...]


def advisory_speed(radius: float) -> float:
    """Speed [m/s] that a sign advises in a bend: ``sqrt(2 R)``, in steps of 5 km/h, at least 10 km/h."""
    return max(float(np.floor(np.sqrt(ADVISED * radius) / SIGN_STEP + 0.3)), 2.0) * SIGN_STEP


def draw_winding(
    slow: Section,
    section: Section,
    radius: float,
    before: tuple[float, float],
    length: float,
    posted: int,
    rng: np.random.Generator,
) -> Winding:
    """A road ``slow`` and one ``section`` of ``before`` [m], a bend of least ``radius`` [m], more bends for ``length``
    [m].

    ``posted``: 0 no sign; 1 the advisory speed of the main bend holds from shortly before it to its end; 2 a lower
    limit begins with the bends and holds from there on.
    """
    sign = float(rng.choice((-1.0, 1.0)))
    lead_in = draw_alignment(before[0], slow.limit, rng, 1, (0.05, 0.25))
    straight_on = np.array(((before[1] - 2.0 * SEAM, 0.0, 0.0),))
    first, last = [np.array(((8.0, 0.0, 0.0),))], []
    bends = []
    station, bend_radius = sum(before) + 8.0, radius
    last_bend = sum(before) + length
    posts = posted == 1
    while station < last_bend:
        hairpin = bend_radius < HAIRPIN and rng.random() < 0.6
        angle = float(rng.uniform(2.4, 3.0)) if hairpin else float(rng.uniform(0.6, 1.5))
        bend = _bend(sign * angle, bend_radius)
        along = float(bend[:, 0].sum())
        straight = float(rng.uniform(12.0, 55.0))
        bends.append((station, station + along, bend_radius))
        if posts and len(bends) > 1:
            last += [bend, np.array(((straight, 0.0, 0.0),))]
        else:
            after = 8.0 if posts else straight
            first += [bend, np.array(((after, 0.0, 0.0),))]
            if posts:
                last.append(np.array(((straight, 0.0, 0.0),)))
                station += after + SEAM
        station += along + straight
        sign = -sign if rng.random() < 0.75 else sign
        bend_radius = float(np.clip(radius * rng.lognormal(0.45, 0.4), max(radius, 12.0), 4.0 * radius))
    nodes: list[Node] = [_sign(slow, section)]
    if posted:
        limit = max(min(advisory_speed(radius), section.limit - SIGN_STEP), 4 * SIGN_STEP)
        bent = replace(section, limit=limit)
        nodes.append(_sign(section, bent))
        roads = [lead_in, straight_on, np.concatenate(first)]
        if posts:
            nodes.append(_sign(bent, section))
            roads.append(np.concatenate(last))
    else:
        roads = [lead_in, np.concatenate((straight_on, np.array(((SEAM, 0.0, 0.0),)), *first))]
    left_hand = bool(rng.random() < 0.3)
    layout = Layout(slow, tuple(roads), tuple(nodes), None, tuple({} for _ in nodes), left_hand, False)
    return Winding(layout, tuple(bends))


def _bend(angle: float, radius: float) -> Float:
    """Clothoid-arc-clothoid; the clothoids are drivable at the advisory speed with 0.9 m/s3 at most."""
    share = float(np.clip(advisory_speed(radius) ** 3 / (0.9 * radius) / (radius * abs(angle)), 0.25, 0.8))
    return bend_segments(angle, radius, share)


def _sign(before: Section, after: Section) -> Seam:
    return Seam(before, after, SEAM, 0.0, *same_lanes(before))


def hedge(vector_map: VectorMap, curve: Float, begin: float, end: float, kerb: float, away: float) -> Area | None:
    """A hedge along the inside of a bend of ``curve [P, 4]`` between two arc lengths [m], or None without room.

    ``kerb`` [m] from the curve to the kerb on the inside, ``away`` [m] from there to the hedge.
    """
    along = lengths(curve)
    rows = curve[(along >= begin) & (along <= end)][::2]
    side = float(np.sign(rows[np.abs(rows[:, 3]).argmax(), 3]))
    near, far = kerb + away, kerb + away + HEDGE
    if far * np.abs(rows[:, 3]).max() > 0.9:
        return None
    ring = shapely.Polygon(ribbon(rows, far, -near) if side > 0 else ribbon(rows, -near, far)).buffer(0.0)
    roads = shapely.union_all([shapely.Polygon(item[0], item[1:]) for item in vector_map.areas(Layer.DRIVABLE)])
    free = max(shapely.get_parts(ring.difference(roads.buffer(0.4))), key=lambda part: float(part.area), default=None)
    if not isinstance(free, shapely.Polygon) or free.area < 5.0:
        return None
    return Area(Layer.OCCLUDER, (np.asarray(free.exterior.coords)[:-1],))
