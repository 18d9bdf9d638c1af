"""Functions of single numbers, as IEEE 754 and the tensors have them: no exception, but inf and NaN."""

import math

NOTHING = (math.inf, -math.inf)  # a stretch without samples


def until(early: tuple[float, float], late: tuple[float, float]) -> tuple[float, float]:
    """Two neighbouring stretches of samples as one: (least left, ``left until right``)."""
    return min(early[0], late[0]), max(early[1], min(early[0], late[1]))


def since(early: tuple[float, float], late: tuple[float, float]) -> tuple[float, float]:
    """Two neighbouring stretches of samples as one: (least left, ``left since right``)."""
    return min(early[0], late[0]), max(late[1], min(early[1], late[0]))


def divide(left: float, right: float) -> float:
    """A division; by zero it is infinite, with the signs of both."""
    if right == 0.0:
        return math.copysign(math.inf, left) * math.copysign(1.0, right) if left != 0.0 and left == left else math.nan
    return left / right


def power(base: float, exponent: float) -> float:
    """``base ** exponent``."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0.0 and exponent % 2.0 == 1.0 else math.inf
    except ValueError:  # zero to a negative power, or a negative base to a fraction
        return math.inf if base == 0.0 else math.nan


def sqrt(value: float) -> float:
    """Square root, NaN of negative numbers."""
    return math.sqrt(value) if value >= 0.0 else math.nan


def exp(value: float) -> float:
    """Exponential function."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
