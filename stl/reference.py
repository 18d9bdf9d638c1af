"""Robustness by rtamt 0.4.10, the reference that this package is tested against. Slow; needs rtamt.

What rtamt gets wrong is kept out: formulas are printed with all parentheses, every signal is declared and copied
(timed operators append to the caller's lists), traces are checked before it sees them (it reads past the end of a short
signal and gives results that depend on the order where a value is not a number), and a trace of one sample, which makes
it fail after it has found the value, is read from where the value is kept.
"""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stl.errors import StlError, closest
from stl.formula import Formula, Name, walk
from stl.text import to_rtamt


class _Samples(list[float]):
    """A signal that ``+=`` leaves alone: rtamt extends its operands in place."""

    __iadd__ = list.__add__  # type: ignore[assignment]


def reference_robustness(formula: Formula, signals: Mapping[str, ArrayLike], dt: float = 0.1) -> NDArray[np.float64]:
    """What rtamt's offline discrete-time specification says of a trace.

    Args:
        formula: With all parameters bound.
        signals: Values of each signal [T], at least one signal; those that the formula does not name are not used.
        dt: Sampling period, s.

    Returns:
        Robustness at every sample [T], float64.

    Raises:
        StlError: A signal is missing, empty, of another length than the others or holds a NaN; an interval is not a
            whole number of samples; or the arithmetic fails, as in a division by zero.
    """
    import rtamt  # late: it brings a parser runtime that nothing else needs

    samples = _checked(formula, signals)
    length = len(next(iter(samples.values())))
    specification = rtamt.StlDiscreteTimeOfflineSpecification()
    for name in samples:
        specification.declare_var(name, "float")
    specification.spec = to_rtamt(formula)
    specification.set_sampling_period(Fraction(str(round(dt, 9))), "s", 0.1)
    data = {"time": [index * dt for index in range(length)], **samples}
    try:
        specification.parse()
        try:
            specification.evaluate(data)
        except UnboundLocalError:
            if length > 1:
                raise
        values = specification.ast.offline_results[specification.ast.specs[-1]]
    except rtamt.RTAMTException as error:
        raise StlError(f"rtamt says: {str(error).removeprefix('RTAMT Exception: ').strip().rstrip('.')}") from error
    except (ArithmeticError, ValueError) as error:
        raise StlError(f"rtamt cannot evaluate the formula: {error}") from error
    return np.array(values[:length], np.float64)


def _checked(formula: Formula, signals: Mapping[str, ArrayLike]) -> dict[str, _Samples]:
    """The signals that the formula names, or all where it names none, as lists of Python floats."""
    wanted = sorted({node.name for node in walk(formula) if isinstance(node, Name)}) or sorted(signals)
    if not wanted:
        raise StlError("a formula without signals needs a trace that says how many samples there are")
    samples = {}
    length = None
    for name in wanted:
        if name not in signals:
            raise StlError(f"the trace has no signal '{name}'", suggestion=closest(name, signals))
        values = np.asarray(signals[name], np.float64)
        if values.ndim != 1 or not len(values):
            raise StlError(f"the signal '{name}' has the shape {values.shape}, not [T] with at least one sample")
        if length not in (None, len(values)):
            raise StlError(f"the signal '{name}' has {len(values)} samples, another signal has {length}")
        length = len(values)
        holes = np.flatnonzero(np.isnan(values))
        if len(holes):
            raise StlError(f"the signal '{name}' is not a number at sample {holes[0]}")
        samples[name] = _Samples(values.tolist())
    return samples
