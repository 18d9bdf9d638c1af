"""The parts of driving: repeatable noise, the intelligent driver model, and what stands in the corridor ahead."""

import math

import numpy as np
from numpy.typing import NDArray

from drive.kernels import kernel
from drive.kernels.traffic_world import (
    FAR,
    PATH_CURVATURE,
    PATH_HEADING,
    PATH_X,
    PATH_Y,
    SPACING,
)

Float = NDArray[np.float64]

_SEED, _STEP, _STREAM = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03), np.uint64(0x8CB92BA72F3D8DD7)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S16, _S27, _S30, _S31, _S32, _S48 = (np.uint64(shift) for shift in (16, 27, 30, 31, 32, 48))
_LOW = np.uint64(0xFFFF)
SWEEP = 2.0  # m, the most that a body may reach outwards in a curve


@kernel
def random_bits(seed: float, step: int, stream: int) -> np.uint64:
    """64 bits from (seed, step, stream) by integer mixing (splitmix64's finalizer): the same on every machine."""
    z = np.uint64(seed) * _SEED + np.uint64(step + 1) * _STEP + np.uint64(stream + 1) * _STREAM
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@kernel
def random_uniform(seed: float, step: int, stream: int) -> float:
    """Repeatable uniform draw in (0, 1)."""
    return (float(random_bits(seed, step, stream) >> _S32) + 0.5) / 4294967296.0


@kernel
def random_normal(seed: float, step: int, stream: int) -> float:
    """Repeatable, nearly normal draw (mean 0, deviation 1, within 3.5): the sum of four 16-bit uniforms.

    No library function is involved, so the value has the same bits everywhere.
    """
    z = random_bits(seed, step, stream)
    total = (z & _LOW) + ((z >> _S16) & _LOW) + ((z >> _S32) & _LOW) + (z >> _S48)
    return ((float(total) + 2.0) / 65536.0 - 2.0) * 1.7320508075688772


@kernel
def idm(v: float, free: float, gap: float, lead: float, headway: float, rest: float, a: float, b: float) -> float:
    """IDM acceleration (Treiber, Hennecke and Helbing 2000) towards a lead ``gap`` ahead that drives at ``lead``.

    ``free`` is 1 - (v / v0)^4, ``headway`` T, ``rest`` s0.
    """
    wanted = rest + max(0.0, v * headway + v * (v - lead) / (2.0 * math.sqrt(a * b)))
    ratio = wanted / max(gap, 0.1)
    return a * (free - ratio * ratio)


@kernel
def needed_deceleration(v: float, gap: float, lead: float, lead_acceleration: float) -> float:
    """Deceleration that just avoids contact with a lead that keeps its speed or, if it brakes, keeps braking."""
    room = max(gap, 0.05)
    needed = 0.0
    if v > lead:
        needed = (v - lead) * (v - lead) / (2.0 * room)
    if lead_acceleration < -1.0 and lead > 0.0:
        needed = max(needed, v * v / (2.0 * (room - lead * lead / (2.0 * lead_acceleration))))
    return needed


@kernel
def travel_time(distance: float, v: float, a: float, top: float) -> float:
    """Time [s] for ``distance`` [m] from speed ``v``, accelerating at ``a`` up to ``top`` (if faster: at ``v``)."""
    if distance <= 0.0:
        return 0.0
    top = max(top, v, 0.1)
    run_up = (top * top - v * v) / (2.0 * a)
    if run_up >= distance:
        return (math.sqrt(v * v + 2.0 * a * distance) - v) / a
    return (top - v) / a + (distance - run_up) / top


@kernel
def path_pose(path: Float, low: int, high: int, arc: float) -> tuple[float, float, float]:
    """Point and direction (x, y, heading) of a compiled path (rows ``low..high-1``) at ``arc`` [m]."""
    place = arc / SPACING
    row = min(max(int(place), 0), high - low - 2)
    t = place - row
    row += low
    turn = min(max(t, 0.0), 1.0) * (path[row + 1, PATH_HEADING] - path[row, PATH_HEADING])
    return (
        path[row, PATH_X] + t * (path[row + 1, PATH_X] - path[row, PATH_X]),
        path[row, PATH_Y] + t * (path[row + 1, PATH_Y] - path[row, PATH_Y]),
        path[row, PATH_HEADING] + turn,
    )


@kernel
def nearest_row(path: Float, low: int, high: int, row: int, x: float, y: float) -> int:
    """Row of a local minimum of the distance to (x, y), walking from ``row``."""
    dx, dy = path[row, PATH_X] - x, path[row, PATH_Y] - y
    best = dx * dx + dy * dy
    for direction in (1, -1):
        while low <= row + direction < high:
            dx, dy = path[row + direction, PATH_X] - x, path[row + direction, PATH_Y] - y
            distance = dx * dx + dy * dy
            if distance >= best:
                break
            best = distance
            row += direction
    return row


@kernel
def place_on_path(path: Float, low: int, high: int, row: int, x: float, y: float) -> tuple[float, float, int]:
    """(arc, offset to the left, row) of a point near ``row``, along the path's direction there."""
    row = nearest_row(path, low, high, row, x, y)
    before, after = max(row - 1, low), min(row + 1, high - 1)
    ux, uy = path[after, PATH_X] - path[before, PATH_X], path[after, PATH_Y] - path[before, PATH_Y]
    scale = 1.0 / math.sqrt(ux * ux + uy * uy)
    dx, dy = x - path[row, PATH_X], y - path[row, PATH_Y]
    return (row - low) * SPACING + (dx * ux + dy * uy) * scale, (dy * ux - dx * uy) * scale, row


@kernel
def body_on_path(
    path: Float,
    low: int,
    high: int,
    begin: float,
    end: float,
    offset: float,
    half_width: float,
    half_length: float,
    x: float,
    y: float,
    cos: float,
    sin: float,
    other_half_length: float,
    other_half_width: float,
    radius: float,
) -> tuple[float, float, float]:
    """Where a box meets the corridor of ``half_width`` around a path shifted by ``offset``: (nearest arc, farthest
    arc, cosine of its heading to the path); nearest = FAR where it does not between the arcs ``begin`` and ``end``.

    The path is marched over in strides that cannot skip the box: the distance to its circle. In curves the corridor is
    as wide as the own body of ``half_length`` sweeps.
    """
    reach = radius + half_width + abs(offset) + SPACING + SWEEP
    arc = begin
    found = False
    while arc <= end:
        row = min(low + int(arc / SPACING), high - 1)
        dx, dy = path[row, PATH_X] - x, path[row, PATH_Y] - y
        distance = math.sqrt(dx * dx + dy * dy)
        if distance <= reach:
            found = True
            break
        arc += max(distance - reach, SPACING)
    if not found:
        return FAR, FAR, 1.0
    before, after = max(row - 1, low), min(row + 1, high - 1)
    ux, uy = path[after, PATH_X] - path[before, PATH_X], path[after, PATH_Y] - path[before, PATH_Y]
    stride = int(((x - path[row, PATH_X]) * ux + (y - path[row, PATH_Y]) * uy) / (math.hypot(ux, uy) * SPACING))
    row = nearest_row(path, low, high, min(max(row + stride, low), high - 1), x, y)
    before, after = max(row - 1, low), min(row + 1, high - 1)
    ux, uy = path[after, PATH_X] - path[before, PATH_X], path[after, PATH_Y] - path[before, PATH_Y]
    scale = 1.0 / math.sqrt(ux * ux + uy * uy)
    ux, uy = ux * scale, uy * scale
    along, turned = cos * ux + sin * uy, abs(sin * ux - cos * uy)
    # the ends of the own body reach outwards in curves: half a square of its half length times the curvature
    reach_rows = int(half_length / SPACING)
    least = most = path[row, PATH_CURVATURE]
    for beside in (max(row - reach_rows, low), min(row + reach_rows, high - 1)):
        least, most = min(least, path[beside, PATH_CURVATURE]), max(most, path[beside, PATH_CURVATURE])
    swing = 0.5 * half_length * half_length
    left = offset + half_width + min(max(-least * swing, 0.0), SWEEP)
    right = offset - half_width - min(max(most * swing, 0.0), SWEEP)
    side = (y - path[row, PATH_Y]) * ux - (x - path[row, PATH_X]) * uy
    # how far its corners are from its centre across the path, and how far the path leaves its tangent beside it
    extent = other_half_length * turned + other_half_width * abs(along)
    bend = abs(path[row, PATH_CURVATURE]) * radius * radius
    if side - extent - bend > left + 0.1 or side + extent + bend < right - 0.1:
        return FAR, FAR, 1.0
    if bend < 0.05 and turned < 0.1:  # as good as straight beside it
        if side - extent > left or side + extent < right:
            return FAR, FAR, 1.0
        middle = (row - low) * SPACING + (x - path[row, PATH_X]) * ux + (y - path[row, PATH_Y]) * uy
        length = other_half_length * abs(along) + other_half_width * turned
        return middle - length, middle + length, along
    near, far = FAR, -FAR
    arc_a, side_a = 0.0, 0.0
    for corner in range(5):  # the fifth closes the ring: every edge is clipped to the corridor
        forward = other_half_length if corner % 4 < 2 else -other_half_length
        sideways = other_half_width if corner in (0, 3, 4) else -other_half_width
        arc_b, side_b, _ = place_on_path(
            path, low, high, row, x + forward * cos - sideways * sin, y + forward * sin + sideways * cos
        )
        if right <= side_b <= left:
            near, far = min(near, arc_b), max(far, arc_b)
        if corner > 0:
            for border in (left, right):
                if (side_a - border) * (side_b - border) < 0.0:
                    crossing = arc_a + (border - side_a) / (side_b - side_a) * (arc_b - arc_a)
                    near, far = min(near, crossing), max(far, crossing)
        arc_a, side_a = arc_b, side_b
    return near, far, along


@kernel
def ray_on_path(
    path: Float,
    low: int,
    high: int,
    begin: float,
    end: float,
    half_width: float,
    x: float,
    y: float,
    cos: float,
    sin: float,
    reach: float,
) -> tuple[float, float, float, float]:
    """Where a body that goes straight on from (x, y) for ``reach`` m would sweep over a path.

    Returns (first arc, last arc, least and greatest distance it travels to be there); first = FAR if it does not meet
    the stretch ``begin..end`` within ``reach``. ``half_width`` is the sum of both bodies' half widths.
    """
    first, last, least, most = FAR, -FAR, FAR, -FAR
    row, stop = low + int(begin / SPACING) + 1, min(low + int(end / SPACING), high - 1)
    while row <= stop:
        dx, dy = path[row, PATH_X] - x, path[row, PATH_Y] - y
        along, across = dx * cos + dy * sin, abs(dy * cos - dx * sin)
        if across <= half_width and 0.0 <= along <= reach:
            arc = (row - low) * SPACING
            first, last = min(first, arc), max(last, arc)
            least, most = min(least, along), max(most, along)
            row += 1
        elif first < FAR:
            break
        else:
            short = max(across - half_width, -along, along - reach)
            row += max(1, int(short / SPACING))
    return first, last, least, most
