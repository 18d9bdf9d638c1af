"""How planners are asked and judged: ``closed-loop``, ``navsim``, one file each; :func:`protocol` finds one by name."""

from typing import Literal, get_args

from evaluation.protocols.base import Protocol

Name = Literal["closed-loop", "navsim"]
NAMES: tuple[Name, ...] = get_args(Name)


def protocol(name: Name) -> Protocol:
    """The protocol ``name``."""
    if name == "navsim":
        from evaluation.protocols.navsim import Navsim

        return Navsim()
    from evaluation.protocols.closed_loop import ClosedLoop

    return ClosedLoop()
