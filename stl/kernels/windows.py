"""Extremes over moving windows, and ``until``: two scans and one join, whatever the size of the window.

The trace is cut into blocks as long as the window. A window then covers the tail of one block and the head of the next,
and both are known from one backward and one forward scan (van Herk, Gil-Werman). ``until`` works the same way, because
stretches of a trace can be joined: a stretch is summed up by the lowest ``left`` in it and by its own ``until`` value.

Values are ``[samples, lanes]``; ``sign`` is 1 for the highest and -1 for the lowest. Windows are cut at both ends of
the trace; over an empty one the highest is -inf and the lowest inf. Where asked for, ``place`` gets the place that
decides each output: ``sample * lanes + lane`` in ``x``; for ``until`` in ``right`` or, with ``samples * lanes`` added,
in ``left``; -1 where nothing decides. Of equal values the first in the order of the scan decides.

Loops over lanes stay small and apart: the compiler gives vector code only where few arrays could overlap.
"""

import numpy as np

from stl.kernels import inlined, kernel


@kernel
def extreme(x, out, head, tail, place, at_head, at_tail, track, begin, end, sign):  # type: ignore[no-untyped-def]
    """``out[t]`` = extreme of ``x[t + begin .. t + end]``, and with ``track`` its ``place``.

    ``head`` and ``tail`` are scratch like ``x``, ``at_*`` like ``place``.
    """
    samples, lanes = x.shape
    size = min(end - begin + 1, samples)
    onward, back = size == samples and begin == 0, size == samples and end == 0  # a scan is the result
    if onward:
        tail, at_tail = out, place
    elif back:
        head, at_head = out, place
    if not onward:
        left = 0  # samples before a block begins
        for t in range(samples):
            if left == 0:
                left = size
                _copy(x[t], head[t])
                if track:
                    _number(at_head[t], t * lanes)
            else:
                _choose(head[t - 1], x[t], head[t], sign)
                if track:
                    _number(at_head[t], t * lanes)
                    _choose_place(head[t - 1], x[t], at_head[t - 1], at_head[t], at_head[t], sign)
            left -= 1
    if onward or not back:
        left = 0
        for t in range(samples - 1, -1, -1):
            if left == 0:
                left = t % size + 1
                _copy(x[t], tail[t])
                if track:
                    _number(at_tail[t], t * lanes)
            else:
                _choose(x[t], tail[t + 1], tail[t], sign)
                if track:
                    _number(at_tail[t], t * lanes)
                    _choose_place(x[t], tail[t + 1], at_tail[t], at_tail[t + 1], at_tail[t], sign)
            left -= 1
    if onward or back:
        return
    for t in range(samples):
        low, high = max(t + begin, 0), min(t + end, samples - 1)
        if high < low:
            out[t] = -sign * np.inf
            if track:
                place[t] = -1
        elif low // size != high // size:
            _choose(tail[low], head[high], out[t], sign)
            if track:
                _choose_place(tail[low], head[high], at_tail[low], at_head[high], place[t], sign)
        elif low % size == 0:
            _copy(head[high], out[t])
            if track:
                _copy(at_head[high], place[t])
        else:  # cut at the end of the trace
            _copy(tail[low], out[t])
            if track:
                _copy(at_tail[low], place[t])


@kernel
def until(left, right, out, scratch, place, at, track, begin, end, reverse):  # type: ignore[no-untyped-def]
    """``out[t]`` = highest, over ``j`` in ``t + begin .. t + end``, of min(``right[j]``, lowest ``left``
    in ``t + begin .. j - 1``).

    With ``reverse`` time runs the other way, which makes it ``since``. ``scratch``: four like ``left``; ``at``: four
    like ``place``.
    """
    samples, lanes = left.shape
    size, count = min(end - begin + 1, samples), left.size
    head, tail, low_head, low_tail = scratch[0], scratch[1], scratch[2], scratch[3]
    at_head, at_tail, at_low_head, at_low_tail = at[0], at[1], at[2], at[3]
    one = left.dtype.type(1)
    for t in range(samples):
        i = samples - 1 - t if reverse else t
        h = i + 1 if reverse else i - 1
        if size == samples:
            break  # no window reaches into a second block
        if track:
            _number(at_head[i], i * lanes)
            _number(at_low_head[i], count + i * lanes)
        if t % size == 0:
            _copy(right[i], head[i])
            _copy(left[i], low_head[i])
        else:
            _join(head[h], low_head[h], right[i], head[i])
            _choose(low_head[h], left[i], low_head[i], -one)
            if track:
                _join_place(head[h], low_head[h], right[i], at_head[h], at_low_head[h], at_head[i], at_head[i])
                _choose_place(low_head[h], left[i], at_low_head[h], at_low_head[i], at_low_head[i], -one)
    for t in range(samples - 1, -1, -1):
        i = samples - 1 - t if reverse else t
        n = i - 1 if reverse else i + 1
        if track:
            _number(at_tail[i], i * lanes)
            _number(at_low_tail[i], count + i * lanes)
        if t == samples - 1 or (t + 1) % size == 0:
            _copy(right[i], tail[i])
            _copy(left[i], low_tail[i])
        else:
            _join(right[i], left[i], tail[n], tail[i])
            _choose(left[i], low_tail[n], low_tail[i], -one)
            if track:
                _join_place(right[i], left[i], tail[n], at_tail[i], at_low_tail[i], at_tail[n], at_tail[i])
                _choose_place(left[i], low_tail[n], at_low_tail[i], at_low_tail[n], at_low_tail[i], -one)
    for t in range(samples):
        low, high = t + begin, min(t + end, samples - 1)
        i = samples - 1 - t if reverse else t
        if high < low:
            out[i] = -np.inf
            if track:
                place[i] = -1
            continue
        a, b = (samples - 1 - low, samples - 1 - high) if reverse else (low, high)
        if low // size != high // size:
            _join(tail[a], low_tail[a], head[b], out[i])
            if track:
                _join_place(tail[a], low_tail[a], head[b], at_tail[a], at_low_tail[a], at_head[b], place[i])
        elif low % size == 0 and size < samples:
            _copy(head[b], out[i])
            if track:
                _copy(at_head[b], place[i])
        else:
            _copy(tail[a], out[i])
            if track:
                _copy(at_tail[a], place[i])


@inlined
def _copy(x, out):  # type: ignore[no-untyped-def]
    for r in range(len(out)):
        out[r] = x[r]


@inlined
def _number(place, first):  # type: ignore[no-untyped-def]
    for r in range(len(place)):
        place[r] = first + r


@inlined
def _choose(a, b, out, sign):  # type: ignore[no-untyped-def]
    """The higher (``sign`` 1) or lower (-1) of two rows."""
    for r in range(len(out)):
        out[r] = a[r] if sign * a[r] >= sign * b[r] else b[r]


@inlined
def _choose_place(a, b, at_a, at_b, out, sign):  # type: ignore[no-untyped-def]
    for r in range(len(out)):
        out[r] = at_a[r] if sign * a[r] >= sign * b[r] else at_b[r]


@inlined
def _join(first, low, then, out):  # type: ignore[no-untyped-def]
    """``until`` over two stretches: reached in the first, or in the second with ``left`` at least ``low`` before."""
    for r in range(len(out)):
        reached = low[r] if low[r] <= then[r] else then[r]
        out[r] = first[r] if first[r] >= reached else reached


@inlined
def _join_place(first, low, then, at_first, at_low, at_then, out):  # type: ignore[no-untyped-def]
    for r in range(len(out)):
        blocked = low[r] <= then[r]
        reached = low[r] if blocked else then[r]
        later = at_low[r] if blocked else at_then[r]
        out[r] = at_first[r] if first[r] >= reached else later
