"""Programs over tiles of traces: values forward, gradients backward.

A program is ``code [n, 5]`` (operation, left operand, right operand, begin, end), ``fills [n]`` and ``checks [n]``.
Values are numbered: first the signals, then the constants, then one for each instruction; ``slots`` says where in the
memory of a tile a value lives. See :mod:`stl.program` for the meaning.
"""

import numpy as np

from stl.kernels import (
    ABSOLUTE,
    ADD,
    DISTANCE,
    DIVIDE,
    EXPONENTIAL,
    HIGHEST,
    KEEP,
    LOWEST,
    MAXIMUM,
    MINIMUM,
    MULTIPLY,
    NEGATE,
    POWER,
    ROOT,
    SHIFT,
    SINCE,
    SUBTRACT,
    UNTIL,
    kernel,
)
from stl.kernels.windows import extreme, until


@kernel
def pack(x, tiles, signal, before):  # type: ignore[no-untyped-def]
    """Put ``x [batch, time]`` into ``tiles [tiles, signals, samples, lanes]``; returns the first NaN, or -1.

    Samples before the first and after the last of ``x`` repeat it, and so do lanes after the last trace. The place of a
    NaN is ``trace * time + sample``.
    """
    batch, time = x.shape
    lanes = tiles.shape[3]
    for number in range(len(tiles)):
        tile = tiles[number, signal]
        middle = tile[before : before + time]
        for r in range(lanes):
            row = x[min(number * lanes + r, batch - 1)]
            for t in range(time):
                middle[t, r] = row[t]
        tile[:before] = middle[0]
        tile[before + time :] = middle[time - 1]
        if has_nan(middle):
            for r in range(lanes):
                for t in range(time):
                    if np.isnan(middle[t, r]):
                        return (number * lanes + r) * time + t
    return -1


@kernel
def has_nan(values):  # type: ignore[no-untyped-def]
    """Whether any of ``values [samples, lanes]`` is NaN."""
    bad = np.int32(0)
    flat = values.ravel()
    for i in range(len(flat)):
        bad |= np.int32(flat[i] != flat[i])
    return bad != 0


@kernel
def elementwise(operation, a, b, out):  # type: ignore[no-untyped-def]
    """Operations on one sample; those of ``a`` alone are given any ``b``."""
    if operation == ADD:
        for i in range(len(out)):
            out[i] = a[i] + b[i]
    elif operation == SUBTRACT:
        for i in range(len(out)):
            out[i] = a[i] - b[i]
    elif operation == MULTIPLY:
        for i in range(len(out)):
            out[i] = a[i] * b[i]
    elif operation == DIVIDE:
        for i in range(len(out)):
            out[i] = a[i] / b[i]
    elif operation == POWER:
        for i in range(len(out)):
            out[i] = a[i] ** b[i]
    elif operation == ABSOLUTE:
        for i in range(len(out)):
            out[i] = abs(a[i])
    elif operation == ROOT:
        for i in range(len(out)):
            out[i] = np.sqrt(a[i])
    elif operation == EXPONENTIAL:
        for i in range(len(out)):
            out[i] = np.exp(a[i])
    elif operation == NEGATE:
        for i in range(len(out)):
            out[i] = -a[i]
    elif operation == MINIMUM:
        for i in range(len(out)):
            out[i] = a[i] if a[i] <= b[i] else b[i]
    elif operation == MAXIMUM:
        for i in range(len(out)):
            out[i] = a[i] if a[i] >= b[i] else b[i]
    elif operation == DISTANCE:
        for i in range(len(out)):
            out[i] = out.dtype.type(0) if a[i] == b[i] else abs(a[i] - b[i])  # two infinities are not apart


@kernel
def shift(x, out, by, fill):  # type: ignore[no-untyped-def]
    """``out[t] = x[t + by]``, and ``fill`` where there is no such sample."""
    for t in range(len(out)):
        if 0 <= t + by < len(x):
            out[t] = x[t + by]
        else:
            out[t] = fill


@kernel
def evaluate(code, fills, checks, slots, values, scratch, places, track, before, time):  # type: ignore[no-untyped-def]
    """Run a program on one tile; returns the first checked instruction that gave NaN in the recording, or -1.

    ``values [slots, samples, lanes]`` holds signals and constants already; ``scratch`` is four of them. With ``track``,
    windows and until leave in ``places [4 + instructions, samples, lanes]`` which place decided (the first four are
    scratch).
    """
    inputs = len(slots) - len(code)
    one = values.dtype.type(1)
    failed = -1
    for k in range(len(code)):
        operation, begin, end = code[k, 0], code[k, 3], code[k, 4]
        a, b, out = values[slots[code[k, 1]]], values[slots[code[k, 2]]], values[slots[inputs + k]]
        place = places[4 + k if track else 0]
        if operation < KEEP:
            elementwise(operation, a.ravel(), b.ravel(), out.ravel())
        elif operation == KEEP:
            out[:] = fills[k]
            last = max(before + time - end, 0)
            out[before + begin : last] = a[before + begin : last]
        elif operation == SHIFT:
            shift(a, out, begin, fills[k])
        elif operation in (UNTIL, SINCE):
            until(a, b, out, scratch, place, places, track, begin, end, operation == SINCE)
        else:
            sign = one if operation == HIGHEST else -one
            extreme(a, out, scratch[0], scratch[1], place, places[0], places[1], track, begin, end, sign)
        if checks[k] and failed < 0 and has_nan(out[before : before + time]):
            failed = k
    return failed


@kernel
def forward(tiles, code, fills, checks, slots, constants, outputs, before, time, first, work, out):  # type: ignore[no-untyped-def]
    """Values ``outputs`` of a program into ``out [outputs, batch, samples]``, from sample ``first`` of the tiles.

    The recording is the ``time`` samples from sample ``before``; the program's signals are longer at both ends.

    Returns (-1, 0, 0), or the first instruction that gave NaN, its trace and its sample; the latter two are right only
    if every value has a slot of its own. ``work [slots + 4, samples, lanes]`` is scratch.
    """
    _, batch, length = out.shape
    signals, width = tiles.shape[1], tiles.shape[3]
    values, scratch = work[4:], work[:4]
    places = np.empty((4, 1, 1), np.int32)
    for c in range(len(constants)):
        values[slots[signals + c]] = constants[c]
    for number in range(len(tiles)):
        for s in range(signals):
            values[slots[s]] = tiles[number, s]
        failed = evaluate(code, fills, checks, slots, values, scratch, places, False, before, time)
        if failed >= 0:
            bad = values[slots[len(slots) - len(code) + failed]]
            for r in range(width):
                for t in range(time):
                    if np.isnan(bad[before + t, r]):
                        return failed, number * width + r, t
            return failed, -1, -1
        lanes = min(width, batch - number * width)
        for o in range(len(outputs)):
            result = values[slots[outputs[o]]][first : first + length]
            for r in range(lanes):
                row = out[o, number * width + r]
                for t in range(length):
                    row[t] = result[t, r]
    return -1, 0, 0


@kernel
def backward(tiles, code, fills, checks, slots, constants, output, wanted, upstream, work, places, out):  # type: ignore[no-untyped-def]
    """Gradients ``out [signals, batch, time]`` of the value ``output``, given those of the result ``upstream``.

    Values are computed once more, a tile at a time: cheaper than to keep and fetch them, and nothing but the signals
    needs to stay in memory. ``slots`` must give every value its own; ``wanted``: values that depend on a signal.
    ``work [2 * values + 4, samples, lanes]`` and ``places [instructions + 4, samples, lanes]`` are scratch.
    """
    signals, batch, time = out.shape
    width = tiles.shape[3]
    inputs = len(slots) - len(code)
    scratch, values, gradients = work[:4], work[4 : 4 + len(slots)], work[4 + len(slots) :]
    for c in range(len(constants)):
        values[signals + c] = constants[c]
    for number in range(len(tiles)):
        for s in range(signals):
            values[s] = tiles[number, s]
        evaluate(code, fills, checks, slots, values, scratch, places, True, 0, time)
        gradients[:] = 0
        lanes = min(width, batch - number * width)
        given = gradients[output]
        for r in range(lanes):
            for t in range(time):
                given[t, r] = upstream[number * width + r, t]
        for k in range(len(code) - 1, -1, -1):
            left, right = code[k, 1], code[k, 2]
            if wanted[inputs + k]:
                _pull(
                    code[k],
                    width,
                    values[left].ravel(),
                    values[right].ravel(),
                    values[inputs + k].ravel(),
                    places[4 + k].ravel(),
                    gradients[inputs + k].ravel(),
                    gradients[left].ravel(),
                    gradients[right].ravel(),
                    wanted[left],
                    wanted[right],
                )
        for s in range(signals):
            result = gradients[s]
            for r in range(lanes):
                row = out[s, number * width + r]
                for t in range(time):
                    row[t] = result[t, r]


@kernel
def _pull(code, width, a, b, y, places, g, ga, gb, left, right):  # type: ignore[no-untyped-def]
    """Add to ``ga`` and ``gb`` what ``g``, the gradient of ``y``, gives to the operands ``a`` and ``b``."""
    operation, count = code[0], len(y)
    zero, one = y.dtype.type(0), y.dtype.type(1)
    if operation in (ADD, SUBTRACT):
        sign = one if operation == ADD else -one
        for i in range(count):
            ga[i] += g[i]
            gb[i] += sign * g[i]
    elif operation in (MINIMUM, MAXIMUM):
        sign = one if operation == MAXIMUM else -one
        for i in range(count):
            first = sign * a[i] >= sign * b[i]
            ga[i] += g[i] if first else zero
            gb[i] += zero if first else g[i]
    elif operation == NEGATE:
        for i in range(count):
            ga[i] -= g[i]
    elif operation in (LOWEST, HIGHEST):
        for i in range(count):
            if places[i] >= 0:
                ga[places[i]] += g[i]
    elif operation in (UNTIL, SINCE):
        for i in range(count):
            if places[i] >= count:
                ga[places[i] - count] += g[i]
            elif places[i] >= 0:
                gb[places[i]] += g[i]
    elif operation == SHIFT:
        by = code[3] * width
        for i in range(max(0, -by), min(count, count - by)):
            ga[i + by] += g[i]
    else:
        for i in range(count):
            if g[i] != 0:  # nothing times an infinite slope is nothing
                if operation == MULTIPLY:
                    ga[i] += g[i] * b[i] if left else zero
                    gb[i] += g[i] * a[i] if right else zero
                elif operation == DIVIDE:
                    ga[i] += g[i] / b[i] if left else zero
                    gb[i] -= g[i] * y[i] / b[i] if right else zero
                elif operation == POWER:
                    ga[i] += g[i] * b[i] * a[i] ** (b[i] - one) if left else zero
                    gb[i] += g[i] * y[i] * np.log(a[i]) if right else zero
                elif operation == ROOT:
                    ga[i] += g[i] / (y[i] + y[i])
                elif operation == EXPONENTIAL:
                    ga[i] += g[i] * y[i]
                elif operation == ABSOLUTE:
                    ga[i] += g[i] * np.sign(a[i])
                elif operation == DISTANCE and a[i] != b[i]:
                    slope = g[i] if a[i] > b[i] else -g[i]
                    ga[i] += slope
                    gb[i] -= slope
